"""Cohorts: one table over all records of a version, outcomes after surgery, survival, and what was known when.

``cohort_table`` joins the one-row tables of patients, ``measures`` the tables of regions; ``outcome``,
``seizure_free_until`` and ``kaplan_meier`` turn yearly outcome classes into answers with the censoring stated;
``available`` and ``warn_post_op`` tell fields that only surgery makes known from those that a model may be given.
"""

from __future__ import annotations

from .asymmetry import asymmetry_index
from .bins import Bin, bin_category, parse_bin
from .outcomes import Rule, outcome, patient_years, seizure_free_until
from .roles import POST_OP, PRE_OP, PostOpWarning, available, warn_post_op
from .survival import kaplan_meier
from .table import cohort_table, measures

__all__ = [
    "POST_OP",
    "PRE_OP",
    "Bin",
    "PostOpWarning",
    "Rule",
    "asymmetry_index",
    "available",
    "bin_category",
    "cohort_table",
    "kaplan_meier",
    "measures",
    "outcome",
    "parse_bin",
    "patient_years",
    "seizure_free_until",
    "warn_post_op",
]
