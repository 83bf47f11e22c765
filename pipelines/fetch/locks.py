"""One writer per file among threads, processes and the nodes of a cluster, by an advisory lock on a lock file."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Interrupted", "exclusive"]

_POLL_S = 0.05
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Interrupted(Exception):  # noqa: N818 - not an error: the caller asked for it
    """The caller asked every worker to stop; what has arrived stays for the next run."""


@contextmanager
def exclusive(path: Path, *, stop: threading.Event | None = None) -> Iterator[bool]:
    """Hold the lock file at ``path``, waiting for whoever holds it.

    The lock is one of the operating system: it is gone when its holder is, however that ended, so there is nothing
    stale to clean up. The lock file is removed on release.

    Parameters
    ----------
    path : Path
        The lock file; its folder exists.
    stop : threading.Event, optional
        Set it to give up waiting.

    Yields
    ------
    bool
        False where the file system or the system has no such locks (Lustre without ``-o flock``, Windows): the caller
        is then not alone and must work on a file of its own.

    Raises
    ------
    Interrupted
        When ``stop`` was set while waiting.
    """
    stop = stop or threading.Event()
    descriptor = _acquire(path, stop)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while still held: a waiter that gets this inode notices that the name is gone and opens a new one.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, stop: threading.Event) -> int | None:
    """Return a descriptor that holds the lock, or None where there are no locks."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        held = False
        try:
            while not held:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held = True
                except BlockingIOError:
                    if stop.wait(_POLL_S):
                        raise Interrupted from None
                except OSError as error:
                    if error.errno not in _UNSUPPORTED:
                        raise
                    path.unlink(missing_ok=True)
                    return None
            if _names(path, descriptor):
                return descriptor
            held = False
        finally:
            if not held:
                os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
