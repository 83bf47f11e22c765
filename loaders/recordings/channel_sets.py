"""Which channels of recordings that do not have the same ones, and what is known of each: kind, unit, position.

A channel set is a view: it says which channels are wanted and in what order; a recording that lacks one has it masked.
Names may be compared as they are written or in a plain spelling (``Fc5.`` and ``FC5`` are one channel); the stored
ids and the source's labels stay what they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from connectome.errors import UsageError

from ..reading.columns import read_column, read_columns
from ..reading.conditions import as_conditions, satisfied

if TYPE_CHECKING:
    from ..reading.chunks import RecordReader
    from ..reading.conditions import Condition

__all__ = ["ChannelSet", "ChannelTable", "Channels", "plain_name", "read_channels"]

Array = np.ndarray[Any, Any]
Spelling = Literal["exact", "plain"]
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6}
"""Units in which positions are stored; others, pixels among them, are no places in metres."""
ELECTRODES = "electrodes"
NONE_FITS = "none of the channels of the view"
MOST_NAMED = 6


def none_named(names: Sequence[str], ids: Sequence[str]) -> str:
    """Say that a record has no channel of these names, and what its own are called."""
    shown = ", ".join(ids[:MOST_NAMED]) + (", ..." if len(ids) > MOST_NAMED else "")
    plain = {plain_name(name) for name in names} & {plain_name(name) for name in ids}
    advice = "; ChannelSet(names=..., spelling='plain') finds them" if plain and not set(names) & set(ids) else ""
    return f"{NONE_FITS}: it has {shown}{advice}"


def plain_name(label: str) -> str:
    """Return a channel's name without dots and blanks, in capitals.

    Examples
    --------
    >>> plain_name("Fc5."), plain_name("C z..")
    ('FC5', 'CZ')
    """
    return "".join(label.replace(".", "").split()).upper()


@dataclass(frozen=True)
class ChannelTable:
    """What one recording says about its channels."""

    ids: tuple[str, ...]
    kind: tuple[str, ...]
    """``eeg``, ``ecog``, ``seeg``, ``mag``, ...; ``""`` where it is not stated."""
    unit: tuple[str, ...]
    position_m: Array
    """Shape (channel, 3), float64; NaN where there is none, or none in metres."""
    frame: str
    """Coordinate frame of the positions; ``""`` where it is not stated or there are none."""
    columns: Mapping[str, Array]
    """Every column of the channel table, and those of the electrode table that it does not have."""


def read_channels(reader: RecordReader, group: str) -> ChannelTable:
    """Read the channel table of a series, joined with the record's electrodes by name."""
    columns = read_columns(reader, group, "channel")
    ids = tuple(str(name) for name in columns["channel"].tolist())
    labels = [str(name) for name in columns.get("source_label", np.array(ids, dtype=object)).tolist()]
    units, frame = [], ""
    if all(axis in columns for axis in "xyz"):
        attrs = read_column(reader, group, "x").attrs
        units, frame = (
            [str(read_column(reader, group, axis).attrs.get("units", "")) for axis in "xyz"],
            str(attrs.get("frame", "")),
        )
    if reader.has(ELECTRODES):
        table = read_columns(reader, ELECTRODES, "row")
        names = [str(name) for name in table.pop("name", np.zeros(0, dtype=object)).tolist()]
        counts = Counter(names)
        row = np.array([names.index(label) if counts[label] == 1 else -1 for label in labels], dtype=np.int64)
        # Positions come from the channel table only: there somebody has decided in which frame they are.
        for name, values in table.items():
            if name not in columns and name not in {"x", "y", "z"} and len(names):
                columns[name] = _taken(values, row)
    n = len(ids)
    place = np.full((n, 3), np.nan)
    if units and all(unit in METRES for unit in units):
        place = np.stack(
            [columns[axis].astype(np.float64) * METRES[unit] for axis, unit in zip("xyz", units, strict=True)], axis=1
        )
    # A place with one number missing is none.
    place[~np.isfinite(place).all(axis=1)] = np.nan
    empty = np.array([""] * n, dtype=object)
    kind, unit = (tuple(str(text) for text in columns.get(name, empty).tolist()) for name in ("kind", "channel_unit"))
    return ChannelTable(ids, kind, unit, place, frame if np.isfinite(place).any() else "", columns)


def _taken(values: Array, row: Array) -> Array:
    there = row >= 0
    if values.dtype.kind == "O":
        found: Array = np.array([""] * len(row), dtype=object)
    else:
        values = values.astype(np.float64)
        found = np.full(len(row), np.nan)
    found[there] = values[row[there]]
    return found


@dataclass(frozen=True)
class ChannelSet:
    """Which channels are wanted.

    Parameters
    ----------
    names : sequence of str, optional
        These, in this order. Without it, every channel that fits, in the order in which records show them.
    where : sequence of (column, comparison, value), optional
        Conditions on the channel table (``kind``, ``status``, ``soz``, ...) and the columns of the electrode table
        (regions); comparisons as for trials: ``("kind", "in", ["ecog", "seeg"])``. A record without the column has no
        such channel.
    near_m : (x, y, z), optional
        With ``radius_m``, only channels that lie so near, in metres of the record's own frame.
    radius_m : float, optional
        Greater than 0.
    spelling : {"exact", "plain"}
        Whether names are compared as written or by :func:`plain_name`.
    shared : bool
        Without ``names``: whether only channels that all records have are taken, instead of all that any has.

    Raises
    ------
    UsageError
        When an argument cannot be used.
    """

    names: Sequence[str] | None = None
    where: Sequence[Sequence[Any]] | None = None
    near_m: tuple[float, float, float] | None = None
    radius_m: float | None = None
    spelling: Spelling = "exact"
    shared: bool = False

    def __post_init__(self) -> None:
        as_conditions(self.where, subject="where")
        if self.spelling not in {"exact", "plain"}:
            raise UsageError("no such spelling", subject="spelling", expected="exact or plain", found=self.spelling)
        if (self.near_m is None) != (self.radius_m is None) or (self.radius_m is not None and not self.radius_m > 0):
            raise UsageError("a place needs a radius", subject="near_m", expected="near_m=(x, y, z), radius_m above 0")
        if self.near_m is not None and not (len(self.near_m) == 3 and all(map(math.isfinite, self.near_m))):
            raise UsageError("not a place", subject="near_m", expected="three numbers", found=repr(self.near_m))
        if self.names is not None:
            keys = [self._key(name) for name in self.names]
            if isinstance(self.names, str) or not keys or len(set(keys)) != len(keys):
                raise UsageError("a view needs different names in a list", subject="names", found=repr(self.names))
        if self.names is not None and self.shared:
            raise UsageError("the names say which channels there are", subject="shared", hint="leave out one")

    def _key(self, name: str) -> str:
        return plain_name(name) if self.spelling == "plain" else name

    def places(self, table: ChannelTable, *, record: str) -> dict[str, int]:
        """Return the channels of a record that fit, by name, with their places.

        Raises
        ------
        UsageError
            When two channels that fit have one name in the plain spelling.
        """
        conditions = self.conditions
        columns = {**table.columns, "channel": np.array(table.ids, dtype=object)}
        lost = [item.column for item in conditions if item.column not in columns]
        fits = np.zeros(len(table.ids), dtype=bool)
        if not lost:
            fits = satisfied(conditions, columns, len(table.ids), subject=record)
        if self.near_m is not None:
            distance = np.linalg.norm(table.position_m - np.array(self.near_m), axis=1)
            fits = fits & (distance <= self.radius_m)
        keys = [self._key(name) for name in table.ids]
        wanted = None if self.names is None else {self._key(name) for name in self.names}
        found: dict[str, int] = {}
        for at in np.flatnonzero(fits).tolist():
            if wanted is not None and keys[at] not in wanted:
                continue
            if keys[at] in found:
                raise UsageError(
                    "two channels have one name in the plain spelling", subject=record, place=keys[at],
                    found=f"{table.ids[found[keys[at]]]}, {table.ids[at]}", hint="spelling='exact', or other names",
                )  # fmt: skip
            found[keys[at]] = at
        return found

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What ``where`` asks of the columns of a channel."""
        return as_conditions(self.where, subject="where")

    def why_none(self, table: ChannelTable) -> str:
        """Say why no channel of a record fits."""
        lost = [item.column for item in self.conditions if item.column not in {*table.columns, "channel"}]
        if lost:
            return f"{NONE_FITS}: no column {', '.join(lost)} beside {', '.join(sorted(table.columns))}"
        if self.near_m is not None and not np.isfinite(table.position_m).any():
            return f"{NONE_FITS}: it does not say in metres where they are"
        return none_named(self.names, table.ids) if self.names is not None else NONE_FITS

    def axis(self, found: Sequence[Mapping[str, int]]) -> tuple[tuple[str, ...], list[Array]]:
        """Return the names along the channel axis, and per record which stored channel each is (-1 for none)."""
        if self.names is not None:
            names = tuple(self.names)
        else:
            names = tuple(dict.fromkeys(name for own in found for name in own))
            if self.shared:
                names = tuple(name for name in names if all(name in own for own in found))
        keys = [self._key(name) for name in names]
        return names, [np.array([own.get(key, -1) for key in keys], dtype=np.int64) for own in found]

    def description(self) -> dict[str, Any]:
        """Return what was asked for, as JSON values."""
        return {
            "names": None if self.names is None else list(self.names),
            "where": [list(item) for item in self.conditions],
            "near_m": None if self.near_m is None else list(self.near_m),
            "radius_m": self.radius_m,
            "spelling": self.spelling,
            "shared": self.shared,
        }


@dataclass(frozen=True)
class Channels:
    """The channels of every record of a source, along its channel axis."""

    names: tuple[str, ...] | None
    """Names along the axis; None where they differ among the records."""
    kind: Array
    """Shape (record, channel), int64: code in ``kinds``; -1 where it is not stated or there is no channel."""
    kinds: tuple[str, ...]
    position_m: Array
    """Shape (record, channel, 3), float64 metres in the record's frame; 0 where ``position_mask`` is False."""
    position_mask: Array
    """Shape (record, channel), bool: True where the place is known."""
    mask: Array
    """Shape (record, channel), bool: True where the record has the channel."""
    unit: tuple[tuple[str, ...], ...]
    """Per record and channel; ``""`` where it is not stated or there is no channel."""
    frame: tuple[str, ...]
    """Coordinate frame per record."""
    records: tuple[str, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per record and channel that it has: ``record``, ``channel`` (place), ``kind``, ``unit``, x, y, z."""
        record, channel = np.nonzero(self.mask)
        place = np.where(self.position_mask[..., None], self.position_m, np.nan)[record, channel]
        return pd.DataFrame(
            {
                "record": [self.records[at] for at in record.tolist()],
                "channel": channel if self.names is None else [self.names[at] for at in channel.tolist()],
                "kind": [["", *self.kinds][code + 1] for code in self.kind[record, channel].tolist()],
                "unit": [self.unit[at][of] for at, of in zip(record.tolist(), channel.tolist(), strict=True)],
                **{f"{axis}_m": place[:, at] for at, axis in enumerate("xyz")},
            }
        )


def along_axis(
    tables: Sequence[ChannelTable],
    rows: Sequence[Array],
    n_channels: int,
    *,
    names: tuple[str, ...] | None,
    records: tuple[str, ...],
) -> Channels:
    """Lay the tables of records along one channel axis."""
    shape = (len(tables), n_channels)
    kinds = tuple(sorted({kind for table in tables for kind in table.kind if kind}))
    code = {kind: at for at, kind in enumerate(kinds)}
    kind, mask = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=bool)
    position, known = np.zeros((*shape, 3)), np.zeros(shape, dtype=bool)
    units = []
    for at, (table, row) in enumerate(zip(tables, rows, strict=True)):
        wide = np.concatenate([row, np.full(n_channels - len(row), -1, dtype=np.int64)])
        here = np.flatnonzero(wide >= 0)
        stored = wide[here]
        mask[at, here] = True
        kind[at, here] = [code.get(table.kind[of], -1) for of in stored.tolist()]
        known[at, here] = np.isfinite(table.position_m[stored]).all(axis=1)
        position[at, here] = np.where(known[at, here, None], table.position_m[stored], 0.0)
        units.append(tuple(table.unit[of] if of >= 0 else "" for of in wide.tolist()))
    frames = tuple(table.frame for table in tables)
    return Channels(names, kind, kinds, position, known, mask, tuple(units), frames, records)
