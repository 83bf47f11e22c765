"""Tables of what is known of each cell of *C. elegans*, which connectomes are joined with.

The cell list of the Connectome Toolbox (``all_cell_info.csv``, after WormAtlas) and the
positions of Skuhersky et al., BMC Bioinformatics 23:195 (2022), doi:10.1186/s12859-022-04738-3
(``LowResAtlasWithHighResHeadsAndTails.csv``).
"""

from __future__ import annotations

from pathlib import Path

from connectome.errors import FormatError

from ...homogenise.celegans_names import match_label
from ..tables.spreadsheet import number, read_sheet

__all__ = ["read_cell_info", "read_positions"]

UNFILLED = "- To be added... -"
"""What the table says of cells that nobody has described yet, 243 of them."""


def read_cell_info(path: Path) -> dict[str, tuple[str, str, str]]:
    """Read ``all_cell_info.csv``: name of the cell to its type, description and lineage.

    Raises
    ------
    FormatError
        When it is not that table.
    """
    sheet = read_sheet(path)
    rows = sheet.below("Cell name", "Type", "Name details", "Lineage", "Classification")
    found: dict[str, tuple[str, str, str]] = {}
    for at, row in enumerate(rows, start=1):
        name, kind, details, lineage = (str(cell or "") for cell in row[:4])
        if details.strip() == UNFILLED:
            # Such rows repeat the type where the lineage would stand.
            details = lineage = ""
        match = match_label(name)
        name = match.name or name
        if name in found:
            raise FormatError("a cell is listed twice", subject=path.name, place=sheet.place(at), found=name)
        found[name] = (kind, details, lineage)
    return found


def read_positions(path: Path) -> dict[str, tuple[float, float, float]]:
    """Read ``LowResAtlasWithHighResHeadsAndTails.csv``: neuron to x, y, z in micrometres.

    Raises
    ------
    FormatError
        When a line is not a neuron and three numbers.
    """
    sheet = read_sheet(path)
    found: dict[str, tuple[float, float, float]] = {}
    for at, row in enumerate(sheet.rows):
        values = [number(cell) for cell in row[1:]]
        if len(values) != 3 or None in values or match_label(str(row[0])).status != "exact" or row[0] in found:
            raise FormatError(
                "not a neuron and its position", subject=path.name, place=sheet.place(at),
                expected="the name of a neuron, once, and three numbers", found=str(row),
            )  # fmt: skip
        x, y, z = (float(value) for value in values if value is not None)
        found[str(row[0])] = (x, y, z)
    return found
