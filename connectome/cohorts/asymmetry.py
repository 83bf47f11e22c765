"""Left against right."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["asymmetry_index"]


def asymmetry_index(left: Any, right: Any) -> np.ndarray[Any, Any]:
    """Return ``(left - right) / ((left + right) / 2)``: positive where the left is larger.

    The definition that studies of hippocampal volume use, as a fraction and not in percent; NaN where both are zero or
    one is missing.

    Parameters
    ----------
    left, right : array-like
        Of the same shape and unit.

    Returns
    -------
    numpy.ndarray
        float64, of that shape.
    """
    one, other = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    mean = (one + other) / 2.0
    index = np.full(np.broadcast(one, other).shape, np.nan)
    np.divide(one - other, mean, out=index, where=mean != 0.0)
    return index
