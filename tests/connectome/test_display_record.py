"""A record as HTML: well-formed, deaf to hostile names, and its numbers are those of the summary."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.display.record import graph_html, record_html
from connectome.errors import UsageError
from connectome.schema import category, column
from support.generated_records import generated_zoo
from support.spatial_graphs import generated_graph

HOSTILE = "<script>alert(1)</script> \"'&<b>"


def rows_of(markup: str) -> dict[str, list[str]]:
    """Return the cells of every row of every table by its first cell; of rows that begin alike the first."""
    tree = ET.fromstring(markup)
    rows = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    return {row[0]: row[1:] for row in reversed(rows)}


def terms_of(markup: str) -> dict[str, str]:
    """Return what stands beside every term."""
    tree = ET.fromstring(markup)
    terms = ["".join(item.itertext()) for item in tree.iter("dt")]
    return dict(zip(terms, ["".join(item.itertext()) for item in tree.iter("dd")], strict=True))


def graph(**nodes: Any) -> Any:
    dataset = generated_graph(60)
    length = np.arange(dataset.sizes["edge"], dtype=np.float64)
    length[3] = np.nan
    return dataset.assign(length=column("edge", length, "Length", "um"), **nodes)


def test_the_numbers_of_a_graph_are_in_its_page() -> None:
    dataset = graph()
    n_edges = int(dataset.sizes["edge"])
    terms, rows = terms_of(graph_html(dataset)), rows_of(graph_html(dataset))
    assert terms["nodes"].startswith("60, 0 of them")
    assert terms["edges"].startswith(f"{n_edges:,} rows")
    loops = int((dataset["source"] == dataset["target"]).sum())
    assert terms["self loops"] == f"{loops}"
    ends = np.bincount(np.append(dataset["source"].values, dataset["target"].values))
    for degree, count in enumerate(np.bincount(ends)):
        assert not count or f"{degree}: {count}" in terms["edges per node"]
    low, high = dataset["position"].values.min(axis=0), dataset["position"].values.max(axis=0)
    assert terms["extent"].startswith(f"{low[0]:,g} to {high[0]:,g}")
    known = np.delete(np.arange(n_edges), 3)
    assert rows["length"][:2] == [f"{n_edges - 1}", "1"]
    assert rows["length"][2] == f"{known.mean():,.5g}"
    assert rows["length"][-1] == "um"
    assert rows["distance"][0] == str(n_edges)


def test_truths_are_counted_and_have_no_quantiles() -> None:
    markup = graph_html(graph(border=column("node", np.arange(60) < 7, "At the border")))
    assert rows_of(markup)["border"] == ["7", "60"]


def test_regions_of_a_graph_have_rows_of_their_own() -> None:
    region = category("node", ["a", "b"] * 30, ["a", "b"], "Region")
    dataset = graph(region=region)
    labels = schema.decode(region)
    one, other = labels[dataset["source"].values], labels[dataset["target"].values]
    markup = graph_html(dataset)
    rows = rows_of(markup)
    assert rows["between regions"][:2] == [str(int((one != other).sum())), ""]
    assert rows["a"][:2] != ["", ""]
    assert "by region" in markup
    with pytest.raises(UsageError, match="region"):
        graph_html(dataset, by="nothing")


def test_a_record_of_every_kind_is_one_page_and_hostile_names_stay_text() -> None:
    tree = generated_zoo()
    tree.attrs |= {"title": HOSTILE, "warnings": [{"code": HOSTILE, "place": HOSTILE, "message": HOSTILE}]}
    markup = record_html(tree)
    page = ET.fromstring(markup)
    tags = {element.tag for element in page.iter()}
    assert not tags & {"script", "b", "iframe"}
    folded = ["".join(item.itertext()) for item in page.iter("summary")]
    for path, dataset in schema.groups(tree):
        assert f"{path.strip('/')} ({schema.kind_of(dataset)})" in folded
    assert "1 warning" in folded
    assert HOSTILE in "".join(page.itertext())


def test_rows_of_tables_and_channels_of_series_are_listed_as_far_as_they_can_be_read() -> None:
    n_rows = 25
    events = schema.table({
        "onset_s": schema.column("row", np.append(np.arange(n_rows - 1) / 4, np.nan)[::-1], "Onset", "s"),
        "label": schema.category("row", ["cue"] * n_rows, ["cue", "go"], "Label"),
    })  # fmt: skip
    signal = schema.series(
        np.zeros((2, 4)), channel=["Fz", HOSTILE], units="uV", long_name="EEG", rate_hz=Fraction(4),
        channels={"kind": schema.column("channel", ["eeg", "eog"], "Kind")},
    )  # fmt: skip
    raw = schema.table({"byte": schema.column("row", np.zeros(9, dtype=np.uint8), "Byte", "1")})
    page = ET.fromstring(record_html(schema.record({"events": events, "signal": signal, "raw": raw})))
    folded = {"".join(item[0].itertext()): item for item in page.iter("details")}

    def cells_of(name: str) -> list[list[str]]:
        return [["".join(cell.itertext()) for cell in row] for row in folded[name].iter("tr")]

    assert cells_of("the first 20 of 25 rows")[:3] == [["onset_s", "label"], ["", "cue"], ["5.75", "cue"]]
    assert len(cells_of("the first 20 of 25 rows")) == 21
    assert cells_of("2 channels") == [["channel", "kind"], ["Fz", "eeg"], [HOSTILE, "eog"]]
    assert "9 rows" not in folded
    assert any("".join(cell.itertext()) == "text" for cell in page.iter("td"))
