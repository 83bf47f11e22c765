"""A picture of events: a raster of all units, with the rate of all of them together below."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.spikes import SpikeTrains, bin_counts

from .figure import literal, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from connectome.spikes import ObservedTime

__all__ = ["raster"]

MAX_TICKS = 200_000
"""Events that are drawn one by one; of more, the picture shows their number per pixel."""
MAX_LABELS = 40
N_BINS = 200
N_COLUMNS = 1500
UNSEEN = "#e4e4e4"
Array = np.ndarray[Any, Any]


def raster(dataset: xr.Dataset, *, title: str = "") -> Figure:
    """Draw every event of every unit, and the rate of all units.

    Parameters
    ----------
    dataset : xarray.Dataset
        An events group.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure
        Units in the order of the group, the first on top, silent ones too. Times in which a unit was not watched are
        grey in its row; below, those in which not all were, and the rate is that over the observed part of each bin.
    """
    trains = SpikeTrains.of(dataset)
    n_events, n_units = len(trains), trains.n_units
    observed = np.stack([dataset["observed_start"].values, dataset["observed_stop"].values], axis=1)
    ends = [trains.seconds(part) for part in (slice(0, 1), slice(max(n_events - 1, 0), n_events))]
    apart = [] if trains.observed is None else [one.ravel() for one in trains.observed.sets]
    bounds = np.concatenate([*ends, observed.ravel(), *apart])
    low, high = (float(bounds.min()), float(bounds.max())) if bounds.size else (0.0, 1.0)
    high = high if high > low else low + 1.0
    height = min(9.0, max(3.2, 2.2 + 0.09 * n_units))
    figure = new_figure(9.0, height)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[height - 2.1, 1.1])
    _shade_unseen(bottom, observed, low, high)
    if trains.observed is None:
        _shade_unseen(top, observed, low, high)
    else:
        _shade_unseen_rows(top, trains.observed, low, high)
    if n_events <= MAX_TICKS:
        # Half of the mean distance of a unit's events, so that neighbours stay apart where they can.
        points, unit = 0.5 * 7.5 * 72 * n_units / max(n_events, 1), np.asarray(trains.unit, dtype=np.int64)
        top.vlines(trains.seconds(), unit - 0.42, unit + 0.42, color="black", linewidth=min(0.8, max(0.15, points)))
    else:
        _density(figure, top, trains, bounds=(low, high))
    top.set_ylim(n_units - 0.5, -0.5)
    top.set_ylabel("unit", fontsize=8)
    step = -(-n_units // MAX_LABELS) if n_units else 1
    names = [literal(name) for name in dataset["unit_id"].values[::step]]
    top.set_yticks(np.arange(0, n_units, step), names, fontsize=6 if n_units > 12 else 8)
    _rate(bottom, trains, observed, bounds=(low, high))
    bottom.set_xlabel("time (s)", fontsize=8)
    bottom.set_xlim(low, high)
    bottom.tick_params(axis="x", labelsize=7)
    watched = float((observed[:, 1] - observed[:, 0]).sum())
    silent = int((np.diff(dataset["unit_ptr"].values) == 0).sum())
    counts = f"{n_units:,} units ({silent:,} silent), {n_events:,} events in {watched:,.6g} s observed"
    top.set_title(literal(f"{title + ': ' if title else ''}events\n{counts}"), fontsize=10)
    return figure


def _shade_unseen(axes: Axes, observed: Array, low: float, high: float) -> None:
    for start, length in _unseen(observed, low, high):
        axes.axvspan(start, start + length, color=UNSEEN, linewidth=0, zorder=0)


def _shade_unseen_rows(axes: Axes, observed: ObservedTime, low: float, high: float) -> None:
    """Shade the rows of units that were watched at different times; neighbours with the same times at once."""
    changes = np.flatnonzero(np.diff(observed.which)) + 1
    for first, last in pairwise([0, *changes.tolist(), len(observed.which)]):
        spans = _unseen(observed.sets[observed.which[first]], low, high)
        axes.broken_barh(spans, (first - 0.5, last - first), color=UNSEEN, linewidth=0, zorder=0)


def _unseen(observed: Array, low: float, high: float) -> list[tuple[float, float]]:
    """Return start and length of what lies between intervals."""
    edges = [low, *observed.ravel().tolist(), high]
    return [(start, stop - start) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop > start]


def _edges(low: float, high: float, n_bins: int) -> Array:
    """Return edges between which the event at the very end is counted too."""
    edges = np.linspace(low, high, n_bins + 1)
    edges[-1] = np.nextafter(high, np.inf)
    return edges


def _density(figure: Figure, axes: Axes, trains: SpikeTrains, *, bounds: tuple[float, float]) -> None:
    n_units = trains.n_units
    counts = bin_counts(trains, _edges(*bounds, N_COLUMNS), dtype=np.uint32)
    # A few units that never rest would leave all others pale.
    most = max(1.0, float(np.quantile(counts[counts > 0], 0.99)))
    image = axes.imshow(
        np.ma.masked_equal(counts, 0),
        extent=(*bounds, n_units - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
        cmap="binary",
        vmin=0,
        vmax=most,
    )
    bar = figure.colorbar(image, ax=axes, pad=0.01, extend="max" if counts.max() > most else "neither")
    bar.set_label(f"events in {(bounds[1] - bounds[0]) / N_COLUMNS:.3g} s", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.locator_params(axis="y", integer=True)


def _rate(axes: Axes, trains: SpikeTrains, observed: Array, *, bounds: tuple[float, float]) -> None:
    edges = _edges(*bounds, N_BINS)
    before, counts = trains.locate(edges), np.zeros(N_BINS)
    for first, last in trains.locate(observed):
        # Events that were found where nobody is said to have watched are drawn above, but are no part of a rate.
        counts += np.diff(np.clip(before, first, last))
    overlap = np.minimum(edges[1:, None], observed[None, :, 1]) - np.maximum(edges[:-1, None], observed[None, :, 0])
    watched = np.clip(overlap, 0.0, None).sum(axis=1)
    width = edges[1] - edges[0]
    # A sliver of a bin would give a wild rate; where less than a tenth was watched, nothing is drawn.
    rate = np.where(watched > width / 10, counts / np.maximum(watched, width / 10) / max(trains.n_units, 1), np.nan)
    axes.stairs(rate, edges, color="C0", fill=True, alpha=0.8, baseline=0)
    axes.set_ylabel(f"events per second\nand unit ({width:.3g} s bins)", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_ylim(bottom=0)
