"""How much of an interval was watched: outside it a count of zero is missing, not silence."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["observed_fraction"]

Array = np.ndarray[Any, Any]


def observed_fraction(observed_s: Array, start_s: Array, stop_s: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return which part of each interval was observed.

    Parameters
    ----------
    observed_s : numpy.ndarray
        Shape (interval, 2), float64 seconds: ordered, disjoint, half-open.
    start_s, stop_s : numpy.ndarray
        The same shape: the intervals asked for, of positive length.

    Returns
    -------
    numpy.ndarray
        The same shape, from 0 to 1; exactly 1 where one observed interval holds all of it.
    """
    start, stop = np.asarray(start_s, dtype=np.float64), np.asarray(stop_s, dtype=np.float64)
    seen = np.zeros(start.shape)
    whole = np.zeros(start.shape, dtype=bool)
    for low, high in np.asarray(observed_s, dtype=np.float64).reshape(-1, 2):
        seen += np.clip(np.minimum(stop, high) - np.maximum(start, low), 0.0, None)
        whole |= (low <= start) & (stop <= high)
    return np.where(whole, 1.0, np.clip(seen / (stop - start), 0.0, 1.0))
