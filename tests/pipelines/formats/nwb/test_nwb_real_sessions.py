"""Published NWB sessions: counts as their READMEs state them, every value compared with what h5py reads directly."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest

from connectome.errors import FormatError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.schema import measure, validate
from connectome.schema.events import tick_hz, times_s
from connectome.spikes import SpikeTrains, bin_counts, bin_edges
from connectome.store.digest import array_digests, combine

ALM = "neuropixels/guo_svoboda_alm/sub-anm00239123_ses-20170627T093549_ecephys+ogen.nwb"
ADN = "neuropixels/peyrache_adn_ca1/A2929-200711.nwb"
ALLEN = "neuropixels/allen_visual_coding_trunc10/sub-738651046_ses-760693773.trunc10.nwb"
LFP = "neuropixels/allen_visual_coding_trunc10/sub-738651046_ses-760693773_probe-769322820_ecephys.trunc10.nwb"


@pytest.fixture(scope="module")
def alm(data_dir: Path):
    return read(data_dir / ALM)


@pytest.fixture(scope="module")
def adn(data_dir: Path):
    return read(data_dir / ADN)


@pytest.fixture(scope="module")
def allen(data_dir: Path):
    return read(data_dir / ALLEN, spikes="skip")


def bits(values) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)


def assert_spikes_are_the_files_own(tree, path: Path) -> None:
    """Compare every unit's times with the file's, bit for bit."""
    spikes = tree["spikes"].to_dataset()
    times, pointer = times_s(spikes), spikes["unit_ptr"].values
    order = np.argsort(spikes["unit"].values, kind="stable")
    with h5py.File(path) as file:
        stored, ends = file["units/spike_times"][()], file["units/spike_times_index"][()].astype(int)
        assert spikes["unit_id"].values.tolist() == [str(one) for one in file["units/id"][()]]
    for unit, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        np.testing.assert_array_equal(bits(times[order[pointer[unit] : pointer[unit + 1]]]), bits(stored[start:stop]))


def test_the_alm_session_has_the_counts_of_its_readme(alm) -> None:
    validate(alm, subject="alm")
    spikes = alm["spikes"]
    assert np.diff(spikes["unit_ptr"].values).tolist() == [12992, 3458, 2714, 14893]
    trials = alm["trials"]
    assert trials.sizes["row"] == 412
    assert Counter(trials["type"].values) == {"lick left": 172, "lick right": 170, "non-performing": 70}
    assert Counter(trials["response"].values) == {"correct": 175, "incorrect": 80, "early lick": 87, "N/A": 70}
    np.testing.assert_array_equal(trials["is_good"].values == 0, trials["type"].values == "non-performing")
    for name in ("cue_start_time", "cue_end_time", "pole_in_time", "pole_out_time"):
        np.testing.assert_array_equal(np.isnan(trials[name].values), trials["type"].values == "non-performing")
    assert alm["electrodes"].sizes["row"] == 32
    assert alm.attrs["subject"] == "anm00239123"
    assert alm.attrs["species"] == "Mus musculus"
    assert alm.attrs["session_start_time"] == "2017-06-27T09:35:49-05:00"


def test_the_alm_times_are_multiples_of_a_power_of_two_and_come_back_to_the_bit(alm, data_dir: Path) -> None:
    assert tick_hz(alm["spikes"].to_dataset()) == 2**44
    assert_spikes_are_the_files_own(alm, data_dir / ALM)


def test_every_column_of_the_alm_trials_and_units_is_the_files_own(alm, data_dir: Path) -> None:
    with h5py.File(data_dir / ALM) as file:
        for name, column in file["intervals/trials"].items():
            stored = alm["trials"][name].values
            if column.dtype.kind == "O":
                assert stored.tolist() == column.asstr()[()].tolist()
            else:
                assert stored.dtype == column.dtype
                assert stored.tobytes() == column[()].tobytes()
        for name in ("waveform_mean", "waveform_sd", "sampling_rate", "unit_x", "unit_y", "unit_z", "electrodes"):
            stored = alm["spikes"][name].values
            assert stored.dtype == file[f"units/{name}"].dtype
            np.testing.assert_array_equal(stored, file[f"units/{name}"][()])
    assert np.signbit(alm["trials"]["photo_loc_galvo_y"].values[0])
    assert alm["spikes"]["waveform_mean"].dims == ("unit_id", "sample")
    assert alm["spikes"]["electrodes"].attrs["table"] == "/general/extracellular_ephys/electrodes"


def test_the_same_session_in_hdf5_and_in_zarr_is_the_same_record(alm, data_dir: Path) -> None:
    path = data_dir / f"{ALM}.zarr.zip"
    assert recognise([path]).name == "nwb"
    other = read(path)
    mine, theirs = array_digests(alm), array_digests(other)
    assert mine == theirs
    assert combine(alm, mine) == combine(other, theirs)


def test_the_adn_session_has_the_counts_of_its_readme(adn) -> None:
    validate(adn, subject="adn")
    counts = np.diff(adn["spikes"]["unit_ptr"].values)
    assert counts.tolist() == [
        8764, 6879, 9743, 8014, 12925, 13205, 19819, 2636, 2419, 1282, 4702, 3970, 1313, 1535, 1588,
    ]  # fmt: skip
    assert counts.sum() == 98_794
    assert adn["spikes"]["location"].values.tolist() == ["adn"] * 7 + ["ca1"] * 8
    assert adn["spikes"]["electrode_group"].values[0] == "/general/extracellular_ephys/group0_"
    assert adn["epochs"]["tags"].values.tolist() == ["sleep", "wake"]
    assert adn["epochs"]["stop_time"].values.tolist() == [600.0, 1200.0]
    ripples = adn["intervals/sleep_ripples"]
    assert ripples.sizes["row"] == 594
    assert (ripples["stop_time"].values - ripples["start_time"].values).sum() == pytest.approx(37.62, abs=0.005)
    assert adn["series/Position"].sizes == {"channel": 3, "time": 63_527}
    assert adn["series/CompassDirection"]["channel"].values.tolist() == ["rx", "ry", "rz"]


def test_the_adn_times_are_whole_microseconds_and_give_back_every_bit(adn, data_dir: Path) -> None:
    assert tick_hz(adn["spikes"].to_dataset()) == 1_000_000
    assert_spikes_are_the_files_own(adn, data_dir / ADN)


def test_the_adn_positions_are_the_files_own(adn, data_dir: Path) -> None:
    with h5py.File(data_dir / ADN) as file:
        for at, axis in enumerate("xyz"):
            stored = file[f"acquisition/Position/{axis}"]
            np.testing.assert_array_equal(adn["series/Position"]["signal"].values[at], stored["data"][()])
            np.testing.assert_array_equal(adn["series/Position"]["time"].values, stored["timestamps"][()])


def test_bins_of_the_adn_session_hold_every_spike_once(adn) -> None:
    trains = SpikeTrains.of(adn["spikes"].to_dataset())
    counts = bin_counts(trains, bin_edges(0, Fraction(1, 50), 60_000))
    assert counts.sum() == 98_794


def test_a_cut_session_is_refused_because_its_index_goes_beyond_its_data(data_dir: Path) -> None:
    with pytest.raises(FormatError, match="index beyond data") as caught:
        read(data_dir / ALLEN)
    error = caught.value
    assert error.subject == str(data_dir / ALLEN)
    assert error.place == "/units/spike_times_index, row 0"
    assert error.found == "32415"
    assert "spikes=skip" in str(error.hint)


def test_the_stimulus_tables_of_a_cut_session_stay_usable(allen, data_dir: Path) -> None:
    validate(allen, subject="allen")
    assert "spikes" not in allen
    assert {
        "code": "spikes-skipped",
        "place": "/units",
        "message": "left out by the option spikes=skip",
    } in allen.attrs["warnings"]
    names = {"gabors", "flashes", "drifting_gratings", "natural_movie_one", "natural_movie_three", "natural_scenes",
             "static_gratings", "spontaneous"}  # fmt: skip
    assert names <= set(allen["stimulus"].children)
    with h5py.File(data_dir / ALLEN) as file:
        for name in names:
            table = allen[f"stimulus/{name}"]
            stored = file[f"intervals/{name}_presentations"]
            assert table.sizes["row"] == 10
            for edge in ("start_time", "stop_time"):
                np.testing.assert_array_equal(table[edge].values, stored[edge][()])


def test_a_parameter_has_one_type_in_all_stimulus_tables(allen) -> None:
    tables = [allen[f"stimulus/{name}"].to_dataset() for name in allen["stimulus"].children]
    for name in {name for table in tables for name in table.data_vars}:
        assert len({table[name].dtype for table in tables if name in table}) == 1, name
    assert allen["stimulus/static_gratings"]["spatial_frequency"].values.tolist()[:3] == [0.04, 0.16, 0.08]
    assert allen["stimulus/drifting_gratings"]["spatial_frequency"].values[0] == 0.04
    flashes, gratings = allen["stimulus/flashes"], allen["stimulus/drifting_gratings"]
    assert (flashes["spatial_frequency"].values[0], flashes["spatial_frequency_1"].values[0]) == (0.0, 0.0)
    assert np.isnan(gratings["spatial_frequency_1"].values).all()
    assert (gratings["size"].values[0], gratings["size_1"].values[0]) == (250.0, 250.0)
    assert gratings["phase"].values[0] == 42471.86666667
    assert set(allen["stimulus/gabors"]["mask"].values) == {"circle"}
    assert gratings["timeseries"].values[0] == "/processing/stimulus/timestamps"
    assert gratings["timeseries_idx_start"].values[0] == 3798


def test_behaviour_of_a_cut_session_keeps_type_and_clock(allen, data_dir: Path) -> None:
    with h5py.File(data_dir / ALLEN) as file:
        speed = file["processing/running/running_speed"]
        np.testing.assert_array_equal(allen["running"]["signal"].values[0], speed["data"][()])
        np.testing.assert_array_equal(allen["running"]["time"].values, speed["timestamps"][()])
        # Its stamps are a link to those of the speed.
        wheel = allen["series/running_wheel_rotation"]
        np.testing.assert_array_equal(wheel["time"].values, speed["timestamps"][()])
        assert wheel["signal"].dtype == np.float32
        fits = file["processing/eye_tracking/eye_ellipse_fits"]
        eye = allen["eye_tracking/eye_ellipse_fits"]
        for at, name in enumerate(eye["channel"].values):
            np.testing.assert_array_equal(eye["signal"].values[at], fits[name][()])
    assert allen.attrs["strain"] == "C57BL/6J"
    assert allen["device"]["sampling_rate"].values[0] == 29999.9700560591


def test_the_field_potential_of_a_cut_probe_reads(data_dir: Path) -> None:
    tree = read(data_dir / LFP)
    validate(tree, subject="lfp")
    lfp = tree["lfp/probe_769322820_lfp_data"]
    with h5py.File(data_dir / LFP) as file:
        stored = file["acquisition/probe_769322820_lfp/probe_769322820_lfp_data"]
        np.testing.assert_array_equal(lfp["signal"].values, stored["data"][()].T)
        np.testing.assert_array_equal(lfp["time"].values, stored["timestamps"][()])
    assert lfp["signal"].dtype == np.float32
    assert lfp["signal"].shape == (87, 10)
    assert lfp["signal"].attrs["units"] == "V"
    assert [one["code"] for one in tree.attrs["warnings"]] == ["electrodes-differ"]
    assert tree["series/current_source_density"]["signal"].shape == (384, 10)
    assert tree["tables/ecephys_csd"].sizes["row"] == 10


def test_an_import_commits_a_session_that_opens_with_the_same_spikes(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import connectome

    root = tmp_path / "root"
    paths = [data_dir / ADN, data_dir / f"{ALM}.zarr.zip"]
    for path in paths:
        assert main(["import", "nwb", str(path), "--dataset", "sessions", "--root", str(root), "--json"]) == 0
    capsys.readouterr()
    assert main(["facts", "sessions", "--record", "A2929-200711", "--root", str(root), "--json"]) == 0
    assert '"n_events": 98794' in capsys.readouterr().out
    version = connectome.open("sessions", root=root)
    tree = version.open("A2929-200711")
    assert_spikes_are_the_files_own(tree, data_dir / ADN)
    assert measure(tree)["/epochs"]["n_rows"] == 2


def test_a_refused_import_leaves_the_root_as_it_was(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    command = ["import", "nwb", str(data_dir / ALLEN), "--dataset", "vcn", "--root", str(root), "--json"]
    assert main(command) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "format"
    assert "index beyond data" in error["message"]
    assert not root.exists() or not list(root.rglob("*.zip"))
    assert main([*command, "--option", "spikes=skip"]) == 0
