"""The example that trains on patches of three patients: it runs, repeats itself, and trains on nobody it measures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.volume_records import blob, boxes, image_group, label_group, patient

EXAMPLE = Path("docs") / "examples" / "segment_resection.py"
SHAPE = (100, 97, 96)


@pytest.fixture(scope="module")
def example(project: Path) -> Any:
    spec = importlib.util.spec_from_file_location("segment_resection_example", project / EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def version(example, tmp_path_factory, commit_records):
    """Return generated patients under the names of those at hand."""
    records = {}
    for at, name in enumerate(example.PATIENTS):
        labels = boxes(SHAPE, {1: (slice(30, 60 + at), slice(30, 60), slice(40, 70))})
        records[name] = patient({example.IMAGE: image_group(blob(SHAPE, at)), example.MASK: label_group(labels)})
    return commit_records(tmp_path_factory.mktemp("segment") / "store", example.DATASET, records)


def test_a_fold_gives_the_same_figures_again(example, version):
    first, second = (example.leave_out(version, "sub-5", epochs=1) for _ in range(2))
    assert first == second
    assert first["volume_ml"] == 31 * 30 * 30 / 1000
    inside = blob(SHAPE, 1) > 0
    resected = boxes(SHAPE, {1: (slice(30, 61), slice(30, 60), slice(40, 70))}) > 0
    assert np.isclose(first["dice_everywhere"], example.dice(inside, resected))
    assert 0 <= first["dice"] <= 1
    assert first["last_loss"] < first["first_loss"]


def test_the_patient_that_is_measured_is_not_trained_on(example, version, monkeypatch):
    seen = set()
    original = example.train_step

    def watched(network, optimiser, batch):
        seen.update(batch["record"].tolist())
        names.update(stream_records)
        return original(network, optimiser, batch)

    names: set[str] = set()
    stream_records: list[str] = []
    made = example.PatchStream

    def stream(*args, **options):
        built = made(*args, **options)
        stream_records[:] = built.records
        return built

    monkeypatch.setattr(example, "PatchStream", stream)
    monkeypatch.setattr(example, "train_step", watched)
    example.leave_out(version, "sub-1", epochs=1)
    assert names == {"sub-5", "sub-111"}
    assert seen == {0, 1}


def test_the_network_answers_every_voxel_and_dice_counts_overlap(example):
    with torch.no_grad():
        assert example.SmallUNet()(torch.zeros(2, 1, 48, 96, 12)).shape == (2, 1, 48, 96, 12)
    left, right = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert example.dice(left, right) == 0.5
    assert example.dice(left & ~left, right & ~right) == 1.0
