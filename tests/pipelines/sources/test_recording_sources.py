"""Sources of EEG and iEEG: what their publishers count, and what their codes mean."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectome import schema
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Job, RawFiles
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.eegmmidb import meaning_of

pytestmark = pytest.mark.data


def jobs_of(source_id: str, data_dir: Path, cache: Path) -> dict[str, Job]:
    """Bring what is at hand of a source, and return its jobs."""
    source = load_source(source_id)
    fetched = fetch(
        [file for file in source.files() if file.size_bytes is None or file.size_bytes < 5_000_000],
        cache, mirror=data_dir / "eeg",
    )  # fmt: skip
    return {job.record: job for job in source.discover(RawFiles(fetched.files)).jobs}


def facts_of(source_id: str, jobs: dict[str, Job]) -> list[dict[str, Any]]:
    """Read every record and return its row of facts."""
    source, rows = load_source(source_id), []
    for record, job in jobs.items():
        tree = source.read(job)
        table = tree["recording"].to_dataset()
        row: dict[str, Any] = {str(name): schema.decode(table[name].variable)[0] for name in table.data_vars}
        rows.append(row | {"record": record, "linked": tree.attrs.get("linked_subjects")})
    return rows


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("raw")


def test_clips_of_hup_are_those_that_are_published_without_a_signal_at_hand(data_dir, cache):
    rows = facts_of("hup_ieeg", jobs_of("hup_ieeg", data_dir, cache))
    assert (len(rows), len({row["subject"] for row in rows})) == (319, 57)
    assert math.fsum(row["duration_s"] for row in rows) / 3600 == pytest.approx(25.717898949652778, abs=1e-9)
    assert sum(row["size_bytes"] for row in rows) == 14_193_660_858
    assert Counter(row["sampling_frequency_hz"] for row in rows) == {512: 165, 1024: 78, 500: 69, 256: 7}
    assert Counter(row["task"] for row in rows) == {"ictal": 208, "interictal": 111}
    assert {row["n_seizures"] for row in rows if row["task"] == "interictal"} == {0}
    known = [row for row in rows if row["task"] == "ictal" and row.get("n_seizures") is not None]
    assert {row["n_seizures"] for row in known} == {1}
    assert (len(known), len({row["subject"] for row in known})) == (202, 54)


def test_runs_of_ds003029_are_those_that_are_published_and_shared_patients_are_linked(data_dir, cache):
    rows = facts_of("fragility_ieeg", jobs_of("fragility_ieeg", data_dir, cache))
    assert (len(rows), len({row["subject"] for row in rows})) == (106, 35)
    assert math.fsum(row["duration_s"] for row in rows) / 3600 == pytest.approx(8.2088, abs=5e-5)
    linked = {row["subject"]: row["linked"] for row in rows if row["linked"]}
    assert set(linked) == {"sub-pt01", "sub-pt2", "sub-pt3", "sub-jh103", "sub-jh105"}
    assert linked["sub-pt01"] == "ds003029:sub-pt01 ds003876:sub-pt1"


def test_seizures_of_chb_mit_are_those_that_are_published(data_dir, cache):
    rows = facts_of("chb_mit", jobs_of("chb_mit", data_dir, cache))
    older = [row for row in rows if row["subject"] != "chb24"]
    for chosen, files, seizures, with_seizure in ((rows, 676, 198, 141), (older, 664, 182, 129)):
        assert len(chosen) == files
        assert sum(row["n_seizures"] for row in chosen) == seizures
        assert sum(row["n_seizures"] > 0 for row in chosen) == with_seizure
    assert sum(row["seizure_s"] for row in rows) == 11_611
    assert {row["subject"] for row in rows if row["linked"]} == {"chb01", "chb21"}
    assert len({row["linked"] for row in rows if row["linked"]}) == 1


def test_what_a_code_of_eegmmidb_means_depends_on_the_run(data_dir, cache):
    jobs = jobs_of("eegmmidb", data_dir, cache)
    assert set(jobs) == {"S001R04", "S001R06", "S001R10", "S001R14"}
    source = load_source("eegmmidb")
    for record, first in (("S001R04", "left fist"), ("S001R06", "both fists")):
        table = source.read(jobs[record])["annotation"].to_dataset()
        pairs = Counter(zip(table["description"].values.tolist(), table["label"].values.tolist(), strict=True))
        assert {text: label for text, label in pairs if text != "T2"} == {"T0": "rest", "T1": first}
        assert sum(pairs.values()) == 30
    assert [meaning_of(run)["T0"] for run in (1, 2, 3)] == ["eyes open", "eyes closed", "rest"]
    assert all(meaning_of(run)["T2"] == "right fist" for run in (3, 4, 7, 8, 11, 12))
    assert all(meaning_of(run)["T2"] == "both feet" for run in (5, 6, 9, 10, 13, 14))


def test_every_run_and_night_of_physionet_is_listed_once(data_dir):
    runs = load_source("eegmmidb").files()
    assert len(runs) == len({file.sha256 for file in runs}) == 109 * 14
    nights = load_source("sleep_edf").files()
    assert sum(file.path.endswith("-PSG.edf") for file in nights) == 197
    assert sum(file.path.endswith("-Hypnogram.edf") for file in nights) == 197


def test_stages_of_a_night_keep_their_times_though_most_lie_past_the_excerpt(data_dir, cache):
    source = load_source("sleep_edf")
    (job,) = jobs_of("sleep_edf", data_dir, cache).values()
    tree = source.read(job)
    events = tree["events"].to_dataset()
    assert Counter(events["label"].values.tolist()) == {
        "W": 12, "1": 24, "2": 40, "3": 48, "4": 23, "R": 6, "unscored": 1,
    }  # fmt: skip
    assert (events["onset_s"].values[0], events["duration_s"].values[0]) == (0.0, 30_630.0)
    told = [item["message"] for item in tree.attrs["warnings"] if item["code"] == "events-past-end"]
    assert told == ["153 of 154 stages begin past the end of the signal (300 s)"]
    assert tree.attrs["subject"] == "SC400"


def test_marks_of_oscillations_say_their_kind_and_bipolar_channel(data_dir, cache):
    source = load_source("fedele2017")
    (job,) = jobs_of("fedele2017", data_dir, cache).values()
    events = source.read(job)["events"].to_dataset()
    assert events.sizes["row"] == 68
    assert set(events["label"].values.tolist()) <= {"ripple", "fast ripple", "fast ripple and ripple"}
    assert [events[key].values[0] for key in ("text", "label", "channels")] == ["fr_PHR1-2", "fast ripple", "PHR1-2"]
