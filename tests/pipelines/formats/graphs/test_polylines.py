"""Points and lines as a graph: what becomes a node, what an edge, what is merged and what is said of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats.graphs.polylines import Polylines, joined_rows, line_graph, merged
from connectome.pipelines.formats.tables.array_columns import column_names

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0], [9, 9, 9]], dtype=np.float32)


def draw(along, position=SQUARE, **more):
    pointer = np.cumsum([0, *map(len, along)])
    vertex = np.array([point for line in along for point in line], dtype=np.int64)
    return Polylines(np.asarray(position), pointer.astype(np.int64), vertex, **more)


def graph(lines, position=SQUARE, drawn=None, **options):
    tree = line_graph(drawn or draw(lines, position), subject="lines", **{"units": "um", **options})
    schema.validate(tree, subject="lines")
    return tree


def edges(group):
    """Return the edges in the source's order as ids of nodes."""
    order = np.argsort(group["edge_row"].values)
    ids = group["node"].values
    ends = np.stack([ids[group["source"].values], ids[group["target"].values]], axis=1)[order]
    return [tuple(pair) for pair in ends.tolist()]


def polylines(group):
    pointer, row = group["point_ptr"].values, group["point_row"].values
    order = np.argsort(group["edge_row"].values)
    return [row[pointer[at] : pointer[at + 1]].tolist() for at in order]


def codes(tree):
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


def test_a_line_is_one_edge_between_its_ends_and_keeps_its_points():
    tree = graph([[0, 1, 2, 3]])
    group = tree["vessels"]
    assert edges(group) == [(0, 3)]
    assert polylines(group) == [[0, 1, 2, 3]]
    assert sorted(group["node"].values.tolist()) == [0, 3, 4, 5]
    assert np.array_equal(group["point_position"].values, SQUARE[[0, 1, 2, 3]])
    assert group.attrs["edge_types"]["vessel"]["directed"] is False
    assert codes(tree) == ["points-alone"]


def test_a_line_is_cut_where_another_touches_it():
    tree = graph([[0, 1, 2, 3], [5, 2, 4]])
    group = tree["vessels"]
    assert edges(group) == [(0, 2), (2, 3), (5, 2), (2, 4)]
    assert polylines(group) == [[0, 1, 2], [2, 3], [5, 2], [2, 4]]
    assert group["line"].values[np.argsort(group["edge_row"].values)].tolist() == [0, 0, 1, 1]


def test_a_closed_line_is_a_self_loop_that_keeps_its_way():
    tree = graph([[0, 1, 2, 3, 0]])
    assert edges(tree["vessels"]) == [(0, 0)]
    assert polylines(tree["vessels"]) == [[0, 1, 2, 3, 0]]
    assert codes(tree) == ["points-alone", "self-loops"]


def test_segments_make_every_point_a_node():
    group = graph([[0, 1, 2, 3], [5, 2, 4]], edges="segments")["vessels"]
    assert edges(group) == [(0, 1), (1, 2), (2, 3), (5, 2), (2, 4)]
    assert sorted(group["node"].values.tolist()) == [0, 1, 2, 3, 4, 5]
    assert "point_ptr" not in group


def test_lines_of_two_points_have_no_polyline_to_keep():
    group = graph([[0, 1], [1, 2]])["vessels"]
    assert "point_ptr" not in group
    assert "line" not in group


def test_parallel_lines_and_lines_without_two_points():
    tree = graph([[0, 1], [0, 1], [1, 0], [3], []])
    assert edges(tree["vessels"]) == [(0, 1), (0, 1), (1, 0)]
    assert codes(tree) == ["short-lines", "points-alone"]
    assert tree.attrs["warnings"][0]["place"] == "line 3, 4"


def test_equal_points_stay_apart_unless_merging_is_asked_for():
    lines = [[0, 1], [4, 2]]
    assert edges(graph(lines)["vessels"]) == [(0, 1), (4, 2)]
    tree = graph(lines, merge_points="exact")
    assert edges(tree["vessels"]) == [(0, 1), (1, 2)]
    assert tree["merged_points"]["point"].values.tolist() == [1, 4]
    assert tree["merged_points"]["node"].values.tolist() == [1, 1]
    ids = tree["vessels"]["node"].values
    assert dict(zip(ids.tolist(), tree["vessels"]["n_points"].values.tolist(), strict=True))[1] == 2


def test_what_merged_points_do_not_agree_on_is_missing_in_the_node_and_kept_in_the_table():
    arrays = {
        "Radius": np.array([1, 2, 3, 4, 5, 6], dtype=np.float32),
        "Node Id": np.array([10, 11, 12, 13, 11, 14]),
        "kind": np.array([0, 0, 0, 0, 1, 0]),
    }
    drawn = draw([[0, 1], [4, 2]], points=arrays)
    tree = graph(None, drawn=drawn, merge_points="exact")
    group = tree["vessels"]
    values = dict(zip(group["node"].values.tolist(), group["radius"].values.tolist(), strict=True))
    assert np.isnan(values.pop(1))
    assert values == {0: 1, 2: 3, 3: 4, 5: 6}
    assert dict(zip(group["node"].values.tolist(), group["node_id"].values.tolist(), strict=True))[1] == 11
    assert "kind" not in group, "a whole number has no missing value"
    assert tree["merged_points"]["radius"].values.tolist() == [2, 5]
    assert tree["merged_points"]["kind"].values.tolist() == [0, 1]
    assert codes(tree).count("merged-points-differ") == 2


def test_a_tolerance_merges_points_that_round_to_the_same_multiple():
    position = np.array([[0.04, 0, 0], [-0.04, -0.0, 0], [0.06, 0, 0], [0.1, 0, 0]])
    assert merged(position, 0.1).tolist() == [0, 0, 2, 2]
    assert merged(position, "0.1").tolist() == [0, 0, 2, 2]
    assert merged(position, "exact").tolist() == [0, 1, 2, 3]
    assert merged(np.array([[0.0, 1], [-0.0, 1]]), "exact").tolist() == [0, 0]


@pytest.mark.parametrize("wrong", ["all", "", "0", "-1", "nan", "inf", 1e-320])
def test_what_is_no_tolerance_is_refused(wrong):
    with pytest.raises(UsageError) as caught:
        graph([[0, 1]], merge_points=wrong)
    assert caught.value.subject == "merge_points"


def test_the_unit_must_be_stated_and_voxels_have_a_size():
    with pytest.raises(UsageError, match="must be stated"):
        graph([[0, 1]], units="")
    with pytest.raises(UsageError, match="voxel"):
        graph([[0, 1]], units="voxel")
    group = graph([[0, 1]], units="", voxel_size_um="3,3,5")["vessels"]
    assert group["position"].attrs["units"] == "voxel"
    assert group.attrs["voxel_size_um"] == [3, 3, 5]
    for option, value in (("edges", "branches"), ("group", "veins")):
        with pytest.raises(UsageError) as caught:
            graph([[0, 1]], **{option: value})
        assert caught.value.subject == option


def test_a_graph_of_neurons_has_neurites():
    tree = graph([[0, 1]], group="connectome")
    assert list(tree["connectome"].attrs["edge_types"]) == ["neurite"]


def test_lines_through_points_that_are_not_there_and_positions_that_are_none_are_refused():
    for vertex in (6, -1):
        with pytest.raises(FormatError, match="not there") as caught:
            graph([[0, 1], [2, 3, vertex]])
        assert caught.value.place == "line 1, vertex 2 (from 0)"
    broken = SQUARE.copy()
    broken[3, 1] = np.inf
    with pytest.raises(FormatError, match="not finite") as caught:
        graph([[0, 1]], position=broken)
    assert caught.value.place == "point 3 (from 0)"
    with pytest.raises(FormatError, match="no points"):
        graph([], position=np.zeros((0, 3)))


def test_names_of_arrays_do_not_hide_one_another():
    names = column_names(["Radius", "radius", "node id", "position", "µ-m²", "--"], {"position"})
    assert list(names.values()) == ["radius", "radius_2", "node_id", "position_2", "µ_m²", "array"]
    drawn = draw(
        [[0, 1, 2]],
        points={"radius": np.arange(6.0), "uv": np.zeros((6, 2), dtype=np.float32)},
        lines={"radius": np.array([7.0]), "flow rate": np.array([3])},
    )
    group = graph(None, drawn=drawn)["vessels"]
    assert group["edge_radius"].values.tolist() == [7]
    assert group["point_radius"].values.tolist() == [0, 1, 2]
    assert group["point_uv"].dims == ("point", "point_uv_component")
    assert group["flow_rate"].attrs["source_name"] == "flow rate"
    assert [group[name].attrs["units"] for name in ("radius", "edge_radius", "flow_rate")] == ["um", "um", "unknown"]


def brute(position, lines, label):
    """Return the edges of lines cut at nodes, one step at a time."""
    uses = {}
    ends = set()
    for line in lines:
        for one, other in itertools.pairwise(line):
            for point in (one, other):
                uses[label[point]] = uses.get(label[point], 0) + 1
        if line:
            ends |= {label[line[0]], label[line[-1]]}
    nodes = {label[at] for at in range(len(position)) if label[at] in ends or uses.get(label[at], 0) != 2}
    found = []
    for number, line in enumerate(lines):
        run = line[:1]
        for point in line[1:]:
            run.append(point)
            if label[point] in nodes:
                found.append((number, run))
                run = [point]
    return nodes, found


@st.composite
def drawings(draw_):
    n_points = draw_(st.integers(1, 12))
    cell = st.integers(0, 2)
    position = draw_(st.lists(st.tuples(cell, cell, cell), min_size=n_points, max_size=n_points))
    line = st.lists(st.integers(0, n_points - 1), max_size=6)
    return np.array(position, dtype=np.float64), draw_(st.lists(line, max_size=6))


@settings(max_examples=150, deadline=None)
@given(drawing=drawings(), merge=st.sampled_from(["none", "exact", "2"]))
def test_any_drawing_is_cut_as_a_walk_along_its_lines_cuts_it(drawing, merge):
    position, lines = drawing
    label = merged(position, merge)
    for at, low in enumerate(label):
        same = [
            other
            for other in range(len(position))
            if (other == at if merge == "none" else merge == "exact" and (position[other] == position[at]).all())
            or (merge == "2" and (np.rint(position[other] / 2) == np.rint(position[at] / 2)).all())
        ]
        assert low == min(same)
    nodes, wanted = brute(position, lines, label)
    tree = graph(lines, position, merge_points=merge)
    group = tree["vessels"]
    assert set(group["node"].values.tolist()) == nodes
    assert edges(group) == [(label[run[0]], label[run[-1]]) for _, run in wanted]
    if "point_ptr" in group:
        assert polylines(group) == [run for _, run in wanted]
    else:
        assert all(len(run) == 2 for _, run in wanted)
    steps = graph(lines, position, merge_points=merge, edges="segments")["vessels"]
    assert edges(steps) == [(label[a], label[b]) for line in lines for a, b in itertools.pairwise(line)]
    assert set(steps["node"].values.tolist()) == set(label.tolist())
    if merge != "none":
        shared = [at for at in range(len(position)) if (label == label[at]).sum() > 1]
        assert (tree["merged_points"]["point"].values.tolist() if shared else []) == shared


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_joined_rows_are_the_lowest_of_what_hangs_together(pairs):
    group = {at: {at} for at in range(10)}
    for one, other in pairs:
        union = group[one] | group[other]
        for member in union:
            group[member] = union
    first, second = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    assert joined_rows(10, first, second).tolist() == [min(group[at]) for at in range(10)]
