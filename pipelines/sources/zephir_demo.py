"""The example recording of ZephIR (Ryu et al. 2024): 23 tracked cells of a semi-immobilised worm, 512 frames.

Source: github.com/venkatachalamlab/ZephIR, folder ``example/data`` (description in ``example/demo.ipynb``). No cell is
named, and no file says how long a frame took. The video itself is not part of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..formats.worms.hdf5_celegans import read
from ..jobs import Discovery, Expected, Job, RawFiles, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ZephirDemo"]

_HOME = (
    "https://raw.githubusercontent.com/venkatachalamlab/ZephIR/6ba8f32c3127805890070e3c7bc2435c0b074bfa/example/data"
)
_RECORD = "zephir_demo"

# In the order that the reader takes them, positions from the first: folder at the source, bytes, sha256.
_FILES: Mapping[str, tuple[str, int, str]] = {
    "annotations-g.h5": ("backup", 380928, "2c8def05d9788d5321e73aeef9e8559d426f95935681861ea9d9081e731d5e19"),
    "annotations-2.h5": ("backup", 5632, "a5708efbfccecd05bd8ccab9e8c4b3e0beeb8312591842fb0fe04ac427781fac"),
    "worldlines.h5": ("", 2485, "f4636d89d7712273a431d374c0a5d055e8672063f5fc4d0004cf3932768032c5"),
    "traces.npy": ("backup", 94336, "9be64033015aba152acdae273f38dc4999eadd2d70c488c7e81249a218bf476e"),
    "metadata.json": ("", 180, "8681d07455d2759ecb8beea7fd8c0c2d20d383e41fdbea93434c899e67e19b60"),
    "parameters.json": ("backup", 222, "0b0d745996c3a50c2e2920546b86f3cf58efd77ec93ea9df98bce53bcceeb1e0"),
}


class ZephirDemo:
    """The example of ZephIR, one record."""

    id = "zephir_demo"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the six files of the recording."""
        return [
            RemoteFile(
                path=f"zephir_demo/{name}",
                url="/".join(part for part in (_HOME, folder, name) if part),
                size_bytes=size,
                sha256=digest,
                licence="MIT",
                records=(_RECORD,),
            )
            for name, (folder, size, digest) in _FILES.items()
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job of all files, if they are all here."""
        return Discovery((Job(self.id, _RECORD, tuple(raw.values())),) if len(raw) == len(_FILES) else ())

    def read(self, job: Job) -> xr.DataTree:
        """Read the recording."""
        tree = read([job.local(f"zephir_demo/{name}") for name in _FILES])
        tree.attrs.update(
            title="Calcium imaging of a semi-immobilised worm, the example of ZephIR",
            subject="zephir_demo",
            condition="semi-immobilised, IFT-20 expression",
            source=self.id,
            citation="Ryu et al., PLoS Computational Biology 20:e1012075 (2024)",
            doi="10.1371/journal.pcbi.1012075",
            licence="MIT",
        )
        return tree

    def expected(self) -> Expected:
        """Return the counts, taken from the files with h5py and NumPy."""
        unknown_time = {"duration_s": None, "sampling_frequency_hz": None}
        return Expected(
            {
                _RECORD: {
                    "/activity": {
                        "n_channels": 23,
                        "n_samples": 512,
                        "dtype": "float64",
                        "n_missing": 0,
                        **unknown_time,
                    },
                    "/position": {
                        "n_channels": 69,
                        "n_samples": 512,
                        "dtype": "float32",
                        "n_missing": 0,
                        **unknown_time,
                    },
                    "/annotation/annotations-g": {"n_rows": 11776},
                    "/annotation/annotations-2": {"n_rows": 46},
                    "/neuron": {"n_rows": 23},
                }
            },
            n_records=1,
        )
