"""Winding, Pedigo et al., Science 379:eadd9330 (2023): the brain of a Drosophila larva, as Pedigo et al. give it.

The files are those of Pedigo et al., eLife 12:e83739 (2023): an edge list (presynaptic id, postsynaptic id, number of
synapses, all types of connection summed) and a table of 3,591 neurons with 104 columns, by CATMAID skeleton id. Every
neuron of the table is a node; 37 of them have no edge.

What the columns mean is said by their names and by the articles only. ``-1`` is "none" in ``pair``, ``pair_id`` and
their predicted forms; ``unk`` is "unknown" in several text columns. Both are kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, record

from ..formats.tables.text_rows import unfinished
from ..formats.tables.typed_table import Field, TypedTable, read_delimited
from ..homogenise.neuron_graph import neuron_graph, synapses
from .published_graphs import Files, GraphSource, PublishedGraph, github

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Winding2023"]

_FOLDER = "larva_winding2023"
_REPOSITORY = "neurodata/bilateral-connectome"
_COMMIT = "2f56a81187c364fa461ea8d99c299b2a75e58f69"
_RECORD = "larva-winding2023"

_EDGES = (
    Field("pre", "int64", "Skeleton id of the presynaptic neuron"),
    Field("post", "int64", "Skeleton id of the postsynaptic neuron"),
    Field("synapses", "float64", "Number of synapses", "synapses"),
)
_TEXT = (
    "name", "class1", "all_class1", "class2", "all_class2", "merge_class", "axon_lat", "io", "simple_group",
    "all_simple_groups", "color", "hemisphere", "lineage",
)  # fmt: skip
_WHOLE = ("n_class1", "n_class2", "n_simple_groups", "pair", "pair_id")
_REAL = re.compile(r"axon_|dendrite_|sum_|predicted_pair|latent_|dc_level_")
_SYNAPSES = ("axon_output", "axon_input", "dendrite_output", "dendrite_input")
_NONE_IS_MINUS_ONE = ("pair", "pair_id", "predicted_pair", "predicted_pair_id")
N_COLUMNS = 104
"""Columns of the table of neurons, the id not counted."""


def _field(name: str) -> Field:
    told = f"Column {name} of the table of neurons"
    if name == "":
        return Field(name, "int64", "Skeleton id")
    if name in _TEXT:
        return Field(name, "text", told)
    if name in _WHOLE:
        return Field(name, "int64", told)
    if _REAL.match(name):
        return Field(name, "float64", told, "synapses" if name in _SYNAPSES else None)
    return Field(name, "bool", told)


def _read(files: Files) -> xr.DataTree:
    edges = read_delimited(files["edges"], _EDGES, subject=files["edges"].name, delimiter=" ", header=False)
    table = _neurons(files)
    nodes = table.variables("node", but=("", "hemisphere"))
    for name in _NONE_IS_MINUS_ONE:
        nodes[name].attrs["none_value"] = -1
    sides = table.values("hemisphere").tolist()
    if unknown := sorted(set(sides) - {"L", "R", "C"}):
        raise FormatError(
            "not a side", subject=files["neurons"].name, place="column hemisphere", expected="L, R or C",
            found=", ".join(map(repr, unknown)),
        )  # fmt: skip
    nodes["hemisphere"] = category("node", sides, ["L", "R", "C"], "Side of the brain: left, right, centre")
    nodes["node_kind"] = category("node", ["neuron"] * len(table), ["neuron"], "What the node is")
    graph = neuron_graph(
        pre=edges.values("pre"),
        post=edges.values("post"),
        node=table.values(""),
        nodes=nodes,
        edge_type="chemical",
        edge_types={
            "chemical": synapses(
                weight_units="synapses",
                weight_meaning="number of synapses; axo-dendritic, axo-axonic, dendro-axonic and dendro-dendritic "
                "ones are summed",
                lineage="one larva of the first instar, reconstructed from electron micrographs in CATMAID",
            )
        },
        weight=_counts(edges, files["edges"].name),
        weight_units="synapses",
        subject=files["edges"].name,
    )
    return record({"connectome": graph}, warnings=[*unfinished(files["edges"]), *unfinished(files["neurons"])])


def _neurons(files: Files) -> TypedTable:
    subject = files["neurons"].name
    with files["neurons"].open(encoding="utf-8", errors="replace") as stream:
        names = stream.readline().rstrip("\n").split(",")
    if len(names) != N_COLUMNS + 1 or names[:2] != ["", "name"]:
        raise FormatError(
            "not the table of neurons", subject=subject, place="line 1",
            expected=f"an unnamed column of ids, name and {N_COLUMNS - 1} more", found=f"{len(names)} columns",
        )  # fmt: skip
    return read_delimited(files["neurons"], [_field(name) for name in names], subject=subject)


def _counts(edges: TypedTable, subject: str) -> np.ndarray:
    """Return the numbers of synapses as whole numbers: the file writes them with a point."""
    weights = edges.values("synapses")
    bad = np.flatnonzero(~np.isfinite(weights) | (weights != np.rint(weights)) | (weights < 0))
    if len(bad):
        raise FormatError(
            "not a number of synapses", subject=subject, place=f"line {int(bad[0]) + 1}",
            expected="a whole number, not below 0", found=repr(float(weights[bad[0]])),
        )  # fmt: skip
    return weights.astype(np.int64)


_ABOUT = {
    "species": "Drosophila melanogaster",
    "stage": "larva",
    "citation": "Winding, Pedigo et al., Science 379:eadd9330 (2023); Pedigo et al., eLife 12:e83739 (2023)",
    "doi": "10.1126/science.add9330",
    "licence": "MIT",
}


class Winding2023(GraphSource):
    """The brain of one larva, one record."""

    id = "winding2023"
    version = "1"
    dataset = "larva-connectome"
    about = _ABOUT
    raw_files = (
        github(
            f"{_FOLDER}/G_edgelist.txt", _REPOSITORY, _COMMIT, "data/elife/G_edgelist.txt", size=2514626,
            sha256="4f1e576776a1a02d3cc103d997e1ea7fa41a1f0e47859d94ee8f83790e2ed216", licence="MIT",
            records=(_RECORD,),
        ),
        github(
            f"{_FOLDER}/meta_data.csv", _REPOSITORY, _COMMIT, "data/elife/meta_data.csv", size=2848654,
            sha256="9f393b4c481d31926aa46d031061a559db7999afe76a6ad7d740db43c6f785f4", licence="MIT",
            records=(_RECORD,),
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record=_RECORD,
            title="Connectome of the brain of a Drosophila larva (Winding et al. 2023)",
            files={"edges": f"{_FOLDER}/G_edgelist.txt", "neurons": f"{_FOLDER}/meta_data.csv"},
            read=_read,
            facts={
                "/connectome": {
                    "n_nodes": 3591,
                    "n_edges": 119010,
                    "edges": {"chemical": {"n": 119010, "weight_sum": 376091}},
                    "within": {"neuron": {"n_nodes": 3591, "n_nodes_connected": 3554}},
                }
            },
        ),
    )
