"""The store against a model of plain dictionaries: whatever is done to it, and wherever a process dies in between.

Every write runs in a forked child, which may be killed at a step on the file system (``support/killing.py``). The model
knows the contents of every version that was made and what a commit must call the next one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectome.errors import ConflictError
from connectome.store import Receipt, Repository, collect, open_version, write_record
from support.generated_records import generated_recipe, generated_record
from support.killing import run

NAME = "generated"
RECORDS = ("a", "b", "c")
VALUES = (1.0, 2.0, 3.0)
DAY_S = 24 * 3600.0


@dataclass
class Model:
    """What the store must hold."""

    versions: dict[str, dict[str, float]] = field(default_factory=dict)
    """Version to record to value, oldest first."""
    about: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def latest(self) -> str | None:
        return list(self.versions)[-1] if self.versions else None

    def next(self, records: dict[str, float], about: int) -> str:
        """Return the number that a commit must get; that of the latest version where nothing differs."""
        if self.latest is None:
            return "1.0.0"
        old = self.versions[self.latest]
        major, minor, patch = (int(part) for part in self.latest.split("."))
        if any(records.get(name) != value for name, value in old.items()):
            return f"{major + 1}.0.0"
        if len(records) > len(old):
            return f"{major}.{minor + 1}.0"
        return f"{major}.{minor}.{patch + (about != self.about[self.latest])}"

    def add(self, version: str, records: dict[str, float], about: int) -> None:
        if version not in self.versions:
            self.versions[version] = records
            self.about[version] = about


contents = st.dictionaries(st.sampled_from(RECORDS), st.sampled_from(VALUES), min_size=1)
steps = st.one_of(st.none(), st.none(), st.integers(1, 24))
"""Where a child dies; mostly it does not."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
class Machine(RuleBasedStateMachine):
    @initialize()
    def empty(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="store-model-"))
        self.root = self.folder / "root"
        self.repository = Repository(self.root)
        self.model = Model()
        self.files: dict[str, bytes] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # What can be done

    def place(self, records: dict[str, float]) -> list[Receipt]:
        """Put record files where they belong; the bytes were made once, as an ingest that is resumed finds them."""
        receipts = []
        for name, value in records.items():
            receipt, data = made(name, value)
            file = self.repository.folder(NAME) / receipt.file
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            self.repository.remember(NAME, receipt)
            receipts.append(receipt)
        return receipts

    @rule(records=contents, keep_others=st.booleans(), about=st.integers(0, 1), kill_at=steps, torn=st.booleans())
    def commit(self, records: dict[str, float], keep_others: bool, about: int, kill_at: int | None, torn: bool) -> None:
        receipts = self.place(records)
        kept = self.model.versions[self.model.latest] if keep_others and self.model.latest else {}
        whole = kept | records
        expected = self.model.next(whole, about)

        def act() -> tuple[str, bool]:
            done = self.repository.commit(NAME, receipts, about={"note": about}, keep_others=keep_others)
            return done.manifest.version, done.created

        is_new = expected not in self.model.versions
        outcome = run(act, root=self.root, kill_at=kill_at, torn=torn)
        if outcome.killed and expected not in self.repository.versions(NAME):
            # Not made. What was finished is still remembered.
            assert {receipt.recipe_digest for receipt in receipts} <= self.repository.recipes(NAME).keys()
            return
        self.model.add(expected, whole, about)
        if not outcome.killed:
            assert outcome.result == (expected, is_new)

    @precondition(lambda self: self.model.versions)
    @rule(data=st.data(), name=st.sampled_from(["paper", "draft"]), move=st.booleans(), kill_at=steps)
    def tag(self, data: Any, name: str, move: bool, kill_at: int | None) -> None:
        version = data.draw(st.sampled_from(list(self.model.versions)))
        before = self.model.tags.get(name)

        def act() -> str:
            try:
                return self.repository.tag(f"{NAME}@{version}", name, move=move)
            except ConflictError:
                return "conflict"

        outcome = run(act, root=self.root, kill_at=kill_at)
        if move or before in (None, version):
            if outcome.killed:
                now = self.repository.tags(NAME).get(name)
                assert now in {before, version}
                if now is not None:
                    self.model.tags[name] = now
                return
            assert outcome.result == version
            self.model.tags[name] = version
        elif not outcome.killed:
            assert outcome.result == "conflict"

    @rule(grace_s=st.sampled_from([0.0, DAY_S]), kill_at=steps)
    def collect(self, grace_s: float, kill_at: int | None) -> None:
        stray = self.repository.folder(NAME) / made("stray", 1.0)[0].file
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"stray")
        outcome = run(lambda: collect(self.repository, grace_s=grace_s), root=self.root, kill_at=kill_at)
        if grace_s:
            assert stray.exists(), "too young"
        elif not outcome.killed:
            assert not stray.exists()
            assert not (self.root / "staging").exists()
            listed = {made(*item)[0].file for records in self.model.versions.values() for item in records.items()}
            folder = self.repository.folder(NAME)
            assert {path.relative_to(folder).as_posix() for path in folder.glob("records/*/*")} == listed

    @rule()
    def reopen(self) -> None:
        self.repository = Repository(str(self.root))

    # What must hold at any time

    @invariant()
    def versions_are_those_of_the_model(self) -> None:
        assert self.repository.versions(NAME) == list(self.model.versions)
        if self.model.latest is not None:
            assert self.repository.resolve(NAME) == (NAME, self.model.latest)
        tags = self.repository.tags(NAME)
        tags.pop("latest", None)
        assert tags == self.model.tags

    @invariant()
    def every_version_reads_back_with_its_own_contents(self) -> None:
        for version, records in self.model.versions.items():
            manifest = self.repository.find(f"{NAME}@{version}")
            assert {name: item.content for name, item in manifest.records.items()} == {
                name: made(name, value)[0].content for name, value in records.items()
            }
            for receipt in manifest.records.values():
                file = self.repository.folder(NAME) / receipt.file
                assert file.stat().st_size == receipt.size_bytes
        if self.model.latest is not None:
            opened = open_version(NAME, root=self.root)
            for name, value in self.model.versions[self.model.latest].items():
                assert (opened.open(name)["activity/signal"].values == value).all()

    @invariant()
    def no_version_file_ever_changes(self) -> None:
        for version in self.model.versions:
            data = (self.root / NAME / "versions" / f"{version}.json").read_bytes()
            assert self.files.setdefault(version, data) == data


_made: dict[tuple[str, float], tuple[Receipt, bytes]] = {}


def made(name: str, value: float) -> tuple[Receipt, bytes]:
    """Return a record's receipt and bytes; each is written once."""
    if (name, value) not in _made:
        folder = Path(tempfile.mkdtemp(prefix="store-model-"))
        receipt = write_record(
            generated_record(value), folder, record=name, recipe=generated_recipe(name, value), staging=folder / "s"
        )
        _made[name, value] = receipt, (folder / receipt.file).read_bytes()
        shutil.rmtree(folder)
    return _made[name, value]


TestStoreModel = Machine.TestCase
TestStoreModel.settings = settings(
    max_examples=30,
    stateful_step_count=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
