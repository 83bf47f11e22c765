"""What every source promises, as tests that a class of three lines inherits.

    class TestWhite1986(SourceContract):
        source = "white1986"
        mirror = "worm"

``mirror`` is the folder below the real files (``CONNECTOME_TEST_DATA``) that holds the raw files; None when a package
on the index carries them (mark the class ``package`` then).

Golden digests. ``golden/<source>.json`` holds the content digest of every record of a source. They are the same on
every machine. When one changes, the reader's output has changed: raise the ``version`` of the source (or of the
schema), say why in the changelog, and write the digests anew::

    pytest tests/contract --update-golden -k TestWhite1986

The option refuses to write a changed digest under a version that has one already.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from contract.first_ingest import FirstIngest

from connectome import schema
from connectome.errors import ConnectomeError
from connectome.pipelines.fetch import safe_relative
from connectome.pipelines.ingest import IngestResult, fetch_source, ingest
from connectome.pipelines.jobs import Job, RawFile, RawFiles, Rejected, Source
from connectome.pipelines.making import check_measured, recipe_of
from connectome.pipelines.planning import discover, matches
from connectome.pipelines.sources import load_source
from connectome.schema import schema_versions
from connectome.store import Manifest, Repository, verify
from connectome.store.digest import array_digests, combine
from connectome.store.record import check_record_id
from support import killing
from support.ingesting import assert_nothing_half_made, catalogue_of, contents, snapshot

GOLDEN = Path(__file__).parent / "golden"
N_KILLS = 3
ELSEWHERE = {
    "PYTHONHASHSEED": "4711", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "tr_TR",
    "TZ": "Pacific/Chatham", "OMP_NUM_THREADS": "3", "BLOSC_NTHREADS": "3",
}  # fmt: skip
"""Another machine, as far as environment variables can tell."""


class SourceContract(FirstIngest):
    """Inherit, and say which source."""

    source: ClassVar[str]
    mirror: ClassVar[str | None]
    allow_missing: ClassVar[bool] = False
    """Whether the source lists large files with their checksums, few of which are at hand."""
    select: ClassVar[str | None] = None
    """Globs on the records that stand for all of a source that has hundreds."""

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls) -> Source:
        """The source."""
        return load_source(cls.source)

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, request: pytest.FixtureRequest) -> Path | None:
        """Where its raw files are taken from; None is their home."""
        if cls.mirror is None:
            return None
        folder: Path = request.getfixturevalue("data_dir") / cls.mirror
        if not folder.is_dir():
            pytest.skip(f"the raw files of {cls.source} are not here ({folder})")
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def catalogue(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        """A catalogue in which the source is a dataset of its own."""
        path = catalogue_of(cls.source, tmp_path_factory.mktemp("catalogue"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONNECTOME_CATALOG", str(path))
            yield path

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The root of the first ingest."""
        return tmp_path_factory.mktemp(cls.source) / "root"

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, adapter: Source, place: Path | None, catalogue: Path, root: Path) -> killing.Outcome:
        """The first ingest: its result and the steps that it took on the file system."""
        outcome = killing.undisturbed(
            partial(
                ingest,
                Repository(root),
                adapter.dataset,
                select=cls.select,
                mirror=place,
                allow_missing=cls.allow_missing,
            ),
            root=root,
        )
        assert outcome.result.created
        return outcome

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, result: IngestResult, adapter: Source, root: Path, place: Path | None) -> RawFiles:
        """The raw files that it fetched; optional ones that cannot be had are missing."""
        fetched = fetch_source(
            Repository(root), adapter, select=cls.select, mirror=place, allow_missing=cls.allow_missing
        )
        return RawFiles(fetched.files)

    @pytest.fixture(scope="class")
    @classmethod
    def jobs(cls, adapter: Source, raw: RawFiles) -> dict[str, Job]:
        """The job of every record that is selected."""
        return {job.record: job for job in adapter.discover(raw).jobs if matches(job.record, cls.select)}

    @pytest.fixture(scope="class")
    @classmethod
    def staged(cls, root: Path, result: IngestResult) -> Path:
        """Where another ingest takes the raw files from: the cache of the first one, by their checksums."""
        assert result.created
        return root / "raw"

    def test_its_files_are_listed_with_safe_paths_checksums_and_licences(self, adapter: Source) -> None:
        files = adapter.files()
        assert files
        assert len({file.path for file in files}) == len(files)
        assert [(file.path, file.url) for file in files] == [(file.path, file.url) for file in adapter.files()]
        for file in files:
            safe_relative(file.path)
            assert re.match(r"https://|pypi:", file.url), file.url
            assert file.licence, file.path
            assert file.optional or (file.sha256 and file.size_bytes), f"{file.path} is required and has no checksum"

    def test_discovery_is_stable_whatever_the_order_of_the_files(self, adapter: Source, raw: RawFiles) -> None:
        found, again = adapter.discover(raw), load_source(self.source).discover(RawFiles(list(raw.values())[::-1]))
        assert found == again
        for job in found.jobs:
            paths = [item.path for item in job.inputs]
            assert paths == sorted(set(paths)), "the inputs of a job are sorted, each once"

    def test_record_ids_are_unique_and_can_be_folders(self, adapter: Source, raw: RawFiles) -> None:
        jobs = adapter.discover(raw).jobs
        names = [job.record for job in jobs]
        assert len({name.lower() for name in names}) == len(names)
        for name in names:
            check_record_id(name)
        # Two records with one recipe could not be told apart when they are looked for to be used again.
        assert len({recipe_of(job).digest for job in jobs}) == len(jobs)

    def test_every_file_is_used_or_rejected_with_a_reason_and_the_census_adds_up(
        self, adapter: Source, raw: RawFiles, jobs: dict[str, Job], manifest: Manifest
    ) -> None:
        used = {item.path for job in jobs.values() for item in job.inputs}
        rejected = {item["file"].partition("#")[0] for item in manifest.rejected}
        listed = {file.path for file in adapter.files()}
        assert used | rejected == listed
        assert manifest.census.seen == len(listed)
        assert manifest.census.used == len(used)
        assert manifest.census.rejected == len(rejected - used)
        for item in manifest.rejected:
            assert item["reason"].strip(), item["file"]
            assert re.fullmatch("[a-z-]+", item["kind"]), item["file"]
            if item["file"] not in raw and "#" not in item["file"]:
                assert item["kind"] == "unavailable"

    def test_nothing_that_is_stored_names_this_machine(
        self, manifest: Manifest, root: Path, place: Path | None
    ) -> None:
        text = manifest.to_bytes().decode()
        for path in (root, Path.home(), Path.cwd(), *([place] if place else [])):
            assert str(path) not in text
        for file in sorted(root.glob("*/records/*/*")):
            assert str(root).encode() not in file.read_bytes()

    def test_reading_again_gives_the_same_content(
        self, adapter: Source, jobs: dict[str, Job], manifest: Manifest
    ) -> None:
        for name, job in jobs.items():
            tree = adapter.read(job)
            schema.validate(tree, subject=name)
            assert combine(tree, array_digests(tree)) == manifest.records[name].content, name

    def test_another_process_elsewhere_gives_the_same_files(
        self, adapter: Source, catalogue: Path, root: Path, result: IngestResult, staged: Path, tmp_path: Path
    ) -> None:
        """Another hash seed, locale, time zone, folder and root; the raw files by another way."""
        command = [sys.executable, "-m", "connectome.pipelines.cli", "ingest", adapter.dataset, "--json"]
        command += ["--root", "other root", "--mirror", str(staged)]
        command += ["--allow-missing"] if self.allow_missing else []
        command += ["--select", self.select] if self.select is not None else []
        environment = {**os.environ, **ELSEWHERE, "CONNECTOME_CATALOG": str(catalogue)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        document = json.loads(done.stdout)
        assert document["digest"] == result.digest
        mine, theirs = (contents(item / adapter.dataset / "records") for item in (root, tmp_path / "other root"))
        assert mine == theirs

    def test_every_record_is_valid_and_every_byte_verified(self, result: IngestResult, root: Path) -> None:
        found = verify(Repository(root), result.dataset)
        assert found.ok, found.damaged
        assert found.n_records == len(result.added) > 0

    def test_every_record_says_what_it_is(self, manifest: Manifest) -> None:
        for name, receipt in manifest.records.items():
            for attribute in ("title", "species", "citation"):
                assert receipt.attributes.get(attribute), f"{name} has no {attribute}"
            assert receipt.facts, name

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        expected = adapter.expected()
        json.loads(expected.as_json())
        assert set(expected.records) == set(manifest.records)
        assert expected.n_records in {None, len(manifest.records)}
        for name, receipt in manifest.records.items():
            assert any(expected.records[name].values()), f"nothing is expected of {name}"
            check_measured(receipt.facts, expected, record=name)

    def test_contents_are_those_of_the_stated_version(
        self, adapter: Source, manifest: Manifest, update_golden: bool
    ) -> None:
        found = {
            "version": adapter.version,
            "schemas": {kind: schema_versions()[kind] for kind in sorted(_kinds(manifest))},
            "records": {name: receipt.content for name, receipt in sorted(manifest.records.items())},
        }
        path = GOLDEN / f"{self.source}.json"
        if update_golden:
            write_golden(path, found)
        assert path.is_file(), "no golden digests: pytest tests/contract --update-golden"
        assert json.loads(path.read_text()) == found, (
            "what the source gives has changed: raise its version, then pytest tests/contract --update-golden"
        )

    def test_a_second_ingest_reads_nothing_and_changes_nothing(
        self, adapter: Source, place: Path | None, catalogue: Path, result: IngestResult, root: Path, monkeypatch: Any
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a record was read again")

        monkeypatch.setattr(type(adapter), "read", refuse)
        before = snapshot(root)
        again = ingest(
            Repository(root), adapter.dataset, select=self.select, mirror=place, allow_missing=self.allow_missing
        )
        assert (again.created, again.version, again.digest) == (False, result.version, result.digest)
        assert set(again.reused) == set(result.added)
        assert again.bytes_downloaded == 0
        assert snapshot(root) == before

    def test_killed_again_and_again_it_leaves_nothing_half_made_and_comes_to_the_same_end(
        self, adapter: Source, catalogue: Path, first: killing.Outcome, root: Path, staged: Path, tmp_path: Path
    ) -> None:
        torn = tmp_path / "root"
        action = partial(
            ingest,
            Repository(torn),
            adapter.dataset,
            select=self.select,
            mirror=staged,
            allow_missing=self.allow_missing,
        )
        chance = np.random.default_rng(zlib.crc32(self.source.encode()))
        left = len(first.steps)
        for number in range(N_KILLS):
            at = int(chance.integers(1, max(2, left // (N_KILLS - number))))
            outcome = killing.run(action, root=torn, kill_at=at, torn=bool(number % 2))
            assert outcome.killed
            assert_nothing_half_made(torn)
            left -= at
        last = killing.undisturbed(action, root=torn).result
        assert last.digest == first.result.digest
        assert set(last.reused) | set(last.added) == set(first.result.added)
        assert contents(torn / adapter.dataset / "records") == contents(root / adapter.dataset / "records")
        assert_nothing_half_made(torn)

    def test_without_any_one_file_the_others_are_still_accounted_for_and_what_is_made_is_valid(
        self, adapter: Source, raw: RawFiles, jobs: dict[str, Job]
    ) -> None:
        for path in raw:
            missing = Rejected(path, "not here", "unavailable")
            left = RawFiles([raw[name] for name in raw if name != path])
            found = discover(adapter, left, select=None, missing=[missing])
            told = {item.file.partition("#")[0] for item in found.rejected}
            assert {item.path for job in found.jobs for item in job.inputs} | told == set(raw)
            # Of the records that can be made without it, the one with the least to read stands for the others.
            changed = [job for job in found.jobs if job != jobs.get(job.record)]
            for job in sorted(changed, key=lambda job: sum(item.size_bytes for item in job.inputs))[:1]:
                schema.validate(adapter.read(job), subject=job.record)

    def test_a_file_that_is_cut_is_refused_in_our_own_words_or_gives_a_valid_record(
        self, adapter: Source, raw: RawFiles, jobs: dict[str, Job], tmp_path: Path
    ) -> None:
        """Checksums keep such files away; a reader that meets one anyway must not fail in a library's words."""
        for path in sorted({item.path for job in jobs.values() for item in job.inputs}):
            cut = _cut(raw[path], tmp_path)
            found = discover(adapter, RawFiles([*(raw[name] for name in raw if name != path), cut]), select=None)
            for job in [job for job in found.jobs if cut in job.inputs][:1]:
                try:
                    schema.validate(adapter.read(job), subject=job.record)
                except ConnectomeError:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, it is not ours
                    pytest.fail(f"{job.record} with half of {path}: {type(error).__name__}: {error}")


def _kinds(manifest: Manifest) -> set[str]:
    return {group["kind"] for receipt in manifest.records.values() for group in receipt.facts.values()}


def _cut(file: RawFile, folder: Path) -> RawFile:
    """Return the first half of a file."""
    half = file.local.read_bytes()[: file.size_bytes // 2]
    local = folder / hashlib.sha256(half).hexdigest() / file.local.name
    local.parent.mkdir(exist_ok=True)
    local.write_bytes(half)
    return RawFile(file.path, local, len(half), local.parent.name, verified=False)


def write_golden(path: Path, found: dict[str, Any]) -> None:
    """Write golden digests, unless a record changed although nothing says so."""
    before = json.loads(path.read_text()) if path.is_file() else {"records": {}}
    if all(before.get(key) == found[key] for key in ("version", "schemas")):
        changed = [name for name, digest in found["records"].items() if before["records"].get(name, digest) != digest]
        assert not changed, f"raise the version of the source first: {', '.join(changed)} changed"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
