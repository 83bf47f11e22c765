"""Guo et al. 2017: spikes and membrane potentials of anterolateral motor cortex and thalamus, delayed licking.

Nature, doi:10.1038/nature22324; DANDI:000009, 173 files of 31 mice, CC-BY-4.0. One of the sessions also comes with the
repository of hdmf-zarr, saved again by a newer PyNWB: its bytes are not those of the archive, its content is. It is
read where the archive's file is not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..jobs import RemoteFile
from .listed import dandi_assets
from .nwb_sessions import SessionSource

__all__ = ["SvobodaAlm"]

_NAME = re.compile(r"sub-(?P<subject>[A-Za-z0-9]+)_ses-(?P<session>\d{8}T\d{6})_[a-z+]+\.nwb")
_CARRIED = "sub-anm00239123_ses-20170627T093549_ecephys+ogen.nwb"
_CARRIER = (
    "https://raw.githubusercontent.com/hdmf-dev/hdmf-zarr/1f5e343f67678b950efb6c552bfb07f66447ece4/docs/gallery/"
    "resources/sub_anm00239123_ses_20170627T093549_ecephys_and_ogen.nwb"
)


class SvobodaAlm(SessionSource):
    """Sessions of mice that lick left or right after a delay."""

    id = "svoboda_alm"
    version = "1"
    dataset = "mouse-alm-delayed-response"
    by_ranges: ClassVar[bool] = True
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Mus musculus",
        "citation": "Guo et al., Nature 545:181-186 (2017)",
        "doi": "10.1038/nature22324",
        "licence": "CC-BY-4.0",
        "dandiset": "000009",
    }
    # Counted in the file of hdmf-zarr with h5py.
    facts: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "anm00239123-20170627T093549": {
            "/spikes": {"n_units": 4, "n_events": 34057, "n_silent_units": 0},
            "/trials": {"n_rows": 412},
            "/electrodes": {"n_rows": 32},
        }
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the archive's assets, and the copy of one session that hdmf-zarr carries."""
        listed = [
            asset.remote(self.id, licence="CC-BY-4.0", records=(self.record_of(asset.path) or "",))
            for asset in dandi_assets("000009")
        ]
        carried = RemoteFile(
            f"{self.id}/hdmf-zarr/{_CARRIED}",
            _CARRIER,
            591336,
            "14000842e1ca27fdded4d83394c73462d9b81b80c3a2a018cb11baf8b066d5c8",
            licence="CC-BY-4.0",
            records=(self.record_of(_CARRIED) or "",),
            optional=True,
        )
        return [*listed, carried]

    def record_of(self, path: str) -> str | None:
        """Return mouse and session."""
        named = _NAME.fullmatch(path.rpartition("/")[2])
        return f"{named['subject']}-{named['session']}" if named else None

    def rank(self, path: str) -> int:
        """Put the archive's own file first."""
        return int("/hdmf-zarr/" in path)

    def title_of(self, record: str) -> str:
        """Return the title of a session."""
        return f"Motor cortex and thalamus during delayed licking, session {record} (Guo et al. 2017)"
