"""Several processes that want one file, and sudden death."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectome.pipelines.fetch.cache import Cache, Meter
from connectome.pipelines.fetch.progress import SilentProgress
from support.fetching import BODY, fetch_one, files_below, generated, listed

if TYPE_CHECKING:
    from connectome.pipelines.fetch import Fetched

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
