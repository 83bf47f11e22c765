"""Where an image holds something: counts per block of 16 voxels, for the foreground and for every label.

From these a loader draws a voxel of a label exactly uniformly and reads one block for it: it chooses a block by its
count, then a voxel inside. Blocks are numbered in C order over ``ceil(shape / 16)`` of the three axes in space; an
image with further axes counts every number of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .statistics import value_counts

__all__ = ["BLOCK_VOXELS", "LabelBlocks", "block_grid", "label_blocks", "occupied_blocks"]

Array = np.ndarray[Any, Any]

BLOCK_VOXELS = 16
"""Edge of a block: a quarter of a chunk, 4,096 blocks in 256 x 256 x 256 voxels."""
TABLE_ITEMS = 1 << 22


@dataclass(frozen=True)
class LabelBlocks:
    """The labels of a volume and where they are."""

    id: Array
    """Shape (label,), int64, ascending, without 0."""
    voxels: Array
    """Shape (label,), int64."""
    ptr: Array
    """Shape (label + 1,), int64: entries ``ptr[n]`` to ``ptr[n + 1]`` belong to label ``n``."""
    block: Array
    """Shape (entry,), int64: block number, ascending within a label."""
    block_voxels: Array
    """Shape (entry,), int32: voxels of the label in the block."""


def block_grid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how many blocks lie along each of the three axes in space."""
    i, j, k = (-(-size // BLOCK_VOXELS) for size in shape[:3])
    return i, j, k


def occupied_blocks(image: Array) -> tuple[Array, Array]:
    """Count the voxels that are finite and not 0, as stored, in every block that has any.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (i, j, k, ...).

    Returns
    -------
    block : numpy.ndarray
        Shape (entry,), int64, ascending block numbers.
    voxels : numpy.ndarray
        Shape (entry,), int32.
    """
    turned, order = _in_memory_order(image)
    counts = np.zeros([-(-size // BLOCK_VOXELS) for size in turned.shape[:3]], dtype=np.int64)
    for at in range(counts.shape[0]):
        slab = turned[at * BLOCK_VOXELS : (at + 1) * BLOCK_VOXELS]
        held = slab != 0
        if slab.dtype.kind in "fc":
            held &= np.isfinite(slab)
        counted = held.sum(axis=(0, *range(3, held.ndim)), dtype=np.int64)
        for axis in (0, 1):
            counted = np.add.reduceat(counted, range(0, counted.shape[axis], BLOCK_VOXELS), axis=axis)
        counts[at] = counted
    flat = np.transpose(counts, np.argsort(order)).ravel()
    block = np.flatnonzero(flat)
    return block.astype(np.int64), flat[block].astype(np.int32)


def label_blocks(image: Array) -> LabelBlocks:
    """Find the labels of a volume, their sizes, and the blocks that hold them.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (i, j, k, ...), integers or booleans; 0 is no label.
    """
    found, voxels = value_counts(image)
    ids, voxels = found[found != 0], voxels[found != 0]
    turned, order = _in_memory_order(image)
    grid, inner = block_grid(image.shape), [-(-size // BLOCK_VOXELS) for size in turned.shape[:3]]
    n_blocks = inner[1] * inner[2]
    # Number of a block as stored, by its place in the slab: column of a slab, then slab after slab.
    numbers = np.transpose(np.arange(np.prod(grid)).reshape(grid), order).reshape(inner[0], n_blocks)
    keys, counts = [], []
    for at in range(inner[0]):
        slab = turned[at * BLOCK_VOXELS : (at + 1) * BLOCK_VOXELS]
        places = np.nonzero(slab)
        if not places[0].size:
            continue
        label = np.searchsorted(ids, slab[places])
        column = (places[1] // BLOCK_VOXELS) * inner[2] + places[2] // BLOCK_VOXELS
        key, count = _count(label * n_blocks + column, len(ids) * n_blocks)
        keys.append((key // n_blocks) * numbers.size + numbers[at, key % n_blocks])
        counts.append(count)
    key = np.concatenate(keys) if keys else np.zeros(0, dtype=np.int64)
    count = np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64)
    in_order = np.argsort(key, kind="stable")
    key, count = key[in_order], count[in_order]
    label_of_entry = key // max(1, numbers.size)
    return LabelBlocks(
        id=ids.astype(np.int64),
        voxels=voxels.astype(np.int64),
        ptr=np.searchsorted(label_of_entry, np.arange(len(ids) + 1)).astype(np.int64),
        block=(key % max(1, numbers.size)).astype(np.int64),
        block_voxels=count.astype(np.int32),
    )


def _count(key: Array, n_keys: int) -> tuple[Array, Array]:
    if n_keys > TABLE_ITEMS:
        found, counts = np.unique(key, return_counts=True)
        return found, counts
    table = np.bincount(key, minlength=n_keys)
    present = np.flatnonzero(table)
    return present, table[present]


def _in_memory_order(image: Array) -> tuple[Array, tuple[int, int, int]]:
    """Return a view whose axes in space run from the slowest to the fastest in memory, and their order."""
    first, second, third = sorted(range(3), key=lambda axis: -abs(image.strides[axis]))
    return np.transpose(image, (first, second, third, *range(3, image.ndim))), (first, second, third)
