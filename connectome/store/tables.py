"""One table of a record, without the rest of it: for tables over hundreds of records.

Opening a record builds every group, and zarr hands each array to a thread of its own; a table of patients needs one
group of each record. Columns of tables are whole in one chunk, little-endian or text, behind zstd
(:mod:`connectome.schema.table`); what is coded in any other way is left to zarr.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome.errors import DamagedError

from .archive import RecordStore

if TYPE_CHECKING:
    from .archive import ByteSource

__all__ = ["read_table"]

NUMBERS = {
    "bool": "?", "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "u1", "uint16": "<u2",
    "uint32": "<u4", "uint64": "<u8", "float32": "<f4", "float64": "<f8",
}  # fmt: skip


def read_table(source: ByteSource, group: str) -> xr.Dataset | None:
    """Read one group of a record, all of its arrays in memory.

    Parameters
    ----------
    source : ByteSource
        The record's file.
    group : str
        Path of the group.

    Returns
    -------
    xarray.Dataset or None
        None where the record has no such group.

    Raises
    ------
    DamagedError
        When the file is no record, or an array is not of its stated length.
    """
    store = RecordStore(source)
    if "zarr.json" not in store.entries:
        raise DamagedError("the file is not a record", subject=source.name, expected="a Zarr v3 group")
    stated = json.loads(store.read_entry("zarr.json"))["consolidated_metadata"]["metadata"]
    path = group.strip("/")
    if path not in stated or "encoding-type" not in stated[path].get("attributes", {}):
        return None
    variables: dict[str, xr.Variable] = {}
    for name, about in stated.items():
        folder, _, last = name.rpartition("/")
        if folder == path and about["node_type"] == "array":
            values = _values(store, name, about)
            if values is None:
                return _by_zarr(store, path)
            variables[last] = xr.Variable(about["dimension_names"], values, attrs=about.get("attributes", {}))
    return xr.Dataset(variables, attrs=stated[path]["attributes"])


def _values(store: RecordStore, name: str, about: Mapping[str, Any]) -> np.ndarray[Any, Any] | None:
    """Return an array; None where it is not one chunk of a known coding."""
    shape = tuple(about["shape"])
    codecs = [codec["name"] for codec in about["codecs"]]
    kind = about["data_type"]
    if len(shape) != 1 or shape != tuple(about["chunk_grid"]["configuration"]["chunk_shape"]):
        return None
    if codecs[1:] not in ([], ["zstd"]) or f"{name}/c/0" not in store.entries:
        return None
    data: Any = store.read_entry(f"{name}/c/0")
    if len(codecs) == 2:
        from numcodecs import Zstd

        data = Zstd().decode(data)
    if kind == "string" and codecs[0] == "vlen-utf8":
        from numcodecs import VLenUTF8

        values = VLenUTF8().decode(bytes(data))
    elif kind in NUMBERS and codecs[0] == "bytes":
        dtype = np.dtype(NUMBERS[kind])
        values = np.frombuffer(bytes(data)[: len(data) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    else:
        return None
    if values.shape != shape:
        raise DamagedError(
            "an array does not have its length", subject=store.source.name, place=name, expected=str(shape),
            found=str(values.shape),
        )  # fmt: skip
    return np.asarray(values)


def _by_zarr(store: RecordStore, group: str) -> xr.Dataset:
    return xr.open_dataset(
        store,  # type: ignore[arg-type]
        engine="zarr",
        group=group,
        consolidated=False,
        mask_and_scale=False,
        decode_times=False,
        decode_timedelta=False,
        chunks=None,
    ).load()
