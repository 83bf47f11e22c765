"""A volume of labels in NIfTI, read plane by plane from front to back: never whole, gzip or plain.

Layout: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h. The first axis lies closest in the file, so planes
are cut along the last: the volume appears here with its axes reversed.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from connectome.errors import FormatError, TruncatedError

from ..files.pointers import refuse_pointer
from .gzip_file import GZIP_MAGIC

__all__ = ["LabelVolume"]

SKIPPED_AT_A_TIME = 1 << 20


class LabelVolume:
    """Labels (k, j, i) of a NIfTI file whose axes are (i, j, k).

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``. Needs nibabel (extra ``mri``).

    Raises
    ------
    FormatError
        When it is no NIfTI volume of three axes, or its numbers are scaled.
    """

    def __init__(self, path: Path) -> None:
        import nibabel as nib
        from nibabel.filebasedimages import ImageFileError
        from nibabel.spatialimages import HeaderDataError

        refuse_pointer(path)
        try:
            stored: Any = nib.load(path).dataobj  # type: ignore[attr-defined]
            shape, self.dtype, self._offset = stored.shape, np.dtype(stored.dtype), int(stored.offset)
            scaling = (float(stored.slope), float(stored.inter))
        except (ImageFileError, HeaderDataError, AttributeError, EOFError) as error:
            raise FormatError("not a NIfTI volume", subject=str(path), found=str(error)[:200]) from None
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3 or self.dtype.kind not in "iuf" or scaling != (1.0, 0.0):
            raise FormatError(
                "not a volume of labels",
                subject=str(path),
                expected="three axes of numbers without a scale",
                found=f"shape {tuple(shape)}, {self.dtype}, scale {scaling}",
            )
        self.path, self.shape = path, tuple(int(size) for size in reversed(shape))
        self._file: BinaryIO | None = None
        self._at = 0

    def __getitem__(self, planes: slice) -> np.ndarray[Any, Any]:
        """Return some planes; asking for earlier ones starts again from the front."""
        start, stop, _ = planes.indices(self.shape[0])
        plane_bytes = self.shape[1] * self.shape[2] * self.dtype.itemsize
        self._seek(self._offset + start * plane_bytes)
        data = self._read((stop - start) * plane_bytes)
        return np.frombuffer(data, dtype=self.dtype).reshape(stop - start, *self.shape[1:])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _seek(self, position: int) -> None:
        if self._file is None or position < self._at:
            self.close()
            with self.path.open("rb") as file:
                packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            self._file = cast("BinaryIO", gzip.open(self.path)) if packed else self.path.open("rb")  # noqa: SIM115
            self._at = 0
        while self._at < position:
            self._read(min(SKIPPED_AT_A_TIME, position - self._at))

    def _read(self, n_bytes: int) -> bytes:
        assert self._file is not None
        try:
            data = self._file.read(n_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TruncatedError("the gzip stream is damaged", subject=str(self.path), found=str(error)) from None
        self._at += len(data)
        if len(data) != n_bytes:
            raise TruncatedError(
                "the volume ends too early",
                subject=str(self.path),
                place=f"byte {self._at}",
                expected=f"{n_bytes} more bytes",
                found=f"{len(data)}",
            )
        return data
