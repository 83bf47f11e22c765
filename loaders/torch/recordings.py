"""Labelled windows of recordings for PyTorch: epochs around events, and windows around seizures in stated ratios.

Batches are those of :mod:`connectome.loaders.torch` with two keys more:

========== ========== =====================================================================
``label``  (batch,)   int64, code in ``dataset.label_names``
``row``    (batch,)   int64, row of the table of events; -1 where no one event is meant
========== ========== =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Sampler

from connectome.errors import UsageError

from ..recordings import EpochSource, LabelledSource, StateSource, ratio_order
from .windows import WindowDataset, WindowStream

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ..recordings.transforms import BindableTransform, Transform
    from ..recordings.windows import WindowSource

__all__ = ["EpochDataset", "RatioSampler", "StateDataset", "channel_tensors"]


class _LabelledDataset(WindowDataset):
    """Windows of a labelled source."""

    source: LabelledSource

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the codes of ``label`` mean."""
        return self.source.label_names

    def counts(self, by: str = "subject") -> pd.DataFrame:
        """Return how many windows of each label every subject or record has."""
        return self.source.counts(by)

    def channel_tensors(self) -> dict[str, Tensor]:
        """Return :func:`channel_tensors` of the source."""
        return channel_tensors(self.source)


class EpochDataset(_LabelledDataset):
    """Windows around events, by number.

    Parameters
    ----------
    data : str, Version or EpochSource
        Where the epochs come from.
    transform : transform or sequence of transforms, optional
        As for :class:`~connectome.loaders.torch.WindowDataset`.
    **options
        As for :class:`~connectome.loaders.recordings.EpochSource`.

    Examples
    --------
    >>> cued = EpochDataset("eegmmidb@1", group="signal", tmin_s=0, tmax_s=4, labels=["T1", "T2"])  # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(cued, batch_size=32, shuffle=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        data: Any,
        *,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        **options: Any,
    ) -> None:
        source = data if isinstance(data, EpochSource) else EpochSource(data, **options)
        super().__init__(source, transform=transform, **(options if source is data else {}))

    @property
    def dropped(self) -> pd.DataFrame:
        """Events that have no window, with the reason."""
        return self.source.dropped  # type: ignore[attr-defined, no-any-return]


class StateDataset(_LabelledDataset):
    """Windows labelled by the seizures that they share time with.

    Parameters
    ----------
    data : str, Version or StateSource
        Where the windows come from.
    transform : transform or sequence of transforms, optional
        As for :class:`~connectome.loaders.torch.WindowDataset`.
    **options
        As for :class:`~connectome.loaders.recordings.StateSource`.
    """

    def __init__(
        self,
        data: Any,
        *,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        **options: Any,
    ) -> None:
        source = data if isinstance(data, StateSource) else StateSource(data, **options)
        super().__init__(source, transform=transform, **(options if source is data else {}))


class RatioSampler(Sampler[int]):  # type: ignore[misc]
    """Numbers of windows for a DataLoader, each epoch a new choice in stated ratios.

    Parameters
    ----------
    data : LabelledSource, EpochDataset, StateDataset
        The windows.
    ratios : mapping of str to float
        Label to its share.
    seed : int
        Of the choice; with the epoch it decides everything.
    n_windows : int, optional
        About how many windows an epoch shows.
    rank, n_ranks : int
        Which of several processes this is; each takes every ``n_ranks``-th window of the one order, and all take
        equally many. The ratios hold for all ranks together; one rank's share differs by chance.
    """

    def __init__(
        self,
        data: Any,
        ratios: Mapping[str, float],
        *,
        seed: int = 0,
        n_windows: int | None = None,
        rank: int = 0,
        n_ranks: int = 1,
    ) -> None:
        source = getattr(data, "source", data)
        if not isinstance(source, LabelledSource):
            raise UsageError("ratios are those of labelled windows", subject="data", found=type(data).__name__)
        if not 0 <= rank < n_ranks:
            raise UsageError("no such rank", subject="rank", found=f"{rank} of {n_ranks}")
        self.source, self.ratios, self.seed, self.n_windows = source, dict(ratios), seed, n_windows
        self.rank, self.n_ranks, self.epoch = rank, n_ranks, 0
        self._length = len(self._order())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def _order(self) -> list[int]:
        order = ratio_order(self.source, self.ratios, seed=self.seed, epoch=self.epoch, n_windows=self.n_windows)
        whole = len(order) // self.n_ranks * self.n_ranks
        return [int(window) for window in order[self.rank : whole : self.n_ranks]]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        return iter(self._order())


def channel_tensors(source: WindowSource | WindowDataset | WindowStream) -> dict[str, Tensor]:
    """Return what is known of the channels of every record; take rows by a batch's ``record``.

    Parameters
    ----------
    source : WindowSource, or a dataset or stream made of one
        The windows.

    Returns
    -------
    dict of str to Tensor
        ``channel_mask`` (record, channel), bool: whether the record has the channel; ``channel_position`` (record,
        channel, 3), float32 metres in the record's frame, 0 where ``channel_position_mask`` (record, channel) is False;
        ``channel_kind`` (record, channel), int64 codes of ``source.channel_info().kinds``, -1 where it is not stated.

    Examples
    --------
    >>> batch["signal"], channel_tensors(windows)["channel_position"][batch["record"]]  # doctest: +SKIP
    """
    known = getattr(source, "source", source).channel_info()
    return {
        "channel_mask": torch.from_numpy(known.mask),
        "channel_position": torch.from_numpy(known.position_m).float(),
        "channel_position_mask": torch.from_numpy(known.position_mask),
        "channel_kind": torch.from_numpy(known.kind),
    }
