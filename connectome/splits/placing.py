"""From groups to a split: the steps that every plan by groups shares.

The plan's own part is one function that says which unit goes to which part; reading the groups, holding on to a
previous split and writing the rows are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import LeakError, UsageError
from .groups import Unit, groups_of, some, units_of
from .split import Entry, Split

if TYPE_CHECKING:
    import pandas as pd

    from .plan import Plan

__all__ = ["Place", "check_previous", "split_by_groups"]

Place = Callable[[Sequence[Unit], Mapping[str, str]], Mapping[str, str]]
"""Takes the units and the parts of those that are placed already (by unit name); returns the part of every unit."""


def split_by_groups(plan: Plan, index: pd.DataFrame, place: Place, *, previous: Split | None, name: str) -> Split:
    """Make the split that puts each unit of an index into one part.

    Parameters
    ----------
    plan : Plan
        Whose demands say what a group is.
    index : pandas.DataFrame
        One row per record.
    place : callable
        The plan's own rule.
    previous : Split, optional
        Its groups and records keep their parts; groups that the index no longer has are remembered.
    name : str
        Of the new split.

    Raises
    ------
    UsageError
        When the index lacks a group, or the previous split means something else by groups or parts.
    LeakError
        When what must now be together was in different parts.
    """
    demands = plan.demands()
    check_previous(plan, previous, keys=("by", "missing"))
    known: Mapping[str, str] = previous.groups if previous is not None else {}
    groups = groups_of(index, demands.by, missing=demands.missing)
    units = units_of(index, groups, linked=demands.linked, known=known)
    fixed = _parts_so_far(units, previous, parts=demands.parts)
    placed = place(units, fixed)
    entries = tuple(Entry(record, placed[unit.name]) for unit in units for record in unit.records)
    now = {group: placed[unit.name] for unit in units for group in unit.groups}
    return Split(name=name, plan=plan.as_dict(), entries=entries, groups={**known, **now})


def check_previous(plan: Plan, previous: Split | None, *, keys: Iterable[str]) -> None:
    """Refuse a previous split whose plan differs in one of the keys (UsageError)."""
    if previous is None:
        return
    own = {key: item for key, item in plan.as_dict().items() if key in keys}
    other = {key: previous.plan.get(key) for key in own}
    if own != other:
        raise UsageError(
            "the previous split was made by another plan, so it cannot be continued",
            subject=previous.name,
            expected=str(own),
            found=str(other),
            hint="make the split anew, without the previous one",
        )


def _parts_so_far(units: Iterable[Unit], previous: Split | None, *, parts: Iterable[str]) -> dict[str, str]:
    """Return the part of each unit that the previous split has placed."""
    if previous is None:
        return {}
    by_record = {entry.record: entry.part for entry in previous.entries}
    placed: dict[str, str] = {}
    torn = []
    for unit in units:
        # Withdrawn groups take no part in the quota, but a link to one of them still binds.
        was = {group: previous.groups[group] for group in (*unit.groups, *unit.kin) if group in previous.groups}
        was |= {record: by_record[record] for record in unit.records if record in by_record}
        held = set(was.values())
        if len(held) > 1:
            torn.append(f"{some(unit.groups)} ({some(f'{who} in {part}' for who, part in sorted(was.items()))})")
        elif held:
            placed[unit.name] = held.pop()
    if torn:
        raise LeakError(
            "what must now be together was in different parts of the previous split",
            subject=previous.name,
            found="; ".join(torn),
            hint="make the split anew without the previous one; results on the old parts do not carry over",
        )
    strange = sorted(set(placed.values()) - set(parts))
    if strange:
        raise UsageError(
            "the previous split has parts that this plan does not",
            subject=previous.name,
            expected=some(parts),
            found=some(strange),
        )
    return placed
