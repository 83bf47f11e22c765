"""Windows over many records, read in batches as NumPy arrays.

Batches are gathered chunk by chunk: windows are visited in the order in which they lie in the files, so that each
chunk is decoded once for a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from connectome.errors import UsageError
from connectome.spikes.edges import exact_seconds
from connectome.store.canonical import canonical_json

from ..reading.buffers import BatchBuffers
from ..reading.chunks import CACHE_BYTES, Shelf
from ..reading.index import Lengths, WindowIndex, choose_split, sample_ranges, stretches_of
from ..reading.provenance import Provenance
from ..reading.records import choose_records, other_groups, reasons
from ..reading.signals import SeriesInfo, SeriesReader, describe_series, write_times
from ..reading.specs import as_version, record_file
from .alignment import Identities, Policy, identify, read_labels, rows_of
from .channel_sets import NONE_FITS, Channels, ChannelSet, along_axis, none_named, read_channels
from .filtering import FILTER_BYTES, BlockStore, FilteredSeries, FilterPlan, plan_filters, warn_of_short_stretches
from .filters import Filter, as_filters

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version

    from ..reading.chunks import RecordReader

__all__ = ["Provenance", "WindowSource", "Windows"]

Array = np.ndarray[Any, Any]
NO_IDENTITIES = "no table of identities"


@dataclass(frozen=True)
class Windows:
    """A batch of windows."""

    signal: Array
    """Shape (window, channel, time), floats; the fill where ``mask`` is False."""
    mask: Array
    """The same shape, bool: True where the sample was taken, is a number, and its channel is there."""
    time_s: Array
    """Shape (window, time), float64 seconds on the record's clock; NaN where it counts frames, and beyond a padded
    window's end."""
    record: Array
    """Shape (window,), int64: position in :attr:`WindowSource.records`."""
    start: Array
    """Shape (window,), int64: first sample in the record."""
    range: Array
    """Shape (window,), int64: row of the index."""

    def __len__(self) -> int:
        return len(self.record)


@dataclass(frozen=True)
class _Seen:
    """What is known of a record that has windows."""

    info: SeriesInfo
    ranges: list[tuple[int, int]]
    size: int
    step: int
    row: Array | None
    places: dict[str, int]
    plan: FilterPlan | None


class WindowSource:
    """Windows of one series group over the records of a version.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    group : str
        Path of the series group.
    window, window_s : int or float
        Length in samples, or in seconds at each record's own rate (rounded to samples); give one of them.
    stride, stride_s : int or float, optional
        Step from one window to the next; default the window itself.
    records : sequence of str, optional
        Names of records; default all that have the group.
    split : str or (Split, str), optional
        The part to read: ``"NAME/PART"`` of a stored split, ``"PART"`` where the version stores one split only, or a
        split and the name of a part. Where the part holds stretches of time, windows never leave them.
    neurons : sequence of str, optional
        A view: these neurons in this order, by the record's table of identities. One that a record does not have is
        masked there.
    channels : sequence of str or ChannelSet, optional
        A view by channel ids instead, or by whatever else a
        :class:`~connectome.loaders.recordings.channel_sets.ChannelSet` says; without names, all channels of all records
        that fit.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed, for ``neurons``.
    pad : bool
        Whether records with fewer channels, or fewer samples per window, are padded at the end under the mask;
        otherwise they cannot be in one batch and an error says so.
    fill : float
        Value of every sample that does not count.
    dtype : str
        ``"float32"`` or ``"float64"``.
    filters : Filter or sequence of Filter, optional
        A view of filtered recordings: every stretch without a gap, cut to the split's part, is filtered as a whole
        (:mod:`connectome.loaders.recordings.filtering`).
    resample_hz : int, float or fractions.Fraction, optional
        A view of resampled recordings, by polyphase filtering after the filters. Windows count samples of this rate,
        which begin anew with every segment.
    cache_bytes : int
        Decoded chunks kept per process.
    filter_bytes : int
        Filtered blocks kept per process.
    root : path or URL, optional
        The store, for a text; default ``CONNECTOME_ROOT``.

    Attributes
    ----------
    records : tuple of str
        The records that have windows.
    skipped : dict of str to str
        Records that have none, with the reason.
    identities : dict of str to Identities
        With ``neurons``: who is who in every record, in those without windows too. Not sent to other processes.
    index : WindowIndex
    provenance : Provenance

    Raises
    ------
    UsageError
        When an argument cannot be used, no window fits, or the records do not fit into one batch.
    NotFoundError
        When a record, a group, a split or its part does not exist.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        group: str = "activity",
        window: int | None = None,
        window_s: float | None = None,
        stride: int | None = None,
        stride_s: float | None = None,
        records: Sequence[str] | None = None,
        split: str | tuple[Split, str] | None = None,
        neurons: Sequence[str] | None = None,
        channels: Sequence[str] | ChannelSet | None = None,
        policy: Policy = "exact+normalised",
        pad: bool = False,
        fill: float = 0.0,
        dtype: str = "float32",
        filters: Filter | Sequence[Filter] | None = None,
        resample_hz: float | Fraction | None = None,
        cache_bytes: int = CACHE_BYTES,
        filter_bytes: int = FILTER_BYTES,
        root: str | Path | None = None,
    ) -> None:
        self._lengths = Lengths(window, window_s, stride, stride_s)
        self.filters = as_filters(filters)
        self.resample_hz = None if resample_hz is None else exact_seconds(resample_hz, subject="resample_hz")
        if self.resample_hz is not None and self.resample_hz <= 0:
            raise UsageError("not a rate", subject="resample_hz", expected="above 0", found=str(resample_hz))
        if neurons is not None and channels is not None:
            raise UsageError("neurons and channels are two ways to say which", subject="channels", hint="give one")
        if dtype not in {"float32", "float64"}:
            raise UsageError("windows are floats", subject="dtype", expected="float32 or float64", found=dtype)
        version = as_version(data, root=root)
        chosen_split, part = choose_split(version, split)
        self.group, self.fill, self.dtype = group.strip("/"), float(fill), np.dtype(dtype)
        self.provenance = Provenance.of(version, split=chosen_split, part=part, view=self._view_text())
        self.identities: dict[str, Identities] = {}
        names, self.skipped = choose_records(version, records, split=chosen_split, part=part, group=self.group)
        shelf = Shelf([record_file(version, name) for name in names], cache_bytes=cache_bytes)
        self.channel_set = channels if isinstance(channels, ChannelSet) else None
        view = None
        if self.channel_set is None:
            view = _check_names(neurons if neurons is not None else cast("Sequence[str] | None", channels))
        stretches = stretches_of(chosen_split, part)
        columns: list[tuple[int, int, int, int, int]] = []
        found: list[_Seen] = []
        kept: list[int] = []
        # Every file is asked once for all there is to know: opening it costs more than that.
        for at, name in enumerate(names):
            own = None if stretches is None else stretches.get(name, [])
            seen = self._look(
                version, shelf, at, name, own, view, by_neuron=neurons is not None, policy=policy,
                demand=records is not None,
            )  # fmt: skip
            if isinstance(seen, str):
                self.skipped[name] = seen
                continue
            columns.extend((len(kept), begin, end, seen.size, seen.step) for begin, end in seen.ranges)
            found.append(seen)
            kept.append(at)
        if not kept:
            raise UsageError("no window fits", subject=version.spec, place=self.group, found=reasons(self.skipped),
                             hint=None if names else other_groups(version, "series"))  # fmt: skip
        if self.channel_set is not None:
            view, rows = self.channel_set.axis([seen.places for seen in found])
            if not view:
                raise UsageError("no channel is in all records", subject=version.spec, place=self.group)
        else:
            rows = [seen.row for seen in found if seen.row is not None]
        self.infos: tuple[SeriesInfo, ...] = tuple(seen.info for seen in found)
        self.index = WindowIndex(*np.array(columns, dtype=np.int64).T)
        self._shelf = Shelf([shelf.files[at] for at in kept], cache_bytes=cache_bytes)
        self._rows = None if view is None else tuple(rows)
        self._names = view
        self._buffers = BatchBuffers()
        self._plans = tuple(seen.plan for seen in found if seen.plan is not None)
        warn_of_short_stretches(self._plans, [seen.size for seen in found if seen.plan is not None])
        self._blocks = BlockStore(filter_bytes)
        self._clocks = np.array([info.clock_numbers for info in self.infos])
        self._computed = np.array([info.clock != "stamps" and not self._plans for info in self.infos])
        self._check_batchable(pad=pad)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "identities": {}}

    @property
    def _changed(self) -> bool:
        return bool(self.filters) or self.resample_hz is not None

    def _view_text(self) -> str:
        return canonical_json(self._view_description()) if self._changed else ""

    def _view_description(self) -> dict[str, Any]:
        return {
            "filters": [item.description() for item in self.filters],
            "resample_hz": None if self.resample_hz is None else str(self.resample_hz),
        }

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values: the version, the view, and the digest of all windows."""
        return {
            "dataset": self.provenance.dataset,
            "version": self.provenance.version,
            "digest": self.provenance.digest,
            "split": self.provenance.split,
            "part": self.provenance.part,
            "group": self.group,
            "channels": None if self._names is None else list(self._names),
            "channel_set": None if self.channel_set is None else self.channel_set.description(),
            **self._view_description(),
            "windows": self.index.digest,
        }

    def _window_of(self, info: SeriesInfo) -> tuple[int, int]:
        """Return window and stride in samples of one record."""
        return self._lengths.of(info)

    def _look(
        self,
        version: Version,
        shelf: Shelf,
        at: int,
        name: str,
        stretches: list[tuple[float, float]] | None,
        view: tuple[str, ...] | None,
        *,
        by_neuron: bool,
        policy: Policy,
        demand: bool,
    ) -> _Seen | str:
        """Return what there is to know of a record, or why it has no windows."""
        info = self._describe(version, shelf, at, name)
        series = SeriesReader(shelf.reader(at), info)
        row: Array | None = None
        places: dict[str, int] = {}
        if view is not None:
            row = self._rows_in(shelf.reader(at), series, view, by_neuron=by_neuron, policy=policy, demand=demand)
            if row is None:
                return NO_IDENTITIES
            if (row < 0).all():
                return NONE_FITS if by_neuron else none_named(view, series.channels())
        if self.channel_set is not None:
            table = read_channels(shelf.reader(at), self.group)
            places = self.channel_set.places(table, record=name)
            if not places:
                return self.channel_set.why_none(table)
        ranges, plan = sample_ranges(series, stretches), None
        if self._changed:
            plan = plan_filters(info, ranges, filters=self.filters, resample_hz=self.resample_hz)
            info, ranges = plan.info, list(plan.new_ranges)
        size, step = self._window_of(info)
        fitting = [(begin, end) for begin, end in ranges if end - begin >= size]
        if not fitting:
            longest = max((end - begin for begin, end in ranges), default=0)
            return f"no stretch of {size} samples; the longest has {longest}"
        return _Seen(info, fitting, size, step, row, places, plan)

    def _describe(self, version: Version, shelf: Shelf, at: int, name: str) -> SeriesInfo:
        complete = version.manifest.records[name].facts[f"/{self.group}"].get("n_missing") == 0
        return describe_series(shelf.reader(at), record=name, group=self.group, complete=complete)

    def _rows_in(
        self,
        reader: RecordReader,
        series: SeriesReader,
        names: tuple[str, ...],
        *,
        by_neuron: bool,
        policy: Policy,
        demand: bool,
    ) -> Array | None:
        """Return which channel of a record each wanted name is.

        A record that says nothing of identities has None; where ``demand`` is set, that is an error.
        """
        ids = series.channels()
        if not by_neuron:
            return rows_of(names, {name: place for place, name in enumerate(ids)})
        if not demand and not reader.has("neuron"):
            return None
        found = identify(read_labels(reader, record=series.info.record), ids, policy=policy)
        self.identities[series.info.record] = found
        return rows_of(names, found.channel_of)

    def _check_batchable(self, *, pad: bool) -> None:
        counts = {info.record: info.n_channels for info in self.infos}
        sizes = dict(zip(self.index.record.tolist(), self.index.window.tolist(), strict=True))
        self.n_channels = len(self._names) if self._names else max(counts.values())
        self.window = max(sizes.values())
        self.padded = pad
        if pad:
            return
        if self._names is None and len(set(counts.values())) > 1:
            raise UsageError(
                "records with different numbers of channels cannot be in one batch",
                subject=self.provenance.dataset,
                place=self.group,
                found=_some(counts),
                hint="say which with neurons=[...] or channels=[...], take one record, or pad=True (under the mask)",
            )
        if len(set(sizes.values())) > 1:
            raise UsageError(
                "the window has different numbers of samples in records of different rates",
                subject=self.provenance.dataset,
                place=self.group,
                found=_some({self.records[at]: size for at, size in sizes.items()}),
                hint="give window= in samples, choose records of one rate, or pad=True (under the mask)",
            )

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records that have windows; ``Windows.record`` counts in this order."""
        return tuple(info.record for info in self.infos)

    @property
    def channels(self) -> tuple[str, ...] | None:
        """Names along the channel axis; None where they differ among the records."""
        if self._names is not None:
            return self._names
        found = {self.channels_of(at) for at in range(len(self.infos))}
        return found.pop() if len(found) == 1 else None

    def channels_of(self, record: int) -> tuple[str, ...]:
        """Return the names along the channel axis of one record."""
        return self._names if self._names is not None else tuple(self._series(record).channels())

    def channel_info(self) -> Channels:
        """Return kind, unit and position of the channels of every record along the channel axis.

        Returns
        -------
        Channels
        """
        tables = [read_channels(self._shelf.reader(at), self.group) for at in range(len(self.infos))]
        rows = self._rows if self._rows is not None else [np.arange(info.n_channels) for info in self.infos]
        return along_axis(tables, rows, self.n_channels, names=self.channels, records=self.records)

    def coverage(self) -> pd.DataFrame:
        """Return which records have which channels: one row per record, one bool column per name of the view.

        Without a view every channel of a record is there, and columns are numbered.
        """
        here = [self.present(at) for at in range(len(self.infos))]
        names = self._names if self._names is not None else range(self.n_channels)
        return pd.DataFrame(np.array(here), index=pd.Index(self.records, name="record"), columns=list(names))

    def identity_counts(self) -> pd.DataFrame:
        """Return how many ROIs of every record have a label of each status, and how many are used.

        Returns
        -------
        pandas.DataFrame
            ``record``, ``status``, ``n_rois``, ``n_used``; records without windows too. Empty without ``neurons``.
        """
        parts = [found.counts().reset_index().assign(record=name) for name, found in self.identities.items()]
        columns = ["record", "status", "n_rois", "n_used"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    def _series(self, record: int) -> SeriesReader | FilteredSeries:
        if not self._plans:
            reader, info = self._shelf.reader(record), self.infos[record]
            return reader.keep(("series", self.group, self.fill), lambda: SeriesReader(reader, info, fill=self.fill))
        plan = self._plans[record]
        stored = SeriesReader(self._shelf.reader(record), plan.base, fill=self.fill)
        return FilteredSeries(stored, plan, self._blocks, fill=self.fill, dtype=self.dtype)

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.provenance.label} {self.group}: "
            f"{len(self)} windows of {self.n_channels} x {self.window} in {len(self.infos)} records>"
        )

    def windows(self, indices: Sequence[int] | Array, *, index: WindowIndex | None = None) -> Windows:
        """Read a batch.

        Parameters
        ----------
        indices : sequence of int
            Which windows, in the order of the batch; repeats are allowed.
        index : WindowIndex, optional
            Where they are counted; default :attr:`index`.

        Returns
        -------
        Windows

        Raises
        ------
        DamagedError
            When a file is missing or its bytes have changed.
        """
        index = self.index if index is None else index
        which, start = index.locate(np.asarray(indices, dtype=np.int64))
        record, size = index.record[which], index.window[which]
        shape = (len(which), self.n_channels, self.window)
        signal, mask = self._buffers.empty(shape, self.dtype), self._buffers.empty(shape, np.dtype(bool))
        time_s = self._buffers.empty((len(which), self.window), np.dtype(np.float64))
        # In the order of the files, so that windows which share a chunk follow each other.
        order, owner = np.lexsort((start, record)).tolist(), record.tolist()
        for at_record, places in groupby(order, key=owner.__getitem__):
            series = self._series(at_record)
            rows = None if self._rows is None else self._rows[at_record]
            n_rows = series.info.n_channels if rows is None else self.n_channels
            chosen = list(places)
            for at in chosen:
                n_samples = int(size[at])
                if n_rows < self.n_channels or n_samples < self.window:
                    signal[at], mask[at] = self.fill, False
                place = (at, slice(0, n_rows), slice(0, n_samples))
                series.read_into(signal[place], mask[place], int(start[at]), rows=rows)
        self._stamp(time_s, record, start, size)
        return Windows(signal, mask, time_s, record, start, which)

    def _stamp(self, time_s: Array, record: Array, start: Array, size: Array) -> None:
        """Write the time stamps of windows: in one go where they are computed, else as each record has them."""
        computed = self._computed[record]
        if computed.all():
            write_times(time_s, start, self._clocks[record])
        else:
            for at, (of, first, n_samples) in enumerate(
                zip(record.tolist(), start.tolist(), size.tolist(), strict=True)
            ):
                self._series(of).times_into(time_s[at, :n_samples], first)
        if (size < self.window).any():
            time_s[np.arange(self.window) >= size[:, None]] = np.nan

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the records' files below the store's root."""
        return tuple(file.path for file in self._shelf.files)

    def present(self, record: int) -> Array:
        """Return which channels of the axis a record has, shape (channel,), bool."""
        if self._rows is None:
            return np.arange(self.n_channels) < self.infos[record].n_channels
        return np.asarray(self._rows[record] >= 0)

    def bounds_s(self, record: Array, start: Array, n_samples: Array) -> tuple[Array, Array]:
        """Return start and end of stretches in seconds after the first sample of their record.

        Parameters
        ----------
        record, start, n_samples : numpy.ndarray
            Shape (stretch,), int64; each stretch lies in one segment.

        Returns
        -------
        start_s, stop_s : numpy.ndarray
            float64; NaN where the record has no exact rate.
        """
        start_s, stop_s = np.full(len(start), np.nan), np.full(len(start), np.nan)
        for at in np.unique(record).tolist():
            info = self.infos[at]
            if info.segment_rate_hz is None:
                continue
            here, rate = record == at, info.segment_rate_hz
            begins = np.array([begin for begin, _ in info.segments], dtype=np.int64)
            segment = np.searchsorted(begins, start[here], side="right") - 1
            begin_s = np.array([float(value) for value in info.segment_start_s])[segment]
            inside = start[here] - begins[segment]
            start_s[here] = begin_s + inside * rate.denominator / rate.numerator
            stop_s[here] = begin_s + (inside + n_samples[here]) * rate.denominator / rate.numerator
        return start_s, stop_s

    def labels_of(self, indices: Sequence[int] | Array) -> dict[str, Array]:
        """Return what goes into a batch beside the windows; plain windows have nothing more."""
        del indices
        return {}

    def stretch(self, range_: int, start: int, stop: int, *, dtype: str = "float64") -> tuple[Array, Array]:
        """Read samples of one range of the index, however many.

        Parameters
        ----------
        range_ : int
            Row of the index.
        start, stop : int
            Samples in the record, inside the range.
        dtype : str
            Of the signal.

        Returns
        -------
        signal, mask : numpy.ndarray
            Shape (channel, stop - start); channels beyond those of the record are masked.
        """
        if not self.index.begin[range_] <= start <= stop <= self.index.end[range_]:
            raise IndexError(f"samples {start} to {stop} are not in range {range_}")
        record = int(self.index.record[range_])
        series = self._series(record)
        rows = None if self._rows is None else self._rows[record]
        signal = np.full((self.n_channels, stop - start), self.fill, dtype=dtype)
        mask = np.zeros(signal.shape, dtype=bool)
        n_rows = series.info.n_channels if rows is None else self.n_channels
        series.read_into(signal[:n_rows], mask[:n_rows], start, rows=rows)
        return signal, mask

    def times(self, range_: int, start: int, stop: int) -> Array:
        """Return the stamps of samples of one range, float64 seconds; NaN where the record counts frames."""
        time_s = np.empty(stop - start, dtype=np.float64)
        self._series(int(self.index.record[range_])).times_into(time_s, start)
        return time_s


def _some(values: dict[str, int]) -> str:
    shown = ", ".join(f"{name}: {value}" for name, value in list(values.items())[:6])
    return shown if len(values) <= 6 else f"{shown}, ... ({len(values)} records)"


def _check_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not names or len(set(names)) != len(names):
        raise UsageError("a view needs different names in a list", subject="neurons or channels", found=repr(names))
    return tuple(names)
