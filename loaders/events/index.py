"""Which windows of events there are, by arithmetic in exact numbers.

A window lies in one *range*: the overlap of an observed interval with a stretch of the split's part. Its start is the
range's start plus a whole number of strides, computed as a fraction, so that no window is lost to rounding and every
edge of a bin is the double nearest to the number meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from connectome.spikes import EdgeGrid, exact_seconds

__all__ = ["EventIndex", "overlaps"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class EventIndex:
    """Every window of a set of ranges; arrays have one entry per range."""

    record: Array
    """int64, position of the record."""
    begin_s: Array
    """float64, start of the range."""
    end_s: Array
    """float64, its end, excluded."""
    window: Fraction
    """Seconds per window."""
    stride: Fraction
    """Seconds from one window to the next."""
    origin: Fraction | None = None
    """Windows start a whole number of strides from here; None where they start with their range."""
    first: Array = field(init=False, repr=False)
    """int64, one entry more: number of the range's first window; the last entry is the number of windows."""

    starts: tuple[Fraction, ...] = field(init=False, repr=False)
    """Start of each range's first window."""
    _grids: dict[Fraction, EdgeGrid] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", tuple(map(self._start, self.begin_s.tolist())))
        counts = [
            max(0, int((exact(end) - start - self.window) // self.stride) + 1)
            for start, end in zip(self.starts, self.end_s.tolist(), strict=True)
        ]
        object.__setattr__(self, "first", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

    def _start(self, begin_s: float) -> Fraction:
        """Return where the first window of a range starts."""
        begin = exact(begin_s)
        if self.origin is None:
            return begin
        return self.origin - (self.origin - begin) // self.stride * self.stride

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def digest(self) -> str:
        """SHA-256 of all ranges, the window and the stride."""
        parts = [self.record.astype("<i8"), self.begin_s.astype("<f8"), self.end_s.astype("<f8")]
        lengths = f"{self.window} {self.stride} {self.origin}".encode()
        return hashlib.sha256(b"".join(part.tobytes() for part in parts) + lengths).hexdigest()

    def locate(self, indices: Array) -> tuple[Array, list[Fraction]]:
        """Return the range, int64, and the exact start in seconds of each window.

        Raises
        ------
        IndexError
            When there is no such window.
        """
        indices = self._checked(indices)
        which = np.searchsorted(self.first, indices, side="right") - 1
        steps = (indices - self.first[which]).tolist()
        return which, [self.starts[at] + step * self.stride for at, step in zip(which.tolist(), steps, strict=True)]

    def edges(self, indices: Array, width: Fraction) -> tuple[Array, Array]:
        """Return the range, int64, and the edges of the bins of each window.

        Parameters
        ----------
        indices : numpy.ndarray
            Shape (window,): which windows.
        width : fractions.Fraction
            Seconds per bin; the window is a multiple of it.

        Returns
        -------
        which : numpy.ndarray
            Shape (window,), int64.
        edges_s : numpy.ndarray
            Shape (window, bin + 1), float64: each the double nearest to the exact edge.

        Raises
        ------
        IndexError
            When there is no such window.
        """
        indices = self._checked(indices)
        which = np.searchsorted(self.first, indices, side="right") - 1
        grid = self._grids.get(width)
        if grid is None:
            grid = EdgeGrid(
                self.starts,
                width,
                int(self.window / width),
                stride=self.stride,
                most_steps=int(np.diff(self.first).max(initial=0)),
            )
            self._grids[width] = grid
        return which, grid.edges(which, indices - self.first[which])

    def _checked(self, indices: Array) -> Array:
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"window {indices.min()} to {indices.max()} of {len(self)}")
        return indices


def exact(time_s: float) -> Fraction:
    """Return a time as the number that was meant."""
    return exact_seconds(time_s, subject="a time")


def overlaps(
    intervals: Sequence[tuple[float, float]], stretches: Sequence[tuple[float, float]] | None
) -> list[tuple[float, float]]:
    """Return the overlaps of intervals with stretches, sorted; a stretch that is NaN, or no stretches, means all."""
    if stretches is None or any(np.isnan(start) for start, _ in stretches):
        return sorted(intervals)
    both = [(max(low, start), min(high, stop)) for low, high in intervals for start, stop in stretches]
    return sorted((begin, end) for begin, end in both if begin < end)
