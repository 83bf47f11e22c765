"""Graphs in NumPy and in PyTorch Geometric: what is kept."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.graphs import load_graph, node_features
from connectome.loaders.pyg import TemporalGraphDataset, to_data, to_hetero
from connectome.loaders.reading.specs import parse_record_spec
from connectome.schema import category, column

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.loader import DataLoader

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

NODES = ["AVAL", "AVAR", "RIS", "VB2", "MDL01"]
EDGES = [
    ("AVAL", "AVAR", "chemical", 3),
    ("AVAL", "AVAR", "chemical", 2),
    ("AVAR", "AVAR", "chemical", 1),
    ("RIS", "AVAL", "chemical", 5),
    ("VB2", "MDL01", "chemical", 0),
    ("AVAL", "RIS", "gap_junction_listed", 4),
    ("AVAL", "RIS", "gap_junction", 4),
    ("RIS", "AVAL", "gap_junction", 4),
]
AGREED = [1.5, 0.0, np.nan, 2.25, np.nan, 7.0, 8.0, np.nan]


def connectome_record():
    place = {name: at for at, name in enumerate(NODES)}
    about = {
        name: {"directed": name == "chemical", "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}
        for name in ("chemical", "gap_junction_listed", "gap_junction")
    }
    about["gap_junction"] |= {"derived_from": "gap_junction_listed", "rule": "written in both directions"}
    nodes = {
        "node_kind": category("node", ["neuron"] * 4 + ["muscle"], ["neuron", "muscle"], "Kind"),
        "transmitter": category("node", ["ACh", "ACh", "GABA", None, None], ["ACh", "GABA"], "Transmitter"),
        "name": column("node", NODES, "Name"),
        "depth": column("node", np.array([1.0, 2.0, np.nan, 4.0, 5.0]), "Generated", "um"),
        **{axis: column("node", np.array([0.5, 1, 2, np.nan, 4]), "Position", "um") for axis in "xyz"},
    }
    graph = schema.graph(
        node=NODES,
        source=np.array([place[edge[0]] for edge in EDGES]),
        target=np.array([place[edge[1]] for edge in EDGES]),
        edge_type=[edge[2] for edge in EDGES],
        edge_types=about,
        weight=np.array([edge[3] for edge in EDGES]),
        nodes=nodes,
        edges={
            "agreed": column("edge", np.array(AGREED), "Generated", "synapses"),
            "n_seen": column("edge", np.arange(len(EDGES), dtype=np.int8), "Generated", "1"),
            "place": column("edge", [f"line {at}" for at in range(len(EDGES))], "Generated"),
        },
    )
    return schema.record({"connectome": graph})


@pytest.fixture
def version(make_store):
    return make_store({"one": connectome_record()}, dataset="graphs")


def rows(graph):
    return list(graph.frame().itertuples(index=False, name=None))


# -- graphs ----------------------------------------------------------------------------------------------------------


def test_every_row_of_the_chosen_types_is_kept_with_its_direction(version):
    assert rows(load_graph(version, record="one")) == [edge for edge in EDGES if edge[2] != "gap_junction_listed"]
    assert rows(load_graph(version, record="one", edge_types=None)) == EDGES
    assert rows(load_graph(version, record="one", edge_types=["gap_junction_listed"])) == [EDGES[5]]


def test_the_codes_of_edge_types_follow_the_order_in_which_they_are_asked_for(version):
    graph = load_graph(version, record="one", edge_types=["gap_junction", "chemical"])
    assert graph.edge_types == ("gap_junction", "chemical")
    assert graph.edge_type.tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_nodes_can_be_chosen_by_kind_and_by_name(version):
    neurons = load_graph(version, record="one", node_kinds=["neuron"])
    assert neurons.nodes == tuple(NODES[:4])
    assert ("VB2", "MDL01", "chemical", 0) not in rows(neurons)
    part = neurons.select(["RIS", "AVAL"])
    assert part.nodes == ("RIS", "AVAL")
    assert rows(part) == [edge for edge in rows(neurons) if {edge[0], edge[1]} <= {"RIS", "AVAL"}]
    assert part.column("transmitter").tolist() == ["GABA", "ACh"]
    with pytest.raises(NotFoundError, match="no such nodes"):
        neurons.select(["MDL01"])


def test_any_column_of_numbers_can_be_the_weight_and_edges_without_it_are_left_out(version):
    chosen = [(*edge[:3], weight) for edge, weight in zip(EDGES, AGREED, strict=True) if weight == weight]
    graph = load_graph(version, record="one", edge_types=None, weight="agreed")
    assert rows(graph) == chosen
    assert 0.0 in graph.weight
    assert rows(load_graph(version, record="one", edge_types=None, weight="weight")) == EDGES
    assert load_graph(version, record="one", edge_types=None, weight="n_seen").weight.tolist() == list(range(8))
    made = to_data(version, record="one", weight="agreed")
    assert made.edge_weight.tolist() == [1.5, 0.0, 2.25, 8.0]
    hetero = to_hetero(version, record="one", weight="agreed")
    assert hetero["cell", "chemical", "cell"].edge_weight.tolist() == [1.5, 0.0, 2.25]


def test_a_weight_is_a_column_of_numbers_of_a_graph_that_is_yet_to_be_read(version):
    with pytest.raises(NotFoundError, match="no such column") as caught:
        load_graph(version, record="one", weight="consensus")
    assert "agreed" in caught.value.expected
    for name in ("place", "edge_type"):
        with pytest.raises(UsageError, match="a weight is a number"):
            load_graph(version, record="one", weight=name)
    with pytest.raises(UsageError, match="loaded already"):
        load_graph(load_graph(version, record="one"), weight="agreed")


def test_a_record_can_be_named_in_one_text(version, tmp_path):
    assert rows(load_graph("graphs@1/one", root=tmp_path / "store")) == rows(load_graph(version, record="one"))
    assert rows(load_graph("graphs@1", root=tmp_path / "store")) == rows(load_graph(version, record="one"))
    assert parse_record_spec("a@1.2/b") == ("a@1.2", "b")
    for wrong in ("a/", "/b", "a/b/c", ""):
        with pytest.raises(UsageError, match="not a record"):
            parse_record_spec(wrong)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"record": "two"}, NotFoundError),
        ({"record": "one", "group": "vessels"}, NotFoundError),
        ({"record": "one", "edge_types": ["electrical"]}, NotFoundError),
        ({"record": "one", "edge_types": "all"}, UsageError),
        ({"record": "one", "node_kinds": ["neurone"]}, NotFoundError),
    ],
)
def test_what_does_not_exist_is_named(version, options, kind):
    with pytest.raises(kind):
        load_graph(version, **options)


def test_a_record_that_is_open_is_no_version(version):
    with pytest.raises(UsageError, match="not a version"):
        load_graph(version.open("one"))


def test_features_are_numbers_and_one_column_per_label_with_a_mask(version):
    found = node_features(load_graph(version, record="one"), ["depth", "transmitter"])
    assert found.names == ("depth", "transmitter=ACh", "transmitter=GABA")
    assert found.values.tolist() == [[1, 1, 0], [2, 1, 0], [0, 0, 1], [4, 0, 0], [5, 0, 0]]
    assert found.mask.tolist() == [[1, 1, 1], [1, 1, 1], [0, 1, 1], [1, 0, 0], [1, 0, 0]]
    with pytest.raises(UsageError, match="only numbers and categories"):
        node_features(load_graph(version, record="one"), ["name"])
    with pytest.raises(NotFoundError, match="no such column"):
        node_features(load_graph(version, record="one"), ["colour"])


# -- PyTorch Geometric -----------------------------------------------------------------------------------------------


def test_a_data_object_has_the_edges_weights_types_positions_and_names(version):
    data = to_data(version, record="one", features=["transmitter"], target="node_kind")
    data.validate()
    assert data.edge_index.dtype == torch.int64
    assert data.edge_index.tolist() == [[0, 0, 1, 2, 3, 0, 2], [1, 1, 1, 0, 4, 2, 0]]
    assert data.edge_weight.tolist() == [3, 2, 1, 5, 0, 4, 4]
    assert data.edge_type.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert data.names["edge_type"] == ["chemical", "gap_junction"]
    assert data.pos_mask.tolist() == [True, True, True, False, True]
    assert data.y.tolist() == [0, 0, 0, 0, 1]
    assert data.names["node"] == NODES
    assert data.num_nodes == 5
    assert data.x.shape == data.x_mask.shape == (5, 2)


def test_a_hetero_graph_has_one_relation_per_edge_type(version):
    data = to_hetero(version, record="one", edge_types=None)
    data.validate()
    relations = {name: store.edge_index.shape[1] for name, store in zip(data.edge_types, data.edge_stores, strict=True)}
    assert relations == {
        ("cell", "chemical", "cell"): 5,
        ("cell", "gap_junction_listed", "cell"): 1,
        ("cell", "gap_junction", "cell"): 2,
    }


def test_a_hetero_graph_by_kind_has_every_edge_once_between_the_right_cells(version):
    data = to_hetero(version, record="one", node_types="node_kind", edge_types=None)
    data.validate()
    found = []
    for left, edge_type, right in data.edge_types:
        store = data[left, edge_type, right]
        names = data[left].names["node"], data[right].names["node"]
        for (a, b), weight in zip(store.edge_index.T.tolist(), store.edge_weight.tolist(), strict=True):
            found.append((names[0][a], names[1][b], edge_type, int(weight)))
    assert sorted(found) == sorted(EDGES)
    assert data["muscle"].names["node"] == ["MDL01"]


# -- recordings on a connectome --------------------------------------------------------------------------------------


@pytest.fixture
def worms(make_store, generated):
    rng = np.random.default_rng(6)
    one = [("1", "RIS", "RIS", "exact"), ("2", "AVA?", "", "ambiguous"), ("3", "AVAL", "AVAL", "exact")]
    two = [("1", "VB02", "VB2", "normalised"), ("2", "AVAL", "AVAL", "exact"), ("3", "PVD", "PVDL", "exact")]
    signals = [rng.normal(size=(3, 40)) for _ in range(3)]
    signals[1][1, 5] = np.nan
    nothing = [("1", "", "", "unlabelled")]
    return make_store(
        {name: generated.worm(x, r) for name, x, r in zip("abz", signals, (one, two, nothing), strict=True)},
        dataset="worms",
    )


def test_an_item_has_the_traces_of_the_joined_neurons_and_the_edges_among_them(worms, version):
    graph = load_graph(version, record="one")
    items = TemporalGraphDataset(worms, graph=graph, window=10, horizon=2, stride=5)
    assert items.records == ("a", "b")
    item = items[1]
    item.validate()
    signal = worms.open("a")["activity"]["signal"].values
    assert item.names["node"] == ["AVAL", "RIS"]
    assert np.array_equal(item.x.numpy(), signal[[2, 0], 5:15].astype(np.float32))
    assert np.array_equal(item.y.numpy(), signal[[2, 0], 15:17].astype(np.float32))
    names = [(item.names["node"][a], item.names["node"][b]) for a, b in item.edge_index.T.tolist()]
    assert names == [("RIS", "AVAL"), ("AVAL", "RIS"), ("RIS", "AVAL")]
    assert item.edge_weight.tolist() == [5, 4, 4]
    assert item.record == "a"
    assert item.time_s.shape == (1, 10)
    assert [graph.nodes[at] for at in item.node_id.tolist()] == item.names["node"]
    assert len(items) == 2 * ((40 - 12) // 5 + 1)


def test_all_nodes_of_the_connectome_can_be_kept_under_a_mask(worms, version):
    items = TemporalGraphDataset(worms, graph=load_graph(version, record="one"), window=10, nodes="all")
    item = items[4]
    assert item.record == "b"
    assert item.names["node"] == NODES
    assert item.x_mask.any(dim=1).tolist() == [True, False, False, True, False]
    assert not item.x[~item.x_mask].any()
    assert item.x_mask[0].sum() == 9
    assert item.edge_index.shape[1] == 7
    assert "y" not in item


def test_the_report_lists_every_roi_of_every_animal_with_its_reason(worms, version):
    items = TemporalGraphDataset(worms, graph=load_graph(version, record="one"), window=10)
    report = items.report().set_index(["record", "roi"])
    assert report["matched"].to_dict() == {
        ("a", "1"): True,
        ("a", "2"): False,
        ("a", "3"): True,
        ("b", "1"): True,
        ("b", "2"): True,
        ("b", "3"): False,
        ("z", "1"): False,
    }
    assert report["reason"]["b", "3"] == "one has no such cell"
    assert report["reason"]["z", "1"] == "the ROI has no label"


def test_items_of_different_animals_batch_and_read_the_same_one_by_one(worms, version):
    items = TemporalGraphDataset(worms, graph=load_graph(version, record="one"), window=10, horizon=1, stride=3)
    batch = next(iter(DataLoader(items, batch_size=len(items))))
    parts = batch.to_data_list()
    assert len(parts) == len(items)
    for at, part in enumerate(parts):
        alone = items[at]
        assert torch.equal(part.x, alone.x)
        assert torch.equal(part.y, alone.y)
        assert torch.equal(part.edge_index, alone.edge_index)
        assert part.record == alone.record


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_recordings_on_a_connectome_come_the_same_from_workers(worms, version, context):
    items = TemporalGraphDataset(worms, graph=load_graph(version, record="one"), window=10, stride=7)
    assert len(items[0].x)
    alone = [batch.x for batch in DataLoader(items, batch_size=3)]
    loader = DataLoader(items, batch_size=3, num_workers=2, multiprocessing_context=context)
    assert all(torch.equal(one.x, two) for one, two in zip(loader, alone, strict=True))


def test_items_follow_a_split_and_a_transform(worms, version, generated):
    from connectome.loaders.recordings.transforms import CausalZScore
    from connectome.splits import Split
    from connectome.splits.split import Entry

    split = Split("hand", {"kind": "by-hand"}, (Entry("a", "train"), Entry("b", "test")), {})
    graph = load_graph(version, record="one")
    items = TemporalGraphDataset(
        worms, graph=graph, window=10, horizon=1, stride=1, split=(split, "test"), transform=CausalZScore()
    )
    assert items.records == ("b",)
    signal = worms.open("b")["activity"]["signal"].values[0]
    past = signal[:31]
    value = items[20].y[items[20].names["node"].index("VB2"), 0]
    assert abs(float(value) - (past[-1] - past.mean()) / past.std()) < 1e-5


@pytest.mark.parametrize("options", [{"horizon": -1, "window": 5}, {"horizon": 1, "window_s": 1.0}, {"nodes": "some"}])
def test_items_that_cannot_be_made_are_refused(worms, version, options):
    with pytest.raises(UsageError):
        TemporalGraphDataset(worms, graph=load_graph(version, record="one"), **{"window": None, **options})
