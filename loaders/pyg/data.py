"""Graphs and parts of graphs as objects of PyTorch Geometric, whole and in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import UsageError

from ..graphs.whole import FINAL, EdgeIndex, EdgeTypes, load_graph, node_features
from .requirement import Data, HeteroData, torch

if TYPE_CHECKING:
    from connectome.store import Version

    from ..graphs.queries import Subgraph

__all__ = ["edge_attributes", "subgraph_to_data", "to_data", "to_hetero"]

CELL = "cell"
"""Node type of a heterogeneous graph whose nodes are not told apart."""
NO_KIND = "unspecified"


def to_data(
    data: str | Version | EdgeIndex,
    *,
    record: str | None = None,
    group: str | None = None,
    edge_types: EdgeTypes = FINAL,
    node_kinds: Sequence[str] | None = None,
    features: Sequence[str] = (),
    target: str | None = None,
    weight: str | None = None,
    root: str | Path | None = None,
) -> Data:
    """Make one graph of a record.

    Every row of the edge table is one column of ``edge_index``, from its source to its target: an undirected edge is
    listed once, and ``torch_geometric.transforms.ToUndirected`` lists it both ways. The stores and samplers of this
    package walk undirected types both ways by themselves.

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
    for name, value in {**attributes, **edge_attributes(graph)}.items():
        made[name] = value
    made.names = {**names, "edge_type": list(graph.edge_types)}
    made.record = graph.record
    return made


def to_hetero(
    data: str | Version | EdgeIndex,
    *,
    record: str | None = None,
    group: str | None = None,
    edge_types: EdgeTypes = FINAL,
    node_types: Literal["cell", "node_kind"] = "cell",
    node_kinds: Sequence[str] | None = None,
    features: Sequence[str] = (),
    target: str | None = None,
    weight: str | None = None,
    root: str | Path | None = None,
) -> HeteroData:
    """Make one graph with a relation per edge type; edges are listed as by :func:`to_data`.

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


def edge_attributes(graph: EdgeIndex) -> dict[str, Any]:
    """Return tensors per edge."""
    made: dict[str, Any] = {
        "edge_index": torch.from_numpy(np.ascontiguousarray(graph.edge_index)),
        "edge_type": torch.from_numpy(np.ascontiguousarray(graph.edge_type)),
    }
    if graph.weight is not None:
        made["edge_weight"] = torch.from_numpy(graph.weight.astype(np.float32))
    return made


def subgraph_to_data(
    part: Subgraph,
    *,
    nodes: Mapping[str, str | Sequence[str]] | None = None,
    edges: Mapping[str, str | Sequence[str]] | None = None,
) -> Data:
    """Make a graph of a part of a stored graph.

    Parameters
    ----------
    part : Subgraph
        What ``graph.within``, ``graph.ego`` or ``graph.subgraph`` gave.
    nodes, edges : mapping of str to column or columns, optional
        Attributes of nodes and edges, as for :class:`~connectome.loaders.pyg.FeatureStore`.

    Returns
    -------
    torch_geometric.data.Data
        ``edge_index`` (2, edge) int64: every edge once for each direction in which its type is walked, see
        :meth:`~connectome.loaders.graphs.StoredGraph.direction_of`; ``n_id`` (node,) and ``e_id`` (edge,) int64,
        rows of the two tables; ``hop`` (node,) where it is known.
    """
    from .stores import column_tensors

    graph = part.graph
    both = np.isin(graph.edge_column("edge_type", part.edge), graph.codes_of("both"))
    back = np.flatnonzero(both & (part.edge_index[0] != part.edge_index[1]))
    edge = np.append(part.edge, part.edge[back])
    made = Data(num_nodes=len(part.node))
    made.edge_index = torch.from_numpy(np.concatenate([part.edge_index, part.edge_index[::-1, back]], axis=1))
    made.n_id, made.e_id = torch.from_numpy(part.node), torch.from_numpy(edge)
    if part.hop is not None:
        made.hop = torch.from_numpy(part.hop)
    for dim, wanted, rows in (("node", nodes or {}, part.node), ("edge", edges or {}, edge)):
        for name, columns in wanted.items():
            for key, value in column_tensors(graph, dim, name, columns, rows).items():
                made[key] = value
    return made
