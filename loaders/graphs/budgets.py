"""Neighbours sampled by budget: so many nodes of every type per hop, those with many ties to the sample first.

The sampling of heterogeneous graphs of Z. Hu et al., "Heterogeneous Graph Transformer", WWW 2020, algorithms 1 and 2,
doi:10.1145/3366423.3380027 (arXiv:2003.01332): a node that is added gives each of its neighbours one over its degree;
nodes are drawn without replacement with probabilities in proportion to the square of what they got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import UsageError

from .adjacency import Array, edge_slots
from .neighbours import Neighbours, Relation, SampledGraph, collected

if TYPE_CHECKING:
    from .known_nodes import Known

__all__ = ["sample_by_budget"]


def sample_by_budget(
    neighbours: Neighbours,
    seeds: Mapping[str, Array],
    budget: Mapping[str, Sequence[int]],
    generator: np.random.Generator,
) -> SampledGraph:
    """Sample the surroundings of seeds, type by type.

    Parameters
    ----------
    neighbours : Neighbours
        The graph.
    seeds : mapping of str to numpy.ndarray
        Shape (seed,), integers without repeats.
    budget : mapping of str to sequence of int
        Nodes to add per type and hop, fewer where fewer have a tie to the sample.
    generator : numpy.random.Generator
        What is drawn from.

    Returns
    -------
    SampledGraph
        With every edge whose two ends were drawn, once; ``n_edges`` counts them as one hop.

    Raises
    ------
    UsageError
        When a seed is given twice, or the graph has no such type of nodes.
    """
    unknown = sorted((set(seeds) | set(budget)) - set(neighbours.n_nodes))
    if unknown:
        expected = ", ".join(neighbours.n_nodes)
        raise UsageError("the graph has no such nodes", subject="budget", expected=expected, found=", ".join(unknown))
    known = neighbours.known()
    try:
        for kind, nodes in seeds.items():
            known[kind].add(np.asarray(nodes, dtype=np.int64), None)
            if known[kind].n_known != len(nodes):
                raise UsageError("a seed is given twice", subject="seeds")
        ties: dict[str, list[tuple[Array, Array]]] = {kind: [] for kind in neighbours.n_nodes}
        for hop in range(max((len(sizes) for sizes in budget.values()), default=0)):
            added = {kind: item.advance()[0] for kind, item in known.items()}
            _give(neighbours, added, ties)
            for kind, sizes in budget.items():
                if hop < len(sizes):
                    known[kind].add(_drawn(known[kind], ties[kind], sizes[hop], generator), None)
        for item in known.values():
            item.advance()
        return collected(known, {name: [_among(neighbours, name, known)] for name in neighbours.relations})
    finally:
        for item in known.values():
            item.clear()


def _give(neighbours: Neighbours, added: Mapping[str, Array], ties: Mapping[str, list[tuple[Array, Array]]]) -> None:
    """Let new nodes give each neighbour one over their degree."""
    for name, adjacency in neighbours.relations.items():
        first, count = adjacency.span(added[name[2]])
        owner, slot = edge_slots(first, count)
        ties[name[0]].append((adjacency.neighbour[slot].astype(np.int64), 1.0 / count[owner]))


def _drawn(known: Known, ties: Sequence[tuple[Array, Array]], size: int, generator: np.random.Generator) -> Array:
    """Draw nodes that are not known yet, in proportion to the square of what they got."""
    node = np.concatenate([part for part, _ in ties])
    weight = np.concatenate([part for _, part in ties])
    fresh = known.positions(node) < 0
    node, at = np.unique(node[fresh], return_inverse=True)
    square = np.bincount(at, weights=weight[fresh], minlength=len(node)) ** 2
    # The items with the smallest exponential variates of rate w are a weighted sample without replacement:
    # P. Efraimidis and P. Spirakis, Information Processing Letters 97 (2006) 181, doi:10.1016/j.ipl.2005.11.003.
    key = generator.exponential(size=len(node)) / square
    return node if size >= len(node) else node[np.sort(np.argpartition(key, size)[:size])]


def _among(neighbours: Neighbours, name: Relation, known: Mapping[str, Known]) -> tuple[Array, Array, Array]:
    """Return every edge of a relation whose two ends are known."""
    adjacency = neighbours.relations[name]
    first, count = adjacency.span(known[name[2]].node())
    owner, slot = edge_slots(first, count)
    row = known[name[0]].positions(adjacency.neighbour[slot])
    kept = row >= 0
    return row[kept], owner[kept], adjacency.edges_at(slot[kept])
