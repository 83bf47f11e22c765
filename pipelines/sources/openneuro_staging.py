"""A dataset of OpenNeuro as a folder, by its accession: for its images, and for whoever wants the tree.

Recordings need none: ``connectome ingest openneuro-dsNNNNNN`` makes their records (:mod:`.openneuro_accession`).
"""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.atomic import publish, temporary, write_replace
from connectome.errors import ConflictError, NotFoundError
from connectome.store.canonical import file_sha256

from ..formats.bids.listed import INDEX
from .openneuro_listing import list_published, visible_files

if TYPE_CHECKING:
    from ..fetch import Fetched, Progress

__all__ = ["stage_tree"]

TABLES = (".json", ".tsv", ".bval", ".bvec")
"""Endings of what says something of data; such files are small."""


def stage_tree(
    accession: str,
    folder: Path,
    *,
    cache: Path,
    data: str | None = None,
    at: str = "",
    progress: Progress | None = None,
) -> Fetched:
    """Lay out a dataset as a folder for ``connectome import bids``: its tables, and the data that are asked for.

    All other files are rows of ``annex_index.tsv`` at the root, with their sizes and, where the bucket states them,
    their MD5, so that an import says of them that they are not here. Files whose names, or whose folders' names, begin
    with a dot are left out. Running it again with other ``data`` adds to the folder.

    Parameters
    ----------
    accession : str
        ``ds`` and six digits.
    folder : Path
        The root of the tree; made where it is missing.
    cache : Path
        ``Repository(...).raw``: what is there is not fetched again.
    data : str, optional
        Globs on paths in the dataset, separated by commas (``sub-01/*,*_T1w.nii.gz``; ``*`` goes through folders too).
    at : str
        Where the bucket is; default :data:`~.openneuro_listing.ADDRESS`.
    progress : Progress, optional
        Told how far each file is.

    Returns
    -------
    Fetched
        ``RawFile.verified`` is False for files that were laid there in parts: there is nothing to compare them with.

    Raises
    ------
    ConflictError
        When other bytes lie in the folder already.
    NotFoundError
        When a glob matches no file of the dataset.
    UsageError, NotFoundError, FetchError, FormatError
        As for :func:`~.openneuro_listing.list_published` and :func:`~..fetch.fetch`.
    """
    from ..fetch import fetch

    listing = list_published(accession, at)
    published = visible_files(listing)
    globs = [glob.strip() for glob in data.split(",")] if data else []
    for glob in globs:
        if not any(fnmatchcase(item.path, glob) for item in published):
            raise NotFoundError("no file of the dataset matches", subject=accession, found=glob)
    wanted = {
        item.path: listing.remote(item)
        for item in published
        if "/" not in item.path or item.path.endswith(TABLES) or any(fnmatchcase(item.path, glob) for glob in globs)
    }
    fetched = fetch(list(wanted.values()), cache, progress=progress)
    for path, raw in zip(wanted, fetched.files, strict=True):
        _lay(raw.local, folder / path, raw.sha256)
    rows = [
        f"{item.path}\t{item.size_bytes}\t{item.md5 or 'n/a'}"
        for item in published
        if not (folder / item.path).is_file()
    ]
    write_replace(folder / INDEX, "\n".join(["path\tbytes\tmd5", *rows, ""]).encode())
    return fetched


def _lay(local: Path, target: Path, sha256: str) -> None:
    """Copy a file of the cache to its place in a tree: whoever edits the tree must not change the cache."""
    if target.is_file():
        if file_sha256(target) != sha256:
            raise ConflictError("other bytes lie there already", subject=str(target), hint="stage into an empty folder")
        return
    with temporary(target) as partial:
        shutil.copyfile(local, partial)
        publish(partial, target)
