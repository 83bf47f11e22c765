"""Behaviour on the bins of a window of events: running, pupil, position, each on its own clock in its own group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from ..reading.signals import SeriesInfo, SeriesReader
from ..recordings.resampling import Method, resample

if TYPE_CHECKING:
    from ..reading.chunks import RecordReader

__all__ = ["Behaviour", "behaviour_methods", "read_behaviour"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Behaviour:
    """A series group on the bins of a batch; the stamp of a bin is its middle."""

    signal: Array
    """Shape (window, channel, bin), float32; 0 where ``mask`` is False."""
    mask: Array
    """The same shape, bool: True where the recording supports the value."""


def behaviour_methods(given: Sequence[str] | Mapping[str, Method] | None) -> dict[str, Method]:
    """Return the groups and how each is put on the bins (``"linear"`` where nothing is said)."""
    if given is None:
        return {}
    if isinstance(given, str):
        raise UsageError("behaviour is a list of groups", subject="behaviour", found=repr(given))
    if isinstance(given, Mapping):
        return {group.strip("/"): method for group, method in given.items()}
    return {group.strip("/"): "linear" for group in given}


def read_behaviour(
    reader: RecordReader,
    info: SeriesInfo,
    edges_s: Array,
    *,
    limits_s: tuple[float, float],
    method: Method,
    max_gap_s: float,
) -> tuple[Array, Array]:
    """Put a series on bins.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    info : SeriesInfo
        Of the series.
    edges_s : numpy.ndarray
        Shape (bin + 1,), float64 seconds, bins of one width.
    limits_s : (start, stop)
        Samples outside are not looked at: they may belong to another part of a split.
    method, max_gap_s
        As for :func:`~connectome.loaders.recordings.resampling.resample`.

    Returns
    -------
    signal, mask : numpy.ndarray
        Shape (channel, bin), float64 and bool.
    """
    width = float(edges_s[1] - edges_s[0])
    start = max(limits_s[0], float(edges_s[0]) - max_gap_s)
    stop = min(limits_s[1], float(edges_s[-1]) + max_gap_s)
    n_bins = len(edges_s) - 1
    first, last = _sample_range(reader, info, start, stop)
    signal, mask = np.zeros((info.n_channels, n_bins)), np.zeros((info.n_channels, n_bins), dtype=bool)
    if first >= last:
        return signal, mask
    samples = np.empty((info.n_channels, last - first))
    counts, stamps = np.empty(samples.shape, dtype=bool), np.empty(last - first)
    series = SeriesReader(reader, info)
    series.read_into(samples, counts, first)
    series.times_into(stamps, first)
    segments = [
        (max(low, first) - first, min(high, last) - first)
        for low, high in info.segments
        if max(low, first) < min(high, last)
    ]
    made = resample(
        samples,
        stamps,
        counts,
        rate_hz=1.0 / width,
        max_gap_s=max_gap_s,
        method=method,
        times_s=(edges_s[:-1] + edges_s[1:]) / 2,
        segments=segments,
    )
    return np.where(made.mask, made.signal, 0.0), made.mask


def _sample_range(reader: RecordReader, info: SeriesInfo, start_s: float, stop_s: float) -> tuple[int, int]:
    """Return the samples with stamps in [start_s, stop_s)."""
    if info.clock == "stamps":
        # Kept in memory: a window must not read a million stamps to find a hundred.
        stamps = reader.constant(f"{info.group}/time")
        low, high = np.searchsorted(stamps, [start_s, stop_s], side="left").tolist()
        return low, high
    if info.rate_hz is not None:
        # Times far outside are first brought near, where exact arithmetic has finite numbers to work with.
        end = info.start_s + float(Fraction(info.n_samples) / info.rate_hz) + 1.0
        start_s, stop_s = (min(max(at, info.start_s - 1.0), end) for at in (start_s, stop_s))
    return SeriesReader(reader, info).sample_range(start_s, stop_s)
