"""Cross-validation by groups: k folds, and the train/test split that holds one of them out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ..errors import UsageError
from .groups import Unit, some
from .placing import split_by_groups
from .plan import Demands, Missing, Plan, check_choice, check_gap, check_seed, columns, link_pairs
from .quota import place_by_quota
from .split import Split
from .strata import place_by_strata
from .stratified import strata_of

if TYPE_CHECKING:
    import pandas as pd

    from .trials import TrialSplit

__all__ = ["GroupedFolds", "HeldOutFold", "check_n_folds", "fold_names", "held_out_of"]


def fold_names(n_folds: int) -> tuple[str, ...]:
    """Return ``fold_0``, ..., numbered with as many digits as the last one needs."""
    width = len(str(n_folds - 1))
    return tuple(f"fold_{i:0{width}d}" for i in range(n_folds))


def check_n_folds(n_folds: object) -> None:
    """Refuse what is no number of folds (UsageError)."""
    if not isinstance(n_folds, int) or isinstance(n_folds, bool) or n_folds < 2:
        raise UsageError("there are at least 2 folds", subject="n_folds", found=repr(n_folds))


def held_out_of(splits: Mapping[str, Split], name: str) -> Split | None:
    """Return the split ``"NAME-FOLD"`` that tests on one fold of the stored split NAME; None where there is none."""
    for stored in splits.values():
        folds = getattr(_plan_of(stored), "folds", None)
        if isinstance(folds, tuple) and name.removeprefix(f"{stored.name}-") in folds:
            plan = cast("GroupedFolds", _plan_of(stored))
            return next(split for split in plan.held_out(stored) if split.name == name)
    return None


def _plan_of(split: Split) -> Plan | None:
    from .registry import PLANS, plan_from_dict

    return plan_from_dict(split.plan) if split.plan.get("kind") in PLANS else None


@dataclass(frozen=True, kw_only=True)
class GroupedFolds(Plan):
    """Put whole groups into folds whose sizes differ by one group at most.

    The split has the parts ``fold_0`` ... ``fold_{k-1}``; :meth:`held_out` gives the k splits into training and test
    part. With as many folds as groups this leaves one group out at a time.

    Parameters
    ----------
    by : str or sequence of str
        The columns whose values make a group.
    n_folds : int
        At least 2.
    seed : int
        Of the order in which groups are placed.
    stratify : str or sequence of str, optional
        The columns whose values make a stratum, to be spread evenly.
    missing : {"error", "own-group"}
        What becomes of a record without a group.
    missing_stratum : {"error", "own-stratum"}
        What becomes of a record without a stratum.
    linked : iterable of (str, str)
        Groups that are one.
    gap_s : float
        As for :class:`GroupedSplit`.
    """

    kind: ClassVar[str] = "folds"

    by: str | Sequence[str]
    n_folds: int
    seed: int = 0
    stratify: str | Sequence[str] | None = None
    missing: Missing = "error"
    missing_stratum: str = "error"
    linked: Iterable[tuple[str, str]] = ()
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_gap(self.gap_s)
        check_choice(self.missing, what="missing", choices=("error", "own-group"))
        check_choice(self.missing_stratum, what="missing_stratum", choices=("error", "own-stratum"))
        check_n_folds(self.n_folds)
        stratify = None if self.stratify is None else columns(self.stratify, what="stratify")
        self._set(
            by=columns(self.by, what="by"),
            stratify=stratify,
            linked=link_pairs(self.linked),
            gap_s=float(self.gap_s),
        )

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds, numbered with as many digits as the last one needs."""
        return fold_names(self.n_folds)

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Put the groups of an index into folds; see :meth:`Plan.assign`."""
        shares = dict.fromkeys(self.folds, Fraction(1, self.n_folds))
        what = f"group by {some(self.by)}"

        def place(units: Sequence[Unit], fixed: Mapping[str, str]) -> dict[str, str]:
            if self.stratify is None:
                ones = {unit.name: Fraction(1) for unit in units}
                return place_by_quota(ones, shares, seed=self.seed, fixed=fixed, what=what)
            strata = strata_of(units, index, stratify=tuple(self.stratify), missing=self.missing_stratum)
            return place_by_strata(strata, shares, seed=self.seed, fixed=fixed, what=what)

        return split_by_groups(self, index, place, previous=previous, name=name)

    def held_out(self, split: Split) -> Iterator[Split]:
        """Yield for each fold the split that tests on it and trains on the others.

        Parameters
        ----------
        split : Split
            Made by this plan.

        Raises
        ------
        UsageError
            When another plan made it.
        """
        for i in range(self.n_folds):
            yield HeldOutFold(folds=self, test=i).of(split, name=f"{split.name}-{self.folds[i]}")

    def demands(self) -> Demands:
        """Return that no group is in two folds, and no fold is empty."""
        return Demands(
            parts=self.folds,
            by=tuple(self.by),
            missing=self.missing,
            linked=tuple(self.linked),
            gap_s=self.gap_s,
        )


@dataclass(frozen=True, kw_only=True)
class HeldOutFold(Plan):
    """Test on one fold, train on the others, and choose on one more if wanted.

    Parameters
    ----------
    folds : GroupedFolds or TrialSplit
        The plan of the folds.
    test : int
        Number of the fold that becomes ``test``.
    val : int, optional
        Number of the fold that becomes ``val``.
    """

    kind: ClassVar[str] = "held-out-fold"

    folds: GroupedFolds | TrialSplit
    test: int
    val: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.folds, Mapping):  # as it comes out of JSON
            from .registry import plan_from_dict

            self._set(folds=plan_from_dict(cast("Mapping[str, Any]", self.folds)))
        out = [self.test] if self.val is None else [self.test, self.val]
        n_folds = len(getattr(self.folds, "folds", ()))
        if len(set(out)) != len(out) or len(out) == n_folds or not all(i in range(n_folds) for i in out):
            raise UsageError(
                "these folds cannot be held out",
                subject="held-out-fold",
                expected=f"different numbers from 0 to {n_folds - 1}, and a fold left to train on",
                found=", ".join(map(repr, out)),
            )

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Make the folds of an index and hold out; a previous split must be one of folds."""
        return self.of(self.folds.assign(index, previous), name=name)

    def of(self, split: Split, *, name: str) -> Split:
        """Return the training, validation and test parts of a split into folds.

        Raises
        ------
        UsageError
            When another plan made the split.
        """
        if split.plan != self.folds.as_dict():
            raise UsageError(
                "the split was not made by the plan of these folds",
                subject=split.name,
                expected=str(self.folds.as_dict()),
                found=str(dict(split.plan)),
            )
        role = dict.fromkeys(self.folds.folds, "train")
        role[self.folds.folds[self.test]] = "test"
        if self.val is not None:
            role[self.folds.folds[self.val]] = "val"
        entries = tuple(entry._replace(part=role[entry.part]) for entry in split.entries)
        groups = {group: role[part] for group, part in split.groups.items()}
        return Split(name=name, plan=self.as_dict(), entries=entries, groups=groups)

    def demands(self) -> Demands:
        """Return what holds for the folds, for the parts that are made of them."""
        parts = ("train", "test") if self.val is None else ("train", "val", "test")
        return dataclasses.replace(self.folds.demands(), parts=parts)
