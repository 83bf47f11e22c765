"""Which signals an ingest takes: those that are asked for, and those that the latest version has already.

A recording's record can be made of its tables alone. Sources mark the files that hold its samples
(:attr:`~.jobs.RemoteFile.signal`) and say whether these come without being asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from connectome.errors import NotFoundError, UsageError

from .jobs import Rejected, RemoteFile, Source

if TYPE_CHECKING:
    from connectome.store import Repository

__all__ = ["NONE", "NOT_ASKED", "left_aside", "matches", "parted"]

NONE = "none"
"""What to say for no signals at all."""
NOT_ASKED = "not-asked"
"""Kind of rejection."""


def matches(record: str, select: str | None) -> bool:
    """Tell whether a record is selected: by one of the globs, separated by commas, or because there is none."""
    return select is None or any(fnmatchcase(record, glob.strip()) for glob in select.split(","))


def _held(repository: Repository, dataset: str) -> frozenset[str]:
    """Return the raw files that records of the latest version were made from."""
    latest = repository.latest(dataset)
    return frozenset(path for receipt in latest.records.values() for path in receipt.inputs) if latest else frozenset()


def parted(
    repository: Repository, source: Source, files: Sequence[RemoteFile], signals: str | None
) -> tuple[list[RemoteFile], list[RemoteFile]]:
    """Part files into those to take and signals to leave where they are.

    Parameters
    ----------
    repository : Repository
        Whose latest version keeps its signals.
    source : Source
        Whose files they are.
    files : sequence of RemoteFile
        Those of the records that are selected.
    signals : str, optional
        Globs on record ids, separated by commas: signals of these records, and of what is held. ``none`` leaves all
        aside. Default what the source takes without being asked. What the latest version holds stays.

    Raises
    ------
    UsageError
        When the source knows no signals apart from its records.
    NotFoundError
        When no signal is of a record that matches.
    """
    marked = [file for file in files if file.signal]
    if signals is not None and not marked:
        raise UsageError(
            "the source has no signals that could be left aside", subject=source.id, place="--signals",
            hint="leave out --signals",
        )  # fmt: skip
    by_default = signals is None and getattr(source, "signals_by_default", True)
    asked = {
        file.path
        for file in marked
        if by_default or (signals is not None and any(matches(record, signals) for record in file.records))
    }
    if signals not in (None, NONE) and not asked:
        raise NotFoundError(
            "no recording matches", subject=f"--signals {signals}", place=source.id,
            hint=f"connectome plan {source.dataset} lists the records",
        )  # fmt: skip
    if signals != NONE and len(asked) < len(marked):
        asked |= _held(repository, source.dataset)
    taken = [file for file in files if not file.signal or file.path in asked]
    here = {file.path for file in taken}
    return taken, [file for file in files if file.path not in here]


def left_aside(files: Sequence[RemoteFile]) -> tuple[Rejected, ...]:
    """Say of signals that they were left where they are."""
    return tuple(
        Rejected(file.path, f"signals were not asked for ({_size(file)}); --signals takes them", NOT_ASKED)
        for file in files
    )


def _size(file: RemoteFile) -> str:
    return "of unknown size" if file.size_bytes is None else f"{file.size_bytes} bytes"
