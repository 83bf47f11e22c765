"""How HDF5 lays out the samples of a series: byte ranges, where they can be read without HDF5.

Contiguous arrays, and chunked ones whose filters are none, ``shuffle`` and ``gzip`` (HDF5 File Format Specification
3.0, section IV.A.2.l). Everything else (other filters, compact arrays, chunks never written or written without their
filters) has no layout here, and is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from connectome.store.references import LEAST_BYTES

from ..files.hdf5_file import open_hdf5

__all__ = ["Hdf5Layout", "Piece", "is_referable", "layout_of_series", "piece_of"]

BLOCK_BYTES = 1 << 20
"""Arrays in one piece are cut along their first dimension into ranges of about this length."""


@dataclass(frozen=True)
class Piece:
    """One array of the file, as its header describes it."""

    place: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """In the file's order."""
    dtype: np.dtype[Any]
    filters: tuple[Mapping[str, Any], ...]
    stored_bytes: int
    contiguous_at: int | None
    """Offset of an array in one piece."""


def piece_of(stored: h5py.Dataset) -> Piece | None:
    """Return how an array lies in its file; None where its bytes mean nothing without HDF5."""
    # With a user block, libraries differ in whether an address counts from its end.
    if stored.file.userblock_size:
        return None
    made = stored.id.get_create_plist()
    if stored.shape is None or not stored.size or stored.dtype.kind not in "iuf" or not 0 < len(stored.shape) <= 2:
        return None
    shape = tuple(int(size) for size in stored.shape)
    offset = stored.id.get_offset()
    n_bytes = int(stored.id.get_storage_size())
    width = stored.dtype.itemsize
    if made.get_layout() == h5py.h5d.CONTIGUOUS:
        if offset is None or n_bytes != stored.size * width:
            return None
        row = width * int(np.prod(shape[1:], dtype=np.int64))
        rows = max(1, min(shape[0], BLOCK_BYTES // row))
        return Piece(stored.name, shape, (rows, *shape[1:]), stored.dtype, (), n_bytes, int(offset))
    if made.get_layout() != h5py.h5d.CHUNKED or stored.chunks is None:
        return None
    filters: list[Mapping[str, Any]] = []
    for at in range(made.get_nfilters()):
        code = made.get_filter(at)[0]
        if code == h5py.h5z.FILTER_SHUFFLE:
            filters.append({"id": "shuffle", "elementsize": width})
        elif code == h5py.h5z.FILTER_DEFLATE:
            filters.append({"id": "zlib"})
        else:
            return None
    chunks = tuple(int(step) for step in stored.chunks)
    n_chunks = int(np.prod([-(-size // step) for size, step in zip(shape, chunks, strict=True)], dtype=np.int64))
    if stored.id.get_num_chunks() != n_chunks or (filters and _unfiltered(stored)):
        return None
    return Piece(stored.name, shape, chunks, stored.dtype, tuple(filters), n_bytes, None)


@dataclass(frozen=True, eq=False)
class Hdf5Layout:
    """The samples of a ``series`` group, (channel, time), in one array of (time, channel) or one array per channel."""

    file: str
    pieces: tuple[Piece, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values in the file."""
        return self.pieces[0].dtype

    @property
    def filters(self) -> tuple[Mapping[str, Any], ...]:
        """What was done to the bytes of a chunk, first to last."""
        return self.pieces[0].filters

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk, (channel, time)."""
        steps = self.pieces[0].chunks
        return (steps[1] if len(steps) == 2 else 1, steps[0])

    @property
    def order(self) -> tuple[int, ...]:
        """Axes of a chunk as it lies in the file: (time, channel)."""
        return (1, 0)

    def stored_bytes(self) -> int:
        """Return the length of all chunks."""
        return sum(piece.stored_bytes for piece in self.pieces)

    def extents(self) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Yield (index in the grid of (channel, time), offset, length) of every chunk."""
        with open_hdf5(Path(self.file)) as file:
            for channel, piece in enumerate(self.pieces):
                for at, offset, length in _extents(file, piece):
                    index = (at[1], at[0]) if len(at) == 2 else (channel, at[0])
                    yield index, offset, length


def _extents(file: h5py.File, piece: Piece) -> Iterator[tuple[tuple[int, ...], int, int]]:
    counts = [-(-size // step) for size, step in zip(piece.shape, piece.chunks, strict=True)]
    if piece.contiguous_at is not None:
        row = piece.dtype.itemsize * int(np.prod(piece.shape[1:], dtype=np.int64))
        for at in range(counts[0]):
            rows = min(piece.chunks[0], piece.shape[0] - at * piece.chunks[0])
            offset = piece.contiguous_at + at * piece.chunks[0] * row
            yield (at, *(0 for _ in piece.shape[1:])), offset, rows * row
        return
    stored = file[piece.place].id
    for index in product(*(range(count) for count in counts)):
        corner = tuple(at * step for at, step in zip(index, piece.chunks, strict=True))
        found = stored.get_chunk_info_by_coord(corner)
        yield index, int(found.byte_offset), int(found.size)


def is_referable(piece: Piece | None) -> bool:
    """Tell whether a store would refer to an array: not where it lies in many small chunks."""
    if piece is None:
        return False
    n_chunks = int(np.prod([-(-n // step) for n, step in zip(piece.shape, piece.chunks, strict=True)], dtype=np.int64))
    return piece.stored_bytes >= n_chunks * LEAST_BYTES


def layout_of_series(path: object, pieces: Sequence[Piece | None], shape: tuple[int, ...]) -> Hdf5Layout | None:
    """Return the layout of a signal; None where it lies elsewhere, or in a way that is copied.

    Parameters
    ----------
    path : Path or FileElsewhere
        The file; what is elsewhere is not referred to, because its checksum is not known.
    pieces : sequence of Piece
        One array of (time,) or (time, channel), or one of (time,) per channel.
    shape : tuple of int
        Of the signal, (channel, time).
    """
    found = [piece for piece in pieces if piece is not None]
    alike = {(piece.chunks, piece.dtype, str(piece.filters), piece.shape) for piece in found}
    if not isinstance(path, Path) or len(found) != len(pieces) or len(alike) != 1:
        return None
    return Hdf5Layout(str(path), tuple(found), shape) if len(found) == 1 or len(found[0].shape) == 1 else None


def _unfiltered(stored: h5py.Dataset) -> bool:
    """Tell whether a chunk was written without one of its filters."""
    masks: list[int] = []
    stored.id.chunk_iter(lambda info: masks.append(int(info.filter_mask)))
    return any(masks)
