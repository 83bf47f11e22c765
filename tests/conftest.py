"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CONNECTOME_TEST_DATA", PROJECT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the root of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real files, or skip with the reason."""
    if not DATA.is_dir():
        pytest.skip(f"the real files are not here ({DATA}); set CONNECTOME_TEST_DATA")
    return DATA
