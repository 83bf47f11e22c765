"""BraVa (Wright et al. 2013, doi:10.1016/j.neuroimage.2013.05.089): arterial trees of human brains, 3 T MR angiography.

Four of the trees are read as VessMorphoVis carries them (commit 24c07f0), in NeuroMorpho's standard SWC and, one of
them, as strands in VMV. The others of the 61 subjects are offered one by one at cng.gmu.edu/brava: laid into
``brava2013/``, every ``NAME.swc`` becomes a record.

Positions and radii are millimetres in the space of the scanner. They are trees: the loops of the circle of Willis are
cut. A radius of 0 occurs and is kept. In VMV the branches are strands with ends of their own, so the graph falls apart
at every branch point, and the points are the same.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..formats.graphs import swc
from ..formats.vessels import vmv
from ..jobs import Discovery, Job, RawFiles, Rejected, RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Brava2013"]

_HOME = "https://doi.org/10.1016/j.neuroimage.2013.05.089"
_PATTERN = "brava2013/*.swc"
_UNITS = "mm"
_TREES = {
    # Name to path in the repository, bytes, SHA-256, points, degrees.
    "BG0002": (
        "swc/sample/BG0002.CNG.swc", 128959, "46396046bc0d70110406b975fcb744ac036e464272363e3e37a6cc1a5c5727a9",
        3514, [0, 107, 3302, 105],
    ),
    "BG0003": (
        "swc/BG0003.CNG.swc", 127469, "580688ec7bfcb00d89bf309ec8ad59fa1b33d01715600d4283924ea42872ab6c",
        3470, [0, 111, 3250, 109],
    ),
    "BG001": (
        "swc/BG001.CNG.swc", 102689, "28e9ce78cf9512f0fb4e635e0d16dd6ba4019d205aa3d411728c419047916877",
        2810, [0, 100, 2612, 98],
    ),
    "BG04": (
        "swc/BG04.CNG.swc", 121451, "14acd673710dfebd4c7e85926e78d0a7a1d63cd2b71ff81de2ca77c9c7b4408e",
        3308, [0, 97, 3116, 95],
    ),
}  # fmt: skip
_STRANDS = (
    "vessmorphovis/BG0002.CNG.vmv", 120713, "20075a1d5249ebfe7b0d2a7b7979ebb1f4a0f54b83d7a76e10caa47f8e1c8986",
)  # fmt: skip
_VMV = {"agreement": "the points of the SWC file, cut into 109 strands that do not touch"}
_ABOUT = {
    "species": "Homo sapiens",
    "organ": "brain",
    "vessels": "arteries",
    "modality": "3 T time-of-flight MR angiography, traced by hand",
    "citation": "Wright et al., NeuroImage 82:170-181 (2013)",
    "doi": "10.1016/j.neuroimage.2013.05.089",
    "licence": "GPL-3.0-only",
}


def _tree(files: Files) -> xr.DataTree:
    return swc.read([files["tree"]], units=_UNITS)


def _strands(files: Files) -> xr.DataTree:
    return vmv.read([files["strands"]], units=_UNITS)


def _file(name: str, repository_path: str, size: int, sha256: str, record: str, *, optional: bool) -> RemoteFile:
    return github(
        f"vessmorphovis/{name}", "BlueBrain/VessMorphoVis", "24c07f023ff867dd5f7841f0a67ac2f522ef3eb7",
        f"data/morphologies/{repository_path}", size=size, sha256=sha256, licence="GPL-3.0-only", records=(record,),
        optional=optional,
    )  # fmt: skip


class Brava2013(GraphSource):
    """Arterial trees, one record per subject."""

    id = "brava2013"
    version = "1"
    dataset = "human-vessels"
    about = _ABOUT
    raw_files = (
        *(
            _file(PurePosixPath(path).name, path, size, sha256, f"brava2013-{name}", optional=False)
            for name, (path, size, sha256, _, _) in _TREES.items()
        ),
        _file(
            "BG0002.CNG.vmv",
            "swc/sample/BG0002.CNG.vmv",
            _STRANDS[1],
            _STRANDS[2],
            "brava2013-BG0002.vmv",
            optional=True,
        ),
        RemoteFile(_PATTERN, _HOME, licence="none-stated", optional=True, pattern=True),
    )
    graphs = (
        *(
            PublishedGraph(
                record=f"brava2013-{name}",
                title=f"Arteries of a human brain, BraVa subject {name} (Wright et al. 2013)",
                files={"tree": f"vessmorphovis/{PurePosixPath(path).name}"},
                read=_tree,
                attrs={"subject": name},
                facts={
                    "/vessels": {
                        "n_nodes": points,
                        "n_edges": points - 1,
                        "n_components": 1,
                        "degree_histogram": degrees,
                    }
                },
            )
            for name, (path, _, _, points, degrees) in _TREES.items()
        ),
        PublishedGraph(
            record="brava2013-BG0002.vmv",
            title="Arteries of a human brain, BraVa subject BG0002, as strands (Wright et al. 2013)",
            files={"strands": _STRANDS[0]},
            read=_strands,
            attrs={"subject": "BG0002", **_VMV},
            facts={"/vessels": {"n_edges": 109, "n_points": 3514}},
        ),
    )

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every tree that is here, those that were laid here by the user included."""
        laid = [path for path in raw if path.startswith("brava2013/")]
        found = super().discover(RawFiles([raw[path] for path in raw if path not in laid]))
        jobs, rejected = list(found.jobs), list(found.rejected)
        names = {job.record.lower() for job in jobs}
        for path in laid:
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(path).name.removesuffix(".swc").removesuffix(".CNG"))
            record = f"brava2013-{name}"
            if record.lower() in names:
                rejected.append(Rejected(path, f"the record {record} is made of another file", "not-data"))
            elif not swc.sniff(raw[path].local):
                rejected.append(Rejected(path, "no points of a tree in the file", "format"))
            else:
                names.add(record.lower())
                jobs.append(Job(self.id, record, (raw[path],), {"subject": name}))
        return Discovery(tuple(jobs), tuple(rejected))

    def graph(self, record: str) -> PublishedGraph:
        """Return the declaration of a record; what the user laid here is a tree."""
        if any(graph.record == record for graph in self.graphs):
            return super().graph(record)
        name = record.removeprefix("brava2013-")
        title = f"Arteries of a human brain, BraVa subject {name} (Wright et al. 2013)"
        return PublishedGraph(record, title, {}, _tree, attrs={"subject": name, "licence": "none-stated"})

    def read(self, job: Job) -> xr.DataTree:
        """Read a tree."""
        graph = self.graph(job.record)
        if graph.files:
            return super().read(job)
        return self.described(graph.read({"tree": job.inputs[0].local}), graph, job)
