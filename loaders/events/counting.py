"""Counts of a batch: the bounds of all bins of all windows of a record at once, then one slice of events per window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.spikes import SpikeTrains, add_counts, bin_counts, largest_exact_count

from .reading import event_bounds

if TYPE_CHECKING:
    from ..reading.chunks import ArrayReader, RecordReader
    from .reading import EventInfo

__all__ = ["count_windows"]

Array = np.ndarray[Any, Any]


def count_windows(
    reader: RecordReader, info: EventInfo, edges_s: Array, counts: Array, rows: Array, *, units: Array | None
) -> None:
    """Count the events of one record in the bins of many windows.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    info : EventInfo
        From :func:`~connectome.loaders.events.reading.describe_events`.
    edges_s : numpy.ndarray
        Shape (window, bin + 1), float64 seconds that do not fall.
    counts : numpy.ndarray
        Shape (batch, unit, bin), of zeros where the windows go; filled here.
    rows : numpy.ndarray
        Shape (window,): the window's place in the batch.
    units : numpy.ndarray, optional
        Units to count, in the order of the unit axis; default all.

    Raises
    ------
    UsageError
        When a count does not fit the dtype of ``counts``.
    DamagedError
        When the file's bytes have changed.
    """
    if not edges_s.size:
        return
    n_bins = edges_s.shape[1] - 1
    n_rows = len(info.unit_id) if units is None else len(units)
    row_of = None if units is None else np.full(len(info.unit_id), -1, dtype=np.intp)
    if row_of is not None:
        row_of[units] = np.arange(n_rows)
    limit = largest_exact_count(counts.dtype)
    ticks = info.clock.first_tick(edges_s)
    first, last = event_bounds(reader, info, ticks[:, 0], ticks[:, -1])
    tick, unit = (reader.array(f"{info.group}/{name}") for name in ("tick", "unit"))
    # In the order of the file, so that windows which share a chunk follow each other.
    for at in np.argsort(edges_s[:, 0], kind="stable").tolist():
        low, high = first[at], last[at]
        if low >= high:
            continue
        bounds = np.searchsorted(_stretch(tick, low, high), ticks[at])
        owner = _stretch(unit, low + int(bounds[0]), low + int(bounds[-1]))
        made = counts[rows[at], :n_rows]
        if int(np.diff(bounds).max(initial=0)) <= limit and made.flags.c_contiguous:
            add_counts(made, owner, bounds - bounds[0], row_of=row_of)
            continue
        trains = SpikeTrains(tick.read([low], [high]), unit.read([low], [high]), len(info.unit_id), info.rate,
                             info.start_s)  # fmt: skip
        dtype = counts.dtype if counts.dtype.kind in "iu" else np.dtype(np.uint32)
        made[:, :n_bins] = bin_counts(trains, edges_s[at], units=units, dtype=dtype)


def _stretch(array: ArrayReader, low: int, high: int) -> Array:
    """Return values ``low`` to ``high``: of one chunk as a view, to be used before the next chunk is asked for."""
    step = array.chunks[0]
    at = low // step
    if low < high <= (at + 1) * step:
        return array.chunk((at,))[low - at * step : high - at * step]
    return array.read([low], [high])
