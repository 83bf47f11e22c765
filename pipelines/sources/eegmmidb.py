"""PhysioNet EEG Motor Movement/Imagery: 109 people, 14 runs each, 64 channels.

Schalk et al. 2004, doi:10.1109/TBME.2004.827072; PhysioNet eegmmidb 1.0.0, doi:10.13026/C28G6P, ODC-By-1.0. What T1 and
T2 mean depends on the run (https://physionet.org/content/eegmmidb/1.0.0/); every record says it. The files
``.edf.event`` repeat the annotations in another form and are not listed. Three people were recorded at 128 Hz, not at
160 as documented: rates are those of the files, and the records say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from ..jobs import Expected, RemoteFile
from .listed import listed_rows
from .recordings import RecordingSource, labelled, warn

if TYPE_CHECKING:
    import xarray as xr

    from ..jobs import Job

__all__ = ["Eegmmidb"]

_HOME = "https://physionet.org/files/eegmmidb/1.0.0"
_LICENCE = "ODC-By-1.0"
_RUN = re.compile(r"(?P<subject>S\d{3})R(?P<run>\d\d)")

BASELINES: Mapping[int, str] = {1: "eyes open", 2: "eyes closed"}
SIDES, LIMBS = ("left fist", "right fist"), ("both fists", "both feet")
RATE_HZ = 160.0
OTHER_RATE = frozenset(["S088", "S092", "S100"])
"""People whose files have 128 Hz (seen by users of all of the release; 106 of the 109 have the documented 160 Hz)."""
# Counted in the files: two minutes of 30 events.
_COUNTED = ("S001R04", "S001R06", "S001R10", "S001R14")


def meaning_of(run: int) -> dict[str, str]:
    """Return what T0, T1 and T2 mean in a run."""
    if run in BASELINES:
        return {"T0": BASELINES[run]}
    first, second = SIDES if run in (3, 4, 7, 8, 11, 12) else LIMBS
    return {"T0": "rest", "T1": first, "T2": second}


def task_of(run: int) -> str:
    """Return what people did in a run."""
    if run in BASELINES:
        return BASELINES[run]
    what = " or ".join(SIDES if run in (3, 4, 7, 8, 11, 12) else LIMBS)
    return f"{'imagined' if run % 2 == 0 else 'executed'} movement of {what}"


class Eegmmidb(RecordingSource):
    """Every run, one record each."""

    id = "eegmmidb"
    version = "1"
    dataset = "eegmmidb"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Schalk et al., IEEE Transactions on Biomedical Engineering 51(6):1034-1043 (2004)",
        "doi": "10.1109/TBME.2004.827072",
        "dataset_doi": "10.13026/C28G6P",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the EDF files with their published checksums."""
        return _files()

    def is_main(self, path: str) -> bool:
        """Return True: there are no other files."""
        return path.endswith(".edf")

    def describe(self, record: str) -> Mapping[str, Any]:
        """Say who did what in a run."""
        subject, run = _parts(record)
        task = task_of(run)
        return {
            "title": f"{subject}, run {run}: {task} (EEG motor movement/imagery)",
            "subject": subject,
            "task": task,
            "run": run,
        }

    def recording(self, job: Job) -> xr.DataTree:
        """Read a run, say what its codes mean, and tell of its rate where it is not that of the others."""
        subject, run = _parts(job.record)
        tree = labelled(super().recording(job), meaning_of(run))
        rate = tree["signal"].attrs["rate_hz_numerator"] / tree["signal"].attrs["rate_hz_denominator"]
        if rate != RATE_HZ:
            known = "known of this person" if subject in OTHER_RATE else "not known before"
            warn(tree, "undocumented-rate", "signal", f"{rate:g} Hz where {RATE_HZ:g} Hz are documented ({known})")
        return tree

    def expected(self) -> Expected:
        """Return 64 channels for every run, the documented rate for all but three people, and what was counted."""
        return _expected()


def _parts(record: str) -> tuple[str, int]:
    found = _RUN.fullmatch(record)
    assert found is not None, record
    return found["subject"], int(found["run"])


@cache
def _files() -> tuple[RemoteFile, ...]:
    found = []
    for row in listed_rows("eegmmidb-1.0.0"):
        record = row["path"].rpartition("/")[2].removesuffix(".edf")
        found.append(
            RemoteFile(
                f"eegmmidb/{row['path']}", f"{_HOME}/{row['path']}", sha256=row["sha256"], licence=_LICENCE,
                records=(record,), optional=True,
            )
        )  # fmt: skip
    return tuple(found)


@cache
def _expected() -> Expected:
    records: dict[str, dict[str, dict[str, Any]]] = {}
    for file in _files():
        (name,) = file.records
        rate = {} if _parts(name)[0] in OTHER_RATE else {"sampling_frequency_hz": RATE_HZ}
        records[name] = {"/signal": {"n_channels": 64, **rate}}
    for name in _COUNTED:
        records[name]["/signal"] |= {"n_samples": 20_000, "duration_s": 125.0, "n_segments": 1, "dtype": "int16"}
        records[name]["/annotation"] = {"n_rows": 30}
    return Expected(records, n_records=len(records))
