"""The binary ``gt`` form of graph-tool: an adjacency list and typed property maps, plain or compressed.

The layout is that of graph-tool's documentation ("The gt file format", graph-tool.skewed.de). A neighbour takes 1 byte
up to 255 vertices, then 2, 4 and 8, as graph-tool writes it. Values of type ``python::object`` are pickles and never
read; ``long double`` has no form that is the same on all machines, and is refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError, UnsafeError

from ..files.pointers import refuse_pointer

__all__ = ["GtGraph", "Ragged", "is_gt", "read_gt"]

Array = np.ndarray[Any, Any]
MAGIC = "⛾ gt".encode()
VERSION = 1
KEYS = ("graph", "vertex", "edge")
SCALARS = {0: "u1", 1: "i2", 2: "i4", 3: "i8", 4: "f8"}
STRING, STRINGS, OBJECT = 6, 13, 14
VECTORS = {7: "u1", 8: "i2", 9: "i4", 10: "i8", 11: "f8"}
LONG_DOUBLES = (5, 12)
COMPRESSIONS: dict[bytes, tuple[str, Callable[..., Any] | None]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("zstd", None),
}
"""First bytes to name and opener (RFC 1952; bzip2; the xz file format; RFC 8878)."""
BROKEN = (OSError, zlib.error, lzma.LZMAError)
"""What the decompressors raise on damage."""
MOST_EXPANSION = 2000
"""A compressed graph is a tenth of itself; zlib's best is 1032 times, on zeros."""
SMALLEST_LIMIT = 64 << 20
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Ragged:
    """Vectors of different lengths, one after another."""

    pointer: Array
    """Shape (owner + 1,), int64."""
    value: Array
    """Shape (value,): numbers, or texts as objects."""


@dataclass
class GtGraph:
    """What a file holds; edges in the order of the adjacency list."""

    directed: bool
    n_vertices: int
    source: Array
    target: Array
    comment: str
    properties: dict[str, dict[str, Array | Ragged]] = field(default_factory=lambda: {key: {} for key in KEYS})
    """Per kind of key: name to values; vectors of one length have two axes."""
    objects: list[str] = field(default_factory=list)
    """Property maps that were passed over because they are pickles."""


def is_gt(path: Path) -> bool:
    """Tell whether a file, once decompressed, starts as the format does."""
    try:
        with path.open("rb") as stream, _opened(path, stream) as plain:
            return bytes(plain.read(len(MAGIC))) == MAGIC
    except (*BROKEN, EOFError, MissingExtraError):
        return False


def read_gt(path: Path, *, skip_objects: bool = False) -> GtGraph:
    """Read a file.

    Parameters
    ----------
    path : pathlib.Path
        The file, plain or compressed by gzip, bzip2, xz or zstd (which needs pyarrow).
    skip_objects : bool
        Pass over pickled properties instead of refusing the file.

    Raises
    ------
    FormatError
        When the file is not of the format; ``TruncatedError`` when it ends early, ``UnsafeError`` for pickles.
    MissingExtraError
        When it is compressed by zstd and pyarrow is not installed.
    """
    return _Reader(path, _plain(path)).graph(skip_objects)


def _opened(path: Path, stream: IO[bytes]) -> Any:
    """Return a stream of what a file holds, decompressed."""
    head = stream.read(8)
    stream.seek(0)
    for magic, (_, opener) in COMPRESSIONS.items():
        if head.startswith(magic):
            return _zstd(path, stream) if opener is None else opener(stream)
    return stream


def _zstd(path: Path, stream: IO[bytes]) -> Any:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the file is compressed by zstd, which needs pyarrow",
            subject=str(path),
            hint='pip install "connectome[graph]", or decompress it: zstd -d FILE',
        ) from error
    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


def _plain(path: Path) -> bytes:
    """Return the decompressed bytes, unless they are more than any graph is when it is compressed."""
    refuse_pointer(path)
    limit = max(SMALLEST_LIMIT, MOST_EXPANSION * path.stat().st_size)
    parts, size = [], 0
    try:
        with path.open("rb") as stream, _opened(path, stream) as plain:
            while block := plain.read(BLOCK_BYTES):
                size += len(block)
                if size > limit:
                    raise UnsafeError(
                        "the file expands to more than a graph can be",
                        subject=str(path),
                        expected=f"at most {limit} bytes",
                        found="more",
                    )
                parts.append(bytes(block))
    except EOFError as error:
        raise TruncatedError("the compressed file ends early", subject=str(path), found=str(error)) from error
    except BROKEN as error:
        raise FormatError("the file cannot be decompressed", subject=str(path), found=str(error)) from error
    return b"".join(parts)


class _Reader:
    """The bytes of a graph and where reading has come to."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.subject, self.data, self.at = str(path), data, 0
        if not data:
            raise TruncatedError("the file is empty", subject=self.subject, expected="a gt graph", found="0 bytes")
        if data[: len(MAGIC)] != MAGIC:
            raise FormatError(
                "not a gt file",
                subject=self.subject,
                place="first bytes",
                expected=MAGIC.hex(" "),
                found=data[: len(MAGIC)].hex(" "),
            )
        self.at = len(MAGIC)
        version, big = self.byte("the version"), self.byte("the byte order")
        if version != VERSION or big > 1:
            raise self.wrong("another version of the format", "version 1, byte order 0 or 1", f"{version}, {big}")
        self.order = ">" if big else "<"
        self.word = "big" if big else "little"

    def wrong(self, message: str, expected: str, found: str, *, cut: bool = False) -> FormatError:
        kind = TruncatedError if cut else FormatError
        return kind(message, subject=self.subject, place=f"byte {self.at}", expected=expected, found=found)

    def take(self, n_bytes: int, what: str) -> bytes:
        if n_bytes > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise self.wrong(f"the file ends within {what}", f"{n_bytes} bytes", f"{left} bytes", cut=True)
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def count(self, what: str) -> int:
        return int.from_bytes(self.take(8, what), self.word)  # type: ignore[arg-type]

    def text(self, what: str) -> str:
        raw = self.take(self.count(what), what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong(f"{what} is no UTF-8 text", "UTF-8", repr(raw[:40])) from None

    def numbers(self, count: int, dtype: str, what: str) -> Array:
        kind = np.dtype(self.order + dtype)
        return np.frombuffer(self.take(count * kind.itemsize, what), kind).astype(kind.newbyteorder("="))

    def graph(self, skip_objects: bool) -> GtGraph:
        comment = self.text("the comment")
        directed = self.byte("the direction")
        if directed > 1:
            raise self.wrong("neither directed nor not", "0 or 1", str(directed))
        n_vertices = self.count("the number of vertices")
        if 8 * n_vertices > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise self.wrong("the file ends within the adjacency", f"{8 * n_vertices} bytes", f"{left}", cut=True)
        source, target = self._adjacency(n_vertices)
        graph = GtGraph(directed == 1, n_vertices, source, target, comment)
        rows = {"graph": 1, "vertex": n_vertices, "edge": len(source)}
        for number in range(self.count("the number of properties")):
            key = self.byte(f"property {number}")
            if key >= len(KEYS):
                raise self.wrong(f"property {number} is of nothing that is known", "0, 1 or 2", str(key))
            name = self.text(f"the name of property {number}")
            what = f"{KEYS[key]} property {name!r}"
            held = graph.properties[KEYS[key]]
            if name in held:
                raise self.wrong("two properties of one name", "different names", what)
            values = self._values(rows[KEYS[key]], what, skip_objects)
            if values is None:
                graph.objects.append(what)
            else:
                held[name] = values
        if self.at != len(self.data):
            raise self.wrong("something follows the last property", "the end", f"{len(self.data) - self.at} bytes")
        return graph

    def _adjacency(self, n_vertices: int) -> tuple[Array, Array]:
        width = next(size for size in (1, 2, 4, 8) if n_vertices < 256**size)
        lengths, parts = np.zeros(n_vertices, dtype=np.int64), []
        for vertex in range(n_vertices):
            length = self.count("the adjacency")
            parts.append(self.take(length * width, "the adjacency"))
            lengths[vertex] = length
        target = np.frombuffer(b"".join(parts), f"{self.order}u{width}")
        if len(target) and target.max() >= n_vertices:
            raise self.wrong("a neighbour that is not there", f"vertices below {n_vertices}", str(target.max()))
        return np.repeat(np.arange(n_vertices, dtype=np.int64), lengths), target.astype(np.int64)

    def _values(self, n_rows: int, what: str, skip_objects: bool) -> Array | Ragged | None:
        kind = self.byte(f"the type of {what}")
        if kind in SCALARS:
            values = self.numbers(n_rows, SCALARS[kind], what)
            return self._truth(values, what) if kind == 0 else values
        if kind == STRING:
            return _texts([self.text(what) for _ in range(n_rows)])
        if kind in VECTORS:
            vectors = self._vectors(n_rows, VECTORS[kind], what)
            return vectors if kind != 7 else _as_truth(vectors, lambda values: self._truth(values, what))
        if kind == STRINGS:
            found = [[self.text(what) for _ in range(self._checked(what))] for _ in range(n_rows)]
            return _cut(np.array([len(texts) for texts in found]), _texts([text for texts in found for text in texts]))
        if kind == OBJECT:
            if not skip_objects:
                raise UnsafeError(
                    "a property is a pickle, which is code",
                    subject=self.subject,
                    place=what,
                    hint="--option skip_objects=true passes over pickles, or save the graph without them",
                )
            for _ in range(n_rows):
                self.take(self.count(what), what)
            return None
        expected = "bool, int, double, string, or vectors of them"
        found_kind = "long double" if kind in LONG_DOUBLES else f"type {kind}"
        raise self.wrong(f"{what} is of a type that is not read", expected, found_kind)

    def _checked(self, what: str) -> int:
        """Return the length of a vector of strings, each of which takes at least its own length."""
        length = self.count(what)
        if 8 * length > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise self.wrong(f"the file ends within {what}", f"{8 * length} bytes", f"{left} bytes", cut=True)
        return length

    def _truth(self, values: Array, what: str) -> Array:
        if (values > 1).any():
            raise self.wrong(f"{what} is neither true nor false", "0 or 1", str(values.max()))
        return values.astype(bool)

    def _vectors(self, n_rows: int, dtype: str, what: str) -> Array | Ragged:
        size = np.dtype(dtype).itemsize
        lengths, parts = [], []
        for _ in range(n_rows):
            length = self.count(what)
            parts.append(self.take(length * size, what))
            lengths.append(length)
        kind = np.dtype(self.order + dtype)
        return _cut(np.array(lengths, dtype=np.int64), np.frombuffer(b"".join(parts), kind).astype(dtype))


def _texts(values: list[str]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _cut(lengths: Array, values: Array) -> Array | Ragged:
    """Return vectors of one length as rows, others as they are."""
    if len(lengths) and (lengths == lengths[0]).all() and lengths[0] > 0:
        return values.reshape(len(lengths), int(lengths[0]))
    pointer = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=pointer[1:])
    return Ragged(pointer, values)


def _as_truth(vectors: Array | Ragged, truth: Callable[[Array], Array]) -> Array | Ragged:
    if isinstance(vectors, Ragged):
        return Ragged(vectors.pointer, truth(vectors.value))
    return truth(vectors)
