"""The generated session of the benchmark: the same every time, as many spikes as asked for, imported whole."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from benchmarks import session
from connectome.schema.events import times_s
from connectome.store import open_version


def test_a_generated_session_is_the_same_every_time_and_is_imported_with_every_spike(tmp_path: Path) -> None:
    for name in ("amplitudes.nwb", "again.nwb"):
        session.write_generated_session(tmp_path / name, n_units=20, n_spikes=5001, session_s=60, amplitudes=True)
    assert session.amplitudes(tmp_path)()["digest"]
    spikes = open_version(session.DATASET, root=tmp_path / "amplitudes").open(session.RECORD)["spikes"].to_dataset()
    with h5py.File(tmp_path / "amplitudes.nwb") as file, h5py.File(tmp_path / "again.nwb") as again:
        flat, amplitude = file["units/spike_times"][:], file["units/spike_amplitudes"][:]
        owner = np.repeat(np.arange(20), np.diff(file["units/spike_times_index"][:], prepend=0))
        assert np.array_equal(flat, again["units/spike_times"][:])
        assert np.array_equal(amplitude, again["units/spike_amplitudes"][:])
    order = np.lexsort((owner, flat))
    assert len(flat) == 5001
    assert np.array_equal(times_s(spikes), flat[order])
    assert np.array_equal(spikes["unit"].values, owner[order])
    assert np.array_equal(spikes["spike_amplitudes"].values, amplitude[order])
