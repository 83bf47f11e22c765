"""Pictures of a series: a heat map of many channels, or lines for a few. What is scaled is scaled for display only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError
from connectome.schema.series import FRAME_CLOCK, time_s

from .figure import QUIET, literal, new_figure, note

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["channel_order", "heat_map", "lines", "zscore"]

MAX_VALUES = 20_000_000
"""Values that are read for one picture; of longer signals the beginning is shown, and said so."""
MAX_COLUMNS = 3000
MAX_LABELS = 70
MAX_LINES = 16
GAP_STEPS = 3.0
"""A step between stamps of this many median steps is a gap, left blank."""
Array = np.ndarray[Any, Any]


def zscore(values: Array) -> Array:
    """Scale every channel to mean 0 and standard deviation 1 over its finite samples, for display.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (channel, time), float64; NaN stays NaN.

    Returns
    -------
    numpy.ndarray
        The same shape; a channel that never changes becomes 0.
    """
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=1, keepdims=True) / count
    centred = np.where(known, values - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    return np.where(known, centred / np.where(spread > 0, spread, 1.0), np.nan)


def channel_order(scaled: Array) -> Array:
    """Order channels by their loading on the first principal component, the largest first.

    Parameters
    ----------
    scaled : numpy.ndarray
        Shape (channel, time), z-scored; NaN counts as 0.

    Returns
    -------
    numpy.ndarray
        Shape (channel,), a permutation. The component points so that its largest loading is positive.
    """
    filled = np.nan_to_num(scaled)
    if min(filled.shape) < 2:
        return np.arange(filled.shape[0])
    left, _, _ = np.linalg.svd(filled @ filled.T / filled.shape[1])
    loading = left[:, 0]
    loading = loading * np.sign(loading[np.argmax(np.abs(loading))])
    # Rounding lets the source's order decide between channels that differ by noise of the solver only.
    return np.lexsort((np.arange(len(loading)), -np.round(loading, 9)))


def _window(dataset: xr.Dataset) -> tuple[Array, Array, str, str]:
    """Read what fits into a picture: physical values, stamps, the label of the time axis, a remark."""
    n_channels, n_samples = (int(dataset.sizes[dim]) for dim in ("channel", "time"))
    if not n_channels or not n_samples:
        raise UsageError("there is nothing to draw", subject="signal", found=f"{n_channels} x {n_samples} samples")
    n_read = min(n_samples, max(1, MAX_VALUES // n_channels))
    part = dataset.isel(time=slice(0, n_read))
    values = part["signal"].values.astype(np.float64)
    if "gain" in part:
        values = values * part["gain"].values[:, None] + part["offset"].values[:, None]
    if "valid" in part:
        values = np.where(np.broadcast_to(part["valid"].values, values.shape), values, np.nan)
    if dataset.attrs.get("clock") == FRAME_CLOCK:
        stamps = float(dataset.attrs["frame_start"]) + np.arange(n_read, dtype=np.float64)
        label = "frame (the source gives no time)"
    else:
        stamps = time_s(dataset, 0, n_read)
        label = "time (s)"
        # Clocks that count from long ago would fill the axis with equal figures.
        if abs(stamps[0]) > 100 * max(stamps[-1] - stamps[0], 1.0):
            label = f"time (s) after {stamps[0]:.3f} s on the source's clock"
            stamps = stamps - stamps[0]
    remark = "" if n_read == n_samples else f"the first {n_read:,} of {n_samples:,} samples"
    return values, stamps, label, remark


def _columns(values: Array, stamps: Array) -> tuple[Array, Array, int]:
    """Average neighbouring samples until the picture has at most ``MAX_COLUMNS`` columns."""
    each = -(-values.shape[1] // MAX_COLUMNS)
    if each == 1:
        return values, stamps, 1
    starts = np.arange(0, values.shape[1], each)
    known = np.isfinite(values)
    count = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    total = np.add.reduceat(np.where(known, values, 0.0), starts, axis=1)
    sizes = np.diff(np.append(starts, len(stamps)))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, np.add.reduceat(stamps, starts) / sizes, each


def _with_gaps(values: Array, stamps: Array) -> tuple[Array, Array]:
    """Return column edges and values with a blank column wherever no sample was taken for long."""
    if len(stamps) < 2:
        return np.array([stamps[0] - 0.5, stamps[0] + 0.5]), values
    steps = np.diff(stamps)
    usual = float(np.median(steps)) or 1.0
    gap = steps > GAP_STEPS * usual
    left = np.concatenate([[stamps[0] - usual / 2], np.where(gap, stamps[1:] - usual / 2, stamps[1:] - steps / 2)])
    right = np.concatenate([np.where(gap, stamps[:-1] + usual / 2, stamps[:-1] + steps / 2), [stamps[-1] + usual / 2]])
    after = np.flatnonzero(gap)
    edges = np.concatenate([left, right[after], right[-1:]])
    edges.sort()
    return edges, np.insert(values, after + 1, np.nan, axis=1)


def heat_map(dataset: xr.Dataset, *, names: Mapping[str, str] | None = None, title: str = "") -> Figure:
    """Draw all channels against time as a heat map.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group.
    names : mapping of str to str, optional
        Channel id to the name to write beside it (a neuron); channels without one stay unnamed. Default: all ids.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are z-scored over the part shown, for display only, and ordered by :func:`channel_order`. Columns lie at
        the source's own stamps; gaps are blank.
    """
    values, stamps, label, remark = _window(dataset)
    scaled = zscore(values)
    order = channel_order(scaled)
    shown, centres, each = _columns(scaled[order], stamps)
    edges, shown = _with_gaps(shown, centres)
    n_channels = len(order)
    figure = new_figure(9.0, min(11.0, max(3.0, 1.6 + 0.062 * n_channels)))
    axes = figure.add_subplot()
    rows = np.arange(n_channels + 1, dtype=np.float64)
    image = axes.pcolorfast(edges, rows, np.ma.masked_invalid(shown), cmap="RdBu_r", vmin=-3.0, vmax=3.0)
    axes.set_facecolor("#e4e4e4")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(n_channels, 0))
    figure.colorbar(
        image, ax=axes, extend="both", pad=0.01, shrink=0.8, label="z-score of each channel (for display only)"
    )
    _name_rows(axes, [str(channel) for channel in dataset["channel"].values[order]], names)
    _mark_segments(axes, dataset, stamps)
    axes.set_xlabel(label)
    said = dataset["signal"].attrs
    head = f"{title}: " if title else ""
    unit = f" ({said['units']})" if said.get("units") not in {None, "1"} else ""
    axes.set_title(
        literal(f"{head}{said.get('long_name', 'signal')}{unit}\n{n_channels:,} channels, {values.shape[1]:,} samples"),
        fontsize=10,
    )
    remarks = [remark, f"each column is the mean of {each} samples" if each > 1 else ""]
    if any(remarks):
        note(axes, "; ".join(part for part in remarks if part))
    return figure


def _name_rows(axes: Axes, channels: list[str], names: Mapping[str, str] | None) -> None:
    found = {channel: channel for channel in channels} if names is None else names
    named = [(at + 0.5, found[channel]) for at, channel in enumerate(channels) if found.get(channel)]
    step = -(-len(named) // MAX_LABELS) if named else 1
    axes.set_yticks([at for at, _ in named], minor=True)
    axes.set_yticks([at for at, _ in named[::step]], [literal(name) for _, name in named[::step]], fontsize=5)
    axes.tick_params(axis="y", which="both", length=2, width=0.4, pad=1)
    count = f"{len(named):,} of {len(channels):,} named" if names is not None else f"{len(channels):,} channels"
    some = f", one in {step} written" if step > 1 else ""
    axes.set_ylabel(f"channels by first principal component\n({count}{some})", fontsize=8)


def _mark_segments(axes: Axes, dataset: xr.Dataset, stamps: Array) -> None:
    if "segment_start" in dataset:
        for start in dataset["segment_start"].values[1:]:
            if start < len(stamps):
                axes.axvline(stamps[int(start)], color="black", linewidth=0.8, linestyle=":")


def lines(dataset: xr.Dataset, *, names: Mapping[str, str] | None = None, title: str = "") -> Figure:
    """Draw a few channels against time, one above the other, each with its own scale.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group with at most 16 channels; of more, the first 16 are drawn and the rest counted.
    names : mapping of str to str, optional
        Channel id to the name to write; default the id.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure
        Where there are more samples than a line can show, the lowest and highest of each stretch are joined.
    """
    values, stamps, label, remark = _window(dataset)
    n_all, n_shown = values.shape[0], min(values.shape[0], MAX_LINES)
    figure = new_figure(9.0, 1.2 + 0.62 * n_shown)
    all_axes = np.atleast_1d(figure.subplots(n_shown, 1, sharex=True))
    units = _channel_units(dataset)
    for at, axes in enumerate(all_axes):
        channel = str(dataset["channel"].values[at])
        axes.plot(*_envelope(stamps, values[at]), color=f"C{at % 10}", linewidth=0.6)
        unit = f"\n({units[at]})" if units[at] not in {"", "1"} else ""
        name = (names or {}).get(channel) or channel
        axes.set_ylabel(literal(f"{name}{unit}"), rotation=0, ha="right", va="center", fontsize=7)
        axes.yaxis.set_label_coords(-0.055, 0.5)
        if not np.isfinite(values[at]).any():
            axes.text(0.5, 0.5, "no samples", transform=axes.transAxes, ha="center", fontsize=7, color=QUIET)
            axes.set_yticks([])
        axes.tick_params(axis="y", labelsize=6)
        axes.tick_params(axis="x", labelsize=8, bottom=at == n_shown - 1)
        axes.locator_params(axis="y", nbins=3)
        axes.yaxis.get_offset_text().set_fontsize(6)
        axes.spines[["top", "right"]].set_visible(False)
        if at < n_shown - 1:
            axes.spines["bottom"].set_visible(False)
        _mark_segments(axes, dataset, stamps)
    all_axes[-1].set_xlabel(label)
    half = (stamps[-1] - stamps[0]) * 0.005 or 0.5
    all_axes[-1].set_xlim(stamps[0] - half, stamps[-1] + half)
    said = dataset["signal"].attrs.get("long_name", "signal")
    more = f", the first {n_shown} drawn" if n_shown < n_all else ""
    head = f"{title}: " if title else ""
    figure.suptitle(
        literal(f"{head}{said}\n{n_all:,} channel{'' if n_all == 1 else 's'}{more}, {values.shape[1]:,} samples"),
        fontsize=10,
        color="black",
    )
    if remark:
        all_axes[-1].annotate(
            remark, (1, 1), xycoords="axes fraction", ha="right", va="bottom", fontsize=7, color=QUIET
        )
    return figure


def _channel_units(dataset: xr.Dataset) -> list[str]:
    if "channel_unit" in dataset:
        return [str(unit) for unit in dataset["channel_unit"].values]
    return [str(dataset["signal"].attrs.get("units", ""))] * int(dataset.sizes["channel"])


def _envelope(stamps: Array, values: Array) -> tuple[Array, Array]:
    """Keep the lowest and the highest sample of every stretch, in their order, where samples are too many to draw."""
    each = -(-len(values) // MAX_COLUMNS)
    if each < 3:
        return stamps, values
    n_whole = len(values) // each * each
    blocks = values[:n_whole].reshape(-1, each)
    known = np.isfinite(blocks)
    low = np.argmin(np.where(known, blocks, np.inf), axis=1)
    high = np.argmax(np.where(known, blocks, -np.inf), axis=1)
    starts = np.arange(len(blocks)) * each
    kept = np.unique(np.concatenate([starts + low, starts + high, np.arange(n_whole, len(values))]))
    return stamps[kept], values[kept]
