"""Yemini 2021 on generated files of the published layout: sides from a mask, empty cells, one clock from fps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats import recognise
from connectome.pipelines.formats.worms.yemini_mat import read, worm_files
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate
from support import worm_mat_layouts as layouts
from support.worm_mat_layouts import raw_files


def changed(path: Path, **changes: object) -> Path:
    layouts.yemini(path)
    variables = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    kept = {name: value for name, value in (variables | changes).items() if value is not None}
    scipy.io.savemat(path, kept)
    return path


def test_layout_traces_are_kept_whole_with_their_zeros_and_their_gaps(tmp_path: Path) -> None:
    written = layouts.yemini(tmp_path / "y.mat")
    for worm, made in enumerate(written.worms, start=1):
        tree = read([written.path], worm=worm)
        channels = list(tree["activity"]["channel"].values)
        assert channels == list(made["traces"])
        for at, trace in enumerate(made["traces"].values()):
            np.testing.assert_array_equal(tree["activity"]["signal"].values[at], trace)
            np.testing.assert_array_equal(tree["activity_raw"]["signal"].values[at], 100 * trace)
        assert not tree["activity"]["valid"].values[:, 5].any()
        assert tree["activity"]["signal"].values[:, :3].tolist() == [[0.0] * 3] * len(channels)
        assert (tree["activity"].attrs["rate_hz_numerator"], tree["activity"].attrs["start_s"]) == (4, 0.0)


def test_layout_a_side_is_given_only_where_the_mask_gives_it(tmp_path: Path) -> None:
    written = layouts.yemini(tmp_path / "y.mat")
    neuron = read([written.path], worm=1)["neuron"]
    rows = {
        str(roi): (str(raw), str(name), str(candidates), status)
        for roi, raw, name, candidates, status in zip(
            neuron["roi"].values,
            neuron["raw_label"].values,
            neuron["neuron"].values,
            neuron["candidates"].values,
            decode(neuron["status"]),
            strict=True,
        )
    }
    assert rows == {
        "1:1": ("AVA", "AVAL", "AVAL", "normalised"),
        "1:4": ("AVA", "AVAR", "AVAR", "normalised"),
        "2:1": ("AVG", "AVG", "AVG", "exact"),
        "3:1": ("AWC", "", "AWCL AWCR", "ambiguous"),
        "3:4": ("AWC", "", "AWCL AWCR", "ambiguous"),
        "4:1": ("RMD", "RMDL", "RMDL", "normalised"),
        "4:4": ("RMD", "RMDR", "RMDR", "normalised"),
        "5:1": ("I5", "I5", "I5", "exact"),
    }
    assert list(decode(neuron["source_side"])) == ["L", "R", "", "", "", "L", "R", ""]


def test_layout_a_neuron_that_was_not_found_is_no_roi(tmp_path: Path) -> None:
    written = layouts.yemini(tmp_path / "y.mat")
    second = read([written.path], worm=2)
    assert "AVAR" not in second["neuron"]["neuron"].values
    assert second["activity"].sizes["channel"] == 7
    assert not (second["activity"]["signal"].values == 0).all(axis=1).any()


def test_layout_each_worm_has_its_own_order_of_stimuli(tmp_path: Path) -> None:
    written = layouts.yemini(tmp_path / "y.mat")
    given = [read([written.path], worm=worm)["stimulus"]["stimulus"].values.tolist() for worm in (1, 2, 3)]
    assert given == [["butanone", "pentanedione"], ["pentanedione", "NaCl"], ["NaCl", "butanone"]]
    stimulus = read([written.path])["stimulus"]
    assert stimulus["start"].values.tolist() == [2.0, 5.0]
    assert stimulus["end"].values.tolist() == [4.0, 7.0]


def test_layout_a_file_without_raw_traces_or_stimuli_is_read_and_says_so(tmp_path: Path) -> None:
    tree = read([changed(tmp_path / "y.mat", traces=None, stims=None)])
    assert "activity_raw" not in tree
    assert [item["code"] for item in tree.attrs["warnings"]] == ["no-stimulus"]
    assert tree["field/stim_times"].sizes["row"] == 4
    validate(tree, subject="generated")


def test_layout_a_side_for_a_neuron_that_has_none_is_a_contradiction_and_names_no_cell(tmp_path: Path) -> None:
    mask = scipy.io.loadmat(layouts.yemini(tmp_path / "y.mat").path)["is_L"]
    mask[1, 0] = np.ones((1, 3))
    tree = read([changed(tmp_path / "y.mat", is_L=mask)])
    at = list(tree["neuron"]["roi"].values).index("2:1")
    assert decode(tree["neuron"]["status"])[at] == "ambiguous"
    assert tree["neuron"]["candidates"].values[at] == "AVG"
    assert [item["code"] for item in tree.attrs["warnings"]] == ["contradiction"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": np.array([[0.0]])}, "frame rate"),
        ({"fps": np.array([[np.nan]])}, "frame rate"),
        ({"stim_times": np.zeros((3, 2))}, "do not fit their times"),
        ({"stim_times": "noon"}, "do not fit their times"),
        ({"stims": np.full((3, 2), 9)}, "do not fit their times"),
        ({"stims": "none"}, "do not fit their times"),
        ({"neurons": np.array([["AVA"], ["AVG"]], dtype=object)}, "not one cell per neuron class"),
    ],
)
def test_layout_variables_that_contradict_each_other_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    path = changed(tmp_path / "y.mat", **changes)
    with pytest.raises(FormatError, match=message):
        read([path])


@pytest.mark.parametrize(
    ("mask", "message"),
    [(np.full((1, 6), 0.5), "neither left nor right"), (np.ones((1, 5)), "does not fit the traces")],
)
def test_layout_a_mask_that_does_not_fit_is_refused(tmp_path: Path, mask: np.ndarray, message: str) -> None:
    masks = scipy.io.loadmat(layouts.yemini(tmp_path / "y.mat").path)["is_L"]
    masks[0, 0] = mask
    path = changed(tmp_path / "y.mat", is_L=masks)
    with pytest.raises(FormatError, match=message):
        read([path])


@pytest.mark.parametrize("name", ["files", "fps", "is_L", "neurons", "norm_traces"])
def test_layout_a_file_that_lacks_a_variable_is_rejected_with_its_name(tmp_path: Path, name: str) -> None:
    changed(tmp_path / "yemini2021/Head_Activity_OH15500.mat", **{name: None})
    found = load_source("yemini2021").discover(raw_files(tmp_path))
    assert found.jobs == ()
    (rejected,) = found.rejected
    assert f"no {name}" in rejected.reason
    assert str(tmp_path) not in rejected.reason


def test_layout_strain_and_part_of_the_body_follow_the_file_and_the_worm_is_named(tmp_path: Path) -> None:
    source = load_source("yemini2021")
    layouts.yemini(tmp_path / "yemini2021/Tail_Activity_OH16230.mat")
    jobs = source.discover(raw_files(tmp_path)).jobs
    attrs = source.read(jobs[1]).attrs
    assert (attrs["strain"], attrs["body_part"], attrs["source_uid"]) == ("OH16230", "tail", "generated_2_head")
    assert "worm-count" in {item["code"] for item in attrs["warnings"]}


def test_published_numbers_of_worms_are_those_of_the_compilation() -> None:
    assert sum(len(file.records) for file in load_source("yemini2021").files()) == 49


def test_the_format_is_recognised_and_an_impossible_worm_is_refused(tmp_path: Path) -> None:
    path = layouts.yemini(tmp_path / "y.mat").path
    assert recognise([path]).name == "yemini-mat"
    assert worm_files(path) == [f"generated_{at}_head" for at in (1, 2, 3)]
    for worm in (0, 4):
        with pytest.raises(UsageError, match="no such worm"):
            read([path], worm=worm)
