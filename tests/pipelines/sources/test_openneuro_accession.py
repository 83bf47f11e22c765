"""Datasets of OpenNeuro by accession, listed by a real HTTP server on loopback: the list, and the tree as a folder."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import connectome
from connectome.errors import (
    ConflictError,
    DamagedError,
    FetchError,
    FormatError,
    NotFoundError,
    UnsafeError,
    UsageError,
)
from connectome.pipelines.fetch import fetch
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.formats.bids.listed import read_index
from connectome.pipelines.importing import import_files
from connectome.pipelines.sources.openneuro_listing import (
    Published,
    keep_listing,
    kept_listing,
    list_folder,
    list_published,
)
from connectome.pipelines.sources.openneuro_staging import stage_tree
from connectome.store import Repository
from support import bids_trees
from support.http_server import HttpServer
from support.openneuro_bucket import CHANGED, eeg_dataset, entries_of, page

TABLE = b"participant_id\nsub-a\n"
ACCESSION = "ds000001"
AT_ONCE = Patience(retries=2, first_delay_s=0.0)


def test_the_files_of_an_accession_are_listed_page_by_page_and_fetched(http_server, tmp_path):
    digest = hashlib.md5(TABLE, usedforsecurity=False).hexdigest()
    first = page((f"{ACCESSION}/participants.tsv", len(TABLE), digest), token="a+b/c", truncated=True, changed=CHANGED)
    last = page(
        (f"{ACCESSION}/sub-a/eeg/sub-a_task-rest_eeg.edf", 9_000_000_000, f"{'0' * 32}-572"),
        (f"{ACCESSION}/sub-a/anat/", 0, "1" * 32),
        (f"{ACCESSION}/sub-a/anat/sub-a_T1w.nii.gz", 5, "1" * 32),
        truncated=False,
    )
    http_server.put("/", first, last)
    base = http_server.put(f"/{ACCESSION}/participants.tsv", TABLE).removesuffix(f"/{ACCESSION}/participants.tsv")
    listing = list_published(ACCESSION, base)
    assert [item.query.partition("prefix=")[2] for item in http_server.requests("/")] == [
        f"{ACCESSION}/", f"{ACCESSION}/&continuation-token=a%2Bb%2Fc",
    ]  # fmt: skip
    assert listing.files == (
        Published("participants.tsv", len(TABLE), digest),
        Published("sub-a/anat/sub-a_T1w.nii.gz", 5, "1" * 32),
        Published("sub-a/eeg/sub-a_task-rest_eeg.edf", 9_000_000_000, None),
    )
    told = listing.provenance()
    assert (told["n_files"], told["bytes"], told["changed_at"]) == (3, 9_000_000_005 + len(TABLE), CHANGED)
    fetched = fetch([listing.remote(listing.files[0])], tmp_path / "raw")
    assert fetched.files[0].local.read_bytes() == TABLE
    assert fetched.files[0].verified


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (page(), NotFoundError, "no such dataset"),
        (b"<html></html>", FormatError, "not a list of files"),
        (b"nothing of the kind", FormatError, "not a list of files"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", FormatError, "declares entities"),
        (page(("ds000002/x", 1, "")), FormatError, "not an entry of the list"),
        (page(("ds000001/x", -1, "")), FormatError, "not an entry of the list"),
        (page(("ds000001/x", 1, ""), truncated=True), FormatError, "stops short of its end"),
        (page(("ds000001/x", 1, ""), token="same"), FormatError, "has no end"),
        (page(("ds000001/x", 1, ""), ("ds000001/x", 2, "")), FormatError, "listed twice"),
        (page(("ds000001/x", 1, ""), ("ds000001/x/y", 2, "")), FormatError, "as a file and as a folder"),
        (page((f"ds000001/{'x' * 300}", 1, "")), FormatError, "a name that no file can have"),
        (page(("ds000001/a\u202eb", 1, "")), FormatError, "a name that no file can have"),
        (page(("ds000001/../x", 1, "")), UnsafeError, "does not name one place"),
        (page(("ds000001//etc/passwd", 1, "")), UnsafeError, "absolute"),
        (page(("ds000001/a\\..\\b", 1, "")), UnsafeError, "backslash"),
        (page(("ds000001/C:x", 1, "")), UnsafeError, "drive"),
    ],
)
def test_what_is_no_list_of_files_is_refused(http_server, body, error, message):
    base = http_server.put("/", body).rstrip("/")
    with pytest.raises(error, match=message):
        list_published(ACCESSION, base)


def test_only_an_accession_is_listed_and_a_network_that_fails_is_asked_again(http_server):
    with pytest.raises(UsageError, match="not an accession"):
        list_published("ds1", "http://localhost")
    base = http_server.put("/", HttpServer.Answer(status=503), page((f"{ACCESSION}/x", 1, ""))).rstrip("/")
    assert [file.path for file in list_published(ACCESSION, base, patience=AT_ONCE).files] == ["x"]
    http_server.put("/", HttpServer.Answer(status=503))
    with pytest.raises(FetchError, match="cannot be had") as raised:
        list_published(ACCESSION, base, patience=AT_ONCE)
    assert "--mirror FOLDER" in str(raised.value.hint)
    assert len(http_server.requests("/")) == 2 + 3
    http_server.put("/", HttpServer.Answer(status=403))
    with pytest.raises(FetchError, match="403"):
        list_published(ACCESSION, base, patience=AT_ONCE)
    assert len(http_server.requests("/")) == 5 + 1


def test_a_list_is_kept_once_and_refused_when_it_was_edited(http_server, tmp_path):
    base = http_server.put("/", page((f"{ACCESSION}/x", 1, "0" * 32)), page((f"{ACCESSION}/y", 1, ""))).rstrip("/")
    first, second = (list_published(ACCESSION, base) for _ in range(2))
    assert kept_listing(tmp_path, ACCESSION) is None
    assert keep_listing(tmp_path, first) == first
    assert keep_listing(tmp_path, second) == first == kept_listing(tmp_path, ACCESSION)
    assert keep_listing(tmp_path, second, replace=True) == second == kept_listing(tmp_path, ACCESSION)
    path = tmp_path / "listing.json"
    whole = path.read_text()
    for text in (whole.replace('"y"', '"z"'), whole[:-9], whole.replace('"y"', '"../z"')):
        path.write_text(text)
        with pytest.raises(DamagedError, match="not as it was written"):
            kept_listing(tmp_path, ACCESSION)


def test_a_copy_is_listed_with_what_it_only_points_to(tmp_path):
    root = eeg_dataset(tmp_path / "copy", {"sub-01": 1})
    (root / "annex_index.tsv").write_text(f"path\tbytes\tmd5\nsub-02/eeg/sub-02_task-rest_eeg.edf\t7\t{'a' * 32}\n")
    bids_trees.annex_link(root / "sub-03/eeg/sub-03_task-rest_eeg.edf", 9, "b" * 64)
    files = {file.path: file for file in list_folder(ACCESSION, root).files}
    assert files["sub-02/eeg/sub-02_task-rest_eeg.edf"].md5 == "a" * 32
    assert files["sub-03/eeg/sub-03_task-rest_eeg.edf"].sha256 == "b" * 64
    assert files["participants.tsv"].size_bytes == (root / "participants.tsv").stat().st_size
    assert "annex_index.tsv" not in files
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="no file in the copy"):
        list_folder(ACCESSION, tmp_path / "empty")


@pytest.fixture
def bucket(http_server, tmp_path):
    """A generated dataset as a bucket serves it: a person with an image, two runs of EEG."""
    root = eeg_dataset(tmp_path / "served" / ACCESSION, {"sub-01": 2})
    bids_trees.write(root, {"sub-01/anat/sub-01_T1w.nii.gz": np.arange(8, dtype=np.int16).reshape(2, 2, 2)})
    # The second run was laid there in parts: its tag is no checksum.
    http_server.put("/", page(*entries_of(root, in_parts=lambda path: path.name.endswith("run-2_eeg.edf"))))
    return http_server.serve_folder(root.parent), root


def test_a_dataset_is_staged_and_imported_by_its_accession(bucket, http_server, tmp_path):
    base, served = bucket
    repository, folder = Repository(tmp_path / "root"), tmp_path / ACCESSION
    fetched = stage_tree(ACCESSION, folder, cache=repository.raw, data="*_run-1_*,*_T1w.nii.gz", at=base)
    assert all(raw.verified for raw in fetched.files)
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    there = {path.relative_to(served).as_posix() for path in served.rglob("*") if path.is_file()}
    absent = "sub-01/eeg/sub-01_task-rest_run-2_eeg.edf"
    assert here == there - {".bidsignore", absent} | {"annex_index.tsv"}
    assert not http_server.requests(f"/{ACCESSION}/{absent}")
    pointer = read_index(folder / "annex_index.tsv")[absent].pointer
    assert (pointer.size_bytes, pointer.checksum) == ((served / absent).stat().st_size, "")
    result = import_files(repository, [folder], dataset="staged", format="bids")
    assert set(result.added) == {"sub-01", "sub-01_task-rest_run-1", "sub-01_task-rest_run-2"}
    version = connectome.open("staged", root=repository.path)
    assert (version.manifest.about["title"], version.manifest.about["licence"]) == ("Generated", "CC0")
    first, second = (version.open(f"sub-01_task-rest_run-{run}") for run in (1, 2))
    assert set(first.children) - set(second.children) == {"annotation", "edf", "signal"}
    assert first["signal"].sizes["time"] == 12


def test_staging_again_adds_data_and_says_which_bytes_nothing_vouches_for(bucket, tmp_path):
    base, served = bucket
    folder, cache = tmp_path / "tree", tmp_path / "raw"
    stage_tree(ACCESSION, folder, cache=cache, at=base)
    listed = read_index(folder / "annex_index.tsv")
    assert [path.rpartition("/")[2] for path in listed] == [
        "sub-01_T1w.nii.gz", "sub-01_task-rest_run-1_eeg.edf", "sub-01_task-rest_run-2_eeg.edf",
    ]  # fmt: skip
    fetched = stage_tree(ACCESSION, folder, cache=cache, data="sub-01/eeg/*", at=base)
    assert [raw.path.rpartition("/")[2] for raw in fetched.files if not raw.verified] == [
        "sub-01_task-rest_run-2_eeg.edf"
    ]
    assert list(read_index(folder / "annex_index.tsv")) == ["sub-01/anat/sub-01_T1w.nii.gz"]
    run = "sub-01/eeg/sub-01_task-rest_run-2_eeg.edf"
    assert (folder / run).read_bytes() == (served / run).read_bytes()


def test_staging_neither_replaces_other_bytes_nor_passes_over_a_glob(bucket, tmp_path):
    base, _ = bucket
    folder, cache = tmp_path / "tree", tmp_path / "raw"
    with pytest.raises(NotFoundError, match="no file of the dataset matches"):
        stage_tree(ACCESSION, folder, cache=cache, data="sub-01/*, sub-02/*", at=base)
    assert not folder.exists()
    stage_tree(ACCESSION, folder, cache=cache, at=base)
    (folder / "participants.tsv").write_text("participant_id\nsub-mine\n")
    with pytest.raises(ConflictError, match="other bytes lie there already"):
        stage_tree(ACCESSION, folder, cache=cache, at=base)
    assert (folder / "participants.tsv").read_text() == "participant_id\nsub-mine\n"
