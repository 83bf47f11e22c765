"""The MNI ICBM 152 T1 template of 2009 at 1 mm, brain only, as the package nilearn carries it.

Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033. The stored numbers are 8-bit intensities of an average over
152 brains; they have no unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectome.schema import warning

from ..formats.volumes.nifti import read
from ..jobs import Discovery, Expected, Job, RawFiles, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NilearnMni"]

_RECORD = "mni152_2009a_t1w_1mm"
_NAME = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
_NOTICE = (
    "Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, "
    "McGill University"
)


class NilearnMni:
    """The template, one record."""

    id = "nilearn_mni"
    version = "2"
    dataset = "mni-template"

    def files(self) -> Sequence[RemoteFile]:
        """List the one file."""
        return [
            RemoteFile(
                path=f"nilearn_mni/{_NAME}",
                url=f"pypi:nilearn==0.14.1#nilearn/datasets/data/{_NAME}",
                size_bytes=1617531,
                sha256="421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
                licence="MNI-notice",
                records=(_RECORD,),
            )
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job."""
        return Discovery(tuple(Job(self.id, _RECORD, (file,)) for file in raw.values()))

    def read(self, job: Job) -> xr.DataTree:
        """Read the volume; the name of the file and nilearn's documentation disagree about its symmetry."""
        tree = read(
            [job.local(f"nilearn_mni/{_NAME}")], group="t1w", long_name="T1-weighted intensity, average of 152 brains"
        )
        message = 'the file\'s name says "sym" (symmetric), the documentation of nilearn says asymmetric'
        tree.attrs["warnings"] = [
            *tree.attrs.get("warnings", []),
            warning("sources-disagree", _NAME, message),
        ]
        tree.attrs.update(
            title="MNI ICBM 152 nonlinear 2009a T1 template, brain only, 1 mm",
            species="Homo sapiens",
            space="MNI152NLin2009a",
            source=self.id,
            citation="Fonov et al., NeuroImage 54:313-327 (2011)",
            doi="10.1016/j.neuroimage.2010.07.033",
            licence="MNI-notice",
            copyright_notice=_NOTICE,
        )
        return tree

    def expected(self) -> Expected:
        """Return shape, type and affine, taken from the header with struct."""
        affine = [[1.0, 0.0, 0.0, -98.0], [0.0, 1.0, 0.0, -134.0], [0.0, 0.0, 1.0, -72.0], [0.0, 0.0, 0.0, 1.0]]
        return Expected(
            {_RECORD: {"/t1w": {"shape": [197, 233, 189], "dtype": "uint8", "affine": affine}}}, n_records=1
        )
