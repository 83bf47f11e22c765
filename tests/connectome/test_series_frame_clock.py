"""A series whose source numbers its frames and says nothing about seconds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError
from connectome.schema import measure, problems, record, series
from connectome.schema.series import rate_hz, time_s

SIGNAL = np.arange(12.0).reshape(2, 6)


def numbered(**options):
    clock = {"frame_start": 1, **options}
    return series(SIGNAL, channel=["1", "2"], units="1", long_name="made", **clock)


def test_frames_are_a_valid_clock_without_facts_in_seconds() -> None:
    tree = record({"activity": numbered()})
    assert problems(tree) == []
    facts = measure(tree)["/activity"]
    assert (facts["n_samples"], facts["duration_s"], facts["sampling_frequency_hz"]) == (6, None, None)
    assert facts["regular"] is False
    assert "frame_start" in tree["activity"].attrs


def test_asking_for_seconds_is_refused_instead_of_answered() -> None:
    dataset = numbered()
    assert rate_hz(dataset) is None
    with pytest.raises(NotFoundError, match="no sampling rate"):
        time_s(dataset)


@pytest.mark.parametrize("other", [{"rate_hz": Fraction(5)}, {"time_s": np.arange(6.0)}])
def test_frames_beside_another_clock_are_a_problem(other) -> None:
    found = problems(record({"activity": numbered(**other)}))
    assert [problem.expected for problem in found] == ["one clock: time stamps, an exact rate, or frame numbers"]


def test_no_clock_at_all_is_a_problem() -> None:
    bare = series(SIGNAL, channel=["1", "2"], units="1", long_name="made")
    assert [problem.found for problem in problems(record({"activity": bare}))] == ["none of them"]


def test_a_clock_of_another_name_is_a_problem() -> None:
    dataset = numbered().assign_attrs(clock="wall")
    assert len(schema.problems(record({"activity": dataset}))) == 1
