"""The TUH EEG corpora, from the user's own licensed copy: recordings, TUAB's diagnosis, TUSZ's seizures.

Obeid and Picone 2016, doi:10.3389/fnins.2016.00196; Temple University Hospital gives the corpora to those who signed
for them (https://isip.piconepress.com/projects/nedc/html/tuh_eeg/), and nothing is fetched here: give the folder of the
copy as ``--mirror``. Its layout is that of TUAB 3 (``edf/train/normal/01_tcp_ar/aaaaaaav_s004_t000.edf``) and TUSZ 2
(``edf/train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf``, with ``.csv_bi`` beside). Tried on generated files
of that layout only.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError
from connectome.seizures import SEIZURE, Seizure, seizure_table

from ..formats.files.pointers import refuse_pointer
from ..formats.recordings import mne_raw
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .recordings import local_of, with_groups

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TuhEeg"]

_PAGE = "https://isip.piconepress.com/projects/nedc/html/tuh_eeg/"
_LICENCE = "data-use-agreement"
_NAME = re.compile(r"(?P<subject>[a-z]{8})_s(?P<session>\d{3})_t(?P<run>\d{3})")
_COLUMNS = ["channel", "start_time", "stop_time", "label", "confidence"]
MARKS = ".csv_bi"
BACKGROUND, SEIZ = "bckg", "seiz"


class TuhEeg:
    """Every recording of the copy, one record each."""

    id = "tuh_eeg"
    version = "2"
    dataset = "tuh-eeg"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Obeid and Picone, Frontiers in Neuroscience 10:196 (2016)",
        "doi": "10.3389/fnins.2016.00196",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List what is taken from the copy; nothing is offered for fetching."""
        return [
            RemoteFile(f"*{suffix}", _PAGE, licence=_LICENCE, optional=True, pattern=True) for suffix in (".edf", MARKS)
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every recording with its marks; a second one of the same name is told."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in (path for path in raw if path.endswith(".edf")):
            name = PurePosixPath(path).stem
            if _NAME.fullmatch(name) is None:
                rejected.append(Rejected(path, "not named as recordings of the corpora are", "not-data"))
            elif name in jobs:
                rejected.append(Rejected(path, "a recording of that name was taken from another folder", "duplicate"))
            elif not mne_raw.sniff(raw[path].local):
                rejected.append(Rejected(path, "no EDF in the file", "format"))
            else:
                beside = path.removesuffix(".edf") + MARKS
                inputs = [raw[item] for item in (path, beside) if item in raw]
                jobs[name] = Job(self.id, name, tuple(sorted(inputs, key=lambda file: file.path)))
        used = {file.path for job in jobs.values() for file in job.inputs}
        rejected += [
            Rejected(path, "marks without their recording", "not-data")
            for path in raw
            if path.endswith(MARKS) and path not in used
        ]
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read a recording; the folders tell part, montage and diagnosis, the marks tell seizures."""
        main = next(file for file in job.inputs if file.path.endswith(".edf"))
        tree = mne_raw.read([main.local], sidecars="given")
        marks = local_of(job.inputs, MARKS)
        if marks is not None:
            rule = "the binary marks of the corpus tell seizures from background where there are any"
            seizures, observed = _marked(marks)
            tree = with_groups(tree, {"seizure": seizure_table(seizures, observed=observed, rule=rule)})
        found = _NAME.fullmatch(job.record)
        assert found is not None
        tree.attrs.update(
            self.about,
            title=f"{job.record} (TUH EEG)",
            subject=found["subject"],
            session=f"s{found['session']}",
            run=int(found["run"]),
            **_told_by(PurePosixPath(main.path).parts),
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return nothing: what a copy holds depends on what its owner was given."""
        return Expected()


def _told_by(parts: Sequence[str]) -> dict[str, str]:
    """Return what the folders of a recording say of it."""
    told: dict[str, str] = {}
    for part in parts[:-1]:
        if part in {"train", "dev", "eval"}:
            told["published_part"] = part
        elif part in {"normal", "abnormal"}:
            told["diagnosis"] = part
        elif re.fullmatch(r"0\d_tcp_(ar|le)(_a)?", part):
            told["montage"] = part
    return told


def _marked(path: Path) -> tuple[list[Seizure], list[tuple[float, float]]]:
    """Return the stretches that the marks call seizures, and all that they mark."""
    refuse_pointer(path)
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    except UnicodeDecodeError as error:
        raise FormatError("not a table of marks", subject=str(path), found=str(error)[:120]) from error
    rows = list(csv.reader(lines))
    if not rows or rows[0] != _COLUMNS:
        raise FormatError("not a table of marks", subject=str(path), expected=",".join(_COLUMNS))
    found: list[Seizure] = []
    observed: list[tuple[float, float]] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            channel, start, stop, label, _ = row
            times = float(start), float(stop)
        except ValueError as error:
            raise FormatError("not a row of marks", subject=str(path), place=f"row {number}", found=str(row)) from error
        if channel != "TERM" or label not in {BACKGROUND, SEIZ}:
            raise FormatError(
                "not a mark of all channels, seizure or background", subject=str(path), place=f"row {number}",
                expected=f"TERM, {BACKGROUND} or {SEIZ}", found=f"{channel}, {label}",
            )  # fmt: skip
        if not (times[0] < times[1] and all(map(math.isfinite, times))):
            raise FormatError(
                "a mark does not end after it begins", subject=str(path), place=f"row {number}",
                expected="start_time < stop_time", found=f"{start}, {stop}",
            )  # fmt: skip
        observed.append(times)
        if label == SEIZ:
            found.append(Seizure(*times, label=SEIZURE, source="annotation"))
    return found, observed
