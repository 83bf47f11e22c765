"""Datasets of OpenNeuro by accession, listed by a real HTTP server on loopback."""

from __future__ import annotations

import hashlib
import json
import zlib

import numpy as np
import pytest

import connectome
from connectome.errors import ConflictError, FormatError, NotFoundError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.fetch import fetch
from connectome.pipelines.formats.bids.listed import read_index
from connectome.pipelines.importing import import_files
from connectome.pipelines.sources.openneuro_accession import HOW_TO, list_published, remote_files, stage_tree
from connectome.store import Repository
from support import bids_trees, eeg_files
from support.doc_pages import PROJECT, anchors_of

HEAD = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
TABLE = b"participant_id\nsub-a\n"


def page(*entries: tuple[str, int, str], token: str = "") -> bytes:
    rows = "".join(
        f"<Contents><Key>{key}</Key><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>"
        for key, size, tag in entries
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f"{HEAD}{rows}{more}</ListBucketResult>".encode()


def test_the_files_of_an_accession_are_listed_page_by_page_and_fetched(http_server, tmp_path):
    digest = hashlib.md5(TABLE, usedforsecurity=False).hexdigest()
    first = page(("ds000001/participants.tsv", len(TABLE), digest), token="a+b/c")
    last = page(
        ("ds000001/sub-a/eeg/sub-a_task-rest_eeg.edf", 9_000_000_000, f"{'0' * 32}-572"),
        ("ds000001/sub-a/anat/sub-a_T1w.nii.gz", 5, "1" * 32),
        ("ds000001/derivatives/x.tsv", 5, "2" * 32),
    )
    http_server.put("/", first, last)
    base = http_server.put("/ds000001/participants.tsv", TABLE).removesuffix("/ds000001/participants.tsv")
    published = list_published("ds000001", base)
    assert len(http_server.requests("/")) == 2
    assert [(item.path.rpartition("/")[2], item.md5) for item in published] == [
        ("x.tsv", "2" * 32), ("participants.tsv", digest), ("sub-a_T1w.nii.gz", "1" * 32),
        ("sub-a_task-rest_eeg.edf", None),
    ]  # fmt: skip
    files = remote_files("ds000001", published, licence="CC0-1.0", at=base)
    assert [(file.path.rpartition("/")[2], file.records) for file in files] == [
        ("participants.tsv", ()), ("sub-a_task-rest_eeg.edf", ("sub-a",)),
    ]  # fmt: skip
    fetched = fetch(files[:1], tmp_path / "raw")
    assert fetched.files[0].local.read_bytes() == TABLE
    assert fetched.files[0].verified


def test_what_is_no_list_of_files_is_refused(http_server):
    with pytest.raises(UsageError, match="not an accession"):
        list_published("ds1", "http://localhost")
    for accession, body, error, message in (
        ("ds000002", page(), NotFoundError, "no such dataset"),
        ("ds000003", b"<html></html>", FormatError, "not a list of files"),
        ("ds000004", b"nothing of the kind", FormatError, "not a list of files"),
        ("ds000005", page(("ds000005/../x", 1, "")), FormatError, "not an entry of the list"),
        ("ds000006", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", FormatError, "declares entities"),
    ):
        base = http_server.put("/", body).rstrip("/")
        with pytest.raises(error, match=message):
            list_published(accession, base)


@pytest.fixture
def bucket(http_server, tmp_path, request):
    """A generated dataset as a bucket serves it: a person with an image, two runs of EEG."""
    accession = f"ds{zlib.crc32(request.node.name.encode()) % 10**6:06}"
    root = tmp_path / "served" / accession
    signal = eeg_files.ONE
    bids_trees.write(
        root,
        {
            "dataset_description.json": {"Name": "Generated", "BIDSVersion": "1.10.0", "License": "CC0"},
            "participants.tsv": "participant_id\tage\nsub-01\t30\n",
            ".bidsignore": "x\n",
            "README": "generated\n",
            "task-rest_eeg.json": {"TaskName": "rest", "SamplingFrequency": 4, "PowerLineFrequency": 50,
                                   "EEGReference": "Cz", "SoftwareFilters": "n/a"},
            "sub-01/anat/sub-01_T1w.nii.gz": np.arange(8, dtype=np.int16).reshape(2, 2, 2),
            "sub-01/eeg/sub-01_task-rest_run-1_channels.tsv": "name\ttype\tunits\nEEG Fz\tEEG\tuV\n",
        },
    )  # fmt: skip
    for run in (1, 2):
        path = root / f"sub-01/eeg/sub-01_task-rest_run-{run}_eeg.edf"
        eeg_files.edf(path, signals=[signal], records=[[[run, 2, 3, 4]]] * 3)
    entries = []
    for path in sorted(item for item in root.rglob("*") if item.is_file()):
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        # The second run was laid there in parts: its tag is no checksum.
        tag = f"{digest}-2" if "run-2" in path.name else digest
        entries.append((f"{accession}/{path.relative_to(root).as_posix()}", path.stat().st_size, tag))
    http_server.put("/", page(*entries))
    return accession, http_server.serve_folder(root.parent), root


def test_a_dataset_is_staged_and_imported_by_its_accession(bucket, http_server, tmp_path):
    accession, base, served = bucket
    repository, folder = Repository(tmp_path / "root"), tmp_path / accession
    fetched = stage_tree(accession, folder, cache=repository.raw, data="*_run-1_*,*_T1w.nii.gz", at=base)
    assert all(raw.verified for raw in fetched.files)
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    there = {path.relative_to(served).as_posix() for path in served.rglob("*") if path.is_file()}
    absent = "sub-01/eeg/sub-01_task-rest_run-2_eeg.edf"
    assert here == there - {".bidsignore", absent} | {"annex_index.tsv"}
    assert not http_server.requests(f"/{accession}/{absent}")
    pointer = read_index(folder / "annex_index.tsv")[absent].pointer
    assert (pointer.size_bytes, pointer.checksum) == ((served / absent).stat().st_size, "")
    name = f"openneuro-{accession}"
    result = import_files(repository, [folder], dataset=name, format="bids")
    assert set(result.added) == {"sub-01", "sub-01_task-rest_run-1", "sub-01_task-rest_run-2"}
    version = connectome.open(name, root=repository.path)
    assert (version.manifest.about["title"], version.manifest.about["licence"]) == ("Generated", "CC0")
    first, second = (version.open(f"sub-01_task-rest_run-{run}") for run in (1, 2))
    assert set(first.children) - set(second.children) == {"annotation", "edf", "signal"}
    assert first["signal"].sizes["time"] == 12


def test_staging_again_adds_data_and_says_which_bytes_nothing_vouches_for(bucket, tmp_path):
    accession, base, served = bucket
    folder, cache = tmp_path / "tree", tmp_path / "raw"
    stage_tree(accession, folder, cache=cache, at=base)
    listed = read_index(folder / "annex_index.tsv")
    assert [path.rpartition("/")[2] for path in listed] == [
        "sub-01_T1w.nii.gz", "sub-01_task-rest_run-1_eeg.edf", "sub-01_task-rest_run-2_eeg.edf",
    ]  # fmt: skip
    fetched = stage_tree(accession, folder, cache=cache, data="sub-01/eeg/*", at=base)
    assert [raw.path.rpartition("/")[2] for raw in fetched.files if not raw.verified] == [
        "sub-01_task-rest_run-2_eeg.edf"
    ]
    assert list(read_index(folder / "annex_index.tsv")) == ["sub-01/anat/sub-01_T1w.nii.gz"]
    run = "sub-01/eeg/sub-01_task-rest_run-2_eeg.edf"
    assert (folder / run).read_bytes() == (served / run).read_bytes()


def test_staging_neither_replaces_other_bytes_nor_passes_over_a_glob(bucket, tmp_path):
    accession, base, _ = bucket
    folder, cache = tmp_path / "tree", tmp_path / "raw"
    with pytest.raises(NotFoundError, match="no file of the dataset matches"):
        stage_tree(accession, folder, cache=cache, data="sub-01/*, sub-02/*", at=base)
    assert not folder.exists()
    stage_tree(accession, folder, cache=cache, at=base)
    (folder / "participants.tsv").write_text("participant_id\nsub-mine\n")
    with pytest.raises(ConflictError, match="other bytes lie there already"):
        stage_tree(accession, folder, cache=cache, at=base)
    assert (folder / "participants.tsv").read_text() == "participant_id\nsub-mine\n"


@pytest.mark.parametrize("verb", ["plan", "ingest"])
def test_an_accession_is_not_planned_and_the_error_says_how_to_import_it(verb, tmp_path, capsys):
    assert main([verb, "openneuro-ds000001", "--json", "--root", str(tmp_path / "root")]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["kind"] == "usage"
    assert "connectome import bids FOLDER --dataset openneuro-ds000001" in told["hint"]
    page_name, _, anchor = HOW_TO.partition("#")
    assert page_name in told["hint"]
    assert anchor in anchors_of(PROJECT / page_name)
