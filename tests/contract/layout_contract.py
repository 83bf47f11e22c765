"""The contract for sources whose files are not at hand: it is held on generated files of their published layout.

    class TestUzel2022(LayoutContract):
        source = "uzel2022"
        records = ("uzel2022-wt-01",)

        @classmethod
        def write(cls, folder: Path) -> None: ...

``write`` puts generated files below a folder at the paths under which the source lists them. What the contract asks of
published facts is left out, because none can be true of generated numbers; golden digests pin the readers all the same.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from contract.source_contract import SourceContract

from connectome import schema
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Discovery, Job, RawFile, RawFiles, Source
from connectome.pipelines.planning import discover

if TYPE_CHECKING:
    from connectome.pipelines.ingest import IngestResult
    from connectome.store import Manifest


class LayoutContract(SourceContract):
    """Inherit, say which source and records, and write its files."""

    mirror = None
    records: ClassVar[tuple[str, ...]]
    """Every record that the generated files make."""

    @classmethod
    def write(cls, folder: Path) -> None:
        """Write generated files below a folder."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder with the generated files."""
        folder = tmp_path_factory.mktemp(f"generated-{cls.source}")
        cls.write(folder)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def staged(cls, place: Path) -> Path:
        """The same folder: without checksums a file is found by its path alone."""
        return place

    def test_every_file_is_used_or_rejected_with_a_reason_and_the_census_adds_up(
        self, adapter: Source, raw: RawFiles, jobs: dict[str, Job], manifest: Manifest
    ) -> None:
        """As for other sources; a listed pattern counts as the files that fit it."""
        used = {item.path for job in jobs.values() for item in job.inputs}
        rejected = {item["file"].partition("#")[0] for item in manifest.rejected}
        absent = {file.path for file in adapter.files() if not any(fnmatchcase(path, file.path) for path in raw)}
        assert used | rejected == set(raw) | absent
        assert manifest.census.seen == len(used | rejected)
        assert manifest.census.used == len(used)
        for item in manifest.rejected:
            assert item["reason"].strip(), item["file"]
            assert (item["kind"] == "unavailable") is (item["file"] in absent)

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        """No facts are published; what is promised is which records there are."""
        assert adapter.expected().records == {}
        assert set(manifest.records) == set(self.records)

    def test_an_empty_mirror_stops_nothing_and_every_file_is_listed_as_unavailable(
        self, adapter: Source, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        fetched = fetch(adapter.files(), tmp_path / "raw", mirror=tmp_path / "empty")
        assert fetched.files == ()
        assert {item.file for item in fetched.missing} == {file.path for file in adapter.files()}
        assert adapter.discover(RawFiles([])) == Discovery(())

    def test_every_roi_has_its_row_and_nothing_is_stored_in_half_precision(
        self, adapter: Source, jobs: dict[str, Job]
    ) -> None:
        for name, job in jobs.items():
            tree = adapter.read(job)
            assert set(tree["activity"]["channel"].values) == set(tree["neuron"]["roi"].values), name
            columns = {"raw_label", "neuron", "status", "candidates", "confidence", "rule"}
            assert columns <= set(tree["neuron"].data_vars), name
            for path, dataset in schema.groups(tree):
                assert not [key for key, item in dataset.variables.items() if item.dtype == np.float16], (name, path)

    def test_every_record_names_its_animal_its_condition_and_its_file(
        self, result: IngestResult, manifest: Manifest
    ) -> None:
        for name in result.added:
            attributes = manifest.records[name].attributes
            for attribute in ("subject", "condition", "data_file", "doi", "licence"):
                assert attributes.get(attribute), f"{name} has no {attribute}"

    def test_files_of_another_layout_are_rejected_by_name(self, adapter: Source, raw: RawFiles, tmp_path: Path) -> None:
        strangers = []
        for at, path in enumerate(raw):
            local = tmp_path / str(at)
            local.write_bytes(b"nothing of the kind")
            strangers.append(RawFile(path, local, local.stat().st_size, "0" * 64, verified=False))
        found = discover(adapter, RawFiles(strangers), select=None)
        assert found.jobs == ()
        assert {item.file for item in found.rejected} == set(raw)
        assert not [item for item in found.rejected if str(tmp_path) in item.reason]
