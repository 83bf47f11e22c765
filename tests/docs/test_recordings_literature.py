"""Published numbers of EEG and iEEG come out of the examples, and the page says what comes out."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from connectome.pipelines.ingest import ingest
from connectome.store import Repository
from support.doc_pages import PROJECT

PAGE = PROJECT / "docs/explanation/recordings-against-the-literature.md"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / f"docs/examples/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def row(first: str) -> list[str]:
    """Return the cells of the one row of the page whose first cell begins with a text."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {first}")]
    assert len(lines) == 1, first
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


@pytest.fixture(scope="module")
def fragility(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = load("fragility").compare(
        data_dir / "eeg/ds003029_pt01_seizure1", tmp_path_factory.mktemp("fragility")
    )
    return found


def test_hands_against_feet_from_the_store_give_the_number_of_the_example_of_mne(data_dir, tmp_path):
    mirror = data_dir / "eeg/physionet_eegmmidb"
    ingest(Repository(tmp_path), "eegmmidb", select="S001R06,S001R10,S001R14", mirror=mirror, allow_missing=True)
    found = load("motor_imagery_csp").run(root=str(tmp_path))
    assert found == {
        "accuracy": pytest.approx(0.9333, abs=5e-5),
        "chance": pytest.approx(0.5333, abs=5e-5),
        "n_trials": 45,
        "n_channels": 64,
        "n_samples": 161,
    }
    assert row("accuracy")[1:] == [f"{found['accuracy']:.4f}"] * 2
    assert row("always")[1:] == [f"{found['chance']:.4f}"] * 2


def test_files_and_seizures_of_chb_mit_are_those_that_physionet_states(data_dir):
    found = load("seizure_counts").run(data_dir / "eeg/physionet_chbmit_meta")
    assert found["all"] == {
        "cases": 24, "files": 676, "files_with_a_seizure": 141, "seizures": 198, "seizure_s": 11611,
    }  # fmt: skip
    for name, cells in (("all", row("all summaries")), ("without chb24", row("without chb24"))):
        counted = found[name]
        assert cells[1:] == [str(counted[key]) for key in ("cases", "files", "files_with_a_seizure", "seizures")]


@pytest.mark.parametrize("dataset", ["ds004100", "ds003029"])
def test_runs_and_hours_of_openneuro_are_those_that_are_published(dataset):
    found = load("seizure_counts").hours(dataset)
    cells = row(f"{dataset},")
    assert cells[1:4] == [str(found["subjects"]), str(found["runs"]), f"{found['hours']:.4f}"]
    assert cells[4] == ", ".join(f"{rate}: {count}" for rate, count in found["rates_hz"].items())
    published = {"ds004100": (57, 319, 25.717899), "ds003029": (35, 106, 8.2088)}[dataset]
    assert (found["subjects"], found["runs"]) == published[:2]
    assert found["hours"] == pytest.approx(published[2], abs=5e-5)
    assert sum(found["rates_hz"].values()) == found["runs"]


def test_the_published_fragility_of_a_seizure_comes_out_of_windows_from_the_store(fragility):
    assert fragility["shape"] == [84, 23]
    assert fragility["largest_difference"] < 1e-6
    assert fragility["largest_difference_r2"] < 1e-6
    assert fragility["largest_difference_strength"] < 1e-12
    assert fragility["ranks_that_differ"] == 0
    assert fragility["n_raised_strengths"] == 3
    assert row("rank correlation")[1] == f"{fragility['rank_correlation']:.4f}"
    assert row("mean fragility, the 10")[1] == f"{fragility['mean_onset_zone']:.4f}"
    assert row("mean fragility, the other")[1] == f"{fragility['mean_elsewhere']:.4f}"
    assert row("a contact of the zone")[1] == f"{fragility['auc_onset_zone']:.4f}"
    assert fragility["n_onset_zone"] == int(re.findall(r"the (\d+) contacts", row("mean fragility, the 10")[0])[0])


def test_the_least_change_of_a_contact_moves_an_eigenvalue_onto_the_unit_circle():
    example = load("fragility")
    random = np.random.default_rng(0)
    matrix = random.normal(size=(6, 6))
    matrix *= 0.9 / np.abs(np.linalg.eigvals(matrix)).max()
    least = example.perturbation(matrix)
    imaginary = np.linspace(0, 1, example.N_FREQUENCIES + 1)[1:]
    for contact in range(6):
        best = np.inf
        for target in np.sqrt(1 - imaginary**2) + 1j * imaginary:
            inverse = np.linalg.inv(matrix - target * np.eye(6))[contact]
            rows = np.stack([inverse.imag, inverse.real])
            change = np.linalg.pinv(rows) @ np.array([0.0, -1.0])
            moved = matrix.copy()
            moved[:, contact] += change
            assert np.abs(np.linalg.eigvals(moved) - target).min() < 1e-8
            best = min(best, float(np.linalg.norm(change)))
        assert least[contact] == pytest.approx(best)


def test_a_weak_ridge_gives_back_a_stable_system_and_an_unstable_one_is_tamed():
    example = load("fragility")
    random = np.random.default_rng(1)
    matrix = np.array([[0.9, 0.2], [-0.1, 0.8]])
    now = random.normal(size=(2, 4000))
    found, strength = example.weakest_stable(now, matrix @ now)
    assert strength == example.LOWEST
    np.testing.assert_allclose(found, matrix, atol=1e-3)
    tamed, strength = example.weakest_stable(now, 1.2 * np.eye(2) @ now)
    assert strength > example.LOWEST
    assert example.is_stable(tamed)
