"""Datasets of OpenNeuro by accession, listed by a real HTTP server on loopback."""

from __future__ import annotations

import hashlib

import pytest

from connectome.errors import FormatError, NotFoundError, UsageError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.sources.openneuro_accession import list_published, remote_files

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
