"""The format ``zimmer-mat``: whole-brain calcium imaging as the Zimmer laboratory publishes it (MATLAB 7.3).

A file has one struct array with one element per worm (or one struct whose fields are cells, one per worm). What a
field holds is told by its name, which differs between releases (``FIELD_NAMES``): traces are time x neuron. An entry
of the identities is text, empty, or a cell of all neurons that the ROI may be. Layouts: readme_Kato2015.txt of
osf.io/2395t, and the scripts of Zimmer-lab/Nichols2017, from which the meaning of the stimulus is taken
(``conc(1 + mod(initialstate + k - 1, n))`` is given after switch k, so ``initialstate`` counts from 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import LabelMatch, mark_duplicates, match_alternatives, match_label
from ..files.hdf5_file import is_hdf5
from ..files.matlab import is_mat, mat_variables, read_struct, struct_fields
from ..files.one_path import only_path
from .celegans_clock import checked_stamps, stamp_warnings
from .celegans_fields import rest_of, time_series
from .celegans_record import SPECIES, neuron_table, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FIELD_NAMES", "Survey", "read", "sniff", "survey"]

Array = np.ndarray[Any, Any]

FIELD_NAMES: Mapping[str, tuple[str, ...]] = {
    "labels": ("IDs", "NeuronNames", "neuron_ID"),
    "corrected": ("traces_bleach_corrected", "deltaFOverF_bc", "traces"),
    "stamps": ("timeVectorSeconds", "tv", "time_vector"),
}
"""What every file has, to the names it goes by; of several that are there the first is meant."""

_ROI_GROUPS = {
    "traces_raw": ("activity_raw", "Fluorescence over its baseline, not corrected for bleaching"),
    "deltaFOverF": ("activity_raw", "Fluorescence over its baseline, not corrected for bleaching"),
    "tracesDif": ("activity_derivative", "Time derivative of the traces as the source computed it"),
    "derivs": ("activity_derivative", "Time derivative of the traces as the source computed it"),
    "derivatives": ("activity_derivative", "Time derivative of the traces as the source computed it"),
}
_STATE_GROUPS = {"States": "state", "FourStates": "four_states"}


@dataclass(frozen=True)
class Survey:
    """What a file holds, told without reading its values."""

    variable: str
    n_worms: int
    cells: bool
    """Whether worms are cells of one struct instead of elements of a struct array."""
    fields: tuple[str, ...]


def sniff(path: Path) -> bool:
    """Tell whether a file has a struct array with the fields of this layout."""
    if not (is_mat(path) and is_hdf5(path)):
        return False
    try:
        survey(path)
    except FormatError:
        return False
    return True


def survey(path: Path, *, variable: str | None = None) -> Survey:
    """Tell how many worms a file holds and which fields they have.

    Parameters
    ----------
    path : pathlib.Path
        The MATLAB file.
    variable : str, optional
        The struct array; needed only where several fit.

    Raises
    ------
    FormatError
        When no variable is a struct array with identities, traces and time stamps.
    UsageError
        When several are.
    """
    names = [variable] if variable is not None else mat_variables(path)
    fitting: list[Survey] = []
    problems: list[str] = []
    for name in names:
        try:
            length, fields = struct_fields(path, name)
        except FormatError as error:
            problems.append(f"{name}: {error.message}")
            continue
        missing = [role for role, known in FIELD_NAMES.items() if not set(known) & set(fields)]
        if missing:
            wanted = "; ".join(f"{role}: {', '.join(FIELD_NAMES[role])}" for role in missing)
            problems.append(f"{name} lacks {wanted}, and has {', '.join(fields)}")
            continue
        cells = fields[_field("corrected", fields)] if length == 1 else None
        fitting.append(Survey(name, length if cells is None else cells, cells is not None, tuple(fields)))
    if not fitting:
        raise FormatError(
            "no struct array of recordings",
            subject=str(path),
            place=variable,
            expected="; ".join(f"{role}: {' or '.join(known)}" for role, known in FIELD_NAMES.items()),
            found="; ".join(problems) or "no variables",
        )
    if len(fitting) > 1:
        found = ", ".join(item.variable for item in fitting)
        raise UsageError("several variables have recordings", subject=str(path), place="variable", found=found)
    return fitting[0]


def read(paths: list[Path], *, worm: int = 1, variable: str | None = None) -> xr.DataTree:
    """Read one worm of a file.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file of version 7.3.
    worm : int
        Which of its worms, counted from 1 in the order of the file.
    variable : str, optional
        The struct array; needed only where several fit.

    Returns
    -------
    xarray.DataTree
        ``activity`` (traces corrected for bleaching, channel = ROI counted from 1), ``activity_raw`` and
        ``activity_derivative``, ``state`` and ``four_states`` (series), ``stimulus`` and ``neuron`` (tables), each
        where the file has it, and everything else below ``field``. Numbers keep the source's dtype.

    Raises
    ------
    FormatError
        When the file has no such worms, or the fields of this one contradict each other.
    """
    path = only_path(paths, expected="FILE.mat")
    found = survey(path, variable=variable)
    if not 1 <= worm <= found.n_worms:
        raise UsageError(
            "no such worm", subject=str(path), place="worm", expected=f"1 to {found.n_worms}", found=str(worm)
        )
    fields = _of_worm(path, found, worm)
    return _Worm(fields, subject=str(path), place=f"{found.variable}({worm})").record(found, worm)


def _of_worm(path: Path, found: Survey, worm: int) -> dict[str, Any]:
    if not found.cells:
        return read_struct(path, found.variable, worm - 1)
    shared = read_struct(path, found.variable, 0)
    split = {}
    for name, value in shared.items():
        per_worm = isinstance(value, list) and len(value) == found.n_worms
        if not per_worm and name in {_field(role, shared) for role in FIELD_NAMES}:
            raise FormatError(
                "a field has not one cell per worm",
                subject=str(path),
                place=f"{found.variable}.{name}",
                expected=f"a cell array of {found.n_worms}",
                found=f"{len(value)} cells" if isinstance(value, list) else type(value).__name__,
            )
        inner = value[worm - 1] if per_worm else value
        split[name] = [inner] if per_worm and isinstance(inner, dict) else inner
    return split


def _field(role: str, fields: Mapping[str, Any]) -> str:
    return next(name for name in FIELD_NAMES[role] if name in fields)


class _Worm:
    """One element of the struct array on its way to a record."""

    def __init__(self, fields: dict[str, Any], *, subject: str, place: str) -> None:
        self.fields = fields
        self.subject = subject
        self.place = place
        self.left = dict(fields)
        self.warnings: list[dict[str, str]] = []
        self.groups: dict[str, xr.Dataset] = {}

    def record(self, found: Survey, worm: int) -> xr.DataTree:
        traces = self._traces()
        n_samples, n_rois = traces.shape
        stamps_name = _field("stamps", self.fields)
        stamps = checked_stamps(
            self._numbers(self.left.pop(stamps_name), stamps_name),
            n_samples,
            subject=self.subject,
            place=f"{self.place}.{stamps_name}",
        )
        fps = self._fps()
        self.warnings += stamp_warnings(stamps, place=f"{self.place}.{stamps_name}", fps=fps)
        clock: dict[str, Any] = {"time_s": stamps}
        self._activity(traces, n_rois, clock)
        self._states(n_samples, clock)
        self._stimulus()
        self._neurons(n_rois)
        more, attrs = rest_of(self.left, n_samples=n_samples, clock=clock)
        self.groups |= more
        uid = self.fields.get("dataset")
        return record(
            self.groups,
            warnings=self.warnings,
            title="Whole-brain calcium imaging of a worm",
            species=SPECIES,
            source_uid=uid if isinstance(uid, str) else "",
            source_variable=found.variable,
            source_worm=worm,
            fps=fps,
            source_fields=attrs,
        )

    def _numbers(self, value: Any, name: str) -> Array:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise FormatError(
                "a field does not hold numbers",
                subject=self.subject,
                place=f"{self.place}.{name}",
                expected="a numeric array",
                found=type(value).__name__ if not isinstance(value, np.ndarray) else str(value.dtype),
            )
        return value

    def _traces(self) -> Array:
        name = _field("corrected", self.fields)
        traces = self._numbers(self.fields[name], name)
        if traces.ndim != 2 or not traces.size:
            raise FormatError(
                "the traces are not a matrix",
                subject=self.subject,
                place=f"{self.place}.{name}",
                expected="time x neuron",
                found=f"shape {traces.shape}",
            )
        return traces

    def _fps(self) -> float | None:
        """Take the frame rate, which may come as text-free scalar only; anything else stays among the fields."""
        value = self.left.get("fps")
        if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
            number = float(value.ravel()[0])
            if np.isfinite(number):
                del self.left["fps"]
                return number
        return None

    def _activity(self, traces: Array, n_rois: int, clock: Mapping[str, Any]) -> None:
        main = _field("corrected", self.fields)
        shared: dict[str, Any] = {
            "channel": [str(number) for number in range(1, n_rois + 1)],
            "units": "1",
            "channel_base": 1,
            "numbering": f"column of {main}, counted from 1",
            **clock,
        }
        for name in sorted(self.left):
            values = self.left[name]
            if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.shape != traces.shape:
                continue
            group, long_name = _ROI_GROUPS.get(name, (f"field/{name}", f"{name} as the source gives it"))
            if name == main:
                group, long_name = "activity", "Fluorescence over its baseline, corrected for bleaching"
            elif group in self.groups:
                group = f"field/{name}"
            units = {"activity_derivative": "s-1", "activity": "1", "activity_raw": "1"}.get(group, "unknown")
            signal = np.ascontiguousarray(values.T)
            self.groups[group] = series(
                signal, long_name=long_name, valid=taken(signal), source=name, **{**shared, "units": units}
            )
            del self.left[name]

    def _states(self, n_samples: int, clock: Mapping[str, Any]) -> None:
        for name, group in _STATE_GROUPS.items():
            value = self.left.get(name)
            one = value[0] if isinstance(value, list) and len(value) == 1 else value
            given = dict(one) if isinstance(one, dict) else {name: one}
            vectors = {at: item for at, item in given.items() if isinstance(item, np.ndarray) and item.size}
            if not vectors:
                continue
            sizes = sorted({item.size for item in vectors.values()})
            if sizes != [n_samples] or len(vectors) != len(given):
                text = f"has {sizes} values for {n_samples} samples; kept as it is below field"
                self.warnings.append(warning("length-mismatch", f"{self.place}.{name}", text))
                continue
            self.groups[group] = time_series(vectors, field=name, clock=clock)
            del self.left[name]

    def _stimulus(self) -> None:
        value = self.left.get("stimulus")
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(one, dict) or not isinstance(one.get("switchtimes"), np.ndarray):
            return
        times = one["switchtimes"].ravel().astype(np.float64)
        levels = one["conc"].ravel().astype(np.float64) if isinstance(one.get("conc"), np.ndarray) else np.zeros(0)
        first = one.get("initialstate")
        whole = isinstance(first, np.ndarray) and first.size == 1 and float(first.ravel()[0]).is_integer()
        start = int(first.ravel()[0]) if isinstance(first, np.ndarray) and whole else None
        before, after = np.full(times.size, np.nan), np.full(times.size, np.nan)
        if start is not None and levels.size:
            order = np.arange(times.size)
            before, after = levels[(start + order - 1) % levels.size], levels[(start + order) % levels.size]
        text = {name: one[name] for name in ("identity", "type", "concunits") if isinstance(one.get(name), str)}
        used = {
            "switchtimes",
            *text,
            *(["conc"] if levels.size else []),
            *(["initialstate"] if start is not None else []),
        }
        units = text.get("concunits") or "unknown"
        self.groups["stimulus"] = table(
            {
                "time": column("row", times, "Time at which the stimulus switches", "s"),
                "level_before": column("row", before, "Concentration until the switch", units),
                "level_after": column("row", after, "Concentration from the switch on", units),
            },
            identity=text.get("identity", ""),
            type=text.get("type", ""),
            initial_state=start,
            levels=levels.tolist(),
            state_base=1,
            source="stimulus",
        )
        rest = {name: item for name, item in one.items() if name not in used}
        self.left.pop("stimulus")
        if rest:
            self.left["stimulus"] = rest

    def _neurons(self, n_rois: int) -> None:
        name = _field("labels", self.fields)
        entries = self.left.pop(name)
        if isinstance(entries, str):
            entries = [entries]
        if not isinstance(entries, list) or len(entries) != n_rois:
            raise FormatError(
                "there is not one identity per trace",
                subject=self.subject,
                place=f"{self.place}.{name}",
                expected=f"a cell array of {n_rois}",
                found=f"{len(entries)} cells" if isinstance(entries, list) else type(entries).__name__,
            )
        labels = [
            _labels(entry, subject=self.subject, place=f"{self.place}.{name}{{{at}}}")
            for at, entry in enumerate(entries, start=1)
        ]
        matches = mark_duplicates(_match(item) for item in labels)
        self.groups["neuron"] = neuron_table(
            [str(number) for number in range(1, n_rois + 1)],
            matches,
            more={
                "n_labels": column(
                    "row",
                    np.array([sum(bool(text.strip()) for text in item) for item in labels], dtype=np.int32),
                    "Labels that the source gives for the ROI",
                    "1",
                ),
            },
            channel_base=1,
            source=name,
        )


def _match(labels: Sequence[str]) -> LabelMatch:
    match = match_alternatives(labels)
    if match.status == "unknown" and match.raw.strip().isdigit():
        # ROIs that nobody identified carry their number as their name.
        return replace(match_label(""), raw=match.raw, rule="number")
    return match


def _labels(entry: Any, *, subject: str, place: str) -> list[str]:
    """Return every label of one entry: text, nothing, a number, or a cell of these."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, list) and not any(isinstance(item, dict) for item in entry):
        return [label for item in entry for label in _labels(item, subject=subject, place=place)]
    if isinstance(entry, np.ndarray) and entry.dtype.kind in "biuf" and entry.size <= 1:
        numbers = entry.ravel().tolist()
        return [f"{number:g}" for number in numbers if not np.isnan(number)]
    raise FormatError(
        "an identity is neither text nor a list of texts",
        subject=subject,
        place=place,
        expected="text, an empty array, or a cell array of texts",
        found=str(getattr(entry, "shape", type(entry).__name__)),
    )
