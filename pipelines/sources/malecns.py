"""Berg et al. 2025, doi:10.1101/2025.10.09.680999: the central nervous system of an adult male Drosophila, release 1.0.

Feather tables of male-cns.janelia.org: ``connectome-weights-...-traced-only`` (``body_pre``, ``body_post``, ``weight``:
number of synapses between traced bodies), ``body-annotations-...`` (what the bodies are; lists become text) and
``body-neurotransmitters-...`` (predicted transmitters), which is joined where it is here. The table of all segments
(``connectome-weights-...`` without ``traced-only``), most of which are fragments, is not read.

Every annotated body is a node, and so is every further one with a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, record, warning

from ..formats.tables.typed_table import Field, TypedTable, is_arrow, read_arrow
from ..homogenise.neuron_graph import match_ids, neuron_graph, synapses
from ..jobs import RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, begins_as

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MaleCns"]

_HOME = "https://storage.googleapis.com/flyem-male-cns/v1.0/connectome-data/flat-connectome"
_RECORD = "malecns-1.0"
_WEIGHTS = "connectome-weights-male-cns-v1.0-minconf-0.5-traced-only.feather"
_BODIES = "body-annotations-male-cns-v1.0-minconf-0.5.feather"
_TRANSMITTERS = "body-neurotransmitters-male-cns-v1.0.feather"
_WEIGHT_FIELDS = (
    Field("body_pre", "int64", "Body id of the presynaptic neuron"),
    Field("body_post", "int64", "Body id of the postsynaptic neuron"),
    Field("weight", "int64", "Number of synapses", "synapses"),
)
_BODY_FIELDS = (Field("bodyId", "int64", "Body id"),)
_TRANSMITTER_FIELDS = (Field("body", "int64", "Body id"),)


def _read(files: Files) -> xr.DataTree:
    table = read_arrow(files["weights"], _WEIGHT_FIELDS, others=False)
    bodies = read_arrow(files["bodies"], _BODY_FIELDS)
    listed = bodies.values("bodyId")
    ends = np.unique(np.concatenate([table.values("body_pre"), table.values("body_post")]))
    further = np.setdiff1d(ends, listed)
    notes: list[dict[str, str]] = []
    if len(further):
        message = f"{len(further)} bodies with a connection have no annotation; they are nodes without one"
        notes.append(warning("not-annotated", _BODIES, message))
    node = np.concatenate([listed, further])
    order = np.concatenate([np.arange(len(listed)), np.full(len(further), -1)])
    nodes = bodies.variables("node", but=("bodyId",), order=order)
    if "transmitters" in files:
        nodes |= _transmitters(read_arrow(files["transmitters"], _TRANSMITTER_FIELDS), node, nodes)
    else:
        message = "not here: no transmitters are told"
        notes.append(warning("no-transmitters", _TRANSMITTERS, message))
    nodes["node_kind"] = category("node", ["neuron"] * len(node), ["neuron"], "What the node is")
    graph = neuron_graph(
        pre=table.values("body_pre"),
        post=table.values("body_post"),
        node=node,
        nodes=nodes,
        edge_type="chemical",
        edge_types={
            "chemical": synapses(
                weight_units="synapses",
                weight_meaning="number of synapses from one traced body to another, confidence at least 0.5",
                lineage="one adult male, FIB-SEM micrographs of the male CNS, release 1.0",
            )
        },
        weight=table.values("weight"),
        weight_units="synapses",
        subject=files["weights"].name,
    )
    return record({"connectome": graph}, warnings=notes)


def _transmitters(
    table: TypedTable, node: np.ndarray[Any, Any], taken: dict[str, xr.Variable]
) -> dict[str, xr.Variable]:
    """Join the transmitters by body id; columns that the annotations have too get a name of their own."""
    ids = table.values("body")
    if len(np.unique(ids)) != len(ids):
        raise FormatError("a body is there twice", subject=_TRANSMITTERS, place="column body", expected="every id once")
    found = table.variables("node", but=("body",), order=match_ids(ids, node))
    return {f"transmitters_{name}" if name in taken else name: held for name, held in found.items()}


_ABOUT = {
    "species": "Drosophila melanogaster",
    "stage": "adult",
    "sex": "male",
    "citation": "Berg et al., bioRxiv 2025.10.09.680999 (2025)",
    "doi": "10.1101/2025.10.09.680999",
    "licence": "CC-BY-4.0",
}

_CHECKS = dict.fromkeys((f"malecns/{name}" for name in (_WEIGHTS, _BODIES, _TRANSMITTERS)), begins_as(is_arrow))


class MaleCns(GraphSource):
    """The traced bodies of release 1.0, one record."""

    id = "malecns"
    version = "1"
    dataset = "malecns"
    about = _ABOUT
    checks = _CHECKS
    raw_files = tuple(
        RemoteFile(f"malecns/{name}", f"{_HOME}/{name}", licence="CC-BY-4.0", records=(_RECORD,), optional=True)
        for name in (_WEIGHTS, _BODIES, _TRANSMITTERS)
    )
    graphs = (
        PublishedGraph(
            record=_RECORD,
            title="Central nervous system of an adult male Drosophila, MaleCNS 1.0 (Berg et al. 2025)",
            files={"weights": f"malecns/{_WEIGHTS}", "bodies": f"malecns/{_BODIES}"},
            optional={"transmitters": f"malecns/{_TRANSMITTERS}"},
            read=_read,
        ),
    )
