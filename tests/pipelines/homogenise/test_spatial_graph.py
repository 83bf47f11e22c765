"""Graphs in space: the curve, the order along it, columns on disk, and that short decimals survive four bytes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, SchemaError
from connectome.pipelines.homogenise.hilbert import hilbert_index
from connectome.pipelines.homogenise.spatial_graph import spatial_graph, spatial_order
from connectome.pipelines.homogenise.spooled import Spool, is_short, six_digits
from connectome.schema.graph import compressed_rows

if TYPE_CHECKING:
    import xarray as xr

GENERATED = np.random.default_rng(7)


@pytest.mark.parametrize(("bits", "n_axes"), [(1, 2), (3, 2), (5, 2), (1, 3), (2, 3), (4, 3)])
def test_the_curve_meets_every_cell_once_and_goes_from_neighbour_to_neighbour(bits: int, n_axes: int) -> None:
    cells = np.array(list(itertools.product(range(2**bits), repeat=n_axes)))
    index = hilbert_index(cells, bits)
    assert sorted(index.tolist()) == list(range(len(cells)))
    steps = np.abs(np.diff(cells[np.argsort(index)], axis=0)).sum(axis=1)
    assert (steps == 1).all()


@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_nodes_lie_along_the_curve_and_within_a_cell_as_in_the_source(n_axes: int, spread: float) -> None:
    # Wide tails make a grid of more cells than nodes, which takes the other way through the code.
    position = GENERATED.standard_normal((3000, n_axes)) ** (1 if spread == 1.0 else 3) * spread
    order = spatial_order(position, cell_nodes=20 if spread == 1.0 else 1)
    cells = np.floor((position - position.min(axis=0)) / order.cell_size).astype(np.int64)
    index = hilbert_index(cells, max(1, int(cells.max()).bit_length()))
    assert order.node.tolist() == sorted(range(3000), key=lambda row: (index[row], row))
    for number, (start, stop) in enumerate(itertools.pairwise(order.cell_ptr.tolist())):
        assert start < stop
        assert (cells[order.node[start:stop]] == order.cell[number]).all()
    assert order.cell_ptr[-1] == 3000


def rows_graph(**changes: Any) -> xr.Dataset:
    """Return a graph of generated rows with parallel edges and self loops."""
    generator = np.random.default_rng(11)
    given_: dict[str, Any] = {
        "node": 100 + 3 * generator.permutation(200),
        "position": generator.uniform(-50, 50, (200, 3)),
        "position_units": "um",
        "source": generator.integers(0, 200, 900) // 3,
        "target": generator.integers(0, 200, 900) // 3,
        "subject": "rows",
        **changes,
    }
    graph: xr.Dataset = spatial_graph(**given_)
    return graph


def test_rows_come_back_through_the_permutation() -> None:
    generator = np.random.default_rng(11)
    node, position = 100 + 3 * generator.permutation(200), generator.uniform(-50, 50, (200, 3))
    source, target = generator.integers(0, 200, 900) // 3, generator.integers(0, 200, 900) // 3
    length = np.arange(900.0)
    graph = rows_graph(edges={"length": schema.column("edge", length, "Length", "um")})
    node_row, edge_row = graph["node_row"].values, graph["edge_row"].values
    assert sorted(node_row) == list(range(200))
    assert sorted(edge_row) == list(range(900))
    assert (graph["node"].values == node[node_row]).all()
    assert (graph["position"].values == position[node_row]).all()
    assert (node_row[graph["source"].values] == source[edge_row]).all()
    assert (node_row[graph["target"].values] == target[edge_row]).all()
    assert (graph["length"].values == length[edge_row]).all()
    keys = list(zip(graph["target"].values, graph["source"].values, edge_row, strict=True))
    assert keys == sorted(keys)
    assert schema.problems(schema.record({"vessels": graph})) == []


def test_an_end_that_is_not_listed_and_a_place_that_is_none_are_refused() -> None:
    for wrong in (-1, 200):
        with pytest.raises(SchemaError, match="not listed"):
            rows_graph(source=np.array([0, wrong]), target=np.array([1, 1]))
    position = np.zeros((200, 3))
    position[17, 1] = np.nan
    with pytest.raises(FormatError, match="not finite"):
        rows_graph(position=position)
    with pytest.raises(FormatError, match="not positions"):
        rows_graph(position=np.zeros((200, 4)))


@pytest.mark.parametrize("wrong", ["swap", "twice", "beyond", "negative", "pointer", "short"])
def test_pointers_that_are_not_those_of_a_stable_sort_are_found(wrong: str) -> None:
    graph = rows_graph().load()
    order, pointer = graph["out_edge"].values.copy(), graph["out_ptr"].values.copy()
    expected = compressed_rows(graph["source"].values, 200)
    assert (order == expected[1]).all()
    assert (pointer == expected[0]).all()
    first = int(np.flatnonzero(np.diff(pointer) > 1)[0])
    at = int(pointer[first])
    if wrong == "swap":  # both of one node: still a permutation in which nodes are sorted
        order[[at, at + 1]] = order[[at + 1, at]]
    elif wrong == "pointer":
        pointer[first + 1] -= 1
    else:
        order[at] = {"twice": order[at + 1], "beyond": 900, "negative": -1, "short": order[-1]}[wrong]
    graph["out_edge"].values[:], graph["out_ptr"].values[:] = order, pointer
    problems = schema.problems(schema.record({"vessels": graph}))
    assert [problem.place for problem in problems] == ["/vessels/out_ptr"]


# Columns on disk -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-999_999, 999_999), st.integers(-16, 9)), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_every_decimal_of_six_digits_survives_as_float32(decimals: list[tuple[int, int]]) -> None:
    values = np.array([float(f"{digits}e{power}") for digits, power in decimals])
    assert is_short(values)
    assert (six_digits(values.astype(np.float32)) == values).all()


@given(st.integers(1_000_001, 9_999_999).filter(lambda digits: digits % 10), st.integers(-16, 6))
@settings(deadline=None)
def test_a_decimal_of_seven_digits_is_not_taken_for_a_shorter_one(digits: int, power: int) -> None:
    assert not is_short(np.array([1.5, float(f"{digits}e{power}")]))


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_what_counts_as_short_comes_back_exactly(value: float) -> None:
    values = np.array([value])
    if is_short(values):
        assert six_digits(values.astype(np.float32))[0] == value


def spooled(kind: Any, *blocks: Any) -> Spool:
    spool = Spool(kind)
    for block in blocks:
        spool.append(np.asarray(block))
    return spool


@pytest.mark.parametrize(
    ("kind", "blocks", "dtype"),
    [
        ("whole", ([1, 2], [127]), np.int8),
        ("whole", ([1, 2], [255]), np.uint8),
        ("whole", ([200], [-1]), np.int16),
        ("whole", ([70_000], [3], [-5]), np.int32),
        ("whole", ([2**31], [0]), np.uint32),
        ("whole", ([2**31], [-1]), np.int64),
        ("whole", ([2**63 - 1], [-(2**63)]), np.int64),
        ("number", ([0.1, 2.25], [np.nan, np.inf]), np.float32),
        ("number", ([0.1, 48.1319], [1 / 3], [0.3]), np.float64),
        ("number", ([1e40],), np.float64),
        ("flag", ([0, 1], [1]), np.bool_),
        ("whole", (), np.int8),
        ("number", (), np.float32),
    ],
)
def test_a_column_takes_the_smallest_type_that_holds_it_exactly(kind: str, blocks: Any, dtype: Any) -> None:
    spool = spooled(kind, *blocks)
    expected = np.concatenate([np.asarray(block) for block in blocks]) if blocks else np.zeros(0)
    assert (len(spool), spool.dtype) == (len(expected), np.dtype(dtype))
    loaded = spool.load()
    assert loaded.dtype == dtype
    restored = six_digits(loaded) if dtype is np.float32 else loaded
    assert np.array_equal(restored, expected, equal_nan=kind == "number")


def test_rows_of_columns_are_read_in_any_order_also_when_many_take_turns() -> None:
    columns = [GENERATED.integers(0, 10**6, 500) for _ in range(5)]
    order = GENERATED.permutation(500)[:300]
    lazy = [spooled("whole", values[:200], values[200:]).column("edge", "Number", "1")(order) for values in columns]
    for part in (slice(0, 100), slice(250, None), slice(10, 90, 7)):
        for variable, values in zip(lazy, columns, strict=True):
            assert (variable[part].values == values[order][part]).all()
    assert lazy[0].attrs == {"long_name": "Number", "units": "1"}
