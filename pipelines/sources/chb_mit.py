"""CHB-MIT: scalp EEG of 23 children and young people with intractable seizures, 24 cases, 198 seizures.

Shoeb 2009 (MIT, https://hdl.handle.net/1721.1/54669); PhysioNet chbmit 1.0.0, doi:10.13026/C2K01R, ODC-By-1.0. Seizures
are those of the summaries, one record per file that they name, with or without its signals; the files ``.seizures``
mark the same, and a record says where they differ. Case chb21 is chb01, a year and a half later: both have the same
``linked_subjects``. Montages change within cases, labels repeat (T8-P8), and ``-`` is a dummy.

The summaries name 676 files, of which 141 have a seizure; PhysioNet speaks of 664 and 129, which are those without
chb24, that was added later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.seizures import seizure_table

from ..formats.bids.ends import past_end
from ..formats.recordings.recording import unique_ids
from ..formats.seizures.chbmit_summary import Summary, SummaryFile, read_summary
from ..formats.seizures.wfdb_seizures import read_seizure_file
from ..jobs import Expected, RawFile, RemoteFile
from .linked_people import linked_subjects
from .listed import listed_rows
from .recordings import RecordingSource, local_of, warn, with_groups

if TYPE_CHECKING:
    import xarray as xr

    from ..jobs import Job

__all__ = ["ChbMit"]

_HOME = "https://physionet.org/files/chbmit/1.0.0"
_LICENCE = "ODC-By-1.0"
_CASE = re.compile(r"(?P<case>chb\d\d)[a-z]?_\d\d\+?")
_INFO = re.compile(r"(chb\d\d)\s+([FM])\s+(\d+(?:\.\d+)?)")
TICK_S = 1.0
"""The summaries give whole seconds."""


class ChbMit(RecordingSource):
    """Every file that a summary names, one record each."""

    id = "chb_mit"
    version = "1"
    dataset = "chb-mit"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Shoeb, PhD thesis, Massachusetts Institute of Technology (2009)",
        "doi": "10.13026/C2K01R",
        "url": "https://hdl.handle.net/1721.1/54669",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List summaries, recordings and marks."""
        return _files()

    def is_main(self, path: str) -> bool:
        """Return whether a file holds signals."""
        return path.endswith(".edf")

    def is_whole(self, paths: Sequence[str]) -> bool:
        """Return whether the summary of the case is here: it makes a record even without signals."""
        return any(path.endswith("-summary.txt") for path in paths)

    def params(self, record: str) -> Mapping[str, Any]:
        """Return the file that a record is about: records without signals have the same inputs."""
        return {"file": f"{record}.edf"}

    def describe(self, record: str) -> Mapping[str, Any]:
        """Say who was recorded."""
        case = _case(record)
        return {
            "title": f"{record}: scalp EEG of case {case} (CHB-MIT)",
            "subject": case,
            **linked_subjects(self.id, case),
        }

    def read(self, job: Job) -> xr.DataTree:
        """Join the signals, where they are here, with what the summary says of them."""
        path = local_of(job.inputs, "-summary.txt")
        if path is None:
            raise FormatError("a recording without the summary of its case", subject=job.record)
        summary = _summary(str(path), path.stat().st_mtime_ns)
        stated = summary.file(str(job.params["file"]))
        if stated is None:
            raise FormatError("the summary does not name the file", subject=str(path), place=job.record)
        signals = [file for file in job.inputs if self.is_main(file.path)]
        tree = self.recording(job) if signals else _without_signals(stated)
        groups: dict[str, xr.Dataset] = {
            "seizure": seizure_table(stated.seizures, rule="the summary of the case names every seizure of a file"),
            "recording": _facts(tree, stated, summary, here=bool(signals)),
        }
        subject = _subject(local_of(job.inputs, "SUBJECT-INFO"), summary.case)
        if subject is not None:
            groups["subject"] = subject
        tree = with_groups(tree, groups)
        tree.attrs["warnings"] = [
            *tree.attrs.get("warnings", []), *(note for note in summary.warnings if note["place"] == stated.name)
        ]  # fmt: skip
        for note in past_end(groups):
            warn(tree, **note)
        _doubts(tree, stated, [file for file in job.inputs if file.path.endswith(".seizures")], here=bool(signals))
        return self.described(tree, job)

    def expected(self) -> Expected:
        """Return that every file has its row of facts, and every file without marks no seizure."""
        return _expected()


def _without_signals(stated: SummaryFile) -> xr.DataTree:
    labels = list(stated.channels)
    table = schema.table(
        {
            "channel": schema.column("row", unique_ids(labels), "Name of the channel, made unique"),
            "source_label": schema.column("row", labels, "Label in the source"),
        }
    )
    tree = schema.record({"channels": table})
    warn(tree, "signals-not-at-hand", stated.name, "the recording is not here; labels are those of the summary")
    return tree


def _facts(tree: xr.DataTree, stated: SummaryFile, summary: Summary, *, here: bool) -> xr.Dataset:
    """Make the one row by which recordings are found."""
    lengths = np.array([item.offset_s - item.onset_s for item in stated.seizures], dtype=np.float64)
    rate, n_channels = float(summary.rate_hz), len(stated.channels)
    duration: float | None = stated.duration_s
    series = [item for _, item in schema.groups(tree) if item.attrs["encoding-type"] == "series"]
    if series:
        measured = [schema.KINDS["series"].measure(item) for item in series]
        rate = max(float(item["sampling_frequency_hz"]) for item in measured)
        duration = max(float(item["duration_s"]) for item in measured)
        n_channels = sum(int(item["n_channels"]) for item in measured)
    texts = {
        "subject": (summary.case, "Case"),
        "file": (f"{summary.case}/{stated.name}", "File of the recording in its dataset"),
        "stated_by": ("signal" if series else "summary", "Who says how long it is and at which rate"),
    }
    columns = {name: schema.column("row", [value], long_name) for name, (value, long_name) in texts.items()}
    columns["signals_at_hand"] = schema.category(
        "row", ["true" if here else "false"], ("false", "true"), "Whether this holds signals"
    )
    numbers: dict[str, tuple[float, str, str]] = {
        "sampling_frequency_hz": (rate, "Rate; the highest where there are several", "Hz"),
        "n_channels": (n_channels, "Number of channels", "1"),
        "n_seizures": (len(lengths), "Number of seizures", "1"),
        "seizure_s": (float(lengths.sum()), "Time in seizures whose end is known", "s"),
    }
    if duration is not None:
        numbers["duration_s"] = (float(duration), "Length of the recording", "s")
    for name, (value, long_name, unit) in numbers.items():
        dtype = np.int64 if name.startswith("n_") else np.float64
        columns[name] = schema.column("row", np.array([value], dtype=dtype), long_name, unit)
    return schema.table(columns)


def _doubts(tree: xr.DataTree, stated: SummaryFile, marks: Sequence[RawFile], *, here: bool) -> None:
    """Tell where the marks, or the labels of the signals, are not those of the summary."""
    for file in marks:
        found = [(item.onset_s, item.offset_s) for item in read_seizure_file(file.local)]
        wanted = [(item.onset_s, item.offset_s) for item in stated.seizures]
        if len(found) != len(wanted) or np.abs(np.subtract(found, wanted)).max(initial=0.0) > TICK_S:
            warn(
                tree, "marks-differ", file.path, f"the marks say {found}, the summary says {wanted}; the summary holds"
            )
    if here and "signal" in tree:
        labels = [str(label) for _, item in schema.groups(tree) if item.attrs["encoding-type"] == "series"
                  for label in item["source_label"].values]  # fmt: skip
        if labels != list(stated.channels):
            warn(tree, "labels-differ", "channel", f"the summary lists other channels: {', '.join(stated.channels)}")


def _subject(path: Path | None, case: str) -> xr.Dataset | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("not a table of cases", subject=str(path), found=str(error)[:120]) from error
    found = next((row for line in text.splitlines() if (row := _INFO.fullmatch(line.strip())) and row[1] == case), None)
    if found is None:
        return None
    return schema.table(
        {
            "participant_id": schema.column("row", [case], "Case"),
            "sex": schema.column("row", [found[2]], "Sex, as in the source"),
            "age": schema.column("row", np.array([float(found[3])]), "Age", "year"),
        }
    )


@lru_cache(maxsize=32)
def _summary(local: str, _stamp: int) -> Summary:
    return read_summary(Path(local))


def _case(record: str) -> str:
    found = _CASE.fullmatch(record)
    assert found is not None, record
    return found["case"]


@cache
def _files() -> tuple[RemoteFile, ...]:
    rows = listed_rows("chbmit-1.0.0")
    records = [row["path"].rpartition("/")[2].removesuffix(".edf") for row in rows if row["path"].endswith(".edf")]
    found = []
    for row in rows:
        path, name = row["path"], row["path"].rpartition("/")[2]
        own: tuple[str, ...] = ()
        if name.endswith("-summary.txt"):
            own = tuple(record for record in records if _case(record) == name[:5])
        elif path != "SUBJECT-INFO":
            own = (name.removesuffix(".seizures").removesuffix(".edf"),)
        size = int(row["size_bytes"]) if row["size_bytes"] else None
        found.append(
            RemoteFile(
                f"chb_mit/{path}", f"{_HOME}/{path}", size, row["sha256"] or None, licence=_LICENCE, records=own,
                optional=not name.endswith("-summary.txt"),
            )
        )  # fmt: skip
    return tuple(found)


@cache
def _expected() -> Expected:
    marked = {file.records[0] for file in _files() if file.path.endswith(".seizures")}
    records = {
        file.records[0]: {
            "/recording": {"n_rows": 1},
            **({} if file.records[0] in marked else {"/seizure": {"n_rows": 0}}),
        }
        for file in _files()
        if file.path.endswith(".edf")
    }
    return Expected(records, n_records=len(records))
