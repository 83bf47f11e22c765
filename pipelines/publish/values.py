"""What travels between the steps of publishing: published files and tables, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.store.canonical import file_sha256

if TYPE_CHECKING:
    from connectome.rows import Table

__all__ = ["PublishedFile", "PublishedSplit", "PublishedTable", "describe_file"]


@dataclass(frozen=True)
class PublishedFile:
    """One file of a published folder."""

    path: str
    """Relative POSIX path."""
    size_bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return the file as JSON values."""
        return {"path": self.path, "bytes": self.size_bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class PublishedSplit:
    """The rows of one table that belong to one split."""

    n_rows: int
    n_bytes: int
    """Size in memory, as Arrow counts it."""
    files: tuple[PublishedFile, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table as it was written."""

    table: Table
    splits: Mapping[str, PublishedSplit]
    """Name on the Hub to rows; at least one."""

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """All files, split by split."""
        return tuple(file for split in self.splits.values() for file in split.files)

    @property
    def n_rows(self) -> int:
        """Rows of all splits."""
        return sum(split.n_rows for split in self.splits.values())


def describe_file(folder: Path, path: str) -> PublishedFile:
    """Measure and hash a file of a folder."""
    return PublishedFile(path, (folder / path).stat().st_size, file_sha256(folder / path))
