"""Traces of a recording, one channel above the other.

Nothing is filtered or resampled. Channels of one unit share one scale, which a bar shows; one that is far larger than
the others is drawn smaller by a stated factor. Only a stretch is drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import literal, new_figure, note
from .projection import nice_length
from .recording import GAP_COLOUR, SEIZURE_COLOUR, Clock, bad_of, clock_of, physical, unit_text, units_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["traces"]

Array = np.ndarray[Any, Any]
SHOWN_S, LEAST_SAMPLES, MAX_TRACES = 10.0, 300, 24
MAX_SWING = 2.0
"""Rows that a trace may leave its own by."""
LARGE, AIMED = 3.0, 1.5
"""A trace that spans more rows than the first number is drawn smaller, so that it spans at most the second."""
MAX_POINTS = 6000
"""Of one line: beyond, every few samples are drawn as their lowest and highest, which looks the same."""
SI = {"nV": (1e-9, "V"), "uV": (1e-6, "V"), "mV": (1e-3, "V"), "V": (1.0, "V"), "T": (1.0, "T"), "T/m": (1.0, "T/m")}
PREFIXES = {0: "", -3: "m", -6: "µ", -9: "n", -12: "p", -15: "f"}


def traces(dataset: xr.Dataset, *, seizure_s: float | None = None, title: str = "") -> Figure:
    """Draw ten seconds (at least 300 samples) of up to 24 channels, evenly chosen, one above the other.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group of a recording.
    seizure_s : float, optional
        Onset of a seizure, drawn in the middle; default the recording's begin.
    title : str
        Before the counts.
    """
    clock = clock_of(dataset)
    rate, n_channels = float(clock.rate_hz), int(dataset.sizes["channel"])
    first, length = _stretch(clock, seizure_s)
    rows = np.unique(np.linspace(0, n_channels - 1, min(n_channels, MAX_TRACES)).round().astype(int))
    values, seconds = physical(dataset, first, first + length, rows), clock.times(first, first + length)
    units, bad = units_of(dataset)[rows], bad_of(dataset)[rows]
    known = np.asarray(np.isfinite(values).any(axis=1))
    values[known] -= np.nanmedian(values[known], axis=1, keepdims=True)
    spans = _spans(values)
    step = {unit: _step(spans[units == unit]) for unit in dict.fromkeys(units.tolist())}
    figure = new_figure(9.0, 1.6 + max(0.24, min(0.6, 2.4 / len(rows))) * len(rows))
    axes = figure.add_subplot()
    labels, n_cut = [], 0
    names = [str(name) for name in dataset["channel"].values[rows]]
    for at, (row, unit) in enumerate(zip(values, units, strict=True)):
        colour = "#b0b0b0" if bad[at] else f"C{list(step).index(unit) % 10}"
        smaller = _smaller(spans[at] / step[unit])
        labels.append(names[at] + (f" ÷{smaller:g}" if smaller > 1 else "") + ("" if known[at] else " (unknown)"))
        rows_up = row / (step[unit] * smaller)
        n_cut += int((np.abs(rows_up) > MAX_SWING).any())
        x, y = _envelope(*_broken(seconds, np.clip(rows_up, -MAX_SWING, MAX_SWING), 1.5 / rate))
        axes.plot(x, at - y, color=colour, linewidth=0.5)
    axes.set_yticks(range(len(rows)), [literal(label) for label in labels], fontsize=6)
    axes.set(xlim=(seconds[0], seconds[-1] + 1 / rate), ylim=(len(rows) - 0.1, -0.9))
    _scale_bars(axes, units.tolist(), step, units[spans > 0].tolist())
    grey = _mark_breaks(axes, clock)
    if seizure_s is not None:
        axes.axvline(seizure_s, color=SEIZURE_COLOUR, linewidth=0.9)
    axes.set_xlabel("seconds after the first sample", loc="left", fontsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    said = ["each channel minus its median"]
    said += ["÷n: drawn n times smaller"] if any("÷" in label for label in labels) else []
    said += [f"{n_cut} cut at {MAX_SWING:g} rows"] if n_cut else []
    said += ["bad ones grey"] if bad.any() else []
    said += [grey] if grey else []
    said += ["red: onset of a seizure"] if seizure_s is not None else []
    note(axes, "; ".join(said))
    some = "" if len(rows) == n_channels else f", {len(rows)} drawn"
    head = f"{title}: " if title else ""
    whole = f"{length / rate:.3g} s of {clock.n_samples / rate:.6g} s at {rate:.6g} Hz"
    axes.set_title(literal(f"{head}{n_channels} channel{'' if n_channels == 1 else 's'}{some}, {whole}"), fontsize=10)
    return figure


def _stretch(clock: Clock, seizure_s: float | None) -> tuple[int, int]:
    """Return the first sample and the number of samples; never so many that a gap fills the picture."""
    rate = float(clock.rate_hz)
    length = min(clock.n_samples, max(LEAST_SAMPLES, round(SHOWN_S * rate)))
    first = 0
    if seizure_s is not None:
        first = min(max(0, clock.sample_at(seizure_s) - length // 2), clock.n_samples - length)
    if clock.gaps:
        seconds = clock.times(first, first + length)
        around = seconds[0] if seizure_s is None else seizure_s - length / rate / 2
        inside = np.flatnonzero((seconds >= around - 0.5 / rate) & (seconds < around + length / rate))
        if inside.size:
            first, length = first + int(inside[0]), int(inside.size)
    return first, length


def _spans(values: Array) -> Array:
    """Return the range of 98 in 100 samples of every channel; NaN where none is known."""
    found = np.full(len(values), np.nan)
    known = np.isfinite(values).any(axis=1)
    if known.any():
        low, high = np.nanpercentile(values[known], [1, 99], axis=1)
        found[known] = high - low
    return found


def _step(spans: Array) -> float:
    """Return the distance of two rows: half as much again as the range of the lower median channel."""
    spans = np.sort(spans[np.isfinite(spans) & (spans > 0)])
    return nice_length(float(spans[(spans.size - 1) // 2]) * AIMED) if spans.size else 1.0


def _smaller(rows: float) -> float:
    """Return by how much a trace that spans so many rows is drawn smaller: 1, 2, 5, 10, ..."""
    return 1.0 if not rows > LARGE else round(1 / nice_length(AIMED / rows))


def _broken(seconds: Array, values: Array, longest_s: float) -> tuple[Array, Array]:
    """Put a NaN into every gap, so that no line is drawn over it."""
    at = np.flatnonzero(np.diff(seconds) > longest_s) + 1
    return np.insert(seconds, at, np.nan), np.insert(values, at, np.nan)


def _envelope(seconds: Array, values: Array) -> tuple[Array, Array]:
    """Return the lowest and the highest of every few samples, in turn, where there are more than can be seen."""
    size = -(-len(values) * 2 // MAX_POINTS)
    if size <= 2:
        return seconds, values
    whole = len(values) // size * size
    parts, starts = values[:whole].reshape(-1, size), seconds[:whole:size]
    # A part with a gap in it is one.
    ends = np.stack([parts.min(axis=1), parts.max(axis=1)], axis=1).ravel()
    return np.concatenate([np.repeat(starts, 2), seconds[whole:]]), np.concatenate([ends, values[whole:]])


def _scale_bars(axes: Axes, units: list[str], step: dict[str, float], drawn: list[str]) -> None:
    """Draw at the first channel of each unit how much one row is."""
    place = axes.get_yaxis_transform()
    for at, (unit, size) in enumerate(step.items()):
        if unit not in drawn:
            continue
        row = units.index(unit)
        axes.plot([1.008, 1.008], [row - 0.5, row + 0.5], color=f"C{at % 10}", lw=1.5, transform=place, clip_on=False)
        text = literal(_amount(size, unit))
        axes.text(1.014, row, text, transform=place, fontsize=6.5, va="center", color=f"C{at % 10}")


def _amount(size: float, unit: str) -> str:
    """Write an amount with the prefix that makes it short: 5e-05 V is 50 µV."""
    if unit not in SI:
        plain = f"{size:,.0f}" if size >= 1 else f"{size:g}"
        return f"{plain} {unit_text(unit)}".replace(" unit not stated", "\n(no unit)").replace(" no unit", "")
    factor, base = SI[unit]
    value = size * factor
    power = min(0, max(-15, 3 * math.floor(math.log10(value * (1 + 1e-9)) / 3)))
    return f"{value / 10.0**power:.3g} {PREFIXES[power]}{base}"


def _mark_breaks(axes: Axes, clock: Clock) -> str:
    """Mark gaps and cuts that are in the picture, and say how."""
    low, high = axes.get_xlim()
    seen = [(begin, end) for begin, end in clock.breaks_s if low < end < high or low < begin < high]
    for begin, end in seen:
        if clock.gaps:
            axes.axvspan(begin, end, color=GAP_COLOUR, zorder=0)
        else:
            axes.axvline(end, color="black", linewidth=0.8, linestyle=":")
    if not seen:
        return ""
    return "grey: gap" if clock.gaps else "dotted: cut of unknown length"
