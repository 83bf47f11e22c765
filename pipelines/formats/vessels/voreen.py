"""Vessel graphs as Voreen exports them: a table of nodes and one of edges, with ``;`` between the fields.

Voreen's vessel graph extraction is D. Drees et al., "Scalable robust graph and feature extraction for arbitrary vessel
networks in large volumetric datasets", BMC Bioinformatics 22 (2021) 346, doi:10.1186/s12859-021-04262-w; VesselGraph
(J. C. Paetzold, J. McGinnis et al., NeurIPS 2021 Datasets and Benchmarks, arXiv:2108.13233) starts from its files.

Nothing in the files says a unit. Voreen writes ``-1`` for what an edge without valid voxels has not got, and infinity
for the curveness of an edge without a straight distance: both become NaN, and are counted in the record's warnings.
Files straight from Voreen hold the smaller and the larger degree of an edge's ends, those that VesselGraph has
processed the degrees of ``node1id`` and ``node2id``; which of the two is found out and recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.schema import warning

from ...homogenise.allen_ccf import annotate, read_ontology, region_columns
from ...homogenise.spatial_graph import spatial_graph
from ...homogenise.spooled import Spool
from ..files.pointers import refuse_pointer
from ..graphs.position_units import stated_units
from ..tables.delimited import BLOCK_BYTES, FIRST_LINE, Block, Header, Kind, read_blocks, read_header
from ..volumes.label_volume import LabelVolume
from .voreen_atlas import read_companion

if TYPE_CHECKING:
    import xarray as xr

    from ...homogenise.spatial_graph import Column
    from ..graphs.position_units import VoxelSize
    from ..tables.text_rows import Note

Array = np.ndarray[Any, Any]

POSITION = ("pos_x", "pos_y", "pos_z")
NODES: Mapping[str, Kind] = {
    "id": "whole", "pos_x": "number", "pos_y": "number", "pos_z": "number", "degree": "whole",
    "isAtSampleBorder": "whole",
}  # fmt: skip
NO_VALUE = -1
"""Voreen's INVALID_DATA."""


@dataclass(frozen=True)
class Measure:
    """A column of what was measured along every edge."""

    name: str
    """As it is stored."""
    long_name: str
    units: str
    """With ``{}`` for the unit of the positions."""
    sentinel: bool = True
    """Whether ``-1`` stands for none."""


MEASURES: Mapping[str, Measure] = {
    "length": Measure("length", "Length along the centre line", "{}", sentinel=False),
    "distance": Measure("distance", "Straight distance of the ends", "{}", sentinel=False),
    "curveness": Measure("curveness", "Length over straight distance", "1", sentinel=False),
    "volume": Measure("volume", "Volume", "{}3"),
    "avgCrossSection": Measure("cross_section", "Volume over length", "{}2"),
    **{
        f"{vendor}Radius{end}": Measure(f"radius_{ours}{suffix}", f"{what} of the {ours} radius per voxel", "{}")
        for vendor, ours in (("min", "min"), ("avg", "avg"), ("max", "max"))
        for end, suffix, what in (("Avg", "", "Mean"), ("Std", "_std", "Standard deviation"))
    },
    "roundnessAvg": Measure("roundness", "Mean of the smallest over the largest radius per voxel", "1"),
    "roundnessStd": Measure("roundness_std", "Standard deviation of the roundness per voxel", "1"),
}
ENDS, DEGREES = ("node1id", "node2id"), ("node1_degree", "node2_degree")
EDGES: Mapping[str, Kind] = {
    **dict.fromkeys(("id", *ENDS), "whole"),
    **dict.fromkeys(MEASURES, "number"),
    **dict.fromkeys((*DEGREES, "num_voxels", "hasNodeAtSampleBorder"), "whole"),
}
DEGREE_MEANING = {
    "raw": "node1_degree is the smaller and node2_degree the larger degree of both ends",
    "processed": "node1_degree belongs to node1id and node2_degree to node2id",
    "ambiguous": "the degrees fit both conventions: smaller and larger, or of node1id and of node2id",
    "neither": "the degrees are not those of the table of nodes in either convention",
}


@dataclass
class Nodes:
    """The table of nodes as it is read."""

    id: Spool = field(default_factory=lambda: Spool("whole"))
    position: tuple[Spool, ...] = field(default_factory=lambda: tuple(Spool("number") for _ in POSITION))
    degree: Spool = field(default_factory=lambda: Spool("whole"))
    border: Spool = field(default_factory=lambda: Spool("flag"))
    in_order: bool = True
    """Whether every id is the number of its row."""


@dataclass
class Edges:
    """The table of edges as it is read."""

    id: Spool = field(default_factory=lambda: Spool("whole"))
    end: tuple[Spool, ...] = field(default_factory=lambda: tuple(Spool("whole") for _ in ENDS))
    measure: dict[str, Spool] = field(default_factory=lambda: {name: Spool("number") for name in MEASURES})
    degree: tuple[Spool, ...] = field(default_factory=lambda: tuple(Spool("whole") for _ in DEGREES))
    voxels: Spool = field(default_factory=lambda: Spool("whole"))
    border: Spool = field(default_factory=lambda: Spool("flag"))
    in_order: bool = True
    misfits: dict[str, int] = field(default_factory=lambda: {"raw": 0, "processed": 0})
    """Rows whose degrees do not fit a convention."""
    missing: dict[str, int] = field(default_factory=dict)
    zero_distance: dict[float, int] = field(default_factory=dict)
    """Curveness as written to how many edges without a straight distance have it."""


def sniff(path: Path) -> bool:
    """Tell whether the header is that of Voreen's nodes or edges."""
    names = set(read_header(path).names)
    return names >= set(NODES) or names >= {"node1id", "node2id", "avgRadiusAvg"}


def read(
    paths: Sequence[Path],
    *,
    voxel_size_um: VoxelSize = "",
    units: str = "",
    labels: str | Path = "",
    ontology: str | Path = "",
    group: str = "vessels",
    block_bytes: int = BLOCK_BYTES,
) -> xr.DataTree:
    """Read a vessel graph.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The table of nodes, the table of edges, then any of VesselGraph's companions: ``*_nodes_Atlas.csv``,
        ``*_atlas_processed.csv`` and ``*_AtlasGrouped.csv``.
    voxel_size_um : str, float or sequence of float
        Micrometres per voxel: one number or three. Must be given, unless ``units`` says that these are no voxels.
    units : str
        ``"um"`` or another unit, where the graph was exported in world coordinates.
    labels, ontology : path
        A NIfTI volume of Allen CCF labels on the voxels of the positions, and the Allen Institute's list of structures
        (XML): every node gets the label of the nearest voxel (extra ``mri``).
    group : str
        Path of the group in the record.
    block_bytes : int
        How much text is parsed at a time; bounds the memory, and changes no byte of the result.

    Returns
    -------
    xarray.DataTree
        One graph; every row of both tables is kept. Columns of edges are lazy: they lie in files without a name until
        the tree is no longer used.

    Raises
    ------
    UsageError
        When the size of a voxel is not stated, or there are not two tables.
    FormatError
        When a column is missing, a row has too many or too few fields, a field is no number, an id is there twice, an
        edge ends at no listed node, or a position is not finite. The place is ``FILE:LINE``.
    """
    if len(paths) < 2:
        raise UsageError(
            "a vessel graph of Voreen is two tables",
            subject=", ".join(map(str, paths)),
            expected="NODES.csv EDGES.csv [companions]",
            found=f"{len(paths)} file",
        )
    node_path, edge_path = paths[:2]
    unit, about = stated_units(units, voxel_size_um, subject=str(node_path))
    headers = [_header(path, columns) for path, columns in ((node_path, NODES), (edge_path, EDGES))]
    warnings = [*_unknown(node_path, headers[0], NODES), *_unknown(edge_path, headers[1], EDGES)]
    nodes = Nodes()
    for block in read_blocks(node_path, headers[0], NODES, block_bytes=block_bytes):
        _take_nodes(node_path, nodes, block)
    _refuse_twice(node_path, nodes.id, nodes.in_order)
    columns = _node_columns(nodes)
    if labels or ontology:
        found_columns, notes = _regions(nodes, labels, ontology, unit)
        columns, warnings = columns | found_columns, warnings + notes
    edges = Edges()
    degree, rows = nodes.degree.load(), None if nodes.in_order else _RowOf(nodes.id.load())
    for block in read_blocks(edge_path, headers[1], EDGES, block_bytes=block_bytes):
        _take_edges(edge_path, edges, block, degree, rows)
    _refuse_twice(edge_path, edges.id, edges.in_order)
    convention = _convention(edges.misfits)
    groups: dict[str, xr.Dataset] = {}
    for path in paths[2:]:
        found, tables, notes = read_companion(path, nodes.id, nodes.position, block_bytes=block_bytes)
        if "region" in columns and "region" in found:
            raise UsageError("two sources of regions", subject=str(path), hint="give labels or one companion")
        columns, groups, warnings = columns | found, groups | tables, warnings + notes
    ends = [spool.load() for spool in edges.end]
    warnings += _doubts(node_path, edge_path, nodes, edges, degree, ends, convention)
    ids = nodes.id.load().astype(np.int64, copy=False)
    graph = spatial_graph(
        node=ids,
        position=_positions(nodes),
        position_units=unit,
        source=ends[0],
        target=ends[1],
        nodes=columns,
        edges=_edge_columns(edges, unit, convention),
        subject=str(edge_path),
        degree_convention=convention,
        **about,
    )
    return schema.record({group: graph, **groups}, warnings=warnings)


def companions(paths: list[Path], *, labels: str | Path = "", ontology: str | Path = "", **_: Any) -> list[Path]:
    """Return the tables, and what options name."""
    return [*paths, *(Path(path) for path in (labels, ontology) if path)]


def _regions(nodes: Nodes, labels: str | Path, ontology: str | Path, unit: str) -> tuple[dict[str, Column], list[Note]]:
    if not labels or not ontology or unit != "voxel":
        raise UsageError(
            "regions need a volume of labels, a list of structures, and positions in voxels",
            subject="labels" if not labels else "ontology",
            hint="--option labels=LABELS.nii.gz --option ontology=ONTOLOGY.xml --option voxel_size_um=3",
        )
    structures, volume = read_ontology(ontology), LabelVolume(Path(labels))
    try:
        # The volume comes with its axes reversed.
        found, inside = annotate(_positions(nodes)[:, ::-1], volume)
    finally:
        volume.close()
    columns, counts = region_columns(structures, found, inside)
    messages = {
        "outside": "nodes lie outside the volume of labels: they have no region",
        "unlisted": "nodes have a label that no structure of the list has",
    }
    place = Path(labels).name
    notes = [
        warning(f"regions-{what}", place, f"{counts[what]} {text}") for what, text in messages.items() if counts[what]
    ]
    return dict(columns), notes


def _header(path: Path, columns: Mapping[str, Kind]) -> Header:
    refuse_pointer(path)
    header = read_header(path)
    missing = [name for name in columns if name not in header.names]
    if missing:
        other = NODES if columns is EDGES else EDGES
        swapped = all(name in header.names for name in other)
        raise FormatError(
            "columns are missing",
            subject=str(path),
            place=f"{path.name}:1",
            expected=", ".join(missing),
            found=header.separator.join(header.names)[:300],
            hint="first the table of nodes, then that of edges" if swapped else None,
        )
    return header


def _unknown(path: Path, header: Header, columns: Mapping[str, Kind]) -> list[Note]:
    unknown = [name for name in header.names if name not in columns]
    if not unknown:
        return []
    return [warning("columns-not-stored", path.name, f"columns that Voreen does not write: {', '.join(unknown)}")]


def _line(path: Path, block: Block, wrong: Array) -> str:
    return f"{path.name}:{block.first + int(np.flatnonzero(wrong)[0]) + FIRST_LINE}"


def _take_nodes(path: Path, nodes: Nodes, block: Block) -> None:
    for name, spool in zip(POSITION, nodes.position, strict=True):
        values = block.columns[name]
        wrong = ~np.isfinite(values)
        if wrong.any():
            raise FormatError(
                "a node's position is not finite",
                subject=str(path),
                place=_line(path, block, wrong),
                expected=f"{name}: a finite number",
                found=str(values[wrong][0]),
            )
        spool.append(values)
    ids = block.columns["id"]
    nodes.in_order = nodes.in_order and np.array_equal(ids, np.arange(block.first, block.first + block.n_rows))
    nodes.id.append(ids)
    nodes.degree.append(_not_negative(path, block, "degree"))
    nodes.border.append(_flag(path, block, "isAtSampleBorder"))


def _take_edges(path: Path, edges: Edges, block: Block, degree: Array, rows: _RowOf | None) -> None:
    ids = block.columns["id"]
    edges.in_order = edges.in_order and np.array_equal(ids, np.arange(block.first, block.first + block.n_rows))
    edges.id.append(ids)
    ends = []
    for name, spool in zip(ENDS, edges.end, strict=True):
        end = block.columns[name] if rows is None else rows(block.columns[name])
        wrong = (end < 0) | (end >= len(degree))
        if wrong.any():
            raise FormatError(
                "an edge ends at a node that is not listed",
                subject=str(path),
                place=_line(path, block, wrong),
                expected=f"{name}: an id of the table of nodes ({len(degree)} nodes)",
                found=str(block.columns[name][wrong][0]),
            )
        spool.append(end)
        ends.append(end)
    given = [_not_negative(path, block, name) for name in DEGREES]
    listed = [degree[end] for end in ends]
    edges.misfits["processed"] += int(((given[0] != listed[0]) | (given[1] != listed[1])).sum())
    ordered = np.minimum(*listed), np.maximum(*listed)
    edges.misfits["raw"] += int(((given[0] != ordered[0]) | (given[1] != ordered[1])).sum())
    for spool, values in zip(edges.degree, given, strict=True):
        spool.append(values)
    edges.voxels.append(_not_negative(path, block, "num_voxels"))
    edges.border.append(_flag(path, block, "hasNodeAtSampleBorder"))
    flat = block.columns["distance"] == 0
    for value, number in zip(*np.unique(block.columns["curveness"][flat], return_counts=True), strict=True):
        edges.zero_distance[float(value)] = edges.zero_distance.get(float(value), 0) + int(number)
    unmeasured = block.columns["volume"] == NO_VALUE
    for name, about in MEASURES.items():
        values = block.columns[name]
        none = ~np.isfinite(values)
        if about.sentinel:
            # A quotient of what is missing is missing.
            none |= unmeasured if name == "avgCrossSection" else values == NO_VALUE
        n_none = int(none.sum())
        if n_none:
            edges.missing[name] = edges.missing.get(name, 0) + n_none
            values = np.where(none, np.nan, values)
        edges.measure[name].append(values)


def _not_negative(path: Path, block: Block, name: str) -> Array:
    values: Array = block.columns[name]
    if len(values) and values.min() < 0:
        raise FormatError(
            "a count is negative",
            subject=str(path),
            place=_line(path, block, values < 0),
            expected=f"{name}: 0 or more",
            found=str(values[values < 0][0]),
        )
    return values


def _flag(path: Path, block: Block, name: str) -> Array:
    values: Array = block.columns[name]
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise FormatError(
            "neither yes nor no",
            subject=str(path),
            place=_line(path, block, wrong),
            expected=f"{name}: 0 or 1",
            found=str(values[wrong][0]),
        )
    return values


class _RowOf:
    """From ids that are no row numbers to rows; -1 for an id that no row has."""

    def __init__(self, ids: Array) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def __call__(self, wanted: Array) -> Array:
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        if not len(self._sorted):
            return np.full(len(wanted), -1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)


def _refuse_twice(path: Path, ids: Spool, in_order: bool) -> None:
    if in_order:
        return
    values = ids.load()
    order = np.argsort(values, kind="stable")
    again = np.flatnonzero(np.diff(values[order]) == 0)
    if len(again):
        row = int(order[again + 1].min())
        raise FormatError(
            "an id is there twice",
            subject=str(path),
            place=f"{path.name}:{row + FIRST_LINE}",
            expected="different ids",
            found=f"{values[row]} ({len(again)} rows with an id that an earlier row has)",
        )


def _convention(misfits: Mapping[str, int]) -> str:
    fitting = [name for name, number in misfits.items() if not number]
    return {0: "neither", 1: fitting[0] if fitting else "", 2: "ambiguous"}[len(fitting)]


def _positions(nodes: Nodes) -> Array:
    dtype = max((spool.dtype for spool in nodes.position), key=lambda dtype: dtype.itemsize)
    position = np.empty((len(nodes.id), len(POSITION)), dtype=dtype)
    for axis, spool in enumerate(nodes.position):
        position[:, axis] = spool.load(position.dtype)
    return position


def _node_columns(nodes: Nodes) -> dict[str, Column]:
    return {
        "degree": nodes.degree.column(
            "node", "Edge rows at the node as the file lists it, a self loop twice", "1", source_column="degree"
        ),
        "at_sample_border": nodes.border.column(
            "node", "Whether the node lies at the border of the sample", None, source_column="isAtSampleBorder"
        ),
    }


def _edge_columns(edges: Edges, unit: str, convention: str) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name, about in MEASURES.items():
        units = about.units.format(unit) if unit != "1" else "1"
        sentinel: dict[str, Any] = {"missing_sentinel": NO_VALUE} if about.sentinel else {}
        if name == "curveness":
            sentinel = {"missing_sentinel": "inf"}
        columns[about.name] = edges.measure[name].column("edge", about.long_name, units, source_column=name, **sentinel)
    for name, spool in zip(DEGREES, edges.degree, strict=True):
        columns[name] = spool.column("edge", DEGREE_MEANING[convention], "1", source_column=name)
    columns["n_voxels"] = edges.voxels.column("edge", "Voxels of the centre line", "1", source_column="num_voxels")
    columns["ends_at_sample_border"] = edges.border.column(
        "edge", "Whether an end lies at the border of the sample", None, source_column="hasNodeAtSampleBorder"
    )
    if not edges.in_order:
        columns["edge_id"] = edges.id.column("edge", "Id of the edge in the file", "1", source_column="id")
    return columns


def _doubts(
    node_path: Path,
    edge_path: Path,
    nodes: Nodes,
    edges: Edges,
    degree: Array,
    ends: Sequence[Array],
    convention: str,
) -> list[Note]:
    """Return what is odd but usable."""
    notes: list[Note] = []
    for path, in_order in ((node_path, nodes.in_order), (edge_path, edges.in_order)):
        if not in_order:
            notes.append(
                warning("ids-not-row-numbers", path.name, "ids are not 0, 1, 2, ...: they are kept as they are")
            )
    counted = np.zeros(len(degree), dtype=np.int64)
    for end in ends:
        counted += np.bincount(end, minlength=len(degree))
    n_other = int((counted != degree).sum())
    if n_other:
        message = f"{n_other} nodes have another degree than the edge rows at them: is the table of edges whole?"
        notes.append(warning("degree-differs", node_path.name, message))
    if convention == "neither":
        least = min(edges.misfits.values())
        notes.append(
            warning("degree-convention", edge_path.name, f"{DEGREE_MEANING[convention]} ({least} rows at least)")
        )
    for name, number in edges.missing.items():
        notes.append(warning("missing-values", f"{edge_path.name}:{name}", f"{number} edges without a value"))
    for value, number in sorted(edges.zero_distance.items()):
        message = f"{number} edges whose ends are at one place, with curveness {value:g}"
        notes.append(warning("zero-distance", edge_path.name, message))
    return notes
