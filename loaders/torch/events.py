"""Spikes for PyTorch: windows in bins, trials, or spikes one by one, as dictionaries of tensors.

============= ======================= ===============================================================
key           shape and dtype         meaning
============= ======================= ===============================================================
``counts``    (batch, unit, bin)      float32 (``dtype=``); 0 where ``mask`` is False; not with tokens
``mask``      (batch, unit, bin)      bool; True where the unit is there and the bin was observed
``unit``      (batch, unit)           int64, global ids; 0 where ``unit_mask`` is False
``unit_mask`` (batch, unit)           bool
``record``    (batch,)                int64, position in ``dataset.records``
``start_s``   (batch,)                float64 seconds on the record's clock; ``onset_s`` of trials
============= ======================= ===============================================================

Trials have ``row`` and one key ``label.COLUMN`` per label; tokens have ``unit``, ``time_s`` and ``mask`` of shape
(batch, spike), padded to the longest window of the batch. Behaviour comes as ``behaviour.GROUP`` (batch, channel, bin)
float32 and ``behaviour_mask.GROUP``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset
from torch.utils.data._utils.collate import default_collate_fn_map

from connectome.errors import UsageError

from ..events.source import EventBins, EventSource, EventTokens
from ..events.trials import EventTrials, TrialSource
from .batches import WholeBatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EventDataset", "Mode"]

Mode = Literal["bins", "trials", "tokens"]
Batch = EventBins | EventTrials | EventTokens
PADDED = ("counts", "mask", "unit", "unit_mask", "time_s")
"""Keys whose second axis (units or spikes) has another length in another batch."""


class _Item(dict[str, "Tensor"]):
    """One window; ``default_collate`` is told below to pad its spikes."""


def _pad(batch: Sequence[_Item], *, collate_fn_map: Any = None) -> dict[str, Tensor]:
    del collate_fn_map
    return {name: _stack(name, [item[name] for item in batch]) for name in batch[0]}


def _stack(name: str, values: Sequence[Tensor]) -> Tensor:
    if name in PADDED and len({value.shape for value in values}) > 1:
        longest = max(len(value) for value in values)
        values = [torch.cat([value, value.new_zeros(longest - len(value), *value.shape[1:])]) for value in values]
    return torch.stack(list(values))


# The documented way to teach default_collate a type; it acts in workers too, because they import this module.
default_collate_fn_map[_Item] = _pad


class EventDataset(Dataset[dict[str, "Tensor"]]):  # type: ignore[misc]
    """Windows or trials of spikes over the sessions of a version, by number.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    mode : {"bins", "trials", "tokens"}
        Windows as counts, trials as counts with labels, or windows spike by spike.
    transform : callable, optional
        Takes and returns a batch of NumPy arrays (:class:`~connectome.loaders.events.source.EventBins`, ...).
    **options
        Of :class:`~connectome.loaders.events.EventSource` (``window_s``, ``stride_s``, ``bin_s``, ...), for
        trials of :class:`~connectome.loaders.events.TrialSource` (``trials``, ``before_s``, ``after_s``, ``bin_s``,
        ``labels``, ...); of both ``records``, ``split``, ``part``, ``units``, ``behaviour``, ``observed``, ``root``.

    Attributes
    ----------
    source : EventSource or TrialSource
        The same as NumPy arrays.

    Notes
    -----
    Files are opened in each process when it first reads, so workers may be forked or spawned at any time. A loader
    asks for every batch at once; ``dataset[i]`` gives one window without the batch dimension, and single windows
    collate to the same batch.

    Examples
    --------
    >>> dataset = EventDataset("my-session@1", window_s=1, bin_s=0.02, units="allen_default")  # doctest: +SKIP
    >>> training = EventDataset(  # doctest: +SKIP
    ...     "my-session", mode="trials", before_s=0, after_s=0.4, bin_s=0.02, split="folds-fold_0", part="train"
    ... )
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)  # doctest: +SKIP
    """

    def __init__(
        self, data: Any, *, mode: Mode = "bins", transform: Callable[[Any], Any] | None = None, **options: Any
    ) -> None:
        self.mode, self.transform = mode, transform
        self.source: EventSource | TrialSource
        if mode == "trials":
            self.source = TrialSource(data, **options)
        elif mode in {"bins", "tokens"}:
            self.source = EventSource(data, **options)
            if mode == "bins" and self.source.bin is None:
                raise UsageError("how wide are the bins", subject="bin_s", expected="seconds", found="none")
        else:
            raise UsageError("no such mode", subject="mode", expected="bins, trials or tokens", found=repr(mode))

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return repr(self.source).replace(type(self.source).__name__, f"{type(self).__name__}({self.mode!r})", 1)

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return self.source.records

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        n_windows = len(self)
        if not -n_windows <= index < n_windows:
            raise IndexError(f"window {index} of {n_windows}")
        return _Item({name: values[0] for name, values in self.batch([index % n_windows]).items()})

    def __getitems__(self, indices: Sequence[int]) -> list[WholeBatch]:
        """Return one whole batch, wrapped so that ``default_collate`` passes it on."""
        return [WholeBatch(self.batch(indices))]

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return the batch of some windows, without a loader."""
        chosen = np.asarray(indices, dtype=np.int64)
        made: Batch
        if isinstance(self.source, TrialSource):
            made = self.source.trials(chosen)
        else:
            made = self.source.tokens(chosen) if self.mode == "tokens" else self.source.bins(chosen)
        return _tensors(made if self.transform is None else self.transform(made))


def _tensors(batch: Batch) -> dict[str, Tensor]:
    arrays = {name: value for name, value in vars(batch).items() if not isinstance(value, Mapping)}
    if isinstance(batch, EventTrials):
        arrays |= {f"label.{name}": values for name, values in batch.labels.items()}
    for group, behaviour in batch.behaviour.items():
        arrays |= {f"behaviour.{group}": behaviour.signal, f"behaviour_mask.{group}": behaviour.mask}
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
