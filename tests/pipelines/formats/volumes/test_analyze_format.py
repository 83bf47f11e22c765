"""The format ``analyze``: numbers as stored, orientation never guessed."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.export import export, remarks
from connectome.pipelines.formats import FORMATS, read, recognise

NUMBERS = np.arange(60, dtype=np.int16).reshape(5, 4, 3)


def save(folder: Path, *, order: str = "<", numbers: np.ndarray = NUMBERS, **fields: object) -> Path:
    """Write a small generated image, with header fields set at will."""
    header = nibabel.AnalyzeHeader(endianness=order)
    header.set_data_dtype(numbers.dtype)
    header.set_data_shape(numbers.shape)
    header.set_zooms((2.0, 3.0, 4.0))
    for name, value in fields.items():
        header[name] = value
    (folder / "made.hdr").write_bytes(header.binaryblock)
    (folder / "made.img").write_bytes(numbers.astype(numbers.dtype.newbyteorder(order)).tobytes(order="F"))
    return folder / "made.hdr"


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "c8"])
def test_both_byte_orders_and_every_type_are_read_as_nibabel_reads_them(order, dtype, tmp_path):
    path = save(tmp_path, order=order, numbers=NUMBERS.astype(dtype))
    tree = read(path)
    schema.validate(tree, subject="made")
    oracle = nibabel.AnalyzeImage.from_filename(path)
    assert np.array_equal(tree["image"]["image"].values, np.asarray(oracle.dataobj))
    assert np.array_equal(tree["image"]["affine"].values, oracle.affine)
    assert tree["image"].attrs["voxel_size_mm"] == [2.0, 3.0, 4.0]


def test_the_orientation_is_unknown_and_stays_so_when_it_becomes_nifti(tmp_path):
    tree = read(save(tmp_path))
    assert codes(tree) == ["orientation-unknown"]
    assert tree["image"].attrs["orientation"] == "unknown"
    (path,) = export(tree, to="nifti", destination=tmp_path / "made.nii")
    again = read(path)
    assert again["image"].attrs["orientation"] == "unknown"
    assert np.array_equal(again["image"]["image"].values, NUMBERS)
    assert again["image"].attrs["voxel_size_mm"] == [2.0, 3.0, 4.0]
    assert "read from analyze" in remarks(tree, to="nifti")[0]


def test_header_and_bytes_around_the_image_are_kept(tmp_path):
    path = save(tmp_path, vox_offset=16.0)
    numbers = (tmp_path / "made.img").read_bytes()
    (tmp_path / "made.img").write_bytes(bytes(range(16)) + numbers + b"after")
    tree = read(path)
    assert codes(tree) == ["orientation-unknown", "trailing-bytes"]
    volume = tree["image"]
    assert volume["header"].values.tobytes() == path.read_bytes() + bytes(range(16))
    assert volume["trailer"].values.tobytes() == b"after"
    assert np.array_equal(volume["image"].values, NUMBERS)


def test_what_spm_writes_into_unused_fields_is_told_and_not_applied(tmp_path):
    path = save(tmp_path, funused1=0.5, originator=struct.pack("<5h", 3, 2, 2, 0, 0))
    tree = read(path)
    assert codes(tree) == ["orientation-unknown", "spm-scale", "spm-origin"]
    assert "slope" not in tree["image"].attrs
    assert np.array_equal(tree["image"]["affine"].values, nibabel.AnalyzeImage.from_filename(path).affine)


def test_a_voxel_without_a_size_counts_as_one_millimetre_and_is_flagged(tmp_path):
    tree = read(save(tmp_path, pixdim=[1, 0, 3, 4, 0, 0, 0, 0]))
    assert tree["image"].attrs["voxel_size_mm"] == [1.0, 3.0, 4.0]
    assert codes(tree) == ["header", "orientation-unknown"]


def test_a_header_of_nifti_is_another_format(tmp_path):
    path = save(tmp_path)
    assert recognise([path]).name == "analyze"
    assert FORMATS["analyze"].inputs([path], {}) == [path, tmp_path / "made.img"]
    nibabel.save(nibabel.Nifti1Pair(NUMBERS, np.eye(4)), tmp_path / "nifti.hdr")
    assert recognise([tmp_path / "nifti.hdr"]).name == "nifti"
    with pytest.raises(FormatError, match="a NIfTI header"):
        read(tmp_path / "nifti.hdr", "analyze")


@pytest.mark.parametrize("cut", [0, 100, 347])
def test_a_header_cut_anywhere_is_told_as_truncated(cut, tmp_path):
    path = save(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TruncatedError):
        read(path, "analyze")


def test_an_image_that_is_short_or_missing_is_refused(tmp_path):
    path = save(tmp_path)
    (tmp_path / "made.img").write_bytes(NUMBERS.tobytes()[:-1])
    with pytest.raises(TruncatedError, match="shorter than its header"):
        read(path, "analyze")
    (tmp_path / "made.img").unlink()
    with pytest.raises(FormatError, match="image is missing"):
        read(path, "analyze")
    with pytest.raises(UsageError, match="one image at a time"):
        read([path, path], "analyze")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"datatype": 1, "bitpix": 1}, "cannot be stored|contradicts"),
        ({"datatype": 128, "bitpix": 24}, "cannot be stored"),
        ({"dim": [3, 5, 0, 3, 1, 1, 1, 1]}, "no voxels"),
        ({"vox_offset": -8.0}, "cannot start there"),
        ({"pixdim": [1, np.nan, 3, 4, 0, 0, 0, 0]}, "voxel size is zero or not finite"),
    ],
)
def test_a_header_that_cannot_be_believed_is_refused(fields, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(save(tmp_path, **fields), "analyze")
    assert caught.value.subject.endswith("made.hdr")
