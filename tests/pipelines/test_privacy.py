"""What identifies people: found in headers, sidecars, tables and attributes, and out of copies that are passed on."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.export import export
from connectome.pipelines.formats import read
from connectome.pipelines.importing import import_files
from connectome.pipelines.privacy import audit_record, audit_version, strip, stripped_version
from connectome.pipelines.privacy.headers import fields_of
from connectome.pipelines.privacy.patterns import is_blank, kind_of_text
from connectome.pipelines.privacy.rules import kind_of_name
from connectome.pipelines.publish import obstacles, publish
from connectome.store import Repository, open_version, verify
from support import bids_trees

if TYPE_CHECKING:
    import xarray as xr

    from connectome.pipelines.privacy import Finding
    from connectome.store import Version

SIDECAR = {
    "AcquisitionTime": "14:03:22.1", "DeviceSerialNumber": "000000404035MRS1", "InstitutionAddress": "Made Up Street 1",
    "PatientName": "DOE^JANE", "PatientID": "sub-7", "EchoTime": 0.003, "RepetitionTime": 2.3, "Manufacturer": "GE",
    "SeriesDescription": "T1 of the left lesion", "Comments": "",
}  # fmt: skip
SECRETS = (b"DOE^JANE", b"000000404035", b"Made Up Street", b"jane.doe", b"1961-02-03", b"/data/jane", b"JD 4711")
OPENED = {"title": "Generated patients", "licence": "CC0-1.0", "species": ["Homo sapiens"], "description": "Made up."}


def nifti_with_secrets(path: Path) -> Path:
    """Write a NIfTI file whose header fields and extensions tell of a person; DICOM, a comment, b-values."""
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([1.0, 2.0, 3.0, 1.0]))
    image.header["descrip"] = b"converted in /data/jane/scans"
    image.header["db_name"] = b"JD 4711"
    image.header["aux_file"] = b"phantom"
    for code, content in (
        (2, b"PatientName DOE^JANE"),
        (6, b"mail jane.doe@clinic.example"),
        (20, b"\x01\x02\x03\x04"),
    ):
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, content))
    nibabel.save(image, path)
    return path


def places(found: tuple[Finding, ...]) -> dict[str, tuple[str, bool]]:
    return {item.place: (item.kind, item.sure) for item in found}


@pytest.fixture
def cohort(tmp_path: Path) -> Version:
    """Import a generated BIDS dataset of one person, with everything in it that should not be."""
    root = tmp_path / "bids"
    bids_trees.write(
        root,
        {
            "dataset_description.json": {"Name": "Made up", "BIDSVersion": "1.10.0", "License": "CC0"},
            "participants.tsv": "participant_id\tage\tbirth_date\tremark\tsex\n"
            "sub-7\t93\t1961-02-03\tlives alone in a village by the sea\tF\nsub-8\t30\t1990-05-06\tn/a\tM\n",
            "sub-7/anat/sub-7_T1w.json": SIDECAR,
        },
    )
    made = nifti_with_secrets(tmp_path / "made.nii.gz")
    (root / "sub-7/anat/sub-7_T1w.nii.gz").write_bytes(made.read_bytes())
    repository = Repository(tmp_path / "store")
    import_files(repository, [root], dataset="people", format="bids", options={})
    return open_version("people", root=tmp_path / "store")


def test_the_audit_names_every_field_that_identifies_and_no_other(cohort: Version) -> None:
    found = places(audit_record(cohort.open("sub-7"), record="sub-7"))
    assert found == {
        "subject/age": ("age", True),
        "subject/birth_date": ("birth", True),
        "subject/remark": ("text", False),
        "@age": ("age", True),
        "@birth_date": ("birth", True),
        "@remark": ("text", False),
        "t1w/header.descrip": ("path", True),
        "t1w/header.db_name": ("identifier", True),
        "t1w/header.aux_file": ("text", False),
        "t1w/header.extension DICOM": ("extension", True),
        "t1w/header.extension comment": ("extension", True),
        "t1w@sidecar.AcquisitionTime": ("date", True),
        "t1w@sidecar.DeviceSerialNumber": ("serial", True),
        "t1w@sidecar.InstitutionAddress": ("address", True),
        "t1w@sidecar.PatientName": ("name", True),
        "t1w@sidecar.SeriesDescription": ("text", False),
    }


def test_a_stripped_record_holds_no_secret_and_the_same_voxels(cohort: Version, tmp_path: Path) -> None:
    tree = cohort.open("sub-7")
    made = strip(tree, record="sub-7")
    assert made.left == ()
    assert audit_record(made.tree, record="sub-7") == ()
    schema.validate(made.tree, subject="stripped")
    np.testing.assert_array_equal(made.tree["t1w"]["image"].values, tree["t1w"]["image"].values)
    assert set(made.tree["t1w"].attrs["sidecar"]) == {
        "PatientID",
        "EchoTime",
        "RepetitionTime",
        "Manufacturer",
        "Comments",
    }
    assert {item["kind"] for item in made.tree.attrs["stripped"]} >= {"name", "serial", "address", "age", "birth"}
    assert "DOE" not in json.dumps(made.tree.attrs["stripped"])
    # The record that was given is as it was.
    assert len(audit_record(tree, record="sub-7")) == 16

    (file,) = export(made.tree, to="nifti", destination=tmp_path / "clean.nii.gz", group="t1w")
    content = gzip.decompress(file.read_bytes())
    assert not any(secret in content for secret in SECRETS)
    back, original = nibabel.load(file), nibabel.load(tmp_path / "made.nii.gz")
    assert back.header.get_data_shape() == (3, 4, 5)
    assert [item.get_code() for item in back.header.extensions] == [0, 0, 20]
    np.testing.assert_array_equal(back.get_fdata(), original.get_fdata())
    np.testing.assert_array_equal(back.affine, original.affine)
    wanted = bytearray(gzip.decompress((tmp_path / "made.nii.gz").read_bytes())[:348])
    for start, length in ((14, 18), (148, 80), (228, 24)):
        wanted[start : start + length] = bytes(length)
    assert content[:348] == bytes(wanted)


def test_what_is_to_be_kept_stays(cohort: Version) -> None:
    made = strip(cohort.open("sub-7"), keep=("subject/*", "@*", "*.SeriesDescription"))
    assert "remark" in made.tree["subject"].variables
    assert made.tree["t1w"].attrs["sidecar"]["SeriesDescription"] == SIDECAR["SeriesDescription"]
    assert {item.place for item in made.left} == {
        "subject/age", "subject/birth_date", "subject/remark", "@age", "@birth_date", "@remark",
        "t1w@sidecar.SeriesDescription",
    }  # fmt: skip


def test_a_copy_of_a_version_is_clean_in_every_byte_and_the_same_twice(cohort: Version, tmp_path: Path) -> None:
    first = stripped_version(cohort, tmp_path / "one")
    second = stripped_version(cohort, tmp_path / "two")
    assert first.version.spec == "people-stripped@1.0.0"
    assert first.version.manifest.parents == ("people@1.0.0",)
    assert first.version.digest == second.version.digest
    assert verify(Repository(tmp_path / "one"), "people-stripped").ok
    for path in (tmp_path / "one").rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in SECRETS), path
    assert audit_version(first.version).findings == ()
    assert len(audit_version(cohort).findings) == len(first.removed)


def test_publishing_is_refused_until_somebody_decides(cohort: Version, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="identify people") as refusal:
        publish(cohort, tmp_path / "out", dry_run=False)
    assert "sub-7 t1w@sidecar.PatientName (name)" in refusal.value.found or "more" in refusal.value.found
    assert "DOE" not in str(refusal.value)
    assert not (tmp_path / "out").exists()
    assert publish(cohort, tmp_path / "out", dry_run=True).identifying

    done = publish(cohort, tmp_path / "out", dry_run=False, strip=True)
    assert done.spec == "people-stripped@1.0.0"
    assert done.removed
    assert not [item for item in done.identifying if item.sure]
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in SECRETS), path
    assert open_version("people-stripped", root=tmp_path / "out").open("sub-7")["t1w"]["image"].shape == (3, 4, 5)

    kept = publish(cohort, tmp_path / "all", dry_run=False, keep_identifying=True)
    assert kept.spec == "people@1.0.0"
    assert [item for item in kept.identifying if item.sure]


def test_faces_that_were_not_removed_stop_a_publication_that_stripping_cannot_help(
    all_kinds: Any, tmp_path: Path
) -> None:
    def person(state: str) -> xr.DataTree:
        image = schema.volume(np.ones((4, 4, 4), np.uint8), affine=np.eye(4), units="1", long_name="Head")
        return schema.record({"t1w": image}, species="Homo sapiens", faces=state)

    for state in ("present", "unknown", "removed"):
        version = all_kinds.commit(tmp_path / state, {"sub-1": person(state)}, about=OPENED)
        assert audit_version(version).faces == {"sub-1": state}
        target = tmp_path / f"{state}-out"
        if state == "present":
            with pytest.raises(UsageError, match="identify people"):
                publish(version, target, dry_run=False, strip=True)
            continue
        said = publish(version, target, dry_run=False).identifying
        assert [item.kind for item in said] == (["face"] if state == "unknown" else [])


def test_records_of_animals_are_published_without_questions(all_kinds: Any, tmp_path: Path) -> None:
    tree = all_kinds.tree(1)
    tree.attrs["experimenter"] = "Doe, Jane"
    version = all_kinds.commit(tmp_path / "store", {"animal": tree})
    assert places(audit_version(version).findings) == {
        "@experimenter": ("name", True),
        "labels/mask/header.header": ("text", False),
    }
    assert publish(version, tmp_path / "out", dry_run=False).identifying == ()


def test_data_under_an_agreement_are_not_published(all_kinds: Any, tmp_path: Path) -> None:
    for licence in ("data-use-agreement", "EPISURG data use agreement"):
        version = all_kinds.commit(
            tmp_path / licence[:4], {"one": all_kinds.tree(1)}, about={**OPENED, "licence": licence}
        )
        assert [item.record for item in obstacles(version)] == ["one"]
        with pytest.raises(UsageError, match="licences"):
            publish(version, tmp_path / "out", dry_run=False, strip=True)
        assert publish(version, tmp_path / licence[-4:], dry_run=False, accepted=[licence], keep_identifying=True).files


def test_the_tags_of_a_real_mgh_and_the_comment_of_a_surface_are_found(data_dir: Path, tmp_path: Path) -> None:
    subject = data_dir / "mri" / "freesurfer_subject1" / "subject1"
    volume = read([subject / "mri" / "aseg.mgz"])
    found = audit_record(volume)
    tags = [item for item in found if item.where == ("trailer",)]
    assert [(item.kind, item.sure, "/Users/" in item.value) for item in tags] == [("path", True, True)]
    made = strip(volume)
    (group,) = (data for _, data in schema.groups(made.tree))
    assert group["trailer"].size == 20
    (out,) = export(made.tree, to="mgh", destination=tmp_path / "clean.mgz")
    (before,) = (data for _, data in schema.groups(volume))
    np.testing.assert_array_equal(np.asarray(nibabel.load(out).dataobj), before["image"].values)

    points = schema.column("row", np.zeros(3), "Position", "mm")
    vertex = schema.table({"x": points}, comment="created by jane on Tue Feb  3 10:11:12 2009")
    surface = schema.record({"vertex": vertex})
    assert places(audit_record(surface)) == {"vertex@comment": ("name", True)}
    assert audit_record(strip(surface).tree) == ()


def test_metadata_of_gifti_are_found(data_dir: Path) -> None:
    files = {"rh.aparc.annot.gii": "vertex@", "rh.shape.curv.gii": "vertex/rh.curv@"}
    for name, place in files.items():
        tree = read([data_dir / "mri" / "nibabel_testdata" / name])
        expected = {f"{place}metadata.Date": ("date", True), f"{place}metadata.UserName": ("name", True)}
        assert places(audit_record(tree)) == expected
        assert audit_record(strip(tree).tree) == ()


def test_the_places_of_header_fields_are_those_of_nibabel() -> None:
    for kind, source in ((nibabel.Nifti1Header, 348), (nibabel.Nifti2Header, 540)):
        for order in "<>":
            header = kind(endianness=order)
            names = [name for name in ("db_name", "descrip", "aux_file", "intent_name") if name in header]
            for name in names:
                header[name] = f"text {name}"[: header.template_dtype[name].itemsize].encode()
            raw = bytes(header.binaryblock)
            assert len(raw) == source
            found = {item.name: (item.start, item.stop) for item in fields_of(raw + bytes(4), "nifti")}
            expected = {
                name: (offset, offset + form.itemsize)
                for name, (form, offset) in ((name, kind.template_dtype.fields[name][:2]) for name in names)
            }
            assert {name: found[name] for name in expected if name in found} == {
                name: expected[name] for name in expected if name in found
            }
            assert set(found) == set(names) - ({"db_name"} if source == 540 else set())


def test_the_patient_of_analyze_is_found() -> None:
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    header[283:293] = b"JD4711\0\0\0\0"
    header[293:303] = b"2001-02-03"
    assert {(item.name, item.kind) for item in fields_of(bytes(header), "analyze")} == {
        ("patient_id", "identifier"), ("exp_date", "date"),
    }  # fmt: skip


@given(st.binary(max_size=700), st.sampled_from(["nifti", "mgh", "analyze", ""]))
def test_any_bytes_can_be_blanked_and_are_then_clean(content: bytes, source: str) -> None:
    from connectome.pipelines.privacy.headers import blanked

    header = struct.pack("<i", 348) + content if source == "nifti" else content
    found = fields_of(header, source)
    clean = blanked(header, found)
    assert len(clean) == len(header)
    assert fields_of(clean, source) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("created by jane on Tue Feb  3 10:11:12 2009", ("name", True)),
        ("mri_convert /autofs/space/jane_001/orig.mgz", ("path", True)),
        (r"D:\Scans\Jane\scan.nii", ("path", True)),
        ("jane@scanner3", ("contact", True)),
        ("measured 2019-03-04", ("date", False)),
        ("https://example.org/a/b/c and doi.org/10.1/x", None),
        ("6.0.5.1:57b01774", None),
        ("sub-1/anat/sub-1_T1w.nii.gz", None),
        ("ratio 3/4 of 1/2", None),
    ],
)
def test_texts_are_judged_by_their_form(text: str, expected: tuple[str, bool] | None) -> None:
    assert kind_of_text(text) == expected


def test_names_and_blanks_are_judged_as_written_anywhere() -> None:
    same = {kind_of_name(name) for name in ("PatientName", "patient_name", "Patient's Name", "PATIENTNAME")}
    assert same == {"name"}
    assert kind_of_name("EchoTime") is None
    assert kind_of_name("OP MEMO") == "text"
    for nothing in (
        None,
        "",
        "X X X X",
        "n/a",
        "anonymous",
        "Startdate X X X X",
        "1925-01-01",
        "1899-12-31T10:00:00",
        0,
    ):
        assert is_blank(nothing), nothing
    for something in ("X ray", "2001-02-03", 4711, "MCH-0234567 F 02-MAY-1951 Haagse_Harry"):
        assert not is_blank(something), something


def test_the_command_hides_values_unless_asked(cohort: Version, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(cohort.repository.path)
    assert main(["privacy", "people", "--root", root, "--json"]) == 1
    text = capsys.readouterr().out
    document = json.loads(text)
    assert "JANE" not in text
    assert "Made Up" not in text
    assert document["identifying"] == 14
    assert document["faces"] == {"sub-7": "unknown"}
    assert main(["privacy", "people", "--root", root, "--show", "--record", "sub-7"]) == 1
    shown = capsys.readouterr()
    assert "DOE^JANE" in shown.out + shown.err


def test_an_export_leaves_out_what_it_is_told_to(
    cohort: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, target = str(cohort.repository.path), str(tmp_path / "t1.nii.gz")
    code = main(
        ["export", "people", "--record", "sub-7", "--group", "t1w", "--to", "nifti", "--strip", target, "--root", root,
         "--json"]
    )  # fmt: skip
    assert code == 0
    assert {"place": "t1w/header.db_name", "kind": "identifier"} in json.loads(capsys.readouterr().out)["removed"]
    assert b"JD 4711" not in gzip.decompress(Path(target).read_bytes())
