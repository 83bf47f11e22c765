"""Scores of seizure detection by events, as SzCORE counts them.

Dan et al. 2025, doi:10.1111/epi.18113, event-based scoring: events less than 90 s apart are one, events longer than
300 s are cut into pieces of 300 s, a reference event is detected when anything of a hypothesis lies from 30 s before it
to 60 s after it. The authors' program, timescoring (https://github.com/esl-epfl/timescoring), has changed what a false
detection is: to release 0.0.6, with which the paper and the challenge of 2025 were counted, one of which any part lies
outside all detected events so widened; from 0.0.7 (2026) one that lies outside them as a whole. The rule here says
which, and is that of 0.0.7 unless another is given. That program works on a grid of 0.1 s; here times are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from connectome.errors import UsageError
from connectome.intervals import Intervals, as_intervals, merged

from .seizure import Seizure, intervals_of
from .windows import TINY_S, overlap_s

__all__ = ["EventRule", "EventScores", "combine_scores", "score_events"]

Events: TypeAlias = "Sequence[Seizure] | Sequence[tuple[float, float]] | np.ndarray[Any, Any]"
SECONDS_PER_DAY = 86_400.0
OUTSIDE, BEYOND = "outside", "beyond"


@dataclass(frozen=True)
class EventRule:
    """The parameters of event scoring; the defaults are those of SzCORE."""

    before_s: float = 30.0
    """A detection may come so much earlier."""
    after_s: float = 60.0
    """And last so much longer."""
    least_overlap: float = 0.0
    """Part of the widened reference event that has to be exceeded; 0 is any overlap."""
    longest_s: float = 300.0
    """Longer events are cut."""
    apart_s: float = 90.0
    """Events that are less apart are one."""
    false_when: str = OUTSIDE
    """A detection is false when it lies ``outside`` all detected events so widened (timescoring 0.0.7), or when it
    reaches ``beyond`` them (timescoring to 0.0.6)."""

    def __post_init__(self) -> None:
        if self.false_when not in (OUTSIDE, BEYOND):
            raise UsageError(
                "no such rule of false detections", subject="false_when", expected=f"{OUTSIDE} or {BEYOND}",
                found=str(self.false_when),
            )  # fmt: skip


@dataclass(frozen=True)
class EventScores:
    """Counts and what follows from them; ratios without a denominator are NaN."""

    n_reference: int
    """Reference events after joining and cutting."""
    true_positives: int
    false_positives: int
    duration_s: float

    @property
    def sensitivity(self) -> float:
        """Detected part of the reference events."""
        return self.true_positives / self.n_reference if self.n_reference else math.nan

    @property
    def precision(self) -> float:
        """Part of the detections that are true."""
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else math.nan

    @property
    def f1(self) -> float:
        """Twice the true positives over all reference events and detections; NaN where there are neither.

        The harmonic mean of sensitivity and precision where both are known. As in timescoring 0.0.7, who detects none
        of some events has 0; to 0.0.6 that was NaN, which a mean over patients leaves out.
        """
        counted = self.n_reference + self.true_positives + self.false_positives
        return 2 * self.true_positives / counted if counted else math.nan

    @property
    def false_positives_per_day(self) -> float:
        """False detections in 24 hours."""
        return self.false_positives / (self.duration_s / SECONDS_PER_DAY)


def score_events(
    reference: Events, hypothesis: Events, *, duration_s: float, rule: EventRule | None = None
) -> EventScores:
    """Score the detections of one recording.

    Parameters
    ----------
    reference, hypothesis : sequence of Seizure, or pairs of (onset, end) in seconds
        Each with an end, inside ``[0, duration_s]``.
    duration_s : float
        Length of the recording.
    rule : EventRule, optional
        SzCORE's by default.

    Returns
    -------
    EventScores

    Raises
    ------
    UsageError
        When the duration is not positive, or an event has no end or lies outside.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise UsageError("a recording lasts", subject="duration_s", expected="more than 0 s", found=str(duration_s))
    chosen = rule or EventRule()
    wanted = _prepared(_checked(reference, "reference", duration_s), chosen)
    found = _prepared(_checked(hypothesis, "hypothesis", duration_s), chosen)
    wide = np.clip(wanted + np.array([-chosen.before_s, chosen.after_s]), 0.0, duration_s)
    detected = np.zeros(0, dtype=bool)
    if len(wide):
        overlap = overlap_s(wide[:, 0], wide[:, 1], found)
        detected = (overlap > TINY_S) & (overlap / (wide[:, 1] - wide[:, 0]) > chosen.least_overlap)
    false = 0
    if len(found):
        inside = overlap_s(found[:, 0], found[:, 1], wide[detected])
        outside = found[:, 1] - found[:, 0] - inside
        is_false = inside <= TINY_S if chosen.false_when == OUTSIDE else outside > TINY_S
        false = int(np.count_nonzero(is_false))
    return EventScores(len(wanted), int(np.count_nonzero(detected)), false, float(duration_s))


def combine_scores(scores: Sequence[EventScores]) -> EventScores:
    """Add the counts of several recordings of one person, as SzCORE does before it takes ratios."""
    return EventScores(
        sum(item.n_reference for item in scores),
        sum(item.true_positives for item in scores),
        sum(item.false_positives for item in scores),
        sum(item.duration_s for item in scores),
    )


def _checked(events: Events, name: str, duration_s: float) -> Intervals:
    items = list(events)
    pairs = intervals_of(items) if items and isinstance(items[0], Seizure) else as_intervals(items)
    bad = ~((pairs[:, 0] >= 0) & (pairs[:, 1] > pairs[:, 0]) & (pairs[:, 1] <= duration_s + TINY_S))
    if bad.any():
        raise UsageError(
            "an event cannot be scored", subject=name, expected=f"0 <= onset < end <= {duration_s:g} s",
            found=str(pairs[bad][0].tolist()),
        )  # fmt: skip
    return pairs


def _prepared(pairs: Intervals, rule: EventRule) -> Intervals:
    joined: list[list[float]] = []
    for onset, end in merged(pairs).tolist():
        if joined and onset - joined[-1][1] < rule.apart_s - TINY_S:
            joined[-1][1] = end
        else:
            joined.append([onset, end])
    pieces: list[tuple[float, float]] = []
    for onset, end in joined:
        while end - onset > rule.longest_s + TINY_S:
            pieces.append((onset, onset + rule.longest_s))
            onset += rule.longest_s
        pieces.append((onset, end))
    return as_intervals(pieces)
