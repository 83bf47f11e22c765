"""RDS files: values and attributes of R as they are, code never, and no memory for lengths that lie."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome.errors import ConnectomeError, FormatError, TruncatedError, UnsafeError
from connectome.pipelines.formats.files import rds_file
from connectome.pipelines.formats.files.rds_file import REFUSED, read_rds
from support.rds_files import HEADER, NULL, chars, compact, item, pairs, rds, symbol


def save(folder: Path, content: bytes) -> Path:
    path = folder / "value.rds"
    path.write_bytes(content)
    return path


def test_vectors_lists_and_attributes_come_back(tmp_path: Path) -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    value = {"x": matrix, "names of mine": ["a", "é", ""], "n": np.array([1, -(2**31)], dtype=np.int32),
             "yes": np.array([True, False]), "z": np.array([1 + 2j]), "raw": np.array([7], dtype=np.uint8),
             "none": None, "inner": {"deep": np.array([0.5])}}  # fmt: skip
    found = read_rds(save(tmp_path, rds(value)))
    members = found.members()
    assert list(members) == list(value)
    assert np.array_equal(members["x"].values.reshape(2, 3, order="F"), matrix)
    assert members["x"].attributes["dim"].values.tolist() == [2, 3]
    assert members["names of mine"].values == ["a", "é", ""]
    assert members["n"].values.tolist() == [1, -(2**31)]
    assert (members["yes"].kind, members["z"].kind, members["raw"].kind) == ("logical", "complex", "raw")
    assert members["none"].kind == "null"
    assert members["inner"].members()["deep"].values.tolist() == [0.5]


def test_factors_and_data_frames_are_vectors_with_attributes(tmp_path: Path) -> None:
    factor = item(np.array([1, 2, 1], dtype=np.int32), {"levels": ["left", "right"], "class": "factor"})
    frame = item({"side": factor, "t": np.arange(3.0)}, {"class": "data.frame"})
    found = read_rds(save(tmp_path, HEADER + frame))
    side = found.members()["side"]
    assert side.attributes["levels"].values == ["left", "right"]
    assert side.values.tolist() == [1, 2, 1]
    assert found.attributes["class"].values == ["data.frame"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_every_compression_is_read_and_its_loss_noticed(pack, tmp_path: Path) -> None:
    whole = pack(rds(np.arange(300.0)))
    assert read_rds(save(tmp_path, whole)).values[-1] == 299
    for size in (0, 1, 5, 30, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        with pytest.raises(FormatError):
            read_rds(save(tmp_path, whole[:size]))
    with pytest.raises(FormatError):
        read_rds(save(tmp_path, whole + b"more"))


def test_version_2_is_read(tmp_path: Path) -> None:
    header = b"X\n" + struct.pack(">iii", 2, 0x00030400, 0x00020300)
    assert read_rds(save(tmp_path, header + item(np.arange(3.0)))).values.tolist() == [0, 1, 2]


def test_compact_vectors_are_spread_out(tmp_path: Path) -> None:
    sequence = compact("compact_intseq", item(np.array([4.0, 2.0, 1.0])))
    assert read_rds(save(tmp_path, HEADER + sequence)).values.tolist() == [2, 3, 4, 5]
    meta = item(np.array([0, 0], dtype=np.int32))
    wrapped = compact("wrap_real", struct.pack(">i", 2) + item(np.arange(3.0)) + meta, pairs({"dim": np.array([3])}))
    found = read_rds(save(tmp_path, HEADER + wrapped))
    assert (found.values.tolist(), found.attributes["dim"].values.tolist()) == ([0, 1, 2], [3])


@pytest.mark.parametrize("length", [1e12, 1e300, np.inf, np.nan, -1.0, 2.5])
def test_compact_sequences_that_lie_allocate_nothing(length: float, tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_rds(save(tmp_path, HEADER + compact("compact_intseq", item(np.array([length, 1.0, 1.0])))))


@pytest.mark.parametrize("kind", sorted(REFUSED))
@pytest.mark.parametrize("where", ["alone", "in a list", "as an attribute", "behind a wrapper"])
def test_code_and_environments_are_refused_wherever_they_stand(kind: int, where: str, tmp_path: Path) -> None:
    code = struct.pack(">i", kind) + NULL * 4
    content = {
        "alone": code,
        "in a list": item([np.arange(2.0), code]),
        "as an attribute": item(np.arange(2.0), {"srcref": code}),
        "behind a wrapper": compact("wrap_real", struct.pack(">i", 2) + code),
    }[where]
    with pytest.raises(UnsafeError, match="code or state of R") as caught:
        read_rds(save(tmp_path, HEADER + content))
    assert caught.value.found == REFUSED[kind]
    assert caught.value.place is not None


@pytest.mark.parametrize("kind", [10, 13, 14, 15, 16, 19, 24])
def test_lengths_beyond_the_file_allocate_nothing(kind: int, tmp_path: Path) -> None:
    for length in (struct.pack(">i", 2**31 - 1), struct.pack(">iii", -1, 1 << 10, 0), struct.pack(">i", 1000)):
        with pytest.raises(TruncatedError):
            read_rds(save(tmp_path, HEADER + struct.pack(">i", kind) + length + bytes(64)))
    for length in (struct.pack(">i", -5), struct.pack(">iii", -1, -1, 0), struct.pack(">iii", -1, 1 << 30, 0)):
        with pytest.raises(FormatError, match="negative length"):
            read_rds(save(tmp_path, HEADER + struct.pack(">i", kind) + length + bytes(64)))


@pytest.mark.parametrize(
    "content",
    [
        struct.pack(">i", 99),
        struct.pack(">ii", 16, 1) + struct.pack(">i", 14) + bytes(16),
        struct.pack(">ii", 16, 1) + struct.pack(">ii", 9 | (8 << 12), 2) + b"\xff\xfe",
        struct.pack(">ii", 16, 1) + struct.pack(">ii", 9, -2) + bytes(16),
        struct.pack(">ii", 14 | 0x200, 0) + struct.pack(">i", 0x402) + struct.pack(">i", 255 | (7 << 8)) + bytes(16),
        struct.pack(">ii", 14 | 0x200, 0) + struct.pack(">i", 14) + bytes(16),
        struct.pack(">ii", 14 | 0x200, 0) + 2 * (struct.pack(">i", 0x402) + symbol("a") + NULL) + NULL,
        struct.pack(">ii", 19, 1) * 500 + NULL,
        compact("deferred_string", NULL),
        symbol("x"),
        chars("x"),
    ],
)
def test_items_that_cannot_stand_there_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_rds(save(tmp_path, HEADER + content))


@pytest.mark.parametrize(
    "start", [b"A\n3\n", b"B\n", b"RDX3\nX\n", b"X\n" + struct.pack(">iii", 4, 0, 0), b"\x28\xb5\x2f\xfd"]
)
def test_other_forms_are_refused(start: bytes, tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_rds(save(tmp_path, start + bytes(40)))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_refused_before_it_fills_the_memory(pack, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rds_file, "MOST_BYTES", 1 << 20)
    with pytest.raises(UnsafeError, match="unpacks to too much"):
        read_rds(save(tmp_path, pack(HEADER + bytes(4 << 20))))


def test_more_items_than_are_allowed_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rds_file, "MOST_ITEMS", 100)
    with pytest.raises(UnsafeError, match="too many items"):
        read_rds(save(tmp_path, rds([None] * 200)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_altered_bytes_are_read_or_refused_in_our_own_words(data, tmp_path: Path) -> None:
    whole = bytearray(rds({"a": np.arange(5.0), "b": ["x", "y"], "c": [np.arange(4).reshape(2, 2), {"d": None}]}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ConnectomeError):
        read_rds(save(tmp_path, bytes(whole)))


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = rds({"a": np.arange(5.0), "b": ["x", "y"], "c": [np.arange(4).reshape(2, 2)]})
    for size in range(len(whole)):
        with pytest.raises(FormatError):
            read_rds(save(tmp_path, whole[:size]))
