"""Half-open intervals of time as arrays of shape (interval, 2): ordered, apart from each other, start before stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Intervals", "as_intervals", "merged", "shared", "without"]

Array: TypeAlias = np.ndarray[Any, Any]
Intervals: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def as_intervals(pairs: Sequence[tuple[float, float]] | Array) -> Intervals:
    """Return pairs as float64 of shape (interval, 2), in the order given."""
    return np.asarray(pairs, dtype=np.float64).reshape(-1, 2)


def merged(pairs: Sequence[tuple[float, float]] | Array) -> Intervals:
    """Return what is in any of the intervals: sorted, those that overlap or touch joined."""
    joined: list[tuple[float, float]] = []
    for start, stop in sorted(map(tuple, as_intervals(pairs).tolist())):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return as_intervals(joined)


def shared(sets: Iterable[Intervals]) -> Intervals:
    """Return what is in all sets of intervals; nothing where there are no sets."""
    common: Intervals | None = None
    for one in sets:
        common = one if common is None or np.array_equal(common, one) else _overlap(common, one)
    return as_intervals([]) if common is None else common


def _overlap(one: Intervals, other: Intervals) -> Intervals:
    # Of all others only those that reach into an interval are looked at.
    first = np.searchsorted(other[:, 1], one[:, 0], side="right")
    last = np.searchsorted(other[:, 0], one[:, 1], side="left")
    parts = [
        np.clip(other[low:high], start, stop)
        for (start, stop), low, high in zip(one.tolist(), first.tolist(), last.tolist(), strict=True)
        if low < high
    ]
    return np.concatenate(parts) if parts else as_intervals([])


def without(one: Intervals, excluded: Intervals) -> Intervals:
    """Return what is in the intervals and in none of those excluded."""
    inside = as_intervals([])
    if len(excluded):
        stops, starts = excluded[:, 1], excluded[:, 0]
        gaps = np.stack([np.concatenate([[-np.inf], stops]), np.concatenate([starts, [np.inf]])], axis=1)
        inside = _overlap(one, gaps[gaps[:, 0] < gaps[:, 1]])
    return inside if len(excluded) else one
