"""Transforms that learn: from the training part only, saved with their version, never looking ahead."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.utils.data import DataLoader

from connectome import schema
from connectome.errors import DamagedError, LeakError, UsageError
from connectome.loaders.recordings.moments import Moments, causal_moments
from connectome.loaders.recordings.transforms import BLOCK_SAMPLES, CausalZScore, ZScore
from connectome.loaders.recordings.windows import WindowSource
from connectome.loaders.torch import WindowDataset
from connectome.splits import Split
from connectome.splits.split import Entry

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def split_of(*entries, name="by-hand"):
    return Split(name=name, plan={"kind": "by-hand"}, entries=tuple(Entry(*entry) for entry in entries), groups={})


def record(group):
    return schema.record({"activity": group})


@pytest.fixture
def version(make_store, generated):
    rng = np.random.default_rng(4)
    signals = {name: rng.normal(at * 10, 1 + at, (3, 1000)).astype("float64") for at, name in enumerate("abcd")}
    signals["a"][1, 100:200] = np.nan
    split = split_of(("a", "train"), ("b", "train"), ("c", "val"), ("d", "test"))
    return make_store({name: record(generated.series(x)) for name, x in signals.items()}, splits=[split])


def windows_of(version, part, **options):
    return WindowDataset(version, **{"window": 50, "split": part, **options})


# -- z-score ---------------------------------------------------------------------------------------------------------


def test_the_z_score_of_the_training_part_has_mean_zero_and_deviation_one(version):
    train = windows_of(version, "train", stride=10)
    zscore = ZScore.fit(train)
    values = np.concatenate([version.open(name)["activity"]["signal"].values for name in "ab"], axis=1)
    assert np.allclose(zscore.fitted.mean, np.nanmean(values, axis=1), rtol=0, atol=1e-12)
    assert np.allclose(zscore.fitted.std, np.nanstd(values, axis=1), rtol=0, atol=1e-12)
    assert zscore.fitted.n == (2000, 1900, 2000)
    batch = windows_of(version, "train", transform=zscore).batch(range(40))
    flat = batch["signal"].double().permute(1, 0, 2).reshape(3, -1)
    kept = batch["mask"].permute(1, 0, 2).reshape(3, -1)
    for channel in range(3):
        assert abs(float(flat[channel][kept[channel]].mean())) < 1e-6
        assert abs(float(flat[channel][kept[channel]].std(correction=0)) - 1) < 1e-6


def test_changing_the_test_part_does_not_change_what_was_learned(make_store, generated):
    rng = np.random.default_rng(4)
    train, split = rng.normal(size=(2, 300)), split_of(("a", "train"), ("z", "test"))
    states = []
    for at, scale in enumerate((1.0, 1e6)):
        records = {
            "a": record(generated.series(train)),
            "z": record(generated.series(rng.normal(size=(2, 300)) * scale)),
        }
        version = make_store(records, splits=[split], dataset=f"generated-{at}")
        state = ZScore.fit(windows_of(version, "train")).as_dict()["fitted"]
        states.append({key: state[key] for key in ("mean", "std", "n")})
    assert states[0] == states[1]


def test_channels_without_spread_in_the_training_part_are_masked(make_store, generated):
    signal = np.random.default_rng(0).normal(size=(3, 100))
    signal[1] = 4.0
    signal[2] = np.nan
    split = split_of(("a", "train"))
    version = make_store({"a": record(generated.series(signal))}, splits=[split])
    train = windows_of(version, "train")
    batch = windows_of(version, "train", transform=ZScore.fit(train)).batch([0])
    assert batch["mask"][0].any(dim=1).tolist() == [True, False, False]
    assert not batch["signal"][0, 1:].any()


def test_one_mean_for_all_serves_records_with_different_channels(make_store, generated):
    rng = np.random.default_rng(1)
    records = {name: record(generated.series(rng.normal(3, 2, (n, 200)))) for name, n in [("a", 2), ("b", 5)]}
    version = make_store(records, splits=[split_of(("a", "train"), ("b", "train"))])
    train = windows_of(version, "train", pad=True)
    with pytest.raises(UsageError, match="nothing to fit per channel"):
        ZScore.fit(train)
    zscore = ZScore.fit(train, per="all")
    values = np.concatenate([version.open(name)["activity"]["signal"].values.ravel() for name in "ab"])
    assert np.allclose([*zscore.fitted.mean, *zscore.fitted.std], [values.mean(), values.std()], rtol=0, atol=1e-12)
    assert windows_of(version, "train", pad=True, transform=zscore).batch([0])["mask"][0].sum() == 100


# -- leaks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [ZScore, CausalZScore])
@pytest.mark.parametrize("part", [None, "val", "test"])
def test_statistics_of_anything_but_the_training_part_are_refused(version, transform, part):
    learned = transform.fit(windows_of(version, part))
    with pytest.raises(LeakError) as caught:
        windows_of(version, "test", transform=learned)
    assert caught.value.expected == "generated@1.0.0, by-hand/train"
    assert "allow_leak" in caught.value.hint
    told = transform.fit(windows_of(version, part), allow_leak=True)
    assert len(windows_of(version, "test", transform=told).batch([0])["signal"]) == 1


def test_statistics_of_another_split_or_version_are_refused(make_store, generated):
    rng = np.random.default_rng(2)
    trees = {name: record(generated.series(rng.normal(size=(2, 100)))) for name in "ab"}
    splits = [split_of(("a", "train"), ("b", "test"), name="one"), split_of(("b", "train"), ("a", "test"), name="two")]
    version = make_store(trees, splits=splits)
    learned = ZScore.fit(windows_of(version, "one/train"))
    windows_of(version, "one/test", transform=learned)
    with pytest.raises(LeakError, match="not fitted on the training part"):
        windows_of(version, "two/test", transform=learned)
    with pytest.raises(LeakError):
        windows_of(version, None, transform=learned)
    newer = make_store({**trees, "c": record(generated.series(rng.normal(size=(2, 100))))}, splits=splits)
    assert newer.version == "1.1.0"
    with pytest.raises(LeakError, match=r"generated@1\.0\.0"):
        windows_of(newer, "one/test", transform=learned)


def test_statistics_of_other_channels_are_refused(version):
    learned = ZScore.fit(windows_of(version, "train", channels=["1", "2"]))
    with pytest.raises(UsageError, match="other channels"):
        windows_of(version, "test", channels=["2", "1"], transform=learned)


# -- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [ZScore, CausalZScore])
def test_the_state_is_json_with_the_version_and_reads_back_exactly(version, tmp_path, transform):
    learned = transform.fit(windows_of(version, "train"))
    learned.save(tmp_path / "state.json")
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["fitted"]["fitted_on"]["digest"] == version.digest
    assert state["fitted"]["fitted_on"]["part"] == "train"
    again = transform.load(tmp_path / "state.json")
    assert again.as_dict() == learned.as_dict()
    before, after = (windows_of(version, "test", transform=one).batch([3, 4])["signal"] for one in (learned, again))
    assert bool((before == after).all())
    assert [path.name for path in tmp_path.glob("*.json*")] == ["state.json"]


def test_a_file_that_is_no_state_is_refused(version, tmp_path):
    (tmp_path / "broken.json").write_text('{"transform": "z-score"')
    with pytest.raises(DamagedError, match="not a saved transform"):
        ZScore.load(tmp_path / "broken.json")
    ZScore.fit(windows_of(version, "train")).save(tmp_path / "z.json")
    with pytest.raises(UsageError, match="another transform"):
        CausalZScore.load(tmp_path / "z.json")
    with pytest.raises(UsageError, match="no state"):
        CausalZScore().save(tmp_path / "none.json")


# -- causality -------------------------------------------------------------------------------------------------------


signals = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 40)),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(np.nan),
)


@given(signal=signals, data=st.data())
def test_causal_moments_up_to_t_do_not_change_when_the_future_does(signal, data):
    t = data.draw(st.integers(0, signal.shape[1] - 1))
    elements = st.floats(-1e9, 1e9) | st.sampled_from([np.nan, np.inf])
    future = data.draw(hnp.arrays(np.float64, (signal.shape[0], signal.shape[1] - t - 1), elements=elements))
    changed = np.concatenate([signal[:, : t + 1], future], axis=1)
    before = Moments(*(np.full(len(signal), value) for value in data.draw(st.sampled_from([(0, 0, 0), (5, 2.0, 3.0)]))))
    with np.errstate(all="ignore"):
        one, two = (causal_moments(np.nan_to_num(x), ~np.isnan(x), before) for x in (signal, changed))
    for name in ("n", "mean", "squares"):
        assert getattr(one, name)[:, : t + 1].tobytes() == getattr(two, name)[:, : t + 1].tobytes()


@given(signal=signals)
def test_causal_moments_are_those_of_the_samples_so_far(signal):
    found = causal_moments(np.nan_to_num(signal), ~np.isnan(signal), Moments.none(len(signal)))
    scale = max(1.0, float(np.nanmax(np.abs(signal), initial=0.0)))
    for channel in range(signal.shape[0]):
        for t in range(signal.shape[1]):
            past = signal[channel, : t + 1]
            past = past[~np.isnan(past)]
            assert found.n[channel, t] == len(past)
            if len(past):
                assert abs(found.mean[channel, t] - past.mean()) < 1e-9 * scale
                assert abs(found.std()[channel, t] - past.std()) < 2e-5 * scale


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_causal_z_scores_of_windows_do_not_change_when_the_future_of_the_recording_does(tmp_path_factory, data):
    from fractions import Fraction

    from connectome import store

    n_samples = 3 * BLOCK_SAMPLES + 11
    t = data.draw(st.integers(0, n_samples - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    signal = rng.normal(size=(2, n_samples))
    signal[0, rng.integers(0, n_samples, 50)] = np.nan
    changed = signal.copy()
    changed[:, t + 1 :] = rng.normal(100, 50, size=(2, n_samples - t - 1))
    outputs = []
    for values in (signal, changed):
        root = tmp_path_factory.mktemp("store")
        repository = store.Repository(root)
        group = schema.series(values, channel=["a", "b"], units="1", long_name="Generated", rate_hz=Fraction(1))
        recipe = store.Recipe(source="generated", source_version="1", inputs=())
        receipt = store.write_record(
            record(group), repository.folder("g"), record="r", recipe=recipe, staging=repository.staging
        )
        repository.commit("g", [receipt])
        dataset = WindowDataset("g", root=root, window=20, stride=7, transform=CausalZScore())
        outputs.append(dataset.batch(range(len(dataset))))
    one, two = outputs
    past = one["time_s"][:, None, :].expand_as(one["mask"]) <= t
    for key in ("mask", "signal"):
        assert bool((one[key][past] == two[key][past]).all())


def test_a_causal_z_score_is_what_a_loop_over_the_past_gives(version):
    dataset = windows_of(version, "test", stride=13, transform=CausalZScore())
    signal = version.open("d")["activity"]["signal"].values
    batch = dataset.batch(range(len(dataset)))
    for at, start in enumerate(batch["start"].tolist()):
        for offset in (0, 17, 49):
            past = signal[:, : start + offset + 1]
            if past.shape[1] < 2:
                assert not batch["mask"][at, :, offset].any()
                continue
            expected = (past[:, -1] - past.mean(axis=1)) / past.std(axis=1)
            assert np.allclose(batch["signal"][at, :, offset], expected, rtol=1e-5, atol=1e-5)


def test_a_sample_has_the_same_causal_score_in_every_window_and_in_any_order(version):
    dataset = windows_of(version, "test", stride=1, window=40, transform=CausalZScore())
    forwards = dataset.batch(range(700))
    again = windows_of(version, "test", stride=1, window=40, transform=CausalZScore())
    backwards = again.batch(range(699, -1, -1))
    assert bool((forwards["signal"] == backwards["signal"].flip(0)).all())
    assert bool((forwards["signal"][1:, :, :-1] == forwards["signal"][:-1, :, 1:]).all())


def test_history_never_reaches_beyond_the_part_that_is_read(make_store, generated):
    rng = np.random.default_rng(8)
    signal = rng.normal(size=(2, 400))
    split = split_of(("a", "train", 0.0, 20.0), ("a", "test", 21.0, 40.0))
    outputs = []
    for at, level in enumerate((0.0, 1e5)):
        values = signal.copy()
        values[:, :200] += level
        version = make_store({"a": record(generated.series(values))}, splits=[split], dataset=f"generated-{at}")
        dataset = windows_of(version, "test", window=10, transform=CausalZScore())
        outputs.append(dataset.batch(range(len(dataset)))["signal"])
    assert bool((outputs[0] == outputs[1]).all())


def test_the_prior_of_the_training_part_fades_as_history_grows(version):
    train = windows_of(version, "train")
    causal = CausalZScore.fit(train, prior_samples=20)
    batch = windows_of(version, "test", transform=causal).batch([0, 19])
    signal = version.open("d")["activity"]["signal"].values
    assert bool(batch["mask"].all())
    mean, std = np.array(causal.fitted.mean), np.array(causal.fitted.std)
    pooled = (20 * mean + signal[:, 0]) / 21
    squares = 20 * std**2 + (signal[:, 0] - mean) ** 2 * 20 / 21
    expected = (signal[:, 0] - pooled) / np.sqrt(squares / 21)
    assert np.allclose(batch["signal"][0, :, 0], expected, rtol=1e-5, atol=1e-5)
    alone = windows_of(version, "test", transform=CausalZScore()).batch([0, 19])
    gap = (batch["signal"] - alone["signal"]).abs().amax(dim=(1, 2))
    assert gap[1] < gap[0]


def test_a_causal_z_score_reads_stored_samples_so_it_comes_first(version):
    zscore = ZScore.fit(windows_of(version, "train"))
    with pytest.raises(UsageError, match="comes first"):
        windows_of(version, "test", transform=[zscore, CausalZScore()])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_transforms_give_the_same_in_workers(version, context):
    train = windows_of(version, "train")
    for transform in (ZScore.fit(train), CausalZScore.fit(train)):
        dataset = windows_of(version, "test", transform=transform)
        loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context=context)
        alone = DataLoader(dataset, batch_size=4)
        for one, two in zip(loader, alone, strict=True):
            assert bool((one["signal"] == two["signal"]).all())
            assert bool((one["mask"] == two["mask"]).all())


def test_a_bound_transform_travels_without_its_cache(version):
    dataset = windows_of(version, "test", transform=CausalZScore())
    size = len(pickle.dumps(dataset))
    dataset.batch(range(len(dataset)))
    assert len(pickle.dumps(dataset)) == size


def test_a_plain_function_is_a_transform_too(version):
    from dataclasses import replace

    def halve(windows):
        return replace(windows, signal=windows.signal / 2)

    source = WindowSource(version, window=50, split="test")
    batch = windows_of(version, "test", transform=halve).batch([2])
    assert np.array_equal(batch["signal"].numpy(), source.windows([2]).signal / 2)
