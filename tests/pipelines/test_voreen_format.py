"""Voreen's tables: every row, every number, both conventions; damage is refused with its line."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from benchmarks.brain import write_generated_brain
from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.tables import delimited
from connectome.pipelines.formats.vessels import voreen
from connectome.store.digest import array_digests, combine

ATLAS = {315: ("70FF71", "Isocortex"), 1089: ("7ED04B", "HPF"), 182305689: ("188064", "SSp-un")}
COLUMNS = {
    "length": "length", "distance": "distance", "curveness": "curveness", "volume": "volume",
    "avgCrossSection": "cross_section", "minRadiusAvg": "radius_min", "minRadiusStd": "radius_min_std",
    "avgRadiusAvg": "radius_avg", "avgRadiusStd": "radius_avg_std", "maxRadiusAvg": "radius_max",
    "maxRadiusStd": "radius_max_std", "roundnessAvg": "roundness", "roundnessStd": "roundness_std",
    "node1_degree": "node1_degree", "node2_degree": "node2_degree", "num_voxels": "n_voxels",
    "hasNodeAtSampleBorder": "ends_at_sample_border", "node1id": "source", "node2id": "target",
}  # fmt: skip
Tables = tuple[Path, Path]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_generated_brain(tmp_path_factory.mktemp("generated"), n_nodes=300, n_edges=453, seed=3, atlas=ATLAS)


@pytest.fixture
def tables(generated: Any, tmp_path: Path) -> Tables:
    """Return copies of generated tables that a test may change."""
    paths = tmp_path / "nodes.csv", tmp_path / "edges.csv"
    for path, source in zip(paths, (generated.nodes, generated.edges), strict=True):
        path.write_bytes(source.read_bytes())
    return paths


def vessels(paths: Any, **options: Any) -> xr.Dataset:
    graph: xr.Dataset = read(list(paths), "voreen", voxel_size_um=3.0, **options)["vessels"].to_dataset()
    return graph


def warned(paths: Any, code: str) -> list[str]:
    tree = read(list(paths), "voreen", voxel_size_um=3.0)
    return [note["message"] for note in tree.attrs.get("warnings", []) if note["code"] == code]


def set_fields(path: Path, line: int, **fields: str) -> None:
    """Replace fields of one line of a table (line 1 is the header)."""
    lines = path.read_text().split("\n")
    names, values = lines[0].split(";"), lines[line - 1].split(";")
    for name, text in fields.items():
        values[names.index(name)] = text
    lines[line - 1] = ";".join(values)
    path.write_text("\n".join(lines))


def change_column(path: Path, name: str, change: Callable[[pd.Series], Any]) -> None:
    frame = pd.read_csv(path, sep=";", dtype=str)
    frame[name] = change(frame[name])
    frame.to_csv(path, sep=";", index=False)


# The real export -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(data_dir: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((data_dir / "vessel" / "facts.json").read_text())["vesselgraph_example"]
    return facts


@pytest.fixture(scope="module")
def stored(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.DataTree, Path]:
    """Return the real example, imported by the command line and opened from the store."""
    from connectome.store import open_version

    root, folder = tmp_path_factory.mktemp("store"), data_dir / "vessel" / "vesselgraph_example"
    files = [str(folder / "example_nodes.csv"), str(folder / "example_edges.csv")]
    words = ["import", "voreen", *files, "--option", "voxel_size_um=3", "--dataset", "example", "--record", "tree"]
    assert main([*words, "--root", str(root), "--json"]) == 0
    return open_version("example", root=root).open("tree"), root


def test_every_count_of_the_real_export_is_reproduced_from_the_store(
    stored: tuple[xr.DataTree, Path], known: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tree, root = stored
    graph = tree["vessels"].to_dataset()
    source, target = graph["source"].values, graph["target"].values
    pairs = np.sort(np.stack([source, target], axis=1), axis=1)
    loop = source == target
    different, times = np.unique(pairs, axis=0, return_counts=True)
    ends = np.bincount(pairs.ravel(), minlength=2970)
    simple = different[different[:, 0] != different[:, 1]]
    position = np.stack([six(graph["position"][:, axis]) for axis in range(3)], axis=1)
    delta = six(graph["distance"])
    apart = np.linalg.norm(position[source] - position[target], axis=1)
    low, high = np.sort(ends[pairs], axis=1).T
    measured = {
        "nodes": graph.sizes["node"],
        "edge_rows": graph.sizes["edge"],
        "self_loop_rows": int(loop.sum()),
        "unique_unordered_pairs": len(different),
        "parallel_groups_nonloop": int((times[different[:, 0] != different[:, 1]] > 1).sum()),
        "parallel_groups_loop": int((times[different[:, 0] == different[:, 1]] > 1).sum()),
        "multigraph_degree_equals_degree_column": bool((ends == graph["degree"].values).all()),
        "degree_histogram_multigraph": np.bincount(ends).tolist(),
        "simple_graph_edges": len(simple),
        "degree_histogram_simple": np.bincount(np.bincount(simple.ravel(), minlength=2970)).tolist(),
        "isolated_after_simplify": int((np.bincount(simple.ravel(), minlength=2970) == 0).sum()),
        "components": schema.measure(tree)["/vessels"]["n_components"],
        "border_nodes": int(graph["at_sample_border"].values.sum()),
        "border_edges": int(graph["ends_at_sample_border"].values.sum()),
        "bbox_min": position.min(axis=0).tolist(),
        "bbox_max": position.max(axis=0).tolist(),
        "sum_length": round(float(six(graph["length"]).sum()), 4),
        "sum_volume": int(graph["volume"].values.sum(dtype=float)),
        "sum_num_voxels": int(graph["n_voxels"].values.sum()),
        "mean_avgRadiusAvg": round(float(six(graph["radius_avg"]).mean()), 6),
        "max_abs_distance_minus_euclid": round(float(np.abs(apart - delta).max()), 5),
        "node_degree_columns_are_sorted_min_max": bool(
            (graph["node1_degree"].values == low).all() and (graph["node2_degree"].values == high).all()
        ),
        "zero_distance_rows": int((delta == 0).sum()),
        "curveness_of_zero_distance_rows": np.unique(graph["curveness"].values[delta == 0]).tolist(),
        "class_counts_minRadiusAvg_gt_5_13p33_rows": np.bincount(
            np.searchsorted([5, 13.33], graph["radius_min"].values), minlength=3
        ).tolist(),
        "negative_sampling_delta_mean_plus_2std_ddof1": round(
            float(six(graph["distance"]).mean() + 2 * six(graph["distance"]).std(ddof=1)), 6
        ),
        "line_graph_directed_edges_simple": int(
            (np.bincount(simple.ravel()) * (np.bincount(simple.ravel()) - 1)).sum()
        ),
    }
    assert measured == known
    assert graph.attrs["degree_convention"] == "raw"
    assert graph.attrs["voxel_size_um"] == [3.0, 3.0, 3.0]
    capsys.readouterr()
    assert main(["facts", "example", "--root", str(root), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["tree"]["/vessels"]
    assert facts["degree_histogram"] == known["degree_histogram_multigraph"]


def six(values: xr.DataArray) -> np.ndarray[Any, Any]:
    """Return the decimals that were in the file."""
    return np.array([float(f"{value:.6g}") for value in values.values.tolist()])


def test_every_field_of_the_real_export_comes_back_from_the_store(
    stored: tuple[xr.DataTree, Path], data_dir: Path
) -> None:
    graph = stored[0]["vessels"].to_dataset()
    folder = data_dir / "vessel" / "vesselgraph_example"
    nodes = pd.read_csv(folder / "example_nodes.csv", sep=";").iloc[graph["node_row"].values]
    edges = pd.read_csv(folder / "example_edges.csv", sep=";").iloc[graph["edge_row"].values]
    assert (nodes["id"].to_numpy() == graph["node"].values).all()
    for axis, name in enumerate(("pos_x", "pos_y", "pos_z")):
        assert (six(graph["position"][:, axis]) == nodes[name].to_numpy()).all()
    for name, ours in COLUMNS.items():
        values = graph["node"].values[graph[ours].values] if ours in {"source", "target"} else six(graph[ours])
        assert (values == edges[name].to_numpy()).all(), name
        if ours not in {"source", "target", "ends_at_sample_border"}:
            assert graph[ours].attrs["units"], ours


def test_the_tables_are_recognised(data_dir: Path, generated: Any) -> None:
    folder = data_dir / "vessel" / "vesselgraph_example"
    assert recognise([folder / "example_nodes.csv", folder / "example_edges.csv"]).name == "voreen"
    assert recognise([generated.edges]).name == "voreen"


# What the reader finds out -------------------------------------------------------------------------------------------


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


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


# What is refused -----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[int, int, dict[str, str], str]] = {
    "a text for a number": (1, 12, {"length": "long"}, "no number"),
    "a decimal comma": (1, 12, {"length": "3,5"}, "no number"),
    "a blank field": (1, 12, {"distance": ""}, "no number"),
    "a quote that does not end": (1, 12, {"distance": '"3'}, "quoted field does not end"),
    "text after a quote": (1, 12, {"distance": '"3"4'}, "quoted field does not end"),
    "a text in quotes for a number": (1, 12, {"distance": '"a;b"'}, "no number"),
    "quotes within a number": (1, 12, {"distance": '3"4"'}, "no number"),
    "quotes around nothing": (1, 12, {"distance": '""'}, "no number"),
    "a fraction for an id": (1, 12, {"node1id": "3.5"}, "no whole number"),
    "an id beyond 64 bits": (0, 12, {"id": "18446744073709551616"}, "no whole number"),
    "an id twice": (0, 12, {"id": "3"}, "there twice"),
    "an edge's id twice": (1, 12, {"id": "3"}, "there twice"),
    "no such node": (1, 12, {"node2id": "300"}, "not listed"),
    "a negative node": (1, 12, {"node1id": "-1"}, "not listed"),
    "a position that is infinite": (0, 12, {"pos_y": "inf"}, "not finite"),
    "a position that is none": (0, 12, {"pos_z": "nan"}, "not finite"),
    "too many fields": (1, 12, {"id": "10;10"}, "number of fields"),
    "too few fields": (1, 12, {"hasNodeAtSampleBorder": "0\n1;2;3"}, "number of fields"),
    "a blank line": (0, 12, {"id": "\n10"}, "number of fields"),
    "another separator": (0, 12, {"pos_x": "1,2,3"}, "no number"),
    "a negative degree": (0, 12, {"degree": "-1"}, "negative"),
    "neither yes nor no": (0, 12, {"isAtSampleBorder": "2"}, "neither yes nor no"),
    "underscores": (1, 12, {"length": "1_0"}, "no number"),
}  # fmt: skip


@pytest.mark.parametrize("block_bytes", [600, 1 << 20])
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_its_line(case: str, block_bytes: int, tables: Tables) -> None:
    which, line, fields, message = REFUSED[case]
    set_fields(tables[which], line, **fields)
    with pytest.raises(FormatError, match=message) as caught:
        read(list(tables), "voreen", voxel_size_um=3, block_bytes=block_bytes)
    expected = line + (1 if case == "too few fields" else 0)
    assert caught.value.place == f"{tables[which].name}:{expected}"
    assert caught.value.subject == str(tables[which])


def test_quoted_numbers_are_the_numbers(tables: Tables) -> None:
    """RFC 4180: any field may stand in quotes."""
    plain = vessels(tables).load()
    for path in tables:
        head, *rows = lines(path)
        path.write_text("\n".join([head, *(";".join(f'"{field}"' for field in row.split(";")) for row in rows)]))
    xr.testing.assert_identical(vessels(tables).load(), plain)
    set_fields(tables[1], 12, hasNodeAtSampleBorder="1.0")
    xr.testing.assert_identical(vessels(tables, block_bytes=600).load()["length"], plain["length"])


def test_a_row_that_is_cut_is_refused(tables: Tables) -> None:
    tables[1].write_bytes(tables[1].read_bytes()[:-40])
    with pytest.raises(FormatError, match="number of fields"):
        vessels(tables)


@pytest.mark.parametrize("name", ["pos_z", "degree", "isAtSampleBorder"])
def test_a_missing_column_of_nodes_is_named(name: str, tables: Tables) -> None:
    pd.read_csv(tables[0], sep=";", dtype=str).drop(columns=name).to_csv(tables[0], sep=";", index=False)
    with pytest.raises(FormatError, match="columns are missing") as caught:
        vessels(tables)
    assert (caught.value.place, caught.value.expected) == ("nodes.csv:1", name)


def test_wrong_files_are_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="columns are missing") as caught:
        vessels(tables[::-1])
    assert caught.value.hint == "first the table of nodes, then that of edges"
    with pytest.raises(UsageError, match="two tables"):
        vessels(tables[:1])
    (tmp_path / "empty.csv").touch()
    with pytest.raises(TruncatedError):
        vessels([tmp_path / "empty.csv", tables[1]])
    tables[0].write_text(tables[0].read_text().replace("pos_y", "pos_x", 1))
    with pytest.raises(FormatError, match="there twice"):
        vessels(tables)


def test_damage_that_nobody_foresaw_is_refused_or_read_and_leaves_nothing(
    tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, refused, tried = tmp_path / "root", 0, 0
    for path in tables:
        whole = path.read_bytes()
        chance = np.random.default_rng(zlib.crc32(path.name.encode()))
        damaged = [whole[: len(whole) // 3], bytes(3000), chance.bytes(3000), b"these are words, not data\n" * 20]
        damaged += [whole[:200] + chance.bytes(3000), whole[:5000] + whole[6111:], whole + chance.bytes(50)]
        for data in damaged:
            path.write_bytes(data)
            words = ["import", "voreen", *map(str, tables), "--option", "voxel_size_um=3", "--dataset", "mine"]
            code = main([*words, "--root", str(root), "--json"])
            document = json.loads(capsys.readouterr().out)
            tried += 1
            refused += code != 0
            assert code == 1, document
            assert document["error"]["kind"] in {"format", "truncated"}, document
            assert document["error"]["message"] != "the reader cannot make sense of the file", document
            assert not root.exists()
        path.write_bytes(whole)
    assert refused == tried


# Companions ----------------------------------------------------------------------------------------------------------


def one_hot(generated: Any, path: Path) -> Path:
    acronyms = pd.read_csv(generated.atlas)["Region_Acronym"]
    pd.get_dummies(acronyms, prefix="Region_Acronym").astype(int).to_csv(path, sep=";", index=False)
    return path


def test_the_atlas_of_nodes_gives_region_id_acronym_and_colour(generated: Any, tables: Tables) -> None:
    graph = vessels([*tables, generated.atlas])
    frame = pd.read_csv(generated.atlas).iloc[graph["node_row"].values]
    assert schema.problems(read([*tables, generated.atlas], "voreen", voxel_size_um=3)) == []
    assert (graph["region_id"].values == frame["Blob_AtlasLabel"].to_numpy()).all()
    assert schema.decode(graph["region"]).tolist() == frame["Region_Acronym"].tolist()
    assert schema.decode(graph["region_colour"]).tolist() == frame["Region_ColorHex"].tolist()


def test_the_processed_atlas_gives_one_region_to_the_node_of_the_row(
    generated: Any, tables: Tables, tmp_path: Path
) -> None:
    graph = vessels([*tables, one_hot(generated, tmp_path / "x_atlas_processed.csv")])
    expected = pd.read_csv(generated.atlas)["Region_Acronym"].iloc[graph["node_row"].values]
    assert schema.decode(graph["region"]).tolist() == expected.tolist()


ACRONYMS = {315: ("70FF71", "CUL4, 5"), 1089: ("7ED04B", 'the "inner", part'), 182305689: ("188064", "AN")}


@pytest.fixture
def quoted(generated: Any, tmp_path: Path) -> Path:
    """Return an atlas with acronyms that hold its separator, as pandas writes them."""
    frame = pd.read_csv(generated.atlas)
    frame["Region_Acronym"] = frame["Blob_AtlasLabel"].map({label: name for label, (_, name) in ACRONYMS.items()})
    path = tmp_path / "quoted_nodes_Atlas.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("names", [("CUL4, 5", " AN"), ("CUL4, 5", ' the "inner", part')])
@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
def test_an_acronym_may_hold_the_separator_in_quotes(
    names: tuple[str, str], block_bytes: int, quoted: Path, tables: Tables
) -> None:
    frame = pd.read_csv(quoted)
    # Doubled quotes go the slow way, others the fast one; neither strips a text.
    frame["Region_Acronym"] = np.where(frame["Region_Acronym"] == "CUL4, 5", *names)
    frame.to_csv(quoted, index=False)
    graph = vessels([*tables, quoted], block_bytes=block_bytes)
    expected = frame.iloc[graph["node_row"].values]
    assert set(expected["Region_Acronym"]) == set(names)
    assert schema.decode(graph["region"]).tolist() == expected["Region_Acronym"].tolist()
    assert (graph["region_id"].values == expected["Blob_AtlasLabel"].to_numpy()).all()


def test_fields_in_quotes_need_no_second_look(quoted: Path) -> None:
    header = delimited.read_header(quoted)
    text = quoted.read_bytes()[header.size_bytes :].replace(b'"the ""inner"", part"', b"AN")
    assert b'"CUL4, 5"' in text
    for ends in (text, text.removesuffix(b"\n"), text.replace(b"\n", b"\r\n")):
        n_rows, columns = delimited._parse_fast(header, {"Region_Acronym": "text", "id": "whole"}, ends)
        assert (n_rows, set(columns["Region_Acronym"])) == (300, {"CUL4, 5", "AN"})


@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
def test_damage_beside_quoted_fields_has_its_line(block_bytes: int, quoted: Path, tables: Tables) -> None:
    rows = lines(quoted)
    at = next(at for at, row in enumerate(rows) if at > 20 and row.endswith('"CUL4, 5"'))
    for damaged, message in (
        (rows[at][:-1], "does not end"),
        (rows[at].replace('"', ""), "number of fields"),
        (rows[at] + "x", "does not end"),
        (rows[at].replace(",", ',"', 1), "does not end"),
    ):
        quoted.write_text("\n".join([*rows[:at], damaged, *rows[at + 1 :]]) + "\n")
        with pytest.raises(FormatError, match=message) as caught:
            vessels([*tables, quoted], block_bytes=block_bytes)
        assert caught.value.place == f"quoted_nodes_Atlas.csv:{at + 1}"


@pytest.mark.parametrize(
    ("row", "found"), [("0;0;0", "zeros only"), ("1;1;0", "HPF=1, Region_Acronym_Isocortex=1"), ("0;2;0", "=2")]
)
def test_a_row_without_exactly_one_region_is_refused(
    row: str, found: str, generated: Any, tables: Tables, tmp_path: Path
) -> None:
    path = one_hot(generated, tmp_path / "x_atlas_processed.csv")
    rows = lines(path)
    rows[41] = row
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(FormatError, match="not exactly one region") as caught:
        vessels([*tables, path])
    assert caught.value.place == "x_atlas_processed.csv:42"
    assert found in (caught.value.found or "")


def test_a_companion_of_other_nodes_is_refused(generated: Any, tables: Tables, tmp_path: Path) -> None:
    rows = generated.atlas.read_text().splitlines()
    path = tmp_path / "other_nodes_Atlas.csv"
    path.write_text("\n".join(rows[:-3]) + "\n")
    with pytest.raises(FormatError, match="another number of rows"):
        vessels([*tables, path])
    swapped = [*rows[:5], rows[6], rows[5], *rows[7:]]
    path.write_text("\n".join(swapped) + "\n")
    with pytest.raises(FormatError, match="another table of nodes") as caught:
        vessels([*tables, path])
    assert caught.value.place == "other_nodes_Atlas.csv:6"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match="not a companion"):
        vessels([*tables, path])


def test_groups_of_regions_become_a_table(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "x_AtlasGrouped.csv"
    path.write_text(
        'ColorGroup,GroupName,GroupAcronym,GroupedAcronyms,BlobCount\n70FF71,Isocortex,Isocortex,"A, B",17\n'
    )
    groups = read([*tables, path], "voreen", voxel_size_um=3)["region_groups"]
    assert groups["GroupedAcronyms"].values.tolist() == ["A, B"]
    assert groups["BlobCount"].values.tolist() == [17]


def test_companions_may_lack_signs_fractions_and_names_and_write_truth_in_words(
    generated: Any, tables: Tables, tmp_path: Path
) -> None:
    change_column(tables[0], "pos_x", lambda texts: [f"-{text}" for text in texts])
    frame = pd.read_csv(generated.atlas)
    for axis in "xyz":
        frame[f"pos_{axis}"] = np.trunc(frame[f"pos_{axis}"]).astype(int)
    frame["Blob_AtlasLabel"] *= -1
    frame.loc[:9, ["Region_Acronym", "Region_ColorHex"]] = ""
    frame.to_csv(tmp_path / "x_nodes_Atlas.csv", index=False)
    graph = vessels([*tables, tmp_path / "x_nodes_Atlas.csv"])
    names = schema.decode(graph["region"])
    assert sorted(graph["node_row"].values[names == ""]) == list(range(10))
    assert graph["region_id"].values.max() < 0
    frame = pd.get_dummies(pd.read_csv(generated.atlas)["Region_Acronym"], prefix="Region_Acronym").astype(bool)
    frame.to_csv(tmp_path / "x_atlas_processed.csv", sep=";", index=False)
    again = schema.decode(vessels([*tables, tmp_path / "x_atlas_processed.csv"])["region"])
    assert (again[names != ""] == names[names != ""]).all()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_regions_are_looked_up_in_a_volume_of_labels(
    suffix: str, data_dir: Path, tables: Tables, tmp_path: Path
) -> None:
    nib = pytest.importorskip("nibabel")
    xml = data_dir / "vessel" / "vesselgraph_example" / "AllenMouseCCFv3_ontology_22Feb2021.xml"
    position = pd.read_csv(tables[0], sep=";")[["pos_x", "pos_y", "pos_z"]].to_numpy()
    # One axis is too short: nodes beyond it are outside. A band of background, and a label of no structure.
    shape = tuple(int(size) for size in np.ceil(position.max(axis=0)) + np.array([2, 2, -20]))
    volume = np.random.default_rng(5).choice([315, 1089, 182305689, 12998], shape).astype(np.uint32)
    volume[:, : shape[1] // 3], volume[: shape[0] // 5] = 0, 999_999_999
    path = tmp_path / f"labels{suffix}"
    nib.save(nib.Nifti1Image(volume, np.diag([3, 3, 3, 1])), path)
    words = ["import", "voreen", *map(str, tables), "--dataset", "mine", "--record", "r", "--root", str(tmp_path / "s")]
    for option in ("voxel_size_um=3", f"labels={path}", f"ontology={xml}"):
        words += ["--option", option]
    assert main(words) == 0
    from connectome.store import open_version

    version = open_version("mine", root=tmp_path / "s")
    graph = version.open("r")["vessels"].to_dataset()
    assert {item["path"] for item in version.manifest.records["r"].recipe["inputs"]} == {
        "nodes.csv", "edges.csv", path.name, xml.name,
    }  # fmt: skip
    params = version.manifest.records["r"].recipe["params"]
    assert params == {"voxel_size_um": "3", "labels": path.name, "ontology": xml.name}
    names = {0: "bgr", 315: "Isocortex", 1089: "HPF", 182305689: "SSp-un", 12998: "SS6b", 999_999_999: ""}
    index = np.floor(position + 0.5).astype(int)[graph["node_row"].values]
    inside = (index < shape).all(axis=1)
    expected = [names[int(volume[tuple(at)])] if known else "" for at, known in zip(index, inside, strict=True)]
    assert schema.decode(graph["region"]).tolist() == expected
    codes = {note["code"]: note["message"] for note in version.manifest.records["r"].warnings}
    assert codes["regions-outside"].startswith(f"{int((~inside).sum())} nodes")
    assert "regions-unlisted" in codes
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedError):
        vessels(tables, labels=path, ontology=xml)
    with pytest.raises(UsageError, match="regions need"):
        vessels(tables, labels=path)


def test_the_columns_that_are_demanded_are_those_that_voreen_writes(data_dir: Path) -> None:
    folder = data_dir / "vessel" / "vesselgraph_example"
    for name, columns in (("nodes", voreen.NODES), ("edges", voreen.EDGES)):
        header = (folder / f"example_{name}.csv").read_text().splitlines()[0]
        assert set(header.split(";")) == set(columns)
