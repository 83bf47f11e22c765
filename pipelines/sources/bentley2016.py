"""Bentley et al., PLoS Comput. Biol. 12:e1005283 (2016), doi:10.1371/journal.pcbi.1005283: monoamines and peptides.

Two lists without a header. A row of ``edgelist_MA.csv`` says that one neuron makes a monoamine and that another
expresses a receptor for it; a row of ``edgelist_NP.csv`` the same of a neuropeptide. What is listed is inferred from
gene expression: that a signal could pass, not that it does. A pair has one row per ligand and receptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError

from ..formats.tables.spreadsheet import read_sheet
from ..homogenise.celegans_graph import EdgeType, connectome_graph
from ..homogenise.edge_list import EdgeList, EdgeRow
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable

__all__ = ["Bentley2016"]

_FOLDER = "bentley2016"
_DOI = "10.1371/journal.pcbi.1005283"
_KINDS = {
    "monoamine": ("listed_transmitter", "edgelist_MA.csv", "monoamines"),
    "neuropeptide": ("neuropeptide", "edgelist_NP.csv", "neuropeptides"),
}
"""Edge type to the column of its third field, its file and the end of its record's id."""


def _read(edge_type: str, paths: Sequence[Path], table: CellTable) -> Made:
    ligand = _KINDS[edge_type][0]
    sheet = read_sheet(paths[0])
    rows = []
    for at, row in enumerate(sheet.rows):
        cells = [str(cell).strip() if cell is not None else "" for cell in row]
        if len(cells) != 4 or not all(cells):
            raise FormatError(
                "not a row of the list",
                subject=paths[0].name,
                place=sheet.place(at),
                expected="two neurons, what the first releases, the receptor of the second",
                found=", ".join(cells),
            )
        source, target, released, receptor = cells
        rows.append(EdgeRow(source, target, edge_type, 1, sheet.place(at), {ligand: released, "receptor": receptor}))
    about = EdgeType(
        "1",
        f"one pair of {edge_type} and receptor",
        "gene expression of many animals, compiled from the literature and reporter lines",
        comment="parallel edges differ in what is released or in the receptor",
    )
    labels = dict.fromkeys(label for row in rows for label in (row.source, row.target))
    return Made(*connectome_graph(EdgeList(tuple(rows), tuple(labels)), {edge_type: about}, table=table))


def _annotation(edge_type: str) -> Annotation:
    _, file, name = _KINDS[edge_type]
    return Annotation(
        record=f"bentley2016-{name}",
        title=f"Extrasynaptic network of {name} (Bentley et al. 2016)",
        paths=(f"{_FOLDER}/{file}",),
        read=partial(_read, edge_type),
        annotation=f"bentley2016-{name}",
        form="csv",
        release="cect 0.3.5",
        sex="hermaphrodite",
        stage="adult",
        doi=_DOI,
    )


_FACTS = {
    "bentley2016-monoamines": facts(
        237, {"monoamine": (2626, 2626)}, neurons=235, connected=235, within={"monoamine": (2586, 2586)}
    ),
    "bentley2016-neuropeptides": facts(
        239, {"neuropeptide": (8931, 8931)}, neurons=239, connected=239, within={"neuropeptide": (8931, 8931)}
    ),
}


class Bentley2016(ConnectomeSource):
    """Two lists, two records."""

    id = "bentley2016"
    version = "1"
    dataset = "celegans-signalling"
    raw_files = (
        cect(
            f"{_FOLDER}/edgelist_MA.csv",
            "edgelist_MA.csv",
            size=66718,
            sha256="5a206a6743479f4ae11eb82456378051c5d9aeb56ea5c1f82b121671c7fa2aa3",
            records=("bentley2016-monoamines",),
        ),
        cect(
            f"{_FOLDER}/edgelist_NP.csv",
            "edgelist_NP.csv",
            size=202657,
            sha256="bec5f0c9526db1523ed73fb6a8b386de95d48a2fd5eae75a9a4889758102389b",
            records=("bentley2016-neuropeptides",),
        ),
    )
    annotations = (_annotation("monoamine"), _annotation("neuropeptide"))
    facts = _FACTS
