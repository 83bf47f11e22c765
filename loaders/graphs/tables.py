"""A group of a record as tables of columns, whole or by rows, memory-mapped where they are large."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from connectome.errors import NotFoundError

from ..reading.chunks import ArrayReader, RecordReader, Shelf
from .mapped_cache import MappedCache

if TYPE_CHECKING:
    from ..reading.specs import RecordFile

__all__ = ["ENDS", "StoredTables"]

Array = np.ndarray[Any, Any]
Value = TypeVar("Value")
ENDS = ("source", "target", "in_ptr", "in_edge", "out_ptr", "out_edge")
"""Arrays of a graph that say which edges there are; its tables hold the rest."""


class StoredTables:
    """The node and edge tables of a graph in a record's file.

    Parameters
    ----------
    file : RecordFile
        Where the record lies.
    group : str
        Path of the graph in it.
    content : str
        Content digest of the record.
    cache : str
        Folder of arrays made from it.
    verify : bool
        Whether mapped arrays are checked against their CRC-32.
    """

    def __init__(self, file: RecordFile, *, group: str, content: str, cache: str, verify: bool = False) -> None:
        self.file, self.group, self.verify = file, group, verify
        self.cache = MappedCache(cache, content)
        self._shelf = Shelf([file])
        self._pid = os.getpid()
        self._kept: dict[Any, Any] = {}
        self.attrs: Mapping[str, Any] = self.reader.attributes(group)
        self.columns = self.reader.columns(group)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {"group": self.group, "content": self.cache.key, "cache": self.cache.folder, "verify": self.verify}
        return (_reopen, (type(self), self.file, options))

    @property
    def record(self) -> str:
        """Name of the record."""
        return self.file.record

    @property
    def reader(self) -> RecordReader:
        """Reader of the file, that of this process."""
        return self._shelf.reader(0)

    def once(self, key: Any, make: Callable[[], Value]) -> Value:
        """Return what was made before in this process, or make it."""
        if self._pid != os.getpid():
            self._pid, self._kept = os.getpid(), {}
        if key not in self._kept:
            self._kept[key] = make()
        value: Value = self._kept[key]
        return value

    @cached_property
    def node_columns(self) -> tuple[str, ...]:
        """Names of the columns of the node table."""
        return tuple(name for name, dims in self.columns.items() if dims[:1] == ("node",))

    @cached_property
    def edge_columns(self) -> tuple[str, ...]:
        """Names of the columns of the edge table."""
        return tuple(name for name, dims in self.columns.items() if dims[:1] == ("edge",) and name not in ENDS)

    def about(self, name: str) -> Mapping[str, Any]:
        """Return the attributes of a column: ``units``, ``long_name``, ``flag_labels``, ..."""
        return self.reader.attributes(self._path(name))

    def _path(self, name: str) -> str:
        if name not in self.columns:
            raise NotFoundError(
                "the graph has no such column",
                subject=self.record,
                place=name,
                expected=", ".join((*self.node_columns, *self.edge_columns)),
            )
        return f"{self.group}/{name}"

    def array(self, name: str) -> Array:
        """Return a whole array of the group, memory-mapped where it is large.

        Parameters
        ----------
        name : str
            Of a column, or of ``source``, ``target``, ``in_ptr``, ...

        Returns
        -------
        numpy.ndarray
            Read-only. Mapped from the record's file where it lies there uncompressed; from the cache where it is
            compressed or remote, and large; in memory where it is small or text.
        """
        return self.once(("array", name), lambda: self._array(name))

    def _array(self, name: str) -> Array:
        reader: ArrayReader = self.reader.array(self._path(name))
        found = reader.whole(check=self.verify)
        if found is not None:
            return found
        if reader.dtype.kind not in "biufc":
            return reader.read()
        key = f"{self.group}/{name}"

        def decode(made: dict[str, Array]) -> None:
            step = reader.chunks[0]
            for low in range(0, reader.shape[0], step):
                high = min(low + step, reader.shape[0])
                reader.read_into(made[key][low:high], [low, *(0 for _ in reader.shape[1:])])

        return self.cache.arrays({key: (reader.shape, reader.dtype)}, decode)[key]

    def node_column(self, name: str, rows: Array | Sequence[int] | None = None) -> Array:
        """Return a column of the node table, of some nodes or of all, as it is stored (categories as codes).

        Raises
        ------
        NotFoundError
            When there is no such column.
        """
        return self.column("node", name, rows)

    def edge_column(self, name: str, rows: Array | Sequence[int] | None = None) -> Array:
        """Return a column of the edge table, of some edges or of all; raise as :meth:`node_column` does."""
        return self.column("edge", name, rows)

    def check_column(self, dim: str, name: str) -> None:
        """Raise :class:`~connectome.errors.NotFoundError` unless the table of a dimension has a column."""
        if self.columns.get(name, ())[:1] != (dim,):
            columns = self.node_columns if dim == "node" else self.edge_columns
            raise NotFoundError(
                f"the graph has no such column of {dim}s",
                subject=self.record,
                place=name,
                expected=", ".join(columns),
            )

    def column(self, dim: str, name: str, rows: Array | Sequence[int] | None) -> Array:
        """Return a column of the table of a dimension, ``node`` or ``edge``; see :meth:`node_column`."""
        self.check_column(dim, name)
        if rows is None:
            return self.array(name)
        index = np.asarray(rows, dtype=np.int64)
        if ("array", name) in self._kept and self._pid == os.getpid():
            values: Array = self.array(name)[index]
            return values
        whole = self.reader.array(self._path(name)).whole(check=self.verify)
        return self.reader.array(self._path(name)).take(index) if whole is None else whole[index]


def _reopen(cls: type[StoredTables], file: RecordFile, options: dict[str, Any]) -> StoredTables:
    return cls(file, **options)
