"""How much of an interval was watched: outside it a count of zero is missing, not silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.intervals import Intervals, merged, shared

__all__ = ["ObservedTime", "observed_fraction"]

Array = np.ndarray[Any, Any]


def observed_fraction(observed_s: Array, start_s: Array, stop_s: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return which part of each interval was observed.

    Parameters
    ----------
    observed_s : numpy.ndarray
        Shape (interval, 2), float64 seconds: ordered, disjoint, half-open.
    start_s, stop_s : numpy.ndarray
        The same shape: the intervals asked for, of positive length.

    Returns
    -------
    numpy.ndarray
        The same shape, from 0 to 1; exactly 1 where one observed interval holds all of it.
    """
    start, stop = np.asarray(start_s, dtype=np.float64), np.asarray(stop_s, dtype=np.float64)
    seen = np.zeros(start.shape)
    whole = np.zeros(start.shape, dtype=bool)
    for low, high in np.asarray(observed_s, dtype=np.float64).reshape(-1, 2):
        seen += np.clip(np.minimum(stop, high) - np.maximum(start, low), 0.0, None)
        whole |= (low <= start) & (stop <= high)
    return np.where(whole, 1.0, np.clip(seen / (stop - start), 0.0, 1.0))


@dataclass(frozen=True)
class ObservedTime:
    """When each unit was watched: units of a probe that drops out are not watched, those of others are."""

    sets: tuple[Intervals, ...]
    """Different sets of intervals, each of shape (interval, 2): ordered, disjoint, half-open, in seconds."""
    which: Array
    """Shape (unit,), integers: the set of each unit."""

    def of(self, units: Array | None) -> ObservedTime:
        """Return the same for some units, in their order, with the sets that they have."""
        which = self.which if units is None else self.which[np.asarray(units)]
        kept, renumbered = np.unique(which, return_inverse=True)
        return ObservedTime(tuple(self.sets[at] for at in kept.tolist()), renumbered)

    @property
    def shared(self) -> Intervals:
        """What all units share."""
        return shared(self.sets)

    @property
    def any(self) -> Intervals:
        """When any unit was watched."""
        return merged(np.concatenate([*self.sets, np.zeros((0, 2))]))

    def whole(self, start_s: Array, stop_s: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which units were observed throughout each interval.

        Parameters
        ----------
        start_s, stop_s : numpy.ndarray
            As for :func:`observed_fraction`; intervals that touch count as one.

        Returns
        -------
        numpy.ndarray
            The shape of ``start_s``; with a first axis for the units where these have different sets.
        """
        start, stop = np.asarray(start_s, dtype=np.float64), np.asarray(stop_s, dtype=np.float64)
        each = [_inside(merged(one), start, stop) for one in self.sets]
        if len(each) == 1:
            return each[0]
        masks = np.stack(each) if each else np.zeros((1, *start.shape), dtype=bool)
        found: np.ndarray[Any, np.dtype[np.bool_]] = masks[self.which]
        return found


def _inside(intervals: Intervals, start: Array, stop: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell what lies in one of some intervals that are ordered and apart."""
    if not len(intervals):
        return np.zeros(start.shape, dtype=bool)
    at = np.searchsorted(intervals[:, 0], start, side="right") - 1
    inside: Array = (at >= 0) & (stop <= intervals[at, 1])
    return inside
