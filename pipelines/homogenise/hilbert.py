"""Positions along a Hilbert curve: cells of a grid numbered so that neighbours in number are neighbours in space.

The transform between axes and curve is J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707
(2004) 381, doi:10.1063/1.1751381, written for arrays of points.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["hilbert_index"]

MOST_BITS = 62
"""An index has to fit int64."""


def hilbert_index(cell: np.ndarray[Any, Any], bits: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the place of every cell along the Hilbert curve.

    Parameters
    ----------
    cell : numpy.ndarray
        Shape (cell, axis), integers from 0 to ``2**bits - 1``.
    bits : int
        Bits per axis; ``bits`` times the number of axes is 62 at most.

    Returns
    -------
    numpy.ndarray
        Shape (cell,), int64; cells whose places differ by one share a face.

    Raises
    ------
    ValueError
        When a cell lies outside the grid, or its index would not fit.
    """
    cells = np.asarray(cell)
    n_axes = cells.shape[1]
    if not 0 < bits * n_axes <= MOST_BITS:
        raise ValueError(f"{bits} bits along {n_axes} axes do not fit an index of {MOST_BITS} bits")
    if cells.size and (cells.min() < 0 or cells.max() >= 1 << bits):
        raise ValueError(f"cells from {cells.min()} to {cells.max()} do not fit {bits} bits")
    axes = [cells[:, axis].astype(np.int64) for axis in range(n_axes)]
    for shift in range(bits - 1, 0, -1):
        bit, below = 1 << shift, (1 << shift) - 1
        for axis in range(n_axes):
            inverted = (axes[axis] & bit) != 0
            swapped = np.where(inverted, 0, (axes[0] ^ axes[axis]) & below)
            axes[0] ^= np.where(inverted, below, swapped)
            if axis:
                axes[axis] ^= swapped
    for axis in range(1, n_axes):
        axes[axis] ^= axes[axis - 1]
    flipped = np.zeros_like(axes[0])
    for shift in range(bits - 1, 0, -1):
        flipped ^= np.where(axes[-1] & (1 << shift), (1 << shift) - 1, 0)
    index = np.zeros_like(axes[0])
    for shift in range(bits - 1, -1, -1):
        for axis in range(n_axes):
            index = (index << 1) | (((axes[axis] ^ flipped) >> shift) & 1)
    return index
