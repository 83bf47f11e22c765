"""Memory for batches that is used again once nobody looks at it any more.

Touching fresh memory costs page faults: for a batch of 32 patches of 64 x 64 x 64 voxels as float32 about as long as
reading it. An array is handed out again only when no array, tensor or view of it is left, so that a batch that
somebody keeps never changes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Buffers"]

Array = np.ndarray[Any, Any]
_UNUSED = 3
"""References to memory that only the list knows: of the list, of the loop and of the argument of ``getrefcount``."""


class Buffers:
    """Arrays of which the memory is used again. Nothing of it is sent to another process."""

    def __init__(self) -> None:
        self._kept: list[Array] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (Buffers, ())

    def take(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Return an array with any content; its memory is its own for as long as it, or a view of it, lives."""
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        for memory in self._kept:
            if memory.nbytes == n_bytes and sys.getrefcount(memory) == _UNUSED:
                return memory.view(dtype).reshape(shape)
        # Batches of another size: what nobody uses is given back, so nothing is kept beyond the batches in use.
        self._kept = [memory for memory in self._kept if sys.getrefcount(memory) > _UNUSED]
        memory = np.empty(n_bytes, dtype=np.uint8)
        self._kept.append(memory)
        return memory.view(dtype).reshape(shape)
