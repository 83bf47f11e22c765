"""The three sources of celegans-activity on the laboratories' own files: discovery, census, joins, facts."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from connectome.errors import FactsError
from connectome.pipelines.jobs import Expected, RawFile, RawFiles
from connectome.pipelines.making import check_facts
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate

IDS = ["dag2023", "seeelegans2024", "zephir_demo"]
RECORDS = {
    "dag2023": [
        "dag2023-2022-01-16-01",
        "dag2023-2022-07-26-31",
        "dag2023-2022-07-27-38",
        "dag2023-2022-07-27-45",
        "dag2023-labels",
    ],
    "seeelegans2024": [
        "seeelegans2024-atlas",
        "seeelegans2024-by-hand",
        "seeelegans2024-dataset2",
        "seeelegans2024-tracks-c",
    ],
    "zephir_demo": ["zephir_demo"],
}


def raw_files(source, folder: Path) -> RawFiles:
    found = []
    for remote in source.files():
        local = folder / remote.path
        if local.exists():
            digest = hashlib.sha256(local.read_bytes()).hexdigest()
            found.append(RawFile(remote.path, local, local.stat().st_size, digest, remote.sha256 is not None))
    return RawFiles(found)


@pytest.fixture(scope="module", params=IDS)
def source(request):
    return load_source(request.param)


@pytest.fixture(scope="module")
def raw(source, data_dir: Path) -> RawFiles:
    return raw_files(source, data_dir / "worm")


@pytest.fixture(scope="module")
def trees(source, raw: RawFiles):
    return {job.record: source.read(job) for job in source.discover(raw).jobs}


def test_checksums_and_sizes_are_those_of_the_files_at_hand(source, data_dir: Path) -> None:
    with (data_dir / "worm" / "MANIFEST.tsv").open() as stream:
        manifest = {row["path"]: row for row in csv.DictReader(stream, delimiter="\t")}
    folder = f"{source.id}/"
    stated = {file.path: (file.sha256, file.size_bytes) for file in source.files() if not file.optional}
    at_hand = {
        path: (row["sha256"], int(row["bytes"]))
        for path, row in manifest.items()
        if path.startswith(folder) and not path.endswith("README.md")
    }
    assert stated == at_hand


def test_every_file_is_used_or_rejected_and_records_are_stable(source, raw: RawFiles) -> None:
    found = source.discover(raw)
    assert sorted(job.record for job in found.jobs) == RECORDS[source.id]
    used = {item.path for job in found.jobs for item in job.inputs}
    rejected = {item.file for item in found.rejected}
    assert used | rejected == set(raw)
    assert used & rejected == set()
    again = source.discover(RawFiles(list(reversed(list(raw.values())))))
    assert sorted(again.jobs, key=lambda job: job.record) == sorted(found.jobs, key=lambda job: job.record)
    assert again.rejected == found.rejected


def test_records_are_valid_and_meet_their_facts(source, trees) -> None:
    expected = source.expected()
    assert set(expected.records) == set(trees)
    for record, tree in trees.items():
        validate(tree, subject=record)
        check_facts(tree, expected, record=record)
        for name in ("title", "species", "citation", "doi", "licence", "source"):
            assert tree.attrs[name], (record, name)
        if "neuron" in tree:
            columns = {"raw_label", "neuron", "status", "candidates", "confidence", "rule"}
            assert columns <= set(tree["neuron"].data_vars), record


def test_a_fact_that_is_not_met_is_noticed(source, trees) -> None:
    expected = source.expected()
    for record, tree in trees.items():
        for path, values in expected.records[record].items():
            for name in values:
                changed = Expected({record: {path: {**values, name: -1}}})
                with pytest.raises(FactsError):
                    check_facts(tree, changed, record=record)


def test_each_record_needs_only_its_own_files(source, raw: RawFiles) -> None:
    for record in RECORDS[source.id]:
        needed = {file.path for file in source.files() if not file.records or record in file.records}
        alone = source.discover(RawFiles([raw[path] for path in raw if path in needed]))
        job = next(job for job in alone.jobs if job.record == record)
        assert {item.path for item in job.inputs} == needed


def test_a_source_without_files_makes_nothing(source) -> None:
    found = source.discover(RawFiles([]))
    assert (found.jobs, found.rejected) == ((), ())


def test_the_malformed_recording_of_dag_is_in_the_census_with_its_reason(data_dir: Path) -> None:
    source = load_source("dag2023")
    rejected = source.discover(raw_files(source, data_dir / "worm")).rejected
    assert [(item.file, item.kind) for item in rejected] == [("dag2023/2022-05-02-01-data.h5", "format")]
    assert "1137 stamps" in rejected[0].reason
    assert "shape (1600,)" in rejected[0].reason
    assert str(data_dir) not in rejected[0].reason


def test_all_eight_labelled_animals_of_dag_are_accounted_for(data_dir: Path) -> None:
    source = load_source("dag2023")
    raw = raw_files(source, data_dir / "worm")
    jobs = {job.record: job for job in source.discover(raw).jobs}
    labels = source.read(jobs["dag2023-labels"])["label"]
    animals = sorted(set(labels["animal"].values))
    assert len(animals) == 8
    assert labels.sizes["row"] == 814
    listed = {file.path: file.optional for file in source.files()}
    at_hand = {animal for animal in animals if f"dag2023-{animal}" in jobs}
    assert at_hand == {"2022-07-26-31", "2022-07-27-38", "2022-07-27-45"}
    for animal in animals:
        assert listed[f"dag2023/{animal}-data.h5"] is (animal not in at_hand)
    for animal in at_hand:
        job = jobs[f"dag2023-{animal}"]
        assert "dag2023/NeuroPAL_labels_dict.jld2" in {item.path for item in job.inputs}
        neuron = source.read(job)["neuron"]
        given = neuron["raw_label"].values != ""
        mine = labels["animal"].values == animal
        np.testing.assert_array_equal(neuron["roi"].values[given], labels["roi"].values[mine])
        np.testing.assert_array_equal(neuron["raw_label"].values[given], labels["raw_label"].values[mine])
        np.testing.assert_array_equal(decode(neuron["status"])[given], decode(labels["status"])[mine])


def test_a_labelled_recording_that_turns_up_later_is_read_like_the_others(data_dir: Path, tmp_path: Path) -> None:
    """An optional file has no checksum; when it can be had it becomes a record of its own with its labels."""
    source = load_source("dag2023")
    path = tmp_path / "2022-08-03-31-data.h5"
    with h5py.File(path, "w") as file:
        file["gcamp/trace_array_original"] = np.random.default_rng(0).uniform(1, 2, (5, 200))
        file["timing/timestamp_confocal"] = np.arange(5.0)
    labels = next(file for file in raw_files(source, data_dir / "worm").values() if file.path.endswith(".jld2"))
    generated = RawFile("dag2023/2022-08-03-31-data.h5", path, path.stat().st_size, "0" * 64, verified=False)
    jobs = source.discover(RawFiles([labels, generated])).jobs
    job = next(job for job in jobs if job.record == "dag2023-2022-08-03-31")
    tree = source.read(job)
    assert tree.attrs["strain"] == "SWF702"
    assert (tree["neuron"]["raw_label"].values != "").sum() == 106


def test_labelled_animals_are_not_made_without_their_labels(data_dir: Path, tmp_path: Path) -> None:
    source = load_source("dag2023")
    raw = dict(raw_files(source, data_dir / "worm"))
    broken = tmp_path / "labels.jld2"
    broken.write_bytes(b"no labels")
    path = "dag2023/NeuroPAL_labels_dict.jld2"
    raw[path] = RawFile(path, broken, 9, "0" * 64)
    found = source.discover(RawFiles(list(raw.values())))
    assert [job.record for job in found.jobs] == ["dag2023-2022-01-16-01"]
    reasons = {item.file: item.reason for item in found.rejected}
    assert sorted(reasons) == sorted(set(raw) - {"dag2023/2022-01-16-01-data.h5"})
    assert "not an HDF5 file" in reasons[path]
    assert "cannot be read" in reasons["dag2023/2022-07-27-45-data.h5"]
