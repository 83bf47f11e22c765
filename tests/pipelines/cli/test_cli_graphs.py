"""What the command says of graphs: facts in full, and a page with pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from connectome import schema
from connectome.graphs import summarise_graph
from connectome.pipelines.cli import main
from support.command_line import DATASET as ALL_KINDS
from support.spatial_graphs import generated_graph

DATASET = "generated-vessels"


def vessels(seed: int):
    half = schema.category("node", ["left", "right"] * 40, ["left", "right"], "Half")
    dataset = generated_graph(80, seed=seed).assign(half=half)
    return schema.record({"vessels": dataset}, title=f"Generated vessels {seed}")


@pytest.fixture(scope="module")
def root(all_kinds, tmp_path_factory) -> Path:
    """A root with two generated graphs in space."""
    root = tmp_path_factory.mktemp("vessels") / "root"
    all_kinds.commit(root, {f"one-{seed}": vessels(seed) for seed in (1, 2)}, dataset=DATASET)
    return root


def test_details_are_added_to_the_facts_of_graphs(root, run) -> None:
    _, plain = run("facts", DATASET, "--record", "one-1", "--root", root)
    code, full = run("facts", DATASET, "--record", "one-1", "--details", "--by", "half", "--root", root)
    assert code == 0
    summary = full["/vessels"].pop("summary")
    assert full == plain
    expected = summarise_graph(vessels(1)["vessels"].to_dataset(), by="half").as_json()
    assert summary["regions"].keys() == expected["regions"].keys() == {"left", "right", "between regions"}
    for name in ("n_components", "component_sizes", "simple_degree_histogram", "parallel", "n_self_loops"):
        assert summary[name] == expected[name]
    assert summary["n_components"] == plain["/vessels"]["n_components"]
    _, every = run("facts", DATASET, "--details", "--root", root)
    assert {record: "summary" in facts["/vessels"] for record, facts in every.items()} == {"one-1": True, "one-2": True}


def test_regions_without_details_or_of_no_category_are_wrong_usage(root, run) -> None:
    code, document = run("facts", DATASET, "--by", "half", "--root", root)
    assert code == 2
    assert "--details" in document["error"]["hint"]
    code, document = run("facts", DATASET, "--details", "--by", "lobe", "--root", root)
    assert code == 2
    assert document["error"]["expected"] == "half"


def test_a_report_is_one_page_with_facts_and_pictures(root, run, tmp_path) -> None:
    page = tmp_path / "new folder" / "page.html"
    code, document = run("report", DATASET, page, "--record", "one-2", "--root", root)
    assert code == 0
    assert document == {"file": str(page), "dataset": DATASET, "version": "1.0.0", "records": ["one-2"]}
    text = page.read_text(encoding="utf-8")
    ET.fromstring(text.replace("<!DOCTYPE html>\n", ""))
    assert len(re.findall(r'<img src="data:image/png;base64,', text)) == 3
    assert "Generated vessels 2" in text
    assert "independent cycles" in text
    assert "one-1" in text, "the version's list names every record"


def test_a_report_without_pictures_holds_the_tables_of_every_kind(filled, run, tmp_path) -> None:
    code, document = run("report", ALL_KINDS, tmp_path / "page.html", "--no-pictures", "--root", filled)
    assert code == 0
    text = Path(document["file"]).read_text(encoding="utf-8")
    assert "<img" not in text
    assert all(record in text for record in document["records"])


def test_a_record_that_is_not_there_gives_no_page(root, run, tmp_path) -> None:
    code, document = run("report", DATASET, tmp_path / "page.html", "--record", "none", "--root", root)
    assert code == 1
    assert document["error"]["subject"] == "none"
    assert not (tmp_path / "page.html").exists()


def test_a_report_says_which_records_it_leaves_out(root, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("connectome.pipelines.cli.report.MOST_RECORDS", 1)
    assert main(["report", DATASET, str(tmp_path / "page.html"), "--no-pictures", "--root", str(root)]) == 0
    assert "1 more records are left out" in capsys.readouterr().out
