"""International Brain Laboratory, brain-wide map: 699 insertions of probes, 459 sessions, 139 mice, 12 laboratories.

IBL et al., Nature (2025), "A brain-wide map of neural activity during complex behaviour"; data CC-BY-4.0. Which
insertions there are is said by the release of December 2023, which comes with the package. Files are taken from a
folder given as mirror, as IBL's client lays them: ``LAB/Subjects/SUBJECT/DATE/NUMBER/alf/PROBE/...``. Their revisions
change values under one name, so the checksum of every file is part of the record's recipe. An insertion is a record;
two probes of a session share its trials and its animal.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import ConnectomeError

from ..formats.spikes.alf import read
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .listed import listed_rows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IblBrainwide"]

_PATH = re.compile(
    r"(?P<session>(?P<lab>[^/]+)/Subjects/(?P<subject>[^/]+)/(?P<date>\d{4}-\d\d-\d\d)/(?P<number>\d{3}))/alf/"
    r"(?:(?P<probe>probe\d+)/)?(?P<rest>.+)"
)
_SPIKES = re.compile(r"(?:.*/)?spikes\.(?P<what>times|clusters)(?:\.[0-9a-f-]{36})?\.npy")
_NPY = b"\x93NUMPY"


@cache
def _insertions() -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of the release by session folder and probe."""
    return {
        (
            f"{row['lab']}/Subjects/{row['subject']}/{row['date']}/{int(row['session_number']):03d}",
            row["probe_name"],
        ): row
        for row in listed_rows("ibl-brainwide-2023-12")
    }


class IblBrainwide:
    """Insertions of the release whose files are at hand."""

    id = "ibl_brainwide"
    version = "1"
    dataset = "mouse-brainwide-map"

    def files(self) -> Sequence[RemoteFile]:
        """List what may lie in a mirror."""
        return [
            RemoteFile(
                f"{self.id}/*/alf/*", "https://ibl.flatironinstitute.org/public", licence="CC-BY-4.0", optional=True,
                pattern=True,
            )
        ]  # fmt: skip

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every insertion of the release whose spike times are here."""
        probes: dict[tuple[str, str], list[str]] = {}
        rejected = []
        for path in raw:
            found = _PATH.search(path.removeprefix(f"{self.id}/"))
            if found is None:
                rejected.append(Rejected(path, "not laid as the files of a session are", "not-data"))
            elif found["probe"] and (found["session"], found["probe"]) not in _insertions():
                rejected.append(Rejected(path, "no insertion of the release", "not-data"))
            else:
                probes.setdefault((found["session"], found["probe"] or ""), []).append(path)
        jobs = []
        for (session, probe), own in probes.items():
            if probe and {_spikes(path, raw[path].local) for path in own} >= {"times", "clusters"}:
                row = _insertions()[session, probe]
                inputs = [raw[path] for path in sorted([*own, *probes.get((session, ""), [])])]
                jobs.append(Job(self.id, row["pid"], tuple(inputs), {"probe": probe, "session": session}))
        used = {item.path for job in jobs for item in job.inputs}
        told = {item.file for item in rejected}
        rejected += [
            Rejected(path, "no spikes of the insertion are here", "unavailable")
            for path in raw
            if path not in used | told
        ]
        return Discovery(tuple(sorted(jobs, key=lambda job: job.record)), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read an insertion: its files are laid side by side again, by links."""
        row = next(row for row in _insertions().values() if row["pid"] == job.record)
        with tempfile.TemporaryDirectory() as folder:
            times: list[Path] = []
            for item in job.inputs:
                place = Path(folder, item.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(item.local.resolve())
                if _spikes(item.path, item.local) == "times":
                    times.append(place)
            try:
                tree = read([min(times)])
            except ConnectomeError as error:
                # The reason is stored in a version, so it must not hold a path of this machine.
                for name, value in vars(error).items():
                    if isinstance(value, str):
                        setattr(error, name, value.replace(f"{folder}/", ""))
                raise
        tree.attrs.update(
            title=f"Brain-wide map, {row['probe_name']} of {row['subject']} on {row['date']} (IBL 2025)",
            species="Mus musculus",
            subject=row["subject"],
            lab=row["lab"],
            session_id=row["eid"],
            insertion_id=row["pid"],
            source=self.id,
            citation="International Brain Laboratory et al., Nature (2025)",
            url="https://github.com/int-brain-lab/paper-brain-wide-map",
            licence="CC-BY-4.0",
            data_file=", ".join(item.path for item in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return nothing: no file of an insertion is at hand to count."""
        return Expected()


def _spikes(path: str, local: Path) -> str:
    """Return which part of the spikes an array holds; empty where it is none."""
    named = _SPIKES.fullmatch(path)
    if named is None:
        return ""
    with local.open("rb") as stream:
        return named["what"] if stream.read(len(_NPY)) == _NPY else ""
