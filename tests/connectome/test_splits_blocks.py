"""Splits in time: guard gaps, forward and shuffled blocks, shared clocks; and the windows that keep to them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import (
    Fractions,
    GroupedSplit,
    Split,
    TimeBlockSplit,
    assert_disjoint,
    extend,
    part_of_windows,
    prove,
)
from support.split_indexes import THIRDS, unhurried


def recordings(**extents: tuple[float, float]) -> pd.DataFrame:
    """Make a generated index of records with their extents."""
    return pd.DataFrame([{"record": name, "start_s": start, "stop_s": stop} for name, (start, stop) in extents.items()])


times = st.floats(-1e6, 1e9, allow_nan=False)
lengths = st.floats(100.0, 1e5)


@st.composite
def plans(draw: st.DrawFn) -> TimeBlockSplit:
    gap_s = draw(st.sampled_from([0.0, 0.1, 1 / 3, 5.0]) | st.floats(0.0, 6.0))
    parts = draw(st.sampled_from([THIRDS, {"train": 0.7, "test": 0.3}, {"a": 0.25, "b": 0.25, "c": 0.5}]))
    seed = draw(st.integers(0, 1000))
    if draw(st.booleans()):
        return TimeBlockSplit(fractions=parts, gap_s=gap_s, seed=seed)
    return TimeBlockSplit(fractions=parts, gap_s=gap_s, order="shuffled", n_blocks=draw(st.integers(3, 15)), seed=seed)


@st.composite
def indexes(draw: st.DrawFn) -> pd.DataFrame:
    spans = draw(st.lists(st.tuples(times, lengths), min_size=1, max_size=4))
    return recordings(**{f"r{i}": (start, start + length) for i, (start, length) in enumerate(spans)})


@unhurried
@given(plans(), indexes())
def test_no_two_parts_of_a_record_are_nearer_than_the_gap(plan, index):
    for _, rows in plan.assign(index).rows.groupby("record"):
        for one, other in itertools.combinations(rows.itertuples(), 2):
            if one.part != other.part:
                assert max(one.start_s, other.start_s) - min(one.stop_s, other.stop_s) >= plan.gap_s


@unhurried
@given(plans(), indexes())
def test_stretches_and_gaps_add_up_to_the_record(plan, index):
    rows = plan.assign(index).rows
    for record in index.itertuples():
        own = rows[rows["record"] == record.record]
        assert own["start_s"].iloc[0] == record.start_s
        assert own["stop_s"].iloc[-1] == record.stop_s
        n_gaps = (own["part"].to_numpy()[1:] != own["part"].to_numpy()[:-1]).sum()
        covered = (own["stop_s"] - own["start_s"]).sum()
        assert math.isclose(
            covered + n_gaps * plan.gap_s, record.stop_s - record.start_s, abs_tol=1e-9 * abs(record.stop_s) + 1e-9
        )


@unhurried
@given(plans(), indexes())
def test_a_split_in_time_is_proved(plan, index):
    split = plan.assign(index)
    proof = prove(split, index)
    assert proof.min_gap_s is None or proof.min_gap_s >= plan.gap_s
    assert set(proof.sizes) == set(plan.fractions)
    assert proof.unproved[0].startswith("that no animal")


@unhurried
@given(indexes(), st.sampled_from([0.0, 2.0]))
def test_forward_parts_follow_each_other_in_order_and_have_their_fraction_of_the_time(index, gap_s):
    split = TimeBlockSplit(fractions=THIRDS, gap_s=gap_s).assign(index)
    for record in index.itertuples():
        own = split.rows[split.rows["record"] == record.record]
        assert own["part"].tolist() == list(THIRDS)
        usable = record.stop_s - record.start_s - 2 * gap_s
        for row in own.itertuples():
            assert math.isclose(row.stop_s - row.start_s, THIRDS[row.part] * usable, abs_tol=1e-6)


def test_the_order_of_the_fractions_is_the_order_in_time_even_after_storing():
    index = recordings(a=(0.0, 100.0))
    plan = TimeBlockSplit(fractions={"test": 0.2, "train": 0.8}, gap_s=0)
    split = plan.assign(index)
    assert split.rows["part"].tolist() == ["test", "train"]
    assert extend(Split.from_dict(split.as_dict()), index) == split
    assert plan != TimeBlockSplit(fractions={"train": 0.8, "test": 0.2}, gap_s=0)


def test_shuffled_blocks_meet_the_quota_of_every_record():
    index = recordings(a=(0.0, 1000.0), b=(50.0, 250.0))
    plan = TimeBlockSplit(fractions=THIRDS, gap_s=0, order="shuffled", n_blocks=20)
    sizes = plan.assign(index).rows.assign(length=lambda t: t["stop_s"] - t["start_s"])
    sums = sizes.groupby(["record", "part"])["length"].sum()
    assert sums["a"].to_dict() == pytest.approx({"train": 800, "val": 100, "test": 100})
    assert sums["b"].to_dict() == pytest.approx({"train": 160, "val": 20, "test": 20})


def test_the_last_block_ends_where_the_record_ends_to_the_last_bit():
    start_s, stop_s = 9.4, 31.8
    assert start_s + (stop_s - start_s) < stop_s
    index = recordings(a=(start_s, stop_s))
    for plan in (
        TimeBlockSplit(fractions=THIRDS, gap_s=1, order="shuffled", n_blocks=10),
        TimeBlockSplit(fractions=THIRDS, gap_s=1),
    ):
        assert plan.assign(index).rows["stop_s"].max() == stop_s


def test_shuffled_blocks_differ_between_records_and_seeds():
    index = recordings(a=(0.0, 1000.0), b=(0.0, 1000.0))
    places = set()
    for seed in range(5):
        rows = TimeBlockSplit(fractions=THIRDS, gap_s=0, order="shuffled", n_blocks=30, seed=seed).assign(index).rows
        places |= {
            tuple(rows[(rows["record"] == record) & (rows["part"] == "test")]["start_s"]) for record in ("a", "b")
        }
    assert len(places) == 10


def test_blocks_of_a_least_length_are_as_many_as_fit():
    index = recordings(a=(0.0, 100.0), b=(0.0, 1000.0))
    plan = TimeBlockSplit(fractions={"x": 0.5, "y": 0.5}, gap_s=0, order="shuffled", block_s=24.0)
    rows = plan.assign(index).rows
    assert set(rows[rows["record"] == "a"]["start_s"]) <= {0.0, 25.0, 50.0, 75.0}
    assert {round(start / (1000 / 41), 9) % 1 for start in rows[rows["record"] == "b"]["start_s"]} == {0.0}


@unhurried
@given(plans(), indexes(), st.randoms(use_true_random=False))
def test_a_record_is_cut_alike_whatever_other_records_there_are(plan, index, random):
    rows = list(range(len(index)))
    random.shuffle(rows)
    split = plan.assign(index)
    assert plan.assign(index.iloc[rows]) == split
    for i in range(len(index)):
        alone = plan.assign(index.iloc[[i]])
        grown = extend(alone, index)
        assert grown == split
        assert set(alone.entries) <= set(grown.entries)


def test_a_record_that_has_grown_is_not_cut_anew_in_silence():
    plan = TimeBlockSplit(fractions=THIRDS, gap_s=1)
    first = plan.assign(recordings(a=(0.0, 100.0), b=(0.0, 50.0)))
    with pytest.raises(UsageError, match="extent of records has changed") as caught:
        extend(first, recordings(a=(0.0, 120.0), b=(0.0, 50.0)))
    assert caught.value.place == "a"


def test_a_previous_split_with_another_gap_is_refused():
    index = recordings(a=(0.0, 100.0))
    first = TimeBlockSplit(fractions=THIRDS, gap_s=1).assign(index)
    with pytest.raises(UsageError, match="another plan"):
        TimeBlockSplit(fractions=THIRDS, gap_s=2).assign(index, first)


@pytest.mark.parametrize(
    "plan",
    [
        TimeBlockSplit(fractions=THIRDS, gap_s=5.0),
        TimeBlockSplit(fractions=THIRDS, gap_s=4.0, order="shuffled", n_blocks=3),
        TimeBlockSplit(fractions=THIRDS, gap_s=0, order="shuffled", block_s=6.0),
    ],
)
def test_records_that_are_too_short_are_all_named(plan):
    with pytest.raises(UsageError, match="too short") as caught:
        plan.assign(recordings(tiny=(0.0, 3.0), long=(0.0, 1e4), short=(5.0, 15.0)))
    assert caught.value.subject == "short, tiny"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gap_s": -1.0}, "seconds"),
        ({"gap_s": math.inf}, "seconds"),
        ({"gap_s": "5"}, "seconds"),
        ({"order": "random"}, "no such choice"),
        ({"n_blocks": 5}, "one block per part"),
        ({"order": "shuffled"}, "needs blocks"),
        ({"order": "shuffled", "n_blocks": 5, "block_s": 1.0}, "needs blocks"),
        ({"order": "shuffled", "n_blocks": 0}, "positive number"),
        ({"order": "shuffled", "n_blocks": 2.5}, "positive number"),
        ({"order": "shuffled", "n_blocks": 2}, "fewer blocks than parts"),
        ({"order": "shuffled", "block_s": math.inf}, "positive number"),
    ],
)
def test_a_plan_in_time_that_cannot_be_followed_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        TimeBlockSplit(**{"fractions": THIRDS, "gap_s": 1.0, **options})


def test_extents_come_from_the_columns_that_the_index_has():
    plan = TimeBlockSplit(fractions=THIRDS, gap_s=1)
    by_ends = plan.assign(recordings(a=(0.0, 50.0)))
    assert plan.assign(pd.DataFrame({"record": ["a"], "duration_s": [50.0]})) == by_ends
    assert plan.assign(pd.DataFrame({"record": ["a"], "n_samples": [500], "sampling_frequency_hz": [10]})) == by_ends


@pytest.mark.parametrize(
    "columns",
    [
        {"n_samples": [500]},
        {"duration_s": [None]},
        {"start_s": [1.0], "stop_s": [1.0]},
        {"start_s": [0.0], "stop_s": [math.inf]},
        {"n_samples": [5], "sampling_frequency_hz": [0.0]},
    ],
)
def test_a_record_without_an_extent_is_refused(columns):
    with pytest.raises(UsageError, match=r"how long|no extent"):
        TimeBlockSplit(fractions=THIRDS, gap_s=0).assign(pd.DataFrame({"record": ["a"], **columns}))


# clocks and copies


@unhurried
@given(plans(), st.lists(st.tuples(st.floats(0, 40), st.floats(60, 200)), min_size=2, max_size=4))
def test_records_on_one_clock_are_cut_at_the_same_times(plan, ends):
    plan = TimeBlockSplit.from_dict({**plan.as_dict(), "clock": "session"})
    index = recordings(**{f"probe{i}": (start, 700 + stop) for i, (start, stop) in enumerate(ends)})
    index["session"] = "s1"
    split = plan.assign(index)
    rows = list(split.rows.itertuples())
    for one, other in itertools.combinations(rows, 2):
        if one.part != other.part:
            assert max(one.start_s, other.start_s) - min(one.stop_s, other.stop_s) >= plan.gap_s
    prove(split, index)


def test_records_on_one_clock_that_are_cut_apart_are_found():
    index = recordings(a=(0.0, 100.0), b=(50.0, 150.0))
    index["session"] = "s"
    plan = TimeBlockSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=1.0)
    apart = plan.assign(index)
    prove(apart, index)
    shared = TimeBlockSplit.from_dict({**plan.as_dict(), "clock": "session"})
    claimed = Split(name="x", plan=shared.as_dict(), entries=apart.entries, groups={})
    with pytest.raises(LeakError, match="one content or clock in two parts"):
        prove(claimed, index)


def test_copies_of_a_record_are_cut_at_the_same_times_and_added_copies_move_nothing():
    index = recordings(m=(0.0, 1000.0), z=(0.0, 1000.0), a=(0.0, 1000.0)).assign(content=["one", "two", "one"])
    plan = TimeBlockSplit(fractions=THIRDS, gap_s=1, order="shuffled", n_blocks=20)
    first = plan.assign(index.head(2))
    grown = extend(first, index)
    cuts = {record: [entry[1:] for entry in grown.entries if entry.record == record] for record in "amz"}
    assert cuts["a"] == cuts["m"] != cuts["z"]
    prove(grown, index)


def test_copies_that_are_cut_differently_are_found():
    index = recordings(a=(0.0, 1000.0), b=(0.0, 1000.0))
    split = TimeBlockSplit(fractions=THIRDS, gap_s=1, order="shuffled", n_blocks=20).assign(index)
    with pytest.raises(LeakError, match="one content or clock in two parts"):
        prove(split, index.assign(content="same"))


def test_a_record_that_lies_in_a_guard_gap_of_its_clock_is_named():
    index = recordings(a=(0.0, 100.0), b=(49.5, 50.5)).assign(session="s")
    plan = TimeBlockSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=10.0, clock="session")
    with pytest.raises(UsageError, match="wholly in a guard gap") as caught:
        plan.assign(index)
    assert caught.value.subject == "b"


# windows


@unhurried
@given(plans(), indexes(), st.data())
def test_a_window_has_a_part_exactly_when_it_lies_inside_one_stretch(plan, index, data):
    split = plan.assign(index)
    edges = sorted({edge for e in split.entries for edge in (e.start_s, e.stop_s)})
    near = st.sampled_from([*edges, *(np.nextafter(edges, -np.inf)), *(np.nextafter(edges, np.inf))])
    pairs = data.draw(st.lists(st.tuples(near, near).filter(lambda p: p[0] < p[1]), min_size=1, max_size=30))
    records = data.draw(
        st.lists(st.sampled_from([*index["record"], "other"]), min_size=len(pairs), max_size=len(pairs))
    )
    windows = pd.DataFrame(
        {"record": records, "start_s": [float(p[0]) for p in pairs], "stop_s": [float(p[1]) for p in pairs]},
        index=range(7, 7 + len(pairs)),
    )
    expected = [
        next((e.part for e in split.entries if e.record == r and e.start_s <= a and b <= e.stop_s), None)
        for r, a, b in windows.itertuples(index=False)
    ]
    found = part_of_windows(split, windows)
    assert [None if pd.isna(part) else part for part in found] == expected
    assert found.index.equals(windows.index)


@unhurried
@given(plans(), indexes(), st.floats(0.01, 3.0))
def test_windows_that_keep_to_their_parts_are_a_gap_apart(plan, index, length_s):
    split = plan.assign(index)
    starts = [(e.record, e.start_s + length_s * k) for e in split.entries for k in range(3)]
    windows = pd.DataFrame(starts, columns=["record", "start_s"]).assign(stop_s=lambda t: t["start_s"] + length_s)
    windows = windows[windows["start_s"] < windows["stop_s"]]
    windows["part"] = part_of_windows(split, windows)
    kept = windows.dropna()
    counts = assert_disjoint(split, kept)
    assert sum(counts.values()) == len(kept)
    for one, other in itertools.combinations(kept.itertuples(), 2):
        if one.record == other.record and one.part != other.part:
            assert max(one.start_s, other.start_s) - min(one.stop_s, other.stop_s) >= plan.gap_s


@pytest.mark.parametrize(
    ("window", "why"),
    [
        (("a", 70.0, 85.0, "train"), "touches a guard gap"),
        (("a", 70.0, 95.0, "train"), "touches test"),
        (("a", 95.0, 99.0, "train"), "touches test"),
        (("a", 100.0, 111.0, "test"), "leaves the record"),
        (("a", -1.0, 5.0, "train"), "leaves the record"),
        (("b", 0.0, 5.0, "train"), "not in the split"),
    ],
)
def test_a_window_that_leaves_its_part_is_named_with_the_reason(window, why):
    index = pd.DataFrame({"record": ["a"], "duration_s": [110.0]})
    split = TimeBlockSplit(fractions={"train": 0.8, "test": 0.2}, gap_s=10).assign(index)
    good = ("a", 0.0, 80.0, "train"), ("a", 90.0, 110.0, "test")
    windows = pd.DataFrame([*good, window], columns=["record", "start_s", "stop_s", "part"])
    assert assert_disjoint(split, windows.head(2)) == {"train": 1, "test": 1}
    with pytest.raises(LeakError, match="1 of 3 windows") as caught:
        assert_disjoint(split, windows)
    assert why in str(caught.value.found)


def test_windows_of_whole_records_must_be_used_for_the_records_part():
    index = pd.DataFrame({"record": list("abc"), "subject": list("abc")})
    split = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    windows = split.rows[["record", "part"]].assign(start_s=0.0, stop_s=1e9)
    assert assert_disjoint(split, windows) == {"train": 1, "val": 1, "test": 1}
    windows.loc[0, "part"] = "val" if windows.loc[0, "part"] != "val" else "test"
    with pytest.raises(LeakError, match="record is in"):
        assert_disjoint(split, windows)


def test_no_windows_at_all_are_no_leak():
    split = TimeBlockSplit(fractions=THIRDS, gap_s=1).assign(recordings(a=(0.0, 50.0)))
    windows = pd.DataFrame({"record": [], "start_s": [], "stop_s": [], "part": []})
    assert assert_disjoint(split, windows) == {"train": 0, "val": 0, "test": 0}


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ({"record": ["a"], "start_s": [0.0], "stop_s": [1.0]}, "does not say what"),
        ({"record": ["a"], "start_s": [0.0], "part": ["train"]}, "lacks columns"),
        ({"record": ["a"], "start_s": [1.0], "stop_s": [1.0], "part": ["train"]}, "finite start"),
        ({"record": ["a"], "start_s": [math.nan], "stop_s": [1.0], "part": ["train"]}, "finite start"),
        ({"record": ["a"], "start_s": [0.0], "stop_s": [1.0], "part": ["dev"]}, "no such part"),
        ({"record": ["a"], "start_s": [0.0], "stop_s": [1.0], "part": [None]}, "no such part"),
    ],
)
def test_a_table_of_windows_that_cannot_be_used_is_refused(windows, message):
    split = TimeBlockSplit(fractions=THIRDS, gap_s=1).assign(recordings(a=(0.0, 50.0)))
    with pytest.raises(UsageError, match=message):
        assert_disjoint(split, pd.DataFrame(windows))


def test_fractions_of_floats_add_up_exactly():
    shares = Fractions({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}).shares
    assert sum(shares.values()) == 1
