"""Images in space: grids compared in millimetres, lazy views, dtypes, statistics, and what the schema demands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import SchemaError, UsageError
from connectome.store import open_record, write_record
from connectome.store.archive import RecordStore
from connectome.volumes import (
    align,
    aligned,
    axis_codes,
    canonical,
    compare_grids,
    corner_error_mm,
    narrow,
    reorient,
    shear_deg,
    statistics,
    value_counts,
)
from support.faults import Plant, attrs, dropped, edited, faults
from support.generated_records import generated_recipe

if TYPE_CHECKING:
    import xarray as xr

LIA = np.array([[-1.0, 0, 0, 128], [0, 0, 1, -99], [0, -1, 0, 121], [0, 0, 0, 1]])


def volume(image: np.ndarray[Any, Any] | None = None, **options: Any) -> xr.Dataset:
    image = np.zeros((8, 8, 8), np.uint8) if image is None else image
    return schema.volume(image, **{"affine": LIA, "units": "1", "long_name": "Generated", **options})


def shifted(*mm: float) -> np.ndarray[Any, Any]:
    affine = LIA.copy()
    affine[:3, 3] += mm
    return affine


def test_rounding_in_headers_is_the_same_grid_and_a_shift_by_a_voxel_is_not() -> None:
    first = volume()
    near, far = volume(affine=shifted(0.0024, 0, -0.0012)), volume(affine=shifted(0, 1, 0))
    assert corner_error_mm(first, near) == pytest.approx(np.hypot(0.0024, 0.0012))
    assert aligned(first, near)
    assert not aligned(first, far)
    assert corner_error_mm(first, far) == pytest.approx(1.0)
    assert not aligned(first, volume(affine=shifted(0.02, 0, 0)))
    assert aligned(first, volume(affine=shifted(0.02, 0, 0)), tolerance_voxels=0.05)


def test_the_tolerance_follows_the_finer_edge_and_a_turn_shows_at_the_corners() -> None:
    thin = np.diag([0.5, 0.5, 5.0, 1.0])
    turned = thin.copy()
    turned[0, 2] = 0.01
    image = np.zeros((8, 8, 11), np.uint8)
    found = compare_grids(volume(image, affine=thin), volume(image, affine=turned))
    assert found.tolerance_mm == pytest.approx(0.005)
    assert found.max_corner_error_mm == pytest.approx(0.1)
    assert not found.ok


def test_a_flipped_image_with_the_same_box_is_not_aligned() -> None:
    flipped = LIA.copy()
    flipped[:, 0] *= -1
    flipped[0, 3] -= 7
    assert corner_error_mm(volume(), volume(affine=flipped)) == pytest.approx(7.0)


def test_alignment_is_recorded_or_refused() -> None:
    mask = align(volume(affine=shifted(0.001, 0, 0)), volume(), path="t1w", subject="mask.nii")
    assert mask.attrs["aligned_to"] == "t1w"
    assert mask.attrs["max_corner_error_mm"] == pytest.approx(0.001)
    assert schema.measure(schema.record({"mask": mask}))["/mask"]["aligned_to"] == "t1w"
    with pytest.raises(SchemaError, match="does not lie on the grid") as caught:
        align(volume(affine=shifted(0, 0, 1)), volume(), path="t1w", subject="mask.nii")
    assert caught.value.subject == "mask.nii"
    assert "1 mm away" in str(caught.value.found)
    with pytest.raises(SchemaError, match="does not lie on the grid"):
        align(volume(np.zeros((8, 8, 9), np.uint8)), volume(), path="t1w", subject="mask.nii")
    assert corner_error_mm(volume(np.zeros((8, 8, 9), np.uint8)), volume()) == float("inf")


def test_an_unknown_orientation_is_never_guessed() -> None:
    unknown = volume(transforms={"qform": (LIA, 0), "sform": (np.zeros((4, 4)), 0)})
    assert unknown.attrs["orientation"] == "unknown"
    assert faults(unknown) == []
    with pytest.raises(UsageError, match="orientation is not known"):
        canonical(unknown)
    assert canonical(unknown, assume="LIA").affine[0, 0] == 1.0
    with pytest.raises(UsageError, match="no such order"):
        reorient(volume(), "LRA")
    with pytest.raises(UsageError, match="no direction"):
        axis_codes(np.zeros((4, 4)))


def test_transforms_of_a_view_keep_their_codes() -> None:
    view = canonical(volume(transforms={"qform": (LIA, 1), "sform": (LIA, 4)}))
    assert {name: code for name, (_, code) in view.transforms.items()} == {"qform": 1, "sform": 4}
    assert np.array_equal(view.transforms["sform"][0], view.affine)
    assert axis_codes(view.affine) == "RAS"


def test_shear_is_the_angle_that_is_missing() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = np.tan(np.radians(3))
    assert shear_deg(sheared) == pytest.approx(3.0)
    assert shear_deg(LIA) == 0.0


def test_a_view_of_a_stored_record_reads_only_the_chunks_of_its_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(5).integers(0, 255, (130, 131, 132), dtype=np.uint8)
    tree = schema.record({"t1w": volume(image)})
    receipt = write_record(tree, tmp_path / "set", record="r", recipe=generated_recipe(), staging=tmp_path / "staging")
    opened = open_record(tmp_path / "set" / receipt.file)
    read: list[str] = []
    for method in ("span", "read_entry"):
        original = getattr(RecordStore, method)
        monkeypatch.setattr(
            RecordStore, method, lambda self, key, original=original: (read.append(key), original(self, key))[1]
        )
    view = canonical(opened["t1w"].to_dataset(inherit=False))
    assert not [key for key in read if "image/c/" in key]
    # LIA: the view's first axis runs against the stored first, its last against the stored second.
    patch = view.read((0, 70, 0), (10, 80, 20))
    touched = {key.partition("image/c/")[2] for key in read if "image/c/" in key}
    assert touched == {"1/1/1", "1/2/1", "2/1/1", "2/2/1"}
    assert np.array_equal(patch, view.turn.apply(image)[0:10, 70:80, 0:20])
    with pytest.raises(UsageError, match="not inside"):
        view.read((0, 0, 0), (131, 1, 1))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0.0, 255.0], np.float32), "u1"),
        (np.array([0.0, 255.0, -1.0], np.float64), "i2"),
        (np.array([0.5, 1.0], np.float64), "f4"),
        (np.array([0.1, 1.0], np.float64), "f8"),
        (np.array([0.0, -0.0], np.float32), "f4"),
        (np.array([0.0, np.nan], np.float32), "f4"),
        (np.array([0.0, np.inf], np.float32), "f4"),
        (np.array([0.0, 0.9999], np.float32), "f4"),
        (np.array([2**24 + 2], np.float32), "f4"),
        (np.array([2**24 + 1], np.float64), "u4"),
        (np.array([2**40], np.float64), "f4"),
        (np.array([-5, 3], ">i4"), "i1"),
        (np.array([2**31], np.int64), "u4"),
        (np.array([2**63], np.uint64), "u8"),
        (np.array([True]), "b1"),
        (np.array([1j]), "c16"),
        (np.zeros(0, np.float32), "f4"),
    ],
)
def test_numbers_take_the_smallest_dtype_that_holds_them(values: np.ndarray[Any, Any], dtype: str) -> None:
    assert narrow(values).dtype == np.dtype(dtype)


def test_labels_above_two_to_the_24th_survive() -> None:
    ids = np.array([2**24 + 1, 2**24 + 3, 2**31, 7])
    image = np.zeros((4, 4, 4), np.float64)
    image.flat[:4] = ids
    made = volume(image, role="labels", label_names={7: "seven"})
    assert made["image"].dtype == np.uint32
    assert made["label_id"].values.tolist() == sorted(ids.tolist())
    assert made["label_name"].values.tolist() == ["seven", "", "", ""]
    assert faults(made) == []
    as_float32 = np.zeros((4, 4, 4), np.float32)
    as_float32[0, 0, 0] = 2**24 + 2
    assert volume(as_float32, role="labels")["image"].dtype == np.uint32


@pytest.mark.parametrize(
    "options",
    [{"image": np.full((2, 2, 2), 0.9999)}, {"slope": 2.0}, {"intercept": 1.0}, {"image": np.ones((2, 2, 2)) * 1j}],
)
def test_labels_that_are_not_whole_numbers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="whole numbers"):
        volume(options.pop("image", None), role="labels", **options)


def test_statistics_leave_out_what_is_not_finite_and_say_so() -> None:
    image = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 2.0, 4.0], np.float32).reshape(7, 1, 1)
    found = statistics(image)
    assert (found["n_voxels"], found["n_finite"], found["nonzero"]["n_finite"]) == (7, 4, 2)
    assert (found["min"], found["max"], found["mean"]) == (0.0, 4.0, 1.5)
    assert found["nonzero"]["percentiles"]["p50"] == 3.0
    empty = statistics(np.full((2, 2, 2), np.nan))
    assert (empty["n_finite"], empty["mean"], empty["percentiles"]["p50"]) == (0, None, None)
    assert statistics(np.full((2, 2, 2), 1j))["nonzero"]["n_finite"] == 8


def test_sums_of_large_integers_are_exact() -> None:
    image = np.array([2**62, 2**62 - 1, 1, 2], np.int64).reshape(4, 1, 1)
    assert statistics(image)["mean"] == float((2**63 + 2) // 4)
    found, counts = value_counts(np.array([2**64 - 1, 2**64 - 1, 2**64 - 5], np.uint64))
    assert (found.tolist(), counts.tolist()) == ([2**64 - 5, 2**64 - 1], [1, 2])


def labelled() -> xr.Dataset:
    image = np.zeros((20, 20, 20), np.int16)
    image[0, 0, 0], image[18, 18, 18], image[5:9, 5, 5] = 3, 3, -2
    return volume(image, role="labels")


PLANTED: dict[str, tuple[Plant, str]] = {
    "role": (attrs(role="other"), "@role"),
    "orientation": (attrs(orientation="RAS"), "@orientation"),
    "voxel size": (attrs(voxel_size_mm=[1.0, 2.0, 1.0]), "@voxel_size_mm"),
    "source dtype": (attrs(source_dtype="words"), "@source_dtype"),
    "source dtype too small": (attrs(source_dtype="|S1"), "@source_dtype"),
    "statistics": (attrs(statistics={"n_voxels": 3}), "@statistics"),
    "no statistics": (attrs(statistics=None), "@statistics"),
    "block size": (attrs(block_voxels=8), "@block_voxels"),
    "no ids": (dropped("label_id"), "/label_id"),
    "ids out of order": (edited("label_id", 0, 9), "/label_id"),
    "id of nothing": (edited("label_id", 0, 0), "/label_id"),
    "bounds": (edited("label_block_ptr", 1, 0), "/label_block_ptr"),
    "counts": (edited("label_block_voxels", 0, 5), "/label_block_voxels"),
    "no voxels": (edited("label_block_voxels", 0, 0), "/label_block_voxels"),
    "block that is not there": (edited("label_block", 0, 8), "/label_block"),
    "labels with a scale": (attrs(slope=2.0), "/image"),
}


@pytest.mark.parametrize(("plant", "place"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_of_labels_finds_its_fault(plant: Plant, place: str) -> None:
    assert faults(labelled()) == []
    assert f"/group{place}" in [found for found, _ in faults(plant(labelled()))]


@pytest.mark.parametrize(
    ("plant", "place"),
    [
        (dropped("occupied_block"), "/occupied_block"),
        (edited("occupied_block", 0, 99), "/occupied_block"),
        (edited("occupied_block_voxels", 0, 0), "/occupied_block_voxels"),
    ],
)
def test_every_check_of_occupied_blocks_finds_its_fault(plant: Plant, place: str) -> None:
    image = np.ones((20, 20, 20), np.uint8)
    assert faults(volume(image)) == []
    assert f"/group{place}" in [found for found, _ in faults(plant(volume(image)))]


def test_a_record_of_version_1_is_still_valid_and_measured() -> None:
    made = volume()
    old = made.drop_vars(["occupied_block", "occupied_block_voxels"])
    old.attrs = {"encoding-type": "volume", "encoding-version": "1"}
    assert faults(old) == []
    assert schema.measure(schema.record({"group": old}))["/group"] == {
        "kind": "volume", "shape": [8, 8, 8], "dtype": "uint8", "affine": LIA.tolist(),
    }  # fmt: skip
    assert canonical(old).codes == "RAS"
    old.attrs["encoding-version"] = "3"
    assert faults(old) != []
