"""What VesselGraph writes beside a vessel graph: in which brain region every node lies.

``*_nodes_Atlas.csv`` repeats the table of nodes, positions cut to whole numbers, and adds the structure's label (its
sign may tell the hemisphere), colour and acronym, both blank where VesselGraph's tools did not find the label; in
``*_atlas_processed.csv`` row ``i`` has a 1 in the column of the region of node ``i`` (the file has no ids);
``*_AtlasGrouped.csv`` describes the groups of structures that share a colour. Layouts from GitHub jocpae/VesselGraph,
commit d9b7e50.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError

from ...homogenise.spooled import Spool
from ..files.pointers import refuse_pointer
from ..tables.delimited import FIRST_LINE, Block, Header, Kind, read_blocks, read_header
from ..tables.listed_columns import node_column_names, typed_cells
from ..tables.text_rows import split_table

if TYPE_CHECKING:
    import xarray as xr

    from ...homogenise.spatial_graph import Column
    from ..tables.text_rows import Note

__all__ = ["read_companion"]

Found = tuple[dict[str, "Column"], dict[str, "xr.Dataset"], "list[Note]"]

NODES_ATLAS: dict[str, Kind] = {
    "id": "whole", "pos_x": "number", "pos_y": "number", "pos_z": "number", "Blob_NumOfVoxels": "whole",
    "Blob_AtlasLabel": "whole", "Region_ColorHex": "text", "Region_Acronym": "text",
}  # fmt: skip
GROUPED = ("ColorGroup", "GroupName", "GroupAcronym", "GroupedAcronyms")
ONE_HOT = "Region_Acronym_"
GROUP = "region_groups"
_TRUTH = {"0": 0, "1": 1, "False": 0, "True": 1, "0.0": 0, "1.0": 1}
"""What versions of pandas write for one of a set."""


def read_companion(path: Path, ids: Spool, position: Sequence[Spool], *, block_bytes: int) -> Found:
    """Read one companion of a table of nodes.

    Parameters
    ----------
    path : pathlib.Path
        Any of the three.
    ids, position : Spool
        Columns of the table of nodes, in its order.
    block_bytes : int
        As for :func:`~connectome.pipelines.formats.tables.delimited.read_blocks`.

    Returns
    -------
    columns : dict of str to xarray.Variable
        Columns of the nodes: ``region`` (a category), ``region_id``, ``region_colour``, ``blob_n_voxels``.
    groups : dict of str to xarray.Dataset
        Groups beside the graph.
    warnings : list of dict

    Raises
    ------
    FormatError
        When the file is none of the three, has other rows than the table of nodes, or a row has not exactly one
        region.
    """
    refuse_pointer(path)
    header = read_header(path)
    if all(name in header.names for name in NODES_ATLAS):
        return _nodes_atlas(path, header, ids, position, block_bytes), {}, []
    if header.names and all(name.startswith(ONE_HOT) for name in header.names):
        return _one_hot(path, header, len(ids), block_bytes), {}, []
    if all(name in header.names for name in GROUPED):
        return {}, {GROUP: _grouped(path, header)}, []
    raise FormatError(
        "not a companion of a vessel graph",
        subject=str(path),
        place=f"{path.name}:1",
        expected=f"the columns {', '.join(NODES_ATLAS)}; or {ONE_HOT}... only; or {', '.join(GROUPED)}",
        found=header.separator.join(header.names)[:300],
    )


def _nodes_atlas(
    path: Path, header: Header, ids: Spool, position: Sequence[Spool], block_bytes: int
) -> dict[str, Column]:
    listed = {"id": ids.load()} | dict(
        zip(("pos_x", "pos_y", "pos_z"), (item.load() for item in position), strict=True)
    )
    columns = {"Blob_NumOfVoxels": Spool("whole"), "Blob_AtlasLabel": Spool("whole")}
    texts = {"Region_ColorHex": _Words(), "Region_Acronym": _Words()}
    n_rows = 0
    for block in read_blocks(path, header, NODES_ATLAS, block_bytes=block_bytes):
        rows = slice(block.first, block.first + block.n_rows)
        n_rows = rows.stop
        _check_length(path, n_rows, len(ids), whole=False)
        for name, expected in listed.items():
            found, known = block.columns[name], expected[rows]
            # VesselGraph's tools write positions without their fraction, or without their sign.
            same = found == known if name == "id" else np.abs(np.trunc(found)) == np.abs(np.trunc(known))
            wrong = ~same
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise FormatError(
                    "the companion belongs to another table of nodes",
                    subject=str(path),
                    place=f"{path.name}:{block.first + at + FIRST_LINE}",
                    expected=f"{name} {known[at]}",
                    found=str(block.columns[name][at]),
                )
        for name, spool in columns.items():
            spool.append(block.columns[name])
        for name, words in texts.items():
            words.append(block.columns[name])
    _check_length(path, n_rows, len(ids), whole=True)
    return {
        "region_id": columns["Blob_AtlasLabel"].column(
            "node", "Label of the atlas at the node", "1", source_column="Blob_AtlasLabel"
        ),
        "blob_n_voxels": columns["Blob_NumOfVoxels"].column(
            "node", "Voxels of the node", "1", source_column="Blob_NumOfVoxels"
        ),
        "region": texts["Region_Acronym"].column("Acronym of the brain region", "Region_Acronym"),
        "region_colour": texts["Region_ColorHex"].column("Colour of the brain region", "Region_ColorHex"),
    }


def _one_hot(path: Path, header: Header, n_nodes: int, block_bytes: int) -> dict[str, Column]:
    words = _Words([name.removeprefix(ONE_HOT) for name in header.names])
    n_rows = 0
    for block in read_blocks(path, header, dict.fromkeys(header.names, "text"), block_bytes=block_bytes):
        n_rows = block.first + block.n_rows
        _check_length(path, n_rows, n_nodes, whole=False)
        number, chosen = np.zeros(block.n_rows, dtype=np.int64), np.zeros(block.n_rows, dtype=np.int64)
        other = np.zeros(block.n_rows, dtype=bool)
        for code, name in enumerate(header.names):
            values = block.columns[name]
            truth = np.array([_TRUTH.get(str(text), 2) for text in values.categories], dtype=np.int64)[values.codes]
            other |= truth == 2
            number += truth == 1
            chosen[truth == 1] = code
        wrong = other | (number != 1)
        if wrong.any():
            _refuse_row(path, header, block, int(np.flatnonzero(wrong)[0]))
        words.append_codes(chosen)
    _check_length(path, n_rows, n_nodes, whole=True)
    return {"region": words.column("Acronym of the brain region", f"{ONE_HOT}*")}


def _refuse_row(path: Path, header: Header, block: Block, at: int) -> None:
    texts = {name: str(block.columns[name][at]) for name in header.names}
    found = {name: text for name, text in texts.items() if _TRUTH.get(text) != 0}
    raise FormatError(
        "a node has not exactly one region",
        subject=str(path),
        place=f"{path.name}:{block.first + at + FIRST_LINE}",
        expected="one 1 among zeros",
        found=", ".join(f"{name}={value}" for name, value in found.items())[:200] or "zeros only",
    )


def _check_length(path: Path, n_rows: int, n_nodes: int, *, whole: bool) -> None:
    if n_rows > n_nodes or (whole and n_rows < n_nodes):
        raise FormatError(
            "the companion has another number of rows than the table of nodes",
            subject=str(path),
            place=f"{path.name}:{min(n_rows, n_nodes) + FIRST_LINE}",
            expected=f"{n_nodes} rows",
            found=f"{n_rows} rows" if whole else "more",
        )


class _Words:
    """A column of few different texts, as it is read: codes in the order of first appearance."""

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self._codes = {label: code for code, label in enumerate(labels)}
        self._column = Spool("whole")

    def append(self, values: Any) -> None:
        """Append a :class:`pandas.Categorical`."""
        used, first = np.unique(values.codes, return_index=True)
        table = np.full(len(values.categories), schema.MISSING_CODE)
        # By first appearance in the file, however it was cut into blocks.
        for code in used[np.argsort(first)]:
            label = str(values.categories[code])
            table[code] = self._codes.setdefault(label, len(self._codes)) if label else schema.MISSING_CODE
        self._column.append(table[values.codes])

    def append_codes(self, codes: np.ndarray[Any, Any]) -> None:
        """Append codes of the labels that were given."""
        self._column.append(codes)

    def column(self, long_name: str, source_column: str) -> Column:
        """Return the column as a category of nodes."""
        labels = list(self._codes)
        about = schema.category("node", [], labels, long_name, source_column=source_column)
        # Codes of a category are signed.
        return self._column.column("node", **about.attrs, units=None, dtype=about.dtype)


def _grouped(path: Path, header: Header) -> xr.Dataset:
    names, rows = split_table(path, GROUPED, header.separator)
    cells = [row for _, row in rows]
    stored = node_column_names(names)
    columns = {}
    for at, name in enumerate(names):
        values, missing = typed_cells([row[at] for row in cells])
        if missing is not None:
            values = np.array([row[at] for row in cells], dtype=object)
        units = None if values.dtype.kind in "OTUb" else "unknown"
        columns[stored[name]] = schema.column("row", values, f"{name}, as the file lists it", units)
    return schema.table(columns)
