"""CHB-MIT with signals: generated recordings in the layout of a case, with its real summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Job, RawFiles
from connectome.pipelines.sources import load_source
from connectome.seizures import seizures_of
from support.recording_layouts import chb_mit_case

pytestmark = pytest.mark.data
CASE = "eeg/physionet_chbmit_meta/chb03-summary.txt"


def job_of(folder: Path, record: str) -> Job:
    """Return the job of a record whose files lie in a folder."""
    source = load_source("chb_mit")
    wanted = [file for file in source.files() if file.path.startswith("chb_mit/chb03/") and record in file.records]
    fetched = fetch(wanted, folder / "cache", mirror=folder)
    return next(job for job in source.discover(RawFiles(fetched.files)).jobs if job.record == record)


def test_seizures_lie_on_the_clock_of_the_signal(data_dir, tmp_path):
    chb_mit_case(tmp_path / "chb_mit/chb03", data_dir / CASE, files=["chb03_04.edf"])
    tree = load_source("chb_mit").read(job_of(tmp_path, "chb03_04"))
    assert [(item.onset_s, item.offset_s) for item in seizures_of(tree["seizure"].to_dataset())] == [(2162.0, 2214.0)]
    signal = tree["signal"].to_dataset()
    assert dict(signal.sizes) == {"channel": 23, "time": 14_400}
    assert signal.attrs["recorded_at"] == "2076-11-06T16:23:54"
    assert signal["source_label"].values.tolist().count("T8-P8") == 2
    assert [note["code"] for note in tree.attrs["warnings"]] == ["repeated-labels"]


def test_a_seizure_past_the_end_of_a_recording_that_was_cut_is_told(data_dir, tmp_path):
    folder = tmp_path / "chb_mit/chb03"
    chb_mit_case(folder, data_dir / CASE, files=["chb03_04.edf"])
    path = folder / "chb03_04.edf"
    raw = path.read_bytes()
    head = int(raw[184:192])
    size = (len(raw) - head) // int(raw[236:244])
    path.write_bytes(raw[:236] + b"100".ljust(8) + raw[244:head] + raw[head : head + 100 * size])
    tree = load_source("chb_mit").read(job_of(tmp_path, "chb03_04"))
    told = {note["code"]: note["message"] for note in tree.attrs["warnings"]}
    assert told["seizures-past-end"] == "1 of 1 seizures reach past the end (1000 s), up to 2214 s"
