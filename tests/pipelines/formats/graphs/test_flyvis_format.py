"""The column model of the fly's visual system: types of cells and the offsets between their columns."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read, recognise

REAL = "connectome/flyvis/fib25-fib19_v2.2.json"
NODE = {"name": "R1", "pattern": ["stride", [1, 1]], "bias": 3.5, "time_constant": None}
GOOD = {
    "nodes": [NODE, {**NODE, "name": "Mi1", "pattern": ["stride", [3, 2]], "bias": 1}],
    "edges": [
        {"src": "R1", "tar": "Mi1", "offsets": [[[0, 0], 40], [[-1, 2], 0.25]], "edge_type": "chem", "alpha": -1},
        {"src": "Mi1", "tar": "Mi1", "offsets": [[[1, 0], 2]], "edge_type": "elec", "alpha": 1},
    ],
    "input_units": ["R1"],
}
"""Generated, in the layout of the real file."""


@pytest.mark.data
def test_the_real_model_has_its_published_counts(data_dir) -> None:
    known = json.loads((data_dir / "connectome/facts.json").read_text())["flyvis"]
    assert recognise([data_dir / REAL]).name == "flyvis"
    tree = read(data_dir / REAL)
    schema.validate(tree, subject="flyvis")
    facts = schema.measure(tree)
    assert facts["/connectome"]["n_nodes"] == known["node_types"]
    assert facts["/connectome"]["n_edges"] == known["edges"]
    assert facts["/offsets"]["n_rows"] == known["offset_entries"]
    assert facts["/connectome"]["edges"]["chem"]["weight_sum"] == pytest.approx(known["synapses_sum"], abs=0.005)
    document = json.loads((data_dir / REAL).read_text())
    graph = tree["connectome"]
    assert graph["alpha"].values.tolist() == [edge["alpha"] for edge in document["edges"]]
    assert graph.attrs["output_units"] == document["output_units"]
    offsets = tree["offsets"].to_dataset()
    rows = [
        (edge["src"], edge["tar"], du, dv, float(synapses))
        for edge in document["edges"]
        for (du, dv), synapses in edge["offsets"]
    ]
    columns = (offsets[name].values.tolist() for name in ("source", "target", "du", "dv", "synapses"))
    assert list(zip(*columns, strict=True)) == rows
    total = np.bincount(offsets["edge"].values, weights=offsets["synapses"].values)
    np.testing.assert_allclose(graph["weight"].values, total, rtol=1e-12)


def save(folder: Path, document: object) -> Path:
    path = folder / "model.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_types_weights_and_names_used_twice_are_kept(tmp_path) -> None:
    document = copy.deepcopy(GOOD)
    document["edges"][0]["bias"] = 7
    tree = read(save(tmp_path, document), "flyvis")
    schema.validate(tree, subject="generated")
    graph = tree["connectome"]
    assert graph["weight"].values.tolist() == [40.25, 2.0]
    assert schema.decode(graph["edge_type"]).tolist() == ["chem", "elec"]
    np.testing.assert_array_equal(graph["bias"].values, [7, np.nan])
    assert graph["node_bias"].values.tolist() == [3.5, 1.0]
    assert graph["pattern"].values.tolist() == ['["stride", [1, 1]]', '["stride", [3, 2]]']


def broken(path: str, value: object) -> dict[str, object]:
    document = copy.deepcopy(GOOD)
    where: object = document
    *steps, last = path.split("/")
    for step in steps:
        where = where[int(step) if step.isdigit() else step]
    if value is None:
        del where[last]
    else:
        where[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("document", "error", "place"),
    [
        (broken("edges/0/src", "R9"), FormatError, "edges, entry 1, src"),
        (broken("edges/1/tar", 5), FormatError, "edges, entry 2, tar"),
        (broken("edges/1/tar", None), FormatError, "edges, entry 2"),
        (broken("edges/0/offsets", [[[0, 0], 1], [[0], 1]]), FormatError, "edges, entry 1"),
        (broken("edges/0/offsets", [[[0, 0.5], 1]]), FormatError, "edges, entry 1"),
        (broken("edges/0/offsets", [[[0, 0], "many"]]), FormatError, "edges, entry 1"),
        (broken("edges/0/offsets", [[[0, 0], float("inf")]]), FormatError, "edges, entry 1"),
        (broken("edges/0/offsets", [[[0, 2**40], 1]]), FormatError, "edges, entry 1"),
        (broken("edges/0/offsets", 3), FormatError, "edges, entry 1"),
        (broken("edges/0/edge_type", ""), FormatError, "edges"),
        (broken("nodes/1/name", "R1"), FormatError, "nodes, entry 2"),
        (broken("nodes/1/name", None), FormatError, "nodes, entry 2"),
        (broken("nodes", []), FormatError, "nodes"),
        (broken("edges", None), FormatError, "edges"),
        ([], FormatError, None),
        ("[" * 100_000, FormatError, None),
        (json.dumps(GOOD)[:-9], TruncatedError, "line 1, column 398"),
        ("", TruncatedError, None),
    ],
)
def test_damaged_models_are_refused_with_their_entry(tmp_path, document, error, place) -> None:
    path = save(tmp_path, document)
    with pytest.raises(error) as caught:
        read(path, "flyvis")
    assert caught.value.subject == str(path)
    assert caught.value.place == place
