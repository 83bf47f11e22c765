"""Staged copies of raw files: a folder in any layout, a URL that serves one, and single ``file://`` files."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import url2pathname

from connectome.errors import ChecksumError, FetchError, NotFoundError, UsageError

from .checks import read_blocks, redacted, safe_relative
from .locks import Interrupted

if TYPE_CHECKING:
    from ..jobs import RemoteFile
    from .cache import Partial

__all__ = ["FolderMirror", "UrlMirror", "copy_local_url", "open_mirror"]


class FolderMirror:
    """A folder that holds copies of raw files, for machines without a network.

    A file is taken by its relative path; failing that, and when its checksum is known, from any place below the folder
    where a file of the same name has the promised bytes. Symbolic links to files are followed: staged copies are often
    made of them, and what counts is the bytes.

    Parameters
    ----------
    root : Path
        The folder.

    Raises
    ------
    NotFoundError
        When there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise NotFoundError("the mirror is not a folder", subject=str(root), hint="give --mirror a folder or a URL")
        self.root = root
        self._by_name: dict[str, list[Path]] | None = None
        self._lock = threading.Lock()

    def bring(self, remote: RemoteFile, partial: Partial, stop: threading.Event) -> None:
        """Copy the file into ``partial``, hashing on the way: the mirror is read once.

        Raises
        ------
        ChecksumError
            When the file lies at its path with other bytes, and nowhere else with the right ones.
        FetchError
            When the mirror does not have it.
        """
        exact = self.root / safe_relative(remote.path)
        wrong: ChecksumError | None = None
        if exact.is_file():
            wrong = _copy(exact, partial, stop)
            if wrong is None:
                return
        if remote.sha256 is not None or remote.md5 is not None:
            for candidate in self._named(exact.name):
                fits = remote.size_bytes in (None, candidate.stat().st_size)
                if candidate != exact and fits and _copy(candidate, partial, stop) is None:
                    return
        partial.restart()
        if wrong is not None:
            raise wrong
        raise FetchError(
            "the mirror does not have the file",
            subject=remote.path,
            place=str(self.root),
            found="a link that leads nowhere" if exact.is_symlink() else None,
            hint="stage it there, or fetch without --mirror: with a mirror nothing else is asked",
        )

    def members(self, pattern: RemoteFile) -> list[RemoteFile]:
        """Return the files here that a pattern stands for, sorted by path."""
        parts = takewhile(lambda part: not set(part) & set("*?["), safe_relative(pattern.path).parts[:-1])
        paths = [
            Path(folder, file).relative_to(self.root).as_posix()
            for folder, _, files in os.walk(self.root.joinpath(*parts))
            for file in files
            if not file.startswith(".")
        ]
        return [replace(pattern, path=path, pattern=False) for path in sorted(paths) if fnmatchcase(path, pattern.path)]

    def _named(self, name: str) -> list[Path]:
        """Return every file of that name below the folder, in sorted order; the folder is walked once."""
        with self._lock:
            if self._by_name is None:
                found: dict[str, list[Path]] = {}
                for folder, _, files in os.walk(self.root):
                    for file in files:
                        found.setdefault(file, []).append(Path(folder, file))
                self._by_name = found
            return sorted(path for path in self._by_name.get(name, []) if path.is_file())


class UrlMirror:
    """A URL below which raw files are served by their relative paths."""

    def __init__(self, base: str) -> None:
        self.base = base

    def url(self, remote: RemoteFile) -> str:
        """Return where the mirror serves the file; a query of the base (an access signature) is kept."""
        parts = urlsplit(self.base)
        path = f"{parts.path.rstrip('/')}/{quote(str(safe_relative(remote.path)))}"
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def open_mirror(mirror: str | Path) -> FolderMirror | UrlMirror:
    """Tell a folder from a URL.

    Raises
    ------
    NotFoundError
        When it is a folder that does not exist.
    UsageError
        When it is a URL of a kind that cannot be read.
    """
    text = str(mirror)
    if isinstance(mirror, Path) or "://" not in text:
        return FolderMirror(Path(mirror))
    if text.startswith(("http://", "https://")):
        return UrlMirror(text)
    if text.startswith("file://"):
        return FolderMirror(_local_path(text))
    raise UsageError(
        "a mirror of this kind cannot be read", subject=redacted(text), expected="a folder, https://..., file://..."
    )


def copy_local_url(remote: RemoteFile, partial: Partial, stop: threading.Event) -> None:
    """Copy the file of a ``file://`` URL into ``partial``.

    Raises
    ------
    FetchError
        When it does not exist.
    ChecksumError
        When its bytes are not those promised.
    """
    source = _local_path(remote.url)
    if not source.is_file():
        raise FetchError("no such file", subject=remote.path, place=remote.url)
    wrong = _copy(source, partial, stop)
    if wrong is not None:
        partial.restart()
        raise wrong


def _local_path(url: str) -> Path:
    """Return the path of a ``file://`` URL on this machine."""
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise UsageError("a file URL of another machine", subject=url, expected="file:///...", found=parts.netloc)
    return Path(url2pathname(parts.path))


def _copy(source: Path, partial: Partial, stop: threading.Event) -> ChecksumError | None:
    """Copy and compare; return what is wrong, if anything is."""
    partial.restart(total=source.stat().st_size)
    for block in read_blocks(source):
        if stop.is_set():
            raise Interrupted
        partial.write(block)
    try:
        partial.finish()
    except ChecksumError as error:
        error.place = str(source)
        return error
    return None
