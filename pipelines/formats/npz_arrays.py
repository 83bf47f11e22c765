"""Arrays of an NPZ archive, checked before they are made: no pickles, no size that the file does not have."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

__all__ = ["MOST_RATIO", "read_npz"]

Array = np.ndarray[Any, Any]

MOST_RATIO = 1100
"""Deflate cannot pack more than 1,032 bytes into one (RFC 1951); a higher claim is false."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(source: Path | IO[bytes], *, subject: str) -> dict[str, Array]:
    """Read every array of an archive.

    Parameters
    ----------
    source : Path or binary file
        What ``numpy.savez`` or ``numpy.savez_compressed`` wrote.
    subject : str
        The file, for errors.

    Returns
    -------
    dict of str to numpy.ndarray
        Numbers and booleans only.

    Raises
    ------
    FormatError
        When it is no such archive; the place is the member.
    TruncatedError
        When a member holds fewer bytes than its header says.
    UnsafeError
        When an array would be unpickled.
    """
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name == info.filename or name in arrays:
                    raise FormatError("not an array of its own", subject=subject, place=info.filename)
                arrays[name] = _member(archive, info, subject)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FormatError("not a readable NPZ archive", subject=subject, found=str(error)[:200]) from error
    return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str) -> Array:
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
        try:
            version = np.lib.format.read_magic(stream)
            shape, fortran, dtype = _HEADERS[version](stream)
        except (ValueError, KeyError, TypeError, SyntaxError) as error:
            raise FormatError(
                "not an array of NumPy", subject=subject, place=place, found=" ".join(str(error).split())[:200]
            ) from error
        if dtype.hasobject:
            raise UnsafeError(
                "the array is a pickle", subject=subject, place=place, expected="numbers", found=str(dtype)
            )
        if dtype.kind not in "biuf" or any(not isinstance(size, int) or size < 0 for size in shape):
            raise FormatError("not an array of numbers", subject=subject, place=place, found=f"{dtype}, shape {shape}")
        size = math.prod(shape) * dtype.itemsize
        left = info.file_size - stream.tell()
        if size != left:
            raise TruncatedError(
                "the array has another size than its header says", subject=subject, place=place,
                expected=f"{size} bytes for shape {shape}", found=f"{left} bytes",
            )  # fmt: skip
        raw = stream.read(size)
    if len(raw) != size:
        raise TruncatedError("the array is cut short", subject=subject, place=place, expected=f"{size} bytes")
    values = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(values.astype(dtype.newbyteorder("="), copy=False))
