"""Pulling a version: from a web server, a folder, an object store; interrupted, damaged, in conflict."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import ConflictError, DamagedError, FetchError, NotFoundError
from connectome.pipelines import pull as pull_module
from connectome.pipelines.pull import pull
from connectome.store import Repository, open_version, verify

if TYPE_CHECKING:
    from connectome.store import Version

NO_RESOURCES = "ignore:unclosed:ResourceWarning"


@pytest.fixture
def version(tmp_path: Path, all_kinds: Any) -> Version:
    """Make a generated version of three records in a store of its own."""
    return all_kinds.commit(tmp_path / "theirs", {f"animal-{seed}": all_kinds.tree(seed) for seed in range(3)})


def files_of(root: Path) -> dict[str, str]:
    """Return every file below a root and its SHA-256, work in progress left out."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != "staging"
    }


def check_pulled(version: Version, ours: Path) -> None:
    """Check that a version is here, whole and verified."""
    again = open_version(version.spec, root=ours)
    assert again.digest == version.digest
    assert verify(Repository(ours), version.spec).ok
    assert (ours / version.dataset / "refs" / "latest").read_text() == f"{version.version}\n"
    assert not list((ours / "staging").rglob("*.part"))


def test_a_folder_is_pulled_whole_and_the_second_time_nothing_moves(version: Version, tmp_path: Path) -> None:
    theirs, ours = version.repository.path, tmp_path / "ours"
    first = pull(version.spec, theirs, ours)
    assert first.copied == tuple(version.manifest.records)
    assert (first.reused, first.created, first.size_bytes) == ((), True, version.manifest.size_bytes)
    check_pulled(version, ours)
    assert files_of(ours) == files_of(theirs)
    before = {path: path.stat().st_ino for path in ours.rglob("*.zip")}
    second = pull(version.dataset, str(theirs), ours)
    assert (second.copied, second.size_bytes, second.created) == ((), 0, False)
    assert second.reused == first.copied
    assert {path: path.stat().st_ino for path in ours.rglob("*.zip")} == before


def test_a_web_server_is_pulled_by_ranges(version: Version, tmp_path: Path, http_server: Any) -> None:
    url = http_server.serve_folder(version.repository.path)
    result = pull(f"{version.dataset}@1", url, tmp_path / "ours")
    assert result.version == "1.0.0"
    check_pulled(version, tmp_path / "ours")
    data = [seen for seen in http_server.log if seen.path.endswith(".zip") and seen.method == "GET"]
    assert all(seen.range for seen in data)
    assert sum(seen.body_bytes for seen in data) == version.manifest.size_bytes


def test_what_is_here_already_is_not_asked_for(
    version: Version, tmp_path: Path, http_server: Any, all_kinds: Any
) -> None:
    ours = tmp_path / "ours"
    all_kinds.commit(ours, {"animal-0": all_kinds.tree(0)})  # the same record from the same recipe
    url = http_server.serve_folder(version.repository.path)
    with pytest.raises(ConflictError, match="other data under that version"):
        pull(version.spec, url, ours)
    bigger = all_kinds.commit(version.repository.path, {f"animal-{seed}": all_kinds.tree(seed) for seed in range(4)})
    assert bigger.version == "1.1.0"
    result = pull(bigger.spec, url, ours)
    assert result.reused == ("animal-0",)
    assert not [seen for seen in http_server.log if "animal-0" in seen.path]
    check_pulled(bigger, ours)


def test_a_pull_that_was_cut_goes_on_within_the_file(
    tmp_path: Path, http_server: Any, monkeypatch: pytest.MonkeyPatch, all_kinds: Any
) -> None:
    numbers = np.random.default_rng(1)
    signal_ = numbers.standard_normal((4, 20_000))
    tree = schema.record({"s": schema.series(signal_, channel=list("abcd"), units="1", long_name="G", frame_start=0)})
    version = all_kinds.commit(tmp_path / "theirs", {"one": tree})
    size = version.manifest.size_bytes
    monkeypatch.setattr(pull_module, "BLOCK_BYTES", size // 4)
    monkeypatch.setattr(pull_module, "PAUSE_S", 0.001)
    url = http_server.serve_folder(version.repository.path)
    path = f"/{version.dataset}/{version.manifest.records['one'].file}"
    body = version.file("one").read_bytes()
    whole = http_server.Answer(body)
    refused = http_server.Answer(b"", status=503)
    # HEAD, two blocks, then nothing but refusals.
    http_server.put(path, whole, whole, whole, refused)
    with pytest.raises(FetchError, match="refused"):
        pull(version.spec, url, tmp_path / "ours")
    assert not (tmp_path / "ours" / version.dataset).exists(), "nothing visible"
    (part,) = (tmp_path / "ours" / "staging" / "pull").glob("*.part")
    assert part.read_bytes() == body[: size // 4 * 2]
    http_server.put(path, whole)
    before = len(http_server.log)
    result = pull(version.spec, url, tmp_path / "ours")
    assert result.size_bytes == size - size // 4 * 2
    sent = [seen for seen in http_server.log[before:] if seen.path == path and seen.method == "GET"]
    assert sent[0].range == f"bytes={size // 4 * 2}-{size // 4 * 3 - 1}"
    assert sum(seen.body_bytes for seen in sent) == result.size_bytes
    check_pulled(version, tmp_path / "ours")


def test_connections_that_are_cut_are_tried_again(
    version: Version, tmp_path: Path, http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_module, "PAUSE_S", 0.001)
    url = http_server.serve_folder(version.repository.path)
    receipt = version.manifest.records["animal-1"]
    body = version.file("animal-1").read_bytes()
    answers = [http_server.Answer(body), http_server.Answer(body, cut_after=100), http_server.Answer(body, cut_after=0)]
    http_server.put(f"/{version.dataset}/{receipt.file}", *answers, http_server.Answer(body))
    pull(version.spec, url, tmp_path / "ours")
    check_pulled(version, tmp_path / "ours")


def test_a_server_without_ranges_will_do(version: Version, tmp_path: Path, http_server: Any) -> None:
    url = http_server.serve_folder(version.repository.path)
    for name, receipt in version.manifest.records.items():
        http_server.put(
            f"/{version.dataset}/{receipt.file}", http_server.Answer(version.file(name).read_bytes(), ranges=False)
        )
    pull(version.spec, url, tmp_path / "ours")
    check_pulled(version, tmp_path / "ours")


@pytest.mark.parametrize("harm", ["a byte", "a shorter file", "no file"])
def test_a_damaged_source_changes_nothing_here(version: Version, tmp_path: Path, http_server: Any, harm: str) -> None:
    file = version.file("animal-1")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    if harm == "no file":
        file.unlink()
    else:
        file.write_bytes(data if harm == "a byte" else data[:-1])
    for number, source in enumerate((version.repository.path, http_server.serve_folder(version.repository.path))):
        ours = tmp_path / f"ours-{number}"
        with pytest.raises(DamagedError) as caught:
            pull(version.spec, source, ours)
        assert "animal-1" in str(caught.value)
        assert not (ours / version.dataset / "versions").exists()
        assert not (ours / version.dataset / "refs").exists()
        assert not list((ours / version.dataset).rglob("animal-1/*"))
        assert Repository(ours).datasets() == []


def test_a_damaged_version_file_is_refused(version: Version, tmp_path: Path) -> None:
    file = version.repository.path / version.dataset / "versions" / "1.0.0.json"
    file.write_bytes(file.read_bytes().replace(b"animal-1", b"animal-9"))
    with pytest.raises(DamagedError):
        pull(version.spec, version.repository.path, tmp_path / "ours")
    assert not (tmp_path / "ours").exists() or files_of(tmp_path / "ours") == {}


def test_a_pull_mends_a_file_that_was_altered_here(version: Version, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    pull(version.spec, version.repository.path, ours)
    file = open_version(version.spec, root=ours).file("animal-2")
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    result = pull(version.spec, version.repository.path, ours)
    assert result.copied == ("animal-2",)
    check_pulled(version, ours)


def test_other_data_under_the_same_version_are_never_overwritten(
    version: Version, tmp_path: Path, all_kinds: Any
) -> None:
    own = all_kinds.commit(tmp_path / "ours", {"other": all_kinds.tree(7)})
    before = files_of(tmp_path / "ours")
    with pytest.raises(ConflictError):
        pull(version.spec, version.repository.path, tmp_path / "ours")
    assert files_of(tmp_path / "ours") == before
    assert own.digest != version.digest


def test_an_older_version_leaves_latest_where_it_is(tmp_path: Path, all_kinds: Any) -> None:
    records = {"animal-0": all_kinds.tree(0)}
    old = all_kinds.commit(tmp_path / "theirs", records)
    new = all_kinds.commit(tmp_path / "theirs", {**records, "animal-1": all_kinds.tree(1)})
    for spec in (new.spec, old.spec):
        pull(spec, tmp_path / "theirs", tmp_path / "ours")
    assert (tmp_path / "ours" / old.dataset / "refs" / "latest").read_text() == "1.1.0\n"
    assert Repository(tmp_path / "ours").versions(old.dataset) == ["1.0.0", "1.1.0"]


def test_a_version_that_is_not_there_is_named(version: Version, tmp_path: Path, http_server: Any) -> None:
    for source in (version.repository.path, http_server.serve_folder(version.repository.path)):
        with pytest.raises(NotFoundError, match="no such version"):
            pull(f"{version.dataset}@9.9.9", source, tmp_path / "ours")
        with pytest.raises(NotFoundError, match="no such dataset"):
            pull("unheard-of", source, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


@pytest.mark.filterwarnings(NO_RESOURCES)
def test_a_pull_that_is_killed_is_finished_by_the_next(version: Version, tmp_path: Path, http_server: Any) -> None:
    url = http_server.serve_folder(version.repository.path)
    body = version.file("animal-2").read_bytes()
    path = f"/{version.dataset}/{version.manifest.records['animal-2'].file}"
    http_server.put(path, http_server.Answer(body), http_server.Answer(body, hang_after=200))
    code = "import sys; from connectome.pipelines.pull import pull; pull(*sys.argv[1:])"
    ours = tmp_path / "ours"
    child = subprocess.Popen([sys.executable, "-c", code, version.spec, url, str(ours)], env=os.environ)
    http_server.wait_until_hanging()
    deadline = time.monotonic() + 30
    while len(list(ours.rglob("*.zip"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    http_server.release.set()
    assert Repository(ours).datasets() == [], "no version before all its files are here"
    http_server.put(path, http_server.Answer(body))
    result = pull(version.spec, url, ours)
    assert set(result.reused) == {"animal-0", "animal-1"}
    check_pulled(version, ours)


def test_a_published_place_with_the_newest_version_only_is_pulled(
    tmp_path: Path, http_server: Any, all_kinds: Any
) -> None:
    from connectome.pipelines.publish import build_folder

    all_kinds.commit(tmp_path / "theirs", {"animal-0": all_kinds.tree(0)})
    new = all_kinds.commit(tmp_path / "theirs", {"animal-1": all_kinds.tree(1)})
    assert new.version == "2.0.0"
    build_folder(new, tmp_path / "published")
    url = http_server.serve_folder(tmp_path / "published")
    assert Repository(url).versions(new.dataset) == ["2.0.0"], "1.0.0 is named as the previous one and is not there"
    for spec in (new.dataset, f"{new.dataset}@latest", f"{new.dataset}@2", new.spec):
        assert open_version(spec, root=url).digest == new.digest
    pull(new.dataset, url, tmp_path / "ours")
    check_pulled(new, tmp_path / "ours")


def test_a_record_is_opened_lazily_over_the_web(tmp_path: Path, http_server: Any, all_kinds: Any) -> None:
    signal_ = np.random.default_rng(2).standard_normal((8, 200_000))
    tree = schema.record(
        {"s": schema.series(signal_, channel=list("abcdefgh"), units="1", long_name="G", frame_start=0)}
    )
    version = all_kinds.commit(tmp_path / "theirs", {"one": tree})
    url = http_server.serve_folder(version.repository.path)
    tree = open_version(f"{version.dataset}@1", root=url).open("one")
    opened = sum(seen.body_bytes for seen in http_server.log if seen.path.endswith(".zip"))
    assert opened < version.manifest.size_bytes / 20
    window = tree["s/signal"][:, 100_000:100_100].values
    assert window.tobytes() == signal_[:, 100_000:100_100].tobytes()
    assert (
        sum(seen.body_bytes for seen in http_server.log if seen.path.endswith(".zip")) < version.manifest.size_bytes / 4
    )
    assert verify(Repository(url), version.spec).ok


def test_a_tag_is_found_over_the_web(version: Version, http_server: Any) -> None:
    version.repository.tag(version.spec, "paper")
    url = http_server.serve_folder(version.repository.path)
    assert open_version(f"{version.dataset}@paper", root=url).version == "1.0.0"
    with pytest.raises(NotFoundError, match="no such version"):
        open_version(f"{version.dataset}@draft", root=url)


@pytest.fixture
def bucket(version: Version, no_proxies: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """Serve the store from a real S3 server on loopback; yield its URL and a client."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "loopback",
            "AWS_SECRET_ACCESS_KEY": "loopback", "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="shelf")
        root = version.repository.path
        for path in sorted(root.rglob("*")):
            if path.is_file() and "staging" not in path.relative_to(root).parts:
                client.put_object(
                    Bucket="shelf", Key=f"store/{path.relative_to(root).as_posix()}", Body=path.read_bytes()
                )
        yield "s3://shelf/store", client
        client.close()
    finally:
        server.stop()


@pytest.mark.filterwarnings(NO_RESOURCES)
def test_an_object_store_is_opened_listed_and_pulled(version: Version, bucket: tuple[str, Any], tmp_path: Path) -> None:
    url, client = bucket
    repository = Repository(url)
    assert repository.datasets() == [version.dataset]
    assert repository.versions(version.dataset) == ["1.0.0"]
    tree = open_version(f"{version.dataset}@1", root=url).open("animal-1")
    assert tree["eeg/signal"].values.tobytes() == version.open("animal-1")["eeg/signal"].values.tobytes()
    pull(version.dataset, url, tmp_path / "ours")
    check_pulled(version, tmp_path / "ours")
    with pytest.raises(NotFoundError):
        pull(f"{version.dataset}@3.0.0", url, tmp_path / "ours")
    key = f"store/{version.dataset}/{version.manifest.records['animal-1'].file}"
    client.put_object(Bucket="shelf", Key=key, Body=b"x" * version.manifest.records["animal-1"].size_bytes)
    with pytest.raises(DamagedError, match="not what its version says"):
        pull(version.dataset, url, tmp_path / "again")
    client.delete_object(Bucket="shelf", Key=key)
    with pytest.raises(DamagedError, match="missing"):
        pull(version.dataset, url, tmp_path / "again")
    assert Repository(tmp_path / "again").datasets() == []
