"""Voreen's tables: types, both conventions of degrees, sentinels, ids, lines that end otherwise."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from connectome.errors import UsageError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.tables import delimited
from connectome.store.digest import array_digests, combine
from support.voreen_tables import Tables, change_column, lines, set_fields, vessels, warned


def test_no_byte_depends_on_how_the_text_is_cut_into_blocks(generated: Any, tables: Tables) -> None:
    # One column of long numbers that starts in the middle, one of large ones, one sentinel: types change on the way.
    change_column(tables[1], "length", lambda texts: [*texts[:250], *(f"{text}12345678" for text in texts[250:])])
    change_column(tables[1], "num_voxels", lambda texts: [*texts[:300], "70000", *texts[301:]])
    change_column(tables[1], "minRadiusAvg", lambda texts: [*texts[:400], "-1", *texts[401:]])
    digests = set()
    for size in (137, 1000, 5003, 1 << 20):
        tree = read([*tables, generated.atlas], "voreen", voxel_size_um="3", block_bytes=size)
        digests.add(combine(tree, array_digests(tree)))
    assert len(digests) == 1
    edges = pd.read_csv(tables[1], sep=";")
    graph = vessels(tables)
    assert graph["length"].dtype == np.float64
    assert (graph["length"].values == edges["length"].to_numpy()[graph["edge_row"].values]).all()
    assert graph["radius_avg"].dtype == np.float32
    assert graph["n_voxels"].dtype == np.int32 or graph["n_voxels"].dtype == np.uint32


def test_long_numbers_are_read_exactly_by_a_pandas_that_would_round_them_twice(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["0.30000000000000004", "9.0499999999999989", "1234567.1234567891", "5e-324", "12.5"]
    change_column(tables[1], "length", lambda old: [*texts, *old[len(texts) :]])
    monkeypatch.setattr(delimited, "_rounds_once", lambda: False)
    graph = vessels(tables)
    first = np.argsort(graph["edge_row"].values)[: len(texts)]
    assert graph["length"].values[first].tolist() == [float(text) for text in texts]


def convention(tables: Tables) -> str:
    return str(vessels(tables).attrs["degree_convention"])


def by_endpoint(tables: Tables) -> None:
    degree = pd.read_csv(tables[0], sep=";")["degree"]
    edges = pd.read_csv(tables[1], sep=";", dtype=str)
    for number in (1, 2):
        edges[f"node{number}_degree"] = degree[edges[f"node{number}id"].astype(int)].to_numpy()
    edges.to_csv(tables[1], sep=";", index=False)


def test_both_conventions_are_told_apart_and_what_fits_none_is_said(tables: Tables) -> None:
    assert convention(tables) == "raw"
    by_endpoint(tables)
    assert convention(tables) == "processed"
    assert warned(tables, "degree-convention") == []
    set_fields(tables[1], 5, node1_degree="77")
    assert convention(tables) == "neither"
    assert "neither" not in warned(tables, "degree-convention")[0]
    assert "(1 rows at least)" in warned(tables, "degree-convention")[0]


def test_degrees_that_fit_both_conventions_are_called_ambiguous(tables: Tables) -> None:
    by_endpoint(tables)
    frame = pd.read_csv(tables[1], sep=";", dtype=str)
    frame = frame[frame["node1_degree"].astype(int) <= frame["node2_degree"].astype(int)]
    frame.to_csv(tables[1], sep=";", index=False)
    assert convention(tables) == "ambiguous"
    # The table of edges is not whole, and the ids have gaps: both are said.
    assert "nodes have another degree" in warned(tables, "degree-differs")[0]
    assert warned(tables, "ids-not-row-numbers")
    assert (vessels(tables)["edge_id"].values == frame["id"].astype(int).to_numpy()[vessels(tables)["edge_row"]]).all()


def test_a_degree_that_no_rows_account_for_is_counted(tables: Tables) -> None:
    assert warned(tables, "degree-differs") == []
    set_fields(tables[0], 9, degree="9")
    assert warned(tables, "degree-differs")[0].startswith("1 nodes")


def test_sentinels_become_missing_and_are_counted(tables: Tables) -> None:
    change_column(tables[1], "volume", lambda texts: [text if text != "-1" else "5" for text in texts])
    for name in ("minRadiusAvg", "minRadiusStd", "avgRadiusAvg", "roundnessAvg"):
        change_column(tables[1], name, lambda texts: [text if text != "-1" else "0.5" for text in texts])
    set_fields(tables[1], 4, volume="-1", avgCrossSection="-0.25", avgRadiusAvg="-1")
    set_fields(tables[1], 6, avgRadiusAvg="-1", curveness="inf", distance="0")
    set_fields(tables[1], 7, roundnessAvg="nan")
    graph = vessels(tables)
    for name, rows in {
        "volume": [2], "cross_section": [2], "radius_avg": [2, 4], "curveness": [4], "roundness": [5], "radius_min": [],
    }.items():  # fmt: skip
        assert sorted(graph["edge_row"].values[np.isnan(graph[name].values)]) == rows, name
    assert graph["radius_avg"].attrs["missing_sentinel"] == -1
    assert graph["curveness"].attrs["missing_sentinel"] == "inf"
    notes = {note["place"]: note["message"] for note in read(list(tables), voxel_size_um=3).attrs["warnings"]}
    assert notes["edges.csv:avgRadiusAvg"].startswith("2 edges")
    assert notes["edges.csv:curveness"].startswith("1 edges")
    assert "curveness inf" in " ".join(warned(tables, "zero-distance"))


def test_curveness_zero_of_edges_without_a_distance_is_kept_and_counted(tables: Tables) -> None:
    graph = vessels(tables)
    flat = graph["distance"].values == 0
    assert (graph["curveness"].values[flat] == 0).all()
    assert warned(tables, "zero-distance") == [f"{int(flat.sum())} edges whose ends are at one place, with curveness 0"]


def test_ids_that_are_no_row_numbers_are_mapped_exactly(tables: Tables) -> None:
    large = 720575940600000000
    plain = vessels(tables)
    for path, names in ((tables[0], ["id"]), (tables[1], ["node1id", "node2id"])):
        for name in names:
            change_column(path, name, lambda texts: [str(large + 7 * (300 - int(text))) for text in texts])
    graph = vessels(tables)
    assert (graph["node"].values == large + 7 * (300 - plain["node"].values)).all()
    assert (graph["source"].values == plain["source"].values).all()
    assert graph["node"].dtype == np.int64
    assert warned(tables, "ids-not-row-numbers")


def test_columns_are_lazy_and_travel_to_other_processes(tables: Tables) -> None:
    tree = read(list(tables), "voreen", voxel_size_um=3)
    variable = tree["vessels"].to_dataset().variables["radius_avg"]
    assert not isinstance(variable._data, np.ndarray)
    assert (pickle.loads(pickle.dumps(variable)).values == variable.values).all()
    assert (variable.copy(deep=True).values == variable.values).all()


def test_voxels_have_to_be_stated_and_world_units_may_be(tables: Tables) -> None:
    with pytest.raises(UsageError, match="must be stated"):
        read(list(tables), "voreen")
    graph = read(list(tables), "voreen", units="um")["vessels"].to_dataset()
    assert (graph["length"].attrs["units"], graph["volume"].attrs["units"]) == ("um", "um3")
    three = read(list(tables), "voreen", voxel_size_um="1,2,3.5")["vessels"]
    assert three.attrs["voxel_size_um"] == [1.0, 2.0, 3.5]


def test_other_line_ends_a_missing_last_one_and_other_columns_are_taken(tables: Tables) -> None:
    plain = vessels(tables)
    tables[0].write_bytes(tables[0].read_bytes().replace(b"\n", b"\r\n"))
    tables[1].write_text("\n".join(line + (";7" if at else ";mine") for at, line in enumerate(lines(tables[1]))))
    xr.testing.assert_identical(vessels(tables).load(), plain.load())
    assert "mine" in warned(tables, "columns-not-stored")[0]
