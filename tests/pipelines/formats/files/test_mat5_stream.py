"""A matrix of a MAT-file read column by column; generated files, compared with scipy's reader."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats.files import mat5_stream
from connectome.pipelines.formats.files.mat5_stream import MatrixStream, find_matrix
from support.swec_files import samples


def written(path: Path, *, compressed: bool = True, dtype: str = "f4", n_columns: int = 5000) -> np.ndarray:
    """Write a matrix between two other variables."""
    values = samples(7, n_columns, dtype=dtype)
    content = {"about": "words", "cells": np.array([[1, "a"]], dtype=object), "EEG": values, "fs": np.array([[512]])}
    savemat(path, content, do_compression=compressed)
    return values


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "i4"])
def test_columns_in_any_order_are_those_that_scipy_reads(
    tmp_path: Path, compressed: bool, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mat5_stream, "STEP_BYTES", 1 << 12)
    path = tmp_path / "generated.mat"
    written(path, compressed=compressed, dtype=dtype)
    whole = loadmat(path)["EEG"]
    matrix = find_matrix(path, "EEG")
    assert matrix.shape == whole.shape
    assert matrix.dtype == whole.dtype
    stream = MatrixStream(matrix)
    for low, high in ((0, 100), (100, 4000), (4000, 5000), (4999, 5000), (10, 20), (3000, 3001), (0, 5000), (50, 50)):
        found = stream.columns(low, high)
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(found, whole[:, low:high])


def test_numbers_stored_in_a_narrower_type_come_in_the_type_of_their_class(tmp_path: Path) -> None:
    """MATLAB stores doubles that are small whole numbers as such; scipy does not, so the element is made here."""
    values = np.arange(12, dtype="<i2").reshape(4, 3)
    element = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 3, 4)
    element += struct.pack("<HH4s", 1, 3, b"EEG") + struct.pack("<II", 3, 24) + values.tobytes()
    path = tmp_path / "generated.mat"
    packed = zlib.compress(struct.pack("<II", 14, len(element)) + element)
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed)
    found = MatrixStream(find_matrix(path, "EEG")).columns(0, 4)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values.T)


def test_a_stream_survives_pickling_and_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "generated.mat"
    values = written(path)
    stream = MatrixStream(find_matrix(path, "EEG"))
    stream.columns(0, 10)
    copy = pickle.loads(pickle.dumps(stream))
    np.testing.assert_array_equal(copy.columns(10, 20), values[:, 10:20])
    stream.columns(0, 5000)
    assert stream._file is None


@pytest.mark.parametrize("compressed", [True, False])
def test_every_cut_of_a_file_is_told(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "generated.mat"
    written(path, compressed=compressed)
    whole = path.read_bytes()
    matrix = find_matrix(path, "EEG")
    for length in (0, 5, 127, 128, 130, matrix.at - 4, matrix.at + 20, matrix.at + matrix.length // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            find_matrix(path, "EEG")


def test_compressed_data_that_end_early_or_were_altered_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "generated.mat"
    written(path)
    whole, matrix = path.read_bytes(), find_matrix(path, "EEG")
    plain = zlib.decompress(whole[matrix.at : matrix.at + matrix.length])
    short = zlib.compress(plain[: len(plain) // 2])
    start, end = whole[: matrix.at - 8], whole[matrix.at + matrix.length :]
    path.write_bytes(start + struct.pack("<II", 15, len(short)) + short + end)
    with pytest.raises(TruncatedError, match="ends too early"):
        MatrixStream(find_matrix(path, "EEG")).columns(0, 5000)
    altered = bytearray(whole)
    altered[matrix.at + matrix.length - 2] ^= 1
    path.write_bytes(altered)
    with pytest.raises(FormatError, match="damaged"):
        MatrixStream(find_matrix(path, "EEG")).columns(0, 5000)


def test_sizes_that_do_not_fit_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "generated.mat"
    written(path, compressed=False)
    whole = bytearray(path.read_bytes())
    at = find_matrix(path, "EEG").at
    for place, value in ((at + 28, 2**31 - 1), (at + 24, -7), (at + 20, 12), (at + 4, 16), (at + 16, 9)):
        damaged = whole.copy()
        damaged[place : place + 4] = struct.pack("<i", value)
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            find_matrix(path, "EEG")


def test_what_is_no_real_matrix_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "generated.mat"
    written(path)
    with pytest.raises(FormatError, match="missing") as caught:
        find_matrix(path, "ECG")
    assert "EEG" in str(caught.value)
    for value in (np.ones((2, 3), dtype=complex), np.ones((2, 3, 4)), "words", np.ones((2, 2), dtype=bool)):
        savemat(path, {"EEG": value})
        with pytest.raises(FormatError, match="not a real matrix"):
            find_matrix(path, "EEG")


def test_random_damage_is_refused_or_read_but_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "generated.mat"
    chance = np.random.default_rng(0)
    for compressed in (True, False):
        written(path, compressed=compressed, n_columns=200)
        whole = path.read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for at in chance.integers(120, min(len(whole), 900), 4):
                damaged[at] ^= 1 << int(chance.integers(8))
            path.write_bytes(damaged)
            try:
                matrix = find_matrix(path, "EEG")
                MatrixStream(matrix).columns(0, matrix.shape[1])
            except FormatError:
                continue
