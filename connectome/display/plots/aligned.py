"""Pictures around moments: how units respond to the starts of trials and stimuli, and the mean of equal segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import groups, kind_of
from connectome.schema.series import time_s
from connectome.spikes import SpikeTrains, aligned_counts, bin_edges

from .figure import QUIET, literal, new_figure
from .series import channel_order, zscore

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Moments", "moments", "segment_means", "time_histogram"]

BEFORE_S, AFTER_S, WIDTH_S = 0.5, 1.0, 0.02
FEWEST, MOST = 10, 1000
"""Moments below which there is no picture, and how many of more are taken, evenly from first to last."""
MOST_PANELS, PER_ROW = 6, 3
MOST_NAMES = 20
MOST_CELLS = 20_000_000
MOST_SEGMENT_VALUES = 50_000_000
SPREAD, LINE = "#9cc3e4", "#1f5f99"
_NO_STIMULUS = ("invalid_times", "spontaneous")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moments:
    """What a picture is aligned to."""

    label: str
    """Table and column."""
    onset_s: Array
    """Shape (moment,), float64 seconds on the session's clock, finite."""
    duration_s: float | None
    """Median time to the end of the row, where the table has it."""


def moments(tree: xr.DataTree) -> list[Moments]:
    """Find what the events of a session may be aligned to.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.

    Returns
    -------
    list of Moments
        The column ``start_time`` of the table ``trials``, and its other columns whose names end in ``_start_time``;
        then ``start_time`` of every table below ``stimulus`` and ``intervals``, by path. Spontaneous activity and
        invalid times are no stimulus, and fewer than 10 moments no average: both are left out.
    """
    found: list[tuple[int, Moments]] = []
    for path, dataset in groups(tree):
        parts = path.strip("/").split("/")
        rank = {"trials": 0, "stimulus": 1, "intervals": 2}.get(parts[0])
        if rank is None or kind_of(dataset) != "table" or parts[-1] in _NO_STIMULUS:
            continue
        names = [str(name) for name in dataset.data_vars if rank == 0 and str(name).endswith("_start_time")]
        for name in [name for name in ("start_time", *names) if name in dataset]:
            one = _moments(dataset, name, f"{'/'.join(parts)}, {name}")
            if one is not None:
                found.append((rank, one))
    return [one for _, one in sorted(found, key=lambda item: item[0])]


def _moments(dataset: xr.Dataset, name: str, label: str) -> Moments | None:
    values = dataset[name].values
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        return None
    starts = values.astype(np.float64)
    known = np.isfinite(starts)
    if known.sum() < FEWEST:
        return None
    duration = None
    end = dataset.get(name.replace("start_time", "stop_time"))
    if name == "start_time" and end is not None and end.dtype.kind in "fiu":
        lasting = (end.values.astype(np.float64) - starts)[known]
        duration = float(np.nanmedian(lasting)) if np.isfinite(lasting).any() else None
    return Moments(label, starts[known], duration)


def time_histogram(dataset: xr.Dataset, around: list[Moments], *, title: str = "") -> Figure | None:
    """Draw peri-stimulus time histograms: the mean rate of every unit around moments, and that of all units.

    Parameters
    ----------
    dataset : xarray.Dataset
        An events group.
    around : list of Moments
        As :func:`moments` finds them; the first 6 that lie in the observed time are drawn.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure or None
        For each: above a row per unit in the order of the group, z-scored over its own bins for display only; below
        the mean rate over units with the standard error over moments. Bins of 20 ms from 0.5 s before to 1 s after
        are half-open and count only where they were observed from end to end. None where nothing can be aligned.
    """
    trains = SpikeTrains.of(dataset)
    inside = [_observed(dataset, one.onset_s) for one in around]
    seen = [(one, onset) for one, onset in zip(around, inside, strict=True) if len(onset) >= FEWEST][:MOST_PANELS]
    if not seen or not trains.n_units or not len(trains):
        return None
    n_rows, n_columns = -(-len(seen) // PER_ROW), min(PER_ROW, len(seen))
    tall = min(3.4, max(1.5, 1.2 + 0.05 * trains.n_units))
    figure = new_figure(1.6 + 2.9 * n_columns, 0.6 + (tall + 1.5) * n_rows)
    panels = figure.subplots(2 * n_rows, n_columns, squeeze=False, height_ratios=[tall, 1.3] * n_rows, sharex=True)
    images: list[Any] = []
    step = -(-trains.n_units // MOST_NAMES)
    for at, (one, onset) in enumerate(seen):
        row, place = divmod(at, n_columns)
        top, bottom = panels[2 * row][place], panels[2 * row + 1][place]
        images.append(_panel(top, bottom, trains, one, onset))
        top.set_yticks([])
        if place == 0:
            names = dataset["unit_id"].values[::step]
            top.set_yticks(np.arange(0, trains.n_units, step), [literal(name) for name in names])
            top.set_ylabel(f"unit, one in {step:,} named" if step > 1 else "unit", fontsize=8)
            bottom.set_ylabel("events per second\nand unit", fontsize=7)
    for empty in range(len(seen), n_rows * n_columns):
        row, place = divmod(empty, n_columns)
        panels[2 * row][place].set_axis_off()
        panels[2 * row + 1][place].set_axis_off()
    bar = figure.colorbar(images[-1], ax=panels[::2].ravel().tolist(), pad=0.01, aspect=20 * n_rows)
    bar.set_label("z-score (display only)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    head = f"{title}: " if title else ""
    more = "" if len(around) <= len(seen) else f", {len(seen)} of {len(around)} tables"
    said = f"{head}mean rate around starts, bins of {1000 * WIDTH_S:g} ms{more}"
    figure.suptitle(literal(said), fontsize=10, x=0.01, ha="left")
    return figure


def _observed(dataset: xr.Dataset, onset_s: Array) -> Array:
    """Return the moments at which the units were watched."""
    inside = np.zeros(len(onset_s), dtype=bool)
    for low, high in zip(dataset["observed_start"].values, dataset["observed_stop"].values, strict=True):
        inside |= (low <= onset_s) & (onset_s < high)
    return onset_s[inside]


def _panel(top: Axes, bottom: Axes, trains: SpikeTrains, one: Moments, inside: Array) -> Any:
    taken = inside[np.unique(np.linspace(0, len(inside) - 1, min(len(inside), MOST)).round().astype(np.int64))]
    rate, mean, error, n_most = _average(trains, taken)
    edges = bin_edges(-BEFORE_S, WIDTH_S, rate.shape[1])
    shown = np.ma.masked_invalid(zscore(rate))
    rows = np.arange(trains.n_units + 1) - 0.5
    image = top.pcolorfast(edges, rows, shown, cmap="RdBu_r", vmin=-3.0, vmax=3.0)
    top.set_facecolor("#e4e4e4")
    top.set_ylim(trains.n_units - 0.5, -0.5)
    middle = (edges[1:] + edges[:-1]) / 2
    bottom.fill_between(middle, mean - error, mean + error, color=SPREAD, linewidth=0)
    bottom.plot(middle, mean, color=LINE, linewidth=1.0)
    bottom.set_ylim(bottom=0)
    bottom.set_xlabel("time after the start (s)", fontsize=8)
    for axes in (top, bottom):
        axes.axvline(0, color="black", linewidth=0.8)
        if one.duration_s is not None and one.duration_s < AFTER_S:
            axes.axvline(one.duration_s, color="black", linewidth=0.8, linestyle=":")
        axes.set_xlim(-BEFORE_S, AFTER_S)
        axes.tick_params(labelsize=7, labelbottom=axes is bottom)
    bottom.spines[["top", "right"]].set_visible(False)
    ends = "" if one.duration_s is None else f", lasting {one.duration_s:.3g} s"
    count = f"{n_most:,} of {len(one.onset_s):,}" if n_most != len(one.onset_s) else f"{n_most:,}"
    top.set_title(literal(f"{one.label}\n{count} starts{ends}"), fontsize=8, loc="left")
    return image


def _average(trains: SpikeTrains, onset_s: Array) -> tuple[Array, Array, Array, int]:
    """Return rates (unit, bin), their mean over units with its standard error (bin,), and the number of moments."""
    n_bins = round((BEFORE_S + AFTER_S) / WIDTH_S)
    total = np.zeros((trains.n_units, n_bins))
    everyone, squares, n_moments = np.zeros(n_bins), np.zeros(n_bins), np.zeros(n_bins, dtype=np.int64)
    each = max(1, MOST_CELLS // (trains.n_units * n_bins))
    for first in range(0, len(onset_s), each):
        counts, mask = aligned_counts(
            trains, onset_s[first : first + each], before_s=BEFORE_S, after_s=AFTER_S, width_s=WIDTH_S
        )
        counted = np.where(mask[:, None, :], counts, 0)
        total += counted.sum(axis=0)
        together = counted.sum(axis=1, dtype=np.float64)
        everyone += together.sum(axis=0)
        squares += (together**2).sum(axis=0)
        n_moments += mask.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(n_moments, total / n_moments, np.nan) / WIDTH_S
        variance = np.clip(squares - everyone**2 / n_moments, 0.0, None) / (n_moments - 1)
        error = np.sqrt(variance / n_moments) / (WIDTH_S * trains.n_units)
        mean = np.where(n_moments, everyone / n_moments, np.nan) / (WIDTH_S * trains.n_units)
    return rate, mean, error, int(n_moments.max(initial=0))


def segment_means(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw the mean over segments of equal length, such as counts of spikes that are published by trial.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure or None
        Above a row per channel, z-scored over the mean's own samples for display only and ordered as in
        :func:`heat_map`; below the mean of all channels in the unit of the signal. None unless there are 10 segments or
        more, all of one length, whose samples are all there.
    """
    if "segment_start" not in dataset or "valid" in dataset or dataset["signal"].dtype.kind == "O":
        return None
    start, stop = dataset["segment_start"].values, dataset["segment_stop"].values
    lengths = np.unique(stop - start)
    n_channels = int(dataset.sizes["channel"])
    if len(start) < FEWEST or len(lengths) != 1 or lengths[0] < 2 or not n_channels:
        return None
    length = int(lengths[0])
    n_used = min(len(start), max(FEWEST, MOST_SEGMENT_VALUES // (length * n_channels)))
    signal, mean = dataset["signal"], np.zeros((n_channels, length))
    for at in range(n_used):
        mean += signal[:, int(start[at]) : int(stop[at])].values
    mean /= n_used
    if "gain" in dataset:
        mean = mean * dataset["gain"].values[:, None] + dataset["offset"].values[:, None]
    stamps = time_s(dataset, int(start[0]), int(stop[0]))
    step = float(np.median(np.diff(stamps)))
    edges = np.append(stamps - stamps[0], stamps[-1] - stamps[0] + step)
    scaled = zscore(mean)
    tall = min(6.0, max(1.8, 1.2 + 0.02 * n_channels))
    figure = new_figure(6.4, tall + 2.1)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[tall, 1.3])
    rows = np.arange(n_channels + 1, dtype=np.float64)
    order = channel_order(scaled)
    image = top.pcolorfast(edges, rows, np.ma.masked_invalid(scaled[order]), cmap="RdBu_r", vmin=-3.0, vmax=3.0)
    top.set_ylim(n_channels, 0)
    top.set_ylabel(f"{n_channels:,} channels\nby first principal component", fontsize=8)
    top.tick_params(labelsize=7)
    bar = figure.colorbar(image, ax=top, extend="both", pad=0.01)
    bar.set_label("z-score of each channel's mean\n(display only)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    bottom.stairs(mean.mean(axis=0), edges, color=LINE, linewidth=1.2, baseline=None)
    bottom.set_ylim(bottom=min(0.0, float(mean.mean(axis=0).min())))
    said = signal.attrs
    unit = f" ({said['units']})" if said.get("units") not in {None, "1"} else ""
    name = str(said.get("long_name", "signal"))
    bottom.set_ylabel(literal(f"mean of all\nchannels{unit}"), fontsize=8)
    bottom.set_xlabel("time after the start of a segment (s)", fontsize=8)
    bottom.set_xlim(edges[0], edges[-1])
    bottom.tick_params(labelsize=7)
    bottom.spines[["top", "right"]].set_visible(False)
    head = f"{title}: " if title else ""
    some = f"{n_used:,} of {len(start):,}" if n_used < len(start) else f"{n_used:,}"
    figure.suptitle(
        literal(f"{head}{name}, mean over {some} segments of {length:,} samples"), fontsize=10, x=0.01, ha="left"
    )
    uneven = float(np.ptp(np.diff(stamps)))
    if uneven > 0.01 * step:
        bottom.annotate(
            "stamps of the first segment", (1, 1), xycoords="axes fraction", ha="right", va="bottom", fontsize=7,
            color=QUIET,
        )  # fmt: skip
    return figure
