"""Split by groups, with every part holding its share of each stratum (strain, site, diagnosis)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..errors import UsageError
from .groups import Unit, labels, some
from .placing import split_by_groups
from .plan import Demands, Missing, Plan, check_choice, check_gap, check_seed, columns, link_pairs
from .quota import Fractions
from .strata import place_by_strata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from .split import Split

__all__ = ["StratifiedGroupedSplit", "strata_of"]


@dataclass(frozen=True, kw_only=True)
class StratifiedGroupedSplit(Plan):
    """Put whole groups into parts in given fractions, stratum by stratum.

    Without a previous split the sizes of the parts are those of :class:`GroupedSplit`, and what a part gets of a
    stratum is its proportional number of groups, rounded down or up. Groups that are added to a previous split go
    where most is lacking, in their stratum and in all.

    Parameters
    ----------
    by : str or sequence of str
        The columns whose values make a group.
    stratify : str or sequence of str
        The columns whose values make a stratum. A group with records of several strata is of the stratum of groups
        with just these.
    fractions : mapping of str to float
        Part to fraction; they add up to 1.
    seed : int
        Of the order in which groups are placed.
    missing : {"error", "own-group"}
        What becomes of a record without a group.
    missing_stratum : {"error", "own-stratum"}
        What becomes of a record without a stratum: with ``"own-stratum"`` all of them make one.
    linked : iterable of (str, str)
        Groups that are one.
    gap_s : float
        As for :class:`GroupedSplit`.
    """

    kind: ClassVar[str] = "stratified"

    by: str | Sequence[str]
    stratify: str | Sequence[str]
    fractions: Mapping[str, float]
    seed: int = 0
    missing: Missing = "error"
    missing_stratum: str = "error"
    linked: Iterable[tuple[str, str]] = ()
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.missing, what="missing", choices=("error", "own-group"))
        check_choice(self.missing_stratum, what="missing_stratum", choices=("error", "own-stratum"))
        self._set(
            by=columns(self.by, what="by"),
            stratify=columns(self.stratify, what="stratify"),
            fractions=Fractions(self.fractions),
            linked=link_pairs(self.linked),
            gap_s=float(self.gap_s),
        )

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Put the groups of an index into parts; see :meth:`Plan.assign`."""
        shares = Fractions(self.fractions).shares

        def place(units: Sequence[Unit], fixed: Mapping[str, str]) -> dict[str, str]:
            strata = strata_of(units, index, stratify=tuple(self.stratify), missing=self.missing_stratum)
            return place_by_strata(strata, shares, seed=self.seed, fixed=fixed, what=f"group by {some(self.by)}")

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


def strata_of(units: Sequence[Unit], index: pd.DataFrame, *, stratify: Sequence[str], missing: str) -> dict[str, str]:
    """Return the stratum of each unit, by unit name.

    Raises
    ------
    UsageError
        When records do not say their stratum and ``missing`` is ``"error"``; they are named.
    """
    found = labels(index, stratify)
    lacking = sorted(record for record, label in found.items() if label is None)
    if lacking and missing == "error":
        raise UsageError(
            f"{len(lacking)} of {len(found)} records do not say what stratum they are of",
            subject="index",
            place=" and ".join(stratify),
            expected="a value for every record",
            found="none for " + some(lacking),
            hint='add the attribute, or say missing_stratum="own-stratum"',
        )
    # repr keeps the absent value apart from any text, and lists of texts apart from each other.
    return {unit.name: repr(sorted({repr(found[record]) for record in unit.records})) for unit in units}
