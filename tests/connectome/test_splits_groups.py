"""Splits by groups: quotas, and that neither order nor what is added later moves anything."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import Fractions, GroupedFolds, GroupedSplit, Split, StratifiedGroupedSplit, extend, prove
from support.split_indexes import THIRDS, fractions, groupings, index_of, names, seeds, sizes, unhurried


@unhurried
@given(groupings, fractions(), seeds)
def test_every_group_is_in_one_part_and_every_record_in_its_groups_part(groups, parts, seed):
    index = index_of(groups)
    split = GroupedSplit(by="subject", fractions=parts, seed=seed).assign(index)
    assert set(split.groups) == set(groups)
    assert split.rows["record"].tolist() == sorted(index["record"])
    assert {row.record: row.part for row in split.rows.itertuples()} == {
        row.record: split.groups[row.subject] for row in index.itertuples()
    }
    prove(split, index)


@unhurried
@given(groupings, fractions(), seeds)
def test_parts_are_within_one_group_of_their_quota_and_never_empty(groups, parts, seed):
    count = sizes(GroupedSplit(by="subject", fractions=parts, seed=seed).assign(index_of(groups)))
    shares = Fractions(parts).shares
    quota = {part: share * len(groups) for part, share in shares.items()}
    n_small = sum(value < 1 for value in quota.values())
    for part, value in quota.items():
        assert 1 <= count[part] < value + 1
        assert count[part] > value - 1 - n_small


@unhurried
@given(st.dictionaries(names, st.floats(0.1, 1e4), min_size=3, max_size=20), seeds)
def test_weighed_parts_are_within_the_heaviest_group_of_their_quota(weights, seed):
    index = index_of(dict.fromkeys(weights, 1), duration_s=weights)
    plan = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}, seed=seed, weigh="duration_s")
    split = plan.assign(index)
    exact = {group: Fraction(value) for group, value in weights.items()}
    for part in split.parts:
        held = sum(exact[group] for group, own in split.groups.items() if own == part)
        assert abs(held - sum(exact.values()) / 2) <= max(exact.values())


def test_four_animals_at_80_10_10_fill_all_three_parts():
    for seed in range(20):
        split = GroupedSplit(by="subject", fractions=THIRDS, seed=seed).assign(index_of(dict.fromkeys("abcd", 2)))
        assert sizes(split) == {"train": 2, "val": 1, "test": 1}


def test_too_few_groups_are_refused_with_the_number_that_is_needed():
    with pytest.raises(UsageError) as caught:
        GroupedSplit(by="subject", fractions=THIRDS).assign(index_of({"a": 9, "b": 9}))
    assert caught.value.expected == "at least 3: a group by subject for each of test, train, val"
    assert caught.value.found == "2: a, b"


def test_a_part_of_fraction_zero_gets_nothing():
    split = GroupedSplit(by="subject", fractions={"train": 1, "test": 0}).assign(index_of({"a": 1, "b": 1}))
    assert split.parts == ("train",)


def test_seeds_make_different_splits():
    index = index_of(dict.fromkeys(map(str, range(30)), 1))
    digests = {
        tuple(GroupedSplit(by="subject", fractions=THIRDS, seed=seed).assign(index).records("test"))
        for seed in range(10)
    }
    assert len(digests) > 5


def test_each_group_reaches_the_test_part_about_as_often_as_its_fraction_says():
    index = index_of(dict.fromkeys("abcdefghij", 1))
    plans = (GroupedSplit(by="subject", fractions={"train": 0.8, "test": 0.2}, seed=seed) for seed in range(400))
    count = Counter(record for plan in plans for record in plan.assign(index).records("test"))
    # 400 draws at 0.2: 80 expected, standard deviation 8; five of them on either side.
    assert len(count) == 10
    assert all(40 <= n <= 120 for n in count.values())


# order, stability


@unhurried
@given(groupings, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_matter(groups, seed, random):
    index = index_of(groups, strain={group: group[0] for group in groups})
    rows, columns = list(range(len(index))), list(index.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    other = index.iloc[rows][columns].sample(frac=1, random_state=0)
    for plan in (
        GroupedSplit(by="subject", fractions=THIRDS, seed=seed),
        StratifiedGroupedSplit(by="subject", stratify="strain", fractions=THIRDS, seed=seed),
        GroupedFolds(by="subject", n_folds=3, seed=seed),
    ):
        assert plan.assign(index) == plan.assign(other)
        assert plan.assign(index).digest == plan.assign(other).digest


@unhurried
@given(groupings, st.dictionaries(names, st.integers(1, 3), max_size=8), seeds, st.sampled_from([0, 1, 2]))
def test_nothing_moves_when_records_and_groups_are_added(groups, more, seed, which):
    strata = {group: str(len(group)) for group in {**groups, **more}}
    before = index_of(groups, strain=strata)
    after = index_of({group: groups.get(group, 0) + more.get(group, 0) for group in {**groups, **more}}, strain=strata)
    plan = (
        GroupedSplit(by="subject", fractions=THIRDS, seed=seed),
        StratifiedGroupedSplit(by="subject", stratify="strain", fractions=THIRDS, seed=seed),
        GroupedFolds(by="subject", n_folds=3, seed=seed),
    )[which]
    first = plan.assign(before)
    second = extend(Split.from_dict(first.as_dict()), after)
    old = dict(first.rows[["record", "part"]].itertuples(index=False))
    assert {record: part for record, part in second.rows[["record", "part"]].values if record in old} == old
    assert second.groups.items() >= first.groups.items()
    prove(second, after)


@unhurried
@given(st.integers(1, 40), seeds)
def test_fractions_are_approached_as_groups_are_added_one_by_one(n_more, seed):
    plan = GroupedSplit(by="subject", fractions=THIRDS, seed=seed)
    split = plan.assign(index_of(dict.fromkeys(map(str, range(10)), 1)))
    for n in range(11, 11 + n_more):
        split = plan.assign(index_of(dict.fromkeys(map(str, range(n)), 1)), split)
        for part, share in Fractions(THIRDS).shares.items():
            assert abs(sizes(split)[part] - share * n) < 1


def test_a_withdrawn_group_comes_back_to_its_part():
    plan = GroupedSplit(by="subject", fractions=THIRDS)
    everyone = index_of(dict.fromkeys("abcdefgh", 1))
    first = plan.assign(everyone)
    test_animal = next(group for group, part in first.groups.items() if part == "test")
    without = everyone[everyone["subject"] != test_animal]
    with pytest.raises(UsageError, match="too few groups"):
        extend(first, without)
    second = extend(first, pd.concat([without, index_of({"new": 1})]))
    assert second.groups["new"] == "test"
    third = extend(second, pd.concat([everyone, index_of({"new": 1})]))
    assert third.groups[test_animal] == "test"
    assert third.groups == second.groups


def test_a_record_whose_subject_is_corrected_may_not_cross_over():
    index = index_of({"a": 2, "b": 2})
    first = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}).assign(index)
    index.loc[0, "subject"] = "b"
    with pytest.raises(LeakError, match="a-r0 in") as caught:
        extend(first, index)
    assert "b in" in str(caught.value)


def test_a_previous_split_by_something_else_is_refused():
    index = index_of(dict.fromkeys("abc", 1), site={"a": "x", "b": "y", "c": "z"})
    by_site = GroupedSplit(by="site", fractions=THIRDS).assign(index)
    with pytest.raises(UsageError, match="another plan"):
        GroupedSplit(by="subject", fractions=THIRDS).assign(index, by_site)


def test_a_previous_part_that_is_gone_is_refused():
    index = index_of(dict.fromkeys("abc", 1))
    first = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    with pytest.raises(UsageError, match="parts that this plan does not"):
        GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}).assign(index, first)
