"""Worm recordings in MATLAB files: the published ones read by two routes, and generated files with one fault each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats.worms.mat_celegans import read, sniff
from connectome.schema import decode, measure, validate

FOLDER = "worm/seeelegans2024"


@pytest.fixture(scope="module")
def dataset2(data_dir: Path):
    return read([data_dir / FOLDER / "Dataset2.mat"])


@pytest.fixture(scope="module")
def coords(data_dir: Path) -> np.ndarray:
    """The second route: scipy alone. Shape (track, time, column)."""
    structs = scipy.io.loadmat(data_dir / FOLDER / "Dataset2.mat")["neurons_cleaned"]
    return np.stack([structs[0, at]["coords"] for at in range(structs.shape[1])])


def struct_array(**fields):
    """Return a 1 x n struct array for scipy to write."""
    n = len(next(iter(fields.values())))
    array = np.empty((1, n), dtype=[(name, object) for name in fields])
    for name, values in fields.items():
        for at, value in enumerate(values):
            array[0, at][name] = value
    return array


def tracks(n: int = 3, n_frames: int = 6) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    made = [random.uniform(1, 100, (n_frames, 5)) for _ in range(n)]
    for one in made:
        one[:, 3] = np.arange(1, n_frames + 1)
    return made


def identities(ids, names):
    cells = np.empty((1, len(names)), dtype=object)
    cells[0, :] = names
    inner = np.empty((1, 1), dtype=[("id", object), ("name", object)])
    inner[0, 0]["id"], inner[0, 0]["name"] = np.array([ids], dtype=np.uint8), cells
    return inner


def test_intensity_and_positions_are_the_files_own_to_the_last_bit(dataset2, coords) -> None:
    validate(dataset2, subject="Dataset2")
    np.testing.assert_array_equal(dataset2["activity"]["signal"].values, coords[:, :, 4])
    position = dataset2["position"]["signal"].values.reshape(118, 3, 1161)
    np.testing.assert_array_equal(position, coords[:, :, :3].transpose(0, 2, 1))
    assert dataset2["activity"]["signal"].dtype == np.float64
    assert dataset2["activity"]["channel"].values.tolist() == [str(number) for number in range(1, 119)]


def test_the_288_missing_samples_stay_missing_and_are_masked(dataset2, coords) -> None:
    valid = dataset2["activity"]["valid"].values
    np.testing.assert_array_equal(valid, ~np.isnan(coords[:, :, 4]))
    assert (~valid).sum() == 288
    assert set(np.argwhere(~valid)[:, 0]) == {116}
    assert measure(dataset2)["/activity"]["n_missing"] == 288


def test_frames_are_counted_and_no_time_is_made_up(dataset2, coords) -> None:
    np.testing.assert_array_equal(coords[:, :, 3], np.broadcast_to(np.arange(1, 1162), (118, 1161)))
    assert dataset2["activity"].attrs["clock"] == "frame"
    assert dataset2["activity"].attrs["frame_start"] == 1
    facts = measure(dataset2)["/activity"]
    assert (facts["duration_s"], facts["sampling_frequency_hz"]) == (None, None)


def test_twelve_identities_of_which_one_stays_ambiguous(dataset2, data_dir: Path) -> None:
    given = scipy.io.loadmat(data_dir / FOLDER / "Dataset2.mat")["neurons_identified"][0, 0]
    expected = {
        int(number): str(name.item().item())
        for number, name in zip(given["id"].ravel(), given["name"].ravel(), strict=True)
    }
    neuron = dataset2["neuron"]
    raw = dict(zip(map(int, neuron["roi"].values), neuron["raw_label"].values, strict=True))
    assert {number: name for number, name in raw.items() if name} == expected
    assert len(raw) == 118
    status = decode(neuron["status"])
    assert [(status == name).sum() for name in ("exact", "ambiguous", "unlabelled")] == [11, 1, 106]
    doubtful = status.tolist().index("ambiguous")
    assert neuron["raw_label"].values[doubtful] == "RMED/RID"
    assert set(neuron["candidates"].values[doubtful].split()) == {"RMED", "RID"}
    assert neuron["neuron"].values[doubtful] == ""


def test_tracks_of_version_73_come_out_untransposed(data_dir: Path) -> None:
    path = data_dir / FOLDER / "neurons_reconstructed_max_2_c.mat"
    tree = read([path])
    validate(tree, subject="tracks")
    with h5py.File(path) as file:
        references = file["neurons_reconstructed_max_2/coords"][:, 0]
        raw = np.stack([file[item][()] for item in references])
        cells = file["neurons_reconstructed_max_2/selected_pixels"][:, 0]
        pixels = [[file[inner][()].ravel() for inner in file[item][()].ravel()] for item in cells]
    assert raw.shape == (61, 5, 26)
    np.testing.assert_array_equal(tree["activity"]["signal"].values, raw[:, 4])
    np.testing.assert_array_equal(tree["position"]["signal"].values.reshape(61, 3, 26), raw[:, :3])
    assert tree["activity"]["valid"].values.sum() == 61 * 23
    table = tree["selected_pixels"]
    np.testing.assert_array_equal(table["value"].values, np.concatenate([np.concatenate(track) for track in pixels]))
    mine = (table["roi"].values == 31) & (table["frame"].values == 5)
    np.testing.assert_array_equal(table["value"].values[mine], pixels[30][4])


def test_detections_by_hand_and_the_atlas_are_tables(data_dir: Path) -> None:
    by_hand = read([data_dir / FOLDER / "neurons_by_hand.mat"])
    validate(by_hand, subject="by hand")
    raw = scipy.io.loadmat(data_dir / FOLDER / "neurons_by_hand.mat")
    for name in ("hand_e", "hand_c"):
        columns = [by_hand[name][column].values for column in ("number", "in_plane_2", "in_plane_1", "z", "column_5")]
        np.testing.assert_array_equal(np.stack(columns, axis=1), raw[name])
    atlas = read([data_dir / FOLDER / "atlas.mat"])
    validate(atlas, subject="atlas")
    raw = scipy.io.loadmat(data_dir / FOLDER / "atlas.mat")
    assert atlas["atlas"]["raw_label"].values.tolist() == [str(name.item()) for name in raw["namesstr"].ravel()]
    columns = [atlas["atlas"][f"coordinate_{axis}"].values for axis in (1, 2, 3)]
    np.testing.assert_array_equal(np.stack(columns, axis=1), raw["m_coords_str_corrected"])
    assert [item.split().count("fpn_ids") for item in atlas["atlas"]["set"].values] == [1] * 10 + [0] * 26
    assert atlas.attrs["atlas_frame"]["ruler_str"] == raw["ruler_str"].ravel().tolist()


@pytest.mark.parametrize(
    ("name", "known"),
    [("Dataset2.mat", True), ("neurons_reconstructed_max_2_c.mat", True), ("atlas.mat", True),
     ("neurons_by_hand.mat", True), ("README.md", False)],
)  # fmt: skip
def test_files_are_recognised_by_their_variables(data_dir: Path, name: str, known: bool) -> None:
    assert sniff(data_dir / FOLDER / name) is known


def test_a_file_without_labels_is_read_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.mat"
    scipy.io.savemat(path, {"neurons_mine": struct_array(coords=tracks()), "note": "unrelated"})
    tree = read([path])
    validate(tree, subject="mine")
    assert set(decode(tree["neuron"]["status"])) == {"unlabelled"}
    assert [(item["code"], item["place"]) for item in tree.attrs["warnings"]] == [("not-stored", "note")]


def test_several_names_of_one_track_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "names.mat"
    names = [np.array(["AVAL", "AVAR"], dtype=object).reshape(1, 2), "VB02"]
    scipy.io.savemat(path, {"n": struct_array(coords=tracks()), "neurons_identified": identities([2, 3], names)})
    neuron = read([path])["neuron"]
    assert list(zip(neuron["roi"].values, neuron["raw_label"].values, neuron["neuron"].values, strict=True)) == [
        ("1", "", ""),
        ("2", "AVAL", "AVAL"),
        ("2", "AVAR", "AVAR"),
        ("3", "VB02", "VB2"),
    ]


def test_which_tracks_is_asked_where_there_are_two(tmp_path: Path) -> None:
    path = tmp_path / "two.mat"
    scipy.io.savemat(path, {"raw": struct_array(coords=tracks(2)), "clean": struct_array(coords=tracks(3))})
    with pytest.raises(UsageError, match="several variables"):
        read([path])
    assert read([path], tracks="clean")["activity"].sizes["channel"] == 3
    with pytest.raises(UsageError, match="no such tracks"):
        read([path], tracks="other")


def test_tracks_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mat"

    def refuse(**variables) -> FormatError:
        scipy.io.savemat(path, variables)
        with pytest.raises(FormatError) as caught:
            read([path])
        assert caught.value.subject == str(path)
        return caught.value

    uneven = tracks()
    uneven[1] = uneven[1][:-1]
    assert refuse(n=struct_array(coords=uneven)).place == "n.coords"
    assert refuse(n=struct_array(coords=[one[:, :4] for one in tracks()])).place == "n.coords"
    skipping = tracks()
    skipping[2][4, 3] = 9
    assert refuse(n=struct_array(coords=skipping)).place == "n(3).coords(5,4)"
    error = refuse(n=struct_array(coords=tracks()), neurons_identified=identities([4], ["AVAL"]))
    assert error.place == "neurons_identified.id"
    error = refuse(n=struct_array(coords=tracks()), neurons_identified=identities([1, 2], ["AVAL"]))
    assert "2 ids, 1 names" in str(error.found)
    assert refuse(hand_a=np.zeros((3, 4))).place == "hand_a"
    assert refuse(something=np.zeros(3)).found == "something"


def test_a_cut_or_foreign_file_is_refused(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / FOLDER / "Dataset2.mat").read_bytes()
    cut = tmp_path / "cut.mat"
    cut.write_bytes(whole[:100_000])
    with pytest.raises(TruncatedError) as caught:
        read([cut])
    assert caught.value.subject == str(cut)
    renamed = tmp_path / "renamed.mat"
    renamed.write_bytes((data_dir / "worm/zephir_demo/worldlines.h5").read_bytes())
    assert not sniff(renamed)
    with pytest.raises(FormatError, match="not a MAT-file"):
        read([renamed])
    with pytest.raises(UsageError, match="one file"):
        read([cut, cut])
