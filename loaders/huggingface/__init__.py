"""Versions as Hugging Face datasets: rows of records, windows of spikes and recordings, patients with images."""

from __future__ import annotations

from .events import to_spike_dataset, to_spike_iterable
from .library import datasets_library
from .recordings import to_recording_dataset, to_recording_iterable
from .rows import features, table_names, to_dataset, to_iterable
from .volumes import to_nifti_dataset, volume_groups

__all__ = [
    "datasets_library",
    "features",
    "table_names",
    "to_dataset",
    "to_iterable",
    "to_nifti_dataset",
    "to_recording_dataset",
    "to_recording_iterable",
    "to_spike_dataset",
    "to_spike_iterable",
    "volume_groups",
]
