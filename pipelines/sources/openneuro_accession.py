"""Any dataset of OpenNeuro with EEG, iEEG or MEG, by its accession: one record per run, read as a BIDS tree is.

``openneuro-ds003876`` is the dataset, ``openneuro_ds003876`` its source. Which files there are is listed in the bucket
once and kept (:mod:`.openneuro_listing`). Tables and sidecars are always fetched; signals are where they are asked for,
and the record of a run without them says how large they are and what their checksum is. Title, licence, DOI and works
to cite are those of ``dataset_description.json``; what it does not say stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.catalog import Citation, Dataset, DataSource, about
from connectome.catalog.licences import licence_id
from connectome.errors import FormatError, NotFoundError, UsageError
from connectome.store.record import check_record_id

from ..formats.bids.dataset import SPECIES
from ..formats.bids.entities import parse_name
from ..formats.bids.runs import RunFiles, find_runs
from ..formats.bids.sidecars import parse_object
from ..formats.bids.tree import DESCRIPTION, BidsFile, BidsTree, Pointer
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .linked_people import linked_subjects
from .openneuro_listing import Listing, visible_files
from .openneuro_recordings import COMMON, read_run

if TYPE_CHECKING:
    import xarray as xr

    from ..fetch.cache import Cache
    from .openneuro_listing import Published

__all__ = ["OpenNeuroAccession", "source_of_dataset"]

HOW_TO = "docs/how-to/import-your-own-files.md#an-openneuro-dataset-by-its-accession"
CHANGES = "CHANGES"
"""Says when a version was published."""
TABLES = (".json", ".tsv")
_SOURCE = re.compile(r"openneuro_(ds[0-9]{6})")
_DATASET = re.compile(r"openneuro-(ds[0-9]{6})")
_DOI = re.compile(r"10\.[0-9]{4,9}/[^\s\"<>]+")
_SNAPSHOT = re.compile(r"openneuro\.(?P<accession>ds[0-9]{6})\.v(?P<version>[0-9]+(\.[0-9]+)*)")


def source_of_dataset(dataset: str) -> str | None:
    """Return the id of the source when a dataset's name is ``openneuro-dsNNNNNN``; None for any other name."""
    found = _DATASET.fullmatch(dataset)
    return None if found is None else f"openneuro_{found[1]}"


class OpenNeuroAccession:
    """Every run of a dataset that is known by its accession only.

    Parameters
    ----------
    source_id : str
        ``openneuro_`` and the accession.
    listing : Listing, optional
        The files. Only :meth:`read` does without: a job says all that its record needs.

    Raises
    ------
    NotFoundError
        When it is no such id.
    """

    version = "1"
    signals_by_default = False
    """Whether signals are fetched without being asked for."""
    advice = "the bucket may hold a newer version than the list that is kept: --relist makes the list anew"
    """For whoever cannot have a file."""

    def __init__(self, source_id: str, listing: Listing | None = None) -> None:
        found = _SOURCE.fullmatch(source_id)
        if found is None:
            raise NotFoundError("unknown source", subject=source_id, expected="openneuro_ and an accession")
        self.id, self.accession = source_id, found[1]
        self.dataset = f"openneuro-{self.accession}"
        self._listing = listing

    @property
    def folder(self) -> str:
        """Folder of the files, here and in a mirror."""
        return self.id

    @property
    def listing(self) -> Listing:
        """The files of the dataset."""
        if self._listing is None:
            raise UsageError("the files of the dataset are not listed", subject=self.id, expected="a list of files")
        return self._listing

    @cached_property
    def _published(self) -> Mapping[str, Published]:
        return {file.path: file for file in visible_files(self.listing)}

    @cached_property
    def _tree(self) -> BidsTree:
        """The dataset as it would lie in a folder, its data not fetched."""
        return BidsTree(Path(self.accession), tuple(_listed(file) for file in self._published.values()))

    @cached_property
    def _found(self) -> tuple[Mapping[str, RunFiles], tuple[Rejected, ...]]:
        """The runs by record, and people whose files cannot be told apart."""
        runs: dict[str, RunFiles] = {}
        refused: list[Rejected] = []
        shared = self._tree.of(None)
        for label in self._tree.subjects:
            own = BidsTree(self._tree.root, tuple(sorted([*shared, *self._tree.of(label)], key=lambda file: file.path)))
            try:
                runs.update((run.record, run) for run in find_runs(own))
            except FormatError as error:
                refused.append(Rejected(f"{self.folder}/sub-{label}/", str(error), error.kind))
        if not runs and not refused:
            raise NotFoundError(
                "the dataset has no recording of EEG, iEEG or MEG", subject=self.dataset,
                expected="files in folders eeg, ieeg or meg", found=_kinds(self._tree) or "none of BIDS",
                hint=f"images are imported from a folder: {HOW_TO}",
            )  # fmt: skip
        return runs, tuple(refused)

    @cached_property
    def _records(self) -> Mapping[str, tuple[str, ...]]:
        """Path of every file of a run to the records that it is about."""
        about: dict[str, list[str]] = {}
        for record, run in self._found[0].items():
            if not _unusable(record):
                for file in run.files():
                    about.setdefault(file.path, []).append(record)
        return {path: tuple(records) for path, records in sorted(about.items())}

    def files(self) -> Sequence[RemoteFile]:
        """List tables and sidecars, and the signals."""
        common = [path for path in (*COMMON, CHANGES) if path in self._published]
        return [
            *(self.listing.remote(self._published[path]) for path in common),
            *(
                self.listing.remote(self._published[path], records=records, signal=not path.endswith(TABLES))
                for path, records in self._records.items()
                if path not in common
            ),
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every run, whatever of its signals is here."""
        runs, refused = self._found
        common = [raw[path] for name in COMMON if (path := f"{self.folder}/{name}") in raw]
        # Runs of one name and several datatypes have the datatype in their records' ids, also when read alone.
        kin: dict[tuple[tuple[str, str], ...], list[RunFiles]] = {}
        for run in runs.values():
            kin.setdefault(run.name.entities, []).append(run)
        jobs, rejected = [], list(refused)
        for record, run in sorted(runs.items()):
            reason = _unusable(record)
            if reason:
                rejected += [Rejected(f"{self.folder}/{file.path}", reason, "format") for file in run.data]
                continue
            paths = [f"{self.folder}/{file.path}" for file in run.files()]
            inputs = {file.path: file for file in [*common, *(raw[path] for path in paths if path in raw)]}
            absent = {
                file.path: _stated(self._published[file.path])
                for other in kin[run.name.entities]
                for file in other.data
                if f"{self.folder}/{file.path}" not in inputs
            }
            ordered = tuple(inputs[path] for path in sorted(inputs))
            jobs.append(Job(self.id, record, ordered, {"run": record, "not_at_hand": absent}))
        return Discovery(tuple(jobs), (*rejected, *self._aside()))

    def _aside(self) -> Iterator[Rejected]:
        """Say what is listed and no recording: each file at the root, other files by folder or kind of data."""
        heaps: dict[str, list[BidsFile]] = {}
        for file in self._tree.files:
            if file.path in self._records or file.path in COMMON:
                continue
            if not file.folder:
                heaps[file.path] = []
            elif not file.folder[0].startswith("sub-"):
                heaps.setdefault(f"{file.folder[0]}/", []).append(file)
            elif file.subject is not None and not self._is_refused(file.subject):
                heaps.setdefault(f"sub-*/{file.datatype or '*'}/", []).append(file)
        for place, files in sorted(heaps.items()):
            what = "it is about no recording" if not files else _heap(files)
            yield Rejected(f"{self.folder}/{place}", what, "not-data")

    def _is_refused(self, label: str) -> bool:
        return any(item.file == f"{self.folder}/sub-{label}/" for item in self._found[1])

    def read(self, job: Job) -> xr.DataTree:
        """Lay the files of one run out as a tree, with the list of what is not here, and read it."""
        absent: Mapping[str, Sequence[Any]] = job.params["not_at_hand"]
        rows = [
            {"path": path, **{key: str(value) for key, value in zip(_STATED, stated, strict=True) if value is not None}}
            for path, stated in absent.items()
        ]
        tree = read_run(job, self.folder, rows, rules=self.accession)
        licence = licence_id(str(tree.attrs.get("licence", "")))
        tree.attrs.update(
            {"licence": licence} if licence else {},
            **linked_subjects(self.accession, str(tree.attrs["subject"])),
            accession=self.accession,
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return nothing: nobody has published what the runs of any dataset hold."""
        return Expected()

    def about(self, cache: Cache) -> dict[str, Any]:
        """Return what the dataset says of itself, of the files that are here, and the list that it was made from.

        Raises
        ------
        FormatError
            When ``dataset_description.json`` is no description.
        """
        description = self._text(DESCRIPTION, cache)
        told = parse_object(description, subject=f"{self.folder}/{DESCRIPTION}") if description else {}
        changes = self._text(CHANGES, cache).decode("utf-8", "replace")
        listing = self.listing.provenance() | _snapshot(told, self.accession)
        return {**described(self, told, changes), "listing": listing}

    def _text(self, path: str, cache: Cache) -> bytes:
        listed = self._published.get(path)
        here = None if listed is None else cache.peek(self.listing.remote(listed))
        return b"" if here is None else here.local.read_bytes()


_STATED = ("size_bytes", "md5", "sha256", "duration_s", "rate_hz")


def _stated(file: Published) -> list[Any]:
    return [getattr(file, name) for name in _STATED]


def _listed(file: Published) -> BidsFile:
    name = file.path.rpartition("/")[2]
    is_table = name.endswith(TABLES)
    absent = None if is_table else Pointer("list", file.size_bytes, file.sha256, file.md5)
    return BidsFile(file.path, file.size_bytes or 0, parse_name(name), absent)


def _unusable(record: str) -> str:
    """Return why a record cannot have that id; nothing where it can."""
    try:
        check_record_id(record)
    except UsageError as error:
        return f"no record can be called {record[:200]}: {error.message}"
    return ""


def _heap(files: Sequence[BidsFile]) -> str:
    size = sum(file.pointer.size_bytes or 0 if file.pointer else file.size_bytes for file in files)
    return f"{len(files)} file{'' if len(files) == 1 else 's'}, {size} bytes: no part of a recording's record"


def _kinds(tree: BidsTree) -> str:
    counts: dict[str, int] = {}
    for file in tree.files:
        if file.datatype is not None and file.pipeline is None:
            counts[file.datatype] = counts.get(file.datatype, 0) + 1
    return ", ".join(f"{n} file{'' if n == 1 else 's'} in folders {kind}" for kind, n in sorted(counts.items()))


def described(source: OpenNeuroAccession, told: Mapping[str, Any], changes: str) -> dict[str, Any]:
    """Return what a version says of its dataset, from ``dataset_description.json`` and ``CHANGES``."""
    accession = source.accession
    homepage = f"https://openneuro.org/datasets/{accession}"
    title = _plain(told.get("Name")) or accession
    stated = _plain(told.get("License"))
    licence = licence_id(stated) or stated or "none-stated"
    doi = _DOI.search(_plain(told.get("DatasetDOI")))
    authors = told.get("Authors")
    names = tuple(filter(None, map(_plain, authors))) if isinstance(authors, list) else ()
    year = _year(changes, str(_snapshot(told, accession).get("snapshot", "")))
    work = Citation(names, title, year, doi=doi[0] if doi else "", url="" if doi else homepage)
    note = f"License of {DESCRIPTION}: {stated}" if stated else f"{DESCRIPTION} states none"
    asks = _plain(told.get("HowToAcknowledge"))
    origin = DataSource(source.id, f"{title} (OpenNeuro {accession})", (licence,), (work,), homepage, note)
    return about(
        Dataset(
            id=source.dataset, title=title, kinds=(), species=(SPECIES,), licence=licence, sources=(origin,),
            description=f"How to acknowledge it: {asks}" if asks else "", homepage=homepage,
            keywords=("OpenNeuro", "BIDS", accession),
        )
    )  # fmt: skip


def _plain(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _snapshot(told: Mapping[str, Any], accession: str) -> dict[str, str]:
    """Return the version that the description's DOI names, where it is one of this dataset."""
    found = _SNAPSHOT.search(_plain(told.get("DatasetDOI")))
    return {"snapshot": found["version"]} if found is not None and found["accession"] == accession else {}


def _year(changes: str, snapshot: str) -> int | None:
    """Return the year of a version in ``CHANGES`` (CPAN::Changes, as BIDS demands); None where it does not say."""
    if not snapshot:
        return None
    found = re.search(rf"^{re.escape(snapshot)}\s+([0-9]{{4}})-[0-9]{{2}}-[0-9]{{2}}", changes, re.MULTILINE)
    return int(found[1]) if found is not None else None
