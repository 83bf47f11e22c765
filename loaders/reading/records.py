"""Which records of a version are read, why others are not, and the kind that a group has to be of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError, UsageError

from .specs import record_file

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version

__all__ = ["check_kind", "choose_records", "other_groups", "reasons"]

MOST_GROUPS = 8
MOST_REASONS = 5
"""Records whose reason an error tells."""


def choose_records(
    version: Version,
    records: Sequence[str] | None,
    *,
    split: Split | None = None,
    part: str | None = None,
    group: str | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Return the records to read, and the others with the reason.

    Parameters
    ----------
    version : Version
        Where they are.
    records : sequence of str or None
        Names, each of which must be there and have the group; one that is outside the part is left out. None: all
        records that are in the part and have the group.
    split, part : optional
        The part of a split that is read.
    group : str, optional
        Path of a group that every record has to have; None where records without it are the caller's business.

    Returns
    -------
    names : list of str
        Each once: in the order of ``records``, else that of the version.
    left_out : dict of str to str
        ``not in SPLIT/PART``; ``no group GROUP``; and, where no names are given, ``not in the version`` for records
        of the part that the version does not hold.

    Raises
    ------
    UsageError
        When ``records`` is one text.
    NotFoundError
        When a record that is named is not in the version or lacks the group.
    """
    receipts = version.manifest.records
    if isinstance(records, str):
        raise UsageError("records is a list of names", subject="records", found=repr(records))
    for name in records or ():
        record_file(version, name)
        if group is not None and f"/{group}" not in receipts[name].facts:
            raise NotFoundError(
                "the record has no such group",
                subject=name,
                place=group,
                expected=", ".join(path.strip("/") for path in receipts[name].facts),
            )
    listed = list(dict.fromkeys(records)) if records is not None else list(receipts)
    left_out: dict[str, str] = {}
    if split is not None and part is not None:
        inside = set(split.records(part))
        left_out |= {name: f"not in {split.name}/{part}" for name in listed if name not in inside}
        if records is None:
            left_out |= dict.fromkeys(sorted(inside - set(receipts)), "not in the version")
    if group is not None:
        lacking = (name for name in listed if name not in left_out and f"/{group}" not in receipts[name].facts)
        left_out |= dict.fromkeys(lacking, f"no group {group}")
    return [name for name in listed if name not in left_out], left_out


def other_groups(version: Version, kind: str) -> str | None:
    """Say which groups of a kind the records of a version have; None where there are none."""
    receipts = version.manifest.records.values()
    found = sorted({path.strip("/") for one in receipts for path, facts in one.facts.items() if facts["kind"] == kind})
    shown = ", ".join(found[:MOST_GROUPS]) + (", ..." if len(found) > MOST_GROUPS else "")
    return f"groups with {kind}: {shown}" if found else None


def reasons(left_out: Mapping[str, str]) -> str:
    """Return why records are left out, the first few of them, for an error."""
    return "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:MOST_REASONS]) or "no record"


def check_kind(attrs: Mapping[str, Any], kind: str, *, record: str, group: str | None = None) -> None:
    """Refuse a group of another kind.

    Parameters
    ----------
    attrs : mapping
        Attributes of the group.
    kind : str
        ``series``, ``events``, ``graph``, ``volume`` or ``table``.
    record, group : str
        Whose group it is, and its path.

    Raises
    ------
    UsageError
        When it is not of that kind.
    """
    found = attrs.get("encoding-type")
    if found != kind:
        raise UsageError("the group is of another kind", subject=record, place=group, expected=kind, found=str(found))
