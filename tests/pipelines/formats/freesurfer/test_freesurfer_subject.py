"""The format ``freesurfer``: a subject's folder as one record; missing parts are told, broken ones refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, SchemaError, TruncatedError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.freesurfer.colour_table import read_colour_table
from support.freesurfer_files import write_surface

SUBJECT = "mri/freesurfer_subject1/subject1"


@pytest.fixture(scope="module")
def subject(data_dir):
    return read(data_dir / SUBJECT)


@pytest.fixture
def small(tmp_path) -> Path:
    """Return a generated subject: volumes of 8 voxels along an axis, an octahedron per surface."""
    root = tmp_path / "generated"
    for part in ("mri", "surf", "label", "stats", "scripts"):
        (root / part).mkdir(parents=True)
    labels = np.zeros((8, 8, 8), dtype=np.int32)
    labels[2:5, 2:5, 2:5] = 17
    nibabel.save(nibabel.MGHImage(labels, np.eye(4)), root / "mri" / "aseg.mgz")
    image = np.arange(512, dtype=np.uint8).reshape(8, 8, 8)
    nibabel.save(nibabel.MGHImage(image, np.eye(4)), root / "mri" / "orig.mgz")
    colours = np.array([[25, 5, 25, 0, 0], [1, 2, 3, 0, 0]])
    for hemi in ("lh", "rh"):
        write_surface(root / "surf" / f"{hemi}.white")
        write_surface(root / "surf" / f"{hemi}.pial", scale=12.0)
        nibabel.freesurfer.write_morph_data(str(root / "surf" / f"{hemi}.thickness"), np.full(6, 2.0), 8)
        path, names = root / "label" / f"{hemi}.aparc.annot", ["unknown", "cuneus"]
        nibabel.freesurfer.write_annot(str(path), np.array([-1, 0, 1, 1, 1, 1]), colours, names)
    (root / "label" / "lh.cortex.label").write_text("#!ascii label  , generated\n2\n0 1 0 0 0.5\n5 0 0 -1 0\n")
    return root


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
def test_the_real_subject_is_one_valid_record(subject, data_dir):
    schema.validate(subject, subject="subject1")
    assert recognise([data_dir / SUBJECT]).name == "freesurfer"
    assert {path for path, _ in schema.groups(subject)} == {
        "/aseg", "/labels/aparc+aseg", "/labels/aseg", "/measures", "/regions", "/space-orig_desc-brain_t1w",
        "/stats/wmparc", "/surfaces/lh/label/aparc", "/surfaces/lh/patch/entorhinal_exvivo", "/surfaces/lh/vertex",
        "/surfaces/rh/label/aparc", "/surfaces/rh/vertex",
    }  # fmt: skip
    assert subject["regions"].sizes["row"] == 68
    assert subject["labels/aseg"].attrs["aligned_to"] == "space-orig_desc-brain_t1w"
    # Two files are no part of the record; counts of the statistics are those of the images.
    assert set(codes(subject)) == {"files-not-read", "comma-missing"}


@pytest.mark.data
def test_images_of_the_real_subject_are_those_of_its_readme(subject, data_dir):
    expected = json.loads((data_dir / "mri/freesurfer_subject1/images_expected.json").read_text())
    for name, group in (
        ("aseg", "labels/aseg"),
        ("aparc+aseg", "labels/aparc+aseg"),
        ("brain", "space-orig_desc-brain_t1w"),
    ):
        facts, image = expected[f"subject1/mri/{name}.mgz"], subject[group]["image"].values
        assert list(image.shape) == facts["shape"]
        assert int((image != 0).sum()) == facts["n_nonzero"]
        assert int(image.sum(dtype=np.int64)) == facts["sum_unscaled"]
    names = dict(zip(subject["labels/aparc+aseg"]["label_id"].values.tolist(),
                     subject["labels/aparc+aseg"]["label_name"].values.tolist(), strict=True))  # fmt: skip
    assert (names[17], names[1035], names[2001]) == ("Left-Hippocampus", "ctx-lh-insula", "ctx-rh-bankssts")


def test_a_generated_subject_has_surfaces_measures_and_labels_of_its_vertices(small):
    tree = read(small)
    schema.validate(tree, subject="generated")
    vertex = tree["surfaces/lh/vertex"]
    assert vertex["pial_x_mm"].values[0] == 12.0
    assert vertex["white_x_mm"].values[0] == 10.0
    assert vertex["thickness"].values.tolist() == [2.0] * 6
    assert schema.decode(vertex["aparc"]).tolist() == ["", "unknown", *["cuneus"] * 4]
    assert "scanner_from_surface" in vertex.attrs
    # White and pial surface share their triangles: one table serves both.
    assert tree["surfaces/lh/triangle"].sizes["row"] == 8
    assert "triangle_pial" not in tree["surfaces/lh"]
    assert tree["surfaces/lh/patch/cortex"]["vertex"].values.tolist() == [0, 5]
    assert tree["labels/aseg"].attrs["aligned_to"] == "space-orig_t1w"
    assert "part-missing" in codes(tree)


def test_a_colour_table_of_the_user_names_labels(small, tmp_path):
    table = tmp_path / "lut.txt"
    table.write_text("#No. Label Name: R G B A\n\n0 Unknown 0 0 0 0\n17 Left-Seahorse 220 216 20 0\n")
    tree = read(small, colour_table=str(table))
    assert tree["labels/aseg"]["label_name"].values.tolist() == ["Left-Seahorse"]
    assert read_colour_table(table) == {0: "Unknown", 17: "Left-Seahorse"}
    table.write_text("17 a 0 0 0 0\n17 b 0 0 0 0\n")
    with pytest.raises(FormatError, match="two names"):
        read_colour_table(table)
    table.write_text("17 a 0 0 999 0\n")
    with pytest.raises(FormatError, match="0 to 255"):
        read_colour_table(table)


def test_missing_parts_and_links_out_of_the_folder_are_told(small, tmp_path):
    shutil.rmtree(small / "surf")
    shutil.rmtree(small / "stats")
    secret = tmp_path / "rh.other.annot"
    secret.write_bytes(b"secret")
    (small / "label" / "rh.outside.annot").symlink_to(secret)
    (small / "label" / "rh.gone.annot").symlink_to(small / "nowhere")
    tree = read(small)
    told = {(note["code"], note["place"]) for note in tree.attrs["warnings"]}
    assert {("part-missing", "surf"), ("part-missing", "stats")} <= told
    assert {("link-outside", "label/rh.outside.annot"), ("dangling-link", "label/rh.gone.annot")} <= told


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("mri/aseg.mgz", FormatError, None),
        ("surf/lh.white", TruncatedError, None),
        ("surf/rh.thickness", TruncatedError, None),
        ("label/lh.aparc.annot", FormatError, None),
        ("label/lh.cortex.label", TruncatedError, "announced"),
    ],
)
def test_a_broken_part_refuses_the_folder_by_its_file(name, kind, message, small):
    path = small / name
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(kind, match=message) as caught:
        read(small)
    assert caught.value.subject.endswith(Path(name).name)


def test_files_of_one_hemisphere_with_other_vertices_are_refused(small):
    nibabel.freesurfer.write_morph_data(str(small / "surf" / "lh.area"), np.ones(7), 8)
    with pytest.raises(FormatError, match="differ in their number of vertices"):
        read(small)


def test_a_label_map_on_another_grid_is_refused(small):
    moved = np.eye(4)
    moved[0, 3] = 1.0
    nibabel.save(nibabel.MGHImage(np.ones((8, 8, 8), dtype=np.int32), moved), small / "mri" / "aseg.mgz")
    with pytest.raises(SchemaError, match="grid"):
        read(small)


def test_statistics_that_are_not_of_the_images_are_told(small):
    (small / "stats" / "aseg.stats").write_text(
        "# Title Segmentation Statistics\n# SegVolFile mri/aseg.mgz\n# NRows 1\n"
        "# ColHeaders Index SegId NVoxels Volume_mm3 StructName\n 1 17 28 27.5 Left-Hippocampus\n"
    )
    tree = read(small)
    note = next(note for note in tree.attrs["warnings"] if note["code"] == "statistics-differ")
    assert "17: 28 in the table, 27 in the image" in note["message"]


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "mri").mkdir()
    with pytest.raises(FormatError, match="nothing that is read"):
        read(tmp_path, format="freesurfer")
    with pytest.raises(FormatError, match="not a subject's folder"):
        read(tmp_path / "mri", format="freesurfer")


def test_a_subject_is_imported_by_the_command(small, tmp_path, capsys):
    root = tmp_path / "root"
    words = ["import", "freesurfer", str(small), "--dataset", "mine", "--record", "s1", "--root", str(root), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["s1"]
    (small / "scripts" / "recon-all.done").write_text("done\n")
    assert main([*words[:2], str(small / "scripts" / "recon-all.done"), *words[3:]]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == ["s1"]
