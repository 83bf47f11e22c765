"""Link prediction through PyG: no held-out edge is walked along, every pair comes once, what is trivial is told."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch_geometric", reason="PyG is not installed")

import torch
from torch_geometric.nn import SAGEConv

import connectome
from connectome import schema
from connectome.errors import LeakError, NotFoundError, UsageError
from connectome.loaders.pyg import LinkSplit
from connectome.pipelines.derived.graph_tasks import make_task_dataset
from connectome.pipelines.export import export
from connectome.pipelines.export.ogb import with_links
from connectome.pipelines.importing import import_files
from connectome.store import Recipe, Repository, write_record
from connectome.tasks import LinkPlan, degree_of, make_links, prove_links, report_links, task_record
from support.spatial_graphs import generated_graph, voreen_example

KINDS = ("spatial", "distance-matched")
PLAN = LinkPlan(seed=1, negatives=KINDS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a generated graph and two tasks of it."""
    root = tmp_path_factory.mktemp("links")
    repository = Repository(root)
    graph = generated_graph(250)
    degree = np.bincount(graph["source"].values, minlength=250) + np.bincount(graph["target"].values, minlength=250)
    graph = graph.assign(
        branches=schema.column("node", degree, "Edges at the node", "1"),
        depth=schema.column("node", np.arange(250.0), "Generated", "um"),
    )
    receipt = write_record(
        schema.record({"vessels": graph}, title="Generated"),
        repository.folder("brains"),
        record="one",
        recipe=Recipe("generated", "1", ()),
        staging=repository.staging,
    )
    repository.commit("brains", [receipt])
    make_task_dataset(repository, "brains", PLAN)
    make_task_dataset(repository, "brains", LinkPlan(seed=2), name="second")
    return root


@pytest.fixture(scope="module")
def stored(root: Path) -> LinkSplit:
    return LinkSplit("brains-links@1/one", root=root)


def pairs_of(index: torch.Tensor) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in index.T.tolist()}


def test_a_stored_task_is_the_one_that_is_made(root: Path, stored: LinkSplit):
    made = LinkSplit("brains@1/one", plan=PLAN, root=root)
    for part in ("train", "val", "test"):
        for kind in KINDS:
            assert torch.equal(made.edge_label_index(part, kind), stored.edge_label_index(part, kind))
    assert torch.equal(made.data.edge_index, stored.data.edge_index)
    assert made.report() == stored.report()
    assert stored.plan == PLAN


def test_messages_go_along_training_edges_only_and_both_ways(stored: LinkSplit):
    walked = pairs_of(stored.data.edge_index)
    label = stored.edge_label("train")
    assert walked == pairs_of(stored.edge_label_index("train")[:, label == 1])
    assert stored.data.edge_index.shape[1] == 2 * len(walked)
    for part in ("val", "test"):
        assert not walked & pairs_of(stored.edge_label_index(part))
    assert stored.data.training_degree.tolist() == degree_of(stored.task.positives["train"], 250).tolist()
    assert stored.data.pos.shape == (250, 3)


def test_labels_are_positives_first(stored: LinkSplit):
    index, label = stored.edge_label_index("test"), stored.edge_label("test")
    assert (index.dtype, label.dtype) == (torch.int64, torch.float32)
    n_positive = len(stored.task.positives["test"])
    assert label.tolist() == [1.0] * n_positive + [0.0] * n_positive
    assert torch.equal(index[:, :n_positive].T, torch.from_numpy(stored.task.positives["test"]))
    assert not torch.equal(index, stored.edge_label_index("test", "distance-matched"))
    for wrong in (("dev", None), ("test", "random")):
        with pytest.raises(NotFoundError):
            stored.edge_label_index(*wrong)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_pair_comes_once_through_pygs_loader(stored: LinkSplit, workers: int):
    found, labels = [], []
    walked = pairs_of(stored.data.edge_index)
    for batch in stored.loader("val", [5, 5], batch_size=16, num_workers=workers):
        found.append(batch.n_id[batch.edge_label_index])
        labels.append(batch.edge_label)
        assert pairs_of(batch.n_id[batch.edge_index]) <= walked
        assert torch.equal(batch.pos, stored.data.pos[batch.n_id])
    assert torch.equal(torch.cat(found, dim=1), stored.edge_label_index("val"))
    assert torch.equal(torch.cat(labels), stored.edge_label("val"))


def test_the_loader_shuffles_training_pairs_by_its_seed(stored: LinkSplit):
    def order(seed: int) -> list[list[int]]:
        batches = stored.loader("train", [3], batch_size=64, seed=seed)
        return torch.cat([batch.n_id[batch.edge_label_index] for batch in batches], dim=1).T.tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(stored.edge_label_index("train").T.tolist())


def test_pairs_to_be_predicted_can_be_kept_from_the_training_graph(root: Path, stored: LinkSplit):
    split = LinkSplit("brains-links/one", disjoint=0.3, root=root)
    index, label = split.edge_label_index("train"), split.edge_label("train")
    supervised = pairs_of(index[:, label == 1])
    walked = pairs_of(split.data.edge_index)
    assert not supervised & walked
    assert supervised | walked == pairs_of(stored.data.edge_index)
    assert 0.15 < len(supervised) / len(supervised | walked) < 0.45
    assert torch.equal(split.edge_label_index("test"), stored.edge_label_index("test"))
    with pytest.raises(UsageError, match="share of the training pairs"):
        LinkSplit("brains-links/one", disjoint=1.0, root=root)


def test_features_that_give_edges_away_are_refused(root: Path):
    assert LinkSplit("brains-links/one", features=["depth"], root=root).data.x.shape == (250, 1)
    with pytest.raises(LeakError, match="whole graph"):
        LinkSplit("brains-links/one", features=["depth", "branches"], root=root)


def test_the_report_prints_what_is_trivial(stored: LinkSplit):
    text = str(stored.report())
    for word in ("distance", "degree_leak", "common_neighbours", "ROC AUC", *KINDS, "proved"):
        assert word in text
    assert "LinkSplit of brains-links@1" in stored._repr_html_()
    assert "ROC AUC" in stored._repr_html_()


def test_a_model_is_scored_as_the_baselines_are(stored: LinkSplit):
    index = stored.edge_label_index("test", "spatial")
    apart = (stored.data.pos[index[0]].double() - stored.data.pos[index[1]].double()).norm(
        dim=0 if index.ndim == 1 else 1
    )
    found = stored.evaluate(-apart, "test", "spatial")
    (told,) = (
        score
        for score in stored.report().scores
        if (score.negatives, score.part, score.baseline) == ("spatial", "test", "distance")
    )
    assert found["roc_auc"] == pytest.approx(told.roc_auc, abs=1e-5)
    assert found["average_precision"] == pytest.approx(told.average_precision, abs=1e-4)
    with pytest.raises(UsageError, match="one score per pair"):
        stored.evaluate(-apart[1:], "test", "spatial")


def test_what_is_not_there_is_named(root: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="which record"):
        LinkSplit("brains-links", root=root)
    with pytest.raises(UsageError, match="has its plan"):
        LinkSplit("brains-links/one", plan=PLAN, root=root)
    with pytest.raises(NotFoundError, match="no such negatives"):
        LinkSplit("brains-links/one", negatives="random", root=root)
    shutil.copytree(root, tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "brains")
    with pytest.raises(NotFoundError, match="graph of this task is not in the store") as error:
        LinkSplit("brains-links/one", root=tmp_path / "store")
    assert error.value.hint == "connectome pull brains"


def test_a_graph_without_a_store_will_do():
    split = LinkSplit(generated_graph(100), plan=LinkPlan(kind="blocks", block=50.0, delta=80.0, seed=3))
    assert split.report().proof.sizes["test"]["positive"] > 0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a task in the layout of the Open Graph Benchmark, written and read back."""
    root = tmp_path_factory.mktemp("ogb")
    graph = generated_graph(120)
    task = make_links(graph, LinkPlan(seed=5, delta=60.0))
    tree = schema.record({"vessels": graph})
    stored = task_record(task, report_links(task, graph), parent="brains/one", group="vessels")
    export(with_links(tree, stored), to="ogb", destination=root / "archive")
    import_files(
        Repository(root / "store"),
        [root / "archive"],
        dataset="ogb",
        format="ogb",
        record="one",
        options={"units": "um"},
    )
    return root / "store"


def test_a_task_in_the_layout_of_ogb_is_taken_as_it_is(archive: Path):
    split = LinkSplit("ogb/one", root=archive)
    task = make_links(generated_graph(120), LinkPlan(seed=5, delta=60.0))
    assert (split.parts, split.plan.kind, split.negatives) == (("train", "valid", "test"), "published", "spatial")
    position = generated_graph(120)["position"].values

    def places(where: np.ndarray, pairs: np.ndarray) -> set[frozenset[tuple[float, ...]]]:
        return {frozenset(map(tuple, ends)) for ends in where[pairs].astype(np.float32).tolist()}

    for theirs, ours in (("train", "train"), ("valid", "val"), ("test", "test")):
        assert places(split.data.pos.numpy(), split.task.positives[theirs]) == places(position, task.positives[ours])
        drawn = split.task.pairs(theirs, "spatial")
        assert places(split.data.pos.numpy(), drawn) == places(position, task.pairs(ours, "spatial"))
    report = split.report()
    assert report.proof.unproved == ()
    assert "no link is there twice, in one part or in two (train, valid, test)" in report.proof.proved
    leak = [score.roc_auc for score in report.scores if score.baseline == "degree_leak"]
    # The archive shows training edges only, so nothing is left to be given away.
    assert leak == [0.5, 0.5]
    assert (split.task.edges["test"] == -1).all()
    assert (split.task.edges["train"] >= 0).all()
    batch = next(iter(split.loader("test", [-1, -1], batch_size=8)))
    assert batch.edge_label.tolist() == [1.0] * 8


def test_what_does_not_hold_of_a_published_task_is_told(archive: Path):
    split = LinkSplit("ogb/one", root=archive)
    shared = np.concatenate([split.task.positives["test"], split.task.positives["train"][:2]])
    spoiled = dataclasses.replace(split.task, positives={**split.task.positives, "test": shared})
    proof = prove_links(spoiled, connectome.open("ogb", root=archive).open("one")["vessels"].to_dataset())
    assert proof.unproved == ("2 positives are in train and in test",)
    assert "does not hold: 2 positives" in str(proof)
    with pytest.raises(UsageError, match="read, not made"):
        LinkSplit(generated_graph(60), plan=LinkPlan(kind="published"))


class Differences(torch.nn.Module):
    """Two layers over differences of coordinates: what a node sees of its neighbours does not depend on where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SAGEConv(4, 16)
        self.head = torch.nn.Sequential(torch.nn.Linear(34, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def forward(self, batch) -> torch.Tensor:
        degree = torch.zeros(batch.num_nodes).index_add(0, batch.edge_index[1], torch.ones(batch.edge_index.shape[1]))
        hidden = self.conv(torch.cat([degree[:, None], torch.ones(batch.num_nodes, 3)], dim=1), batch.edge_index).relu()
        one, other = batch.edge_label_index
        apart = (batch.pos[one] - batch.pos[other]).norm(dim=1, keepdim=True) / 20
        both = torch.cat([hidden[one] + hidden[other], hidden[one] * hidden[other], apart, apart**2], dim=1)
        return self.head(both).squeeze(1)


@pytest.mark.data
def test_a_model_learns_the_real_example_through_the_loader(data_dir: Path):
    split = LinkSplit(voreen_example(data_dir), plan=LinkPlan(seed=1), disjoint=0.3)
    torch.manual_seed(0)
    model = Differences()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(6):
        for batch in split.loader("train", [-1], batch_size=256):
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch.edge_label)
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        scores = torch.cat([model(batch) for batch in split.loader("test", [-1], batch_size=256)])
    distance = next(s.roc_auc for s in split.report().scores if (s.part, s.baseline) == ("test", "distance"))
    # Distance alone gives 0.90 here; ends that lack an edge say more, without any degree of the whole graph.
    assert split.evaluate(scores)["roc_auc"] > distance


def test_neighbours_are_those_of_our_sampler(stored: LinkSplit):
    batch = next(iter(stored.loader("test", [-1], batch_size=4)))
    seeds = stored.edge_label_index("test")[:, :4].unique()
    expected = {int(node) for node in seeds}
    for source, target in stored.data.edge_index.T.tolist():
        if target in seeds.tolist():
            expected.add(source)
    assert set(batch.n_id.tolist()) == expected
