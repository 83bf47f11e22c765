"""The format ``connectivity-matrix`` on generated matrices: entries kept, directions stated, nothing guessed."""

from __future__ import annotations

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.regions import DESIKAN_KILLIANY

NAMES = [region.id for region in DESIKAN_KILLIANY[30:38]]


def generated(seed: int = 0, n: int = len(NAMES)) -> np.ndarray:
    """Return a generated symmetric matrix of streamline counts with zeros and a filled diagonal."""
    rng = np.random.default_rng(seed)
    half = np.triu(rng.integers(0, 500, (n, n)) * (rng.random((n, n)) < 0.6))
    return half + np.triu(half, 1).T


def written(values: np.ndarray, *, names: bool = True, separator: str = ",", corner: bool = True) -> str:
    rows = [[repr(value) for value in row] for row in values.tolist()]
    if names:
        rows = [[name, *row] for name, row in zip(NAMES, rows, strict=True)]
        rows.insert(0, ["", *NAMES] if corner else NAMES)
    return "\n".join(separator.join(row) for row in rows) + "\n"


def matrix_of(tree, group: str = "connectome") -> np.ndarray:
    dataset, n = tree[group], len(NAMES)
    values = np.zeros((n, n))
    values[dataset["source"].values, dataset["target"].values] = dataset["weight"].values
    if not dataset.attrs["edge_types"]["streamlines"]["directed"]:
        values = values + np.triu(values, 1).T
    return values


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("corner", [True, False])
def test_a_named_matrix_is_recognised_and_kept(separator, corner, tmp_path):
    path = tmp_path / "sub-1.csv"
    path.write_text(written(generated(), separator=separator, corner=corner))
    assert recognise([path]).name == "connectivity-matrix"
    tree = read(path, edge_type="streamlines", weight_units="1", weight_meaning="streamlines", lineage="generated")
    schema.validate(tree, subject="generated")
    assert np.array_equal(matrix_of(tree), generated())
    assert tree["connectome"]["node"].values.tolist() == NAMES
    assert set(schema.decode(tree["connectome"]["hemisphere"])) == {"L"}
    assert "warnings" not in tree.attrs


def test_names_may_come_in_a_file_of_their_own(tmp_path):
    path, names = tmp_path / "matrix.txt", tmp_path / "names.txt"
    path.write_text(written(generated(), names=False, separator=" "))
    names.write_text("\n".join(NAMES) + "\n")
    tree = read([path, names], format="connectivity-matrix", edge_type="streamlines")
    assert np.array_equal(matrix_of(tree), generated())
    with pytest.raises(UsageError, match="does not name"):
        read(path, format="connectivity-matrix")
    names.write_text("\n".join(NAMES[:-1]) + "\n")
    with pytest.raises(FormatError, match="number of names"):
        read([path, names], format="connectivity-matrix")


def test_a_matrix_that_is_not_symmetric_needs_its_direction_stated(tmp_path):
    values = generated().astype(float)
    values[1, 2] += 0.5
    path = tmp_path / "matrix.csv"
    path.write_text(written(values))
    with pytest.raises(UsageError, match="not symmetric") as caught:
        read(path, format="connectivity-matrix")
    assert caught.value.place == f"{NAMES[1]}, {NAMES[2]}"
    tree = read(path, format="connectivity-matrix", edge_type="streamlines", directed=True)
    assert np.array_equal(matrix_of(tree), values)


def test_missing_entries_become_no_edge_and_are_told(tmp_path):
    path = tmp_path / "matrix.csv"
    values = generated().astype(float)
    values[0, 3] = values[3, 0] = np.nan
    path.write_text(written(values).replace("nan", "NA"))
    tree = read(path, format="connectivity-matrix", edge_type="streamlines")
    assert [note["code"] for note in tree.attrs["warnings"]] == ["missing-entries"]
    assert tree["connectome"].attrs["n_missing"] == 2
    assert np.array_equal(matrix_of(tree), np.nan_to_num(values))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f"\n{NAMES[2]},", f"\n{NAMES[3]},", "not of the same regions"),
        (f"\n{NAMES[7]},", f"\n{NAMES[7]},7,", "not square"),
        (f"\n{NAMES[7]},", f"\n{NAMES[7]},x", "no number"),
        (f"{NAMES[1]}", f"{NAMES[0]}", "twice"),
    ],
)
def test_tables_that_are_no_matrix_are_refused(old, new, message, tmp_path):
    path = tmp_path / "matrix.csv"
    path.write_text(written(generated()).replace(old, new))
    with pytest.raises(FormatError, match=message):
        read(path, format="connectivity-matrix")
