"""Columns of nodes and edges as a file lists them: typed without loss, named so that none hides another.

A column of texts becomes the narrowest of int64, float64, bool and text that holds every cell exactly. A blank cell is
NaN or ``""``; among whole numbers it is -1 with the attribute ``missing_value`` (text, if -1 is a number of the file);
among truth values it makes the column a category of ``false`` and ``true``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from connectome.schema import category, column

__all__ = [
    "MOST_LABELS",
    "TAKEN",
    "edge_column_names",
    "listed_column",
    "node_column_names",
    "text_columns",
    "typed_cells",
]

Array = np.ndarray[Any, Any]

TAKEN = frozenset({
    "node", "edge", "axis", "cell", "cell_ptr", "position", "node_row", "edge_row", "source", "target", "edge_type",
    "out_ptr", "out_edge", "in_ptr", "in_edge", "point_ptr", "point_position", "point_radius",
})  # fmt: skip
"""Names that a graph needs for itself."""
MOST_LABELS = 4096
"""Text of edges that has no more different values than this is stored as a category."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NOT_FLOAT = re.compile(r"[+-]?(0[0-9].*|[0-9]{16,})|.*[_xX].*")
"""Codes with leading zeros, whole numbers that may have no float64 of their own, and what only some parsers take."""
_TRUTH = {"true": True, "false": False}
_INT64 = np.iinfo(np.int64)
NO_VALUE = -1
"""What stands among whole numbers where the file gives nothing."""


def edge_column_names(names: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return the name under which each column of edges is stored: word characters only, none of them taken."""
    return _names(names, TAKEN.union(taken), "edge")


def node_column_names(names: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return the name under which each column of nodes is stored; ``taken`` holds those of the edges, too."""
    return _names(names, TAKEN.union(taken), "node")


def _names(names: Iterable[str], taken: Collection[str], kind: str) -> dict[str, str]:
    chosen: dict[str, str] = {}
    used = set(taken)
    for at, name in enumerate(dict.fromkeys(names), start=1):
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or f"column_{at}"
        free = plain if plain not in used else f"{kind}_{plain}"
        while free in used:
            free = f"{free}_{at}"
        used.add(free)
        chosen[name] = free
    return chosen


def typed_cells(cells: Sequence[str | None]) -> tuple[Array, Array | None]:
    """Turn texts into the narrowest type that holds all of them.

    Parameters
    ----------
    cells : sequence of str or None
        None and ``""`` are blank.

    Returns
    -------
    values : numpy.ndarray
        int64, float64, bool, or object (str).
    missing : numpy.ndarray or None
        Which cells are blank, where the values cannot say so.
    """
    texts = [cell or "" for cell in cells]
    filled = [text for text in texts if text]
    missing = np.array([not text for text in texts], dtype=bool)
    mask = missing if missing.any() else None
    if filled:
        if all(map(_is_int64, filled)):
            return np.array([int(text) if text else 0 for text in texts], dtype=np.int64), mask
        numbers = _floats(texts)
        if numbers is not None:
            return numbers, None
        if all(text.lower() in _TRUTH for text in filled):
            return np.array([_TRUTH.get(text.lower(), False) for text in texts], dtype=bool), mask
    return np.array(texts, dtype=object), None


def _is_int64(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and len(text) < 21 and _INT64.min <= int(text) <= _INT64.max


def _floats(texts: Sequence[str]) -> Array | None:
    """Return float64, NaN for blanks; None if a text is no number, or a whole number that float64 would change."""
    if any(map(_NOT_FLOAT.fullmatch, texts)):
        return None
    try:
        return np.array([float(text) if text else np.nan for text in texts], dtype=np.float64)
    except ValueError:
        return None


def listed_column(
    dim: str,
    name: str,
    values: Array,
    *,
    missing: Array | None = None,
    units: str = "unknown",
    long_name: str = "",
    **attrs: Any,
) -> xr.Variable:
    """Make the variable of one column.

    Parameters
    ----------
    dim : str
        ``"node"`` or ``"edge"``. Text of edges with few different values becomes a category.
    name : str
        As the file has it.
    values : numpy.ndarray
        Numbers, booleans or texts.
    missing : numpy.ndarray, optional
        Which rows the file leaves blank, where the values cannot say so.
    units : str
        Unit of numbers.
    long_name : str
        What the numbers are; by default that they are the column of that name.
    **attrs
        Attributes of the variable.

    Returns
    -------
    xarray.Variable
    """
    about = long_name or f"{name}, as the file lists it"
    if missing is not None and missing.any():
        if values.dtype.kind == "b":
            words = np.where(missing, "", np.where(values, "true", "false")).tolist()
            return category(dim, words, ["false", "true"], about, **attrs)
        if values.dtype.kind == "i" and not (values[~missing] == NO_VALUE).any():
            filled = np.where(missing, NO_VALUE, values)
            return column(dim, filled, about, units, missing_value=NO_VALUE, **attrs)
        values = np.where(missing, "", values.astype(str)).astype(object)
    if values.dtype.kind in "OTU":
        words = values.astype(object).tolist()
        labels = sorted(set(words) - {""}) if dim == "edge" else []
        if labels and len(labels) <= MOST_LABELS:
            return category(dim, words, labels, about, **attrs)
        return column(dim, words, about, **attrs)
    return column(dim, values, about, None if values.dtype.kind == "b" else units, **attrs)


def coded_category(dim: str, codes: Array, labels: Sequence[str], long_name: str) -> xr.Variable:
    """Make a category of codes that are known already: positions among the labels, -1 where missing."""
    described = category(dim, [], labels, long_name)
    return xr.Variable(dim, codes.astype(described.dtype), attrs=described.attrs)


def text_columns(
    dim: str, cells: Mapping[str, Sequence[str | None]], stored: Mapping[str, str], units: Mapping[str, str]
) -> dict[str, xr.Variable]:
    """Make the variables of columns of texts; ``units`` holds those that are known."""
    variables: dict[str, xr.Variable] = {}
    for name, texts in cells.items():
        values, missing = typed_cells(texts)
        variables[stored[name]] = listed_column(dim, name, values, missing=missing, units=units.get(name, "unknown"))
    return variables
