"""Datasets made from other datasets: what is missing is named, what did not change is not made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectome.errors import NotFoundError
from connectome.pipelines.cli import main
from connectome.pipelines.derived.parents import SCHEME, find_parents, parent_versions
from connectome.pipelines.ingest import ingest
from connectome.pipelines.sources import load_source
from connectome.store import Recipe, Repository, write_record
from support.generated_records import generated_record, put

NAME, PARENT = "celegans-consensus", "celegans-connectomes"
PARENTS = "cook2019-hermaphrodite,openworm,randi2023,varshney2011,white1986-*,witvliet2020-7,witvliet2020-8"


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def child(repository: Repository, *parents: tuple[str, str]) -> Any:
    """Write a generated record whose recipe names parent records by their content."""
    inputs = tuple({"path": f"{SCHEME}{name}", "sha256": content, "verified": True} for name, content in parents)
    return write_record(
        generated_record(9.0),
        repository.folder("child"),
        record="made",
        recipe=Recipe("generated", "1", inputs),
        staging=repository.staging,
    )


def test_a_plan_names_every_missing_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, found = command(capsys, "plan", NAME, "--root", str(tmp_path))
    assert code == 0
    assert len(found["parents"]) == 10
    assert {item["record"] for item in found["parents"]} == set(load_source("celegans_consensus").parents())
    assert not any(item["here"] for item in found["parents"])
    assert {item["why"] for item in found["parents"]} == {f"{PARENT} is not in this store"}
    assert [(item["record"], item["why"]) for item in found["records"]] == [
        ("consensus", ["parents are missing"]),
        ("simeon2024", ["parents are missing"]),
    ]


def test_an_ingest_without_parents_says_which_are_missing_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, found = command(capsys, "ingest", NAME, "--root", str(tmp_path))
    assert code == 1
    assert found["error"]["kind"] == "not-found"
    assert f"{PARENT}/varshney2011" in found["error"]["expected"]
    assert found["error"]["hint"] == f"connectome ingest {PARENT}"
    assert Repository(tmp_path).versions(NAME) == []


def test_one_missing_parent_record_is_named_with_the_version_that_lacks_it(tmp_path: Path):
    repository = Repository(tmp_path)
    names = [item.partition("/")[2] for item in load_source("celegans_consensus").parents()]
    repository.commit(PARENT, [put(repository, PARENT, name) for name in names if name != "openworm"])
    found, missing = find_parents(repository, load_source("celegans_consensus"))
    assert len(found) == 9
    assert [(item.file, item.reason) for item in missing] == [
        (f"{SCHEME}{PARENT}/openworm", f"{PARENT}@1.0.0 has no such record")
    ]


def test_the_newest_version_that_holds_the_parents_is_named(tmp_path: Path):
    repository = Repository(tmp_path)
    first, second = put(repository, "parent", "a", 1.0), put(repository, "parent", "b", 2.0)
    repository.commit("parent", [first])
    repository.commit("parent", [first, second])
    repository.commit("parent", [put(repository, "parent", "a", 3.0), second])
    made = child(repository, ("parent/a", first.content))
    assert parent_versions(repository, "child", [made]) == ("parent@1.1.0",)


def test_a_parent_version_is_kept_while_it_holds_what_was_used(tmp_path: Path):
    repository = Repository(tmp_path)
    first = put(repository, "parent", "a", 1.0)
    repository.commit("parent", [first])
    made = child(repository, ("parent/a", first.content))
    repository.commit("child", [made], parents=["parent@1.0.0"])
    repository.commit("parent", [first, put(repository, "parent", "b", 2.0)])
    assert parent_versions(repository, "child", [made]) == ("parent@1.0.0",)


def test_parents_that_no_version_holds_are_an_error(tmp_path: Path):
    repository = Repository(tmp_path)
    repository.commit("parent", [put(repository, "parent", "a", 1.0)])
    with pytest.raises(NotFoundError, match="no version holds"):
        parent_versions(repository, "child", [child(repository, ("parent/a", "0" * 64))])


def test_a_commit_of_other_things_keeps_the_parents(tmp_path: Path):
    repository = Repository(tmp_path)
    receipt = put(repository, "child", "made")
    repository.commit("child", [receipt], parents=["parent@1.0.0"])
    later = repository.commit("child", [], about={"title": "Generated"}, keep_others=True)
    assert later.created
    assert later.manifest.parents == ("parent@1.0.0",)


def test_records_made_from_files_have_no_parents(tmp_path: Path):
    repository = Repository(tmp_path)
    assert parent_versions(repository, "plain", [put(repository, "plain", "a")]) == ()


@pytest.mark.data
def test_a_derived_version_follows_its_parents_and_nothing_else(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    repository, mirror = Repository(tmp_path), data_dir / "worm"
    ingest(repository, PARENT, select=PARENTS, mirror=mirror)
    code, first = command(capsys, "ingest", NAME, "--root", str(tmp_path))
    assert code == 0
    assert (first["version"], first["added"]) == ("1.0.0", ["consensus", "simeon2024"])
    assert first["census"] == {"seen": 10, "used": 10, "rejected": 0}
    manifest = repository.find(NAME)
    assert manifest.parents == (f"{PARENT}@1.0.0",)
    parent = repository.find(PARENT)
    contents = {f"{SCHEME}{PARENT}/{name}": receipt.content for name, receipt in parent.records.items()}
    for receipt in manifest.records.values():
        assert {item["path"]: item["sha256"] for item in receipt.recipe["inputs"]}.items() <= contents.items()
        assert all("bytes" not in item for item in receipt.recipe["inputs"])

    ingest(repository, PARENT, select="cook2019-male", mirror=mirror)
    assert repository.find(PARENT).version == "1.1.0"
    _, planned = command(capsys, "plan", NAME, "--root", str(tmp_path))
    assert [item["action"] for item in planned["records"]] == ["reuse", "reuse"]
    _, second = command(capsys, "ingest", NAME, "--root", str(tmp_path))
    assert (second["created"], second["version"], second["digest"]) == (False, "1.0.0", first["digest"])

    # A parent that changes: the same record from another form of the annotation would do; a copy with a note does.
    tree = repository.open(PARENT, parent.records["openworm"]).load()
    tree.attrs["note"] = "changed by a test"
    recipe = Recipe("openworm", "changed", tuple(parent.records["openworm"].recipe["inputs"]))
    changed = write_record(
        tree, repository.folder(PARENT), record="openworm", recipe=recipe, staging=repository.staging
    )
    repository.commit(PARENT, [changed], keep_others=True)
    _, third = command(capsys, "ingest", NAME, "--root", str(tmp_path))
    assert third["created"]
    assert third["version"] == "1.0.1"
    latest = repository.find(NAME)
    assert latest.parents == (f"{PARENT}@2.0.0",)
    assert any("openworm changed" in reason for reason in latest.reasons["consensus"])
