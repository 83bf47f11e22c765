"""Edges whose ends are known by position only: printed coordinates and AnalyzeSkeleton's branches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.position_nodes import nodes_by_position
from support.graph_layouts import in_source_order, listed_ends

OCTA = {"20230216_235542.csv": 14306, "20230217_042556.csv": 14337}
BRANCHES = "vessel/microvesselchaste/Branch_information.csv"
COORDINATES = """node1,node2,radius
[0.28946412 0.9568068  0.00394775],[0.30208741 1.         0.00394775],0.006
[2.8946412e-01 9.568068e-01  3.94775e-03],[ 3.1e-01 -8.9e-01 -3.9e-04],0.004
[0.1 0.2 -0. ],[0.1 0.2 0.],0.003
"""
SKELETON = """ ,Skeleton ID,Branch length,V1 x,V1 y,V1 z,V2 x,V2 y,V2 z,Euclidean distance
1,1,5.5,0,0,0,3,4,0,5
2,1,1,3,4,0,3,5,0,1
3,2,7.25,9,9,0,9,9,0,0
"""


def save(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.data
@pytest.mark.parametrize("name", OCTA)
def test_every_row_of_simulated_vessels_is_an_edge_of_a_forest(data_dir, name) -> None:
    path = data_dir / "vessel/octa_synthetic" / name
    assert recognise([path]).name == "coordcsv"
    tree = read(path, units="1", scale_um=3000.0)
    schema.validate(tree, subject=name)
    facts = schema.measure(tree)["/vessels"]
    assert facts["n_edges"] == OCTA[name]
    graph = in_source_order(tree)
    assert graph.attrs["scale_um"] == 3000.0
    assert graph["radius"].attrs["units"] == graph["position"].attrs["units"] == "1"
    with path.open() as stream:
        first = next(line for at, line in enumerate(stream) if at == 1).rsplit(",", 1)
    assert graph["radius"].values[0] == float(first[1])
    # Trees of vessels without loops: the number of nodes follows from that of edges and trees.
    assert facts["n_nodes"] - facts["n_edges"] == _components(graph) == 16


@pytest.mark.data
@pytest.mark.parametrize("name", OCTA)
def test_equal_text_and_equal_numbers_find_the_same_nodes(data_dir, name) -> None:
    path = data_dir / "vessel/octa_synthetic" / name
    cells = [cell for line in path.read_text().splitlines()[1:] for cell in line.rsplit(",", 1)[0].split(",")]
    assert read(path, units="1")["vessels"].sizes["node"] == len(set(cells))


def _components(graph) -> int:
    parent = list(range(graph.sizes["node"]))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for one, other in zip(graph["source"].values.tolist(), graph["target"].values.tolist(), strict=True):
        parent[root(one)] = root(other)
    return sum(root(at) == at for at in range(len(parent)))


def test_numbers_printed_in_two_ways_and_both_zeros_are_one_node(tmp_path) -> None:
    tree = read(save(tmp_path, COORDINATES), units="1")
    schema.validate(tree, subject="coordinates")
    assert listed_ends(tree) == [(0, 1), (0, 2), (3, 3)]
    graph = in_source_order(tree)
    assert graph["position"].values[2].tolist() == [0.31, -0.89, -0.00039]
    assert graph["radius"].values.tolist() == [0.006, 0.004, 0.003]


@pytest.mark.parametrize(
    ("old", "new", "error", "place"),
    [
        ("radius", "width", FormatError, "line 1"),
        ("node2", "node1", FormatError, "line 1"),
        (",0.004", "", FormatError, "line 3"),
        (",0.004", ",0.004,1", FormatError, "line 3"),
        (",0.004", ";0.004", FormatError, "line 3"),
        (",0.004", ",thick", FormatError, "line 3, column radius"),
        (",0.004", ",nan", FormatError, "line 3, column radius"),
        ("-8.9e-01", "inf", FormatError, "line 3, column node2"),
        ("[ 3.1e-01 -8.9e-01 -3.9e-04]", "[0.1 0.2]", FormatError, "line 3, column node2"),
        ("[ 3.1e-01 -8.9e-01 -3.9e-04]", "3.1e-01 -8.9e-01 -3.9e-04", FormatError, "line 3, column node2"),
        ("[ 3.1e-01 -8.9e-01 -3.9e-04]", "[0.1 0.2 0.3 0.4]", FormatError, "line 3, column node2"),
        ("[ 3.1e-01 -8.9e-01 -3.9e-04]", "17", FormatError, "line 3, column node2"),
        (COORDINATES[COORDINATES.index("\n") :], "\n", FormatError, None),
        (COORDINATES, "", TruncatedError, None),
    ],
)
def test_damaged_coordinates_are_refused_with_their_line(tmp_path, old, new, error, place) -> None:
    path = save(tmp_path, COORDINATES.replace(old, new, 1))
    with pytest.raises(error) as caught:
        read(path, "coordcsv", units="1")
    assert caught.value.subject == str(path)
    assert caught.value.place == place


@pytest.mark.parametrize("options", [{}, {"units": "um", "scale_um": 3.0}, {"units": "1", "scale_um": -1.0}])
def test_the_scale_of_coordinates_must_be_stated_and_sensible(tmp_path, options) -> None:
    with pytest.raises(UsageError):
        read(save(tmp_path, COORDINATES), "coordcsv", **options)


@pytest.mark.data
def test_real_branches_keep_every_row_and_agree_with_their_distances(data_dir) -> None:
    assert recognise([data_dir / BRANCHES]).name == "analyzeskeleton"
    tree = read(data_dir / BRANCHES, units="voxel", voxel_size_um="unknown")
    schema.validate(tree, subject="branches")
    graph = in_source_order(tree)
    assert (graph.sizes["edge"], graph.sizes["node"]) == (874, 635)
    assert graph["branch"].values.tolist()[:2] == [1, 2]
    assert graph["length"].values[0] == 472.257
    assert graph["distance"].values[0] == 418.743
    position = tree["vessels"]["position"].values
    straight = np.linalg.norm(position[graph["source"].values] - position[graph["target"].values], axis=1)
    assert np.abs(straight - graph["distance"].values).max() < 0.001
    assert (graph["length"].values >= graph["distance"].values - 0.001).all()
    # A skeleton is connected: no edge joins two of them.
    skeleton_of: dict[int, int] = {}
    for end in ("source", "target"):
        for node, skeleton in zip(graph[end].values.tolist(), graph["skeleton"].values.tolist(), strict=True):
            assert skeleton_of.setdefault(node, skeleton) == skeleton
    assert "warnings" not in tree.attrs


def test_branches_with_further_columns_and_a_loop_are_read(tmp_path) -> None:
    lines = SKELETON.splitlines()
    text = "\n".join([f"{lines[0]},average intensity", *(f"{line},{at}.5" for at, line in enumerate(lines[1:])), ""])
    tree = read(save(tmp_path, text), units="mm")
    assert listed_ends(tree) == [(0, 1), (1, 2), (3, 3)]
    graph = in_source_order(tree)
    assert graph["average_intensity"].values.tolist() == [0.5, 1.5, 2.5]
    assert graph["length"].attrs["units"] == "mm"
    assert graph["skeleton"].values.tolist() == [1, 1, 2]


def test_distances_that_contradict_the_ends_are_told(tmp_path) -> None:
    tree = read(save(tmp_path, SKELETON.replace("3,4,0,5\n", "3,4,0,50\n")), units="um")
    (warning,) = tree.attrs["warnings"]
    assert warning["code"] == "distance-differs"
    assert "1 rows" in warning["message"]


@pytest.mark.parametrize(
    ("old", "new", "error", "place"),
    [
        ("V2 z", "V3 z", FormatError, "line 1"),
        ("2,1,1,3", "2,1,1,three", FormatError, "line 3, column V1 x"),
        ("2,1,1,3", "2,1,1,nan", FormatError, "line 3, column V1 x"),
        ("2,1,1,3", "2,1.5,1,3", FormatError, "line 3, column Skeleton ID"),
        ("2,1,1,3", "2,1,,3", FormatError, "line 3, column Branch length"),
        ("2,1,1,3", "2;1;1;3", FormatError, "line 3"),
        ("3,5,0,1\n", "3,5\n", FormatError, "line 3"),
        ("2,1,1,3", '2,"1,1,3', FormatError, "line 3"),
        (SKELETON[SKELETON.index("\n") :], "\n", FormatError, None),
        (SKELETON, "", TruncatedError, None),
    ],
)
def test_damaged_branches_are_refused_with_their_line(tmp_path, old, new, error, place) -> None:
    path = save(tmp_path, SKELETON.replace(old, new, 1))
    with pytest.raises(error) as caught:
        read(path, "analyzeskeleton", units="um")
    assert caught.value.subject == str(path)
    assert caught.value.place == place


POINT = st.tuples(*[st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1e-300, 7.25])] * 3)


@settings(deadline=None, max_examples=60)
@given(ends=st.lists(st.tuples(POINT, POINT), min_size=1, max_size=40))
def test_nodes_are_the_distinct_positions_in_the_order_of_the_edges(ends) -> None:
    start, stop = (np.array([item[at] for item in ends]) for at in (0, 1))
    position, source, target = nodes_by_position(start, stop)
    seen: dict[tuple[float, ...], int] = {}
    for one, other in ends:
        for point in (one, other):
            seen.setdefault(point, len(seen))
    assert [tuple(row) for row in position.tolist()] == list(seen)
    assert source.tolist() == [seen[one] for one, _ in ends]
    assert target.tolist() == [seen[other] for _, other in ends]
