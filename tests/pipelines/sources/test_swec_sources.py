"""Copies of the long-term iEEG of the SWEC in Bern: ingested, split by patient, labelled; generated files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from connectome.errors import FactsError, LeakError
from connectome.pipelines.ingest import ingest
from connectome.pipelines.jobs import Discovery, RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.linked_people import LINKED, linked_subjects
from connectome.seizures import label_windows, seizures_of
from connectome.splits import GroupedSplit, prove
from connectome.store import Repository, open_version
from connectome.store.index import index_of
from support import swec_files


def discovered(source_id: str, folder: Path) -> Discovery:
    """Return what a source makes of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    raw = [RawFile(path.relative_to(folder).as_posix(), path, path.stat().st_size, "0" * 64) for path in files]
    return load_source(source_id).discover(RawFiles(raw))


def reasons(found: Discovery) -> dict[str, tuple[str, str]]:
    """Return kind and reason of every file that was not used."""
    return {item.file: (item.kind, item.reason) for item in found.rejected}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a store of two recordings: 2,400 samples at 512 Hz each, one seizure across the border of two parts."""
    folder = tmp_path_factory.mktemp("swec")
    values = {
        name: swec_files.recording(folder / "copy", name, (1300, 1100), seizures=marks)
        for name, marks in (("ID98", [(2.0, 3.5)]), ("ID99", ()))
    }
    repository = Repository(folder / "root")
    ingest(repository, "swec-ieeg", mirror=folder / "copy")
    return open_version("swec-ieeg", root=repository.path), values


def test_the_store_holds_every_sample_of_every_part_as_it_was(version: Any) -> None:
    opened, values = version
    assert list(opened.manifest.records) == ["ID98", "ID99"]
    for name, samples in values.items():
        signal = opened.open(name)["signal"].to_dataset()
        np.testing.assert_array_equal(signal["signal"].values, samples)
        assert signal["signal"].attrs["units"] == "uV"
        assert opened.manifest.records[name].attributes["licence"] == "CDLA-Permissive-2.0"


def test_windows_are_labelled_by_the_seizures_of_the_whole_recording(version: Any) -> None:
    opened, _ = version
    seizures = seizures_of(opened.open("ID98")["seizure"].to_dataset())
    starts = np.arange(9) * 0.5
    codes = label_windows(starts, starts + 0.5, seizures, rule="fraction>=0.5")
    # The part ends at 2.54 s, amid the seizure from 2.0 to 3.5 s.
    assert codes.tolist() == [0, 0, 0, 0, 2, 2, 2, 0, 0]


def test_a_loader_gives_windows_with_the_labels_of_both_recordings(version: Any) -> None:
    states = pytest.importorskip("connectome.loaders.torch.recordings")
    opened, values = version
    windows = states.StateDataset(opened, group="signal", window_s=0.5, rule="any")
    names = [windows.label_names[windows[at]["label"]] for at in range(len(windows))]
    assert Counter(names) == {"ictal": 3, "interictal": 15}
    first = next(at for at, name in enumerate(names) if name == "ictal")
    np.testing.assert_array_equal(np.asarray(windows[first]["signal"]), values["ID98"][:, 1024:1280])


def test_facts_of_a_published_folder_that_are_not_met_stop_the_ingest(tmp_path: Path) -> None:
    swec_files.recording(tmp_path / "copy", "ID04")
    with pytest.raises(FactsError, match="published facts are not met") as caught:
        ingest(Repository(tmp_path / "root"), "swec-ieeg", mirror=tmp_path / "copy")
    assert "n_samples is 1200 instead of 150012928" in str(caught.value)


def test_what_is_published_adds_up_to_what_the_card_and_its_audit_say() -> None:
    records = load_source("swec_ieeg").expected().records
    hours = {
        name: facts["/signal"]["n_samples"] / facts["/signal"]["sampling_frequency_hz"] / 3600
        for name, facts in records.items()
    }
    seizures = {name: facts["/seizure"]["n_rows"] for name, facts in records.items()}
    copies = {name.partition(":")[2] for names in LINKED for name in names[1:2] if name.startswith("swec_ieeg")}
    assert (len(records), round(sum(hours.values())), sum(seizures.values())) == (68, 9328, 704)
    assert len(copies) == 18
    assert round(sum(hours[name] for name in set(records) - copies)) == 6672
    assert sum(seizures[name] for name in set(records) - copies) == 460
    for original, copy, _ in (names for names in LINKED if names[0].startswith("swec_ieeg")):
        assert records[original.partition(":")[2]] == records[copy.partition(":")[2]]


def test_one_patient_in_two_folders_and_in_the_older_dataset_is_on_one_side_of_a_split(tmp_path: Path) -> None:
    import pandas as pd

    for name in ("ID96", "ID97", "ID98", "ID99"):
        swec_files.recording(tmp_path / "copy", name)
    swec_files.hours(tmp_path / "old", "ID01", (1,))
    repository = Repository(tmp_path / "root")
    ingest(repository, "swec-ieeg", mirror=tmp_path / "copy")
    ingest(repository, "swec-ethz", mirror=tmp_path / "old")
    manifests = [open_version(name, root=repository.path).manifest for name in ("swec-ieeg", "swec-ethz")]
    index = pd.concat([index_of(manifest) for manifest in manifests], ignore_index=True)
    text = linked_subjects("swec_ethz", "ID01")["linked_subjects"]
    assert text == linked_subjects("swec_ieeg", "ID20")["linked_subjects"]
    assert index.set_index("record").loc["ID01_h001", "linked_subjects"] == text
    # Generated folders have names of their own; this one stands for ID01, published a second time as ID20.
    index.loc[index["record"] == "ID96", "linked_subjects"] = text
    # All four hold the same samples, which would tie them by themselves.
    index["content"] = [str(at) for at in range(len(index))]
    for seed in range(10):
        split = GroupedSplit(by=("source", "subject"), fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(index)
        part = {record: name for name in split.parts for record in split.records(name)}
        assert part["ID96"] == part["ID01_h001"]
    unaware = index.drop(columns="linked_subjects")
    torn = [
        split
        for split in (
            GroupedSplit(by=("source", "subject"), fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(unaware)
            for seed in range(10)
        )
        if ("ID96" in split.records("train")) != ("ID01_h001" in split.records("train"))
    ]
    assert torn
    with pytest.raises(LeakError):
        prove(torn[0], index)


def test_a_copy_of_a_folder_says_which_it_is_a_copy_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swec_files.recording(tmp_path, "ID20", virtual_subject="ID02")
    source = load_source("swec_ieeg")
    tree = source.read(discovered("swec_ieeg", tmp_path).jobs[0])
    assert tree.attrs["copy_of"] == "ID01"
    assert tree.attrs["linked_subjects"] == "swec_ieeg:ID01 swec_ieeg:ID20 swec_ethz:ID01"
    assert [item["code"] for item in tree.attrs["warnings"]] == ["foreign-virtual-sources", "copy"]


def test_a_recording_of_which_a_part_is_not_at_hand_is_told_and_not_made(tmp_path: Path) -> None:
    swec_files.recording(tmp_path, "ID98", (500, 500, 500))
    swec_files.recording(tmp_path, "ID99")
    (tmp_path / "ID98/ID98_part_2.h5").unlink()
    found = discovered("swec_ieeg", tmp_path)
    assert [job.record for job in found.jobs] == ["ID99"]
    told = reasons(found)
    assert set(told) == {"ID98/ID98_part_1.h5", "ID98/ID98_part_3.h5", "ID98/ID98_total.h5"}
    assert told["ID98/ID98_total.h5"][0] == "unavailable"
    assert "1 of 3 parts" in told["ID98/ID98_total.h5"][1]
    assert "ID98_part_2.h5" in told["ID98/ID98_total.h5"][1]


def test_parts_without_index_a_second_folder_and_a_broken_index_are_told(tmp_path: Path) -> None:
    swec_files.recording(tmp_path / "a", "ID97")
    swec_files.recording(tmp_path / "b", "ID97")
    swec_files.recording(tmp_path, "ID98")
    (tmp_path / "ID98/ID98_total.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    swec_files.recording(tmp_path, "ID99")
    (tmp_path / "ID99/ID99_total.h5").unlink()
    found = discovered("swec_ieeg", tmp_path)
    assert [(job.record, job.inputs[0].path) for job in found.jobs] == [("ID97", "a/ID97/ID97_part_1.h5")]
    told = reasons(found)
    assert told["b/ID97/ID97_total.h5"][0] == "duplicate"
    assert told["ID98/ID98_total.h5"][0] in {"format", "truncated"}
    assert told["ID99/ID99_part_1.h5"][0] == "unavailable"
    assert len(told) == 3 + 3 + 2


def test_stretches_of_hours_end_where_hours_are_missing_short_or_broken(tmp_path: Path) -> None:
    swec_files.hours(tmp_path, "ID02", (1, 2, 3, 4, 6, 8, 9), last=10)
    savemat(tmp_path / "ID02/ID02_2h.mat", {"EEG": swec_files.samples(3, 7000)})
    (tmp_path / "ID02/ID02_8h.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    found = discovered("swec_ethz", tmp_path)
    stretches = {job.record: [file.path[5:] for file in job.inputs] for job in found.jobs}
    assert stretches == {
        "ID02_h001": ["ID02_1h.mat", "ID02_2h.mat", "ID02_info.mat"],
        "ID02_h003": ["ID02_3h.mat", "ID02_4h.mat", "ID02_info.mat"],
        "ID02_h006": ["ID02_6h.mat", "ID02_info.mat"],
        "ID02_h009": ["ID02_9h.mat", "ID02_info.mat"],
    }
    assert set(reasons(found)) == {"ID02/ID02_8h.mat"}
    source = load_source("swec_ethz")
    for job in found.jobs:
        source.read(job)


def test_hours_without_a_word_about_them_and_hours_in_two_folders_are_told(tmp_path: Path) -> None:
    swec_files.hours(tmp_path / "a", "ID02", (1,))
    swec_files.hours(tmp_path / "b", "ID02", (1, 2))
    swec_files.hours(tmp_path, "ID03", (1,))
    (tmp_path / "ID03/ID03_info.mat").unlink()
    swec_files.hours(tmp_path, "ID04", (1,))
    savemat(tmp_path / "ID04/ID04_info.mat", {"fs": 0})
    found = discovered("swec_ethz", tmp_path)
    assert [job.record for job in found.jobs] == ["ID02_h001"]
    told = {path: kind for path, (kind, _) in reasons(found).items()}
    assert told == {
        "b/ID02/ID02_1h.mat": "duplicate",
        "b/ID02/ID02_info.mat": "unavailable",
        "ID03/ID03_1h.mat": "unavailable",
        "ID04/ID04_1h.mat": "unavailable",
        "ID04/ID04_info.mat": "format",
    }
