"""Garbage collection: removing files that no version refers to."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .record import SUFFIX
from .repository import may_be_dataset

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
        Also remove the cache of raw files, but for those that records refer to.

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
    names = sorted(item.name for item in root.iterdir() if item.is_dir()) if root.is_dir() else []
    datasets = [name for name in names if may_be_dataset(name)]
    for dataset in datasets:
        # Files first, versions after: what a commit made in between lists is not taken for unreferenced.
        files = _files(root / dataset)
        listed = _listed(repository, dataset)
        candidates.extend(file for file in files if _is_unfinished(file) or _is_stray(file, root / dataset, listed))
    candidates.extend(_files(repository.staging))
    if raw:
        kept = _referred(repository, datasets)
        candidates.extend(file for file in _files(repository.raw) if not kept & {file.parent.name, file.stem})
    tops = {repository.staging, repository.raw, *(root / name for name in datasets)}
    old_folders = [folder for top in tops for folder in _folders(top) if _is_older(folder, limit)]
    removed, size, young = [], 0, 0
    for file in candidates:
        # What has gone by now was finished with by the work that it belonged to.
        with contextlib.suppress(FileNotFoundError):
            status = file.stat()
            if status.st_mtime > limit:
                young += 1
                continue
            if not dry_run:
                file.unlink()
            removed.append(file.relative_to(root).as_posix())
            size += status.st_size
    if not dry_run:
        for folder in sorted(old_folders, reverse=True):
            # rmdir refuses a folder that is not empty, also one that another process has just put something into.
            with contextlib.suppress(OSError):
                folder.rmdir()
    return Collection(tuple(removed), size, young, dry_run)


def _listed(repository: Repository, dataset: str) -> set[str]:
    if not repository.versions(dataset):
        return set()
    return {receipt.file for manifest in repository.log(dataset) for receipt in manifest.records.values()}


def _referred(repository: Repository, datasets: list[str]) -> set[str]:
    """Return the SHA-256 of raw files that records refer to instead of holding copies."""
    return {
        str(item.get("sha256"))
        for dataset in datasets
        if repository.versions(dataset)
        for manifest in repository.log(dataset)
        for receipt in manifest.records.values()
        if receipt.recipe.get("params", {}).get("by_reference")
        for item in receipt.recipe["inputs"]
    }


def _is_stray(file: Path, folder: Path, listed: set[str]) -> bool:
    parts = file.relative_to(folder).parts
    return parts[0] == "records" and len(parts) == 3 and file.name.endswith(SUFFIX) and "/".join(parts) not in listed


def _is_unfinished(file: Path) -> bool:
    return file.name.startswith(".") and file.name.endswith(".tmp")


def _files(folder: Path) -> list[Path]:
    # os.walk passes over folders that go away while it looks.
    return sorted(Path(at) / name for at, _, names in os.walk(folder) for name in names)


def _folders(folder: Path) -> list[Path]:
    return [Path(at) for at, _, _ in os.walk(folder)]


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime <= limit
    except FileNotFoundError:
        return False
