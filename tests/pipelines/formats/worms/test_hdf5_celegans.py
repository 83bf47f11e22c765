"""Worm recordings in HDF5: the laboratories' own files read by two routes, and generated files with one fault each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import connectome.pipelines as pipelines
from connectome.errors import ConnectomeError, FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.formats.worms.hdf5_celegans import read, sniff
from connectome.pipelines.formats.worms.zephir import read_npy
from connectome.schema import decode, measure, validate

DAG = "worm/dag2023"
ZEPHIR = "worm/zephir_demo"
GOOD = ["2022-01-16-01", "2022-07-26-31", "2022-07-27-38", "2022-07-27-45"]
ZEPHIR_FILES = [
    "annotations-g.h5", "annotations-2.h5", "worldlines.h5", "traces.npy", "metadata.json", "parameters.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def recordings(data_dir: Path):
    return {animal: read([data_dir / DAG / f"{animal}-data.h5"]) for animal in GOOD}


def make_recording(path: Path, *, n_frames: int = 40, n_rois: int = 3, drop=(), **changed) -> Path:
    """Write a generated recording in the Flavell layout; keyword ``group__name`` replaces a dataset."""
    random = np.random.default_rng(5)
    raw = random.uniform(0.5, 2.0, (n_frames, n_rois))
    arrays = {
        "gcamp/trace_array_original": raw,
        "gcamp/trace_array": (raw - raw.mean(0)) / raw.std(0, ddof=1),
        "gcamp/traces_array_F_F20": raw / raw.mean(0),
        "gcamp/idx_splits": np.array([[1, 21], [20, n_frames]]),
        "timing/timestamp_confocal": 1000.0 + np.cumsum(random.uniform(0.5, 0.7, n_frames)),
        "timing/timestamp_nir": 1000.0 + 0.05 * np.arange(500),
        "behavior/velocity": random.normal(size=n_frames),
        "behavior/reversal_events": np.array([[3, 10], [5, 12]]),
    }
    arrays.update({name.replace("__", "/"): value for name, value in changed.items()})
    with h5py.File(path, "w") as file:
        for place, values in arrays.items():
            if place not in drop:
                file[place] = values
    return path


@pytest.mark.parametrize("animal", GOOD)
def test_raw_traces_and_stamps_are_the_files_own_to_the_last_bit(recordings, data_dir: Path, animal: str) -> None:
    tree = recordings[animal]
    validate(tree, subject=animal)
    with h5py.File(data_dir / DAG / f"{animal}-data.h5") as file:
        raw = file["gcamp/trace_array_original"][()]
        stamps = file["timing/timestamp_confocal"][()]
        names = [name for name, item in file["behavior"].items() if item.ndim == 1 and item.dtype.kind == "f"]
        for name in names:
            channel = tree["behaviour"]["channel"].values.tolist().index(name)
            np.testing.assert_array_equal(tree["behaviour"]["signal"].values[channel], file[f"behavior/{name}"][()])
        for name in ("body_angle", "body_angle_all", "body_angle_absolute"):
            np.testing.assert_array_equal(tree[name]["signal"].values, file[f"behavior/{name}"][()].T)
        np.testing.assert_array_equal(tree["nir_frame"]["time"].values, file["timing/timestamp_nir"][()])
    np.testing.assert_array_equal(tree["activity"]["signal"].values, raw.T)
    np.testing.assert_array_equal(tree["activity"]["time"].values, stamps)
    np.testing.assert_array_equal(tree["behaviour"]["time"].values, stamps)
    assert tree["activity"]["signal"].dtype == np.float64
    assert tree["activity"]["time"].dtype == np.float64
    assert tree["activity"]["channel"].values.tolist() == [str(number) for number in range(1, raw.shape[1] + 1)]
    assert tree["activity"].attrs["channel_base"] == 1


@pytest.mark.parametrize("animal", GOOD)
def test_the_derived_arrays_are_reproduced_from_the_stored_raw_traces(recordings, data_dir: Path, animal: str) -> None:
    raw = recordings[animal]["activity"]["signal"].values.T
    with h5py.File(data_dir / DAG / f"{animal}-data.h5") as file:
        z_scored = file["gcamp/trace_array"][()]
        ratio = file["gcamp/traces_array_F_F20"][()]
    assert np.abs((raw - raw.mean(axis=0)) / raw.std(axis=0, ddof=1) - z_scored).max() < 1e-12
    assert np.abs(raw / raw.mean(axis=0) - ratio).max() < 1e-12
    assert np.abs(raw / np.percentile(raw, 20, axis=0) - ratio).max() > 0.1
    assert sorted(recordings[animal]["activity"].attrs["derived"]) == ["gcamp/trace_array", "gcamp/traces_array_F_F20"]


@pytest.mark.parametrize("animal", GOOD)
def test_nothing_of_a_good_file_is_left_out(recordings, animal: str) -> None:
    warnings = recordings[animal].attrs.get("warnings", [])
    assert [item for item in warnings if item["code"] == "not-stored"] == []
    empty = [item["place"] for item in warnings if item["code"] == "empty-channel"]
    assert empty == ([] if animal == "2022-01-16-01" else ["/behavior/pumping"])


@pytest.mark.parametrize("animal", GOOD)
def test_stretches_and_reversals_are_read_in_julias_counting(recordings, data_dir: Path, animal: str) -> None:
    tree = recordings[animal]
    n_frames = tree["activity"].sizes["time"]
    assert tree["activity"]["segment_start"].values.tolist() == [0]
    assert tree["activity"]["segment_stop"].values.tolist() == [n_frames]
    built = np.zeros(n_frames, dtype=np.int64)
    events = tree["reversal_event"]
    for start, stop in zip(events["start_frame"].values, events["stop_frame"].values, strict=True):
        built[start:stop] = 1
    # One recording starts inside a reversal, which its first event cannot say.
    differ = np.flatnonzero(built != tree["reversal"]["signal"].values[0])
    assert differ.tolist() == ([0] if animal == "2022-01-16-01" else [])


def test_the_meeting_with_food_has_the_frames_own_stamp(recordings, data_dir: Path) -> None:
    stimulus = recordings["2022-01-16-01"]["stimulus"]
    assert stimulus["frame"].values.tolist() == [325]
    with h5py.File(data_dir / DAG / "2022-01-16-01-data.h5") as file:
        assert stimulus["time"].values.tolist() == [file["timing/timestamp_confocal"][324]]
    assert "stimulus" not in recordings["2022-07-26-31"]


def test_the_index_of_nsm_becomes_a_label_without_a_side(recordings) -> None:
    neuron = recordings["2022-01-16-01"]["neuron"]
    at = neuron["roi"].values.tolist().index("17")
    row = {name: decode(neuron[name])[at] for name in ("raw_label", "neuron", "candidates", "status", "label_source")}
    assert row == {
        "raw_label": "NSM",
        "neuron": "",
        "candidates": "NSML NSMR",
        "status": "ambiguous",
        "label_source": "gcamp/idx_nsm",
    }
    assert (decode(neuron["status"]) == "unlabelled").sum() == 129


@pytest.mark.parametrize(
    ("animal", "n_rois", "counts"),
    [
        ("2022-07-26-31", 146, {"exact": 99, "ambiguous": 1, "unlabelled": 46}),
        ("2022-07-27-38", 135, {"exact": 86, "ambiguous": 6, "duplicate": 2, "unlabelled": 41}),
        ("2022-07-27-45", 140, {"exact": 106, "normalised": 1, "ambiguous": 2, "unlabelled": 31}),
    ],
)
def test_labels_are_joined_to_their_rois_without_a_change(
    data_dir: Path, animal: str, n_rois: int, counts: dict[str, int]
) -> None:
    tree = read([data_dir / DAG / f"{animal}-data.h5", data_dir / DAG / "NeuroPAL_labels_dict.jld2"])
    validate(tree, subject=animal)
    neuron = tree["neuron"]
    status = decode(neuron["status"])
    assert {str(name): int((status == name).sum()) for name in set(status)} == counts
    assert sorted(map(int, set(neuron["roi"].values))) == list(range(1, n_rois + 1))
    assert [item for item in tree.attrs.get("warnings", []) if item["code"] == "registration-mismatch"] == []
    with h5py.File(data_dir / DAG / f"{animal}-data.h5") as file:
        matched = file["neuropal_registration/roi_match"][()]
        confidence = file["neuropal_registration/roi_match_confidence"][()]
    for roi, places, given in zip(
        neuron["roi"].values, neuron["neuropal_roi"].values, neuron["registration_confidence"].values, strict=True
    ):
        numbers = [int(number) for number in places.split()]
        if numbers:
            assert int(roi) in matched[np.array(numbers) - 1]
            assert given == pytest.approx(confidence[[n - 1 for n in numbers if matched[n - 1] == int(roi)]][0])


def test_the_animal_that_an_earlier_corpus_lost_is_found_by_its_file_name(data_dir: Path) -> None:
    """Regression: stripping the characters of "-data.h5" from "2022-07-27-45-data.h5" gives another animal."""
    tree = read([data_dir / DAG / "2022-07-27-45-data.h5", data_dir / DAG / "NeuroPAL_labels_dict.jld2"])
    assert tree.attrs["source_uid"] == "2022-07-27-45"
    assert (decode(tree["neuron"]["status"]) == "exact").sum() == 106


def test_the_malformed_recording_is_refused_with_every_contradiction(data_dir: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read([data_dir / DAG / "2022-05-02-01-data.h5"])
    error = caught.value
    assert error.place == "/timing/timestamp_confocal"
    assert error.expected == "1137 stamps, one per frame"
    for part in ("shape (1600,)", "shape (2, 1137)", "frames 1 to 1594", "/behavior/body_angle: shape (1137,)"):
        assert part in str(error.found)


def test_several_stretches_become_half_open_segments(tmp_path: Path) -> None:
    tree = read([make_recording(tmp_path / "worm-data.h5")])
    validate(tree, subject="worm")
    assert tree["activity"]["segment_start"].values.tolist() == [0, 20]
    assert tree["activity"]["segment_stop"].values.tolist() == [20, 40]
    assert tree.attrs["source_uid"] == "worm"
    assert (decode(tree["neuron"]["status"]) == "unlabelled").all()


def test_a_derived_array_that_does_not_follow_is_kept_with_a_warning(tmp_path: Path) -> None:
    other = np.random.default_rng(1).normal(size=(40, 3))
    tree = read([make_recording(tmp_path / "worm.h5", gcamp__trace_array=other)])
    np.testing.assert_array_equal(tree["activity_zscored"]["signal"].values, other.T)
    assert [item["code"] for item in tree.attrs["warnings"]] == ["not-derivable"]
    assert list(tree["activity"].attrs["derived"]) == ["gcamp/traces_array_F_F20"]


def test_missing_samples_stay_missing_and_are_masked(tmp_path: Path) -> None:
    raw = np.random.default_rng(2).uniform(1, 2, (40, 3))
    raw[7, 1] = np.nan
    path = make_recording(
        tmp_path / "worm.h5",
        drop=("gcamp/trace_array", "gcamp/traces_array_F_F20"),
        gcamp__trace_array_original=raw,
    )
    tree = read([path])
    assert np.argwhere(~tree["activity"]["valid"].values).tolist() == [[1, 7]]
    assert np.isnan(tree["activity"]["signal"].values[1, 7])


def test_a_dataset_that_no_rule_covers_is_reported(tmp_path: Path) -> None:
    tree = read([make_recording(tmp_path / "worm.h5", gcamp__extra=np.arange(5), behavior__odd=np.zeros((2, 3, 4)))])
    places = [item["place"] for item in tree.attrs["warnings"] if item["code"] == "not-stored"]
    assert places == ["/behavior/odd", "/gcamp/extra"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"drop": ("gcamp/trace_array_original",)}, "/gcamp/trace_array_original"),
        ({"drop": ("timing/timestamp_confocal",)}, "/timing/timestamp_confocal"),
        ({"timing__timestamp_confocal": np.arange(39.0)}, "/timing/timestamp_confocal"),
        ({"timing__timestamp_confocal": np.arange(40.0)[::-1].copy()}, "/timing/timestamp_confocal"),
        ({"gcamp__trace_array": np.zeros((40, 2))}, "/gcamp/trace_array"),
        ({"gcamp__trace_array_original": np.zeros(40)}, "/gcamp/trace_array_original"),
        ({"gcamp__idx_splits": np.array([[1], [41]])}, "/gcamp/idx_splits"),
        ({"gcamp__idx_splits": np.array([[0], [40]])}, "/gcamp/idx_splits"),
        ({"gcamp__idx_splits": np.array([[1, 20], [20, 40]])}, "/gcamp/idx_splits"),
        ({"behavior__reversal_events": np.array([[3], [41]])}, "/behavior/reversal_events"),
        ({"behavior__body_angle": np.zeros(40)}, "/behavior/body_angle"),
        ({"timing__time_food_encounter": 41}, "/timing/time_food_encounter"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused_with_their_place(tmp_path: Path, change, place: str) -> None:
    path = make_recording(tmp_path / "worm.h5", **change)
    with pytest.raises(FormatError) as caught:
        read([path])
    assert caught.value.subject == str(path)
    assert caught.value.place == place


def test_links_out_of_the_file_are_refused(tmp_path: Path) -> None:
    other = make_recording(tmp_path / "other.h5")
    path = make_recording(tmp_path / "worm.h5")
    with h5py.File(path, "a") as file:
        file["gcamp/elsewhere"] = h5py.ExternalLink(str(other), "/gcamp/trace_array")
    with pytest.raises(UnsafeError, match="another file"):
        read([path])
    path = make_recording(tmp_path / "raw.h5", drop=("behavior/velocity",))
    (tmp_path / "bytes").write_bytes(np.zeros(40).tobytes())
    with h5py.File(path, "a") as file:
        file.create_dataset("behavior/velocity", (40,), "f8", external=[(str(tmp_path / "bytes"), 0, 320)])
    with pytest.raises(UnsafeError, match="other files"):
        read([path])


def test_a_cut_file_is_refused_as_truncated(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / DAG / "2022-07-26-31-data.h5").read_bytes()
    cut = tmp_path / "cut-data.h5"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(TruncatedError) as caught:
        read([cut])
    assert caught.value.subject == str(cut)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file, renamed", bytes(range(256)) * 20])
def test_what_is_not_hdf5_is_refused_and_not_recognised(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.h5"
    path.write_bytes(content)
    assert not sniff(path)
    with pytest.raises(FormatError, match="not an HDF5 file"):
        read([path])


def test_hdf5_of_another_layout_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
    assert not sniff(path)
    with pytest.raises(FormatError) as caught:
        read([path])
    assert caught.value.found == "images"


def test_overwritten_bytes_raise_only_our_errors(tmp_path: Path) -> None:
    whole = make_recording(tmp_path / "whole.h5").read_bytes()
    random = np.random.default_rng(3)
    damaged = tmp_path / "damaged.h5"
    refused = 0
    for n_bytes in [1, 3, 20, 200] * 15:
        content = bytearray(whole)
        for at in random.integers(0, len(whole), n_bytes):
            content[at] = int(random.integers(256))
        damaged.write_bytes(bytes(content))
        try:
            read([damaged])
        except ConnectomeError:
            refused += 1
    assert refused > 10


def test_too_many_files_for_one_recording_are_refused(tmp_path: Path) -> None:
    path = make_recording(tmp_path / "worm.h5")
    with pytest.raises(UsageError, match="too many files"):
        read([path, path])


@pytest.fixture(scope="module")
def zephir(data_dir: Path):
    return read([data_dir / ZEPHIR / name for name in ZEPHIR_FILES])


def test_zephir_traces_and_positions_are_the_files_own(zephir, data_dir: Path) -> None:
    validate(zephir, subject="zephir")
    traces = np.load(data_dir / ZEPHIR / "traces.npy", allow_pickle=False)
    np.testing.assert_array_equal(zephir["activity"]["signal"].values, traces[0])
    assert zephir["activity"]["signal"].dtype == np.float64
    assert zephir["activity"]["channel"].values.tolist() == [str(number) for number in range(23)]
    position = zephir["position"]["signal"].values.reshape(23, 3, 512)
    with h5py.File(data_dir / ZEPHIR / "annotations-g.h5") as file:
        columns = {name: file[name][()] for name in file}
    seen = 0
    for at in range(0, len(columns["id"]), 97):
        cell = position[columns["worldline_id"][at], :, columns["t_idx"][at]]
        assert cell.tolist() == [columns[axis][at] for axis in "xyz"]
        seen += 1
    assert seen > 100
    assert position.dtype == np.float32


def test_zephir_keeps_every_annotation_and_the_word_null(zephir, data_dir: Path) -> None:
    for stem, n_rows in (("annotations-g", 11776), ("annotations-2", 46)):
        table = zephir[f"annotation/{stem}"]
        assert table.sizes["row"] == n_rows
        with h5py.File(data_dir / ZEPHIR / f"{stem}.h5") as file:
            for name in ("id", "t_idx", "worldline_id", "parent_id", "x", "y", "z"):
                np.testing.assert_array_equal(table[name].values, file[name][()])
            assert table["provenance"].values.tolist() == [item.decode() for item in file["provenance"][()]]
    neuron = zephir["neuron"]
    assert set(neuron["raw_label"].values) == {"null"}
    assert set(decode(neuron["status"])) == {"unlabelled"}
    assert zephir.attrs["metadata"]["shape_t"] == 512
    assert zephir.attrs["parameters"]["y_rng"] == [300, 500]


def test_no_time_is_made_up_where_the_source_gives_none(zephir) -> None:
    facts = measure(zephir)["/activity"]
    assert facts["duration_s"] is None
    assert facts["sampling_frequency_hz"] is None
    assert "time" not in zephir["activity"].coords
    assert zephir["activity"].attrs["frame_start"] == 0


def make_annotations(path: Path, *, frames=(0, 0, 1, 1), worldlines=(4, 9, 4, 9), **changed) -> Path:
    n = len(frames)
    columns = {
        "t_idx": np.array(frames, dtype=np.uint32),
        "worldline_id": np.array(worldlines, dtype=np.uint32),
        **{axis: np.linspace(0, 1, n, dtype=np.float32) for axis in "xyz"},
        "provenance": np.array([b"ANTT"] * n, dtype="S4"),
        **changed,
    }
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values
    return path


def test_annotations_alone_make_a_record_with_their_own_numbers(tmp_path: Path) -> None:
    tree = pipelines.read(make_annotations(tmp_path / "annotations.h5", worldlines=(4, 9, 4, 4), frames=(0, 0, 1, 3)))
    validate(tree, subject="made")
    assert tree["position"]["channel"].values.tolist() == ["4:x", "4:y", "4:z", "9:x", "9:y", "9:z"]
    assert tree["position"].sizes["time"] == 4
    valid = tree["position"]["valid"].values
    assert valid[0].tolist() == [True, True, False, True]
    assert valid[3].tolist() == [True, False, False, False]


def test_an_annotation_that_comes_twice_is_kept_without_a_series(tmp_path: Path) -> None:
    tree = read([make_annotations(tmp_path / "annotations.h5", worldlines=(4, 4, 4, 9))])
    assert "position" not in tree
    assert tree["annotation/annotations"].sizes["row"] == 4
    assert [item["code"] for item in tree.attrs["warnings"]] == ["duplicate-annotation"]


def test_named_worldlines_are_matched(tmp_path: Path) -> None:
    annotations = make_annotations(tmp_path / "annotations.h5")
    with h5py.File(tmp_path / "worldlines.h5", "w") as file:
        file["id"] = np.array([9, 4], dtype=np.uint32)
        file["name"] = np.array([b"VB02", b"AVA?"], dtype="S8")
    neuron = read([annotations, tmp_path / "worldlines.h5"])["neuron"]
    assert neuron["roi"].values.tolist() == ["4", "9"]
    assert neuron["raw_label"].values.tolist() == ["AVA?", "VB02"]
    assert neuron["neuron"].values.tolist() == ["", "VB2"]
    assert decode(neuron["status"]).tolist() == ["ambiguous", "normalised"]


@pytest.mark.parametrize(
    "changed",
    [
        {"t_idx": np.array([0.0, 0.0, 1.0, 1.0])},
        {"t_idx": np.array([0, 0, -1, 1])},
        {"t_idx": np.array([0, 0, 4_000_000_000, 1], dtype=np.uint32)},
        {"x": np.zeros(3, dtype=np.float32)},
        {"provenance": np.zeros(4)},
    ],
)
def test_annotations_of_the_wrong_form_are_refused(tmp_path: Path, changed) -> None:
    with pytest.raises(FormatError):
        read([make_annotations(tmp_path / "annotations.h5", **changed)])


@pytest.mark.parametrize("shape", [(1, 2, 1), (1, 3, 2), (2, 2)])
def test_traces_that_do_not_fit_the_annotations_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "traces.npy", np.zeros(shape))
    with pytest.raises(FormatError):
        read([make_annotations(tmp_path / "annotations.h5"), tmp_path / "traces.npy"])


def test_npy_files_are_read_without_pickles(tmp_path: Path) -> None:
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    np.save(tmp_path / "big.npy", values)
    found = read_npy(tmp_path / "big.npy")
    assert found.tolist() == values.tolist()
    assert found.dtype == np.dtype("f4")
    np.save(tmp_path / "objects.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeError, match="unpickled"):
        read_npy(tmp_path / "objects.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "big.npy").read_bytes()[:-1])
    with pytest.raises(TruncatedError):
        read_npy(tmp_path / "cut.npy")
    (tmp_path / "none.npy").write_bytes(b"\x93NUMPY\x09\x00garbage")
    with pytest.raises(FormatError):
        read_npy(tmp_path / "none.npy")
