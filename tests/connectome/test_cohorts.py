"""Cohorts: bins, outcomes, survival, roles and tables; the published figures of IDEAS from its table."""

from __future__ import annotations

import csv
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.cohorts import (
    PostOpWarning,
    asymmetry_index,
    available,
    bin_category,
    cohort_table,
    kaplan_meier,
    measures,
    outcome,
    parse_bin,
    patient_years,
    seizure_free_until,
    warn_post_op,
)
from connectome.errors import NotFoundError, SchemaError, UsageError
from connectome.store import Recipe, Repository, write_record
from connectome.store.opened import Version

NA = None
CLASSES = pd.DataFrame(
    {
        "ilae_year1": ["1", "2", "4", NA, "1", "1"],
        "ilae_year2": ["1", "3", "1", NA, "1", NA],
        "ilae_year3": ["1", "1", "1", NA, "5", "1"],
    },
    index=list("abcdef"),
)
"""a free throughout, b fails in year 2, c in year 1, d unknown, e fails in year 3, f known again after a gap."""


@pytest.mark.parametrize(
    ("label", "low", "high", "closed"),
    [
        ("15 to 19", 15, 19, "both"),
        ("15-19", 15, 19, "both"),
        ("Less than 20", None, 20, "neither"),
        ("Over 55", 55, None, "neither"),
        ("60+", 60, None, "left"),
    ],
)
def test_a_bin_says_which_ends_belong_to_it(label, low, high, closed) -> None:
    found = parse_bin(label)
    assert (found.low, found.high, found.closed) == (low, high, closed)


def test_a_bin_holds_its_closed_ends_only() -> None:
    assert parse_bin("15 to 20").holds(20)
    assert not parse_bin("Less than 20").holds(20)
    assert not parse_bin("Over 55").holds(55)
    assert parse_bin("60+").holds(60)


@pytest.mark.parametrize("label", ["fifteen", "20 to 15", "", "15 bis 20"])
def test_what_is_no_bin_is_refused(label) -> None:
    with pytest.raises(SchemaError):
        parse_bin(label)


def test_bins_are_ordered_by_their_ends_and_keep_their_labels() -> None:
    made = bin_category("row", ["Over 40", None, "3 to 4"], ("Over 40", "3 to 4", "Less than 1"), "Age", units="year")
    assert made.attrs["flag_labels"] == ["Less than 1", "3 to 4", "Over 40"]
    assert made.values.tolist() == [2, -1, 1]
    assert made.attrs["ordered"]
    assert made.attrs["bin_low"] == [None, 3.0, 40.0]
    assert made.attrs["bin_high"] == [1.0, 4.0, None]


def test_an_unknown_outcome_is_neither_success_nor_failure() -> None:
    found = outcome(CLASSES, year=2, rule="ILAE<=2")
    assert found.astype(object).where(found.notna(), None).tolist() == [True, False, True, None, True, None]
    assert outcome(CLASSES, year=1, rule="ILAE = 1").sum() == 3


@pytest.mark.parametrize("rule", ["ILAE", "<=2", "ILAE<=two", "ILAE<=2; drop"])
def test_a_malformed_rule_is_refused(rule) -> None:
    with pytest.raises(UsageError):
        outcome(CLASSES, rule=rule)


def test_a_year_that_the_table_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(UsageError) as caught:
        outcome(CLASSES, year=9)
    assert "ilae_year3" in str(caught.value)


def test_follow_up_ends_at_the_first_failure_or_the_first_gap() -> None:
    found = seizure_free_until(CLASSES)
    assert found["years"].tolist() == [3, 2, 1, 0, 3, 1]
    assert found["event"].tolist() == [False, True, True, False, True, False]


def test_the_estimator_agrees_with_a_worked_example() -> None:
    """By hand: 5 at risk in year 1 (1 event, 1 censored), 3 in year 2 (1 event), 2 in year 3 (1 event)."""
    follow_up = seizure_free_until(CLASSES)
    found = kaplan_meier(follow_up["years"], follow_up["event"])
    assert found["at_risk"].tolist() == [5, 3, 2]
    assert found["events"].tolist() == [1, 1, 1]
    assert found["censored"].tolist() == [1, 0, 1]
    assert found["survival"].tolist() == pytest.approx([4 / 5, 4 / 5 * 2 / 3, 4 / 5 * 2 / 3 * 1 / 2])
    greenwood = 1 / (5 * 4) + 1 / (3 * 2) + 1 / (2 * 1)
    assert found["standard_error"].iloc[-1] == pytest.approx(4 / 15 * math.sqrt(greenwood))


@pytest.mark.parametrize(("years", "event"), [([1.0], [True, False]), ([-1.0], [True]), ([float("nan")], [True])])
def test_a_follow_up_that_is_none_is_refused(years, event) -> None:
    with pytest.raises(UsageError):
        kaplan_meier(years, event)


def test_patient_years_are_the_known_years() -> None:
    assert patient_years(CLASSES) == 14


def test_asymmetry_is_a_fraction_of_the_mean() -> None:
    assert asymmetry_index([3.0, 1.0, 0.0], [1.0, 3.0, 0.0]).tolist()[:2] == [1.0, -1.0]
    assert np.isnan(asymmetry_index(0.0, 0.0))


def subject(name: str, pathology: str | None, age: float) -> dict[str, object]:
    """Make the groups of one generated patient."""
    columns = {
        "participant_id": schema.column("row", [name], "Participant"),
        "age": schema.column("row", [age], "Age", "year", available="pre_op"),
        "seizures": schema.category("row", ["true"], ("false", "true"), "Seizures"),
        "pathology": schema.category("row", [pathology], ("HS", "FCD"), "Pathology", available="post_op"),
        "grade": schema.category("row", ["2"], ("1", "2", "3"), "Grade", ordered=True),
    }
    rows = {
        "structure": schema.column("row", ["left", "right"], "Structure"),
        "volume_mm3": schema.column("row", np.array([age, 2 * age]), "Volume", "mm3"),
    }
    return {"subject": schema.table(columns), "aseg": schema.table(rows)}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Three generated patients, one of them without a table."""
    repository = Repository(tmp_path_factory.mktemp("cohort") / "root")
    groups = {
        "p1": subject("p1", "HS", 30.0),
        "p2": subject("p2", None, math.nan),
        "p3": {"other": schema.table({"x": schema.column("row", [1.0], "x", "1")})},
    }
    receipts = [
        write_record(
            schema.record(made, title=name),
            repository.folder("cohort"),
            record=name,
            recipe=Recipe(source="generated", source_version="1", inputs=(), params={"name": name}),
            staging=repository.staging,
        )
        for name, made in groups.items()
    ]
    return Version(repository, repository.commit("cohort", receipts).manifest)


def test_the_rows_of_all_patients_make_one_typed_table(version) -> None:
    table = cohort_table(version)
    assert table.index.tolist() == ["p1", "p2"]
    assert table["pathology"].cat.categories.tolist() == ["HS", "FCD"]
    assert table["pathology"].isna().tolist() == [False, True]
    assert table["grade"].cat.ordered
    assert str(table["seizures"].dtype) == "boolean"
    assert table["age"].isna().tolist() == [False, True]
    assert table.attrs["units"]["age"] == "year"
    assert available(table) == {"age": "pre_op", "pathology": "post_op"}
    with pytest.raises(NotFoundError):
        cohort_table(version, group="nothing")


def test_a_table_read_alone_is_that_of_the_opened_record(version) -> None:
    for group in ("subject", "aseg"):
        alone, opened = version.read_table("p1", group), version.open("p1")[group].to_dataset(inherit=False).load()
        assert set(alone.variables) == set(opened.variables)
        assert alone.attrs == opened.attrs
        for name, variable in opened.variables.items():
            assert alone[name].attrs == variable.attrs
            assert schema.decode(alone[name]).tolist() == schema.decode(variable).tolist()
    assert version.read_table("p3", "subject") is None
    with pytest.raises(NotFoundError):
        version.read_table("p9", "subject")
    assert version.table().equals(cohort_table(version))


def test_a_measure_of_all_structures_is_a_table_of_patients_by_structures(version) -> None:
    found = measures(version, group="aseg", row="structure", value="volume_mm3")
    assert found.loc["p1"].to_dict() == {"left": 30.0, "right": 60.0}


def test_an_input_that_only_surgery_makes_known_is_warned_of(version) -> None:
    tree = version.open("p1")
    assert available(tree)["subject/pathology"] == "post_op"
    with pytest.warns(PostOpWarning, match="subject/pathology"):
        assert warn_post_op(["subject/pathology", "subject/age"], tree) == ("subject/pathology",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_post_op(["subject/age"], tree) == ()
        assert warn_post_op(["age"], cohort_table(version)) == ()


@pytest.fixture(scope="module")
def ideas(data_dir: Path) -> pd.DataFrame:
    """The clinical table of IDEAS, read with the standard library; the doubled row once."""
    path = data_dir / "mri" / "ideas" / "metadata" / "Metadata_Release_Anon.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["ID"]: row for row in csv.DictReader(stream)}
    return pd.DataFrame(
        {
            f"ilae_year{year}": [row[f"ILAE_Year{year}"].replace("NA", "") for row in rows.values()]
            for year in range(1, 6)
        },
        index=list(rows),
    )


@pytest.mark.data
def test_the_published_follow_up_and_outcomes_of_ideas_come_out(ideas, data_dir) -> None:
    expected = json.loads((data_dir / "mri" / "ideas" / "expected.json").read_text())
    assert patient_years(ideas) == expected["follow_up_patient_years"] == 1764
    for year in range(1, 6):
        share = outcome(ideas, year=year, rule="ILAE=1").mean()
        assert share == pytest.approx(expected["ilae_class1_fraction"][f"ILAE_Year{year}"], abs=1e-6)


@pytest.mark.data
@pytest.mark.parametrize(
    ("rule", "survival"),
    [("ILAE<=2", [0.684, 0.599, 0.531, 0.475, 0.452]), ("ILAE=1", [0.574, 0.487, 0.436, 0.396, 0.377])],
)
def test_the_survival_of_ideas_comes_out(ideas, rule, survival) -> None:
    follow_up = seizure_free_until(ideas, rule=rule)
    found = kaplan_meier(follow_up["years"], follow_up["event"])
    assert [round(value, 3) for value in found["survival"]] == survival
    assert found["at_risk"].iloc[0] == 427
