"""The Units table of an NWB session as an ``events`` group: every spike to the bit, every unit, every column.

NWB Schema 2.x, ``Units``: ``spike_times`` in seconds grouped by unit with ends in ``spike_times_index``;
``obs_intervals`` says when each unit was watched; ``waveforms`` have two levels of indices. Older files keep the table
below ``processing``, or have one without spike times; both are read for what they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, events, table

from ...homogenise.spike_clock import exact_ticks
from ..recordings.recording import warning
from .columns import Cells, cells, column_names, row_count
from .tables import Warnings, plain_values, read_table, spread

if TYPE_CHECKING:
    import xarray as xr

    from .tree import GroupNode

__all__ = ["read_units"]

Array = np.ndarray[Any, Any]
_RESERVED = {"event", "interval", "observed_start", "observed_stop", "slab", "slab_ptr", "tick", "unit", "unit_bound",
             "unit_id", "unit_order", "unit_ptr"}  # fmt: skip
"""Names of variables and dimensions of ``events``; columns of the source that are called so get ``unit_`` before."""
_TIMES = ("spike_times", "obs_intervals")
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
        The ``events`` group and, where units were watched at different times, ``PATH_observed`` (table: unit,
        start_time, stop_time).

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
    times = _checked(held)
    owner = np.repeat(np.arange(n_units, dtype=np.int32), np.diff(held.levels[0], prepend=0))
    _doubts(times, owner, held, warnings)
    proved = exact_ticks(times, _stated(source, held, stated_hz))
    ticks, rate = proved if proved is not None else (times, None)
    order = np.lexsort((owner, ticks))
    observed, further, stated = _observed(source, n_units, times, held.levels[0], path, warnings)
    unit_id, columns = _unit_ids(source, n_units, warnings)
    columns.update(_columns(source, n_units, held, order, warnings))
    about = str(source.attrs.get("description", ""))
    group = events(
        ticks, owner, unit_id=unit_id, observed_s=observed, tick_hz=rate, units=columns, source=source.path,
        observed_from=stated,
    )  # fmt: skip
    group.attrs.update({"description": about} if about else {})
    return {path: group, **further}


def _checked(held: Cells) -> Array:
    times = held.source.read()
    if times.dtype.kind == "b" or times.dtype.itemsize > 8:
        raise FormatError("spike times are not numbers", subject=held.source.subject, place=held.source.path)
    kept = times.astype(np.float64)
    if not np.isfinite(kept).all():
        row = int(np.flatnonzero(~np.isfinite(kept))[0])
        unit = int(np.searchsorted(held.levels[0], row, side="right"))
        raise FormatError(
            "a spike time is not a number", subject=held.source.subject, place=f"{held.source.path}, row {row}",
            expected="finite seconds",
            found=f"{kept[row]} (unit in row {unit}), {int((~np.isfinite(kept)).sum())} in all",
        )  # fmt: skip
    if times.dtype.kind in "iu" and not np.array_equal(kept.astype(times.dtype), times):
        raise FormatError("spike times are too large", subject=held.source.subject, place=held.source.path)
    return kept


def _doubts(times: Array, owner: Array, held: Cells, warnings: Warnings) -> None:
    """Flag what is odd: the order within units, repeated and negative times."""
    place = held.source.path
    same = owner[1:] == owner[:-1]
    steps = np.diff(times)
    back = same & (steps < 0)
    if back.any():
        units = np.unique(owner[1:][back])
        message = f"{int(back.sum())} spikes of {len(units)} units are earlier than the one listed before them; sorted"
        warnings.append(warning("unsorted", place, message))
    # After sorting, equal times of a unit stand side by side.
    order = np.lexsort((times, owner)) if back.any() else slice(None)
    sorted_times, sorted_owner = times[order], owner[order]
    repeated = int(((np.diff(sorted_times) == 0) & (sorted_owner[1:] == sorted_owner[:-1])).sum())
    if repeated:
        warnings.append(
            warning("repeated-times", place, f"{repeated} spikes have the time of another of their unit; all kept")
        )
    if (times < 0).any():
        warnings.append(warning("negative-times", place, f"{int((times < 0).sum())} spikes before second 0"))


def _stated(source: GroupNode, held: Cells, elsewhere: Sequence[float]) -> list[Fraction | float]:
    rates: list[Fraction | float] = []
    resolution = held.source.attrs.get("resolution")
    if isinstance(resolution, float) and 0 < resolution < 1:
        rates.append(1 / Fraction(str(resolution)))
    column_of_rates = source.array("sampling_rate")
    if column_of_rates is not None and column_of_rates.kind == "number":
        rates += [float(rate) for rate in np.unique(column_of_rates.read()).tolist()[:8]]
    return [rate for rate in [*rates, *elsewhere] if rate > 0 and np.isfinite(float(rate))]


def _observed(
    source: GroupNode, n_units: int, times: Array, spike_ends: Array, path: str, warnings: Warnings
) -> tuple[list[tuple[float, float]], dict[str, xr.Dataset], str]:
    """Return when all units were watched, the times of each unit where these differ, and where this is from."""
    if source.array("obs_intervals") is None:
        if not len(times):
            return [], {}, "nothing"
        # Half-open, so the end lies just after the last spike.
        span = (float(times.min()), float(np.nextafter(times.max(), np.inf)))
        return [span], {}, "first to last spike of the table; the source states no intervals"
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
    pieces = [bounds[a:b] for a, b in zip(np.concatenate([[0], stops[:-1]]).tolist(), stops.tolist(), strict=True)]
    merged = [_merge(piece) for piece in pieces]
    common = merged[0] if merged else []
    for one in merged[1:]:
        common = common if one == common else _intersection(common, one)
    bounds_of_units = itertools.pairwise([0, *spike_ends.tolist()])
    outside = sum(_n_outside(times[a:b], one) for (a, b), one in zip(bounds_of_units, merged, strict=True))
    if outside:
        warnings.append(
            warning("outside-observed", held.source.path, f"{outside} spikes lie outside their unit's intervals")
        )
    if all(one == common for one in merged):
        return common, {}, "obs_intervals"
    rows = [(unit, start, stop) for unit, one in enumerate(merged) for start, stop in one]
    columns = {
        "unit": column("row", np.array([row[0] for row in rows], dtype=np.int64), "Position of the unit, from 0", "1"),
        "start_time": column("row", np.array([row[1] for row in rows]), "Start of an observed interval", "s"),
        "stop_time": column("row", np.array([row[2] for row in rows]), "End of an observed interval", "s"),
    }  # fmt: skip
    message = (
        f"units were watched at different times; what all share is kept as observed, each unit's in {path}_observed"
    )
    warnings.append(warning("observed-differs", held.source.path, message))
    return common, {f"{path}_observed": table(columns, source=held.source.path)}, "obs_intervals, shared by all units"


def _merge(bounds: Array) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, stop in sorted(map(tuple, bounds.tolist())):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _intersection(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> list[tuple[float, float]]:
    shared = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return [(start, stop) for start, stop in shared if start < stop]


def _n_outside(times: Array, intervals: list[tuple[float, float]]) -> int:
    # A spike at the very end of an interval was seen: writers close the interval at their last sample.
    inside = np.zeros(len(times), dtype=bool)
    for start, stop in intervals:
        inside |= (times >= start) & (times <= stop)
    return int((~inside).sum())


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


def _columns(
    source: GroupNode, n_units: int, spikes: Cells, order: Array, warnings: Warnings
) -> dict[str, xr.Variable]:
    """Return the columns of the units, those of the spikes, and ragged ones with their pointers."""
    columns: dict[str, xr.Variable] = {}
    sizes = {"unit_id": n_units, "event": len(order), "unit_bound": n_units + 1}
    for name in column_names(source):
        if name in _TIMES:
            continue
        held = cells(source, name, n_units)
        if held.source.kind == "unreadable":
            if not (name == "electrode_group" and source.array("electrode_group_name") is not None):
                warnings.append(warning("not-stored", held.source.path, held.source.why))
            continue
        found = _column(name, held, spikes, order, sizes)
        clash = sorted(set(found) & {*columns, *_RESERVED})
        columns.update({f"unit_{key}" if key in clash else key: value for key, value in found.items()})
    return columns


def _column(name: str, held: Cells, spikes: Cells, order: Array, sizes: dict[str, int]) -> dict[str, xr.Variable]:
    if not held.levels and len(held.source.shape) >= 2:
        values = plain_values(held)
        if name in _DIMS and values.ndim == 3:
            # The schema has samples before electrodes here; records have channels before samples everywhere.
            values = np.moveaxis(values, 1, 2)
        return {name: _shaped(name, values, held, ("unit_id",), sizes)}
    values = plain_values(held)
    if (
        len(held.levels) == 1
        and np.array_equal(held.levels[0], spikes.levels[0])
        and len(values) == len(order)
        and len(order)
        and values.ndim == 1
        and values.dtype.kind in "biuf"
        and "table" not in held.source.attrs
    ):
        return {name: _shaped(name, values[order], held, ("event",), sizes)}
    even = held.even()
    if even is not None and even > 0 and values.dtype.kind in "biuf":
        shaped = values.reshape(sizes["unit_id"], even, *values.shape[1:])
        return {name: _shaped(name, shaped[:, 0] if shaped.shape[1:] == (1,) else shaped, held, ("unit_id",), sizes)}
    if not held.levels or even == 1:
        parts = spread(name, held, values, "unit_id")
        if parts is not None:
            return parts
    return _ragged(name, held, values, sizes)


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
    """Make a variable whose further dimensions are named after what they are, where their sizes agree."""
    n_more = values.ndim - len(lead)
    wanted = _DIMS.get(held.name, ())[-n_more:] if 0 < n_more <= 2 else ()
    dims = list(lead)
    for at in range(n_more):
        size = values.shape[len(lead) + at]
        dim = wanted[at] if wanted else f"{name}_{at}"
        if sizes.setdefault(dim, size) != size:
            dim = f"{name}_{dim}"
            sizes[dim] = size
        dims.append(dim)
    attrs = {"table": held.source.attrs["table"]} if "table" in held.source.attrs else {}
    if values.dtype.kind == "O":
        return column(dims, values, held.description, **attrs)
    # The schema fixes volts (NWB Schema 2, Units); older files leave the attribute out.
    unit = str(held.source.attrs.get("unit", "")) or ("volts" if held.name in _DIMS else "1")
    if values.dtype.kind == "b":
        return column(dims, values, held.description, **attrs)
    return column(dims, np.ascontiguousarray(values), held.description, {"volts": "V"}.get(unit, unit), **attrs)
