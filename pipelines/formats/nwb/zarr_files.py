"""The files of a Zarr store, in a folder or a ZIP file that came from elsewhere: named byte strings with safe paths."""

from __future__ import annotations

import stat
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path

from connectome.errors import FormatError, TruncatedError, UnsafeError

from ...fetch.checks import safe_relative

__all__ = ["FolderFiles", "StoreFiles", "ZipFiles", "files_of"]

MOST_FILE_BYTES = 2 << 30
_MOST_FILES = 1_000_000


class StoreFiles(ABC):
    """Named byte strings: the keys of a Zarr store."""

    subject: str

    @abstractmethod
    def paths(self) -> list[str]:
        """Return all paths, sorted."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Return the length of a file in bytes; raise KeyError where there is none."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return the content of a file; raise KeyError where there is none."""


class FolderFiles(StoreFiles):
    """A folder without symbolic links."""

    def __init__(self, path: Path) -> None:
        self.subject = str(path)
        self._files = {str(file.relative_to(path).as_posix()): file for file in files_of(path)}

    def paths(self) -> list[str]:
        """Return all paths, sorted."""
        return list(self._files)

    def size(self, key: str) -> int:
        """Return the length of a file in bytes."""
        return self._files[key].stat().st_size

    def read(self, key: str) -> bytes:
        """Return the content of a file."""
        return self._files[key].read_bytes()


class ZipFiles(StoreFiles):
    """An open ZIP archive of plain files."""

    def __init__(self, archive: zipfile.ZipFile, subject: str) -> None:
        self.subject, self._archive = subject, archive
        self._entries: dict[str, zipfile.ZipInfo] = {}
        infos = archive.infolist()
        if len(infos) > _MOST_FILES:
            raise UnsafeError("an archive of too many files", subject=subject, found=str(len(infos)))
        for info in infos:
            key = str(safe_relative(info.orig_filename.removesuffix("/"), subject=subject))
            if info.is_dir():
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
                raise UnsafeError("an entry is neither a file nor a folder", subject=subject, place=key)
            if info.flag_bits & 0x1 or key in self._entries:
                raise FormatError(
                    "an entry is encrypted" if info.flag_bits & 0x1 else "two entries of the same path",
                    subject=subject,
                    place=key,
                )
            self._entries[key] = info

    def paths(self) -> list[str]:
        """Return all paths, sorted."""
        return sorted(self._entries)

    def size(self, key: str) -> int:
        """Return the length of a file in bytes."""
        return self._entries[key].file_size

    def read(self, key: str) -> bytes:
        """Return the content of a file."""
        info = self._entries[key]
        if info.file_size > MOST_FILE_BYTES:
            raise UnsafeError(
                "an entry unpacks to too much", subject=self.subject, place=key, found=str(info.file_size)
            )
        with self._archive.open(info) as stream:
            content = stream.read(info.file_size + 1)
        if len(content) != info.file_size:
            raise TruncatedError("an entry does not have its length", subject=self.subject, place=key)
        return content


def files_of(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted by path.

    Raises
    ------
    UnsafeError
        When something below it is a symbolic link, which may lead anywhere, or there are too many files.
    """
    found: list[Path] = []
    for item in sorted(folder.rglob("*"), key=lambda item: item.relative_to(folder).parts):
        if item.is_symlink():
            raise UnsafeError("a symbolic link in a Zarr folder", subject=str(folder), place=item.name)
        if item.is_file():
            found.append(item)
        if len(found) > _MOST_FILES:
            raise UnsafeError("a folder of too many files", subject=str(folder))
    return found
