"""Mirrors: a folder in any layout, a URL that serves one, and single local files."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from connectome.errors import ChecksumError, FetchError, NotFoundError, UnsafeError, UsageError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import RemoteFile

BODY = random.Random(7).randbytes(70_000)
HOME = "https://home.invalid/worm data/worm.bin"
"""An address that cannot be reached: ``.invalid`` is reserved (RFC 2606)."""


def listed(path: str = "lab/worm.bin", body: bytes = BODY, url: str = HOME, **changes: object) -> RemoteFile:
    fields: dict = {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | changes
    return RemoteFile(path, url, **fields)


def put(file: Path, body: bytes = BODY) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


def left_in(cache: Path) -> list[Path]:
    return [item for item in cache.rglob("*") if item.is_file()]


def test_a_file_is_copied_from_its_relative_path_and_read_once(mirror, cache):
    staged = put(mirror / "lab" / "worm.bin")
    fetched = fetch([listed()], cache, mirror=mirror)
    (raw,) = fetched.files
    assert raw.local.read_bytes() == BODY
    assert (fetched.bytes_downloaded, fetched.bytes_hashed) == (len(BODY), len(BODY))
    put(staged, b"changed later")
    assert raw.local.read_bytes() == BODY


def test_a_file_elsewhere_in_the_mirror_is_found_by_name_and_checksum(mirror, cache):
    put(mirror / "a" / "worm.bin", b"another lab's worm")
    put(mirror / "b" / "worm.bin", BODY[::-1])  # same name, same size, other bytes
    put(mirror / "c" / "deep" / "worm.bin")
    assert fetch([listed()], cache, mirror=str(mirror)).files[0].local.read_bytes() == BODY


def test_a_file_without_a_checksum_is_taken_only_from_its_own_path(mirror, cache):
    put(mirror / "elsewhere" / "worm.bin")
    with pytest.raises(FetchError, match="mirror does not have"):
        fetch([listed(sha256=None)], cache, mirror=mirror)
    put(mirror / "lab" / "worm.bin")
    assert not fetch([listed(sha256=None)], cache, mirror=mirror).files[0].verified


def test_wrong_bytes_at_the_path_are_passed_over_for_right_ones_elsewhere(mirror, cache):
    put(mirror / "lab" / "worm.bin", BODY[::-1])
    put(mirror / "old" / "worm.bin")
    assert fetch([listed()], cache, mirror=mirror).files[0].local.read_bytes() == BODY


def test_wrong_bytes_in_the_mirror_leave_nothing_in_the_cache(mirror, cache):
    staged = put(mirror / "lab" / "worm.bin", BODY[::-1])
    with pytest.raises(ChecksumError) as caught:
        fetch([listed()], cache, mirror=mirror)
    assert caught.value.place == str(staged)
    assert left_in(cache) == []


def test_a_missing_file_names_the_mirror_and_its_home_is_not_asked(mirror, cache, http_server):
    url = http_server.put("/worm.bin", BODY)
    with pytest.raises(FetchError) as caught:
        fetch([listed(url=url)], cache, mirror=mirror)
    assert caught.value.place == str(mirror)
    assert "nothing else is asked" in (caught.value.hint or "")
    assert http_server.log == []


def test_an_optional_file_that_the_mirror_lacks_is_missing(mirror, cache):
    put(mirror / "lab" / "worm.bin")
    fetched = fetch([listed(), listed("lab/extra.bin", b"extra", optional=True)], cache, mirror=mirror)
    assert [(item.file, item.reason) for item in fetched.missing] == [
        ("lab/extra.bin", "the mirror does not have the file")
    ]


def test_a_file_in_the_cache_needs_no_mirror_and_no_home(mirror, cache):
    staged = put(mirror / "lab" / "worm.bin")
    fetch([listed()], cache, mirror=mirror)
    staged.unlink()
    assert fetch([listed()], cache, mirror=mirror).bytes_downloaded == 0
    assert fetch([listed()], cache).bytes_downloaded == 0


def test_links_in_a_mirror_are_followed_and_broken_ones_named(mirror, cache, tmp_path):
    stored = put(tmp_path / "annex" / "MD5E-s70000")
    (mirror / "lab").mkdir()
    (mirror / "lab" / "worm.bin").symlink_to(stored)
    raw = fetch([listed()], cache, mirror=mirror).files[0]
    assert raw.local.read_bytes() == BODY
    assert not raw.local.is_symlink()

    (mirror / "lab" / "gone.bin").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FetchError) as caught:
        fetch([listed("lab/gone.bin", b"gone")], cache, mirror=mirror)
    assert "leads nowhere" in (caught.value.found or "")


def test_a_mirror_takes_the_place_of_packages_too(mirror, cache):
    url = "pypi:no-such-package==1.0#data/worm.bin"
    put(mirror / "staged" / "worm.bin")
    assert fetch([listed(url=url)], cache, mirror=mirror).files[0].local.read_bytes() == BODY


def test_a_mirror_that_is_not_there_is_said_so(tmp_path, cache):
    with pytest.raises(NotFoundError, match="not a folder"):
        fetch([listed()], cache, mirror=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="mirror of this kind"):
        fetch([listed()], cache, mirror="gopher://host/data")


def test_a_mirror_may_be_served_over_http(mirror, cache, http_server):
    path = "lab/SI 5 matrices, corrected #2 100%.bin"
    put(mirror / path)
    base = http_server.serve_folder(mirror)
    assert fetch([listed(path)], cache, mirror=base).files[0].local.read_bytes() == BODY
    (seen,) = http_server.log
    assert seen.path == f"/{path}"


def test_a_url_mirror_resumes_and_checks_like_any_server(cache, http_server):
    answer = http_server.Answer
    http_server.put("/mirror/lab/worm.bin", answer(BODY, etag='"1"', cut_after=100), answer(BODY, etag='"1"'))
    fetch([listed()], cache, mirror=f"{http_server.url}/mirror/")
    assert [seen.range for seen in http_server.log] == [None, "bytes=100-"]
    http_server.put("/mirror/lab/wrong.bin", b"x" * 5)
    with pytest.raises(ChecksumError):
        fetch([listed("lab/wrong.bin", b"right")], cache, mirror=f"{http_server.url}/mirror")


def test_a_url_mirror_that_lacks_a_file_says_that_nothing_else_was_asked(cache, http_server):
    home = http_server.put("/home/worm.bin", BODY)
    with pytest.raises(FetchError) as caught:
        fetch([listed(url=home)], cache, mirror=f"{http_server.url}/mirror")
    assert "nothing else is asked" in (caught.value.hint or "")
    assert [seen.path for seen in http_server.log] == ["/mirror/lab/worm.bin"]


def test_the_access_signature_of_a_url_mirror_is_sent_and_not_shown(cache, http_server):
    with pytest.raises(FetchError) as caught:
        fetch([listed()], cache, mirror=f"{http_server.url}/mirror?sig=abcdef")
    assert (http_server.log[0].path, http_server.log[0].query) == ("/mirror/lab/worm.bin", "sig=abcdef")
    assert "abcdef" not in str(caught.value)


def test_a_file_url_is_copied_and_checked(tmp_path, cache):
    source = put(tmp_path / "lab data" / "worm 1%.bin")
    fetched = fetch([listed(url=source.as_uri())], cache)
    assert fetched.files[0].local.read_bytes() == BODY
    put(source, BODY[::-1])
    with pytest.raises(ChecksumError) as caught:
        fetch([listed("other.bin", BODY[:-1], source.as_uri())], cache)
    assert caught.value.place == str(source)
    with pytest.raises(FetchError, match="no such file"):
        fetch([listed("none.bin", b"none", (tmp_path / "none.bin").as_uri())], cache)
    with pytest.raises(UsageError, match="another machine"):
        fetch([listed("far.bin", b"far", "file://server/share/far.bin")], cache)


@pytest.mark.parametrize(
    "path",
    ["../worm.bin", "lab/../../worm.bin", "/etc/passwd", "C:/worm.bin", "c:worm.bin", "lab\\..\\worm.bin", "",
     "lab//worm.bin", "./worm.bin", "lab/", "lab/..", "wo\x00rm", "wo\nrm"],
)  # fmt: skip
def test_hostile_paths_are_refused_before_anything_is_read(path, mirror, cache, tmp_path):
    put(tmp_path / "worm.bin")
    with pytest.raises(UnsafeError):
        fetch([listed(path, optional=True)], cache, mirror=mirror)
    assert not cache.exists()


def test_an_unknown_kind_of_address_is_refused(cache):
    with pytest.raises(UsageError, match="not known here"):
        fetch([listed(url="ftp://home.invalid/worm.bin", optional=True)], cache)


def test_a_promise_that_is_no_checksum_is_refused(cache):
    with pytest.raises(UsageError, match="not a checksum"):
        fetch([listed(sha256="ABC")], cache)
    with pytest.raises(UsageError, match="not a size"):
        fetch([listed(size_bytes=-1)], cache)


def test_a_cache_that_cannot_be_written_is_an_error_of_ours(mirror, cache):
    put(mirror / "lab" / "worm.bin")
    cache.mkdir()
    (cache / hashlib.sha256(BODY).hexdigest()).write_text("a file where a folder must be")
    with pytest.raises(FetchError, match="could not be stored"):
        fetch([listed()], cache, mirror=mirror)


def test_the_worm_files_come_out_of_a_folder_of_another_layout(data_dir, cache):
    table = data_dir / "worm" / "MANIFEST.tsv"
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    files = [
        RemoteFile(f"renamed-lab/{Path(path).name}", HOME, int(size), sha256)
        for sha256, size, path in rows
        if path.startswith(("cook2019/", "varshney2011/"))
    ]
    fetched = fetch(files, cache, mirror=data_dir)
    assert len(fetched.files) == len(files) >= 8
    assert fetched.missing == ()
    again = fetch(files, cache, mirror=data_dir)
    assert (again.bytes_downloaded, again.bytes_hashed) == (0, sum(file.size_bytes or 0 for file in files))


def test_a_pattern_stands_for_the_files_of_the_mirror_that_fit_it(mirror, cache):
    for name in ("2_t.txt", "10_t.txt", "deep/3_t.txt", "3_labels.txt", ".hidden_t.txt"):
        put(mirror / "lab" / name, name.encode())
    put(mirror / "other" / "1_t.txt", b"of another source")
    wanted = RemoteFile("lab/*_t.txt", HOME, pattern=True)
    fetched = fetch([wanted, listed("lab/2_t.txt", b"2_t.txt")], cache, mirror=mirror)
    assert [raw.path for raw in fetched.files] == ["lab/10_t.txt", "lab/deep/3_t.txt", "lab/2_t.txt"]
    assert [raw.verified for raw in fetched.files] == [False, False, True]
    assert fetched.missing == ()


def test_what_a_pattern_brought_before_is_found_without_the_mirror(mirror, cache):
    put(mirror / "lab" / "1_t.txt")
    wanted = RemoteFile("lab/*_t.txt", HOME, pattern=True)
    (first,) = fetch([wanted], cache, mirror=mirror).files
    again = fetch([wanted], cache)
    assert again.files == (first,)
    assert again.bytes_downloaded == 0
    assert fetch([RemoteFile("lab/*_t.txt", f"{HOME}-2", pattern=True)], cache).files == ()


@pytest.mark.parametrize("given", [True, False])
def test_a_pattern_that_nothing_fits_is_missing_and_stops_nothing(mirror, cache, given):
    fetched = fetch([RemoteFile("lab/*_t.txt", HOME, pattern=True)], cache, mirror=mirror if given else None)
    assert fetched.files == ()
    (missing,) = fetched.missing
    assert (missing.file, missing.kind) == ("lab/*_t.txt", "unavailable")
    assert "one by one" in missing.reason


def test_a_pattern_that_leaves_the_mirror_is_refused(mirror, cache):
    with pytest.raises(UnsafeError):
        fetch([RemoteFile("../*.txt", HOME, pattern=True)], cache, mirror=mirror)


def test_a_pattern_without_a_wildcard_stands_for_the_one_file_of_that_path(mirror, cache):
    put(mirror / "lab" / "worms.mat", b"worms")
    put(mirror / "lab" / "other.mat", b"other")
    fetched = fetch([RemoteFile("lab/worms.mat", HOME, pattern=True)], cache, mirror=mirror)
    assert [raw.path for raw in fetched.files] == ["lab/worms.mat"]
    assert fetched.missing == ()
