"""A stored graph as PyTorch Geometric's remote backend: a ``GraphStore`` and a ``FeatureStore`` over mapped arrays."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import NotFoundError, UsageError
from connectome.schema.graph import compressed_rows

from .requirement import data as pyg
from .requirement import torch

if TYPE_CHECKING:
    from ..graphs.adjacency import Adjacency, Array, Direction
    from ..graphs.neighbours import Relation
    from ..graphs.stored import StoredGraph

__all__ = ["EdgeAttributes", "FeatureStore", "GraphStore", "as_tensor", "column_tensors"]

NODE = "node"
"""Type of the nodes of a heterogeneous store, whose nodes are not told apart."""
ROWS = "n_id"
"""The attribute of a store that was asked for none: PyG counts nodes by attributes."""

Columns = Mapping[str, str | Sequence[str]]


def as_tensor(array: Array) -> torch.Tensor:
    """Return a tensor over the memory of an array, without a copy; it must not be written to if the array must not."""
    with warnings.catch_warnings():
        # A map of a record's file is read-only, and PyTorch has no such tensors.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class GraphStore(pyg.GraphStore):  # type: ignore[misc]
    """The edges of a stored graph, in compressed sparse columns.

    Parameters
    ----------
    graph : StoredGraph
        The graph.
    direction : {"in", "out", "both"}, optional
        Along which edges messages come; default what
        :meth:`~connectome.loaders.graphs.StoredGraph.direction_of` says of each type: undirected edges both ways.
    edge_types : sequence of str, optional
        Types of edges; default all.
    hetero : bool
        Whether types of edges are told apart, as relations ``(node, TYPE, node)``.

    Notes
    -----
    ``csc()`` gives the arrays of the record's file themselves where they will do, and the numbers of the edges as the
    permutation. They must not be written to. A store is a few names when it is sent to another process.
    """

    def __init__(
        self,
        graph: StoredGraph,
        *,
        direction: Direction | None = None,
        edge_types: Sequence[str] | None = None,
        hetero: bool = False,
    ) -> None:
        super().__init__()
        self.graph, self.direction, self.hetero = graph, direction, hetero
        self.types = graph.edge_types if edge_types is None else graph.check_types(edge_types)

    def __repr__(self) -> str:
        return f"GraphStore({self.graph!r})"

    @property
    def relations(self) -> dict[Relation | None, tuple[str, ...]]:
        """Relation to types of edges; the relation of a homogeneous store is None."""
        if self.hetero:
            return {(NODE, name, NODE): (name,) for name in self.types}
        return {None: self.types}

    def adjacency(self, relation: Relation | None) -> Adjacency:
        """Return the neighbours of every node over one relation."""
        if relation not in self.relations:
            raise NotFoundError(
                "the graph has no such relation",
                subject=self.graph.record,
                expected=", ".join(map(str, self.relations)),
                found=str(relation),
            )
        return self.graph.adjacency(self.direction, self.relations[relation])

    def get_all_edge_attrs(self) -> list[pyg.EdgeAttr]:
        """Return one attribute per relation, in compressed sparse columns, with its size."""
        size = (self.graph.n_nodes, self.graph.n_nodes)
        return [pyg.EdgeAttr(relation, "csc", size=size) for relation in self.relations]

    def _get_edge_index(self, edge_attr: pyg.EdgeAttr) -> tuple[torch.Tensor, torch.Tensor] | None:
        if edge_attr.layout.value != "csc" or edge_attr.edge_type not in self.relations:
            return None
        found = self.adjacency(edge_attr.edge_type)
        return as_tensor(found.neighbour), as_tensor(found.pointer)

    def _edge_to_layout(
        self, attr: pyg.EdgeAttr, layout: Any, store: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        if layout.value == "coo":
            # The edges as they are listed, each once: what a loader of links goes through.
            chosen = self._rows(attr.edge_type)
            source, target = (self.graph.array(end)[chosen].astype(np.int64) for end in ("source", "target"))
            return torch.from_numpy(source), torch.from_numpy(target), None
        if store:
            raise _read_only(self.graph)
        found = self.adjacency(attr.edge_type)
        if layout.value == "csc":
            edge = None if found.edge is None else as_tensor(found.edge)
            return as_tensor(found.neighbour), as_tensor(found.pointer), edge
        centre = np.repeat(np.arange(found.n_nodes), np.diff(found.pointer))
        pointer, order = compressed_rows(found.neighbour, found.n_nodes)
        return (
            torch.from_numpy(pointer),
            torch.from_numpy(centre[order]),
            torch.from_numpy(found.edges_at(order)),
        )

    def _rows(self, relation: Relation | None) -> Array | slice:
        types = self.relations[relation]
        if set(types) == set(self.graph.edge_types):
            return slice(None)
        return np.flatnonzero(np.isin(self.graph.array("edge_type"), self.graph.codes(types)))

    def _put_edge_index(self, edge_index: Any, edge_attr: pyg.EdgeAttr) -> bool:
        del edge_index, edge_attr
        raise _read_only(self.graph)

    def _remove_edge_index(self, edge_attr: pyg.EdgeAttr) -> bool:
        del edge_attr
        raise _read_only(self.graph)


class FeatureStore(pyg.FeatureStore):  # type: ignore[misc]
    """Columns of the node table, gathered by rows.

    Parameters
    ----------
    graph : StoredGraph
        The graph.
    nodes : mapping of str to column or columns, optional
        Attributes of the nodes. One column gives its values as they are stored, missing floats as NaN and categories
        as codes; a list of columns gives float32 features, 0 where the source gives nothing, beside ``NAME_mask``.
    hetero : bool
        Whether nodes are of the type ``node``, as for a :class:`GraphStore` that tells relations apart.

    Examples
    --------
    >>> FeatureStore(graph, {"pos": "position", "x": ["position", "degree"]})  # doctest: +SKIP
    """

    def __init__(self, graph: StoredGraph, nodes: Columns | None = None, *, hetero: bool = False) -> None:
        super().__init__()
        # The base class takes attributes for views of tensors unless they are in the dict.
        self.__dict__.update(graph=graph, nodes=dict(nodes or {}), group=NODE if hetero else None)
        for columns in self.nodes.values():
            for column in _listed(columns):
                graph.check_column("node", column)

    def __repr__(self) -> str:
        return f"FeatureStore({self.graph!r}, {self.nodes})"

    def get_all_tensor_attrs(self) -> list[pyg.TensorAttr]:
        """Return the attributes of nodes."""
        names = []
        for name, columns in self.nodes.items():
            names += [name] if isinstance(columns, str) else [name, f"{name}_mask"]
        return [pyg.TensorAttr(self.group, name) for name in names or [ROWS]]

    def _get_tensor(self, attr: pyg.TensorAttr) -> torch.Tensor | None:
        return self._multi_get_tensor([attr])[0]

    def _multi_get_tensor(self, attrs: list[pyg.TensorAttr]) -> list[torch.Tensor | None]:
        made: dict[tuple[str, int], torch.Tensor] = {}
        found: list[torch.Tensor | None] = []
        for attr in attrs:
            name = attr.attr_name
            owner = name if name in self.nodes else name.removesuffix("_mask")
            if attr.group_name != self.group or (owner not in self.nodes and name != ROWS):
                found.append(None)
                continue
            key = (name, id(attr.index))
            if key not in made:
                rows = _rows(attr.index, self.graph.n_nodes)
                if name == ROWS:
                    made[key] = torch.arange(self.graph.n_nodes) if rows is None else torch.from_numpy(rows)
                else:
                    tensors = column_tensors(self.graph, "node", owner, self.nodes[owner], rows)
                    made |= {(part, id(attr.index)): tensor for part, tensor in tensors.items()}
            found.append(made.get(key))
        return found

    def _get_tensor_size(self, attr: pyg.TensorAttr) -> tuple[int, ...] | None:
        probe = self._get_tensor(pyg.TensorAttr(attr.group_name, attr.attr_name, torch.zeros(0, dtype=torch.int64)))
        return None if probe is None else (self.graph.n_nodes, *probe.shape[1:])

    def _put_tensor(self, tensor: Any, attr: pyg.TensorAttr) -> bool:
        del tensor, attr
        raise _read_only(self.graph)

    def _remove_tensor(self, attr: pyg.TensorAttr) -> bool:
        del attr
        raise _read_only(self.graph)


class EdgeAttributes:
    """A transform that gives sampled edges their columns, by ``e_id``: PyG asks a ``FeatureStore`` for nodes only.

    Parameters
    ----------
    graph : StoredGraph
        The graph that is sampled.
    edges : mapping of str to column or columns
        Attributes of the edges, as for :class:`FeatureStore`.

    Examples
    --------
    >>> NodeLoader(stores, sampler, transform=EdgeAttributes(graph, {"edge_attr": ["length"]}))  # doctest: +SKIP
    """

    def __init__(self, graph: StoredGraph, edges: Columns) -> None:
        self.graph, self.edges = graph, dict(edges)
        for columns in self.edges.values():
            for column in _listed(columns):
                graph.check_column("edge", column)

    def __call__(self, batch: Any) -> Any:
        """Add the attributes to a sampled graph and return it."""
        for store in batch.edge_stores:
            if "e_id" in store:
                for name, columns in self.edges.items():
                    for key, value in column_tensors(self.graph, "edge", name, columns, store.e_id.numpy()).items():
                        store[key] = value
        return batch


def column_tensors(
    graph: StoredGraph, dim: str, name: str, columns: str | Sequence[str], rows: Array | None
) -> dict[str, torch.Tensor]:
    """Return an attribute of some rows of a table as tensors: ``NAME``, and ``NAME_mask`` for several columns."""
    for column in _listed(columns):
        # Mapped, from the record's file or from the cache: rows of it are read again and again.
        graph.array(column)
    if isinstance(columns, str):
        values = graph.column(dim, columns, rows)
        if values.dtype.kind not in "biuf":
            raise UsageError(
                "only numbers and categories become tensors",
                subject=graph.record,
                place=columns,
                found=str(values.dtype),
            )
        return {name: as_tensor(values)}
    found = graph.features(columns, rows, dim=dim)
    return {name: torch.from_numpy(found.values), f"{name}_mask": torch.from_numpy(found.mask)}


def _listed(columns: str | Sequence[str]) -> Sequence[str]:
    return [columns] if isinstance(columns, str) else columns


def _rows(index: Any, n_rows: int) -> Array | None:
    """Return the rows that an index of PyG means, None for all."""
    if index is None or (isinstance(index, slice) and index == slice(None)):
        return None
    if isinstance(index, slice):
        return np.arange(*index.indices(n_rows))
    if isinstance(index, int):
        return np.array([index])
    rows = np.asarray(index)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)


def _read_only(graph: StoredGraph) -> UsageError:
    return UsageError("a record does not change", subject=graph.record, hint="make a new version of the dataset")
