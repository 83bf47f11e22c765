"""A user's own files into a dataset of any name: one format reader, one record, one commit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from connectome.errors import UsageError
from connectome.store import Recipe, Repository, write_record
from connectome.store.canonical import file_sha256, plain
from connectome.store.record import check_record_id
from connectome.store.references import SourceFile, note_place

from .formats import check_readable, lookup, recognise
from .formats import read as read_files
from .importing_folders import import_folder
from .ingest import IngestResult, summarise
from .making import Outcome
from .undoing import undone_on_error

__all__ = ["import_files", "parse_options"]


def parse_options(format_name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Turn ``KEY=VALUE`` texts into the typed options of a format's reader.

    Raises
    ------
    UsageError
        When an option is unknown, has no value, or its value is not of its type.
    """
    chosen = lookup(format_name)
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError("an option needs a value", subject=f"--option {text}", expected="--option NAME=VALUE")
        options[name] = _convert(name, value, str(chosen.option(name).annotation))
    return options


_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _convert(name: str, text: str, annotation: str) -> Any:
    converters: list[tuple[str, Callable[[str], Any]]] = [("bool", _truth), ("float", float), ("int", int)]
    for word, convert in converters:
        if re.search(rf"\b{word}\b", annotation):
            try:
                return convert(text)
            except (ValueError, KeyError):
                raise UsageError(
                    "an option's value is not of its type", subject=f"--option {name}", expected=word, found=repr(text)
                ) from None
    return text


def _truth(text: str) -> bool:
    return _TRUTH[text.lower()]


def import_files(
    repository: Repository,
    paths: Sequence[str | Path],
    *,
    dataset: str,
    format: str | None = None,  # noqa: A002 - the word of the command line
    record: str | None = None,
    options: Mapping[str, Any] | None = None,
    by_reference: bool = False,
    url: str | None = None,
) -> IngestResult:
    """Read files with a format's reader and commit the record; on any error the root stays as it was.

    Files that the record was made from already, with the same options, are hashed and not read again. A folder that
    holds many records (format ``bids``) makes all of them in one commit; see
    :func:`~connectome.pipelines.importing_folders.import_folder`.

    Parameters
    ----------
    repository : Repository
        A local one.
    paths : sequence of path
        The files of one record, in the order that the format states.
    dataset : str
        Any dataset name; other records of it stay.
    format : str, optional
        Recognised from the files when left out.
    record : str, optional
        Id of the record; default the name of the first file without its suffixes. Of a folder with many records, the
        one that is wanted; default all.
    options : mapping, optional
        Options of the reader.
    by_reference : bool
        Refer to arrays where they lie in the files instead of copying them, where their layout allows it; see
        :mod:`connectome.store.references`. The files must then stay where they are, or be found by other means.
    url : str, optional
        Where anybody may ask for the only file, if it came from there.

    Returns
    -------
    IngestResult

    Raises
    ------
    FormatError, SchemaError
        When the files are refused.
    NotFoundError
        When a file is not there.
    """
    files = [Path(path) for path in paths]
    check_readable(files)
    chosen = lookup(format) if format is not None else recognise(files)
    given = dict(options or {})
    if chosen.divides:
        return import_folder(repository, files, chosen, dataset=dataset, record=record, options=given)
    name = record if record is not None else default_record(files[0])
    check_record_id(name)
    inputs = chosen.inputs(files, given)
    check_readable(inputs)
    # An option that names a file says what it is, not where it lies on this machine.
    named = {str(path): path.name for path in inputs}
    params = {
        name: named.get(str(value), str(value)) if isinstance(value, (str, Path)) else value
        for name, value in given.items()
    }
    recipe = Recipe(
        source=f"import:{chosen.name}",
        source_version=chosen.version,
        inputs=_inputs(inputs),
        params=plain(params | ({"by_reference": True} if by_reference else {})),
    )
    receipt = repository.recipes(dataset).get(recipe.digest)
    if receipt is not None and receipt.record == name:
        commit = repository.commit(dataset, [receipt], keep_others=True)
        return summarise(commit, [Outcome(name, receipt, reused=True)], [])
    tree = read_files(list(files), chosen.name, **given)
    with undone_on_error(repository.path, repository.folder(dataset) / "records" / name):
        receipt = write_record(
            tree,
            repository.folder(dataset),
            record=name,
            recipe=recipe,
            staging=repository.staging,
            by_reference=_referred(repository, inputs, recipe, url) if by_reference else None,
        )
        commit = repository.commit(
            dataset, [receipt], about=about_imported(repository, dataset, tree), keep_others=True
        )
    return summarise(commit, [Outcome(name, receipt)], [])


def _referred(repository: Repository, files: Sequence[Path], recipe: Recipe, url: str | None) -> dict[str, SourceFile]:
    """Return the files that may be referred to, and note where they lie."""
    digests = {str(item["sha256"]): item for item in recipe.inputs}
    found: dict[str, SourceFile] = {}
    for path in files:
        sha256 = file_sha256(path)
        item = digests[sha256]
        found[str(path)] = SourceFile(str(item["path"]), sha256, int(item["bytes"]), url)
        note_place(repository.raw, sha256, path)
    return found


def _inputs(files: Sequence[Path]) -> tuple[dict[str, Any], ...]:
    names = [path.name for path in files]
    if len(set(names)) != len(names):
        # Two files of one name: tell them apart by their folders, still without naming this machine's.
        names = [f"{path.resolve().parent.name}/{path.name}" for path in files]
    inputs = (
        {"path": name, "sha256": file_sha256(path), "bytes": path.stat().st_size, "verified": False}
        for name, path in zip(names, files, strict=True)
    )
    return tuple(sorted(inputs, key=lambda item: str(item["path"])))


def default_record(path: PurePath) -> str:
    """Return the id of a record by the name of its file."""
    stem = path.name
    for suffix in (".gz", *reversed(path.with_name(stem.removesuffix(".gz")).suffixes[-1:])):
        stem = stem.removesuffix(suffix)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
    if not name:
        raise UsageError("no record id can be made from the file's name", subject=path.name, hint="give --record ID")
    return name


def about_imported(repository: Repository, dataset: str, tree: Any) -> dict[str, Any] | None:
    """Return what a first version says of itself; None where there is one already."""
    from connectome.catalog import load_catalog

    from .datasets import about_of

    if repository.latest(dataset) is not None:
        return None
    if dataset in load_catalog():
        return about_of(repository, dataset)
    species = tree.attrs.get("species")
    return {"title": dataset, "species": [species] if species else []}
