"""A stored recording as MNE-Python's own object: the values that MNE-Python reads from the file itself."""

from __future__ import annotations

import pickle
from fractions import Fraction

import mne
import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.mne import to_mne
from connectome.mne_raw import raw_array, remarks
from connectome.pipelines.importing import import_files
from connectome.store import Repository
from support.all_kinds import commit


@pytest.fixture(scope="module")
def root(data_dir, tmp_path_factory):
    """Import real recordings into a store."""
    root = tmp_path_factory.mktemp("store")
    for name in ("physionet_eegmmidb/S001R06.edf", "physionet_sleepedf_sc4001/short_psg.edf"):
        import_files(Repository(root), [data_dir / "eeg" / name], dataset="mine")
    return root


@pytest.mark.data
def test_values_events_and_date_are_those_that_mne_reads_from_the_file(root, data_dir):
    ours = to_mne("mine", "S001R06", root=root)
    theirs = mne.io.read_raw_edf(data_dir / "eeg/physionet_eegmmidb/S001R06.edf", verbose="error")
    np.testing.assert_allclose(ours.get_data(), theirs.get_data(), rtol=1e-12, atol=1e-18)
    assert ours.ch_names == theirs.ch_names
    assert ours.get_channel_types() == theirs.get_channel_types()
    assert ours.info["meas_date"] == theirs.info["meas_date"]
    assert ours.annotations.onset.tolist() == theirs.annotations.onset.tolist()
    assert ours.annotations.description.tolist() == theirs.annotations.description.tolist()
    events = [mne.events_from_annotations(raw, verbose="error") for raw in (ours, theirs)]
    assert np.array_equal(events[0][0], events[1][0])


@pytest.mark.data
def test_one_of_several_rates_is_chosen(root):
    with pytest.raises(UsageError, match="which series"):
        to_mne("mine", "short_psg", root=root)
    slow = to_mne("mine", "short_psg", group="signal/1hz", root=root)
    assert (slow.info["sfreq"], slow.n_times) == (1.0, 300)
    assert slow.get_channel_types() == ["misc", "emg", "temperature", "misc"]
    with pytest.raises(NotFoundError):
        to_mne("mine", "short_psg", group="signal/3hz", root=root)


def generated(**changes):
    """Make a generated record of four channels at 10 Hz."""
    columns = {
        "channel_unit": schema.column("channel", ["uV", "mV", "", "degC"], "Unit"),
        "kind": schema.column("channel", ["seeg", "", "eeg", "temp"], "Kind"),
        "status": schema.category("channel", ["bad", "good", "", ""], ["good", "bad"], "Status"),
    }
    for at, axis in enumerate("xyz"):
        values = np.array([10.0 + at, np.nan, 30.0 + at, 40.0])
        columns[axis] = schema.column("channel", values, f"Position {axis}", "mm", frame=changes.get("frame", "head"))
    series = schema.series(
        np.arange(80, dtype=np.int16).reshape(4, 20),
        channel=list("abcd"),
        units="see channel_unit",
        long_name="Generated",
        rate_hz=Fraction(10),
        gain=np.array([0.5, 1.0, 1.0, 2.0]),
        offset=np.array([1.0, 0.0, 0.0, 0.0]),
        channels=columns,
        **{name: value for name, value in changes.items() if name != "frame"},
    )
    marks = schema.table(
        {
            "onset_s": schema.column("row", np.array([0.5, np.nan, 99.0]), "Onset", "s"),
            "duration_s": schema.column("row", np.array([np.nan, 1.0, 0.0]), "Duration", "s"),
            "description": schema.column("row", ["S 1", "lost", "after the end"], "Text"),
            "kind": schema.column("row", ["Stimulus", "", ""], "Kind"),
        }
    )
    return schema.record({"signal": series, "annotation": marks})


def test_units_kinds_bads_and_positions_are_carried_over():
    raw = raw_array(generated())
    assert raw.get_channel_types() == ["seeg", "eeg", "misc", "temperature"]
    values = raw.get_data()
    assert values[0, 3] == (3 * 0.5 + 1.0) * 1e-6
    assert values[1, 0] == 20 * 1e-3
    assert values[2, 0] == 40.0
    assert raw.info["bads"] == ["a"]
    placed = raw.get_montage().get_positions()["ch_pos"]
    np.testing.assert_allclose(placed["a"], [0.010, 0.011, 0.012], rtol=1e-6)
    assert raw.annotations.description.tolist() == ["Stimulus/S 1"]
    assert raw.annotations.onset.tolist() == [0.5]


def test_positions_of_another_frame_are_left_out_and_said():
    tree = generated(frame="mni152")
    assert raw_array(tree).get_montage() is None
    said = " ".join(remarks(tree))
    assert "head frame" in said
    assert "unknown unit" in said
    assert "int16" in said


def test_cuts_and_samples_that_were_not_taken_are_marked_for_mne():
    valid = np.ones(20, dtype=bool)
    valid[4:6] = False
    raw = raw_array(generated(segments=[(0, 12), (12, 20)], valid=valid))
    found = {
        (text, round(float(onset), 6), round(float(lasts), 6))
        for text, onset, lasts in zip(
            raw.annotations.description, raw.annotations.onset, raw.annotations.duration, strict=True
        )
    }
    assert found >= {("BAD boundary", 1.2, 0.0), ("EDGE boundary", 1.2, 0.0), ("BAD_not_taken", 0.4, 0.2)}


def long(**changes):
    """Make a generated record of 3 channels and 400,000 samples at 1,000 Hz, in many chunks."""
    samples = np.random.default_rng(5).integers(-30_000, 30_000, (3, 400_000)).astype(np.int16)
    series = schema.series(
        samples,
        channel=list("abc"),
        units="uV",
        long_name="Generated",
        gain=np.array([0.1, 0.3, 1.7]),
        offset=np.array([0.0, 5.0, -1.0]),
        **{"rate_hz": Fraction(1000), **changes},
    )
    marks = schema.table(
        {
            "onset_s": schema.column("row", np.array([1.0, 30.0]), "Onset", "s"),
            "duration_s": schema.column("row", np.array([0.0, 2.0]), "Duration", "s"),
            "description": schema.column("row", ["cue", "seizure"], "Text"),
        }
    )
    return schema.record({"signal": series, "annotation": marks})


def gapped():
    """Make the same with a gap of ten seconds after 100 s, and a first sample that comes late."""
    stamps = np.arange(400_000) / 1000
    stamps[100_000:] += 10
    return long(
        rate_hz=None,
        time_s=stamps,
        segments=[(0, 100_000), (100_000, 400_000)],
        segment_rate_hz_numerator=1000,
        segment_rate_hz_denominator=1,
        first_sample_number=77,
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Store both records."""
    root = tmp_path_factory.mktemp("generated")
    commit(root, RECORDS, dataset="generated")
    return root


RECORDS = {"plain": long(), "gapped": gapped()}
WINDOWS = [(0, 10), (99_990, 100_020), (109_990, 110_010), (399_000, 400_000)]


def decoded(raw) -> int:
    return raw._raw_extras[0]["samples"].array().n_decoded


@pytest.mark.parametrize("record", RECORDS)
def test_a_lazy_recording_is_equal_to_the_bit_in_windows_and_as_a_whole(record, stored):
    lazy, eager = to_mne("generated", record, root=stored), to_mne("generated", record, root=stored, preload=True)
    assert isinstance(eager, mne.io.RawArray)
    assert not lazy.preload
    whole = eager.get_data()
    for start, stop in WINDOWS:
        assert np.array_equal(lazy.get_data(start=start, stop=stop), whole[:, start:stop])
    assert np.array_equal(lazy.get_data(picks=["c", "a"], start=5, stop=400), whole[[2, 0], 5:400])
    assert np.array_equal(lazy[1, 7:70_000][0], whole[1:2, 7:70_000])
    assert np.array_equal(lazy.get_data(), whole)
    assert (lazy.first_samp, lazy.n_times, lazy.ch_names) == (eager.first_samp, eager.n_times, eager.ch_names)
    assert lazy.annotations == eager.annotations
    assert mne.utils.object_diff(lazy.info, eager.info) == ""


def test_a_window_touches_only_its_chunks(stored):
    raw = to_mne("generated", "plain", root=stored)
    n_chunks = -(-400_000 // raw._raw_extras[0]["samples"].array().chunks[1])
    assert (decoded(raw), n_chunks > 1) == (0, True)
    raw.get_data(start=0, stop=1000)
    assert decoded(raw) == 1
    raw.copy().crop(390.0, 391.0).get_data()
    raw.get_data(start=10, stop=20)
    assert decoded(raw) == 1


@pytest.mark.parametrize("record", RECORDS)
def test_lazy_recordings_are_copied_pickled_cropped_and_put_together(record, stored):
    lazy, eager = to_mne("generated", record, root=stored), to_mne("generated", record, root=stored, preload=True)
    again = pickle.loads(pickle.dumps(lazy.copy()))
    assert len(pickle.dumps(lazy)) < 100_000
    assert np.array_equal(again.get_data(stop=5000), eager.get_data(stop=5000))
    for raw in (lazy, eager):
        raw.crop(95.0, 130.0).pick(["b", "c"])
    assert not lazy.preload
    assert np.array_equal(lazy.get_data(), eager.get_data())
    assert lazy.annotations == eager.annotations
    twice = [mne.concatenate_raws([raw.copy(), raw.copy()], verbose="error") for raw in (lazy, eager)]
    assert not twice[0].preload
    assert np.array_equal(twice[0].get_data(), twice[1].get_data())


def test_filters_and_references_work_once_a_part_is_loaded(stored):
    results = []
    for preload in (False, True):
        raw = to_mne("generated", "gapped", root=stored, preload=preload).crop(90.0, 120.0).load_data()
        results.append(raw.filter(1.0, 40.0, verbose="error").get_data())
    assert np.array_equal(*results)
    raws = [to_mne("generated", "plain", root=stored, preload=preload) for preload in (False, True)]
    referenced = []
    for raw in raws:
        raw.set_eeg_reference(projection=True, verbose="error").apply_proj(verbose="error")
        referenced.append(raw.get_data(start=50_000, stop=60_000))
    # MNE-Python multiplies the whole matrix of a loaded recording, and the window of one that is not.
    np.testing.assert_allclose(*referenced, rtol=0, atol=1e-15)
    assert np.abs(referenced[0].mean(axis=0)).max() < 1e-15
