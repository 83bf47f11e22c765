"""Tables of BIDS: ``participants.tsv`` with its code book, and the indices of a segmentation."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["index_table", "participants_tables"]

MISSING = "n/a"
KEY = "participant_id"
HUE_STEP = 0.618033988749895
"""The golden ratio: neighbouring indices get hues far apart."""


def participants_tables(subjects: Mapping[str, xr.Dataset | None]) -> tuple[str, dict[str, Any]]:
    """Return ``participants.tsv`` and what ``participants.json`` holds.

    Parameters
    ----------
    subjects : mapping of str to xarray.Dataset or None
        Label without ``sub-`` to the table of one row, None where the record has none.

    Returns
    -------
    table : str
        Columns in order of first appearance, ``participant_id`` first.
    described : dict
        Column to ``Description``, ``Units`` and ``Levels``; ``Ordered`` and ``Available`` where the column says so.
    """
    names: dict[str, dict[str, Any]] = {}
    rows: dict[str, dict[str, str]] = {}
    for label, table in subjects.items():
        rows[label] = {}
        for name, variable in table.variables.items() if table is not None else ():
            if name == KEY or variable.ndim != 1:
                continue
            rows[label][str(name)] = _cell(schema.decode(variable)[0])
            known = names.setdefault(str(name), _described(variable))
            if schema.is_category(variable):
                known.setdefault("Levels", {}).update(_levels(variable))
    lines = ["\t".join([KEY, *names])]
    lines += ["\t".join([f"sub-{label}", *(row.get(name, MISSING) for name in names)]) for label, row in rows.items()]
    described = {KEY: {"Description": "Participant"}, **names}
    return "\n".join(lines) + "\n", described


def index_table(data: xr.Dataset) -> str:
    """Return the table of a segmentation: index, name and a colour to show it in, made from the index."""
    ids = data["label_id"].values.tolist()
    given = data["label_name"].values.tolist() if "label_name" in data else [""] * len(ids)
    lines = ["index\tname\tcolor"]
    for index, name in zip(ids, given, strict=True):
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(index * HUE_STEP % 1.0, 0.65, 0.95))
        lines.append(f"{index}\t{_flat(str(name)) or f'label {index}'}\t#{red:02x}{green:02x}{blue:02x}")
    return "\n".join(lines) + "\n"


def _described(variable: xr.Variable) -> dict[str, Any]:
    about: dict[str, Any] = {"Description": str(variable.attrs.get("long_name", ""))}
    units = str(variable.attrs.get("units", ""))
    if units and units != "1":
        about["Units"] = units
    if variable.attrs.get("ordered"):
        about["Ordered"] = True
    if "available" in variable.attrs:
        about["Available"] = str(variable.attrs["available"])
    return about


def _levels(variable: xr.Variable) -> dict[str, str]:
    labels = [str(label) for label in variable.attrs["flag_labels"]]
    said = [str(text) for text in variable.attrs.get("flag_descriptions", [])] or labels
    return {label: text or label for label, text in zip(labels, said, strict=True)}


def _cell(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value == "" or value != value:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    # The shortest text that reads back as the same number; a whole one without its point.
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value) if isinstance(value, float) else _flat(str(value))


def _flat(text: str) -> str:
    return " ".join(text.split())
