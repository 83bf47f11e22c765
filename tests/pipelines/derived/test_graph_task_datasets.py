"""Tasks on graphs as versions: made by one command, proved, traced to their graph, and made once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.derived.graph_tasks import make_task_dataset
from connectome.store import Receipt, Recipe, Repository, open_version, write_record
from connectome.tasks import (
    NEGATIVES,
    ClassPlan,
    LinkPlan,
    classes_from_record,
    make_classes,
    make_links,
    prove_links,
    report_classes,
    task_from_record,
)
from support.spatial_graphs import generated_graph

if TYPE_CHECKING:
    import xarray as xr

PLAN = LinkPlan(seed=1, negatives=NEGATIVES)


def put_graph(repository: Repository, record: str, graph: xr.Dataset, **others: xr.Dataset) -> Receipt:
    """Write a graph as the record of a dataset."""
    return write_record(
        schema.record({"vessels": graph, **others}, title="Generated vessels", species="none: generated"),
        repository.folder("brains"),
        record=record,
        recipe=Recipe("generated", "1", (), {"record": record, "rows": int(graph.sizes["edge"])}),
        staging=repository.staging,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two generated graphs."""
    root = tmp_path_factory.mktemp("links")
    repository = Repository(root)
    receipts = [put_graph(repository, name, generated_graph(200, seed=at)) for at, name in enumerate(("one", "two"))]
    repository.commit("brains", receipts, about={"title": "Generated brains", "licence": "CC0-1.0"})
    return root


@pytest.fixture
def repository(prepared: Path, tmp_path: Path) -> Repository:
    """Return a copy of the store."""
    import shutil

    shutil.copytree(prepared, tmp_path / "store")
    return Repository(tmp_path / "store")


def command(capsys: pytest.CaptureFixture[str], repository: Repository, *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["split", "brains", "--by", "links", *arguments, "--root", str(repository.path), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_one_command_makes_proves_and_stores_a_task(repository: Repository, capsys: pytest.CaptureFixture[str]):
    code, made = command(capsys, repository, "--record", "one", "--negatives", "spatial,random", "--seed", "1")
    assert code == 0
    assert (made["dataset"], made["version"], made["name"], made["created"]) == ("brains-links", "1.0.0", "one", True)
    assert made["parent"] == "brains/one"
    assert set(made["sizes"]) == {"train", "val", "test"}
    assert made["sizes"]["test"]["spatial"] == made["sizes"]["test"]["positive"] > 0
    assert any("no negative" in line for line in made["proof"])
    assert {(row["negatives"], row["baseline"]) for row in made["metrics"]} >= {
        ("spatial", "distance"),
        ("random", "logistic"),
    }
    version = open_version("brains-links", root=repository.path)
    assert version.manifest.parents == ("brains@1.0.0",)
    assert version.manifest.about["title"] == "Link prediction on: Generated brains"
    assert version.manifest.about["licence"] == "CC0-1.0"
    tree = version.open("one")
    (parent,) = tree.attrs["provenance"]["inputs"]
    brains = repository.find("brains")
    assert (parent["path"], parent["sha256"]) == ("record:brains/one", brains.records["one"].content)
    assert tree.attrs["provenance"]["params"]["plan"]["seed"] == 1
    assert tree.attrs["report"]["metrics"] == made["metrics"]
    graph = repository.open("brains", brains.records["one"])["vessels"].to_dataset(inherit=False)
    prove_links(task_from_record(tree, graph["node"].values)[0], graph)
    table = tree["test/negative/spatial"].to_dataset()
    assert np.array_equal(graph["node"].values[table["source"].values], table["source_id"].values)
    assert main(["verify", "brains-links", "--root", str(repository.path)]) == 0


def test_the_same_plan_gives_no_new_version(repository: Repository, capsys: pytest.CaptureFixture[str]):
    first = command(capsys, repository, "--record", "one")[1]
    again = command(capsys, repository, "--record", "one")[1]
    assert again == {**first, "created": False}
    other = command(capsys, repository, "--record", "two")[1]
    assert (other["version"], other["created"]) == ("1.1.0", True)
    assert list(repository.find("brains-links").records) == ["one", "two"]


def test_another_plan_needs_a_name_or_anew(repository: Repository, capsys: pytest.CaptureFixture[str]):
    command(capsys, repository, "--record", "one")
    code, refused = command(capsys, repository, "--record", "one", "--seed", "2")
    assert (code, refused["error"]["kind"]) == (2, "usage")
    assert "another plan" in refused["error"]["message"]
    shares = "--fractions train=0.8,val=0.1,test=0.1"
    for side, seed in (("expected", 0), ("found", 2)):
        assert refused["error"][side] == (
            f"--by links --group vessels {shares} --seed {seed} --negatives spatial --ratio 1"
        )
    blocks = command(capsys, repository, "--record", "one", "--block-size", "40", "--delta", "60")[1]
    assert blocks["error"]["found"].endswith("--ratio 1 --block-size 40.0 --guard 0.0 --delta 60.0")
    named = command(capsys, repository, "--record", "one", "--seed", "2", "--name", "second")[1]
    assert (named["name"], named["version"]) == ("one-second", "1.1.0")
    renewed = command(capsys, repository, "--record", "one", "--seed", "2", "--anew")[1]
    assert (renewed["name"], renewed["version"]) == ("one", "2.0.0")


@pytest.mark.parametrize("options", [("--negatives", "spatial,random"), ("--block-size", "40", "--delta", "60")])
def test_a_stored_task_is_shown_as_when_it_was_made(
    options: tuple[str, ...], repository: Repository, capsys: pytest.CaptureFixture[str]
):
    words = ["split", "brains", "--by", "links", "--record", "one", *options, "--root", str(repository.path)]
    capsys.readouterr()
    shown = []
    for _ in range(2):
        assert main(words) == 0
        shown.append(capsys.readouterr().out)
    assert shown[1] == shown[0]
    lines = shown[0].splitlines()
    parts = [line.split(":")[0].strip() for line in lines if " positive, " in line]
    assert parts == ["train", "val", "test"]
    assert next(line for line in lines if "n_links" in line).strip().startswith("n_nodes")


def test_a_changed_graph_gives_a_new_version_by_the_same_plan(repository: Repository):
    first = make_task_dataset(repository, "brains", PLAN, record="one")
    changed = put_graph(repository, "one", generated_graph(220, seed=0))
    repository.commit("brains", [changed], keep_others=True)
    second = make_task_dataset(repository, "brains", PLAN, record="one")
    assert (first.version, second.version) == ("1.0.0", "2.0.0")
    assert repository.find("brains-links").parents == ("brains@2.0.0",)
    assert any("brains/one changed" in reason for reason in repository.find("brains-links").reasons["one"])
    old = make_task_dataset(repository, "brains@1.0.0", PLAN, record="one", name="old")
    assert repository.find("brains-links").parents == ("brains@1.0.0", "brains@2.0.0")
    assert old.report == first.report


def test_a_version_of_the_parent_that_leaves_the_graph_alone_changes_nothing(repository: Repository):
    first = make_task_dataset(repository, "brains", PLAN, record="one")
    repository.commit("brains", [put_graph(repository, "three", generated_graph(60, seed=5))], keep_others=True)
    again = make_task_dataset(repository, "brains", PLAN, record="one")
    assert again == dataclasses.replace(first, created=False)


def test_a_dry_run_stores_nothing(repository: Repository, capsys: pytest.CaptureFixture[str]):
    code, made = command(capsys, repository, "--record", "one", "--block-size", "40", "--delta", "60", "--dry-run")
    assert code == 0
    assert made["version"] is None
    assert made["plan"]["kind"] == "blocks"
    assert repository.datasets() == ["brains"]


def test_what_cannot_be_made_leaves_nothing_behind(repository: Repository, capsys: pytest.CaptureFixture[str]):
    code, refused = command(capsys, repository, "--record", "one", "--negatives", "random", "--ratio", "1000")
    assert (code, refused["error"]["kind"]) == (2, "usage")
    assert "too few pairs" in refused["error"]["message"]
    assert repository.datasets() == ["brains"]


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ((), "usage", "which record"),
        (("--record", "three"), "not-found", "no such record"),
        (("--record", "one", "--group", "nerves"), "not-found", "no such graph"),
        (("--record", "one", "--guard", "3"), "usage", "blocks have a size"),
        (("--record", "one", "--block-size", "-4"), "usage", "not a distance"),
        (("--record", "one", "--negatives", "hard"), "usage", "no such choice"),
        (("--record", "one", "--stratify", "subject"), "usage", "another kind of split"),
        (("--record", "one", "--folds", "3"), "usage", "another kind of split"),
        (("--record", "one", "--edge-types", "nerve"), "not-found", "no such edge type"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    prepared: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], kind: str, said: str
):
    code, refused = command(capsys, Repository(prepared), *arguments)
    assert code == (2 if kind == "usage" else 1)
    assert refused["error"]["kind"] == kind
    assert said in refused["error"]["message"]
    if said in {"blocks have a size", "not a distance"}:
        assert refused["error"]["subject"] == "--block-size"


def test_options_of_links_are_refused_elsewhere(prepared: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["split", "brains", "--by", "record", "--negatives", "random", "--root", str(prepared)]) == 2
    assert "--negatives" in capsys.readouterr().err


def test_a_record_with_several_graphs_needs_the_name_of_one(repository: Repository):
    receipt = put_graph(repository, "both", generated_graph(60), veins=generated_graph(80, seed=3))
    repository.commit("brains", [receipt])
    with pytest.raises(UsageError, match="which graph is meant"):
        make_task_dataset(repository, "brains", PLAN)
    made = make_task_dataset(repository, "brains", LinkPlan(negatives=("random",)), group="veins")
    assert made.report.facts["n_nodes"] == 80
    with pytest.raises(NotFoundError):
        make_task_dataset(repository, "nothing", PLAN)


def test_classes_of_vessels_are_a_task_too(repository: Repository, capsys: pytest.CaptureFixture[str]):
    graph = generated_graph(300)
    radius = np.random.default_rng(0).lognormal(2.3, 0.8, graph.sizes["edge"])
    radius[:3] = np.nan
    graph = graph.assign(radius_min=schema.column("edge", radius, "Smallest radius", "um"))
    repository.commit("brains", [put_graph(repository, "wide", graph)], keep_others=True)
    arguments = [
        "split",
        "brains",
        "--by",
        "vessel-classes",
        "--record",
        "wide",
        "--root",
        str(repository.path),
        "--json",
    ]
    capsys.readouterr()
    assert main(arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["dataset"], made["version"], made["created"]) == ("brains-classes", "1.0.0", True)
    assert made["facts"]["boundaries"] == [15.0, 40.0]
    assert made["facts"]["n_without_class"] == int(
        (np.isnan(radius) & (graph["source"] != graph["target"]).values).sum()
    )
    version = open_version("brains-classes", root=repository.path)
    task, report = classes_from_record(version.open("wide"))
    again = make_classes(graph, ClassPlan())
    assert all(np.array_equal(task.edges[part], again.edges[part]) for part in again.parts)
    assert all(np.array_equal(task.labels[part], again.labels[part]) for part in again.parts)
    assert report == report_classes(again, graph)
    assert str(report) == str(report_classes(again, graph))
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {**made, "created": False}
    assert main(["verify", "brains-classes", "--root", str(repository.path)]) == 0
    capsys.readouterr()
    for wrong in (["--negatives", "random"], ["--boundaries", "a"], ["--boundaries", "3,2"], ["--radius", "width"]):
        assert main([*arguments, *wrong]) in {1, 2}
        assert json.loads(capsys.readouterr().out)["error"]["kind"] in {"usage", "not-found"}


def test_nodes_named_by_text_are_split_like_others(repository: Repository):
    numbered = generated_graph(120)
    named = numbered.assign_coords(node=schema.column("node", [f"ü{at}" for at in numbered["node"].values], "Node id"))
    repository.commit("brains", [put_graph(repository, "named", named)], keep_others=True)
    make_task_dataset(repository, "brains", LinkPlan(delta=60.0), record="named")
    stored = repository.open("brains", repository.find("brains").records["named"])
    graph = stored["vessels"].to_dataset(inherit=False)
    tree = open_version("brains-links", root=repository.path).open("named")
    task, _ = task_from_record(tree, graph["node"].values)
    prove_links(task, graph)
    again = make_links(named, LinkPlan(delta=60.0))
    assert all(np.array_equal(task.positives[part], again.positives[part]) for part in task.parts)
    assert str(tree["test/positive"]["source_id"].values[0]).startswith("ü")
