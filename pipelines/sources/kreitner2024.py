"""Kreitner et al. 2024, doi:10.1109/TMI.2024.3354408: SIMULATED vessels of the human retina, for OCT angiography.

The graphs are grown by a program, not imaged: 500 of them in the authors' repository, two of which are listed with
their checksums; the others are read from ``octa_synthetic/`` where the user lays them. Coordinates lie in a unit cube;
the physical scale is not in the files. Nodes have no ids: equal coordinates are one node.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..formats.graphs import coordcsv
from ..jobs import Discovery, Job, RawFiles, Rejected, RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Kreitner2024"]

_FOLDER = "octa_synthetic"
_HOME = "https://github.com/aiforvision/OCTA-autosegmentation/tree/9cdc3137b6f55ae766dcae76c166ccf9774daf2b/datasets/vessel_graphs"
_SEEDS = {
    "20230216_235542": (1349026, "3a794cfc4b1a1b86e95eabe1bb15d9af49b6ffcbb5dd2072a55ce715216fdd4b", 14306),
    "20230217_042556": (1351343, "0a069f08b520facbd0de801a6cf772a79fa589942ef9053a25502560384059ee", 14337),
}
_ABOUT = {
    "species": "Homo sapiens",
    "organ": "retina",
    "simulated": True,
    "modality": "none: grown by a simulation",
    "citation": "Kreitner et al., IEEE Transactions on Medical Imaging 43:2061-2073 (2024)",
    "doi": "10.1109/TMI.2024.3354408",
    "licence": "MIT",
}


def _read(files: Files) -> xr.DataTree:
    return coordcsv.read([files["edges"]], units="1")


def _declare(name: str, n_edges: int | None = None) -> PublishedGraph:
    return PublishedGraph(
        record=f"kreitner2024-{name}",
        title=f"Simulated vessels of a human retina, {name} (Kreitner et al. 2024)",
        files={"edges": f"{_FOLDER}/{name}.csv"},
        read=_read,
        facts={} if n_edges is None else {"/vessels": {"n_edges": n_edges}},
    )


class Kreitner2024(GraphSource):
    """Simulated retinas, one record each."""

    id = "kreitner2024"
    version = "1"
    dataset = "simulated-retina-vessels"
    about = _ABOUT
    raw_files = (
        *(
            github(
                f"{_FOLDER}/{name}.csv", "aiforvision/OCTA-autosegmentation",
                "9cdc3137b6f55ae766dcae76c166ccf9774daf2b", f"datasets/vessel_graphs/{name}.csv", size=size,
                sha256=sha256, licence="MIT", records=(f"kreitner2024-{name}",),
            )
            for name, (size, sha256, _) in _SEEDS.items()
        ),
        RemoteFile(f"{_FOLDER}/*.csv", _HOME, licence="MIT", optional=True, pattern=True),
    )  # fmt: skip
    graphs = tuple(_declare(name, n_edges) for name, (_, _, n_edges) in _SEEDS.items())

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every graph that is here."""
        jobs, rejected = [], []
        for path in raw:
            name = PurePosixPath(path).stem
            if PurePosixPath(path).parent.name != _FOLDER or not re.fullmatch(r"\d{8}_\d{6}", name):
                rejected.append(Rejected(path, "not named by date and time, as the graphs are", "not-data"))
            elif not coordcsv.sniff(raw[path].local):
                rejected.append(Rejected(path, "no edges between printed coordinates in the file", "format"))
            else:
                jobs.append(Job(self.id, f"kreitner2024-{name}", (raw[path],)))
        return Discovery(tuple(jobs), tuple(rejected))

    def graph(self, record: str) -> PublishedGraph:
        """Return the declaration of a record, listed or laid here by the user."""
        if any(graph.record == record for graph in self.graphs):
            return super().graph(record)
        return _declare(record.removeprefix("kreitner2024-"))
