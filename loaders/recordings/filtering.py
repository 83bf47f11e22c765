"""Recordings filtered and resampled as they are read: by stretches of the recording, never by windows.

What a window shows does not depend on how a recording is cut into windows or in which order they are read. A range (a
segment, cut to the split's part, so that no sample of another part has a say) is worked on in blocks that lie on a
fixed grid and are read with as much on both sides as the filters reach; so every value is what the filters would make
of the whole range at once: exactly so for FIR filters and resampling up to the rounding of sums, to about
1e-9 of the largest value for recursive ones. A sample that was not taken or is not a number is a gap like one between
segments: each run between gaps is filtered on its own, and nothing is given in a gap.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .filters import Filter, Polyphase, new_samples, polyphase
from .gaps import by_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..reading.signals import SeriesInfo, SeriesReader

__all__ = ["FILTER_BYTES", "BlockStore", "FilterPlan", "FilteredSeries", "plan_filters", "warn_of_short_stretches"]

Array = np.ndarray[Any, Any]
FILTER_BYTES = 256 << 20
"""Filtered blocks that a process keeps by default."""
BLOCK_SAMPLES = 1 << 15
"""Samples of a block at the recording's own rate, unless the filters reach so far that more is worth it."""
LEAST_BLOCKS_PER_REACH = 4
"""A block is at least so many times as long as what has to be read beside it."""


@dataclass(frozen=True)
class FilterPlan:
    """What becomes of one record."""

    base: SeriesInfo
    """The record as it is stored."""
    info: SeriesInfo
    """As it is read: its rate, its number of samples, its segments."""
    filters: tuple[Filter, ...]
    change: Polyphase | None
    ranges: tuple[tuple[int, int, int], ...]
    """Of each stretch that is filtered on its own: the stored segment, and its half-open range of stored samples."""
    new_ranges: tuple[tuple[int, int], ...]
    """The same in samples as they are read."""

    @property
    def reach(self) -> tuple[int, int]:
        """Stored samples before and after a sample that have a say."""
        rate = self.base.segment_rate_hz
        assert rate is not None
        before = after = 0 if self.change is None else self.change.reach
        for item in self.filters:
            made = item.at(rate, subject=self.base.record)
            before, after = before + made.before, after + made.after
        return before, after

    @property
    def fir_length(self) -> int:
        """Samples of the longest FIR filter; 0 without one."""
        rate = self.base.segment_rate_hz
        assert rate is not None
        made = [item.at(rate) for item in self.filters if item.kind == "fir"]
        return max((item.before + item.after + 1 for item in made), default=0)


def plan_filters(
    info: SeriesInfo,
    ranges: Sequence[tuple[int, int]],
    *,
    filters: tuple[Filter, ...],
    resample_hz: Fraction | None,
) -> FilterPlan:
    """Say what filters and a change of rate make of a record.

    Parameters
    ----------
    info : SeriesInfo
        The record as stored.
    ranges : sequence of (start, stop)
        Stored samples that may be read, each range inside one segment.
    filters : tuple of Filter
        In the order in which they act, before the change of rate.
    resample_hz : fractions.Fraction, optional
        The new rate, exact.

    Raises
    ------
    UsageError
        When the record has no exact rate, or the filters do not fit it.
    """
    rate = info.segment_rate_hz
    if rate is None:
        raise UsageError(
            "only a recording with an exact rate can be filtered", subject=info.record, place=info.group,
            expected="a rate as a fraction", found=info.clock,
        )  # fmt: skip
    change = None if resample_hz is None else polyphase(rate, resample_hz, filters, subject=info.record)
    up, down = (1, 1) if change is None else (change.up, change.down)
    segments, first = [], 0
    for begin, end in info.segments:
        n_new = new_samples(0, end - begin, up, down)[1] if end > begin else 0
        segments.append((first, first + n_new))
        first += n_new
    owner = [next(at for at, (low, high) in enumerate(info.segments) if low <= begin and end <= high)
             for begin, end in ranges]  # fmt: skip
    new_ranges = []
    for segment, (begin, end) in zip(owner, ranges, strict=True):
        low, high = new_samples(begin - info.segments[segment][0], end - info.segments[segment][0], up, down)
        new_ranges.append((segments[segment][0] + low, segments[segment][0] + max(low, high)))
    new_rate = rate * up / down
    changed = replace(
        info,
        n_samples=first,
        segments=tuple(segments),
        segment_rate_hz=new_rate,
        rate_hz=None if info.rate_hz is None else new_rate,
        frequency_hz=float(new_rate),
        valid="channel",
        complete=False,
    )
    plan = FilterPlan(
        info, changed, filters, change,
        tuple((segment, *bounds) for segment, bounds in zip(owner, ranges, strict=True)), tuple(new_ranges),
    )  # fmt: skip
    assert sum(plan.reach) >= 0
    return plan


def warn_of_short_stretches(plans: Sequence[FilterPlan], sizes: Sequence[int]) -> None:
    """Warn once where FIR filters are longer than what they filter, so that mirrored ends have a say in every value.

    Parameters
    ----------
    plans : sequence of FilterPlan
    sizes : sequence of int
        Samples per window of each record, as they are read; stretches that hold no window do not count.
    """
    short = [
        f"{plan.base.record} ({stop - first} samples)"
        for plan, size in zip(plans, sizes, strict=True)
        for (_, first, stop), (begin, end) in zip(plan.ranges, plan.new_ranges, strict=True)
        if stop - first < plan.fir_length and end - begin >= size
    ]
    if short:
        shown = ", ".join(short[:3]) + (f" and {len(short) - 3} more" if len(short) > 3 else "")
        longest = max(plan.fir_length for plan in plans)
        warnings.warn(
            f"a filter of {longest} samples is longer than what it filters, stretches without a gap: {shown}",
            stacklevel=3,
        )


class BlockStore:
    """Filtered blocks of one process, least recently used first to go."""

    def __init__(self, limit_bytes: int = FILTER_BYTES) -> None:
        self.limit_bytes, self.size_bytes, self.n_filtered = limit_bytes, 0, 0
        self._blocks: OrderedDict[tuple[Any, ...], tuple[Array, Array]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"limit_bytes": self.limit_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["limit_bytes"])  # type: ignore[misc]

    def get(self, key: tuple[Any, ...]) -> tuple[Array, Array] | None:
        """Return a block that is here, now the most recently used."""
        found = self._blocks.get(key)
        if found is not None:
            self._blocks.move_to_end(key)
        return found

    def put(self, key: tuple[Any, ...], block: tuple[Array, Array]) -> None:
        """Keep a block; those used least recently go until it fits. One is always kept."""
        self.n_filtered += 1
        self._blocks[key] = block
        self.size_bytes += sum(part.nbytes for part in block)
        while self.size_bytes > self.limit_bytes and len(self._blocks) > 1:
            _, gone = self._blocks.popitem(last=False)
            self.size_bytes -= sum(part.nbytes for part in gone)


class FilteredSeries:
    """A series as filters and a change of rate make it, read like one that is stored.

    Parameters
    ----------
    series : SeriesReader
        The stored series.
    plan : FilterPlan
        From :func:`plan_filters`.
    store : BlockStore
        Where blocks are kept, for all records of a process.
    fill : float
        Value of samples that do not count.
    dtype : numpy.dtype
        In which blocks are kept; they are computed in float64.
    """

    def __init__(
        self, series: SeriesReader, plan: FilterPlan, store: BlockStore, *, fill: float, dtype: np.dtype[Any]
    ) -> None:
        self._series, self._plan, self._store = series, plan, store
        self.info, self.fill, self._dtype = plan.info, fill, dtype

    def channels(self) -> list[str]:
        """Return the channel ids in stored order."""
        return self._series.channels()

    def read_into(self, signal: Array, mask: Array, start: int, *, rows: Array | None = None) -> None:
        """Read a stretch of samples inside one range; arguments as for :meth:`SeriesReader.read_into`."""
        stop = start + signal.shape[1]
        if stop == start:
            return
        number = next(
            (at for at, (low, high) in enumerate(self._plan.new_ranges) if low <= start and stop <= high), None
        )
        if number is None:
            raise IndexError(f"{self.info.record}: samples {start} to {stop} are in no range")
        first, _ = self._plan.new_ranges[number]
        step = self._block_samples
        for block in range((start - first) // step, (stop - 1 - first) // step + 1):
            low = first + block * step
            values, counts = self._block(number, block, rows)
            begin, end = max(start, low), min(stop, low + values.shape[1])
            target, source = slice(begin - start, end - start), slice(begin - low, end - low)
            signal[:, target], mask[:, target] = values[:, source], counts[:, source]

    @property
    def _block_samples(self) -> int:
        least = LEAST_BLOCKS_PER_REACH * max(self._plan.reach)
        own = max(BLOCK_SAMPLES, least)
        change = self._plan.change
        return own if change is None else max(1, own * change.up // change.down)

    def _block(self, number: int, block: int, rows: Array | None) -> tuple[Array, Array]:
        key = (self.info.record, self.info.group, number, block, None if rows is None else rows.tobytes())
        found = self._store.get(key)
        if found is None:
            found = self._filtered(number, block, rows)
            self._store.put(key, found)
        return found

    def _filtered(self, number: int, block: int, rows: Array | None) -> tuple[Array, Array]:
        """Compute one block from the stored samples around it."""
        plan, base = self._plan, self._plan.base
        segment, begin, end = plan.ranges[number]
        origin, new_origin = base.segments[segment][0], plan.info.segments[segment][0]
        low, last = plan.new_ranges[number]
        low += block * self._block_samples
        high = min(low + self._block_samples, last)
        change, (before, after) = plan.change, plan.reach
        up, down = (1, 1) if change is None else (change.up, change.down)
        first = max(begin, origin + (low - new_origin) * down // up - before)
        stop = min(end, origin - (-(high - 1 - new_origin) * down // up) + 1 + after)
        n_rows = base.n_channels if rows is None else len(rows)
        stored, taken = np.empty((n_rows, stop - first)), np.empty((n_rows, stop - first), dtype=bool)
        self._series.read_into(stored, taken, first, rows=rows)
        values = np.full((n_rows, high - low), self.fill, dtype=self._dtype)
        counts = np.zeros(values.shape, dtype=bool)
        assert base.segment_rate_hz is not None
        steps = [item.at(base.segment_rate_hz, subject=base.record) for item in plan.filters]
        patterns = [(np.arange(n_rows), taken[0])] if n_rows and taken.all() else by_mask(taken)
        for channels, pattern in patterns:
            for run_first, run_stop in _runs(pattern):
                run = stored[channels, run_first:run_stop]
                for step in steps:
                    run = step(run)
                place = first + run_first - origin
                if change is not None:
                    run, place = change(run, place)
                at = new_origin + place - low
                inside = slice(max(at, 0), min(at + run.shape[1], high - low))
                if inside.start < inside.stop:
                    values[channels, inside] = run[:, inside.start - at : inside.stop - at]
                    counts[channels, inside] = True
        return values, counts

    def times_into(self, time_s: Array, start: int) -> None:
        """Compute time stamps in seconds, float64, on the record's clock."""
        info, base = self.info, self._plan.base
        assert info.segment_rate_hz is not None
        stamps = np.zeros(1)
        self._series.times_into(stamps, 0)
        clock = base.start_s if base.rate_hz is not None else float(stamps[0])
        stop = start + len(time_s)
        for (low, high), begin_s in zip(info.segments, info.segment_start_s, strict=True):
            first, last = max(start, low), min(stop, high)
            if first < last:
                steps = np.arange(first - low, last - low, dtype=np.float64)
                rate = info.segment_rate_hz
                time_s[first - start : last - start] = clock + (
                    float(begin_s) + steps * rate.denominator / rate.numerator
                )


def _runs(pattern: Array) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], pattern, [False]]).astype(np.int8)))
    return [(int(low), int(high)) for low, high in edges.reshape(-1, 2)]
