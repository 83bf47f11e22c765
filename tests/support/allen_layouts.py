"""Generated sessions in the layout of the Allen Institute's Visual Coding - Neuropixels, with its known defects.

Nothing was measured. Groups, columns and their types are those of the NWB files (core 2.2.2, ndx-aibs-ecephys 0.2.0)
and of the tables in the AllenSDK's cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from support.nwb_sessions import TEXT, add_units, empty_session, series, table, typed

if TYPE_CHECKING:
    import h5py

CHANNELS = np.arange(850000000, 850000008, 2)
UNITS = np.arange(950000000, 950000005)


def session(path: Path, session_id: int = 900000001, *, seed: int = 0) -> None:
    """Write a session: five units on two probes, stimuli with lists as text, invalid times out of order."""
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _started(path, str(session_id), "brain_observatory_1.1") as file:
        _electrodes(file)
        trains = [np.sort(random.uniform(1.0, 30.0, n)) for n in (40, 12, 0, 25, 31)]
        counts = np.cumsum([len(train) for train in trains])
        units = add_units(
            file, trains, index="int64",
            peak_channel_id=CHANNELS[[0, 1, 2, 3, 1]], local_index=np.arange(5), cluster_id=np.arange(5),
            quality=["good", "good", "noise", "good", "good"],
            presence_ratio=np.array([0.99, 0.95, 1.0, 0.94, 1.0]),
            isi_violations=np.array([0.1, 0.5, 0.0, 0.0, 0.0]),
            amplitude_cutoff=np.array([0.05, 0.1, 0.0, 0.0, 0.0]),
            snr=random.normal(3, 1, 5),
            spike_amplitudes=random.normal(1e-4, 1e-5, counts[-1]), spike_amplitudes_index=counts,
            waveform_mean=random.normal(size=(5 * 4, 6)), waveform_mean_index=np.arange(4, 24, 4),
        )  # fmt: skip
        units["id"][...] = UNITS
        common = {"stimulus_block": np.zeros(2), "stimulus_name": ["generated"] * 2, "id": np.arange(2)}
        table(file, "intervals/static_gratings_presentations", {
            "start_time": np.array([2.0, 2.25]), "stop_time": np.array([2.25, 2.5]),
            "spatial_frequency": np.array([0.04, np.nan]), "phase": ["0.25", "null"],
            "size": ["[250.0, 250.0]", "null"], "color": ["[1.0, 1.0, 1.0]", "null"], **common,
        }, kind="TimeIntervals")  # fmt: skip
        table(file, "intervals/flashes_presentations", {
            "start_time": np.array([5.0, 7.0]), "stop_time": np.array([5.25, 7.25]),
            "spatial_frequency": ["[0.0, 0.0]", "[0.0, 0.0]"], "phase": ["[0.0, 0.0]", "[0.0, 0.0]"],
            "size": ["[300.0, 300.0]", "[300.0, 300.0]"], "color": ["-1.0", "1.0"], **common,
        }, kind="TimeIntervals")  # fmt: skip
        table(file, "intervals/invalid_times", {
            "id": np.arange(3), "start_time": np.array([20.0, 4.0, 11.0]), "stop_time": np.array([21.0, 4.5, 12.0]),
            "tags": ["EcephysSession", "900000001", "all_probes", "EcephysProbe", "810000001", "probeA",
                     "EcephysSession", "900000001", "stimulus"],
            "tags_index": np.array([3, 6, 9]),
        }, kind="TimeIntervals")  # fmt: skip
        running = typed(file, "processing/running", "ProcessingModule", description="running")
        series(running, "running_speed", random.normal(size=50), stamps=np.linspace(1, 30, 50), unit="cm/s")


def lfp(path: Path, probe_id: int = 810000001, *, seed: int = 1) -> None:
    """Write the LFP file of a probe."""
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _started(path, str(probe_id), "LFP") as file:
        electrodes = _electrodes(file)
        holder = typed(file, f"acquisition/probe_{probe_id}_lfp", "LFP")
        series(holder, f"probe_{probe_id}_lfp_data", random.normal(0, 1e-4, (60, 2)).astype(np.float32),
               stamps=3.7 + np.arange(60) * 0.0008, kind="ElectricalSeries", unit="volts")  # fmt: skip
        region = holder[f"probe_{probe_id}_lfp_data"].create_dataset("electrodes", data=np.array([0, 2]))
        region.attrs.update({"neurodata_type": "DynamicTableRegion", "table": electrodes.ref})


def cache_tables(folder: Path) -> None:
    """Write tables of the SDK's cache: one unit is in none of them, and two columns have changed places."""
    folder.mkdir(parents=True, exist_ok=True)
    known = UNITS[:4]
    _csv(folder / "units.csv", "id,ecephys_structure_acronym,waveform_spread",
         [f"{unit},VISp,{30.5 + unit % 7}" for unit in known])  # fmt: skip
    places = zip(CHANNELS, ("7000", "-1000", "7020", "7030"), strict=True)
    _csv(folder / "channels.csv", "id,left_right_ccf_coordinate,structure_id",
         [f"{channel},{place},385" for channel, place in places])  # fmt: skip
    _csv(folder / "sessions.csv", "id,session_type,age_in_days,full_genotype",
         ["900000001,brain_observatory_1.1,118.0,wt/wt", "900000002,functional_connectivity,120.0,"])  # fmt: skip
    _csv(folder / "brain_observatory_1.1_analysis_metrics.csv", "ecephys_unit_id,on_screen_rf,p_value_rf,g_osi_sg",
         [f"{unit},{0.001 * (at + 1)},{at % 2}.0,0.{at + 1}" for at, unit in enumerate(known)])  # fmt: skip


def _csv(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def _started(path: Path, identifier: str, stimulus: str) -> h5py.File:
    file = empty_session(path, nwb_version="2.2.2")
    del file["identifier"], file["session_start_time"]
    file.create_dataset("identifier", data=identifier, dtype=TEXT)
    file.create_dataset("session_start_time", data="2019-01-19T00:54:18-08:00", dtype=TEXT)
    file.create_dataset("general/stimulus", data=stimulus, dtype=TEXT)
    file["general/subject"].attrs.update({"specimen_name": "Sst-IRES-Cre;Ai32-1", "age_in_days": 118.0})
    return file


def _electrodes(file: h5py.File) -> h5py.Group:
    for at, name in enumerate(("probeA", "probeB")):
        device = typed(file, f"general/devices/{name}", "EcephysProbe", sampling_rate=29999.97 + at / 100)
        device.attrs["probe_id"] = 810000001 + at
    along = np.array([1000.0, -1000.0, 1020.0, np.nan])
    return table(file.require_group("general/extracellular_ephys"), "electrodes", {
        "id": CHANNELS, "x": np.array([8000.0, -1000.0, 8020.0, np.nan]), "y": along, "z": along,
        "location": ["VISp", "", "CA1", "grey"], "group_name": ["probeA", "probeA", "probeB", "probeB"],
        "probe_id": np.array([810000001, 810000001, 810000002, 810000002]), "valid_data": np.array([True] * 4),
    })  # fmt: skip
