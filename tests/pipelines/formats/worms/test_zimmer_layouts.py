"""Kato 2015, Nichols 2017, Skora 2018, Kaplan 2020 and Uzel 2022 on generated files of the published layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats import recognise
from connectome.pipelines.formats.files.matlab import read_mat, read_struct, struct_fields
from connectome.pipelines.formats.worms.zimmer_mat import read, survey
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate
from support import worm_mat_layouts as layouts
from support.matlab_files import StructArray, write_mat73
from support.worm_mat_layouts import raw_files

N_SAMPLES, N_ROIS = layouts.N_SAMPLES, layouts.N_ROIS


def statuses(tree: Any) -> list[str]:
    return list(decode(tree["neuron"]["status"]))


def variant(path: Path, **changes: Any) -> Path:
    """Write a stim file of two worms, the second with other fields; None takes a field away from both."""
    elements = layouts.kato_stim(path).worms
    dropped = {name for name, value in changes.items() if value is None}
    elements[1] |= {name: value for name, value in changes.items() if value is not None}
    return write_mat73(
        path, {"WT_Stim": StructArray([{k: v for k, v in one.items() if k not in dropped} for one in elements])}
    )


def test_layout_raw_and_corrected_traces_of_the_kato_layout_are_kept_as_they_are(tmp_path: Path) -> None:
    written = layouts.kato_stim(tmp_path / "WT_Stim.mat")
    for worm, made in enumerate(written.worms, start=1):
        tree = read([written.path], worm=worm)
        np.testing.assert_array_equal(tree["activity"]["signal"].values.T, made["traces"])
        np.testing.assert_array_equal(tree["activity_raw"]["signal"].values.T, made["traces_raw"])
        np.testing.assert_array_equal(tree["activity_derivative"]["signal"].values.T, made["tracesDif"])
        np.testing.assert_array_equal(tree["activity"]["time"].values, made["timeVectorSeconds"].ravel())
        assert tree.attrs["source_uid"] == made["dataset"]
        assert tree.attrs["fps"] == 2.9
        assert "warnings" not in tree.attrs


def test_layout_single_precision_of_the_nostim_layout_stays_single(tmp_path: Path) -> None:
    written = layouts.kato_nostim(tmp_path / "WT_NoStim.mat")
    tree = read([written.path], worm=2)
    for group in ("activity", "activity_raw", "activity_derivative"):
        assert tree[group]["signal"].dtype == np.float32
    np.testing.assert_array_equal(tree["activity"]["signal"].values.T, written.worms[1]["deltaFOverF_bc"])
    np.testing.assert_array_equal(tree["activity_raw"]["signal"].values.T, written.worms[1]["deltaFOverF"])
    assert tree["activity"]["time"].dtype == np.float64


def test_layout_every_form_of_an_identity_gets_its_status_and_loses_no_candidate(tmp_path: Path) -> None:
    neuron = read([layouts.kato_stim(tmp_path / "WT_Stim.mat").path])["neuron"]
    rows = {
        str(raw): (str(name), str(candidates), status, str(rule))
        for raw, name, candidates, status, rule in zip(
            neuron["raw_label"].values,
            neuron["neuron"].values,
            neuron["candidates"].values,
            decode(neuron["status"]),
            neuron["rule"].values,
            strict=True,
        )
        if raw
    }
    assert rows == {
        "AVAL": ("AVAL", "AVAL", "exact", ""),
        "VB02": ("VB2", "VB2", "normalised", "zero-padding"),
        "RIML|RIMR": ("", "RIML RIMR", "ambiguous", "candidates"),
        "AVBL": ("AVBL", "AVBL", "exact", ""),
        "AIB": ("", "AIBL AIBR", "ambiguous", "class"),
        "---": ("", "", "unlabelled", ""),
        "XYZ7": ("", "", "unknown", ""),
    }
    assert neuron.sizes["row"] == N_ROIS
    assert neuron["n_labels"].values.tolist() == [1, 1, 2, 0, 0, 1, 1, 1, 1]


def test_layout_a_number_in_the_place_of_a_name_is_an_unlabelled_roi(tmp_path: Path) -> None:
    tree = read([layouts.kato_nostim(tmp_path / "WT_NoStim.mat").path])
    neuron = tree["neuron"]
    numbered = neuron["rule"].values == "number"
    assert neuron["raw_label"].values[numbered].tolist() == ["2", "4", "7", "8"]
    assert set(np.array(statuses(tree))[numbered]) == {"unlabelled"}
    assert statuses(tree).count("exact") == 4


def test_layout_two_rois_of_one_name_are_both_duplicates(tmp_path: Path) -> None:
    labels = ["AVAL", ["AVAL", layouts.EMPTY], *layouts.LABELS[2:]]
    tree = read([variant(tmp_path / "WT_Stim.mat", IDs=labels)], worm=2)
    assert statuses(tree)[:2] == ["duplicate", "duplicate"]


def test_layout_the_stimulus_is_a_table_of_switches_with_the_concentration_on_both_sides(tmp_path: Path) -> None:
    stimulus = read([layouts.kato_stim(tmp_path / "WT_Stim.mat").path])["stimulus"]
    assert stimulus["time"].values.tolist() == [4.0, 8.0, 12.0]
    assert stimulus["level_before"].values.tolist() == [4.0, 21.0, 4.0]
    assert stimulus["level_after"].values.tolist() == [21.0, 4.0, 21.0]
    assert stimulus["level_after"].attrs["units"] == "%"
    wanted = {"identity": "o2", "type": "binarysteps", "initial_state": 1, "levels": [4.0, 21.0]}
    assert {name: stimulus.attrs[name] for name in wanted} == wanted


def test_layout_fields_of_the_stimulus_that_are_not_as_expected_are_kept_beside_it(tmp_path: Path) -> None:
    stimulus = {
        "switchtimes": np.array([[5.0]]),
        "identity": np.array([[7.0]]),
        "initialstate": np.array([[np.nan]]),
        "note": "by hand",
        "conc": layouts.EMPTY,
    }
    tree = read([variant(tmp_path / "WT_Stim.mat", stimulus=stimulus)], worm=2)
    assert np.isnan(tree["stimulus"]["level_after"].values).all()
    fields = tree.attrs["source_fields"]
    assert (fields["stimulus.identity"], fields["stimulus.note"], fields["stimulus.conc"]) == (7.0, "by hand", [])


def test_layout_states_are_kept_as_codes_or_as_indicators(tmp_path: Path) -> None:
    stim = layouts.kato_stim(tmp_path / "WT_Stim.mat")
    nostim = layouts.kato_nostim(tmp_path / "WT_NoStim.mat")
    codes = read([stim.path])["state"]
    np.testing.assert_array_equal(codes["signal"].values[0], stim.worms[0]["States"].ravel())
    indicators = read([nostim.path])["state"]
    assert sorted(indicators["channel"].values) == sorted(layouts.STATES_8)
    for at, name in enumerate(indicators["channel"].values):
        np.testing.assert_array_equal(indicators["signal"].values[at], nostim.worms[0]["States"][name].ravel())
    assert (indicators["signal"].values.sum(axis=0) == 1).all()


def test_layout_states_of_another_length_are_kept_and_warned_of(tmp_path: Path) -> None:
    tree = read([variant(tmp_path / "WT_Stim.mat", States=np.ones((N_SAMPLES - 3, 1)))], worm=2)
    assert "state" not in tree
    assert tree["field/States"].sizes["row"] == N_SAMPLES - 3
    assert [item["code"] for item in tree.attrs["warnings"]] == ["length-mismatch"]
    validate(tree, subject="generated")


def test_layout_options_and_derivatives_of_the_uzel_layout_are_kept(tmp_path: Path) -> None:
    written = layouts.zimmer_ids(tmp_path / "Uzel_WT.mat", "Uzel_WT", stamps="tv")
    tree = read([written.path], worm=1)
    np.testing.assert_array_equal(tree["activity_derivative"]["signal"].values.T, written.worms[0]["derivatives"])
    fields = tree.attrs["source_fields"]
    assert (fields["options.derivAlpha"], fields["options.derivIter"], fields["options.label"]) == (1e-4, 10.0, "tvd")


def test_layout_worms_may_be_cells_of_one_struct(tmp_path: Path) -> None:
    written = layouts.kaplan(tmp_path / "k.mat", "RIShisCl_Neuron2019", worms=3)
    assert survey(written.path).cells
    for worm, made in enumerate(written.worms, start=1):
        tree = read([written.path], worm=worm)
        np.testing.assert_array_equal(tree["activity"]["signal"].values.T, made["traces_bleach_corrected"])
        np.testing.assert_array_equal(tree["activity"]["time"].values, made["time_vector"].ravel())


def test_layout_a_file_with_a_single_worm_is_read_like_the_others(tmp_path: Path) -> None:
    written = layouts.zimmer_ids(tmp_path / "Uzel_WT.mat", "Uzel_WT", worms=1, stamps="tv")
    assert survey(written.path).n_worms == 1
    np.testing.assert_array_equal(read([written.path])["activity"]["signal"].values.T, written.worms[0]["traces"])


def test_layout_one_element_of_a_struct_array_is_the_same_as_in_the_whole(tmp_path: Path) -> None:
    path = layouts.kato_stim(tmp_path / "WT_Stim.mat", worms=3).path
    whole = read_mat(path)["WT_Stim"]
    assert struct_fields(path, "WT_Stim")[0] == 3
    for at in range(3):
        one = read_struct(path, "WT_Stim", at)
        assert one.keys() == whole[at].keys()
        np.testing.assert_array_equal(one["traces"], whole[at]["traces"])
        assert one["dataset"] == whole[at]["dataset"]
    with pytest.raises(FormatError, match="no such element"):
        read_struct(path, "WT_Stim", 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timeVectorSeconds": np.arange(N_SAMPLES - 1.0)[:, np.newaxis]}, "not one time stamp per sample"),
        ({"timeVectorSeconds": np.arange(float(N_SAMPLES), 0, -1)[:, np.newaxis]}, "go back"),
        ({"timeVectorSeconds": np.full((N_SAMPLES, 1), np.nan)}, "is not a number"),
        ({"IDs": list(layouts.LABELS[:-1])}, "not one identity per trace"),
        ({"IDs": [*layouts.LABELS[:-1], np.ones((2, 2))]}, "neither text nor a list"),
        ({"traces": "none"}, "does not hold numbers"),
    ],
)
def test_layout_a_worm_that_contradicts_itself_is_refused_and_the_other_one_is_read(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = variant(tmp_path / "WT_Stim.mat", **changes)
    read([path], worm=1)
    with pytest.raises(FormatError, match=message) as caught:
        read([path], worm=2)
    assert str(caught.value.place).startswith("WT_Stim(2).")


def test_layout_repeated_stamps_gaps_and_a_wrong_rate_are_kept_and_warned_of(tmp_path: Path) -> None:
    stamps = np.arange(float(N_SAMPLES))
    stamps[10] = stamps[9]
    stamps[20:] += 5
    tree = read([variant(tmp_path / "WT_Stim.mat", timeVectorSeconds=stamps[:, np.newaxis])], worm=2)
    np.testing.assert_array_equal(tree["activity"]["time"].values, stamps)
    assert [item["code"] for item in tree.attrs["warnings"]] == ["repeated-stamps", "gaps", "rate-mismatch"]
    validate(tree, subject="generated")


@pytest.mark.parametrize("field", ["IDs", "traces", "timeVectorSeconds"])
def test_layout_a_file_that_lacks_a_field_is_rejected_with_its_name(tmp_path: Path, field: str) -> None:
    variant(tmp_path / "kato2015/WT_Stim.mat", **{field: None})
    layouts.kato_nostim(tmp_path / "kato2015/WT_NoStim.mat")
    found = load_source("kato2015").discover(raw_files(tmp_path))
    assert [job.record for job in found.jobs] == ["kato2015-wt-nostim-01", "kato2015-wt-nostim-02"]
    (rejected,) = found.rejected
    assert rejected.file == "kato2015/WT_Stim.mat"
    assert "lacks" in rejected.reason
    assert field in rejected.reason
    assert str(tmp_path) not in rejected.reason


def test_layout_another_number_of_worms_than_published_is_warned_of(tmp_path: Path) -> None:
    source = load_source("uzel2022")
    for worms, warned in ((6, False), (4, True)):
        folder = tmp_path / str(worms)
        layouts.zimmer_ids(folder / "uzel2022/Uzel_WT.mat", "Uzel_WT", worms=worms, stamps="tv")
        jobs = source.discover(raw_files(folder)).jobs
        assert len(jobs) == worms
        codes = [item["code"] for item in source.read(jobs[0]).attrs.get("warnings", [])]
        assert ("worm-count" in codes) is warned


def test_layout_strain_and_condition_follow_the_file(tmp_path: Path) -> None:
    layouts.zimmer_ids(tmp_path / "nichols2017/npr1_let.mat", "npr1_let")
    layouts.kato_stim(tmp_path / "kato2015/WT_Stim.mat")
    nichols = load_source("nichols2017")
    attrs = nichols.read(nichols.discover(raw_files(tmp_path)).jobs[0]).attrs
    assert (attrs["strain"], attrs["condition"], attrs["stage"]) == ("npr-1", "lethargus", "L4")
    kato = load_source("kato2015")
    tree = kato.read(kato.discover(raw_files(tmp_path)).jobs[0])
    assert tree["state"].attrs["code_names"] == ["FWD", "REV", "REVSUS", "TURN"]


def test_published_numbers_of_worms_are_those_of_the_compilation() -> None:
    published = {"kato2015": 12, "nichols2017": 44, "skora2018": 12, "kaplan2020": 19, "uzel2022": 6}
    assert {name: load_source(name).n_worms for name in published} == published
    for name in ("nichols2017", "uzel2022"):
        source = load_source(name)
        assert sum(file.n_worms for file in source.mat_files) == source.n_worms
    kato = load_source("kato2015")
    assert sum(file.n_worms or 0 for file in kato.mat_files) == kato.n_worms


def test_the_format_is_recognised_and_an_impossible_worm_is_refused(tmp_path: Path) -> None:
    path = layouts.kato_stim(tmp_path / "anything.mat").path
    assert recognise([path]).name == "zimmer-mat"
    for worm in (0, 3):
        with pytest.raises(UsageError, match="no such worm"):
            read([path], worm=worm)


def test_layout_two_struct_arrays_in_one_file_need_to_be_told_apart(tmp_path: Path) -> None:
    worms = layouts.kato_stim(tmp_path / "a.mat").worms
    path = write_mat73(tmp_path / "b.mat", {"first": StructArray(worms), "second": StructArray(worms)})
    with pytest.raises(UsageError, match="several variables"):
        read([path])
    assert read([path], variable="second").attrs["source_variable"] == "second"
