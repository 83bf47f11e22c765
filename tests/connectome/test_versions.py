"""Versions: their numbers are computed, they never change, and each says why it differs from the one before."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.errors import ConflictError, DamagedError, LeakError, NotFoundError, UsageError
from connectome.splits import GroupedSplit, prove
from connectome.store import Census, Commit, Receipt, Recipe, Repository, open_version, write_record
from connectome.store.index import index_of
from support.generated_records import generated_recipe, generated_record, put

NAME = "generated"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "root")


def write(repository: Repository, record: str, tree: Any, recipe: Recipe | None = None) -> Receipt:
    return write_record(
        tree,
        repository.folder(NAME),
        record=record,
        recipe=recipe or generated_recipe(record),
        staging=repository.staging,
    )


def commit(repository: Repository, values: dict[str, float], **options: Any) -> Commit:
    """Commit records that each hold one number."""
    receipts = [put(repository, NAME, record, value) for record, value in values.items()]
    return repository.commit(NAME, receipts, **options)


def versions_of_four(repository: Repository) -> None:
    """Make 1.0.0 (a), 1.1.0 (a b), 2.0.0 (a changed, b) and 2.0.1 (about)."""
    commit(repository, {"a": 1.0})
    commit(repository, {"a": 1.0, "b": 2.0})
    commit(repository, {"a": 1.5, "b": 2.0})
    commit(repository, {"a": 1.5, "b": 2.0}, about={"title": "Generated"})


# Numbers


@pytest.mark.parametrize(
    ("then", "number", "reasons"),
    [
        ({"a": 1.0, "b": 2.5}, "2.0.0", {"b": ("input b.generated changed from 2.0 to 2.5",)}),
        ({"a": 1.0}, "2.0.0", {"b": ("withdrawn",)}),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, "1.1.0", {"c": ("added",)}),
        ({"a": 1.0, "c": 3.0}, "2.0.0", {"b": ("withdrawn",), "c": ("added",)}),
    ],
    ids=["changed", "withdrawn", "added", "withdrawn and added"],
)
def test_what_happened_to_the_records_makes_the_number(
    repository: Repository, then: dict[str, float], number: str, reasons: dict[str, tuple[str, ...]]
) -> None:
    first = commit(repository, {"a": 1.0, "b": 2.0})
    assert (first.manifest.version, first.manifest.previous) == ("1.0.0", None)
    assert first.manifest.reasons == {"*": ("first version",)}
    second = commit(repository, then)
    assert (second.manifest.version, second.manifest.previous) == (number, "1.0.0")
    assert second.manifest.reasons == reasons


def test_a_commit_says_what_it_did(repository: Repository) -> None:
    first = commit(repository, {"a": 1.0, "b": 2.0})
    assert (first.created, first.added, first.changed, first.withdrawn) == (True, ("a", "b"), (), ())
    second = commit(repository, {"b": 2.5, "c": 3.0})
    assert (second.created, second.added, second.changed, second.withdrawn) == (True, ("c",), ("b",), ("a",))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"about": {"title": "Generated"}}, "about"),
        ({"rejected": [{"file": "x.bin", "reason": "no header", "kind": "format"}]}, "rejected"),
        ({"parents": ["other@1.0.0"]}, "parents"),
        ({"splits": {"default": {"made": "by hand"}}}, "splits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_but_records_makes_a_patch(repository: Repository, options: dict[str, Any], part: str) -> None:
    commit(repository, {"a": 1.0})
    second = commit(repository, {"a": 1.0}, **options)
    assert second.manifest.version == "1.0.1"
    assert second.manifest.reasons == {"*": (f"{part} changed",)}
    assert repository.diff(NAME, "1.0.0", "1.0.1").metadata == (part,)


def test_the_same_content_from_another_recipe_makes_a_patch(repository: Repository) -> None:
    first = repository.commit(NAME, [write(repository, "a", generated_record(), generated_recipe("a", 1))])
    second = repository.commit(NAME, [write(repository, "a", generated_record(), generated_recipe("a", 2))])
    assert second.manifest.version == "1.0.1"
    assert second.changed == ()
    assert second.manifest.reasons == {"a": ("input a.generated changed from 1 to 2",)}
    assert first.manifest.digest != second.manifest.digest


def test_nothing_new_makes_no_version(repository: Repository) -> None:
    first = commit(repository, {"a": 1.0, "b": 2.0}, about={"title": "Generated"})
    again = commit(repository, {"b": 2.0, "a": 1.0}, about={"title": "Generated"})
    assert (again.created, again.manifest) == (False, first.manifest)
    assert repository.versions(NAME) == ["1.0.0"]


def test_what_is_not_given_is_kept_where_asked(repository: Repository) -> None:
    commit(repository, {"a": 1.0, "b": 2.0}, rejected=[{"file": "x.bin", "reason": "empty", "kind": "format"}])
    second = commit(repository, {"c": 3.0}, keep_others=True)
    assert second.manifest.version == "1.1.0"
    assert list(second.manifest.records) == ["a", "b", "c"]
    assert [item["file"] for item in second.manifest.rejected] == ["x.bin"]
    nothing = commit(repository, {"a": 1.0}, keep_others=True)
    assert not nothing.created


def test_a_rejected_file_that_is_used_at_last_is_no_longer_rejected(repository: Repository) -> None:
    commit(repository, {"a": 1.0}, rejected=[{"file": "b.generated", "reason": "empty", "kind": "format"}])
    second = commit(repository, {"b": 2.0}, keep_others=True)
    assert second.manifest.rejected == ()
    assert second.manifest.census == Census(2, 2, 0)


def test_the_catalogue_entry_is_kept_until_another_is_given(repository: Repository) -> None:
    commit(repository, {"a": 1.0}, about={"title": "First"})
    assert commit(repository, {"a": 2.0}).manifest.about == {"title": "First"}
    assert commit(repository, {"a": 2.0}, about={"title": "Second"}).manifest.version == "2.0.1"


def test_a_version_without_records_is_refused(repository: Repository) -> None:
    commit(repository, {"a": 1.0})
    with pytest.raises(UsageError, match="at least one record"):
        repository.commit(NAME, [])
    assert repository.versions(NAME) == ["1.0.0"]


def test_two_different_receipts_of_one_record_are_refused(repository: Repository) -> None:
    twice = [put(repository, NAME, "a", 1.0), put(repository, NAME, "a", 2.0)]
    with pytest.raises(UsageError, match="given twice") as caught:
        repository.commit(NAME, twice)
    assert caught.value.subject == "a"
    assert repository.versions(NAME) == []
    assert repository.commit(NAME, twice[:1] * 2).added == ("a",)


def test_the_order_of_receipts_and_the_folder_do_not_change_the_digest(tmp_path: Path) -> None:
    digests, files = set(), set()
    for folder, order in (("one", "abc"), ("two/deeper", "cba")):
        repository = Repository(tmp_path / folder)
        manifest = commit(repository, {name: float(ord(name)) for name in order}).manifest
        digests.add(manifest.digest)
        files.add(tuple(receipt.file for receipt in manifest.records.values()))
    assert len(digests) == len(files) == 1


@pytest.mark.parametrize("name", ["raw", "staging", "Staging", "", "../x", "a/b", ".hidden", "two words"])
def test_a_name_that_the_store_needs_or_no_folder_can_have_is_refused(repository: Repository, name: str) -> None:
    receipt = put(repository, NAME, "a")
    with pytest.raises(UsageError):
        repository.commit(name, [receipt])


# Finding


def test_a_spec_is_resolved_to_the_newest_that_fits(repository: Repository) -> None:
    versions_of_four(repository)
    repository.tag(f"{NAME}@1.0.0", "paper")
    repository.tag(f"{NAME}@1.1", "v1.1.0")
    for spec, version in {
        NAME: "2.0.1",
        f"{NAME}@latest": "2.0.1",
        f"{NAME}@1": "1.1.0",
        f"{NAME}@1.0": "1.0.0",
        f"{NAME}@1.0.0": "1.0.0",
        f"{NAME}@2": "2.0.1",
        f"{NAME}@paper": "1.0.0",
        f"{NAME}@v1.1.0": "1.1.0",
    }.items():
        assert repository.resolve(spec) == (NAME, version)
        assert open_version(spec, root=repository.path).version == version


@pytest.mark.parametrize("wanted", ["3", "1.2", "1.0.1", "paper", "1.", "1..0", "1.0.0.0", "01.0.0", "latestt"])
def test_an_unknown_version_is_refused_with_the_list_of_those_there_are(repository: Repository, wanted: str) -> None:
    versions_of_four(repository)
    with pytest.raises(NotFoundError) as caught:
        repository.find(f"{NAME}@{wanted}")
    assert caught.value.subject == f"{NAME}@{wanted}"
    assert caught.value.expected == "1.0.0, 1.1.0, 2.0.0, 2.0.1"
    assert caught.value.hint == f"connectome log {NAME}"


def test_an_unknown_dataset_is_refused_with_a_hint(repository: Repository) -> None:
    with pytest.raises(NotFoundError, match="no such dataset") as caught:
        repository.find("other")
    assert "connectome ingest other" in (caught.value.hint or "")


@pytest.mark.parametrize("spec", ["", "@1", f"{NAME}@", f"{NAME}@../../x", f"{NAME}@a/b", "a/b", "..", f"{NAME}@\0"])
def test_a_spec_that_could_leave_the_store_is_refused(repository: Repository, spec: str) -> None:
    versions_of_four(repository)
    with pytest.raises(UsageError):
        repository.find(spec)


def test_versions_are_ordered_as_numbers(repository: Repository) -> None:
    for value in range(11):
        commit(repository, {"a": float(value)})
    assert repository.versions(NAME)[-3:] == ["9.0.0", "10.0.0", "11.0.0"]
    assert repository.resolve(NAME) == (NAME, "11.0.0")
    assert repository.resolve(f"{NAME}@1") == (NAME, "1.0.0")


def test_things_that_are_not_data_are_passed_over(repository: Repository) -> None:
    commit(repository, {"a": 1.0})
    root = repository.path
    for folder in ("lost+found", "my notes", ".trash", "empty"):
        (root / folder).mkdir()
    (root / "README.txt").write_text("mine")
    (root / NAME / "versions" / "notes.json").write_text("{}")
    (root / NAME / "versions" / "1.0.0 (copy).json").write_text("{}")
    assert repository.datasets() == [NAME]
    assert repository.versions(NAME) == ["1.0.0"]


def test_the_log_tells_every_version_newest_first(repository: Repository) -> None:
    versions_of_four(repository)
    log = repository.log(NAME)
    assert [item.version for item in log] == ["2.0.1", "2.0.0", "1.1.0", "1.0.0"]
    assert [item.previous for item in log] == ["2.0.0", "1.1.0", "1.0.0", None]
    assert log[1].reasons == {"a": ("input a.generated changed from 1.0 to 1.5",)}
    assert all(pd.Timestamp(item.created).tzinfo is not None for item in log)
    with pytest.raises(NotFoundError):
        repository.log("other")


def test_every_earlier_version_opens_with_its_own_values(repository: Repository) -> None:
    versions_of_four(repository)
    for version, value in {"1.0.0": 1.0, "1.1.0": 1.0, "2.0.0": 1.5, "2.0.1": 1.5}.items():
        tree = open_version(f"{NAME}@{version}", root=repository.path).open("a")
        np.testing.assert_array_equal(tree["activity/signal"], np.full((2, 8), value))


def test_a_record_that_a_version_lacks_is_not_found(repository: Repository) -> None:
    commit(repository, {"a": 1.0, "b": 1.0})
    version = open_version(NAME, root=repository.path)
    for ask in (version.open, version.file):
        with pytest.raises(NotFoundError) as caught:
            ask("c")
        assert (caught.value.subject, caught.value.expected) == ("c", "a, b")
    assert version.file("a").is_file()


# Tags


def test_a_tag_stays_until_it_is_moved(repository: Repository) -> None:
    versions_of_four(repository)
    assert repository.tag(f"{NAME}@1", "paper") == "1.1.0"
    assert repository.tag(f"{NAME}@1.1.0", "paper") == "1.1.0"
    with pytest.raises(ConflictError, match="the tag exists") as caught:
        repository.tag(NAME, "paper")
    assert caught.value.found == "1.1.0"
    assert repository.tags(NAME) == {"latest": "2.0.1", "paper": "1.1.0"}
    assert repository.tag(NAME, "paper", move=True) == "2.0.1"
    assert repository.tags(NAME) == {"latest": "2.0.1", "paper": "2.0.1"}


@pytest.mark.parametrize("name", ["latest", "1", "1.0.0", "2nd", "", "a/b", "../x", ".hidden", "two words"])
def test_a_tag_that_could_be_mistaken_is_refused(repository: Repository, name: str) -> None:
    commit(repository, {"a": 1.0})
    with pytest.raises(UsageError):
        repository.tag(NAME, name)
    assert repository.tags(NAME) == {"latest": "1.0.0"}


def test_a_version_that_does_not_exist_cannot_be_tagged(repository: Repository) -> None:
    commit(repository, {"a": 1.0})
    with pytest.raises(NotFoundError):
        repository.tag(f"{NAME}@3", "paper")
    assert repository.tags(NAME) == {"latest": "1.0.0"}


def test_a_commit_repairs_a_latest_that_a_killed_one_left_behind(repository: Repository) -> None:
    commit(repository, {"a": 1.0})
    commit(repository, {"a": 2.0})
    latest = repository.path / NAME / "refs" / "latest"
    latest.write_text("1.0.0\n")
    assert not commit(repository, {"a": 2.0}).created
    assert latest.read_text() == "2.0.0\n"


# Differences


def table(**columns: Any) -> Any:
    return schema.table({name: schema.column("row", values, name, "1") for name, values in columns.items()})


def test_diff_names_arrays_attributes_facts_and_why(repository: Repository) -> None:
    before = schema.record({"t": table(kept=[1, 2], gone=[1, 2], other=[1, 2])}, title="Old", strain="N2")
    after = schema.record({"t": table(kept=[1, 2], new=[1, 2], other=[1, 3])}, title="New", strain="N2", sex="male")
    after["t"].dataset = after["t"].to_dataset().assign(kept=after["t/kept"].assign_attrs(units="s"))
    repository.commit(NAME, [write(repository, "a", before)])
    old, new = generated_recipe("a"), generated_recipe("a", version="2")
    repository.commit(NAME, [write(repository, "a", after, new)])
    diff = repository.diff(NAME, "1.0.0", "2.0.0")
    (change,) = diff.changed
    assert change.reasons == (f"reader generated {old.source_version} became 2",)
    assert change.arrays_added == ("/t/new",)
    assert change.arrays_removed == ("/t/gone",)
    assert change.arrays_changed == ("/t/kept", "/t/other")
    assert set(change.attributes_changed) >= {"/.title", "/.sex", "/t/kept.units"}
    assert "/.strain" not in change.attributes_changed
    assert change.content_changed
    assert change.as_dict()["arrays"]["changed"] == ["/t/kept", "/t/other"]
    assert "~ a: reader generated 1 became 2" in str(diff)


def test_diff_names_facts_that_changed(repository: Repository) -> None:
    repository.commit(NAME, [write(repository, "a", schema.record({"t": table(x=[1, 2])}))])
    repository.commit(NAME, [write(repository, "a", schema.record({"t": table(x=[1, 2, 3])}))])
    (change,) = repository.diff(NAME, "1", "2").changed
    assert change.facts_changed == {"/t.n_rows": (2, 3)}
    # The recipe is the same, so the reader has changed without saying so.
    assert change.reasons == ("the reader's output changed although its version did not",)


def test_an_attribute_that_became_none_is_a_difference(repository: Repository) -> None:
    repository.commit(NAME, [write(repository, "a", schema.record({"t": table(x=[1])}))])
    repository.commit(NAME, [write(repository, "a", schema.record({"t": table(x=[1])}, sex=None))])
    assert repository.diff(NAME, "1", "2").changed[0].attributes_changed == ("/.sex",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "other"}, "source generated became other"),
        ({"source_version": "2"}, "reader generated 1 became 2"),
        ({"params": {"threshold": 2}}, "parameter threshold changed from None to 2"),
        ({"schemas": {**generated_recipe().schemas, "series": "9"}}, "schema series 1 became 9"),
        ({"inputs": ()}, "input a.generated is no longer used"),
        (
            {"inputs": (*generated_recipe("a").inputs, {"path": "b", "sha256": "0", "bytes": 1, "verified": True})},
            "input b is new",
        ),
    ],
    ids=["source", "reader", "parameter", "schema", "input gone", "input new"],
)
def test_every_part_of_a_recipe_can_be_the_reason(repository: Repository, change: dict[str, Any], reason: str) -> None:
    recipe = generated_recipe("a")
    repository.commit(NAME, [write(repository, "a", generated_record(1.0), recipe)])
    repository.commit(NAME, [write(repository, "a", generated_record(2.0), dataclasses.replace(recipe, **change))])
    assert repository.find(NAME).reasons == {"a": (reason,)}
    assert repository.diff(NAME, "1", "2").changed[0].reasons == (reason,)


def test_diff_tells_added_and_removed_records_both_ways(repository: Repository) -> None:
    commit(repository, {"a": 1.0, "b": 2.0})
    commit(repository, {"b": 2.0, "c": 3.0})
    diff = repository.diff(NAME, "1.0.0", "2.0.0")
    assert (diff.added, diff.removed, diff.changed, diff.unchanged) == (("c",), ("a",), (), 1)
    back = repository.diff(NAME, "2.0.0", "1.0.0")
    assert (back.added, back.removed, back.unchanged) == (("a",), ("c",), 1)
    assert json.loads(json.dumps(diff.as_dict()))["added"] == ["c"]
    assert not repository.diff(NAME, "1", "1.0.0")


# Census


def test_the_census_adds_up(repository: Repository) -> None:
    rejected = [
        {"file": "broken.bin", "reason": "no header", "kind": "format"},
        {"file": "a.generated#sheet 2", "reason": "empty", "kind": "format"},
        {"file": "other.bin#part 1", "reason": "empty", "kind": "format"},
        {"file": "other.bin#part 2", "reason": "empty", "kind": "format"},
    ]
    manifest = commit(repository, {"a": 1.0, "b": 2.0}, rejected=rejected).manifest
    assert manifest.census == Census(seen=4, used=2, rejected=2)
    version = open_version(NAME, root=repository.path)
    assert len(version.rejected) == 4
    assert "4 files seen, 2 rejected" in repr(version)
    stored = json.loads((repository.path / NAME / "versions" / "1.0.0.json").read_bytes())
    assert stored["census"] == {"seen": 4, "used": 2, "rejected": 2}


def test_one_file_used_by_two_records_is_seen_once(repository: Repository) -> None:
    shared = generated_recipe("shared")
    receipts = [write(repository, name, generated_record(ord(name)), shared) for name in "ab"]
    assert repository.commit(NAME, receipts).manifest.census == Census(1, 1, 0)


# Splits


PLAN = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}, seed=3)


def animals(repository: Repository, count: int) -> list[Receipt]:
    return [put(repository, NAME, f"worm-{at}", float(at), subject=f"animal-{at // 2}") for at in range(count)]


def with_split(repository: Repository, count: int) -> Commit:
    first = repository.commit(NAME, animals(repository, count))
    split = PLAN.assign(index_of(first.manifest), name="default")
    return repository.commit(NAME, animals(repository, count), splits={"default": split.as_dict()})


def test_a_stored_split_is_carried_to_new_records_and_moves_none(repository: Repository) -> None:
    before = with_split(repository, 8).manifest
    assert before.version == "1.0.1"
    after = repository.commit(NAME, animals(repository, 14)).manifest
    assert after.version == "1.1.0"
    old, new = (open_version(f"{NAME}@{version}", root=repository.path) for version in ("1.0.1", "1.1.0"))
    placed = {part: set(old.splits["default"].records(part)) for part in ("train", "test")}
    grown = {part: set(new.splits["default"].records(part)) for part in ("train", "test")}
    assert all(placed[part] <= grown[part] for part in placed)
    assert grown["train"] | grown["test"] == set(after.records)
    assert not grown["train"] & grown["test"]
    assert prove(new.splits["default"], new.records).unproved == ()
    assert "splits changed" in after.reasons["*"]


def test_a_stored_split_loses_withdrawn_records(repository: Repository) -> None:
    with_split(repository, 8)
    after = repository.commit(NAME, animals(repository, 7)).manifest
    split = open_version(NAME, root=repository.path).splits["default"]
    assert {record for part in split.parts for record in split.records(part)} == set(after.records)


def test_records_that_turn_out_to_be_one_animal_in_two_parts_are_refused(repository: Repository) -> None:
    with_split(repository, 8)
    split = open_version(NAME, root=repository.path).splits["default"]
    one, other = split.records("train")[0], split.records("test")[0]
    receipts = {receipt.record: receipt for receipt in animals(repository, 8)}
    animal = receipts[one].attributes["subject"]
    moved = put(repository, NAME, other, float(other[-1]), subject=str(animal))
    with pytest.raises(LeakError):
        repository.commit(NAME, [*(receipts[name] for name in receipts if name != other), moved])
    assert repository.versions(NAME) == ["1.0.0", "1.0.1"]


def test_metadata_alone_leaves_a_split_as_it_was(repository: Repository) -> None:
    before = with_split(repository, 8).manifest
    after = repository.commit(NAME, animals(repository, 8), about={"title": "Generated"}).manifest
    assert after.version == "1.0.2"
    assert after.splits == before.splits


# Files that a version needs


@pytest.mark.parametrize("cut", [None, 0, -1], ids=["missing", "empty", "one byte short"])
def test_a_commit_of_a_record_whose_file_is_not_whole_is_refused(repository: Repository, cut: int | None) -> None:
    commit(repository, {"a": 1.0})
    receipt = put(repository, NAME, "b", 2.0)
    file = repository.folder(NAME) / receipt.file
    data = file.read_bytes()
    file.unlink()
    if cut is not None:
        file.write_bytes(data[:cut])
    with pytest.raises(DamagedError, match="no version was made") as caught:
        repository.commit(NAME, [receipt], keep_others=True)
    assert caught.value.subject == "b"
    assert str(file) in str(caught.value)
    assert repository.versions(NAME) == ["1.0.0"]


def test_a_commit_notices_that_a_record_it_keeps_has_gone(repository: Repository) -> None:
    first = commit(repository, {"a": 1.0})
    (repository.folder(NAME) / first.manifest.records["a"].file).unlink()
    with pytest.raises(DamagedError) as caught:
        commit(repository, {"b": 1.0}, keep_others=True)
    assert caught.value.subject == "a"


def test_an_identical_commit_keeps_the_file_that_is_referred_to(repository: Repository) -> None:
    first = commit(repository, {"a": 1.0})
    file = repository.folder(NAME) / first.manifest.records["a"].file
    assert file.stat().st_mode & 0o222 == 0, "a record is read-only"
    commit(repository, {"a": 1.0})
    assert [path.name for path in file.parent.iterdir()] == [file.name]
