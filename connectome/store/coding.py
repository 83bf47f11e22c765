"""How the chunks of an array become bytes, and bytes become chunks: what its Zarr v3 metadata says, without zarr.

zarr-python gives every chunk to a thread of its own event loop, which takes a hundred times longer than coding a
column of forty numbers. Here the same codecs of numcodecs are called in the order of the metadata; the bytes are those
of zarr-python, for every kind of array that a record holds (``tests/connectome/test_coding.py``).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numcodecs import Blosc, VLenUTF8, Zstd

from .differences import NAME as DIFFERENCES
from .differences import undo

__all__ = ["TEXT", "Coding", "coding_of"]

TEXT = "string"
NUMBERS = {
    "bool": "|b1", "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "|u1", "uint16": "<u2",
    "uint32": "<u4", "uint64": "<u8", "float16": "<f2", "float32": "<f4", "float64": "<f8",
    "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""Names of types in Zarr v3 metadata, as NumPy has them on disk."""
SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}

_BLOSC = struct.Struct("<I")
"""Length of a Blosc chunk, 12 bytes from its start (README_CHUNK_FORMAT.rst of C-Blosc)."""
_text = VLenUTF8()


class Coding:
    """The codecs of one array.

    Parameters
    ----------
    dtype : numpy.dtype or None
        Of the numbers on disk; None for text.
    differences : bool
        Whether neighbours were subtracted from one another before.
    compressor : Blosc, Zstd or None
        What the bytes go through last.
    """

    def __init__(self, dtype: np.dtype[Any] | None, *, differences: bool, compressor: Blosc | Zstd | None) -> None:
        self.dtype, self.differences, self.compressor = dtype, differences, compressor

    def encode(self, values: np.ndarray[Any, Any], chunk: Sequence[int]) -> bytes:
        """Return the bytes of one chunk.

        Parameters
        ----------
        values : ndarray
            Text as objects, or numbers of the array's type in any byte order. At the end of an axis they may be fewer
            than a chunk holds; the rest is filled with zeros or empty text.
        chunk : sequence of int
            Shape of a whole chunk.
        """
        if values.shape != tuple(chunk):
            whole = np.full(chunk, "", dtype=object) if self.dtype is None else np.zeros(chunk, dtype=self.dtype)
            whole[tuple(map(slice, values.shape))] = values
            values = whole
        data: Any
        if self.dtype is None:
            data = _text.encode(values.ravel())
        else:
            data = np.ascontiguousarray(values, dtype=self.dtype)
            if self.differences:
                data = _differences(data)
            data = data.reshape(-1).view(np.uint8)
        return bytes(data if self.compressor is None else self.compressor.encode(data))

    def decode(self, data: bytes, chunk: Sequence[int]) -> np.ndarray[Any, Any]:
        """Return the values of one chunk; raise ValueError where the bytes are not those of such a chunk."""
        count = math.prod(chunk)
        try:
            if isinstance(self.compressor, Blosc) and (len(data) < 16 or _BLOSC.unpack_from(data, 12)[0] != len(data)):
                # Blosc itself believes its header, and would read on behind the end.
                raise ValueError(f"{len(data)} bytes are not a whole Blosc chunk")
            raw = data if self.compressor is None else self.compressor.decode(data)
            values: np.ndarray[Any, Any]
            if self.dtype is None:
                values = _text.decode(bytes(raw))
            elif len(raw) != count * self.dtype.itemsize:
                raise ValueError(f"{len(raw)} bytes instead of {count * self.dtype.itemsize}")
            else:
                values = np.frombuffer(raw, dtype=self.dtype)
        except (RuntimeError, TypeError) as error:
            # As numcodecs says that bytes do not decode.
            raise ValueError(str(error)) from error
        if values.size != count:
            raise ValueError(f"{values.size} values instead of {count}")
        if self.differences:
            values = values.copy()
            undo(values)
        return values.reshape(tuple(chunk))


def _differences(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = values.reshape(-1)
    made = np.empty_like(flat)
    made[:1] = flat[:1]
    np.subtract(flat[1:], flat[:-1], out=made[1:])
    return made


def coding_of(document: Mapping[str, Any]) -> Coding | None:
    """Return how an array is coded, from its metadata; None where it is in a way that is not known here."""
    return _coding(str(document["data_type"]), json.dumps(document["codecs"], sort_keys=True))


@lru_cache(256)
def _coding(data_type: str, codecs: str) -> Coding | None:
    steps = [(codec["name"], codec.get("configuration", {})) for codec in json.loads(codecs)]
    differences = steps[0][0] == DIFFERENCES
    if differences:
        if steps[0][1] != {"dtype": NUMBERS.get(data_type)}:
            return None
        steps = steps[1:]
    serializer, compressors = steps[0], steps[1:]
    dtype = None if data_type == TEXT else np.dtype(NUMBERS[data_type]) if data_type in NUMBERS else None
    wanted: list[tuple[str, dict[str, Any]]] = [("vlen-utf8", {})]
    if dtype is not None:
        wanted = [("bytes", {"endian": "little"}), *([("bytes", {})] if dtype.itemsize == 1 else [])]
    if serializer not in wanted or (dtype is None and data_type != TEXT) or len(compressors) > 1:
        return None
    compressor = None
    for name, settings in compressors:
        make = COMPRESSORS.get(name)
        compressor = make(**settings) if make is not None else None
        if compressor is None:
            return None
    return Coding(dtype, differences=differences, compressor=compressor)


def _blosc(*, typesize: int, cname: str, clevel: int, shuffle: str, blocksize: int) -> Blosc:
    return Blosc(cname=cname, clevel=clevel, shuffle=SHUFFLES[shuffle], blocksize=blocksize, typesize=typesize)


COMPRESSORS: Mapping[str, Callable[..., Any]] = {"blosc": _blosc, "zstd": Zstd}
