"""The benchmark of negatives and line graphs compares like with like, on a small generated brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import links

pytest.importorskip("torch_geometric", reason="PyG is not installed")

SCALE = 0.0005


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a generated brain."""
    folder = tmp_path_factory.mktemp("brain")
    made = links.generate(folder, SCALE)
    assert made == {"nodes": 1769, "edges": 2673}
    return folder


def test_all_ways_make_the_same_line_graph(brain: Path):
    stages = (links.line_stream, links.line_array, links.line_pyg, links.line_networkx)
    counts = {stage(brain, SCALE)["directed_edges"] for stage in stages}
    assert len(counts) == 1
    assert counts.pop() > 2 * 2673


@pytest.mark.parametrize("kind", ["random", "spatial", "distance-matched"])
def test_there_is_a_negative_per_link(brain: Path, kind: str):
    graph = links.load(brain)
    ends = np.sort(np.stack([graph["source"].values, graph["target"].values], axis=1), axis=1)
    n_links = len(np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0))
    assert links.negatives_of(kind)(brain, SCALE)["negatives"] == n_links


def test_peers_are_scaled_to_the_whole_brain(brain: Path):
    found = links.scan(brain, SCALE)
    assert found["seconds"] == pytest.approx(found["try_s"] * 1.5 * 2673)
    found = links.kd_tree(brain, SCALE)
    assert found["seconds"] == pytest.approx(found["build_s"] + found["try_s"] * 1.5 * 2673)


def test_the_report_tells_what_is_trivial(brain: Path):
    found = links.report(brain, SCALE)
    assert found["roc_auc_random_distance"] > found["roc_auc_spatial_distance"] > 0.7
    assert found["roc_auc_distance-matched_distance"] < 0.65
