"""GDF 2: stored numbers, codes with their published names, runs and what lies between them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError
from connectome.pipelines.formats import read
from connectome.schema.series import rate_hz
from support.eeg_files import codes
from support.gdf_files import gdf

RANGE = (-100.0, 100.0, -2000.0, 2000.0)


def noise(seed: int, shape: tuple[int, int], dtype: str = "i2") -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, shape).astype(dtype)


@pytest.mark.data
def test_the_stored_numbers_are_those_of_the_recording_it_was_made_from(data_dir):
    tree = read(data_dir / "eeg/gdf_from_eegmmidb/S001R04_22ch.gdf", "mne")
    source = read(data_dir / "eeg/physionet_eegmmidb/S001R04.edf", "mne")
    labels = [label.strip(".") for label in source["signal"]["source_label"].values]
    rows = [labels.index(label.strip(".")) for label in tree["signal"]["source_label"].values]
    assert tree["signal"]["signal"].dtype == np.int16
    assert np.array_equal(tree["signal"]["signal"].values, source["signal"]["signal"].values[rows])
    assert set(tree["signal"]["channel_unit"].values) == {"uV"}
    assert "conversion" not in tree["signal"].attrs
    table = tree["annotation"]
    pairs = set(zip(table["description"].values, table["label"].values, strict=True))
    assert pairs == {("769", "cue onset left"), ("770", "cue onset right")}
    cues = np.isin(source["annotation"]["description"].values.astype(str), ["T1", "T2"])
    assert table["onset_s"].values.tolist() == source["annotation"]["onset_s"].values[cues].tolist()
    assert table["duration_s"].values.tolist() == source["annotation"]["duration_s"].values[cues].tolist()


def test_types_and_rates_are_kept_side_by_side(tmp_path):
    channels = [
        ("C3", "i2", 4275, RANGE, noise(1, (5, 50))),
        ("C4", "i2", 4275, RANGE, noise(2, (5, 50))),
        ("Temp", "f4", 6048, (20.0, 40.0, 20.0, 40.0), noise(3, (5, 50)).astype("f4") / 7),
        ("Aux", "i24", 4274, (-1.0, 1.0, -8388608.0, 8388607.0), noise(4, (5, 10), "i4") * 3000),
    ]
    tree = read(gdf(tmp_path / "a.gdf", channels=channels, record_s=(1, 3)), "mne")
    schema.validate(tree, subject="generated")
    names = [path for path, data in schema.groups(tree) if schema.kind_of(data) == "series"]
    assert names == ["/signal/150hz-1", "/signal/150hz-2", "/signal/30hz"]
    assert rate_hz(tree["signal/30hz"].dataset) == 30
    for name, members in zip(names, ((0, 1), (2,), (3,)), strict=True):
        stored = np.stack([channels[number][4].ravel() for number in members])
        assert np.array_equal(tree[name]["signal"].values, stored)
    assert [str(tree[name]["signal"].dtype) for name in names] == ["int16", "float32", "int32"]
    assert tree["signal/30hz"]["gain"].values[0] == float(Fraction(2, 16777215))
    assert tree["signal/150hz-2"]["channel_unit"].values.tolist() == ["degC"]
    assert tree["signal/150hz-1"].attrs["recorded_at"] == "2006-11-19T06:00:00.000"


def test_runs_are_segments_and_what_lies_between_them_was_not_taken(tmp_path):
    samples = [noise(seed, (10, 100)) for seed in (1, 2)]
    for each in samples:
        each.reshape(-1)[400:500] = -32768
    samples[0].reshape(-1)[7] = -32768
    events = [(1, 32766), (1, 276), (501, 32766), (551, 768), (601, 783), (601, 1023), (651, 5)]
    path = gdf(
        tmp_path / "runs.gdf",
        channels=[(name, "i2", 4275, RANGE, each) for name, each in zip(("C3", "C4"), samples, strict=True)],
        events=events,
        event_hz=100.0,
    )
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert (signal["segment_start"].values.tolist(), signal["segment_stop"].values.tolist()) == ([0, 500], [500, 1000])
    assert np.flatnonzero(~signal["valid"].values).tolist() == list(range(400, 500))
    assert codes(tree) == ["missing-samples"]
    table = tree["annotation"]
    assert table["onset_s"].values.tolist() == [0.0, 0.0, 5.0, 5.5, 6.0, 6.0, 6.5]
    assert np.isnan(table["duration_s"].values).all()
    assert table["label"].values.tolist() == [
        "start of a new run", "idling EEG, eyes open", "start of a new run", "start of a trial", "cue unknown",
        "rejected trial", "",
    ]  # fmt: skip


def test_an_event_names_its_channel_and_keeps_its_duration(tmp_path):
    channels = [("C3", "i2", 0, RANGE, noise(1, (2, 50)))]
    path = gdf(tmp_path / "e.gdf", channels=channels, events=[(26, 769, 1, 5), (51, 770, 0, 0)], event_hz=50.0)
    tree = read(path, "mne")
    assert tree["annotation"]["channel"].values.tolist() == ["C3", ""]
    assert tree["annotation"]["duration_s"].values.tolist() == [0.1, 0.0]
    assert tree["signal"]["unit_origin"].values.tolist() == [""]


def test_cut_unclosed_and_overlong_files_are_refused_or_flagged(tmp_path):
    channels = [("C3", "i2", 4275, RANGE, noise(1, (4, 50)))]
    path = gdf(tmp_path / "e.gdf", channels=channels, events=[(26, 769), (27, 770)], event_hz=50.0)
    whole = path.read_bytes()
    for size, place in ((100, "header"), (300, "header"), (700, "shorter"), (len(whole) - 1, "table of events")):
        path.write_bytes(whole[:size])
        with pytest.raises(TruncatedError, match=place) as caught:
            read(path, "mne")
        assert f"{size} bytes" in caught.value.found
    path.write_bytes(whole + b"tail")
    assert codes(read(path, "mne")) == ["trailing-bytes"]
    unclosed = read(gdf(tmp_path / "u.gdf", channels=channels, n_records=-1), "mne")
    assert codes(unclosed) == ["unclosed"]
    assert unclosed["signal"].sizes["time"] == 200
    path.write_bytes(whole[:244] + bytes(8) + whole[252:])
    with pytest.raises(FormatError, match="no duration"):
        read(path, "mne")


def test_changed_line_ends_are_named(tmp_path):
    path = gdf(tmp_path / "m.gdf", channels=[("C3", "i2", 4275, RANGE, noise(1, (4, 4000)))])
    whole = path.read_bytes()
    path.write_bytes((whole[:512] + whole[512:].replace(b"\n", b"\r\n"))[: len(whole)])
    with pytest.raises(FormatError, match="line ends were changed"):
        read(path, "mne")
