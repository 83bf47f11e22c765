"""The format ``ogb``: archives of the Open Graph Benchmark in their binary form (``raw/data.npz``), with their splits.

What the layout states (``ogb/io/read_graph_raw.py``, Hu et al. 2020, NeurIPS, arXiv:2005.00687): ``edge_index``
(2, edge), ``num_nodes_list`` and ``num_edges_list`` with one entry per graph, ``node_*`` arrays by node and ``edge_*``
arrays by edge; ``add_inverse_edge`` is not allowed, so what is listed is all there is. ``ogbl-vessel`` (Paetzold et
al. 2021) has the training edges only, every one in both directions, and positions alone as ``node_feat``; the edges
to be predicted are in its split ``spatial``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import category, column, graph, record, table, warning

from ...homogenise.spatial_graph import spatial_graph
from ..files.npz_arrays import read_npz
from ..files.torch_file import read_torch_file
from ..tables.listed_columns import edge_column_names, node_column_names
from .ogb_archive import DATA, LABEL, OgbArchive, open_archive
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["PARTS", "both_directions", "companions", "read", "sniff"]

Array = np.ndarray[Any, Any]

PARTS = ("train", "valid", "test")
_NEEDED = ("edge_index", "num_nodes_list", "num_edges_list")
_LISTS = {"edge": "positive", "edge_neg": "negative"}
_NO_POSITION = "none"


def sniff(path: Path) -> bool:
    """Tell whether a file is, or holds, the arrays of an OGB graph."""
    import zipfile

    if path.stat().st_size and path.name.lower().endswith(".npz"):
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _NEEDED} <= set(archive.namelist())
    return DATA in open_archive(path)


def companions(paths: list[Path], **_: Any) -> list[Path]:
    """Return every file that is read: with a folder, or its ``raw/data.npz``, come labels and splits."""
    archive = open_archive(paths[0])
    return [*archive.files.values(), *paths[1:]] if archive.files else list(paths)


def read(
    paths: list[Path],
    *,
    graph_number: int = -1,
    split: str = "",
    position: str = "",
    units: str = "",
    voxel_size_um: VoxelSize = "",
    directed: bool = False,
    edge_type: str = "vessel",
    group: str = "vessels",
) -> xr.DataTree:
    """Read one graph.

    Parameters
    ----------
    paths : list of pathlib.Path
        One folder, ``.zip``, or ``raw/data.npz``.
    graph_number : int
        Which graph, from 0; may be left out when there is one.
    split : str
        Which split; may be left out when there is one. ``"none"`` for none.
    position : str
        Columns of ``node_feat``, from 0, that are the position: ``"0,1,2"``, which is the default where it has three
        columns; ``"none"`` leaves it as it is.
    units, voxel_size_um
        Unit of the positions; must be stated where there are positions.
    directed : bool
        Whether edges lead from source to target. Where the rows list every edge in both directions, as in
        ``ogbl-vessel``, they are directed rows anyway, and the description of the type says so.
    edge_type, group : str
        Type of the edges; path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph, whose node ids are the rows of the archive. A split of links gives the tables
        ``links/PART/positive`` and ``links/PART/negative/SPLIT``; one of nodes gives the node column ``part``.

    Raises
    ------
    FormatError
        When an array is missing, contradicts another, or an edge has no node.
    UnsafeError
        When an array or a split would have to be unpickled to be read.
    UsageError
        When the options do not suffice.
    """
    if len(paths) != 1:
        raise UsageError("one archive is one graph", subject="ogb", found=f"{len(paths)} files")
    archive = open_archive(paths[0])
    subject = archive.subject(DATA)
    with archive.open(DATA) as stream:
        arrays = read_npz(stream, subject=subject)
    if LABEL in archive:
        with archive.open(LABEL) as stream:
            labels = read_npz(stream, subject=archive.subject(LABEL))
        arrays |= {name: values for name, values in labels.items() if name == "node_label"}
    ends, of_nodes, of_edges = _one_graph(arrays, graph_number, subject)
    n_nodes = of_nodes.pop("")
    notes: list[Note] = []
    chosen = _position_columns(position, of_nodes.get("node_feat"), subject)
    columns: dict[str, Array] = {name.removeprefix("node_"): values for name, values in of_nodes.items()}
    if chosen:
        feat = columns.pop("feat")
        places = feat[:, list(chosen)]
        rest = np.delete(feat, list(chosen), axis=1)
        columns |= {"feat": rest} if rest.shape[1] else {}
    edge_columns = {name.removeprefix("edge_"): values for name, values in of_edges.items()}
    stored = edge_column_names(edge_columns)
    edges = {stored[name]: _array("edge", name, values) for name, values in edge_columns.items()}
    names = node_column_names(columns, {*stored.values(), "part", "weight"})
    nodes = {names[name]: _array("node", name, values) for name, values in columns.items()}
    groups = _split(archive, split, n_nodes, nodes, notes)
    both = both_directions(ends, n_nodes)
    about: dict[str, Any] = {
        "directed": directed or both,
        "weight_units": "",
        "weight_meaning": "none: the edge table holds what was measured",
        "lineage": "",
    }
    if both:
        about["comment"] = "the archive lists every edge in both directions"
    if any(name.startswith("links/train") for name in groups):
        about["rows"] = "the edges that the archive gives: those for training"
    common: dict[str, Any] = {
        "node": np.arange(n_nodes), "source": ends[0], "target": ends[1], "edge_type": edge_type,
        "edge_types": {edge_type: about}, "nodes": nodes, "edges": edges,
    }  # fmt: skip
    if chosen:
        unit, attrs = stated_units(units, voxel_size_um, n_axes=len(chosen), subject=subject)
        dataset = spatial_graph(position=places, position_units=unit, subject=subject, **common, **attrs)
        place = np.empty(n_nodes, dtype=np.int64)
        place[dataset["node"].values] = np.arange(n_nodes)
    else:
        if units or voxel_size_um:
            raise UsageError("no columns of node_feat are the position", subject=subject, place="option position")
        dataset, place = graph(**common), np.arange(n_nodes)
    tables = {name: _links(pairs, place) for name, pairs in groups.items()}
    return record({group: dataset, **tables}, warnings=notes, title=paths[0].stem)


def _one_graph(
    arrays: Mapping[str, Array], number: int, subject: str
) -> tuple[Array, dict[str, Any], dict[str, Array]]:
    """Return the ends (2, edge), the arrays by node (the number of nodes under ``""``) and those by edge."""
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise FormatError(
            "arrays are missing", subject=subject, expected=", ".join(_NEEDED), found=f"no {', '.join(missing)}"
        )
    index, n_nodes, n_edges = (arrays[name] for name in _NEEDED)
    if index.ndim != 2 or index.shape[0] != 2 or index.dtype.kind not in "iu":
        raise FormatError(
            "not the ends of edges", subject=subject, place="edge_index", expected="whole numbers of shape (2, edge)",
            found=f"{index.dtype} {index.shape}",
        )  # fmt: skip
    counts = []
    for name, values in (("num_nodes_list", n_nodes), ("num_edges_list", n_edges)):
        flat = values.ravel()
        if flat.dtype.kind not in "iu" or len(flat) != n_nodes.size or not len(flat) or (flat < 0).any():
            raise FormatError(
                "not a count per graph", subject=subject, place=name, expected="whole numbers, one per graph",
                found=f"{values.dtype} {values.shape}",
            )  # fmt: skip
        counts.append([int(value) for value in flat.tolist()])
    if number < 0 and len(counts[0]) > 1:
        raise UsageError(
            "the archive has several graphs", subject=subject, place="option graph_number",
            expected=f"0 to {len(counts[0]) - 1}", hint="--option graph_number=0",
        )  # fmt: skip
    number = max(number, 0)
    if number >= len(counts[0]):
        raise UsageError("no such graph", subject=subject, place="option graph_number", found=str(number))
    totals = {"node": sum(counts[0]), "edge": sum(counts[1])}
    lengths = {name: values.shape[1] if name == "edge_index" else len(values) if values.ndim else -1
               for name, values in arrays.items() if name[:5] in {"node_", "edge_"}}  # fmt: skip
    for name, length in lengths.items():
        if length != totals[name[:4]]:
            raise FormatError(
                "an array has another length than the counts say", subject=subject, place=name,
                expected=f"{totals[name[:4]]} {name[:4]}s", found=str(length),
            )  # fmt: skip
    unknown = sorted(set(arrays) - set(lengths) - set(_NEEDED))
    if unknown:
        raise FormatError(
            "an array of neither nodes nor edges",
            subject=subject,
            expected="node_*, edge_*",
            found=unknown[0],
        )
    first = [sum(listed[:number]) for listed in counts]
    own = [slice(at, at + listed[number]) for at, listed in zip(first, counts, strict=True)]
    ends = index[:, own[1]].astype(np.int64)
    bad = np.flatnonzero(((ends < 0) | (ends >= counts[0][number])).any(axis=0))
    if len(bad):
        raise FormatError(
            "an edge ends at a node that is not listed", subject=subject, place=f"edge_index, column {int(bad[0])}",
            expected=f"0 to {counts[0][number] - 1}", found=f"{ends[:, bad[0]].tolist()} ({len(bad)} such edges)",
        )  # fmt: skip
    of_nodes: dict[str, Any] = {name: arrays[name][own[0]] for name in lengths if name.startswith("node_")}
    of_edges = {name: arrays[name][own[1]] for name in lengths if name.startswith("edge_") and name != "edge_index"}
    return ends, {**of_nodes, "": counts[0][number]}, of_edges


def _position_columns(wanted: str, feat: Array | None, subject: str) -> tuple[int, ...]:
    n_columns = feat.shape[1] if feat is not None and feat.ndim == 2 else 0
    if wanted == _NO_POSITION or (not wanted and n_columns != 3):
        return ()
    texts = (wanted or "0,1,2").split(",")
    numbers = tuple(int(text) if text.strip().isdecimal() else -1 for text in texts)
    if len(set(numbers)) != len(numbers) or len(numbers) not in {2, 3} or not set(numbers) <= set(range(n_columns)):
        raise UsageError(
            "not columns of node_feat", subject=subject, place="option position",
            expected=f"two or three numbers from 0 to {n_columns - 1}" if n_columns else "none: there is no node_feat",
            found=wanted,
        )  # fmt: skip
    return numbers


def _array(dim: str, name: str, values: Array) -> xr.Variable:
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    dims = (dim, *(f"{dim}_{name}_{axis}" for axis in range(1, flat.ndim)))
    units = None if flat.dtype.kind == "b" else "unknown"
    return column(dims, flat, f"{dim}_{name}, as the archive gives it", units)


def both_directions(ends: Array, n_nodes: int) -> bool:
    """Tell whether every row has its opposite: as many rows each way between any two nodes."""
    there, back = ends[0] * n_nodes + ends[1], ends[1] * n_nodes + ends[0]
    loops = bool((ends[0] == ends[1]).all())
    return ends.shape[1] > 0 and not loops and bool(np.array_equal(np.sort(there), np.sort(back)))


def _split(
    archive: OgbArchive, wanted: str, n_nodes: int, nodes: dict[str, xr.Variable], notes: list[Note]
) -> dict[str, Array]:
    """Return pairs of nodes by the path of their table; put parts of nodes among the nodes' columns."""
    if wanted == _NO_POSITION or (not wanted and not archive.splits):
        return {}
    if wanted not in archive.splits and (wanted or len(archive.splits) > 1):
        raise UsageError(
            "which split" if not wanted else "no such split", subject=str(archive.path), place="option split",
            expected=" or ".join([*archive.splits, _NO_POSITION]), found=wanted or "nothing",
        )  # fmt: skip
    name = wanted or archive.splits[0]
    pairs: dict[str, Array] = {}
    part_of = np.full(n_nodes, -1, dtype=np.int64)
    for at, (part, values, subject) in enumerate(_parts(archive, name)):
        if isinstance(values, np.ndarray):
            rows = _indices(values.reshape(-1), n_nodes, subject, part)
            if (part_of[rows] >= 0).any():
                raise FormatError("a node is in two parts", subject=subject, place=part)
            part_of[rows] = at
            continue
        for key, listed in values.items():
            if key not in _LISTS or not isinstance(listed, np.ndarray) or listed.ndim != 2 or listed.shape[1] != 2:
                message = "not two nodes per row, which is what is read"
                notes.append(warning("not-stored", f"split/{name}, {part}/{key}", message))
                continue
            path = f"links/{part}/{_LISTS[key]}" + (f"/{name}" if key == "edge_neg" else "")
            pairs[path] = _indices(listed, n_nodes, subject, f"{part}/{key}")
    if (part_of >= 0).any():
        words = np.array([*PARTS, ""], dtype=object)[part_of]
        nodes["part"] = category("node", words.tolist(), PARTS, f"Part of the split {name}")
    return pairs


def _parts(archive: OgbArchive, name: str) -> list[tuple[str, Any, str]]:
    """Return (part, arrays, file) of all parts."""
    folder = f"split/{name}"
    if f"{folder}/split_dict.npz" in archive:
        subject = archive.subject(f"{folder}/split_dict.npz")
        with archive.open(f"{folder}/split_dict.npz") as stream:
            arrays = read_npz(stream, subject=subject)
        found: dict[str, Any] = {}
        for part in PARTS:
            own = {key.removeprefix(f"{part}_"): values for key, values in arrays.items() if key.startswith(f"{part}_")}
            found |= {part: arrays[part]} if part in arrays else {part: own} if own else {}
        files = dict.fromkeys(found, subject)
    elif f"{folder}/split_dict.pt" in archive:
        subject = archive.subject(f"{folder}/split_dict.pt")
        with archive.open(f"{folder}/split_dict.pt") as stream:
            found = read_torch_file(stream, subject=subject)
        files = dict.fromkeys(PARTS, subject)
    else:
        found, files = {}, {}
        for part in PARTS:
            if f"{folder}/{part}.pt" in archive:
                files[part] = archive.subject(f"{folder}/{part}.pt")
                with archive.open(f"{folder}/{part}.pt") as stream:
                    found[part] = read_torch_file(stream, subject=files[part])
    given = found if isinstance(found, dict) else {}
    absent = [part for part in PARTS if not isinstance(given.get(part), (dict, np.ndarray))]
    if absent:
        raise TruncatedError(
            "the split lacks parts", subject=str(archive.path), place=folder, expected=", ".join(PARTS),
            found=f"no {', '.join(absent)}",
        )  # fmt: skip
    return [(part, given[part], files[part]) for part in PARTS]


def _indices(values: Array, n_nodes: int, subject: str, place: str) -> Array:
    if values.dtype.kind not in "iu" or (values.size and (values.min() < 0 or values.max() >= n_nodes)):
        raise FormatError(
            "the split names nodes that are not listed", subject=subject, place=place,
            expected=f"whole numbers from 0 to {n_nodes - 1}",
            found=f"{values.dtype}" + (f", {values.min()} to {values.max()}" if values.size else ""),
        )  # fmt: skip
    return values.astype(np.int64)


def _links(pairs: Array, place: Array) -> xr.Dataset:
    columns: dict[str, xr.Variable] = {}
    for at, end in enumerate(("source", "target")):
        columns[end] = column("row", place[pairs[:, at]], f"Node of the graph ({end})", "1")
        columns[f"{end}_id"] = column("row", pairs[:, at], f"Id of that node ({end})", "1")
    return table(columns)
