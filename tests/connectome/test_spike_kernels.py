"""Kernels of spikes against slow oracles in exact arithmetic, and on a real recording."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import UsageError
from connectome.spikes import (
    EdgeGrid,
    ObservedTime,
    SpikeTrains,
    add_counts,
    aligned_counts,
    bin_counts,
    bin_edges,
    exact_seconds,
    largest_exact_count,
    observed_fraction,
    psth,
    tokens,
)

RATES = [Fraction(10**6), Fraction(30_000), Fraction(2999997, 100), Fraction(1000), None]


@st.composite
def trains(draw: st.DrawFn) -> SpikeTrains:
    rate = draw(st.sampled_from(RATES))
    n = draw(st.integers(0, 60))
    ticks = np.array(draw(st.lists(st.integers(-500, 5000), min_size=n, max_size=n)), dtype=np.int64)
    unit = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)), dtype=np.int32)
    times = ticks if rate is not None else ticks / 1000.0
    order = np.lexsort((unit, times))
    start = draw(st.sampled_from([0.0, 0.1, -3.7])) if rate is not None else 0.0
    return SpikeTrains(times[order], unit[order], 5, rate, start)


def slow_counts(made: SpikeTrains, edges: list[float]) -> np.ndarray:
    counts = np.zeros((made.n_units, len(edges) - 1), dtype=np.int64)
    for time, unit in zip(made.seconds().tolist(), made.unit.tolist(), strict=True):
        for at in range(len(edges) - 1):
            counts[unit, at] += edges[at] <= time < edges[at + 1]
    return counts


fractions = st.fractions(min_value=-(10**7), max_value=10**7, max_denominator=10**19)


@given(
    st.lists(fractions, min_size=1, max_size=4),
    st.fractions(min_value=Fraction(1, 10**18), max_value=100, max_denominator=10**18),
    st.fractions(min_value=0, max_value=10, max_denominator=10**6),
    st.integers(0, 20),
    st.data(),
)
def test_edges_of_many_moments_are_the_doubles_nearest_to_the_exact_ones(starts, width, stride, n_bins, data) -> None:
    steps = data.draw(st.lists(st.integers(0, 10**6), min_size=len(starts), max_size=len(starts)))
    grid = EdgeGrid(starts, width, n_bins, stride=stride, most_steps=10**6)
    order = data.draw(st.permutations(range(len(starts))))
    found = grid.edges(np.array(order), np.array([steps[at] for at in order]))
    expected = [[float(starts[at] + steps[at] * stride + k * width) for k in range(n_bins + 1)] for at in order]
    assert found.tolist() == expected


@given(trains(), st.integers(1, 30), st.sampled_from(["float32", "uint16", "int64"]), st.booleans())
def test_counts_added_to_an_array_equal_those_of_bins(made: SpikeTrains, n_bins: int, dtype: str, some: bool) -> None:
    edges = bin_edges(0, 0.05, n_bins)
    bounds = made.locate(edges)
    row_of = np.array([1, -1, 0, -1, 2]) if some else None
    counts = np.ones((3 if some else 5, n_bins), dtype=dtype)
    add_counts(counts, made.unit, bounds, row_of=row_of)
    units = np.array([2, 0, 4]) if some else None
    assert np.array_equal(counts - 1, bin_counts(made, edges, units=units))


def test_a_window_of_more_events_than_are_counted_at_a_time_loses_none() -> None:
    rng = np.random.default_rng(0)
    unit = rng.integers(0, 3, size=100_000)
    bounds = np.array([7, 20, 40_000, 40_000, 99_990])
    counts = np.zeros((3, 4), dtype="float32")
    add_counts(counts, unit, bounds)
    slow = [np.bincount(unit[a:b], minlength=3) for a, b in pairwise(bounds.tolist())]
    assert np.array_equal(counts, np.stack(slow, axis=1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64"])
def test_the_largest_exact_count_is_reached_by_ones_and_no_more(dtype: str) -> None:
    kind, limit = np.dtype(dtype).type, largest_exact_count(dtype)
    assert int(kind(limit - 1) + kind(1)) == limit
    if np.dtype(dtype).kind == "f":
        assert kind(limit) + kind(1) == kind(limit)
    else:
        assert limit == np.iinfo(dtype).max


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=5),
    st.lists(st.tuples(st.integers(-2, 30), st.integers(0, 8)), min_size=1, max_size=8),
)
def test_what_is_wholly_observed_is_what_has_no_unobserved_moment(pairs, asked) -> None:
    sets = np.array([(a, a + b) for a, b in pairs], dtype=np.float64).reshape(-1, 2)
    start = np.array([a for a, _ in asked], dtype=np.float64)
    stop = start + np.array([b + 1 for _, b in asked])
    watched = {half for a, b in pairs for half in range(2 * a, 2 * (a + b))}
    whole = [set(range(int(2 * a), int(2 * b))) <= watched for a, b in zip(start, stop, strict=True)]
    assert ObservedTime((sets,), np.zeros(2, dtype=np.int64)).whole(start, stop).tolist() == whole


@given(trains(), st.integers(-50, 50), st.sampled_from([0.001, 0.02, 0.1, 1 / 3, Fraction(1, 30)]), st.integers(1, 40))
def test_bins_equal_a_loop_over_events_and_edges(made: SpikeTrains, first: int, width: float, n_bins: int) -> None:
    edges = bin_edges(Fraction(first, 100), width, n_bins)
    assert edges.tolist() == [
        float(Fraction(first, 100) + k * exact_seconds(width, subject="w")) for k in range(n_bins + 1)
    ]
    counts = bin_counts(made, edges)
    assert np.array_equal(counts, slow_counts(made, edges.tolist()))
    inside = made.window(edges[0], edges[-1])
    assert counts.sum() == inside.stop - inside.start


@given(trains(), st.lists(st.floats(-1, 6, allow_nan=False), max_size=12))
def test_the_place_of_a_moment_is_decided_by_times_as_the_source_gives_them(
    made: SpikeTrains, moments: list[float]
) -> None:
    # Moments that are times of events, and the doubles beside them, are the hard cases.
    asked = np.array([*moments, *made.seconds()[:5]])
    asked = np.concatenate([asked, np.nextafter(asked, np.inf), np.nextafter(asked, -np.inf)])
    assert made.locate(asked).tolist() == [int((made.seconds() < at).sum()) for at in asked.tolist()]


@given(trains(), st.lists(st.floats(-1, 6).map(lambda x: round(x, 3)), max_size=8), st.permutations(range(5)))
def test_aligned_counts_equal_bins_of_each_trial_alone_though_trials_overlap(
    made: SpikeTrains, onsets: list[float], order: list[int]
) -> None:
    units = np.array(order[:3])
    counts, mask = aligned_counts(made, np.array(onsets), before_s=0.2, after_s=0.5, width_s=0.1, units=units)
    assert counts.shape == (len(onsets), 3, 7)
    assert mask.all()
    for row, onset in zip(counts, onsets, strict=True):
        edges = bin_edges(Fraction(repr(onset)) - Fraction(1, 5), 0.1, 7)
        assert np.array_equal(row, slow_counts(made, edges.tolist())[units])


@given(trains(), st.floats(-1, 3), st.floats(0, 3))
def test_tokens_are_the_events_of_the_window_in_their_order(made: SpikeTrains, start: float, length: float) -> None:
    found = tokens(made, start, start + length, units=np.array([3, 1]))
    kept = [
        ({3: 0, 1: 1}[unit], time - start)
        for time, unit in zip(made.seconds().tolist(), made.unit.tolist(), strict=True)
        if start <= time < start + length and unit in {1, 3}
    ]
    assert list(zip(found.unit.tolist(), found.time_s.tolist(), strict=True)) == kept


def test_a_bin_that_was_not_watched_to_its_end_is_masked_and_leaves_the_mean() -> None:
    made = SpikeTrains(
        np.array([0.05, 1.05, 2.05]), np.zeros(3, dtype=int), 1, observed_s=np.array([[0.0, 1.2], [2.0, 2.1]])
    )
    counts, mask = aligned_counts(made, np.array([0.0, 1.0, 2.0]), before_s=0, after_s=0.2, width_s=0.1)
    assert mask.tolist() == [[True, True], [True, True], [True, False]]
    mean = psth(made, np.array([0.0, 1.0, 2.0]), before_s=0, after_s=0.2, width_s=0.1)
    assert mean.n_trials.tolist() == [3, 2]
    assert mean.rate_hz.tolist() == [[10.0, 0.0]]
    assert mean.centre_s.tolist() == pytest.approx([0.05, 0.15])
    assert counts[:, 0].sum() == 3


def test_rates_where_nothing_was_watched_are_missing_and_not_zero() -> None:
    made = SpikeTrains(np.array([0.05]), np.zeros(1, dtype=int), 1, observed_s=np.array([[5.0, 6.0]]))
    mean = psth(made, np.array([0.0]), before_s=0, after_s=0.1, width_s=0.1)
    assert np.isnan(mean.rate_hz).all()


def test_the_observed_part_of_an_interval_is_a_fraction_of_its_length() -> None:
    observed = np.array([[0.0, 1.0], [1.0, 2.0], [3.0, 4.0]])
    found = observed_fraction(observed, np.array([0.5, 1.5, 3.1, 5.0]), np.array([1.5, 3.5, 3.2, 6.0]))
    assert found.tolist() == pytest.approx([1.0, 0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda made: bin_counts(made, np.array([1.0, 0.0])), "not edges"),
        (lambda made: bin_counts(made, np.array([0.0, np.nan])), "not edges"),
        (lambda made: bin_counts(made, np.array([0.0, 10.0]), units=np.array([7])), "not units"),
        (lambda made: bin_counts(made, np.array([0.0, 10.0]), units=np.array([0, 0])), "not units"),
        (lambda made: bin_counts(made, np.array([0.0, 10.0]), dtype=np.uint8), "does not fit"),
        (lambda made: bin_edges(0, 0, 3), "no such bins"),
        (lambda made: bin_edges(0, float("inf"), 3), "not a time"),
        (lambda made: tokens(made, 2.0, 1.0), "ends before"),
        (lambda made: aligned_counts(made, np.array([np.nan]), before_s=0, after_s=1, width_s=0.1), "not moments"),
        (lambda made: aligned_counts(made, np.array([1.0]), before_s=0, after_s=1, width_s=0.3), "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words: str) -> None:
    made = SpikeTrains(np.linspace(0, 9, 300), np.zeros(300, dtype=int), 1)
    with pytest.raises(UsageError, match=words):
        call(made)


def test_trains_of_a_group_are_those_that_were_put_in() -> None:
    group = schema.events(
        np.array([5, 3, 3]), np.array([0, 1, 0]), unit_id=["a", "b"], observed_s=[(0.0, 1.0)], tick_hz=Fraction(10)
    )
    made = SpikeTrains.of(group)
    assert made.seconds().tolist() == [0.3, 0.3, 0.5]
    assert made.unit.tolist() == [0, 1, 0]
    assert bin_counts(made, bin_edges(0, 0.1, 10)).sum(axis=0).tolist() == [0, 0, 0, 2, 0, 1, 0, 0, 0, 0]


@pytest.mark.data
def test_spikes_on_an_edge_of_a_real_recording_fall_in_the_bin_they_open(data_dir: Path) -> None:
    """Floor division of float times misplaces 46 cells of this recording, multiplication by 50 misplaces 26."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(data_dir / "neuropixels/peyrache_adn_ca1/A2929-200711.nwb") as file:
        times, ends = file["units/spike_times"][:], file["units/spike_times_index"][:].astype(np.int64)
    unit = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    tick = np.rint(times * 1e6).astype(np.int64)
    assert np.array_equal(tick / 1e6, times), "whole microseconds, bit for bit"
    order = np.lexsort((unit, tick))
    exact = SpikeTrains(tick[order], unit[order], len(ends), Fraction(10**6))
    n_bins = int(tick.max() // 20_000) + 1
    counts = bin_counts(exact, bin_edges(0, 0.02, n_bins))
    oracle = np.zeros_like(counts)
    np.add.at(oracle, (unit, tick // 20_000), 1)
    assert np.array_equal(counts, oracle)
    assert int((tick % 20_000 == 0).sum()) == 204
    floats = SpikeTrains(times[order], unit[order], len(ends))
    assert np.array_equal(bin_counts(floats, bin_edges(0, 0.02, n_bins)), oracle), "float seconds bin alike"
    wrong = []
    for place in (np.floor(times / 0.02), np.floor(times * 50)):
        other = np.zeros_like(oracle)
        np.add.at(other, (unit, place.astype(np.int64)), 1)
        wrong.append(int((other != oracle).sum()))
    assert wrong == [46, 26]
