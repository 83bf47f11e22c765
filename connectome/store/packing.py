"""Writing a record file: encoded chunks and metadata as a ZIP with stored entries.

Always in the same order and with fixed time stamps: equal content gives equal bytes.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

from connectome.errors import DamagedError

from .archive import ALIGN_BYTES, EPOCH, LOCAL_HEADER_BYTES, PADDING_ID
from .canonical import loaded_json

__all__ = ["Chunks", "pack"]


class Chunks:
    """Encoded chunks until they are packed.

    Parameters
    ----------
    folder : Path, optional
        Where each array gets a file of its own, which takes its chunks one after another; without it, memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: dict[str, list[bytes]] = {}
        self._lengths: dict[str, list[int]] = {}
        self._indices: dict[str, list[tuple[int, ...]]] = {}

    def put(self, place: str, index: tuple[int, ...], data: bytes) -> None:
        """Take the next chunk of an array. Arrays may come side by side, each from one thread."""
        self._indices.setdefault(place, []).append(index)
        if self._folder is None:
            self._held.setdefault(place, []).append(data)
            return
        file = self._folder / place
        if place not in self._lengths:
            file.parent.mkdir(parents=True, exist_ok=True)
        self._lengths.setdefault(place, []).append(len(data))
        with file.open("ab") as stream:
            stream.write(data)

    def indices(self, place: str) -> list[tuple[int, ...]]:
        """Return the indices of an array's chunks as they came."""
        return self._indices.get(place, [])

    def read(self, place: str) -> Iterator[bytes]:
        """Yield the chunks of an array as they came."""
        yield from self._held.get(place, ())
        if place in self._lengths and self._folder is not None:
            with (self._folder / place).open("rb") as stream:
                for length in self._lengths[place]:
                    yield stream.read(length)


def pack(documents: Mapping[str, Mapping[str, Any]], chunks: Chunks, file: BinaryIO) -> None:
    """Write a record file.

    Metadata comes first, canonical and consolidated at the root, then every array's chunks in grid order.

    Parameters
    ----------
    documents : mapping
        Zarr v3 metadata of every group and array by its path (``""`` is the root).
    chunks : Chunks
        Of every array.
    file : binary file
        Empty, and open for reading and writing.

    Raises
    ------
    DamagedError
        When an array does not have each of its chunks, in the order of its grid.
    """
    places = sorted(place for place in documents if place)
    inline = {"kind": "inline", "must_understand": False, "metadata": {place: documents[place] for place in places}}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        root = {**documents[""], "consolidated_metadata": inline}
        _add(archive, "zarr.json", loaded_json(root).encode(), align=False)
        for place in places:
            _add(archive, f"{place}/zarr.json", loaded_json(documents[place]).encode(), align=False)
        for place in places:
            if documents[place]["node_type"] == "array":
                _check_grid(place, documents[place], chunks)
                for index, data in zip(chunks.indices(place), chunks.read(place), strict=True):
                    _add(archive, "/".join([place, "c", *map(str, index)]), data, align=True)


def _check_grid(place: str, document: Mapping[str, Any], chunks: Chunks) -> None:
    grid = document["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [-(-size // step) for size, step in zip(document["shape"], grid, strict=True)]
    found = chunks.indices(place)
    if len(found) != math.prod(counts) or any(
        one != other for one, other in zip(product(*map(range, counts)), found, strict=True)
    ):
        raise DamagedError(
            "the chunks of an array are not those of its grid", subject=place,
            expected=f"{math.prod(counts)} chunks in order", found=f"{len(found)} chunks",
        )  # fmt: skip


def _add(archive: zipfile.ZipFile, name: str, data: bytes, *, align: bool) -> None:
    info = zipfile.ZipInfo(name, date_time=EPOCH)
    info.create_system = 3  # the same on every platform
    info.external_attr = 0o644 << 16
    if align and data and archive.fp is not None:
        start = archive.fp.tell() + LOCAL_HEADER_BYTES + len(name.encode())
        # An extra field takes at least its own four bytes of id and length.
        padding = -(start + 4) % ALIGN_BYTES
        info.extra = struct.pack("<HH", PADDING_ID, padding) + bytes(padding)
    archive.writestr(info, data)
