"""SWC files: trees of points with a radius, of neurons and of vessels.

A line is ``id type x y z radius parent``, with -1 for no parent and ``#`` before comments (Cannon et al. 1998, Journal
of Neuroscience Methods 84:49, doi:10.1016/S0165-0270(98)00091-0). Ids may have gaps, parents may stand after their
children, and there may be several roots. The file does not say its unit: um is the custom for neurons, mm for BraVa's
arteries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import warning

from ..files.one_path import one_file
from ..tables.text_rows import finite, read_lines, unfinished, whole
from .polylines import Polylines, line_graph

if TYPE_CHECKING:
    import xarray as xr

    from .position_units import VoxelSize

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
COLUMNS = ("id", "type", "x", "y", "z", "radius", "parent")
NO_PARENT = -1
NO_RADIUS = -1.0


def sniff(path: Path) -> bool:
    """Tell whether the first line that is no comment has seven numbers, the last a parent."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    for line in head.split(b"\n")[: -1 if len(head) == 1 << 16 else None]:
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            [float(word) for word in words]
            return len(words) == len(COLUMNS) and int(words[6]) >= NO_PARENT
        except ValueError:
            return False
    return False


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edges: str = "segments",
    group: str = "vessels",
) -> xr.DataTree:
    """Read trees.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One file.
    units : str
        Unit of positions and radii: ``um``, ``mm``, ... Demanded.
    voxel_size_um : str or float
        With voxels: their edge in um, one number or ``x,y,z``.
    edges : str
        ``segments``: every point a node, an edge from its parent. ``lines``: roots, branch points and tips are nodes,
        and what is between two of them is one edge, its points kept as a polyline.
    group : str
        ``vessels`` or ``connectome``.

    Returns
    -------
    xarray.DataTree
        One graph; an edge's source is the parent, its target the child. A radius of 0 is kept, one of -1 is missing.

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When a line is not as described, an id is there twice, a parent is not there, or points are their own ancestors.
    """
    path = one_file(paths)
    if edges not in {"lines", "segments"}:
        raise UsageError("unknown kind of edges", subject="edges", expected="lines or segments", found=edges)
    comments, rows = _rows(path)
    ids, kinds, above = (_column(rows, at, np.int64, path) for at in (0, 1, 6))
    numbers = np.stack([_column(rows, at, np.float64, path) for at in range(2, 6)], axis=1)
    lines = [line for line, _ in rows]
    parent = _parents(ids, above, lines, path)
    radius = numbers[:, 3]
    doubts = unfinished(path)
    negative = int(((radius < 0) & (radius != NO_RADIUS)).sum())
    if negative:
        doubts.append(warning("negative-radius", "radius", f"points with a negative radius: {negative}"))
    attrs: dict[str, Any] = {"comments": comments} if comments else {}
    child = np.flatnonzero(parent >= 0)
    if edges == "segments":
        pointer = np.arange(0, 2 * len(child) + 1, 2)
        vertex = np.stack([parent[child], child], axis=1).ravel()
    else:
        pointer, vertex = _sections(parent)
    return line_graph(
        Polylines(
            position=numbers[:, :3],
            line_ptr=pointer.astype(np.int64),
            vertex=vertex.astype(np.int64),
            points={"type": kinds, "radius": radius},
            point_id=ids,
            units={"type": "1"},
            sentinels={"radius": NO_RADIUS},
        ),
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        group=group,
        direction="from the parent to the child",
        subject=str(path),
        warnings=doubts,
        n_roots=int((parent < 0).sum()),
        **attrs,
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return comments, and of every other line that is not blank its number and words."""
    comments, rows = [], []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        if words[0].startswith("#"):
            comments.append(line.strip())
            continue
        if len(words) != len(COLUMNS):
            raise FormatError(
                "a line has not one value per column",
                subject=str(path),
                place=f"line {number}",
                expected=" ".join(COLUMNS),
                found=line.strip()[:120],
            )
        rows.append((number, words))
    if not rows:
        raise FormatError("the file has no points", subject=str(path), expected=" ".join(COLUMNS), found="no such line")
    return comments, rows


def _column(rows: Sequence[tuple[int, list[str]]], at: int, dtype: type[Any], path: Path) -> Array:
    """Return a column of numbers, exactly; raise with the line of the first that is none."""
    words = [row[at] for _, row in rows]
    try:
        if "_" in (text := "".join(words)) or not text.isascii():
            raise ValueError
        values: Array = np.array(words).astype(dtype)
        if np.isfinite(values).all():
            return values
    except (ValueError, OverflowError):
        pass
    # One by one only where something is wrong, to say where.
    check = whole if dtype is np.int64 else finite
    return np.array(
        [check(word, path, f"line {line}", f"the {COLUMNS[at]}") for (line, _), word in zip(rows, words, strict=True)]
    )


def _parents(ids: Array, above: Array, lines: Sequence[int], path: Path) -> Array:
    """Return the row of every point's parent, -1 for roots; raise unless they are trees."""
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if len(twice):
        row = int(order[1:][twice].min())
        first = int(np.flatnonzero(ids == ids[row])[0])
        raise FormatError(
            "an id is there twice",
            subject=str(path),
            place=f"line {lines[row]}",
            expected="one line per id",
            found=f"{ids[row]}, as in line {lines[first]}",
        )
    root = above == NO_PARENT
    spot = np.searchsorted(ids[order], above)
    parent = np.where(root, -1, order[np.minimum(spot, len(ids) - 1)])
    missing = np.flatnonzero(~root & (ids[parent] != above))
    if len(missing):
        row = int(missing[0])
        raise FormatError(
            "a parent is not there",
            subject=str(path),
            place=f"line {lines[row]}",
            expected="the id of a line, or -1",
            found=str(above[row]),
        )
    rows = np.arange(len(ids))
    ancestor = np.where(root, rows, parent)
    for _ in range(len(ids).bit_length()):
        ancestor = ancestor[ancestor]
    # Whoever does not arrive at a root has arrived on a circle.
    lost = ancestor[~root[ancestor]]
    if len(lost):
        row = int(lost.min())
        own = parent[row] == row
        raise FormatError(
            "a point is its own parent" if own else "points are their own ancestors",
            subject=str(path),
            place=f"line {lines[row]}",
            expected="a tree",
            found=f"id {ids[row]} with the parent {above[row]}",
        )
    return parent


def _sections(parent: Array) -> tuple[Array, Array]:
    """Return the unbranched runs of trees, each from the root's side, in the order of their last points."""
    above = parent.tolist()
    root = parent < 0
    stop = (root | (np.bincount(parent[~root], minlength=len(parent)) != 1)).tolist()
    pointer, vertex = [0], []
    for row in np.flatnonzero(stop & ~root).tolist():
        run = [row, above[row]]
        while not stop[run[-1]]:
            run.append(above[run[-1]])
        vertex.extend(reversed(run))
        pointer.append(len(vertex))
    return np.array(pointer, dtype=np.int64), np.array(vertex, dtype=np.int64)
