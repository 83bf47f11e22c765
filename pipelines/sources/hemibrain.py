"""Scheffer et al., eLife 9:e57443 (2020): the hemibrain, release 1.2, about half of the brain of an adult female.

The archive ``exported-traced-adjacencies-v1.2.tar.gz`` holds three tables of the traced neurons: ``traced-neurons.csv``
(``bodyId``, ``type``, ``instance``), ``traced-total-connections.csv`` (``bodyId_pre``, ``bodyId_post``, ``weight``: the
number of synapses) and ``traced-roi-connections.csv`` (the same, with a row for every region: ``roi``). It is read as
it comes; the publisher states no checksum. Each table of connections is a record.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connectome.schema import category, record

from ..formats.files.tar_members import is_tar, read_members
from ..formats.tables.typed_table import Field, read_delimited
from ..homogenise.neuron_graph import neuron_graph, synapses
from ..jobs import RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, begins_as

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Hemibrain"]

_ARCHIVE = "exported-traced-adjacencies-v1.2.tar.gz"
_PATH = f"hemibrain/{_ARCHIVE}"
_NEURONS = "traced-neurons.csv"
_NEURON_FIELDS = (
    Field("bodyId", "int64", "Body id"),
    Field("type", "text", "Cell type"),
    Field("instance", "text", "Instance: type, side and more, as neuPrint names it"),
)
_CONNECTION_FIELDS = (
    Field("bodyId_pre", "int64", "Body id of the presynaptic neuron"),
    Field("bodyId_post", "int64", "Body id of the postsynaptic neuron"),
    Field("weight", "int64", "Number of synapses", "synapses"),
)
_REGION_FIELDS = (*_CONNECTION_FIELDS, Field("roi", "category", "Region of the brain that holds the synapses"))
_MEANING = {
    "traced-total-connections.csv": "number of synapses from one neuron to another",
    "traced-roi-connections.csv": "number of synapses from one neuron to another in one region",
}


def _read(member: str, files: Files) -> xr.DataTree:
    held = read_members(files["archive"], [_NEURONS, member])
    neurons = read_delimited(held[_NEURONS], _NEURON_FIELDS, subject=f"{_ARCHIVE}/{_NEURONS}")
    fields = _REGION_FIELDS if "roi" in member else _CONNECTION_FIELDS
    table = read_delimited(held[member], fields, subject=f"{_ARCHIVE}/{member}")
    nodes = neurons.variables("node", but=("bodyId",))
    nodes["node_kind"] = category("node", ["neuron"] * len(neurons), ["neuron"], "What the node is")
    graph = neuron_graph(
        pre=table.values("bodyId_pre"),
        post=table.values("bodyId_post"),
        node=neurons.values("bodyId"),
        nodes=nodes,
        edge_type="chemical",
        edge_types={
            "chemical": synapses(
                weight_units="synapses",
                weight_meaning=_MEANING[member],
                lineage="one adult female, FIB-SEM micrographs of the hemibrain, release 1.2, traced neurons",
            )
        },
        weight=table.values("weight"),
        weight_units="synapses",
        edges=table.variables("edge", but=("bodyId_pre", "bodyId_post", "weight")),
        subject=f"{_ARCHIVE}/{member}",
        first_row=2,
    )
    return record({"connectome": graph})


_ABOUT = {
    "species": "Drosophila melanogaster",
    "stage": "adult",
    "sex": "female",
    "citation": "Scheffer et al., eLife 9:e57443 (2020)",
    "doi": "10.7554/eLife.57443",
    "licence": "CC-BY-4.0",
}


def _table(record_id: str, title: str, member: str) -> PublishedGraph:
    return PublishedGraph(
        record=record_id, title=title, files={"archive": _PATH}, read=partial(_read, member), params={"table": member}
    )


_CHECKS = {_PATH: begins_as(is_tar)}


class Hemibrain(GraphSource):
    """The traced neurons of release 1.2, with totals and region by region."""

    id = "hemibrain"
    version = "1"
    dataset = "hemibrain"
    about = _ABOUT
    checks = _CHECKS
    raw_files = (
        RemoteFile(
            _PATH,
            f"https://storage.googleapis.com/hemibrain/v1.2/{_ARCHIVE}",
            licence="CC-BY-4.0",
            records=("hemibrain-1.2", "hemibrain-1.2-regions"),
            optional=True,
        ),
    )
    graphs = (
        _table("hemibrain-1.2", "Hemibrain 1.2, traced neurons (Scheffer et al. 2020)", "traced-total-connections.csv"),
        _table(
            "hemibrain-1.2-regions",
            "Hemibrain 1.2, traced neurons, connections by region (Scheffer et al. 2020)",
            "traced-roi-connections.csv",
        ),
    )
