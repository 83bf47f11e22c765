"""Ingest: plan, fetch, discover, make, commit, as plain functions on frozen values.

Each step can be called alone; :func:`ingest` is their composition, and the flows are the same steps as Prefect tasks.
A crash between any two leaves every earlier version as it was, and the next run goes on from the records that are
already there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connectome.errors import FactsError, FetchError, NotFoundError, UsageError

from .datasets import about_of, open_sources
from .derived.parents import DerivedDataset, check_parents, find_parents, parent_versions
from .fetch import Fetched, fetch
from .fetch.patience import Patience
from .fetch.ranged import fetch_ranges
from .jobs import Discovery, Job, RawFiles, Rejected, Source
from .making import BY_REFERENCE, Outcome, Task, check_measured, make_record, recipe_of
from .observe import SILENT, Observer
from .planning import chosen_files, discover
from .runners import Runner, make_runner
from .signals import left_aside, parted
from .sources import load_source

if TYPE_CHECKING:
    from pathlib import Path

    from connectome.store import Census, Commit, Repository

    from .fetch import Progress


__all__ = ["IngestResult", "commit_outcomes", "fetch_source", "ingest", "make_records"]

RETRIES, ONE_RETRY = 4, 1
"""Of a fetch; one is enough where the ingest goes on without the file."""


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did."""

    dataset: str
    version: str
    digest: str
    created: bool
    """False when nothing had changed and no version was made."""
    added: tuple[str, ...]
    changed: tuple[str, ...]
    withdrawn: tuple[str, ...]
    reused: tuple[str, ...]
    rejected: tuple[Mapping[str, str], ...]
    census: Census
    bytes_downloaded: int = 0
    bytes_hashed: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time spent reading and writing, summed over workers."""
    by_ranges: tuple[Mapping[str, Any], ...] = ()
    """Files that were not fetched whole: ``path``, ``bytes_of_source``, ``bytes_fetched``, and ``requests`` of one."""

    def with_downloads(self, n_bytes: int, by_ranges: Sequence[Mapping[str, Any]] = ()) -> IngestResult:
        """Return the result with bytes that were fetched, and the files that were read by ranges."""
        return replace(self, bytes_downloaded=self.bytes_downloaded + n_bytes, by_ranges=tuple(by_ranges))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as the command line prints it with ``--json``."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "digest": self.digest,
            "created": self.created,
            "added": list(self.added),
            "changed": list(self.changed),
            "withdrawn": list(self.withdrawn),
            "reused": list(self.reused),
            "rejected": [dict(item) for item in self.rejected],
            "census": self.census._asdict(),
            "bytes_downloaded": self.bytes_downloaded,
            "bytes_hashed": self.bytes_hashed,
            "seconds": dict(self.seconds),
            **({"by_ranges": [dict(item) for item in self.by_ranges]} if self.by_ranges else {}),
        }


def fetch_source(
    repository: Repository,
    source: Source,
    *,
    select: str | None = None,
    mirror: str | Path | None = None,
    allow_missing: bool = False,
    progress: Progress | None = None,
    remote: str = "whole",
    signals: str | None = None,
) -> Fetched:
    """Bring the raw files of a source here, each checked against its checksum.

    Parameters
    ----------
    repository, source, select, mirror, progress, remote, signals
        As for :func:`ingest`.
    allow_missing : bool
        Go on without files that cannot be had, and report them. Otherwise only files that the publisher gives no
        checksum for and that no record needs may be missing: a network that fails for a moment must not decide what
        a record holds.

    Raises
    ------
    FetchError
        When a file that may not be missing cannot be had.
    NotFoundError
        When a parent of a derived dataset is not in the store.
    """
    if isinstance(source, DerivedDataset):
        found, missing = find_parents(repository, source)
        if not allow_missing:
            check_parents(source, missing)
        return Fetched(found, missing)
    taken, left = parted(repository, source, chosen_files(source, select), signals)
    aside = left_aside(left)
    files = [
        replace(file, optional=allow_missing or (file.optional and not (file.signal or file.sha256 or file.md5)))
        for file in taken
    ]
    retries = ONE_RETRY if allow_missing else RETRIES
    if remote == "ranges":
        if not getattr(source, "by_ranges", False):
            raise UsageError("the source is read from whole files", subject=source.id, place="--remote ranges",
                             hint="leave out --remote ranges")  # fmt: skip
        return fetch_ranges(files, mirror=mirror, patience=Patience(retries=retries))
    if remote != "whole":
        raise UsageError("unknown way to read what is elsewhere", subject="--remote", expected="whole or ranges",
                         found=remote)  # fmt: skip
    try:
        fetched = fetch(files, repository.raw, mirror=mirror, progress=progress, retries=retries)
        return replace(fetched, missing=(*fetched.missing, *aside))
    except FetchError as error:
        if hasattr(source, "advice"):
            error.add_note(source.advice)
        error.add_note("or go on without it: --allow-missing; the version then lists it as rejected")
        raise


def make_records(
    repository: Repository,
    dataset: str,
    jobs: Sequence[Job],
    *,
    runner: Runner,
    observer: Observer = SILENT,
) -> list[Outcome]:
    """Make the records that are not there yet, on any runner; the order of the result is that of ``jobs``.

    Raises
    ------
    FactsError
        When a record, made now or reused, is not what its publisher says it is.
    """
    known = repository.recipes(dataset)
    expected = {name: load_source(name).expected() for name in sorted({job.source for job in jobs})}
    outcomes: dict[str, Outcome] = {}
    tasks: list[Task] = []
    observer.begin("make", len(jobs))
    for job in jobs:
        receipt = known.get(recipe_of(job).digest)
        if receipt is not None and receipt.record == job.record:
            # What is expected may have been corrected since the record was made.
            check_measured(receipt.facts, expected[job.source], record=job.record)
            outcomes[job.record] = Outcome(job.record, receipt, reused=True)
            observer.item("make", job.record, "reused")
        else:
            tasks.append(Task(str(repository.path), dataset, job))
    for outcome in runner.run(make_record, tasks):
        outcomes[outcome.record] = outcome
        observer.item("make", outcome.record, "made" if outcome.receipt else "rejected")
    observer.end("make")
    return [outcomes[job.record] for job in jobs]


def commit_outcomes(
    repository: Repository,
    dataset: str,
    outcomes: Sequence[Outcome],
    rejected: Sequence[Rejected],
    *,
    about: Mapping[str, Any] | None = None,
    select: str | None = None,
) -> Commit:
    """Publish a version from outcomes.

    A file that failed one record and serves another counts as used; the failure is listed as ``FILE#RECORD``.
    """
    receipts = [outcome.receipt for outcome in outcomes if outcome.receipt is not None]
    if not receipts and select is None:
        reasons = [item.as_dict() for outcome in outcomes for item in outcome.rejected] or [
            item.as_dict() for item in rejected
        ]
        raise FactsError(
            "not one record could be made",
            subject=dataset,
            expected="at least one record",
            found="; ".join(f"{item['file']}: {item['reason']}" for item in reasons[:5]) or "no files",
        )
    used = {path for receipt in receipts for path in receipt.inputs}
    listed = {item.file: item.as_dict() for item in rejected}
    for outcome in outcomes:
        unused = [item for item in outcome.rejected if item.file not in used]
        for item in unused or outcome.rejected[:1]:
            shared = item.file in used or item.file in listed
            file = f"{item.file}#{outcome.record}" if shared else item.file
            listed[file] = {**item.as_dict(), "file": file}
    latest = repository.latest(dataset) if select is not None else None
    kept = {**(latest.records if latest else {}), **{receipt.record: receipt for receipt in receipts}}
    return repository.commit(
        dataset,
        receipts,
        rejected=listed.values(),
        about=about,
        parents=parent_versions(repository, dataset, kept.values()),
        keep_others=select is not None,
    )


def check_complete(sources: Sequence[Source], outcomes: Sequence[Outcome], *, select: str | None) -> None:
    """Raise unless every record that a source promises was made."""
    made = {outcome.record for outcome in outcomes if outcome.receipt is not None}
    failed = {outcome.record: outcome.rejected for outcome in outcomes if outcome.receipt is None}
    for source in sources:
        expected = source.expected()
        n_made = sum(item.receipt is not None and item.receipt.recipe["source"] == source.id for item in outcomes)
        lost = sorted(expected.promised & set(failed))
        if select is None:
            lost = sorted(expected.promised - made)
        if lost:
            reasons = [f"{name}: {failed[name][0].reason}" if name in failed else name for name in lost]
            raise FactsError(
                "records that the source promises were not made",
                subject=source.id,
                expected=", ".join(lost),
                found="; ".join(reasons),
                hint="nothing was committed; mend the files, or commit what there is with --allow-missing",
            )
        if select is None and expected.n_records not in (None, n_made):
            raise FactsError(
                "the source does not give the number of records that it promises",
                subject=source.id,
                expected=f"{expected.n_records} records",
                found=f"{n_made} records",
                hint="nothing was committed; mend the source, or commit what there is with --allow-missing",
            )


def ingest(
    repository: Repository,
    dataset: str,
    *,
    select: str | None = None,
    mirror: str | Path | None = None,
    runner: str | Runner = "serial",
    workers: int | None = None,
    allow_missing: bool = False,
    observer: Observer = SILENT,
    progress: Progress | None = None,
    remote: str = "whole",
    by_reference: bool = False,
    signals: str | None = None,
    relist: bool = False,
) -> IngestResult:
    """Bring a dataset of the catalogue, or one of OpenNeuro by its accession, into the store.

    Parameters
    ----------
    repository : Repository
        A local one.
    dataset : str
        A dataset of the catalogue, or ``openneuro-dsNNNNNN``.
    select : str, optional
        Globs on record ids, separated by commas; records that do not match stay as they are.
    mirror : path or URL, optional
        Take raw files from here instead of from their home; checksums still apply.
    runner : str or Runner
        ``serial``, ``processes``, ``dask``, ``dask:ADDRESS`` or ``slurm:FILE``.
    workers : int, optional
        How many; default the number of processors.
    allow_missing : bool
        Go on without files that cannot be had and records that cannot be made; the version lists them as rejected.
    observer, progress
        Listeners.
    remote : str
        ``"whole"``, or ``"ranges"`` to read files where they lie and fetch only the parts that are needed; of sources
        of NWB sessions over HTTP. Such files are compared with no checksum, and the version says so.
    by_reference : bool
        Refer to arrays where they lie in the cache of raw files, where their layout allows it, instead of copying them.
    signals : str, optional
        Globs on record ids, separated by commas: recordings whose signals are wanted; the records of the others are
        made of their tables. What the latest version holds stays; ``none`` takes no signals at all. Default all, and
        of an accession what the latest version holds.
    relist : bool
        List the files of an accession anew, and not go by the list of its first ingest.

    Returns
    -------
    IngestResult

    Raises
    ------
    FetchError
        When a required file cannot be had; nothing is committed, what was fetched stays.
    FactsError
        When a record is not what its publisher says, or is missing.
    """
    chosen = make_runner(runner, workers=workers) if isinstance(runner, str) else runner
    sources = open_sources(repository, dataset, mirror=mirror, relist=relist, observer=observer)
    fetched: list[Fetched] = []
    discovered: list[Discovery] = []
    observer.begin("fetch", len(sources))
    for source in sources:
        found = fetch_source(
            repository,
            source,
            select=select,
            mirror=mirror,
            allow_missing=allow_missing,
            progress=progress,
            remote=remote,
            signals=signals,
        )
        fetched.append(found)
        observer.item("fetch", source.id, "fetched")
    observer.end("fetch")
    observer.begin("discover", len(sources))
    for source, found in zip(sources, fetched, strict=True):
        discovered.append(discover(source, RawFiles(found.files), select=select, missing=found.missing))
        observer.item("discover", source.id, "discovered")
    observer.end("discover")
    jobs = [job for item in discovered for job in item.jobs]
    if by_reference:
        jobs = [replace(job, params={**job.params, BY_REFERENCE: True}) for job in jobs]
    if select is not None and not jobs:
        raise NotFoundError("no record matches", subject=select, place=dataset, hint=f"connectome plan {dataset}")
    with chosen as running:
        outcomes = make_records(repository, dataset, jobs, runner=running, observer=observer)
    if not allow_missing:
        check_complete(sources, outcomes, select=select)
    rejected = [item for found_ in discovered for item in found_.rejected]
    observer.begin("commit", 1)
    about = about_of(repository, dataset)
    commit = commit_outcomes(repository, dataset, outcomes, rejected, about=about, select=select)
    observer.item("commit", commit.manifest.version, "committed" if commit.created else "unchanged")
    observer.end("commit")
    return summarise(commit, outcomes, fetched).with_downloads(0, _by_ranges(outcomes, jobs))


def _by_ranges(outcomes: Sequence[Outcome], jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return what was read of files that were not fetched whole, of records made now."""
    found = []
    paths = {job.record: ", ".join(raw.path for raw in job.inputs if not raw.whole) for job in jobs}
    for outcome in outcomes:
        told = outcome.receipt.attributes if outcome.receipt is not None and not outcome.reused else {}
        if paths.get(outcome.record) and "bytes_fetched" in told:
            sums = {name: told[name] for name in ("bytes_of_source", "bytes_fetched")}
            found.append({"path": paths[outcome.record], **sums})
    return found


def summarise(commit: Commit, outcomes: Sequence[Outcome], fetched: Sequence[Fetched]) -> IngestResult:
    """Join what the steps returned."""
    seconds: dict[str, float] = {}
    for outcome in outcomes:
        for stage, spent in outcome.seconds.items():
            seconds[stage] = round(seconds.get(stage, 0.0) + spent, 6)
    manifest = commit.manifest
    return IngestResult(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        created=commit.created,
        added=commit.added,
        changed=commit.changed,
        withdrawn=commit.withdrawn,
        reused=tuple(outcome.record for outcome in outcomes if outcome.reused),
        rejected=manifest.rejected,
        census=manifest.census,
        bytes_downloaded=sum(item.bytes_downloaded for item in fetched),
        bytes_hashed=sum(item.bytes_hashed for item in fetched),
        seconds=seconds,
    )
