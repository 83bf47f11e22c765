"""What a graph looks like in numbers: its shape, and the distribution of every column, overall and by region.

The cheap part is stored with every record in space as its facts (:func:`connectome.schema.graph.measure`); this is
the rest, computed when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.schema.columns import is_category

from .counts import (
    ParallelEdges,
    component_sizes,
    connected_components,
    node_degrees,
    parallel_edges,
    simple_degrees,
)
from .geometry import EdgeMeasure, bounding_box, edge_lengths, edge_thickness, has_positions

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "BETWEEN",
    "Distribution",
    "GraphSummary",
    "Region",
    "distribution",
    "edge_regions",
    "region_columns",
    "summarise_graph",
    "summarise_regions",
]

Array = np.ndarray[Any, Any]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
REGION_COLUMNS = (
    "region",
    "region_group",
    "structure",
    "brain_region",
    "vessel_class",
    "vessel_type",
    "type",
    "role",
    "node_kind",
)
"""Categories by which parts are told apart unless another is asked for, the most telling first."""
BETWEEN, UNNAMED = "between regions", "no region given"
STRUCTURE = frozenset({"node", "source", "target", "edge_type", "out_edge", "in_edge"})
"""Columns that say how the graph hangs together, not what was measured."""
MOST_COMPONENTS = 20
"""Sizes of components that are listed, the largest."""


@dataclass(frozen=True)
class Distribution:
    """How the known values of a column are distributed; every number but the counts is None where none is known."""

    n: int
    """Values that are known and finite."""
    n_missing: int
    """Values that are not."""
    total: float | int | None
    mean: float | None
    sd: float | None
    """With n in the denominator."""
    minimum: float | None
    quantiles: Mapping[str, float]
    """``"5%"``, ``"25%"``, ``"50%"``, ``"75%"``, ``"95%"``, between neighbours linearly."""
    maximum: float | None
    units: str = ""
    origin: str = ""
    """Where the values come from, when it is not the column of that name."""


@dataclass(frozen=True)
class Region:
    """Part of a graph, told apart by a category."""

    n_edges: int
    n_nodes: int | None
    """None where the category is one of edges."""
    length: Distribution | None
    thickness: Distribution | None


@dataclass(frozen=True)
class GraphSummary:
    """A graph in numbers."""

    n_nodes: int
    n_edges: int
    """Edge rows, parallel edges and self loops included."""
    n_components: int
    component_sizes: tuple[int, ...]
    """Nodes of the largest components, 20 at most."""
    n_isolated: int
    """Nodes without an edge to another node."""
    n_self_loops: int
    n_independent_cycles: int
    """Edges minus nodes plus components: a self loop and a parallel edge count as one each. 0 for a tree."""
    parallel: ParallelEdges
    """Within each type of edges, summed over the types. Of a directed type, edges there and back are two pairs."""
    degree_histogram: tuple[int, ...]
    """Nodes with 0, 1, 2, ... edge ends; a self loop has two."""
    simple_degree_histogram: tuple[int, ...]
    """Nodes with 0, 1, 2, ... neighbours."""
    bounding_box: tuple[tuple[float, ...], tuple[float, ...]] | None
    """Lowest and highest corner of nodes and polylines, in ``position_units``."""
    position_units: str | None
    length: Distribution | None
    """See :func:`~connectome.graphs.geometry.edge_lengths`."""
    thickness: Distribution | None
    """See :func:`~connectome.graphs.geometry.edge_thickness`; its ``origin`` begins with what is measured."""
    columns: Mapping[str, Distribution] = field(default_factory=dict)
    """Numbers and truths among the columns of edges, nodes and points; of truths ``total`` counts those that hold."""
    categories: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Category to label to rows; ``""`` counts those without one."""
    region_column: str | None = None
    regions: Mapping[str, Region] = field(default_factory=dict)
    """By the labels of ``region_column``, those with most edges first; edges with ends in two are a part of its own."""

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        document = asdict(self)
        document["component_sizes"] = list(self.component_sizes)
        document["degree_histogram"] = list(self.degree_histogram)
        document["simple_degree_histogram"] = list(self.simple_degree_histogram)
        if self.bounding_box is not None:
            document["bounding_box"] = [list(corner) for corner in self.bounding_box]
        return document


def distribution(values: Array, *, units: str = "", origin: str = "") -> Distribution:
    """Describe the distribution of a column; values that are not finite are counted and left out.

    Parameters
    ----------
    values : numpy.ndarray
        Numbers or booleans, any shape.
    units, origin : str
        Kept with the result.

    Returns
    -------
    Distribution
    """
    flat = np.asarray(values).ravel()
    known = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    n_missing = len(flat) - len(known)
    if not len(known):
        return Distribution(0, n_missing, None, None, None, None, {}, None, units, origin)
    whole = known.dtype.kind in "iub"
    numbers = known.astype(np.float64)
    # Sums of numbers near the largest float have no float.
    with np.errstate(over="ignore", invalid="ignore"):
        total = int(known.sum(dtype=np.int64)) if whole else float(numbers.sum())
        mean, sd = total / len(known), float(numbers.std())
    return Distribution(
        n=len(known),
        n_missing=n_missing,
        total=total if math.isfinite(total) else None,
        mean=mean if math.isfinite(mean) else None,
        sd=sd if math.isfinite(sd) else None,
        minimum=float(numbers.min()),
        quantiles={
            f"{share:.0%}": float(value)
            for share, value in zip(QUANTILES, np.quantile(numbers, QUANTILES), strict=True)
        },
        maximum=float(numbers.max()),
        units=units,
        origin=origin,
    )


def region_columns(dataset: xr.Dataset) -> list[str]:
    """List the categories of nodes and edges that tell parts of a graph apart, the most telling first."""
    found = [
        str(name)
        for name, variable in dataset.variables.items()
        if variable.dims in {("edge",), ("node",)} and is_category(variable) and name != "edge_type"
    ]
    rank = {name: at for at, name in enumerate(REGION_COLUMNS)}
    return sorted(found, key=lambda name: (rank.get(name, len(rank)), name))


def edge_regions(dataset: xr.Dataset, column: str) -> tuple[Array, list[str]]:
    """Tell which region every edge lies in.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    column : str
        A category of edges, or of nodes: then an edge lies in the region of both its ends, or between regions.

    Returns
    -------
    code : numpy.ndarray
        Shape (edge,), indices into ``names``.
    names : list of str
        The labels of the category, then ``"no region given"`` and ``"between regions"``.

    Raises
    ------
    UsageError
        When there is no such category.
    """
    known = region_columns(dataset)
    if column not in known:
        raise UsageError(
            "no category of nodes or edges has this name", subject=column, expected=", ".join(known) or "a category"
        )
    labels = list(dataset[column].attrs["flag_labels"])
    code = np.asarray(dataset[column].values, dtype=np.int64)
    code[code < 0] = len(labels)
    if dataset[column].dims == ("node",):
        one, other = code[dataset["source"].values], code[dataset["target"].values]
        code = np.where(one == other, one, len(labels) + 1)
    return code, [*labels, UNNAMED, BETWEEN]


def summarise_graph(dataset: xr.Dataset, *, by: str | None = None) -> GraphSummary:
    """Compute a graph in numbers.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    by : str, optional
        Category of nodes or edges that names regions; default the first of :func:`region_columns`, if any.

    Returns
    -------
    GraphSummary
        Whole columns are read one after the other: for millions of edges this takes some seconds.

    Raises
    ------
    UsageError
        When there is no category ``by``.
    """
    source, target = dataset["source"].values, dataset["target"].values
    n_nodes, n_edges = int(dataset.sizes["node"]), int(dataset.sizes["edge"])
    labels = connected_components(source, target, n_nodes)
    sizes = component_sizes(labels)
    simple = simple_degrees(source, target, n_nodes)
    box = bounding_box(dataset)
    length, thickness = edge_lengths(dataset), edge_thickness(dataset)
    column = by if by is not None else next(iter(region_columns(dataset)), None)
    return GraphSummary(
        n_nodes=n_nodes,
        n_edges=n_edges,
        n_components=len(sizes),
        component_sizes=tuple(sizes[:MOST_COMPONENTS].tolist()),
        n_isolated=int((simple == 0).sum()),
        n_self_loops=int((source == target).sum()),
        n_independent_cycles=n_edges - n_nodes + len(sizes),
        parallel=_parallel(dataset, source, target),
        degree_histogram=tuple(np.bincount(node_degrees(source, target, n_nodes)).tolist()),
        simple_degree_histogram=tuple(np.bincount(simple).tolist()),
        bounding_box=None if box is None else (tuple(box[0].tolist()), tuple(box[1].tolist())),
        position_units=str(dataset["position"].attrs.get("units", "")) if has_positions(dataset) else None,
        length=_of(length),
        thickness=_of(thickness),
        columns={name: distribution(dataset[name].values, units=units) for name, units in _measured(dataset)},
        categories={name: _label_counts(dataset[name]) for name in region_columns(dataset)},
        region_column=column,
        regions={} if column is None else _regions(dataset, column, length, thickness),
    )


def _parallel(dataset: xr.Dataset, source: Array, target: Array) -> ParallelEdges:
    about = dataset.attrs["edge_types"]
    column = dataset["edge_type"]
    codes = dict(zip(column.attrs["flag_labels"], column.attrs["flag_values"], strict=True))
    n_nodes = int(dataset.sizes["node"])
    found = []
    for name, said in about.items():
        own = column.values == codes[name] if len(about) > 1 else slice(None)
        found.append(parallel_edges(source[own], target[own], n_nodes, directed=said["directed"]))
    counts = [field.name for field in fields(ParallelEdges) if field.name != "largest"]
    summed = {name: sum(getattr(part, name) for part in found) for name in counts}
    return ParallelEdges(**summed, largest=max((part.largest for part in found), default=0))


def summarise_regions(dataset: xr.Dataset, column: str) -> dict[str, Region]:
    """Describe length and thickness of the edges of every region.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    column : str
        Category of nodes or edges; see :func:`edge_regions`.

    Returns
    -------
    dict of str to Region
        Those with most edges first; edges without a region and those between regions last.

    Raises
    ------
    UsageError
        When there is no such category.
    """
    return _regions(dataset, column, edge_lengths(dataset), edge_thickness(dataset))


def _of(measure: EdgeMeasure | None, chosen: Array | None = None) -> Distribution | None:
    if measure is None:
        return None
    values = measure.values if chosen is None else measure.values[chosen]
    return distribution(values, units=measure.units, origin=f"{measure.name}: {measure.origin}")


def _measured(dataset: xr.Dataset) -> list[tuple[str, str]]:
    return [
        (str(name), str(variable.attrs.get("units", "")))
        for name, variable in dataset.variables.items()
        if variable.dims in {("edge",), ("node",), ("point",)}
        and variable.dtype.kind in "biuf"
        and not is_category(variable)
        and name not in STRUCTURE
        and not str(name).endswith(("_id", "_row"))
    ]


def _label_counts(variable: xr.DataArray) -> dict[str, int]:
    labels = list(variable.attrs["flag_labels"])
    counts = np.bincount(np.asarray(variable.values, dtype=np.int64) + 1, minlength=len(labels) + 1)
    named = dict(zip(["", *labels], counts.tolist(), strict=True))
    return {label: count for label, count in named.items() if count or label}


def _regions(
    dataset: xr.Dataset, column: str, length: EdgeMeasure | None, thickness: EdgeMeasure | None
) -> dict[str, Region]:
    code, names = edge_regions(dataset, column)
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(names) + 1))
    nodes = None
    if dataset[column].dims == ("node",):
        own = np.asarray(dataset[column].values, dtype=np.int64)
        nodes = np.bincount(np.where(own < 0, len(names) - 2, own), minlength=len(names))
    regions = {}
    for at, name in enumerate(names):
        chosen = order[bounds[at] : bounds[at + 1]]
        if not len(chosen) and (nodes is None or not nodes[at]):
            continue
        regions[name] = Region(
            n_edges=len(chosen),
            n_nodes=None if nodes is None or name == BETWEEN else int(nodes[at]),
            length=_of(length, chosen),
            thickness=_of(thickness, chosen),
        )
    return dict(sorted(regions.items(), key=lambda item: (item[0] in {UNNAMED, BETWEEN}, -item[1].n_edges)))
