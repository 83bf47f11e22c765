"""BIDS sidecars of one recording: channels, electrodes, events and the JSON file, joined by channel name.

They are found beside a recording whose name is of the BIDS form, or given as further paths. What does not fit stays
out of the channel table and is named in the record's warnings; the recording's own units win over a sidecar's.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import UsageError
from connectome.schema import warning
from connectome.seizures import GROUP as SEIZURES

from ..bids.channels import coordinate_frame, electrode_doubts, electrode_table
from ..bids.events import read_events
from ..bids.sidecars import read_json
from ..bids.tsv import MISSING, Rows, read_rows, repairs, variable_name
from ..seizures.rules import choose_rules
from .recording import STATUS, udunits

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("channels.tsv", "electrodes.tsv", "events.tsv", "coordsystem.json", "eeg.json", "ieeg.json", "meg.json")
RENAMED = {"name": "sidecar_name", "type": "kind", "units": "sidecar_unit"}
IN_HZ = {"low_cutoff", "high_cutoff", "sampling_frequency"}


@dataclass(frozen=True)
class Joined:
    """Columns for all channels of a recording."""

    columns: Mapping[str, xr.Variable]
    units: Sequence[str]
    """Unit of each channel in UDUNITS spelling; ``""`` where none is stated."""

    def rows(self, part: slice) -> dict[str, xr.Variable]:
        """Return the columns for some of the channels."""
        return {name: variable[part] for name, variable in self.columns.items()}


@dataclass(frozen=True)
class Sidecars:
    """What lies beside a recording."""

    channels: Rows = field(default_factory=list)
    positions: Rows = field(default_factory=list)
    """Rows of the electrode file, where there is exactly one."""
    frame: Mapping[str, str] = field(default_factory=dict)
    """``units`` and ``frame`` of those positions."""
    tables: Mapping[str, xr.Dataset] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Mapping[str, str], ...] = ()

    def join(self, labels: Sequence[str]) -> tuple[Joined, list[Mapping[str, str]]]:
        """Return columns for channels of those labels, and what did not fit."""
        warnings = list(self.warnings)
        columns: dict[str, xr.Variable] = {}
        units = [""] * len(labels)
        if self.channels:
            rows = _matched(self.channels, labels, "channels.tsv", warnings)
            columns.update(_channel_columns(rows))
            stated = [row.get("units", "n/a").strip() for row in rows]
            units = ["" if text in MISSING else udunits(text) for text in stated]
        if self.positions:
            rows = _matched(self.positions, labels, "electrodes.tsv", warnings)
            for axis in "xyz":
                values = np.array([_number(row.get(axis, "n/a")) for row in rows], dtype=np.float64)
                unit, frame = self.frame.get("units", "unknown"), self.frame.get("frame", "")
                columns[axis] = schema.column("channel", values, f"Electrode position, {axis}", unit, frame=frame)
        return Joined(columns, units), warnings

    def doubts(self, blocks: Sequence[tuple[Fraction, int]]) -> list[Mapping[str, str]]:
        """Compare rate and length with what the JSON sidecar states."""
        stated = self.attrs.get("sidecar", {})
        found: list[Mapping[str, str]] = []
        if not blocks:
            return []
        rate, n_samples = blocks[0]
        frequency, length = stated.get("SamplingFrequency"), stated.get("RecordingDuration")
        if isinstance(frequency, (int, float)) and all(not _close(frequency, float(rate)) for rate, _ in blocks):
            message = f"the recording has {float(rate):g} Hz, the sidecar says {frequency:g}"
            found.append(warning("rate-differs", "SamplingFrequency", message))
        # Writers count the samples or the steps between them, and round to a second or not at all.
        if isinstance(length, (int, float)) and abs(length - float(n_samples / rate)) > max(1.0, 0.01 * length):
            message = f"the recording lasts {float(n_samples / rate):g} s, the sidecar says {length:g} s"
            found.append(warning("duration-differs", "RecordingDuration", message))
        return found


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6)


def is_sidecar(path: Path) -> bool:
    """Tell whether a name is that of a sidecar."""
    return path.name.lower().endswith(KINDS) or path.suffix.lower() in {".tsv", ".json"}


def find(main: Path, given: Sequence[Path], *, search: bool) -> list[Path]:
    """Return the sidecars of a recording, sorted by name.

    Parameters
    ----------
    main : Path
        The recording.
    given : sequence of Path
        Sidecars named by the caller; they stand in for others of the same name.
    search : bool
        Whether to look beside the recording as well, if its name is of the BIDS form.
    """
    unknown = [path for path in given if not path.name.lower().endswith(KINDS)]
    if unknown:
        raise UsageError(
            "not a sidecar that can be joined",
            subject=str(unknown[0]),
            expected=", ".join(KINDS),
            found=unknown[0].name,
        )
    paths = {path.name: path for path in (*(_beside(main) if search else ()), *given)}
    return [paths[name] for name in sorted(paths)]


def _beside(main: Path) -> list[Path]:
    """Return the files in the same folder whose BIDS entities do not contradict the recording's."""
    own = _entities(main.name)
    if "sub" not in own or not re.search(r"_(eeg|ieeg|meg)\.[^.]+$", main.name):
        return []
    beside = []
    for path in sorted(main.parent.iterdir()):
        if path.is_file() and path.name.endswith(KINDS):
            entities = {key: value for key, value in _entities(path.name).items() if key != "space"}
            if all(own.get(key) == value for key, value in entities.items()):
                beside.append(path)
    return beside


def _entities(name: str) -> dict[str, str]:
    return dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)", name))


def read_sidecars(paths: Sequence[Path]) -> Sidecars:
    """Read the sidecars of one recording."""
    of_kind = {kind: [path for path in paths if path.name.lower().endswith(kind)] for kind in KINDS}
    # "eeg.json" is the end of "ieeg.json" too.
    jsons = sorted({path for kind in ("eeg.json", "ieeg.json", "meg.json") for path in of_kind[kind]})
    for kind, found in {**of_kind, "JSON sidecar": jsons}.items():
        if len(found) > 1 and kind in {"channels.tsv", "events.tsv", "JSON sidecar"}:
            names = ", ".join(path.name for path in found)
            raise UsageError("several sidecars of one kind", subject=kind, expected="one", found=names)
    tables: dict[str, xr.Dataset] = {}
    warnings: list[Mapping[str, str]] = []
    for path in of_kind["events.tsv"]:
        events = read_events(read_rows(path), choose_rules(), subject=str(path))
        tables["events"] = events.table
        seizures = events.seizure_table()
        if seizures is not None:
            tables[SEIZURES] = seizures
        warnings += [*repairs(path), *events.warnings]
    electrodes = of_kind["electrodes.tsv"]
    systems = {_entities(path.name).get("space", ""): read_json(path) for path in of_kind["coordsystem.json"]}
    positions: Rows = []
    frame: dict[str, str] = {}
    for path in electrodes:
        space = _entities(path.name).get("space", "")
        system = systems.get(space, systems.get("", {}))
        rows = read_rows(path)
        name = f"electrodes_{space}" if space and len(electrodes) > 1 else "electrodes"
        tables[name] = electrode_table(rows, system, space=space, place=path.name)
        warnings += [*repairs(path), *electrode_doubts(rows, system, place=path.name)]
        if len(electrodes) == 1:
            positions, frame = rows, coordinate_frame(system, space)
    if len(electrodes) > 1:
        names = ", ".join(path.name for path in electrodes)
        warnings.append(warning("several-electrode-files", "electrodes.tsv", f"{names}: none was joined to channels"))
    warnings += [note for path in of_kind["channels.tsv"] for note in repairs(path)]
    return Sidecars(
        channels=read_rows(of_kind["channels.tsv"][0]) if of_kind["channels.tsv"] else [],
        positions=positions,
        frame=frame,
        tables=tables,
        attrs={"sidecar": read_json(jsons[0])} if jsons else {},
        warnings=tuple(warnings),
    )


def _matched(table: Rows, labels: Sequence[str], file: str, warnings: list[Mapping[str, str]]) -> Rows:
    """Return one row per label (empty where there is none); repeated names are matched in order."""
    rows: dict[str, Rows] = {}
    for row in table:
        rows.setdefault(row.get("name", ""), []).append(row)
    matched = []
    for label in labels:
        left = rows.get(label, [])
        matched.append(left.pop(0) if left else {})
    without = [label for label, row in zip(labels, matched, strict=True) if not row]
    unused = [name for name, left in rows.items() for _ in left]
    if without:
        warnings.append(warning("channels-without-row", file, f"no row for {', '.join(without)}"))
    if unused:
        warnings.append(warning("rows-without-channel", file, f"no channel for {', '.join(unused)}"))
    return matched


def _channel_columns(rows: Rows) -> dict[str, xr.Variable]:
    columns = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key, "n/a") for row in rows]
        name = RENAMED.get(key, variable_name(key))
        if key == "status" and {value.lower() for value in values} - MISSING <= set(STATUS):
            stated = [None if value in MISSING else value.lower() for value in values]
            columns[name] = schema.category("channel", stated, STATUS, "Status of the channel")
        elif key == "type":
            kinds = ["" if value in MISSING else value.lower() for value in values]
            columns[name] = schema.column("channel", kinds, "Kind of signal, as in channels.tsv (lower case)")
        elif key != "name":
            columns[name] = _typed("channel", values, key, "channels.tsv")
    return columns


def _typed(dim: str, values: Sequence[str], key: str, file: str) -> xr.Variable:
    """Make numbers of a column of numbers (``n/a`` becomes NaN), and text of any other (``n/a`` becomes ``""``)."""
    stated = [value for value in values if value not in MISSING]
    numbers = [_number(value) for value in values]
    if stated and sum(not math.isnan(number) for number in numbers) == len(stated) and key != "name":
        unit = "Hz" if key in IN_HZ else "1"
        return schema.column(dim, np.array(numbers), f"Column {key!r} of {file}", unit)
    texts = ["" if value in MISSING else value for value in values]
    return schema.column(dim, texts, f"Column {key!r} of {file}")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) and "_" not in text else math.nan
