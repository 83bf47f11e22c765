"""Sessions of spikes beside each other: which records, which of their units, and counts of one stretch of one record.

Sessions have different units. In a batch the unit axis is as long as the session with most units needs; the rest is
masked. Every chosen unit of every session has a number of its own over all sessions, its *global id*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import NotFoundError, UsageError
from connectome.spikes import UnitFilter, bin_counts, unit_filter

from ..reading.chunks import CACHE_BYTES, Shelf
from ..reading.columns import read_columns
from ..reading.conditions import as_conditions, satisfied
from ..reading.index import choose_split, stretches_of
from ..reading.provenance import Provenance
from ..reading.records import choose_records, reasons
from ..reading.signals import SeriesInfo, describe_series
from ..reading.specs import as_version, record_file
from .behaviour import Behaviour, behaviour_methods, read_behaviour
from .counting import count_windows
from .reading import EventInfo, describe_events, read_trains

if TYPE_CHECKING:
    from connectome.intervals import Intervals
    from connectome.spikes import SpikeTrains
    from connectome.splits import Split
    from connectome.store import Version

    from ..recordings.resampling import Method

__all__ = ["EventSessions"]

Array = np.ndarray[Any, Any]
NO_UNITS = "none of its units passes the filter"


class EventSessions:
    """The records of a version that hold spikes, and the units that are read of each.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    group : str
        Path of the events group.
    records : sequence of str, optional
        Names of records; default all that have the group.
    split : str or (Split, str), optional
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`: nothing is read outside the part's
        stretches.
    part : str, optional
        The part, where ``split`` is the name of a stored split or a split.
    units : str, UnitFilter or sequence of (column, comparison, value), optional
        Units to keep: a filter, or its name (``"allen_default"``; see :data:`connectome.spikes.FILTERS`), or conditions
        on columns of the unit table that must all hold; see :class:`~connectome.loaders.reading.conditions.Condition`.
        Default all units.
    behaviour : sequence of str or mapping of str to method, optional
        Series groups to put on the same bins, and how (``"linear"``, ``"mean"``, ``"nearest"``).
    max_gap_s : float
        Seconds between two samples of behaviour above which nothing is known between them.
    dtype : str
        Of counts. A count that an integer dtype cannot hold is an error.
    cache_bytes : int
        Decoded chunks kept per process.
    root : path or URL, optional
        The store, for a text.

    Attributes
    ----------
    infos : tuple of EventInfo
        What is known of each record's events.
    chosen : tuple of numpy.ndarray
        Per record, positions of the units that are read.
    skipped : dict of str to str
        Records that are not read, with the reason.
    provenance : Provenance

    Raises
    ------
    UsageError
        When an argument cannot be used, or no record is left.
    NotFoundError
        When a record, a group, a column, a filter, a split or its part does not exist.
    SchemaError
        When a record lacks a column that a filter needs.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        group: str = "spikes",
        records: Sequence[str] | None = None,
        split: str | Split | tuple[Split, str] | None = None,
        part: str | None = None,
        units: str | UnitFilter | Sequence[Sequence[Any]] | None = None,
        behaviour: Sequence[str] | Mapping[str, Method] | None = None,
        max_gap_s: float = 0.5,
        dtype: str = "float32",
        cache_bytes: int = CACHE_BYTES,
        root: str | Path | None = None,
    ) -> None:
        version = as_version(data, root=root)
        chosen_split, part = choose_split(version, _with_part(split, part))
        self.group, self.dtype = group.strip("/"), np.dtype(dtype)
        if self.dtype.kind not in "iuf":
            raise UsageError("counts are numbers", subject="dtype", expected="integers or floats", found=dtype)
        self.filter = unit_filter(units) if isinstance(units, str) else units if isinstance(units, UnitFilter) else None
        self.conditions = () if isinstance(units, (str, UnitFilter)) else as_conditions(units, subject="units")
        self.methods, self.max_gap_s = behaviour_methods(behaviour), float(max_gap_s)
        self.provenance = Provenance.of(version, split=chosen_split, part=part)
        names, self.skipped = choose_records(version, records, split=chosen_split, part=part, group=self.group)
        shelf = Shelf([record_file(version, name) for name in names], cache_bytes=cache_bytes)
        stretches = stretches_of(chosen_split, part)
        kept: list[int] = []
        infos: list[EventInfo] = []
        chosen: list[Array] = []
        for at, name in enumerate(names):
            reader = shelf.reader(at)
            info = describe_events(reader, record=name, group=self.group)
            wanted = [condition.column for condition in self.conditions]
            wanted += [column for rule in self.filter.rules for column in rule.columns] if self.filter else []
            columns = read_columns(reader, self.group, "unit_id", wanted)
            passing = satisfied(self.conditions, columns, len(info.unit_id), subject=f"{name}/{self.group}")
            if self.filter is not None:
                passing = self.filter.apply(columns).mask
            if not passing.any():
                self.skipped[name] = NO_UNITS
                continue
            kept.append(at)
            infos.append(info)
            chosen.append(np.flatnonzero(passing))
        if not kept:
            raise UsageError(
                "no record can be read", subject=version.spec, place=self.group, found=reasons(self.skipped)
            )
        self.infos, self.chosen = tuple(infos), tuple(chosen)
        self._observed = tuple(info.observed.of(units) for info, units in zip(infos, chosen, strict=True))
        self._shelf = Shelf([shelf.files[at] for at in kept], cache_bytes=cache_bytes)
        self._stretches = tuple(None if stretches is None else stretches.get(info.record, []) for info in infos)
        self._first_id = np.concatenate([[0], np.cumsum([len(each) for each in chosen])])
        self._series = {group: self._describe_behaviour(version, group) for group in self.methods}

    def _describe_behaviour(self, version: Version, group: str) -> tuple[SeriesInfo | None, ...]:
        found: list[SeriesInfo | None] = []
        for at, info in enumerate(self.infos):
            facts = version.manifest.records[info.record].facts.get(f"/{group}")
            if facts is None:
                found.append(None)
                continue
            complete = facts.get("n_missing") == 0
            series = describe_series(self._shelf.reader(at), record=info.record, group=group, complete=complete)
            if series.clock == "frame":
                raise UsageError(
                    "behaviour that only counts frames has no place on bins", subject=info.record, place=group
                )
            found.append(series)
        counts = {info.n_channels for info in found if info is not None}
        if len(counts) != 1:
            raise UsageError(
                "behaviour has one number of channels in all records",
                subject=version.spec,
                place=group,
                found=", ".join(map(str, sorted(counts))) or "no record with the group",
            )
        return tuple(found)

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return tuple(info.record for info in self.infos)

    @property
    def n_units(self) -> int:
        """Length of the unit axis of a batch."""
        return max(len(chosen) for chosen in self.chosen)

    @property
    def n_global_units(self) -> int:
        """Number of chosen units over all records; global ids are below it."""
        return int(self._first_id[-1])

    def first_id(self, record: int) -> int:
        """Return the global id of a record's first unit; that of the next record is the end of its ids."""
        return int(self._first_id[record])

    def unit_table(self, columns: Sequence[str] = ()) -> pd.DataFrame:
        """Return the chosen units: one row per global id, ``record``, ``unit_id``, and columns of the unit table.

        Raises
        ------
        NotFoundError
            When a record has no such column.
        """
        parts = []
        for at, (info, chosen) in enumerate(zip(self.infos, self.chosen, strict=True)):
            ids = np.array(info.unit_id, dtype=object)[chosen]
            parts.append(pd.DataFrame({"record": info.record, "unit_id": ids, **self.unit_columns(at, columns)}))
        return pd.concat(parts, ignore_index=True)

    def unit_columns(self, record: int, columns: Sequence[str]) -> dict[str, Array]:
        """Return columns of the unit table for the chosen units of one record, categories as text.

        Raises
        ------
        NotFoundError
            When the record has no such column.
        """
        found = read_columns(self._shelf.reader(record), self.group, "unit_id", list(columns))
        lost = [name for name in columns if name not in found]
        if lost:
            raise NotFoundError("the units have no such column", subject=self.records[record], place=", ".join(lost))
        return {name: found[name][self.chosen[record]] for name in columns}

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values."""
        return {
            "dataset": self.provenance.dataset,
            "version": self.provenance.version,
            "digest": self.provenance.digest,
            "split": self.provenance.split,
            "split_digest": self.provenance.split_digest,
            "part": self.provenance.part,
            "group": self.group,
            "records": list(self.records),
            "units": f"{self.filter.name}@{self.filter.version}"
            if self.filter is not None
            else [list(condition) for condition in self.conditions],
            "n_units": [len(chosen) for chosen in self.chosen],
            "behaviour": dict(self.methods),
            "max_gap_s": self.max_gap_s,
        }

    def trains(self, record: int, start_s: float, stop_s: float) -> SpikeTrains:
        """Read the events of all units around a stretch of one record."""
        return read_trains(self._shelf.reader(record), self.infos[record], start_s, stop_s)

    def count(self, record: int, edges_s: Array) -> tuple[Array, Array]:
        """Count the events of the chosen units of a record.

        Parameters
        ----------
        record : int
            Position in :attr:`records`.
        edges_s : numpy.ndarray
            Shape (bin + 1,), float64 seconds.

        Returns
        -------
        counts : numpy.ndarray
            Shape (unit, bin).
        observed : numpy.ndarray
            Shape (bin,), bool: whether the bin was observed from end to end; (unit, bin) where the chosen units were
            watched at different times.
        """
        info, chosen = self.infos[record], self.chosen[record]
        trains = self.trains(record, float(edges_s[0]), float(edges_s[-1]))
        units = None if len(chosen) == len(info.unit_id) else chosen
        counted = self.dtype if self.dtype.kind in "iu" else np.dtype(np.uint32)
        counts = bin_counts(trains, edges_s, units=units, dtype=counted)
        return counts, self._observed[record].whole(edges_s[:-1], edges_s[1:])

    def count_batch(self, record: Array, edges_s: Array) -> tuple[Array, Array, Array, Array]:
        """Count windows of many records, as :meth:`count` does one by one.

        Parameters
        ----------
        record : numpy.ndarray
            Shape (window,), int64: positions in :attr:`records`.
        edges_s : numpy.ndarray
            Shape (window, bin + 1), float64 seconds.

        Returns
        -------
        counts, mask : numpy.ndarray
            Shape (window, unit, bin): counts, 0 where the mask is False; bool, where the unit is there and the bin was
            observed from end to end.
        unit, unit_mask : numpy.ndarray
            Shape (window, unit): int64 global ids, 0 where there is no unit; bool, where there is one.
        """
        shape = (len(record), self.n_units, edges_s.shape[1] - 1)
        counts, mask = np.zeros(shape, dtype=self.dtype), np.zeros(shape, dtype=bool)
        unit, unit_mask = np.zeros(shape[:2], dtype=np.int64), np.zeros(shape[:2], dtype=bool)
        for where in np.unique(record).tolist():
            rows, info, chosen = np.flatnonzero(record == where), self.infos[where], self.chosen[where]
            n_units, edges = len(chosen), edges_s[rows]
            units = None if n_units == len(info.unit_id) else chosen
            count_windows(self._shelf.reader(where), info, edges, counts, rows, units=units)
            seen = self._observed[where].whole(edges[:, :-1], edges[:, 1:])
            all_seen = bool(seen.all())
            for at, row in enumerate(rows.tolist()):
                mask[row, :n_units] = True if all_seen else seen[..., at, :]
                if not all_seen:
                    counts[row, :n_units][~mask[row, :n_units]] = 0
            unit[rows, :n_units] = np.arange(self._first_id[where], self._first_id[where + 1])
            unit_mask[rows, :n_units] = True
        return counts, mask, unit, unit_mask

    def observed_s(self, record: int) -> tuple[Intervals, Intervals]:
        """Return when all chosen units of a record were watched, and when any was: each of shape (interval, 2)."""
        return self._observed[record].shared, self._observed[record].any

    def behaviour(self, record: Array, edges_s: Array, limits_s: Sequence[tuple[float, float]]) -> dict[str, Behaviour]:
        """Put all behaviour on the bins of a batch."""
        made = {}
        for group, infos in self._series.items():
            n_channels = next(info.n_channels for info in infos if info is not None)
            shape = (len(record), n_channels, edges_s.shape[1] - 1)
            signal, mask = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
            for at, (where, edges, limits) in enumerate(zip(record.tolist(), edges_s, limits_s, strict=True)):
                info = infos[where]
                if info is None:
                    continue
                signal[at], mask[at] = read_behaviour(
                    self._shelf.reader(where),
                    info,
                    edges,
                    limits_s=limits,
                    method=self.methods[group],
                    max_gap_s=self.max_gap_s,
                )
            made[group] = Behaviour(signal, mask)
        return made


def _with_part(split: str | Split | tuple[Split, str] | None, part: str | None) -> str | tuple[Split, str] | None:
    """Return the split and its part in the one form that all sources take."""
    if part is None and (split is None or isinstance(split, (str, tuple))):
        return split
    if part is not None and isinstance(split, str) and "/" not in split:
        return f"{split}/{part}"
    if part is not None and split is not None and not isinstance(split, (str, tuple)):
        return split, part
    raise UsageError("a split and a part go together", subject="part", found=f"split {split!r}, part {part!r}")
