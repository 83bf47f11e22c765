"""Visual Behavior - Neuropixels: sessions that were never registered, and ellipses whose axes are half of theirs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from connectome import schema
from connectome.pipelines.homogenise.patches import Session, apply_patches
from connectome.pipelines.homogenise.visual_behavior_patches import PATCHES
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.sources import load_source
from support import allen_layouts
from support.nwb_sessions import table

if TYPE_CHECKING:
    import xarray as xr

SESSION = "allen_visual_behavior_neuropixels/behavior_ecephys_sessions/1043752325/ecephys_session_1043752325.nwb"


def job_of(folder: Path, *, origin: bool) -> Job:
    """Write a session, its channels all at the origin or where they lie, and return its job."""
    path = folder / SESSION
    path.parent.mkdir(parents=True)
    allen_layouts.session(path, 1043752325)
    with h5py.File(path, "r+") as file:
        for name in "xyz":
            held = file[f"general/extracellular_ephys/electrodes/{name}"]
            held[...] = np.zeros(len(held)) if origin else np.r_[0.0, np.arange(1.0, len(held))]
        fits = {name: np.linspace(1.0, 2.0, 4) for name in ("center_x", "center_y", "height", "phi", "width")}
        table(file.require_group("processing/eye_tracking"), "pupil_ellipse_fits",
              {**fits, "timestamps": np.arange(4) / 30})  # fmt: skip
    content = path.read_bytes()
    raw = RawFile(SESSION, path, len(content), hashlib.sha256(content).hexdigest(), verified=False)
    (job,) = load_source("allen_visual_behavior_neuropixels").discover(RawFiles([raw])).jobs
    return job


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return job_of(tmp_path_factory.mktemp("unregistered"), origin=True)


@pytest.fixture(scope="module")
def tree(job: Job) -> xr.DataTree:
    return load_source("allen_visual_behavior_neuropixels").read(job)


def test_a_session_with_every_channel_at_the_origin_has_no_coordinates(tree: xr.DataTree) -> None:
    schema.validate(tree, subject="session")
    for name in "xyz":
        assert np.isnan(tree["electrodes"][name].values).all()
    assert "vbn-unregistered@1" in tree.attrs["patches"]
    told = {item["code"]: item for item in tree.attrs["warnings"]}
    assert told["vbn-unregistered"]["place"] == "electrodes"
    assert told["vbn-unregistered"]["message"].endswith("coordinates of all 4 channels are missing")
    assert {"release-unknown", "sources-disagree"} <= set(told)


def test_a_session_with_channels_elsewhere_keeps_its_coordinates(tmp_path: Path) -> None:
    tree = load_source("allen_visual_behavior_neuropixels").read(job_of(tmp_path, origin=False))
    for name in "xyz":
        assert tree["electrodes"][name].values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert tree.attrs["patches"] == ["allen-ellipse-half-axes@1"]


def test_half_axes_are_named_and_never_doubled(tree: xr.DataTree, job: Job) -> None:
    fits = tree["eye_tracking/pupil_ellipse_fits"]
    with h5py.File(job.inputs[0].local) as file:
        for at, name in enumerate(fits["channel"].values.tolist()):
            stored = file[f"processing/eye_tracking/pupil_ellipse_fits/{name}"][()]
            np.testing.assert_array_equal(fits["signal"].values[at], stored)
    named = dict(zip(fits["channel"].values.tolist(), fits["measure"].values.tolist(), strict=True))
    assert named == {
        "center_x": "centre", "center_y": "centre", "height": "half axis", "phi": "angle", "width": "half axis",
    }  # fmt: skip


def test_the_versions_of_the_patches_are_part_of_the_recipe_and_a_sound_record_is_left_alone(job: Job) -> None:
    assert job.params["patches"] == {name: patch.version for name, patch in PATCHES.items()}
    assert all(patch.evidence and patch.defect for patch in PATCHES.values())
    before = Session(1, {"electrodes": schema.table({"x": schema.column("row", np.zeros(2), "x", "um")})}, {"a": 1})
    assert apply_patches(before, PATCHES) == (before, [])
