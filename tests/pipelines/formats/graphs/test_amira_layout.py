"""AmiraMesh spatial graphs, written by the layout that Amira's readers agree on: there is no real file here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read, recognise
from support.line_layouts import amira, small_amira

CODINGS = [
    ("ASCII", False),
    ("BINARY", False),
    ("BINARY-LITTLE-ENDIAN", False),
    ("BINARY", True),
    ("BINARY-LITTLE-ENDIAN", True),
]


def save(folder, data):
    path = folder / "graph.am"
    path.write_bytes(data)
    return path


def load(path, **options):
    tree = read(path, **{"format": "amira", "units": "um", "thickness": "radius", **options})
    schema.validate(tree, subject=str(path))
    return tree


def refusal(path) -> str:
    """Return why a file is refused, or nothing."""
    try:
        load(path)
    except (FormatError, UsageError) as error:
        return error.message
    return ""


def by_row(group, name):
    """Return a column in the order of the source."""
    along = "node_row" if group[name].dims[0] == "node" else "edge_row"
    return group[name].values[np.argsort(group[along].values)]


def polylines(group, name):
    """Return the values along every edge, in the order of the source."""
    cuts = group["point_ptr"].values
    return [group[name].values[cuts[at] : cuts[at + 1]].tolist() for at in np.argsort(group["edge_row"].values)]


def codes(tree):
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


@pytest.mark.parametrize(("coding", "zipped"), CODINGS)
def test_every_coding_of_the_layout_says_the_same(coding, zipped, tmp_path) -> None:
    path = save(tmp_path, amira(small_amira(), coding=coding, zipped=zipped))
    assert recognise([path]).name == "amira"
    tree = load(path)
    group, wanted = tree["vessels"], small_amira()
    assert codes(tree) == []
    assert np.array_equal(by_row(group, "position"), wanted["VERTEX", "VertexCoordinates"])
    assert by_row(group, "label").tolist() == [7, 8, 9]
    assert group["label"].dtype == np.int32
    assert by_row(group, "flow").tolist() == [0.5, -1.25]
    ends = group["node"].values[np.stack([by_row(group, "source"), by_row(group, "target")], axis=1)]
    assert ends.tolist() == [[0, 1], [1, 2]]
    assert polylines(group, "point_radius") == [[1, 2], [2, 1.5, 0.5]]
    assert polylines(group, "point_position")[1] == [[10, 0, 0], [10, 10, 0], [20, 0, 5]]
    assert group["point_radius"].attrs["units"] == "um"
    assert 'ContentType "HxSpatialGraph"' in group.attrs["parameters"]


def test_the_meaning_of_the_thickness_is_demanded_and_names_the_column(tmp_path) -> None:
    path = save(tmp_path, amira(small_amira()))
    with pytest.raises(UsageError, match="must be stated") as caught:
        load(path, thickness="")
    assert caught.value.expected == "radius or diameter"
    with pytest.raises(UsageError):
        load(path, thickness="width")
    group = load(path, thickness="diameter")["vessels"]
    assert "point_diameter" in group
    assert "point_radius" not in group
    plain = {key: values for key, values in small_amira().items() if key[1] != "thickness"}
    load(save(tmp_path, amira(plain)), thickness="")
    with pytest.raises(UsageError, match="no thickness"):
        load(path, thickness="radius")
    with pytest.raises(UsageError, match="must be stated"):
        read(path, "amira")


def test_polylines_that_leave_their_vertices_are_kept_and_said(tmp_path) -> None:
    arrays = small_amira()
    points = arrays["POINT", "EdgePointCoordinates"].copy()
    points[:2] = points[1::-1].copy()
    arrays["POINT", "EdgePointCoordinates"] = points
    assert codes(load(save(tmp_path, amira(arrays)))) == ["polyline-reversed"]
    points[0] += 0.5
    assert codes(load(save(tmp_path, amira(arrays)))) == ["polyline-apart"]
    arrays["EDGE", "NumEdgePoints"] = np.array([0, 5], dtype=np.int32)
    tree = load(save(tmp_path, amira(arrays)))
    assert codes(tree) == ["no-polyline", "polyline-apart"]
    assert polylines(tree["vessels"], "point_radius")[0] == []


def test_parameters_may_hold_braces_in_quotes_and_marks_of_blocks(tmp_path) -> None:
    text = ',\n    Note "an } and\n@1\n",\n    Units { Coordinates "um" }'
    group = load(save(tmp_path, amira(small_amira(), parameters=text)))["vessels"]
    assert "Units {" in group.attrs["parameters"]
    tree = load(save(tmp_path, amira(small_amira(), parameters=',\n History "' + "x" * 30_000 + '"')))
    assert codes(tree) == ["parameters"]
    assert "parameters" not in tree["vessels"].attrs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_graph_is_read_back_exactly(data, tmp_path) -> None:
    coding, zipped = data.draw(st.sampled_from(CODINGS))
    number = st.floats(-1e6, 1e6, width=32)
    n_vertices = data.draw(st.integers(1, 6))
    triple = st.lists(number, min_size=3, max_size=3)
    vertices = np.array(data.draw(st.lists(triple, min_size=n_vertices, max_size=n_vertices)), dtype=np.float32)
    pair = st.tuples(st.integers(0, n_vertices - 1), st.integers(0, n_vertices - 1))
    ends = np.array(data.draw(st.lists(pair, min_size=1, max_size=6)), dtype=np.int32)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(ends), max_size=len(ends)))
    total = sum(counts)
    along = np.array(data.draw(st.lists(triple, min_size=total, max_size=total)), dtype=np.float32).reshape(total, 3)
    arrays = {
        ("VERTEX", "VertexCoordinates"): vertices,
        ("EDGE", "EdgeConnectivity"): ends,
        ("EDGE", "NumEdgePoints"): np.array(counts, dtype=np.int32),
        ("POINT", "EdgePointCoordinates"): along,
        ("POINT", "thickness"): np.arange(total, dtype=np.float64),
    }
    group = load(save(tmp_path, amira(arrays, coding=coding, zipped=zipped)))["vessels"]
    assert np.array_equal(by_row(group, "position"), vertices)
    assert np.array_equal(group["node"].values[np.stack([by_row(group, "source"), by_row(group, "target")], 1)], ends)
    starts = np.cumsum([0, *counts])
    assert polylines(group, "point_position") == [
        along[starts[at] : starts[at + 1]].tolist() for at in range(len(counts))
    ]
    assert group["point_radius"].dtype == np.float64


BASE = amira(small_amira()).decode()


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("# AmiraMesh 3D ASCII 2.0", "# HyperMesh 3D ASCII 2.0", "not an AmiraMesh", "line 1"),
        ("define POINT 5", "define Lattice 5", "not a spatial graph", "line 1"),
        ("define POINT 5", "define POINT 5\ndefine POINT 6", "twice", "line 1"),
        ("define POINT 5", "define POINT 4", "something else|not a block|missing|declared", None),
        ("define POINT 5", "define POINT 999999999999999", "ends within", None),
        ("define VERTEX 3", "define VERTEX 4", "not a number", None),
        ("float[3] VertexCoordinates", "float[3] Coordinates", "not a spatial graph", "VERTEX VertexCoordinates"),
        ("float[3] VertexCoordinates", "complex[3] VertexCoordinates", "type that is not a number", None),
        ("float[3] VertexCoordinates", "float[0] VertexCoordinates", "not one of a graph", "line 1"),
        ("EDGE { int NumEdgePoints", "EDGE { float NumEdgePoints", "not a spatial graph", "EDGE NumEdgePoints"),
        ("} @4", "} @3", "not one of a graph", "line 1"),
        ("} @4", "} @4(HxByteRLE,12)", "coded in a way", None),
        ("\n@4\n2\n3\n", "\n@4\n2\n4\n", "points of the edges", "NumEdgePoints"),
        ("\n@4\n2\n3\n", "\n@4\n-2\n7\n", "points of the edges", "NumEdgePoints"),
        ("\n@4\n2\n3\n", "\n@4\n2\n", "not a number", None),
        ("\n@4\n2\n3\n", "\n@9\n2\n3\n", "not declared", None),
        ("\n@4\n2\n3\n", "\n@2\n2\n3\n", "not declared", None),
        ("\n@4\n2\n3\n", "\n", "not declared|missing", None),
        ("0 1\n1 2\n", "0 1\n1 3\n", "not there", "EdgeConnectivity, row 1 (from 0)"),
        ("0 1\n1 2\n", "0 -1\n1 2\n", "not there", "EdgeConnectivity, row 0 (from 0)"),
        ("0 1\n1 2\n", "0 1.5\n1 2\n", "not a number", None),
        ("20.0 0.0 5.0\n\n@2", "20.0 0.0 nan\n\n@2", "not finite", "VertexCoordinates, row 2 (from 0)"),
        ("Parameters {", "Parameters {{", "do not end", None),
        ("label", "VertexCoordinates", "one name", None),
    ],
)
def test_damage_is_refused_at_its_place(old, new, message, place, tmp_path) -> None:
    assert old in BASE
    path = save(tmp_path, BASE.replace(old, new, 1).encode())
    with pytest.raises(FormatError, match=message) as caught:
        load(path)
    assert caught.value.place is not None
    if place is not None:
        assert caught.value.place == place
    assert "make sense" not in caught.value.message


def test_numbers_after_the_last_block_are_refused(tmp_path) -> None:
    with pytest.raises(FormatError, match="follows the last block"):
        load(save(tmp_path, BASE.encode() + b"1.0\n"))
    with pytest.raises(TruncatedError, match="empty"):
        load(save(tmp_path, b""))


@pytest.mark.parametrize(("coding", "zipped"), CODINGS)
def test_a_file_that_is_cut_anywhere_is_refused(coding, zipped, tmp_path) -> None:
    whole = amira(small_amira(), coding=coding, zipped=zipped)[:-1]
    # Text that ends within the digits of its last number is a whole file to whoever cannot know better.
    for size in range(0, len(whole) - (4 if coding == "ASCII" else 0), 7):
        message = refusal(save(tmp_path, whole[:size]))
        assert message, size
        assert "make sense" not in message, size


@pytest.mark.parametrize(("coding", "zipped"), CODINGS)
def test_no_flipped_bit_leaves_our_own_words(coding, zipped, tmp_path) -> None:
    whole = amira(small_amira(), coding=coding, zipped=zipped)
    chance = np.random.default_rng(11)
    refused = 0
    for at in chance.integers(0, len(whole), 80):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(chance.integers(8))
        message = refusal(save(tmp_path, bytes(broken)))
        refused += bool(message)
        assert "make sense" not in message, at
    assert refused > 10


def test_a_zipped_block_that_claims_more_than_it_holds_is_refused(tmp_path) -> None:
    whole = amira(small_amira(), coding="BINARY", zipped=True)
    for count in (b"6", b"900", b"999999999999999999"):
        with pytest.raises(FormatError) as caught:
            load(save(tmp_path, whole.replace(b"define POINT 5", b"define POINT " + count)))
        assert "make sense" not in caught.value.message
