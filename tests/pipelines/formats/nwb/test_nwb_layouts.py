"""Generated NWB sessions: every layout that the schema allows, older forms, and what must be refused with its place."""

from __future__ import annotations

import json
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import pytest

from connectome.errors import ConnectomeError, FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.nwb import series as nwb_series
from connectome.pipelines.formats.nwb.session import companions, sniff
from connectome.pipelines.homogenise.spike_clock import exact_ticks
from connectome.schema import measure, validate
from connectome.schema.events import observed_sets, tick_hz, times_s, unit_order
from connectome.store.digest import array_digests
from support.nwb_sessions import (  # fmt: skip
    add_units,
    empty_session,
    rich_session,
    series,
    spike_trains,
    table,
    typed,
    zarr_folder,
    zarr_zip,
)
from support.worm_layouts import worm_nwb


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("nwb")
    path = folder / "session.nwb"
    arrays = rich_session(path)
    tree = read(path)
    validate(tree, subject="rich")
    return path, arrays, tree


@pytest.fixture(scope="module")
def zarr(rich, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zarr_folder(rich[0], tmp_path_factory.mktemp("zarr") / "session.nwb.zarr")


def codes(tree) -> list[str]:
    return [item["code"] for item in tree.attrs.get("warnings", [])]


def unit_times(tree, unit: int, path: str = "spikes") -> np.ndarray:
    spikes = tree[path].to_dataset()
    pointer = spikes["unit_ptr"].values
    return times_s(spikes)[unit_order(spikes)[pointer[unit] : pointer[unit + 1]]]


def session(path: Path, trains=None, **columns) -> Path:
    with empty_session(path) as file:
        add_units(file, spike_trains() if trains is None else trains, **columns)
    return path


def test_spikes_and_every_kind_of_unit_column_are_the_files_own(rich) -> None:
    _, arrays, tree = rich
    spikes = tree["spikes"].to_dataset()
    for unit, train in enumerate(arrays["trains"]):
        np.testing.assert_array_equal(unit_times(tree, unit), train)
    assert tick_hz(spikes) == 1_000_000
    assert spikes["unit_id"].values.tolist() == ["100", "101", "102", "103"]
    assert measure(tree)["/spikes"]["n_silent_units"] == 1
    # A value per spike goes where its spike goes.
    by_unit = spikes["spike_amplitudes"].values[unit_order(spikes)]
    np.testing.assert_array_equal(by_unit, arrays["amplitudes"])
    assert spikes["spike_amplitudes"].dims == ("event",)
    assert spikes["electrodes_ptr"].values.tolist() == [0, 2, 3, 3, 5]
    assert spikes["electrodes"].values.tolist() == [0, 1, 2, 0, 1]
    assert spikes["waveform_mean"].dims == ("unit_id", "sample")
    assert spikes["waveform_mean"].dtype == np.float32
    assert spikes["waveforms_ptr"].values.tolist() == [0, 1, 2, 2, 3]
    assert spikes["waveforms_ptr_1"].values.tolist() == [0, 2, 3, 5]
    assert spikes["waveforms"].shape == (5, 6)
    assert (spikes["observed_start"].values.tolist(), spikes["observed_stop"].values.tolist()) == ([0.0], [20.0])


def test_trials_keep_types_ragged_tags_and_references(rich) -> None:
    trials = rich[2]["trials"]
    assert trials["choice"].values.tolist() == ["left", "", "right"]
    assert trials["rewarded"].dtype == bool
    assert trials["timeseries_count"].values.tolist() == [3, 2, 1]
    assert trials["timeseries"].values[2] == "/processing/running/wheel"
    assert trials["place_1"].values.tolist() == [1.0, 3.0, 5.0]
    tags = rich[2]["trials_tags"]
    assert tags["table_row"].values.tolist() == [0, 0, 2]
    assert tags["tags"].values.tolist() == ["a", "b", "c"]


def test_lists_as_text_become_numbers_of_one_type_in_all_stimulus_tables(rich) -> None:
    gratings, flashes = rich[2]["stimulus/gratings"], rich[2]["stimulus/flashes"]
    assert gratings["size"].values.tolist() == [250.0, 20.0]
    assert gratings["size_1"].values.tolist() == [250.0, 20.0]
    assert flashes["size"].values.tolist() == [300.0]
    assert np.isnan(flashes["size_1"].values).all()
    assert gratings["frequency"].values[0] == 0.04
    assert np.isnan(gratings["frequency"].values[1])
    assert flashes["frequency"].values.tolist() == [0.5]
    assert gratings["order"].dtype == flashes["order"].dtype == np.float64
    assert gratings["mask"].values.tolist() == ["circle", "None"]


def test_series_keep_their_type_clock_and_conversion(rich) -> None:
    _, arrays, tree = rich
    lfp = tree["lfp/shank0_lfp"]
    np.testing.assert_array_equal(lfp["signal"].values, arrays["lfp"].T)
    assert lfp["signal"].dtype == np.int16
    assert lfp["gain"].values.tolist() == [2e-6] * 3
    assert lfp["signal"].attrs["units"] == "V"
    assert (lfp.attrs["rate_hz_numerator"], lfp.attrs["start_s"]) == (1250, 0.5)
    assert lfp["channel"].values.tolist() == ["9", "7", "8"]
    np.testing.assert_array_equal(tree["running"]["signal"].values[0], arrays["speed"])
    np.testing.assert_array_equal(tree["series/wheel"]["time"].values, arrays["stamps"])
    assert tree["series/wheel"]["signal"].dtype == np.float32
    np.testing.assert_array_equal(tree["series/Position"]["signal"].values, np.stack([arrays["x"], arrays["y"]]))
    assert tree["tables/notes"]["value"].values.tolist() == ["sneeze", "noise"]


def test_images_stay_in_the_file_and_are_pointed_to(rich) -> None:
    scene = rich[2]["images/scene"]
    assert {name: scene[name].values[0] for name in ("path", "shape", "dtype")} == {
        "path": "/stimulus/templates/scene/data",
        "shape": "4 5 6",
        "dtype": "uint8",
    }


def test_what_the_file_says_of_subject_and_devices_is_kept(rich) -> None:
    tree = rich[2]
    given = {name: tree.attrs[name] for name in ("subject", "species", "sex", "age", "source_uid")}
    assert given == {
        "subject": "mouse-7",
        "species": "Mus musculus",
        "sex": "F",
        "age": "P90D",
        "source_uid": "generated-1",
    }
    assert tree["device"]["sampling_rate"].values.tolist() == [30000.0]
    assert tree["electrode_group"]["device"].values.tolist() == ["probeA"]
    assert tree["electrodes"]["good"].values.tolist() == [True, False, True]
    assert tree.attrs.get("warnings") is None


def test_a_folder_and_a_zip_of_zarr_give_the_same_record_as_hdf5(rich, zarr: Path, tmp_path: Path) -> None:
    packed = zarr_zip(zarr, tmp_path / "session.nwb.zarr.zip")
    mine = array_digests(rich[2])
    for path in (zarr, packed):
        assert recognise([path]).name == "nwb"
        other = read(path)
        assert array_digests(other) == mine
        assert other.attrs == rich[2].attrs


def test_a_zarr_folder_is_imported_with_all_its_files_as_inputs(
    zarr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["import", "nwb", str(zarr), "--dataset", "mine", "--root", str(tmp_path / "root"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["session.nwb"]
    assert len(companions([zarr])) == sum(item.is_file() for item in zarr.rglob("*"))


def test_large_samples_are_copied_in_blocks_without_a_change(rich, zarr: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nwb_series, "LAZY_BYTES", 1000)
    for path in (rich[0], zarr):
        lazy = read(path)
        signal = lazy["lfp/shank0_lfp"]["signal"].variable
        assert not isinstance(signal._data, np.ndarray)
        np.testing.assert_array_equal(signal[1:3, 490:].values, rich[1]["lfp"].T[1:3, 490:])
        np.testing.assert_array_equal(signal[:, 17].values, rich[1]["lfp"][17])
        assert array_digests(lazy) == array_digests(rich[2])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int32", "int64"])
def test_an_index_of_any_width_finds_every_spike(tmp_path: Path, dtype: str) -> None:
    tree = read(session(tmp_path / "s.nwb", index=dtype))
    assert np.diff(tree["spikes"]["unit_ptr"].values).tolist() == [40, 25, 0, 31]


def test_units_below_processing_are_found(tmp_path: Path) -> None:
    with empty_session(tmp_path / "s.nwb") as file:
        module = typed(file, "processing/ecephys", "ProcessingModule")
        add_units(module, spike_trains(), name="sorted")
        add_units(module, spike_trains(1), name="also")
    tree = read(tmp_path / "s.nwb")
    assert tree["spikes"].attrs["source"] == "/processing/ecephys/also"
    assert tree["spikes_processing_ecephys_sorted"].attrs["source"] == "/processing/ecephys/sorted"
    np.testing.assert_array_equal(unit_times(tree, 0, "spikes_processing_ecephys_sorted"), spike_trains()[0])


def test_units_without_spike_times_are_a_table(tmp_path: Path) -> None:
    with empty_session(tmp_path / "s.nwb") as file:
        table(file, "units", {"id": np.arange(2), "quality": ["good", "noise"]}, kind="Units")
    tree = read(tmp_path / "s.nwb")
    assert "spikes" not in tree
    assert tree["units"]["quality"].values.tolist() == ["good", "noise"]
    assert codes(tree) == ["no-spike-times"]


def test_words_that_a_record_needs_are_not_overwritten_and_masks_stay_in_the_file(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        for name in ("title", "provenance", "lab"):
            file[f"general/{name}"] = "from the file"
        file["general/subject"].attrs["age_in_days"] = np.nan
        table(file, "processing/ophys/cells", {"id": np.arange(2), "mask": np.zeros((2, 20, 30)), "kind": ["a", "b"]})
    tree = read(path)
    validate(tree, subject="words")
    assert tree.attrs["title"] == "Session generated-1"
    assert (tree.attrs["session_title"], tree.attrs["lab"]) == ("from the file", "from the file")
    assert "subject_age_in_days" not in tree.attrs
    assert sorted(tree["tables/cells"].data_vars) == ["id", "kind"]
    assert codes(tree) == ["by-reference"]


def test_columns_that_are_called_like_parts_of_events_are_kept_under_another_name(tmp_path: Path) -> None:
    tree = read(session(tmp_path / "s.nwb", unit=np.arange(4), event=np.arange(4), observed_start=np.arange(4.0)))
    validate(tree, subject="names")
    assert {"unit_unit", "unit_event", "unit_observed_start"} <= set(tree["spikes"].data_vars)
    np.testing.assert_array_equal(unit_times(tree, 0), spike_trains()[0])


def test_empty_tables_and_series_of_odd_types_are_read(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        nothing = {"id": np.arange(0), "start_time": np.zeros(0), "stop_time": np.zeros(0), "note": np.zeros(0, "U1")}
        table(file, "intervals/nothing", nothing, kind="TimeIntervals")
        series(file, "acquisition/zero", np.zeros((0, 3)), rate=1.0)
        series(file, "acquisition/lick", np.array([True, False]), rate=10.0)
        series(file, "acquisition/big_endian", np.array([1, 2, 3], dtype=">i2"), rate=10.0)
        typed(file, "acquisition/moments", "Events")["timestamps"] = np.arange(3.0)
    tree = read(path)
    validate(tree, subject="odd")
    assert tree["intervals/nothing"].sizes["row"] == 0
    assert tree["series/lick"]["signal"].dtype == bool
    assert tree["series/big_endian"]["signal"].values.tolist() == [[1, 2, 3]]
    assert tree["tables/moments"]["timestamps"].values.tolist() == [0.0, 1.0, 2.0]


def test_names_of_columns_may_be_bytes(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb", depth=np.arange(4.0))
    with h5py.File(path, "a") as file:
        file["units"].attrs["colnames"] = np.array([b"depth", b"spike_times"], dtype="S11")
    assert read(path)["spikes"]["depth"].values.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_spikes_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    trains = [np.array([3.0, 1.0, 2.0]), np.array([0.5, 0.5])]
    tree = read(session(tmp_path / "s.nwb", trains))
    assert unit_times(tree, 0).tolist() == [1.0, 2.0, 3.0]
    messages = {item["code"]: item["message"] for item in tree.attrs["warnings"]}
    assert messages["unsorted"].startswith("1 spikes of 1 units")
    assert messages["repeated-times"].startswith("1 spikes")


def test_spikes_before_the_start_are_kept_and_flagged(tmp_path: Path) -> None:
    tree = read(session(tmp_path / "s.nwb", [np.array([-0.25, 1.0])]))
    assert unit_times(tree, 0).tolist() == [-0.25, 1.0]
    assert codes(tree) == ["negative-times"]


def test_ids_that_repeat_give_way_to_positions(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb", id=np.array([5, 5, 6, 7]))
    tree = read(path)
    assert tree["spikes"]["unit_id"].values.tolist() == ["0", "1", "2", "3"]
    assert tree["spikes"]["id"].values.tolist() == [5, 5, 6, 7]
    assert codes(tree) == ["duplicate-ids"]


def test_units_watched_at_different_times_share_only_what_all_saw(tmp_path: Path) -> None:
    tree = read(session(
        tmp_path / "s.nwb", [np.array([1.0]), np.array([4.0])],
        obs_intervals=np.array([[0.0, 3.0], [2.0, 5.0], [6.0, 7.0]]), obs_intervals_index=np.array([1, 3]),
    ))  # fmt: skip
    assert tree["spikes"]["observed_start"].values.tolist() == [2.0]
    assert tree["spikes"]["observed_stop"].values.tolist() == [3.0]
    sets, which = observed_sets(tree["spikes"].to_dataset())
    assert [sets[at].tolist() for at in which] == [[[0.0, 3.0]], [[2.0, 5.0], [6.0, 7.0]]]
    assert codes(tree) == []


def test_waveforms_on_many_channels_get_a_dimension_each(tmp_path: Path) -> None:
    waveforms = np.random.default_rng(0).normal(size=(8, 5))
    tree = read(session(tmp_path / "s.nwb", waveform_mean=waveforms, waveform_mean_index=np.array([2, 4, 6, 8])))
    assert tree["spikes"]["waveform_mean"].dims == ("unit_id", "channel", "sample")
    np.testing.assert_array_equal(tree["spikes"]["waveform_mean"].values, waveforms.reshape(4, 2, 5))
    assert tree["spikes"]["waveform_mean"].attrs["units"] == "V"


def test_waveforms_by_sample_and_electrode_are_turned_to_channel_and_sample(tmp_path: Path) -> None:
    waveforms = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    stored = read(session(tmp_path / "s.nwb", waveform_mean=waveforms))["spikes"]["waveform_mean"]
    assert stored.sizes == {"unit_id": 4, "channel": 2, "sample": 5}
    np.testing.assert_array_equal(stored.values, waveforms.transpose(0, 2, 1))


@pytest.mark.parametrize(
    ("ends", "message", "place"),
    [
        ([40, 65, 65, 97], "index beyond data", "/units/spike_times_index, row 3"),
        ([400, 650, 650, 960], "index beyond data", "/units/spike_times_index, row 0"),
        ([40, 30, 65, 96], "the index decreases", "/units/spike_times_index, row 1"),
        ([40, 65, 65, 90], "data beyond the index", "/units/spike_times_index"),
        ([-1, 65, 65, 96], "the index decreases", "/units/spike_times_index, row 0"),
        ([40.0, 65.0, 65.0, 96.0], "not whole numbers", "/units/spike_times_index"),
        ([40, 65, 96], "differ in length", "/units/spike_times_index"),
    ],
)
def test_an_index_that_does_not_fit_is_refused_with_its_row(tmp_path: Path, ends, message: str, place: str) -> None:
    path = session(tmp_path / "s.nwb", spike_times_index=np.array(ends))
    with pytest.raises(FormatError, match=message) as caught:
        read(path)
    assert (caught.value.subject, caught.value.place) == (str(path), place)


def test_an_index_that_overflowed_its_type_is_told_from_other_damage(tmp_path: Path) -> None:
    trains = [np.arange(200) / 1000, np.arange(100) / 1000, np.arange(250) / 1000]
    with pytest.raises(FormatError, match="overflowed its type") as caught:
        read(session(tmp_path / "s.nwb", trains, index="uint8"))
    assert caught.value.place == "/units/spike_times_index, row 1"
    assert caught.value.found == "uint8 ends that wrap around 2 times"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_spike_time_that_is_no_number_is_refused_with_its_row(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(FormatError, match="a spike time is not a number") as caught:
        read(session(tmp_path / "s.nwb", [np.array([1.0]), np.array([2.0, wrong])]))
    assert caught.value.place == "/units/spike_times, row 2"
    assert "unit in row 1" in str(caught.value.found)


def test_damaged_spikes_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.nwb"
    rich_session(path)
    with h5py.File(path, "a") as file:
        file["units/spike_times_index"][...] = 250
    with pytest.raises(FormatError, match="index beyond data"):
        read(path)
    tree = read(path, spikes="skip")
    assert tree["trials"].sizes["row"] == 3
    assert codes(tree) == ["spikes-skipped"]
    with pytest.raises(UsageError, match="unknown way"):
        read(path, spikes="perhaps")


def test_links_and_bytes_outside_the_file_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.nwb"
    rich_session(other)
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        group = series(file, "acquisition/lick", np.zeros(3))
        group["timestamps"] = h5py.ExternalLink(str(other), "/acquisition/notes/timestamps")
    with pytest.raises(UnsafeError, match="another file"):
        read(path)
    path = session(tmp_path / "t.nwb")
    (tmp_path / "bytes").write_bytes(bytes(80))
    with h5py.File(path, "a") as file:
        group = series(file, "acquisition/lick", np.zeros(10), rate=1.0)
        del group["data"]
        group.create_dataset("data", (10,), "f8", external=[(str(tmp_path / "bytes"), 0, 80)])
    with pytest.raises(UnsafeError, match="other files"):
        read(path)


def test_a_link_of_stamps_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        series(file, "acquisition/lick", np.zeros(3))["timestamps"] = h5py.SoftLink("/acquisition/gone/timestamps")
    with pytest.raises(FormatError, match="stamps are not there") as caught:
        read(path)
    assert caught.value.place == "/acquisition/lick/timestamps"


def test_links_in_a_circle_and_deep_groups_end(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        file["acquisition/again"] = h5py.SoftLink("/acquisition/again")
        file["processing/loop"] = file["units"]
    validate(read(path), subject="loop")
    with h5py.File(path, "a") as file:
        file.create_group("/".join(["processing", *["deeper"] * 40]))
    with pytest.raises(FormatError, match="too deeply"):
        read(path)


def test_stamps_that_go_back_cost_their_series_only(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        series(file, "acquisition/lick", np.zeros(3), stamps=np.array([1.0, 3.0, 2.0]))
        series(file, "acquisition/short", np.zeros(2))
    tree = read(path)
    assert codes(tree) == ["bad-clock", "no-clock"]
    assert list(tree["series"].children) == ["short"]
    with h5py.File(path, "a") as file:
        series(file, "acquisition/uneven", np.zeros(3), stamps=np.arange(2.0))
    with pytest.raises(FormatError, match="differ in number"):
        read(path)


def test_a_claim_of_more_than_the_file_can_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = session(tmp_path / "s.nwb")
    with h5py.File(path, "a") as file:
        del file["units/spike_times"]
        file.create_dataset("units/spike_times", (1 << 28,), "f8", chunks=(1 << 20,))
        del file["units/spike_times_index"]
        file["units/spike_times_index"] = np.array([0, 0, 0, 1 << 28])
    with pytest.raises(TruncatedError, match="more than its bytes can hold"):
        read(path)


def test_other_hdf5_and_nwb_1_are_refused_and_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "old.nwb"
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
        file["epochs/x"] = np.zeros(3)
    assert not sniff(path)
    with pytest.raises(FormatError, match="not an NWB 2 session") as caught:
        read(path, "nwb")
    assert caught.value.found == "NWB 1 (NWB-1.0.6)"


def test_worms_stay_with_their_own_format(tmp_path: Path, rich) -> None:
    worm_nwb(tmp_path / "worm.nwb")
    assert recognise([tmp_path / "worm.nwb"]).name == "nwb-celegans"
    assert recognise([rich[0]]).name == "nwb"


def test_a_cut_file_is_truncated(rich, tmp_path: Path) -> None:
    cut = tmp_path / "cut.nwb"
    cut.write_bytes(rich[0].read_bytes()[:-2000])
    with pytest.raises(TruncatedError):
        read(cut, "nwb")


def test_overwritten_bytes_of_hdf5_raise_only_our_errors(tmp_path: Path) -> None:
    whole = session(tmp_path / "whole.nwb").read_bytes()
    random, damaged, refused = np.random.default_rng(3), tmp_path / "damaged.nwb", 0
    for n_bytes in [1, 3, 20, 200] * 8:
        content = bytearray(whole)
        for at in random.integers(0, len(whole), n_bytes):
            content[at] = int(random.integers(256))
        damaged.write_bytes(bytes(content))
        try:
            read(damaged, "nwb")
        except ConnectomeError:
            refused += 1
    assert refused > 5


def changed(zarr: Path, tmp_path: Path, name: str, content: bytes | None) -> Path:
    """Copy a Zarr folder with one file changed or gone."""
    folder = tmp_path / "changed.zarr"
    shutil.copytree(zarr, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


def test_a_chunk_that_is_not_there_is_damage_and_not_zeros(zarr: Path, tmp_path: Path) -> None:
    with pytest.raises(TruncatedError, match="a chunk is not there") as caught:
        read(changed(zarr, tmp_path, "units/spike_times/0", None))
    assert caught.value.place == "/units/spike_times/0"


@pytest.mark.parametrize(
    "content",
    [b"", b"short", bytes(200), bytes(numcodecs.Blosc().encode(bytes(80))), b"\x02\x01\x21\x08" + b"\xff" * 60],
)
def test_a_chunk_of_other_bytes_is_refused(zarr: Path, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        read(changed(zarr, tmp_path, "units/spike_times/0", content))
    assert caught.value.place == "/units/spike_times/0"


def test_pickled_objects_are_never_unpickled(zarr: Path, tmp_path: Path) -> None:
    about = json.loads((zarr / "general/extracellular_ephys/electrodes/group/.zarray").read_text())
    about["filters"] = [{"id": "pickle", "protocol": 5}]
    place = "general/extracellular_ephys/electrodes/group"
    tree = read(changed(zarr, tmp_path, f"{place}/.zarray", json.dumps(about).encode()))
    # Their names stand beside them, so nothing is lost.
    assert tree["electrodes"]["group_name"].values.tolist() == ["shank0"] * 3
    assert tree.attrs.get("warnings") is None
    folder = tmp_path / "changed.zarr"
    quality = json.loads((folder / "units/quality/.zarray").read_text())
    (folder / "units/quality/.zarray").write_text(json.dumps({**quality, "filters": [{"id": "pickle"}]}))
    tree = read(folder)
    assert "quality" not in tree["spikes"]
    assert tree.attrs["warnings"][0]["message"] == "objects coded by pickle: code may hide there"


def test_references_in_records_of_fixed_width_are_read_alike(rich, zarr: Path, tmp_path: Path) -> None:
    place = "intervals/trials/timeseries"
    rows = [
        (first, count, json.dumps({"source": ".", "path": f"/processing/running/{name}"}))
        for first, count, name in ((0, 3, "running_speed"), (3, 2, "running_speed"), (5, 1, "wheel"))
    ]
    values = np.array(rows, dtype=[("idx_start", "<i4"), ("count", "<i4"), ("timeseries", "<U80")])
    about = {"zarr_format": 2, "shape": [3], "chunks": [3], "dtype": values.dtype.descr, "compressor": None,
             "filters": None, "order": "C", "fill_value": None}  # fmt: skip
    folder = changed(zarr, tmp_path, f"{place}/.zarray", json.dumps(about).encode())
    (folder / place / "0").write_bytes(values.tobytes())
    assert array_digests(read(folder)) == array_digests(rich[2])


@pytest.mark.parametrize("codec", ["Blosc", "Zlib", "GZip", "Zstd", "LZ4", "BZ2", "LZMA"])
def test_every_usual_compressor_is_read_and_bounded(rich, zarr: Path, tmp_path: Path, codec: str) -> None:
    compressor = getattr(numcodecs, codec)()
    plain = np.concatenate(rich[1]["trains"]).tobytes()
    about = json.loads((zarr / "units/spike_times/.zarray").read_text())
    described = json.dumps({**about, "compressor": compressor.get_config()}).encode()
    folder = changed(zarr, tmp_path, "units/spike_times/.zarray", described)
    chunk = folder / "units/spike_times/0"
    chunk.write_bytes(bytes(compressor.encode(plain)))
    assert array_digests(read(folder)) == array_digests(rich[2])
    for wrong in (bytes(compressor.encode(plain + bytes(5_000_000))), bytes(compressor.encode(plain))[:-9], b"abc"):
        chunk.write_bytes(wrong)
        with pytest.raises(FormatError) as caught:
            read(folder)
        assert caught.value.place == "/units/spike_times/0"


def test_references_out_of_a_zarr_container_are_refused(zarr: Path, tmp_path: Path) -> None:
    place = "processing/running/wheel/.zattrs"
    attrs = json.loads((zarr / place).read_text())
    attrs["zarr_link"][0]["source"] = "../elsewhere.zarr"
    with pytest.raises(UnsafeError, match="another file"):
        read(changed(zarr, tmp_path, place, json.dumps(attrs).encode()))


def test_a_symbolic_link_in_a_zarr_folder_is_refused(zarr: Path, tmp_path: Path) -> None:
    folder = changed(zarr, tmp_path, "units/spike_times/0", None)
    (folder / "units/spike_times/0").symlink_to(zarr / "units/spike_times/0")
    with pytest.raises(UnsafeError, match="symbolic link"):
        read(folder, "nwb")


@pytest.mark.parametrize("name", ["../outside", "/absolute", "units/../../outside"])
def test_paths_that_leave_a_zip_are_refused(zarr: Path, tmp_path: Path, name: str) -> None:
    packed = zarr_zip(zarr, tmp_path / "s.zarr.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, "{}")
    with pytest.raises(UnsafeError):
        read(packed, "nwb")


@pytest.mark.parametrize(
    "changes",
    [{"shape": [-1]}, {"chunks": [0]}, {"shape": "x"}, {"zarr_format": 3}, {"chunks": [1, 1]}, {"dtype": "??"},
     {"shape": [1 << 50], "chunks": [1 << 49]}],
)  # fmt: skip
def test_descriptions_that_contradict_themselves_are_refused(zarr: Path, tmp_path: Path, changes) -> None:
    place = "units/spike_times/.zarray"
    about = json.loads((zarr / place).read_text())
    with pytest.raises(FormatError):
        read(changed(zarr, tmp_path, place, json.dumps({**about, **changes}).encode()))


def test_overwritten_bytes_of_a_zip_raise_only_our_errors(zarr: Path, tmp_path: Path) -> None:
    whole = zarr_zip(zarr, tmp_path / "whole.zarr.zip").read_bytes()
    random, damaged, refused = np.random.default_rng(4), tmp_path / "damaged.zarr.zip", 0
    for n_bytes in [1, 20, 200] * 5:
        content = bytearray(whole)
        for at in random.integers(0, len(whole), n_bytes):
            content[at] = int(random.integers(256))
        damaged.write_bytes(bytes(content))
        try:
            read(damaged, "nwb")
        except ConnectomeError:
            refused += 1
    assert refused > 5


def test_ticks_are_taken_only_where_they_give_back_every_bit() -> None:
    times = np.array([0.1, 0.25, 1234.567891])
    ticks, rate = exact_ticks(times) or (None, None)
    assert rate == 1_000_000
    assert ticks.tolist() == [100_000, 250_000, 1_234_567_891]
    samples = np.array([1, 7, 123_457]) / 24414.0625
    ticks, rate = exact_ticks(samples, [24414.0625]) or (None, None)
    assert (ticks.tolist(), rate) == ([1, 7, 123_457], Fraction(390625, 16))
    assert exact_ticks(np.array([0.1, np.nextafter(0.25, 1)])) is None
    assert exact_ticks(np.array([-0.0])) is None
    assert exact_ticks(np.zeros(0)) is not None
