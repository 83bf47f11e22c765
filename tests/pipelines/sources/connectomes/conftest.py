"""Raw files, jobs and records of every source of connectomes, made once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectome.pipelines.jobs import Job, RawFile, RawFiles
from support.wiring import (
    IDS,
    source,
)

if TYPE_CHECKING:
    import xarray as xr


@pytest.fixture(scope="session")
def worm(data_dir: Path) -> Path:
    return data_dir / "worm"


@pytest.fixture(scope="session")
def raw(worm: Path) -> dict[str, RawFiles]:
    found = {}
    for name in IDS:
        files = []
        for remote in source(name).files():
            content = (worm / remote.path).read_bytes()
            files.append(RawFile(remote.path, worm / remote.path, len(content), hashlib.sha256(content).hexdigest()))
        found[name] = RawFiles(files)
    return found


@pytest.fixture(scope="session")
def jobs(raw: dict[str, RawFiles]) -> dict[str, Job]:
    return {job.record: job for name in IDS for job in source(name).discover(raw[name]).jobs}


@pytest.fixture(scope="session")
def records(jobs: dict[str, Job]) -> dict[str, xr.DataTree]:
    return {record: source(job.source).read(job) for record, job in jobs.items()}


@pytest.fixture(scope="session")
def neurons(worm: Path) -> set[str]:
    return set((worm / "neuron_metadata/neuron_labels.txt").read_text().split())
