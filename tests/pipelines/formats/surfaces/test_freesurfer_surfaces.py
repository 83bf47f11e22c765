"""FreeSurfer's binary files of surfaces: what nibabel reads, byte for byte; ids kept; bad ones refused by place."""

from __future__ import annotations

import struct

import nibabel.freesurfer as oracle
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.surfaces.freesurfer_surface import scanner_from_surface
from support.freesurfer_files import GEOMETRY, octahedron, write_old_annot, write_old_morph, write_surface

SUBJECT = "mri/freesurfer_subject1/subject1"


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
@pytest.mark.parametrize("hemi", ["lh", "rh"])
def test_a_real_annotation_holds_ids_and_names(hemi, data_dir):
    path = data_dir / SUBJECT / "label" / f"{hemi}.aparc.annot"
    tree = read(path)
    schema.validate(tree, subject=path.name)
    values, table, names = oracle.read_annot(path, orig_ids=True)
    assert np.array_equal(tree["vertex"]["label_value"].values, values)
    assert tree["label"]["name"].values.tolist() == [name.decode() for name in names]
    colours = np.stack(
        [tree["label"][name].values for name in ("red", "green", "blue", "transparency", "value")], axis=1
    )
    assert np.array_equal(colours, table)
    # Vertices of the medial wall have the value 0, which is no label: nothing is made of it.
    assert np.array_equal(tree["vertex"]["label"].values == schema.MISSING_CODE, values == 0)
    assert tree["vertex"].attrs["hemisphere"] == hemi[0].upper()
    assert "warnings" not in tree.attrs


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "units"), [("lh.thickness", "mm"), ("lh.area", "mm2"), ("rh.area", "mm2")], ids=lambda item: item
)
def test_a_real_measure_keeps_its_numbers(name, units, data_dir):
    path = data_dir / SUBJECT / "surf" / name
    tree = read(path)
    schema.validate(tree, subject=name)
    found = tree["vertex"][name.partition(".")[2]]
    assert found.dtype == np.float32
    assert found.attrs["units"] == units
    assert np.array_equal(found.values, oracle.read_morph_data(path))


def test_a_surface_keeps_points_triangles_and_the_geometry_of_its_volume(tmp_path):
    write_surface(tmp_path / "lh.white")
    tree = read(tmp_path / "lh.white")
    schema.validate(tree, subject="lh.white")
    points, triangles, about, stamp = oracle.read_geometry(tmp_path / "lh.white", read_metadata=True, read_stamp=True)
    vertex = tree["vertex"]
    assert np.array_equal(np.stack([vertex[name].values for name in ("x_mm", "y_mm", "z_mm")], axis=1), points)
    assert np.array_equal(np.stack([tree["triangle"][name].values for name in "abc"], axis=1), triangles)
    assert vertex.attrs["comment"] == stamp
    assert vertex.attrs["surface"] == "white"
    assert "tkRAS" in vertex.attrs["space"]
    geometry = vertex.attrs["volume_geometry"]
    assert geometry["cras"] == about["cras"].tolist()
    assert geometry["filename"] == about["filename"]
    # In a conformed volume the two spaces differ by the centre alone.
    shift = np.eye(4)
    shift[:3, 3] = GEOMETRY["cras"]
    assert np.allclose(vertex.attrs["scanner_from_surface"], shift)


@pytest.mark.data
def test_the_matrix_to_the_scanner_is_the_one_of_the_volume(data_dir):
    import nibabel

    image = nibabel.load(data_dir / SUBJECT / "mri" / "brain.mgz")
    header = image.header
    directions = np.asarray(header["Mdc"])
    geometry = {
        "volume": list(image.shape), "voxelsize": header["delta"].tolist(), "cras": header["Pxyz_c"].tolist(),
        "xras": directions[0].tolist(), "yras": directions[1].tolist(), "zras": directions[2].tolist(),
    }  # fmt: skip
    expected = header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())
    assert np.allclose(scanner_from_surface(geometry), expected, atol=1e-4)


def test_a_surface_without_geometry_says_so(tmp_path):
    write_surface(tmp_path / "rh.pial", geometry=None)
    tree = read(tmp_path / "rh.pial")
    assert codes(tree) == ["no-volume-geometry"]
    assert "scanner_from_surface" not in tree["vertex"].attrs


def test_the_old_layouts_are_read(tmp_path):
    write_old_morph(tmp_path / "lh.curv", [-150, 0, 7], 2)
    tree = read(tmp_path / "lh.curv", format="freesurfer-morph")
    assert tree["vertex"]["curv"].values.tolist() == [-1.5, 0.0, 0.07]
    assert tree["vertex"]["curv"].values.tolist() == oracle.read_morph_data(tmp_path / "lh.curv").tolist()
    table = [("unknown", (25, 5, 25, 0)), ("a", (1, 0, 0, 0)), ("b", (0, 1, 0, 0))]
    write_old_annot(tmp_path / "lh.old.annot", [1, 256, 0, 1], table)
    tree = read(tmp_path / "lh.old.annot")
    assert schema.decode(tree["vertex"]["label"]).tolist() == ["a", "b", "", "a"]
    assert tree["label"]["n_vertices"].values.tolist() == [0, 2, 1]


def test_values_in_no_table_are_kept_and_told(tmp_path):
    write_old_annot(tmp_path / "lh.odd.annot", [1, 77, 77, 0], [("a", (1, 0, 0, 0))])
    tree = read(tmp_path / "lh.odd.annot")
    assert codes(tree) == ["labels-without-name"]
    assert "77 (2 vertices)" in tree.attrs["warnings"][0]["message"]
    assert tree["vertex"]["label_value"].values.tolist() == [1, 77, 77, 0]


def test_labels_of_one_colour_are_refused_where_vertices_have_it(tmp_path):
    table = [("a", (1, 0, 0, 0)), ("b", (1, 0, 0, 255))]
    write_old_annot(tmp_path / "lh.two.annot", [1, 0], table)
    with pytest.raises(FormatError, match="cannot be told apart"):
        read(tmp_path / "lh.two.annot")
    write_old_annot(tmp_path / "lh.two.annot", [0, 0], table)
    assert read(tmp_path / "lh.two.annot")["label"].sizes["row"] == 2


@pytest.mark.parametrize("part", [0, 2, 5, 20, 40, 100])
def test_cut_files_are_refused(part, tmp_path):
    write_surface(tmp_path / "lh.white")
    write_old_annot(tmp_path / "lh.a.annot", [1] * 20, [("a", (1, 0, 0, 0))])
    points, _ = octahedron()
    oracle.write_morph_data(str(tmp_path / "lh.thickness"), np.tile(points[:, 0], 20))
    for name, kind in (("lh.white", "surface"), ("lh.a.annot", "annot"), ("lh.thickness", "morph")):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:part])
        with pytest.raises(FormatError):
            read(path, format=f"freesurfer-{kind}")


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [(0, 0xFFFFFF00, "quadrangles"), (14, -5, "negative"), (14, 2**31 - 1, "ends inside"), (22, 0x7FC00000, "finite")],
)
def test_false_counts_and_numbers_are_refused_before_memory_is_taken(at, value, message, tmp_path):
    path = tmp_path / "lh.white"
    write_surface(path)
    raw = bytearray(path.read_bytes())
    raw[at : at + 4] = struct.pack(">I", value & 0xFFFFFFFF)
    path.write_bytes(bytes(raw))
    with pytest.raises(FormatError, match=message):
        read(path, format="freesurfer-surface")


def test_corners_that_are_no_vertices_are_refused(tmp_path):
    points, triangles = octahedron()
    triangles[3, 1] = 6
    oracle.write_geometry(str(tmp_path / "lh.white"), points, triangles, create_stamp="generated", volume_info=GEOMETRY)
    with pytest.raises(FormatError, match="no vertex") as caught:
        read(tmp_path / "lh.white")
    assert caught.value.place == "triangle 3"


def test_a_size_of_labels_that_the_file_cannot_have_is_refused(tmp_path):
    path = tmp_path / "lh.a.annot"
    path.write_bytes(struct.pack(">iii", 1, 0, 0) + struct.pack(">ii", 1, 2**30) + struct.pack(">i", 1) + b"\0")
    with pytest.raises((FormatError, TruncatedError)):
        read(path, format="freesurfer-annot")
