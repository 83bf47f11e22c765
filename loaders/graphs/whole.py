"""Graphs as training code reads them: chosen edge types over chosen nodes, whole and in memory.

Plain NumPy. Every edge row of the chosen types is kept, parallel edges and loops included; a derived type (gap
junctions written in both directions, say) is a type of its own, so nothing is symmetrised here. Graphs of millions are
read in parts by :mod:`~connectome.loaders.graphs.stored`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from connectome.errors import NotFoundError, UsageError
from connectome.schema import decode, is_category

from ..reading.records import check_kind
from ..reading.specs import as_version, chosen_record, parse_record_spec

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

__all__ = ["EdgeIndex", "NodeFeatures", "as_features", "graph_of", "load_graph", "node_features"]

Array = np.ndarray[Any, Any]
FINAL: Literal["final"] = "final"
"""Types from which no other type of the record was made: of gap junctions as a source lists them and gap junctions in
both directions, only the latter, so that no junction counts twice."""
EdgeTypes = Sequence[str] | Literal["final"] | None


@dataclass(frozen=True)
class EdgeIndex:
    """Edges of some types over a list of nodes."""

    record: str
    nodes: tuple[str, ...]
    """Node ids, as text."""
    edge_index: Array
    """Shape (2, edge), int64: positions of source and target in ``nodes``."""
    weight: Array | None
    """Shape (edge,), float64, as stored; None where the graph has no such column."""
    edge_type: Array
    """Shape (edge,), int64: position in ``edge_types``."""
    edge_types: tuple[str, ...]
    about: Mapping[str, Mapping[str, Any]]
    """What the record says of every type: direction, unit and meaning of the weight, lineage."""
    table: Mapping[str, xr.Variable] = field(repr=False)
    """The node table: variables whose first dimension is ``node``."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    def position(self) -> Array | None:
        """Return positions, shape (node, 3), float64 with NaN where none is given; None without such columns."""
        if all(axis in self.table for axis in "xyz"):
            return np.stack([np.asarray(self.table[axis].values, dtype=np.float64) for axis in "xyz"], axis=1)
        return np.asarray(self.table["position"].values, dtype=np.float64) if "position" in self.table else None

    def column(self, name: str) -> Array:
        """Return a column of the node table, categories as text.

        Raises
        ------
        NotFoundError
            When there is no such column.
        """
        return decode(self.variable(name))

    def variable(self, name: str) -> xr.Variable:
        """Return a column of the node table as it is stored; raise as :meth:`column` does."""
        if name not in self.table:
            raise NotFoundError(
                "the nodes have no such column", subject=self.record, place=name, expected=", ".join(sorted(self.table))
            )
        return self.table[name]

    def select(self, nodes: Iterable[str]) -> EdgeIndex:
        """Return the graph among some nodes, in the order in which they are given.

        Raises
        ------
        NotFoundError
            When the graph has no such node.
        """
        position = {name: at for at, name in enumerate(self.nodes)}
        wanted = list(dict.fromkeys(nodes))
        absent = [name for name in wanted if name not in position]
        if absent:
            raise NotFoundError("the graph has no such nodes", subject=self.record, found=", ".join(absent[:10]))
        chosen = np.array([position[name] for name in wanted], dtype=np.int64)
        place = np.full(self.n_nodes, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        ends = place[self.edge_index]
        kept = (ends >= 0).all(axis=0)
        return EdgeIndex(
            record=self.record,
            nodes=tuple(wanted),
            edge_index=ends[:, kept],
            weight=None if self.weight is None else self.weight[kept],
            edge_type=self.edge_type[kept],
            edge_types=self.edge_types,
            about=self.about,
            table={name: variable[chosen] for name, variable in self.table.items()},
        )

    def frame(self) -> pd.DataFrame:
        """Return the edges as a table: ``source``, ``target``, ``edge_type``, ``weight``."""
        names, types = np.array(self.nodes, dtype=object), np.array(self.edge_types, dtype=object)
        columns = {"source": names[self.edge_index[0]], "target": names[self.edge_index[1]]}
        frame = pd.DataFrame({**columns, "edge_type": types[self.edge_type]})
        return frame if self.weight is None else frame.assign(weight=self.weight)


def load_graph(
    data: str | Version | EdgeIndex,
    *,
    record: str | None = None,
    group: str | None = None,
    edge_types: EdgeTypes = FINAL,
    node_kinds: Sequence[str] | None = None,
    weight: str | None = None,
    root: str | Path | None = None,
) -> EdgeIndex:
    """Read a graph of a record.

    Parameters
    ----------
    data : str, Version or EdgeIndex
        ``"name@1.2.0/record"``, or a version and ``record``. A graph that is loaded already is given back.
    record : str, optional
        Where ``data`` does not name it; by default the version's only one.
    group : str, optional
        Path of the graph; default the record's one graph.
    edge_types : sequence of str, "final" or None
        Types to keep, in the order of their codes; ``"final"`` for those from which no other type was made, None for
        all that the record has.
    node_kinds : sequence of str, optional
        Kinds of nodes to keep (``"neuron"``); default all.
    weight : str, optional
        The column of the edge table that is the weight (``"consensus_synapses"``); default the column ``weight``, if
        there is one. With a column that is named, edges for which it is NaN are left out: of them it says nothing.
    root : path or URL, optional
        The store, for a text.

    Returns
    -------
    EdgeIndex

    Raises
    ------
    NotFoundError
        When the record, the group, an edge type, a kind of nodes or the column does not exist.
    UsageError
        When the column holds no numbers, or is asked of a graph that is loaded already.
    """
    if isinstance(data, EdgeIndex):
        if weight is not None:
            raise UsageError("the graph is loaded already", subject=data.record, place="weight", found=weight)
        return data
    if isinstance(data, str):
        data, named = parse_record_spec(data)
        record = named if record is None else record
    version = as_version(data, root=root)
    record = chosen_record(version, record)
    tree = version.open(record)
    if group is None:
        group = only_graph(version, record)
    if f"/{group.strip('/')}" not in tree.groups:
        raise NotFoundError(
            "the record has no such group", subject=record, place=group, expected=", ".join(tree.groups[1:])
        )
    dataset = cast("xr.DataTree", tree[group]).to_dataset(inherit=False)
    return _edge_index(dataset, record, edge_types, node_kinds, weight)


def graph_of(dataset: xr.Dataset, *, name: str = "graph", edge_types: EdgeTypes = FINAL) -> EdgeIndex:
    """Take a group of kind graph that is in no store.

    Parameters
    ----------
    dataset : xarray.Dataset
        What :func:`connectome.schema.graph` makes.
    name : str
        Stands in the place of the record's.
    edge_types
        As for :func:`load_graph`.

    Raises
    ------
    UsageError
        When it is no graph.
    """
    return _edge_index(dataset, name, edge_types, None, None)


def only_graph(version: Version, record: str) -> str:
    """Return the path of a record's one graph; raise :class:`~connectome.errors.UsageError` unless it has just one."""
    facts = version.manifest.records[record].facts if record in version.manifest.records else {}
    graphs = [path.strip("/") for path, told in facts.items() if told["kind"] == "graph"]
    if len(graphs) != 1:
        raise UsageError(
            "which graph is meant" if graphs else "the record has no graph",
            subject=f"{version.spec}/{record}",
            expected=", ".join(graphs) or None,
            hint="group=NAME" if graphs else None,
        )
    return graphs[0]


def _wanted(about: Mapping[str, Mapping[str, Any]], edge_types: EdgeTypes) -> tuple[str, ...]:
    if edge_types is None:
        return tuple(about)
    if isinstance(edge_types, str):
        if edge_types != FINAL:
            raise UsageError(
                "not a choice of edge types",
                subject="edge_types",
                expected=f"a list, {FINAL!r} or None",
                found=edge_types,
            )
        listed = {told.get("derived_from") for told in about.values()}
        return tuple(sorted(name for name in about if name not in listed))
    return tuple(edge_types)


def _weights(dataset: xr.Dataset, record: str, name: str) -> Array:
    columns = [str(each) for each, variable in dataset.variables.items() if variable.dims == ("edge",)]
    if name not in columns:
        raise NotFoundError("the edges have no such column", subject=record, place=name, expected=", ".join(columns))
    if dataset[name].dtype.kind not in "biuf" or is_category(dataset[name].variable):
        found = "a category" if is_category(dataset[name].variable) else str(dataset[name].dtype)
        raise UsageError("a weight is a number", subject=record, place=name, found=found)
    return np.asarray(dataset[name].values, dtype=np.float64)


def _edge_index(
    dataset: xr.Dataset,
    record: str,
    edge_types: EdgeTypes,
    node_kinds: Sequence[str] | None,
    weight: str | None,
) -> EdgeIndex:
    check_kind(dataset.attrs, "graph", record=record)
    about: Mapping[str, Mapping[str, Any]] = dataset.attrs["edge_types"]
    wanted = _wanted(about, edge_types)
    unknown = [name for name in wanted if name not in about]
    if unknown:
        raise NotFoundError(
            "the graph has no such edge type", subject=record, found=", ".join(unknown), expected=", ".join(about)
        )
    stored_type = dataset["edge_type"]
    labels: dict[str, int] = dict(zip(stored_type.attrs["flag_labels"], stored_type.attrs["flag_values"], strict=True))
    codes = np.full(max(labels.values(), default=0) + 2, -1, dtype=np.int64)
    for at, name in enumerate(wanted):
        codes[labels[name]] = at
    types = codes[stored_type.values.astype(np.int64)]
    has_weight = weight is not None or "weight" in dataset
    weights = _weights(dataset, record, weight or "weight") if has_weight else None
    kept = np.flatnonzero((types >= 0) & (True if weight is None or weights is None else ~np.isnan(weights)))
    graph = EdgeIndex(
        record=record,
        nodes=tuple(str(name) for name in np.asarray(dataset["node"].values).tolist()),
        edge_index=np.stack([dataset[end].values[kept].astype(np.int64) for end in ("source", "target")]),
        weight=None if weights is None else weights[kept],
        edge_type=types[kept],
        edge_types=wanted,
        about={name: about[name] for name in wanted},
        table={
            str(name): variable.load()
            for name, variable in dataset.variables.items()
            if variable.dims[:1] == ("node",) and name != "node"
        },
    )
    if node_kinds is None:
        return graph
    kinds = graph.column("node_kind")
    missing = set(node_kinds) - set(kinds.tolist())
    if missing:
        raise NotFoundError(
            "no node is of that kind",
            subject=record,
            found=", ".join(sorted(missing)),
            expected=", ".join(sorted(set(kinds.tolist()) - {""})),
        )
    return graph.select(name for name, kind in zip(graph.nodes, kinds, strict=True) if kind in set(node_kinds))


@dataclass(frozen=True)
class NodeFeatures:
    """Columns of the node table as numbers."""

    values: Array
    """Shape (node, feature), float32; 0 where ``mask`` is False."""
    mask: Array
    """Shape (node, feature), bool: False where the source gives nothing."""
    names: tuple[str, ...]
    """``column`` for numbers, ``column[axis]`` for positions, ``column=label`` for each label of a category."""


def node_features(graph: EdgeIndex, columns: Sequence[str]) -> NodeFeatures:
    """Turn columns of the node table into features: numbers as they are, categories one column per label.

    Raises
    ------
    NotFoundError
        When there is no such column.
    UsageError
        When a column is text.
    """
    return as_features(graph.n_nodes, {name: graph.variable(name) for name in columns}, subject=graph.record)


def as_features(n_rows: int, columns: Mapping[str, xr.Variable], *, subject: str) -> NodeFeatures:
    """Turn columns into features: numbers as they are, positions one column per axis, categories one per label.

    Raises
    ------
    UsageError
        When a column is text.
    """
    parts: list[tuple[str, Array, Array | bool]] = []
    for name, variable in columns.items():
        stored = np.asarray(variable.values)
        if is_category(variable):
            codes, labels = variable.attrs["flag_values"], variable.attrs["flag_labels"]
            known = np.isin(stored, codes)
            parts += [(f"{name}={label}", stored == code, known) for code, label in zip(codes, labels, strict=True)]
        elif variable.dtype.kind in "biuf" and variable.ndim in {1, 2}:
            axes = variable.attrs.get("axes", range(stored.shape[-1])) if variable.ndim == 2 else [None]
            for axis, number in zip(axes, stored.T if variable.ndim == 2 else [stored], strict=True):
                given = ~np.isnan(number) if variable.dtype.kind == "f" else True
                parts.append((name if axis is None else f"{name}[{axis}]", number, given))
        else:
            raise UsageError(
                "only numbers and categories become features",
                subject=subject,
                place=name,
                found=str(variable.dtype),
                hint="use graph.column(NAME) and encode the text yourself",
            )
    values = np.zeros((n_rows, len(parts)), dtype=np.float32)
    mask = np.empty((n_rows, len(parts)), dtype=bool)
    for at, (_, number, given) in enumerate(parts):
        mask[:, at] = given
        np.copyto(values[:, at], number, where=given, casting="same_kind")
    return NodeFeatures(values=values, mask=mask, names=tuple(name for name, _, _ in parts))
