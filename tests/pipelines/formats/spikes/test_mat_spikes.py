"""Binned spikes in MATLAB files: the numbers of the M1 recording, and what cannot be counts refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise

UNFORESEEN = "the reader cannot make sense of the file"
M1 = "neuropixels/stevenson_m1/m1_stevenson_2011.mat"


@pytest.fixture(scope="module")
def m1(data_dir: Path):
    return read(data_dir / M1)


@pytest.mark.data
def test_every_documented_number_of_m1_is_reproduced(m1) -> None:
    schema.validate(m1, subject="m1")
    counts = m1["spike_counts"]["signal"].values
    assert (counts.shape, counts.dtype) == ((171, 15536), np.uint8)
    assert (int(counts.sum(dtype=np.int64)), int(counts.max()), m1.attrs["n_spikes"]) == (2_352_815, 26, 2_352_815)
    assert (counts.sum(axis=1) > 0).all()
    stamps = m1["spike_counts"]["time"].values
    assert (round(stamps[0], 9), round(stamps[-1], 9)) == (12.591, 789.341)
    assert np.abs(np.diff(stamps) - 0.05).max() < 0.00051
    assert round(schema.measure(m1)["/spike_counts"]["duration_s"]) == 777
    assert "warnings" not in m1.attrs


@pytest.mark.data
def test_kinematics_are_series_on_the_clock_of_the_counts(m1, data_dir: Path) -> None:
    source = scipy.io.loadmat(data_dir / M1)
    for name in ("handPos", "handVel"):
        assert np.array_equal(m1[name]["signal"].values, source[name])
        assert m1[name]["signal"].dtype == np.float64
        assert np.isfinite(source[name]).all()
        assert np.array_equal(m1[name]["time"].values, m1["spike_counts"]["time"].values)
    assert np.array_equal(m1["spike_counts"]["signal"].values, source["spikes"])


@pytest.mark.data
def test_the_real_file_is_recognised_and_imported(data_dir: Path, tmp_path: Path, capsys) -> None:
    assert recognise([data_dir / M1]).name == "mat-spikes"
    words = ["import", str(data_dir / M1), "--dataset", "m1", "--root", str(tmp_path / "root"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["m1_stevenson_2011"]


def save(folder: Path, **changed: Any) -> Path:
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "spikes": rng.integers(0, 5, (4, 30)).astype(np.uint8), "time": np.arange(30) * 0.05 + 1.0,
        "handVel": rng.normal(size=(2, 30)), **changed,
    }  # fmt: skip
    path = folder / "generated.mat"
    scipy.io.savemat(path, {name: value for name, value in values.items() if value is not None}, do_compression=True)
    return path


def test_counts_stored_as_floats_become_integers_without_loss(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).integers(0, 400, (4, 30))
    tree = read(save(tmp_path, spikes=counts.astype(float)))
    schema.validate(tree, subject="generated")
    assert tree["spike_counts"]["signal"].dtype == np.uint16
    assert np.array_equal(tree["spike_counts"]["signal"].values, counts)


def test_a_file_with_units_as_columns_is_read_when_told_so(tmp_path: Path) -> None:
    whole = read(save(tmp_path))
    source = scipy.io.loadmat(tmp_path / "generated.mat")
    path = save(tmp_path, spikes=source["spikes"].T, handVel=source["handVel"].T)
    with pytest.raises(FormatError, match="not one time per bin"):
        read(path)
    turned = read(path, units="columns")
    for name in ("spike_counts", "handVel"):
        assert np.array_equal(turned[name]["signal"].values, whole[name]["signal"].values)
    with pytest.raises(UsageError, match="not an axis"):
        read(path, units="pages")


def test_what_has_no_sample_per_bin_is_named(tmp_path: Path) -> None:
    tree = read(save(tmp_path, note="text", short=np.zeros((2, 29))))
    assert [(item["code"], item["place"]) for item in tree.attrs["warnings"]] == [
        ("not-stored", "note"),
        ("not-stored", "short"),
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"spikes": None},
        {"time": None},
        {"spikes": "text"},
        {"spikes": np.full((4, 30), 0.5)},
        {"spikes": np.full((4, 30), -1)},
        {"spikes": np.full((4, 30), np.nan)},
        {"spikes": np.full((4, 30), np.inf)},
        {"spikes": np.full((4, 30), 1 + 1j)},
        {"spikes": np.zeros((4, 0))},
        {"spikes": np.zeros((2, 2, 30))},
        {"spikes": np.array([["a", 1]], dtype=object)},
        {"spikes": {"field": 1}},
        {"time": np.arange(29)},
        {"time": np.arange(30)[::-1]},
        {"time": np.zeros(30)},
        {"time": np.full(30, np.nan)},
        {"time": np.zeros((2, 15))},
        {"time": "text"},
    ],
)
def test_variables_that_do_not_fit_are_refused(changed, tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read(save(tmp_path, **changed), "mat-spikes")
    assert caught.value.message != UNFORESEEN


def test_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    whole = path.read_bytes()
    for size in (0, 1, 100, 127, 129, 140, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError) as caught:
            read(path, "mat-spikes")
        assert caught.value.message != UNFORESEEN
