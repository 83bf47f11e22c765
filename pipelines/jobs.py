"""The values that travel through an ingest, all frozen: files, jobs, rejections, receipts.

A source lists :class:`RemoteFile`; fetching turns them into :class:`RawFile`; discovery turns those into a
:class:`Discovery` of :class:`Job` and :class:`Rejected`, in which every file is accounted for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from connectome.errors import NotFoundError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Discovery", "Expected", "Job", "RawFile", "RawFiles", "Rejected", "RemoteFile", "Source"]


@dataclass(frozen=True)
class RemoteFile:
    """A raw file as its publisher offers it."""

    path: str
    """Relative POSIX path under which the file is known here and in a mirror."""
    url: str
    """``https://...``, ``file://...`` or ``pypi:NAME==VERSION#PATH``."""
    size_bytes: int | None = None
    sha256: str | None = None
    """Lower-case hex. A file without any checksum is accepted on first use and recorded as unverified."""
    md5: str | None = None
    licence: str | None = None
    """SPDX id, or the catalogue's word for what the publisher states."""
    records: tuple[str, ...] = ()
    """Records that need this file; empty when all records of the source do."""
    optional: bool = False
    """Whether records can be made without it. One without a checksum may be missing, and the census says so; for the
    others an ingest has to be told to go on without them."""
    signal: bool = False
    """Whether it holds samples of a recording, whose record can be made of the tables alone: an ingest leaves it where
    it is unless it is asked for (``--signals``), by the user or by the source (``signals_by_default``)."""
    pattern: bool = False
    """Whether ``path`` stands for all files that it matches (``leifer2023/*_t.txt``; ``*`` goes through folders too),
    because the publisher offers them only together, in an archive or behind a page. They are taken from a folder given
    as mirror, as they lie there; ``url`` says where to get them. That there are none never stops an ingest."""


@dataclass(frozen=True)
class RawFile:
    """A raw file that is here and whose bytes are known."""

    path: str
    """The same relative path as its :class:`RemoteFile`."""
    local: Path
    size_bytes: int
    sha256: str
    verified: bool = True
    """False when the publisher gives no checksum to compare with."""
    whole: bool = True
    """False when the file lies elsewhere and is read by ranges: ``local`` then stands for it, and ``sha256`` is what
    the publisher promises, compared with nothing."""


@dataclass(frozen=True)
class Rejected:
    """A file, or a part of one, that was seen and not used."""

    file: str
    reason: str
    kind: str
    """Kind of the error that would be raised (``format``, ``truncated``, ...), ``unavailable``, ``not-data``, or
    ``not-asked`` of signals that could be had."""

    def as_dict(self) -> dict[str, str]:
        """Return the rejection as it is stored in a version."""
        return {"file": self.file, "reason": self.reason, "kind": self.kind}


class RawFiles(Mapping[str, RawFile]):
    """The raw files of one source by relative path, in sorted order."""

    def __init__(self, files: Sequence[RawFile]) -> None:
        self._files = {file.path: file for file in sorted(files, key=lambda file: file.path)}

    def __getitem__(self, path: str) -> RawFile:
        if path not in self._files:
            raise NotFoundError("a raw file is not here", subject=path, hint="fetch it, or look for it in a --mirror")
        return self._files[path]

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Any:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True)
class Job:
    """One record to make."""

    source: str
    record: str
    """Id of the record, unique in its dataset: letters, digits, ``.``, ``_`` and ``-``."""
    inputs: tuple[RawFile, ...]
    """Every file whose bytes the record depends on, sorted by path."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What else it depends on (JSON values)."""

    def local(self, path: str) -> Path:
        """Return where an input lies."""
        for raw in self.inputs:
            if raw.path == path:
                return raw.local
        raise NotFoundError("not an input of this job", subject=path, place=self.record)


@dataclass(frozen=True)
class Discovery:
    """What a source makes of its raw files. Every file is an input of a job, rejected, or both."""

    jobs: tuple[Job, ...]
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What must be true of a source's records: record id to group path to fact to value.

    Facts are those of :func:`connectome.schema.measure`, by nested keys; only those listed are compared.
    """

    records: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    n_records: int | None = None
    optional: frozenset[str] = frozenset()
    """Records that need not be made, because few have their files; those that are must meet their facts."""

    @property
    def promised(self) -> set[str]:
        """Records that an ingest must make."""
        return set(self.records) - self.optional

    def as_json(self) -> str:
        """Return a canonical text of the expectation."""
        return json.dumps({"records": self.records, "n_records": self.n_records}, sort_keys=True)


class Source(Protocol):
    """An adapter for one public origin of raw files, in one module of ``pipelines/sources``."""

    id: str
    version: str
    """To be raised by any change of what ``read`` returns; golden digests in the tests enforce it."""
    dataset: str

    def files(self) -> Sequence[RemoteFile]:
        """List every raw file of the source."""
        ...

    def discover(self, raw: RawFiles) -> Discovery:
        """Turn the files at hand into jobs and rejections, without reading more than is needed to tell them apart."""
        ...

    def read(self, job: Job) -> xr.DataTree:
        """Read the inputs of a job into a record: a format reader, then names, units, joins, known defects."""
        ...

    def expected(self) -> Expected:
        """Return the published facts that an ingest must meet."""
        ...
