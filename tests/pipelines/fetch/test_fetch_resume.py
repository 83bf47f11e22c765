"""Downloads from a real HTTP server on loopback that cuts, lies about ranges, or changes its file."""

from __future__ import annotations

import hashlib
import threading

import pytest

from connectome.errors import FetchError
from connectome.pipelines.fetch.cache import Cache, Meter
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.fetch.progress import SilentProgress
from support.fetching import BODY, fetch_one, files_below, generated, listed


def test_a_file_lies_at_its_checksum_and_a_second_run_only_hashes_it(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    first = fetch_one(listed(url), cache)
    (raw,) = first.files
    assert raw.local == cache / hashlib.sha256(BODY).hexdigest() / "worm.bin"
    assert raw.local.read_bytes() == BODY
    assert (raw.size_bytes, raw.verified, first.bytes_downloaded) == (len(BODY), True, len(BODY))

    second = fetch_one(listed(url), cache)
    assert second.files == first.files
    assert (second.bytes_downloaded, second.bytes_hashed) == (0, len(BODY))
    assert len(http_server.log) == 1
    assert files_below(cache / "partial") == []


def test_a_damaged_cached_file_is_set_aside_and_fetched_again(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    local = fetch_one(listed(url), cache).files[0].local
    damaged = bytearray(BODY)
    damaged[1234] ^= 1
    local.write_bytes(damaged)

    again = fetch_one(listed(url), cache)
    assert again.files[0].local.read_bytes() == BODY
    assert again.bytes_downloaded == len(BODY)
    (kept,) = (cache / "quarantine").iterdir()
    assert kept.read_bytes() == bytes(damaged)


def test_a_shortened_cached_file_is_fetched_again(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    local = fetch_one(listed(url), cache).files[0].local
    local.write_bytes(BODY[:1000])
    assert fetch_one(listed(url), cache).files[0].local.read_bytes() == BODY


def test_an_empty_file_is_a_file(http_server, cache):
    url = http_server.put("/empty", b"")
    fetched = fetch_one(listed(url, b"", "empty"), cache)
    assert fetched.files[0].local.read_bytes() == b""


def test_a_cut_download_goes_on_where_it_ended(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, etag='"1"', cut_after=200_000), answer(BODY, etag='"1"'))
    attempt(listed(url))
    first, second = http_server.log
    assert first.range is None
    assert second.range == "bytes=200000-"
    assert second.headers["if-range"] == '"1"'
    assert (second.status, second.body_bytes) == (206, 100_000)
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_several_cuts_are_survived_while_each_attempt_makes_progress(http_server, attempt, cache):
    answer = http_server.Answer
    body = generated(5 << 20, seed=1)
    url = http_server.put("/big", answer(body, etag='"1"', cut_after=(1 << 20) + 7))
    attempt(listed(url, body), patience=Patience(retries=1))
    assert sum(seen.body_bytes for seen in http_server.log) == len(body)
    assert len(http_server.log) == 5


def test_the_next_run_resumes_what_a_failed_one_left(http_server, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, etag='"1"', cut_after=123_457), answer(BODY, etag='"1"'))
    with pytest.raises(FetchError, match="kept failing") as caught:
        fetch_one(listed(url), cache, retries=0)
    assert "run again" in (caught.value.hint or "")
    assert files_below(cache / hashlib.sha256(BODY).hexdigest()) == []

    again = fetch_one(listed(url), cache, retries=0)
    assert again.bytes_downloaded == len(BODY) - 123_457
    assert http_server.log[1].range == "bytes=123457-"
    assert again.files[0].local.read_bytes() == BODY


def test_a_server_that_ignores_ranges_is_read_from_the_start(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, ranges=False, cut_after=1000), answer(BODY, ranges=False))
    attempt(listed(url))
    second = http_server.log[1]
    assert second.range == "bytes=1000-"
    assert (second.status, second.body_bytes) == (200, len(BODY))
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_a_file_that_changes_between_requests_is_read_from_the_start(http_server, attempt, cache):
    answer = http_server.Answer
    new = generated(len(BODY), seed=2)
    url = http_server.put("/worm.bin", answer(BODY, etag='"old"', cut_after=1000), answer(new, etag='"new"'))
    attempt(listed(url, new))
    second = http_server.log[1]
    assert second.headers["if-range"] == '"old"'
    assert (second.status, second.body_bytes) == (200, len(new))
    assert (cache / hashlib.sha256(new).hexdigest() / "worm.bin").read_bytes() == new


def test_a_server_that_ignores_if_range_is_caught_by_its_new_etag(http_server, attempt, cache):
    answer = http_server.Answer
    new = generated(len(BODY), seed=2)
    stale = answer(new, status=206, etag='"new"', headers={"content-range": f"bytes 1000-{len(new) - 1}/{len(new)}"})
    url = http_server.put("/worm.bin", answer(BODY, etag='"old"', cut_after=1000), stale, answer(new, etag='"new"'))
    attempt(listed(url, new))
    assert [seen.range for seen in http_server.log] == [None, "bytes=1000-", None]
    assert (cache / hashlib.sha256(new).hexdigest() / "worm.bin").read_bytes() == new


def test_a_range_that_begins_elsewhere_is_not_appended(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put(
        "/worm.bin",
        answer(BODY, cut_after=1000),
        answer(BODY, content_range=f"bytes 900-{len(BODY) - 1}/{len(BODY)}"),
        answer(BODY),
    )
    attempt(listed(url))
    assert [seen.range for seen in http_server.log] == [None, "bytes=1000-", None]
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_a_resumed_file_with_wrong_bytes_is_fetched_once_more_from_the_start(http_server, cache):
    answer = http_server.Answer
    other = generated(len(BODY), seed=3)
    url = http_server.put("/worm.bin", answer(other, cut_after=50_000), answer(BODY))
    with pytest.raises(FetchError):
        fetch_one(listed(url), cache, retries=0)
    fetched = fetch_one(listed(url), cache, retries=0)
    assert [seen.range for seen in http_server.log] == [None, "bytes=50000-", None]
    assert fetched.files[0].local.read_bytes() == BODY


def test_a_complete_partial_file_is_used_without_a_request(http_server, cache, attempt):
    url = http_server.put("/worm.bin", BODY)
    remote = listed(url)
    store, meter = Cache(cache), Meter(remote.path, SilentProgress())
    with store.reserve(remote, url, meter, threading.Event()) as partial:
        partial.restart()
        partial.write(BODY)
    assert fetch_one(remote, cache).bytes_downloaded == 0
    assert http_server.log == []


def test_a_file_without_a_checksum_is_never_pieced_together_from_two_runs(http_server, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, etag='"1"', cut_after=1000), answer(BODY, etag='"1"'))
    remote = listed(url, sha256=None)
    with pytest.raises(FetchError):
        fetch_one(remote, cache, retries=0)
    assert fetch_one(remote, cache, retries=0).bytes_downloaded == len(BODY)
    assert http_server.log[1].range is None


def test_a_file_without_a_checksum_resumes_within_a_run_only_under_a_validator(http_server, attempt):
    answer = http_server.Answer
    known = http_server.put("/known", answer(BODY, etag='"1"', cut_after=1000), answer(BODY, etag='"1"'))
    weak = http_server.put("/weak", answer(BODY, etag='W/"1"', cut_after=1000), answer(BODY, etag='W/"1"'))
    attempt(listed(known, path="known", sha256=None))
    attempt(listed(weak, path="weak", sha256=None))
    assert [seen.range for seen in http_server.requests("/known")] == [None, "bytes=1000-"]
    assert [seen.range for seen in http_server.requests("/weak")] == [None, None]
