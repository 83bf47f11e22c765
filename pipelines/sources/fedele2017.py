"""High-frequency oscillations in intracranial EEG of sleep, Zurich: a clip of 5 s with 68 marks.

Fedele et al. 2017, doi:10.1038/s41598-017-13064-1; OpenNeuro ds003498 (CC0). The clip comes with mne-hfo
(github.com/adam2392/mne-hfo, BSD-3-Clause); the whole release is listed by its accession (:mod:`.openneuro_accession`).
The recording's header says microvolts and its channel table says volts: the header holds, as the reader tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectome import schema
from connectome.errors import FormatError

from ..formats.bids.participants import read_participants
from ..formats.bids.tsv import read_rows
from ..formats.recordings import mne_raw
from ..jobs import Expected, RemoteFile
from .linked_people import linked_subjects
from .recordings import RecordingSource, local_of, with_groups

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from ..jobs import Job

__all__ = ["Fedele2017"]

_RECORD = "sub-01_ses-interictalsleep_run-01"
_HOME = "https://raw.githubusercontent.com/adam2392/mne-hfo/ad6299d70d42e995e8ebf30d89f7eeb037534d3d/data"
_RUN = f"sub-01/ses-interictalsleep/ieeg/{_RECORD}"
_LICENCE = "CC0-1.0"

# The recording first, then what the reader joins to it: bytes, sha256.
_FILES: Mapping[str, tuple[int, str]] = {
    f"{_RUN}_ieeg.vhdr": (1619, "98833d07bde9a7df3bfe7b684d74b1d4c506dc4237fd46ed6b8ed55c8bceaf0c"),
    f"{_RUN}_ieeg.eeg": (2000000, "8304922b8f53810a5a74e5e0690119aa3f5d401bc90b1290e8c7fbe591fbdaee"),
    f"{_RUN}_ieeg.vmrk": (2449, "2ae29495beb6335dd67a8223b12681c09ca8a5fce4ea902d6a4d378a66a160af"),
    f"{_RUN}_ieeg.json": (462, "dc05ba6b151d3ce4fff2ebe39750d73de148f5696f6282085b448786ecd7fb25"),
    f"{_RUN}_channels.tsv": (3074, "d3b06b7d520087ca6c87673b34877ccb15287c2a6969da234355cb7d3995cc64"),
    f"{_RUN}_events.tsv": (2379, "bed9ac785e19961d68b85e3dd095e76a52ee44a52aa1343cc5a58d791397328b"),
    "participants.tsv": (114, "65546d12560ba7ddf0cdf9a43963a81313c08627ef1b76777a84af31d39f50a3"),
}
# Seen, and not used: why.
_ABOUT: Mapping[str, tuple[int, str, str]] = {
    "dataset_description.json": (
        279, "94de4c16c1770401d0ee73ad422d5c81bb69185f461a4497a07e8e130c291844", "names the dataset and its authors",
    ),
    "participants.json": (
        1967, "0f35550246bfe32adf867e21309e0c31621160da7b4d7f565212e0adc104f1fa",
        "explains columns of which few are in the table",
    ),
    "sub-01/ses-interictalsleep/sub-01_ses-interictalsleep_scans.tsv": (
        97, "c3b65c1ea9cdb5fea7e3ca7c65daf329b52f39e33348fdbee1188ca9acf02762", "gives the date of the recording only",
    ),
    f"derivatives/{_RUN}_annotations.tsv": (
        1366, "34ffb1f6872fcf99aa81f334398c7895e30d757c00f3a4ca1b3f8753ac0ff188",
        "detections of mne-hfo, not those of the authors",
    ),
    f"derivatives/{_RUN}_annotations.json": (
        487, "bdbf28c09d286b54bd30e4f88cde1c79eb62232e601c747165aabf389c5c58c8",
        "explains detections that are not used",
    ),
}  # fmt: skip

_TEXT = re.compile(r"(?P<kind>ripple|fr|frandr)_(?P<channels>\S+)")
LABELS: Mapping[str, str] = {"ripple": "ripple", "fr": "fast ripple", "frandr": "fast ripple and ripple"}
"""Prefix of a mark to what it is (the code book of the derivatives; Fedele et al. 2017)."""


class Fedele2017(RecordingSource):
    """The clip, one record."""

    id = "fedele2017"
    version = "3"
    dataset = "zurich-hfo"
    parts = (".eeg", ".vmrk")
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Fedele et al., Scientific Reports 7:13836 (2017)",
        "doi": "10.1038/s41598-017-13064-1",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the recording, its sidecars, and what describes the folder."""
        used = [self._listed(name, *about, used=True) for name, about in _FILES.items()]
        return [*used, *(self._listed(name, size, digest, used=False) for name, (size, digest, _) in _ABOUT.items())]

    def _listed(self, name: str, size: int, sha256: str, *, used: bool) -> RemoteFile:
        return RemoteFile(
            f"{self.id}/{name}", f"{_HOME}/{name}", size, sha256, licence=_LICENCE,
            records=(_RECORD,) if used else (), optional=not used,
        )  # fmt: skip

    def is_main(self, path: str) -> bool:
        """Return whether a file is the header."""
        return path.endswith(".vhdr")

    def shares(self, path: str) -> bool:  # noqa: ARG002 - none is shared
        """Return False: every file that is read is listed for the record."""
        return False

    def why_unused(self, path: str) -> str:
        """Return why a file goes into no record."""
        about = _ABOUT.get(path.removeprefix(f"{self.id}/"))
        return about[2] if about else super().why_unused(path)

    def describe(self, record: str) -> Mapping[str, Any]:  # noqa: ARG002 - there is one
        """Say who was recorded, and when."""
        return {
            "title": "Five seconds of intracranial EEG in sleep with high-frequency oscillations (Fedele et al. 2017)",
            "subject": "sub-01",
            "session": "ses-interictalsleep",
            "task": "sleep",
            "run": 1,
            **linked_subjects(self.id, "sub-01"),
        }

    def recording(self, job: Job) -> xr.DataTree:
        """Read the recording with its channels; the marks become events with their kind and bipolar channel."""
        own = [file.local for file in job.inputs if _RECORD in file.path and not file.path.endswith("_events.tsv")]
        tree = mne_raw.read(own, sidecars="given", group="ieeg")
        groups: dict[str, xr.Dataset] = {}
        events, people = (local_of(job.inputs, name) for name in ("_events.tsv", "participants.tsv"))
        if events is not None:
            groups["events"] = _marks(events)
        if people is not None:
            subject, notes = read_participants(people).table("01")
            tree.attrs["warnings"] = [*tree.attrs.get("warnings", []), *notes]
            if subject is not None:
                groups["subject"] = subject
        return with_groups(tree, groups)

    def expected(self) -> Expected:
        """Return the published counts."""
        series = {"n_channels": 50, "n_samples": 10_000, "duration_s": 5.0, "sampling_frequency_hz": 2000.0}
        return Expected({_RECORD: {"/ieeg": {**series, "dtype": "float32"}, "/events": {"n_rows": 68}}}, n_records=1)


def _marks(path: Path) -> xr.Dataset:
    rows = read_rows(path)
    texts = [row.get("trial_type", "") for row in rows]
    found = [_TEXT.fullmatch(text) for text in texts]
    try:
        times = np.array([(float(row["onset"]), float(row["duration"])) for row in rows]).reshape(-1, 2)
    except (KeyError, ValueError) as error:
        raise FormatError("not a table of marks", subject=str(path), found=str(error)[:200]) from error
    if None in found:
        raise FormatError("not a mark of an oscillation", subject=str(path), found=texts[found.index(None)][:80])
    marks = [item for item in found if item is not None]
    return schema.table(
        {
            "onset_s": schema.column("row", times[:, 0], "Onset after the first sample", "s"),
            "duration_s": schema.column("row", times[:, 1], "Duration", "s"),
            "text": schema.column("row", texts, "Text as in the source"),
            "label": schema.column("row", [LABELS[item["kind"]] for item in marks], "What the text means"),
            "channels": schema.column("row", [item["channels"] for item in marks], "Bipolar channel, as in the text"),
        }
    )
