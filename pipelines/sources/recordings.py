"""What sources of EEG, iEEG and MEG recordings share: one record per recording, joined to what lies apart from it.

A source lists its files and says by ``RemoteFile.records`` which recording each belongs to; files of no record in
particular (participants, a summary) are inputs of all. A recording without its own file is not made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectome import schema
from connectome.schema import warning

from ..formats.recordings import mne_raw
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Mark", "RecordingSource", "events_table", "warn"]


@dataclass(frozen=True)
class Mark:
    """One event that a source gives apart from the signal."""

    onset_s: float
    """Seconds after the first sample of the recording."""
    duration_s: float
    """NaN where none is given."""
    text: str
    """As in the source."""
    label: str
    """What it means, one of few words; ``""`` where nobody says."""


def events_table(marks: Sequence[Mark], **attrs: Any) -> xr.Dataset:
    """Return marks as the group ``events`` of a record, in the order of the source."""
    onsets = np.array([mark.onset_s for mark in marks], dtype=np.float64)
    durations = np.array([mark.duration_s for mark in marks], dtype=np.float64)
    return schema.table(
        {
            "onset_s": schema.column("row", onsets, "Onset after the first sample", "s"),
            "duration_s": schema.column("row", durations, "Duration, where one is given", "s"),
            "text": schema.column("row", [mark.text for mark in marks], "Text as in the source"),
            "label": schema.column("row", [mark.label for mark in marks], "What the text means"),
        },
        **attrs,
    )


def warn(tree: xr.DataTree, code: str, place: str, message: str) -> None:
    """Add a warning to a record."""
    item = warning(code, place, message)
    tree.attrs["warnings"] = [*tree.attrs.get("warnings", []), item]


class RecordingSource:
    """One record per recording; subclasses list the files and say what is known of each recording."""

    id: ClassVar[str]
    version: ClassVar[str] = "1"
    dataset: ClassVar[str]
    about: ClassVar[Mapping[str, Any]]
    """Attributes of every record: ``species``, ``citation``, ``doi``, ``licence``."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Endings of further files without which a recording cannot be read (``.eeg``, ``.vmrk``)."""

    def files(self) -> Sequence[RemoteFile]:
        """List the raw files."""
        raise NotImplementedError

    def is_main(self, path: str) -> bool:
        """Tell whether a file is a recording, not something that belongs to one."""
        raise NotImplementedError

    def describe(self, record: str) -> Mapping[str, Any]:
        """Return the attributes of one record: ``title``, ``subject``, ``session``, ``task``, ``run``."""
        raise NotImplementedError

    def records_of(self, raw: RawFiles) -> Mapping[str, Sequence[str]]:
        """Return record to the paths of its own files among those at hand."""
        found: dict[str, list[str]] = {}
        for file in self.files():
            if file.path in raw:
                for record in file.records:
                    found.setdefault(record, []).append(file.path)
        return found

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every recording that is here; what belongs to none of them is told."""
        own = self.records_of(raw)
        made = {record: paths for record, paths in own.items() if self.is_whole(paths)}
        spoken_for = {path for paths in own.values() for path in paths}
        shared = [raw[path] for path in raw if path not in spoken_for and self.shares(path)]
        used = {path for paths in made.values() for path in paths}
        used |= {file.path for file in shared} if made else set()
        jobs = []
        for record in sorted(made):
            inputs = {file.path: file for file in [*shared, *(raw[path] for path in made[record])]}
            jobs.append(Job(self.id, record, tuple(inputs[path] for path in sorted(inputs)), self.params(record)))
        rejected = tuple(
            Rejected(path, self.why_unused(path), "unavailable" if path in spoken_for else "not-data")
            for path in raw
            if path not in used
        )
        return Discovery(tuple(jobs), rejected)

    def is_whole(self, paths: Sequence[str]) -> bool:
        """Tell whether a record can be made of these of its own files."""
        return any(self.is_main(path) for path in paths) and all(
            any(path.endswith(part) for path in paths) for part in self.parts
        )

    def params(self, record: str) -> Mapping[str, Any]:  # noqa: ARG002 - for those who need some
        """Return what else a record depends on."""
        return {}

    def shares(self, path: str) -> bool:  # noqa: ARG002 - for those who have files about all recordings
        """Tell whether a file of no recording in particular is read for all of them."""
        return True

    def why_unused(self, path: str) -> str:  # noqa: ARG002 - for those who know more
        """Return why a file goes into no record."""
        return "the recording that it belongs to is not at hand, or not all of it"

    def read(self, job: Job) -> xr.DataTree:
        """Read a recording and say where it is from."""
        return self.described(self.recording(job), job)

    def recording(self, job: Job) -> xr.DataTree:
        """Read the recording itself."""
        return mne_raw.read([self.main(job).local], sidecars="given")

    def main(self, job: Job) -> RawFile:
        """Return the recording among the inputs of a job."""
        return next(file for file in job.inputs if self.is_main(file.path))

    def described(self, tree: xr.DataTree, job: Job) -> xr.DataTree:
        """Add title, subject and source to what the reader gave."""
        tree.attrs.update(
            {**self.about, **self.describe(job.record)},
            source=self.id,
            data_file=", ".join(file.path for file in job.inputs),
        )
        return tree

    def expected(self) -> Expected:
        """Return the published counts."""
        raise NotImplementedError


def labelled(tree: xr.DataTree, meaning: Mapping[str, str], *, group: str = "annotation") -> xr.DataTree:
    """Add to a recording's own annotations what their codes mean; a code that is not listed has no label."""
    table = tree[group].to_dataset()
    texts = [str(text) for text in schema.decode(table["description"].variable)]
    names = [meaning.get(text, "") for text in texts]
    column = schema.column("row", names, "Meaning of the code, as its publisher documents it")
    return with_groups(tree, {group: table.assign(label=column)})


def with_groups(tree: xr.DataTree, groups: Mapping[str, xr.Dataset]) -> xr.DataTree:
    """Return a record with groups added or replaced; its attributes stay."""
    held = {path.strip("/"): dataset for path, dataset in schema.groups(tree)}
    warnings = tree.attrs.get("warnings", [])
    attrs = {str(name): value for name, value in tree.attrs.items() if name not in _OWN}
    return schema.record({**held, **groups}, warnings=warnings, **attrs)


_OWN = ("warnings", "encoding-type", "encoding-version")


def starts_apart_s(one: str, other: str) -> float:
    """Return how many seconds the second ISO time comes after the first; NaN where one is not known."""
    from datetime import datetime

    if not one or not other:
        return math.nan
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def local_of(files: Iterable[RawFile], suffix: str) -> Path | None:
    """Return where the first input of such a name lies."""
    return next((file.local for file in files if file.path.endswith(suffix)), None)
