"""Measures of regions from images: vertices, area, thickness and volume on a surface; voxels in a label volume.

They reproduce what FreeSurfer prints (``?h.aparc.stats``: NumVert, SurfArea, ThickAvg, ThickStd; ``aseg.stats``:
NVoxels), so that a table can be held against the images it is said to come from. Not so ``Volume_mm3`` of
``aseg.stats``: FreeSurfer corrects it for partial volumes (``--pv``), so that it is not a count of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["RegionStatistics", "region_statistics", "vertex_volumes"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RegionStatistics:
    """Measures of regions of one surface, each of shape (region,)."""

    n_vertices: Array
    """int64."""
    area_mm2: Array | None
    """float64; sum over the vertices."""
    thickness_mm: Array | None
    """float64, NaN for a region without vertices; mean over the vertices, each counted once whatever its area."""
    thickness_std_mm: Array | None
    """float64; population standard deviation."""
    volume_mm3: Array | None
    """float64; sum over the vertices."""


def region_statistics(
    label: Array,
    n_regions: int,
    *,
    area: Array | None = None,
    thickness: Array | None = None,
    volume: Array | None = None,
) -> RegionStatistics:
    """Measure the regions of a surface.

    Parameters
    ----------
    label : numpy.ndarray
        Shape (vertex,), integers: the region of each vertex, below 0 for none.
    n_regions : int
        How many regions there are.
    area, thickness, volume : numpy.ndarray, optional
        Shape (vertex,), per vertex in mm2, mm and mm3.

    Returns
    -------
    RegionStatistics

    Raises
    ------
    UsageError
        When the arrays differ in length, or a label is no region.
    """
    for name, values in (("area", area), ("thickness", thickness), ("volume", volume)):
        if values is not None and values.shape != label.shape:
            raise UsageError(
                "measures and labels are not of the same surface", subject=name, expected=f"{len(label)} vertices",
                found=str(values.shape),
            )  # fmt: skip
    if label.size and label.max() >= n_regions:
        raise UsageError(
            "a vertex has a label that is no region", subject="label", expected=f"below {n_regions}",
            found=str(label.max()),
        )  # fmt: skip
    inside = label >= 0
    region = label[inside].astype(np.int64)
    count = np.bincount(region, minlength=n_regions).astype(np.int64)

    def total(values: Array) -> Array:
        return np.bincount(region, weights=values[inside].astype(np.float64), minlength=n_regions)

    mean = spread = None
    if thickness is not None:
        known = np.where(count > 0, count, 1)
        mean = np.where(count > 0, total(thickness) / known, np.nan)
        apart = np.zeros(len(label))
        apart[inside] = (thickness[inside].astype(np.float64) - mean[region]) ** 2
        spread = np.where(count > 0, np.sqrt(total(apart) / known), np.nan)
    return RegionStatistics(
        n_vertices=count,
        area_mm2=None if area is None else total(area),
        thickness_mm=mean,
        thickness_std_mm=spread,
        volume_mm3=None if volume is None else total(volume),
    )


def vertex_volumes(inner: Array, outer: Array, triangles: Array) -> Array:
    """Return the volume between two surfaces that belongs to each vertex.

    Each triangle and its like on the other surface bound a prism, which is cut into three tetrahedra; a vertex gets a
    third of the volume of each prism at it. This is the idea of FreeSurfer 6's GrayVol (``mris_anatomical_stats
    -th3``; Winkler, Greve et al. 2018, Cerebral Cortex 28:738-748, doi:10.1093/cercor/bhw308), not a copy of its code:
    the last digits may differ.

    Parameters
    ----------
    inner, outer : numpy.ndarray
        Shape (vertex, 3), millimetres: the white and the pial surface.
    triangles : numpy.ndarray
        Shape (triangle, 3), integers: corners, common to both surfaces.

    Returns
    -------
    numpy.ndarray
        Shape (vertex,), float64, mm3; negative where the surfaces cross.

    Raises
    ------
    UsageError
        When the surfaces differ in their number of vertices, or a corner is no vertex.
    """
    if inner.shape != outer.shape or inner.ndim != 2 or inner.shape[1] != 3:
        raise UsageError(
            "the surfaces do not have the same vertices", subject="outer", expected=str(inner.shape),
            found=str(outer.shape),
        )  # fmt: skip
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(inner)):
        raise UsageError(
            "a corner is no vertex", subject="triangles", expected=f"0 to {len(inner) - 1}",
            found=f"{triangles.min()} to {triangles.max()}",
        )  # fmt: skip
    # A side's diagonal runs from its corner with the smaller number, above, to the other one, below: neighbours then
    # cut their common side alike, and the volumes add up to that between the surfaces.
    first = np.argmin(triangles, axis=1)
    turned = np.stack([triangles[np.arange(len(triangles)), (first + step) % 3] for step in range(3)], axis=1)
    low = [inner[turned[:, at]].astype(np.float64) for at in range(3)]
    high = [outer[turned[:, at]].astype(np.float64) for at in range(3)]
    floor = _tetrahedron(high[0], low[0], low[2], low[1])
    rising = _tetrahedron(high[0], low[1], low[2], high[1]) + _tetrahedron(high[0], low[2], high[2], high[1])
    falling = _tetrahedron(high[0], low[1], low[2], high[2]) + _tetrahedron(high[0], low[1], high[2], high[1])
    prism = floor + np.where(turned[:, 1] < turned[:, 2], rising, falling)
    volumes = np.zeros(len(inner))
    for at in range(3):
        volumes += np.bincount(triangles[:, at], weights=prism / 3.0, minlength=len(inner))
    return volumes


def _tetrahedron(apex: Array, first: Array, second: Array, third: Array) -> Array:
    """Return signed volumes of tetrahedra, each array (tetrahedron, 3)."""
    volume: Array = np.einsum("ij,ij->i", np.cross(first - apex, second - apex), third - apex) / 6.0
    return volume
