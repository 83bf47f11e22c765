"""Volumes as ``Nifti`` columns: decoded from bytes, the same after a push, missing ones None."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import nibabel
import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.huggingface import to_dataset, to_nifti_dataset, volume_groups
from connectome.pipelines.formats import read
from connectome.pipelines.ingest import ingest
from connectome.store import Repository, open_version
from support import volume_records
from support.hub_server import HubServer

if TYPE_CHECKING:
    from connectome.store import Version

TOKEN = "loopback-token-that-must-not-be-seen"
SHAPE = (6, 7, 8)
PUSH = """
import json, sys
import datasets
held = datasets.load_from_disk(sys.argv[1])
held.push_to_hub("org/patients", token=sys.argv[2])
"""
BACK = """
import hashlib, json, sys
import datasets, numpy
rows = datasets.load_dataset("parquet", data_files=sys.argv[1:], split="train", cache_dir=None)
print(json.dumps({
    "features": {name: type(kind).__name__ for name, kind in rows.features.items()},
    "digests": [
        {name: None if row[name] is None else hashlib.sha256(numpy.asarray(row[name].dataobj).tobytes()).hexdigest()
         for name in row if "t1w" in name or "labels" in name}
        for row in rows
    ],
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, all_kinds: Any) -> Version:
    """Commit patients whose images come from NIfTI-1, NIfTI-2 and MGZ files, and one without any header."""
    folder = tmp_path_factory.mktemp("files")
    first = nibabel.Nifti1Image(np.arange(336, dtype=np.int16).reshape(SHAPE) - 50, np.diag([1.0, 2.0, 3.0, 1.0]))
    first.header["descrip"] = b"as it was"
    nibabel.save(first, folder / "one.nii.gz")
    second = nibabel.Nifti2Image(np.arange(336, dtype=np.float32).reshape(SHAPE) / 7, np.diag([1.0, 1.0, 4.0, 1.0]))
    nibabel.save(second, folder / "two.nii")
    third = nibabel.MGHImage(np.arange(336, dtype=np.uint8).reshape(SHAPE), np.diag([-1.0, 1.0, 1.0, 1.0]))
    nibabel.save(third, folder / "three.mgz")
    groups = [
        dict(schema.groups(read([folder / name], group="t1w")))["/t1w"]
        for name in ("one.nii.gz", "two.nii", "three.mgz")
    ]
    ages = [31.5, 40.0, None]
    trees = {}
    for at, group in enumerate(groups):
        columns = {
            "participant_id": schema.column("row", [f"sub-{at}"], "Participant"),
            "age": schema.column("row", np.array([np.nan if ages[at] is None else ages[at]]), "Age", "year"),
            "side": schema.category("row", [["left", "right", None][at]], ["left", "right"], "Side"),
        }
        held = {"t1w": group}
        if at == 0:
            mask = volume_records.boxes(SHAPE, {1: (slice(0, 2),) * 3})
            held["labels/lesion"] = volume_records.label_group(mask, affine=group["affine"].values)
        trees[f"sub-{at}"] = volume_records.patient(held, columns)
    trees["sub-9"] = volume_records.patient({"labels/lesion": volume_records.label_group(np.zeros(SHAPE, np.uint8))})
    return all_kinds.commit(tmp_path_factory.mktemp("store"), trees, dataset="patients")


def voxels(version: Version, record: str, group: str) -> np.ndarray:
    data = version.open(record)[group]
    return np.asarray(data["image"].values, dtype=np.float64) * data.attrs.get("slope", 1.0) + data.attrs.get(
        "intercept", 0
    )


def test_every_cell_decodes_from_bytes_to_the_stored_voxels_and_place(made: Version) -> None:
    rows = to_nifti_dataset(made)
    assert volume_groups(made) == ["t1w", "labels/lesion"]
    assert [rows.features[name] for name in ("t1w", "labels.lesion")] == [datasets.Nifti(), datasets.Nifti()]
    assert rows["record"] == ["sub-0", "sub-1", "sub-2", "sub-9"]
    for row in rows:
        for group in ("t1w", "labels/lesion"):
            cell = row[group.replace("/", ".")]
            held = dict(schema.groups(made.open(row["record"])))
            assert (cell is None) == (f"/{group}" not in held)
            if cell is not None:
                np.testing.assert_array_equal(np.asarray(cell.dataobj), voxels(made, row["record"], group))
                np.testing.assert_allclose(cell.affine, held[f"/{group}"]["affine"].values, atol=1e-6)
    raw = rows.cast_column("t1w", datasets.Nifti(decode=False))
    assert [None if cell is None else cell["path"] for cell in raw["t1w"]] == [
        "sub-0_t1w.nii.gz", "sub-1_t1w.nii.gz", "sub-2_t1w.nii.gz", None,
    ]  # fmt: skip
    first = gzip.decompress(raw["t1w"][0]["bytes"])
    assert first[148:157] == b"as it was"
    # What bytes decode as is NIfTI-1 alone, whatever the file was.
    assert all(gzip.decompress(cell["bytes"])[:4] == b"\x5c\x01\0\0" for cell in raw["t1w"] if cell is not None)


def test_what_was_converted_is_said_and_the_subjects_columns_are_typed(made: Version) -> None:
    rows = to_nifti_dataset(made)
    assert rows["conversions"] == [
        "labels/lesion: converted from a volume without a header",
        "t1w: converted from NIfTI-2",
        "t1w: converted from mgh",
        "labels/lesion: converted from a volume without a header",
    ]
    assert rows["age"] == [31.5, 40.0, None, None]
    assert rows["side"] == ["left", "right", None, None]
    assert "age" not in to_nifti_dataset(made, ["t1w"], subject=False).column_names
    table = to_dataset(made, "subject")
    assert table["age"] == [31.5, 40.0, None]


def test_rows_are_the_same_in_memory_and_mapped_and_can_be_chosen(made: Version, tmp_path: Path) -> None:
    held = to_nifti_dataset(made, ["t1w"])
    mapped = to_nifti_dataset(made, ["t1w"], cache_dir=tmp_path)
    again = to_nifti_dataset(made, ["t1w"], cache_dir=tmp_path)
    assert held._fingerprint == mapped._fingerprint == again._fingerprint
    assert held.data.table.equals(mapped.data.table)
    assert len(list(tmp_path.rglob("*.arrow"))) == 1
    few = to_nifti_dataset(made, ["t1w"], records=["sub-2"])
    assert few["record"] == ["sub-2"]
    assert few._fingerprint != held._fingerprint
    with pytest.raises(NotFoundError, match="volume"):
        to_nifti_dataset(made, ["flair"])
    with pytest.raises(UsageError, match="go on"):
        to_nifti_dataset(made, on_unfit="guess")


def test_what_nifti_1_cannot_hold_is_refused_or_left_out_with_the_reason(tmp_path: Path, all_kinds: Any) -> None:
    long = volume_records.image_group(np.ones((32768, 1, 1), np.uint8))
    version = all_kinds.commit(tmp_path, {"long": volume_records.patient({"t1w": long})}, dataset="long")
    with pytest.raises(UsageError, match="NIfTI-1"):
        to_nifti_dataset(version)
    row = to_nifti_dataset(version, on_unfit="skip")[0]
    assert row["t1w"] is None
    assert row["conversions"].startswith("t1w: left out, NIfTI-1 cannot hold")


@pytest.fixture
def hub() -> Iterator[Any]:
    """Run a Hub on loopback."""
    server = HubServer(token=TOKEN, large="lfs")
    yield server
    server.close()


def test_a_push_carries_the_bytes_and_they_decode_elsewhere(made: Version, hub: Any, tmp_path: Path) -> None:
    rows = to_nifti_dataset(made)
    rows.save_to_disk(tmp_path / "disk")
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    pushed = subprocess.run(
        [sys.executable, "-c", PUSH, str(tmp_path / "disk"), TOKEN],
        env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    files = hub.datasets["org/patients"].files
    parquet = [name for name in files if name.endswith(".parquet")]
    assert parquet
    assert "dtype: nifti" in files["README.md"].decode()
    # Somewhere else: nothing but what was pushed, and no network.
    for number, name in enumerate(parquet):
        (tmp_path / f"{number}.parquet").write_bytes(files[name])
    loaded = subprocess.run(
        [sys.executable, "-c", BACK, *(str(tmp_path / f"{number}.parquet") for number in range(len(parquet)))],
        env=environment | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "other")},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr[-3000:]
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert found["features"]["t1w"] == found["features"]["labels.lesion"] == "Nifti"
    assert [row["t1w"] is None for row in found["digests"]] == [False, False, False, True]
    expected = [hashlib.sha256(np.asarray(row["t1w"].dataobj).tobytes()).hexdigest() for row in rows if row["t1w"]]
    assert [row["t1w"] for row in found["digests"][:3]] == expected


@pytest.mark.data
def test_real_patients_are_rows_with_their_outcomes(data_dir: Path, tmp_path: Path) -> None:
    ingest(Repository(tmp_path), "ideas-epilepsy", select="sub-5,sub-4012", mirror=data_dir / "mri", allow_missing=True)
    version = open_version("ideas-epilepsy", root=tmp_path)
    rows = to_nifti_dataset(version, cache_dir=tmp_path / "cache")
    assert rows["record"] == ["sub-4012", "sub-5"]
    control, patient = rows[0], rows[1]
    assert control["labels.space-orig_resection"] is None
    assert (control["ilae_year1"], patient["participant_id"]) == (None, "sub-5")
    assert patient["labels.space-orig_resection"].shape == (256, 256, 256)
    assert int(np.asarray(patient["labels.space-orig_resection"].dataobj).sum()) == 27160
    assert rows["conversions"] == [None, None]
