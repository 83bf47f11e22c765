"""One run of a recording as a record: its signals where they are at hand, and what the tree says of it in any case.

Groups: ``signal`` (or ``signal/<rate>hz``) and ``annotation`` of the recording's own files; ``channels``, where there
is no signal that could carry them; ``events``, ``electrodes``, ``subject`` (the row of ``participants.tsv``),
``session`` (that of ``sessions.tsv``), ``seizure`` where it is known which there are; and ``recording``, one row of
facts by which runs are found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError
from connectome.schema import decode, warning
from connectome.seizures import GROUP as SEIZURE_GROUP
from connectome.seizures import seizure_table

from ..seizures.annotations import SOURCE as ANNOTATION
from ..seizures.annotations import annotated_seizures, first_sample_s
from ..seizures.rules import RULES, EventRules
from .channels import channel_marks, channel_table, electrode_doubts, electrode_table
from .ends import past_end
from .events import Events, read_events
from .runs import PARTS
from .sidecars import inherited, read_json
from .tsv import MISSING, Rows, read_rows, repairs, typed_columns

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note
    from .listed import Listed
    from .participants import Participants
    from .runs import RunFiles
    from .tree import BidsFile

__all__ = ["AUTO", "READ", "SKIP", "Run", "check_signals"]

AUTO, SKIP, READ = "auto", "skip", "read"
"""Values of the option ``signals``: read those at hand, read none, refuse runs whose signals are not at hand."""
ENTITIES = {"ses": "session", "task": "task", "acq": "acquisition", "run": "run"}
NOT_AT_HAND = "not at hand"
DESCRIPTION = "status_description"


def check_signals(text: str) -> str:
    """Return a value of the option ``signals``; raise :class:`~connectome.errors.UsageError` for any other."""
    if text not in {AUTO, SKIP, READ}:
        raise UsageError("unknown value", subject="signals", expected="auto, skip or read", found=text)
    return text


@dataclass(frozen=True)
class Run:
    """What a record is made of."""

    root: Path
    files: RunFiles
    rules: EventRules = RULES["plain"]
    signals: str = AUTO
    participants: Participants | None = None
    listed: Mapping[str, Listed] = field(default_factory=dict)
    """What a list says of data files, by path."""
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads_signals(self) -> bool:
        """Whether the signals will be read."""
        return self.signals == READ or (self.signals == AUTO and self.files.is_at_hand)

    def inputs(self) -> list[BidsFile]:
        """Return the files that :meth:`read` reads."""
        data = set(self.files.data)
        return [
            file for file in self.files.files() if file.pointer is None and (self.reads_signals or file not in data)
        ]

    def read(self) -> xr.DataTree:
        """Read the record.

        Raises
        ------
        FormatError
            When the signal or a table is refused.
        TruncatedError
            When signals are demanded and a file of them only points to the data; ``expected`` states its size.
        """
        warnings: list[Note] = []
        groups: dict[str, xr.Dataset] = {}
        sidecar = inherited(self.root, self.files.sidecars)
        events = self._events(warnings)
        rows = self._rows(self.files.channels, warnings)
        attrs: dict[str, Any] = {}
        if self.reads_signals:
            attrs = self._signals(groups, warnings, sidecar)
        else:
            attrs["signals"] = NOT_AT_HAND if not self.files.is_at_hand else "not read"
            warnings.append(self._absence())
            if rows:
                groups["channels"], notes = channel_table(rows, self.rules, place=self._name(self.files.channels))
                warnings += notes
            self._electrodes(groups, warnings)
        if events is not None:
            groups["events"] = events.table
        seizures = events.seizure_table() if events is not None else None
        if seizures is None and ANNOTATION in groups:
            seizures, notes = annotated_seizures(groups[ANNOTATION], self.rules, first_s=first_sample_s(groups))
            warnings += [note for note in notes if note not in warnings]
        task = self.files.name.get("task")
        if seizures is None and task in self.rules.seizure_free_tasks:
            seizures = seizure_table((), rule=f"{self.rules.name}: task-{task} holds no seizure")
        if seizures is not None:
            groups[SEIZURE_GROUP] = seizures
        if self.participants is not None:
            row, notes = self.participants.table(self.files.label)
            warnings += notes
            if row is not None:
                groups["subject"] = row
            else:
                message = f"sub-{self.files.label} has a folder and no row"
                warnings.append(warning("folder-without-row", "participants.tsv", message))
        session = self._session(warnings)
        if session is not None:
            groups["session"] = session
        groups["recording"] = self._facts(groups, sidecar, rows, warnings)
        warnings += past_end(groups)
        return schema.record(groups, warnings=warnings, **{**self.attrs, **attrs})

    def _name(self, file: BidsFile | None) -> str:
        return "" if file is None else file.file_name

    def _rows(self, file: BidsFile | None, warnings: list[Note]) -> Rows:
        if file is None:
            return []
        path = self.root / file.path
        rows = read_rows(path)
        warnings += repairs(path)
        return rows

    def _events(self, warnings: list[Note]) -> Events | None:
        if self.files.events is None:
            return None
        rows = self._rows(self.files.events, warnings)
        described = inherited(self.root, self.files.events_json)
        found = read_events(rows, self.rules, subject=self.files.events.path, described=described)
        warnings += found.warnings
        return found

    def _absence(self) -> Note:
        data = self.files.data
        listed = ", ".join(f"{file.file_name} ({file.pointer})" for file in data if file.pointer is not None)
        if not data:
            listed = "no file of the signal is here"
        elif not listed:
            return warning("signals-skipped", self.files.record, "signals were not asked for")
        return warning("signals-not-at-hand", self.files.record, listed)

    def _signals(
        self, groups: dict[str, xr.Dataset], warnings: list[Note], sidecar: Mapping[str, Any]
    ) -> dict[str, Any]:
        from ..recordings import mne_raw

        files = self.files
        if files.main is None:
            raise UsageError("there is no signal to read", subject=files.record, hint="--option signals=auto")
        main = self.root / (files.folder or files.main.path)
        data = [] if files.folder else [file for file in files.data if file is not files.main and _is_part(file)]
        beside = [file for file in (files.channels, *files.electrodes, *files.coordsystems) if file is not None]
        beside += files.sidecars[-1:]
        paths = [main, *(self.root / file.path for file in (*data, *beside))]
        tree = mne_raw.read(paths, sidecars="given")
        warnings += [note for note in tree.attrs.get("warnings", []) if note not in warnings]
        for path, dataset in schema.groups(tree):
            if path == f"/{SEIZURE_GROUP}":
                # The rules of this dataset decide, not those of the reader.
                continue
            if schema.kind_of(dataset) == "series":
                if sidecar:
                    dataset = dataset.assign_attrs(sidecar=dict(sidecar))
                # The reader has joined the rows already, those of labels that repeat one by one.
                stated: Rows = [{} for _ in range(dataset.sizes["channel"])]
                if DESCRIPTION in dataset:
                    stated = [{DESCRIPTION: str(text)} for text in decode(dataset[DESCRIPTION].variable)]
                dataset = dataset.assign(channel_marks(stated, self.rules, dim="channel"))
            groups[path.strip("/")] = dataset
        kept = {"encoding-type", "encoding-version", "warnings"}
        return {str(key): value for key, value in tree.attrs.items() if key not in kept}

    def _electrodes(self, groups: dict[str, xr.Dataset], warnings: list[Note]) -> None:
        systems = {_space(file): read_json(self.root / file.path) for file in self.files.coordsystems}
        for file in self.files.electrodes:
            space = _space(file)
            system = systems.get(space, systems.get("", {}))
            rows = self._rows(file, warnings)
            warnings += electrode_doubts(rows, system, place=file.file_name)
            name = "electrodes" if len(self.files.electrodes) == 1 or not space else f"electrodes_{space}"
            groups[name] = electrode_table(rows, system, space=space, place=file.file_name)

    def _session(self, warnings: list[Note]) -> xr.Dataset | None:
        """Return the row of this run's session."""
        rows = self._rows(self.files.sessions, warnings)
        if self.files.name.get("ses") is None:
            return None
        name = f"ses-{self.files.name.get('ses')}"
        mine = [row for row in rows if row.get("session_id") == name]
        if len(mine) != 1:
            if rows:
                message = f"{len(mine)} rows for {name}"
                warnings.append(warning("session-rows", self._name(self.files.sessions), message))
            return None
        columns, notes = typed_columns(mine, table="sessions.tsv", among=rows, text=("session_id",))
        warnings += notes
        return schema.table(columns)

    def _facts(
        self, groups: Mapping[str, xr.Dataset], sidecar: Mapping[str, Any], rows: Rows, warnings: list[Note]
    ) -> xr.Dataset:
        """Make the one row by which runs are found."""
        texts: dict[str, tuple[str, str]] = {"subject": (f"sub-{self.files.label}", "Subject")}
        for key, name in ENTITIES.items():
            texts[name] = (self.files.name.get(key) or "", f"{name.capitalize()}, as in the file's name")
        texts["datatype"] = (self.files.datatype, "Datatype of BIDS")
        main = self.files.main
        path = "" if main is None else self.files.folder or main.path
        texts["file"] = (path, "File of the recording in its dataset")
        texts["checksum"] = (self._checksum(), "Digest of the file with the samples, as the dataset states it")
        texts["acquired_at"] = (self._acquired(warnings), "Time of acquisition in scans.tsv; often shifted or made up")
        numbers: dict[str, tuple[float | int, str, str]] = {}
        size = self._size()
        if size is not None:
            numbers["size_bytes"] = (size, "Size of all files of the signal", "byte")
        duration, rate, n_channels, texts["stated_by"] = self._measures(groups, sidecar, rows)
        if duration is not None:
            numbers["duration_s"] = (duration, "Length of the recording", "s")
        if rate is not None:
            numbers["sampling_frequency_hz"] = (rate, "Rate; the highest where there are several", "Hz")
        if n_channels is not None:
            numbers["n_channels"] = (n_channels, "Number of channels", "1")
        if rows:
            bad = sum(row.get("status", "").lower() == "bad" for row in rows)
            numbers["n_bad_channels"] = (bad, "Number of channels with the status bad", "1")
        if "events" in groups:
            numbers["n_events"] = (groups["events"].sizes.get("row", 0), "Number of events", "1")
        if SEIZURE_GROUP in groups:
            seizures = groups[SEIZURE_GROUP]
            lengths = (seizures["offset_s"] - seizures["onset_s"]).values
            numbers["n_seizures"] = (seizures.sizes.get("row", 0), "Number of seizures", "1")
            numbers["seizure_s"] = (float(np.nansum(lengths)), "Time in seizures whose end is known", "s")
        at_hand = "true" if self.reads_signals else "false"
        columns = {name: schema.column("row", [value], long_name) for name, (value, long_name) in texts.items()}
        columns["signals_at_hand"] = schema.category("row", [at_hand], ("false", "true"), "Whether this holds signals")
        for name, (value, long_name, unit) in numbers.items():
            dtype = np.int64 if isinstance(value, int) else np.float64
            columns[name] = schema.column("row", np.array([value], dtype=dtype), long_name, unit)
        return schema.table(columns)

    def _size(self) -> int | None:
        sizes = [file.size_bytes if file.pointer is None else file.pointer.size_bytes for file in self.files.data]
        return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)

    def _checksum(self) -> str:
        stated = [file for file in self.files.data if file.pointer is not None and file.pointer.checksum]
        biggest = max(stated, key=lambda file: (file.pointer and file.pointer.size_bytes) or 0, default=None)
        return "" if biggest is None or biggest.pointer is None else biggest.pointer.checksum

    def _acquired(self, warnings: list[Note]) -> str:
        if self.files.scans is None or self.files.main is None:
            return ""
        folder = "/".join(self.files.scans.folder)
        wanted = (self.files.folder or self.files.main.path).removeprefix(f"{folder}/" if folder else "")
        for row in self._rows(self.files.scans, warnings):
            if row.get("filename") == wanted:
                time = row.get("acq_time", "n/a")
                return "" if time in MISSING else time
        message = f"no row for {wanted}"
        warnings.append(warning("scan-without-row", self.files.scans.file_name, message))
        return ""

    def _measures(
        self, groups: Mapping[str, xr.Dataset], sidecar: Mapping[str, Any], rows: Rows
    ) -> tuple[float | None, float | None, int | None, tuple[str, str]]:
        """Return duration, rate and number of channels, and who says so."""
        says = "Who says how long it is and at which rate"
        series = {path: group for path, group in groups.items() if schema.kind_of(group) == "series"}
        if series:
            found = [schema.KINDS["series"].measure(group) for group in series.values()]
            rates = [float(item["sampling_frequency_hz"]) for item in found if item.get("sampling_frequency_hz")]
            length = max(float(item["duration_s"]) for item in found)
            return length, max(rates, default=None), sum(item["n_channels"] for item in found), ("signal", says)
        n_channels = len(rows) or None
        duration, rate = _positive(sidecar.get("RecordingDuration")), _positive(sidecar.get("SamplingFrequency"))
        if duration is not None or rate is not None:
            return duration, rate, n_channels, ("JSON sidecar", says)
        listed = [self.listed[file.path] for file in self.files.data if file.path in self.listed]
        duration = next((item.duration_s for item in listed if item.duration_s is not None), None)
        rate = next((item.rate_hz for item in listed if item.rate_hz is not None), None)
        return duration, rate, n_channels, ("list of files" if duration is not None else "", says)


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _space(file: BidsFile) -> str:
    return (file.name.get("space") if file.name is not None else None) or ""


def _is_part(file: BidsFile) -> bool:
    """Tell whether a file is one that the main file names, not a further part or a second main one."""
    return file.name is not None and file.name.extension.lower() in PARTS
