"""Arrays in NPZ archives: headers and members that claim what the bytes do not hold."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest

from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.pipelines.formats.files.npz_arrays import read_npz


def npy(shape: tuple[int, ...], content: bytes, descr: str = "<i8") -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


@pytest.mark.parametrize(
    ("member", "error"),
    [
        (npy((10**15,), b"\0" * 8), TruncatedError),
        (npy((2,), b"\0" * 8), TruncatedError),
        (npy((0,), b"\0" * 8), TruncatedError),
        (npy((-1,), b"\0" * 8), FormatError),
        (npy((1,), b"\0" * 8, "|O"), UnsafeError),
        (npy((1,), b"\0" * 8, "<M8[s]"), FormatError),
        (npy((1,), b"\0" * 8, "__import__('os')"), FormatError),
        (b"\x80\x02}.", FormatError),
        (b"", FormatError),
    ],
)
def test_headers_of_arrays_are_checked_against_the_file(member, error) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive_file:
        archive_file.writestr("edge_index.npy", member)
    with pytest.raises(error) as caught:
        read_npz(packed, subject="data.npz")
    assert caught.value.place == "edge_index.npy"


def test_members_that_claim_more_than_can_be_packed_are_refused(tmp_path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("edge_index.npy", npy((1,), b"\0" * 8))
    raw = packed.getvalue()
    at = raw.index(b"PK\x01\x02") + 24
    lied = raw[:at] + struct.pack("<I", 2**31) + raw[at + 4 :]
    with pytest.raises(UnsafeError, match="more bytes than can be packed"):
        read_npz(io.BytesIO(lied), subject="data.npz")


def test_an_array_that_stands_twice_is_refused(tmp_path) -> None:
    packed = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(packed, "w") as archive_file:
            for _ in range(2):
                archive_file.writestr("edge_index.npy", npy((1,), b"\0" * 8))
    with pytest.raises(FormatError, match="an array of its own"):
        read_npz(packed, subject="data.npz")
