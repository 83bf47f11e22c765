"""Named filters of units: versioned rules over their columns, never applied silently.

A record keeps every unit. A filter is a predicate that a reader of the record chooses by name, and whose result says
how many units each rule lets pass.

``allen_default`` is what the AllenSDK applies to Visual Coding - Neuropixels unless told otherwise
(``UNIT_FILTER_DEFAULTS`` and ``get_units`` of ``ecephys_project_cache``; Siegle, Jia et al. 2021,
doi:10.1038/s41586-020-03171-x): 40,010 of 99,180 units pass. A notebook of the SDK prints a presence ratio above 0.9
instead; the code says 0.95, inclusive.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import NotFoundError, SchemaError

__all__ = ["FILTERS", "Filtered", "Rule", "UnitFilter", "unit_filter"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
)
_NO_TEXT = ("", "nan", "None", "null")


@dataclass(frozen=True)
class Rule:
    """One condition on one column; a missing value never meets it."""

    columns: tuple[str, ...]
    """Names of the column in the layouts that have it; the first that is there is taken."""
    comparison: str
    """``<=``, ``>=``, ``==``, or ``known``: there is a value."""
    value: float | str | None = None

    def __str__(self) -> str:
        name = self.columns[0]
        return f"{name} known" if self.comparison == "known" else f"{name} {self.comparison} {self.value}"

    def passes(self, values: np.ndarray[Any, Any]) -> Mask:
        """Return which values meet the rule, shape (unit,)."""
        if values.dtype.kind in "OUT":
            texts = np.array([str(value) for value in values.tolist()], dtype=object)
            known = ~np.isin(texts, _NO_TEXT)
        else:
            texts, known = values, np.isfinite(values.astype(np.float64))
        if self.comparison == "known":
            return np.asarray(known, dtype=bool)
        met = _COMPARE[self.comparison](texts, self.value)
        return np.asarray(met, dtype=bool) & known


@dataclass(frozen=True)
class Filtered:
    """What a filter found."""

    filter: str
    """``NAME@VERSION``."""
    mask: Mask
    """Shape (unit,): the units that pass every rule."""
    passed: Mapping[str, int]
    """Rule to the number of units that meet it, whatever the other rules say."""

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return len(self.mask)

    @property
    def n_kept(self) -> int:
        """How many pass."""
        return int(self.mask.sum())


@dataclass(frozen=True)
class UnitFilter:
    """Rules that are met together."""

    name: str
    version: str
    """Raised by any change of the rules."""
    rules: tuple[Rule, ...]
    source: str
    """Where the rules are from."""

    def apply(self, columns: Mapping[Any, Any]) -> Filtered:
        """Tell which units pass.

        Parameters
        ----------
        columns : mapping of str to array
            Columns of the units, shape (unit,): the ``spikes`` group of a record, a table, a data frame.

        Returns
        -------
        Filtered

        Raises
        ------
        SchemaError
            When a column that a rule needs is not there.
        """
        masks: dict[str, Mask] = {}
        for rule in self.rules:
            name = next((name for name in rule.columns if name in columns), None)
            if name is None:
                raise SchemaError(
                    "a column that the filter needs is not there", subject=f"{self.name}@{self.version}",
                    place=str(rule), expected=" or ".join(rule.columns),
                    found=", ".join(sorted(str(name) for name in columns))[:200],
                )  # fmt: skip
            masks[str(rule)] = rule.passes(np.asarray(columns[name]))
        mask = np.logical_and.reduce(list(masks.values()))
        return Filtered(
            f"{self.name}@{self.version}", mask, MappingProxyType({rule: int(met.sum()) for rule, met in masks.items()})
        )


_TABLE = (
    UnitFilter(
        "allen_default",
        "1",
        (
            Rule(("quality",), "==", "good"),
            Rule(("amplitude_cutoff",), "<=", 0.1),
            Rule(("presence_ratio",), ">=", 0.95),
            Rule(("isi_violations",), "<=", 0.5),
            Rule(("structure", "ecephys_structure_acronym", "ecephys_structure_id", "structure_acronym"), "known"),
        ),
        "AllenSDK, ecephys_project_cache: UNIT_FILTER_DEFAULTS, inclusive; units outside the brain are left out",
    ),
    UnitFilter(
        "allen_good",
        "1",
        (Rule(("quality",), "==", "good"),),
        "Allen Institute: units that are not labelled as noise",
    ),
)

FILTERS = MappingProxyType({item.name: item for item in _TABLE})
"""Name to filter."""


def unit_filter(name: str) -> UnitFilter:
    """Return the filter of that name; raise :class:`~connectome.errors.NotFoundError` that lists all."""
    if name not in FILTERS:
        raise NotFoundError("no such filter of units", subject=name, expected=", ".join(sorted(FILTERS)))
    return FILTERS[name]
