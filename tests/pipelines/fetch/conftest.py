"""An empty cache, and a download that records its waits instead of sleeping."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectome.pipelines.fetch.cache import Cache, Meter
from connectome.pipelines.fetch.http import download, open_client
from connectome.pipelines.fetch.patience import Patience
from connectome.pipelines.fetch.progress import SilentProgress

if TYPE_CHECKING:
    from connectome.pipelines.jobs import RemoteFile


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def attempt(cache: Path):
    """Download through the inner function, with the waits recorded instead of slept."""

    def run(remote: RemoteFile, *, patience: Patience | None = None, cache: Path = cache) -> list[float]:
        waits: list[float] = []
        stop = threading.Event()
        patience = patience or Patience(timeout_s=20)
        meter = Meter(remote.path, SilentProgress())
        store = Cache(cache)
        with (
            open_client(timeout_s=patience.timeout_s, max_connections=1) as client,
            store.reserve(remote, remote.url, meter, stop) as partial,
        ):
            download(client, remote, remote.url, partial, patience=patience, stop=stop, wait=waits.append)
            store.admit(remote, partial)
        return waits

    return run
