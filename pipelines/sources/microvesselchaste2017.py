"""Networks that come with Microvessel Chaste (Grogan et al. 2017, doi:10.1016/j.bpj.2017.03.036), commit 6113124.

``bio_original`` and ``markelc_network`` were derived from images of tissue, ``tapmeier_network`` too; their programs
read them in micrometres. Every segment of the first two has points of its own: points with equal coordinates are made
one node, or there is no network; ``merged_points`` lists them. Their radii are placeholders (1 everywhere). In
``tapmeier_network`` a radius of 0 means that none is known.

``retinal`` is a flat network of a retina in pixels, with ``Distance`` (to the wall of the vessel) on its points;
``Branch_information`` are the branches of a skeleton of an image of the same size, as Fiji's AnalyzeSkeleton lists
them. The size of a pixel is not told, and neither are species or animals of any of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..formats.graphs import analyzeskeleton
from ..formats.vessels import vtk_xml
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MicrovesselChaste2017"]

_FOLDER = "microvesselchaste"
_MERGED = {"units": "um", "merge_points": "exact"}
_PIXELS = {"units": "voxel", "voxel_size_um": "unknown"}
_FILES = {
    "bio_original.vtp": (161669, "29831074c1c1837d41381770531c48f313cdd949915a26433926cbf97a1c8540"),
    "markelc_network.vtp": (274501, "4ce6adb3af1031cd7aa880f285f18aab9403a552aeef2763d88a530fa5b3a959"),
    "tapmeier_network.vtp": (24724, "c5e39010384be33bbcd1e720551e4dd850eaaacd2edff57a2b1ed55520298d1e"),
    "retinal.vtp": (163110, "e3c6fe2e04bb9e0ca68097b35bc7449bbcdc8713acd11fd76b708314e0b42571"),
    "Branch_information.csv": (36964, "29431473769bd9d82bdfb7754b836fccc289e6702a9642a717e626123381ac98"),
}
_ABOUT = {
    "species": "not stated",
    "citation": "Grogan et al., Biophysical Journal 112:1767-1772 (2017)",
    "doi": "10.1016/j.bpj.2017.03.036",
    "licence": "BSD-3-Clause",
}


def _lines(options: dict[str, Any], files: Files) -> xr.DataTree:
    return vtk_xml.read([files["lines"]], **options)


def _tapmeier(files: Files) -> xr.DataTree:
    tree = _lines(_MERGED, files)
    graph = tree["vessels"].to_dataset()
    for name in ("radius", "point_radius"):
        graph[name].attrs["unknown_value"] = 0
    tree["vessels"].dataset = graph
    return tree


def _branches(files: Files) -> xr.DataTree:
    return analyzeskeleton.read([files["branches"]], units="voxel", voxel_size_um="unknown")


def _network(name: str, title: str, facts: dict[str, Any], options: dict[str, Any]) -> PublishedGraph:
    read = _tapmeier if name.startswith("tapmeier") else partial(_lines, options)
    return PublishedGraph(
        record=f"microvesselchaste-{name.partition('.')[0].partition('_')[0]}",
        title=f"{title} (Grogan et al. 2017)",
        files={"lines": f"{_FOLDER}/{name}"},
        read=read,
        facts={"/vessels": facts},
    )


class MicrovesselChaste2017(GraphSource):
    """Five networks of tumours and of the retina."""

    id = "microvesselchaste2017"
    version = "1"
    dataset = "vessel-samples"
    about = _ABOUT
    raw_files = tuple(
        github(
            f"{_FOLDER}/{name}", "jmsgrogan/MicrovesselChaste", "6113124355630d08754482bf8872454e55424654",
            f"test/data/{name}", size=size, sha256=sha256, licence="BSD-3-Clause",
        )
        for name, (size, sha256) in _FILES.items()
    )  # fmt: skip
    graphs = (
        _network(
            "bio_original.vtp", "Vessel network from biological images, for simulated tumours",
            {"n_nodes": 8327, "n_edges": 7650, "n_components": 1309}, _MERGED,
        ),
        _network(
            "markelc_network.vtp", "Vessel network of a tumour, Markelc",
            {"n_nodes": 12377, "n_edges": 12656, "n_components": 1696}, _MERGED,
        ),
        _network(
            "tapmeier_network.vtp", "Vessel network of a tumour, Tapmeier", {"n_edges": 77, "n_points": 883}, _MERGED
        ),
        _network("retinal.vtp", "Vessel network of a retina", {"n_edges": 1716, "n_components": 8}, _PIXELS),
        PublishedGraph(
            record="microvesselchaste-branches",
            title="Branches of a skeleton of retinal vessels, as AnalyzeSkeleton lists them (Grogan et al. 2017)",
            files={"branches": f"{_FOLDER}/Branch_information.csv"},
            read=_branches,
            facts={"/vessels": {"n_edges": 874}},
        ),
    )  # fmt: skip
