"""The benchmark of the corpus at a tiny scale: both ways hold the same worms and agree. No time is tested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import padded
from benchmarks.corpus import DATASET, Corpus, build_ours, build_theirs, generate, look_ours, look_theirs
from benchmarks.worms import N_WORMS, SETS, SLOTS, load_raw, worms, write_raw
from connectome.errors import UsageError
from connectome.loaders.torch import WindowDataset, WindowStream
from connectome.store import open_version, verify
from connectome.store.repository import Repository

WINDOW = 40
SCALE, LENGTH = 0.002, 0.05


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return a generated corpus of a dozen worms, built both ways in this process."""
    made = Corpus(tmp_path_factory.mktemp("corpus"), SCALE, LENGTH)
    generate(made)
    build_ours(made, runner="serial")
    build_theirs(made)
    return made


def test_the_shape_is_the_published_one() -> None:
    assert (len(SETS), N_WORMS, len(set(SLOTS))) == (12, 912, 300)
    assert not {"CANL", "CANR"} & set(SLOTS)
    assert sum(item.n_worms * item.n_recorded for item in SETS) == 41_955
    assert all(item.n_named <= item.n_recorded and item.n_samples >= 640 for item in SETS)
    assert len(worms(1.0, Path("raw"))) == 912
    assert [worm.set.name for worm in worms(0.0, Path("raw"))] == [item.name for item in SETS]


def test_a_worm_is_generated_the_same_every_time(tmp_path: Path) -> None:
    (one,) = (worm for worm in worms(0.0, tmp_path, length=LENGTH) if worm.set.name == "lin2023")
    write_raw(one)
    first = load_raw(one)
    assert (first.traces.shape[0], sum(map(bool, first.labels))) == (8, 8)
    assert first.traces.shape[1:] == first.time_s.shape
    write_raw(one)
    again = load_raw(one)
    assert first.labels == again.labels
    assert np.array_equal(first.traces, again.traces)
    other = dataclasses.replace(one, number=1, raw=tmp_path / "other.npz")
    write_raw(other)
    assert not np.array_equal(load_raw(other).traces[:, :50], first.traces[:, :50])


def test_every_worm_becomes_one_sound_record(corpus: Corpus) -> None:
    names = {worm.record for worm in corpus.worms()}
    version = open_version(DATASET, root=corpus.store)
    assert set(version.records["record"]) == names
    assert verify(Repository(corpus.store), DATASET).ok
    for worm in corpus.worms():
        facts = version.facts[worm.record]["/activity"]
        assert facts["n_channels"] == worm.set.n_recorded
        assert version.open(worm.record)["activity/signal"].dtype == np.float64
    assert {f"{worm['source_dataset']}-{worm['worm'][4:].zfill(3)}" for worm in padded.load(corpus.pickles)} == names
    assert look_ours(corpus).keys() == {"open_s", "list_s", "first_record_s", "next_record_s"}
    assert look_theirs(corpus).keys() == {"list_s"}


def test_both_ways_give_the_same_windows(corpus: Corpus) -> None:
    ours = WindowDataset(DATASET, root=corpus.store, window=WINDOW, neurons=SLOTS)
    theirs = padded.windows(corpus.pickles, window=WINDOW)
    assert len(ours) == len(theirs) > len(corpus.worms())
    batch = ours.batch(range(len(ours)))
    for at, other in enumerate(theirs):
        worm, number = other["worm"].rsplit("-", 1)
        assert ours.records[batch["record"][at]] == f"{worm}-{int(number):03d}"
        mask = batch["mask"][at]
        assert torch.equal(mask, other["mask"][:, None].expand_as(mask))
        named = other["mask"]
        expected = other["signal"].T.float()
        # Half precision keeps 11 bits.
        assert torch.allclose(batch["signal"][at][named], expected[named], rtol=2**-11, atol=2**-24)
        assert not batch["signal"][at][~named].any()
    stream = WindowStream(
        DATASET, root=corpus.store, window=WINDOW, neurons=SLOTS, batch_size=8, drop_last=False, shuffle=False
    )
    assert torch.equal(torch.cat([part["signal"] for part in stream]), batch["signal"])


def test_what_the_padded_arrays_lose_is_in_the_store(corpus: Corpus) -> None:
    version = open_version(DATASET, root=corpus.store)
    (worm,) = (worm for worm in corpus.worms() if worm.set.name == "kato2015")
    raw = load_raw(worm)
    tree = version.open(worm.record)
    assert np.array_equal(tree["activity/signal"].values, raw.traces)
    assert np.array_equal(tree["activity/time"].values, raw.time_s)
    assert tuple(tree["neuron/raw_label"].values.tolist()) == raw.labels
    half = padded.pad(worm)
    assert half["calcium_data"].dtype == half["time_in_seconds"].dtype == np.float16
    assert not np.array_equal(half["time_in_seconds"].astype(float), raw.time_s)
    # Neurons without a name lie in slots of others, where no mask tells them from zeros.
    used = (half["calcium_data"] != 0).any(axis=0)
    assert used.sum() == worm.set.n_recorded
    assert half["labeled_neurons_mask"].sum() == worm.set.n_named


def test_a_window_longer_than_every_worm_is_refused(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="no window fits"):
        WindowDataset(DATASET, root=corpus.store, window=10_000, neurons=SLOTS)
