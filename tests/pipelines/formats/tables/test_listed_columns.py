"""Columns as files list them: the narrowest type that holds every cell, names that hide nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.pipelines.formats.tables.listed_columns import (
    MOST_LABELS,
    TAKEN,
    edge_column_names,
    listed_column,
    node_column_names,
    typed_cells,
)

CELL = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats().map(str),
    st.sampled_from(["", "True", "false", "007", "-0", "1_0", "1e5", "0x10", "nan", "1.50"]),
    st.text(max_size=4),
)


@settings(deadline=None, max_examples=200)
@given(cells=st.one_of(st.lists(CELL, max_size=9), st.lists(st.integers(-(2**63), 2**63 - 1).map(str), max_size=9)))
def test_no_cell_is_changed_by_its_type(cells) -> None:
    values, missing = typed_cells(cells)
    assert len(values) == len(cells)
    for at, (cell, value) in enumerate(zip(cells, values.tolist(), strict=True)):
        if cell == "":
            assert value == "" or (missing is not None and missing[at]) or np.isnan(value)
        elif isinstance(value, bool):
            assert str(value).lower() == cell.lower()
        elif isinstance(value, int):
            assert str(value) == cell
        elif isinstance(value, float):
            assert value == float(cell) or np.isnan(float(cell))
            assert not cell.lstrip("+-").isdigit() or float(cell) == int(cell)
        else:
            assert value == cell


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-5", ""], "i"),
        (["1", "2.5"], "f"),
        (["1", "9223372036854775807"], "i"),
        (["1", "9223372036854775808"], "O"),
        (["1.5", "648518346349539437"], "O"),
        (["007", "1"], "O"),
        (["True", "false"], "b"),
        (["True", "1"], "O"),
        (["", ""], "O"),
    ],
)
def test_the_type_is_the_narrowest_that_holds_all(cells, kind) -> None:
    assert typed_cells(cells)[0].dtype.kind == kind


def test_what_is_missing_among_whole_numbers_and_truth_values_can_be_told() -> None:
    missing = np.array([False, True])
    numbers = listed_column("node", "n", np.array([4, 0]), missing=missing)
    assert numbers.values.tolist() == [4, -1]
    assert numbers.attrs["missing_value"] == -1
    taken = listed_column("node", "n", np.array([-1, 0]), missing=missing)
    assert taken.values.tolist() == ["-1", ""]
    truth = listed_column("edge", "n", np.array([True, False]), missing=missing)
    assert schema.decode(truth).tolist() == ["true", ""]


def test_text_of_edges_is_a_category_unless_it_is_mostly_names() -> None:
    few, many = (np.array([f"w{at}" for at in range(count)], dtype=object) for count in (MOST_LABELS, MOST_LABELS + 1))
    assert schema.is_category(listed_column("edge", "n", few))
    assert not schema.is_category(listed_column("edge", "n", many))
    assert not schema.is_category(listed_column("node", "n", few))


@given(
    edges=st.lists(st.sampled_from([*sorted(TAKEN), "weight", "a b", "a-b", "a_b", "", "é", "edge_a_b"]), unique=True),
    nodes=st.lists(st.sampled_from([*sorted(TAKEN), "weight", "a b", "a-b", "a_b", "", "node_weight"]), unique=True),
)
def test_no_column_takes_the_name_of_another_or_of_the_graph(edges, nodes) -> None:
    of_edges = edge_column_names(edges)
    of_nodes = node_column_names(nodes, of_edges.values())
    names = [*of_edges.values(), *of_nodes.values()]
    assert (list(of_edges), list(of_nodes)) == (edges, nodes)
    assert len(set(names)) == len(names)
    assert not TAKEN & set(names)
    assert all((name.isascii() and name.isidentifier()) or name[0].isdigit() for name in names)
