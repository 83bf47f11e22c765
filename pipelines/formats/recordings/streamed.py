"""A recording of days, piece by piece: samples are read when they are asked for, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

__all__ = ["BLOCK_BYTES", "Piece", "streamed"]

Array: TypeAlias = np.ndarray[Any, Any]

BLOCK_BYTES = 16 << 20
"""About as much is read at once, unless a piece can only be read in larger steps."""


class Piece(Protocol):
    """Samples that follow each other in one file."""

    @property
    def n_samples(self) -> int:
        """Their number."""
        ...

    @property
    def step(self) -> int:
        """How many are best read at once; blocks start at its multiples."""
        ...

    def read(self, low: int, high: int) -> Array:
        """Return samples ``low`` to ``high``, shape (channel, high - low); the file is open no longer than that."""
        ...


def streamed(pieces: Sequence[Piece], *, n_channels: int, dtype: np.dtype[Any]) -> xr.Variable:
    """Return pieces, one after another, as a lazy signal.

    Parameters
    ----------
    pieces : sequence of Piece
        In the order of time.
    n_channels : int
        Of each of them.
    dtype : numpy.dtype
        Of the samples, in the machine's byte order.

    Returns
    -------
    xarray.Variable
        Dims (channel, time). One block is held in memory.
    """
    return xr.Variable(("channel", "time"), indexing.LazilyIndexedArray(_Streamed(pieces, n_channels, dtype)))


class _Streamed(BackendArray):  # type: ignore[no-untyped-call,misc]
    def __init__(self, pieces: Sequence[Piece], n_channels: int, dtype: np.dtype[Any]) -> None:
        self._pieces = tuple(pieces)
        self._starts = (0, *accumulate(piece.n_samples for piece in pieces))
        self.shape, self.dtype = (n_channels, self._starts[-1]), dtype
        self._kept: tuple[int, int, Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Streamed:
        return self

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._take)

    def _take(self, key: tuple[Any, ...]) -> Any:
        channels, times = key
        if not isinstance(times, slice):
            return self._range(times, times + 1)[channels, 0]
        start, stop, step = times.indices(self.shape[1])
        if step < 0:
            return self._range(0, self.shape[1])[channels, times]
        return self._range(start, max(start, stop))[channels, ::step]

    def _range(self, low: int, high: int) -> Array:
        """Return samples of all channels, out of the blocks that hold them."""
        found = np.empty((self.shape[0], high - low), dtype=self.dtype)
        at = low
        while at < high:
            start, stop, block = self._block(at)
            end = min(stop, high)
            found[:, at - low : end - low] = block[:, at - start : end - start]
            at = end
        return found

    def _block(self, at: int) -> tuple[int, int, Array]:
        """Return the block that holds a sample, and from where to where it goes."""
        kept = self._kept
        if kept is not None and kept[0] <= at < kept[1]:
            return kept
        # Two blocks at once are more than is promised.
        self._kept = kept = None
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        piece, begin = self._pieces[number], self._starts[number]
        low = (at - begin) // piece.step * piece.step
        high = min(low + piece.step, piece.n_samples)
        kept = (begin + low, begin + high, piece.read(low, high))
        self._kept = kept
        return kept
