"""Windows for PyTorch: a map-style dataset that reads whole batches, and a stream that shuffles by blocks.

Both give dictionaries of tensors:

========== ========================= =============================================================
key        shape and dtype           meaning
========== ========================= =============================================================
``signal`` (batch, channel, time)    float32; the fill (0.0) where ``mask`` is False
``mask``   (batch, channel, time)    bool; True where the sample counts
``time_s`` (batch, time)             float64 seconds; NaN where the record counts frames
``record`` (batch,)                  int64, position in ``dataset.records``
``start``  (batch,)                  int64, first sample in the record
========== ========================= =============================================================

A plain :class:`torch.utils.data.DataLoader` is all that is needed: batches arrive whole and are not collated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from connectome.errors import UsageError

from ..recordings.transforms import BindableTransform, Transform, bind
from ..recordings.windows import Windows, WindowSource
from .batches import WholeBatch
from .shuffle import BlockShuffle
from .stream import BatchStream

if TYPE_CHECKING:
    from torch import Tensor

    from ..reading.index import WindowIndex

__all__ = ["WindowDataset", "WindowStream"]

BLOCK_BYTES = 8 << 20
"""Decoded bytes of a block of neighbouring windows in a stream."""


def _tensors(windows: Windows) -> dict[str, Tensor]:
    names = ("signal", "mask", "time_s", "record", "start")
    return {name: torch.from_numpy(np.ascontiguousarray(getattr(windows, name))) for name in names}


def _source_of(data: Any, options: dict[str, Any]) -> WindowSource:
    if not isinstance(data, WindowSource):
        return WindowSource(data, **options)
    if options:
        raise UsageError("the windows are there already", subject=", ".join(sorted(options)), hint="leave these out")
    return data


class _Windowed:
    """What both datasets share: a source of windows and the transforms bound to it."""

    source: WindowSource

    def _bind(self, transform: Any) -> None:
        self._transforms = bind(transform, self.source)

    def _read(self, indices: Any, index: WindowIndex | None = None) -> dict[str, Tensor]:
        windows = self.source.windows(indices, index=index)
        for transform in self._transforms:
            windows = transform(windows)
        beside = self.source.labels_of(indices)
        return {**_tensors(windows), **{name: torch.from_numpy(values) for name, values in beside.items()}}

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return self.source.records

    @property
    def channels(self) -> tuple[str, ...] | None:
        """Names along the channel axis; None where they differ among the records."""
        return self.source.channels


class WindowDataset(_Windowed, Dataset[dict[str, "Tensor"]]):  # type: ignore[misc]
    """Windows over the records of a version, by number.

    Parameters
    ----------
    data : str, Version or WindowSource
        ``"name@1.2.0"``, an opened version, or windows that are there already.
    transform : transform or sequence of transforms, optional
        Applied to whole batches of NumPy arrays (:class:`~connectome.loaders.recordings.windows.Windows`), in order.
    **options
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`: ``group``, ``window`` or ``window_s``,
        ``stride`` or ``stride_s``, ``records``, ``split``, ``neurons``, ``channels``, ``policy``, ``pad``, ``fill``,
        ``root``.

    Attributes
    ----------
    source : WindowSource
        The windows as NumPy arrays.

    Notes
    -----
    Files are opened in each process when it first reads, so workers may be forked or spawned at any time.
    ``dataset[i]`` gives one window without the batch dimension; a loader asks ``__getitems__`` for every batch at once.

    Examples
    --------
    >>> dataset = WindowDataset("celegans-activity@1", window=64, neurons=["AVAL", "AVAR"])  # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        data: Any,
        *,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        **options: Any,
    ) -> None:
        self.source = _source_of(data, options)
        self._bind(transform)

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return repr(self.source).replace(type(self.source).__name__, type(self).__name__, 1)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        n_windows = len(self)
        if not -n_windows <= index < n_windows:
            raise IndexError(f"window {index} of {n_windows}")
        return {name: values[0] for name, values in self._read([index % n_windows]).items()}

    def __getitems__(self, indices: Sequence[int]) -> list[WholeBatch]:
        """Return one whole batch, wrapped so that ``default_collate`` passes it on."""
        return [WholeBatch(self._read(np.asarray(indices, dtype=np.int64)))]

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return the batch of some windows, without a loader."""
        return self._read(np.asarray(indices, dtype=np.int64))


class WindowStream(_Windowed, BatchStream):
    """Batches of windows in a seeded order that keeps neighbours near each other.

    The sequence of all batches depends on the seed, the epoch and the batch size only. It is striped over ranks and
    workers, so that together they give every window once, and a rank sees the same sequence with any number of
    workers. Use ``DataLoader(stream, batch_size=None)``.

    Parameters
    ----------
    data : str, Version or WindowSource
        As for :class:`WindowDataset`.
    batch_size : int
        Windows per batch.
    seed : int
        Of the order.
    shuffle : bool
        Whether to shuffle.
    jitter : bool
        Whether the windows of each epoch are moved by a random part of their stride, so that their borders move.
    drop_last : bool
        Whether to leave out what does not fill a batch for every rank; needed where ranks must take equally many steps.
    rank, n_ranks : int, optional
        Default those of :mod:`torch.distributed` where it is initialised, else 0 and 1.
    pool : int
        Blocks (of about 8 MiB) whose windows are mixed with each other.
    transform, **options
        As for :class:`WindowDataset`.

    Notes
    -----
    Every worker decodes the chunks of its own batches; with many workers a chunk may be decoded once in each. One
    process is usually enough, because decoding is faster than handing batches between processes.
    """

    ITEMS = "windows"

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        jitter: bool = False,
        drop_last: bool = True,
        rank: int | None = None,
        n_ranks: int | None = None,
        pool: int = 8,
        transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None = None,
        **options: Any,
    ) -> None:
        # A pool of blocks must fit into the cache of decoded chunks, or they are decoded again and again.
        if not isinstance(data, WindowSource):
            options.setdefault("cache_bytes", (pool + 4) * BLOCK_BYTES)
        self.source = _source_of(data, options)
        self._bind(transform)
        self.jitter = jitter
        stride = int(self.source.index.stride.min())
        block = max(1, BLOCK_BYTES // (stride * self.source.n_channels * self.source.dtype.itemsize))
        order = BlockShuffle(block=block, pool=pool, seed=seed, shuffle=shuffle)
        super().__init__(batch_size=batch_size, shuffle=order, drop_last=drop_last, rank=rank, n_ranks=n_ranks)

    @property
    def _dataset(self) -> str:
        return self.source.provenance.dataset

    def _index(self, epoch: int) -> WindowIndex:
        return self.source.index.shifted(self.shuffle.offset(epoch)) if self.jitter else self.source.index

    def _n_items(self, epoch: int) -> int:
        return len(self._index(epoch))

    def _batches(self, numbers: range, epoch: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        index = self._index(epoch)
        for number, chosen in self._chosen(numbers, epoch):
            yield number, self._read(chosen, index)

    def _identity(self) -> dict[str, Any]:
        return {
            "digest": self.source.provenance.digest,
            "split": self.source.provenance.split_digest,
            "part": self.source.provenance.part,
            "group": self.source.group,
            "windows": self.source.index.digest,
            "jitter": self.jitter,
        }
