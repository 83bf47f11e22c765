"""Where jobs run: processes, a Dask cluster of separate processes, Slurm; the same records everywhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from connectome.errors import NotFoundError, RunnerError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.ingest import ingest
from connectome.pipelines.runners import make_runner, slurm_settings
from connectome.store import Repository
from support.ingesting import assert_nothing_half_made, contents

DATASET = "celegans-connectomes"
SELECT = "white1986-*,varshney2011.mat"
DEADLINE_S = 60.0
PROCESS_ID = "__import__('os').getpid()"
"""Work that needs nothing but Python: the module of a test cannot be imported by a worker."""


@pytest.mark.parametrize(
    ("spec", "workers"),
    [
        ("steam", None), ("", None), ("serial:1", None), ("processes:4", None), ("slurm", None), ("slurm:", None),
        ("tcp://127.0.0.1:8786", None), ("serial", 0), ("processes", -1),
    ],
)  # fmt: skip
def test_an_unknown_runner_is_refused(spec, workers) -> None:
    with pytest.raises(UsageError):
        make_runner(spec, workers=workers)


def test_serial_and_processes_give_all_results_and_pass_errors_on() -> None:
    for spec in ("serial", "processes"):
        with make_runner(spec, workers=2) as running:
            assert sorted(running.run(abs, [-1, -2, -3, -4])) == [1, 2, 3, 4]
            assert list(running.run(abs, [])) == []
            with pytest.raises(TypeError, match="bad operand"):
                list(running.run(abs, [1, "two"]))
            # An error of the work does not break the runner.
            assert list(running.run(abs, [-5])) == [5]


def test_our_errors_come_back_whole_from_other_processes() -> None:
    with make_runner("processes", workers=1) as running, pytest.raises(NotFoundError) as caught:
        list(running.run(slurm_settings, [Path("no such file.yaml")]))
    assert caught.value.subject == "no such file.yaml"
    assert caught.value.expected == "YAML for dask_jobqueue.SLURMCluster"


# Dask


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._environment = {
            **os.environ, "DASK_TEMPORARY_DIRECTORY": str(folder), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
            "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "60s",
        }  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.file = folder / "scheduler.json"
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show",
            "--scheduler-file", str(self.file),
        )  # fmt: skip
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self) -> None:
        """Start a worker and wait for nothing."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--death-timeout", "60")
        self.workers.append(self._start("worker", self.address, *options))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{words[0]}-{time.monotonic_ns()}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=log, stderr=log, env=self._environment, cwd=self._folder
        )
        self._stack.callback(_end, process)
        return process

    def wait(self, n_workers: int) -> None:
        """Wait until so many workers have come."""
        from distributed import Client

        with Client(self.address, timeout=DEADLINE_S) as client:
            client.wait_for_workers(n_workers, timeout=DEADLINE_S)

    def close(self) -> None:
        """End all processes."""
        self._stack.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers on loopback, in separate processes."""
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    try:
        cluster.add_worker()
        cluster.add_worker()
        cluster.wait(2)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def serial(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Digest and root of the same ingest in this process."""
    root = tmp_path_factory.mktemp("serial") / "root"
    return ingest(Repository(root), DATASET, select=SELECT, mirror=data_dir / "worm").digest, root


@pytest.mark.cluster
@pytest.mark.data
def test_a_dask_cluster_of_separate_processes_makes_the_same_records(
    cluster, serial, data_dir, tmp_path, capsys
) -> None:
    root = tmp_path / "root"
    words = ["ingest", DATASET, "--select", SELECT, "--mirror", str(data_dir / "worm"), "--root", str(root), "--json"]
    assert main([*words, "--runner", f"dask:{cluster.address}"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["digest"] == serial[0]
    assert len(document["added"]) == 5
    assert contents(root / DATASET / "records") == contents(serial[1] / DATASET / "records")
    assert main([*words, "--runner", f"dask:{cluster.file}"]) == 0, "the scheduler file will do too"
    document = json.loads(capsys.readouterr().out)
    assert (document["created"], len(document["reused"])) == (False, 5)


@pytest.mark.cluster
def test_the_work_of_a_dask_runner_is_done_by_the_workers(cluster) -> None:
    with make_runner(f"dask:{cluster.address}") as running:
        at_work = {os.getpid(), *running.run(eval, [PROCESS_ID] * 20)}
    assert at_work - {os.getpid()} <= {worker.pid for worker in cluster.workers}
    assert len(at_work) >= 2


@pytest.mark.cluster
def test_errors_of_the_work_come_back_from_a_cluster(cluster) -> None:
    with make_runner(f"dask:{cluster.address}") as running:
        with pytest.raises(TypeError, match="bad operand"):
            list(running.run(abs, [1, "two"]))
        assert sorted(running.run(abs, [-1, -2])) == [1, 2]
        assert list(running.run(abs, [])) == []


@pytest.mark.cluster
@pytest.mark.data
def test_a_cluster_whose_workers_die_is_told_of_and_the_next_run_goes_on(data_dir, tmp_path) -> None:
    cluster, repository = Cluster(tmp_path), Repository(tmp_path / "root")
    chosen: dict[str, Any] = {"select": SELECT, "mirror": data_dir / "worm"}

    class KillWorkers:
        begin = staticmethod(lambda stage, total: None)
        end = staticmethod(lambda stage: None)

        @staticmethod
        def item(stage: str, name: str, outcome: str) -> None:
            if stage == "make" and not killed:
                for worker in cluster.workers:
                    killed.append(worker.pid)
                    os.kill(worker.pid, signal.SIGKILL)
                # Somebody must be there to be given the work of the dead.
                cluster.add_worker()

    killed: list[int] = []
    try:
        cluster.add_worker()
        cluster.wait(1)
        with pytest.raises(RunnerError) as caught:
            ingest(repository, DATASET, **chosen, runner=f"dask:{cluster.address}", observer=KillWorkers())
    finally:
        cluster.close()
    assert killed
    assert caught.value.kind == "runner"
    assert "run the command again" in caught.value.hint
    assert_nothing_half_made(repository.path)
    again = ingest(repository, DATASET, **chosen)
    assert len(again.added) == 5
    assert again.reused


@pytest.mark.cluster
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "scheduler of mine.json", "bogus://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_told_of(address, monkeypatch) -> None:
    with pytest.raises(NotFoundError) as caught, make_runner(f"dask:{address}"):
        pass
    assert caught.value.subject == address
    assert caught.value.hint == "start one with: dask scheduler"


@pytest.mark.cluster
def test_a_cluster_on_this_machine_is_made_and_ended() -> None:
    with make_runner("dask", workers=2) as running:
        at_work = set(running.run(eval, [PROCESS_ID] * 8))
    assert os.getpid() not in at_work
    for pid in at_work:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# Slurm


@pytest.mark.parametrize(
    ("text", "error", "found"),
    [
        (None, NotFoundError, "no such file"),
        ("cores: [", UsageError, "the file is not YAML"),
        ("- 1\n", UsageError, "not a mapping"),
        ("cores: 1\njobs: many\n", UsageError, "not a number of jobs"),
        ("cores: 1\njobs: 0\n", UsageError, "not a number of jobs"),
        ("cores: !!python/object/apply:os.system ['true']\n", UsageError, "the file is not YAML"),
    ],
)
def test_a_slurm_file_that_makes_no_sense_is_refused(text, error, found, tmp_path) -> None:
    path = tmp_path / "slurm.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=found) as caught, make_runner(f"slurm:{path}"):
        pass
    assert caught.value.subject == str(path)


def test_a_slurm_file_holds_the_arguments_of_the_cluster_and_the_number_of_jobs(tmp_path) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text("queue: short\ncores: 4\nmemory: 8GB\nwalltime: '01:00:00'\njobs: 3\n")
    assert slurm_settings(path) == ({"queue": "short", "cores": 4, "memory": "8GB", "walltime": "01:00:00"}, 3)
    path.write_text("")
    assert slurm_settings(path) == ({}, 1)


def test_a_machine_without_slurm_is_told_of(tmp_path, monkeypatch) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text("cores: 1\nmemory: 1GB\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match="no Slurm"), make_runner(f"slurm:{path}"):
        pass


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """A stand-in for Slurm: ``sbatch`` runs the real job script at once on this machine, and keeps a copy of it."""
    folder, jobs = tmp_path / "bin", tmp_path / "jobs"
    folder.mkdir()
    jobs.mkdir()

    def install(sbatch: str) -> Path:
        for name, text in (("sbatch", sbatch), ("scancel", "exit 0\n")):
            path = folder / name
            path.write_text(f"#!/bin/sh\n{text}")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return jobs

    yield install
    for path in jobs.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(int(path.read_text()), signal.SIGKILL)


RUN_AT_ONCE = """
cp "$1" {jobs}/$$.sh
setsid sh {jobs}/$$.sh > {jobs}/$$.log 2>&1 &
echo $! > {jobs}/$$.pid
echo "Submitted batch job $!"
"""


@pytest.mark.cluster
def test_slurm_jobs_are_submitted_with_their_settings_and_do_the_work(stand_in, tmp_path) -> None:
    jobs = stand_in("")
    stand_in(RUN_AT_ONCE.format(jobs=jobs))
    path = tmp_path / "slurm.yaml"
    path.write_text(
        "queue: short\ncores: 1\nmemory: 1GB\nwalltime: '00:05:00'\njobs: 2\ninterface: lo\n"
        "job_extra_directives: ['--constraint=fast']\n"
    )
    with make_runner(f"slurm:{path}") as running:
        assert sorted(running.run(abs, [-1, -2, -3])) == [1, 2, 3]
    scripts = sorted(jobs.glob("*.sh"))
    assert len(scripts) == 2
    for script in scripts:
        text = script.read_text()
        for line in ("-p short", "-t 00:05:00", "--cpus-per-task=1", "--constraint=fast"):
            assert f"#SBATCH {line}" in text.splitlines()
        assert "dask_worker" in text


SCRIPT = """
import json, sys
from connectome.errors import ConnectomeError
from connectome.pipelines.runners import make_runner

try:
    with make_runner(sys.argv[1]) as running:
        print(json.dumps(list(running.run(abs, [-1]))))
except ConnectomeError as error:
    print(json.dumps(error.as_dict()))
"""


def refusal(path: Path) -> dict[str, str]:
    """Use the runner in a process of its own: a cluster that was never whole complains at its end."""
    words = [sys.executable, "-c", SCRIPT, f"slurm:{path}"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.cluster
def test_jobs_that_slurm_refuses_are_told_of(stand_in, tmp_path) -> None:
    stand_in("echo 'sbatch: error: Invalid account' >&2; exit 1\n")
    path = tmp_path / "slurm.yaml"
    path.write_text("cores: 1\nmemory: 1GB\ninterface: lo\n")
    error = refusal(path)
    assert (error["kind"], error["subject"], error["message"]) == ("runner", "sbatch", "Slurm did not take the jobs")
    assert "Invalid account" in error["found"]


@pytest.mark.cluster
def test_settings_that_the_cluster_does_not_know_are_refused(stand_in, tmp_path) -> None:
    stand_in("exit 1\n")
    path = tmp_path / "slurm.yaml"
    path.write_text("cores: 1\nmemory: 1GB\ncolour: red\n")
    error = refusal(path)
    assert (error["kind"], error["subject"]) == ("usage", str(path))
    assert "colour" in error["found"]
