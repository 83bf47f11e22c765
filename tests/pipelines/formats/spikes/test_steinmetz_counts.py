"""The excerpt of Steinmetz et al. 2019: the counts of its README, one record from both forms, damage refused."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.spikes import steinmetz_counts as module
from support.rds_files import rds

UNFORESEEN = "the reader cannot make sense of the file"
FOLDER = "neuropixels/steinmetz2019_visual"
DOCUMENTED = {
    "session1": ("Cori", "2016-12-14", 214, 178, 63049, 5, 1, (61, 95, 58)),
    "session2": ("Cori", "2016-12-17", 251, 533, 178062, 9, 4, (79, 85, 87)),
    "session3": ("Cori", "2016-12-18", 228, 228, 74703, 5, 9, (46, 84, 98)),
    "session4": ("Forssmann", "2017-11-01", 249, 120, 25282, 5, 2, (84, 80, 85)),
}
"""Mouse, day, trials, units, spikes, largest count, silent units, trials by side, as the data's README lists them."""


@pytest.fixture(scope="module")
def trees(data_dir: Path) -> dict[str, Any]:
    return {
        f"{name}.{suffix}": read(data_dir / FOLDER / f"{name}.{suffix}")
        for name in DOCUMENTED
        for suffix in ("rds", "npz")
    }


@pytest.mark.data
@pytest.mark.parametrize("suffix", ["rds", "npz"])
@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_documented_number_is_reproduced(name: str, suffix: str, trees) -> None:
    tree = trees[f"{name}.{suffix}"]
    schema.validate(tree, subject=name)
    mouse, day, n_trials, n_units, n_spikes, largest, n_silent, sides = DOCUMENTED[name]
    counts = tree["spike_counts"]["signal"].values
    assert (tree.attrs["subject"], tree.attrs["session_date"]) == (mouse, day)
    assert (counts.shape, counts.dtype) == ((n_units, n_trials * 39), np.uint8)
    assert (int(counts.sum(dtype=np.int64)), int(counts.max())) == (n_spikes, largest)
    assert tree.attrs["n_spikes"] == n_spikes
    assert int((counts.sum(axis=1) == 0).sum()) == n_silent
    left, right = (tree["trials"][f"contrast_{side}"].values for side in ("left", "right"))
    assert (int((left > right).sum()), int((left < right).sum()), int((left == right).sum())) == sides
    assert set(tree["trials"]["feedback_type"].values.tolist()) == {-1, 1}
    facts = schema.measure(tree)
    assert (facts["/spike_counts"]["n_segments"], facts["/trials"]["n_rows"]) == (n_trials, n_trials)


@pytest.mark.data
def test_the_four_sessions_add_up(trees) -> None:
    whole = [tree for name, tree in trees.items() if name.endswith("rds")]
    assert sum(tree.attrs["n_spikes"] for tree in whole) == 341_096
    assert sum(tree["trials"].sizes["row"] for tree in whole) == 942
    assert [tree["spike_counts"].sizes["channel"] for tree in whole] == [178, 533, 228, 120]


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_both_forms_are_one_record(name: str, trees) -> None:
    one, other = trees[f"{name}.rds"], trees[f"{name}.npz"]
    assert np.array_equal(one["spike_counts"]["signal"].values, other["spike_counts"]["signal"].values)
    assert one["spike_counts"]["time"].values.tobytes() == other["spike_counts"]["time"].values.tobytes()
    for column in one["trials"].data_vars:
        assert np.array_equal(one["trials"][column].values, other["trials"][column].values), column


@pytest.mark.data
def test_a_trial_is_the_segment_that_its_row_names(trees, data_dir: Path) -> None:
    tree = trees["session4.rds"]
    with np.load(data_dir / FOLDER / "session4.npz", allow_pickle=False) as arrays:
        counts, stamps = arrays["counts"], arrays["bin_time"]
    for trial in (0, 100, 248):
        first, n_bins = (int(tree["trials"][name].values[trial]) for name in ("first_bin", "n_bins"))
        assert int(tree["spike_counts"]["segment_start"].values[trial]) == first
        assert np.array_equal(tree["spike_counts"]["signal"].values[:, first : first + n_bins], counts[trial])
        assert np.array_equal(tree["spike_counts"]["time"].values[first : first + n_bins], stamps[trial])
        assert tree["trials"]["start_time"].values[trial] == stamps[trial, 0]


@pytest.mark.data
@pytest.mark.parametrize("suffix", ["rds", "npz"])
def test_real_files_are_recognised_and_imported(suffix: str, data_dir: Path, tmp_path: Path, capsys) -> None:
    path = data_dir / FOLDER / f"session4.{suffix}"
    assert recognise([path]).name == "steinmetz-counts"
    assert main(["import", str(path), "--dataset", "mine", "--root", str(tmp_path / "root"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["session4"]


def session(n_trials: int = 3, n_units: int = 2, n_bins: int = 4) -> dict[str, Any]:
    """Generate the values of a session as the RDS file lists them."""
    rng = np.random.default_rng(0)
    onsets = 10.0 + np.arange(n_trials)
    return {
        "contrast_left": rng.choice([0, 0.5], n_trials)[:, None],
        "contrast_right": rng.choice([0, 1.0], n_trials)[:, None],
        "feedback_type": rng.choice([-1.0, 1.0], n_trials)[:, None], "mouse_name": "Mouse", "date_exp": "2000-01-01",
        "spks": [rng.integers(0, 3, (n_units, n_bins)).astype(float) for _ in range(n_trials)],
        "time": [onset + np.arange(n_bins) / 100 for onset in onsets],
    }  # fmt: skip


def damaged(what: str) -> dict[str, Any]:
    values = session()
    spks, time = values["spks"], values["time"]
    match what:
        case "no counts":
            del values["spks"]
        case "fewer trials of counts":
            values["spks"] = spks[:-1]
        case "fewer times":
            values["time"] = time[:-1]
        case "other units":
            spks[1] = spks[1][:1]
        case "other bins":
            time[1] = time[1][:3]
        case "fractions":
            spks[1][0, 0] = 0.5
        case "negative":
            spks[1][0, 0] = -1
        case "NaN":
            spks[1][0, 0] = np.nan
        case "infinite":
            spks[1][0, 0] = np.inf
        case "NA":
            spks[1] = np.full((2, 4), -(2**31), dtype=np.int32)
            spks[0], spks[2] = spks[0].astype(np.int32), spks[2].astype(np.int32)
        case "time goes back":
            time[1] = time[1][::-1]
        case "trials overlap":
            time[1] = time[0]
        case "time is NaN":
            time[1][2] = np.nan
        case "texts for numbers":
            values["contrast_left"] = ["a", "b", "c"]
        case "numbers for a text":
            values["mouse_name"] = np.arange(1.0)
        case "two mice":
            values["mouse_name"] = ["a", "b"]
        case "no trial":
            values["spks"], values["time"] = [], []
        case "no unit":
            values["spks"] = [np.zeros((0, 4))] * 3
        case "a matrix for a list":
            values["spks"] = np.zeros((3, 4))
        case "short contrasts":
            values["contrast_right"] = np.zeros(2)
    return values


DAMAGES = (
    "no counts", "fewer trials of counts", "fewer times", "other units", "other bins", "fractions", "negative", "NaN",
    "infinite", "NA", "time goes back", "trials overlap", "time is NaN", "texts for numbers", "numbers for a text",
    "two mice", "no trial", "no unit", "a matrix for a list", "short contrasts",
)  # fmt: skip


def test_the_generated_session_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.rds"
    path.write_bytes(gzip.compress(rds(session())))
    tree = read(path)
    schema.validate(tree, subject="generated")
    assert np.array_equal(tree["spike_counts"]["signal"].values, np.concatenate(session()["spks"], axis=1))


@pytest.mark.parametrize("what", DAMAGES)
def test_values_that_do_not_fit_are_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "s.rds"
    path.write_bytes(rds(damaged(what)))
    with pytest.raises(FormatError) as caught:
        read(path, "steinmetz-counts")
    assert caught.value.message != UNFORESEEN


@pytest.mark.data
@pytest.mark.parametrize("suffix", ["rds", "npz"])
def test_real_files_cut_anywhere_are_refused(suffix: str, data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / FOLDER / f"session4.{suffix}").read_bytes()
    path = tmp_path / f"s.{suffix}"
    for size in (0, 1, 2, 10, 17, 100, len(whole) // 3, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError) as caught:
            read(path, "steinmetz-counts")
        assert caught.value.message != UNFORESEEN


def archive(path: Path, **changed: Any) -> Path:
    values = session()
    arrays: dict[str, Any] = {
        **{name: values[name].reshape(-1) for name in module.PER_TRIAL},
        "mouse_name": "Mouse", "date_exp": "2000-01-01",
        "counts": np.stack(values["spks"]).astype(np.uint8), "bin_time": np.stack(values["time"]), **changed,
    }  # fmt: skip
    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None}, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"counts": None}, FormatError),
        ({"counts": np.zeros((3, 8), dtype=np.uint8)}, FormatError),
        ({"counts": np.array([[[1]]], dtype=object)}, UnsafeError),
        ({"counts": np.full((3, 2, 4), np.nan)}, FormatError),
        ({"counts": np.full((3, 2, 4), -1)}, FormatError),
        ({"counts": np.full((3, 2, 4), "a")}, FormatError),
        ({"bin_time": np.zeros((3, 4))}, FormatError),
        ({"bin_time": np.zeros((2, 4))}, FormatError),
        ({"contrast_left": np.zeros(4)}, FormatError),
        ({"mouse_name": np.array(["a", "b"])}, FormatError),
        ({"mouse_name": 7}, FormatError),
        ({"date_exp": np.frombuffer(b"\xff\xff\xff\xff", dtype="<U1").reshape(())}, FormatError),
    ],
)
def test_archives_whose_arrays_do_not_fit_are_refused(changed, error, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        read(archive(tmp_path / "s.npz", **changed), "steinmetz-counts")
    assert caught.value.message != UNFORESEEN


def test_an_archive_that_is_a_bomb_is_refused(tmp_path: Path, monkeypatch) -> None:
    path = archive(tmp_path / "s.npz", counts=np.zeros((3, 200, 40), dtype=np.uint8))
    monkeypatch.setattr(module, "MOST_BYTES", 20_000)
    with pytest.raises(UnsafeError, match="unpacks to too much"):
        read(path, "steinmetz-counts")


def test_an_archive_whose_header_lies_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.npz")
    path = tmp_path / "s.npz"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename == "counts.npy":
                content = content.replace(b"(3, 2, 4)", b"(3, 2, 9)")
            target.writestr(info.filename, content)
    with pytest.raises(TruncatedError):
        read(path, "steinmetz-counts")
