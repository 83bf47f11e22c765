"""An events group as training code reads it: only the seconds that a window touches.

The pointers of the group (one per second) say which events can lie in a window; those are read chunk by chunk, and
the kernels of :mod:`connectome.spikes` do the rest, as exactly as on the whole recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.intervals import merged
from connectome.spikes import ObservedTime, SpikeTrains

from ..reading.records import check_kind

if TYPE_CHECKING:
    from ..reading.chunks import RecordReader

__all__ = ["EventInfo", "describe_events", "event_bounds", "read_trains"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class EventInfo:
    """What is known of an events group without reading its events."""

    record: str
    group: str
    n_events: int
    unit_id: tuple[str, ...]
    rate: Fraction | None
    """Ticks per second; None where ticks are seconds."""
    start_s: float
    """Time of tick 0."""
    slab: Fraction
    """Ticks per slab of the pointers."""
    observed_s: tuple[tuple[float, float], ...]
    """Half-open intervals in seconds, ordered and apart; those that touch in the record are one here. What all units
    share."""
    observed: ObservedTime
    """The same for every unit."""

    @property
    def clock(self) -> SpikeTrains:
        """Trains without events, which tell moments from ticks."""
        none = np.zeros(0, dtype=np.int64 if self.rate is not None else np.float64)
        return SpikeTrains(none, np.zeros(0, dtype=np.int32), len(self.unit_id), self.rate, self.start_s)


def describe_events(reader: RecordReader, *, record: str, group: str) -> EventInfo:
    """Read what an events group says about itself.

    Raises
    ------
    NotFoundError
        When the record has no such group.
    UsageError
        When the group holds no events.
    """
    attrs = reader.attributes(group)
    check_kind(attrs, "events", record=record, group=group)
    rate = None
    if "tick_hz_numerator" in attrs:
        rate = Fraction(int(attrs["tick_hz_numerator"]), int(attrs["tick_hz_denominator"]))
    unit_id = tuple(str(name) for name in reader.array(f"{group}/unit_id").read().tolist())
    observed = _observed(reader, group, len(unit_id))
    return EventInfo(
        record=record,
        group=group,
        n_events=reader.array(f"{group}/tick").shape[0],
        unit_id=unit_id,
        rate=rate,
        start_s=float(attrs["start_s"]),
        slab=Fraction(attrs["slab_s"]) * (rate or 1),
        observed_s=tuple((start, stop) for start, stop in observed.shared.tolist()),
        observed=observed,
    )


def _observed(reader: RecordReader, group: str, n_units: int) -> ObservedTime:
    """Return when units were watched; intervals that touch are joined: no moment between them went unobserved."""

    def intervals(name: str) -> Array:
        return np.stack([reader.array(f"{group}/{name}_{end}").read() for end in ("start", "stop")], axis=1)

    if not reader.has(f"{group}/observed_set"):
        return ObservedTime((merged(intervals("observed")),), np.zeros(n_units, dtype=np.int64))
    bounds, pointer = intervals("observed_set"), reader.array(f"{group}/observed_set_ptr").read().tolist()
    sets = tuple(merged(bounds[low:high]) for low, high in pairwise(pointer))
    return ObservedTime(sets, reader.array(f"{group}/observed_set").read().astype(np.int64))


def read_trains(reader: RecordReader, info: EventInfo, start_s: float, stop_s: float) -> SpikeTrains:
    """Read the events around a stretch of time.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    info : EventInfo
        From :func:`describe_events`.
    start_s, stop_s : float
        The stretch in seconds.

    Returns
    -------
    SpikeTrains
        All events of ``[start_s, stop_s)``, and at most those of the seconds in which it begins and ends besides.
    """
    ticks = info.clock.first_tick(np.array([start_s, stop_s]))
    (first,), (last,) = event_bounds(reader, info, ticks[:1], ticks[1:])
    return SpikeTrains(
        tick=reader.array(f"{info.group}/tick").read([first], [last]),
        unit=reader.array(f"{info.group}/unit").read([first], [last]),
        n_units=len(info.unit_id),
        rate=info.rate,
        start_s=info.start_s,
        observed_s=np.array(info.observed_s, dtype=np.float64).reshape(-1, 2),
    )


def event_bounds(reader: RecordReader, info: EventInfo, low: Array, high: Array) -> tuple[list[int], list[int]]:
    """Return between which positions the events of stretches of time lie, by the pointers of the seconds.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    info : EventInfo
        From :func:`describe_events`.
    low, high : numpy.ndarray
        Shape (stretch,): first ticks of the stretches and of what follows them.

    Returns
    -------
    first, last : list of int
        No event of a stretch lies before ``first``, and none at ``last`` or after it; ``first <= last``.
    """
    pointers = reader.constant(f"{info.group}/slab_ptr")
    most = len(pointers)

    def at(place: int) -> int:
        # Before the first second lies nothing, after the last one nothing more.
        return 0 if place == 0 else info.n_events if place > most else int(pointers[place - 1])

    first = [at(slab + 1) for slab in _slabs(low, info.slab, most)]
    last = [at(min(slab + 2, most + 1)) for slab in _slabs(high, info.slab, most)]
    return first, [max(pair) for pair in zip(first, last, strict=True)]


def _slabs(ticks: Array, slab: Fraction, n_slabs: int) -> list[int]:
    """Return the slab of each tick, -1 for all before the first one, ``n_slabs`` for all after the last one."""
    if ticks.dtype.kind == "i":
        above, below = slab.denominator, slab.numerator
        found = [tick * above // below for tick in ticks.tolist()]
    elif slab == 1:
        found = [math.floor(tick) for tick in ticks.tolist()]
    else:
        found = [math.floor(Fraction(tick) / slab) for tick in ticks.tolist()]
    return [min(max(number, -1), n_slabs) for number in found]
