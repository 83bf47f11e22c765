"""Spikes as graphs of PyTorch Geometric: units as nodes, joined where they share a value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import NotFoundError, UsageError
from connectome.loaders.events.source import EventSource
from connectome.loaders.events.trials import TrialSource
from connectome.loaders.pyg import event_graphs
from connectome.loaders.pyg.events import shared_edges
from support.spike_sessions import sessions


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    return commit_records(tmp_path_factory.mktemp("spikes") / "store", "generated-spikes", sessions())


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=9), st.booleans())
def test_edges_are_all_ordered_pairs_that_share_a_known_value(names, as_numbers):
    values = np.array(names, dtype=object)
    if as_numbers:
        values = np.array([{"": np.nan, "a": 0.0, "b": 1.5, "c": -2.0}[name] for name in names], dtype=np.float64)
    n = len(names)
    slow = [(i, j) for i in range(n) for j in range(n) if i != j and names[i] == names[j] != ""]
    assert shared_edges(values).T.tolist() == [list(pair) for pair in slow]


def test_graphs_hold_the_counts_of_the_units_of_their_session(version):
    source = EventSource(version, window_s=0.5, bin_s=0.02)
    record = source.index.record[source.index.locate(range(len(source)))[0]]
    chosen = [int(np.flatnonzero(record == at)[1]) for at in range(3)]
    graphs, batch = event_graphs(source, chosen, shared="location", columns=["snr"]), source.bins(chosen)
    for at, (graph, n_units) in enumerate(zip(graphs, (4, 7, 1), strict=True)):
        assert graph.num_nodes == n_units
        assert np.array_equal(graph.x.numpy(), batch.counts[at, :n_units])
        assert torch.equal(graph.mask, torch.from_numpy(batch.mask[at, :n_units]))
        assert graph.start_s == batch.start_s[at]
        assert graph.unit_columns.shape == (n_units, 1)
    # VISp, VISp, LGd, unknown.
    assert graphs[0].edge_index.tolist() == [[0, 1], [1, 0]]
    assert graphs[2].edge_index.shape == (2, 0)
    assert graphs[0].is_undirected()


def test_graphs_of_sessions_with_different_units_join_into_a_batch(version):
    from torch_geometric.data import Batch

    source = TrialSource(version, trials="stimulus/scenes", before_s=0, after_s=0.2, bin_s=0.05, labels=["scene"])
    chosen = [int(np.flatnonzero(source.record == at)[0]) for at in range(3)]
    joined = Batch.from_data_list(event_graphs(source, chosen, shared="group"))
    assert joined.x.shape == (12, 4)
    assert joined.unit.tolist() == list(range(12))
    assert joined.label_scene.tolist() == source.labels["scene"][chosen].tolist()


def test_columns_that_are_not_there_or_are_text_are_refused(version):
    source = EventSource(version, window_s=0.5, bin_s=0.02)
    with pytest.raises(NotFoundError):
        event_graphs(source, [0], shared="nothing")
    with pytest.raises(UsageError):
        event_graphs(source, [0], columns=["location"])
