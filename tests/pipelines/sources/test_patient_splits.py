"""Splits of cohorts: by patient, every part with its share of lobes and sides, and nobody moved by newcomers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from connectome.cohorts.table import join_rows
from connectome.errors import UsageError
from connectome.pipelines.importing import import_files
from connectome.pipelines.sources.ideas_clinical import PATIENT_COLUMNS, read_clinical, subject_table
from connectome.splits import plan_from_options, prove
from connectome.store import Repository
from connectome.store.index import index_of
from support import bids_trees

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


@pytest.fixture(scope="module")
def patients(data_dir: Path) -> pd.DataFrame:
    """The index of the patients of IDEAS, as a version of all of them has it."""
    table = data_dir / "mri" / "ideas" / "metadata" / "Metadata_Release_Anon.csv"
    rows = read_clinical(table, PATIENT_COLUMNS).rows
    joined = join_rows({f"sub-{name}": subject_table(row, control=False, subject=name) for name, row in rows.items()})
    index = joined[["side", "lobe", "pathology"]].astype("object").reset_index()
    return index.assign(patient=index["record"], source="ideas2024")


def shares_of(index: pd.DataFrame, parts: dict[str, str], column: str) -> dict[tuple[str, str], float]:
    """Return the share of each stratum in each part."""
    joined = index.assign(part=index["record"].map(parts))
    counts = joined.groupby(["part", column]).size()
    return {key: n / int((joined["part"] == key[0]).sum()) for key, n in counts.items()}


@pytest.mark.data
@pytest.mark.parametrize("columns", ["lobe,side", "pathology"])
def test_every_part_has_its_share_of_each_stratum(patients, columns) -> None:
    plan = plan_from_options(by="patient", stratify=columns.split(","), fractions=SHARES, seed=3)
    split = plan.assign(patients)
    parts = {entry.record: entry.part for entry in split.entries}
    assert prove(split, patients)
    assert Counter(parts.values()) == {"train": 310, "val": 66, "test": 66}
    for column in columns.split(","):
        whole = patients[column].value_counts(normalize=True)
        for (_, stratum), share in shares_of(patients, parts, column).items():
            assert share == pytest.approx(whole[stratum], abs=0.06)


@pytest.mark.data
def test_patients_who_are_added_move_nobody(patients) -> None:
    plan = plan_from_options(by="patient", stratify=["lobe", "side"], fractions=SHARES, seed=3)
    early = patients.iloc[:300]
    first = plan.assign(early)
    again = plan.assign(early.sample(frac=1.0, random_state=0))
    assert again.as_dict() == first.as_dict()
    later = plan.assign(patients, first)
    before, after = ({entry.record: entry.part for entry in split.entries} for split in (first, later))
    assert {record: after[record] for record in before} == before
    whole = patients["side"].value_counts(normalize=True)
    for (_, stratum), share in shares_of(patients, after, "side").items():
        assert share == pytest.approx(whole[stratum], abs=0.06)


def test_controls_without_a_lobe_are_refused_or_a_stratum_of_their_own() -> None:
    index = pd.DataFrame(
        {"record": [f"sub-{n}" for n in range(8)], "lobe": ["temporal"] * 4 + [None] * 4, "source": ["x"] * 8}
    ).assign(patient=lambda rows: rows["record"])
    halves = {"by": "patient", "stratify": "lobe", "fractions": {"train": 0.5, "test": 0.5}}
    with pytest.raises(UsageError, match="stratum"):
        plan_from_options(**halves).assign(index)
    split = plan_from_options(**halves, missing_stratum="own-stratum").assign(index)
    parts = {entry.record: entry.part for entry in split.entries}
    assert Counter(parts[f"sub-{n}"] for n in range(4)) == {"train": 2, "test": 2}
    assert Counter(parts[f"sub-{n}"] for n in range(4, 8)) == {"train": 2, "test": 2}
    with pytest.raises(UsageError, match="missing_stratum"):
        plan_from_options(by="patient", fractions={"train": 0.5, "test": 0.5}, missing_stratum="own-stratum")


def test_the_parts_that_a_table_of_participants_publishes_are_honoured(tmp_path) -> None:
    table = "participant_id\tsplit\nsub-1\ttrain\nsub-2\ttest\nsub-3\ttrain\n"
    root = bids_trees.write(tmp_path / "data", {"dataset_description.json": {"Name": "x"}, "participants.tsv": table})
    repository = Repository(tmp_path / "root")
    import_files(repository, [root], dataset="mine", format="bids")
    split = plan_from_options(published="split").assign(index_of(repository.find("mine")))
    assert {part: split.records(part) for part in split.parts} == {"train": ["sub-1", "sub-3"], "test": ["sub-2"]}
