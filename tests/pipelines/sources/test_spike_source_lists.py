"""Lists of spike sources that come with the package, against the counts that their publishers state."""

from __future__ import annotations

import re

import pytest

from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.listed import dandi_assets, listed_rows


@pytest.mark.parametrize(
    ("dandiset", "n_files", "n_bytes", "n_subjects"),
    [("000009", 173, 12_919_706_852, 31), ("000017", 39, 14_682_586_049, 10), ("000021", 214, 477_562_344_354, 32)],
)
def test_a_dandiset_has_as_many_files_bytes_and_subjects_as_its_summary_says(
    dandiset: str, n_files: int, n_bytes: int, n_subjects: int
) -> None:
    assets = dandi_assets(dandiset)
    assert (len(assets), sum(asset.size_bytes for asset in assets)) == (n_files, n_bytes)
    assert len({asset.path.partition("/")[0] for asset in assets}) == n_subjects
    assert [asset.path for asset in assets] == sorted({asset.path for asset in assets})
    assert all(re.fullmatch("[0-9a-f]{64}", asset.sha256) for asset in assets)
    assert len({asset.sha256 for asset in assets}) == len({asset.asset_id for asset in assets}) == n_files


@pytest.mark.parametrize("source", ["svoboda_alm", "steinmetz2019", "allen_visual_coding"])
def test_every_listed_asset_makes_a_record_of_its_own(source: str) -> None:
    files = [file for file in load_source(source).files() if file.url.startswith("https://api.dandiarchive.org/")]
    records = [file.records[0] for file in files]
    assert all(records)
    assert len(set(records)) == len(files)


def test_the_release_of_the_brain_wide_map_has_its_insertions_sessions_mice_and_laboratories() -> None:
    rows = listed_rows("ibl-brainwide-2023-12")
    columns = ("pid", "eid", "subject", "lab")
    assert [len({row[name] for row in rows}) for name in columns] == [699, 459, 139, 12]
    assert len(rows) == 699


def test_the_table_of_visual_behavior_has_its_sessions_mice_and_units() -> None:
    rows = listed_rows("visual-behavior-sessions")
    assert (len(rows), len({row["mouse_id"] for row in rows})) == (153, 81)
    assert sum(int(row["unit_count"]) for row in rows) == 319_013
    assert sum(bool(row["abnormal_histology"]) for row in rows) == 49
    assert sum(bool(row["abnormal_activity"]) for row in rows) == 12
