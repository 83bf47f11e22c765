"""Spikes of any order and number put in order of time, in the memory of one block.

Sources list spikes by unit; records have them by time. A first pass counts how many spikes fall into which stretch of
time (:class:`TimeCells`). That gives every stretch its place in the result, into which a second pass writes its spikes
as they come; then each stretch is sorted where it lies. Nothing is asked of the order within a unit. Ties are broken by
unit, then by the order of arrival, so the result does not depend on how the source is cut into blocks. Columns that
are longer than memory should be wide lie in files without a name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .filed import FiledArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["EVENTS_AT_A_TIME", "SpikeSorter", "TimeCells"]

Array: TypeAlias = np.ndarray[Any, Any]
EVENTS_AT_A_TIME = 1 << 20
"""Spikes that are sorted at a time, and that a reader should hand over at a time."""
MOST_CELLS = 1 << 16
LARGEST_BITS = 50
"""Of the number of a cell, before cells are joined: fewer than a float64 has."""


class TimeCells:
    """How many spikes fall into which cell of time; cells grow in width as the times spread, by powers of two.

    A power of two divides a float64 without rounding, so cells follow the order of times exactly.
    """

    def __init__(self) -> None:
        self._exponent = -8
        self._first = 0
        self.counts = np.zeros(0, dtype=np.int64)

    @property
    def n_events(self) -> int:
        """How many spikes there are."""
        return int(self.counts.sum())

    def add(self, times_s: Array) -> None:
        """Count times: shape (event,), float64 seconds, finite."""
        if not len(times_s):
            return
        low, high = float(times_s.min()), float(times_s.max())
        while self._exponent < max(math.frexp(low)[1], math.frexp(high)[1]) - LARGEST_BITS:
            self._widen()
        first, last = self._number(low), self._number(high)
        while True:
            begin = min(first, self._first) if len(self.counts) else first
            end = max(last + 1, self._first + len(self.counts)) if len(self.counts) else last + 1
            if end - begin <= MOST_CELLS:
                break
            self._widen()
            first, last = self._number(low), self._number(high)
        if (begin, end - begin) != (self._first, len(self.counts)):
            grown = np.zeros(end - begin, dtype=np.int64)
            grown[self._first - begin : self._first - begin + len(self.counts)] = self.counts
            self._first, self.counts = begin, grown
        self.counts += np.bincount(self.cells(times_s), minlength=len(self.counts))

    def cells(self, times_s: Array) -> Array:
        """Return the cell of each time, shape (event,), int64 from 0."""
        return (np.floor(np.ldexp(times_s, -self._exponent)) - self._first).astype(np.int64)

    def _number(self, time_s: float) -> int:
        return math.floor(math.ldexp(time_s, -self._exponent))

    def _widen(self) -> None:
        """Join every two cells whose numbers differ in the last bit only."""
        self._exponent += 1
        if len(self.counts):
            numbers = (np.arange(len(self.counts)) + (self._first & 1)) >> 1
            self._first >>= 1
            self.counts = np.bincount(numbers, weights=self.counts).astype(np.int64)


class SpikeSorter:
    """Columns of spikes on their way into order.

    Parameters
    ----------
    cells : TimeCells
        All times, counted.
    dtypes : mapping of str to dtype
        The columns: ``tick`` and ``unit``, by which they are sorted, and others that come along.
    events_at_a_time : int
        Spikes that are sorted at a time, where times allow.
    """

    def __init__(
        self, cells: TimeCells, dtypes: Mapping[str, Any], *, events_at_a_time: int = EVENTS_AT_A_TIME
    ) -> None:
        self._cells, self.n_events = cells, cells.n_events
        self._columns = {name: FiledArray(np.dtype(dtype), (self.n_events,)) for name, dtype in dtypes.items()}
        ends = np.cumsum(cells.counts)
        # A stretch is as many neighbouring cells as fit; one that is fuller is a stretch of its own.
        starts, at = [0], 0
        while at < len(ends):
            before = int(ends[at] - cells.counts[at])
            at = max(at + 1, int(np.searchsorted(ends, before + events_at_a_time, side="right")))
            starts.append(at)
        bounds = np.asarray(starts)
        self._stretch_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        self._bounds = np.concatenate([[0], ends[bounds[1:] - 1]]).astype(np.int64)
        self._next = self._bounds[:-1].copy()

    def add(self, times_s: Array, columns: Mapping[str, Array]) -> None:
        """Take in a block: its times in seconds, and every column, shape (event,)."""
        stretch = self._stretch_of[self._cells.cells(times_s)]
        counts = np.bincount(stretch, minlength=len(self._next))
        order = None
        if len(times_s) and counts[stretch[0]] < len(times_s):
            narrow = stretch.astype(np.uint16 if len(self._next) <= 1 << 16 else np.int64)
            order = np.argsort(narrow, kind="stable")
        here = np.flatnonzero(counts)
        stops = np.cumsum(counts)
        for name, column in self._columns.items():
            values = columns[name] if order is None else columns[name][order]
            for at in here.tolist():
                column.write(int(self._next[at]), values[stops[at] - counts[at] : stops[at]])
        self._next += counts

    def sort(self) -> int:
        """Put every stretch in order; return how many spikes have the time of the one before them of their unit."""
        repeated = 0
        for low, high in zip(self._bounds[:-1].tolist(), self._bounds[1:].tolist(), strict=True):
            tick, unit = (self._columns[name].read(low, high) for name in ("tick", "unit"))
            order = np.lexsort((unit, tick)) if not _by_unit(unit) else np.argsort(tick, kind="stable")
            tick, unit = tick[order], unit[order]
            for name, column in self._columns.items():
                held = {"tick": tick, "unit": unit}.get(name)
                column.write(low, column.read(low, high)[order] if held is None else held)
            repeated += int(((tick[1:] == tick[:-1]) & (unit[1:] == unit[:-1])).sum())
        return repeated

    def variable(self, name: str, **attrs: Any) -> xr.Variable:
        """Return a column as a variable along ``event``, lazy where it lies in a file."""
        return self._columns[name].variable("event", attrs)


def _by_unit(unit: Array) -> bool:
    """Tell whether spikes came unit after unit: then their order among equal times is right already."""
    return bool((unit[1:] >= unit[:-1]).all())
