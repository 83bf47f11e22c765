"""graph-tool's gt files, written by its specification: there is no real file here but the head of its own example."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.gt_file import read_gt
from connectome.pipelines.importing import parse_options
from support.line_layouts import gt, small_gt

PLACES = [[0.0, 0, 0], [10, 0, 0], [10, 10, 0], [20, 0, 5]]


def save(folder, data, name="graph.gt"):
    path = folder / name
    path.write_bytes(data)
    return path


def load(path, **options):
    tree = read(path, **{"format": "gt", "units": "um", **options})
    schema.validate(tree, subject=str(path))
    return tree


def refusal(path) -> str:
    """Return why a file is refused, or nothing."""
    try:
        load(path)
    except FormatError as error:
        return error.message
    return ""


def by_row(group, name):
    """Return a column in the order of the source."""
    along = "node_row" if group[name].dims[0] == "node" else "edge_row"
    return group[name].values[np.argsort(group[along].values)]


def ends(group):
    ids = group["node"].values
    return ids[np.stack([by_row(group, "source"), by_row(group, "target")], axis=1)].tolist()


def zstd(data: bytes) -> bytes:
    pa = pytest.importorskip("pyarrow")
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_graph_is_read_plain_or_compressed(suffix, tmp_path) -> None:
    path = save(tmp_path, PACKERS[suffix](small_gt()), f"graph.gt{suffix}")
    assert recognise([path]).name == "gt"
    group = load(path)["vessels"]
    assert ends(group) == [[0, 1], [1, 2], [1, 3]]
    assert by_row(group, "position").tolist() == PLACES
    assert by_row(group, "radii").tolist() == [1, 2, 3, 4]
    assert group["radii"].attrs["units"] == "um"
    assert by_row(group, "name").tolist() == ["a", "", "ö"]
    assert by_row(group, "length").tolist() == [10, 10, 11.5]
    assert group.attrs["graph_properties"] == {"shape": [100, 200, 300]}
    assert group.attrs["comment"] == "generated"
    assert group.attrs["edge_types"]["vessel"]["directed"] is False


VALUES = {
    "bool": [True, False, True],
    "int16": [-32768, 0, 32767],
    "int32": [-(2**31), 5, 2**31 - 1],
    "int64": [-(2**63), 5, 2**63 - 1],
    "float64": [0.1, -np.inf, 1e300],
    "string": ["ä", "", "long " * 50],
    "vector bool": [[True], [False], [True]],
    "vector int16": [[1, -2], [3, 4], [5, 6]],
    "vector int32": [[1], [2], [3]],
    "vector int64": [[2**62, 1, 1]] * 3,
    "vector float64": [[0.5, 0.25]] * 3,
    "vector string": [["a", "bb"], ["", "c"], ["d", "e"]],
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", VALUES)
def test_every_type_of_value_is_kept_exactly(kind, order, tmp_path) -> None:
    position = ("vertex", "pos", "vector float64", [[0.0, 1], [2, 3], [4, 5]])
    properties = [position, ("edge", "value", kind, VALUES[kind]), ("vertex", "value", kind, VALUES[kind])]
    properties.append(("graph", "value", kind, VALUES[kind][:1]))
    group = load(save(tmp_path, gt([[0, 1, 2], [], []], properties, order=order)))["vessels"]
    for name in ("value", "edge_value"):
        assert by_row(group, name).tolist() == VALUES[kind]
    if kind in {"int16", "int32", "int64", "float64", "bool"}:
        assert group["value"].dtype == np.dtype(kind)
    wanted = VALUES[kind][0]
    given = wanted[0] if isinstance(wanted, list) and len(wanted) == 1 else wanted
    assert group.attrs["graph_properties"]["value"] == given


@pytest.mark.parametrize("kind", ["vector int32", "vector float64", "vector bool", "vector string"])
def test_vectors_of_different_lengths_become_a_table(kind, tmp_path) -> None:
    values = {
        "vector int32": [[1, 2], [], [3]],
        "vector float64": [[], [0.5], []],
        "vector bool": [[True, False], [True], []],
        "vector string": [["a"], [], ["b", "c"]],
    }[kind]
    position = ("vertex", "pos", "vector float64", PLACES[:3])
    tree = load(save(tmp_path, gt([[1], [2], [0]], [position, ("edge", "geometry", kind, values)])))
    table = tree["edge_geometry"]
    assert table["owner"].values.tolist() == [at for at, row in enumerate(values) for _ in row]
    assert table["value"].values.tolist() == [value for row in values for value in row]


@pytest.mark.parametrize("n_vertices", [255, 256, 65535, 65536])
@pytest.mark.parametrize("order", "<>")
def test_neighbours_take_as_many_bytes_as_the_number_of_vertices_needs(n_vertices, order, tmp_path) -> None:
    neighbours = [[] for _ in range(n_vertices)]
    neighbours[3] = [n_vertices - 1, 0, 3]
    found = read_gt(save(tmp_path, gt(neighbours, [], order=order, directed=True)))
    assert (found.source.tolist(), found.target.tolist()) == ([3, 3, 3], [n_vertices - 1, 0, 3])
    assert found.directed
    width = 1 if n_vertices < 256 else 2 if n_vertices < 65536 else 4
    # Head, comment, direction, number of vertices; then E * d bytes of neighbours; then the number of properties.
    assert len((tmp_path / "graph.gt").read_bytes()) == 8 + 8 + 9 + 1 + 8 + 8 * n_vertices + 3 * width + 8


def test_the_example_of_the_specification_starts_as_it_says(tmp_path) -> None:
    # The first 16 bytes and the first vertices of "lesmis" in graph-tool's documentation; the rest is cut.
    head = bytes.fromhex("e29bbe2067740100") + (0).to_bytes(8, "little") + bytes([0, 0x4D]) + bytes(7)
    head += bytes(8) + (1).to_bytes(8, "little") + b"\x00" + (1).to_bytes(8, "little") + b"\x00"
    with pytest.raises(TruncatedError, match="adjacency"):
        read_gt(save(tmp_path, head))


def test_pickled_properties_are_refused_or_passed_over_but_never_loaded(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    trap = pickle.dumps(Trap())
    position = ("vertex", "coordinates", "vector float64", PLACES[:2])
    properties = [("graph", "g", "object", [trap]), position, ("edge", "e", "object", [trap])]
    path = save(tmp_path, gt([[1], []], properties))
    with pytest.raises(UnsafeError, match="pickle") as caught:
        load(path)
    assert caught.value.place == "graph property 'g'"
    assert "skip_objects" in str(caught.value.hint)
    tree = load(path, **parse_options("gt", ["skip_objects=true"]))
    assert [warning["place"] for warning in tree.attrs["warnings"]] == ["graph property 'g'", "edge property 'e'"]
    assert ends(tree["vessels"]) == [[0, 1]]


def test_the_position_is_a_known_property_or_the_stated_one(tmp_path) -> None:
    axes = [("vertex", axis, "float64", [1.0 * at, 2.0 * at]) for at, axis in enumerate("xyz")]
    path = save(tmp_path, gt([[1], []], axes), "axes.gt")
    with pytest.raises(FormatError, match="cannot be told") as caught:
        load(path)
    assert caught.value.found == "x, y, z"
    group = load(path, position="x,y,z")["vessels"]
    assert by_row(group, "position").tolist() == [[0, 1, 2], [0, 2, 4]]
    assert "x" not in group
    for stated in ("x", "x,y,w", "x,y,z,x"):
        with pytest.raises(FormatError, match="not positions"):
            load(path, position=stated)
    two = [("vertex", name, "vector float64", PLACES[:2]) for name in ("pos", "coordinates")]
    both = save(tmp_path, gt([[1], []], two))
    with pytest.raises(FormatError, match="cannot be told"):
        load(both)
    assert "coordinates" in load(both, position="pos")["vessels"]
    words = save(tmp_path, gt([[1], []], [("vertex", "pos", "vector string", [["a", "b"], ["c", "d"]])]))
    with pytest.raises(FormatError):
        load(words)
    hole = save(tmp_path, gt([[1], []], [("vertex", "pos", "vector float64", [[0.0, 1], [np.nan, 2]])]))
    with pytest.raises(FormatError, match="not finite"):
        load(hole)
    with pytest.raises(UsageError, match="must be stated"):
        load(path, position="x,y,z", units="")
    with pytest.raises(UsageError):
        load(path, position="x,y,z", group="veins")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_graph_is_read_back_exactly(data, tmp_path) -> None:
    n_vertices = data.draw(st.integers(1, 7))
    neighbour = st.lists(st.integers(0, n_vertices - 1), max_size=4)
    neighbours = data.draw(st.lists(neighbour, min_size=n_vertices, max_size=n_vertices))
    order, directed = data.draw(st.sampled_from("<>")), data.draw(st.booleans())
    number = st.floats(allow_nan=False, allow_infinity=False)
    places = data.draw(st.lists(st.lists(number, min_size=2, max_size=2), min_size=n_vertices, max_size=n_vertices))
    n_edges = sum(map(len, neighbours))
    names = data.draw(st.lists(st.text(max_size=5), min_size=n_edges, max_size=n_edges))
    properties = [("vertex", "pos", "vector float64", places), ("edge", "word", "string", names)]
    found = read_gt(save(tmp_path, gt(neighbours, properties, order=order, directed=directed)))
    pairs = [(at, other) for at, listed in enumerate(neighbours) for other in listed]
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == pairs
    assert found.properties["vertex"]["pos"].tolist() == places
    assert found.properties["edge"]["word"].tolist() == names
    assert found.directed == directed


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_that_is_cut_anywhere_is_refused(suffix, tmp_path) -> None:
    whole = PACKERS[suffix](small_gt())
    for size in range(0, len(whole) - 1, 3):
        message = refusal(save(tmp_path, whole[:size]))
        # The last bytes of a compressed file are a checksum; zstd's streams may do without.
        assert message or suffix == ".zst", size
        assert "make sense" not in message, size


@pytest.mark.parametrize("suffix", PACKERS)
def test_no_flipped_bit_leaves_our_own_words(suffix, tmp_path) -> None:
    whole = PACKERS[suffix](small_gt())
    chance = np.random.default_rng(2)
    refused = 0
    for at in chance.integers(0, len(whole), 100):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(chance.integers(8))
        message = refusal(save(tmp_path, bytes(broken)))
        refused += bool(message)
        assert "make sense" not in message, at
    assert refused > 10


@pytest.mark.parametrize(
    ("at", "new", "message"),
    [
        (0, b"\x00", "not a gt file"),
        (6, b"\x02", "another version"),
        (7, b"\x02", "another version"),
        (7, b"\x01", "ends within"),
        (8, b"\xff" * 8, "ends within the comment"),
        (16, b"\xff", "UTF-8"),
        (25, b"\x02", "neither directed"),
        (26, b"\xff" * 8, "ends within the adjacency"),
        (34, b"\xff" * 8, "ends within the adjacency"),
        (42, b"\x09", "neighbour that is not there"),
    ],
)
def test_a_damaged_head_is_refused_at_its_byte(at, new, message, tmp_path) -> None:
    whole = bytearray(small_gt())
    assert whole[16:25] == b"generated"
    whole[at : at + len(new)] = new
    with pytest.raises(FormatError, match=message) as caught:
        load(save(tmp_path, bytes(whole)))
    assert caught.value.place is not None


def test_properties_of_unknown_kinds_or_values_are_refused(tmp_path) -> None:
    position = ("vertex", "pos", "vector float64", PLACES[:2])
    whole = gt([[1], []], [position, ("edge", "on", "bool", [True])])
    start = whole.index(b"on") - 9
    for at, value, message in (
        (start, 3, "nothing that is known"),
        (start + 11, 5, "long double|not read"),
        (start + 11, 15, "not read"),
        (start + 12, 2, "neither true nor false"),
    ):
        broken = bytearray(whole)
        broken[at] = value
        with pytest.raises(FormatError, match=message):
            load(save(tmp_path, bytes(broken)))
    with pytest.raises(FormatError, match="follows the last"):
        load(save(tmp_path, whole + b"\x00"))
    with pytest.raises(FormatError, match="one name"):
        load(save(tmp_path, gt([[1], []], [position, position])))
    with pytest.raises(TruncatedError, match="empty"):
        load(save(tmp_path, b""))
    huge = gt([[1], []], [position, ("edge", "s", "vector string", [["a"]])])
    at = huge.rindex((1).to_bytes(8, "little") + (1).to_bytes(8, "little"))
    with pytest.raises(TruncatedError):
        load(save(tmp_path, huge[:at] + b"\xff" * 7 + b"\x0f" + huge[at + 8 :]))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_file_that_expands_beyond_reason_is_refused_early(suffix, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("connectome.pipelines.formats.graphs.gt_file.SMALLEST_LIMIT", 1 << 20)
    monkeypatch.setattr("connectome.pipelines.formats.graphs.gt_file.MOST_EXPANSION", 100)
    whole = small_gt() + bytes(8 << 20)
    with pytest.raises(UnsafeError, match="expands"):
        load(save(tmp_path, PACKERS[suffix](whole)))
