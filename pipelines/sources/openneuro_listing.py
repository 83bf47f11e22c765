"""Which files a dataset of OpenNeuro has, by its accession: listed once, and kept beside the dataset's versions.

The bucket that publishes OpenNeuro lists the latest version of a dataset, with sizes; the ETag of a file that was laid
there in one piece is its MD5, that of a file laid there in parts is no checksum of its bytes (Amazon S3,
"ListObjectsV2" and "Checking object integrity"). What was listed is kept as ``<root>/<dataset>/listing.json``, so that
an ingest that goes on, or is run again, means the same files although the bucket may hold a newer version by then.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from connectome.atomic import write_exclusive, write_replace
from connectome.errors import ConflictError, DamagedError, FetchError, FormatError, NotFoundError, UsageError
from connectome.store.canonical import json_digest

from ..fetch.checks import safe_relative
from ..fetch.patience import Patience
from ..formats.bids.listed import INDEX, read_index, with_listed
from ..formats.bids.tree import scan
from ..jobs import RemoteFile

if TYPE_CHECKING:
    import httpx

__all__ = [
    "ADDRESS",
    "Listing",
    "Published",
    "keep_listing",
    "kept_listing",
    "list_folder",
    "list_published",
    "visible_files",
]

ADDRESS = "https://s3.amazonaws.com/openneuro.org"
FILE = "listing.json"
MOST_PAGES = 10_000
MOST_PAGE_BYTES = 16 << 20
"""A page of S3 names at most 1000 files, each in 1024 bytes at most."""
MOST_PART_BYTES = 255
"""Longest name that the file systems in use take."""
BUCKET, COPY = "bucket", "copy"
_MD5 = re.compile(r"[0-9a-f]{32}")
_PASSING = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Published:
    """One file of a dataset as it is listed."""

    path: str
    """Relative to the root of the dataset."""
    size_bytes: int | None
    """None where a copy only points to the file and does not say."""
    md5: str | None = None
    sha256: str | None = None
    duration_s: float | None = None
    """Of a recording, and its rate, where a list that came with a copy says so."""
    rate_hz: float | None = None

    def row(self) -> list[str | float | None]:
        """Return all that is known, in the order of the fields."""
        return [self.path, self.size_bytes, self.md5, self.sha256, self.duration_s, self.rate_hz]


@dataclass(frozen=True)
class Listing:
    """The files of a dataset at one time."""

    accession: str
    address: str
    """Where the files are: the bucket."""
    origin: str
    """``bucket``, or ``copy`` where a folder was listed."""
    listed_at: str
    """UTC."""
    changed_at: str
    """When the newest of the files was laid into the bucket; empty where that is not known."""
    files: tuple[Published, ...]
    """Sorted by path."""

    @cached_property
    def sha256(self) -> str:
        """Digest of paths, sizes, checksums and lengths: of what is listed, not of when."""
        rows = [file.row() for file in self.files]
        return json_digest([self.accession, rows])

    def remote(self, file: Published, *, records: tuple[str, ...] = (), signal: bool = False) -> RemoteFile:
        """Return one of the files as a raw file, to be had from the bucket or a mirror."""
        return RemoteFile(
            f"openneuro_{self.accession}/{file.path}", f"{self.address}/{self.accession}/{quote(file.path)}",
            file.size_bytes, file.sha256, file.md5, records=records, optional=signal, signal=signal,
        )  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Return what a version says of the list that it was made from."""
        return {
            "accession": self.accession,
            "address": self.address,
            "origin": self.origin,
            "listed_at": self.listed_at,
            "changed_at": self.changed_at,
            "n_files": len(self.files),
            "bytes": sum(file.size_bytes or 0 for file in self.files),
            "sha256": self.sha256,
        }

    def to_bytes(self) -> bytes:
        """Return the list as it is kept."""
        document = {**vars(self), "files": [file.row() for file in self.files], "sha256": self.sha256}
        return json.dumps(document, indent=0).encode()


def list_published(accession: str, at: str = "", *, patience: Patience | None = None) -> Listing:
    """List a dataset in the bucket.

    Parameters
    ----------
    accession : str
        ``ds`` and six digits.
    at : str
        Where the bucket is; default :data:`ADDRESS`.
    patience : Patience, optional
        Timeouts and retries.

    Returns
    -------
    Listing

    Raises
    ------
    UsageError
        When it is no accession.
    NotFoundError
        When the bucket has no such dataset.
    FetchError
        When the list cannot be had.
    FormatError
        When it is none, has a file twice, or stops short of its end.
    UnsafeError
        When a file would not lie below the dataset's folder.
    """
    check_accession(accession)
    at = at or ADDRESS
    found: list[Published] = []
    changed = ""
    for files, newest in _pages(accession, at, patience or Patience(retries=2)):
        found += files
        changed = max(changed, newest)
    if not found:
        raise NotFoundError("OpenNeuro has no such dataset", subject=accession, hint=f"look at {at}/{accession}")
    return _listing(accession, at, BUCKET, changed, found)


def list_folder(accession: str, folder: Path) -> Listing:
    """List a copy of a dataset: its files, pointers to files that were not fetched, and rows of ``annex_index.tsv``.

    Raises
    ------
    FormatError
        When the list beside the files is none.
    """
    check_accession(accession)
    tree = scan(folder)
    index = folder / INDEX
    rows = read_index(index) if index.is_file() else {}
    found = []
    for file in with_listed(tree, rows).files:
        row, pointer = rows.get(file.path), file.pointer
        told = (None, None) if row is None else (row.duration_s, row.rate_hz)
        if pointer is None and file.path != INDEX:
            found.append(Published(file.path, file.size_bytes, None, None, *told))
        elif pointer is not None and pointer.system != "folder":
            size = None if pointer.size_bytes is None else int(pointer.size_bytes)
            found.append(Published(file.path, size, pointer.md5, pointer.sha256, *told))
    if not found:
        raise NotFoundError("there is no file in the copy", subject=accession, place=str(folder))
    return _listing(accession, ADDRESS, COPY, "", found)


def visible_files(listing: Listing) -> list[Published]:
    """Return the files but for those of version control, and the list that a copy may bring along."""
    hidden = re.compile(r"(^|/)\.")
    return [file for file in listing.files if file.path != INDEX and not hidden.search(file.path)]


def check_accession(text: str) -> None:
    """Raise :class:`~connectome.errors.UsageError` unless a text is an accession."""
    if re.fullmatch(r"ds[0-9]{6}", text) is None:
        raise UsageError("not an accession of OpenNeuro", subject=text, expected="ds and six digits")


def kept_listing(folder: Path, accession: str) -> Listing | None:
    """Return the list that is kept in a dataset's folder; None where there is none.

    Raises
    ------
    DamagedError
        When it is not as it was written.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        document: Mapping[str, Any] = json.loads(path.read_bytes())
        texts = {name: str(document[name]) for name in ("accession", "address", "origin", "listed_at", "changed_at")}
        listing = Listing(**texts, files=tuple(Published(*row) for row in document["files"]))
        whole = document["sha256"] == listing.sha256 and listing.accession == accession
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DamagedError(
            "the list of files is not as it was written", subject=accession, place=str(path),
            hint="make it anew with --relist",
        )  # fmt: skip
    _checked(accession, listing.files)
    return listing


def keep_listing(folder: Path, listing: Listing, *, replace: bool = False) -> Listing:
    """Keep a list in a dataset's folder, and return the one that is kept: where another was first, that one."""
    if replace:
        write_replace(folder / FILE, listing.to_bytes())
        return listing
    try:
        write_exclusive(folder / FILE, listing.to_bytes())
    except ConflictError:
        return kept_listing(folder, listing.accession) or listing
    return listing


def _listing(accession: str, at: str, origin: str, changed: str, files: list[Published]) -> Listing:
    ordered = tuple(sorted(files, key=lambda item: item.path))
    _checked(accession, ordered)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Listing(accession, at, origin, now, changed, ordered)


def _checked(accession: str, files: tuple[Published, ...]) -> None:
    """Refuse names under which files cannot lie side by side below one folder."""
    names: set[str] = set()
    folders: set[str] = set()
    for file in files:
        parts = safe_relative(file.path, subject=accession).parts
        if not file.path.isprintable() or max(len(part.encode("utf-8", "replace")) for part in parts) > MOST_PART_BYTES:
            raise FormatError("a name that no file can have", subject=accession, place=repr(file.path[:200]))
        if file.path in names:
            raise FormatError(
                "a file is listed twice", subject=accession, place=file.path,
                hint="the dataset may have changed while it was listed; run the command again",
            )  # fmt: skip
        names.add(file.path)
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    both = sorted(names & folders)
    if both:
        raise FormatError("a name is listed as a file and as a folder", subject=accession, place=both[0])


def _pages(accession: str, at: str, patience: Patience) -> Iterator[tuple[list[Published], str]]:
    from ..fetch.http import open_client

    token, seen = "", set()
    with open_client(timeout_s=patience.timeout_s, max_connections=1) as client:
        for _ in range(MOST_PAGES):
            url = f"{at}/?list-type=2&prefix={accession}/"
            if token:
                url += f"&continuation-token={quote(token, safe='')}"
            content = _content(client, url, accession, at, patience)
            files, newest, token = _parsed(content, accession)
            yield files, newest
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
    raise FormatError("the list of files has no end", subject=accession)


def _content(
    client: httpx.Client, url: str, accession: str, at: str, patience: Patience,
    wait: Callable[[float], None] = time.sleep,
) -> bytes:  # fmt: skip
    """Return one page, asking again where the failure may be of the moment."""
    import httpx

    for attempt in range(patience.retries + 1):
        try:
            return _asked(client, url, accession)
        except httpx.HTTPError as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            if attempt < patience.retries and (status is None or status in _PASSING):
                wait(min(patience.first_delay_s * 2**attempt, patience.longest_delay_s))
                continue
            raise FetchError(
                "the list of files cannot be had", subject=accession, place=at,
                found=str(error)[:200] or type(error).__name__,
                hint="run it where there is a network; or lay a copy of the dataset, made elsewhere, as "
                f"FOLDER/openneuro_{accession} and give --mirror FOLDER",
            ) from error  # fmt: skip
    raise AssertionError  # the last attempt returned or raised


def _asked(client: httpx.Client, url: str, accession: str) -> bytes:
    with client.stream("GET", url) as answer:
        answer.raise_for_status()
        content = bytearray()
        for block in answer.iter_bytes():
            content += block
            if len(content) > MOST_PAGE_BYTES:
                raise FormatError("not a list of files", subject=accession, found=f"over {MOST_PAGE_BYTES} bytes")
    return bytes(content)


def _parsed(content: bytes, accession: str) -> tuple[list[Published], str, str]:
    """Return the files of one page, when the newest of them was laid there, and the token of the next page."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise FormatError("a list of files that declares entities", subject=accession)
    try:
        root = ET.fromstring(content)  # noqa: S314 - entities were refused above
    except ET.ParseError as error:
        raise FormatError("not a list of files", subject=accession, found=str(error)) from error
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    if root.tag != f"{space}ListBucketResult":
        raise FormatError("not a list of files", subject=accession, found=root.tag[:80])
    found, newest = [], ""
    for item in root.findall(f"{space}Contents"):
        key, size = item.findtext(f"{space}Key", ""), item.findtext(f"{space}Size", "")
        path = key.removeprefix(f"{accession}/")
        if path == key or not (size.isascii() and size.isdecimal()):
            raise FormatError("not an entry of the list", subject=accession, found=f"{key[:120]!r}, {size[:20]!r}")
        if not path or (path.endswith("/") and int(size) == 0):
            continue
        tag = item.findtext(f"{space}ETag", "").strip('"')
        found.append(Published(path, int(size), tag if _MD5.fullmatch(tag) else None))
        newest = max(newest, _moment(item.findtext(f"{space}LastModified", "")))
    token = root.findtext(f"{space}NextContinuationToken", "")
    if root.findtext(f"{space}IsTruncated", "") == "true" and not token:
        raise FormatError("the list of files stops short of its end", subject=accession)
    return found, newest, token


def _moment(text: str) -> str:
    """Return a time as it stands there; nothing where it is none."""
    return text if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text, re.ASCII) else ""
