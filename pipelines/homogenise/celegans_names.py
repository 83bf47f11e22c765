"""The neurons of *Caenorhabditis elegans*, and the one way a label becomes one of their names.

Only what is certain is changed: blanks around a label, zero padding (``VA01`` is ``VA1``), and aliases that a source
lists with its evidence. A label that fits several neurons keeps all of them as candidates and gets no name: a class
without a side, a question mark and an ``A/B`` never become one cell. Case is significant.

Sources of the table: the 302 neurons of the hermaphrodite in 118 classes are those of White et al., Phil. Trans. R.
Soc. B 314:1 (1986), doi:10.1098/rstb.1986.0056; the neurons of the male only are those that Cook et al., Nature 571:63
(2019), doi:10.1038/s41586-019-1352-7, list in their supplementary matrices. Numbers are written without padding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

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

Sex = Literal["both", "hermaphrodite", "male"]
Side = Literal["L", "R", "none"]


@dataclass(frozen=True)
class Neuron:
    """A neuron as the table lists it."""

    name: str
    neuron_class: str
    side: Side
    """``none`` for cells without a partner on the other side."""
    sex: Sex
    """In which animals the cell exists."""


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


# Each word is a class; its members are the class name and an ending. A single cell's name is its class.
_PAIRED = """
    ADA ADE ADF ADL AFD AIA AIB AIM AIN AIY AIZ ALM ALN ASE ASG ASH ASI ASJ ASK AUA AVA AVB AVD AVE AVF AVH AVJ AVK
    AWA AWB AWC BAG BDU CAN FLP HSN I1 I2 LUA M2 M3 MC NSM OLL PDE PHA PHB PHC PLM PLN PVC PVD PVN PVP PVQ PVW RIA
    RIB RIC RIF RIG RIM RIP RIV RMF RMG RMH SDQ URB URX
"""
_SINGLE = "ALA AQR AVG AVL AVM DVA DVB DVC I3 I4 I5 I6 M1 M4 M5 MI PDA PDB PQR PVM PVR PVT RID RIH RIR RIS"
_NUMBERED = {"AS": 11, "DA": 9, "DB": 7, "DD": 6, "VA": 12, "VB": 11, "VC": 6, "VD": 13}
_FOUR = ("DL", "DR", "VL", "VR")
_SIX = ("DL", "DR", "L", "R", "VL", "VR")
_GROUPED = {
    **dict.fromkeys(("CEP", "OLQ", "SAA", "SIA", "SIB", "SMB", "SMD", "URA", "URY"), _FOUR),
    **dict.fromkeys(("IL1", "IL2", "RMD"), _SIX),
    "RME": ("D", "L", "R", "V"),
    "SAB": ("D", "VL", "VR"),
}
_HERMAPHRODITE_ONLY = frozenset({"HSN", "VC"})

_MALE_PAIRED = """
    MCM PCA PCB PCC PHD R1A R1B R2A R2B R3A R3B R4A R4B R5A R5B R6A R6B R7A R7B R8A R8B R9A R9B SPC SPD SPV
"""
_MALE_SINGLE = "DVE DVF HOA HOB PDC PGA PVV PVX PVY PVZ"
_MALE_NUMBERED = {"CA": 9, "CP": 9, "DX": 3, "EF": 3}
_MALE_GROUPED = {"CEM": _FOUR}

# White et al. name AWC by side; which of the two is the ON cell differs from animal to animal (Troemel, Sagasti and
# Bargmann, Cell 99:387 (1999), doi:10.1016/S0092-8674(00)81525-1).
_STATES = MappingProxyType({"AWCON": "AWC", "AWCOFF": "AWC", "AWCOF": "AWC"})


def _classes(
    paired: str, single: str, numbered: Mapping[str, int], grouped: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    classes: dict[str, tuple[str, ...]] = {name: (f"{name}L", f"{name}R") for name in paired.split()}
    classes |= {name: (name,) for name in single.split()}
    classes |= {name: tuple(f"{name}{at}" for at in range(1, count + 1)) for name, count in numbered.items()}
    classes |= {name: tuple(name + ending for ending in endings) for name, endings in grouped.items()}
    return dict(sorted(classes.items()))


def _neurons(classes: Mapping[str, tuple[str, ...]], *, male: bool) -> dict[str, Neuron]:
    neurons = {}
    for neuron_class, members in classes.items():
        sex: Sex = "male" if male else "hermaphrodite" if neuron_class in _HERMAPHRODITE_ONLY else "both"
        for name in members:
            partner = name[:-1] + {"L": "R", "R": "L"}.get(name[-1], "")
            side: Side = ("L" if name[-1] == "L" else "R") if partner in members and partner != name else "none"
            neurons[name] = Neuron(name, neuron_class, side, sex)
    return neurons


_SHARED_CLASSES = _classes(_PAIRED, _SINGLE, _NUMBERED, _GROUPED)
_MALE_CLASSES = _classes(_MALE_PAIRED, _MALE_SINGLE, _MALE_NUMBERED, _MALE_GROUPED)

NEURON_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(_SHARED_CLASSES | _MALE_CLASSES)
"""Class to the names of its members, of both sexes."""

NEURONS: Mapping[str, Neuron] = MappingProxyType(
    _neurons(_SHARED_CLASSES, male=False) | _neurons(_MALE_CLASSES, male=True)
)
"""Every neuron of both sexes by name: by class in text order, then by number or body position."""

HERMAPHRODITE_NEURONS: tuple[str, ...] = tuple(name for name, cell in NEURONS.items() if cell.sex != "male")
"""The 302 neurons of the hermaphrodite."""

MALE_NEURONS: tuple[str, ...] = tuple(name for name, cell in NEURONS.items() if cell.sex != "hermaphrodite")
"""The 294 neurons that the male shares with the hermaphrodite and those it has alone."""

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
