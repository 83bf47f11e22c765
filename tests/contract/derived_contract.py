"""What every derived dataset promises, as tests that a class of two lines inherits.

    class TestCelegansConsensus(DerivedContract):
        derived = "celegans_consensus"
        mirror = "worm"

Its parents are made first, from the real files below ``mirror``. Golden digests lie in ``golden/derived``; as for
sources they are written anew, under a raised ``version``, by::

    pytest tests/contract --update-golden -k TestCelegansConsensus
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from contract.first_ingest import FirstIngest
from contract.source_contract import ELSEWHERE, GOLDEN, N_KILLS, write_golden

from connectome import schema
from connectome.catalog import load_catalog
from connectome.errors import NotFoundError
from connectome.pipelines.derived import load_derived
from connectome.pipelines.derived.parents import SCHEME, DerivedDataset, check_parents, find_parents
from connectome.pipelines.ingest import IngestResult, ingest
from connectome.pipelines.jobs import RawFiles
from connectome.pipelines.making import check_measured, recipe_of
from connectome.schema import schema_versions
from connectome.store import Manifest, Repository, verify
from connectome.store.digest import array_digests, combine
from connectome.store.record import check_record_id
from support import killing
from support.ingesting import assert_nothing_half_made, contents, snapshot

if TYPE_CHECKING:
    from connectome.pipelines.jobs import Job


class DerivedContract(FirstIngest):
    """Inherit, and say which derived dataset."""

    derived: ClassVar[str]
    mirror: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls) -> DerivedDataset:
        """The derived dataset."""
        return load_derived(cls.derived)

    @pytest.fixture(scope="class")
    @classmethod
    def families(cls, adapter: DerivedDataset) -> dict[str, set[str]]:
        """Parent dataset to the records of it that are used."""
        found: dict[str, set[str]] = {}
        for name in adapter.parents():
            dataset, _, record = name.partition("/")
            found.setdefault(dataset, set()).add(record)
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def before(cls, families: dict[str, set[str]], data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A root that holds the parents and nothing else."""
        root = tmp_path_factory.mktemp(cls.derived) / "before"

        def make() -> None:
            for dataset, records in families.items():
                ingest(Repository(root), dataset, select=",".join(sorted(records)), mirror=data_dir / cls.mirror)

        # In a child, like everything that writes here: the parent process stays as it was before each fork.
        killing.undisturbed(make, root=root)
        shutil.rmtree(root / "raw")
        return root

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, before: Path) -> Path:
        """The root of the first ingest."""
        return Path(shutil.copytree(before, before.with_name("root")))

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, adapter: DerivedDataset, root: Path) -> killing.Outcome:
        """The first ingest: its result and the steps that it took on the file system."""
        outcome = killing.undisturbed(partial(ingest, Repository(root), adapter.dataset), root=root)
        assert outcome.result.created
        return outcome

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, adapter: DerivedDataset, before: Path) -> RawFiles:
        """The parents as inputs."""
        found, missing = find_parents(Repository(before), adapter)
        assert missing == ()
        return RawFiles(found)

    def test_it_is_made_from_records_alone_and_the_catalogue_says_from_whose_data(
        self, adapter: DerivedDataset, families: dict[str, set[str]]
    ) -> None:
        entries = load_catalog()
        entry = entries[adapter.dataset]
        assert entry.derived == self.derived == adapter.id
        assert adapter.files() == ()
        served = {source.id for dataset in families for source in entries[dataset].sources}
        assert {source.id for source in entry.sources} <= served
        assert all(not entries[dataset].derived for dataset in families)
        for record, parents in adapter.records.items():
            check_record_id(record)
            assert parents, record
            assert len(set(parents)) == len(parents), record

    def test_discovery_is_stable_whatever_the_order_of_the_parents(
        self, adapter: DerivedDataset, raw: RawFiles
    ) -> None:
        found = adapter.discover(raw)
        assert found == load_derived(self.derived).discover(RawFiles(list(raw.values())[::-1]))
        assert found.rejected == ()
        assert [job.record for job in found.jobs] == list(adapter.records)
        assert len({recipe_of(job).digest for job in found.jobs}) == len(found.jobs)
        for job in found.jobs:
            assert [item.path for item in job.inputs] == sorted(
                f"{SCHEME}{name}" for name in adapter.records[job.record]
            )

    def test_every_parent_is_used_and_the_census_adds_up(self, raw: RawFiles, manifest: Manifest) -> None:
        used = {item["path"] for receipt in manifest.records.values() for item in receipt.recipe["inputs"]}
        assert used == set(raw)
        assert (manifest.census.seen, manifest.census.used, manifest.census.rejected) == (len(used), len(used), 0)

    def test_its_version_names_its_parents_and_its_recipes_their_contents(
        self, raw: RawFiles, families: dict[str, set[str]], manifest: Manifest, root: Path
    ) -> None:
        assert sorted(name.partition("@")[0] for name in manifest.parents) == sorted(families)
        held = {
            f"{SCHEME}{name.partition('@')[0]}/{record}": receipt.content
            for name in manifest.parents
            for record, receipt in Repository(root).find(name).records.items()
        }
        for receipt in manifest.records.values():
            for item in receipt.recipe["inputs"]:
                assert item["sha256"] == held[item["path"]] == raw[item["path"]].sha256

    def test_its_parents_are_only_read(
        self, families: dict[str, set[str]], manifest: Manifest, before: Path, root: Path
    ) -> None:
        assert manifest.records
        for dataset in families:
            assert contents(before / dataset) == contents(root / dataset)

    def test_nothing_that_is_stored_names_this_machine(self, manifest: Manifest, root: Path) -> None:
        for path in (root, Path.home(), Path.cwd()):
            assert str(path) not in manifest.to_bytes().decode()
        for file in sorted((root / manifest.dataset / "records").glob("*/*")):
            assert str(root).encode() not in file.read_bytes()

    def test_making_again_gives_the_same_content(
        self, adapter: DerivedDataset, jobs: dict[str, Job], manifest: Manifest
    ) -> None:
        for name, job in jobs.items():
            tree = adapter.read(job)
            schema.validate(tree, subject=name)
            assert combine(tree, array_digests(tree)) == manifest.records[name].content, name

    def test_another_process_elsewhere_gives_the_same_files(
        self, adapter: DerivedDataset, before: Path, root: Path, result: IngestResult, tmp_path: Path
    ) -> None:
        """Another hash seed, locale, time zone, folder and root."""
        other = Path(shutil.copytree(before, tmp_path / "other root"))
        command = [sys.executable, "-m", "connectome.pipelines.cli", "ingest", adapter.dataset, "--json"]
        done = subprocess.run(
            [*command, "--root", "other root"],
            cwd=tmp_path,
            env={**os.environ, **ELSEWHERE},
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert json.loads(done.stdout)["digest"] == result.digest
        mine, theirs = (contents(item / adapter.dataset / "records") for item in (root, other))
        assert mine == theirs

    def test_every_record_is_valid_says_what_it_is_and_every_byte_is_verified(
        self, manifest: Manifest, root: Path
    ) -> None:
        found = verify(Repository(root), manifest.dataset)
        assert found.ok, found.damaged
        assert found.n_records == len(manifest.records) > 0
        for name, receipt in manifest.records.items():
            for attribute in ("title", "species"):
                assert receipt.attributes.get(attribute), f"{name} has no {attribute}"

    def test_the_stated_facts_are_met_and_every_record_has_some(
        self, adapter: DerivedDataset, manifest: Manifest
    ) -> None:
        expected = adapter.expected()
        assert set(expected.records) == set(manifest.records) == set(adapter.records)
        for name, receipt in manifest.records.items():
            assert any(expected.records[name].values()), f"nothing is expected of {name}"
            check_measured(receipt.facts, expected, record=name)

    def test_contents_are_those_of_the_stated_version(
        self, adapter: DerivedDataset, manifest: Manifest, update_golden: bool
    ) -> None:
        kinds = {group["kind"] for receipt in manifest.records.values() for group in receipt.facts.values()}
        found = {
            "version": adapter.version,
            "schemas": {kind: schema_versions()[kind] for kind in sorted(kinds)},
            "parents": {
                item["path"].removeprefix(SCHEME): item["sha256"]
                for receipt in manifest.records.values()
                for item in receipt.recipe["inputs"]
            },
            "records": {name: receipt.content for name, receipt in sorted(manifest.records.items())},
        }
        path = GOLDEN / "derived" / f"{self.derived}.json"
        if update_golden:
            write_golden(path, found)
        assert path.is_file(), "no golden digests: pytest tests/contract --update-golden"
        assert json.loads(path.read_text()) == found, (
            "what is made has changed, or a parent: raise the version of what changed, then write the digests anew"
        )

    def test_a_second_ingest_makes_nothing_and_changes_nothing(
        self, adapter: DerivedDataset, result: IngestResult, root: Path, monkeypatch: Any
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a record was made again")

        monkeypatch.setattr(type(adapter), "make", refuse)
        before = snapshot(root)
        again = ingest(Repository(root), adapter.dataset)
        assert (again.created, again.version, again.digest) == (False, result.version, result.digest)
        assert set(again.reused) == set(result.added)
        assert snapshot(root) == before

    def test_killed_again_and_again_it_leaves_nothing_half_made_and_comes_to_the_same_end(
        self, adapter: DerivedDataset, first: killing.Outcome, before: Path, root: Path, tmp_path: Path
    ) -> None:
        torn = Path(shutil.copytree(before, tmp_path / "root"))
        action = partial(ingest, Repository(torn), adapter.dataset)
        chance = np.random.default_rng(zlib.crc32(self.derived.encode()))
        left = len(first.steps)
        for number in range(N_KILLS):
            at = int(chance.integers(1, max(2, left // (N_KILLS - number))))
            assert killing.run(action, root=torn, kill_at=at, torn=bool(number % 2)).killed
            assert_nothing_half_made(torn)
            left -= at
        last = killing.undisturbed(action, root=torn).result
        assert last.digest == first.result.digest
        assert contents(torn / adapter.dataset / "records") == contents(root / adapter.dataset / "records")
        assert_nothing_half_made(torn)

    def test_without_any_one_parent_its_records_are_not_made_and_the_parent_is_named(
        self, adapter: DerivedDataset, raw: RawFiles, before: Path, tmp_path: Path
    ) -> None:
        for path in raw:
            name = path.removeprefix(SCHEME)
            found = adapter.discover(RawFiles([raw[other] for other in raw if other != path]))
            assert {job.record for job in found.jobs} == {
                record for record, parents in adapter.records.items() if name not in parents
            }
            used = {item.path for job in found.jobs for item in job.inputs}
            assert used | {item.file for item in found.rejected} == set(raw) - {path}
        # A store in which one dataset is missing altogether.
        lost = adapter.parents()[0].partition("/")[0]
        copy = Path(shutil.copytree(before, tmp_path / "root"))
        shutil.rmtree(copy / lost)
        _, missing = find_parents(Repository(copy), adapter)
        with pytest.raises(NotFoundError, match="parents of the derived dataset are missing") as caught:
            check_parents(adapter, missing)
        assert f"connectome ingest {lost}" in str(caught.value.hint)
        with pytest.raises(NotFoundError):
            ingest(Repository(copy), adapter.dataset)
        assert not (copy / adapter.dataset).exists()
