"""The chunk reader against zarr-python, on every layout that the store writes and on some that it does not."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema, store
from connectome.errors import DamagedError, NotFoundError
from connectome.loaders.reading.chunks import MAX_OPEN, ChunkCache, RecordReader, Shelf
from connectome.loaders.reading.specs import record_file
from connectome.schema import category, column
from connectome.store.archive import LocalBytes, RecordStore

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "int64", "float32", "float64", "bool"]


def everything(rng: np.random.Generator) -> dict[str, object]:
    """Return generated groups of every kind and dtype; the signals span several chunks."""
    groups = {}
    for name in DTYPES:
        n_samples = (5 << 20) // 2 // (7 * np.dtype(name).itemsize)
        values = rng.integers(0, 2 if name == "bool" else 100, (7, n_samples)).astype(name)
        valid = rng.random((7, n_samples)) > 0.1
        groups[f"signals/{name}"] = schema.series(
            values, channel=list("abcdefg"), units="1", long_name="Generated", rate_hz=Fraction(100), valid=valid
        )
    stamps = np.cumsum(rng.random(300_000))
    groups["stamped"] = schema.series(
        np.full((1, 300_000), np.nan), channel=["é"], units="1", long_name="Generated", time_s=stamps
    )
    ends = rng.integers(0, 50, (2, 500))
    groups["graph"] = schema.graph(
        node=[f"n{at}" for at in range(50)],
        source=ends[0],
        target=ends[1],
        edge_type=["a"] * 500,
        edge_types={"a": {"directed": True, "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}},
        weight=rng.random(500),
        nodes={"position": column(("node", "axis"), rng.random((50, 3)), "Generated position", "um")},
    )
    groups["table"] = schema.table(
        {
            "number": column("row", rng.random(9), "Generated", "1"),
            "text": column("row", ["", "a", "é", "日本"] + ["x"] * 5, "Generated"),
            "kind": category("row", ["a", None] + ["b"] * 7, ["a", "b"], "Generated"),
        }
    )
    return groups


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a version that no test changes."""
    root = tmp_path_factory.mktemp("store")
    repository = store.Repository(root)
    receipt = store.write_record(
        schema.record(everything(np.random.default_rng(0))),
        repository.folder("generated"),
        record="all",
        recipe=store.Recipe(source="generated", source_version="1", inputs=()),
        staging=repository.staging,
    )
    repository.commit("generated", [receipt])
    return store.open_version("generated", root=root)


@pytest.fixture
def version(shared, tmp_path):
    """Return a copy of the version, to be damaged at will."""
    shutil.copytree(shared.repository.path, tmp_path / "store")
    return store.open_version("generated", root=tmp_path / "store")


@pytest.fixture
def reader(version):
    return RecordReader(LocalBytes(version.file("all")))


def arrays(version):
    group = zarr.open_group(RecordStore(version.file("all")), mode="r")
    return {path: array for path, array in group.members(max_depth=None) if isinstance(array, zarr.Array)}


def test_every_array_reads_as_zarr_reads_it_bit_for_bit(version, reader):
    seen = set()
    for path, array in arrays(version).items():
        ours = reader.array(path)
        expected = np.asarray(array[...])
        found = ours.read()
        assert ours.shape == expected.shape
        assert np.asarray(found).astype(expected.dtype).tobytes() == expected.tobytes() or (
            expected.dtype.kind in "OT" and found.tolist() == expected.tolist()
        )
        seen.add(ours.route)
    assert seen == {"mapped", "blosc", "zstd", "text"}


def test_nothing_that_the_store_writes_goes_through_zarr_unless_it_is_empty(version, reader):
    slow = {path for path in arrays(version) if reader.array(path).route == "zarr"}
    assert all(0 in arrays(version)[path].shape for path in slow)


def test_text_is_never_read_into_memory_that_numbers_leave_behind(tmp_path, generated):
    # Strings hold pointers: a chunk of numbers of the same length must not be decoded over them.
    n_rows = 64
    words = [f"a word that is too long to lie in the array itself, number {at}" for at in range(n_rows)]
    numbers = np.arange(n_rows * 2, dtype=np.float64)
    tree = schema.record({"t": schema.table({
        "word": schema.column("row", words, "Words"),
        "first": schema.column("row", numbers[:n_rows], "Numbers", "1"),
        "second": schema.column("row", numbers[n_rows:], "Numbers", "1"),
    })})  # fmt: skip
    version = generated.commit(tmp_path, "generated", {"r": tree})
    reader = RecordReader(LocalBytes(version.file("r")), cache=ChunkCache(n_rows * 16))
    held = reader.array("t/word").chunk((0,))
    for _ in range(3):
        assert reader.array("t/first").read().tolist() == numbers[:n_rows].tolist()
        assert reader.array("t/second").read().tolist() == numbers[n_rows:].tolist()
        assert held.tolist() == words
        assert reader.array("t/word").read().tolist() == words


def test_a_chunk_of_text_that_does_not_decode_says_where(tmp_path, generated):
    version = generated.commit(tmp_path, "generated", {"r": generated.worm(np.zeros((2, 8)), [])})
    reader = RecordReader(LocalBytes(version.file("r")))
    array = reader.array("activity/channel")
    assert array.route == "text"
    reader.entry = lambda _: memoryview(b"no zstd frame")
    with pytest.raises(DamagedError, match="does not decode") as caught:
        array.read()
    assert caught.value.place == "activity/channel/c/0"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_region_reads_as_zarr_reads_it(shared, data):
    reader = RecordReader(LocalBytes(shared.file("all")), cache=ChunkCache(3 << 20))
    path = data.draw(st.sampled_from([f"signals/{name}/{what}" for name in DTYPES for what in ("signal", "valid")]))
    array = zarr.open_array(RecordStore(shared.file("all")), path=path, mode="r")
    bounds = [sorted(data.draw(st.tuples(*[st.integers(0, size)] * 2))) for size in array.shape]
    region = tuple(slice(*pair) for pair in bounds)
    found = reader.array(path).read(*zip(*bounds, strict=True))
    assert found.tobytes() == np.asarray(array[region]).tobytes()


def test_pieces_of_a_stretch_join_to_what_zarr_reads(version, reader):
    array = arrays(version)["signals/int16/signal"]
    step = array.chunks[1]
    for start, stop in [
        (0, 5),
        (step - 3, step + 4),
        (10, 2 * step + 1),
        (step, step),
        (array.shape[1] - 2, array.shape[1]),
    ]:
        out = np.full((7, stop - start), -1, dtype=np.int16)
        for values, place in reader.array("signals/int16/signal").pieces(start, stop):
            out[:, place] = values
        assert np.array_equal(out, array[:, start:stop])


def test_a_codec_that_the_store_does_not_write_is_left_to_zarr(tmp_path):
    # Written by zarr itself: big-endian, transposed, gzip, sharded. None of them may be read by the direct route.
    from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec

    from connectome.store.packing import Chunks, pack

    rng = np.random.default_rng(2)
    values = rng.integers(0, 1000, (6, 50)).astype(np.int32)
    root = zarr.create_group(str(tmp_path / "zarr"), zarr_format=3)
    layouts = {
        "gzip": {"compressors": [GzipCodec()]},
        "big": {"serializer": BytesCodec(endian="big"), "compressors": None},
        "transposed": {"filters": [TransposeCodec(order=(1, 0))], "compressors": [BloscCodec()]},
        "sharded": {"shards": (6, 50), "compressors": [BloscCodec()]},
        "plain": {"compressors": [BloscCodec(shuffle="bitshuffle")]},
    }
    for name, options in layouts.items():
        chunks = (3, 20) if name != "sharded" else (3, 10)
        root.create_array(name, shape=values.shape, dtype="int32", chunks=chunks, **options)[...] = values
    folder, made = tmp_path / "zarr", Chunks()
    documents = {
        path.parent.relative_to(folder).as_posix().strip("."): json.loads(path.read_bytes())
        for path in folder.rglob("zarr.json")
    }
    for name in layouts:
        for file in sorted(folder.glob(f"{name}/c/*/*")):
            made.put(name, (int(file.parent.name), int(file.name)), file.read_bytes())
    with (tmp_path / "record.zarr.zip").open("w+b") as target:
        pack(documents, made, target)
    reader = RecordReader(LocalBytes(tmp_path / "record.zarr.zip"))
    for name in layouts:
        array = reader.array(name)
        assert array.route == ("blosc" if name == "plain" else "zarr"), name
        assert np.array_equal(array.read(), values), name
        assert np.array_equal(array.read([1, 7], [5, 33]), values[1:5, 7:33]), name


def test_a_chunk_is_decoded_once_while_the_cache_holds_it(reader):
    array = reader.array("signals/int16/signal")
    n_chunks = -(-array.shape[1] // array.chunks[1])
    assert n_chunks > 2
    for _ in range(3):
        array.read()
    assert array.n_decoded == n_chunks


def test_the_cache_stays_within_its_limit_and_uses_memory_again(version):
    cache = ChunkCache(3 << 20)
    reader = RecordReader(LocalBytes(version.file("all")), cache=cache)
    array = reader.array("signals/float64/signal")
    memory = set()
    for at in range(-(-array.shape[1] // array.chunks[1])):
        memory.add(array.chunk((0, at)).__array_interface__["data"][0])
        assert cache.size_bytes <= cache.limit_bytes
    assert len(memory) <= 3
    assert np.array_equal(array.read(), np.asarray(arrays(version)["signals/float64/signal"][...]))


def test_a_chunk_larger_than_the_cache_still_reads(version):
    reader = RecordReader(LocalBytes(version.file("all")), cache=ChunkCache(10))
    assert np.array_equal(reader.array("signals/int8/signal").read(), arrays(version)["signals/int8/signal"][...])


def test_arrays_without_a_codec_are_mapped_where_they_lie(reader):
    chunk = reader.array("graph/source").chunk((0,))
    assert reader.array("graph/source").route == "mapped"
    assert not chunk.flags.owndata
    assert not chunk.flags.writeable
    assert chunk.__array_interface__["data"][0] % 64 == 0


def test_reading_outside_an_array_is_refused(reader):
    with pytest.raises(IndexError, match="not inside"):
        reader.array("graph/source").read([0], [501])
    with pytest.raises(NotFoundError, match="no such array"):
        reader.array("graph/sources")


@pytest.mark.parametrize("path", ["signals/int16/signal", "graph/source", "table/number"])
def test_a_changed_byte_is_found_by_the_first_read_of_its_chunk(version, path):
    file = version.file("all")
    key = next(key for key in RecordStore(file).entries if key.startswith(f"{path}/c/"))
    start, length = RecordStore(file).span(key)
    file.chmod(0o644)
    with file.open("r+b") as handle:
        handle.seek(start + length // 2)
        byte = handle.read(1)
        handle.seek(start + length // 2)
        handle.write(bytes([byte[0] ^ 1]))
    with pytest.raises(DamagedError, match="have changed"):
        RecordReader(LocalBytes(file)).array(path).read()


def test_a_shortened_file_is_refused_when_it_is_opened(version):
    file = version.file("all")
    shelf = Shelf([record_file(version, "all")])
    file.chmod(0o644)
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(DamagedError, match="does not have its length"):
        shelf.reader(0)


def test_a_file_cut_while_it_is_read_is_refused(version, reader):
    array = reader.array("signals/float64/signal")
    version.file("all").chmod(0o644)
    os.truncate(version.file("all"), 2000)
    with pytest.raises(DamagedError, match="ends too early"):
        array.read()


def test_a_missing_file_is_named(version):
    shelf = Shelf([record_file(version, "all")])
    version.file("all").unlink()
    with pytest.raises(DamagedError, match=r"\.zarr\.zip"):
        shelf.reader(0)


def test_a_shelf_travels_as_paths_and_opens_its_files_anew(version):
    shelf = Shelf([record_file(version, "all")])
    before = shelf.reader(0).array("graph/weight").read()
    state = pickle.dumps(shelf)
    assert len(state) < 1000
    assert np.array_equal(pickle.loads(state).reader(0).array("graph/weight").read(), before)


def test_a_shelf_keeps_a_bounded_number_of_files_open(version):
    shelf = Shelf([record_file(version, "all")] * (MAX_OPEN + 30))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for at in range(len(shelf)):
        shelf.reader(at).array("graph/source").read()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2 * MAX_OPEN + 1


def test_a_file_that_was_closed_for_others_is_opened_again_when_it_is_read(version):
    shelf = Shelf([record_file(version, "all")] * (MAX_OPEN + 2))
    first = shelf.reader(0)
    before = first.array("signals/int16/signal").read([0, 0], [7, 10])
    mapped = first.array("graph/source").read()
    for at in range(len(shelf)):
        shelf.reader(at).array("graph/source").read()
    assert first.source._handle is None
    assert shelf.reader(0) is first
    last = first.array("signals/int16/signal").shape[1]
    assert first.array("signals/int16/signal").read([0, last - 5], [7, last]).shape == (7, 5)
    assert np.array_equal(first.array("signals/int16/signal").read([0, 0], [7, 10]), before)
    assert np.array_equal(first.array("graph/source").read(), mapped)


def test_a_shelf_forgets_the_records_that_were_read_longest_ago(version, monkeypatch):
    from connectome.loaders.reading import chunks

    monkeypatch.setattr(chunks, "MAX_KNOWN", 3)
    shelf = Shelf([record_file(version, "all")] * 5)
    first, second = shelf.reader(0), shelf.reader(1)
    expected = first.array("table/number").read()
    for at in (2, 0, 3, 4):
        assert np.array_equal(shelf.reader(at).array("table/number").read(), expected)
    assert shelf.reader(0) is first
    assert shelf.reader(1) is not second


def test_a_record_on_a_web_server_reads_as_the_local_one(shared):
    import functools
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(shared.repository.path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        remote = store.open_version("generated", root=url)
        shelf = pickle.loads(pickle.dumps(Shelf([record_file(remote, "all")])))
        local = RecordReader(LocalBytes(shared.file("all")))
        for path in ("table/number", "graph/in_ptr", "signals/int8/signal"):
            assert np.array_equal(shelf.reader(0).array(path).read(), local.array(path).read())
        server.shutdown()
