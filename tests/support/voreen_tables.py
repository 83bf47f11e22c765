"""Generated tables as Voreen writes them: read, and changed field by field or column by column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from connectome.pipelines.formats import read

if TYPE_CHECKING:
    import xarray as xr

ATLAS = {315: ("70FF71", "Isocortex"), 1089: ("7ED04B", "HPF"), 182305689: ("188064", "SSp-un")}
"""Regions of the generated nodes: label, colour and acronym."""
Tables = tuple[Path, Path]
"""Paths of the table of nodes and of that of edges."""


def vessels(paths: Any, **options: Any) -> xr.Dataset:
    """Read the graph of some tables, 3 um a voxel."""
    graph: xr.Dataset = read(list(paths), "voreen", voxel_size_um=3.0, **options)["vessels"].to_dataset()
    return graph


def warned(paths: Any, code: str) -> list[str]:
    """Return the warnings of one code."""
    tree = read(list(paths), "voreen", voxel_size_um=3.0)
    return [note["message"] for note in tree.attrs.get("warnings", []) if note["code"] == code]


def set_fields(path: Path, line: int, **fields: str) -> None:
    """Replace fields of one line of a table (line 1 is the header)."""
    lines = path.read_text().split("\n")
    names, values = lines[0].split(";"), lines[line - 1].split(";")
    for name, text in fields.items():
        values[names.index(name)] = text
    lines[line - 1] = ";".join(values)
    path.write_text("\n".join(lines))


def change_column(path: Path, name: str, change: Callable[[pd.Series], Any]) -> None:
    """Replace a column of a table by what a function makes of its texts."""
    frame = pd.read_csv(path, sep=";", dtype=str)
    frame[name] = change(frame[name])
    frame.to_csv(path, sep=";", index=False)


def lines(path: Path) -> list[str]:
    """Return the lines of a table."""
    return path.read_text().splitlines()
