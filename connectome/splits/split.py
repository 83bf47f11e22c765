"""A split: which records, or which stretches of them, belong to which part.

A :class:`Split` is what a version stores. It is plain data: it knows nothing of how it was made beyond the plan it
carries, and what holds for it is shown by :mod:`.proof`, not by its maker.
"""

from __future__ import annotations

import copy
import html
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from ..errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Entry", "Split", "check_name"]

ENCODING = {"encoding-type": "split", "encoding-version": "1"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
USUAL_ORDER = ("train", "val", "valid", "validation", "dev", "test")
"""Parts with these names are listed first, in this order; others follow by name."""


class Entry(NamedTuple):
    """One record, or one stretch of it, in one part."""

    record: str
    part: str
    start_s: float | None = None
    """Start in seconds on the record's own clock, included; None for the whole record."""
    stop_s: float | None = None
    """End in seconds, excluded; None for the whole record."""

    def place(self) -> str:
        """Return the record and the stretch in words."""
        return self.record if self.start_s is None else f"{self.record} [{self.start_s!r}, {self.stop_s!r}) s"


@dataclass(frozen=True)
class Split:
    """Records, or half-open stretches of their time axes, in named parts.

    Parameters
    ----------
    name : str
        What the split is called in a version: letters, digits, ``.``, ``_`` and ``-``.
    plan : mapping
        The plan that made it, as JSON values (:func:`connectome.splits.plan_from_dict` reads it).
    entries : tuple of Entry
        Kept sorted by record and start, so that equal splits are equal whatever made them.
    groups : mapping of str to str
        Group to part, also for groups whose records have since been withdrawn: should they come back, they return
        to the part they were in.

    Raises
    ------
    UsageError
        When a name is malformed, or a stretch is empty, endless or given by one end only.
    """

    name: str
    plan: Mapping[str, Any]
    entries: tuple[Entry, ...]
    groups: Mapping[str, str]

    def __post_init__(self) -> None:
        check_name(self.name, what="the name of a split")
        for entry in self.entries:
            check_name(entry.part, what="the name of a part")
            _check_stretch(entry, self.name)
        object.__setattr__(self, "plan", copy.deepcopy(dict(self.plan)))
        object.__setattr__(self, "groups", dict(sorted(self.groups.items())))
        object.__setattr__(self, "entries", tuple(sorted(self.entries, key=_entry_key)))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: the usual ones first (train, val, test), then by name."""
        return tuple(sorted({entry.part for entry in self.entries}, key=_part_key))

    @property
    def rows(self) -> pd.DataFrame:
        """A new table: ``record``, ``part`` (str), ``start_s``, ``stop_s`` (float64 seconds, NaN: the whole record)."""
        return _table(self.entries)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything but the name."""
        # Here, not above: the store's versions hold splits, and the two packages would import each other.
        from ..store.canonical import json_digest

        return json_digest({key: value for key, value in self.as_dict().items() if key != "name"})

    def records(self, part: str) -> list[str]:
        """Return the sorted records of which the part holds the whole or a stretch.

        Raises
        ------
        NotFoundError
            When the split has no such part.
        """
        return sorted({entry.record for entry in self._of(part)})

    def stretches(self, part: str) -> pd.DataFrame:
        """Return the rows of one part (columns as :attr:`rows`).

        Raises
        ------
        NotFoundError
            When the split has no such part.
        """
        return _table(self._of(part))

    def as_dict(self) -> dict[str, Any]:
        """Return the split as JSON values; whole records are ``[record, part]``, stretches carry start and stop."""
        rows = [[*entry[:2]] if entry.start_s is None else [*entry] for entry in self.entries]
        return {
            **ENCODING,
            "name": self.name,
            "plan": copy.deepcopy(dict(self.plan)),
            "rows": rows,
            "groups": dict(self.groups),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Split:
        """Read what :meth:`as_dict` wrote.

        Raises
        ------
        UsageError
            When the value is not a split, or one of a later encoding.
        """
        found = {key: value.get(key) for key in ENCODING}
        if found != ENCODING:
            raise UsageError(
                "this is not a split that this release reads",
                subject=str(value.get("name", "split")),
                expected=str(ENCODING),
                found=str(found),
            )
        try:
            entries = tuple(_entry(row) for row in value["rows"])
            plan, groups = value["plan"], value["groups"]
            if not isinstance(plan, Mapping) or not isinstance(groups, Mapping):
                raise TypeError("plan and groups are mappings")
            return cls(name=value["name"], plan=plan, entries=entries, groups=groups)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(
                "a stored split is malformed",
                subject=str(value.get("name", "split")),
                expected="name, plan, rows of [record, part] or [record, part, start_s, stop_s], groups",
                found=f"{type(error).__name__}: {error}",
            ) from error

    def _of(self, part: str) -> tuple[Entry, ...]:
        if part not in self.parts:
            raise NotFoundError(
                "the split has no such part", subject=self.name, expected=" or ".join(self.parts), found=part
            )
        return tuple(entry for entry in self.entries if entry.part == part)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part}: {len(self.records(part))}" for part in self.parts)
        return f"<Split {self.name!r} by {self.plan.get('kind', 'hand')}; records in {sizes}>"

    def _repr_html_(self) -> str:
        lines = []
        for part in self.parts:
            own = self._of(part)
            n_groups = sum(other == part for other in self.groups.values())
            seconds = math.fsum(e.stop_s - e.start_s for e in own if e.start_s is not None and e.stop_s is not None)
            time = f"{seconds:.6g} s" if seconds else "whole"
            cells = (part, str(len(self.records(part))), str(n_groups or "–"), time)
            lines.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
        head = "<tr><th>part</th><th>records</th><th>groups</th><th>time</th></tr>"
        title = f"Split <b>{html.escape(self.name)}</b> ({html.escape(str(self.plan.get('kind', 'by hand')))})"
        return f"<div>{title}<table>{head}{''.join(lines)}</table></div>"


def check_name(name: object, *, what: str) -> None:
    """Refuse what cannot be the name of a split or a part (UsageError)."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise UsageError(
            f"{what} is malformed", subject=str(name), expected="letters, digits, '.', '_', '-'", found=repr(name)
        )


def _check_stretch(entry: Entry, name: str) -> None:
    if entry.start_s is None and entry.stop_s is None:
        return
    times = (entry.start_s, entry.stop_s)
    if any(time is None or not math.isfinite(time) for time in times) or not times[0] < times[1]:  # type: ignore[operator]
        raise UsageError(
            "a stretch of a record needs a finite start before a finite stop",
            subject=name,
            place=entry.record,
            found=f"start_s {entry.start_s}, stop_s {entry.stop_s}",
        )


def _entry(row: Any) -> Entry:
    if len(row) not in (2, 4) or not isinstance(row[0], str):
        raise TypeError(f"row {row!r}")
    return Entry(row[0], row[1]) if len(row) == 2 else Entry(row[0], row[1], float(row[2]), float(row[3]))


def _entry_key(entry: Entry) -> tuple[str, float, float, str]:
    start = -math.inf if entry.start_s is None else entry.start_s
    stop = math.inf if entry.stop_s is None else entry.stop_s
    return entry.record, start, stop, entry.part


def _part_key(part: str) -> tuple[int, str]:
    return (USUAL_ORDER.index(part) if part in USUAL_ORDER else len(USUAL_ORDER), part)


def _table(entries: Iterable[Entry]) -> pd.DataFrame:
    entries = list(entries)
    return pd.DataFrame(
        {
            "record": pd.Series([entry.record for entry in entries], dtype="str"),
            "part": pd.Series([entry.part for entry in entries], dtype="str"),
            "start_s": pd.Series([entry.start_s for entry in entries], dtype="float64"),
            "stop_s": pd.Series([entry.stop_s for entry in entries], dtype="float64"),
        }
    )
