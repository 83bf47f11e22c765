"""Nodes of a table of edges: the ids that its rows name, or a table of their own with columns and positions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, warning

from ...homogenise.neuron_graph import match_ids
from ..tables.block_columns import Array, Ids, Restart, ValueColumn, Words
from ..tables.listed_columns import node_column_names
from ..tables.table_blocks import TableBlocks, column_named, open_table

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["ListedNodes"]


@dataclass(frozen=True)
class ListedNodes:
    """Nodes, and the edges' ends among them."""

    ids: Array
    """Shape (node,): int64, or words (object)."""
    source: Array
    target: Array
    columns: dict[str, xr.Variable] = field(default_factory=dict)
    values: Mapping[str, ValueColumn] = field(default_factory=dict)
    order: Array | None = None
    """Row of the table of nodes; -1 where it has none."""
    stored: Mapping[str, str] = field(default_factory=dict)
    table: TableBlocks | None = None

    @classmethod
    def of_edges(cls, source: Ids, target: Ids) -> ListedNodes:
        """Return all ids that the edges name, ascending."""
        starts, stops = source.values(), target.values()
        if not source.whole:
            words = source.words.words
            order = np.array(sorted(range(len(words)), key=words.__getitem__), dtype=np.int64)
            rank = np.empty(len(words), dtype=np.int32)
            rank[order] = np.arange(len(words))
            return cls(words[order], rank[starts], rank[stops])
        # One end after the other: a column of ids is large.
        distinct = np.union1d(np.unique(starts), np.unique(stops))
        rows = [np.searchsorted(distinct, ids).astype(np.int32) for ids in (starts, stops)]
        return cls(distinct, rows[0], rows[1])

    def joined(self, path: Path, id_column: str, taken: Collection[str]) -> tuple[ListedNodes, list[Note]]:
        """Return the nodes in the order of their table, with its columns, and warnings.

        Parameters
        ----------
        path : pathlib.Path
            The table of nodes.
        id_column : str
            Its column of ids; ``""`` for the first.
        taken : collection of str
            Names that its columns must not have.

        Raises
        ------
        FormatError
            When an id is there twice or is none, or no edge ends at any.
        """
        table = open_table(path)
        name = column_named(table, id_column or "1", "id_column")
        whole = self.ids.dtype.kind == "i"
        listed, values = _read(table, name, whole=whole)
        known = match_ids(listed, self.ids)
        if (known < 0).all():
            raise FormatError(
                "no end of an edge is listed in the table of nodes", subject=str(path), place=f"column {name}",
                expected=f"ids such as {self.ids[0]}", found=f"ids such as {listed[0] if len(listed) else 'none'}",
                hint="--option id_column=COLUMN",
            )  # fmt: skip
        beyond = np.flatnonzero(known < 0)
        place = known.copy()
        place[beyond] = len(listed) + np.arange(len(beyond))
        order = np.append(np.arange(len(listed)), np.full(len(beyond), -1))
        stored = node_column_names(values, {*taken, "listed", "weight"})
        columns = {stored[key]: item.variable("node", units="unknown", order=order) for key, item in values.items()}
        notes: list[Note] = []
        if len(beyond):
            columns["listed"] = column("node", order >= 0, "Whether the table of nodes lists the node")
            message = f"{len(beyond)} ends of edges are not listed among the nodes, first {self.ids[beyond[0]]}"
            notes.append(warning("nodes-not-listed", path.name, message))
        ids = np.concatenate([listed, self.ids[beyond]])
        return ListedNodes(ids, place[self.source], place[self.target], columns, values, order, stored, table), notes

    def positions(self, names: str) -> tuple[Array, dict[str, xr.Variable]]:
        """Return the positions (node, axis), float64, and the columns that are none.

        Parameters
        ----------
        names : str
            Two or three numeric columns of the table, set apart by commas.

        Raises
        ------
        FormatError
            When a node has no position.
        UsageError
            When a column is not there or no numbers.
        """
        assert self.table is not None
        assert self.order is not None
        subject = str(self.table.path)
        chosen = [column_named(self.table, name.strip(), "position") for name in names.split(",")]
        places = [self._numbers(name) for name in chosen]
        if (self.order < 0).any():
            raise FormatError(
                "a node has no position", subject=subject, place=f"node {self.ids[self.order < 0][0]}",
                expected="every end of an edge in the table of nodes", found=f"{int((self.order < 0).sum())} are not",
                hint="read it without the option position: the columns stay columns of the nodes",
            )  # fmt: skip
        left = {self.stored[name] for name in chosen}
        return np.stack(places, axis=1), {key: item for key, item in self.columns.items() if key not in left}

    def _numbers(self, name: str) -> Array:
        assert self.table is not None
        item = self.values.get(name)
        if item is None or item.textual or item.values()[0].dtype.kind not in "if":
            raise UsageError(
                "not a column of numbers", subject=str(self.table.path), place="option position", found=name
            )
        values, missing = item.values()
        values = np.where(missing, np.nan, values) if missing is not None else values.astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise FormatError(
                "a node has no position", subject=str(self.table.path), place=self.table.place(int(bad[0]), name),
                expected="a finite number", found=str(values[bad[0]]),
            )  # fmt: skip
        return values


def _read(table: TableBlocks, name: str, *, whole: bool) -> tuple[Array, dict[str, ValueColumn]]:
    stages: dict[str, int] = {}
    while True:
        words = Words()
        ids = Ids(table, name, whole=whole, words=words)
        values = {
            other: ValueColumn(table, other, stage=stages.get(other, 0)) for other in table.names if other != name
        }
        try:
            for batch in table.blocks():
                ids.add(batch.column(name))
                for other, item in values.items():
                    item.add(batch.column(other))
        except Restart:
            stages = {other: item.stage for other, item in values.items()}
            continue
        codes = ids.values()
        distinct, first, count = np.unique(codes, return_index=True, return_counts=True)
        if len(distinct) != len(codes):
            twice = distinct[count > 1]
            at = int(np.flatnonzero(codes == codes[first[count > 1].min()])[1])
            which = codes[at] if whole else words.words[codes[at]]
            raise FormatError(
                "a node is listed twice",
                subject=str(table.path),
                place=table.place(at, name),
                expected="every id once",
                found=f"{which} ({len(twice)} such ids)",
            )
        return codes if whole else words.words[codes], values
