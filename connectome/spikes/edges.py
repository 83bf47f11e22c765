"""Edges of bins without the errors of repeated addition: each is the float64 nearest to the exact number."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["Seconds", "bin_edges", "exact_seconds"]

Seconds = int | float | Fraction
LARGEST_EXACT = 2**53
"""Whole numbers up to this are float64 without loss (IEEE 754 binary64)."""


def exact_seconds(value: Seconds, *, subject: str) -> Fraction:
    """Return a time as the number that was meant.

    Parameters
    ----------
    value : int, float or fractions.Fraction
        Seconds. A float counts as the shortest decimal that rounds to it: 0.02 is two hundredths, not the binary
        fraction nearest to it.
    subject : str
        What the value is, for the error.

    Returns
    -------
    fractions.Fraction

    Raises
    ------
    UsageError
        When the value is not finite.
    """
    if isinstance(value, (int, Fraction)):
        return Fraction(value)
    if not math.isfinite(value):
        raise UsageError("not a time", subject=subject, expected="finite seconds", found=repr(value))
    return Fraction(repr(float(value)))


def bin_edges(start_s: Seconds, width_s: Seconds, n_bins: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the edges of bins of one width.

    Parameters
    ----------
    start_s, width_s : int, float or fractions.Fraction
        As :func:`exact_seconds` takes them.
    n_bins : int
        Number of bins.

    Returns
    -------
    numpy.ndarray
        Shape (n_bins + 1,), float64: edge ``k`` is the double nearest to ``start + k * width``.

    Raises
    ------
    UsageError
        When the width is not positive, or the number of bins is negative.
    """
    start, width = exact_seconds(start_s, subject="start_s"), exact_seconds(width_s, subject="width_s")
    if width <= 0 or n_bins < 0:
        raise UsageError(
            "no such bins", subject="width_s", expected="a positive width", found=f"{width_s}, {n_bins} bins"
        )
    common = math.lcm(start.denominator, width.denominator)
    first, step = int(start * common), int(width * common)
    if max(abs(first), abs(first + step * n_bins), common) <= LARGEST_EXACT:
        # One division of numbers that are exact: IEEE 754 rounds it once, to the nearest double.
        return (first + step * np.arange(n_bins + 1, dtype=np.int64)) / np.float64(common)
    return np.array([float(start + k * width) for k in range(n_bins + 1)], dtype=np.float64)
