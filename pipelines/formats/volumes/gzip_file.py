"""Files that may be gzip, whatever their names say, and never unpack to more than their own header announces."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer

__all__ = ["GZIP_MAGIC", "file_bytes", "first_bytes"]

GZIP_MAGIC = b"\x1f\x8b"
PIECE_BYTES = 1 << 24


def first_bytes(path: Path, n_bytes: int) -> bytes:
    """Return up to so many first bytes, decompressed if they are gzip; nothing where they are damaged."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not head.startswith(GZIP_MAGIC):
        return head[:n_bytes]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, n_bytes)
    except zlib.error:
        return b""


def file_bytes(
    path: Path,
    warnings: list[dict[str, str]],
    *,
    head_bytes: int,
    limit: Callable[[bytes], int],
    compressed_suffixes: tuple[str, ...] = (".gz",),
) -> bytes:
    """Return a file's bytes, decompressed if its first bytes (not its name) say gzip.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    warnings : list of dict
        Where a name that hides or promises gzip is noted.
    head_bytes : int
        As much of the file as ``limit`` needs to see.
    limit : callable
        The most bytes the file can have, by its first bytes: a small file cannot unpack without end.
    compressed_suffixes : tuple of str
        Ends of names that promise gzip.

    Raises
    ------
    TruncatedError
        When the file is empty, only points to its data, or its gzip stream ends early.
    FormatError
        When the gzip stream is damaged, or unpacks to more than the limit.
    """
    refuse_pointer(path)
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError("the file is empty", subject=str(path), expected="an image", found="0 bytes")
    compressed, named_so = raw.startswith(GZIP_MAGIC), path.name.lower().endswith(compressed_suffixes)
    if compressed != named_so:
        promise = f"its name ends in {path.suffix}"
        fact = f"is not gzip though {promise}" if named_so else "is gzip though its name does not say so"
        warnings.append(warning("gzip-name", path.name, f"the file {fact}"))
    return _decompress(raw, path, head_bytes, limit) if compressed else raw


def _decompress(raw: bytes, path: Path, head_bytes: int, limit: Callable[[bytes], int]) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        try:
            pieces = [stream.read(head_bytes)]
            most = limit(pieces[0])
            while (got := sum(map(len, pieces))) <= most and (piece := stream.read(min(PIECE_BYTES, most + 1 - got))):
                pieces.append(piece)
        except EOFError:
            raise TruncatedError(
                "the gzip stream ends early",
                subject=str(path),
                expected="a complete gzip stream",
                found=f"{len(raw)} compressed bytes",
                hint="fetch the file again",
            ) from None
        except (OSError, zlib.error) as error:
            raise FormatError("the gzip stream is damaged", subject=str(path), found=str(error)) from error
    content = b"".join(pieces)
    if len(content) > most:
        raise FormatError(
            "more bytes follow than the header announces",
            subject=str(path),
            expected=f"at most {most} bytes",
            found=f"more than {most} bytes",
        )
    return content
