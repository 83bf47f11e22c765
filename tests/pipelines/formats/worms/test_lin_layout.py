"""Lin 2023 on generated files of the published layout: one file per worm, NaN first, stamps inside a struct."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from connectome.errors import FormatError
from connectome.pipelines.formats import recognise
from connectome.pipelines.formats.worms.lin_mat import read
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate
from support import worm_mat_layouts as layouts
from support.worm_mat_layouts import raw_files


def changed(path: Path, **changes: object) -> Path:
    layouts.lin(path)
    variables = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    kept = {name: value for name, value in (variables | changes).items() if value is not None}
    scipy.io.savemat(path, kept)
    return path


def test_layout_missing_samples_stay_missing_and_are_marked(tmp_path: Path) -> None:
    written = layouts.lin(tmp_path / "worm.mat")
    made = written.worms[0]
    activity = read([written.path])["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["traces"])
    np.testing.assert_array_equal(activity["valid"].values, ~np.isnan(made["traces"]))
    assert not activity["valid"].values[:, 0].any()
    np.testing.assert_array_equal(activity["F_0"].values, made["baseline"][:, 0])
    np.testing.assert_array_equal(activity["time"].values, made["stamps"])


def test_layout_rois_that_the_authors_do_not_use_are_kept_and_claim_no_neuron(tmp_path: Path) -> None:
    tree = read([layouts.lin(tmp_path / "worm.mat").path])
    neuron = tree["neuron"]
    assert neuron["raw_label"].values.tolist() == list(layouts.LIN_LABELS)
    assert neuron["neuron"].values.tolist() == ["AWAL", "AWAR", "ASEL", "", "", ""]
    assert list(decode(neuron["status"])) == ["exact", "exact", "exact", "ambiguous", "unlabelled", "ambiguous"]
    assert neuron["candidates"].values.tolist() == ["AWAL", "AWAR", "ASEL", "ASHL ASHR", "", "AWAL"]
    assert neuron["use_flag"].values.tolist() == [1, 1, 1, 1, 0, 0]
    assert neuron["rule"].values[-1] == "not-used"


def test_layout_everything_else_in_the_file_is_kept(tmp_path: Path) -> None:
    tree = read([layouts.lin(tmp_path / "worm.mat").path])
    assert tree["field/odor_seq"]["value"].values.tolist() == ["1-octanol", "geraniol"]
    assert tree["field/times_odor_inds"]["value"].values.tolist() == [3.0, 9.0]
    assert tree["field/F_0"].attrs["shape"] == [len(layouts.LIN_LABELS), 2]


def test_layout_stamps_may_also_be_the_variable_itself(tmp_path: Path) -> None:
    stamps = np.arange(float(layouts.N_SAMPLES))[:, np.newaxis] / 2
    tree = read([changed(tmp_path / "worm.mat", times=stamps)])
    np.testing.assert_array_equal(tree["activity"]["time"].values, stamps.ravel())
    validate(tree, subject="generated")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": np.arange(3.0)}, "not one time stamp per sample"),
        ({"times": "noon"}, "stamps are not numbers"),
        ({"times": -np.arange(float(layouts.N_SAMPLES))}, "go back"),
        ({"use_flag": np.ones((2, 1))}, "not one value per trace"),
        ({"F_0": np.ones((2, 1))}, "not one baseline per trace"),
        ({"corrected_F": "none"}, "not a matrix"),
        ({"proofread_neurons": np.array([["AWAL"]], dtype=object)}, "not one label per trace"),
    ],
)
def test_layout_variables_that_contradict_each_other_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    path = changed(tmp_path / "worm.mat", **changes)
    with pytest.raises(FormatError, match=message):
        read([path])


def test_layout_files_of_another_layout_beside_the_worms_are_rejected_with_what_they_lack(tmp_path: Path) -> None:
    layouts.lin(tmp_path / "lin2023/worm.mat")
    scipy.io.savemat(tmp_path / "lin2023/compiled.mat", {"odor_list": "none", "times": np.ones(3)})
    found = load_source("lin2023").discover(raw_files(tmp_path))
    assert [job.record for job in found.jobs] == ["lin2023-worm"]
    (rejected,) = found.rejected
    assert (rejected.file, rejected.kind) == ("lin2023/compiled.mat", "format")
    assert "no F_0, corrected_F, proofread_neurons, use_flag" in rejected.reason


def test_layout_two_files_whose_names_make_one_id_are_not_mixed_up(tmp_path: Path) -> None:
    layouts.lin(tmp_path / "lin2023/a b.mat", seed=1)
    layouts.lin(tmp_path / "lin2023/a+b.mat", seed=2)
    found = load_source("lin2023").discover(raw_files(tmp_path))
    assert [job.inputs[0].path for job in found.jobs] == ["lin2023/a b.mat"]
    assert [item.file for item in found.rejected] == ["lin2023/a+b.mat"]
    assert "rename" in found.rejected[0].reason


def test_the_format_is_recognised(tmp_path: Path) -> None:
    assert recognise([layouts.lin(tmp_path / "w.mat").path]).name == "lin-mat"
