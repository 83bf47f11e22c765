"""The six text files of the Leifer laboratory's worms, on generated files of that layout."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate
from support.worm_layouts import leifer_worm

PARTS = ("gcamp", "t", "labels", "stim_volume_i", "stim_neurons", "ds_name")


def raw_files(folder: Path) -> RawFiles:
    found = []
    for path in sorted(folder.rglob("*.txt")):
        data = path.read_bytes()
        where = path.relative_to(folder.parent).as_posix()
        found.append(RawFile(where, path, len(data), hashlib.sha256(data).hexdigest(), verified=False))
    return RawFiles(found)


def test_layout_traces_and_times_are_those_of_the_files_to_the_last_bit(tmp_path: Path) -> None:
    made = leifer_worm(tmp_path, 3)
    tree = read(tmp_path / "3_gcamp.txt")
    validate(tree, subject="generated")
    activity = tree["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["traces"].T)
    assert activity["signal"].dtype == np.float64
    assert (activity["signal"].values < 0).any(), "intensities below zero are kept"
    assert activity["signal"].values[0, 0] == 70000.25
    np.testing.assert_array_equal(activity["time"].values, made["times"])
    np.testing.assert_array_equal(activity["valid"].values, ~np.isnan(made["traces"].T))
    assert activity.attrs["channel_base"] == 0


def test_layout_labels_are_kept_and_none_gets_a_side(tmp_path: Path) -> None:
    made = leifer_worm(tmp_path, 3)
    neuron = read(tmp_path / "3_gcamp.txt")["neuron"]
    assert neuron["raw_label"].values.tolist() == made["labels"]
    assert decode(neuron["status"]).tolist() == [
        "exact", "unlabelled", "unlabelled", "ambiguous", "duplicate", "exact", "duplicate",
    ]  # fmt: skip
    assert neuron["candidates"].values.tolist()[3] == "AVBL AVBR"
    assert neuron["neuron"].values.tolist() == ["AVAL", "", "", "", "RID", "VB2", "RID"]
    assert neuron["rule"].values.tolist()[2] == "merge"


def test_layout_stimulations_keep_volume_time_and_target_and_what_stands_for_no_target(tmp_path: Path) -> None:
    made = leifer_worm(tmp_path, 3)
    stimulus = read(tmp_path / "3_gcamp.txt")["stimulus"]
    np.testing.assert_array_equal(stimulus["frame"].values, made["volumes"])
    np.testing.assert_array_equal(stimulus["time"].values, made["times"][made["volumes"]])
    np.testing.assert_array_equal(stimulus["target"].values, made["targets"])
    assert decode(stimulus["target_status"]).tolist() == ["column", "none", "column", "excluded", "special"]
    assert stimulus["target_neuron"].values.tolist() == ["AVAL", "", "", "", ""]
    assert stimulus["target_raw_label"].values.tolist() == ["AVAL", "", "AVB", "", ""]
    assert stimulus["target_candidates"].values.tolist() == ["AVAL", "", "AVBL AVBR", "", ""]


def test_layout_is_recognised_by_the_traces_alone_and_brings_the_other_files(tmp_path: Path) -> None:
    leifer_worm(tmp_path, 12)
    traces = tmp_path / "12_gcamp.txt"
    chosen = recognise([traces])
    assert chosen.name == "text-celegans"
    assert sorted(path.name for path in chosen.inputs([traces], {})) == sorted(f"12_{part}.txt" for part in PARTS)
    with pytest.raises(FormatError):
        recognise([tmp_path / "12_labels.txt"])


def test_layout_empty_labels_beyond_the_last_column_are_reported_and_others_refused(tmp_path: Path) -> None:
    leifer_worm(tmp_path, 1, beyond=2)
    tree = read(tmp_path / "1_gcamp.txt")
    assert tree["neuron"].sizes["row"] == 7
    assert [item["code"] for item in tree.attrs["warnings"]] == ["labels-beyond"]
    with (tmp_path / "1_labels.txt").open("a") as stream:
        stream.write("AVAR\n")
    with pytest.raises(FormatError, match="differ in number"):
        read(tmp_path / "1_gcamp.txt")


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("gcamp", "1 2\n3\n", "not a matrix"),
        ("gcamp", "", "empty"),
        ("gcamp", "one two\n", "not a matrix"),
        ("gcamp", "1_0 2\n", "not a matrix"),
        ("t", "0\n1\n", "differ in length"),
        ("t", "\n".join(map(str, reversed(range(60)))), "go back"),
        ("t", "nan\n" * 60, "missing"),
        ("labels", "AVAL\n", "differ in number"),
        ("stim_neurons", "0\n", "differ in number"),
        ("stim_neurons", "0\n1\n2\n3\n7\n", "not there"),
        ("stim_neurons", "0\n1\n2\n3\n-4\n", "not there"),
        ("stim_volume_i", "0\n1.5\n2\n3\n4\n", "not an integer"),
    ],
)
def test_layout_files_that_contradict_each_other_are_refused(tmp_path: Path, part, text, message) -> None:
    leifer_worm(tmp_path, 0)
    (tmp_path / f"0_{part}.txt").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / "0_gcamp.txt", "text-celegans")
    assert caught.value.subject.startswith(str(tmp_path))


def test_layout_a_stimulation_after_the_end_has_no_time(tmp_path: Path) -> None:
    leifer_worm(tmp_path, 0)
    (tmp_path / "0_stim_volume_i.txt").write_text("8\n20\n31\n44\n60\n")
    tree = read(tmp_path / "0_gcamp.txt")
    assert np.isnan(tree["stimulus"]["time"].values).tolist() == [False] * 4 + [True]
    assert [item["code"] for item in tree.attrs["warnings"]] == ["outside"]


def test_layout_files_of_two_worms_or_without_their_times_are_not_a_recording(tmp_path: Path) -> None:
    for index in (0, 1):
        leifer_worm(tmp_path, index)
    with pytest.raises(UsageError):
        read([tmp_path / "0_gcamp.txt", tmp_path / "1_t.txt"], "text-celegans")
    (tmp_path / "0_t.txt").unlink()
    with pytest.raises(FormatError, match="not complete"):
        read(tmp_path / "0_gcamp.txt", "text-celegans")


def test_layout_every_worm_of_both_cohorts_becomes_a_record_in_the_order_of_its_number(tmp_path: Path) -> None:
    folder = tmp_path / "leifer2023"
    for index in (0, 2, 10):
        leifer_worm(folder / "exported_data", index)
    leifer_worm(folder / "exported_data_unc31", 0)
    source = load_source("leifer2023")
    found = source.discover(raw_files(folder))
    assert found.rejected == ()
    assert [job.record for job in found.jobs] == [
        "leifer2023-unc31-000", "leifer2023-wt-000", "leifer2023-wt-002", "leifer2023-wt-010",
    ]  # fmt: skip
    assert all(len(job.inputs) == 6 for job in found.jobs)
    trees = [source.read(job) for job in found.jobs]
    assert [tree.attrs["strain"] for tree in trees] == ["AML508", "AML462", "AML462", "AML462"]
    assert len({tree.attrs["subject"] for tree in trees}) == 4


def test_layout_incomplete_worms_second_copies_and_strangers_are_turned_away_with_reasons(tmp_path: Path) -> None:
    folder = tmp_path / "leifer2023"
    leifer_worm(folder / "exported_data", 0)
    leifer_worm(folder / "raw_extracted_data", 0)
    leifer_worm(folder / "exported_data", 1)
    (folder / "exported_data" / "1_stim_neurons.txt").unlink()
    (folder / "exported_data" / "notes.txt").write_text("generated")
    leifer_worm(folder / "exported_data", 2)
    (folder / "exported_data" / "2_gcamp.txt").write_text("<html>not here</html>\n")
    found = load_source("leifer2023").discover(raw_files(folder))
    assert [job.record for job in found.jobs] == ["leifer2023-wt-000"]
    reasons = {item.file: item.reason for item in found.rejected}
    assert len(reasons) == 6 + 5 + 1 + 6
    assert "does not begin with numbers" in reasons["leifer2023/exported_data/2_t.txt"]
    assert "1_stim_neurons.txt" in reasons["leifer2023/exported_data/1_gcamp.txt"]
    assert "second copy" in reasons["leifer2023/raw_extracted_data/0_t.txt"]
    assert "not one of the six" in reasons["leifer2023/exported_data/notes.txt"]
