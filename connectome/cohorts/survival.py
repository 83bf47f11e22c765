"""The Kaplan-Meier estimator with right censoring.

Kaplan and Meier 1958, J. Am. Stat. Assoc. 53:457-481, doi:10.1080/01621459.1958.10501452; variance by Greenwood's
formula (Greenwood 1926).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from connectome.errors import UsageError

__all__ = ["kaplan_meier"]


def kaplan_meier(years: Sequence[float] | pd.Series[Any], event: Sequence[bool] | pd.Series[Any]) -> pd.DataFrame:
    """Estimate the share of patients that is free of the event.

    A patient that is censored at a time was still at risk then; one with time 0 never was and does not count.

    Parameters
    ----------
    years, event : sequence or pandas.Series
        From :func:`~connectome.cohorts.seizure_free_until`.

    Returns
    -------
    pandas.DataFrame
        One row per time at which somebody had the event or was censored, index ``years``: ``at_risk``, ``events``,
        ``censored`` (int64), ``survival`` and ``standard_error`` (float64).

    Raises
    ------
    UsageError
        When the two differ in length, or a time is negative or missing.
    """
    times = pd.Series(years).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    happened = pd.Series(event).astype(bool).to_numpy()
    if times.shape != happened.shape or not (times >= 0).all():
        raise UsageError(
            "times and events do not make a follow-up",
            subject="kaplan_meier",
            expected="as many of both, no time negative or missing",
        )
    rows = []
    survival, sum_of_variance = 1.0, 0.0
    for time in np.unique(times[times > 0]):
        at_risk = int((times >= time).sum())
        events = int((happened & (times == time)).sum())
        censored = int((~happened & (times == time)).sum())
        survival *= 1.0 - events / at_risk
        if events < at_risk:
            sum_of_variance += events / (at_risk * (at_risk - events))
        rows.append((time, at_risk, events, censored, survival, survival * math.sqrt(sum_of_variance)))
    table = pd.DataFrame(rows, columns=["years", "at_risk", "events", "censored", "survival", "standard_error"])
    return table.set_index("years")
