"""Integer ticks for spike times in seconds, where they are proved to give back every bit of the source.

A time as float64 is replaced by a tick only if ``tick * denominator / numerator``, in the very arithmetic by which a
record is read back, is the same float64, bit for bit, for all spikes. Rates are tried in a fixed order: those that the
source states, then those in ``CANDIDATES_HZ``, then those in ``BINARY_HZ``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["BINARY_HZ", "CANDIDATES_HZ", "TickSearch", "exact_ticks", "to_ticks"]

Array = np.ndarray[Any, Any]

CANDIDATES_HZ: tuple[Fraction, ...] = tuple(
    Fraction(rate)
    for rate in ("1000000", "100000", "30000", "25000", "20000", "32000", "40000", "390625/16", "10000000", "100000000",
                 "1000000000")
)  # fmt: skip
"""Whole microseconds; tens of them; usual rates of amplifiers (24414.0625 Hz is Tucker-Davis'); finer decimals."""
BINARY_HZ: tuple[Fraction, ...] = tuple(Fraction(2**bits) for bits in (40, 44, 48))
"""Last resort: a float64 without finer bits is a whole number of these, and needs less space as one. From 16 s on,
every float64 is a multiple of 2**-48 s."""
_FEW = 4096
_LARGEST, _LARGEST_BINARY = float(2**53), float(2**62)
"""Products of ticks are exact below; powers of two scale any float64 exactly, while it fits into int64."""


def exact_ticks(times_s: Array, stated_hz: Iterable[Fraction | float] = ()) -> tuple[Array, Fraction] | None:
    """Return ticks that reproduce times exactly, and their rate; None where no candidate does.

    Parameters
    ----------
    times_s : numpy.ndarray
        Shape (event,), float64 seconds, finite.
    stated_hz : iterable of Fraction or float
        Rates that the source states; a float is taken as the decimal number it is written as.

    Returns
    -------
    tuple of (numpy.ndarray, fractions.Fraction) or None
        Shape (event,), int64; ticks per second.
    """
    for rate in _candidates(stated_hz):
        if _proved(times_s[:_FEW], rate) is not None:
            ticks = _proved(times_s, rate)
            if ticks is not None:
                return ticks, rate
    return None


class TickSearch:
    """The same for times that come in blocks: which rate reproduces all of them.

    Parameters
    ----------
    stated_hz : iterable of Fraction or float
        As for :func:`exact_ticks`.
    """

    def __init__(self, stated_hz: Iterable[Fraction | float] = ()) -> None:
        self._left = list(_candidates(stated_hz))

    def add(self, times_s: Array) -> None:
        """Take in a block: shape (event,), float64 seconds, finite."""
        self._left = [
            rate
            for rate in self._left
            if _proved(times_s[:_FEW], rate) is not None and _proved(times_s, rate) is not None
        ]

    @property
    def rate(self) -> Fraction | None:
        """The first candidate that reproduces every time so far; None where none does."""
        return self._left[0] if self._left else None


def to_ticks(times_s: Array, rate: Fraction) -> Array:
    """Return the ticks, int64, of times that ``rate`` is proved to reproduce."""
    return np.rint(times_s * rate.numerator / rate.denominator).astype(np.int64)


def _candidates(stated_hz: Iterable[Fraction | float]) -> Sequence[Fraction]:
    stated = [rate if isinstance(rate, Fraction) else Fraction(str(float(rate))) for rate in stated_hz]
    return list(dict.fromkeys([*(rate for rate in stated if rate > 0), *CANDIDATES_HZ, *BINARY_HZ]))


def _proved(times_s: Array, rate: Fraction) -> Array | None:
    ticks = np.rint(times_s * rate.numerator / rate.denominator)
    largest = _LARGEST_BINARY if rate in BINARY_HZ else _LARGEST
    if ticks.size and np.abs(ticks).max() * max(rate.denominator, 1) >= largest:
        return None
    back = 0.0 + ticks * rate.denominator / rate.numerator
    # Compared as bits: -0.0 equals 0.0, but no tick gives it back.
    return ticks.astype(np.int64) if np.array_equal(back.view(np.int64), times_s.view(np.int64)) else None
