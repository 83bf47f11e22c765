"""Making one record: read, check the published facts, write. What runs on a worker.

Everything a worker needs travels in a :class:`Task`; what comes back is an :class:`Outcome`, never an exception of
the data's own making, so that one bad file does not stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import ConnectomeError, FactsError, FormatError, SchemaError
from connectome.store import Receipt, Recipe, Repository, write_record
from connectome.store.canonical import plain
from connectome.store.references import SourceFile

from .derived.parents import SCHEME
from .fetch.ranged import read_by_ranges
from .jobs import Expected, Job, RawFile, Rejected
from .sources import load_source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BY_REFERENCE", "Outcome", "Task", "check_facts", "check_measured", "make_record", "recipe_of"]

BY_REFERENCE = "by_reference"
"""Parameter of a job whose arrays are referred to where they can be."""
QUARANTINE = (FormatError, SchemaError)
"""Errors that the file is to blame for: the record is rejected with the reason, and the ingest goes on."""


@dataclass(frozen=True)
class Task:
    """One job with where to put its record."""

    root: str
    dataset: str
    job: Job


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a receipt, or a rejection."""

    record: str
    receipt: Receipt | None = None
    rejected: tuple[Rejected, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time per stage."""
    reused: bool = False


def recipe_of(job: Job) -> Recipe:
    """Return what the record of a job will depend on."""
    return Recipe(
        source=job.source,
        source_version=load_source(job.source).version,
        inputs=tuple(_as_input(raw) for raw in sorted(job.inputs, key=lambda raw: raw.path)),
        params=plain(job.params),
    )


def _as_input(raw: RawFile) -> dict[str, Any]:
    told = {"path": raw.path, "sha256": raw.sha256, "bytes": raw.size_bytes, "verified": raw.verified}
    elsewhere = read_by_ranges(raw)
    if elsewhere is not None:
        told |= {"whole": False, "url": str(elsewhere), "validators": elsewhere.validators}
    if raw.path.startswith(SCHEME):
        # The length of a parent's file depends on the codec's version; what it holds does not.
        del told["bytes"]
    return told


def make_record(task: Task) -> Outcome:
    """Read a job's files into a record, check it and write it.

    Parameters
    ----------
    task : Task
        From the coordinator; may come from another process or machine that shares the root.

    Returns
    -------
    Outcome
        With a receipt, or with the rejected files when they are not what they should be.

    Raises
    ------
    FactsError
        When the record is not what its publisher says it is.
    """
    job = task.job
    source = load_source(job.source)
    repository = Repository(task.root)
    started = time.perf_counter()
    try:
        tree = source.read(job)
        read = time.perf_counter()
        check_facts(tree, source.expected(), record=job.record)
        receipt = write_record(
            tree,
            repository.folder(task.dataset),
            record=job.record,
            recipe=recipe_of(job),
            staging=repository.staging,
            by_reference=_referred(job) if job.params.get(BY_REFERENCE) else None,
            fetched=partial(_parts, job),
        )
    except QUARANTINE as error:
        return Outcome(job.record, rejected=reject_inputs(job, error))
    finally:
        for file in filter(None, map(read_by_ranges, job.inputs)):
            file.close()
    repository.remember(task.dataset, receipt)
    written = time.perf_counter()
    return Outcome(job.record, receipt, seconds={"read": read - started, "write": written - read})


def _referred(job: Job) -> dict[str, SourceFile]:
    """Return the inputs that arrays may refer to: those whose bytes are known."""
    return {str(raw.local): SourceFile(raw.path, raw.sha256, raw.size_bytes) for raw in job.inputs if raw.whole}


def _parts(job: Job) -> list[dict[str, Any]]:
    """Return what was read of inputs that are not whole."""
    return [file.told() for file in map(read_by_ranges, job.inputs) if file is not None]


def reject_inputs(job: Job, error: ConnectomeError) -> tuple[Rejected, ...]:
    """Turn an error into rejections of the job's inputs, the one to blame first, without any path of this machine."""
    reason = str(error)
    for raw in job.inputs:
        for local in (str(raw.local.resolve()) if raw.whole else str(raw.local), str(raw.local)):
            reason = reason.replace(local, raw.path)
    blamed = [raw for raw in job.inputs if error.subject in {str(raw.local), raw.local.name, raw.path}]
    others = [raw for raw in job.inputs if raw not in blamed]
    because = f"the record {job.record} could not be made: {reason}" if blamed else reason
    return (
        *(Rejected(raw.path, reason, error.kind) for raw in blamed),
        *(Rejected(raw.path, because, error.kind) for raw in others),
    )


def check_facts(tree: xr.DataTree, expected: Expected, *, record: str) -> None:
    """Measure a record and compare it with its published facts; see :func:`check_measured`."""
    if expected.records.get(record):
        check_measured(plain(schema.measure(tree)), expected, record=record)


def check_measured(measured: Mapping[str, Any], expected: Expected, *, record: str) -> None:
    """Compare measured facts with published ones.

    Raises
    ------
    FactsError
        When a fact is not met; all that are not are listed.
    """
    wanted = expected.records.get(record, {})
    misses: list[tuple[str, Any, Any]] = []
    for path, facts in wanted.items():
        _compare(plain(facts), measured.get(path), path, misses)
    if misses:
        place, should, found = misses[0]
        raise FactsError(
            f"{len(misses)} published fact{'s are' if len(misses) > 1 else ' is'} not met",
            subject=record,
            place=place,
            expected=repr(should),
            found="; ".join(f"{path} is {value!r} instead of {want!r}" for path, want, value in misses[:20])
            if len(misses) > 1
            else repr(found),
            hint="the file or its reader has changed; nothing was committed",
        )


def _compare(wanted: Any, found: Any, place: str, misses: list[tuple[str, Any, Any]]) -> None:
    if isinstance(wanted, Mapping):
        for name, value in wanted.items():
            inner = found.get(name) if isinstance(found, Mapping) else None
            _compare(value, inner, f"{place}.{name}", misses)
    elif wanted != found:
        misses.append((place, wanted, found))
