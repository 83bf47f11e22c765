"""Volumes as training code reads them, in plain NumPy: patches, grids and their reassembly, and whole volumes."""

from __future__ import annotations

from .grid import Reassembly, reassemble
from .intensity import FittedZScore, PercentileRange, ZScoreEach
from .sampling import ForegroundWeighted, Grid, LabelBalanced, Uniform
from .source import PatchSource
from .whole import VolumeSource

__all__ = [
    "FittedZScore",
    "ForegroundWeighted",
    "Grid",
    "LabelBalanced",
    "PatchSource",
    "PercentileRange",
    "Reassembly",
    "Uniform",
    "VolumeSource",
    "ZScoreEach",
    "reassemble",
]
