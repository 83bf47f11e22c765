"""Connectomes of flies and mice, ingested from the publishers' files: every count that was computed from them apart."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import connectome
from connectome.graphs import component_sizes, connected_components
from connectome.schema import decode

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Manifest

pytestmark = pytest.mark.data

DATASETS = ("larva-connectome", "flywire", "microns", "flyvis")
RECORDS = {
    "larva": ("larva-connectome", "larva-winding2023"),
    "types": ("flywire", "flywire-783-optic-lobe-types"),
    "layer23": ("microns", "microns-layer23"),
    "flyvis": ("flyvis", "flyvis-fib25-fib19"),
}


@pytest.fixture(scope="module")
def place(data_dir: Path) -> Path:
    return data_dir / "connectome"


@pytest.fixture(scope="module")
def trees(root: Path) -> dict[str, xr.DataTree]:
    return {
        name: connectome.open(dataset, root=root).open(record).load() for name, (dataset, record) in RECORDS.items()
    }


def graph_of(tree: xr.DataTree) -> xr.Dataset:
    return tree["connectome"].to_dataset()


def pairs(graph: xr.Dataset) -> list[tuple[Any, Any]]:
    """Return the ids of both ends of every edge, in the order of the file."""
    ids = graph["node"].values
    ends = (ids[graph[end].values].tolist() for end in ("source", "target"))
    return list(zip(*ends, strict=True))


def test_the_larvas_connectome_has_the_counts_of_its_files(trees: dict[str, xr.DataTree], facts: dict[str, Any]):
    graph, told = graph_of(trees["larva"]), facts["larva_winding2023"]
    source, target, weight = (graph[name].values for name in ("source", "target", "weight"))
    assert len(source) == told["edges"] == told["edges_with_both_ends_in_meta"]
    assert weight.dtype == np.int64
    assert (int(weight.sum()), int(weight.max())) == (told["weight_sum"], told["max_weight"])
    assert len(np.union1d(source, target)) == told["nodes_with_edges"]
    assert int((source == target).sum()) == told["self_loops"]
    assert len(set(pairs(graph))) == told["edges"] - told["duplicate_pairs"]
    sizes = np.sort(component_sizes(connected_components(source, target, graph.sizes["node"])))
    assert (sizes > 1).sum() == told["weak_components"]
    assert sizes[-1] == told["largest_weak_component"]
    assert graph.sizes["node"] == told["meta_rows"]
    assert Counter(decode(graph["hemisphere"]).tolist()) == told["hemisphere"]


def test_the_larvas_connectome_has_as_many_strong_components_as_its_file(
    trees: dict[str, xr.DataTree], facts: dict[str, Any]
):
    sparse = pytest.importorskip("scipy.sparse")
    graph = graph_of(trees["larva"])
    ends = graph["source"].values, graph["target"].values
    joined = sparse.csgraph.connected_components(
        sparse.coo_array((np.ones(len(ends[0])), ends), shape=(graph.sizes["node"],) * 2), connection="strong"
    )[1]
    with_edges = np.union1d(*ends)
    assert len(np.unique(joined[with_edges])) == facts["larva_winding2023"]["strong_components"]


def test_every_column_of_the_larvas_neurons_is_there_with_its_type_and_its_values(
    trees: dict[str, xr.DataTree], place: Path, facts: dict[str, Any]
):
    with (place / "larva_winding2023/meta_data.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    graph = graph_of(trees["larva"])
    names = list(rows[0])[1:]
    assert len(names) == facts["larva_winding2023"]["meta_columns"]
    assert graph["node"].values.tolist() == [int(row[""]) for row in rows]
    kinds = Counter(graph[name].dtype.kind for name in names)
    assert kinds["b"] > 40
    for name in names:
        cells, held = [row[name] for row in rows], graph[name]
        if name == "hemisphere":
            assert decode(held).tolist() == cells
        elif held.dtype.kind == "b":
            assert held.values.tolist() == [cell == "True" for cell in cells], name
            assert set(cells) <= {"True", "False"}
        elif held.dtype.kind in "if":
            told = [float(cell or "nan") for cell in cells]
            assert np.array_equal(held.values.astype(float), told, equal_nan=True), name
        else:
            assert held.values.tolist() == cells, name


def test_edges_of_the_larva_lead_from_the_first_id_to_the_second(trees: dict[str, xr.DataTree], place: Path):
    lines = (place / "larva_winding2023/G_edgelist.txt").read_text().splitlines()
    graph = graph_of(trees["larva"])
    assert pairs(graph) == [(int(one), int(two)) for one, two, _ in map(str.split, lines)]
    assert graph.attrs["edge_types"]["chemical"]["direction"].startswith("from the presynaptic")


def test_the_types_of_the_optic_lobe_have_the_counts_of_their_table(
    trees: dict[str, xr.DataTree], facts: dict[str, Any], place: Path
):
    graph, told = graph_of(trees["types"]), facts["flywire_optic_lobe_types"]
    assert graph.sizes["node"] == told["types"]
    assert graph.sizes["edge"] == told["rows"]
    for what in ("connections", "synapses"):
        total, *parts = (graph[f"{what}_{part}"].values for part in ("total", "rhs", "lhs", "bilateral"))
        assert int(total.sum()) == told[f"{what}_total"]
        assert int((total == sum(parts)).sum()) == told["rows_where_parts_sum_to_total"]
    assert np.array_equal(graph["weight"].values, graph["synapses_total"].values)
    assert int((graph["source"].values == graph["target"].values).sum()) == told["self_type_rows"]
    with next((place / "flywire_optic_lobe_types").glob("*.csv")).open(newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    assert pairs(graph) == [(row[0], row[1]) for row in rows]


def test_the_synapses_of_layer_2_3_keep_every_digit_of_their_ids(
    trees: dict[str, xr.DataTree], facts: dict[str, Any], place: Path
):
    graph, told = graph_of(trees["layer23"]), facts["microns_layer23"]
    with (place / "microns_layer23/soma_subgraph_synapses_spines_v185.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    ends = [(int(row["pre_root_id"]), int(row["post_root_id"])) for row in rows]
    assert pairs(graph) == ends
    assert graph.sizes["edge"] == told["synapses"]
    assert graph.sizes["node"] == told["neurons"]
    assert len(set(ends)) == told["unique_pairs"]
    assert sum(pre == post for pre, post in ends) == told["autapses"]
    assert sum(pre > 2**53 for pre, _ in ends) == told["ids_above_2p53"]
    assert sum(int(float(pre)) != pre for pre, _ in ends) == told["ids_changed_by_float64"]
    assert int(np.isnan(graph["spine_volume"].values).sum()) == told["spine_volume_missing"]
    assert graph["spine_volume"].values.tolist() == [float(row["spine_vol_um3"]) for row in rows]
    assert graph["post_position"].values[0].tolist() == [float(rows[0][f"post_pos_{axis}_vx"]) for axis in "xyz"]
    assert graph["post_position"].attrs["units"] == "voxel"


def test_the_somata_of_layer_2_3_are_placed_by_their_own_positions(
    trees: dict[str, xr.DataTree], facts: dict[str, Any], manifests: dict[str, Manifest]
):
    told, soma, graph = facts["microns_layer23"], trees["layer23"]["soma"].to_dataset(), graph_of(trees["layer23"])
    assert soma.sizes["row"] == told["soma_rows"]
    assert Counter(decode(soma["cell_type"]).tolist()) == told["soma_types"]
    # The table's own nanometres repeat x in y and z.
    assert np.array_equal(soma["soma_y_nm"].values, soma["position_x"].values * 4)
    assert not np.array_equal(soma["soma_y_nm"].values, soma["position_y"].values * 4)
    warnings = {item["code"] for item in manifests["microns"].records["microns-layer23"].warnings}
    assert {"positions-differ", "somata-differ"} <= warnings
    rows = {int(root): at for at, root in enumerate(soma["pt_root_id"].values)}
    at = next(index for index, kind in enumerate(decode(graph["node_kind"]).tolist()) if kind == "e")
    row = rows[int(graph["node"].values[at])]
    assert graph["soma_y"].values[at] == soma["position_y"].values[row] * 4
    assert graph["soma_z"].values[at] == soma["position_z"].values[row] * 40


def test_the_columns_of_flyvis_have_the_counts_of_their_file(trees: dict[str, xr.DataTree], facts: dict[str, Any]):
    tree, told = trees["flyvis"], facts["flyvis"]
    graph = graph_of(tree)
    assert (graph.sizes["node"], graph.sizes["edge"]) == (told["node_types"], told["edges"])
    assert tree["offsets"].sizes["row"] == told["offset_entries"]
    assert round(float(graph["weight"].values.sum()), 2) == told["synapses_sum"]


def test_what_is_not_at_hand_is_told_in_the_census_and_stops_nothing(manifests: dict[str, Manifest]):
    missing = {dataset: [item["file"] for item in found.rejected] for dataset, found in manifests.items()}
    assert missing["larva-connectome"] == missing["flyvis"] == []
    assert "flywire783/proofread_connections_783.feather" in missing["flywire"]
    assert "microns_layer23/pni_synapses_v185.csv" in missing["microns"]
    for dataset, found in manifests.items():
        assert {item["kind"] for item in found.rejected} <= {"unavailable"}, dataset
        assert found.census.seen == found.census.used + found.census.rejected
