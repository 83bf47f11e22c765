"""Classes of vessels by their radius: capillaries, and two classes of larger vessels.

The boundaries are those of VesselGraph (J. C. Paetzold, J. McGinnis et al., NeurIPS 2021 Datasets and Benchmarks,
arXiv:2108.13233): 15 and 40 um, which its code writes as 5 and 13.33 voxels of 3 um. A class is the number of
boundaries that the mean of the smallest radii along a vessel (Voreen's ``minRadiusAvg``) strictly exceeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFoundError, UsageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BOUNDARIES_UM", "BOUNDARIES_VOXEL", "NO_CLASS", "boundaries_of", "vessel_class", "vessel_classes"]

Array = np.ndarray[Any, Any]
BOUNDARIES_UM = (15.0, 40.0)
BOUNDARIES_VOXEL = (5.0, 13.33)
"""As published, for voxels of ``PUBLISHED_VOXEL_UM``."""
PUBLISHED_VOXEL_UM = 3.0
NO_CLASS = -1


def vessel_class(radius: Array, boundaries: Sequence[float]) -> Array:
    """Return the class of every vessel.

    Parameters
    ----------
    radius : numpy.ndarray
        Shape (edge,), in the unit of the boundaries.
    boundaries : sequence of float
        Rising.

    Returns
    -------
    numpy.ndarray
        Shape (edge,), int8: boundaries strictly exceeded, 0 for capillaries; -1 where the radius is missing: NaN, or
        negative, as Voreen writes it.

    Raises
    ------
    UsageError
        When the boundaries do not rise.
    """
    bounds = np.asarray(boundaries, dtype=np.float64)
    if bounds.ndim != 1 or not len(bounds) or not np.isfinite(bounds).all() or (np.diff(bounds) <= 0).any():
        raise UsageError("boundaries rise", subject="boundaries", found=repr(list(boundaries)))
    values = np.asarray(radius, dtype=np.float64)
    known = values >= 0
    classes = np.searchsorted(bounds, np.where(known, values, 0.0), side="left")
    return np.where(known, classes, NO_CLASS).astype(np.int8)


def boundaries_of(graph: xr.Dataset, column: str) -> tuple[float, ...]:
    """Return the published boundaries in the unit of a column of radii.

    Raises
    ------
    NotFoundError
        When there is no such column.
    UsageError
        When its unit is neither ``um`` nor ``voxel``, or voxels have no size or are no cubes.
    """
    if column not in graph or graph[column].dims != ("edge",):
        known = ", ".join(str(name) for name, item in graph.variables.items() if item.dims == ("edge",))
        raise NotFoundError("the edges have no such column", subject=column, expected=known)
    units = graph[column].attrs.get("units")
    if units == "um":
        return BOUNDARIES_UM
    sizes = sorted({float(size) for size in graph.attrs.get("voxel_size_um", ())})
    if units != "voxel" or len(sizes) != 1:
        raise UsageError(
            "the boundaries of the classes are lengths",
            subject=column,
            expected="um, or voxels that are cubes of a known size (voxel_size_um)",
            found=f"{units}, voxel_size_um {graph.attrs.get('voxel_size_um')}",
            hint="give them: --boundaries 5,13.33 (BOUNDARIES_VOXEL) are those published for voxels of 3 um",
        )
    return BOUNDARIES_VOXEL if sizes[0] == PUBLISHED_VOXEL_UM else tuple(bound / sizes[0] for bound in BOUNDARIES_UM)


def vessel_classes(graph: xr.Dataset, *, column: str = "radius_min") -> Array:
    """Return the class of every edge of a vessel graph by the published boundaries.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    column : str
        Edge column with the radius, in ``um``, or in ``voxel`` with the group's attribute ``voxel_size_um``.

    Returns
    -------
    numpy.ndarray
        Shape (edge,), int8; see :func:`vessel_class`.

    Raises
    ------
    NotFoundError, UsageError
        As :func:`boundaries_of`.
    """
    boundaries = boundaries_of(graph, column)
    return vessel_class(graph[column].values, boundaries)
