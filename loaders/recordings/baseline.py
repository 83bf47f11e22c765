"""Baseline correction of epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.spikes import exact_seconds

from .epochs import EpochSource

if TYPE_CHECKING:
    from .transforms import Transform
    from .windows import Windows, WindowSource

__all__ = ["Baseline"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Baseline:
    """Subtract from each channel of an epoch its mean over a stretch of the same epoch, as a ``transform=``.

    Nothing is learned and no other epoch has a say. The stretch has the samples at or between both of its
    ends, as ``baseline=`` of :class:`mne.Epochs`. A channel with no sample that counts there is masked.

    Parameters
    ----------
    from_s, to_s : int, float or fractions.Fraction, optional
        The stretch in seconds after the event; default the epoch's first sample, and the event.

    Raises
    ------
    UsageError
        When it ends before it begins; when bound to windows that are no epochs, or to epochs that do not hold it.

    Examples
    --------
    >>> EpochDataset("eegmmidb@1", group="signal", tmin_s=-1, tmax_s=4, transform=Baseline(-0.5, 0))  # doctest: +SKIP
    """

    from_s: float | Fraction | None = None
    to_s: float | Fraction = 0

    def __post_init__(self) -> None:
        end = exact_seconds(self.to_s, subject="to_s")
        if self.from_s is not None and exact_seconds(self.from_s, subject="from_s") > end:
            raise UsageError(
                "a baseline ends after it begins", subject="Baseline", found=f"{self.from_s} to {self.to_s} s"
            )

    def bind(self, source: WindowSource) -> Transform:
        """Return the transform for the epochs of a source."""
        if not isinstance(source, EpochSource):
            raise UsageError("a baseline lies in an epoch", subject="Baseline", expected="epochs",
                             found=type(source).__name__)  # fmt: skip
        begin = source.tmin if self.from_s is None else exact_seconds(self.from_s, subject="from_s")
        end = exact_seconds(self.to_s, subject="to_s")
        places = []
        for info in source.infos:
            rate = info.segment_rate_hz
            assert rate is not None
            first, last = source.relative_samples(rate)
            low = 0 if self.from_s is None else math.ceil(begin * rate) - first
            high = math.floor(end * rate) + 1 - first
            if not 0 <= low < high <= last - first:
                raise UsageError(
                    "the baseline has no sample, or reaches out of the epoch", subject=info.record, place="Baseline",
                    expected=f"{float(first / rate):g} to {float((last - 1) / rate):g} s",
                    found=f"{float(begin):g} to {float(end):g} s",
                )  # fmt: skip
            places.append((low, high))
        return _BoundBaseline(np.array(places, dtype=np.int64), source.fill)


@dataclass(frozen=True)
class _BoundBaseline:
    places: Array
    """Shape (record, 2): half-open range of the epoch's samples."""
    fill: float

    def __call__(self, windows: Windows) -> Windows:
        at = np.arange(windows.signal.shape[2])
        low, high = self.places[windows.record].T[:, :, None]
        counts = windows.mask & ((low <= at) & (at < high))[:, None, :]
        n = counts.sum(axis=2, keepdims=True)
        mean = np.where(counts, windows.signal, 0).sum(axis=2, keepdims=True, dtype=np.float64) / np.maximum(n, 1)
        mask = windows.mask & (n > 0)
        signal = np.where(mask, windows.signal - mean, self.fill).astype(windows.signal.dtype)
        return replace(windows, signal=signal, mask=mask)
