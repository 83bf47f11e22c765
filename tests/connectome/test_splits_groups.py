"""Splits by groups: quotas, order, stability, strata, folds, published parts."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import LeakError, UsageError
from connectome.splits import (
    Fractions,
    GroupedFolds,
    GroupedSplit,
    HeldOutFold,
    PublishedSplit,
    Split,
    StratifiedGroupedSplit,
    extend,
    prove,
)
from connectome.splits.strata import rounded_table

THIRDS = {"train": 0.8, "val": 0.1, "test": 0.1}
patient = settings(deadline=None)


def index_of(groups: dict[str, int], **columns: dict[str, object]) -> pd.DataFrame:
    """Make a generated index: group -> number of records; columns map group to value."""
    rows = [
        {"record": f"{group}-r{i}", "subject": group, **{name: values[group] for name, values in columns.items()}}
        for group, n in groups.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows)


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=6)
groupings = st.dictionaries(names, st.integers(1, 4), min_size=3, max_size=24)
seeds = st.integers(-(2**40), 2**40)


@st.composite
def fractions(draw: st.DrawFn, max_parts: int = 3) -> dict[str, float]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=max_parts))
    return {f"p{i}": weight / sum(weights) for i, weight in enumerate(weights)}


def sizes(split: Split) -> Counter[str]:
    return Counter(split.groups.values())


# quotas


@patient
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


@patient
@given(groupings, fractions(), seeds)
def test_parts_are_within_one_group_of_their_quota_and_never_empty(groups, parts, seed):
    count = sizes(GroupedSplit(by="subject", fractions=parts, seed=seed).assign(index_of(groups)))
    shares = Fractions(parts).shares
    quota = {part: share * len(groups) for part, share in shares.items()}
    n_small = sum(value < 1 for value in quota.values())
    for part, value in quota.items():
        assert 1 <= count[part] < value + 1
        assert count[part] > value - 1 - n_small


@patient
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


@patient
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


@patient
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


@patient
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


# what a group is


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


@patient
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


@patient
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


@patient
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


# strata


@patient
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_a_rounded_table_keeps_its_sums_and_rounds_each_cell_down_or_up(rows, data):
    total = sum(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, total), max_size=5)))
    columns = [stop - start for start, stop in itertools.pairwise([0, *cuts, total])]
    table = rounded_table(rows, columns)
    assert [sum(row) for row in table] == rows
    assert [sum(column) for column in zip(*table, strict=True)] == columns
    for i, j in itertools.product(range(len(rows)), range(len(columns))):
        assert abs(Fraction(table[i][j]) - Fraction(rows[i] * columns[j], total)) < 1


@patient
@given(st.dictionaries(names, st.sampled_from("xyz"), min_size=3, max_size=30), fractions(), seeds)
def test_every_part_has_its_share_of_each_stratum(strata, parts, seed):
    index = index_of(dict.fromkeys(strata, 2), strain=strata)
    split = StratifiedGroupedSplit(by="subject", stratify="strain", fractions=parts, seed=seed).assign(index)
    plain = GroupedSplit(by="subject", fractions=parts, seed=seed).assign(index)
    assert sizes(split) == sizes(plain)
    held = Counter((strata[group], part) for group, part in split.groups.items())
    for (stratum, n), (part, size) in itertools.product(Counter(strata.values()).items(), sizes(split).items()):
        assert abs(Fraction(held[stratum, part]) - Fraction(n * size, len(strata))) < 1
    prove(split, index)


def test_strata_of_one_group_each_still_fill_the_parts_by_quota():
    strata = {str(i): f"strain-{i}" for i in range(10)}
    index = index_of(dict.fromkeys(strata, 1), strain=strata)
    chosen = set()
    for seed in range(20):
        split = StratifiedGroupedSplit(by="subject", stratify="strain", fractions=THIRDS, seed=seed).assign(index)
        assert sizes(split) == {"train": 8, "val": 1, "test": 1}
        chosen |= set(split.records("test"))
    assert len(chosen) > 3


def test_groups_that_are_added_one_by_one_are_spread_over_strata():
    plan = StratifiedGroupedSplit(by="subject", stratify="strain", fractions={"train": 0.75, "test": 0.25})
    strata = {f"{i:03d}": "mutant" if i % 3 else "wild" for i in range(120)}
    index = index_of(dict.fromkeys(strata, 1), strain=strata)
    split = plan.assign(index.head(8))
    for n in range(9, 121):
        split = plan.assign(index.head(n), split)
    held = Counter((strata[group], part) for group, part in split.groups.items())
    assert abs(sizes(split)["test"] - 30) <= 2
    assert abs(held["wild", "test"] - 10) <= 2
    assert abs(held["mutant", "test"] - 20) <= 2


def test_groups_of_ever_new_strata_still_fill_the_parts_by_quota():
    plan = StratifiedGroupedSplit(by="subject", stratify="strain", fractions=THIRDS)
    strata = {f"{i:03d}": f"strain-{i}" for i in range(60)}
    index = index_of(dict.fromkeys(strata, 1), strain=strata)
    split = plan.assign(index.head(10))
    for n in range(11, 61):
        split = plan.assign(index.head(n), split)
    assert all(abs(sizes(split)[part] - 60 * share) <= 1 for part, share in THIRDS.items())


def test_a_group_with_records_of_two_strata_is_a_stratum_of_its_own():
    index = pd.DataFrame(
        {
            "record": list("abcdefgh"),
            "subject": ["1", "1", "2", "2", "3", "3", "4", "4"],
            "seizure": ["yes", "no", "yes", "no", "no", "no", "no", "no"],
        }
    )
    for seed in range(10):
        plan = StratifiedGroupedSplit(
            by="subject", stratify="seizure", fractions={"train": 0.5, "test": 0.5}, seed=seed
        )
        groups = plan.assign(index).groups
        assert groups["1"] != groups["2"]
        assert groups["3"] != groups["4"]


def test_records_without_a_stratum_are_named_or_make_one():
    index = index_of(dict.fromkeys("abcd", 1), strain={"a": "x", "b": "x", "c": None, "d": None})
    halves = {"train": 0.5, "test": 0.5}
    with pytest.raises(UsageError, match="2 of 4 records") as caught:
        StratifiedGroupedSplit(by="subject", stratify="strain", fractions=halves).assign(index)
    assert caught.value.found == "none for c-r0, d-r0"
    plan = StratifiedGroupedSplit(by="subject", stratify="strain", fractions=halves, missing_stratum="own-stratum")
    groups = plan.assign(index).groups
    assert groups["a"] != groups["b"]
    assert groups["c"] != groups["d"]


# folds


@patient
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
