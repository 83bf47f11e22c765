"""The benchmark of spikes at a tiny scale: all ways give the same counts. No time is tested."""

from __future__ import annotations

import pytest

from benchmarks import spikes


def test_all_ways_agree_on_a_generated_session(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("CONNECTOME_BENCHMARK_SCALE", "0.02")
    # No real files here: Poisson trains.
    monkeypatch.setenv("CONNECTOME_TEST_DATA", str(tmp_path))
    monkeypatch.setattr(spikes, "ROUNDS", 1)
    monkeypatch.setattr(spikes, "SESSION_S", 60)
    monkeypatch.setattr(spikes, "N_WINDOWS", 5)
    figures = spikes.run()
    assert figures["made of"].startswith("Poisson")
    assert figures["n_units"] == 15
    compared = [value["times_faster"] for value in figures.values() if isinstance(value, dict) and "seconds" in value]
    assert [len(ways) for ways in compared] == [2, 3, 3, 3]


def test_ways_that_count_otherwise_are_refused() -> None:
    with pytest.raises(AssertionError, match="b counts otherwise"):
        spikes.timed({"a": lambda: [1], "b": lambda: [2]})
