"""Trials read from the records of a version: what is read for each, folds, and stored splits that follow records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from connectome import schema, store
from connectome.errors import NotFoundError, UsageError
from connectome.schema import column
from connectome.splits import (
    HeldOutFold,
    Split,
    TrialSplit,
    TrialWindows,
    held_out_of,
    part_of_windows,
    plan_from_dict,
    read_trials,
    split_trials,
)
from support import spike_sessions

SCENES = {"table": "stimulus/scenes", "before_s": 0.05, "after_s": 0.2}
HALVES = {"train": 0.5, "test": 0.5}


def add(root, trees, splits=None):
    """Add generated records to the latest version."""
    repository = store.Repository(root)
    recipe = store.Recipe(source="generated", source_version="1", inputs=())
    receipts = [
        store.write_record(tree, repository.folder("g"), record=name, recipe=recipe, staging=repository.staging)
        for name, tree in trees.items()
    ]
    manifest = repository.commit("g", receipts, splits=splits, keep_others=True).manifest
    return store.open_version(f"g@{manifest.version}", root=root)


def stored(split, proof):
    return {split.name: {**split.as_dict(), "proof": proof.as_dict()}}


@pytest.fixture
def root(tmp_path):
    add(tmp_path, {name: tree for name, tree in spike_sessions.sessions().items() if name != "s3"})
    return tmp_path


def test_a_trial_holds_history_and_window_and_rows_without_a_moment_are_counted(root):
    version = store.open_version("g", root=root)
    table = read_trials(version, TrialWindows(**SCENES, history_s=0.1, columns=("frame",)))
    group = version.open("s1")["stimulus/scenes"]
    onset = group["start_time"].values
    own = table.frame[table.frame["record"] == "s1"]
    assert own["row"].tolist() == np.flatnonzero(np.isfinite(onset)).tolist()
    known = onset[np.isfinite(onset)]
    assert np.allclose(own["start_s"], known - 0.15, rtol=0, atol=1e-12)
    assert np.allclose(own["stop_s"], known + 0.2, rtol=0, atol=1e-12)
    assert own["frame"].tolist() == group["frame"].values[own["row"]].tolist()
    assert table.left_out == {"s1": 1, "s2": 1}
    assert table.longest_s == 0.25


def test_repeats_count_the_presentations_of_a_value_in_order_of_time(tmp_path):
    onset = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    frames = schema.table(
        {
            "start_time": column("row", onset, "Start", "s"),
            "frame": column("row", np.array([7, 7, -1, 7, -1]), "Frame", "1"),
        }
    )
    version = add(tmp_path, {"a": schema.record({"scenes": frames})})
    windows = TrialWindows(table="scenes", after_s=0.5, repeats_of="frame", columns=("frame", "repeat"))
    assert read_trials(version, windows).frame["repeat"].tolist() == [1, 0, 0, 2, 1]
    split, proof, _ = split_trials(version, TrialSplit(fractions=HALVES, gap_s=0, by="repeat", windows=windows))
    # Three numbers of a presentation go to two parts, and no number to both.
    assert sum(proof.n_values.values()) == 3
    assert set(split.groups) == {"repeat=0", "repeat=1", "repeat=2"}


def test_an_end_by_a_column_is_that_of_the_row(root):
    version = store.open_version("g", root=root)
    with pytest.raises(NotFoundError, match="no such column"):
        read_trials(version, TrialWindows(table="stimulus/scenes", until="stop_time"))
    with pytest.raises(NotFoundError, match="no record has the table"):
        read_trials(version, TrialWindows(table="stimulus/films", after_s=1))
    with pytest.raises(UsageError, match="moments are numbers"):
        read_trials(version, TrialWindows(table="stimulus/scenes", align="word", after_s=1))


@pytest.mark.parametrize(
    "options",
    [{}, {"after_s": 1, "until": "stop"}, {"after_s": -1}, {"after_s": 1, "history_s": -0.1}, {"after_s": np.inf}],
)
def test_windows_that_end_nowhere_or_have_no_length_are_refused(options):
    with pytest.raises(UsageError):
        TrialWindows(**options)


def test_folds_are_runs_in_time_and_each_is_held_out_once(root):
    version = store.open_version("g", root=root)
    plan = TrialSplit(n_folds=4, gap_s=0.2, windows=TrialWindows(**SCENES))
    split, proof, table = split_trials(version, plan, name="folds")
    assert split.parts == ("fold_0", "fold_1", "fold_2", "fold_3")
    assert proof.min_gap_s >= 0.2
    assert proof.n_left_out + sum(proof.n_trials.values()) == len(table.frame)
    parts = part_of_windows(split, table.frame)
    for _, own in table.frame.assign(part=parts).dropna().sort_values("start_s").groupby("record"):
        assert own["part"].is_monotonic_increasing
    tests = [part_of_windows(held, table.frame).eq("test") for held in plan.held_out(split)]
    assert np.array_equal(np.sum(tests, axis=0), parts.notna().to_numpy().astype(int))
    one = held_out_of({"folds": split}, "folds-fold_2")
    assert one.name == "folds-fold_2"
    assert one.records("test") == ["s1", "s2"]
    assert HeldOutFold.from_dict(one.plan) == HeldOutFold(folds=plan, test=2)
    assert held_out_of({"folds": split}, "folds-fold_9") is None


def test_a_plan_with_windows_comes_back_from_json():
    plan = TrialSplit(fractions=HALVES, gap_s=1, by="frame", windows=TrialWindows(**SCENES, columns="frame"))
    assert plan_from_dict(plan.as_dict()) == plan
    with pytest.raises(UsageError, match="not both"):
        TrialSplit(fractions=HALVES, n_folds=3, gap_s=0)
    with pytest.raises(UsageError, match="not both"):
        TrialSplit(gap_s=0)


def test_a_gap_below_history_and_window_is_said_and_animals_in_two_parts_are_named(root):
    version = store.open_version("g", root=root)
    windows = TrialWindows(**SCENES, history_s=0.1, columns=("frame",))
    _, proof, _ = split_trials(version, TrialSplit(fractions=HALVES, gap_s=0.1, windows=windows))
    assert "0.1 s is shorter than history and window, 0.35 s" in proof.warnings[0]
    assert proof.shared == {"subject": ("mouse-s1", "mouse-s2")}
    assert sum(proof.labels["frame"]["train"].values()) == proof.n_trials["train"]
    _, wide, _ = split_trials(version, TrialSplit(fractions=HALVES, gap_s=0.35, windows=windows))
    assert not [line for line in wide.warnings if "gap" in line]
    assert "not proved: that no animal" in str(wide)


def test_a_stored_split_takes_in_a_new_session_and_leaves_the_others_as_they_were(root):
    version = store.open_version("g", root=root)
    plan = TrialSplit(n_folds=2, gap_s=0.3, windows=TrialWindows(**SCENES))
    split, proof, _ = split_trials(version, plan, name="folds")
    add(root, {}, splits=stored(split, proof))
    later = add(root, {"s3": spike_sessions.session("s3")})
    renewed = later.splits["folds"]
    assert [entry for entry in renewed.entries if entry.record != "s3"] == list(split.entries)
    assert renewed.records("fold_1") == ["s1", "s2", "s3"]
    assert later.manifest.splits["folds"]["proof"]["n_records"] == {"fold_0": 3, "fold_1": 3}


def test_a_record_without_trials_is_in_no_part_and_changes_nothing(root):
    version = store.open_version("g", root=root)
    split, proof, _ = split_trials(version, TrialSplit(n_folds=2, gap_s=0.3, windows=TrialWindows(**SCENES)))
    add(root, {}, splits=stored(split, proof))
    table = schema.table({"x": column("row", np.arange(3.0), "Generated", "1")})
    later = add(root, {"other": schema.record({"x": table})})
    assert later.splits["default"] == split
    assert "1 records without such trials" in later.manifest.splits["default"]["proof"]["unproved"][-1]


def test_a_split_of_trials_given_by_hand_stays_where_its_records_do(root):
    frame = pd.DataFrame({"record": "s1", "start_s": np.arange(8.0), "stop_s": np.arange(8.0) + 0.5})
    split = TrialSplit(fractions=HALVES, gap_s=0).assign(frame, name="mine")
    add(root, {}, splits={"mine": split.as_dict()})
    later = add(root, {"s3": spike_sessions.session("s3")})
    assert later.splits["mine"] == split
    with pytest.raises(UsageError, match="given by hand"):
        add(root, {"s1": spike_sessions.session("s1", seed=5)})
    assert isinstance(store.open_version("g", root=root).splits["mine"], Split)
