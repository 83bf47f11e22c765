"""Whole volumes of different shapes, one record after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .assemble import Patches, assemble, fetch
from .buffers import Buffers
from .cohort import VolumeCohort

if TYPE_CHECKING:
    from connectome.store import Version

__all__ = ["VolumeSource"]

Array = np.ndarray[Any, Any]


class VolumeSource(VolumeCohort):
    """Whole volumes of a version, by record.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    **options
        Of :class:`~connectome.loaders.volumes.cohort.VolumeCohort`.
    """

    def __init__(self, data: str | Version, **options: Any) -> None:
        super().__init__(data, **options)
        self._buffers = Buffers()

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.provenance.label} {', '.join(self.groups)}: {len(self)} records>"

    def volumes(self, indices: Sequence[int] | Array) -> Patches:
        """Read records as one batch, padded at the end of every axis to the largest, which ``valid`` marks.

        Memory is that of the batch: as many records, each as large as the largest of them.

        Raises
        ------
        IndexError
            When there is no such record.
        DamagedError
            When a file is missing or its bytes have changed.
        """
        chosen = [int(index) for index in indices]
        if any(not 0 <= index < len(self) for index in chosen):
            raise IndexError(f"record {chosen} of {len(self)}")
        shapes = np.array([self.shape(index) for index in chosen], dtype=np.int64).reshape(-1, 3)
        i, j, k = shapes.max(axis=0).tolist() if len(chosen) else (0, 0, 0)
        boxes = [fetch(self, index, (0, 0, 0), (i, j, k)) for index in chosen]
        return assemble(self, boxes, (i, j, k), with_valid=True, buffers=self._buffers)
