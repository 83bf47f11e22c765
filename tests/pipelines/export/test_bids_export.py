"""Export to BIDS: names that the validator takes, bytes that come back, the same files every time."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from bids_validator import BIDSValidator

from connectome import schema
from connectome.errors import UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.export import export, remarks
from connectome.pipelines.export.bids import plan_record
from connectome.pipelines.export.versions import export_version
from connectome.pipelines.importing import import_files
from connectome.pipelines.ingest import ingest
from connectome.schema import decode
from connectome.store import Repository, open_version
from support import bids_trees, volume_records

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version


def files_of(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def bring_back(folder: Path, root: Path) -> Version:
    import_files(Repository(root), [folder], dataset="back", format="bids", options={})
    return open_version("back", root=root)


@pytest.fixture(scope="module")
def ideas(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Two real patients and a control, with masks of resections."""
    root = tmp_path_factory.mktemp("ideas") / "store"
    mirror, select = data_dir / "mri", "sub-1,sub-5,sub-4012"
    ingest(Repository(root), "ideas-epilepsy", select=select, mirror=mirror, allow_missing=True)
    return open_version("ideas-epilepsy", root=root)


def generated() -> dict[str, xr.DataTree]:
    """Make two people with images of several sessions, a mask, a segmentation and a volume without a place."""
    shape = (8, 9, 10)
    boxes = {11: (slice(0, 2),) * 3, 1002: (slice(4, 6),) * 3}
    columns = {
        "participant_id": schema.column("row", ["sub-A1"], "Participant"),
        "weight": schema.column("row", np.array([61.5]), "Weight", "kg"),
        "ilae_year1": schema.category("row", ["2"], ["1", "2"], "Outcome", ordered=True, available="post_op"),
        "left_handed": schema.category("row", ["true"], ["false", "true"], "Whether left-handed"),
        "note": schema.column("row", [""], "Remark"),
    }
    image = volume_records.blob(shape)
    groups = {
        "ses-1_t1w": volume_records.image_group(image, sidecar={"EchoTime": 0.003, "FlipAngle": None}),
        "ses-2_t1w": volume_records.image_group(image[::-1].astype(np.int16) - 100, slope=2.5, intercept=1.0),
        "labels/ses-1_lesion": volume_records.label_group(
            volume_records.boxes(shape, {1: (slice(1, 4),) * 3}), aligned_to="ses-1_t1w", max_corner_error_mm=0.0
        ),
        "labels/ses-1_aparc+aseg": volume_records.label_group(
            volume_records.boxes(shape, boxes, "int32"), label_names={11: "Left-Caudate"}, aligned_to="ses-1_t1w",
            max_corner_error_mm=0.0,
        ),
        "heatmap": volume_records.image_group(image),
    }  # fmt: skip
    other = {"flair": volume_records.image_group(image)}
    return {"sub-A1": volume_records.patient(groups, columns), "B.2": volume_records.patient(other)}


@pytest.fixture
def made(all_kinds: Any, tmp_path: Path) -> Version:
    about = {"title": "Generated people", "licence": "CC0-1.0", "species": ["Homo sapiens"]}
    return all_kinds.commit(tmp_path / "store", generated(), dataset="made", about=about)


def test_real_patients_come_back_with_the_same_voxels_and_headers(ideas: Version, tmp_path: Path) -> None:
    folder, left = export_version(ideas, to="bids", destination=tmp_path / "out")
    assert set(left) == {"sub-1", "sub-5", "sub-4012"}
    names = files_of(folder[0])
    assert all(BIDSValidator().is_bids(f"/{name}") for name in names)
    # Below a folder of derivatives the validator takes any name: ask it as if their folder were the root.
    inner = [name.partition("connectome/")[2] for name in names if name.startswith("derivatives/")]
    assert [name for name in inner if not BIDSValidator().is_bids(f"/{name.replace('_space-orig', '')}")] == [
        f"sub-{number}/anat/sub-{number}_space-orig_desc-resection_mask.{suffix}"
        for number in (1, 5)
        for suffix in ("json", "nii.gz")
    ]
    back = bring_back(folder[0], tmp_path / "back")
    for record in ideas.manifest.records:
        before, after = ideas.open(record), back.open(record)
        volumes = [path for path, data in schema.groups(before) if schema.kind_of(data) == "volume"]
        assert volumes == [path for path, data in schema.groups(after) if schema.kind_of(data) == "volume"]
        for path in volumes:
            for name in ("image", "affine", "header"):
                np.testing.assert_array_equal(after[path][name].values, before[path][name].values)
            assert after[path].attrs.get("aligned_to") == before[path].attrs.get("aligned_to")
        assert decode(after["subject"]["pathology"].variable)[0] == decode(before["subject"]["pathology"].variable)[0]


def test_the_same_version_gives_the_same_bytes(made: Version, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_version(made, to="bids", destination=tmp_path / name)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_raw_images_masks_and_segmentations_have_their_names_and_tables(made: Version, tmp_path: Path) -> None:
    (folder,), left = export_version(made, to="bids", destination=tmp_path / "out")
    assert left == {"sub-A1": ["heatmap"]}
    assert set(files_of(folder)) == {
        "README",
        "dataset_description.json",
        "participants.json",
        "participants.tsv",
        "sub-A1/ses-1/anat/sub-A1_ses-1_T1w.json",
        "sub-A1/ses-1/anat/sub-A1_ses-1_T1w.nii.gz",
        "sub-A1/ses-2/anat/sub-A1_ses-2_T1w.nii.gz",
        "sub-B2/anat/sub-B2_FLAIR.nii.gz",
        "derivatives/connectome/dataset_description.json",
        "derivatives/connectome/sub-A1/ses-1/anat/sub-A1_ses-1_desc-aparc+aseg_dseg.json",
        "derivatives/connectome/sub-A1/ses-1/anat/sub-A1_ses-1_desc-aparc+aseg_dseg.nii.gz",
        "derivatives/connectome/sub-A1/ses-1/anat/sub-A1_ses-1_desc-aparc+aseg_dseg.tsv",
        "derivatives/connectome/sub-A1/ses-1/anat/sub-A1_ses-1_desc-lesion_mask.json",
        "derivatives/connectome/sub-A1/ses-1/anat/sub-A1_ses-1_desc-lesion_mask.nii.gz",
    }
    anat = folder / "derivatives/connectome/sub-A1/ses-1/anat"
    lines = (anat / "sub-A1_ses-1_desc-aparc+aseg_dseg.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["index", "name"], ["11", "Left-Caudate"], ["1002", "label 1002"],
    ]  # fmt: skip
    assert all(len(line.split("\t")[2]) == 7 for line in lines[1:])
    assert json.loads((anat / "sub-A1_ses-1_desc-lesion_mask.json").read_text()) == {
        "SpatialReference": "bids:raw:sub-A1/ses-1/anat/sub-A1_ses-1_T1w.nii.gz",
        "Sources": ["bids:raw:sub-A1/ses-1/anat/sub-A1_ses-1_T1w.nii.gz"],
        "Type": "Lesion",
    }
    assert (folder / "participants.tsv").read_text().splitlines() == [
        "participant_id\tilae_year1\tleft_handed\tnote\tweight",
        "sub-B2\tn/a\tn/a\tn/a\tn/a",
        "sub-A1\t2\ttrue\tn/a\t61.5",
    ]
    described = json.loads((folder / "participants.json").read_text())
    assert described["weight"] == {"Description": "Weight", "Units": "kg"}
    assert described["ilae_year1"] == {
        "Description": "Outcome", "Ordered": True, "Available": "post_op", "Levels": {"1": "1", "2": "2"},
    }  # fmt: skip
    about = json.loads((folder / "derivatives/connectome/dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Name"] == "connectome"
    assert about["GeneratedBy"][0]["Description"] == "export of made@1.0.0"


def test_generated_volumes_come_back_scaled_and_null_stays_null(made: Version, tmp_path: Path) -> None:
    (folder,), _ = export_version(made, to="bids", destination=tmp_path / "out")
    second = nibabel.load(folder / "sub-A1/ses-2/anat/sub-A1_ses-2_T1w.nii.gz")
    stored = made.open("sub-A1")["ses-2_t1w"]["image"].values
    np.testing.assert_array_equal(np.asarray(second.dataobj), stored * 2.5 + 1.0)
    back = bring_back(folder, tmp_path / "back").open("sub-A1")
    np.testing.assert_array_equal(back["ses-2_t1w"]["image"].values, stored)
    assert back["ses-1_t1w"].attrs["sidecar"] == {"EchoTime": 0.003, "FlipAngle": None}
    assert back["labels/aparc+aseg"]["label_id"].values.tolist() == [11, 1002]
    # The gzip header names no file and no time.
    head = (folder / "sub-A1/ses-2/anat/sub-A1_ses-2_T1w.nii.gz").read_bytes()[:10]
    assert head[3] == 0
    assert head[4:8] == bytes(4)


def test_entities_of_the_source_are_kept_though_the_record_needs_no_telling_apart(tmp_path: Path) -> None:
    image = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    source = bids_trees.write(
        tmp_path / "in",
        {
            "dataset_description.json": {"Name": "Made up", "BIDSVersion": "1.10.0"},
            "sub-3/anat/sub-3_acq-mprage_run-1_T1w.nii.gz": image,
        },
    )
    before = gzip.decompress((source / "sub-3/anat/sub-3_acq-mprage_run-1_T1w.nii.gz").read_bytes())
    version = bring_back(source, tmp_path / "store")
    assert "t1w" in version.open("sub-3").children
    (folder,), _ = export_version(version, to="bids", destination=tmp_path / "out")
    assert gzip.decompress((folder / "sub-3/anat/sub-3_acq-mprage_run-1_T1w.nii.gz").read_bytes()) == before


def test_one_record_is_a_dataset_of_one_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    tree = generated()["sub-A1"]
    tree.attrs["subject"] = "sub-A1"
    (folder,) = export(tree, to="bids", destination=tmp_path / "one")
    assert (folder / "participants.tsv").read_text().splitlines()[1].startswith("sub-A1\t61.5\t2\ttrue\tn/a")
    said = remarks(tree, to="bids")
    assert any(text.startswith("heatmap: its name is not of the form") for text in said)
    with pytest.raises(UsageError, match="whole records"):
        export(tree, to="bids", destination=tmp_path / "part", group="ses-1_t1w")


def test_what_has_no_place_or_no_name_of_its_own_is_refused(tmp_path: Path, all_kinds: Any) -> None:
    image = volume_records.image_group(volume_records.blob((4, 4, 4)))
    nameless = volume_records.patient({"heatmap": image})
    assert plan_record(nameless, "1")[0] == []
    with pytest.raises(UsageError, match="no volume"):
        export(nameless, to="bids", destination=tmp_path / "none")
    same = {"sub-1": volume_records.patient({"t1w": image}), "1": volume_records.patient({"t1w": image})}
    version = all_kinds.commit(tmp_path / "store", same, dataset="same")
    with pytest.raises(UsageError, match="labels"):
        export_version(version, to="bids", destination=tmp_path / "same")
    with pytest.raises(UsageError, match="one record"):
        export_version(version, to="zarr", destination=tmp_path / "zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_the_command_writes_a_dataset_without_what_identifies(made: Version, tmp_path: Path, capsys: Any) -> None:
    tree = generated()["B.2"]
    tree.attrs |= {"subject": "B.2", "species": "Homo sapiens"}
    tree["flair"].attrs["sidecar"] = {"EchoTime": 0.1, "PatientName": "DOE^JANE"}
    repository = made.repository
    from support.all_kinds import commit

    version = commit(Path(repository.root.name), {"B.2": tree}, dataset="named")
    target = tmp_path / "out"
    code = main(
        ["export", version.spec, "--to", "bids", "--strip", str(target), "--root", repository.root.name, "--json"]
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(target)
    assert json.loads((target / "sub-B2/anat/sub-B2_FLAIR.json").read_text()) == {"EchoTime": 0.1}
