"""Seizures: labels, windows by interval overlap, and event scores.

``Seizure`` and ``seizure_table`` are the group ``seizure`` of a record; ``label_windows`` and ``ictal_windows`` say
what a window shows under a stated rule; ``score_events`` counts detections as SzCORE does.
"""

from __future__ import annotations

from .scoring import EventRule, EventScores, combine_scores, score_events
from .seizure import GROUP, OBSERVED, Seizure, intervals_of, observed_of, seizure_table, seizures_of
from .vocabulary import BACKGROUND, SEIZURE, SZCORE_LABELS, is_seizure, label_meaning
from .windows import STATES, UNKNOWN, Horizons, OverlapRule, ictal_windows, label_windows, overlap_s, parse_rule

__all__ = [
    "BACKGROUND",
    "GROUP",
    "OBSERVED",
    "SEIZURE",
    "STATES",
    "SZCORE_LABELS",
    "UNKNOWN",
    "EventRule",
    "EventScores",
    "Horizons",
    "OverlapRule",
    "Seizure",
    "combine_scores",
    "ictal_windows",
    "intervals_of",
    "is_seizure",
    "label_meaning",
    "label_windows",
    "observed_of",
    "overlap_s",
    "parse_rule",
    "score_events",
    "seizure_table",
    "seizures_of",
]
