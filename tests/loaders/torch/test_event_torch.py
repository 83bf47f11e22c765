"""Spikes in PyTorch: whole batches, trials with labels, padding, and worker processes of every kind."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from connectome.errors import NotFoundError, UsageError
from connectome.loaders.events.trials import TrialSource
from connectome.loaders.torch import EventDataset
from connectome.schema import decode
from connectome.schema.events import times_s
from connectome.splits import Split
from support.spike_sessions import N_UNITS, OBSERVED, sessions

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

TRIALS = {"trials": "stimulus/scenes", "before_s": 0.1, "after_s": 0.3, "bin_s": 0.02}
MODES = {
    "bins": {"window_s": 0.5, "bin_s": 0.02, "behaviour": ["running"]},
    "trials": {**TRIALS, "labels": ["scene", "frame", "contrast"], "behaviour": {"running": "mean"}},
    "tokens": {"window_s": 0.5},
}


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    return commit_records(tmp_path_factory.mktemp("spikes") / "store", "generated-spikes", sessions())


def same(left, right):
    equal = (torch.equal(left[key].nan_to_num(), right[key].nan_to_num()) for key in left)
    return left.keys() == right.keys() and all(equal)


@pytest.mark.parametrize("mode", MODES)
def test_a_loader_gives_whole_batches_and_single_windows_collate_to_the_same(version, mode):
    dataset = EventDataset(version, mode=mode, **MODES[mode])
    indices = [0, len(dataset) - 1, 3, 3, len(dataset) // 2]
    batch = dataset.batch(indices)
    loaded = next(iter(DataLoader(dataset, batch_size=5, sampler=indices)))
    assert type(loaded) is dict
    assert same(loaded, batch)
    one_by_one = torch.utils.data.default_collate([dataset[at] for at in indices])
    assert same(one_by_one, batch)
    assert same(dataset[-1], dataset[len(dataset) - 1])
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert f"EventDataset('{mode}') generated-spikes@1.0.0" in repr(dataset)


def test_the_tensors_are_what_the_documentation_says(version):
    batch = EventDataset(version, **MODES["bins"]).batch([0, 1, 2])
    assert {name: (tuple(value.shape), value.dtype) for name, value in batch.items()} == {
        "counts": ((3, 7, 25), torch.float32),
        "mask": ((3, 7, 25), torch.bool),
        "unit": ((3, 7), torch.int64),
        "unit_mask": ((3, 7), torch.bool),
        "record": ((3,), torch.int64),
        "start_s": ((3,), torch.float64),
        "behaviour.running": ((3, 2, 25), torch.float32),
        "behaviour_mask.running": ((3, 2, 25), torch.bool),
    }
    trials = EventDataset(version, mode="trials", **MODES["trials"]).batch([0, 1])
    assert {"label.scene", "label.frame", "label.contrast", "row", "onset_s"} < set(trials)
    assert trials["label.scene"].dtype == torch.int64
    assert trials["label.contrast"].dtype == torch.float64
    spikes = EventDataset(version, mode="tokens", window_s=0.5).batch([0, 1])
    assert set(spikes) == {"unit", "time_s", "mask", "record", "start_s"}


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_two_workers_give_the_batches_of_one_process(version, context):
    for mode in ("trials", "tokens") if context == "fork" else ("bins",):
        dataset = EventDataset(version, mode=mode, **MODES[mode])
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(1)).tolist()
        # The parent has read before the workers start, which is where inherited handles would show.
        expected = list(DataLoader(dataset, batch_size=8, sampler=order))
        workers = DataLoader(dataset, batch_size=8, sampler=order, num_workers=2, multiprocessing_context=context)
        found = list(workers)
        assert len(found) == len(expected)
        assert all(same(*pair) for pair in zip(found, expected, strict=True))


def test_a_transform_sees_the_arrays_of_the_batch(version):
    from dataclasses import replace

    dataset = EventDataset(
        version, window_s=0.5, bin_s=0.02, transform=lambda batch: replace(batch, counts=np.sqrt(batch.counts))
    )
    plain = EventDataset(version, window_s=0.5, bin_s=0.02)
    assert torch.allclose(dataset.batch([3])["counts"] ** 2, plain.batch([3])["counts"])


# -- trials ----------------------------------------------------------------------------------------------------------


def test_trials_equal_a_loop_over_spikes_and_edges(version):
    source = TrialSource(version, **TRIALS, labels=["scene", "word", "contrast"])
    batch = source.trials(range(len(source)))
    assert source.time_s.tolist() == [float(Fraction(at, 50) - Fraction(1, 10)) for at in range(20)]
    for at in range(0, len(source), 9):
        name = source.records[batch.record[at]]
        tree = version.open(name)
        table, group = tree["stimulus/scenes"].to_dataset(), tree["spikes"].to_dataset()
        onset = float(table["start_time"][batch.row[at]])
        assert batch.onset_s[at] == onset
        exact = Fraction(repr(onset))
        edges = [float(exact - Fraction(1, 10) + Fraction(k, 50)) for k in range(21)]
        time, unit = times_s(group), group["unit"].values
        slow = [
            [int(((time >= a) & (time < b) & (unit == u)).sum()) for a, b in pairwise(edges)]
            for u in range(N_UNITS[name])
        ]
        assert np.array_equal(batch.counts[at, : N_UNITS[name]], slow)
        for label in ("scene", "word"):
            code = int(batch.labels[label][at])
            word = decode(table[label])[batch.row[at]]
            assert (source.label_names[label][code] if code >= 0 else "") == word
        assert np.array_equal(batch.labels["contrast"][at], float(table["contrast"][batch.row[at]]), equal_nan=True)
    assert (batch.labels["scene"] == -1).any()
    assert source.label_names == {"scene": ("bear", "tree", "cheetah"), "word": ("go", "stay")}


def test_rows_without_a_moment_or_out_of_observed_time_are_left_out_and_counted(version):
    source = TrialSource(version, **TRIALS)
    table = version.open("s2")["stimulus/scenes"].to_dataset()["start_time"].values
    start, stop = table - 0.1, table + 0.3
    inside = [
        any(low <= a and b <= high + 1e-9 for low, high in OBSERVED["s2"]) for a, b in zip(start, stop, strict=True)
    ]
    assert source.row[source.record == 1].tolist() == np.flatnonzero(inside).tolist()
    assert source.left_out["s2"] == len(table) - sum(inside)
    assert source.left_out["s1"] == 1
    partly = TrialSource(version, **TRIALS, observed="any")
    extra = np.flatnonzero((partly.record == 1) & ~np.isin(partly.row, np.flatnonzero(inside)))
    assert len(extra)
    masks = partly.trials(extra).mask[:, : N_UNITS["s2"]]
    assert masks.any(axis=(1, 2)).all()
    assert not masks.all(axis=(1, 2)).any()


def test_conditions_choose_trials_and_parts_keep_them_inside(version):
    source = TrialSource(version, **TRIALS, where=[("scene", "in", ["bear", "tree"]), ("contrast", "known")])
    frame = TrialSource(version, **TRIALS, labels=["scene", "contrast"]).frame()
    expected = frame[frame["scene"].isin(["bear", "tree"]) & frame["contrast"].notna()]
    assert source.frame()[["record", "row"]].values.tolist() == expected[["record", "row"]].values.tolist()
    split = Split.from_dict(
        {
            "encoding-type": "split",
            "encoding-version": "1",
            "name": "cut",
            "plan": {"kind": "hand"},
            "rows": [["s1", "train", 0.0, 5.15], ["s1", "test", 5.15, 12.0]],
            "groups": {},
        }
    )
    parts = {part: TrialSource(version, **TRIALS, split=(split, part)) for part in ("train", "test")}
    assert parts["train"].onset_s.max() == 4.75
    assert parts["test"].onset_s.min() == 5.25
    assert set(parts["train"].row) & set(parts["test"].row) == set()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"trials": "nothing"}, UsageError),
        ({"align": "stop_time"}, NotFoundError),
        ({"align": "word"}, UsageError),
        ({"labels": ["nothing"]}, NotFoundError),
        ({"labels": "scene"}, UsageError),
        ({"where": [("nothing", "known")]}, NotFoundError),
        ({"where": [("frame", ">", 99)]}, UsageError),
        ({"bin_s": 0.3}, UsageError),
        ({"before_s": -0.3}, UsageError),
    ],
)
def test_trials_that_cannot_be_read_are_refused(version, options, error):
    with pytest.raises(error):
        TrialSource(version, **{**TRIALS, **options})


def test_no_such_mode_and_bins_without_a_width_are_refused(version):
    for options in ({"mode": "dense", "window_s": 1}, {"window_s": 1}):
        with pytest.raises(UsageError):
            EventDataset(version, **options)
