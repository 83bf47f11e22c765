"""The order in which a stream visits windows: blocks of neighbours at random, windows at random within a few blocks.

Windows that lie side by side share chunks, so a stream that visits them near each other decodes each chunk about
once. The order is a pure function of the seed and the epoch: not of the number of ranks, workers or batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.errors import UsageError

__all__ = ["BlockShuffle", "Stripe"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BlockShuffle:
    """A seeded order of windows.

    Parameters
    ----------
    block : int
        Neighbouring windows per block.
    pool : int
        Blocks whose windows are mixed with each other.
    seed : int
        From 0 up.
    shuffle : bool
        Whether to shuffle at all; otherwise windows come in stored order.
    """

    block: int
    pool: int = 16
    seed: int = 0
    shuffle: bool = True

    def __post_init__(self) -> None:
        for name, least in (("block", 1), ("pool", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is too small", subject=name, expected=f"{least} or more")

    def offset(self, epoch: int) -> float:
        """Return how far the windows of an epoch are moved, as a part of their stride, from 0 to 1."""
        return float(np.random.default_rng([self.seed, epoch, 1]).random())

    def order(self, n_windows: int, *, epoch: int, start: int = 0) -> Iterator[int]:
        """Yield every window once.

        Parameters
        ----------
        n_windows : int
            How many there are.
        epoch : int
            From 0 up.
        start : int
            How many to leave out at the beginning; whole pools are skipped without being drawn.

        Yields
        ------
        int
            Numbers from 0 to ``n_windows``, exclusive.
        """
        for pool in self._pools(n_windows, epoch=epoch):
            if start >= len(pool):
                start -= len(pool)
                continue
            yield from pool[start:].tolist()
            start = 0

    def _pools(self, n_windows: int, *, epoch: int) -> Iterator[Array]:
        if not self.shuffle:
            size = self.block * self.pool
            yield from (np.arange(at, min(at + size, n_windows)) for at in range(0, n_windows, size))
            return
        generator = np.random.default_rng([self.seed, epoch, 0])
        blocks = generator.permutation(-(-n_windows // self.block))
        for at in range(0, len(blocks), self.pool):
            starts = blocks[at : at + self.pool] * self.block
            windows = (starts[:, None] + np.arange(self.block)).ravel()
            yield generator.permutation(windows[windows < n_windows])


@dataclass(frozen=True)
class Stripe:
    """The part of the global sequence of batches that one reader takes.

    Batch ``b`` of an epoch belongs to rank ``b % n_ranks``; of a rank's batches, worker ``w`` takes every
    ``n_workers``-th. A :class:`torch.utils.data.DataLoader` asks its workers in turn, so a rank sees its batches in
    the global order whatever the number of workers.
    """

    rank: int = 0
    n_ranks: int = 1
    worker: int = 0
    n_workers: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.n_ranks and 0 <= self.worker < self.n_workers):
            raise UsageError("no such rank or worker", subject="rank", found=str(self))

    def batches(self, n_windows: int, batch_size: int, *, drop_last: bool, start: int = 0) -> range:
        """Return the numbers of the batches that this reader takes.

        Parameters
        ----------
        n_windows, batch_size : int
            Of an epoch.
        drop_last : bool
            Whether to leave out the last batches that would be short or would not reach every rank. Otherwise the
            last batch may be short; with several ranks some may then have one batch more than others.
        start : int
            Batches of the rank that were seen before.
        """
        n_batches = self.total(n_windows, batch_size, drop_last=drop_last)
        first = self.rank + self.n_ranks * (start + self.worker)
        return range(first, n_batches, self.n_ranks * self.n_workers)

    def total(self, n_windows: int, batch_size: int, *, drop_last: bool) -> int:
        """Return the number of batches of all ranks together."""
        if drop_last:
            return n_windows // batch_size // self.n_ranks * self.n_ranks
        return -(-n_windows // batch_size)
