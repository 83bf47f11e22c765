"""Typed tables, members of archives, and graphs of ids: what is kept to the last digit, and what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet

from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats.files.tar_members import is_tar, read_members
from connectome.pipelines.formats.tables.typed_table import Field, is_arrow, read_arrow, read_delimited
from connectome.pipelines.homogenise.neuron_graph import match_ids, neuron_graph, synapses
from connectome.schema import decode

INT64 = st.integers(-(2**63), 2**63 - 1)
TYPES = {"chemical": synapses(weight_units="synapses", weight_meaning="number of synapses", lineage="generated")}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 852022274\n"


@given(st.lists(INT64, min_size=1, max_size=30))
def test_whole_numbers_of_64_bits_survive_delimited_text(values: list[int]):
    text = "\n".join(["id", *map(str, values)]).encode() + b"\n"
    table = read_delimited(text, [Field("id", "int64", "Id")], subject="generated")
    assert table.values("id").tolist() == values


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_floats_survive_delimited_text_to_the_last_bit(values: list[float]):
    text = "\n".join(["x", *map(repr, values)]).encode() + b"\n"
    table = read_delimited(text, [Field("x", "float64", "X")], subject="generated")
    assert table.values("x").tobytes() == np.array(values).tobytes()


def test_columns_are_described_and_what_is_missing_is_told_from_what_is_there():
    text = b"id,kind,ok,n,x,name\n1,b,True,5,1.5,\xc3\xa9\n2,,,,,\n3,a,False,-1,nan,z\n"
    fields = [
        Field("id", "int64", "Id"), Field("kind", "category", "Kind"), Field("ok", "bool", "Fine"),
        Field("n", "int64", "Number", "synapses"), Field("x", "float64", "Length", "um"),
    ]  # fmt: skip
    table = read_delimited(text, fields, subject="generated")
    columns = table.variables("row")
    assert columns["kind"].attrs["flag_labels"] == ["a", "b"]
    assert decode(columns["kind"]).tolist() == ["b", "", "a"]
    assert decode(columns["ok"]).tolist() == ["true", "", "false"]
    # The number that stands for nothing is one of the file's own: then the column is text.
    assert columns["n"].values.tolist() == ["5", "", "-1"]
    assert columns["x"].attrs["units"] == "um"
    assert np.isnan(columns["x"].values[1:]).all()
    assert columns["name"].values.tolist() == ["é", "", "z"]
    with pytest.raises(FormatError, match="a value is missing") as caught:
        table.values("n")
    assert caught.value.place == "column n, row 2"


def test_rows_can_be_taken_in_another_order_with_nothing_where_there_is_none():
    table = read_delimited(
        b"id,t,x\n7,a,1\n9,b,2\n", [Field("id", "int64", "Id"), Field("x", "float64", "X")], subject="t"
    )
    order = np.array([1, -1, 0])
    assert table.variable("id", "node", order).values.tolist() == [9, -1, 7]
    assert table.variable("id", "node", order).attrs["missing_value"] == -1
    assert table.variable("t", "node", order).values.tolist() == ["b", "", "a"]
    assert np.array_equal(table.variable("x", "node", order).values, [2, np.nan, 1], equal_nan=True)
    empty = read_delimited(b"id,t,x\n", [Field("id", "int64", "Id")], subject="t")
    assert empty.variable("t", "node", np.array([-1, -1])).values.tolist() == ["", ""]


@pytest.mark.parametrize(
    ("content", "message", "place"),
    [
        (b"", "the table is empty", None),
        (b"\n1\n", "the table is empty", None),
        (b"id,w\n1\n", "another number of cells", "line 2"),
        (b"id,w\n1,2\n3,4,5\n", "another number of cells", "line 3"),
        (b"id,w\n1,2\nx,4\n", "not of its type", "line 3, column id"),
        (b"id,w\n1,2\n3.0,4\n", "not of its type", "line 3, column id"),
        (b"id,w\n9223372036854775808,2\n", "not of its type", "line 2, column id"),
        (b"id,w\n1,\xff\n", "not of its type", "line 2"),
        (b"w\n1\n", "columns are missing", "line 1"),
        (b"id,id\n1,1\n", "a column is there twice", "line 1"),
        (b"\xff\xfe\x00,id\n", "not text", "line 1"),
    ],
)
def test_damaged_text_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str, place: str | None):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_delimited(tmp_path / "table.csv", [Field("id", "int64", "Id")], subject="table.csv")
    assert caught.value.subject == "table.csv"
    assert place is None or str(caught.value.place).startswith(place)


def test_pointers_and_other_formats_are_told_from_tables(tmp_path: Path):
    pointer, text = tmp_path / "pointer.feather", tmp_path / "text.feather"
    pointer.write_text(POINTER)
    text.write_text("a,b\n1,2\n")
    for read in (lambda path: read_arrow(path, ()), lambda path: read_members(path, ["x"])):
        with pytest.raises(TruncatedError, match="git lfs pull"):
            read(pointer)
    with pytest.raises(FormatError, match="neither Feather nor Parquet"):
        read_arrow(text, ())
    assert not is_arrow(text)
    assert not is_tar(text)


@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_arrow_files_keep_exact_ids_and_refuse_those_that_went_through_floats(tmp_path: Path, suffix: str):
    path = tmp_path / f"table.{suffix}"
    write: Any = feather.write_feather if suffix == "feather" else parquet.write_table

    ids = [720575940600000001, 864691135000000003]
    write(pa.table({"id": pa.array(ids, pa.uint64()), "more": pa.array([[1, 2], None])}), str(path))
    assert is_arrow(path)
    table = read_arrow(path, [Field("id", "int64", "Id")])
    assert table.values("id").tolist() == ids
    assert table.variable("more", "row").values.tolist() == ["1, 2", ""]
    write(pa.table({"id": np.array(ids, float)}), str(path))
    with pytest.raises(FormatError, match="not of its type"):
        read_arrow(path, [Field("id", "int64", "Id")])
    write(pa.table({"id": pa.array([2**63], pa.uint64())}), str(path))
    with pytest.raises(FormatError, match="not of its type"):
        read_arrow(path, [Field("id", "int64", "Id")])


def archive(path: Path, members: dict[str, bytes], *, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return path


def test_members_of_an_archive_are_read_by_name_and_nothing_is_written(tmp_path: Path):
    path = archive(tmp_path / "a.tar.gz", {"../../b/x.csv": b"1", "b/y.csv": b"22", "b/z.csv": b""})
    assert read_members(path, ["y.csv", "x.csv"]) == {"x.csv": b"1", "y.csv": b"22"}
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.tar.gz"]


def test_archives_that_lack_repeat_link_or_overflow_are_refused(tmp_path: Path):
    twice = archive(tmp_path / "twice.tar.gz", {"a/x.csv": b"1", "b/x.csv": b"2"})
    with pytest.raises(FormatError, match="in the archive twice"):
        read_members(twice, ["x.csv"])
    with pytest.raises(FormatError, match="not in the archive"):
        read_members(archive(tmp_path / "linked.tar.gz", {"b/y.csv": b"1"}, link="x.csv"), ["x.csv"])
    with pytest.raises(FormatError, match="too large"):
        read_members(archive(tmp_path / "large.tar.gz", {"x.csv": b"1" * 100}), ["x.csv"], most_bytes=99)
    whole = archive(tmp_path / "whole.tar.gz", {"x.csv": np.random.default_rng(0).bytes(5000)}).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedError):
        read_members(tmp_path / "cut.tar.gz", ["x.csv"])


@given(st.lists(INT64, unique=True, max_size=30), st.lists(INT64, max_size=30))
def test_ids_are_matched_as_a_dictionary_would(ids: list[int], wanted: list[int]):
    wanted = wanted + ids[::2]
    place = {identifier: row for row, identifier in enumerate(ids)}
    found = match_ids(np.array(ids, dtype=np.int64), np.array(wanted, dtype=np.int64))
    assert found.tolist() == [place.get(item, -1) for item in wanted]


def test_a_graph_of_ids_keeps_rows_and_refuses_strangers_and_repeats():
    ids = np.array([5, 3, 9])
    made = neuron_graph(
        pre=np.array([3, 3, 9]), post=np.array([5, 5, 9]), node=ids, edge_type="chemical", edge_types=TYPES,
        weight=np.array([1, 2, 3]), subject="edges.csv",
    )  # fmt: skip
    assert made["node"].values.tolist() == [5, 3, 9]
    assert list(zip(made["source"].values.tolist(), made["target"].values.tolist(), strict=True)) == [
        (1, 0),
        (1, 0),
        (2, 2),
    ]
    words = neuron_graph(
        pre=np.array(["b", "a"], dtype=object), post=np.array(["a", "a"], dtype=object), edge_type="chemical",
        edge_types=TYPES, subject="types.csv",
    )  # fmt: skip
    assert words["node"].values.tolist() == ["a", "b"]
    with pytest.raises(FormatError, match="the postsynaptic neuron of an edge is not listed") as caught:
        neuron_graph(
            pre=np.array([3, 3]), post=np.array([5, 4]), node=ids, edge_type="chemical", edge_types=TYPES,
            subject="edges.csv", first_row=2,
        )  # fmt: skip
    assert caught.value.place == "line 3"
    with pytest.raises(FormatError, match="a neuron is there twice"):
        neuron_graph(
            pre=ids, post=ids, node=np.array([5, 3, 9, 3]), edge_type="chemical", edge_types=TYPES, subject="edges.csv"
        )
