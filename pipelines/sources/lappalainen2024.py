"""The connectome of flyvis (Lappalainen et al. 2024, doi:10.1038/s41586-024-07939-3): types of cells of the optic lobe.

``fib25-fib19_v2.2.json`` joins reconstructions of two volumes (FIB-25 and FIB-19) into a rule: which types of cells a
column has, and how many synapses a cell makes onto one of another type so many columns away. It is stored as it is,
type to type with its table of offsets; a lattice of any extent follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats.graphs import flyvis
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Lappalainen2024"]

_PATH = "flyvis/fib25-fib19_v2.2.json"
_RECORD = "flyvis-fib25-fib19"
_ABOUT = {
    "species": "Drosophila melanogaster",
    "stage": "adult",
    "organ": "optic lobe",
    "release": "fib25-fib19_v2.2",
    "citation": "Lappalainen et al., Nature 634:1132-1140 (2024)",
    "doi": "10.1038/s41586-024-07939-3",
    "licence": "MIT",
}


def _read(files: Files) -> xr.DataTree:
    return flyvis.read([files["rule"]])


class Lappalainen2024(GraphSource):
    """Types of cells and column offsets, one record."""

    id = "lappalainen2024"
    version = "1"
    dataset = "flyvis"
    about = _ABOUT
    raw_files = (
        github(
            _PATH, "TuragaLab/flyvis", "b0b3365d722fcea0b88669ebc0ebd2914023efd6",
            "flyvis/connectome/fib25-fib19_v2.2.json", size=618148,
            sha256="bfbb0766251ff09e22723d0ebbf7b14793e70b3ae8ad0eea64eac9d28223351a", licence="MIT",
            records=(_RECORD,),
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record=_RECORD,
            title="Columns of the fly's optic lobe, FIB-25 and FIB-19 (Lappalainen et al. 2024)",
            files={"rule": _PATH},
            read=_read,
            facts={"/connectome": {"n_nodes": 65, "n_edges": 605}, "/offsets": {"n_rows": 2140}},
        ),
    )
