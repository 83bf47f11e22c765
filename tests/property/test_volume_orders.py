"""Volumes under every change of axis order, and numbers through every change of dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nibabel.orientations import aff2axcodes, apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from connectome import schema
from connectome.volumes import (
    ORDERS,
    Turn,
    axis_codes,
    canonical,
    is_lossless,
    label_blocks,
    narrow,
    occupied_blocks,
    reorient,
    statistics,
)

SHAPE = (5, 6, 7)
ROTATION = np.array([[0.98, -0.17, 0.05], [0.16, 0.97, 0.18], [-0.08, -0.17, 0.98]])
AFFINE = np.vstack([np.column_stack([ROTATION * [0.75, 1.0, 5.5], [-90.0, -126.0, -72.0]]), [0, 0, 0, 1]])
"""Oblique and thick in its slices, RAS."""


def test_there_are_48_orders_and_each_is_named_once():
    assert len(set(ORDERS)) == 48
    assert ORDERS[0] == "RAS"
    assert axis_codes(np.eye(4)) == "RAS"


@pytest.mark.parametrize("codes", ORDERS)
def test_every_axis_order_of_a_volume_gives_the_same_canonical_voxels_and_affine(codes):
    image = np.random.default_rng(3).integers(-99, 99, (*SHAPE, 2)).astype(np.int16)
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    stored = np.ascontiguousarray(apply_orientation(image, change))
    affine = AFFINE @ inv_ornt_aff(change, SHAPE)
    volume = schema.volume(stored, affine=affine, units="1", long_name="Generated")
    assert volume.attrs["orientation"] == codes == "".join(aff2axcodes(affine))
    view = canonical(volume)
    assert view.shape == image.shape
    assert np.array_equal(np.asarray(view), image)
    assert np.allclose(view.affine, AFFINE, rtol=0, atol=1e-12)
    back = reorient(volume, codes)
    assert np.array_equal(back[...], stored)
    assert np.array_equal(view.turn.undo(image), stored)
    assert (
        volume.attrs["statistics"]
        == schema.volume(image, affine=AFFINE, units="1", long_name="Generated").attrs["statistics"]
    )


@given(st.sampled_from(ORDERS), st.sampled_from(ORDERS))
def test_a_turn_there_and_back_changes_nothing(first, second):
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    there, back = Turn.between(first, second), Turn.between(second, first)
    assert np.array_equal(back.apply(there.apply(image)), image)
    assert np.array_equal(there.undo(there.apply(image)), image)
    assert back.shape(there.shape(SHAPE)) == SHAPE
    assert np.array_equal(there.matrix(SHAPE) @ back.matrix(there.shape(SHAPE)), np.eye(4))


def index_of(size: int) -> st.SearchStrategy[object]:
    return st.one_of(st.integers(-size, size - 1), st.slices(size))


@settings(max_examples=300)
@given(st.sampled_from(ORDERS), st.tuples(*(index_of(size) for size in (7, 6, 5))), st.booleans())
def test_a_view_is_read_like_the_turned_array(codes, key, short):
    image = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    view = reorient(schema.volume(image, affine=AFFINE, units="1", long_name="Generated"), codes)
    turned = Turn.between("RAS", codes).apply(image)
    key = tuple(item if isinstance(item, slice) else item % size for item, size in zip(key, turned.shape, strict=True))
    key = key[:1] if short else key
    assert np.array_equal(view[key], turned[key])


@given(arrays.arrays(np.float64, (3, 3), elements=st.floats(-3, 3)))
def test_axis_codes_are_those_of_nibabel(matrix):
    if np.linalg.cond(matrix) > 1e6 or (np.abs(matrix) < 1e-3).any():
        return
    affine = np.eye(4)
    affine[:3, :3] = matrix
    assert axis_codes(affine) == "".join(aff2axcodes(affine))


NUMBERS = st.one_of(
    [
        arrays.arrays(dtype, arrays.array_shapes(max_dims=4, max_side=5), elements=elements)
        for dtype in ("u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8", ">u8", "<f4", ">f4", "<f8", ">f8")
        for elements in (None, {"min_value": 0, "max_value": 100})
    ]
)


@settings(max_examples=400)
@given(NUMBERS, st.booleans(), st.booleans())
def test_narrowed_numbers_come_back_bit_by_bit(values, whole, fortran):
    values = np.asfortranarray(values) if fortran else values
    small = narrow(values, whole=whole)
    assert small.shape == values.shape
    assert small.dtype.itemsize <= values.dtype.itemsize
    assert small.dtype.isnative
    bits = f"u{values.dtype.itemsize}"
    wide = values.byteswap().view(values.dtype.newbyteorder("=")) if not values.dtype.isnative else values
    assert np.array_equal(
        np.ascontiguousarray(small.astype(wide.dtype)).view(bits), np.ascontiguousarray(wide).view(bits)
    )


@given(arrays.arrays(np.float64, 20, elements=st.floats(width=16)))
def test_a_cast_counts_as_lossless_only_when_every_bit_comes_back(values):
    with np.errstate(all="ignore"):
        expected = values.astype(np.float32).astype(np.float64).tobytes() == values.tobytes()
    assert is_lossless(values, np.dtype("f4")) == expected


@settings(max_examples=50)
@given(st.sampled_from(["u1", "i2", "f4", "f8"]), st.integers(0, 2**32 - 1), st.sampled_from([1.0, -0.5, 0.25]))
def test_statistics_agree_with_numpy_and_do_not_depend_on_the_order_of_the_axes(dtype, seed, slope):
    rng = np.random.default_rng(seed)
    image = (rng.integers(-50, 50, (9, 8, 7)) * rng.choice([1, 0.5])).astype(dtype)
    found = statistics(image, slope=slope, intercept=3.0)
    assert found == statistics(image.transpose(2, 0, 1)[::-1], slope=slope, intercept=3.0)
    for part, values in ((found, image), (found["nonzero"], image[image != 0])):
        physical = values.astype(np.float64) * slope + 3.0
        assert part["n_finite"] == physical.size
        assert (part["min"], part["max"]) == (physical.min(), physical.max())
        assert np.isclose(part["mean"], physical.mean(), rtol=1e-12, atol=1e-12)
        assert np.isclose(part["std"], physical.std(), rtol=1e-12, atol=1e-12)
        for name, value in part["percentiles"].items():
            assert np.isclose(value, np.percentile(physical, float(name[1:])), rtol=1e-12, atol=1e-12)


@settings(max_examples=50)
@given(
    st.tuples(*(st.integers(1, 40) for _ in range(3))),
    st.integers(0, 2**32 - 1),
    st.permutations([0, 1, 2]),
    st.integers(0, 2),
)
def test_blocks_count_every_voxel_once(shape, seed, order, more):
    rng = np.random.default_rng(seed)
    image = (rng.integers(-3, 4, shape + (2,) * more) * (rng.random(shape + (2,) * more) < 0.1)).astype(np.int32)
    image = np.transpose(image, (*order, *range(3, image.ndim)))
    block, voxels = occupied_blocks(image)
    found = label_blocks(image)
    grid = [-(-size // 16) for size in image.shape[:3]]
    places = np.nonzero(image)
    flat = np.ravel_multi_index([axis // 16 for axis in places[:3]], grid)
    assert np.array_equal(block, np.unique(flat))
    assert np.array_equal(voxels, np.unique(flat, return_counts=True)[1])
    assert np.array_equal(found.id, np.unique(image[places]))
    for number, label in enumerate(found.id):
        entries = slice(found.ptr[number], found.ptr[number + 1])
        held, counts = np.unique(flat[image[places] == label], return_counts=True)
        assert np.array_equal(found.block[entries], held)
        assert np.array_equal(found.block_voxels[entries], counts)
        assert found.voxels[number] == counts.sum()
