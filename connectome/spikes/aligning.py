"""Counts around moments: one row of bins per trial, and their mean over trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .binning import counts_between
from .edges import Seconds, bin_edges, exact_seconds
from .observed import observed_fraction

if TYPE_CHECKING:
    from .trains import SpikeTrains

__all__ = ["Psth", "aligned_counts", "psth"]

Array = np.ndarray[Any, Any]


def aligned_counts(
    trains: SpikeTrains,
    onset_s: Array,
    *,
    before_s: Seconds,
    after_s: Seconds,
    width_s: Seconds,
    units: Array | None = None,
    dtype: Any = np.uint16,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Count events around moments.

    Parameters
    ----------
    trains : SpikeTrains
        Sorted events.
    onset_s : numpy.ndarray
        Shape (trial,), float64 seconds, finite; trials may overlap.
    before_s, after_s : int, float or fractions.Fraction
        Bins run from ``before_s`` before each moment to ``after_s`` after it; either may be negative.
    width_s : int, float or fractions.Fraction
        Width of a bin; ``before_s + after_s`` is a multiple of it.
    units, dtype
        As for :func:`~connectome.spikes.bin_counts`.

    Returns
    -------
    counts : numpy.ndarray
        Shape (trial, unit, bin).
    mask : numpy.ndarray
        Shape (trial, bin), bool: False where the bin was not observed from end to end by all the units counted;
        ``trains.observed`` tells units apart.

    Raises
    ------
    UsageError
        When an onset is not finite, or the bins do not fill the span.
    """
    counts, edges = _aligned(
        trains, onset_s, before_s=before_s, after_s=after_s, width_s=width_s, units=units, dtype=dtype
    )
    observed = trains.observed_s if trains.observed is None else trains.observed.of(units).shared
    if observed is None:
        return counts, np.ones((counts.shape[0], counts.shape[2]), dtype=bool)
    return counts, observed_fraction(observed, edges[:, :-1], edges[:, 1:]) == 1.0


def _aligned(
    trains: SpikeTrains, onset_s: Array, *, before_s: Seconds, after_s: Seconds, width_s: Seconds,
    units: Array | None, dtype: Any,
) -> tuple[Array, Array]:  # fmt: skip
    """Return the counts (trial, unit, bin), and the edges (trial, bin + 1) in seconds."""
    onset = np.asarray(onset_s, dtype=np.float64)
    if onset.ndim != 1 or not np.isfinite(onset).all():
        raise UsageError(
            "not moments to align to", subject="onset_s", expected="finite seconds", hint="leave out trials without one"
        )
    before, width = exact_seconds(before_s, subject="before_s"), exact_seconds(width_s, subject="width_s")
    n_bins = (before + exact_seconds(after_s, subject="after_s")) / width if width > 0 else None
    if n_bins is None or n_bins.denominator != 1 or n_bins <= 0:
        raise UsageError(
            "the span is not a whole number of bins",
            subject="width_s",
            expected="a divisor of before_s + after_s",
            found=f"{width_s} in {before_s} + {after_s}",
        )
    count = int(n_bins)
    edges = (
        np.stack([bin_edges(exact_seconds(at, subject="onset_s") - before, width, count) for at in onset.tolist()])
        if len(onset)
        else np.zeros((0, count + 1))
    )
    bounds = trains.locate(edges)
    counts = counts_between(trains, bounds[:, :-1].ravel(), bounds[:, 1:].ravel(), units=units, dtype=dtype)
    return counts.reshape(len(counts), len(onset), count).transpose(1, 0, 2), edges


@dataclass(frozen=True)
class Psth:
    """Peri-stimulus time histogram: mean rates around moments."""

    rate_hz: Array
    """Shape (unit, bin), float64; NaN where no trial was observed."""
    sem_hz: Array
    """Shape (unit, bin): standard error of the mean over trials; NaN below two trials."""
    n_trials: Array
    """Shape (bin,): trials that count, those observed through the whole bin; (unit, bin) where units were watched at
    different times."""
    centre_s: Array
    """Shape (bin,): middle of each bin relative to the moment."""


def psth(
    trains: SpikeTrains,
    onset_s: Array,
    *,
    before_s: Seconds,
    after_s: Seconds,
    width_s: Seconds,
    units: Array | None = None,
) -> Psth:
    """Average events around moments; parameters as for :func:`aligned_counts`."""
    counts, edges = _aligned(
        trains, onset_s, before_s=before_s, after_s=after_s, width_s=width_s, units=units, dtype=np.uint32
    )
    mask = np.ones((counts.shape[0], counts.shape[2]), dtype=bool)
    if trains.observed is not None:
        mask = trains.observed.of(units).whole(edges[:, :-1], edges[:, 1:])
        mask = mask.transpose(1, 0, 2) if mask.ndim == 3 else mask
    elif trains.observed_s is not None:
        mask = observed_fraction(trains.observed_s, edges[:, :-1], edges[:, 1:]) == 1.0
    by_unit = mask if mask.ndim == 3 else mask[:, None, :]
    width, weight = float(exact_seconds(width_s, subject="width_s")), by_unit.astype(np.float64)
    n_trials = mask.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (counts * weight).sum(axis=0) / n_trials
        spread = (((counts - mean) ** 2) * weight).sum(axis=0) / (n_trials - 1)
        sem = np.where(n_trials > 1, np.sqrt(spread / n_trials), np.nan)
    own = bin_edges(-exact_seconds(before_s, subject="before_s"), width_s, mask.shape[-1])
    return Psth(mean / width, sem / width, n_trials, (own[:-1] + own[1:]) / 2)
