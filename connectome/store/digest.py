"""The content digest: what "the same record" means, whatever codec, machine or number of workers wrote it.

An array's digest is the SHA-256 of its header (canonical JSON of dtype, shape, dimensions, chunk shape and
attributes) and its values, little-endian, in chunk-grid order, before compression; a string counts as its length in
bytes (uint32) and its UTF-8 bytes. The record's digest is the SHA-256 of the canonical JSON of all array digests and
group attributes. The store's own root attributes (provenance and the digests themselves) stay outside.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema

from .canonical import canonical_json, json_digest, plain
from .encode import RESERVED, layout_of, regions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["array_digests", "combine"]

TEXT = "string"


def array_digests(tree: xr.DataTree) -> dict[str, str]:
    """Return the digest of every array of a record by its path (``/activity/signal``)."""
    return {
        f"{path}/{name}": _array_digest(dataset, dataset.variables[name])
        for path, dataset in schema.groups(tree)
        for name in sorted(map(str, dataset.variables))
    }


def combine(tree: xr.DataTree, arrays: Mapping[str, str]) -> str:
    """Return the content digest of a record from the digests of its arrays."""
    root = {name: value for name, value in tree.attrs.items() if name not in RESERVED}
    attributes = {"/": plain(root)} | {path: plain(group_attrs(dataset)) for path, dataset in schema.groups(tree)}
    return json_digest({"attributes": attributes, "arrays": dict(arrays)})


def group_attrs(dataset: xr.Dataset) -> dict[str, Any]:
    """Return a group's attributes without the one that only tells xarray which variables are coordinates."""
    return {str(name): value for name, value in dataset.attrs.items() if name != "coordinates"}


def _array_digest(dataset: xr.Dataset, variable: xr.Variable) -> str:
    text = variable.dtype.kind in "OTU"
    layout = layout_of(dataset, variable)
    header = {
        "dtype": TEXT if text else variable.dtype.newbyteorder("<").str,
        "shape": list(variable.shape),
        "dims": [str(dim) for dim in variable.dims],
        "chunks": list(layout.chunks),
        "attributes": plain(variable.attrs),
    }
    digest = hashlib.sha256(canonical_json(header).encode())
    for region in regions(variable.shape, layout.chunks):
        values = np.asarray(variable[region].values)
        if text:
            for value in values.ravel():
                encoded = str(value).encode()
                digest.update(struct.pack("<I", len(encoded)))
                digest.update(encoded)
        else:
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()
