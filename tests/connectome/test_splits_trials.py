"""Splits of trials: runs, images and repeats; no shared spike, no shared frame, and loaders that keep to it."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import Entry, Split, TrialSplit, part_of_windows, plan_from_dict, prove, prove_trials

PARTS = {"train": 0.6, "val": 0.2, "test": 0.2}
patient = settings(deadline=None, max_examples=60)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Generated trials of one length each table; trials may touch, overlap or lie apart."""
    length = draw(st.sampled_from([0.25, 0.5, 1.0]))
    rows = []
    for at in range(draw(st.integers(1, 3))):
        onsets = np.cumsum(draw(st.lists(st.sampled_from([0.1, 0.25, 0.5, 2.0]), min_size=8, max_size=40)))
        image = draw(st.integers(3, 6))
        rows += [(f"r{at}", onset, onset + length, k % image, k // image) for k, onset in enumerate(onsets.tolist())]
    table = pd.DataFrame(rows, columns=["record", "start_s", "stop_s", "image", "repeat"])
    return table.sample(frac=1, random_state=draw(st.integers(0, 9)))


@st.composite
def plans(draw: st.DrawFn) -> TrialSplit:
    kind = draw(st.sampled_from([{}, {"by": "image"}, {"by": "repeat"}, {"order": "shuffled", "n_blocks": 5}]))
    parts = draw(st.sampled_from([{"fractions": PARTS}, {"fractions": {"train": 0.5, "test": 0.5}}, {"n_folds": 3}]))
    return TrialSplit(**parts, gap_s=draw(st.sampled_from([0.0, 0.2, 1.0])), seed=draw(st.integers(0, 5)), **kind)


def made(plan: TrialSplit, table: pd.DataFrame) -> Split:
    try:
        return plan.assign(table)
    except UsageError as error:
        # Few trials close together may leave nothing of a part.
        assume("no trial is left" not in str(error) and "too few" not in str(error))
        raise


@patient
@given(plans(), tables())
def test_no_moment_is_read_for_two_parts_and_the_gap_is_kept(plan, table):
    split = made(plan, table)
    table = table.assign(part=part_of_windows(split, table))
    for _, own in table.dropna(subset="part").groupby("record"):
        for one, other in itertools.combinations(own.itertuples(), 2):
            if one.part != other.part:
                assert max(one.start_s, other.start_s) - min(one.stop_s, other.stop_s) >= plan.gap_s


@patient
@given(plans(), tables())
def test_no_image_or_repeat_that_is_kept_together_is_in_two_parts(plan, table):
    assume(plan.by is not None)
    split = made(plan, table)
    parts = part_of_windows(split, table)
    assert (parts.groupby(table[plan.by[0]]).nunique() <= 1).all()
    for value, part in split.groups.items():
        own = parts[table[plan.by[0]] == int(value.partition("=")[2])].dropna()
        assert set(own) <= {part}


@patient
@given(plans(), tables())
def test_a_split_of_trials_is_proved_and_counts_every_trial(plan, table):
    split = made(plan, table)
    proof = prove_trials(split, table)
    assert sum(proof.n_trials.values()) + proof.n_left_out == len(table)
    assert proof.min_gap_s is None or proof.min_gap_s >= plan.gap_s
    assert all(proof.n_trials[part] > 0 for part in plan.demands().parts)
    index = table.groupby("record", as_index=False).agg(start_s=("start_s", "min"), stop_s=("stop_s", "max"))
    prove(split, index)


@patient
@given(plans(), tables())
def test_the_split_depends_neither_on_the_order_of_rows_nor_on_its_storage(plan, table):
    split = made(plan, table)
    assert plan.assign(table.sort_values(["record", "start_s"])) == split
    again = Split.from_dict(split.as_dict())
    assert plan_from_dict(again.plan).assign(table) == split


def test_trials_that_do_not_touch_are_all_kept():
    table = pd.DataFrame({"record": "a", "start_s": np.arange(100.0), "image": np.arange(100) % 10})
    table["stop_s"] = table["start_s"] + 0.5
    for plan in (TrialSplit(fractions=PARTS, gap_s=0.5), TrialSplit(fractions=PARTS, gap_s=0.5, by="image")):
        proof = prove_trials(plan.assign(table), table)
        assert proof.n_left_out == 0
        assert proof.n_trials == {"train": 60, "val": 20, "test": 20}
    assert proof.n_values == {"train": 6, "val": 2, "test": 2}


def test_back_to_back_images_with_a_longer_window_lose_the_trials_that_share_spikes():
    table = pd.DataFrame({"record": "a", "start_s": np.arange(60) * 0.25, "image": np.arange(60) % 6})
    table["stop_s"] = table["start_s"] + 0.5
    proof = prove_trials(TrialSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=0, by="image").assign(table), table)
    assert 0 < proof.n_left_out < 60
    alternating = Split(
        name="alternating",
        plan={"kind": "by hand"},
        entries=tuple(Entry("a", ("train", "test")[at % 2], at * 0.25, at * 0.25 + 0.25) for at in range(60)),
        groups={},
    )
    # No trial lies wholly in a stretch of a quarter of a second; those of that length touch, and are too near.
    assert prove_trials(alternating, table).n_left_out == 60
    with pytest.raises(LeakError, match="after train"):
        prove_trials(alternating, table.assign(stop_s=table["start_s"] + 0.25), gap_s=0.1)


def test_a_frame_in_two_parts_is_named():
    table = pd.DataFrame(
        {"record": "a", "start_s": np.arange(20.0), "stop_s": np.arange(20.0) + 0.5, "frame": [3, 4] * 10}
    )
    split = TrialSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=0).assign(table)
    prove_trials(split, table)
    with pytest.raises(LeakError, match="frame=3 in test, train"):
        prove_trials(split, table, by="frame")
    with pytest.raises(LeakError, match="after train"):
        prove_trials(split, table, gap_s=0.6)


def test_values_that_were_placed_stay_where_they_are_when_trials_are_added():
    table = pd.DataFrame(
        {"record": "a", "start_s": np.arange(20.0), "stop_s": np.arange(20.0) + 0.5, "image": [*range(5)] * 4}
    )
    plan = TrialSplit(fractions={"train": 0.6, "test": 0.4}, gap_s=0, by="image", seed=3)
    first = plan.assign(table)
    more = pd.concat([table, table.assign(record="b", image=table["image"] + 3)])
    second = plan.assign(more, first)
    assert first.groups.items() <= second.groups.items()
    assert len(second.groups) == 8


@pytest.mark.parametrize(
    "options",
    [
        {"by": "image", "order": "shuffled", "n_blocks": 4},
        {"order": "shuffled"},
        {"n_blocks": 4},
        {"order": "shuffled", "n_blocks": 2},
        {"gap_s": -1.0},
        {"by": ""},
    ],
)
def test_plans_that_contradict_themselves_are_refused(options):
    with pytest.raises(UsageError):
        TrialSplit(**{"fractions": PARTS, "gap_s": 0.0, **options})


def test_tables_that_are_none_and_trials_within_trials_are_refused():
    plan = TrialSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=0, by="image")
    good = pd.DataFrame({"record": "a", "start_s": [0.0, 1.0, 2.0], "stop_s": [0.5, 1.5, 2.5], "image": ["x", "y", ""]})
    for table in (good, good.drop(columns="image"), good.drop(columns="stop_s"), good.assign(stop_s=0.0), good[:0]):
        with pytest.raises(UsageError):
            plan.assign(table)
    nested = pd.DataFrame(
        {"record": "a", "start_s": [0.0, 1.0, 20.0], "stop_s": [9.0, 2.0, 21.0], "image": ["x", "y", "z"]}
    )
    # Trial y lies within trial x: where they are in different parts, no stretch can hold x alone.
    found = {seed: why_refused(nested, seed) for seed in range(20)}
    assert any(why == "" for why in found.values())
    assert any("within trials of another part" in why for why in found.values())


def why_refused(table: pd.DataFrame, seed: int) -> str:
    """Return why a split is refused; empty where it is made, and then x and y are in one part."""
    try:
        split = TrialSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=0, by="image", seed=seed).assign(table)
    except UsageError as error:
        return str(error)
    prove_trials(split, table)
    return "" if split.groups["image=x"] == split.groups["image=y"] else "x and y were told apart"
