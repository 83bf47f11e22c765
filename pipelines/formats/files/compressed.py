"""Chunks of an array that came from elsewhere, decompressed to no more than they may hold.

A few bytes can claim to become terabytes. Where a codec states the size of its result in a header (Blosc, LZ4 as
numcodecs frames it, Zstandard: RFC 8878, section 3.1.1.1), that is checked before anything is allocated; the others
are stopped at the limit.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Mapping
from typing import Any

__all__ = ["CODECS", "decompress"]

CODECS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
"""Compressors that are read; names of numcodecs."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_ANY_ZLIB = 47
"""Window bits that let zlib tell its own header from that of gzip."""


def decompress(content: bytes, compressor: Mapping[str, Any], most: int) -> bytes:
    """Return the decompressed bytes of a chunk.

    Parameters
    ----------
    content : bytes
        The chunk as stored.
    compressor : mapping
        The member ``compressor`` of ``.zarray``.
    most : int
        Most bytes that the chunk may hold.

    Raises
    ------
    ValueError
        When it would hold more, is cut, or is not of its codec; the libraries beneath raise RuntimeError and others.
    """
    codec = str(compressor["id"])
    if codec in {"zlib", "gzip"}:
        return _bounded(zlib.decompressobj(_ANY_ZLIB), content, most)
    if codec == "bz2":
        return _bounded(bz2.BZ2Decompressor(), content, most)
    if codec == "lzma":
        return _bounded(lzma.LZMADecompressor(), content, most)
    claimed = _claimed(codec, content)
    if claimed > most:
        raise ValueError(f"{claimed} bytes claimed, at most {most} fit")
    import numcodecs

    return bytes(numcodecs.get_codec(dict(compressor)).decode(content))


def _bounded(decoder: Any, content: bytes, most: int) -> bytes:
    plain: bytes = decoder.decompress(content, most + 1)
    if len(plain) > most:
        raise ValueError(f"more than the {most} bytes that fit")
    if not decoder.eof:
        raise ValueError("the stream is cut")
    return plain


def _claimed(codec: str, content: bytes) -> int:
    if len(content) < 6:
        raise ValueError(f"{len(content)} bytes are no chunk")
    if codec == "blosc":
        # Blosc believes the length in its header and would read beyond a chunk that was cut.
        if len(content) < 16 or int.from_bytes(content[12:16], "little") != len(content):
            raise ValueError("the chunk does not have the length in its header")
        return int.from_bytes(content[4:8], "little")
    if codec == "lz4":
        return int.from_bytes(content[:4], "little")
    if not content.startswith(_ZSTD):
        raise ValueError("no frame of Zstandard")
    descriptor = content[4]
    single = descriptor >> 5 & 1
    width = (single, 2, 4, 8)[descriptor >> 6]
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    if not width:
        raise ValueError("a frame of Zstandard that does not state its size")
    # A size of two bytes counts from 256 (RFC 8878, section 3.1.1.1.4).
    return int.from_bytes(content[at : at + width], "little") + (256 if width == 2 else 0)
