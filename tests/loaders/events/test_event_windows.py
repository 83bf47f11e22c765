"""Windows of spikes against brute force in exact numbers, over sessions that differ in units, clocks and gaps."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import NotFoundError, SchemaError, UsageError
from connectome.loaders.events.source import EventSource
from connectome.schema.events import times_s
from connectome.spikes import exact_seconds
from connectome.splits import Split, assert_disjoint
from support.spike_sessions import CLOCKS, N_UNITS, OBSERVED, sessions


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    return commit_records(tmp_path_factory.mktemp("spikes") / "store", "generated-spikes", sessions())


def spikes_of(version, record):
    group = version.open(record)["spikes"].to_dataset()
    return times_s(group), group["unit"].values


def starts_of(intervals, window, stride):
    """Every start of a window, one by one, in exact numbers."""
    found = []
    for low, high in intervals:
        at, end = (exact_seconds(edge, subject="edge") for edge in (low, high))
        while at + window <= end:
            found.append(at)
            at += stride
    return found


def cut(rows):
    return Split.from_dict(
        {
            "encoding-type": "split",
            "encoding-version": "1",
            "name": "cut",
            "plan": {"kind": "hand"},
            "rows": rows,
            "groups": {},
        }
    )


JOINED = {**OBSERVED, "s3": [(-2.0, 9.0)]}


@settings(deadline=None, max_examples=25)
@given(
    n_bins=st.integers(1, 60),
    width=st.sampled_from([Fraction(1, 50), Fraction(1, 100), Fraction(1, 30)]),
    stride=st.sampled_from([None, 0.3, 0.02, Fraction(1, 7)]),
)
def test_windows_and_their_counts_equal_a_loop_over_spikes_and_edges(version, n_bins, width, stride):
    window = n_bins * width
    source = EventSource(version, window_s=window, bin_s=width, stride_s=stride, dtype="int64")
    step = window if stride is None else exact_seconds(stride, subject="stride")
    expected = [(at, start) for at, name in enumerate(CLOCKS) for start in starts_of(JOINED[name], window, step)]
    assert len(source) == len(expected)
    chosen = np.unique(np.linspace(0, len(source) - 1, 7).astype(int))[::-1]
    batch = source.bins(chosen)
    for row, number in enumerate(chosen.tolist()):
        record, start = expected[number]
        name = source.records[record]
        assert (batch.record[row], batch.start_s[row]) == (record, float(start))
        time, unit = spikes_of(version, name)
        edges = [float(start + at * width) for at in range(n_bins + 1)]
        n_units = N_UNITS[name]
        slow = [[int(((time >= a) & (time < b) & (unit == u)).sum()) for a, b in pairwise(edges)]
                for u in range(n_units)]  # fmt: skip
        assert np.array_equal(batch.counts[row, :n_units], slow)
        assert not batch.counts[row, n_units:].any()
        assert batch.mask[row, :n_units].all()
        assert not batch.mask[row, n_units:].any()


@settings(deadline=None, max_examples=25)
@given(
    bins=st.integers(1, 40),
    width=st.sampled_from([Fraction(1, 50), Fraction(1, 30), Fraction(1, 7), Fraction(3, 10**17)]),
    origin=st.sampled_from([None, 0, 0.1, 1 / 3]),
    observed=st.sampled_from(["whole", "any"]),
    units=st.sampled_from([None, [("snr", ">", 0.9)]]),
    dtype=st.sampled_from(["float32", "float64", "uint8", "int32"]),
    data=st.data(),
)
def test_a_batch_equals_its_windows_one_by_one_in_exact_numbers(
    version, bins, width, origin, observed, units, dtype, data
):
    source = EventSource(
        version, window_s=bins * width, stride_s=0.25, bin_s=width, origin_s=origin, observed=observed, units=units,
        dtype=dtype,
    )  # fmt: skip
    chosen = data.draw(st.lists(st.integers(0, len(source) - 1), min_size=0, max_size=6))
    batch = source.bins(chosen)
    which, starts = source.index.locate(np.array(chosen, dtype=np.int64))
    for row, (at, start) in enumerate(zip(which.tolist(), starts, strict=True)):
        record = int(source.index.record[at])
        edges = np.array([float(start + k * width) for k in range(bins + 1)])
        counts, seen = source.count(record, edges)
        n_units = len(source.chosen[record])
        assert batch.counts.dtype == np.dtype(dtype)
        assert (batch.record[row], batch.start_s[row]) == (record, edges[0])
        assert np.array_equal(batch.counts[row, :n_units], np.where(seen, counts, 0))
        assert np.array_equal(batch.mask[row, :n_units], np.broadcast_to(seen, counts.shape))
        assert not batch.mask[row, n_units:].any()
        assert not batch.counts[row, n_units:].any()
        assert batch.unit_mask[row].tolist() == [k < n_units for k in range(source.n_units)]


def test_windows_that_touch_conserve_every_spike_of_an_observed_interval(version):
    source = EventSource(version, window_s=0.5, bin_s=0.02, records=["s1"])
    assert len(source) == 24
    time, unit = spikes_of(version, "s1")
    total = source.bins(np.arange(24)).counts.sum(axis=(0, 2))
    assert total.tolist() == np.bincount(unit[time < 12.0], minlength=4).tolist()


def test_a_zero_outside_observed_time_is_masked_and_a_silent_observed_bin_is_not(version):
    source = EventSource(version, window_s=1.0, bin_s=0.1, observed="any", records=["s2"])
    batch = source.bins(range(len(source)))
    edges = batch.start_s[:, None] + np.arange(11) * 0.1
    for row in range(len(batch)):
        # The gap is [6.02, 6.5): the bins that it touches count for nothing, whatever they hold.
        lost = (edges[row, 1:] > 6.02 + 1e-9) & (edges[row, :-1] < 6.5 - 1e-9)
        assert np.array_equal(batch.mask[row, 0], ~lost)
        assert not batch.counts[row][:, lost].any()
    silent = batch.mask & (batch.counts == 0)
    assert silent.any()
    assert (~batch.mask).any()
    whole = EventSource(version, window_s=1.0, bin_s=0.1, records=["s2"])
    assert whole.bins(range(len(whole))).mask.all()


def test_sessions_with_different_units_share_a_padded_axis_and_global_ids(version):
    source = EventSource(version, window_s=1.0, bin_s=0.1)
    assert (source.n_units, source.n_global_units) == (7, 12)
    table = source.unit_table(["location"])
    assert table["unit_id"].tolist()[:5] == ["s1-0", "s1-1", "s1-2", "s1-3", "s2-0"]
    last = [
        int(np.flatnonzero(source.index.record[source.index.locate(range(len(source)))[0]] == at)[0]) for at in range(3)
    ]
    batch = source.bins(last)
    assert batch.unit_mask.sum(axis=1).tolist() == [4, 7, 1]
    assert batch.unit[0].tolist() == [0, 1, 2, 3, 0, 0, 0]
    assert batch.unit[1].tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert table.loc[batch.unit[2, 0], "record"] == "s3"
    assert np.array_equal(batch.mask.any(axis=2), batch.unit_mask)


def test_unit_filters_are_conditions_kept_in_the_description_and_missing_satisfies_none(version):
    options = {"window_s": 1.0, "bin_s": 0.1, "records": ["s1", "s2"], "dtype": "int64"}
    everything = EventSource(version, **options)
    good = EventSource(version, units=[("quality", "==", "good"), ("snr", ">=", 2)], **options)
    assert [chosen.tolist() for chosen in good.chosen] == [[0], [0, 4, 6]]
    assert good.description()["units"] == [["quality", "==", "good"], ["snr", ">=", 2]]
    json.dumps(good.description())
    whole, part = everything.bins([0, 13]), good.bins([0, 13])
    assert np.array_equal(part.counts[0, :1], whole.counts[0, :1])
    assert np.array_equal(part.counts[1, :3], whole.counts[1, [0, 4, 6]])
    kept = {
        ("location", "known"): [0, 1, 2, 4, 5, 6],
        ("location", "!=", "VISp"): [2, 5, 6],
        ("location", "in", ("LGd",)): [2, 5, 6],
        ("snr", "!=", 1.0): [0, 3, 4, 5, 6],
        ("snr", "in", (1, 9)): [1, 5],
        ("group", "<", 1): [0, 1],
    }
    for condition, expected in kept.items():
        found = EventSource(version, window_s=1.0, records=["s2"], units=[condition])
        assert found.chosen[0].tolist() == expected, condition


def test_a_named_filter_is_applied_and_described_with_its_version(version):
    source = EventSource(version, window_s=1.0, units="allen_good", records=["s1", "s2"])
    assert [chosen.tolist() for chosen in source.chosen] == [[0, 3], [0, 3, 4, 6]]
    assert source.description()["units"] == "allen_good@1"


def test_a_record_without_a_passing_unit_is_skipped_and_says_so(version):
    source = EventSource(version, window_s=1.0, units=[("snr", "<", 2.5)])
    assert source.records == ("s1", "s2")
    assert source.skipped == {"s3": "none of its units passes the filter"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"units": "nice_ones"}, NotFoundError),
        ({"units": [("quality", "~", 1)]}, UsageError),
        ({"units": [("quality", "<", 1)]}, UsageError),
        ({"units": [("snr", "==", "good")]}, UsageError),
        ({"units": "allen_default"}, SchemaError),
        ({"units": [("nothing", "known")]}, NotFoundError),
        ({"units": [("snr", ">", 100)]}, UsageError),
        ({"bin_s": 0.3}, UsageError),
        ({"window_s": 100}, UsageError),
        ({"window_s": 0}, UsageError),
        ({"observed": "sometimes"}, UsageError),
        ({"group": "running", "records": ["s1"]}, UsageError),
        ({"group": "nothing", "records": ["s1"]}, NotFoundError),
        ({"behaviour": ["running"]}, UsageError),
        ({"behaviour": ["absent"], "bin_s": 0.1}, UsageError),
        ({"dtype": "bool"}, UsageError),
    ],
)
def test_what_cannot_be_read_is_refused(version, options, error):
    with pytest.raises(error):
        EventSource(version, **{"window_s": 1.0, **options})


def test_a_count_that_does_not_fit_is_an_error_and_never_wraps(version):
    source = EventSource(version, window_s=12, bin_s=12, records=["s1"], dtype="uint8")
    time, unit = spikes_of(version, "s1")
    if np.bincount(unit[time < 12]).max() < 256:
        assert source.bins([0]).counts.max() > 0
    else:
        with pytest.raises(UsageError):
            source.bins([0])
    assert np.array_equal(
        EventSource(version, window_s=12, bin_s=12, records=["s1"]).bins([0]).counts[0, :, 0],
        np.bincount(unit[time < 12]),
    )


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_tokens_are_the_spikes_of_the_window_in_order_under_a_mask(version, indices):
    source = EventSource(version, window_s=0.5)
    indices = [at % len(source) for at in indices]
    batch = source.tokens(indices)
    which, starts = source.index.locate(np.array(indices))
    for row, start in enumerate(starts):
        record = int(source.index.record[which[row]])
        time, unit = spikes_of(version, source.records[record])
        inside = (time >= float(start)) & (time < float(start + Fraction(1, 2)))
        n = int(inside.sum())
        assert batch.mask[row].sum() == n
        assert batch.mask[row, :n].all()
        assert np.array_equal(batch.time_s[row, :n], time[inside] - float(start))
        assert np.array_equal(batch.unit[row, :n], unit[inside] + sum(list(N_UNITS.values())[:record]))
        assert not batch.unit[row, n:].any()
    assert batch.mask.shape[1] == batch.mask.sum(axis=1).max()


def test_windows_keep_to_the_stretches_of_a_part(version):
    rows = [["s1", "train", 0.0, 5.0], ["s1", "test", 6.0, 12.0], ["s2", "test"], ["s3", "train", 2.5, 3.7]]
    split = cut(rows)
    tables = []
    for part in ("train", "test"):
        source = EventSource(version, window_s=0.7, stride_s=0.1, split=(split, part))
        tables.append(source.frame().assign(part=part))
    counts = assert_disjoint(split, pd.concat(tables, ignore_index=True))
    # 5.0 - 0.7 is 43 strides, 1.2 - 0.7 is 5; the doubles 2.5 + 1.2 and 3.7 do not hide the last window.
    assert counts["train"] == 44 + 6
    assert EventSource(version, window_s=0.7, split=(split, "train")).skipped == {"s2": "not in cut/train"}


def test_behaviour_comes_on_the_middle_of_the_bins_and_is_masked_where_a_session_has_none(version):
    source = EventSource(version, window_s=1.0, bin_s=0.1, behaviour={"running": "linear"})
    which, _ = source.index.locate(range(len(source)))
    record = source.index.record[which]
    chosen = [int(np.flatnonzero(record == at)[2]) for at in range(3)]
    batch = source.bins(chosen)
    found = batch.behaviour["running"]
    middles = batch.start_s[:, None] + 0.05 + np.arange(10) * 0.1
    assert found.mask[:2].all()
    assert not found.mask[2].any()
    assert not found.signal[2].any()
    assert np.allclose(found.signal[:2, 1], middles[:2], atol=1e-5)
    assert np.allclose(found.signal[:2, 0], np.sin(middles[:2]), atol=1e-3)


def test_behaviour_does_not_look_beyond_the_part(version):
    rows = [["s1", "train", 0.0, 5.0], ["s1", "test", 5.0, 12.0]]
    split = cut(rows)
    options = {"window_s": 0.1, "bin_s": 0.002, "behaviour": ["running"], "records": ["s1"]}
    inside = EventSource(version, split=(split, "train"), **options)
    free = EventSource(version, **options)
    at = len(inside) - 1
    near, whole = inside.bins([at]).behaviour["running"], free.bins([at]).behaviour["running"]
    assert whole.mask.all()
    # The last bins lie after the last sample before 5 s, and only a sample of the test part could support them.
    assert not near.mask[0, :, -1].any()
    assert np.array_equal(near.signal[near.mask], whole.signal[near.mask])


def test_a_source_travels_by_pickle_and_reads_the_same(version):
    source = EventSource(version, window_s=1.0, bin_s=0.1, units=[("snr", ">", 0)], behaviour=["running"])
    source.bins([0])
    other = pickle.loads(pickle.dumps(source))
    assert np.array_equal(other.bins([5, 1]).counts, source.bins([5, 1]).counts)
    assert other.description() == source.description()
    assert "_readers" not in other._shelf.__getstate__()


def test_a_window_reads_only_the_chunks_that_its_seconds_touch(make_store):
    rng = np.random.default_rng(0)
    n_spikes = 3 * schema.KINDS["events"].CHUNK_EVENTS
    group = schema.events(
        np.sort(rng.integers(0, 100 * 30_000, size=n_spikes)),
        rng.integers(0, 50, size=n_spikes),
        unit_id=[str(at) for at in range(50)],
        observed_s=[(0.0, 100.0)],
        tick_hz=Fraction(30_000),
    )
    version = make_store({"long": schema.record({"spikes": group})})
    source = EventSource(version, window_s=1.0, bin_s=0.02, dtype="int64")
    batch = source.bins([53])
    ticks = source._shelf.reader(0).array("spikes/tick")
    assert ticks.n_decoded == 1
    time, unit = times_s(group), group["unit"].values
    inside = (time >= 53.0) & (time < 54.0)
    assert np.array_equal(batch.counts[0].sum(axis=1), np.bincount(unit[inside], minlength=50))
    # Over the border of two chunks both are read, and no spike is lost.
    border = int(times_s(group)[7 * schema.KINDS["events"].SLICED_EVENTS])
    batch = source.bins([border])
    inside = (time >= border) & (time < border + 1)
    assert batch.counts.sum() == inside.sum()
    assert ticks.n_decoded == 2


def test_a_record_without_any_spike_has_windows_of_silence(make_store):
    group = schema.events(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        unit_id=["a", "b"],
        observed_s=[(0.0, 3.0)],
        tick_hz=Fraction(1000),
    )
    source = EventSource(make_store({"silent": schema.record({"spikes": group})}), window_s=1, bin_s=0.5)
    batch = source.bins([0, 2])
    assert batch.mask.all()
    assert not batch.counts.any()
    assert source.tokens([0]).mask.shape == (1, 0)
