"""The kind ``table``, the columns that all kinds are made of, and records as wholes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr

from connectome import schema
from connectome.errors import SchemaError
from support.faults import Plant, attrs, edited, faults, replaced
from support.generated_records import generated_zoo


def trials(**columns: Any) -> xr.Dataset:
    return schema.table(
        {
            "onset": schema.column("row", np.array([0.5, np.nan, 2.5]), "Onset", "s"),
            "side": schema.category("row", ["left", None, "right"], ["left", "right"], "Side"),
            "good": schema.column("row", np.array([True, False, True]), "Good"),
            "note": schema.column("row", ["", "two\nlines", "日本"], "Note", available="post_op"),
            **columns,
        }
    )


BUILT = {
    "trials": trials(),
    "no rows": schema.table({"x": schema.column("row", np.zeros(0), "Nothing", "1")}),
    "no rows of text": schema.table({"x": schema.column("row", [], "Nothing")}),
    "no columns": schema.table({}),
    "complex": trials(z=schema.column("row", np.ones(3) * 1j, "Impedance", "ohm")),
}


@pytest.mark.parametrize("dataset", BUILT.values(), ids=BUILT.keys())
def test_what_is_built_is_valid_and_can_be_measured(dataset: xr.Dataset) -> None:
    assert faults(dataset) == []
    facts = schema.measure(schema.record({"group": dataset}))["/group"]
    assert facts == {"kind": "table", "n_rows": dataset.sizes.get("row", 0), "n_columns": len(dataset.variables)}


FLAGS = "flag values from 0 up, one different flag label each"

PLANTED: dict[str, tuple[Plant, str, str]] = {
    "another dimension": (lambda d: d.assign(x=("col", np.ones(2), {"long_name": "x", "units": "1"})), "x",
        "the dimension row"),
    "two dimensions": (lambda d: d.assign(x=(("row", "col"), np.ones((3, 2)), {"long_name": "x", "units": "1"})), "x",
        "the dimension row"),
    "a time": (replaced("onset", np.zeros(3, dtype="datetime64[ns]")), "onset", "a number, boolean or text"),
    "bytes": (replaced("note", np.array([b"a", b"b", b"c"])), "note", "a number, boolean or text"),
    "no name": (attrs("onset", long_name=None), "onset", "the attribute long_name"),
    "empty name": (attrs("onset", long_name=""), "onset", "the attribute long_name"),
    "no units": (attrs("onset", units=None), "onset", 'the attribute units ("1" for plain numbers)'),
    "a number among text": (replaced("note", np.array(["a", 1, "b"], dtype=object)), "note", "text only"),
    "nothing among text": (replaced("note", np.array(["a", None, "b"], dtype=object)), "note", "text only"),
    "code without label": (edited("side", 0, 2), "side", "codes among [-1, 0, 1]"),
    "code below missing": (edited("side", 0, -2), "side", "codes among [-1, 0, 1]"),
    "codes in halves": (replaced("side", np.array([0.5, 0, 1])), "side", "integer category codes"),
    "label missing": (attrs("side", flag_labels=["left"]), "side", FLAGS),
    "no labels": (attrs("side", flag_labels=None), "side", FLAGS),
    "label twice": (attrs("side", flag_labels=["left", "left"]), "side", FLAGS),
    "values with a gap": (attrs("side", flag_values=[0, 2]), "side", FLAGS),
    "another missing code": (attrs("side", missing_code=-9), "side", "the missing code -1"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "place", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_finds_its_fault(plant: Plant, place: str, expected: str) -> None:
    assert (f"/group/{place}", expected) in faults(plant(trials()))


# Columns


def test_categories_are_decoded_to_the_words_they_were_made_of() -> None:
    words = ["b", "", "a", None, "c d"]
    variable = schema.category("row", words, ["a", "b", "c d"], "Letters", ordered=True)
    assert variable.values.tolist() == [1, -1, 0, -1, 2]
    assert schema.decode(variable).tolist() == ["b", "", "a", "", "c d"]
    assert variable.attrs["flag_meanings"] == "a b c_d"
    assert variable.attrs["ordered"] is True


@pytest.mark.parametrize(("count", "dtype"), [(1, "int8"), (126, "int8"), (127, "int16"), (40_000, "int32")])
def test_codes_take_no_more_room_than_they_need(count: int, dtype: str) -> None:
    labels = [f"l{at}" for at in range(count)]
    variable = schema.category("row", [*labels, ""], labels, "Labels")
    assert variable.dtype == dtype
    assert schema.decode(variable).tolist() == [*labels, ""]


@pytest.mark.parametrize(
    ("values", "labels"), [(["c"], ["a", "b"]), (["a"], ["a", "a"]), (["a"], ["a", ""]), (["A"], ["a"])]
)
def test_a_word_that_is_no_label_or_labels_that_are_no_set_are_refused(values: list[str], labels: list[str]) -> None:
    with pytest.raises(SchemaError):
        schema.category("row", values, labels, "Letters")


@pytest.mark.parametrize("values", [["a", 1], ["a", None], [1.0, None], ["a", b"b"], ["a", np.nan], [{}]])
def test_text_mixed_with_anything_else_is_refused(values: list[Any]) -> None:
    with pytest.raises(SchemaError, match="not text"):
        schema.column("row", values, "Mixed")


@pytest.mark.parametrize("values", [["a", "b\udcff"], np.array(["b\udcff"]), np.array(["b\udcff"], dtype=object)])
def test_text_without_a_utf_8_form_is_refused(values: Any) -> None:
    with pytest.raises(SchemaError, match="no UTF-8 form") as caught:
        schema.column("row", values, "Names")
    assert caught.value.found == repr("\udcff")


@pytest.mark.parametrize("values", [np.array(["a", "b"]), ["a", "b"], np.array(["a", "b"], dtype=object)])
def test_text_becomes_python_text_however_it_came(values: Any) -> None:
    variable = schema.column("row", values, "Text")
    assert variable.dtype == object
    assert [type(value) for value in variable.values] == [str, str]


# Records


def test_a_record_of_every_kind_is_valid() -> None:
    tree = generated_zoo()
    assert schema.problems(tree) == []
    assert schema.kinds_of(tree) == ["events", "graph", "series", "table", "volume"]
    assert list(schema.measure(tree)) == sorted(schema.measure(tree))
    assert set(schema.schema_versions()) == {"record", *schema.KINDS}


def problems_of(tree: xr.DataTree) -> list[tuple[str, str]]:
    return [(problem.place, problem.expected) for problem in schema.problems(tree)]


def test_an_empty_record_is_no_record() -> None:
    assert problems_of(schema.record({})) == [("/", "at least one group of data")]
    assert ("/", "encoding-type record") in problems_of(xr.DataTree())


def test_what_lies_outside_a_group_would_be_lost_and_is_a_fault() -> None:
    tree = schema.record({"labels/t1w": trials()})
    assert problems_of(tree) == []
    tree["labels"].attrs["note"] = "between the root and a group"
    assert problems_of(tree) == [("/labels", "the attribute encoding-type")]
    at_root = schema.record({"t": trials()})
    at_root.dataset = at_root.to_dataset().assign(x=("row_of_root", np.ones(2)))
    assert problems_of(at_root) == [("/x", "arrays inside groups only")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"encoding-type": "poem"}, "one of series, events, graph, volume, table"),
        ({"encoding-version": "9"}, "table version 1"),
        ({"encoding-version": None}, "table version 1"),
    ],
)
def test_a_group_of_an_unknown_kind_or_version_is_a_fault(change: dict[str, Any], expected: str) -> None:
    assert ("/group", expected) in faults(attrs(**change)(trials()))


def test_validate_lists_every_problem_in_one_error() -> None:
    broken = attrs("side", flag_labels=None)(attrs("onset", units=None)(trials()))
    with pytest.raises(SchemaError) as caught:
        schema.validate(schema.record({"t": broken}), subject="generated")
    error = caught.value
    assert "2 problems" in error.message
    assert (error.subject, error.place) == ("generated", "/t/onset")
    assert "/t/onset" in (error.found or "")
    assert "/t/side" in (error.found or "")
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.as_dict()) == (SchemaError, error.as_dict())


def test_no_part_that_is_taken_away_makes_the_check_itself_fail() -> None:
    """Whatever is missing is a finding, or harmless; never an exception."""
    n_found = 0
    for path, dataset in schema.groups(generated_zoo()):
        for name in map(str, dataset.variables):
            n_found += bool(faults(dataset.drop_vars(name)))
            for key in dataset[name].attrs:
                n_found += bool(faults(attrs(name, **{key: None})(dataset)))
            for dtype in (object, str, np.float32, np.int8, bool):
                if dataset[name].dtype.kind in "OTU" and dtype not in (object, str):
                    continue
                with np.errstate(all="ignore"):
                    retyped = dataset[name].variable.astype(dtype)
                changed = dataset.drop_vars(name).assign({name: retyped})
                assert isinstance(faults(changed), list), f"{path}/{name}"
        for key in dataset.attrs:
            n_found += bool(faults(attrs(**{key: None})(dataset)))
    assert n_found > 100
