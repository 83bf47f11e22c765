"""Worms in NWB by the convention of WormID, on generated files of that layout."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest

from connectome.errors import FormatError, UnsafeError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.schema import decode, measure, validate
from support.worm_layouts import NWB_LABELS, worm_nwb


def raw_files(folder: Path, prefix: str) -> RawFiles:
    found = []
    for path in sorted(folder.rglob("*.nwb")):
        data = path.read_bytes()
        where = f"{prefix}/{path.relative_to(folder).as_posix()}"
        found.append(RawFile(where, path, len(data), hashlib.sha256(data).hexdigest(), verified=False))
    return RawFiles(found)


@pytest.fixture
def worm(tmp_path: Path):
    path = tmp_path / "worm.nwb"
    made = worm_nwb(path)
    return path, made


def test_layout_is_recognised_and_gives_a_valid_record(worm) -> None:
    path, _ = worm
    assert recognise([path]).name == "nwb-celegans"
    tree = read(path)
    validate(tree, subject="generated")
    assert sorted(tree.children) == [
        "activity", "activity_SignalRawFluordNMF", "behaviour_velocity", "image_NeuroPALImageRaw", "neuron", "position",
        "segmentation_NeuroPALNeurons", "stimulus", "voxel_NeuroPALNeurons",
    ]  # fmt: skip
    assert [(item["code"], item["place"]) for item in tree.attrs["warnings"]] == [
        ("not-stored", "/acquisition/CalciumImageSeries")
    ]


def test_layout_traces_keep_their_numbers_and_the_rate_that_the_series_states(worm) -> None:
    path, made = worm
    tree = read(path)
    activity = tree["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["traces"].T)
    np.testing.assert_array_equal(activity["valid"].values, ~np.isnan(made["traces"].T))
    assert Fraction(activity.attrs["rate_hz_numerator"], activity.attrs["rate_hz_denominator"]) == Fraction(33, 10)
    assert activity.attrs["start_s"] == 2.0
    assert activity.attrs["source"].endswith("SignalRawFluor/SignalCalciumImResponseSeries")
    np.testing.assert_array_equal(tree["activity_SignalRawFluordNMF"]["signal"].values, made["traces"].T * 2)


@pytest.mark.parametrize("rate", [4.0, 1.04])
def test_layout_no_rate_is_taken_for_granted(tmp_path: Path, rate: float) -> None:
    worm_nwb(tmp_path / "worm.nwb", rate=rate)
    facts = measure(read(tmp_path / "worm.nwb"))["/activity"]
    assert facts["sampling_frequency_hz"] == rate


def test_layout_stamps_are_the_series_own(tmp_path: Path) -> None:
    made = worm_nwb(tmp_path / "worm.nwb", stamps=True, frames=60)
    tree = read(tmp_path / "worm.nwb")
    np.testing.assert_array_equal(tree["activity"]["time"].values, made["times"])
    np.testing.assert_array_equal(tree["position"]["time"].values, made["times"])
    np.testing.assert_array_equal(tree["behaviour_velocity"]["time"].values, np.arange(40) * 0.05)


def test_layout_without_rate_and_stamps_frames_are_only_numbered(tmp_path: Path) -> None:
    worm_nwb(tmp_path / "worm.nwb", rate=None)
    tree = read(tmp_path / "worm.nwb")
    assert tree["activity"].attrs["clock"] == "frame"
    assert measure(tree)["/activity"]["duration_s"] is None
    assert "no-clock" in {item["code"] for item in tree.attrs["warnings"]}


@pytest.mark.parametrize("neuron_ids", [True, False])
def test_layout_names_come_letter_by_letter_and_a_question_mark_stays_a_doubt(tmp_path: Path, neuron_ids) -> None:
    worm_nwb(tmp_path / "worm.nwb", neuron_ids=neuron_ids)
    tree = read(tmp_path / "worm.nwb")
    for group in ("neuron", "segmentation_NeuroPALNeurons"):
        neuron = tree[group]
        assert neuron["raw_label"].values.tolist() == NWB_LABELS
        assert decode(neuron["status"]).tolist() == [
            "exact", "ambiguous", "unlabelled", "ambiguous", "duplicate", "duplicate",
        ]  # fmt: skip
        assert neuron["candidates"].values.tolist()[1] == "RMED"
        assert neuron["neuron"].values.tolist()[1] == ""
    assert tree["neuron"].attrs["label_source"].endswith("NeuronIDs" if neuron_ids else "NeuroPALNeurons")


def test_layout_positions_voxels_image_and_stimuli_are_kept(worm) -> None:
    path, made = worm
    tree = read(path)
    position = tree["position"]
    assert position["channel"].values.tolist()[:4] == ["0:x", "0:y", "0:z", "1:x"]
    np.testing.assert_array_equal(position["signal"].values, made["positions"].transpose(1, 2, 0).reshape(18, -1))
    voxel = tree["voxel_NeuroPALNeurons"]
    np.testing.assert_array_equal(voxel["y"].values, made["positions"][0][:, 1])
    assert voxel["x"].dtype == np.uint32
    image = tree["image_NeuroPALImageRaw"]
    np.testing.assert_array_equal(image["image"].values, made["image"])
    assert image["image"].dtype == np.uint16
    np.testing.assert_allclose(np.diag(image["affine"].values), [0.3208e-3, 0.3208e-3, 0.75e-3, 1])
    assert image.attrs["rgbw_channels"] == [2, 1, 0, 3]
    assert image.attrs["optical_channels"][4] == "GFP-GCaMP"
    assert tree["stimulus"]["stimulus"].values.tolist() == ["butanone", "nacl"]
    assert tree["stimulus"]["start_time"].values.tolist() == [60.5, 120.5]


def test_layout_positions_of_fewer_frames_than_samples_are_only_numbered(tmp_path: Path) -> None:
    worm_nwb(tmp_path / "worm.nwb", frames=5)
    position = read(tmp_path / "worm.nwb")["position"]
    assert position.sizes["time"] == 5
    assert position.attrs["clock"] == "frame"


def test_layout_rois_that_were_not_followed_are_a_table_and_no_series(tmp_path: Path) -> None:
    made = worm_nwb(tmp_path / "worm.nwb", frames=5, followed="CalciumSeriesSegmentationUntracked")
    tree = read(tmp_path / "worm.nwb")
    assert "position" not in tree
    voxel = tree["voxel_CalciumSeriesSegmentationUntracked"]
    np.testing.assert_array_equal(voxel["frame"].values, np.repeat(np.arange(5), 6))
    np.testing.assert_array_equal(voxel["z"].values, made["positions"][:, :, 2].ravel())


def test_layout_images_of_rois_are_named_as_not_stored(worm) -> None:
    path, _ = worm
    with h5py.File(path, "a") as file:
        file[f"{TABLE}/image_mask"] = np.zeros((6, 2, 2))
    assert f"/{TABLE}/image_mask" in {item["place"] for item in read(path).attrs["warnings"]}


def test_layout_what_the_file_says_of_the_animal_is_kept(worm) -> None:
    attrs = read(worm[0]).attrs
    assert (attrs["strain"], attrs["subject_id"]) == ("OH16230", "20190928_08")
    assert (attrs["subject_sex"], attrs["sex"]) == ("O", "hermaphrodite")
    assert attrs["subject_growth_stage"] == "YA"
    assert attrs["subject_growth_stage_time"] == "P0DT2H30M"
    assert attrs["experimenter"] == ["One, Some", "Two, Some"]
    assert attrs["source_uid"] == "generated-0"


def test_layout_a_file_with_an_image_and_names_alone_is_a_record(tmp_path: Path) -> None:
    worm_nwb(tmp_path / "worm.nwb", activity=False, kind="VolumeSegmentation")
    tree = read(tmp_path / "worm.nwb")
    assert sorted(tree.children) == [
        "image_NeuroPALImageRaw", "segmentation_NeuroPALNeurons", "voxel_NeuroPALNeurons",
    ]  # fmt: skip


SERIES = "processing/CalciumActivity/SignalRawFluor/SignalCalciumImResponseSeries"
TABLE = "processing/NeuroPAL/NeuroPALSegmentation/NeuroPALNeurons"


def put(file: h5py.File, place: str, value) -> None:
    del file[place]
    file[place] = value


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda file: put(file, f"{SERIES}/rois", np.arange(5)), f"/{SERIES}/data"),
        (lambda file: put(file, "processing/CalciumActivity/NeuronIDs/labels", ["AVAL"]), "NeuronIDs/labels"),
        (lambda file: put(file, f"{TABLE}/ID_labels_index", np.array([9, 4, 9, 9, 9, 9])), "ID_labels_index"),
        (lambda file: put(file, f"{TABLE}/voxel_mask_index", np.array([1, 2, 3, 4, 6])), "NeuroPALNeurons/voxel_mask"),
        (lambda file: put(file, f"{TABLE}/voxel_mask", np.arange(6)), f"/{TABLE}/voxel_mask"),
        (lambda file: file[f"{SERIES}/starting_time"].attrs.update(rate=-1.0), "starting_time.rate"),
        (lambda file: file.__setitem__(f"{SERIES}/timestamps", np.arange(3.0)), f"/{SERIES}/timestamps"),
        (lambda file: file.__setitem__(f"{SERIES}/timestamps", np.full(60, np.nan)), f"/{SERIES}/timestamps"),
    ],
)
def test_layout_parts_that_contradict_each_other_are_refused_with_their_place(worm, change, place: str) -> None:
    path, _ = worm
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.subject == str(path)
    assert caught.value.place.endswith(place)


def test_layout_links_out_of_the_file_are_refused(worm, tmp_path: Path) -> None:
    path, _ = worm
    worm_nwb(tmp_path / "other.nwb", seed=1)
    with h5py.File(path, "a") as file:
        del file[f"{SERIES}/data"]
        file[f"{SERIES}/data"] = h5py.ExternalLink("other.nwb", f"/{SERIES}/data")
    with pytest.raises(UnsafeError):
        read(path)


def test_other_nwb_files_are_left_to_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "mouse.nwb", "w") as file:
        file.attrs.update(neurodata_type="NWBFile", namespace="core")
        file.create_group("processing/ecephys")
    assert recognise([tmp_path / "mouse.nwb"]).name == "nwb"
    with pytest.raises(FormatError, match="not a worm"):
        read(tmp_path / "mouse.nwb", "nwb-celegans")
    with pytest.raises(UsageError):
        read([tmp_path / "mouse.nwb"] * 2, "nwb-celegans")


def test_layout_every_file_of_the_dandiset_becomes_a_record(tmp_path: Path) -> None:
    worm_nwb(tmp_path / "sub-20190928-08" / "sub-20190928-08_ses-20190928_ophys.nwb")
    worm_nwb(tmp_path / "sub-20190924-01" / "sub-20190924-01_ses-20190924_ophys.nwb", seed=1)
    (tmp_path / "broken.nwb").write_bytes(b"no NWB")
    source = load_source("nejatbakhsh2020")
    found = source.discover(raw_files(tmp_path, "nejatbakhsh2020"))
    assert [job.record for job in found.jobs] == [
        "nejatbakhsh2020-20190924-01-ses-20190924", "nejatbakhsh2020-20190928-08-ses-20190928",
    ]  # fmt: skip
    assert [item.file for item in found.rejected] == ["nejatbakhsh2020/broken.nwb"]
    tree = source.read(found.jobs[0])
    assert tree.attrs["dandiset"] == "000541/0.241009.1457"
    assert tree.attrs["licence"] == "CC-BY-4.0"


def test_layout_dandisets_are_told_by_their_folders_and_shared_animals_by_their_name(tmp_path: Path) -> None:
    shared = tmp_path / "000776" / "sub-2023-01-09-15-SWF702"
    worm_nwb(shared / "sub-2023-01-09-15-SWF702_ses-20230109_behavior+image+ophys.nwb")
    worm_nwb(tmp_path / "000714" / "sub-1" / "sub-1_ophys.nwb", activity=False)
    source = load_source("wormid2025")
    found = source.discover(raw_files(tmp_path, "wormid2025"))
    assert [job.record for job in found.jobs] == [
        "wormid2025-000714-1", "wormid2025-000776-2023-01-09-15-SWF702-ses-20230109-behavior-image-ophys",
    ]  # fmt: skip
    trees = [source.read(job) for job in found.jobs]
    assert [tree.attrs["subject"] for tree in trees] == ["wormid2025-000714-1", "atanas2023-2023-01-09-15"]
    assert [tree.attrs["dandiset"] for tree in trees] == ["000714/0.241009.1516", "000776/0.241009.1509"]
