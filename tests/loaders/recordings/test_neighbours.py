"""Windows near a seizure of another recording of the same person, on generated recordings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import UsageError
from connectome.loaders.recordings import StateSource
from connectome.seizures import Horizons, Seizure, seizure_table

NEAR = Horizons(preictal_s=100.0, gap_s=10.0, postictal_s=60.0, interictal_from_s=200.0)


def record(
    generated: Any, began: str | None, seizures: list[Seizure] | None, *, subject: str = "p", **attrs: Any
) -> Any:
    """Return a recording of 300 s at 10 Hz."""
    told = {} if began is None else {"recorded_at": began}
    signal = generated.series(np.zeros((1, 3000)), rate_hz=Fraction(10), **told, **attrs)
    groups = {"signal": signal, "seizure": seizure_table(seizures)}
    return schema.record(groups, **({"subject": subject} if subject else {}))


def states(source: StateSource) -> dict[str, dict[str, list[float]]]:
    """Return record to state to the starts of its windows."""
    table = source.frame()
    return {
        name: {state: rows["start_s"].tolist() for state, rows in part.groupby("label")}
        for name, part in table.groupby("record")
    }


def steps(start: float, stop: float) -> list[float]:
    return np.arange(start, stop, 10.0).tolist()


@pytest.fixture
def night(make_store: Callable[..., Any], generated: Any) -> Any:
    """Return a version: three recordings that follow each other over midnight, the second with a seizure, one apart."""
    return make_store({
        "a": record(generated, "2076-11-06T23:50:00", []),
        "b": record(generated, "2076-11-06T23:55:05", [Seizure(30.0, 45.0)]),
        "c": record(generated, "2076-11-07T00:00:05", []),
        "d": record(generated, "2076-11-06T23:50:00", [], subject="q"),
    })  # fmt: skip


ALL = ["interictal", "preictal", "ictal", "postictal"]


def test_the_end_of_a_file_is_preictal_to_the_seizure_of_the_next(night: Any) -> None:
    alone = states(StateSource(night, group="signal", window_s=10, horizons=NEAR, states=ALL))
    assert alone["a"] == {"interictal": steps(0, 300)}
    found = states(StateSource(night, group="signal", window_s=10, horizons=NEAR, states=ALL, across=True))
    # The seizure begins 335 s after the first sample of a: preictal from 225 s to 325 s, interictal to 135 s.
    assert found["a"] == {"interictal": steps(0, 130), "preictal": steps(220, 300)}
    assert found["b"] == alone["b"]
    # And it ended 255 s before the first sample of c: as far from it as is asked for.
    assert found["c"] == {"interictal": steps(0, 300)}
    assert found["d"] == {"interictal": steps(0, 300)}


def test_the_beginning_of_a_file_is_postictal_to_the_seizure_of_the_last(
    make_store: Callable[..., Any], generated: Any
) -> None:
    version = make_store({
        "a": record(generated, "2020-01-01T00:00:00", [Seizure(280.0)]),
        "b": record(generated, "2020-01-01T00:05:00", [], first_sample_after_start_s=0.5),
    })  # fmt: skip
    source = StateSource(version, group="signal", window_s=10, horizons=NEAR, states=ALL, across=True)
    # Nobody saw the end of the seizure: its recording ends half a second before the other begins.
    assert states(source)["b"] == {"interictal": steps(200, 300), "postictal": steps(0, 60)}
    assert source.description()["across"] is True


def test_a_seizure_of_a_file_is_in_no_other_however_clocks_are_rounded(
    make_store: Callable[..., Any], generated: Any
) -> None:
    version = make_store({
        "a": record(generated, "2020-01-01T00:00:00", [Seizure(290.0, 300.0)]),
        "b": record(generated, "2020-01-01T00:04:59", [Seizure(0.0, 10.0)]),
    })  # fmt: skip
    found = states(StateSource(version, group="signal", window_s=10, states=ALL, across=True))
    assert found == {
        "a": {"ictal": [290.0], "interictal": steps(0, 290)},
        "b": {"ictal": [0.0], "interictal": steps(10, 300)},
    }


@pytest.mark.parametrize(
    ("began", "subject", "message"),
    [
        ("2020-01-01T00:02:00", "p", "overlap in time"),
        (None, "p", "does not say when it began"),
        ("2020-01-01T00:05:00", "", "does not say whose"),
        ("2020-01-01T00:05:00+00:00", "p", "zone of time"),
        ("yesterday", "p", "not a date"),
    ],
)
def test_times_that_cannot_be_right_are_refused(
    began: str | None, subject: str, message: str, make_store: Callable[..., Any], generated: Any
) -> None:
    version = make_store({
        "a": record(generated, "2020-01-01T00:00:00", []),
        "b": record(generated, began, [], subject=subject),
    })  # fmt: skip
    with pytest.raises(UsageError, match=message):
        StateSource(version, group="signal", window_s=10, across=True)
    assert len(StateSource(version, group="signal", window_s=10)) == 60


def test_zones_of_time_count(make_store: Callable[..., Any], generated: Any) -> None:
    version = make_store({
        "a": record(generated, "2020-01-01T01:00:00+01:00", []),
        "b": record(generated, "2020-01-01T00:05:00+00:00", [Seizure(5.0, 20.0)]),
    })  # fmt: skip
    near = Horizons(preictal_s=50.0)
    found = states(StateSource(version, group="signal", window_s=10, horizons=near, across=True))
    assert found["a"]["preictal"] == steps(250, 300)
