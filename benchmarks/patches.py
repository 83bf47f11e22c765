"""Patches of 64 x 64 x 64 voxels from T1 images: ours beside TorchIO, MONAI and nibabel, in one run.

The images are the four T1 of IDEAS (256 x 256 x 256; Taylor et al. 2025, doi:10.1111/epi.18192) where
``CONNECTOME_TEST_DATA`` has them, else generated ones of that shape. Each is listed three times, as if it were another
patient's. Peers read the ``.nii.gz`` files as released, ours the store made of them. Every way runs in a process of its
own, so that peaks of memory are its own; batches of 16 patches as float32, uniform places, one process, warm disk
cache. The first epoch, which fills caches, is timed apart; of two others the faster
counts, and ratios are those of processor time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .stages import peak_bytes, print_figures, resident_bytes, run_stage

PATCH, BATCH, PER_VOLUME = 64, 16, 8
EPOCHS = 3
REPEATS = 3
"""Times that each image is listed, as if it were another patient's: few caches hold twelve volumes."""
GENERATED = 4
DATASET = "t1"
SEED = 0


def run() -> dict[str, Any]:
    """Time all ways."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        images, real = image_files(root)
        files = images * REPEATS
        sizes = write_store(files, root / "store")
        ways = {}
        for name in WAYS:
            ways[name] = run_stage(__name__, name, root, *files)
    queue = ways["TorchIO Queue"]
    return {
        "images": "IDEAS, T1 as FreeSurfer conformed them" if real else "generated",
        "n_images": len(images),
        "n_records": len(files),
        "ways": ways,
        "times_torchio": {
            name: float(f"{way['patches_per_cpu_s'] / queue['patches_per_cpu_s']:.3g}") for name, way in ways.items()
        },
        "part_of_torchio_memory": {
            name: float(f"{way['rss_increase_mb'] / queue['rss_increase_mb']:.2g}") for name, way in ways.items()
        },
        "bytes": sizes,
    }


def image_files(root: Path) -> tuple[list[Path], bool]:
    """Return the images, and whether they are real."""
    import nibabel as nib
    import numpy as np

    data = Path(os.environ.get("CONNECTOME_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    found = sorted((data / "mri" / "ideas" / "images" / "freesurfer_orig").glob("*.nii.gz"))
    if found:
        return found, True
    rng = np.random.default_rng(SEED)
    axes = np.ogrid[tuple(slice(-1, 1, 256j) for _ in range(3))]
    inside = sum(axis**2 for axis in axes) < 0.6
    made = []
    for at in range(GENERATED):
        coarse = rng.integers(0, 255, size=(32, 32, 32)).repeat(8, 0).repeat(8, 1).repeat(8, 2)
        noise = rng.normal(scale=4, size=coarse.shape)
        values = np.where(inside, np.clip(coarse + noise, 0, 255).round(), 0).astype(np.float32)
        made.append(root / f"generated-{at}.nii.gz")
        nib.save(nib.Nifti1Image(values, np.diag([-1.0, 1.0, 1.0, 1.0])), made[-1])
    return made, False


def write_store(files: list[Path], root: Path) -> dict[str, int]:
    """Write the images into a store; return sizes."""
    import nibabel as nib
    import numpy as np

    from connectome import schema, store

    repository = store.Repository(root)
    receipts = []
    for number, path in enumerate(files):
        image = nib.load(path)
        values = np.asarray(image.dataobj)
        group = schema.volume(values, affine=image.affine, units="1", long_name="T1-weighted intensity")
        receipts.append(
            store.write_record(
                schema.record({"t1w": group}),
                repository.folder(DATASET),
                record=f"{path.name.partition('.')[0]}-{number}",
                recipe=store.Recipe(source="benchmark", source_version="1", inputs=()),
                staging=repository.staging,
            )
        )
    repository.commit(DATASET, receipts)
    # Each image once.
    return {
        ".nii.gz": sum(path.stat().st_size for path in files) // REPEATS,
        "store": sum(receipt.size_bytes for receipt in receipts) // REPEATS,
    }


# -- the ways: each gives a function that yields the batches of one epoch ---------------------------------------------

Epoch = Callable[[int], Iterator[Any]]


def our_stream(root: Path, files: list[Path]) -> Epoch:
    """Stream patches in the order that shares decoded chunks."""
    from connectome import store
    from connectome.loaders.torch import PatchStream

    del files
    version = store.open_version(DATASET, root=root / "store")
    stream = PatchStream(version, patch=PATCH, patches_per_record=PER_VOLUME, batch_size=BATCH)

    def epoch(number: int) -> Iterator[Any]:
        stream.set_epoch(number)
        return (batch["image"] for batch in stream)

    return epoch


def our_dataset(root: Path, files: list[Path], **options: Any) -> Epoch:
    """Ask for patches in any order, through a loader."""
    import torch

    from connectome import store
    from connectome.loaders.torch import PatchDataset

    del files
    version = store.open_version(DATASET, root=root / "store")
    dataset = PatchDataset(version, patch=PATCH, patches_per_record=PER_VOLUME, **options)
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)

    def epoch(number: int) -> Iterator[Any]:
        dataset.set_epoch(number)
        return (batch["image"] for batch in loader)

    return epoch


def our_dataset_without_cache(root: Path, files: list[Path]) -> Epoch:
    """Read the same where hardly a chunk is met again: what a cohort far larger than the cache costs."""
    return our_dataset(root, files, cache_bytes=1 << 20)


def torchio_queue(root: Path, files: list[Path]) -> Epoch:
    """Use TorchIO as its documentation has it, without workers."""
    import torchio as tio

    del root
    subjects = tio.SubjectsDataset([tio.Subject(t1=tio.ScalarImage(path)) for path in files])

    def epoch(_: int) -> Iterator[Any]:
        queue = tio.Queue(
            subjects,
            max_length=len(files) * PER_VOLUME,
            samples_per_volume=PER_VOLUME,
            sampler=tio.data.UniformSampler(PATCH),
            num_workers=0,
        )
        return (batch["t1"][tio.DATA] for batch in tio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0))

    return epoch


def _monai(dataset: Any) -> Epoch:
    from monai.data import DataLoader

    loader = DataLoader(dataset, batch_size=BATCH // PER_VOLUME, num_workers=0, shuffle=True)
    return lambda _: (batch["image"] for batch in loader)


def _monai_transforms() -> list[Any]:
    from monai.transforms import EnsureChannelFirstd, LoadImaged, RandSpatialCropSamplesd

    crop = RandSpatialCropSamplesd(["image"], roi_size=(PATCH,) * 3, num_samples=PER_VOLUME, random_size=False)
    return [LoadImaged(["image"]), EnsureChannelFirstd(["image"]), crop]


def monai_cache(root: Path, files: list[Path]) -> Epoch:
    """Use MONAI with every volume in memory."""
    from monai.data import CacheDataset
    from monai.transforms import Compose

    del root
    # A dictionary of its own for every patient; a path that is there twice would be cached once.
    items = [{"image": str(path), "patient": at} for at, path in enumerate(files)]
    return _monai(CacheDataset(items, Compose(_monai_transforms()), progress=False, num_workers=1))


def monai_persistent(root: Path, files: list[Path]) -> Epoch:
    """Use MONAI with every volume as a file of tensors."""
    from monai.data import PersistentDataset
    from monai.transforms import Compose

    items = [{"image": str(path), "patient": at} for at, path in enumerate(files)]
    return _monai(PersistentDataset(items, Compose(_monai_transforms()), cache_dir=root / "persistent"))


def nibabel_slicing(root: Path, files: list[Path]) -> Epoch:
    """Slice the array proxy for every patch."""
    import nibabel as nib
    import numpy as np
    import torch

    del root
    images = [nib.load(path) for path in files]

    def epoch(number: int) -> Iterator[Any]:
        rng = np.random.default_rng(number)
        for _ in range(len(files) * PER_VOLUME // BATCH):
            batch = np.empty((BATCH, 1, PATCH, PATCH, PATCH), dtype=np.float32)
            for at in range(BATCH):
                image = images[int(rng.integers(len(images)))]
                i, j, k = (int(rng.integers(size - PATCH + 1)) for size in image.shape)
                batch[at, 0] = image.dataobj[i : i + PATCH, j : j + PATCH, k : k + PATCH]
            yield torch.from_numpy(batch)

    return epoch


WAYS: dict[str, Callable[[Path, list[Path]], Epoch]] = {
    "PatchStream": our_stream,
    "PatchDataset": our_dataset,
    "PatchDataset, cache of 1 MiB": our_dataset_without_cache,
    "TorchIO Queue": torchio_queue,
    "MONAI CacheDataset": monai_cache,
    "MONAI PersistentDataset": monai_persistent,
    "nibabel slicing": nibabel_slicing,
}


def measure(name: str, root: Path, files: list[Path]) -> dict[str, float]:
    """Run one way in this process."""
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    _import_everything()
    before = resident_bytes()
    started = time.perf_counter()
    epoch = WAYS[name](root, files)
    _walk(epoch(0))
    first_s = time.perf_counter() - started
    rates, cpu_rates = [], []
    for number in range(1, EPOCHS):
        started, cpu_started = time.perf_counter(), time.process_time()
        n_patches = _walk(epoch(number))
        rates.append(n_patches / (time.perf_counter() - started))
        cpu_rates.append(n_patches / (time.process_time() - cpu_started))
    peak = peak_bytes()
    return {
        "patches_per_s": float(f"{max(rates):.3g}"),
        "patches_per_cpu_s": float(f"{max(cpu_rates):.3g}"),
        "first_epoch_s": float(f"{first_s:.3g}"),
        "rss_increase_mb": round((peak - before) / 2**20, 1),
    }


def _import_everything() -> None:
    """Load what ways import when they start, so that it counts for none of them."""
    import monai.data
    import monai.transforms
    import nibabel
    import torchio

    import connectome.loaders.torch

    assert all((monai.data, monai.transforms, nibabel, torchio, connectome.loaders.torch))


def _walk(batches: Iterator[Any]) -> int:
    n = 0
    for batch in batches:
        if tuple(batch.shape[1:]) != (1, PATCH, PATCH, PATCH):
            raise AssertionError(f"a batch of {tuple(batch.shape)}")
        n += len(batch)
    return n


if __name__ == "__main__":
    if len(sys.argv) > 1:
        chosen, folder, *paths = sys.argv[1:]
        print_figures(measure(chosen, Path(folder), [Path(path) for path in paths]))
    else:
        sys.stdout.write(json.dumps(run(), indent=1) + "\n")
