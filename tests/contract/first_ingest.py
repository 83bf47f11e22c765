"""What the contracts share: the first ingest of a dataset as a test sees it.

A contract that inherits says how it is made, in a fixture ``first``, and from which ``raw`` inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectome.store import Manifest, Repository

if TYPE_CHECKING:
    from connectome.pipelines.ingest import IngestResult
    from connectome.pipelines.jobs import Job, RawFiles
    from support import killing


class FirstIngest:
    """Fixtures of one ingest, shared by all tests of a class."""

    @pytest.fixture(scope="class")
    @classmethod
    def result(cls, first: killing.Outcome) -> IngestResult:
        """What the first ingest returned."""
        found: IngestResult = first.result
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def manifest(cls, result: IngestResult, root: Path) -> Manifest:
        """The version that it made."""
        return Repository(root).find(result.dataset)

    @pytest.fixture(scope="class")
    @classmethod
    def jobs(cls, adapter: Any, raw: RawFiles) -> dict[str, Job]:
        """The job of every record."""
        return {job.record: job for job in adapter.discover(raw).jobs}
