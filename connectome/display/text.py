"""Tables, sizes and durations as plain text, aligned in any terminal, log file or pipe."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["clean", "human_bytes", "human_count", "human_duration", "rich_table", "short_digest", "table_text"]

Align = Literal["left", "right"]

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def human_bytes(n_bytes: float) -> str:
    """Write a number of bytes with three figures and an SI unit (1 kB = 1000 B): ``"2.30 MB"``."""
    if n_bytes < 0:
        return f"-{human_bytes(-n_bytes)}"
    value, unit = float(n_bytes), 0
    # 999.5 and more would round to 1000 of its unit.
    while value >= 999.5 and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{_three_figures(value)} {_BYTE_UNITS[unit]}"


def _three_figures(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def human_duration(seconds: float) -> str:
    """Write a duration: ``"4.2 ms"``, ``"13.4 s"``, ``"2 min 05 s"``, ``"3 h 07 min"``, ``"2 d 04 h"``."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0:
        return f"-{human_duration(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{_three_figures(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{_three_figures(seconds * 1e6)} µs"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def human_count(count: int) -> str:
    """Write a count with thin groups of three: ``"119,010"``."""
    return f"{count:,}"


def short_digest(digest: str) -> str:
    """Return the first 12 figures of a digest, enough to tell versions apart by eye."""
    return digest.removeprefix("sha256:")[:12]


def clean(value: Any) -> str:
    """Write a value on one line; control characters, which could steer a terminal, become visible escapes."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"{value:,}" if type(value) is int else str(value)
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return "\N{RETURN SYMBOL}" if character == "\n" else character.encode("unicode_escape", "replace").decode()


def _width(text: str) -> int:
    """Count the cells that text takes: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def table_text(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    align: Sequence[Align] | None = None,
    indent: int = 0,
) -> str:
    """Return a table as aligned text.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : iterable of sequence
        Cells of any type; None is an empty cell.
    align : sequence of {"left", "right"}, optional
        Per column; by default, columns of numbers are set to the right.
    indent : int
        Blanks before every line.

    Returns
    -------
    str
        A heading, a rule, and a line per row, without blanks at line ends and without a final newline.
    """
    raw = [list(row) for row in rows]
    sides = _sides(columns, raw, align)
    cells = [[clean(value) for value in row] for row in [list(columns), *raw]]
    widths = [max(_width(row[at]) for row in cells) for at in range(len(columns))]
    lines = [_line(row, widths, sides) for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(" " * indent + line for line in lines)


def _sides(columns: Sequence[str], rows: list[list[Any]], align: Sequence[Align] | None) -> Sequence[Align]:
    if align is not None:
        return align
    numeric = [
        bool(rows) and all(isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in rows)
        for at in range(len(columns))
    ]
    return ["right" if number else "left" for number in numeric]


def _line(row: list[str], widths: list[int], sides: Sequence[Align]) -> str:
    padded = []
    for text, width, side in zip(row, widths, sides, strict=True):
        gap = " " * (width - _width(text))
        padded.append(gap + text if side == "right" else text + gap)
    return "  ".join(padded).rstrip()


def rich_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, align: Sequence[Align] | None = None, title: str = ""
) -> Table:
    """Return the same table for a rich console; cells are text, never markup."""
    from rich.table import Table
    from rich.text import Text

    raw = [list(row) for row in rows]
    table = Table(title=Text(clean(title)) if title else None)
    for name, side in zip(columns, _sides(columns, raw, align), strict=True):
        table.add_column(Text(clean(name)), justify=side)
    for row in raw:
        table.add_row(*(Text(clean(value)) for value in row))
    return table
