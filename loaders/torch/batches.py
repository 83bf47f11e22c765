"""What every dataset here hands to PyTorch's DataLoader: whole batches, and integers that its workers see change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data._utils.collate import default_collate_fn_map

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SharedIntegers", "WholeBatch"]


class WholeBatch(dict[str, "Tensor"]):
    """A batch that is a batch already; ``default_collate`` is told below to leave it alone."""


def _as_it_is(batch: Sequence[WholeBatch], *, collate_fn_map: Any = None) -> dict[str, Tensor]:
    del collate_fn_map
    return dict(batch[0])


# The documented way to teach default_collate a type; it acts in workers too, because they import this module.
default_collate_fn_map[WholeBatch] = _as_it_is


class SharedIntegers:
    """A few integers that this process sets and its workers see, those that live on from epoch to epoch too."""

    def __init__(self, n: int) -> None:
        self._values = torch.zeros(n, dtype=torch.int64).share_memory_()

    def get(self, at: int) -> int:
        """Return one of them."""
        return int(self._values[at])

    def set(self, *values: int) -> None:
        """Set all of them."""
        self._values.copy_(torch.tensor(values, dtype=torch.int64))
