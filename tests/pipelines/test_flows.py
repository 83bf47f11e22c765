"""The same ingest as a Prefect flow: with no server set up, and against a server on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectome.pipelines.ingest import ingest
from connectome.store import Repository

pytestmark = [pytest.mark.flow, pytest.mark.data]

DATASET = "celegans-connectomes"
SELECT = "white1986-jse,white1986-n2u"
PATIENCE_S = 120


def environment(home: Path, api: str | None) -> dict[str, str]:
    """Return an environment in which Prefect keeps to a folder of its own and asks nobody outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return kept | own | ({"PREFECT_API_URL": api} if api else {})


def run_flow(root: Path, data_dir: Path, env: dict[str, str], *options: str) -> dict[str, object]:
    """Run the command with ``--flow`` and return its one JSON document."""
    command = [sys.executable, "-m", "connectome.pipelines.cli", "ingest", DATASET, "--flow", "--json", *options]
    done = subprocess.run(
        [*command, "--mirror", str(data_dir / "worm"), "--root", str(root)],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    document: dict[str, object] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def plain_digest(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ingest without Prefect; the flow must give the same."""
    repository = Repository(tmp_path_factory.mktemp("plain"))
    return ingest(repository, DATASET, select=SELECT, mirror=data_dir / "worm").digest


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Start a Prefect server on loopback."""
    home = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            env=environment(home, api),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not healthy(api):
                assert process.poll() is None, (home / "log").read_text()[-3000:]
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.5)
            yield api, home
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def healthy(api: str) -> bool:
    """Tell whether the server answers."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ask(api: str, path: str) -> list[dict[str, object]]:
    """Ask the server's API for everything of a kind."""
    request = urllib.request.Request(
        f"{api}/{path}/filter", data=b"{}", headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: list[dict[str, object]] = json.load(answer)
    return found


def test_a_flow_runs_with_no_server_set_up(data_dir: Path, tmp_path: Path, plain_digest: str) -> None:
    result = run_flow(tmp_path / "root", data_dir, environment(tmp_path / "home", None), "--select", SELECT)
    assert result["digest"] == plain_digest
    assert sorted(result["added"]) == sorted(SELECT.split(","))


def test_a_flow_runs_against_a_server_and_leaves_plan_census_and_diff(
    server: tuple[str, Path], data_dir: Path, tmp_path: Path, plain_digest: str
) -> None:
    api, home = server
    root, env = tmp_path / "root", environment(home, api)
    first = run_flow(root, data_dir, env, "--select", "white1986-jse")
    second = run_flow(root, data_dir, env, "--select", SELECT)
    third = run_flow(root, data_dir, env, "--select", SELECT)
    assert first["version"] == "1.0.0"
    assert (second["version"], second["reused"]) == ("1.1.0", ["white1986-jse"])
    assert second["digest"] == third["digest"] == plain_digest
    assert third["created"] is False

    artifacts: dict[str, list[str]] = {}
    for artifact in sorted(ask(api, "artifacts"), key=lambda item: str(item["created"])):
        artifacts.setdefault(str(artifact["key"]), []).append(str(artifact["data"]))
    plans = [json.loads(text) for text in artifacts[f"{DATASET}-plan"]]
    assert [row["record"] for row in plans[0]] == ["white1986-jse"]
    assert {row["action"] for row in plans[0]} == {"make"}
    assert "files seen" in artifacts[f"{DATASET}-census"][-1]
    assert artifacts[f"{DATASET}-diff"][0] == "The first version."
    assert "+ white1986-n2u" in artifacts[f"{DATASET}-diff"][1]
    assert artifacts[f"{DATASET}-diff"][2] == "Nothing has changed."
    assert [row["action"] for row in plans[2]] == ["reuse", "reuse"]

    names = {str(run["name"]) for run in ask(api, "task_runs")}
    assert {"fetch white1986", "discover white1986", "make white1986", f"commit {DATASET}"} <= names
    states = {str(run["state_type"]) for run in ask(api, "flow_runs")}
    assert states == {"COMPLETED"}


def test_a_failed_flow_ends_with_our_error_and_commits_nothing(
    server: tuple[str, Path], data_dir: Path, tmp_path: Path
) -> None:
    """What is missing in a folder is not asked for again: the retries alone would take more than a minute."""
    api, home = server
    mirror, root = tmp_path / "mirror", tmp_path / "root"
    mirror.mkdir()
    for path in ("white1986_witvliet2020/white_1986_jse.csv", "neuron_metadata/all_cell_info.csv"):
        (mirror / Path(path).name).write_bytes((data_dir / "worm" / path).read_bytes())
    command = [sys.executable, "-m", "connectome.pipelines.cli", "ingest", DATASET, "--flow", "--json"]
    command += ["--select", "white1986-jse", "--mirror", str(mirror), "--root", str(root)]
    options = {"env": environment(home, api), "capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(command, **options)  # type: ignore[call-overload]
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["message"]) == ("fetch", "the mirror does not have the file")
    assert Repository(root).versions(DATASET) == []
    assert "FAILED" in {str(run["state_type"]) for run in ask(api, "flow_runs")}
    fetches = [run for run in ask(api, "task_runs") if run["state_type"] == "FAILED"]
    assert [run["run_count"] for run in fetches] == [1]

    done = subprocess.run([*command, "--allow-missing"], **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["census"] == {"seen": 3, "used": 2, "rejected": 1}
    newest = max(
        (item for item in ask(api, "artifacts") if item["key"] == f"{DATASET}-census"),
        key=lambda item: str(item["created"]),
    )
    assert "3 files seen = 2 used + 1 rejected" in str(newest["data"])
    assert "| neuron_metadata/LowResAtlasWithHighResHeadsAndTails.csv | unavailable |" in str(newest["data"])
