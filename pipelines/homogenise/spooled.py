"""Columns that are longer than memory is wide: written to an anonymous file as they come, read back when asked for.

A reader of a table of millions appends block after block; what it hands over are lazy variables that the store writes
chunk by chunk. Numbers take the least space that holds them exactly. A float takes four bytes where that is proved to
lose nothing: a decimal of at most six digits comes back from its float32 by rounding to six digits (C11 5.2.4.2.2,
FLT_DIG = 6).
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

__all__ = ["Spool", "six_digits"]

Array: TypeAlias = np.ndarray[Any, Any]
SpoolKind: TypeAlias = Literal["number", "whole", "flag"]
DIGITS = 6
EXPONENTS = 1 << 11
"""Of a float64 (IEEE 754)."""
LARGEST_POWER = 22
"""Ten to at most this power is a float64, so that a quotient by it is rounded once."""
WHOLE_TYPES = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64)
KEPT = 2
"""Of the last reads of columns; what they read stays in memory, because chunks are asked for one after another."""
_recent: deque[weakref.ref[Spool]] = deque()
_lock = threading.Lock()


def six_digits(values: Array) -> Array:
    """Return the float64 nearest to the decimal of six significant digits nearest to each value.

    Parameters
    ----------
    values : numpy.ndarray
        float32 or float64; zeros, NaN and infinities stay.

    Returns
    -------
    numpy.ndarray
        float64; NaN also where the decimal's exponent is out of reach.
    """
    wide = values.astype(np.float64, copy=False)
    exponent = (wide.view(np.int64) >> 52) & 0x7FF
    size = np.abs(wide)
    with np.errstate(invalid="ignore"):
        # One binary exponent holds at most one power of ten.
        scale = _SCALE[exponent + EXPONENTS * (size >= _NEXT_POWER[exponent])]
        rounded: Array = wide * scale
        np.rint(rounded, out=rounded)
        rounded /= scale
    large = np.flatnonzero((size >= 10.0**DIGITS) & np.isfinite(size))
    if len(large):
        # Here the scale would be a fraction, which no float64 holds.
        power = np.floor(np.log10(size[large])) - (DIGITS - 1)
        power[power > LARGEST_POWER] = np.nan
        step = 10.0**power
        rounded[large] = np.rint(wide[large] / step) * step
    return rounded


def _scales() -> tuple[Array, Array]:
    """Return, by a float64's binary exponent, ten to the power that leaves six digits and the next power of ten.

    The powers come twice: for what is below the next power of ten, then for what is not.
    """
    scale, following = np.full(EXPONENTS, np.nan), np.full(EXPONENTS, np.inf)
    scale[0] = scale[-1] = 1
    for exponent in range(1, EXPONENTS - 1):
        power = math.floor((exponent - 1023) * math.log10(2))
        if 0 <= DIGITS - 1 - power <= LARGEST_POWER:
            scale[exponent], following[exponent] = 10.0 ** (DIGITS - 1 - power), 10.0 ** (power + 1)
    return np.append(scale, scale / 10), following


_SCALE, _NEXT_POWER = _scales()


def is_short(values: Array) -> bool:
    """Tell whether every float64 is a decimal of six digits that its float32 gives back."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if not np.isfinite(narrow).all():
        values, narrow = values[np.isfinite(values)], narrow[np.isfinite(values)]
    return np.array_equal(six_digits(narrow), values)


class Spool:
    """One growing column in a file that has no name and goes when it is no longer used.

    Parameters
    ----------
    kind : str
        ``"number"``: floats; ``"whole"``: integers; ``"flag"``: zeros and ones, which become booleans.
    """

    def __init__(self, kind: SpoolKind = "number") -> None:
        self.kind = kind
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the column
        weakref.finalize(self, self._file.close)
        self._parts: list[tuple[np.dtype[Any], int]] = []
        self._low, self._high = 0, 0
        self._kept: Array | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Spool:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _spooled, (self.kind, self.load())

    def __len__(self) -> int:
        return sum(length for _, length in self._parts)

    def append(self, values: Array) -> None:
        """Append numbers of the column's kind, in any type that holds them."""
        if not len(values):
            return
        if self.kind == "number":
            packed = values.astype(np.float32 if values.itemsize <= 4 or is_short(values) else np.float64)
        elif self.kind == "flag":
            packed = values.astype(np.bool_)
        else:
            low, high = int(values.min()), int(values.max())
            self._low, self._high = min(low, self._low), max(high, self._high)
            packed = values.astype(_whole_type(low, high))
        data = np.ascontiguousarray(packed).data.cast("B")
        while data:
            data = data[self._file.write(data) :]
        if self._parts and self._parts[-1][0] == packed.dtype:
            self._parts[-1] = (packed.dtype, self._parts[-1][1] + len(packed))
        else:
            self._parts.append((packed.dtype, len(packed)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds every number exactly, whatever the blocks were."""
        if self.kind == "whole":
            return np.dtype(_whole_type(self._low, self._high))
        types = [np.dtype(np.float32 if self.kind == "number" else np.bool_), *(packed for packed, _ in self._parts)]
        return max(types, key=lambda packed: packed.itemsize)

    def load(self, dtype: Any = None) -> Array:
        """Return the whole column, in a wider type if one is given."""
        column = np.empty(len(self), dtype=self.dtype if dtype is None else dtype)
        offset = start = 0
        for packed, length in self._parts:
            whole = column[start : start + length]
            part = whole if packed == column.dtype else np.empty(length, dtype=packed)
            self._read(part.data.cast("B"), offset)
            if part is not whole:
                # Four bytes of a decimal of six digits, among longer ones.
                whole[:] = six_digits(part) if packed == np.float32 else part
            start, offset = start + length, offset + part.nbytes
        return column

    def kept(self) -> Array:
        """Return the whole column, not to be changed; the last ones that were asked for stay in memory."""
        column = self._kept
        if column is None:
            column = self._kept = self.load()
        with _lock:
            if not _recent or _recent[-1]() is not self:
                _recent.append(weakref.ref(self))
            while len(_recent) > KEPT:
                other = _recent.popleft()()
                if other is not None and all(item() is not other for item in _recent):
                    other.drop()
        return column

    def drop(self) -> None:
        """Let go of what :meth:`kept` holds."""
        self._kept = None

    def _read(self, buffer: memoryview, offset: int) -> None:
        while buffer:
            n_read = os.preadv(self._file.fileno(), [buffer], offset)
            if not n_read:
                raise OSError("a spooled column has become shorter")
            buffer, offset = buffer[n_read:], offset + n_read

    def column(
        self, dims: str | Sequence[str], long_name: str, units: str | None, *, dtype: Any = None, **attrs: Any
    ) -> Callable[[Array], xr.Variable]:
        """Return a function from row numbers to the lazy variable of these rows.

        Parameters
        ----------
        dims : str or sequence of str
            Its one dimension.
        long_name, units, **attrs
            As for :func:`connectome.schema.column`; flags have no unit.
        dtype : numpy.dtype, optional
            Another type that holds the numbers.
        """
        about = {"long_name": long_name, **({} if units is None else {"units": units}), **attrs}
        stored = self.dtype if dtype is None else np.dtype(dtype)

        def rows(order: Array) -> xr.Variable:
            return xr.Variable(dims, indexing.LazilyIndexedArray(_SpooledRows(self, order, stored)), attrs=about)

        return rows


class _SpooledRows(BackendArray):  # type: ignore[no-untyped-call,misc]
    """Rows of a spooled column as xarray's backends see them; the row numbers are shared by all columns of a table."""

    def __init__(self, spool: Spool, order: Array, dtype: np.dtype[Any]) -> None:
        self._spool, self._order = spool, order
        self.shape, self.dtype = order.shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._take)

    def _take(self, key: tuple[Any, ...]) -> Any:
        return self._spool.kept()[self._order[key]].astype(self.dtype, copy=False)


def _spooled(kind: SpoolKind, values: Array) -> Spool:
    spool = Spool(kind)
    spool.append(values)
    return spool


def _whole_type(low: int, high: int) -> type[np.signedinteger[Any] | np.unsignedinteger[Any]]:
    for candidate in WHOLE_TYPES:
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return candidate
    raise OverflowError(f"no integer type holds {low} to {high}")
