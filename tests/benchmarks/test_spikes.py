"""The benchmark of spikes at a tiny scale: all ways give the same counts. No time is tested."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import spike_peers, spikes


def test_all_ways_agree_on_a_generated_session(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    # No real files here: Poisson trains. What pynapple compiles on first use takes longer than all the rest.
    monkeypatch.setenv("CONNECTOME_TEST_DATA", str(tmp_path))
    monkeypatch.setattr(spike_peers, "PEERS", ("temporaldata",))
    monkeypatch.setattr(spikes, "ROUNDS", 1)
    monkeypatch.setattr(spikes, "PROCESSES", 1)
    monkeypatch.setattr(spikes, "SESSION_S", 60)
    monkeypatch.setattr(spikes, "N_WINDOWS", 5)
    figures = spikes.run(0.02)
    assert figures["made of"].startswith("Poisson")
    assert figures["n_units"] == 15
    able = spike_peers.here()
    compared = [value["times_faster"] for value in figures.values() if isinstance(value, dict) and "seconds" in value]
    more = int("temporaldata" in able)
    assert [len(ways) for ways in compared] == [2 + more, 3 + more, 3 + more, 3 + more]
    opened = figures["open, in a fresh process"]
    assert list(opened) == ["EventSource", *able]
    assert all(one["spikes_otherwise"] == 0 and one["peak_bytes"] > one["imports_bytes"] > 0 for one in opened.values())
    assert set(figures["left_out"]) | set(able) == {"temporaldata"}


def test_ways_of_ours_that_count_otherwise_are_refused_and_those_of_peers_told() -> None:
    one, other = np.array([[1, 2]]), np.array([[2, 1]])
    with pytest.raises(AssertionError, match="bin_counts counts otherwise"):
        spikes.timed({"searchsorted per unit": lambda: one, "bin_counts": lambda: other})
    told = spikes.timed({"searchsorted per unit": lambda: one, "a peer": lambda: other})["counts_otherwise"]
    assert told == {"a peer": {"cells": 2, "of": 2, "spikes": 0}}
    longer = spikes.compared(one, np.array([[1, 2, 3]]))
    assert longer == {"cells": 0, "of": 2, "spikes": 3, "shape": "(1, 3) instead of (1, 2)"}


def test_a_peer_that_is_not_installed_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spike_peers, "find_spec", lambda name: None if name == "pynwb" else object())
    assert spike_peers.here() == ("temporaldata",)
    assert "not installed" in spike_peers.missing()["pynwb"]
    assert "needs pynwb" in spike_peers.missing()["pynapple"]


def test_the_floor_of_a_product_misplaces_a_spike_on_an_edge() -> None:
    # 0.58 is 29 bins of 20 ms; its double times 50 falls short of 29.
    times, unit = np.array([0.57, 0.58]), np.array([0, 0])
    counts = spike_peers.floor_bins(times, unit, 1, 50)
    assert counts.sum() == 2
    assert np.flatnonzero(counts).tolist() == [28]
