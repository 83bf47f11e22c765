"""Label files of FreeSurfer (``lh.cortex.label``): some vertices of a surface, with their places and a number each.

Layout (https://surfer.nmr.mgh.harvard.edu/fswiki/LabelsClutsAnnotationFiles#LabelFiles): a line of comment, the number
of vertices, then a row per vertex.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import column, table

from ..tables.text_rows import finite, read_lines, whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read_label"]


def read_label(path: Path) -> xr.Dataset:
    """Read a label file as a table of its vertices.

    Returns
    -------
    xarray.Dataset
        ``vertex`` (row of the surface's vertices; -1 where the label is of a volume), ``x_mm``, ``y_mm``, ``z_mm`` and
        ``value``; the attribute ``comment`` is the first line.

    Raises
    ------
    TruncatedError
        When there are fewer rows than announced.
    FormatError
        When a row is not five numbers, or a vertex is there twice.
    """
    lines = read_lines(path)
    if len(lines) < 2 or not lines[0].startswith("#"):
        raise FormatError(
            "not a label file of FreeSurfer", subject=str(path), place="line 1", expected="#!ascii label",
            found=lines[0][:80],
        )  # fmt: skip
    announced = whole(lines[1].strip(), path, "line 2", "the number of vertices")
    rows = [line.split() for line in lines[2:] if line.strip()]
    if len(rows) != announced:
        kind = TruncatedError if len(rows) < announced else FormatError
        raise kind(
            "another number of vertices than announced", subject=str(path), place="line 2", expected=str(announced),
            found=str(len(rows)),
        )  # fmt: skip
    numbers = np.empty((len(rows), 5))
    for at, cells in enumerate(rows):
        if len(cells) != 5:
            raise FormatError(
                "a row is not five numbers", subject=str(path), place=f"line {at + 3}", found=" ".join(cells)[:80]
            )
        place = f"line {at + 3}"
        numbers[at, 0] = whole(cells[0], path, place, "a vertex")
        numbers[at, 1:] = [finite(cell, path, place, "a coordinate") for cell in cells[1:]]
    vertex = numbers[:, 0].astype(np.int64)
    given = vertex[vertex >= 0]
    if len(np.unique(given)) != len(given):
        raise FormatError("a vertex is there twice", subject=str(path), found=f"{len(given)} rows")
    columns = {"vertex": column("row", vertex, "Vertex of the surface", "1")}
    for at, axis in enumerate("xyz", start=1):
        columns[f"{axis}_mm"] = column("row", numbers[:, at].copy(), f"Position along {axis}, surface space", "mm")
    columns["value"] = column("row", numbers[:, 4].copy(), "Number of the vertex, as the file gives it", "1")
    return table(columns, comment=lines[0].removeprefix("#!ascii label").strip(" ,"))
