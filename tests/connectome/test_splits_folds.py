"""Folds of groups, one held out at a time, and parts that a source has published."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import GroupedFolds, HeldOutFold, PublishedSplit, extend, prove
from support.split_indexes import index_of, seeds, sizes, unhurried


@unhurried
@given(st.integers(2, 9), st.integers(0, 12), seeds)
def test_folds_differ_by_one_group_at_most_and_each_is_held_out_once(n_folds, n_more, seed):
    groups = [f"g{i}" for i in range(n_folds + n_more)]
    index = index_of(dict.fromkeys(groups, 2))
    plan = GroupedFolds(by="subject", n_folds=n_folds, seed=seed)
    split = plan.assign(index)
    assert split.parts == plan.folds
    assert max(sizes(split).values()) - min(sizes(split).values()) <= 1
    tested: list[str] = []
    for fold in plan.held_out(split):
        assert prove(fold, index).sizes.keys() == {"train", "test"}
        assert sorted(fold.records("train") + fold.records("test")) == sorted(index["record"])
        tested += fold.records("test")
    assert sorted(tested) == sorted(index["record"])


def test_stratified_folds_hold_each_stratum_alike():
    strata = {f"{i:02d}": "a" if i < 10 else "b" for i in range(25)}
    index = index_of(dict.fromkeys(strata, 1), strain=strata)
    split = GroupedFolds(by="subject", n_folds=5, stratify="strain").assign(index)
    held = Counter((strata[group], part) for group, part in split.groups.items())
    assert set(held.values()) == {2, 3}
    assert {n for (stratum, _), n in held.items() if stratum == "a"} == {2}


def test_one_fold_can_be_held_out_for_choosing_too():
    index = index_of(dict.fromkeys("abcdef", 1))
    folds = GroupedFolds(by="subject", n_folds=3)
    split = HeldOutFold(folds=folds, test=0, val=2).assign(index)
    assert split.records("test") == folds.assign(index).records("fold_0")
    assert split.records("val") == folds.assign(index).records("fold_2")
    prove(split, index)


@pytest.mark.parametrize("out", [{"test": 3}, {"test": -1}, {"test": 1, "val": 1}, {"test": 0, "val": 7}])
def test_folds_that_are_not_there_cannot_be_held_out(out):
    with pytest.raises(UsageError, match="cannot be held out"):
        HeldOutFold(folds=GroupedFolds(by="subject", n_folds=3), **out)


def test_a_held_out_fold_needs_a_fold_to_train_on():
    with pytest.raises(UsageError, match="cannot be held out"):
        HeldOutFold(folds=GroupedFolds(by="subject", n_folds=2), test=0, val=1)


def test_folds_of_another_plan_cannot_be_held_out():
    index = index_of(dict.fromkeys("abc", 1))
    split = GroupedFolds(by="subject", n_folds=3, seed=1).assign(index)
    with pytest.raises(UsageError, match="not made by the plan"):
        list(GroupedFolds(by="subject", n_folds=3, seed=2).held_out(split))


@pytest.mark.parametrize("n_folds", [1, 0, 2.5, True])
def test_a_number_of_folds_that_is_none_is_refused(n_folds):
    with pytest.raises(UsageError, match="at least 2 folds"):
        GroupedFolds(by="subject", n_folds=n_folds)


# published parts


def test_published_parts_are_taken_over_as_they_are():
    index = index_of({"a": 2, "b": 1}, part={"a": "train", "b": "test"})
    split = PublishedSplit(column="part", by="subject").assign(index)
    assert split.records("train") == ["a-r0", "a-r1"]
    assert split.groups == {"a": "train", "b": "test"}
    prove(split, index)


def test_published_parts_that_tear_an_animal_apart_are_found_by_the_proof():
    index = index_of({"a": 2, "b": 1}, part={"a": "train", "b": "test"})
    index.loc[0, "part"] = "test"
    split = PublishedSplit(column="part", by="subject").assign(index)
    with pytest.raises(LeakError, match="group a in two parts"):
        prove(split, index)


def test_a_record_without_a_published_part_is_named():
    index = index_of({"a": 1, "b": 1}, part={"a": "train", "b": None})
    with pytest.raises(UsageError, match="1 of 2 records are in no part"):
        PublishedSplit(column="part").assign(index)


def test_a_record_that_its_source_has_moved_is_named():
    index = index_of({"a": 1, "b": 1}, part={"a": "train", "b": "test"})
    first = PublishedSplit(column="part").assign(index)
    index["part"] = ["test", "test"]
    with pytest.raises(UsageError, match="moved records") as caught:
        extend(first, index)
    assert caught.value.found == "a-r0 from train to test"
