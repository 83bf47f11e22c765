"""Lin et al. 2023: responses of chemosensory neurons to odours, one MATLAB file per worm.

Source: zenodo.org/records/7563053. The publisher offers the files together and their names are not known to us, so
every ``.mat`` below ``lin2023/`` of a mirror is looked at; those of other layouts there (compilations per
concentration) are rejected with the variables that they lack. A record is named after its file. The 2024 compilation
had 577 worms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError

from ..formats.worms.lin_mat import check, read
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Lin2023"]

_FOLDER = "lin2023/"
_SUFFIX = ".mat"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")

_CITATION: Mapping[str, Any] = {
    "source": "lin2023",
    "citation": "Lin, Qin, Casademunt et al., Science Advances 9:eade1249 (2023)",
    "doi": "10.1126/sciadv.ade1249",
    "licence": "none-stated",
}


class Lin2023:
    """Recordings of Lin et al. 2023."""

    id = "lin2023"
    version = "1"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the files by a pattern."""
        return [
            RemoteFile(
                path=f"{_FOLDER}*{_SUFFIX}",
                url="https://zenodo.org/records/7563053",
                licence="none-stated",
                optional=True,
                pattern=True,
            )
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every file that has the variables of the layout."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in raw:
            record = f"{self.id}-{_NOT_IN_IDS.sub('-', path.removeprefix(_FOLDER).removesuffix(_SUFFIX)).strip('-')}"
            try:
                check(raw[path].local)
            except FormatError as error:
                rejected.append(Rejected(path, str(error).replace(str(raw[path].local), path), error.kind))
                continue
            if record in jobs:
                other = jobs[record].inputs[0].path
                rejected.append(
                    Rejected(path, f"{other} makes a record of the same id, {record}: rename one", "format")
                )
                continue
            jobs[record] = Job(self.id, record, (raw[path],), params={"file": path.removeprefix(_FOLDER)})
        return Discovery(tuple(jobs.values()), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read one worm."""
        tree = read([job.inputs[0].local])
        tree.attrs.update(
            _CITATION,
            subject=job.record,
            condition="odour stimuli",
            data_file=str(job.params["file"]),
            source_uid=str(job.params["file"]).rpartition("/")[2].removesuffix(_SUFFIX),
        )
        return tree

    def expected(self) -> Expected:
        """Expect nothing of single records: only the number of worms in a compilation is published."""
        return Expected()
