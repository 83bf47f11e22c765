"""Memory of batches that is used again once nobody holds the batch any more.

A batch of windows takes megabytes, and fresh memory costs a page fault for every 4 kB: a fifth of the time that reading
a batch from decoded chunks takes.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

import numpy as np

__all__ = ["BatchBuffers"]

Array = np.ndarray[Any, Any]
MAX_KEPT = 8
"""Pieces of memory that are kept: those of two batches and some to spare."""
OWN_REFERENCES = 3
"""References to a piece that nobody uses: the list's, the loop's and that of the count's argument."""


class BatchBuffers:
    """Gives out arrays, in memory that an earlier one had where all that looked into that memory is gone.

    Whether something still looks is told by the memory's reference count: NumPy views and tensors made with
    ``torch.from_numpy`` hold a reference to the array that owns the memory. So a batch is never written to while
    anything of it is alive. Nothing is sent to other processes.
    """

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._kept, self._lock = [], Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an array with arbitrary contents."""
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with self._lock:
            memory = self._free(n_bytes)
            # The view is made before the lock is given back, so that no other thread takes the memory for free.
            values: Array = memory[:n_bytes].view(dtype).reshape(shape)
        return values

    def _free(self, n_bytes: int) -> Array:
        for memory in self._kept:
            if memory.nbytes == n_bytes and sys.getrefcount(memory) == OWN_REFERENCES:
                return memory
        found = np.empty(n_bytes, dtype=np.uint8)
        self._kept.append(found)
        if len(self._kept) > MAX_KEPT:
            # The oldest is let go of; whoever uses it keeps it.
            del self._kept[0]
        return found
