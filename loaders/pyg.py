"""Connectomes for PyTorch Geometric: whole graphs, sampled neighbourhoods, and recordings on a connectome.

PyG's own ``NeighborLoader`` needs compiled extras; :class:`NeighborSampler` does its work in NumPy, through PyG's
``NodeLoader`` and ``LinkLoader``.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import MissingExtraError, UsageError

from .alignment import Policy, join_report
from .graphs import DEFAULT_EDGE_TYPES, EdgeIndex, Neighbours, load_graph, node_features
from .specs import as_version
from .transforms import BindableTransform, Transform, bind
from .windows import WindowSource

try:
    import torch
    from torch.utils.data import Dataset

    with warnings.catch_warnings():
        # torch_geometric 2.8 calls torch.jit.script as it is imported, which torch 2.13 says is deprecated.
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        from torch_geometric.data import Data, HeteroData
        from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "these loaders need PyTorch Geometric", subject="connectome.loaders.pyg", hint='pip install "connectome[pyg]"'
    ) from error

if TYPE_CHECKING:
    import pandas as pd

    from connectome.splits import Split
    from connectome.store import Version

__all__ = ["NeighborSampler", "TemporalGraphDataset", "to_data", "to_hetero"]

CELL = "cell"
"""Node type of a heterogeneous graph whose nodes are not told apart."""
NO_KIND = "unspecified"


def to_data(
    data: str | Version | EdgeIndex,
    *,
    record: str | None = None,
    group: str = "connectome",
    edge_types: Sequence[str] | None = DEFAULT_EDGE_TYPES,
    node_kinds: Sequence[str] | None = None,
    features: Sequence[str] = (),
    target: str | None = None,
    weight: str | None = None,
    root: str | Path | None = None,
) -> Data:
    """Make one graph of a record's connectome.

    Parameters
    ----------
    data, record, group, edge_types, node_kinds, weight, root
        As for :func:`~connectome.loaders.graphs.load_graph`.
    features : sequence of str
        Columns of the node table for ``x``: numbers as they are, categories one column per label.
    target : str, optional
        A category of the node table for ``y``.

    Returns
    -------
    torch_geometric.data.Data
        ``edge_index`` (2, edge) int64; ``edge_weight`` (edge,) float32, where there are weights; ``edge_type`` (edge,)
        int64; with positions ``pos`` (node, 3) float32 and ``pos_mask`` (node,); with ``features`` ``x`` (node,
        feature) float32 and ``x_mask``; with ``target`` ``y`` (node,) int64, -1 where missing. ``names`` is a dict of
        lists of str: what ``node``, ``edge_type``, columns of ``x`` and codes of ``y`` are called.
    """
    graph = load_graph(
        data, record=record, group=group, edge_types=edge_types, node_kinds=node_kinds, weight=weight, root=root
    )
    made = Data(num_nodes=graph.n_nodes)
    attributes, names = _node_attributes(graph, features, target)
    for name, value in {**attributes, **_edge_attributes(graph)}.items():
        made[name] = value
    made.names = {**names, "edge_type": list(graph.edge_types)}
    made.record = graph.record
    return made


def to_hetero(
    data: str | Version | EdgeIndex,
    *,
    record: str | None = None,
    group: str = "connectome",
    edge_types: Sequence[str] | None = DEFAULT_EDGE_TYPES,
    node_types: Literal["cell", "node_kind"] = "cell",
    node_kinds: Sequence[str] | None = None,
    features: Sequence[str] = (),
    target: str | None = None,
    weight: str | None = None,
    root: str | Path | None = None,
) -> HeteroData:
    """Make one graph with a relation per edge type.

    Parameters
    ----------
    node_types : {"cell", "node_kind"}
        Whether all nodes are of one type, ``cell``, or of the type that the column ``node_kind`` says
        (``unspecified`` where it says nothing).
    data, record, group, edge_types, node_kinds, features, target, weight, root
        As for :func:`to_data`.

    Returns
    -------
    torch_geometric.data.HeteroData
        Relations ``(cell, chemical, cell)``; every node type has ``num_nodes``, ``names`` and what :func:`to_data`
        gives per node, every relation ``edge_index`` and ``edge_weight``. Relations between kinds without an edge are
        left out; with one node type every edge type is there, if only with no edge.
    """
    graph = load_graph(
        data, record=record, group=group, edge_types=edge_types, node_kinds=node_kinds, weight=weight, root=root
    )
    if node_types == "cell":
        kinds = np.full(graph.n_nodes, CELL, dtype=object)
    elif node_types == "node_kind":
        kinds = np.where(graph.column("node_kind") == "", NO_KIND, graph.column("node_kind"))
    else:
        raise UsageError("unknown node types", subject="node_types", expected="cell or node_kind", found=node_types)
    made = HeteroData()
    place = np.zeros(graph.n_nodes, dtype=np.int64)
    for kind in dict.fromkeys(kinds.tolist()):
        members = np.flatnonzero(kinds == kind)
        place[members] = np.arange(len(members))
        part = graph.select(graph.nodes[at] for at in members.tolist())
        made[kind].num_nodes = part.n_nodes
        attributes, names = _node_attributes(part, features, target)
        for name, value in {**attributes, "names": names}.items():
            made[kind][name] = value
    source, end = graph.edge_index
    for code, edge_type in enumerate(graph.edge_types):
        of_type = graph.edge_type == code
        pairs = {(str(a), str(b)) for a, b in zip(kinds[source[of_type]], kinds[end[of_type]], strict=True)}
        for left, right in sorted(pairs) or ([(CELL, CELL)] if node_types == "cell" else []):
            chosen = of_type & (kinds[source] == left) & (kinds[end] == right)
            relation = made[left, edge_type, right]
            relation.edge_index = torch.from_numpy(np.stack([place[source[chosen]], place[end[chosen]]]))
            if graph.weight is not None:
                relation.edge_weight = torch.from_numpy(graph.weight[chosen].astype(np.float32))
    return made


def _node_attributes(
    graph: EdgeIndex, features: Sequence[str], target: str | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return tensors per node, and names: in a dict, because PyG takes a list as long as the nodes for a tensor."""
    made: dict[str, Any] = {}
    names = {"node": list(graph.nodes)}
    position = graph.position()
    if position is not None:
        made["pos"] = torch.from_numpy(position.astype(np.float32))
        made["pos_mask"] = torch.from_numpy(~np.isnan(position).any(axis=1))
    if features:
        found = node_features(graph, features)
        made |= {"x": torch.from_numpy(found.values), "x_mask": torch.from_numpy(found.mask)}
        names["x"] = list(found.names)
    if target is not None:
        labels = list(graph.table[target].attrs.get("flag_labels", ())) if target in graph.table else []
        words = graph.column(target)
        if not labels:
            raise UsageError("a target is a category", subject=graph.record, place=target, found=str(words.dtype))
        codes = {label: code for code, label in enumerate(labels)}
        made["y"] = torch.tensor([codes.get(word, -1) for word in words.tolist()], dtype=torch.int64)
        names["y"] = labels
    return made, names


def _edge_attributes(graph: EdgeIndex) -> dict[str, Any]:
    made: dict[str, Any] = {
        "edge_index": torch.from_numpy(np.ascontiguousarray(graph.edge_index)),
        "edge_type": torch.from_numpy(np.ascontiguousarray(graph.edge_type)),
    }
    if graph.weight is not None:
        made["edge_weight"] = torch.from_numpy(graph.weight.astype(np.float32))
    return made


class NeighborSampler(BaseSampler):  # type: ignore[misc]
    """Samples incoming neighbours, for PyG's ``NodeLoader`` and ``LinkLoader``.

    What is drawn depends on the seed, the epoch and the batch's own seeds only, so it is the same with any number of
    workers.

    Parameters
    ----------
    data : Data
        A graph; edges lead from source to target, and messages along them.
    num_neighbors : sequence of int
        Edges per node and hop, drawn without replacement; -1 for all.
    seed : int
        From 0 up.

    Examples
    --------
    >>> graph = to_data("celegans-connectomes@1/witvliet2020-8")  # doctest: +SKIP
    >>> loader = NodeLoader(graph, node_sampler=NeighborSampler(graph, [10, 5]), batch_size=32)  # doctest: +SKIP
    """

    def __init__(self, data: Data, num_neighbors: Sequence[int], *, seed: int = 0) -> None:
        self.num_neighbors, self.seed, self.epoch = tuple(num_neighbors), seed, 0
        self._neighbours = Neighbours(data.edge_index.numpy(), int(data.num_nodes))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; equal batches of different epochs draw differently."""
        self.epoch = epoch

    def sample_from_nodes(self, index: NodeSamplerInput, **options: Any) -> SamplerOutput:
        """Sample around the nodes of a batch."""
        if index.time is not None or options:
            raise UsageError("sampling in time is not offered", subject="NeighborSampler")
        output = self._sample(index.node)
        output.metadata = (index.input_id, None)
        return output

    def sample_from_edges(self, index: EdgeSamplerInput, neg_sampling: Any = None) -> SamplerOutput:
        """Sample around both ends of the edges of a batch."""
        if neg_sampling is not None or index.time is not None:
            raise UsageError(
                "negative sampling and time are not offered", subject="NeighborSampler", hint="give edge_label yourself"
            )
        seeds, where = torch.cat([index.row, index.col]).unique(return_inverse=True)
        output = self._sample(seeds)
        output.metadata = (index.input_id, where.view(2, -1), index.label, None)
        return output

    def _sample(self, seeds: torch.Tensor) -> SamplerOutput:
        nodes = seeds.numpy()
        # A checksum of the seeds, not Python's hash: the same in every process.
        generator = np.random.default_rng([self.seed, self.epoch, zlib.crc32(nodes.astype("<i8").tobytes())])
        found = self._neighbours.sample(nodes, self.num_neighbors, generator)
        return SamplerOutput(
            node=torch.from_numpy(found.node),
            row=torch.from_numpy(found.row),
            col=torch.from_numpy(found.col),
            edge=torch.from_numpy(found.edge),
            num_sampled_nodes=list(found.n_nodes),
            num_sampled_edges=list(found.n_edges),
        )


class TemporalGraphDataset(Dataset[Data]):  # type: ignore[misc]
    """Windows of recorded activity on the nodes of a connectome, joined by the name of the neuron.

    Parameters
    ----------
    activity : str or Version
        Recordings with a table of identities.
    graph : str, Version or EdgeIndex
        ``"celegans-connectomes@1/witvliet2020-8"``, or what :func:`~connectome.loaders.graphs.load_graph` gave.
    nodes : {"present", "all"}
        Whether an item has the neurons that were recorded and identified in its animal, with the edges among them, or
        all nodes of the connectome, those without a trace masked.
    horizon : int
        Samples after the window that become ``y``; a window and its horizon lie in one range.
    edge_types, node_kinds, weight
        As for :func:`~connectome.loaders.graphs.load_graph`.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed.
    transform : transform or sequence of transforms, optional
        Applied to the windows, ``y`` included, before they become graphs.
    root : path or URL, optional
        The store of both, for texts.
    window, window_s, stride, stride_s, records, split, group, fill
        As for :class:`~connectome.loaders.windows.WindowSource`.

    Attributes
    ----------
    source : WindowSource
    graph : EdgeIndex

    Notes
    -----
    An item has ``x`` (node, time) and ``x_mask``, with a horizon ``y`` (node, horizon) and ``y_mask``, ``edge_index``,
    ``edge_weight``, ``edge_type``, ``node_id`` (node,) (position in ``graph.nodes``), ``names``, ``record``, ``start``
    and ``time_s`` (1, time). Neurons that are not joined are listed by :meth:`report`.
    """

    def __init__(
        self,
        activity: str | Version,
        *,
        graph: str | Version | EdgeIndex,
        window: int | None = None,
        window_s: float | None = None,
        horizon: int = 0,
        nodes: Literal["present", "all"] = "present",
        edge_types: Sequence[str] | None = DEFAULT_EDGE_TYPES,
        node_kinds: Sequence[str] | None = None,
        weight: str | None = None,
        policy: Policy = "exact+normalised",
        split: str | tuple[Split, str] | None = None,
        records: Sequence[str] | None = None,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        root: str | Path | None = None,
        **options: Any,
    ) -> None:
        if horizon < 0 or (horizon and window is None):
            raise UsageError(
                "a horizon counts samples after a window in samples", subject="horizon", found=str(horizon)
            )
        if nodes not in {"present", "all"}:
            raise UsageError("unknown choice of nodes", subject="nodes", expected="present or all", found=nodes)
        graph_root = root if isinstance(graph, str) else None
        self.graph = load_graph(graph, edge_types=edge_types, node_kinds=node_kinds, weight=weight, root=graph_root)
        version = as_version(activity, root=root if isinstance(activity, str) else None)
        if window is not None:
            # The horizon makes what is read longer, not the step.
            if "stride_s" not in options:
                options.setdefault("stride", window)
            window += horizon
        self.source = WindowSource(
            version,
            window=window,
            window_s=window_s,
            neurons=self.graph.nodes,
            policy=policy,
            split=split,
            records=records,
            **options,
        )
        self.horizon, self.nodes = horizon, nodes
        self._transforms = bind(transform, self.source)
        self._report = join_report(self.source.identities, self.graph.nodes, where=self.graph.record)
        self._parts = [self._part(present) for present in self.source.coverage().to_numpy()]

    def _part(self, present: np.ndarray[Any, Any]) -> tuple[EdgeIndex, np.ndarray[Any, Any]]:
        """Return the graph of one animal, and which nodes of the whole it has."""
        if self.nodes == "all":
            return self.graph, np.arange(self.graph.n_nodes)
        here = np.flatnonzero(present)
        return self.graph.select(self.graph.nodes[at] for at in here.tolist()), here

    def report(self) -> pd.DataFrame:
        """Tell of every ROI of every animal whether it is joined, and if not, why.

        Returns
        -------
        pandas.DataFrame
            ``record``, ``roi``, ``label``, ``status``, ``neuron``, ``matched``, ``reason``; also of animals without
            any joined neuron, which give no windows.
        """
        return self._report.copy()

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records that have windows."""
        return self.source.records

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Data:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Data]:
        """Return several windows, read at once."""
        windows = self.source.windows(np.asarray(indices, dtype=np.int64))
        for transform in self._transforms:
            windows = transform(windows)
        size = windows.signal.shape[2] - self.horizon
        items = []
        for at in range(len(windows)):
            record = int(windows.record[at])
            graph, here = self._parts[record]
            signal = torch.from_numpy(windows.signal[at][here])
            mask = torch.from_numpy(windows.mask[at][here])
            item = Data(x=signal[:, :size], x_mask=mask[:, :size], num_nodes=graph.n_nodes)
            if self.horizon:
                item.y, item.y_mask = signal[:, size:], mask[:, size:]
            for name, value in _edge_attributes(graph).items():
                item[name] = value
            item.node_id = torch.from_numpy(here)
            item.names = {"node": list(graph.nodes), "edge_type": list(graph.edge_types)}
            item.record = self.source.records[record]
            item.start = torch.tensor([int(windows.start[at])])
            item.time_s = torch.from_numpy(windows.time_s[at : at + 1, :size].copy())
            items.append(item)
        return items
