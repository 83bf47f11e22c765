"""The tables of a version: one per table of a group over all records, and three about the version itself.

A table is named after its group's path with ``.`` for ``/`` and the suffix of its part: ``activity.signal``,
``stimulus``, ``labels.t1w``. Every row starts with its ``record`` and ``group``; a column of a record that has one of
those two names gets an underscore behind it. ``records`` (one row per record), ``groups`` (facts and attributes of
every group) and ``splits`` (where the version stores any) describe the version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectome import schema
from connectome.errors import NotFoundError, SchemaError, UsageError

from . import about
from .columns import IDENTIFIERS, Column, join_columns
from .parts import SAMPLES_PER_ROW, Part, Values, parts

if TYPE_CHECKING:
    from connectome.store import Version

__all__ = ["Table", "choose", "rows_of", "tables"]


@dataclass(frozen=True)
class Table:
    """One table of a version."""

    name: str
    group: str
    """Path of the group in the records; empty for the tables about the version."""
    suffix: str
    """Which part of the group, or which table about the version."""
    kind: str
    """Kind of the group; empty for the tables about the version."""
    primary: bool
    """Whether this is what the group is about."""
    columns: tuple[Column, ...]
    """All columns, identifiers first."""
    n_rows: Mapping[str, int] = field(default_factory=dict)
    """Record to number of rows, sorted; the whole table is below ``""`` where it is about the version."""
    samples_per_row: int = SAMPLES_PER_ROW

    @property
    def records(self) -> tuple[str, ...]:
        """Records that have such a table; empty for the tables about the version."""
        return tuple(name for name in self.n_rows if name)


def tables(version: Version, *, samples_per_row: int = SAMPLES_PER_ROW) -> dict[str, Table]:
    """List the tables of a version; the metadata of every record are read, no values.

    Parameters
    ----------
    version : Version
        An opened version.
    samples_per_row : int
        Most samples in one row of a signal.

    Returns
    -------
    dict of str to Table
        By name: those about the version first, then by group and part.

    Raises
    ------
    UsageError
        When ``samples_per_row`` is not positive.
    SchemaError
        When two groups would give tables of the same name.
    """
    if samples_per_row < 1:
        raise UsageError(
            "a row needs a sample", subject="samples_per_row", expected="1 or more", found=str(samples_per_row)
        )
    found: dict[tuple[str, str], list[tuple[str, str, Part]]] = {}
    n_groups = 0
    for record in version.manifest.records:
        for path, dataset in schema.groups(version.open(record)):
            n_groups += 1
            for part in parts(dataset, samples_per_row=samples_per_row):
                kind = schema.kind_of(dataset)
                found.setdefault((path.strip("/"), part.suffix), []).append((record, kind, part))
    data: dict[str, Table] = {}
    for (group, suffix), items in sorted(found.items()):
        name = _name(group, suffix)
        if name in data:
            raise SchemaError(
                "two groups would give tables of the same name",
                subject=name,
                found=f"/{data[name].group} and /{group}",
                hint="name one of the groups differently",
            )
        columns = join_columns(column for _, _, part in items for column in _shifted(part.columns))
        data[name] = Table(
            name=name,
            group=group,
            suffix=suffix,
            kind=" | ".join(dict.fromkeys(kind for _, kind, _ in items)),
            primary=any(part.primary for _, _, part in items),
            columns=(*IDENTIFIERS, *columns),
            n_rows={record: part.n_rows for record, _, part in items},
            samples_per_row=samples_per_row,
        )
    return {table.name: table for table in _about(version, data, n_groups)} | data


def choose(listed: Mapping[str, Table], name: str | None) -> Table:
    """Return the table of a name, or the main one of a group.

    Parameters
    ----------
    listed : mapping of str to Table
        From :func:`tables`.
    name : str or None
        A table (``"activity.signal"``) or a group (``"activity"``, ``"labels/t1w"``); None where the version has one
        group only.

    Returns
    -------
    Table

    Raises
    ------
    NotFoundError
        When there is none.
    UsageError
        When None does not say which.
    """
    if name is not None and name in listed:
        return listed[name]
    wanted = None if name is None else name.strip("/")
    main = [
        table for table in listed.values() if table.primary and wanted in {None, table.group, _name(table.group, "")}
    ]
    if len(main) == 1:
        return main[0]
    if name is None:
        raise UsageError("say which table", subject="config", expected=", ".join(listed), found="None")
    raise NotFoundError("no such table in this version", subject=name, expected=", ".join(listed))


def rows_of(version: Version, table: Table, record: str = "") -> Iterator[tuple[Values, tuple[Column, ...]]]:
    """Yield the rows of one record in blocks, each with the record's own columns.

    Parameters
    ----------
    version : Version
        The version that the table was listed from.
    table : Table
        From :func:`tables`.
    record : str
        Which record; ``""`` for a table about the version.

    Yields
    ------
    (mapping of str to numpy.ndarray, tuple of Column)
        Values by column, without the identifiers.
    """
    if not table.group:
        yield about.read(version, table.suffix), table.columns
        return
    dataset = dict(schema.groups(version.open(record)))[f"/{table.group}"]
    for part in parts(dataset, samples_per_row=table.samples_per_row):
        if part.suffix == table.suffix:
            columns = _shifted(part.columns)
            names = {old.name: new.name for old, new in zip(part.columns, columns, strict=True)}
            for values in part.read():
                yield {names[name]: cells for name, cells in values.items()}, tuple(columns)


def _name(group: str, suffix: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", ".".join(part for part in (group.replace("/", "."), suffix) if part))


def _shifted(columns: tuple[Column, ...]) -> list[Column]:
    """Keep the names of the identifiers free."""
    taken = {column.name for column in columns}
    shifted = []
    for column in columns:
        name = column.name
        while name in {own.name for own in IDENTIFIERS} or (name != column.name and name in taken):
            name += "_"
        shifted.append(column if name == column.name else replace(column, name=name))
    return shifted


def _about(version: Version, data: Mapping[str, Table], n_groups: int) -> Iterator[Table]:
    """Make the tables about the version; their names give way to those of the data."""
    sizes = {"records": len(version), "groups": n_groups, "splits": about.n_entries(version)}
    for suffix, n_rows in sizes.items():
        if n_rows:
            yield Table(
                name=suffix if suffix not in data else f"version.{suffix}",
                group="",
                suffix=suffix,
                kind="",
                primary=False,
                columns=about.columns(version, suffix),
                n_rows={"": n_rows},
            )
