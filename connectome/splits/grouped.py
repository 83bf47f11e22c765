"""Split by groups: an animal, a patient or a session is wholly in one part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from ..errors import UsageError
from .groups import Unit, records_of, some
from .placing import split_by_groups
from .plan import Demands, Missing, Plan, check_choice, check_gap, check_seed, columns, link_pairs
from .quota import Fractions, place_by_quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .split import Split

__all__ = ["GroupedSplit"]


@dataclass(frozen=True, kw_only=True)
class GroupedSplit(Plan):
    """Put whole groups into parts in given fractions.

    Without a previous split every part is within one group of its fraction, except that a part whose fraction is
    worth less than one group gets one. Which groups go where depends on the seed and the names of the groups only.

    Parameters
    ----------
    by : str or sequence of str
        The columns whose values make a group: ``"subject"``; ``("source", "subject")`` where subjects of different
        sources share names.
    fractions : mapping of str to float
        Part to fraction; they add up to 1.
    seed : int
        Of the order in which groups are placed.
    missing : {"error", "own-group"}
        What becomes of a record without a group.
    linked : iterable of (str, str)
        Groups that are one: the same animal under two names.
    weigh : str, optional
        Column whose sum over a group is its weight (``"duration_s"``); None counts each group as one.
    gap_s : float
        Least distance between two parts on one time axis, in seconds. Whole records keep any distance; it is recorded
        and proved along with the rest.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.DataFrame({"record": ["a1", "a2", "b1", "c1"], "subject": ["a", "a", "b", "c"]})
    >>> split = GroupedSplit(by="subject", fractions={"train": 0.6, "test": 0.4}, seed=0).assign(index)
    >>> sorted(len(split.records(part)) for part in split.parts)
    [1, 3]
    """

    kind: ClassVar[str] = "grouped"

    by: str | Sequence[str]
    fractions: Mapping[str, float]
    seed: int = 0
    missing: Missing = "error"
    linked: Iterable[tuple[str, str]] = ()
    weigh: str | None = None
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.missing, what="missing", choices=("error", "own-group"))
        self._set(
            by=columns(self.by, what="by"),
            fractions=Fractions(self.fractions),
            linked=link_pairs(self.linked),
            gap_s=float(self.gap_s),
        )

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Put the groups of an index into parts; see :meth:`Plan.assign`."""
        weight = None if self.weigh is None else _weights(index, self.weigh)
        shares = Fractions(self.fractions).shares

        def place(units: Sequence[Unit], fixed: Mapping[str, str]) -> dict[str, str]:
            heavy = {
                unit.name: Fraction(1) if weight is None else sum((weight[r] for r in unit.records), Fraction())
                for unit in units
            }
            what = f"group by {some(self.by)}"
            return place_by_quota(heavy, shares, seed=self.seed, fixed=fixed, what=what)

        return split_by_groups(self, index, place, previous=previous, name=name)

    def demands(self) -> Demands:
        """Return that no group is in two parts, and no part is empty."""
        return Demands(
            parts=tuple(Fractions(self.fractions).shares),
            by=tuple(self.by),
            missing=self.missing,
            linked=tuple(self.linked),
            gap_s=self.gap_s,
        )


def _weights(index: pd.DataFrame, column: str) -> dict[str, Fraction]:
    """Return the exact weight of each record."""
    records = records_of(index)
    if column not in index.columns:
        raise UsageError("the index has no such column", subject="index", place=column)
    values = pd.to_numeric(index[column], errors="coerce").astype("float64").tolist()
    wrong = [record for record, value in zip(records, values, strict=True) if not math.isfinite(value) or value <= 0]
    if wrong:
        raise UsageError(
            "a weight is a positive number", subject="index", place=column, found=f"none for {some(sorted(wrong))}"
        )
    return {record: Fraction(value) for record, value in zip(records, values, strict=True)}
