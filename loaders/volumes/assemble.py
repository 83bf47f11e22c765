"""Boxes of many records, read in stored dtypes, put together to one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .intensity import Intensity, scale_into
from .region import box_inside

if TYPE_CHECKING:
    from .buffers import Buffers
    from .cohort import VolumeCohort

__all__ = ["Box", "Patches", "assemble", "fetch"]

Array = np.ndarray[Any, Any]
Triple = tuple[int, int, int]
NOWHERE: Triple = (-1, -1, -1)


@dataclass(frozen=True)
class Patches:
    """A batch of patches, or of whole volumes that are padded to one shape."""

    image: Array
    """Shape (patch, image, i, j, k), floats: physical or normalised values; ``fill`` where there is nothing."""
    mask: Array
    """Shape (patch, mask, i, j, k), integers; ``mask_fill`` where there is nothing."""
    valid: Array | None
    """Shape (patch, i, j, k), bool: True inside the volume; None where no patch can reach out of one."""
    present: Array
    """Shape (patch, image), bool: whether the record has the image."""
    mask_present: Array
    """Shape (patch, mask), bool."""
    record: Array
    """Shape (patch,), int64: position in ``records``."""
    corner: Array
    """Shape (patch, 3), int64: first voxel along the axes of the view; negative where a patch begins before it."""
    voxel: Array
    """Shape (patch, 3), int64: the voxel that was drawn and lies inside, in the volume; -1 where none was."""
    drawn: Array
    """Shape (patch,), int64: the label it was drawn for; -1 where none was."""
    labels: dict[str, Array] = field(default_factory=dict)
    """Column to values of shape (patch,)."""
    inputs: dict[str, Array] = field(default_factory=dict)
    """The same of what is known beforehand."""

    def __len__(self) -> int:
        return len(self.record)


@dataclass(frozen=True)
class Box:
    """One patch as it is stored."""

    record: int
    corner: Triple
    values: tuple[Array | None, ...]
    """Of every image and mask the part inside the volume, in the stored dtype; None where the record lacks it."""
    place: tuple[slice, ...]
    """Where that part lies in the patch."""
    voxel: Triple = NOWHERE
    drawn: int = -1

    @property
    def n_bytes(self) -> int:
        """Bytes that it holds."""
        return sum(values.nbytes for values in self.values if values is not None)


def fetch(
    cohort: VolumeCohort, record: int, corner: Triple, shape: Triple, voxel: Triple = NOWHERE, drawn: int = -1
) -> Box:
    """Read one box of every volume of a record."""
    start, stop, place = box_inside(corner, shape, cohort.shape(record))
    values = tuple(
        cohort.read(record, group, start, stop) if cohort.has(record, group) else None for group in cohort.groups
    )
    return Box(record, corner, values, place, voxel, drawn)


def assemble(
    cohort: VolumeCohort, boxes: Sequence[Box], shape: Triple, *, with_valid: bool, buffers: Buffers
) -> Patches:
    """Put boxes together to a batch.

    Parameters
    ----------
    cohort : VolumeCohort
        Where they were read.
    boxes : sequence of Box
        In the order of the batch.
    shape : tuple of int
        Of a patch.
    with_valid : bool
        Whether the batch says which voxels lie in a volume.
    buffers : Buffers
        Where the large arrays come from.
    """
    n_images, n_masks = len(cohort.images), len(cohort.masks)
    image = buffers.take((len(boxes), n_images, *shape), cohort.dtype)
    mask = buffers.take((len(boxes), n_masks, *shape), cohort.mask_dtype)
    valid = buffers.take((len(boxes), *shape), np.dtype(bool)) if with_valid else None
    whole = tuple(slice(0, edge) for edge in shape)
    maps: dict[tuple[int, int], Intensity] = {}
    for at, box in enumerate(boxes):
        if valid is not None:
            valid[at] = False
            valid[at][box.place] = True
        for channel, values in enumerate(box.values[:n_images]):
            if values is None or box.place != whole:
                image[at, channel] = cohort.fill
            if values is not None:
                key = (box.record, channel)
                if key not in maps:
                    maps[key] = cohort.intensity(box.record, cohort.images[channel])
                scale_into(image[at, channel][box.place], values, maps[key])
        for channel, values in enumerate(box.values[n_images:]):
            if values is None or box.place != whole:
                mask[at, channel] = cohort.mask_fill
            if values is not None:
                _check_ids(values, cohort, box.record, channel)
                np.copyto(mask[at, channel][box.place], values, casting="unsafe")
    record = np.array([box.record for box in boxes], dtype=np.int64)
    present = cohort.present[record]
    return Patches(
        image=image,
        mask=mask,
        valid=valid,
        present=present[:, :n_images],
        mask_present=present[:, n_images:],
        record=record,
        corner=np.array([box.corner for box in boxes], dtype=np.int64).reshape(-1, 3),
        voxel=np.array([box.voxel for box in boxes], dtype=np.int64).reshape(-1, 3),
        drawn=np.array([box.drawn for box in boxes], dtype=np.int64),
        labels={name: cohort.columns[name].values[record] for name in cohort.labels},
        inputs={name: cohort.columns[name].values[record] for name in cohort.inputs},
    )


def _check_ids(values: Array, cohort: VolumeCohort, record: int, channel: int) -> None:
    """Refuse ids that the dtype of masks does not hold: they would come out as other labels."""
    if np.can_cast(values.dtype, cohort.mask_dtype, "safe") or not values.size:
        return
    low, high, limits = int(values.min()), int(values.max()), np.iinfo(cohort.mask_dtype)
    if low < limits.min or high > limits.max:
        raise UsageError(
            "a label does not fit into the dtype of masks",
            subject=cohort.records[record],
            place=cohort.masks[channel],
            expected=f"{limits.min} to {limits.max} ({cohort.mask_dtype})",
            found=f"{low} to {high}",
            hint="mask_dtype='int64'",
        )
