"""The kind ``graph``: a multigraph as the source lists it, pointers both ways, sums that do not depend on a machine."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import xarray as xr

from connectome import schema
from connectome.errors import SchemaError
from connectome.schema.graph import CHUNK_ITEMS, layout
from support.faults import Plant, attrs, dropped, edited, faults, replaced

ABOUT = {"directed": True, "weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
# A parallel edge (0 -> 1 twice), a self loop (2 -> 2), a node without edges (4), a weight of zero.
SOURCE, TARGET = np.array([2, 0, 3, 0, 2, 1]), np.array([0, 1, 2, 1, 2, 3])
TYPES = ["chemical", "chemical", "electrical", "chemical", "chemical", "electrical"]
WEIGHT = np.array([3, 1, 0, 5, 2, 7], dtype=np.uint8)


def wiring(**options: Any) -> xr.Dataset:
    given: dict[str, Any] = {
        "node": ["AVA", "AVB", "AVD", "muscle", "alone"],
        "source": SOURCE,
        "target": TARGET,
        "edge_type": TYPES,
        "edge_types": {"chemical": ABOUT, "electrical": {**ABOUT, "directed": False}},
        "weight": WEIGHT,
        **options,
    }
    return schema.graph(**given)


KINDS = schema.category("node", ["neuron", "neuron", "neuron", "muscle", ""], ["muscle", "neuron"], "Kind")
EMPTY = np.zeros(0, dtype=int)

BUILT = {
    "wiring": wiring(),
    "no weight": wiring(weight=None),
    "numbered nodes": wiring(node=np.array([10, 20, 30, 40, 50])),
    "tables": wiring(nodes={"node_kind": KINDS}, edges={"note": schema.column("edge", list("abcdef"), "Note")}),
    "no edges": wiring(source=EMPTY, target=EMPTY, edge_type=[], weight=EMPTY.astype(float)),
    "no nodes": wiring(node=[], source=EMPTY, target=EMPTY, edge_type=[], weight=EMPTY),
    "a type without edges": wiring(edge_types={"chemical": ABOUT, "electrical": ABOUT, "unused": ABOUT}),
}


@pytest.mark.parametrize("dataset", BUILT.values(), ids=BUILT.keys())
def test_what_is_built_is_valid_and_can_be_measured(dataset: xr.Dataset) -> None:
    assert faults(dataset) == []
    facts = schema.measure(schema.record({"group": dataset}))["/group"]
    assert (facts["n_nodes"], facts["n_edges"]) == (dataset.sizes["node"], dataset.sizes["edge"])


def retyped(**changes: Any) -> Plant:
    """Return a function that changes what is said of chemical edges; None leaves it out."""

    def plant(dataset: xr.Dataset) -> xr.Dataset:
        about = {key: value for key, value in {**ABOUT, **changes}.items() if value is not None}
        return attrs(edge_types={**dataset.attrs["edge_types"], "chemical": about})(dataset)

    return plant


DESCRIBED = "a description of each of ['chemical', 'electrical']"
TYPE = ".edge_types.chemical"

PLANTED: dict[str, tuple[Plant, str, str]] = {
    **{
        f"no {name}": (dropped(name), "", "the variables of a graph")
        for name in ("source", "target", "edge_type", "out_ptr", "out_edge", "in_ptr", "in_edge", "node")
    },
    "node twice": (
        lambda d: d.assign_coords(node=("node", ["AVA", "AVA", "AVD", "m", "a"], d["node"].attrs)), "/node",
        "unique node ids",
    ),
    "source below zero": (edited("source", 0, -1), "/source", "indices below 5"),
    "target too large": (edited("target", 0, 5), "/target", "indices below 5"),
    "source in halves": (replaced("source", SOURCE + 0.5), "/source", "whole numbers"),
    "target as text": (replaced("target", TARGET.astype(str)), "/target", "whole numbers"),
    "source rewired": (edited("source", 0, 1), "/out_ptr", "pointers that match source"),
    "target rewired": (edited("target", 0, 1), "/in_ptr", "pointers that match target"),
    "out pointer off by one": (edited("out_ptr", 1, 1), "/out_ptr", "pointers that match source"),
    "in pointer off by one": (edited("in_ptr", 1, 0), "/in_ptr", "pointers that match target"),
    "out edges swapped": (edited("out_edge", [0, 1], [3, 1]), "/out_ptr", "pointers that match source"),
    "in edges swapped": (edited("in_edge", [1, 2], [3, 1]), "/in_ptr", "pointers that match target"),
    "pointers short": (lambda d: d.isel(node_bound=slice(0, 5)), "/out_ptr", "6 pointers"),
    "types not described": (attrs(edge_types=None), ".edge_types", DESCRIBED),
    "one type not described": (attrs(edge_types={"chemical": ABOUT}), ".edge_types", DESCRIBED),
    "a type too many": (
        attrs(edge_types={"chemical": ABOUT, "electrical": ABOUT, "other": ABOUT}), ".edge_types", DESCRIBED,
    ),
    "edge without a type": (edited("edge_type", 2, -1), "/edge_type", "a type for every edge"),
    "edge of an unknown type": (edited("edge_type", 2, 5), "/edge_type", "codes among [-1, 0, 1]"),
    "types as text": (
        lambda d: d.assign(edge_type=("edge", TYPES, {"long_name": "Type"})), ".edge_types",
        "a description of each of None",
    ),
    **{
        f"no {name}": (retyped(**{name: None}), TYPE, "directed, unit, meaning and lineage")
        for name in ("directed", "weight_units", "weight_meaning", "lineage")
    },
    "directed in words": (retyped(directed="yes"), TYPE, "directed: true or false"),
    "weight without unit": (attrs("weight", units=None), "/weight", 'the attribute units ("1" for plain numbers)'),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "place", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_finds_its_fault(plant: Plant, place: str, expected: str) -> None:
    assert (f"/group{place}", expected) in faults(plant(wiring()))


def test_every_source_row_is_kept_in_its_order() -> None:
    dataset = wiring()
    assert dataset["source"].values.tolist() == SOURCE.tolist()
    assert dataset["target"].values.tolist() == TARGET.tolist()
    assert dataset["weight"].values.tolist() == WEIGHT.tolist()
    assert dataset["weight"].dtype == WEIGHT.dtype
    assert schema.decode(dataset["edge_type"]).tolist() == TYPES


def test_pointers_list_the_edges_of_a_node_both_ways() -> None:
    dataset = wiring()
    for side, ends in (("out", SOURCE), ("in", TARGET)):
        pointer, edges = dataset[f"{side}_ptr"].values, dataset[f"{side}_edge"].values
        for node in range(5):
            assert edges[pointer[node] : pointer[node + 1]].tolist() == np.flatnonzero(ends == node).tolist()


def test_facts_are_exact() -> None:
    facts = schema.measure(schema.record({"group": wiring(nodes={"node_kind": KINDS})}))["/group"]
    assert facts == {
        "kind": "graph",
        "n_nodes": 5,
        "n_edges": 6,
        "edges": {"chemical": {"n": 4, "weight_sum": 11}, "electrical": {"n": 2, "weight_sum": 7}},
        "within": {
            "muscle": {
                "n_nodes": 1, "n_edges": 0, "n_nodes_connected": 0,
                "edges": {"chemical": {"n": 0, "weight_sum": 0}, "electrical": {"n": 0, "weight_sum": 0}},
            },
            "neuron": {
                "n_nodes": 3, "n_edges": 4, "n_nodes_connected": 3,
                "edges": {"chemical": {"n": 4, "weight_sum": 11}, "electrical": {"n": 0, "weight_sum": 0}},
            },
        },
    }  # fmt: skip


def weight_sum(weight: np.ndarray[Any, Any]) -> Any:
    edges = np.zeros(len(weight), dtype=int)
    dataset = schema.graph(
        node=["a"], source=edges, target=edges, edge_type=["t"] * len(weight), edge_types={"t": ABOUT}, weight=weight
    )
    return schema.measure(schema.record({"group": dataset}))["/group"]["edges"]["t"]["weight_sum"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_sum_of_fractions_is_rounded_once_whatever_the_order(dtype: type[np.floating[Any]]) -> None:
    numbers = np.random.default_rng(0).lognormal(0, 3, size=5000).astype(dtype)
    exact = float(sum(Fraction(float(number)) for number in numbers))
    shuffled = numbers.tolist()
    random.Random(1).shuffle(shuffled)
    assert weight_sum(numbers) == weight_sum(np.array(shuffled, dtype=dtype)) == exact


def test_a_sum_of_whole_numbers_does_not_overflow() -> None:
    assert weight_sum(np.full(300, 255, dtype=np.uint8)) == 300 * 255
    assert weight_sum(np.full(3, 2**63 - 1, dtype=np.int64)) == 3 * (2**63 - 1)
    assert weight_sum(np.array([True, True, False])) == 2


def test_a_sum_over_missing_or_endless_weights_says_so() -> None:
    assert np.isnan(weight_sum(np.array([1.0, np.nan])))
    assert weight_sum(np.array([1.0, np.inf])) == np.inf
    assert np.isnan(weight_sum(np.array([np.inf, -np.inf])))


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        ({"source": np.array([0, 0, 0, 0, 0, 5])}, "source"),
        ({"target": np.array([0, 0, 0, 0, 0, -1])}, "target"),
        ({"edge_types": {"chemical": ABOUT}}, "edge_types"),
        ({"edge_type": ["chemical"] * 5 + [""]}, "edge_types"),
    ],
)
def test_an_edge_that_cannot_be_is_refused(options: dict[str, Any], subject: str) -> None:
    with pytest.raises(SchemaError) as caught:
        wiring(**options)
    assert caught.value.subject == subject


def test_what_is_mapped_lies_uncompressed_and_whole_and_long_columns_in_blocks() -> None:
    long = xr.Variable(("edge",), np.zeros(CHUNK_ITEMS + 1, dtype=np.int32))
    assert (layout(long).codec, layout(long).chunks) == ("none", (CHUNK_ITEMS + 1,))
    assert layout(long.astype(np.float32)).chunks == (CHUNK_ITEMS,)
    assert layout(xr.Variable(("node", "axis"), np.zeros((3, 2)))).codec == "none"
    assert layout(wiring()["edge_type"].variable).codec == "zstd"
