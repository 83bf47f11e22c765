"""Import of BIDS datasets: a record per patient, broken ones rejected, the census adding up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from connectome.cohorts import cohort_table
from connectome.cohorts.table import join_rows
from connectome.errors import FormatError, NotFoundError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.bids.dataset import divide
from connectome.pipelines.importing import import_files
from connectome.store import Repository
from connectome.store.opened import Version
from support import bids_trees
from support.ingesting import snapshot

if TYPE_CHECKING:
    from connectome.pipelines.ingest import IngestResult

SHAPE = (6, 5, 4)


def image(seed: int = 0) -> np.ndarray:
    """Return a small generated image."""
    return np.random.default_rng(seed).integers(0, 200, SHAPE, dtype=np.int16)


def mask() -> np.ndarray:
    """Return a small generated mask."""
    made = np.zeros(SHAPE, dtype=np.uint8)
    made[2:4, 1:3, 1:2] = 1
    return made


def generated(root: Path) -> Path:
    """Write a dataset of five people: with images, with a mask, truncated, only a row, only a folder."""
    broken = bids_trees.nifti(image(3))[:-50]
    return bids_trees.write(
        root,
        {
            "dataset_description.json": {"Name": "Generated", "BIDSVersion": "1.10.0", "License": "CC0"},
            "participants.tsv": (
                "\ufeffparticipant_id\tgroup\tage\tsplit\r\nsub-01\tpatient\t31\ttrain\r\nsub-02\tpatient\tn/a\ttest\r\n"
                "sub-03\tcontrol\t20\ttrain\r\nsub-04\tcontrol\t25\ttest\r\nsub-01\tpatient\t31\ttrain\r\n"
            ),
            "participants.json": {"group": {"Levels": {"control": "healthy", "patient": "ill"}}},
            "README": "words",
            "T1w.json": {"EchoTime": 0.01, "Note": None},
            "sub-01/anat/sub-01_T1w.nii.gz": image(1),
            "sub-01/anat/sub-01_T1w.json": {"FlipAngle": 9},
            "sub-01/anat/sub-01_FLAIR.nii.gz": image(2),
            "sub-01/func/sub-01_task-rest_bold.nii.gz": image(4),
            "sub-02/anat/sub-02_T1w.nii.gz": image(5),
            "derivatives/lesions/sub-02/anat/sub-02_desc-lesion_mask.nii.gz": mask(),
            "sub-03/anat/sub-03_T1w.nii": broken,
            "sub-05/anat/sub-05_ses-1_T1w.nii": bids_trees.nifti(image(6)),
            "sub-05/anat/sub-05_ses-2_T1w.nii": bids_trees.nifti(image(7)),
        },
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The generated dataset."""
    return generated(tmp_path / "data")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty store."""
    return Repository(tmp_path / "root")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IngestResult, Version]:
    """The generated dataset in a store that no test changes."""
    folder = tmp_path_factory.mktemp("imported")
    root = generated(folder / "data")
    repository = Repository(folder / "root")
    result = import_files(repository, [root], dataset="mine", format="bids")
    return root, result, version_of(repository)


def version_of(repository: Repository, dataset: str = "mine") -> Version:
    """Open the latest version."""
    return Version(repository, repository.find(dataset))


def test_every_patient_is_a_record_and_a_broken_one_is_rejected_with_the_reason(imported) -> None:
    dataset, result, _ = imported
    assert result.added == ("sub-01", "sub-02", "sub-04", "sub-05")
    rejected = {item["file"]: item for item in result.rejected}
    assert rejected["sub-03/anat/sub-03_T1w.nii"]["kind"] == "truncated"
    assert str(dataset) not in json.dumps(result.as_dict())
    assert rejected["sub-01/func/sub-01_task-rest_bold.nii.gz"]["kind"] == "not-data"
    n_files = sum(path.is_file() for path in dataset.rglob("*"))
    assert result.census.seen == n_files
    assert result.census.used + result.census.rejected == n_files


def test_images_labels_and_the_row_are_in_the_record(imported) -> None:
    version = imported[2]
    first, second = version.open("sub-01"), version.open("sub-02")
    np.testing.assert_array_equal(first["t1w/image"].values, image(1))
    np.testing.assert_array_equal(first["flair/image"].values, image(2))
    assert first["t1w"].attrs["sidecar"] == {"EchoTime": 0.01, "Note": None, "FlipAngle": 9}
    labels = second["labels/lesion"]
    assert labels.attrs["aligned_to"] == "t1w"
    assert labels.attrs["max_corner_error_mm"] == 0.0
    assert (labels["label_id"].values.tolist(), labels["label_voxels"].values.tolist()) == ([1], [4])
    assert "ses-1_t1w" in version.open("sub-05").children
    table = cohort_table(version)
    assert table.loc["sub-01", "age"] == 31
    assert np.isnan(table.loc["sub-02", "age"])
    assert table["group"].cat.categories.tolist() == ["control", "patient"]


def test_what_does_not_match_is_told_on_both_sides(imported) -> None:
    found = imported[2].warnings.groupby("record")["code"].apply(set).to_dict()
    assert "row-without-folder" in found["sub-04"]
    assert "folder-without-row" in found["sub-05"]
    assert "duplicate-row" in found["sub-01"]
    assert "sub-02" not in found


def test_a_second_import_reads_nothing_and_makes_no_version(dataset, repository, monkeypatch) -> None:
    (dataset / "sub-03/anat/sub-03_T1w.nii").unlink()
    (dataset / "sub-05/anat/sub-05_ses-2_T1w.nii").unlink()
    import_files(repository, [dataset], dataset="mine")
    before = snapshot(repository.path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("connectome.pipelines.formats.volumes.nifti.read", refuse)
    again = import_files(repository, [dataset], dataset="mine")
    assert not again.created
    assert set(again.reused) == {"sub-01", "sub-02", "sub-03", "sub-04", "sub-05"}
    assert snapshot(repository.path) == before


def test_one_changed_patient_changes_one_record(dataset, repository) -> None:
    import_files(repository, [dataset], dataset="mine")
    bids_trees.write(dataset, {"sub-02/anat/sub-02_T1w.nii.gz": image(50)})
    again = import_files(repository, [dataset], dataset="mine")
    assert again.changed == ("sub-02",)
    assert "sub-01" in again.reused


def test_one_record_can_be_asked_for(dataset, repository) -> None:
    result = import_files(repository, [dataset], dataset="mine", record="sub-02")
    assert result.added == ("sub-02",)
    with pytest.raises(NotFoundError):
        import_files(repository, [dataset], dataset="mine", record="sub-77")


def test_where_nobody_can_be_read_the_root_stays_as_it_was(dataset, repository) -> None:
    with pytest.raises(FormatError):
        import_files(repository, [dataset], dataset="mine", record="sub-03")
    assert not repository.path.exists() or snapshot(repository.path) == {}


def test_contradicting_rows_refuse_the_patient_and_nobody_else(dataset, repository) -> None:
    with (dataset / "participants.tsv").open("a", encoding="utf-8") as table:
        table.write("sub-02\tcontrol\tn/a\ttest\r\n")
    result = import_files(repository, [dataset], dataset="mine")
    assert "sub-02" not in result.added
    assert "sub-01" in result.added
    reasons = [item["reason"] for item in result.rejected if "sub-02" in item["file"]]
    assert any("'patient' and 'control'" in reason for reason in reasons)


def test_a_mask_on_another_grid_refuses_the_patient(dataset, repository) -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 1.0
    path = dataset / "derivatives/lesions/sub-02/anat/sub-02_desc-lesion_mask.nii.gz"
    path.unlink()
    bids_trees.write(dataset, {str(path.relative_to(dataset)): bids_trees.nifti(mask(), shifted)})
    result = import_files(repository, [dataset], dataset="mine")
    assert "sub-02" not in result.added
    assert any("grid" in item["reason"] for item in result.rejected if "lesion_mask" in item["file"])


def test_images_that_cannot_be_told_apart_refuse_their_patient_and_nobody_else(dataset, repository) -> None:
    bids_trees.write(dataset, {"sub-02/anat/sub-02_T1w.nii": bids_trees.nifti(image(8))})
    result = import_files(repository, [dataset], dataset="mine")
    assert "sub-02" not in result.added
    assert "sub-01" in result.added
    reasons = {item["file"]: item["reason"] for item in result.rejected}
    assert "cannot be told apart" in reasons["sub-02/anat/sub-02_T1w.nii"]
    assert result.census.seen == sum(path.is_file() for path in dataset.rglob("*"))


def test_a_sidecar_of_a_folder_of_derivatives_is_inherited(tmp_path) -> None:
    root = bids_trees.write(
        tmp_path / "data",
        {
            "dataset_description.json": {"Name": "x"},
            "T1w.json": {"Weak": 1, "Site": "a"},
            "derivatives/pre/desc-x_T1w.json": {"Weak": 2},
            "derivatives/pre/sub-1/anat/sub-1_desc-x_T1w.nii.gz": image(1),
        },
    )
    assert read(root, format="bids")["desc-x_t1w"].attrs["sidecar"] == {"Weak": 2, "Site": "a"}


def test_columns_that_only_surgery_makes_known_are_marked_as_asked(dataset) -> None:
    subject = read(dataset, format="bids", subject="01", post_op="group")["subject"].to_dataset()
    assert {str(name): item.attrs.get("available") for name, item in subject.variables.items()} == {
        "participant_id": None, "group": "post_op", "age": None, "split": None,
    }  # fmt: skip
    with pytest.raises(UsageError, match="no such column"):
        read(dataset, format="bids", subject="01", post_op="pathology")


def test_a_link_to_a_folder_is_told_and_not_followed(dataset, repository) -> None:
    (dataset / "sub-02" / "anat" / "back").symlink_to(dataset)
    result = import_files(repository, [dataset], dataset="mine", record="sub-02")
    reasons = {item["file"]: item["reason"] for item in result.rejected}
    assert "not followed" in reasons["sub-02/anat/back"]


def test_images_that_were_not_fetched_are_listed_with_their_size(dataset, repository) -> None:
    (dataset / "sub-02/anat/sub-02_T1w.nii.gz").unlink()
    (dataset / "derivatives/lesions/sub-02/anat/sub-02_desc-lesion_mask.nii.gz").unlink()
    bids_trees.annex_link(dataset / "sub-02/anat/sub-02_T1w.nii.gz", 4711, "cd" * 32)
    result = import_files(repository, [dataset], dataset="mine")
    assert "sub-02" in result.added
    told = next(item for item in result.rejected if item["file"].endswith("sub-02_T1w.nii.gz"))
    assert told["kind"] == "unavailable"
    assert "4711 bytes" in told["reason"]


def test_a_region_drawn_on_an_image_belongs_to_it(tmp_path, repository) -> None:
    """The dialect of ds004199: ``..._FLAIR_roi``, a BOM, line ends of Windows, and the publisher's own split."""
    root = bids_trees.write(
        tmp_path / "bonn",
        {
            "participants.tsv": "\ufeffparticipant_id\tsplit\r\nsub-00001\ttrain\r\nsub-00002\ttest\r\n",
            "sub-00001/anat/sub-00001_acq-sag111_T1w.nii.gz": image(1),
            "sub-00001/anat/sub-00001_acq-T2sel_FLAIR.nii.gz": image(2),
            "sub-00001/anat/sub-00001_acq-T2sel_FLAIR_roi.nii.gz": mask(),
            "sub-00002/anat/sub-00002_acq-sag111_T1w.nii.gz": image(3),
        },
    )
    import_files(repository, [root], dataset="mine")
    version = version_of(repository)
    assert version.open("sub-00001")["labels/roi"].attrs["aligned_to"] == "flair"
    assert version.records.set_index("record")["split"].to_dict() == {"sub-00001": "train", "sub-00002": "test"}


def test_a_dataset_is_recognised_and_one_patient_can_be_read_without_a_store(dataset) -> None:
    assert recognise([dataset]).name == "bids"
    assert read(dataset, subject="01")["t1w/image"].shape == SHAPE
    with pytest.raises(UsageError, match="has to be named"):
        read(dataset)


@pytest.mark.data
def test_the_cohort_of_unam_has_its_counts_and_its_inverted_code_book_is_told(data_dir, tmp_path) -> None:
    source = data_dir / "mri" / "openneuro_ds004469"
    expected = json.loads((source / "expected.json").read_text())
    division = divide([bids_trees.rebuild(source, tmp_path / "ds004469")])
    trees = {portion.record: portion.read() for portion in division.portions}
    table = join_rows({name: tree["subject"].to_dataset() for name, tree in trees.items()})
    assert len(table) == expected["participants"]
    for column in ("Group", "TLEside", "gender", "hasMTS"):
        assert table[column].value_counts().to_dict() == expected[column]
    assert table["age"].mean() == pytest.approx(expected["mean_age"], abs=1e-4)
    assert table["IQ"].notna().sum() == expected["n_IQ"]
    assert table["L.hipp_Volume"].notna().sum() == expected["n_left_hippocampus"]
    told = pd.DataFrame([{"record": name, **item} for name, tree in trees.items() for item in tree.attrs["warnings"]])
    assert sorted(told[told.code == "row-without-folder"].record) == expected["rows_without_a_directory"]
    inverted = told[told.code == "code-book-inverted"].message.iloc[0]
    assert "'hasMTS' is 'yes' for all 35 healthy" in inverted
    assert "Treatments" in told[told.code == "described-without-column"].message.iloc[0]
    absent = [item.file for item in division.unused if item.kind == "unavailable"]
    assert len(absent) == expected["subject_dirs"]
    assert all(path.endswith("_T1w.nii.gz") for path in absent)
