"""Tables of edges: real connectomes with their published counts, ids to the last digit, blocks of any size, damage."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.graphs.edgelist import sniff
from connectome.pipelines.formats.tables import table_blocks
from support.graph_layouts import in_source_order, listed_ends

LARVA = "connectome/larva_winding2023"
TYPES = "connectome/flywire_optic_lobe_types/type_to_type_connection_and_synapse_counts.csv"
MICRONS = "connectome/microns_layer23"
GOOD = "pre_root_id,post_root_id,neuropil,syn_count\n" + "".join(
    f"{720575940600000001 + at},{720575940600000001 + at % 3},{'ME_R' if at % 2 else 'LO_L'},{at + 5}\n"
    for at in range(6)
)
"""FlyWire's columns, generated rows: every pair may stand in several regions."""


def save(folder: Path, text: str | bytes, name: str = "edges.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture(scope="module")
def facts(data_dir) -> dict[str, dict[str, object]]:
    return json.loads((data_dir / "connectome/facts.json").read_text())


@pytest.mark.data
def test_the_larval_brain_has_its_published_counts(data_dir, facts) -> None:
    known = facts["larva_winding2023"]
    tree = read([data_dir / LARVA / "G_edgelist.txt", data_dir / LARVA / "meta_data.csv"], lineage="one larva")
    schema.validate(tree, subject="larva")
    measured = schema.measure(tree)["/connectome"]
    assert measured["n_nodes"] == known["meta_rows"]
    assert measured["edges"]["connection"] == {"n": known["edges"], "weight_sum": known["weight_sum"]}
    graph = tree["connectome"].to_dataset()
    assert "listed" not in graph, "every end is in the table of neurons"
    source, target = graph["source"].values, graph["target"].values
    assert (source == target).sum() == known["self_loops"]
    assert len(np.union1d(source, target)) == known["nodes_with_edges"]
    assert len(np.unique(source.astype(np.int64) * 10**6 + target)) == known["edges"] - known["duplicate_pairs"]
    assert graph["weight"].values.max() == known["max_weight"]
    sides, counts = np.unique(graph["hemisphere"].values.astype(str), return_counts=True)
    assert dict(zip(sides.tolist(), counts.tolist(), strict=True)) == known["hemisphere"]
    columns = [name for name, item in graph.variables.items() if item.dims == ("node",) and name != "node"]
    assert len(columns) == known["meta_columns"]


@pytest.mark.data
def test_columns_of_neurons_keep_their_cells(data_dir) -> None:
    tree = read([data_dir / LARVA / "G_edgelist.txt", data_dir / LARVA / "meta_data.csv"])
    graph = tree["connectome"].to_dataset()
    with (data_dir / LARVA / "meta_data.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert graph["node"].values.tolist() == [int(row[""]) for row in rows]
    for name in ("name", "brain_neurons", "pair", "latent_3", "lineage", "all_class1", "axon_output"):
        values = schema.decode(graph[name]).tolist()
        for row, value in zip(rows, values, strict=True):
            cell = row[name].strip()
            assert (str(value) == cell) if not isinstance(value, float) else (float(cell or "nan") == value or not cell)
    first = next(line.split() for line in (data_dir / LARVA / "G_edgelist.txt").read_text().splitlines())
    assert listed_ends(tree, "connectome")[0] == (int(first[0]), int(first[1]))


@pytest.mark.data
def test_types_of_the_optic_lobes_have_their_published_counts(data_dir, facts) -> None:
    known = facts["flywire_optic_lobe_types"]
    assert recognise([data_dir / TYPES]).name == "edgelist"
    tree = read(data_dir / TYPES)
    schema.validate(tree, subject="types")
    measured = schema.measure(tree)["/connectome"]
    assert (measured["n_nodes"], measured["n_edges"]) == (known["types"], known["rows"])
    assert measured["edges"]["connection"]["weight_sum"] == known["synapses_total"]
    graph = tree["connectome"].to_dataset()
    assert int(graph["connections_total"].values.sum()) == known["connections_total"]
    parts = sum(graph[f"synapses_{part}"].values for part in ("RHS", "LHS", "bilateral"))
    assert (parts == graph["weight"].values).sum() == known["rows_where_parts_sum_to_total"]
    assert (graph["source"].values == graph["target"].values).sum() == known["self_type_rows"]
    assert graph.attrs["edge_types"]["connection"]["weight_units"] == "synapses"


@pytest.mark.data
def test_synapses_of_layer_2_3_keep_18_digits(data_dir, facts) -> None:
    known = facts["microns_layer23"]
    path = data_dir / MICRONS / "soma_subgraph_synapses_spines_v185.csv"
    tree = read(path)
    schema.validate(tree, subject="synapses")
    graph = tree["connectome"].to_dataset()
    assert (graph.sizes["edge"], graph.sizes["node"]) == (known["synapses"], known["neurons"])
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    ends = listed_ends(tree, "connectome")
    assert ends == [(int(row["pre_root_id"]), int(row["post_root_id"])) for row in rows]
    assert sum(int(float(pre)) != pre for pre, _ in ends) == known["ids_changed_by_float64"]
    assert len(set(ends)) == known["unique_pairs"]
    assert sum(pre == post for pre, post in ends) == known["autapses"]
    assert np.isnan(graph["spine_vol_um3"].values).sum() == known["spine_volume_missing"]
    assert graph["spine_vol_um3"].values.tolist() == [float(row["spine_vol_um3"]) for row in rows]
    assert "weight" not in graph, "a row is a synapse: the table has no weight"


@pytest.mark.data
def test_a_table_of_somata_that_lists_a_neuron_twice_is_refused_with_its_line(data_dir) -> None:
    paths = [data_dir / MICRONS / name for name in ("soma_subgraph_synapses_spines_v185.csv", "soma_valence_v185.csv")]
    with pytest.raises(FormatError, match="listed twice") as caught:
        read(paths, id_column="pt_root_id")
    line = int(str(caught.value.place).removeprefix("line ").partition(",")[0])
    ids = [row.split(",")[3] for row in paths[1].read_text().splitlines()]
    assert ids[line - 1] in ids[: line - 1]


@pytest.mark.data
def test_only_tables_of_edges_among_the_real_files_are_recognised(data_dir) -> None:
    suffixes = (".csv", ".tsv", ".txt")
    found = [path for path in sorted(data_dir.rglob("*")) if path.name.lower().endswith(suffixes) and path.is_file()]
    assert len(found) > 50
    recognised = {path.relative_to(data_dir).as_posix() for path in found if sniff(path)}
    assert recognised == {
        TYPES, f"{LARVA}/G_edgelist.txt", f"{MICRONS}/soma_subgraph_synapses_spines_v185.csv"
    }  # fmt: skip


FORMS = {
    "edges.csv": lambda frame, path: frame.to_csv(path, index=False),
    "edges.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "edges.csv.gz": lambda frame, path: frame.to_csv(path, index=False, compression="gzip"),
    "edges.parquet": lambda frame, path: parquet.write_table(pa.Table.from_pandas(frame), path, row_group_size=7),
    "edges.feather": lambda frame, path: feather.write_feather(pa.Table.from_pandas(frame), str(path), chunksize=5),
}


def frame_of(seed: int = 0, n_rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ids = 720575940600000000 + rng.integers(0, 10**9, 9)
    return pd.DataFrame({
        "pre_root_id": ids[rng.integers(0, 9, n_rows)],
        "post_root_id": ids[rng.integers(0, 9, n_rows)],
        "neuropil": np.array(["ME_R", "LO_L", "AOTU"])[rng.integers(0, 3, n_rows)],
        "syn_count": rng.integers(1, 90, n_rows),
        "score": rng.random(n_rows),
        "checked": rng.random(n_rows) > 0.5,
    })  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_table_gives_the_same_graph(tmp_path, name) -> None:
    frame = frame_of()
    FORMS[name](frame, tmp_path / name)
    assert recognise([tmp_path / name]).name == "edgelist"
    tree = read(tmp_path / name)
    schema.validate(tree, subject=name)
    assert listed_ends(tree, "connectome") == list(zip(frame["pre_root_id"], frame["post_root_id"], strict=True))
    graph = tree["connectome"].to_dataset()
    assert graph["node"].values.tolist() == sorted({*frame["pre_root_id"], *frame["post_root_id"]})
    assert graph["weight"].values.tolist() == frame["syn_count"].tolist()
    assert schema.decode(graph["neuropil"]).tolist() == frame["neuropil"].tolist()
    assert graph["score"].values.tolist() == frame["score"].tolist()
    assert graph["checked"].values.tolist() == frame["checked"].tolist()
    assert tree.attrs["title"] == "edges"


def cell(kind: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), kind.map(str))


WORDS = st.text("abcXYZ 0123.-", max_size=6).map(str.strip)
COLUMN = st.one_of(
    st.lists(cell(st.integers(-(2**63), 2**63 - 1)), min_size=20, max_size=20),
    st.lists(cell(st.floats(allow_nan=False, allow_infinity=False)), min_size=20, max_size=20),
    st.lists(cell(st.sampled_from(["True", "False", "true"])), min_size=20, max_size=20),
    st.lists(cell(st.sampled_from(["007", "1", "-0", "2.50", "12345678901234567", "x"])), min_size=20, max_size=20),
    st.lists(cell(WORDS), min_size=20, max_size=20),
)


@settings(deadline=None, max_examples=60)
@given(column=COLUMN, size=st.sampled_from([64, 100, 301]))
def test_a_column_is_the_same_for_blocks_of_any_size_and_holds_its_cells(tmp_path_factory, column, size) -> None:
    path = tmp_path_factory.mktemp("edges") / "edges.csv"
    path.write_text("source,target,note\n" + "".join(f"{at},{at + 1},{text}\n" for at, text in enumerate(column)))
    whole = read(path)["connectome"].to_dataset()["note"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_blocks.TableBlocks.blocks, "__defaults__", (size,))
        blocks = read(path)["connectome"].to_dataset()["note"]
    assert blocks.identical(whole)
    values = schema.decode(whole).tolist()
    for text, value in zip(column, values, strict=True):
        if text == "":
            assert value in {"", whole.attrs.get("missing_value")} or np.isnan(value)
        elif isinstance(value, str):
            assert value.lower() == text.lower()
        elif isinstance(value, bool):
            assert str(value).lower() == text.lower()
        elif isinstance(value, int):
            assert str(value) == text
        else:
            assert value == float(text)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.text("aé_0 '", min_size=1, max_size=4), st.text("ab", min_size=1, max_size=2), st.integers(0, 99)),
        min_size=1,
        max_size=15,
    )
)
def test_ids_that_are_words_are_kept(tmp_path_factory, rows) -> None:
    rows = [(f"n{one}".strip(), f"n{other}", weight) for one, other, weight in rows]
    path = tmp_path_factory.mktemp("edges") / "edges.tsv"
    path.write_text("source\ttarget\tweight\n" + "".join(f"{one}\t{other}\t{weight}\n" for one, other, weight in rows))
    tree = read(path)
    schema.validate(tree, subject="words")
    assert listed_ends(tree, "connectome") == [(one, other) for one, other, _ in rows]
    names = tree["connectome"]["node"].values.tolist()
    assert names == sorted({name for one, other, _ in rows for name in (one, other)})


def test_text_set_apart_by_any_blanks_below_comments_is_read(tmp_path) -> None:
    text = "# SNAP-like\n# FromNodeId ToNodeId\n  1   2\t 0.5\r\n2 \t 3 1.5 \r\n\r\n1 2 2.5\n"
    tree = read(save(tmp_path, text, "web.txt"), directed=False, edge_type="link")
    assert listed_ends(tree, "connectome") == [(1, 2), (2, 3), (1, 2)]
    assert tree["connectome"]["weight"].values.tolist() == [0.5, 1.5, 2.5]
    assert tree["connectome"].attrs["edge_types"]["link"]["directed"] is False


def test_columns_are_chosen_by_name_or_number_and_types_come_from_a_column(tmp_path) -> None:
    text = "kind;n;b;a\nelectrical;3;x;y\nchemical;4;y;x\nchemical;5;x;x\n"
    path = save(tmp_path, text)
    tree = read(path, "edgelist", source="a", target="3", weight="n", type_column="kind", weight_units="synapses")
    schema.validate(tree, subject="columns")
    graph = tree["connectome"].to_dataset()
    assert listed_ends(tree, "connectome") == [("y", "x"), ("x", "y"), ("x", "x")]
    assert schema.decode(graph["edge_type"]).tolist() == ["electrical", "chemical", "chemical"]
    assert schema.measure(tree)["/connectome"]["edges"] == {
        "chemical": {"n": 2, "weight_sum": 9},
        "electrical": {"n": 1, "weight_sum": 3},
    }
    assert graph.attrs["edge_types"]["chemical"]["weight_units"] == "synapses"


def test_nodes_with_positions_go_into_spatial_order_with_their_columns(tmp_path) -> None:
    rng = np.random.default_rng(3)
    ids = rng.permutation(60) + 10**17
    places = rng.normal(0, 100, (60, 3))
    pairs = rng.integers(0, 60, (90, 2))
    kinds = np.array(["exc", "inh"])[rng.integers(0, 2, 90)]
    nodes = pd.DataFrame({"name": [f"cell {at}" for at in ids], "id": ids, **dict(zip("xyz", places.T, strict=True))})
    nodes.to_csv(tmp_path / "nodes.csv", index=False)
    frame = pd.DataFrame(
        {"source": ids[pairs[:, 0]], "target": ids[pairs[:, 1]], "type": kinds, "area": rng.random(90)}
    )
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "edges.parquet")
    tree = read(
        [tmp_path / "edges.parquet", tmp_path / "nodes.csv"], id_column="id", position="x,y,z", units="um",
        type_column="type",
    )  # fmt: skip
    schema.validate(tree, subject="space")
    listed = in_source_order(tree, "connectome")
    assert listed["node"].values.tolist() == ids.tolist()
    assert listed["position"].values.tolist() == places.tolist()
    assert listed["name"].values.tolist() == nodes["name"].tolist()
    assert "x" not in listed
    assert listed_ends(tree, "connectome") == list(zip(frame["source"], frame["target"], strict=True))
    assert schema.decode(listed["edge_type"]).tolist() == kinds.tolist()
    assert listed["area"].values.tolist() == frame["area"].tolist()


def test_nodes_that_only_edges_name_are_added_and_told(tmp_path) -> None:
    edges = save(tmp_path, "source,target\n1,2\n9,1\n7,7\n")
    nodes = save(tmp_path, "id,kind,size\n2,b,\n1,a,5\n4,c,6\n", "nodes.csv")
    tree = read([edges, nodes])
    schema.validate(tree, subject="added")
    graph = tree["connectome"].to_dataset()
    assert graph["node"].values.tolist() == [2, 1, 4, 7, 9]
    assert graph["listed"].values.tolist() == [True, True, True, False, False]
    assert graph["kind"].values.tolist() == ["b", "a", "c", "", ""]
    assert graph["size"].values.tolist() == [-1, 5, 6, -1, -1]
    assert graph["size"].attrs["missing_value"] == -1
    assert listed_ends(tree, "connectome") == [(1, 2), (9, 1), (7, 7)]
    (warning,) = tree.attrs["warnings"]
    assert warning["code"] == "nodes-not-listed"


@pytest.mark.parametrize(
    ("old", "new", "error", "place"),
    [
        ("720575940600000003,", "x,", FormatError, "line 4, column pre_root_id"),
        ("720575940600000003,", ",", FormatError, "line 4, column pre_root_id"),
        ("720575940600000003,", "7.205e17,", FormatError, "line 4, column pre_root_id"),
        ("720575940600000003,", "720575940600000003.0,", FormatError, "line 4, column pre_root_id"),
        ("720575940600000003,", "9223372036854775808,", FormatError, "line 4, column pre_root_id"),
        ("720575940600000003,", "0720575940600000003,", FormatError, "line 4, column pre_root_id"),
        (",LO_L,7\n", ",LO_L\n", FormatError, "line 4"),
        (",LO_L,7\n", ",LO_L,7,8\n", FormatError, "line 4"),
        (",LO_L,7\n", ";LO_L;7\n", FormatError, "line 4"),
        (",LO_L,7\n", ",LO_L,many\n", FormatError, "line 4, column syn_count"),
        (",LO_L,7\n", ",LO_L,\n", FormatError, "line 4, column syn_count"),
        (",LO_L,7\n", ",LO_L,inf\n", FormatError, "line 4, column syn_count"),
        ("neuropil", "syn_count", FormatError, "line 1"),
        (GOOD[GOOD.index("\n") + 1 :], "", FormatError, None),
        (GOOD, "", TruncatedError, None),
        (GOOD, "\n\n", TruncatedError, None),
        (GOOD, "words\nmore words\n", FormatError, "line 1"),
        (GOOD, "a\0b,c\n", FormatError, "line 1"),
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 80])
def test_damaged_rows_are_refused_with_their_line(tmp_path, monkeypatch, old, new, error, place, size) -> None:
    monkeypatch.setattr(table_blocks.TableBlocks.blocks, "__defaults__", (size,))
    path = save(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(error) as caught:
        read(path, "edgelist")
    assert caught.value.subject == str(path)
    assert caught.value.place == place


def test_blank_lines_and_comments_do_not_shift_the_line_of_an_error(tmp_path) -> None:
    path = save(tmp_path, "# made by hand\nsource,target\n\n1,2\n\n\n3,x\n")
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.place == "line 7, column target"


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path) -> None:
    with pytest.raises(FormatError) as caught:
        read(save(tmp_path, b"source,target,note\n1,2,a\n3,4,\xff\xfe\n"))
    assert caught.value.place == "line 3"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"source": [1.0, 2.0], "target": [1, 2]}, "ids are stored as another type"),
        ({"source": pa.array([1, None]), "target": [1, 2]}, "an id is missing"),
        ({"source": pa.array([2**63, 1], pa.uint64()), "target": [1, 2]}, "does not fit 64 bits"),
        ({"source": [[1], [2]], "target": [1, 2]}, "ids are stored as another type"),
        ({"source": ["1", "x"], "target": ["1", "2"]}, "not a whole number"),
        ({"source": [1, 2], "target": [1, 2], "weight": [0.5, float("nan")]}, "not a finite number"),
    ],
)
@pytest.mark.parametrize("name", ["edges.parquet", "edges.feather"])
def test_columns_that_cannot_be_ids_or_weights_are_refused(tmp_path, frame, message, name) -> None:
    writer = parquet.write_table if name.endswith("parquet") else feather.write_feather
    writer(pa.table(frame), str(tmp_path / name))
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / name)
    assert caught.value.subject == str(tmp_path / name)


def test_other_types_of_arrow_become_text_or_stay_exact(tmp_path) -> None:
    columns = {
        "source": pa.array([2**62, 1]).dictionary_encode(),
        "target": pa.array([1, 2], pa.int32()),
        "time": pa.array([0, 86400], pa.timestamp("s")),
        "big": pa.array([2**64 - 1, 0], pa.uint64()),
        "small": pa.array([1.5, None], pa.float32()),
        "words": pa.array(["a", None]).dictionary_encode(),
    }
    parquet.write_table(pa.table(columns), tmp_path / "edges.parquet")
    tree = read(tmp_path / "edges.parquet")
    schema.validate(tree, subject="types")
    graph = tree["connectome"]
    assert listed_ends(tree, "connectome") == [(2**62, 1), (1, 2)]
    assert schema.decode(graph["big"]).tolist() == [str(2**64 - 1), "0"]
    assert schema.decode(graph["time"]).tolist() == ["1970-01-01 00:00:00", "1970-01-02 00:00:00"]
    np.testing.assert_array_equal(graph["small"].values, [1.5, np.nan])
    assert schema.decode(graph["words"]).tolist() == ["a", ""]


@pytest.mark.parametrize("name", ["edges.parquet", "edges.feather", "edges.csv.gz"])
def test_binary_tables_that_are_cut_or_altered_are_refused_or_read(tmp_path, name) -> None:
    path = tmp_path / name
    FORMS[name](frame_of(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for cut in (1, 8, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            read(path, "edgelist")
    for _ in range(30):
        altered = bytearray(whole)
        altered[int(rng.integers(4, len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(altered))
        error = None
        try:
            schema.validate(read(path, "edgelist"), subject=name)
        except FormatError as caught:
            error = caught
        refused += error is not None
        assert error is None or error.subject == str(path)
        assert error is None or error.message != "the reader cannot make sense of the file", error
    assert refused


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n", {}, "does not say which columns"),
        ("a,b\n1,2\n", {"source": "a", "target": "c"}, "a column is missing"),
        ("a,b\n1,2\n", {"source": "a", "target": "a"}, "two meanings"),
        ("source,target\n1,2\n", {"weight": "3"}, "a column is missing"),
        ("source,target\n1,2\n", {"position": "x,y,z"}, "no table of nodes"),
        ("source,target\n1,2\n", {"units": "um"}, "no columns are named as positions"),
        ("source,target\n1,2\n", {"header": "perhaps"}, "another value"),
        ("source,target\n1,2\n", {"ids": "float"}, "another value"),
    ],
)
def test_options_that_do_not_suffice_or_contradict_are_refused(tmp_path, text, options, message) -> None:
    with pytest.raises(UsageError, match=message):
        read(save(tmp_path, text), "edgelist", **options)


@pytest.mark.parametrize("id_", ["7.20575940600000e+17", "7e17", "12.0", "12.", "-3.0"])
def test_whole_numbers_that_went_through_floats_are_no_ids_unless_they_are_said_to_be_words(tmp_path, id_) -> None:
    for rows, line in ((f"{id_},2\n1,2\n", 2), (f"a,2\nb,{id_}\n", 3)):
        path = save(tmp_path, "source,target\n" + rows)
        with pytest.raises(FormatError, match="held in a float") as caught:
            read(path, "edgelist")
        assert caught.value.place.startswith(f"line {line}, column ")
        assert id_ in read(path, "edgelist", ids="text")["connectome"]["node"].values.tolist()
    kept = read(save(tmp_path, "source,target\nv1.0,1.5\nx,2e\n"), "edgelist")
    assert set(kept["connectome"]["node"].values.tolist()) == {"v1.0", "1.5", "x", "2e"}


@pytest.mark.parametrize(
    ("nodes", "options", "error", "message", "place"),
    [
        ("id,x\n1,1\n1,2\n", {}, FormatError, "listed twice", "line 3, column id"),
        ("id,x\n1,1\nb,2\n", {}, FormatError, "not a whole number", "line 3, column id"),
        ("id,x\n5,1\n6,2\n", {}, FormatError, "no end of an edge is listed", "column id"),
        ("id,x\n1,1\n", {"id_column": "node"}, UsageError, "a column is missing", "option id_column"),
        ("id,x,y\n1,1,1\n2,,1\n", {"position": "x,y", "units": "um"}, FormatError, "no position", "line 3, column x"),
        ("id,x,y\n1,1,1\n", {"position": "x,y", "units": "um"}, FormatError, "no position", "node 2"),
        ("id,x,y\n1,1,w\n2,1,w\n", {"position": "x,y", "units": "um"}, UsageError, "numbers", "option position"),
        ("id,x,y\n1,1,1\n2,1,1\n", {"position": "x,y"}, UsageError, "must be stated", "option units"),
    ],
)
def test_tables_of_nodes_that_contradict_are_refused_with_their_place(
    tmp_path, nodes, options, error, message, place
) -> None:
    paths = [save(tmp_path, "source,target\n1,2\n2,1\n"), save(tmp_path, nodes, "nodes.csv")]
    with pytest.raises(error, match=message) as caught:
        read(paths, **options)
    assert caught.value.place == place


def test_gzip_hides_nothing_from_the_line_of_an_error(tmp_path) -> None:
    path = save(tmp_path, gzip.compress(b"source,target\n1,2\n3,\n"), "edges.csv.gz")
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.place == "line 3, column target"


def test_reading_in_blocks_needs_no_whole_table(tmp_path) -> None:
    """A block of text is all that is parsed at once, however long the file is."""
    path = save(tmp_path, "source,target\n" + "".join(f"{at},{at + 1}\n" for at in range(20_000)))
    table = table_blocks.open_table(path)
    sizes = [batch.num_rows for batch in table.blocks(4096)]
    assert sum(sizes) == 20_000
    assert max(sizes) < 1000


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch) -> None:
    path = save(tmp_path, GOOD)
    frame = tmp_path / "edges.parquet"
    FORMS["edges.parquet"](frame_of(), frame)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for file in (path, frame):
        with pytest.raises(MissingExtraError) as caught:
            read(file)
        assert "connectome[graph]" in str(caught.value.hint)


def test_a_table_of_nodes_is_an_input_of_the_record(tmp_path, capsys) -> None:
    edges, nodes = (
        save(tmp_path, "source,target,weight\n1,2,3\n2,1,4\n"),
        save(tmp_path, "id,kind\n1,a\n2,b\n", "n.csv"),
    )
    words = [
        "import",
        "edgelist",
        str(edges),
        str(nodes),
        "--dataset",
        "mine",
        "--root",
        str(tmp_path / "root"),
        "--json",
    ]
    assert main(words) == 0
    (first,) = json.loads(capsys.readouterr().out)["added"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == [first]
    nodes.write_text("id,kind\n1,a\n2,c\n")
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == [first]
