"""The connectomes of *C. elegans* for tests: every source with its records, and edges by a second route.

The second route reads the raw files with nothing of the package: cells by openpyxl, xlrd, csv and json, names by
taking off zeros.
"""

from __future__ import annotations

import csv
import functools
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.celegans_connectomes import ConnectomeSource
from connectome.schema import decode, measure

if TYPE_CHECKING:
    import xarray as xr


IDS = ("cook2019", "varshney2011", "white1986", "witvliet2020", "openworm", "randi2023")
PRIMARY = {
    "cook2019-hermaphrodite", "cook2019-male", "varshney2011", "white1986-whole", "white1986-n2u", "white1986-jsh",
    "white1986-jse", "witvliet2020-7", "witvliet2020-8", "openworm", "randi2023",
}  # fmt: skip
FURTHER = {
    "cook2019-hermaphrodite.csv", "varshney2011.mat", "witvliet2020-7.tsv", "witvliet2020-8.tsv",
    "witvliet2020-7.wormneuroatlas", "witvliet2020-8.wormneuroatlas", "witvliet2020-7.nemanode",
}  # fmt: skip
ATLAS = "neuron_metadata/LowResAtlasWithHighResHeadsAndTails.csv"

Edges = dict[tuple[str, str], float]


def source(name: str) -> ConnectomeSource:
    made = load_source(name)
    assert isinstance(made, ConnectomeSource)
    return made


def graph_of(tree: xr.DataTree) -> xr.Dataset:
    return tree["connectome"].to_dataset()


def edges(tree: xr.DataTree, edge_type: str, *, kind: str | None = None) -> Edges:
    """Return the edges of a type by names, summed over parallel ones."""
    graph = graph_of(tree)
    names, kinds = graph["node"].values.tolist(), decode(graph["node_kind"])
    found: Edges = {}
    for at in np.flatnonzero(decode(graph["edge_type"]) == edge_type):
        ends = int(graph["source"].values[at]), int(graph["target"].values[at])
        if kind is None or (kinds[ends[0]] == kind and kinds[ends[1]] == kind):
            pair = (names[ends[0]], names[ends[1]])
            found[pair] = found.get(pair, 0) + graph["weight"].values[at].item()
    return found


def counted(tree: xr.DataTree, edge_type: str) -> tuple[int, float]:
    """Return number and weight sum of the edges among neurons, as facts have them."""
    item = measure(tree)["/connectome"]["within"]["neuron"]["edges"][edge_type]
    return item["n"], item["weight_sum"]


def plain(name: str) -> str:
    return re.sub(r"^([A-Z]+)0+(?=[1-9])", r"\1", name)


def within(rows: list[tuple[str, str, float]], names: set[str]) -> Edges:
    found: Edges = {}
    for one, other, weight in rows:
        pair = (plain(one), plain(other))
        if set(pair) <= names:
            found[pair] = found.get(pair, 0) + weight
    return found


def both_ways(pairs: Edges) -> Edges:
    return {**{(b, a): weight for (a, b), weight in pairs.items()}, **pairs}


def total(pairs: Edges) -> tuple[int, float]:
    return len(pairs), sum(pairs.values())


@functools.cache
def table(path: Path, sheet: str | None = None) -> list[list[Any]]:
    if path.suffix == ".csv":
        text = path.read_text()
        return list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
    if path.suffix == ".xls":
        held = pytest.importorskip("xlrd").open_workbook(path)
        chosen = held.sheet_by_name(sheet) if sheet else held.sheet_by_index(0)
        return [chosen.row_values(at) for at in range(1, chosen.nrows)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = pytest.importorskip("openpyxl").load_workbook(path, read_only=True, data_only=True)
        rows = [list(row) for row in (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)]
        book.close()
        return rows


def typed(rows: list[list[Any]], word: str) -> list[tuple[str, str, float]]:
    return [(row[0], row[1], int(row[3])) for row in rows if row[2] == word]
