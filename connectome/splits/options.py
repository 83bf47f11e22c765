"""From the options of a command line, or any flat set of options, to a plan."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .blocked import TimeBlockSplit
from .folds import GroupedFolds
from .grouped import GroupedSplit
from .published import PublishedSplit
from .quota import Fractions
from .stratified import StratifiedGroupedSplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .plan import Missing, Plan

__all__ = ["TIME", "plan_from_options"]

TIME = "time"
"""What ``by`` says to cut records in time instead of keeping groups whole."""


def plan_from_options(
    *,
    by: str | Sequence[str] | None = None,
    fractions: str | Mapping[str, float] | None = None,
    seed: int = 0,
    stratify: str | Sequence[str] | None = None,
    gap_s: float | None = None,
    order: str | None = None,
    n_blocks: int | None = None,
    block_s: float | None = None,
    clock: str | None = None,
    n_folds: int | None = None,
    weigh: str | None = None,
    missing: Missing = "error",
    missing_stratum: str = "error",
    linked: Iterable[tuple[str, str] | str] = (),
    published: str | None = None,
) -> Plan:
    """Return the plan that a set of options asks for.

    Parameters
    ----------
    by : str or sequence of str
        Columns of the groups (``"subject"``, ``"source,subject"``), or ``"time"`` to cut records in time. May be left
        out with ``published``.
    fractions : str or mapping of str to float
        ``"train=0.8,val=0.1,test=0.1"``; not with ``n_folds`` or ``published``.
    seed : int
        Of the order; a published split has none.
    stratify : str or sequence of str, optional
        Columns of the strata, for groups and folds.
    gap_s : float, optional
        Guard gap in seconds. Needed for ``"time"``; with whole groups it is recorded and proved.
    order, n_blocks, block_s, clock : optional
        Of :class:`TimeBlockSplit`. A number or length of blocks means shuffled blocks.
    n_folds : int, optional
        Make folds instead of parts with fractions.
    weigh : str, optional
        Of :class:`GroupedSplit`.
    missing : {"error", "own-group"}
        What becomes of a record without a group.
    missing_stratum : {"error", "own-stratum"}
        With ``stratify``: what becomes of a record without a stratum (a control among patients).
    linked : iterable of (str, str) or "NAME=NAME"
        Groups that are one.
    published : str, optional
        Column with the parts that the source publishes.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        When options are missing, malformed or do not go together; none is ignored.
    """
    pairs = tuple(_pair(link) for link in linked)
    groups: dict[str, Any] = {"missing": missing if missing != "error" else None, "linked": pairs or None}
    groups["missing_stratum"] = missing_stratum if missing_stratum != "error" else None
    blocks = {"order": order, "n_blocks": n_blocks, "block_s": block_s, "clock": clock}
    given: dict[str, Any] = {"by": by, "fractions": fractions, "stratify": stratify, "gap_s": gap_s, "weigh": weigh}
    given |= {"n_folds": n_folds, "published": published, **groups, **blocks}
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(fractions, str):
        given["fractions"] = Fractions.parse(fractions)
    if published is not None:
        given["column"] = given.pop("published")
        return _make(PublishedSplit, given, what="a published split", needed=(), seed=None)
    if by == TIME:
        given.pop("by")
        if order is None and (n_blocks, block_s) != (None, None):
            given["order"] = "shuffled"
        return _make(TimeBlockSplit, given, what="a split in time", needed=("fractions", "gap_s"), seed=seed)
    if n_folds is not None:
        return _make(GroupedFolds, given, what="a split into folds", needed=("by",), seed=seed)
    needed = ("by", "fractions")
    if stratify is not None:
        return _make(StratifiedGroupedSplit, given, what="a stratified split", needed=needed, seed=seed)
    return _make(GroupedSplit, given, what="a split by groups", needed=needed, seed=seed)


def _make(cls: type[Plan], given: dict[str, Any], *, what: str, needed: Sequence[str], seed: int | None) -> Plan:
    lost = [name for name in needed if name not in given]
    known = {field.name for field in dataclasses.fields(cls)}
    strange = sorted(set(given) - known)
    if lost or strange:
        raise UsageError(
            f"{what} needs other options",
            subject="split",
            expected=", ".join(needed) + (f"; possible are {', '.join(sorted(known))}" if strange else ""),
            found=f"without {', '.join(lost)}" if lost else f"with {', '.join(strange)}",
            hint='say by="time" to cut records in time' if {"by"} & set(lost) else None,
        )
    return cls(**given if seed is None else {**given, "seed": seed})


def _pair(link: tuple[str, str] | str) -> tuple[str, str]:
    names = tuple(link.split("=")) if isinstance(link, str) else tuple(link)
    if len(names) != 2 or not all(names):
        raise UsageError("a link joins two groups", subject="linked", expected="NAME=NAME", found=repr(link))
    return names
