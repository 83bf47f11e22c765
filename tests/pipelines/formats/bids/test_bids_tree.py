"""BIDS trees: names, one walk, tables and sidecars, as real datasets have them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats.bids.entities import ORDER, parse_name
from connectome.pipelines.formats.bids.sidecars import applicable, inherited, read_json
from connectome.pipelines.formats.bids.tree import BidsTree, scan
from connectome.pipelines.formats.bids.tsv import read_rows, typed_columns
from connectome.schema import decode
from support import bids_trees


@pytest.fixture(scope="module")
def ideas(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> BidsTree:
    """The tree of ds005602 as a clone without data."""
    root = tmp_path_factory.mktemp("ideas") / "ds005602"
    return scan(bids_trees.rebuild(data_dir / "mri" / "ideas" / "openneuro_ds005602", root))


@pytest.fixture(scope="module")
def expected(data_dir: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((data_dir / "mri" / "ideas" / "expected.json").read_text())["bids"]
    return found


@pytest.mark.data
def test_the_tree_of_ideas_has_its_subjects_images_and_bytes(ideas, expected) -> None:
    images = [file for file in ideas.files if file.pointer is not None]
    assert len(ideas.subjects) == expected["subject_dirs"]
    assert sum(file.name.suffix == "T1w" for file in images) == expected["T1w"]
    assert sum(file.name.suffix == "FLAIR" for file in images) == expected["FLAIR"]
    assert sum(file.pointer.size_bytes for file in images) == expected["image_bytes_total"]
    assert {file.datatype for file in images} == {"anat"}
    assert ideas.subjects[:3] == ("1", "2", "3")
    assert len(ideas.files) == 2075 - 1  # without .datalad/config


@pytest.mark.data
def test_a_link_to_what_was_not_fetched_says_its_size_and_checksum(ideas) -> None:
    found = ideas.find("sub-1/anat/sub-1_T1w.nii.gz")
    assert (found.pointer.system, found.pointer.size_bytes) == ("git-annex", 4950238)
    assert found.pointer.sha256 == "8643281149ddff406a1763341349a0ce2f248f1a624e8f4338d24de19b39d09f"
    assert "4950238 bytes" in str(found.pointer)


@pytest.mark.data
def test_null_of_a_sidecar_stays_null(ideas) -> None:
    file = ideas.find("sub-4021/anat/sub-4021_FLAIR.nii.gz")
    found = inherited(ideas.root, applicable(file, ideas.of("4021")))
    assert found["Dimensions"] is None
    assert found["ColString"] is None
    assert isinstance(found["FlipAngle"], int)


@pytest.mark.parametrize(
    ("name", "pairs", "suffix", "extension"),
    [
        ("sub-1_T1w.nii.gz", (("sub", "1"),), "T1w", ".nii.gz"),
        ("sub-1_ses-2_task-rest_run-01_bold.json",
         (("sub", "1"), ("ses", "2"), ("task", "rest"), ("run", "01")), "bold", ".json"),
        ("participants.tsv", (), "participants", ".tsv"),
        ("sub-1_space-orig_desc-resection_mask.nii.gz",
         (("sub", "1"), ("space", "orig"), ("desc", "resection")), "mask", ".nii.gz"),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart(name, pairs, suffix, extension) -> None:
    found = parse_name(name)
    assert (found.entities, found.suffix, found.extension) == (pairs, suffix, extension)
    assert found.is_ordered


@pytest.mark.parametrize("name", ["sub-1__T1w.nii", "sub_1_T1w.nii", "sub-1_sub-2_T1w.nii", "sub-1_FLAIR_roi.nii.gz"])
def test_a_name_of_another_form_is_none(name) -> None:
    assert parse_name(name) is None


def test_entities_out_of_order_are_seen_and_can_be_put_in_order() -> None:
    found = parse_name("sub-1_desc-x_space-orig_mask.nii.gz")
    assert not found.is_ordered
    assert [key for key, _ in found.ordered] == ["sub", "space", "desc"]
    assert list(ORDER) == sorted(ORDER, key=ORDER.index)


def test_the_order_of_entities_is_that_of_the_schema_of_bids() -> None:
    from importlib.resources import files

    stated = json.loads(files("bidsschematools").joinpath("data/schema.json").read_text())
    order = [stated["objects"]["entities"][name]["name"] for name in stated["rules"]["entities"]]
    assert [name for name in order if name in ORDER] == list(ORDER)


def test_pointers_of_annex_and_lfs_are_named_and_short_files_of_their_own_are_not(tmp_path) -> None:
    sha256 = "ab" * 32
    bids_trees.write(
        tmp_path,
        {
            "sub-1/anat/sub-1_T1w.nii.gz": f"/annex/objects/SHA256E-s123--{sha256}.nii.gz\n",
            "sub-1/anat/sub-1_T2w.nii.gz": f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 77",
            "sub-1/anat/sub-1_FLAIR.nii.gz": b"\x1f\x8bshort, and no pointer",
            "sub-1/anat/sub-1_T1w.json": "{}",
        },
    )
    bids_trees.annex_link(tmp_path / "sub-1/anat/sub-1_PDw.nii.gz", 9, sha256)
    (tmp_path / "sub-1/anat/sub-1_angio.nii.gz").symlink_to("nowhere")
    tree = scan(tmp_path)
    found = {file.name.suffix + file.name.extension: file.pointer for file in tree.files}
    assert (found["T1w.nii.gz"].system, found["T1w.nii.gz"].size_bytes) == ("git-annex", 123)
    assert (found["T2w.nii.gz"].system, found["T2w.nii.gz"].size_bytes) == ("git-lfs", 77)
    assert (found["PDw.nii.gz"].size_bytes, found["PDw.nii.gz"].sha256) == (9, sha256)
    assert found["angio.nii.gz"].system == "link"
    assert found["FLAIR.nii.gz"] is None
    assert found["T1w.json"] is None


def test_sidecars_are_inherited_from_the_root_down_and_null_overrides(tmp_path) -> None:
    bids_trees.write(
        tmp_path,
        {
            "T1w.json": {"EchoTime": 1, "FlipAngle": 9},
            "acq-a_T1w.json": {"FlipAngle": 8},
            "T2w.json": {"EchoTime": 99},
            "sub-1/sub-1_T1w.json": {"FlipAngle": None},
            "sub-1/anat/sub-1_acq-a_T1w.json": {"Site": "x"},
            "sub-1/anat/sub-1_acq-a_T1w.nii": b"",
        },
    )
    tree = scan(tmp_path)
    files = applicable(tree.find("sub-1/anat/sub-1_acq-a_T1w.nii"), tree.files)
    assert [file.path for file in files] == [
        "T1w.json", "acq-a_T1w.json", "sub-1/sub-1_T1w.json", "sub-1/anat/sub-1_acq-a_T1w.json",
    ]  # fmt: skip
    assert inherited(tmp_path, files) == {"EchoTime": 1, "FlipAngle": None, "Site": "x"}


def test_two_equally_specific_sidecars_of_one_folder_are_refused(tmp_path) -> None:
    bids_trees.write(
        tmp_path, {"acq-a_T1w.json": {}, "run-1_T1w.json": {}, "sub-1/anat/sub-1_acq-a_run-1_T1w.nii": b""}
    )
    tree = scan(tmp_path)
    with pytest.raises(FormatError, match="two sidecars"):
        applicable(tree.find("sub-1/anat/sub-1_acq-a_run-1_T1w.nii"), tree.files)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1]", "not a JSON object"),
        (b'{"a": NaN}', "not a JSON number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"{", "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path, content, reason) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        read_json(path)


def test_marks_line_ends_and_blank_lines_do_not_change_a_table(tmp_path) -> None:
    plain, windows = tmp_path / "a.tsv", tmp_path / "b.tsv"
    plain.write_bytes(b"participant_id\tage\nsub-1\tn/a\nsub-2\t3\n")
    windows.write_bytes(b"\xef\xbb\xbfparticipant_id\tage\r\nsub-1\tn/a\r\n\r\nsub-2\t3\r\n")
    assert read_rows(plain) == read_rows(windows) == [
        {"participant_id": "sub-1", "age": "n/a"}, {"participant_id": "sub-2", "age": "3"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a\tb\n1\n", "line 2"),
        (b"a\tb\n1\t2\n1\t2\t3\n", "line 3"),
        (b"a\ta\n1\t2\n", "line 1"),
        (b"a\t\n1\t2\n", "line 1"),
    ],
)
def test_ragged_rows_and_doubled_names_are_refused_with_the_line(tmp_path, content, place) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_rows(path)
    assert caught.value.place == place


def test_an_empty_table_is_refused(tmp_path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"")
    with pytest.raises(TruncatedError):
        read_rows(path)


def test_columns_have_the_types_of_the_whole_table() -> None:
    among = [
        {"id": "01", "n": "3", "x": "1.5", "some": "n/a", "yes": "TRUE", "word": "a", "group": "p", "comma": "1,5"},
        {"id": "02", "n": "4", "x": "2", "some": "7", "yes": "n/a", "word": "n/a", "group": "n/a", "comma": "2"},
    ]
    described = {"group": {"Levels": {"c": "control", "p": "patient"}, "Description": "Group"}, "x": {"Units": "mm"}}
    columns, warnings = typed_columns(among[:1], table="t.tsv", described=described, among=among)
    assert warnings == []
    assert decode(columns["id"]).tolist() == ["01"]  # a padded number is a name
    assert columns["n"].dtype == np.int64
    assert columns["x"].attrs["units"] == "mm"
    assert math.isnan(columns["some"].values[0])
    assert columns["some"].dtype == np.float64
    assert decode(columns["yes"]).tolist() == ["true"]
    assert decode(columns["group"]).tolist() == ["p"]
    assert columns["group"].attrs["flag_descriptions"] == ["control", "patient"]
    assert decode(columns["comma"]).tolist() == ["1,5"]  # a decimal comma depends on who reads it: text


def test_a_value_that_the_levels_do_not_have_is_kept_and_told() -> None:
    rows = [{"g": "x"}, {"g": "a"}]
    columns, warnings = typed_columns(rows, table="t.tsv", described={"g": {"Levels": {"a": ""}}, "h": {"Units": "s"}})
    assert decode(columns["g"]).tolist() == ["x", "a"]
    assert [item["code"] for item in warnings] == ["unknown-levels", "described-without-column"]
