"""Regions of stored volumes along the axes of a view, straight from the chunks that they touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.volumes import Turn

if TYPE_CHECKING:
    from ..reading.chunks import ArrayReader

__all__ = ["AS_STORED", "box_inside", "read_region", "voxel_in_view"]

Array = np.ndarray[Any, Any]
Triple = tuple[int, int, int]

AS_STORED = Turn((0, 1, 2), (False, False, False))
"""The axes as they are stored."""


def read_region(array: ArrayReader, start: Sequence[int], stop: Sequence[int], turn: Turn = AS_STORED) -> Array:
    """Read a region of a volume.

    Parameters
    ----------
    array : ArrayReader
        An image of three axes, and others of length 1.
    start, stop : sequence of int
        Half-open, along the axes of the view; inside the volume.
    turn : Turn
        How the axes of the view lie in the stored array.

    Returns
    -------
    numpy.ndarray
        Shape ``stop - start``, in the stored dtype; a turned look at memory of its own.
    """
    region = turn.region(start, stop, array.shape)
    values = np.empty([place.stop - place.start for place in region], dtype=array.dtype)
    extra = len(array.shape) - 3
    array.read_into(values.reshape(values.shape + (1,) * extra), [*(place.start for place in region), *([0] * extra)])
    return turn.apply(values)


def voxel_in_view(voxel: Sequence[int], turn: Turn, stored: Sequence[int]) -> Triple:
    """Return where a stored voxel lies in a view."""
    i, j, k = (
        int(stored[axis]) - 1 - int(voxel[axis]) if flip else int(voxel[axis])
        for axis, flip in zip(turn.axes, turn.flips, strict=True)
    )
    return i, j, k


def box_inside(
    corner: Sequence[int], box: Sequence[int], shape: Sequence[int]
) -> tuple[list[int], list[int], tuple[slice, ...]]:
    """Return the part of a box that lies inside a volume (start, stop), and its place in the box."""
    start = [min(max(at, 0), size) for at, size in zip(corner, shape, strict=True)]
    stop = [max(low, min(at + edge, size)) for low, at, edge, size in zip(start, corner, box, shape, strict=True)]
    place = tuple(slice(low - at, high - at) for low, high, at in zip(start, stop, corner, strict=True))
    return start, stop, place
