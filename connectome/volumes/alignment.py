"""Whether two grids are the same place, in millimetres at their corners.

Affines of one grid written by two programs differ in the last digits: by up to 0.0024 mm between images and masks of
one release. Exact equality refuses such pairs; a loose test on the matrix lets a shift by a voxel pass. Here the eight
corner voxels of both grids are taken to millimetres, and the largest distance between the same corners counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import SchemaError

from .orientation import UNKNOWN, voxel_size_mm

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TOLERANCE_VOXELS", "Alignment", "align", "aligned", "compare_grids", "corner_error_mm"]

Array = np.ndarray[Any, Any]

TOLERANCE_VOXELS = 0.01
"""Largest distance at a corner, in voxels of the finer edge: rounding in headers stays below, any real shift above."""


@dataclass(frozen=True)
class Alignment:
    """How well two grids agree."""

    same_shape: bool
    max_corner_error_mm: float
    """Largest distance between the same corner voxels; infinite where shapes differ."""
    tolerance_mm: float
    known: bool
    """Whether the orientation of both is known."""

    @property
    def ok(self) -> bool:
        """Whether the grids are the same within the tolerance."""
        return self.same_shape and self.max_corner_error_mm <= self.tolerance_mm


def corner_error_mm(first: xr.Dataset, second: xr.Dataset) -> float:
    """Return the largest distance between the same corner voxels of two volumes, in millimetres.

    Parameters
    ----------
    first, second : xarray.Dataset
        Volume groups.

    Returns
    -------
    float
        Infinite where the shapes in space differ.
    """
    return compare_grids(first, second).max_corner_error_mm


def compare_grids(first: xr.Dataset, second: xr.Dataset, *, tolerance_voxels: float = TOLERANCE_VOXELS) -> Alignment:
    """Compare where two volumes lie.

    Parameters
    ----------
    first, second : xarray.Dataset
        Volume groups; only their shapes and affines are read.
    tolerance_voxels : float
        In voxels, of the shortest edge of either grid.

    Returns
    -------
    Alignment
    """
    shapes = [tuple(dataset["image"].shape[:3]) for dataset in (first, second)]
    affines = [dataset["affine"].values.astype(np.float64) for dataset in (first, second)]
    same = shapes[0] == shapes[1]
    finest = min(size for affine in affines for size in voxel_size_mm(affine))
    return Alignment(
        same_shape=same,
        max_corner_error_mm=corner_distance_mm(affines[0], affines[1], shapes[0]) if same else float("inf"),
        tolerance_mm=tolerance_voxels * finest,
        known=all(dataset.attrs.get("orientation") != UNKNOWN for dataset in (first, second)),
    )


def aligned(first: xr.Dataset, second: xr.Dataset, *, tolerance_voxels: float = TOLERANCE_VOXELS) -> bool:
    """Tell whether two volumes share one grid; see :func:`compare_grids`."""
    return compare_grids(first, second, tolerance_voxels=tolerance_voxels).ok


def align(
    dataset: xr.Dataset, to: xr.Dataset, *, path: str, subject: str, tolerance_voxels: float = TOLERANCE_VOXELS
) -> xr.Dataset:
    """Record that a volume shares another's grid, or refuse it.

    Parameters
    ----------
    dataset, to : xarray.Dataset
        The volume (a mask, a second modality) and the one it belongs to.
    path : str
        Path of ``to`` in the record.
    subject : str
        File or record, for the refusal.
    tolerance_voxels : float
        See :func:`compare_grids`.

    Returns
    -------
    xarray.Dataset
        ``dataset`` with the attributes ``aligned_to`` and ``max_corner_error_mm``.

    Raises
    ------
    SchemaError
        When the grids differ.
    """
    found = compare_grids(dataset, to, tolerance_voxels=tolerance_voxels)
    if not found.ok:
        shapes = [" x ".join(map(str, item["image"].shape[:3])) for item in (dataset, to)]
        raise SchemaError(
            "the volume does not lie on the grid it belongs to",
            subject=subject,
            place=path,
            expected=f"{shapes[1]} voxels, corners within {found.tolerance_mm:.4g} mm",
            found=f"{shapes[0]} voxels"
            + (f", a corner {found.max_corner_error_mm:.4g} mm away" if found.same_shape else ""),
            hint="check which images belong together; connectome.volumes.resample puts one onto the other's grid",
        )
    return dataset.assign_attrs(aligned_to=path, max_corner_error_mm=found.max_corner_error_mm)


def corner_distance_mm(first: Array, second: Array, shape: Sequence[int]) -> float:
    """Return the largest distance between the same corner voxels of two grids of one shape, in millimetres.

    Parameters
    ----------
    first, second : numpy.ndarray
        Shape (4, 4): affines in millimetres.
    shape : sequence of int
        Of both grids; the first three axes count.
    """
    corners = np.array([[*corner, 1.0] for corner in product(*((0.0, size - 1.0) for size in shape[:3]))])
    # The difference of the matrices first: subtracting positions far from the origin would lose digits.
    apart = corners @ (first - second)[:3].T
    return float(np.sqrt((apart**2).sum(axis=1)).max())
