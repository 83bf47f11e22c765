"""Seizure annotations as they are published: summaries, WFDB files, SzCORE tables, free texts and their times."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.bids.tsv import read_rows
from connectome.pipelines.formats.seizures.annotations import annotated_seizures
from connectome.pipelines.formats.seizures.chbmit_summary import Summary, read_summary
from connectome.pipelines.formats.seizures.nihon_kohden import RULE, correct_onsets
from connectome.pipelines.formats.seizures.rules import (
    EVENT_LABELS,
    RULES,
    choose_rules,
    label_texts,
    observed_time,
    pair_seizures,
)
from connectome.pipelines.formats.seizures.szcore import is_szcore, read_szcore
from connectome.pipelines.formats.seizures.wfdb_seizures import read_marks, read_seizure_file
from connectome.seizures import Seizure, seizures_of

CHBMIT, DS003029, DS004100 = (
    f"eeg/{name}" for name in ("physionet_chbmit_meta", "openneuro_ds003029_meta", "openneuro_ds004100_meta")
)
SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7
Channel 2: -

File Name: chb99_01.edf
File Start Time: 23:30:00
File End Time: 24:30:00
Number of Seizures in File: 1
Seizure Start Time: 10 seconds
Seizure End Time: 20 seconds

Channels changed:
*****************
Channel 1: F7-T7

File Name: chb99_02.edf
File Start Time: 23:59:50
File End Time: 0:10:00
Number of Seizures in File: 2
Seizure 1 Start Time: 30 seconds
Seizure 1 End Time: \t40 seconds
Seizure 2 Start Time: 50 seconds
Seizure 2 End Time: 60 seconds
"""


@pytest.fixture(scope="module")
def summaries(data_dir: Path) -> dict[str, Summary]:
    """All summaries of CHB-MIT by case."""
    return {path.name[:5]: read_summary(path) for path in sorted((data_dir / CHBMIT).glob("*-summary.txt"))}


def counts(summaries: dict[str, Summary]) -> tuple[int, int, int]:
    """Return seizures, files, and files with a seizure."""
    files = [file for summary in summaries.values() for file in summary.files]
    return sum(len(file.seizures) for file in files), len(files), sum(bool(file.seizures) for file in files)


@pytest.mark.data
def test_chb_mit_has_the_published_numbers_of_seizures_and_files(summaries):
    assert counts(summaries) == (198, 676, 141)
    assert counts({case: item for case, item in summaries.items() if case != "chb24"}) == (182, 664, 129)
    lengths = [z.offset_s - z.onset_s for item in summaries.values() for file in item.files for z in file.seizures]
    assert sum(lengths) == 11_611
    assert {item.rate_hz for item in summaries.values()} == {256}


@pytest.mark.data
def test_channels_of_a_file_are_those_that_were_listed_last(summaries):
    thirteen = {file.name: file.channels for file in summaries["chb13"].files}
    assert len(thirteen["chb13_03.edf"]) == 28
    assert thirteen["chb13_04.edf"][-1] == "EKG1-EKG2"
    assert sorted(case for case, item in summaries.items() if len({file.channels for file in item.files}) > 1) == [
        "chb04", "chb09", "chb11", "chb12", "chb13", "chb15", "chb16", "chb17", "chb18", "chb19",
    ]  # fmt: skip
    assert all(file.duration_s is None for file in summaries["chb24"].files)


@pytest.mark.data
def test_a_misnumbered_seizure_is_told_and_all_others_are_in_order(summaries):
    told = [(case, note["code"], note["place"]) for case, item in summaries.items() for note in item.warnings]
    assert told == [("chb09", "seizure-misnumbered", "chb09_08.edf")]


@pytest.mark.data
def test_annotation_files_agree_with_the_summary(summaries, data_dir):
    files = sorted((data_dir / CHBMIT).glob("*.seizures"))
    assert len(files) == 7
    for path in files:
        stated = summaries["chb01"].file(path.name.removesuffix(".seizures"))
        assert stated is not None
        found = read_seizure_file(path)
        assert [(item.onset_s, item.offset_s) for item in found] == [
            (item.onset_s, item.offset_s) for item in stated.seizures
        ]
        assert {item.source for item in found} == {".seizures"}
        assert read_marks(path)[0].text == "## time resolution: 256"


def summary(tmp_path: Path, text: str) -> Path:
    """Write a summary."""
    path = tmp_path / "chb99-summary.txt"
    path.write_bytes(text.encode())
    return path


def test_clock_times_past_midnight_give_lengths(tmp_path):
    found = read_summary(summary(tmp_path, SUMMARY.replace("\n", "\r\n")))
    assert [file.duration_s for file in found.files] == [3600, 610]
    assert [file.channels for file in found.files] == [("FP1-F7", "-"), ("F7-T7",)]
    assert [item.onset_s for item in found.files[1].seizures] == [30.0, 50.0]
    assert found.file("chb99_03.edf") is None
    assert found.n_seizures == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Seizure End Time: 20 seconds\n", "", "other seizures"),
        ("Seizure 2 End Time: 60 seconds\n", "", "other seizures"),
        ("File: 1", "File: 2", "other seizures"),
        ("File: 1", "File: 0", "other seizures"),
        ("Number of Seizures in File: 1\n", "", "lacks its number"),
        ("End Time: 20", "End Time: 5", "does not end after"),
        ("chb99_02", "chb99_01", "there twice"),
        ("Channel 2: -", "Channel 3: -", "not numbered"),
        ("Data Sampling Rate: 256 Hz\n", "", "not a summary"),
        ("File Start Time: 23:30:00", "File Start: 23:30:00", "not a line"),
        ("Channel 1: FP1-F7", "Kanal 1", "not a line"),
    ],
)
def test_a_summary_that_contradicts_itself_is_refused(tmp_path, old, new, message):
    assert old in SUMMARY
    with pytest.raises(FormatError, match=message):
        read_summary(summary(tmp_path, SUMMARY.replace(old, new)))


@pytest.mark.data
def test_every_cut_of_an_annotation_file_is_refused(data_dir, tmp_path):
    whole = (data_dir / CHBMIT / "chb01_03.edf.seizures").read_bytes()
    path = tmp_path / "cut.seizures"
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(TruncatedError):
            read_seizure_file(path)


@pytest.mark.data
def test_an_annotation_file_with_other_marks_is_refused(data_dir, tmp_path):
    whole = (data_dir / CHBMIT / "chb01_03.edf.seizures").read_bytes()
    path = tmp_path / "odd.seizures"
    for old, new, message in (
        (b"\x00\x84", b"\x00\x80", "lacks its begin or end"),
        (b"## time", b"## mite", "length of a tick"),
        (b": 256", b": 000", "length of a tick"),
        (b"\x00\x84\x00\x00", b"\x00\x84\x00\x00\x01\x00", "follows the end"),
        (b"\x00\x84", b"\x00\xd8", "not a code"),
    ):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(FormatError, match=message):
            read_seizure_file(path)


HEADER = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"


def table(tmp_path: Path, text: str) -> Path:
    """Write a table of events."""
    path = tmp_path / "x_events.tsv"
    path.write_bytes(text.encode())
    return path


def test_a_table_of_szcore_gives_seizures_length_and_date(tmp_path):
    rows = "12.5\t30.25\tsz_foc_ia\tn/a\tn/a\t2016-01-01 13:00:00\t3600.00\n0\tn/a\tsz\tn/a\tT7\tn/a\t3600.00\n"
    found = read_szcore(table(tmp_path, "\ufeff" + HEADER + rows))
    assert found.seizures[0] == Seizure(12.5, 42.75, "sz_foc_ia", "events.tsv")
    assert math.isnan(found.seizures[1].offset_s)
    assert (found.recording_s, found.started_at, found.warnings) == (3600.0, "2016-01-01 13:00:00", ())


def test_background_over_the_whole_file_says_that_there_was_no_seizure(tmp_path):
    path = table(tmp_path, HEADER + "0.00\t3600.00\tbckg\tn/a\tn/a\t2016-01-01 13:00:00\t3600.00\n")
    assert read_szcore(path).seizures == ()
    assert is_szcore(read_rows(path))
    assert not is_szcore(read_rows(table(tmp_path, "onset\tduration\teventType\n0\t1\tblink\n")))


@pytest.mark.parametrize("row", ["n/a\t5\tsz", "nan\t5\tsz", "1_0\t5\tsz", "3\t-2\tsz", "3\t0\tsz_foc_ia"])
def test_a_seizure_without_a_time_is_refused(tmp_path, row):
    with pytest.raises(FormatError, match="has no time"):
        read_szcore(table(tmp_path, f"onset\tduration\teventType\n{row}\n"))


def test_codes_that_szcore_does_not_have_are_told(tmp_path):
    path = table(tmp_path, "onset\tduration\teventType\trecordingDuration\n1\t5\tsz\t60\n9\t1\tsz_odd\t61\n")
    assert [note["code"] for note in read_szcore(path).warnings] == ["several-durations", "unknown-event-types"]


def test_a_mark_takes_the_time_that_its_time_mark_states():
    onsets = [0.0, 0.0, 74.71, 74.71, 74.71, 87.0, math.nan]
    texts = ["+0.000000", "A1+A2 OFF", "+75.000000", "onset", "G16", "later", "+3.000000"]
    found = correct_onsets(onsets, texts)
    assert found.onsets_s[:6] == (0.0, 0.0, 75.0, 75.0, 75.0, 87.0)
    assert found.corrected_by == ("", "", RULE, RULE, RULE, "", "")
    assert found.n_corrected == 3
    assert found.doubtful == ()


@pytest.mark.parametrize(
    "texts", [["+75.600000", "onset"], ["+74.000000", "onset"], ["+75.000000", "+75.100000"], ["+75", "onset"]]
)
def test_a_number_that_cannot_be_the_time_of_the_mark_is_not_followed(texts):
    found = correct_onsets([74.71, 74.71], texts)
    assert found.onsets_s == (74.71, 74.71)
    assert found.n_corrected == 0
    assert len(found.doubtful) == (0 if texts[0] == "+75" else 1)


@pytest.mark.data
def test_times_of_ds003029_are_corrected_by_less_than_half_a_second(data_dir):
    late, subjects = [], set()
    for path in sorted((data_dir / DS003029).glob("sub-*/ses-*/ieeg/*_events.tsv")):
        rows = read_rows(path)
        onsets, texts = [float(row["onset"]) for row in rows], [row["trial_type"] for row in rows]
        found = correct_onsets(onsets, texts)
        assert found.doubtful == ()
        labels = label_texts(texts, RULES["ds003029"])
        for before, after, rule, label in zip(onsets, found.onsets_s, found.corrected_by, labels, strict=True):
            if rule and label != "time_mark":
                late.append(after - before)
                subjects.add(path.name.partition("_")[0])
    # Of the 35 subjects of the release the events of 32 are at hand.
    assert (len(late), len(subjects)) == (564, 19)
    assert 0 < min(late) < max(late) < 0.5


@pytest.mark.data
def test_the_texts_of_ds003029_say_of_63_runs_when_the_seizure_begins(data_dir):
    begun, ended, labels = 0, 0, set()
    for path in sorted((data_dir / DS003029).glob("sub-*/ses-*/ieeg/*_events.tsv")):
        rows = read_rows(path)
        texts = [row["trial_type"] for row in rows]
        found = label_texts(texts, choose_rules(doi="10.18112/openneuro.ds003029.v1.0.5"))
        labels |= set(found)
        seizures, _ = pair_seizures([float(row["onset"]) for row in rows], found)
        assert len(seizures) <= 1
        begun += len(seizures)
        ended += sum(math.isfinite(item.offset_s) for item in seizures)
        if "_jh" in path.name or "sub-jh" in path.name:
            assert seizures == []
    assert (begun, ended) == (63, 62)
    assert labels == {"", *EVENT_LABELS}


@pytest.mark.data
def test_every_ictal_run_of_ds004100_has_one_seizure_with_an_end(data_dir):
    lengths = []
    for path in sorted((data_dir / DS004100).glob("sub-*/ses-*/ieeg/*_events.tsv")):
        rows = read_rows(path)
        labels = label_texts([row["trial_type"] for row in rows], RULES["ds004100"])
        assert "" not in labels
        seizures, notes = pair_seizures([float(row["onset"]) for row in rows], labels)
        assert len(seizures) == 1
        assert notes == []
        lengths.append(seizures[0].offset_s - seizures[0].onset_s)
    # 208 in the release; the events of two subjects with six runs are not at hand.
    assert len(lengths) == 202
    assert 4.9 < min(lengths) < max(lengths) < 1128


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("onset", "seizure_onset"),
        ("AD1-3 onset", "seizure_onset"),
        ("SEIZURE #17 ONSET", "seizure_onset"),
        ("eeg sz start", "seizure_onset"),
        ("?onset ?TT1 then PST", "uncertain_onset"),
        ("* poss r onset", "uncertain_onset"),
        ("??clinical onset??", "uncertain_onset"),
        ("Z  CLINICAL ONSET", "clinical_onset"),
        ("SZ EVENT # (PB SZ)", "seizure_mark"),
        ("Seizure #2", "seizure_mark"),
        ("offset with attenuta", "seizure_offset"),
        ("Z ELECTROGRAPHIC END", "seizure_offset"),
        ("i'm having sz", ""),
        ("generalized off", ""),
        ("+75.000000", "time_mark"),
    ],
)
def test_free_texts_have_the_label_of_the_first_rule_that_matches(text, label):
    assert label_texts([text], RULES["ds003029"]) == [label]


def test_plain_rules_take_no_text_that_leaves_a_doubt():
    texts = ["sz onset", "Seizure End", "onset", "sz onset?", "stimulus", "eeg sz start"]
    assert label_texts(texts, choose_rules()) == ["seizure_onset", "seizure_offset", "", "", "", "seizure_onset"]
    assert set(label_texts(texts, choose_rules("none"))) == {""}
    with pytest.raises(UsageError, match="no such rules"):
        choose_rules("other")


def test_onsets_and_ends_are_paired_in_time_and_what_does_not_fit_is_told():
    labels = ["seizure_offset", "seizure_onset", "seizure_onset", "seizure_offset", "seizure_offset", "seizure_onset"]
    seizures, notes = pair_seizures([5.0, 10.0, 11.0, 20.0, 21.0, 30.0], labels)
    assert (seizures[0].onset_s, seizures[0].offset_s) == (10.0, 20.0)
    assert seizures[1].onset_s == 30.0
    assert math.isnan(seizures[1].offset_s)
    assert [note["code"] for note in notes] == ["offset-without-onset", "onset-within-seizure", "offset-without-onset"]


def test_marks_tell_of_all_time_but_what_comes_before_an_end_without_an_onset():
    on, off = "seizure_onset", "seizure_offset"
    assert observed_time([10.0, 20.0, 30.0], [on, off, on]) is None
    assert observed_time([], []) is None
    found = observed_time([5.0, 10.0, 11.0, 20.0, 21.0, 30.0], [off, on, on, off, off, on])
    assert found.tolist() == [[5.0, 20.0], [21.0, math.inf]]
    assert observed_time([21.0, 5.0, math.nan], [off, "", off]).tolist() == [[21.0, math.inf]]


@pytest.mark.data
def test_a_seizure_marked_in_the_recording_itself_becomes_a_seizure_with_an_unknown_end(data_dir):
    tree = read(data_dir / "eeg/mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf", "mne")
    found = seizures_of(tree["seizure"].to_dataset())
    # The annotation says +11, and the first record starts at +0.77126.
    assert len(found) == 1
    assert found[0].onset_s == pytest.approx(10.22874, abs=1e-9)
    assert math.isnan(found[0].offset_s)
    assert found[0].source == "annotation"
    assert tree["annotation"].sizes["row"] == 1


@pytest.mark.data
def test_a_recording_whose_annotations_mark_no_seizure_says_nothing_of_seizures(data_dir):
    tree = read(data_dir / "eeg/physionet_eegmmidb/S001R04.edf", "mne")
    assert tree["annotation"].sizes["row"] == 30
    assert "seizure" not in tree.children


def test_annotated_seizures_have_the_times_of_their_time_marks():
    texts = ["+75.000000", "sz onset", "sz offset", "blink"]
    columns = {
        "onset_s": schema.column("row", np.array([74.71, 74.71, 90.0, 95.0]), "Onset", "s"),
        "description": schema.column("row", texts, "Text"),
    }
    table, notes = annotated_seizures(schema.table(columns))
    assert table is not None
    assert [(item.onset_s, item.offset_s) for item in seizures_of(table)] == [(75.0, 90.0)]
    assert [note["code"] for note in notes] == ["onsets-corrected"]
