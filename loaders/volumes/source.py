"""Patches over the volumes of many records, in batches of NumPy arrays."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import UsageError

from .assemble import NOWHERE, Box, Patches, assemble, fetch
from .buffers import Buffers
from .cohort import VolumeCohort
from .grid import corner_of, grid_corners
from .occupancy import BACKGROUND, FOREGROUND, Occupancy, foreground_occupancy, label_occupancy
from .region import voxel_in_view
from .sampling import ForegroundWeighted, Grid, LabelBalanced, Sampling, as_sampling, draws, overlap_of

if TYPE_CHECKING:
    from connectome.store import Version

__all__ = ["PatchSource", "Place"]

Array = np.ndarray[Any, Any]
Triple = tuple[int, int, int]
MAX_OCCUPANCIES = 64
"""Records whose blocks are kept at hand in a process, some 50 kB each."""
NO_LABELS = "none of the labels"


@dataclass(frozen=True)
class Place:
    """Where one patch lies."""

    record: int
    corner: Triple
    voxel: Triple = NOWHERE
    """The voxel that was drawn."""
    drawn: int = -1
    """The label it was drawn for."""


class PatchSource(VolumeCohort):
    """Patches of one shape over the volumes of a version.

    Where patch ``index`` of an epoch lies depends on (seed, epoch, index) alone: not on workers, ranks, batches, or
    which patches were read before.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    patch : int or (int, int, int)
        Shape along the axes of the view.
    sampling : str or Sampling
        ``"uniform"``, ``"label-balanced"``, ``"foreground-weighted"``, ``"grid"``, or one of the classes of
        :mod:`~connectome.loaders.volumes.sampling` with its own options.
    patches_per_record : int
        Patches of an epoch in every record; of no use with a grid, which has as many as cover the volume.
    on_small : {"error", "pad"}
        What becomes of a volume that is smaller than the patch along an axis: refused, or put into the middle, with
        ``fill`` and ``mask_fill`` around it, which ``valid`` marks.
    seed : int
        From 0 up.
    **options
        Of :class:`~connectome.loaders.volumes.cohort.VolumeCohort`: ``images``, ``masks``, ``labels``, ``inputs``,
        ``table``, ``records``, ``split``, ``axes``, ``assume``, ``on_missing``, ``fill``, ``mask_fill``, ``normalise``,
        ``dtype``, ``mask_dtype``, ``cache_bytes``, ``root``.

    Raises
    ------
    UsageError
        When an argument cannot be used, a volume is smaller than a patch, or a record has none of the labels.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        patch: int | tuple[int, int, int] = 64,
        sampling: str | Sampling = "uniform",
        patches_per_record: int = 8,
        on_small: Literal["error", "pad"] = "error",
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.patch = _patch_shape(patch)
        self.sampling = as_sampling(sampling)
        if isinstance(self.sampling, Grid):
            overlap_of(self.sampling, self.patch)
        for name, value, least in (("patches_per_record", patches_per_record, 1), ("seed", seed, 0)):
            if value < least:
                raise UsageError(f"{name} is too small", subject=name, expected=f"{least} or more", found=str(value))
        if on_small not in {"error", "pad"}:
            raise UsageError("no such choice", subject="on_small", expected="error or pad", found=repr(on_small))
        super().__init__(data, **options)
        self.patches_per_record, self.on_small, self.seed = int(patches_per_record), on_small, int(seed)
        self._occupancies: OrderedDict[tuple[int, str], Occupancy] = OrderedDict()
        self._buffers = Buffers()
        self._check_sizes()
        self._labels = self._labels_of_records()
        sampled = [at for at in range(len(self.records)) if self._labels[at] is None or self._labels[at]]
        counts = [self._n_patches(at) for at in sampled]
        self._sampled = np.array(sampled, dtype=np.int64)
        self._first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        if not len(self):
            raise UsageError(
                "no record has any of the labels", subject=self.provenance.dataset, found=str(self.skipped)
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_occupancies": OrderedDict()}

    def _check_sizes(self) -> None:
        if self.on_small == "pad":
            return
        for at, name in enumerate(self.records):
            if any(size < edge for size, edge in zip(self.shape(at), self.patch, strict=True)):
                raise UsageError(
                    "a volume is smaller than the patch",
                    subject=name,
                    expected=f"{self.patch} voxels or more",
                    found=str(self.shape(at)),
                    hint="on_small='pad' surrounds it with `fill`, marked in `valid`; or choose a smaller patch",
                )

    def _label_group(self) -> str | None:
        if not isinstance(self.sampling, LabelBalanced):
            return None
        group = self.sampling.group or next(iter(self.masks), None)
        if group is None or group.strip("/") not in self.masks:
            raise UsageError(
                "which label volume tells where to draw",
                subject="sampling",
                expected="one of masks",
                found=repr(group),
                hint="masks=['labels/resection']",
            )
        return group.strip("/")

    def _labels_of_records(self) -> list[tuple[int, ...] | None]:
        """Return the labels to draw from in every record; None where nothing is drawn, () where there is none."""
        group = self._label_group()
        if group is None or not isinstance(self.sampling, LabelBalanced):
            return [None] * len(self.records)
        asked, found = self.sampling.labels, list[tuple[int, ...] | None]()
        for at, name in enumerate(self.records):
            if not self.has(at, group):
                found.append(None)
                continue
            # Reads the counts of the blocks; no voxel.
            ids = self._occupancy(at, group).ids
            here = tuple(label for label in ids if (label != BACKGROUND if asked is None else label in asked))
            rule = self._missing[group]
            if not here and rule == "error":
                raise UsageError(
                    "a record has none of the labels",
                    subject=name,
                    place=group,
                    expected="any label" if asked is None else ", ".join(map(str, asked)),
                    found=", ".join(map(str, ids[:20])) or "no label",
                    hint="on_missing='skip' leaves such records out; 'mask' puts their patches anywhere",
                )
            if not here and rule == "skip":
                self.skipped[name] = NO_LABELS
            found.append(here if here or rule == "skip" else None)
        return found

    def _n_patches(self, record: int) -> int:
        if isinstance(self.sampling, Grid):
            return len(grid_corners(self.shape(record), self.patch, overlap_of(self.sampling, self.patch)))
        return self.patches_per_record

    def _occupancy(self, record: int, group: str) -> Occupancy:
        key = (record, group)
        if key not in self._occupancies:
            reader = self.reader(record)
            if group in self.masks:
                found = label_occupancy(reader, group, background=self._wants_background())
            else:
                found = foreground_occupancy(reader, group)
            self._occupancies[key] = found
            if len(self._occupancies) > MAX_OCCUPANCIES:
                self._occupancies.popitem(last=False)
        self._occupancies.move_to_end(key)
        return self._occupancies[key]

    def _wants_background(self) -> bool:
        return isinstance(self.sampling, LabelBalanced) and BACKGROUND in (self.sampling.labels or ())

    def __len__(self) -> int:
        return int(self._first[-1])

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.provenance.label} "
            f"{', '.join(self.groups)}: {len(self)} patches of {' x '.join(map(str, self.patch))} in "
            f"{len(self._sampled)} records>"
        )

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values."""
        return {
            **super().description(),
            "patch": list(self.patch),
            "sampling": type(self.sampling).__name__,
            "sampling_options": asdict(self.sampling),
            "patches_per_record": self.patches_per_record,
            "on_small": self.on_small,
            "seed": self.seed,
        }

    @property
    def patch_bytes(self) -> int:
        """Bytes of one patch of all volumes in their stored dtypes; where dtypes differ, of the record with most."""
        voxels = int(np.prod(self.patch))
        return voxels * max(sum(each.dtype.itemsize for each in volumes.values()) for volumes in self._stored)

    @property
    def digest(self) -> str:
        """SHA-256 of :meth:`description`: of everything that decides which patches there are."""
        return hashlib.sha256(json.dumps(self.description(), sort_keys=True).encode()).hexdigest()

    def place(self, index: int, *, epoch: int = 0) -> Place:
        """Return where a patch lies.

        Raises
        ------
        IndexError
            When there is no such patch.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"patch {index} of {len(self)}")
        at = int(np.searchsorted(self._first, index, side="right")) - 1
        record, sampling = int(self._sampled[at]), self.sampling
        if isinstance(sampling, Grid):
            corners = grid_corners(self.shape(record), self.patch, overlap_of(sampling, self.patch))
            i, j, k = corners[index - int(self._first[at])].tolist()
            return Place(record, (i, j, k))
        generator = draws(self.seed, epoch, index)
        if isinstance(sampling, LabelBalanced):
            labels, group = self._labels[record], self._label_group()
            if labels and group is not None:
                label = labels[int(generator.integers(len(labels)))]
                return self._around(record, self._occupancy(record, group), label, generator, drawn=label)
        if isinstance(sampling, ForegroundWeighted) and generator.random() < sampling.fraction:
            occupancy = self._occupancy(record, self._foreground_group(record, sampling))
            if occupancy.ids:
                return self._around(record, occupancy, FOREGROUND, generator, drawn=-1)
        corner = [
            int(generator.integers(size - edge + 1)) if size > edge else corner_of(size, edge, 0)
            for size, edge in zip(self.shape(record), self.patch, strict=True)
        ]
        return Place(record, (corner[0], corner[1], corner[2]))

    def _foreground_group(self, record: int, sampling: ForegroundWeighted) -> str:
        if sampling.group is not None and sampling.group.strip("/") in self.images:
            return sampling.group.strip("/")
        if sampling.group is not None:
            raise UsageError("which image has the foreground", subject="sampling", expected="one of images")
        return next(image for image in self.images if self.has(record, image))

    def _around(
        self, record: int, occupancy: Occupancy, label: int, generator: np.random.Generator, *, drawn: int
    ) -> Place:
        """Return the patch around a voxel of a label."""
        voxel = voxel_in_view(
            occupancy.draw(self.reader(record), label, generator), self.turn(record), self.stored_shape(record)
        )
        i, j, k = (
            corner_of(size, edge, at - edge // 2)
            for size, edge, at in zip(self.shape(record), self.patch, voxel, strict=True)
        )
        return Place(record, (i, j, k), voxel, drawn)

    def fetch(self, place: Place) -> Box:
        """Read a patch in stored dtypes."""
        return fetch(self, place.record, place.corner, self.patch, place.voxel, place.drawn)

    def assemble(self, boxes: Sequence[Box]) -> Patches:
        """Put patches that were read together to a batch."""
        return assemble(self, boxes, self.patch, with_valid=self.on_small == "pad", buffers=self._buffers)

    def patches(self, indices: Sequence[int] | Array, *, epoch: int = 0) -> Patches:
        """Read a batch.

        Parameters
        ----------
        indices : sequence of int
            Which patches, in the order of the batch; repeats are allowed.
        epoch : int
            From 0 up; every epoch has patches of its own, except on a grid.

        Returns
        -------
        Patches

        Raises
        ------
        IndexError
            When there is no such patch.
        DamagedError
            When a file is missing or its bytes have changed.
        """
        places = [self.place(int(index), epoch=epoch) for index in indices]
        boxes: list[Box | None] = [None] * len(places)
        for at in self.reading_order(places):
            boxes[at] = self.fetch(places[at])
        return self.assemble([box for box in boxes if box is not None])

    def reading_order(self, places: Sequence[Place]) -> list[int]:
        """Return the order in which patches that share chunks follow each other: by record, then through the volume."""
        keys = np.array([(place.record, *place.corner) for place in places], dtype=np.int64).reshape(-1, 4)
        order: list[int] = np.lexsort(keys.T[::-1]).tolist()
        return order


def _patch_shape(patch: int | tuple[int, int, int]) -> Triple:
    edges = (patch,) * 3 if isinstance(patch, int) else tuple(int(edge) for edge in patch)
    if len(edges) != 3 or min(edges) < 1:
        raise UsageError("a patch has three edges of 1 voxel or more", subject="patch", found=repr(patch))
    return edges[0], edges[1], edges[2]
