"""FlyWire, materialisation 783: the brain of an adult female Drosophila, and the types of its optic lobes.

Neuron by neuron (Zenodo 10676866): ``proofread_connections_783.feather`` has a row for every pair of proofread neurons
in every neuropil, with the number of synapses and the mean confidence in each of six transmitters;
``proofread_root_ids_783.npy`` lists the proofread neurons. ``Supplemental_file1_neuron_annotations.tsv`` (Schlegel et
al. 2024) says what they are, and is joined where it is here. The checksums are those that the record states.

Type by type (Matsliah et al. 2024): numbers of connections and synapses between the cell types of the optic lobes, in
each lobe and between the two. At least 2 synapses make a connection there, 5 in the central brain.

Root ids have 18 digits and are kept as 64-bit whole numbers throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import category, record, warning

from ..formats.tables.typed_table import Field, read_arrow, read_delimited
from ..homogenise.neuron_graph import match_ids, neuron_graph, synapses
from ..jobs import RemoteFile
from .published_graphs import Files, GraphSource, PublishedGraph, github, has_md5

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["Flywire783"]

_BRAIN, _TYPES = "flywire-783", "flywire-783-optic-lobe-types"
_TABLE = "flywire_optic_lobe_types/type_to_type_connection_and_synapse_counts.csv"
_CONNECTIONS, _NEURONS, _ANNOTATIONS = (
    f"flywire783/{name}"
    for name in (
        "proofread_connections_783.feather",
        "proofread_root_ids_783.npy",
        "Supplemental_file1_neuron_annotations.tsv",
    )
)
_ZENODO = "https://zenodo.org/records/10676866/files"
_LINEAGE = "one adult female, FlyWire reconstruction of the FAFB micrographs, materialisation 783"
MOST_NEURONS = 10_000_000
"""A list of neurons that claims more is not one."""

_PARTS = ("total", "RHS", "LHS", "bilateral")
_TYPE_FIELDS = (
    Field("from type", "text", "Presynaptic cell type"),
    Field("to type", "text", "Postsynaptic cell type"),
    *(
        Field(f"{what} {part}", "int64", f"Number of {what}, {where}", what)
        for what in ("connections", "synapses")
        for part, where in zip(
            _PARTS, ("all", "in the right optic lobe", "in the left optic lobe", "between the two"), strict=True
        )
    ),
)
_TRANSMITTERS = {
    "gaba": "GABA", "ach": "acetylcholine", "glut": "glutamate", "oct": "octopamine", "ser": "serotonin",
    "da": "dopamine",
}  # fmt: skip
_CONNECTION_FIELDS = (
    Field("pre_pt_root_id", "int64", "Root id of the presynaptic neuron"),
    Field("post_pt_root_id", "int64", "Root id of the postsynaptic neuron"),
    Field("neuropil", "category", "Neuropil of the synapses"),
    Field("syn_count", "int64", "Number of synapses", "synapses"),
    *(
        Field(f"{key}_avg", "float64", f"Confidence that the transmitter is {name}, mean over the synapses", "1")
        for key, name in _TRANSMITTERS.items()
    ),
)
_PLACES = {"pos": "an anchor point of the neuron", "soma": "the cell body"}
_ANNOTATION_FIELDS = (
    Field("root_id", "int64", "Root id"),
    Field("supervoxel_id", "int64", "Supervoxel at the anchor point", required=False),
    *(
        Field(f"{key}_{axis}", "float64", f"Position of {what} along {axis}, voxels of 4 x 4 x 40 nm", "voxel", False)
        for key, what in _PLACES.items()
        for axis in "xyz"
    ),
    Field("top_nt_conf", "float64", "Confidence in the predicted transmitter", "1", required=False),
)


def _read_types(files: Files) -> xr.DataTree:
    table = read_delimited(files["types"], _TYPE_FIELDS, subject=files["types"].name, others=False)
    edges: dict[str, xr.Variable] = {}
    for what in ("connections", "synapses"):
        parts = [table.values(f"{what} {part}") for part in _PARTS]
        wrong = np.flatnonzero(parts[0] != sum(parts[1:]))
        if len(wrong):
            raise FormatError(
                f"the parts of the {what} do not add up", subject=files["types"].name, place=f"line {wrong[0] + 2}",
                expected=str(int(parts[0][wrong[0]])), found=" + ".join(str(int(part[wrong[0]])) for part in parts[1:]),
            )  # fmt: skip
        for part in _PARTS:
            edges[f"{what}_{part.lower()}"] = table.variable(f"{what} {part}", "edge")
    graph = neuron_graph(
        pre=table.values("from type"),
        post=table.values("to type"),
        edge_type="chemical",
        edge_types={
            "chemical": synapses(
                weight_units="synapses",
                weight_meaning="number of synapses from all neurons of a type to all of another, both optic lobes; "
                "connections of at least 2 synapses (5 in the central brain)",
                lineage=_LINEAGE,
            )
        },
        weight=table.values("synapses total"),
        weight_units="synapses",
        edges=edges,
        subject=files["types"].name,
        first_row=2,
        nodes_are="cell types of the optic lobes",
    )
    return record({"connectome": graph})


def _read_brain(files: Files) -> xr.DataTree:
    neurons = _root_ids(files["neurons"])
    table = read_arrow(files["connections"], _CONNECTION_FIELDS, others=False)
    nodes: dict[str, xr.Variable] = {}
    notes: list[dict[str, str]] = []
    if "annotations" in files:
        nodes, notes = _annotations(files["annotations"], neurons)
    else:
        message = "not here: nothing but the ids is known of the neurons"
        notes.append(warning("no-annotations", _ANNOTATIONS, message))
    nodes["node_kind"] = category("node", ["neuron"] * len(neurons), ["neuron"], "What the node is")
    but = ("pre_pt_root_id", "post_pt_root_id", "syn_count")
    graph = neuron_graph(
        pre=table.values("pre_pt_root_id"),
        post=table.values("post_pt_root_id"),
        node=neurons,
        nodes=nodes,
        edge_type="chemical",
        edge_types={
            "chemical": synapses(
                weight_units="synapses",
                weight_meaning="number of synapses from one neuron to another in one neuropil, no threshold",
                lineage=_LINEAGE,
            )
        },
        weight=table.values("syn_count"),
        weight_units="synapses",
        edges=table.variables("edge", but=but),
        subject=files["connections"].name,
    )
    return record({"connectome": graph}, warnings=notes)


def _root_ids(path: Path) -> np.ndarray[Any, Any]:
    """Read the list of neurons, exactly: unsigned numbers of 64 bits below 2**63."""
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(stream)
        if len(shape) != 1 or shape[0] > MOST_NEURONS or dtype.kind not in "iu":
            raise ValueError(f"{dtype} {shape}")
        ids: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FormatError(
            "not a list of ids", subject=str(path), expected="one dimension of whole numbers in NumPy's format",
            found=" ".join(str(error).split())[:200],
        ) from error  # fmt: skip
    if ids.dtype.kind == "u" and ids.size and int(ids.max()) >= 2**63:
        raise FormatError("an id needs more than 63 bits", subject=str(path), found=str(int(ids.max())))
    return ids.astype(np.int64)


def _annotations(path: Path, neurons: np.ndarray[Any, Any]) -> tuple[dict[str, xr.Variable], list[dict[str, str]]]:
    """Join the annotations to the neurons by root id."""
    table = read_delimited(path, _ANNOTATION_FIELDS, subject=path.name, delimiter="\t")
    ids = table.values("root_id")
    first, where = np.unique(ids, return_index=True)
    notes = []
    if len(first) != len(ids):
        message = f"{len(ids) - len(first)} rows repeat a root id: the first row of each is joined"
        notes.append(warning("annotated-twice", path.name, message))
    rows = match_ids(first, neurons)
    rows = np.where(rows < 0, -1, where[rows])
    lacking, strange = int((rows < 0).sum()), len(first) - len(np.intersect1d(first, neurons))
    if lacking or strange:
        message = f"{lacking} neurons have no row, {strange} rows are of neurons that are not in the list"
        notes.append(warning("annotations-differ", path.name, message))
    return table.variables("node", but=("root_id",), order=rows), notes


_ABOUT = {
    "species": "Drosophila melanogaster",
    "stage": "adult",
    "sex": "female",
    "licence": "CC-BY-4.0",
}
_TYPE_ABOUT = {
    "citation": "Matsliah et al., Nature 634:166-180 (2024)",
    "doi": "10.1038/s41586-024-07981-1",
    "licence": "Apache-2.0",
}
_BRAIN_ABOUT = {
    "citation": "Dorkenwald et al., Nature 634:124-138 (2024); Schlegel et al., Nature 634:139-152 (2024)",
    "doi": "10.1038/s41586-024-07558-y",
    "data_doi": "10.5281/zenodo.10676866",
}

_CHECKS = {
    _CONNECTIONS: has_md5("f48f972d262323a102aed49af1396b8a"),
    _NEURONS: has_md5("e0e6c19732fd8c7a4e39a2d170105421"),
}
"""As the record at Zenodo states them."""


class Flywire783(GraphSource):
    """The whole brain neuron by neuron, and its optic lobes type by type."""

    id = "flywire783"
    version = "1"
    dataset = "flywire"
    about = _ABOUT
    checks = _CHECKS
    raw_files = (
        github(
            _TABLE, "murthylab/visual-system-parts-list", "0d8574d46627ce7fadd968a3c5d602e837325373",
            "data/type_to_type_connection_and_synapse_counts.csv", size=2159275,
            sha256="215cf7a65895f9f84768db34052964542f7ebbe986ce9864b7e9ed2976c55e38", licence="Apache-2.0",
            records=(_TYPES,),
        ),
        RemoteFile(
            _CONNECTIONS, f"{_ZENODO}/proofread_connections_783.feather?download=1", 852022274,
            licence="CC-BY-4.0", records=(_BRAIN,), optional=True,
        ),
        RemoteFile(
            _NEURONS, f"{_ZENODO}/proofread_root_ids_783.npy?download=1", 1114168,
            licence="CC-BY-4.0", records=(_BRAIN,), optional=True,
        ),
        github(
            _ANNOTATIONS, "flyconnectome/flywire_annotations", "v3.1.0",
            "supplemental_files/Supplemental_file1_neuron_annotations.tsv", size=None, sha256=None,
            licence="none-stated", records=(_BRAIN,), optional=True,
        ),
    )  # fmt: skip
    graphs = (
        PublishedGraph(
            record=_TYPES,
            title="Types of the optic lobes of FlyWire, type to type (Matsliah et al. 2024)",
            files={"types": _TABLE},
            read=_read_types,
            attrs=_TYPE_ABOUT,
            facts={
                "/connectome": {
                    "n_nodes": 742,
                    "n_edges": 72954,
                    "edges": {"chemical": {"n": 72954, "weight_sum": 23500481}},
                }
            },
        ),
        PublishedGraph(
            record=_BRAIN,
            title="Connectome of the brain of an adult female Drosophila, FlyWire 783 (Dorkenwald et al. 2024)",
            files={"connections": _CONNECTIONS, "neurons": _NEURONS},
            optional={"annotations": _ANNOTATIONS},
            read=_read_brain,
            attrs=_BRAIN_ABOUT,
        ),
    )
