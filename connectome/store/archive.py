"""A record file as a read-only Zarr store: a ZIP with stored entries, read by byte ranges.

:class:`RecordStore` maps the ZIP's directory to byte ranges and reads them with ``pread`` (or ranged requests, for a
record that lies elsewhere). It holds no position, so one store serves many threads, and a copy in another process
opens its own handle. Whole entries are checked against their CRC-32 as they are read.

:mod:`connectome.store.packing` writes such a file.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from connectome.errors import DamagedError

from .directory import read_directory
from .references import Place, Resolver, SourceFile, referenced_arrays

__all__ = ["ByteSource", "LocalBytes", "RecordStore", "complete"]

LOCAL_HEADER_BYTES = 30
"""Fixed part of a ZIP local file header (APPNOTE 6.3.10, section 4.3.7)."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time stamp that a ZIP can hold; the same for every entry."""
ALIGN_BYTES = 64
"""Chunks start at multiples of this, so that uncompressed arrays can be memory-mapped with aligned items."""
PADDING_ID = 0xD935
"""Extra-field id for padding (as zipalign writes it)."""
SMALL_BYTES = 64 << 10
"""From here on, a second request costs less than a copy."""
_CHUNK = re.compile(r"(^|/)c(/[0-9]+)*$")
"""Keys of chunks in Zarr v3's default encoding; those of metadata end in ``zarr.json``."""


class ByteSource(Protocol):
    """Bytes that can be read by range, wherever they are."""

    name: str

    def size(self) -> int:
        """Return the length in bytes."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``."""
        ...


def complete(data: bytes, length: int, *, name: str, start: int, hint: str) -> bytes:
    """Return bytes that were read at a place, or raise DamagedError if there are fewer than there should be."""
    if len(data) != length:
        raise DamagedError(
            "the record's file ends too early",
            subject=name,
            place=f"byte {start}",
            expected=f"{length} bytes",
            found=f"{len(data)} bytes",
            hint=hint,
        )
    return data


class LocalBytes:
    """A local file; the handle is opened on first use in each process."""

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._handle: tuple[int, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "_handle": None}

    def __del__(self) -> None:
        if self._handle is not None and self._handle[0] == os.getpid():
            os.close(self._handle[1])

    def close(self) -> None:
        """Close this process's handle; the next read opens it again."""
        if self._handle is not None and self._handle[0] == os.getpid():
            os.close(self._handle[1])
        self._handle = None

    def descriptor(self) -> int:
        """Return this process's own file descriptor."""
        if self._handle is None or self._handle[0] != os.getpid():
            try:
                self._handle = (os.getpid(), os.open(self.name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)))
            except (FileNotFoundError, NotADirectoryError):
                raise DamagedError(
                    "the record's file is missing", subject=self.name, hint="pull the version again, or ingest it anew"
                ) from None
        return self._handle[1]

    def size(self) -> int:
        """Return the length in bytes."""
        return os.fstat(self.descriptor()).st_size

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``."""
        data = os.pread(self.descriptor(), length, start)
        return complete(data, length, name=self.name, start=start, hint="connectome verify names every damaged record")


class RecordStore(Store):
    """Read-only Zarr store over one record file.

    Parameters
    ----------
    source : path or ByteSource
        The file.
    places : sequence of str or Path
        Where to look first for the files that referenced arrays lie in; see :mod:`connectome.store.references`.

    Raises
    ------
    DamagedError
        When the file is missing, short or no ZIP.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, source: str | Path | ByteSource, *, places: Sequence[Place] = ()) -> None:
        super().__init__(read_only=True)
        self.source: ByteSource = LocalBytes(source) if isinstance(source, (str, Path)) else source
        self._entries: dict[str, tuple[int, int, int]] | None = None
        self._starts: dict[str, int] = {}
        self._places = tuple(places)
        self._resolver = Resolver(self.source.name, self._places)
        self._referenced: dict[str, SourceFile] | None = None
        self._is_open = True

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "places": self._places}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["source"], places=state["places"])  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordStore) and self.source.name == other.source.name

    def __hash__(self) -> int:
        return hash(self.source.name)

    def __repr__(self) -> str:
        return f"RecordStore({self.source.name!r})"

    @property
    def entries(self) -> dict[str, tuple[int, int, int]]:
        """Entry name to (offset of its local header, size in bytes, CRC-32)."""
        if self._entries is None:
            self._entries = read_directory(self.source)
        return self._entries

    def span(self, key: str) -> tuple[int, int]:
        """Return (start, length) of an entry's bytes in the file."""
        if key not in self.entries:
            raise DamagedError("the file has no such entry", subject=self.source.name, place=key)
        header_offset, size, _ = self.entries[key]
        if key not in self._starts:
            self._start(key, self.source.read(header_offset, LOCAL_HEADER_BYTES))
        return self._starts[key], size

    def read_entry(self, key: str) -> bytes:
        """Return the bytes of one entry, checked against its CRC-32."""
        data = self._whole(key)
        if zlib.crc32(data) != self.entries[key][2]:
            raise DamagedError(
                "the bytes of an entry have changed since they were written",
                subject=self.source.name,
                place=key,
                expected=f"CRC-32 {self.entries[key][2]:08x}",
                found=f"{zlib.crc32(data):08x}",
                hint="connectome verify names every damaged record; pull the version again",
            )
        return data

    def _whole(self, key: str) -> bytes:
        """Return the bytes of an entry; a small one together with its header, by one request."""
        header_offset, size, _ = self.entries.get(key, (0, SMALL_BYTES, 0))
        if key not in self._starts and size < SMALL_BYTES:
            # Behind the last entry the directory has more bytes than the padding, so this stays inside the file.
            most = LOCAL_HEADER_BYTES + len(key.encode()) + 4 + ALIGN_BYTES - 1
            data = self.source.read(header_offset, most + size)
            start = self._start(key, data)
            if start <= most:
                return data[start : start + size]
        return self.source.read(*self.span(key))

    def _start(self, key: str, header: bytes) -> int:
        """Note where the bytes of an entry start, from its header; return how far behind the header's start."""
        if header[:4] != b"PK\x03\x04":
            raise DamagedError("an entry's header is damaged", subject=self.source.name, place=key)
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        n_bytes: int = LOCAL_HEADER_BYTES + name_length + extra_length
        self._starts[key] = self.entries[key][0] + n_bytes
        return n_bytes

    @property
    def referenced(self) -> dict[str, SourceFile]:
        """Paths of the arrays whose values lie in other files, and those files."""
        if self._referenced is None:
            root = self.read_entry("zarr.json") if "zarr.json" in self.entries else b""
            self._referenced = referenced_arrays(root)
        return self._referenced

    def _read(self, key: str) -> bytes | None:
        """Return the bytes that a referenced chunk stands for; None for every other entry."""
        chunk = _CHUNK.search(key)
        file = self.referenced.get(key[: chunk.start()]) if chunk else None
        return None if file is None else self._resolver.read(key, self.read_entry(key), file)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an entry or a part of it; None when there is no such entry."""
        if key not in self.entries:
            if _CHUNK.search(key):
                # Every chunk was written; without this, zarr would take the hole for fill values.
                raise DamagedError("a chunk is missing", subject=self.source.name, place=key)
            return None
        buffer = (prototype or default_buffer_prototype()).buffer
        elsewhere = self._read(key)
        if elsewhere is not None:
            if byte_range is not None:
                first, length = _resolve(byte_range, len(elsewhere))
                elsewhere = elsewhere[first : first + length]
            return buffer.from_bytes(elsewhere)
        if byte_range is None:
            return buffer.from_bytes(self.read_entry(key))
        start, size = self.span(key)
        first, length = _resolve(byte_range, size)
        return buffer.from_bytes(self.source.read(start + first, length))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return several entries or parts of them."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether there is such an entry."""
        return key in self.entries

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: a record never changes."""
        del key, value
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: a record never changes."""
        del key
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Yield every entry."""
        for key in self.entries:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield every entry that starts with ``prefix``."""
        for key in self.entries:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below ``prefix``."""
        base = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys(key[len(base) :].split("/")[0] for key in self.entries if key.startswith(base)):
            yield name


def _resolve(request: ByteRequest, size: int) -> tuple[int, int]:
    if isinstance(request, RangeByteRequest):
        return request.start, min(request.end, size) - request.start
    if isinstance(request, OffsetByteRequest):
        return request.offset, size - request.offset
    if isinstance(request, SuffixByteRequest):
        length = min(request.suffix, size)
        return size - length, length
    raise TypeError(f"unknown byte range {request!r}")
