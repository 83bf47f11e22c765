"""Randi et al. 2023 (Leifer laboratory): whole-brain activity while single neurons are stimulated with light.

Source: OSF project E2SYT, doi:10.17605/OSF.IO/E2SYT, archives ``exported_data.tar.gz`` (wild type, 113 animals) and
``exported_data_unc31.tar.gz`` (18 animals), six text files per animal. The project states no licence. The user unpacks
them below ``leifer2023/``, so that the folder tells the cohort; files without a folder, as the release of 2024 carried
them, are wild type. The archives have 523093816 and 84924311 bytes and the SHA-256 d6e7b3d93175b40b7ae17bde2182835e9c21
44388142c522ee9be3832f6ce836 and 8b99f6610dbb2d6ab0b8dd6ad15646fe1c120da25dd9bb725f36f530b2af321a.

Known defects, kept and flagged: labels of three animals go on with empty lines beyond the last trace, a few targets are
numbers below zero, and some animals have no label at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..formats.worms.text_celegans import PARTS, is_numeric, part_of, read
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Leifer2023"]

_COHORTS: Mapping[str, tuple[str, str, str]] = {
    "wt": ("AML462", "wild type", "exported_data.tar.gz"),
    "unc31": ("AML508", "unc-31, without release of dense core vesicles", "exported_data_unc31.tar.gz"),
}

_CITATION: Mapping[str, Any] = {
    "source": "leifer2023",
    "citation": "Randi, Sharma, Dvali and Leifer, Nature 623:406-414 (2023)",
    "doi": "10.1038/s41586-023-06683-4",
    "licence": "none-stated",
}


class Leifer2023:
    """Recordings of Randi et al. 2023, one record per animal."""

    id = "leifer2023"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the text files, which the project offers in two archives."""
        return [
            RemoteFile("leifer2023/*.txt", "https://osf.io/e2syt/", licence="none-stated", optional=True, pattern=True)
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every animal that has its six files; account for all others."""
        animals: dict[tuple[str, int], dict[str, list[RawFile]]] = defaultdict(lambda: defaultdict(list))
        rejected: list[Rejected] = []
        for path in raw:
            named = part_of(PurePosixPath(path))
            if named is None:
                rejected.append(Rejected(path, "not one of the six files of an animal", "not-data"))
            else:
                animals[_cohort(path), named[0]][str(PurePosixPath(path).parent)].append(raw[path])
        jobs: list[Job] = []
        for (cohort, number), folders in sorted(animals.items()):
            taken, *others = sorted(folders)
            rejected += [
                Rejected(item.path, f"a second copy of the animal in {taken}", "not-data")
                for folder in others
                for item in folders[folder]
            ]
            inputs = folders[taken]
            missing = [part for part in PARTS if f"{number}_{part}.txt" not in {_name(item) for item in inputs}]
            reason = f"the animal has no {', '.join(f'{number}_{part}.txt' for part in missing)}" if missing else ""
            traces = next((item for item in inputs if _name(item) == f"{number}_gcamp.txt"), None)
            if traces is not None and not is_numeric(traces.local):
                reason = f"{traces.path} does not begin with numbers"
            if reason:
                rejected += [Rejected(item.path, reason, "format") for item in inputs]
                continue
            params = {"cohort": cohort, "number": number}
            jobs.append(Job(self.id, f"leifer2023-{cohort}-{number:03d}", tuple(inputs), params=params))
        return Discovery(tuple(jobs), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read an animal."""
        tree = read([item.local for item in job.inputs])
        strain, condition, archive = _COHORTS[str(job.params["cohort"])]
        tree.attrs.update(
            _CITATION,
            subject=job.record,
            strain=strain,
            condition=f"immobilised, optogenetic stimulation of one neuron at a time; {condition}",
            archive=archive,
            data_file=next(item.path for item in job.inputs if _name(item).endswith("_gcamp.txt")),
        )
        return tree

    def expected(self) -> Expected:
        """Return nothing: no file is at hand to count."""
        return Expected()


def _cohort(path: str) -> str:
    return "unc31" if any("unc31" in part.replace("-", "") for part in PurePosixPath(path).parts[:-1]) else "wt"


def _name(raw: RawFile) -> str:
    return PurePosixPath(raw.path).name
