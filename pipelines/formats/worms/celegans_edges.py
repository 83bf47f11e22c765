"""Edge lists and matrices of cells as rows of a plain list: who, whom, of what type, how much, and where it is written.

Nothing is normalised here. Names are as in the source without blanks around them; a matrix cell that is empty or zero
is no edge; what is neither name nor number is an error that names the cell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connectome.errors import FormatError
from connectome.schema import warning

from ...homogenise.edge_list import EdgeList, EdgeRow, Note
from ..tables.spreadsheet import Cell, Sheet, column_letters, number

__all__ = ["edges_of_list", "edges_of_matrix"]


TOTALS = frozenset({"total", "totals", "sum", "sums"})


def edges_of_list(
    sheet: Sheet,
    *,
    source: str,
    target: str,
    weight: str,
    types: Mapping[str, str],
    type_column: str | None = None,
    extra: Mapping[str, str] | None = None,
    target_first: Collection[str] = (),
    keep_zero: bool = False,
) -> EdgeList:
    """Read a table with one row per edge and a header.

    Parameters
    ----------
    sheet : Sheet
        Its first row names the columns; case and blanks around a name do not matter.
    source, target, weight : str
        Names of the columns.
    types : mapping of str to str
        Word of the source to edge type. Without ``type_column``, the one entry is the type of all rows.
    type_column : str, optional
        Name of the column that holds the words.
    extra : mapping of str to str, optional
        Further columns to keep: name of the column in the file to name of the edge column; kept as text.
    target_first : collection of str
        Words whose rows name the target in the column of the source.
    keep_zero : bool
        Whether rows of weight zero are edges of a verbatim listing; otherwise they are left out with a note.

    Raises
    ------
    FormatError
        When a column is missing, a name is empty, a weight is not a number of at least zero, or a word is unknown.
    """
    header = (
        {str(cell).strip().casefold(): at for at, cell in enumerate(sheet.rows[0]) if cell is not None}
        if sheet.rows
        else {}
    )
    at = {name: _column(sheet, header, name) for name in (source, target, weight)}
    type_at = None if type_column is None else _column(sheet, header, type_column)
    extra_at = {name: _column(sheet, header, column) for column, name in (extra or {}).items()}
    rows: list[EdgeRow] = []
    notes: list[Note] = []
    for number_of_row, cells in enumerate(sheet.rows[1:], start=1):
        if all(cell is None for cell in cells):
            continue
        place = sheet.place(number_of_row)
        cells = (*cells, *(None,) * (len(sheet.rows[0]) - len(cells)))
        if len(cells) > len(sheet.rows[0]) and any(cell is not None for cell in cells[len(sheet.rows[0]) :]):
            raise FormatError(
                "a row has more cells than the header",
                subject=sheet.path.name,
                place=place,
                expected=f"{len(sheet.rows[0])} cells",
                found=f"{len(cells)}",
            )
        ends = [cells[at[source]], cells[at[target]]]
        if any(isinstance(end, str) and end.casefold() in TOTALS for end in ends):
            notes.append(warning("totals-row", place, f"a row of totals is no edge: {cells}"))
            continue
        for end, name in zip(ends, (source, target), strict=True):
            if not isinstance(end, str):
                raise FormatError(
                    "a row names no cell", subject=sheet.path.name, place=f"{place}, column {name}", expected="a name",
                    found=repr(end),
                )  # fmt: skip
        value = _weight(cells[at[weight]], sheet.path.name, f"{place}, column {weight}")
        word = "" if type_at is None else str(cells[type_at] or "")
        if type_at is not None and word not in types:
            raise FormatError(
                "unknown type of edge",
                subject=sheet.path.name,
                place=f"{place}, column {type_column}",
                expected=", ".join(types),
                found=repr(word),
            )
        kind = next(iter(types.values())) if type_at is None else types[word]
        if value == 0:
            notes.append(warning("zero-weight", place, (f"{ends[0]} to {ends[1]} ({kind}) is listed with weight 0"
                + ("" if keep_zero else " and is no edge"))))  # fmt: skip
            if not keep_zero:
                continue
        kept = {name: str(cells[where] or "") for name, where in extra_at.items()}
        start, stop = (str(end) for end in (reversed(ends) if word in target_first else ends))
        rows.append(EdgeRow(start, stop, kind, value, place, kept))
    if not rows:
        raise FormatError(
            "the table lists no edge", subject=sheet.path.name, expected="rows below the header", found="none"
        )
    return EdgeList(
        tuple(rows), tuple(dict.fromkeys(end for row in rows for end in (row.source, row.target))), tuple(notes)
    )


def edges_of_matrix(sheet: Sheet, *, edge_type: str, header_row: int = 1, label_column: int = 1) -> EdgeList:
    """Read a matrix: rows are sources, columns are targets.

    Parameters
    ----------
    sheet : Sheet
        A row of names above the body and a column of names left of it; what lies above or left of those is ignored.
    edge_type : str
        Type of all edges.
    header_row, label_column : int
        1-based position of the names.

    Raises
    ------
    FormatError
        When names are missing or repeated, or a cell of the body is neither empty nor a number of at least zero.
    """
    top, left = header_row - 1, label_column - 1
    if len(sheet.rows) <= header_row or top < 0 or left < 0:
        raise FormatError(
            "the matrix has no body", subject=sheet.path.name, place=sheet.place(max(top, 0)),
            expected=f"names in row {header_row} and rows below it", found=f"{len(sheet.rows)} rows",
        )  # fmt: skip
    columns = _names(sheet, [(top, at) for at in range(left + 1, len(sheet.rows[top]))])
    lines = _names(sheet, [(at, left) for at in range(top + 1, len(sheet.rows))])
    if not columns or not lines:
        raise FormatError(
            "the matrix has no names", subject=sheet.path.name, place=sheet.place(top, left),
            expected=f"names in row {header_row} and column {column_letters(left)}",
            found=f"{len(columns)} columns and {len(lines)} rows with names",
        )  # fmt: skip
    columns_at = {at: name for (_, at), name in columns.items()}
    lines_at = {at: name for (at, _), name in lines.items()}
    rows: list[EdgeRow] = []
    notes: list[Note] = []
    totals: list[str] = []
    for line in range(top + 1, len(sheet.rows)):
        for at, cell in enumerate(sheet.rows[line]):
            if at <= left or cell is None:
                continue
            if line not in lines_at or at not in columns_at:
                _look_outside(sheet, (line, at), lines_at.get(line) or columns_at.get(at), notes, totals)
                continue
            value = _weight(cell, sheet.path.name, sheet.place(line, at))
            if value != 0:
                rows.append(EdgeRow(lines_at[line], columns_at[at], edge_type, value, sheet.place(line, at)))
    if totals:
        message = f"{len(totals)} numbers stand beside the named rows and columns, taken for totals: no edges"
        notes.append(warning("totals", f"{totals[0]} to {totals[-1]}", message))
    return EdgeList(tuple(rows), tuple(dict.fromkeys([*lines_at.values(), *columns_at.values()])), tuple(notes))


def _column(sheet: Sheet, header: Mapping[str, int], name: str) -> int:
    if name.strip().casefold() not in header:
        raise FormatError(
            "a column is missing",
            subject=sheet.path.name,
            place=sheet.place(0),
            expected=name,
            found=", ".join(header) or "no header",
            hint="name the columns with the options source, target, weight and type_column",
        )
    return header[name.strip().casefold()]


def _weight(cell: Cell, subject: str, place: str) -> int | float:
    value = number(cell)
    if value is None or value < 0:
        raise FormatError(
            "a weight is not a number", subject=subject, place=place, expected="a number of 0 or more", found=repr(cell)
        )
    return value


def _names(sheet: Sheet, places: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    seen: dict[str, tuple[int, int]] = {}
    for line, at in places:
        cell = sheet.rows[line][at] if at < len(sheet.rows[line]) else None
        if cell is None or (isinstance(cell, str) and cell.casefold() in TOTALS):
            continue
        if not isinstance(cell, str):
            raise FormatError(
                "a name is not text",
                subject=sheet.path.name,
                place=sheet.place(line, at),
                expected="the name of a cell",
                found=repr(cell),
            )
        if cell in seen:
            raise FormatError(
                "a name stands twice", subject=sheet.path.name, place=sheet.place(line, at), expected="each cell once",
                found=f"{cell} also in {sheet.place(*seen[cell])}",
            )  # fmt: skip
        found[line, at] = cell
        seen[cell] = (line, at)
    return found


def _look_outside(sheet: Sheet, where: tuple[int, int], name: str | None, notes: list[Note], totals: list[str]) -> None:
    """Judge what stands beside or below the body: a repeated name is nothing new, anything else is worth a note."""
    cell, place = sheet.rows[where[0]][where[1]], sheet.place(*where)
    if number(cell) is not None:
        totals.append(place)
    elif cell != name and not (isinstance(cell, str) and cell.casefold() in TOTALS):
        notes.append(warning("outside-matrix", place, f"{cell!r} stands beside {name!r}: no edge"))
