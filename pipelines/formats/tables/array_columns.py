"""Arrays that a file names, as columns of a graph: names that do not hide one another, units, missing values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import column

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "RESERVED",
    "column_names",
    "describe",
]

Array = np.ndarray[Any, Any]
LENGTHS = re.compile(r"(^|[^a-z])(radius|radii|diameter|thickness|length)([^a-z]|$)", re.IGNORECASE)
"""Names of arrays whose numbers are lengths, in the unit that the user states for the positions."""
RESERVED = frozenset(
    {
        *("node", "position", "node_row", "cell", "cell_ptr", "source", "target", "edge_type", "edge_row", "weight"),
        *("out_ptr", "out_edge", "in_ptr", "in_edge", "point_ptr", "point_position", "point_row", "line", "n_points"),
    }
)
"""Names that the schema and the readers of lines give to columns."""


def column_names(names: Iterable[str], taken: set[str], prefix: str = "", *, always: bool = False) -> dict[str, str]:
    """Return a name for every array that no other column has: small letters, digits and underscores.

    Parameters
    ----------
    names : iterable of str
        As the file writes them.
    taken : set of str
        Names that are not free; those given are added.
    prefix : str
        Put before a name that is taken.
    always : bool
        Put the prefix before every name.
    """
    given = {}
    for name in names:
        plain = re.sub(r"\W+", "_", name.lower()).strip("_") or "array"
        free = f"{prefix}{plain}" if always or plain in taken else plain
        number = 2
        while free in taken:
            free = f"{prefix}{plain}_{number}"
            number += 1
        taken.add(free)
        given[name] = free
    return given


def describe(
    dim: str,
    name: str,
    values: Array,
    own: str,
    units: str,
    known: Mapping[str, str] | None = None,
    sentinels: Mapping[str, float] | None = None,
) -> xr.Variable:
    """Make a column of an array that the file names.

    Parameters
    ----------
    dim : str
        First dimension.
    name, own : str
        Name in the file and in the record.
    values : numpy.ndarray
        Shape (dim,) or (dim, component).
    units : str
        Of positions and lengths.
    known, sentinels : mapping, optional
        Units that the file or the format says, and the numbers that meant missing, by name in the file.
    """
    unit: str | None = (known or {}).get(name) or (units if LENGTHS.search(name) else "unknown")
    dims: str | tuple[str, ...] = dim if values.ndim == 1 else (dim, f"{own}_component")
    if values.dtype.kind in "bOTU":
        unit = None
    sentinel = (sentinels or {}).get(name)
    said: dict[str, Any] = {"source_name": name}
    if sentinel is not None:
        said["missing_sentinel"] = sentinel
    return column(dims, values, name, unit, **said)
