"""Epochs, windows around seizures, channel sets and graphs of contacts, on generated recordings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.recordings import Baseline, EpochSource, StateSource, ratio_order
from connectome.loaders.recordings.channel_sets import ChannelSet, plain_name
from connectome.loaders.recordings.windows import WindowSource
from connectome.loaders.torch import WindowDataset, WindowStream
from connectome.loaders.torch.recordings import EpochDataset, RatioSampler, StateDataset, channel_tensors
from connectome.seizures import Horizons, Seizure, seizure_table
from connectome.splits import Entry, Split

ROUND = Fraction(100)


def marks(rows: list[tuple[float, str]]) -> Any:
    """Return a generated table of annotations."""
    return schema.table(
        {
            "onset_s": schema.column("row", np.array([row[0] for row in rows]), "Onset", "s"),
            "description": schema.column("row", [row[1] for row in rows], "Text"),
        }
    )


def ramp(n_channels: int, n_samples: int) -> np.ndarray:
    """Return samples that say which they are: number of the sample plus 10,000 per channel."""
    return np.arange(n_samples, dtype=np.float64) + 10_000.0 * np.arange(n_channels)[:, None]


@pytest.fixture
def gapped(make_store: Callable[..., Any], generated: Any) -> Any:
    """Return a version: one recording of 10 s and, after a gap of 50 s, 10 s more, with events all over."""
    stamps = np.concatenate([np.arange(1000) / 100, 60 + np.arange(1000) / 100])
    signal = generated.series(
        ramp(2, 2000), time_s=stamps, segments=[(0, 1000), (1000, 2000)], segment_rate_hz_numerator=100,
        segment_rate_hz_denominator=1,
    )  # fmt: skip
    events = marks([
        (0.5, "cue"), (3.014, "cue"), (3.016, "other"), (9.5, "cue"), (30.0, "cue"), (60.0, "cue"), (62.0, "cue"),
        (69.0, "cue"), (80.0, "cue"), (float("nan"), "cue"), (5.0, "unwanted"),
    ])  # fmt: skip
    return make_store({"a": schema.record({"signal": signal, "annotation": events})})


def test_an_epoch_lies_around_the_sample_nearest_to_its_event(gapped: Any) -> None:
    source = EpochSource(gapped, group="signal", tmin_s=-1, tmax_s=1, labels=["cue", "other"], dtype="float64")
    assert source.frame()[["row", "start", "label"]].values.tolist() == [
        [1, 201, "cue"], [2, 202, "other"], [6, 1100, "cue"], [7, 1800, "cue"],
    ]  # fmt: skip
    assert source.frame()["start_s"].tolist() == [2.01, 2.02, 61.0, 68.0]
    batch = source.windows([2, 0])
    assert batch.signal[:, 0, 100].tolist() == [1200.0, 301.0]
    assert source.time_s[[0, 100, -1]].tolist() == [-1.0, 0.0, 0.99]


def test_every_wanted_event_without_a_window_is_there_with_its_reason(gapped: Any) -> None:
    source = EpochSource(gapped, group="signal", tmin_s=-1, tmax_s=1, labels=["cue", "other"])
    assert source.dropped[["row", "reason"]].values.tolist() == [
        [0, "reaches beyond its stretch without a gap"],
        [3, "reaches beyond its stretch without a gap"],
        [4, "in a gap"],
        [5, "reaches beyond its stretch without a gap"],
        [8, "after the recording"],
        [9, "no onset"],
    ]
    assert len(source) + len(source.dropped) == 10


def test_onsets_are_the_decimals_that_they_are_written_as(make_store: Callable[..., Any], generated: Any) -> None:
    # 0.145 * 100 is 14.499999999999998 in floats; the tie goes to the even sample.
    signal = generated.series(ramp(1, 1000), rate_hz=ROUND)
    version = make_store({"a": schema.record({"signal": signal, "annotation": marks([(0.145, "x"), (0.155, "x")])})})
    source = EpochSource(version, group="signal", tmin_s=0, tmax_s=0.29)
    assert source.windows([0, 1]).start.tolist() == [14, 16]
    # 0.29 * 100 is 28.999999999999996 in floats.
    assert source.window == 29


def test_epochs_stay_in_the_part_of_the_split(make_store: Callable[..., Any], generated: Any) -> None:
    signal = generated.series(ramp(1, 2000), rate_hz=ROUND)
    tree = schema.record({"signal": signal, "annotation": marks([(2.0, "x"), (9.8, "x"), (15.0, "x")])})
    split = Split(name="t", plan={"kind": "by-hand"}, groups={},
                  entries=(Entry("a", "train", 0.0, 10.0), Entry("a", "test", 10.0, 20.0)))  # fmt: skip
    version = make_store({"a": tree}, [split])
    train = EpochSource(version, group="signal", tmin_s=0, tmax_s=1, split="t/train")
    assert train.row.tolist() == [0]
    assert train.dropped["row"].tolist() == [1, 2]
    assert EpochSource(version, group="signal", tmin_s=0, tmax_s=1, split="t/test").row.tolist() == [2]


def test_a_baseline_counts_only_samples_that_were_taken(make_store: Callable[..., Any], generated: Any) -> None:
    valid = np.ones((2, 1000), dtype=bool)
    valid[0, 200:210], valid[1, 180:200] = False, False
    signal = generated.series(ramp(2, 1000), rate_hz=ROUND, valid=valid)
    version = make_store({"a": schema.record({"signal": signal, "annotation": marks([(2.0, "cue")])})})
    epochs = EpochDataset(version, group="signal", tmin_s=-0.2, tmax_s=0.5, transform=Baseline(-0.2, -0.01))
    batch = epochs.batch([0])
    # The mean of samples 180 to 199 is 189.5; the other channel has no sample there, and so no values at all.
    assert batch["signal"][0, 0, 30].item() == 210 - 189.5
    assert batch["mask"][0, 0].tolist() == [*[True] * 20, *[False] * 10, *[True] * 40]
    assert not batch["mask"][0, 1].any()
    assert not batch["signal"][0, 1].any()


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ((-0.3, 0), "reaches out of"),
        ((0, 0.5), "reaches out of"),
        ((0.011, 0.019), "has no sample"),
        ((0.2, 0.1), "ends after"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(baseline: tuple[float, float], message: str, gapped: Any) -> None:
    with pytest.raises(UsageError, match=message):
        EpochDataset(gapped, group="signal", tmin_s=-0.2, tmax_s=0.5, transform=Baseline(*baseline))


def test_windows_without_an_event_have_no_baseline(gapped: Any) -> None:
    with pytest.raises(UsageError, match="a baseline lies in an epoch"):
        WindowDataset(gapped, group="signal", window=10, transform=Baseline())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": ["cue", "nowhere"]}, NotFoundError, "nowhere"),
        ({"tmin_s": 1}, UsageError, "ends after"),
        ({"window": 5}, UsageError, "length from"),
        ({"column": "colour"}, NotFoundError, "colour"),
        ({"tmin_s": -9.5, "tmax_s": 9.9}, UsageError, "no (event|window)"),
    ],
)
def test_epochs_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], message: str, gapped: Any
) -> None:
    with pytest.raises(error, match=message):
        EpochSource(gapped, **{"group": "signal", "tmin_s": -1, "tmax_s": 1, **options})


def test_batches_of_epochs_come_whole_and_with_labels(gapped: Any) -> None:
    dataset = EpochDataset(gapped, group="signal", tmin_s=-1, tmax_s=1, labels={"cue": "any", "other": "any"})
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert batch["signal"].shape == (4, 2, 200)
    assert batch["label"].tolist() == [0, 0, 0, 0]
    assert batch["row"].tolist() == [1, 2, 6, 7]
    assert dataset[-1]["row"] == 7
    stream = WindowStream(dataset.source, batch_size=2, seed=3)
    rows = torch.cat([batch["row"] for batch in stream]).tolist()
    assert sorted(rows) == [1, 2, 6, 7]
    with pytest.raises(UsageError, match="there already"):
        WindowDataset(dataset.source, window=3)


@pytest.fixture
def patients(make_store: Callable[..., Any], generated: Any) -> Any:
    """Return a version: two patients with seizures, one record that says there was none, one that does not say."""

    def record(seizures: list[Seizure] | None, subject: str) -> Any:
        groups = {"signal": generated.series(ramp(2, 30_000), rate_hz=ROUND)}
        if seizures is not None:
            groups["seizure"] = seizure_table(seizures)
        return schema.record(groups, subject=subject)

    return make_store({
        "p1-1": record([Seizure(100.5, 121.5)], "p1"),
        "p1-2": record([], "p1"),
        "p2-1": record([Seizure(200.0, 203.0)], "p2"),
        "p3-1": record(None, "p3"),
    })  # fmt: skip


NEAR = Horizons(preictal_s=60.0, gap_s=5.0, postictal_s=30.0, interictal_from_s=90.0)


def test_windows_are_labelled_by_the_time_that_they_share_with_seizures(patients: Any) -> None:
    source = StateSource(patients, group="signal", window_s=10, horizons=NEAR)
    table = source.frame()
    ictal = table[table["label"] == "ictal"][["record", "start_s"]].values.tolist()
    # Windows 100-110 and 120-130 share 9.5 s and 1.5 s with the seizure; 110-120 lies wholly inside.
    assert ictal == [["p1-1", 100.0], ["p1-1", 110.0], ["p1-1", 120.0], ["p2-1", 200.0]]
    strict = StateSource(patients, group="signal", window_s=10, horizons=NEAR, rule="fraction>=0.5")
    table = strict.frame()
    assert table[table["label"] == "ictal"]["start_s"].tolist() == [100.0, 110.0]


def test_the_table_before_training_adds_up(patients: Any) -> None:
    source = StateSource(patients, group="signal", window_s=10, horizons=NEAR)
    counts = source.counts()
    assert counts.columns.tolist() == ["interictal", "preictal", "ictal", "total"]
    assert counts.loc["p1", "ictal"] == 3
    assert counts.loc["p3", "total"] == 0
    assert counts.loc["all", "total"] == len(source)
    unknown = source.left_out[source.left_out["state"] == "unknown"]
    assert unknown.values.tolist() == [["p3-1", "unknown", 30]]
    assert len(source) + source.left_out["n_windows"].sum() == 4 * 30
    assert source.counts("record").loc["p1-2"].tolist() == [30, 0, 0, 30]
    assert source.hours().loc["p2", "ictal"] == pytest.approx(10 / 3600)


@pytest.fixture
def partly_annotated(make_store: Callable[..., Any], generated: Any) -> Any:
    """Return a version of three recordings of 300 s with one seizure: of all, of some and of none is it said."""

    def record(observed: list[tuple[float, float]] | None) -> Any:
        table = seizure_table([Seizure(100.5, 121.5)], observed=observed)
        return schema.record({"signal": generated.series(ramp(2, 30_000), rate_hz=ROUND), "seizure": table})

    return make_store({"all": record(None), "some": record([(55.0, 160.0), (250.0, np.inf)]), "nothing": record([])})


def test_time_of_which_the_source_does_not_speak_is_never_background(partly_annotated: Any) -> None:
    source = StateSource(partly_annotated, group="signal", window_s=10)
    assert source.records == ("all", "nothing", "some")
    table = source.frame()
    starts = {
        record: part[part["label"] == "interictal"]["start_s"].tolist() for record, part in table.groupby("record")
    }
    assert starts["all"] == [10.0 * at for at in range(30) if at not in {10, 11, 12}]
    # 50-60 reaches into time that nobody looked at; 160-250 was not looked at.
    assert starts["some"] == [60.0, 70.0, 80.0, 90.0, 130.0, 140.0, 150.0, 250.0, 260.0, 270.0, 280.0, 290.0]
    assert "nothing" not in set(table[table["label"] == "interictal"]["record"])
    # A seizure that is marked is one, whatever was looked at besides.
    assert table[table["label"] == "ictal"]["start_s"].tolist() == [100.0, 110.0, 120.0] * 3
    assert source.left_out.values.tolist() == [["nothing", "unknown", 27], ["some", "unknown", 15]]
    assert source.observed_of(0) is None
    assert source.observed_of(1).shape == (0, 2)
    assert source.observed_of(2).tolist() == [[55.0, 160.0], [250.0, np.inf]]


def test_time_before_a_seizure_is_not_preictal_where_nobody_looked(partly_annotated: Any) -> None:
    near = Horizons(preictal_s=60.0, postictal_s=60.0)
    source = StateSource(
        partly_annotated, group="signal", window_s=10, horizons=near, states=["preictal", "postictal"], records=["some"]
    )
    table = source.frame()
    assert table[table["label"] == "preictal"]["start_s"].tolist() == [60.0, 70.0, 80.0, 90.0]
    assert table[table["label"] == "postictal"]["start_s"].tolist() == [130.0, 140.0, 150.0]


def test_an_epoch_shows_classes_in_their_ratios_and_other_windows_the_next_time(patients: Any) -> None:
    dataset = StateDataset(patients, group="signal", window_s=10, horizons=NEAR)
    sampler = RatioSampler(dataset, {"interictal": 3, "ictal": 1}, seed=5)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    labels = dataset.source.label[first]
    assert np.bincount(labels, minlength=3).tolist() == [12, 0, 4]
    assert len(set(first)) == len(first) == len(sampler)
    assert first == again != second
    both = [list(RatioSampler(dataset, {"interictal": 3, "ictal": 1}, seed=5, rank=rank, n_ranks=2)) for rank in (0, 1)]
    assert sorted(both[0] + both[1]) == sorted(first)
    batch = next(iter(DataLoader(dataset, batch_size=16, sampler=sampler)))
    assert torch.bincount(batch["label"], minlength=3).tolist() == [12, 0, 4]


def test_ratios_that_cannot_be_are_refused(patients: Any) -> None:
    source = StateSource(patients, group="signal", window_s=10)
    assert source.label_names == ("interictal", "ictal")
    for ratios, n_windows in (({"preictal": 1}, None), ({"ictal": 0}, None), ({}, None), ({"ictal": 1}, 10_000)):
        with pytest.raises(UsageError):
            ratio_order(source, ratios, seed=0, epoch=0, n_windows=n_windows)
    with pytest.raises(UsageError, match="seed"):
        ratio_order(source, {"ictal": 1}, seed=-1, epoch=0)
    with pytest.raises(UsageError, match="no window is left"):
        StateSource(patients, group="signal", window_s=10, records=["p3-1"])


@pytest.fixture
def mixed(make_store: Callable[..., Any], generated: Any) -> Any:
    """Return a version of two recordings whose channels differ in names, kinds and places."""

    def table(kinds: list[str], places: np.ndarray, unit: str, regions: list[str]) -> dict[str, Any]:
        axes = {axis: schema.column("channel", places[:, at], axis, unit, frame="mni") for at, axis in enumerate("xyz")}
        return {
            **axes,
            "kind": schema.column("channel", kinds, "Kind"),
            "region": schema.column("channel", regions, "Region"),
        }

    places = np.array([[0.0, 0, 0], [10, 0, 0], [30, 0, 0], [np.nan, 0, 0]])
    one = generated.series(
        ramp(4, 400), rate_hz=ROUND, channel=["Fc5.", "Cz..", "Pz..", "EKG"],
        channels=table(["eeg", "eeg", "eeg", "ecg"], places, "mm", ["left", "mid", "mid", ""]),
    )  # fmt: skip
    two = generated.series(
        ramp(3, 400), rate_hz=ROUND, channel=["CZ", "FC5", "G1"],
        channels=table(["eeg", "eeg", "ecog"], places[:3] / 1000, "m", ["mid", "left", "left"]),
    )  # fmt: skip
    return make_store({"one": schema.record({"signal": one}), "two": schema.record({"signal": two})})


@pytest.mark.parametrize(
    ("wanted", "names", "mask"),
    [
        (ChannelSet(names=["FC5", "CZ"], spelling="plain"), ("FC5", "CZ"), [[1, 1], [1, 1]]),
        (ChannelSet(spelling="plain"), ("FC5", "CZ", "PZ", "EKG", "G1"), [[1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]),
        (ChannelSet(spelling="plain", shared=True), ("FC5", "CZ"), [[1, 1], [1, 1]]),
        (ChannelSet(where=[("kind", "in", ["ecog"])]), ("G1",), [[1]]),
        (ChannelSet(where=[("region", "==", "left")], spelling="plain"), ("FC5", "G1"), [[1, 0], [1, 1]]),
        (ChannelSet(near_m=(0, 0, 0), radius_m=0.015, spelling="plain"), ("FC5", "CZ"), [[1, 1], [1, 1]]),
    ],
)
def test_a_channel_set_is_one_axis_for_recordings_that_differ(
    wanted: ChannelSet, names: tuple[str, ...], mask: list[list[int]], mixed: Any
) -> None:
    source = WindowSource(mixed, group="signal", window=100, channels=wanted, dtype="float64")
    assert source.channels == names
    assert source.channel_info().mask.astype(int).tolist() == mask
    first = [int(np.flatnonzero(source.index.record == at)[0]) for at in range(len(source.records))]
    batch = source.windows(source.index.first[first])
    assert batch.mask.all(axis=2).astype(int).tolist() == mask
    if names[:2] == ("FC5", "CZ"):
        assert batch.signal[:, :2, 0].tolist() == [[0.0, 10_000.0], [10_000.0, 0.0]]


def test_places_and_kinds_are_tensors_in_one_unit(mixed: Any) -> None:
    source = WindowSource(mixed, group="signal", window=100, channels=ChannelSet(spelling="plain"))
    known, info = channel_tensors(source), source.channel_info()
    assert known["channel_position"].shape == (2, 5, 3)
    assert torch.allclose(known["channel_position"][0, :3, 0], torch.tensor([0.0, 0.01, 0.03]))
    assert known["channel_position_mask"].tolist() == [
        [True, True, True, False, False],
        [True, True, False, False, True],
    ]
    assert info.kinds == ("ecg", "ecog", "eeg")
    assert known["channel_kind"][1].tolist() == [2, 2, -1, -1, 1]
    assert info.frame == ("mni", "mni")
    assert len(info.table) == 7


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        (["c3"], "it has C3.., C4..; ChannelSet(names=..., spelling='plain') finds them"),
        (["Pz"], "it has C3.., C4.."),
        (ChannelSet(where=[("region", "==", "CA1")]), "no column region beside channel"),
        (ChannelSet(near_m=(0.0, 0.0, 0.0), radius_m=1.0), "it does not say in metres where they are"),
        (ChannelSet(where=[("channel", "==", "Oz")]), "none of the channels of the view"),
    ],
)
def test_an_error_says_why_no_channel_fits(
    channels: Any, reason: str, make_store: Callable[..., Any], generated: Any
) -> None:
    signal = generated.series(ramp(2, 100), channel=["C3..", "C4.."])
    version = make_store({"a": schema.record({"signal/100hz": signal})})
    with pytest.raises(UsageError) as caught:
        WindowSource(version, group="signal/100hz", window=10, channels=channels)
    assert reason in caught.value.found
    assert caught.value.hint is None


def test_an_error_says_which_groups_there_are(make_store: Callable[..., Any], generated: Any) -> None:
    tree = schema.record({
        "signal/100hz": generated.series(ramp(2, 100)), "signal/1hz": generated.series(ramp(2, 1)),
        "annotation": marks([(0.5, "cue")]),
    })  # fmt: skip
    with pytest.raises(UsageError) as caught:
        WindowSource(make_store({"a": tree}), group="signal", window=10)
    assert caught.value.hint == "groups with series: signal/100hz, signal/1hz"


def test_names_that_become_one_in_the_plain_spelling_are_refused(
    make_store: Callable[..., Any], generated: Any
) -> None:
    version = make_store({"a": schema.record({"signal": generated.series(ramp(2, 200), channel=["C3", "c3."])})})
    assert plain_name(" c3. ") == "C3"
    with pytest.raises(UsageError, match="one name"):
        WindowSource(version, group="signal", window=100, channels=ChannelSet(spelling="plain"))
    for bad in ({"names": ["C3", "c3."], "spelling": "plain"}, {"radius_m": 1.0}, {"names": "C3"}, {"spelling": "x"}):
        with pytest.raises(UsageError):
            ChannelSet(**bad)


def test_graphs_of_contacts_by_place(mixed: Any) -> None:
    from connectome.loaders.pyg import ContactEdges, ContactGraphs

    source = WindowSource(mixed, group="signal", window=100, channels=ChannelSet(spelling="plain"))
    near = ContactGraphs(source, edges=ContactEdges(within_m=0.015), features="signal")
    first, last = near[0], near[-1]
    assert first.channel.tolist() == [0, 1, 2, 3]
    assert first.edge_index.tolist() == [[0, 1], [1, 0]]
    assert torch.allclose(first.edge_attr, torch.full((2, 1), 0.01))
    assert first.pos_mask.tolist() == [True, True, True, False]
    assert last.channel.tolist() == [0, 1, 4]
    assert last.x.shape == (3, 100)
    nearest = ContactGraphs(source, edges=ContactEdges(nearest=1))[0]
    assert nearest.edge_index.tolist() == [[0, 1, 2], [1, 0, 1]]
    # A ramp of one a sample: standard deviation of 100 numbers, steps of one, one change of sign in 99.
    assert nearest.x[0].tolist() == pytest.approx([49.5, np.sqrt((100**2 - 1) / 12), 1.0, 1 / 99])


def test_graphs_of_contacts_by_correlation(make_store: Callable[..., Any], generated: Any) -> None:
    from torch_geometric.loader import DataLoader as GraphLoader

    from connectome.loaders.pyg import ContactEdges, ContactGraphs

    wave = np.random.default_rng(0).standard_normal(200)
    other = np.random.default_rng(1).standard_normal(200)
    signal = np.stack([wave, -3 * wave + 7, other, np.full(200, 2.0), wave + other])
    signal[4, 50:60] = np.nan
    version = make_store({"a": schema.record({"signal": generated.series(signal)})})
    source = WindowSource(version, group="signal", window=200, dtype="float64")
    graph = ContactGraphs(source, edges=ContactEdges(correlation=0.3))[0]
    found = {
        tuple(pair): value
        for pair, value in zip(graph.edge_index.T.tolist(), graph.edge_attr[:, 0].tolist(), strict=True)
    }
    taken = np.r_[0:50, 60:200]
    assert found[(0, 1)] == pytest.approx(-1.0)
    assert found[(0, 4)] == pytest.approx(np.corrcoef(signal[0, taken], signal[4, taken])[0, 1], abs=1e-6)
    assert not any(3 in pair for pair in found)
    assert (
        next(iter(GraphLoader(ContactGraphs(source, edges=ContactEdges(correlation=0.3)), batch_size=1))).num_graphs
        == 1
    )
    with pytest.raises(UsageError, match="metres"):
        ContactGraphs(source, edges=ContactEdges(nearest=2))
    with pytest.raises(UsageError, match="one way"):
        ContactEdges(nearest=2, within_m=0.1)


def test_rows_say_where_their_samples_are_and_hold_them(gapped: Any, mixed: Any) -> None:
    from datasets import ClassLabel

    from connectome.loaders.huggingface.recordings import to_recording_dataset, to_recording_iterable

    source = EpochSource(gapped, group="signal", tmin_s=-1, tmax_s=1, labels=["cue", "other"])
    rows = to_recording_dataset(source)
    assert isinstance(rows.features["label"], ClassLabel)
    assert rows["label"][:] == [0, 1, 0, 0]
    assert rows.features["label"].names == ["cue", "other"]
    first = rows[0]
    assert (first["record"], first["start"], first["start_s"], first["rate_hz"]) == ("a", 201, 2.01, [100, 1])
    assert first["file"].startswith("generated/records/a/")
    assert np.array_equal(np.array(first["signal"], dtype=np.float32), source.windows([0]).signal[0])
    assert list(to_recording_iterable(source)) == list(rows)
    union = WindowSource(mixed, group="signal", window=100, channels=ChannelSet(spelling="plain"))
    plain = to_recording_dataset(union, signal=False)
    assert "signal" not in plain.features
    assert "label" not in plain.features
    assert plain[0]["channel"] == ["FC5", "CZ", "PZ", "EKG"]
    assert plain[4]["channel"] == ["FC5", "CZ", "G1"]
    assert len(to_recording_dataset(union)[4]["signal"]) == 3


def test_windows_as_braindecode_takes_them(gapped: Any, patients: Any) -> None:
    from connectome.loaders.braindecode import BraindecodeWindows

    epochs = EpochDataset(gapped, group="signal", tmin_s=-1, tmax_s=1, labels=["cue", "other"])
    windows = BraindecodeWindows(epochs)
    signal, target, crop = windows[1]
    assert signal.dtype == np.float32
    assert signal.shape == (2, 200)
    assert (target, crop) == (1, [0, 0, 200])
    batch, targets, crops = next(iter(DataLoader(windows, batch_size=4)))
    assert torch.equal(batch, epochs.batch(range(4))["signal"])
    assert targets.tolist() == [0, 1, 0, 0]
    assert [part.tolist() for part in crops] == [[0] * 4, [0] * 4, [200] * 4]
    states = BraindecodeWindows(StateDataset(patients, group="signal", window_s=10))
    assert states.get_metadata()["target"].tolist() == states.y
    assert states[40][2] == states.crop_inds[40].tolist()
    assert states.crop_inds[31].tolist() == [1, 1000, 2000]
    assert states.description["sfreq"] == 100.0
    with pytest.raises(UsageError, match="labels"):
        BraindecodeWindows(WindowDataset(gapped, group="signal", window=100))
