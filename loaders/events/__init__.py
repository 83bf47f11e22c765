"""Spikes as training code reads them, in plain NumPy: windows in bins or spike by spike, and trials."""

from __future__ import annotations

from .source import EventSource
from .trials import TrialSource

__all__ = ["EventSource", "TrialSource"]
