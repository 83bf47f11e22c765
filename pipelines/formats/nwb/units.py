"""The Units table of an NWB session as an ``events`` group: every spike to the bit, every unit, every column.

NWB Schema 2.x, ``Units``: ``spike_times`` in seconds grouped by unit with ends in ``spike_times_index``;
``obs_intervals`` says when each unit was watched; ``waveforms`` have two levels of indices. Older files keep the table
below ``processing``, or have one without spike times; both are read for what they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.intervals import Intervals, merged
from connectome.schema import column, warning
from connectome.schema.events import sorted_events, unit_dtype

from ...homogenise.filed import IN_MEMORY_BYTES, FiledArray
from ...homogenise.spike_clock import TickSearch, to_ticks
from ...homogenise.spike_order import EVENTS_AT_A_TIME, SpikeSorter, TimeCells
from .columns import Cells, cells, column_names, row_count
from .tables import Warnings, plain_values, read_table, spread, tell_absent

if TYPE_CHECKING:
    import xarray as xr

    from .tree import GroupNode

__all__ = ["read_units"]

Array = np.ndarray[Any, Any]
_RESERVED = {"event", "interval", "observed_set", "observed_set_bound", "observed_set_interval", "observed_set_ptr",
             "observed_set_start", "observed_set_stop", "observed_start", "observed_stop", "slab", "slab_ptr", "tick",
             "unit", "unit_bound", "unit_id", "unit_order", "unit_ptr"}  # fmt: skip
"""Names of variables and dimensions of ``events``; columns of the source that are called so get ``unit_`` before."""
_TIMES = ("spike_times", "obs_intervals")
_ALONG = "column "
"""Before the names of columns that are sorted with the spikes, which may be called tick or unit themselves."""
BLOCK_BYTES = 8 << 20
_DIMS = {
    "waveform_mean": ("channel", "sample"),
    "waveform_sd": ("channel", "sample"),
    "waveforms": ("channel", "sample"),
}


def read_units(
    source: GroupNode, path: str, warnings: Warnings, *, stated_hz: Sequence[float] = ()
) -> dict[str, xr.Dataset]:
    """Read a Units table.

    Parameters
    ----------
    source : GroupNode
        The table.
    path : str
        Group of the events in the record; the table of units without spike times goes to ``units``.
    warnings : list of dict
        Gets what is odd but usable.
    stated_hz : sequence of float
        Sampling rates that the file states elsewhere.

    Returns
    -------
    dict of str to xarray.Dataset
        The ``events`` group. Columns with a value per spike are lazy where they are long: spikes are put in order
        block by block, without holding all of them.

    Raises
    ------
    FormatError
        When spike times are not finite numbers, or an index does not fit its data.
    """
    n_units = row_count(source)
    if source.array("spike_times") is None:
        warnings.append(warning("no-spike-times", source.path, f"{n_units} units without the column spike_times"))
        return read_table(source, path.replace("spikes", "units", 1), warnings)
    held = cells(source, "spike_times", n_units)
    if len(held.levels) != 1 or held.source.kind != "number" or len(held.source.shape) != 1:
        raise FormatError(
            "spike times are not one ragged column of numbers", subject=source.subject, place=held.source.path,
            expected="float64 of shape (spike,) with spike_times_index",
            found=f"{held.source.kind} {held.source.dtype} {held.source.shape}, {len(held.levels)} indices",
        )  # fmt: skip
    watched = _watched(source, n_units)
    survey = _Survey(_stated(source, held, stated_hz), watched)
    for low, times in _times(held):
        survey.add(times, _owners(held, low, low + len(times)))
    along = _along_spikes(source, held, n_units)
    rate, unit = survey.search.rate, unit_dtype(n_units)
    tick = np.dtype(np.float64 if rate is None else np.int64)
    dtypes = {"tick": tick, "unit": unit, **{_ALONG + name: item.source.dtype for name, item in along.items()}}
    sorter = SpikeSorter(survey.cells, dtypes, events_at_a_time=EVENTS_AT_A_TIME)
    for low, times in _times(held):
        rows = slice(low, low + len(times))
        block = {_ALONG + name: item.source.read(rows) for name, item in along.items()}
        block["tick"] = times if rate is None else to_ticks(times, rate)
        block["unit"] = _owners(held, low, low + len(times)).astype(unit)
        sorter.add(times, block)
    survey.warn(held.source.path, sorter.sort(), warnings)
    unit_id, columns = _unit_ids(source, n_units, warnings)
    columns.update(_columns(source, n_units, sorter, along, warnings))
    about = str(source.attrs.get("description", ""))
    observed, stated = survey.observed()
    if survey.n_outside:
        place = f"{source.path.rstrip('/')}/obs_intervals"
        message = f"{survey.n_outside} spikes lie outside their unit's intervals"
        warnings.append(warning("outside-observed", place, message))
    group = sorted_events(
        sorter.variable("tick"), sorter.variable("unit"), unit_id=unit_id, tick_hz=rate, units=columns,
        source=source.path, observed_from=stated, **observed,
    )  # fmt: skip
    group.attrs.update({"description": about} if about else {})
    return {path: group}


def _times(held: Cells) -> Iterator[tuple[int, Array]]:
    """Yield the first row and the times of every block, as finite float64 seconds."""
    n_bad, first = 0, None
    for low in range(0, held.source.shape[0], EVENTS_AT_A_TIME):
        times = held.source.read(slice(low, low + EVENTS_AT_A_TIME))
        if times.dtype.kind == "b" or times.dtype.itemsize > 8:
            raise FormatError("spike times are not numbers", subject=held.source.subject, place=held.source.path)
        kept = times.astype(np.float64, copy=False)
        if times.dtype.kind in "iu" and not np.array_equal(kept.astype(times.dtype), times):
            raise FormatError("spike times are too large", subject=held.source.subject, place=held.source.path)
        bad = ~np.isfinite(kept)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            first, n_bad = first or (low + row, kept[row]), n_bad + int(bad.sum())
        if not n_bad:
            yield low, kept
    if first is not None:
        unit = int(np.searchsorted(held.levels[0], first[0], side="right"))
        raise FormatError(
            "a spike time is not a number", subject=held.source.subject, place=f"{held.source.path}, row {first[0]}",
            expected="finite seconds", found=f"{first[1]} (unit in row {unit}), {n_bad} in all",
        )  # fmt: skip


def _owners(held: Cells, low: int, high: int) -> Array:
    """Return the unit of every spike of a block, int64."""
    ends = held.levels[0]
    first, last = np.searchsorted(ends, [low, high - 1], side="right").tolist() if high > low else (0, -1)
    inside = np.clip(ends[first : last + 1], low, high)
    return np.repeat(np.arange(first, last + 1), np.diff(inside, prepend=low))


class _Survey:
    """What a first pass over the spikes tells: their clock, where they lie in time, and what is odd about them."""

    def __init__(self, stated_hz: Sequence[Fraction | float], watched: list[Intervals] | None) -> None:
        self.cells, self.search, self.watched = TimeCells(), TickSearch(stated_hz), watched
        self.low, self.high = np.inf, -np.inf
        self.n_negative = self.n_back = self.n_outside = 0
        self._back_units: set[int] = set()
        self._last: tuple[Array, Array] = (np.zeros(0), np.zeros(0, dtype=np.int64))

    def add(self, times: Array, owner: Array) -> None:
        """Take in the next block."""
        self.cells.add(times)
        self.search.add(times)
        self.low, self.high = min(self.low, float(times.min())), max(self.high, float(times.max()))
        self.n_negative += int((times < 0).sum())
        time, unit = np.concatenate([self._last[0], times]), np.concatenate([self._last[1], owner])
        back = (unit[1:] == unit[:-1]) & (time[1:] < time[:-1])
        self.n_back += int(back.sum())
        self._back_units.update(np.unique(unit[1:][back]).tolist())
        self._last = times[-1:].copy(), owner[-1:].copy()
        if self.watched is not None:
            bounds = np.flatnonzero(np.diff(owner, prepend=-1, append=-1))
            for low, high in itertools.pairwise(bounds.tolist()):
                self.n_outside += _n_outside(times[low:high], self.watched[owner[low]])

    def warn(self, place: str, n_repeated: int, warnings: Warnings) -> None:
        """Flag what is odd: the order within units, repeated and negative times."""
        if self.n_back:
            message = (
                f"{self.n_back} spikes of {len(self._back_units)} units are earlier than the one listed before them; "
                "sorted"
            )
            warnings.append(warning("unsorted", place, message))
        if n_repeated:
            message = f"{n_repeated} spikes have the time of another of their unit; all kept"
            warnings.append(warning("repeated-times", place, message))
        if self.n_negative:
            warnings.append(warning("negative-times", place, f"{self.n_negative} spikes before second 0"))

    def observed(self) -> tuple[dict[str, Any], str]:
        """Return the observed time as ``events`` takes it, and where it is from."""
        if self.watched is not None and self.watched:
            return {"unit_observed_s": self.watched}, "obs_intervals"
        if not self.cells.n_events:
            return {"observed_s": []}, "nothing" if self.watched is None else "obs_intervals"
        # Half-open, so the end lies just after the last spike.
        span = (self.low, float(np.nextafter(self.high, np.inf)))
        return {"observed_s": [span]}, "first to last spike of the table; the source states no intervals"


def _stated(source: GroupNode, held: Cells, elsewhere: Sequence[float]) -> list[Fraction | float]:
    rates: list[Fraction | float] = []
    resolution = held.source.attrs.get("resolution")
    if isinstance(resolution, float) and 0 < resolution < 1:
        rates.append(1 / Fraction(str(resolution)))
    column_of_rates = source.array("sampling_rate")
    if column_of_rates is not None and column_of_rates.kind == "number":
        rates += [float(rate) for rate in np.unique(column_of_rates.read()).tolist()[:8]]
    return [rate for rate in [*rates, *elsewhere] if rate > 0 and np.isfinite(float(rate))]


def _watched(source: GroupNode, n_units: int) -> list[Intervals] | None:
    """Return the intervals in which each unit was watched; None where the source states none."""
    if source.array("obs_intervals") is None:
        return None
    held = cells(source, "obs_intervals", n_units)
    bounds = held.source.read().astype(np.float64)
    if bounds.ndim != 2 or bounds.shape[1] != 2 or len(held.levels) > 1:
        raise FormatError(
            "observed intervals are not pairs", subject=source.subject, place=held.source.path,
            expected="shape (interval, 2)", found=str(bounds.shape),
        )  # fmt: skip
    wrong = ~(np.isfinite(bounds).all(axis=1) & (bounds[:, 0] < bounds[:, 1]))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise FormatError(
            "an observed interval does not end after its start", subject=source.subject,
            place=f"{held.source.path}, row {row}", found=str(bounds[row].tolist()),
        )  # fmt: skip
    stops = held.levels[0] if held.levels else np.arange(1, n_units + 1)
    return [merged(bounds[low:high]) for low, high in itertools.pairwise([0, *stops.tolist()])]


def _n_outside(times: Array, intervals: Intervals) -> int:
    # A spike at the very end of an interval was seen: writers close the interval at their last sample.
    at = np.searchsorted(intervals[:, 0], times, side="right") - 1
    if not len(intervals):
        return len(times)
    return int(((at < 0) | (times > intervals[at, 1])).sum())


def _unit_ids(source: GroupNode, n_units: int, warnings: Warnings) -> tuple[list[str], dict[str, xr.Variable]]:
    identity = source.array("id")
    if identity is None or identity.kind != "number" or identity.shape != (n_units,):
        warnings.append(warning("no-ids", source.path, "units have no ids; their positions stand in"))
        return [str(unit) for unit in range(n_units)], {}
    given = identity.read()
    columns = {"id": column("unit_id", given, "Id of the unit as the source gives it", "1")}
    ids = [str(one) for one in given.tolist()]
    if len(set(ids)) != len(ids):
        warnings.append(warning(
            "duplicate-ids", identity.path, f"{len(ids) - len(set(ids))} ids are there before; unit_id holds positions"
        ))  # fmt: skip
        ids = [str(unit) for unit in range(n_units)]
    return ids, columns


def _along_spikes(source: GroupNode, spikes: Cells, n_units: int) -> dict[str, Cells]:
    """Return the columns that have a number for every spike."""
    found = {}
    for name in column_names(source):
        held = cells(source, name, n_units) if name not in _TIMES else None
        if (
            held is not None
            and held.source.kind == "number"
            and len(held.levels) == 1
            and np.array_equal(held.levels[0], spikes.levels[0])
            and held.source.shape == spikes.source.shape
            and spikes.source.shape[0]
            and "table" not in held.source.attrs
        ):
            found[name] = held
    return found


def _columns(
    source: GroupNode, n_units: int, sorter: SpikeSorter, along: Mapping[str, Cells], warnings: Warnings
) -> dict[str, xr.Variable]:
    """Return the columns of the units, those of the spikes, and ragged ones with their pointers."""
    tell_absent(source, warnings)
    columns: dict[str, xr.Variable] = {}
    sizes = {"unit_id": n_units, "event": sorter.n_events, "unit_bound": n_units + 1}
    for name in column_names(source):
        if name in _TIMES:
            continue
        held = along.get(name) or cells(source, name, n_units)
        if held.source.kind == "unreadable":
            if not (name == "electrode_group" and source.array("electrode_group_name") is not None):
                warnings.append(warning("not-stored", held.source.path, held.source.why))
            continue
        if name in along:
            found = {name: sorter.variable(_ALONG + name, **_attributes(held, held.source.dtype))}
        else:
            found = _column(name, held, sizes)
        clash = sorted(set(found) & {*columns, *_RESERVED})
        columns.update({f"unit_{key}" if key in clash else key: value for key, value in found.items()})
    return columns


def _column(name: str, held: Cells, sizes: dict[str, int]) -> dict[str, xr.Variable]:
    even = held.even()
    if even and even > 1 and held.source.kind == "number" and _n_bytes(held) > IN_MEMORY_BYTES:
        return {name: _filed(name, held, even, sizes)}
    values = plain_values(held)
    if not held.levels and len(held.source.shape) >= 2:
        if name in _DIMS and values.ndim == 3:
            # The schema has samples before electrodes here; records have channels before samples everywhere.
            values = np.moveaxis(values, 1, 2)
        return {name: _shaped(name, values, held, ("unit_id",), sizes)}
    if even is not None and even > 0 and values.dtype.kind in "biuf":
        shaped = values.reshape(sizes["unit_id"], even, *values.shape[1:])
        return {name: _shaped(name, shaped[:, 0] if shaped.shape[1:] == (1,) else shaped, held, ("unit_id",), sizes)}
    if not held.levels or even == 1:
        parts = spread(name, held, values, "unit_id")
        if parts is not None:
            return parts
    return _ragged(name, held, values, sizes)


def _n_bytes(held: Cells) -> int:
    return math.prod(held.source.shape) * held.source.dtype.itemsize


def _filed(name: str, held: Cells, even: int, sizes: dict[str, int]) -> xr.Variable:
    """Copy a large column with as many values for every unit, such as waveforms on all channels, unit by unit."""
    shape = (sizes["unit_id"], even, *held.source.shape[1:])
    array = FiledArray(held.source.dtype, shape)
    step = max(1, BLOCK_BYTES * shape[0] // _n_bytes(held))
    for low in range(0, shape[0], step):
        high = min(low + step, shape[0])
        array.write(low, held.source.read(slice(low * even, high * even)).reshape(high - low, *shape[1:]))
    return array.variable(_dims(name, shape, held, ("unit_id",), sizes), _attributes(held, held.source.dtype))


def _ragged(name: str, held: Cells, values: Array, sizes: dict[str, int]) -> dict[str, xr.Variable]:
    """Return a ragged column as its values one after another and pointers to them, one array per level."""
    found: dict[str, xr.Variable] = {}
    below = "unit_bound"
    for at, level in enumerate(held.levels):
        label = f"{name}_ptr" if at == 0 else f"{name}_ptr_{at}"
        words = f"Start of each row's part of {name}" if at == 0 else f"Start of each cell's part of {name}, level {at}"
        found[label] = column(below, np.concatenate([[0], level]).astype(np.int64), words, "1")
        below = f"{name}_bound_{at + 1}"
    if values.dtype.names:
        for field in values.dtype.names:
            label = name if field == name else f"{name}_{field}"
            found[label] = _shaped(label, values[field], held, (f"{name}_item",), sizes)
        return found
    return {**found, name: _shaped(name, values, held, (f"{name}_item",), sizes)}


def _shaped(name: str, values: Array, held: Cells, lead: tuple[str, ...], sizes: dict[str, int]) -> xr.Variable:
    """Make a variable of a column."""
    dims = _dims(name, values.shape, held, lead, sizes)
    kept = values if values.dtype.kind in "Ob" else np.ascontiguousarray(values)
    about = _attributes(held, values.dtype)
    return column(dims, kept, about.pop("long_name"), about.pop("units", None), **about)


def _dims(name: str, shape: tuple[int, ...], held: Cells, lead: tuple[str, ...], sizes: dict[str, int]) -> list[str]:
    """Return dimensions named after what they are, where their sizes agree with those of other columns."""
    n_more = len(shape) - len(lead)
    wanted = _DIMS.get(held.name, ())[-n_more:] if 0 < n_more <= 2 else ()
    dims = list(lead)
    for at in range(n_more):
        size = shape[len(lead) + at]
        dim = wanted[at] if wanted else f"{name}_{at}"
        if sizes.setdefault(dim, size) != size:
            dim = f"{name}_{dim}"
            sizes[dim] = size
        dims.append(dim)
    return dims


def _attributes(held: Cells, dtype: np.dtype[Any]) -> dict[str, Any]:
    attrs = {"table": held.source.attrs["table"]} if "table" in held.source.attrs else {}
    if dtype.kind in "Ob":
        return {"long_name": held.description, **attrs}
    # The schema fixes volts (NWB Schema 2, Units); older files leave the attribute out.
    unit = str(held.source.attrs.get("unit", "")) or ("volts" if held.name in _DIMS else "1")
    return {"long_name": held.description, "units": {"volts": "V"}.get(unit, unit), **attrs}
