"""Windows over generated records: which there are, what is in them, and what is masked."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.reading.index import WindowIndex
from connectome.loaders.recordings.windows import WindowSource
from connectome.splits import Split
from connectome.splits.split import Entry

RNG = np.random.default_rng(5)


def split_of(*entries, name="by-hand"):
    return Split(name=name, plan={"kind": "by-hand"}, entries=tuple(Entry(*entry) for entry in entries), groups={})


def noise(n_channels, n_samples, dtype="float32"):
    return np.random.default_rng([n_channels, n_samples]).normal(size=(n_channels, n_samples)).astype(dtype)


def record(group):
    return schema.record({"activity": group})


# -- the index ------------------------------------------------------------------------------------------------------


@given(
    ranges=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=5),
    window=st.integers(1, 12),
    stride=st.integers(1, 9),
)
def test_the_index_lists_the_same_windows_as_a_loop_would(ranges, window, stride):
    columns = [(at, begin, begin + size, window, stride) for at, (begin, size) in enumerate(ranges)]
    index = WindowIndex(*np.array(columns).T)
    expected = [(at, start) for at, begin, end, _, _ in columns for start in range(begin, end - window + 1, stride)]
    which, start = index.locate(np.arange(len(index)))
    assert list(zip(which.tolist(), start.tolist(), strict=True)) == expected


def test_an_index_of_a_billion_windows_is_a_few_numbers():
    index = WindowIndex(*(np.array([value]) for value in (0, 0, 10**9 + 99, 100, 1)))
    assert len(index) == 10**9
    assert len(pickle.dumps(index)) < 2000
    assert index.locate(np.array([10**9 - 1]))[1].tolist() == [10**9 - 1]
    with pytest.raises(IndexError):
        index.locate(np.array([10**9]))


# -- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_a_window_holds_the_stored_samples_and_their_time_stamps(make_store, generated, dtype):
    signal = (noise(5, 400_000) * 50).astype(dtype)
    version = make_store({"a": record(generated.series(signal, rate_hz=Fraction(30000, 1001), start_s=2.5))})
    source = WindowSource(version, window=1000, stride=700, dtype="float64")
    assert len(source) == (400_000 - 1000) // 700 + 1
    batch = source.windows([0, 570, 3, 3])
    for at, start in enumerate([0, 570 * 700, 2100, 2100]):
        assert np.array_equal(batch.signal[at], signal[:, start : start + 1000].astype(np.float64))
        exact = schema.KINDS["series"].time_s(version.open("a")["activity"].to_dataset(), start, start + 1000)
        assert np.array_equal(batch.time_s[at], exact)
        assert batch.start[at] == start
    assert batch.mask.all()


@pytest.mark.parametrize("channels", [None, ["3", "1"]])
@pytest.mark.parametrize(("stored_as", "dtype"), [("int32", "float32"), ("int32", "float64"), ("int16", "float64")])
def test_integer_samples_become_physical_values_with_gain_and_offset(make_store, generated, stored_as, dtype, channels):
    stored = RNG.integers(-30000, 30000, (3, 5000)).astype(stored_as)
    gain, offset = np.array([0.1, 3e-7, 2.0]), np.array([0.0, 5.0, -1e6])
    version = make_store({"a": record(generated.series(stored, gain=gain, offset=offset))})
    batch = WindowSource(version, window=500, dtype=dtype, channels=channels).windows([2, 7])
    physical = (stored * gain[:, None] + offset[:, None]).astype(dtype)
    expected = np.stack([physical[:, 1000:1500], physical[:, 3500:4000]])
    assert np.array_equal(batch.signal, expected if channels is None else expected[:, [2, 0]])


@pytest.mark.parametrize("stored_as", ["int16", "uint16", "uint8"])
def test_short_integers_scaled_in_single_precision_are_within_a_hundredth_of_a_step(make_store, generated, stored_as):
    bounds = np.iinfo(stored_as)
    stored = RNG.integers(bounds.min, bounds.max + 1, (3, 5000)).astype(stored_as)
    gain, offset = np.array([0.1, 3e-7, -7.7]), np.array([0.0, 3e-7 * 30000, 7.7 * 32768])
    version = make_store({"a": record(generated.series(stored, gain=gain, offset=offset))})
    batch = WindowSource(version, window=5000).windows([0])
    steps = (batch.signal[0] - (stored * gain[:, None] + offset[:, None])) / gain[:, None]
    assert np.abs(steps).max() < 0.01


def test_a_batch_decodes_each_chunk_once(make_store, generated):
    version = make_store({"a": record(generated.series(noise(8, 200_000)))})
    source = WindowSource(version, window=100)
    array = source._shelf.reader(0).array("activity/signal")
    source.windows(np.random.default_rng(0).integers(0, len(source), 300))
    assert array.n_decoded == -(-200_000 // array.chunks[1])


def test_time_stamps_of_the_source_come_unchanged(make_store, generated):
    stamps = np.cumsum(RNG.random(300)) + 1.2e6
    version = make_store({"a": record(generated.series(noise(2, 300), time_s=stamps))})
    batch = WindowSource(version, window=20, stride=20).windows([3])
    assert np.array_equal(batch.time_s[0], stamps[60:80])


def test_the_rate_inside_segments_is_exact_though_stamps_are_rounded(make_store, generated):
    rate = Fraction(23814000, 23828)
    stamps = np.concatenate([np.arange(3000), np.arange(5000, 8000)]) / float(rate)
    told = {"segment_rate_hz_numerator": rate.numerator, "segment_rate_hz_denominator": rate.denominator}
    series = generated.series(noise(1, 6000), time_s=stamps.round(3), segments=[(0, 3000), (3000, 6000)], **told)
    (info,) = WindowSource(make_store({"a": record(series)}), window_s=1).infos
    assert info.frequency_hz == float(rate)
    assert info.samples_per(1000.0) == round(1000 * rate)


def test_a_record_that_counts_frames_has_windows_in_samples_and_no_times(make_store, generated):
    version = make_store({"a": record(generated.series(noise(2, 300), frame_start=1))})
    assert np.isnan(WindowSource(version, window=20).windows([0]).time_s).all()
    with pytest.raises(UsageError, match="counts frames") as caught:
        WindowSource(version, window_s=2.0)
    assert "window=" in caught.value.hint


# -- lengths and records ---------------------------------------------------------------------------------------------


def test_seconds_become_samples_at_each_records_own_rate(make_store, generated):
    version = make_store({"a": record(generated.series(noise(2, 3000), rate_hz=Fraction(256)))})
    source = WindowSource(version, window_s=4.0, stride_s=0.5)
    assert source.window == 1024
    assert source.windows([1]).start.tolist() == [128]


def test_records_of_different_rates_need_padding_or_a_window_in_samples(make_store, generated):
    records = {
        name: record(generated.series(noise(2, 3000), rate_hz=Fraction(rate))) for name, rate in [("a", 10), ("b", 25)]
    }
    version = make_store(records)
    with pytest.raises(UsageError, match="different rates") as caught:
        WindowSource(version, window_s=2.0)
    assert "a: 20, b: 50" in caught.value.found
    source = WindowSource(version, window_s=2.0, pad=True)
    batch = source.windows([0, len(source) - 1])
    assert batch.signal.shape == (2, 2, 50)
    assert batch.mask[:, 0].sum(axis=1).tolist() == [20, 50]
    assert np.isnan(batch.time_s[0, 20:]).all()
    assert not batch.signal[0, :, 20:].any()


def test_records_with_different_numbers_of_channels_need_a_view_or_padding(make_store, generated):
    records = {name: record(generated.series(noise(n, 100))) for name, n in [("a", 2), ("b", 4)]}
    version = make_store(records)
    with pytest.raises(UsageError, match="different numbers of channels") as caught:
        WindowSource(version, window=50)
    assert "pad=True" in caught.value.hint
    batch = WindowSource(version, window=50, pad=True, fill=-7.0).windows([0, 2])
    assert batch.mask.any(axis=2).tolist() == [[True, True, False, False], [True] * 4]
    assert (batch.signal[~batch.mask] == -7.0).all()
    assert WindowSource(version, window=50, records=["b"]).n_channels == 4


def test_records_without_windows_are_listed_with_the_reason(make_store, generated):
    records = {
        "long": record(generated.series(noise(2, 100))),
        "short": record(generated.series(noise(2, 10))),
        "other": schema.record({"behaviour": generated.series(noise(1, 100))}),
    }
    source = WindowSource(make_store(records), window=50)
    assert source.records == ("long",)
    assert source.skipped == {"other": "no group activity", "short": "no stretch of 50 samples; the longest has 10"}


@pytest.mark.parametrize(
    ("options", "kind", "match"),
    [
        ({"window": 5, "window_s": 1.0}, UsageError, "length of a window"),
        ({}, UsageError, "length of a window"),
        ({"window": 0}, UsageError, "counts samples"),
        ({"window": 5, "stride": 0}, UsageError, "counts samples"),
        ({"window": 5, "stride": 1, "stride_s": 1.0}, UsageError, "twice"),
        ({"window": 5000}, UsageError, "no window fits"),
        ({"window": 5, "records": ["b"]}, NotFoundError, "no such record"),
        ({"window": 5, "records": "a"}, UsageError, "list of names"),
        ({"window": 5, "records": ["a"], "group": "eeg"}, NotFoundError, "no such group"),
        ({"window": 5, "split": "train"}, UsageError, "no split"),
        ({"window": 5, "neurons": ["AVAL"], "channels": ["1"]}, UsageError, "two ways"),
        ({"window": 5, "neurons": []}, UsageError, "different names"),
        ({"window": 5, "channels": ["1", "1"]}, UsageError, "different names"),
        ({"window": 5, "neurons": ["AVAL"], "records": ["a"]}, NotFoundError, "which channel is which neuron"),
        ({"window": 5, "dtype": "int16"}, UsageError, "floats"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_clear_error(make_store, generated, options, kind, match):
    version = make_store({"a": record(generated.series(noise(2, 100)))})
    with pytest.raises(kind, match=match):
        WindowSource(version, **options)


# -- segments and splits ---------------------------------------------------------------------------------------------


def test_windows_never_cross_the_segments_of_a_record(make_store, generated):
    segments = [(0, 30), (30, 47), (60, 100)]
    version = make_store({"a": record(generated.series(noise(2, 100), segments=segments))})
    source = WindowSource(version, window=10, stride=3)
    batch = source.windows(range(len(source)))
    spans = [(start, start + 10) for start in batch.start.tolist()]
    assert spans == [(s, s + 10) for begin, end in segments for s in range(begin, end - 9, 3)]


def test_no_window_ever_comes_from_a_record_of_another_part(make_store, generated):
    records = {f"r{at}": record(generated.series(np.full((1, 60), float(at), dtype=np.float32))) for at in range(6)}
    split = split_of(*((f"r{at}", "test" if at % 3 == 0 else "train") for at in range(6)))
    version = make_store(records, splits=[split])
    train, test = (WindowSource(version, window=7, stride=2, split=f"by-hand/{part}") for part in ("train", "test"))
    assert set(np.unique(train.windows(range(len(train))).signal)) == {1.0, 2.0, 4.0, 5.0}
    assert set(np.unique(test.windows(range(len(test))).signal)) == {0.0, 3.0}
    assert train.records == ("r1", "r2", "r4", "r5")
    assert WindowSource(version, window=7, split="test").records == test.records
    assert WindowSource(version, window=7, split=(split, "test")).records == test.records


def test_windows_never_leave_the_stretches_of_a_time_block_split(make_store, generated):
    # Every sample holds its own time stamp, so that the stretches can be checked in the values.
    rate = Fraction(30000, 1001)
    times = 2.5 + np.arange(5000.0) * rate.denominator / rate.numerator
    stretches = [(2.5, 40.0, "train"), (41.0, 60.25, "test"), (61.0, 100.0, "train"), (100.0, 1e6, "test")]
    split = split_of(*(("a", part, start, stop) for start, stop, part in stretches))
    version = make_store({"a": record(generated.series(times[None], rate_hz=rate, start_s=2.5))}, splits=[split])
    for part in ("train", "test"):
        source = WindowSource(version, window=16, stride=1, split=part, dtype="float64")
        batch = source.windows(range(len(source)))
        first, last = batch.signal[:, 0, 0], batch.signal[:, 0, -1]
        own = [(start, stop) for start, stop, name in stretches if name == part]
        inside = sum((first >= start) & (last < stop) for start, stop in own)
        assert (inside == 1).all()
        expected = sum(int(((times >= start) & (times < stop)).sum()) - 15 for start, stop in own)
        assert len(source) == expected
        assert np.array_equal(batch.time_s, batch.signal[:, 0])


def test_a_time_block_split_follows_the_stamps_of_an_irregular_clock(make_store, generated):
    stamps = np.cumsum(RNG.random(500)) + 1e6
    cut = float(stamps[200])
    split = split_of(("a", "train", 1e6, cut), ("a", "test", cut, 2e6))
    version = make_store({"a": record(generated.series(stamps[None], time_s=stamps))}, splits=[split])
    train, test = (WindowSource(version, window=5, stride=1, split=part) for part in ("train", "test"))
    assert train.windows([len(train) - 1]).start.tolist() == [195]
    assert test.windows([0]).start.tolist() == [200]


def test_a_time_block_split_of_a_record_without_seconds_is_refused(make_store, generated):
    split = split_of(("a", "train", 0.0, 10.0))
    version = make_store({"a": record(generated.series(noise(1, 100), frame_start=0))}, splits=[split])
    with pytest.raises(NotFoundError, match="only counts frames"):
        WindowSource(version, window=5, split="train")


def test_a_part_or_split_that_does_not_exist_is_named(make_store, generated):
    splits = [split_of(("a", "train"), name="one"), split_of(("a", "train"), name="two")]
    version = make_store({"a": record(generated.series(noise(1, 100)))}, splits=splits)
    with pytest.raises(UsageError, match="which split") as caught:
        WindowSource(version, window=5, split="train")
    assert caught.value.expected == "one/train, two/train"
    with pytest.raises(NotFoundError, match="no such split"):
        WindowSource(version, window=5, split="three/train")
    with pytest.raises(NotFoundError, match="no such part"):
        WindowSource(version, window=5, split="one/test")


# -- masks -----------------------------------------------------------------------------------------------------------


def test_samples_that_are_no_numbers_are_masked_and_filled(make_store, generated):
    signal = noise(3, 90)
    signal[1, 10:20] = np.nan
    version = make_store({"a": record(generated.series(signal))})
    batch = WindowSource(version, window=30, fill=9.0).windows([0, 1])
    expected = np.ones((2, 3, 30), dtype=bool)
    expected[0, 1, 10:20] = False
    assert np.array_equal(batch.mask, expected)
    assert (batch.signal[~expected] == 9.0).all()
    assert np.array_equal(batch.signal[expected], np.stack([signal[:, :30], signal[:, 30:60]])[expected])


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"channels": ["2", "1"]}, {"resample_hz": 5}])
def test_a_channel_whose_scale_is_unknown_is_masked_and_filled(make_store, generated, options):
    stored = np.arange(60, dtype=np.int16).reshape(3, 20)
    scale = {"gain": np.array([0.5, np.nan, 2.0]), "offset": np.zeros(3)}
    version = make_store({"a": schema.record({"activity": generated.series(stored, **scale)})})
    windows = WindowSource(version, window=4, fill=-1.0, **options).windows([0, 1])
    unknown = 0 if "channels" in options else 1
    assert not windows.mask[:, unknown].any()
    assert (windows.signal[:, unknown] == -1.0).all()
    others = np.delete(np.arange(windows.signal.shape[1]), unknown)
    assert windows.mask[:, others].all()
    assert np.isfinite(windows.signal).all()


@pytest.mark.parametrize("per_channel", [False, True])
def test_samples_that_were_never_taken_are_masked_and_filled(make_store, generated, per_channel):
    valid = RNG.random((3, 90) if per_channel else 90) > 0.3
    version = make_store({"a": record(generated.series(noise(3, 90), valid=valid))})
    batch = WindowSource(version, window=30).windows([2, 0])
    expected = np.broadcast_to(valid, (3, 90))
    assert np.array_equal(batch.mask, np.stack([expected[:, 60:], expected[:, :30]]))
    assert not batch.signal[~batch.mask].any()
    assert batch.signal[batch.mask].all()


# -- views by neuron -------------------------------------------------------------------------------------------------


@pytest.fixture
def worms(make_store, generated):
    one = [("1", "AVAL", "AVAL", "exact"), ("2", "VB02", "VB2", "normalised"), ("3", "AVE?", "AVEL AVER", "ambiguous")]
    two = [("1", "", "", "unlabelled"), ("2", "AVAL", "AVAL", "exact"), ("4", "AVAR", "AVAR", "exact")]
    return make_store(
        {
            "one": generated.worm(noise(3, 100), one),
            "two": generated.worm(noise(4, 120), two),
            "none": generated.worm(noise(2, 100), [("1", "", "", "unlabelled")]),
        }
    )


def test_a_view_by_neuron_masks_those_that_a_record_does_not_have(worms):
    source = WindowSource(worms, window=50, neurons=["AVAR", "VB2", "AVAL", "AVEL"], fill=0.0)
    assert source.channels == ("AVAR", "VB2", "AVAL", "AVEL")
    assert source.skipped == {"none": "none of the channels of the view"}
    batch = source.windows([0, 2])
    one, two = (worms.open(name)["activity"]["signal"].values for name in ("one", "two"))
    assert batch.mask[:, :, 0].tolist() == [[False, True, True, False], [True, False, True, False]]
    assert np.array_equal(batch.signal[0, 1:3], one[[1, 0], :50])
    assert np.array_equal(batch.signal[1, [0, 2]], two[[3, 1], :50])
    assert not batch.signal[~batch.mask].any()
    assert source.coverage().sum().to_dict() == {"AVAR": 1, "VB2": 1, "AVAL": 2, "AVEL": 0}


def test_the_policy_decides_whether_a_normalised_label_counts(worms):
    source = WindowSource(worms, window=50, neurons=["VB2", "AVAL"], policy="exact")
    assert source.coverage()["VB2"].tolist() == [False, False]
    with pytest.raises(UsageError, match="unknown policy"):
        WindowSource(worms, window=50, neurons=["AVAL"], policy="likely")


def test_a_view_by_channel_id_joins_records_with_different_channels(worms):
    batch = WindowSource(worms, window=100, channels=["4", "2"]).windows([0, 1, 2])
    assert batch.mask[:, :, 0].tolist() == [[False, True], [False, True], [True, True]]


def test_a_source_travels_as_paths_and_reads_the_same(worms):
    source = WindowSource(worms, window=50, neurons=["AVAR", "VB2", "AVAL"])
    before = source.windows(range(len(source)))
    state = pickle.dumps(source)
    after = pickle.loads(state).windows(range(len(source)))
    assert len(state) < 6000
    for name in ("signal", "mask", "time_s", "record", "start"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
