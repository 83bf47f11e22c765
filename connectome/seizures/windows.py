"""What windows show of seizures, by the time that they share with them under a stated rule; never by single points.

Windows and seizures are half-open stretches of seconds, ``[start, stop)``. A window that lies wholly inside a seizure,
one that a short seizure lies wholly inside, and one that a seizure reaches into are all found alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from connectome.errors import UsageError
from connectome.intervals import Intervals, as_intervals, merged, without

from .seizure import Seizure, intervals_of

__all__ = ["STATES", "UNKNOWN", "Horizons", "OverlapRule", "ictal_windows", "label_windows", "overlap_s", "parse_rule"]

Array: TypeAlias = np.ndarray[Any, Any]

STATES = ("interictal", "preictal", "ictal", "postictal", "excluded")
"""States by code. ``excluded`` is annotated time that is none of the others: too near a seizure to be interictal, or a
window that shares time with one and not enough of it."""
UNKNOWN = -1
"""Code of windows of which the source does not say enough."""
TINY_S = 1e-9
"""Less than this is rounding of times in float64, no overlap."""
_RULE = re.compile(r"(?P<kind>fraction|seconds)\s*>=\s*(?P<least>\d+(?:\.\d*)?|\.\d+)")


@dataclass(frozen=True)
class OverlapRule:
    """How much of a window has to show a state."""

    kind: str
    """``any``, ``fraction`` (of the window) or ``seconds``."""
    least: float = 0.0

    def holds(self, overlap: Array, length: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell for each window whether so many seconds of it are enough."""
        if self.kind == "any":
            return np.asarray(overlap > TINY_S)
        least = self.least * length if self.kind == "fraction" else self.least
        return np.asarray((overlap > TINY_S) & (overlap >= least - TINY_S))


def parse_rule(text: str) -> OverlapRule:
    """Read a rule: ``any``, ``all``, ``fraction>=0.5`` of the window, ``seconds>=2``.

    Raises
    ------
    UsageError
        When it is none of these, or a fraction is not above 0 and at most 1.
    """
    if text == "any":
        return OverlapRule("any")
    found = _RULE.fullmatch("fraction>=1" if text == "all" else text.strip())
    least = float(found["least"]) if found else 0.0
    if found is None or least <= 0 or (found["kind"] == "fraction" and least > 1):
        raise UsageError(
            "no such rule of overlap", subject="rule", expected="any, all, fraction>=0.5, seconds>=2", found=text
        )
    return OverlapRule(found["kind"], least)


@dataclass(frozen=True)
class Horizons:
    """Which time around a seizure counts as what, in seconds."""

    preictal_s: float = 0.0
    """Length of the time before a seizure that is preictal."""
    gap_s: float = 0.0
    """Time right before the onset that is left out of it (the prediction horizon)."""
    postictal_s: float = 0.0
    """Length of the time after a seizure that is postictal."""
    interictal_from_s: float = 0.0
    """How far from every seizure interictal time has to be."""

    def __post_init__(self) -> None:
        values = (self.preictal_s, self.gap_s, self.postictal_s, self.interictal_from_s)
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise UsageError("horizons are seconds, 0 or more", subject="horizons", found=str(values))


def overlap_s(starts_s: Array, stops_s: Array, intervals: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how many seconds of each window lie in any of some intervals.

    Parameters
    ----------
    starts_s, stops_s : array of shape (window,)
        Half-open windows in any order.
    intervals : array of shape (interval, 2)
        Half-open, in any order; those that overlap count once.

    Returns
    -------
    numpy.ndarray
        float64, shape (window,).
    """
    starts, stops = _windows(starts_s, stops_s)
    joined = merged(intervals)
    if not len(joined):
        return np.zeros(len(starts))
    # Seconds covered up to a time rise only inside intervals; their difference is the overlap.
    lengths = joined[:, 1] - joined[:, 0]
    covered = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1).ravel()
    edges = joined.ravel()
    overlap = np.interp(stops, edges, covered) - np.interp(starts, edges, covered)
    return np.maximum(overlap, 0.0)


def ictal_windows(
    starts_s: Array, stops_s: Array, seizures: Sequence[Seizure] | Array, *, rule: str = "any"
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which windows show a seizure.

    Parameters
    ----------
    starts_s, stops_s : array of shape (window,)
        Half-open windows, in seconds after the first sample.
    seizures : sequence of Seizure, or array of shape (seizure, 2)
        Onset and end. Of one whose end is unknown, the onset alone counts, and for the rule ``any`` only.
    rule : str
        See :func:`parse_rule`.

    Returns
    -------
    numpy.ndarray
        bool, shape (window,).
    """
    starts, stops = _windows(starts_s, stops_s)
    chosen = parse_rule(rule)
    closed, open_onsets = _sorted_out(seizures)
    found = chosen.holds(overlap_s(starts, stops, closed), stops - starts)
    return found | _holding(starts, stops, open_onsets) if chosen.kind == "any" else found


def label_windows(
    starts_s: Array,
    stops_s: Array,
    seizures: Sequence[Seizure] | Array | None,
    *,
    rule: str = "any",
    horizons: Horizons | None = None,
    observed: Sequence[tuple[float, float]] | Array | None = None,
) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Label windows by what they share with seizures and the time around them.

    Parameters
    ----------
    starts_s, stops_s : array of shape (window,)
        Half-open windows, in seconds after the first sample.
    seizures : sequence of Seizure, array of shape (seizure, 2), or None
        All seizures of the annotated time; None where the source does not say: all windows are unknown.
    rule : str
        How much of a window has to be ictal, preictal or postictal to be called so (:func:`parse_rule`), asked in the
        order ictal, postictal, preictal. A window with less ictal time than the rule asks for is ``excluded``.
    horizons : Horizons, optional
        By default there is no preictal or postictal time, and all that is not ictal is interictal.
    observed : pairs of (start, stop), optional
        The annotated time; by default all time is. A window that reaches beyond it is unknown, unless what is known of
        it makes it ictal.

    Returns
    -------
    numpy.ndarray
        int8 codes of ``STATES``, shape (window,); ``UNKNOWN`` where the source does not say. After the onset of a
        seizure whose end is unknown, all is unknown up to the end of that annotated stretch. Interictal windows are
        wholly so.

    Raises
    ------
    UsageError
        When the rule is unknown or windows do not end after they start.
    """
    starts, stops = _windows(starts_s, stops_s)
    codes = np.full(len(starts), UNKNOWN, dtype=np.int8)
    if seizures is None:
        return codes
    chosen, near = parse_rule(rule), horizons or Horizons()
    closed, open_onsets = _sorted_out(seizures)
    known = as_intervals([(-np.inf, np.inf)]) if observed is None else merged(observed)
    lengths = stops - starts
    ictal = merged(closed)
    ends = merged(np.stack([closed[:, 1], closed[:, 1] + near.postictal_s], axis=1)) if len(closed) else closed
    postictal = without(ends, ictal)
    onsets = np.concatenate([closed[:, 0], open_onsets])
    before = np.stack([onsets - near.gap_s - near.preictal_s, onsets - near.gap_s], axis=1)
    preictal = without(without(merged(before), ictal), postictal)
    reach = near.interictal_from_s
    around = np.concatenate(
        [closed + np.array([-reach, reach]), np.stack([open_onsets - reach, open_onsets + reach], axis=1)]
    )
    gaps = np.stack([onsets - near.gap_s, onsets], axis=1)
    not_interictal = merged(np.concatenate([ictal, postictal, preictal, around, gaps]))

    codes[:] = STATES.index("interictal")
    codes[overlap_s(starts, stops, not_interictal) > TINY_S] = STATES.index("excluded")
    for state, intervals in (("preictal", preictal), ("postictal", postictal)):
        codes[chosen.holds(overlap_s(starts, stops, intervals), lengths)] = STATES.index(state)
    ictal_s = overlap_s(starts, stops, ictal)
    codes[ictal_s > TINY_S] = STATES.index("excluded")
    codes[_unobserved(starts, stops, known) | _after(starts, stops, open_onsets, known)] = UNKNOWN
    codes[chosen.holds(ictal_s, lengths)] = STATES.index("ictal")
    if chosen.kind == "any":
        codes[_holding(starts, stops, open_onsets)] = STATES.index("ictal")
    return codes


def _windows(starts_s: Array, stops_s: Array) -> tuple[Array, Array]:
    starts, stops = (np.asarray(value, dtype=np.float64).ravel() for value in (starts_s, stops_s))
    if len(starts) != len(stops) or not bool(np.all(stops > starts)):
        raise UsageError(
            "windows end after they start", subject="windows", expected="as many stops as starts, each greater",
            found=f"{len(starts)} starts, {len(stops)} stops",
        )  # fmt: skip
    return starts, stops


def _sorted_out(seizures: Sequence[Seizure] | Array) -> tuple[Intervals, Array]:
    """Return the seizures with an end, and the onsets of the others."""
    pairs = as_intervals(seizures) if isinstance(seizures, np.ndarray) else intervals_of(seizures)
    if np.isnan(pairs[:, 0]).any() or bool((pairs[:, 1] <= pairs[:, 0]).any()):
        raise UsageError("seizures begin, and end later", subject="seizures", found=str(pairs.tolist()[:5]))
    is_open = np.isnan(pairs[:, 1])
    return pairs[~is_open], pairs[is_open, 0]


def _holding(starts: Array, stops: Array, moments: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    ordered = np.sort(moments)
    return np.searchsorted(ordered, starts, side="left") < np.searchsorted(ordered, stops, side="left")


def _unobserved(starts: Array, stops: Array, known: Intervals) -> np.ndarray[Any, np.dtype[np.bool_]]:
    at = np.searchsorted(known[:, 0], starts + TINY_S, side="right") - 1
    if not len(known):
        return np.ones(len(starts), dtype=bool)
    return np.asarray((at < 0) | (stops > known[np.maximum(at, 0), 1] + TINY_S))


def _after(starts: Array, stops: Array, onsets: Array, known: Intervals) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which windows reach into the time after an onset whose seizure nobody saw end."""
    found = np.zeros(len(starts), dtype=bool)
    for onset in onsets.tolist():
        inside = known[(known[:, 0] <= onset) & (onset < known[:, 1])]
        end = float(inside[0, 1]) if len(inside) else np.inf
        found |= (stops > onset + TINY_S) & (starts < end - TINY_S)
    return found
