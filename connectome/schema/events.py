"""The kind ``events``: moments of many units on one clock, above all spikes.

``tick(event)`` and ``unit(event)`` are sorted by time, ties by unit; a tick lasts ``tick_hz_denominator /
tick_hz_numerator`` seconds. Where integer ticks cannot reproduce the source's floating-point times, ``tick`` holds
those float64 seconds themselves. ``slab_ptr`` finds the first event of every second, ``unit_ptr``/``unit_order`` the
events of one unit. ``observed`` lists the intervals in which an absent event means silence; outside them nothing is
known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import xarray as xr

from .columns import Layout, Problem, check_columns, column
from .graph import compressed_rows

KIND = "events"
VERSION = "1"
CHUNK_EVENTS = 1 << 18
SLAB_S = 1.0


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
    """
    dtype = np.int64 if tick_hz is not None else np.float64
    order = np.lexsort((unit, times))
    tick = np.asarray(times, dtype=dtype)[order]
    owner = np.asarray(unit, dtype=np.int32)[order]
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


def _slabs(tick: np.ndarray[Any, Any], tick_hz: Fraction | None) -> np.ndarray[Any, Any]:
    if not len(tick):
        return np.zeros(1, dtype=np.int64)
    per_slab = Fraction(SLAB_S) * (tick_hz or 1)
    n_slabs = int(Fraction(tick[-1].item()) / per_slab) + 2
    # ceil keeps integer ticks exact: tick >= k * per_slab is tick >= ceil(k * per_slab).
    bounds = [-((-k * per_slab.numerator) // per_slab.denominator) for k in range(n_slabs)]
    return np.searchsorted(tick, np.asarray(bounds, dtype=tick.dtype), side="left").astype(np.int64)


def times_s(dataset: xr.Dataset) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the times of all events in seconds, shape (event,)."""
    tick = dataset["tick"].values
    if "tick_hz_numerator" not in dataset.attrs:
        return np.asarray(tick, dtype=np.float64)
    numerator, denominator = (int(dataset.attrs[f"tick_hz_{part}"]) for part in ("numerator", "denominator"))
    return float(dataset.attrs["start_s"]) + tick.astype(np.float64) * denominator / numerator


def check(dataset: xr.Dataset, path: str) -> list[Problem]:
    """List what is wrong with an events group."""
    problems = check_columns(dataset, path)
    needed = ("tick", "unit", "slab_ptr", "unit_ptr", "unit_order", "observed_start", "observed_stop", "unit_id")
    missing = [name for name in needed if name not in dataset.variables]
    if missing:
        return [*problems, Problem(path, "the variables of events", f"no {', '.join(missing)}")]
    tick, unit = dataset["tick"].values, dataset["unit"].values
    n_units = int(dataset.sizes["unit_id"])
    later = (tick[1:] > tick[:-1]) | ((tick[1:] == tick[:-1]) & (unit[1:] >= unit[:-1]))
    if not later.all():
        problems.append(Problem(f"{path}/tick", "events sorted by time, then unit", "others"))
    if tick.dtype.kind == "f" and not np.isfinite(tick).all():
        problems.append(Problem(f"{path}/tick", "finite times", "NaN or infinity"))
    if len(unit) and (unit.min() < 0 or unit.max() >= n_units):
        problems.append(Problem(f"{path}/unit", f"indices below {n_units}", f"{unit.min()} to {unit.max()}"))
        return problems
    pointer, order = compressed_rows(unit, n_units)
    if not np.array_equal(pointer, dataset["unit_ptr"].values) or not np.array_equal(
        order, dataset["unit_order"].values
    ):
        problems.append(Problem(f"{path}/unit_ptr", "pointers that match unit", "others"))
    start, stop = dataset["observed_start"].values, dataset["observed_stop"].values
    if not ((start < stop).all() and (start[1:] >= stop[:-1]).all()):
        problems.append(Problem(f"{path}/observed_start", "ordered, disjoint intervals", f"{start}, {stop}"))
    return problems


def measure(dataset: xr.Dataset) -> dict[str, Any]:
    """Return ``n_units``, ``n_events``, ``n_silent_units`` and ``observed_s`` (total length of the intervals)."""
    counts = np.diff(dataset["unit_ptr"].values)
    return {
        "n_units": int(dataset.sizes["unit_id"]),
        "n_events": int(dataset.sizes["event"]),
        "n_silent_units": int((counts == 0).sum()),
        "observed_s": float((dataset["observed_stop"].values - dataset["observed_start"].values).sum()),
    }


def layout(variable: xr.Variable) -> Layout:
    """Chunk along events; keep pointers raw."""
    shape = tuple(max(1, size) for size in variable.shape)
    if variable.dims and variable.dims[0] == "event":
        return Layout((min(shape[0], CHUNK_EVENTS), *shape[1:]), "lz4")
    return Layout(shape, "none" if variable.dims in {("slab",), ("unit_bound",)} else "zstd")
