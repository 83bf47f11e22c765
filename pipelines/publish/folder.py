"""The folder that is published: card, tables, Croissant, and the store of that one version beside them.

::

    README.md  croissant.json
    data/<table>/<split>-00000-of-0000N.parquet
    <dataset>/versions/<version>.json
    <dataset>/records/<record>/<digest>.zarr.zip
    <dataset>/refs/latest

The last three lines are a store that ``connectome.open`` and ``connectome pull`` read from wherever the folder lies.
The same version gives the same bytes every time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import DamagedError, MissingExtraError, UsageError
from connectome.rows import tables

from .card import card
from .croissant import croissant
from .parquet import write_tables
from .permission import about_licences, licences_of
from .values import PublishedFile, describe_file

if TYPE_CHECKING:
    from connectome.store import Receipt, Version

__all__ = ["MOST_IN_A_FOLDER", "build_folder"]

MOST_IN_A_FOLDER = 10_000
"""The Hub refuses more entries in one folder (https://huggingface.co/docs/hub/repositories-recommendations)."""
BLOCK_BYTES = 8 << 20


def build_folder(
    version: Version,
    destination: Path,
    *,
    place: str | None = None,
    licences: Mapping[str, tuple[str, ...]] | None = None,
    voxels: bool = False,
) -> tuple[PublishedFile, ...]:
    """Build the folder that publishes a version.

    Nothing is asked here about permission: :func:`connectome.pipelines.publish.publish` does that.

    Parameters
    ----------
    version : Version
        What to publish.
    destination : Path
        A folder that does not exist yet; it appears whole or not at all.
    place : str, optional
        Where it will lie (``hf://datasets/ORG/NAME``), for the examples in the card.
    licences : mapping, optional
        Record to licences, default what the sources state.
    voxels : bool
        Also write the stored numbers of volumes as rows. The record files hold them in any case.

    Returns
    -------
    tuple of PublishedFile
        Every file, sorted by path.

    Raises
    ------
    UsageError
        When the destination exists, the version has more records than a folder on the Hub may hold, or arrays of its
        records lie in other files.
    DamagedError
        When a record's file is not what the version says.
    MissingExtraError
        When the libraries of the extra ``publish`` are not installed.
    """
    _check_libraries()
    if destination.exists():
        raise UsageError("the folder exists", subject=str(destination), hint="name one that does not exist yet")
    if len(version) > MOST_IN_A_FOLDER:
        raise UsageError(
            "more records than the Hub takes in one folder",
            subject=version.spec,
            expected=f"{MOST_IN_A_FOLDER} at most",
            found=str(len(version)),
            hint="publish the store to an object store or a web server: copy its folder",
        )
    referring = [name for name, item in version.manifest.records.items() if item.recipe["params"].get("by_reference")]
    if referring:
        raise UsageError(
            "arrays of the records lie in files that are not published",
            subject=version.spec,
            found=", ".join(referring[:20]),
            hint="ingest them again without --references; the content stays the same",
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    work = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.tmp"
    work.mkdir()
    try:
        _fill(version, work, place, licences_of(version) if licences is None else licences, voxels=voxels)
        found = sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())
        files = tuple(describe_file(work, path) for path in found)
        work.rename(destination)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return files


def _fill(
    version: Version, work: Path, place: str | None, licences: Mapping[str, tuple[str, ...]], *, voxels: bool
) -> None:
    stored = _store(version, work)
    listed = [
        table for table in tables(version).values() if voxels or (table.kind, table.suffix) != ("volume", "voxels")
    ]
    written = write_tables(version, listed, work)
    by_licence = about_licences(licences)
    document = croissant(version, written, stored, licences=by_licence, place=place)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (work / "croissant.json").write_bytes(text.encode())
    (work / "README.md").write_bytes(card(version, written, licences=by_licence, place=place).encode())


def _store(version: Version, work: Path) -> list[PublishedFile]:
    """Lay down the store of one version; return its files but ``refs/latest``, which says nothing of its own."""
    folder = work / version.dataset
    files = []
    for receipt in version.manifest.records.values():
        _copy(version, receipt, folder / receipt.file)
        path = f"{version.dataset}/{receipt.file}"
        files.append(PublishedFile(path, receipt.size_bytes, receipt.file_sha256))
    for name, data in (
        (f"versions/{version.version}.json", version.manifest.to_bytes()),
        ("refs/latest", f"{version.version}\n".encode()),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return [*files, describe_file(work, f"{version.dataset}/versions/{version.version}.json")]


def _copy(version: Version, receipt: Receipt, target: Path) -> None:
    """Copy a record's file from wherever the store lies, hashing what is written."""
    source = version.repository.root.source(f"{version.dataset}/{receipt.file}")
    size = source.size()
    target.parent.mkdir(parents=True)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for start in range(0, size, BLOCK_BYTES):
            block = source.read(start, min(BLOCK_BYTES, size - start))
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != receipt.file_sha256:
        raise DamagedError(
            "a record's file is not what its version says; nothing was published",
            subject=receipt.record,
            place=source.name,
            expected=f"SHA-256 {receipt.file_sha256}",
            found=f"SHA-256 {digest.hexdigest()}",
            hint=f"connectome verify {version.spec}",
        )


def _check_libraries() -> None:
    try:
        import datasets  # noqa: F401 - wanted by the card
        import pyarrow.parquet  # noqa: F401 - wanted by the tables
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"publishing needs {error.name}", subject="publish", hint='pip install "connectome[publish]"'
        ) from error
