"""Graphs in numbers: as networkx counts them, and as was counted by hand on the real files."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import UsageError
from connectome.graphs import (
    BETWEEN,
    bounding_box,
    component_sizes,
    connected_components,
    distribution,
    edge_lengths,
    edge_thickness,
    node_degrees,
    parallel_edges,
    polyline_lengths,
    region_columns,
    simple_degrees,
    summarise_graph,
)
from connectome.graphs import geometry as geometry_module
from connectome.pipelines.homogenise.spatial_graph import spatial_graph
from connectome.schema import category, column

if TYPE_CHECKING:
    import xarray as xr

EXAMPLE = Path("vessel") / "vesselgraph_example"


@st.composite
def multigraphs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw edge lists with parallel edges, self loops and nodes without edges."""
    n_nodes = draw(st.integers(1, 40))
    node = st.integers(0, n_nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=60))
    array = np.array(edges, dtype=draw(st.sampled_from([np.int32, np.int64]))).reshape(-1, 2)
    return array[:, 0], array[:, 1], n_nodes


def as_networkx(source: np.ndarray, target: np.ndarray, n_nodes: int, kind: Any = nx.MultiGraph) -> Any:
    graph = kind()
    graph.add_nodes_from(range(n_nodes))
    graph.add_edges_from(zip(source.tolist(), target.tolist(), strict=True))
    return graph


@given(multigraphs())
def test_components_are_those_of_networkx_numbered_by_their_first_node(edges: tuple[np.ndarray, np.ndarray, int]):
    source, target, n_nodes = edges
    labels = connected_components(source, target, n_nodes)
    parts = sorted(map(sorted, nx.connected_components(as_networkx(*edges))))
    expected = np.empty(n_nodes, dtype=np.int64)
    for number, part in enumerate(parts):
        expected[part] = number
    np.testing.assert_array_equal(labels, expected)
    assert component_sizes(labels).tolist() == sorted(map(len, parts), reverse=True)


@given(multigraphs())
def test_degrees_and_parallel_edges_are_those_of_networkx(edges: tuple[np.ndarray, np.ndarray, int]):
    multi, simple = as_networkx(*edges), as_networkx(*edges, nx.Graph)
    assert node_degrees(*edges).tolist() == [degree for _, degree in sorted(multi.degree())]
    loops = list(nx.selfloop_edges(simple))
    found = parallel_edges(*edges)
    assert (found.n_pairs, found.n_loop_pairs) == (simple.number_of_edges(), len(loops))
    assert found.n_surplus == multi.number_of_edges() - simple.number_of_edges()
    times = [multi.number_of_edges(one, other) for one, other in simple.edges if one != other]
    assert found.n_groups == sum(count > 1 for count in times)
    assert found.n_loop_groups == sum(multi.number_of_edges(node, node) > 1 for node, _ in loops)
    assert found.largest == max([*times, *(multi.number_of_edges(node, node) for node, _ in loops)], default=0)
    directed = parallel_edges(*edges, directed=True)
    assert directed.n_pairs == as_networkx(*edges, nx.DiGraph).number_of_edges()
    simple.remove_edges_from(loops)
    assert simple_degrees(*edges).tolist() == [degree for _, degree in sorted(simple.degree())]


def scrambled(kind: str, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(4).permutation(n_nodes)
    if kind == "path":
        return order[:-1], order[1:]
    if kind == "star of the last":
        return np.full(n_nodes - 1, n_nodes - 1), np.arange(n_nodes - 1)
    if kind == "two rings":
        half = n_nodes // 2
        return order, np.concatenate([np.roll(order[:half], 1), np.roll(order[half:], 1)])
    side = int(n_nodes**0.5)
    cells = np.arange(side * side).reshape(side, side)
    return np.append(cells[1:].ravel(), cells[:, 1:].ravel()), np.append(cells[:-1].ravel(), cells[:, :-1].ravel())


@pytest.mark.parametrize(("kind", "count"), [("path", 1), ("star of the last", 1), ("two rings", 2), ("grid", 1)])
def test_components_of_long_and_of_crowded_graphs_are_found(kind: str, count: int):
    n_nodes = 90_000
    labels = connected_components(*scrambled(kind, n_nodes), n_nodes)
    assert labels.max() + 1 == count


def test_a_graph_without_nodes_has_no_component():
    nothing = np.zeros(0, dtype=np.int64)
    assert component_sizes(connected_components(nothing, nothing, 0)).tolist() == []
    assert simple_degrees(nothing, nothing, 0).tolist() == []
    assert parallel_edges(nothing, nothing, 0).largest == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 7), st.integers(0, 2**31))
def test_lengths_of_polylines_do_not_depend_on_the_blocks(lengths: list[int], block: int, seed: int):
    rng = np.random.default_rng(seed)
    pointer = np.concatenate([[0], np.cumsum(lengths)])
    points = rng.normal(size=(pointer[-1], 3))
    expected = [
        sum(float(np.linalg.norm(points[at + 1] - points[at])) for at in range(first, last - 1))
        for first, last in itertools.pairwise(pointer)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry_module, "BLOCK_ITEMS", block)
        np.testing.assert_allclose(polyline_lengths(pointer, points), expected, rtol=1e-12, atol=1e-12)


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(np.nan), st.just(np.inf)), max_size=30))
def test_a_distribution_counts_what_is_missing_and_describes_the_rest(values: list[float]):
    found = distribution(np.array(values, dtype=float))
    known = [value for value in values if np.isfinite(value)]
    assert (found.n, found.n_missing) == (len(known), len(values) - len(known))
    if known:
        assert found.mean == pytest.approx(np.mean(known), abs=1e-6)
        assert found.sd == pytest.approx(np.std(known), abs=1e-6)
        assert (found.minimum, found.maximum) == (min(known), max(known))
        assert found.quantiles["50%"] == pytest.approx(np.median(known))
    else:
        assert (found.total, found.mean, found.maximum, dict(found.quantiles)) == (None, None, None, {})


def test_whole_numbers_are_summed_exactly_and_truths_are_counted():
    assert distribution(np.full(3, 2**53 + 1, dtype=np.int64)).total == 3 * (2**53 + 1)
    assert distribution(np.array([True, False, True])).total == 2


def generated(**options: Any) -> xr.Dataset:
    """Return a square of four nodes with a diagonal, a parallel edge and a self loop."""
    given_: dict[str, Any] = {
        "node": np.arange(5),
        "position": np.array([[0, 0, 0], [3, 0, 0], [3, 4, 0], [0, 4, 0], [9, 9, 9]], dtype=np.float32),
        "position_units": "um",
        "source": np.array([0, 1, 2, 3, 0, 1, 2]),
        "target": np.array([1, 2, 3, 0, 2, 0, 2]),
        "subject": "generated",
        **options,
    }
    return spatial_graph(**given_)


def by_row(dataset: xr.Dataset, values: np.ndarray) -> list[float]:
    """Return a number per edge in the order of the source."""
    found = np.empty(len(values))
    found[dataset["edge_row"].values] = values
    return found.tolist()


def test_lengths_come_from_the_column_the_polylines_or_the_nodes_and_say_so():
    straight = generated()
    found = edge_lengths(straight)
    assert found is not None
    assert (found.origin, found.units) == ("straight line between the nodes", "um")
    assert by_row(straight, found.values) == [3, 4, 3, 4, 5, 3, 0]
    points = np.array([[0, 0, 0], [0, 4, 0], [3, 4, 0], [3, 4, 0], [0, 0, 0]], dtype=np.float64)
    lines = generated(
        point_ptr=np.array([0, 0, 0, 0, 0, 3, 3, 5]),
        points={"point_position": column(("point", "axis"), points, "Position", "um")},
    )
    found = edge_lengths(lines)
    assert found is not None
    assert found.origin == "along the polyline"
    assert by_row(lines, found.values) == [0, 0, 0, 0, 7, 0, 5]
    told = generated(edges={"length": column("edge", np.arange(7.0), "Length", "voxel")})
    found = edge_lengths(told)
    assert found is not None
    assert (found.origin, found.units, found.label) == ("column length", "voxel", "length (voxels)")
    assert by_row(told, found.values) == list(range(7))


def test_thickness_is_what_the_record_calls_it():
    assert edge_thickness(generated()) is None
    nodes = generated(nodes={"diameter": column("node", np.array([2.0, 4.0, 6.0, 8.0, 1.0]), "Diameter", "um")})
    found = edge_thickness(nodes)
    assert found is not None
    assert (found.name, found.origin) == ("diameter", "mean of both nodes")
    assert by_row(nodes, found.values) == [3, 5, 7, 5, 4, 3, 6]
    points = generated(
        point_ptr=np.array([0, 2, 2, 2, 2, 2, 2, 5]),
        points={"point_radius": column("point", np.array([1.0, 3.0, np.nan, 4.0, 6.0]), "Radius", "um")},
        edges={"curveness": column("edge", np.ones(7), "Curveness", "1")},
    )
    found = edge_thickness(points)
    assert found is not None
    assert (found.name, found.origin) == ("radius", "mean along the polyline")
    np.testing.assert_array_equal(by_row(points, found.values), [2.0, *[np.nan] * 5, 5.0])


def test_regions_of_nodes_make_edges_lie_within_one_or_between():
    region = category("node", ["left", "left", "right", "", "right"], ["left", "right"], "Region")
    dataset = generated(nodes={"region": region})
    found = summarise_graph(dataset)
    assert found.region_column == "region"
    counts = {name: (part.n_edges, part.n_nodes) for name, part in found.regions.items()}
    assert counts == {"left": (2, 2), "right": (1, 2), "no region given": (0, 1), BETWEEN: (4, None)}
    left = found.regions["left"].length
    assert left is not None
    assert (left.total, left.n) == (6.0, 2)
    assert sum(part.n_edges for part in found.regions.values()) == found.n_edges
    assert found.categories["region"] == {"": 1, "left": 2, "right": 2}


def test_a_category_of_edges_tells_regions_apart_when_it_is_asked_for():
    calibre = category("edge", ["thin", "thick", "thin", "thin", "thick", "thin", None], ["thin", "thick"], "Calibre")
    region = category("node", ["a"] * 5, ["a"], "Region")
    dataset = generated(edges={"calibre": calibre}, nodes={"region": region})
    assert region_columns(dataset) == ["region", "calibre"]
    found = summarise_graph(dataset, by="calibre")
    counts = {name: (part.n_edges, part.n_nodes) for name, part in found.regions.items()}
    assert counts == {"thin": (4, None), "thick": (2, None), "no region given": (1, None)}
    with pytest.raises(UsageError, match="region, calibre"):
        summarise_graph(dataset, by="length")


def test_edges_of_two_types_and_edges_both_ways_of_a_directed_type_are_not_parallel():
    about = {"weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
    dataset = schema.graph(
        node=["a", "b", "c"],
        source=np.array([0, 1, 0, 0, 1, 2, 2]),
        target=np.array([1, 0, 1, 1, 0, 2, 2]),
        edge_type=["chemical", "chemical", "chemical", "gap", "gap", "gap", "gap"],
        edge_types={"chemical": {"directed": True, **about}, "gap": {"directed": False, **about}},
    )
    found = summarise_graph(dataset).parallel
    assert (found.n_pairs, found.n_groups, found.n_loop_groups) == (2 + 2, 1 + 1, 1)
    assert (found.n_surplus, found.largest) == (1 + 2, 2)


def test_the_summary_of_a_graph_without_positions_or_edges_is_plain():
    about = {"directed": True, "weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
    dataset = schema.graph(
        node=["a", "b"], source=np.zeros(0, int), target=np.zeros(0, int), edge_type=[], edge_types={"x": about}
    )
    found = summarise_graph(dataset)
    assert (found.n_components, found.n_isolated, found.length, found.bounding_box) == (2, 2, None, None)
    assert found.degree_histogram == (2,)
    assert found.n_independent_cycles == 0
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["component_sizes"] == [1, 1]


def test_the_facts_of_a_graph_in_space_are_stored_with_it():
    dataset = generated(edges={"length": column("edge", [1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 0.0], "Length", "um")})
    facts = schema.measure(schema.record({"vessels": dataset}))["/vessels"]
    assert facts["n_components"] == 2
    assert facts["largest_component"] == 4
    assert facts["n_self_loops"] == 1
    assert facts["degree_histogram"] == [1, 0, 1, 1, 1, 1]
    assert facts["max_degree"] == 5
    assert facts["bounding_box"] == {"min": [0.0, 0.0, 0.0], "max": [9.0, 9.0, 9.0]}
    assert facts["length_sum"] == 18.0


def test_the_bounding_box_holds_polylines_too_and_does_not_depend_on_the_blocks():
    points = column(
        ("point", "axis"), np.array([[0, 0, 0], [1, -7, 2], [3, 0, 50]], dtype=np.float32), "Position", "um"
    )
    dataset = generated(point_ptr=np.array([0, 3, 3, 3, 3, 3, 3, 3]), points={"point_position": points})
    for block in (1, 2, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(geometry_module, "BLOCK_ITEMS", block)
            assert bounding_box(dataset).tolist() == [[0, -7, 0], [9, 9, 50]]


def test_a_hub_makes_no_long_list_of_facts():
    n_nodes = 300
    dataset = spatial_graph(
        node=np.arange(n_nodes), position=np.random.default_rng(0).normal(size=(n_nodes, 3)), position_units="um",
        source=np.zeros(n_nodes - 1, int), target=np.arange(1, n_nodes), subject="generated",
    )  # fmt: skip
    facts = schema.measure(schema.record({"vessels": dataset}))["/vessels"]
    assert facts["max_degree"] == n_nodes - 1
    assert "degree_histogram" not in facts
    assert len(summarise_graph(dataset).degree_histogram) == n_nodes


@pytest.fixture(scope="module")
def example(data_dir: Path) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the graph of the real Voreen export, read with nothing but the csv module, and what was counted on it."""
    tables = {}
    for name in ("nodes", "edges"):
        with (data_dir / EXAMPLE / f"example_{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        tables[name] = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    nodes, edges = tables["nodes"], tables["edges"]
    measured = {"length": "length", "volume": "volume", "num_voxels": "num_voxels", "radius_avg": "avgRadiusAvg"}
    dataset = spatial_graph(
        node=nodes["id"].astype(np.int64),
        position=np.stack([nodes[f"pos_{axis}"] for axis in "xyz"], axis=1),
        position_units="voxel",
        source=edges["node1id"].astype(np.int64),
        target=edges["node2id"].astype(np.int64),
        nodes={"border": column("node", nodes["isAtSampleBorder"] > 0, "At the border of the sample")},
        edges={name: column("edge", edges[key], key, "voxel") for name, key in measured.items()},
        subject="example_nodes.csv",
    )
    return dataset, json.loads((data_dir / "vessel" / "facts.json").read_text())["vesselgraph_example"]


@pytest.mark.data
def test_every_count_of_the_real_voreen_export_comes_out(example: tuple[xr.Dataset, dict[str, Any]]):
    dataset, facts = example
    found = summarise_graph(dataset)
    assert (found.n_nodes, found.n_edges) == (facts["nodes"], facts["edge_rows"])
    assert found.n_self_loops == facts["self_loop_rows"]
    assert found.parallel.n_pairs == facts["unique_unordered_pairs"]
    assert found.parallel.n_groups == facts["parallel_groups_nonloop"]
    assert found.parallel.n_loop_groups == facts["parallel_groups_loop"]
    assert found.parallel.n_pairs - found.parallel.n_loop_pairs == facts["simple_graph_edges"]
    assert list(found.degree_histogram) == facts["degree_histogram_multigraph"]
    assert list(found.simple_degree_histogram) == facts["degree_histogram_simple"]
    assert found.n_isolated == facts["isolated_after_simplify"]
    assert found.n_components == facts["components"]
    assert found.component_sizes == (2954, 16)
    assert found.bounding_box is not None
    assert [list(corner) for corner in found.bounding_box] == [facts["bbox_min"], facts["bbox_max"]]
    assert found.columns["border"].total == facts["border_nodes"]
    assert found.columns["length"].total == pytest.approx(facts["sum_length"], abs=1e-3)
    assert found.columns["volume"].total == facts["sum_volume"]
    assert found.columns["num_voxels"].total == facts["sum_num_voxels"]
    assert found.thickness is not None
    assert found.thickness.mean == pytest.approx(facts["mean_avgRadiusAvg"], abs=1e-6)
    stored = schema.measure(schema.record({"vessels": dataset}))["/vessels"]
    assert stored["degree_histogram"] == facts["degree_histogram_multigraph"]
    assert (stored["n_components"], stored["largest_component"]) == (2, 2954)


COUNTED = {
    "degree_histogram": ("degree_histogram", "degree_histogram_by_index", "graph_degree_histogram"),
    "n_components": ("components", "components_by_index", "graph_components"),
    "length": ("cable_length", "total_length"),
    "n_edges": ("edges", "graph_edges"),
}
"""Fact of ours to what the same is called in the list of what was counted on the real files."""


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_checked"),
    [
        *((f"vessmorphovis/{name}.CNG.swc", 4) for name in ("BG0002", "BG0003", "BG001", "BG04")),
        ("vessmorphovis/sample_1.h5", 6),
        ("bbp_formats/capillary_with_loops.h5", 6),
        ("human_brain_mra/arteries_smooth.vtk", 3),
        ("microvesselchaste/markelc_network.vtp", 3),
        ("vesselgraph_example/example_graph.vtk", 3),
        ("bbp_formats/penetrating_artery.vtk", 3),
    ],
)
def test_what_was_counted_on_real_files_comes_out(data_dir: Path, name: str, n_checked: int):
    from connectome.pipelines.formats import read

    counted = json.loads((data_dir / "vessel" / "facts.json").read_text())[name]
    dataset = read(data_dir / "vessel" / name, units="um")["vessels"].to_dataset()
    found = summarise_graph(dataset)
    assert found.length is not None
    ours = {**found.as_json(), "length": found.length.total}
    checked = 0
    for fact, names in COUNTED.items():
        for value in (counted[other] for other in names if other in counted):
            assert ours[fact] == (pytest.approx(value, rel=1e-4) if fact == "length" else value), fact
            checked += 1
    if "bbox_min" in counted:
        assert found.bounding_box is not None
        np.testing.assert_allclose(found.bounding_box, [counted["bbox_min"], counted["bbox_max"]], atol=0.006)
        checked += 2
    assert checked == n_checked
