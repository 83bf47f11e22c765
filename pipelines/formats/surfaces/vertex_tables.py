"""Tables of vertices, triangles and labels that all readers of surfaces make alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, column, table, warning

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["check_corners", "label_columns", "label_table", "point_columns", "triangle_table"]

Array = np.ndarray[Any, Any]
AXES = ("x_mm", "y_mm", "z_mm")


def point_columns(points: Array, space: str, *, subject: str, prefix: str = "") -> dict[str, xr.Variable]:
    """Return the coordinates of vertices as columns.

    Parameters
    ----------
    points : numpy.ndarray
        Shape (vertex, 3), in millimetres, in the dtype of the file.
    space : str
        Of the coordinates, in words.
    subject : str
        The file, for errors.
    prefix : str
        Goes before the names (``"white_"``).

    Raises
    ------
    FormatError
        When a coordinate is not finite.
    """
    odd = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if odd.size:
        raise FormatError(
            "a coordinate is not finite", subject=subject, place=f"vertex {int(odd[0])}", expected="numbers",
            found=str(points[odd[0]].tolist()),
        )  # fmt: skip
    return {
        f"{prefix}{name}": column(
            "row", np.ascontiguousarray(points[:, at]), f"Position along {name[0]}, {space}", "mm"
        )
        for at, name in enumerate(AXES)
    }


def check_corners(triangles: Array, n_vertices: int, *, subject: str) -> None:
    """Raise :class:`~connectome.errors.FormatError` when a corner of a triangle is not among the vertices."""
    outside = ((triangles < 0) | (triangles >= n_vertices)).any(axis=1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise FormatError(
            "a triangle has a corner that is no vertex", subject=subject, place=f"triangle {row}",
            expected=f"numbers from 0 to {n_vertices - 1}", found=str(triangles[row].tolist()),
        )  # fmt: skip


def triangle_table(triangles: Array, **attrs: Any) -> xr.Dataset:
    """Return triangles (triangle, 3) as a table of ``a``, ``b`` and ``c``."""
    corners = {
        name: column("row", np.ascontiguousarray(triangles[:, at]), f"Corner {at + 1}, a row of vertex", "1")
        for at, name in enumerate("abc")
    }
    return table(corners, **attrs)


def label_columns(
    values: Array, keys: Sequence[int], names: Sequence[str], *, name: str = "label", unlabelled: Sequence[int] = ()
) -> tuple[dict[str, xr.Variable], list[Note]]:
    """Return labels of vertices as stored and in words.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (vertex,), integers as the file gives them.
    keys, names : sequence
        The label table: what each value is called.
    name : str
        Of the column; the stored values are ``NAME_value``.
    unlabelled : sequence of int
        Values that say "no label" and need no entry in the table.

    Returns
    -------
    columns : dict of str to xarray.Variable
        ``NAME_value``, as stored, and the category ``NAME``, missing where the table does not name the value.
    warnings : list of dict
        Values that are in no table; names that are there twice, which get their value behind them.
    """
    warnings: list[Note] = []
    twice = {label for label in names if list(names).count(label) > 1}
    words = {
        int(key): (f"{label or 'unnamed'} ({key})" if label in twice or not label else label)
        for key, label in zip(keys, names, strict=True)
    }
    if twice:
        warnings.append(warning("label-names-repeated", name, f"several labels are named {_shown(twice)}"))
    found, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    unknown = [(int(key), int(n)) for key, n in zip(found, counts, strict=True) if int(key) not in words]
    strange = [(key, n) for key, n in unknown if key not in unlabelled]
    if strange:
        listed = ", ".join(f"{key} ({n} vertices)" for key, n in strange[:5])
        more = ", ..." if len(strange) > 5 else ""
        warnings.append(warning("labels-without-name", name, f"not in the label table: {listed}{more}"))
    labels = list(dict.fromkeys(words.values()))
    coded = category("row", [words.get(int(key), "") for key in found], labels, "Label of the vertex, by its name")
    coded = coded[inverse.reshape(-1)]
    stored = column("row", values, "Label of the vertex, as stored", "1")
    return {f"{name}_value": stored, name: coded}, warnings


def label_table(
    keys: Sequence[int], names: Sequence[str], colours: dict[str, xr.Variable], values: Array | None, **attrs: Any
) -> xr.Dataset:
    """Return a label table: ``value``, ``name``, colours and how many vertices have the label."""
    columns: dict[str, Any] = {
        "value": column("row", np.asarray(keys, dtype=np.int64), "Stored value of the label", "1"),
        "name": column("row", list(names), "Name of the label"),
        **colours,
    }
    if values is not None:
        found, counts = np.unique(values, return_counts=True)
        number = dict(zip(found.tolist(), counts.tolist(), strict=True))
        n_vertices = np.array([number.get(int(key), 0) for key in keys], dtype=np.int64)
        columns["n_vertices"] = column("row", n_vertices, "Vertices with the label", "1")
    return table(columns, **attrs)


def _shown(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")
