"""SIGKILL at every step on the file system: earlier versions stay readable, and the next run ends as if undisturbed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

import connectome.store.grid as grid
from connectome.store import Manifest, Receipt, Repository, collect, verify
from connectome.store.canonical import file_sha256
from connectome.store.record import SHORT, SUFFIX
from support.generated_records import generated_recipe, put
from support.killing import Step, each_kill, run, spread, undisturbed

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")

NAME = "generated"
TAGS = {"latest": "1.0.0", "paper": "1.0.0"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a root with one tagged version of the record ``kept``, and a stray record file from earlier work."""
    root = tmp_path_factory.mktemp("before") / "root"

    def make() -> None:
        repository = Repository(root)
        repository.commit(NAME, [put(repository, NAME, "kept", 1.0)])
        repository.tag(NAME, "paper")
        put(repository, NAME, "stray", 9.0)

    # In a child, like everything that writes here: the parent stays as it was before each fork.
    undisturbed(make, root=root)
    return root


@pytest.fixture
def fresh(before: Path, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Return a function that puts the root back to where it was."""
    root = tmp_path / "root"

    def again() -> Path:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root)
        return root

    return again


def finish(root: Path, record: str = "new") -> Receipt:
    """Make a record unless it is there already, as an ingest does, and remember it."""
    repository = Repository(root)
    receipt = repository.recipes(NAME).get(generated_recipe(record, 2.0).digest)
    if receipt is None:
        receipt = put(repository, NAME, record, 2.0)
        repository.remember(NAME, receipt)
    return receipt


def publish(root: Path) -> Manifest:
    """Commit two records, tag the version, move a tag to it, and remove what nothing refers to."""
    repository = Repository(root)
    receipts = [finish(root), *repository.find(f"{NAME}@1.0.0").records.values()]
    manifest = repository.commit(NAME, receipts).manifest
    repository.tag(NAME, "second")
    repository.tag(NAME, "paper", move=True)
    collect(repository, grace_s=0.0)
    return manifest


def check_after_kill(root: Path, step: Step) -> None:
    """Assert what must hold whenever the process died."""
    repository = Repository(root)
    versions = repository.versions(NAME)
    assert versions in (["1.0.0"], ["1.0.0", "1.1.0"]), step
    for version in versions:
        assert verify(repository, f"{NAME}@{version}").ok, step
    assert list(repository.find(f"{NAME}@1.0.0").records) == ["kept"]
    for tag, version in TAGS.items():
        assert repository.tags(NAME)[tag] in {version, versions[-1]}, step
    for file in (root / NAME).glob("records/*/*"):
        # What has its final name is whole.
        assert file.name == f"{file_sha256(file)[:SHORT]}{SUFFIX}", step


def remembered(steps: Sequence[Step]) -> list[str]:
    """Return the recipes of records that were finished before the last step."""
    done = [Path(step.path) for step in steps[:-1] if step.event == "os.rename"]
    return [path.stem for path in done if path.parts[:2] == ("staging", NAME) and path.suffix == ".json"]


def in_the_open(steps: Sequence[Step]) -> list[Step]:
    """Choose every step outside the folder in which a record is prepared, and some of those inside."""
    prepared = [step for step in steps if step.path.startswith("staging/new.")]
    chosen = spread(prepared, 16)
    return [step for step in steps if step not in prepared or step in chosen]


def after_writing(steps: Sequence[Step]) -> list[Step]:
    """Choose the steps before which a file was being written."""
    return [step for before, step in pairwise(steps) if before.event == "open"]


@pytest.mark.parametrize("large", [False, True], ids=["in memory", "in a staging folder"])
@pytest.mark.parametrize("torn", [False, True], ids=["between writes", "within a write"])
def test_a_record_killed_while_it_is_written_is_not_there_and_can_be_written(
    fresh: Callable[[], Path], torn: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One array after another, so that every run takes the same steps.
    monkeypatch.setattr(grid, "MOST_THREADS", 1)
    monkeypatch.setattr(grid, "MANY_BYTES", 0 if large else grid.MANY_BYTES)
    expected = undisturbed(lambda: finish(root), root=(root := fresh())).result
    n_kills = n_remembered = 0
    choose = after_writing if torn else in_the_open
    for step, place, outcome in each_kill(finish, fresh=fresh, torn=torn, choose=choose):
        assert outcome.killed, step
        check_after_kill(place, step)
        repository = Repository(place)
        for recipe in remembered(outcome.steps):
            n_remembered += 1
            assert repository.recipes(NAME)[recipe] == expected, step
        files = list((place / NAME / "records" / "new").glob(f"*{SUFFIX}"))
        assert [file.name for file in files] in ([], [Path(expected.file).name]), step
        assert finish(place) == expected, step
        n_kills += 1
    assert n_kills > ((5 if large else 2) if torn else 10)
    assert torn or n_remembered > 0


@pytest.mark.parametrize("torn", [False, True], ids=["between writes", "within a write"])
def test_a_commit_killed_at_any_step_is_made_or_not_made(fresh: Callable[[], Path], torn: bool) -> None:
    root = fresh()
    expected = undisturbed(lambda: publish(root), root=root).result
    expected_files = files_of(root)

    def prepared() -> Path:
        place = fresh()
        undisturbed(lambda: finish(place), root=place)
        return place

    n_kills = 0
    choose = after_writing if torn else list
    for step, place, outcome in each_kill(publish, fresh=prepared, torn=torn, choose=choose):
        check_after_kill(place, step)
        repository = Repository(place)
        # Finished work is not lost: it is remembered until a version lists it.
        assert generated_recipe("new", 2.0).digest in repository.recipes(NAME), step
        again = publish(place)
        assert (again.version, again.digest) == (expected.version, expected.digest), step
        assert repository.tags(NAME) == {"latest": "1.1.0", "paper": "1.1.0", "second": "1.1.0"}, step
        assert verify(repository, NAME).ok, step
        assert files_of(place) == expected_files, step
        assert outcome.killed, step
        n_kills += 1
    assert n_kills > (4 if torn else 15)


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_garbage_collection_killed_at_any_step_removes_only_what_nothing_refers_to(fresh: Callable[[], Path]) -> None:
    def litter() -> Path:
        root = fresh()
        for name in ("one", "two"):
            work = root / "staging" / f"{name}.0123" / "zarr" / "activity"
            work.mkdir(parents=True)
            (work / "zarr.json").write_text("{}")
        return root

    def tidy(root: Path) -> None:
        collect(Repository(root), grace_s=0.0)

    n_kills = 0
    for step, root, outcome in each_kill(tidy, fresh=litter):
        check_after_kill(root, step)
        tidy(root)
        assert not (root / "staging").exists(), step
        assert [path.name for path in (root / NAME / "records").iterdir()] == ["kept"], step
        n_kills += outcome.killed
    assert n_kills >= 5


def test_the_first_version_of_a_dataset_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    root = tmp_path / "root"

    def prepared() -> Path:
        shutil.rmtree(root, ignore_errors=True)
        undisturbed(lambda: put(Repository(root), NAME, "a", 1.0), root=root)
        return root

    def first(place: Path) -> str:
        repository = Repository(place)
        return repository.commit(NAME, [put(repository, NAME, "a", 1.0)]).manifest.digest

    expected = undisturbed(lambda: first(root), root=prepared()).result
    for step, place, outcome in each_kill(first, fresh=prepared, within=NAME):
        assert outcome.killed, step
        repository = Repository(place)
        if repository.versions(NAME):
            assert verify(repository, NAME).ok, step
        assert first(place) == expected, step
        assert repository.tags(NAME) == {"latest": "1.0.0"}, step


def test_the_killer_sees_every_kind_of_step_and_stops_before_it(tmp_path: Path) -> None:
    """The tool itself: without this, tests that never kill would pass."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()

    def act() -> str:
        (root / "folder").mkdir()
        (root / "folder" / "a").write_bytes(b"0123456789")
        outside.write_bytes(b"not counted")
        (root / "folder" / "a").read_bytes()
        os.rename(root / "folder" / "a", root / "b")  # noqa: PTH104 - the event is that of os.rename
        os.link(root / "b", root / "c")
        (root / "c").chmod(0o600)
        (root / "b").unlink()
        shutil.rmtree(root / "folder")
        return "done"

    whole = undisturbed(act, root=root)
    assert whole.result == "done"
    assert [(step.event, step.path) for step in whole.steps] == [
        ("os.mkdir", "folder"),
        ("open", "folder/a"),
        ("os.rename", "b"),
        ("os.link", "c"),
        ("os.chmod", "c"),
        ("os.remove", "b"),
        ("os.rmdir", "folder"),
    ]
    for torn, kept in ((False, 10), (True, 5)):
        shutil.rmtree(root)
        root.mkdir()
        outcome = run(act, root=root, kill_at=3, torn=torn)
        assert outcome.killed
        assert len(outcome.steps) == 3
        assert (root / "folder" / "a").stat().st_size == kept
        assert not (root / "b").exists()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run(lambda: 1 / 0, root=root)
