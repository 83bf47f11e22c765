"""Garbage collection: removing files that no version refers to."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .record import SUFFIX

if TYPE_CHECKING:
    from .repository import Repository

__all__ = ["GRACE_S", "Collection", "collect"]

GRACE_S = 24 * 3600.0
"""Younger files may belong to an ingest that has not committed yet."""


@dataclass(frozen=True)
class Collection:
    """What was, or would be, removed."""

    removed: tuple[str, ...]
    """Paths relative to the root."""
    size_bytes: int
    kept_young: int
    """Unreferenced files left alone because they are younger than the grace period."""
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the collection as JSON values."""
        return {
            "removed": list(self.removed),
            "bytes": self.size_bytes,
            "kept_young": self.kept_young,
            "dry_run": self.dry_run,
        }


def collect(
    repository: Repository, *, grace_s: float = GRACE_S, dry_run: bool = False, raw: bool = False
) -> Collection:
    """Remove record files that no version lists, and what interrupted work left behind.

    Parameters
    ----------
    repository : Repository
        A local one.
    grace_s : float
        Leave files younger than this many seconds, which an ingest under way may be about to commit.
    dry_run : bool
        Only say what would be removed.
    raw : bool
        Also remove the cache of raw files.

    Returns
    -------
    Collection

    Raises
    ------
    DamagedError
        When a version file cannot be read: then nothing is known to be unreferenced, and nothing is removed.
    """
    root = repository.path
    limit = time.time() - grace_s
    candidates: list[Path] = []
    for dataset in repository.datasets():
        listed = {receipt.file for manifest in repository.log(dataset) for receipt in manifest.records.values()}
        for file in sorted((root / dataset / "records").glob(f"*/*{SUFFIX}")):
            if file.relative_to(root / dataset).as_posix() not in listed:
                candidates.append(file)
        candidates.extend(sorted((root / dataset).rglob(".*.tmp")))
    unversioned = [item for item in sorted(root.iterdir()) if item.is_dir()] if root.is_dir() else []
    for folder in unversioned:
        if folder.name not in {"raw", "staging"} and not repository.versions(folder.name):
            candidates.extend(sorted(file for file in (folder / "records").rglob("*") if file.is_file()))
    candidates.extend(sorted(file for file in repository.staging.rglob("*") if file.is_file()))
    if raw:
        candidates.extend(sorted(file for file in repository.raw.rglob("*") if file.is_file()))
    removed, size, young = [], 0, 0
    for file in candidates:
        status = file.stat()
        if status.st_mtime > limit:
            young += 1
            continue
        removed.append(file.relative_to(root).as_posix())
        size += status.st_size
        if not dry_run:
            file.unlink()
    if not dry_run:
        _remove_empty(root)
    return Collection(tuple(removed), size, young, dry_run)


def _remove_empty(root: Path) -> None:
    for folder in sorted((item for item in root.rglob("*") if item.is_dir()), reverse=True):
        # rmdir refuses a folder that another process has just put something into.
        if folder != root and not any(folder.iterdir()):
            with contextlib.suppress(OSError):
                folder.rmdir()
