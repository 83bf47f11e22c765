"""Number, mean and spread of samples, merged in pieces and followed through time without looking ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Moments", "causal_moments"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moments:
    """Number, mean and summed squared deviation of samples, per channel or element."""

    n: Array
    mean: Array
    squares: Array

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets together (Chan, Golub and LeVeque, Am. Stat. 37:242 (1983))."""
        n = self.n + other.n
        share = np.divide(other.n, n, out=np.zeros(np.broadcast(n, other.n).shape), where=n > 0)
        step = other.mean - self.mean
        return Moments(n, self.mean + step * share, self.squares + other.squares + step**2 * self.n * share)

    def std(self) -> Array:
        """Return the standard deviation (over n)."""
        variance: Array = np.divide(self.squares, self.n, out=np.zeros(np.shape(self.n)), where=self.n > 0)
        return np.sqrt(variance)

    @classmethod
    def none(cls, n_channels: int) -> Moments:
        """Return the moments of no sample."""
        return cls(*(np.zeros(n_channels) for _ in range(3)))

    @classmethod
    def of(cls, signal: Array, mask: Array) -> Moments:
        """Return the moments of every channel over the samples that count."""
        n = mask.sum(axis=1).astype(np.float64)
        total = np.where(mask, signal, 0.0).sum(axis=1)
        mean = np.divide(total, n, out=np.zeros_like(total), where=n > 0)
        return cls(n, mean, np.where(mask, (signal - mean[:, None]) ** 2, 0.0).sum(axis=1))


def causal_moments(signal: Array, mask: Array, before: Moments) -> Moments:
    """Return the moments of all samples up to and including every sample.

    Parameters
    ----------
    signal, mask : numpy.ndarray
        Shape (channel, time), float64 and bool.
    before : Moments
        Of the samples before the first, shape (channel,).

    Returns
    -------
    Moments
        Of shape (channel, time). Nothing in column ``t`` depends on a later column, down to the last bit.
    """
    n_channels, n_samples = signal.shape
    if not n_samples:
        return Moments(*(np.zeros((n_channels, 0)) for _ in range(3)))
    seen_before, mean_before, squares_before = (part[:, None] for part in (before.n, before.mean, before.squares))
    n = seen_before + np.cumsum(mask, axis=1, dtype=np.float64)
    # Sums are taken around a value that is known by then: the mean so far, else the first sample that counts.
    opening = np.take_along_axis(signal, np.asarray(mask.argmax(axis=1))[:, None], axis=1)
    around = np.where(seen_before > 0, mean_before, np.where(np.asarray(mask.any(axis=1))[:, None], opening, 0.0))
    away = np.where(mask, signal - around, 0.0)
    total, squares = np.cumsum(away, axis=1), np.cumsum(away**2, axis=1)
    step = total / np.maximum(n, 1.0)
    # Before the first sample that counts, the value that it is summed around must not show.
    mean = np.where(n > 0, around + step, mean_before)
    return Moments(n, mean, np.maximum(squares_before + squares - total * step, 0.0))
