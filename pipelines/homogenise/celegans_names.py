"""The neurons of *Caenorhabditis elegans*, and the one way a label becomes one of their names.

Only what is certain is changed: blanks around a label, zero padding (``VA01`` is ``VA1``), and aliases that a source
lists with its evidence. A label that fits several neurons keeps all of them as candidates and gets no name: a class
without a side, a question mark and an ``A/B`` never become one cell. Case is significant.

The table of neurons itself is :mod:`connectome.celegans_neurons`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from connectome.celegans_neurons import (
    HERMAPHRODITE_NEURONS,
    MALE_NEURONS,
    NEURON_CLASSES,
    NEURONS,
    Neuron,
)

__all__ = [
    "HERMAPHRODITE_NEURONS",
    "LABEL_STATUSES",
    "MALE_NEURONS",
    "NEURONS",
    "NEURON_CLASSES",
    "LabelMatch",
    "LabelStatus",
    "Neuron",
    "mark_duplicates",
    "match_alternatives",
    "match_label",
    "match_labels",
    "match_side",
]

LabelStatus = Literal["exact", "normalised", "ambiguous", "duplicate", "unlabelled", "unknown"]
LABEL_STATUSES: tuple[LabelStatus, ...] = ("exact", "normalised", "ambiguous", "duplicate", "unlabelled", "unknown")
"""Codes of a label's status, in this order wherever they are stored.

``exact``: the label is a neuron's name. ``normalised``: it becomes one by a named rule. ``ambiguous``: it fits the
candidates, of which none is chosen. ``duplicate``: it names a neuron that another label of the same recording names
too. ``unlabelled``: it says nothing. ``unknown``: it says something that is no neuron's name.
"""


@dataclass(frozen=True)
class LabelMatch:
    """What a label says about a cell's identity."""

    raw: str
    """The label as the source writes it."""
    name: str
    """The neuron's name when the status is exact, normalised or duplicate, else ``""``."""
    candidates: tuple[str, ...]
    """Every neuron that the label fits, in table order."""
    status: LabelStatus
    rule: str
    """The rules that led from ``raw`` to ``name`` or ``candidates``, joined by ``+``; ``""`` when none was needed."""

    @property
    def identified(self) -> bool:
        """Whether the label names one neuron that no other label claims: the only labels to join by."""
        return self.status in {"exact", "normalised"}


# White et al. name AWC by side; which of the two is the ON cell differs from animal to animal (Troemel, Sagasti and
# Bargmann, Cell 99:387 (1999), doi:10.1016/S0092-8674(00)81525-1).
_STATES = MappingProxyType({"AWCON": "AWC", "AWCOFF": "AWC", "AWCOF": "AWC"})


_ORDER = {name: at for at, name in enumerate(NEURONS)}
_PADDED = re.compile(r"([A-Z]+)0+([1-9][0-9]*)")


def match_label(raw: str, *, aliases: Mapping[str, str] | None = None) -> LabelMatch:
    """Tell which neuron, or which neurons, a label means.

    Parameters
    ----------
    raw : str
        The label as the source writes it.
    aliases : mapping of str to str, optional
        Labels of this source that are known to mean a certain neuron although no rule says so, each with its evidence
        stated where the mapping is defined.

    Returns
    -------
    LabelMatch
        Status ``exact``, ``normalised``, ``ambiguous``, ``unlabelled`` or ``unknown``.

    Examples
    --------
    >>> match_label("VB02").name
    'VB2'
    >>> match_label("SAAD?").candidates
    ('SAADL', 'SAADR')
    >>> match_label("RMED/RID").status
    'ambiguous'
    """
    text = raw.strip()
    if not any(character.isalnum() for character in text):
        return LabelMatch(raw, "", (), "unlabelled", "")
    rules = [] if text == raw else ["blanks"]
    if aliases is not None and text in aliases:
        name = aliases[text]
        return LabelMatch(raw, name, (name,), "normalised", "+".join([*rules, "alias"]))
    doubtful = text.endswith("?")
    if doubtful:
        text = text.rstrip("? ")
        rules.append("question-mark")
    candidates, used = _alternatives(text) if "/" in text else _candidates(text)
    rules = list(dict.fromkeys([*rules, *used]))
    rule = "+".join(rules)
    if not candidates:
        return LabelMatch(raw, "", (), "unknown", "")
    if doubtful or len(candidates) > 1 or "alternatives" in rules:
        return LabelMatch(raw, "", candidates, "ambiguous", rule)
    return LabelMatch(raw, candidates[0], candidates, "normalised" if rules else "exact", rule)


def match_alternatives(raw: Sequence[str], *, aliases: Mapping[str, str] | None = None) -> LabelMatch:
    """Tell what a list of labels for one cell means, where a source lists every neuron that the cell may be.

    Entries that say nothing count for nothing: a list with one label left means that label. Of several labels none is
    chosen, and their candidates are joined; only labels that all name the same neuron name it.

    Parameters
    ----------
    raw : sequence of str
        The labels as the source writes them, the likeliest first where the source orders them.
    aliases : mapping of str to str, optional
        As for :func:`match_label`.

    Returns
    -------
    LabelMatch
        ``raw`` is all of them that say something, joined by ``|``.

    Examples
    --------
    >>> match_alternatives(["RIML", "RIMR"]).candidates
    ('RIML', 'RIMR')
    >>> match_alternatives(["AVAL", ""]).status
    'exact'
    """
    said = [label for label in raw if any(character.isalnum() for character in label)]
    if len(said) < 2:
        return match_label(said[0] if said else "|".join(label for label in raw if label.strip()), aliases=aliases)
    matches = [match_label(label, aliases=aliases) for label in said]
    text = "|".join(said)
    names = {match.name for match in matches}
    rule = "+".join(
        dict.fromkeys(["candidates", *(part for match in matches for part in match.rule.split("+") if part)])
    )
    if len(names) == 1 and names != {""}:
        name = names.pop()
        return LabelMatch(text, name, (name,), "normalised", rule)
    found = {name for match in matches for name in match.candidates}
    if not found:
        return LabelMatch(text, "", (), "unknown", "")
    return LabelMatch(text, "", tuple(sorted(found, key=_ORDER.__getitem__)), "ambiguous", rule)


def match_side(raw: str, side: Literal["L", "R"], *, aliases: Mapping[str, str] | None = None) -> LabelMatch:
    """Tell which neuron a class means when the source gives the side apart from it.

    Parameters
    ----------
    raw : str
        The class as the source writes it.
    side : {"L", "R"}
        What the source says.
    aliases : mapping of str to str, optional
        As for :func:`match_label`.

    Returns
    -------
    LabelMatch
        Of the neurons that the label fits, those of that side. Where there are none, or the label names a cell of its
        own, the two contradict each other: the label's own candidates are kept, ``ambiguous``.

    Examples
    --------
    >>> match_side("AVA", "L").name
    'AVAL'
    >>> match_side("RMD", "R").name
    'RMDR'
    >>> match_side("AVG", "R").status
    'ambiguous'
    """
    alone = match_label(raw, aliases=aliases)
    if alone.status in {"unlabelled", "unknown"}:
        return alone
    rule = "+".join([*(part for part in alone.rule.split("+") if part not in {"", "class"}), "side"])
    sided = tuple(name for name in alone.candidates if NEURONS[name].side == side)
    # RMD is a class of six, of which RMDL and RMDR are the ones that carry its name and a side.
    direct = tuple(name for name in sided if name == raw.strip() + side)
    if "question-mark" not in alone.rule and "alternatives" not in alone.rule:
        sided = direct or sided
    if not sided or alone.name:
        return LabelMatch(raw, "", alone.candidates, "ambiguous", rule)
    if len(sided) > 1 or "question-mark" in alone.rule:
        return LabelMatch(raw, "", sided, "ambiguous", rule)
    return LabelMatch(raw, sided[0], sided, "normalised", rule)


def match_labels(raw: Iterable[str | Sequence[str]], *, aliases: Mapping[str, str] | None = None) -> list[LabelMatch]:
    """Match the labels of one recording, in order; labels that name one neuron twice become ``duplicate``.

    A list of labels is taken as :func:`match_alternatives` does.
    """
    return mark_duplicates(
        match_label(label, aliases=aliases) if isinstance(label, str) else match_alternatives(label, aliases=aliases)
        for label in raw
    )


def mark_duplicates(matches: Iterable[LabelMatch]) -> list[LabelMatch]:
    """Give the status ``duplicate`` to every label of one recording that names a neuron which another names too.

    Every claimant of the neuron gets it, because nothing in the names tells which of them is right.
    """
    known = list(matches)
    claims = Counter(match.name for match in known if match.identified)
    return [
        replace(match, status="duplicate") if match.identified and claims[match.name] > 1 else match for match in known
    ]


def _candidates(text: str) -> tuple[tuple[str, ...], list[str]]:
    """Return every neuron that a label without marks of doubt fits, and the rules used."""
    if text in NEURONS:
        return (text,), []
    padded = _PADDED.fullmatch(text)
    if padded and padded[1] + padded[2] in NEURONS:
        return (padded[1] + padded[2],), ["zero-padding"]
    if text in _STATES:
        return NEURON_CLASSES[_STATES[text]], ["state"]
    if text in NEURON_CLASSES:
        return NEURON_CLASSES[text], ["class"]
    # SAAD, RMDV, IL1D: the dorsal or the ventral members of a class that has both.
    if text[-1:] in {"D", "V"} and text[:-1] in NEURON_CLASSES:
        members = tuple(name for name in NEURON_CLASSES[text[:-1]] if name[:-1] == text)
        return members, ["class"]
    return (), []


def _alternatives(text: str) -> tuple[tuple[str, ...], list[str]]:
    """Return what ``A/B`` fits; the later part may be only the ending that differs, as in ``RMDD/V``."""
    parts = [part.strip().rstrip("?") for part in text.split("/")]
    found: set[str] = set()
    rules = ["alternatives"]
    for part in parts:
        candidates, used = _candidates(part)
        if not candidates and 0 < len(part) < len(parts[0]):
            candidates, used = _candidates(parts[0][: -len(part)] + part)
        if not candidates:
            return (), []
        found.update(candidates)
        rules += used
    return tuple(sorted(found, key=_ORDER.__getitem__)), rules
