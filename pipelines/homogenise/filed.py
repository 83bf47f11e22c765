"""Arrays that are longer than memory should be wide: filled row by row in a file without a name, read back lazily."""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

__all__ = ["IN_MEMORY_BYTES", "FiledArray"]

Array: TypeAlias = np.ndarray[Any, Any]
IN_MEMORY_BYTES = 64 << 20
"""Arrays up to this size stay in memory."""


class FiledArray(BackendArray):  # type: ignore[no-untyped-call,misc]
    """An array in memory or, where it is large, in a file that has no name and goes when it is no longer used.

    Parameters
    ----------
    dtype : numpy.dtype
        Of its numbers.
    shape : tuple of int
        Rows come first.
    """

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, shape
        self._row_bytes = math.prod(shape[1:]) * dtype.itemsize
        self.values: Array | None = None
        if shape[0] * self._row_bytes <= IN_MEMORY_BYTES:
            self.values = np.zeros(shape, dtype=dtype)
            return
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the array
        weakref.finalize(self, self._file.close)
        self._file.truncate(shape[0] * self._row_bytes)

    def __deepcopy__(self, memo: dict[int, Any]) -> FiledArray:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.read(0, self.shape[0]),)

    def variable(self, dims: str | Sequence[str], attrs: Mapping[str, Any]) -> xr.Variable:
        """Return it as a variable, lazy where it lies in a file."""
        data: Any = self.values if self.values is not None else indexing.LazilyIndexedArray(self)
        return xr.Variable(dims, data, attrs=dict(attrs))

    def write(self, start: int, values: Array) -> None:
        """Write rows from ``start`` on."""
        if self.values is not None:
            self.values[start : start + len(values)] = values
            return
        if not values.size:
            return
        data = np.ascontiguousarray(values, dtype=self.dtype).reshape(-1).data.cast("B")
        offset = start * self._row_bytes
        while data:
            written = os.pwrite(self._file.fileno(), data, offset)
            data, offset = data[written:], offset + written

    def read(self, start: int, stop: int) -> Array:
        """Return rows; a view where the array is in memory."""
        if self.values is not None:
            return self.values[start:stop]
        found = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        if not found.size:
            return found
        buffer, offset = found.reshape(-1).data.cast("B"), start * self._row_bytes
        while buffer:
            n_read = os.preadv(self._file.fileno(), [buffer], offset)
            if not n_read:
                raise OSError("an array in a file has become shorter")
            buffer, offset = buffer[n_read:], offset + n_read
        return found

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._take)

    def _take(self, key: tuple[Any, ...]) -> Any:
        rows, *others = key
        if not isinstance(rows, slice):
            return self.read(rows, rows + 1)[(0, *others)]
        start, stop, step = rows.indices(self.shape[0])
        if step < 0:
            return self.read(0, self.shape[0])[key]
        return self.read(start, max(start, stop))[(slice(None, None, step), *others)]


def _loaded(values: Array) -> FiledArray:
    array = FiledArray(values.dtype, values.shape)
    array.write(0, values)
    return array
