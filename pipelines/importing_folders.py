"""A folder of many records into a dataset: each record read by itself, one commit for all.

A record that is broken is rejected with the reason and its files; the rest is committed. What was imported before, with
the same options and from the same bytes, is hashed and not read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import ConnectomeError, FormatError, NotFoundError
from connectome.store import Receipt, Recipe, write_record
from connectome.store.canonical import file_sha256, plain
from connectome.store.record import check_record_id

from .ingest import IngestResult, summarise
from .making import QUARANTINE, Outcome
from .undoing import undone_on_error

if TYPE_CHECKING:
    from connectome.store import Repository

    from .formats import Format
    from .formats.portions import Division, Portion

__all__ = ["import_folder"]


def import_folder(
    repository: Repository,
    paths: Sequence[Path],
    chosen: Format,
    *,
    dataset: str,
    record: str | None = None,
    options: Mapping[str, Any],
) -> IngestResult:
    """Read the records of a folder and commit them; where not one can be read, the root stays as it was.

    Parameters
    ----------
    repository : Repository
        A local one.
    paths : sequence of Path
        The folder.
    chosen : Format
        One that divides.
    dataset : str
        Any dataset name; other records of it stay.
    record : str, optional
        The only one that is wanted.
    options : mapping
        Options of the format.

    Returns
    -------
    IngestResult

    Raises
    ------
    FormatError, SchemaError
        When not one record can be read: the first reason.
    NotFoundError
        When the folder does not hold the record that is wanted.
    """
    division = chosen.divide(paths, options)
    portions = _wanted(division, record, subject=str(paths[0]))
    known = repository.recipes(dataset)
    hashed: dict[str, dict[str, Any]] = {}
    outcomes: list[Outcome] = []
    rejected = [{"file": item.file, "reason": item.reason, "kind": item.kind} for item in division.unused]
    first_error: ConnectomeError | None = None
    folder = repository.folder(dataset)
    with ExitStack() as undoing:
        for portion in portions:
            check_record_id(portion.record)
            recipe = _recipe(division, portion, chosen, options, hashed)
            receipt = known.get(recipe.digest)
            if receipt is not None and receipt.record == portion.record:
                outcomes.append(Outcome(portion.record, receipt, reused=True))
                continue
            undoing.enter_context(undone_on_error(repository.path, folder / "records" / portion.record))
            try:
                tree = chosen.read_portion(portion)
                receipt = write_record(tree, folder, record=portion.record, recipe=recipe, staging=repository.staging)
            except QUARANTINE as error:
                first_error = first_error or error
                rejected += _rejections(division, portion, error)
                continue
            outcomes.append(Outcome(portion.record, receipt))
        receipts = [outcome.receipt for outcome in outcomes if outcome.receipt is not None]
        if not receipts:
            raise first_error or FormatError(
                "there is not one record in the folder", subject=str(paths[0]), place=f"format {chosen.name}"
            )
        commit = repository.commit(
            dataset,
            receipts,
            rejected=_once(rejected, receipts),
            about=dict(division.about) if repository.latest(dataset) is None else None,
            keep_others=True,
        )
    return summarise(commit, outcomes, [])


def _wanted(division: Division, record: str | None, *, subject: str) -> Sequence[Portion]:
    if record is None:
        return division.portions
    found = [portion for portion in division.portions if portion.record == record]
    if not found:
        names = [portion.record for portion in division.portions]
        raise NotFoundError(
            "the folder does not hold that record",
            subject=subject,
            expected=", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else ""),
            found=record,
        )
    return found


def _recipe(
    division: Division,
    portion: Portion,
    chosen: Format,
    options: Mapping[str, Any],
    hashed: dict[str, dict[str, Any]],
) -> Recipe:
    for path in portion.files:
        if path not in hashed:
            local = division.root / path
            hashed[path] = {
                "path": path, "sha256": file_sha256(local), "bytes": local.stat().st_size, "verified": False,
            }  # fmt: skip
    return Recipe(
        source=f"import:{chosen.name}",
        source_version=chosen.version,
        inputs=tuple(hashed[path] for path in portion.files),
        # The id is one too: two people of whom only a shared table speaks have the same inputs.
        params=plain({**options, "record": portion.record, **portion.stated}),
    )


def _rejections(division: Division, portion: Portion, error: ConnectomeError) -> list[dict[str, str]]:
    reason = str(error)
    for root in (str(division.root.resolve()), str(division.root)):
        reason = reason.replace(f"{root}/", "").replace(root, "")
    because = f"the record {portion.record} could not be made: {reason}"
    blamed = [path for path in portion.own if error.subject in {path, str(division.root / path)}]
    if not portion.own:
        return [{"file": f"{path}#{portion.record}", "reason": because, "kind": error.kind} for path in portion.files]
    return [{"file": path, "reason": reason if path in blamed else because, "kind": error.kind} for path in portion.own]


def _once(rejected: Sequence[dict[str, str]], receipts: Sequence[Receipt]) -> list[dict[str, str]]:
    """Return one rejection per file; of a file that a record uses, none but that of a part (``FILE#PART``)."""
    used = {path for receipt in receipts for path in receipt.inputs}
    found: dict[str, dict[str, str]] = {}
    for item in rejected:
        if item["file"] not in used:
            found.setdefault(item["file"], item)
    return [found[file] for file in sorted(found)]
