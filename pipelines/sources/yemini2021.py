"""Yemini et al. 2021: NeuroPAL recordings of heads and tails under chemosensory stimuli.

Source: zenodo.org/record/3906530, to which the laboratory's list of NeuroPAL data points for "OH16230 (21 heads & 21
tails) + OH15500 (7 heads)"; names of the files are those that users of the data give. Worms are numbered from 01 in the
order of the variable ``files``. No checksums are known. Some of the animals are those of ``nejatbakhsh2020``; which
ones is not published, so all have the attribute ``overlap``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError
from connectome.schema import warning

from ..formats.worms.yemini_mat import read, worm_files
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Yemini2021"]

_PAGE = "https://zenodo.org/record/3906530"


@dataclass(frozen=True)
class _File:
    strain: str
    part: str
    n_worms: int

    @property
    def name(self) -> str:
        return f"{self.part.capitalize()}_Activity_{self.strain}.mat"

    @property
    def path(self) -> str:
        return f"yemini2021/{self.name}"

    def record(self, worm: int) -> str:
        return f"yemini2021-{self.part}-{self.strain.lower()}-{worm:02d}"


_FILES = (_File("OH15500", "head", 7), _File("OH16230", "head", 21), _File("OH16230", "tail", 21))

_CITATION: Mapping[str, Any] = {
    "source": "yemini2021",
    "citation": "Yemini, Lin, Nejatbakhsh et al., Cell 184:272-288 (2021)",
    "doi": "10.1016/j.cell.2020.12.012",
    "licence": "none-stated",
    "overlap": "yemini2021",
}


class Yemini2021:
    """Recordings of Yemini et al. 2021."""

    id = "yemini2021"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the three files; none has a published checksum, so all may be missing."""
        return [
            RemoteFile(
                path=file.path,
                url=_PAGE,
                licence="none-stated",
                records=tuple(file.record(worm) for worm in range(1, file.n_worms + 1)),
                optional=True,
                pattern=True,
            )
            for file in _FILES
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every worm of every file at hand that has the variables of the layout."""
        jobs: list[Job] = []
        rejected: list[Rejected] = []
        for file in _FILES:
            if file.path not in raw:
                continue
            try:
                worms = worm_files(raw[file.path].local)
            except FormatError as error:
                reason = str(error).replace(str(raw[file.path].local), file.path)
                rejected.append(Rejected(file.path, reason, error.kind))
                continue
            for worm in range(1, len(worms) + 1):
                params = {"file": file.name, "worm": worm, "n_worms": len(worms)}
                jobs.append(Job(self.id, file.record(worm), (raw[file.path],), params=params))
        return Discovery(tuple(jobs), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read one worm."""
        file = next(item for item in _FILES if item.name == job.params["file"])
        tree = read([job.inputs[0].local], worm=int(job.params["worm"]))
        n_worms = int(job.params["n_worms"])
        if n_worms != file.n_worms:
            text = f"the file has {n_worms} worms, {file.n_worms} are published: this may be another release"
            tree.attrs["warnings"] = [*tree.attrs.get("warnings", []), warning("worm-count", file.name, text)]
        tree.attrs.update(
            _CITATION,
            subject=job.record,
            strain=file.strain,
            condition=f"{file.part}, chemosensory stimuli",
            body_part=file.part,
            data_file=file.name,
        )
        return tree

    def expected(self) -> Expected:
        """Expect nothing of single records: only the numbers of worms are published."""
        return Expected()
