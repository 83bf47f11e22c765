"""Named filters of units."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import NotFoundError, SchemaError
from connectome.spikes.filters import FILTERS, unit_filter


def units(**changed: object) -> dict[str, np.ndarray]:
    """Return generated columns of units of which the first meets every rule and each other fails one or more."""
    columns = {
        "quality": np.array(["good", "noise", "good", "good", "good", "good"], dtype=object),
        "amplitude_cutoff": np.array([0.1, 0.01, np.nextafter(0.1, 1), 0.05, 0.05, np.nan]),
        "presence_ratio": np.array([0.95, 1.0, 1.0, np.nextafter(0.95, 0), 1.0, 1.0]),
        "isi_violations": np.array([0.5, 0.0, 0.0, 0.0, np.nextafter(0.5, 1), 0.0]),
        "structure": np.array(["VISp"] * 6, dtype=object),
    }
    return {**columns, **{name: np.asarray(value) for name, value in changed.items()}}


def test_limits_are_inclusive_and_a_missing_value_never_passes() -> None:
    found = unit_filter("allen_default").apply(units())
    assert found.mask.tolist() == [True, False, False, False, False, False]
    assert (found.n_units, found.n_kept, found.filter) == (6, 1, "allen_default@1")


def test_every_rule_says_how_many_units_meet_it_alone() -> None:
    assert dict(unit_filter("allen_default").apply(units()).passed) == {
        "quality == good": 5,
        "amplitude_cutoff <= 0.1": 4,
        "presence_ratio >= 0.95": 5,
        "isi_violations <= 0.5": 5,
        "structure known": 6,
    }


@pytest.mark.parametrize("nothing", ["", "nan", "None"])
def test_a_unit_outside_the_brain_is_left_out(nothing: str) -> None:
    structure = np.array([nothing, *["VISp"] * 5], dtype=object)
    assert unit_filter("allen_default").apply(units(structure=structure)).n_kept == 0


def test_the_columns_of_the_warehouse_serve_as_well_as_those_of_a_record() -> None:
    columns = units()
    del columns["structure"]
    numbers = {**columns, "ecephys_structure_id": np.array([385.0, np.nan, 1, 1, 1, 1])}
    assert unit_filter("allen_default").apply(numbers).n_kept == 1
    dataset = xr.Dataset({name: ("unit_id", value) for name, value in units().items()})
    assert unit_filter("allen_default").apply(dataset).n_kept == 1
    assert unit_filter("allen_default").apply(dataset.to_dataframe()).n_kept == 1


def test_a_column_that_is_not_there_is_an_error_not_a_pass() -> None:
    columns = units()
    del columns["presence_ratio"]
    with pytest.raises(SchemaError, match="presence_ratio"):
        unit_filter("allen_default").apply(columns)


def test_an_unknown_filter_lists_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="allen_default"):
        unit_filter("allen")


@given(st.lists(st.tuples(*[st.floats(0, 1) | st.just(float("nan"))] * 3, st.sampled_from(["good", "noise"])),
                min_size=1, max_size=40))  # fmt: skip
def test_the_mask_is_what_the_rules_say_unit_by_unit(rows: list[tuple[float, float, float, str]]) -> None:
    cutoff, presence, violations, quality = (list(item) for item in zip(*rows, strict=True))
    found = unit_filter("allen_default").apply(
        {
            "amplitude_cutoff": np.array(cutoff),
            "presence_ratio": np.array(presence),
            "isi_violations": np.array(violations),
            "quality": np.array(quality, dtype=object),
            "structure": np.array(["CA1"] * len(rows), dtype=object),
        }
    )
    slow = [q == "good" and a <= 0.1 and p >= 0.95 and v <= 0.5 for a, p, v, q in rows]
    assert found.mask.tolist() == slow
    assert found.n_kept <= min(found.passed.values())


def test_every_filter_names_its_origin_and_version() -> None:
    for name, item in FILTERS.items():
        assert (item.name, bool(item.version), bool(item.source)) == (name, True, True)
