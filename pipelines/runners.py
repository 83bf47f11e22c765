"""Where jobs run: in this process, in several, or on a Dask cluster. A runner decides nothing else."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from connectome.errors import MissingExtraError, NotFoundError, RunnerError, UsageError

__all__ = ["Runner", "make_runner"]

STATUS_PAGE = "127.0.0.1:0"
"""A Dask scheduler always serves a status page; so it is only seen from this machine, on a port that is free."""

T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Calls a function on every item, in any order, anywhere."""

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield results as they come; an exception of the function ends the run.

        Raises
        ------
        RunnerError
            When a worker died, or nobody is left to work.
        """
        ...

    def __enter__(self) -> Runner: ...

    def __exit__(self, *exception: object) -> None: ...


class Serial:
    """One after the other, in this process."""

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield results in order."""
        for item in items:
            yield function(item)

    def __enter__(self) -> Serial:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class Processes:
    """Several processes on this machine.

    Parameters
    ----------
    workers : int
        How many. They are spawned, not forked: a forked worker would inherit locks and open files.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield results as they come."""
        if not items:
            return
        context = multiprocessing.get_context("spawn")
        count = min(self._workers, len(items))
        with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
            futures = [pool.submit(function, item) for item in items]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool as error:
                raise RunnerError(
                    "a worker process ended before its work was done",
                    subject="--runner processes",
                    found=str(error),
                    hint="look for a lack of memory (fewer --workers need less); run the command again to go on from "
                    "the records that are finished. Called from a script, it must be below if __name__ == '__main__'",
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def _end_with_parent() -> None:
    """Let a worker process end with the one that started it; left alone, it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        assert parent is not None
        parent.join()
        os._exit(1)

    if parent is not None:
        threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


class Dask:
    """The workers of a Dask cluster; they must see the store's root under the same path.

    Parameters
    ----------
    connect : callable
        Returns a context manager that yields a ``distributed.Client``.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]]) -> None:
        self._connect = connect
        self._entered: AbstractContextManager[Any] | None = None
        self._client: Any = None

    def __enter__(self) -> Dask:
        self._entered = self._connect()
        self._client = self._entered.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._entered is not None:
            self._entered.__exit__(None, None, None)

    def run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield results as they come."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed import as_completed as dask_as_completed
        from distributed.comm import CommClosedError

        if not items:
            return
        # Not pure: equal tasks of two ingests are not the same work, the first may have been rolled back.
        futures = self._client.map(function, list(items), pure=False)
        try:
            for future in dask_as_completed(futures):
                yield future.result()
        except (KilledWorker, CancelledError, CommClosedError) as error:
            raise RunnerError(
                "the Dask cluster lost the work",
                subject="--runner dask",
                found=" ".join(f"{type(error).__name__}: {error}".split())[:300],
                hint="look at the workers' logs; run the command again to go on from the records that are finished",
            ) from error
        finally:
            self._client.cancel(futures)


def make_runner(spec: str, *, workers: int | None = None) -> Runner:
    """Make the runner that a word names.

    Parameters
    ----------
    spec : str
        ``serial``; ``processes``; ``dask`` (a cluster on this machine); ``dask:ADDRESS`` (``tcp://host:port`` of a
        running scheduler, or the path of its scheduler file); ``slurm:FILE`` (YAML with the arguments of
        ``dask_jobqueue.SLURMCluster`` and ``jobs``, how many to start).
    workers : int, optional
        How many, where the runner starts them; default the number of processors.

    Raises
    ------
    UsageError
        When there is no such runner, or fewer than one worker is asked for.
    """
    if workers is not None and workers < 1:
        raise UsageError("at least one worker is needed", subject="--workers", found=str(workers))
    count = workers or os.cpu_count() or 1
    name, _, rest = spec.partition(":")
    if spec == "serial":
        return Serial()
    if spec == "processes":
        return Processes(count)
    if name == "dask":
        return Dask(lambda: _client(rest, count))
    if name == "slurm" and rest:
        return Dask(lambda: _slurm(Path(rest)))
    raise UsageError(
        "unknown runner",
        subject="--runner",
        expected="serial, processes, dask, dask:ADDRESS or slurm:FILE",
        found=spec,
    )


@contextmanager
def _client(address: str, workers: int) -> Iterator[Any]:
    distributed = _distributed()
    if not address:
        # Loopback only: nothing is served to the network unless asked for.
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=STATUS_PAGE
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    where = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        client = distributed.Client(**where, timeout="10s")
    except (OSError, ValueError) as error:
        raise NotFoundError(
            "no Dask scheduler answers", subject=address, found=str(error), hint="start one with: dask scheduler"
        ) from error
    with client:
        yield client


@contextmanager
def _slurm(path: Path) -> Iterator[Any]:
    distributed = _distributed()
    try:
        from dask_jobqueue import SLURMCluster
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Slurm needs dask-jobqueue", subject="--runner slurm", hint='pip install "connectome[slurm]"'
        ) from error
    settings, n_jobs = slurm_settings(path)
    settings["scheduler_options"] = {"dashboard_address": STATUS_PAGE, **(settings.get("scheduler_options") or {})}
    if shutil.which("sbatch") is None:
        raise NotFoundError("this machine has no Slurm", subject="sbatch", hint="run it on a node that submits jobs")
    try:
        cluster = SLURMCluster(**settings)
    except (TypeError, ValueError) as error:
        raise UsageError("not settings of dask_jobqueue.SLURMCluster", subject=str(path), found=str(error)) from error
    _submit(cluster, n_jobs)
    with cluster, distributed.Client(cluster) as client:
        yield client


def _submit(cluster: Any, n_jobs: int) -> None:
    async def submitted() -> None:
        # A job that Slurm refuses is only logged, and the work would wait for workers that never come. Awaiting such a
        # job submits it once more, and raises.
        await cluster
        for job in list(cluster.workers.values()):
            await job

    cluster.scale(jobs=n_jobs)
    try:
        cluster.sync(submitted)
    except (OSError, RuntimeError, ValueError) as error:
        # dask_jobqueue asserts that every job was started before it closes a cluster.
        with suppress(AssertionError):
            cluster.close(timeout=2)
        raise RunnerError("Slurm did not take the jobs", subject="sbatch", found=str(error)[:1000]) from error


def slurm_settings(path: Path) -> tuple[dict[str, Any], int]:
    """Read the file of the Slurm runner: the arguments of ``dask_jobqueue.SLURMCluster``, and how many jobs.

    Raises
    ------
    NotFoundError
        When there is no such file.
    UsageError
        When it is no YAML mapping, or ``jobs`` is no positive number.
    """
    import yaml

    if not path.is_file():
        raise NotFoundError("no such file", subject=str(path), expected="YAML for dask_jobqueue.SLURMCluster")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("the file is not YAML", subject=str(path), found=str(error)) from error
    if not isinstance(settings, dict):
        raise UsageError("not a mapping of settings", subject=str(path), found=type(settings).__name__)
    n_jobs = settings.pop("jobs", 1)
    if not isinstance(n_jobs, int) or n_jobs < 1:
        raise UsageError(
            "not a number of jobs", subject=str(path), place="jobs", expected="1 or more", found=repr(n_jobs)
        )
    return settings, n_jobs


def _distributed() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the runner needs dask.distributed", subject="--runner dask", hint='pip install "connectome[dask]"'
        ) from error
    return distributed
