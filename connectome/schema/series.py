"""The kind ``series``: samples of many channels on one clock.

``signal(channel, time)`` keeps the source's dtype; integer samples carry ``gain`` and ``offset`` per channel
(physical value = ``signal * gain + offset``). The clock is either exact (``rate_hz_numerator`` over
``rate_hz_denominator`` and ``start_s``) or the source's own stamps in ``time(time)``, float64 seconds. Where a source
gives neither, samples are only numbered (``clock`` is ``"frame"`` and the first sample is frame ``frame_start``) and
facts in seconds are None: no time is made up. Parts of a recording with nothing between them are rows of the segment
table; samples that were never taken are ``False`` in ``valid``. Nothing is resampled on the way in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import xarray as xr

from connectome.errors import NotFoundError

from .columns import Layout, Problem, check_columns, column

KIND = "series"
VERSION = "1"
FRAME_CLOCK = "frame"
CHUNK_BYTES = 1 << 20
"""Aim for chunks of 1 MiB: between 0.5 and 4 MB decoding outweighs the cost of a call (``benchmarks/``)."""


def series(
    signal: np.ndarray[Any, Any],
    *,
    channel: Sequence[str],
    units: str,
    long_name: str,
    time_s: np.ndarray[Any, Any] | None = None,
    rate_hz: Fraction | None = None,
    start_s: float = 0.0,
    frame_start: int | None = None,
    channels: Mapping[str, xr.Variable] | None = None,
    gain: np.ndarray[Any, Any] | None = None,
    offset: np.ndarray[Any, Any] | None = None,
    valid: np.ndarray[Any, Any] | None = None,
    segments: Sequence[tuple[int, int]] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make a series group.

    Parameters
    ----------
    signal : numpy.ndarray
        Shape (channel, time), in the source's dtype.
    channel : sequence of str
        A unique id per channel.
    units, long_name : str
        Of the physical signal. Where units differ, say so per channel in ``channels["channel_unit"]``.
    time_s : numpy.ndarray, optional
        Shape (time,), float64 seconds: the source's own stamps. Give this, ``rate_hz`` or ``frame_start``.
    rate_hz : fractions.Fraction, optional
        The exact sampling rate in Hz.
    start_s : float
        Time of the first sample in seconds, for ``rate_hz``.
    frame_start : int, optional
        Number of the first sample as the source counts them, where it says nothing about seconds.
    channels : mapping of str to xarray.Variable, optional
        The channel table: variables whose first dimension is ``channel``.
    gain, offset : numpy.ndarray, optional
        Shape (channel,), float64; for stored numbers that the source scales (all integers, and the float32 of
        BrainVision with a resolution other than 1). Physical value = stored * gain + offset.
    valid : numpy.ndarray, optional
        Bool of shape (time,) or (channel, time); ``False`` where no sample was taken.
    segments : sequence of (start, stop), optional
        Half-open sample ranges without gaps inside; default one range over everything.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset
    """
    variables: dict[str, Any] = {"signal": column(("channel", "time"), signal, long_name, units)}
    variables.update(channels or {})
    if gain is not None:
        variables["gain"] = column("channel", gain, "Physical units per stored step", units)
        zero = np.zeros(len(channel)) if offset is None else offset
        variables["offset"] = column("channel", zero, "Physical value of stored zero", units)
    if valid is not None:
        dims = ("time",) if valid.ndim == 1 else ("channel", "time")
        variables["valid"] = column(dims, valid.astype(bool), "Whether the sample was taken")
    if segments is not None:
        bounds = np.asarray(segments, dtype=np.int64).reshape(-1, 2)
        variables["segment_start"] = column("segment", bounds[:, 0], "First sample of the segment", "1")
        variables["segment_stop"] = column("segment", bounds[:, 1], "Sample after the last one of the segment", "1")
    coords: dict[str, Any] = {"channel": column("channel", list(channel), "Channel id")}
    clock: dict[str, Any] = {}
    if time_s is not None:
        coords["time"] = column("time", np.asarray(time_s, dtype=np.float64), "Time stamp as given by the source", "s")
    if rate_hz is not None:
        clock = {
            "rate_hz_numerator": rate_hz.numerator,
            "rate_hz_denominator": rate_hz.denominator,
            "start_s": float(start_s),
        }
    if frame_start is not None:
        clock.update({"clock": FRAME_CLOCK, "frame_start": int(frame_start)})
    return xr.Dataset(
        variables, coords=coords, attrs={"encoding-type": KIND, "encoding-version": VERSION, **clock, **attrs}
    )


def rate_hz(dataset: xr.Dataset) -> Fraction | None:
    """Return the exact sampling rate, or None where the clock is a list of stamps or counts frames only."""
    if "rate_hz_numerator" not in dataset.attrs:
        return None
    return Fraction(int(dataset.attrs["rate_hz_numerator"]), int(dataset.attrs["rate_hz_denominator"]))


def time_s(dataset: xr.Dataset, start: int = 0, stop: int | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the time stamps of samples ``start`` to ``stop`` in seconds, shape (stop - start,).

    Raises
    ------
    NotFoundError
        When the source states neither stamps nor a rate: frames are numbered from the attribute ``frame_start``.
    """
    if dataset.attrs.get("clock") == FRAME_CLOCK:
        raise NotFoundError(
            "the source gives frame numbers and no sampling rate, so there are no times in seconds",
            subject=str(dataset["signal"].attrs.get("long_name", "signal")),
            hint="count samples, or supply the rate from the authors",
        )
    stop = int(dataset.sizes["time"]) if stop is None else stop
    rate = rate_hz(dataset)
    if rate is None:
        stamps: np.ndarray[Any, np.dtype[np.float64]] = dataset["time"].isel(time=slice(start, stop)).values
        return stamps
    # Multiply before dividing: index * denominator is exact in float64, so equal indices give equal stamps.
    index = np.arange(start, stop, dtype=np.float64)
    return float(dataset.attrs["start_s"]) + index * rate.denominator / rate.numerator


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with a series group."""
    problems = check_columns(dataset, path)
    if "signal" not in dataset or dataset["signal"].dims != ("channel", "time"):
        found = str(dataset["signal"].dims) if "signal" in dataset else "none"
        return [*problems, Problem(f"{path}/signal", "a variable (channel, time)", found)]
    if dataset["signal"].dtype.kind not in "iufb":
        problems.append(Problem(f"{path}/signal", "numbers", str(dataset["signal"].dtype)))
    if "channel" not in dataset.coords:
        problems.append(Problem(f"{path}/channel", "channel ids", "none"))
    else:
        names = dataset["channel"].values
        if len(set(names.tolist())) != len(names):
            problems.append(Problem(f"{path}/channel", "unique channel ids", "duplicates"))
        if not all(isinstance(name, str) for name in names.tolist()):
            problems.append(Problem(f"{path}/channel", "channel ids in text", str(names.dtype)))
    for name in ("gain", "offset"):
        if name in dataset and (dataset[name].dims != ("channel",) or dataset[name].dtype.kind not in "iuf"):
            found = f"{dataset[name].dtype} {dataset[name].dims}"
            problems.append(Problem(f"{path}/{name}", "one number per channel", found))
    if ("gain" in dataset) != ("offset" in dataset):
        problems.append(Problem(f"{path}/gain", "gain and offset together", "one of them"))
    if "valid" in dataset:
        valid = dataset["valid"]
        if valid.dtype != bool or valid.dims not in {("time",), ("channel", "time")}:
            problems.append(Problem(f"{path}/valid", "truth along (channel,) time", f"{valid.dtype} {valid.dims}"))
    return problems + _check_clock(dataset, path) + _check_segments(dataset, path)


def _check_clock(dataset: xr.Dataset, path: str) -> list[Problem]:
    has_stamps, rate = "time" in dataset.coords, "rate_hz_numerator" in dataset.attrs
    numbered = "clock" in dataset.attrs
    clocks = [n for n, given in (("stamps", has_stamps), ("rate", rate), ("frame numbers", numbered)) if given]
    if len(clocks) != 1:
        found = " and ".join(clocks) or "none of them"
        return [Problem(f"{path}", "one clock: time stamps, an exact rate, or frame numbers", found)]
    if numbered:
        stated = (dataset.attrs["clock"], dataset.attrs.get("frame_start"))
        good = stated[0] == FRAME_CLOCK and isinstance(stated[1], int)
        return [] if good else [Problem(path, f"the clock {FRAME_CLOCK!r} and an integer frame_start", str(stated))]
    if rate:
        numbers = [dataset.attrs.get(f"rate_hz_{part}") for part in ("numerator", "denominator")]
        good = all(isinstance(number, int) and number > 0 for number in numbers)
        start = dataset.attrs.get("start_s")
        good = good and isinstance(start, (int, float)) and math.isfinite(start)
        return [] if good else [Problem(path, "a positive rate as a fraction, and start_s", f"{numbers}, {start}")]
    stamps = dataset["time"].values
    if stamps.dtype != np.float64 or not np.isfinite(stamps).all():
        return [Problem(f"{path}/time", "finite float64 seconds", str(stamps.dtype))]
    backwards = np.flatnonzero(np.diff(stamps) < 0)
    if backwards.size:
        at = int(backwards[0])
        return [Problem(f"{path}/time", "stamps that never go back", f"{stamps[at]} then {stamps[at + 1]} at {at}")]
    return []


def _check_segments(dataset: xr.Dataset, path: str) -> list[Problem]:
    given = [name for name in ("segment_start", "segment_stop") if name in dataset]
    if not given:
        return []
    whole = all(dataset[name].dims == ("segment",) and dataset[name].dtype.kind in "iu" for name in given)
    if len(given) == 1 or not whole or not dataset.sizes["segment"]:
        return [Problem(f"{path}/segment_start", "a start and a stop of one segment or more", " and ".join(given))]
    start, stop = dataset["segment_start"].values, dataset["segment_stop"].values
    n_samples = dataset.sizes["time"]
    good = (start < stop).all() and (start[1:] >= stop[:-1]).all() and start[0] >= 0 and stop[-1] <= n_samples
    return [] if good else [Problem(f"{path}/segment_start", "ordered ranges inside the signal", f"{start}, {stop}")]


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the facts of a series.

    Returns
    -------
    dict
        ``n_channels``, ``n_samples``, ``n_segments``, ``duration_s`` (samples over rate, or last minus first stamp),
        ``sampling_frequency_hz`` (exact, or one over the median step), ``regular``, ``dtype``, ``n_missing`` (NaN)
        and ``start_s`` (time of the first sample). Those in seconds are None where the clock counts frames only.
    """
    n_channels, n_samples = (int(dataset.sizes[dim]) for dim in ("channel", "time"))
    rate = rate_hz(dataset)
    duration: float | None
    start: float | None = None
    if rate is not None:
        duration, frequency, start = float(n_samples / rate), float(rate), float(dataset.attrs["start_s"])
    elif dataset.attrs.get("clock") == FRAME_CLOCK:
        duration, frequency = None, float("nan")
    else:
        stamps = dataset["time"].values
        steps = np.diff(stamps)
        duration = float(stamps[-1] - stamps[0]) if n_samples else 0.0
        start = float(stamps[0]) if n_samples else None
        step = float(np.median(steps)) if steps.size else 0.0
        frequency = 1.0 / step if step > 0 else float("nan")
    signal = dataset["signal"].variable
    return {
        "n_channels": n_channels,
        "n_samples": n_samples,
        "n_segments": int(dataset.sizes.get("segment", 1)),
        "start_s": start,
        "duration_s": duration,
        "sampling_frequency_hz": None if np.isnan(frequency) else frequency,
        "regular": rate is not None,
        "dtype": str(signal.dtype),
        "n_missing": _count_nan(signal),
    }


def _count_nan(signal: xr.Variable) -> int:
    if signal.dtype.kind != "f":
        return 0
    step = max(1, CHUNK_BYTES * 16 // max(1, signal.dtype.itemsize * signal.shape[0]))
    return sum(int(np.isnan(signal[:, at : at + step].values).sum()) for at in range(0, signal.shape[1], step))


def layout(variable: xr.Variable) -> Layout:
    """Chunk along time with all channels together; columns stay whole."""
    shape = tuple(max(1, size) for size in variable.shape)
    if variable.dims == ("channel", "time"):
        samples = max(1, CHUNK_BYTES // (variable.dtype.itemsize * shape[0]))
        return Layout((shape[0], min(samples, shape[1])), "lz4")
    if variable.dims == ("time",):
        return Layout((min(shape[0], CHUNK_BYTES // 8),), "zstd")
    return Layout(shape, "zstd")
