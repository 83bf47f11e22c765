"""IDEAS: 442 people with drug-resistant focal epilepsy who had resective surgery, and 100 controls.

Taylor PN, Wang Y, Simpson C, et al. The Imaging Database for Epilepsy And Surgery (IDEAS). Epilepsia 66:471-481 (2025),
doi:10.1111/epi.18192. The raw images are OpenNeuro ds005602 (CC0), which has no table of participants; tables, masks
and FreeSurfer's output lie at figshare. Both halves are joined here, one record per person: everybody has a record,
whether images are at hand or not, and what is missing is said with its reason.

Tables come with github.com/AAAI-2025-Hackathon/team_10, byte for byte but for line ends those of figshare. Masks and
FreeSurfer's ``orig`` are offered as archives behind pages: lay what is in them in a folder and give it as mirror.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from ..formats.bids.patient import attach, read_volume
from ..formats.bids.sidecars import parse_object
from ..formats.freesurfer.group_table import GroupTable, read_group_table
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile
from .ideas_clinical import CONTROL_COLUMNS, PATIENT_COLUMNS, ClinicalTable, read_clinical, subject_table
from .ideas_files import COMMON, FREESURFER, LISTED_IMAGES, METADATA, RESECTED, SIDECARS, ZSCORES, raw_scans
from .ideas_images import images_table
from .ideas_measures import PersonRows, measured_tables, read_resected, read_zscores
from .openneuro import archived_sidecars

if TYPE_CHECKING:
    import xarray as xr

    from ..formats.tables.text_rows import Note

__all__ = ["Ideas2024"]

LICENCE = "CC0-1.0"
DIVIDING = ("group", "sex", "side", "lobe", "operation", "pathology")
"""Columns that the index shows too: what a split may be stratified by."""
CITATION = "Taylor et al., Epilepsia 66:471-481 (2025)"
FIRST_CONTROL = 4001
NO_MASK = frozenset(["12", "115", "261", "269", "326", "331", "353", "368", "437"])
"""Patients for whom the release has no mask (seen by users of all of it)."""
_IMAGE = re.compile(r"(?:.*/)?(?P<person>\d+)_(?P<kind>freesurfer_orig|MaskInOrig|MaskInRawData)\.nii\.gz")
KINDS: Mapping[str, tuple[str, str]] = {
    "freesurfer_orig": ("space-orig_t1w", "T1w"),
    "MaskInOrig": ("labels/space-orig_resection", "mask"),
    "MaskInRawData": ("labels/resection", "mask"),
}


class Ideas2024:
    """Everybody of the release, one record each."""

    id = "ideas2024"
    version = "1"
    dataset = "ideas-epilepsy"

    def files(self) -> Sequence[RemoteFile]:
        """List tables, the sidecars' archive, raw images, and patterns for what is offered in archives only."""
        return _files()

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job for everybody; report rows without a person, rows that are there twice, and stray files."""
        rejected = _malformed(raw)
        bad = {item.file for item in rejected}
        common = [raw[path] for path in COMMON if path in raw and path not in bad]
        if not set(METADATA) <= {file.path for file in common}:
            because = "of no use without the tables of patients and of controls"
            left = (Rejected(path, because, "not-data") for path in raw if path not in bad)
            return Discovery((), (*rejected, *left))
        tables = RawFiles(common)
        people = _people(tables)
        rejected += _doubts_of_tables(tables, people)
        own: dict[str, list[RawFile]] = {person: [] for person in people}
        for path, file in raw.items():
            if path in COMMON:
                continue
            person, reason = _person_of(path), "" if _is_listed(file) else "its bytes are not those of the release"
            if person is None or person not in own:
                reason = reason or "it belongs to nobody of the tables"
            if reason:
                rejected.append(Rejected(path, reason, "not-data"))
            else:
                own[str(person)].append(file)
        jobs = tuple(
            Job(
                self.id,
                f"sub-{person}",
                tuple(sorted([*common, *files], key=lambda file: file.path)),
                {"person": person},
            )
            for person, files in own.items()
        )
        return Discovery(jobs, tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Join the row, the sidecars, the measures and the images of one person."""
        person = str(job.params["person"])
        paths = {file.path: file.local for file in job.inputs}
        control = int(person) >= FIRST_CONTROL
        clinical, doubled = _clinical(paths, person, control=control)
        groups: dict[str, xr.Dataset] = {"subject": clinical}
        warnings: list[Note] = []
        if doubled:
            warnings.append(warning("duplicate-row", METADATA[0], "the row is there twice, the same; it counts once"))
        sidecars = _sidecars(paths, person)
        scans = raw_scans().get(person, ())
        groups["images"] = images_table(scans, sidecars, here=set(paths))
        tables, notes = _measures(paths, person, control=control)
        groups |= tables
        warnings += notes
        volumes, notes = _volumes(paths, person, sidecars, control=control)
        groups |= volumes
        warnings += notes
        attrs = _attributes(clinical, sidecars)
        return schema.record(
            groups,
            warnings=warnings,
            title=f"{'Control' if control else 'Patient'} {person} of IDEAS",
            species="Homo sapiens",
            subject=f"sub-{person}",
            patient=f"sub-{person}",
            **attrs,
            source=self.id,
            citation=CITATION,
            doi="10.1111/epi.18192",
            dataset_doi="10.18112/openneuro.ds005602.v1.0.0",
            licence=LICENCE,
            faces="removed",
            data_file=", ".join(sorted(paths)),
        )

    def expected(self) -> Expected:
        """Return what everybody has: the row, 68 regions and 59 structures, and the number of raw scans."""
        return _expected()


@cache
def _files() -> tuple[RemoteFile, ...]:
    from .ideas_files import images, patterns, tables

    return (*tables(), *images(), *patterns())


@cache
def _expected() -> Expected:
    people = raw_scans()
    return Expected(
        {
            f"sub-{person}": {
                "/subject": {"n_rows": 1, "n_columns": 25},
                "/images": {"n_rows": len(scans)},
                "/regions": {"n_rows": 68, "n_columns": 10},
                "/aseg": {"n_rows": 59},
                "/head": {"n_rows": 1, "n_columns": 10},
            }
            for person, scans in people.items()
        },
        n_records=len(people),
    )


def _malformed(raw: RawFiles) -> list[Rejected]:
    """Say which tables cannot be read."""
    found: list[Rejected] = []
    for path in COMMON:
        if path not in raw or path == SIDECARS:
            continue
        try:
            if path in METADATA:
                _table(str(raw[path].local), raw[path].sha256, path)
            else:
                _measured(str(raw[path].local), raw[path].sha256, path)
        except FormatError as error:
            found.append(Rejected(path, str(error).replace(str(raw[path].local), path), error.kind))
    return found


def _people(raw: RawFiles) -> list[str]:
    """Return everybody of the tables and of the tree of raw images, by number."""
    tables = [_table(str(raw[path].local), raw[path].sha256, path) for path in METADATA]
    return sorted({*tables[0].rows, *tables[1].rows, *raw_scans()}, key=int)


def _doubts_of_tables(raw: RawFiles, people: Sequence[str]) -> list[Rejected]:
    """Say what of the tables goes into no record."""
    found: list[Rejected] = []
    for path in METADATA:
        table = _table(str(raw[path].local), raw[path].sha256, path)
        reason = "the row is there twice, the same; it was taken once"
        found += [Rejected(f"{path}#{person}", reason, "duplicate") for person in sorted(table.doubled, key=int)]
    for path in (*FREESURFER, *ZSCORES, RESECTED):
        if path not in raw:
            continue
        known = _measured(str(raw[path].local), raw[path].sha256, path)
        named = known.subjects if isinstance(known, GroupTable) else tuple(known.values)
        for person in sorted(set(named) - set(people), key=lambda name: (len(name), name)):
            reason = "nobody of that number is in the clinical tables or among the raw images"
            found.append(Rejected(f"{path}#{person}", reason, "unmatched"))
    return found


def _person_of(path: str) -> str | None:
    image = _IMAGE.fullmatch(path)
    if image is not None:
        return image["person"]
    folder = next((part for part in PurePosixPath(path).parts if part.startswith("sub-")), "")
    return folder.removeprefix("sub-") or None


def _is_listed(file: RawFile) -> bool:
    """Tell whether an image that a pattern brought has the bytes that are known of it; of most nothing is known."""
    return LISTED_IMAGES.get(PurePosixPath(file.path).name, file.sha256) == file.sha256


@lru_cache(maxsize=4)
def _table(local: str, _sha256: str, path: str) -> ClinicalTable:
    return read_clinical(Path(local), PATIENT_COLUMNS if path == METADATA[0] else CONTROL_COLUMNS)


@lru_cache(maxsize=32)
def _measured(local: str, _sha256: str, path: str) -> GroupTable | PersonRows:
    if path == RESECTED:
        return read_resected(Path(local))
    return read_group_table(Path(local)) if path in FREESURFER else read_zscores(Path(local))


def _key(path: Path) -> int:
    return path.stat().st_mtime_ns


def _clinical(paths: Mapping[str, Path], person: str, *, control: bool) -> tuple[xr.Dataset, bool]:
    path = METADATA[1 if control else 0]
    table = _table(str(paths[path]), str(_key(paths[path])), path)
    if person in table.conflicts:
        raise FormatError(
            "two rows of one person contradict each other", subject=str(paths[path]), place=f"ID {person}",
            expected="one row, or the same row again", found=table.conflicts[person],
        )  # fmt: skip
    if person not in table.rows:
        raise FormatError(
            "the person has raw images and no row", subject=str(paths[path]), place=f"ID {person}", expected="a row"
        )
    row = table.rows[person]
    return subject_table(row, control=control, subject=f"sub-{person}"), person in table.doubled


def _sidecars(paths: Mapping[str, Path], person: str) -> dict[str, dict[str, Any]]:
    """Return the sidecars of a person by image path, each compared with the listed checksum."""
    if SIDECARS not in paths:
        return {}
    archive = archived_sidecars(paths[SIDECARS], _key(paths[SIDECARS]))
    found = {}
    for scan in raw_scans().get(person, ()):
        data = archive.get(scan.sidecar)
        if data is None:
            continue
        if hashlib.sha256(data).hexdigest() != scan.sidecar_sha256:
            raise FormatError(
                "a sidecar is not that of the release", subject=str(paths[SIDECARS]), place=scan.sidecar,
                expected=f"sha256 {scan.sidecar_sha256}", found=hashlib.sha256(data).hexdigest(),
            )  # fmt: skip
        found[scan.path] = parse_object(data, subject=scan.sidecar)
    return found


def _measures(paths: Mapping[str, Path], person: str, *, control: bool) -> tuple[dict[str, xr.Dataset], list[Note]]:
    warnings: list[Note] = []
    known = {
        path: _measured(str(paths[path]), str(_key(paths[path])), path)
        for path in (*FREESURFER, *ZSCORES, RESECTED)
        if path in paths
    }
    own = {path: table for path, table in known.items() if ("control" in path) == control}
    measures = [table for table in own.values() if isinstance(table, GroupTable)]
    scores = [table for path, table in own.items() if isinstance(table, PersonRows) and path != RESECTED]
    resected = own.get(RESECTED)
    for table in measures:
        if person not in table.subjects:
            warnings.append(warning("no-measures", Path(table.path).name, "the table does not have this person"))
    if scores and not any(person in table.values for table in scores):
        warnings.append(warning("no-z-scores", "zscores", "the tables of z-scores do not have this person"))
    rows = resected if isinstance(resected, PersonRows) else None
    return measured_tables(person, measures, scores, rows), warnings


def _volumes(
    paths: Mapping[str, Path], person: str, sidecars: Mapping[str, dict[str, Any]], *, control: bool
) -> tuple[dict[str, xr.Dataset], list[Note]]:
    groups: dict[str, xr.Dataset] = {}
    warnings: list[Note] = []
    scans = raw_scans().get(person, ())
    wanted: list[tuple[str, str, str]] = [
        (f"ideas/openneuro_ds005602/{scan.path}", scan.suffix.lower(), scan.suffix) for scan in scans
    ]
    for path in paths:
        image = _IMAGE.fullmatch(path)
        if image is not None:
            wanted.append((path, *KINDS[image["kind"]]))
    here = [item for item in wanted if item[0] in paths]
    for path, group, suffix in sorted(here, key=lambda item: (item[1].startswith("labels/"), item[0])):
        dataset, notes = read_volume(paths[path], group, suffix=suffix)
        warnings += notes
        attrs: dict[str, Any] = {"source_file": path, "available": "pre_op"}
        raw_path = path.removeprefix("ideas/openneuro_ds005602/")
        if raw_path in sidecars:
            attrs["sidecar"] = sidecars[raw_path]
        dataset = dataset.assign_attrs(attrs)
        if group.startswith("labels/"):
            base = "space-orig_t1w" if "space-orig" in group else "t1w"
            bases = {base: groups[base]} if base in groups else {}
            dataset, notes = attach(dataset, group, bases, subject=path)
            warnings += notes
        groups[group] = dataset
    if not any(scan.suffix == "FLAIR" for scan in scans):
        warnings.append(warning("no-flair", "FLAIR", "the release has no FLAIR image of this person"))
    absent = [path for path, _, _ in wanted if path not in paths]
    if absent:
        names = ", ".join(PurePosixPath(path).name for path in absent)
        warnings.append(warning("images-not-here", "images", f"in the release, and not at hand: {names}"))
    if not control and not any(group.startswith("labels/") for group in groups):
        reason = "the release has none for this patient" if person in NO_MASK else "it was not at hand"
        warnings.append(warning("no-mask", "labels", f"no resection mask: {reason}; that is not an empty mask"))
    return groups, warnings


def _attributes(clinical: xr.Dataset, sidecars: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return what people are divided by, for the index: words, and nothing where nothing is known."""
    found = {name: str(schema.decode(clinical[name])[0]) for name in DIVIDING}
    scanner = next(
        (str(item["ManufacturersModelName"]) for path, item in sorted(sidecars.items(), reverse=True)
         if path.endswith("_T1w.nii.gz") and item.get("ManufacturersModelName")), "",
    )  # fmt: skip
    return {name: value for name, value in {**found, "scanner": scanner}.items() if value}
