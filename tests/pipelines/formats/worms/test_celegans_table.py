"""The format ``celegans-table``: a user's own files, whole and broken. All files here are made in the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.tables.spreadsheet import column_letters, number, read_sheet
from connectome.schema import decode, measure, validate

openpyxl = pytest.importorskip("openpyxl")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def edges(tree: Any, edge_type: str) -> dict[tuple[str, str], float]:
    graph = tree["connectome"].to_dataset()
    names = graph["node"].values
    chosen = np.flatnonzero(decode(graph["edge_type"]) == edge_type)
    return {
        (names[graph["source"].values[at]], names[graph["target"].values[at]]): graph["weight"].values[at].item()
        for at in chosen
    }


def codes(tree: Any) -> list[str]:
    return [item["code"] for item in tree.attrs.get("warnings", [])]


NEMANODE = "pre\tpost\ttype\tsynapses\nVA01\tAVAL\tchemical\t3\nAVAL\tAVAR\telectrical\t2\nRIBL\tRIBL\telectrical\t1\n"


def test_a_known_header_is_read_without_options(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", NEMANODE)
    assert recognise([path]).name == "celegans-table"
    tree = read(path, "celegans-table", lineage="my series")
    validate(tree, subject="mine")
    assert edges(tree, "chemical") == {("VA1", "AVAL"): 3}
    assert edges(tree, "gap_junction_listed") == {("AVAL", "AVAR"): 2, ("RIBL", "RIBL"): 1}
    assert edges(tree, "gap_junction") == {("AVAL", "AVAR"): 2, ("AVAR", "AVAL"): 2, ("RIBL", "RIBL"): 1}
    about = tree["connectome"].attrs["edge_types"]
    assert about["chemical"]["weight_units"] == "synapses"
    assert about["gap_junction"]["derived_from"] == "gap_junction_listed"
    assert "both directions" in about["gap_junction"]["rule"]
    assert {item["lineage"] for item in about.values()} == {"my series"}
    assert codes(tree) == []


def test_unstated_unit_and_lineage_are_recorded_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "from,to,n\nAVAL,AVAR,1\n")
    tree = read(path, "celegans-table", source="from", target="to", weight="n", edge_type="chemical")
    assert tree["connectome"].attrs["edge_types"]["chemical"]["weight_units"] == "not stated"
    assert codes(tree) == ["weight-units-not-stated", "lineage-not-stated"]


def test_a_matrix_runs_from_rows_to_columns_and_zero_is_no_edge(tmp_path: Path) -> None:
    rows = [[None, "AVAL", "AVAR", "VB02"], ["AVAL", None, 2, 0], ["DB01", 1.5, None, 4]]
    path = workbook(tmp_path / "m.xlsx", only=rows)
    tree = read(path, "celegans-table", edge_type="chemical", weight_units="EM sections", lineage="mine")
    assert edges(tree, "chemical") == {("AVAL", "AVAR"): 2, ("DB1", "AVAL"): 1.5, ("DB1", "VB2"): 4}
    graph = tree["connectome"].to_dataset()
    assert graph["source_place"].values.tolist() == [f"sheet 'only', cell {cell}" for cell in ("C2", "B3", "D3")]
    assert graph["weight"].dtype == np.float64
    assert recognise([path]).name == "celegans-table"


def test_nodes_without_edges_are_kept(tmp_path: Path) -> None:
    path = workbook(tmp_path / "m.xlsx", only=[[None, "AVAL", "AVAR"], ["AVAL", None, 1], ["MDL08", None, None]])
    tree = read(path, "celegans-table", edge_type="chemical", weight_units="1", lineage="mine")
    facts = measure(tree)["/connectome"]
    assert facts["n_nodes"] == 3
    assert facts["within"]["neuron"]["n_nodes"] == 2
    assert facts["within"]["muscle"]["n_nodes"] == 1


def test_totals_and_numbers_beside_the_matrix_are_told_and_left_out(tmp_path: Path) -> None:
    rows = [[None, "AVAL", "AVAR", None, "Total"], ["AVAL", None, 2, None, 2], ["AVAR", 3, None, None, 3],
            ["Total", 3, 2, None, 5]]  # fmt: skip
    path = workbook(tmp_path / "m.xlsx", only=rows)
    tree = read(path, "celegans-table", edge_type="chemical", weight_units="1", lineage="mine")
    assert edges(tree, "chemical") == {("AVAL", "AVAR"): 2, ("AVAR", "AVAL"): 3}
    assert codes(tree) == ["totals"]
    assert "5 numbers" in tree.attrs["warnings"][0]["message"]


def test_totals_rows_and_zero_rows_of_a_list_are_told_and_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", NEMANODE + "AVBL\tAVBR\tchemical\t0\nTotal\tAVAL\tchemical\t6\n")
    tree = read(path, "celegans-table", lineage="mine")
    assert edges(tree, "chemical") == {("VA1", "AVAL"): 3}
    assert codes(tree) == ["zero-weight", "totals-row"]
    assert tree.attrs["warnings"][0]["place"] == "row 5"


def test_parallel_rows_stay_parallel_edges(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", NEMANODE + "VA1\tAVAL\tchemical\t4\n")
    graph = read(path, "celegans-table", lineage="mine")["connectome"].to_dataset()
    chemical = decode(graph["edge_type"]) == "chemical"
    assert graph["weight"].values[chemical].tolist() == [3, 4]
    assert set(graph["source"].values[chemical].tolist()) == {graph["node"].values.tolist().index("VA1")}


def test_gap_junctions_listed_both_ways_are_not_doubled_and_the_larger_number_wins(tmp_path: Path) -> None:
    rows = (
        "AVAL\tAVAR\telectrical\t2\nAVAR\tAVAL\telectrical\t2\nPVCL\tPVCR\telectrical\t1\nPVCR\tPVCL\telectrical\t5\n"
    )
    path = write(tmp_path / "m.tsv", "pre\tpost\ttype\tsynapses\n" + rows)
    tree = read(path, "celegans-table", lineage="mine")
    assert edges(tree, "gap_junction") == {
        ("AVAL", "AVAR"): 2, ("AVAR", "AVAL"): 2, ("PVCL", "PVCR"): 5, ("PVCR", "PVCL"): 5,
    }  # fmt: skip
    assert codes(tree) == ["asymmetric-gap-junction"]
    assert tree.attrs["warnings"][0]["place"] == "row 4"


def test_unknown_and_ambiguous_names_stay_nodes_of_their_own(tmp_path: Path) -> None:
    text = "pre\tpost\ttype\tsynapses\nAVA\tAVAL\tchemical\t1\nmystery\tAVAR\tchemical\t1\nSAAD?\tAVAR\tchemical\t1\n"
    tree = read(write(tmp_path / "m.tsv", text), "celegans-table", lineage="mine")
    graph = tree["connectome"].to_dataset()
    assert set(graph["node"].values) == {"AVA", "AVAL", "AVAR", "mystery", "SAAD?"}
    status = dict(zip(graph["node"].values, decode(graph["label_status"]), strict=True))
    assert status == {"AVA": "ambiguous", "AVAL": "exact", "AVAR": "exact", "mystery": "unknown", "SAAD?": "ambiguous"}
    candidates = dict(zip(graph["node"].values, graph["candidates"].values, strict=True))
    assert candidates["SAAD?"] == "SAADL SAADR"
    assert codes(tree) == ["ambiguous-name", "unknown-name", "ambiguous-name"]


def test_two_spellings_of_one_neuron_become_one_node_that_keeps_both_labels(tmp_path: Path) -> None:
    text = "pre\tpost\ttype\tsynapses\nVA01\tAVAL\tchemical\t1\nVA1\tAVAR\tchemical\t1\n"
    graph = read(write(tmp_path / "m.tsv", text), "celegans-table", lineage="mine")["connectome"].to_dataset()
    at = graph["node"].values.tolist().index("VA1")
    assert graph.sizes["node"] == 3
    assert graph["source_label"].values[at] == "VA01 | VA1"


def test_a_sheet_with_a_known_header_is_found_among_others_and_the_rest_is_told(tmp_path: Path) -> None:
    rows = [["pre", "post", "type", "synapses"], ["AVAL", "AVAR", "chemical", 1]]
    path = workbook(tmp_path / "m.xlsx", notes=[["hello"]], edges=rows)
    tree = read(path, "celegans-table", lineage="mine")
    assert edges(tree, "chemical") == {("AVAL", "AVAR"): 1}
    assert codes(tree) == ["unused-sheet"]


BROKEN = {
    "a missing column": ("pre\tpost\tsynapses\nAVAL\tAVAR\t1\n", {}, "", "edge_type"),
    "a word for a number": (NEMANODE.replace("\t3", "\tthree"), {}, "row 2, column synapses", "'three'"),
    "a negative number": (NEMANODE.replace("\t3", "\t-3"), {}, "row 2, column synapses", "'-3'"),
    "an infinite number": (NEMANODE.replace("\t3", "\tinf"), {}, "row 2, column synapses", "'inf'"),
    "no number": (NEMANODE.replace("\t3", "\t"), {}, "row 2, column synapses", "None"),
    "an unknown type": (NEMANODE.replace("chemical", "peptide"), {}, "row 2, column type", "'peptide'"),
    "no name": (NEMANODE.replace("VA01", ""), {}, "row 2, column pre", "None"),
    "too many cells": (NEMANODE.replace("\t3", "\t3\t4"), {}, "row 2", "5"),
    "no rows": (NEMANODE.split("\n")[0] + "\n", {}, "", "none"),
    "nothing": ("", {}, "", "0 bytes"),
}


@pytest.mark.parametrize("what", [name for name in BROKEN if name != "a missing column"])
def test_broken_lists_name_the_file_and_the_place(tmp_path: Path, what: str) -> None:
    text, options, place, found = BROKEN[what]
    with pytest.raises(FormatError) as caught:
        read(write(tmp_path / "broken.tsv", text), "celegans-table", **options)
    assert caught.value.subject == "broken.tsv"
    assert (caught.value.place or "").endswith(place)
    assert found in (caught.value.found or "")


def test_a_column_that_is_named_but_missing_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "from,to\nAVAL,AVAR\n")
    with pytest.raises(FormatError) as caught:
        read(path, "celegans-table", source="from", target="to", weight="count", edge_type="chemical")
    assert (caught.value.expected, caught.value.found, caught.value.place) == ("count", "from, to", "row 1")


def test_a_table_that_does_not_say_what_it_lists_needs_an_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(write(tmp_path / "m.csv", "pre,post,synapses\nAVAL,AVAR,1\n"), "celegans-table")
    assert caught.value.expected == "chemical or gap_junction"
    with pytest.raises(UsageError):
        read(write(tmp_path / "n.csv", "a,b,c\nAVAL,AVAR,1\n"), "celegans-table", source="a", edge_type="chemical")


def test_bad_matrices_name_the_cell(tmp_path: Path) -> None:
    for rows, place, found in (
        ([[None, "AVAL", "AVAR"], ["AVAL", None, "two"]], "cell C2", "'two'"),
        ([[None, "AVAL", "AVAL"], ["AVAL", None, 1]], "cell C1", "AVAL also in"),
        ([[None, "AVAL", 7], ["AVAL", None, 1]], "cell C1", "7"),
        ([[None, "AVAL", "AVAR"], ["AVAL", None, -1]], "cell C2", "-1"),
    ):
        path = workbook(tmp_path / "m.xlsx", only=rows)
        with pytest.raises(FormatError) as caught:
            read(path, "celegans-table", edge_type="chemical")
        assert (caught.value.place or "").endswith(place)
        assert found in (caught.value.found or "")
    with pytest.raises(FormatError):
        read(workbook(tmp_path / "m.xlsx", only=[[None, "AVAL"]]), "celegans-table", edge_type="chemical")


def test_a_workbook_cut_at_any_point_is_an_error_and_never_a_shorter_table(tmp_path: Path) -> None:
    rows = [["pre", "post", "type", "synapses"], *([["AVAL", "AVAR", "chemical", at] for at in range(1, 200)])]
    whole = workbook(tmp_path / "whole.xlsx", edges=rows).read_bytes()
    for part in (1, 4, 30, len(whole) // 2, len(whole) - 1):
        path = tmp_path / f"cut{part}.xlsx"
        path.write_bytes(whole[:part])
        with pytest.raises(FormatError) as caught:
            read(path, "celegans-table", lineage="mine")
        assert caught.value.subject == path.name


def test_a_legacy_workbook_cut_short_is_an_error_and_never_a_shorter_table(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "worm/varshney2011/NeuronConnect.xls").read_bytes()
    for part in (4, 600, len(whole) // 2, len(whole) - 4096):
        path = tmp_path / f"cut{part}.xls"
        path.write_bytes(whole[:part])
        with pytest.raises(FormatError) as caught:
            read(path, "celegans-table", lineage="mine")
        assert caught.value.subject == path.name


def test_a_matlab_file_cut_short_is_an_error(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "worm/varshney2011/ConnOrdered_040903.mat").read_bytes()
    for part in (60, 200, len(whole) // 2):
        path = tmp_path / f"cut{part}.mat"
        path.write_bytes(whole[:part])
        with pytest.raises(FormatError):
            read(path, "celegans-table", lineage="mine")


def test_a_file_under_a_wrong_name_is_told(tmp_path: Path) -> None:
    for name in ("text.xlsx", "text.xls", "text.json"):
        with pytest.raises(FormatError):
            read(write(tmp_path / name, NEMANODE), "celegans-table")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"pre\tpost\ttype\tsynapses\nAVAL\tAV\xc4R\tchemical\t1\n")
    with pytest.raises(FormatError, match="UTF-8") as caught:
        read(latin, "celegans-table")
    assert caught.value.place == "byte 30"


def entry(**changes: Any) -> dict[str, Any]:
    plain = {
        "pre": "AVAL",
        "post": "VB02",
        "typ": 0,
        "syn": [1, 1],
        "ids": [7, 8],
        "pre_tid": [1, 2],
        "post_tid": [3, 4],
    }
    return plain | changes


def test_every_synapse_of_a_nemanode_export_is_a_row_and_pairs_are_sums(tmp_path: Path) -> None:
    gaps = [entry(pre=a, post=b, typ=2) for a, b in (("AVAL", "AVAR"), ("AVAR", "AVAL"))]
    path = write(tmp_path / "m.json", json.dumps([entry(), *gaps]))
    assert recognise([path]).name == "celegans-table"
    tree = read(path, "celegans-table", lineage="mine")
    validate(tree, subject="m")
    facts = measure(tree)["/connectome"]["edges"]
    assert {name: (item["n"], item["weight_sum"]) for name, item in facts.items()} == {
        "chemical": (1, 2), "chemical_listed": (2, 2), "gap_junction": (2, 4), "gap_junction_listed": (4, 4),
    }  # fmt: skip
    graph = tree["connectome"].to_dataset()
    listed = decode(graph["edge_type"]) == "chemical_listed"
    assert graph["synapse_id"].values[listed].tolist() == [7, 8]
    assert graph["post_node"].values[listed].tolist() == [3, 4]
    assert graph["synapse_id"].values[~listed].tolist() == [7, 8, 7, 8, -1, -1, -1]
    assert "entry 1" in graph["source_place"].values


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"typ": 1}, "entry 2"),
        ({"ids": [1]}, "entry 2"),
        ({"syn": [0, 1]}, "entry 2, syn"),
        ({"ids": ["7", 8]}, "entry 2, ids"),
        ({"pre": ""}, "entry 2, pre"),
    ],
)
def test_a_bad_entry_of_a_nemanode_export_is_named(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    path = write(tmp_path / "m.json", json.dumps([entry(), entry(**changes)]))
    with pytest.raises(FormatError) as caught:
        read(path, "celegans-table")
    assert caught.value.place == place


def test_a_nemanode_export_cut_short_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", json.dumps([entry(), entry()])[:-20])
    with pytest.raises(TruncatedError):
        read(path, "celegans-table")


def test_only_the_head_of_a_file_is_read_to_recognise_it(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(NEMANODE.encode() + b"\xff" * 100)
    assert recognise([path]).name == "celegans-table"
    with pytest.raises(FormatError, match="UTF-8"):
        read(path, "celegans-table")
    assert len(read_sheet(path, first=2).rows) == 2


def test_more_than_one_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", NEMANODE)
    with pytest.raises(UsageError):
        read([path, path], "celegans-table")


def test_cells_are_named_as_spreadsheets_do() -> None:
    assert [column_letters(at) for at in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("3", 3), (3.0, 3), (" 2.5", 2.5), ("x", None), (True, None), (None, None), ("nan", None), ("1_0", None)],
)
def test_numbers_are_numbers_and_nothing_else_is(cell: Any, value: Any) -> None:
    assert number(cell) == value
    assert type(number(cell)) is type(value)
