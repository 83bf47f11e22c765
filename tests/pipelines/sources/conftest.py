"""What tests of sources share: the datasets that a module names (``DATASETS``), ingested once from its ``place``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectome.pipelines.ingest import ingest
from connectome.store import Repository

if TYPE_CHECKING:
    from connectome.store import Manifest


@pytest.fixture(scope="module")
def facts(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "facts.json").read_text())
    return found


@pytest.fixture(scope="module")
def root(request: pytest.FixtureRequest, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ingested") / "root"
    for dataset in request.module.DATASETS:
        assert ingest(Repository(root), dataset, mirror=place).created
    return root


@pytest.fixture(scope="module")
def manifests(request: pytest.FixtureRequest, root: Path) -> dict[str, Manifest]:
    return {dataset: Repository(root).find(dataset) for dataset in request.module.DATASETS}
