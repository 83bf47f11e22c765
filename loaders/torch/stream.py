"""What streams of batches share: the stripe of this rank and worker, the place in the epoch, and resuming from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.utils.data import IterableDataset, get_worker_info

from connectome.errors import UsageError

from .batches import SharedIntegers
from .shuffle import BlockShuffle, Stripe

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BatchStream", "resolve_rank"]


def resolve_rank(rank: int | None, n_ranks: int | None) -> tuple[int, int]:
    """Return which of several processes this is, and how many there are.

    What is not given is that of :mod:`torch.distributed` where it is initialised, else 0 and 1.

    Raises
    ------
    UsageError
        When there is no such rank.
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if rank is None:
        rank = torch.distributed.get_rank() if distributed else 0
    if n_ranks is None:
        n_ranks = torch.distributed.get_world_size() if distributed else 1
    Stripe(rank, n_ranks)
    return rank, n_ranks


class BatchStream(IterableDataset[dict[str, "Tensor"]]):  # type: ignore[misc]
    """Batches in a seeded order, striped over ranks and workers, that resume exactly.

    A subclass says how many items an epoch has, how a batch of them is read, and what its states belong to.

    Parameters
    ----------
    batch_size : int
        Items per batch.
    shuffle : BlockShuffle
        The order of the items.
    drop_last : bool
        Whether to leave out what does not fill a batch for every rank.
    rank, n_ranks : int, optional
        As for :func:`resolve_rank`.

    Raises
    ------
    UsageError
        When the batch size is not 1 or more, or there is no such rank.
    """

    ITEMS: ClassVar[str]
    """What a batch has, in the plural."""

    def __init__(
        self, *, batch_size: int, shuffle: BlockShuffle, drop_last: bool, rank: int | None, n_ranks: int | None
    ) -> None:
        if batch_size < 1:
            raise UsageError(
                f"a batch has {self.ITEMS}", subject="batch_size", expected="1 or more", found=str(batch_size)
            )
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.rank, self.n_ranks = resolve_rank(rank, n_ranks)
        self._where = SharedIntegers(2)
        self._given = 0

    @abstractmethod
    def _n_items(self, epoch: int) -> int:
        """Return how many items an epoch has."""

    @abstractmethod
    def _batches(self, numbers: range, epoch: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield the batches of these numbers, each with its number."""

    @abstractmethod
    def _identity(self) -> dict[str, Any]:
        """Return as JSON values what decides the sequence of batches, without the epoch."""

    @property
    @abstractmethod
    def _dataset(self) -> str:
        """Name of the dataset, for errors."""

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        return self._where.get(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, which starts at its first batch; workers that live on see it too."""
        self._where.set(epoch, 0)
        self._given = 0

    def __len__(self) -> int:
        """Return the number of batches that this rank sees in the epoch, those of an earlier run included."""
        stripe = Stripe(self.rank, self.n_ranks)
        return len(stripe.batches(self._n_items(self.epoch), self.batch_size, drop_last=self.drop_last))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        stripe = Stripe(self.rank, self.n_ranks, worker.id if worker else 0, worker.num_workers if worker else 1)
        epoch, start = self._where.get(0), self._where.get(1)
        self._given = start
        if worker is None:
            self._where.set(epoch, 0)
        numbers = stripe.batches(self._n_items(epoch), self.batch_size, drop_last=self.drop_last, start=start)
        return self._counted(self._batches(numbers, epoch))

    def _counted(self, batches: Iterator[tuple[int, dict[str, Tensor]]]) -> Iterator[dict[str, Tensor]]:
        for number, batch in batches:
            batch["batch"] = torch.tensor(number // self.n_ranks)
            self._given += 1
            yield batch
            # The reader goes on from here; it must not find the batch before still in memory.
            del batch

    def _chosen(self, numbers: range, epoch: int) -> Iterator[tuple[int, list[int]]]:
        """Yield the number of every batch, and its items."""
        size, at = self.batch_size, numbers.start * self.batch_size
        order = self.shuffle.order(self._n_items(epoch), epoch=epoch, start=at)
        for number in numbers:
            for _ in islice(order, number * size - at):
                pass
            items = list(islice(order, size))
            at = number * size + len(items)
            yield number, items

    def state_dict(self, after: dict[str, Tensor] | None = None) -> dict[str, Any]:
        """Return where the stream is, to go on from there in another run.

        Parameters
        ----------
        after : dict, optional
            The last batch that was used. Needed with workers, which read ahead; default the last batch given out.
        """
        given = int(after["batch"]) + 1 if after is not None else self._given
        return {"epoch": self.epoch, "batches": given, **self._kind()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where a state was taken.

        Raises
        ------
        UsageError
            When the state was taken of other data or another order.
        """
        own = self._kind()
        other = {key: state.get(key) for key, value in own.items() if state.get(key) != value}
        if other:
            raise UsageError(
                "the state was taken of another stream",
                subject=self._dataset,
                expected=str({key: own[key] for key in other}),
                found=str(other),
            )
        self._where.set(int(state["epoch"]), int(state["batches"]))
        self._given = int(state["batches"])

    def _kind(self) -> dict[str, Any]:
        return {
            **self._identity(),
            "batch_size": self.batch_size,
            "n_ranks": self.n_ranks,
            "drop_last": self.drop_last,
            "order": asdict(self.shuffle),
        }
