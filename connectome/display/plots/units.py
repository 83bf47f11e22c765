"""How the units of a session are distributed: quality as the source states it, rate and intervals as measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import SchemaError
from connectome.schema.events import times_s
from connectome.spikes import FILTERS, Filtered

from .figure import INK, QUIET, literal, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["unit_quality"]

NUMBERS = (
    "firing_rate", "presence_ratio", "isi_violations", "isi_violations_ratio", "amplitude_cutoff", "snr", "d_prime",
    "isolation_distance", "l_ratio", "L_ratio", "silhouette_score", "nn_hit_rate", "nn_miss_rate", "max_drift",
    "cumulative_drift", "noise_cutoff", "contamination", "rp_contamination", "ContamPct", "slidingRP_viol", "amplitude",
    "waveform_amplitude", "waveform_duration",
)  # fmt: skip
"""Columns of the AllenSDK, of SpikeInterface, of IBL and of Kilosort that tell how well a unit is isolated."""
LABELS = ("quality", "KSLabel", "group", "cell_type")
"""Columns of words that tell the same."""
MOST_LABELS = 8
REFRACTORY_S = 0.0015
"""Intervals below it count as violations in the AllenSDK (``isi_threshold``; after Hill et al. 2011,
doi:10.1523/JNEUROSCI.0971-11.2011)."""
MOST_EVENTS = 50_000_000
"""Of more events, the intervals are not measured for a picture."""
FAR = 6.0
"""Values further than this many interquartile ranges from the middle half are counted, not drawn."""
N_BINS, FEW, PER_ROW = 40, 60, 4
FILL, LINE, LIMIT = "#9cc3e4", "#333333", "#b00020"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Panel:
    label: str
    values: Array
    column: str = ""


def unit_quality(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw a histogram of every known column of quality, with the limits of the named filters that apply.

    Parameters
    ----------
    dataset : xarray.Dataset
        An events group.
    title : str
        Before the counts.

    Returns
    -------
    matplotlib.figure.Figure or None
        The first two panels are measured: events per second of observed time, and the share of a unit's intervals
        below 1.5 ms. The others are columns of the source. Red lines are the limits of filters all of whose columns are
        there; a limit beyond the axis is told in words. Missing values, and of many those far from the middle half, are
        counted below the panel. None where there are no units.
    """
    n_units = int(dataset.sizes["unit_id"])
    if not n_units:
        return None
    applied = _applied(dataset)
    panels = [*_measured(dataset), *_stated(dataset)]
    words = [(name, Counter(map(str, dataset[name].values.tolist()))) for name in LABELS if _is_text(dataset, name)]
    words = [(name, counts) for name, counts in words if 1 < len(counts) <= MOST_LABELS]
    n_panels = len(panels) + len(words)
    n_columns = min(PER_ROW, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure = new_figure(max(5.6, 2.5 * n_columns), 0.55 + 2.05 * n_rows)
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        _histogram(axes, panel, applied)
    for axes, (name, counts) in zip(all_axes[len(panels) :], words, strict=False):
        _bars(axes, name, counts)
    for axes in all_axes[n_panels:]:
        axes.set_axis_off()
    for axes in all_axes[::n_columns]:
        axes.set_ylabel("units", fontsize=8)
    kept = "; ".join(f"{one.filter} keeps {one.n_kept:,}" for one in applied.values())
    head = f"{title}: " if title else ""
    said = f"{head}quality of {n_units:,} units{f'; {kept}' if kept else ''}"
    figure.suptitle(literal(said), fontsize=10, x=0.01, ha="left", color=INK)
    return figure


def _applied(dataset: xr.Dataset) -> dict[str, Filtered]:
    """Return what the filters find whose columns are all there."""
    found = {}
    for name, one in FILTERS.items():
        try:
            found[name] = one.apply(dataset)
        except SchemaError:
            continue
    return found


def _is_text(dataset: xr.Dataset, name: str) -> bool:
    return name in dataset and dataset[name].dims == ("unit_id",) and dataset[name].dtype.kind in "OUT"


def _measured(dataset: xr.Dataset) -> list[_Panel]:
    counts = np.diff(dataset["unit_ptr"].values)
    watched = float((dataset["observed_stop"].values - dataset["observed_start"].values).sum())
    panels = []
    if watched > 0:
        panels.append(_Panel("measured: events per second", counts / watched))
    if len(dataset["tick"]) <= MOST_EVENTS:
        panels.append(_Panel(f"measured: intervals below {1000 * REFRACTORY_S:g} ms (%)", 100 * _violations(dataset)))
    return panels


def _violations(dataset: xr.Dataset) -> Array:
    """Return the share of short intervals, shape (unit,); NaN where a unit has fewer than two events."""
    owner = dataset["unit"].values
    order = np.argsort(owner, kind="stable")
    own = owner[order]
    same = own[1:] == own[:-1]
    short = same & (np.diff(times_s(dataset)[order]) < REFRACTORY_S)
    n_units = int(dataset.sizes["unit_id"])
    n_short, n_all = (np.bincount(own[1:][one], minlength=n_units) for one in (short, same))
    return np.where(n_all > 0, n_short / np.maximum(n_all, 1), np.nan)


def _stated(dataset: xr.Dataset) -> list[_Panel]:
    panels = []
    for name in NUMBERS:
        if name not in dataset or dataset[name].dims != ("unit_id",) or dataset[name].dtype.kind not in "fiu":
            continue
        unit = str(dataset[name].attrs.get("units", "1"))
        panels.append(_Panel(name + (f" ({unit})" if unit not in {"1", ""} else ""),
                             dataset[name].values.astype(np.float64), name))  # fmt: skip
    return panels


def _histogram(axes: Axes, panel: _Panel, applied: dict[str, Filtered]) -> None:
    known = panel.values[np.isfinite(panel.values)]
    remarks = [f"{len(panel.values) - len(known):,} missing"] if len(known) < len(panel.values) else []
    if len(known):
        low, high = float(known.min()), float(known.max())
        low = 0.0 if 0 <= low < high / 2 else low
        first, third = np.quantile(known, [0.25, 0.75]).tolist()
        if len(known) > FEW and third > first:
            # Estimates of contamination have no upper bound: a few would leave all others in one bin.
            low, high = max(low, first - FAR * (third - first)), min(high, third + FAR * (third - first))
        high = high if high > low else low + (abs(low) or 1.0)
        counts, edges = np.histogram(known, np.linspace(low, high, (N_BINS if len(known) > FEW else N_BINS // 3) + 1))
        axes.stairs(counts, edges, fill=True, color=FILL)
        axes.axvline(float(np.median(known)), color=LINE, linewidth=0.8, linestyle=":")
        axes.set_xlim(low, high)
        axes.set_title(f"median {float(np.median(known)):.3g}", fontsize=7, color=QUIET)
        axes.locator_params(axis="y", integer=True)
        beyond = len(known) - int(counts.sum())
        remarks += [f"{beyond:,} beyond the axis"] if beyond else []
        remarks += _limits(axes, panel.column, applied, low=low, high=high)
    else:
        axes.text(0.5, 0.5, "none known", transform=axes.transAxes, ha="center", color=QUIET, fontsize=8)
        axes.set_yticks([])
    _finish(axes, panel.label + (f"\n{'; '.join(remarks)}" if remarks else ""))


def _limits(axes: Axes, column: str, applied: dict[str, Filtered], *, low: float, high: float) -> list[str]:
    """Draw the limits that filters set to a column; return those that lie beyond the axis in words."""
    beyond = []
    for name in applied:
        for rule in FILTERS[name].rules:
            if column not in rule.columns or not isinstance(rule.value, (int, float)):
                continue
            words = f"{rule.comparison} {rule.value:g} ({name})"
            if not low <= rule.value <= high:
                beyond.append(words)
                continue
            axes.axvline(float(rule.value), color=LIMIT, linewidth=1.0)
            axes.set_title(literal(words), fontsize=7, color=LIMIT)
    return beyond


def _bars(axes: Axes, name: str, counts: Counter[str]) -> None:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    bars = axes.bar(np.arange(len(listed)), [count for _, count in listed], color=FILL, width=0.7)
    axes.bar_label(bars, [f"{count:,}" for _, count in listed], fontsize=7, color=INK, padding=1)
    axes.set_xticks(np.arange(len(listed)), [literal("\n".join(wrap(label or "not given", 12))) for label, _ in listed])
    axes.margins(y=0.15)
    axes.locator_params(axis="y", integer=True)
    _finish(axes, name)


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlabel(literal(label), fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
