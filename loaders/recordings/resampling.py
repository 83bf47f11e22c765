"""Recordings on a regular clock, with a mask that says where the recording supports a value.

A value is given only inside a stretch: between two samples that count, in one segment, no further apart than
``max_gap_s``. Nothing is extrapolated, no gap is bridged. Stamps are those of the moment that a value stands for; the
mean over a bin is stamped with the middle of the bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from connectome.errors import UsageError

from ..reading.chunks import RecordReader
from ..reading.signals import SeriesReader, describe_series
from ..reading.specs import as_version, record_file
from .alignment import Identities, Policy, identify, read_labels, rows_of
from .gaps import by_mask, checked_series, stretches

if TYPE_CHECKING:
    from connectome.store import Version

    from .windows import Windows

__all__ = [
    "Method",
    "Recording",
    "Resample",
    "Resampled",
    "read_recording",
    "regular_times",
    "resample",
    "resample_record",
    "why_unusable",
]

Array = np.ndarray[Any, Any]
Method = Literal["linear", "mean", "nearest"]
"""A line between the two samples around; the mean of the samples in a bin around the stamp; the nearest sample."""
TOLERANCE_STEPS = 1e-6
"""A regular stamp this close to the end of a stretch, in steps of the new clock, lies in it."""


@dataclass(frozen=True)
class Resampled:
    """A recording on a regular clock."""

    signal: Array
    """Shape (channel, time), float64; NaN where ``mask`` is False."""
    mask: Array
    """The same shape, bool: True where the recording supports the value."""
    time_s: Array
    """Shape (time,), float64 seconds on the record's clock."""
    channels: tuple[str, ...]
    """Names along the channel axis; empty for plain arrays."""
    rate_hz: float
    method: Method
    max_gap_s: float


@dataclass(frozen=True)
class Recording:
    """A whole recording on its own clock."""

    signal: Array
    """Shape (channel, time), float64; NaN where ``mask`` is False."""
    mask: Array
    """The same shape, bool: True where the sample counts."""
    time_s: Array
    """Shape (time,), float64 seconds."""
    segments: tuple[tuple[int, int], ...]
    """Half-open ranges of samples without gaps inside."""
    channels: tuple[str, ...]
    """Channel ids, or the neurons that were asked for."""
    identities: Identities | None
    """Which channel is which neuron; None where the record does not say."""


def why_unusable(version: Version, record: str, group: str) -> str:
    """Say why a record cannot be read by time in seconds; empty when it can."""
    facts = version.manifest.records[record].facts
    if f"/{group}" not in facts:
        return f"no group {group}"
    found = version.open(record)[group]
    if "time" not in found.coords and "rate_hz_numerator" not in found.attrs:
        return "the record counts frames and has no time in seconds"
    return ""


def read_recording(
    version: Version,
    record: str,
    *,
    group: str = "activity",
    neurons: Sequence[str] | None = None,
    policy: Policy = "exact+normalised",
) -> Recording:
    """Read a whole recording; parameters and errors as for :func:`resample_record`."""
    file = record_file(version, record)
    reader = RecordReader(file.open(), size_bytes=file.size_bytes)
    info = describe_series(reader, record=record, group=group.strip("/"), complete=False)
    if info.clock == "frame":
        raise UsageError(
            "the record counts frames and has no time in seconds", subject=record, place=group, expected="a clock"
        )
    series = SeriesReader(reader, info, fill=np.nan)
    channels, rows, identities = tuple(series.channels()), None, None
    if neurons is not None or reader.has("neuron"):
        identities = identify(read_labels(reader, record=record), channels, policy=policy)
        if neurons is not None:
            channels, rows = tuple(neurons), rows_of(neurons, identities.channel_of)
    signal = np.empty((len(channels), info.n_samples))
    mask = np.empty(signal.shape, dtype=bool)
    series.read_into(signal, mask, 0, rows=rows)
    time_s = np.empty(info.n_samples)
    series.times_into(time_s, 0)
    return Recording(signal, mask, time_s, info.segments, channels, identities)


def regular_times(time_s: Array, *, rate_hz: float, method: Method = "linear") -> Array:
    """Return the regular stamps that cover a recording.

    They begin at the first stamp, for ``mean`` half a step later (the middle of the first whole bin), and end at or
    before the last stamp.

    Parameters
    ----------
    time_s : numpy.ndarray
        Shape (time,), seconds.
    rate_hz : float
        Stamps per second.

    Returns
    -------
    numpy.ndarray
        float64 seconds; empty where there is no stamp.

    Raises
    ------
    UsageError
        When the rate is not above 0 or the method is unknown.
    """
    _check(rate_hz, method)
    stamps = np.asarray(time_s, dtype=np.float64)
    if not stamps.size:
        return np.zeros(0)
    first = float(stamps.min()) + (0.5 / rate_hz if method == "mean" else 0.0)
    n_steps = int(np.floor((float(stamps.max()) - first) * rate_hz + TOLERANCE_STEPS))
    rate = Fraction(rate_hz).limit_denominator(10**9)
    return first + np.arange(n_steps + 1) * rate.denominator / rate.numerator


def resample(
    signal: Array,
    time_s: Array,
    mask: Array | None = None,
    *,
    rate_hz: float,
    max_gap_s: float,
    method: Method = "linear",
    times_s: Array | None = None,
    segments: Sequence[tuple[int, int]] | None = None,
) -> Resampled:
    """Put a recording on a regular clock.

    Parameters
    ----------
    signal : numpy.ndarray
        Shape (channel, time), floats; NaN counts as missing.
    time_s : numpy.ndarray
        Shape (time,), seconds that never decrease inside a segment.
    mask : numpy.ndarray, optional
        The signal's shape, bool: which samples count; default all that are numbers.
    rate_hz : float
        Samples per second of the new clock.
    max_gap_s : float
        Seconds between two samples of a channel above which nothing is known of the time between them.
    method : {"linear", "mean", "nearest"}
        ``mean`` takes the samples in ``[t - 1 / (2 rate), t + 1 / (2 rate))`` that lie in the stretch around ``t``,
        and has no value where there is none; ``nearest`` takes the earlier of two that are as near. For ``linear``
        and ``nearest``, samples with the same stamp count as one, their mean.
    times_s : numpy.ndarray, optional
        The new stamps, a step apart; default :func:`regular_times`.
    segments : sequence of (start, stop), optional
        Ranges of samples between which nothing is known; default one.

    Returns
    -------
    Resampled

    Raises
    ------
    UsageError
        When an argument cannot be used, or the stamps are no clock in seconds.

    Notes
    -----
    Every method looks ahead: ``linear`` and ``nearest`` by up to ``max_gap_s``, ``mean`` by half a step.
    """
    _check(rate_hz, method)
    values, stamps, counts, ranges = checked_series(signal, time_s, mask, segments)
    times = (
        regular_times(stamps, rate_hz=rate_hz, method=method) if times_s is None else np.asarray(times_s, np.float64)
    )
    out, valid = np.full((len(values), len(times)), np.nan), np.zeros((len(values), len(times)), dtype=bool)
    slack = TOLERANCE_STEPS / rate_hz
    for channels, pattern in by_mask(counts):
        for samples in stretches(stamps, pattern, ranges, max_gap_s=max_gap_s):
            own = stamps[samples]
            low, high = np.searchsorted(times, [own[0] - slack, own[-1] + slack], side="left")
            inside = np.arange(low, high)
            # Rounded stamps of the new clock may lie outside by less than anyone can tell.
            wanted = np.clip(times[inside], own[0], own[-1])
            if method == "mean":
                found, known = _means(values[np.ix_(channels, samples)], own, wanted, 0.5 / rate_hz)
                inside, found = inside[known], found[:, known]
            else:
                distinct, one = _distinct(values[np.ix_(channels, samples)], own)
                found = _lines(one, distinct, wanted) if method == "linear" else _nearest(one, distinct, wanted)
            place = np.ix_(channels, inside)
            out[place], valid[place] = found, True
    return Resampled(out, valid, times, (), float(rate_hz), method, float(max_gap_s))


def resample_record(
    data: str | Version,
    record: str,
    *,
    rate_hz: float,
    max_gap_s: float,
    method: Method = "linear",
    group: str = "activity",
    neurons: Sequence[str] | None = None,
    policy: Policy = "exact+normalised",
    times_s: Array | None = None,
    root: str | Path | None = None,
) -> Resampled:
    """Read a whole recording on a regular clock.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    record : str
        Name of the record.
    neurons : sequence of str, optional
        Only these, in this order; one that the record does not have is masked. Default all channels.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed, for ``neurons``.
    rate_hz, max_gap_s, method, times_s
        As for :func:`resample`; the record's own segments are kept apart.
    group, root
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`.

    Returns
    -------
    Resampled

    Raises
    ------
    UsageError
        When the record has no clock in seconds, or as :func:`resample` says.
    NotFoundError
        When there is no such record or group, or ``neurons`` are asked for and the record tells none.
    """
    version = as_version(data, root=root)
    found = read_recording(version, record, group=group, neurons=neurons, policy=policy)
    made = resample(
        found.signal,
        found.time_s,
        found.mask,
        rate_hz=rate_hz,
        max_gap_s=max_gap_s,
        method=method,
        times_s=times_s,
        segments=found.segments,
    )
    return replace(made, channels=found.channels)


@dataclass(frozen=True)
class Resample:
    """Put every window on a regular clock that begins with the window, as a ``transform=``.

    Only samples of the window are used, so that nothing leaks over the border of a split's part.

    Parameters
    ----------
    rate_hz, max_gap_s, method
        As for :func:`resample`.
    n_samples : int
        Samples per new window; those after the window's last sample are masked. ``start`` still counts samples of
        the record.
    fill : float
        Value of samples that do not count.
    """

    rate_hz: float
    n_samples: int
    max_gap_s: float
    method: Method = "linear"
    fill: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate_hz, self.method)
        if self.n_samples < 1:
            raise UsageError("not a length", subject="n_samples", expected="1 or more", found=str(self.n_samples))

    def __call__(self, windows: Windows) -> Windows:
        """Return the windows on the new clock."""
        shape = (*windows.signal.shape[:2], self.n_samples)
        signal, mask = np.full(shape, self.fill, dtype=windows.signal.dtype), np.zeros(shape, dtype=bool)
        time_s = np.empty((len(windows), self.n_samples))
        steps = (np.arange(self.n_samples) + (0.5 if self.method == "mean" else 0.0)) / self.rate_hz
        for at in range(len(windows)):
            # A padded window ends before the array does.
            taken = slice(0, int(np.isfinite(windows.time_s[at]).sum()) or None)
            stamps = windows.time_s[at, taken]
            time_s[at] = stamps[0] + steps
            made = resample(
                windows.signal[at, :, taken],
                stamps,
                windows.mask[at, :, taken],
                rate_hz=self.rate_hz,
                max_gap_s=self.max_gap_s,
                method=self.method,
                times_s=time_s[at],
            )
            np.copyto(signal[at], made.signal, where=made.mask, casting="same_kind")
            mask[at] = made.mask
        return replace(windows, signal=signal, mask=mask, time_s=time_s)


def _check(rate_hz: float, method: str) -> None:
    if not rate_hz > 0 or not np.isfinite(rate_hz):
        raise UsageError("not a rate", subject="rate_hz", expected="above 0", found=str(rate_hz))
    if method not in get_args(Method):
        raise UsageError("unknown method", subject="method", expected=", ".join(get_args(Method)), found=repr(method))


def _distinct(values: Array, stamps: Array) -> tuple[Array, Array]:
    """Return stamps without repeats and the mean of the samples of each, shapes (stamp,) and (channel, stamp)."""
    distinct, first, n = np.unique(stamps, return_index=True, return_counts=True)
    if len(distinct) == len(stamps):
        return stamps, values
    return distinct, np.add.reduceat(values, first, axis=1) / n


def _lines(values: Array, stamps: Array, times: Array) -> Array:
    if len(stamps) == 1:
        return np.repeat(values, len(times), axis=1)
    right = np.clip(np.searchsorted(stamps, times, side="left"), 1, len(stamps) - 1)
    left = right - 1
    share = (times - stamps[left]) / (stamps[right] - stamps[left])
    # In this form both ends are met exactly.
    made: Array = values[:, left] * (1.0 - share) + values[:, right] * share
    return made


def _nearest(values: Array, stamps: Array, times: Array) -> Array:
    right = np.minimum(np.searchsorted(stamps, times, side="left"), len(stamps) - 1)
    left = np.maximum(right - 1, 0)
    found: Array = values[:, np.where(times - stamps[left] <= stamps[right] - times, left, right)]
    return found


def _means(values: Array, stamps: Array, times: Array, half_s: float) -> tuple[Array, Array]:
    """Return means over bins around the times, and which bins have a sample."""
    low, high = (np.searchsorted(stamps, times + offset, side="left") for offset in (-half_s, half_s))
    known = high > low
    found = np.full((len(values), len(times)), np.nan)
    for at in np.flatnonzero(known).tolist():
        found[:, at] = values[:, low[at] : high[at]].mean(axis=1)
    return found, known
