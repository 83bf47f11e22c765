"""Recordings of a version as MNE-Python's raw objects."""

from __future__ import annotations

from .raw import to_mne

__all__ = ["to_mne"]
