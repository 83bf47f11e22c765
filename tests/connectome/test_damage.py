"""Damage is found: every altered byte by ``verify``, missing and shortened files when they are opened."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import DamagedError, NotFoundError
from connectome.store import Damage, Repository, open_record, open_version, verify, write_record
from connectome.store.archive import RecordStore
from connectome.store.canonical import json_digest
from support.generated_records import generated_recipe, put

NAME = "generated"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a store with one version of two records."""
    made = Repository(tmp_path / "root")
    made.commit(NAME, [put(made, NAME, "a", 1.0), put(made, NAME, "b", 2.0)], about={"title": "Generated ☃"})
    return made


@pytest.fixture
def smallest(tmp_path: Path) -> Repository:
    """Make a store whose one record is as small as records get."""
    made = Repository(tmp_path / "root")
    numbers = schema.column("row", np.array([1.5, 2.0, 3.0]), "Generated", "s")
    receipt = write_record(
        schema.record({"t": schema.table({"x": numbers})}, title="Generated"),
        made.folder(NAME),
        record="a",
        recipe=generated_recipe("a"),
        staging=made.staging,
    )
    made.commit(NAME, [receipt])
    return made


def record_path(repository: Repository, record: str) -> Path:
    return open_version(NAME, root=repository.path).file(record)


def version_path(repository: Repository, version: str = "1.0.0") -> Path:
    return repository.path / NAME / "versions" / f"{version}.json"


def altered(path: Path, places: Iterator[int] | range) -> Iterator[int]:
    """Flip one bit of a file at each place in turn; the last byte flipped is put right again."""
    data = path.read_bytes()
    path.chmod(0o644)
    for at in places:
        wrong = bytearray(data)
        wrong[at] ^= 1 << (at % 8)
        path.write_bytes(wrong)
        yield at
    path.write_bytes(data)


def test_a_sound_version_verifies(repository: Repository) -> None:
    seen: list[str] = []
    found = verify(repository, NAME, progress=seen.append)
    assert found.ok
    assert found.damaged == ()
    assert seen == ["a", "b"]
    assert (found.dataset, found.version, found.n_records) == (NAME, "1.0.0", 2)
    assert found.size_bytes == sum(record_path(repository, name).stat().st_size for name in "ab")
    assert json.loads(json.dumps(found.as_dict()))["ok"] is True


def test_every_altered_byte_of_a_version_file_is_found(smallest: Repository) -> None:
    path = version_path(smallest)
    missed = [at for at in altered(path, range(path.stat().st_size)) if verify(smallest, NAME).ok]
    assert missed == []
    assert verify(smallest, NAME).ok


def test_every_altered_byte_of_a_record_file_is_found(smallest: Repository) -> None:
    path = record_path(smallest, "a")
    for at in altered(path, range(path.stat().st_size)):
        found = verify(smallest, NAME)
        assert [(item.record, item.what) for item in found.damaged] == [("a", "bytes")], at
        assert path.name in found.damaged[0].message
    assert verify(smallest, NAME).ok


def test_no_altered_byte_is_read_as_other_data(smallest: Repository) -> None:
    """Reading raises or gives what was written, also without ``verify``: whichever part of the ZIP was hit."""
    path = record_path(smallest, "a")
    sound = open_record(path).load()
    store = RecordStore(path)
    documents = [range(*(start, start + length)) for start, length in map(store.span, store.entries)]
    # Inside the metadata every 13th byte, as the CRC covers it evenly; headers, directory and values wholly.
    inside = {at for body in documents if len(body) > 64 for at in body if at % 13}
    outcomes = {"refused": 0, "harmless": 0}
    for at in altered(path, (at for at in range(path.stat().st_size) if at not in inside)):
        try:
            found = open_record(path).load()
        except DamagedError:
            outcomes["refused"] += 1
        else:
            assert found.identical(sound), f"byte {at}"
            outcomes["harmless"] += 1
    assert min(outcomes.values()) > 50


def test_a_chunk_that_has_gone_from_the_directory_is_not_read_as_zeros(smallest: Repository) -> None:
    path = record_path(smallest, "a")
    data = path.read_bytes()
    # The name in the central directory, which is the last one in the file.
    at = data.rindex(b"t/x/c/0")
    path.chmod(0o644)
    path.write_bytes(data[:at] + b"t/x/c/9" + data[at + 7 :])
    with pytest.raises(DamagedError, match="a chunk is missing") as caught:
        open_record(path)["t/x"].load()
    assert caught.value.place == "t/x/c/0"
    with pytest.raises(DamagedError, match="no such entry"):
        RecordStore(path).span("t/x/c/0")


@pytest.mark.parametrize("cut", [None, 0, 100, -1], ids=["missing", "empty", "cut", "one byte short"])
def test_opening_names_the_record_file_that_is_missing_or_short(repository: Repository, cut: int | None) -> None:
    version = open_version(NAME, root=repository.path)
    path = version.file("b")
    data = path.read_bytes()
    path.unlink()
    if cut is not None:
        path.write_bytes(data[:cut])
    with pytest.raises(DamagedError) as caught:
        version.open("b")
    assert caught.value.subject == str(path)
    assert caught.value.hint
    np.testing.assert_array_equal(version.open("a")["activity/signal"], np.ones((2, 8)))
    damaged = verify(repository, NAME).damaged
    assert [(item.record, item.what) for item in damaged] == [("b", "missing" if cut is None else "size")]


def test_a_file_that_lies_where_a_folder_should_be_is_a_missing_record(repository: Repository) -> None:
    path = record_path(repository, "b")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("not a folder")
    with pytest.raises(DamagedError, match="missing"):
        open_version(NAME, root=repository.path).open("b")
    assert verify(repository, NAME).damaged[0].what == "missing"


def test_verify_reports_all_damage_at_once(repository: Repository) -> None:
    first, second = (record_path(repository, name) for name in "ab")
    first.unlink()
    second.chmod(0o644)
    with second.open("ab") as file:
        file.write(b"more")
    found = verify(repository, NAME)
    assert not found.ok
    assert [(item.record, item.what) for item in found.damaged] == [("a", "missing"), ("b", "size")]
    assert found.as_dict()["damaged"][0].keys() == {"record", "what", "message"}
    assert found.size_bytes == 0


@pytest.mark.parametrize("cut", [0, 1, 500, -1], ids=["empty", "one byte", "cut", "last byte"])
def test_a_shortened_version_file_is_refused_and_reported(repository: Repository, cut: int) -> None:
    path = version_path(repository)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DamagedError) as caught:
        open_version(NAME, root=repository.path)
    assert caught.value.subject == f"{NAME}@1.0.0"
    found = verify(repository, NAME)
    assert [(item.record, item.what) for item in found.damaged] == [("*", "manifest")]


def test_a_version_file_under_another_number_is_refused(repository: Repository) -> None:
    version_path(repository, "1.1.0").write_bytes(version_path(repository).read_bytes())
    with pytest.raises(DamagedError, match="another version") as caught:
        repository.find(NAME)
    assert caught.value.found == f"{NAME}@1.0.0"
    assert verify(repository, f"{NAME}@1.1.0").damaged[0].what == "manifest"
    assert verify(repository, f"{NAME}@1.0.0").ok


def test_a_version_file_of_a_later_format_says_so(repository: Repository) -> None:
    document = json.loads(version_path(repository).read_bytes())
    document["format"] = 2
    version_path(repository).write_text(json.dumps(document))
    with pytest.raises(DamagedError, match="another format") as caught:
        repository.find(NAME)
    assert caught.value.hint == "update connectome"


def test_a_later_version_does_not_need_an_earlier_one_to_be_whole(repository: Repository) -> None:
    repository.commit(NAME, [put(repository, NAME, "a", 3.0)])
    version_path(repository).write_text("{}")
    assert open_version(NAME, root=repository.path).version == "2.0.0"
    assert verify(repository, NAME).ok
    with pytest.raises(DamagedError):
        repository.log(NAME)


def rewritten(repository: Repository, **changes: Any) -> None:
    """Forge the version file with a right checksum: what only a re-measurement of the record can find."""
    path = version_path(repository)
    document = json.loads(path.read_bytes())
    document["records"]["a"].update(changes)
    manifest = repository.find(NAME)
    receipt = dataclasses.replace(manifest.records["a"], **changes)
    forged = dataclasses.replace(manifest, records={**manifest.records, "a": receipt})
    path.write_bytes(forged.to_bytes())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"content": "0" * 64}, "content"),
        ({"recipe": generated_recipe("forged").as_dict()}, "provenance"),
        ({"facts": {"/activity": {"kind": "series", "n_channels": 3}}}, "facts"),
    ],
    ids=["content", "recipe", "facts"],
)
def test_verify_measures_again_what_a_version_claims(
    repository: Repository, changes: dict[str, Any], what: str
) -> None:
    rewritten(repository, **changes)
    damaged = verify(repository, NAME).damaged
    assert [(item.record, item.what) for item in damaged] == [("a", what)]


def test_verify_finds_a_record_that_breaks_its_schema(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that got past the writer, as one written by a release with a weaker check."""
    tree = schema.record({"t": schema.table({"x": schema.column("row", np.ones(2), "Generated", "1")})})
    del tree["t/x"].attrs["units"]
    monkeypatch.setattr(schema, "validate", lambda *_, **__: None)
    receipt = write_record(
        tree, repository.folder(NAME), record="c", recipe=generated_recipe("c"), staging=repository.staging
    )
    repository.commit(NAME, [receipt], keep_others=True)
    (damage,) = verify(repository, NAME).damaged
    assert damage == Damage("c", "schema", '/t/x: expected the attribute units ("1" for plain numbers), found none')


def test_verify_of_what_does_not_exist_is_not_found(repository: Repository) -> None:
    for spec in (f"{NAME}@7", "other"):
        with pytest.raises(NotFoundError):
            verify(repository, spec)


def test_a_checksum_over_a_version_file_covers_every_field(repository: Repository) -> None:
    document = json.loads(version_path(repository).read_bytes())
    checksum = document.pop("checksum")
    assert json_digest(document) == checksum
    assert {"dataset", "version", "records", "rejected", "splits", "about", "parents", "created"} <= document.keys()


def test_an_entry_that_starts_before_the_file_is_refused(smallest: Repository, tmp_path: Path) -> None:
    data = bytearray(record_path(smallest, "a").read_bytes())
    end = data.rindex(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", data, end + 16)
    # zipfile takes the difference for something put before the archive and shifts every entry by it.
    struct.pack_into("<I", data, end + 16, offset + 64)
    path = tmp_path / "shifted.zip"
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        open_record(path).load()
