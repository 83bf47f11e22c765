"""What every source must do with files of its layout, as a class to inherit from. The files are generated.

A test class sets ``source_id``, ``record_ids`` and ``write``, which puts the files of the source below a folder at the
paths under which the source lists them.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from connectome.catalog import LICENCES, load_catalog
from connectome.errors import FormatError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Discovery, RawFile, RawFiles
from connectome.pipelines.making import check_facts
from connectome.pipelines.planning import discover
from connectome.pipelines.sources import load_source
from connectome.schema import groups, validate
from connectome.store.digest import array_digests, combine


def raw_file(folder: Path, path: str) -> RawFile:
    local = folder / path
    return RawFile(path, local, local.stat().st_size, hashlib.sha256(local.read_bytes()).hexdigest(), verified=False)


def raw_files(folder: Path) -> RawFiles:
    """Return every file below a folder by its relative path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return RawFiles([raw_file(folder, path.relative_to(folder).as_posix()) for path in files])


def digest(tree: Any) -> str:
    return str(combine(tree, array_digests(tree)))


class LayoutContract:
    source_id: ClassVar[str]
    record_ids: ClassVar[tuple[str, ...]]

    def write(self, folder: Path) -> None:
        raise NotImplementedError

    @pytest.fixture
    def source(self) -> Any:
        return load_source(self.source_id)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "generated"
        self.write(folder)
        return folder

    @pytest.fixture
    def found(self, source: Any, folder: Path) -> Discovery:
        return discover(source, raw_files(folder), select=None)

    def test_listed_files_are_safe_licensed_and_may_be_missing(self, source: Any) -> None:
        listed = source.files()
        assert len({file.path for file in listed}) == len(listed)
        for file in listed:
            assert file.path.startswith(f"{self.source_id}/")
            assert file.url.startswith("https://")
            assert file.licence in LICENCES
            assert file.optional or file.sha256 or file.md5

    def test_its_dataset_and_the_catalogue_know_it(self, source: Any) -> None:
        described = {item.id: item for item in load_catalog()[source.dataset].sources}
        assert self.source_id in described
        assert {file.licence for file in source.files()} == set(described[self.source_id].licences)

    def test_files_come_out_of_a_folder_given_as_mirror(self, source: Any, folder: Path, tmp_path: Path) -> None:
        fetched = fetch(source.files(), tmp_path / "raw", mirror=folder)
        assert {file.path for file in fetched.files} == set(raw_files(folder))

    def test_an_empty_mirror_stops_nothing_and_every_file_is_listed_as_unavailable(
        self, source: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        fetched = fetch(source.files(), tmp_path / "raw", mirror=tmp_path / "empty")
        assert fetched.files == ()
        assert {item.file for item in fetched.missing} == {file.path for file in source.files()}
        assert source.discover(RawFiles([])) == Discovery(())

    def test_every_worm_is_one_job_and_no_file_is_lost(self, found: Discovery) -> None:
        assert [job.record for job in found.jobs] == sorted(self.record_ids)
        assert found.rejected == ()

    def test_the_order_of_files_changes_nothing(self, source: Any, folder: Path, found: Discovery) -> None:
        again = discover(source, RawFiles(list(reversed(list(raw_files(folder).values())))), select=None)
        assert again == found

    def test_records_are_valid_and_say_where_they_come_from(self, source: Any, found: Discovery) -> None:
        for job in found.jobs:
            tree = source.read(job)
            validate(tree, subject=job.record)
            check_facts(tree, source.expected(), record=job.record)
            assert tree.attrs["source"] == self.source_id
            assert tree.attrs["subject"] == job.record
            for name in ("title", "species", "citation", "doi", "licence", "condition", "data_file"):
                assert tree.attrs[name], (job.record, name)
            assert {"activity", "neuron"} <= set(tree.children)
            assert list(tree["neuron"]["roi"].values) == list(tree["activity"]["channel"].values)

    def test_reading_twice_gives_the_same_bytes(self, source: Any, found: Discovery) -> None:
        for job in found.jobs:
            assert digest(source.read(job)) == digest(source.read(job))

    def test_nothing_is_stored_in_half_precision(self, source: Any, found: Discovery) -> None:
        for job in found.jobs:
            for path, dataset in groups(source.read(job)):
                for name, variable in dataset.variables.items():
                    assert variable.dtype != np.float16, (path, name)

    def test_files_of_another_layout_are_rejected_by_name_without_a_path_of_this_machine(
        self, source: Any, folder: Path
    ) -> None:
        for path in raw_files(folder):
            (folder / path).write_bytes(b"not a MAT-file at all")
        found = discover(source, raw_files(folder), select=None)
        assert found.jobs == ()
        assert {item.file for item in found.rejected} == set(raw_files(folder))
        for item in found.rejected:
            assert str(folder) not in item.reason
            assert item.kind in {"format", "truncated"}

    def test_cut_files_raise_only_errors_that_lead_to_quarantine(self, source: Any, folder: Path) -> None:
        whole = {path: (folder / path).read_bytes() for path in raw_files(folder)}
        for part in (0.3, 0.7, 0.95):
            for path, content in whole.items():
                (folder / path).write_bytes(content[: int(len(content) * part)])
            found = discover(source, raw_files(folder), select=None)
            for job in found.jobs:
                with suppress(FormatError):
                    source.read(job)
