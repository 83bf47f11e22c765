"""Arrays of NumPy's own format (NPY), checked before they are made: no pickles, no size that the file does not have.

NumPy Enhancement Proposal 1 and ``numpy.lib.format``: a magic, a header with dtype and shape, the values.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from .pointers import refuse_pointer

__all__ = ["NUMBERS", "read_array", "read_npy"]

Array = np.ndarray[Any, Any]

NUMBERS = "biuf"
"""Kinds of dtypes that are numbers or booleans."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path, *, kinds: str = NUMBERS) -> Array:
    """Read the array of an NPY file.

    Parameters
    ----------
    path : pathlib.Path
        What ``numpy.save`` wrote.
    kinds : str
        Kinds of dtypes that may stand there.

    Returns
    -------
    numpy.ndarray
        In the byte order of this machine.

    Raises
    ------
    FormatError
        When it is no array, or of another kind.
    TruncatedError
        When the file is shorter or longer than its header says, or only points to the data.
    UnsafeError
        When the array would be unpickled.
    """
    refuse_pointer(path)
    n_bytes = path.stat().st_size
    if n_bytes == 0:
        raise TruncatedError("the file is empty", subject=str(path), expected="an array", found="0 bytes")
    with path.open("rb") as stream:
        return read_array(stream, n_bytes, subject=str(path), kinds=kinds)


def read_array(
    stream: IO[bytes], n_bytes: int, *, subject: str, place: str | None = None, kinds: str = NUMBERS
) -> Array:
    """Read an array from a stream that holds it and nothing else.

    Parameters
    ----------
    stream : binary file
        At the magic.
    n_bytes : int
        What the stream holds, from its start.
    subject, place : str
        The file and the member of it, for errors.
    kinds : str
        Kinds of dtypes that may stand there.

    Raises
    ------
    FormatError, TruncatedError, UnsafeError
        As :func:`read_npy`.
    """
    try:
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():
            # NumPy takes a damaged header for one of Python 2, says so, and tokenizes it.
            warnings.simplefilter("ignore")
            shape, fortran, dtype = _HEADERS[version](stream)
    except (ValueError, KeyError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        raise FormatError(
            "not an array of NumPy", subject=subject, place=place, found=" ".join(str(error).split())[:200]
        ) from error
    if dtype.hasobject:
        raise UnsafeError("the array is a pickle", subject=subject, place=place, expected="numbers", found=str(dtype))
    if dtype.kind not in kinds or any(not isinstance(size, int) or size < 0 for size in shape):
        raise FormatError(
            "not an array of numbers", subject=subject, place=place, expected=f"a dtype of kind {', '.join(kinds)}",
            found=f"{dtype}, shape {shape}",
        )  # fmt: skip
    size = math.prod(shape) * dtype.itemsize
    left = n_bytes - stream.tell()
    if size != left:
        raise TruncatedError(
            "the array has another size than its header says", subject=subject, place=place,
            expected=f"{size} bytes for shape {shape}", found=f"{left} bytes",
        )  # fmt: skip
    raw = stream.read(size)
    if len(raw) != size:
        raise TruncatedError("the array is cut short", subject=subject, place=place, expected=f"{size} bytes")
    values = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    # A scalar has no axes; ascontiguousarray would give it one.
    native = values.astype(dtype.newbyteorder("="), copy=False)
    return native.copy() if native.ndim == 0 else np.ascontiguousarray(native)
