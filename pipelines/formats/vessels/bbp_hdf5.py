"""The three HDF5 layouts of vasculature of the Blue Brain Project: points, sections, SONATA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, table

from ..files.hdf5_file import dataset, dataset_paths, open_hdf5, read_array
from ..graphs.polylines import Polylines, Tolerance, joined_rows, merged

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Network", "is_layout", "pairs_of_ends", "read_hdf5", "whole_numbers"]

Array = np.ndarray[Any, Any]
ENDS = ("start", "end")
COORDINATES = ("x", "y", "z")
MOST_EXPANSION = 1100
"""A file of compressed chunks unpacks to at most about 1032 times its size (deflate, RFC 1951)."""


@dataclass(frozen=True)
class Network:
    """What a file says, and in which layout."""

    layout: str
    drawn: Polylines
    joined: Array | None = None
    direction: str = "from the first point of the edge to its second"
    tables: Mapping[str, xr.Dataset] = field(default_factory=dict)


def is_layout(file: h5py.File) -> bool:
    """Tell whether an HDF5 file is one of the layouts."""
    return _layout(file) != ""


def _layout(file: h5py.File) -> str:
    if all(_inside(file, name) for name in ("points", "structure", "connectivity")):
        return "section"
    if _inside(file, "points") and _inside(file, "edges"):
        return "point"
    return "sonata" if _populations(file) else ""


def _inside(file: h5py.File, place: str) -> Any:
    """Return what a path leads to without following a link, or None."""
    held: Any = file
    for name in place.split("/"):
        try:
            link = held.get(name, getlink=True)
        except (KeyError, AttributeError):
            return None
        held = held.get(name) if isinstance(link, h5py.HardLink) else None
    return held


def _populations(file: h5py.File) -> list[str]:
    nodes = _inside(file, "nodes")
    if not isinstance(nodes, h5py.Group):
        return []
    return [name for name in sorted(nodes) if isinstance(_inside(file, f"nodes/{name}/0/start_x"), h5py.Dataset)]


def read_hdf5(path: Path, merge_points: Tolerance = "none") -> Network:
    """Read a file of any of the layouts.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    merge_points : str or float
        How far the ends of connected sections may lie apart: not at all, unless it is a length.

    Raises
    ------
    FormatError
        When the file is none of them or contradicts itself; ``TruncatedError`` when it ends early.
    """
    subject = str(path)
    with open_hdf5(path) as file:
        layout = _layout(file)
        _check_sizes(file, path)
        if layout == "section":
            return _sections(file, subject, merge_points)
        if layout == "point":
            return _points(file, subject)
        populations = _populations(file)
        if len(populations) == 1:
            return _sonata(file, populations[0], subject)
        raise FormatError(
            "not a vasculature" if not populations else "more than one vasculature",
            subject=subject,
            expected="points and edges; points, structure and connectivity; or nodes/POPULATION/0/start_x",
            found=", ".join(populations or list(file)[:8]) or "an empty file",
        )


def _check_sizes(file: h5py.File, path: Path) -> None:
    """Raise when a dataset claims more than its file can hold."""
    for place in dataset_paths(file, subject=str(path)):
        held = dataset(file, place, subject=str(path))
        if held.size is not None and held.nbytes > MOST_EXPANSION * path.stat().st_size:
            raise FormatError(
                "a dataset claims more than the file can hold",
                subject=str(path),
                place=f"/{place}",
                expected=f"at most {MOST_EXPANSION} times {path.stat().st_size} bytes",
                found=f"shape {held.shape} of {held.dtype}",
            )


def whole_numbers(values: Array, subject: str, place: str) -> Array:
    """Return an array as int64; raise unless every value is a whole number of 64 bits."""
    whole = values.astype(np.int64) if values.dtype.kind in "iu" else None
    if whole is not None and values.dtype.kind == "u" and (values > np.iinfo(np.int64).max).any():
        whole = None
    if whole is None and values.dtype.kind == "f" and (np.abs(values) < 2**53).all() and (values % 1 == 0).all():
        whole = values.astype(np.int64)
    if whole is None:
        raise FormatError("not whole numbers", subject=subject, place=place, expected="whole numbers of 64 bits")
    return whole


def _table(file: h5py.File, place: str, width: int, subject: str) -> Array:
    """Return a dataset of that many columns; an empty one may have lost its second axis."""
    values = read_array(file, place, subject=subject)
    if values.size == 0 and values.ndim in {1, 2}:
        return values.reshape(0, width)
    if values.ndim != 2 or values.shape[1] != width:
        raise FormatError(
            "a dataset has another shape",
            subject=subject,
            place=f"/{place}",
            expected=f"(rows, {width})",
            found=str(values.shape),
        )
    return values


def _properties(file: h5py.File, group: str, n_rows: int, subject: str) -> dict[str, Array]:
    """Return the datasets of a group by name, each with a row per point or edge."""
    found: dict[str, Array] = {}
    held = file.get(group)
    for name in sorted(held) if isinstance(held, h5py.Group) else ():
        if not isinstance(held.get(name), h5py.Dataset):
            continue
        values = read_array(file, f"{group}/{name}", subject=subject)
        if values.ndim not in {1, 2} or len(values) != n_rows:
            raise FormatError(
                "a property does not fit",
                subject=subject,
                place=f"/{group}/{name}",
                expected=f"{n_rows} rows",
                found=str(values.shape),
            )
        found[name] = values
    return found


def _points(file: h5py.File, subject: str) -> Network:
    position = _table(file, "points", 3, subject)
    edges = whole_numbers(_table(file, "edges", 2, subject), subject, "/edges")
    return Network(
        "point",
        Polylines(
            position=position,
            line_ptr=np.arange(0, 2 * len(edges) + 1, 2, dtype=np.int64),
            vertex=edges.ravel(),
            points=_properties(file, "point_properties", len(position), subject),
            lines=_properties(file, "edge_properties", len(edges), subject),
            units={"type": "1"},
        ),
    )


def _sections(file: h5py.File, subject: str, merge_points: Tolerance) -> Network:
    points = _table(file, "points", 4, subject)
    structure = whole_numbers(_table(file, "structure", 2, subject), subject, "/structure")
    pairs = whole_numbers(_table(file, "connectivity", 2, subject), subject, "/connectivity")
    start = structure[:, 0]
    pointer = np.append(start, len(points))
    bad = np.flatnonzero(np.diff(pointer) < 1)
    if len(bad) or (len(start) and start[0] != 0) or (len(points) and not len(start)):
        row = int(bad[0]) if len(bad) else 0
        raise FormatError(
            "the sections do not follow one another",
            subject=subject,
            place=f"/structure, row {row}",
            expected=f"first points that rise from 0 and stay below {len(points)}",
            found=str(pointer[row : row + 2].tolist()),
        )
    outside = np.flatnonzero(((pairs < 0) | (pairs >= len(start))).any(axis=1))
    if len(outside):
        raise FormatError(
            "a section is not there",
            subject=subject,
            place=f"/connectivity, row {int(outside[0])}",
            expected=f"sections from 0 to {len(start) - 1}",
            found=str(pairs[outside[0]].tolist()),
        )
    position = points[:, :3]
    drawn = Polylines(
        position=position,
        line_ptr=pointer,
        vertex=np.arange(len(points), dtype=np.int64),
        points={"diameter": points[:, 3]},
        lines={"type": structure[:, 1]},
        units={"type": "1"},
    )
    joined = None
    # Positions that are not finite are refused by whoever makes the graph.
    if np.isfinite(position).all():
        first, second = pairs_of_ends(position, pointer, pairs, merge_points, subject)
        joined = joined_rows(len(points), first, second)
    connections = table(
        {
            "section": column("row", pairs[:, 0], "Row of the section", "1"),
            "next_section": column("row", pairs[:, 1], "Row of the section that it touches", "1"),
        }
    )
    return Network(
        "section",
        drawn,
        joined,
        "from the first point of the section to its last",
        {"connections": connections} if len(pairs) else {},
    )


def pairs_of_ends(
    position: Array, pointer: Array, pairs: Array, merge_points: Tolerance, subject: str
) -> tuple[Array, Array]:
    """Return the points at which connected sections touch, shape (touch,) each.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (point, 3), finite.
    pointer : numpy.ndarray
        Shape (section + 1,).
    pairs : numpy.ndarray
        Shape (pair, 2), sections.
    merge_points : str or float
        A length by which ends may differ; otherwise they are equal.
    subject : str
        The file, for errors.

    Raises
    ------
    FormatError
        When no end of one section lies where an end of the other does.
    """
    place = merged(position, "exact" if merge_points in {"none", "exact"} else merge_points)
    ends = np.stack([pointer[:-1], pointer[1:] - 1], axis=1)
    firsts, seconds = [], []
    touching = np.zeros(len(pairs), dtype=bool)
    for one in range(2):
        for other in range(2):
            first, second = ends[pairs[:, 0], one], ends[pairs[:, 1], other]
            same = place[first] == place[second]
            touching |= same
            firsts.append(first[same])
            seconds.append(second[same])
    apart = np.flatnonzero(~touching)
    if len(apart):
        row = int(apart[0])
        raise FormatError(
            "connected sections do not touch",
            subject=subject,
            place=f"/connectivity, row {row}",
            expected="an end of each at one place",
            found=f"sections {pairs[row].tolist()} ({len(apart)} such pairs)",
            hint="--option merge_points=LENGTH lets ends lie apart",
        )
    return np.concatenate(firsts), np.concatenate(seconds)


def _sonata(file: h5py.File, population: str, subject: str) -> Network:
    base = f"nodes/{population}/0"
    arrays = {name: values for name, values in _fitting(file, base, subject).items() if values.ndim == 1}
    names = {end: next((name for name in (f"{end}_node", f"{end}_node_id") if name in arrays), "") for end in ENDS}
    wanted = [f"{end}_{axis}" for end in ENDS for axis in COORDINATES]
    missing = [name for name in wanted if name not in arrays] + [f"{end}_node" for end in ENDS if not names[end]]
    if missing:
        raise FormatError(
            "columns are missing", subject=subject, place=f"/{base}", expected=", ".join(missing), found="others"
        )
    ends = [whole_numbers(arrays[names[end]], subject, f"/{base}/{names[end]}") for end in ENDS]
    ids, row = np.unique(np.concatenate(ends), return_inverse=True)
    n_edges = len(ends[0])
    position = np.stack([np.concatenate([arrays[f"{end}_{axis}"] for end in ENDS]) for axis in COORDINATES], axis=1)
    first = np.unique(row, return_index=True)[1]
    elsewhere = np.flatnonzero((position != position[first][row]).any(axis=1) & np.isfinite(position).all(axis=1))
    if len(elsewhere):
        at = int(elsewhere[0])
        raise FormatError(
            "a node is at two places",
            subject=subject,
            place=f"/{base}, row {at % n_edges}",
            expected=f"node {ids[row[at]]} at {position[first][row[at]].tolist()}",
            found=str(position[at].tolist()),
        )
    points = {}
    used = {*wanted, *names.values()}
    if all(f"{end}_diameter" in arrays for end in ENDS):
        diameter = np.concatenate([arrays[f"{end}_diameter"] for end in ENDS])
        if np.array_equal(diameter, diameter[first][row], equal_nan=True):
            points["diameter"] = diameter[first]
            used |= {f"{end}_diameter" for end in ENDS}
    lines = {name: values for name, values in arrays.items() if name not in used}
    for name in sorted(set(lines) & set(file.get(f"{base}/@library") or ())):
        lines[name] = _spelled(file, base, name, lines[name], subject)
    units = dict.fromkeys(("type", "section_id", "segment_id", "model_type", "node_type_id"), "1")
    return Network(
        "sonata",
        Polylines(
            position=position[first],
            line_ptr=np.arange(0, 2 * n_edges + 1, 2, dtype=np.int64),
            vertex=np.stack([row[:n_edges], row[n_edges:]], axis=1).ravel(),
            points=points,
            lines=lines,
            point_id=ids,
            units=units,
        ),
    )


def _spelled(file: h5py.File, base: str, name: str, codes: Array, subject: str) -> Array:
    """Return the texts that a SONATA library gives for the numbers of a column."""
    place = f"{base}/@library/{name}"
    texts = np.array([str(text) for text in dataset(file, place, subject=subject).asstr()[()]], dtype=object)
    codes = whole_numbers(codes, subject, f"/{base}/{name}")
    if len(codes) and (codes.min() < 0 or codes.max() >= len(texts)):
        raise FormatError(
            "a column has a number that its library does not",
            subject=subject,
            place=f"/{base}/{name}",
            expected=f"0 to {len(texts) - 1}",
            found=f"{codes.min()} to {codes.max()}",
        )
    return texts[codes]


def _fitting(file: h5py.File, base: str, subject: str) -> dict[str, Array]:
    """Return the columns of a SONATA population: those of the group, and those of the population beside it."""
    n_rows = len(read_array(file, f"{base}/start_x", subject=subject))
    columns = _properties(file, base, n_rows, subject)
    return {**_properties(file, base.rpartition("/")[0], n_rows, subject), **columns}
