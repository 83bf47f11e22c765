"""The files of any dataset of OpenNeuro by its accession, as the bucket that publishes it lists them.

The list is that of the latest version, with sizes; the ETag of a file that was laid there in one piece is its MD5, that
of a file laid there in parts is no checksum of its bytes. :func:`remote_files` makes what :func:`~..fetch.fetch`
brings, from the bucket or a mirror; :func:`stage_tree` lays out a folder that ``connectome import bids`` reads.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as ET

from connectome.atomic import publish, temporary, write_replace
from connectome.errors import ConflictError, FetchError, FormatError, NotFoundError, UsageError
from connectome.store.canonical import file_sha256

from ..formats.bids.listed import INDEX
from ..jobs import RemoteFile

if TYPE_CHECKING:
    from ..fetch import Fetched, Progress

__all__ = ["ADDRESS", "Published", "check_no_accession", "list_published", "remote_files", "stage_tree"]

ADDRESS = "https://s3.amazonaws.com/openneuro.org"
HOW_TO = "docs/how-to/import-your-own-files.md#an-openneuro-dataset-by-its-accession"
MOST_PAGES = 10_000
TABLES = (".json", ".tsv", ".bval", ".bvec")
"""Endings of what says something of data; such files are small."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_SUBJECT = re.compile(r"sub-[0-9A-Za-z]+")


class Published:
    """One file of a dataset as the bucket lists it."""

    __slots__ = ("md5", "path", "size_bytes")

    def __init__(self, path: str, size_bytes: int, md5: str | None) -> None:
        self.path, self.size_bytes, self.md5 = path, size_bytes, md5


@lru_cache(maxsize=8)
def list_published(accession: str, at: str) -> tuple[Published, ...]:
    """Return the files of a dataset, sorted by path.

    Raises
    ------
    UsageError
        When it is no accession.
    NotFoundError
        When the bucket has no such dataset.
    FetchError, FormatError
        When the list cannot be had, or is none.
    """
    if re.fullmatch(r"ds\d{6}", accession) is None:
        raise UsageError("not an accession of OpenNeuro", subject=accession, expected="ds and six digits")
    found = [item for page in _pages(accession, at) for item in page]
    if not found:
        raise NotFoundError("OpenNeuro has no such dataset", subject=accession, hint=f"look at {ADDRESS}/{accession}")
    return tuple(sorted(found, key=lambda item: item.path))


def _pages(accession: str, at: str) -> Iterator[list[Published]]:
    import httpx

    from ..fetch.http import open_client

    token = ""
    with open_client(timeout_s=60, max_connections=1) as client:
        for _ in range(MOST_PAGES):
            url = f"{at}/?list-type=2&prefix={accession}/"
            if token:
                url += f"&continuation-token={quote(token, safe='')}"
            try:
                answer = client.get(url)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise FetchError(
                    "the list of files cannot be had", subject=accession, place=at, found=str(error)[:200],
                    hint="fetch it elsewhere and use connectome import bids FOLDER",
                ) from error  # fmt: skip
            page, token = _parsed(answer.content, accession)
            yield page
            if not token:
                return
    raise FormatError("the list of files has no end", subject=accession)


def _parsed(content: bytes, accession: str) -> tuple[list[Published], str]:
    """Return the files of one page and the token of the next."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise FormatError("a list of files that declares entities", subject=accession)
    try:
        root = ET.fromstring(content)  # noqa: S314 - entities were refused above
    except ET.ParseError as error:
        raise FormatError("not a list of files", subject=accession, found=str(error)) from error
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    if root.tag != f"{space}ListBucketResult":
        raise FormatError("not a list of files", subject=accession, found=root.tag[:80])
    found = []
    for item in root.findall(f"{space}Contents"):
        key, size = item.findtext(f"{space}Key", ""), item.findtext(f"{space}Size", "")
        path = key.removeprefix(f"{accession}/")
        if path == key or not size.isdecimal() or ".." in PurePosixPath(path).parts or path.startswith("/"):
            raise FormatError("not an entry of the list", subject=accession, found=f"{key[:120]!r}, {size[:20]!r}")
        if not path or path.endswith("/"):
            continue
        tag = item.findtext(f"{space}ETag", "").strip('"')
        found.append(Published(path, int(size), tag if _MD5.fullmatch(tag) else None))
    return found, root.findtext(f"{space}NextContinuationToken", "")


def remote_files(accession: str, published: Sequence[Published], *, licence: str, at: str) -> list[RemoteFile]:
    """Return the raw files of recordings, each with its subject in the place of its record."""
    found = []
    for item in published:
        parts = PurePosixPath(item.path).parts
        subject = parts[0] if _SUBJECT.fullmatch(parts[0]) else ""
        if (len(parts) > 1 and not subject) or ("anat" in parts or "func" in parts or "dwi" in parts):
            continue
        found.append(
            RemoteFile(
                f"openneuro_{accession}/{item.path}", f"{at}/{accession}/{quote(item.path)}", item.size_bytes,
                md5=item.md5, licence=licence, records=(subject,) if subject else (), optional=True,
            )
        )  # fmt: skip
    return found


def stage_tree(
    accession: str,
    folder: Path,
    *,
    cache: Path,
    data: str | None = None,
    at: str = ADDRESS,
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
        Where the bucket is.
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
        As for :func:`list_published` and :func:`~..fetch.fetch`.
    """
    from ..fetch import fetch

    published = [
        item for item in list_published(accession, at)
        if item.path != INDEX and not any(part.startswith(".") for part in PurePosixPath(item.path).parts)
    ]  # fmt: skip
    strange = next((item.path for item in published if not item.path.isprintable()), None)
    if strange is not None:
        raise FormatError("a name that is no plain text", subject=accession, place=repr(strange[:200]))
    globs = [glob.strip() for glob in data.split(",")] if data else []
    for glob in globs:
        if not any(fnmatchcase(item.path, glob) for item in published):
            raise NotFoundError("no file of the dataset matches", subject=accession, found=glob)
    wanted = {
        item.path: RemoteFile(
            f"openneuro_{accession}/{item.path}", f"{at}/{accession}/{quote(item.path)}", item.size_bytes, md5=item.md5
        )
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


def check_no_accession(dataset: str) -> None:
    """Raise :class:`~connectome.errors.UsageError` when a dataset's name is an accession: those are imported.

    What the bucket holds is the latest version, whichever that is, and no list of it is kept here: nothing could be
    planned without asking the network, nor be told from what was published yesterday.
    """
    if re.fullmatch(r"openneuro-ds\d{6}", dataset):
        accession = dataset.removeprefix("openneuro-")
        raise UsageError(
            "a dataset of OpenNeuro that is not in the catalogue is staged and imported, not planned",
            subject=dataset, expected="a dataset of the catalogue",
            hint=f"stage {accession} as a folder, then: connectome import bids FOLDER --dataset {dataset} ({HOW_TO})",
        )  # fmt: skip
