"""Which way the voxel axes run, and reading in any of the 48 orders without a copy of the whole.

An axis code names the direction in which a voxel index grows: in ``"LIA"`` the first index grows towards the left,
the second towards inferior, the third towards anterior. A change of order is a permutation of the axes and flips;
no number is ever resampled. The affine of a view says where its voxels lie, which is where they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ORDERS", "UNKNOWN", "Turn", "View", "axis_codes", "canonical", "reorient", "shear_deg", "voxel_size_mm"]

Array = np.ndarray[Any, Any]

UNKNOWN = "unknown"
ENDS = ("LR", "PA", "IS")
"""The two directions of each world axis: right, anterior and superior are positive."""
ORDERS = tuple(
    "".join(ENDS[world][end] for world, end in zip(worlds, ends, strict=True))
    for worlds in permutations(range(3))
    for ends in product((1, 0), repeat=3)
)
"""All 48 axis orders, ``"RAS"`` first."""


def voxel_size_mm(affine: Array) -> tuple[float, float, float]:
    """Return the distance of neighbouring voxels along each stored axis."""
    i, j, k = (math.hypot(*column) for column in np.asarray(affine, dtype=np.float64)[:3, :3].T.tolist())
    return i, j, k


def shear_deg(affine: Array) -> float:
    """Return how far the least perpendicular pair of axes is from a right angle, in degrees."""
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    cosines = (matrix / np.array(voxel_size_mm(affine))).T @ (matrix / np.array(voxel_size_mm(affine)))
    furthest = max(abs(cosines[0, 1]), abs(cosines[0, 2]), abs(cosines[1, 2]))
    return math.degrees(math.asin(min(1.0, furthest)))


def axis_codes(affine: Array) -> str:
    """Return the direction in which each voxel index grows, such as ``"RAS"``.

    Parameters
    ----------
    affine : numpy.ndarray
        Shape (4, 4), voxel index to millimetres (RAS+), finite and invertible.

    Returns
    -------
    str
        Three letters. The axes are first made perpendicular (polar decomposition of the direction cosines, so shear
        does not decide); then the axis nearest to a world axis takes it, and so on among what is left. These are the
        rules of nibabel (``nibabel.orientations.io_orientation``, MIT licence), which most tools follow.

    Raises
    ------
    UsageError
        When the affine is singular or not finite.
    """
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 3:
        raise UsageError("axes have no direction", subject="affine", expected="an invertible matrix", found=str(matrix))
    left, _, right = np.linalg.svd(matrix / np.array(voxel_size_mm(affine)))
    turned = left @ right
    codes = [""] * 3
    for axis in np.argsort(-(turned**2).max(axis=0), kind="stable").tolist():
        world = int(np.argmax(np.abs(turned[:, axis])))
        codes[axis] = ENDS[world][int(turned[world, axis] > 0)]
        turned[world] = 0
    return "".join(codes)


@dataclass(frozen=True)
class Turn:
    """How the axes of a view lie in the stored array: a permutation and flips."""

    axes: tuple[int, int, int]
    """For every axis of the view the stored axis it runs along."""
    flips: tuple[bool, bool, bool]
    """For every axis of the view whether it runs against the stored one."""

    @classmethod
    def between(cls, stored: str, wanted: str) -> Turn:
        """Return the turn from one axis order to another.

        Raises
        ------
        UsageError
            When one of them is not among :data:`ORDERS`.
        """
        for codes in (stored, wanted):
            if codes not in ORDERS:
                raise UsageError(
                    "no such order of axes",
                    subject=codes,
                    expected="one letter each of L or R, P or A, I or S, in any order",
                    found=codes,
                )
        i, j, k = ((_world(code), code) for code in wanted)
        held = [_world(code) for code in stored]
        axes = (held.index(i[0]), held.index(j[0]), held.index(k[0]))
        return cls(axes, (stored[axes[0]] != i[1], stored[axes[1]] != j[1], stored[axes[2]] != k[1]))

    def shape(self, stored: Sequence[int]) -> tuple[int, ...]:
        """Return the view's shape; axes after the third stay."""
        return (*(int(stored[axis]) for axis in self.axes), *(int(size) for size in stored[3:]))

    def region(self, start: Sequence[int], stop: Sequence[int], stored: Sequence[int]) -> tuple[slice, slice, slice]:
        """Return the stored region of a box of the view.

        Parameters
        ----------
        start, stop : sequence of int
            Half-open, in voxels of the view.
        stored : sequence of int
            Shape of the stored array.
        """
        found = [slice(0)] * 3
        for axis, flip, first, last in zip(self.axes, self.flips, start, stop, strict=True):
            size = int(stored[axis])
            found[axis] = slice(size - int(last), size - int(first)) if flip else slice(int(first), int(last))
        return found[0], found[1], found[2]

    def apply(self, values: Array) -> Array:
        """Turn an array as stored, or a region of one, into the view's order; a NumPy view, no copy."""
        turned = np.transpose(values, (*self.axes, *range(3, values.ndim)))
        return turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def undo(self, values: Array) -> Array:
        """Turn an array of the view back into stored order; a NumPy view, no copy."""
        flipped = values[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return np.transpose(flipped, (*np.argsort(self.axes).tolist(), *range(3, values.ndim)))

    def matrix(self, stored: Sequence[int]) -> Array:
        """Return the 4 x 4 matrix from voxels of the view to stored voxels."""
        turned = np.zeros((4, 4))
        turned[3, 3] = 1.0
        for at, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            turned[axis, at] = -1.0 if flip else 1.0
            turned[axis, 3] = float(stored[axis]) - 1.0 if flip else 0.0
        return turned


class View:
    """A volume in another order of its axes; what is read of it touches only the chunks that hold it.

    Parameters
    ----------
    dataset : xarray.Dataset
        A volume group, opened lazily or in memory.
    codes : str
        Axis order of the view, one of :data:`ORDERS`.
    stored_codes : str
        Axis order as stored.
    """

    def __init__(self, dataset: xr.Dataset, codes: str, stored_codes: str) -> None:
        self.codes, self.turn = codes, Turn.between(stored_codes, codes)
        self._image = dataset["image"].variable
        self.dtype: np.dtype[Any] = self._image.dtype
        self.shape = self.turn.shape(self._image.shape)
        self.ndim = len(self.shape)
        matrix = self.turn.matrix(self._image.shape)
        # Adding zero leaves no -0.0 behind.
        self.affine: Array = dataset["affine"].values.astype(np.float64) @ matrix + 0.0
        self.transforms: dict[str, tuple[Array, int]] = {
            name: (dataset[name].values @ matrix + 0.0, int(dataset[name].attrs["code"]))
            for name in ("qform", "sform")
            if name in dataset
        }
        """qform and sform of the view with the codes they had."""

    def read(self, start: Sequence[int], stop: Sequence[int]) -> Array:
        """Return the stored numbers of a box, in the view's order.

        Parameters
        ----------
        start, stop : sequence of int
            Half-open, three voxel indices of the view; further axes are read whole.

        Returns
        -------
        numpy.ndarray
            Shape ``stop - start`` and the further axes; a view of what was read, not contiguous.

        Raises
        ------
        UsageError
            When the box is not inside the image.
        """
        for first, last, size in zip(start, stop, self.shape[:3], strict=True):
            if not 0 <= first <= last <= size:
                raise UsageError(
                    "the box is not inside the image",
                    subject="view",
                    expected=f"within {self.shape[:3]}",
                    found=f"{tuple(map(int, start))} to {tuple(map(int, stop))}",
                )
        region = self.turn.region(start, stop, self._image.shape)
        return self.turn.apply(np.asarray(self._image[region].values))

    def __getitem__(self, key: Any) -> Array:
        """Read with slices and integers; only the region they span is read."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        if len(keys) > self.ndim or not all(isinstance(item, (int, np.integer, slice)) for item in keys):
            raise UsageError("views take slices and integers", subject="view", found=repr(key))
        spans, within = [], []
        for item, size in zip(keys, self.shape, strict=True):
            span, inner = _span(item, size)
            spans.append(span)
            within.append(inner)
        box = spans[:3]
        read = self.turn.region([span.start for span in box], [span.stop for span in box], self._image.shape)
        values = np.asarray(self._image[(*read, *spans[3:])].values)
        found: Array = self.turn.apply(values)[tuple(within)]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the whole image in the view's order."""
        return np.array(self[...], dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<View {self.codes}: {' x '.join(map(str, self.shape))} {self.dtype}>"


def reorient(dataset: xr.Dataset, codes: str, *, assume: str | None = None) -> View:
    """View a volume in another order of its axes.

    Parameters
    ----------
    dataset : xarray.Dataset
        A volume group.
    codes : str
        The wanted order, such as ``"LPS"``.
    assume : str, optional
        Order of the stored axes, for volumes whose orientation is unknown.

    Returns
    -------
    View

    Raises
    ------
    UsageError
        When the order does not exist, or the orientation is unknown and none is assumed.
    """
    stored = str(dataset.attrs.get("orientation") or axis_codes(dataset["affine"].values))
    if stored == UNKNOWN:
        if assume is None:
            raise UsageError(
                "the volume's orientation is not known",
                subject=codes,
                expected="a qform or sform with a code above 0",
                found="both codes 0, or none",
                hint='if you know the order of its axes, say so: assume="RAS"; left and right cannot be told otherwise',
            )
        stored = assume
    return View(dataset, codes, stored)


def canonical(dataset: xr.Dataset, *, assume: str | None = None) -> View:
    """View a volume with axes that run to the right, to anterior and to superior; see :func:`reorient`."""
    return reorient(dataset, "RAS", assume=assume)


def _world(code: str) -> int:
    return next(world for world, ends in enumerate(ENDS) if code in ends)


def _span(item: Any, size: int) -> tuple[slice, Any]:
    """Return the span that an index reads, and the index within it."""
    if not isinstance(item, slice):
        at = int(item) + (size if item < 0 else 0)
        if not 0 <= at < size:
            raise IndexError(f"index {item} is out of bounds for an axis of {size}")
        return slice(at, at + 1), 0
    picked = range(size)[item]
    if not picked:
        return slice(0, 0), slice(None)
    low, high = min(picked[0], picked[-1]), max(picked[0], picked[-1])
    step = slice(None, None, picked.step) if picked.step > 0 else slice(high - low, None, picked.step)
    return slice(low, high + 1), step
