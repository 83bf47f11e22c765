"""Volumes as OME-Zarr 0.5: the canonical numbers, axes with an orientation, labels beside their image."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from connectome import schema
from connectome.errors import UsageError
from connectome.pipelines.export import export, remarks
from connectome.pipelines.formats import read
from connectome.volumes import align, canonical

LIA = np.array([[-1.5, 0.0, 0.0, 90.0], [0.0, 0.0, 2.0, -100.0], [0.0, -1.0, 0.0, 80.0], [0.0, 0.0, 0.0, 1.0]])
ANATOMY = {"x": "left-to-right", "y": "posterior-to-anterior", "z": "inferior-to-superior"}


def volume(image, affine=LIA, **options):
    return schema.volume(image, affine=affine, units="1", long_name="Generated", **options)


@pytest.fixture(scope="module")
def tree():
    rng = np.random.default_rng(8)
    image = volume(rng.integers(0, 900, (70, 9, 130)).astype(np.int16))
    ids = rng.integers(0, 3, (70, 9, 130)).astype(np.uint8)
    mask = align(volume(ids, role="labels", label_names={1: "lesion"}), image, path="t1w", subject="mask")
    other = volume(ids[:8], role="labels")
    return schema.record({"t1w": image, "labels/space-orig_lesion": mask, "labels/elsewhere": other})


def checked(node: zarr.Group) -> dict:
    """Return the metadata of an image, after what the specification demands of it."""
    about = node.attrs["ome"]
    assert about["version"] == "0.5"
    (scales,) = about["multiscales"]
    names = [axis["name"] for axis in scales["axes"]]
    kinds = [axis["type"] for axis in scales["axes"]]
    assert kinds == sorted(kinds, key=["time", "channel", "space"].index)
    assert kinds[-3:] == ["space"] * 3
    (level,) = scales["datasets"]
    array = node[level["path"]]
    assert array.metadata.dimension_names == tuple(names)
    scale, translation = level["coordinateTransformations"]
    assert (scale["type"], translation["type"]) == ("scale", "translation")
    assert len(scale["scale"]) == len(translation["translation"]) == array.ndim == len(names)
    assert all(value > 0 for value in scale["scale"])
    oriented = [axis for axis in scales["axes"] if "orientation" in axis]
    assert len(oriented) in {0, 3}
    assert all(axis["orientation"] == {"type": "anatomical", "value": ANATOMY[axis["name"]]} for axis in oriented)
    return {"axes": scales["axes"], "scale": scale["scale"], "translation": translation["translation"]} | about


def test_the_numbers_are_those_of_the_canonical_view_with_x_fastest(tree, tmp_path):
    (folder,) = export(tree, to="ome-zarr", destination=tmp_path / "t1w.ome.zarr", group="t1w")
    root = zarr.open_group(folder, mode="r")
    about, view = checked(root), canonical(tree["t1w"].to_dataset(inherit=False))
    assert np.array_equal(root["0"][:], view[...].transpose(2, 1, 0))
    assert root["0"].dtype == np.int16
    assert about["scale"] == [1.0, 2.0, 1.5]
    assert np.allclose(about["translation"], view.affine[2::-1, 3])
    assert root.attrs["connectome"]["affine"] == view.affine.tolist()
    # A voxel far from the origin lies where scale and translation put it.
    world = view.affine @ [60, 100, 5, 1]
    place = np.array([5, 100, 60]) * about["scale"] + about["translation"]
    assert np.allclose(place, world[2::-1])
    assert remarks(tree, to="ome-zarr", group="t1w") == []


def test_labels_on_the_grid_stand_beside_the_image_and_others_do_not(tree, tmp_path):
    (folder,) = export(tree, to="ome-zarr", destination=tmp_path / "t1w.ome.zarr", group="t1w")
    root = zarr.open_group(folder, mode="r")
    assert root["labels"].attrs["ome"] == {"version": "0.5", "labels": ["space-orig_lesion"]}
    about = checked(root["labels/space-orig_lesion"])
    assert about["image-label"] == {
        "source": {"image": "../../"},
        "properties": [{"label-value": 1, "name": "lesion"}],
    }
    held = canonical(tree["labels/space-orig_lesion"].to_dataset(inherit=False))
    assert np.array_equal(root["labels/space-orig_lesion/0"][:], held[...].transpose(2, 1, 0))
    (alone,) = export(tree, to="ome-zarr", destination=tmp_path / "mask.ome.zarr", group="labels/space-orig_lesion")
    assert "source" not in checked(zarr.open_group(alone, mode="r"))["image-label"]


def test_an_unknown_orientation_is_not_stated_and_the_axes_stay(tmp_path):
    image = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    tree = schema.record({"image": volume(image, orientation="unknown")})
    (folder,) = export(tree, to="ome-zarr", destination=tmp_path / "x.zarr")
    root = zarr.open_group(folder, mode="r")
    about = checked(root)
    assert not any("orientation" in axis for axis in about["axes"])
    assert about["translation"] == [0.0, 0.0, 0.0]
    assert about["scale"] == [2.0, 1.0, 1.5]
    assert np.array_equal(root["0"][:], image.transpose(2, 1, 0))
    assert "orientation is unknown" in remarks(tree, to="ome-zarr")[0]


def test_time_and_colours_come_first_and_scaling_stands_beside(tmp_path):
    image = np.random.default_rng(1).integers(0, 9, (4, 5, 6, 3)).astype(np.int16)
    tree = schema.record({"bold": volume(image, slope=0.5, zooms=[1.5, 1.0, 2.0, 2.5], time_unit="sec")})
    (folder,) = export(tree, to="ome-zarr", destination=tmp_path / "bold.zarr")
    root = zarr.open_group(folder, mode="r")
    about = checked(root)
    assert about["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert about["scale"][0] == 2.5
    assert np.array_equal(root["0"][:], canonical(tree["bold"].to_dataset())[...].transpose(3, 2, 1, 0))
    assert root.attrs["connectome"]["slope"] == 0.5
    assert "slope and intercept" in remarks(tree, to="ome-zarr")[0]
    colours = volume(image.astype(np.uint8)).rename({"t": "component"})
    (folder,) = export(schema.record({"c": colours}), to="ome-zarr", destination=tmp_path / "c.zarr")
    assert checked(zarr.open_group(folder, mode="r"))["axes"][0] == {"name": "c", "type": "channel"}
    with pytest.raises(UsageError, match="real numbers"):
        export(schema.record({"z": volume(image[..., 0] * 1j)}), to="ome-zarr", destination=tmp_path / "z.zarr")


@pytest.mark.data
def test_a_real_oblique_image_is_written_and_said_to_be_oblique(data_dir, tmp_path):
    tree = read(data_dir / "mri" / "torchio_fernando" / "t2.nii.gz")
    (folder,) = export(tree, to="ome-zarr", destination=tmp_path / "t2.ome.zarr")
    root = zarr.open_group(folder, mode="r")
    checked(root)
    assert np.array_equal(root["0"][:], canonical(tree["image"].to_dataset())[...].transpose(2, 1, 0))
    assert "oblique" in remarks(tree, to="ome-zarr")[0]
    assert remarks(read(data_dir / "mri" / "nifti_space" / "PIR.nii.gz"), to="ome-zarr") != []
