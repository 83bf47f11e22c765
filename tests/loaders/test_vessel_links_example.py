"""The example that trains graph networks on a real vessel graph: it runs, repeats itself and hides what it must."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch_geometric", reason="PyG is not installed")

import torch
from torch_geometric.data import Data

EXAMPLE = Path("docs") / "examples" / "vessel_links.py"


@pytest.fixture(scope="module")
def example(project: Path) -> dict[str, Any]:
    """Return what the script defines; PyG looks up the module of a layer by its name."""
    spec = importlib.util.spec_from_file_location("vessel_links_example", project / EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return vars(module)


@pytest.fixture(autouse=True)
def threads():
    """Give back the threads that the script does without."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.data
def test_on_the_real_export_models_find_what_distance_cannot(
    example: dict[str, Any], data_dir: Path, tmp_path: Path
) -> None:
    folder = data_dir / "vessel" / "vesselgraph_example"
    result = example["run"](tmp_path / "store", folder, epochs=4, seeds=[0])
    assert result["graph"] == "a real Voreen export of a synthetic tree"
    assert sum(result["links"].values()) == 3035, "every pair of different nodes that is joined"
    spatial, matched = (result["test_roc_auc"][kind] for kind in ("spatial", "distance-matched"))
    assert spatial["distance"][0] > 0.85, "negatives as published are farther apart than the links"
    assert 0.4 < matched["distance"][0] < 0.65, "matched ones are not"
    assert spatial["coordinate differences"][0] > 0.85
    assert matched["coordinate differences"][0] > 0.75
    assert matched["degree_leak"][0] > 0.9, "the degree of the whole graph gives held-out links away"
    shown = example["text"](result)
    assert "not over animals" in shown
    assert "coordinate differences" in shown


def test_without_real_files_vessels_are_generated_called_so_and_give_the_same_digits_again(
    example: dict[str, Any], tmp_path: Path
) -> None:
    results = [
        example["run"](tmp_path / name, tmp_path / "nowhere", epochs=1, seeds=[3], generated_nodes=300)
        for name in ("one", "other")
    ]
    assert results[0] == results[1]
    assert example["text"](results[0]).startswith("GENERATED vessels")


def test_edges_that_are_to_be_predicted_are_hidden_both_ways_with_their_degrees(example: dict[str, Any]) -> None:
    batch = Data(
        edge_index=torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]),
        training_degree=torch.tensor([1, 2, 2, 7]),
        edge_label_index=torch.tensor([[2, 0], [1, 3]]),
        edge_label=torch.tensor([1.0, 0.0]),
        num_nodes=4,
    )
    seen = example["HideTargets"]()(batch)
    assert seen.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert seen.degree.tolist() == [1, 1, 1, 4]


@pytest.mark.parametrize("name", ["GraphSAGE", "coordinate differences"])
def test_a_score_does_not_depend_on_which_end_comes_first(example: dict[str, Any], name: str) -> None:
    torch.manual_seed(0)
    batch = Data(
        edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]),
        pos=torch.randn(4, 3),
        degree=torch.tensor([1, 2, 1, 0]),
        edge_label_index=torch.tensor([[0, 2, 3], [2, 3, 1]]),
        num_nodes=4,
    )
    net = example["MODELS"][name](1.5, torch.zeros(3))
    first = net(batch)
    torch.testing.assert_close(first, net(batch.update({"edge_label_index": batch.edge_label_index.flip(0)})))
    moved = net(batch.update({"pos": batch.pos + 100.0}))
    assert torch.allclose(first, moved, atol=1e-4) is (name == "coordinate differences")
