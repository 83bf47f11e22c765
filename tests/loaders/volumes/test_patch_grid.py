"""Grids of patches cover every voxel, and go together to the volume again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import UsageError
from connectome.loaders.volumes import Grid, PatchSource, Reassembly, reassemble
from connectome.loaders.volumes.grid import grid_corners
from support.volume_records import blob, boxes, image_group, label_group, patient

edges = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def grids(draw):
    shape, patch = draw(edges), draw(edges)
    return shape, patch, tuple(draw(st.integers(0, edge - 1)) for edge in patch)


def cut_padded(values, corner, patch):
    wide = np.pad(values, [(0, 0)] * (values.ndim - 3) + [(9, 9)] * 3)
    return wide[(..., *(slice(at + 9, at + 9 + edge) for at, edge in zip(corner, patch, strict=True)))]


@given(grids(), st.sampled_from(["float32", "float64", "int16"]), st.integers(0, 9))
def test_patches_of_a_grid_go_together_to_the_same_volume(grid, dtype, seed):
    shape, patch, overlap = grid
    values = np.random.default_rng(seed).normal(scale=1000, size=(2, *shape)).astype(dtype)
    corners = grid_corners(shape, patch, overlap)
    patches = np.stack([cut_padded(values, corner, patch) for corner in corners.tolist()])
    assert np.array_equal(reassemble(patches, corners, shape), values)
    # In any order, and batch by batch.
    made, order = Reassembly(shape), np.random.default_rng(seed).permutation(len(corners))
    for some in np.array_split(order, 3):
        made.add(patches[some], corners[some])
    assert np.array_equal(made.result(), values)


@given(grids())
def test_neighbours_share_the_overlap_that_was_asked_for(grid):
    shape, patch, overlap = grid
    corners = grid_corners(shape, patch, overlap)
    for axis in range(3):
        starts = np.unique(corners[:, axis])
        assert (np.diff(starts) <= patch[axis] - overlap[axis]).all()
        if shape[axis] >= patch[axis]:
            assert starts[0] == 0
            assert starts[-1] + patch[axis] == shape[axis]


@given(grids(), st.integers(0, 9))
def test_where_patches_differ_a_voxel_is_their_mean(grid, seed):
    shape, patch, overlap = grid
    corners = grid_corners(shape, patch, overlap)
    patches = np.random.default_rng(seed).normal(size=(len(corners), *patch))
    total, count = np.zeros(shape), np.zeros(shape)
    for values, corner in zip(patches, corners.tolist(), strict=True):
        for at in np.ndindex(*patch):
            voxel = tuple(np.add(at, corner))
            if all(0 <= place < size for place, size in zip(voxel, shape, strict=True)):
                total[voxel] += values[at]
                count[voxel] += 1
    made = Reassembly(shape)
    made.add(patches, corners)
    assert np.array_equal(made.count, count)
    assert np.allclose(made.result(), total / count, rtol=1e-12, atol=1e-12)


def test_not_a_number_and_infinity_survive():
    values = np.array([np.nan, np.inf, -np.inf, -0.0], dtype=np.float32).reshape(4, 1, 1)
    corners = grid_corners(values.shape, (2, 1, 1), (1, 0, 0))
    patches = np.stack([values[at : at + 2] for at, _, _ in corners.tolist()])
    assert np.array_equal(reassemble(patches, corners, values.shape), values, equal_nan=True)


def test_there_is_no_mean_of_labels():
    corners = np.array([[0, 0, 0], [1, 0, 0]])
    patches = np.array([[1, 2], [3, 4]]).reshape(2, 2, 1, 1)
    with pytest.raises(UsageError, match="no mean of integers"):
        reassemble(patches, corners, (3, 1, 1))


def test_a_volume_that_is_not_covered_or_patches_that_do_not_fit_are_refused():
    made = Reassembly((3, 1, 1))
    with pytest.raises(UsageError, match="no patches yet"):
        made.result()
    made.add(np.zeros((1, 2, 1, 1)), np.zeros((1, 3), int))
    with pytest.raises(UsageError, match="do not cover"):
        made.result()
    with pytest.raises(UsageError, match="another kind"):
        made.add(np.zeros((1, 2, 1, 1), np.float32), np.zeros((1, 3), int))
    with pytest.raises(UsageError, match="do not fit"):
        made.add(np.zeros((1, 2, 1, 1)), np.zeros((2, 3), int))


def test_a_source_on_a_grid_covers_every_record_and_reassembles_exactly(tmp_path, commit_records):
    shapes = {"a": (70, 50, 33), "b": (20, 90, 33)}
    arrays = {name: (blob(shape, 1), boxes(shape, {5: (slice(3, 20),) * 3})) for name, shape in shapes.items()}
    records = {
        name: patient({"t1w": image_group(image), "labels/x": label_group(labels)})
        for name, (image, labels) in arrays.items()
    }
    version = commit_records(tmp_path, "grid", records)
    source = PatchSource(version, masks=["labels/x"], patch=(32, 24, 40), sampling=Grid((8, 0, 4)), on_small="pad")
    found = source.patches(range(len(source)), epoch=3)
    assert np.array_equal(found.image, source.patches(range(len(source))).image)
    for at, name in enumerate(source.records):
        own = found.record == at
        image, labels = arrays[name]
        assert np.array_equal(reassemble(found.image[own, 0], found.corner[own], image.shape), image)
        assert np.array_equal(reassemble(found.mask[own, 0], found.corner[own], image.shape), labels)
