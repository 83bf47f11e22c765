"""VesselGraph (Paetzold, McGinnis et al. 2021, arXiv:2108.13233): vessel graphs of whole mouse brains, made by Voreen.

The brains lie on a file share whose links expire. Each comes as a zip file ``NAME.zip`` that holds
``NAME/ID/ID_{nodes,edges,atlas}_processed.csv`` (ID like ``BALBc-no1_iso3um_stitched_segmentation_bulge_size_3.0``),
and as ``NAME_raw.zip`` with the tables as Voreen wrote them, ``..._nodes.csv`` and ``..._edges.csv``. Whoever has them
lays the tables anywhere below ``vesselgraph/NAME/``: the processed ones become the record ``NAME``, the others
``NAME.raw``. What is not there is told in the census.

- BALBc_no1..3, C57BL_6_no1..3, CD1-E_no1..3: cleared brains (Todorov et al. 2020), voxels of 3 um, with Allen regions.
- C57BL_6-K18..K20 (K1..K3 in the README): brains of the Kleinfeld laboratory (Ji et al. 2021), without regions and
  without what Voreen measures on edges; the size of their voxels is not told.
- synthetic_graph_1..5: trees grown by a program (Schneider et al. 2012); the size of a voxel is not told.
- link_vessap_roi1, _roi3, node_vessap_roi1, _roi3: cubes cut from BALBc_no1.
- example: the one pair of tables that was ever committed to the repository (removed again in 130bdf9), a synthetic tree
  by its extent, and the same graph as VTK.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError

from ..formats.graphs import edgelist
from ..formats.tables.delimited import read_header
from ..formats.vessels import voreen, vtk_legacy
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GRAPHS", "Vesselgraph2021"]

_SHARE = "https://syncandshare.lrz.de"
_HOME = "https://github.com/jocpae/VesselGraph"
_FOLDER = "vesselgraph"
_EXAMPLE = "vesselgraph_example/example"
_LICENCE = "CC-BY-NC-4.0"


@dataclass(frozen=True)
class Graph:
    """A graph that VesselGraph names."""

    url: str
    """Where its processed tables were offered."""
    title: str
    voxel_size_um: float | str
    attrs: Mapping[str, Any]
    facts: Mapping[str, Any] | None = None


def _brain(url: str, strain: str, facts: Mapping[str, Any] | None = None) -> Graph:
    attrs = {"species": "Mus musculus", "strain": strain, "modality": "light-sheet microscopy of a cleared brain"}
    return Graph(f"{_SHARE}/dl/{url}", f"Vessels of a whole mouse brain, {strain}", 3.0, attrs, facts)


def _kleinfeld(url: str) -> Graph:
    attrs = {"species": "Mus musculus", "strain": "C57BL/6", "modality": "light-sheet microscopy, Kleinfeld laboratory"}
    return Graph(f"{_SHARE}/getlink/{url}", "Vessels of a whole mouse brain, Kleinfeld laboratory", "unknown", attrs)


def _synthetic(url: str) -> Graph:
    return Graph(f"{_SHARE}/getlink/{url}", "Synthetic vascular tree", "unknown", _SYNTHETIC)


def _cube(url: str, task: str) -> Graph:
    attrs = {"species": "Mus musculus", "strain": "BALB/c", "modality": "light-sheet microscopy of a cleared brain"}
    return Graph(url, f"Vessels of a cube of BALBc_no1, for {task}", 3.0, attrs)


_SYNTHETIC = {"species": "none: a synthetic tree", "simulated": True, "modality": "none: grown by a program"}
GRAPHS: Mapping[str, Graph] = {
    # Counts of the OGB site and of the notebooks of vessel_graph_pipeline, commit 76fd8ee.
    "BALBc_no1": _brain("fiG21AiiCJE6mVRo6tUsNp4N/BALBc_no1.zip", "BALB/c", {"n_nodes": 3538495, "n_edges": 5345897}),
    "BALBc_no2": _brain("fiS6KM5NvGKfLFrjiCzQh1X1/BALBc_no2.zip", "BALB/c"),
    "BALBc_no3": _brain("fiD9e98baTK3FWC9iPhLQWd8/BALBc_no3.zip", "BALB/c"),
    "C57BL_6_no1": _brain("fiVTuLxJeLrqyWdMBy5BGrug/C57BL_6_no1.zip", "C57BL/6"),
    "C57BL_6_no2": _brain("fiNFpZd5S9NYvUYzNwLgf5gW/C57BL_6_no2.zip", "C57BL/6"),
    "C57BL_6_no3": _brain("fi3Z62oab67735GLQXZyd2Wd/C57BL_6_no3.zip", "C57BL/6"),
    "CD1-E_no1": _brain("fiQs4v6kXvGBviqnuT7BAxjK/CD1-E_no1.zip", "CD1"),
    "CD1-E_no2": _brain("fiJf6ukkGCdUQwXBKd4Leusp/CD1-E_no2.zip", "CD1"),
    "CD1-E_no3": _brain("fiBkjGNxm7XW5R4gFTWp5MFP/CD1-E_no3.zip", "CD1"),
    "C57BL_6-K18": _kleinfeld("fi9ewjPWq5EmUjVDGDbcR28Q/C57BL_6-K18.zip"),
    "C57BL_6-K19": _kleinfeld("fiNryxTQPREgrXRrcWhm2xW/C57BL_6-K19.zip"),
    "C57BL_6-K20": _kleinfeld("fiP6oRLaqL9vJYuGfhCS9xbP/C57BL_6-K20.zip"),
    "synthetic_graph_1": _synthetic("fiXfSD14pKGM54L5BqZxF8vF/synthetic_graph_1.zip"),
    "synthetic_graph_2": _synthetic("fiEDhbBHmqawVwKaBeWwHgT8/synthetic_graph_2.zip"),
    "synthetic_graph_3": _synthetic("fiPvTKvqhqNtQ8B6UyGfbvGi/synthetic_graph_3.zip"),
    "synthetic_graph_4": _synthetic("fiFq7BVkRZekbBYQSVYX8L6K/synthetic_graph_4.zip"),
    "synthetic_graph_5": _synthetic("fi5dos737XVZxuyqQ5gmUW6p/synthetic_graph_5.zip"),
    "link_vessap_roi1": _cube(f"{_SHARE}/dl/fiWes5GoXWV1AJNVGWbK34cr/link_vessap_roi1.zip", "link prediction"),
    "link_vessap_roi3": _cube(f"{_SHARE}/dl/fiKNpy5GZTwzfYjHnAJ1QgLP/link_vessap_roi3.zip", "link prediction"),
    "node_vessap_roi1": _cube(_HOME, "node classification"),
    "node_vessap_roi3": _cube(_HOME, "node classification"),
}
"""Name to what is known of it; that the links work no longer is why nothing is fetched from them."""

_TABLE = re.compile(r"(?P<id>.+?)_(?P<what>nodes|edges)(?P<processed>_processed)?\.csv")
_COMPANIONS = ("_atlas_processed.csv", "_nodes_Atlas.csv", "_AtlasGrouped.csv")
_ABOUT = {
    "organ": "brain",
    "citation": "Paetzold, McGinnis et al., NeurIPS Datasets and Benchmarks (2021), arXiv:2108.13233",
    "doi": "10.48550/arXiv.2108.13233",
    "licence": _LICENCE,
}
_DEGREES = [0, 1421, 1, 1513, 24, 7, 2, 0, 0, 1, 1]
_FACTS = {
    "/vessels": {
        "n_nodes": 2970, "n_edges": 3062, "n_self_loops": 13, "n_components": 2, "largest_component": 2954,
        "degree_histogram": _DEGREES,
    }
}  # fmt: skip


def _tables(voxel_size_um: float | str, files: Files) -> xr.DataTree:
    """Read a pair of tables with what lies beside it."""
    paths = [files["nodes"], files["edges"], *(files[role] for role in sorted(set(files) - {"nodes", "edges"}))]
    if set(voreen.EDGES) <= set(read_header(files["edges"]).names):
        return voreen.read(paths, voxel_size_um=voxel_size_um)
    # Not made by Voreen: nothing was measured along the edges.
    return edgelist.read(
        [files["edges"], files["nodes"]], source="node1id", target="node2id", id_column="id",
        position="pos_x,pos_y,pos_z", edge_type="vessel", directed=False, voxel_size_um=voxel_size_um,
        lineage="one brain", group="vessels",
    )  # fmt: skip


def _example(files: Files) -> xr.DataTree:
    return _tables("unknown", files)


def _drawn(files: Files) -> xr.DataTree:
    return vtk_legacy.read([files["lines"]], units="voxel", voxel_size_um="unknown", edges="segments")


def _committed(name: str, size: int, sha256: str, *, optional: bool = False) -> RemoteFile:
    return github(
        f"{_EXAMPLE}_{name}", "jocpae/VesselGraph", "a673cf03de4c924a3db40575af78da8d28cd8d4e",
        f"sample_data/example_{name}", size=size, sha256=sha256, licence=_LICENCE, optional=optional,
        records=("example.vtk" if name.endswith("vtk") else "example",),
    )  # fmt: skip


class Vesselgraph2021(GraphSource):
    """The example, and every graph whose tables the user has."""

    id = "vesselgraph2021"
    version = "1"
    dataset = "vesselgraph"
    about = _ABOUT
    raw_files = (
        _committed("nodes.csv", 71408, "c0183d8bcd43f2e8966d703377c9de7cfac0ad0c6ff6a1105d460f36921f2645"),
        _committed("edges.csv", 388942, "fc939d681f863384588a24e85fa327383e18cb38fa9cc7206a6da57054ab0fa8"),
        _committed(
            "graph.vtk", 156498, "44bf3a7a13fa0e386d649a0085212fa926e854b1c1737034d253dd3d516caae3", optional=True
        ),
        *(
            RemoteFile(f"{_FOLDER}/{name}/*.csv", graph.url, licence=_LICENCE, optional=True, pattern=True)
            for name, graph in GRAPHS.items()
        ),
    )
    graphs = (
        PublishedGraph(
            record="example",
            title="Synthetic vascular tree as Voreen exports it (example of VesselGraph)",
            files={"nodes": f"{_EXAMPLE}_nodes.csv", "edges": f"{_EXAMPLE}_edges.csv"},
            read=_example,
            attrs={**_SYNTHETIC, "form": "csv"},
            facts=_FACTS,
        ),
        PublishedGraph(
            record="example.vtk",
            title="Synthetic vascular tree as Voreen exports it (example of VesselGraph), as VTK",
            files={"lines": f"{_EXAMPLE}_graph.vtk"},
            read=_drawn,
            attrs={**_SYNTHETIC, "form": "vtk", "agreement": "the nodes and edges of the tables, in their order"},
            facts=_FACTS,
        ),
    )

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every pair of tables that is here, with the companions of its folder."""
        found = super().discover(RawFiles([raw[path] for path in raw if not path.startswith(f"{_FOLDER}/")]))
        jobs, rejected = list(found.jobs), list(found.rejected)
        for name in GRAPHS:
            laid = [path for path in raw if path.startswith(f"{_FOLDER}/{name}/")]
            more, lost = self._of_one(name, laid, raw)
            jobs += more
            rejected += lost
        return Discovery(tuple(jobs), tuple(rejected))

    def _of_one(self, name: str, laid: Sequence[str], raw: RawFiles) -> tuple[list[Job], list[Rejected]]:
        """Make the jobs of one graph, processed and as Voreen wrote it, from the tables in its folder."""
        pairs: dict[tuple[bool, str], dict[str, str]] = {}
        beside, rejected = [], []
        for path in laid:
            table = _TABLE.fullmatch(PurePosixPath(path).name)
            if path.endswith(_COMPANIONS):
                beside.append(path)
            elif table is None:
                rejected.append(Rejected(path, "neither a table of nodes or edges nor a companion of one", "not-data"))
            elif not _has_header(raw[path].local, table["what"]):
                rejected.append(Rejected(path, f"no table of {table['what']}: columns are missing", "format"))
            else:
                key = (table["processed"] is None, str(PurePosixPath(path).parent / table["id"]))
                pairs.setdefault(key, {})[table["what"]] = path
        jobs: list[Job] = []
        for (untouched, _), pair in sorted(pairs.items()):
            record = f"{name}.raw" if untouched else name
            if len(pair) < 2:
                path = next(iter(pair.values()))
                lacking = "edges" if "nodes" in pair else "nodes"
                rejected.append(Rejected(path, f"the table of {lacking} that belongs to it is not here", "unavailable"))
            elif any(job.record == record for job in jobs):
                reason = f"a second pair of tables for {record}"
                rejected += [Rejected(path, reason, "not-data") for path in pair.values()]
            else:
                chosen = [] if untouched else beside
                inputs = tuple(raw[path] for path in sorted([*pair.values(), *chosen]))
                size = GRAPHS[name].voxel_size_um
                jobs.append(Job(self.id, record, inputs, {"graph": name, "voxel_size_um": size}))
        used = {item.path for job in jobs for item in job.inputs}
        alone = "no processed tables that it goes with"
        rejected += [Rejected(path, alone, "not-data") for path in beside if path not in used]
        return jobs, rejected

    def graph(self, record: str) -> PublishedGraph:
        """Return the declaration of a record, committed or laid here by the user."""
        if record in {"example", "example.vtk"}:
            return super().graph(record)
        name = record.removesuffix(".raw")
        graph = GRAPHS[name]
        form = "tables as Voreen wrote them" if record.endswith(".raw") else "tables as VesselGraph processed them"
        facts = {"/vessels": graph.facts} if graph.facts and record == name else {}
        title = f"{graph.title} ({name}, VesselGraph)"
        return PublishedGraph(record, title, {}, _example, attrs={**graph.attrs, "form": form}, facts=facts)

    def read(self, job: Job) -> xr.DataTree:
        """Read a graph."""
        graph = self.graph(job.record)
        if graph.files:
            return super().read(job)
        files = {}
        for item in job.inputs:
            table = None if item.path.endswith(_COMPANIONS) else _TABLE.fullmatch(PurePosixPath(item.path).name)
            files[table["what"] if table else f"companion {item.path}"] = item.local
        return self.described(_tables(job.params["voxel_size_um"], files), graph, job)

    def expected(self) -> Expected:
        """Return the counts of the example and of the one brain whose counts are published."""
        listed = {name: self.graph(name) for name in ("example", "example.vtk", *GRAPHS)}
        facts = {name: dict(graph.facts) for name, graph in listed.items() if graph.facts}
        return Expected(facts, optional=frozenset(facts) & set(GRAPHS))


def _has_header(path: Path, what: str) -> bool:
    try:
        names = set(read_header(path).names)
    except FormatError:
        return False
    return names >= ({"id", "pos_x", "pos_y", "pos_z"} if what == "nodes" else {"node1id", "node2id"})
