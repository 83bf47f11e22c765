"""Arteries and veins of one whole human brain, from the MR angiography of Hodneland et al. 2019.

The masks of the arteries and veins (doi:10.1371/journal.pcbi.1007073, files s007 and s008, CC BY 4.0) were skeletonised
and smoothed by M. Causemann (repository brain-PVS-SAS-transport, MIT): legacy VTK, every cell a piece between two
points, with ``radius`` and ``root`` (2 at the root, 1 at an end, 0 else) on the points. Positions and radii are metres.

Two points of the arteries lie within 0.1 mm of each other: points are not merged. The veins were not at hand when this
was written; their file is read as that of the arteries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats.vessels import vtk_legacy
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Hodneland2019"]

_REPOSITORY = "MariusCausemann/brain-PVS-SAS-transport"
_COMMIT = "c216a95697260f3236f3675fa8cc7e651f22ffac"
_ARTERIES, _VEINS = (f"human_brain_mra/{name}_smooth.vtk" for name in ("arteries", "venes"))
_ABOUT = {
    "species": "Homo sapiens",
    "organ": "brain",
    "subject": "volunteer of Hodneland et al. 2019",
    "modality": "MR angiography, segmented and skeletonised",
    "citation": "Hodneland et al., PLoS Computational Biology 15:e1007073 (2019)",
    "doi": "10.1371/journal.pcbi.1007073",
    "licence": "MIT",
}


def _read(files: Files) -> xr.DataTree:
    tree = vtk_legacy.read([files["lines"]], units="m", edges="segments")
    graph = tree["vessels"].to_dataset()
    if "root" in graph:
        graph["root"].attrs.update(long_name="2 at the root, 1 at an end, 0 elsewhere", units="1")
    tree["vessels"].dataset = graph
    return tree


class Hodneland2019(GraphSource):
    """The arteries, and the veins where they can be had."""

    id = "hodneland2019"
    version = "1"
    dataset = "human-vessels"
    about = _ABOUT
    raw_files = (
        github(
            _ARTERIES, _REPOSITORY, _COMMIT, "mesh/networks/arteries_smooth.vtk", size=661129,
            sha256="3baf1ade21760c8f6127a95263e0b8f2db9d6d46d4dee75cf141d598fd3d6264", licence="MIT",
            records=("hodneland2019-arteries",),
        ),
        github(
            _VEINS, _REPOSITORY, _COMMIT, "mesh/networks/venes_smooth.vtk", size=None, sha256=None, licence="MIT",
            records=("hodneland2019-veins",), optional=True,
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record="hodneland2019-arteries",
            title="Arteries of a whole human brain from MR angiography (Hodneland et al. 2019)",
            files={"lines": _ARTERIES},
            read=_read,
            attrs={"vessels": "arteries"},
            facts={
                "/vessels": {
                    "n_nodes": 12709,
                    "n_edges": 12708,
                    "n_components": 1,
                    "degree_histogram": [0, 147, 12417, 145],
                }
            },
        ),
        PublishedGraph(
            record="hodneland2019-veins",
            title="Veins of a whole human brain from MR angiography (Hodneland et al. 2019)",
            files={"lines": _VEINS},
            read=_read,
            attrs={"vessels": "veins"},
        ),
    )
