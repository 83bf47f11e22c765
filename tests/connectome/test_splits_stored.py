"""Splits and plans as stored JSON, their digests on other machines, and plans from flat options."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import pandas as pd
import pytest

from connectome.errors import NotFoundError, UsageError
from connectome.splits import (
    PLANS,
    Entry,
    Fractions,
    GroupedFolds,
    GroupedSplit,
    HeldOutFold,
    PublishedSplit,
    Split,
    StratifiedGroupedSplit,
    TimeBlockSplit,
    TrialSplit,
    plan_from_dict,
    plan_from_options,
)
from connectome.store.canonical import canonical_json

THIRDS = {"train": 0.8, "val": 0.1, "test": 0.1}
PLAN_OF_EACH_KIND = [
    GroupedSplit(by=("source", "subject"), fractions=THIRDS, seed=7, weigh="duration_s", gap_s=5),
    GroupedSplit(by="subject", fractions=THIRDS, missing="own-group", linked=[("s1", "s0")]),
    StratifiedGroupedSplit(by="subject", stratify="strain,source", fractions=THIRDS),
    TimeBlockSplit(fractions=THIRDS, gap_s=0.1, order="shuffled", n_blocks=12, clock="subject"),
    TimeBlockSplit(fractions=THIRDS, gap_s=3),
    GroupedFolds(by="subject", n_folds=4, stratify="strain"),
    HeldOutFold(folds=GroupedFolds(by="subject", n_folds=3), test=0, val=1),
    PublishedSplit(column="part", by="subject"),
    TrialSplit(fractions=THIRDS, gap_s=0.5, by=("source", "subject"), seed=3),
]
each_plan = pytest.mark.parametrize("plan", PLAN_OF_EACH_KIND, ids=lambda plan: plan.kind)

SCRIPT = """
import locale, sys
import pandas as pd
from connectome.splits import plan_from_dict
import json
locale.setlocale(locale.LC_ALL, "")
index = pd.DataFrame(json.loads(sys.argv[2])).sample(frac=1, random_state=int(sys.argv[3]))
for plan in json.loads(sys.argv[1]):
    print(plan_from_dict(plan).assign(index).digest)
"""


def generated() -> pd.DataFrame:
    """Make an index with names whose order depends on the locale."""
    letters = ["å", "ä", "a", "Z", "z", "É", "e", "ß", "İ", "i", "10", "9"]
    return pd.DataFrame(
        {
            "record": [f"r-{letter}-{i}" for letter in letters for i in range(2)],
            "subject": [f"s{i % 12}" for i in range(24)],
            "source": [letters[i % 5] for i in range(24)],
            "strain": [letters[i % 3] for i in range(24)],
            "part": [("train", "test")[i % 12 // 6] for i in range(24)],
            "duration_s": [100.0 + 7 * i for i in range(24)],
            "start_s": [0.0] * 24,
            "stop_s": [100.0 + 7 * i for i in range(24)],
        }
    )


@each_plan
def test_a_plan_comes_back_from_json_as_it_was(plan):
    text = canonical_json(plan.as_dict())
    assert plan_from_dict(json.loads(text)) == plan
    assert canonical_json(plan_from_dict(json.loads(text)).as_dict()) == text
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_every_kind_of_plan_is_tried_here():
    assert {plan.kind for plan in PLAN_OF_EACH_KIND} == set(PLANS)


@each_plan
def test_a_split_comes_back_from_json_as_it_was(plan):
    split = plan.assign(generated(), name="main")
    stored = json.loads(canonical_json(split.as_dict()))
    assert Split.from_dict(stored) == split
    assert Split.from_dict(stored).digest == split.digest
    assert Split.from_dict(stored).rows.equals(split.rows)
    assert plan_from_dict(stored["plan"]).assign(generated(), name="main") == split


def test_digests_do_not_depend_on_hash_seed_locale_or_order_of_rows():
    index = generated()
    plans = json.dumps([plan.as_dict() for plan in PLAN_OF_EACH_KIND])
    expected = [plan.assign(index).digest for plan in PLAN_OF_EACH_KIND]
    for hash_seed, locale in (("0", "C"), ("1", "C.UTF-8"), ("4242", "POSIX")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "LC_ALL": locale, "PYTHONUTF8": "0"}
        command = [sys.executable, "-c", SCRIPT, plans, json.dumps(index.to_dict(orient="list")), hash_seed]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == expected


def test_a_known_split_never_changes():
    """The digests of a first release: a change of the rule that places groups would move them in every store."""
    index = pd.DataFrame({"record": [f"r{i}" for i in range(10)], "subject": [f"s{i}" for i in range(10)]})
    index["duration_s"] = 64.0
    split = GroupedSplit(by="subject", fractions=THIRDS, seed=0).assign(index)
    assert (split.records("val"), split.records("test")) == (["r9"], ["r2"])
    assert split.digest == "8980a87f2ea22a41b2d8aea3430b35c50a90f6d119d7672c09b2fe419fe14405"
    shuffled = TimeBlockSplit(fractions=THIRDS, gap_s=0.5, order="shuffled", n_blocks=16)
    assert shuffled.assign(index).digest == "b5d279f1bec73582dc48145a61a582e59955bbbff2033f52a39c69f3ce544d29"


def test_the_name_is_no_part_of_the_digest_but_all_else_is():
    index = generated()
    split = GroupedSplit(by="subject", fractions=THIRDS).assign(index)
    assert GroupedSplit(by="subject", fractions=THIRDS).assign(index, name="other").digest == split.digest
    stored = split.as_dict()
    for change in (
        {"plan": {**stored["plan"], "seed": 1}},
        {"rows": stored["rows"][1:]},
        {"groups": {**stored["groups"], "more": "train"}},
    ):
        assert Split.from_dict({**stored, **change}).digest != split.digest


def test_a_split_does_not_change_with_what_it_was_made_of_or_gave_out():
    plan = {"kind": "by-hand", "seed": 1}
    split = Split(name="x", plan=plan, entries=(Entry("a", "train"),), groups={})
    digest = split.digest
    plan["seed"] = 2
    split.as_dict()["plan"]["seed"] = 3
    rows = split.rows
    rows.loc[0, "part"] = "test"
    assert split.digest == digest
    with pytest.raises(AttributeError):
        split.name = "y"


def test_parts_are_listed_in_their_usual_order_and_asked_for_by_name():
    entries = tuple(Entry(part, part) for part in ("test", "alpha", "val", "train"))
    split = Split(name="x", plan={}, entries=entries, groups={})
    assert split.parts == ("train", "val", "test", "alpha")
    assert split.records("val") == ["val"]
    assert split.stretches("val")["record"].tolist() == ["val"]
    with pytest.raises(NotFoundError, match="no such part"):
        split.records("dev")


@pytest.mark.parametrize(
    "change",
    [
        {"encoding-version": "2"},
        {"encoding-type": "graph"},
        {"rows": [["a"]]},
        {"rows": [["a", "train", 0.0]]},
        {"rows": [["a", "train", 5.0, 5.0]]},
        {"rows": [["a", "train", 0.0, float("inf")]]},
        {"rows": [["a", "train", 0.0, "x"]]},
        {"rows": [[1, "train"]]},
        {"rows": [["a", "../train"]]},
        {"rows": None},
        {"name": "two words"},
        {"name": None},
        {"groups": None},
        {"plan": [1]},
    ],
)
def test_a_stored_split_that_is_malformed_is_refused(change):
    stored = GroupedSplit(by="subject", fractions=THIRDS).assign(generated()).as_dict()
    with pytest.raises(UsageError):
        Split.from_dict({**stored, **change})


@each_plan
def test_a_stored_plan_with_fields_more_or_less_is_refused(plan):
    stored = plan.as_dict()
    with pytest.raises(UsageError, match="not a plan"):
        plan_from_dict({**stored, "surprise": 1})
    needed = {"grouped": "by", "stratified": "stratify", "time-blocks": "gap_s", "folds": "n_folds"}
    needed |= {"held-out-fold": "test", "published": "column", "trials": "gap_s"}
    less = copy.deepcopy(stored)
    del less[needed[plan.kind]]
    with pytest.raises(UsageError, match="not a plan"):
        plan_from_dict(less)


@pytest.mark.parametrize("kind", [None, "eval", 3, ["grouped"]])
def test_a_plan_of_unknown_kind_is_refused(kind):
    with pytest.raises(UsageError, match="no such plan"):
        plan_from_dict({"kind": kind})


# options


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        (
            {"by": "subject", "fractions": "train=0.8,val=0.1,test=0.1", "seed": 3},
            GroupedSplit(by="subject", fractions=THIRDS, seed=3),
        ),
        (
            {"by": "source,subject", "fractions": " train=0.5, test=5e-1", "linked": ["a=b"], "gap_s": 5.0},
            GroupedSplit(
                by=("source", "subject"), fractions={"train": 0.5, "test": 0.5}, linked=[("a", "b")], gap_s=5.0
            ),
        ),
        (
            {"by": "subject", "fractions": THIRDS, "stratify": "strain", "missing": "own-group"},
            StratifiedGroupedSplit(by="subject", fractions=THIRDS, stratify="strain", missing="own-group"),
        ),
        ({"by": "time", "fractions": THIRDS, "gap_s": 5.0}, TimeBlockSplit(fractions=THIRDS, gap_s=5.0)),
        (
            {"by": "time", "fractions": THIRDS, "gap_s": 0.0, "n_blocks": 10, "seed": 1, "clock": "session"},
            TimeBlockSplit(fractions=THIRDS, gap_s=0, order="shuffled", n_blocks=10, seed=1, clock="session"),
        ),
        ({"by": "subject", "n_folds": 5, "stratify": "s"}, GroupedFolds(by="subject", n_folds=5, stratify="s")),
        ({"published": "part"}, PublishedSplit(column="part")),
        ({"published": "part", "by": "subject"}, PublishedSplit(column="part", by="subject")),
    ],
)
def test_options_make_the_plan_that_they_name(options, plan):
    assert plan_from_options(**options) == plan


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"fractions": THIRDS}, "without by"),
        ({"by": "subject"}, "without fractions"),
        ({"by": "time", "fractions": THIRDS}, "without gap_s"),
        ({"by": "time", "fractions": THIRDS, "gap_s": 1, "stratify": "strain"}, "with stratify"),
        ({"by": "time", "fractions": THIRDS, "gap_s": 1, "linked": [("a", "b")]}, "with linked"),
        ({"by": "subject", "fractions": THIRDS, "n_blocks": 3}, "with n_blocks"),
        ({"by": "subject", "fractions": THIRDS, "n_folds": 3}, "with fractions"),
        ({"published": "part", "fractions": THIRDS}, "with fractions"),
        ({"by": "subject", "fractions": THIRDS, "stratify": "strain", "weigh": "duration_s"}, "with weigh"),
    ],
)
def test_options_that_do_not_go_together_are_refused_rather_than_ignored(options, found):
    with pytest.raises(UsageError) as caught:
        plan_from_options(**options)
    assert caught.value.found == found


@pytest.mark.parametrize(
    "text", ["", "train", "train=", "train=x", "=1", "train=0.5,test", "train=0.5;test=0.5", "train=nan", "a=0.5,a=0.5"]
)
def test_fractions_that_cannot_be_read_are_refused(text):
    with pytest.raises(UsageError):
        plan_from_options(by="subject", fractions=text)


@pytest.mark.parametrize("link", ["a", "a=", "a=b=c", ("a",)])
def test_a_link_that_cannot_be_read_is_refused(link):
    with pytest.raises(UsageError, match="joins two groups"):
        plan_from_options(by="subject", fractions=THIRDS, linked=[link])


def test_fractions_are_a_mapping_with_an_order():
    fractions = Fractions.parse("train=0.8,val=0.1,test=0.1")
    assert dict(fractions) == THIRDS
    assert fractions == THIRDS
    assert list(fractions) == ["train", "val", "test"]
    assert fractions != Fractions(list(fractions.items())[::-1])
    assert hash(fractions) == hash(Fractions(THIRDS))
    assert Fractions.parse(str(fractions)) == fractions
    assert pickle.loads(pickle.dumps(fractions)) == fractions


def test_splits_are_imported_without_torch_xarray_or_zarr():
    code = "import sys, connectome.splits; print(*({'torch', 'xarray', 'zarr', 'prefect'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
