"""Edges of bins without the errors of repeated addition: each is the float64 nearest to the exact number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["Seconds", "bin_edges", "exact_seconds"]

Array = np.ndarray[Any, Any]
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
    edges: np.ndarray[Any, np.dtype[np.float64]] = EdgeGrid([start], width, n_bins).edges(np.zeros(1, dtype=np.int64))[
        0
    ]
    return edges


class EdgeGrid:
    """Edges of bins of one width from many moments, all with one common denominator per moment.

    Parameters
    ----------
    starts : sequence of fractions.Fraction
        The moments, in seconds.
    width : fractions.Fraction
        Seconds per bin.
    n_bins : int
        Number of bins.
    stride : fractions.Fraction
        Seconds by which edges may be moved, any whole number of times up to ``most_steps``.
    most_steps : int
        The largest number of strides that :meth:`edges` is asked for.
    """

    def __init__(
        self,
        starts: Sequence[Fraction],
        width: Fraction,
        n_bins: int,
        *,
        stride: Fraction = Fraction(0),
        most_steps: int = 0,
    ) -> None:
        self.n_bins = n_bins
        together = math.lcm(width.denominator, stride.denominator)
        rows = []
        for start in starts:
            common = math.lcm(start.denominator, together)
            rows.append((int(start * common), int(stride * common), int(width * common), common))
        self._terms = rows
        whole = [
            max(abs(first), abs(first + most_steps * step) + n_bins * bin_, common) <= LARGEST_EXACT
            for first, step, bin_, common in rows
        ]
        self._exact = np.array(whole, dtype=bool)
        kept = [row if small else (0, 0, 0, 1) for row, small in zip(rows, whole, strict=True)]
        self._numbers = np.array(kept, dtype=np.int64).reshape(-1, 4).T

    def edges(self, rows: Array, steps: Array | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the edges of some moments.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (chosen,), int64: which moments.
        steps : numpy.ndarray, optional
            Shape (chosen,), int64: by how many strides each is moved; default none.

        Returns
        -------
        numpy.ndarray
            Shape (chosen, n_bins + 1), float64: edge ``k`` is the double nearest to
            ``start + steps * stride + k * width``.
        """
        first, stride, width, common = self._numbers[:, rows]
        moved = first if steps is None else first + steps * stride
        numbers = moved[:, None] + width[:, None] * np.arange(self.n_bins + 1, dtype=np.int64)
        # One division of numbers that are exact: IEEE 754 rounds it once, to the nearest double.
        found: Array = numbers / common[:, None].astype(np.float64)
        for at in np.flatnonzero(~self._exact[rows]).tolist():
            begin, step, bin_, below = self._terms[int(rows[at])]
            begin += 0 if steps is None else int(steps[at]) * step
            # Python rounds a quotient of whole numbers of any size to the nearest double.
            found[at] = [(begin + k * bin_) / below for k in range(self.n_bins + 1)]
        return found
