"""Neighbours sampled hop by hop: one sampler for graphs in memory and on disk, of one or of many types.

Plain NumPy, vectorised over all nodes of a hop. No work is done per node or edge of the whole graph but for one
scratch array per type of node, made once. What is drawn depends on the generator and the seeds only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.errors import UsageError

from .adjacency import Adjacency, Array, edge_slots
from .known_nodes import Known, KnownApart

__all__ = ["ANY", "Neighbours", "Relation", "SampledGraph", "Times", "choose"]

Relation = tuple[str, str, str]
"""Type of the sources, of the edges, of the targets, as in PyTorch Geometric."""
ANY: Relation = ("", "", "")
"""The one relation of a graph whose nodes and edges are not told apart."""
MOST_BY_SETS = 128
"""Up to this many draws per node, comparing each draw with the earlier ones costs less than sorting all edges."""


def choose(count: Array, limit: int, generator: np.random.Generator, *, replace: bool = False) -> tuple[Array, Array]:
    """Draw items from groups, every item of a group with the same probability.

    Parameters
    ----------
    count : numpy.ndarray
        Shape (group,), integers: how many items each group has.
    limit : int
        Items to draw per group; -1 for all, once each.
    generator : numpy.random.Generator
        What is drawn from.
    replace : bool
        Whether an item may be drawn again; then a group with any item gives ``limit``, else at most its own number.

    Returns
    -------
    group : numpy.ndarray
        Shape (draw,), int64, ascending.
    item : numpy.ndarray
        Shape (draw,), int64: number of the item in its group; ascending within a group without replacement.

    Notes
    -----
    Without replacement by R. W. Floyd's method (J. Bentley and R. Floyd, "A sample of brilliance", Communications of
    the ACM 30 (1987) 754, doi:10.1145/30401.315746), for all groups at once: it takes ``limit`` steps however large
    the groups are. Long samples are those with the smallest random keys.
    """
    count = np.asarray(count, dtype=np.int64)
    if limit < 0:
        return edge_slots(np.zeros(len(count), dtype=np.int64), count)
    if replace:
        group = np.repeat(np.flatnonzero(count), limit)
        return group, (generator.random(len(group)) * count[group]).astype(np.int64)
    taken = np.minimum(count, limit)
    group, item = edge_slots(np.zeros(len(count), dtype=np.int64), taken)
    large = np.flatnonzero(count > limit)
    if len(large) and limit:
        draw = _by_sets if limit <= MOST_BY_SETS else _by_keys
        start = (np.cumsum(taken) - taken)[large]
        item[start[:, None] + np.arange(limit)] = draw(count[large], limit, generator)
    return group, item


def _by_sets(count: Array, limit: int, generator: np.random.Generator) -> Array:
    """Return ``limit`` items of every group, shape (group, limit), sorted; every group has more."""
    drawn = np.empty((limit, len(count)), dtype=np.int64)
    random = generator.random((limit, len(count)))
    for step in range(limit):
        last = count - limit + step
        item = (random[step] * (last + 1)).astype(np.int64)
        drawn[step] = np.where((drawn[:step] == item).any(axis=0), last, item)
    drawn.sort(axis=0)
    return drawn.T


def _by_keys(count: Array, limit: int, generator: np.random.Generator) -> Array:
    drawn = [np.sort(np.argpartition(generator.random(size), limit - 1)[:limit]) for size in count.tolist()]
    return np.stack(drawn)


@dataclass(frozen=True)
class Times:
    """What keeps a sample from looking ahead: an edge or a node later than its seed's time is not followed."""

    edge: Mapping[Relation, Array]
    """Time of every edge, by its number; relations without times are always followed."""
    node: Mapping[str, Array]
    """Time of every node; nodes of types without times are always followed."""


@dataclass(frozen=True)
class SampledGraph:
    """The surroundings of some seeds, by type of node and by relation."""

    node: Mapping[str, Array]
    """Shape (node,), int64: nodes of the whole graph; the seeds come first, in their order, then hop by hop."""
    row: Mapping[Relation, Array]
    """Shape (edge,), int64: position in ``node`` of every edge's neighbour."""
    col: Mapping[Relation, Array]
    """Shape (edge,), int64: position in ``node`` of the node that the neighbour was drawn for."""
    edge: Mapping[Relation, Array]
    """Shape (edge,), int64: number of the edge in the whole graph."""
    n_nodes: Mapping[str, tuple[int, ...]]
    """New nodes per hop, the seeds first."""
    n_edges: Mapping[Relation, tuple[int, ...]]
    """Edges per hop."""
    batch: Mapping[str, Array] | None = None
    """Shape (node,), int64: number of the seed whose surroundings a node belongs to, where they are kept apart."""


class Neighbours:
    """Samples the surroundings of nodes; for one thread at a time, because of its scratch arrays.

    Parameters
    ----------
    relations : Adjacency or mapping of Relation to Adjacency
        Of every node of the last type, its neighbours of the first type.
    n_nodes : mapping of str to int, optional
        Number of nodes of every type; by default that of the one relation.
    """

    def __init__(
        self, relations: Adjacency | Mapping[Relation, Adjacency], n_nodes: Mapping[str, int] | None = None
    ) -> None:
        self.relations: dict[Relation, Adjacency] = (
            {ANY: relations} if isinstance(relations, Adjacency) else dict(relations)
        )
        if n_nodes is None:
            n_nodes = {kind: adjacency.n_nodes for (_, _, kind), adjacency in self.relations.items()}
        self.n_nodes = dict(n_nodes)
        self._places: dict[str, Array] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_places": {}}

    def known(self, *, apart: bool = False) -> dict[str, Known]:
        """Return an empty list of known nodes per type; to be cleared after use."""
        if apart:
            return {kind: KnownApart(size) for kind, size in self.n_nodes.items()}
        for kind, size in self.n_nodes.items():
            if kind not in self._places:
                self._places[kind] = np.full(size, -1, dtype=np.int32 if size < 2**31 else np.int64)
        return {kind: Known(self._places[kind]) for kind in self.n_nodes}

    def sample(
        self,
        seeds: Array | Mapping[str, Array],
        fan_out: Sequence[int] | Mapping[Relation, Sequence[int]],
        generator: np.random.Generator,
        *,
        replace: bool = False,
        disjoint: bool = False,
        times: Times | None = None,
        seed_time: Mapping[str, Array] | None = None,
    ) -> SampledGraph:
        """Sample the surroundings of seeds.

        Parameters
        ----------
        seeds : numpy.ndarray or mapping of str to numpy.ndarray
            Shape (seed,), integers; without repeats unless ``disjoint``.
        fan_out : sequence of int, or mapping of Relation to sequence of int
            Edges to draw per node and hop, -1 for all; relations that are not named are not followed. A node is
            followed once, in the hop after the one in which it is first met.
        generator : numpy.random.Generator
            What is drawn from.
        replace : bool
            Whether an edge may be drawn again for the same node.
        disjoint : bool
            Whether the surroundings of every seed are kept apart.
        times, seed_time : optional
            Nothing later than its seed's time is followed: shape (seed,) per type; needs ``disjoint``.

        Returns
        -------
        SampledGraph

        Raises
        ------
        UsageError
            When a seed is given twice, or times are given for seeds that are not kept apart.
        """
        given = dict(seeds) if isinstance(seeds, Mapping) else {next(iter(self.n_nodes)): seeds}
        fans = self._fans(fan_out)
        if times is not None and (seed_time is None or not disjoint):
            raise UsageError("a limit in time is that of each seed", subject="seed_time", expected="disjoint samples")
        known = self.known(apart=disjoint)
        try:
            limits = self._start(known, given, seed_time if times is not None else None)
            n_hops = max((len(fan) for fan in fans.values()), default=0)
            found: dict[Relation, list[tuple[Array, Array, Array]]] = {name: [] for name in self.relations}
            for hop in range(n_hops):
                frontier = {kind: item.advance() for kind, item in known.items()}
                for name, adjacency in self.relations.items():
                    limit = fans[name][hop] if hop < len(fans.get(name, ())) else 0
                    nodes, batch, base = frontier[name[2]]
                    allowed = None if times is None else _allowed(times, limits, name, adjacency, batch)
                    owner, slot = _draw(adjacency, nodes, limit, generator, replace=replace, allowed=allowed)
                    row = known[name[0]].add(adjacency.neighbour[slot], None if batch is None else batch[owner])
                    found[name].append((row, owner + base, adjacency.edges_at(slot)))
            for item in known.values():
                item.advance()
            return collected(known, found)
        finally:
            for item in known.values():
                item.clear()

    def _fans(self, fan_out: Sequence[int] | Mapping[Relation, Sequence[int]]) -> Mapping[Relation, Sequence[int]]:
        if not isinstance(fan_out, Mapping):
            return dict.fromkeys(self.relations, tuple(fan_out))
        unknown = [name for name in fan_out if name not in self.relations]
        if unknown:
            raise UsageError(
                "the graph has no such relation",
                subject="fan_out",
                expected=", ".join(map(str, self.relations)),
                found=", ".join(map(str, unknown)),
            )
        return fan_out

    def _start(
        self, known: Mapping[str, Known], seeds: Mapping[str, Array], seed_time: Mapping[str, Array] | None
    ) -> Array | None:
        """Make the seeds known; return the limit in time of every seed, numbered over all types."""
        n_seeds = 0
        limits = []
        for kind, nodes in seeds.items():
            if kind not in known:
                raise UsageError(
                    "the graph has no such nodes", subject="seeds", expected=", ".join(self.n_nodes), found=kind
                )
            nodes = np.asarray(nodes, dtype=np.int64)
            if len(nodes) and (nodes.min() < 0 or nodes.max() >= self.n_nodes[kind]):
                raise UsageError(
                    "a seed is no node of the graph",
                    subject="seeds",
                    expected=f"0 to {self.n_nodes[kind] - 1}",
                    found=f"{nodes.min()} to {nodes.max()}",
                )
            known[kind].add(nodes, np.arange(n_seeds, n_seeds + len(nodes)))
            if known[kind].n_known != len(nodes):
                raise UsageError("a seed is given twice", subject="seeds")
            n_seeds += len(nodes)
            if seed_time is not None:
                limits.append(np.asarray(seed_time[kind]))
        return np.concatenate(limits) if limits else None


def collected(
    known: Mapping[str, Known], found: Mapping[Relation, Sequence[tuple[Array, Array, Array]]]
) -> SampledGraph:
    """Put together what was found hop by hop."""
    nothing = np.zeros(0, dtype=np.int64)
    parts = {
        name: [np.concatenate([nothing, *(hop[at] for hop in hops)]) for at in range(3)] for name, hops in found.items()
    }
    batches = {kind: item.batch() for kind, item in known.items()}
    return SampledGraph(
        node={kind: item.node() for kind, item in known.items()},
        row={name: part[0] for name, part in parts.items()},
        col={name: part[1] for name, part in parts.items()},
        edge={name: part[2] for name, part in parts.items()},
        n_nodes={kind: tuple(item.sizes) for kind, item in known.items()},
        n_edges={name: tuple(len(hop[0]) for hop in hops) for name, hops in found.items()},
        batch={kind: batch for kind, batch in batches.items() if batch is not None} or None,
    )


Filter = Callable[[Array, Array], Array]
"""Of the owners and slots of candidates, which may be followed."""


def _allowed(
    times: Times, limits: Array | None, name: Relation, adjacency: Adjacency, batch: Array | None
) -> Filter | None:
    edge_time, node_time = times.edge.get(name), times.node.get(name[0])
    if (edge_time is None and node_time is None) or limits is None or batch is None:
        return None

    def allowed(owner: Array, slot: Array) -> Array:
        until = limits[batch[owner]]
        kept = np.ones(len(slot), dtype=bool)
        if edge_time is not None:
            kept &= edge_time[adjacency.edges_at(slot)] <= until
        if node_time is not None:
            kept &= node_time[adjacency.neighbour[slot]] <= until
        return kept

    return allowed


def _draw(
    adjacency: Adjacency,
    nodes: Array,
    limit: int,
    generator: np.random.Generator,
    *,
    replace: bool,
    allowed: Filter | None,
) -> tuple[Array, Array]:
    """Return drawn slots and the place in ``nodes`` of the node each belongs to, in the order of the nodes."""
    first, count = adjacency.span(nodes)
    if allowed is None:
        owner, item = choose(count, limit, generator, replace=replace)
        return owner, first[owner] + item
    owner, slot = edge_slots(first, count)
    kept = allowed(owner, slot)
    owner, slot = owner[kept], slot[kept]
    count = np.bincount(owner, minlength=len(nodes))
    chosen, item = choose(count, limit, generator, replace=replace)
    return chosen, slot[(np.cumsum(count) - count)[chosen] + item]
