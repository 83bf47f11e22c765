"""The real export of Voreen: every count, every row and every number comes back from the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.pipelines.cli import main
from connectome.pipelines.formats import recognise
from connectome.pipelines.formats.vessels import voreen

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = {
    "length": "length", "distance": "distance", "curveness": "curveness", "volume": "volume",
    "avgCrossSection": "cross_section", "minRadiusAvg": "radius_min", "minRadiusStd": "radius_min_std",
    "avgRadiusAvg": "radius_avg", "avgRadiusStd": "radius_avg_std", "maxRadiusAvg": "radius_max",
    "maxRadiusStd": "radius_max_std", "roundnessAvg": "roundness", "roundnessStd": "roundness_std",
    "node1_degree": "node1_degree", "node2_degree": "node2_degree", "num_voxels": "n_voxels",
    "hasNodeAtSampleBorder": "ends_at_sample_border", "node1id": "source", "node2id": "target",
}  # fmt: skip


@pytest.fixture(scope="module")
def known(data_dir: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((data_dir / "vessel" / "facts.json").read_text())["vesselgraph_example"]
    return facts


@pytest.fixture(scope="module")
def stored(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.DataTree, Path]:
    """Return the real example, imported by the command line and opened from the store."""
    from connectome.store import open_version

    root, folder = tmp_path_factory.mktemp("store"), data_dir / "vessel" / "vesselgraph_example"
    files = [str(folder / "example_nodes.csv"), str(folder / "example_edges.csv")]
    words = ["import", "voreen", *files, "--option", "voxel_size_um=3", "--dataset", "example", "--record", "tree"]
    assert main([*words, "--root", str(root), "--json"]) == 0
    return open_version("example", root=root).open("tree"), root


def test_every_count_of_the_real_export_is_reproduced_from_the_store(
    stored: tuple[xr.DataTree, Path], known: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tree, root = stored
    graph = tree["vessels"].to_dataset()
    source, target = graph["source"].values, graph["target"].values
    pairs = np.sort(np.stack([source, target], axis=1), axis=1)
    loop = source == target
    different, times = np.unique(pairs, axis=0, return_counts=True)
    ends = np.bincount(pairs.ravel(), minlength=2970)
    simple = different[different[:, 0] != different[:, 1]]
    position = np.stack([six(graph["position"][:, axis]) for axis in range(3)], axis=1)
    delta = six(graph["distance"])
    apart = np.linalg.norm(position[source] - position[target], axis=1)
    low, high = np.sort(ends[pairs], axis=1).T
    measured = {
        "nodes": graph.sizes["node"],
        "edge_rows": graph.sizes["edge"],
        "self_loop_rows": int(loop.sum()),
        "unique_unordered_pairs": len(different),
        "parallel_groups_nonloop": int((times[different[:, 0] != different[:, 1]] > 1).sum()),
        "parallel_groups_loop": int((times[different[:, 0] == different[:, 1]] > 1).sum()),
        "multigraph_degree_equals_degree_column": bool((ends == graph["degree"].values).all()),
        "degree_histogram_multigraph": np.bincount(ends).tolist(),
        "simple_graph_edges": len(simple),
        "degree_histogram_simple": np.bincount(np.bincount(simple.ravel(), minlength=2970)).tolist(),
        "isolated_after_simplify": int((np.bincount(simple.ravel(), minlength=2970) == 0).sum()),
        "components": schema.measure(tree)["/vessels"]["n_components"],
        "border_nodes": int(graph["at_sample_border"].values.sum()),
        "border_edges": int(graph["ends_at_sample_border"].values.sum()),
        "bbox_min": position.min(axis=0).tolist(),
        "bbox_max": position.max(axis=0).tolist(),
        "sum_length": round(float(six(graph["length"]).sum()), 4),
        "sum_volume": int(graph["volume"].values.sum(dtype=float)),
        "sum_num_voxels": int(graph["n_voxels"].values.sum()),
        "mean_avgRadiusAvg": round(float(six(graph["radius_avg"]).mean()), 6),
        "max_abs_distance_minus_euclid": round(float(np.abs(apart - delta).max()), 5),
        "node_degree_columns_are_sorted_min_max": bool(
            (graph["node1_degree"].values == low).all() and (graph["node2_degree"].values == high).all()
        ),
        "zero_distance_rows": int((delta == 0).sum()),
        "curveness_of_zero_distance_rows": np.unique(graph["curveness"].values[delta == 0]).tolist(),
        "class_counts_minRadiusAvg_gt_5_13p33_rows": np.bincount(
            np.searchsorted([5, 13.33], graph["radius_min"].values), minlength=3
        ).tolist(),
        "negative_sampling_delta_mean_plus_2std_ddof1": round(
            float(six(graph["distance"]).mean() + 2 * six(graph["distance"]).std(ddof=1)), 6
        ),
        "line_graph_directed_edges_simple": int(
            (np.bincount(simple.ravel()) * (np.bincount(simple.ravel()) - 1)).sum()
        ),
    }
    assert measured == known
    assert graph.attrs["degree_convention"] == "raw"
    assert graph.attrs["voxel_size_um"] == [3.0, 3.0, 3.0]
    capsys.readouterr()
    assert main(["facts", "example", "--root", str(root), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["tree"]["/vessels"]
    assert facts["degree_histogram"] == known["degree_histogram_multigraph"]


def six(values: xr.DataArray) -> np.ndarray[Any, Any]:
    """Return the decimals that were in the file."""
    return np.array([float(f"{value:.6g}") for value in values.values.tolist()])


def test_every_field_of_the_real_export_comes_back_from_the_store(
    stored: tuple[xr.DataTree, Path], data_dir: Path
) -> None:
    graph = stored[0]["vessels"].to_dataset()
    folder = data_dir / "vessel" / "vesselgraph_example"
    nodes = pd.read_csv(folder / "example_nodes.csv", sep=";").iloc[graph["node_row"].values]
    edges = pd.read_csv(folder / "example_edges.csv", sep=";").iloc[graph["edge_row"].values]
    assert (nodes["id"].to_numpy() == graph["node"].values).all()
    for axis, name in enumerate(("pos_x", "pos_y", "pos_z")):
        assert (six(graph["position"][:, axis]) == nodes[name].to_numpy()).all()
    for name, ours in COLUMNS.items():
        values = graph["node"].values[graph[ours].values] if ours in {"source", "target"} else six(graph[ours])
        assert (values == edges[name].to_numpy()).all(), name
        if ours not in {"source", "target", "ends_at_sample_border"}:
            assert graph[ours].attrs["units"], ours


def test_the_tables_are_recognised(data_dir: Path, generated: Any) -> None:
    folder = data_dir / "vessel" / "vesselgraph_example"
    assert recognise([folder / "example_nodes.csv", folder / "example_edges.csv"]).name == "voreen"
    assert recognise([generated.edges]).name == "voreen"


def test_the_columns_that_are_demanded_are_those_that_voreen_writes(data_dir: Path) -> None:
    folder = data_dir / "vessel" / "vesselgraph_example"
    for name, columns in (("nodes", voreen.NODES), ("edges", voreen.EDGES)):
        header = (folder / f"example_{name}.csv").read_text().splitlines()[0]
        assert set(header.split(";")) == set(columns)
