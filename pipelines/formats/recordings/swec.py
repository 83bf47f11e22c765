"""Long-term iEEG of the Sleep-Wake-Epilepsy-Center in Bern, in both forms in which it is published.

HDF5 parts with an index of them (:mod:`.swec_parts`), or hours in MATLAB files (:mod:`.swec_hours`). A recording of
days becomes one record, whose samples are read while they are written: memory holds one block of a file. Files give
neither names of channels nor a unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import warning
from connectome.seizures import Seizure, seizure_table

from ..files.hdf5_file import is_hdf5, open_hdf5
from ..files.matlab import is_mat
from ..files.pointers import refuse_pointer
from . import swec_hours, swec_parts
from .bids_sidecars import read_sidecars
from .recording import Block, Channel, Recording, exact_rate
from .streamed import Piece, streamed
from .tree import to_tree
from .units import given_unit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["companions", "read", "read_hours", "read_parts", "sniff"]

RULE = "the publisher marked every seizure of the recording"
FEW = 5


def sniff(path: Path) -> bool:
    """Tell whether a file is named and made as one of these."""
    if swec_hours.HOUR.fullmatch(path.name):
        return is_mat(path)
    if not swec_parts.PART.fullmatch(path.name) and not swec_parts.TOTAL.fullmatch(path.name):
        return False
    if not is_hdf5(path):
        return False
    with open_hdf5(path) as file:
        return swec_parts.SIGNAL in file and swec_parts.RATE in file.attrs


def read(paths: list[Path], *, unit: str = "") -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : list of Path
        The index of the parts (``ID04_total.h5``), which lie beside it or are given too; or parts alone, from the first
        on; or consecutive hours (``ID02_83h.mat``), with ``ID02_info.mat`` beside them or among the paths.
    unit : str
        Unit of the samples (``"uV"``), which the files do not give; the column ``unit_origin`` then says ``given``.
        Stored integers have none, because nothing says what a step is.

    Returns
    -------
    xarray.DataTree
        ``signal`` (series), ``file`` (table: which file holds which samples), ``annotation`` (empty) and, where the
        publisher's list of them is at hand, ``seizure``.

    Raises
    ------
    TruncatedError
        When a part is missing, or a file is cut.
    UnsafeError
        When a file takes its samples from other folders.
    FormatError
        When a file is not of the layout.
    MissingExtraError
        When only a package that is not installed undoes the compression of the parts.
    UsageError
        When the files are not those of one recording.
    """
    found = companions(paths)
    names = {path.name: path for path in found}
    if len(names) != len(found):
        raise UsageError("two files of one name", subject=", ".join(map(str, paths)), expected="one recording")
    if any(swec_hours.HOUR.fullmatch(name) for name in names):
        return read_hours(names, unit=unit)
    return read_parts(names, unit=unit)


def companions(paths: list[Path], *, unit: str = "") -> list[Path]:  # noqa: ARG001 - as read
    """Return every file that is read: an index brings its parts along, hours the file about them."""
    found = {path.name: path for path in reversed(paths)}
    for path in paths:
        hour = swec_hours.HOUR.fullmatch(path.name)
        beside: list[str] = []
        if swec_parts.TOTAL.fullmatch(path.name):
            refuse_pointer(path)
            beside = list(swec_parts.read_index(path).names)
        elif hour is not None:
            beside = [f"{hour['subject']}_info.mat"]
        for name in beside:
            if name not in found and (path.parent / name).is_file():
                found[name] = path.parent / name
    return [found[name] for name in sorted(found)]


def read_parts(files: Mapping[str, Path], *, unit: str = "") -> xr.DataTree:
    """Read a recording in HDF5; ``files`` is name to path, for files that lie under other names."""
    totals = [name for name in files if swec_parts.TOTAL.fullmatch(name)]
    numbered = {name: found for name in files if (found := swec_parts.PART.fullmatch(name)) is not None}
    subjects = {found["subject"] for found in numbered.values()}
    strange = sorted(set(files) - set(totals) - set(numbered))
    if len(totals) > 1 or strange or (not totals and len(subjects) != 1):
        raise UsageError(
            "not the files of one recording", subject=", ".join(sorted(files)),
            expected="<subject>_part_<n>.h5 and <subject>_total.h5 of one subject",
        )  # fmt: skip
    for path in files.values():
        refuse_pointer(path)
    index = swec_parts.read_index(files[totals[0]], totals[0]) if totals else None
    if index is not None:
        names, subject = list(index.names), index.subject
    else:
        names, subject = sorted(numbered, key=lambda name: int(numbered[name]["number"])), next(iter(subjects))
    missing = [name for name in names if name not in files]
    if index is None:
        missing = [
            f"{subject}_part_{at}.h5" for at in range(1, len(names) + 1) if f"{subject}_part_{at}.h5" not in files
        ]
    if missing or set(numbered) - set(names):
        raise TruncatedError(
            "parts of the recording are missing" if missing else "parts that the index does not know",
            subject=str(files[totals[0]]) if totals else subject, expected=f"{len(names)} parts",
            found=f"without {_few(missing)}" if missing else _few(sorted(set(numbered) - set(names))),
        )  # fmt: skip
    parts = [swec_parts.read_part(files[name]) for name in names]
    swec_parts.check_parts(parts, index)
    warnings = _doubts(index, dict(zip(names, parts, strict=True)))
    patients = sorted({text for text in (*(part.patient for part in parts), index.patient if index else "") if text})
    tables = {"file": _file_table(names, parts)}
    if index is not None and index.seizures is not None:
        tables["seizure"], doubts = _seizure_group(index.seizures, sum(index.samples) / index.rate_hz)
        warnings += doubts
    return _tree(
        parts, parts[0].n_channels, parts[0].dtype, parts[0].rate_hz, segments=_written(parts), unit=unit,
        warnings=warnings, tables=tables, file_format="SWEC iEEG (HDF5 parts)", subject=subject,
        **({"patient_in_file": ", ".join(patients)} if patients else {}),
    )  # fmt: skip


def read_hours(files: Mapping[str, Path], *, unit: str = "") -> xr.DataTree:
    """Read consecutive hours in MATLAB files; ``files`` is name to path, for files that lie under other names."""
    numbered = {name: found for name in files if (found := swec_hours.HOUR.fullmatch(name)) is not None}
    subjects = {found["subject"] for found in numbered.values()}
    about = f"{next(iter(subjects), '')}_info.mat"
    if len(subjects) != 1 or set(files) - set(numbered) - {about}:
        raise UsageError(
            "not the files of one recording", subject=", ".join(sorted(files)),
            expected="<subject>_<n>h.mat and <subject>_info.mat of one subject",
        )  # fmt: skip
    if about not in files:
        raise FormatError(
            "nothing says at which rate hours were sampled", subject=_few(sorted(numbered)), expected=about
        )
    for path in files.values():
        refuse_pointer(path)
    info = swec_hours.read_info(files[about])
    names = sorted(numbered, key=lambda name: int(numbered[name]["number"]))
    hours = [swec_hours.read_hour(files[name], int(numbered[name]["number"])) for name in names]
    swec_hours.check_hours(hours, info)
    start_s = float((hours[0].number - 1) * swec_hours.HOUR_S)
    duration_s = sum(hour.n_samples for hour in hours) / info.rate_hz
    seizures, doubts = _seizure_group(swec_hours.seizures_within(info, start_s, start_s + duration_s), duration_s)
    return _tree(
        hours, hours[0].n_channels, hours[0].dtype, info.rate_hz, segments=(), unit=unit, warnings=doubts,
        tables={"file": _file_table(names, hours), "seizure": seizures},
        file_format="SWEC-ETHZ (MATLAB hours)", subject=next(iter(subjects)),
        first_hour=hours[0].number, last_hour=hours[-1].number, first_sample_after_start_s=start_s,
    )  # fmt: skip


def _tree(
    pieces: Sequence[Piece], n_channels: int, dtype: np.dtype[Any], rate_hz: float, *,
    segments: tuple[tuple[int, int], ...], unit: str, warnings: list[dict[str, str]], tables: Mapping[str, xr.Dataset],
    subject: str, **attrs: Any,
) -> xr.DataTree:  # fmt: skip
    given = given_unit(unit, corrects=False)
    channel = Channel(label="", source_unit="", unit="", kind="ieeg")
    signal = streamed(pieces, n_channels=n_channels, dtype=dtype)
    if dtype.kind != "f":
        # A unit that somebody gives is that of numbers in floating point, not of steps.
        given = None
        warnings.append(warning("no-scale", "signal", "stored integers; the files do not say what a step is"))
    block = Block(signal, (channel,) * n_channels, exact_rate(rate_hz), segments=segments)
    recording = Recording((block,), (), attrs, tuple(warnings), tables)
    tree = to_tree(recording, read_sidecars([]), group="signal", given=given)
    tree.attrs["subject"] = subject
    return tree


def _doubts(index: swec_parts.Index | None, parts: Mapping[str, swec_parts.Part]) -> list[dict[str, str]]:
    found = []
    if index is None:
        message = "parts without the file of the whole: there may be more of them, and seizures are not known"
        found.append(warning("no-index", "file", message))
    elif index.foreign:
        message = f"the virtual dataset names {_few(index.foreign)}; read were the parts that the file lists as its own"
        found.append(warning("foreign-virtual-sources", "file", message))
    for name, part in parts.items():
        for start, stop in part.unwritten:
            message = f"samples {start} to {stop} of {name} were never written; no segment holds them"
            found.append(warning("never-written", "signal", message))
    unread = sorted({text for item in (index, *parts.values()) if item is not None for text in item.unread})
    if unread:
        found.append(warning("not-read", "file", f"not of the known layout, and not read: {_few(unread)}"))
    patients = {item.patient for item in (index, *parts.values()) if item is not None and item.patient}
    if len(patients) > 1:
        found.append(
            warning("patients-differ", "file", f"the files call the patient {_few(sorted(map(repr, patients)))}")
        )
    return found


def _written(parts: Sequence[swec_parts.Part]) -> tuple[tuple[int, int], ...]:
    """Return the stretches of samples that the parts hold; nothing where they hold all."""
    if not any(part.unwritten for part in parts):
        return ()
    held, at, begin = [], 0, 0
    for part in parts:
        for start, stop in part.unwritten:
            if at + start > begin:
                held.append((begin, at + start))
            begin = at + stop
        at += part.n_samples
    return (*held, (begin, at)) if at > begin else tuple(held)


def _seizure_group(seizures: Sequence[Seizure], duration_s: float) -> tuple[xr.Dataset, list[dict[str, str]]]:
    cut = [item for item in seizures if item.onset_s < 0 or item.offset_s > duration_s]
    doubts = []
    if cut:
        message = f"{len(cut)} seizures begin before the first sample or end after the last one"
        doubts.append(warning("seizure-cut", "seizure", message))
    return seizure_table(seizures, rule=RULE), doubts


def _file_table(names: Sequence[str], pieces: Sequence[Piece]) -> xr.Dataset:
    lengths = np.array([piece.n_samples for piece in pieces], dtype=np.int64)
    return schema.table(
        {
            "name": schema.column("row", list(names), "Name of the file"),
            "first_sample": schema.column("row", np.cumsum(lengths) - lengths, "Sample that it begins with", "1"),
            "n_samples": schema.column("row", lengths, "Samples that it holds", "1"),
        }
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
