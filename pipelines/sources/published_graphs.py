"""What sources of published graphs share: how a record is declared, found among the raw files, and described.

A source declares files and records; every record names its files by role. What differs between sources is how a record
is read; where the publisher offers files under names that are not known before, the source overrides ``discover``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError

from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Check", "Files", "GraphSource", "PublishedGraph", "begins_as", "github", "has_md5"]

Files = Mapping[str, Path]
"""Role to where the file lies; roles of optional files that are not here are absent."""
Check = Callable[[RawFile], Rejected | None]
"""Says why a file is not the one that is meant, or nothing."""


@dataclass(frozen=True)
class PublishedGraph:
    """One record, as a source declares it."""

    record: str
    title: str
    files: Mapping[str, str]
    """Role to the path of a raw file that the record cannot be made without."""
    read: Callable[[Files], xr.DataTree]
    optional: Mapping[str, str] = field(default_factory=dict)
    """Role to the path of a raw file that is joined where it is here."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the record beside those of the source."""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Published facts by path of the group."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What the record depends on beside the bytes of its files."""


def github(
    path: str,
    repository: str,
    commit: str,
    file: str,
    *,
    size: int | None,
    sha256: str | None,
    licence: str,
    records: tuple[str, ...] = (),
    optional: bool = False,
) -> RemoteFile:
    """Declare a file of a repository at a commit.

    Parameters
    ----------
    path : str
        Under which the file is known here.
    repository, commit, file : str
        ``owner/name``, the commit or tag, and the path in the repository.
    size, sha256, licence, records, optional
        As for :class:`~connectome.pipelines.jobs.RemoteFile`.
    """
    url = f"https://raw.githubusercontent.com/{repository}/{commit}/{file}"
    return RemoteFile(path, url, size, sha256, licence=licence, records=records, optional=optional)


def begins_as(fits: Callable[[Path], bool]) -> Check:
    """Make a check of the first bytes."""

    def check(file: RawFile) -> Rejected | None:
        return None if fits(file.local) else Rejected(file.path, "a file of another layout", "format")

    return check


def has_md5(md5: str) -> Check:
    """Make a check of the bytes of a file that may be missing: one that is listed with a checksum may not."""

    def check(file: RawFile) -> Rejected | None:
        with file.local.open("rb") as stream:
            found = hashlib.file_digest(stream, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
        if found == md5:
            return None
        return Rejected(
            file.path, f"the bytes are not those of the publisher: md5 {found} instead of {md5}", "checksum"
        )

    return check


class GraphSource:
    """A source whose records are graphs; subclasses declare, and little else."""

    id: str
    version: str
    dataset: str
    raw_files: tuple[RemoteFile, ...]
    graphs: tuple[PublishedGraph, ...]
    about: Mapping[str, Any]
    """Attributes of every record: ``species``, ``citation``, ``doi``, ``licence``."""
    rejected: tuple[Rejected, ...] = ()
    """Files, or parts ``FILE#PART``, that are not used and why; told when the file is there."""
    checks: Mapping[str, Check] = {}
    """Path to how a file is told from another of its name, where the list of files has no checksum."""

    def files(self) -> Sequence[RemoteFile]:
        """List the raw files."""
        return self.raw_files

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job of every record whose files are here; a file whose records lack another is told so."""
        found = [check(raw[path]) for path, check in self.checks.items() if path in raw]
        rejected = [item for item in found if item is not None]
        strange = {item.file for item in rejected}
        raw = RawFiles([raw[path] for path in raw if path not in strange])
        jobs = [self.job(graph, raw) for graph in self.graphs if all(path in raw for path in graph.files.values())]
        used = {file.path for job in jobs for file in job.inputs}
        rejected += [item for item in self.rejected if item.file.partition("#")[0] in raw]
        told = {item.file for item in rejected}
        rejected += [
            Rejected(path, "the records that it is part of lack other files", "unavailable")
            for path in raw
            if path not in used | told
        ]
        return Discovery(tuple(jobs), tuple(rejected))

    def job(self, graph: PublishedGraph, raw: RawFiles) -> Job:
        """Make the job of a record from the files that are here."""
        paths = [*graph.files.values(), *(path for path in graph.optional.values() if path in raw)]
        return Job(self.id, graph.record, tuple(raw[path] for path in sorted(set(paths))), dict(graph.params))

    def graph(self, record: str) -> PublishedGraph:
        """Return the declaration of a record."""
        for graph in self.graphs:
            if graph.record == record:
                return graph
        raise NotFoundError("no such record", subject=record, place=self.id)

    def read(self, job: Job) -> xr.DataTree:
        """Read a record and say what it is."""
        graph = self.graph(job.record)
        here = {item.path: item.local for item in job.inputs}
        files = {role: here[path] for role, path in {**graph.files, **graph.optional}.items() if path in here}
        return self.described(graph.read(files), graph, job)

    def described(self, tree: xr.DataTree, graph: PublishedGraph, job: Job) -> xr.DataTree:
        """Add the attributes of source and record to what a reader gave."""
        tree.attrs.update(
            {"title": graph.title, "source": self.id, **self.about, **graph.attrs},
            data_file=", ".join(item.path for item in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return the published facts of every record."""
        return Expected({graph.record: dict(graph.facts) for graph in self.graphs if graph.facts})
