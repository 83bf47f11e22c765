"""Windows in PyTorch: whole batches, worker processes of every kind, and streams that resume."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Subset

from connectome import schema
from connectome.errors import UsageError
from connectome.loaders.torch import WindowDataset, WindowStream
from connectome.loaders.torch.shuffle import BlockShuffle, Stripe

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

CONTEXTS = ["fork", "forkserver", "spawn"]


@pytest.fixture
def version(make_store, generated):
    rng = np.random.default_rng(3)
    signals = {name: rng.normal(size=(4, 30_000 + 777 * at)).astype("float32") for at, name in enumerate("abc")}
    signals["b"][2, 100:5000] = np.nan
    return make_store({name: schema.record({"activity": generated.series(x)}) for name, x in signals.items()})


def same(left, right):
    equal = (torch.equal(left[key].nan_to_num(), right[key].nan_to_num()) for key in left)
    return left.keys() == right.keys() and all(equal)


def all_same(left, right):
    left, right = list(left), list(right)
    return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))


# -- the map-style dataset -------------------------------------------------------------------------------------------


def test_a_loader_gives_whole_batches_without_collating_them_again(version):
    dataset = WindowDataset(version, window=64)
    batch = next(iter(DataLoader(dataset, batch_size=5)))
    assert {key: (tuple(value.shape), value.dtype) for key, value in batch.items()} == {
        "signal": ((5, 4, 64), torch.float32),
        "mask": ((5, 4, 64), torch.bool),
        "time_s": ((5, 64), torch.float64),
        "record": ((5,), torch.int64),
        "start": ((5,), torch.int64),
    }
    assert type(batch) is dict


def test_single_windows_collate_to_the_batch_that_is_read_at_once(version):
    dataset = WindowDataset(version, window=64, stride=50)
    indices = [0, len(dataset) - 1, 7, 7, 700]
    one_by_one = torch.utils.data.default_collate([dataset[at] for at in indices])
    assert same(one_by_one, dataset.batch(indices))
    assert same(dataset[-1], dataset[len(dataset) - 1])
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_a_subset_reads_whole_batches_too(version):
    dataset = WindowDataset(version, window=64)
    chosen = [5, 3, 1000, 9]
    batches = list(DataLoader(Subset(dataset, chosen), batch_size=2))
    assert all_same(batches, [dataset.batch([5, 3]), dataset.batch([1000, 9])])


def test_reading_a_batch_asks_the_source_once(version, monkeypatch):
    dataset = WindowDataset(version, window=64)
    calls = []
    original = dataset.source.windows
    monkeypatch.setattr(dataset.source, "windows", lambda *a, **k: calls.append(1) or original(*a, **k))
    list(DataLoader(Subset(dataset, range(40)), batch_size=20))
    assert len(calls) == 2


@pytest.mark.parametrize("context", CONTEXTS)
def test_two_workers_give_the_batches_of_one_process(version, context):
    dataset = WindowDataset(version, window=64, stride=640)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(1)).tolist()
    # The parent has read before the workers start, which is where inherited handles would show.
    expected = list(DataLoader(dataset, batch_size=16, sampler=order))
    workers = DataLoader(dataset, batch_size=16, sampler=order, num_workers=2, multiprocessing_context=context)
    assert all_same(workers, expected)
    assert same(dataset.batch([0, 5]), dataset.batch([0, 5]))


def test_a_forked_worker_opens_its_own_file(version):
    dataset = WindowDataset(version, window=64)
    dataset.batch([0])
    shelf = dataset.source._shelf
    before = shelf.reader(0)
    import os

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  (another process)
        os.write(writing, b"own" if shelf.reader(0) is not before else b"inherited")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 20) == b"own"
    assert shelf.reader(0) is before
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_the_loaders_package_imports_without_torch_and_torch_is_named_when_it_is_missing():
    code = """
import sys
sys.modules["torch"] = None
import connectome.loaders, connectome.loaders.recordings.windows
import connectome.loaders.recordings.transforms, connectome.loaders.graphs
import connectome.loaders.volumes
from connectome.errors import MissingExtraError
for name in ("torch", "pyg"):
    try:
        __import__(f"connectome.loaders.{name}")
    except MissingExtraError as error:
        assert f"connectome[{name}]" in str(error), error
    else:
        raise SystemExit(f"{name} imported")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_numpy_loaders_import_neither_torch_nor_pipelines():
    code = """
import sys, connectome.loaders, connectome.loaders.recordings.windows, connectome.loaders.recordings.transforms
import connectome.loaders.graphs
import connectome.loaders.volumes
wrong = {"torch", "torch_geometric", "prefect", "dask", "connectome.pipelines"} & set(sys.modules)
raise SystemExit(str(wrong) if wrong else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# -- the order of a stream -------------------------------------------------------------------------------------------


@given(
    n_windows=st.integers(0, 300),
    block=st.integers(1, 40),
    pool=st.integers(1, 5),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 3),
    start=st.integers(0, 310),
)
def test_the_order_visits_every_window_once_and_can_start_anywhere(n_windows, block, pool, seed, epoch, start):
    shuffle = BlockShuffle(block=block, pool=pool, seed=seed)
    order = list(shuffle.order(n_windows, epoch=epoch))
    assert sorted(order) == list(range(n_windows))
    assert order == list(shuffle.order(n_windows, epoch=epoch))
    assert order[start:] == list(shuffle.order(n_windows, epoch=epoch, start=start))


@given(block=st.integers(1, 20), pool=st.integers(1, 5), epoch=st.integers(0, 9))
def test_windows_that_are_mixed_come_from_few_blocks(block, pool, epoch):
    order = np.array(list(BlockShuffle(block=block, pool=pool, seed=1).order(block * 24, epoch=epoch)))
    for at in range(0, len(order), block * pool):
        assert len(np.unique(order[at : at + block * pool] // block)) <= pool


def test_epochs_and_seeds_give_different_orders():
    orders = {
        tuple(BlockShuffle(block=4, seed=seed).order(200, epoch=epoch)) for seed in range(3) for epoch in range(3)
    }
    assert len(orders) == 9


@given(
    n_windows=st.integers(0, 100),
    batch_size=st.integers(1, 9),
    n_ranks=st.integers(1, 4),
    n_workers=st.integers(1, 3),
    drop_last=st.booleans(),
)
def test_ranks_and_workers_share_the_batches_without_overlap(n_windows, batch_size, n_ranks, n_workers, drop_last):
    shares = [
        [
            list(Stripe(rank, n_ranks, worker, n_workers).batches(n_windows, batch_size, drop_last=drop_last))
            for worker in range(n_workers)
        ]
        for rank in range(n_ranks)
    ]
    total = Stripe(0, n_ranks).total(n_windows, batch_size, drop_last=drop_last)
    assert sorted(number for rank in shares for worker in rank for number in worker) == list(range(total))
    if drop_last:
        assert len({sum(map(len, rank)) for rank in shares}) == 1
        assert n_windows - total * batch_size < batch_size * n_ranks
    else:
        assert total * batch_size >= n_windows


# -- streams ---------------------------------------------------------------------------------------------------------


def stream_of(version, **options):
    return WindowStream(version, **{"window": 64, "stride": 100, "batch_size": 32, "seed": 7, **options})


def starts(batches):
    return [tuple(zip(b["record"].tolist(), b["start"].tolist(), strict=True)) for b in batches]


def test_a_stream_gives_every_window_once_in_an_order_of_seed_and_epoch(version):
    stream = stream_of(version, drop_last=False)
    first = starts(stream)
    assert len(first) == len(stream)
    seen = [window for batch in first for window in batch]
    assert len(set(seen)) == len(seen) == len(stream.source)
    assert starts(stream) == first
    stream.set_epoch(1)
    assert starts(stream) != first
    assert starts(stream_of(version, drop_last=False, seed=8)) != first


def test_a_stream_gives_the_samples_of_the_windows_it_names(version):
    stream = stream_of(version)
    for batch in stream:
        for at in (0, -1):
            signal = version.open("abc"[batch["record"][at]])["activity"]["signal"].values
            start = int(batch["start"][at])
            piece = np.nan_to_num(signal[:, start : start + 64])
            assert np.array_equal(batch["signal"][at].numpy(), piece)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_stream_gives_the_same_sequence_with_any_number_of_workers(version, context):
    stream = stream_of(version)
    alone = list(stream)
    for n_workers in (1, 2, 3) if context == "fork" else (2,):
        loader = DataLoader(stream, batch_size=None, num_workers=n_workers, multiprocessing_context=context)
        assert all_same(loader, alone)


def test_workers_that_live_on_see_the_epoch_of_a_stream(version):
    stream = stream_of(version, jitter=True)
    workers = DataLoader(
        stream, batch_size=None, num_workers=2, multiprocessing_context="fork", persistent_workers=True
    )
    found = []
    for epoch in (0, 3):
        stream.set_epoch(epoch)
        alone = stream_of(version, jitter=True)
        alone.set_epoch(epoch)
        found.append(list(workers))
        assert all_same(found[-1], alone)
    assert starts(found[0]) != starts(found[1])


def test_ranks_share_the_global_sequence_and_take_equally_many_steps(version):
    alone = starts(stream_of(version))
    ranks = [starts(stream_of(version, rank=rank, n_ranks=3)) for rank in range(3)]
    assert len({len(rank) for rank in ranks}) == 1
    merged = [batch for step in zip(*ranks, strict=True) for batch in step]
    assert merged == alone[: len(merged)]
    assert len(alone) - len(merged) < 3


@pytest.mark.parametrize("stop", [0, 1, 9])
def test_a_stream_resumes_exactly_where_it_was(version, stop):
    stream = stream_of(version, rank=1, n_ranks=2)
    stream.set_epoch(4)
    whole = list(stream)
    stream.set_epoch(4)
    running = iter(stream)
    for _ in range(stop):
        next(running)
    resumed = stream_of(version, rank=1, n_ranks=2)
    resumed.load_state_dict(stream.state_dict())
    assert all_same(resumed, whole[stop:])
    assert all_same(resumed, whole)


def test_a_stream_read_by_workers_resumes_after_the_batch_that_was_used(version):
    stream = stream_of(version)
    whole = list(stream)
    loader = iter(DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="fork"))
    used = [next(loader) for _ in range(5)]
    resumed = stream_of(version)
    resumed.load_state_dict(stream.state_dict(after=used[-1]))
    del loader
    rest = DataLoader(resumed, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert all_same(rest, whole[5:])


def test_the_state_of_another_stream_is_refused(version):
    state = stream_of(version).state_dict()
    with pytest.raises(UsageError, match="another stream"):
        stream_of(version, seed=8).load_state_dict(state)
    with pytest.raises(UsageError, match="another stream"):
        stream_of(version, window=65).load_state_dict(state)


def test_a_state_says_what_it_always_said_so_that_old_ones_load(version):
    stream = stream_of(version, split=None)
    whole = list(stream)
    n_samples = max(1, (8 << 20) // (100 * 4 * 4))
    state = {
        "epoch": 0,
        "batches": 3,
        "digest": version.digest,
        "split": None,
        "part": None,
        "group": "activity",
        "windows": stream.source.index.digest,
        "batch_size": 32,
        "n_ranks": 1,
        "drop_last": True,
        "order": {"block": n_samples, "pool": 8, "seed": 7, "shuffle": True},
        "jitter": False,
    }
    assert stream.state_dict(after=whole[2]) == state
    stream.load_state_dict(json.loads(json.dumps(state)))
    assert stream.state_dict() == state
    assert all_same(stream, whole[3:])


def test_jitter_moves_the_borders_of_windows_from_epoch_to_epoch(version):
    stream = stream_of(version, jitter=True, shuffle=False, drop_last=False)
    offsets = []
    for epoch in range(4):
        stream.set_epoch(epoch)
        starts_ = np.concatenate([batch["start"].numpy() for batch in stream])
        assert len(starts_) == len(stream._index(epoch))
        assert len(set((starts_ % 100).tolist())) == 1
        offsets.append(int(starts_[0]))
    assert len(set(offsets)) == 4


def test_a_stream_decodes_each_chunk_about_once_in_an_epoch(make_store, generated):
    signal = np.random.default_rng(0).normal(size=(16, 400_000)).astype("float32")
    version = make_store({"a": schema.record({"activity": generated.series(signal)})})
    stream = WindowStream(version, window=200, batch_size=64, pool=2)
    array = stream.source._shelf.reader(0).array("activity/signal")
    n_chunks = -(-400_000 // array.chunks[1])
    for _ in stream:
        pass
    assert n_chunks <= array.n_decoded <= 1.2 * n_chunks
