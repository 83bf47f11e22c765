"""The example recording of py_neuromodulation: six cortical and three subthalamic contacts, and a movement trace.

A BIDS folder with BrainVision files (float32, 0.1 uV per stored step, 1000 Hz, 19 s). Its own description names no
authors and no study; Merk et al. 2022, doi:10.7554/eLife.75126, is the article that the package names for such data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from connectome.schema import warning

from ..formats.recordings.mne_raw import read
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PyNeuromodulationEcog"]

_RECORD = "sub-testsub_ses-EphysMedOff_task-gripforce_run-0"
_FOLDER = "sub-testsub/ses-EphysMedOff/ieeg"
_RUN = f"{_FOLDER}/{_RECORD}"
_SPACE = f"{_FOLDER}/sub-testsub_ses-EphysMedOff_space-mni"
_HOME = "pypi:py_neuromodulation==0.1.3#py_neuromodulation/data"

# The recording first, then what the reader joins to it: bytes, sha256.
_FILES: Mapping[str, tuple[int, str]] = {
    f"{_RUN}_ieeg.vhdr": (988, "f90107c108c96fd1e9f72b9d11ac2a85097cbeb0fc6d8aa2baf945e1cc8f360d"),
    f"{_RUN}_ieeg.eeg": (760040, "36741e303acaa5e2b795cb4867907387ce54313b393825026a2be7fcd539adce"),
    f"{_RUN}_ieeg.vmrk": (540, "043f9599c29eedd474bc6cf392fe1cd3d4274b0737cd8780583189233584388d"),
    f"{_RUN}_ieeg.json": (474, "9d13c45806b48acc8329b796d483e12fd1025a4cea7d0c35b0ac09919537bdb9"),
    f"{_RUN}_channels.tsv": (779, "6528b1adfa5294d11f9afd1d89a27deaeb053f03ed3bf740e82083603a7ce4a6"),
    f"{_SPACE}_electrodes.tsv": (722, "2abf6f2a1d6a9e7c05404d027adecf91e56eb86c75bbe093ff15ece2ab9c7b38"),
    f"{_SPACE}_coordsystem.json": (118, "76ad157367c847e62f6c212a05bee5ab73ff62438ece429ed4787e6b581de3a1"),
}
# About the dataset, not about the signal: seen, and not used.
_DESCRIPTION = {
    "dataset_description.json": (122, "1cc1ed985d1b6f0f573bbf4603246df2eae9132c51279035444718a2cf03dacd"),
    "participants.tsv": (77, "f9d83f8b937823e0a9d65db5e37df3d650e35d499cb939fc4b752a9313ef81d2"),
}


PLAUSIBLE_UV = 1e5
"""A hundred millivolts: more than any electrode in or on a brain gives, artefacts of stimulation included."""


class PyNeuromodulationEcog:
    """The example recording, one record."""

    id = "py_neuromodulation_ecog"
    version = "3"
    dataset = "ecog-demo"

    def files(self) -> Sequence[RemoteFile]:
        """List the recording, its sidecars and the description of the folder."""
        return [
            RemoteFile(
                path=f"{self.id}/{name}",
                url=f"{_HOME}/{name}",
                size_bytes=size,
                sha256=digest,
                licence="MIT",
                records=(_RECORD,) if name in _FILES else (),
                optional=name in _DESCRIPTION,
            )
            for name, (size, digest) in {**_FILES, **_DESCRIPTION}.items()
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job of the recording and its sidecars, if they are all here."""
        inputs = tuple(file for path, file in raw.items() if path.removeprefix(f"{self.id}/") in _FILES)
        unused = tuple(
            Rejected(path, "describes the folder; names no authors, and gives n/a for the one participant", "not-data")
            for path in raw
            if path.removeprefix(f"{self.id}/") in _DESCRIPTION
        )
        return Discovery((Job(self.id, _RECORD, inputs),) if len(inputs) == len(_FILES) else (), unused)

    def read(self, job: Job) -> xr.DataTree:
        """Read the recording with its sidecars."""
        tree = read([job.local(f"{self.id}/{name}") for name in _FILES], sidecars="given", group="ecog")
        series = tree["ecog"].to_dataset()
        # Scaled as its header says, in microvolts; a brain's surface gives a few millivolts at most.
        peak_uv = float((np.abs(series["signal"]) * series["gain"]).max())
        if peak_uv > PLAUSIBLE_UV:
            message = (
                f"by the header's scale the signal reaches {peak_uv / 1e6:.0f} V; its scale is wrong at the source, "
                f"so amplitudes have no meaning in volts"
            )
            doubt = warning("implausible-units", "/ecog/signal", message)
            tree.attrs["warnings"] = [*tree.attrs.get("warnings", []), doubt]
        tree.attrs.update(
            title="Cortical strip and subthalamic electrode during a grip-force task, off medication",
            species="Homo sapiens",
            subject="sub-testsub",
            session="ses-EphysMedOff",
            task="gripforce",
            source=self.id,
            citation="Merk et al., eLife 11:e75126 (2022)",
            doi="10.7554/eLife.75126",
            licence="MIT",
        )
        return tree

    def expected(self) -> Expected:
        """Return the counts: 760,040 bytes are 19,001 time points of ten float32 channels."""
        return Expected(
            {
                _RECORD: {
                    "/ecog": {
                        "n_channels": 10,
                        "n_samples": 19001,
                        "n_segments": 1,
                        "duration_s": 19.001,
                        "sampling_frequency_hz": 1000.0,
                        "dtype": "float32",
                        "n_missing": 0,
                    },
                    "/annotation": {"n_rows": 0},
                    "/electrodes": {"n_rows": 10},
                }
            },
            n_records=1,
        )
