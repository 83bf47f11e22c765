"""Samples of VessMorphoVis (Abdellah et al. 2020, doi:10.1093/bioinformatics/btaa461), commit 24c07f0.

``sample_1.h5`` and ``sample_3.h5`` are microvessels of mouse cortex, original data of Bruno Weber (University of
Zurich), in sections with DIAMETERS in um. In ``sample_3`` eleven more ends of sections lie at one place than the file
lists as touching: ends at one place are one node there; the table ``connections`` keeps what the file lists.
``sample-1.vmv`` are strands with permission of Pablo Blinder (Tel Aviv University); neither their unit nor their animal
is told.

The arteries that lie beside them are those of :mod:`.brava2013`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..formats.vessels import bbp, vmv
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VessMorphoVis2020"]

_FILES = {
    "h5/sample_1.h5": (5376, "6263f0d0c45ad488483cc863cc8875a520d772940db009a4e59e09096f545db1"),
    "h5/sample_3.h5": (1880000, "208c4e62db412337bbf5a64da0a94d584eb49a4d9ffa5833cdc9de40d796d415"),
    "vmv/sample-1.vmv": (38996, "ce858b5d3c40a986227ab466eee073f9637791d7a7c1ef6c15872337f6882c12"),
}
_FOLDER = "vessmorphovis"
_ABOUT = {
    "species": "Mus musculus",
    "citation": "Abdellah et al., Bioinformatics 36:i534-i541 (2020)",
    "doi": "10.1093/bioinformatics/btaa461",
    "licence": "GPL-3.0-only",
}
_CORTEX = {"organ": "brain", "region": "cortex", "origin": "Bruno Weber, University of Zurich"}
_STRANDS = {"species": "not stated", "origin": "Pablo Blinder, Tel Aviv University"}


def _sections(merge_points: str, files: Files) -> xr.DataTree:
    return bbp.read([files["sections"]], units="um", merge_points=merge_points)


def _strands(files: Files) -> xr.DataTree:
    return vmv.read([files["strands"]], units="1")


class VessMorphoVis2020(GraphSource):
    """Two pieces of mouse cortex, and strands."""

    id = "vessmorphovis2020"
    version = "1"
    dataset = "vessel-samples"
    about = _ABOUT
    raw_files = tuple(
        github(
            f"{_FOLDER}/{path.partition('/')[2]}", "BlueBrain/VessMorphoVis",
            "24c07f023ff867dd5f7841f0a67ac2f522ef3eb7", f"data/morphologies/{path}", size=size, sha256=sha256,
            licence="GPL-3.0-only",
        )
        for path, (size, sha256) in _FILES.items()
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record="mouse-cortex-sample-1",
            title="Microvessels of mouse cortex, a small sample in sections (VessMorphoVis, Weber laboratory)",
            files={"sections": f"{_FOLDER}/sample_1.h5"},
            read=partial(_sections, "none"),
            attrs=_CORTEX,
            facts={
                "/vessels": {
                    "n_nodes": 12, "n_edges": 12, "n_points": 92, "n_components": 1, "degree_histogram": [0, 6, 0, 6]
                },
                "/connections": {"n_rows": 12},
            },
        ),
        PublishedGraph(
            record="mouse-cortex-sample-3",
            title="Microvessels of mouse cortex, 1.36 x 1.36 x 0.05 mm in sections (VessMorphoVis, Weber laboratory)",
            files={"sections": f"{_FOLDER}/sample_3.h5"},
            read=partial(_sections, "exact"),
            attrs=_CORTEX,
            facts={
                "/vessels": {
                    "n_nodes": 3466, "n_edges": 3080, "n_points": 55807, "n_components": 500,
                    "degree_histogram": [0, 2101, 47, 1307, 11],
                },
                "/connections": {"n_rows": 2678},
            },
        ),
        PublishedGraph(
            record="vessmorphovis-strands-1",
            title="Strands of a vessel network (VessMorphoVis, Blinder laboratory)",
            files={"strands": f"{_FOLDER}/sample-1.vmv"},
            read=_strands,
            attrs=_STRANDS,
            facts={"/vessels": {"n_edges": 26, "n_points": 663}},
        ),
    )  # fmt: skip
