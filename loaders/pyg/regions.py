"""Patients as graphs of brain regions for PyTorch Geometric: one graph per patient, regions as nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import NotFoundError, UsageError

from ..graphs.regions import edges_among, region_tables
from ..graphs.whole import EdgeIndex, graph_of, load_graph
from ..reading.specs import as_version
from .requirement import Data, torch

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

__all__ = ["region_graphs"]


def region_graphs(
    data: str | Version,
    *,
    features: Sequence[str],
    target: str | None = None,
    graph: str | EdgeIndex | xr.Dataset | None = None,
    own_graphs: str | Version | None = None,
    group: str | None = None,
    nodes: Sequence[str] | None = None,
    groups: Sequence[str] = ("regions",),
    atlas: str | None = None,
    records: Iterable[str] | None = None,
    root: str | Path | None = None,
) -> list[Data]:
    """Make one graph per patient.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"``, or an opened version whose records have tables of regions.
    features : sequence of str
        Columns of those tables: ``["thickness_mm", "area_mm2", "volume_mm3"]``, z-scores, resected fractions.
    target : str, optional
        ``"GROUP/COLUMN"``: a value per region (``"regions/resected_fraction"``) or per patient
        (``"subject/op_side"``).
    graph : str, EdgeIndex or xarray.Dataset, optional
        Edges that all patients share: ``"name@version/record"`` of a graph of regions (which regions touch), what
        :func:`connectome.loaders.graphs.load_graph` gives, or a graph group that is in no store.
    own_graphs : str or Version, optional
        A version, another one or the same, whose record of the patient's name holds a graph: every patient's own edges
        (a connectome from diffusion imaging). Patients without one are left out.
    group : str, optional
        Path of that graph in its record; default the record's one graph.
    nodes : sequence of str, optional
        The regions, in any spelling; by default those of ``graph``, else those that any record has.
    groups, atlas, records
        As for :func:`connectome.loaders.graphs.regions.region_tables`.
    root : path or URL, optional
        The store, for a text.

    Returns
    -------
    list of torch_geometric.data.Data
        ``x`` (node, feature) float32 and ``x_mask``, bool, False where the patient has no value (``x`` is 0 there);
        ``edge_index`` (2, edge) int64, undirected edges in both directions; ``edge_weight`` (edge,) float32 where the
        graph has weights; with a target ``y``: (node,) or (1,) float32 and ``y_mask``, or (1,) int64 codes, -1 where
        missing. All graphs have the same nodes in the same order. ``names`` is a dict of lists of str: what ``node``,
        ``x`` and codes of ``y`` are called; ``record`` the patient's record.

    Raises
    ------
    NotFoundError
        When no record has a table of regions, or a column is nowhere.
    UsageError
        When both kinds of edges are asked for, or tables or graphs contradict themselves.

    Warns
    -----
    PostOpWarning
        When a feature is known only after surgery.
    """
    if graph is not None and own_graphs is not None:
        raise UsageError("edges are shared or each patient's own", subject="graph, own_graphs", expected="one of them")
    version = as_version(data, root=root)
    shared = _shared(graph, root)
    own = None
    if own_graphs is not None:
        own = as_version(own_graphs, root=root if isinstance(own_graphs, str) else None)
        records = _with_graph(version, own, group, groups, records)
    tables = region_tables(
        version,
        features=features,
        target=target,
        nodes=shared.nodes if nodes is None and shared is not None else nodes,
        groups=groups,
        atlas=atlas,
        records=records,
        stacklevel=3,
    )
    edges: tuple[np.ndarray, np.ndarray | None] = (np.zeros((2, 0), dtype=np.int64), None)
    if shared is not None:
        edges = edges_among(shared, tables.nodes)
    made = []
    for at, record in enumerate(tables.records):
        if own is not None:
            edges = edges_among(load_graph(own, record=record, group=group), tables.nodes)
        item = Data(
            x=torch.from_numpy(tables.values[at]),
            x_mask=torch.from_numpy(tables.mask[at]),
            edge_index=torch.from_numpy(np.ascontiguousarray(edges[0])),
        )
        if edges[1] is not None:
            item.edge_weight = torch.from_numpy(edges[1].astype(np.float32))
        item.names = {"node": list(tables.nodes), "x": list(tables.features)}
        if tables.target is not None:
            value = tables.target.values[at]
            value = value if tables.target.per_node else value[None]
            if tables.target.labels:
                item.y = torch.from_numpy(np.ascontiguousarray(value))
                item.names["y"] = list(tables.target.labels)
            else:
                known = ~np.isnan(value)
                item.y = torch.from_numpy(np.where(known, value, 0.0).astype(np.float32))
                item.y_mask = torch.from_numpy(known)
        item.record = record
        made.append(item)
    return made


def _shared(graph: str | EdgeIndex | xr.Dataset | None, root: str | Path | None) -> EdgeIndex | None:
    if graph is None or isinstance(graph, EdgeIndex):
        return graph
    return load_graph(graph, root=root) if isinstance(graph, str) else graph_of(graph)


def _with_graph(
    version: Version, own: Version, group: str | None, groups: Sequence[str], records: Iterable[str] | None
) -> list[str]:
    """Return the patients that have both tables of regions and a graph."""
    wanted = list(version.manifest.records) if records is None else list(records)
    found = []
    for name in wanted:
        tables = version.manifest.records[name].facts if name in version.manifest.records else {}
        graphs = own.manifest.records[name].facts if name in own.manifest.records else {}
        paths = [path for path, told in graphs.items() if told["kind"] == "graph"]
        has_graph = bool(paths) if group is None else f"/{group.strip('/')}" in paths
        if has_graph and any(f"/{each.strip('/')}" in tables for each in groups):
            found.append(name)
    if not found:
        raise NotFoundError(
            "no patient has both a table of regions and a graph", subject=f"{version.spec}, {own.spec}",
            place=group, expected="records of the same names",
        )  # fmt: skip
    return found
