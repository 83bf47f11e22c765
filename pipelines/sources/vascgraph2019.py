"""The graph that comes with VascGraph (Damseh et al. 2019, IEEE JBHI 23:2551): cerebral microvessels as Pajek text.

The repository does not say which stack of images it was made from, which axis is which, or how large a voxel is:
positions are voxels of unknown size, in the order of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats.graphs import pajek
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VascGraph2019"]

_PATH = "vascgraph/mygraph.pajek"
_ABOUT = {
    "species": "not stated",
    "organ": "brain",
    "modality": "two-photon microscopy, skeletonised",
    "citation": "Damseh et al., IEEE Journal of Biomedical and Health Informatics 23:2551-2562 (2019)",
    "url": "https://github.com/Damseh/VascularGraph",
    "licence": "MIT",
}


def _read(files: Files) -> xr.DataTree:
    return pajek.read([files["network"]], units="voxel", voxel_size_um="unknown")


class VascGraph2019(GraphSource):
    """One skeleton graph."""

    id = "vascgraph2019"
    version = "1"
    dataset = "vessel-samples"
    about = _ABOUT
    raw_files = (
        github(
            _PATH, "Damseh/VascularGraph", "9843c2ce1ef1e3d707061c4b14032bd060d7295a", "mygraph.pajek", size=3911533,
            sha256="7cb5400c8d961fd310252770712a741303a26fc54260c2e01945c71b347d21ff", licence="MIT",
            records=("vascgraph2019",),
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record="vascgraph2019",
            title="Skeleton graph of cerebral microvessels that comes with VascGraph (Damseh et al. 2019)",
            files={"network": _PATH},
            read=_read,
            facts={"/vessels": {"n_nodes": 37754, "n_edges": 38115}},
        ),
    )
