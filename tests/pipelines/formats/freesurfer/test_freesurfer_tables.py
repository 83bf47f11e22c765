"""FreeSurfer's tables: statistics of a subject, which the images reproduce, and tables of many subjects."""

from __future__ import annotations

import json

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, NotFoundError, TruncatedError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.freesurfer.group_table import read_group_table
from connectome.pipelines.formats.freesurfer.stats import read_stats
from connectome.pipelines.formats.surfaces.freesurfer_annot import read_annot
from connectome.pipelines.formats.surfaces.freesurfer_morph import read_morph
from connectome.regions import ASEG_LABELS, region_of, region_statistics
from connectome.volumes.statistics import value_counts

SUBJECT = "mri/freesurfer_subject1/subject1"
TABLES = "mri/ideas/freesurfer_tables"


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.data
@pytest.mark.parametrize("volume", ["aseg", "aparc+aseg"])
def test_voxels_of_every_structure_are_those_of_the_statistics(volume, data_dir):
    import nibabel

    table = read(data_dir / SUBJECT / "stats" / "aseg.stats")["aseg"]
    image = np.asarray(nibabel.load(data_dir / SUBJECT / "mri" / f"{volume}.mgz").dataobj)
    found = dict(zip(*(part.tolist() for part in value_counts(image.astype(np.int32))), strict=True))
    expected = dict(zip(table["label"].values.tolist(), table["n_voxels"].values.tolist(), strict=True))
    assert len(expected) == 45
    assert {label: found.get(label, 0) for label in expected} == expected
    # What the program prints as a volume is corrected for partial volumes: it is not the count.
    voxels = table["n_voxels"].values
    assert (table["volume_mm3"].values[voxels > 0] != voxels[voxels > 0]).mean() > 0.9


@pytest.mark.data
def test_measures_of_every_region_follow_from_thickness_area_and_labels(data_dir):
    folder = data_dir / SUBJECT
    table = read(folder / "stats" / "lh.aparc.stats")["regions"]
    annotation = read_annot(folder / "label" / "lh.aparc.annot")
    area, thickness = (read_morph(folder / "surf" / f"lh.{name}")[0] for name in ("area", "thickness"))
    found = region_statistics(annotation.positions(), len(annotation.names), area=area, thickness=thickness)
    rows = [annotation.names.index(name) for name in table["region"].values.tolist()]
    assert len(rows) == 34
    assert np.array_equal(found.n_vertices[rows], table["n_vertices"].values)
    # The program prints whole square millimetres and thousandths of a millimetre.
    assert [f"{value:.0f}" for value in found.area_mm2[rows]] == [f"{v:.0f}" for v in table["area_mm2"].values]
    for name in ("thickness_mm", "thickness_std_mm"):
        assert [f"{value:.3f}" for value in getattr(found, name)[rows]] == [f"{v:.3f}" for v in table[name].values]


@pytest.mark.data
def test_areas_of_the_right_hemisphere_follow_too(data_dir):
    folder = data_dir / SUBJECT
    table = read(folder / "stats" / "rh.aparc.stats")["regions"]
    annotation = read_annot(folder / "label" / "rh.aparc.annot")
    found = region_statistics(
        annotation.positions(), len(annotation.names), area=read_morph(folder / "surf" / "rh.area")[0]
    )
    rows = [annotation.names.index(name) for name in table["region"].values.tolist()]
    assert np.array_equal(found.n_vertices[rows], table["n_vertices"].values)
    assert [f"{value:.0f}" for value in found.area_mm2[rows]] == [f"{v:.0f}" for v in table["area_mm2"].values]
    assert found.thickness_mm is None


@pytest.mark.data
@pytest.mark.parametrize("name", ["aseg", "wmparc", "lh.aparc", "rh.aparc"])
def test_statistics_have_units_types_and_measures(name, data_dir):
    tree = read(data_dir / SUBJECT / "stats" / f"{name}.stats")
    schema.validate(tree, subject=name)
    measures = tree["measures"]
    values = dict(zip(measures["measure"].values.tolist(), measures["value"].values.tolist(), strict=True))
    units = dict(zip(measures["measure"].values.tolist(), measures["units"].values.tolist(), strict=True))
    if name != "wmparc":
        assert values["eTIV"] == 1405915.237151
        assert units["eTIV"] == "mm3"
        assert values["BrainSegVol"] == 1243340.0
    if name == "lh.aparc":
        assert values["MeanThickness"] == 2.54435
        assert tree["regions"]["thickness_mm"].attrs["units"] == "mm"
        assert set(schema.decode(tree["regions"]["hemisphere"])) == {"L"}
        # FreeSurfer 6 prints "CortexVol Total cortical gray matter volume": a comma is missing.
        assert values["CortexVol"] == 536883.609483
        assert codes(tree) == ["comma-missing"]
    if name == "aseg":
        rows = zip(tree["aseg"]["structure"].values.tolist(), tree["aseg"]["label"].values.tolist(), strict=True)
        assert all(region_of(region).label == label for region, label in rows)
        assert len(ASEG_LABELS) == 45


@pytest.mark.data
def test_cut_or_wrong_statistics_are_refused(data_dir, tmp_path):
    text = (data_dir / SUBJECT / "stats" / "aseg.stats").read_text()
    lines = text.splitlines(keepends=True)
    path = tmp_path / "aseg.stats"
    for content, kind, message in (
        ("".join(lines[:-3]), TruncatedError, "not as large"),
        ("".join(lines[:60]), FormatError, "does not name its columns"),
        (text.replace(" 3656 ", " 3656.5 "), FormatError, "not a whole number"),
        (text.replace(" 1660 ", " "), FormatError, "another number of cells"),
        (text.replace("SubCortGrayVol,", ""), None, ""),
        (text.replace("59208.000000, mm^3", "many, mm^3"), FormatError, "not a finite number"),
        ("", TruncatedError, "empty"),
    ):
        path.write_text(content)
        if kind is None:
            assert "comma-missing" in [note["code"] for note in read_stats(path).warnings]
            continue
        with pytest.raises(kind, match=message):
            read(path, format="freesurfer-stats")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "measure", "n_features"),
    [
        ("aparc_area", "area", 72),
        ("aparc_thick", "thickness", 72),
        ("aparc_vol", "volume", 70),
        ("aseg_vol", "volume", 64),
    ],
)
@pytest.mark.parametrize(("prefix", "n_subjects"), [("", 442), ("controls_", 100)])
def test_tables_of_the_cohort_are_read_whole(name, measure, n_features, prefix, n_subjects, data_dir):
    path = data_dir / TABLES / f"{prefix}{name}.txt"
    found = read_group_table(path)
    assert recognise([path]).name == "freesurfer-table"
    assert (found.measure, len(found.subjects), len(found.features)) == (measure, n_subjects, n_features)
    assert np.isfinite(found.values).all()
    if name != "aseg_vol":
        known = [region_of(feature.name) for feature in found.features]
        assert sum(region is not None for region in known) == 68
        assert {feature.hemisphere for feature in found.features} == {"L", "R", ""}
    # Every number is the one of the text: float() of each cell, in its place.
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    for cells in lines:
        if cells[0] in {feature.name for feature in found.features}:
            assert found.of(cells[0]).tolist() == [float(cell) for cell in cells[1:]]


@pytest.mark.data
def test_means_of_the_cohort_are_those_that_are_published_with_the_files(data_dir):
    expected = json.loads((data_dir / "mri/ideas/expected.json").read_text())["means"]
    patients, controls = (read_group_table(data_dir / TABLES / f"{name}aseg_vol.txt") for name in ("", "controls_"))
    for who, found in (("patients", patients), ("controls", controls)):
        assert round(found.of("EstimatedTotalIntraCranialVol").mean(), 1) == expected[f"{who}_eTIV"]
        assert round(found.of("Left-Hippocampus").mean(), 2) == expected[f"{who}_Left_Hippocampus"]


@pytest.mark.data
def test_rounded_and_repeated_values_are_told(data_dir):
    found = read_group_table(data_dir / TABLES / "aparc_thick.txt")
    by_name = {feature.name: feature for feature in found.features}
    assert by_name["eTIV"].resolution == 10_000.0
    assert by_name["eTIV"].units == "mm3"
    assert by_name["lh_bankssts_thickness"].units == "mm"
    assert [note["code"] for note in found.warnings] == ["rounded-values", "rounded-values", "repeated-features"]
    record = read(data_dir / TABLES / "aparc_thick.txt")
    schema.validate(record, subject="table")
    assert record["regions"]["eTIV"].attrs["resolution"] == 10_000.0
    with pytest.raises(NotFoundError):
        found.of("lh_nowhere_thickness")


BLOCKS = (
    "rh.aparc.area\t1\t2\nrh_cuneus_area\t10\t20\neTIV\t1.20E+06\t5\n"
    "lh.aparc.area\t1\t2\nlh_cuneus_area\t30\tNA\neTIV\t1.20E+06\t5\n"
)


def test_subjects_may_be_rows_or_columns(tmp_path):
    across = tmp_path / "across.txt"
    across.write_text(BLOCKS)
    down = tmp_path / "down.txt"
    down.write_text(
        "rh.aparc.area\trh_cuneus_area\teTIV\n1\t10\t1.20E+06\n2\t20\t5\n"
        "lh.aparc.area\tlh_cuneus_area\teTIV\n1\t30\t1.20E+06\n2\tNA\t5\n"
    )
    first, second = read_group_table(across), read_group_table(down)
    assert first.subjects == second.subjects == ("1", "2")
    assert first.features == second.features
    assert np.array_equal(first.values, second.values, equal_nan=True)
    assert [note["code"] for note in first.warnings] == ["missing-values", "rounded-values", "repeated-features"]
    assert np.isnan(first.of("lh_cuneus_area")[1])
    assert first.subject("1").tolist() == [10.0, 1.2e6, 30.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lh.aparc.area\t1\t2", "lh.aparc.area\t2\t1", "not of the same subjects"),
        ("lh.aparc.area\t1\t2", "lh.aparc.thickness\t1\t2", "not of the same subjects and measure"),
        ("30\tNA", "30", "another number of cells"),
        ("30\tNA", "30\tmany", "no number"),
        ("30\tNA\neTIV\t1.20E+06", "30\tNA\neTIV\t1.21E+06", "differs between the blocks"),
        ("rh.aparc.area\t1\t2", "rh.aparc.area\t1\t1", "a subject is there twice"),
        ("lh_cuneus_area\t30\tNA", "eTIV\t1\t2", "a feature is there twice"),
        ("rh.aparc.area\t1\t2\n", "", "names no measure"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(old, new, message, tmp_path):
    path = tmp_path / "table.txt"
    path.write_text(BLOCKS.replace(old, new, 1))
    with pytest.raises(FormatError, match=message):
        read_group_table(path)
