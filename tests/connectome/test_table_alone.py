"""One table of a record, read without the rest of it: the same values, and never others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from connectome import schema
from connectome.errors import DamagedError
from connectome.store import open_record, write_record
from connectome.store.archive import LocalBytes
from connectome.store.tables import read_table
from support.generated_records import generated_recipe

if TYPE_CHECKING:
    import xarray as xr

NAMES = ["age", 'a "quoted" name', "ü ☃", "subject", "a.b", "(x)"]


def written(folder: Path, names: list[str], n_rows: int = 3) -> Path:
    """Write a record whose attributes have the names of its columns among their keys."""
    odd = {"subject": "s", "subject/age": {"node_type": "array"}, "consolidated_metadata": {"subject": {}}}
    columns = {name: schema.column("row", np.arange(float(n_rows)), name, "1", **odd) for name in names}
    inner = schema.table({"other": schema.column("row", ["x"] * n_rows, "Other")})
    tree = schema.record({"subject": schema.table(columns, **odd), "subject/inner": inner, "subjects": inner}, **odd)
    receipt = write_record(tree, folder / "d", record="r", recipe=generated_recipe("r"), staging=folder / "s")
    return folder / "d" / receipt.file


def assert_same(found: xr.Dataset | None, wanted: xr.Dataset) -> None:
    assert found is not None
    assert found.attrs == wanted.attrs
    assert list(found.variables) == list(wanted.variables)
    for name, variable in wanted.variables.items():
        assert found.variables[name].attrs == variable.attrs
        assert found.variables[name].values.tolist() == variable.values.tolist()


@pytest.mark.parametrize("n_rows", [3, 0])
def test_columns_and_attributes_of_any_name_are_those_of_the_opened_record(n_rows: int, tmp_path: Path) -> None:
    file = written(tmp_path, NAMES, n_rows)
    tree = open_record(file)
    for group in ("subject", "/subject/", "subject/inner", "subjects"):
        assert_same(read_table(LocalBytes(file), group), tree[group.strip("/")].to_dataset(inherit=False).load())
    for group in ("", "/", "sub", "subject/age", "none", "subject/inner/other"):
        assert read_table(LocalBytes(file), group) is None


def test_a_table_is_read_from_an_altered_file_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    file, n_refused = written(tmp_path, ["age", "height"]), 0
    data, wanted = file.read_bytes(), open_record(file)["subject"].to_dataset(inherit=False).load()
    altered = tmp_path / "altered.zarr.zip"
    # Of the directory, and of the first entry, which says what the others are.
    start = data.index(b"PK\x01\x02")
    for at in [*range(start, len(data)), *range(0, start, 97)]:
        altered.write_bytes(data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :])
        try:
            found = read_table(LocalBytes(altered), "subject")
        except DamagedError:
            n_refused += 1
        else:
            assert_same(found, wanted)
    assert n_refused > 100
