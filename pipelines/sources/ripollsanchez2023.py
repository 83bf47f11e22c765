"""Ripoll-Sánchez et al., Neuron 111:3570 (2023), doi:10.1016/j.neuron.2023.09.043: the neuropeptidergic connectome.

One matrix per model of how far peptides spread: within a bundle of processes (short), within head, midbody or tail
(mid), anywhere (long). Rows send, columns receive; a number counts the pairs of peptide precursor and receptor by
which one neuron could reach the other. It is inferred from gene expression and biochemistry of the receptors. The files
are named 01022024, and so are younger than the article.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..formats.tables.spreadsheet import read_sheet
from ..formats.worms.celegans_edges import edges_of_matrix
from ..homogenise.celegans_graph import EdgeType, connectome_graph
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable

__all__ = ["RipollSanchez2023"]

_FOLDER = "ripollsanchez2023"
_DOI = "10.1016/j.neuron.2023.09.043"
_REACH = {
    "short": "within the same bundle of processes",
    "mid": "within the same part of the body: head, midbody or tail",
    "long": "anywhere in the body",
}
_FILES = {
    "short": (185765, "ee630f66dbb78a49d1818bd5209f1f9a0ee46400c061126e30d0d0a4b9d2e44d"),
    "mid": (185866, "97569885d58d947c2526e6ecc26c8b191b074d1b065f4da224102298203ad141"),
    "long": (186132, "57ebc0919860bafcb866e63f5ae06b8b5d59427897d8bd230b4461bfa833f6fe"),
}


def _name(reach: str) -> str:
    return f"01022024_neuropeptide_connectome_{reach}_range_model.csv"


def _read(reach: str, paths: Sequence[Path], table: CellTable) -> Made:
    edge_type = f"neuropeptide_{reach}"
    about = EdgeType(
        "1",
        "number of pairs of neuropeptide precursor and receptor",
        "gene expression of many animals (CeNGEN) and pairs of peptide and receptor tested in cells",
        comment=f"peptides spread {_REACH[reach]}",
    )
    edges = edges_of_matrix(read_sheet(paths[0]), edge_type=edge_type)
    return Made(*connectome_graph(edges, {edge_type: about}, table=table))


_FACTS = {
    f"ripollsanchez2023-{reach}": facts(
        302,
        {f"neuropeptide_{reach}": counts},
        neurons=300,
        connected=300,
        within={f"neuropeptide_{reach}": among_neurons},
    )
    for reach, counts, among_neurons in (
        ("short", (31417, 83634), (31397, 83580)),
        ("mid", (40425, 107429), (39917, 106289)),
        ("long", (53558, 145834), (52620, 143822)),
    )
}


class RipollSanchez2023(ConnectomeSource):
    """Three models, three records."""

    id = "ripollsanchez2023"
    version = "1"
    dataset = "celegans-signalling"
    raw_files = tuple(
        cect(
            f"{_FOLDER}/{_name(reach)}",
            _name(reach),
            size=size,
            sha256=sha256,
            records=(f"ripollsanchez2023-{reach}",),
        )
        for reach, (size, sha256) in _FILES.items()
    )
    annotations = tuple(
        Annotation(
            record=f"ripollsanchez2023-{reach}",
            title=f"Neuropeptidergic connectome, {reach} range (Ripoll-Sánchez et al. 2023)",
            paths=(f"{_FOLDER}/{_name(reach)}",),
            read=partial(_read, reach),
            annotation=f"ripollsanchez2023-{reach}",
            form="csv",
            release="01022024",
            sex="hermaphrodite",
            stage="adult",
            doi=_DOI,
        )
        for reach in _FILES
    )
    facts = _FACTS
