"""What is told while files are on their way, and where it is drawn."""

from __future__ import annotations

import hashlib
import io
import sys
import threading

import pytest
from rich.console import Console

from connectome.errors import FetchError
from connectome.pipelines.fetch import BarProgress, Progress, fetch
from connectome.pipelines.fetch.checks import redacted
from connectome.pipelines.jobs import RemoteFile

BODY = bytes(range(256)) * 1000


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int | None]] = []
        self._lock = threading.Lock()

    def note(self, *call: object) -> None:
        with self._lock:
            self.calls.append(call)  # type: ignore[arg-type]

    def start(self, file: str, total: int | None) -> None:
        self.note("start", file, total)

    def advance(self, file: str, n_bytes: int) -> None:
        self.note("advance", file, n_bytes)

    def done(self, file: str) -> None:
        self.note("done", file, None)

    def sum_since_last_start(self, file: str) -> int:
        calls = [call for call in self.calls if call[1] == file]
        last = max(index for index, call in enumerate(calls) if call[0] == "start")
        return sum(call[2] or 0 for call in calls[last:] if call[0] == "advance")


def listed(url: str, path: str = "worm.bin") -> RemoteFile:
    return RemoteFile(path, url, len(BODY), hashlib.sha256(BODY).hexdigest())


def test_progress_adds_up_to_the_file_through_cuts_and_restarts(http_server, tmp_path):
    answer = http_server.Answer
    resumed = http_server.put("/a", answer(BODY, cut_after=1000), answer(BODY))
    restarted = http_server.put("/b", answer(BODY, ranges=False, cut_after=1000), answer(BODY, ranges=False))
    recorder: Progress = Recorder()
    fetch([listed(resumed, "a"), listed(restarted, "b")], tmp_path, progress=recorder)
    assert isinstance(recorder, Recorder)
    for file in ("a", "b"):
        assert recorder.sum_since_last_start(file) == len(BODY)
        assert [call[0] for call in recorder.calls if call[1] == file].count("done") == 1
        assert ("start", file, len(BODY)) in recorder.calls


def test_progress_of_a_file_that_fails_is_ended(http_server, tmp_path):
    recorder = Recorder()
    with pytest.raises(FetchError):
        fetch([listed(http_server.put("/a", http_server.Answer(status=404)))], tmp_path, progress=recorder)
    assert recorder.calls[-1] == ("done", "worm.bin", None)


def test_bars_are_drawn_where_they_are_told(http_server, tmp_path):
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=120)
    url = http_server.put("/a", http_server.Answer(BODY, hang_after=1000))
    with BarProgress(console) as bars:
        worker = threading.Thread(
            target=fetch, args=([listed(url, "lab/[bold]worm.bin")], tmp_path), kwargs={"progress": bars}
        )
        worker.start()
        http_server.wait_until_hanging()
        bars._bars.refresh()
        http_server.release.set()
        worker.join()
    assert "lab/[bold]worm.bin" in drawn.getvalue()


def test_bars_go_to_standard_error_and_nothing_to_standard_output(http_server, tmp_path, capsys):
    with BarProgress() as bars:
        assert bars._bars.console.file is sys.stderr
        fetch([listed(http_server.put("/a", BODY))], tmp_path, progress=bars)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.b/c?d=e", "https://a.b/c?d=e"),
        ("https://ada:secret@a.b:8/c", "https://***@a.b:8/c"),
        ("get https://token@a.b/c, then http://x:y@z/", "get https://***@a.b/c, then http://***@z/"),
        ("https://a.b/c?X-Amz-Credential=1&X-Amz-Signature=2&part=3&access_token=4",
         "https://a.b/c?X-Amz-Credential=***&X-Amz-Signature=***&part=3&access_token=***"),
        ("https://[bad/c?sig=1", "https://***"),
        ("no address", "no address"),
    ],
)  # fmt: skip
def test_credentials_in_addresses_are_hidden(text, shown):
    assert redacted(text) == shown


def test_importing_fetch_does_not_import_the_http_client_or_rich():
    import subprocess

    heavy = ("httpx", "rich", "torch", "prefect")
    code = f"import sys, connectome.pipelines.fetch; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
