"""Smoothing with widths in seconds, on the stamps as they are.

Every output is the mean of the samples that count around it, weighted by how far away in seconds they are. A causal
kernel weighs samples up to the output only. Samples that do not count stay so: nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from connectome.errors import UsageError

from .gaps import by_mask, checked_series, stretches

if TYPE_CHECKING:
    from .windows import Windows, WindowSource

__all__ = ["Kernel", "Smooth", "smooth"]

Array = np.ndarray[Any, Any]
Kernel = Literal["exponential", "boxcar", "gaussian"]
REACH = {"exponential": 40.0, "boxcar": 1.0, "gaussian": 4.0}
"""Widths after which a kernel ends. exp(-40) is below the rounding of float64; four standard deviations are where
``scipy.ndimage.gaussian_filter1d`` ends too."""


def smooth(
    signal: Array,
    time_s: Array,
    mask: Array | None = None,
    *,
    kernel: Kernel,
    width_s: float,
    causal: bool,
    max_gap_s: float | None = None,
    segments: Sequence[tuple[int, int]] | None = None,
) -> tuple[Array, Array]:
    """Smooth a recording.

    Parameters
    ----------
    signal : numpy.ndarray
        Shape (channel, time), floats; NaN counts as missing.
    time_s : numpy.ndarray
        Shape (time,), seconds that never decrease inside a segment.
    mask : numpy.ndarray, optional
        The signal's shape, bool: which samples count; default all that are numbers.
    kernel : {"exponential", "boxcar", "gaussian"}
        Weight of a sample ``d`` seconds away: ``exp(-d / width_s)``; 1 up to the width (causal: ``d < width_s``,
        centred: ``d <= width_s / 2``), then 0; or ``exp(-d**2 / (2 * width_s**2))`` up to four widths.
    width_s : float
        Time constant, length of the box, or standard deviation, in seconds.
    causal : bool
        Whether only samples up to the output are weighed. Of samples with the same stamp, those stored earlier.
    max_gap_s : float, optional
        Longest step between samples of a channel across which it is smoothed; default any step in a segment.
    segments : sequence of (start, stop), optional
        Ranges of samples that are smoothed apart from each other; default one.

    Returns
    -------
    signal, mask : numpy.ndarray
        Shape (channel, time), float64 and bool; NaN and False where the sample itself does not count.

    Raises
    ------
    UsageError
        When an argument cannot be used, or the stamps are no clock in seconds.
    """
    _check(kernel, width_s)
    values, stamps, counts, ranges = checked_series(signal, time_s, mask, segments)
    out = np.full(values.shape, np.nan)
    for channels, pattern in by_mask(counts):
        for samples in stretches(stamps, pattern, ranges, max_gap_s=max_gap_s):
            part = values[np.ix_(channels, samples)]
            if kernel == "exponential":
                made = _exponential(np.ascontiguousarray(part.T), stamps[samples], width_s, causal=causal).T
            else:
                made = _weighted(np.ascontiguousarray(part), stamps[samples], kernel, width_s, causal=causal)
            out[np.ix_(channels, samples)] = made
    return out, counts


@dataclass(frozen=True)
class Smooth:
    """Smooth windows of a recording, as a ``transform=``.

    A window is smoothed together with the samples around it (causal: before it) that the kernel reaches, as far as
    they lie in the same range: a segment, cut to the split's part. So a window has the values that the whole range
    would have, and no sample of another part touches it. Samples are read from the store, so it comes first among
    several transforms.

    Parameters
    ----------
    kernel, width_s, causal, max_gap_s
        As for :func:`smooth`.
    """

    kernel: Kernel
    width_s: float
    causal: bool
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        _check(self.kernel, self.width_s)

    def bind(self, source: WindowSource) -> _BoundSmooth:
        """Return the transform for a source.

        Raises
        ------
        UsageError
            When a record only counts frames.
        """
        for info in source.infos:
            if info.clock == "frame":
                raise UsageError(
                    "a width in seconds needs a clock in seconds",
                    subject=info.record,
                    place=info.group,
                    hint="choose records= that have one",
                )
        return _BoundSmooth(self, source)


@dataclass(frozen=True)
class _BoundSmooth:
    how: Smooth
    source: WindowSource
    reads_stored = True

    def __call__(self, windows: Windows) -> Windows:
        signal, mask = np.full_like(windows.signal, self.source.fill), np.zeros_like(windows.mask)
        index, how = self.source.index, self.how
        reach_s = REACH[how.kernel] * how.width_s
        for at in range(len(windows)):
            range_, start = int(windows.range[at]), int(windows.start[at])
            stop = start + int(index.window[range_])
            begin, end = int(index.begin[range_]), int(index.end[range_])
            stamps = self.source.times(range_, begin, end)
            low = begin + int(np.searchsorted(stamps, stamps[start - begin] - reach_s, side="left"))
            high = stop
            if not how.causal:
                high = begin + int(np.searchsorted(stamps, stamps[stop - 1 - begin] + reach_s, side="right"))
            read, taken = self.source.stretch(range_, low, high)
            values, counts = smooth(
                read,
                stamps[low - begin : high - begin],
                taken,
                kernel=how.kernel,
                width_s=how.width_s,
                causal=how.causal,
                max_gap_s=how.max_gap_s,
            )
            own = slice(start - low, stop - low)
            np.copyto(signal[at, :, : stop - start], values[:, own], where=counts[:, own], casting="same_kind")
            mask[at, :, : stop - start] = counts[:, own]
        return replace(windows, signal=signal, mask=mask)


def _check(kernel: str, width_s: float) -> None:
    if kernel not in get_args(Kernel):
        raise UsageError("unknown kernel", subject="kernel", expected=", ".join(get_args(Kernel)), found=repr(kernel))
    if not width_s > 0 or not np.isfinite(width_s):
        raise UsageError("a width is a duration", subject="width_s", expected="above 0", found=str(width_s))


def _exponential(values: Array, stamps: Array, width_s: float, *, causal: bool) -> Array:
    """Return weighted means by recursion, shape (time, channel)."""
    decay = np.exp(-np.diff(stamps) / width_s)
    sums, weights = _decaying(values, decay)
    if not causal:
        later, weights_later = _decaying(values[::-1], decay[::-1])
        # The sample itself is in both.
        sums, weights = sums + later[::-1] - values, weights + weights_later[::-1] - 1.0
    made: Array = sums / weights[:, None]
    return made


def _decaying(values: Array, decay: Array) -> tuple[Array, Array]:
    sums, weights = np.empty_like(values), np.empty(len(values))
    sums[0], weights[0] = values[0], 1.0
    for at, factor in enumerate(decay.tolist(), start=1):
        sums[at] = sums[at - 1] * factor + values[at]
        weights[at] = weights[at - 1] * factor + 1.0
    return sums, weights


def _weighted(values: Array, stamps: Array, kernel: Kernel, width_s: float, *, causal: bool) -> Array:
    """Return weighted means sample by sample, shape (channel, time).

    A channel's samples lie side by side, so that the same samples are summed in the same order whatever follows them,
    and whatever other channels are smoothed along: NumPy adds up along contiguous memory in pairs, else in turn.
    """
    reach = REACH[kernel] * width_s
    before = reach if causal or kernel == "gaussian" else reach / 2
    # The box of a causal kernel is open at its far end, so that a box of one step holds one sample.
    side: Literal["left", "right"] = "right" if causal and kernel == "boxcar" else "left"
    first = np.searchsorted(stamps, stamps - before, side=side)
    last = np.arange(1, len(stamps) + 1) if causal else np.searchsorted(stamps, stamps + before, side="right")
    made = np.empty_like(values)
    for at, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        low = min(low, at)
        near = values[:, low:high]
        if kernel == "boxcar":
            made[:, at] = near.mean(axis=1)
            continue
        weight = np.exp(-0.5 * ((stamps[low:high] - stamps[at]) / width_s) ** 2)
        made[:, at] = (weight * near).sum(axis=1) / weight.sum()
    return made
