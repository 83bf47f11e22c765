"""MICrONS: synapses between neurons of mouse visual cortex, from electron micrographs.

Layer 2/3 (release v185, doi:10.5281/zenodo.3710459; Dorkenwald et al. 2022, Schneider-Mizell et al. 2021):
``soma_subgraph_synapses_spines_v185.csv`` are the proofread synapses between excitatory cells whose soma lies in the
volume, ``soma_valence_v185.csv`` its somata, ``pni_synapses_v185.csv`` every synapse that was found.

The cubic millimetre (minnie65): a table of synapses as CAVE gives it, which the user asks for and lays into
``microns_minnie65/`` as CSV, Feather or Parquet with ``pre_pt_root_id`` and ``post_pt_root_id``; every such file is a
record.

An edge is a synapse; ids have 18 digits and stay whole numbers. Positions are voxels of 4 x 4 x 40 nm, and nm.

Known defect: in ``soma_valence_v185.csv`` all of ``soma_x_nm``, ``soma_y_nm`` and ``soma_z_nm`` were computed from the
x of ``pt_position``. They are kept as they are; the position of a soma is taken from ``pt_position``.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, column, record, table, warning

from ..formats.tables.typed_table import Field, TypedTable, read_arrow, read_delimited
from ..homogenise.neuron_graph import match_ids, neuron_graph, synapses
from ..jobs import Discovery, Job, RawFiles, Rejected, RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["Microns"]

_FOLDER = "microns_layer23"
_PROOFREAD, _SOMATA, _ALL = (
    f"{_FOLDER}/{name}_v185.csv" for name in ("soma_subgraph_synapses_spines", "soma_valence", "pni_synapses")
)
_REPOSITORY, _COMMIT = "AllenInstitute/OFS-EM-Connectomics", "413f2dd03adc7200aefd72fa3deb0a15aa6d1e38"
_CAVE = "microns_minnie65/"
_CAVE_HOME = "https://tutorial.microns-explorer.org/"
VOXEL_NM = (4, 4, 40)
_CELLS = {"e": "excitatory neuron", "i": "inhibitory neuron", "g": "glia", "uncertain": "uncertain"}
_WHERE = {"pre": "presynaptic site", "ctr": "centre of the cleft", "post": "postsynaptic site"}
_SYNAPSE_FIELDS = (
    Field("id", "int64", "Id of the synapse"),
    Field("pre_root_id", "int64", "Root id of the presynaptic cell"),
    Field("post_root_id", "int64", "Root id of the postsynaptic cell"),
    Field("cleft_vx", "int64", "Size of the cleft", "voxel"),
    Field("spine_vol_um3", "float64", "Volume of the spine head", "um3", required=False),
    *(Field(f"ctr_pt_{axis}_nm", "float64", f"Centre of the cleft along {axis}", "nm") for axis in "xyz"),
    *(Field(f"{at}_pos_{axis}_vx", "float64", f"{where} along {axis}", "voxel") for at, where in _WHERE.items()
      for axis in "xyz"),
)  # fmt: skip
_SOMA_FIELDS = (
    Field("id", "int64", "Id of the soma"),
    Field("cell_type", "category", "Kind of the cell: e, i, g or uncertain"),
    Field("pt_position", "text", "Position of the soma, voxels of 4 x 4 x 40 nm"),
    Field("pt_root_id", "int64", "Root id of the cell"),
    *(Field(f"soma_{axis}_nm", "float64", f"soma_{axis}_nm as the table has it", "nm") for axis in "xyz"),
)
_CAVE_FIELDS = (
    Field("pre_pt_root_id", "int64", "Root id of the presynaptic cell"),
    Field("post_pt_root_id", "int64", "Root id of the postsynaptic cell"),
    Field("id", "int64", "Id of the synapse", required=False),
    Field("size", "float64", "Size of the synapse", "voxel", required=False),
    *(
        Field(f"{at}_pt_position_{axis}", "float64", f"{where} along {axis}, in the resolution asked for", "unknown",
              required=False)
        for at, where in _WHERE.items() for axis in "xyz"
    ),
)  # fmt: skip
_TRIPLE = re.compile(r"\[\s*(-?\d+)\s+(-?\d+)\s+(-?\d+)\s*\]")


def _listed(lineage: str, more: str) -> dict[str, dict[str, Any]]:
    meaning = f"none: every edge is one synapse; {more}"
    return {"chemical_listed": synapses(weight_units="synapses", weight_meaning=meaning, lineage=lineage)}


def _layer23(files: Files) -> xr.DataTree:
    path = files["synapses"]
    held = read_delimited(path, _SYNAPSE_FIELDS, subject=path.name)
    edges: dict[str, xr.Variable] = {
        "synapse_id": held.variable("id", "edge"),
        "cleft_size": held.variable("cleft_vx", "edge"),
    }
    if "spine_vol_um3" in held.names:
        edges["spine_volume"] = held.variable("spine_vol_um3", "edge")
    for at, where in _WHERE.items():
        values = np.stack([held.values(f"{at}_pos_{axis}_vx") for axis in "xyz"], axis=1)
        edges[f"{at}_position"] = column(("edge", "axis"), values, where.capitalize(), "voxel", voxel_size_nm=VOXEL_NM)
    values = np.stack([held.values(f"ctr_pt_{axis}_nm") for axis in "xyz"], axis=1)
    edges["ctr_position_nm"] = column(("edge", "axis"), values, "Centre of the cleft", "nm")
    notes = _check_scale(held, path.name)
    pre, post = held.values("pre_root_id"), held.values("post_root_id")
    node = np.unique(np.concatenate([pre, post]))
    groups: dict[str, xr.Dataset] = {}
    nodes: dict[str, xr.Variable] = {}
    if "somata" in files:
        groups["soma"], nodes, more = _somata(files["somata"], node)
        notes += more
    graph = neuron_graph(
        pre=pre,
        post=post,
        node=node,
        nodes=nodes,
        edge_type="chemical_listed",
        edge_types=_listed(
            "one mouse, layer 2/3 of visual cortex, MICrONS pinky100, release v185",
            "proofread, between excitatory cells" if "spine_volume" in edges else "as detected",
        ),
        edges=edges,
        subject=path.name,
        first_row=2,
        voxel_size_nm=list(VOXEL_NM),
    )
    return record({"connectome": graph, **groups}, warnings=notes)


def _check_scale(held: TypedTable, subject: str) -> list[dict[str, str]]:
    """Compare both forms of the centre, which differ only in their unit."""
    wrong = np.zeros(len(held), dtype=bool)
    for axis, size in zip("xyz", VOXEL_NM, strict=True):
        wrong |= held.values(f"ctr_pt_{axis}_nm") != held.values(f"ctr_pos_{axis}_vx") * size
    if not wrong.any():
        return []
    message = f"{int(wrong.sum())} synapses have another centre in nm than in voxels of 4 x 4 x 40 nm"
    return [warning("centres-differ", f"{subject}, line {int(np.flatnonzero(wrong)[0]) + 2}", message)]


def _somata(path: Path, node: np.ndarray[Any, Any]) -> tuple[xr.Dataset, dict[str, xr.Variable], list[dict[str, str]]]:
    """Return the table of somata, what is joined to the cells, and what is odd."""
    held = read_delimited(path, _SOMA_FIELDS, subject=path.name)
    position = np.empty((len(held), 3))
    for row, text in enumerate(held.values("pt_position")):
        found = _TRIPLE.fullmatch(text)
        if found is None:
            raise FormatError(
                "not a position", subject=str(path), place=f"line {row + 2}, column pt_position",
                expected="three whole numbers in brackets", found=repr(text[:60]),
            )  # fmt: skip
        position[row] = [int(number) for number in found.groups()]
    rows = held.variables("row", but=("pt_position",))
    stated = np.stack([held.values(f"soma_{axis}_nm") for axis in "xyz"], axis=1)
    notes = []
    if (odd := int((stated != position * VOXEL_NM).any(axis=1).sum())) > 0:
        message = f"soma_y_nm and soma_z_nm of {odd} somata do not follow from pt_position, which is used"
        notes.append(warning("positions-differ", path.name, message))
    for at, (axis, size) in enumerate(zip("xyz", VOXEL_NM, strict=True)):
        told = f"Position of the soma along {axis}, voxels of {size} nm"
        rows[f"position_{axis}"] = column("row", position[:, at], told, "voxel")
    ids = held.values("pt_root_id")
    alone, where, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        message = f"{int((counts > 1).sum())} cells have more than one soma in the table: none is joined to them"
        notes.append(warning("somata-differ", path.name, message))
    found_at = match_ids(alone, node)
    once = (found_at >= 0) & (counts[found_at] == 1)
    order = np.where(once, where[found_at], -1)
    kinds = held.variable("cell_type", "node", order)
    labels = [*kinds.attrs["flag_labels"], ""]
    words = [labels[code] for code in kinds.values.tolist()]
    nodes = {
        "node_kind": category("node", words, sorted({*_CELLS, *words} - {""}), "Kind of the cell, by its soma"),
        "soma_id": held.variable("id", "node", order),
    }
    for at, axis in enumerate("xyz"):
        values = np.where(order < 0, np.nan, position[order, at] * VOXEL_NM[at])
        nodes[f"soma_{axis}"] = column("node", values, f"Position of the soma along {axis}", "nm")
    return table(rows, voxel_size_nm=list(VOXEL_NM), cell_types=dict(_CELLS)), nodes, notes


def _cave(files: Files) -> xr.DataTree:
    path = files["synapses"]
    if path.suffix == ".csv":
        held = read_delimited(path, _CAVE_FIELDS, subject=path.name)
    else:
        held = read_arrow(path, _CAVE_FIELDS)
    but = ("pre_pt_root_id", "post_pt_root_id", "id")
    edges = held.variables("edge", but=but)
    if "id" in held.names:
        edges["synapse_id"] = held.variable("id", "edge")
    pre, post = held.values("pre_pt_root_id"), held.values("post_pt_root_id")
    notes = []
    if nowhere := int(((pre == 0) | (post == 0)).sum()):
        message = f"{nowhere} synapses have a side in no segment (root id 0)"
        notes.append(warning("no-segment", path.name, message))
    graph = neuron_graph(
        pre=pre,
        post=post,
        edge_type="chemical_listed",
        edge_types=_listed("one mouse, visual cortex, MICrONS minnie65", "as the user asked CAVE for them"),
        edges=edges,
        subject=path.name,
        first_row=2,
    )
    return record({"connectome": graph}, warnings=notes)


_LAYER23 = {
    "region": "primary visual cortex, layer 2/3",
    "release": "v185",
    "citation": "Dorkenwald et al., eLife 11:e76120 (2022); Schneider-Mizell et al., eLife 10:e73783 (2021)",
    "doi": "10.7554/eLife.76120",
    "data_doi": "10.5281/zenodo.3710459",
}
_MINNIE65 = {
    "region": "visual cortex",
    "citation": "MICrONS Consortium, Nature 640:435-447 (2025)",
    "doi": "10.1038/s41586-025-08790-w",
}
_ABOUT = {"species": "Mus musculus", "licence": "CC-BY-4.0"}


def _table(path: str, size: int, sha256: str, records: tuple[str, ...]) -> RemoteFile:
    name = PurePosixPath(path).name
    return github(
        path, _REPOSITORY, _COMMIT, f"data/{name}", size=size, sha256=sha256, licence="CC-BY-4.0", records=records
    )


class Microns(GraphSource):
    """Layer 2/3, proofread and whole, and tables of minnie65 that the user brings."""

    id = "microns"
    version = "1"
    dataset = "microns"
    about = _ABOUT
    raw_files = (
        _table(
            _PROOFREAD, 274298, "ac22845bf2078fad27f895b0d4ab1f8b1bf980a2f00056be3f1eec6183770ae4",
            ("microns-layer23",),
        ),
        _table(
            _SOMATA, 31336, "4d1ecffea0706dddc457badb7d12faa473957d6d8e983533a725ed6d515651fc",
            ("microns-layer23", "microns-layer23-detected"),
        ),
        RemoteFile(
            _ALL, "https://zenodo.org/record/3710459/files/pni_synapses_v185.csv?download=1", licence="CC-BY-4.0",
            records=("microns-layer23-detected",), optional=True,
        ),
        *(
            RemoteFile(f"{_CAVE}*.{suffix}", _CAVE_HOME, licence="CC-BY-4.0", optional=True, pattern=True)
            for suffix in ("csv", "feather", "parquet")
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record="microns-layer23",
            title="Proofread synapses between excitatory cells of mouse visual cortex, layer 2/3 (MICrONS v185)",
            files={"synapses": _PROOFREAD, "somata": _SOMATA},
            read=_layer23,
            attrs=_LAYER23,
            facts={
                "/connectome": {"n_nodes": 334, "n_edges": 1961, "edges": {"chemical_listed": {"n": 1961}}},
                "/soma": {"n_rows": 456},
            },
        ),
        PublishedGraph(
            record="microns-layer23-detected",
            title="All synapses detected in mouse visual cortex, layer 2/3 (MICrONS v185)",
            files={"synapses": _ALL, "somata": _SOMATA},
            read=_layer23,
            attrs=_LAYER23,
        ),
    )

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every table of synapses that is here."""
        laid = [path for path in raw if path.startswith(_CAVE)]
        found = super().discover(RawFiles([raw[path] for path in raw if path not in laid]))
        jobs, rejected, names = list(found.jobs), list(found.rejected), set()
        for path in laid:
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(path).stem)
            if name.lower() in names:
                rejected.append(Rejected(path, f"a second table of the name {name}", "not-data"))
                continue
            names.add(name.lower())
            jobs.append(Job(self.id, f"microns-minnie65-{name}", (raw[path],), {"table": name}))
        return Discovery(tuple(jobs), tuple(rejected))

    def graph(self, record: str) -> PublishedGraph:
        """Return the declaration of a record; what the user laid here is a table of synapses."""
        if any(graph.record == record for graph in self.graphs):
            return super().graph(record)
        title = f"Synapses of mouse visual cortex, MICrONS minnie65, {record.removeprefix('microns-minnie65-')}"
        return PublishedGraph(record, title, {}, _cave, attrs=_MINNIE65)

    def read(self, job: Job) -> xr.DataTree:
        """Read a table of synapses."""
        graph = self.graph(job.record)
        if graph.files:
            return super().read(job)
        return self.described(graph.read({"synapses": job.inputs[0].local}), graph, job)
