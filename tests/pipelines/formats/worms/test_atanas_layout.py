"""WormWideWeb's JSON in both shapes, and recordings of Atanas and Kim et al., on generated files of those layouts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import FormatError, NotFoundError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.worms.neuropal_json import labelled_animals, read_labels
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.atanas2023_manifest import MANIFEST
from connectome.schema import decode, validate
from support.worm_layouts import flavell_h5, neuropal_label, wormwideweb_new, wormwideweb_old

LABELLED, HEAT, TWO_STIMULI = "2022-06-14-01", "2021-09-06-09", "2021-09-14-01"


def raw_files(folder: Path, *, promised: bool = True) -> RawFiles:
    """The files below a folder; generated recordings pass for those whose checksum the manifest promises."""
    found = []
    for path in sorted(folder.rglob("*.*")):
        data = path.read_bytes()
        uid = path.name.removesuffix("-data.h5")
        digest = MANIFEST[uid].sha256 if promised and uid in MANIFEST else hashlib.sha256(data).hexdigest()
        found.append(RawFile(f"atanas2023/{path.name}", path, len(data), digest, verified=False))
    return RawFiles(found)


@pytest.mark.parametrize("write", [wormwideweb_old, wormwideweb_new])
def test_layout_json_activity_is_the_original_traces_and_not_the_z_scores(tmp_path: Path, write) -> None:
    made = write(tmp_path / "worm.json")
    assert recognise([tmp_path / "worm.json"]).name == "json-celegans"
    tree = read(tmp_path / "worm.json")
    validate(tree, subject="generated")
    activity = tree["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["original"])
    np.testing.assert_array_equal(activity["time"].values, made["stamps"])
    assert activity["channel"].values.tolist() == ["1", "2", "3", "4", "5", "6"]
    assert "trace_array" in activity.attrs["derived"]
    assert "activity_zscored" not in tree


def test_layout_json_z_scores_that_do_not_follow_are_kept_beside(tmp_path: Path) -> None:
    made = wormwideweb_old(tmp_path / "worm.json", trace_array=np.ones((6, 60)).tolist())
    tree = read(tmp_path / "worm.json")
    np.testing.assert_array_equal(tree["activity"]["signal"].values, made["original"])
    np.testing.assert_array_equal(tree["activity_zscored"]["signal"].values, np.ones((6, 60)))
    assert [item["code"] for item in tree.attrs["warnings"] if item["place"] == "trace_array"] == ["not-derivable"]


def test_layout_json_without_the_original_traces_says_that_its_activity_is_z_scored(tmp_path: Path) -> None:
    made = wormwideweb_old(tmp_path / "worm.json", trace_original="left out")
    activity = read(tmp_path / "worm.json")["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["zscored"])
    assert "z-scored" in activity["signal"].attrs["long_name"]


def test_layout_json_labels_count_from_one_and_nothing_is_guessed(tmp_path: Path) -> None:
    wormwideweb_old(tmp_path / "worm.json")
    neuron = read(tmp_path / "worm.json")["neuron"]
    assert neuron["roi"].values.tolist() == ["1", "2", "3", "4", "5", "6"]
    assert neuron["raw_label"].values.tolist() == ["AVAL", "", "RMED/RID", "SAAD?", "VB02", ""]
    assert neuron["neuron"].values.tolist() == ["AVAL", "", "", "", "VB2", ""]
    assert decode(neuron["status"]).tolist() == [
        "exact", "unlabelled", "ambiguous", "ambiguous", "normalised", "unlabelled",
    ]  # fmt: skip
    assert neuron["candidates"].values.tolist()[3] == "SAADL SAADR"
    np.testing.assert_array_equal(neuron["confidence"].values, [5, np.nan, 4, 2.5, 4, np.nan])
    assert neuron["neuropal_roi"].values.tolist() == ["7", "", "11 12", "7", "7", ""]
    assert neuron["source_side"].values.tolist()[3] == "missing"


def test_layout_json_behaviour_events_and_model_are_kept_on_the_recordings_stamps(tmp_path: Path) -> None:
    made = wormwideweb_old(tmp_path / "worm.json")
    tree = read(tmp_path / "worm.json")
    behaviour = tree["behaviour"]
    assert behaviour["channel"].values.tolist() == [
        "angular_velocity", "body_curvature", "head_curvature", "pumping", "velocity",
    ]  # fmt: skip
    np.testing.assert_array_equal(behaviour["signal"].values[3], made["pumping"])
    assert np.isnan(behaviour["signal"].values[4, 4])
    assert not behaviour["valid"].values[4, 4]
    assert behaviour["valid"].values.sum() == 5 * 60 - 1
    assert tree["reversal_event"]["start_frame"].values.tolist() == [5, 30]
    assert tree["reversal_event"]["stop_frame"].values.tolist() == [9, 41]
    assert tree["stimulus"]["stimulus"].values.tolist() == ["heat"]
    assert tree["stimulus"]["time"].values.tolist() == [made["stamps"][20]]
    np.testing.assert_array_equal(tree["encoding"]["forwardness"].values, made["encoding"])
    left = {item["place"] for item in tree.attrs["warnings"] if item["code"] == "not-stored"}
    assert left == {"encoding/neuron_categorization", "encoding/ranges"}
    assert tree.attrs["dataset_type"] == ["baseline", "neuropal"]
    assert (tree.attrs["avg_timestep"], tree.attrs["avg_timestep_units"]) == (0.01, "min")


def test_layout_json_newer_shape_has_null_pumping_and_an_event_at_no_frame(tmp_path: Path) -> None:
    made = wormwideweb_new(tmp_path / "worm.json")
    tree = read(tmp_path / "worm.json")
    assert tree["behaviour"]["channel"].values.tolist() == ["angular_velocity", "head_angle", "velocity"]
    assert tree["behaviour"]["channel_unit"].values.tolist() == ["unknown", "rad", "mm s-1"]
    np.testing.assert_array_equal(tree["stimulus"]["frame"].values, [21, 0])
    np.testing.assert_array_equal(tree["stimulus"]["time"].values, [made["stamps"][20], np.nan])
    assert {item["code"] for item in tree.attrs["warnings"]} == {"absent", "no-frame", "not-stored"}
    assert tree.attrs["source_metadata"]["checksum_h5"] == "0" * 64


def test_layout_json_minutes_are_told_from_seconds(tmp_path: Path) -> None:
    wormwideweb_old(tmp_path / "minutes.json")
    assert "avg_timestep" not in {item["place"] for item in read(tmp_path / "minutes.json").attrs["warnings"]}
    wormwideweb_old(tmp_path / "seconds.json", avg_timestep=0.6)
    (found,) = [item for item in read(tmp_path / "seconds.json").attrs["warnings"] if item["place"] == "avg_timestep"]
    assert found["code"] == "contradiction"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp_confocal": [0.0, 1.0]}, "differ in length"),
        ({"timestamp_confocal": list(range(59, -1, -1))}, "not stamps"),
        ({"timestamp_confocal": "left out"}, "as expected"),
        ({"trace_original": [[1.0, 2.0]]}, "differ in length"),
        ({"trace_array": [[1.0], [1.0, 2.0]]}, "equal length"),
        ({"trace_array": "left out"}, "no traces"),
        ({"labeled": {"7": {"label": "AVAL"}}}, "does not have"),
        ({"labeled": {"0": {"label": "AVAL"}}}, "does not have"),
        ({"labeled": {"one": {"label": "AVAL"}}}, "not a match"),
        ({"labeled": {"1": {"label": "AVAL", "who": "x"}}}, "not known"),
        ({"events": {"heat": [61]}}, "outside"),
        ({"events": {"heat": [1.5]}}, "outside"),
    ],
)
def test_layout_json_that_contradicts_itself_is_refused(tmp_path: Path, changes, message) -> None:
    wormwideweb_old(tmp_path / "worm.json", **changes)
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / "worm.json", "json-celegans")
    assert caught.value.subject == str(tmp_path / "worm.json")


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "[" * 100_000, "\xff"])
def test_layout_json_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "worm.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FormatError):
        read(path, "json-celegans")
    with pytest.raises(UsageError):
        read([path, path], "json-celegans")


def test_layout_label_file_keeps_every_match_of_a_roi(tmp_path: Path) -> None:
    neuropal_label(tmp_path / "neuropal_label.json", LABELLED, "2022-06-14-07")
    assert labelled_animals(tmp_path / "neuropal_label.json") == [LABELLED, "2022-06-14-07"]
    labels = read_labels(tmp_path / "neuropal_label.json", uid=LABELLED)
    assert [(label.roi, label.label, label.confidence) for label in labels][:2] == [(1, "AVAL", 5), (1, "AVAR", 1)]
    with pytest.raises(NotFoundError):
        read_labels(tmp_path / "neuropal_label.json", uid="2022-06-14-13")
    (tmp_path / "neuropal_label.json").write_text(json.dumps({LABELLED: {}}))
    with pytest.raises(FormatError):
        labelled_animals(tmp_path / "neuropal_label.json")


def test_the_manifest_has_68_animals_and_40_with_identities() -> None:
    assert len(MANIFEST) == 68
    assert sum(animal.labelled for animal in MANIFEST.values()) == 40
    assert len({animal.sha256 for animal in MANIFEST.values()}) == 68
    assert {kind for animal in MANIFEST.values() for kind in animal.types} == {"baseline", "heat", "gfp", "neuropal"}
    for animal in MANIFEST.values():
        assert bool(animal.stimulus_frames) is ("heat" in animal.types)


def test_layout_recordings_get_labels_stimuli_and_conditions_of_the_manifest(tmp_path: Path) -> None:
    for uid in (LABELLED, HEAT, TWO_STIMULI):
        made = flavell_h5(tmp_path / f"{uid}-data.h5")
    neuropal_label(tmp_path / "neuropal_label.json", LABELLED)
    source = load_source("atanas2023")
    found = source.discover(raw_files(tmp_path))
    assert found.rejected == ()
    assert [job.record for job in found.jobs] == [f"atanas2023-{uid}" for uid in (HEAT, TWO_STIMULI, LABELLED)]
    trees = {job.record: source.read(job) for job in found.jobs}
    for record, tree in trees.items():
        validate(tree, subject=record)
        assert tree.attrs["subject"] == record
    labelled = trees[f"atanas2023-{LABELLED}"]
    assert labelled["neuron"]["raw_label"].values.tolist()[:2] == ["AVAL", "AVAR"]
    assert labelled["neuron"]["roi"].values.tolist()[:3] == ["1", "1", "2"]
    assert labelled.attrs["strain"] == "SWF702"
    assert labelled.attrs["condition"] == "freely moving, no stimulus"
    heat = trees[f"atanas2023-{HEAT}"]
    assert "strain" not in heat.attrs
    assert heat["stimulus"]["frame"].values.tolist() == [391]
    assert np.isnan(heat["stimulus"]["time"].values).all(), "the generated recording ends before"
    two = trees[f"atanas2023-{TWO_STIMULI}"]
    assert two["stimulus"]["frame"].values.tolist() == [388, 0]
    assert two.attrs["head_angle_positive_is_ventral"] is True
    np.testing.assert_array_equal(two["activity"]["signal"].values, made["original"])


def test_layout_a_stimulus_in_the_file_counts_and_one_at_frame_zero_has_no_time(tmp_path: Path) -> None:
    made = flavell_h5(tmp_path / f"{TWO_STIMULI}-data.h5", timing__stim_begin_confocal=np.array([21, 0]))
    source = load_source("atanas2023")
    (job,) = source.discover(raw_files(tmp_path)).jobs
    stimulus = source.read(job)["stimulus"]
    np.testing.assert_array_equal(stimulus["frame"].values, [21, 0])
    np.testing.assert_array_equal(stimulus["time"].values, [made["stamps"][20], np.nan])


def test_layout_every_other_file_is_turned_away_with_its_reason(tmp_path: Path) -> None:
    flavell_h5(tmp_path / f"{HEAT}-data.h5")
    flavell_h5(tmp_path / f"{LABELLED}-data.h5")
    flavell_h5(tmp_path / "2099-01-01-01-data.h5")
    wormwideweb_new(tmp_path / f"atanas_kim_2023_{HEAT}.json", uid=HEAT)
    (tmp_path / f"atanas_kim_2023_{TWO_STIMULI}.json").write_text("{}")
    (tmp_path / "2021-05-26-07-data.h5").write_bytes(b"no recording")
    neuropal_label(tmp_path / "neuropal_label.json", "2022-06-14-07")
    found = load_source("atanas2023").discover(raw_files(tmp_path))
    assert [job.record for job in found.jobs] == [f"atanas2023-{HEAT}"]
    reasons = {item.file.removeprefix("atanas2023/"): (item.kind, item.reason) for item in found.rejected}
    assert reasons["2099-01-01-01-data.h5"] == ("not-data", "not an animal of the manifest")
    assert reasons[f"{LABELLED}-data.h5"][0] == "format"
    assert "identities" in reasons[f"{LABELLED}-data.h5"][1]
    assert reasons[f"atanas_kim_2023_{HEAT}.json"] == ("not-data", f"the animal is read from atanas2023/{HEAT}-data.h5")
    assert reasons[f"atanas_kim_2023_{TWO_STIMULI}.json"][0] == "format"
    assert "not an HDF5 file" in reasons["2021-05-26-07-data.h5"][1]
    assert reasons["neuropal_label.json"] == ("not-data", "none of the animals it names is here")
    assert str(tmp_path) not in str(reasons)


def test_layout_bytes_that_the_manifest_does_not_promise_are_refused(tmp_path: Path) -> None:
    flavell_h5(tmp_path / f"{HEAT}-data.h5")
    found = load_source("atanas2023").discover(raw_files(tmp_path, promised=False))
    assert found.jobs == ()
    assert [item.kind for item in found.rejected] == ["checksum"]
    assert MANIFEST[HEAT].sha256 in found.rejected[0].reason


def test_layout_an_animal_that_is_only_there_as_json_is_read_from_it(tmp_path: Path) -> None:
    wormwideweb_old(tmp_path / f"{LABELLED}.json")
    source = load_source("atanas2023")
    (job,) = source.discover(raw_files(tmp_path)).jobs
    tree = source.read(job)
    assert (job.record, tree.attrs["subject"]) == (f"atanas2023-{LABELLED}", f"atanas2023-{LABELLED}")
    assert (tree["neuron"]["raw_label"].values != "").sum() == 4
    assert "head_angle_positive_is_ventral" not in tree.attrs
