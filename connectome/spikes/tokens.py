"""Spikes one by one, as models read them that take a spike for a token: unit and time in the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .trains import SpikeTrains

__all__ = ["Tokens", "tokens"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Tokens:
    """The spikes of one window, by time, ties by unit."""

    unit: Array
    """Shape (spike,), int64: position among the units chosen."""
    time_s: Array
    """Shape (spike,), float64: seconds from the start of the window."""


def tokens(trains: SpikeTrains, start_s: float, stop_s: float, *, units: Array | None = None) -> Tokens:
    """Return the spikes of ``[start_s, stop_s)``.

    Parameters
    ----------
    trains : SpikeTrains
        Sorted events.
    start_s, stop_s : float
        The window in seconds.
    units : numpy.ndarray, optional
        Shape (chosen,): units to keep; default all.

    Returns
    -------
    Tokens

    Raises
    ------
    UsageError
        When the window ends before it starts.
    """
    if not start_s <= stop_s:
        raise UsageError("the window ends before it starts", subject="stop_s", found=f"{start_s} to {stop_s}")
    part = trains.window(start_s, stop_s)
    owner, time = trains.unit[part].astype(np.int64), trains.seconds(part) - start_s
    if units is None:
        return Tokens(owner, time)
    row = np.full(trains.n_units, -1, dtype=np.int64)
    row[np.asarray(units)] = np.arange(len(units))
    kept = row[owner] >= 0
    return Tokens(row[owner][kept], time[kept])
