"""Columns of a DynamicTable: plain, fixed-width, ragged and nested, with references as paths.

HDMF Common 1.x, ``table``: ``colnames`` orders the columns; ``x_index`` holds where the cells of the ragged column
``x`` end, ``x_index_index`` where rows of those end. Every end is checked against what it points into: an index that
goes beyond its data, decreases, or wrapped around in a narrow type is refused, never clipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError

if TYPE_CHECKING:
    from .tree import ArrayNode, GroupNode

__all__ = ["Cells", "absent_columns", "cells", "column_names", "ends", "row_count"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """A column: all values one after another, and where the cells of the rows end."""

    name: str
    source: ArrayNode
    levels: tuple[Array, ...]
    """Ends per level, outermost first, int64; empty for a column with one value per row."""

    @property
    def description(self) -> str:
        """What the source says of it."""
        text = str(self.source.attrs.get("description", ""))
        return text if text and text.lower() != "no description" else f"{self.name}, as the source gives it"

    @property
    def starts(self) -> Array:
        """Where the cells of the outermost level start among the next level, int64 of shape (row,)."""
        return np.concatenate([[0], self.levels[0][:-1]]).astype(np.int64) if len(self.levels[0]) else self.levels[0]

    def even(self) -> int | None:
        """Return how many values every row has, where all rows of a ragged column have as many."""
        if len(self.levels) != 1 or not len(self.levels[0]):
            return None
        lengths = np.diff(self.levels[0], prepend=0)
        return int(lengths[0]) if (lengths == lengths[0]).all() else None


def column_names(table: GroupNode) -> list[str]:
    """Return the columns that a table has, in its own order, then those that it does not list, by name."""
    listed = _listed(table)
    there = [name for name in table.names() if table.array(name) is not None and name != "id"]
    extra = [name for name in there if name not in listed and not _is_index(name, there)]
    return [name for name in dict.fromkeys(listed) if name in there] + extra


def absent_columns(table: GroupNode) -> list[str]:
    """Return the columns that a table lists and does not have."""
    there = {*table.names(), "id"}
    return [name for name in dict.fromkeys(_listed(table)) if name not in there]


def _listed(table: GroupNode) -> list[str]:
    named = table.attrs.get("colnames", [])
    return [named] if isinstance(named, str) else [str(name) for name in named]


def _is_index(name: str, names: list[str]) -> bool:
    return name.endswith("_index") and name.removesuffix("_index") in names


def row_count(table: GroupNode) -> int:
    """Return the number of rows: that of ``id``, else of the first column."""
    identity = table.array("id")
    if identity is not None and identity.shape:
        return identity.shape[0]
    for name in column_names(table):
        index = table.array(f"{name}_index")
        found = index if index is not None else table.array(name)
        if found is not None and found.shape:
            return found.shape[0]
    return 0


def cells(table: GroupNode, name: str, n_rows: int) -> Cells:
    """Return a column with its ends checked.

    Raises
    ------
    FormatError
        When ends do not fit what they point into, or a column has another number of rows than its table.
    """
    source = table.array(name)
    if source is None:
        raise FormatError("a column is not there", subject=table.subject, place=f"{table.path}/{name}")
    indices: list[ArrayNode] = []
    at = name
    while (index := table.array(f"{at}_index")) is not None:
        at = f"{at}_index"
        indices.append(index)
    length, levels = (source.shape[0] if source.shape else 1), []
    for index in indices:
        levels.append(ends(index, length))
        length = len(levels[-1])
    if length != n_rows:
        raise FormatError(
            "columns of a table differ in length", subject=table.subject, place=f"{table.path}/{at}",
            expected=f"{n_rows} rows", found=f"{length} rows",
        )  # fmt: skip
    return Cells(name, source, tuple(reversed(levels)))


def ends(index: ArrayNode, length: int) -> Array:
    """Return the ends of a ragged column as int64; raise unless they rise to the length of what they point into."""
    if index.kind != "number" or index.dtype.kind not in "iu" or len(index.shape) != 1:
        raise FormatError(
            "the index of a ragged column is not whole numbers", subject=index.subject, place=index.path,
            expected="integers of shape (row,)", found=f"{index.dtype} {index.shape}",
        )  # fmt: skip
    given = index.read()
    if given.dtype == np.uint64 and given.size and given.max() > np.iinfo(np.int64).max:
        raise _unfit("index beyond data", index, length, f"{given.max()} in row {int(given.argmax())}")
    found = given.astype(np.int64)
    steps = np.diff(found, prepend=0)
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0])
        bits = given.dtype.itemsize * 8
        wraps = int((steps < 0).sum())
        if bits < 64 and int(found[-1]) + wraps * (1 << bits) == length:
            raise FormatError(
                "the index of a ragged column overflowed its type", subject=index.subject,
                place=f"{index.path}, row {row}",
                expected=f"ends up to {length}", found=f"{given.dtype} ends that wrap around {wraps} times",
                hint="write the index anew in a wider type, for example uint32",
            )  # fmt: skip
        raise _unfit("the index decreases", index, length, f"{found[row]} after {found[row - 1] if row else 0}", row)
    if found.size and found[-1] > length:
        row = int(np.flatnonzero(found > length)[0])
        raise _unfit("index beyond data", index, length, f"{found[row]}", row)
    if (found[-1] if found.size else 0) != length:
        raise _unfit("data beyond the index", index, length, f"ends up to {found[-1] if found.size else 0}")
    return found


def _unfit(message: str, index: ArrayNode, length: int, found: str, row: int | None = None) -> FormatError:
    return FormatError(
        message, subject=index.subject, place=index.path if row is None else f"{index.path}, row {row}",
        expected=f"rising ends up to {length}, the length of {index.name.removesuffix('_index')}", found=found,
        hint="a truncated or damaged file: fetch it again; --option spikes=skip reads the rest where these are units",
    )  # fmt: skip


def nested(column: Cells) -> Iterator[slice]:
    """Yield where the values of each row lie, through all levels."""
    low, high = column.starts, column.levels[0]
    for level in column.levels[1:]:
        edges = np.concatenate([[0], level])
        low, high = edges[low], edges[high]
    for start, stop in zip(low.tolist(), high.tolist(), strict=True):
        yield slice(start, stop)
