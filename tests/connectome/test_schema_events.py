"""The kind ``events``: sorted, findable by second and by unit, refused where it would have to round."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import SchemaError
from connectome.schema.events import (
    OBSERVED_SETS,
    observed_sets,
    sorted_events,
    tick_hz,
    times_s,
    unit_order,
    with_unit_observed,
)
from connectome.schema.graph import compressed_rows
from support.faults import Plant, attrs, dropped, edited, faults, replaced

if TYPE_CHECKING:
    import xarray as xr

TICKS = np.array([31, 4, 10, 9, 10, 25, 4], dtype=np.int64)
UNIT = np.array([0, 2, 1, 0, 0, 2, 0])


def ticks(**options: Any) -> xr.Dataset:
    given: dict[str, Any] = {"tick_hz": Fraction(10), "start_s": 2.5, "unit_id": ["a", "b", "c", "silent"], **options}
    return schema.events(TICKS, UNIT, observed_s=[(0.0, 1.5), (2.0, 4.0)], **given)


def seconds() -> xr.Dataset:
    return schema.events(TICKS / 10, UNIT, unit_id=["a", "b", "c"], observed_s=[(0.0, 4.0)])


def version_1(dataset: xr.Dataset) -> xr.Dataset:
    """Return the group as records of version 1 have it."""
    owner = dataset["unit"].values.astype(np.int32)
    order = compressed_rows(owner, dataset.sizes["unit_id"])[1]
    old = dataset.assign(
        tick=("event", dataset["tick"].values, {"long_name": "Time of the event", "units": "1"}),
        unit=("event", owner, {"long_name": "Unit of the event", "units": "1"}),
        unit_order=("event", order, {"long_name": "Event numbers by unit", "units": "1"}),
    )
    return old.assign_attrs({"encoding-version": "1"})


APART = [[(0.0, 1.0)], [(0.0, 1.0), (2.0, 4.0)], [(0.5, 4.0)], [(0.0, 1.0)]]


def apart() -> xr.Dataset:
    """Units that were watched at different times."""
    return with_unit_observed(ticks(), APART)


BUILT = {
    "version 1": version_1(ticks()),
    "watched at different times": apart(),
    "ticks": ticks(),
    "seconds": seconds(),
    "unit table": ticks(units={"depth": schema.column("unit_id", np.ones(4), "Depth", "um")}),
    "before zero": schema.events(TICKS - 20, UNIT, unit_id=list("abc"), observed_s=[], tick_hz=Fraction(10)),
    "all before zero": schema.events(TICKS - 90, UNIT, unit_id=list("abc"), observed_s=[], tick_hz=Fraction(10)),
    "nothing": schema.events(np.zeros(0), np.zeros(0, dtype=int), unit_id=["a"], observed_s=[(0.0, 1.0)]),
    "no units": schema.events(np.zeros(0), np.zeros(0, dtype=int), unit_id=[], observed_s=[]),
    "odd rate": ticks(tick_hz=Fraction(30_000, 1001)),
}


@pytest.mark.parametrize("dataset", BUILT.values(), ids=BUILT.keys())
def test_what_is_built_is_valid_and_can_be_measured(dataset: xr.Dataset) -> None:
    assert faults(dataset) == []
    facts = schema.measure(schema.record({"group": dataset}))["/group"]
    assert facts["n_events"] == dataset.sizes["event"]


MATCH_TICK, MATCH_UNIT = "pointers that match tick", "pointers that match unit"
INTERVALS = "ordered, disjoint intervals"
SORTED = "events sorted by time, then unit"

PLANTED: dict[str, tuple[xr.Dataset, Plant, str, str]] = {
    **{
        f"no {name}": (ticks(), dropped(name), "", "the variables of events")
        for name in ("tick", "unit", "slab_ptr", "unit_ptr", "observed_start", "observed_stop", "unit_id")
    },
    "times go back": (ticks(), edited("tick", 3, 99), "tick", SORTED),
    "ties out of order": (ticks(), edited("unit", 0, 3), "tick", SORTED),
    "time is not a number": (seconds(), edited("tick", 6, np.nan), "tick", "finite times"),
    "time without end": (seconds(), edited("tick", 6, np.inf), "tick", "finite times"),
    "no unit_order in version 1": (version_1(ticks()), dropped("unit_order"), "", "the variables of events"),
    "wide units": (ticks(), replaced("unit", UNIT.astype(np.int32)), "tick", "ticks and whole units"),
    "no set for a unit": (apart(), edited("observed_set", 1, 3), "observed_set", "a set of intervals for every unit"),
    "sets of nothing": (
        apart(), dropped("observed_set_ptr"), "",
        f"all of {', '.join(OBSERVED_SETS)}, or none",
    ),
    "set pointers fall": (apart(), edited("observed_set_ptr", 1, 9), "observed_set_ptr", "pointers from 0 up to 4"),
    "a set turned round": (
        apart(), edited("observed_set_start", 0, 2.0), "observed_set_start",
        "ordered, disjoint intervals in every set",
    ),
    "not what all share": (apart(), edited("observed_stop", 0, 0.9), "observed_start", "what all units share"),
    "unit below zero": (version_1(ticks()), edited("unit", 0, -1), "unit", "indices below 4"),
    "unit too large": (ticks(), edited("unit", 6, 4), "unit", "indices below 4"),
    "unit in halves": (ticks(), replaced("unit", np.zeros(7)), "tick", "ticks and whole units"),
    "unit twice": (
        ticks(), lambda d: d.assign_coords(unit_id=("unit_id", ["a", "b", "b", "d"], d["unit_id"].attrs)), "unit_id",
        "unique unit ids",
    ),
    "slab pointer off by one": (ticks(), edited("slab_ptr", 1, 2), "slab_ptr", MATCH_TICK),
    "slab pointers short": (ticks(), lambda d: d.isel(slab=slice(1, None)), "slab_ptr", MATCH_TICK),
    "unit pointer off by one": (ticks(), edited("unit_ptr", 1, 2), "unit_ptr", MATCH_UNIT),
    "unit order swapped": (version_1(ticks()), edited("unit_order", slice(0, 2), [2, 0]), "unit_ptr", MATCH_UNIT),
    "another unit": (ticks(), edited("unit", 6, 1), "unit_ptr", MATCH_UNIT),
    "interval turned round": (ticks(), edited("observed_stop", 1, 1.9), "observed_start", INTERVALS),
    "intervals overlap": (ticks(), edited("observed_start", 1, 1.4), "observed_start", INTERVALS),
    "interval without end": (ticks(), edited("observed_stop", 1, np.inf), "observed_start", INTERVALS),
    "interval is not a number": (ticks(), edited("observed_start", 0, np.nan), "observed_start", INTERVALS),
    "ticks without a rate": (
        ticks(), attrs(tick_hz_numerator=None, tick_hz_denominator=None), "tick",
        "int64 ticks with a tick rate, float64 seconds without",
    ),
    "seconds with a rate": (
        seconds(), attrs(tick_hz_numerator=10, tick_hz_denominator=1), "tick",
        "int64 ticks with a tick rate, float64 seconds without",
    ),
    "half a rate": (ticks(), attrs(tick_hz_denominator=None), "", "a positive tick rate as a fraction"),
    "rate of zero": (ticks(), attrs(tick_hz_numerator=0), "", "a positive tick rate as a fraction"),
    "no start": (ticks(), attrs(start_s=None), "", "start_s in seconds, and slab_s 1.0"),
    "other slabs": (ticks(), attrs(slab_s=2.0), "", "start_s in seconds, and slab_s 1.0"),
}  # fmt: skip


@pytest.mark.parametrize(("dataset", "plant", "place", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_finds_its_fault(dataset: xr.Dataset, plant: Plant, place: str, expected: str) -> None:
    assert (f"/group/{place}".rstrip("/"), expected) in faults(plant(dataset))


def test_events_are_sorted_by_time_and_ties_by_unit() -> None:
    dataset = ticks()
    assert list(zip(dataset["tick"].values.tolist(), dataset["unit"].values.tolist(), strict=True)) == sorted(
        zip(TICKS.tolist(), UNIT.tolist(), strict=True)
    )


def test_pointers_find_the_events_of_a_second_and_of_a_unit() -> None:
    dataset = ticks()
    tick, unit = dataset["tick"].values, dataset["unit"].values
    for second, first in enumerate(dataset["slab_ptr"].values):
        assert first == sum(tick < 10 * second)
    pointer, order = dataset["unit_ptr"].values, unit_order(dataset)
    assert order.tolist() == unit_order(version_1(dataset)).tolist()
    for number in range(4):
        own = order[pointer[number] : pointer[number + 1]]
        assert own.tolist() == np.flatnonzero(unit == number).tolist()


def test_slabs_are_exact_where_a_second_is_no_whole_number_of_ticks() -> None:
    rate = Fraction(30_000, 1001)
    dataset = schema.events(np.arange(100), np.zeros(100, dtype=int), unit_id=["a"], observed_s=[], tick_hz=rate)
    for second, first in enumerate(dataset["slab_ptr"].values):
        assert first == min(sum(Fraction(tick) / rate < second for tick in range(100)), 100)


def test_facts_are_exact() -> None:
    assert schema.measure(schema.record({"group": ticks()}))["/group"] == {
        "kind": "events", "n_units": 4, "n_events": 7, "n_silent_units": 1, "observed_s": 3.5,
    }  # fmt: skip


def test_the_observed_time_is_rounded_once() -> None:
    # 0.1 added ten times is not 1.0 unless it is rounded only at the end.
    intervals = [(float(at), at + 0.1) for at in range(10)]
    dataset = schema.events(np.zeros(0), np.zeros(0, dtype=int), unit_id=["a"], observed_s=intervals)
    exact = sum(Fraction(stop - start) for start, stop in intervals)
    assert schema.measure(schema.record({"group": dataset}))["/group"]["observed_s"] == float(exact)


def test_times_in_seconds_follow_from_the_exact_rate() -> None:
    assert times_s(ticks()).tolist() == [2.5 + tick / 10 for tick in sorted(TICKS)]
    assert times_s(seconds()).tolist() == sorted((TICKS / 10).tolist())
    assert tick_hz(ticks()) == 10
    assert tick_hz(seconds()) is None


REFUSED = {
    "ticks in halves": ((TICKS + 0.5, UNIT), {"tick_hz": Fraction(10)}, "times"),
    "ticks beyond 64 bits": ((np.array([2**63], dtype=np.uint64), [0]), {"tick_hz": Fraction(10)}, "times"),
    "seconds beyond float64": ((np.array([2**53 + 1]), [0]), {}, "times"),
    "time is not a number": ((np.array([0.0, np.nan]), [0, 0]), {}, "times"),
    "time without end": ((np.array([0.0, np.inf]), [0, 0]), {}, "times"),
    "words": ((np.array(["soon"]), [0]), {}, "times"),
    "unit in halves": ((np.array([1.0]), np.array([0.5])), {}, "unit"),
    "unit below zero": ((np.array([1.0]), [-1]), {}, "unit"),
    "unit too large": ((np.array([1.0]), [3]), {}, "unit"),
    "more times than units": ((np.array([1.0, 2.0]), [0]), {}, "events"),
    "seconds since 1970": ((np.array([1.7e9]), [0]), {}, "times"),
}


@pytest.mark.parametrize(("given", "options", "subject"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_kept_exactly_is_refused(given: tuple[Any, Any], options: dict[str, Any], subject: str) -> None:
    times, unit = given
    with pytest.raises(SchemaError) as caught:
        schema.events(times, np.asarray(unit), unit_id=["a", "b", "c"], observed_s=[], **options)
    assert caught.value.subject == subject
    assert caught.value.expected


def test_units_that_were_watched_at_different_times_keep_their_own_intervals() -> None:
    dataset = apart()
    sets, which = observed_sets(dataset)
    assert [sets[at].tolist() for at in which.tolist()] == [[list(pair) for pair in own] for own in APART]
    assert list(zip(dataset["observed_start"].values, dataset["observed_stop"].values, strict=True)) == [(0.5, 1.0)]


def test_units_that_were_all_watched_alike_need_no_sets() -> None:
    dataset = with_unit_observed(apart(), [[(0.0, 4.0)]] * 4)
    assert "observed_set" not in dataset
    assert dataset["observed_stop"].values.tolist() == [4.0]


def test_the_observed_time_is_stated_once() -> None:
    for wrong in ({}, {"observed_s": [], "unit_observed_s": [[], [], [], []]}, {"unit_observed_s": [[]]}):
        with pytest.raises(SchemaError, match="stated once"):
            schema.events(TICKS, UNIT, unit_id=list("abcd"), **wrong)


def test_events_that_claim_to_be_sorted_are_checked() -> None:
    with pytest.raises(SchemaError, match="not in order"):
        sorted_events(TICKS / 10, UNIT.astype(np.uint16), unit_id=list("abc"), observed_s=[])


def test_a_group_is_the_same_whatever_the_blocks_are_in_which_it_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    tick, unit = np.sort(rng.integers(-40, 160, 900)), rng.integers(0, 4, 900)
    for rate in (Fraction(10), Fraction(30_000, 1001), Fraction(1, 3), None):
        made = []
        for size in (1 << 22, 1, 7, 100, 899):
            monkeypatch.setattr(import_module("connectome.schema.event_order"), "EVENTS_AT_A_TIME", size)
            times = tick if rate is not None else tick / 10
            made.append(schema.events(times, unit, unit_id=list("abcd"), observed_s=[], tick_hz=rate))
            assert faults(made[-1]) == []
            assert made[-1].identical(made[0])
