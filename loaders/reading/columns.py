"""Columns of a group, decoded as :func:`connectome.open` decodes them, without making a tree of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome.schema import decode

if TYPE_CHECKING:
    from .chunks import RecordReader

__all__ = ["read_column", "read_columns"]

Array = np.ndarray[Any, Any]


def read_column(reader: RecordReader, group: str, name: str) -> xr.Variable:
    """Read a column of a group with its attributes."""
    path = f"{group}/{name}"
    array = reader.array(path)
    dims = reader.columns(group)[name]
    return xr.Variable(dims, array.read(), attrs=dict(reader.attributes(path)))


def read_columns(reader: RecordReader, group: str, dim: str, names: list[str] | None = None) -> dict[str, Array]:
    """Read columns along one dimension: numbers, and text (categories as their labels) as objects.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    group : str
        Path of the group.
    dim : str
        The only dimension of the columns.
    names : list of str, optional
        Those wanted, where they are there; default all.
    """
    found = [name for name, dims in reader.columns(group).items() if dims == (dim,)]
    return {name: decode(read_column(reader, group, name)) for name in found if names is None or name in names}
