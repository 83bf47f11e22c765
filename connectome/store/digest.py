"""The content digest: what "the same record" means, whatever codec, machine or number of workers wrote it.

An array's digest is the SHA-256 of its header (canonical JSON of dtype, shape, dimensions, chunk shape and
attributes) and its values, little-endian, in chunk-grid order, before compression; a string counts as its length in
bytes (uint32) and its UTF-8 bytes. The record's digest is the SHA-256 of the canonical JSON of all array digests and
group attributes. The store's own root attributes (provenance and the digests themselves) stay outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numcodecs import VLenUTF8

from connectome import schema

from .canonical import canonical_json, json_digest, plain
from .coding import TEXT
from .grid import for_each_array, layout_of, regions

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

    from .coding import Coding

__all__ = ["RESERVED", "ArrayDigest", "array_digests", "combine", "combined"]

RESERVED = ("provenance", "digests", "fetched")
"""Root attributes that the store adds: where the record comes from, the digest of every array, and which parts were
read of files that were not fetched whole."""

SLAB_BYTES = 32 << 20
"""Values read at once of an array whose chunks are not those of its layout."""

_text = VLenUTF8()


def array_digests(tree: xr.DataTree) -> dict[str, str]:
    """Return the digest of every array of a record by its path (``/activity/signal``)."""
    return for_each_array(tree, _array_digest)


def combine(tree: xr.DataTree, arrays: Mapping[str, str]) -> str:
    """Return the content digest of a record from the digests of its arrays."""
    return combined(tree.attrs, {path: dataset.attrs for path, dataset in schema.groups(tree)}, arrays)


def combined(root: Mapping[Any, Any], groups: Mapping[str, Mapping[Any, Any]], arrays: Mapping[str, str]) -> str:
    """Return the content digest of a record.

    Parameters
    ----------
    root : mapping
        Attributes of the record.
    groups : mapping
        Attributes of every group of data, by its path (``/activity``).
    arrays : mapping
        Digest of every array, by its path (``/activity/signal``).
    """
    own = {name: value for name, value in root.items() if name not in RESERVED}
    attributes = {"/": plain(own)} | {path: plain(_group_attrs(attrs)) for path, attrs in groups.items()}
    return json_digest({"attributes": attributes, "arrays": dict(arrays)})


def _group_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a group's attributes without the one that only tells xarray which variables are coordinates."""
    return {str(name): value for name, value in attrs.items() if name != "coordinates"}


class ArrayDigest:
    """The digest of one array while its values come along, chunk by chunk in grid order."""

    def __init__(self, header: Mapping[str, Any]) -> None:
        self._text = header["dtype"] == TEXT
        self._sha256 = hashlib.sha256(canonical_json(header).encode())

    @classmethod
    def of(cls, variable: xr.Variable, layout: Layout) -> Self:
        """Begin the digest of a variable."""
        return cls(
            {
                "dtype": TEXT if variable.dtype.kind in "OTU" else variable.dtype.newbyteorder("<").str,
                "shape": list(variable.shape),
                "dims": [str(dim) for dim in variable.dims],
                "chunks": list(layout.chunks),
                "attributes": variable.attrs,
            }
        )

    @classmethod
    def of_stored(cls, document: Mapping[str, Any], coding: Coding) -> Self:
        """Begin the digest of an array in a file, from its metadata."""
        return cls(
            {
                "dtype": TEXT if coding.dtype is None else coding.dtype.str,
                "shape": document["shape"],
                "dims": document.get("dimension_names") or [],
                "chunks": document["chunk_grid"]["configuration"]["chunk_shape"],
                "attributes": document.get("attributes", {}),
            }
        )

    def update(self, values: np.ndarray[Any, Any]) -> None:
        """Take in the values of the next chunk."""
        if self._text:
            objects = np.empty(values.size, dtype=object)
            objects[:] = [str(value) for value in values.ravel()]
            # The codec of Zarr writes the same: lengths (uint32) and UTF-8 bytes, behind the number of texts.
            self._sha256.update(memoryview(_text.encode(objects))[4:])
        else:
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            self._sha256.update(np.ascontiguousarray(little).data)

    def hexdigest(self) -> str:
        """Return the digest of what was taken in."""
        return self._sha256.hexdigest()


def _array_digest(path: str, dataset: xr.Dataset, name: str) -> str:
    del path
    variable = dataset.variables[name]
    layout = layout_of(dataset, variable)
    digest = ArrayDigest.of(variable, layout)
    for values in _in_grid_order(variable, layout):
        digest.update(values)
    return digest.hexdigest()


def _in_grid_order(variable: xr.Variable, layout: Layout) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the values of every chunk of the layout; several at once where an array lies in chunks of another shape."""
    stored = variable.encoding.get("chunks", layout.chunks)
    whole = all(step >= size for step, size in zip(layout.chunks[:-1], variable.shape[:-1], strict=True))
    if not variable.ndim or tuple(stored) == tuple(layout.chunks) or not whole:
        yield from (np.asarray(variable[region].values) for region in regions(variable.shape, layout.chunks))
        return
    # One decoding of a stored chunk serves all chunks of the layout that take part of it.
    step, size = layout.chunks[-1], variable.shape[-1]
    row_bytes = max(1, variable.dtype.itemsize * int(np.prod(variable.shape[:-1], dtype=np.int64)))
    slab = max(1, SLAB_BYTES // (step * row_bytes)) * step
    for start in range(0, size, slab):
        values = np.asarray(variable[..., start : start + slab].values)
        yield from (values[..., at : at + step] for at in range(0, values.shape[-1], step))
