"""Chunks of a record's arrays, decoded straight from the file into buffers that are used again.

zarr-python pays 0.3 to 0.5 ms for every call, more than it takes to decode a chunk. Here a chunk's bytes are read by
one ``preadv`` at the place that the record's directory gives and decoded by one call of the codec into a buffer of a
bounded cache; arrays stored without a codec are memory-mapped where they lie. What is not laid out in one of the ways
that the store writes is read through zarr-python: the answer is the same, only slower. Every chunk is checked against
its CRC-32 when a process first reads it.

Nothing here is shared between processes: readers are made anew in each one (:class:`Shelf`).
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numcodecs import VLenUTF8, blosc, zstd

from connectome.errors import DamagedError, NotFoundError
from connectome.store.archive import ByteSource, LocalBytes, RecordStore
from connectome.store.differences import NAME as DIFFERENCES
from connectome.store.differences import undo
from connectome.store.encode import single_threaded_blosc

if TYPE_CHECKING:
    from .specs import RecordFile

__all__ = ["CACHE_BYTES", "ArrayReader", "ChunkCache", "RecordReader", "Shelf"]

CACHE_BYTES = 64 << 20
"""Decoded chunks that a reader keeps by default: more than a batch of ordinary windows touches."""
MAX_OPEN = 256
"""Record files open at a time in one process; with mapped arrays two descriptors each, of the usual 1024."""
MAX_KNOWN = 4096
"""Records whose directories are kept in one process, about 50 kB each: reading one anew costs as much as a chunk."""
BLOSC_LENGTH_AT = 4
"""Place of the decoded length, 32 bits little-endian, in a Blosc chunk (c-blosc 1.21, README_CHUNK_FORMAT)."""

Array = np.ndarray[Any, Any]
Kept = TypeVar("Kept")
Route = Literal["mapped", "blosc", "zstd", "text", "zarr"]

_NUMBERS = frozenset(
    {"bool", "float32", "float64", "float16", "complex64", "complex128"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


class ChunkCache:
    """Decoded chunks, least recently used first to go; their memory is used again.

    Parameters
    ----------
    limit_bytes : int
        What it may hold; one chunk is always kept, however large.
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self._chunks: OrderedDict[tuple[Any, ...], tuple[Array, Array | None]] = OrderedDict()
        self._scratch = np.empty(0, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._chunks)

    def get(self, key: tuple[Any, ...]) -> Array | None:
        """Return a chunk that is here, now the most recently used; else None."""
        found = self._chunks.get(key)
        if found is None:
            return None
        self._chunks.move_to_end(key)
        return found[0]

    def scratch(self, n_bytes: int) -> memoryview:
        """Return memory for the bytes of one chunk before they are decoded, the same for all readers."""
        if self._scratch.nbytes < n_bytes:
            self._scratch = np.empty(n_bytes, dtype=np.uint8)
        return self._scratch.data[:n_bytes]

    def buffer(self, n_bytes: int) -> Array:
        """Return uint8 memory of that size, that of evicted chunks if there is no room."""
        spare: Array | None = None
        while self._chunks and self.size_bytes + n_bytes > self.limit_bytes:
            _, (chunk, memory) = self._chunks.popitem(last=False)
            self.size_bytes -= chunk.nbytes if memory is None else memory.nbytes
            spare = memory if memory is not None and memory.nbytes == n_bytes else spare
        return np.empty(n_bytes, dtype=np.uint8) if spare is None else spare

    def put(self, key: tuple[Any, ...], chunk: Array, memory: Array | None) -> None:
        """Keep a chunk whose values lie in ``memory``; None for memory that may not be used again for another."""
        self._chunks[key] = (chunk, memory)
        self.size_bytes += chunk.nbytes if memory is None else memory.nbytes


class RecordReader:
    """One record file, opened to read chunks of its arrays.

    Parameters
    ----------
    source : ByteSource
        The file.
    size_bytes : int, optional
        What its length must be.
    cache : ChunkCache, optional
        Where decoded chunks are kept; one may serve many records.

    Raises
    ------
    DamagedError
        When the file is missing, short, or no record.
    """

    def __init__(self, source: ByteSource, *, size_bytes: int | None = None, cache: ChunkCache | None = None) -> None:
        found = source.size()
        if size_bytes is not None and found != size_bytes:
            raise DamagedError(
                "the record's file does not have its length",
                subject=source.name,
                expected=f"{size_bytes} bytes",
                found=f"{found} bytes",
                hint="pull the version again, or ingest it anew",
            )
        self.store = RecordStore(source)
        self.source = source
        self.cache = cache if cache is not None else ChunkCache()
        if "zarr.json" not in self.store.entries:
            raise DamagedError("the file is not a record", subject=source.name, expected="a Zarr v3 group")
        root = json.loads(self.store.read_entry("zarr.json"))
        self._documents: Mapping[str, Any] = root.get("consolidated_metadata", {}).get("metadata", {})
        self._attributes: Mapping[str, Any] = root.get("attributes", {})
        self._arrays: dict[str, ArrayReader] = {}
        self._constants: dict[str, Array] = {}
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._checked: set[str] = set()
        self._map: mmap.mmap | None = None

    def release(self) -> None:
        """Close the file. What is known of it stays, and the next read opens it again."""
        self._map = None
        if isinstance(self.source, LocalBytes):
            self.source.close()

    def has(self, path: str) -> bool:
        """Tell whether there is a group or array at a path."""
        return path in self._documents

    def attributes(self, path: str = "") -> Mapping[str, Any]:
        """Return the attributes of a group or array; of the record itself for ``""``."""
        found: Mapping[str, Any] = self._document(path).get("attributes", {}) if path else self._attributes
        return found

    def array(self, path: str) -> ArrayReader:
        """Return the reader of one array."""
        if path not in self._arrays:
            self._arrays[path] = ArrayReader(self, path, self._document(path))
        return self._arrays[path]

    def constant(self, path: str) -> Array:
        """Return a whole small array, read once and kept; not to be written to."""
        if path not in self._constants:
            self._constants[path] = self.array(path).read()
        return self._constants[path]

    def keep(self, key: tuple[Any, ...], make: Callable[[], Kept]) -> Kept:
        """Return what was once made of the record under a key, as long as this reader is known."""
        if key not in self._kept:
            self._kept[key] = make()
        found: Kept = self._kept[key]
        return found

    def _document(self, path: str) -> Mapping[str, Any]:
        if path not in self._documents:
            groups = [name for name, about in self._documents.items() if about["node_type"] == "group"]
            raise NotFoundError(
                "the record has no such array or group",
                subject=self.source.name,
                place=path,
                expected=", ".join(sorted(groups)),
            )
        document: Mapping[str, Any] = self._documents[path]
        return document

    def entry(self, key: str) -> memoryview:
        """Return the bytes of one entry, valid until any reader with the same cache is asked for the next."""
        start, size = self._span(key)
        if not isinstance(self.source, LocalBytes):
            data = memoryview(self.source.read(start, size))
        else:
            data = self.cache.scratch(size)
            found = os.preadv(self.source.descriptor(), [data], start) if size else 0
            if found != size:
                raise DamagedError(
                    "the record's file ends too early",
                    subject=self.source.name,
                    place=key,
                    expected=f"{size} bytes",
                    found=f"{found} bytes",
                    hint="connectome verify names every damaged record",
                )
        self._check(key, data)
        return data

    def columns(self, group: str) -> dict[str, tuple[str, ...]]:
        """Return the arrays of a group, and the dimensions of each."""
        self._document(group)
        inside = {path: about for path, about in self._documents.items() if path.rpartition("/")[0] == group}
        return {
            path.rpartition("/")[2]: tuple(about["dimension_names"])
            for path, about in inside.items()
            if about["node_type"] == "array"
        }

    def mapped(self, key: str, *, check: bool = True) -> memoryview:
        """Return the bytes of one entry where they lie, without a copy; the file stays mapped."""
        start, size = self._span(key)
        if not isinstance(self.source, LocalBytes):
            data = memoryview(self.source.read(start, size))
        else:
            if self._map is None:
                self._map = mmap.mmap(self.source.descriptor(), 0, access=mmap.ACCESS_READ)
            data = memoryview(self._map)[start : start + size]
        if check:
            self._check(key, data)
        return data

    def _span(self, key: str) -> tuple[int, int]:
        if key not in self.store.entries:
            raise DamagedError("a chunk is missing", subject=self.source.name, place=key)
        return self.store.span(key)

    def _check(self, key: str, data: memoryview) -> None:
        # Once per process: a file that was whole when it was opened does not change under a training run.
        if key in self._checked:
            return
        if zlib.crc32(data) != self.store.entries[key][2]:
            raise DamagedError(
                "the bytes of a chunk have changed since they were written",
                subject=self.source.name,
                place=key,
                hint="connectome verify names every damaged record; pull the version again",
            )
        self._checked.add(key)


class ArrayReader:
    """One array of a record, read by chunks.

    Attributes
    ----------
    shape, chunks : tuple of int
    dtype : numpy.dtype
    route : {"mapped", "blosc", "zstd", "text", "zarr"}
        How chunks are read.
    n_decoded : int
        Chunks decoded so far; what the cache answers does not count.
    """

    def __init__(self, record: RecordReader, path: str, document: Mapping[str, Any]) -> None:
        self.path = path
        self.shape: tuple[int, ...] = tuple(document["shape"])
        self.route: Route = _route(document)
        self._differences = self.route != "zarr" and _has_differences(document)
        self.n_decoded = 0
        self._record = record
        self._zarr: Any = None
        if self.route == "zarr":
            import zarr

            self._zarr = zarr.open_array(store=record.store, path=path, mode="r")
            self.chunks, self.dtype = tuple(self._zarr.chunks), np.dtype(self._zarr.dtype)
        else:
            self.chunks = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
            text = self.route == "text"
            self.dtype = np.dtypes.StringDType() if text else np.dtype(document["data_type"]).newbyteorder("<")

        # Asked for with every window: all but the last dimension, and whether one chunk holds them.
        self._whole = tuple(slice(0, size) for size in self.shape[:-1])
        self._leading = (0,) * len(self._whole)
        self._in_one = all(size <= part for size, part in zip(self.shape[:-1], self.chunks[:-1], strict=True))

    def __repr__(self) -> str:
        return f"<ArrayReader {self.path} {self.shape} {self.dtype} by {self.chunks}, {self.route}>"

    def chunk(self, index: tuple[int, ...]) -> Array:
        """Return one chunk, cut to the array's bounds; to be used before the next chunk is asked for."""
        bounds = tuple(
            slice(0, min(step, size - at * step)) for at, step, size in zip(index, self.chunks, self.shape, strict=True)
        )
        trimmed: Array = self._decoded(index)[bounds]
        return trimmed

    def _decoded(self, index: tuple[int, ...]) -> Array:
        """Return one chunk as it lies in the file: beyond the array's bounds with whatever was written there."""
        key = (self._record.source.name, self.path, index)
        found = self._record.cache.get(key)
        if found is None:
            self.n_decoded += 1
            found = self._decode(key, index)
        return found

    def _decode(self, key: tuple[Any, ...], index: tuple[int, ...]) -> Array:
        if self.route == "zarr":
            corner = tuple(slice(at * step, (at + 1) * step) for at, step in zip(index, self.chunks, strict=True))
            values: Array = np.asarray(self._zarr[corner])
            return self._keep(key, values)
        entry = "/".join([self.path, "c", *map(str, index)])
        n_bytes = int(np.prod(self.chunks, dtype=np.int64)) * self.dtype.itemsize
        if self.route == "mapped":
            data = self._record.mapped(entry)
            self._check_length(data.nbytes, n_bytes, entry)
            return np.frombuffer(data, dtype=self.dtype).reshape(self.chunks)
        data = self._record.entry(entry)
        if self.route == "text":
            return self._keep(key, self._texts(data, entry))
        memory = self._record.cache.buffer(n_bytes)
        try:
            if self.route == "blosc":
                self._check_length(struct.unpack_from("<I", data, BLOSC_LENGTH_AT)[0], n_bytes, entry)
                # Blosc's own threads do not survive a fork.
                with single_threaded_blosc():
                    blosc.decompress(data, memory)
            else:
                zstd.decompress(data, memory)
        except (RuntimeError, ValueError, struct.error) as error:
            raise DamagedError(
                "a chunk does not decode", subject=self._record.source.name, place=entry, found=str(error)
            ) from error
        values = memory.view(self.dtype).reshape(self.chunks)
        if self._differences:
            undo(values)
        self._record.cache.put(key, values, memory)
        return values

    def _texts(self, data: memoryview, entry: str) -> Array:
        """Decode strings as zarr does, into its dtype."""
        try:
            texts = VLenUTF8().decode(zstd.decompress(data))
            return np.asarray(texts).reshape(self.chunks).astype(self.dtype)
        except (RuntimeError, ValueError, TypeError) as error:
            raise DamagedError(
                "a chunk does not decode", subject=self._record.source.name, place=entry, found=str(error)
            ) from error

    def _keep(self, key: tuple[Any, ...], values: Array) -> Array:
        """Count a chunk in memory of its own, which is never used again for another: strings point out of theirs."""
        self._record.cache.buffer(values.nbytes)
        self._record.cache.put(key, values, None)
        return values

    def _check_length(self, found: int, expected: int, entry: str) -> None:
        if found != expected:
            raise DamagedError(
                "a chunk does not have its length",
                subject=self._record.source.name,
                place=entry,
                expected=f"{expected} bytes",
                found=f"{found} bytes",
            )

    def read_into(self, destination: Array, start: Sequence[int]) -> None:
        """Copy a region into an array.

        Parameters
        ----------
        destination : numpy.ndarray
            Its shape is that of the region; values are cast to its dtype.
        start : sequence of int
            First index of the region along every dimension; the region lies inside the array.
        """
        stop = [at + size for at, size in zip(start, destination.shape, strict=True)]
        if any(at < 0 or end > size for at, end, size in zip(start, stop, self.shape, strict=True)):
            raise IndexError(f"{self.path}: {tuple(start)} to {tuple(stop)} is not inside {self.shape}")
        if not destination.size:
            return
        spans = [range(at // step, -(-end // step)) for at, end, step in zip(start, stop, self.chunks, strict=True)]
        for index in product(*spans):
            source, target = [], []
            for dim, at in enumerate(index):
                low = at * self.chunks[dim]
                first, last = max(start[dim], low), min(stop[dim], low + self.chunks[dim])
                source.append(slice(first - low, last - low))
                target.append(slice(first - start[dim], last - start[dim]))
            destination[tuple(target)] = self.chunk(index)[tuple(source)]

    def whole(self, *, check: bool = True) -> Array | None:
        """Return the array where it lies in the file, read-only and without a copy.

        Parameters
        ----------
        check : bool
            Whether its CRC-32 is compared, which reads all of it.

        Returns
        -------
        numpy.ndarray or None
            None where it is not one uncompressed chunk of a local file.
        """
        if self.route != "mapped" or self.chunks != self.shape or not isinstance(self._record.source, LocalBytes):
            return None
        entry = "/".join([self.path, "c", *("0" for _ in self.shape)])
        data = self._record.mapped(entry, check=check)
        self._check_length(data.nbytes, int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize, entry)
        values = np.frombuffer(data, dtype=self.dtype).reshape(self.shape)
        return values if values.flags.aligned else None

    def take(self, rows: Array) -> Array:
        """Return some rows, in the order in which they are asked for.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (row,), integers from 0 up. Every chunk that holds one of them is decoded once.
        """
        values = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        if not len(rows):
            return values
        if rows.min() < 0 or rows.max() >= self.shape[0]:
            raise IndexError(f"{self.path}: rows {rows.min()} to {rows.max()} of {self.shape[0]}")
        chunk = rows // self.chunks[0]
        for at in np.unique(chunk).tolist():
            here = np.flatnonzero(chunk == at)
            low = at * self.chunks[0]
            if all(step >= size for step, size in zip(self.chunks[1:], self.shape[1:], strict=True)):
                values[here] = self.chunk((at, *(0 for _ in self.shape[1:])))[rows[here] - low]
            else:
                stop = min(low + self.chunks[0], self.shape[0])
                values[here] = self.read([low, *(0 for _ in self.shape[1:])], [stop, *self.shape[1:]])[rows[here] - low]
        return values

    def read(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Return a region, or the whole array, in the array's dtype."""
        first = list(start) if start is not None else [0] * len(self.shape)
        last = list(stop) if stop is not None else list(self.shape)
        values = np.empty([end - at for at, end in zip(first, last, strict=True)], dtype=self.dtype)
        self.read_into(values, first)
        return values

    def pieces(self, start: int, stop: int) -> Iterator[tuple[Array, slice]]:
        """Yield what one chunk after another holds of a stretch of the last dimension.

        Yields
        ------
        values : numpy.ndarray
            Everything along the other dimensions; a view of the chunk, to be used before the next one.
        place : slice
            Where it lies in the stretch.
        """
        step = self.chunks[-1]
        for at in range(start // step, -(-stop // step) if stop > start else start // step):
            low = at * step
            first, last = max(start, low), min(stop, low + step)
            place = slice(first - start, last - start)
            if self._in_one:
                yield self._decoded((*self._leading, at))[(*self._whole, slice(first - low, last - low))], place
            else:
                yield self.read([*self._leading, first], [*self.shape[:-1], last]), place


def _route(document: Mapping[str, Any]) -> Route:
    """Tell how an array's chunks can be read; anything unusual goes through zarr-python."""
    codecs = document.get("codecs", [])[1 if _has_differences(document) else 0 :]
    names = [codec["name"] for codec in codecs]
    plain = (
        document["chunk_grid"]["name"] == "regular"
        and document["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and not document.get("storage_transformers")
    )
    numbers = (
        document["data_type"] in _NUMBERS
        and names[:1] == ["bytes"]
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
    )
    if not plain or 0 in document["shape"]:
        return "zarr"
    if document["data_type"] == "string" and names == ["vlen-utf8", "zstd"]:
        return "text"
    if not numbers:
        return "zarr"
    if len(names) == 1:
        return "zarr" if _has_differences(document) else "mapped"
    routes: dict[str, Route] = {"blosc": "blosc", "zstd": "zstd"}
    return routes.get(names[1], "zarr") if len(names) == 2 else "zarr"


def _has_differences(document: Mapping[str, Any]) -> bool:
    """Tell whether an array of one dimension holds the differences of neighbours, in its own type."""
    codecs, dtype = document.get("codecs", []), document["data_type"]
    first: Mapping[str, Any] = codecs[0] if codecs else {}
    own = {"dtype": np.dtype(dtype).newbyteorder("<").str} if dtype in _NUMBERS else None
    return first.get("name") == DIFFERENCES and first.get("configuration") == own and len(document["shape"]) == 1


class Shelf:
    """Record files that are opened when first read, in each process anew, with one cache for all.

    Parameters
    ----------
    files : sequence of RecordFile
        The files; readers are asked for by position.
    cache_bytes : int
        Limit of the cache.

    Notes
    -----
    At most ``MAX_OPEN`` files are open at a time, whatever the number of records; so ask for a reader when it is
    needed and do not keep it.
    """

    def __init__(self, files: Sequence[RecordFile], *, cache_bytes: int = CACHE_BYTES) -> None:
        self.files = tuple(files)
        self.cache_bytes = cache_bytes
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._readers: OrderedDict[int, RecordReader] = OrderedDict()
        self._open: OrderedDict[int, None] = OrderedDict()
        self._cache = ChunkCache(self.cache_bytes)

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "cache_bytes": self.cache_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.files, self.cache_bytes = state["files"], state["cache_bytes"]
        self._forget()

    def __len__(self) -> int:
        return len(self.files)

    def reader(self, at: int) -> RecordReader:
        """Return the reader of one file."""
        if self._pid != os.getpid():
            self._forget()
        if at not in self._readers:
            if len(self._readers) >= MAX_KNOWN:
                dropped, reader = self._readers.popitem(last=False)
                self._open.pop(dropped, None)
                reader.release()
            file = self.files[at]
            self._readers[at] = RecordReader(file.open(), size_bytes=file.size_bytes, cache=self._cache)
        self._readers.move_to_end(at)
        self._open[at] = None
        self._open.move_to_end(at)
        if len(self._open) > MAX_OPEN:
            oldest, _ = self._open.popitem(last=False)
            self._readers[oldest].release()
        return self._readers[at]
