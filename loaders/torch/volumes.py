"""Patches and whole volumes for PyTorch, as dictionaries of tensors.

================ ======================= ==============================================================
key              shape and dtype         meaning
================ ======================= ==============================================================
``image``        (batch, image, i, j, k) float32 (``dtype=``); ``fill`` where there is nothing
``mask``         (batch, mask, i, j, k)  int64 (``mask_dtype=``); ``mask_fill`` where there is nothing
``valid``        (batch, i, j, k)        bool; True inside the volume; only with ``on_small="pad"``
``present``      (batch, image)          bool; whether the record has the image
``mask_present`` (batch, mask)           bool
``record``       (batch,)                int64, position in ``dataset.records``
``corner``       (batch, 3)              int64, first voxel of the patch along the axes of the view
``voxel``        (batch, 3)              int64, the voxel that was drawn; -1 where none was
``drawn``        (batch,)                int64, the label it was drawn for; -1 where none was
``label.COLUMN`` (batch,)                int64 codes or float64; so ``input.COLUMN``
================ ======================= ==============================================================

The keys depend on the options alone, never on what a record has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset
from torch.utils.data._utils.collate import default_collate_fn_map

from connectome.errors import UsageError

from ..volumes.source import PatchSource
from ..volumes.whole import VolumeSource
from .batches import SharedIntegers, WholeBatch
from .shuffle import BlockShuffle
from .stream import BatchStream

if TYPE_CHECKING:
    from torch import Tensor

    from ..volumes.assemble import Box, Patches

__all__ = ["PatchDataset", "PatchStream", "VolumeDataset"]

Transform = Callable[["Patches"], "Patches"]
POOL_BYTES = 64 << 20
"""Bytes of patches, in stored dtypes, that a stream mixes with each other."""


_ARRAYS = ("image", "mask", "valid", "present", "mask_present", "record", "corner", "voxel", "drawn")


def _tensors(patches: Patches) -> dict[str, Tensor]:
    arrays = {name: getattr(patches, name) for name in _ARRAYS if getattr(patches, name) is not None}
    arrays |= {f"label.{name}": values for name, values in patches.labels.items()}
    arrays |= {f"input.{name}": values for name, values in patches.inputs.items()}
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}


class PatchDataset(Dataset[dict[str, "Tensor"]]):  # type: ignore[misc]
    """Patches over the volumes of a version, by number.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    transform : callable, optional
        Takes and returns a batch of NumPy arrays (:class:`~connectome.loaders.volumes.assemble.Patches`).
    **options
        Of :class:`~connectome.loaders.volumes.PatchSource`: ``images``, ``masks``, ``patch``, ``sampling``,
        ``patches_per_record``, ``on_small``, ``on_missing``, ``normalise``, ``axes``, ``labels``, ``inputs``,
        ``split``, ``seed``, ...

    Attributes
    ----------
    source : PatchSource
        The same as NumPy arrays.

    Notes
    -----
    Patch ``i`` of an epoch is the same patch in any process, on any rank and in any batch. :meth:`set_epoch` moves the
    patches of random samplings; call it before every epoch. Files are opened in each process when it first reads, so
    workers may be forked or spawned at any time.

    Examples
    --------
    >>> dataset = PatchDataset("epilepsy@1", images=["t1w"], patch=64, patches_per_record=8)  # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)  # doctest: +SKIP
    """

    def __init__(self, data: Any, *, transform: Transform | None = None, **options: Any) -> None:
        self.source = PatchSource(data, **options)
        self.transform = transform
        self._epoch = SharedIntegers(1)

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return repr(self.source).replace("PatchSource", type(self).__name__, 1)

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return self.source.records

    @property
    def epoch(self) -> int:
        """The epoch whose patches are given."""
        return self._epoch.get(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, before its iteration begins; workers that live on see it too."""
        self._epoch.set(epoch)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        n_patches = len(self)
        if not -n_patches <= index < n_patches:
            raise IndexError(f"patch {index} of {n_patches}")
        return {name: values[0] for name, values in self.batch([index % n_patches]).items()}

    def __getitems__(self, indices: Sequence[int]) -> list[WholeBatch]:
        """Return one whole batch, wrapped so that ``default_collate`` passes it on."""
        return [WholeBatch(self.batch(indices))]

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return the batch of some patches, without a loader."""
        patches = self.source.patches(indices, epoch=self.epoch)
        return _tensors(patches if self.transform is None else self.transform(patches))


class PatchStream(BatchStream):
    """Batches of patches in a seeded order that lets a decoded chunk serve several patches.

    The sequence of all batches depends on the seed, the epoch and the batch size only. It is striped over ranks and
    workers, so that together they give every patch once, and a rank sees the same sequence with any number of
    workers. Use ``DataLoader(stream, batch_size=None)``.

    Parameters
    ----------
    data : str or Version
        As for :class:`PatchDataset`.
    batch_size : int
        Patches per batch.
    shuffle : bool
        Whether to shuffle; otherwise records come in order.
    drop_last : bool
        Whether to leave out what does not fill a batch for every rank; needed where ranks must take equally many steps.
    rank, n_ranks : int, optional
        Default those of :mod:`torch.distributed` where it is initialised, else 0 and 1.
    pool_bytes : int
        Bytes of patches, in stored dtypes, that are mixed with each other and held at a time.
    transform, **options
        As for :class:`PatchDataset`.

    Notes
    -----
    Where patches lie is as random as in :class:`PatchDataset`: they are the same patches. What the pool changes is
    their order. Records are visited in a random order, and all patches of ``n`` records in turn (as many as fill the
    pool) are mixed: a batch holds patches of those ``n`` records only, and all patches of one record come within one
    pool of each other. With 64 MiB, patches of 64 x 64 x 64 voxels of a uint8 image and 8 patches per record, ``n`` is
    32. Give a larger pool, or fewer patches per record, for a better mixture; each record is then decoded as often.

    Patches are read ahead, record by record, while earlier ones are given out, so memory stays at about one pool, one
    cache of decoded chunks and the batches in use. The cache (``cache_bytes``) holds by default the layers of chunks
    that a patch touches in the largest record, at most 64 MiB. Every worker decodes the chunks of its own
    batches; one process is usually enough.
    """

    ITEMS = "patches"

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = True,
        rank: int | None = None,
        n_ranks: int | None = None,
        pool_bytes: int = POOL_BYTES,
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        # Records are read one after another along the first axis: the layers that a patch touches need to fit.
        by_record = "cache_bytes" not in options
        self.source = PatchSource(data, **options)
        if by_record:
            self.source.keep(
                max(self.source.decoded_bytes(at, self.source.patch[0]) for at in range(len(self.records)))
            )
        self.transform = transform
        self.n_pooled = max(batch_size, pool_bytes // max(1, self.source.patch_bytes))
        block = self.source.patches_per_record
        pool = max(1, self.n_pooled // block)
        order = BlockShuffle(block=block, pool=pool, seed=self.source.seed, shuffle=shuffle)
        super().__init__(batch_size=batch_size, shuffle=order, drop_last=drop_last, rank=rank, n_ranks=n_ranks)

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return self.source.records

    @property
    def _dataset(self) -> str:
        return self.source.provenance.dataset

    def _n_items(self, epoch: int) -> int:
        del epoch
        return len(self.source)

    def _identity(self) -> dict[str, Any]:
        return {"source": self.source.digest}

    def _batches(self, numbers: range, epoch: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        chosen = self._chosen(numbers, epoch)
        per_pool = max(1, self.n_pooled // self.batch_size)
        now = list(islice(chosen, per_pool))
        boxes: dict[int, Box] = {}
        for _ in self._reading(now, epoch, boxes):
            pass
        while now:
            after = list(islice(chosen, per_pool))
            ahead: dict[int, Box] = {}
            reading = self._reading(after, epoch, ahead)
            share = -(-sum(len(indices) for _, indices in after) // len(now))
            for number, indices in now:
                patches = self.source.assemble([boxes.pop(index) for index in indices])
                batch = _tensors(patches if self.transform is None else self.transform(patches))
                del patches
                yield number, batch
                del batch
                for _ in islice(reading, share):
                    pass
            for _ in reading:
                pass
            now, boxes = after, ahead

    def _reading(self, batches: Sequence[tuple[int, list[int]]], epoch: int, into: dict[int, Box]) -> Iterator[None]:
        """Read the patches of some batches one by one, in the order of the files."""
        indices = [index for _, each in batches for index in each]
        # A label's voxel is found by reading its block, so records are visited in order already for the places.
        places = {index: self.source.place(index, epoch=epoch) for index in sorted(indices)}
        for at in self.source.reading_order([places[index] for index in indices]):
            into[indices[at]] = self.source.fetch(places[indices[at]])
            yield


class VolumeDataset(Dataset[dict[str, "Tensor"]]):  # type: ignore[misc]
    """Whole volumes of a version, by record, however different their shapes.

    Parameters
    ----------
    data : str or Version
        As for :class:`PatchDataset`.
    ragged : {"pad", "list"}
        What a batch of different shapes is: padded at the end to the largest, with ``valid``; or a list of
        dictionaries, one per record, each with its own shape.
    transform, **options
        As for :class:`PatchDataset`, without what concerns patches.
    """

    def __init__(
        self,
        data: Any,
        *,
        ragged: Literal["pad", "list"] = "pad",
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        if ragged not in {"pad", "list"}:
            raise UsageError("no such choice", subject="ragged", expected="pad or list", found=repr(ragged))
        self.source = VolumeSource(data, **options)
        self.ragged, self.transform = ragged, transform

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return repr(self.source).replace("VolumeSource", type(self).__name__, 1)

    @property
    def records(self) -> tuple[str, ...]:
        """Names of the records; ``record`` in a batch counts in this order."""
        return self.source.records

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return {name: values[0] for name, values in self._padded([index % len(self)]).items()}

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one whole batch, wrapped so that ``default_collate`` passes it on."""
        return [self._wrapped(indices)]

    def _wrapped(self, indices: Sequence[int]) -> Any:
        if self.ragged == "pad":
            return WholeBatch(self._padded(indices))
        return _Ragged(self[int(index)] for index in indices)

    def _padded(self, indices: Sequence[int]) -> dict[str, Tensor]:
        volumes = self.source.volumes(indices)
        return _tensors(volumes if self.transform is None else self.transform(volumes))


class _Ragged(list[dict[str, "Tensor"]]):
    """Records of different shapes; ``default_collate`` is told to leave them alone."""


def _as_a_list(batch: Sequence[_Ragged], *, collate_fn_map: Any = None) -> list[dict[str, Tensor]]:
    del collate_fn_map
    return list(batch[0])


default_collate_fn_map[_Ragged] = _as_a_list
