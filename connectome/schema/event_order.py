"""One pass over events by time, in blocks: are they in order, how many has each unit, where does every second begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import SchemaError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SLAB_S", "Scan", "scan"]

Array = np.ndarray[Any, Any]
EVENTS_AT_A_TIME = 1 << 20
"""So that a session of 10^8 spikes needs no more memory than one of 10^6."""
SLAB_S = 1.0
MOST_SLABS = 20_000_000
"""Seven months; times that count from 1970 are beyond it, and would fill gigabytes with pointers to the first event."""


@dataclass(frozen=True)
class Scan:
    """What one pass over sorted events tells."""

    n_events: int
    in_order: bool
    finite: bool
    lowest: int
    highest: int
    unit_ptr: Array
    slab_ptr: Array
    """Empty where events are not in order, or ticks do not fit the clock."""


def _blocks(tick: xr.Variable, unit: xr.Variable) -> Iterator[tuple[Array, Array]]:
    for low in range(0, tick.shape[0], EVENTS_AT_A_TIME):
        rows = slice(low, low + EVENTS_AT_A_TIME)
        yield np.asarray(tick[rows].values), np.asarray(unit[rows].values)


def scan(tick: xr.Variable, unit: xr.Variable, n_units: int, rate: Fraction | None) -> Scan:
    """Go once over events: arrays or lazy variables of shape (event,), as sorted as they are."""
    n_events, in_order, finite, lowest, highest = tick.shape[0], True, True, 0, 0
    counts = np.zeros(n_units, dtype=np.int64)
    fits = tick.dtype.kind == ("f" if rate is None else "i")
    slabs = _Slabs(tick[-1:].values, rate) if fits else None
    before: tuple[Array, Array] | None = None
    for ticks, owners in _blocks(tick, unit):
        if before is not None:
            in_order &= bool(_later(*before, ticks[:1], owners[:1]).all())
        in_order &= bool(_later(ticks[:-1], owners[:-1], ticks[1:], owners[1:]).all())
        before = ticks[-1:].copy(), owners[-1:].copy()
        finite &= ticks.dtype.kind != "f" or bool(np.isfinite(ticks).all())
        lowest, highest = min(lowest, int(owners.min())), max(highest, int(owners.max()))
        if lowest >= 0 and highest < n_units:
            counts += np.bincount(owners, minlength=n_units)
        if slabs is not None and in_order and finite:
            slabs.add(ticks)
    pointer = np.zeros(n_units + 1, dtype=np.int64)
    np.cumsum(counts, out=pointer[1:])
    found = slabs.pointer if slabs is not None and in_order and finite else np.zeros(0, dtype=np.int64)
    return Scan(n_events, in_order, finite, lowest, highest, pointer, found)


def _later(tick: Array, unit: Array, next_tick: Array, next_unit: Array) -> Array:
    later: Array = (next_tick > tick) | ((next_tick == tick) & (next_unit >= unit))
    return later


class _Slabs:
    """The first event of every second, of sorted ticks that come in blocks."""

    def __init__(self, last: Array, rate: Fraction | None) -> None:
        self._seen = 0
        self._placed = 0
        if not len(last) or not np.isfinite(last[0]):
            self.pointer = np.zeros(1, dtype=np.int64)
            self._bounds = np.zeros(0, dtype=last.dtype)
            return
        per_slab = Fraction(SLAB_S) * (rate or 1)
        n_slabs = max(int(Fraction(last[0].item()) / per_slab), 0) + 2
        if n_slabs > MOST_SLABS:
            raise SchemaError(
                "the last event comes too late after second 0",
                subject="times",
                expected=f"{MOST_SLABS} s at most",
                found=f"{n_slabs} s",
                hint="count from the start of the recording and give the absolute time of tick 0 as start_s",
            )
        # ceil keeps integer ticks exact: tick >= k * per_slab is tick >= ceil(k * per_slab).
        bounds = [-((-k * per_slab.numerator) // per_slab.denominator) for k in range(n_slabs)]
        self._bounds = np.asarray(bounds, dtype=last.dtype)
        self.pointer = np.zeros(n_slabs, dtype=np.int64)

    def add(self, ticks: Array) -> None:
        """Place the seconds that begin at or before the last of the next ticks; all later ones come after them."""
        stop = int(np.searchsorted(self._bounds, ticks[-1], side="right"))
        here = self._bounds[self._placed : stop]
        self.pointer[self._placed : stop] = self._seen + np.searchsorted(ticks, here, side="left")
        self._placed = max(self._placed, stop)
        self._seen += len(ticks)
        self.pointer[self._placed :] = self._seen
