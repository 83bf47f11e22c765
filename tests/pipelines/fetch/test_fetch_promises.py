"""Sizes and bytes that are not as promised: nothing wrong ever comes into the cache."""

from __future__ import annotations

import hashlib

import pytest

from connectome.errors import ChecksumError, FetchError
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.jobs import RemoteFile
from support.fetching import BODY, fetch_one, files_below, generated, listed


def test_a_body_announced_as_longer_is_refused_before_it_is_read(http_server, cache):
    url = http_server.put("/worm.bin", BODY + b"more")
    with pytest.raises(ChecksumError) as caught:
        fetch_one(listed(url), cache)
    assert caught.value.expected == f"{len(BODY)} bytes"
    assert caught.value.found == f"{len(BODY) + 4} bytes announced by the server"
    assert len(http_server.log) == 1
    assert files_below(cache) == []


@pytest.mark.parametrize("framing", ["chunked", "until the connection ends"])
def test_a_body_that_turns_out_longer_is_stopped(http_server, cache, framing):
    answer = http_server.Answer
    endless = generated(8 << 20, seed=4)
    url = http_server.put("/worm.bin", answer(endless, chunked=framing == "chunked", framed=framing == "chunked"))
    with pytest.raises(ChecksumError, match="size"):
        fetch_one(listed(url), cache)
    assert http_server.log[0].body_bytes < len(endless)
    assert files_below(cache) == []


def test_a_body_that_says_it_is_longer_than_it_is_counts_as_cut(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY[:-9], declared_bytes=len(BODY)), answer(BODY))
    attempt(listed(url))
    assert http_server.log[1].range == f"bytes={len(BODY) - 9}-"
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_a_body_that_says_it_is_shorter_is_completed_by_resuming(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, declared_bytes=1000, cut_after=1000), answer(BODY))
    attempt(listed(url))
    assert http_server.log[1].range == "bytes=1000-"
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_a_file_that_really_is_shorter_is_told_apart_by_the_server(http_server, attempt, cache):
    url = http_server.put("/worm.bin", BODY[:1000])
    with pytest.raises(ChecksumError) as caught:
        attempt(listed(url))
    assert (caught.value.expected, caught.value.found) == (f"{len(BODY)} bytes", "1000 bytes, says the server")
    assert [seen.status for seen in http_server.log] == [200, 416]
    assert files_below(cache) == []


def test_a_shorter_file_without_ranges_ends_after_the_retries(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY[:1000], ranges=False))
    with pytest.raises(ChecksumError, match="size"):
        attempt(listed(url), patience=Patience(retries=2))
    assert len(http_server.log) == 3
    assert files_below(cache) == []


def test_wrong_bytes_leave_nothing_in_the_cache(http_server, cache):
    wrong = bytearray(BODY)
    wrong[-1] ^= 0x80
    url = http_server.put("/worm.bin", bytes(wrong))
    with pytest.raises(ChecksumError) as caught:
        fetch_one(listed(url), cache)
    error = caught.value
    assert error.kind == "checksum"
    assert error.subject == "lab/worm.bin"
    assert error.place == url
    assert hashlib.sha256(BODY).hexdigest() in (error.expected or "")
    assert hashlib.sha256(wrong).hexdigest() in (error.found or "")
    assert len(http_server.log) == 1
    assert files_below(cache) == []


def test_a_file_known_by_md5_is_checked_by_it(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    md5 = hashlib.md5(BODY).hexdigest()
    fetched = fetch_one(listed(url, sha256=None, md5=md5), cache)
    assert fetched.files[0].verified
    assert fetched.files[0].local == cache / hashlib.sha256(BODY).hexdigest() / "worm.bin"
    assert fetch_one(listed(url, sha256=None, md5=md5), cache).bytes_downloaded == 0

    with pytest.raises(ChecksumError, match="md5"):
        fetch_one(listed(url, sha256=None, md5="0" * 32), cache)


def test_a_file_without_any_checksum_is_found_again_and_called_unverified(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    remote = RemoteFile("lab/worm.bin", url)
    (raw,) = fetch_one(remote, cache).files
    assert not raw.verified
    assert raw.sha256 == hashlib.sha256(BODY).hexdigest()
    again = fetch_one(remote, cache)
    assert again.files == (raw,)
    assert (again.bytes_downloaded, again.bytes_hashed, len(http_server.log)) == (0, len(BODY), 1)

    raw.local.write_bytes(BODY + b"!")
    assert fetch_one(remote, cache).files[0].local.read_bytes() == BODY


def test_two_promises_that_exclude_each_other_are_reported(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    fetch_one(listed(url), cache)
    with pytest.raises(ChecksumError, match="size"):
        fetch_one(listed(url, size_bytes=5), cache)


def test_a_body_whose_end_nobody_states_is_refused_without_checksum(http_server, cache):
    url = http_server.put("/worm.bin", http_server.Answer(BODY, framed=False))
    with pytest.raises(FetchError, match="how long"):
        fetch_one(RemoteFile("worm.bin", url), cache)
    assert fetch_one(listed(url), cache).files[0].local.read_bytes() == BODY


def test_a_re_encoded_body_is_refused_unless_it_is_the_file(http_server, cache):
    packed = http_server.put("/a.csv", http_server.Answer(BODY, headers={"content-encoding": "gzip"}))
    with pytest.raises(FetchError, match="re-encoded"):
        fetch_one(listed(packed, path="a.csv"), cache)
    assert http_server.log[0].headers["accept-encoding"] == "identity"
    gz = http_server.put("/a.csv.gz", http_server.Answer(BODY, headers={"content-encoding": "gzip"}))
    assert fetch_one(listed(gz, path="a.csv.gz"), cache).files[0].local.read_bytes() == BODY
