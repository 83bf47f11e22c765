"""One file behind an address into a dataset: fetched whole, which is the rule, or read by ranges where it lies.

A file that is fetched whole has a SHA-256 and is imported like any other. One that is read by ranges has none: its
recipe holds the address, the length and the server's word for the file's state, the record holds the ranges that were
read with a SHA-256 of each, and the version warns that the source was not read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from connectome.errors import UsageError
from connectome.store import Recipe, Repository, write_record
from connectome.store.canonical import plain
from connectome.store.record import check_record_id

from .fetch import fetch
from .fetch.checks import redacted
from .fetch.ranges import RangedFile, is_url
from .formats import Format, lookup
from .formats import read as read_files
from .importing import about_imported, default_record, import_files
from .ingest import IngestResult, summarise
from .jobs import RemoteFile
from .making import Outcome
from .undoing import undone_on_error

if TYPE_CHECKING:
    from .fetch import Progress
    from .formats.held import Held

__all__ = ["ImportPlan", "import_url", "plan_import"]


@dataclass(frozen=True)
class ImportPlan:
    """What an import would take, told from the headers of its files."""

    format: str
    source_bytes: int
    """Length of the file."""
    fetch_bytes: int
    """To be fetched; of a file that is read by ranges, arrays and the headers read so far."""
    copy_bytes: int
    """Values to be copied into the store, before compression."""
    reference_bytes: int
    """Bytes of the file that the store refers to instead."""
    referable_bytes: int
    """Bytes of the file that it could refer to, whether or not it is asked to."""
    arrays: tuple[Held, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as the command line prints it with ``--json``."""
        told: dict[str, Any] = plain(asdict(self))
        return told


def import_url(
    repository: Repository,
    url: str,
    *,
    dataset: str,
    format: str | None = None,  # noqa: A002 - the word of the command line
    record: str | None = None,
    options: Mapping[str, Any] | None = None,
    remote: str = "whole",
    by_reference: bool = False,
    progress: Progress | None = None,
) -> IngestResult:
    """Read one file behind an address and commit the record; on any error no version is made.

    Parameters
    ----------
    repository : Repository
        A local one.
    url : str
        ``http(s)://...``; its last part names the file.
    dataset, format, record, options, by_reference
        As for :func:`~connectome.pipelines.importing.import_files`.
    remote : str
        ``"whole"`` to fetch the file into the cache of raw files first, or ``"ranges"`` to read only the parts that the
        record needs.
    progress : Progress, optional
        Told how far the file is.

    Returns
    -------
    IngestResult

    Raises
    ------
    FetchError
        When the file cannot be had, its server does not answer range requests, or it changes while it is read.
    FormatError, SchemaError
        When the file is refused.
    UsageError
        When the format cannot be read by ranges, or references are asked for of a file that is not fetched whole.
    """
    file = RangedFile(url)
    if remote == "whole":
        found = fetch([RemoteFile(file.name, url)], repository.raw, progress=progress)
        result = import_files(
            repository, [found.files[0].local], dataset=dataset, format=format, record=record, options=options,
            by_reference=by_reference, url=url if redacted(url) == url else None,
        )  # fmt: skip
        return result.with_downloads(found.bytes_downloaded)
    chosen = _by_ranges(format, remote)
    if by_reference:
        raise UsageError(
            "a store refers only to files whose checksum is known", subject="--references", place=str(file),
            hint="leave out --remote ranges: the file is then fetched whole, and arrays refer to it in the cache",
        )  # fmt: skip
    name = record if record is not None else default_record(PurePath(file.name))
    check_record_id(name)
    given = dict(options or {})
    try:
        recipe = _recipe(file, chosen, given)
        receipt = repository.recipes(dataset).get(recipe.digest) if file.strong else None
        if receipt is not None and receipt.record == name:
            commit = repository.commit(dataset, [receipt], keep_others=True)
            return summarise(commit, [Outcome(name, receipt, reused=True)], []).with_downloads(file.bytes_fetched)
        tree = read_files(file, chosen.name, **given)
        with undone_on_error(repository.path, repository.folder(dataset) / "records" / name):
            receipt = write_record(
                tree, repository.folder(dataset), record=name, recipe=recipe, staging=repository.staging,
                fetched=lambda: [file.told()],
            )  # fmt: skip
            about = about_imported(repository, dataset, tree)
            commit = repository.commit(dataset, [receipt], about=about, keep_others=True)
        parts = {"path": file.path, "bytes_of_source": file.size(), "bytes_fetched": file.bytes_fetched,
                 "requests": file.n_requests}  # fmt: skip
        return summarise(commit, [Outcome(name, receipt)], []).with_downloads(file.bytes_fetched, [parts])
    finally:
        file.close()


def _by_ranges(format_name: str | None, remote: str) -> Format:
    if remote != "ranges":
        raise UsageError("unknown way to read what is elsewhere", subject="--remote", expected="whole or ranges",
                         found=remote)  # fmt: skip
    chosen = lookup(format_name or "nwb")
    if not chosen.ranges:
        raise UsageError(
            "the format is read from whole files", subject=chosen.name, place="--remote ranges", expected="nwb",
            hint="leave out --remote ranges",
        )  # fmt: skip
    return chosen


def _recipe(file: RangedFile, chosen: Format, options: Mapping[str, Any]) -> Recipe:
    source = {
        "path": file.name, "sha256": "", "bytes": file.size(), "verified": False, "whole": False, "url": str(file),
        "validators": file.validators,
    }  # fmt: skip
    return Recipe(f"import:{chosen.name}", chosen.version, (source,), plain(dict(options)))


def plan_import(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the word of the command line
    options: Mapping[str, Any] | None = None,
    remote: str = "whole",
    by_reference: bool = False,
) -> ImportPlan:
    """Say how many bytes an import would fetch, copy and refer to; of values nothing is read.

    Parameters
    ----------
    path : path or URL
        The file. Of one behind an address the headers are read by ranges.
    format, options, remote, by_reference
        As for :func:`import_url`.

    Raises
    ------
    UsageError
        When the format cannot tell from headers.
    """
    chosen = lookup(format or "nwb")
    survey = getattr(chosen.load(), "survey", None)
    if survey is None:
        raise UsageError("the format cannot be planned: it has no headers to tell from", subject=chosen.name,
                         expected="nwb")  # fmt: skip
    file = RangedFile(str(path)) if is_url(path) else Path(path)
    arrays: tuple[Held, ...] = tuple(survey([file], **dict(options or {})))
    referable = sum(held.stored_bytes for held in arrays if held.referable)
    if isinstance(file, RangedFile):
        size, read = file.size(), sum(part[1] - part[0] for part in file.told()["ranges"])
        fetched = min(size, read + sum(held.stored_bytes for held in arrays)) if remote == "ranges" else size
        file.close()
    else:
        size, fetched = file.stat().st_size, 0
    referred = referable if by_reference else 0
    copied = sum(held.value_bytes for held in arrays if not (by_reference and held.referable))
    return ImportPlan(chosen.name, size, fetched, copied, referred, referable, arrays)
