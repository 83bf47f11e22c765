"""Counts of events per unit and bin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .trains import SpikeTrains

__all__ = ["add_counts", "bin_counts", "counts_between", "largest_exact_count"]

Array = np.ndarray[Any, Any]
EVENTS_AT_A_TIME = 1 << 15
"""Events that are counted at a time: their positions take 256 KiB, which most processors keep at hand."""


def bin_counts(
    trains: SpikeTrains, edges_s: Array, *, units: Array | None = None, dtype: Any = np.uint16
) -> np.ndarray[Any, Any]:
    """Count events in bins that touch one another.

    Parameters
    ----------
    trains : SpikeTrains
        Sorted events.
    edges_s : numpy.ndarray
        Shape (bin + 1,), float64 seconds that do not fall; see :func:`~connectome.spikes.bin_edges`.
    units : numpy.ndarray, optional
        Shape (chosen,): units to count, in the order of the rows; default all.
    dtype : dtype
        Of the counts; a count that it cannot hold is an error, never an overflow.

    Returns
    -------
    numpy.ndarray
        Shape (unit, bin). Summed over bins it is the number of events of each unit from the first edge to the last.

    Raises
    ------
    UsageError
        When the edges fall, or a count does not fit ``dtype``.
    """
    edges = np.asarray(edges_s, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 1 or not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
        raise UsageError("not edges of bins", subject="edges_s", expected="finite seconds that do not fall")
    bounds = trains.locate(edges)
    return counts_between(trains, bounds[:-1], bounds[1:], units=units, dtype=dtype)


def counts_between(
    trains: SpikeTrains, first: Array, last: Array, *, units: Array | None = None, dtype: Any = np.uint16
) -> np.ndarray[Any, Any]:
    """Count the events of each unit in ranges of events.

    Parameters
    ----------
    trains : SpikeTrains
        Sorted events.
    first, last : numpy.ndarray
        Shape (range,): positions from :meth:`SpikeTrains.locate`; ranges may overlap.
    units, dtype
        As for :func:`bin_counts`.

    Returns
    -------
    numpy.ndarray
        Shape (unit, range).
    """
    first, length = np.asarray(first), np.maximum(np.asarray(last) - np.asarray(first), 0)
    n_ranges, n_rows = len(first), trains.n_units if units is None else len(units)
    limit, most = np.iinfo(dtype).max, int(length.max(initial=0))
    if most > limit:
        # A unit may have more events in a range than the dtype can count, so they are counted in one that can.
        wide = counts_between(trains, first, last, units=units, dtype=np.int64)
        if (largest := int(wide.max(initial=0))) > limit:
            raise UsageError(
                "a count does not fit", subject="dtype", expected=f"{largest} or more", found=str(np.dtype(dtype))
            )
        return wide.astype(dtype)
    cell_of = None if units is None else _first_cells(trains.n_units, units, n_ranges)
    made = np.zeros((n_rows, n_ranges), dtype=dtype)
    counts, one = made.reshape(-1), made.dtype.type(1)
    ended = first + length
    for begin, end, low, n_events in _blocks(length):
        if end - begin == 1 or np.array_equal(first[begin + 1 : end], ended[begin : end - 1]):
            owner = trains.unit[first[begin] + low : first[begin] + low + n_events]
        else:
            owner = trains.unit[_spread(first[begin:end], length[begin:end], n_events)]
        cell: Array = np.multiply(owner, n_ranges, dtype=np.intp) if cell_of is None else cell_of[owner]
        cell += begin if end - begin == 1 else np.repeat(np.arange(begin, end, dtype=np.int32), length[begin:end])
        if cell_of is not None:
            cell = cell[cell >= 0]
        np.add.at(counts, cell, one)
    return made


def largest_exact_count(dtype: Any) -> int:
    """Return the largest number up to which a dtype can count by ones without loss."""
    kind = np.dtype(dtype)
    return int(np.iinfo(kind).max) if kind.kind in "iu" else int(2 ** (np.finfo(kind).nmant + 1))


def add_counts(counts: Array, unit: Array, bounds: Array, *, row_of: Array | None = None) -> None:
    """Count the events of one window into an array that is there already.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape (row, bin), C-contiguous; added to. No bin has more events than :func:`largest_exact_count` of its dtype.
    unit : numpy.ndarray
        Shape (event,): the units of the window's events, in order of time.
    bounds : numpy.ndarray
        Shape (bin + 1,), whole numbers that do not fall: bin ``k`` has the events ``bounds[k]`` to ``bounds[k + 1]``.
    row_of : numpy.ndarray, optional
        Shape (unit,), int64: row of each unit, -1 for one that is not counted; default unit ``k`` in row ``k``.
    """
    n_bins = len(bounds) - 1
    flat, one = counts.reshape(-1), counts.dtype.type(1)
    for low in range(int(bounds[0]), int(bounds[-1]), EVENTS_AT_A_TIME):
        high = min(low + EVENTS_AT_A_TIME, int(bounds[-1]))
        bins = np.repeat(np.arange(n_bins), np.diff(np.clip(bounds, low, high)))
        owner = unit[low:high]
        if row_of is not None:
            row = row_of[owner]
            kept = row >= 0
            row, bins = (row, bins) if kept.all() else (row[kept], bins[kept])
        else:
            row = owner
        cell = np.multiply(row, n_bins, dtype=np.intp)
        cell += bins
        np.add.at(flat, cell, one)


def _first_cells(n_units: int, units: Array, n_ranges: int) -> Array:
    """Return the position of every unit's first count, far below zero for a unit that is not counted."""
    chosen = np.asarray(units)
    if len(np.unique(chosen)) != len(chosen) or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < n_units):
        raise UsageError("not units of these trains", subject="units", expected=f"each once, below {n_units}")
    cell_of = np.full(n_units, -n_ranges, dtype=np.intp)
    cell_of[chosen] = np.arange(len(chosen)) * n_ranges
    return cell_of


def _blocks(length: Array) -> Iterator[tuple[int, int, int, int]]:
    """Yield ranges ``begin`` to ``end`` and of them the events from number ``low`` on, and how many these are.

    Blocks stay in the processor's cache; because events are sorted by time, so do the few cells of every unit that
    those of a block fall into. A range with more events than a block comes in parts.
    """
    stop = np.cumsum(length)
    begin, n_ranges = 0, len(length)
    while begin < n_ranges:
        start = int(stop[begin] - length[begin])
        end = max(begin + 1, int(np.searchsorted(stop, start + EVENTS_AT_A_TIME, side="right")))
        total = int(stop[end - 1]) - start
        for low in range(0, total, EVENTS_AT_A_TIME):
            yield begin, end, low, min(EVENTS_AT_A_TIME, total - low)
        begin = end


def _spread(first: Array, length: Array, total: int) -> Array:
    """Return the positions in all ranges, range after range."""
    start = np.cumsum(length) - length
    spread: Array = np.arange(total, dtype=np.int64) + np.repeat(first - start, length)
    return spread
