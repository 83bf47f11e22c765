"""Filters of recordings: what is asked for, its coefficients at a recording's rate, and how far it reaches.

A filter acts on a run of samples without a gap; the samples beyond its ends are mirrored through the end (odd
reflection), as MNE does. How a run is cut into windows never matters: see
:mod:`connectome.loaders.recordings.filtering`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np

from connectome.errors import UsageError

__all__ = ["Applied", "Filter", "Polyphase", "as_filters", "polyphase"]

Array = np.ndarray[Any, Any]
FilterKind = Literal["fir", "butterworth"]
HAMMING_FACTOR = 3.3
"""Length of a Hamming-windowed FIR filter times its transition band (as a part of the rate); Ifeachor and Jervis 2002,
*Digital Signal Processing*, table 7.3, and :func:`mne.filter.create_filter`."""
SETTLED = 1e-13
"""A recursive filter has settled when its slowest mode has decayed to this part."""
EDGE_SETTLED = 1e-3
"""The same for how many samples are mirrored at the ends of a run. :func:`mne.filter.estimate_ringing_samples` looks at
the impulse response instead of the slowest mode and mirrors less, so values near the ends differ a little."""
KAISER_BETA = 5.0
HALF_WIDTH = 10
"""Of the low-pass of the polyphase resampler, in samples of the slower clock (:func:`scipy.signal.resample_poly`)."""
MAX_FACTOR = 100_000
"""Largest factor of a change of rate; its low-pass has 20 times as many coefficients."""


class Applied(Protocol):
    """A filter at one rate."""

    before: int
    """Samples before a sample that its filtered value depends on."""
    after: int
    """And after it."""

    def __call__(self, run: Array) -> Array:
        """Filter a run of shape (channel, time), float64."""
        ...


@dataclass(frozen=True)
class Filter:
    """A high-pass, low-pass, band-pass or band-stop filter.

    Parameters
    ----------
    low_hz, high_hz : float, optional
        Edges of the band that passes (with ``stop``, of the one that does not); give one for a high-pass (``low_hz``)
        or a low-pass (``high_hz``).
    kind : {"fir", "butterworth"}
        A Hamming-windowed sinc, or a recursive filter in second-order sections.
    stop : bool
        Whether the band between the edges is removed instead of kept: mains hum.
    causal : bool
        Whether no value may depend on later samples. A causal FIR filter delays by half its length and a causal
        Butterworth filter by its phase; otherwise both have zero phase, the Butterworth filter by running both ways,
        which doubles its order.
    order : int
        Of a Butterworth filter, one way.
    transition_hz : float, optional
        Width of the transition bands of a FIR filter; default a quarter of the edge, but at least 2 Hz and never
        beyond 0 Hz or half the rate, as MNE does.

    Raises
    ------
    UsageError
        When it is no filter.

    Notes
    -----
    A FIR filter has -6 dB in the middle of its transition band, which lies outside the band that passes. A zero-phase
    Butterworth filter has -6 dB at its edges, a causal one -3 dB.
    """

    low_hz: float | None = None
    high_hz: float | None = None
    kind: FilterKind = "fir"
    stop: bool = False
    causal: bool = False
    order: int = 4
    transition_hz: float | None = None

    def __post_init__(self) -> None:
        edges = [edge for edge in (self.low_hz, self.high_hz) if edge is not None]
        usable = bool(edges) and all(math.isfinite(edge) and edge > 0 for edge in edges) and sorted(set(edges)) == edges
        if not usable or (self.stop and len(edges) < 2):
            raise UsageError(
                "not a band", subject="Filter", expected="0 < low_hz < high_hz, or one of them (both for stop=True)",
                found=f"low_hz={self.low_hz}, high_hz={self.high_hz}",
            )  # fmt: skip
        if self.kind not in {"fir", "butterworth"} or self.order < 1:
            raise UsageError("no such filter", subject="Filter", expected="fir or butterworth, order 1 or more",
                             found=f"{self.kind}, order {self.order}")  # fmt: skip
        if self.transition_hz is not None and not self.transition_hz > 0:
            raise UsageError("a transition has a width", subject="transition_hz", found=str(self.transition_hz))

    def at(self, rate_hz: Fraction, *, subject: str = "Filter") -> Applied:
        """Return the filter at a rate.

        Raises
        ------
        UsageError
            When an edge lies at or above half the rate.
        """
        highest = max(edge for edge in (self.low_hz, self.high_hz) if edge is not None)
        if highest >= rate_hz / 2:
            raise UsageError(
                "the filter lies beyond half the rate", subject=subject, expected=f"below {float(rate_hz / 2):g} Hz",
                found=f"{highest:g} Hz", hint="choose records by rate, or another filter",
            )  # fmt: skip
        return _fir(self, rate_hz) if self.kind == "fir" else _butterworth(self, rate_hz)

    def description(self) -> dict[str, Any]:
        """Return what was asked for, as JSON values."""
        return {"filter": type(self).__name__, **asdict(self)}


def as_filters(given: Filter | Sequence[Filter] | None) -> tuple[Filter, ...]:
    """Return filters in the order in which they act.

    Raises
    ------
    UsageError
        When something is not a filter, or some are causal and others not.
    """
    found = () if given is None else (given,) if isinstance(given, Filter) else tuple(given)
    wrong = [item for item in found if not isinstance(item, Filter)]
    if wrong:
        raise UsageError("not a filter", subject="filters", expected="Filter(...)", found=repr(wrong[0]))
    if len({item.causal for item in found}) > 1:
        raise UsageError("one filter looks ahead, so the chain does", subject="filters", hint="causal=True for all")
    return found


@lru_cache(maxsize=256)
def _fir(wanted: Filter, rate_hz: Fraction) -> _Fir:
    return _Fir(_windowed_sinc(wanted, float(rate_hz)), causal=wanted.causal)


def _windowed_sinc(wanted: Filter, rate_hz: float) -> Array:
    """Return coefficients: low-passes at the middle of each transition, added and taken away.

    Each has the length that its own transition needs, so a band-pass has a sharp low edge and a short high one; this
    is what :func:`mne.filter.create_filter` makes with ``fir_design="firwin"``.
    """
    from scipy.signal import firwin

    half = rate_hz / 2
    low, high = wanted.low_hz, wanted.high_hz
    outer_low, outer_high = (high, low) if wanted.stop else (low, high)
    steps: list[tuple[float, float, int]] = []
    narrowest = math.inf
    for edge, rising in ((outer_low, True), (outer_high, False)):
        if edge is None:
            continue
        # Transitions lie outside the band that passes, and inside that which is removed.
        limit = (high - low) / 2 if wanted.stop and low and high else edge if rising else half - edge
        width = wanted.transition_hz if wanted.transition_hz is not None else min(max(0.25 * edge, 2.0), limit)
        if width > limit:
            raise UsageError("the transition does not fit", subject="transition_hz", expected=f"at most {limit:g} Hz",
                             found=f"{width:g} Hz")  # fmt: skip
        middle = edge + width / 2 * (-1 if rising else 1)
        length = round(HAMMING_FACTOR / (width / rate_hz))
        narrowest = min(narrowest, width)
        steps.append((middle, 1.0 if rising else -1.0, length + 1 - length % 2))
    size = math.ceil(HAMMING_FACTOR / narrowest * rate_hz)
    size = max(size + 1 - size % 2, *(length for *_, length in steps))
    taps = np.zeros(size)
    # At half the rate a filter passes if its last transition rises.
    if max(steps)[1] > 0:
        taps[size // 2] = 1.0
    for middle, sign, length in steps:
        begin = (size - length) // 2
        taps[begin : begin + length] -= sign * firwin(length, middle, window="hamming", pass_zero=True, fs=rate_hz)
    return taps


class _Fir:
    def __init__(self, taps: Array, *, causal: bool) -> None:
        self.taps, self.causal = taps, causal
        self.before = len(taps) - 1 if causal else len(taps) // 2
        self.after = 0 if causal else len(taps) // 2

    def __call__(self, run: Array) -> Array:
        from scipy.signal import lfilter, oaconvolve

        if self.causal:
            # What came before is not known; the first value stands for it. Not by Fourier transforms, whose rounding
            # would carry something of later samples back.
            wide = np.concatenate([np.repeat(run[:, :1], self.before, axis=1), run], axis=1)
            late: Array = lfilter(self.taps, [1.0], wide, axis=-1)[:, self.before :]
            return late
        made: Array = oaconvolve(_reflected(run, self.before, self.after), self.taps[None], mode="valid", axes=-1)
        return made


def _reflected(run: Array, before: int, after: int) -> Array:
    """Mirror a run through its ends; where it is too short for that, zeros follow."""
    left, right = (min(size, run.shape[1] - 1) for size in (before, after))
    return np.concatenate(
        [
            np.zeros((len(run), before - left)),
            2 * run[:, :1] - run[:, left:0:-1],
            run,
            2 * run[:, -1:] - run[:, -2 : -2 - right : -1],
            np.zeros((len(run), after - right)),
        ],
        axis=1,
    )


@lru_cache(maxsize=256)
def _butterworth(wanted: Filter, rate_hz: Fraction) -> _Recursive:
    from scipy.signal import butter, sos2zpk

    edges = [edge for edge in (wanted.low_hz, wanted.high_hz) if edge is not None]
    kind = "bandstop" if wanted.stop else "bandpass" if len(edges) == 2 else "highpass" if wanted.low_hz else "lowpass"
    sections = butter(wanted.order, edges if len(edges) == 2 else edges[0], btype=kind, fs=float(rate_hz), output="sos")
    slowest = float(np.abs(sos2zpk(sections)[1]).max())
    return _Recursive(sections, slowest, causal=wanted.causal)


class _Recursive:
    def __init__(self, sections: Array, slowest: float, *, causal: bool) -> None:
        self.sections, self.causal = sections, causal
        reach, self._mirrored = (
            max(1, math.ceil(math.log(part) / math.log(slowest))) if slowest > 0 else 1
            for part in (SETTLED, EDGE_SETTLED)
        )
        # Forwards and back each settle in that time.
        self.before, self.after = (reach, 0) if causal else (2 * reach, 2 * reach)

    def __call__(self, run: Array) -> Array:
        from scipy.signal import sosfilt, sosfilt_zi, sosfiltfilt

        if not self.causal:
            made: Array = sosfiltfilt(self.sections, run, axis=-1, padlen=min(self._mirrored, run.shape[1] - 1))
            return made
        begin = sosfilt_zi(self.sections)[:, None, :] * run[None, :, :1]
        made, _ = sosfilt(self.sections, run, axis=-1, zi=begin)
        return made


@dataclass(frozen=True)
class Polyphase:
    """A change of rate by ``up / down``, in lowest terms.

    The low-pass is that of :func:`scipy.signal.resample_poly` (windowed sinc, -6 dB at half the slower rate) with the
    gain of each phase set to one for a constant.
    """

    up: int
    down: int
    picks: bool = False
    """Whether every ``down``-th sample is taken as it is, which needs no later sample."""

    @property
    def reach(self) -> int:
        """Samples of the old clock on both sides that a new one depends on."""
        return 0 if self.picks else self._half // self.up + 1

    @property
    def _half(self) -> int:
        return HALF_WIDTH * max(self.up, self.down)

    def __call__(self, run: Array, first: int) -> tuple[Array, int]:
        """Resample a run.

        Parameters
        ----------
        run : numpy.ndarray
            Shape (channel, time), float64.
        first : int
            Place of its first sample, counted from sample 0 of the new clock.

        Returns
        -------
        values : numpy.ndarray
            New samples at or between the run's first and last one.
        start : int
            Number of the first of them.
        """
        start, stop = new_samples(first, first + run.shape[1], self.up, self.down)
        if stop <= start:
            return np.zeros((len(run), 0)), start
        if self.picks:
            return run[:, start * self.down - first :: self.down], start
        from scipy.signal import upfirdn

        taps = _low_pass(self.up, self.down)
        # The widened run begins on a sample of both clocks.
        pad = self.reach
        pad += (first - pad) % self.down
        wide = _reflected(run, pad, self.reach + 1)
        begin = (first - pad) // self.down * self.up
        skipped = (self._half + -self._half % self.down) // self.down
        made: Array = upfirdn(
            np.concatenate([np.zeros(-self._half % self.down), taps]), wide, self.up, self.down, axis=-1
        )
        place = skipped + start - begin
        return made[:, place : place + stop - start], start


def new_samples(begin: int, end: int, up: int, down: int) -> tuple[int, int]:
    """Return the new samples that lie at or between the first and the last of ``[begin, end)``, half-open."""
    return -(-begin * up // down), (end - 1) * up // down + 1


@lru_cache(maxsize=64)
def _low_pass(up: int, down: int) -> Array:
    from scipy.signal import firwin

    most = max(up, down)
    taps: Array = firwin(2 * HALF_WIDTH * most + 1, 1.0 / most, window=("kaiser", KAISER_BETA))
    # Every phase has a gain of one for a constant: otherwise an offset of the signal becomes a ripple.
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    return taps


def polyphase(old_hz: Fraction, new_hz: Fraction, filters: Sequence[Filter], *, subject: str) -> Polyphase | None:
    """Return the change from one rate to another; None where they are equal.

    Raises
    ------
    UsageError
        When the ratio is too odd, or a causal chain is to be resampled by something that looks ahead or without a
        low-pass below half the new rate.
    """
    ratio = new_hz / old_hz
    if ratio == 1:
        return None
    if max(ratio.numerator, ratio.denominator) > MAX_FACTOR:
        raise UsageError(
            "the ratio of the rates is not one of small numbers", subject=subject, place="resample_hz",
            expected=f"factors up to {MAX_FACTOR}", found=str(ratio),
        )  # fmt: skip
    causal = any(item.causal for item in filters)
    if causal:
        lowest = min((item.high_hz for item in filters if item.high_hz is not None and not item.stop), default=math.inf)
        if ratio.numerator != 1 or lowest > new_hz / 2:
            raise UsageError(
                "causal resampling takes every n-th sample after a causal low-pass", subject=subject,
                expected=f"a whole factor and Filter(high_hz=...) up to {float(new_hz / 2):g} Hz",
                found=f"factor {1 / ratio}, low-pass at {lowest:g} Hz",
            )  # fmt: skip
    return Polyphase(ratio.numerator, ratio.denominator, picks=causal)
