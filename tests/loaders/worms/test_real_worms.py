"""The loaders on real recordings and connectomes, and the example that trains on them."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest

import connectome
from connectome.loaders.graphs import load_graph
from connectome.loaders.pyg import TemporalGraphDataset, to_data, to_hetero
from connectome.loaders.recordings.transforms import CausalZScore
from connectome.loaders.torch import WindowDataset

ANIMALS = ("dag2023-2022-07-26-31", "dag2023-2022-07-27-38", "dag2023-2022-07-27-45")
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def root(data_dir, tmp_path_factory):
    """Ingest the labelled animals and one connectome."""
    from connectome.pipelines.cli import main

    root = tmp_path_factory.mktemp("store")
    for dataset, chosen in [("celegans-activity", "dag2023-*"), ("celegans-connectomes", "witvliet2020-8,cook2019-*")]:
        arguments = ["--select", chosen, "--mirror", str(data_dir / "worm"), "--allow-missing", "--root", str(root)]
        assert main(["ingest", dataset, "--quiet", "--json", *arguments]) == 0
    return root


def test_windows_over_many_worms_have_the_traces_of_the_requested_neurons(root):
    version = connectome.open("celegans-activity", root=root)
    neurons = ["AVAL", "AVAR", "RIML", "NSML", "VB1", "URADL"]
    dataset = WindowDataset(version, window_s=30.0, stride_s=15.0, neurons=neurons, records=ANIMALS)
    batch = dataset.batch(range(len(dataset)))
    assert batch["signal"].shape[1:] == (6, 50)
    seen = 0
    for at in range(len(dataset)):
        name, start = dataset.records[batch["record"][at]], int(batch["start"][at])
        tree = version.open(name)
        table = tree["neuron"].to_dataset()
        for row, neuron in enumerate(neurons):
            status = table["status"].attrs["flag_labels"]
            rois = [
                str(roi)
                for roi, found, code in zip(
                    table["roi"].values, table["neuron"].values, table["status"].values, strict=True
                )
                if found == neuron and status[code] in {"exact", "normalised"}
            ]
            assert bool(batch["mask"][at, row].all()) == (len(rois) == 1)
            if rois:
                trace = tree["activity"]["signal"].sel(channel=rois[0]).values[start : start + 50]
                assert np.array_equal(batch["signal"][at, row].numpy(), trace.astype(np.float32))
                seen += 1
        assert np.array_equal(batch["time_s"][at].numpy(), tree["activity"]["time"].values[start : start + 50])
    assert seen > len(dataset)


def test_a_neuron_that_two_labels_claim_is_never_shown(root):
    dataset = WindowDataset("celegans-activity", window=50, neurons=["URADL", "AVAL"], records=ANIMALS, root=root)
    coverage = dataset.source.coverage()
    assert not coverage["URADL"]["dag2023-2022-07-27-38"]
    assert coverage["AVAL"]["dag2023-2022-07-27-38"]


def test_the_published_connectome_comes_with_its_counts(root):
    data = to_data("celegans-connectomes/cook2019-hermaphrodite", node_kinds=["neuron"], root=root)
    chemical = data.edge_type == 0
    # Cook et al. 2019 (corrected July 2020), among neurons: 3,707 pairs with 20,905 EM sections, 2,188 gap entries.
    assert int(chemical.sum()) == 3707
    assert float(data.edge_weight[chemical].sum()) == 20905
    assert int((~chemical).sum()) == 2188
    hetero = to_hetero("celegans-connectomes/cook2019-hermaphrodite", node_kinds=["neuron"], root=root)
    counts = {kind[1]: hetero[kind].edge_index.shape[1] for kind in hetero.edge_types}
    assert counts == {"chemical": 3707, "gap_junction": 2188}


def test_the_join_accounts_for_every_roi_of_every_animal(root):
    graph = load_graph("celegans-connectomes/witvliet2020-8", root=root)
    items = TemporalGraphDataset("celegans-activity", graph=graph, window=32, horizon=1, root=root)
    report = items.report()
    counts = report.groupby("record")["matched"].agg(["sum", "size"])
    assert counts.loc[list(ANIMALS)].to_numpy().tolist() == [[88, 146], [76, 135], [98, 140]]
    assert (report["matched"] == (report["reason"] == "")).all()
    assert set(report[report["matched"]]["neuron"]) <= set(graph.nodes)
    assert counts["sum"].get("dag2023-2022-01-16-01") == 0
    assert set(items.records) == set(ANIMALS)
    item = items[0]
    item.validate()
    assert item.num_nodes == 88


def test_causal_scores_of_a_real_animal_use_its_own_past_only(root):
    dataset = WindowDataset("celegans-activity", window=100, records=[ANIMALS[0]], transform=CausalZScore(), root=root)
    signal = connectome.open("celegans-activity", root=root).open(ANIMALS[0])["activity"]["signal"].values
    batch = dataset.batch([5])
    for t in (500, 555, 599):
        past = signal[:, : t + 1]
        expected = (past[:, -1] - past.mean(axis=1)) / past.std(axis=1)
        assert np.allclose(batch["signal"][0, :, t - 500], expected, rtol=1e-5, atol=1e-5)


def test_the_example_beats_persistence_on_every_held_out_animal_and_repeats_itself(root, project):
    script = project / "docs" / "examples" / "predict_next_step.py"
    command = [sys.executable, str(script), "--root", str(root), "--json"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=500).stdout)
    assert [row["animal"] for row in result["animals"]] == list(ANIMALS)
    for row in result["animals"]:
        mse = row["mse"]
        assert mse["and neighbours"] < mse["own past"] < 0.91 * mse["persistence"]
        assert mse["and neighbours"] < mse["and shuffled neighbours"]
    assert runpy.run_path(str(script))["run"](str(root)) == result
