"""What an ingest would do, and why, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from connectome.errors import FormatError, NotFoundError, UsageError
from connectome.store.diff import reasons_for
from connectome.store.record import Receipt

from .datasets import is_catalogued, open_sources, sources_of
from .derived.parents import SCHEME, DerivedDataset, find_parents
from .fetch.cache import Cache
from .jobs import Discovery, Job, RawFiles, Rejected, RemoteFile, Source
from .making import recipe_of
from .signals import left_aside, matches, parted
from .sources.openneuro_accession import OpenNeuroAccession

if TYPE_CHECKING:
    from pathlib import Path

    from connectome.catalog import Licence
    from connectome.store import Repository

__all__ = [
    "Plan",
    "PlannedFile",
    "PlannedParent",
    "PlannedRecord",
    "chosen_files",
    "discover",
    "plan",
    "sources_of",
    "strict_licences",
    "terms_of",
]


@dataclass(frozen=True)
class PlannedFile:
    """One raw file of the plan."""

    source: str
    path: str
    url: str
    size_bytes: int | None
    here: bool
    """Whether it is in the cache already."""
    optional: bool
    licence: str | None = None
    asked: bool = True
    """False for signals that were not asked for, which stay where they are."""


@dataclass(frozen=True)
class PlannedRecord:
    """One record of the plan."""

    source: str
    record: str
    action: Literal["make", "reuse"]
    why: tuple[str, ...]
    copy_bytes: int | None = None
    """Values to be copied, before compression; None where that cannot be told from headers of files that are here."""
    referable_bytes: int | None = None
    """Bytes of the raw files that the record could refer to instead (``--references``)."""


@dataclass(frozen=True)
class PlannedParent:
    """One record of another dataset that a derived one is made from."""

    record: str
    """``DATASET/RECORD``."""
    here: bool
    """Whether the latest version of its dataset has it."""
    why: str = ""
    """What is missing."""


@dataclass(frozen=True)
class Plan:
    """What an ingest would do."""

    dataset: str
    latest: str | None
    files: tuple[PlannedFile, ...]
    records: tuple[PlannedRecord, ...]
    rejected: tuple[Rejected, ...]
    """Of the sources whose files are all here; the others are looked into once they are fetched."""
    parents: tuple[PlannedParent, ...] = ()
    """Of a derived dataset."""
    listing: Mapping[str, Any] = field(default_factory=dict)
    """When and where the files were listed, of a dataset that the catalogue does not have."""

    @property
    def terms(self) -> tuple[Licence, ...]:
        """Licences of the files to be fetched that forbid commercial use or passing on, by id."""
        return strict_licences(file.licence for file in self.files if file.asked and not file.here)

    @property
    def copy_bytes(self) -> int:
        """Values to be copied, before compression, of the records for which that is known."""
        return sum(item.copy_bytes or 0 for item in self.records)

    @property
    def referable_bytes(self) -> int:
        """Bytes of raw files that records could refer to instead of copying them, where that is known."""
        return sum(item.referable_bytes or 0 for item in self.records)

    @property
    def fetch_bytes(self) -> int:
        """Bytes to be fetched, of the files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files if file.asked and not file.here)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as the command line prints it with ``--json``."""
        return {
            "dataset": self.dataset,
            "latest": self.latest,
            "fetch_bytes": self.fetch_bytes,
            "copy_bytes": self.copy_bytes,
            "referable_bytes": self.referable_bytes,
            "terms": [
                {"licence": item.id, "title": item.title, "url": item.url, "note": item.note} for item in self.terms
            ],
            "files": [vars(file) | {} for file in self.files],
            "records": [
                {
                    "source": item.source,
                    "record": item.record,
                    "action": item.action,
                    "why": list(item.why),
                    "copy_bytes": item.copy_bytes,
                    "referable_bytes": item.referable_bytes,
                }
                for item in self.records
            ],
            "rejected": [item.as_dict() for item in self.rejected],
            "parents": [dict(vars(item)) for item in self.parents],
            **({"listing": dict(self.listing)} if self.listing else {}),
        }


def chosen_files(source: Source, select: str | None) -> list[RemoteFile]:
    """Return the files that the selected records need."""
    return [
        file for file in source.files() if not file.records or any(matches(record, select) for record in file.records)
    ]


def discover(source: Source, raw: RawFiles, *, select: str | None, missing: Sequence[Rejected] = ()) -> Discovery:
    """Let a source look through its files, keep the selected records, and prove that every file is accounted for.

    Raises
    ------
    UsageError
        When a file is neither used nor rejected, or two jobs make the same record: a defect of the adapter.
    """
    found = source.discover(raw)
    names = [job.record for job in found.jobs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError("two jobs make the same record", subject=source.id, found=", ".join(doubled))
    used = {item.path for job in found.jobs for item in job.inputs}
    rejected = {item.file.partition("#")[0] for item in found.rejected}
    lost = sorted(set(raw) - used - rejected)
    if missing:
        without = ", ".join(item.file for item in missing)
        stranded = (Rejected(path, f"not used without {without}", "unavailable") for path in lost)
        found = Discovery(found.jobs, (*found.rejected, *stranded))
    elif lost:
        raise UsageError(
            "files are neither used nor rejected",
            subject=source.id,
            expected="every file in a job or in the list of rejections",
            found=", ".join(lost),
        )
    jobs = sorted(found.jobs, key=lambda job: job.record)
    chosen = tuple(job for job in jobs if matches(job.record, select))
    only_others = used - {item.path for job in chosen for item in job.inputs}
    told = (item for item in found.rejected if item.file.partition("#")[0] not in only_others)
    return Discovery(chosen, (*told, *missing))


def plan(
    repository: Repository,
    dataset: str,
    *,
    select: str | None = None,
    signals: str | None = None,
    mirror: str | Path | None = None,
    relist: bool = False,
) -> Plan:
    """Say what an ingest would do, reading nothing but what is cached, and writing nothing.

    Of an accession that was never ingested, or with ``relist``, the bucket is asked which files there are.

    Parameters
    ----------
    repository : Repository
        A local one.
    dataset : str
        A dataset of the catalogue, or ``openneuro-dsNNNNNN``.
    select : str, optional
        Globs on record ids, separated by commas.
    signals, mirror, relist
        As for :func:`~.ingest.ingest`.

    Returns
    -------
    Plan
    """
    latest = repository.latest(dataset)
    known = repository.recipes(dataset)
    cache = Cache(repository.raw)
    files: list[PlannedFile] = []
    records: list[PlannedRecord] = []
    rejected: list[Rejected] = []
    parents: list[PlannedParent] = []
    listing: Mapping[str, Any] = {}
    for source in open_sources(repository, dataset, mirror=mirror, relist=relist, keep=False):
        if isinstance(source, OpenNeuroAccession):
            listing = source.listing.provenance()
        if isinstance(source, DerivedDataset):
            found_parents, missing = find_parents(repository, source)
            parents += [PlannedParent(raw.path.removeprefix(SCHEME), here=True) for raw in found_parents]
            parents += [PlannedParent(item.file.removeprefix(SCHEME), False, item.reason) for item in missing]
            jobs = {job.record: job for job in discover(source, RawFiles(found_parents), select=select).jobs}
            records.extend(
                _planned(jobs[name], known, latest.records if latest else {})
                if name in jobs
                else PlannedRecord(source.id, name, "make", ("parents are missing",))
                for name in sorted(source.records)
                if matches(name, select)
            )
            continue
        taken, left = parted(repository, source, chosen_files(source, select), signals)
        chosen = [file for item in taken for file in _expanded(item, cache)]
        aside = {file.path for file in left}
        here = {file.path: cache.peek(file) for file in [*chosen, *left]}
        files.extend(
            PlannedFile(
                source.id,
                file.path,
                file.url,
                file.size_bytes,
                here[file.path] is not None,
                file.optional or file.pattern,
                file.licence,
                file.path not in aside,
            )
            for file in [*chosen, *left]
        )
        if all(here[file.path] is not None or _may_be_missing(file) for file in chosen):
            raw = RawFiles([item for path, item in here.items() if item is not None and path not in aside])
            found = discover(source, raw, select=select, missing=left_aside(left))
            rejected.extend(found.rejected)
            planned = (_planned(job, known, latest.records if latest else {}) for job in found.jobs)
            records.extend(_surveyed(item, job, source) for item, job in zip(planned, found.jobs, strict=True))
        else:
            names = sorted({record for file in [*chosen, *left] for record in file.records})
            records.extend(
                PlannedRecord(source.id, name, "make", ("its files are to be fetched",))
                for name in names
                if matches(name, select)
            )
    if select is not None and not records:
        raise NotFoundError("no record matches", subject=select, place=dataset, hint=f"connectome plan {dataset}")
    version = latest.version if latest else None
    return Plan(dataset, version, tuple(files), tuple(records), tuple(rejected), tuple(parents), listing)


def strict_licences(names: Iterable[str | None]) -> tuple[Licence, ...]:
    """Return those of some licences that forbid commercial use or passing on, by id."""
    from connectome.catalog import LICENCES

    found = [LICENCES[name] for name in sorted({name for name in names if name}) if name in LICENCES]
    return tuple(item for item in found if not (item.commercial and item.redistribution))


def terms_of(dataset: str, *, select: str | None = None) -> tuple[Licence, ...]:
    """Return the licences of the raw files of a dataset that forbid commercial use or passing on, by id."""
    if not is_catalogued(dataset):
        # Its licence is in a file that is yet to be fetched.
        return ()
    sources = [source for source in sources_of(dataset) if not isinstance(source, DerivedDataset)]
    return strict_licences(file.licence for source in sources for file in chosen_files(source, select))


def _may_be_missing(file: RemoteFile) -> bool:
    """Tell whether an ingest goes on without a file: as fetching does, where it has no checksum and is not needed."""
    return file.pattern or (file.optional and not (file.signal or file.sha256 or file.md5))


def _expanded(file: RemoteFile, cache: Cache) -> list[RemoteFile]:
    """Return what a pattern was found to stand for before, or the file itself."""
    return (cache.members(file) if file.pattern else []) or [file]


def _surveyed(item: PlannedRecord, job: Job, source: Source) -> PlannedRecord:
    """Add what the source tells of a record's bytes from the headers of its files (``survey(job)``)."""
    survey = getattr(source, "survey", None)
    if survey is None or item.action != "make":
        return item
    try:
        held = list(survey(job))
    except FormatError:
        # What is wrong with the file is told when it is read.
        return item
    if not held:
        return item
    copied = sum(one.value_bytes for one in held)
    return replace(item, copy_bytes=copied, referable_bytes=sum(one.stored_bytes for one in held if one.referable))


def _planned(job: Job, known: dict[str, Receipt], latest: Any) -> PlannedRecord:
    recipe = recipe_of(job)
    if recipe.digest in known:
        return PlannedRecord(job.source, job.record, "reuse", ("same recipe",))
    old = latest.get(job.record)
    if old is None:
        return PlannedRecord(job.source, job.record, "make", ("not in the store",))
    new = Receipt(job.record, "", 0, old.content, recipe.as_dict(), old.facts)
    return PlannedRecord(job.source, job.record, "make", tuple(reasons_for(old, new)))
