"""Patches in PyTorch: whole batches, worker processes of every kind, ranks, and streams that resume."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from connectome.errors import UsageError
from connectome.loaders.torch import PatchDataset, PatchStream, VolumeDataset
from support.volume_records import blob, boxes, image_group, label_group, patient

# A machine with few cores: the number of workers is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

CONTEXTS = ["fork", "forkserver", "spawn"]
OPTIONS = {
    "masks": ["labels/x"],
    "patch": (24, 16, 20),
    "sampling": "label-balanced",
    "patches_per_record": 5,
    "seed": 2,
}


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    records = {}
    for at in range(7):
        shape = (70 + at, 40, 30)
        ids = {1: (slice(5, 30), slice(5, 9), slice(20, 25)), 2: (slice(60, 70), slice(0, 30), slice(0, 30))}
        labels = boxes(shape, ids)
        records[f"p{at}"] = patient({"t1w": image_group(blob(shape, at)), "labels/x": label_group(labels)})
    return commit_records(tmp_path_factory.mktemp("patches") / "store", "generated", records)


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def all_same(left, right):
    left, right = list(left), list(right)
    return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))


def which(batches):
    rows = [torch.cat([batch["record"][:, None], batch["corner"]], 1).tolist() for batch in batches]
    return [tuple(row) for each in rows for row in each]


# -- the map-style dataset -------------------------------------------------------------------------------------------


def test_a_loader_gives_whole_batches_without_collating_them_again(version):
    dataset = PatchDataset(version, on_small="pad", **OPTIONS)
    batch = next(iter(DataLoader(dataset, batch_size=6)))
    assert {key: (tuple(value.shape), value.dtype) for key, value in batch.items()} == {
        "image": ((6, 1, 24, 16, 20), torch.float32),
        "mask": ((6, 1, 24, 16, 20), torch.int64),
        "valid": ((6, 24, 16, 20), torch.bool),
        "present": ((6, 1), torch.bool),
        "mask_present": ((6, 1), torch.bool),
        "record": ((6,), torch.int64),
        "corner": ((6, 3), torch.int64),
        "voxel": ((6, 3), torch.int64),
        "drawn": ((6,), torch.int64),
    }
    assert type(batch) is dict


def test_single_patches_collate_to_the_batch_that_is_read_at_once(version):
    dataset = PatchDataset(version, **OPTIONS)
    indices = [0, 34, 7, 7, 12]
    assert same(default_collate([dataset[at] for at in indices]), dataset.batch(indices))
    assert same(dataset[-1], dataset[34])
    with pytest.raises(IndexError):
        dataset[35]


@pytest.mark.parametrize("context", CONTEXTS)
def test_two_workers_give_the_batches_of_one_process(version, context):
    dataset = PatchDataset(version, **OPTIONS)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(1)).tolist()
    # The parent has read before the workers start, which is where inherited handles would show.
    expected = list(DataLoader(dataset, batch_size=4, sampler=order))
    workers = DataLoader(dataset, batch_size=4, sampler=order, num_workers=2, multiprocessing_context=context)
    assert all_same(workers, expected)


def test_workers_that_live_on_see_the_epoch(version):
    dataset = PatchDataset(version, **OPTIONS)
    loader = DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context="fork", persistent_workers=True)
    for epoch in (0, 3):
        dataset.set_epoch(epoch)
        found = list(loader)
        assert all_same(found, [dataset.batch(range(at, at + 5)) for at in range(0, 35, 5)])
    assert which(found) != which([PatchDataset(version, **OPTIONS).batch(range(35))])


def test_a_transform_sees_whole_batches_of_arrays(version):
    def double(patches):
        patches.image[...] *= 2
        return patches

    plain = PatchDataset(version, **OPTIONS).batch([3, 4])
    doubled = PatchDataset(version, transform=double, **OPTIONS).batch([3, 4])
    assert torch.equal(plain["image"] * 2, doubled["image"])


# -- streams ---------------------------------------------------------------------------------------------------------


def test_a_stream_gives_every_patch_of_the_dataset_once(version):
    dataset = PatchDataset(version, **OPTIONS)
    stream = PatchStream(version, batch_size=4, drop_last=False, pool_bytes=1, **OPTIONS)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        stream.set_epoch(epoch)
        whole = dataset.batch(range(35))
        batches = list(DataLoader(stream, batch_size=None))
        assert [len(batch["record"]) for batch in batches] == [4] * 8 + [3]
        places = which([whole])
        assert sorted(which(batches)) == sorted(places)
        for batch in batches:
            for at, place in enumerate(which([batch])):
                assert torch.equal(batch["image"][at], whole["image"][places.index(place)])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_stream_is_the_same_for_any_number_of_workers(version, context):
    stream = PatchStream(version, batch_size=4, **OPTIONS)
    stream.set_epoch(2)
    expected = list(stream)
    for n_workers in (1, 4) if context == "fork" else (2,):
        workers = DataLoader(stream, batch_size=None, num_workers=n_workers, multiprocessing_context=context)
        assert all_same(workers, expected)


@pytest.mark.parametrize("pool_bytes", [1, 40_000, 1 << 20])
def test_ranks_share_the_batches_of_an_epoch_and_take_equally_many(version, pool_bytes):
    alone = PatchStream(version, batch_size=2, pool_bytes=pool_bytes, **OPTIONS)
    ranks = [
        PatchStream(version, batch_size=2, pool_bytes=pool_bytes, rank=at, n_ranks=3, **OPTIONS) for at in range(3)
    ]
    shares = [list(stream) for stream in ranks]
    assert [len(share) for share in shares] == [len(stream) for stream in ranks] == [5, 5, 5]
    together = [batch for step in zip(*shares, strict=True) for batch in step]
    assert which(together) == which(list(alone)[:15])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_stream_goes_on_exactly_where_its_state_was_taken(version, n_workers):
    def loader(stream):
        return DataLoader(
            stream, batch_size=None, num_workers=n_workers, multiprocessing_context="fork" if n_workers else None
        )

    stream = PatchStream(version, batch_size=3, pool_bytes=50_000, **OPTIONS)
    stream.set_epoch(1)
    expected = list(loader(stream))
    seen = iter(loader(stream))
    used = [next(seen) for _ in range(4)]
    state = stream.state_dict(after=used[-1])
    del seen
    again = PatchStream(version, batch_size=3, pool_bytes=50_000, **OPTIONS)
    again.load_state_dict(state)
    assert all_same(loader(again), expected[4:])
    other = PatchStream(version, batch_size=3, pool_bytes=50_000, **{**OPTIONS, "seed": 5})
    with pytest.raises(UsageError, match="another stream"):
        other.load_state_dict(state)


def test_a_state_says_what_it_always_said_so_that_old_ones_load(version):
    stream = PatchStream(version, batch_size=3, rank=1, n_ranks=2, **OPTIONS)
    stream.set_epoch(4)
    state = {
        "epoch": 4,
        "batches": 0,
        "source": stream.source.digest,
        "batch_size": 3,
        "n_ranks": 2,
        "drop_last": True,
        "order": {"block": 5, "pool": stream.shuffle.pool, "seed": 2, "shuffle": True},
    }
    assert stream.state_dict() == state
    whole = list(stream)
    stream.load_state_dict({**state, "batches": 2})
    assert all_same(stream, whole[2:])


def test_batches_mix_the_records_of_one_pool(version):
    each = PatchStream(version, batch_size=5, **OPTIONS)
    n_bytes = each.source.patch_bytes * 5
    mixed = PatchStream(version, batch_size=5, pool_bytes=3 * n_bytes, **OPTIONS)
    single = PatchStream(version, batch_size=5, pool_bytes=n_bytes, **OPTIONS)
    assert all(len(set(batch["record"].tolist())) == 1 for batch in single)
    batches = list(mixed)
    for at in range(0, 6, 3):
        assert len(set(torch.cat([batch["record"] for batch in batches[at : at + 3]]).tolist())) == 3
    assert max(len(set(batch["record"].tolist())) for batch in batches) > 1


def test_a_stream_decodes_a_chunk_about_once_though_no_volume_fits_the_cache_with_another(tmp_path, commit_records):
    records = {f"p{at}": patient({"t1w": image_group(blob((128, 128, 100), at))}) for at in range(6)}
    version = commit_records(tmp_path, "chunks", records)
    volume = 128 * 128 * 128
    options = {"patch": 64, "patches_per_record": 12, "cache_bytes": volume}
    stream = PatchStream(version, batch_size=8, pool_bytes=volume * 8, **options)
    arrays = [stream.source.reader(at).array("t1w/image") for at in range(6)]
    for _ in stream:
        pass
    n_chunks = 8 * 6
    # A record at the border between two runs of reading is decoded in both.
    assert sum(array.n_decoded for array in arrays) <= 1.25 * n_chunks
    dataset = PatchDataset(version, **options)
    other = [dataset.source.reader(at).array("t1w/image") for at in range(6)]
    for indices in np.random.default_rng(0).permutation(len(dataset)).reshape(-1, 8):
        dataset.batch(indices)
    assert sum(array.n_decoded for array in other) > 3 * n_chunks


def test_left_to_itself_a_stream_keeps_the_layers_of_chunks_that_a_patch_touches(tmp_path, commit_records):
    records = {f"p{at}": patient({"t1w": image_group(blob((320, 90, 20), at))}) for at in range(3)}
    version = commit_records(tmp_path, "layers", records)
    stream = PatchStream(version, batch_size=8, patch=(60, 16, 16), patches_per_record=40)
    # Two of the five layers of 64 voxels.
    assert stream.source._shelf.cache_bytes == 2 * 64 * 90 * 20
    arrays = [stream.source.reader(at).array("t1w/image") for at in range(3)]
    for _ in stream:
        pass
    assert [array.n_decoded for array in arrays] == [5, 5, 5]


def test_a_stream_holds_about_one_pool_of_patches(version):
    options = {**OPTIONS, "patches_per_record": 50}
    stream = PatchStream(version, batch_size=10, pool_bytes=100 * 15_360, **options)
    assert stream.source.patch_bytes == 15_360
    fetch, alive, most = stream.source.fetch, weakref.WeakSet(), 0

    class Box:
        def __init__(self, box):
            self.__dict__.update(vars(box))

    def watched(place):
        nonlocal most
        box = Box(fetch(place))
        alive.add(box)
        gc.collect(0)
        most = max(most, len(alive))
        return box

    stream.source.fetch = watched
    assert sum(len(batch["record"]) for batch in stream) == 350
    assert 100 <= most <= 120


def test_streams_refuse_what_cannot_be_meant(version):
    with pytest.raises(UsageError):
        PatchStream(version, batch_size=0, **OPTIONS)
    with pytest.raises(UsageError):
        PatchStream(version, batch_size=1, rank=2, n_ranks=2, **OPTIONS)


# -- whole volumes ---------------------------------------------------------------------------------------------------


def test_whole_volumes_come_padded_or_as_a_list(version):
    padded = next(iter(DataLoader(VolumeDataset(version, masks=["labels/x"]), batch_size=3)))
    assert padded["image"].shape == (3, 1, 72, 40, 30)
    assert padded["valid"].sum(dim=(1, 2, 3)).tolist() == [size * 40 * 30 for size in (70, 71, 72)]
    ragged = next(iter(DataLoader(VolumeDataset(version, ragged="list"), batch_size=3)))
    assert [tuple(item["image"].shape) for item in ragged] == [(1, size, 40, 30) for size in (70, 71, 72)]
    for at in range(3):
        assert torch.equal(ragged[at]["image"], padded["image"][at, :, : 70 + at])
    dataset = VolumeDataset(version)
    assert same(dataset[-1], dataset[6])
    with pytest.raises(IndexError):
        dataset[7]
    with pytest.raises(UsageError):
        VolumeDataset(version, ragged="stack")


@pytest.mark.parametrize("ragged", ["pad", "list"])
def test_whole_volumes_come_the_same_from_workers(version, ragged):
    dataset = VolumeDataset(version, ragged=ragged, axes="RAS")
    expected = list(DataLoader(dataset, batch_size=2))
    found = list(DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    if ragged == "pad":
        assert all_same(found, expected)
    else:
        assert all(all_same(*pair) for pair in zip(found, expected, strict=True))
