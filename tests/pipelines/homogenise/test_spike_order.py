"""Spikes in order of time without holding all of them: the same record whatever the blocks, and from any order."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.pipelines.formats.nwb.session import read
from connectome.pipelines.homogenise.spike_clock import TickSearch, exact_ticks, to_ticks
from connectome.pipelines.homogenise.spike_order import SpikeSorter, TimeCells
from connectome.schema import validate
from connectome.spikes import SpikeTrains
from connectome.store.digest import array_digests, combine
from support.nwb_sessions import add_units, empty_session

FILED, UNITS = "connectome.pipelines.homogenise.filed", "connectome.pipelines.formats.nwb.units"


def put_in_order(times, unit, *, block: int, stretch: int):
    cells = TimeCells()
    parts = [slice(low, low + block) for low in range(0, len(times), block)]
    for part in parts:
        cells.add(times[part])
    sorter = SpikeSorter(cells, {"tick": "f8", "unit": "u2", "number": "i8"}, events_at_a_time=stretch)
    number = np.arange(len(times))
    for part in parts:
        sorter.add(times[part], {"tick": times[part], "unit": unit[part], "number": number[part]})
    return sorter.sort(), sorter


@given(
    times=st.lists(
        st.one_of(
            st.integers(-50, 50).map(lambda at: at / 8), st.floats(allow_nan=False, allow_infinity=False, width=64)
        ),
        max_size=60,
    ),
    block=st.integers(1, 70),
    stretch=st.integers(1, 70),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_spikes_of_any_order_in_any_blocks_come_out_as_one_sort_puts_them(times, block, stretch, data) -> None:
    unit = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(times), max_size=len(times))), dtype=np.uint16)
    given_times = np.array(times, dtype=np.float64)
    expected = np.lexsort((unit, given_times))
    repeated, sorter = put_in_order(given_times, unit, block=block, stretch=stretch)
    assert sorter.variable("number").values.tolist() == expected.tolist()
    assert sorter.variable("tick").values.tolist() == given_times[expected].tolist()
    pairs = list(zip(given_times.tolist(), unit.tolist(), strict=True))
    assert repeated == len(pairs) - len(set(pairs))


def test_columns_in_files_are_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    times, unit = rng.normal(size=5000), rng.integers(0, 9, 5000).astype(np.uint16)
    _, kept = put_in_order(times, unit, block=700, stretch=400)
    monkeypatch.setattr(import_module(FILED), "IN_MEMORY_BYTES", 0)
    _, filed = put_in_order(times, unit, block=700, stretch=400)
    variable = filed.variable("number", long_name="x")
    assert np.array_equal(variable.values, kept.variable("number").values)
    for key in (slice(10, 20), slice(4990, 6000), slice(None, None, 7), slice(20, 10, -3), 17):
        assert np.array_equal(variable[key].values, kept.variable("number")[key].values)
    assert np.array_equal(variable.copy(deep=True).values, kept.variable("number").values)


def test_the_rate_found_block_by_block_is_that_of_the_whole() -> None:
    rng = np.random.default_rng(8)
    for times in (
        rng.integers(0, 10**9, 9000) / 1e6,
        np.concatenate([rng.integers(0, 10**6, 5000) / 1e5, rng.integers(0, 10**8, 9) / 1e7]),
        rng.normal(size=50),
        np.zeros(0),
    ):
        whole = exact_ticks(times, [24414.0625])
        for block in (1, 100, 4096, 10_000):
            search = TickSearch([24414.0625])
            for low in range(0, len(times), block):
                search.add(times[low : low + block])
            assert search.rate == (whole[1] if whole else None)
        if whole:
            assert np.array_equal(to_ticks(times, whole[1]), whole[0])


def trains(kind: str) -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    found = [np.sort(rng.integers(0, 90 * 10**6, size)) / 1e6 for size in (900, 0, 1, 350, 1200)]
    if kind == "unsorted":
        found[0] = rng.permutation(found[0])
        found[4][7:9] = found[4][8:6:-1]
        found[3][:5] = found[3][5]
    if kind == "seconds":
        found = [np.nextafter(train, 1e9) for train in found]
    return found


@pytest.mark.parametrize("kind", ["sorted", "unsorted", "seconds"])
def test_a_session_read_in_blocks_of_any_size_is_the_session_read_whole(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = trains(kind)
    ends = np.cumsum([len(train) for train in own])
    amplitudes = np.random.default_rng(2).normal(size=ends[-1])
    with empty_session(tmp_path / "s.nwb") as file:
        add_units(
            file, own, index="uint32", spike_amplitudes=amplitudes, spike_amplitudes_index=ends,
            unit=np.arange(ends[-1]), unit_index=ends,
        )  # fmt: skip
    whole = read([tmp_path / "s.nwb"])
    validate(whole, subject=kind)
    events = whole["spikes"].to_dataset()
    flat, owner = np.concatenate(own), np.repeat(np.arange(5), [len(train) for train in own])
    order = np.lexsort((owner, flat))
    assert np.array_equal(events["spike_amplitudes"].values, amplitudes[order])
    assert np.array_equal(events["unit_unit"].values, order)
    assert ("unsorted" in {item["code"] for item in whole.attrs.get("warnings", [])}) == (kind == "unsorted")
    digest = combine(whole, array_digests(whole))
    monkeypatch.setattr(import_module(FILED), "IN_MEMORY_BYTES", 0)
    for size in (23, 640, 10_000):
        monkeypatch.setattr(import_module(UNITS), "EVENTS_AT_A_TIME", size)
        found = read([tmp_path / "s.nwb"])
        validate(found, subject=kind)
        assert combine(found, array_digests(found)) == digest
        assert found.attrs == whole.attrs


def test_times_of_no_decimal_clock_become_ticks_of_a_power_of_two_and_are_found_as_exactly() -> None:
    rng = np.random.default_rng(21)
    times = np.sort(np.round(rng.uniform(1500, 5200, 3000) * 2**42) / 2**42)
    ticks, rate = exact_ticks(times) or (None, None)
    assert rate == 2**44
    assert ticks.max() > 2**53
    binary, plain = SpikeTrains(ticks, np.zeros(3000, np.uint16), 1, rate), SpikeTrains(times, np.zeros(3000, int), 1)
    assert np.array_equal(binary.seconds().view(np.int64), times.view(np.int64))
    moments = np.concatenate([times, np.nextafter(times, 0), np.nextafter(times, 1e9), rng.uniform(0, 6000, 500)])
    assert np.array_equal(binary.locate(moments), plain.locate(moments))
    # Too fine for 62 bits beside a time this late.
    assert exact_ticks(np.array([2.0**-52, 20_000.0])) is None


def test_waveforms_that_are_too_large_for_memory_are_copied_unit_by_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, shapes = trains("sorted"), np.random.default_rng(6).normal(size=(5 * 3, 8)).astype(np.float32)
    with empty_session(tmp_path / "s.nwb") as file:
        add_units(file, own, index="uint32", waveform_mean=shapes, waveform_mean_index=np.arange(3, 16, 3))
    whole = read([tmp_path / "s.nwb"])
    for module in (FILED, UNITS):
        monkeypatch.setattr(import_module(module), "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(import_module(UNITS), "BLOCK_BYTES", 200)
    found = read([tmp_path / "s.nwb"])
    validate(found, subject="waveforms")
    assert combine(found, array_digests(found)) == combine(whole, array_digests(whole))
    waveforms = found["spikes"]["waveform_mean"].variable
    assert not waveforms._in_memory
    assert np.array_equal(waveforms.values, shapes.reshape(5, 3, 8))
    for key in ((1, 2, 3), (slice(0, 2), 1), (slice(4, 1, -1), slice(None), 5), (slice(None, None, 2),)):
        assert np.array_equal(waveforms[key].values, shapes.reshape(5, 3, 8)[key])
    layout = import_module("connectome.schema.events").layout
    large = xr.Variable(("unit_id", "channel", "sample"), np.broadcast_to(np.float64(0), (2779, 384, 82)))
    assert layout(large).chunks == (16, 384, 82)
