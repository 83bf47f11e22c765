"""Servers that redirect, fail for a while or for good, proxies and secrets; several files at a time."""

from __future__ import annotations

import email.utils
import hashlib
import logging
import threading
import time

import pytest

from connectome.errors import ConnectomeError, FetchError, UsageError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.jobs import RemoteFile
from support.fetching import BODY, fetch_one, files_below, generated, listed


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


def test_many_failures_are_counted_not_listed(http_server, cache):
    gone = http_server.put("/gone", http_server.Answer(status=404))
    with pytest.raises(FetchError) as caught:
        fetch([listed(gone, path=f"lab/{number}") for number in range(40)], cache, retries=0)
    assert len(caught.value.__notes__) == 6
    assert caught.value.__notes__[-1] == "and 34 more files"


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
