"""A record's tree as a plain Zarr v3 folder: the layout that each kind asks for, nothing left to defaults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from numcodecs import blosc
from zarr.codecs import BloscCodec, ZstdCodec

from connectome import schema

from .canonical import plain
from .differences import Differences
from .digest import RESERVED, ArrayDigest
from .grid import for_each_array, layout_of, regions
from .references import ReferenceCodec, referable, write_references

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

    from .references import SourceFile, SourceLayout

__all__ = ["RESERVED", "single_threaded_blosc", "write_folder"]

ZSTD_LEVEL = 3
BLOSC_LEVEL = 5


def write_folder(
    tree: xr.DataTree,
    folder: Path,
    *,
    reserved: Mapping[str, Any],
    with_digests: bool = False,
    by_reference: Mapping[str, SourceFile] | None = None,
) -> dict[str, str]:
    """Write a valid record as a Zarr v3 folder.

    Arrays are written chunk by chunk, so a lazily read source needs the memory of one chunk, and is read once.

    Parameters
    ----------
    tree : xarray.DataTree
        A record that :func:`connectome.schema.validate` accepts.
    folder : Path
        A folder that does not exist yet.
    reserved : mapping
        Values of the root attributes in ``RESERVED``.
    with_digests : bool
        Add the digest of every array to the root attributes.
    by_reference : mapping, optional
        Files whose arrays are referred to instead of copied, where they can be, by the path that the reader was given.

    Returns
    -------
    dict of str to str
        The digest of every array, taken from the values as they were written.
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
        arrays = for_each_array(tree, partial(_write_array, root, folder, by_reference or {}))
        if with_digests:
            root.attrs.update({"digests": arrays})
    return arrays


def _ensure_parents(root: zarr.Group, path: str) -> None:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        root.require_group("/".join(parts[:depth]))


def _write_array(
    root: zarr.Group,
    folder: Path,
    by_reference: Mapping[str, SourceFile],
    path: str,
    dataset: xr.Dataset,
    name: str,
) -> str:
    """Write one array and return its digest."""
    variable = dataset.variables[name]
    layout, text = layout_of(dataset, variable), variable.dtype.kind in "OTU"
    found = referable(variable, by_reference) if by_reference else None
    if found is not None:
        return _write_referenced(root, folder, f"{path.strip('/')}/{name}", variable, layout, *found)
    array = root.create_array(
        f"{path.strip('/')}/{name}",
        shape=variable.shape,
        dtype="string" if text else variable.dtype.newbyteorder("<"),
        chunks=layout.chunks,
        filters=[Differences(dtype=variable.dtype.newbyteorder("<").str)] if layout.codec == "differences" else None,
        compressors=_compressors(layout, variable.dtype),
        fill_value="" if text else np.zeros((), dtype=variable.dtype).item(),
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=plain(variable.attrs),
        # A chunk that is not there would read back as the fill value without a word.
        config={"write_empty_chunks": True},
    )
    digest = ArrayDigest(variable, layout)
    for region in regions(variable.shape, layout.chunks):
        values = np.asarray(variable[region].values)
        array[region] = values.astype(object) if text else values
        digest.update(values)
    return digest.hexdigest()


def _write_referenced(
    root: zarr.Group,
    folder: Path,
    place: str,
    variable: xr.Variable,
    layout: Layout,
    source: SourceLayout,
    file: SourceFile,
) -> str:
    """Write where the values of an array lie, and return the digest of the values."""
    root.create_array(
        place,
        shape=variable.shape,
        dtype=variable.dtype.newbyteorder("<"),
        chunks=source.chunks,
        filters=None,
        serializer=ReferenceCodec.of(source, file),
        compressors=None,
        fill_value=np.zeros((), dtype=variable.dtype).item(),
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=plain(variable.attrs),
    )
    write_references(folder / place, source, file)
    digest = ArrayDigest(variable, layout)
    for region in regions(variable.shape, layout.chunks):
        digest.update(np.asarray(variable[region].values))
    return digest.hexdigest()


def _compressors(layout: Layout, dtype: np.dtype[Any]) -> Any:
    if layout.codec == "none":
        return None
    if layout.codec == "zstd":
        return [ZstdCodec(level=ZSTD_LEVEL)]
    shuffle: Literal["shuffle", "bitshuffle", "noshuffle"] = "bitshuffle" if dtype.itemsize > 1 else "noshuffle"
    if layout.codec == "zstd-shuffle":
        return [BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=ZSTD_LEVEL, shuffle=shuffle)]
    if layout.codec == "differences":
        # Small numbers in eight bytes: shuffled bits take a twentieth less space, and twice the time to read.
        shuffle = "shuffle"
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
