"""A stored recording as MNE-Python's own object: the values that MNE-Python reads from the file itself."""

from __future__ import annotations

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
