"""Samplers for PyTorch Geometric's ``NodeLoader`` and ``LinkLoader``, in NumPy: no compiled extra is needed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from connectome.errors import UsageError

from ..graphs.adjacency import Adjacency, Array, Direction, adjacency_of, check_direction
from ..graphs.budgets import sample_by_budget
from ..graphs.neighbours import ANY, Neighbours, Relation, SampledGraph, Times
from ..torch.batches import SharedIntegers
from .requirement import data as pyg
from .requirement import neighbor_sampler, torch
from .requirement import sampler as pyg_sampler
from .stores import GraphStore, as_tensor

__all__ = ["HGTSampler", "NeighborSampler"]


class _Graph:
    """What a sampler needs of a graph: relations, numbers of nodes and times; a stored one is opened when used."""

    def __init__(self, data: Any, direction: Direction | None, time_attr: str | None) -> None:
        if direction is not None:
            check_direction(direction)
        self.direction, self.time_attr = direction, time_attr
        self.stores: tuple[Any, Any] | None = None
        self._neighbours: Neighbours | None = None
        self._times: Times | None = None
        if isinstance(data, pyg.Data):
            self.hetero = False
            relations = {ANY: self._listed(data.edge_index, int(data.num_nodes))}
            self._neighbours = Neighbours(relations, {"": int(data.num_nodes)})
            self._times = self._times_of({"": data}, {ANY: data}, data) if time_attr is not None else None
        elif isinstance(data, pyg.HeteroData):
            self.hetero = True
            sizes = {kind: int(data[kind].num_nodes) for kind in data.node_types}
            relations = {
                name: self._listed(data[name].edge_index, (sizes[name[0]], sizes[name[2]])) for name in data.edge_types
            }
            self._neighbours = Neighbours(relations, sizes)
            if time_attr is not None:
                nodes = {kind: data[kind] for kind in data.node_types}
                self._times = self._times_of(nodes, {name: data[name] for name in data.edge_types}, None)
        elif isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[1], pyg.GraphStore):
            self.stores = (data[0], data[1])
            self.hetero = any(attr.edge_type is not None for attr in data[1].get_all_edge_attrs())
            if isinstance(data[1], GraphStore) and direction is not None:
                raise UsageError("a store has its direction already", subject="direction", hint="give it to GraphStore")
            if isinstance(data[1], GraphStore) and time_attr is not None:
                self._check_column(data[1], time_attr)
        else:
            raise UsageError(
                "not a graph that can be sampled",
                subject="data",
                expected="Data, HeteroData, or a feature store and a graph store",
                found=type(data).__name__,
            )

    def __getstate__(self) -> dict[str, Any]:
        # The arrays of a store are those of a process.
        return self.__dict__ if self.stores is None else {**self.__dict__, "_neighbours": None, "_times": None}

    def _listed(self, edge_index: torch.Tensor, n_nodes: int | tuple[int, int]) -> Adjacency:
        source, target = edge_index.cpu().numpy()
        if isinstance(n_nodes, tuple) and self.direction in {"out", "both"}:
            raise UsageError(
                "relations lead one way",
                subject="direction",
                found=str(self.direction),
                hint="add the reverse relations (torch_geometric.transforms.ToUndirected)",
            )
        return adjacency_of(source, target, n_nodes, self.direction or "in")

    def _times_of(self, nodes: Mapping[str, Any], edges: Mapping[Relation, Any], whole: Any) -> Times:
        name = str(self.time_attr)
        of_nodes = {kind: store[name] for kind, store in nodes.items() if name in store}
        of_edges = {relation: store[name] for relation, store in edges.items() if name in store}
        if whole is not None and of_nodes:
            # One object holds the attributes of nodes and of edges.
            of_nodes, of_edges = ({}, of_edges) if whole.is_edge_attr(name) else (of_nodes, {})
        if bool(of_nodes) is bool(of_edges):
            raise UsageError(
                "times belong to the nodes or to the edges", subject="time_attr", place=name, expected="one of the two"
            )
        return Times(
            edge={relation: value.cpu().numpy() for relation, value in of_edges.items()},
            node={kind: value.cpu().numpy() for kind, value in of_nodes.items()},
        )

    def _check_column(self, store: GraphStore, name: str) -> None:
        graph = store.graph
        graph.check_column("node" if name in graph.node_columns else "edge", name)

    @property
    def neighbours(self) -> Neighbours:
        """Neighbours over every relation; a store's are found when they are first asked for in a process."""
        if self._neighbours is None:
            assert self.stores is not None
            store = self.stores[1]
            if isinstance(store, GraphStore):
                relations = {name or ANY: store.adjacency(name) for name in store.relations}
                sizes = {kind: store.graph.n_nodes for name in relations for kind in (name[0], name[2])}
            else:
                relations, sizes = _foreign(store)
            self._neighbours = Neighbours(relations, sizes)
        return self._neighbours

    @property
    def times(self) -> Times | None:
        """Times of nodes or edges, where sampling is limited by them."""
        if self._times is None and self.time_attr is not None and self.stores is not None:
            store = self.stores[1]
            if not isinstance(store, GraphStore):
                raise UsageError("times are read from our own stores only", subject="time_attr")
            values = store.graph.array(self.time_attr)
            if self.time_attr in store.graph.node_columns:
                self._times = Times(edge={}, node=dict.fromkeys(self.neighbours.n_nodes, values))
            else:
                self._times = Times(edge=dict.fromkeys(self.neighbours.relations, values), node={})
        return self._times


def _foreign(store: pyg.GraphStore) -> tuple[dict[Relation, Adjacency], dict[str, int]]:
    """Return the relations of another graph store, in compressed sparse columns."""
    sizes: dict[str, int] = {}
    for attr in store.get_all_edge_attrs():
        if attr.size is None:
            raise UsageError("the store does not say how many nodes there are", subject=str(attr.edge_type))
        name = attr.edge_type or ANY
        sizes |= {name[0]: int(attr.size[0]), name[2]: int(attr.size[1])}
    row, pointer, edge = store.csc()
    if not isinstance(row, dict):
        row, pointer, edge = {ANY: row}, {ANY: pointer}, {ANY: edge}
    relations = {
        name: Adjacency(
            pointer[name].numpy(), row[name].numpy(), None if edge.get(name) is None else edge[name].numpy()
        )
        for name in row
    }
    return relations, sizes


class _Sampler(pyg_sampler.BaseSampler):  # type: ignore[misc]
    """What the samplers share: randomness that depends on the batch, and PyG's own handling of links."""

    def __init__(
        self, data: Any, *, direction: Direction | None, time_attr: str | None, disjoint: bool, seed: int
    ) -> None:
        self.graph = _Graph(data, direction, time_attr)
        self.disjoint = disjoint or time_attr is not None
        self.seed, self._epoch = seed, SharedIntegers(1)

    @property
    def epoch(self) -> int:
        """The epoch whose draws are given."""
        return self._epoch.get(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; equal batches of different epochs draw differently. Workers that live on see it too."""
        self._epoch.set(epoch)

    def sample_from_nodes(self, index: Any, **options: Any) -> Any:
        """Sample around the nodes of a batch."""
        if options:
            raise UsageError("no such options", subject=", ".join(options))
        self._check_time(index.time)
        return neighbor_sampler.node_sample(index, self._sample)

    def sample_from_edges(self, index: Any, neg_sampling: Any = None) -> Any:
        """Sample around both ends of the links of a batch, and of negative links as PyG draws them.

        Negatives are pairs, or targets, at random, by chance also those of an edge, as with PyG's own sampler. For an
        evaluation take stored ones.
        """
        self._check_time(index.time)
        times = self.graph.times
        n_nodes: Any = self.graph.neighbours.n_nodes
        node_time: Any = None
        if times is not None and times.node:
            node_time = {kind: as_tensor(value) for kind, value in times.node.items()}
        if not self.graph.hetero:
            n_nodes = next(iter(n_nodes.values()))
            node_time = None if node_time is None else next(iter(node_time.values()))
        # PyG draws negatives from the global generator; it is lent a state of ours.
        before = torch.get_rng_state()
        try:
            entropy = self._generator([index.row, index.col]).integers(2**63 - 1)
            torch.default_generator.manual_seed(int(entropy))
            return neighbor_sampler.edge_sample(index, self._sample, n_nodes, self.disjoint, node_time, neg_sampling)
        finally:
            torch.set_rng_state(before)

    def _check_time(self, time: torch.Tensor | None) -> None:
        if time is not None and self.graph.time_attr is None:
            raise UsageError("seeds have times but the graph has none", subject="time_attr", expected="a name")

    def _generator(self, seeds: Sequence[torch.Tensor]) -> np.random.Generator:
        # A checksum of the seeds, not Python's hash: the same in every process.
        checksum = 0
        for part in seeds:
            checksum = zlib.crc32(part.cpu().numpy().astype("<i8").tobytes(), checksum)
        return np.random.default_rng([self.seed, self.epoch, checksum])

    def _sample(self, seeds: Any, seed_time: Any = None, **options: Any) -> Any:
        del options
        by_type: dict[str, Any] = (
            dict(seeds) if isinstance(seeds, Mapping) else {next(iter(self.graph.neighbours.n_nodes)): seeds}
        )
        nodes = {kind: part.numpy() for kind, part in by_type.items()}
        until = None
        if self.graph.times is not None:
            given = seed_time if isinstance(seed_time, Mapping) else dict.fromkeys(by_type, seed_time)
            until = {kind: self._limit(kind, part, given.get(kind)) for kind, part in nodes.items()}
        found = self._draw(nodes, until, self._generator(list(by_type.values())))
        return self._output(found)

    def _limit(self, kind: str, nodes: Array, given: torch.Tensor | None) -> Array:
        if given is not None:
            return np.asarray(given.numpy())
        times = self.graph.times
        assert times is not None
        if kind not in times.node:
            raise UsageError(
                "the seeds have no time", subject="input_time", expected="one per seed", hint="give the loader times"
            )
        return times.node[kind][nodes]

    def _draw(self, nodes: Mapping[str, Array], until: Mapping[str, Array] | None, generator: Any) -> SampledGraph:
        raise NotImplementedError

    def _output(self, found: SampledGraph) -> Any:
        def tensors(parts: Mapping[Any, Array] | None) -> dict[Any, torch.Tensor] | None:
            return None if parts is None else {name: torch.from_numpy(part) for name, part in parts.items()}

        # Messages come along an edge: from the row, which was drawn, to the column, for which it was.
        fields = {
            "node": tensors(found.node),
            "row": tensors(found.row),
            "col": tensors(found.col),
            "edge": tensors(found.edge),
            "batch": tensors(found.batch),
            "num_sampled_nodes": {kind: list(sizes) for kind, sizes in found.n_nodes.items()},
            "num_sampled_edges": {name: list(sizes) for name, sizes in found.n_edges.items()},
        }
        if self.graph.hetero:
            return pyg_sampler.HeteroSamplerOutput(**fields)
        return pyg_sampler.SamplerOutput(
            **{name: None if parts is None else next(iter(parts.values())) for name, parts in fields.items()}
        )


class NeighborSampler(_Sampler):
    """Samples neighbours hop by hop, for PyG's ``NodeLoader`` and ``LinkLoader``.

    What is drawn depends on the seed, the epoch and the batch's own seeds only, so it is the same with any number of
    workers.

    Parameters
    ----------
    data : Data, HeteroData or (FeatureStore, GraphStore)
        A graph; messages lead from source to target.
    num_neighbors : sequence of int, or mapping of relation to sequence of int
        Edges per node and hop, -1 for all; relations that a mapping does not name are not followed.
    replace : bool
        Whether an edge may be drawn again for the same node.
    direction : {"in", "out", "both"}, optional
        Along which edges of a ``Data`` neighbours are sampled; default the incoming ones. A stored graph has its own.
    disjoint : bool
        Whether the surroundings of every seed are kept apart; ``batch`` then says whose a node is.
    time_attr : str, optional
        An attribute of nodes or edges, or a column of a stored graph's tables. Neighbours later than their seed are
        not followed, nor over later edges; samples are disjoint. The times of the seeds are those of the loader
        (``input_time``, ``edge_label_time``), else their own as nodes.
    seed : int
        From 0 up.

    Examples
    --------
    >>> graph = open_graph("my-vessels@1/brain")  # doctest: +SKIP
    >>> stores = FeatureStore(graph, {"pos": "position"}), GraphStore(graph)  # doctest: +SKIP
    >>> seeds = torch.arange(graph.n_nodes)  # doctest: +SKIP
    >>> loader = NodeLoader(stores, NeighborSampler(stores, [10, 5]), seeds, batch_size=1024)  # doctest: +SKIP
    """

    def __init__(
        self,
        data: Any,
        num_neighbors: Sequence[int] | Mapping[Relation, Sequence[int]],
        *,
        replace: bool = False,
        direction: Direction | None = None,
        disjoint: bool = False,
        time_attr: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(data, direction=direction, time_attr=time_attr, disjoint=disjoint, seed=seed)
        self.num_neighbors = dict(num_neighbors) if isinstance(num_neighbors, Mapping) else tuple(num_neighbors)
        self.replace = replace

    def _draw(self, nodes: Mapping[str, Array], until: Mapping[str, Array] | None, generator: Any) -> SampledGraph:
        return self.graph.neighbours.sample(
            nodes,
            self.num_neighbors,
            generator,
            replace=self.replace,
            disjoint=self.disjoint,
            times=self.graph.times,
            seed_time=until,
        )


class HGTSampler(_Sampler):
    """Samples so many nodes of every type per hop, those with many ties to the sample first.

    Parameters
    ----------
    data : HeteroData or (FeatureStore, GraphStore)
        A graph.
    num_samples : sequence of int, or mapping of node type to sequence of int
        Nodes per type and hop.
    seed : int
        From 0 up.

    See Also
    --------
    connectome.loaders.graphs.budgets.sample_by_budget : what is drawn, and from which paper.
    """

    def __init__(self, data: Any, num_samples: Sequence[int] | Mapping[str, Sequence[int]], *, seed: int = 0) -> None:
        super().__init__(data, direction=None, time_attr=None, disjoint=False, seed=seed)
        self.num_samples = dict(num_samples) if isinstance(num_samples, Mapping) else tuple(num_samples)

    def _draw(self, nodes: Mapping[str, Array], until: Mapping[str, Array] | None, generator: Any) -> SampledGraph:
        del until
        neighbours = self.graph.neighbours
        budget = self.num_samples
        if not isinstance(budget, dict):
            budget = dict.fromkeys(neighbours.n_nodes, budget)
        return sample_by_budget(neighbours, nodes, budget, generator)
