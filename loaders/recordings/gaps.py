"""Where a recording's clock stands still or jumps, and the stretches of samples between the jumps.

A stretch is the longest run of samples that count, in one segment, no two neighbours of which lie further apart than
the maximal gap. Resampling and smoothing work inside stretches and never across their ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["Gaps", "by_mask", "checked_series", "gaps", "stretches"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Gaps:
    """What is irregular in the stamps of a recording."""

    before: Array
    """Shape (gap,), int64: last sample before each gap."""
    duration_s: Array
    """Shape (gap,), float64: seconds from that sample to the next."""
    repeated: Array
    """Shape (repeat,), int64: samples whose stamp is that of the sample before."""
    backward: Array
    """Shape (step,), int64: samples whose stamp is earlier than that of the sample before."""


def gaps(time_s: Array, *, max_gap_s: float) -> Gaps:
    """Find gaps, repeated stamps and steps back in time.

    Parameters
    ----------
    time_s : numpy.ndarray
        Shape (time,), seconds.
    max_gap_s : float
        Longest step in seconds that is no gap; above 0.

    Returns
    -------
    Gaps

    Raises
    ------
    UsageError
        When the stamps are no finite numbers along one axis, or the maximal gap is not above 0.
    """
    stamps = _checked_stamps(time_s)
    _check_max_gap(max_gap_s)
    steps = np.diff(stamps)
    before = np.flatnonzero(steps > max_gap_s)
    return Gaps(
        before=before,
        duration_s=steps[before],
        repeated=np.flatnonzero(steps == 0) + 1,
        backward=np.flatnonzero(steps < 0) + 1,
    )


def checked_series(
    signal: Array, time_s: Array, mask: Array | None, segments: Sequence[tuple[int, int]] | None
) -> tuple[Array, Array, Array, list[tuple[int, int]]]:
    """Return the signal as float64 (channel, time), stamps, the mask of samples that count, and segments.

    Raises
    ------
    UsageError
        When shapes do not fit, stamps are not finite, or stamps go back in time inside a segment.
    """
    stamps = _checked_stamps(time_s)
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(stamps):
        raise UsageError(
            "the signal does not fit its stamps",
            subject="signal",
            expected=f"(channel, {len(stamps)})",
            found=str(values.shape),
        )
    counts = np.isfinite(values)
    if mask is not None:
        if np.shape(mask) != values.shape:
            raise UsageError(
                "the mask has another shape", subject="mask", expected=str(values.shape), found=str(np.shape(mask))
            )
        counts &= np.asarray(mask, dtype=bool)
    ranges = [(0, len(stamps))] if segments is None else [(int(first), int(last)) for first, last in segments]
    for first, last in ranges:
        if (np.diff(stamps[first:last]) < 0).any():
            raise UsageError(
                "the stamps go back in time",
                subject="time_s",
                place=f"samples {first} to {last}",
                expected="stamps that never decrease inside a segment",
                hint="gaps(time_s, max_gap_s=...).backward says where; give segments=",
            )
    return values, stamps, counts, ranges


def by_mask(counts: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the channels that share a mask, and that mask: shapes (channel,) and (time,)."""
    if not len(counts):
        return
    patterns, which = np.unique(counts, axis=0, return_inverse=True)
    for at, pattern in enumerate(patterns):
        yield np.flatnonzero(which.reshape(-1) == at), pattern


def stretches(
    time_s: Array, counts: Array, segments: Sequence[tuple[int, int]], *, max_gap_s: float | None
) -> Iterator[Array]:
    """Yield the samples of every stretch of a channel, in order.

    Parameters
    ----------
    time_s : numpy.ndarray
        Shape (time,), seconds that never decrease inside a segment.
    counts : numpy.ndarray
        Shape (time,), bool: which samples count.
    segments : sequence of (start, stop)
        Half-open ranges of samples.
    max_gap_s : float, optional
        Longest step inside a stretch; None for no limit.
    """
    if max_gap_s is not None:
        _check_max_gap(max_gap_s)
    for first, last in segments:
        samples = first + np.flatnonzero(counts[first:last])
        if not samples.size:
            continue
        limit = np.inf if max_gap_s is None else max_gap_s
        yield from np.split(samples, np.flatnonzero(np.diff(time_s[samples]) > limit) + 1)


def _checked_stamps(time_s: Array) -> Array:
    stamps = np.asarray(time_s, dtype=np.float64)
    if stamps.ndim != 1 or not np.isfinite(stamps).all():
        raise UsageError(
            "a clock in seconds is needed",
            subject="time_s",
            expected="finite numbers, shape (time,)",
            found=f"shape {stamps.shape}, {int((~np.isfinite(stamps)).sum())} not finite",
            hint="records that only count frames have no time in seconds",
        )
    return stamps


def _check_max_gap(max_gap_s: float) -> None:
    if not max_gap_s > 0:
        raise UsageError("a maximal gap is a duration", subject="max_gap_s", expected="above 0", found=str(max_gap_s))
