"""Windows of spikes as rows of Hugging Face datasets: every tick of every unit, nothing dense."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from connectome.errors import UsageError
from connectome.loaders.events.source import EventSource
from connectome.loaders.huggingface import to_spike_dataset, to_spike_iterable
from support.spike_sessions import sessions


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    return commit_records(tmp_path_factory.mktemp("spikes") / "store", "generated-spikes", sessions())


def test_rows_hold_the_ticks_from_which_bins_are_counted(version):
    source = EventSource(
        version, window_s=0.5, bin_s=0.5, records=["s1", "s3"], units=[("snr", ">=", 1)], dtype="int64"
    )
    rows = to_spike_dataset(source)
    assert rows.features["ticks"] == datasets.List(datasets.List(datasets.Value("int64")))
    assert len(rows) == len(source)
    batch = source.bins(range(len(source)))
    for at in range(0, len(rows), 5):
        row = rows[at]
        n_units = len(row["unit_id"])
        assert [len(ticks) for ticks in row["ticks"]] == batch.counts[at, :n_units, 0].tolist()
        assert row["unit"] == batch.unit[at, :n_units].tolist()
        assert source.unit_table()["unit_id"][row["unit"]].tolist() == row["unit_id"]
        numerator, denominator = row["tick_hz"]
        stored = version.open(row["record"])["spikes"].to_dataset()
        for name, ticks in zip(row["unit_id"], row["ticks"], strict=True):
            own = stored["tick"].values[stored["unit"].values == stored["unit_id"].values.tolist().index(name)]
            time = row["clock_start_s"] + own.astype(np.float64) * denominator / numerator
            assert ticks == own[(time >= row["start_s"]) & (time < row["stop_s"])].tolist()


def test_sessions_in_seconds_have_times_and_do_not_mix_with_ticks(version):
    rows = to_spike_dataset(EventSource(version, window_s=0.5, records=["s2"]), [3, 0])
    assert rows.features["times_s"] == datasets.List(datasets.List(datasets.Value("float64")))
    assert rows["start_s"][:] == [3.0, 1.5]
    tokens = EventSource(version, window_s=0.5, records=["s2"]).tokens([3])
    found = np.sort(np.concatenate([times for times in rows[0]["times_s"] if times]))
    assert np.array_equal(found - 3.0, tokens.time_s[0][tokens.mask[0]])
    with pytest.raises(UsageError, match="s2: seconds"):
        to_spike_dataset(EventSource(version, window_s=0.5))


def test_a_stream_gives_the_rows_of_the_dataset(version):
    source = EventSource(version, window_s=0.25, stride_s=0.02, records=["s1"])
    rows, stream = to_spike_dataset(source), to_spike_iterable(source)
    assert stream.num_shards == 3
    assert stream.features == rows.features
    assert list(stream) == list(rows)
