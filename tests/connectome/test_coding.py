"""The store's own coding of chunks and metadata against zarr-python's, to the byte, for every kind of array."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from zarr.storage import MemoryStore, ZipStore

from connectome import schema
from connectome.errors import DamagedError, SchemaError
from connectome.schema import Layout
from connectome.store import encode as encoding
from connectome.store.archive import RecordStore
from connectome.store.canonical import canonical_json, loaded_json, plain
from connectome.store.coding import coding_of
from connectome.store.differences import Differences
from connectome.store.digest import array_digests, combine
from connectome.store.packing import Chunks, pack
from connectome.store.readback import content_of

NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
CODECS = ["none", "zstd", "zstd-shuffle", "lz4"]
SHAPES: dict[tuple[int, ...], tuple[int, ...]] = {
    (): (), (0,): (1,), (1,): (1,), (7,): (7,), (10,): (4,), (40,): (64,), (3, 5): (2, 3), (0, 3): (1, 3),
    (4, 5, 6): (4, 5, 6), (5, 4, 3): (2, 2, 2),
}  # fmt: skip
"""Shapes and those of their chunks: scalars, nothing, whole chunks, chunks that reach beyond the end."""
ATTRIBUTES: dict[str, Any] = {
    "long_name": "Generated", "units": "µm", "nothing": None, "flag_values": [0, 1], "exact": 0.1 + 0.2,
    "not finite": [float("nan"), -np.inf], "scalar": np.float32(1.5), "nested": {"1": [True, ""]},
}  # fmt: skip


def written_by_zarr(variable: xr.Variable, layout: Layout) -> dict[str, bytes]:
    """Return what zarr-python writes for an array, by key; its metadata as the store writes them."""
    memory, text = MemoryStore(), variable.dtype.kind in "OTU"
    little = variable.dtype if text else variable.dtype.newbyteorder("<")
    with encoding.single_threaded_blosc():
        array = zarr.create_group(memory, zarr_format=3).create_array(
            "group/name",
            shape=variable.shape,
            dtype="string" if text else little,
            chunks=layout.chunks,
            filters=[Differences(dtype=little.str)] if layout.codec == "differences" else None,
            compressors=encoding._compressors(layout.codec, variable.dtype),
            fill_value="" if text else np.zeros((), dtype=variable.dtype).item(),
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=plain(variable.attrs),
            config={"write_empty_chunks": True},
        )
        if variable.size:
            # zarr's Delta takes the bytes of big-endian numbers for little-endian ones.
            array[...] = variable.values.astype(object if text else little)
    found = {key: data.to_bytes() for key, data in memory._store_dict.items() if key.startswith("group/name/")}
    name = "group/name/zarr.json"
    return {**found, name: canonical_json(json.loads(found[name])).encode()}


def written_here(variable: xr.Variable, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the same from the store's own coding."""
    monkeypatch.setattr(encoding, "layout_of", lambda dataset, variable: layout)
    found: dict[str, bytes] = {}

    def put(place: str, index: tuple[int, ...], data: bytes) -> None:
        found["/".join([place, "c", *map(str, index)])] = data

    with encoding.single_threaded_blosc():
        document, _ = encoding._encode_array(put, {}, "/group", xr.Dataset({"name": variable}), "name")
    return {**found, "group/name/zarr.json": loaded_json(document).encode()}


def variable_of(values: np.ndarray[Any, Any]) -> xr.Variable:
    return xr.Variable([f"dim{at}" for at in range(values.ndim)], values, attrs=ATTRIBUTES)


def generated(dtype: str, shape: tuple[int, ...], seed: int = 3) -> np.ndarray[Any, Any]:
    """Return random bits as numbers: denormals, payloads of NaN and signs of zero among them."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    n_bytes = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(rng.bytes(n_bytes), dtype=kind).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("codec", CODECS)
def test_numbers_are_written_as_zarr_python_writes_them(
    codec: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for dtype in NUMBERS:
        for order in "<>":
            variable = variable_of(generated(dtype, shape).astype(np.dtype(dtype).newbyteorder(order)))
            layout = Layout(SHAPES[shape], codec)
            ours = written_here(variable, layout, monkeypatch)
            assert ours == written_by_zarr(variable, layout), (dtype, order)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) == 1], ids=str)
@pytest.mark.parametrize("dtype", ["i4", "i8", ">i8", "u8"])
def test_differences_are_written_as_zarr_python_writes_them(
    dtype: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, layout = variable_of(generated(dtype, shape)), Layout(SHAPES[shape], "differences")
    assert written_here(variable, layout, monkeypatch) == written_by_zarr(variable, layout)


@pytest.mark.parametrize("dtype", ["object", "U", "T"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("codec", CODECS)
def test_text_is_written_as_zarr_python_writes_it(
    codec: str, shape: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["", "a", "ü ☃ 🧠", " blank ", "line\nbreak", "long " * 50, "inner\0zero"]
    flat = [words[at % len(words)] for at in range(int(np.prod(shape, dtype=np.int64)))]
    values = np.array(flat, dtype=np.dtypes.StringDType() if dtype == "T" else dtype).reshape(shape)
    layout = Layout(SHAPES[shape], codec)
    ours, theirs = written_here(variable_of(values), layout, monkeypatch), written_by_zarr(variable_of(values), layout)
    assert ours == theirs


def test_values_in_any_order_of_memory_and_of_one_value_are_written_as_zarr_python_writes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = generated("f8", (6, 7, 8))
    for values in (np.asfortranarray(base), base[::2, ::-1, 3:], base.transpose(2, 0, 1), np.full((5, 5), -0.0)):
        for codec in CODECS:
            layout = Layout(tuple(max(1, size // 2) for size in values.shape), codec)
            ours = written_here(variable_of(values), layout, monkeypatch)
            assert ours == written_by_zarr(variable_of(values), layout)


@settings(max_examples=40, deadline=None)
@given(
    values=st.sampled_from([np.int16, np.float32, np.uint8, np.int64]).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))
    ),
    chunk=st.integers(1, 10),
    codec=st.sampled_from(CODECS),
)
def test_any_numbers_in_any_chunks_are_written_as_zarr_python_writes_them(
    values: np.ndarray[Any, Any], chunk: int, codec: str
) -> None:
    layout = Layout((chunk,) * values.ndim, codec)
    with pytest.MonkeyPatch.context() as patch:
        assert written_here(variable_of(values), layout, patch) == written_by_zarr(variable_of(values), layout)


def test_what_was_encoded_is_decoded_to_the_bit() -> None:
    for codec in [*CODECS, "differences"]:
        for dtype in ["i8"] if codec == "differences" else NUMBERS:
            values = generated(dtype, (12,))
            document = json.loads(encoding._made_by_zarr(np.dtype(dtype), codec, 3, 5))
            coding = coding_of(document)
            assert coding is not None
            back = coding.decode(coding.encode(values, (12,)), (12,))
            assert back.dtype == values.dtype
            assert back.tobytes() == values.tobytes()


@pytest.mark.parametrize("codec", [*CODECS, "differences"])
def test_bytes_that_are_not_those_of_a_chunk_are_refused(codec: str) -> None:
    coding = coding_of(json.loads(encoding._made_by_zarr(np.dtype("i8"), codec, 3, 5)))
    assert coding is not None
    whole = coding.encode(np.arange(100), (100,))
    for data in (b"", whole[:-1], whole[: len(whole) // 2], coding.encode(np.arange(99), (99,))):
        with pytest.raises(ValueError, match=r"."):
            coding.decode(data, (100,))


def test_text_of_another_length_is_refused() -> None:
    coding = coding_of(json.loads(encoding._made_by_zarr(np.dtype(object), "zstd", 3, 5)))
    assert coding is not None
    three = coding.encode(np.array(["a", "b", "c"], dtype=object), (3,))
    for data in (three, b"", three[:-3]):
        with pytest.raises(ValueError, match=r"."):
            coding.decode(data, (4,))


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": zarr.codecs.BytesCodec(endian="big"), "compressors": None},
        {"compressors": [zarr.codecs.GzipCodec()]},
        {"filters": [zarr.codecs.TransposeCodec(order=(0,))], "compressors": None},
        {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]},
        {"filters": [Differences(dtype="<i8", astype="<i4")], "compressors": None},
    ],
)
def test_what_the_store_does_not_write_is_not_decoded_here(options: dict[str, Any]) -> None:
    array = zarr.create_array(MemoryStore(), shape=(8,), chunks=(8,), dtype="int64", **options)
    assert coding_of(json.loads(json.dumps(array.metadata.to_dict()))) is None


def table_record() -> xr.DataTree:
    columns = {
        "age": schema.column("row", np.arange(5.0), "Age", "a"),
        "name": schema.column("row", ["a", "", "ü", "b", "c"], "Name"),
        "hand": schema.category("row", ["left", "right", None, "left", ""], ["left", "right"], "Hand"),
    }
    return schema.record({"a/b/subject": schema.table(columns), "empty": schema.table({})}, title="Generated")


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_is_that_of_a_zarr_hierarchy_and_its_content_that_of_the_tree(in_memory: bool, tmp_path: Path) -> None:
    tree, chunks = table_record(), Chunks(None if in_memory else tmp_path / "chunks")
    documents, arrays = encoding.encode(tree, chunks.put, reserved={"provenance": {"record": "r"}})
    file = tmp_path / "record.zarr.zip"
    with file.open("w+b") as target:
        pack(documents, chunks, target)
    memory = io.BytesIO()
    pack(documents, chunks, memory)
    assert memory.getvalue() == file.read_bytes()
    assert content_of(RecordStore(file)) == combine(tree, arrays)
    assert arrays == array_digests(tree)
    root = zarr.open_group(ZipStore(file, mode="r"), mode="r")
    assert sorted(name for name, _ in root.members(max_depth=None)) == sorted(filter(None, documents))
    assert root["a/b/subject/name"][...].tolist() == ["a", "", "ü", "b", "c"]
    assert root["a/b/subject"].attrs["encoding-type"] == "table"


@pytest.mark.parametrize("indices", [[(0,)], [(1,), (0,)], [(0,), (1,), (2,)], []])
def test_chunks_that_are_not_those_of_the_grid_are_refused(indices: list[tuple[int, ...]]) -> None:
    chunks = Chunks()
    for index in indices:
        chunks.put("a", index, b"12345678")
    array = zarr.create_array(MemoryStore(), shape=(2,), chunks=(1,), dtype="int64", compressors=None)
    documents = {"": {"attributes": {}, "zarr_format": 3, "node_type": "group"}, "a": array.metadata.to_dict()}
    with pytest.raises(DamagedError, match="not those of its grid"):
        pack(json.loads(json.dumps(documents)), chunks, io.BytesIO())


@pytest.mark.parametrize("name", ["back\\slash", ".", "..", "zarr.json"])
def test_a_name_that_zarr_takes_for_another_one_is_refused(name: str) -> None:
    column = schema.column("row", np.arange(3.0), "Generated", "1")
    with pytest.raises(SchemaError, match="take for another"):
        encoding.encode(schema.record({"a": schema.table({name: column})}), Chunks().put, reserved={})
