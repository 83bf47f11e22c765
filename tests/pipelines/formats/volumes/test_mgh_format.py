"""The format ``mgh``: FreeSurfer's volumes keep their numbers, their place, their tags and their bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.export import export, remarks
from connectome.pipelines.formats import read, recognise
from connectome.volumes import canonical

REAL = (
    ("nibabel_testdata", "test.mgz"),
    ("freesurfer_subject1", "subject1/mri/brain.mgz"),
    ("freesurfer_subject1", "subject1/mri/aseg.mgz"),
    ("freesurfer_subject1", "subject1/mri/aparc+aseg.mgz"),
)
AFFINE = np.array([[0.0, 0.0, 2.0, -7.0], [-1.5, 0.0, 0.0, 9.0], [0.0, -3.0, 0.0, 4.0], [0.0, 0.0, 0.0, 1.0]])


def generated(*, good: bool = True, footer: bytes = b"", dtype: str = ">i2", shape=(5, 4, 3)) -> bytes:
    """Make the bytes of a small generated MGH file."""
    numbers = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    image = nibabel.MGHImage(numbers, AFFINE)
    content = image.to_bytes()[: 284 + numbers.nbytes]
    if not good:
        content = content[:28] + b"\0\0" + content[30:]
    return content + footer


def save(folder: Path, content: bytes, name: str = "made.mgh") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
@pytest.mark.parametrize(("folder", "name"), REAL)
def test_a_real_volume_agrees_with_what_was_counted_elsewhere_and_gives_its_bytes_back(
    folder, name, data_dir, tmp_path
):
    path = data_dir / "mri" / folder / name
    about = json.loads((data_dir / "mri" / folder / "images_expected.json").read_text())[name]
    tree = read(path)
    schema.validate(tree, subject=name)
    volume, facts = tree["image"], schema.measure(tree)["/image"]
    assert facts["shape"] == about["shape"]
    assert facts["orientation"] == about["axcodes"]
    assert np.allclose(facts["affine"], about["affine"], rtol=0, atol=1e-12)
    assert np.dtype(facts["source_dtype"]) == np.dtype(about["dtype"])
    assert (facts["min"], facts["max"], facts["n_nonzero"]) == (about["min"], about["max"], about["n_nonzero"])
    little = volume["image"].values.astype(np.dtype(about["dtype"]).newbyteorder("<"))
    assert hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest() == about["stored_sha256_C_little"]
    view = canonical(volume.to_dataset(inherit=False))
    assert list(view.shape) == about["canonical_shape"]
    assert np.allclose(view.affine, about["canonical_affine"], rtol=0, atol=1e-9)
    (written,) = export(tree, to="mgh", destination=tmp_path / "back.mgh")
    assert written.read_bytes() == gzip.decompress(path.read_bytes())


@pytest.mark.data
def test_segmentations_are_labels_with_the_counts_of_the_statistics_file(data_dir):
    folder = data_dir / "mri" / "freesurfer_subject1" / "subject1"
    volume = read(folder / "mri" / "aseg.mgz", group="labels/aseg")["labels/aseg"]
    held = dict(zip(volume["label_id"].values.tolist(), volume["label_voxels"].values.tolist(), strict=True))
    rows = [line.split() for line in (folder / "stats" / "aseg.stats").read_text().splitlines()]
    table = {int(row[1]): int(row[2]) for row in rows if row and not row[0].startswith("#")}
    assert len(table) == 45
    assert {label: held.get(label, 0) for label in table} == table
    assert volume["image"].dtype == np.uint8
    assert volume.attrs["source_dtype"] == ">i4"


@pytest.mark.parametrize("dtype", [">u1", ">i2", ">i4", ">f4"])
def test_every_type_is_read_as_nibabel_reads_it_and_comes_back(dtype, tmp_path):
    content = generated(dtype=dtype, footer=struct.pack(">5f", 2300.0, 0.157, 2.0, 900.0, 0.0) + b"tags")
    tree = read(save(tmp_path, gzip.compress(content), "made.mgz"))
    volume, image = tree["image"], nibabel.load(tmp_path / "made.mgz")
    assert codes(tree) == []
    assert np.array_equal(volume["image"].values, np.asarray(image.dataobj))
    assert np.array_equal(volume["affine"].values, image.affine)
    assert volume.attrs["surface_affine"] == image.header.get_vox2ras_tkr().tolist()
    assert volume.attrs["repetition_time_ms"] == 2300.0
    (plain,) = export(tree, to="mgh", destination=tmp_path / "back.mgh")
    (packed,) = export(tree, to="mgh", destination=tmp_path / "back.mgz")
    assert plain.read_bytes() == gzip.decompress(packed.read_bytes()) == content


def test_a_volume_becomes_nifti_at_the_same_place_and_the_export_says_that_it_was_converted(tmp_path):
    tree = read(save(tmp_path, generated(dtype=">i4", shape=(5, 4, 3, 2), footer=struct.pack(">5f", 1500, 0, 0, 0, 0))))
    (path,) = export(tree, to="nifti", destination=tmp_path / "made.nii.gz")
    image = nibabel.load(path)
    assert np.array_equal(np.asarray(image.dataobj), tree["image"]["image"].values)
    assert image.get_data_dtype() == np.int32
    assert np.allclose(image.affine, AFFINE, atol=1e-5)
    assert image.header.get_xyzt_units() == ("mm", "msec")
    assert "read from mgh" in remarks(tree, to="nifti")[0]
    with pytest.raises(UsageError, match="does not fit"):
        export(tree, to="nifti", destination=tmp_path / "made.hdr")


def test_without_a_good_flag_left_and_right_are_not_known(tmp_path):
    content = generated(good=False)
    path = save(tmp_path, content)
    tree = read(path)
    assert codes(tree) == ["orientation-unknown"]
    assert tree["image"].attrs["orientation"] == "unknown"
    assert np.array_equal(tree["image"]["affine"].values, nibabel.MGHImage.from_bytes(content).affine)
    with pytest.raises(UsageError, match="orientation is not known"):
        canonical(tree["image"].to_dataset())
    (back,) = export(tree, to="mgh", destination=tmp_path / "back.mgh")
    assert back.read_bytes() == content
    (made,) = export(tree, to="nifti", destination=tmp_path / "made.nii")
    header = nibabel.load(made).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)


@pytest.mark.parametrize("cut", [0, 1, 100, 283, 284, 403])
def test_a_file_cut_anywhere_is_told_as_truncated(cut, tmp_path):
    content = generated()
    assert len(content) == 404
    with pytest.raises(TruncatedError):
        read(save(tmp_path, content[:cut]), "mgh")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, struct.pack(">i", 2), "not an MGH file"),
        (4, struct.pack(">i", 0), "no voxels"),
        (4, struct.pack(">i", -5), "no voxels"),
        (20, struct.pack(">i", 6), "unknown data type"),
        (30, struct.pack(">f", 0.0), "singular or not finite"),
        (30, struct.pack(">f", np.nan), "singular or not finite"),
        (42, struct.pack(">9f", *range(1, 10)), "singular or not finite"),
        (78, struct.pack(">f", np.inf), "singular or not finite"),
    ],
)
def test_a_header_that_cannot_be_believed_is_refused(place, value, message, tmp_path):
    content = bytearray(generated())
    content[place : place + len(value)] = value
    with pytest.raises(FormatError, match=message) as caught:
        read(save(tmp_path, bytes(content)), "mgh")
    assert caught.value.subject.endswith("made.mgh")
    assert caught.value.place


def test_sizes_that_no_file_can_have_are_refused_before_memory_is_asked_for(tmp_path):
    content = bytearray(generated())
    content[4:20] = struct.pack(">4i", *[2**31 - 1] * 4)
    with pytest.raises(TruncatedError, match="shorter than its header"):
        read(save(tmp_path, bytes(content)), "mgh")


def test_a_name_that_promises_or_hides_gzip_is_flagged(tmp_path):
    assert codes(read(save(tmp_path, generated(), "made.mgz"))) == ["gzip-name"]
    assert codes(read(save(tmp_path, gzip.compress(generated()), "made.mgh"))) == ["gzip-name"]


def test_the_format_is_recognised_from_the_file(tmp_path):
    assert recognise([save(tmp_path, gzip.compress(generated()), "made.mgz")]).name == "mgh"
    with pytest.raises(FormatError, match="cannot be told"):
        recognise([save(tmp_path, b"not MGH" * 100, "other.mgh")])
