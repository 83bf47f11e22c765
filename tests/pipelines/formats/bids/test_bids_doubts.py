"""Tables of BIDS recordings that are odd: labels that repeat, numbers that are none, times that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.pipelines.formats import read
from connectome.pipelines.formats.bids.tsv import read_rows, repairs
from connectome.pipelines.formats.seizures.annotations import annotated_seizures
from connectome.pipelines.formats.seizures.nihon_kohden import correct_onsets
from connectome.pipelines.formats.seizures.szcore import read_szcore
from connectome.seizures import seizures_of
from support import bids_trees, eeg_files

if TYPE_CHECKING:
    import xarray as xr

RUN = "sub-1/ieeg/sub-1_task-rest_run-1"
CHANNELS = "name\ttype\tunits\tstatus\tstatus_description\n"
EVENTS = "onset\tduration\ttrial_type\n"
HUP_DOI = {"Name": "Generated", "BIDSVersion": "1.10.0", "DatasetDOI": "doi:10.18112/openneuro.ds004100.v1.1.3"}


def recording(tmp_path: Path, *labels: str, about: dict[str, Any] | None = None, **tables: Any) -> xr.DataTree:
    """Read a generated run of 4 s at 10 Hz; tables by the end of their name."""
    signals = [(label, *eeg_files.ONE[1:]) for label in labels or ("A", "B")]
    records = [[np.arange(10) + second for _ in signals] for second in range(4)]
    tmp_path.mkdir(exist_ok=True)
    path = eeg_files.edf(tmp_path / "signal.edf", signals=signals, records=records)
    files: dict[str, Any] = {
        "dataset_description.json": about or {"Name": "Generated", "BIDSVersion": "1.10.0"},
        f"{RUN}_ieeg.edf": path.read_bytes(),
    }
    names = {"participants": "participants.tsv"}
    names |= {key: f"{RUN}_{key}.tsv" for key in ("channels", "events")}
    names |= {"electrodes": "sub-1/ieeg/sub-1_electrodes.tsv", "coordsystem": "sub-1/ieeg/sub-1_coordsystem.json"}
    files |= {names[key]: content for key, content in tables.items()}
    tree = read(bids_trees.write(tmp_path / "tree", files), "bids")
    schema.validate(tree, subject="generated")
    return tree


def told(tree: xr.DataTree) -> dict[str, str]:
    """Return the warnings of a record by code."""
    return {item["code"]: item["message"] for item in tree.attrs.get("warnings", [])}


def test_marks_of_labels_that_repeat_are_those_of_their_rows(tmp_path):
    rows = "A\tSEEG\tuV\tbad\tsoz\nB\tSEEG\tuV\tgood\tresect\nA\tECOG\tuV\tgood\tn/a\n"
    signal = recording(tmp_path, "A", "A", "B", about=HUP_DOI, channels=CHANNELS + rows)["signal"].to_dataset()
    found = {name: schema.decode(signal[name].variable).tolist() for name in ("kind", "status", "soz", "resected")}
    assert found == {
        "kind": ["seeg", "ecog", "seeg"],
        "status": ["bad", "good", "good"],
        "soz": ["true", "false", "false"],
        "resected": ["false", "false", "true"],
    }


def test_events_and_seizures_past_the_end_are_kept_and_told(tmp_path):
    found = told(recording(tmp_path / "marks", events=f"{EVENTS}1\t0\tsz onset\n9999\t0\tsz offset\n"))
    assert found["events-past-end"] == "1 of 2 events lie past the end (4 s), up to 9999 s"
    assert found["seizures-past-end"] == "1 of 1 seizures reach past the end (4 s), up to 9999 s"
    rows = "onset\tduration\teventType\trecordingDuration\n1\t100\tsz\t3600\n"
    tree = recording(tmp_path / "codes", events=rows)
    found = told(tree)
    assert "events-past-end" not in found
    assert found["seizures-past-end"].endswith("up to 101 s")
    assert found["annotated-time-differs"] == "the annotated time ends at 3600 s, the recording at 4 s"
    assert tree["seizure"]["offset_s"].values.tolist() == [101.0]
    # An event at the very end, as writers put the last mark.
    found = told(recording(tmp_path / "end", events=f"{EVENTS}4\t0\tx\n"))
    assert "events-past-end" not in found


def test_numbers_that_are_none_are_told(tmp_path):
    events = f"{EVENTS}1\t0,5\ta\n2\tnan\tb\n3\t-3\tc\n3.5\tn/a\td\n"
    electrodes = "name\tx\ty\tz\nA\t1,5\t2\t3\nB\tn/a\tn/a\tn/a\n"
    tree = recording(tmp_path, events=events, electrodes=electrodes)
    found = told(tree)
    assert found["durations-unreadable"] == "2 durations are no numbers and are left out: rows 1 (0,5), 2 (nan)"
    assert found["durations-negative"].startswith("1 durations are negative and kept as they stand, the least -3 s")
    assert found["positions-unreadable"] == "1 coordinates are no numbers and are left out: 1,5"
    np.testing.assert_equal(tree["events"]["duration_s"].values, [np.nan, np.nan, -3.0, np.nan])


def test_electrodes_beside_meg_are_in_the_frame_and_unit_of_eeg(tmp_path):
    system = {
        "EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "m", "MEGCoordinateSystem": "CTF",
        "MEGCoordinateUnits": "cm",
    }  # fmt: skip
    tree = recording(tmp_path, electrodes="name\tx\ty\tz\nA\t0.1\t0.02\t0.03\n", coordsystem=system)
    for group in ("electrodes", "signal"):
        assert (tree[group]["x"].attrs["units"], tree[group]["x"].attrs["frame"]) == ("m", "CapTrak")


def test_a_person_without_a_row_is_told_and_a_run_without_a_session_is_no_fault(tmp_path):
    found = told(recording(tmp_path, participants="participant_id\tage\nsub-9\t30\n"))
    assert found == {"folder-without-row": "sub-1 has a folder and no row"}


def test_tables_with_the_line_ends_of_old_macs_and_with_huge_cells_are_read(tmp_path):
    path = tmp_path / "x_events.tsv"
    path.write_bytes(b"onset\tduration\r1\t0.5\r")
    assert read_rows(path) == [{"onset": "1", "duration": "0.5"}]
    assert [note["code"] for note in repairs(path)] == ["old-mac-line-ends"]
    path.write_bytes(b"onset\tduration\r\n1\t" + b"5" * 200_000 + b"\r\n")
    assert len(read_rows(path)[0]["duration"]) == 200_000
    assert [note["code"] for note in repairs(path)] == ["windows-line-ends"]


@pytest.mark.parametrize(
    ("rows", "doubted"), [("0\t60\tbckg\t60\n", False), ("0\t30\tbckg\t60\n", True), ("0\t5\tsz\t60\n", False)]
)
def test_background_that_covers_a_part_only_is_told(tmp_path, rows, doubted):
    path = tmp_path / "x_events.tsv"
    path.write_text("onset\tduration\teventType\trecordingDuration\n" + rows)
    assert ("background-in-part" in [note["code"] for note in read_szcore(path).warnings]) is doubted


def test_time_that_cannot_be_judged_is_not_time_without_a_seizure(tmp_path):
    head = "onset\tduration\teventType\trecordingDuration\n"
    rows = "0\t10\tbckg\t60\n10\t5\timpd\t60\n15\t45\tbckg\t60\n"
    path = tmp_path / "x_events.tsv"
    for text, expected in ((rows, [[0.0, 10.0], [15.0, 60.0]]), (rows.replace("\t60\n", "\tn/a\n"), None)):
        path.write_text(head + text)
        found = read_szcore(path).observed
        assert found is not None
        assert found.tolist() == (expected or [[-np.inf, 10.0], [15.0, np.inf]])
    path.write_text(head + "0\t60\tbckg\tn/a\n")
    assert read_szcore(path).observed is None


def annotation(onsets: list[float], texts: list[str]) -> xr.Dataset:
    return schema.table(
        {
            "onset_s": schema.column("row", np.array(onsets), "Onset", "s"),
            "description": schema.column("row", texts, "Text"),
        }
    )


def test_time_marks_are_not_followed_where_the_first_sample_comes_later():
    table = annotation([74.71, 74.71, 90.0], ["+75.000000", "sz onset", "sz offset"])
    for first_s, onset_s, code in ((0.0, 75.0, "onsets-corrected"), (0.15, 74.71, "time-marks-doubtful")):
        found, notes = annotated_seizures(table, first_s=first_s)
        assert found is not None
        assert [item.onset_s for item in seizures_of(found)] == [onset_s]
        assert [note["code"] for note in notes] == [code]


def test_time_marks_in_doubt_of_annotations_are_told():
    found, notes = annotated_seizures(annotation([74.71, 74.71], ["+76.000000", "sz onset"]))
    assert found is not None
    assert seizures_of(found)[0].onset_s == 74.71
    assert [note["code"] for note in notes] == ["time-marks-doubtful"]


def test_samples_of_corrected_onsets_are_told_to_be_those_of_the_source(tmp_path):
    rows = "onset\tduration\ttrial_type\tsample\n1.1\t0\t+1.300000\t11\n1.1\t0\tsz onset\t11\n"
    events = recording(tmp_path, events=rows)["events"].to_dataset()
    assert events["onset_s"].values.tolist() == [1.3, 1.3]
    assert events["sample"].values.tolist() == [11, 11]
    assert events["sample"].attrs["long_name"].endswith("of the onset in the source and not of the corrected one")


@pytest.mark.parametrize(("stamps", "number"), [((1, 2, 3), 3), ((1, 2), 0), ((1, 2.5, 3), 0), ((0, 1, 2), 0)])
def test_time_marks_that_are_all_whole_seconds_are_told(stamps, number):
    found = correct_onsets([stamp - 0.25 * (stamp > 0) for stamp in stamps], [f"+{stamp:f}" for stamp in stamps])
    assert found.whole_seconds == number
    assert [note["code"] for note in found.notes("x")] == ["time-marks-whole-seconds"] * bool(number)


@pytest.mark.data
def test_time_marks_of_eight_subjects_of_ds003029_are_whole_seconds(data_dir):
    whole: dict[str, set[bool]] = {}
    for path in sorted((data_dir / "eeg/openneuro_ds003029_meta").glob("sub-*/ses-*/ieeg/*_events.tsv")):
        rows = read_rows(path)
        found = correct_onsets([float(row["onset"]) for row in rows], [row["trial_type"] for row in rows])
        if found.n_corrected:
            whole.setdefault(path.name.partition("_")[0], set()).add(found.whole_seconds > 0)
    assert len(whole) == 19
    assert sorted(name.removeprefix("sub-") for name, said in whole.items() if said == {True}) == [
        "jh101", "jh102", "jh103", "jh105", "jh106", "jh108", "pt01", "pt2",
    ]  # fmt: skip
