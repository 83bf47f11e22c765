"""A series group as training code reads it: its clock, its segments, and stretches of it as floats with a mask.

A sample counts (``mask`` is True) when its channel is there, it was taken (``valid``) and it is not NaN. Where it does
not count, the value is a stated fill and never to be used. Integer samples become physical values with the channel's
gain and offset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import NotFoundError, UsageError

from .records import check_kind

if TYPE_CHECKING:
    from .chunks import ArrayReader, RecordReader

__all__ = ["SeriesInfo", "SeriesReader", "describe_series"]

Array = np.ndarray[Any, Any]
Clock = Literal["rate", "stamps", "frame"]


@dataclass(frozen=True)
class SeriesInfo:
    """What is known of a series without reading its samples."""

    record: str
    group: str
    n_channels: int
    n_samples: int
    clock: Clock
    rate_hz: Fraction | None
    """Exact, where the clock is a rate."""
    start_s: float
    """Of the first sample, where the clock is a rate."""
    frequency_hz: float | None
    """The rate, or one over the median step of the stamps; None where frames are only numbered."""
    segments: tuple[tuple[int, int], ...]
    """Half-open ranges of samples without gaps inside."""
    valid: Literal["none", "time", "channel"]
    """Whether samples may be marked as not taken, for all channels together or for each."""
    complete: bool
    """Whether no sample is NaN."""
    scaled: bool
    """Whether the samples are integers with a gain and an offset."""
    segment_rate_hz: Fraction | None = None
    """Exact rate inside every segment, where one is stated: ``rate_hz``, or that of stamps that jump at gaps only."""
    segment_start_s: tuple[Fraction, ...] = ()
    """Seconds from the first sample of all to that of each segment, where ``segment_rate_hz`` is stated."""

    @property
    def clock_numbers(self) -> tuple[float, float, float]:
        """Numerator and denominator of the rate, and the time of the first sample; NaN without a rate."""
        if self.rate_hz is None:
            return math.nan, math.nan, math.nan
        return float(self.rate_hz.numerator), float(self.rate_hz.denominator), self.start_s

    def samples_per(self, duration_s: float) -> int:
        """Return how many samples a duration has at the record's own rate, rounded.

        Raises
        ------
        UsageError
            When the record has no clock in seconds, or the duration is shorter than half a sample.
        """
        if self.frequency_hz is None:
            raise UsageError(
                "the record counts frames and has no time in seconds",
                subject=self.record,
                place=self.group,
                expected="a length in samples",
                found=f"{duration_s} s",
                hint="give window= and stride= in samples instead of window_s= and stride_s=",
            )
        rate = self.segment_rate_hz or Fraction(self.frequency_hz)
        n_samples = round(Fraction(duration_s).limit_denominator(10**9) * rate)
        if n_samples < 1:
            raise UsageError(
                "a length in seconds is less than one sample",
                subject=self.record,
                place=self.group,
                expected=f"at least {1 / self.frequency_hz:.6g} s",
                found=f"{duration_s} s",
            )
        return n_samples


def describe_series(reader: RecordReader, *, record: str, group: str, complete: bool) -> SeriesInfo:
    """Read what a series says about itself.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    record, group : str
        Its name, and the path of the group.
    complete : bool
        Whether the facts of the version count no NaN in the group.

    Raises
    ------
    NotFoundError
        When the record has no such group.
    UsageError
        When the group is not a series.
    """
    attrs = reader.attributes(group)
    check_kind(attrs, "series", record=record, group=group)
    signal = reader.array(f"{group}/signal")
    n_channels, n_samples = signal.shape
    rate, clock, frequency = None, "frame", None
    if "rate_hz_numerator" in attrs:
        rate = Fraction(int(attrs["rate_hz_numerator"]), int(attrs["rate_hz_denominator"]))
        clock, frequency = "rate", float(rate)
    elif reader.has(f"{group}/time") and "segment_rate_hz_numerator" in attrs:
        # Not from the stamps: a night of them is larger than what a training process should read to begin with.
        clock = "stamps"
        frequency = int(attrs["segment_rate_hz_numerator"]) / int(attrs["segment_rate_hz_denominator"])
    elif reader.has(f"{group}/time"):
        clock = "stamps"
        steps = np.diff(reader.array(f"{group}/time").read())
        step = float(np.median(steps)) if steps.size else 0.0
        frequency = 1.0 / step if step > 0 else None
    segments: tuple[tuple[int, int], ...] = ((0, n_samples),)
    if reader.has(f"{group}/segment_start"):
        bounds = (reader.array(f"{group}/segment_{end}").read().tolist() for end in ("start", "stop"))
        segments = tuple(zip(*bounds, strict=True))
    inside, starts = rate, tuple(Fraction(begin) / rate for begin, _ in segments) if rate is not None else ()
    if rate is None and clock == "stamps" and "segment_rate_hz_numerator" in attrs and n_samples:
        inside = Fraction(int(attrs["segment_rate_hz_numerator"]), int(attrs["segment_rate_hz_denominator"]))
        stamps = reader.array(f"{group}/time")
        begins = [float(stamps.read([begin], [begin + 1])[0]) for begin, _ in segments]
        # A stamp is the double nearest to the source's decimal number of seconds.
        first = Fraction(repr(float(stamps.read([0], [1])[0])))
        starts = tuple(Fraction(repr(begin)) - first for begin in begins)
    n_valid_dims = len(reader.array(f"{group}/valid").shape) if reader.has(f"{group}/valid") else 0
    valid: tuple[Literal["none", "time", "channel"], ...] = ("none", "time", "channel")
    return SeriesInfo(
        record=record,
        group=group,
        n_channels=n_channels,
        n_samples=n_samples,
        clock=clock,  # type: ignore[arg-type]
        rate_hz=rate,
        start_s=float(attrs.get("start_s", 0.0)),
        frequency_hz=frequency,
        segments=segments,
        valid=valid[n_valid_dims],
        complete=complete or signal.dtype.kind != "f",
        scaled=reader.has(f"{group}/gain"),
        segment_rate_hz=inside,
        segment_start_s=starts,
    )


def write_times(time_s: Array, start: Any, clock: Any) -> None:
    """Write the time stamps of stretches whose clocks need no reading, as connectome.schema.series computes them.

    Parameters
    ----------
    time_s : numpy.ndarray
        Shape (..., time), float64: where they go, in seconds.
    start : int or numpy.ndarray
        First sample of each stretch.
    clock : sequence of float, or numpy.ndarray
        Last dimension 3: :attr:`SeriesInfo.clock_numbers`, of all stretches or of each.
    """
    numbers = np.asarray(clock, dtype=np.float64)[..., None]
    numerator, denominator, start_s = numbers[..., 0, :], numbers[..., 1, :], numbers[..., 2, :]
    np.add(np.asarray(start)[..., None], np.arange(time_s.shape[-1]), out=time_s, dtype=np.float64)
    # Multiplying first keeps equal indices equal.
    time_s *= denominator
    time_s /= numerator
    time_s += start_s


class SeriesReader:
    """Reads stretches of one series.

    Parameters
    ----------
    reader : RecordReader
        The record's file.
    info : SeriesInfo
        From :func:`describe_series`.
    fill : float
        Value of samples that do not count.
    """

    def __init__(self, reader: RecordReader, info: SeriesInfo, *, fill: float = 0.0) -> None:
        self._reader, self.info, self.fill = reader, info, fill
        self._signal: ArrayReader | None = None
        self._single: tuple[Array | None, Array | None] | None = None
        self._complete: bool | None = None

    def channels(self) -> list[str]:
        """Return the channel ids in stored order."""
        return [str(name) for name in self._reader.constant(f"{self.info.group}/channel").tolist()]

    def read_into(self, signal: Array, mask: Array, start: int, *, rows: Array | None = None) -> None:
        """Read a stretch of samples.

        Parameters
        ----------
        signal : numpy.ndarray
            Shape (channel, time), a float dtype: where the values go.
        mask : numpy.ndarray
            The same shape, bool: True where a sample counts.
        start : int
            First sample.
        rows : numpy.ndarray, optional
            Shape (channel,), integer: which stored channel each row is, -1 for one that the record does not have.
            Default all in stored order.
        """
        stop = start + signal.shape[1]
        present = None if rows is None else np.flatnonzero(rows >= 0)
        if rows is not None and present is not None and len(present) < len(rows):
            absent = rows < 0
            signal[absent], mask[absent] = self.fill, False
        if self._signal is None:
            self._signal = self._reader.array(f"{self.info.group}/signal")
        for values, place in self._signal.pieces(start, stop):
            if rows is None:
                self._physical(values, signal[:, place], None)
            else:
                part = np.empty((len(present), values.shape[1]), dtype=signal.dtype)  # type: ignore[arg-type]
                self._physical(values[rows[present]], part, rows[present])
                signal[present, place] = part
        self._mark(signal, mask, start, stop, rows, present)

    def _physical(self, values: Array, out: Array, rows: Array | None) -> None:
        """Write physical values of stored samples.

        16-bit samples for float32 are scaled in float32, in a third of the time: two roundings, which is at most a
        hundredth of a stored step. All else is computed in float64 and rounded once.
        """
        if not self.info.scaled:
            out[...] = values
        elif out.dtype == np.float32 and values.dtype.itemsize <= 2:
            gain, offset = self._in_single()
            if gain is None:
                out[...] = values
            else:
                # Cast and scaled in one pass, a few thousand samples at a time.
                np.multiply(values, gain if rows is None else gain[rows], out=out)
            if offset is not None:
                np.add(out, offset if rows is None else offset[rows], out=out)
        else:
            gain, offset = (self._reader.constant(f"{self.info.group}/{name}")[:, None] for name in ("gain", "offset"))
            out[...] = values * gain + offset if rows is None else values * gain[rows] + offset[rows]

    def _in_single(self) -> tuple[Array | None, Array | None]:
        """Return gain and offset as float32, shape (channel, 1); None where they are 1 and 0 and change nothing."""
        if self._single is None:
            gain, offset = (self._reader.constant(f"{self.info.group}/{name}")[:, None] for name in ("gain", "offset"))
            gain, offset = gain.astype(np.float32), offset.astype(np.float32)
            self._single = (gain if (gain != 1).any() else None, offset if offset.any() else None)
        return self._single

    def _all_numbers(self) -> bool:
        """Tell whether every sample is a number: integers are, unless the scale of their channel is unknown."""
        if self._complete is None:
            names = ("gain", "offset") if self.info.scaled else ()
            scale = [self._reader.constant(f"{self.info.group}/{name}") for name in names]
            self._complete = self.info.complete and all(bool(np.isfinite(values).all()) for values in scale)
        return self._complete

    def _mark(
        self, signal: Array, mask: Array, start: int, stop: int, rows: Array | None, present: Array | None
    ) -> None:
        here: Any = slice(None) if rows is None else present
        mask[here] = True
        complete = self._all_numbers()
        if not complete:
            mask[here] = ~np.isnan(signal[here])
        if self.info.valid != "none":
            valid = self._reader.array(f"{self.info.group}/valid")
            if self.info.valid == "time":
                mask[here] &= valid.read([start], [stop])
            else:
                taken = valid.read([0, start], [self.info.n_channels, stop])
                mask[here] &= taken if rows is None else taken[rows[present]]
        if not complete or self.info.valid != "none":
            np.copyto(signal, self.fill, where=~mask)

    def times_into(self, time_s: Array, start: int) -> None:
        """Read time stamps in seconds, float64; NaN where the record only counts frames."""
        if self.info.clock == "stamps":
            self._reader.array(f"{self.info.group}/time").read_into(time_s, [start])
        else:
            write_times(time_s, start, self.info.clock_numbers)

    def sample_range(self, start_s: float, stop_s: float) -> tuple[int, int]:
        """Return the half-open range of samples whose stamps lie in [start_s, stop_s).

        Raises
        ------
        NotFoundError
            When the record has no clock in seconds.
        """
        info = self.info
        if info.clock == "frame":
            raise NotFoundError(
                "a stretch in seconds cannot be found in a record that only counts frames",
                subject=info.record,
                place=info.group,
                found=f"{start_s} s to {stop_s} s",
                hint="split such records as a whole",
            )
        if info.clock == "stamps":
            stamps = self._reader.array(f"{info.group}/time").read()
            low, high = np.searchsorted(stamps, [start_s, stop_s], side="left")
            return int(low), int(high)
        return self._first_at(start_s), self._first_at(stop_s)

    def _first_at(self, time_s: float) -> int:
        """Return the first sample at or after a time, by the stamps as they are computed."""
        info = self.info
        assert info.rate_hz is not None
        guess = int((Fraction(time_s) - Fraction(info.start_s)) * info.rate_hz)
        low, high = (min(max(guess + step, 0), info.n_samples) for step in (-2, 3))
        near = np.empty(high - low, dtype=np.float64)
        self.times_into(near, low)
        return low + int(np.searchsorted(near, time_s, side="left"))
