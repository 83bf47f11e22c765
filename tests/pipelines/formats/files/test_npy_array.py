"""NPY arrays: what NumPy wrote comes back, and any damage of a header is refused in our own words."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.pipelines.formats.files.npy_array import read_npy

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
DTYPES = st.one_of(arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=arrays.arrays(DTYPES, SHAPES), by_columns=st.booleans())
def test_what_was_saved_comes_back(values: np.ndarray, by_columns: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.asarray(values, order="F" if by_columns else "C"))
    found = read_npy(path)
    assert found.shape == values.shape
    assert found.dtype == values.dtype.newbyteorder("=")
    assert np.array_equal(found, values, equal_nan=values.dtype.kind == "f")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_header_is_read_or_refused_in_our_own_words(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(FormatError):
        assert read_npy(path).nbytes == 48


def test_pickles_and_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeError):
        read_npy(path)
    for values in (np.array(["a"]), np.zeros(2, dtype=[("a", "i4")]), np.array(["2000-01-01"], dtype="M8[D]")):
        np.save(path, values)
        with pytest.raises(FormatError, match="not an array of numbers"):
            read_npy(path)


def test_a_pointer_to_data_that_were_not_fetched_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n")
    with pytest.raises(TruncatedError, match="git-lfs pointer"):
        read_npy(path)
