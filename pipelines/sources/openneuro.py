"""Cohorts of OpenNeuro with anatomical images: what such sources share.

A source names its accession and commit, the tables with their checksums, and a listing of the anatomical part of its
tree with sizes and SHA-256 (git-annex keys). Sidecars come in an archive that GitHub makes anew for every request, so
each is checked against the listing instead. The record of a person is what the format ``bids`` reads from a tree of
just these files.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import ConnectomeError, FormatError, TruncatedError
from connectome.schema import warning

from ..formats.bids import dataset
from ..formats.bids.participants import Participants, read_participants
from ..formats.files.pointers import refuse_pointer
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile
from .listed import listed_rows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["OpenNeuroSource", "archived_sidecars"]

MOST_SIDECAR_BYTES = 1 << 20


@lru_cache(maxsize=4)
def archived_sidecars(archive: Path, _stamp: int) -> Mapping[str, bytes]:
    """Return the sidecars of an archive by their paths in the tree, whatever folder of it holds the tree.

    Raises
    ------
    TruncatedError
        When it is no archive, or cannot be read to its end.
    """
    refuse_pointer(archive)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:*") as members:
            for member in members:
                parts = PurePosixPath(member.name).parts
                at = next((at for at, part in enumerate(parts) if part.startswith("sub-")), None)
                if at is None or not (member.isreg() and member.name.endswith(".json")):
                    continue
                if member.size > MOST_SIDECAR_BYTES:
                    raise FormatError("too large for a sidecar", subject=str(archive), place=member.name)
                stream = members.extractfile(member)
                found["/".join(parts[at:])] = b"" if stream is None else stream.read()
    except (tarfile.ReadError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise TruncatedError(
            "the archive cannot be read to its end", subject=str(archive), found=" ".join(str(error).split())[:200]
        ) from error
    return found


class OpenNeuroSource:
    """Everybody of a cohort, one record each, with or without images at hand."""

    id: str
    version: str = "1"
    dataset: str
    accession: ClassVar[str]
    commit: ClassVar[str]
    tables: ClassVar[Mapping[str, tuple[int, str]]]
    """Name of a file at the root to its bytes and SHA-256; ``participants.tsv`` is one."""
    about: ClassVar[Mapping[str, str]]
    """Attributes of every record: ``citation``, ``doi``, ``licence``, ..."""
    title: ClassVar[str]

    @property
    def folder(self) -> str:
        """Folder of the files, here and in a mirror."""
        return f"openneuro_{self.accession}"

    @property
    def archive(self) -> str:
        """Path of the archive of sidecars."""
        return f"{self.folder}/sidecars_bids_tree.tar.gz"

    def listing(self) -> Mapping[str, tuple[int, str]]:
        """Return path to size and SHA-256 of every anatomical image and sidecar."""
        return {row["path"]: (int(row["size_bytes"]), row["sha256"]) for row in listed_rows(f"{self.accession}-tree")}

    def files(self) -> Sequence[RemoteFile]:
        """List tables, the archive of sidecars, and images."""
        home = f"https://raw.githubusercontent.com/OpenNeuroDatasets/{self.accession}/{self.commit}"
        tables = [
            RemoteFile(f"{self.folder}/{name}", f"{home}/{name}", size, sha256, licence=self.about["licence"])
            for name, (size, sha256) in self.tables.items()
        ]
        url = f"https://github.com/OpenNeuroDatasets/{self.accession}/archive/{self.commit}.tar.gz"
        archive = RemoteFile(self.archive, url, licence=self.about["licence"], optional=True)
        bucket = f"https://s3.amazonaws.com/openneuro.org/{self.accession}"
        images = [
            RemoteFile(
                f"{self.folder}/{path}", f"{bucket}/{path}", size, sha256,
                licence=self.about["licence"], records=(path.partition("/")[0],), optional=True,
            )
            for path, (size, sha256) in self.listing().items()
            if path.endswith(".nii.gz")
        ]  # fmt: skip
        return [*tables, archive, *images]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job for everybody of the table and of the tree."""
        table = f"{self.folder}/participants.tsv"
        if table not in raw:
            return Discovery(
                (), tuple(Rejected(path, "of no use without the participants", "not-data") for path in raw)
            )
        try:
            people = self._people(raw)
        except FormatError as error:
            reason = str(error)
            for path in raw:
                reason = reason.replace(str(raw[path].local), path)
            left = (Rejected(path, "of no use without the participants", "not-data") for path in raw if path != table)
            return Discovery((), (Rejected(table, reason, error.kind), *left))
        names = sorted({*(f"sub-{label}" for label in people.labels), *(p.partition("/")[0] for p in self.listing())})
        common = [file for path, file in raw.items() if path.count("/") == 1]
        own: dict[str, list[RawFile]] = {name: [] for name in names}
        rejected = [
            Rejected(f"{table}#{name}", "the row is there twice, the same; it was taken once", "duplicate")
            for name in people.doubled
        ]
        for path, file in raw.items():
            if path.count("/") > 1:
                own[path.split("/")[1]].append(file)
        jobs = tuple(
            Job(self.id, name, tuple(sorted([*common, *files], key=lambda file: file.path)), {"participant": name})
            for name, files in own.items()
        )
        return Discovery(jobs, tuple(rejected))

    def _people(self, raw: RawFiles) -> Participants:
        code_book = f"{self.folder}/participants.json"
        described = raw[code_book].local if code_book in raw else None
        return read_participants(raw[f"{self.folder}/participants.tsv"].local, described)

    def read(self, job: Job) -> xr.DataTree:
        """Lay the files of one person out as a tree, and read it."""
        name = str(job.params["participant"])
        with tempfile.TemporaryDirectory(prefix="connectome-") as folder:
            root = Path(folder).resolve()
            for file in job.inputs:
                if file.path != self.archive:
                    _link(root / file.path.partition("/")[2], file.local)
            for path, content in self._sidecars(job, name).items():
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            try:
                tree = dataset.read([root], subject=name)
            except ConnectomeError as error:
                error.subject = error.subject.replace(f"{root}/", f"{self.folder}/")
                raise
        # What lies in the tree that was laid out here says nothing of the release.
        doubtful = {"no-images"} | ({"row-without-folder"} if self._is_in_tree(name) else set())
        warnings = [item for item in tree.attrs.get("warnings", []) if item["code"] not in doubtful]
        absent = self._absent(job, name)
        if absent:
            message = f"in the release, and not at hand: {', '.join(absent)}"
            warnings.append(warning("images-not-here", "images", message))
        tree.attrs["warnings"] = warnings
        tree.attrs.update(
            self.about,
            title=f"{name}, {self.title}",
            source=self.id,
            data_file=", ".join(sorted(file.path for file in job.inputs)),
        )
        return tree

    def _is_in_tree(self, name: str) -> bool:
        return any(path.startswith(f"{name}/") for path in self.listing())

    def _absent(self, job: Job, name: str) -> list[str]:
        here = {file.path for file in job.inputs}
        return [
            PurePosixPath(path).name
            for path in self.listing()
            if path.startswith(f"{name}/") and path.endswith(".nii.gz") and f"{self.folder}/{path}" not in here
        ]

    def _sidecars(self, job: Job, name: str) -> dict[str, bytes]:
        archive = next((file.local for file in job.inputs if file.path == self.archive), None)
        if archive is None:
            return {}
        members = archived_sidecars(archive, archive.stat().st_mtime_ns)
        found: dict[str, bytes] = {}
        for path, (_, sha256) in self.listing().items():
            content = members.get(path)
            if content is None or not path.startswith(f"{name}/") or not path.endswith(".json"):
                continue
            digest = hashlib.sha256(content).hexdigest()
            if digest != sha256:
                raise FormatError(
                    "a sidecar is not that of the release", subject=str(archive), place=path,
                    expected=f"sha256 {sha256}", found=digest,
                )  # fmt: skip
            found[path] = content
        return found

    def expected(self) -> Expected:
        """Return what is known of everybody."""
        raise NotImplementedError

    def _facts(self, names: Sequence[str], facts: Mapping[str, Mapping[str, Any]]) -> Expected:
        return Expected(dict.fromkeys(names, facts), n_records=len(names))


def _link(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())
