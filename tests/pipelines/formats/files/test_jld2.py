"""JLD2 into plain values: on files made here with h5py in JLD2's layout, and on the label file of Dag et al. 2023."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from connectome.errors import ConnectomeError, FormatError, NotFoundError, TruncatedError
from connectome.pipelines.formats.files.jld2 import as_dict, read_jld2
from connectome.pipelines.formats.worms.neuropal_labels import label_groups, labelled_animals, read_labels
from connectome.schema import decode

PAIR = np.dtype([("first", h5py.ref_dtype), ("second", h5py.ref_dtype)])
LABELS = "worm/dag2023/NeuroPAL_labels_dict.jld2"


class Writer:
    """Writes values as JLD2 does: everything behind references."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.count = 0

    def value(self, value):
        self.count += 1
        place = f"_values/{self.count}"
        if value is None:
            return self.file.create_dataset(place, data=h5py.Empty("V1")).ref
        if isinstance(value, dict):
            pairs = np.array([(self.value(k), self.value(v)) for k, v in value.items()], dtype=PAIR)
            return self.file.create_dataset(place, data=pairs, dtype=PAIR).ref
        if isinstance(value, list):
            references = np.array([self.value(item) for item in value], dtype=h5py.ref_dtype)
            return self.file.create_dataset(place, data=references, dtype=h5py.ref_dtype).ref
        if isinstance(value, str):
            return self.file.create_dataset(place, data=np.bytes_(value.encode())).ref
        return self.file.create_dataset(place, data=value).ref

    def variable(self, name, value) -> None:
        self.file.create_dataset(name, data=self.value(value), dtype=h5py.ref_dtype)


@pytest.fixture
def write(tmp_path: Path):
    def make(**variables) -> Path:
        path = tmp_path / "made.jld2"
        with h5py.File(path, "w", userblock_size=512) as file:
            writer = Writer(file)
            for name, value in variables.items():
                writer.variable(name, value)
        return path

    return make


def test_numbers_text_lists_and_missing_values_come_back(write) -> None:
    path = write(found={"a": 3, "b": "übung", "c": [1.5, None, "x"], "d": np.arange(4.0)})
    found = as_dict(read_jld2(path)["found"], subject="made", place="/found")
    assert found["a"] == 3
    assert found["b"] == "übung"
    assert found["c"] == [1.5, None, "x"]
    assert found["d"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_entries_of_a_dictionary_can_be_left_unread(write) -> None:
    path = write(top={"wanted": {"x": 1}, "other": {"y": 2}})
    seen = []

    def skip(place: str) -> bool:
        seen.append(place)
        return place == "/top/other"

    top = as_dict(read_jld2(path, skip=skip)["top"], subject="made", place="/top")
    assert top["other"] is None
    assert as_dict(top["wanted"], subject="made", place="/top/wanted") == {"x": 1}
    assert "/top/other/y" not in seen


def test_values_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.jld2"
    with h5py.File(path, "w") as file:
        loop = file.create_dataset("loop", (1,), dtype=h5py.ref_dtype)
        loop[0] = loop.ref
    with pytest.raises(FormatError, match="contain themselves") as caught:
        read_jld2(path)
    assert str(path) in str(caught.value)


def test_a_million_paths_to_one_object_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.jld2"
    with h5py.File(path, "w") as file:
        below = file.create_dataset("_0", data=1.0).ref
        for level in range(1, 21):
            node = file.create_dataset(f"_{level}", (10,), dtype=h5py.ref_dtype)
            node[...] = [below] * 10
            below = node.ref
        file.create_dataset("top", data=below, dtype=h5py.ref_dtype)
    top = read_jld2(path)["top"]
    assert top[0] is top[9]


def test_a_reference_to_nothing_is_none(tmp_path: Path) -> None:
    path = tmp_path / "null.jld2"
    with h5py.File(path, "w") as file:
        file.create_dataset("empty", (), dtype=h5py.ref_dtype)
    assert read_jld2(path) == {"empty": None}


@pytest.mark.parametrize("value", [[1, 2], [{"x": 1}], 3.5, "text"])
def test_what_is_no_vector_of_pairs_is_no_dictionary(value) -> None:
    with pytest.raises(FormatError, match="not a dictionary"):
        as_dict(value, subject="made", place="/x")


def test_a_key_that_comes_twice_is_refused() -> None:
    with pytest.raises(FormatError, match="twice"):
        as_dict([{"first": "a", "second": 1}, {"first": "a", "second": 2}], subject="made", place="/x")


@pytest.mark.parametrize("content", [b"", b"no JLD2 at all", bytes(range(256)) * 40])
def test_what_is_not_hdf5_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.jld2"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="not an HDF5 file") as caught:
        read_jld2(path)
    assert caught.value.subject == str(path)


def test_a_label_file_of_another_shape_is_refused(write) -> None:
    with pytest.raises(FormatError, match="no labels"):
        labelled_animals(write(something={"else": 1}))
    broken = {"dict_match_dict": {"worm": {"1": 1}}}
    with pytest.raises(FormatError, match="not the matches of an animal"):
        read_labels(write(NeuroPAL_labels=broken), uid="worm")


def test_a_cut_label_file_is_refused_as_truncated(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / LABELS).read_bytes()
    cut = tmp_path / "cut.jld2"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedError) as caught:
        labelled_animals(cut)
    assert caught.value.subject == str(cut)


def test_overwritten_bytes_raise_only_our_errors(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / LABELS).read_bytes()
    random = np.random.default_rng(7)
    damaged = tmp_path / "damaged.jld2"
    refused = 0
    for n_bytes in [2, 10, 400] * 6:
        content = bytearray(whole)
        for at in random.integers(0, len(whole), n_bytes):
            content[at] = int(random.integers(256))
        damaged.write_bytes(bytes(content))
        try:
            read_labels(damaged, uid="2022-07-27-38")
        except ConnectomeError:
            refused += 1
    assert refused > 0


def test_the_label_file_holds_eight_animals_and_814_labels(data_dir: Path) -> None:
    path = data_dir / LABELS
    animals = labelled_animals(path)
    assert animals == [
        "2022-07-26-31", "2022-07-26-38", "2022-07-27-31", "2022-07-27-38",
        "2022-07-27-45", "2022-08-02-31", "2022-08-02-38", "2022-08-03-31",
    ]  # fmt: skip
    labels = {animal: read_labels(path, uid=animal) for animal in animals}
    assert [len(rows) for rows in labels.values()] == [100, 87, 104, 94, 109, 104, 110, 106]
    assert sum("?" in row.label for rows in labels.values() for row in rows) == 24


def test_an_animal_that_the_label_file_does_not_know_is_named(data_dir: Path) -> None:
    with pytest.raises(NotFoundError, match=r"found:    2022-07-27-4$"):
        read_labels(data_dir / LABELS, uid="2022-07-27-4")


def test_labels_agree_with_a_raw_walk_through_the_references(data_dir: Path) -> None:
    """The second route: h5py alone, following references by hand."""
    path = data_dir / LABELS
    with h5py.File(path) as file:

        def follow(found):
            while isinstance(found, h5py.Reference):
                found = file[found][()]
            return found

        def text(found):
            value = follow(found)
            return value.decode() if isinstance(value, bytes) else value

        def pairs(found):
            entries = [follow(item) for item in follow(found)]
            return {text(entry["first"]): entry["second"] for entry in entries}

        animals = pairs(pairs(file["NeuroPAL_labels"][()])["dict_match_dict"])
        by_hand = {}
        for animal, found in animals.items():
            matches = pairs(follow(found)["1"])
            by_hand[animal] = {
                int(roi): (text(fields["label"]), float(follow(fields["confidence"])))
                for roi, fields in ((roi, pairs(match)) for roi, match in matches.items())
            }
    assert sum(map(len, by_hand.values())) == 814
    for animal, rois in by_hand.items():
        assert {row.roi: (row.label, row.confidence) for row in read_labels(path, uid=animal)} == rois


def test_no_label_is_changed_except_for_zero_padding(data_dir: Path) -> None:
    """Regression for an earlier corpus, where 29 of these 814 labels became other names by likeness."""
    groups, warnings = label_groups(data_dir / LABELS)
    assert warnings == []
    table = {name: decode(groups["label"][name]) for name in ("raw_label", "neuron", "status", "candidates")}
    counts = {str(status): int((table["status"] == status).sum()) for status in set(table["status"])}
    assert counts == {"exact": 785, "normalised": 3, "ambiguous": 24, "duplicate": 2}
    changed = [(raw, name) for raw, name in zip(table["raw_label"], table["neuron"], strict=True) if raw != name]
    assert sorted(set(changed)) == sorted({("VB02", "VB2"), *((raw, "") for raw, _ in changed if raw.endswith("?"))})
    doubtful = table["status"] == "ambiguous"
    assert all(raw.endswith("?") for raw in table["raw_label"][doubtful])
    assert all(len(items.split()) > 1 for items in table["candidates"][doubtful])
    assert set(table["raw_label"][table["status"] == "duplicate"]) == {"URADL"}
