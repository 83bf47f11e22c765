"""Negatives as long as the positives, so that the distance of a pair says nothing.

Distances are straight ones, between the positions of the ends. The positives' distances are cut into quantile bins of
about 20; each positive gets a negative that is uniform among the pairs of its own bin, or, where a bin has no pairs
left, of the next longer bins: at short range almost every two nodes are joined. The shortest bin begins at 0, and
beyond the longest positive the bins double in width.

Bins are filled ring by ring. Short pairs are all listed; longer ones, of which there are far more than are wanted, are
drawn uniformly until each bin has enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import UsageError
from .negatives import too_few
from .pairs import distance_of
from .point_grid import PointGrid
from .sorted_keys import among

__all__ = ["BIN_POSITIVES", "MOST_BINS", "draw_matched"]

Array = np.ndarray[Any, Any]
BIN_POSITIVES, MOST_BINS = 20, 1000
LISTED, LEAST_LISTED = 32, 1 << 22
"""Pairs of points in neighbouring cells, per wanted negative and at least, up to which a ring is listed: of these about
one in twelve lies within the ring, so that there are more pairs than are wanted, and far more in the next ring."""
LEAST_DRAWS, MOST_DRAWS = 1 << 14, 1 << 20
FULL = 0.9
"""Share of a bin's pairs, as estimated from a first round of draws, that is drawn; to find the last ones takes long."""
POOR, POOR_ROUNDS = 0.001, 8
"""A ring of drawn pairs is given up, its wants going to longer bins, after so many rounds in a row in which a smaller
share of the draws was of use."""


def draw_matched(
    lengths: Mapping[str, Array],
    *,
    position: Array,
    nodes: Array,
    ratio: int,
    taken: Array,
    rng: np.random.Generator,
    about: Mapping[str, str],
) -> tuple[dict[str, Array], int]:
    """Draw negatives matched in distance.

    Parameters
    ----------
    lengths : mapping of str to numpy.ndarray
        Part to the straight distances of its positives, shape (positive,), float64.
    position : numpy.ndarray
        Shape (node, axis), float64, by rank.
    nodes : numpy.ndarray
        Shape (node,), int64: rising ranks of those that may be drawn.
    ratio : int
        Negatives per positive.
    taken : numpy.ndarray
        Sorted numbers of the pairs that may not be drawn.
    rng : numpy.random.Generator
        What is drawn from.
    about : mapping of str to str
        ``subject`` and ``place`` for errors.

    Returns
    -------
    pairs : dict of str to numpy.ndarray
        Part to the numbers of its pairs, shape (ratio * positive,), int64.
    n_longer : int
        How many of them come from a longer bin than their positive's.

    Raises
    ------
    UsageError
        When there are not as many pairs, at any distance.
    """
    every = np.sort(np.concatenate(list(lengths.values())))
    wanted = ratio * len(every)
    longest = float(every[-1])
    if longest == 0:
        raise UsageError("all positives have length 0", subject=about["subject"], place=about["place"])
    step = max(BIN_POSITIVES, -(-len(every) // MOST_BINS))
    extent = position[nodes].max(axis=0) - position[nodes].min(axis=0)
    farthest = math.sqrt(math.fsum((extent * extent).tolist())) * (1 + 1e-9)
    radii = _radii(position[nodes], longest, farthest, max(LEAST_LISTED, LISTED * wanted))
    edges = np.unique(np.concatenate([[0.0], every[step::step], radii[radii < longest], [longest]]))
    # An edge belongs to the bin below it at the far end only.
    edges[-1] = np.nextafter(longest, np.inf)
    edges = np.concatenate([edges, radii[radii > longest]])
    parts = list(lengths)
    want = np.zeros((len(edges), len(parts)), dtype=np.int64)
    for at, part in enumerate(parts):
        own = np.searchsorted(edges, lengths[part], side="right") - 1
        want[:, at] = ratio * np.bincount(own, minlength=len(edges))
    found: dict[str, list[Array]] = {part: [] for part in parts}
    carried, n_longer = np.zeros(len(parts), dtype=np.int64), 0
    lower = 0.0
    for ring, radius in enumerate(radii.tolist()):
        upper = edges[np.searchsorted(edges, radius)] if radius <= longest else radius
        bins = np.flatnonzero((edges >= lower) & (edges < upper))
        need = want[bins].copy()
        need[0] += carried
        if need.sum():
            if ring == 0:
                keys, own = _list_ring(position, nodes, radius, edges, bins, taken=taken, rng=rng)
            else:
                least = need.sum(axis=1)
                keys, own = _draw_ring(position, nodes, radius, edges, bins, least, taken=taken, rng=rng)
            n_free = np.bincount(own - bins[0], minlength=len(bins))
            n_longer += int(np.maximum(0, want[bins].sum(axis=1) - n_free).sum())
            carried = _share_out(keys, own - bins[0], need, found, parts, rng)
        lower = upper
    if carried.sum():
        raise too_few(wanted, str(wanted - int(carried.sum())), about)
    return {part: np.concatenate([*pieces, np.zeros(0, dtype=np.int64)]) for part, pieces in found.items()}, n_longer


def _radii(position: Array, longest: float, farthest: float, most_tried: int) -> Array:
    """Return the outer radii of the rings, rising: the first is listed, each further one is twice as wide."""
    radius = longest
    while True:
        grid = PointGrid(position, radius)
        if int((np.diff(grid.pointer) * grid.n_around()).sum()) <= most_tried:
            break
        radius /= 2
    radii = [radius]
    while radii[-1] < max(longest, farthest):
        radii.append(2 * radii[-1])
    return np.array(radii)


def _ring(position: Array, nodes: Array, grid: PointGrid, one: Array, other: Array, edges: Array, bins: Array) -> Any:
    """Return the pairs of sorted points that are in some bins: their numbers and bins."""
    distance = distance_of(grid.position, np.stack([one, other], axis=1))
    own = np.searchsorted(edges, distance, side="right") - 1
    inside = (own >= bins[0]) & (own <= bins[-1])
    first, second = nodes[grid.order[one[inside]]], nodes[grid.order[other[inside]]]
    keys = np.minimum(first, second) * len(position) + np.maximum(first, second)
    return keys, own[inside]


def _list_ring(
    position: Array,
    nodes: Array,
    radius: float,
    edges: Array,
    bins: Array,
    *,
    taken: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return all pairs of a ring in random order."""
    grid = PointGrid(position[nodes], radius)
    pieces = [_ring(position, nodes, grid, one, other, edges, bins) for one, other in grid.pairs()]
    keys = np.concatenate([piece[0] for piece in pieces])
    own = np.concatenate([piece[1] for piece in pieces])
    free = ~among(keys, taken)
    keys, own = keys[free], own[free]
    order = np.argsort(keys)[rng.permutation(len(keys))]
    return keys[order], own[order]


def _draw_ring(
    position: Array,
    nodes: Array,
    radius: float,
    edges: Array,
    bins: Array,
    need: Array,
    *,
    taken: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Draw distinct pairs of a ring, uniform, until every bin has as many as it needs."""
    grid = PointGrid(position[nodes], radius)
    # A first point in proportion to its surroundings, then any of these: every ordered pair is as likely.
    bound = np.cumsum(np.diff(grid.pointer) * grid.n_around())
    n_around = grid.n_around()
    keys, own = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    seen = keys
    poor, first_round = 0, True
    while True:
        missing = need - np.bincount(own - bins[0], minlength=len(bins))
        open_ = int(np.maximum(missing, 0).sum())
        if not open_ or poor == POOR_ROUNDS:
            return keys, own
        count = min(MOST_DRAWS, max(LEAST_DRAWS, 8 * open_))
        pick = np.sort(rng.integers(0, bound[-1], size=count))
        cell = np.searchsorted(bound, pick, side="right")
        one = grid.pointer[cell + 1] - 1 - (bound[cell] - 1 - pick) // n_around[cell]
        other = grid.draw_around(one, rng)
        apart = one != other
        new, bin_ = _ring(position, nodes, grid, one[apart], other[apart], edges, bins)
        if first_round:
            hits = np.bincount(bin_[~among(new, taken)] - bins[0], minlength=len(bins))
            need = _spread(need, (FULL * bound[-1] / 2 / count * hits).astype(np.int64))
            missing, first_round = need, False
        shuffled = rng.permutation(len(new))
        new, bin_ = new[shuffled], bin_[shuffled]
        _, first = np.unique(new, return_index=True)
        first.sort()
        new, bin_ = new[first], bin_[first]
        useful = (missing[bin_ - bins[0]] > 0) & ~among(new, taken)
        useful[useful] = ~among(new[useful], seen)
        poor = poor + 1 if useful.sum() < POOR * count else 0
        keys, own = np.concatenate([keys, new[useful]]), np.concatenate([own, bin_[useful]])
        # Two sorted runs, which a stable sort merges.
        seen = np.sort(np.concatenate([seen, np.sort(new[useful])]), kind="stable")


def _spread(need: Array, room: Array) -> Array:
    """Return what to draw of every bin when bins have room for so many only and hand the rest on to longer ones."""
    spread, carried = np.zeros_like(need), 0
    for at, (wanted, most) in enumerate(zip(need.tolist(), room.tolist(), strict=True)):
        spread[at] = min(wanted + carried, most)
        carried += wanted - int(spread[at])
    return spread


def _share_out(
    keys: Array, own: Array, need: Array, found: dict[str, list[Array]], parts: list[str], rng: np.random.Generator
) -> Array:
    """Give every part what it needs of every bin, in the order of the pairs; return what is carried on."""
    order = np.argsort(own, kind="stable")
    bounds = np.searchsorted(own[order], np.arange(len(need) + 1))
    carried = np.zeros(need.shape[1], dtype=np.int64)
    for at in range(len(need)):
        asked = need[at] + carried
        given = asked
        available = int(bounds[at + 1] - bounds[at])
        if available < asked.sum():
            given = rng.multivariate_hypergeometric(asked, available)
        start = int(bounds[at])
        for part, count in zip(parts, given.tolist(), strict=True):
            if count:
                found[part].append(keys[order[start : start + count]])
            start += count
        carried = asked - given
    return carried
