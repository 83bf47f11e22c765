"""IDEAS: every trap of the release as data with a reason, and its published numbers out of what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.cohorts import kaplan_meier, outcome, patient_years, seizure_free_until
from connectome.cohorts.table import join_rows
from connectome.errors import FormatError, SchemaError
from connectome.pipelines.ingest import fetch_source
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.ideas_clinical import (
    CONTROL_COLUMNS,
    PATIENT_COLUMNS,
    operation_of,
    read_clinical,
    subject_table,
)
from connectome.pipelines.sources.ideas_files import raw_scans
from connectome.pipelines.sources.ideas_measures import read_resected, read_zscores
from connectome.schema import decode
from connectome.store import Repository
from support import bids_trees

if TYPE_CHECKING:
    import xarray as xr

    from connectome.pipelines.jobs import Discovery, Source


@pytest.fixture(scope="module")
def source() -> Source:
    """The adapter."""
    return load_source("ideas2024")


@pytest.fixture(scope="module")
def raw(source: Source, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> RawFiles:
    """The files at hand."""
    repository = Repository(tmp_path_factory.mktemp("ideas") / "root")
    return RawFiles(fetch_source(repository, source, mirror=data_dir / "mri", allow_missing=True).files)


@pytest.fixture(scope="module")
def found(source: Source, raw: RawFiles) -> Discovery:
    """What the source makes of them."""
    return source.discover(raw)


@pytest.fixture(scope="module")
def records(source: Source, found: Discovery) -> dict[str, xr.DataTree]:
    """Some records."""
    chosen = {"sub-1", "sub-5", "sub-12", "sub-37", "sub-209", "sub-4012", "sub-4021"}
    return {job.record: source.read(job) for job in found.jobs if job.record in chosen}


@pytest.fixture(scope="module")
def expected(data_dir: Path) -> dict[str, Any]:
    """Counts from the real files, made without this package."""
    document: dict[str, Any] = json.loads((data_dir / "mri" / "ideas" / "expected.json").read_text())
    return document


@pytest.fixture(scope="module")
def cohort(data_dir: Path) -> pd.DataFrame:
    """The clinical table of everybody, as records hold it."""
    folder = data_dir / "mri" / "ideas" / "metadata"
    patients = read_clinical(folder / "Metadata_Release_Anon.csv", PATIENT_COLUMNS).rows
    controls = read_clinical(folder / "Metadata_Controls_Release.csv", CONTROL_COLUMNS).rows
    tables = {f"sub-{name}": subject_table(row, control=False, subject=name) for name, row in patients.items()}
    tables |= {f"sub-{name}": subject_table(row, control=True, subject=name) for name, row in controls.items()}
    return join_rows(tables)


def codes(tree: xr.DataTree) -> set[str]:
    """Return the codes of a record's warnings."""
    return {item["code"] for item in tree.attrs.get("warnings", [])}


@pytest.mark.data
def test_everybody_has_a_record_and_images_do_not_decide_it(found, expected) -> None:
    assert len(found.jobs) == expected["patients"] + expected["controls"] == 542
    assert {job.record for job in found.jobs} == set(source_records(found)) == {f"sub-{name}" for name in raw_scans()}


def source_records(found: Discovery) -> list[str]:
    """Return the names of the records."""
    return [job.record for job in found.jobs]


@pytest.mark.data
def test_the_doubled_row_counts_once_and_is_told(found, records) -> None:
    told = {item.file: item for item in found.rejected}
    assert told["ideas/metadata/Metadata_Release_Anon.csv#209"].kind == "duplicate"
    assert "duplicate-row" in codes(records["sub-209"])
    assert "duplicate-row" not in codes(records["sub-1"])


def test_rows_that_contradict_each_other_are_refused(tmp_path) -> None:
    header, row = ",".join(CONTROL_COLUMNS), "4001,F,35 to 39"
    (tmp_path / "t.csv").write_text(f"{header}\n{row}\n{row}\n4002,M,45 to 49\n4002,F,45 to 49\n")
    table = read_clinical(tmp_path / "t.csv", CONTROL_COLUMNS)
    assert table.doubled == ("4001",)
    assert table.conflicts == {"4002": "Sex: 'M' and 'F'"}


@pytest.mark.data
def test_z_scores_without_a_person_and_a_person_without_z_scores_are_both_told(found, records, expected) -> None:
    orphans = {item.file.partition("#")[2] for item in found.rejected if item.kind == "unmatched"}
    assert sorted(map(int, orphans)) == expected["zscore_tables"]["ids_absent_from_metadata"]
    assert "no-z-scores" in codes(records["sub-37"])
    assert np.isnan(records["sub-37"]["regions/thickness_z"].values).all()
    assert np.isfinite(records["sub-1"]["regions/thickness_z"].values).all()
    assert np.isfinite(records["sub-37"]["regions/thickness_mm"].values).all()


@pytest.mark.data
def test_a_missing_mask_is_not_an_empty_one(records) -> None:
    assert "labels" not in records["sub-12"].children
    message = next(item["message"] for item in records["sub-12"].attrs["warnings"] if item["code"] == "no-mask")
    assert "the release has none" in message
    assert "not an empty mask" in message
    assert "no-mask" not in codes(records["sub-4012"])  # a control was not operated on


@pytest.mark.data
def test_a_mask_lies_on_the_grid_of_its_image_within_a_hundredth_of_a_voxel(records, data_dir) -> None:
    masks = json.loads((data_dir / "mri" / "ideas" / "masks_expected.json").read_text())
    for name in ("1", "5"):
        group = records[f"sub-{name}"]["labels/space-orig_resection"]
        assert group.attrs["aligned_to"] == "space-orig_t1w"
        assert group.attrs["available"] == "post_op"
        assert 0 < group.attrs["max_corner_error_mm"] < 0.01
        assert group["label_voxels"].values.tolist() == [masks[name]["mask_voxels"]]
    assert records["sub-5"]["labels/space-orig_resection"].attrs["max_corner_error_mm"] > 0.002


@pytest.mark.data
def test_floats_that_hold_whole_numbers_are_stored_in_bytes_and_keep_their_checks(records, data_dir) -> None:
    stated = json.loads((data_dir / "mri" / "ideas" / "images_expected.json").read_text())
    for name in ("1", "5", "4012"):
        group = records[f"sub-{name}"]["space-orig_t1w"]
        about = stated[f"images/freesurfer_orig/{name}_freesurfer_orig.nii.gz"]
        assert (str(group["image"].dtype), group.attrs["source_dtype"]) == ("uint8", "<f4")
        assert group.attrs["orientation"] == about["axcodes"] == "LIA"
        assert int(group["image"].values.sum(dtype=np.int64)) == about["sum_unscaled"]


def scene(tmp_path: Path, raw: RawFiles, found: Discovery, person: str, content: bytes) -> Any:
    """Return the job of a person whose mask is another file."""
    path = tmp_path / f"{person}_MaskInOrig.nii.gz"
    path.write_bytes(content)
    mask = RawFile(f"ideas/images/masks/{person}/{path.name}", path, len(content), "0" * 64, verified=False)
    again = load_source("ideas2024").discover(RawFiles([*(raw[name] for name in raw if "/masks/" not in name), mask]))
    return next(job for job in again.jobs if job.record == f"sub-{person}")


@pytest.mark.data
def test_a_mask_with_a_fourth_axis_of_one_and_one_that_is_not_gzip_are_read(source, raw, found, tmp_path) -> None:
    """Masks like those of patients 81 and 122, generated: the real ones are not at hand."""
    affine = np.array([[-1.0, 0, 0, 2], [0, 0, 1, -2], [0, -1, 0, 2], [0, 0, 0, 1]])
    made = np.zeros((4, 4, 4, 1), dtype=np.uint8)
    made[1:3, 1, 1, 0] = 1
    tree = source.read(scene(tmp_path, raw, found, "122", bids_trees.nifti(made, affine)))
    group = tree["labels/space-orig_resection"]
    assert group["image"].shape == (4, 4, 4)
    assert group["label_voxels"].values.tolist() == [2]
    messages = " ".join(item["message"] for item in tree.attrs["warnings"])
    assert "gzip" in messages
    assert {"alignment-unproved", "images-not-here"} <= codes(tree)


@pytest.mark.data
def test_a_mask_on_another_grid_is_refused(source, raw, found, tmp_path) -> None:
    content = bids_trees.nifti(np.ones((4, 4, 4), dtype=np.uint8))
    with pytest.raises(SchemaError, match="grid"):
        source.read(scene(tmp_path, raw, found, "4012", content))


@pytest.mark.data
def test_an_image_with_other_bytes_than_the_release_is_rejected(source, raw, tmp_path) -> None:
    path = tmp_path / "1_MaskInOrig.nii.gz"
    path.write_bytes(b"other")
    stranger = RawFile(f"ideas/images/masks/1/{path.name}", path, 5, "0" * 64, verified=False)
    again = source.discover(RawFiles([*(raw[name] for name in raw if "masks/1/" not in name), stranger]))
    assert [item.reason for item in again.rejected if item.file == stranger.path] == [
        "its bytes are not those of the release"
    ]


@pytest.mark.data
def test_null_in_a_sidecar_is_missing_in_the_table_and_null_beside_it(records) -> None:
    images = records["sub-4021"]["images"]
    assert decode(images["modality"].variable).tolist() == ["T1w", "FLAIR"]
    assert np.isnan(images["n_i"].values).tolist() == [False, True]
    assert images.attrs["sidecars"]["sub-4021/anat/sub-4021_FLAIR.nii.gz"]["Dimensions"] is None
    assert not images["is_here"].values.any()
    assert "images-not-here" in codes(records["sub-4021"])


@pytest.mark.data
def test_the_listing_has_the_bytes_and_counts_of_the_release(expected) -> None:
    scans = [scan for listed in raw_scans().values() for scan in listed]
    by_suffix = {name: [scan for scan in scans if scan.suffix == name] for name in ("T1w", "FLAIR")}
    assert {name: len(listed) for name, listed in by_suffix.items()} == {"T1w": 542, "FLAIR": 493}
    assert sum(scan.size_bytes for scan in scans) == expected["bids"]["image_bytes_total"]
    without = sorted(int(name) for name, listed in raw_scans().items() if len(listed) == 1)
    assert without == expected["patients_without_FLAIR"] + expected["controls_without_FLAIR"]


@pytest.mark.data
def test_missing_zero_and_false_are_three_things(cohort) -> None:
    patients = cohort[cohort["group"] == "patient"]
    never, some = patients[~patients["fbtcs"]], patients[patients["fbtcs"]]
    assert never["fbtcs_per_month"].isna().all()
    assert (some["fbtcs_per_month"] == 0).sum() == 151
    assert cohort.loc[cohort["group"] == "control", "fbtcs"].isna().all()


@pytest.mark.data
def test_bins_of_patients_and_controls_keep_their_own_columns_and_order(cohort, expected) -> None:
    patients = cohort[cohort["group"] == "patient"]
    assert patients["age_at_scan"].value_counts().to_dict() == expected["scan_age_bins"]
    assert patients["age_at_surgery"].value_counts().to_dict() == expected["surgery_age_bins"]
    assert patients["age_at_onset"].value_counts().to_dict() == expected["onset_age_bins"]
    assert patients["age_at_onset"].cat.ordered
    assert patients["age_at_onset"].min() == "Less than 1"
    controls = cohort[cohort["group"] == "control"]
    assert controls["age_at_scan"].isna().all()
    assert (controls["age_at_scan_of_control"] == "Over 55").sum() == 13


@pytest.mark.data
def test_the_counts_of_the_paper_come_out_of_the_records(cohort, expected) -> None:
    patients = cohort[cohort["group"] == "patient"]
    assert patients["sex"].value_counts().to_dict() == expected["patient_sex"]
    assert cohort[cohort["group"] == "control"]["sex"].value_counts().to_dict() == expected["controls_sex"]
    sides = patients["side"].value_counts().to_dict()
    assert sides == {"left": expected["op_side"]["L"], "right": expected["op_side"]["R"]}
    words = {"T": "temporal", "F": "frontal", "P": "parietal", "O": "occipital", "Hx": "hemisphere"}
    lobes = {words[letter]: n for letter, n in expected["lobe_first_letter"].items()}
    assert patients["lobe"].value_counts().to_dict() == lobes
    assert patients["operation_code"].value_counts().to_dict() == expected["op_type"]
    assert patients["pathology"].value_counts().to_dict() == expected["pathology"]
    assert patients["n_asms"].astype(int).astype(str).value_counts().to_dict() == expected["number_asms"]
    for column, key in (("fus", "FUS"), ("fbtcs", "FBTCS"), ("status_epilepticus", "SE")):
        assert int(patients[column].sum()) == expected[key]["True"]


@pytest.mark.data
def test_the_outcomes_of_the_paper_come_out_of_the_records(cohort, expected) -> None:
    assert patient_years(cohort) == 1764
    shares = [round(100 * outcome(cohort, year=year, rule="ILAE=1").mean(), 1) for year in range(1, 6)]
    assert shares == [57.4, 59.1, 52.5, 54.0, 57.3]
    follow_up = seizure_free_until(cohort, rule="ILAE<=2")
    curve = kaplan_meier(follow_up["years"], follow_up["event"])["survival"]
    assert [round(value, 3) for value in curve] == [0.684, 0.599, 0.531, 0.475, 0.452]
    known = cohort.loc[cohort["group"] == "patient", [f"ilae_year{year}" for year in range(1, 6)]].notna()
    assert int((~known.any(axis=1)).sum()) == expected["patients_without_any_outcome"]
    assert int(known.all(axis=1).sum()) == expected["patients_with_all_five"]


@pytest.mark.data
def test_the_hippocampus_is_smaller_on_the_side_of_its_sclerosis(cohort, data_dir, expected) -> None:
    from connectome.pipelines.formats.freesurfer.group_table import read_group_table

    folder = data_dir / "mri" / "ideas" / "freesurfer_tables"
    tables = [read_group_table(folder / name) for name in ("aseg_vol.txt", "controls_aseg_vol.txt")]
    volumes = pd.concat(
        [
            pd.DataFrame(
                {side: table.of(f"{side}-Hippocampus") for side in ("Left", "Right")},
                index=[f"sub-{name}" for name in table.subjects],
            )
            for table in tables
        ]
    )
    means = expected["means"]
    sclerosis = cohort[(cohort["lobe"] == "temporal") & (cohort["pathology"] == "HS")]
    for side in ("left", "right"):
        chosen = volumes.loc[sclerosis.index[sclerosis["side"] == side]]
        assert len(chosen) == means[f"{side}_temporal_HS_n"]
        for which in ("Left", "Right"):
            assert chosen[which].mean() == pytest.approx(means[f"{side}_temporal_HS_{which}_Hippocampus"], abs=0.005)
    controls = volumes.loc[cohort.index[cohort["group"] == "control"], "Left"]
    assert controls.mean() == pytest.approx(means["controls_Left_Hippocampus"], abs=0.005)


@pytest.mark.data
def test_regions_have_their_measures_and_whole_head_measures_stand_once(records) -> None:
    regions = records["sub-1"]["regions"].to_dataset()
    side, region = decode(regions["hemisphere"].variable), decode(regions["region"].variable)
    at = int(np.flatnonzero((side == "L") & (region == "bankssts"))[0])
    assert regions.sizes["row"] == 68
    assert float(regions["area_mm2"][at]) == 925.0
    assert float(regions["thickness_z"][at]) == 0.6363912607314829
    assert float(records["sub-1"]["head/eTIV"].values[0]) == 1.51e6
    aseg = records["sub-1"]["aseg"].to_dataset()
    names = decode(aseg["structure"].variable).tolist()
    assert float(aseg["volume_mm3"][names.index("Left-Lateral-Ventricle")]) == 4427.4
    assert float(aseg["volume_z"][names.index("Left-Lateral-Ventricle")]) == -1.1016433562373353


@pytest.mark.parametrize(
    ("code", "lobes", "operation"),
    [
        ("T Lx", ("temporal",), "lobe resection"),
        ("T P Lx", ("temporal", "parietal"), "lobe resection"),
        ("T O Lesx", ("temporal", "occipital"), "lesion resection"),
        ("Hx", (), "hemispherectomy"),
    ],
)
def test_an_operation_is_taken_apart(code, lobes, operation) -> None:
    assert operation_of(code, subject="x") == (lobes, operation)


@pytest.mark.parametrize("code", ["X Lx", "T", "T Hx", "Lx", "T Ly"])
def test_an_operation_that_the_code_book_does_not_have_is_refused(code) -> None:
    with pytest.raises(FormatError):
        operation_of(code, subject="x")


def test_resected_fractions_are_fractions_and_a_table_in_per_cent_is_refused(tmp_path) -> None:
    """A generated table of the layout that users of the release describe."""
    path = tmp_path / "table_resected.csv"
    path.write_text("region,1,2\n'ctx-lh-bankssts',0.5,NaN\n'Left-Hippocampus',1,0\n")
    found = read_resected(path)
    assert found.get("1") == {"ctx-lh-bankssts": 0.5, "Left-Hippocampus": 1.0}
    assert np.isnan(found.get("2")["ctx-lh-bankssts"])
    path.write_text("region,1\n'ctx-lh-bankssts',50\n")
    with pytest.raises(FormatError, match="not fractions"):
        read_resected(path)


def test_a_person_twice_among_z_scores_is_refused(tmp_path) -> None:
    path = tmp_path / "z.csv"
    path.write_text("ID,lh_x_area\n1,0.5\n1,0.5\n")
    with pytest.raises(FormatError, match="twice"):
        read_zscores(path)


@pytest.mark.data
def test_every_record_says_when_its_fields_become_known(records) -> None:
    from connectome.cohorts import available

    for tree in records.values():
        late = {name for name, when in available(tree["subject"].to_dataset()).items() if when == "post_op"}
        assert late == {"pathology", "pathology_note", *(f"ilae_year{year}" for year in range(1, 6))}
        schema.validate(tree, subject="ideas")
