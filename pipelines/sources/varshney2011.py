"""Varshney et al., PLoS Comput. Biol. 7:e1001066 (2011), doi:10.1371/journal.pcbi.1001066: White et al. revised.

``NeuronConnect.xls`` lists rows: S and Sp (sent, alone or polyadic), R and Rp (the same synapses as the receiving cell
sees them), EJ (electric junctions, in both directions) and NMJ (all neuromuscular junctions of a neuron together).
``ConnOrdered_040903.mat`` holds the sums over S and Sp and the EJ as sparse matrices of the 279 neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError

from ..formats.tables.spreadsheet import read_sheet
from ..formats.worms.celegans_sparse import read_matlab, read_sparse, texts
from ..formats.worms.celegans_table import edges_of_dialect, standard_types
from ..homogenise.celegans_graph import connectome_graph, join
from ..jobs import Rejected, RemoteFile
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts

if TYPE_CHECKING:
    from ..homogenise.celegans_cells import CellTable

__all__ = ["ALIASES", "Varshney2011"]

_XLS = "varshney2011/NeuronConnect.xls"
_MATRICES = "varshney2011/ConnOrdered_040903.mat"
_KINDS = "varshney2011/NeuronTypeOrdered_040903.mat"
_JOINT = "varshney2011/A_sendjoint.mat"
_HOME = "https://raw.githubusercontent.com/lrvarshney/elegans/07d10c2d43b3da9a1fefed2e8658a98dc4310765"
_DOI = "10.1371/journal.pcbi.1001066"
_LINEAGE = "White et al. 1986 (N2U, JSH, JSE and others), revised and completed"
_SERIES = ("N2U", "JSH", "JSE")
_BASED_ON = ("white1986-whole",)
_MEANING = "number of synapses"

ALIASES = {"avfl": "AVFL", "avfr": "AVFR"}
"""Row 1872, ``avfl avfr Rp 1``, is the received view of ``AVFR AVFL Sp 1``: with it, and only with it, the rows R and
Rp give the same 2194 pairs and 6394 synapses as the rows S and Sp."""


def _rows(paths: Sequence[Path], table: CellTable) -> Made:
    types = standard_types(
        "synapses",
        _MEANING,
        _LINEAGE,
        listed=True,
        comment="rows EJ: every pair in both directions",
        series=_SERIES,
        based_on=_BASED_ON,
    )
    edges = edges_of_dialect(read_sheet(paths[0]), "neuronconnect")
    return Made(*connectome_graph(edges, types, table=table, aliases=ALIASES))


def _sparse(paths: Sequence[Path], table: CellTable) -> Made:
    types = standard_types(
        "synapses", _MEANING, _LINEAGE, comment="matrix Ag_t_ordered: symmetric", series=_SERIES, based_on=_BASED_ON
    )
    edges = read_sparse(paths[0])
    dataset, notes = connectome_graph(edges, types, table=table)
    held = read_matlab(paths[1])
    name = "NeuronType_ordered"
    codes = texts(held.get(name, ()), subject=paths[1].name, place=name)
    if len(codes) != len(edges.labels):
        raise FormatError(
            "the codes do not fit the names",
            subject=paths[1].name,
            place=name,
            expected=f"{len(edges.labels)}",
            found=f"{len(codes)}",
        )
    told = dict(zip(edges.labels, codes, strict=True))
    return Made(join(dataset, "type_code", told, "Code of the type in NeuronTypeOrdered_040903.mat, as written"), notes)


def _home(path: str, *, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(
        path,
        f"{_HOME}/{path.rpartition('/')[2]}",
        size,
        sha256,
        licence="none-stated",
        records=("varshney2011.mat",),
        optional=True,
    )


_FACTS = {
    "varshney2011": facts(
        281,
        {
            "chemical": (2194, 6394),
            "gap_junction": (1031, 1777),
            "gap_junction_listed": (1031, 1777),
            "neuromuscular": (153, 1410),
            "chemical_listed": (2575, 6394),
            "chemical_received": (2658, 6394),
        },
        neurons=280,
        connected=279,
        within={
            "chemical": (2194, 6394),
            "gap_junction": (1031, 1777),
            "gap_junction_listed": (1031, 1777),
            "chemical_listed": (2575, 6394),
            "chemical_received": (2658, 6394),
        },
    ),
    "varshney2011.mat": facts(
        279,
        {"chemical": (2194, 6394), "gap_junction": (1031, 1777), "gap_junction_listed": (1031, 1777)},
        neurons=279,
        connected=279,
        within={"chemical": (2194, 6394), "gap_junction": (1031, 1777), "gap_junction_listed": (1031, 1777)},
    ),
}


class Varshney2011(ConnectomeSource):
    """The edge list, and the matrices that the paper was computed from."""

    id = "varshney2011"
    version = "2"
    raw_files = (
        cect(
            _XLS,
            "NeuronConnect.xls",
            size=518144,
            sha256="b5e32612967ff277c91ba37463bd03a85678bd8e65a4861abc6516323b6ff5f3",
            records=("varshney2011",),
        ),
        _home(_MATRICES, size=66328, sha256="bd05af64c7d8c14ff44988e0f009b45d1ebe7db0b7194fff341fc4885cc91d38"),
        _home(_KINDS, size=18056, sha256="5baec9fa9ffad32eec0429c962f5d3e1ebb2da35ce612f91499da1dad5c03c17"),
        _home(_JOINT, size=5415, sha256="e50e2e86a454d5d468eda5e8d83ca723cd1bd223498d225bc9f834bfd7271d02"),
    )
    annotations = (
        Annotation(
            record="varshney2011",
            title="Somatic nervous system of the adult hermaphrodite (Varshney et al. 2011)",
            paths=(_XLS,),
            read=_rows,
            annotation="varshney2011",
            form="xls",
            release="NeuronConnect",
            sex="hermaphrodite",
            stage="adult",
            doi=_DOI,
        ),
        Annotation(
            record="varshney2011.mat",
            title="Somatic nervous system of the adult hermaphrodite (Varshney et al. 2011), sparse matrices",
            paths=(_MATRICES, _KINDS),
            read=_sparse,
            annotation="varshney2011",
            form="mat",
            release="ConnOrdered_040903",
            sex="hermaphrodite",
            stage="adult",
            doi=_DOI,
            agreement="the same 2194 chemical pairs and 1031 gap entries with the same weights as the edge list",
        ),
    )
    rejected = (
        Rejected(
            _JOINT,
            "the 2194 chemical pairs of ConnOrdered_040903.mat with half-integer weights whose meaning is not stated",
            "not-data",
        ),
    )
    facts = _FACTS
