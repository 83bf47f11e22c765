"""The bytes of a FreeSurfer file, taken from front to back: a count is believed only if the bytes are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer

__all__ = ["BigEndianFile", "hemisphere_of"]

LONGEST_TEXT = 1 << 16


class BigEndianFile:
    """A file read whole, and where reading has come to.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    TruncatedError
        When it is empty or only points to the data.
    """

    def __init__(self, path: Path) -> None:
        refuse_pointer(path)
        self.subject = str(path)
        self._data = path.read_bytes()
        self.at = 0
        if not self._data:
            raise TruncatedError("the file is empty", subject=self.subject, found="0 bytes")

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self.at

    def take(self, n_bytes: int, what: str) -> bytes:
        """Return the next bytes; raise :class:`~connectome.errors.TruncatedError` where there are fewer."""
        if n_bytes < 0:
            raise FormatError("a length is negative", subject=self.subject, place=self._place(what), found=str(n_bytes))
        if n_bytes > self.left:
            raise TruncatedError(
                f"the file ends inside {what}",
                subject=self.subject,
                place=f"byte {self.at}",
                expected=f"{n_bytes} bytes",
                found=f"{self.left} bytes",
            )
        taken = self._data[self.at : self.at + n_bytes]
        self.at += n_bytes
        return taken

    def array(self, dtype: str, count: int, what: str) -> np.ndarray[Any, Any]:
        """Return the next numbers in the machine's byte order; bits are moved, never computed with."""
        stored = np.dtype(dtype)
        if count < 0:
            raise FormatError("a count is negative", subject=self.subject, place=self._place(what), found=str(count))
        flat = np.frombuffer(self.take(count * stored.itemsize, what), dtype=stored)
        return flat.astype(stored.newbyteorder("="))

    def whole(self, what: str) -> int:
        """Return the next 32-bit number."""
        return int(self.array(">i4", 1, what)[0])

    def three(self, what: str) -> int:
        """Return the next 24-bit number."""
        return int.from_bytes(self.take(3, what), "big")

    def line(self, what: str) -> str:
        """Return the text up to the next line end, without it."""
        end = self._data.find(b"\n", self.at, self.at + LONGEST_TEXT)
        if end < 0:
            kind = TruncatedError if self.left < LONGEST_TEXT else FormatError
            raise kind(f"{what} does not end", subject=self.subject, place=self._place(what), expected="a line end")
        text = self.text(self._data[self.at : end], what)
        self.at = end + 1
        return text

    def string(self, what: str) -> str:
        """Return the next text that has its length before it, without the NULs at its end."""
        length = self.whole(f"the length of {what}")
        if not 0 <= length <= LONGEST_TEXT:
            raise FormatError(
                "a text cannot be that long", subject=self.subject, place=self._place(what),
                expected=f"0 to {LONGEST_TEXT} bytes", found=str(length),
            )  # fmt: skip
        return self.text(self.take(length, what).split(b"\0")[0], what)

    def text(self, raw: bytes, what: str) -> str:
        """Return bytes as UTF-8 text."""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise FormatError(
                "not UTF-8 text", subject=self.subject, place=self._place(what), found=repr(raw[:40])
            ) from None

    def peek(self, n_bytes: int) -> bytes:
        """Return up to so many of the next bytes without taking them."""
        return self._data[self.at : self.at + n_bytes]

    def trailing(self, known: int = 0) -> list[dict[str, str]]:
        """Return a warning when more bytes are left than are known of."""
        if self.left <= known:
            return []
        message = f"{self.left} bytes follow what the format describes; they are not read"
        return [warning("trailing-bytes", f"byte {self.at}", message)]

    def _place(self, what: str) -> str:
        return f"{what}, byte {self.at}"


def hemisphere_of(name: str) -> str:
    """Return ``"L"`` or ``"R"`` by the start of a file's name (``lh.white``), ``""`` where it says neither."""
    return {"lh.": "L", "rh.": "R"}.get(name[:3], "")
