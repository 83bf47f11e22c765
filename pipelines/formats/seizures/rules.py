"""Controlled labels for the free texts of events, by stated rules; what no rule names keeps its text and no label.

``plain`` takes only whole texts that leave no doubt. ``ds004100`` (HUP, doi:10.18112/openneuro.ds004100.v1.1.3) has two
texts, and interictal runs that hold no seizure. ``ds003029`` (doi:10.18112/openneuro.ds003029.v1.0.5) has hundreds, of
five hospitals: an onset that is doubted (``?onset``), clinical only, or only the press of a button (``SZ EVENT # (PB
SZ)``) is no onset of a seizure, and a run that has none of another kind says nothing of when its seizure began.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectome.errors import UsageError
from connectome.intervals import as_intervals, merged, without
from connectome.schema import warning
from connectome.seizures import Seizure

from .nihon_kohden import is_time_mark

if TYPE_CHECKING:
    from connectome.intervals import Intervals

    from ..tables.text_rows import Note

__all__ = [
    "AUTO",
    "EVENT_LABELS",
    "RULES",
    "EventRules",
    "TextRule",
    "choose_rules",
    "label_texts",
    "observed_time",
    "pair_seizures",
]

AUTO = "auto"
ONSET, OFFSET = "seizure_onset", "seizure_offset"
EVENT_LABELS: Mapping[str, str] = {
    ONSET: "a seizure begins in the recording",
    OFFSET: "a seizure ends in the recording",
    "clinical_onset": "its first sign that can be seen or heard",
    "clinical_offset": "its last such sign",
    "uncertain_onset": "a seizure or its signs may begin: the source doubts it",
    "seizure_mark": "a button or a program marked a seizure, not where it begins",
    "time_mark": "states the true time of the mark with the same onset",
    "recording_start": "the recorder starts a stretch",
}
"""Every label that rules give, and what it says. Codes of SzCORE come beside them."""
SOURCE = "events.tsv"


@dataclass(frozen=True)
class TextRule:
    """A text that matches from its first to its last letter, in any case, has the label."""

    pattern: str
    label: str

    def matches(self, text: str) -> bool:
        """Tell whether the rule is about a text."""
        return re.fullmatch(self.pattern, " ".join(text.split()), re.IGNORECASE) is not None


@dataclass(frozen=True)
class EventRules:
    """What the texts of one dataset mean."""

    name: str
    texts: tuple[TextRule, ...] = ()
    """The first that matches decides."""
    corrects_times: bool = True
    """Whether time marks of Nihon Kohden are followed (:mod:`.nihon_kohden`)."""
    seizure_free_tasks: frozenset[str] = frozenset()
    """Tasks whose runs hold no seizure, by the dataset's own description."""
    channel_words: Mapping[str, str] = field(default_factory=dict)
    """Word in ``status_description`` of ``channels.tsv`` to the column that it makes true."""


_PLAIN = (
    TextRule(r"(eeg |ictal |electrographic )?(sz|seizure)[ _](onset|start)|(ictal|electrographic) onset", ONSET),
    TextRule(r"(eeg |ictal |electrographic )?(sz|seizure)[ _](offset|end)|(ictal|electrographic) offset", OFFSET),
    TextRule(r"clinical onset", "clinical_onset"),
    TextRule(r"clinical (offset|end)", "clinical_offset"),
)
_FREE = (
    TextRule(r".*\bonset\b.*\?.*|.*\?.*\bonset\b.*|.*\bposs\w*\b.*\bonset\b.*", "uncertain_onset"),
    TextRule(r"(z )?clinical onset", "clinical_onset"),
    TextRule(r"(z )?clinical (offset|end)", "clinical_offset"),
    TextRule(r"sz event ?#.*|(seizure|sz) ?#\d+|sz", "seizure_mark"),
    TextRule(r"(?!.*\bclin)(.*\bonset\b.*|(eeg )?sz start)", ONSET),
    TextRule(r"(z )?electrographic end|(eeg )?sz end|seizure off|(sz )?offset( with atten\w*)?", OFFSET),
    TextRule(r"segment: rec start.*", "recording_start"),
)

RULES: Mapping[str, EventRules] = {
    rules.name: rules
    for rules in (
        EventRules("none", corrects_times=False),
        EventRules("plain", _PLAIN),
        EventRules(
            "ds004100",
            (TextRule(r"sz onset", ONSET), TextRule(r"sz offset", OFFSET)),
            corrects_times=False,
            seizure_free_tasks=frozenset({"interictal"}),
            channel_words={"soz": "soz", "resect": "resected"},
        ),
        EventRules("ds003029", _FREE),
    )
}
"""Every set of rules by name."""


def choose_rules(name: str = AUTO, *, doi: str = "") -> EventRules:
    """Return a set of rules; ``auto`` takes that of the OpenNeuro accession in a DOI, else ``plain``.

    Raises
    ------
    UsageError
        When there is no set of that name.
    """
    if name == AUTO:
        found = re.search(r"openneuro\.(ds\d{6})", doi)
        return RULES.get(found[1], RULES["plain"]) if found else RULES["plain"]
    if name not in RULES:
        raise UsageError("no such rules for events", subject="events", expected=", ".join([AUTO, *RULES]), found=name)
    return RULES[name]


def label_texts(texts: Sequence[str], rules: EventRules) -> list[str]:
    """Return the label of each text; ``""`` where no rule names one."""
    return [_label(text, rules) for text in texts]


def _label(text: str, rules: EventRules) -> str:
    if rules.corrects_times and is_time_mark(text):
        return "time_mark"
    return next((rule.label for rule in rules.texts if rule.matches(text)), "")


def pair_seizures(
    onsets_s: Sequence[float], labels: Sequence[str], *, source: str = SOURCE
) -> tuple[list[Seizure], list[Note]]:
    """Make seizures of events that are labelled as onsets and ends.

    Parameters
    ----------
    onsets_s : sequence of float
        Times of the events in any order; those that are NaN are left out.
    labels : sequence of str
        One for each, of ``EVENT_LABELS``.
    source : str
        Where they come from, for the seizures and for warnings.

    Returns
    -------
    seizures : list of Seizure
        An onset, and the first end after it and before the next seizure; without one, the end is unknown. An onset
        between another and its end is one of the same seizure.
    warnings : list of dict
        Onsets within a seizure, and ends without an onset.
    """
    seizures: list[Seizure] = []
    warnings: list[Note] = []
    begun: float | None = None
    for time, label in _marks(onsets_s, labels):
        if label == ONSET and begun is None:
            begun = time
        elif label == ONSET:
            message = f"{time:g} s lies in the seizure that begins at {begun:g} s and is taken for a part of it"
            warnings.append(warning("onset-within-seizure", source, message))
        elif begun is None or time <= begun:
            message = f"an end at {time:g} s belongs to no seizure whose onset is known"
            warnings.append(warning("offset-without-onset", source, message))
        else:
            seizures.append(Seizure(begun, time, source=source))
            begun = None
    if begun is not None:
        seizures.append(Seizure(begun, source=source))
    return seizures, warnings


def observed_time(onsets_s: Sequence[float], labels: Sequence[str]) -> Intervals | None:
    """Return the time of which marks of onsets and ends tell whether there was a seizure.

    Before an end without an onset there was one, and nobody says since when: that time is told of only up to the mark
    before it.

    Parameters
    ----------
    onsets_s, labels
        As for :func:`pair_seizures`.

    Returns
    -------
    numpy.ndarray or None
        Shape (stretch, 2), float64 seconds, infinite where there is no bound; None where it is all time.
    """
    untold: list[tuple[float, float]] = []
    before, is_open = -math.inf, False
    for time, label in _marks(onsets_s, labels):
        if label == OFFSET and not is_open and before < time:
            untold.append((before, time))
        is_open = label == ONSET
        before = time
    return without(as_intervals([(-math.inf, math.inf)]), merged(untold)) if untold else None


def _marks(onsets_s: Sequence[float], labels: Sequence[str]) -> list[tuple[float, str]]:
    """Return onsets and ends in the order of time."""
    return sorted(
        (onset, label)
        for onset, label in zip(onsets_s, labels, strict=True)
        if label in (ONSET, OFFSET) and not math.isnan(onset)
    )
