"""``participants.tsv``: one typed row per patient.

Rows that are there twice, cell by cell the same, are one; rows that contradict each other are refused. Levels come
from ``participants.json``; where what it says cannot be true, the table is kept as it is and the doubt is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.cohorts import POST_OP
from connectome.errors import FormatError
from connectome.schema import decode, warning

from .sidecars import read_json
from .tsv import MISSING, Rows, read_rows, typed_columns

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["Participants", "read_participants"]

KEY = "participant_id"
TABLE = "participants.tsv"
MOST_YEARS = 89
"""BIDS 1.10, "Participants file": ages of 90 years and more tell who somebody is."""
HEALTHY = frozenset({"healthy", "control", "controls", "hc", "healthy control", "volunteer"})
NO, YES = frozenset({"no", "false", "absent"}), frozenset({"yes", "true", "present"})


@dataclass(frozen=True)
class Participants:
    """The table."""

    rows: Rows
    """One per participant."""
    described: Mapping[str, Any] = field(default_factory=dict)
    conflicts: Mapping[str, str] = field(default_factory=dict)
    """Participant to what two of its rows say."""
    doubled: tuple[str, ...] = ()
    """Participants with several rows, all the same."""
    warnings: tuple[Note, ...] = ()
    post_op: tuple[str, ...] = ()
    """Columns that only surgery makes known."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels without ``sub-``, in the order of the table."""
        return tuple(row[KEY].removeprefix("sub-") for row in self.rows)

    def table(self, label: str) -> tuple[xr.Dataset | None, list[Note]]:
        """Return a participant's row as a table with one row; None where there is none.

        Raises
        ------
        FormatError
            When rows of the participant contradict each other.
        """
        name = f"sub-{label}"
        if name in self.conflicts:
            raise FormatError(
                "two rows of one participant contradict each other", subject=TABLE, place=name,
                expected="one row, or the same row again", found=self.conflicts[name],
            )  # fmt: skip
        rows = [row for row in self.rows if row[KEY] == name]
        if not rows:
            return None, []
        columns, warnings = typed_columns(rows, table=TABLE, described=self.described, among=self.rows, text=(KEY,))
        for variable in columns.values():
            if variable.attrs.get("source_column") in self.post_op:
                variable.attrs["available"] = POST_OP
        if name in self.doubled:
            warnings.append(warning("duplicate-row", TABLE, f"{name} has the same row twice"))
        return schema.table(columns), [*self.warnings, *warnings]

    def plain(self, label: str) -> dict[str, str | int | float | bool]:
        """Return a participant's row as plain values, for the index: what a split may be made by.

        Missing values are left out.
        """
        table, _ = self.table(label) if f"sub-{label}" not in self.conflicts else (None, [])
        if table is None:
            return {}
        found: dict[str, str | int | float | bool] = {}
        for name, variable in table.variables.items():
            value = decode(variable)[0]
            value = value.item() if isinstance(value, np.generic) else value
            if name != KEY and value != "" and value == value:
                found[str(name)] = value
        return found


def read_participants(table: Path, description: Path | None = None) -> Participants:
    """Read the table and the JSON file that describes its columns.

    Raises
    ------
    FormatError
        When the table is malformed, or its first column is not ``participant_id``.
    """
    rows = read_rows(table)
    described = read_json(description) if description is not None else {}
    if rows and next(iter(rows[0])) != KEY:
        raise FormatError(
            "the first column is another", subject=str(table), place="line 1", expected=KEY, found=next(iter(rows[0]))
        )
    kept: dict[str, dict[str, str]] = {}
    conflicts: dict[str, str] = {}
    doubled: list[str] = []
    for row in rows:
        name = row[KEY] if row[KEY].startswith("sub-") else f"sub-{row[KEY]}"
        row = {**row, KEY: name}
        before = kept.setdefault(name, row)
        if before is row:
            continue
        differing = [f"{key}: {before[key]!r} and {row[key]!r}" for key in row if row[key] != before[key]]
        if differing:
            conflicts[name] = "; ".join(differing)
        else:
            doubled.append(name)
    clean = list(kept.values())
    warnings = [*_inverted(clean, described), *_old(clean)]
    return Participants(clean, described, conflicts, tuple(dict.fromkeys(doubled)), tuple(warnings))


def _inverted(rows: Rows, described: Mapping[str, Any]) -> list[Note]:
    """Say which yes-and-no columns call every healthy participant, and them alone, ill.

    A finding that all controls have and hardly any patient, by the code book, is a code book turned around.
    """
    group = next((key for key in (rows[0] if rows else {}) if key.lower() in {"group", "diagnosis"}), None)
    if group is None:
        return []
    healthy = [row for row in rows if row[group].lower() in HEALTHY]
    others = [row for row in rows if row[group].lower() not in HEALTHY and row[group] not in MISSING]
    notes: list[Note] = []
    for key, about in described.items():
        levels = about.get("Levels") if isinstance(about, Mapping) else None
        if not isinstance(levels, Mapping) or not healthy or not others or key not in rows[0]:
            continue
        words = {level: str(word).strip().lower() for level, word in levels.items()}
        yes = {level for level, word in words.items() if word in YES}
        no = {level for level, word in words.items() if word in NO}
        if not yes or not no or set(words) != yes | no:
            continue
        of_healthy = {row[key] for row in healthy} - MISSING
        if of_healthy and of_healthy <= yes and any(row[key] in no for row in others):
            message = (
                f"the code book says that {key!r} is {words[min(of_healthy)]!r} for all {len(healthy)} healthy "
                "participants: it looks inverted; codes and descriptions are kept as they stand"
            )
            notes.append(warning("code-book-inverted", "participants.json", message))
    return notes


def _old(rows: Rows) -> list[Note]:
    over = []
    for row in rows:
        text = row.get("age", "")
        if text.replace(".", "", 1).isdigit() and float(text) > MOST_YEARS:
            over.append(row[KEY])
    if not over:
        return []
    message = f"ages above {MOST_YEARS} can tell who somebody is: {', '.join(over)}"
    return [warning("age-identifies", TABLE, message)]
