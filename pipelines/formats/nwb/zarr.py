"""The Zarr v2 layout of hdmf-zarr as a tree of nodes: a folder, or a ZIP file that holds it.

Zarr Storage Specification 2 (zarr-specs.readthedocs.io); hdmf-zarr's storage document: a scalar is an array of one
value with ``zarr_dtype`` ``scalar``, links stand in the attribute ``zarr_link``, references are JSON objects with
``source`` and ``path``. Chunks are decoded by the codecs of a short list; arrays of pickled objects are never read.
A chunk that is not there is damage, never a fill value. No value leaves the container: sources other than ``.`` are
refused.
"""

from __future__ import annotations

import json
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from ..files.compressed import CODECS, decompress
from .tree import ArrayNode, GroupNode, Node
from .zarr_files import FolderFiles, StoreFiles, ZipFiles

__all__ = ["is_zarr", "open_zarr"]

Array = np.ndarray[Any, Any]
_MOST_JSON_BYTES = 64 << 20
_MOST_CHUNK_BYTES = 2 << 30


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a folder or a ZIP file whose root is a Zarr v2 group."""
    if path.is_dir():
        return (path / ".zgroup").is_file()
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return ".zgroup" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


@contextmanager
def open_zarr(path: Path) -> Iterator[GroupNode]:
    """Open a container and give its root group.

    Raises
    ------
    FormatError
        When it is neither a folder nor a ZIP file with a Zarr v2 group, or is damaged.
    UnsafeError
        When paths leave the container.
    """
    subject = str(path)
    try:
        if path.is_dir():
            yield _root(FolderFiles(path))
            return
        if not zipfile.is_zipfile(path):
            raise FormatError(
                "not an NWB container", subject=subject, place="first bytes",
                expected="HDF5, or a ZIP file or folder of Zarr v2",
                found=_head(path),
            )  # fmt: skip
        with zipfile.ZipFile(path) as archive:
            yield _root(ZipFiles(archive, subject))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("the container is damaged", subject=subject, found=str(error)) from error


def _head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(8).hex(" ") or "nothing"


def _root(files: StoreFiles) -> GroupNode:
    root = _ZarrGroup(files, "/", _members(files))
    if not root.is_group():
        raise FormatError(
            "not a Zarr v2 group", subject=files.subject, expected=".zgroup at the root",
            found=", ".join(files.paths()[:5]) or "nothing", hint="Zarr v3 layouts are not read",
        )  # fmt: skip
    return root


def _members(files: StoreFiles) -> dict[str, list[str]]:
    """Return the names directly below every path."""
    below: dict[str, set[str]] = {}
    for key in files.paths():
        parts = key.split("/")[:-1]
        for depth, name in enumerate(parts):
            below.setdefault("/" + "/".join(parts[:depth]), set()).add(name)
    return {path: sorted(names) for path, names in below.items()}


def _json(files: StoreFiles, key: str) -> dict[str, Any]:
    if files.size(key) > _MOST_JSON_BYTES:
        raise FormatError("a description is too long", subject=files.subject, place=key)
    try:
        found = json.loads(files.read(key))
    except (ValueError, RecursionError) as error:
        raise FormatError("not JSON", subject=files.subject, place=key, found=str(error)[:100]) from error
    if not isinstance(found, dict):
        raise FormatError("not a JSON object", subject=files.subject, place=key, found=type(found).__name__)
    return found


class _ZarrNode:
    def __init__(self, files: StoreFiles, path: str, members: dict[str, list[str]]) -> None:
        self._files, self.path, self._members = files, path, members
        self.subject = files.subject
        self._attrs: dict[str, Any] | None = None

    def key(self, name: str) -> str:
        return f"{self.path.strip('/')}/{name}".lstrip("/")

    def has(self, name: str) -> bool:
        try:
            self._files.size(self.key(name))
        except KeyError:
            return False
        return True

    @property
    def raw_attrs(self) -> dict[str, Any]:
        if self._attrs is None:
            self._attrs = _json(self._files, self.key(".zattrs")) if self.has(".zattrs") else {}
        return self._attrs

    @property
    def attrs(self) -> Mapping[str, Any]:
        hidden = {"zarr_link", "zarr_dtype", "_ARRAY_DIMENSIONS"}
        return {name: self._plain(value) for name, value in sorted(self.raw_attrs.items()) if name not in hidden}

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return referred(value.get("value", value), self.subject, self.path) or json.dumps(value, sort_keys=True)
        if isinstance(value, list):
            return [self._plain(one) for one in value]
        return "" if value is None else value


def referred(value: Any, subject: str, place: str) -> str:
    """Return the path of a reference; ``""`` where the value is none."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return ""
    if not isinstance(value, dict) or "path" not in value:
        return ""
    if value.get("source", ".") not in {".", "", None}:
        raise UnsafeError("a reference leads to another file", subject=subject, place=place, found=str(value["source"]))
    return str(value["path"])


class _ZarrGroup(_ZarrNode, GroupNode):
    def is_group(self) -> bool:
        """Tell whether the path is a group."""
        return self.has(".zgroup")

    def names(self) -> list[str]:
        return sorted({*self._members.get(self.path, ()), *self._links()})

    def _links(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for link in self.raw_attrs.get("zarr_link", ()):
            if not isinstance(link, dict) or not isinstance(link.get("name"), str):
                raise FormatError("not a link", subject=self.subject, place=self.path, found=str(link)[:80])
            found[link["name"]] = referred(link, self.subject, f"{self.path}/{link['name']}")
        return found

    def is_link(self, name: str) -> bool:
        return name in self._links()

    def target(self, name: str) -> str:
        return self._links().get(name, f"{self.path.rstrip('/')}/{name}")

    def get(self, name: str) -> Node | None:
        return self.follow(name, 0)

    def follow(self, name: str, depth: int) -> Node | None:
        """Return a member, through as many links as lead to it."""
        if depth > 32:
            raise FormatError("links lead in a circle", subject=self.subject, place=f"{self.path}/{name}")
        if self.is_link(name):
            parent, _, last = self.target(name).rpartition("/")
            group = self.at(parent or "/")
            return group.follow(last, depth + 1) if isinstance(group, _ZarrGroup) else None
        if name not in self._members.get(self.path, ()):
            return None
        path = f"{self.path.rstrip('/')}/{name}"
        array = _ZarrArray(self._files, path, self._members)
        if array.has(".zarray"):
            array.describe()
            return array
        return _ZarrGroup(self._files, path, self._members)

    def at(self, path: str) -> Node | None:
        node: Node | None = _ZarrGroup(self._files, "/", self._members)
        for part in path.strip("/").split("/") if path.strip("/") else ():
            node = node.get(part) if isinstance(node, GroupNode) else None
        return node


class _ZarrArray(_ZarrNode, ArrayNode):
    def describe(self) -> None:
        """Take what ``.zarray`` says; raise where it contradicts itself."""
        about = _json(self._files, self.key(".zarray"))
        shape, chunks = about.get("shape"), about.get("chunks")
        whole = all(
            isinstance(sizes, list) and all(isinstance(one, int) and one >= 0 for one in sizes)
            for sizes in (shape, chunks)
        )
        if not whole or len(shape) != len(chunks) or about.get("zarr_format") != 2 or any(one == 0 for one in chunks):  # type: ignore[arg-type,union-attr]
            raise FormatError("not an array of Zarr v2", subject=self.subject, place=f"{self.path}/.zarray")
        self._stored_shape, self._chunks = tuple(shape), tuple(chunks)  # type: ignore[arg-type]
        scalar = self.raw_attrs.get("zarr_dtype") == "scalar" and self._stored_shape == (1,)
        self.shape = () if scalar else self._stored_shape
        self._compressor, self._order = about.get("compressor"), about.get("order", "C")
        self._separator = about.get("dimension_separator", ".")
        filters = [str(one.get("id")) for one in about.get("filters") or () if isinstance(one, dict)]
        self._filter = filters[0] if filters else ""
        self._set_kind(about.get("dtype"), filters)

    def _set_kind(self, given: Any, filters: list[str]) -> None:
        self.dtype, said = np.dtype(object), self.raw_attrs.get("zarr_dtype")
        codec = self._compressor.get("id") if isinstance(self._compressor, dict) else None
        if codec is not None and codec not in CODECS:
            self.kind, self.why = "unreadable", f"compressor {codec}"
        elif given == "|O" and filters in (["vlen-utf8"], ["vlen-bytes"], ["json2"]):
            self.kind = "text"
            if filters == ["json2"] and isinstance(said, list):
                self.kind, self.dtype = "compound", _said_dtype(said)
            elif said == "object" or filters == ["json2"]:
                self.kind = "reference" if said == "object" else "text"
        elif given == "|O":
            self.kind, self.why = (
                "unreadable",
                f"objects coded by {', '.join(filters) or 'nothing'}: code may hide there",
            )
        elif filters:
            self.kind, self.why = "unreadable", f"filters {', '.join(filters)}"
        else:
            self._set_plain(given)

    def _set_plain(self, given: Any) -> None:
        try:
            stored = np.dtype([tuple(one) for one in given] if isinstance(given, list) else given)
        except (TypeError, ValueError) as error:
            raise FormatError(
                "not a type of numbers", subject=self.subject, place=f"{self.path}/.zarray", found=str(given)[:80]
            ) from error
        self._stored_dtype = stored
        if stored.kind in "biuf":
            self.kind, self.dtype = "number", stored.newbyteorder("=")
        elif stored.kind in "SU":
            self.kind = "text"
        elif stored.kind == "V" and stored.names and all(stored[name].kind in "biufSU" for name in stored.names):
            self.kind = "compound"
            self.dtype = np.dtype([
                (name, stored[name].newbyteorder("=") if stored[name].kind in "biuf" else object)
                for name in stored.names
            ])  # fmt: skip
        else:
            self.kind, self.why = "unreadable", f"type {stored}"

    def _grid(self) -> list[range]:
        return [range(-(-size // step)) for size, step in zip(self._stored_shape, self._chunks, strict=True)]

    def _chunk_key(self, at: tuple[int, ...]) -> str:
        return self.key(self._separator.join(map(str, at)) if at else "0")

    def stored_bytes(self) -> int:
        total = 0
        for at in product(*self._grid()):
            try:
                total += self._files.size(self._chunk_key(at))
            except KeyError:
                continue
            if total > 1 << 40:
                break
        return total

    def _read(self, rows: slice | None) -> Array:
        shape = self._stored_shape
        start, stop, step = (0, shape[0], 1) if shape else (0, 1, 1)
        if rows is not None and shape:
            start, stop, step = rows.indices(shape[0])
            if step != 1:
                raise ValueError("rows are read in order")
            stop = max(start, stop)
        n_elements = math.prod(self._chunks)
        if n_elements * max(1, self.dtype.itemsize) > _MOST_CHUNK_BYTES:
            raise FormatError("a chunk is too large", subject=self.subject, place=self.path, found=str(self._chunks))
        values = np.empty((stop - start, *shape[1:]) if shape else (), dtype=self.dtype)
        for at in product(*self._grid()):
            low = [index * size for index, size in zip(at, self._chunks, strict=True)]
            if shape and (low[0] >= stop or low[0] + self._chunks[0] <= start):
                continue
            high = [min(one + size, most) for one, size, most in zip(low, self._chunks, shape, strict=True)]
            chunk = self._decode(self._chunk_key(at), n_elements)
            if not shape:
                return chunk.reshape(())
            first, last = max(low[0], start), min(high[0], stop)
            rest = list(zip(low[1:], high[1:], strict=True))
            inside = (slice(first - low[0], last - low[0]), *(slice(0, upper - lower) for lower, upper in rest))
            outside = (slice(first - start, last - start), *(slice(lower, upper) for lower, upper in rest))
            values[outside] = chunk.reshape(self._chunks, order=self._order)[inside]
        return values.reshape(()) if self.shape == () and shape == (1,) else values

    def _decode(self, key: str, n_elements: int) -> Array:
        try:
            content = self._files.read(key)
        except KeyError:
            raise TruncatedError(
                "a chunk is not there", subject=self.subject, place=f"/{key}",
                hint="copy the container again; nothing is filled in",
            ) from None  # fmt: skip
        numeric = self._filter == ""
        expected = n_elements * self._stored_dtype.itemsize if numeric else None
        plain = self._decompress(content, key, expected)
        if numeric:
            if len(plain) != expected:
                raise TruncatedError(
                    "a chunk does not have its length", subject=self.subject, place=f"/{key}",
                    expected=f"{expected} bytes", found=f"{len(plain)} bytes",
                )  # fmt: skip
            return self._convert(np.frombuffer(plain, dtype=self._stored_dtype))
        words = self._words(plain, key)
        if len(words) != n_elements:
            raise FormatError(
                "a chunk does not hold its number of values", subject=self.subject, place=f"/{key}",
                expected=str(n_elements), found=str(len(words)),
            )  # fmt: skip
        if self.kind == "compound":
            rows = [tuple(self._fields(one, key)) for one in words]
            return np.array(rows, dtype=self.dtype)
        found = np.empty(len(words), dtype=object)
        for at, word in enumerate(words):
            found[at] = referred(word, self.subject, self.path) if self.kind == "reference" else _text(word)
        return found

    def _fields(self, row: Any, key: str) -> Iterator[Any]:
        names = self.dtype.names or ()
        if not isinstance(row, list) or len(row) != len(names):
            raise FormatError("not a row of fields", subject=self.subject, place=f"/{key}", found=str(row)[:80])
        for name, value in zip(names, row, strict=True):
            number = self.dtype[name].kind in "biuf"
            yield value if number else referred(value, self.subject, self.path) or _text(value)

    def _convert(self, stored: Array) -> Array:
        if self.kind == "number":
            return stored.astype(self.dtype, copy=False)
        if self.kind == "compound":
            found = np.empty(stored.shape, dtype=self.dtype)
            for name in self.dtype.names or ():
                given = stored[name]
                found[name] = given if self.dtype[name].kind in "biuf" else [
                    referred(_text(one), self.subject, self.path) or _text(one) for one in given.tolist()
                ]  # fmt: skip
            return found
        words = np.empty(stored.shape, dtype=object)
        words.ravel()[:] = [_text(one) for one in stored.ravel().tolist()]
        return words

    def _decompress(self, content: bytes, key: str, expected: int | None) -> bytes:
        if self._compressor is None:
            return content
        try:
            return decompress(content, self._compressor, _MOST_CHUNK_BYTES if expected is None else expected)
        except (RuntimeError, ValueError, TypeError, OSError, zlib.error, lzma.LZMAError, EOFError) as error:
            raise FormatError(
                "a chunk cannot be decompressed", subject=self.subject, place=f"/{key}",
                found=" ".join(str(error).split())[:120],
            ) from error  # fmt: skip

    def _words(self, plain: bytes, key: str) -> list[Any]:
        """Take the values of a chunk of objects apart: JSON, or lengths and bytes (numcodecs, ``vlen``)."""
        if self._filter == "json2":
            try:
                listed = json.loads(plain)
            except (ValueError, RecursionError) as error:
                raise FormatError("not JSON", subject=self.subject, place=f"/{key}", found=str(error)[:80]) from error
            # The values, then the type of the array, then its shape.
            return listed[:-2] if isinstance(listed, list) and len(listed) >= 2 else []
        words, at = [], 4
        for _ in range(int.from_bytes(plain[:4], "little")):
            end = at + 4 + int.from_bytes(plain[at : at + 4], "little")
            if end > len(plain):
                raise TruncatedError("a chunk of texts is cut", subject=self.subject, place=f"/{key}")
            words.append(plain[at + 4 : end])
            at = end
        return words


def _said_dtype(said: list[Any]) -> np.dtype[Any]:
    numbers = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool"}
    return np.dtype([(str(one["name"]), one["dtype"] if one["dtype"] in numbers else object) for one in said])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return "" if value is None else str(value)
