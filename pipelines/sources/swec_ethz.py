"""SWEC-ETHZ long-term dataset: hours of intracranial EEG of 18 patients in MATLAB files, from the user's own copy.

Burrello et al. 2019, doi:10.23919/DATE.2019.8715186; 2,656 h with 116 seizures, free for research and education only
(http://ieeg-swez.ethz.ch). Nothing is fetched: give the folder of the copy as ``--mirror``. Mostly a few hours are
taken, so every stretch of consecutive hours is a record, named by its first hour. The patients are those of ID01 to
ID18 of :mod:`.swec_ieeg`, whose hours add up to the same 2,656, and are linked to them. Tried on generated files only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError

from ..formats.recordings import swec, swec_hours
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile
from .linked_people import linked_subjects

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SwecEthz"]

_PAGE = "https://ieeg-swez.ethz.ch"
_LICENCE = "SWEC-ETHZ-terms"


class SwecEthz:
    """Every stretch of consecutive hours, one record each."""

    id = "swec_ethz"
    version = "1"
    dataset = "swec-ethz"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Burrello et al., DATE 2019, 752-757",
        "doi": "10.23919/DATE.2019.8715186",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List what is taken from the copy; nothing is offered for fetching."""
        return [
            RemoteFile(pattern, _PAGE, licence=_LICENCE, optional=True, pattern=True)
            for pattern in ("*_[0-9]*h.mat", "*_info.mat")
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every stretch of hours; a broken or short hour ends one."""
        rejected: dict[str, Rejected] = {}
        jobs: dict[str, Job] = {}
        hours: dict[str, dict[int, tuple[RawFile, swec_hours.Hour]]] = {}
        about = {PurePosixPath(path).name: raw[path] for path in reversed(list(raw)) if path.endswith("_info.mat")}
        for path in raw:
            named = swec_hours.HOUR.fullmatch(PurePosixPath(path).name)
            if named is None:
                continue
            subject, number = named["subject"], int(named["number"])
            if f"{subject}_info.mat" not in about:
                rejected[path] = Rejected(path, f"{subject}_info.mat is not at hand", "unavailable")
            elif number in hours.get(subject, {}):
                rejected[path] = Rejected(path, "the hour was taken from another folder", "duplicate")
            else:
                try:
                    hour = swec_hours.read_hour(raw[path].local, number)
                except FormatError as error:
                    rejected[path] = _refused(raw[path], error)
                else:
                    hours.setdefault(subject, {})[number] = (raw[path], hour)
        for subject, found in sorted(hours.items()):
            info = about[f"{subject}_info.mat"]
            try:
                full = swec_hours.HOUR_S * swec_hours.read_info(info.local).rate_hz
            except FormatError as error:
                rejected[info.path] = _refused(info, error)
                continue
            for stretch in _stretches(found, full):
                name = f"{subject}_h{stretch[0]:03d}"
                inputs = sorted([info, *(found[number][0] for number in stretch)], key=lambda file: file.path)
                jobs[name] = Job(self.id, name, tuple(inputs))
        used = {file.path for job in jobs.values() for file in job.inputs}
        for path in (path for path in raw if path not in used and path not in rejected):
            rejected[path] = Rejected(path, "it belongs to no recording that is at hand", "unavailable")
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected[path] for path in sorted(rejected)))

    def read(self, job: Job) -> xr.DataTree:
        """Read a stretch, hour after hour as it is written."""
        tree = swec.read_hours({PurePosixPath(file.path).name: file.local for file in job.inputs})
        subject, _, first = job.record.partition("_h")
        tree.attrs.update(
            self.about,
            title=f"Subject {subject} from hour {int(first)} on (SWEC-ETHZ)",
            subject=subject,
            modality="ieeg",
            **linked_subjects(self.id, subject),
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return nothing: what a copy holds depends on which hours its owner took."""
        return Expected()


def _refused(file: RawFile, error: FormatError) -> Rejected:
    return Rejected(file.path, str(error).replace(str(file.local), file.path), error.kind)


def _stretches(found: Mapping[int, tuple[RawFile, swec_hours.Hour]], full: float) -> list[list[int]]:
    """Return runs of numbers that follow each other, of which all but the last have an hour's samples."""
    runs: list[list[int]] = []
    last: swec_hours.Hour | None = None
    for number in sorted(found):
        hour = found[number][1]
        if (
            last is not None
            and (last.number, last.n_samples) == (number - 1, full)
            and (last.n_channels, last.dtype) == (hour.n_channels, hour.dtype)
        ):
            runs[-1].append(number)
        else:
            runs.append([number])
        last = hour
    return runs
