"""The format ``alf``: times to the bit, clusters without spikes, revisions, and what lies beside the spikes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import FORMATS, read, recognise
from connectome.pipelines.formats.files.npy_array import read_npy
from connectome.schema.events import times_s
from support.spike_layouts import alf_folder

UNFORESEEN = "the reader cannot make sense of the file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    alf_folder(tmp_path / "probe00")
    return tmp_path / "probe00"


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


def test_times_come_back_to_the_bit_and_silent_clusters_stay(folder: Path) -> None:
    arrays = alf_folder(folder)
    tree = read(folder)
    schema.validate(tree, subject="alf")
    spikes = tree["spikes"].to_dataset()
    order = np.lexsort((arrays["spikes.clusters"], arrays["spikes.times"]))
    assert times_s(spikes).tobytes() == arrays["spikes.times"][order].tobytes()
    assert spikes.attrs["tick_hz_numerator"] == 10**6
    assert np.array_equal(spikes["unit"].values, arrays["spikes.clusters"][order])
    assert np.array_equal(spikes["amps"].values, arrays["spikes.amps"][order])
    assert spikes["amps"].attrs["units"] == "V"
    assert schema.measure(tree)["/spikes"] == {
        "kind": "events", "n_units": 6, "n_events": 500, "n_silent_units": 1,
        "observed_s": pytest.approx(np.ptp(arrays["spikes.times"])),
    }  # fmt: skip


def test_times_that_are_no_whole_ticks_stay_floats(folder: Path) -> None:
    times = np.sort(np.random.default_rng(1).random(500) * 9)
    np.save(folder / "spikes.times.npy", times)
    spikes = read(folder)["spikes"]
    assert "tick_hz_numerator" not in spikes.attrs
    assert spikes["tick"].values.tobytes() == times.tobytes()


def test_clusters_have_all_columns_and_metrics_find_their_cluster(folder: Path) -> None:
    arrays = alf_folder(folder)
    spikes = read(folder)["spikes"]
    assert np.array_equal(spikes["firing_rate"].values, [0.5, 1.5, 2.5, np.nan, 4.5, np.nan], equal_nan=True)
    assert spikes["ks2_label"].values.tolist() == ["", "good", "good", "", "good", ""]
    assert spikes["uuids"].values.tolist() == [f"uuid-{unit}" for unit in range(6)]
    assert np.array_equal(spikes["channels"].values, arrays["clusters.channels"])
    assert spikes["waveforms"].dims == ("unit_id", "waveform_sample", "waveform_channel")
    assert np.array_equal(spikes["waveforms"].values, arrays["clusters.waveforms"])
    assert np.array_equal(spikes["waveformsChannels"].values, arrays["clusters.waveformsChannels"])
    # The depth of a cluster and that of a spike are two things.
    assert np.array_equal(spikes["depths"].values, arrays["clusters.depths"])
    assert spikes["event_depths"].dims == ("event",)


def test_trials_wheel_and_channels_are_groups_of_their_own(folder: Path) -> None:
    arrays = alf_folder(folder)
    tree = read(folder)
    trials = tree["trials"]
    assert np.array_equal(trials["start_time"].values, arrays["_ibl_trials.intervals"][:, 0])
    assert np.array_equal(trials["stop_time"].values, arrays["_ibl_trials.intervals"][:, 1])
    assert trials["start_time"].attrs["units"] == "s"
    assert np.array_equal(trials["contrastLeft"].values, arrays["_ibl_trials.contrastLeft"], equal_nan=True)
    wheel = tree["wheel"]
    assert np.array_equal(wheel["signal"].values[0], arrays["_ibl_wheel.position"])
    assert np.array_equal(wheel["time"].values, arrays["_ibl_wheel.timestamps"])
    assert wheel["signal"].attrs["units"] == "rad"
    assert tree["intervals/wheelMoves"]["start_time"].values.tolist() == [0.5, 3.5, 6.5, 9.5]
    assert np.array_equal(tree["licks"]["times"].values, arrays["licks.times"])
    assert np.array_equal(tree["electrodes"]["localCoordinates_1"].values, arrays["channels.localCoordinates"][:, 1])


def test_parquet_tables_are_read_like_arrays(folder: Path) -> None:
    arrays = alf_folder(folder)
    for path in folder.glob("_ibl_trials.*"):
        path.unlink()
    intervals = arrays["_ibl_trials.intervals"]
    columns = {"intervals_0": intervals[:, 0], "intervals_1": intervals[:, 1], "stimOn_times": intervals[:, 0] + 0.1}
    pq.write_table(pa.table(columns), folder / "_ibl_trials.table.pqt")
    ids = np.array([4, 1], dtype=np.int64)
    pq.write_table(pa.table({"cluster_id": ids, "spike_count": ids * 10}), folder / "clusters.metrics.pqt")
    (folder / "clusters.metrics.csv").unlink()
    tree = read(folder)
    schema.validate(tree, subject="alf")
    assert np.array_equal(tree["trials"]["stop_time"].values, intervals[:, 1])
    assert tree["trials"]["stimOn_times"].attrs["units"] == "s"
    assert tree["spikes"]["spike_count"].values.tolist() == [-1, 10, -1, -1, 40, -1]


def test_video_frames_keep_their_stamps(folder: Path) -> None:
    np.save(folder / "_ibl_leftCamera.times.npy", np.arange(5) / 60)
    pq.write_table(pa.table({"nose_x": np.arange(5.0), "nose_y": -np.arange(5.0)}), folder / "_ibl_leftCamera.dlc.pqt")
    tree = read(folder)
    assert tree["leftCamera"]["channel"].values.tolist() == ["nose_x", "nose_y"]
    np.save(folder / "_ibl_leftCamera.times.npy", np.arange(6) / 60)
    tree = read(folder)
    assert "leftCamera" not in tree
    assert codes(tree) == ["not-stored"]


def test_names_may_carry_a_uuid_and_two_files_of_one_attribute_are_refused(folder: Path) -> None:
    name = "spikes.amps.0b1b5a4c-7f7f-4e6a-9d8e-3f5f4d2b1a00.npy"
    (folder / "spikes.amps.npy").rename(folder / name)
    assert "amps" in read(folder)["spikes"]
    np.save(folder / "spikes.amps.npy", np.ones(500))
    with pytest.raises(FormatError, match="same attribute"):
        read(folder)


def test_the_last_revision_counts_and_an_earlier_one_can_be_asked_for(folder: Path) -> None:
    for number, name in enumerate(["2022-01-01", "2023-05-05"], start=1):
        (folder / f"#{name}#").mkdir()
        np.save(folder / f"#{name}#" / "spikes.amps.npy", np.full(500, float(number)))
    tree = read(folder)
    assert set(tree["spikes"]["amps"].values) == {2.0}
    assert tree.attrs["revisions"] == {"spikes.amps": "2023-05-05"}
    assert set(read(folder, revision="2022-12-31")["spikes"]["amps"].values) == {1.0}
    assert "revisions" not in read(folder, revision="2020-01-01").attrs


def test_a_session_adds_its_trials_to_its_probes(tmp_path: Path) -> None:
    alf = tmp_path / "session" / "alf"
    for probe in ("probe00", "probe01"):
        alf_folder(alf / probe / "pykilosort", seed=int(probe[-1]))
        for path in (alf / probe / "pykilosort").glob("_ibl_*"):
            path.rename(alf / path.name)
    with pytest.raises(UsageError, match="several probes") as caught:
        read(tmp_path / "session", "alf")
    assert caught.value.hint == "--option probe=probe00"
    tree = read(tmp_path / "session", "alf", probe="probe01")
    assert tree["trials"].sizes["row"] == 10
    assert np.array_equal(
        times_s(tree["spikes"].to_dataset()), times_s(read(alf / "probe01" / "pykilosort")["spikes"].to_dataset())
    )
    with pytest.raises(UsageError, match="no such probe"):
        read(tmp_path / "session", "alf", probe="probe07")


def test_a_folder_and_its_spike_times_are_recognised_and_all_files_are_inputs(folder: Path) -> None:
    assert recognise([folder]).name == "alf"
    assert recognise([folder / "spikes.times.npy"]).name == "alf"
    assert {path.name for path in FORMATS["alf"].inputs([folder], {})} == {path.name for path in folder.iterdir()}
    with pytest.raises(FormatError):
        recognise([folder / "spikes.amps.npy"])


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("spikes.times", np.arange(500), FormatError),
        ("spikes.times", np.full(500, np.nan), FormatError),
        ("spikes.times", np.full(500, np.inf), FormatError),
        ("spikes.times", np.zeros((250, 2)), FormatError),
        ("spikes.times", np.zeros(499), FormatError),
        ("spikes.times", np.array([1.0] * 500, dtype=object), UnsafeError),
        ("spikes.times", np.array(["a"] * 500), FormatError),
        ("spikes.clusters", np.full(500, 6), FormatError),
        ("spikes.clusters", np.full(500, -1), FormatError),
        ("spikes.clusters", np.full(500, 2**62), FormatError),
        ("spikes.clusters", np.zeros(500), FormatError),
        ("spikes.clusters", np.zeros(501, dtype=int), FormatError),
        ("spikes.amps", np.zeros(3), FormatError),
        ("clusters.depths", np.zeros(7), FormatError),
        ("clusters.waveformsChannels", np.zeros((6, 31)), FormatError),
        ("_ibl_trials.choice", np.zeros(9), FormatError),
        ("_ibl_wheel.timestamps", np.arange(200.0)[::-1], FormatError),
        ("_ibl_wheel.timestamps", np.full(200, np.nan), FormatError),
    ],
)
def test_arrays_that_cannot_be_are_refused(name, values, error, folder: Path) -> None:
    np.save(folder / f"{name}.npy", values, allow_pickle=True)
    with pytest.raises(error) as caught:
        read(folder)
    assert caught.value.message != UNFORESEEN


@pytest.mark.parametrize("text", ["", ",cluster_id\n0,6\n", "cluster_id,a\n1,2\n1,3\n", "cluster_id,a\n-1,2\n",
                                  "cluster_id,a\n1.5,2\n", "a\n1\n2\n", "cluster_id,a\n1\n"])  # fmt: skip
def test_metrics_that_cannot_be_are_refused(text: str, folder: Path) -> None:
    (folder / "clusters.metrics.csv").write_text(text)
    with pytest.raises(FormatError) as caught:
        read(folder)
    assert caught.value.message != UNFORESEEN


def test_unsorted_and_negative_times_are_kept_and_flagged(folder: Path) -> None:
    times = np.load(folder / "spikes.times.npy")[::-1] - 0.5
    np.save(folder / "spikes.times.npy", times)
    tree = read(folder)
    schema.validate(tree, subject="alf")
    assert codes(tree) == ["unsorted", "negative-times"]
    assert times_s(tree["spikes"].to_dataset()).tobytes() == np.sort(times).tobytes()


@pytest.mark.parametrize("name", ["spikes.times", "spikes.clusters", "spikes.amps", "_ibl_trials.intervals"])
def test_files_cut_anywhere_are_refused(name: str, folder: Path) -> None:
    path = folder / f"{name}.npy"
    whole = path.read_bytes()
    for size in (0, 1, 6, 8, 10, 60, 127, 128, 129, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError) as caught:
            read(folder)
        assert caught.value.message != UNFORESEEN
    path.write_bytes(whole + b"\0")
    with pytest.raises(TruncatedError):
        read(folder)


def test_a_folder_without_spikes_or_clusters_is_refused(folder: Path) -> None:
    (folder / "spikes.clusters.npy").unlink()
    for path in (folder, folder / "spikes.times.npy"):
        with pytest.raises(FormatError):
            read(path, "alf")


def test_no_spike_at_all_is_read(folder: Path) -> None:
    for path in folder.glob("spikes.*"):
        path.unlink()
    np.save(folder / "spikes.times.npy", np.zeros(0))
    np.save(folder / "spikes.clusters.npy", np.zeros(0, dtype=np.int32))
    tree = read(folder)
    schema.validate(tree, subject="alf")
    assert schema.measure(tree)["/spikes"]["n_silent_units"] == 6


def test_a_folder_is_imported_and_not_read_again(folder: Path, tmp_path: Path, capsys) -> None:
    words = ["import", str(folder), "--dataset", "mine", "--root", str(tmp_path / "root"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["probe00"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == ["probe00"]


@pytest.mark.data
def test_the_real_arrays_of_ibl_have_the_counts_that_are_documented(data_dir: Path) -> None:
    root = data_dir / "neuropixels" / "ibl_brainwide"
    totals = {"LGd": (21, 35273), "CEA": (49, 23958), "BMA": (51, 35503), "GPe": (13, 30441)}
    for region, (n_units, n_spikes) in totals.items():
        counts = read_npy(root / f"merged_{region}_ephys_in.npy")
        assert counts.shape == (425, n_units)
        assert (counts.dtype, int(counts.sum())) == (np.uint32, n_spikes)
    assert read_npy(root / "intervals.npy").shape == (425, 2)
    assert read_npy(root / "behav_target.npy").dtype == np.float32
