"""The benchmark of sampling at a tiny scale: every way samples the same graph. No time is tested."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import sampling
from connectome.loaders.graphs.neighbours import ANY, Neighbours

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 0.0006
"""About 2,100 nodes."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small generated brain, ingested, and PyG's form of it."""
    root = tmp_path_factory.mktemp("brain")
    import connectome.loaders.pyg  # noqa: F401 - imports PyG without its warning

    for step in ("generate", "ingest", "pyg_save"):
        sampling.STEPS[step](root, SCALE)
    return root


def test_the_store_and_the_memory_hold_the_same_neighbours(root: Path) -> None:
    graph = sampling._graph(root)
    figures = sampling.first_use(root, SCALE)
    assert figures["nodes"] == graph.n_nodes
    stored = Neighbours(graph.incident)
    memory, n_nodes = sampling._in_memory(root)
    assert n_nodes == graph.n_nodes
    seeds = sampling._seeds(n_nodes)[0]
    found = [sampler.sample(seeds, [-1, -1], np.random.default_rng(0)) for sampler in (stored, memory)]
    assert np.array_equal(np.sort(found[0].edge[ANY]), np.sort(found[1].edge[ANY]))
    assert set(found[0].node[""].tolist()) == set(found[1].node[""].tolist())
    assert len(stored.relations[ANY].neighbour) == figures["neighbours"] == len(memory.relations[ANY].neighbour)


def test_every_step_gives_figures_and_the_ways_that_are_compared_sample_alike(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "ROUNDS", 1)
    monkeypatch.setattr(sampling, "BATCHES", 2)
    found: dict[str, Any] = {
        name: sampling.STEPS[name](root, SCALE)
        for name in ("from_store", "from_memory", "in_turn", "loader_store", "loader_pyg")
    }
    assert json.loads(json.dumps(found)).keys() == found.keys()
    drawn = {name: figures["edges_per_batch"] for name, figures in found["in_turn"].items()}
    # SciPy and PyG merge parallel edges, so they may draw a few less.
    for name, figures in drawn.items():
        assert 0.95 * drawn["memory"] < figures < 1.05 * drawn["memory"], name
    for name in ("from_store", "loader_store", "loader_pyg"):
        assert 0.95 * drawn["memory"] < found[name]["edges_per_batch"] < 1.05 * drawn["memory"], name
