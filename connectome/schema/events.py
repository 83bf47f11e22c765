"""The kind ``events``: moments of many units on one clock, above all spikes.

``tick(event)`` and ``unit(event)`` are sorted by time, ties by unit; a tick lasts ``tick_hz_denominator /
tick_hz_numerator`` seconds. Where integer ticks cannot reproduce the source's floating-point times, ``tick`` holds
those float64 seconds themselves. ``slab_ptr`` finds the first event of every second; ``unit_ptr`` counts the events of
every unit (:func:`unit_order` lists them). ``observed`` lists the intervals in which an absent event means silence;
outside them nothing is known. Where units were watched at different times, ``observed`` is what all share and
``observed_set`` names each unit's own set of intervals.

Version 2 stores ticks as differences and the smallest unit numbers, and leaves ``unit_order`` out. Records of version
1 are read as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from connectome.errors import SchemaError
from connectome.intervals import Intervals, as_intervals, shared

from .columns import Codec, Layout, Problem, check_columns, column
from .event_order import SLAB_S, scan
from .graph import compressed_rows

KIND = "events"
VERSION = "2"
READABLE = ("1", "2")
CHUNK_EVENTS = 1 << 18
SLICED_EVENTS = 1 << 16
"""Chunk of ticks and units, of which training reads a second here and there: five seconds of a probe-filled session."""
LARGE_BYTES, LARGE_CHUNK_BYTES = 64 << 20, 4 << 20
OBSERVED_SETS = ("observed_set", "observed_set_ptr", "observed_set_start", "observed_set_stop")

Array = np.ndarray[Any, Any]
Pairs = Sequence[tuple[float, float]] | Array


def events(
    times: np.ndarray[Any, Any],
    unit: np.ndarray[Any, Any],
    *,
    unit_id: Sequence[str],
    observed_s: Pairs | None = None,
    unit_observed_s: Sequence[Pairs] | None = None,
    tick_hz: Fraction | None = None,
    start_s: float = 0.0,
    units: Mapping[str, xr.Variable] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make an events group.

    Parameters
    ----------
    times : numpy.ndarray
        Shape (event,): int64 ticks with ``tick_hz``, else float64 seconds.
    unit : numpy.ndarray
        Shape (event,), integer index into ``unit_id``.
    unit_id : sequence of str
        A unique id per unit; units without any event stay.
    observed_s : sequence of (start, stop), optional
        Half-open intervals in seconds in which the units were watched. Give this or ``unit_observed_s``.
    unit_observed_s : sequence of sequences of (start, stop), optional
        The same, one sequence per unit.
    tick_hz : fractions.Fraction, optional
        Ticks per second, exact.
    start_s : float
        Time of tick 0 in seconds.
    units : mapping of str to xarray.Variable, optional
        The unit table: variables whose first dimension is ``unit_id``.
    **attrs
        Attributes of the group (JSON values).

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SchemaError
        When times or units cannot be kept exactly, are not one per event, or name no such unit, when the last event
        comes so late that finding it by the second would take a table out of all proportion, or when the observed
        time is given twice or not at all.
    """
    unordered = _exactly(times, np.int64 if tick_hz is not None else np.float64, what="times")
    unordered_owner = _exactly(unit, np.int64, what="unit")
    if unordered.shape != unordered_owner.shape or unordered.ndim != 1:
        raise SchemaError(
            "every event has one time and one unit",
            subject="events",
            expected=f"{unordered.shape} units",
            found=str(unordered_owner.shape),
        )
    if len(unordered):
        _require_listed(int(unordered_owner.min()), int(unordered_owner.max()), len(unit_id))
    order = np.lexsort((unordered_owner, unordered))
    return sorted_events(
        unordered[order],
        unordered_owner[order].astype(unit_dtype(len(unit_id))),
        unit_id=unit_id,
        observed_s=observed_s,
        unit_observed_s=unit_observed_s,
        tick_hz=tick_hz,
        start_s=start_s,
        units=units,
        **attrs,
    )


def sorted_events(
    tick: Array | xr.Variable,
    unit: Array | xr.Variable,
    *,
    unit_id: Sequence[str],
    observed_s: Pairs | None = None,
    unit_observed_s: Sequence[Pairs] | None = None,
    tick_hz: Fraction | None = None,
    start_s: float = 0.0,
    units: Mapping[str, xr.Variable] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Make an events group of events that are in order already, without holding all of them.

    Parameters
    ----------
    tick : numpy.ndarray or xarray.Variable
        Shape (event,): int64 with ``tick_hz``, else float64 seconds; a lazy variable is read in blocks.
    unit : numpy.ndarray or xarray.Variable
        Shape (event,), of :func:`unit_dtype`.
    unit_id, observed_s, unit_observed_s, tick_hz, start_s, units, **attrs
        As for :func:`events`.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SchemaError
        When events are not sorted by time and then unit; else as for :func:`events`.
    """
    ticks, owners = (
        item.copy(deep=False) if isinstance(item, xr.Variable) else xr.Variable("event", item) for item in (tick, unit)
    )
    found = scan(ticks, owners, len(unit_id), tick_hz)
    if found.n_events:
        _require_listed(found.lowest, found.highest, len(unit_id))
    if not found.in_order:
        raise SchemaError("events are not in order", subject="times", expected="sorted by time, then unit")
    clock: dict[str, Any] = {"start_s": float(start_s), "slab_s": SLAB_S}
    if tick_hz is not None:
        clock.update(tick_hz_numerator=tick_hz.numerator, tick_hz_denominator=tick_hz.denominator)
    ticks.attrs = {"long_name": "Time of the event", "units": "1" if tick_hz is not None else "s", "rising": True}
    # The attribute by which CF (Conventions 1.11, section 9.3.4) knows the index of an indexed ragged array.
    owners.attrs = {"long_name": "Unit of the event", "units": "1", "instance_dimension": "unit_id"}
    variables: dict[str, Any] = {
        "tick": ticks,
        "unit": owners,
        "slab_ptr": column("slab", found.slab_ptr, "First event at or after each second", "1"),
        "unit_ptr": column("unit_bound", found.unit_ptr, "Sum of the numbers of events of all units before", "1"),
        **_observed(observed_s, unit_observed_s, len(unit_id)),
        **(units or {}),
    }
    return xr.Dataset(
        variables,
        coords={"unit_id": column("unit_id", list(unit_id), "Unit id")},
        attrs={"encoding-type": KIND, "encoding-version": VERSION, **clock, **attrs},
    )


def unit_dtype(n_units: int) -> np.dtype[Any]:
    """Return the type of ``unit``: uint16 while it holds all units, else uint32."""
    return np.dtype(np.uint16 if n_units <= 1 << 16 else np.uint32)


def unit_order(dataset: xr.Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the numbers of the events unit by unit, shape (event,); ``unit_ptr`` says where each unit's begin.

    Events of one unit lie in every stretch of the recording, so a stored list would save no reading; sorting whole
    numbers below 65,536 takes less time than reading the list did.
    """
    if "unit_order" in dataset.variables:
        return np.asarray(dataset["unit_order"].values, dtype=np.int64)
    return np.argsort(dataset["unit"].values, kind="stable").astype(np.int64, copy=False)


def with_unit_observed(dataset: xr.Dataset, unit_observed_s: Sequence[Pairs]) -> xr.Dataset:
    """Return an events group whose units were watched at these times, one sequence of (start, stop) per unit."""
    bare = dataset.drop_vars([*(name for name in OBSERVED_SETS if name in dataset), "observed_start", "observed_stop"])
    return bare.assign(_observed(None, unit_observed_s, int(dataset.sizes["unit_id"])))


def observed_sets(dataset: xr.Dataset) -> tuple[tuple[Intervals, ...], Array]:
    """Return the different sets of observed intervals of an events group, and which of them each unit has.

    Returns
    -------
    sets : tuple of numpy.ndarray
        Each of shape (interval, 2), float64 seconds; one set where all units were watched together.
    which : numpy.ndarray
        Shape (unit,), int64.
    """
    if "observed_set" not in dataset.variables:
        all_units = np.stack([dataset["observed_start"].values, dataset["observed_stop"].values], axis=1)
        return (all_units,), np.zeros(dataset.sizes["unit_id"], dtype=np.int64)
    bounds = np.stack([dataset["observed_set_start"].values, dataset["observed_set_stop"].values], axis=1)
    pointer = dataset["observed_set_ptr"].values.tolist()
    sets = tuple(bounds[low:high] for low, high in pairwise(pointer))
    return sets, dataset["observed_set"].values.astype(np.int64)


def _observed(together: Pairs | None, apart: Sequence[Pairs] | None, n_units: int) -> dict[str, xr.Variable]:
    """Return the intervals that all units share, and the sets where units differ."""
    if (together is None) == (apart is None) or (apart is not None and len(apart) != n_units):
        raise SchemaError(
            "the observed time is stated once", subject="observed_s",
            expected=f"intervals for all units, or {n_units} times intervals",
        )  # fmt: skip
    each = [as_intervals(together if together is not None else ())] if apart is None else list(map(as_intervals, apart))
    numbers: dict[bytes, int] = {}
    which = np.array([numbers.setdefault(one.tobytes(), len(numbers)) for one in each], dtype=np.int32)
    common = shared(each)
    variables = {
        "observed_start": column("interval", common[:, 0], "Start of an observed interval", "s"),
        "observed_stop": column("interval", common[:, 1], "End of an observed interval", "s"),
    }
    if len(numbers) <= 1:
        return variables
    sets = [np.frombuffer(held).reshape(-1, 2) for held in numbers]
    bounds, lengths = np.concatenate(sets), [len(one) for one in sets]
    pointer = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return {
        **variables,
        "observed_set": column("unit_id", which, "Set of intervals in which the unit was observed", "1"),
        "observed_set_ptr": column("observed_set_bound", pointer, "Start of each set's intervals", "1"),
        "observed_set_start": column("observed_set_interval", bounds[:, 0], "Start of an interval of a set", "s"),
        "observed_set_stop": column("observed_set_interval", bounds[:, 1], "End of an interval of a set", "s"),
    }


def _require_listed(lowest: int, highest: int, n_units: int) -> None:
    if not 0 <= lowest <= highest < n_units:
        raise SchemaError(
            "an event belongs to a unit that is not listed",
            subject="unit",
            expected=f"indices from 0 to {n_units - 1}",
            found=f"{lowest} to {highest}",
        )


def _exactly(values: np.ndarray[Any, Any], dtype: type[np.generic], *, what: str) -> np.ndarray[Any, Any]:
    """Return values in another dtype; refuse those that it cannot hold."""
    given = np.asarray(values)
    kinds = "iuf" if np.issubdtype(dtype, np.floating) else "iu"
    if given.dtype.kind not in kinds and given.size:
        raise SchemaError("not the kind of numbers needed", subject=what, expected=str(dtype), found=str(given.dtype))
    kept = given.astype(dtype)
    if not np.isfinite(kept).all() or not np.array_equal(kept, given):
        raise SchemaError("some numbers cannot be kept exactly", subject=what, expected=f"finite {np.dtype(dtype)}")
    return kept


def tick_hz(dataset: xr.Dataset) -> Fraction | None:
    """Return the exact number of ticks per second, or None where ``tick`` holds seconds."""
    if "tick_hz_numerator" not in dataset.attrs:
        return None
    return Fraction(int(dataset.attrs["tick_hz_numerator"]), int(dataset.attrs["tick_hz_denominator"]))


def times_s(dataset: xr.Dataset) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the times of all events in seconds, shape (event,)."""
    tick = dataset["tick"].values
    rate = tick_hz(dataset)
    if rate is None:
        return np.asarray(tick, dtype=np.float64)
    return float(dataset.attrs["start_s"]) + tick.astype(np.float64) * rate.denominator / rate.numerator


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with an events group."""
    problems = check_columns(dataset, path)
    old = dataset.attrs.get("encoding-version") == "1"
    needed = ("tick", "unit", "slab_ptr", "unit_ptr", *(["unit_order"] if old else []), "observed_start",
              "observed_stop", "unit_id")  # fmt: skip
    missing = [name for name in needed if name not in dataset.variables]
    if missing:
        return [*problems, Problem(path, "the variables of events", f"no {', '.join(missing)}")]
    tick, unit = dataset.variables["tick"], dataset.variables["unit"]
    n_units = int(dataset.sizes["unit_id"])
    names = dataset["unit_id"].values.tolist()
    if len(set(names)) != len(names):
        problems.append(Problem(f"{path}/unit_id", "unique unit ids", "duplicates"))
    problems.extend(_check_clock(dataset, path))
    exact = tick.dtype in (np.dtype(np.int64), np.dtype(np.float64))
    if unit.dtype.kind not in "iu" or not exact or (not old and unit.dtype != unit_dtype(n_units)):
        return [*problems, Problem(f"{path}/tick", "ticks and whole units", f"{tick.dtype}, {unit.dtype}")]
    found = scan(tick, unit, n_units, None if tick.dtype.kind == "f" else _rate_or_one(dataset))
    if not found.in_order:
        problems.append(Problem(f"{path}/tick", "events sorted by time, then unit", "others"))
    if not found.finite:
        return [*problems, Problem(f"{path}/tick", "finite times", "NaN or infinity")]
    if found.n_events and (found.lowest < 0 or found.highest >= n_units):
        problems.append(Problem(f"{path}/unit", f"indices below {n_units}", f"{found.lowest} to {found.highest}"))
        return problems
    if not np.array_equal(found.unit_ptr, dataset["unit_ptr"].values) or (
        old and not np.array_equal(compressed_rows(unit.values, n_units)[1], dataset["unit_order"].values)
    ):
        problems.append(Problem(f"{path}/unit_ptr", "pointers that match unit", "others"))
    if found.in_order and not problems and not np.array_equal(found.slab_ptr, dataset["slab_ptr"].values):
        problems.append(Problem(f"{path}/slab_ptr", "pointers that match tick", "others"))
    start, stop = dataset["observed_start"].values, dataset["observed_stop"].values
    if not _are_intervals(start, stop):
        problems.append(Problem(f"{path}/observed_start", "ordered, disjoint intervals", f"{start}, {stop}"))
        return problems
    return [*problems, *_check_sets(dataset, path)]


def _rate_or_one(dataset: xr.Dataset) -> Fraction:
    """Return the tick rate, or 1 where the attributes that state it are wrong, which is another problem."""
    up: Any = dataset.attrs.get("tick_hz_numerator")
    down: Any = dataset.attrs.get("tick_hz_denominator")
    valid = isinstance(up, int) and isinstance(down, int) and up > 0 and down > 0
    return Fraction(up, down) if valid else Fraction(1)


def _are_intervals(start: Array, stop: Array) -> bool:
    finite = start.dtype == stop.dtype == np.float64 and np.isfinite(start).all() and np.isfinite(stop).all()
    return bool(finite and (start < stop).all() and (start[1:] >= stop[:-1]).all())


def _check_sets(dataset: xr.Dataset, path: str) -> list[Problem]:
    there = [name for name in OBSERVED_SETS if name in dataset.variables]
    if not there:
        return []
    if len(there) < len(OBSERVED_SETS):
        return [Problem(path, f"all of {', '.join(OBSERVED_SETS)}, or none", ", ".join(there))]
    which, pointer = dataset["observed_set"].values, dataset["observed_set_ptr"].values
    n_sets, n_intervals = len(pointer) - 1, dataset["observed_set_start"].size
    whole = which.dtype.kind in "iu" and pointer.dtype.kind in "iu" and n_sets > 0
    if not whole or (which < 0).any() or (which >= n_sets).any():
        return [Problem(f"{path}/observed_set", "a set of intervals for every unit", f"{which.dtype} of {n_sets} sets")]
    if pointer[0] != 0 or pointer[-1] != n_intervals or (np.diff(pointer) < 0).any():
        return [Problem(f"{path}/observed_set_ptr", f"pointers from 0 up to {n_intervals}", str(pointer.tolist()))]
    sets, _ = observed_sets(dataset)
    if not all(_are_intervals(one[:, 0], one[:, 1]) for one in sets):
        return [Problem(f"{path}/observed_set_start", "ordered, disjoint intervals in every set", "others")]
    common = np.stack([dataset["observed_start"].values, dataset["observed_stop"].values], axis=1)
    if not np.array_equal(common, shared([sets[at] for at in np.unique(which).tolist()])):
        return [Problem(f"{path}/observed_start", "what all units share", str(common.tolist()))]
    return []


def _check_clock(dataset: xr.Dataset, path: str) -> list[Problem]:
    attrs = dataset.attrs
    start, dtype = attrs.get("start_s"), dataset["tick"].dtype
    problems = []
    if not isinstance(start, (int, float)) or not math.isfinite(start) or attrs.get("slab_s") != SLAB_S:
        problems.append(Problem(path, f"start_s in seconds, and slab_s {SLAB_S}", f"{start}, {attrs.get('slab_s')}"))
    rate = [attrs[name] for name in ("tick_hz_numerator", "tick_hz_denominator") if name in attrs]
    if rate and (len(rate) != 2 or not all(isinstance(number, int) and number > 0 for number in rate)):
        problems.append(Problem(path, "a positive tick rate as a fraction", str(rate)))
    if dtype != (np.int64 if rate else np.float64):
        problems.append(Problem(f"{path}/tick", "int64 ticks with a tick rate, float64 seconds without", str(dtype)))
    return problems


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return ``n_units``, ``n_events``, ``n_silent_units`` and ``observed_s`` (total length of the intervals)."""
    counts = np.diff(dataset["unit_ptr"].values)
    return {
        "n_units": int(dataset.sizes["unit_id"]),
        "n_events": int(dataset.sizes["event"]),
        "n_silent_units": int((counts == 0).sum()),
        "observed_s": math.fsum((dataset["observed_stop"].values - dataset["observed_start"].values).tolist()),
    }


def layout(variable: xr.Variable) -> Layout:
    """Chunk along events, rising ticks as differences."""
    shape = tuple(max(1, size) for size in variable.shape)
    if variable.dims and variable.dims[0] == "event":
        rising = variable.attrs.get("rising") is True and variable.ndim == 1
        step = SLICED_EVENTS if rising or "instance_dimension" in variable.attrs else CHUNK_EVENTS
        codec: Codec = "differences" if rising and variable.dtype == np.int64 else "lz4"
        return Layout((min(shape[0], step), *shape[1:]), codec)
    n_bytes = math.prod(shape) * variable.dtype.itemsize
    if variable.dims[:1] == ("unit_id",) and variable.ndim > 1 and n_bytes > LARGE_BYTES:
        # Waveforms of all units on all channels.
        return Layout((max(1, LARGE_CHUNK_BYTES * shape[0] // n_bytes), *shape[1:]), "zstd")
    return Layout(shape, "zstd")
