"""Patches as TorchIO subjects and MONAI dictionaries: the same voxels in the same places."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from connectome.loaders.torch import PatchDataset, VolumeDataset
from connectome.loaders.torch.peers import as_monai, as_torchio
from connectome.schema import category
from support.volume_records import AFFINE, blob, boxes, image_group, label_group, patient

# TorchIO and MONAI warn of what they will change one day.
pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]

SHAPE = (60, 50, 40)


@pytest.fixture(scope="module")
def labels():
    return boxes(SHAPE, {3: (slice(10, 30), slice(20, 40), slice(5, 35))})


@pytest.fixture(scope="module")
def version(labels, tmp_path_factory, commit_records):
    side = {"side": category("row", ["L"], ["L", "R"], "Side")}
    records = {
        "a": patient({"t1w": image_group(blob(SHAPE, 1)), "labels/lesion": label_group(labels)}, side),
        "b": patient({"t1w": image_group(blob(SHAPE, 2))}, side),
    }
    return commit_records(tmp_path_factory.mktemp("peers") / "store", "generated", records)


@pytest.fixture(params=["stored", "RAS"])
def dataset(request, version):
    return PatchDataset(
        version, masks=["labels/lesion"], labels=["side"], patch=16, on_missing="mask", axes=request.param
    )


def in_world(affine, voxel):
    return (np.asarray(affine) @ [*voxel, 1])[:3]


def stored_voxel(dataset, record, corner, voxel):
    stored = dataset.source.turn(record).matrix(SHAPE) @ [*np.add(corner, voxel), 1]
    return stored[:3]


def test_torchio_subjects_lie_where_their_patches_do(dataset):
    import torchio

    batch = dataset.batch([0, 5, 9])
    subjects = as_torchio(dataset, batch)
    assert [subject["record"] for subject in subjects] == ["a", "a", "b"]
    assert "labels_lesion" not in subjects[2]
    for at, subject in enumerate(subjects):
        assert isinstance(subject["t1w"], torchio.ScalarImage)
        assert np.array_equal(subject["t1w"].data, batch["image"][at])
        expected = in_world(AFFINE, stored_voxel(dataset, 0, batch["corner"][at].tolist(), (3, 4, 5)))
        assert np.allclose(in_world(subject["t1w"].affine, (3, 4, 5)), expected)
    assert isinstance(subjects[0]["labels_lesion"], torchio.LabelMap)
    assert int(subjects[0]["label.side"]) == 0
    # Images that must share a grid do, and a transform of TorchIO runs.
    subjects[0].check_consistent_spatial_shape()
    turned = torchio.ToCanonical()(subjects[0])
    assert turned["t1w"].orientation == ("R", "A", "S")


def test_monai_dictionaries_have_the_same_keys_and_lie_where_their_patches_do(dataset):
    from monai.transforms import Compose, Orientationd, RandFlipd

    batch = dataset.batch([0, 5, 9])
    items = as_monai(dataset, batch)
    assert {frozenset(item) for item in items} == {frozenset(items[0])}
    assert items[2]["mask_present"].tolist() == [False]
    for at, item in enumerate(items):
        assert np.array_equal(item["image"], batch["image"][at])
        assert np.array_equal(item["label"], batch["mask"][at])
        expected = in_world(AFFINE, stored_voxel(dataset, 0, batch["corner"][at].tolist(), (3, 4, 5)))
        assert np.allclose(in_world(item["image"].affine, (3, 4, 5)), expected)
    keys = ["image", "label"]
    made = Compose([Orientationd(keys, "RAS", labels=None), RandFlipd(keys, prob=1.0, spatial_axis=0)])(items[0])
    assert made["image"].shape == (1, 16, 16, 16)
    assert (np.diag(made["label"].affine)[1:3] > 0).all()


def test_whole_volumes_go_to_torchio_too(version, labels):
    dataset = VolumeDataset(version, masks=["labels/lesion"], records=["a"])
    (subject,) = as_torchio(dataset, dataset.__getitems__([0])[0])
    assert np.allclose(subject["t1w"].affine, AFFINE)
    assert np.array_equal(subject["labels_lesion"].data[0], labels)


def test_a_library_that_is_not_there_is_named():
    code = """
import sys
sys.modules["torchio"] = sys.modules["monai"] = sys.modules["monai.data.meta_tensor"] = None
from connectome.errors import MissingExtraError
from connectome.loaders.torch.peers import as_monai, as_torchio
for function, name in ((as_torchio, "torchio"), (as_monai, "monai")):
    try:
        function(None, {"record": []})
    except MissingExtraError as error:
        assert f"pip install {name}" in str(error), error
    else:
        raise SystemExit(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
