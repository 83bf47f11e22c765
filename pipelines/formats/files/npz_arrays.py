"""Arrays of an NPZ archive, checked before they are made: no pickles, no size that the file does not have."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from connectome.errors import FormatError, UnsafeError

from .npy_array import NUMBERS, read_array

__all__ = ["MOST_RATIO", "read_npz"]

Array = np.ndarray[Any, Any]

MOST_RATIO = 1100
"""Deflate cannot pack more than 1,032 bytes into one (RFC 1951); a higher claim is false."""
MOST_BYTES = 1 << 36
"""Of all arrays of an archive together."""


def read_npz(
    source: Path | IO[bytes], *, subject: str, kinds: str = NUMBERS, most_bytes: int = MOST_BYTES
) -> dict[str, Array]:
    """Read every array of an archive.

    Parameters
    ----------
    source : Path or binary file
        What ``numpy.savez`` or ``numpy.savez_compressed`` wrote.
    subject : str
        The file, for errors.
    kinds : str
        Kinds of dtypes that may stand there; numbers and booleans by default, ``U`` is text.
    most_bytes : int
        What all arrays may take together.

    Returns
    -------
    dict of str to numpy.ndarray
        By name.

    Raises
    ------
    FormatError
        When it is no such archive; the place is the member.
    TruncatedError
        When a member holds fewer bytes than its header says.
    UnsafeError
        When an array would be unpickled, or the archive claims more bytes than it can pack or than are allowed.
    """
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(source) as archive:
            claimed = sum(info.file_size for info in archive.infolist())
            if claimed > most_bytes:
                raise UnsafeError(
                    "the archive unpacks to too much", subject=subject, expected=f"{most_bytes} bytes at most",
                    found=f"{claimed} bytes",
                )  # fmt: skip
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name == info.filename or name in arrays:
                    raise FormatError("not an array of its own", subject=subject, place=info.filename)
                arrays[name] = _member(archive, info, subject, kinds)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FormatError("not a readable NPZ archive", subject=subject, found=str(error)[:200]) from error
    return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str, kinds: str) -> Array:
    place = info.filename
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise FormatError("packed in another way", subject=subject, place=place, expected="stored or deflated")
    if info.file_size > MOST_RATIO * max(info.compress_size, 1) + 1024:
        raise UnsafeError(
            "more bytes than can be packed",
            subject=subject,
            place=place,
            found=f"{info.file_size} bytes packed into {info.compress_size}",
        )
    with archive.open(info) as stream:
        return read_array(stream, info.file_size, subject=subject, place=place, kinds=kinds)
