"""Several processes at one store: what was acknowledged stays, versions form one line, nothing is half-made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import atomic
from connectome.errors import ConflictError
from connectome.store import Repository, collect, open_version, verify
from connectome.store.collect import GRACE_S
from support.generated_records import put
from support.writers import NAME, commit_each, commit_or_clean, make_old, pool, tag, together

N_WORKERS = 4


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    with pool(N_WORKERS) as made:
        yield made


def assert_one_line(repository: Repository) -> list[str]:
    """Assert that every version follows the one before it and is whole."""
    log = repository.log(NAME)[::-1]
    assert [item.previous for item in log] == [None, *(item.version for item in log[:-1])]
    assert repository.tags(NAME)["latest"] == log[-1].version
    assert all(verify(repository, f"{NAME}@{item.version}").ok for item in log)
    assert not list(repository.path.rglob(".*.tmp"))
    return [item.version for item in log]


def test_no_acknowledged_commit_of_many_writers_is_lost(workers: Any, tmp_path: Path) -> None:
    root = tmp_path / "root"
    tasks = [(root, [f"w{worker}-{at}" for at in range(4)], float(worker)) for worker in range(N_WORKERS)]
    done = [item for each in together(workers, commit_each, tasks) for item in each]
    repository = Repository(root)
    versions = assert_one_line(repository)
    assert all(created for _, _, created in done)
    # Every acknowledged commit has a version of its own, and that version is in the line.
    assert sorted(version for _, version, _ in done) == sorted(versions)
    for record, version, _ in done:
        since = versions.index(version)
        assert record in repository.find(f"{NAME}@{version}").records
        assert all(record in repository.find(f"{NAME}@{later}").records for later in versions[since:])
    assert len(repository.find(NAME).records) == 4 * N_WORKERS


def test_the_same_record_committed_by_many_at_once_is_one_version(workers: Any, tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = [item for each in together(workers, commit_each, [(root, ["same"], 1.0)] * N_WORKERS) for item in each]
    assert sorted(created for _, _, created in done) == [False] * (N_WORKERS - 1) + [True]
    assert {version for _, version, _ in done} == {"1.0.0"}
    assert assert_one_line(Repository(root)) == ["1.0.0"]
    assert len(list(root.glob(f"{NAME}/records/same/*"))) == 1


def test_different_contents_of_one_record_follow_one_another(workers: Any, tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = together(workers, commit_each, [(root, ["same"], float(worker)) for worker in range(N_WORKERS)])
    assert assert_one_line(Repository(root)) == [f"{major}.0.0" for major in range(1, N_WORKERS + 1)]
    for worker, ((_, version, created),) in enumerate(done):
        assert created
        signal = open_version(f"{NAME}@{version}", root=root).open("same")["activity/signal"]
        np.testing.assert_array_equal(signal, np.full((2, 8), float(worker)))


def many_versions(root: Path) -> Repository:
    repository = Repository(root)
    for value in range(N_WORKERS):
        repository.commit(NAME, [put(repository, NAME, "a", float(value))])
    return repository


def test_of_many_who_set_one_tag_one_succeeds(workers: Any, tmp_path: Path) -> None:
    repository = many_versions(tmp_path / "root")
    tasks = [(repository.path, f"{NAME}@{version}", "paper", False) for version in repository.versions(NAME)]
    winners = [version for version in together(workers, tag, tasks) if version is not None]
    assert winners == [repository.tags(NAME)["paper"]]
    with pytest.raises(ConflictError):
        repository.tag(f"{NAME}@{1 if winners != ['1.0.0'] else 2}", "paper")


def test_a_tag_moved_by_many_points_to_a_version_of_one_of_them(workers: Any, tmp_path: Path) -> None:
    repository = many_versions(tmp_path / "root")
    tasks = [(repository.path, f"{NAME}@{version}", "paper", True) for version in repository.versions(NAME)]
    assert together(workers, tag, tasks) == repository.versions(NAME)
    assert repository.tags(NAME)["paper"] in repository.versions(NAME)
    assert sorted(path.name for path in (repository.path / NAME / "refs").iterdir()) == ["latest", "paper"]


def test_collecting_garbage_beside_commits_takes_nothing_from_them(workers: Any, tmp_path: Path) -> None:
    root = tmp_path / "root"
    records = [[f"w{worker}-{at}" for at in range(5)] for worker in range(N_WORKERS - 1)]
    old = root / NAME / "records" / "abandoned" / "0123456789abcdef.zarr.zip"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an ingest that never came to its commit")
    make_old(old)
    for name in (name for each in records for name in each):
        # Folders that are empty and old: the collector removes them while the writers fill them.
        folder = root / NAME / "records" / name
        folder.mkdir()
        make_old(folder)
    n_removed = together(workers, commit_or_clean, [*((root, each, 0) for each in records), (root, [], 150)])[-1]
    assert n_removed == 1
    assert not old.exists()
    assert_one_line(Repository(root))
    assert sorted(Repository(root).find(NAME).records) == sorted(name for each in records for name in each)


def test_an_old_record_is_safe_from_the_moment_its_commit_checks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest that was interrupted days ago is resumed, and garbage is collected just before its version is made."""
    repository = Repository(tmp_path / "root")
    receipt = put(repository, NAME, "a", 1.0)
    make_old(repository.folder(NAME) / receipt.file)
    write_exclusive, collections = atomic.write_exclusive, []

    def collect_first(target: Path, data: bytes) -> None:
        collections.append(collect(repository, grace_s=GRACE_S))
        write_exclusive(target, data)

    monkeypatch.setattr(atomic, "write_exclusive", collect_first)
    repository.commit(NAME, [receipt])
    assert [(item.removed, item.kept_young) for item in collections] == [((), 1)]
    assert verify(repository, NAME).ok


def test_a_folder_that_is_removed_just_before_a_file_is_put_into_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, removed = Path.replace, []

    def lose_the_folder_once(path: Path, target: Path) -> Path:
        if not removed:
            removed.append(target.parent)
            target.parent.rmdir()
        return replace(path, target)

    source, target = tmp_path / "made", tmp_path / "deep" / "folder" / "file"
    source.write_bytes(b"data")
    monkeypatch.setattr(Path, "replace", lose_the_folder_once)
    atomic.publish(source, target)
    assert target.read_bytes() == b"data"
    assert removed == [target.parent]


def test_a_source_that_is_not_there_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic.publish(tmp_path / "nothing", tmp_path / "folder" / "file")


def test_a_dry_run_removes_nothing_and_says_what_would_go(tmp_path: Path) -> None:
    repository = many_versions(tmp_path / "root")
    stray = repository.folder(NAME) / put(repository, NAME, "stray", 1.0).file
    size = stray.stat().st_size
    young = collect(repository, dry_run=True)
    assert (young.removed, young.kept_young) == ((), 1)
    told = collect(repository, grace_s=0.0, dry_run=True)
    assert (told.removed, told.size_bytes) == ((stray.relative_to(repository.path).as_posix(),), size)
    assert stray.is_file()
    assert told.as_dict()["dry_run"] is True
    assert collect(repository, grace_s=0.0).removed == told.removed
    assert not stray.parent.exists()
    assert all(verify(repository, f"{NAME}@{version}").ok for version in repository.versions(NAME))


def test_files_that_are_not_the_stores_are_left_alone(tmp_path: Path) -> None:
    repository = many_versions(tmp_path / "root")
    mine = [
        repository.path / "notes.txt",
        repository.path / "project" / "records" / "diary" / "today.txt",
        repository.path / "lost+found" / "records" / "a" / "b.zarr.zip",
        repository.path / NAME / "README.md",
        repository.path / NAME / "records" / "a" / "notes.txt",
        repository.path / NAME / "data" / "train.parquet",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    assert collect(repository, grace_s=0.0).removed == ()
    assert all(path.is_file() for path in mine)


def test_raw_files_go_only_when_asked_for(tmp_path: Path) -> None:
    repository = many_versions(tmp_path / "root")
    raw = repository.raw / "0123" / "file.csv"
    raw.parent.mkdir(parents=True)
    raw.write_text("fetched")
    assert collect(repository, grace_s=0.0).removed == ()
    assert collect(repository, grace_s=0.0, raw=True).removed == ("raw/0123/file.csv",)
    assert not repository.raw.exists()
