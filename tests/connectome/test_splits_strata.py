"""Splits by groups that keep the shares of strata."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import UsageError
from connectome.splits import GroupedSplit, StratifiedGroupedSplit, prove
from connectome.splits.strata import rounded_table
from support.split_indexes import THIRDS, fractions, index_of, names, seeds, sizes, unhurried


@unhurried
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


@unhurried
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
