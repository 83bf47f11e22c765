"""Ranges of HDF5 datasets that are too long to read whole, also where h5py alone cannot undo the compression.

Filters that the HDF5 library has (deflate, shuffle, ...) are left to it. Chunks of the registered filters LZ4 (32004)
and Blosc (32001) are read as stored and undone here, so that no plugin has to be installed; for any other filter the
package ``hdf5plugin`` is asked, and named where it is not there.

HDF5 registered filters, https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md; the
frame of LZ4: https://support.hdfgroup.org/services/filters/HDF5_LZ4.pdf.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator
from itertools import product
from typing import Any, TypeAlias

import h5py
import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError

from .compressed import decompress

__all__ = ["BLOSC", "LZ4", "check_chunks", "read_range", "steps_along", "unwritten_ranges"]

Array: TypeAlias = np.ndarray[Any, Any]

SHUFFLE, BLOSC, LZ4 = 2, 32001, 32004
"""Numbers of filters; the last two as registered with the HDF Group."""
LARGEST_CHUNK_BYTES = 1 << 29
"""Three minutes of 128 channels at 1024 Hz in float64 are a third of this."""
MOST_CHUNKS = 1 << 22
"""A recording of a year in pieces of ten seconds has fewer."""


def check_chunks(stored: h5py.Dataset, *, subject: str) -> None:
    """Refuse a dataset whose ranges cannot be read one after another.

    Raises
    ------
    FormatError
        When it holds no numbers, or its chunks are larger or more than any recording's.
    TruncatedError
        When most of its chunks were never written.
    MissingExtraError
        When it has a filter that only ``hdf5plugin`` undoes, and that is not installed.
    """
    place = str(stored.name)
    if stored.dtype.kind not in "iuf" or not stored.shape:
        raise FormatError(
            "a dataset does not hold numbers", subject=subject, place=place, expected="integers or floats",
            found=f"{stored.dtype} of shape {stored.shape}",
        )  # fmt: skip
    if stored.chunks is None:
        return
    chunk_bytes = math.prod(stored.chunks) * stored.dtype.itemsize
    n_chunks = math.prod(-(-size // step) for size, step in zip(stored.shape, stored.chunks, strict=True))
    if chunk_bytes > LARGEST_CHUNK_BYTES or n_chunks > MOST_CHUNKS:
        raise FormatError(
            "a dataset claims to be larger than any recording", subject=subject, place=place,
            expected=f"at most {MOST_CHUNKS} chunks of at most {LARGEST_CHUNK_BYTES} bytes",
            found=f"{n_chunks} chunks of {chunk_bytes} bytes",
        )  # fmt: skip
    written = int(stored.id.get_num_chunks())
    if 2 * written < n_chunks:
        raise TruncatedError(
            "most of a dataset was never written", subject=subject, place=place, expected=f"{n_chunks} chunks",
            found=f"{written} chunks",
        )  # fmt: skip
    for code, _ in _filters(stored):
        if not _has(code) and code not in {SHUFFLE, BLOSC, LZ4}:
            _ask_plugins(code, subject=subject, place=place)


def unwritten_ranges(stored: h5py.Dataset, *, axis: int) -> list[tuple[int, int]]:
    """Return the ranges along an axis of which some chunk was never written, where HDF5 would give fill values.

    Returns
    -------
    list of (start, stop)
        Half-open, sorted and joined.
    """
    if stored.chunks is None:
        return []
    found: set[tuple[int, ...]] = set()
    stored.id.chunk_iter(lambda info: found.add(tuple(info.chunk_offset)))
    missing = sorted({corner[axis] for corner in _corners(stored) if corner not in found})
    ranges: list[tuple[int, int]] = []
    for start in missing:
        stop = min(start + stored.chunks[axis], stored.shape[axis])
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], stop)
        else:
            ranges.append((start, stop))
    return ranges


def steps_along(stored: h5py.Dataset, *, axis: int, aim_bytes: int) -> int:
    """Return how many items along an axis to read at once: whole chunks, of about so many bytes."""
    step = stored.chunks[axis] if stored.chunks is not None else 1
    row = math.prod(stored.shape) // max(1, stored.shape[axis]) * stored.dtype.itemsize
    return int(step * max(1, aim_bytes // max(1, row * step)))


def read_range(stored: h5py.Dataset, low: int, high: int, *, axis: int, subject: str) -> Array:
    """Return items ``low`` to ``high`` along an axis, all of the others, in the machine's byte order.

    Raises
    ------
    TruncatedError, FormatError
        When a chunk is cut, or does not hold what its header says.
    """
    others = tuple(slice(0, size) for size in stored.shape)
    region = (*others[:axis], slice(low, high), *others[axis + 1 :])
    native = stored.dtype.newbyteorder("=")
    if stored.chunks is None or all(_has(code) for code, _ in _filters(stored)):
        return np.asarray(stored[region]).astype(native, copy=False)
    found = np.empty([part.stop - part.start for part in region], dtype=native)
    for corner in _corners(stored, axis, low, high):
        chunk = _chunk(stored, corner, subject)
        source, target = [], []
        for at, size, part in zip(corner, chunk.shape, region, strict=True):
            start, stop = max(at, part.start), min(at + size, part.stop)
            source.append(slice(start - at, stop - at))
            target.append(slice(start - part.start, stop - part.start))
        found[tuple(target)] = chunk[tuple(source)]
    return found


def lz4_frame(content: bytes, size: int) -> bytes:
    """Undo the filter LZ4: total length, length of a block, then every block after its compressed length.

    Raises
    ------
    ValueError
        When a length is none, the frame is cut, or it does not hold ``size`` bytes.
    """
    total, block = (int.from_bytes(content[start:stop], "big") for start, stop in ((0, 8), (8, 12)))
    if len(content) < 12 or total != size or not 0 < block < 1 << 31:
        raise ValueError(f"{total} bytes in blocks of {block} are claimed by a frame of {len(content)}, not {size}")
    n_blocks, at, parts = -(-size // block), 12, []
    if 4 * n_blocks > len(content) - at:
        raise ValueError(f"{len(content)} bytes have no room for {n_blocks} blocks")
    for number in range(n_blocks):
        plain = min(block, size - number * block)
        length = int.from_bytes(content[at : at + 4], "big")
        held = content[at + 4 : at + 4 + length]
        if len(held) != length or not length:
            raise ValueError(f"block {number + 1} of {n_blocks} is cut: {length} bytes claimed, {len(held)} there")
        # What would not become shorter is stored as it is.
        parts.append(held if length == plain else decompress(plain.to_bytes(4, "little") + held, {"id": "lz4"}, plain))
        at += 4 + length
    if at != len(content):
        raise ValueError(f"{len(content) - at} bytes after the last block")
    return b"".join(parts)


def _chunk(stored: h5py.Dataset, corner: tuple[int, ...], subject: str) -> Array:
    """Return one chunk, as far as it lies inside the dataset."""
    assert stored.chunks is not None
    inside = tuple(
        slice(0, min(step, size - at)) for at, step, size in zip(corner, stored.chunks, stored.shape, strict=True)
    )
    place = f"{stored.name}, chunk at {corner}"
    try:
        # Of a chunk that was never written HDF5 has no place.
        allocated = stored.id.get_chunk_info_by_coord(corner).byte_offset is not None
        mask, content = stored.id.read_direct_chunk(corner) if allocated else (0, None)
    except (OSError, RuntimeError, ValueError) as error:
        raise TruncatedError("a chunk cannot be read", subject=subject, place=place, found=str(error)) from error
    if content is None:
        return np.full([part.stop for part in inside], stored.fillvalue, dtype=stored.dtype)
    size = math.prod(stored.chunks) * stored.dtype.itemsize
    plain = bytes(content)
    try:
        for number, (code, values) in reversed(list(enumerate(_filters(stored)))):
            if not mask >> number & 1:
                plain = _undone(code, values, plain, size, stored.dtype.itemsize)
    except (ValueError, RuntimeError) as error:
        raise FormatError(
            "a chunk is damaged", subject=subject, place=place, expected=f"{size} bytes", found=str(error)
        ) from error
    if len(plain) != size:
        raise FormatError(
            "a chunk is damaged", subject=subject, place=place, expected=f"{size} bytes", found=f"{len(plain)} bytes"
        )
    return np.frombuffer(plain, dtype=stored.dtype).reshape(stored.chunks)[inside]


def _undone(code: int, values: tuple[int, ...], content: bytes, size: int, itemsize: int) -> bytes:
    if code == LZ4:
        return lz4_frame(content, size)
    if code == BLOSC:
        return decompress(content, {"id": "blosc"}, size)
    if code == SHUFFLE:
        width = values[0] if values else itemsize
        if width <= 0 or len(content) % width:
            raise ValueError(f"{len(content)} bytes are no items of {width}")
        return np.frombuffer(content, dtype=np.uint8).reshape(width, -1).T.tobytes()
    raise ValueError(f"filter {code} in one pipeline with filters of a plugin")


def _filters(stored: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
    """Return number and values of every filter, in the order of writing."""
    made = stored.id.get_create_plist()
    found = (made.get_filter(number) for number in range(made.get_nfilters()))
    return [(int(code), tuple(int(value) for value in values)) for code, _, values, _ in found]


def _has(code: int) -> bool:
    return bool(h5py.h5z.filter_avail(code))


def _ask_plugins(code: int, *, subject: str, place: str) -> None:
    """Load the package that brings further filters."""
    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")
    if not _has(code):
        raise MissingExtraError(
            f"the compression needs hdf5plugin (filter {code})", subject=subject, place=place,
            hint="pip install hdf5plugin",
        )  # fmt: skip


def _corners(stored: h5py.Dataset, axis: int = 0, low: int = 0, high: int | None = None) -> Iterator[tuple[int, ...]]:
    """Yield where chunks begin that reach into a range along an axis."""
    assert stored.chunks is not None
    steps = [range(0, size, step) for size, step in zip(stored.shape, stored.chunks, strict=True)]
    step = stored.chunks[axis]
    steps[axis] = range(low // step * step, stored.shape[axis] if high is None else high, step)
    yield from product(*steps)
