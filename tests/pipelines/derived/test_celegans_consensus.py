"""The consensus of the connectomes, and the 2024 release by its own rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from connectome.pipelines.derived import simeon2024
from connectome.pipelines.derived.celegans_consensus import ANNOTATIONS, Annotation, judge, lineages_of
from connectome.pipelines.ingest import ingest
from connectome.schema import decode, validate
from connectome.store import Repository

NAME, PARENT = "celegans-consensus", "celegans-connectomes"
PARENTS = "cook2019-hermaphrodite,openworm,randi2023,varshney2011,white1986-*,witvliet2020-7,witvliet2020-8"
WHITE = {
    "varshney2011", "white1986-whole", "openworm", "white1986-n2u", "white1986-jsh", "white1986-jse",
    "cook2019-hermaphrodite",
}  # fmt: skip


def generated(
    name: str,
    weights: dict[tuple[str, str], float],
    *,
    units: str = "synapses",
    series: tuple[str, ...] = (),
    based_on: tuple[str, ...] = (),
    cells: str = "ABC",
) -> Annotation:
    return Annotation(name, units, series, based_on, frozenset(cells), {"chemical": weights})


def test_annotations_that_share_a_series_or_are_based_on_one_another_are_one_lineage():
    found = lineages_of(
        [
            generated("first", {}, series=("S1",)),
            generated("other", {}, series=("S3",)),
            generated("second", {}, series=("S2",)),
            generated("joined", {}, series=("S1", "S2")),
            generated("later", {}, based_on=("joined",)),
            generated("last", {}, based_on=("later",)),
        ]
    )
    assert found == {**dict.fromkeys(["first", "second", "joined", "later", "last"], "S1+S2"), "other": "S3"}


def test_what_annotations_share_does_not_depend_on_their_order():
    items = [
        generated("a", {}, based_on=("b",)), generated("b", {}, based_on=("c",)), generated("c", {}, series=("S",)),
        generated("d", {}),
    ]  # fmt: skip
    expected = {"a": "S", "b": "S", "c": "S", "d": "d"}
    assert lineages_of(items) == lineages_of(items[::-1]) == expected


def test_a_lineage_speaks_once_and_absence_counts():
    items = [
        generated("revised", {("A", "B"): 4.0}, series=("S",)),
        generated("original", {("A", "B"): 100.0}, series=("S",)),
        generated("new", {}, series=("T",)),
    ]
    verdict = judge(("A", "B"), "chemical", items, lineages_of(items))
    assert (verdict.n_lineages, verdict.n_present) == (2, 1)
    assert verdict.mean["synapses"] == 2.0
    assert verdict.n_of_unit["synapses"] == 2


def test_units_are_never_mixed():
    items = [
        generated("counted", {("A", "B"): 2.0}, series=("S",)),
        generated("measured", {("A", "B"): 30.0}, units="EM sections", series=("T",)),
    ]
    verdict = judge(("A", "B"), "chemical", items, lineages_of(items))
    assert verdict.mean == {"synapses": 2.0, "EM sections": 30.0}
    assert (verdict.n_lineages, verdict.n_present) == (2, 2)


def test_an_annotation_without_one_of_the_cells_says_nothing():
    items = [generated("whole", {("A", "C"): 3.0}, series=("S",)), generated("part", {}, series=("T",), cells="AB")]
    assert np.isnan(items[1].weight(("A", "C"), "chemical"))
    assert items[1].weight(("A", "B"), "chemical") == 0.0
    assert np.isnan(items[0].weight(("A", "B"), "gap_junction"))
    verdict = judge(("A", "C"), "chemical", items, lineages_of(items))
    assert (verdict.n_lineages, verdict.n_present, verdict.mean["synapses"]) == (1, 1, 3.0)


@pytest.fixture(scope="module")
def root(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("consensus")
    ingest(Repository(root), PARENT, select=PARENTS, mirror=data_dir / "worm")
    ingest(Repository(root), NAME)
    return root


@pytest.fixture(scope="module")
def record(root: Path) -> Any:
    repository = Repository(root)
    tree = repository.open(NAME, repository.find(NAME).records["consensus"]).load()
    validate(tree, subject="consensus")
    return tree


@pytest.fixture(scope="module")
def edges(record: Any) -> pd.DataFrame:
    graph = record["connectome"].to_dataset()
    names, kinds = graph["node"].values.astype(object), decode(graph["node_kind"])
    source, target = graph["source"].values, graph["target"].values
    columns = {name: graph[name].values for name in graph.data_vars if graph[name].dims == ("edge",)}
    neurons = (kinds[source] == "neuron") & (kinds[target] == "neuron")
    return pd.DataFrame(
        {**columns, "pre": names[source], "post": names[target], "type": decode(graph["edge_type"]), "neurons": neurons}
    )


@pytest.fixture(scope="module")
def parents(root: Path) -> dict[str, Any]:
    repository = Repository(root)
    version = repository.find(PARENT)
    return {name: repository.open(PARENT, receipt).load() for name, receipt in version.records.items()}


@pytest.mark.data
@pytest.mark.parametrize("name", ANNOTATIONS)
def test_every_column_holds_the_published_counts_of_its_annotation(name: str, root: Path, edges: pd.DataFrame):
    repository = Repository(root)
    facts = repository.find(PARENT).records[name].facts["/connectome"]["within"]["neuron"]["edges"]
    column = edges[f"weight_{name.replace('-', '_')}"]
    for edge_type in ("chemical", "gap_junction"):
        chosen = column[edges["neurons"] & (edges["type"] == edge_type)]
        if edge_type in facts:
            assert (int((chosen > 0).sum()), chosen.sum()) == (facts[edge_type]["n"], facts[edge_type]["weight_sum"])
        else:
            assert chosen.isna().all()


@pytest.mark.data
def test_the_pairs_are_the_union_of_what_the_annotations_list(edges: pd.DataFrame, parents: dict[str, Any]):
    for edge_type in ("chemical", "gap_junction", "gap_junction_listed"):
        union = set()
        for name in ANNOTATIONS:
            graph = parents[name]["connectome"].to_dataset()
            names, kinds = graph["node"].values.tolist(), decode(graph["node_kind"]).tolist()
            for one, other, kind in zip(
                graph["source"].values, graph["target"].values, decode(graph["edge_type"]), strict=True
            ):
                if kind == edge_type and {kinds[one], kinds[other]} <= {"neuron", "canal_neuron"}:
                    union.add((names[one], names[other]))
        chosen = edges[edges["type"] == edge_type]
        assert not chosen.duplicated(["pre", "post"]).any()
        assert set(zip(chosen["pre"], chosen["post"], strict=True)) == union


@pytest.mark.data
def test_the_micrographs_of_white_count_once(record: Any, edges: pd.DataFrame):
    table = record["annotation"].to_dataset()
    lineages = dict(zip(table["annotation"].values.tolist(), table["independent_lineage"].values.tolist(), strict=True))
    assert {name for name, lineage in lineages.items() if lineage == lineages["white1986-whole"]} == WHITE
    assert len(set(lineages.values())) == 3
    compared = edges[edges["type"] != "gap_junction_listed"]
    assert set(compared["n_lineages"]) <= {1, 2, 3}
    assert (compared["n_lineages_present"] >= 1).all()
    assert (compared["n_lineages_present"] <= compared["n_lineages"]).all()
    fraction = compared["n_lineages_present"] / compared["n_lineages"]
    assert np.array_equal(compared["presence_fraction"], fraction)


@pytest.mark.data
def test_the_consensus_is_the_mean_of_the_lineages_of_one_unit(edges: pd.DataFrame):
    chosen = edges[edges["type"] != "gap_junction_listed"]
    white = chosen["weight_varshney2011"]
    for name in ("white1986_whole", "openworm", "white1986_n2u", "white1986_jsh", "white1986_jse"):
        white = white.fillna(chosen[f"weight_{name}"])
    told = pd.concat([white, chosen["weight_witvliet2020_7"], chosen["weight_witvliet2020_8"]], axis=1)
    assert np.allclose(told.mean(axis=1), chosen["consensus_synapses"], rtol=1e-15, equal_nan=True)
    assert np.array_equal(told.notna().sum(axis=1), chosen["n_synapses"])
    assert np.array_equal(chosen["consensus_em_sections"], chosen["weight_cook2019_hermaphrodite"], equal_nan=True)


@pytest.mark.data
def test_symmetric_gap_junctions_are_symmetric_and_listed_ones_are_not_judged(edges: pd.DataFrame):
    chosen = edges[edges["type"] == "gap_junction"].set_index(["pre", "post"])
    columns = [name for name in chosen if name.startswith(("weight_", "consensus_", "n_", "presence"))]
    back = chosen.reindex([(other, one) for one, other in chosen.index])
    for name in columns:
        assert np.array_equal(chosen[name], back[name], equal_nan=True), name
    listed = edges[edges["type"] == "gap_junction_listed"]
    assert (listed["n_lineages"] == -1).all()
    assert listed[["presence_fraction", "consensus_synapses", "consensus_em_sections"]].isna().all(axis=None)


@pytest.fixture(scope="module")
def release(data_dir: Path) -> pd.DataFrame:
    frame = pd.read_csv(data_dir / "worm/hf_consensus/consensus_connectome_trimmed_withfunc.csv")
    frame["data_sources"] = [json.loads(text.replace("'", '"')) for text in frame["data_sources"]]
    return frame


@pytest.mark.data
def test_all_16373_published_rows_are_made_from_our_records_bit_for_bit(release: pd.DataFrame, parents: dict[str, Any]):
    made = simeon2024.release_table(parents)
    assert len(made) == len(release) == 16373
    for name in ("from_neuron", "to_neuron", "data_sources"):
        assert made[name].tolist() == release[name].tolist()
    for name in ("mean_gap_weight", "mean_chem_weight", "uncertainty", "functional_weight"):
        assert np.array_equal(made[name], release[name], equal_nan=True), name


@pytest.mark.data
def test_another_order_of_files_gives_other_last_bits(
    release: pd.DataFrame, parents: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(simeon2024, "FILES", dict(sorted(simeon2024.FILES.items())))
    made = simeon2024.release_table(parents)
    unequal = (made["uncertainty"] != release["uncertainty"]) & release["uncertainty"].notna()
    assert 0 < unequal.sum() < 100
    assert np.allclose(made["uncertainty"], release["uncertainty"], rtol=1e-12, equal_nan=True)


@pytest.mark.data
def test_the_stored_table_of_the_release_warns(root: Path, release: pd.DataFrame):
    repository = Repository(root)
    receipt = repository.find(NAME).records["simeon2024"]
    assert [item["code"] for item in receipt.warnings] == ["known-errors"]
    stored = repository.open(NAME, receipt)["release"].to_dataset()
    assert np.array_equal(stored["functional_weight"].values, release["functional_weight"], equal_nan=True)
    assert stored["data_sources"].values.tolist() == [" ".join(names) for names in release["data_sources"]]


@pytest.mark.data
def test_a_consensus_is_loaded_as_the_weight_of_the_edges_that_have_one(root: Path, edges: pd.DataFrame):
    from connectome.loaders.graphs import load_graph

    spec = f"{NAME}/consensus"
    assert load_graph(spec, root=root).weight is None
    for column in ("consensus_synapses", "consensus_em_sections", "weight_witvliet2020_8", "presence_fraction"):
        graph = load_graph(spec, edge_types=["chemical"], weight=column, root=root)
        known = edges[(edges["type"] == "chemical") & edges[column].notna()]
        assert np.array_equal(graph.weight, known[column])
        assert 0 < len(known) < 6000
        assert graph.frame()[["source", "target"]].to_numpy().tolist() == known[["pre", "post"]].to_numpy().tolist()
