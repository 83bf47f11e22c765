"""What a group is when records are split: names, links, copies, one patient under several names."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import GroupedSplit, extend, prove
from support.split_indexes import THIRDS, groupings, index_of, seeds, unhurried


def test_records_without_a_group_are_named():
    index = pd.DataFrame({"record": ["a", "b", "c"], "subject": ["s1", None, "  "]})
    with pytest.raises(UsageError, match="2 of 3 records") as caught:
        GroupedSplit(by="subject", fractions={"train": 1}).assign(index)
    assert caught.value.found == "none for b, c"


def test_records_without_a_group_are_their_own_when_that_is_said():
    index = pd.DataFrame({"record": ["a", "b", "c"], "subject": ["s1", None, float("nan")]})
    split = GroupedSplit(by="subject", fractions=THIRDS, missing="own-group").assign(index)
    assert set(split.groups) == {"s1", "record:b", "record:c"}


def test_an_own_group_may_not_be_mistaken_for_another():
    index = pd.DataFrame({"record": ["a", "b"], "subject": ["record:b", None]})
    with pytest.raises(UsageError, match="name of a record"):
        GroupedSplit(by="subject", fractions={"train": 1}, missing="own-group").assign(index)


def test_numbers_name_the_same_group_as_integers_floats_and_text():
    plan = GroupedSplit(by="subject", fractions=THIRDS, missing="own-group")
    records = [f"r{i}" for i in range(6)]
    whole = plan.assign(pd.DataFrame({"record": records, "subject": [1, 1, 2, 2, 3, 3]}))
    text = plan.assign(pd.DataFrame({"record": records, "subject": ["1", "1", "2", "2", "3", "3"]}))
    floats = pd.DataFrame({"record": [*records, "r6"], "subject": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, None]})
    assert whole == text
    assert {g: p for g, p in plan.assign(floats, whole).groups.items() if g != "record:r6"} == whole.groups


def test_several_columns_make_a_group_together():
    index = pd.DataFrame({"record": list("abcd"), "source": ["x", "x", "y", "y"], "subject": ["01", "01", "01", "02"]})
    split = GroupedSplit(by="source,subject", fractions=THIRDS).assign(index)
    assert set(split.groups) == {'["x", "01"]', '["y", "01"]', '["y", "02"]'}
    assert {split.groups['["x", "01"]']} == {row.part for row in split.rows.itertuples() if row.record in "ab"}


@unhurried
@given(groupings, st.data(), seeds)
def test_linked_groups_stay_together_through_chains(groups, data, seed):
    members = sorted(groups)
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(members), st.sampled_from(members)), max_size=4))
    plan = GroupedSplit(by="subject", fractions={"train": 0.7, "test": 0.3}, seed=seed, linked=pairs)
    roots = {member: member for member in members}
    for one, other in pairs:
        kept, gone = roots[one], roots[other]
        roots = {member: kept if root == gone else root for member, root in roots.items()}
    if len(set(roots.values())) < 2:
        with pytest.raises(UsageError, match="too few groups"):
            plan.assign(index_of(groups))
        return
    split = plan.assign(index_of(groups))
    assert all(split.groups[one] == split.groups[other] for one, other in pairs)
    prove(split, index_of(groups))


def test_a_link_to_an_unknown_group_is_refused():
    with pytest.raises(UsageError, match="linked group") as caught:
        GroupedSplit(by="subject", fractions=THIRDS, linked=[("a", "chb_21")]).assign(index_of(dict.fromkeys("abc", 1)))
    assert caught.value.found == "chb_21"


def test_a_link_to_a_withdrawn_group_still_binds():
    index = index_of(dict.fromkeys("abcdefgh", 1))
    first = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    for gone, part in first.groups.items():
        grown = pd.concat([index[index["subject"] != gone], index_of({"new": 1, "other": 1, "third": 1})])
        plan = GroupedSplit(by="subject", fractions=THIRDS, linked=[("new", gone)])
        assert plan.assign(grown, first).groups["new"] == part


def test_records_of_identical_content_stay_together():
    index = index_of(dict.fromkeys("abcdef", 2))
    index["content"] = [f"digest-{i}" for i in range(len(index))]
    index.loc[index["record"] == "b-r1", "content"] = "digest-0"
    for seed in range(20):
        split = GroupedSplit(by="subject", fractions=THIRDS, seed=seed).assign(index)
        assert split.groups["a"] == split.groups["b"]
        prove(split, index)


def overlapping() -> pd.DataFrame:
    index = index_of(dict.fromkeys("abcdefgh", 1))
    index["source"] = ["one"] * 4 + ["two"] * 2 + ["three"] * 2
    index["overlap"] = ["set", "set", "set", None, "set", "set", None, None]
    return index


@unhurried
@given(seeds)
def test_animals_that_two_sources_may_both_hold_stay_together(seed):
    index = overlapping()
    plan = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}, seed=seed)
    split = plan.assign(index)
    assert len({split.groups[name] for name in "abcef"}) == 1
    assert "no animals that two sources hold are in two parts (1 sets of records)" in prove(split, index).proved
    # As long as one source alone is there, its animals are told apart.
    alone = index[index["source"] != "two"]
    assert len({GroupedSplit(by="subject", fractions={"p": 0.5, "q": 0.5}).assign(alone).groups[n] for n in "abc"}) == 2


def test_a_split_that_parts_animals_of_two_sources_is_no_proof():
    index = overlapping()
    split = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}).assign(index.drop(columns="overlap"))
    with pytest.raises(LeakError, match="a, b, c, e, f that belong together in two parts"):
        prove(split, index)


def cohorts() -> pd.DataFrame:
    """Generated: one patient as sub-pt01 in one source and sub-pt1 in another, and another twice within a source."""
    rows = [
        ("ds003029", "sub-pt01", "ds003029:sub-pt01 ds003876:sub-pt1"),
        ("ds003876", "sub-pt1", "ds003029:sub-pt01 ds003876:sub-pt1"),
        ("chb_mit", "chb01", "chb_mit:chb01 chb_mit:chb21"),
        ("chb_mit", "chb21", "chb_mit:chb01 chb_mit:chb21"),
        ("ds003029", "sub-pt6", None),
        ("ds003876", "sub-rns002", None),
        ("chb_mit", "chb02", None),
        ("chb_mit", "chb03", None),
    ]
    index = pd.DataFrame(rows, columns=["source", "subject", "linked_subjects"])
    return index.assign(record=index["source"] + "_" + index["subject"])


@unhurried
@given(seeds)
def test_one_patient_under_several_names_stays_together_within_and_across_sources(seed):
    index = cohorts()
    for by in ("subject", ("source", "subject")):
        split = GroupedSplit(by=by, fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(index)
        part = {record: name for name in split.parts for record in split.records(name)}
        assert part["ds003029_sub-pt01"] == part["ds003876_sub-pt1"]
        assert part["chb_mit_chb01"] == part["chb_mit_chb21"]
        assert set(part.values()) == {"train", "test"}
        assert "nobody of several names is in two parts (2 sets of records)" in prove(split, index).proved


def test_a_split_that_parts_one_patient_under_two_names_is_no_proof():
    index = cohorts()
    unaware = index.drop(columns="linked_subjects")
    torn = next(
        split
        for seed in range(100)
        if (split := GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(unaware))
        and split.groups["chb01"] != split.groups["chb21"]
    )
    with pytest.raises(LeakError, match="chb01, chb21 that belong together in two parts"):
        prove(torn, index)


def test_a_copy_that_joins_two_placed_parts_is_refused():
    index = index_of(dict.fromkeys("abc", 1))
    index["content"] = ["1", "2", "3"]
    first = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    index.loc[1, "content"] = "1"
    with pytest.raises(LeakError, match="must now be together"):
        extend(first, index)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (pd.DataFrame({"subject": ["a"]}), "no column of record ids"),
        (pd.DataFrame({"record": [], "subject": []}), "no records"),
        (pd.DataFrame({"record": ["a", "a"], "subject": ["x", "y"]}), "there twice"),
        (pd.DataFrame({"record": ["a", None], "subject": ["x", "y"]}), "not a text"),
        (pd.DataFrame({"record": ["a"], "animal": ["x"]}), "no such column"),
        (pd.DataFrame({"record": ["a"], "subject": [["x"]]}), "cannot name a group"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(index, message):
    with pytest.raises(UsageError, match=message):
        GroupedSplit(by="subject", fractions={"train": 1}).assign(index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": {"train": 0.8, "test": 0.1}}, "add up to 1"),
        ({"fractions": {"train": 1.5, "test": -0.5}}, "between 0 and 1"),
        ({"fractions": {"train": True}}, "between 0 and 1"),
        ({"fractions": {"": 1.0}}, "malformed"),
        ({"fractions": [("train", 0.5), ("train", 0.5)]}, "named twice"),
        ({"seed": 0.5}, "whole number"),
        ({"by": ()}, "name of a column"),
        ({"by": ("a", "a")}, "named twice"),
        ({"missing": "ignore"}, "no such choice"),
        ({"linked": [("a", "b", "c")]}, "joins two groups"),
        ({"gap_s": -1}, "seconds"),
        ({"gap_s": float("nan")}, "seconds"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        GroupedSplit(**{"by": "subject", "fractions": {"train": 1.0}, **change})


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), None])
def test_a_weight_that_is_none_is_refused(value):
    index = index_of({"a": 1, "b": 1}, duration_s={"a": 1.0, "b": value})
    with pytest.raises(UsageError, match="positive number"):
        GroupedSplit(by="subject", fractions={"train": 1}, weigh="duration_s").assign(index)
