"""Files that are not on this machine, as readers see them: opened as streams of bytes, never by name."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, Protocol, runtime_checkable

__all__ = ["FileElsewhere", "Guarded"]


@runtime_checkable
class FileElsewhere(Protocol):
    """What stands for a path where the bytes lie elsewhere; ``str`` of it is fit for an error message.

    Whoever opens the connection is outside the readers, which know no network.
    """

    @property
    def name(self) -> str:
        """Name of the file."""
        ...

    @property
    def stem(self) -> str:
        """Name without the last suffix."""
        ...

    def open(self, mode: str = "rb") -> Any:
        """Return a seekable stream of its bytes, a :class:`typing.BinaryIO`."""
        ...

    def is_file(self) -> bool:
        """Return True."""
        ...

    def is_dir(self) -> bool:
        """Return False."""
        ...


class Guarded:
    """A stream for libraries in C that do not survive an exception inside a read: HDF5 unwinds through its caches.

    A read that fails gives zeros, as does every one after it, and :meth:`check` raises what went wrong. Whoever uses
    the library must call it before a value is believed.

    Parameters
    ----------
    stream : BinaryIO
        The stream.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._failure: BaseException | None = None

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _keep(self, error: BaseException) -> None:
        """Keep the first failure, without the frames that hold the library's buffers: those outlive its files."""
        if self._failure is None:
            self._failure = error
            chain: BaseException | None = error
            while chain is not None:
                chain.__traceback__ = None
                chain = chain.__cause__ or chain.__context__

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        try:
            return self._stream.seek(offset, whence)
        except BaseException as error:  # noqa: BLE001 - raised by check, whatever it is; an interrupt, too
            self._keep(error)
            return 0

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, with zeros where there is nothing to read."""
        view = memoryview(buffer).cast("B")
        done = 0
        try:
            while self._failure is None and done < len(view):
                got: int = self._stream.readinto(view[done:])  # type: ignore[attr-defined]
                if not got:
                    break
                done += got
        except BaseException as error:  # noqa: BLE001 - raised by check, whatever it is; an interrupt, too
            self._keep(error)
        view[done:] = bytes(len(view) - done)
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """Return bytes; h5py tells by this name that it was given a stream."""
        buffer = bytearray(max(size, 0))
        self.readinto(buffer)
        return bytes(buffer)

    def flush(self) -> None:
        """Do nothing: nothing is written."""
