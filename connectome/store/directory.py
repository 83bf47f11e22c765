"""The directory of a record's ZIP: the place of every entry.

:mod:`zipfile` makes an object of twenty attributes for each of the two hundred entries of a record. Directories as the
store writes them (at the end of the file, without ZIP64 fields, comments or compression, names in ASCII) are read here
in a quarter of the time; every other one, and every damaged one, is left to :mod:`zipfile`.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import TYPE_CHECKING, BinaryIO, cast

from connectome.errors import DamagedError

if TYPE_CHECKING:
    from .archive import ByteSource

__all__ = ["read_directory"]

Entries = dict[str, tuple[int, int, int]]

END = struct.Struct("<4s4H2LH")
"""End of central directory record (APPNOTE 6.3.10, section 4.3.16)."""
ENTRY = struct.Struct("<4s6H3L5H2L")
"""File header in the central directory, without its variable parts (section 4.3.12)."""
ENCRYPTED = 1
TAKES_ZIP64 = 0xFFFFFFFF


def read_directory(source: ByteSource) -> Entries:
    """Return entry name to (offset of its local header, size in bytes, CRC-32).

    Raises
    ------
    DamagedError
        When the file is missing or short, no ZIP, or an entry is compressed.
    """
    entries = _plain_directory(source)
    return _any_directory(source) if entries is None else entries


def _plain_directory(source: ByteSource) -> Entries | None:
    """Return the entries of a directory as the store writes it, None for any other."""
    size = source.size()
    if size < END.size:
        return None
    mark, disk, first, here, n_entries, length, start, comment = END.unpack(source.read(size - END.size, END.size))
    if mark != b"PK\x05\x06" or disk or first or comment or here != n_entries or n_entries == 0xFFFF:
        return None
    if start + length + END.size != size:
        return None
    data = source.read(start, length)
    entries: Entries = {}
    at = 0
    while at + ENTRY.size <= length:
        mark, _, _, flags, method, _, _, crc, packed, plain, n_name, n_extra, n_comment, _, _, _, offset = (
            ENTRY.unpack_from(data, at)
        )
        at += ENTRY.size
        name = data[at : at + n_name]
        at += n_name + n_extra + n_comment
        usual = mark == b"PK\x01\x02" and not (method or flags & ENCRYPTED) and packed == plain < TAKES_ZIP64
        if not usual or offset >= start or not name.isascii() or b"\0" in name or len(name) != n_name:
            return None
        entries[name.decode("ascii")] = (offset, plain, crc)
    return entries if at == length and len(entries) == n_entries else None


def _any_directory(source: ByteSource) -> Entries:
    try:
        with zipfile.ZipFile(cast("BinaryIO", _Tail(source))) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, struct.error, UnicodeDecodeError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(
            "the record's file is not a whole ZIP",
            subject=source.name,
            found=str(error),
            hint="connectome verify names every damaged record",
        ) from error
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED:
            raise DamagedError("an entry is compressed", subject=source.name, place=info.filename)
        if info.header_offset < 0:
            raise DamagedError("an entry lies outside the file", subject=source.name, place=info.filename)
    return {info.filename: (info.header_offset, info.file_size, info.CRC) for info in infos}


class _Tail:
    """The file interface that :mod:`zipfile` needs to read a directory, over a byte source."""

    def __init__(self, source: ByteSource) -> None:
        self._source, self._size, self._at = source, source.size(), 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("negative seek position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        n = self._size - self._at if n < 0 else min(n, self._size - self._at)
        data = self._source.read(self._at, n) if n > 0 else b""
        self._at += len(data)
        return data
