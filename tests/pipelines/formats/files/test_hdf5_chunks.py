"""Chunks of filters that h5py does not have, undone here; generated files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from connectome.errors import FormatError, MissingExtraError, TruncatedError
from connectome.pipelines.formats.files import hdf5_chunks
from connectome.pipelines.formats.files.hdf5_chunks import check_chunks, lz4_frame, read_range, unwritten_ranges
from support import swec_files
from support.swec_files import BLOSC, BLOSC2, LZ4

VALUES = swec_files.samples(5, 700, seed=3)


@pytest.fixture(params=[(LZ4, False), (LZ4, True), (BLOSC, False)], ids=["lz4", "shuffle and lz4", "blosc lz4hc"])
def stored(request: pytest.FixtureRequest, tmp_path: Path):
    """Return a dataset of 5 x 700 in chunks of 2 x 256."""
    code, shuffle = request.param
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, (2, 256), code, shuffle=shuffle)
        yield file["x"]


def test_every_range_along_either_axis_is_that_of_the_whole(stored: h5py.Dataset) -> None:
    check_chunks(stored, subject="generated")
    for low, high in ((0, 700), (0, 1), (255, 257), (256, 512), (511, 700), (699, 700), (300, 300)):
        found = read_range(stored, low, high, axis=1, subject="generated")
        np.testing.assert_array_equal(found, VALUES[:, low:high])
    for low, high in ((0, 5), (1, 3), (4, 5)):
        np.testing.assert_array_equal(read_range(stored, low, high, axis=0, subject="generated"), VALUES[low:high])


def test_numbers_of_the_other_byte_order_come_in_that_of_the_machine(tmp_path: Path) -> None:
    values = VALUES.astype(">i2")
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", values, (5, 100), LZ4)
        found = read_range(file["x"], 50, 250, axis=1, subject="generated")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values[:, 50:250])


def test_what_h5py_can_undo_is_left_to_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        stored = file.create_dataset("x", data=VALUES, chunks=(2, 256), compression="gzip", shuffle=True)
        check_chunks(stored, subject="generated")
        np.testing.assert_array_equal(read_range(stored, 10, 600, axis=1, subject="generated"), VALUES[:, 10:600])
        assert unwritten_ranges(stored, axis=1) == []


def test_chunks_that_were_never_written_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, (5, 100), LZ4, leave_out=(1, 2, 6))
        assert unwritten_ranges(file["x"], axis=1) == [(100, 300), (600, 700)]
        found = read_range(file["x"], 50, 350, axis=1, subject="generated")
    np.testing.assert_array_equal(found[:, :50], VALUES[:, 50:100])
    np.testing.assert_array_equal(found[:, 250:], VALUES[:, 300:350])
    assert not found[:, 50:250].any()


def test_a_dataset_of_which_most_was_never_written_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        file.create_dataset("x", shape=(64, 10**12), chunks=(64, 10**6), dtype="f4")
        with pytest.raises(TruncatedError, match="never written"):
            check_chunks(file["x"], subject="generated")


@pytest.mark.parametrize(("shape", "chunks"), [((64, 10**12), (64, 1000)), ((4, 10**9), (4, 10**8))])
def test_a_header_that_claims_more_than_any_recording_is_refused(tmp_path: Path, shape, chunks) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        file.create_dataset("x", shape=shape, chunks=chunks, dtype="f4")
        with pytest.raises(FormatError, match="larger than any recording"):
            check_chunks(file["x"], subject="generated")


def test_a_filter_that_nobody_here_undoes_names_the_package_that_does(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, (5, 100), BLOSC2)
        if h5py.h5z.filter_avail(BLOSC2):
            pytest.skip("the filter is installed")
        with pytest.raises(MissingExtraError, match="hdf5plugin") as caught:
            check_chunks(file["x"], subject="generated")
    assert "32026" in str(caught.value)


def test_text_is_no_recording(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        file.create_dataset("x", data=[b"a", b"b"])
        with pytest.raises(FormatError, match="does not hold numbers"):
            check_chunks(file["x"], subject="generated")


PLAIN = VALUES.tobytes()
FRAME = swec_files.lz4_frame(PLAIN, 4096)


BROKEN = {
    "one byte": b"\x00",
    "half a header": FRAME[:7],
    "a header alone": FRAME[:12],
    "cut in a block": FRAME[:-5],
    "cut in the middle": FRAME[: len(FRAME) // 2],
    "more bytes at the end": FRAME + b"\x00",
    "a length of petabytes": (1 << 50).to_bytes(8, "big") + FRAME[8:],
    "a negative length": b"\xff" * 8 + FRAME[8:],
    "blocks of no bytes": FRAME[:8] + bytes(4) + FRAME[12:],
    "blocks of a negative length": FRAME[:8] + b"\xff" * 4 + FRAME[12:],
    "blocks of one byte": FRAME[:8] + (1).to_bytes(4, "big") + FRAME[12:],
    "a block longer than the chunk": FRAME[:12] + b"\x7f\xff\xff\xff" + FRAME[16:],
    "a block of no bytes": FRAME[:12] + bytes(4) + FRAME[16:],
    "other blocks": FRAME[:16] + bytes(len(FRAME) - 16),
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_a_frame_that_is_cut_or_lies_about_its_size_is_refused(what: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, VALUES.shape, LZ4)
        file["x"].id.write_direct_chunk((0, 0), BROKEN[what])
        with pytest.raises(FormatError, match="chunk") as caught:
            read_range(file["x"], 0, 10, axis=1, subject="generated")
    assert "chunk at (0, 0)" in str(caught.value)


def test_a_frame_is_undone_whatever_its_blocks() -> None:
    noise = np.random.default_rng(0).bytes(10_000)
    for content in (PLAIN, noise, noise + PLAIN, b"\x01"):
        for block in (1, 100, 4096, 1 << 30) if len(content) < 100 else (1000, 4096, 1 << 30):
            assert lz4_frame(swec_files.lz4_frame(content, block), len(content)) == content


@pytest.mark.parametrize("length", [1, 10, 40, 200])
def test_a_chunk_of_blosc_that_is_cut_is_refused(length: int, tmp_path: Path) -> None:
    whole = swec_files.packed(PLAIN, BLOSC, 4)
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, VALUES.shape, BLOSC)
        file["x"].id.write_direct_chunk((0, 0), whole[:length])
        with pytest.raises(FormatError):
            read_range(file["x"], 0, 10, axis=1, subject="generated")


def test_a_chunk_of_blosc_that_claims_petabytes_is_refused(tmp_path: Path) -> None:
    whole = bytearray(swec_files.packed(PLAIN, BLOSC, 4))
    whole[4:8] = b"\xff\xff\xff\x7f"
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, VALUES.shape, BLOSC)
        file["x"].id.write_direct_chunk((0, 0), bytes(whole))
        with pytest.raises(FormatError, match="at most 14000 fit"):
            read_range(file["x"], 0, 10, axis=1, subject="generated")


def test_a_chunk_that_was_stored_without_its_filter_is_taken_as_it_is(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, VALUES.shape, LZ4)
        file["x"].id.write_direct_chunk((0, 0), PLAIN, filter_mask=1)
        np.testing.assert_array_equal(read_range(file["x"], 0, 700, axis=1, subject="generated"), VALUES)


def test_steps_are_whole_chunks_of_about_the_size_that_is_asked_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        swec_files.dataset(file, "x", VALUES, (5, 10), LZ4)
        assert hdf5_chunks.steps_along(file["x"], axis=1, aim_bytes=1000) == 50
        assert hdf5_chunks.steps_along(file["x"], axis=1, aim_bytes=1) == 10
        assert hdf5_chunks.steps_along(file.create_dataset("y", data=VALUES), axis=1, aim_bytes=1000) == 50
