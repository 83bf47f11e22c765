"""A record's tree as a Zarr v3 hierarchy: the layout that each kind asks for, nothing left to defaults."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from numcodecs import blosc
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import MemoryStore

from connectome import schema
from connectome.errors import SchemaError

from .canonical import plain
from .coding import TEXT, coding_of
from .differences import Differences
from .digest import RESERVED, ArrayDigest
from .grid import for_each_array, layout_of, regions
from .references import ReferenceCodec, referable, references

if TYPE_CHECKING:
    import xarray as xr

    from connectome.schema import Layout

    from .references import SourceFile, SourceLayout

__all__ = ["RESERVED", "Document", "Put", "encode", "single_threaded_blosc", "write_folder"]

ZSTD_LEVEL = 3
BLOSC_LEVEL = 5

Document = dict[str, Any]
"""Zarr v3 metadata of a group or an array."""
Put = Callable[[str, tuple[int, ...], bytes], None]
"""Takes the path of an array, the index of a chunk and its bytes; for each array in the order of the grid."""


def encode(
    tree: xr.DataTree,
    put: Put,
    *,
    reserved: Mapping[str, Any],
    by_reference: Mapping[str, SourceFile] | None = None,
) -> tuple[dict[str, Document], dict[str, str]]:
    """Encode a valid record as a Zarr v3 hierarchy.

    Arrays are encoded chunk by chunk, so a lazily read source needs the memory of one chunk, and is read once. The
    metadata is zarr-python's own but for what differs from array to array (shape, chunks, names, attributes).

    Parameters
    ----------
    tree : xarray.DataTree
        A record that :func:`connectome.schema.validate` accepts.
    put : callable
        Where the chunks go. Of a large record several arrays are under way at once, each in a thread.
    reserved : mapping
        Values of the root attributes in ``RESERVED``.
    by_reference : mapping, optional
        Files whose arrays are referred to instead of copied, where they can be, by the path that the reader was given.

    Returns
    -------
    documents : dict of str to dict
        The metadata of every group and array by its path (``""`` is the root).
    digests : dict of str to str
        The digest of every array (``/activity/signal``), taken from the values as they were encoded.

    Raises
    ------
    SchemaError
        When a name is none for Zarr, or values are of a type that no codec takes.
    """
    documents = {"": _group({**tree.attrs, **reserved})}
    with single_threaded_blosc():
        for path, dataset in schema.groups(tree):
            parts = path.strip("/").split("/")
            for depth in range(1, len(parts)):
                documents.setdefault("/".join(parts[:depth]), _group({}))
            # The CF attribute by which xarray tells coordinates from data when it opens the group.
            coordinates = sorted(str(name) for name in dataset.coords if name not in dataset.dims)
            added = {"coordinates": " ".join(coordinates)} if coordinates else {}
            documents["/".join(parts)] = _group({**dataset.attrs, **added})
        done = for_each_array(tree, partial(_encode_array, put, by_reference or {}))
    documents |= {path.strip("/"): document for path, (document, _) in done.items()}
    _check_names(documents)
    return documents, {path: digest for path, (_, digest) in done.items()}


def write_folder(tree: xr.DataTree, folder: Path, *, reserved: Mapping[str, Any]) -> None:
    """Write a valid record as a plain Zarr v3 folder that does not exist yet; see :func:`encode`."""

    def put(place: str, index: tuple[int, ...], data: bytes) -> None:
        target = folder.joinpath(place, "c", *map(str, index))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    documents, _ = encode(tree, put, reserved=reserved)
    for place, document in documents.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "zarr.json").write_text(json.dumps(document, indent=2))


def _check_names(places: Iterable[str]) -> None:
    for place in filter(None, places):
        if "\\" in place or not {"", ".", "..", "zarr.json"}.isdisjoint(place.split("/")):
            raise SchemaError(
                "a name that Zarr tools take for another one", subject=place,
                expected="no backslash, and none of '', '.', '..', 'zarr.json'", found=repr(place),
            )  # fmt: skip


def _group(attributes: Mapping[Any, Any]) -> Document:
    return {"attributes": plain(attributes), "zarr_format": 3, "node_type": "group"}


def _encode_array(
    put: Put, by_reference: Mapping[str, SourceFile], path: str, dataset: xr.Dataset, name: str
) -> tuple[Document, str]:
    """Encode one array and return its metadata and its digest."""
    variable = dataset.variables[name]
    layout, place = layout_of(dataset, variable), f"{path.strip('/')}/{name}"
    found = referable(variable, by_reference) if by_reference else None
    if found is not None:
        return _refer(put, place, variable, layout, *found)
    document = _array(variable, layout.chunks, _made_by_zarr(variable.dtype, layout.codec, ZSTD_LEVEL, BLOSC_LEVEL))
    coding = coding_of(document)
    if coding is None:
        raise SchemaError("values that no codec of a record takes", subject=place, found=str(variable.dtype))
    digest = ArrayDigest.of(variable, layout)
    steps = layout.chunks
    for region in regions(variable.shape, steps):
        values = np.asarray(variable[region].values)
        digest.update(values)
        index = tuple(at.start // step for at, step in zip(region, steps, strict=True))
        put(place, index, coding.encode(values, steps))
    return document, digest.hexdigest()


def _refer(
    put: Put, place: str, variable: xr.Variable, layout: Layout, source: SourceLayout, file: SourceFile
) -> tuple[Document, str]:
    """Write where the values of an array lie; return its metadata and the digest of the values."""
    for index, entry in references(source, file):
        put(place, index, entry)
    digest = ArrayDigest.of(variable, layout)
    for region in regions(variable.shape, layout.chunks):
        digest.update(np.asarray(variable[region].values))
    made = _created(variable.dtype, filters=None, serializer=ReferenceCodec.of(source, file), compressors=None)
    return _array(variable, source.chunks, made), digest.hexdigest()


def _array(variable: xr.Variable, chunks: tuple[int, ...], made: str) -> Document:
    """Return the metadata of an array, from those that zarr made for one of its type and coding."""
    document: Document = json.loads(made)
    document["shape"] = list(variable.shape)
    document["chunk_grid"]["configuration"]["chunk_shape"] = list(chunks)
    document["attributes"] = plain(variable.attrs)
    if variable.ndim:
        document["dimension_names"] = [str(dim) for dim in variable.dims]
    else:
        # As zarr leaves out what names no dimension.
        del document["dimension_names"]
    return document


@lru_cache(256)
def _made_by_zarr(dtype: np.dtype[Any], codec: str, *_levels: int) -> str:
    """Return the metadata that zarr-python makes for an array of a type and coding, as JSON."""
    return _created(
        dtype,
        filters=[Differences(dtype=dtype.newbyteorder("<").str)] if codec == "differences" else None,
        serializer="auto",
        compressors=_compressors(codec, dtype),
    )


def _created(dtype: np.dtype[Any], *, filters: Any, serializer: Any, compressors: Any) -> str:
    text = dtype.kind in "OTU"
    array = zarr.create_array(
        MemoryStore(),
        shape=(1,),
        dtype=TEXT if text else dtype.newbyteorder("<"),
        chunks=(1,),
        filters=filters,
        serializer=serializer,
        compressors=compressors,
        fill_value="" if text else np.zeros((), dtype=dtype).item(),
        dimension_names=["x"],
    )
    return json.dumps(array.metadata.to_dict())


def _compressors(codec: str, dtype: np.dtype[Any]) -> Any:
    if codec == "none":
        return None
    if codec == "zstd":
        return [ZstdCodec(level=ZSTD_LEVEL)]
    shuffle: Literal["shuffle", "bitshuffle", "noshuffle"] = "bitshuffle" if dtype.itemsize > 1 else "noshuffle"
    if codec == "zstd-shuffle":
        return [BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=ZSTD_LEVEL, shuffle=shuffle)]
    if codec == "differences":
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
