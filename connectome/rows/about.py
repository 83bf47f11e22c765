"""Tables about a version rather than about its data: its records, their groups, its splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.store.canonical import canonical_json, plain

from .columns import IDENTIFIERS, TEXT, Column, join_columns

if TYPE_CHECKING:
    from connectome.store import Receipt, Version

__all__ = ["columns", "n_entries", "read"]

_RECORDS = (
    IDENTIFIERS[0],
    Column("source", TEXT, (), "Where the record comes from"),
    Column("kinds", TEXT, (), "Kinds of data, blank-separated"),
    Column("size_bytes", "int64", (), "Length of the record's file", "byte"),
    Column("file", TEXT, (), "Path of the record's file below the dataset's folder"),
    Column("file_sha256", TEXT, (), "SHA-256 of the record's file"),
    Column("content", TEXT, (), "Content digest of the record"),
    Column("warnings", TEXT, (), "What is odd but usable (JSON)"),
)
_GROUPS = (
    *IDENTIFIERS,
    Column("kind", TEXT, (), "Kind of data"),
    Column("facts", TEXT, (), "Measured facts (JSON)"),
    Column("attributes", TEXT, (), "Attributes of the group: clock, edge types, rules (JSON)"),
)
_SPLITS = (
    Column("split", TEXT, (), "Name of the stored split"),
    Column("part", TEXT, (), "Part of the split"),
    IDENTIFIERS[0],
    Column("start_s", "float64", (), "Start of the stretch, included; none for the whole record", "s"),
    Column("stop_s", "float64", (), "End of the stretch, excluded; none for the whole record", "s"),
)


def columns(version: Version, table: str) -> tuple[Column, ...]:
    """Return the columns of ``records``, ``groups`` or ``splits``."""
    return (*_RECORDS, *_attributes(version)) if table == "records" else {"groups": _GROUPS, "splits": _SPLITS}[table]


def n_entries(version: Version) -> int:
    """Return the number of entries of all stored splits."""
    return sum(len(split.entries) for split in version.splits.values())


def read(version: Version, table: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return all rows of ``records``, ``groups`` or ``splits``, by column."""
    rows = list({"records": _records, "groups": _groups, "splits": _splits}[table](version))
    return {column.name: _cells(column, [row.get(column.name) for row in rows]) for column in columns(version, table)}


def _cells(column: Column, values: list[Any]) -> np.ndarray[Any, Any]:
    if column.dtype == TEXT:
        return np.array(["" if value is None else value for value in values], dtype=object)
    if column.dtype == "float64":
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    # Arrow reads None in an object array as null; NumPy has no missing integers.
    return np.array(values, dtype=object if None in values else column.dtype)


def _own(receipt: Receipt) -> dict[str, Any]:
    fixed = {column.name for column in _RECORDS}
    return {key: value for key, value in receipt.attributes.items() if key not in fixed}


def _attributes(version: Version) -> list[Column]:
    return join_columns(
        Column(key, _dtype(value), (), f"Attribute {key} of the record")
        for receipt in version.manifest.records.values()
        for key, value in _own(receipt).items()
    )


def _dtype(value: Any) -> str:
    return {bool: "bool", int: "int64", float: "float64"}.get(type(value), TEXT)


def _records(version: Version) -> Iterator[dict[str, Any]]:
    joined = _attributes(version)
    for name, receipt in version.manifest.records.items():
        own = _own(receipt)
        yield {
            "record": name,
            "source": receipt.recipe["source"],
            "kinds": " ".join(sorted({facts["kind"] for facts in receipt.facts.values()})),
            "size_bytes": receipt.size_bytes,
            "file": receipt.file,
            "file_sha256": receipt.file_sha256,
            "content": receipt.content,
            "warnings": canonical_json(list(receipt.warnings)) if receipt.warnings else "",
            **{
                column.name: own[column.origin]
                for column in joined
                if column.origin in own and (not column.source or _dtype(own[column.origin]) == column.dtype)
            },
        }


def _groups(version: Version) -> Iterator[dict[str, Any]]:
    for record, receipt in version.manifest.records.items():
        for path, dataset in schema.groups(version.open(record)):
            scalars = {str(name): variable.values for name, variable in dataset.variables.items() if not variable.dims}
            attributes = {key: value for key, value in {**dataset.attrs, **scalars}.items() if key != "coordinates"}
            yield {
                "record": record,
                "group": path.strip("/"),
                "kind": schema.kind_of(dataset),
                "facts": canonical_json(receipt.facts.get(path, {})),
                "attributes": canonical_json(plain(attributes)),
            }


def _splits(version: Version) -> Iterator[dict[str, Any]]:
    for name, split in sorted(version.splits.items()):
        for entry in split.entries:
            yield {"split": name, **entry._asdict()}
