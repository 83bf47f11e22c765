"""Spike trains in time: windows, exact bins, aligned trials, PSTHs and tokens, all from one slice of sorted events.

Plain NumPy over the arrays of an ``events`` group; nothing here reads files. An interval is half-open everywhere:
an event at its start is inside, one at its end is not, so that counts over bins that touch add up to the events.
"""

from __future__ import annotations

from .aligning import Psth, aligned_counts, psth
from .binning import add_counts, bin_counts, largest_exact_count
from .edges import EdgeGrid, bin_edges, exact_seconds
from .filters import FILTERS, Filtered, UnitFilter, unit_filter
from .observed import ObservedTime, observed_fraction
from .tokens import Tokens, tokens
from .trains import SpikeTrains

__all__ = [
    "FILTERS",
    "EdgeGrid",
    "Filtered",
    "ObservedTime",
    "Psth",
    "SpikeTrains",
    "Tokens",
    "UnitFilter",
    "add_counts",
    "aligned_counts",
    "bin_counts",
    "bin_edges",
    "exact_seconds",
    "largest_exact_count",
    "observed_fraction",
    "psth",
    "tokens",
    "unit_filter",
]
