"""Venkatachalam laboratory 2024: whole-brain activity of worms that smell and taste, unpublished.

Source: chemosensory-data.worm.world, one zipped table per animal (22 hermaphrodites in the release of 2024, 25 males
beside them), named by date, sex and number (``20220327_herm_2``). The site offers them one by one behind its pages and
names no licence and no checksum; the user lays them into ``venkatachalam2024/``.

The first 98 samples of every recording are empty; they are kept as not taken. A neuron that is named twice in a
recording is a duplicate and gets no name to join by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..formats.worms.csv_celegans import read, sniff
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Venkatachalam2024"]

_HOME = "https://chemosensory-data.worm.world/"
_SEX = re.compile(r"(?:^|_)(?P<sex>herm|male)(?:_|$)")
_SEXES = {"herm": "hermaphrodite", "male": "male"}

_CITATION: Mapping[str, Any] = {
    "source": "venkatachalam2024",
    "citation": "Seyedolmohadesin et al., unpublished (2024), chemosensory-data.worm.world",
    "url": _HOME,
    "licence": "none-stated",
}


class Venkatachalam2024:
    """Recordings of the Venkatachalam laboratory, one record per animal."""

    id = "venkatachalam2024"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the tables, zipped or not."""
        return [
            RemoteFile(f"venkatachalam2024/*.{suffix}", _HOME, licence="none-stated", optional=True, pattern=True)
            for suffix in ("csv", "zip")
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every table; of a table that is there zipped and unpacked, one."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in raw:
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(path).stem)
            record = f"venkatachalam2024-{name}"
            if record in jobs:
                rejected.append(Rejected(path, f"the animal is read from {jobs[record].inputs[0].path}", "not-data"))
            elif not sniff(raw[path].local):
                rejected.append(Rejected(path, "no table with the column neuron and numbered samples", "format"))
            else:
                jobs[record] = Job(self.id, record, (raw[path],), params={"animal": name})
        return Discovery(tuple(jobs.values()), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read an animal."""
        tree = read([job.inputs[0].local])
        condition = "in a microfluidic chip, chemical stimuli"
        tree.attrs.update(_CITATION, subject=job.record, condition=condition, data_file=job.inputs[0].path)
        sex = _SEX.search(str(job.params["animal"]))
        if sex is not None:
            tree.attrs["sex"] = _SEXES[sex["sex"]]
        return tree

    def expected(self) -> Expected:
        """Return nothing: no file is at hand to count."""
        return Expected()
