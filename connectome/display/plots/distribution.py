"""How degrees, lengths and thickness of a graph are distributed, overall and by region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.graphs import (
    BETWEEN,
    Distribution,
    EdgeMeasure,
    Region,
    edge_lengths,
    edge_thickness,
    node_degrees,
    region_columns,
    summarise_regions,
)

from .figure import INK, QUIET, literal, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["degree_histogram", "distributions", "regions"]

Array = np.ndarray[Any, Any]
N_BINS = 60
MOST_BARS = 24
"""Degrees that have a bar of their own; the last bar holds all beyond."""
MOST_REGIONS = 18
WIDE_RANGE = 20.0
"""Ratio of the 99th to the 1st percentile from which on an axis is logarithmic."""
FILL, LINE = "#9cc3e4", "#7d0018"


def degree_histogram(dataset: xr.Dataset, *, title: str = "") -> Figure:
    """Draw how many nodes have how many edge ends, as bars with their counts.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    title : str
        Before the count of nodes.

    Returns
    -------
    matplotlib.figure.Figure
        Parallel edges count each, a self loop twice.
    """
    figure = new_figure(6.0, 3.6)
    _degrees(figure.add_subplot(), dataset)
    head = f"{title}: " if title else ""
    figure.suptitle(literal(f"{head}degrees of {int(dataset.sizes['node']):,} nodes"), fontsize=10, x=0.02, ha="left")
    return figure


def distributions(dataset: xr.Dataset, *, title: str = "") -> Figure:
    """Draw the degrees of nodes, and the lengths and the thickness of edges as far as they are known.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    title : str
        Above the panels.

    Returns
    -------
    matplotlib.figure.Figure
        A panel each; the red line is the median. Values that a logarithmic axis cannot show, and those beyond what
        999 of 1000 are, are counted below the panel.
    """
    measures = [measure for measure in (edge_lengths(dataset), edge_thickness(dataset)) if measure is not None]
    figure = new_figure(3.7 * (1 + len(measures)), 3.3)
    panels = figure.subplots(1, 1 + len(measures), squeeze=False)[0]
    _degrees(panels[0], dataset)
    for axes, measure in zip(panels[1:], measures, strict=True):
        _histogram(axes, measure)
    n_nodes, n_edges = int(dataset.sizes["node"]), int(dataset.sizes["edge"])
    head = f"{title}: " if title else ""
    figure.suptitle(literal(f"{head}{n_nodes:,} nodes, {n_edges:,} edges"), fontsize=10, x=0.01, ha="left", color=INK)
    return figure


def _degrees(axes: Axes, dataset: xr.Dataset) -> None:
    n_nodes = int(dataset.sizes["node"])
    counts = np.bincount(node_degrees(dataset["source"].values, dataset["target"].values, n_nodes), minlength=1)
    labels = [str(degree) for degree in range(len(counts))]
    if len(counts) > MOST_BARS:
        counts = np.append(counts[: MOST_BARS - 1], counts[MOST_BARS - 1 :].sum())
        labels = [*labels[: MOST_BARS - 1], f"{MOST_BARS - 1}+"]
    bars = axes.bar(np.arange(len(counts)), counts, color=FILL, width=0.8)
    if len(counts) <= 14:
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], fontsize=6.5, color=INK, padding=1)
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(1, int(counts.max(initial=1))) * 3)
    step = 1 if len(counts) <= 14 else 3
    axes.set_xticks(np.arange(0, len(counts), step), labels[::step])
    axes.set_xlabel("edges at a node (a self loop counts twice)")
    _finish(axes, "nodes")


def _histogram(axes: Axes, measure: EdgeMeasure) -> None:
    known = measure.values[np.isfinite(measure.values)]
    remarks = [] if len(known) == len(measure.values) else [f"{len(measure.values) - len(known):,} not known"]
    if len(known):
        positive = known[known > 0]
        low, high = np.quantile(positive, [0.01, 0.99]).tolist() if len(positive) else (0.0, 0.0)
        # A few zeros, as self loops have them, are counted beside the axis.
        logarithmic = len(positive) > 0.9 * len(known) and high > WIDE_RANGE * low
        shown = positive if logarithmic else known
        top = float(np.quantile(shown, 0.999))
        bottom = float(np.quantile(shown, 0.001)) if logarithmic else min(0.0, float(shown.min()))
        edges = np.geomspace(bottom, top, N_BINS + 1) if logarithmic else np.linspace(bottom, top or 1.0, N_BINS + 1)
        edges = np.linspace(bottom - 0.5, bottom + 0.5, 2) if top <= bottom else edges
        counts, edges = np.histogram(shown, edges)
        axes.stairs(counts, edges, fill=True, color=FILL)
        median = float(np.median(known))
        axes.axvline(median, color=LINE, linewidth=1.2)
        axes.set_title(literal(f"median {median:.4g}, mean {float(known.mean()):.4g}"), fontsize=8, color=LINE)
        if logarithmic:
            axes.set_xscale("log")
        beyond = len(known) - int(counts.sum())
        if beyond:
            remarks.append(f"{beyond:,} beyond the axis")
    else:
        axes.text(0.5, 0.5, "none known", transform=axes.transAxes, ha="center", color=QUIET)
    label = measure.label if measure.origin.startswith("column") else f"{measure.label}\n{measure.origin}"
    axes.set_xlabel(literal(label + (f"\n{'; '.join(remarks)}" if remarks else "")))
    _finish(axes, "edges")


def _finish(axes: Axes, what: str) -> None:
    axes.set_ylabel(what)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def regions(dataset: xr.Dataset, *, by: str | None = None, title: str = "") -> Figure | None:
    """Draw length and thickness by region: 5th to 95th percentile, the middle half thick, the median white.

    Parameters
    ----------
    dataset : xarray.Dataset
        A graph group.
    by : str, optional
        Category of nodes or edges; default the first of :func:`connectome.graphs.region_columns`.
    title : str
        Above the panels.

    Returns
    -------
    matplotlib.figure.Figure or None
        Regions with most edges first, 18 at most; None where no category names regions, or nothing is known of their
        edges.
    """
    column = by or next(iter(region_columns(dataset)), None)
    if column is None:
        return None
    found = {"length": edge_lengths(dataset), "thickness": edge_thickness(dataset)}
    named = [(which, item) for which, item in found.items() if item is not None and np.isfinite(item.values).any()]
    parts = [(name, part) for name, part in summarise_regions(dataset, column).items() if part.n_edges]
    if not named or not parts:
        return None
    shown = parts[:MOST_REGIONS]
    if len(parts) > MOST_REGIONS and parts[-1][0] == BETWEEN:
        shown = [*shown[:-1], parts[-1]]
    figure = new_figure(2.6 + 3.6 * len(named), 1.2 + 0.24 * len(shown))
    panels = figure.subplots(1, len(named), squeeze=False, sharey=True)[0]
    for axes, (which, measure) in zip(panels, named, strict=True):
        _boxes(axes, [getattr(part, which) for _, part in shown], measure)
    panels[0].set_yticks(
        np.arange(len(shown)), [literal(f"{name} ({_edges(part)})") for name, part in shown], fontsize=7
    )
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    left = len(parts) - len(shown)
    head = f"{title}: " if title else ""
    rest = f"; {left:,} more regions" if left else ""
    figure.suptitle(literal(f"{head}by {column.replace('_', ' ')}{rest}"), fontsize=10, x=0.01, ha="left", color=INK)
    return figure


def _edges(part: Region) -> str:
    return f"{part.n_edges:,} edge{'' if part.n_edges == 1 else 's'}"


def _boxes(axes: Axes, parts: list[Distribution], measure: EdgeMeasure) -> None:
    for row, part in enumerate(parts):
        if not part.n:
            continue
        marks = part.quantiles
        axes.plot([marks["5%"], marks["95%"]], [row, row], color=FILL, linewidth=1.5, solid_capstyle="butt")
        axes.plot([marks["25%"], marks["75%"]], [row, row], color="#5d93cf", linewidth=7, solid_capstyle="butt")
        axes.plot([marks["50%"]], [row], "|", color="white", markersize=7, markeredgewidth=1.6)
    axes.axvline(float(np.nanmedian(measure.values)), color=LINE, linewidth=0.8, linestyle="--")
    axes.set_xlabel(literal(f"{measure.label}; dashed: median of all"))
    _finish(axes, "")
