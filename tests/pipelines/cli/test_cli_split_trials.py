"""``connectome split DATASET --by trials``: parts that share no spike, stored with their proof, read by the loaders."""

from __future__ import annotations

import numpy as np
import pytest

from connectome import store
from connectome.errors import UsageError
from connectome.loaders.torch import EventDataset
from support import spike_sessions

SPLIT = ("split", "g", "--by", "trials", "--trials", "stimulus/scenes", "--before-s", "0.05", "--after-s", "0.15")
READ = {"mode": "trials", "trials": "stimulus/scenes", "before_s": 0.05, "after_s": 0.15, "bin_s": 0.05}


@pytest.fixture
def root(tmp_path):
    repository = store.Repository(tmp_path)
    recipe = store.Recipe(source="generated", source_version="1", inputs=())
    receipts = [
        store.write_record(tree, repository.folder("g"), record=name, recipe=recipe, staging=repository.staging)
        for name, tree in spike_sessions.sessions().items()
    ]
    repository.commit("g", receipts)
    return tmp_path


def test_a_split_of_trials_is_stored_with_its_proof_and_a_dry_run_stores_nothing(root, run):
    words = (*SPLIT, "--fractions", "train=0.6,test=0.4", "--labels", "frame", "--root", root)
    code, dry = run(*words, "--dry-run")
    assert (code, dry["version"]) == (0, "1.0.0")
    assert not store.open_version("g", root=root).splits
    code, made = run(*words)
    assert (code, made["version"], made["proof"]) == (0, "1.0.1", dry["proof"])
    assert made["plan"]["gap_s"] == 0.2, "history and window, where nothing is said"
    assert made["proof"]["min_gap_s"] >= 0.2
    assert sum(made["sizes"].values()) + made["proof"]["n_left_out"] + sum(made["rows_left_out"].values()) == sum(
        len(tree["stimulus/scenes"]["start_time"]) for tree in spike_sessions.sessions().values()
    )
    held = run("show", "g", "--root", root)[1]["splits"]["default"]
    assert held["proof"] == made["proof"]
    assert run(*words)[1]["version"] == "1.0.1", "the same split again is no new version"
    code, refused = run(*words, "--seed", 1)
    assert (code, "another plan" in refused["error"]["message"]) == (2, True)


def test_the_loaders_take_what_was_stored_and_no_spike_is_in_two_parts(root, run):
    run(*SPLIT, "--fractions", "train=0.5,test=0.5", "--blocks", 4, "--history-s", "0.1", "--root", root)
    parts = {part: EventDataset("g", split="default", part=part, root=root, **READ) for part in ("train", "test")}
    reads = {part: dataset.source.frame() for part, dataset in parts.items()}
    for record in parts["train"].records:
        train, test = (reads[part][reads[part]["record"] == record] for part in ("train", "test"))
        apart = np.maximum(
            test["start_s"].to_numpy()[:, None] - train["stop_s"].to_numpy(),
            train["start_s"].to_numpy() - test["stop_s"].to_numpy()[:, None],
        )
        # Gap of history and window, and the history itself, which belongs to the trial after it.
        assert apart.min() >= 0.3 - 1e-9
    both = EventDataset("g", root=root, **READ)
    assert 0 < len(parts["train"]) + len(parts["test"]) < len(both)
    assert len(EventDataset("g", split="train", root=root, **READ)) == len(parts["train"])
    with pytest.raises(UsageError, match="no trial is left"):
        # A window longer than what was split is not read.
        EventDataset("g", split="default/train", root=root, **{**READ, "before_s": 0.25})
    for wrong in ({"split": "default/train", "part": "test"}, {"part": "train"}):
        with pytest.raises(UsageError, match="go together"):
            EventDataset("g", root=root, **READ, **wrong)


def test_every_fold_is_tested_once_by_name(root, run):
    code, made = run(*SPLIT, "--folds", 3, "--name", "cv", "--gap-s", 0, "--root", root)
    assert (code, list(made["sizes"])) == (0, ["fold_0", "fold_1", "fold_2"])
    assert "shorter than history and window" in made["proof"]["warnings"][0]
    tests = [EventDataset("g", split=f"cv-fold_{at}/test", root=root, **READ) for at in range(3)]
    trains = [EventDataset("g", split=f"cv-fold_{at}/train", root=root, **READ) for at in range(3)]
    total = sum(made["sizes"].values())
    assert [len(test) + len(train) for test, train in zip(tests, trains, strict=True)] == [
        sum(len(test) for test in tests)
    ] * 3
    assert sum(len(test) for test in tests) <= total


def test_images_are_kept_on_one_side(root, run):
    code, made = run(*SPLIT, "--fractions", "train=0.7,test=0.3", "--keep", "frame", "--gap-s", 0.1, "--root", root)
    assert (code, sum(made["proof"]["n_values"].values())) == (0, 3)
    frames = {}
    for part in ("train", "test"):
        dataset = EventDataset("g", split="default", part=part, root=root, labels=["frame"], **READ)
        frames[part] = set(dataset.source.labels["frame"].tolist())
    assert not frames["train"] & frames["test"]


@pytest.mark.parametrize(
    "words",
    [
        ("--fractions", "train=0.5,test=0.5", "--folds", "3"),
        (),
        ("--fractions", "train=1", "--stratify", "frame"),
        ("--fractions", "train=1", "--clock", "subject"),
        ("--fractions", "train=0.5,test=0.5", "--until", "frame"),
    ],
)
def test_options_that_do_not_go_together_are_refused(root, run, words):
    code, refused = run(*SPLIT, *words, "--root", root)
    assert code == 2
    assert refused["error"]["message"]


def test_options_of_trials_are_refused_for_other_splits(root, run):
    code, refused = run(
        "split", "g", "--by", "subject", "--fractions", "train=0.5,test=0.5", "--after-s", 1, "--root", root
    )
    assert (code, refused["error"]["found"]) == (2, "--after-s")
