"""Activity and connectome of several animals at once, the same numbers as window by window."""

from __future__ import annotations

import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.pyg import TemporalGraphDataset
from connectome.loaders.worms.panel import load_panel

TIME_S = np.cumsum(np.full(60, 0.5))


def exact(*names):
    return [(str(at + 1), name, name, "exact" if name else "unlabelled") for at, name in enumerate(names)]


@pytest.fixture
def version(make_store, generated):
    """Return generated animals of different length with different neurons, one that counts frames, one unnamed."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(3, 60)), rng.normal(size=(3, 40))
    first[0, 5:9] = np.nan
    second_s = np.where(np.arange(40) < 20, TIME_S[:40], TIME_S[:40] + 10.0)
    return make_store(
        {
            "a": generated.worm(first, exact("AVAL", "AVAR", ""), time_s=TIME_S),
            "b": generated.worm(second, exact("RIML", "AVAL", "XXX"), time_s=second_s),
            "frames": generated.worm(first, exact("AVAL", "", ""), frame_start=0),
            "unnamed": generated.worm(first, exact("", "", ""), time_s=TIME_S),
            "no-table": schema.record({"activity": generated.series(first)}),
        }
    )


@pytest.fixture
def graph(make_store):
    """Return a generated connectome of four neurons, with two parallel edges."""
    about = {"directed": True, "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}
    wiring = schema.graph(
        node=["RIMR", "RIML", "AVAR", "AVAL"],
        source=np.array([3, 3, 2, 1, 0]),
        target=np.array([1, 1, 3, 3, 1]),
        edge_type=["chemical", "chemical", "gap_junction", "chemical", "chemical"],
        edge_types={"chemical": about, "gap_junction": about},
        weight=np.array([1, 2, 4, 8, 16]),
    )
    return make_store({"wiring": schema.record({"connectome": wiring})}, dataset="wiring")


def test_animals_are_padded_under_a_mask_on_one_list_of_neurons(version):
    panel = load_panel(version)
    assert panel.neurons == ("AVAL", "AVAR", "RIML", "XXX")
    assert panel.records == ("a", "b")
    assert panel.signal.shape == (2, 4, 60)
    assert panel.mask.sum(axis=2).tolist() == [[56, 60, 0, 0], [40, 0, 40, 40]]
    assert np.array_equal(panel.time_s[0], TIME_S)
    assert np.isnan(panel.time_s[1, 40:]).all()
    stored = version.open("b")["activity"]["signal"].values
    assert np.array_equal(panel.signal[1, 0, :40], stored[1].astype(np.float32))
    assert (panel.signal[~panel.mask] == 0).all()
    assert panel.skipped == {
        "frames": "the record counts frames and has no time in seconds",
        "no-table": "no table of identities",
        "unnamed": "none of the neurons",
    }
    assert panel.graph is None


def test_with_a_connectome_the_panel_has_its_neurons_and_weights(version, graph):
    panel = load_panel(version, graph=graph_of(graph))
    assert panel.neurons == ("RIML", "AVAR", "AVAL")
    assert panel.adjacency("chemical").tolist() == [[0, 0, 8], [0, 0, 0], [3, 0, 0]]
    assert panel.adjacency("gap_junction").tolist() == [[0, 0, 0], [0, 0, 4], [0, 0, 0]]
    reasons = panel.report.set_index(["record", "label"])["reason"]
    assert reasons["b", "XXX"] == "wiring has no such cell"
    assert panel.report["matched"].sum() == 4
    assert load_panel(version, graph=graph_of(graph), neurons="graph").neurons == ("RIMR", "RIML", "AVAR", "AVAL")
    assert load_panel(version, graph=graph_of(graph), neurons="common").neurons == ("AVAL",)
    with pytest.raises(NotFoundError, match="no such edge type"):
        panel.adjacency("neuropeptide")
    with pytest.raises(NotFoundError, match="no such nodes"):
        load_panel(version, graph=graph_of(graph), neurons=["XXX"])


def graph_of(version):
    from connectome.loaders.graphs import load_graph

    return load_graph(version, record="wiring")


def test_the_panel_and_the_windows_on_graphs_have_the_same_numbers(version, graph):
    wiring = graph_of(graph)
    panel = load_panel(version, graph=wiring, neurons="graph", records=["a", "b"])
    items = TemporalGraphDataset(version, graph=wiring, window=20, nodes="all", records=["a", "b"])
    assert items.records == panel.records
    for item in items:
        at, start = panel.records.index(item.record), int(item.start)
        assert np.array_equal(item.x.numpy(), panel.signal[at, :, start : start + 20])
        assert np.array_equal(item.x_mask.numpy(), panel.mask[at, :, start : start + 20])
        assert np.array_equal(item.time_s.numpy()[0], panel.time_s[at, start : start + 20])
        assert np.array_equal(item.edge_index.numpy(), panel.graph.edge_index)
    joined = items.report()
    assert joined["matched"].tolist() == panel.report["matched"].tolist()


def test_a_rate_puts_every_animal_on_its_regular_clock_and_masks_gaps(version):
    panel = load_panel(version, rate_hz=4.0, max_gap_s=1.0)
    assert np.allclose(np.diff(panel.time_s[0, :119]), 0.25)
    gap = (panel.time_s[1] > 10.0) & (panel.time_s[1] < 20.5)
    assert gap.sum() == 41
    assert not panel.mask[1][:, gap].any()
    assert panel.mask[1, 0].sum() == 2 * 39
    with pytest.raises(UsageError, match="belong together"):
        load_panel(version, rate_hz=4.0)


def test_tensors_share_the_memory_of_the_panel(version, graph):
    panel = load_panel(version, graph=graph_of(graph))
    tensors = panel.as_tensors()
    tensors["signal"][0, 0, 0] = 7
    assert panel.signal[0, 0, 0] == 7
    assert tensors["edge_weight"].tolist() == panel.graph.weight.tolist()
    assert tensors["mask"].dtype.is_floating_point is False


def test_requests_that_cannot_be_met_are_refused(version):
    with pytest.raises(UsageError, match="counts frames"):
        load_panel(version, records=["frames"])
    with pytest.raises(UsageError, match="no table of identities"):
        load_panel(version, records=["no-table"])
    with pytest.raises(UsageError, match="no record can be used"):
        load_panel(version, neurons=["RIS"])
    with pytest.raises(UsageError, match="unknown choice"):
        load_panel(version, neurons="graph")
    with pytest.raises(UsageError, match="no connectome"):
        load_panel(version).adjacency("chemical")
