"""SWEC iEEG dataset: days of intracranial EEG of patients with epilepsy in Bern, with every seizure, from a copy.

Carzaniga et al. 2025, doi:10.48550/arXiv.2506.20354; 4.6 TB at
https://huggingface.co/datasets/NeuroTec/SWEC_iEEG_Dataset, of which folders are taken one by one: give where they lie
as ``--mirror``. Its 68 folders are 50 recordings: eighteen of ID20 to ID40 hold what ID01 to ID18 hold
(doi:10.82901/nemar.nm000276). All folders become records, and those of one patient are linked (:mod:`.linked_people`),
so that no split separates them; ``copy_of`` says which to leave out. Tried on generated files of the layout only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError

from ..formats.recordings import swec, swec_parts
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .linked_people import linked_subjects
from .listed import listed_rows
from .recordings import warn

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SwecIeeg"]

_PAGE = "https://huggingface.co/datasets/NeuroTec/SWEC_iEEG_Dataset/tree/584e9d29313ad6d2ed675b5d5202240f4ff75970"
_LICENCE = "CDLA-Permissive-2.0"
UNIT = "uV"
"""Not in the files; of the same samples in BIDS (doi:10.82901/nemar.nm000276)."""


class SwecIeeg:
    """Every recording of which all parts are at hand, one record each."""

    id = "swec_ieeg"
    version = "1"
    dataset = "swec-ieeg"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Carzaniga et al., arXiv:2506.20354 (2025)",
        "doi": "10.48550/arXiv.2506.20354",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List what is taken from the copy; nothing is offered for fetching."""
        return [
            RemoteFile(pattern, _PAGE, licence=_LICENCE, optional=True, pattern=True)
            for pattern in ("*_part_*.h5", "*_total.h5")
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every recording whose parts are all at hand; what is not there is told."""
        jobs: dict[str, Job] = {}
        rejected: dict[str, Rejected] = {}
        for path in raw:
            name, folder = PurePosixPath(path).name, PurePosixPath(path).parent
            if swec_parts.TOTAL.fullmatch(name) is None:
                continue
            try:
                index = swec_parts.read_index(raw[path].local, name)
            except FormatError as error:
                rejected[path] = Rejected(path, str(error).replace(str(raw[path].local), path), error.kind)
                continue
            parts = [str(folder / part) for part in index.names]
            missing = [part for part in parts if part not in raw]
            if missing:
                told = (
                    f"{len(missing)} of {len(parts)} parts are not at hand, {PurePosixPath(missing[0]).name} among them"
                )
                rejected[path] = Rejected(path, told, "unavailable")
            elif index.subject in jobs:
                rejected[path] = Rejected(path, "the recording was taken from another folder", "duplicate")
            else:
                inputs = sorted([path, *parts])
                jobs[index.subject] = Job(self.id, index.subject, tuple(raw[item] for item in inputs))
        used = {file.path for job in jobs.values() for file in job.inputs}
        for path in (path for path in raw if path not in used and path not in rejected):
            rejected[path] = Rejected(path, "no recording of which all parts are at hand has it", "unavailable")
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected[path] for path in sorted(rejected)))

    def read(self, job: Job) -> xr.DataTree:
        """Read a recording, part after part as it is written."""
        tree = swec.read_parts({PurePosixPath(file.path).name: file.local for file in job.inputs}, unit=UNIT)
        copy_of = {row["folder"]: row["copy_of"] for row in _listed()}.get(job.record, "")
        if copy_of:
            warn(tree, "copy", "signal", f"the same recording as {copy_of}, published twice")
        tree.attrs.update(
            self.about,
            title=f"Subject {job.record} (SWEC iEEG)",
            subject=job.record,
            modality="ieeg",
            **({"copy_of": copy_of} if copy_of else {}),
            **linked_subjects(self.id, job.record),
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return channels, rate, samples and seizures of each published folder; few will have them all."""
        records: dict[str, dict[str, dict[str, Any]]] = {
            row["folder"]: {
                "/signal": {
                    "n_channels": int(row["channels"]),
                    "n_samples": int(row["samples"]),
                    "sampling_frequency_hz": float(row["rate_hz"]),
                },
                "/seizure": {"n_rows": int(row["seizures"])},
            }
            for row in _listed()
        }
        return Expected(records, optional=frozenset(records))


def _listed() -> list[dict[str, str]]:
    return listed_rows("swec-ieeg-subjects")
