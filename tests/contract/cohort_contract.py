"""The contract for cohorts: hundreds of people of whom some stand for all, most images not at hand.

Tables speak of everybody, so every record depends on them; what is offered only in archives is listed as a pattern and
counts as the files that fit it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from contract.graph_contract import PartlyAtHand

from connectome.pipelines.planning import chosen_files

if TYPE_CHECKING:
    from connectome.pipelines.jobs import Job, RawFiles, Source
    from connectome.store import Manifest


class CohortContract(PartlyAtHand):
    """Inherit, and say which source, folder and records."""

    allow_missing = True

    @pytest.fixture(scope="class")
    @classmethod
    def staged(cls, place: Path) -> Path:
        """The same folder: without checksums a file is found by its path alone."""
        return place

    def test_every_file_is_used_or_rejected_with_a_reason_and_the_census_adds_up(
        self, adapter: Source, raw: RawFiles, jobs: dict[str, Job], manifest: Manifest
    ) -> None:
        """As for other sources, of the files that the selected records need."""
        used = {item.path for job in jobs.values() for item in job.inputs}
        rejected = {item["file"].partition("#")[0] for item in manifest.rejected}
        listed = chosen_files(adapter, self.select)
        absent = {file.path for file in listed if not any(fnmatchcase(path, file.path) for path in raw)}
        others = {item.path for job in adapter.discover(raw).jobs for item in job.inputs} - used
        assert used | rejected == (set(raw) - others) | absent
        assert manifest.census.seen == len(used | rejected)
        assert manifest.census.used == len(used)
        for item in manifest.rejected:
            assert item["reason"].strip(), item["file"]
            assert (item["kind"] == "unavailable") is (item["file"] in absent)
