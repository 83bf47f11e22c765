"""The decoding examples: what their pages say of real recordings comes out of the commands; the scenes' recipe runs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from connectome.pipelines.ingest import ingest
from connectome.store import Repository
from support import allen_scenes
from support.doc_pages import PROJECT

HOW_TO = PROJECT / "docs/how-to/decode-from-spikes.md"
OPTIMISM = PROJECT / "docs/explanation/shuffled-folds.md"
NEAR = 0.02
"""Another linear algebra may decide a few trials of hundreds differently."""


@pytest.fixture(scope="module")
def load(monkeypatch_module: pytest.MonkeyPatch) -> Any:
    """Return a function that imports an example."""

    def import_example(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, PROJECT / f"docs/examples/{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return import_example


@pytest.fixture(scope="module")
def monkeypatch_module() -> Any:
    """Put the folder of the examples on the path; they share a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROJECT / "docs/examples")
        yield patch


@pytest.fixture(scope="module")
def root(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the real sessions at hand."""
    root = tmp_path_factory.mktemp("decoding") / "root"
    for dataset, select in (("mouse-visual-decisions", "*-counts"), ("mouse-alm-delayed-response", "anm00239123-*")):
        ingest(Repository(root), dataset, select=select, mirror=data_dir / "neuropixels", allow_missing=True)
    return root


def told(page: Path, *cells: str) -> list[float]:
    """Return the numbers after the first cells of the one row of a page that begins with them."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {' | '.join(cells)} |")]
    rest = line.removeprefix(f"| {' | '.join(cells)} |")
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+", rest)]


def test_the_page_says_what_is_decoded_of_the_stimulus_inside_and_across_sessions(load, root):
    rows = load("decode_steinmetz").run(str(root), n_shuffles=0, targets=["stimulus or none"])
    # Four sessions, all of them twice, three of one mouse from its others, and one mouse from the other both ways.
    assert len(rows) == 4 + 2 + 3 + 2
    for row in rows:
        size = f"{row['n_trials']} / {row['n_sessions']} / {row['n_animals']}"
        page = told(HOW_TO, row["where"], row["target"], size)
        assert page[:3] == pytest.approx([row["balanced"], row["low"], row["high"]], abs=NEAR)
        assert page[-2:] == pytest.approx([row["accuracy"], row["majority"]], abs=NEAR)
    assert {(row["n_sessions"], row["n_animals"]) for row in rows} == {(1, 1), (3, 1), (4, 2)}
    assert sum(row["n_trials"] for row in rows[:4]) == 214 + 251 + 228 + 249


def test_the_page_says_what_is_decoded_of_motor_cortex(load, root, tmp_path, capsys):
    path = tmp_path / "alm.json"
    assert load("decode_alm").main(["--root", str(root), "--shuffles", "2", "--json", str(path)]) == 0
    rows, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert [row["n_trials"] for row in rows] == [342, 342, 279, 279]
    for row in rows:
        assert f"| {row['target']} | {row['n_trials']} / 1 / 1 | {row['balanced']:.3f} (" in printed
        page = told(HOW_TO, row["where"], row["target"], f"{row['n_trials']} / 1 / 1")
        assert page[:3] == pytest.approx([row["balanced"], row["low"], row["high"]], abs=NEAR)


def test_the_page_says_how_much_shuffled_folds_pretend(load, root):
    optimism = load("fold_optimism")
    for row in optimism.run(str(root), n_dummies=20):
        names = ("contiguous", "shuffled", "optimism")
        ours = [number for name in names for number in (row[name], *row[f"{name}_interval"])]
        assert told(OPTIMISM, row["target"], f"{row['chance']:.3f}") == pytest.approx(ours, abs=NEAR)


def test_labels_that_last_are_told_from_shuffled_folds_of_counts_that_drift_and_from_no_others(
    load, monkeypatch_module
):
    optimism = load("fold_optimism")
    random = np.random.default_rng(0)
    # Generated: units whose rates wander, and units that do not.
    wander = np.cumsum(random.normal(size=(300, 20)), axis=0)
    still = random.normal(size=(300, 20))
    fold = np.repeat(np.arange(5), 60)
    found = {}
    for name, x in (("wander", wander), ("still", still)):
        scores = []
        for seed in range(5):
            y = optimism.telegraph(300, 0.95, np.random.default_rng(seed))
            shuffled = optimism.hits(x, y, random.permutation(fold)).mean()
            scores.append((optimism.hits(x, y, fold).mean(), shuffled))
        found[name] = np.mean(scores, axis=0)
    assert found["wander"][1] > 0.62
    assert found["wander"][0] < 0.55
    assert abs(found["still"] - 0.5).max() < 0.1


def test_a_classifier_sees_nothing_of_the_fold_that_it_is_tested_on(load, monkeypatch_module):
    decoding = load("decoding")
    random = np.random.default_rng(1)
    x = random.normal(size=(100, 6))
    y = np.where(x[:, 0] + random.normal(size=100) > 0, "a", "b").astype(object)
    fold = np.repeat(np.arange(5), 20)
    before = decoding.predict(x, y, fold)
    other = y.copy()
    other[fold == 2] = "a"
    assert np.array_equal(decoding.predict(x, other, fold)[fold == 2], before[fold == 2])
    mixed = decoding.shuffled_within(y, fold, random)
    assert not np.array_equal(mixed, y)
    assert all(sorted(mixed[fold == one]) == sorted(y[fold == one]) for one in range(5))
    assert decoding.balanced(np.array(["a", "a", "a", "b"]), np.array([True, True, True, False])) == 0.5


def test_the_recipe_for_scenes_runs_on_a_generated_session_in_the_published_layout(load, tmp_path, capsys):
    path = tmp_path / "mirror/allen_visual_coding/session_900000007/session_900000007.nwb"
    allen_scenes.scenes(path, n_units=24)
    store = tmp_path / "root"
    ingest(Repository(store), "mouse-visual-coding", select="900000007", mirror=tmp_path / "mirror", allow_missing=True)
    scenes = load("decode_scenes")
    found = scenes.run(str(store), "900000007", lag_s=allen_scenes.LAG_S, strength=0.01)
    assert found["protocol"] == {
        "n_presentations": 714, "n_conditions": 119, "has_blank": True, "repeats": [6, 6],
        "median_duration_s": 0.25, "n_blocks": 3, "n_units_stored": 24,
    }  # fmt: skip
    rows = {row["folds"]: row for row in found["rows"]}
    assert [row["n_units"] for row in rows.values()] == [22] * 3
    assert {row["filter"] for row in rows.values()} == {"allen_default@1"}
    # Blocks and repeats lose nothing; of each border between runs inside a block, one presentation goes to the gap.
    assert rows["block held out"]["n_presentations"] == rows["by repeat, windows touch"]["n_presentations"] == 714
    assert rows["contiguous runs"]["n_presentations"] == 714 - rows["contiguous runs"]["n_left_out_by_gap"] == 710
    assert len(rows["block held out"]["each_fold"]) == 3
    assert all(row["low"] > 10 * row["chance"] for row in rows.values())
    assert scenes.table_of(found).count("\n") == 4
