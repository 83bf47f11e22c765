"""A record's tree as a plain Zarr v3 folder: the layout that each kind asks for, nothing left to defaults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from numcodecs import blosc
from zarr.codecs import BloscCodec, ZstdCodec

from connectome import schema

from .canonical import plain

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

__all__ = ["RESERVED", "layout_of", "regions", "write_folder"]

RESERVED = ("provenance", "digests")
"""Root attributes that the store adds: where the record comes from, and the digest of every array."""

ZSTD_LEVEL = 3
BLOSC_LEVEL = 5


def write_folder(tree: xr.DataTree, folder: Path, *, reserved: Mapping[str, Any]) -> None:
    """Write a valid record as a Zarr v3 folder.

    Arrays are written chunk by chunk, so a lazily read source needs the memory of one chunk.

    Parameters
    ----------
    tree : xarray.DataTree
        A record that :func:`connectome.schema.validate` accepts.
    folder : Path
        A folder that does not exist yet.
    reserved : mapping
        Values of the root attributes in ``RESERVED``.
    """
    with single_threaded_blosc():
        root = zarr.create_group(store=str(folder), zarr_format=3, attributes=plain({**tree.attrs, **reserved}))
        for path, dataset in schema.groups(tree):
            _ensure_parents(root, path.strip("/"))
            group = root.create_group(path.strip("/"))
            attrs = plain(dataset.attrs)
            # The CF attribute by which xarray tells coordinates from data when it opens the group.
            coordinates = sorted(str(name) for name in dataset.coords if name not in dataset.dims)
            group.attrs.update({**attrs, **({"coordinates": " ".join(coordinates)} if coordinates else {})})
            for name in sorted(map(str, dataset.variables)):
                variable = dataset.variables[name]
                _write_array(group, name, variable, layout_of(dataset, variable))


def layout_of(dataset: xr.Dataset, variable: xr.Variable) -> Layout:
    """Return how a variable of a group lies on disk."""
    layout: Layout = schema.KINDS[schema.kind_of(dataset)].layout(variable)
    return layout


def regions(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the region of every chunk in grid order."""
    steps = [range(0, size, step) for size, step in zip(shape, chunks, strict=True)]
    for start in product(*steps):
        yield tuple(slice(at, min(at + step, size)) for at, step, size in zip(start, chunks, shape, strict=True))


def _ensure_parents(root: zarr.Group, path: str) -> None:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        root.require_group("/".join(parts[:depth]))


def _write_array(group: zarr.Group, name: str, variable: xr.Variable, layout: Layout) -> None:
    text = variable.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=variable.shape,
        dtype="string" if text else variable.dtype.newbyteorder("<"),
        chunks=layout.chunks,
        filters=None,
        compressors=_compressors(layout, variable.dtype),
        fill_value="" if text else np.zeros((), dtype=variable.dtype).item(),
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=plain(variable.attrs),
        # A chunk that is not there would read back as the fill value without a word.
        config={"write_empty_chunks": True},
    )
    for region in regions(variable.shape, layout.chunks):
        values = np.asarray(variable[region].values)
        array[region] = values.astype(object) if text else values


def _compressors(layout: Layout, dtype: np.dtype[Any]) -> Any:
    if layout.codec == "none":
        return None
    if layout.codec == "zstd":
        return [ZstdCodec(level=ZSTD_LEVEL)]
    shuffle: Literal["bitshuffle", "noshuffle"] = "bitshuffle" if dtype.itemsize > 1 else "noshuffle"
    return [BloscCodec(typesize=dtype.itemsize, cname="lz4", clevel=BLOSC_LEVEL, shuffle=shuffle)]


@contextlib.contextmanager
def single_threaded_blosc() -> Iterator[None]:
    """Compress with one thread: several write their blocks in the order they finish, so bytes would differ."""
    before = blosc.use_threads
    blosc.use_threads = False
    try:
        yield
    finally:
        blosc.use_threads = before
