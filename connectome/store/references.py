"""Arrays whose values stay in the file they come from: byte ranges with checksums instead of copied chunks.

Such an array is a Zarr v3 array like any other, but for its codec and its chunks: an entry holds canonical JSON,
``{"bytes": n, "offset": n, "sha256": hex}``, which names a range of one source file, and the codec
``connectome.reference`` says which file that is (name, length, SHA-256, where to ask for it) and how its bytes become a
chunk (filters undone last to first, byte order, order of axes). The idea is that of kerchunk and LINDI; what differs is
that every range has a checksum, and that a tool which does not know the codec refuses the array instead of reading fill
values.

The content digest is taken from values, so a record with references equals the one with copies. The source is looked
for, in this order: where the caller says, in the cache of raw files of the record's own store, where an import noted
that it lies, in the folders and addresses of ``CONNECTOME_SOURCES`` (separated by ``;``), at the address in the record.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, Self, cast
from urllib.parse import unquote

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import register_codec

from connectome.errors import ConnectomeError, DamagedError

from .. import atomic
from .canonical import canonical_json

if TYPE_CHECKING:
    import xarray as xr
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

    from .archive import ByteSource

__all__ = ["CODEC", "ENCODING", "Place", "ReferenceCodec", "SourceFile", "SourceLayout", "note_place", "referable"]

CODEC = "connectome.reference"
ENCODING = "source_layout"
"""Key in a variable's ``encoding`` under which a reader leaves a :class:`SourceLayout`."""
SOURCES = "CONNECTOME_SOURCES"
LEAST_BYTES = 4 << 10
"""Arrays in smaller chunks on average are copied: an entry with its checksum takes about 300 bytes."""
FILTERS = frozenset({"zlib", "shuffle"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


class SourceLayout(Protocol):
    """How a source file lays out the values of one variable; what a reader knows of it."""

    file: str
    """The file, as the reader was given it."""
    shape: tuple[int, ...]
    """Of the variable."""
    dtype: np.dtype[Any]
    """In the file, with its byte order."""
    chunks: tuple[int, ...]
    """Shape of a chunk, in the variable's order of dimensions."""
    order: tuple[int, ...]
    """Axes of a chunk as it lies in the file, by which it is transposed into the variable's order."""
    filters: tuple[Mapping[str, Any], ...]
    """What was done to a chunk's bytes, first to last: ``{"id": "shuffle", "elementsize": 2}``, ``{"id": "zlib"}``."""

    def extents(self) -> Iterable[tuple[tuple[int, ...], int, int]]:
        """Yield every chunk of the variable: its index in the grid, the offset and the length of its bytes."""
        ...

    def stored_bytes(self) -> int:
        """Return the length of all chunks in the file."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """A file that arrays refer to."""

    path: str
    """Its name in the record's provenance; of its parts only the last is looked for."""
    sha256: str
    size_bytes: int
    url: str | None = None
    """Where anybody may ask for it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the file as JSON values."""
        told = {"path": self.path, "sha256": self.sha256, "bytes": self.size_bytes}
        return told | ({"url": self.url} if self.url else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SourceFile:
        """Make a file from :meth:`as_dict`; raise ValueError unless it is one."""
        found = cls(str(values["path"]), str(values["sha256"]), int(values["bytes"]), values.get("url"))
        if not _SHA256.fullmatch(found.sha256) or not found.name or found.size_bytes < 0:
            raise ValueError(f"not a source file: {values!r}")
        return found

    @property
    def name(self) -> str:
        """The last part of the path."""
        name = PurePosixPath(self.path).name
        return "" if name in {".", ".."} else name


Place = str | Path
"""A file, a folder, or the address of one."""


@dataclass(frozen=True)
class ReferenceCodec(ArrayBytesCodec):
    """Turns bytes of a source file into a chunk.

    It decodes what :class:`~connectome.store.archive.RecordStore` gives for a chunk: the range of the source, already
    compared with its checksum. It encodes nothing.
    """

    file: SourceFile
    dtype: str
    order: tuple[int, ...]
    filters: tuple[tuple[tuple[str, Any], ...], ...] = ()

    is_fixed_size = False

    @classmethod
    def of(cls, layout: SourceLayout, file: SourceFile) -> Self:
        """Return the codec of an array."""
        filters = tuple(tuple(sorted(one.items())) for one in layout.filters)
        return cls(file, layout.dtype.str, tuple(layout.order), filters)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # type: ignore[override]
        """Read the codec from an array's metadata; raise ValueError where it says what nobody can undo."""
        told = data["configuration"]
        filters = tuple(tuple(sorted(one.items())) for one in told["filters"])
        unknown = {str(dict(one).get("id")) for one in filters} - FILTERS
        if unknown or np.dtype(told["dtype"]).kind not in "biuf":
            raise ValueError(f"cannot be undone: {sorted(unknown)} on {told['dtype']}")
        return cls(SourceFile.from_dict(told["file"]), told["dtype"], tuple(told["order"]), filters)

    def to_dict(self) -> dict[str, Any]:
        """Return the codec as it stands in an array's metadata."""
        filters = [dict(one) for one in self.filters]
        told = {"file": self.file.as_dict(), "dtype": self.dtype, "order": list(self.order), "filters": filters}
        return {"name": CODEC, "configuration": told}

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = np.dtype(self.dtype)
        shape = tuple(chunk_spec.shape[self.order.index(axis)] for axis in range(len(self.order)))
        wanted = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        data = chunk_bytes.to_bytes()
        for one in reversed(self.filters):
            data = _undone(data, dict(one), wanted)
        # The last chunk of an array that lies in one piece ends where the array does.
        if len(data) > wanted or len(data) % dtype.itemsize or (self.filters and len(data) != wanted):
            raise DamagedError(
                "a chunk of a source file has another length", subject=self.file.path,
                expected=f"{wanted} bytes", found=f"{len(data)} bytes",
            )  # fmt: skip
        values = np.zeros(shape, dtype=chunk_spec.dtype.to_native_dtype())
        given = np.frombuffer(data, dtype=dtype)
        values.ravel()[: len(given)] = given
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(
            cast("Any", np.ascontiguousarray(values.transpose(self.order)))
        )

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._decode_sync(chunk_bytes, chunk_spec)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        raise NotImplementedError("values of a referenced array are never written")

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Refuse: the length is that of a range of the source."""
        raise NotImplementedError


register_codec(CODEC, ReferenceCodec)


def _undone(data: bytes, one: Mapping[str, Any], wanted: int) -> bytes:
    if one["id"] == "zlib":
        try:
            # Never more than a chunk is long, whatever the stream claims.
            return zlib.decompressobj().decompress(data, max(wanted, 1))
        except zlib.error as error:
            raise DamagedError("a chunk of a source file does not decode", subject="zlib", found=str(error)) from error
    width = int(one["elementsize"])
    whole = len(data) // width * width
    rows = np.frombuffer(data[:whole], dtype=np.uint8).reshape(width, -1)
    return rows.T.tobytes() + data[whole:]


def referable(variable: xr.Variable, files: Mapping[str, SourceFile]) -> tuple[SourceLayout, SourceFile] | None:
    """Return how a variable lies in one of some files; None where it is to be copied.

    Parameters
    ----------
    variable : xarray.Variable
        Of a record that a reader made.
    files : mapping
        Files that may be referred to, by the path that the reader was given.
    """
    layout = variable.encoding.get(ENCODING)
    file = files.get(layout.file) if layout is not None else None
    if layout is None or file is None or variable.dtype.kind not in "iuf":
        return None
    if layout.shape != variable.shape or layout.dtype.newbyteorder("=") != variable.dtype.newbyteorder("="):
        return None
    if any(str(one.get("id")) not in FILTERS for one in layout.filters):
        return None
    counts = [-(-size // step) for size, step in zip(layout.shape, layout.chunks, strict=True)]
    n_chunks = int(np.prod(counts, dtype=np.int64))
    return (layout, file) if n_chunks and layout.stored_bytes() >= n_chunks * LEAST_BYTES else None


def references(layout: SourceLayout, file: SourceFile) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield the chunks of an array, in the order of the grid: for each the range of the source and its SHA-256.

    Parameters
    ----------
    layout, file
        From :func:`referable`; the file is at ``layout.file``.

    Yields
    ------
    index : tuple of int
        Of the chunk in the grid.
    entry : bytes
        What stands for it in the record.

    Raises
    ------
    DamagedError
        When a range reaches beyond the file.
    """
    with Path(layout.file).open("rb") as stream:
        for index, offset, length in sorted(layout.extents()):
            stream.seek(offset)
            data = stream.read(length)
            if len(data) != length:
                raise DamagedError(
                    "a chunk reaches beyond its file", subject=file.path, place=f"byte {offset}",
                    expected=f"{length} bytes", found=f"{len(data)} bytes",
                )  # fmt: skip
            entry = {"offset": offset, "bytes": length, "sha256": hashlib.sha256(data).hexdigest()}
            yield tuple(index), canonical_json(entry).encode()


def referenced_arrays(document: bytes) -> dict[str, SourceFile]:
    """Return the arrays of a record that lie in other files, from its consolidated metadata (``zarr.json``)."""
    if CODEC.encode() not in document:
        return {}
    found = {}
    for path, node in (json.loads(document).get("consolidated_metadata") or {}).get("metadata", {}).items():
        for codec in node.get("codecs", ()):
            if codec["name"] == CODEC:
                found[path] = SourceFile.from_dict(codec["configuration"]["file"])
    return found


class Resolver:
    """Finds source files and gives the ranges that chunks name, compared with their checksums.

    Parameters
    ----------
    record : str
        The record's file: its own store's cache of raw files is looked into, and errors name it.
    places : sequence of str or Path
        Where to look first.
    """

    def __init__(self, record: str, places: Sequence[Place] = ()) -> None:
        self._record, self._places = record, tuple(places)
        self._found: dict[str, ByteSource] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_record": self._record, "_places": self._places, "_found": {}}

    def read(self, key: str, entry: bytes, file: SourceFile) -> bytes:
        """Return the bytes that a chunk names.

        Raises
        ------
        DamagedError
            When the source is nowhere, the entry names no range of it, or its bytes are not those of the checksum.
        """
        try:
            told = json.loads(entry)
            offset, length, sha256 = int(told["offset"]), int(told["bytes"]), str(told["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError("a chunk names no range", subject=self._record, place=key, found=str(error)) from error
        if offset < 0 or length < 0 or offset + length > file.size_bytes:
            raise DamagedError(
                "a chunk reaches beyond its source file", subject=self._record, place=key,
                expected=f"within {file.size_bytes} bytes", found=f"{length} bytes from {offset}",
            )  # fmt: skip
        source = self._source(file, key)
        data = source.read(offset, length)
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise DamagedError(
                "the bytes of a source file have changed since they were referred to", subject=self._record, place=key,
                expected=f"SHA-256 {sha256}", found=f"{found} in {source.name}, {length} bytes from {offset}",
                hint=f"put {file.name} back as it was (SHA-256 {file.sha256}), or ingest it anew",
            )  # fmt: skip
        return data

    def _source(self, file: SourceFile, key: str) -> ByteSource:
        if file.sha256 not in self._found:
            looked: list[str] = []
            for candidate, name in self._candidates(file):
                looked.append(name)
                with suppress(ConnectomeError, OSError):
                    size = candidate.size()
                    if size == file.size_bytes:
                        self._found[file.sha256] = candidate
                        return candidate
                    looked[-1] += f" ({size} bytes)"
            raise DamagedError(
                "the source file of an array is not here", subject=self._record, place=key,
                expected=f"{file.path}, {file.size_bytes} bytes, SHA-256 {file.sha256}",
                found="looked for in " + ("; ".join(looked) or "no place"),
                hint=f"name the folder or address that holds it in {SOURCES}; a record that needs no other file is made"
                " without references",
            )  # fmt: skip
        return self._found[file.sha256]

    def _candidates(self, file: SourceFile) -> Iterator[tuple[ByteSource, str]]:
        named = [place.strip() for place in os.environ.get(SOURCES, "").split(";") if place.strip()]
        for place in [*self._places, *self._own(file), *named, *([file.url] if file.url else [])]:
            text = str(place)
            if text.lower().startswith(("http://", "https://")):
                yield _at_address(text if text == file.url else f"{text.rstrip('/')}/{file.name}")
                continue
            from .archive import LocalBytes

            path = Path(place)
            path = path / file.name if path.is_dir() else path
            yield LocalBytes(path), str(path)

    def _own(self, file: SourceFile) -> Iterator[Path]:
        """Yield where the record's own store may have the file."""
        if "://" in self._record:
            return
        above = Path(self._record).resolve().parents
        if len(above) > 3 and above[1].name == "records":
            raw = above[3] / "raw"
            yield raw / file.sha256 / file.name
            with suppress(OSError, ValueError, KeyError, TypeError):
                yield Path(json.loads(_note(raw, file.sha256).read_bytes())["path"])


def _at_address(url: str) -> tuple[ByteSource, str]:
    from .roots import WebRoot

    folder, _, name = url.rpartition("/")
    return WebRoot(folder).source(unquote(name)), url


def note_place(raw: Path, sha256: str, path: Path) -> None:
    """Note in a store's cache of raw files where a file that records refer to lies on this machine."""
    target = _note(raw, sha256)
    atomic.write_replace(target, json.dumps({"path": str(path.resolve())}).encode())


def _note(raw: Path, sha256: str) -> Path:
    return raw / "elsewhere" / f"{sha256}.json"
