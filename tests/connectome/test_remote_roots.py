"""A store behind HTTP or in an object store is the same store: resolved, read in part, verified, never written to."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import DamagedError, FetchError, NotFoundError, UsageError
from connectome.store import Repository, open_version, verify, write_record
from connectome.store.roots import LocalRoot, WebRoot, open_root
from support.generated_records import generated_recipe, put
from support.http_server import Answer, HttpServer

NAME = "generated"
N_CHANNELS, N_SAMPLES = 16, 200_000
BUCKET, PREFIX = "bucket", "some/prefix"


@dataclass(frozen=True)
class Place:
    """A store that is served, and what it has sent."""

    url: str
    served_bytes: Callable[[], int]
    folder: Path
    """The same files on disk."""
    remove: Callable[[str], None]
    """Take away one of the served files."""
    replace: Callable[[str, bytes], None]


def noise() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(-(2**15), 2**15, size=(N_CHANNELS, N_SAMPLES)).astype(np.int16)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with a tag, two versions, and one record of 6.4 MB that cannot be compressed."""
    root = tmp_path_factory.mktemp("remote") / "root"
    repository = Repository(root)
    large = schema.series(
        noise(),
        channel=[str(at) for at in range(N_CHANNELS)],
        units="uV",
        long_name="Generated voltage",
        rate_hz=Fraction(1000),
    )
    receipt = write_record(
        schema.record({"ecog": large}), repository.folder(NAME), record="large", recipe=generated_recipe("large"),
        staging=repository.staging,
    )  # fmt: skip
    repository.commit(NAME, [receipt])
    repository.tag(NAME, "paper")
    repository.commit(NAME, [put(repository, NAME, "small", 1.0)], keep_others=True)
    return root


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(no_proxies: None) -> Iterator[HttpServer]:
    made = HttpServer()
    yield made
    made.close()


@pytest.fixture
def web(server: HttpServer, local: Path, tmp_path: Path) -> Place:
    """Serve the store over HTTP, with range requests."""
    folder = tmp_path / "served"
    shutil.copytree(local, folder)
    return Place(
        server.serve_folder(folder),
        lambda: sum(seen.body_bytes for seen in server.log),
        folder,
        lambda path: (folder / path).unlink(),
        lambda path, data: rewrite(folder / path, data),
    )


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


class Counted:
    """A WSGI application that counts the bytes of the answers of another one."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self.n_bytes = 0

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        for part in self._application(environ, start_response):
            with self._lock:
                self.n_bytes += len(part)
            yield part


@pytest.fixture(scope="module")
def object_store(local: Path) -> Iterator[tuple[str, Counted, Any]]:
    """Put the store into a bucket of an S3 server on loopback."""
    moto = pytest.importorskip("moto.server", reason="needs moto")
    obstore = pytest.importorskip("obstore", reason="needs obstore")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    counted = Counted(server._server.app)
    server._server.app = counted
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        patch.setenv("AWS_ACCESS_KEY_ID", "generated")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "generated")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import httpx

        httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
        url = f"s3://{BUCKET}/{PREFIX}"
        bucket = obstore.store.from_url(url)
        for file in sorted(path for path in local.rglob("*") if path.is_file()):
            obstore.put(bucket, file.relative_to(local).as_posix(), file)
        yield url, counted, bucket
    server.stop()
    server._server.server_close()


@pytest.fixture
def s3(object_store: tuple[str, Counted, Any], local: Path) -> Iterator[Place]:
    import obstore

    url, counted, bucket = object_store
    changed: set[str] = set()

    def remove(path: str) -> None:
        changed.add(path)
        obstore.delete(bucket, path)

    def replace(path: str, data: bytes) -> None:
        changed.add(path)
        obstore.put(bucket, path, data)

    yield Place(url, lambda: counted.n_bytes, local, remove, replace)
    for path in changed:
        obstore.put(bucket, path, local / path)


@pytest.fixture(params=["web", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def test_specs_resolve_as_they_do_locally(place: Place, local: Path) -> None:
    near, far = Repository(local), Repository(place.url)
    for spec in (NAME, f"{NAME}@latest", f"{NAME}@1", f"{NAME}@1.0", f"{NAME}@1.0.0", f"{NAME}@paper"):
        assert far.resolve(spec) == near.resolve(spec)
        assert far.find(spec) == near.find(spec)
    assert far.versions(NAME) == ["1.0.0", "1.1.0"]
    assert [item.version for item in far.log(NAME)] == ["1.1.0", "1.0.0"]
    assert far.diff(NAME, "1.0.0", "1.1.0").added == ("small",)
    for wanted in (f"{NAME}@2", f"{NAME}@9.9.9", f"{NAME}@nothing", "other", "other@1.0.0"):
        with pytest.raises(NotFoundError):
            far.resolve(wanted)


def test_opening_and_reading_a_window_moves_a_fraction_of_the_bytes(place: Place) -> None:
    version = open_version(f"{NAME}@paper", root=place.url)
    receipt = version.manifest.records["large"]
    assert receipt.size_bytes > 6_000_000
    tree = version.open("large")
    opened = place.served_bytes()
    assert opened < 60_000
    window = tree["ecog/signal"][:, 70_000:70_400].values
    np.testing.assert_array_equal(window, noise()[:, 70_000:70_400])
    assert 0 < place.served_bytes() - opened < receipt.size_bytes / 4


def test_every_value_is_the_one_that_was_written(place: Place) -> None:
    tree = open_version(NAME, root=place.url).open("small")
    np.testing.assert_array_equal(tree["activity/signal"], np.ones((2, 8)))
    assert tree.attrs["title"] == "Generated"


def test_a_served_version_verifies_down_to_the_values(place: Place) -> None:
    before = place.served_bytes()
    found = verify(Repository(place.url), NAME)
    assert found.ok
    assert (found.version, found.n_records) == ("1.1.0", 2)
    assert place.served_bytes() - before > found.size_bytes


@pytest.mark.parametrize("damage", ["missing", "size", "bytes"])
def test_a_damaged_record_is_found_and_named(place: Place, damage: str) -> None:
    path = f"{NAME}/{Repository(place.url).find(NAME).records['small'].file}"
    data = (place.folder / path).read_bytes()
    if damage == "missing":
        place.remove(path)
    elif damage == "size":
        place.replace(path, data[:-1])
    else:
        place.replace(path, data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])
    version = open_version(NAME, root=place.url)
    if damage != "bytes":
        with pytest.raises(DamagedError) as caught:
            version.open("small")
        assert caught.value.subject == f"{place.url}/{path}"
        assert caught.value.hint
    (found,) = verify(version.repository, NAME).damaged
    assert (found.record, found.what) == ("small", damage)


def test_an_open_record_goes_to_another_process(place: Place) -> None:
    signal = open_version(NAME, root=place.url).open("small")["activity/signal"]
    code = "import pickle, sys; print(float(pickle.load(sys.stdin.buffer).sum()))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(signal), capture_output=True, check=False, timeout=120
    )
    assert (done.stdout.decode().strip(), done.stderr.decode()) == ("16.0", "")


def test_a_remote_store_is_never_written_to(place: Place) -> None:
    repository = Repository(place.url)
    version = open_version(NAME, root=place.url)
    receipts = list(version.manifest.records.values())
    for write in (
        partial(repository.commit, "other", receipts),
        partial(repository.tag, NAME, "mine"),
        partial(repository.remember, NAME, receipts[0]),
        partial(repository.adopt, version.manifest),
        partial(version.file, "small"),
    ):
        with pytest.raises(UsageError, match="read-only") as caught:
            write()
        assert "pull" in (caught.value.hint or "")
    assert not repository.is_local


def test_an_object_store_is_listed_as_a_folder_is(s3: Place, local: Path) -> None:
    assert Repository(s3.url).datasets() == [NAME]
    assert Repository(s3.url).tags(NAME) == Repository(local).tags(NAME) == {"latest": "1.1.0", "paper": "1.0.0"}


def test_a_web_server_cannot_be_listed_and_says_so(web: Place) -> None:
    with pytest.raises(UsageError, match="cannot be listed") as caught:
        Repository(web.url).datasets()
    assert caught.value.hint == "name the dataset and version"


def test_a_bucket_that_is_not_there_is_not_found(s3: Place) -> None:
    with pytest.raises((NotFoundError, FetchError)):
        Repository("s3://no-such-bucket/x").find(f"{NAME}@1.0.0")


def test_a_server_that_ignores_ranges_still_gives_the_right_values(server: HttpServer, local: Path) -> None:
    for file in (path for path in local.rglob("*") if path.is_file()):
        server.put(f"/{file.relative_to(local).as_posix()}", Answer(file.read_bytes(), ranges=False))
    tree = open_version(NAME, root=server.url).open("small")
    np.testing.assert_array_equal(tree["activity/signal"], np.ones((2, 8)))


@pytest.mark.parametrize("status", [403, 500])
def test_a_server_that_refuses_is_told_apart_from_a_missing_file(server: HttpServer, status: int) -> None:
    server.put(f"/{NAME}/versions/1.0.0.json", Answer(b"no", status=status))
    with pytest.raises(FetchError, match="the server refused") as caught:
        Repository(server.url).find(f"{NAME}@1.0.0")
    assert caught.value.found == f"HTTP {status}"


def test_a_server_that_is_not_there_is_a_fetch_error(no_proxies: None) -> None:
    server = HttpServer()
    server.close()
    with pytest.raises(FetchError, match="did not answer"):
        Repository(server.url).find(f"{NAME}@1.0.0")


def test_a_file_that_shrank_on_the_server_after_it_was_opened_is_damage(web: Place) -> None:
    tree = open_version(NAME, root=web.url).open("small")
    path = f"{NAME}/{Repository(web.url).find(NAME).records['small'].file}"
    web.replace(path, b"short")
    with pytest.raises(DamagedError, match="ends too early"):
        tree["activity/signal"].load()
    web.remove(path)
    with pytest.raises(DamagedError, match="missing"):
        tree["activity/signal"].load()


def test_the_kind_of_place_is_told_from_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_root(tmp_path), LocalRoot)
    assert isinstance(open_root(str(tmp_path)), LocalRoot)
    assert open_root(f"file://{tmp_path}").name == str(tmp_path)
    assert isinstance(open_root("https://example.org/store/"), WebRoot)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/")
    assert open_root("hf://datasets/lab/worms").name == "https://hub.example.org/datasets/lab/worms/resolve/main"
    with pytest.raises(UsageError, match="unknown kind of place"):
        open_root("ftp://example.org/store")


def test_a_server_that_does_not_tell_lengths_is_refused(server: HttpServer, local: Path) -> None:
    server.serve_folder(local)
    path = Repository(local).find(NAME).records["small"].file
    server.put(f"/{NAME}/{path}", Answer((local / NAME / path).read_bytes(), framed=False))
    version = open_version(NAME, root=server.url)
    with pytest.raises(FetchError, match="does not say how long"):
        version.open("small")
