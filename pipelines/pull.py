"""Bringing a version from another store into the local one: only what is missing, every byte checked.

A file gets its name when its SHA-256 is what the version says, the version becomes visible when all its files are
here, and an interrupted pull goes on where it stopped, within a file too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from connectome.atomic import publish
from connectome.errors import ConflictError, DamagedError, FetchError, NotFoundError
from connectome.store import Repository
from connectome.store.canonical import file_sha256
from connectome.store.record import record_file

from .fetch.locks import Interrupted, exclusive

if TYPE_CHECKING:
    from connectome.store import Manifest, Receipt

__all__ = ["PullResult", "pull"]

BLOCK_BYTES = 8 << 20
"""Bytes asked for at a time; at most this much is asked for twice."""
ATTEMPTS = 5
PAUSE_S = 0.2
"""Pause after the first failed attempt; it doubles."""
AT_ONCE = 4
"""Files on their way at a time."""


class Listener(Protocol):
    """Told of every file by several threads; the ``Progress`` of :mod:`connectome.pipelines.fetch` is one."""

    def start(self, file: str, total: int | None) -> None:
        """Begin a file."""
        ...

    def advance(self, file: str, n_bytes: int) -> None:
        """Note that so many more bytes are here."""
        ...

    def done(self, file: str) -> None:
        """End the file."""
        ...


@dataclass(frozen=True)
class PullResult:
    """What a pull did."""

    dataset: str
    version: str
    digest: str
    copied: tuple[str, ...]
    """Records whose file was brought here."""
    reused: tuple[str, ...]
    """Records whose file was here already, and whole."""
    size_bytes: int
    """Bytes that were transferred."""
    created: bool
    """False when the version was here already."""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as the command line prints it with ``--json``."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "digest": self.digest,
            "copied": list(self.copied),
            "reused": list(self.reused),
            "bytes": self.size_bytes,
            "created": self.created,
        }


def pull(
    spec: str, source: str | Path, root: str | Path | None = None, *, progress: Listener | None = None
) -> PullResult:
    """Copy a version from another store.

    Parameters
    ----------
    spec : str
        ``NAME``, ``NAME@VERSION`` or ``NAME@TAG``, as the other store knows it.
    source : path or URL
        The other store: a folder, ``https://``, ``s3://``, ``gs://``, ``az://`` or ``hf://ORG/NAME``.
    root : path, optional
        The local store; default ``CONNECTOME_ROOT``, else the user's data folder.
    progress : Listener, optional
        Told of every file and of the bytes that arrive.

    Returns
    -------
    PullResult

    Raises
    ------
    NotFoundError
        When the other store has no such version.
    DamagedError
        When a file there is missing, short or altered; no version is made here then.
    FetchError
        When the other store does not answer; run the pull again to go on.
    ConflictError
        When the local store has other data under that version.
    """
    theirs, ours = Repository(source), Repository(root)
    dataset, version = theirs.resolve(spec)
    manifest = theirs.manifest(dataset, version)
    _check_conflict(ours, manifest)
    stop = threading.Event()
    transfer = _Transfer(theirs, ours, dataset, progress, stop)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {pool.submit(transfer.run, receipt): name for name, receipt in manifest.records.items()}
        try:
            done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        finally:
            # Also when the user interrupts: threads end at their next block, and what has arrived stays for later.
            failed = any(future.done() and future.exception() for future in waiting)
            if failed or not all(future.done() for future in waiting):
                stop.set()
                pool.shutdown(cancel_futures=True)
        errors = [future.exception() for future in sorted(done, key=waiting.__getitem__) if future.exception()]
        for error in errors:
            if error is not None and not isinstance(error, Interrupted):
                raise error
    moved = {name: future.result() for future, name in waiting.items()}
    created = ours.adopt(manifest)
    return PullResult(
        dataset=dataset,
        version=version,
        digest=manifest.digest,
        copied=tuple(name for name in manifest.records if moved[name] is not None),
        reused=tuple(name for name in manifest.records if moved[name] is None),
        size_bytes=sum(n_bytes or 0 for n_bytes in moved.values()),
        created=created,
    )


def _check_conflict(ours: Repository, manifest: Manifest) -> None:
    """Refuse before anything is transferred what could not be published afterwards."""
    try:
        own = ours.manifest(manifest.dataset, manifest.version)
    except NotFoundError:
        return
    if own.digest != manifest.digest:
        raise ConflictError(
            "this store has other data under that version",
            subject=f"{manifest.dataset}@{manifest.version}",
            place=str(ours.path),
            expected=manifest.digest,
            found=own.digest,
            hint="use another --root for the data of others",
        )


@dataclass(frozen=True)
class _Transfer:
    """Brings record files, one per call."""

    theirs: Repository
    ours: Repository
    dataset: str
    progress: Listener | None
    stop: threading.Event

    def run(self, receipt: Receipt) -> int | None:
        """Bring one file; return the bytes transferred, None when the file was here."""
        target = record_file(self.ours.folder(self.dataset), receipt)
        if _is_whole(target, receipt):
            return None
        self._tell("start", receipt, receipt.size_bytes)
        staging = self.ours.staging / "pull"
        staging.mkdir(parents=True, exist_ok=True)
        part = staging / f"{receipt.file_sha256}.part"
        try:
            with exclusive(part.with_suffix(".lock"), stop=self.stop) as alone:
                if not alone:
                    part = part.with_suffix(f".{threading.get_native_id()}.part")
                if _is_whole(target, receipt):
                    return None
                n_bytes = self._fill(part, receipt)
                found = file_sha256(part)
                if found != receipt.file_sha256:
                    # Whatever is wrong with it, going on from it would be wrong too.
                    part.unlink()
                    raise DamagedError(
                        "the other store's file is not what its version says",
                        subject=receipt.record,
                        place=f"{self.theirs.root.name}/{self.dataset}/{receipt.file}",
                        expected=f"SHA-256 {receipt.file_sha256}",
                        found=f"SHA-256 {found}",
                        hint="tell its publisher; nothing was changed here",
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                part.chmod(0o444)
                publish(part, target)
                return n_bytes
        finally:
            self._tell("done", receipt)

    def _fill(self, part: Path, receipt: Receipt) -> int:
        """Append to a partial file until it has its length; return the bytes transferred."""
        source = self.theirs.root.source(f"{self.dataset}/{receipt.file}")
        size = self._patiently(source.size)
        if size != receipt.size_bytes:
            raise DamagedError(
                "the other store's file does not have its length",
                subject=receipt.record,
                place=source.name,
                expected=f"{receipt.size_bytes} bytes",
                found=f"{size} bytes",
                hint="tell its publisher; nothing was changed here",
            )
        start = part.stat().st_size if part.is_file() else 0
        if start > size:
            part.unlink()
            start = 0
        self._tell("advance", receipt, start)
        transferred = 0
        with part.open("ab") as file:
            for at in range(start, size, BLOCK_BYTES):
                if self.stop.is_set():
                    raise Interrupted
                length = min(BLOCK_BYTES, size - at)
                file.write(self._patiently(partial(source.read, at, length)))
                transferred += length
                self._tell("advance", receipt, length)
        return transferred

    def _patiently(self, read: Callable[[], Any]) -> Any:
        """Try again while the other side does not answer."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return read()
            except FetchError:
                if attempt == ATTEMPTS or self.stop.wait(PAUSE_S * 2 ** (attempt - 1)):
                    raise
        raise AssertionError("unreachable")

    def _tell(self, what: str, receipt: Receipt, *values: int) -> None:
        if self.progress is not None:
            getattr(self.progress, what)(receipt.record, *values)


def _is_whole(file: Path, receipt: Receipt) -> bool:
    # Hashed, not only measured: a pull is also the cure for a file that was altered here.
    return file.is_file() and file.stat().st_size == receipt.size_bytes and file_sha256(file) == receipt.file_sha256
