"""Vasculature of the Blue Brain Project as text: the CSV pair of AstroVascPy, and points with edges in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError

from ..graphs.polylines import Polylines
from ..tables.text_rows import finite, read_lines, split_table, whole
from .bbp_hdf5 import Network

__all__ = ["CSV_NODES", "is_json", "read_csv_pair", "read_json"]

Array = np.ndarray[Any, Any]
CSV_NODES = ("x", "y", "z", "diameter")
CSV_EDGES = ("start_node", "end_node")
CSV_WHOLE = frozenset({"start_node", "end_node", "type", "section_id", "segment_id", "endfeet_id"})
"""Columns of whole numbers; an ``endfeet_id`` of -1 is none."""
JSON_ENDS = ("beg_node", "end_node")


def read_csv_pair(nodes: Path, edges: Path) -> Network:
    """Read a table of points and a table of edges between their rows.

    Raises
    ------
    FormatError
        When a column is missing, a value is not a number, or an edge ends at no row.
    """
    points = _numbers(nodes, CSV_NODES)
    lines = _numbers(edges, CSV_EDGES)
    position = np.stack([points.pop(axis) for axis in CSV_NODES[:3]], axis=1)
    ends = np.stack([lines.pop(name) for name in CSV_EDGES], axis=1)
    outside = np.flatnonzero(((ends < 0) | (ends >= len(position))).any(axis=1))
    if len(outside):
        raise FormatError(
            "an edge ends at a point that is not there",
            subject=str(edges),
            place=f"row {int(outside[0])} (from 0)",
            expected=f"points from 0 to {len(position) - 1}",
            found=str(ends[outside[0]].tolist()),
        )
    return Network("csv", _segments(position, ends, points, lines))


def _segments(position: Array, ends: Array, points: dict[str, Array], lines: dict[str, Array]) -> Polylines:
    return Polylines(
        position=position,
        line_ptr=np.arange(0, 2 * len(ends) + 1, 2, dtype=np.int64),
        vertex=ends.ravel(),
        points=points,
        lines=lines,
        units={name: "1" for name, values in lines.items() if values.dtype.kind == "i"},
    )


def _numbers(path: Path, required: Sequence[str]) -> dict[str, Array]:
    header, rows = split_table(path, required)
    cells = list(rows)
    return {
        name: np.array(
            [(whole if name in CSV_WHOLE else finite)(row[at], path, f"line {line}", name) for line, row in cells],
            dtype=np.int64 if name in CSV_WHOLE else np.float64,
        )
        for at, name in enumerate(header)
    }


def is_json(path: Path) -> bool:
    """Tell whether a JSON file starts with a list of points."""
    with path.open("rb") as stream:
        head = b"".join(stream.read(256).split())
    return head.startswith(b'{"points":[[')


def read_json(path: Path) -> Network:
    """Read ``points``, ``diameters`` and ``edge_properties`` with ``beg_node`` and ``end_node``.

    Raises
    ------
    FormatError
        When a key is missing or does not hold as many numbers as the others; ``TruncatedError`` when the text ends.
    """
    subject = str(path)
    try:
        found = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise TruncatedError(f"the JSON is not whole: {error.msg}", subject=subject, place=place) from error
    except RecursionError as error:
        raise FormatError("the JSON is nested too deeply", subject=subject) from error
    properties = found.get("edge_properties") if isinstance(found, dict) else None
    if not isinstance(properties, dict) or "points" not in found:
        raise FormatError(
            "not points and edges",
            subject=subject,
            expected="points and edge_properties",
            found=", ".join(found) if isinstance(found, dict) else type(found).__name__,
        )
    position = _array(found["points"], "points", subject, 3)
    lines = {name: _array(values, f"edge_properties/{name}", subject) for name, values in properties.items()}
    missing = [name for name in JSON_ENDS if name not in lines or lines[name].dtype.kind != "i"]
    if missing:
        raise FormatError(
            "edges without whole numbers for their ends",
            subject=subject,
            place="edge_properties",
            expected=", ".join(missing),
            found=", ".join(lines) or "nothing",
        )
    points = {
        {"diameters": "diameter"}.get(name, name): _array(values, name, subject)
        for name, values in found.items()
        if name not in {"points", "edge_properties"}
    }
    for place, arrays, n_rows in (("", points, len(position)), ("edge_properties/", lines, len(lines[JSON_ENDS[0]]))):
        for name, values in arrays.items():
            if len(values) != n_rows:
                raise FormatError(
                    "the lists differ in length",
                    subject=subject,
                    place=f"{place}{name}",
                    expected=str(n_rows),
                    found=str(len(values)),
                )
    ends = np.stack([lines.pop(name) for name in JSON_ENDS], axis=1)
    return Network("json", _segments(position, ends, points, lines))


def _array(values: Any, place: str, subject: str, width: int = 0) -> Array:
    """Return a list of numbers, or of lists of ``width`` numbers, as an array; whole numbers stay whole."""
    rows = values if isinstance(values, list) else None
    if rows is not None and width:
        good = all(isinstance(row, list) and len(row) == width for row in rows)
        rows = [item for row in rows for item in row] if good else None
    if rows is None or not all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in rows):
        expected = f"a list of {'lists of 3 ' if width else ''}numbers"
        raise FormatError("not numbers", subject=subject, place=place, expected=expected, found=str(values)[:60])
    is_whole = not width and all(isinstance(item, int) for item in rows)
    try:
        array = np.array(rows, dtype=np.int64 if is_whole else np.float64)
    except OverflowError:
        raise FormatError(
            "a number is too large", subject=subject, place=place, expected="64 bits", found="more"
        ) from None
    return array.reshape(-1, width) if width else array
