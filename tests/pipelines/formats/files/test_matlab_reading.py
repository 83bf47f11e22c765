"""MATLAB files of version 5 (written by scipy) and 7.3 (written here with h5py as MATLAB does) into plain values."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from connectome.errors import ConnectomeError, FormatError, TruncatedError
from connectome.pipelines.formats.files.matlab import is_mat, mat_variables, read_mat

MATRIX = np.arange(6.0).reshape(2, 3)


def write_73(path: Path, fill) -> Path:
    """Write an HDF5 file behind the user block that MATLAB puts in front."""
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    content = bytearray(path.read_bytes())
    header = b"MATLAB 7.3 MAT-file, generated".ljust(124) + b"\x00\x02IM"
    content[: len(header)] = header
    path.write_bytes(bytes(content))
    return path


class Matlab73:
    """Writes values in the layout of version 7.3: classes as attributes, axes reversed, cells by reference."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.count = 0

    def put(self, parent, name: str, value) -> None:
        if isinstance(value, str):
            codes = np.array([[ord(character)] for character in value], dtype=np.uint16)
            self._tag(parent.create_dataset(name, data=codes), "char")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            group = parent.create_group(name)
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            for field in value[0]:
                if len(value) == 1:
                    self.put(group, field, value[0][field])
                else:
                    references = [[self.hidden(item[field])] for item in value]
                    group.create_dataset(field, data=np.array(references, dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
        elif isinstance(value, list):
            references = np.array([[self.hidden(item)] for item in value], dtype=h5py.ref_dtype)
            self._tag(parent.create_dataset(name, data=references, dtype=h5py.ref_dtype), "cell")
        elif value.size == 0:
            dataset = parent.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
            self._tag(dataset, "double")
            dataset.attrs["MATLAB_empty"] = np.uint8(1)
        else:
            names = {"float64": "double", "float32": "single", "bool": "logical"}
            stored = value.astype(np.uint8) if value.dtype == bool else value
            self._tag(parent.create_dataset(name, data=stored.T), names.get(str(value.dtype), str(value.dtype)))

    def hidden(self, value):
        self.count += 1
        name = f"#refs#/{self.count}"
        self.put(self.file, name, value)
        return self.file[name].ref

    @staticmethod
    def _tag(dataset, matlab_class: str) -> None:
        dataset.attrs["MATLAB_class"] = np.bytes_(matlab_class)


def for_scipy(value):
    """Return a value in the form that scipy writes as the same MATLAB class."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        array = np.empty((1, len(value)), dtype=[(name, object) for name in value[0]])
        for at, item in enumerate(value):
            for name, inner in item.items():
                array[0, at][name] = for_scipy(inner)
        return array
    if isinstance(value, list):
        array = np.empty((1, len(value)), dtype=object)
        array[0, :] = [for_scipy(item) for item in value]
        return array
    return value


def assert_same(left, right) -> None:
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == list(right)
        for name in left:
            assert_same(left[name], right[name])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, np.ndarray):
        np.testing.assert_array_equal(left, right)
        assert left.shape == right.shape
        assert left.dtype == right.dtype
    else:
        assert left == right


VALUES = {
    "matrix": MATRIX,
    "single": MATRIX.astype(np.float32),
    "counts": np.array([[1, 2, 3]], dtype=np.uint8),
    "text": "RMED/RID",
    "cells": ["AVAL", MATRIX, ["inner"]],
    "one_struct": [{"id": np.array([[7.0]]), "name": "x"}],
    "structs": [{"coords": MATRIX + at, "tags": ["a", "b"]} for at in range(3)],
    "nothing": np.zeros((0, 3)),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_both_versions_give_the_same_values(tmp_path: Path, compressed: bool) -> None:
    five = tmp_path / "five.mat"
    scipy.io.savemat(five, {name: for_scipy(value) for name, value in VALUES.items()}, do_compression=compressed)

    def fill(file) -> None:
        writer = Matlab73(file)
        for name, value in VALUES.items():
            writer.put(file, name, value)

    seven = write_73(tmp_path / "seven.mat", fill)
    assert mat_variables(five) == mat_variables(seven) == sorted(VALUES)
    assert_same(read_mat(five), read_mat(seven))
    assert_same(read_mat(five), dict(sorted(VALUES.items())))


def test_only_the_variables_asked_for_are_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mat"
    scipy.io.savemat(path, {"a": MATRIX, "b": MATRIX})
    assert list(read_mat(path, only=["b"])) == ["b"]


def test_struct_arrays_keep_matlab_order(tmp_path: Path) -> None:
    path = tmp_path / "grid.mat"
    grid = np.empty((2, 2), dtype=[("x", object)])
    for row in range(2):
        for at in range(2):
            grid[row, at]["x"] = float(10 * row + at)
    scipy.io.savemat(path, {"grid": grid})
    assert [float(item["x"][0, 0]) for item in read_mat(path)["grid"]] == [0.0, 10.0, 1.0, 11.0]


def test_several_rows_of_text_become_a_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.mat"
    scipy.io.savemat(path, {"rows": np.array(["AVAL", "AVAR"])})
    assert read_mat(path)["rows"] == ["AVAL", "AVAR"]


def test_sparse_matrices_and_other_classes_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "sparse.mat"
    scipy.io.savemat(path, {"graph": scipy.sparse.csc_matrix(np.eye(3))})
    with pytest.raises(FormatError, match="not read") as caught:
        read_mat(path)
    assert caught.value.place == "graph"

    def fill(file) -> None:
        file.create_dataset("f", data=MATRIX).attrs["MATLAB_class"] = np.bytes_("function_handle")

    with pytest.raises(FormatError, match="not read") as caught:
        read_mat(write_73(tmp_path / "handle.mat", fill))
    assert caught.value.found == "function_handle"


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_cut_file_of_version_5_is_refused_with_the_byte(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "whole.mat"
    scipy.io.savemat(path, {"first": MATRIX, "second": np.arange(500.0)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(TruncatedError) as caught:
        read_mat(path)
    assert caught.value.subject == str(path)
    assert "byte" in str(caught.value.place)


def test_a_file_cut_inside_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file, cut")
    with pytest.raises(TruncatedError, match="header"):
        read_mat(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 400, bytes(range(256)) * 4, b"\x89HDF\r\n\x1a\n" + b"\x00" * 100])
def test_what_is_no_mat_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.mat"
    path.write_bytes(content)
    assert not is_mat(path)
    with pytest.raises(FormatError) as caught:
        read_mat(path)
    assert caught.value.subject == str(path)


def test_a_variable_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.mat"
    scipy.io.savemat(path, {"x": MATRIX})
    once = path.read_bytes()
    path.write_bytes(once + once[128:])
    with pytest.raises(FormatError, match="damaged"):
        read_mat(path)


@pytest.mark.parametrize("name", ["Dataset2.mat", "neurons_reconstructed_max_2_c.mat"])
def test_overwritten_bytes_raise_only_our_errors(tmp_path: Path, data_dir: Path, name: str) -> None:
    whole = (data_dir / "worm/seeelegans2024" / name).read_bytes()
    random = np.random.default_rng(11)
    damaged = tmp_path / "damaged.mat"
    refused = 0
    for n_bytes in [2, 10, 300] * 6:
        content = bytearray(whole)
        for at in random.integers(0, len(whole), n_bytes):
            content[at] = int(random.integers(256))
        damaged.write_bytes(bytes(content))
        try:
            read_mat(damaged)
        except ConnectomeError:
            refused += 1
    assert refused > 0


def test_a_cut_file_of_version_73_is_refused(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / "worm/seeelegans2024/neurons_reconstructed_max_2_c.mat").read_bytes()
    cut = tmp_path / "cut.mat"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedError) as caught:
        read_mat(cut)
    assert caught.value.subject == str(cut)


def test_what_inflates_beyond_any_variable_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectome.pipelines.formats.files import mat5

    path = tmp_path / "bomb.mat"
    scipy.io.savemat(path, {"zeros": np.zeros(200_000)}, do_compression=True)
    monkeypatch.setattr(mat5, "LARGEST_BYTES", 100_000)
    with pytest.raises(FormatError, match="larger than any variable"):
        read_mat(path)
    monkeypatch.setattr(mat5, "LARGEST_BYTES", 1_700_000)
    assert read_mat(path)["zeros"].size == 200_000
