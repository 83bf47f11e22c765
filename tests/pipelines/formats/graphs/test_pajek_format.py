"""Pajek networks: the real one of VascGraph, generated ones written and read again, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.pajek import sniff
from support.graph_layouts import in_source_order

REAL = "vessel/vascgraph/mygraph.pajek"
GOOD = """*vertices 3
1 a 0.0 0.0 ellipse pos "[1.5  2.0 3.0]" r 2.0
2 b 0.0 0.0 ellipse pos "[4. 5. 6.]" r 1.5
3 "c d" 0.0 0.0 ellipse pos "[ 7 8 9]" r 0.5
*edges
1 2 1.0
1 2 2.0
3 3 4.0
"""


def save(folder: Path, text: str) -> Path:
    path = folder / "network.pajek"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def real(data_dir) -> object:
    return read(data_dir / REAL, "pajek", units="voxel", voxel_size_um="unknown")


@pytest.mark.data
def test_the_real_network_has_its_published_counts(real) -> None:
    schema.validate(real, subject="mygraph")
    facts = schema.measure(real)["/vessels"]
    assert (facts["n_nodes"], facts["n_edges"]) == (37754, 38115)
    assert facts["edges"]["vessel"] == {"n": 38115, "weight_sum": 38115.0}
    graph = real["vessels"].to_dataset()
    degree = np.bincount(np.concatenate([graph["source"].values, graph["target"].values]), minlength=37754)
    assert (degree == 0).sum() == 1


@pytest.mark.data
def test_real_positions_come_from_the_quoted_attribute_and_ids_count_from_one(real) -> None:
    graph = in_source_order(real)
    assert graph["node"].values.tolist() == list(range(1, 37755))
    assert graph["position"].values[0].tolist() == [60.02514397, 3.73582866, 48.34261759]
    assert graph["radius"].values[2] == 2.23606797749979
    assert graph["radius"].attrs["units"] == graph["position"].attrs["units"] == "voxel"
    assert not graph["drawing_x"].values.any()
    ids = real["vessels"]["node"].values
    first = np.flatnonzero(real["vessels"]["edge_row"].values == 0)[0]
    ends = [ids[real["vessels"][end].values[first]] for end in ("source", "target")]
    assert ends == [1, 3]
    assert [item["code"] for item in real.attrs["warnings"]] == ["axis-order-not-documented"]


@pytest.mark.data
def test_the_real_network_is_recognised_and_its_unit_demanded(data_dir) -> None:
    assert recognise([data_dir / REAL]).name == "pajek"
    with pytest.raises(UsageError, match="must be stated") as caught:
        read(data_dir / REAL)
    assert "voxel_size_um" in (caught.value.hint or "")


def test_parallel_edges_loops_and_quoted_labels_are_kept(tmp_path) -> None:
    graph = in_source_order(read(save(tmp_path, GOOD), "pajek", voxel_size_um="2,2,5"))
    assert graph["label"].values.tolist() == ["a", "b", "c d"]
    assert graph["weight"].values.tolist() == [1.0, 2.0, 4.0]
    assert graph.attrs["voxel_size_um"] == [2.0, 2.0, 5.0]
    assert graph["position"].values.tolist() == [[1.5, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_arcs_and_edges_are_types_of_their_own(tmp_path) -> None:
    text = '*Vertices 2\r\n1 "a" 0.1 0.2\r\n2 "b"\r\n*Arcs\r\n1 2 3\r\n*Edges\r\n2 1 5 c Blue\r\n% end\r\n'
    tree = read(save(tmp_path, text), "pajek", edge_type="synapse")
    schema.validate(tree, subject="arcs")
    graph = tree["vessels"].to_dataset()
    assert schema.decode(graph["edge_type"]).tolist() == ["synapse_arc", "synapse"]
    assert {name: about["directed"] for name, about in graph.attrs["edge_types"].items()} == {
        "synapse_arc": True,
        "synapse": False,
    }
    assert graph["weight"].values.dtype == np.int64
    assert schema.decode(graph["c"]).tolist() == ["", "Blue"]
    np.testing.assert_array_equal(graph["drawing_x"].values, [0.1, np.nan])


@pytest.mark.parametrize(
    ("old", "new", "error", "place"),
    [
        ("*vertices 3", "*vertices 999999999999999999999", TruncatedError, "line 1"),
        ("*vertices 3", "*vertices 9", TruncatedError, "line 1"),
        ("*vertices 3", "*vertices 5", TruncatedError, None),
        ("*vertices 3", "*vertices three", FormatError, "line 1"),
        ("*vertices 3", "*vertices 2 1", FormatError, "line 1"),
        ("*vertices 3\n", "", FormatError, "line 1"),
        ("2 b", "1 b", FormatError, "line 3"),
        ("2 b", "4 b", FormatError, "line 3"),
        ("2 b", "2.5 b", FormatError, "line 3"),
        ("2 b 0.0 0.0 ellipse", "2 b 0.0 0.0 ellipse pos 1", FormatError, "line 3"),
        ('"[4. 5. 6.]"', '"[4. nan 6.]"', FormatError, "line 3, attribute pos"),
        ('"[4. 5. 6.]"', '"[4. 5.]"', FormatError, "line 3, attribute pos"),
        ('"[4. 5. 6.]"', '"[4. five 6.]"', FormatError, "line 3, attribute pos"),
        ('"[4. 5. 6.]"', '"[4. 5. 6.]', FormatError, "line 3"),
        (' pos "[4. 5. 6.]"', "", FormatError, "line 3, attribute pos"),
        ("r 1.5", "r inf", FormatError, "line 3, attribute r"),
        ("1 2 2.0", "1 4 2.0", FormatError, "line 7"),
        ("1 2 2.0", "1 0 2.0", FormatError, "line 7"),
        ("1 2 2.0", "1;2;2.0", FormatError, "line 7"),
        ("1 2 2.0", "1", FormatError, "line 7"),
        ("1 2 2.0", "1 2 nan", FormatError, "line 7"),
        ("*edges", "*matrix", FormatError, "line 5"),
        ("*edges", "*edges :2", FormatError, "line 5"),
        (GOOD[GOOD.index("*edges") :], "", TruncatedError, "line 4"),
        (GOOD, "", TruncatedError, None),
        ("c d", "c\0d", FormatError, "line 4"),
    ],
)
def test_a_damaged_network_is_refused_with_its_line(tmp_path, old, new, error, place) -> None:
    path = save(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(error) as caught:
        read(path, "pajek", voxel_size_um=1)
    assert caught.value.subject == str(path)
    assert caught.value.place == place


def test_a_file_without_a_last_line_end_is_read_with_a_warning(tmp_path) -> None:
    tree = read(save(tmp_path, GOOD.rstrip("\n")), "pajek", voxel_size_um=1)
    assert "no-final-newline" in {item["code"] for item in tree.attrs["warnings"]}


@pytest.mark.parametrize(
    "options",
    [
        {"units": "furlong"},
        {"units": "voxel"},
        {"units": "um", "voxel_size_um": 3},
        {"voxel_size_um": "3,3"},
        {"voxel_size_um": -1.0},
        {"voxel_size_um": "nan"},
    ],
)
def test_units_that_cannot_be_are_refused(tmp_path, options) -> None:
    with pytest.raises(UsageError):
        read(save(tmp_path, GOOD), "pajek", **options)


def test_other_text_is_not_taken_for_pajek(tmp_path) -> None:
    assert sniff(save(tmp_path, "% by hand\n*Network x\n*Vertices 1\n"))
    assert not sniff(save(tmp_path, "1 2\n*vertices 3\n"))
    assert not sniff(save(tmp_path, ""))


NUMBER = st.floats(-1e6, 1e6, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(
    position=st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=1, max_size=20),
    ends=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19), NUMBER), max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_what_is_written_is_read_again(tmp_path_factory, position, ends, order) -> None:
    n_nodes = len(position)
    ends = [(one % n_nodes, other % n_nodes, weight) for one, other, weight in ends]
    rows = list(range(n_nodes))
    order.shuffle(rows)
    lines = [f"*vertices {n_nodes}"]
    lines += [f'{row + 1} v{row} 0 0 box pos "[{" ".join(map(repr, position[row]))}]" r {row / 7!r}' for row in rows]
    lines += ["*arcs", *(f"{one + 1} {other + 1} {weight!r}" for one, other, weight in ends), ""]
    path = save(tmp_path_factory.mktemp("pajek"), "\n".join(lines))
    tree = read(path, "pajek", units="um")
    schema.validate(tree, subject="generated")
    stored = tree["vessels"].to_dataset()
    listed = in_source_order(tree)
    assert listed["node"].values.tolist() == [row + 1 for row in rows]
    assert [tuple(item) for item in listed["position"].values.tolist()] == [position[row] for row in rows]
    assert listed["radius"].values.tolist() == [row / 7 for row in rows]
    ids = stored["node"].values
    found = [
        (ids[source] - 1, ids[target] - 1, weight)
        for source, target, weight in zip(
            listed["source"].values, listed["target"].values, listed["weight"].values if ends else [], strict=True
        )
    ]
    assert found == ends
