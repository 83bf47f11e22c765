"""Files that appear whole or not at all: temporary name in the same folder, flush to disk, then one rename."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from connectome.errors import ConflictError

__all__ = ["publish", "temporary", "write_exclusive", "write_replace"]

ATTEMPTS = 100
"""Tries to put a file into a folder that is removed again and again."""


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """Yield a new, empty file beside ``target`` (``.<name>.<random>.tmp``); remove what is left of it afterwards."""
    path = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    _in_folder(path, lambda: path.touch(exist_ok=False))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def publish(path: Path, target: Path) -> None:
    """Flush a finished file and give it its name; an existing file of that name is replaced."""
    _sync(path)
    _in_folder(target, lambda: path.replace(target))
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


def _in_folder(target: Path, make: Callable[[], object]) -> None:
    """Make a file in a folder that garbage collection may remove, while it is empty, at any moment."""
    for attempt in range(ATTEMPTS):
        missing = [folder for folder in target.parents if not folder.is_dir()]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            for folder in missing:
                # A new folder is an entry of its parent, which has to reach the disk as well.
                _sync_folder(folder.parent)
            make()
        except FileNotFoundError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    if os.name == "posix":
        _sync(path)
