"""Epilepsy-iEEG-Multicenter: intracranial EEG around seizures of 35 patients at four hospitals, 106 runs.

OpenNeuro ds003029 1.0.5, doi:10.18112/openneuro.ds003029.v1.0.5, CC0; Li et al. 2021, doi:10.1038/s41593-021-00901-w.
Its events are free texts, and in exports of Nihon Kohden their onsets are early by up to half a second; the format
``bids`` gives labels where the texts leave no doubt, and the true times, with a note of each correction. Five patients
are in ds003876 too (:mod:`.linked_people`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .openneuro_recordings import OpenNeuroRecordings

__all__ = ["FragilityIeeg"]


class FragilityIeeg(OpenNeuroRecordings):
    """Every run, one record each."""

    id = "fragility_ieeg"
    version = "3"
    dataset = "fragility-ieeg"
    accession = "ds003029"
    commit = "62b403d544f42c095035efebafe43cb9479b32bd"
    about: ClassVar[Mapping[str, str]] = {
        "citation": "Li et al., Nature Neuroscience 24:1465-1474 (2021)",
        "doi": "10.1038/s41593-021-00901-w",
        "dataset_doi": "10.18112/openneuro.ds003029.v1.0.5",
        "licence": "CC0-1.0",
    }
