"""What an NWB session says of itself: subject, session, laboratory, devices.

Words are the file's own. The schema version of the container is left out, so that the same session in HDF5 and in
Zarr, which a conversion brings to a newer schema, is the same record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import column, table

from .tree import GroupNode

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["devices", "session_attributes", "stated_rates"]

_ROOT = ("session_description", "session_start_time", "timestamps_reference_time")
_PLAIN = ("species", "sex", "age", "strain", "genotype", "date_of_birth", "weight")
"""Fields of the subject that keep their names; others get ``subject_`` before them."""
_TAKEN = {"title", "warnings", "groups", "provenance", "digests", "encoding-type", "encoding-version"}
"""Names that a record gives another meaning."""
_TYPES = ("neurodata_type", "namespace", "object_id")
_TABLES = (
    ("device", "/general/devices"),
    ("electrode_group", "/general/extracellular_ephys"),
    ("optogenetic_site", "/general/optogenetics"),
    ("imaging_plane", "/general/optophysiology"),
    ("intracellular_electrode", "/general/intracellular_ephys"),
)


def session_attributes(root: GroupNode) -> dict[str, Any]:
    """Return attributes of the record; fields that are empty or not there are left out."""
    found: dict[str, Any] = {name: root.text(name) for name in _ROOT}
    found["source_uid"] = root.text("identifier")
    general = root.group("general")
    if general is not None:
        found |= {name: general.text(name) for name in general.names() if general.array(name) is not None}
        found |= _subject(general.group("subject"))
    return {
        f"session_{name}" if name in _TAKEN else name: value
        for name, value in found.items()
        if value not in ("", []) and not (isinstance(value, float) and not np.isfinite(value))
    }


def _subject(subject: GroupNode | None) -> dict[str, Any]:
    if subject is None:
        return {}
    names = [name for name in subject.names() if subject.array(name) is not None]
    values: dict[str, Any] = {name: value for name, value in subject.attrs.items() if name not in _TYPES}
    values |= {name: subject.text(name) for name in names}
    found = {
        name if name in _PLAIN else f"subject_{name.removeprefix('subject_')}": value for name, value in values.items()
    }
    if "subject_id" in found:
        found["subject"] = found.pop("subject_id")
    return found


def devices(root: GroupNode) -> dict[str, xr.Dataset]:
    """Return tables of devices, electrode groups and optogenetic sites: a row each, their fields as columns."""
    found: dict[str, xr.Dataset] = {}
    for name, path in _TABLES:
        group = root.at(path)
        members = [group.group(one) for one in group.names()] if isinstance(group, GroupNode) else []
        rows = [one for one in members if one is not None and one.type and "colnames" not in one.attrs]
        if rows:
            found[name] = _table([{"name": one.name, **_fields(one)} for one in rows], path)
    return found


def _fields(item: GroupNode) -> dict[str, Any]:
    fields: dict[str, Any] = {name: value for name, value in item.attrs.items() if name not in _TYPES}
    for name in item.names():
        if item.is_link(name):
            fields[name] = item.target(name).rpartition("/")[2]
        elif (
            (found := item.array(name)) is not None
            and found.kind in {"number", "text"}
            and np.prod(found.shape, dtype=int) <= 16
        ):
            value = found.read().tolist()
            fields[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return fields


def _table(rows: list[dict[str, Any]], path: str) -> xr.Dataset:
    columns: dict[str, xr.Variable] = {}
    for name in sorted({name for row in rows for name in row}):
        values = [row.get(name) for row in rows]
        words = f"{name}, as the source gives it"
        if all(isinstance(value, bool) for value in values):
            columns[name] = column("row", np.array(values), words)
        elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            columns[name] = column("row", np.array(values, dtype=np.int64), words, "1")
        elif all(
            value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values
        ):
            columns[name] = column("row", np.array([np.nan if v is None else float(v) for v in values]), words, "1")
        else:
            columns[name] = column("row", ["" if value is None else str(value) for value in values], words)
    return table(columns, source=path)


def stated_rates(root: GroupNode) -> list[float]:
    """Return sampling rates that devices state, Hz, in the order of their names."""
    group = root.at("/general/devices")
    members = [group.group(name) for name in group.names()] if isinstance(group, GroupNode) else []
    rates = [one.attrs.get("sampling_rate") for one in members if one is not None]
    return list(dict.fromkeys(float(rate) for rate in rates if isinstance(rate, (int, float)) and np.isfinite(rate)))[
        :16
    ]
