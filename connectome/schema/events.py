"""The kind ``events``: moments of many units on one clock, above all spikes.

``tick(event)`` and ``unit(event)`` are sorted by time, ties by unit; a tick lasts ``tick_hz_denominator /
tick_hz_numerator`` seconds. Where integer ticks cannot reproduce the source's floating-point times, ``tick`` holds
those float64 seconds themselves. ``slab_ptr`` finds the first event of every second, ``unit_ptr``/``unit_order`` the
events of one unit. ``observed`` lists the intervals in which an absent event means silence; outside them nothing is
known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import xarray as xr

from connectome.errors import SchemaError

from .columns import Layout, Problem, check_columns, column
from .graph import compressed_rows

KIND = "events"
VERSION = "1"
CHUNK_EVENTS = 1 << 18
SLAB_S = 1.0
MOST_SLABS = 20_000_000
"""Seven months; times that count from 1970 are beyond it, and would fill gigabytes with pointers to the first event."""


def events(
    times: np.ndarray[Any, Any],
    unit: np.ndarray[Any, Any],
    *,
    unit_id: Sequence[str],
    observed_s: Sequence[tuple[float, float]],
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
    observed_s : sequence of (start, stop)
        Half-open intervals in seconds in which the units were watched.
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
        When times or units cannot be kept exactly, are not one per event, or name no such unit, or when the last event
        comes so late that finding it by the second would take a table out of all proportion.
    """
    unordered = _exactly(times, np.int64 if tick_hz is not None else np.float64, what="times")
    unordered_owner = _exactly(unit, np.int32, what="unit")
    if unordered.shape != unordered_owner.shape or unordered.ndim != 1:
        raise SchemaError(
            "every event has one time and one unit",
            subject="events",
            expected=f"{unordered.shape} units",
            found=str(unordered_owner.shape),
        )
    if len(unordered) and not 0 <= unordered_owner.min() <= unordered_owner.max() < len(unit_id):
        raise SchemaError(
            "an event belongs to a unit that is not listed",
            subject="unit",
            expected=f"indices from 0 to {len(unit_id) - 1}",
            found=f"{unordered_owner.min()} to {unordered_owner.max()}",
        )
    order = np.lexsort((unordered_owner, unordered))
    tick, owner = unordered[order], unordered_owner[order]
    unit_ptr, unit_order = compressed_rows(owner, len(unit_id))
    clock: dict[str, Any] = {"start_s": float(start_s), "slab_s": SLAB_S}
    if tick_hz is not None:
        clock.update(tick_hz_numerator=tick_hz.numerator, tick_hz_denominator=tick_hz.denominator)
    intervals = np.asarray(observed_s, dtype=np.float64).reshape(-1, 2)
    tick_units = "1" if tick_hz is not None else "s"
    variables: dict[str, Any] = {
        "tick": column("event", tick, "Time of the event", tick_units),
        "unit": column("event", owner, "Unit of the event", "1"),
        "slab_ptr": column("slab", _slabs(tick, tick_hz), "First event at or after each second", "1"),
        "unit_ptr": column("unit_bound", unit_ptr, "Start of each unit's part of unit_order", "1"),
        "unit_order": column("event", unit_order.astype(np.int64), "Event numbers by unit", "1"),
        "observed_start": column("interval", intervals[:, 0], "Start of an observed interval", "s"),
        "observed_stop": column("interval", intervals[:, 1], "End of an observed interval", "s"),
        **(units or {}),
    }
    return xr.Dataset(
        variables,
        coords={"unit_id": column("unit_id", list(unit_id), "Unit id")},
        attrs={"encoding-type": KIND, "encoding-version": VERSION, **clock, **attrs},
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


def _slabs(tick: np.ndarray[Any, Any], tick_hz: Fraction | None) -> np.ndarray[Any, Any]:
    if not len(tick):
        return np.zeros(1, dtype=np.int64)
    per_slab = Fraction(SLAB_S) * (tick_hz or 1)
    n_slabs = max(int(Fraction(tick[-1].item()) / per_slab), 0) + 2
    if n_slabs > MOST_SLABS:
        raise SchemaError(
            "the last event comes too late after second 0",
            subject="times",
            expected=f"{MOST_SLABS} s at most",
            found=f"{n_slabs} s",
            hint="count from the start of the recording and give the absolute time of tick 0 as start_s",
        )
    # ceil keeps integer ticks exact: tick >= k * per_slab is tick >= ceil(k * per_slab).
    bounds = [-((-k * per_slab.numerator) // per_slab.denominator) for k in range(n_slabs)]
    return np.searchsorted(tick, np.asarray(bounds, dtype=tick.dtype), side="left").astype(np.int64)


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
    needed = ("tick", "unit", "slab_ptr", "unit_ptr", "unit_order", "observed_start", "observed_stop", "unit_id")
    missing = [name for name in needed if name not in dataset.variables]
    if missing:
        return [*problems, Problem(path, "the variables of events", f"no {', '.join(missing)}")]
    tick, unit = dataset["tick"].values, dataset["unit"].values
    n_units = int(dataset.sizes["unit_id"])
    names = dataset["unit_id"].values.tolist()
    if len(set(names)) != len(names):
        problems.append(Problem(f"{path}/unit_id", "unique unit ids", "duplicates"))
    problems.extend(_check_clock(dataset, path))
    if unit.dtype.kind not in "iu" or tick.dtype.kind not in "if":
        return [*problems, Problem(f"{path}/tick", "ticks and whole units", f"{tick.dtype}, {unit.dtype}")]
    later = (tick[1:] > tick[:-1]) | ((tick[1:] == tick[:-1]) & (unit[1:] >= unit[:-1]))
    if not later.all():
        problems.append(Problem(f"{path}/tick", "events sorted by time, then unit", "others"))
    if tick.dtype.kind == "f" and not np.isfinite(tick).all():
        return [*problems, Problem(f"{path}/tick", "finite times", "NaN or infinity")]
    if len(unit) and (unit.min() < 0 or unit.max() >= n_units):
        problems.append(Problem(f"{path}/unit", f"indices below {n_units}", f"{unit.min()} to {unit.max()}"))
        return problems
    pointer, order = compressed_rows(unit, n_units)
    if not np.array_equal(pointer, dataset["unit_ptr"].values) or not np.array_equal(
        order, dataset["unit_order"].values
    ):
        problems.append(Problem(f"{path}/unit_ptr", "pointers that match unit", "others"))
    if later.all() and not problems and not np.array_equal(_slabs(tick, tick_hz(dataset)), dataset["slab_ptr"].values):
        problems.append(Problem(f"{path}/slab_ptr", "pointers that match tick", "others"))
    start, stop = dataset["observed_start"].values, dataset["observed_stop"].values
    finite = start.dtype == stop.dtype == np.float64 and np.isfinite(start).all() and np.isfinite(stop).all()
    if not (finite and (start < stop).all() and (start[1:] >= stop[:-1]).all()):
        problems.append(Problem(f"{path}/observed_start", "ordered, disjoint intervals", f"{start}, {stop}"))
    return problems


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
    """Chunk along events; keep pointers raw."""
    shape = tuple(max(1, size) for size in variable.shape)
    if variable.dims and variable.dims[0] == "event":
        return Layout((min(shape[0], CHUNK_EVENTS), *shape[1:]), "lz4")
    return Layout(shape, "none" if variable.dims in {("slab",), ("unit_bound",)} else "zstd")
