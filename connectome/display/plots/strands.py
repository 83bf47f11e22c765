"""The lines that stand for the edges of a graph in space: which are drawn, their pieces, and the density of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.graphs import EdgeMeasure, has_positions

if TYPE_CHECKING:
    import xarray as xr

    from .projection import View

__all__ = ["MAX_SEGMENTS", "Strands", "chosen_edges", "density", "segments", "strands_of"]

Array = np.ndarray[Any, Any]
MAX_SEGMENTS = 50_000
"""Pieces of lines that are drawn one by one."""
BLOCK_EDGES = 1 << 18
MOST_STEPS = 64
"""Places along one edge that are counted in a density."""


@dataclass(frozen=True)
class Strands:
    """The edges of a graph as lines, where they are drawn."""

    position: Array
    """Shape (node, 3), float64."""
    scale: Array
    """Shape (3,): the factors that brought positions there; 1 unless voxels became micrometres."""
    units: str
    ends: tuple[Array, Array]
    """Source and target nodes, each of shape (edge,)."""
    point_ptr: Array | None = None
    points: Array | None = None
    """Points of polylines as the record gives them, shape (point, axis)."""

    def __len__(self) -> int:
        return len(self.ends[0])

    def n_pieces(self) -> Array:
        """Return of how many straight pieces every edge is made, shape (edge,)."""
        if self.point_ptr is None:
            return np.ones(len(self), dtype=np.int64)
        pieces: Array = np.maximum(1, np.diff(self.point_ptr) - 1)
        return pieces


def strands_of(dataset: xr.Dataset) -> Strands:
    """Return the lines of a graph group with positions.

    Positions in voxels become micrometres where the record knows the size of a voxel (``voxel_size_um``): a picture
    of voxels that are no cubes would be out of shape. Flat graphs get a third axis of zeros.

    Raises
    ------
    UsageError
        When the graph has no positions.
    """
    if not has_positions(dataset):
        raise UsageError("the nodes have no positions", subject="position", hint="draw its adjacency matrix instead")
    position = dataset["position"].values
    units = str(dataset["position"].attrs.get("units", ""))
    scale = np.ones(3)
    size = dataset.attrs.get("voxel_size_um")
    if units in {"voxel", "voxels"} and size is not None:
        scale[: position.shape[1]] = np.asarray(size, dtype=np.float64)[: position.shape[1]]
        units = "um"
    bent = "point_ptr" in dataset and "point_position" in dataset
    return Strands(
        position=_in_3d(position, scale),
        scale=scale,
        units=units,
        ends=(dataset["source"].values, dataset["target"].values),
        point_ptr=dataset["point_ptr"].values if bent else None,
        points=dataset["point_position"].values if bent else None,
    )


def _in_3d(position: Array, scale: Array) -> Array:
    padded = np.zeros((len(position), 3))
    padded[:, : position.shape[1]] = position
    padded *= scale
    return padded


def chosen_edges(
    strands: Strands,
    size: EdgeMeasure | None,
    *,
    most: int = MAX_SEGMENTS,
    ink: Array | None = None,
    most_ink: float = 0.0,
) -> Array:
    """Return the edges that are drawn one by one, ascending.

    Parameters
    ----------
    strands : Strands
        All lines.
    size : EdgeMeasure, optional
        The largest go first; of equals the first. None when no edge is larger than another.
    most : int
        Pieces of lines. When there are no more, all edges are drawn, whatever ink they take.
    ink : numpy.ndarray, optional
        Shape (edge,): the paper that every edge covers.
    most_ink : float
        How much of it may be covered, overlaps counted twice.
    """
    pieces = strands.n_pieces()
    if pieces.sum() <= most:
        return np.arange(len(strands))
    values = np.zeros(len(strands)) if size is None else np.nan_to_num(size.values, nan=-np.inf)
    order = np.argsort(-values, kind="stable")
    n_chosen = int(np.searchsorted(np.cumsum(pieces[order]), most, side="right"))
    if ink is not None:
        n_chosen = min(n_chosen, int(np.searchsorted(np.cumsum(np.nan_to_num(ink[order])), most_ink, side="right")))
    return np.sort(order[: max(1, n_chosen)])


def segments(strands: Strands, edges: Array) -> tuple[Array, Array]:
    """Cut edges into straight pieces.

    Parameters
    ----------
    strands : Strands
        All lines.
    edges : numpy.ndarray
        Edge numbers.

    Returns
    -------
    piece : numpy.ndarray
        Shape (piece, 2, 3), both ends: along the polyline of an edge, or straight from node to node where it has
        fewer than two points.
    owner : numpy.ndarray
        Shape (piece,): the edge of every piece.
    """
    parts: list[tuple[Array, Array]] = []
    straight = edges
    if strands.point_ptr is not None and strands.points is not None:
        counts = np.diff(strands.point_ptr)[edges]
        bent, straight = edges[counts > 1], edges[counts <= 1]
        n_pieces = counts[counts > 1] - 1
        within = np.arange(n_pieces.sum()) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        at = np.repeat(strands.point_ptr[bent], n_pieces) + within
        ends = [_in_3d(strands.points[at + step], strands.scale) for step in (0, 1)]
        parts.append((np.stack(ends, axis=1), np.repeat(bent, n_pieces)))
    parts.append((np.stack([strands.position[end[straight]] for end in strands.ends], axis=1), straight))
    piece, owner = (np.concatenate(side) for side in zip(*parts, strict=True))
    return piece, owner


def density(strands: Strands, view: View, *, low: Array, pixel: float, shape: tuple[int, int]) -> Array:
    """Count how much line lies over every pixel, all edges together.

    Parameters
    ----------
    strands : Strands
        All lines.
    view : View
        From where it is seen.
    low : numpy.ndarray
        Lower left corner, shape (2,).
    pixel : float
        Edge of a pixel in the unit of the picture.
    shape : tuple of int
        Rows and columns of pixels.

    Returns
    -------
    numpy.ndarray
        Shape ``shape``, float64: length of line in pixels, the lowest row first.
    """
    total = np.zeros(shape[0] * shape[1])
    for first in range(0, len(strands), BLOCK_EDGES):
        piece, _ = segments(strands, np.arange(first, min(first + BLOCK_EDGES, len(strands))))
        seen = view.project(piece.reshape(-1, 3))[:, :2].reshape(-1, 2, 2)
        start, step = (seen[:, 0] - low) / pixel, (seen[:, 1] - seen[:, 0]) / pixel
        length = np.hypot(step[:, 0], step[:, 1])
        times = np.clip(np.ceil(length), 1, MOST_STEPS).astype(np.int64)
        owner = np.repeat(np.arange(len(times)), times)
        share = (np.arange(len(owner)) - np.repeat(np.cumsum(times) - times, times) + 0.5) / times[owner]
        place = np.floor(start[owner] + share[:, None] * step[owner]).astype(np.int64)
        column, row = np.clip(place[:, 0], 0, shape[1] - 1), np.clip(place[:, 1], 0, shape[0] - 1)
        total += np.bincount(row * shape[1] + column, weights=(length / times)[owner], minlength=len(total))
    return total.reshape(shape)
