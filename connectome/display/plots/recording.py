"""Pictures of a recording (EEG, iEEG, MEG): traces, spectrum, electrodes in space, and what happened when.

Nothing is filtered or resampled. Traces of one unit share one scale, which is said; only a stretch is drawn.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import decode, groups, kind_of

from .figure import INK, literal, new_figure, note
from .projection import nice_length

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["electrode_map", "is_recording", "spectrum", "timeline", "traces"]

Array = np.ndarray[Any, Any]
SHOWN_S, MAX_TRACES = 10.0, 24
MAX_SWING = 2.0
"""Rows that a trace may leave its own by."""
MAX_SPECTRUM_S, SEGMENT_S = 60.0, 2.0
MAX_ROWS, MAX_NAMES = 14, 130
SEIZURE_COLOUR = "#c0392b"
_TABLES = {"annotation": "description", "events": "text", "seizure": "label"}


def is_recording(dataset: xr.Dataset) -> bool:
    """Tell whether a series came from a recording's file: channels with labels and units, and an exact rate."""
    columns = {"source_label", "source_unit", "channel_unit"}
    return columns <= set(dataset.variables) and "rate_hz_numerator" in dataset.attrs


def _rate(dataset: xr.Dataset) -> Fraction:
    return Fraction(int(dataset.attrs["rate_hz_numerator"]), int(dataset.attrs["rate_hz_denominator"]))


def _physical(dataset: xr.Dataset, start: int, stop: int, rows: Array | slice = slice(None)) -> Array:
    values: Array = np.asarray(dataset["signal"][rows, start:stop].values, dtype=np.float64)
    if "gain" in dataset:
        values = values * dataset["gain"].values[rows, None] + dataset["offset"].values[rows, None]
    if "valid" in dataset:
        valid = dataset["valid"]
        taken: Array = valid[start:stop].values if valid.ndim == 1 else valid[rows, start:stop].values
        values = np.where(taken, values, np.nan)
    return values


def _units(dataset: xr.Dataset) -> Array:
    found: Array = np.array([str(unit) for unit in dataset["channel_unit"].values], dtype=object)
    return found


def _unit_text(unit: str) -> str:
    return {"uV": "µV", "": "unit not stated", "1": "no unit"}.get(unit, unit)


def _bad(dataset: xr.Dataset) -> Array:
    if "status" not in dataset:
        return np.zeros(dataset.sizes["channel"], dtype=bool)
    return np.array([str(status) == "bad" for status in decode(dataset["status"])])


def traces(dataset: xr.Dataset, *, seizure_s: float | None = None, title: str = "") -> Figure:
    """Draw ten seconds of up to 24 channels, evenly chosen, one above the other.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group of a recording.
    seizure_s : float, optional
        Onset of a seizure, drawn in the middle; default the first ten seconds.
    title : str
        Before the counts.
    """
    rate = float(_rate(dataset))
    n_channels, n_samples = int(dataset.sizes["channel"]), int(dataset.sizes["time"])
    length = min(n_samples, max(2, round(SHOWN_S * rate)))
    wanted = 0 if seizure_s is None else round((seizure_s - SHOWN_S / 2) * rate)
    first = min(max(0, wanted), n_samples - length)
    rows = np.unique(np.linspace(0, n_channels - 1, min(n_channels, MAX_TRACES)).round().astype(int))
    values = _physical(dataset, first, first + length, rows)
    units, bad = _units(dataset)[rows], _bad(dataset)[rows]
    values -= np.nanmedian(values, axis=1, keepdims=True)
    step = {unit: _step(values[units == unit]) for unit in dict.fromkeys(units.tolist())}
    seconds = (first + np.arange(length)) / rate
    figure = new_figure(9.0, 1.4 + 0.24 * len(rows))
    axes = figure.add_subplot()
    n_cut = 0
    for at, (row, unit) in enumerate(zip(values, units, strict=True)):
        colour = "#b0b0b0" if bad[at] else f"C{list(step).index(unit) % 10}"
        rows_up = row / step[unit]
        n_cut += int((np.abs(rows_up) > MAX_SWING).any())
        axes.plot(seconds, at - np.clip(rows_up, -MAX_SWING, MAX_SWING), color=colour, linewidth=0.5)
    names = [str(name) for name in dataset["channel"].values[rows]]
    axes.set_yticks(range(len(rows)), [literal(name) for name in names], fontsize=6)
    axes.set(xlim=(seconds[0], seconds[-1]), ylim=(len(rows) - 0.2, -0.8))
    if seizure_s is not None:
        axes.axvline(seizure_s, color=SEIZURE_COLOUR, linewidth=0.9)
    axes.set_xlabel("seconds after the first sample", loc="left", fontsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _mark_gaps(axes, dataset, rate)
    said = "; ".join(f"one row is {size:.3g} {_unit_text(unit)}" for unit, size in step.items())
    greyed = ", bad ones grey" if bad.any() else ""
    cut = f", {n_cut} cut at {MAX_SWING:g} rows" if n_cut else ""
    onset = ", red: onset of a seizure" if seizure_s is not None else ""
    note(axes, f"each channel minus its median; {said}{cut}{greyed}{onset}")
    some = "" if len(rows) == n_channels else f", {len(rows)} drawn"
    head = f"{title}: " if title else ""
    whole = f"{length / rate:.3g} s of {n_samples / rate:.6g} s at {rate:.6g} Hz"
    axes.set_title(literal(f"{head}{n_channels} channel{'' if n_channels == 1 else 's'}{some}, {whole}"), fontsize=10)
    return figure


def _step(values: Array) -> float:
    """Return the distance of two rows: the median channel's range of 98 in 100 samples."""
    spans = np.nanpercentile(values, 99, axis=1) - np.nanpercentile(values, 1, axis=1)
    spans = spans[np.isfinite(spans) & (spans > 0)]
    return nice_length(float(np.median(spans)) * 1.5) if spans.size else 1.0


def _mark_gaps(axes: Any, dataset: xr.Dataset, rate: float) -> None:
    if "segment_start" in dataset:
        low, high = axes.get_xlim()
        for start in dataset["segment_start"].values[1:].tolist():
            if low < start / rate < high:
                axes.axvline(start / rate, color="black", linewidth=0.8, linestyle=":")


def spectrum(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw the power spectral density of channels, by unit: the median channel, and four in five of all.

    Welch's method (Welch 1967, doi:10.1109/TAU.1967.1161901): Hann windows of 2 s that overlap by half, each minus its
    mean, over at most the first minute of the first segment. None where that is shorter than half a second.
    """
    rate = float(_rate(dataset))
    stop = int(dataset["segment_stop"].values[0]) if "segment_stop" in dataset else int(dataset.sizes["time"])
    stop = min(stop, round(MAX_SPECTRUM_S * rate))
    if stop < max(8, rate / 2):
        return None
    values = _physical(dataset, 0, stop)
    size = min(stop, round(SEGMENT_S * rate)) if rate * SEGMENT_S >= 8 else stop
    frequency, power = _welch(values, rate, size)
    good = np.isfinite(power).all(axis=1) & (power.sum(axis=1) > 0)
    units = _units(dataset)
    figure = new_figure(9.0, 3.0)
    axes = figure.add_subplot()
    for at, unit in enumerate(dict.fromkeys(units.tolist())):
        chosen = power[good & (units == unit)][:, 1:]
        if not len(chosen):
            continue
        low, middle, high = np.percentile(chosen, [10, 50, 90], axis=0)
        count = f"{len(chosen)} channel{'' if len(chosen) == 1 else 's'}"
        axes.fill_between(frequency[1:], low, high, color=f"C{at % 10}", alpha=0.18, linewidth=0)
        axes.plot(frequency[1:], middle, color=f"C{at % 10}", linewidth=1, label=f"{_unit_text(unit)}: {count}")
    axes.set_yscale("log")
    axes.set_xlim(0, rate / 2)
    axes.set_xlabel("frequency (Hz)", loc="left", fontsize=8)
    named = {_unit_text(unit) for unit in units}
    axes.set_ylabel(f"power ({named.pop()}²/Hz)" if len(named) == 1 else "power (unit²/Hz)", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    flat = "" if good.all() else f"; {int((~good).sum())} channels that are constant or have gaps left out"
    note(axes, f"Welch, Hann windows of {size / rate:.3g} s, {stop / rate:.3g} s; line median, band 10 to 90 %{flat}")
    axes.set_title(literal(f"{title}: spectrum" if title else "spectrum"), fontsize=10)
    return figure


def _welch(values: Array, rate_hz: float, size: int) -> tuple[Array, Array]:
    window = np.hanning(size + 1)[:-1]
    starts = range(0, values.shape[1] - size + 1, max(1, size // 2))
    total = np.zeros((len(values), size // 2 + 1))
    for start in starts:
        part = values[:, start : start + size]
        total += np.abs(np.fft.rfft((part - part.mean(axis=1, keepdims=True)) * window)) ** 2
    power = total / len(starts) / (rate_hz * (window**2).sum())
    power[:, 1 : None if size % 2 else -1] *= 2
    return np.fft.rfftfreq(size, 1 / rate_hz), power


def electrode_map(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw where channels lie, seen along the third axis and along the first; None where no position is known.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series group of a recording, or a table ``electrodes``.
    title : str
        Before the counts.
    """
    if not {"x", "y", "z"} <= set(dataset.variables):
        return None
    position = np.stack([np.asarray(dataset[axis].values, dtype=np.float64) for axis in "xyz"], axis=1)
    known = np.isfinite(position).all(axis=1)
    if not known.any():
        return None
    unit = str(dataset["x"].attrs.get("units", ""))
    unit = "unit not stated" if unit in {"", "unknown"} else unit
    what = "channel" if "channel" in dataset else "name"
    names = [str(name) for name in dataset[what].values]
    bad = _bad(dataset) if what == "channel" else np.zeros(len(names), dtype=bool)
    figure = new_figure(9.0, 4.6)
    for at, (across, up) in enumerate(((0, 1), (1, 2))):
        axes = figure.add_subplot(1, 2, at + 1)
        for chosen, face in ((known & ~bad, "C0"), (known & bad, "none")):
            axes.scatter(position[chosen, across], position[chosen, up], s=14, facecolor=face, edgecolor="C0", lw=0.7)
        if known.sum() <= MAX_NAMES:
            for row in np.flatnonzero(known).tolist():
                place = (position[row, across], position[row, up])
                axes.annotate(literal(names[row]), place, (2, 2), textcoords="offset points", fontsize=4.5, color=INK)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel(f"{'xyz'[across]} ({unit})", fontsize=8)
        axes.set_ylabel(f"{'xyz'[up]} ({unit})", fontsize=8)
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    kind = "channels" if what == "channel" else "electrodes"
    some = f"{int(known.sum())} of {len(names)} {kind} have a position"
    hollow = f"; {int((known & bad).sum())} bad ones hollow" if (known & bad).any() else ""
    head = f"{title}: " if title else ""
    figure.suptitle(literal(f"{head}{some}{hollow}"), fontsize=10)
    return figure


def timeline(tree: xr.DataTree, *, duration_s: float, title: str = "") -> Figure | None:
    """Draw annotations, events and seizures against time, one row per text; None where there are none.

    Parameters
    ----------
    tree : xarray.DataTree
        A record; its tables ``annotation``, ``events`` and ``seizure`` are drawn.
    duration_s : float
        Of the recording.
    title : str
        Before the counts.
    """
    found = [row for path, dataset in groups(tree) for row in _marks(path.strip("/"), dataset)]
    if not found:
        return None
    counts = Counter((table, text) for table, text, _, _ in found)
    rows = [key for key, _ in sorted(counts.items(), key=lambda item: (item[0][0] != "seizure", -item[1], item[0]))]
    shown = rows[:MAX_ROWS]
    figure = new_figure(9.0, 1.3 + 0.22 * len(shown))
    axes = figure.add_subplot()
    for table, text, onset, duration in found:
        if (table, text) not in shown:
            continue
        at = shown.index((table, text))
        colour = SEIZURE_COLOUR if table == "seizure" else "C0" if table == "annotation" else "C2"
        if duration > duration_s * 0.001:
            axes.barh(at, duration, left=onset, height=0.62, color=colour, alpha=0.55, edgecolor=colour, linewidth=0.5)
        else:
            axes.plot([onset, onset], [at - 0.31, at + 0.31], color=colour, linewidth=1.2)
    labels = [f"{text or '(no text)'}  ×{counts[table, text]}  [{table}]" for table, text in shown]
    axes.set_yticks(range(len(shown)), [literal(label if len(label) < 60 else f"{label[:57]}…") for label in labels])
    axes.tick_params(axis="y", labelsize=7, length=0)
    axes.tick_params(axis="x", labelsize=8)
    low = min(0.0, *(onset for _, _, onset, _ in found))
    high = max(duration_s, *(onset for _, _, onset, _ in found))
    axes.set(xlim=(low, high), ylim=(len(shown) - 0.4, -0.6))
    if high > duration_s:
        axes.axvspan(duration_s, high, color="#eeeeee", zorder=0)
        note(axes, f"grey: after the end of the recording, {duration_s:.6g} s")
    axes.set_xlabel("seconds after the first sample", loc="left", fontsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    more = "" if len(shown) == len(rows) else f", the most frequent {len(shown)} of {len(rows)} texts"
    head = f"{title}: " if title else ""
    plural = "" if len(found) == 1 else "s"
    axes.set_title(literal(f"{head}{len(found)} mark{plural}{more}"), fontsize=10)
    return figure


def _marks(table: str, dataset: xr.Dataset) -> list[tuple[str, str, float, float]]:
    if table not in _TABLES or kind_of(dataset) != "table" or not dataset.sizes.get("row"):
        return []
    onset = next((name for name in ("onset_s", "onset") if name in dataset), None)
    text = next((name for name in (_TABLES[table], "trial_type", "label", "value") if name in dataset), None)
    if onset is None:
        return []
    onsets = np.asarray(decode(dataset[onset]), dtype=np.float64)
    if "offset_s" in dataset:
        durations = np.asarray(decode(dataset["offset_s"]), dtype=np.float64) - onsets
    else:
        name = next((name for name in ("duration_s", "duration") if name in dataset), None)
        durations = np.zeros(len(onsets)) if name is None else np.asarray(decode(dataset[name]), dtype=np.float64)
    texts = [""] * len(onsets) if text is None else [str(value) for value in decode(dataset[text])]
    rows = zip(texts, onsets.tolist(), np.nan_to_num(durations).tolist(), strict=True)
    return [(table, value, at, max(0.0, length)) for value, at, length in rows if np.isfinite(at)]


def first_seizure_s(tree: xr.DataTree) -> float | None:
    """Return the first onset in the table of seizures; None without one."""
    marks = (_marks(path.strip("/"), dataset) for path, dataset in groups(tree) if path.strip("/") == "seizure")
    return min((onset for found in marks for _, _, onset, _ in found), default=None)
