"""Marks of the TUH EEG corpora, on generated recordings of their layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectome.errors import FormatError
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.store.canonical import file_sha256
from support.recording_layouts import tuh_recording

NAME = "aaaaaaac_s001_t000"
HEAD = "channel,start_time,stop_time,label,confidence\n"


def read(folder: Path, rows: str | None) -> Any:
    """Write a recording of four seconds with these marks, and read it as the source does."""
    path = tuh_recording(folder / f"{NAME}.edf")
    if rows is not None:
        path.with_suffix(".csv_bi").write_text(HEAD + rows)
    files = [
        RawFile(item.name, item, item.stat().st_size, file_sha256(item)) for item in (path, path.with_suffix(".csv_bi"))
    ]
    source = load_source("tuh_eeg")
    return source.read(source.discover(RawFiles(files)).jobs[0])


def test_marks_tell_seizures_from_background_only_where_there_are_any(tmp_path):
    tree = read(tmp_path / "some", "TERM,0.0000,1.0000,bckg,1.0\nTERM,1.0000,1.5000,seiz,1.0\nTERM,3.0,3.5,bckg,1.0\n")
    assert tree["seizure"]["onset_s"].values.tolist() == [1.0]
    assert tree["seizure"]["offset_s"].values.tolist() == [1.5]
    assert tree["seizure"].attrs["observed_s"] == [[0.0, 1.5], [3.0, 3.5]]
    assert read(tmp_path / "whole", None)["seizure"].attrs["observed_s"] == [[0.0, 4.0]]
    assert read(tmp_path / "none", "")["seizure"].attrs["observed_s"] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("TERM,1.0,1.0,bckg,1.0\n", "does not end after"),
        ("TERM,2.0,1.0,seiz,1.0\n", "does not end after"),
        ("TERM,nan,1.0,bckg,1.0\n", "does not end after"),
        ("TERM,0.0,inf,seiz,1.0\n", "does not end after"),
        ("TERM,0.0,early,seiz,1.0\n", "not a row of marks"),
        ("FP1,0.0,1.0,seiz,1.0\n", "not a mark of all channels"),
    ],
)
def test_marks_that_cannot_be_are_refused(rows, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, rows)
