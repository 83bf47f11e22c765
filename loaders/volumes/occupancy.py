"""Voxels of a label, or of the foreground, drawn exactly uniformly from the stored counts per block.

A record says how many voxels of each label every block of 16 x 16 x 16 voxels holds. A block is drawn by its count,
then a voxel among those that it holds, so that one block is read and never a whole volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import DamagedError, UsageError

from .region import read_region

if TYPE_CHECKING:
    from ..reading.chunks import RecordReader

__all__ = ["BACKGROUND", "Occupancy", "foreground_occupancy", "label_occupancy"]

Array = np.ndarray[Any, Any]
BACKGROUND = 0
"""The label of everything that has none."""


@dataclass(frozen=True)
class Occupancy:
    """Where the voxels of some labels lie, in stored axes; or those of the foreground, under the id -1."""

    path: str
    """Of the image in the record."""
    shape: tuple[int, int, int]
    block: int
    """Voxels along the edge of a block."""
    ids: tuple[int, ...]
    """Labels that have voxels."""
    ptr: Array
    """Shape (label + 1,): where each label's blocks begin in ``blocks``."""
    blocks: Array
    """Flat indices of blocks, in C order of the grid of blocks."""
    until: Array
    """Shape (entry + 1,), int64: running sum of voxels over all entries."""

    def count(self, label: int) -> int:
        """Return how many voxels a label has."""
        if label not in self.ids:
            return 0
        at = self.ids.index(label)
        return int(self.until[self.ptr[at + 1]] - self.until[self.ptr[at]])

    def draw(self, reader: RecordReader, label: int, generator: np.random.Generator) -> tuple[int, int, int]:
        """Return a voxel of a label in stored axes; each of them is as likely as any other.

        Raises
        ------
        DamagedError
            When a block does not hold as many voxels as is stored.
        """
        at = self.ids.index(label)
        low, high = int(self.until[self.ptr[at]]), int(self.until[self.ptr[at + 1]])
        chosen = int(generator.integers(low, high))
        entry = int(np.searchsorted(self.until, chosen, side="right")) - 1
        rank, expected = chosen - int(self.until[entry]), int(self.until[entry + 1] - self.until[entry])
        grid = [-(-size // self.block) for size in self.shape]
        start = [int(place) * self.block for place in np.unravel_index(int(self.blocks[entry]), grid)]
        stop = [min(place + self.block, size) for place, size in zip(start, self.shape, strict=True)]
        values = read_region(reader.array(self.path), start, stop)
        found = np.flatnonzero(np.isfinite(values) & (values != 0) if label == FOREGROUND else values == label)
        if len(found) != expected:
            raise DamagedError(
                "a block does not hold the voxels that are stored of it",
                subject=reader.source.name,
                place=f"{self.path}, voxels {start} to {stop}",
                expected=f"{expected} voxels of {'the foreground' if label == FOREGROUND else f'label {label}'}",
                found=str(len(found)),
                hint="ingest the record anew",
            )
        inside = np.unravel_index(int(found[rank]), values.shape)
        voxel = [first + int(step) for first, step in zip(start, inside, strict=True)]
        return voxel[0], voxel[1], voxel[2]


FOREGROUND = -1 << 62
"""Stands for voxels that are finite and not 0; no label has this id."""


def label_occupancy(reader: RecordReader, group: str, *, background: bool = False) -> Occupancy:
    """Read where the labels of a label volume lie.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    group : str
        Path of the label volume.
    background : bool
        Whether voxels without a label (0) are wanted too: what the labels leave of every block.

    Raises
    ------
    UsageError
        When the record says nothing of blocks.
    """
    columns = ("label_id", "label_block_ptr", "label_block", "label_block_voxels")
    ids, ptr, blocks, counts = _columns(reader, group, columns)
    shape, block = _grid(reader, group)
    ptr, counts = ptr.astype(np.int64), counts.astype(np.int64)
    names = tuple(int(label) for label in ids)
    if background:
        # numpy.bincount's weights are float64: exact, because no block holds 2^53 voxels.
        free = _block_sizes(shape, block)
        free -= np.bincount(blocks, weights=counts, minlength=len(free)).astype(np.int64)
        some = np.flatnonzero(free)
        if len(some):
            names, ptr = (BACKGROUND, *names), np.concatenate([[0], ptr + len(some)])
            blocks, counts = np.concatenate([some, blocks]), np.concatenate([free[some], counts])
    return _occupancy(group, shape, block, names, ptr, blocks, counts)


def foreground_occupancy(reader: RecordReader, group: str) -> Occupancy:
    """Read where the voxels of an image lie that are finite and not 0; errors as for :func:`label_occupancy`."""
    blocks, counts = _columns(reader, group, ("occupied_block", "occupied_block_voxels"))
    shape, block = _grid(reader, group)
    ids = (FOREGROUND,) if len(blocks) else ()
    ptr = np.array([0, len(blocks)] if len(blocks) else [0])
    return _occupancy(group, shape, block, ids, ptr, blocks, counts.astype(np.int64))


def _occupancy(
    group: str, shape: tuple[int, int, int], block: int, ids: tuple[int, ...], ptr: Array, blocks: Array, counts: Array
) -> Occupancy:
    until = np.concatenate([[0], np.cumsum(counts)])
    return Occupancy(f"{group}/image", shape, block, ids, ptr, blocks, until)


def _columns(reader: RecordReader, group: str, names: Sequence[str]) -> list[Array]:
    if any(not reader.has(f"{group}/{name}") for name in names):
        raise UsageError(
            "the record does not say which blocks of the volume hold what",
            subject=reader.source.name,
            place=group,
            expected=", ".join(names),
            hint="ingest it anew with this release, or use sampling='uniform'",
        )
    return [reader.array(f"{group}/{name}").read() for name in names]


def _grid(reader: RecordReader, group: str) -> tuple[tuple[int, int, int], int]:
    shape = reader.array(f"{group}/image").shape
    return (shape[0], shape[1], shape[2]), int(reader.attributes(group)["block_voxels"])


def _block_sizes(shape: Sequence[int], block: int) -> Array:
    """Return how many voxels every block holds, in C order."""
    edges = [np.minimum(block, size - np.arange(0, size, block)) for size in shape]
    sizes: Array = (edges[0][:, None, None] * edges[1][:, None] * edges[2]).ravel().astype(np.int64)
    return sizes
