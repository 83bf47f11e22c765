"""The smallest dtype that holds an array's numbers without loss, proved number by number.

Scanners and pipelines write whole numbers from 0 to 255 as float32 and labels as int32; kept as uint8 they take a
quarter of the space and compress better. Nothing is rounded: an array is narrowed only when every number comes back
with the bits it had, so -0.0, NaN, infinities and fractions stay floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["is_lossless", "narrow", "native"]

Array = np.ndarray[Any, Any]

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
BLOCK_ITEMS = 1 << 20
"""Numbers compared at a time: a proof needs little memory, and most failures show in the first block."""


def native(values: Array) -> Array:
    """Return an array in the machine's byte order; bits are moved, never computed with (NaN keeps its payload)."""
    if values.dtype.isnative:
        return values
    return values.byteswap().view(values.dtype.newbyteorder("="))


def narrow(values: Array, *, whole: bool = False) -> Array:
    """Return the same numbers in the smallest dtype that holds every one of them.

    Parameters
    ----------
    values : numpy.ndarray
        Any shape; booleans, integers, floats (8 to 64 bits) or complex numbers, in either byte order. Booleans and
        complex numbers stay as they are.
    whole : bool
        Prefer integers to floats of the same size, for labels.

    Returns
    -------
    numpy.ndarray
        In native byte order and of the same memory order. Integers go to the first of uint8, int8, uint16, int16,
        uint32, int32 that holds them; floats to an integer if all are whole, finite and not -0.0, else float64 to
        float32 if that is exact (NaN with the same payload included). The array itself where nothing is smaller.
    """
    values = native(values)
    if values.dtype.kind not in "iuf" or not values.size or values.dtype.itemsize > 8:
        return values
    for dtype in _candidates(values, whole=whole):
        if is_lossless(values, dtype):
            return values.astype(dtype, order="K")
    return values


def is_lossless(values: Array, dtype: np.dtype[Any]) -> bool:
    """Tell whether every number has the same bits after a way there and back."""
    bits = np.dtype(f"u{values.dtype.itemsize}")
    # A cast of what does not fit warns and gives anything at all; the comparison below tells.
    with np.errstate(all="ignore"):
        for block in _blocks(values):
            back = block.astype(dtype).astype(values.dtype)
            if not np.array_equal(np.ascontiguousarray(block).view(bits), back.view(bits)):
                return False
    return True


def _candidates(values: Array, *, whole: bool) -> Iterator[np.dtype[Any]]:
    """Yield dtypes worth a proof, smallest first."""
    size = values.dtype.itemsize
    low, high = values.min(), values.max()
    if np.isfinite(low) and np.isfinite(high):
        for name in INTEGERS:
            dtype, limits = np.dtype(name), np.iinfo(name)
            same_size = whole and values.dtype.kind == "f" and dtype.itemsize == size
            # Python compares integers with floats exactly, whatever their size.
            fits = limits.min <= low.item() and high.item() <= limits.max
            if fits and (dtype.itemsize < size or same_size):
                yield dtype
                break
    if values.dtype.kind == "f" and size == 8:
        yield np.dtype("f4")


def _blocks(values: Array) -> Iterator[Array]:
    """Yield pieces of an array in its memory order, without a copy of the whole."""
    flat = values.ravel(order="K") if values.flags.forc else None
    if flat is not None:
        for start in range(0, flat.size, BLOCK_ITEMS):
            yield flat[start : start + BLOCK_ITEMS]
        return
    step = max(1, BLOCK_ITEMS // max(1, values[:1].size)) if values.ndim else 1
    for start in range(0, len(values), step):
        yield values[start : start + step]
