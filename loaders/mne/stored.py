"""MNE-Python's object over a record's file: samples are read when they are asked for.

Everything that :func:`connectome.mne_raw.raw_array` tells MNE-Python is told here too, and the values are equal to the
bit; only the chunks that a request touches are read and decoded. The object is pickled and copied as a description of
where its samples lie, without them.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mne
import numpy as np

from connectome.mne_raw import complete

from ..reading.chunks import ArrayReader, Shelf

if TYPE_CHECKING:
    from connectome.mne_raw import Described

    from ..reading.specs import RecordFile

__all__ = ["RawRecord"]


class RawRecord(mne.io.BaseRaw):  # type: ignore[misc]
    """One series of a stored record, read lazily; float64 in SI units.

    Parameters
    ----------
    file : RecordFile
        Where the record lies.
    described : Described
        What :func:`connectome.mne_raw.describe` says of the series.

    Notes
    -----
    :meth:`mne.io.BaseRaw.load_data` reads all of it, for what MNE-Python does in memory only, such as filters.
    """

    def __init__(self, file: RecordFile, described: Described) -> None:
        super().__init__(
            described.info,
            preload=False,
            first_samps=(described.first_sample,),
            last_samps=(described.first_sample + described.n_times - 1,),
            raw_extras=[{"samples": _Samples(file, described)}],
            verbose="error",
        )
        complete(self, described)

    def _read_segment_file(
        self, data: np.ndarray[Any, Any], idx: Any, fi: int, start: int, stop: int, cals: Any, mult: Any
    ) -> None:
        """Fill ``data`` with the samples ``start`` to ``stop`` of the channels ``idx``, as MNE-Python asks."""
        values = self._raw_extras[fi]["samples"].read(idx, start, stop)
        data[:] = values * cals if mult is None else mult @ values


class _Samples:
    """Where the samples of a series lie and how they become physical."""

    def __init__(self, file: RecordFile, described: Described) -> None:
        self.shelf = Shelf([file])
        self.path = f"{described.path}/signal"
        self.first_sample = described.first_sample
        self.pieces = described.pieces
        self.n_channels = len(described.scale.factor)
        self.scale = described.scale

    def array(self) -> ArrayReader:
        return self.shelf.reader(0).array(self.path)

    def read(self, channels: Any, start: int, stop: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return some channels between two samples of MNE-Python's clock; zeros where nothing was recorded."""
        start, stop = start - self.first_sample, stop - self.first_sample
        values = np.zeros((len(self.scale.factor[channels]), stop - start))
        for at, first, last in self.pieces:
            low, high = max(start, at), min(stop, at + last - first)
            if low < high:
                stored = self.array().read([0, low - at + first], [self.n_channels, high - at + first])
                values[:, low - start : high - start] = self.scale.physical(stored[channels], channels)
        return values
