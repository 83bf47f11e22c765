"""Steinmetz et al. 2019: about 30,000 neurons of 42 regions in 39 sessions of 10 mice that choose the higher contrast.

Nature 576:266-273, doi:10.1038/s41586-019-1787-x; DANDI:000017, CC-BY-4.0, 39 NWB files with every unit and spike. Four
sessions also come as a course's excerpt (github.com/wtguo1997/VisualCortex-NeuralDecisionStudy): counts of the units of
visual cortex in 10 ms bins after the stimulus. They are records of their own, of the same mice, with ``-counts`` in
their names: a split by session or animal keeps both on one side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..formats.spikes import steinmetz_counts
from ..jobs import Job, RawFile, RemoteFile
from .listed import dandi_assets
from .nwb_sessions import SessionSource

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Steinmetz2019"]

_NAME = re.compile(r"sub-(?P<subject>[A-Za-z]+)_ses-(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T\d{6}\.nwb")
_EXCERPT = (
    "https://raw.githubusercontent.com/wtguo1997/VisualCortex-NeuralDecisionStudy/"
    "de581858a237255827df69c7760f15cd4b462cb5"
)
# File: session, bytes, sha256, units, trials. Counted in the files with an independent reader.
_COUNTS: Mapping[str, tuple[str, int, str, int, int]] = {
    "session1.rds": (
        "Cori_2016-12-14", 188431, "4783626e552e1c07b1d8002c5bd62c42b6acf4d38bfee84462e3320ccc3d8efa", 178, 214,
    ),
    "session2.rds": (
        "Cori_2016-12-17", 481775, "bd9afa6fa14cd6c18072573daccc752465ed50be28d1ce8de58ee52d71f52dfc", 533, 251,
    ),
    "session3.rds": (
        "Cori_2016-12-18", 223295, "6f67cb8a00345533931c1a29e1eaf0d04a07e1b42de68bda371901f4902e899f", 228, 228,
    ),
    "session4.rds": (
        "Forssmann_2017-11-01", 128904, "1a5effc5e0802716b08ca9d2d09893a14e427b2790da484537c231e7bdddfc48", 120, 249,
    ),
}  # fmt: skip
_BINS = 39


class Steinmetz2019(SessionSource):
    """Sessions in NWB, and counts of four of them."""

    id = "steinmetz2019"
    version = "1"
    dataset = "mouse-visual-decisions"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Mus musculus",
        "citation": "Steinmetz et al., Nature 576:266-273 (2019)",
        "doi": "10.1038/s41586-019-1787-x",
        "licence": "CC-BY-4.0",
    }
    facts: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        # Counted in the archive's file by others (NeurodataWithoutBorders/pynwb#1389).
        "Cori_2016-12-14": {"/spikes": {"n_units": 1085, "n_events": 10_017_476}, "/trials": {"n_rows": 214}},
        **{
            f"{session}-counts": {
                "/spike_counts": {"n_channels": n_units, "n_samples": n_trials * _BINS, "n_segments": n_trials},
                "/trials": {"n_rows": n_trials},
            }
            for session, _, _, n_units, n_trials in _COUNTS.values()
        },
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the archive's assets and the excerpt."""
        assets = [
            asset.remote(self.id, licence="CC-BY-4.0", records=(self.record_of(asset.path) or "",))
            for asset in dandi_assets("000017")
        ]
        counts = [
            RemoteFile(
                f"{self.id}/counts/{name}", f"{_EXCERPT}/{name}", size, sha256, licence="CC-BY-4.0",
                records=(f"{session}-counts",), optional=True,
            )
            for name, (session, size, sha256, _, _) in _COUNTS.items()
        ]  # fmt: skip
        return [*assets, *counts]

    def record_of(self, path: str) -> str | None:
        """Return mouse and day."""
        name = path.rpartition("/")[2]
        if name in _COUNTS:
            return f"{_COUNTS[name][0]}-counts"
        named = _NAME.fullmatch(name)
        return f"{named['subject']}_{named['year']}-{named['month']}-{named['day']}" if named else None

    def title_of(self, record: str) -> str:
        """Return the title of a record."""
        session = record.removesuffix("-counts")
        what = "Spike counts of visual cortex" if record.endswith("-counts") else "Spikes across the brain"
        return f"{what} during visual decisions, session {session} (Steinmetz et al. 2019)"

    def why_not(self, raw: RawFile) -> str:
        """Return why a file is no session; the excerpt has a format of its own."""
        if raw.path.endswith(".rds"):
            return "" if steinmetz_counts.sniff(raw.local) else "no counts of a session in the file"
        return super().why_not(raw)

    def read(self, job: Job) -> xr.DataTree:
        """Read a session or the counts of one."""
        if job.record.endswith("-counts"):
            return self.described(steinmetz_counts.read([job.inputs[0].local]), job)
        return super().read(job)
