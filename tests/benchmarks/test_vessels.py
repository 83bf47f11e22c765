"""The benchmark of vessels runs, and what it compares is the same graph."""

from __future__ import annotations

from benchmarks.atlas import SEARCHED
from benchmarks.brain import BRAIN_EDGES, BRAIN_NODES
from benchmarks.vessels import PACKAGES, STEPS, run


def test_ingest_and_peer_read_the_same_generated_brain() -> None:
    scale = 0.0005
    n_nodes, n_edges = round(scale * BRAIN_NODES), round(scale * BRAIN_EDGES)
    figures = run(
        scale, names=("arrow", "ingest", "reopen", "read_all", "ogb_export", "ogb_read", "atlas", "atlas_search")
    )
    steps = figures["steps"]
    assert figures["generated"]["nodes"] == n_nodes
    assert (steps["reopen"]["nodes"], steps["reopen"]["edges"]) == (n_nodes, n_edges)
    assert len(steps["ingest"]["digest"]) == 64
    assert figures["bytes"]["record"] > 0
    if "skipped" not in steps["arrow"]:
        assert steps["arrow"]["rows"] == n_nodes + n_edges
        assert figures["ratios"]["ingest_over_arrow"] > 0
    assert (steps["read_all"]["nodes"], steps["read_all"]["edges"]) == (n_nodes, n_edges)
    assert steps["atlas"]["crc_of_first"] == steps["atlas_search"]["crc_of_first"]
    assert (steps["atlas"]["nodes"], steps["atlas_search"]["nodes"]) == (n_nodes, SEARCHED)
    assert figures["ratios"]["atlas_over_search"] > 0
    if "skipped" not in steps["ogb_read"]:
        assert steps["ogb_read"]["nodes"] == n_nodes
        # A loop has one direction.
        assert 1.98 * n_edges < steps["ogb_read"]["directed_edges"] < 2 * n_edges
        assert figures["ratios"]["read_all_over_ogb"] > 0


def test_every_step_of_the_peers_can_be_named_with_its_package() -> None:
    assert set(STEPS) - set(PACKAGES) == {
        "ingest", "reopen", "pyg_reopen", "read_all", "ogb_export", "atlas", "atlas_search",
    }  # fmt: skip
