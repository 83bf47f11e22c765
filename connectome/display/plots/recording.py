"""Pictures of a recording (EEG, iEEG, MEG): spectrum, electrodes in space, and what happened when.

Nothing is filtered or resampled. Times count from the first sample, with the gaps that the recording has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import decode, groups, kind_of

from .figure import INK, literal, new_figure, note

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Clock", "clock_of", "electrode_map", "is_recording", "spectrum", "timeline"]

Array = np.ndarray[Any, Any]
MAX_SPECTRUM_S, SEGMENT_S = 60.0, 2.0
MAX_SPECTRUM_VALUES = 1 << 24
LOG_FROM_HZ = 200.0
"""Where frequencies reach so far, their axis is logarithmic: most of what EEG is lies below."""
MAX_ROWS, MAX_NAMES = 14, 130
SEIZURE_COLOUR, GAP_COLOUR = "#c0392b", "#eeeeee"
_TABLES = {"annotation": "description", "events": "text", "seizure": "label"}


def is_recording(dataset: xr.Dataset) -> bool:
    """Tell whether a series came from a recording's file: channels with labels and units, and an exact rate."""
    columns = {"source_label", "source_unit", "channel_unit"}
    rates = {"rate_hz_numerator", "segment_rate_hz_numerator"}
    return columns <= set(dataset.variables) and not rates.isdisjoint(dataset.attrs)


@dataclass(frozen=True)
class Clock:
    """When the samples of a recording were taken, in seconds after the first."""

    rate_hz: Fraction
    """Inside every segment."""
    start: tuple[int, ...]
    """First sample of each segment."""
    start_s: tuple[float, ...]
    n_samples: int
    gaps: bool
    """Whether the time between segments is known; otherwise they are counted one after the other."""

    def times(self, start: int, stop: int) -> Array:
        """Return the times of samples, shape (stop - start,), float64."""
        samples = np.arange(start, stop)
        segment = np.searchsorted(np.array(self.start), samples, side="right") - 1
        inside = (samples - np.array(self.start)[segment]) * self.rate_hz.denominator / self.rate_hz.numerator
        found: Array = np.array(self.start_s)[segment] + inside
        return found

    def sample_at(self, time_s: float) -> int:
        """Return the sample nearest to a time; in a gap, the first one after it."""
        segment = max(0, int(np.searchsorted(np.array(self.start_s), time_s, side="right")) - 1)
        end = (*self.start[1:], self.n_samples)[segment]
        inside = round((time_s - self.start_s[segment]) * float(self.rate_hz))
        return min(max(self.start[segment] + inside, self.start[segment]), end, self.n_samples - 1)

    @property
    def end_s(self) -> float:
        """End of the last sample."""
        return float(self.times(self.n_samples - 1, self.n_samples)[0] + 1 / self.rate_hz)

    @property
    def breaks_s(self) -> list[tuple[float, float]]:
        """Gaps as their begin and end; an end without length where only a cut is known."""
        ends = [float(self.times(first - 1, first)[0] + 1 / self.rate_hz) for first in self.start[1:]]
        return list(zip(ends, self.start_s[1:], strict=True))


def clock_of(dataset: xr.Dataset) -> Clock:
    """Return the clock of a series for which :func:`is_recording` holds."""
    gaps = "rate_hz_numerator" not in dataset.attrs
    name = "segment_rate_hz" if gaps else "rate_hz"
    rate = Fraction(int(dataset.attrs[f"{name}_numerator"]), int(dataset.attrs[f"{name}_denominator"]))
    start = dataset["segment_start"].values.tolist() if "segment_start" in dataset else [0]
    if gaps:
        stamps = dataset["time"][start].values
        start_s = (stamps - stamps[0]).tolist()
    else:
        start_s = [float(first / rate) for first in start]
    return Clock(rate, tuple(start), tuple(start_s), int(dataset.sizes["time"]), gaps)


def physical(dataset: xr.Dataset, start: int, stop: int, rows: Array | slice = slice(None)) -> Array:
    """Return samples in the units of their channels, float64; NaN where none was taken."""
    values: Array = np.asarray(dataset["signal"][rows, start:stop].values, dtype=np.float64)
    if "gain" in dataset:
        values = values * dataset["gain"].values[rows, None] + dataset["offset"].values[rows, None]
    if "valid" in dataset:
        valid = dataset["valid"]
        taken: Array = valid[start:stop].values if valid.ndim == 1 else valid[rows, start:stop].values
        values = np.where(taken, values, np.nan)
    return values


def units_of(dataset: xr.Dataset) -> Array:
    """Return the unit of every channel."""
    found: Array = np.array([str(unit) for unit in dataset["channel_unit"].values], dtype=object)
    return found


def unit_text(unit: str) -> str:
    """Return a unit as it is written in a picture."""
    return {"uV": "µV", "": "unit not stated", "1": "no unit"}.get(unit, unit)


def bad_of(dataset: xr.Dataset) -> Array:
    """Return which channels are marked as bad."""
    if "status" not in dataset:
        return np.zeros(dataset.sizes["channel"], dtype=bool)
    return np.array([str(status) == "bad" for status in decode(dataset["status"])])


def spectrum(dataset: xr.Dataset, *, title: str = "") -> Figure | None:
    """Draw the power spectral density of channels, by unit: the median channel, and four in five of all.

    Welch's method (Welch 1967, doi:10.1109/TAU.1967.1161901): Hann windows of 2 s that overlap by half, each minus its
    mean, over at most the first minute of the first segment. None where that is shorter than half a second.
    """
    rate = float(clock_of(dataset).rate_hz)
    stop = int(dataset["segment_stop"].values[0]) if "segment_stop" in dataset else int(dataset.sizes["time"])
    stop = min(stop, round(MAX_SPECTRUM_S * rate), MAX_SPECTRUM_VALUES // max(1, int(dataset.sizes["channel"])))
    if stop < max(8, rate / 2):
        return None
    values = physical(dataset, 0, stop)
    size = min(stop, round(SEGMENT_S * rate)) if rate * SEGMENT_S >= 8 else stop
    frequency, power = _welch(values, rate, size)
    good = np.isfinite(power).all(axis=1) & (power.sum(axis=1) > 0)
    units = units_of(dataset)
    figure = new_figure(9.0, 3.0)
    axes = figure.add_subplot()
    for at, unit in enumerate(dict.fromkeys(units.tolist())):
        chosen = power[good & (units == unit)][:, 1:]
        if not len(chosen):
            continue
        low, middle, high = np.percentile(chosen, [10, 50, 90], axis=0)
        count = f"{len(chosen)} channel{'' if len(chosen) == 1 else 's'}"
        axes.fill_between(frequency[1:], low, high, color=f"C{at % 10}", alpha=0.18, linewidth=0)
        axes.plot(frequency[1:], middle, color=f"C{at % 10}", linewidth=1, label=f"{unit_text(unit)}: {count}")
    axes.set_yscale("log")
    if rate / 2 > LOG_FROM_HZ:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.set_xlim(frequency[1] if rate / 2 > LOG_FROM_HZ else 0, rate / 2)
    axes.set_xlabel("frequency (Hz)", loc="left", fontsize=8)
    named = {unit_text(unit) for unit in units}
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
    bad = bad_of(dataset) if what == "channel" else np.zeros(len(names), dtype=bool)
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


def timeline(
    tree: xr.DataTree, *, duration_s: float, breaks_s: Sequence[tuple[float, float]] = (), title: str = ""
) -> Figure | None:
    """Draw annotations, events and seizures against time, one row per text; None where there are none.

    Parameters
    ----------
    tree : xarray.DataTree
        A record; its tables ``annotation``, ``events`` and ``seizure`` are drawn.
    duration_s : float
        Of the recording.
    breaks_s : sequence of (begin, end)
        Gaps of the recording.
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
    grey = [(begin, end) for begin, end in breaks_s if end > begin]
    said = [f"{len(grey)} gap{'' if len(grey) == 1 else 's'}"] if grey else []
    if high > duration_s:
        grey.append((duration_s, high))
        said.append(f"after the end of the recording, {duration_s:.6g} s")
    for begin, end in grey:
        axes.axvspan(begin, end, color=GAP_COLOUR, zorder=0)
    if said:
        note(axes, f"grey: {'; '.join(said)}")
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
