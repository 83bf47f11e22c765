"""BCI Competition IV, data set 2a: nine people who imagine four movements, two sessions of 288 trials each.

Brunner et al. 2008, "BCI Competition 2008 - Graz data set A"; Tangermann et al. 2012, doi:10.3389/fnins.2012.00055. 22
EEG and 3 EOG channels at 250 Hz in GDF; files come in one archive behind a page (https://www.bbci.de/competition/iv/):
lay them in a folder and give it as ``--mirror``. Codes 769 to 772 cue left hand, right hand, foot and tongue; in the
sessions for evaluation (``E``) all cues are 783, and the true classes are offered apart. Tried on made ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from ..formats.recordings import gdf, mne_raw
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .recordings import warn

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BciIv2a"]

_PAGE = "https://www.bbci.de/competition/iv/#download"
_LICENCE = "none-stated"
_NAME = re.compile(r"A0(?P<subject>[1-9])(?P<session>[TE])\.gdf")
PARTS: Mapping[str, str] = {"T": "training", "E": "evaluation"}


class BciIv2a:
    """Every session, one record each."""

    id = "bci_iv_2a"
    version = "1"
    dataset = "bci-iv-2a"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Tangermann et al., Frontiers in Neuroscience 6:55 (2012)",
        "doi": "10.3389/fnins.2012.00055",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the sessions, which lie in an archive behind a page."""
        return [RemoteFile("*A0[1-9][TE].gdf", _PAGE, licence=_LICENCE, optional=True, pattern=True)]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every session."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in raw:
            name = PurePosixPath(path).name
            if _NAME.fullmatch(name) is None:
                rejected.append(Rejected(path, "not named as the sessions are", "not-data"))
            elif name[:4] in jobs:
                rejected.append(Rejected(path, "the session was taken from another folder", "duplicate"))
            elif not gdf.is_gdf2(raw[path].local) and not mne_raw.sniff(raw[path].local):
                rejected.append(Rejected(path, "no GDF in the file", "format"))
            else:
                jobs[name[:4]] = Job(self.id, name[:4], (raw[path],))
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read a session; the reader names the codes."""
        tree = mne_raw.read([job.inputs[0].local], sidecars="given")
        part = PARTS[job.record[3]]
        tree.attrs.update(
            self.about,
            title=f"Motor imagery, subject {job.record[:3]}, session for {part} (BCI Competition IV 2a)",
            subject=job.record[:3],
            session=job.record[3],
            task="imagined movement of left hand, right hand, feet or tongue",
            published_part=part,
            source=self.id,
            data_file=job.inputs[0].path,
        )
        if part == "evaluation":
            warn(tree, "classes-apart", "annotation", "the classes of the trials (783) are not in the file")
        return tree

    def expected(self) -> Expected:
        """Return nothing that generated files would have to meet: 25 channels, 250 Hz and 288 trials are stated."""
        return Expected()
