"""Points sorted into the cells of a grid, so that what lies near a point is a few ranges of the sorted points.

A cell is as wide as the reach that is asked about, so the surroundings of a point are the 3 x 3 (x 3) cells around its
own; along the last axis these lie side by side, which leaves 3 (or 9) ranges. Everything is done for arrays of points.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

__all__ = ["PointGrid"]

Array = np.ndarray[Any, Any]
MOST_CELLS = 1 << 20
"""Along one axis; three axes of them fit a key of int64. With a smaller reach cells are wider than it."""
BATCH = 1 << 18
"""Points looked up at once, and pairs listed at once times 16: tens of megabytes."""


class PointGrid:
    """Points by cells.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (point, axis), float64, finite; 1 to 3 axes.
    reach : float
        How far from a point others count as near, along every axis; positive.
    """

    def __init__(self, position: Array, reach: float) -> None:
        n_points, n_axes = position.shape
        low = position.min(axis=0) if n_points else np.zeros(n_axes)
        extent = float((position.max(axis=0) - low).max()) if n_points else 0.0
        # A little wider than the reach, so that rounding never puts near points two cells apart.
        size = max(reach, extent / MOST_CELLS) * (1 + 1e-9)
        cell = np.floor((position - low) / size).astype(np.int64)
        self.reach = reach
        # A cell without points on either side of every axis: neighbours never wrap into the next row.
        strides = np.ones(n_axes, dtype=np.int64)
        for axis in range(n_axes - 2, -1, -1):
            strides[axis] = strides[axis + 1] * (int(cell[:, axis + 1].max(initial=0)) + 3)
        key = (cell + 1) @ strides
        self.order = np.argsort(key, kind="stable")
        """Shape (point,): the points by cell."""
        self.position = position[self.order]
        """Shape (point, axis): their positions, in that order."""
        self.cells, first = np.unique(key[self.order], return_index=True)
        self.pointer = np.append(first, n_points)
        """Shape (occupied cell + 1,): where each cell's points start."""
        self.cell_of = np.repeat(np.arange(len(self.cells)), np.diff(self.pointer))
        """Shape (point,): the occupied cell of every point, in that order."""
        steps = product((-1, 0, 1), repeat=n_axes - 1)
        self._offsets = np.array([np.dot(step, strides[:-1]) for step in steps], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.order)

    def surroundings(self, cells: Array) -> tuple[Array, Array]:
        """Return the ranges of points in and around some occupied cells.

        Returns
        -------
        start, stop : numpy.ndarray
            Shape (cell, range), int64: places among the sorted points; a range may be empty.
        """
        middle = self.cells[cells][:, None] + self._offsets
        start = self.pointer[np.searchsorted(self.cells, middle - 1, side="left")]
        return start, self.pointer[np.searchsorted(self.cells, middle + 1, side="right")]

    def n_around(self) -> Array:
        """Return how many points lie in and around every occupied cell, shape (cell,), int64."""
        counts = np.empty(len(self.cells), dtype=np.int64)
        for at in range(0, len(self.cells), BATCH):
            start, stop = self.surroundings(np.arange(at, min(at + BATCH, len(self.cells))))
            counts[at : at + BATCH] = (stop - start).sum(axis=1)
        return counts

    def draw_around(self, points: Array, rng: np.random.Generator) -> Array:
        """Draw, for each of some points, one of those in and around its cell, itself among them.

        Parameters
        ----------
        points : numpy.ndarray
            Shape (draw,): places among the sorted points, best in rising order: then lookups stay in the cache.
        rng : numpy.random.Generator
            What is drawn from.

        Returns
        -------
        numpy.ndarray
            Shape (draw,), int64: places among the sorted points, uniform over the surroundings.
        """
        drawn = np.empty(len(points), dtype=np.int64)
        for at in range(0, len(points), BATCH):
            chosen = points[at : at + BATCH]
            cells, which = np.unique(self.cell_of[chosen], return_inverse=True)
            start, stop = self.surroundings(cells)
            bound = np.cumsum(stop - start, axis=1)
            pick = rng.integers(0, bound[which, -1])
            column = np.zeros(len(chosen), dtype=np.int64)
            for place in range(bound.shape[1] - 1):
                column += pick >= bound[which, place]
            drawn[at : at + BATCH] = stop[which, column] - (bound[which, column] - pick)
        return drawn

    def near(self, one: Array, other: Array) -> Array:
        """Tell which pairs of sorted points are no farther apart than the reach along any axis."""
        inside = np.ones(len(one), dtype=bool)
        for axis in range(self.position.shape[1]):
            inside &= np.abs(self.position[one, axis] - self.position[other, axis]) <= self.reach
        return inside

    def pairs(self) -> Iterator[tuple[Array, Array]]:
        """Yield all near pairs once, the lower place among the sorted points first, in pieces of bounded size."""
        n_around = self.n_around()[self.cell_of]
        ends = np.cumsum(n_around)
        at = 0
        while at < len(self):
            done = ends[at - 1] if at else 0
            stop_at = max(at + 1, int(np.searchsorted(ends, done + 16 * BATCH, side="right")))
            points = np.arange(at, stop_at)
            start, stop = self.surroundings(self.cell_of[points])
            start = np.maximum(start, points[:, None] + 1)
            length = np.maximum(stop - start, 0).ravel()
            one = np.repeat(np.repeat(points, start.shape[1]), length)
            other = np.arange(len(one)) + np.repeat(start.ravel() - (np.cumsum(length) - length), length)
            inside = self.near(one, other)
            yield one[inside], other[inside]
            at = stop_at

    def n_near(self) -> Array:
        """Return how many others are near every sorted point, shape (point,), int64."""
        counts = np.zeros(len(self), dtype=np.int64)
        for one, other in self.pairs():
            counts += np.bincount(one, minlength=len(self)) + np.bincount(other, minlength=len(self))
        return counts
