"""Publishing to its place: dry runs, folders, a Hub on loopback, and licences that forbid it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectome.errors import ConflictError, UsageError
from connectome.pipelines.publish import licences_of, obstacles, publish
from connectome.store import Repository, open_version, verify
from support.hub_server import HubServer

if TYPE_CHECKING:
    from connectome.store import Version

TOKEN = "loopback-token-that-must-not-be-seen"
CODE = """
import json, sys
from connectome.pipelines.cli import main
sys.exit(main(json.loads(sys.argv[1])))
"""


@pytest.fixture
def version(tmp_path: Path, all_kinds: Any) -> Version:
    """Make a generated version of two records."""
    return all_kinds.commit(tmp_path / "store", {f"animal-{seed}": all_kinds.tree(seed) for seed in (1, 2)})


@pytest.fixture
def hub(request: pytest.FixtureRequest, no_proxies: None) -> Iterator[Any]:
    """Run a Hub on loopback; large files go the way of git LFS, or (as text does) inside the commit."""
    server = HubServer(token=TOKEN, large=getattr(request, "param", "lfs"))
    yield server
    server.close()


def command(hub: Any, home: Path, *arguments: str, token: str = TOKEN) -> tuple[int, dict[str, Any], str]:
    """Run ``connectome`` in a process of its own, where the Hub's address and the token are read on import."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    # The Xet protocol has its own servers; with LFS the client must not try it.
    environment |= {"HF_HUB_DISABLE_XET": "1"} if hub.large == "lfs" else {}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps([*arguments, "--json"])],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert token not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.parametrize("hub", ["lfs", "regular"], indirect=True)
def test_a_push_brings_every_file_and_the_version_becomes_visible_last(
    version: Version, hub: Any, tmp_path: Path
) -> None:
    root = str(version.repository.path)
    code, document, errors = command(
        hub, tmp_path / "home", "publish", version.spec, "--to", "hf://datasets/org/name", "--root", root
    )
    assert code == 0, errors
    dataset = hub.datasets["org/name"]
    built = Path(document["folder"])
    assert dataset.files == {file["path"]: (built / file["path"]).read_bytes() for file in document["files"]}
    visible = {f"{version.dataset}/versions/1.0.0.json", f"{version.dataset}/refs/latest"}
    assert set(dataset.commits[-1].added) == visible
    assert not visible & {path for commit in dataset.commits[:-1] for path in commit.added}
    for path in built.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_what_was_pushed_is_opened_and_pulled_from_the_hub(
    version: Version, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(version.repository.path)
    code, _, errors = command(
        hub, tmp_path / "home", "publish", version.spec, "--to", "hf://org/name", "--root", root, "--private"
    )
    assert code == 0, errors
    assert hub.datasets["org/name"].private
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for place in ("hf://org/name", "hf://datasets/org/name"):
        assert open_version(version.dataset, root=place).digest == version.digest
    ours = tmp_path / "ours"
    code, document, errors = command(
        hub, tmp_path / "home", "pull", version.spec, "--from", "hf://org/name", "--root", str(ours)
    )
    assert code == 0, errors
    assert document["copied"] == ["animal-1", "animal-2"]
    assert verify(Repository(ours), version.spec).ok


def test_a_later_version_replaces_the_tables_and_keeps_the_earlier_store(
    version: Version, hub: Any, tmp_path: Path, all_kinds: Any
) -> None:
    root = version.repository.path
    records = {"animal-1": all_kinds.tree(1), "animal-2": all_kinds.tree(2), "animal-3": all_kinds.tree(3)}
    split = all_kinds.whole_split({"train": ["animal-1"], "test": ["animal-2", "animal-3"]})
    for spec in (version.spec, all_kinds.commit(root, records, splits=[split]).spec, version.spec):
        code, _, errors = command(hub, tmp_path / "home", "publish", spec, "--to", "hf://org/name", "--root", str(root))
        assert code == 0, errors
    files = hub.datasets["org/name"].files
    assert {path for path in files if "/versions/" in path} == {
        f"{version.dataset}/versions/{number}.json" for number in ("1.0.0", "1.1.0")
    }
    assert files[f"{version.dataset}/refs/latest"] == b"1.1.0\n", (
        "an older version that is sent again is not the latest"
    )
    assert not [path for path in files if path.startswith("data/") and "/test-" in path]


def test_other_data_under_the_same_version_are_refused(
    version: Version, hub: Any, tmp_path: Path, all_kinds: Any
) -> None:
    other = all_kinds.commit(tmp_path / "other", {"animal-9": all_kinds.tree(9)})
    to = ("--to", "hf://org/name")
    assert command(hub, tmp_path / "h", "publish", version.spec, *to, "--root", str(version.repository.path))[0] == 0
    before = dict(hub.datasets["org/name"].files)
    code, document, _ = command(hub, tmp_path / "h", "publish", other.spec, *to, "--root", str(tmp_path / "other"))
    assert (code, document["error"]["kind"]) == (1, "conflict")
    assert hub.datasets["org/name"].files == before


def test_a_wrong_token_is_told_without_showing_it(version: Version, hub: Any, tmp_path: Path) -> None:
    root = str(version.repository.path)
    code, document, _ = command(
        hub,
        tmp_path / "home",
        "publish",
        version.spec,
        "--to",
        "hf://org/name",
        "--root",
        root,
        token="wrong-and-secret",
    )
    assert (code, document["error"]["kind"]) == (1, "fetch")
    assert "hf auth login" in document["error"]["hint"]
    assert not hub.datasets


def test_a_dry_run_sends_nothing_and_lists_files_and_sizes(version: Version, hub: Any, tmp_path: Path) -> None:
    root = str(version.repository.path)
    code, document, errors = command(
        hub, tmp_path / "home", "publish", version.spec, "--to", "hf://org/name", "--root", root, "--dry-run"
    )
    assert code == 0, errors
    assert not hub.datasets
    assert document["dry_run"] is True
    built = Path(document["folder"])
    assert built.is_relative_to(version.repository.staging)
    assert {file["path"]: file["bytes"] for file in document["files"]} == {
        path.relative_to(built).as_posix(): path.stat().st_size for path in built.rglob("*") if path.is_file()
    }
    assert document["bytes"] == sum(file["bytes"] for file in document["files"])
    assert Repository(root).datasets() == [version.dataset], "the staging area is no data"


def test_a_folder_is_published_to_and_grows(version: Version, tmp_path: Path, all_kinds: Any) -> None:
    place = tmp_path / "public"
    first = publish(version, place, dry_run=False)
    assert {file.path: (place / file.path).stat().st_size for file in first.files} == {
        file.path: file.size_bytes for file in first.files
    }
    later = all_kinds.commit(version.repository.path, {"animal-5": all_kinds.tree(5)})
    publish(later, place, dry_run=False)
    assert Repository(place).versions(version.dataset) == ["1.0.0", "2.0.0"]
    for item in (version, later):
        assert verify(Repository(place), item.spec).ok
    assert (place / version.dataset / "refs" / "latest").read_text() == "2.0.0\n"
    publish(version, place, dry_run=False)
    assert (place / version.dataset / "refs" / "latest").read_text() == "2.0.0\n"
    assert not list(place.rglob(".*.tmp"))
    assert str(tmp_path) not in (place / "README.md").read_text(encoding="utf-8"), "no path of this machine"


def test_a_folder_with_something_else_is_left_alone(version: Version, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="something else"):
        publish(version, tmp_path / "mine", dry_run=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_other_data_in_a_folder_are_not_overwritten(version: Version, tmp_path: Path, all_kinds: Any) -> None:
    publish(version, tmp_path / "public", dry_run=False)
    other = all_kinds.commit(tmp_path / "other", {"animal-9": all_kinds.tree(9)})
    with pytest.raises(ConflictError):
        publish(other, tmp_path / "public", dry_run=False)
    assert open_version(version.spec, root=tmp_path / "public").digest == version.digest


@pytest.mark.parametrize("place", ["s3://bucket/x", "hf://onlyname", "hf://a/b/c", "hf://../x"])
def test_places_that_are_none_are_refused(version: Version, place: str) -> None:
    with pytest.raises(UsageError, match="not a place to publish to"):
        publish(version, place)


def test_data_without_a_licence_are_refused_and_the_records_are_named(tmp_path: Path, all_kinds: Any) -> None:
    version = all_kinds.commit(tmp_path / "store", {"animal-1": all_kinds.tree(1)}, about={"title": "Mine"})
    assert licences_of(version) == {"animal-1": ("none-stated",)}
    with pytest.raises(UsageError) as caught:
        publish(version, tmp_path / "public", dry_run=False)
    assert "none-stated: animal-1" in str(caught.value)
    assert "--accept-licence none-stated" in str(caught.value)
    assert not (tmp_path / "public").exists()
    tried = publish(version, tmp_path / "public", dry_run=True)
    assert [(item.record, item.licence) for item in tried.obstacles] == [("animal-1", "none-stated")]
    done = publish(version, tmp_path / "public", dry_run=False, accepted=["none-stated"])
    assert done.obstacles == ()
    assert "No licence stated" in (tmp_path / "public" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC0-1.0", True), ("CC-BY-4.0", True), ("CC-BY-NC-SA-4.0", True), ("MIT", True), ("none-stated", False),
        ("CRCNS-terms", False), ("unpublished", False), ("mixed", False), ("Some-Licence-Of-Ours", False),
    ],
)  # fmt: skip
def test_a_licence_decides(tmp_path: Path, all_kinds: Any, licence: str, allowed: bool) -> None:
    version = all_kinds.commit(tmp_path, {"animal-1": all_kinds.tree(1)}, about={"licence": licence})
    found = obstacles(version)
    assert (found == ()) is allowed
    assert obstacles(version, accepted=[licence]) == ()
    assert {item.licence for item in found} <= {licence}


def test_every_record_has_the_licence_of_its_source(tmp_path: Path, all_kinds: Any) -> None:
    from connectome import store

    repository = store.Repository(tmp_path)
    receipts = [
        store.write_record(
            all_kinds.tree(seed), repository.folder("two"), record=source, staging=repository.staging,
            recipe=all_kinds.recipe(seed, source),
        )
        for seed, source in ((1, "open-lab"), (2, "closed-lab"), (3, "forgotten-lab"))
    ]  # fmt: skip
    about = {
        "title": "Two labs",
        "licence": "mixed",
        "sources": [
            {"id": "open-lab", "licences": ["CC-BY-4.0"]},
            {"id": "closed-lab", "licences": ["MIT", "none-stated"]},
        ],
    }
    repository.commit("two", receipts, about=about)
    version = open_version("two", root=tmp_path)
    assert licences_of(version) == {
        "closed-lab": ("MIT", "none-stated"),
        "forgotten-lab": ("CC-BY-4.0", "MIT", "none-stated"),
        "open-lab": ("CC-BY-4.0",),
    }
    assert [(item.record, item.licence) for item in obstacles(version)] == [
        ("closed-lab", "none-stated"), ("forgotten-lab", "none-stated")
    ]  # fmt: skip
    given = dict.fromkeys(version.manifest.records, ("CC0-1.0",))
    assert obstacles(version, licences=given) == ()


def test_the_files_that_a_record_was_made_from_have_the_last_word(tmp_path: Path, all_kinds: Any) -> None:
    """Of a real source whose files came by different ways, a record has the licences of its own files only."""
    from connectome import store
    from connectome.pipelines.sources import load_source

    source = load_source("varshney2011")
    by_licence = {file.licence: file for file in source.files() if file.licence}
    assert len(by_licence) > 1
    repository = store.Repository(tmp_path)
    receipts = []
    for number, (licence, file) in enumerate(sorted(by_licence.items())):
        given = {"path": file.path, "sha256": f"{number:064x}", "bytes": 1, "verified": True}
        recipe = store.Recipe(source="varshney2011", source_version="1", inputs=(given,))
        folder = repository.folder("wired")
        receipts.append(
            store.write_record(
                all_kinds.tree(1), folder, record=f"r{number}", recipe=recipe, staging=repository.staging
            )
        )
        del licence
    repository.commit("wired", receipts)
    found = licences_of(open_version("wired", root=tmp_path))
    assert found == {f"r{number}": (licence,) for number, licence in enumerate(sorted(by_licence))}
