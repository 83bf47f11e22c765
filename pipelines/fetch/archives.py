"""Unpack zip and tar archives into a folder of their own: whole or not at all, and never outside it.

The format is told from the first bytes, not from the name. Links are written as copies of the member they point to, so
that no link ever exists on the disk; links that leave the archive, devices and pipes are refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from connectome.errors import ConflictError, FormatError, NotFoundError, TruncatedError, UnsafeError

from .checks import BLOCK_BYTES, safe_relative

__all__ = ["unpack"]

_LONGEST_HEADER_BYTES = 1 << 24
"""Names and extended headers of a tar archive are read at once; longer ones are an attack on the memory."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class _Member:
    """An entry of an archive: a file with its bytes, or a link to another entry. Folders come from the paths."""

    path: str
    size_bytes: int = 0
    open: Callable[[], AbstractContextManager[Any]] | None = None
    link: str | None = None
    """Path of the entry that a link points to."""


def unpack(archive: Path, destination: Path, *, max_bytes: int = 64 << 30, max_files: int = 1_000_000) -> list[Path]:
    """Unpack an archive into a new folder.

    Parameters
    ----------
    archive : Path
        A zip file, or a tar file, plain or compressed with gzip, bzip2 or xz.
    destination : Path
        The folder to make. It appears whole, by one rename, or not at all.
    max_bytes, max_files : int
        Most that the archive may unpack to; the bytes are counted as they come, whatever the archive says of itself.

    Returns
    -------
    list of Path
        The files, sorted by their path in the archive.

    Raises
    ------
    ConflictError
        When the destination exists.
    FormatError
        When it is not an archive of these kinds, is encrypted, or contradicts itself.
    TruncatedError
        When it ends too early.
    UnsafeError
        When an entry would leave the folder, is a device, or the limits are exceeded.
    """
    if not archive.is_file():
        raise NotFoundError("no such archive", subject=str(archive))
    if destination.exists():
        raise ConflictError("the folder to unpack to exists", subject=str(destination), hint="remove it first")
    draft = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        with _reading(archive) as members:
            names = _write(archive, members, draft, max_bytes, max_files)
        draft.replace(destination)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return [destination.joinpath(*name.split("/")) for name in sorted(names)]


def _write(archive: Path, members: Iterator[_Member], draft: Path, max_bytes: int, max_files: int) -> set[str]:
    """Write all entries below a folder and return the paths of the files."""
    files: set[str] = set()
    links: dict[str, str] = {}
    room = max_bytes
    for member in members:
        if len(files) + len(links) >= max_files:
            raise _too_much(archive, f"at most {max_files} files")
        if member.path in files or member.path in links:
            raise FormatError("the archive has two entries of the same path", subject=str(archive), place=member.path)
        if member.link is not None:
            links[member.path] = member.link
        elif member.open is not None:
            if member.size_bytes > room:
                raise _too_much(archive, f"at most {max_bytes} bytes")
            with member.open() as stream, _create(archive, draft, member.path) as output:
                room -= _copy(archive, member, stream, output)
            files.add(member.path)
    for path in sorted(links):
        target = _resolve(archive, path, links, files)
        room -= (draft / target).stat().st_size
        if room < 0:
            raise _too_much(archive, f"at most {max_bytes} bytes")
        with (draft / target).open("rb") as stream, _create(archive, draft, path) as output:
            shutil.copyfileobj(stream, output, BLOCK_BYTES)
    return files | links.keys()


def _copy(archive: Path, member: _Member, stream: Any, output: IO[bytes]) -> int:
    """Copy the bytes of one entry, of which both libraries give no more than it announces; return how many."""
    copied = 0
    while block := stream.read(BLOCK_BYTES):
        copied += len(block)
        output.write(block)
    if copied < member.size_bytes:
        raise TruncatedError(
            "an entry is shorter than it says",
            subject=str(archive),
            place=member.path,
            expected=f"{member.size_bytes} bytes",
            found=f"{copied} bytes",
        )
    return copied


def _create(archive: Path, draft: Path, path: str) -> IO[bytes]:
    """Create a file that must not exist yet; on a file system that ignores case two names may be one."""
    local = draft.joinpath(*path.split("/"))
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        return local.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise FormatError("the archive has two entries for the same place", subject=str(archive), place=path) from error


def _resolve(archive: Path, path: str, links: dict[str, str], files: set[str]) -> str:
    """Follow links within the archive to a file."""
    target = path
    for _ in range(len(links) + 1):
        if target in files:
            return target
        if target not in links:
            break
        target = links[target]
    raise FormatError(
        "a link does not lead to a file of the archive", subject=str(archive), place=path, found=links[path]
    )


def _too_much(archive: Path, limit: str) -> UnsafeError:
    """Return the error for an archive that exceeds its limits."""
    return UnsafeError(
        "the archive unpacks to more than is allowed",
        subject=str(archive),
        expected=limit,
        hint="raise the limit if you trust the archive",
    )


@contextmanager
def _reading(archive: Path) -> Iterator[Iterator[_Member]]:
    """Open an archive of any kind, and turn what its library raises into errors of ours."""
    with archive.open("rb") as stream:
        magic = stream.read(6)
    subject = str(archive)
    try:
        if magic.startswith(_ZIP):
            with zipfile.ZipFile(archive) as opened:
                yield _zip_members(opened, subject)
        else:
            with ExitStack() as stack:
                guarded = _Guarded(stack.enter_context(_decompressed(archive, magic)), subject)
                opened_tar = stack.enter_context(tarfile.open(fileobj=cast("Any", guarded), mode="r:"))
                yield _tar_members(opened_tar, guarded, subject)
    except EOFError as error:
        raise TruncatedError("the archive ends too early", subject=subject, found=str(error)) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise FormatError(
            "not a readable archive", subject=subject, expected="zip, tar, tar.gz, tar.bz2 or tar.xz", found=str(error)
        ) from error


def _decompressed(archive: Path, magic: bytes) -> IO[bytes]:
    """Open a tar archive by its first bytes."""
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(archive))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(archive))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("IO[bytes]", lzma.open(archive))
    return archive.open("rb")


class _Guarded:
    """The decompressed stream of a tar archive, refusing to read very much at once."""

    def __init__(self, stream: IO[bytes], subject: str) -> None:
        self._stream = stream
        self._subject = subject

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes."""
        if not 0 <= size <= _LONGEST_HEADER_BYTES:
            raise UnsafeError("a header of the archive is far too long", subject=self._subject, found=f"{size} bytes")
        return self._stream.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; compressed streams go forward by reading."""
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def drain(self) -> None:
        """Read what follows the last entry: the checksum of a compressed stream is compared only at its end."""
        if self._stream.read(_LONGEST_HEADER_BYTES) and self._stream.read(1):
            raise FormatError("the archive is followed by other data", subject=self._subject)


def _zip_members(archive: zipfile.ZipFile, subject: str) -> Iterator[_Member]:
    """Yield the entries of a zip file."""
    for info in archive.infolist():
        # zipfile cuts names at a NUL byte and, on Windows, turns backslashes: the name as stored is what is judged.
        path = _safe(info.orig_filename, subject)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 0x1:
            raise FormatError("an entry is encrypted", subject=subject, place=path)
        if info.is_dir():
            continue
        if kind == stat.S_IFLNK:
            if info.file_size > _LONGEST_HEADER_BYTES:
                raise UnsafeError("the target of a link is far too long", subject=subject, place=path)
            yield _Member(path, link=_link(path, os.fsdecode(archive.read(info)), subject))
        elif kind in {0, stat.S_IFREG}:
            yield _Member(path, info.file_size, open=partial(archive.open, info))
        else:
            raise UnsafeError("an entry is neither a file nor a folder", subject=subject, place=path)


def _tar_members(archive: tarfile.TarFile, stream: _Guarded, subject: str) -> Iterator[_Member]:
    """Yield the entries of a tar file in their order."""
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # one entry is needed at a time, not a list of millions
        if info.isdir():
            if info.name.strip("./"):
                _safe(info.name, subject)
            continue
        path = _safe(info.name, subject)
        if info.issym():
            yield _Member(path, link=_link(path, info.linkname, subject))
        elif info.islnk():
            yield _Member(path, link=_safe(info.linkname, subject))
        elif info.isreg():
            yield _Member(path, info.size, open=cast("Any", partial(archive.extractfile, info)))
        else:
            raise UnsafeError("an entry is neither a file nor a folder", subject=subject, place=path)
    stream.drain()


def _safe(path: str, subject: str) -> str:
    """Return the path of an entry, less a leading ``./`` and a trailing slash."""
    return str(safe_relative(path.removeprefix("./").removesuffix("/"), subject=subject))


def _link(path: str, target: str, subject: str) -> str:
    """Return the entry that a symbolic link at ``path`` points to."""
    try:
        return _safe(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)), subject)
    except UnsafeError as error:
        raise UnsafeError("a link leaves the archive", subject=subject, place=path, found=target) from error
