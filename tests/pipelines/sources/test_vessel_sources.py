"""Vessel graphs, ingested from the publishers' files: every count that was computed from them apart."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import connectome
from connectome.graphs import (
    component_sizes,
    connected_components,
    edge_lengths,
    node_degrees,
    parallel_edges,
    polyline_lengths,
    simple_degrees,
)
from connectome.pipelines import read

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Manifest

pytestmark = pytest.mark.data

DATASETS = ("vesselgraph", "human-vessels", "vessel-samples", "simulated-retina-vessels")
LINES = {
    "human_brain_mra/arteries_smooth.vtk": "hodneland2019-arteries",
    "microvesselchaste/markelc_network.vtp": "microvesselchaste-markelc",
    "microvesselchaste/bio_original.vtp": "microvesselchaste-bio",
    "microvesselchaste/tapmeier_network.vtp": "microvesselchaste-tapmeier",
    "microvesselchaste/retinal.vtp": "microvesselchaste-retinal",
    "vesselgraph_example/example_graph.vtk": "example.vtk",
    "bbp_formats/penetrating_artery.vtk": "penetrating-artery",
}
SECTIONS = {
    "vessmorphovis/sample_1.h5": "mouse-cortex-sample-1",
    "vessmorphovis/sample_3.h5": "mouse-cortex-sample-3",
    "bbp_formats/capillary_with_loops.h5": "capillary-with-loops",
}
TREES = ("BG0002", "BG0003", "BG001", "BG04")

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def place(data_dir: Path) -> Path:
    return data_dir / "vessel"


@pytest.fixture(scope="module")
def graphs(root: Path, manifests: dict[str, Manifest]) -> dict[str, xr.Dataset]:
    return {
        record: connectome.open(dataset, root=root).open(record)["vessels"].to_dataset(inherit=False).load()
        for dataset, manifest in manifests.items()
        for record in manifest.records
    }


def ends(graph: xr.Dataset) -> tuple[Array, Array]:
    return graph["source"].values, graph["target"].values


def histogram(graph: xr.Dataset) -> list[int]:
    return np.bincount(node_degrees(*ends(graph), graph.sizes["node"])).tolist()


def components(graph: xr.Dataset) -> Array:
    return np.sort(component_sizes(connected_components(*ends(graph), graph.sizes["node"])))


def total_length(graph: xr.Dataset) -> float:
    if "point_ptr" in graph:
        return float(polyline_lengths(graph["point_ptr"].values, graph["point_position"].values).sum())
    position = graph["position"].values.astype(np.float64)
    return float(np.linalg.norm(position[graph["source"].values] - position[graph["target"].values], axis=1).sum())


def test_the_example_of_vesselgraph_has_the_counts_of_its_tables(graphs: dict[str, xr.Dataset], facts: dict[str, Any]):
    graph, told = graphs["example"], facts["vesselgraph_example"]
    source, target = ends(graph)
    n_nodes = graph.sizes["node"]
    assert (n_nodes, len(source)) == (told["nodes"], told["edge_rows"])
    assert int((source == target).sum()) == told["self_loop_rows"] == told["zero_distance_rows"]
    pairs = {tuple(sorted(pair)) for pair in zip(source.tolist(), target.tolist(), strict=True)}
    assert len(pairs) == told["unique_unordered_pairs"]
    repeated = parallel_edges(source, target, n_nodes)
    counted = Counter(tuple(sorted(pair)) for pair in zip(source.tolist(), target.tolist(), strict=True))
    several = [pair for pair, number in counted.items() if number > 1]
    assert sum(one != other for one, other in several) == told["parallel_groups_nonloop"]
    assert sum(one == other for one, other in several) == told["parallel_groups_loop"]
    assert (repeated.n_groups, repeated.n_loop_groups) == (
        told["parallel_groups_nonloop"],
        told["parallel_groups_loop"],
    )
    assert histogram(graph) == told["degree_histogram_multigraph"]
    degrees = node_degrees(source, target, n_nodes)
    assert np.array_equal(degrees, graph["degree"].values) is told["multigraph_degree_equals_degree_column"]
    simple = simple_degrees(source, target, n_nodes)
    assert np.bincount(simple).tolist() == told["degree_histogram_simple"]
    assert sum(one != other for one, other in pairs) == told["simple_graph_edges"]
    assert int((simple == 0).sum()) == told["isolated_after_simplify"]
    assert len(components(graph)) == told["components"]
    assert int(graph["at_sample_border"].values.sum()) == told["border_nodes"]
    assert int(graph["ends_at_sample_border"].values.sum()) == told["border_edges"]
    position = graph["position"].values
    assert (position.min(axis=0).tolist(), position.max(axis=0).tolist()) == (told["bbox_min"], told["bbox_max"])
    # Two edges at a node make a pair of the line graph, in both directions.
    assert int((simple * (simple - 1)).sum()) == told["line_graph_directed_edges_simple"]


def test_what_was_measured_on_the_examples_edges_adds_up(graphs: dict[str, xr.Dataset], facts: dict[str, Any]):
    graph, told = graphs["example"], facts["vesselgraph_example"]
    length, distance, volume = (graph[name].values.astype(np.float64) for name in ("length", "distance", "volume"))
    assert round(float(length.sum()), 1) == round(told["sum_length"], 1)
    assert int(volume.sum()) == told["sum_volume"]
    assert int(graph["n_voxels"].values.astype(np.int64).sum()) == told["sum_num_voxels"]
    assert float(graph["radius_avg"].values.astype(np.float64).mean()) == pytest.approx(
        told["mean_avgRadiusAvg"], abs=1e-6
    )
    position = graph["position"].values.astype(np.float64)
    source, target = ends(graph)
    straight = np.linalg.norm(position[source] - position[target], axis=1)
    assert float(np.abs(distance - straight).max()) == pytest.approx(told["max_abs_distance_minus_euclid"], abs=1e-5)
    assert sorted(set(graph["curveness"].values[distance == 0].tolist())) == told["curveness_of_zero_distance_rows"]
    degrees = node_degrees(source, target, graph.sizes["node"])
    smaller, larger = np.minimum(degrees[source], degrees[target]), np.maximum(degrees[source], degrees[target])
    assert np.array_equal(graph["node1_degree"].values, smaller)
    assert np.array_equal(graph["node2_degree"].values, larger)
    assert graph.attrs["degree_convention"] == "raw"
    classes = (graph["radius_min"].values > 5).astype(int) + (graph["radius_min"].values > 13.33)
    assert np.bincount(classes, minlength=3).tolist() == told["class_counts_minRadiusAvg_gt_5_13p33_rows"]
    delta = distance.mean() + 2 * distance.std(ddof=1)
    assert float(delta) == pytest.approx(told["negative_sampling_delta_mean_plus_2std_ddof1"], abs=1e-4)


def test_the_examples_tables_and_its_drawing_are_one_graph(graphs: dict[str, xr.Dataset]):
    table, drawn = graphs["example"], graphs["example.vtk"]

    def by_row(graph: xr.Dataset, name: str) -> Array:
        return graph[name].values[np.argsort(graph["edge_row"].values)]

    rows = [graph["node_row"].values for graph in (table, drawn)]
    for end in ("source", "target"):
        assert np.array_equal(rows[0][by_row(table, end)], rows[1][by_row(drawn, end)])
    assert np.allclose(by_row(table, "radius_avg"), by_row(drawn, "radius"), atol=1e-5)


@pytest.mark.parametrize("file", LINES)
def test_files_of_lines_have_the_counts_of_their_points_and_cells(
    graphs: dict[str, xr.Dataset], facts: dict[str, Any], place: Path, file: str
):
    graph, told = graphs[LINES[file]], facts[file]
    units = graph["position"].attrs["units"]
    options = {"units": units, **({"voxel_size_um": "unknown"} if units == "voxel" else {})}
    # Every point a node, none merged: as the counts were made.
    plain = read(place / file, edges="segments", merge_points="none", **options)["vessels"].to_dataset()
    assert plain.sizes["node"] == told["points"]
    assert plain.sizes["edge"] == told["segments"]
    assert histogram(plain) == told["degree_histogram_by_index"]
    assert len(components(plain)) == told["components_by_index"]
    assert graph.sizes["edge"] == told["lines"]
    steps = np.diff(graph["point_ptr"].values) - 1 if "point_ptr" in graph else np.ones(graph.sizes["edge"], int)
    assert int(steps.sum()) == told["segments"]
    assert (
        total_length(graph)
        == pytest.approx(total_length(plain), rel=1e-9)
        == pytest.approx(told["total_length"], rel=1e-6)
    )
    near = read(place / file, edges="segments", merge_points=1e-4, **options)["vessels"].to_dataset()
    assert near.sizes["node"] == told["unique_points_rounded_1e4"]
    assert len(components(near)) == told["components_after_merge"]
    pairs = {tuple(sorted(pair)) for pair in zip(*(end.tolist() for end in ends(near)), strict=True)}
    assert sum(one != other for one, other in pairs) == told["unique_segments_after_merge"]
    for name, (low, high) in told["point_arrays"].items():
        key = re.sub(r"\W+", "_", name.lower())
        values = plain[key].values
        assert (float(values.min()), float(values.max())) == pytest.approx((low, high), abs=1e-6), name
    for name, (low, high) in told["cell_arrays"].items():
        values = graph[re.sub(r"\W+", "_", name.lower())].values
        assert (float(values.min()), float(values.max())) == pytest.approx((low, high), abs=1e-5), name


@pytest.mark.parametrize("file", ["microvesselchaste/markelc_network.vtp", "microvesselchaste/bio_original.vtp"])
def test_networks_of_loose_segments_are_joined_where_their_points_are_equal(
    graphs: dict[str, xr.Dataset], facts: dict[str, Any], file: str
):
    graph, told = graphs[LINES[file]], facts[file]
    assert graph.sizes["node"] == told["unique_points_rounded_1e4"]
    assert len(components(graph)) == told["components_after_merge"]
    assert int(graph["n_points"].values.sum()) == told["points"]


@pytest.mark.parametrize("name", TREES)
def test_trees_of_brava_have_the_counts_of_their_points(
    graphs: dict[str, xr.Dataset], facts: dict[str, Any], name: str
):
    graph, told = graphs[f"brava2013-{name}"], facts[f"vessmorphovis/{name}.CNG.swc"]
    assert (graph.sizes["node"], graph.sizes["edge"]) == (told["points"], told["edges"])
    assert histogram(graph) == told["degree_histogram"]
    assert len(components(graph)) == told["components"]
    without_parent = np.setdiff1d(np.arange(graph.sizes["node"]), graph["target"].values)
    assert len(without_parent) == told["roots"]
    assert total_length(graph) == pytest.approx(told["cable_length"], abs=1e-3)
    lengths = np.linalg.norm(np.diff(graph["position"].values[np.stack(ends(graph), axis=1)], axis=1)[:, 0], axis=1)
    assert int((lengths == 0).sum()) == told["zero_length_edges"]
    radius = graph["radius"].values
    assert (float(radius.min()), float(radius.max())) == (told["radius_min"], told["radius_max"])
    assert graph["radius"].attrs["units"] == graph["position"].attrs["units"] == "mm"
    assert {str(key): count for key, count in Counter(graph["type"].values.tolist()).items()} == told["type_counts"]


def test_strands_have_the_counts_of_their_files(graphs: dict[str, xr.Dataset], facts: dict[str, Any]):
    for record, file in (("brava2013-BG0002.vmv", "BG0002.CNG.vmv"), ("vessmorphovis-strands-1", "sample-1.vmv")):
        graph, told = graphs[record], facts[f"vessmorphovis/{file}"]
        assert graph.sizes["edge"] == told["strands"]
        assert graph.sizes["point"] == told["strand_points"]
        assert len(np.unique(graph["point_row"].values)) == told["vertices"]
        # Number, position and radius are the first five columns; the others have no names.
        assert (
            len([name for name in graph if str(name).startswith("point_attribute_")]) == told["columns_per_vertex"] - 5
        )
    tree, strands = graphs["brava2013-BG0002"], graphs["brava2013-BG0002.vmv"]
    places = [
        np.unique(array.round(4), axis=0) for array in (tree["position"].values, strands["point_position"].values)
    ]
    assert len(places[0]) == len(places[1])
    assert np.abs(places[0] - places[1]).max() < 1e-3


@pytest.mark.parametrize("file", SECTIONS)
def test_sections_have_the_counts_of_their_files(
    graphs: dict[str, xr.Dataset], facts: dict[str, Any], root: Path, file: str
):
    graph, told = graphs[SECTIONS[file]], facts[file]
    assert graph.sizes["point"] == told["points"]
    assert graph.sizes["edge"] == told["sections"] == told["graph_edges"]
    version = connectome.open("vessel-samples", root=root)
    assert version.open(SECTIONS[file])["connections"].sizes["row"] == told["connections"]
    per_section = np.diff(graph["point_ptr"].values)
    assert [int(per_section.min()), int(per_section.max())] == told["points_per_section_min_max"]
    assert total_length(graph) == pytest.approx(told["cable_length"], abs=0.006)
    diameter = graph["point_diameter"].values
    found = [float(diameter.min()), float(diameter.max()), float(diameter.mean())]
    assert found == pytest.approx(told["diameter_min_max_mean"], abs=6e-5)
    assert len(components(graph)) == told["section_components"] == told["graph_components"]
    assert graph.sizes["node"] == told["graph_nodes_by_coordinate"]
    assert histogram(graph) == told["graph_degree_histogram"]
    position = graph["point_position"].values
    assert position.min(axis=0).tolist() == pytest.approx(told["bbox_min"], abs=0.006)
    assert position.max(axis=0).tolist() == pytest.approx(told["bbox_max"], abs=0.006)


def test_the_other_networks_have_the_counts_of_their_files(graphs: dict[str, xr.Dataset], facts: dict[str, Any]):
    skeleton, told = graphs["vascgraph2019"], facts["vascgraph/mygraph.pajek"]
    assert (skeleton.sizes["node"], skeleton.sizes["edge"]) == (told["vertices"], told["edges"])
    assert histogram(skeleton)[0] == 1
    for name in ("20230216_235542", "20230217_042556"):
        graph = graphs[f"kreitner2024-{name}"]
        assert graph.sizes["edge"] == facts[f"octa_synthetic/{name}.csv"]["rows"]
        assert graph["position"].attrs["units"] == "1"
    told = facts["bbp_formats/astrovascpy"]
    for record in ("astrovascpy-toy", "astrovascpy-toy.csv"):
        assert (graphs[record].sizes["node"], graphs[record].sizes["edge"]) == (told["nodes"], told["edges"])
        assert float(edge_lengths(graphs[record]).values.sum()) == pytest.approx(told["sum_length"], abs=1e-3)
    assert int((graphs["astrovascpy-toy.csv"]["endfeet_id"].values >= 0).sum()) == told["endfeet"]
    forks = [graphs[f"fork.{form}"] for form in ("point", "section", "sonata", "vtk")]
    assert len({tuple(histogram(fork)) for fork in forks}) == 1


def test_the_branches_of_the_retina_have_a_row_each(graphs: dict[str, xr.Dataset], place: Path):
    with (place / "microvesselchaste/Branch_information.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    assert graphs["microvesselchaste-branches"].sizes["edge"] == len(rows)


def test_arteries_of_the_whole_brain_are_metres_and_say_where_they_begin(graphs: dict[str, xr.Dataset]):
    graph = graphs["hodneland2019-arteries"]
    assert graph["position"].attrs["units"] == graph["radius"].attrs["units"] == "m"
    counts = Counter(graph["root"].values.tolist())
    assert counts[1] + counts[2] == histogram(graph)[1]
    assert counts[0] == graph.sizes["node"] - counts[1] - counts[2]


def test_simulated_graphs_say_so_in_their_titles_and_attributes(manifests: dict[str, Manifest]):
    for receipt in manifests["simulated-retina-vessels"].records.values():
        assert receipt.attributes["simulated"] is True
        assert "imulated" in receipt.attributes["title"]
    assert manifests["vesselgraph"].records["example"].attributes["simulated"] is True
    assert "simulated" not in manifests["human-vessels"].records["brava2013-BG001"].attributes


def test_what_is_not_at_hand_is_told_in_the_census(manifests: dict[str, Manifest]):
    missing = {dataset: {item["file"] for item in found.rejected} for dataset, found in manifests.items()}
    assert {"vesselgraph/BALBc_no1/*.csv", "vesselgraph/C57BL_6-K20/*.csv"} <= missing["vesselgraph"]
    assert missing["human-vessels"] == {"brava2013/*.swc", "human_brain_mra/venes_smooth.vtk"}
    assert missing["vessel-samples"] == set()
    for dataset, found in manifests.items():
        assert {item["kind"] for item in found.rejected} <= {"unavailable"}, dataset
        assert found.census.seen == found.census.used + found.census.rejected
