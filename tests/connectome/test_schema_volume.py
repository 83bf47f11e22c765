"""The kind ``volume``: an image as it was stored, with everything that says where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from connectome import schema
from connectome.schema.volume import layout
from support.faults import Plant, attrs, dropped, edited, faults, replaced

IMAGE = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[0.0, -2.0, 0.0, 90.0], [1.5, 0.0, 0.0, -126.0], [0.0, 0.0, 1e-3, -72.0], [0.0, 0.0, 0.0, 1.0]])


def head(**options: Any) -> xr.Dataset:
    given: dict[str, Any] = {
        "affine": AFFINE,
        "units": "1",
        "long_name": "Generated intensity",
        "header": bytes(range(256)),
        "trailer": b"after",
        "transforms": {"qform": (AFFINE, 1), "sform": (np.eye(4), 2)},
        "slope": 0.5,
        "intercept": -3.0,
        **options,
    }
    return schema.volume(given.pop("image", IMAGE), **given)


BUILT = {
    "head": head(),
    "bare": schema.volume(IMAGE, affine=AFFINE, units="1", long_name="Generated"),
    "series of images": head(image=np.zeros((4, 5, 6, 2), dtype=np.float32)),
    "labels": head(image=IMAGE.astype(np.uint8)),
    "mask": head(image=IMAGE % 2 == 0),
    "big-endian": head(image=IMAGE.astype(">i2")),
    "complex": head(image=IMAGE * 1j),
    "one voxel": head(image=np.zeros((1, 1, 1))),
}


@pytest.mark.parametrize("dataset", BUILT.values(), ids=BUILT.keys())
def test_what_is_built_is_valid_and_can_be_measured(dataset: xr.Dataset) -> None:
    assert faults(dataset) == []
    facts = schema.measure(schema.record({"group": dataset}))["/group"]
    assert facts["shape"] == list(dataset["image"].shape)


def with_affine(*rows: list[float]) -> Plant:
    return edited("affine", (slice(0, 3), slice(0, 3)), np.array(rows))


MATRIX, AXES = "a 4 x 4 matrix of float64", "an image with 3 to 7 axes"
INVERTIBLE = "a finite, invertible affine"

PLANTED: dict[str, tuple[Plant, str, str]] = {
    "no image": (dropped("image"), "image", AXES),
    "flat image": (replaced("image", IMAGE[0], dims=("j", "k")), "image", AXES),
    "image of words": (replaced("image", IMAGE.astype(str)), "image", "numbers along i, j, k"),
    "axes turned": (lambda d: d.assign(image=d["image"].transpose("k", "j", "i")), "image", "numbers along i, j, k"),
    "image without unit": (attrs("image", units=None), "image", 'the attribute units ("1" for plain numbers)'),
    "no affine": (dropped("affine"), "affine", MATRIX),
    "affine of three rows": (
        lambda d: d.drop_vars(["affine", "qform", "sform"]).assign(affine=d["affine"].isel(world=slice(0, 3))),
        "affine", MATRIX,
    ),
    "affine in float32": (replaced("affine", AFFINE.astype(np.float32)), "affine", MATRIX),
    "affine not finite": (edited("affine", (0, 0), np.nan), "affine", INVERTIBLE),
    "affine of zeros": (with_affine([0, 0, 0], [0, 0, 0], [0, 0, 0]), "affine", INVERTIBLE),
    # Its determinant is 6.7e-16 in floating point, not zero.
    "affine of two planes": (with_affine([1, 2, 3], [4, 5, 6], [7, 8, 9]), "affine", INVERTIBLE),
    "qform of words": (replaced("qform", AFFINE.astype(str)), "qform", MATRIX),
    "header of numbers": (replaced("header", np.zeros(256)), "header", "bytes"),
    "trailer of words": (replaced("trailer", np.array(list("after"))), "trailer", "bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "place", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_finds_its_fault(plant: Plant, place: str, expected: str) -> None:
    assert (f"/group/{place}", expected) in faults(plant(head()))


def test_tiny_voxels_are_no_fault() -> None:
    assert faults(head(affine=np.diag([1e-6, 1e-6, 1e-6, 1.0]))) == []


def test_facts_are_exact() -> None:
    assert schema.measure(schema.record({"group": head()}))["/group"] == {
        "kind": "volume", "shape": [4, 5, 6], "dtype": "uint8", "affine": AFFINE.tolist(), "source_dtype": "<i2",
        "orientation": "ALS", "voxel_size_mm": [1.5, 2.0, 0.001], "min": -3.0, "max": 56.5, "mean": 26.75,
        "n_nonzero": 119,
    }  # fmt: skip


def test_stored_numbers_bytes_and_transforms_are_kept_as_they_are() -> None:
    dataset = head()
    np.testing.assert_array_equal(dataset["image"], IMAGE)
    assert dataset["header"].values.tobytes() == bytes(range(256))
    assert dataset["trailer"].values.tobytes() == b"after"
    assert (dataset["qform"].attrs["code"], dataset["sform"].attrs["code"]) == (1, 2)
    assert (dataset.attrs["slope"], dataset.attrs["intercept"]) == (0.5, -3.0)
    assert "slope" not in BUILT["bare"].attrs


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((256, 256, 180), (64, 64, 64)),
        ((96, 97, 5), (96, 64, 5)),
        ((64, 64, 30, 200), (64, 64, 30, 1)),
        ((163842, 1, 1), (163842, 1, 1)),
        ((1, 1_000_000, 1), (1, 64**3, 1)),
    ],
)
def test_images_are_cut_into_cubes_with_thin_axes_whole(shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    image = xr.Variable(tuple("ijkt")[: len(shape)], np.broadcast_to(np.int16(0), shape))
    assert layout(image).chunks == chunks
