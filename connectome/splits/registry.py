"""The plans by name. A new plan is one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .blocked import TimeBlockSplit
from .folds import GroupedFolds, HeldOutFold
from .grouped import GroupedSplit
from .published import PublishedSplit
from .stratified import StratifiedGroupedSplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .plan import Plan

__all__ = ["PLANS", "plan_from_dict"]

PLANS: dict[str, type[Plan]] = {
    plan.kind: plan
    for plan in (GroupedSplit, StratifiedGroupedSplit, TimeBlockSplit, GroupedFolds, HeldOutFold, PublishedSplit)
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
