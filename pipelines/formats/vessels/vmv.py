"""VMV files of VessMorphoVis: vertices with a radius, and strands of them.

Three blocks of text: ``$PARAM`` (counts), ``$VERT_LIST`` (id from 1, x, y, z, radius and further columns) and
``$STRANDS_LIST`` (id of the strand, ids of its vertices), each from ``_BEGIN`` to ``_END``; Abdellah et al. 2020,
Bioinformatics 36:i534, doi:10.1093/bioinformatics/btaa461. Strands meet where they name the same vertex; some files do
not let them meet, and those stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.one_path import one_file
from ..graphs.polylines import Polylines, Tolerance, line_graph
from ..tables.text_rows import finite, read_lines, whole

if TYPE_CHECKING:
    import xarray as xr

    from ..graphs.position_units import VoxelSize

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
BLOCKS = ("PARAM", "VERT_LIST", "STRANDS_LIST")
FEWEST_COLUMNS = 4
"""x, y, z and the radius."""

Rows = list[tuple[int, list[str]]]


def sniff(path: Path) -> bool:
    """Tell whether the first line that is not blank begins the parameters."""
    with path.open("rb") as stream:
        return stream.read(4096).lstrip().startswith(b"$PARAM_BEGIN")


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edges: str = "lines",
    merge_points: Tolerance = "none",
    group: str = "vessels",
) -> xr.DataTree:
    """Read strands.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One file.
    units, voxel_size_um, edges, merge_points, group
        As for :func:`connectome.pipelines.formats.vessels.vtk_legacy.read`; a strand is a line.

    Returns
    -------
    xarray.DataTree
        The graph; columns after the radius, which the format does not name, are ``attribute_5``, ``attribute_6``, ...

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When the file is not as described; ``TruncatedError`` when it holds less than it says.
    """
    path = one_file(paths)
    blocks, doubts = _blocks(path)
    counts = {}
    for line, words in blocks["PARAM"]:
        if len(words) != 2:
            raise FormatError(
                "a parameter is not a name and a number", subject=str(path), place=f"line {line}", found=" ".join(words)
            )
        counts[words[0]] = whole(words[1], path, f"line {line}", words[0])
    ids, numbers = _vertices(path, blocks["VERT_LIST"], counts)
    strand_ids, pointer, vertex = _strands(path, blocks["STRANDS_LIST"], counts, ids)
    extra = {f"attribute_{at + 1}": numbers[:, at] for at in range(FEWEST_COLUMNS, numbers.shape[1])}
    return line_graph(
        Polylines(
            position=numbers[:, :3],
            line_ptr=pointer,
            vertex=vertex,
            points={"radius": numbers[:, 3], **extra},
            lines={"strand": strand_ids},
            point_id=ids,
            units={"strand": "1"},
        ),
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        merge_points=merge_points,
        group=group,
        direction="from the first vertex of the strand to its last",
        subject=str(path),
        warnings=doubts,
    )


def _blocks(path: Path) -> tuple[dict[str, Rows], list[dict[str, str]]]:
    """Return the numbered words of every line of the blocks, and what to say about other blocks."""
    blocks: dict[str, Rows] = {}
    current = ""
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        mark = words[0].removeprefix("$")
        if words[0].startswith("$"):
            name = mark.removesuffix("_END" if current else "_BEGIN")
            if name == mark or (current and name != current) or (not current and name in blocks):
                raise FormatError(
                    "the blocks do not follow one another",
                    subject=str(path),
                    place=f"line {number}",
                    expected=f"${current}_END" if current else "the beginning of another block",
                    found=words[0][:80],
                )
            if not current:
                blocks[name] = []
            current = "" if current else name
        elif current:
            blocks[current].append((number, words))
        else:
            raise FormatError(
                "text outside the blocks", subject=str(path), place=f"line {number}", found=line.strip()[:80]
            )
    if current or not set(BLOCKS) <= set(blocks):
        absent = [f"${current}_END"] if current else [f"${name}_BEGIN" for name in BLOCKS if name not in blocks]
        raise TruncatedError(
            "the file is not whole", subject=str(path), place=f"line {number}", expected=absent[0], found="the end"
        )
    others = [name for name in blocks if name not in BLOCKS]
    return blocks, [
        warning("unknown-block", name, f"a block of {len(blocks[name])} lines is left out") for name in others
    ]


def _expected(path: Path, counts: dict[str, int], name: str, found: int) -> None:
    if name in counts and counts[name] != found:
        kind = TruncatedError if found < counts[name] else FormatError
        raise kind(
            "the file does not hold what its parameters say",
            subject=str(path),
            place=name,
            expected=str(counts[name]),
            found=str(found),
        )


def _vertices(path: Path, rows: Rows, counts: dict[str, int]) -> tuple[Array, Array]:
    _expected(path, counts, "NUM_VERTS", len(rows))
    width = counts.get("NUM_ATTRIB_PER_VERT", len(rows[0][1]) - 1 if rows else FEWEST_COLUMNS)
    if width < FEWEST_COLUMNS:
        raise FormatError(
            "too few columns",
            subject=str(path),
            place="NUM_ATTRIB_PER_VERT",
            expected="x, y, z, radius",
            found=str(width),
        )
    seen: dict[int, int] = {}
    values = []
    for line, words in rows:
        if len(words) != width + 1:
            raise FormatError(
                "a vertex has another number of columns",
                subject=str(path),
                place=f"line {line}",
                expected=f"an id and {width} numbers",
                found=" ".join(words)[:120],
            )
        own = whole(words[0], path, f"line {line}", "the id")
        if own in seen:
            raise FormatError(
                "an id is there twice", subject=str(path), place=f"line {line}", found=f"{own}, as in line {seen[own]}"
            )
        seen[own] = line
        values.append(
            [finite(word, path, f"line {line}", f"column {at}") for at, word in enumerate(words[1:], start=2)]
        )
    return np.array(list(seen), dtype=np.int64), np.array(values, dtype=np.float64).reshape(len(values), width)


def _strands(path: Path, rows: Rows, counts: dict[str, int], ids: Array) -> tuple[Array, Array, Array]:
    _expected(path, counts, "NUM_STRANDS", len(rows))
    row_of = {own: row for row, own in enumerate(ids.tolist())}
    names, pointer, vertex = [], [0], []
    for line, words in rows:
        names.append(whole(words[0], path, f"line {line}", "the id of the strand"))
        for word in words[1:]:
            own = whole(word, path, f"line {line}", "a vertex of the strand")
            if own not in row_of:
                raise FormatError(
                    "a strand goes through a vertex that is not there",
                    subject=str(path),
                    place=f"line {line}",
                    expected="the id of a vertex",
                    found=word,
                )
            vertex.append(row_of[own])
        pointer.append(len(vertex))
    return np.array(names, dtype=np.int64), np.array(pointer, dtype=np.int64), np.array(vertex, dtype=np.int64)
