"""One table of a record, without the rest of it: for tables over hundreds of records.

Opening a record builds every group, and zarr hands each array to a thread of its own; a table of patients needs one
group of each record. Columns of tables are whole in one chunk, little-endian or text, behind zstd
(:mod:`connectome.schema.table`); what is coded in any other way is left to zarr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome.errors import DamagedError

from .archive import RecordStore
from .coding import coding_of

if TYPE_CHECKING:
    from .archive import ByteSource

__all__ = ["read_table"]

METADATA = "zarr.json"


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
    if METADATA not in store.entries:
        raise DamagedError("the file is not a record", subject=source.name, expected="a Zarr v3 group")
    path = group.strip("/")
    stated = _stated(store, path)
    if path not in stated or "encoding-type" not in stated[path].get("attributes", {}):
        return None
    variables: dict[str, xr.Variable] = {}
    for name, about in stated.items():
        folder, _, last = name.rpartition("/")
        if folder == path and about["node_type"] == "array":
            values = _values(store, name, about)
            if values is None:
                return _by_zarr(store, path)
            # As they come: xarray would look through each text for times.
            variables[last] = xr.Variable(
                about["dimension_names"], values, attrs=about.get("attributes", {}), fastpath=True
            )
    return xr.Dataset(variables, attrs=stated[path]["attributes"])


def _stated(store: RecordStore, path: str) -> dict[str, dict[str, Any]]:
    """Return what a record states of a group and of what is in it, at least.

    The metadata of all groups are one long text. Of its keys those are looked for that name the group or something in
    it, and only their values are parsed. A key of that name may stand in an attribute as well: unless every one that
    was found is there once and has an entry, the whole text is parsed.
    """
    text = store.read_entry(METADATA).decode()
    key = re.compile(rf'("{re.escape(json.dumps(path, ensure_ascii=False)[1:-1])}(?:/(?:[^"\\/]|\\.)+)?"):')
    # Behind the record's own attributes, among which "subject" is usual.
    matches = list(key.finditer(text, max(0, text.find('"consolidated_metadata":'))))
    names = [json.loads(match[1]) for match in matches]
    if len(set(names)) == len(names) and all(f"{name}/{METADATA}" in store.entries for name in names):
        parse = json.JSONDecoder().raw_decode
        return {name: parse(text, match.end())[0] for name, match in zip(names, matches, strict=True)}
    whole: dict[str, dict[str, Any]] = json.loads(text)["consolidated_metadata"]["metadata"]
    return whole


def _values(store: RecordStore, name: str, about: Mapping[str, Any]) -> np.ndarray[Any, Any] | None:
    """Return an array; None where it is not one chunk of a known coding."""
    shape, coding = tuple(about["shape"]), coding_of(about)
    chunk = tuple(about["chunk_grid"]["configuration"]["chunk_shape"])
    if coding is None or len(shape) != 1 or chunk != (max(1, shape[0]),):
        return None
    if shape == (0,):
        return np.empty(0, dtype=object if coding.dtype is None else coding.dtype)
    try:
        return coding.decode(store.read_entry(f"{name}/c/0"), shape)
    except ValueError as error:
        raise DamagedError(
            "an array is not of its stated length and coding", subject=store.source.name, place=name,
            expected=str(shape), found=str(error),
        ) from error  # fmt: skip


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
