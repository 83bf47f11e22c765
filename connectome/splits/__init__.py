"""Splits: which records, or stretches of them, train, validate and test - stored, versioned and proved.

A *plan* (:class:`GroupedSplit`, :class:`StratifiedGroupedSplit`, :class:`TimeBlockSplit`, :class:`GroupedFolds`,
:class:`PublishedSplit`) makes a :class:`Split` of an index of records, :class:`TrialSplit` one of a table of trials;
:func:`prove` and :func:`prove_trials` show that it does not leak, and :func:`assert_disjoint` that the windows of a
loader keep to it. Nothing here reads a record but :func:`split_trials`, which reads tables of trials.
"""

from __future__ import annotations

from .blocked import TimeBlockSplit
from .folds import GroupedFolds, HeldOutFold, held_out_of
from .grouped import GroupedSplit
from .options import plan_from_options
from .plan import Demands, Plan
from .proof import PartSize, Proof, prove
from .published import PublishedSplit
from .quota import Fractions
from .registry import PLANS, extend, plan_from_dict
from .split import Entry, Split
from .stratified import StratifiedGroupedSplit
from .trial_proof import TrialProof, prove_trials, split_trials
from .trial_windows import TrialTable, TrialWindows, read_trials
from .trials import TrialSplit
from .windows import assert_disjoint, part_of_windows

__all__ = [
    "PLANS",
    "Demands",
    "Entry",
    "Fractions",
    "GroupedFolds",
    "GroupedSplit",
    "HeldOutFold",
    "PartSize",
    "Plan",
    "Proof",
    "PublishedSplit",
    "Split",
    "StratifiedGroupedSplit",
    "TimeBlockSplit",
    "TrialProof",
    "TrialSplit",
    "TrialTable",
    "TrialWindows",
    "assert_disjoint",
    "extend",
    "held_out_of",
    "part_of_windows",
    "plan_from_dict",
    "plan_from_options",
    "prove",
    "prove_trials",
    "read_trials",
    "split_trials",
]
