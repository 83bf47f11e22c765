"""Counts of events per unit and bin."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .trains import SpikeTrains

__all__ = ["bin_counts", "counts_between"]

Array = np.ndarray[Any, Any]
CELLS_AT_A_TIME = 1 << 17
"""Counts that are added up at a time: 1 MiB of them, which most processors keep at hand."""


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
    row = None
    if units is not None:
        row = np.full(trains.n_units, -1, dtype=np.int64)
        chosen = np.asarray(units)
        if len(np.unique(chosen)) != len(chosen) or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(row)):
            raise UsageError("not units of these trains", subject="units", expected=f"each once, below {len(row)}")
        row[chosen] = np.arange(len(chosen))
    limit = np.iinfo(dtype).max
    start = np.cumsum(length) - length
    total = int(length.sum())
    contiguous = n_ranges == 0 or (np.array_equal(first[1:], (first + length)[:-1]))
    events = slice(int(first[0]), int(first[0]) + total) if contiguous and n_ranges else None
    owner = trains.unit[events] if events is not None else trains.unit[_spread(first, start, length, total)]
    place = np.repeat(np.arange(n_ranges, dtype=np.int64), length)
    if row is not None:
        owner = row[owner]
        kept = owner >= 0
        owner, place = owner[kept], place[kept]
    made = np.empty((n_rows, n_ranges), dtype=dtype)
    step = max(1, CELLS_AT_A_TIME // max(n_rows, 1))
    bounds = np.searchsorted(place, np.arange(0, n_ranges + step, step))
    largest = 0
    # Block by block of ranges, so that the cells that are counted up stay in the processor's cache.
    for at, (low, high) in enumerate(pairwise(bounds.tolist())):
        begin, end = at * step, min((at + 1) * step, n_ranges)
        cell = place[low:high] - begin + owner[low:high].astype(np.int64) * (end - begin)
        counts = np.bincount(cell, minlength=n_rows * (end - begin))
        largest = max(largest, int(counts.max(initial=0)))
        if largest > limit:
            raise UsageError(
                "a count does not fit", subject="dtype", expected=f"{largest} or more", found=str(np.dtype(dtype))
            )
        made[:, begin:end] = counts.reshape(n_rows, end - begin)
    return made


def _spread(first: Array, start: Array, length: Array, total: int) -> Array:
    """Return the positions in all ranges, range after range."""
    spread: Array = np.arange(total, dtype=np.int64) + np.repeat(first - start, length)
    return spread
