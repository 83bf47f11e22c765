"""The files of any dataset of OpenNeuro by its accession, as the bucket that publishes it lists them.

The list is that of the latest version, with sizes; the ETag of a file that was laid there in one piece is its MD5, that
of a file laid there in parts is no checksum of its bytes. :func:`remote_files` makes what :func:`~..fetch.fetch`
brings, from the bucket or a mirror; ``connectome import bids`` reads the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import quote
from xml.etree import ElementTree as ET

from connectome.errors import FetchError, FormatError, NotFoundError, UsageError

from ..jobs import RemoteFile

__all__ = ["ADDRESS", "Published", "list_published", "remote_files"]

ADDRESS = "https://s3.amazonaws.com/openneuro.org"
MOST_PAGES = 10_000
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
