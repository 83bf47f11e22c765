"""Runners decide where jobs run, never what comes out: processes, a Dask cluster of separate processes, Slurm."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectome.errors import ConnectomeError, NotFoundError, UsageError
from connectome.pipelines.ingest import IngestResult, ingest
from connectome.pipelines.runners import make_runner
from connectome.store import Repository, verify

DATASET = "celegans-connectomes"
SELECT = "white1986-*"
PATIENCE_S = 90


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def serial(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, IngestResult]:
    """Ingest with the plainest runner."""
    repository = Repository(tmp_path_factory.mktemp("serial"))
    return repository, ingest(repository, DATASET, select=SELECT, mirror=data_dir / "worm", runner="serial")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a scheduler and two workers, each a process of its own, on loopback."""
    folder = tmp_path_factory.mktemp("dask")
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    dask = [sys.executable, "-m", "dask"]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        *(
            [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", "--no-nanny",
             "--local-directory", str(folder / f"worker{at}")]
            for at in range(2)
        ),
    ]  # fmt: skip
    processes = []
    with (folder / "log").open("wb") as log:
        try:
            for command in commands:
                processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
            wait_for_workers(address, folder / "log", processes)
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(timeout=30)


def wait_for_workers(address: str, log: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until both workers have joined, asked of the scheduler by another process."""
    code = f"from distributed import Client\nwith Client({address!r}) as c: c.wait_for_workers(2, timeout={PATIENCE_S})"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE_S * 2, check=False)
        if done.returncode == 0:
            return
        assert all(process.poll() is None for process in processes), log.read_text()[-3000:]
        assert time.monotonic() < deadline, done.stderr.decode()[-3000:]


def files(repository: Repository) -> dict[str, str]:
    """Return the SHA-256 of every record's file."""
    manifest = repository.latest(DATASET)
    assert manifest is not None
    return {name: receipt.file_sha256 for name, receipt in manifest.records.items()}


@pytest.mark.cluster
def test_separate_dask_workers_give_the_digests_of_the_serial_runner(
    scheduler: str, serial: tuple[Repository, IngestResult], data_dir: Path, tmp_path: Path
) -> None:
    repository = Repository(tmp_path)
    result = ingest(repository, DATASET, select=SELECT, mirror=data_dir / "worm", runner=f"dask:{scheduler}")
    assert result.digest == serial[1].digest
    assert files(repository) == files(serial[0])
    assert verify(repository, DATASET).ok


@pytest.mark.cluster
def test_the_command_line_reaches_a_dask_cluster(scheduler: str, data_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "connectome.pipelines.cli", "ingest", DATASET, "--select", "white1986-jse"]
    done = subprocess.run(
        [*command, "--mirror", str(data_dir / "worm"), "--root", str(tmp_path), "--runner", f"dask:{scheduler}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{DATASET}@1.0.0")


def test_processes_give_the_digests_of_the_serial_runner(
    serial: tuple[Repository, IngestResult], data_dir: Path, tmp_path: Path
) -> None:
    repository = Repository(tmp_path)
    result = ingest(repository, DATASET, select=SELECT, mirror=data_dir / "worm", runner="processes", workers=4)
    assert result.digest == serial[1].digest
    assert files(repository) == files(serial[0])


def test_a_runner_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError) as caught:
        make_runner("threads")
    assert "serial, processes, dask" in str(caught.value.expected)


def test_an_address_where_no_scheduler_answers_is_named() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectomeError) as caught, make_runner(f"dask:{address}"):
        pass
    assert address in caught.value.subject


def test_a_slurm_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError), make_runner(f"slurm:{tmp_path / 'absent.yaml'}"):
        pass


@pytest.mark.parametrize("text", ["- a list\n", "just text\n", "42\n"])
def test_a_slurm_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(UsageError), make_runner(f"slurm:{file}"):
        pass
