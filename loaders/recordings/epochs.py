"""Epochs: windows around the events of a recording, placed by exact arithmetic on its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import NotFoundError, UsageError
from connectome.spikes import exact_seconds

from ..reading.columns import read_columns
from ..reading.conditions import as_conditions, satisfied
from ..reading.specs import as_version
from .labelled import LabelledSource

if TYPE_CHECKING:
    from pathlib import Path

    from connectome.store import Version

    from ..reading.signals import SeriesInfo

__all__ = ["EpochSource"]

Array = np.ndarray[Any, Any]
ONSETS = ("onset_s", "onset")
"""Columns that say when an event began, in the order in which they are looked for."""
TEXTS = ("description", "label", "trial_type", "text")
NO_ONSET, NOT_WANTED = "no onset", "not one of the labels"
BEFORE, GAP, AFTER = "before the recording", "in a gap", "after the recording"
BORDER = "reaches beyond its stretch without a gap"
NO_STRETCH = "its stretch is not read (too short, or not in the split's part)"


class EpochSource(LabelledSource):
    """Windows around events.

    An event belongs to the sample nearest to its onset (of two that are as near, the even one, as in MNE). The window
    has the samples from ``round(tmin_s * rate)`` to before ``round(tmax_s * rate)`` relative to it; all of this is
    computed with fractions. A window that would reach into a gap, out of the recording or out of the split's part is
    left out and counted.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    events : str
        Path of the table of events in each record.
    tmin_s, tmax_s : int, float or fractions.Fraction
        The window relative to the onset, in seconds; a float counts as the decimal that it is written as.
    closed : bool
        Whether the sample at ``tmax_s`` belongs to the window too, as in MNE.
    column : str, optional
        Column that labels come from; default the first of ``description``, ``label``, ``trial_type``, ``text``.
    labels : sequence of str, or mapping of str to str, optional
        Values of the column that are wanted, in the order of their codes; or value to name, several values with one
        name are one label. Default all values, sorted.
    where : sequence of (column, comparison, value), optional
        Further conditions on the table.
    onset : str, optional
        Column of onsets, seconds after the first sample; default ``onset_s``, else ``onset``.
    **options
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`, without ``window`` and ``stride``.

    Attributes
    ----------
    dropped : pandas.DataFrame
        Events that are wanted and have no window: ``record``, ``row``, ``onset_s``, ``text``, ``reason``.

    Raises
    ------
    UsageError
        When an argument cannot be used, a record has no exact rate, or no event has a window.
    NotFoundError
        When a table has no such column, or a wanted label is nowhere.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        tmin_s: float | Fraction,
        tmax_s: float | Fraction,
        events: str = "annotation",
        column: str | None = None,
        labels: Sequence[str] | Mapping[str, str] | None = None,
        where: Sequence[Sequence[Any]] | None = None,
        onset: str | None = None,
        closed: bool = False,
        root: str | Path | None = None,
        **options: Any,
    ) -> None:
        refused = {"window", "window_s", "stride", "stride_s"} & set(options)
        if refused or isinstance(labels, str):
            raise UsageError(
                "epochs have their length from tmin_s and tmax_s, and labels in a list",
                subject=", ".join(sorted(refused)) or "labels",
            )
        self.tmin, self.tmax = (
            exact_seconds(value, subject=name) for value, name in ((tmin_s, "tmin_s"), (tmax_s, "tmax_s"))
        )
        if self.tmax <= self.tmin:
            raise UsageError("an epoch ends after it begins", subject="tmax_s", expected=f"above {tmin_s}",
                             found=str(tmax_s))  # fmt: skip
        self.events, self.closed, self.where = events.strip("/"), closed, as_conditions(where, subject="where")
        version = as_version(data, root=root)
        super().__init__(version, window=1, **options)
        self._remember(version)
        found = [self._events_of(at, column, onset) for at in range(len(self.infos))]
        self.label_names, code_of = _codes(labels, [text for _, _, texts in found for text in texts])
        dropped: list[tuple[str, int, float, str, str]] = []
        parts: list[tuple[int, int, int, int]] = []
        for at, (rows, onsets, texts) in enumerate(found):
            for row, onset_s, text in zip(rows, onsets, texts, strict=True):
                if text not in code_of:
                    continue
                placed = self._placed(at, onset_s)
                if isinstance(placed, str):
                    dropped.append((self.records[at], row, onset_s, text, placed))
                else:
                    parts.append((*placed, code_of[text], row))
        self.dropped = pd.DataFrame(dropped, columns=["record", "row", "onset_s", "text", "reason"])
        if not parts:
            reasons = Counter(self.dropped["reason"].tolist())
            told = [f"{n} {why}" for why, n in reasons.items()] + [
                f"{k}: {v}" for k, v in list(self.skipped.items())[:5]
            ]
            raise UsageError("no event has a window", subject=version.spec, place=self.events,
                             found="; ".join(told) or "no event")  # fmt: skip
        self._place(*np.array(parts, dtype=np.int64).T)

    def _window_of(self, info: SeriesInfo) -> tuple[int, int]:
        if info.segment_rate_hz is None:
            raise UsageError(
                "events are placed in recordings with an exact rate", subject=info.record, place=info.group,
                expected="a rate as a fraction", found=info.clock,
            )  # fmt: skip
        first, last = self.relative_samples(info.segment_rate_hz)
        if last <= first:
            raise UsageError("an epoch shorter than a sample", subject=info.record, place="tmax_s")
        return last - first, last - first

    def relative_samples(self, rate_hz: Fraction) -> tuple[int, int]:
        """Return the half-open range of an epoch's samples at a rate, relative to the event's sample."""
        return round(self.tmin * rate_hz), round(self.tmax * rate_hz) + int(self.closed)

    def _events_of(self, at: int, column: str | None, onset: str | None) -> tuple[list[int], list[float], list[str]]:
        """Return row, onset and text of the events of one record that fulfil the conditions."""
        record, reader = self.infos[at].record, self._shelf.reader(at)
        if not reader.has(self.events):
            self.skipped[record] = f"no table {self.events}"
            return [], [], []
        columns = read_columns(reader, self.events, "row")
        when = onset or next((name for name in ONSETS if name in columns), ONSETS[0])
        text = column or next((name for name in TEXTS if name in columns), TEXTS[0])
        lost = [name for name in (when, text) if name not in columns]
        if lost:
            raise NotFoundError("the table has no such column", subject=record, place=f"{self.events}/{lost[0]}",
                                expected=", ".join(columns))  # fmt: skip
        kept = satisfied(self.where, columns, len(columns[when]), subject=f"{record}/{self.events}")
        rows = np.flatnonzero(kept)
        onsets = columns[when].astype(np.float64)[rows].tolist()
        return rows.tolist(), onsets, [str(value) for value in columns[text][rows].tolist()]

    def _placed(self, at: int, onset_s: float) -> tuple[int, int] | str:
        """Return range and first sample of the window of an event, or why there is none."""
        info = self.infos[at]
        rate = info.segment_rate_hz
        assert rate is not None
        if not np.isfinite(onset_s):
            return NO_ONSET
        moment = exact_seconds(onset_s, subject="onset_s")
        where = [(round((moment - begin_s) * rate), bounds)
                 for begin_s, bounds in zip(info.segment_start_s, info.segments, strict=True)]  # fmt: skip
        inside = [(begin + place, begin, end) for place, (begin, end) in where if 0 <= place < end - begin]
        if not inside:
            return BEFORE if where[0][0] < 0 else AFTER if where[-1][0] >= 0 else GAP
        sample, begin, end = inside[-1]
        first, last = (sample + step for step in self.relative_samples(rate))
        if first < begin or last > end:
            return BORDER
        index = self.index
        ranges = np.flatnonzero((index.record == at) & (index.begin <= first) & (last <= index.end))
        return (int(ranges[0]), first) if len(ranges) else NO_STRETCH

    @property
    def time_s(self) -> Array:
        """Time of the samples relative to the event's sample, shape (time,), float64 seconds.

        Raises
        ------
        UsageError
            When records have different rates.
        """
        rates = {info.segment_rate_hz for info in self.infos}
        if len(rates) > 1:
            raise UsageError("records have different rates", subject=self.provenance.dataset, hint="resample_hz=...")
        rate = rates.pop()
        assert rate is not None
        first, last = self.relative_samples(rate)
        return np.arange(first, last) * rate.denominator / rate.numerator

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values; times as exact fractions of seconds."""
        return {
            **super().description(),
            "events": self.events,
            "tmin_s": str(self.tmin),
            "tmax_s": str(self.tmax),
            "closed": self.closed,
            "where": [list(item) for item in self.where],
            "n_dropped": len(self.dropped),
        }


def _codes(
    labels: Sequence[str] | Mapping[str, str] | None, texts: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the codes, and the code of every text that is wanted."""
    if labels is None:
        labels = sorted({text for text in texts if text})
    wanted = dict(labels) if isinstance(labels, Mapping) else {text: text for text in labels}
    lost = sorted(set(wanted) - set(texts))
    if lost:
        raise NotFoundError("no event has such a label", subject=", ".join(lost),
                            expected=", ".join(sorted(set(texts))[:20]))  # fmt: skip
    names = tuple(dict.fromkeys(wanted.values()))
    return names, {text: names.index(name) for text, name in wanted.items()}
