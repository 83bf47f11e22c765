"""A record is one file: deterministic, whole or absent, readable by any Zarr tool, and exactly what was put in."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import ZipStore

import connectome.store.encode as encode
import connectome.store.grid as grid
from connectome import schema
from connectome.errors import DamagedError, SchemaError, UsageError
from connectome.store import Receipt, open_record, write_record
from connectome.store.archive import ALIGN_BYTES, RecordStore
from connectome.store.coding import Coding
from connectome.store.digest import array_digests, combine
from support.generated_records import generated_recipe, generated_record, generated_zoo

if TYPE_CHECKING:
    import xarray as xr


def write(tree: xr.DataTree, folder: Path, record: str = "r") -> tuple[Receipt, Path]:
    receipt = write_record(
        tree, folder / "dataset", record=record, recipe=generated_recipe(record), staging=folder / "staging"
    )
    return receipt, folder / "dataset" / receipt.file


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Receipt, Path]:
    return write(generated_zoo(), tmp_path_factory.mktemp("zoo"))


def arrays(path: Path) -> Iterator[tuple[str, zarr.Array]]:
    group = zarr.open_group(ZipStore(path, mode="r"), mode="r")
    yield from ((name, node) for name, node in group.members(max_depth=None) if isinstance(node, zarr.Array))


def test_the_same_record_gives_the_same_bytes_in_another_folder(zoo: tuple[Receipt, Path], tmp_path: Path) -> None:
    receipt, path = write(generated_zoo(), tmp_path / "elsewhere")
    assert receipt == zoo[0]
    assert path.read_bytes() == zoo[1].read_bytes()


@pytest.mark.parametrize("workers", [2, 4])
def test_a_large_record_whose_arrays_are_written_some_at_a_time_gives_the_same_bytes(
    workers: int, zoo: tuple[Receipt, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    original = encode.ArrayDigest.update

    def update(digest: encode.ArrayDigest, values: np.ndarray) -> None:
        threads.add(threading.get_ident())
        original(digest, values)

    monkeypatch.setattr(grid, "MANY_BYTES", 0)
    monkeypatch.setattr(grid.os, "cpu_count", lambda: workers)
    monkeypatch.setattr(encode.ArrayDigest, "update", update)
    receipt, path = write(generated_zoo(), tmp_path)
    assert threading.get_ident() not in threads
    assert receipt == zoo[0]
    assert path.read_bytes() == zoo[1].read_bytes()


def test_another_value_gives_another_digest(zoo: tuple[Receipt, Path], tmp_path: Path) -> None:
    receipt, _ = write(generated_zoo(seed=1), tmp_path)
    assert receipt.content != zoo[0].content


def test_the_content_digest_does_not_depend_on_the_codec(
    zoo: tuple[Receipt, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "ZSTD_LEVEL", 19)
    monkeypatch.setattr(encode, "BLOSC_LEVEL", 1)
    receipt, path = write(generated_zoo(), tmp_path)
    assert path.read_bytes() != zoo[1].read_bytes()
    assert receipt.content == zoo[0].content


def test_a_record_reads_back_identical_in_every_kind(zoo: tuple[Receipt, Path]) -> None:
    tree, back = generated_zoo(), open_record(zoo[1])
    for path, dataset in schema.groups(tree):
        found = back[path].to_dataset(inherit=False).load()
        assert found.attrs.keys() - {"coordinates"} == dataset.attrs.keys()
        for name, variable in dataset.variables.items():
            values, other = variable.values, found.variables[name].values
            assert other.shape == values.shape
            if variable.dtype.kind == "O":
                assert other.tolist() == values.tolist()
            else:
                assert other.dtype == values.dtype.newbyteorder("=")
                # Bits, not values: NaN payloads and the sign of zero count.
                assert other.tobytes() == values.astype(other.dtype).tobytes()
            assert found.variables[name].attrs == variable.attrs
            assert found.variables[name].dims == variable.dims


def test_the_content_digest_of_what_was_read_back_is_that_of_what_was_written(zoo: tuple[Receipt, Path]) -> None:
    tree, back = generated_zoo(), open_record(zoo[1])
    assert array_digests(back) == array_digests(tree) == back.attrs["digests"]
    assert combine(back, array_digests(back)) == combine(tree, array_digests(tree)) == zoo[0].content


def test_provenance_travels_with_the_file(zoo: tuple[Receipt, Path]) -> None:
    provenance = open_record(zoo[1]).attrs["provenance"]
    assert provenance == {"record": "r", **generated_recipe("r").as_dict()}


def test_zarrs_own_zip_store_opens_the_same_file(zoo: tuple[Receipt, Path]) -> None:
    ours = zarr.open_group(RecordStore(zoo[1]), mode="r")
    names = []
    for name, array in arrays(zoo[1]):
        names.append(name)
        np.testing.assert_array_equal(array[...], ours[name][...])
    assert {f"/{name}" for name in names} == set(open_record(zoo[1]).attrs["digests"])


def test_every_chunk_is_there(zoo: tuple[Receipt, Path]) -> None:
    with zipfile.ZipFile(zoo[1]) as archive:
        found = set(archive.namelist())
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert archive.testzip() is None
    for name, array in arrays(zoo[1]):
        n_chunks = sum(entry.startswith(f"{name}/c") for entry in found)
        assert n_chunks == (1 if array.ndim == 0 else int(np.prod(array.cdata_shape)))


def test_entries_lie_in_order_with_fixed_times_and_aligned_chunks(zoo: tuple[Receipt, Path]) -> None:
    store = RecordStore(zoo[1])
    with zipfile.ZipFile(zoo[1]) as archive:
        infos = archive.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    is_chunk = [not info.filename.endswith("zarr.json") for info in infos]
    assert is_chunk == sorted(is_chunk)
    assert infos[0].filename == "zarr.json"
    assert all(
        store.span(info.filename)[0] % ALIGN_BYTES == 0 for info in infos if not info.filename.endswith("zarr.json")
    )


def test_an_all_zero_array_keeps_its_chunks(tmp_path: Path) -> None:
    _, path = write(generated_record(0.0), tmp_path)
    assert "activity/signal/c/0/0" in RecordStore(path).entries


def test_the_store_reads_ranges_and_lists(zoo: tuple[Receipt, Path]) -> None:
    import asyncio

    store = RecordStore(zoo[1])
    prototype = default_buffer_prototype()

    async def check() -> None:
        whole = (await store.get("zarr.json", prototype)).to_bytes()
        part = await store.get("zarr.json", prototype, RangeByteRequest(3, 10))
        assert part.to_bytes() == whole[3:10]
        assert (await store.get("zarr.json", prototype, OffsetByteRequest(5))).to_bytes() == whole[5:]
        assert (await store.get("zarr.json", prototype, SuffixByteRequest(7))).to_bytes() == whole[-7:]
        assert await store.get("nothing", prototype) is None
        assert await store.exists("zarr.json")
        assert not await store.exists("nothing")
        keys = [key async for key in store.list()]
        assert [key async for key in store.list_prefix("spikes/")] == [key for key in keys if key.startswith("spikes/")]
        top = {name async for name in store.list_dir("")}
        assert top == {"zarr.json", "activity", "ecog", "spikes", "connectome", "image", "table"}
        assert {name async for name in store.list_dir("image")} == {"zarr.json", "t1w"}
        with pytest.raises(ValueError, match="read-only"):
            await store.set("zarr.json", prototype.buffer.from_bytes(b""))

    asyncio.run(check())


def test_one_store_serves_many_threads(zoo: tuple[Receipt, Path]) -> None:
    tree = open_record(zoo[1])
    expected = tree["activity/signal"].values
    with ThreadPoolExecutor(8) as pool:
        starts = list(range(0, 2900, 29))
        parts = list(pool.map(lambda at: tree["activity/signal"][:, at : at + 100].values, starts))
    for at, part in zip(starts, parts, strict=True):
        np.testing.assert_array_equal(part, expected[:, at : at + 100])


def test_an_open_record_pickles_without_its_handle(zoo: tuple[Receipt, Path]) -> None:
    dataset = open_record(zoo[1])["activity"].to_dataset()
    dataset["signal"][0, 0].load()
    text = pickle.dumps(dataset)
    assert len(text) < 100_000
    np.testing.assert_array_equal(pickle.loads(text)["signal"].values, dataset["signal"].values)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_reads_what_its_parent_opened(zoo: tuple[Receipt, Path]) -> None:
    store = RecordStore(zoo[1])
    parent = store.read_entry("activity/signal/c/0/0")
    reader, writer = os.pipe()
    # Plain fork, as a training script's workers do it: no threads run in this test's child.
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"same" if store.read_entry("activity/signal/c/0/0") == parent else b"different")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 20) == b"same"
    os.close(reader)
    os.close(writer)


def test_a_spawned_process_reads_a_pickled_store(zoo: tuple[Receipt, Path]) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        entry = pool.apply(RecordStore(zoo[1]).read_entry, ("zarr.json",))
    assert entry == RecordStore(zoo[1]).read_entry("zarr.json")


def test_an_invalid_record_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    tree = generated_record()
    del tree["activity"].attrs["encoding-version"]
    with pytest.raises(SchemaError) as caught:
        write(tree, tmp_path)
    assert caught.value.place == "/activity"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", ["", "../x", "a/b", ".hidden", "a" * 200, "ends.", "ümlaut", "two words"])
def test_an_id_that_is_no_folder_name_is_refused(record: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write(generated_record(), tmp_path, record=record)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_packing_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connectome.store.record.pack", fail)
    with pytest.raises(OSError, match="No space"):
        write(generated_record(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_record_that_reads_back_differently_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = Coding.encode

    def lossy(coding: Coding, values: np.ndarray, chunk: tuple[int, ...]) -> bytes:
        return encoded(coding, values.astype(np.float32) if values.dtype == np.float64 else values, chunk)

    monkeypatch.setattr(Coding, "encode", lossy)
    with pytest.raises(DamagedError, match="reads back differently"):
        write(generated_record(1 / 3), tmp_path)
    assert not list(tmp_path.rglob("*.zip"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        open_record(tmp_path / "gone.zarr.zip")
    assert "gone.zarr.zip" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 1, 21, 100, 0.5, -1])
def test_a_shortened_file_is_named_with_and_without_its_known_size(
    keep: float, zoo: tuple[Receipt, Path], tmp_path: Path
) -> None:
    data = zoo[1].read_bytes()
    length = int(len(data) * keep) if isinstance(keep, float) else keep % len(data) if keep < 0 else keep
    cut = tmp_path / "cut.zarr.zip"
    cut.write_bytes(data[:length])
    for size in (None, len(data)):
        with pytest.raises(DamagedError) as caught:
            open_record(cut, size_bytes=size)
        assert "cut.zarr.zip" in str(caught.value)


@pytest.mark.parametrize("data", [b"PK\x05\x06" + bytes(18), b"not a zip at all" * 10])
def test_a_file_that_is_no_record_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        open_record(path)


def test_a_changed_chunk_is_refused_when_it_is_read(zoo: tuple[Receipt, Path], tmp_path: Path) -> None:
    start, length = RecordStore(zoo[1]).span("activity/signal/c/0/0")
    data = bytearray(zoo[1].read_bytes())
    data[start + length // 2] ^= 1
    path = tmp_path / "changed.zarr.zip"
    path.write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        open_record(path)["activity/signal"].load()
    assert caught.value.place == "activity/signal/c/0/0"
