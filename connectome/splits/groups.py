"""Groups: which records must not be torn apart, read from an index of records.

An index is a table with one row per record: a unique ``record`` and whatever is known of it. Records of one group
(animal, patient, session) stay together; so do groups that are linked by hand (one animal under two names), groups
that hold identical content, groups that may be the same animals in two sources, and those that a source knows to be one
animal or patient under several names.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "CONTENT",
    "LINKED",
    "OVERLAP",
    "SOURCE",
    "TYING",
    "Unit",
    "aliases",
    "components",
    "duplicates",
    "groups_of",
    "labels",
    "overlaps",
    "records_of",
    "some",
    "units_of",
]

CONTENT = "content"
"""Column of content digests: two records with the same one hold the same data."""
OVERLAP = "overlap"
"""Column of names for animals that more than one source holds, where nobody says which record of one source is which
of the other: as soon as two sources are there, all records with that name are kept together."""
LINKED = "linked_subjects"
"""Column of names for one animal or patient that has several, in one dataset or in several: the same text on all of its
records, wherever they are (``ds003029:sub-pt01 ds003876:sub-pt1``)."""
SOURCE = "source"
TYING = (OVERLAP, LINKED, SOURCE)
"""Columns that say which animals are the same."""
N_NAMED = 12
"""Offenders are named up to this many, then counted."""


@dataclass(frozen=True)
class Unit:
    """Groups that go to one part together; mostly just one."""

    name: str
    """The least of its groups' names."""
    groups: tuple[str, ...]
    records: tuple[str, ...]
    kin: tuple[str, ...] = ()
    """Groups that belong here too, but have no records now."""


def some(names: Iterable[str]) -> str:
    """Return a list of names, cut short where it is long."""
    names = list(names)
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more


def records_of(index: pd.DataFrame) -> list[str]:
    """Return the ids of an index.

    Raises
    ------
    UsageError
        When there is no ``record`` column or no row, or an id is missing, no text, or there twice.
    """
    if "record" not in index.columns:
        raise UsageError(
            "the index has no column of record ids",
            subject="index",
            expected="a column 'record'",
            found=some(map(str, index.columns)),
        )
    records = index["record"].tolist()
    if not records:
        raise UsageError("there are no records to split", subject="index", expected="at least one row")
    wrong = [f"row {row}: {value!r}" for row, value in enumerate(records) if not isinstance(value, str) or not value]
    if wrong:
        raise UsageError("a record id is not a text", subject="index", place="record", found=some(wrong))
    if len(set(records)) != len(records):
        twice = sorted(record for record, n in Counter(records).items() if n > 1)
        raise UsageError(
            "a record is there twice",
            subject="index",
            place="record",
            expected="one row per record",
            found=some(twice),
        )
    return records


def labels(index: pd.DataFrame, columns: Sequence[str]) -> dict[str, str | None]:
    """Return a label for each record from one or more columns; None where a value is missing.

    A whole number has the same label whether it came as text, integer or float, because a column of integers turns
    into floats as soon as one value is missing. The label of several columns is a JSON list of theirs.

    Raises
    ------
    UsageError
        When a column is not there, or holds what is neither text nor number.
    """
    records = records_of(index)
    lost = [column for column in columns if column not in index.columns]
    if lost or not columns:
        raise UsageError(
            "the index has no such column" if lost else "no column is named",
            subject="index",
            place=some(lost) or None,
            expected="one of " + some(sorted(str(column) for column in index.columns if column != "record")),
            found=some(lost) or None,
        )
    texts = [[_text(value, column) for value in index[column].tolist()] for column in columns]
    if len(columns) == 1:
        return dict(zip(records, texts[0], strict=True))
    joined = (None if None in row else json.dumps(row, ensure_ascii=False) for row in zip(*texts, strict=True))
    return dict(zip(records, joined, strict=True))


def _text(value: Any, column: str) -> str | None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value if value.strip() else None
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    raise UsageError(
        "a value cannot name a group", subject="index", place=column, expected="text or number", found=repr(value)
    )


def groups_of(index: pd.DataFrame, by: Sequence[str], *, missing: str) -> dict[str, str]:
    """Return the group of each record.

    Parameters
    ----------
    index : pandas.DataFrame
        One row per record.
    by : sequence of str
        The columns whose values make the group.
    missing : {"error", "own-group"}
        What a record without a value becomes.

    Raises
    ------
    UsageError
        When records lack the attribute and ``missing`` is ``"error"``; they are named.
    """
    found = labels(index, by)
    lacking = [record for record, label in found.items() if label is None]
    if lacking and missing == "error":
        raise UsageError(
            f"{len(lacking)} of {len(found)} records do not say what group they belong to",
            subject="index",
            place=" and ".join(by),
            expected="a value for every record",
            found="none for " + some(sorted(lacking)),
            hint="add the attribute, leave these records out, or say --missing own-group ("
            'in Python missing="own-group") if each is surely its own',
        )
    own = {record: f"record:{record}" for record in lacking}
    clash = sorted(set(own.values()) & {label for label in found.values() if label is not None})
    if clash:
        raise UsageError("a group has the name of a record that is its own group", subject="index", found=some(clash))
    return {record: own[record] if label is None else label for record, label in found.items()}


def duplicates(index: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the sets of records whose content is identical; empty where the index has no content digests."""
    if CONTENT not in index.columns:
        return []
    holders: dict[str, list[str]] = {}
    for record, digest in labels(index, (CONTENT,)).items():
        if digest is not None:
            holders.setdefault(digest, []).append(record)
    return sorted(tuple(sorted(records)) for records in holders.values() if len(records) > 1)


def overlaps(index: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the sets of records of different sources that may hold the same animals; empty where none says so."""
    if OVERLAP not in index.columns or SOURCE not in index.columns:
        return []
    source = labels(index, (SOURCE,))
    return [held for held in _holders(index, OVERLAP) if len({source[record] for record in held}) > 1]


def aliases(index: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the sets of records of one animal or patient that has several names; empty where none says so."""
    return [held for held in _holders(index, LINKED) if len(held) > 1] if LINKED in index.columns else []


def _holders(index: pd.DataFrame, column: str) -> list[tuple[str, ...]]:
    """Return the records of each value of a column."""
    holders: dict[str, list[str]] = {}
    for record, name in labels(index, (column,)).items():
        if name is not None:
            holders.setdefault(name, []).append(record)
    return sorted(tuple(sorted(held)) for held in holders.values())


def components(names: Iterable[str], sets: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return for each name the least name that it hangs together with through the sets."""
    root = {name: name for name in names}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for members in sets:
        for one, other in itertools.pairwise(members):
            low, high = sorted((find(one), find(other)))
            root[high] = low
    return {name: find(name) for name in root}


def units_of(
    index: pd.DataFrame,
    groups: Mapping[str, str],
    *,
    linked: Sequence[tuple[str, str]],
    known: Iterable[str] = (),
) -> list[Unit]:
    """Return what goes to a part as one, sorted by name.

    Parameters
    ----------
    index : pandas.DataFrame
        One row per record; identical ``content`` ties the groups that hold it, and so do common ``linked_subjects``,
        and a common ``overlap`` of different sources.
    groups : mapping of str to str
        Record to group.
    linked : sequence of (str, str)
        Groups that are one.
    known : iterable of str
        Groups that may be linked although the index does not have them now.

    Raises
    ------
    UsageError
        When a linked group is not known.
    """
    names = set(groups.values())
    everything = names | set(known)
    strange = sorted({name for pair in linked for name in pair} - everything)
    if strange:
        raise UsageError(
            "a linked group is not in the index",
            subject="linked",
            expected="names of groups: " + some(sorted(names)),
            found=some(strange),
        )
    same_animals = [*duplicates(index), *overlaps(index), *aliases(index)]
    ties: list[Sequence[str]] = [*linked, *([groups[record] for record in same] for same in same_animals)]
    root = components(everything, ties)
    held: dict[str, list[str]] = {}
    for record, group in groups.items():
        held.setdefault(root[group], []).append(record)
    kin: dict[str, list[str]] = {}
    for group in everything - names:
        kin.setdefault(root[group], []).append(group)
    units = []
    for key, records in held.items():
        own = sorted({groups[record] for record in records})
        units.append(Unit(own[0], tuple(own), tuple(sorted(records)), tuple(sorted(kin.get(key, ())))))
    return sorted(units, key=lambda unit: unit.name)
