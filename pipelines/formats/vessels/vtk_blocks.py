"""Arrays of VTK XML files as bytes: lengths first, then the data, plain or in zlib blocks, raw or in base64."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from connectome.errors import FormatError, TruncatedError

__all__ = ["short", "unpack"]

MOST_EXPANSION = 1100
"""zlib makes at most 1032 bytes of one (RFC 1951: 258 bytes from two bits, less the block's head)."""


def short(subject: str, place: str, expected: str, found: str) -> TruncatedError:
    """Return the error for an array that is not as long as it must be."""
    return TruncatedError(
        "an array is not as long as the file says", subject=subject, place=place, expected=expected, found=found
    )


class _Raw:
    """Bytes one after another."""

    def __init__(self, block: bytes, subject: str, place: str) -> None:
        self.block, self.subject, self.place, self.at = block, subject, place, 0

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        if n_bytes > len(self.block) - self.at:
            raise short(self.subject, self.place, f"{n_bytes} bytes", f"{len(self.block) - self.at} bytes")
        self.at += n_bytes
        return self.block[self.at - n_bytes : self.at]

    def head(self, n_bytes: int) -> bytes:
        """Return the next bytes, which are a head of their own."""
        return self.take(n_bytes)

    def start(self) -> None:
        """Begin what follows the heads."""


class _Base64:
    """Bytes in base64; heads may be encoded alone or together with what follows."""

    def __init__(self, block: bytes, subject: str, place: str) -> None:
        self.block, self.subject, self.place = block, subject, place
        self.from_char, self.skip = 0, 0
        self.heads = 0

    def _decode(self, n_bytes: int) -> bytes:
        n_chars = (n_bytes + 2) // 3 * 4
        chars = self.block[self.from_char : self.from_char + n_chars]
        if len(chars) < n_chars:
            raise short(self.subject, self.place, f"{n_chars} characters of base64", f"{len(chars)} characters")
        try:
            return base64.b64decode(chars, validate=True)
        except binascii.Error:
            raise FormatError(
                "not base64", subject=self.subject, place=self.place, found=repr(chars[:40].decode("latin-1"))
            ) from None

    def head(self, n_bytes: int) -> bytes:
        """Return more of the head; it is read from its start again, since characters hold parts of bytes."""
        self.heads += n_bytes
        whole = self._decode(self.heads)
        if len(whole) < self.heads:
            raise short(self.subject, self.place, f"{self.heads} bytes of head", f"{len(whole)} bytes")
        return whole[self.heads - n_bytes : self.heads]

    def start(self) -> None:
        """Begin what follows the heads: after their own padding, or within the same characters."""
        n_chars = (self.heads + 2) // 3 * 4
        alone = self.heads % 3 == 0 or self.block[n_chars - 1 : n_chars] == b"="
        self.from_char, self.skip = (n_chars, 0) if alone else (0, self.heads)

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes; what was taken before is skipped."""
        whole = self._decode(self.skip + n_bytes)
        if len(whole) < self.skip + n_bytes:
            raise short(self.subject, self.place, f"{n_bytes} bytes", f"{len(whole) - self.skip} bytes")
        self.skip, start = self.skip + n_bytes, self.skip
        return whole[start : self.skip]


def unpack(block: bytes, n_bytes: int, *, header: str, packed: bool, coded: bool, subject: str, place: str) -> bytes:
    """Return the bytes of an array.

    Parameters
    ----------
    block : bytes
        What starts with the lengths of the array; more may follow.
    n_bytes : int
        How many there must be, by what the file says elsewhere.
    header : str
        dtype of the lengths, with its byte order.
    packed, coded : bool
        Whether there are zlib blocks; whether all of it is base64.
    subject, place : str
        The file and the array, for errors.

    Raises
    ------
    FormatError
        When it cannot be unpacked; ``TruncatedError`` when there are more bytes, or fewer.
    """
    stream = _Base64(block, subject, place) if coded else _Raw(block, subject, place)
    width = np.dtype(header).itemsize

    def lengths(count: int) -> list[int]:
        return [int(value) for value in np.frombuffer(stream.head(count * width), header)]

    if not packed:
        (claimed,) = lengths(1)
        if claimed != n_bytes:
            raise short(subject, place, f"{n_bytes} bytes", f"{claimed} bytes")
        stream.start()
        return stream.take(n_bytes)
    (n_blocks,) = lengths(1)
    if n_blocks == 0 and n_bytes == 0:
        return b""
    size, last = lengths(2)
    whole = n_blocks * size if last == 0 else (n_blocks - 1) * size + last
    if whole != n_bytes or not n_blocks:
        raise short(subject, place, f"{n_bytes} bytes", f"{whole} bytes in {n_blocks} blocks")
    squeezed = lengths(n_blocks)
    if n_bytes > MOST_EXPANSION * max(1, len(stream.block)):
        raise short(subject, place, f"{n_bytes} bytes", f"{len(stream.block)} bytes to unpack them from")
    stream.start()
    data = stream.take(sum(squeezed))
    parts, at = [], 0
    for number, length in enumerate(squeezed):
        wanted = last if last and number == n_blocks - 1 else size
        engine = zlib.decompressobj()
        try:
            part = engine.decompress(data[at : at + length], wanted + 1)
        except zlib.error as error:
            raise FormatError(
                "a block cannot be unpacked", subject=subject, place=f"{place}, block {number}", found=str(error)
            ) from None
        if len(part) != wanted or not engine.eof:
            raise short(subject, f"{place}, block {number}", f"{wanted} bytes", f"{len(part)} bytes or more")
        parts.append(part)
        at += length
    return b"".join(parts)
