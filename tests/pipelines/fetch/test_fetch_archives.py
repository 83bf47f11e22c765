"""Archives, honest and hostile: unpacked whole below their folder, or refused with nothing left behind."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import ConflictError, ConnectomeError, FormatError, NotFoundError, TruncatedError, UnsafeError
from connectome.pipelines.fetch import unpack

HONEST = {"worm/a.csv": b"pre,post\n", "worm/deep/b.bin": bytes(range(256)) * 100, "c.txt": b""}
TAR_MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def make_zip(file: Path, members: dict[str, bytes], *, modes: dict[str, int] | None = None) -> Path:
    """Write a generated zip file; ``modes`` are Unix modes of single members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((modes or {}).get(name, stat.S_IFREG | 0o644)) << 16
            archive.writestr(info, body)
    return file


def make_tar(file: Path, members: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w") -> Path:
    """Write a generated tar file."""
    with tarfile.open(file, mode) as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        for info in extra:
            archive.addfile(info)
    return file


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A tar entry without bytes: a link, a device, a pipe, a folder."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def make(kind: str, folder: Path, members: dict[str, bytes]) -> Path:
    """Write a generated archive of any kind."""
    file = folder / f"archive.{kind}"
    return make_zip(file, members) if kind == "zip" else make_tar(file, members, mode=TAR_MODES[kind])


def refuse(archive: Path, tmp_path: Path, error: type[ConnectomeError], **limits: int) -> ConnectomeError:
    """Check that an archive is refused and nothing of it is left, inside or outside."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        unpack(archive, tmp_path / "out", **limits)
    assert sorted(tmp_path.rglob("*")) == before
    assert type(caught.value) is error
    assert caught.value.subject == str(archive)
    return caught.value


@pytest.mark.parametrize("kind", ["zip", *TAR_MODES])
def test_an_archive_is_unpacked_whole_whatever_its_name(kind, tmp_path):
    archive = make(kind, tmp_path, HONEST).rename(tmp_path / "no-suffix")
    files = unpack(archive, tmp_path / "out" / "here")
    assert files == [tmp_path / "out" / "here" / name for name in sorted(HONEST)]
    assert {str(file.relative_to(tmp_path / "out" / "here")): file.read_bytes() for file in files} == HONEST
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["here"]


def test_folders_and_leading_dots_are_no_files(tmp_path):
    archive = make_tar(tmp_path / "a.tar", {"./worm/a.csv": b"x"}, entry(".", tarfile.DIRTYPE), entry("./worm/", b"5"))
    assert unpack(archive, tmp_path / "out") == [tmp_path / "out" / "worm" / "a.csv"]
    packed = make_zip(tmp_path / "a.zip", {"worm/": b"", "worm/a.csv": b"x"})
    assert unpack(packed, tmp_path / "other") == [tmp_path / "other" / "worm" / "a.csv"]


def test_links_within_an_archive_become_copies(tmp_path):
    links = [
        entry("first.csv", tarfile.SYMTYPE, "worm/later.csv"),
        entry("worm/deep/up.csv", tarfile.SYMTYPE, "../a.csv"),
        entry("hard.csv", tarfile.LNKTYPE, "worm/a.csv"),
        entry("worm/later.csv", tarfile.SYMTYPE, "a.csv"),
    ]
    files = unpack(make_tar(tmp_path / "a.tar", {"worm/a.csv": b"x"}, *links), tmp_path / "out")
    assert len(files) == 5
    assert {file.read_bytes() for file in files} == {b"x"}
    assert not any(file.is_symlink() or file.stat().st_nlink > 1 for file in files)

    modes = {"link.csv": stat.S_IFLNK | 0o777}
    packed = make_zip(tmp_path / "a.zip", {"worm/a.csv": b"x", "link.csv": b"worm/a.csv"}, modes=modes)
    assert [file.read_bytes() for file in unpack(packed, tmp_path / "zipped")] == [b"x", b"x"]


HOSTILE_NAMES = [
    "../evil",
    "worm/../../evil",
    "/evil",
    "C:/evil",
    "C:evil",
    "..\\evil",
    "worm\\..\\..\\evil",
    "//host/x",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_path_that_leaves_the_folder_is_refused(kind, name, tmp_path):
    (tmp_path / "box").mkdir()
    refuse(make(kind, tmp_path / "box", {"ok.txt": b"ok", name: b"evil"}), tmp_path / "box", UnsafeError)
    assert [item.name for item in tmp_path.iterdir()] == ["box"]


@pytest.mark.parametrize("target", ["../../evil", "/etc/passwd", "..", "a/../../..", "..\\evil"])
def test_a_link_that_leaves_the_folder_is_refused(target, tmp_path):
    deeper = target if target.startswith("/") else f"../{target}"
    symbolic = make_tar(tmp_path / "s.tar", {"ok": b"ok"}, entry("worm/link", tarfile.SYMTYPE, deeper))
    absolute = make_tar(tmp_path / "a.tar", {"ok": b"ok"}, entry("link", tarfile.SYMTYPE, target))
    hard = make_tar(tmp_path / "h.tar", {"ok": b"ok"}, entry("link", tarfile.LNKTYPE, target))
    packed = make_zip(tmp_path / "l.zip", {"link": target.encode()}, modes={"link": stat.S_IFLNK | 0o777})
    for archive in (symbolic, absolute, hard, packed):
        refuse(archive, tmp_path, UnsafeError)


def test_writing_through_a_link_to_a_folder_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(entry("door", tarfile.SYMTYPE, "inside"))
        info = tarfile.TarInfo("door/evil")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    refuse(tmp_path / "a.tar", tmp_path, FormatError)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("targets", [("nowhere",), ("b", "a"), ("worm",), ("link0",)])
def test_a_link_that_leads_to_no_file_is_refused(targets, tmp_path):
    names = ["a", "b"] if len(targets) == 2 else ["link0"]
    links = [entry(name, tarfile.SYMTYPE, target) for name, target in zip(names, targets, strict=True)]
    refuse(make_tar(tmp_path / "a.tar", {"worm/a.csv": b"x"}, *links), tmp_path, FormatError)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind, tmp_path):
    refuse(make_tar(tmp_path / "a.tar", {"ok": b"ok"}, entry("null", kind)), tmp_path, UnsafeError)
    packed = make_zip(tmp_path / "a.zip", {"null": b""}, modes={"null": stat.S_IFCHR | 0o666})
    refuse(packed, tmp_path, UnsafeError)


@pytest.mark.parametrize("kind", ["zip", *TAR_MODES])
def test_too_many_bytes_or_files_are_refused(kind, tmp_path):
    archive = make(kind, tmp_path, {"a": bytes(600), "b": bytes(600)})
    assert refuse(archive, tmp_path, UnsafeError, max_bytes=1199).expected == "at most 1199 bytes"
    assert refuse(archive, tmp_path, UnsafeError, max_files=1).expected == "at most 1 files"
    assert len(unpack(archive, tmp_path / "out", max_bytes=1200, max_files=2)) == 2


def test_copies_made_for_links_count_too(tmp_path):
    links = [entry(f"link{number}", tarfile.SYMTYPE, "a") for number in range(9)]
    archive = make_tar(tmp_path / "a.tar", {"a": bytes(1000)}, *links)
    refuse(archive, tmp_path, UnsafeError, max_bytes=9_999)
    refuse(archive, tmp_path, UnsafeError, max_files=9)
    assert len(unpack(archive, tmp_path / "out", max_bytes=10_000, max_files=10)) == 10


def test_a_zip_member_that_is_longer_than_it_says_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"bomb": bytes(10_000_000)})
    data = bytearray(archive.read_bytes())
    crc = zlib.crc32(bytes(10))
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, local + 14, crc)
    struct.pack_into("<I", data, local + 22, 10)
    struct.pack_into("<I", data, central + 16, crc)
    struct.pack_into("<I", data, central + 24, 10)
    archive.write_bytes(data)
    files = []
    try:
        files = unpack(archive, tmp_path / "out", max_bytes=100)
    except ConnectomeError:
        assert not (tmp_path / "out").exists()
    assert sum(file.stat().st_size for file in files) <= 100


def test_a_zip_member_that_is_shorter_than_it_says_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"short": bytes(1000)})
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x03\x04") + 22, 1010)
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 1010)
    archive.write_bytes(data)
    refuse(archive, tmp_path, TruncatedError)


def test_a_zip_name_with_a_hidden_end_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"harmless@evil": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"harmless@evil", b"harmless\0evil"))
    refuse(archive, tmp_path, UnsafeError)


def test_a_tar_header_that_fills_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 40 << 20
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.addfile(info, io.BytesIO(bytes(40 << 20)))
    assert (tmp_path / "a.tar.gz").stat().st_size < 1 << 20
    refuse(tmp_path / "a.tar.gz", tmp_path, UnsafeError)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_for_one_place_are_refused(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    for names in (["a", "a"], ["a", "a/b"], ["a/b", "a"], ["./a", "a"]):
        if kind == "zip":
            with zipfile.ZipFile(file, "w") as packed:
                for name in names:
                    packed.writestr(name, name)
        else:
            with tarfile.open(file, "w") as archive:
                for name in names:
                    archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        refuse(file, tmp_path, FormatError)


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a": b"secret"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert "encrypted" in refuse(archive, tmp_path, FormatError).message


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_cut_compressed_archive_is_truncated(kind, tmp_path):
    archive = make(kind, tmp_path, {"a": os.urandom(50_000)})
    archive.write_bytes(archive.read_bytes()[:30_000])
    refuse(archive, tmp_path, TruncatedError)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_cut_plain_archive_is_refused(kind, tmp_path):
    archive = make(kind, tmp_path, {"a": os.urandom(50_000)})
    archive.write_bytes(archive.read_bytes()[:30_000])
    with pytest.raises(FormatError):
        unpack(archive, tmp_path / "out")
    assert [item.name for item in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_altered_byte_of_a_member_is_noticed(kind, tmp_path):
    archive = make(kind, tmp_path, {"a": os.urandom(50_000)})
    data = bytearray(archive.read_bytes())
    data[25_000] ^= 1
    archive.write_bytes(data)
    refuse(archive, tmp_path, FormatError)


def test_data_behind_the_end_of_an_archive_is_refused(tmp_path):
    archive = make_tar(tmp_path / "a.tar", {"a": b"x"})
    archive.write_bytes(archive.read_bytes() + bytes(20 << 20))
    refuse(archive, tmp_path, FormatError)


def test_what_is_no_archive_is_said_so(tmp_path):
    (tmp_path / "a.csv").write_text("pre,post\n" * 200)
    refuse(tmp_path / "a.csv", tmp_path, FormatError)
    with pytest.raises(NotFoundError):
        unpack(tmp_path / "none.zip", tmp_path / "out")


def test_a_folder_that_exists_is_not_touched(tmp_path):
    archive = make("zip", tmp_path, HONEST)
    (tmp_path / "out").mkdir()
    with pytest.raises(ConflictError):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_the_names_nothing_is_written_outside(data, tmp_path_factory):
    part = st.sampled_from(["..", ".", "", "a", "b", "C:", "\\", "a\\..", "~", " "])
    name = st.lists(part, min_size=1, max_size=5).map("/".join).filter(bool)
    names = data.draw(st.lists(name, min_size=1, max_size=4, unique=True))
    box = tmp_path_factory.mktemp("box")
    archive = make("tar", box, dict.fromkeys(names, b"x"))
    try:
        files = unpack(archive, box / "in" / "out")
    except FormatError:
        assert not (box / "in" / "out").exists()
        files = []
    there = {item for item in box.rglob("*") if item.is_file()} - {archive}
    assert there == set(files)
    assert all(file.resolve().is_relative_to(box / "in" / "out") for file in files)
