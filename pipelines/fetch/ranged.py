"""The raw files of a source, read by ranges where they lie: one request each to see that it is there.

What the publisher promises of a file's length is compared; its checksum cannot be, so the file counts as not verified
and not whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from connectome.errors import ChecksumError, ConnectomeError, UsageError

from ..jobs import RawFile, Rejected, RemoteFile
from .checks import redacted
from .gather import Fetched
from .mirror import UrlMirror, open_mirror
from .ranges import RangedFile, is_url

if TYPE_CHECKING:
    from .patience import Patience

__all__ = ["fetch_ranges", "read_by_ranges"]


def fetch_ranges(
    files: Sequence[RemoteFile], *, mirror: str | Path | None = None, patience: Patience | None = None
) -> Fetched:
    """Return raw files whose ``local`` is a :class:`~connectome.pipelines.fetch.ranges.RangedFile`.

    Parameters
    ----------
    files : sequence of RemoteFile
        What a source asks for.
    mirror : str, optional
        An ``http(s)://`` address with staged copies.
    patience : Patience, optional
        Timeouts and retries.

    Raises
    ------
    UsageError
        When a file is not offered over HTTP.
    FetchError, NotFoundError
        When a required file cannot be had; ``ChecksumError`` when it is not as long as promised.
    """
    staged = open_mirror(mirror) if mirror is not None else None
    found: list[RawFile] = []
    missing: list[Rejected] = []
    n_bytes = 0
    for remote in files:
        url = staged.url(remote) if isinstance(staged, UrlMirror) else remote.url
        if (staged is not None and not isinstance(staged, UrlMirror)) or not is_url(url):
            raise UsageError(
                "only what a web server has is read by ranges", subject=remote.path, place="--remote ranges",
                expected="http(s)://...", found=redacted(str(mirror or url)),
            )  # fmt: skip
        file = RangedFile(url, path=remote.path, patience=patience)
        try:
            size = file.size()
            if remote.size_bytes not in (None, size):
                raise ChecksumError(
                    "the bytes are not those that were promised (size)", subject=remote.path, place=str(file),
                    expected=f"{remote.size_bytes} bytes", found=f"{size} bytes",
                )  # fmt: skip
        except ConnectomeError as error:
            if not remote.optional:
                raise
            missing.append(Rejected(remote.path, str(error), "unavailable"))
            continue
        n_bytes += file.bytes_fetched
        local = cast("Path", file)  # readers that take ranges are the only ones that see it
        found.append(RawFile(remote.path, local, size, remote.sha256 or "", verified=False, whole=False))
    return Fetched(tuple(found), tuple(missing), n_bytes)


def read_by_ranges(raw: RawFile) -> RangedFile | None:
    """Return what stands for a raw file that lies elsewhere; None for one that is here."""
    local: object = raw.local
    return local if isinstance(local, RangedFile) else None
