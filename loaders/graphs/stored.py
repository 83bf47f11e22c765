"""Graphs of millions of nodes, read where they lie: opened in milliseconds, queried and sampled without loading.

End points, pointers and positions are memory-mapped from the record's file; columns of the tables are read by rows.
Compressed columns that are read again and again, and tables of neighbours that the record does not hold, are made
once and memory-mapped from a cache (:mod:`~connectome.loaders.graphs.mapped_cache`). Plain NumPy.

Nothing is shared between processes: an opened graph is a few names, and opens its file anew wherever it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.display.html import table_html, wrap
from connectome.errors import NotFoundError, UsageError

from ..reading.records import check_kind
from ..reading.specs import RecordFile, as_version, chosen_record, parse_record_spec, record_file
from .adjacency import Adjacency, Array, Direction, check_direction
from .mapped_cache import default_cache
from .queries import Subgraph, among, around, nodes_in_box
from .stored_adjacency import EdgeTable, build, is_mirrored
from .tables import ENDS, StoredTables
from .whole import only_graph

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

    from .whole import NodeFeatures

__all__ = ["StoredGraph", "Subgraph", "open_graph"]


def open_graph(
    data: str | Version,
    *,
    record: str | None = None,
    group: str | None = None,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    verify: bool = False,
) -> StoredGraph:
    """Open a graph of a record without reading it.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0/record"``, or a version and ``record``.
    record : str, optional
        Where ``data`` does not name it; by default the version's only one.
    group : str, optional
        Path of the graph; by default the record's only one.
    root : path or URL, optional
        The store, for a text.
    cache : path, optional
        Where arrays that the record does not hold ready are kept; default
        :func:`~connectome.loaders.graphs.mapped_cache.default_cache`.
    verify : bool
        Whether every mapped array is checked against its CRC-32 when a process first uses it, which reads all of it.
        Otherwise only its length is; ``connectome verify`` checks everything.

    Returns
    -------
    StoredGraph

    Raises
    ------
    NotFoundError
        When the version, the record or the group does not exist.
    UsageError
        When the record has several graphs and none is named, or the group is no graph.
    DamagedError
        When the record's file is missing or short.
    """
    if isinstance(data, str):
        data, named = parse_record_spec(data)
        record = named if record is None else record
    version = as_version(data, root=root)
    record = chosen_record(version, record)
    file = record_file(version, record)
    receipt = version.manifest.records[record]
    if group is None:
        group = only_graph(version, record)
    folder = str(cache) if cache is not None else default_cache()
    return StoredGraph(file, group=group.strip("/"), content=receipt.content, cache=folder, verify=verify)


class StoredGraph(StoredTables):
    """A graph in a record's file.

    Nodes and edges are named by their rows: from 0 to ``n_nodes - 1``, in the order of the store.

    Parameters
    ----------
    file, group, content, cache, verify
        As for :class:`~connectome.loaders.graphs.tables.StoredTables`; :func:`open_graph` finds them.

    Attributes
    ----------
    n_nodes, n_edges : int
    edge_types : tuple of str
    node_columns, edge_columns : tuple of str
        Names of the columns of the two tables.
    attrs : mapping
        Attributes of the group.
    """

    def __init__(self, file: RecordFile, *, group: str, content: str, cache: str, verify: bool = False) -> None:
        super().__init__(file, group=group, content=content, cache=cache, verify=verify)
        check_kind(self.attrs, "graph", record=file.record, group=group)
        self.n_nodes = self.reader.array(f"{group}/in_ptr").shape[0] - 1
        self.n_edges = self.reader.array(f"{group}/source").shape[0]
        labels = self.reader.attributes(f"{group}/edge_type")
        self._codes: dict[str, int] = dict(zip(labels["flag_labels"], labels["flag_values"], strict=True))
        self.edge_types: tuple[str, ...] = tuple(self._codes)

    def __repr__(self) -> str:
        types = ", ".join(self.edge_types)
        return f"<StoredGraph {self.record}/{self.group}: {self.n_nodes:,} nodes, {self.n_edges:,} edges ({types})>"

    def _repr_html_(self) -> str:
        described = self.attrs.get("edge_types", {})
        rows = [
            (name, "directed" if described[name]["directed"] else "undirected", described[name]["weight_meaning"])
            for name in self.edge_types
        ]
        columns = [(name, "node", self.about(name).get("units", "")) for name in self.node_columns]
        columns += [(name, "edge", self.about(name).get("units", "")) for name in self.edge_columns]
        return wrap(
            table_html(["graph", "nodes", "edges"], [(f"{self.record}/{self.group}", self.n_nodes, self.n_edges)]),
            table_html(["edge type", "direction", "weight"], rows),
            table_html(["column", "of", "unit"], columns),
        )

    def features(self, names: Sequence[str], rows: Array | None = None, *, dim: str = "node") -> NodeFeatures:
        """Return columns of the node or edge table as numbers.

        Parameters
        ----------
        names : sequence of str
            Numbers as they are, positions one column per axis, categories one per label.
        rows : numpy.ndarray, optional
            Shape (row,), integers; default all.
        dim : {"node", "edge"}
            Which table.

        Returns
        -------
        NodeFeatures
            Of the rows, in their order.
        """
        import xarray as xr

        from .whole import as_features

        n_rows = len(rows) if rows is not None else (self.n_nodes if dim == "node" else self.n_edges)
        columns: dict[str, xr.Variable] = {}
        for name in names:
            values = self.column(dim, name, rows)
            dims = ("row", "axis")[: values.ndim]
            columns[name] = xr.Variable(dims, values, attrs=dict(self.about(name)))
        return as_features(n_rows, columns, subject=self.record)

    @property
    def position(self) -> Array | None:
        """Positions, shape (node, axis), mapped; None where the graph has none in one column."""
        return self.array("position") if "position" in self.columns else None

    @property
    def n_axes(self) -> int:
        """Number of axes of the positions.

        Raises
        ------
        UsageError
            When the graph has no positions.
        """
        if "position" in self.columns:
            return self.reader.array(self._path("position")).shape[1]
        if {"x", "y", "z"} <= set(self.node_columns):
            return 3
        raise UsageError("the graph has no positions", subject=self.record, place=self.group)

    def positions(self, rows: Array) -> Array:
        """Return the positions of some nodes, shape (row, axis)."""
        position = self.position
        if position is not None:
            found: Array = position[rows]
            return found
        return np.stack([self.node_column(axis, rows) for axis in "xyz"], axis=1)

    def find(self, ids: Any) -> Array:
        """Return the nodes that have some ids.

        Parameters
        ----------
        ids : int, str or sequence
            As the source gives them.

        Returns
        -------
        numpy.ndarray
            Shape (id,), int64.

        Raises
        ------
        NotFoundError
            When an id is that of no node.
        """
        import pandas as pd

        def index() -> pd.Index[Any]:
            names = self.column("node", "node", None)
            return pd.Index(names.astype(object) if names.dtype.kind == "T" else names)

        wanted = np.atleast_1d(np.asarray(ids))
        if wanted.dtype.kind in "UT":
            wanted = wanted.astype(object)
        found = self.once("index", index).get_indexer(pd.Index(wanted)).astype(np.int64)
        absent = wanted[found < 0]
        if len(absent):
            raise NotFoundError(
                "the graph has no such nodes", subject=self.record, found=", ".join(map(str, absent[:10].tolist()))
            )
        return found

    # -- neighbours --------------------------------------------------------------------------------------------------

    @property
    def edge_table(self) -> EdgeTable:
        """The arrays that say which edges there are."""
        ends = {name: self.array(name) for name in ENDS}
        return EdgeTable(**ends, edge_type=lambda: self.array("edge_type"))

    def direction_of(self, edge_type: str) -> Direction:
        """Return along which edges a type's messages come: ``in``, or ``both`` where each edge stands for two.

        A type that is undirected and lists each edge once is walked both ways; one that lists both directions of every
        pair, or is directed, is walked as it is listed.
        """
        self.check_types([edge_type])
        if self.attrs["edge_types"][edge_type]["directed"]:
            return "in"
        code, n_types = self._codes[edge_type], len(self._codes)
        mirrored = self.once(("mirrored", code), lambda: is_mirrored(self.edge_table, code, n_types))
        return "in" if mirrored else "both"

    def adjacency(self, direction: Direction | None = None, edge_types: Sequence[str] | None = None) -> Adjacency:
        """Return the neighbours of every node.

        Parameters
        ----------
        direction : {"in", "out", "both"}, optional
            Along which edges; default what :meth:`direction_of` says of each type.
        edge_types : sequence of str, optional
            Types of edges; default all.

        Returns
        -------
        Adjacency
            Edge numbers are rows of the edge table. Incoming neighbours over all types are those of the record's file
            where edges lie by target; what is not there is built once, in about a second for ten million neighbours.
        """
        types = self.edge_types if edge_types is None else self.check_types(edge_types)
        if direction is not None:
            check_direction(direction)
        ways = {name: direction if direction is not None else self.direction_of(name) for name in types}
        inward = sorted(self._codes[name] for name, way in ways.items() if way != "out")
        outward = sorted(self._codes[name] for name, way in ways.items() if way != "in")
        name = f"{self.group}/in-{'.'.join(map(str, inward))}-out-{'.'.join(map(str, outward))}"
        n_types = len(self._codes)
        return self.once(name, lambda: build(self.edge_table, inward, outward, n_types, self.cache, name))

    def codes(self, edge_types: Sequence[str]) -> list[int]:
        """Return the codes of types of edges in the column ``edge_type``."""
        return [self._codes[name] for name in self.check_types(edge_types)]

    def codes_of(self, direction: Direction) -> list[int]:
        """Return the codes of the types that are walked in a direction; see :meth:`direction_of`."""
        return [code for name, code in self._codes.items() if self.direction_of(name) == direction]

    def check_types(self, edge_types: Sequence[str]) -> tuple[str, ...]:
        """Return types of edges as a tuple; raise :class:`~connectome.errors.NotFoundError` where one is unknown."""
        unknown = [name for name in edge_types if name not in self._codes]
        if unknown or isinstance(edge_types, str):
            raise NotFoundError(
                "the graph has no such edge type",
                subject=self.record,
                expected=", ".join(self._codes),
                found=edge_types if isinstance(edge_types, str) else ", ".join(unknown),
            )
        return tuple(edge_types)

    @property
    def incoming(self) -> Adjacency:
        """Neighbours over the edges that end at a node."""
        return self.adjacency("in")

    @property
    def outgoing(self) -> Adjacency:
        """Neighbours over the edges that start at a node."""
        return self.adjacency("out")

    @property
    def incident(self) -> Adjacency:
        """Neighbours over all edges of a node."""
        return self.adjacency("both")

    # -- queries -----------------------------------------------------------------------------------------------------

    def nodes_within(self, box: Any) -> Array:
        """Return the nodes inside a box.

        Parameters
        ----------
        box : array-like
            Shape (2, axis): lowest and highest corner, both included, in the unit of the positions.

        Returns
        -------
        numpy.ndarray
            Shape (node,), int64, ascending. With cells only those that overlap the box are looked at, else all nodes.

        Raises
        ------
        UsageError
            When the graph has no positions, or the box does not have their axes.
        """
        return nodes_in_box(self, box)

    def within(self, box: Any, *, edge_types: Sequence[str] | None = None) -> Subgraph:
        """Return the graph among the nodes inside a box; see :meth:`nodes_within`."""
        return self.subgraph(self.nodes_within(box), edge_types=edge_types)

    def ego(
        self,
        node: int,
        k: int,
        *,
        direction: Direction | None = None,
        edge_types: Sequence[str] | None = None,
    ) -> Subgraph:
        """Return the graph among the nodes that are at most ``k`` edges away.

        Parameters
        ----------
        node : int
            A node; :meth:`find` gives that of an id.
        k : int
            Edges, from 0 up.
        direction, edge_types : optional
            As for :meth:`adjacency`: along which edges nodes are counted as near. Of the nodes that are found all
            edges of these types are kept.

        Returns
        -------
        Subgraph
            The node itself comes first, then the others by distance; ``hop`` says how far they are.
        """
        nodes, hop = around(self, self.adjacency(direction, edge_types), node, k)
        return self.subgraph(nodes, edge_types=edge_types, hop=hop)

    def subgraph(
        self,
        nodes: Array | Sequence[int],
        *,
        edge_types: Sequence[str] | None = None,
        hop: Array | None = None,
    ) -> Subgraph:
        """Return the graph among some nodes.

        Parameters
        ----------
        nodes : sequence of int
            Without repeats; they keep their order.
        edge_types : sequence of str, optional
            Types of edges; default all.
        hop : numpy.ndarray, optional
            What is known of the nodes' distances; kept.

        Returns
        -------
        Subgraph
            With every edge that starts and ends at one of the nodes, once.

        Raises
        ------
        UsageError
            When a node is given twice, or does not exist.
        """
        return among(self, self.adjacency("in", edge_types), nodes, hop)
