"""Arrays made once from a record and memory-mapped ever after: a cache that may be deleted at any time.

A file is named by the content digest of its record and by what it holds, is written under another name and renamed
when it is whole, and is the same whoever makes it; so any number of processes may share the folder. Where it cannot be
written, the array is kept in memory.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from connectome import atomic

__all__ = ["MappedCache", "default_cache"]

Array = np.ndarray[Any, Any]
IN_MEMORY_BYTES = 4 << 20
"""Smaller arrays are made anew in each process: that takes milliseconds."""


def default_cache() -> str:
    """Return ``CONNECTOME_CACHE``, or the user's cache folder (XDG Base Directory Specification on Linux)."""
    if os.environ.get("CONNECTOME_CACHE"):
        return os.environ["CONNECTOME_CACHE"]
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Cache"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "connectome")


@dataclass(frozen=True)
class MappedCache:
    """Arrays of one record."""

    folder: str
    key: str
    """Content digest of the record."""

    def path(self, name: str) -> Path:
        """Return where an array lies, or would lie."""
        # Names come out of files: quoted, they cannot lead out of the folder.
        return Path(self.folder) / "graphs" / quote(self.key[:32], safe="") / f"{quote(name, safe='')}.npy"

    def arrays(
        self, wanted: dict[str, tuple[tuple[int, ...], np.dtype[Any]]], make: Callable[[dict[str, Array]], None]
    ) -> dict[str, Array]:
        """Return arrays, made if one of them is not here.

        Parameters
        ----------
        wanted : dict of str to (shape, dtype)
            By name.
        make : callable
            Fills arrays of these shapes and dtypes, given by name.

        Returns
        -------
        dict of str to numpy.ndarray
            Read-only where they are mapped.
        """
        n_bytes = sum(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize for shape, dtype in wanted.values())
        if n_bytes < IN_MEMORY_BYTES:
            return _in_memory(wanted, make)
        found = self._mapped(wanted)
        if found is None:
            try:
                self._write(wanted, make)
            except OSError:
                # No folder that can be written to, or no room in it.
                return _in_memory(wanted, make)
            found = self._mapped(wanted)
        return found if found is not None else _in_memory(wanted, make)

    def _mapped(self, wanted: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> dict[str, Array] | None:
        found = {}
        for name, (shape, dtype) in wanted.items():
            try:
                array = np.load(self.path(name), mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError):
                return None
            if array.shape != shape or array.dtype != dtype:
                return None
            # A plain view: indexing np.memmap makes a new memmap each time, which costs more than the read.
            found[name] = array.view(np.ndarray)
        return found

    def _write(
        self, wanted: dict[str, tuple[tuple[int, ...], np.dtype[Any]]], make: Callable[[dict[str, Array]], None]
    ) -> None:
        with ExitStack() as stack:
            files = {name: stack.enter_context(atomic.temporary(self.path(name))) for name in wanted}
            made: dict[str, Any] = {
                name: np.lib.format.open_memmap(files[name], mode="w+", dtype=dtype, shape=shape)
                for name, (shape, dtype) in wanted.items()
            }
            for file in files.values():
                _reserve(file)
            make(made)
            for name in wanted:
                made.pop(name).flush()
                atomic.publish(files[name], self.path(name))


def _reserve(file: Path) -> None:
    """Take the room that a file needs: writing to a mapped file on a full disk would end the process."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as handle:
            try:
                os.posix_fallocate(handle.fileno(), 0, os.fstat(handle.fileno()).st_size)
            except OSError as error:
                # Some file systems cannot say; there the file is written all the same.
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                    raise


def _in_memory(
    wanted: dict[str, tuple[tuple[int, ...], np.dtype[Any]]], make: Callable[[dict[str, Array]], None]
) -> dict[str, Array]:
    made = {name: np.empty(shape, dtype=dtype) for name, (shape, dtype) in wanted.items()}
    make(made)
    for array in made.values():
        array.flags.writeable = False
    return made
