"""See Elegans (Lanza et al. 2024): an immobilised worm as tracks in MATLAB files, detections by hand and an atlas.

Source: github.com/enricoliit/SeeElegans. The files give frames and no sampling rate. The voxel size of Dataset 2 is
the one that the authors' script ``Identification/TestFBPN2.m`` passes on, where no unit is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..formats.worms.mat_celegans import read
from ..jobs import Discovery, Expected, Job, RawFiles, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SeeElegans2024"]

_HOME = "https://raw.githubusercontent.com/enricoliit/SeeElegans/b3665061d22d5db3dd90d066136f79edaad966d6"
_ACCURACY = "Accuracy%20over%20dataset%201%20to%203/Dataset2and3"

# Record: file here, path at the source, bytes, sha256.
_FILES: Mapping[str, tuple[str, str, int, str]] = {
    "seeelegans2024-dataset2": (
        "Dataset2.mat",
        "Identification/Dataset2.mat",
        3646872,
        "f9040c8cc519ab1e4994f3bc21ae42570a2873014c5fdecdd98bde6ba16a5deb",
    ),
    "seeelegans2024-tracks-c": (
        "neurons_reconstructed_max_2_c.mat",
        f"{_ACCURACY}/neurons_reconstructed_max_2_c.mat",
        1106480,
        "abcdcf8c250e16363a5186ea1b3ec4e6b70cd5dd0626eb211e6aaa728ac0af92",
    ),
    "seeelegans2024-by-hand": (
        "neurons_by_hand.mat",
        f"{_ACCURACY}/neurons_by_hand.mat",
        1971,
        "737a06a3a7d6f6b5f755622d05bb1d5ab87ab96a60ab0b7134a3d94ef0d55080",
    ),
    "seeelegans2024-atlas": (
        "atlas.mat",
        "Identification/Functions/atlas.mat",
        1524,
        "b95c0eab3d794de68ecd055c5144e31e66b4dbd66200f71ee94e7de1a8763ea4",
    ),
}

_CITATION: Mapping[str, Any] = {
    "source": "seeelegans2024",
    "citation": "Lanza et al., PLoS ONE (2024)",
    "doi": "10.1371/journal.pone.0300628",
    "licence": "GPL-3.0-only",
}
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "seeelegans2024-dataset2": {
        "title": "Whole-brain calcium imaging of an immobilised worm, Dataset 2 of See Elegans",
        "subject": "seeelegans2024-dataset2",
        "condition": "immobilised",
        "voxel_size": [0.356, 0.356, 2],
        "voxel_size_source": "Identification/TestFBPN2.m, without a unit",
    },
    "seeelegans2024-tracks-c": {
        "title": "Tracks of See Elegans that its accuracy was measured on, 23 frames with data",
        "compared_with": "hand_c of seeelegans2024-by-hand, by Comparison.m",
    },
    "seeelegans2024-by-hand": {"title": "Cells that people marked by hand, to measure the accuracy of See Elegans"},
    "seeelegans2024-atlas": {"title": "Reference positions of 36 neurons in See Elegans"},
}


class SeeElegans2024:
    """The MATLAB files of See Elegans."""

    id = "seeelegans2024"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the four files, each of which is one record."""
        return [
            RemoteFile(
                path=f"seeelegans2024/{name}",
                url=f"{_HOME}/{place}",
                size_bytes=size,
                sha256=digest,
                licence="GPL-3.0-only",
                records=(record,),
            )
            for record, (name, place, size, digest) in _FILES.items()
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every file that is here."""
        paths = {record: f"seeelegans2024/{name}" for record, (name, *_) in _FILES.items()}
        return Discovery(tuple(Job(self.id, record, (raw[path],)) for record, path in paths.items() if path in raw))

    def read(self, job: Job) -> xr.DataTree:
        """Read a file into a record."""
        tree = read([job.inputs[0].local])
        tree.attrs.update(_CITATION, **_ABOUT[job.record])
        return tree

    def expected(self) -> Expected:
        """Return the counts, taken from the files with scipy and h5py."""
        unknown_time = {"duration_s": None, "sampling_frequency_hz": None}
        return Expected(
            {
                "seeelegans2024-dataset2": {
                    "/activity": {
                        "n_channels": 118,
                        "n_samples": 1161,
                        "dtype": "float64",
                        "n_missing": 288,
                        **unknown_time,
                    },
                    "/position": {"n_channels": 354, "n_samples": 1161, "n_missing": 0, **unknown_time},
                    "/neuron": {"n_rows": 118},
                },
                "seeelegans2024-tracks-c": {
                    # The last three of the 26 rows of every track are empty.
                    "/activity": {"n_channels": 61, "n_samples": 26, "n_missing": 183, **unknown_time},
                    "/position": {"n_channels": 183, "n_samples": 26, "n_missing": 549, **unknown_time},
                    "/selected_pixels": {"n_rows": 57561},
                    "/neuron": {"n_rows": 61},
                },
                "seeelegans2024-by-hand": {"/hand_c": {"n_rows": 98}, "/hand_e": {"n_rows": 122}},
                "seeelegans2024-atlas": {"/atlas": {"n_rows": 36}},
            },
            n_records=4,
        )
