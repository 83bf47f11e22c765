"""The proof holds for what the plans make, and finds every leak that is planted."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import Entry, GroupedSplit, PublishedSplit, Split, TimeBlockSplit, prove

THIRDS = {"train": 0.8, "val": 0.1, "test": 0.1}
patient = settings(deadline=None)
PARTS = ("train", "val", "test")


@pytest.fixture(name="animals")
def animals_() -> pd.DataFrame:
    """Return a generated index: six animals with two records each, 100 s long, all different."""
    rows = [
        {"record": f"{animal}{i}", "subject": animal, "duration_s": 100.0, "content": f"{animal}-{i}"}
        for animal in "abcdef"
        for i in (1, 2)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(name="split")
def split_(animals: pd.DataFrame) -> Split:
    return GroupedSplit(by="subject", fractions=THIRDS).assign(animals)


@pytest.fixture(name="blocks")
def blocks_(animals: pd.DataFrame) -> Split:
    return TimeBlockSplit(fractions=THIRDS, gap_s=5.0).assign(animals)


def with_entries(split: Split, entries: list[Entry]) -> Split:
    return dataclasses.replace(split, entries=tuple(entries))


def another(part: str) -> str:
    return PARTS[(PARTS.index(part) + 1) % len(PARTS)]


def leaks(split: Split, index: pd.DataFrame, **options: object) -> str:
    with pytest.raises(LeakError) as caught:
        prove(split, index, **options)
    return str(caught.value.found)


# what is proved


def test_a_proof_says_what_holds_and_how_much_each_part_has(animals, split):
    proof = prove(split, animals)
    assert {part: size.as_dict() for part, size in proof.sizes.items()} == {
        "train": {"n_records": 8, "n_groups": 4, "duration_s": 800.0},
        "val": {"n_records": 2, "n_groups": 1, "duration_s": 200.0},
        "test": {"n_records": 2, "n_groups": 1, "duration_s": 200.0},
    }
    assert proof.proved == (
        "all 12 records are in one part each",
        "no group by subject is in two parts (6 groups)",
        "no content is in two parts (0 sets of identical records)",
    )
    assert proof.unproved == ()
    assert proof.guarded_s == 0
    assert proof.min_gap_s is None
    assert proof.digest == split.digest
    assert json.loads(json.dumps(proof.as_dict()))["sizes"]["val"]["n_groups"] == 1


def test_a_proof_in_time_says_what_it_cannot_promise(animals, blocks):
    proof = prove(blocks, animals.drop(columns="content"))
    assert proof.min_gap_s == pytest.approx(5.0)
    assert proof.min_gap_s >= 5.0
    assert proof.guarded_s == pytest.approx(12 * 10.0)
    assert proof.shared == {"subject": tuple("abcdef")}
    assert len(proof.unproved) == 2
    assert "no animal or patient" in proof.unproved[0]
    assert "no column 'content'" in proof.unproved[1]


def test_a_split_by_session_reports_the_animals_that_parts_share(animals):
    animals["session"] = animals["record"]
    proof = prove(GroupedSplit(by="session", fractions=THIRDS, seed=3).assign(animals), animals)
    assert proof.shared["subject"]


def test_groups_whose_names_are_alike_are_pointed_out():
    index = pd.DataFrame({"record": ["1", "2", "3"], "subject": ["sub-01", "SUB 01", "sub-02"]})
    proof = prove(GroupedSplit(by="subject", fractions=THIRDS).assign(index), index)
    assert len(proof.warnings) == 1
    assert "'sub-01'" in proof.warnings[0]
    assert "'SUB 01'" in proof.warnings[0]


def test_records_without_extents_leave_durations_open(animals, split):
    animals.loc[0, "duration_s"] = None
    proof = prove(split, animals)
    assert proof.guarded_s is None
    assert proof.sizes[split.groups["a"]].duration_s is None
    assert proof.sizes[next(part for part in PARTS if part != split.groups["a"])].duration_s is not None


def test_records_without_a_content_digest_are_counted_as_unproved(animals, split):
    animals.loc[[0, 1, 2], "content"] = None
    assert prove(split, animals).unproved == ("that 3 records are not copies: they have no content digest",)


def test_proofs_are_shown_as_text_and_html(animals, split):
    animals["record"] = animals["record"].str.replace("a1", "<a1>")
    split = GroupedSplit(by="subject", fractions=THIRDS).assign(animals)
    assert "proved: no group by subject is in two parts" in str(prove(split, animals))
    assert "<pre>split default" in prove(split, animals)._repr_html_()
    assert "<td>train</td>" in split._repr_html_()
    assert "by grouped" in repr(split)


# leaks that are planted


@patient
@given(st.data())
def test_a_record_that_is_moved_to_another_part_is_found(data):
    index = pd.DataFrame({"record": [f"r{i:02d}" for i in range(20)], "subject": [f"s{i // 2}" for i in range(20)]})
    split = GroupedSplit(by="subject", fractions=THIRDS, seed=data.draw(st.integers(0, 50))).assign(index)
    i = data.draw(st.integers(0, 19))
    entries = list(split.entries)
    entries[i] = entries[i]._replace(part=another(entries[i].part))
    assert f"group s{i // 2} in two parts" in leaks(with_entries(split, entries), index)


def test_a_group_that_is_moved_whole_against_the_splits_own_list_is_found(animals, split):
    entries = [e._replace(part=another(e.part)) if e.record in ("a1", "a2") else e for e in split.entries]
    assert "group a is in" in leaks(with_entries(split, entries), animals)


def test_a_subject_that_is_corrected_after_the_split_is_found(animals, split):
    other = next(animal for animal in "bcdef" if split.groups[animal] != split.groups["a"])
    animals.loc[animals["record"] == "a1", "subject"] = other
    assert f"group {other} in two parts" in leaks(split, animals)


@patient
@given(st.data())
def test_a_record_that_is_missing_is_found(data):
    index = pd.DataFrame({"record": [f"r{i}" for i in range(9)], "subject": [f"s{i}" for i in range(9)]})
    split = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    gone = data.draw(st.sampled_from(split.entries))
    found = leaks(with_entries(split, [entry for entry in split.entries if entry != gone]), index)
    assert f"in no part: {gone.record}" in found


def test_a_record_that_the_index_does_not_have_is_found(animals, split):
    assert "not in the index: a1" in leaks(split, animals[animals["record"] != "a1"])


def test_a_record_in_two_parts_is_found(animals, split):
    first = split.entries[0]
    for extra in (first._replace(part=another(first.part)), first):
        assert "more than once: a1" in leaks(with_entries(split, [*split.entries, extra]), animals)


def test_a_whole_record_that_is_also_cut_is_found(animals, blocks):
    assert "more than once: a1" in leaks(with_entries(blocks, [*blocks.entries, Entry("a1", "train")]), animals)


def test_an_empty_part_is_found(animals, split):
    plan = {**split.plan, "fractions": [["train", 0.5], ["val", 0.1], ["test", 0.1], ["dev", 0.3]]}
    assert "empty part: dev" in leaks(dataclasses.replace(split, plan=plan), animals)


def change(split: Split, record: str, part: str, **times: float) -> Split:
    entries = [
        entry._replace(**times) if (entry.record, entry.part) == (record, part) else entry for entry in split.entries
    ]
    assert tuple(entries) != split.entries
    return with_entries(split, entries)


@patient
@given(st.floats(0.001, 50.0), st.sampled_from([("train", "stop_s", 1), ("test", "start_s", -1)]))
def test_parts_that_come_nearer_than_the_gap_are_found(by_s, end):
    part, column, sign = end
    index = pd.DataFrame({"record": ["a", "b"], "duration_s": [1000.0, 1000.0]})
    split = TimeBlockSplit(fractions=THIRDS, gap_s=5.0).assign(index)
    entry = next(e for e in split.entries if (e.record, e.part) == ("b", part))
    moved = change(split, "b", part, **{column: getattr(entry, column) + sign * by_s})
    found = leaks(moved, index)
    assert "nearer than the gap of 5.0 s: b [" in found
    assert ("overlap: b" in found) == (by_s > 5.0 + 1e-9)


def test_a_gap_that_is_short_by_one_bit_is_found():
    plan = TimeBlockSplit(fractions={"train": 0.5, "test": 0.5}, gap_s=1.0)
    index = pd.DataFrame({"record": ["a"], "duration_s": [10.0]})
    cut = (Entry("a", "train", 0.0, 4.5), Entry("a", "test", 5.5, 10.0))
    exact = Split(name="x", plan=plan.as_dict(), entries=cut, groups={})
    assert prove(exact, index).min_gap_s == 1.0
    near = dataclasses.replace(exact, entries=(cut[0], cut[1]._replace(start_s=5.499999999999999)))
    assert "nearer than the gap" in leaks(near, index)


def test_a_demand_for_a_wider_gap_is_not_met_by_a_narrow_one(animals, blocks):
    assert "nearer than the gap of 6.0 s" in leaks(
        dataclasses.replace(blocks, plan={**blocks.plan, "gap_s": 6.0}), animals
    )


def test_stretches_of_one_part_that_overlap_are_found(animals, blocks):
    entry = blocks.entries[0]
    extra = entry._replace(start_s=entry.start_s + 1.0, stop_s=entry.stop_s - 1.0)
    assert "overlap: a1" in leaks(with_entries(blocks, [*blocks.entries, extra]), animals)


def test_a_stretch_outside_of_its_record_is_found(animals, blocks):
    assert "outside of a1" in leaks(change(blocks, "a1", "test", stop_s=100.5), animals)
    assert "outside of a1" in leaks(change(blocks, "a1", "train", start_s=-0.5), animals)


@pytest.mark.parametrize(
    ("part", "times"), [("train", {"start_s": 7.0}), ("test", {"stop_s": 93.0}), ("val", {"start_s": 79.0})]
)
def test_time_that_is_left_out_is_found(animals, blocks, part, times):
    assert "in no part: a1 [" in leaks(change(blocks, "a1", part, **times), animals)


def test_a_stretch_that_is_left_out_is_found(animals, blocks):
    entries = [entry for entry in blocks.entries if (entry.record, entry.part) != ("c2", "val")]
    assert "in no part: c2 [" in leaks(with_entries(blocks, entries), animals)


@patient
@given(st.data())
def test_identical_records_in_two_parts_are_found(data):
    index = pd.DataFrame({"record": [f"r{i}" for i in range(9)], "subject": [f"s{i}" for i in range(9)]})
    split = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    one, other = data.draw(st.lists(st.sampled_from(split.entries), min_size=2, max_size=2, unique=True))
    assume(one.part != other.part)
    twins = (one.record, other.record)
    index["content"] = [("same" if record in twins else record) for record in index["record"]]
    assert "one content or clock in two parts" in leaks(split, index)


def test_groups_that_the_plan_links_but_the_split_tears_are_found(animals, split):
    one = next(animal for animal in "abcdef" if split.groups[animal] == "test")
    other = next(animal for animal in "abcdef" if split.groups[animal] == "train")
    plan = {**split.plan, "linked": [[one, other]]}
    assert "that belong together in two parts" in leaks(dataclasses.replace(split, plan=plan), animals)


def test_links_that_only_the_caller_knows_are_checked_by_group_and_by_record(animals, split):
    one = next(animal for animal in "abcdef" if split.groups[animal] == "test")
    other = next(animal for animal in "abcdef" if split.groups[animal] == "train")
    for pair in ((one, other), (f"{one}1", other), (f"{one}1", f"{other}2")):
        assert "not on one side" in leaks(split, animals, linked=[pair])
    assert "all 1 links are on one side" in prove(split, animals, linked=[(f"{one}1", one)]).proved


def test_links_between_records_hold_where_the_plan_knows_no_groups(animals):
    split = PublishedSplit(column="part").assign(animals.assign(part=["train", "test"] * 6))
    assert "linked a1 (train) and a2 (test)" in leaks(split, animals, linked=[("a1", "a2")])


def test_linked_animals_in_a_split_in_time_are_not_on_one_side(animals, blocks):
    assert "not on one side" in leaks(blocks, animals, linked=[("a1", "b1")])


def test_a_link_to_nothing_is_refused(animals, split):
    with pytest.raises(UsageError, match="neither a group nor a record"):
        prove(split, animals, linked=[("a", "nobody")])


def test_all_problems_are_listed_at_once(animals, split):
    entries = [e._replace(part=another(e.part)) if e.record in ("a1", "b1") else e for e in split.entries]
    found = leaks(with_entries(split, [e for e in entries if e.record != "c1"]), animals)
    assert "in no part: c1" in found
    assert "group a in two parts" in found
    assert "group b in two parts" in found


def test_a_plan_that_is_not_known_cannot_be_proved(animals, split):
    with pytest.raises(UsageError, match="no such plan"):
        prove(dataclasses.replace(split, plan={"kind": "by-hand"}), animals)


def test_a_cut_record_without_an_extent_cannot_be_proved(animals, blocks):
    with pytest.raises(UsageError, match="how long"):
        prove(blocks, animals.drop(columns="duration_s"))
