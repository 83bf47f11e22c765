"""Volumes put onto another grid: the affines decide, labels stay labels, and the record says what was done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from connectome import schema
from connectome.errors import UsageError
from connectome.volumes import ORDERS, Turn, aligned, canonical, reorient, resample
from support.faults import faults

RAS = np.diag([1.0, 1.5, 2.0, 1.0])
LARGE = 2**31 + 7


def volume(image: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = RAS, **options: Any) -> Any:
    return schema.volume(image, affine=affine, units="1", long_name="Generated", **options)


@pytest.mark.parametrize("codes", ORDERS[::5])
@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_a_grid_that_is_only_turned_gives_the_turned_voxels_exactly(codes, method):
    image = np.random.default_rng(2).integers(0, 99, (5, 6, 7)).astype(np.uint8)
    first = volume(image)
    view = reorient(first, codes)
    target = volume(np.zeros(view.shape, np.uint8), view.affine)
    made = resample(first, target, path="t1w", method=method, origin="generated")
    assert np.array_equal(made["image"].values, view[...])
    assert made.attrs["resampled"]["outside_voxels"] == 0
    assert aligned(made, target)
    assert faults(made) == []


def test_labels_of_any_size_stay_what_they_are():
    image = np.zeros((6, 6, 6), np.uint32)
    image[1:4, 2:5, 1:3] = LARGE
    mask = volume(image, role="labels", label_names={LARGE: "large"})
    target = volume(np.zeros((12, 12, 12), np.uint8), RAS @ np.diag([0.5, 0.5, 0.5, 1.0]))
    made = resample(mask, target, path="t1w")
    assert made["label_id"].values.tolist() == [LARGE]
    assert made["label_name"].values.tolist() == ["large"]
    assert int(made["label_voxels"][0]) == 8 * 18
    assert made.attrs["aligned_to"] == "t1w"
    assert made.attrs["resampled"]["method"] == "nearest"
    with pytest.raises(UsageError, match="cannot be resampled"):
        resample(mask, target, path="t1w", method="linear")


def test_linear_agrees_with_scipy_inside_and_fills_outside():
    rng = np.random.default_rng(4)
    image = rng.normal(size=(9, 8, 7)).astype(np.float32)
    turn = np.array([[0.96, -0.2, 0.1, 0.7123], [0.22, 0.95, -0.1, 0.4231], [-0.1, 0.12, 0.98, 0.9377], [0, 0, 0, 1]])
    target = volume(np.zeros((9, 8, 7), np.uint8), RAS @ turn)
    made = resample(volume(image), target, path="x", fill=-5.0)
    oracle = affine_transform(image.astype(np.float64), turn[:3, :3], turn[:3, 3], order=1, mode="nearest")
    places = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1) @ turn[:3, :3].T + turn[:3, 3]
    inside = ((places >= -0.5) & (places < np.array(image.shape) - 0.5)).all(axis=-1)
    assert 0 < inside.sum() < inside.size
    # Places are rounded to a millionth of a voxel.
    assert np.allclose(made["image"].values[inside], oracle[inside], rtol=0, atol=2e-5)
    assert (made["image"].values[~inside] == -5.0).all()
    assert made.attrs["resampled"]["outside_voxels"] == int((~inside).sum())


def test_a_constant_stays_constant_and_frames_and_scaling_go_along():
    image = np.full((4, 4, 4, 2), 7, np.int16)
    image[..., 1] = 9
    target = volume(np.zeros((3, 3, 3), np.uint8), RAS @ np.diag([1.2, 1.1, 0.9, 1.0]))
    made = resample(volume(image, slope=0.5, intercept=1.0), target, path="x")
    assert np.array_equal(made["image"].values[..., 0], np.full((3, 3, 3), 7))
    assert np.array_equal(made["image"].values[..., 1], np.full((3, 3, 3), 9))
    assert made.attrs["statistics"]["max"] == 5.5


def test_what_is_not_finite_spreads_only_where_it_has_weight():
    image = np.ones((4, 4, 4), np.float32)
    image[3, 3, 3] = np.nan
    made = resample(volume(image), volume(np.zeros((4, 4, 4), np.uint8)), path="x")
    assert int(np.isnan(made["image"].values).sum()) == 1


def test_a_second_volume_of_unknown_orientation_is_not_placed():
    unknown = volume(np.zeros((3, 3, 3), np.uint8), orientation="unknown")
    with pytest.raises(UsageError, match="known orientation"):
        resample(unknown, volume(np.zeros((3, 3, 3), np.uint8)), path="x")
    with pytest.raises(UsageError, match="known orientation"):
        resample(volume(np.zeros((3, 3, 3), np.uint8)), unknown, path="x")


def test_a_turn_of_the_canonical_view_is_what_resampling_to_it_gives():
    image = np.random.default_rng(9).integers(0, 5, (4, 5, 6)).astype(np.int16)
    stored = volume(Turn.between("RAS", "PIR").apply(image), reorient(volume(image), "PIR").affine)
    target = volume(np.zeros(image.shape, np.uint8))
    assert np.array_equal(resample(stored, target, path="x", method="nearest")["image"].values, image)
    assert np.array_equal(canonical(stored)[...], image)
