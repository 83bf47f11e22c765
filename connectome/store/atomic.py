"""Files that appear whole or not at all: temporary name in the same folder, flush to disk, then one rename."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from connectome.errors import ConflictError

__all__ = ["publish", "temporary", "write_exclusive", "write_replace"]


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """Yield a fresh name beside ``target`` (``.<name>.<random>.tmp``) and remove whatever is left there afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def publish(path: Path, target: Path) -> None:
    """Flush a finished file and give it its name; an existing file of that name is replaced."""
    _sync(path)
    path.replace(target)
    _sync_folder(target.parent)


def write_replace(target: Path, data: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a part."""
    with temporary(target) as path:
        path.write_bytes(data)
        publish(path, target)


def write_exclusive(target: Path, data: bytes) -> None:
    """Write a file that must not exist yet.

    Raises
    ------
    ConflictError
        When another writer was first; its file is untouched.
    """
    with temporary(target) as path:
        path.write_bytes(data)
        _sync(path)
        try:
            # A hard link fails if the name is taken, on every POSIX file system, and shows the whole file at once.
            os.link(path, target)
        except FileExistsError:
            raise ConflictError(
                "the file was made by another writer", subject=str(target), hint="read it again and retry"
            ) from None
        _sync_folder(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    if os.name == "posix":
        _sync(path)
