"""Which regions touch: on a surface by the edges of its mesh, in a label volume by the faces of its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from connectome.errors import UsageError

__all__ = ["Contacts", "surface_contacts", "volume_contacts"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Contacts:
    """Pairs of regions that touch, each once, ascending, each of shape (pair,)."""

    kind: Literal["surface", "volume"]
    source: Array
    """int64: the lower of the two regions."""
    target: Array
    count: Array
    """int64: edges of the mesh, or faces of voxels, between the two."""
    extent: Array | None
    """float64: length of the border in mm, or area of the faces in mm2; None where points or sizes are not known."""

    def moved(self, by: int) -> Contacts:
        """Return the same pairs with regions counted from another number, to join hemispheres."""
        return replace(self, source=self.source + by, target=self.target + by)


def surface_contacts(triangles: Array, label: Array, *, points: Array | None = None) -> Contacts:
    """Find regions of a surface that share an edge of the mesh.

    Parameters
    ----------
    triangles : numpy.ndarray
        Shape (triangle, 3), integers: rows of the vertices.
    label : numpy.ndarray
        Shape (vertex,), integers: the region of each vertex, below 0 for none.
    points : numpy.ndarray, optional
        Shape (vertex, 3), millimetres.

    Returns
    -------
    Contacts
        An edge of the mesh counts once, however many triangles have it. Where vertices carry the labels, the border
        runs through triangles: between the midpoints of the two edges that it cuts, or, where three regions meet, from
        the three midpoints to the triangle's centre.

    Raises
    ------
    UsageError
        When a corner is no vertex.
    """
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(label)):
        raise UsageError(
            "a corner is no vertex", subject="triangles", expected=f"0 to {len(label) - 1}",
            found=f"{triangles.min()} to {triangles.max()}",
        )  # fmt: skip
    triangles = triangles.astype(np.int64)
    region = label.astype(np.int64)
    n_regions = int(region.max(initial=-1)) + 1
    ends = np.sort(np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    edges = np.unique(ends[:, 0] * len(label) + ends[:, 1])
    pair = _pairs(region[edges // len(label)], region[edges % len(label)], n_regions)
    found, count = np.unique(pair[pair >= 0], return_counts=True)
    extent = None
    if points is not None:
        where, length = _border(triangles, region, points.astype(np.float64), n_regions)
        extent = np.bincount(np.searchsorted(found, where), weights=length, minlength=len(found))
    return Contacts("surface", found // n_regions, found % n_regions, count.astype(np.int64), extent)


def _pairs(first: Array, second: Array, n_regions: int) -> Array:
    """Return one number per pair of different regions, -1 where there is none."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    pair: Array = np.where((low >= 0) & (low != high), low * n_regions + high, -1)
    return pair


def _border(triangles: Array, region: Array, points: Array, n_regions: int) -> tuple[Array, Array]:
    """Return pairs of regions and lengths of the border between them, triangle by triangle."""
    corner = region[triangles]
    crossed = triangles[(corner != corner[:, :1]).any(axis=1)]
    corner, centre = region[crossed], points[crossed].mean(axis=1)
    where, lengths = [], []
    all_differ = (corner[:, 0] != corner[:, 1]) & (corner[:, 1] != corner[:, 2]) & (corner[:, 2] != corner[:, 0])
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        middle = (points[crossed[:, a]] + points[crossed[:, b]]) / 2.0
        to_centre = np.linalg.norm(middle - centre, axis=1)
        # Two of three alike: the border is half as long as the edge that it does not cut, and each cut edge has half.
        alike = (corner[:, c] == corner[:, b])[:, None]
        uncut = np.where(
            alike, points[crossed[:, c]] - points[crossed[:, b]], points[crossed[:, c]] - points[crossed[:, a]]
        )
        length = np.where(all_differ, to_centre, np.linalg.norm(uncut, axis=1) / 4.0)
        pair = _pairs(corner[:, a], corner[:, b], n_regions)
        where.append(pair[pair >= 0])
        lengths.append(length[pair >= 0])
    return np.concatenate(where), np.concatenate(lengths)


def volume_contacts(labels: Array, ids: Sequence[int], *, voxel_size_mm: Sequence[float] | None = None) -> Contacts:
    """Find regions of a label volume that share a face of two voxels.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (i, j, k), integers.
    ids : sequence of int
        The label of each region; others, and 0, touch nobody.
    voxel_size_mm : sequence of float, optional
        Of the three axes.

    Returns
    -------
    Contacts
        Regions are positions in ``ids``.

    Raises
    ------
    UsageError
        When the labels are not whole numbers on three axes, or an id is there twice.
    """
    if labels.ndim != 3 or labels.dtype.kind not in "iu":
        raise UsageError(
            "no label volume", subject="labels", expected="whole numbers on three axes",
            found=f"{labels.dtype} {labels.shape}",
        )  # fmt: skip
    wanted = np.asarray(ids, dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    in_order = wanted[order]
    if (in_order[1:] == in_order[:-1]).any():
        raise UsageError("an id is there twice", subject="ids", found=str(list(ids))[:80])
    keys: list[Array] = []
    counts: list[Array] = []
    areas: list[Array] = []
    for axis in range(3):
        low, high = (np.moveaxis(labels, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        different = low != high
        pair = _pairs(_place(low[different], in_order, order), _place(high[different], in_order, order), len(wanted))
        key, count = np.unique(pair[pair >= 0], return_counts=True)
        keys.append(key)
        counts.append(count)
        if voxel_size_mm is not None:
            others = [float(size) for at, size in enumerate(voxel_size_mm) if at != axis]
            areas.append(count * (others[0] * others[1]))
    found, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    number = np.bincount(inverse, weights=np.concatenate(counts), minlength=len(found)).astype(np.int64)
    extent = np.bincount(inverse, weights=np.concatenate(areas), minlength=len(found)) if areas else None
    n_regions = max(1, len(wanted))
    return Contacts("volume", found // n_regions, found % n_regions, number, extent)


def _place(values: Array, in_order: Array, order: Array) -> Array:
    """Return the position of each label among the wanted ones, -1 where it is none of them."""
    if not len(in_order):
        return np.full(len(values), -1, dtype=np.int64)
    values = values.astype(np.int64)
    at = np.minimum(np.searchsorted(in_order, values), len(in_order) - 1)
    place: Array = np.where(in_order[at] == values, order[at], -1)
    return place
