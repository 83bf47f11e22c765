"""Sleep-EDF Database Expanded: 197 whole nights with sleep stages scored by hand.

Kemp et al. 2000, doi:10.1109/10.867928; PhysioNet sleep-edfx 1.0.0, doi:10.13026/C2X676, ODC-By-1.0: 153 nights of 78
people aged 25 to 101 (SC) and 44 nights of 22 people with and without temazepam (ST). A night is two files, signals at
two rates and the hypnogram; PhysioNet publishes their SHA-1, which is compared when they are read. The hypnogram is
often longer than the signal: all stages are kept, and what lies past the last sample is said.

The first 300 s of one night also come as an excerpt with the tests of edfio (github.com/the-siesta-group/edfio): a
record of its own, of the same person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import ChecksumError, FormatError

from ..formats.recordings import edf
from ..jobs import Expected, RemoteFile
from .listed import listed_rows
from .recordings import Mark, RecordingSource, events_table, local_of, starts_apart_s, warn, with_groups

if TYPE_CHECKING:
    import xarray as xr

    from ..jobs import Job, RawFile

__all__ = ["SleepEdf"]

_HOME = "https://physionet.org/files/sleep-edfx/1.0.0"
_EDFIO = "https://raw.githubusercontent.com/the-siesta-group/edfio/3b437f738e295fb415c168ea58e3136c2df0ba46"
_LICENCE = "ODC-By-1.0"

EXCERPT, EXCERPT_OF = "SC4001-first-300-s", "SC4001"
_EXCERPT_PATH = "sleep_edf/excerpt/short_psg.edf"
_SHA256: Mapping[str, tuple[int, str]] = {
    "short_psg.edf": (184_448, "ff05447a6a4df29979b119d0643fd655a9c1641e8955f1fa020b4103295cd4ba"),
    "SC4001EC-Hypnogram.edf": (4_620, "a4cf67694ade1b52a0ddd06d5817fd45d2d3e8bac5302f640f3e9cfbbf12a996"),
}
"""Size and SHA-256 of the files that were at hand; that hypnogram has the published SHA-1."""
STAGES: Mapping[str, str] = {
    **{f"Sleep stage {stage}": stage for stage in ("W", "1", "2", "3", "4", "R")},
    "Movement time": "M",
    "Sleep stage ?": "unscored",
}
"""Text of a hypnogram to stage, after Rechtschaffen and Kales 1968, whose stages 3 and 4 today's N3 joins."""


class SleepEdf(RecordingSource):
    """Every night, one record each."""

    id = "sleep_edf"
    version = "1"
    dataset = "sleep-edf"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Kemp et al., IEEE Transactions on Biomedical Engineering 47(9):1185-1194 (2000)",
        "doi": "10.1109/10.867928",
        "dataset_doi": "10.13026/C2X676",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List both files of every night, and the excerpt."""
        return _files()

    def is_main(self, path: str) -> bool:
        """Tell the signals from the hypnogram."""
        return not path.endswith("-Hypnogram.edf")

    def describe(self, record: str) -> Mapping[str, Any]:
        """Say who slept."""
        night = EXCERPT_OF if record == EXCERPT else record
        row = _nights()[night]
        part = ", first 300 s" if record == EXCERPT else ""
        told = {
            "title": f"Night {night} of {row['subject']}{part} (Sleep-EDF Expanded)",
            "subject": row["subject"],
            "night": night,
            "study": row["folder"].removeprefix("sleep-"),
            "task": "sleep",
            "age": int(row["age"]),
            "sex": row["sex"],
        }
        return told | ({"drug": row["drug"].lower()} if row["drug"] else {})

    def recording(self, job: Job) -> xr.DataTree:
        """Read the signals and lay the stages of the hypnogram on their clock."""
        for file in job.inputs:
            _check(file)
        tree = super().recording(job)
        hypnogram = local_of(job.inputs, "-Hypnogram.edf")
        if hypnogram is None:
            warn(tree, "no-hypnogram", "events", "the stages are not at hand; that is not a night without them")
            return tree
        return _with_stages(tree, hypnogram)

    def expected(self) -> Expected:
        """Return seven or five signals, and what was counted in the excerpt."""
        return _expected()


def _with_stages(tree: xr.DataTree, hypnogram: Path) -> xr.DataTree:
    scored = edf.read_recording(hypnogram)
    signals = [node.attrs for node in tree["signal"].subtree if "rate_hz_numerator" in node.attrs]
    started = str(signals[0].get("recorded_at", ""))
    late = starts_apart_s(started, str(scored.attrs.get("recorded_at", "")))
    if late != late:
        raise FormatError("the hypnogram and the signal cannot be laid on one clock", subject=str(hypnogram),
                          place="start of the recording", expected=started or "a start", found="none")  # fmt: skip
    marks = []
    for item in scored.annotations:
        if item.description not in STAGES:
            raise FormatError("not a stage of sleep", subject=str(hypnogram), found=item.description[:80])
        duration = float("nan") if item.duration_s is None else float(item.duration_s)
        marks.append(Mark(float(item.onset_s) + late, duration, item.description, STAGES[item.description]))
    tree = with_groups(tree, {"events": events_table(marks, scoring="Rechtschaffen and Kales 1968")})
    if late:
        warn(tree, "hypnogram-starts-apart", "events", f"the hypnogram starts {late:g} s after the signal; shifted so")
    # The hypnogram goes with its file; signal at all rates ends at the same time.
    end_s = max(_length_s(node.to_dataset()) for node in tree["signal"].subtree if "signal" in node.data_vars)
    past = [mark for mark in marks if mark.onset_s >= end_s]
    if past:
        message = f"{len(past)} of {len(marks)} stages begin past the end of the signal ({end_s:g} s)"
        warn(tree, "events-past-end", "events", message)
    return tree


def _length_s(series: xr.Dataset) -> float:
    rate = series.attrs["rate_hz_numerator"] / series.attrs["rate_hz_denominator"]
    return float(series.sizes["time"] / rate)


def _check(file: RawFile) -> None:
    """Compare a file with its published SHA-1; files with a SHA-256 were compared when they were fetched."""
    name = file.path.rpartition("/")[2]
    published = _sha1().get(name)
    if published is None or name in _SHA256:
        return
    found = hashlib.sha1(usedforsecurity=False)
    with file.local.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    if found.hexdigest() != published:
        raise ChecksumError(
            "not the file of the release", subject=file.path, expected=f"sha1 {published}", found=found.hexdigest()
        )


@cache
def _nights() -> Mapping[str, Mapping[str, str]]:
    return {row["night"]: row for row in listed_rows("sleep-edfx-1.0.0")}


@cache
def _sha1() -> Mapping[str, str]:
    return {row[kind]: row[f"{kind}_sha1"] for row in _nights().values() for kind in ("psg", "hypnogram")}


@cache
def _files() -> tuple[RemoteFile, ...]:
    found = []
    for night, row in _nights().items():
        records = (night, EXCERPT) if night == EXCERPT_OF else (night,)
        for kind in ("psg", "hypnogram"):
            path = f"{row['folder']}/{row[kind]}"
            size, sha256 = _SHA256.get(row[kind], (None, None))
            found.append(
                RemoteFile(
                    f"sleep_edf/{path}", f"{_HOME}/{path}", size, sha256, licence=_LICENCE,
                    records=(night,) if kind == "psg" else records, optional=True,
                )
            )  # fmt: skip
    size, sha256 = _SHA256["short_psg.edf"]
    url = f"{_EDFIO}/tests/TEST_DATA/short_psg.edf"
    found.append(RemoteFile(_EXCERPT_PATH, url, size, sha256, licence=_LICENCE, records=(EXCERPT,), optional=True))
    return tuple(found)


@cache
def _expected() -> Expected:
    records: dict[str, dict[str, dict[str, Any]]] = {
        night: {"/signal/100hz": {"sampling_frequency_hz": 100.0}} for night in _nights()
    }
    records[EXCERPT] = {
        "/signal/100hz": {"n_channels": 3, "n_samples": 30_000, "duration_s": 300.0, "dtype": "int16"},
        "/signal/1hz": {"n_channels": 4, "n_samples": 300, "duration_s": 300.0, "dtype": "int16"},
        "/events": {"n_rows": 154},
    }
    return Expected(records, optional=frozenset([EXCERPT]))
