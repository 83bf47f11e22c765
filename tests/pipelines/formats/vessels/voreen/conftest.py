"""Generated tables of Voreen, and copies of them that a test may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.brain import write_generated_brain
from support.voreen_tables import ATLAS, Tables


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the paths of generated tables, for tests that change none."""
    return write_generated_brain(tmp_path_factory.mktemp("generated"), n_nodes=300, n_edges=453, seed=3, atlas=ATLAS)


@pytest.fixture
def tables(generated: Any, tmp_path: Path) -> Tables:
    """Return copies of generated tables that a test may change."""
    paths = tmp_path / "nodes.csv", tmp_path / "edges.csv"
    for path, source in zip(paths, (generated.nodes, generated.edges), strict=True):
        path.write_bytes(source.read_bytes())
    return paths
