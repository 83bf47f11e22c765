"""Conditions on columns: which units, which trials. Plain data, so that a dataset's description keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from connectome.errors import NotFoundError, UsageError

__all__ = ["Condition", "as_conditions", "satisfied"]

Array = np.ndarray[Any, Any]
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
TEXT_COMPARISONS = ("==", "!=", "in", "known")


class Condition(NamedTuple):
    """One condition; a missing value (NaN, no text, no category) satisfies none."""

    column: str
    comparison: str
    """One of ``== != < <= > >=``, ``in`` (any of a list), ``known`` (is there at all; the value is not used)."""
    value: Any = None


def as_conditions(given: Sequence[Sequence[Any]] | None, *, subject: str) -> tuple[Condition, ...]:
    """Return conditions that must all hold.

    Parameters
    ----------
    given : sequence of (column, comparison, value), or None
        None for no condition.
    subject : str
        What they are for, for the error.

    Raises
    ------
    UsageError
        When something is not a condition.
    """
    if given is None:
        return ()
    known = [*COMPARISONS, "in", "known"]
    made = []
    for item in given:
        parts = () if isinstance(item, str) else tuple(item)
        condition = Condition(*parts) if 2 <= len(parts) <= 3 else None
        if condition is None or condition.comparison not in known or not isinstance(condition.column, str):
            raise UsageError(
                "not a condition",
                subject=subject,
                expected=f"(column, comparison, value) with one of {' '.join(known)}",
                found=repr(item),
            )
        if condition.comparison == "in" and (isinstance(condition.value, str) or not len(condition.value)):
            raise UsageError("a condition with 'in' needs a list", subject=subject, found=repr(item))
        made.append(condition)
    return tuple(made)


def satisfied(conditions: Sequence[Condition], columns: Mapping[str, Array], n_rows: int, *, subject: str) -> Array:
    """Return which rows satisfy all conditions, shape (row,), bool.

    Parameters
    ----------
    conditions : sequence of Condition
        From :func:`as_conditions`.
    columns : mapping of str to numpy.ndarray
        Shape (row,): numbers, or text (categories as their labels).
    n_rows : int
        Number of rows.
    subject : str
        Whose columns they are, for the error.

    Raises
    ------
    NotFoundError
        When there is no such column.
    UsageError
        When a column cannot be compared like that.
    """
    kept = np.ones(n_rows, dtype=bool)
    for column, comparison, value in conditions:
        if column not in columns:
            raise NotFoundError(
                "there is no such column", subject=subject, place=column, expected=", ".join(sorted(columns))
            )
        values = columns[column]
        kept &= (
            _texts(values, comparison, value, subject=f"{subject}: {column}")
            if values.dtype.kind == "O"
            else _numbers(values, comparison, value, subject=f"{subject}: {column}")
        )
    return kept


def _texts(values: Array, comparison: str, value: Any, *, subject: str) -> Array:
    wanted = value if comparison == "in" else [value]
    if comparison not in TEXT_COMPARISONS or (
        comparison != "known" and not all(isinstance(item, str) for item in wanted)
    ):
        raise UsageError(
            "text is compared with text",
            subject=subject,
            expected=" ".join(TEXT_COMPARISONS),
            found=f"{comparison} {value!r}",
        )
    known: Array = np.array([text != "" for text in values.tolist()], dtype=bool)
    if comparison == "known":
        return known
    here: Array = np.array([text in set(wanted) for text in values.tolist()], dtype=bool)
    kept: Array = known & (~here if comparison == "!=" else here)
    return kept


def _numbers(values: Array, comparison: str, value: Any, *, subject: str) -> Array:
    known: Array = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    if comparison == "known":
        return known
    wanted = list(value) if comparison == "in" else [value]
    if not all(isinstance(item, (int, float, np.number, np.bool_)) for item in wanted):
        raise UsageError("numbers are compared with numbers", subject=subject, found=f"{comparison} {value!r}")
    found: Array = np.isin(values, wanted) if comparison == "in" else COMPARISONS[comparison](values, value)
    kept: Array = known & found
    return kept
