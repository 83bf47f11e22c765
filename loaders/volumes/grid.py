"""Patches on a grid that covers a volume, and volumes put together again of what became of the patches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["Reassembly", "corner_of", "grid_corners", "reassemble"]

Array = np.ndarray[Any, Any]
Triple = tuple[int, int, int]


def corner_of(size: int, patch: int, wanted: int) -> int:
    """Return where a patch begins along one axis, next to where it is wanted.

    It lies inside the volume; where the volume is smaller than the patch, in the middle of the patch (the corner is
    then negative or 0).
    """
    return min(max(wanted, 0), size - patch) if size >= patch else -((patch - size) // 2)


def grid_corners(shape: Sequence[int], patch: Sequence[int], overlap: Sequence[int]) -> Array:
    """Return the corners of patches that cover a volume.

    Parameters
    ----------
    shape, patch, overlap : sequence of int
        Voxels per axis. Neighbours share ``overlap`` voxels; the last patch of an axis is moved inwards to end with it.

    Returns
    -------
    numpy.ndarray
        Shape (patch, 3), int64, in C order.
    """
    axes = []
    for size, edge, shared in zip(shape, patch, overlap, strict=True):
        starts = list(range(0, max(size - edge, 0), edge - shared))
        axes.append([*starts, corner_of(size, edge, size - edge)])
    return np.array(list(product(*axes)), dtype=np.int64).reshape(-1, 3)


class Reassembly:
    """A volume that is put together of patches, one batch after another.

    Where patches overlap, a voxel is the mean of what they say (each counts once); where they say the same, it is
    exactly that. Of integers and booleans there is no mean: they must agree.

    Parameters
    ----------
    shape : sequence of int
        Of the volume along the axes of the patches.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(int(size) for size in shape)
        self.count = np.zeros(self.shape, dtype=np.int32)
        """How many patches hold each voxel."""
        self._first: Array | None = None
        self._apart: Array | None = None

    def add(self, patches: Array, corners: Array) -> None:
        """Take in some patches.

        Parameters
        ----------
        patches : numpy.ndarray
            Shape (patch, ..., i, j, k), for example with an axis of classes.
        corners : numpy.ndarray
            Shape (patch, 3), integers; what lies outside the volume is cut off.

        Raises
        ------
        UsageError
            When shapes or dtypes do not fit, or integers disagree.
        """
        patches, corners = np.asarray(patches), np.asarray(corners)
        if patches.ndim < 4 or corners.shape != (len(patches), 3):
            raise UsageError(
                "patches and corners do not fit each other",
                subject="patches",
                expected="(patch, ..., i, j, k) and (patch, 3)",
                found=f"{patches.shape} and {corners.shape}",
            )
        whole = self._memory(patches)
        for patch, corner in zip(patches, corners.tolist(), strict=True):
            inside, outside = [], []
            for at, edge, size in zip(corner, patch.shape[-3:], self.shape, strict=True):
                low, high = max(at, 0), min(at + edge, size)
                outside.append(slice(low, max(high, low)))
                inside.append(slice(low - at, max(high, low) - at))
            beyond: tuple[Any, ...] = (Ellipsis, *inside)
            self._put(whole, patch[beyond], tuple(outside))

    def _memory(self, patches: Array) -> Array:
        shape = (*patches.shape[1:-3], *self.shape)
        if self._first is None:
            self._first = np.zeros(shape, dtype=patches.dtype)
        if self._first.shape != shape or self._first.dtype != patches.dtype:
            raise UsageError(
                "patches of another kind than the first ones",
                subject="patches",
                expected=f"{self._first.dtype}, {self._first.shape[:-3]} before the axes of space",
                found=f"{patches.dtype}, {shape[:-3]}",
            )
        return self._first

    def _put(self, whole: Array, patch: Array, place: tuple[slice, ...]) -> None:
        here: tuple[Any, ...] = (Ellipsis, *place)
        first, seen = whole[here], self.count[place] > 0
        if not seen.any():
            first[...] = patch
        else:
            both_nan = (patch != patch) & (first != first)
            differs = seen & (patch != first) & ~both_nan
            if differs.any():
                if patch.dtype.kind not in "fc":
                    raise UsageError(
                        "patches say different things of a voxel, and there is no mean of integers",
                        subject="patches",
                        found=f"{int(differs.sum())} voxels",
                        hint="reassemble what the classes were chosen from, for example their probabilities",
                    )
                if self._apart is None:
                    self._apart = np.zeros(whole.shape, dtype=np.complex128 if patch.dtype.kind == "c" else np.float64)
                # Sums of differences, so that patches which agree give their value and no rounding of it.
                with np.errstate(invalid="ignore"):
                    self._apart[here] += np.where(differs, patch.astype(self._apart.dtype) - first, 0)
            np.copyto(first, patch, where=~seen)
        self.count[place] += 1

    def _whole(self) -> Array:
        if self._first is None:
            raise UsageError("there are no patches yet", subject="patches")
        return self._first

    def result(self) -> Array:
        """Return the volume, shape (..., i, j, k), in the dtype of the patches.

        Raises
        ------
        UsageError
            When a voxel is in no patch.
        """
        first = self._whole()
        if not self.count.all():
            bare = int((self.count == 0).sum())
            raise UsageError("the patches do not cover the volume", subject="patches", found=f"{bare} voxels bare")
        if self._apart is None:
            return first.copy()
        mean: Array = (first + self._apart / self.count).astype(first.dtype)
        return mean


def reassemble(patches: Array, corners: Array, shape: Sequence[int]) -> Array:
    """Put a volume together of its patches; see :class:`Reassembly`, which takes them batch by batch.

    Parameters
    ----------
    patches : numpy.ndarray
        Shape (patch, ..., i, j, k).
    corners : numpy.ndarray
        Shape (patch, 3), as batches of ``sampling="grid"`` give them.
    shape : sequence of int
        Of the volume.

    Examples
    --------
    >>> import numpy as np
    >>> whole = np.arange(5 * 4 * 3).reshape(5, 4, 3)
    >>> corners = grid_corners(whole.shape, (2, 2, 2), (1, 0, 0))
    >>> patches = np.stack([whole[i : i + 2, j : j + 2, k : k + 2] for i, j, k in corners])
    >>> np.array_equal(reassemble(patches, corners, whole.shape), whole)
    True
    """
    made = Reassembly(shape)
    made.add(patches, corners)
    return made.result()
