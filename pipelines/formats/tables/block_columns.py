"""Columns that arrive block by block: exact ids, numbers in the narrowest type that holds them, words as codes.

What a column becomes depends on its cells only, not on where blocks end: whole numbers while every cell is the plain
decimal of an int64, then float64 (but no whole number that float64 would change), then truth values, then words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column

from .listed_columns import MOST_LABELS, coded_category, listed_column

if TYPE_CHECKING:
    import xarray as xr

    from .table_blocks import TableBlocks

__all__ = ["Ids", "Restart", "ValueColumn", "Words"]

Array = np.ndarray[Any, Any]

STAGES = ("int64", "float64", "bool", "text")
_PLAIN = r"^(0|-?[1-9][0-9]{0,18})$"
_NOT_FLOAT = r"^[+-]?(0[0-9].*|[0-9]{16,})$|_|[xX]"
"""Codes with leading zeros, whole numbers beyond 2**53, and what only some parsers take for a number."""
_PRINTED_FLOAT = r"^[+-]?[0-9]+(\.0*|(\.[0-9]*)?[eE][+-]?[0-9]+)$"
"""A whole number as programs print it that hold it in a float."""
_TRUTH = r"^([Tt]rue|[Ff]alse|TRUE|FALSE)$"


class Restart(Exception):  # noqa: N818 - not an error: a column is wider than its first blocks made believe
    """The table has to be read again, now that a column is known to be wider."""


@dataclass
class Words:
    """Distinct texts in the order in which they came, as codes."""

    code: dict[str, int] = field(default_factory=dict)

    def encode(self, texts: Any) -> Array:
        """Return the codes of a block of texts, int32."""
        encoded = texts.dictionary_encode()
        own = np.array(
            [self.code.setdefault(str(word), len(self.code)) for word in encoded.dictionary.to_pylist()] or [0],
            dtype=np.int32,
        )
        return own[encoded.indices.to_numpy(zero_copy_only=False)] if len(texts) else np.empty(0, dtype=np.int32)

    @property
    def words(self) -> Array:
        """All texts by code, dtype object."""
        return np.array(list(self.code), dtype=object)


class Ids:
    """One column of ids: int64 or words, never floats.

    Parameters
    ----------
    table : TableBlocks
        For errors.
    name : str
        Of the column.
    whole : bool
        Whether ids are whole numbers.
    words : Words
        Shared by all columns of ids of one graph.
    floats : bool
        Whether words may look like numbers that were held in floats (``7.2e+17``, ``12.0``).
    """

    def __init__(self, table: TableBlocks, name: str, *, whole: bool, words: Words, floats: bool = True) -> None:
        self.table, self.name, self.whole, self.words, self.floats = table, name, whole, words, floats
        self.parts: list[Array] = []
        self.n_rows = 0

    def add(self, cells: Any) -> None:
        """Take a block; raise :class:`~connectome.errors.FormatError` for an id that is missing or not of its kind."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if pa.types.is_large_string(cells.type):
            cells = cells.cast(pa.string())
        if pa.types.is_integer(cells.type):
            self._require(pc.is_valid(cells), cells, "an id is missing")
            if pa.types.is_uint64(cells.type):
                fits = pc.less_equal(cells, pa.scalar(2**63 - 1, pa.uint64()))
                self._require(fits, cells, "an id does not fit 64 bits with a sign")
            values = cells.cast(pa.int64())
            self.parts.append(values.to_numpy() if self.whole else self.words.encode(values.cast(pa.string())))
        elif pa.types.is_string(cells.type):
            texts = pc.fill_null(pc.utf8_trim_whitespace(cells), "")
            self._require(pc.not_equal(texts, ""), cells, "an id is missing")
            if not self.floats:
                printed = pc.match_substring_regex(texts, _PRINTED_FLOAT)
                self._require(pc.invert(printed), cells, "an id was held in a float, which changes long ids")
            self.parts.append(self._whole(texts) if self.whole else self.words.encode(texts))
        else:
            raise FormatError(
                "ids are stored as another type",
                subject=str(self.table.path),
                place=f"column {self.name}",
                expected="whole numbers or text: floats do not hold 64-bit ids",
                found=str(cells.type),
            )
        self.n_rows += len(cells)

    def values(self) -> Array:
        """Return all ids: int64, or codes of the words."""
        # One copy: the blocks are let go.
        self.parts = [np.concatenate(self.parts) if self.parts else np.empty(0, dtype=np.int64)]
        return self.parts[0]

    def _whole(self, texts: Any) -> Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._require(pc.match_substring_regex(texts, _PLAIN), texts, "an id is not a whole number of 64 bits")
        try:
            return np.asarray(texts.cast(pa.int64()).to_numpy())
        except pa.ArrowInvalid:
            fits = pa.array([-(2**63) <= int(text) < 2**63 for text in texts.to_pylist()])
            self._require(fits, texts, "an id is not a whole number of 64 bits")
            raise

    def _require(self, good: Any, cells: Any, message: str) -> None:
        bad = np.flatnonzero(~np.asarray(good.to_numpy(zero_copy_only=False), dtype=bool))
        if len(bad):
            raise FormatError(
                message,
                subject=str(self.table.path),
                place=self.table.place(self.n_rows + int(bad[0]), self.name),
                expected="a whole number such as 648518346349539437" if self.whole else "an id",
                found=repr(cells[int(bad[0])].as_py())[:80],
                hint="ids that are words: --option ids=text" if self.whole or not self.floats else None,
            )


class ValueColumn:
    """One column of values.

    Parameters
    ----------
    table : TableBlocks
        For errors.
    name : str
        Of the column.
    stage : int
        Place in ``STAGES`` from which to start.
    numbers : bool
        Whether every cell must be a finite number.
    """

    def __init__(self, table: TableBlocks, name: str, *, stage: int = 0, numbers: bool = False) -> None:
        self.table, self.name, self.stage, self.numbers = table, name, stage, numbers
        self.parts: list[Array] = []
        self.missing: list[Array] = []
        self.words = Words()
        self.filled = False
        self.n_rows = 0

    def add(self, cells: Any) -> None:
        """Take a block.

        Raises
        ------
        Restart
            When the column is wider than the blocks before, which cannot be widened any more.
        FormatError
            When a cell must be a number and is none, or the column's type is none of a table's.
        """
        texts = self._typed(cells)
        if texts is not None:
            self._widen(texts)
        if self.numbers:
            self._require_finite(cells)
        self.n_rows += len(cells)

    def values(self) -> tuple[Array, Array | None]:
        """Return the values (int64, float64, bool, or codes of ``words``) and which are missing."""
        if not self.parts:
            return np.empty(0, dtype=np.float64), None
        kind = {"int64": np.int64, "float64": np.float64, "bool": np.bool_, "text": np.int32}[STAGES[self.stage]]
        self.parts = [np.concatenate(self.parts).astype(kind, copy=False)]
        self.missing = [np.concatenate(self.missing)]
        return self.parts[0], self.missing[0] if self.missing[0].any() else None

    @property
    def textual(self) -> bool:
        """Whether the values are codes of words; a column without any value is."""
        return STAGES[self.stage] == "text" or not self.filled

    def variable(self, dim: str, *, units: str, order: Array | None = None) -> xr.Variable:
        """Return the documented column.

        Parameters
        ----------
        dim : str
            ``"node"`` or ``"edge"``.
        units : str
            Unit of numbers.
        order : numpy.ndarray, optional
            Rows to take; -1 where there is none.
        """
        values, missing = self.values()
        empty = np.zeros(len(values), dtype=bool) if missing is None else missing
        if order is not None:
            empty = np.where(order < 0, True, empty[order])
            values = values[order]
        about = f"{self.name}, as the file lists it"
        if self.textual:
            words = self.words.words if self.words.code else np.array([""], dtype=object)
            return _worded(dim, values, empty, words, about)
        if values.dtype.kind == "f":
            return column(dim, np.where(empty, np.nan, values), about, units)
        return listed_column(dim, self.name, values, missing=empty, units=units)

    def _typed(self, cells: Any) -> Any:
        """Take a column that has a type of its own; return texts for those that are text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = cells.type
        if pa.types.is_dictionary(kind):
            cells, kind = cells.cast(kind.value_type), kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pc.utf8_trim_whitespace(pc.fill_null(cells.cast(pa.string()), ""))
        missing = np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False), dtype=bool)
        if pa.types.is_floating(kind):
            self.stage = 1
            values = pc.fill_null(cells.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
            self._keep(values, np.zeros(len(values), dtype=bool))
        elif pa.types.is_boolean(kind):
            self.stage = 2
            self._keep(pc.fill_null(cells, False).to_numpy(zero_copy_only=False), missing)
        elif pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
            self._keep(pc.fill_null(cells.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), missing)
        else:
            # Dates, decimals, unsigned 64-bit numbers, lists: as text, which loses nothing.
            self.stage = 3
            texts = pa.array(["" if item is None else str(item) for item in cells.to_pylist()], pa.string())
            self._keep(self.words.encode(texts), missing)
        return None

    def _keep(self, values: Array, missing: Array) -> None:
        self.filled = True
        self.parts.append(np.asarray(values))
        self.missing.append(missing)

    def _widen(self, texts: Any) -> None:
        import pyarrow.compute as pc

        missing = np.asarray(pc.equal(texts, "").to_numpy(zero_copy_only=False), dtype=bool)
        start = self.stage
        if not missing.all():
            while not self._fits(texts, missing):
                self.stage += 1
            if self.stage != start and self.filled:
                self._rewrite(start)
            self.filled = True
        self.parts.append(np.zeros(len(missing), dtype=np.int64) if missing.all() else self._parse(texts, missing))
        self.missing.append(missing)

    def _fits(self, texts: Any, missing: Array) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        stage = STAGES[self.stage]
        if stage == "text":
            return True
        filled = texts.filter(pa.array(~missing))
        if stage == "bool":
            return bool(pc.all(pc.match_substring_regex(filled, _TRUTH)).as_py())
        if stage == "float64" and pc.any(pc.match_substring_regex(filled, _NOT_FLOAT)).as_py():
            return False
        if stage == "int64" and not pc.all(pc.match_substring_regex(filled, _PLAIN)).as_py():
            return False
        try:
            filled.cast(pa.int64() if stage == "int64" else pa.float64())
        except pa.ArrowInvalid:
            return False
        return True

    def _rewrite(self, start: int) -> None:
        """Bring the blocks before into the wider type, where their texts can be told from their values."""
        known = np.concatenate([part[~gone] for part, gone in zip(self.parts, self.missing, strict=True)])
        if STAGES[start] != "int64" or (STAGES[self.stage] == "float64" and (np.abs(known) >= 10**15).any()):
            # Written digits of floats are lost; long whole numbers must not become floats.
            self.stage = len(STAGES) - 1 if STAGES[start] == "int64" else self.stage
            raise Restart
        if STAGES[self.stage] == "float64":
            self.parts = [
                np.where(gone, np.nan, part.astype(np.float64))
                for part, gone in zip(self.parts, self.missing, strict=True)
            ]
            return
        raise Restart

    def _parse(self, texts: Any, missing: Array) -> Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        stage = STAGES[self.stage]
        if stage == "text":
            return self.words.encode(texts)
        if stage == "bool":
            return np.asarray(pc.equal(pc.utf8_lower(texts), "true").to_numpy(zero_copy_only=False), dtype=bool)
        filler = pa.scalar("0" if stage == "int64" else "nan")
        told = pc.if_else(pa.array(missing), filler, texts)
        return np.asarray(told.cast(pa.int64() if stage == "int64" else pa.float64()).to_numpy())

    def _require_finite(self, cells: Any) -> None:
        wide = STAGES[self.stage] not in {"int64", "float64"}
        values, missing = self.parts[-1], self.missing[-1]
        bad = missing | (~np.isfinite(values) if not wide else True)
        if wide:
            # Which cell was none: the first that alone is no number.
            bad = np.array([not _is_number(item) for item in cells.to_pylist()])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise FormatError(
                "not a finite number",
                subject=str(self.table.path),
                place=self.table.place(self.n_rows + row, self.name),
                expected="a finite number",
                found=repr(cells[row].as_py())[:80],
            )


def _is_number(item: Any) -> bool:
    try:
        return bool(np.isfinite(float(item)))
    except (TypeError, ValueError):
        return False


def _worded(dim: str, codes: Array, empty: Array, words: Array, about: str) -> xr.Variable:
    """Return words as a category of edges where few of them differ, else as text."""
    labels = sorted(set(words.tolist()) - {""})
    if dim == "edge" and labels and len(labels) <= MOST_LABELS:
        place = {word: at for at, word in enumerate(labels)}
        own = np.array([place.get(word, -1) for word in words.tolist()], dtype=np.int32)
        return coded_category(dim, np.where(empty, -1, own[codes]), labels, about)
    return column(dim, np.where(empty, "", words[codes]).astype(object), about)
