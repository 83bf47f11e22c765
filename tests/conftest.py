"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

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


@pytest.fixture(scope="session")
def all_kinds() -> ModuleType:
    """Return ``tests/support/all_kinds.py``, which makes versions with a group of every kind."""
    name = "tests_support_all_kinds"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, PROJECT / "tests" / "support" / "all_kinds.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
