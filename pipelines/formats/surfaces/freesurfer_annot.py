"""The format ``freesurfer-annot``: a label per vertex and the table of labels, as in ``lh.aparc.annot``.

A vertex holds the "annotation value" of its label, which is the label's colour as one number (red + 256 green + 65536
blue); 0 where it has none. Both layouts of the colour table are read. Values stay as stored, beside the names.

Layout: https://surfer.nmr.mgh.harvard.edu/fswiki/LabelsClutsAnnotationFiles#Annotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, table, warning

from ..files.one_path import one_file
from .big_endian import BigEndianFile, hemisphere_of
from .vertex_tables import label_columns, label_table

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["UNLABELLED", "Annotation", "colour_columns", "read", "read_annot", "sniff"]

Array = np.ndarray[Any, Any]

UNLABELLED = 0
"""Annotation value of vertices without a label."""
VERSION_2 = -2
ENTRY_BYTES = 20
"""Least length of an entry of the colour table: four colours and the length of its name."""


@dataclass(frozen=True)
class Annotation:
    """Labels of the vertices of one hemisphere."""

    values: Array
    """Shape (vertex,), int32, annotation values as stored."""
    index: tuple[int, ...]
    """Number of each label in its colour table."""
    names: tuple[str, ...]
    colours: Array
    """Shape (label, 4), int32: red, green, blue, transparency (0 is opaque)."""
    origin: str
    """The colour table's file, as the file says."""
    notes: tuple[Note, ...] = ()

    @property
    def keys(self) -> Array:
        """Annotation value of each label, shape (label,), int64."""
        keys: Array = self.colours[:, :3].astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
        return keys

    def positions(self) -> Array:
        """Return the label of each vertex as a position in ``names``, int64, -1 where it has none."""
        places = {int(key): at for at, key in enumerate(self.keys.tolist())}
        found, inverse = np.unique(self.values, return_inverse=True)
        labels: Array = np.array([places.get(int(key), -1) for key in found], dtype=np.int64)[inverse.reshape(-1)]
        return labels


def sniff(path: Path) -> bool:
    """Tell whether a file with the right name is long enough for the vertices that it announces."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        n_vertices = int.from_bytes(stream.read(4), "big", signed=True)
    return path.name.lower().endswith(".annot") and n_vertices > 0 and size >= 4 + 8 * n_vertices


def read(paths: list[Path]) -> xr.DataTree:
    """Read the labels of one hemisphere.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.

    Returns
    -------
    xarray.DataTree
        Tables ``vertex`` (``label_value`` as stored, int32, and ``label``, a category, missing where there is none) and
        ``label`` (``value``, ``name``, ``index``, ``red``, ``green``, ``blue``, ``transparency``, ``n_vertices``).

    Raises
    ------
    TruncatedError
        When the file ends early.
    FormatError
        When it has no colour table, a vertex is there twice, or two labels share the value that vertices have.
    """
    path = one_file(paths)
    found = read_annot(path)
    keys = found.keys.tolist()
    columns, notes = label_columns(found.values, keys, list(found.names), unlabelled=[UNLABELLED])
    vertex = table(columns, hemisphere=hemisphere_of(path.name), colour_table=found.origin)
    labels = label_table(keys, found.names, colour_columns(found), found.values)
    return record({"vertex": vertex, "label": labels}, warnings=[*found.notes, *notes], title=path.name)


def colour_columns(found: Annotation) -> dict[str, xr.Variable]:
    """Return the numbers and colours of labels as columns."""
    index = np.asarray(found.index, dtype=np.int64)
    named = {"red": "Red", "green": "Green", "blue": "Blue", "transparency": "Transparency, 0 is opaque"}
    return {
        "index": column("row", index, "Number of the label in its colour table", "1"),
        **{
            name: column("row", found.colours[:, at].copy(), f"{words}, 0 to 255", "1")
            for at, (name, words) in enumerate(named.items())
        },
    }


def read_annot(path: Path) -> Annotation:
    """Read the labels of one hemisphere as arrays; raises as :func:`read` does."""
    file = BigEndianFile(path)
    n_vertices = file.whole("the number of vertices")
    if n_vertices < 1:
        raise FormatError(
            "not an annotation", subject=str(path), place="byte 0", expected="1 or more vertices", found=str(n_vertices)
        )
    pairs = file.array(">i4", 2 * n_vertices, f"{n_vertices} vertices and labels").reshape(-1, 2)
    notes: list[Note] = []
    values = _in_order(pairs, str(path), notes)
    if not file.left or not file.whole("whether there is a colour table"):
        raise FormatError(
            "the labels have no names", subject=str(path), place=f"byte {file.at}", expected="a colour table",
            found="none", hint="write the annotation again with its colour table (mris_convert --annot)",
        )  # fmt: skip
    first = file.whole("the version of the colour table")
    if first < 0 and first != VERSION_2:
        raise FormatError(
            "a colour table of unknown version", subject=str(path), place=f"byte {file.at - 4}", expected="2",
            found=str(-first),
        )  # fmt: skip
    if first == VERSION_2:
        file.whole("the largest number of a label")
    origin = file.string("the name of the colour table")
    n_labels = file.whole("the number of labels") if first == VERSION_2 else first
    if n_labels < 1 or n_labels * ENTRY_BYTES > file.left:
        raise FormatError(
            "the colour table cannot have that many labels", subject=str(path), place=f"byte {file.at}",
            expected=f"1 to {file.left // ENTRY_BYTES}", found=str(n_labels),
        )  # fmt: skip
    index, names, colours = [], [], np.zeros((n_labels, 4), dtype=np.int32)
    for at in range(n_labels):
        index.append(file.whole("the number of a label") if first == VERSION_2 else at)
        names.append(file.string("the name of a label"))
        colours[at] = file.array(">i4", 4, f"the colours of {names[-1]}")
    notes += file.trailing()
    found = Annotation(values, tuple(index), tuple(names), colours, origin, tuple(notes))
    _check_colours(found, str(path))
    return found


def _in_order(pairs: Array, subject: str, notes: list[Note]) -> Array:
    """Return labels by vertex, whatever the order in which the file lists vertices."""
    vertex, values = pairs[:, 0], np.ascontiguousarray(pairs[:, 1])
    expected = np.arange(len(vertex))
    if np.array_equal(vertex, expected):
        return values
    order = np.argsort(vertex, kind="stable")
    if not np.array_equal(vertex[order], expected):
        odd = int(np.flatnonzero(vertex[order] != expected)[0])
        raise FormatError(
            "vertices are there twice or not at all", subject=subject, place=f"vertex {odd}",
            expected=f"each of 0 to {len(vertex) - 1} once", found=str(int(vertex[order][odd])),
        )  # fmt: skip
    notes.append(warning("vertices-reordered", "vertices", "the file lists them in another order"))
    sorted_values: Array = values[order]
    return sorted_values


def _check_colours(found: Annotation, subject: str) -> None:
    if found.colours.min() < 0 or found.colours.max() > 255:
        at = int(np.flatnonzero(((found.colours < 0) | (found.colours > 255)).any(axis=1))[0])
        raise FormatError(
            "a colour is not from 0 to 255", subject=subject, place=f"label {found.names[at]!r}", expected="0 to 255",
            found=str(found.colours[at].tolist()),
        )  # fmt: skip
    keys = found.keys.tolist()
    used = set(np.unique(found.values).tolist())
    twice = sorted({key for key in keys if keys.count(key) > 1 and key in used})
    if twice:
        names = [name for name, key in zip(found.names, keys, strict=True) if key == twice[0]]
        raise FormatError(
            "two labels have one colour, so their vertices cannot be told apart", subject=subject,
            place=f"annotation value {twice[0]}", expected="different colours", found=", ".join(names),
        )  # fmt: skip
