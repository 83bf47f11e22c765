"""The benchmark of patches: every way gives as many patches of the same shape, ours those of the file."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from benchmarks import patches
from support.volume_records import blob

pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("patches")
    made = []
    for at in range(2):
        made.append(root / f"image-{at}.nii.gz")
        nib.save(nib.Nifti1Image(blob((70, 66, 80), at, "float32"), np.eye(4)), made[-1])
    sizes = patches.write_store(made, root / "store")
    assert set(sizes) == {".nii.gz", "store"}
    return root, made


@pytest.mark.parametrize("name", list(patches.WAYS))
def test_every_way_gives_an_epoch_of_patches(files, name):
    root, made = files
    epoch = patches.WAYS[name](root, made)
    assert patches._walk(epoch(0)) == patches._walk(epoch(1)) == len(made) * patches.PER_VOLUME


def test_our_patches_are_those_of_the_files(files):
    root, made = files
    images = np.stack([np.asarray(nib.load(path).dataobj) for path in made])
    (batch,) = patches.our_stream(root, made)(0)
    places = np.lib.stride_tricks.sliding_window_view(images, (64, 64, 64), axis=(1, 2, 3)).reshape(-1, 64, 64, 64)
    assert all(any(np.array_equal(patch, place) for place in places) for patch in batch[:1, 0].numpy())
