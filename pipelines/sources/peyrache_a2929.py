"""Mouse A2929: head-direction cells (ADN) and CA1 units in sleep and wake, as the package pynapple carries them.

Viejo et al. 2023, eLife 12:RP85786, doi:10.7554/eLife.85786. The file comes with the sources of pynapple 0.11.4 (MIT);
it names no subject and no species, and its start time is that of its conversion, in 2022; the session's name says
2020-07-11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..jobs import RemoteFile
from .nwb_sessions import SessionSource

__all__ = ["PeyracheA2929"]

_FILE = "A2929-200711.nwb"


class PeyracheA2929(SessionSource):
    """One session of one mouse."""

    id = "peyrache_a2929"
    version = "1"
    dataset = "mouse-head-direction"
    by_ranges: ClassVar[bool] = True
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Mus musculus",
        "subject": "A2929",
        "citation": "Viejo et al., eLife 12:RP85786 (2023)",
        "doi": "10.7554/eLife.85786",
        "licence": "MIT",
    }
    # Counted in the file with h5py.
    facts: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "A2929-200711": {
            "/spikes": {"n_units": 15, "n_events": 98794, "n_silent_units": 0},
            "/electrodes": {"n_rows": 16},
            "/epochs": {"n_rows": 2},
            "/intervals/sleep_ripples": {"n_rows": 594},
            "/series/Position": {"n_channels": 3, "n_samples": 63527},
            "/series/CompassDirection": {"n_channels": 3, "n_samples": 63527},
        }
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the session."""
        return [
            RemoteFile(
                f"{self.id}/{_FILE}",
                "https://raw.githubusercontent.com/pynapple-org/pynapple/v0.11.4/tests/nwbfilestest/neurosuite/"
                f"pynapplenwb/{_FILE}",
                7200244,
                "a329216d2108dac0fff3fd3326c99f52f1bec6c354c2cdb330978e558caeb1f2",
                licence="MIT",
                records=("A2929-200711",),
            )
        ]

    def record_of(self, path: str) -> str | None:
        """Return the session."""
        return "A2929-200711" if path.endswith(f"/{_FILE}") else None

    def title_of(self, record: str) -> str:
        """Return the title of the session."""
        return f"Head-direction and CA1 units in sleep and wake, session {record} (Viejo et al. 2023)"
