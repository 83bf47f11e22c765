"""Randi et al., Nature 623:406 (2023), doi:10.1038/s41586-023-06683-4: how a stimulated neuron's signal propagates.

Supplementary table 1 gives, for 168 neurons, the mean response dF/F (sheet "Figure2a, df_over_f") and the opacity with
which the figure draws it (sheet "Figure2a, alpha=(1 - q_val)"). Rows are responding neurons, columns the stimulated
ones. The title of the second sheet is wrong: the authors' own q values give alpha = max(0, 1 - 2 q) to 2e-15, so that
q = (1 - alpha) / 2 where alpha > 0, and only q >= 0.5 is known where alpha is 0.

Every pair with a dF/F is an edge from the stimulated to the responding neuron, the neuron itself included. Those with
q < 0.05 and two different ends stand once more as a type of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError
from connectome.schema import warning

from ..formats.tables.spreadsheet import Sheet, number, read_sheet
from ..homogenise.celegans_graph import EdgeType, connectome_graph
from ..homogenise.edge_list import EdgeList, EdgeRow
from ..jobs import Rejected
from .celegans_connectomes import Annotation, ConnectomeSource, Made, wormgraph

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable
    from ..homogenise.edge_list import Note

__all__ = ["ALIASES", "Q_LIMIT", "Randi2023"]

_BOOK = "randi2023/CElegansFunctionalConnectivity.xlsx"
_EFFECT, _OPACITY = "Figure2a, df_over_f", "Figure2a, alpha=(1 - q_val)"

Q_LIMIT = 0.05
"""The authors' limit of significance."""

ALIASES = {"IL2V4": "IL2VR"}
"""The table writes IL2V4 once per axis, after IL2VL, and no IL2VR; its column equals that of IL2VR in the authors'
atlas (wormneuroatlas 0.0.7.3, ``funatlas.h5``) in all 124 pairs that both have, to 1e-9."""

_OF = ("1", "mean response dF/F of the target to stimulation of the source", "signal propagation in wild-type animals")
_TYPES = {
    "signal_propagation": EdgeType(*_OF, comment="every pair measured, the stimulated neuron itself included"),
    "signal_propagation_significant": EdgeType(
        *_OF, comment=f"the edges of signal_propagation with q < {Q_LIMIT} and two different ends, once more"
    ),
}


def _read(paths: Sequence[Path], table: CellTable) -> Made:
    effect, opacity = read_sheet(paths[0], _EFFECT), read_sheet(paths[0], _OPACITY)
    names = _names(effect)
    if _names(opacity) != names:
        raise FormatError("the two sheets name different neurons", subject=paths[0].name, place=f"sheet {_OPACITY!r}")
    rows: list[EdgeRow] = []
    notes: list[Note] = []
    for i, responding in enumerate(names, start=1):
        for j, stimulated in enumerate(names, start=1):
            alpha = _opacity(opacity, i, j)
            cell = effect.rows[i][j]
            response = number(cell)
            if cell is not None and response is None:
                raise FormatError("not a number", subject=paths[0].name, place=effect.place(i, j), found=repr(cell))
            if response is None:
                if alpha > 0:
                    message = f"{stimulated} to {responding} has alpha {alpha!r} but no dF/F: no edge"
                    notes.append(warning("no-effect-size", opacity.place(i, j), message))
                continue
            q = (1 - alpha) / 2 if alpha > 0 else float("nan")
            extra = {"alpha": alpha, "q": q, "q_censored": alpha == 0, "significant": q < Q_LIMIT}
            rows.append(
                EdgeRow(stimulated, responding, "signal_propagation", float(response), effect.place(i, j), extra)
            )
    chosen = [row for row in rows if row.extra["significant"] and row.source != row.target]
    strong = [
        EdgeRow(row.source, row.target, "signal_propagation_significant", row.weight, row.place, row.extra)
        for row in chosen
    ]
    dataset, more = connectome_graph(
        EdgeList((*rows, *strong), tuple(names), tuple(notes)), _TYPES, table=table, aliases=ALIASES
    )
    return Made(dataset, more)


def _names(sheet: Sheet) -> list[str]:
    top = [str(cell) for cell in sheet.rows[0][1:]]
    side = [str(row[0]) for row in sheet.rows[1:]]
    if top != side or len(set(top)) != len(top) or "None" in top:
        raise FormatError(
            "not a square matrix of neurons",
            subject=sheet.path.name,
            place=sheet.place(0),
            expected="the same names in row 1 and column A, each once",
            found=f"{len(top)} and {len(side)} names",
        )
    return top


def _opacity(sheet: Sheet, i: int, j: int) -> float:
    value = number(sheet.rows[i][j])
    if value is None or not 0 <= value <= 1:
        raise FormatError(
            "not an opacity",
            subject=sheet.path.name,
            place=sheet.place(i, j),
            expected="a number from 0 to 1",
            found=repr(sheet.rows[i][j]),
        )
    return float(value)


# Sums of floating-point weights are left out: their last digit depends on the order of addition.
_FACTS = {
    "randi2023": {
        "n_nodes": 168,
        "edges": {"signal_propagation": {"n": 22521}, "signal_propagation_significant": {"n": 1124}},
        "within": {"neuron": {"n_nodes": 168, "n_nodes_connected": 168}},
    }
}


class Randi2023(ConnectomeSource):
    """The atlas as its supplementary table gives it."""

    id = "randi2023"
    version = "1"
    raw_files = (
        wormgraph(
            _BOOK,
            "CElegansFunctionalConnectivity.xlsx",
            size=996970,
            sha256="f02c68c9a2d34fe7b5aa8c7d74d8aca9ea9676d647e794ba99abbbff1b6350e5",
            records=("randi2023",),
            licence="CC-BY-4.0",
        ),
    )
    annotations = (
        Annotation(
            record="randi2023",
            title="Signal propagation atlas of the hermaphrodite's head (Randi et al. 2023)",
            paths=(_BOOK,),
            read=_read,
            annotation="randi2023",
            form="xlsx",
            release="supplementary table 1",
            sex="hermaphrodite",
            stage="adult",
            doi="10.1038/s41586-023-06683-4",
        ),
    )
    rejected = tuple(
        Rejected(f"{_BOOK}#Figure2{panel}", "a summary drawn in the figure, without pairs of neurons", "not-data")
        for panel in "cdefg"
    )
    facts = _FACTS
