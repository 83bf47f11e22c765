"""Canonical JSON and content digests: equal things have equal text, and nothing that differs goes unnoticed."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.store.canonical import canonical_json, file_sha256, json_digest, plain
from connectome.store.digest import array_digests, combine

lawful = settings(derandomize=True, deadline=None, database=None, max_examples=150)

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)


def shuffled(value: Any, seed: int) -> Any:
    """Return an equal value whose mappings were filled in another order and whose lists are tuples."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, seed)) for key, item in value.items()]
        random.Random(seed).shuffle(items)
        return dict(items)
    return tuple(shuffled(item, seed) for item in value) if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same, type by type and sign of zero included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@lawful
@given(values, st.integers(0, 99))
def test_equal_values_have_equal_text_whatever_the_order_of_their_keys(value: Any, seed: int) -> None:
    other = shuffled(value, seed)
    assert canonical_json(value) == canonical_json(other)
    assert json_digest(value) == json_digest(other)


@lawful
@given(values)
def test_the_text_reads_back_as_the_same_value(value: Any) -> None:
    back = json.loads(canonical_json(value))
    assert same(back, value)
    assert canonical_json(back) == canonical_json(value)


@lawful
@given(values, values)
def test_different_values_have_different_text(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == same(one, other)


@lawful
@given(st.floats())
def test_every_float_keeps_its_value(value: float) -> None:
    back = float(json.loads(canonical_json(value)))
    assert np.float64(back).tobytes() == np.float64(value).tobytes() or (math.isnan(back) and math.isnan(value))


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (np.float32(0.1), "0.10000000149011612"),
        (np.int64(-3), "-3"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.bool_(True), "true"),
        (np.str_("a"), '"a"'),
        (np.arange(4).reshape(2, 2), "[[0,1],[2,3]]"),
        (np.array(1.5), "1.5"),
        (np.array(["a", "b"], dtype=object), '["a","b"]'),
        (np.array([np.nan, np.inf, -np.inf]), '["NaN","Infinity","-Infinity"]'),
        ((1, (2,)), "[1,[2]]"),
        ({"b": 1, "a": {"z": None, "ä": "☃"}}, '{"a":{"z":null,"ä":"☃"},"b":1}'),
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e22, "1e+22"),
        (2**80, "1208925819614629174706176"),
    ],
)
def test_values_from_readers_become_plain_json(given_value: Any, expected: str) -> None:
    assert canonical_json(given_value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"bytes", {1, 2}, 1j, object(), np.datetime64("2020-01-01T00:00:00", "ns"), np.timedelta64(1, "s"),
        np.array(["2020-01-01"], dtype="datetime64[ns]"), np.longdouble(1.5), np.array([1.5], dtype=np.longdouble),
        np.array([1j]), np.array([b"a"]), np.zeros(1, dtype=[("x", "f8")]), [{"deep": {"er": b""}}],
        {1: "a", "1": "b"},
    ],
    ids=lambda value: type(value).__name__ if type(value) is object else f"{type(value).__name__} {value}"[:30],
)  # fmt: skip
def test_what_has_no_json_form_is_refused_and_not_bent(value: Any) -> None:
    with pytest.raises(TypeError, match="JSON form"):
        plain(value)


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert json_digest("abc") != file_sha256(path)


# Content digests

KINDS = ["f2", "f4", "f8", "i1", "i2", "i8", "u1", "u8", "?", "c16", "text"]


def array_of(kind: str, size: int = 6) -> np.ndarray[Any, Any]:
    if kind == "text":
        return np.array([f"t{at}" for at in range(size)], dtype=object)
    return (np.arange(size) % 2).astype(kind) if kind == "?" else np.arange(size).astype(kind)


def record(array: np.ndarray[Any, Any], *, name: str = "x", path: str = "t", **attrs: Any) -> xr.DataTree:
    variable = xr.Variable("row", array, attrs={"long_name": "Generated", "units": "1", **attrs})
    return schema.record({path: schema.table({name: variable}, note="group")}, title="Generated")


def digest(tree: xr.DataTree) -> str:
    return combine(tree, array_digests(tree))


@pytest.mark.parametrize("kind", KINDS)
def test_one_other_value_anywhere_gives_another_digest(kind: str) -> None:
    base = array_of(kind)
    seen = {digest(record(base))}
    for at in range(len(base)):
        changed = base.copy()
        changed[at] = changed[at] + "x" if kind == "text" else not changed[at] if kind == "?" else changed[at] + 1
        seen.add(digest(record(changed)))
    assert len(seen) == len(base) + 1


@lawful
@given(st.lists(text, max_size=4), st.lists(text, max_size=4))
def test_texts_are_told_apart_however_they_are_cut(one: list[str], other: list[str]) -> None:
    digests = [digest(record(np.array([*items, ""], dtype=object)[:-1])) for items in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([0.0]), np.array([-0.0])),
        (np.array([np.nan]), np.array([0.0])),
        (np.array([1], dtype=np.int64), np.array([1], dtype=np.int32)),
        (np.array([1], dtype=np.int64), np.array([1], dtype=np.uint64)),
        (np.array([1.0]), np.array([1], dtype=np.int64)),
        (np.array([1.0], dtype=np.float32), np.array([1.0])),
        (np.array([1], dtype=np.int8), np.array([True])),
        (np.array(["1"], dtype=object), np.array([1])),
        (np.array(["a", ""], dtype=object), np.array(["", "a"], dtype=object)),
        (np.array(["e\u0301"], dtype=object), np.array(["\u00e9"], dtype=object)),
        (np.zeros(0), np.zeros(0, dtype=np.float32)),
        (np.zeros(3), np.zeros(4)),
    ],
)
def test_what_looks_alike_is_told_apart(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
    assert digest(record(one)) != digest(record(other))


def test_the_byte_order_and_the_memory_layout_do_not_matter() -> None:
    base = np.arange(6, dtype="<i4")
    strided = np.arange(12, dtype="<i4")[::2] // 2
    assert digest(record(base)) == digest(record(base.astype(">i4"))) == digest(record(strided))


CHANGES: dict[str, Callable[[xr.DataTree], xr.DataTree]] = {
    "attribute of the record": lambda _: schema.record({"t": table()}, title="Other"),
    "attribute of the record more": lambda _: schema.record({"t": table()}, title="Generated", sex=None),
    "attribute of the group": lambda _: schema.record({"t": table().assign_attrs(note="other")}, title="Generated"),
    "attribute of the group less": lambda _: schema.record({"t": without("note")}, title="Generated"),
    "attribute of an array": lambda _: record(array_of("f8"), units="s"),
    "attribute of an array of another type": lambda _: record(array_of("f8"), scale=1.0),
    "attribute of an array as integer": lambda _: record(array_of("f8"), scale=1),
    "name of an array": lambda _: record(array_of("f8"), name="y"),
    "name of a group": lambda _: record(array_of("f8"), path="u"),
    "group one deeper": lambda _: record(array_of("f8"), path="t/t"),
    "dimension": lambda tree: renamed(tree, "row", "other"),
    "one array more": lambda _: schema.record({"t": table().assign(y=table()["x"])}, title="Generated"),
    "one group more": lambda _: schema.record({"t": table(), "u": table()}, title="Generated"),
    "warnings": lambda _: schema.record(
        {"t": table()}, title="Generated", warnings=[{"code": "odd", "place": "/", "message": "generated"}]
    ),
    "shape": lambda _: record(array_of("f8", 7)),
}


def table() -> xr.Dataset:
    return record(array_of("f8"))["t"].to_dataset(inherit=False)


def without(name: str) -> xr.Dataset:
    made = table()
    del made.attrs[name]
    return made


def renamed(tree: xr.DataTree, old: str, new: str) -> xr.DataTree:
    return schema.record({"t": tree["t"].to_dataset(inherit=False).rename_dims({old: new})}, title="Generated")


def test_a_change_of_anything_gives_a_digest_of_its_own() -> None:
    base = record(array_of("f8"))
    digests = {name: digest(change(base)) for name, change in CHANGES.items()}
    digests["base"] = digest(base)
    assert len(set(digests.values())) == len(digests)
    assert digest(record(array_of("f8"))) == digests["base"]


def test_rows_and_columns_are_told_apart() -> None:
    image = np.arange(6.0).reshape(1, 2, 3)
    shapes = [image, image.reshape(1, 3, 2), np.ascontiguousarray(image.transpose(0, 2, 1))]
    volumes = [schema.volume(item, affine=np.eye(4), units="1", long_name="Generated") for item in shapes]
    assert len({digest(schema.record({"v": item})) for item in volumes}) == 3


def test_provenance_and_digests_are_outside_of_the_content() -> None:
    base = record(array_of("f8"))
    noted = schema.record({"t": table()}, title="Generated", provenance={"source": "x"}, digests={"/t/x": "0"})
    assert digest(noted) == digest(base)
