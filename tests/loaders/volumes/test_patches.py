"""Patches of volumes: the right voxels, drawn as they should be, whatever a record lacks."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from connectome.cohorts import PostOpWarning
from connectome.errors import DamagedError, LeakError, NotFoundError, SchemaError, UsageError
from connectome.loaders.volumes import (
    FittedZScore,
    ForegroundWeighted,
    Grid,
    LabelBalanced,
    PatchSource,
    PercentileRange,
    VolumeSource,
    ZScoreEach,
)
from connectome.schema import category, column
from connectome.splits import Entry, Split
from connectome.volumes import ORDERS, Turn
from support.volume_records import AFFINE, blob, boxes, image_group, label_group, patient

SHAPE = (100, 70, 40)
NEARLY = AFFINE + 0.004 * (np.arange(16) == 3).reshape(4, 4)
IDS = {3: (slice(5, 25), slice(2, 50), slice(1, 30)), 9: (slice(97, 100), slice(60, 62), slice(0, 40))}


@pytest.fixture(scope="module")
def arrays():
    """Return images, second images and labels of three generated patients."""
    shapes = {"a": SHAPE, "b": (64, 130, 33), "c": SHAPE}
    ids = {3: IDS[3], 9: (slice(60, 64), slice(120, 125), slice(30, 33))}
    return {
        name: {
            "t1w": blob(shape, at),
            "flair": (blob(shape, at + 10, "int16") - 90),
            "labels/lesion": boxes(shape, IDS if shape == SHAPE else ids, "uint16"),
        }
        for at, (name, shape) in enumerate(shapes.items())
    }


@pytest.fixture(scope="module")
def version(arrays, tmp_path_factory, commit_records):
    """Return a store: c has no FLAIR, b no labels; d has an empty label volume."""
    sides = {"a": "L", "b": "R", "c": None}
    ages = {"a": 31.0, "b": float("nan"), "c": 7.0}
    records = {}
    for name, own in arrays.items():
        groups = {"t1w": image_group(own["t1w"])}
        if name != "c":
            groups["flair"] = image_group(own["flair"], slope=0.5, intercept=10.0, affine=NEARLY)
        if name != "b":
            groups["labels/lesion"] = label_group(own["labels/lesion"])
        columns = {
            "Op_Side": category("row", [sides[name]], ["L", "R"], "Side", available="pre_op"),
            "Age": column("row", np.array([ages[name]]), "Age", "year", available="pre_op"),
            "Pathology": column("row", ["HS"], "Pathology", available="post_op"),
        }
        records[name] = patient(groups, columns)
    records["d"] = patient(
        {"t1w": image_group(np.zeros(SHAPE, np.uint8)), "labels/lesion": label_group(np.zeros(SHAPE, np.uint8))}
    )
    split = Split(
        "by-patient",
        {"kind": "by-hand"},
        tuple(Entry(name, part) for name, part in (("a", "train"), ("b", "train"), ("c", "test"), ("d", "test"))),
        {},
    )
    return commit_records(tmp_path_factory.mktemp("patches") / "store", "generated", records, [split])


def cut(values, corner, patch):
    return values[tuple(slice(at, at + edge) for at, edge in zip(corner, patch, strict=True))]


# -- the right voxels ------------------------------------------------------------------------------------------------


def test_patches_are_bit_for_bit_slices_of_the_whole_array(version, arrays):
    patch = (33, 20, 17)
    source = PatchSource(
        version, images=["t1w", "flair"], masks=["labels/lesion"], patch=patch, patches_per_record=20,
        on_missing="mask", records=["a", "b", "c"],
    )  # fmt: skip
    found = source.patches(range(len(source)))
    assert found.image.dtype == np.float32
    assert found.mask.dtype == np.int64
    for at in range(len(found)):
        own = arrays[source.records[found.record[at]]]
        corner = found.corner[at].tolist()
        assert np.array_equal(found.image[at, 0], cut(own["t1w"], corner, patch).astype(np.float32))
        if found.present[at, 1]:
            assert np.array_equal(found.image[at, 1], cut(own["flair"], corner, patch) * 0.5 + 10)
        if found.mask_present[at, 0]:
            assert np.array_equal(found.mask[at, 0], cut(own["labels/lesion"], corner, patch))
    assert len({tuple(corner) for corner in found.corner.tolist()}) > 50


@pytest.mark.parametrize("order", ["RAS", "LPS", "SAR", "PIL"])
def test_patches_of_a_view_are_slices_of_the_turned_array(version, arrays, order):
    patch = (12, 30, 21)
    source = PatchSource(version, masks=["labels/lesion"], patch=patch, axes=order, records=["a", "c"],
                         sampling=LabelBalanced((0, 9)))  # fmt: skip
    turn = Turn.between("LIA", order)
    found = source.patches(range(len(source)))
    for at in range(len(found)):
        own = arrays[source.records[found.record[at]]]
        turned = {name: turn.apply(own[name]) for name in ("t1w", "labels/lesion")}
        corner = found.corner[at].tolist()
        assert np.array_equal(found.image[at, 0], cut(turned["t1w"], corner, patch))
        assert np.array_equal(found.mask[at, 0], cut(turned["labels/lesion"], corner, patch))
        assert turned["labels/lesion"][tuple(found.voxel[at])] == found.drawn[at]


def test_the_affine_of_a_patch_says_where_its_voxels_lie(version):
    source = PatchSource(version, patch=10, axes="RAS", records=["a"])
    found = source.patches([0])
    turn, corner = source.turn(0), found.corner[0]
    stored = turn.matrix(SHAPE) @ [*np.add(corner, [1, 2, 3]), 1]
    assert np.allclose(source.affine(0, corner) @ [1, 2, 3, 1], AFFINE @ stored)
    assert np.all(np.diag(source.affine(0))[:3] > 0)


def test_all_48_axis_orders_of_one_volume_give_the_same_canonical_patches(tmp_path, commit_records):
    image = blob((40, 30, 20), 5)
    base = np.diag([1.0, 1.5, 2.0, 1.0])
    records = {}
    for order in ORDERS:
        turn = Turn.between("RAS", order)
        records[order] = patient(
            {"t1w": image_group(np.ascontiguousarray(turn.apply(image)), affine=base @ turn.matrix(image.shape))}
        )
    version = commit_records(tmp_path, "orders", records)
    source = PatchSource(version, patch=(16, 16, 16), axes="RAS", sampling=Grid(4), patches_per_record=1)
    each = len(source) // 48
    first = source.patches(range(each))
    for at in range(48):
        found = source.patches(range(at * each, (at + 1) * each))
        assert np.array_equal(found.image, first.image)
        assert np.allclose(source.affine(at), base, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_patch_of_any_view_is_a_slice(version, arrays, data):
    patch = tuple(data.draw(st.integers(1, 140)) for _ in range(3))
    order = data.draw(st.sampled_from(ORDERS))
    source = PatchSource(version, patch=patch, axes=order, records=["b"], on_small="pad", fill=-5.0,
                         seed=data.draw(st.integers(0, 99)), patches_per_record=2)  # fmt: skip
    turned = Turn.between("LIA", order).apply(arrays["b"]["t1w"]).astype(np.float32)
    found = source.patches([0, 1], epoch=data.draw(st.integers(0, 5)))
    wide = np.pad(turned, 140, constant_values=-5.0)
    inside = np.pad(np.ones(turned.shape, bool), 140)
    for at in range(2):
        corner = [place + 140 for place in found.corner[at].tolist()]
        assert np.array_equal(found.image[at, 0], cut(wide, corner, patch))
        assert np.array_equal(found.valid[at], cut(inside, corner, patch))


def test_chunks_are_decoded_once_for_patches_that_share_them(version):
    source = PatchSource(version, patch=16, records=["a"], patches_per_record=200)
    source.patches(range(200))
    array = source.reader(0).array("t1w/image")
    n_chunks = np.prod([-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True)])
    assert array.n_decoded <= n_chunks


def test_decoded_chunks_stay_within_their_budget(version):
    source = PatchSource(version, patch=16, patches_per_record=50, cache_bytes=300_000, records=["a", "b", "c"])
    for start in range(0, len(source), 10):
        source.patches(range(start, start + 10))
        assert source._shelf._cache.size_bytes <= 300_000


# -- what is drawn ---------------------------------------------------------------------------------------------------


def test_a_patch_depends_on_seed_epoch_and_number_alone(version):
    first, second = (PatchSource(version, patch=16, seed=3, records=["a", "b"]) for _ in range(2))
    both = first.patches([5, 2, 9, 5], epoch=4)
    second.patches([1, 0])
    alone = [second.patches([at], epoch=4) for at in (5, 2, 9, 5)]
    assert np.array_equal(both.image, np.concatenate([each.image for each in alone]))
    corners = {
        tuple(PatchSource(version, patch=16, seed=seed, records=["a"]).patches([1], epoch=epoch).corner[0].tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(corners) == 9


def test_uniform_corners_are_uniform(version):
    source = PatchSource(version, patch=(96, 68, 37), records=["a"], patches_per_record=3000)
    corners = np.array([source.place(at).corner for at in range(3000)])
    free = (5, 3, 4)
    counts = np.zeros(free, dtype=int)
    np.add.at(counts, tuple(corners.T), 1)
    assert stats.chisquare(counts.ravel()).pvalue > 1e-4


def test_each_voxel_of_a_label_is_as_likely_as_any_other(tmp_path, commit_records):
    labels = boxes((40, 36, 20), {3: (slice(14, 19), slice(30, 34), slice(14, 18)), 70000: (slice(0, 1),) * 3}, "int32")
    image = blob((40, 36, 20), 1)
    records = {"a": patient({"t1w": image_group(image), "labels/x": label_group(labels)})}
    version = commit_records(tmp_path, "labels", records)
    source = PatchSource(version, masks=["labels/x"], patch=8, patches_per_record=4000, sampling="label-balanced")
    places = [source.place(at) for at in range(4000)]
    drawn = np.array([place.drawn for place in places])
    assert stats.chisquare([(drawn == 3).sum(), (drawn == 70000).sum()]).pvalue > 1e-4
    voxels = np.array([place.voxel for place in places])
    assert (labels[tuple(voxels.T)] == drawn).all()
    counts = np.zeros(labels.shape, dtype=int)
    np.add.at(counts, tuple(voxels[drawn == 3].T), 1)
    assert stats.chisquare(counts[labels == 3]).pvalue > 1e-4


def test_voxels_without_a_label_are_drawn_uniformly_too(tmp_path, commit_records):
    labels = np.ones((20, 18, 17), np.uint8)
    labels[:3, 5:18, 16] = 0
    labels[19, 17, 0] = 0
    records = {"a": patient({"t1w": image_group(blob(labels.shape)), "labels/x": label_group(labels)})}
    version = commit_records(tmp_path, "zero", records)
    source = PatchSource(version, masks=["labels/x"], patch=4, patches_per_record=2000, sampling=LabelBalanced((0,)))
    voxels = np.array([source.place(at).voxel for at in range(2000)])
    counts = np.zeros(labels.shape, dtype=int)
    np.add.at(counts, tuple(voxels.T), 1)
    assert not counts[labels != 0].any()
    assert stats.chisquare(counts[labels == 0]).pvalue > 1e-4


def test_foreground_voxels_are_drawn_uniformly_and_the_rest_anywhere(tmp_path, commit_records):
    image = np.zeros((30, 20, 33), dtype=np.float32)
    image[14:18, 3:6, 30:33] = 2.5
    image[2, 2, 2], image[3, 3, 3] = np.nan, np.inf
    version = commit_records(tmp_path, "foreground", {"a": patient({"t1w": image_group(image)})})
    source = PatchSource(version, patch=6, patches_per_record=3000, sampling="foreground-weighted")
    voxels = np.array([source.place(at).voxel for at in range(3000)])
    counts = np.zeros(image.shape, dtype=int)
    np.add.at(counts, tuple(voxels.T), 1)
    assert counts.sum() == counts[image == 2.5].sum() == 3000
    assert stats.chisquare(counts[image == 2.5]).pvalue > 1e-4
    mixed = PatchSource(version, patch=6, patches_per_record=2000, sampling=ForegroundWeighted(0.25))
    around = np.array([mixed.place(at).voxel[0] >= 0 for at in range(2000)])
    assert stats.binomtest(int(around.sum()), 2000, 0.25).pvalue > 1e-4


@pytest.mark.parametrize("sampling", ["label-balanced", "foreground-weighted"])
def test_the_voxel_that_was_drawn_lies_in_its_patch(version, sampling):
    source = PatchSource(version, masks=["labels/lesion"], patch=(20, 41, 7), records=["a", "c"], sampling=sampling)
    found = source.patches(range(len(source)))
    assert ((found.corner <= found.voxel) & (found.voxel < np.add(found.corner, [20, 41, 7]))).all()
    inside = found.voxel - found.corner
    if sampling == "label-balanced":
        assert {3, 9} == set(found.drawn.tolist())
        assert all(found.mask[at, 0][tuple(inside[at])] == found.drawn[at] for at in range(len(found)))


def test_a_block_that_does_not_hold_what_is_stored_of_it_is_damage(tmp_path, commit_records):
    labels = boxes(SHAPE, IDS)
    group = label_group(labels)
    group["image"] = group["image"].copy(data=np.roll(labels, 1, axis=0))
    records = {"a": patient({"t1w": image_group(blob(SHAPE)), "labels/x": group})}
    source = PatchSource(commit_records(tmp_path, "wrong", records), masks=["labels/x"], patch=8,
                         sampling="label-balanced")  # fmt: skip
    with pytest.raises(DamagedError, match="does not hold"):
        source.patches([0])


# -- what a record lacks ---------------------------------------------------------------------------------------------


def test_a_record_that_lacks_a_volume_is_refused_by_default(version):
    with pytest.raises(UsageError, match="lacks a volume") as found:
        PatchSource(version, images=["t1w", "flair"], patch=16)
    assert (found.value.subject, found.value.place) == ("c", "flair")


def test_records_that_are_left_out_say_why(version):
    source = PatchSource(version, images=["t1w", "flair"], masks=["labels/lesion"], patch=16, on_missing="skip")
    assert source.records == ("a",)
    assert source.skipped == {"b": "no labels/lesion", "c": "no flair", "d": "no flair"}
    assert len(source) == 8


def test_what_is_missing_is_marked_and_the_keys_stay_the_same(version):
    options = {"images": ["t1w", "flair"], "masks": ["labels/lesion"], "patch": 16}
    masked = PatchSource(version, on_missing="mask", **options)
    filled = PatchSource(version, on_missing="fill", fill=-7.5, mask_fill=-100, **options)
    for source, fill, label in ((masked, 0.0, 0), (filled, -7.5, -100)):
        found = source.patches(range(len(source)))
        assert source.records == ("a", "b", "c", "d")
        assert found.image.shape == (32, 2, 16, 16, 16)
        assert found.present[::8].tolist() == [[True, True], [True, True], [True, False], [True, False]]
        assert found.mask_present[::8, 0].tolist() == [True, False, True, True]
        assert (found.image[16:, 1] == fill).all()
        assert (found.mask[8:16, 0] == label).all()


def test_each_volume_may_have_its_own_rule(version):
    source = PatchSource(
        version, images=["t1w", "flair"], masks=["labels/lesion"], patch=16,
        on_missing={"flair": "skip", "labels/lesion": "mask"},
    )  # fmt: skip
    assert source.records == ("a", "b")
    with pytest.raises(UsageError, match="no such volume or choice"):
        PatchSource(version, patch=16, on_missing={"t2w": "skip"})
    with pytest.raises(UsageError, match="no such volume or choice"):
        PatchSource(version, patch=16, on_missing="drop")


def test_a_record_without_any_of_the_labels_follows_the_rule_of_its_volume(version):
    options = {"masks": ["labels/lesion"], "patch": 16, "sampling": "label-balanced", "records": ["a", "d"]}
    with pytest.raises(UsageError, match="none of the labels"):
        PatchSource(version, **options)
    skipping = PatchSource(version, on_missing="skip", **options)
    assert skipping.skipped == {"d": "none of the labels"}
    assert set(skipping.patches(range(len(skipping))).record.tolist()) == {0}
    anywhere = PatchSource(version, on_missing="mask", **options).patches(range(16))
    assert (anywhere.drawn[8:] == -1).all()
    assert (anywhere.record == np.repeat([0, 1], 8)).all()


def test_volumes_on_two_grids_are_refused_in_millimetres(tmp_path, commit_records):
    image = blob((20, 20, 20))
    shifted = AFFINE.copy()
    shifted[0, 3] += 0.02
    for other in (image_group(image, affine=shifted), image_group(image[:-1])):
        version = commit_records(tmp_path, "apart", {"a": patient({"t1w": image_group(image), "flair": other})})
        with pytest.raises(SchemaError, match="do not lie on one grid") as found:
            PatchSource(version, images=["t1w", "flair"], patch=8)
        assert found.value.place == "t1w, flair"


def test_small_volumes_are_refused_or_padded_as_asked(version, arrays):
    with pytest.raises(UsageError, match="smaller than the patch"):
        PatchSource(version, patch=48, records=["a"])
    source = PatchSource(version, patch=48, records=["a"], on_small="pad", fill=-1.0)
    found = source.patches(range(8))
    assert (found.corner[:, 2] == -4).all()
    assert found.valid.sum(axis=(1, 2, 3)).tolist() == [48 * 48 * 40] * 8
    assert (found.image[:, 0][~found.valid] == -1.0).all()
    assert PatchSource(version, patch=16, records=["a"]).patches([0]).valid is None


def test_images_with_time_and_labels_that_are_floats_are_refused(tmp_path, commit_records):
    bold = image_group(np.ones((8, 8, 8, 3), np.float32))
    floats = image_group(np.full((8, 8, 8), 0.5, np.float32))
    single = image_group(np.arange(512, dtype=np.uint16).reshape(8, 8, 8, 1))
    version = commit_records(tmp_path, "odd", {"a": patient({"bold": bold, "labels/x": floats, "t1w": single})})
    with pytest.raises(UsageError, match="more than three axes"):
        PatchSource(version, images=["bold"], patch=4)
    with pytest.raises(UsageError, match="labels are integers"):
        PatchSource(version, masks=["labels/x"], patch=4)
    assert PatchSource(version, patch=8).patches([0]).image.ravel().tolist() == list(range(512))


def test_axes_that_are_not_known_are_not_guessed(tmp_path, commit_records):
    image = blob((12, 13, 14))
    version = commit_records(tmp_path, "unknown", {"a": patient({"t1w": image_group(image, orientation="unknown")})})
    assert PatchSource(version, patch=8).patches([0]).image.any()
    with pytest.raises(UsageError, match="not known which way"):
        PatchSource(version, patch=8, axes="RAS")
    source = PatchSource(version, patch=(14, 12, 13), axes="SRA", assume="RAS")
    assert np.array_equal(source.patches([0]).image[0, 0], image.transpose(2, 0, 1))


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_a_label_above_2_to_24_survives_and_one_that_does_not_fit_is_refused(tmp_path, commit_records):
    labels = boxes((16, 16, 16), {2**24 + 1: (slice(0, 8),) * 3}, "int32")
    version = commit_records(
        tmp_path, "large", {"a": patient({"t1w": image_group(blob(labels.shape)), "labels/x": label_group(labels)})}
    )
    options = {"masks": ["labels/x"], "patch": 16}
    assert PatchSource(version, **options).patches([0]).mask.max() == 2**24 + 1
    assert PatchSource(version, mask_dtype="int32", **options).patches([0]).mask.dtype == np.int32
    with pytest.raises(UsageError, match="does not fit"):
        PatchSource(version, mask_dtype="int16", **options).patches([0])


def test_each_image_is_normalised_by_its_own_stored_statistics(version, arrays):
    flair = arrays["a"]["flair"] * 0.5 + 10
    t1w = arrays["a"]["t1w"].astype(float)
    some = flair[arrays["a"]["flair"] != 0]
    low, high = np.percentile(t1w, [1, 99])
    expected = {
        "z-score": ("flair", (flair - some.mean()) / some.std()),
        "z-score-all": ("t1w", (t1w - t1w.mean()) / t1w.std()),
        PercentileRange(1, 99): ("t1w", np.clip((t1w - low) / (high - low), 0, 1)),
        ZScoreEach(foreground=True): ("t1w", (t1w - t1w[t1w != 0].mean()) / t1w[t1w != 0].std()),
    }
    for normalise, (image, values) in expected.items():
        source = PatchSource(version, images=[image], patch=16, records=["a"], normalise=normalise, dtype="float64")
        found = source.patches(range(8))
        whole = np.stack([cut(values, corner, (16,) * 3) for corner in found.corner.tolist()])
        assert np.allclose(found.image[:, 0], whole, rtol=1e-12, atol=1e-12)
        single = PatchSource(version, images=[image], patch=16, records=["a"], normalise=normalise).patches(range(8))
        assert np.allclose(single.image, found.image, rtol=1e-5, atol=1e-6)


def test_an_image_without_spread_is_not_divided_by_nothing(version):
    source = PatchSource(version, patch=16, records=["d"], normalise="z-score-all")
    assert not source.patches([0]).image.any()
    with pytest.raises(UsageError, match="no such statistic"):
        PatchSource(version, patch=16, records=["d"], normalise="z-score").patches([0])


def test_a_fitted_normalisation_knows_the_training_images_only_and_is_saved_with_their_version(
    version, arrays, tmp_path
):
    train = PatchSource(version, patch=16, split="by-patient/train")
    scale = FittedZScore.fit(train)
    seen = np.concatenate([arrays[name]["t1w"].ravel() for name in "ab"]).astype(float)
    seen = seen[seen != 0]
    assert np.allclose([scale.fitted.mean[0], scale.fitted.std[0]], [seen.mean(), seen.std()], rtol=1e-12)
    assert scale.fitted.n == (seen.size,)
    scale.save(tmp_path / "scale.json")
    loaded = FittedZScore.load(tmp_path / "scale.json")
    assert loaded.fitted == scale.fitted
    test = PatchSource(version, patch=16, split="by-patient/test", normalise=loaded, dtype="float64").patches([0])
    expected = (cut(arrays["c"]["t1w"], test.corner[0].tolist(), (16,) * 3) - seen.mean()) / seen.std()
    assert np.allclose(test.image[0, 0], expected)


def test_a_normalisation_that_saw_test_images_is_refused(version):
    everything = FittedZScore.fit(PatchSource(version, patch=16))
    with pytest.raises(LeakError, match="not fitted on the training part"):
        PatchSource(version, patch=16, split="by-patient/test", normalise=everything)
    said = FittedZScore.fit(PatchSource(version, patch=16), allow_leak=True)
    PatchSource(version, patch=16, split="by-patient/test", normalise=said)


# -- columns, whole volumes, other processes ---------------------------------------------------------------------------


def test_columns_of_the_patient_go_along_with_every_patch(version):
    source = PatchSource(version, patch=16, labels=["Op_Side", "Pathology"], inputs=["Age"])
    found = source.patches(range(0, len(source), 8))
    assert source.columns["Op_Side"].names == ("L", "R")
    assert found.labels["Op_Side"].tolist() == [0, 1, -1, -1]
    assert found.labels["Pathology"].tolist() == [0, 0, 0, -1]
    assert np.array_equal(found.inputs["Age"], [31, np.nan, 7, np.nan], equal_nan=True)
    with pytest.raises(NotFoundError, match="no record has such a column") as refused:
        PatchSource(version, patch=16, labels=["Side"])
    assert "Op_Side" in refused.value.expected


def test_what_is_known_only_after_surgery_warns_as_an_input_and_not_as_a_label(version, tmp_path, commit_records):
    with pytest.warns(PostOpWarning, match="Pathology"):
        PatchSource(version, patch=16, inputs=["Pathology"])
    groups = {"t1w": image_group(blob((9, 9, 9))), "labels/x": label_group(boxes((9, 9, 9), {}), available="post_op")}
    stored = commit_records(tmp_path, "after", {"a": patient(groups)})
    with pytest.warns(PostOpWarning, match="labels/x"):
        PatchSource(stored, images=["t1w", "labels/x"], patch=4)
    PatchSource(stored, masks=["labels/x"], patch=4)


def test_whole_volumes_of_different_shapes_are_padded_at_the_end(version, arrays):
    source = VolumeSource(version, masks=["labels/lesion"], on_missing="mask", fill=-2.0)
    found = source.volumes([1, 0])
    assert found.image.shape == (2, 1, 100, 130, 40)
    for at, name in enumerate("ba"):
        shape = arrays[name]["t1w"].shape
        inside = tuple(slice(0, size) for size in shape)
        assert np.array_equal(found.image[at, 0][inside], arrays[name]["t1w"])
        assert found.valid[at].sum() == np.prod(shape)
        assert found.valid[at][inside].all()
        assert (found.image[at, 0][~found.valid[at]] == -2.0).all()
    with pytest.raises(IndexError):
        source.volumes([4])


def test_a_source_travels_to_another_process_without_its_chunks(version):
    source = PatchSource(version, masks=["labels/lesion"], patch=16, records=["a", "c"], sampling="label-balanced")
    expected = source.patches([3, 1])
    sent = pickle.dumps(source)
    assert len(sent) < 20_000
    assert np.array_equal(pickle.loads(sent).patches([3, 1]).image, expected.image)


def test_a_batch_that_somebody_keeps_never_changes(version):
    source = PatchSource(version, patch=16, records=["a"])
    kept = source.patches(range(4)).image[1:2, :, 3]
    copy = kept.copy()
    places = set()
    for start in itertools.islice(itertools.cycle([0, 4]), 10):
        image = source.patches(range(start, start + 4)).image
        places.add(image.__array_interface__["data"][0])
        del image
    assert np.array_equal(kept, copy)
    # The memory of batches that nobody looks at any more is used again.
    assert len(places) == 1


def test_memory_of_batches_of_another_size_is_given_back(version):
    source = VolumeSource(version, on_missing="mask", masks=["labels/lesion"])
    for some in ([0], [1], [0, 1], [1, 2, 3], [2]):
        found = source.volumes(some)
        del found
        # An image, a mask and what is valid: of the last batch alone.
        assert len(source._buffers._kept) <= 3


def test_arguments_that_cannot_be_meant_are_refused(version):
    for wrong in (
        {"patch": 0},
        {"patch": (1, 2)},
        {"sampling": "random"},
        {"sampling": Grid(16), "patch": 16},
        {"patches_per_record": 0},
        {"seed": -1},
        {"on_small": "crop"},
        {"images": "t1w"},
        {"images": []},
        {"images": ["t1w", "t1w"]},
        {"dtype": "int32"},
        {"mask_dtype": "float32"},
        {"normalise": "minmax"},
        {"axes": "XYZ"},
        {"sampling": "label-balanced"},
        {"records": "a"},
    ):
        with pytest.raises(UsageError):
            PatchSource(version, **{"patch": 16, "records": ["a"], **wrong})
    with pytest.raises(IndexError):
        PatchSource(version, patch=16, records=["a"]).patches([8])
