"""Sets of numbers as sorted arrays: distinct ones, and which are among others.

In place of ``numpy.unique``, ``isin`` and the like, which NumPy 2.3 and later answer with a hash table: twenty times
slower on millions of numbers of pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["among", "distinct"]

Array = np.ndarray[Any, Any]


def distinct(keys: Array) -> Array:
    """Return the distinct numbers, sorted."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return np.asarray(ordered[first])


def among(keys: Array, sorted_keys: Array) -> Array:
    """Tell which numbers are among sorted ones, shape and order of ``keys``."""
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=bool)
    place = np.searchsorted(sorted_keys, keys)
    return np.asarray(sorted_keys[np.minimum(place, len(sorted_keys) - 1)] == keys)
