"""Animals that two sources hold: no split by animals separates them (generated files of the published layouts)."""

from __future__ import annotations

import pytest

import connectome
from connectome.pipelines.ingest import ingest
from connectome.pipelines.sources.atanas2023_manifest import MANIFEST
from connectome.pipelines.sources.wormid2025 import WormId2025
from connectome.splits import GroupedSplit, prove
from connectome.store import Repository
from support import worm_layouts, worm_mat_layouts


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("overlapping")
    worm_mat_layouts.yemini(place / "raw/yemini2021/Head_Activity_OH16230.mat")
    for seed, name in enumerate(("20190924-01", "20190928-08")):
        file = f"sub-{name}/sub-{name}_ses-{name[:8]}_ophys.nwb"
        worm_layouts.worm_nwb(place / "raw/nejatbakhsh2020" / file, rate=4.0, seed=seed)
    for cohort in ("exported_data", "exported_data_unc31"):
        for index in (0, 1, 2):
            worm_layouts.leifer_worm(place / "raw/leifer2023" / cohort, index, seed=index)
    root = place / "root"
    ingest(Repository(root), "celegans-activity", mirror=place / "raw", allow_missing=True)
    return connectome.open("celegans-activity", root=root).records


@pytest.mark.parametrize("seed", range(8))
def test_no_split_separates_animals_of_yemini_from_those_of_nejatbakhsh(animals, seed):
    split = GroupedSplit(by="subject", fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(animals)
    both = animals[animals["source"].isin(["yemini2021", "nejatbakhsh2020"])]
    assert len(both) == 5
    assert len({split.groups[subject] for subject in both["subject"]}) == 1
    assert "no animals that two sources hold are in two parts (1 sets of records)" in prove(split, animals).proved


def test_the_animals_of_the_flavell_laboratory_have_one_name_in_both_sources():
    uid = "2023-01-09-15"
    assert uid in MANIFEST
    assert WormId2025().subject_of(f"{uid}-SWF702-ses-20230109") == f"atanas2023-{uid}"
