"""HUP iEEG: intracranial EEG of 57 patients at the Hospital of the University of Pennsylvania, 319 clips.

OpenNeuro ds004100 1.1.3, doi:10.18112/openneuro.ds004100.v1.1.3, CC0; Kini, Bernabei et al. 2019,
doi:10.1093/brain/awz303; Bernabei, Sinha et al. 2022, doi:10.1093/brain/awab480. 208 clips hold one seizure each, 111
none; channels say whether they are in the seizure onset zone (``soz``) and were removed (``resected``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .openneuro_recordings import OpenNeuroRecordings

__all__ = ["HupIeeg"]


class HupIeeg(OpenNeuroRecordings):
    """Every clip, one record each."""

    id = "hup_ieeg"
    version = "1"
    dataset = "hup-ieeg"
    accession = "ds004100"
    commit = "da07f99bcd7a801f86191eceb2d35b0520c55d1a"
    about: ClassVar[Mapping[str, str]] = {
        "citation": "Bernabei, Sinha et al., Brain 145:1949-1961 (2022)",
        "doi": "10.1093/brain/awab480",
        "dataset_doi": "10.18112/openneuro.ds004100.v1.1.3",
        "licence": "CC0-1.0",
    }

    def has_events(self, record: str) -> bool:
        """Interictal clips have no table of events."""
        return "_task-ictal_" in record

    def facts(self, record: str) -> Mapping[str, Mapping[str, Any]]:
        """Return one seizure in every ictal clip whose events are known, and none in the others."""
        if not self.has_events(record):
            return {"/seizure": {"n_rows": 0}}
        subject = record.partition("_")[0]
        events = f"{subject}/ses-presurgery/ieeg/{record}_events.tsv"
        return {"/seizure": {"n_rows": 1}, "/events": {"n_rows": 2}} if self.is_listed(events) else {}
