"""``channels.tsv`` and ``electrodes.tsv`` as tables of their own, joined by name and never by position.

BIDS 1.10, "Channels description (``*_channels.tsv``)" and "Electrodes description": the order of rows need not be that
of the file, and electrodes need not match channels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from .tsv import MISSING, Rows, typed, variable_name

if TYPE_CHECKING:
    import xarray as xr

    from ..seizures.rules import EventRules
    from ..tables.text_rows import Note

__all__ = ["channel_marks", "channel_table", "coordinate_frame", "electrode_doubts", "electrode_table"]

STATUS = ("good", "bad")
NAMES = {"name": "source_label", "type": "kind", "units": "source_unit"}
"""Columns of BIDS that records name otherwise."""
IN_HZ = frozenset({"low_cutoff", "high_cutoff", "sampling_frequency", "notch"})
LONGEST_HEAD_M = 0.5
"""No electrode of a head is further from any origin in use; larger numbers are no metres."""
SMALLEST_HEAD_MM = 1.0
"""All within a millimetre of each other's axes: no millimetres."""


def channel_table(rows: Rows, rules: EventRules, *, place: str) -> tuple[xr.Dataset, list[Note]]:
    """Make the group ``channels`` of a recording whose signals are not at hand.

    Parameters
    ----------
    rows : list of dict
        All rows of ``channels.tsv``.
    rules : EventRules
        Its ``channel_words`` become columns of truth.
    place : str
        Name of the file, for warnings.

    Returns
    -------
    table : xarray.Dataset
        ``source_label``, ``kind`` (lower case), ``source_unit``, ``status`` and whatever else there is.
    warnings : list of dict
        Names that repeat, units that are not stated, statuses that BIDS does not have.
    """
    if rows and "name" not in rows[0]:
        raise FormatError("a column is missing", subject=place, expected="name", found=", ".join(rows[0]))
    warnings: list[Note] = []
    twice = sorted(name for name, n in Counter(row["name"] for row in rows).items() if n > 1)
    if twice:
        message = f"names that are there more than once: {', '.join(twice)}"
        warnings.append(warning("repeated-labels", place, message))
    columns: dict[str, xr.Variable] = {}
    for key in rows[0] if rows else ():
        name = NAMES.get(key, variable_name(key))
        if name in columns:
            raise FormatError("two columns would have one name", subject=place, found=f"{key!r} and another: {name}")
        values = [row[key] for row in rows]
        columns[name], notes = _column(key, values, place)
        warnings += notes
    unstated = sum(row.get("units", "n/a") in MISSING for row in rows)
    if unstated:
        message = f"no unit is stated for {unstated} of {len(rows)} channels"
        warnings.append(warning("units-not-stated", place, message))
    return schema.table(columns | channel_marks(rows, rules, dim="row")), warnings


def _column(key: str, values: Sequence[str], place: str) -> tuple[xr.Variable, list[Note]]:
    texts = ["" if value in MISSING else value for value in values]
    if key == "status":
        strange = sorted({text for text in texts if text.lower() not in {*STATUS, ""}})
        if strange:
            message = f"statuses that BIDS does not have, kept as text: {', '.join(strange)}"
            note = warning("unknown-status", place, message)
            return schema.column("row", texts, "Status of the channel"), [note]
        return schema.category("row", [text.lower() for text in texts], STATUS, "Status of the channel"), []
    if key == "type":
        return schema.column("row", [text.lower() for text in texts], "Kind of signal (lower case)"), []
    if key in {"name", "units"}:
        words = {"name": "Label in the source", "units": "Unit as written in the source"}
        return schema.column("row", texts, words[key]), []
    about = {"Units": "Hz"} if key in IN_HZ else {}
    return typed(values, key=key, table=place, about=about, among=values)


def channel_marks(rows: Rows, rules: EventRules, *, dim: str) -> dict[str, xr.Variable]:
    """Return columns of truth for the words of ``status_description`` that the rules name.

    Where no channel of a recording has a word, nobody may have looked: the column is missing for all.
    """
    columns: dict[str, xr.Variable] = {}
    words = [{word.strip().lower() for word in row.get("status_description", "").split(",")} for row in rows]
    for word, name in rules.channel_words.items():
        marked = [word in found for found in words]
        values = [None if not any(marked) else "true" if mark else "false" for mark in marked]
        columns[name] = schema.category(
            dim, values, ("false", "true"), f"Whether {word!r} stands in status_description", word=word
        )
    return columns


def coordinate_frame(system: Mapping[str, Any], space: str = "") -> dict[str, str]:
    """Return ``units`` and ``frame`` of electrodes by ``coordsystem.json``; the file's ``space-`` stands in for it.

    A file about MEG and EEG states both systems; electrodes are in that of EEG.
    """
    found = {"units": "unknown", "frame": space}
    for prefix in ("MEG", "EEG", "iEEG"):
        unit, name = system.get(f"{prefix}CoordinateUnits"), system.get(f"{prefix}CoordinateSystem")
        if unit not in {None, "n/a"}:
            found["units"] = str(unit)
        if name not in {None, "n/a", "Other"}:
            found["frame"] = str(name)
    return found


def electrode_table(rows: Rows, system: Mapping[str, Any], *, space: str, place: str) -> xr.Dataset:
    """Make the group ``electrodes``: positions in the unit and frame that the source states, nothing converted."""
    frame = coordinate_frame(system, space)
    columns: dict[str, xr.Variable] = {}
    for key in rows[0] if rows else ():
        name = variable_name(key)
        if name in columns:
            raise FormatError("two columns would have one name", subject=place, found=f"{key!r} and another: {name}")
        values = [row[key] for row in rows]
        if key in {"x", "y", "z"}:
            numbers = np.array([_number(value) for value in values], dtype=np.float64)
            columns[name] = schema.column("row", numbers, f"Position, {key}", frame["units"], frame=frame["frame"])
        else:
            columns[name], _ = typed(values, key=key, table=place, about={}, among=values, as_text=key == "name")
    attrs = {"coordinate_system": dict(system), "space": space, **{f"coordinate_{k}": v for k, v in frame.items()}}
    return schema.table(columns, **{key: value for key, value in attrs.items() if value})


def electrode_doubts(rows: Rows, system: Mapping[str, Any], *, place: str) -> list[Note]:
    """Say where positions are no numbers, cannot be in the unit that is stated, or none is stated."""
    values = np.array([[_number(row.get(axis, "")) for axis in "xyz"] for row in rows], dtype=np.float64)
    stated = np.abs(values[np.isfinite(values)])
    unit = coordinate_frame(system)["units"]
    notes: list[Note] = []
    if stated.size and unit == "unknown":
        message = "no unit of the positions is stated; they are kept as numbers"
        notes.append(warning("position-unit-not-stated", place, message))
    texts = [text for row in rows for axis in "xyz" if (text := row.get(axis, "n/a")) not in MISSING]
    unread = [text for text in texts if math.isnan(_number(text))]
    if unread:
        message = f"{len(unread)} coordinates are no numbers and are left out: {', '.join(unread[:10])}"
        notes.append(warning("positions-unreadable", place, message))
    most = float(stated.max()) if stated.size else 0.0
    if (unit == "m" and most > LONGEST_HEAD_M) or (unit == "mm" and 0 < most < SMALLEST_HEAD_MM):
        message = f"positions of up to {most:g} {unit} fit no head; they are kept as they stand"
        notes.append(warning("implausible-positions", place, message))
    return notes


def _number(text: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
