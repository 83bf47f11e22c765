"""Outcomes after epilepsy surgery: yearly classes into success or failure, and the time to the first failure.

ILAE classes: 1 completely seizure-free, 2 only auras, 3 to 6 seizures of rising number (Wieser et al. 2001, Epilepsia
42:282-286, doi:10.1046/j.1528-1157.2001.35100.x). A year without a class is unknown: never a success, never a failure.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from connectome.errors import UsageError

__all__ = ["Rule", "outcome", "patient_years", "seizure_free_until"]

COLUMN = "{scale}_year{year}"
"""Name of a yearly column: ``ilae_year1``."""

_RULE = re.compile(r"(?P<scale>[A-Za-z]+) ?(?P<sign><=|<|==|=|>=|>) ?(?P<bound>\d+)")
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le, "<": operator.lt, "==": operator.eq, "=": operator.eq, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """What counts as a success: ``ILAE<=2``."""

    scale: str
    """Lower case: ``ilae``."""
    sign: str
    bound: int

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule; raise :class:`~connectome.errors.UsageError` for anything else."""
        found = _RULE.fullmatch(text.strip())
        if found is None:
            raise UsageError("not a rule for an outcome", subject="rule", expected="as in ILAE<=2", found=repr(text))
        return cls(found["scale"].lower(), found["sign"], int(found["bound"]))

    def holds(self, classes: pd.Series[Any]) -> pd.Series[Any]:
        """Return for each class whether it is a success; missing where there is none (dtype ``boolean``)."""
        numbers = classes.astype("Float64")
        met: pd.Series[Any] = _SIGNS[self.sign](numbers, self.bound).astype("boolean")
        return met


def outcome(subjects: pd.DataFrame, *, year: int = 1, rule: str = "ILAE<=2") -> pd.Series[Any]:
    """Return whether the outcome of each patient in one year after surgery is a success.

    Parameters
    ----------
    subjects : pandas.DataFrame
        From :func:`~connectome.cohorts.cohort_table`: columns ``ilae_year1``, ``ilae_year2``, ...
    year : int
        Years after surgery, from 1.
    rule : str
        Scale, comparison and class: ``ILAE<=2``, ``ILAE=1``.

    Returns
    -------
    pandas.Series
        dtype ``boolean``, on the index of ``subjects``; missing where the class of that year is.

    Raises
    ------
    UsageError
        When the rule is malformed or the table has no such year.
    """
    parsed = Rule.parse(rule)
    name = f"outcome_year{year}"
    return parsed.holds(_classes(subjects, parsed.scale)[_column(subjects, parsed.scale, year)]).rename(name)


def patient_years(subjects: pd.DataFrame, *, scale: str = "ILAE") -> int:
    """Return the number of years with a known outcome, over all patients."""
    return int(_classes(subjects, scale.lower()).notna().to_numpy().sum())


def seizure_free_until(subjects: pd.DataFrame, *, rule: str = "ILAE<=2") -> pd.DataFrame:
    """Return until when each patient met a rule without a break since surgery.

    Years are counted from surgery. The first year that does not meet the rule is the event. A patient is censored
    after the last year that is known, if all years until then met the rule: at the first missing year, so that a year
    that is known after a gap does not count.

    Parameters
    ----------
    subjects : pandas.DataFrame
        As for :func:`outcome`.
    rule : str
        As for :func:`outcome`.

    Returns
    -------
    pandas.DataFrame
        ``years`` (Int64: the year of the event, or the last year known to be free; 0 where no year is known) and
        ``event`` (bool), on the index of ``subjects``; patients without any outcome have 0 and False.
    """
    parsed = Rule.parse(rule)
    classes = _classes(subjects, parsed.scale)
    free = classes.apply(parsed.holds)
    known = free.notna().to_numpy()
    failed = (~free).fillna(False).to_numpy(dtype=bool)
    _n_patients, n_years = known.shape
    first_gap = np.where(known.all(axis=1), n_years, np.argmin(known, axis=1) if n_years else 0)
    first_fail = np.where(failed.any(axis=1), np.argmax(failed, axis=1), n_years)
    event = first_fail < first_gap
    years = np.where(event, first_fail + 1, first_gap)
    return pd.DataFrame(
        {"years": pd.array(years.astype(np.int64), dtype="Int64"), "event": event}, index=subjects.index
    )


def _column(subjects: pd.DataFrame, scale: str, year: int) -> str:
    name = COLUMN.format(scale=scale, year=year)
    if name not in subjects.columns:
        there = [str(column) for column in subjects.columns if "_year" in str(column)]
        raise UsageError(
            "the table has no outcome of that year", subject="year", expected=", ".join(there) or "yearly outcomes",
            found=name,
        )  # fmt: skip
    return name


def _classes(subjects: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Return the yearly classes in order, as numbers."""
    found = sorted(
        (int(match[1]), str(column))
        for column in subjects.columns
        if (match := re.fullmatch(rf"{re.escape(scale)}_year(\d+)", str(column)))
    )
    if not found:
        _column(subjects, scale, 1)
    made = {name: _numbers(subjects[name]) for _, name in found}
    return pd.DataFrame(made, index=subjects.index)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    texts = column.astype("object")
    missing = texts.isna() | (texts == "")
    return pd.to_numeric(texts.mask(missing, None), errors="raise").astype("Float64")
