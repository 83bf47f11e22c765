"""Volumes in the store: small, lossless, and out again as the bytes that came in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.pipelines.export import export
from connectome.pipelines.formats import read
from connectome.store import open_record, write_record
from connectome.volumes import align, canonical
from support.generated_records import generated_recipe

SUBJECTS = ("1", "5", "111", "4012")
MOST_BYTES = 8_500_000


def put(tree, folder: Path, record: str) -> Path:
    receipt = write_record(
        tree, folder / "set", record=record, recipe=generated_recipe(record), staging=folder / "staging"
    )
    return folder / "set" / receipt.file


@pytest.fixture(scope="module")
def stored(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the record files of four subjects: the image, and the mask where there is one."""
    images, folder = data_dir / "mri" / "ideas" / "images", tmp_path_factory.mktemp("ideas")
    made = {}
    for subject in SUBJECTS:
        path = images / "freesurfer_orig" / f"{subject}_freesurfer_orig.nii.gz"
        groups = {"space-orig_t1w": read(path, group="x")["x"].to_dataset(inherit=False)}
        mask = images / "masks" / subject / f"{subject}_MaskInOrig.nii.gz"
        if mask.is_file():
            label = read(mask, group="labels/x")["labels/x"].to_dataset(inherit=False)
            groups["labels/resection"] = align(label, groups["space-orig_t1w"], path="space-orig_t1w", subject=subject)
        made[subject] = put(schema.record(groups), folder, f"sub-{subject}")
    return made


@pytest.mark.data
def test_four_subjects_and_their_masks_take_less_than_two_thirds_of_their_gzip_files(stored):
    assert sum(path.stat().st_size for path in stored.values()) <= MOST_BYTES


@pytest.mark.data
def test_what_is_stored_is_valid_and_comes_out_as_the_bytes_that_came_in(stored, data_dir, tmp_path):
    images = data_dir / "mri" / "ideas" / "images"
    for subject, group, name in (
        ("5", "labels/resection", "masks/5/5_MaskInOrig.nii.gz"),
        ("4012", "space-orig_t1w", "freesurfer_orig/4012_freesurfer_orig.nii.gz"),
    ):
        tree = open_record(stored[subject])
        schema.validate(tree, subject=subject)
        destination = tmp_path / f"{subject}.nii"
        export(tree, to="nifti", destination=destination, group=group)
        assert destination.read_bytes() == gzip.decompress((images / name).read_bytes())


@pytest.mark.data
def test_facts_of_a_stored_mask_say_on_which_grid_it_lies(stored, data_dir):
    expected = json.loads((data_dir / "mri" / "ideas" / "masks_expected.json").read_text())
    for subject in SUBJECTS[:3]:
        facts = schema.measure(open_record(stored[subject]))["/labels/resection"]
        assert facts["n_labelled"] == expected[subject]["mask_voxels"]
        assert facts["aligned_to"] == "space-orig_t1w"
        assert facts["max_corner_error_mm"] < 0.003


KINDS = [(dtype, role) for dtype in ("u1", "i2", "f4", "f8", "b1") for role in ("image", "labels")] + [("c8", "image")]


@pytest.mark.parametrize(("dtype", "role"), KINDS)
def test_every_dtype_goes_through_the_store_unchanged(dtype, role, tmp_path):
    fractions = role == "image" and dtype[0] in "fc"
    numbers = np.random.default_rng(6).integers(-90, 90, (70, 100, 9))
    image = (numbers / (4 if fractions else 1)).astype(dtype)
    volume = schema.volume(image, affine=np.diag([-1.0, 1, 1, 1]), units="1", long_name="Generated", role=role)
    back = open_record(put(schema.record({"v": volume}), tmp_path, "r"))["v"].to_dataset(inherit=False)
    assert np.array_equal(back["image"].values.astype(dtype), image)
    assert back.attrs == volume.attrs
    assert np.array_equal(canonical(back)[...], volume["image"].values[::-1])
