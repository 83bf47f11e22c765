"""Downloads from a real HTTP server on loopback that cuts, lies, redirects and refuses."""

from __future__ import annotations

import email.utils
import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from connectome.errors import ChecksumError, ConnectomeError, FetchError, UsageError
from connectome.pipelines.fetch import Fetched, fetch
from connectome.pipelines.fetch.cache import Cache, Meter
from connectome.pipelines.fetch.http import download, open_client
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.fetch.progress import SilentProgress
from connectome.pipelines.jobs import RemoteFile


def generated(n_bytes: int, seed: int = 0) -> bytes:
    """Bytes without a pattern, the same at every run."""
    return random.Random(seed).randbytes(n_bytes)


BODY = generated(300_000)


def listed(url: str, body: bytes = BODY, path: str = "lab/worm.bin", **changes: object) -> RemoteFile:
    """A file as a careful publisher lists it."""
    fields: dict = {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | changes
    return RemoteFile(path, url, **fields)


def files_below(folder: Path) -> list[str]:
    """Relative paths of all files of a folder."""
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())


def fetch_one(remote: RemoteFile, cache: Path, **options: object) -> Fetched:
    """Fetch a single file."""
    return fetch([remote], cache, **options)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def attempt(cache: Path):
    """Download through the inner function, with the waits recorded instead of slept."""

    def run(remote: RemoteFile, *, patience: Patience | None = None, cache: Path = cache) -> list[float]:
        waits: list[float] = []
        stop = threading.Event()
        patience = patience or Patience(timeout_s=20)
        meter = Meter(remote.path, SilentProgress())
        store = Cache(cache)
        with (
            open_client(timeout_s=patience.timeout_s, max_connections=1) as client,
            store.reserve(remote, remote.url, meter, stop) as partial,
        ):
            download(client, remote, remote.url, partial, patience=patience, stop=stop, wait=waits.append)
            store.admit(remote, partial)
        return waits

    return run


# ---------------------------------------------------------------- the plain case and the second run


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


# ---------------------------------------------------------------- resume


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


# ---------------------------------------------------------------- sizes and bytes that are not as promised


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


# ---------------------------------------------------------------- redirects


def test_redirects_are_followed_and_keep_the_range(http_server, attempt):
    answer = http_server.Answer
    http_server.put("/real", answer(BODY, etag='"1"', cut_after=1000), answer(BODY, etag='"1"'))
    url = http_server.put("/moved", answer.redirect("/real", status=301))
    attempt(listed(url))
    assert [seen.range for seen in http_server.requests("/real")] == [None, "bytes=1000-"]


def test_a_redirect_loop_ends(http_server, cache):
    answer = http_server.Answer
    http_server.put("/b", answer.redirect("/a"))
    url = http_server.put("/a", answer.redirect("/b"))
    with pytest.raises(FetchError, match="circles"):
        fetch_one(listed(url), cache)
    assert len(http_server.log) == 11


def test_a_redirect_from_https_to_http_is_refused(https_server, http_server, cache):
    plain = http_server.put("/worm.bin", BODY)
    url = https_server.put("/worm.bin", https_server.Answer.redirect(plain))
    with pytest.raises(FetchError, match="unprotected"):
        fetch_one(listed(url), cache)
    assert http_server.log == []
    safe = https_server.put("/safe.bin", BODY)
    assert fetch_one(listed(safe), cache).files[0].local.read_bytes() == BODY


def test_an_untrusted_certificate_is_not_tried_again(https_server, cache, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    url = https_server.put("/worm.bin", BODY)
    with pytest.raises(FetchError, match="is not trusted"):
        fetch_one(listed(url), cache)
    assert https_server.log == []


def test_a_redirect_to_a_local_file_is_refused(http_server, cache, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(BODY)
    url = http_server.put("/worm.bin", http_server.Answer.redirect(secret.as_uri()))
    with pytest.raises(FetchError):
        fetch_one(listed(url), cache, retries=0)
    assert files_below(cache) == []


# ---------------------------------------------------------------- servers that fail for a while, or for good


def test_a_server_error_is_tried_again_with_growing_waits(http_server, attempt):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", *[answer(status=503)] * 3, answer(BODY))
    assert attempt(listed(url)) == [0.5, 1.0, 2.0]
    assert [seen.status for seen in http_server.log] == [503, 503, 503, 200]


def test_the_server_may_say_how_long_to_wait_within_bounds(http_server, attempt):
    answer = http_server.Answer
    date = email.utils.formatdate(time.time() + 7000, usegmt=True)
    waits = [{"retry-after": "7"}, {"retry-after": "86400"}, {"retry-after": date}, {"retry-after": "soon"}]
    url = http_server.put("/worm.bin", *[answer(status=429, headers=item) for item in waits], answer(BODY))
    assert attempt(listed(url)) == [7.0, 60.0, 60.0, 4.0]


def test_a_server_that_keeps_failing_is_given_up_after_the_retries(http_server, attempt):
    url = http_server.put("/worm.bin", http_server.Answer(status=500))
    with pytest.raises(FetchError, match="kept failing") as caught:
        attempt(listed(url), patience=Patience(retries=2))
    assert len(http_server.log) == 3
    assert "HTTP 500" in (caught.value.found or "")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(http_server, cache, status):
    url = http_server.put("/worm.bin", http_server.Answer(status=status))
    with pytest.raises(FetchError) as caught:
        fetch_one(listed(url), cache)
    assert f"HTTP {status}" in (caught.value.found or "")
    assert len(http_server.log) == 1
    assert files_below(cache) == []


def test_a_server_that_falls_silent_is_resumed_after_the_timeout(http_server, attempt, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, etag='"1"', hang_after=2000), answer(BODY, etag='"1"'))
    attempt(listed(url), patience=Patience(timeout_s=0.3))
    assert [seen.range for seen in http_server.log] == [None, "bytes=2000-"]
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY


def test_nobody_at_the_address_is_an_error_that_says_so(no_proxies, cache):
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{holder.getsockname()[1]}/worm.bin"
        with pytest.raises(FetchError, match="kept failing") as caught:
            fetch_one(listed(url), cache, retries=0)
    assert "ConnectError" in (caught.value.found or "")


# ---------------------------------------------------------------- several files


def test_files_are_fetched_side_by_side_and_no_more_than_allowed(http_server, cache):
    meet = threading.Barrier(3)  # an answer is sent only when three requests are there
    files = []
    for number in range(9):
        body = generated(1000, seed=number)
        url = http_server.put(f"/{number}", http_server.Answer(body, meet=meet))
        files.append(listed(url, body, f"lab/{number}"))
    fetched = fetch(files, cache, max_workers=3, retries=0)
    assert [raw.path for raw in fetched.files] == [file.path for file in files]
    assert http_server.most_at_once == 3


def test_the_others_are_finished_before_a_failure_is_raised(http_server, cache):
    bodies = {f"/{number}": generated(1000, seed=number) for number in range(4)}
    files = [listed(http_server.put(path, body), body, path[1:]) for path, body in bodies.items()]
    gone = listed(http_server.put("/gone", http_server.Answer(status=404)), path="gone")
    wrong = listed(http_server.put("/wrong", b"x" * len(BODY)), path="wrong")
    with pytest.raises(FetchError) as caught:
        fetch([gone, wrong, *files], cache, max_workers=1)
    assert caught.value.subject == "gone"
    assert any("wrong" in note for note in caught.value.__notes__)

    http_server.put("/gone", BODY)
    http_server.put("/wrong", BODY)
    again = fetch([gone, wrong, *files], cache)
    assert again.bytes_downloaded == 2 * len(BODY)
    assert len(again.files) == 6


def test_an_optional_file_that_cannot_be_had_is_missing_with_a_reason(http_server, cache):
    here = listed(http_server.put("/here", BODY), path="here")
    gone = listed(http_server.put("/gone", http_server.Answer(status=404)), path="gone", optional=True)
    wrong = listed(http_server.put("/wrong", b"x" * len(BODY)), path="wrong", optional=True)
    fetched = fetch([gone, here, wrong], cache)
    assert [raw.path for raw in fetched.files] == ["here"]
    assert [(item.file, item.kind) for item in fetched.missing] == [("gone", "unavailable"), ("wrong", "unavailable")]
    assert "does not give the file" in fetched.missing[0].reason
    assert hashlib.sha256(BODY).hexdigest() in fetched.missing[1].reason
    assert str(cache) not in "".join(item.reason for item in fetched.missing)


def test_two_files_of_one_path_are_refused_before_anything_is_asked(http_server, cache):
    url = http_server.put("/worm.bin", BODY)
    with pytest.raises(UsageError, match="same path"):
        fetch([listed(url), listed(url)], cache)
    assert http_server.log == []


# ---------------------------------------------------------------- several processes, and sudden death

FETCH_SCRIPT = """
import signal, sys
from pathlib import Path
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import RemoteFile
url, sha256, size, cache, timeout_s = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored when inherited from a background job
print("begun", flush=True)
fetched = fetch([RemoteFile("lab/worm.bin", url, int(size), sha256)], Path(cache), timeout_s=float(timeout_s))
print(fetched.bytes_downloaded, fetched.files[0].local)
"""


def start_fetch(url: str, body: bytes, cache: Path, *, timeout_s: float = 60) -> subprocess.Popen[str]:
    """Fetch in a process of its own."""
    arguments = [url, hashlib.sha256(body).hexdigest(), str(len(body)), str(cache), str(timeout_s)]
    return subprocess.Popen(
        [sys.executable, "-c", FETCH_SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_that_want_the_same_file_fetch_it_once(http_server, cache):
    url = http_server.put("/worm.bin", http_server.Answer(BODY, hang_after=1000))
    processes = [start_fetch(url, BODY, cache) for _ in range(2)]
    http_server.wait_until_hanging()
    assert [process.stdout.readline() for process in processes] == ["begun\n"] * 2
    http_server.release.set()
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(int(out.split()[0]) for out, _ in outputs) == [0, len(BODY)]
    assert (cache / hashlib.sha256(BODY).hexdigest() / "worm.bin").read_bytes() == BODY
    assert files_below(cache / "partial") == []


def test_who_waited_for_another_finds_the_file_in_the_cache(http_server, cache, monkeypatch):
    from connectome.pipelines.fetch import cache as cache_module

    remote = listed(http_server.put("/worm.bin", BODY))
    store, meter, waiting = Cache(cache), Meter(remote.path, SilentProgress()), threading.Event()
    really = cache_module.exclusive
    results: list[Fetched] = []
    with store.reserve(remote, remote.url, meter, threading.Event()) as partial:
        monkeypatch.setattr(
            cache_module, "exclusive", lambda path, *, stop: (waiting.set(), really(path, stop=stop))[1]
        )
        other = threading.Thread(target=lambda: results.append(fetch_one(remote, cache)))
        other.start()
        assert waiting.wait(30)
        partial.write(BODY)
        store.admit(remote, partial)
    other.join()
    assert results[0].bytes_downloaded == 0
    assert http_server.log == []


def test_without_file_locks_two_downloads_still_cannot_mix(http_server, cache, monkeypatch):
    import fcntl

    def unsupported(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    meet = threading.Barrier(2)
    url = http_server.put("/worm.bin", http_server.Answer(BODY, meet=meet))
    results: list[Fetched] = []
    threads = [threading.Thread(target=lambda: results.append(fetch_one(listed(url), cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item.files[0].local.read_bytes() == BODY for item in results] == [True, True]
    assert files_below(cache / "partial") == []


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_a_killed_download_is_resumed_by_the_next_process(http_server, cache):
    answer = http_server.Answer
    body = generated(2 << 20, seed=5)
    url = http_server.put("/worm.bin", answer(body, etag='"1"', hang_after=1 << 20), answer(body, etag='"1"'))
    victim = start_fetch(url, body, cache)
    http_server.wait_until_hanging()
    (partial,) = _wait_for(lambda: [item for item in (cache / "partial").glob("*.part") if item.stat().st_size >= 1e6])
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    assert victim.returncode == -signal.SIGKILL
    here = partial.stat().st_size
    assert not (cache / hashlib.sha256(body).hexdigest()).exists()

    heir = start_fetch(url, body, cache)
    out, err = heir.communicate(timeout=60)
    assert heir.returncode == 0, err
    assert http_server.log[1].range == f"bytes={here}-"
    assert int(out.split()[1]) == len(body) - here
    assert (cache / hashlib.sha256(body).hexdigest() / "worm.bin").read_bytes() == body


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for other processes on Windows")
def test_an_interrupted_fetch_ends_and_keeps_what_has_arrived(http_server, cache):
    answer = http_server.Answer
    url = http_server.put("/worm.bin", answer(BODY, etag='"1"', hang_after=1 << 17))
    process = start_fetch(url, BODY, cache, timeout_s=1)
    http_server.wait_until_hanging()
    _wait_for(lambda: [item for item in (cache / "partial").glob("*.part") if item.stat().st_size > 0])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    assert len(http_server.log) < 5, "the worker went on with its retries"
    (partial,) = (cache / "partial").glob("*.part")
    here = partial.stat().st_size
    assert partial.read_bytes() == BODY[:here]

    http_server.release.set()
    assert fetch_one(listed(url), cache).bytes_downloaded == len(BODY) - here


def _wait_for(condition):
    """Return what the condition gives once it is true."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not come to pass"
        time.sleep(0.02)
    return found


# ---------------------------------------------------------------- proxies and secrets


def test_requests_go_through_the_proxy_of_the_environment(http_server, http_proxy, cache, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", http_proxy.url)
    monkeypatch.setenv("http_proxy", http_proxy.url)
    url = http_server.put("/worm.bin", BODY)
    assert fetch_one(listed(url), cache).files[0].local.read_bytes() == BODY
    assert http_proxy.log == [url]
    assert len(http_server.log) == 1


def test_hosts_without_a_proxy_are_asked_directly(http_server, http_proxy, cache, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", http_proxy.url)
    monkeypatch.setenv("http_proxy", http_proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch_one(listed(http_server.put("/worm.bin", BODY)), cache)
    assert http_proxy.log == []


def test_credentials_are_sent_and_never_shown(http_server, cache, caplog):
    caplog.set_level(logging.DEBUG)
    plain = http_server.put("/worm.bin", http_server.Answer(status=404))
    url = plain.replace("http://", "http://ada:pass-phrase@") + "?X-Amz-Signature=abcdef&part=7&token=ghijkl"
    with pytest.raises(FetchError) as caught:
        fetch_one(listed(url), cache)
    assert http_server.log[0].headers["authorization"].startswith("Basic ")
    said = str(caught.value) + caplog.text
    assert "part=7" in said
    assert not any(secret in said for secret in ("pass-phrase", "ada:", "abcdef", "ghijkl"))


def test_credentials_do_not_reach_the_index_of_the_cache(http_server, cache):
    url = http_server.put("/worm.bin", BODY).replace("http://", "http://ada:pass-phrase@") + "?token=ghijkl"
    fetch_one(RemoteFile("worm.bin", url), cache)
    stored = "".join(item.read_text() for item in (cache / "index").iterdir())
    assert "worm.bin" in stored
    assert "pass-phrase" not in stored
    assert "ghijkl" not in stored


def test_credentials_do_not_follow_a_redirect_to_another_server(http_server, https_server, cache):
    target = https_server.put("/worm.bin", BODY)
    url = http_server.put("/worm.bin", http_server.Answer.redirect(target)).replace("http://", "http://ada:secret@")
    fetch_one(listed(url), cache)
    assert "authorization" in http_server.log[0].headers
    assert "authorization" not in https_server.log[0].headers


def test_errors_of_a_fetch_survive_the_way_between_processes(http_server, cache):
    import pickle

    url = http_server.put("/worm.bin", http_server.Answer(status=404))
    with pytest.raises(ConnectomeError) as caught:
        fetch_one(listed(url), cache)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
