"""Counts around the trials of a table, with the table's columns as labels, over many sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import NotFoundError, UsageError
from connectome.schema import decode, is_category
from connectome.spikes import EdgeGrid, bin_edges, exact_seconds, observed_fraction

from ..reading.columns import read_column, read_columns
from ..reading.conditions import as_conditions, satisfied
from .sessions import EventSessions
from .source import Observed, whole_number

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

    from .behaviour import Behaviour

__all__ = ["EventTrials", "TrialSource"]

Array = np.ndarray[Any, Any]
Seconds = int | float | Fraction
MISSING = -1


@dataclass(frozen=True)
class EventTrials:
    """A batch of trials."""

    counts: Array
    """Shape (trial, unit, bin); 0 where ``mask`` is False, and then no count."""
    mask: Array
    """The same shape, bool: True where the unit is there and the bin was observed from end to end."""
    unit: Array
    """Shape (trial, unit), int64: global ids; 0 where ``unit_mask`` is False."""
    unit_mask: Array
    """Shape (trial, unit), bool: whether the session has such a unit."""
    record: Array
    """Shape (trial,), int64: position in ``records``."""
    row: Array
    """Shape (trial,), int64: row of the table."""
    onset_s: Array
    """Shape (trial,), float64: the moment that the bins are aligned to."""
    labels: dict[str, Array]
    """Column to shape (trial,): int64 codes of text and categories, -1 where missing; numbers as they are."""
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    """Group to the behaviour on the same bins."""

    def __len__(self) -> int:
        return len(self.record)


class TrialSource(EventSessions):
    """Trials of a table group over the sessions of a version.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    trials : str
        Path of the table: ``"trials"``, ``"stimulus/natural_scenes"``.
    before_s, after_s, bin_s : int, float or fractions.Fraction
        Bins of ``bin_s`` run from ``before_s`` before each moment to ``after_s`` after it.
    align : str
        Column of the moments, in seconds; rows without one are left out.
    labels : sequence of str
        Columns that come along with each trial.
    where : sequence of (column, comparison, value), optional
        Trials to keep, by conditions on columns of the table.
    observed : {"whole", "any"}
        Whether only trials observed from end to end are kept, or all that were observed in part, under the mask.
    **options
        As for :class:`~connectome.loaders.events.sessions.EventSessions`. With ``split``, trials lie wholly inside a
        stretch of the part.

    Attributes
    ----------
    record, row, onset_s : numpy.ndarray
        Shape (trial,): every trial's record, row in the table and moment.
    labels : dict of str to numpy.ndarray
        Column to shape (trial,); see :class:`EventTrials`.
    label_names : dict of str to tuple of str
        What the codes of a text or category column mean, the same in all records.
    left_out : dict of str to int
        How many rows of a record are not used although ``where`` keeps them.

    Raises
    ------
    UsageError
        When an argument cannot be used, or no trial is left.
    NotFoundError
        When no record has the table, or a table lacks a column.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        trials: str = "trials",
        before_s: Seconds,
        after_s: Seconds,
        bin_s: Seconds,
        align: str = "start_time",
        labels: Sequence[str] = (),
        where: Sequence[Sequence[Any]] | None = None,
        observed: Observed = "whole",
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        if isinstance(labels, str) or isinstance(where, str):
            raise UsageError("labels and conditions come in lists", subject="labels", found=repr(labels))
        self.table, self.align, self.observed = trials.strip("/"), align, observed
        self.where = as_conditions(where, subject="where")
        self.before, self.bin = (
            exact_seconds(value, subject=name) for value, name in ((before_s, "before_s"), (bin_s, "bin_s"))
        )
        if self.bin <= 0:
            raise UsageError("a bin has a width", subject="bin_s", expected="seconds above 0", found=str(bin_s))
        span = self.before + exact_seconds(after_s, subject="after_s")
        self.n_bins = whole_number(span / self.bin, f"{bin_s} in {before_s} + {after_s}", "bin_s")
        self.left_out: dict[str, int] = {}
        parts: list[tuple[int, Array, Array]] = []
        read: dict[str, list[xr.Variable]] = {name: [] for name in labels}
        for at, info in enumerate(self.infos):
            reader = self._shelf.reader(at)
            if not reader.has(self.table):
                self.skipped[info.record] = f"no table {self.table}"
                continue
            there = reader.columns(self.table)
            lost = [name for name in (align, *labels) if name not in there]
            if lost:
                raise NotFoundError(
                    "the table has no such column",
                    subject=info.record,
                    place=f"{self.table}/{', '.join(lost)}",
                    expected=", ".join(there),
                )
            row, onset = self._usable(at)
            parts.append((at, row, onset))
            for name in labels:
                variable = read_column(reader, self.table, name)
                read[name].append(variable[row])
        if not sum(len(row) for _, row, _ in parts):
            raise UsageError(
                "no trial is left",
                subject=self.provenance.dataset,
                place=self.table,
                found=", ".join(f"{name}: {why}" for name, why in {**self.skipped, **self.left_out}.items()),
            )
        self.record = np.concatenate([np.full(len(row), at, dtype=np.int64) for at, row, _ in parts])
        self.row = np.concatenate([row for _, row, _ in parts]).astype(np.int64)
        self.onset_s = np.concatenate([onset for _, _, onset in parts])
        self._grid = EdgeGrid(self._starts(self.onset_s), self.bin, self.n_bins)
        self.labels: dict[str, Array] = {}
        self.label_names: dict[str, tuple[str, ...]] = {}
        for name, variables in read.items():
            self.labels[name], names = _joined(variables, subject=f"{self.table}/{name}")
            if names is not None:
                self.label_names[name] = names

    def _usable(self, at: int) -> tuple[Array, Array]:
        """Return the rows and moments of the trials of one record that are used."""
        info, reader = self.infos[at], self._shelf.reader(at)
        onset = read_columns(reader, self.table, "row", [self.align])[self.align]
        if onset.dtype.kind not in "iuf":
            raise UsageError("moments are numbers", subject=info.record, place=f"{self.table}/{self.align}")
        onset = onset.astype(np.float64)
        columns = read_columns(reader, self.table, "row", [condition.column for condition in self.where])
        kept = satisfied(self.where, columns, len(onset), subject=f"{info.record}/{self.table}")
        wanted = int(kept.sum())
        kept &= np.isfinite(onset)
        row = np.flatnonzero(kept)
        start, stop = self._spans(onset[row])
        inside = np.ones(len(row), dtype=bool)
        stretches = self._stretches[at]
        if stretches is not None and not any(np.isnan(low) for low, _ in stretches):
            inside = np.zeros(len(row), dtype=bool)
            for low, high in stretches:
                inside |= (low <= start) & (stop <= high)
        together, any_unit = self.observed_s(at)
        seen = observed_fraction(together if self.observed == "whole" else any_unit, start, stop)
        inside &= seen == 1.0 if self.observed == "whole" else seen > 0.0
        row = row[inside]
        if wanted > len(row):
            self.left_out[info.record] = wanted - len(row)
        return row, onset[row]

    def _spans(self, onset_s: Array) -> tuple[Array, Array]:
        """Return the first and the last edge of trials."""
        starts, span = self._starts(onset_s), self.bin * self.n_bins
        return np.array([float(at) for at in starts]), np.array([float(at + span) for at in starts])

    def _starts(self, onset_s: Array) -> list[Fraction]:
        """Return the exact first edge of trials."""
        return [exact_seconds(at, subject="onset") - self.before for at in onset_s.tolist()]

    def __len__(self) -> int:
        return len(self.record)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.provenance.label} {self.table}: "
            f"{len(self)} trials of {self.n_bins} bins, {self.n_global_units} units in {len(self.infos)} records>"
        )

    @property
    def time_s(self) -> Array:
        """Start of each bin relative to the moment, shape (bin,), float64 seconds."""
        return bin_edges(-self.before, self.bin, self.n_bins)[:-1]

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values; lengths as exact fractions of seconds."""
        return {
            **super().description(),
            "trials": self.table,
            "align": self.align,
            "before_s": str(self.before),
            "after_s": str(self.bin * self.n_bins - self.before),
            "bin_s": str(self.bin),
            "where": [list(condition) for condition in self.where],
            "observed": self.observed,
            "labels": {name: list(self.label_names.get(name, ())) for name in self.labels},
        }

    def trials(self, indices: Sequence[int] | Array) -> EventTrials:
        """Read trials.

        Parameters
        ----------
        indices : sequence of int
            Which trials, in the order of the batch; repeats are allowed.

        Raises
        ------
        IndexError
            When there is no such trial.
        DamagedError
            When a file is missing or its bytes have changed.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise IndexError(f"trial {chosen.min()} to {chosen.max()} of {len(self)}")
        record, onset = self.record[chosen], self.onset_s[chosen]
        edges = self._grid.edges(chosen)
        counts, mask, unit, unit_mask = self.count_batch(record, edges)
        return EventTrials(
            counts=counts,
            mask=mask,
            unit=unit,
            unit_mask=unit_mask,
            record=record,
            row=self.row[chosen],
            onset_s=onset,
            labels={name: values[chosen] for name, values in self.labels.items()},
            behaviour=self.behaviour(record, edges, [self._limits(*pair) for pair in zip(record, edges, strict=True)]),
        )

    def _limits(self, record: int, edges_s: Array) -> tuple[float, float]:
        """Return the stretch of the split's part that a trial lies in."""
        stretches = self._stretches[record]
        if stretches is None or any(np.isnan(low) for low, _ in stretches):
            return -np.inf, np.inf
        return next((low, high) for low, high in stretches if low <= edges_s[0] and edges_s[-1] <= high)

    def frame(self) -> pd.DataFrame:
        """Return all trials: ``record``, ``start_s``, ``stop_s`` (what is read of each), ``row`` and the labels.

        Codes of text and categories are written out. This is what :class:`connectome.splits.TrialSplit` divides.
        """
        start, stop = self._spans(self.onset_s)
        names = np.array(self.records, dtype=object)[self.record]
        labels: dict[str, Any] = dict(self.labels)
        for name, known in self.label_names.items():
            labels[name] = np.array([*known, ""], dtype=object)[self.labels[name]]
        return pd.DataFrame({"record": names, "start_s": start, "stop_s": stop, "row": self.row, **labels})


def _joined(variables: Sequence[xr.Variable], *, subject: str) -> tuple[Array, tuple[str, ...] | None]:
    """Return one column over all records, and the names of its codes where it is text."""
    texts = [is_category(variable) or decode(variable).dtype.kind == "O" for variable in variables]
    if any(variable.ndim != 1 for variable in variables) or len(set(texts)) > 1:
        raise UsageError("a label is one number or one text per trial in all records", subject=subject)
    if not texts[0]:
        values = np.concatenate([np.asarray(variable.values) for variable in variables])
        return values.astype(np.float64 if values.dtype.kind == "f" else np.int64), None
    # Categories keep the order of their codes; plain text has none, so it is sorted.
    named = [
        list(variable.attrs["flag_labels"]) if is_category(variable) else sorted(set(decode(variable).tolist()))
        for variable in variables
    ]
    names = tuple(dict.fromkeys(name for labels in named for name in labels if name))
    if not any(is_category(variable) for variable in variables):
        names = tuple(sorted(names))
    code = {name: at for at, name in enumerate(names)}
    words = (decode(variable).tolist() for variable in variables)
    return np.array([code.get(word, MISSING) for part in words for word in part], dtype=np.int64), names
