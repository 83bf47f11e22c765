"""BCI Competition IV 2a on generated sessions: what is published of each is held against it, deviations are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FactsError
from connectome.pipelines.ingest import ingest
from connectome.pipelines.sources.bci_iv_2a import trial_table
from connectome.store import Repository, open_version
from support.eeg_files import codes
from support.recording_layouts import graz_session

BALANCED = (769, 770, 771, 772) * 72


def made(folder: Path, name: str, **options):
    """Write one session, ingest it and return the version."""
    graz_session(folder / "raw" / f"{name}.gdf", **options)
    repository = Repository(folder / "store")
    ingest(repository, "bci-iv-2a", mirror=folder / "raw", allow_missing=True)
    return open_version("bci-iv-2a", root=folder / "store")


def test_every_cue_is_a_trial_and_rejected_ones_stay_and_are_marked(tmp_path):
    version = made(tmp_path, "A03T", cues=BALANCED, rejected=(2, 100))
    tree = version.open("A03T")
    schema.validate(tree, subject="generated")
    trial = tree["trial"]
    assert trial.sizes["row"] == 288
    assert np.flatnonzero(trial["rejected"].values).tolist() == [2, 100]
    assert trial["movement"].values[:4].tolist() == ["left hand", "right hand", "feet", "tongue"]
    np.testing.assert_allclose(trial["start_s"].values, np.arange(288) * 20 / 250)
    np.testing.assert_allclose(trial["onset_s"].values - trial["start_s"].values, 5 / 250)
    assert version.facts["A03T"]["/signal"]["n_channels"] == 25
    assert codes(tree) == ["rejected-trials"]


def test_cues_of_a_session_for_evaluation_do_not_say_what_they_ask_for(tmp_path):
    tree = made(tmp_path, "A03E", cues=(783,) * 288).open("A03E")
    assert set(tree["trial"]["movement"].values) == {""}
    assert codes(tree) == ["classes-apart"]


def test_classes_that_are_not_balanced_are_told(tmp_path):
    tree = made(tmp_path, "A09T", cues=(769, *BALANCED[:-1])).open("A09T")
    assert codes(tree) == ["class-counts"]
    assert "73 of 769" in tree.attrs["warnings"][0]["message"]
    assert "71 of 772" in tree.attrs["warnings"][0]["message"]


def test_a_session_with_fewer_trials_is_refused_with_the_number(tmp_path):
    with pytest.raises(FactsError) as caught:
        made(tmp_path, "A02T", cues=BALANCED[:280])
    assert (caught.value.subject, caught.value.expected, caught.value.found) == ("A02T", "288", "280")


@pytest.mark.parametrize("events", [[], [(1, 769)]])
def test_a_cue_without_a_start_has_none(events):
    table = schema.table(
        {
            "onset_s": schema.column("row", np.array([float(at) for at, _ in events]), "Onset", "s"),
            "description": schema.column("row", [str(code) for _, code in events], "Code"),
        }
    )
    trials = trial_table(table)
    assert trials.sizes.get("row", 0) == len(events)
    assert np.isnan(trials["start_s"].values).all()
    assert not trials["rejected"].values.any()
