"""The connectome of the OpenWorm models: ``CElegansNeuronTables.xls``, after White et al. and its revisions.

Three sheets: connections between neurons, with the transmitter of each; connections to muscles; and sensory neurons,
which have no partner and are kept as a table. Gap junctions are listed in both directions for most pairs, in one for
25, and with two different numbers for 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, table

from ..formats.tables.spreadsheet import Sheet, number, read_sheet
from ..formats.worms.celegans_table import edges_of_dialect, standard_types
from ..homogenise.celegans_graph import connectome_graph
from ..homogenise.celegans_names import match_label
from .celegans_connectomes import Annotation, ConnectomeSource, Made, cect, facts

if TYPE_CHECKING:
    import xarray as xr

    from ..homogenise.celegans_cells import CellTable

__all__ = ["OpenWorm"]

_XLS = "openworm/CElegansNeuronTables.xls"
_SENSORY = ("Neuron", "Landmark", "Landmark Position", "Weight", "Neurotransmitter", "Neuropeptides", "Function")


def _read(paths: Sequence[Path], cells: CellTable) -> Made:
    types = standard_types(
        "synapses",
        "number of connections",
        "compiled from annotations of White et al. 1986 and their revisions; the file names no series",
        comment="most pairs in both directions, 25 in one",
        based_on=("white1986-whole",),
    )
    edges = edges_of_dialect(read_sheet(paths[0], "Connectome"), "openworm") + edges_of_dialect(
        read_sheet(paths[0], "NeuronsToMuscle"), "openworm-muscle"
    )
    dataset, notes = connectome_graph(edges, types, table=cells)
    return Made(dataset, notes, {"sensory": _sensory(read_sheet(paths[0], "Sensory"))})


def _sensory(sheet: Sheet) -> xr.Dataset:
    """Keep the sheet as it is, with names normalised beside the labels."""
    header, *rows = sheet.rows
    if header != _SENSORY:
        raise FormatError(
            "not the sheet of sensory neurons",
            subject=sheet.path.name,
            place=sheet.place(0),
            expected=", ".join(_SENSORY),
            found=", ".join(str(cell) for cell in header),
        )
    columns: dict[str, xr.Variable] = {
        "neuron": column("row", [match_label(str(row[0])).name for row in rows], "Name of the neuron")
    }
    for at, name in enumerate(_SENSORY):
        key = name.lower().replace(" ", "_") if at else "source_label"
        if name in {"Landmark Position", "Weight"}:
            values = [number(row[at]) for row in rows]
            if None in values:
                place = sheet.place(values.index(None) + 1, at)
                raise FormatError("not a number", subject=sheet.path.name, place=place)
            columns[key] = column("row", np.array(values, dtype=np.float64), f"{name}, as in the file", "1")
        else:
            columns[key] = column("row", [str(row[at] or "") for row in rows], f"{name}, as in the file")
    return table(columns, title="Sensory neurons and what they sense, as listed")


_FACTS = {
    "openworm": facts(
        397,
        {
            "chemical": (2279, 6465),
            "gap_junction": (1109, 1881),
            "gap_junction_listed": (1084, 1847),
            "neuromuscular": (564, 1881),
        },
        neurons=300,
        connected=299,
        within={"chemical": (2279, 6465), "gap_junction": (1109, 1881), "gap_junction_listed": (1084, 1847)},
    ),
}


class OpenWorm(ConnectomeSource):
    """One workbook, one record."""

    id = "openworm"
    version = "2"
    raw_files = (
        cect(
            _XLS,
            "CElegansNeuronTables.xls",
            size=369152,
            sha256="e6e2d51cd6a056c6058ec163bf6020d1a43a0a8d48719f09dddd8687c3956d74",
            records=("openworm",),
        ),
    )
    annotations = (
        Annotation(
            record="openworm",
            title="Connectome of the OpenWorm models of the adult hermaphrodite",
            paths=(_XLS,),
            read=_read,
            annotation="openworm",
            form="xls",
            release="CElegansNeuronTables",
            sex="hermaphrodite",
            stage="adult",
            doi="10.3389/fncom.2014.00137",
        ),
    )
    facts = _FACTS
