"""EEG, iEEG and MEG of OpenNeuro: what sources of recordings share, one record per run, with or without signals.

A source names its accession and commit, a listing of the signal files with sizes and MD5 (git-annex keys), and one of
the sidecars whose bytes are known. The tables of other runs are listed under the names that BIDS gives them, without
checksums: the commit stands for their bytes. A record is what the format ``bids`` reads from a tree of just the files
of its run, and says of signals that are not here how large they are and what their checksum is.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import ConnectomeError

from ..formats.bids import dataset as bids
from ..formats.bids.listed import INDEX
from ..formats.bids.tree import DESCRIPTION
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, RemoteFile
from .linked_people import linked_subjects
from .listed import listed_rows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["OpenNeuroRecordings", "read_run"]

BUCKET = "https://s3.amazonaws.com/openneuro.org"
COMMON = ("dataset_description.json", "participants.json", "participants.tsv")
"""Files at the root that every record depends on."""
_SUFFIX = re.compile(r"_i?eeg\.[a-z]+$")
_UNKNOWN = ("channels.tsv", "ieeg.json")


class OpenNeuroRecordings:
    """Every run of a release."""

    id: str
    version: str = "1"
    dataset: str
    accession: ClassVar[str]
    commit: ClassVar[str]
    about: ClassVar[Mapping[str, str]]
    """Attributes of every record: ``citation``, ``doi``, ``licence``, ..."""

    @property
    def folder(self) -> str:
        """Folder of the files, here and in a mirror."""
        return f"openneuro_{self.accession}"

    def has_events(self, record: str) -> bool:  # noqa: ARG002 - for those who know runs without
        """Tell whether a run has a table of events, where its sidecars are not listed."""
        return True

    def files(self) -> Sequence[RemoteFile]:
        """List tables and sidecars, and the signals."""
        return _files(self)

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every run of the listing, whatever of it is here."""
        common = [raw[path] for name in COMMON if (path := f"{self.folder}/{name}") in raw]
        own: dict[str, list[RawFile]] = {record: [] for record in _runs(self.accession)}
        for file in self.files():
            for record in file.records:
                if file.path in raw:
                    own[record].append(raw[file.path])
        jobs = tuple(
            Job(self.id, record, tuple(sorted([*common, *files], key=lambda file: file.path)), {"run": record})
            for record, files in sorted(own.items())
        )
        return Discovery(jobs)

    def read(self, job: Job) -> xr.DataTree:
        """Lay the files of one run out as a tree, with the listing of its signals, and read it."""
        record = str(job.params["run"])
        tree = read_run(job, self.folder, _runs(self.accession)[record], rules=self.accession)
        subject = record.partition("_")[0]
        tree.attrs.update(
            self.about,
            **linked_subjects(self.accession, subject),
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return what is known of every run: one row of facts."""
        records = {record: {"/recording": {"n_rows": 1}, **self.facts(record)} for record in _runs(self.accession)}
        return Expected(records, n_records=len(records))

    def facts(self, record: str) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG002 - for those who know some
        """Return what else is known of a run."""
        return {}

    def is_listed(self, name: str) -> bool:
        """Tell whether the bytes of a sidecar are known."""
        return name in _sidecars(self.accession)


def read_run(job: Job, folder: str, signals: Sequence[Mapping[str, str]], *, rules: str = "auto") -> xr.DataTree:
    """Read one run from the inputs of a job, which lie below ``folder``.

    Parameters
    ----------
    job : Job
        Its parameter ``run`` is the record.
    folder : str
        What stands before the paths of the dataset.
    signals : sequence of mapping
        Rows of a listing: ``path``, ``size_bytes``, ``md5`` and ``sha256``, ``duration_s``, ``rate_hz``, where known.
    rules : str
        For the texts of events.
    """
    with tempfile.TemporaryDirectory(prefix="connectome-") as place:
        # Its name is part of the titles in a dataset that has none.
        root = Path(place).resolve() / folder
        root.mkdir()
        for file in job.inputs:
            target = root / file.path.removeprefix(f"{folder}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.local.resolve())
        if not (root / DESCRIPTION).exists():
            (root / DESCRIPTION).write_text("{}")
        (root / INDEX).write_text(_index(signals))
        known = rules if rules in bids_rules() else "auto"
        try:
            return bids.read([root], run=str(job.params["run"]), events=known)
        except ConnectomeError as error:
            error.subject = error.subject.replace(f"{root}/", f"{folder}/")
            raise


def bids_rules() -> frozenset[str]:
    """Return the names of sets of rules for events."""
    from ..formats.seizures.rules import RULES

    return frozenset(RULES)


def _index(signals: Sequence[Mapping[str, str]]) -> str:
    """Return a listing in the form that the format ``bids`` reads."""
    lines = ["path\tbytes\tmd5\tsha256\trecording_duration_s\tsampling_frequency"]
    keys = ("path", "size_bytes", "md5", "sha256", "duration_s", "rate_hz")
    lines += ["\t".join(row.get(key) or "n/a" for key in keys) for row in signals]
    return "\n".join(lines) + "\n"


@cache
def _runs(accession: str) -> Mapping[str, tuple[Mapping[str, str], ...]]:
    """Return record to the rows of its signal files."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in listed_rows(f"{accession}-signals"):
        found.setdefault(_SUFFIX.sub("", row["path"].rpartition("/")[2]), []).append(row)
    return {record: tuple(rows) for record, rows in sorted(found.items())}


@cache
def _sidecars(accession: str) -> Mapping[str, tuple[int, str]]:
    return {row["path"]: (int(row["size_bytes"]), row["sha256"]) for row in listed_rows(f"{accession}-sidecars")}


def _about(path: str, runs: Mapping[str, tuple[Mapping[str, str], ...]]) -> tuple[str, ...]:
    """Return the runs that a sidecar is about: those in its folder or below whose names have all that its own has."""
    folder, _, name = path.rpartition("/")
    if not folder:
        return ()
    pairs = {pair for pair in name.rpartition("_")[0].split("_") if not pair.startswith("space-")}
    return tuple(
        record
        for record, rows in runs.items()
        if rows[0]["path"].startswith(f"{folder}/") and pairs <= set(record.split("_"))
    )


@cache
def _listed_files(accession: str) -> Mapping[str, tuple[int | None, str | None, tuple[str, ...]]]:
    runs = _runs(accession)
    return {path: (*known, _about(path, runs)) for path, known in _sidecars(accession).items()}


_CACHE: dict[str, tuple[RemoteFile, ...]] = {}


def _files(source: OpenNeuroRecordings) -> tuple[RemoteFile, ...]:
    if source.id not in _CACHE:
        _CACHE[source.id] = tuple(_made(source))
    return _CACHE[source.id]


def _made(source: OpenNeuroRecordings) -> list[RemoteFile]:
    accession, folder, licence = source.accession, source.folder, source.about["licence"]
    runs, known = _runs(accession), _listed_files(accession)
    home = f"https://raw.githubusercontent.com/OpenNeuroDatasets/{accession}/{source.commit}"
    found = []
    for path, (size, sha256, records) in known.items():
        if records or path in COMMON:
            found.append(
                RemoteFile(f"{folder}/{path}", f"{home}/{path}", size, sha256, licence=licence, records=records,
                           optional=bool(records))
            )  # fmt: skip
    for record, rows in runs.items():
        stem = _SUFFIX.sub("", rows[0]["path"])
        wanted = [f"{stem}_{suffix}" for suffix in _UNKNOWN]
        if source.has_events(record):
            wanted.append(f"{stem}_events.tsv")
        found += [
            RemoteFile(f"{folder}/{path}", f"{home}/{path}", licence=licence, records=(record,), optional=True)
            for path in wanted
            if path not in known
        ]
        found += [
            RemoteFile(
                f"{folder}/{row['path']}", f"{BUCKET}/{accession}/{row['path']}", int(row["size_bytes"]),
                md5=row["md5"], licence=licence, records=(record,), optional=True, signal=True,
            )
            for row in rows
        ]  # fmt: skip
    return found
