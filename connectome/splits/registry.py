"""The plans by name. A new plan is one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .blocked import TimeBlockSplit
from .folds import GroupedFolds, HeldOutFold
from .grouped import GroupedSplit
from .published import PublishedSplit
from .stratified import StratifiedGroupedSplit
from .trials import TrialSplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from .plan import Plan
    from .split import Split

__all__ = ["PLANS", "extend", "plan_from_dict"]

PLANS: dict[str, type[Plan]] = {
    plan.kind: plan
    for plan in (
        GroupedSplit,
        StratifiedGroupedSplit,
        TimeBlockSplit,
        GroupedFolds,
        HeldOutFold,
        PublishedSplit,
        TrialSplit,
    )
}


def plan_from_dict(value: Mapping[str, Any]) -> Plan:
    """Read the plan that a split carries.

    Raises
    ------
    UsageError
        When its kind is not known, or its fields are not those of its kind.
    """
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in PLANS:
        raise UsageError(
            "there is no such plan for a split", subject="plan", expected=" or ".join(sorted(PLANS)), found=repr(kind)
        )
    return PLANS[kind].from_dict(value)


def extend(split: Split, index: pd.DataFrame) -> Split:
    """Return a split by the same plan and name for an index that has grown or shrunk.

    What was placed stays where it is; records that are gone are left out, and their groups remembered.

    Raises
    ------
    UsageError
        When the index lacks what the plan needs, or a part would be empty.
    LeakError
        When what was in different parts must now be together.
    """
    return plan_from_dict(split.plan).assign(index, split, name=split.name)
