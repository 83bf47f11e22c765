"""What several processes do to one store at once; here, where spawned processes can import it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectome.errors import ConflictError
from connectome.store import Repository, collect

from .generated_records import put

NAME = "generated"
_start: Any = None


def pool(n_workers: int) -> Any:
    """Return a pool of spawned processes whose tasks can wait for one another."""
    context = multiprocessing.get_context("spawn")
    return context.Pool(n_workers, initializer=_keep, initargs=(context.Barrier(n_workers),))


def _keep(barrier: Any) -> None:
    global _start
    _start = barrier


def together(workers: Any, task: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run one task in every worker of a pool, all starting at the same moment."""
    return workers.starmap(_meet, [(task, each) for each in arguments], chunksize=1)


def _meet(task: Any, arguments: tuple[Any, ...]) -> Any:
    _start.wait(60)
    return task(*arguments)


def commit_each(root: Path, records: Sequence[str], value: float) -> list[tuple[str, str, bool]]:
    """Write and commit records one by one, beside all others; return (record, version, whether it was made)."""
    repository, done = Repository(root), []
    for record in records:
        made = repository.commit(NAME, [put(repository, NAME, record, value)], keep_others=True)
        done.append((record, made.manifest.version, made.created))
    return done


def tag(root: Path, spec: str, name: str, move: bool) -> str | None:
    """Tag a version; None when another one was first."""
    try:
        return Repository(root).tag(spec, name, move=move)
    except ConflictError:
        return None


def clean(root: Path, times: int) -> int:
    """Collect garbage again and again; return how many files went."""
    return sum(len(collect(Repository(root)).removed) for _ in range(times))


def commit_or_clean(root: Path, records: Sequence[str], times: int) -> list[tuple[str, str, bool]] | int:
    """Do the one or the other."""
    return commit_each(root, records, 1.0) if records else clean(root, times)


def make_old(path: Path, age_s: float = 7 * 24 * 3600.0) -> None:
    """Set a file's or folder's time stamps back."""
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
