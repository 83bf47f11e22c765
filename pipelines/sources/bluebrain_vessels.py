"""Test networks of vascpy and AstroVascPy (Blue Brain Project): one kind of graph in every layout that they read.

``capillary_with_loops`` and ``penetrating_artery`` (vascpy, commit 0f467bf) are pieces of real vessels of which the
repository does not say where they come from; ``fork`` is a fork of three edges as points, sections, SONATA and VTK;
``astrovascpy_toy`` (AstroVascPy, commit 322eaa8) is a made network, as SONATA and as CSV with endfeet (-1 for none).
They hold DIAMETERS, but for the radii on the edges of ``penetrating_artery`` and of the CSV. Units are um by the custom
of the software.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..formats.vessels import bbp, vtk_legacy
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

    from ..jobs import RemoteFile

__all__ = ["BlueBrainVessels"]

_FOLDER = "bbp_formats"
_VASCPY = ("BlueBrain/vascpy", "0f467bfc37fb7472062ee14e7fb0db898136dfbc")
_ASTROVASCPY = ("BlueBrain/AstroVascPy", "322eaa8ebb32133521428b46700f54fb3f8b9af3")
_FILES: dict[str, tuple[tuple[str, str], str, int, str]] = {
    "capillary_with_loops.h5": (
        _VASCPY, "h5/capillary_with_loops.h5", 7328, "1f4744888f632f1aca0d4b13c566d97e9c628a169407a9d8213b180747806eca",
    ),
    "capillary_with_loops_point_connectivity.json": (
        _VASCPY, "capillary_with_loops_point_connectivity.json", 18138,
        "049001ec18e241689ee55fbe85b0bb0a9240f84ac0b6f596559af753c4532922",
    ),
    "fork_diameters_point_spec.h5": (
        _VASCPY, "h5/fork_diameters_point_spec.h5", 6384,
        "18add5d6b0f14e2e59dccfae730107d985c0d579fec288838ca3d1a846d249e9",
    ),
    "fork_diameters_section_spec.h5": (
        _VASCPY, "h5/fork_diameters_section_spec.h5", 2224,
        "8f6507eee2649813d952f33b8f74c5e8d0480000a4bfe0484206d882425e2b3c",
    ),
    "fork_diameters_sonata_spec.h5": (
        _VASCPY, "h5/fork_diameters_sonata_spec.h5", 10584,
        "ea7f7f4f3e6c2c115502de760a99e56b7e1fdbefec739e54082add07501d3306",
    ),
    "fork_diameters_point_spec.vtk": (
        _VASCPY, "vtk/fork_diameters_point_spec.vtk", 385,
        "fc68d2c4c2fb64827c41a53c789c324ba8b29071b793c5e2d5627948d24c3975",
    ),
    "penetrating_artery.vtk": (
        _VASCPY, "vtk/penetrating_artery_radii_on_edges.vtk", 55364,
        "35035b41d40f101ae1ce0444a1ae8fbc452b6cb023dbfdbba3a7baa53181d9f4",
    ),
    "astrovascpy_toy_graph.h5": (
        _ASTROVASCPY, "toy_graph.h5", 55571, "79260f018e6808596b9f3be6f2729a5ca7f41399d46f9cd7a144fdaf79f3404a",
    ),
    "astrovascpy_node_dataset.csv": (
        _ASTROVASCPY, "node_dataset.csv", 14094, "032fc6a1901192340ef8e78b2a3408fa7447f0b1ef47c9a45076237c0eb732d7",
    ),
    "astrovascpy_edge_dataset.csv": (
        _ASTROVASCPY, "edge_dataset.csv", 33810, "8e919aee28e0bbcd767960eb19b753a9b50fbfa0a76aeb26ebb75a59d24fd8e7",
    ),
}  # fmt: skip
"""Name to repository and commit, path below ``tests/data``, bytes and SHA-256."""

_ABOUT = {
    "species": "not stated",
    "citation": "vascpy and AstroVascPy, Blue Brain Project/EPFL",
    "url": "https://github.com/BlueBrain/vascpy",
    "licence": "Apache-2.0",
}
_TOY = {"species": "none: a made network", "simulated": True, "url": "https://github.com/BlueBrain/AstroVascPy"}
_FORK = {"n_nodes": 4, "n_edges": 3, "degree_histogram": [0, 3, 0, 1]}


def _vasculature(files: Files) -> xr.DataTree:
    return bbp.read([files[role] for role in ("nodes", "edges") if role in files] or [files["file"]], units="um")


def _lines(edges: str, files: Files) -> xr.DataTree:
    return vtk_legacy.read([files["file"]], units="um", edges=edges)


def _file(name: str) -> RemoteFile:
    (repository, commit), path, size, sha256 = _FILES[name]
    return github(
        f"{_FOLDER}/{name}", repository, commit, f"tests/data/{path}", size=size, sha256=sha256, licence="Apache-2.0"
    )


def _graph(name: str, record: str, title: str, facts: dict[str, Any], attrs: dict[str, Any]) -> PublishedGraph:
    return PublishedGraph(
        record=record,
        title=title,
        files={"file": f"{_FOLDER}/{name}"},
        read=partial(_lines, "segments") if name.endswith(".vtk") else _vasculature,
        attrs=attrs,
        facts={"/vessels": facts},
    )


class BlueBrainVessels(GraphSource):
    """A capillary, an artery, a fork and a made network, every layout a record."""

    id = "bluebrain_vessels"
    version = "1"
    dataset = "vessel-samples"
    about = _ABOUT
    raw_files = tuple(_file(name) for name in _FILES)
    graphs = (
        _graph(
            "capillary_with_loops.h5", "capillary-with-loops", "Capillaries with loops, in sections (vascpy)",
            {"n_nodes": 22, "n_edges": 24, "n_points": 140, "n_components": 1, "degree_histogram": [0, 9, 0, 13]}, {},
        ),
        _graph(
            "capillary_with_loops_point_connectivity.json", "capillary-with-loops.json",
            "Capillaries with loops, points and edges as JSON (vascpy)", {"n_components": 1},
            {"agreement": "the capillaries of the sections, every point a node"},
        ),
        _graph(
            "penetrating_artery.vtk", "penetrating-artery", "Penetrating artery, as VTK (vascpy)",
            {"n_nodes": 1274, "n_edges": 1273, "degree_histogram": [0, 2, 1272]}, {},
        ),
        _graph("fork_diameters_point_spec.h5", "fork.point", "Fork of three edges, points (vascpy)", _FORK, {}),
        _graph("fork_diameters_section_spec.h5", "fork.section", "Fork of three edges, sections (vascpy)", _FORK, {}),
        _graph("fork_diameters_sonata_spec.h5", "fork.sonata", "Fork of three edges, SONATA (vascpy)", _FORK, {}),
        _graph("fork_diameters_point_spec.vtk", "fork.vtk", "Fork of three edges, VTK (vascpy)", _FORK, {}),
        _graph(
            "astrovascpy_toy_graph.h5", "astrovascpy-toy", "Made vessel network, SONATA (AstroVascPy)",
            {"n_nodes": 585, "n_edges": 584}, _TOY,
        ),
        PublishedGraph(
            record="astrovascpy-toy.csv",
            title="Made vessel network with endfeet, CSV (AstroVascPy)",
            files={
                "nodes": f"{_FOLDER}/astrovascpy_node_dataset.csv", "edges": f"{_FOLDER}/astrovascpy_edge_dataset.csv",
            },
            read=_vasculature,
            attrs=_TOY,
            facts={"/vessels": {"n_nodes": 585, "n_edges": 584}},
        ),
    )  # fmt: skip
