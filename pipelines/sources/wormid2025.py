"""WormID: whole-brain imaging of worms from five laboratories in one NWB convention, on DANDI.

Source: Sprague et al., Cell Reports Methods 5:100964 (2025), doi:10.1016/j.crmeth.2024.100964; seven dandisets, all
CC-BY-4.0. One of them, 000541, is the source ``nejatbakhsh2020``; the six others are listed here with the versions of
the article. Some have structural images and names only, no activity. The files hold the images and are large; the user
downloads them with DANDI's own client into ``wormid2025/DANDISET/``.

The animals of 000776 are those of the source ``atanas2023`` and are called so in ``subject``, so that no animal comes
to lie on both sides of a split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError

from ..formats.worms.nwb_worm import read, sniff
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile
from .atanas2023_manifest import MANIFEST

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DandiWorms", "WormId2025"]

_ARCHIVE = "https://dandiarchive.org/dandiset"
_UID = re.compile(r"\d{4}-\d{2}-\d{2}-\d{2}")


class DandiWorms:
    """Worms of one or more dandisets by the convention of WormID, one record per NWB file."""

    id: ClassVar[str]
    version: ClassVar[str]
    dataset: ClassVar[str] = "celegans-activity"
    dandisets: ClassVar[Mapping[str, str]]
    """Folder below the source's own to ``DANDISET/VERSION``; the folder is empty where there is one dandiset."""
    conditions: ClassVar[Mapping[str, str]]
    """Folder to what was done to its worms."""
    citation: ClassVar[Mapping[str, Any]]

    def files(self) -> Sequence[RemoteFile]:
        """List the NWB files of every dandiset; the archive names them by animal and session."""
        return [
            RemoteFile(
                "/".join(part for part in (self.id, folder, "*.nwb") if part),
                f"{_ARCHIVE}/{dandiset}",
                licence=str(self.citation["licence"]),
                optional=True,
                pattern=True,
            )
            for folder, dandiset in self.dandisets.items()
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every NWB file of the convention."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in raw:
            folder = PurePosixPath(path).parts[1] if len(PurePosixPath(path).parts) > 1 else ""
            folder = folder if folder in self.dandisets else ""
            name = re.sub(r"[^A-Za-z0-9.-]+", "-", _animal(path))
            record = "-".join(part for part in (self.id, folder, name) if part)
            if record in jobs:
                rejected.append(Rejected(path, f"the animal is read from {jobs[record].inputs[0].path}", "not-data"))
            elif reason := _why_not(raw[path]):
                rejected.append(Rejected(path, reason, "format"))
            else:
                params = {"animal": name, "dandiset": self.dandisets.get(folder, "")}
                jobs[record] = Job(self.id, record, (raw[path],), params=params)
        return Discovery(tuple(jobs.values()), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read an animal."""
        tree = read([job.inputs[0].local])
        subject = self.subject_of(str(job.params["animal"])) or job.record
        tree.attrs.update(self.citation, subject=subject, dandiset=str(job.params["dandiset"]))
        folder = next((name for name, dandiset in self.dandisets.items() if dandiset == tree.attrs["dandiset"]), None)
        if folder is not None:
            tree.attrs["condition"] = self.conditions[folder]
        tree.attrs["data_file"] = job.inputs[0].path
        return tree

    def subject_of(self, animal: str) -> str:  # noqa: ARG002 - for those who know
        """Return the animal as another source calls it; empty where none has it."""
        return ""

    def expected(self) -> Expected:
        """Return nothing: no file is at hand to count."""
        return Expected()


class WormId2025(DandiWorms):
    """The other dandisets of WormID."""

    id = "wormid2025"
    version = "3"
    dandisets: ClassVar[Mapping[str, str]] = {
        "000472": "000472/0.241009.1502",
        "000565": "000565/0.241009.1504",
        "000692": "000692/0.240402.2118",
        "000714": "000714/0.241009.1516",
        "000715": "000715/0.241009.1514",
        "000776": "000776/0.241009.1509",
    }
    conditions: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("000472", "000565", "000714", "000715"), "immobilised in a microfluidic chip"),
        "000692": "semi-restricted in a microfluidic chip",
        "000776": "freely moving",
    }
    citation: ClassVar[Mapping[str, Any]] = {
        "source": "wormid2025",
        "citation": "Sprague et al., Cell Reports Methods 5:100964 (2025)",
        "doi": "10.1016/j.crmeth.2024.100964",
        "licence": "CC-BY-4.0",
    }

    def subject_of(self, animal: str) -> str:
        """Return the animal as ``atanas2023`` calls it."""
        uid = _UID.search(animal)
        return f"atanas2023-{uid[0]}" if uid and uid[0] in MANIFEST else ""


def _why_not(raw: RawFile) -> str:
    """Return why a file is not a worm of the convention; empty where it is one."""
    try:
        return "" if sniff(raw.local) else "no worm in NWB by the convention of WormID"
    except FormatError as error:
        # The reason is stored in a version, so it must not hold a path of this machine.
        return str(error).replace(str(raw.local), raw.path)


def _animal(path: str) -> str:
    """Return what DANDI's name of a file says: the animal, and the session unless the animal has but one name."""
    return PurePosixPath(path).stem.removeprefix("sub-").removesuffix("_ophys")
