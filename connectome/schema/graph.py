"""The kind ``graph``: nodes, typed edges with every source row kept, and pointers to walk both ways.

Edges keep the order of the source: parallel edges, self loops and zero weights stay. ``source`` and ``target`` are
node indices. ``out_ptr``/``out_edge`` (compressed sparse rows over the sources) and ``in_ptr``/``in_edge`` (over the
targets) list edge numbers, stable within a node, so that a sampler needs neither a sort nor the whole table.

The attribute ``edge_types`` says of every type whether it is directed, its weight's unit and meaning, and its
lineage (which preparation the counts come from). A type that was derived from another names it and states the rule.

A graph in space has ``position`` (node, axis). Where edges follow a curve, ``point_ptr`` cuts the points of all edges
(``point_position`` (point, axis), ``point_radius`` (point), ...) into one polyline per edge, from its source to its
target, both ends included. Where nodes lie in spatial order, ``cell_ptr`` cuts them into the occupied cells of a grid
(``cell`` (cell, axis), counted from the attribute ``cell_origin`` in steps of ``cell_size``), so that a box is a few
ranges of nodes; edges then lie by
target, and ``node_row`` and ``edge_row`` say which rows of the source they were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import xarray as xr

from connectome.errors import SchemaError
from connectome.graphs.counts import component_sizes, connected_components, node_degrees
from connectome.graphs.geometry import bounding_box, has_positions

from .columns import MISSING_CODE, Layout, Problem, category, check_columns, column, decode

KIND = "graph"
VERSION = "1"
CHUNK_ITEMS = 1 << 20
"""Long columns are cut at 1 M items, so that a graph of millions is written and read in bounded memory. What is
memory-mapped is one chunk: only then is it one array in the file."""
LONGEST_HISTOGRAM = 256
"""Degrees, 0 included, that a record's facts list one by one."""
MAPPED = ("edge", "node_bound", "edge_bound", "cell_bound")
POINTERS = ("out_ptr", "out_edge", "in_ptr", "in_edge", "source", "target")


def graph(
    *,
    node: Sequence[str] | np.ndarray[Any, Any],
    source: np.ndarray[Any, Any],
    target: np.ndarray[Any, Any],
    edge_type: str | Sequence[str],
    edge_types: Mapping[str, Mapping[str, Any]],
    weight: np.ndarray[Any, Any] | None = None,
    weight_units: str = "1",
    nodes: Mapping[str, xr.Variable] | None = None,
    edges: Mapping[str, xr.Variable] | None = None,
    point_ptr: np.ndarray[Any, Any] | None = None,
    points: Mapping[str, xr.Variable] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make a graph group.

    Parameters
    ----------
    node : sequence of str or integer array
        Unique node ids.
    source, target : numpy.ndarray
        Shape (edge,), integer indices into ``node``.
    edge_type : str or sequence of str
        The type of every edge, each a key of ``edge_types``; one text where all are of one type.
    edge_types : mapping
        Per type: ``directed`` (bool), ``weight_units``, ``weight_meaning``, ``lineage`` and, for derived types,
        ``derived_from`` and ``rule``.
    weight : numpy.ndarray, optional
        Shape (edge,), the source's numbers in the source's dtype.
    weight_units : str
        Unit of ``weight``; where types differ, ``"see edge_types"``.
    nodes, edges : mapping of str to xarray.Variable, optional
        The node and edge tables: variables whose first dimension is ``node`` or ``edge``. A category ``node_kind``
        makes the facts count every kind apart.
    point_ptr : numpy.ndarray, optional
        Shape (edge + 1,), integers: where each edge's polyline starts among the points.
    points : mapping of str to xarray.Variable, optional
        The table of points: variables whose first dimension is ``point``.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SchemaError
        When an edge has no such node, or a type is not described.
    """
    n_nodes, n_edges = len(node), len(source)
    index = np.int32 if max(n_nodes, n_edges) < 2**31 else np.int64
    ends = {"source": np.asarray(source), "target": np.asarray(target)}
    for name, values in ends.items():
        if values.size and (values.min() < 0 or values.max() >= n_nodes):
            raise SchemaError(
                "an edge ends at a node that is not listed",
                subject=name,
                expected=f"indices from 0 to {n_nodes - 1}",
                found=f"{values.min()} to {values.max()}",
            )
    one_type = edge_type if isinstance(edge_type, str) else None
    undescribed = sorted(set(edge_type if one_type is None else [one_type]) - set(edge_types))
    if undescribed:
        raise SchemaError("an edge type is not described", subject="edge_types", found=", ".join(undescribed))
    variables: dict[str, Any] = dict(nodes or {})
    variables["source"] = column("edge", ends["source"].astype(index), "Node where the edge starts", "1")
    variables["target"] = column("edge", ends["target"].astype(index), "Node where the edge ends", "1")
    variables["edge_type"] = category(
        "edge", edge_type if one_type is None else [], list(edge_types), "Type of the edge"
    )
    if one_type is not None:
        described = variables["edge_type"]
        code = np.asarray(described.attrs["flag_values"]).astype(described.dtype)[list(edge_types).index(one_type)]
        variables["edge_type"] = xr.Variable("edge", np.full(n_edges, code), attrs=described.attrs)
    if weight is not None:
        variables["weight"] = column("edge", weight, "Weight as given by the source", weight_units)
    variables.update(edges or {})
    for side, end in (("out", "source"), ("in", "target")):
        pointer, order = compressed_rows(ends[end], n_nodes)
        variables[f"{side}_ptr"] = column("node_bound", pointer, f"Start of each node's part of {side}_edge", "1")
        variables[f"{side}_edge"] = column("edge", order.astype(index), f"Edge numbers by {end}", "1")
    if point_ptr is not None:
        variables["point_ptr"] = column(
            "edge_bound", np.asarray(point_ptr, dtype=np.int64), "Start of each edge's polyline among the points", "1"
        )
        variables.update(points or {})
    names = column("node", list(node) if np.asarray(node).dtype.kind in "OTU" else np.asarray(node), "Node id", "1")
    if names.dtype.kind == "O":
        del names.attrs["units"]
    return xr.Dataset(
        variables,
        coords={"node": names},
        attrs={
            "encoding-type": KIND,
            "encoding-version": VERSION,
            "edge_types": {name: dict(about) for name, about in edge_types.items()},
            **attrs,
        },
    )


def compressed_rows(
    ends: np.ndarray[Any, Any], n_nodes: int
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, Any]]:
    """Return row pointers (n_nodes + 1,) and the stable order of edges by one end (n_edges,)."""
    if len(ends) and (ends[1:] >= ends[:-1]).all():
        return _row_pointer(ends, n_nodes), np.arange(len(ends))
    return _row_pointer(ends, n_nodes), np.argsort(ends, kind="stable")


def _row_pointer(ends: np.ndarray[Any, Any], n_nodes: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    counts = np.bincount(ends, minlength=n_nodes) if len(ends) else np.zeros(n_nodes, dtype=np.int64)
    pointer = np.zeros(n_nodes + 1, dtype=np.int64)
    np.cumsum(counts, out=pointer[1:])
    return pointer


def _all_differ(names: np.ndarray[Any, Any]) -> bool:
    if names.dtype.kind not in "iu":
        return len(set(names.tolist())) == len(names)
    in_order = np.sort(names)
    return not (in_order[1:] == in_order[:-1]).any()


def _are_rows(
    ends: np.ndarray[Any, Any], pointer: np.ndarray[Any, Any], order: np.ndarray[Any, Any], n_nodes: int
) -> bool:
    """Tell whether pointer and order are :func:`compressed_rows` of the ends, without sorting them."""
    if order.dtype.kind not in "iu" or order.shape != ends.shape:
        return False
    if len(order) and (order.min() < 0 or order.max() >= len(ends)):
        return False
    # Rising by end, within an end by number: then no edge is there twice, so every one is there.
    sorted_ends = ends[order]
    rising = (sorted_ends[1:] > sorted_ends[:-1]) | ((sorted_ends[1:] == sorted_ends[:-1]) & (order[1:] > order[:-1]))
    return bool(rising.all()) and np.array_equal(pointer, _row_pointer(ends, n_nodes))


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with a graph group."""
    problems = check_columns(dataset, path)
    missing = [name for name in (*POINTERS, "edge_type", "node") if name not in dataset.variables]
    if missing:
        return [*problems, Problem(path, "the variables of a graph", f"no {', '.join(missing)}")]
    n_nodes, n_edges = int(dataset.sizes["node"]), int(dataset.sizes["edge"])
    names = dataset["node"].values
    if not _all_differ(names):
        problems.append(Problem(f"{path}/node", "unique node ids", "duplicates"))
    described = dataset.attrs.get("edge_types", {})
    labels = dataset["edge_type"].attrs.get("flag_labels")
    # As sets: the order of an attribute's keys is lost on disk.
    if labels is None or set(described) != set(labels):
        problems.append(Problem(f"{path}.edge_types", f"a description of each of {labels}", str(list(described))))
    elif (dataset["edge_type"].values == MISSING_CODE).any():
        problems.append(Problem(f"{path}/edge_type", "a type for every edge", "edges without one"))
    for name, about in described.items():
        absent = [key for key in ("directed", "weight_units", "weight_meaning", "lineage") if key not in about]
        if absent:
            problems.append(Problem(f"{path}.edge_types.{name}", "directed, unit, meaning and lineage", f"no {absent}"))
        elif not isinstance(about["directed"], bool):
            problems.append(Problem(f"{path}.edge_types.{name}", "directed: true or false", repr(about["directed"])))
    if dataset.sizes.get("node_bound") != n_nodes + 1:
        problems.append(Problem(f"{path}/out_ptr", f"{n_nodes + 1} pointers", str(dataset.sizes.get("node_bound"))))
        return problems
    for pointer, bound, items in (("point_ptr", "edge_bound", "point"), ("cell_ptr", "cell_bound", "node")):
        if pointer in dataset:
            parts = n_edges if items == "point" else int(dataset.sizes.get("cell", 0))
            problems.extend(_check_cuts(dataset, path, pointer, bound, parts, int(dataset.sizes.get(items, 0))))
    for side, end in (("out", "source"), ("in", "target")):
        values = dataset[end].values
        if values.dtype.kind not in "iu":
            problems.append(Problem(f"{path}/{end}", "whole numbers", str(values.dtype)))
            continue
        if n_edges and (values.min() < 0 or values.max() >= n_nodes):
            problems.append(Problem(f"{path}/{end}", f"indices below {n_nodes}", f"{values.min()} to {values.max()}"))
            continue
        if not _are_rows(values, dataset[f"{side}_ptr"].values, dataset[f"{side}_edge"].values, n_nodes):
            problems.append(Problem(f"{path}/{side}_ptr", f"pointers that match {end}", "others"))
    return problems


def _check_cuts(dataset: xr.Dataset, path: str, name: str, bound: str, n_parts: int, n_items: int) -> list[Problem]:
    """Check pointers that cut items into parts: from 0 to the number of items, never falling."""
    values, place = dataset[name].values, f"{path}/{name}"
    if dataset[name].dims != (bound,) or values.dtype.kind not in "iu" or len(values) != n_parts + 1:
        return [Problem(place, f"{n_parts + 1} whole numbers along {bound}", f"{values.dtype} {dataset[name].shape}")]
    if values[0] != 0 or values[-1] != n_items or (np.diff(values) < 0).any():
        return [Problem(place, f"rising from 0 to {n_items}", f"{values[0]} to {values[-1]}, or falling between")]
    return []


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the facts of a graph.

    Returns
    -------
    dict
        ``n_nodes``, ``n_edges``, ``edges`` (per type ``n`` and ``weight_sum``) and, where nodes have a
        ``node_kind``, ``within`` (per kind the same counts over edges with both ends of that kind;
        ``n_nodes_connected`` leaves out nodes without such an edge). With polylines ``n_points``. A graph in space
        has those of :func:`measure_space` too; :func:`connectome.graphs.summarise_graph` tells more.
    """
    facts = {"n_nodes": int(dataset.sizes["node"]), **_count(dataset, None)}
    if "point_ptr" in dataset:
        facts["n_points"] = int(dataset["point_ptr"].values[-1])
    if has_positions(dataset):
        facts |= measure_space(dataset)
    if "node_kind" in dataset:
        kinds = decode(dataset["node_kind"])
        facts["within"] = {}
        for kind in sorted(set(kinds.tolist()) - {""}):
            members = kinds == kind
            facts["within"][kind] = {"n_nodes": int(members.sum()), **_count(dataset, members)}
    return facts


def measure_space(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the facts of a graph in space.

    Returns
    -------
    dict
        ``n_components``, ``largest_component`` (its nodes), ``n_self_loops``, ``max_degree``, ``degree_histogram``
        (nodes with 0, 1, 2, ... edge ends, a self loop has two; left out where a node has more than 255),
        ``bounding_box`` (``min`` and ``max`` of nodes and polylines) and, with an edge column ``length``,
        ``length_sum`` over the edges whose length is known.
    """
    source, target, n_nodes = dataset["source"].values, dataset["target"].values, int(dataset.sizes["node"])
    sizes = component_sizes(connected_components(source, target, n_nodes))
    histogram = np.bincount(node_degrees(source, target, n_nodes), minlength=1)
    facts: dict[str, Any] = {
        "n_components": len(sizes),
        "largest_component": int(sizes.max(initial=0)),
        "n_self_loops": int((source == target).sum()),
        "max_degree": len(histogram) - 1,
    }
    if len(histogram) <= LONGEST_HISTOGRAM:
        facts["degree_histogram"] = histogram.tolist()
    box = bounding_box(dataset)
    if box is not None:
        facts["bounding_box"] = {"min": box[0].tolist(), "max": box[1].tolist()}
    if "length" in dataset and dataset["length"].dims == ("edge",):
        length = dataset["length"].values
        facts["length_sum"] = _exact_sum(length[np.isfinite(length)])
    return facts


def _count(dataset: xr.Dataset, members: np.ndarray[Any, Any] | None) -> dict[str, Any]:
    source, target = dataset["source"].values, dataset["target"].values
    inside = np.ones(len(source), dtype=bool) if members is None else members[source] & members[target]
    about = dataset["edge_type"].attrs
    codes = dict(zip(about["flag_labels"], about["flag_values"], strict=True))
    types = dataset["edge_type"].values
    weight = dataset["weight"].values if "weight" in dataset else None
    edges: dict[str, Any] = {}
    for name in dataset.attrs["edge_types"]:
        chosen = inside & (types == codes[name])
        edges[name] = {"n": int(chosen.sum())}
        if weight is not None:
            edges[name]["weight_sum"] = _exact_sum(weight[chosen])
    counts: dict[str, Any] = {"n_edges": int(inside.sum()), "edges": edges}
    if members is not None:
        counts["n_nodes_connected"] = len(np.union1d(source[inside], target[inside]))
    return counts


def _exact_sum(values: np.ndarray[Any, Any]) -> int | float:
    """Return a sum that does not depend on the order or the machine: whole numbers exactly, others rounded once."""
    if values.dtype.kind in "iub":
        # Python's integers do not overflow; a sum of chunks below 2**31 items of 32 bits each cannot either.
        return int(values.sum()) if values.dtype.itemsize <= 4 else sum(values.tolist())
    # fsum refuses infinities of both signs; then the order does not matter either.
    with np.errstate(invalid="ignore"):
        if not np.isfinite(values).all():
            return float(values.sum())
    blocks = (values[at : at + CHUNK_ITEMS].tolist() for at in range(0, len(values), CHUNK_ITEMS))
    return math.fsum(chain.from_iterable(blocks))


def layout(variable: xr.Variable) -> Layout:
    """Leave integer end points, pointers and positions uncompressed, to be memory-mapped; compress the tables."""
    shape = tuple(max(1, size) for size in variable.shape)
    mapped = variable.dtype.kind == "i" and len(variable.dims) == 1 and variable.dims[0] in MAPPED
    if (mapped and "flag_values" not in variable.attrs) or variable.dims == ("node", "axis"):
        return Layout(shape, "none")
    return Layout((min(shape[0], CHUNK_ITEMS), *shape[1:]) if shape else (), "zstd")
