"""The cache of raw files: addressed by content, never changed, trusted only after hashing.

::

    <cache>/<sha256>/<name>          a file whose bytes have that SHA-256
    <cache>/index/<key>.json         what a file without a published SHA-256 turned out to be
    <cache>/partial/<key>.part       a file on its way, with the server's validators beside it
    <cache>/quarantine/              what was found damaged, kept for a look
    <cache>/packages/                archives of packages that files were taken from

Nothing appears under its address before all its bytes are on the disk and compared with the promise.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from connectome.atomic import publish, write_replace

from ..jobs import RawFile
from .checks import Digester, Measured, check_measured, measure_file, read_blocks, redacted
from .locks import exclusive

if TYPE_CHECKING:
    from ..jobs import RemoteFile
    from .progress import Progress

__all__ = ["Cache", "Meter", "Partial"]


@dataclass
class Meter:
    """Counts the bytes of one file and passes the count on to whoever watches."""

    file: str
    progress: Progress
    brought_bytes: int = 0
    """Bytes that came from outside the cache."""
    hashed_bytes: int = 0
    """Bytes that went through a checksum."""

    def begin(self, total: int | None) -> None:
        """Begin, or begin anew."""
        self.progress.start(self.file, total)

    def hash(self, n_bytes: int) -> None:
        """Count bytes that were hashed."""
        self.hashed_bytes += n_bytes
        self.progress.advance(self.file, n_bytes)


class Partial:
    """A file on its way into the cache, hashed as it grows.

    What an earlier, interrupted run left at ``path`` is hashed and kept; :meth:`restart` drops it.
    """

    def __init__(self, path: Path, remote: RemoteFile, meter: Meter) -> None:
        self.path = path
        self.meter = meter
        self._remote = remote
        self._note = path.with_suffix(".json")
        self._digester = Digester(md5=remote.md5 is not None)
        meter.begin(remote.size_bytes)
        if path.exists():
            for block in read_blocks(path):
                self._digester.update(block)
                meter.hash(len(block))
        self._stream: BinaryIO = path.open("ab")

    @property
    def size_bytes(self) -> int:
        """Bytes that are here."""
        return self._digester.size_bytes

    @property
    def validators(self) -> dict[str, str]:
        """The server's words for the state of the file these bytes belong to (``etag``, ``last-modified``)."""
        with suppress(FileNotFoundError, ValueError):
            found = json.loads(self._note.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {str(name): str(value) for name, value in found.items()}
        return {}

    def restart(self, validators: dict[str, str] | None = None, *, total: int | None = None) -> None:
        """Drop all bytes and begin a file that the server describes so."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digester = Digester(md5=self._remote.md5 is not None)
        self.meter.begin(self._remote.size_bytes if total is None else total)
        if validators:
            write_replace(self._note, json.dumps(validators, sort_keys=True).encode())
        else:
            self._note.unlink(missing_ok=True)

    def write(self, block: bytes, *, outside: bool = True) -> None:
        """Append bytes; ``outside`` says whether they came from outside the cache."""
        self._stream.write(block)
        self._digester.update(block)
        if outside:
            self.meter.brought_bytes += len(block)
        self.meter.hash(len(block))

    def finish(self) -> Measured:
        """Put the bytes on the disk and return what they are; raise ChecksumError if they are not those promised."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        measured = self._digester.measured()
        check_measured(measured, self._remote)
        return measured

    def close(self) -> None:
        """Close the file; its bytes stay for the next run."""
        self._stream.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class Cache:
    """Raw files below one folder.

    Parameters
    ----------
    root : Path
        ``<root>/raw`` of a store; made when the first file comes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.partial = root / "partial"
        self.packages = root / "packages"

    def lookup(self, remote: RemoteFile, meter: Meter) -> RawFile | None:
        """Return the file if it is here and its bytes still have the checksum of their address.

        A damaged file is moved to ``quarantine`` and counts as absent.

        Raises
        ------
        ChecksumError
            When the bytes have the promised SHA-256 and yet not the promised size or MD5: the promises exclude each
            other.
        """
        sha256 = remote.sha256 or self._indexed(remote)
        if sha256 is None:
            return None
        local = self._place(sha256, remote.path)
        if not local.is_file():
            return None
        meter.begin(local.stat().st_size)
        measured = measure_file(local, md5=remote.md5 is not None, on_block=meter.hash)
        if measured.sha256 != sha256:
            self._quarantine(local, sha256)
            return None
        if remote.sha256 is not None:
            check_measured(measured, remote)
        elif remote.size_bytes not in (None, measured.size_bytes) or measured.md5 != remote.md5:
            return None  # the publisher's promise has changed since: what is here is another file
        return _raw_file(remote, local, measured)

    def peek(self, remote: RemoteFile) -> RawFile | None:
        """Return the file if it is here with its length, without reading it: enough for a plan, not for an ingest."""
        sha256 = remote.sha256 or self._indexed(remote)
        local = None if sha256 is None else self._place(sha256, remote.path)
        if sha256 is None or local is None or not local.is_file():
            return None
        size_bytes = local.stat().st_size
        if remote.size_bytes not in (None, size_bytes):
            return None
        return RawFile(remote.path, local, size_bytes, sha256, verified=bool(remote.sha256 or remote.md5))

    def members(self, pattern: RemoteFile) -> list[RemoteFile]:
        """Return the files that were brought for a pattern before, sorted by path."""
        found = set()
        for entry in (self.root / "index").glob("*.json"):
            with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                known = json.loads(entry.read_text(encoding="utf-8"))
                if known["url"] == redacted(pattern.url) and fnmatchcase(known["path"], pattern.path):
                    found.add(str(known["path"]))
        return [replace(pattern, path=path, pattern=False) for path in sorted(found)]

    @contextmanager
    def reserve(self, remote: RemoteFile, origin: str, meter: Meter, stop: threading.Event) -> Iterator[Partial]:
        """Hold the partial file of a download, alone.

        A second process that wants the same file from the same origin waits, and then finds the file in the cache.
        Where the file system has no locks, each gets a partial file of its own, which is removed at the end.
        """
        promise = (origin, remote.path, remote.sha256 or remote.md5 or "", str(remote.size_bytes))
        key = _key(*promise)
        self.partial.mkdir(parents=True, exist_ok=True)
        with exclusive(self.partial / f"{key}.lock", stop=stop) as alone:
            name = key if alone else f"{key}-{os.getpid()}-{threading.get_ident()}"
            partial = Partial(self.partial / f"{name}.part", remote, meter)
            try:
                yield partial
            finally:
                if alone and partial.size_bytes:
                    partial.close()
                else:
                    partial.discard()

    def admit(self, remote: RemoteFile, partial: Partial) -> RawFile:
        """Move a complete partial file to its address, comparing it with the promise once more."""
        measured = partial.finish()
        partial.close()
        local = self._place(measured.sha256, remote.path)
        publish(partial.path, local)
        partial.discard()
        if remote.sha256 is None:
            entry = {
                "url": redacted(remote.url),
                "path": remote.path,
                "sha256": measured.sha256,
                "size": measured.size_bytes,
            }
            write_replace(self._entry(remote), json.dumps(entry, sort_keys=True, indent=1).encode())
        return _raw_file(remote, local, measured)

    def _place(self, sha256: str, path: str) -> Path:
        """Return the address of a file."""
        return self.root / sha256 / PurePosixPath(path).name

    def _entry(self, remote: RemoteFile) -> Path:
        """Return the index entry of a file without a published SHA-256."""
        return self.root / "index" / f"{_key(remote.url, remote.path)}.json"

    def _indexed(self, remote: RemoteFile) -> str | None:
        """Return the SHA-256 that a file had when it came, if it came before."""
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            found = json.loads(self._entry(remote).read_text(encoding="utf-8"))["sha256"]
            if isinstance(found, str) and len(found) == 64 and found.isalnum():
                return found
        return None

    def _quarantine(self, local: Path, sha256: str) -> None:
        """Move a damaged file out of the way; another process may have done so already."""
        folder = self.root / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        number = sum(1 for item in folder.iterdir() if item.name.startswith(sha256))
        with suppress(FileNotFoundError):
            local.replace(folder / f"{sha256}-{number}-{os.getpid()}-{local.name}")


def _raw_file(remote: RemoteFile, local: Path, measured: Measured) -> RawFile:
    """Describe a file that is here."""
    verified = remote.sha256 is not None or remote.md5 is not None
    return RawFile(remote.path, local, measured.size_bytes, measured.sha256, verified)


def _key(*parts: str) -> str:
    """Name something by what it is made from."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
