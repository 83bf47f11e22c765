"""Voreen's tables that are damaged: refused with the line, nothing half-made."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read
from support.voreen_tables import Tables, lines, set_fields, vessels

REFUSED: dict[str, tuple[int, int, dict[str, str], str]] = {
    "a text for a number": (1, 12, {"length": "long"}, "no number"),
    "a decimal comma": (1, 12, {"length": "3,5"}, "no number"),
    "a blank field": (1, 12, {"distance": ""}, "no number"),
    "a quote that does not end": (1, 12, {"distance": '"3'}, "quoted field does not end"),
    "text after a quote": (1, 12, {"distance": '"3"4'}, "quoted field does not end"),
    "a text in quotes for a number": (1, 12, {"distance": '"a;b"'}, "no number"),
    "quotes within a number": (1, 12, {"distance": '3"4"'}, "no number"),
    "quotes around nothing": (1, 12, {"distance": '""'}, "no number"),
    "a fraction for an id": (1, 12, {"node1id": "3.5"}, "no whole number"),
    "an id beyond 64 bits": (0, 12, {"id": "18446744073709551616"}, "no whole number"),
    "an id twice": (0, 12, {"id": "3"}, "there twice"),
    "an edge's id twice": (1, 12, {"id": "3"}, "there twice"),
    "no such node": (1, 12, {"node2id": "300"}, "not listed"),
    "a negative node": (1, 12, {"node1id": "-1"}, "not listed"),
    "a position that is infinite": (0, 12, {"pos_y": "inf"}, "not finite"),
    "a position that is none": (0, 12, {"pos_z": "nan"}, "not finite"),
    "too many fields": (1, 12, {"id": "10;10"}, "number of fields"),
    "too few fields": (1, 12, {"hasNodeAtSampleBorder": "0\n1;2;3"}, "number of fields"),
    "a blank line": (0, 12, {"id": "\n10"}, "number of fields"),
    "another separator": (0, 12, {"pos_x": "1,2,3"}, "no number"),
    "a negative degree": (0, 12, {"degree": "-1"}, "negative"),
    "neither yes nor no": (0, 12, {"isAtSampleBorder": "2"}, "neither yes nor no"),
    "underscores": (1, 12, {"length": "1_0"}, "no number"),
}  # fmt: skip


@pytest.mark.parametrize("block_bytes", [600, 1 << 20])
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_its_line(case: str, block_bytes: int, tables: Tables) -> None:
    which, line, fields, message = REFUSED[case]
    set_fields(tables[which], line, **fields)
    with pytest.raises(FormatError, match=message) as caught:
        read(list(tables), "voreen", voxel_size_um=3, block_bytes=block_bytes)
    expected = line + (1 if case == "too few fields" else 0)
    assert caught.value.place == f"{tables[which].name}:{expected}"
    assert caught.value.subject == str(tables[which])


def test_quoted_numbers_are_the_numbers(tables: Tables) -> None:
    """RFC 4180: any field may stand in quotes."""
    plain = vessels(tables).load()
    for path in tables:
        head, *rows = lines(path)
        path.write_text("\n".join([head, *(";".join(f'"{field}"' for field in row.split(";")) for row in rows)]))
    xr.testing.assert_identical(vessels(tables).load(), plain)
    set_fields(tables[1], 12, hasNodeAtSampleBorder="1.0")
    xr.testing.assert_identical(vessels(tables, block_bytes=600).load()["length"], plain["length"])


def test_a_row_that_is_cut_is_refused(tables: Tables) -> None:
    tables[1].write_bytes(tables[1].read_bytes()[:-40])
    with pytest.raises(FormatError, match="number of fields"):
        vessels(tables)


@pytest.mark.parametrize("name", ["pos_z", "degree", "isAtSampleBorder"])
def test_a_missing_column_of_nodes_is_named(name: str, tables: Tables) -> None:
    pd.read_csv(tables[0], sep=";", dtype=str).drop(columns=name).to_csv(tables[0], sep=";", index=False)
    with pytest.raises(FormatError, match="columns are missing") as caught:
        vessels(tables)
    assert (caught.value.place, caught.value.expected) == ("nodes.csv:1", name)


def test_wrong_files_are_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="columns are missing") as caught:
        vessels(tables[::-1])
    assert caught.value.hint == "first the table of nodes, then that of edges"
    with pytest.raises(UsageError, match="two tables"):
        vessels(tables[:1])
    (tmp_path / "empty.csv").touch()
    with pytest.raises(TruncatedError):
        vessels([tmp_path / "empty.csv", tables[1]])
    tables[0].write_text(tables[0].read_text().replace("pos_y", "pos_x", 1))
    with pytest.raises(FormatError, match="there twice"):
        vessels(tables)


def test_damage_that_nobody_foresaw_is_refused_or_read_and_leaves_nothing(
    tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, refused, tried = tmp_path / "root", 0, 0
    for path in tables:
        whole = path.read_bytes()
        chance = np.random.default_rng(zlib.crc32(path.name.encode()))
        damaged = [whole[: len(whole) // 3], bytes(3000), chance.bytes(3000), b"these are words, not data\n" * 20]
        damaged += [whole[:200] + chance.bytes(3000), whole[:5000] + whole[6111:], whole + chance.bytes(50)]
        for data in damaged:
            path.write_bytes(data)
            words = ["import", "voreen", *map(str, tables), "--option", "voxel_size_um=3", "--dataset", "mine"]
            code = main([*words, "--root", str(root), "--json"])
            document = json.loads(capsys.readouterr().out)
            tried += 1
            refused += code != 0
            assert code == 1, document
            assert document["error"]["kind"] in {"format", "truncated"}, document
            assert document["error"]["message"] != "the reader cannot make sense of the file", document
            assert not root.exists()
        path.write_bytes(whole)
    assert refused == tried
