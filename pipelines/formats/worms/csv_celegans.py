"""The format ``csv-celegans``: one worm in a wide table, as the Venkatachalam laboratory publishes recordings.

One row per ROI. Columns whose names are numbers are the samples, and the number is the sample's; every other column
(``neuron``, ``stimulus``, the recording's ``key``, ...) describes the ROI or the recording. The file says nothing about
seconds: 0.375 s per sample is what the release of 2024 states (qsimeon/worm-data-preprocess, ``_neural.py``), and it is
an option here. A zip with one such table is read as it is.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UnsafeError, UsageError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.one_path import only_path
from ..files.pointers import refuse_pointer
from .celegans_record import SPECIES, neuron_table, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FRAME_INTERVAL_S", "read", "sniff"]

Array = np.ndarray[Any, Any]

FRAME_INTERVAL_S = 0.375
"""Seconds from sample to sample."""

_NEURON, _STIMULUS = "neuron", "stimulus"
_LEAST_SAMPLES = 10
_MOST_BYTES = 1 << 30
_NUMBER = re.compile(r"\d+(\.\d+)?")
_EVENT = re.compile(r"[(\[]\s*['\"]?(?P<onset>[0-9.eE+-]+)['\"]?\s*,\s*(?P<quote>['\"])(?P<name>.*?)(?P=quote)\s*[)\]]")


def sniff(path: Path) -> bool:
    """Tell whether a file is such a table, by its first line."""
    try:
        with _opened(path) as stream:
            header = next(csv.reader(stream), [])
    except (FormatError, UnicodeDecodeError, csv.Error):
        return False
    return _NEURON in header and sum(map(_is_sample, header)) >= _LEAST_SAMPLES


def read(paths: list[Path], *, frame_interval_s: float = FRAME_INTERVAL_S) -> xr.DataTree:
    """Read one worm.

    Parameters
    ----------
    paths : list of pathlib.Path
        One CSV file, or a zip with one in it.
    frame_interval_s : float
        Seconds from sample to sample; stamps are the samples' numbers times it.

    Returns
    -------
    xarray.DataTree
        ``activity`` (float64; channel = row counted from 0; empty cells are NaN and not ``valid``), ``neuron`` (one row
        per ROI with the columns that differ between ROIs) and, where the table has them, ``stimulus``.

    Raises
    ------
    FormatError
        When the file is not such a table, or a cell is not a number.
    """
    only_path(paths, expected="RECORDING.csv or .zip")
    if not frame_interval_s > 0:
        raise UsageError("not an interval", subject="frame_interval_s", expected="more than 0 s")
    subject = str(paths[0])
    refuse_pointer(paths[0])
    header, rows = _table(paths[0])
    samples = [at for at, name in enumerate(header) if _is_sample(name)]
    if _NEURON not in header or len(samples) < _LEAST_SAMPLES or not rows:
        raise FormatError(
            "not a table of ROIs and samples",
            subject=subject,
            place="line 1",
            expected=f"the column {_NEURON} and at least {_LEAST_SAMPLES} columns whose names are numbers",
            found=f"{len(header)} columns, {len(samples)} of them numbers, {len(rows)} rows",
        )
    numbers = np.array([float(header[at]) for at in samples])
    if (np.diff(numbers) <= 0).any():
        raise FormatError("samples are not in order", subject=subject, place="line 1", expected="rising numbers")
    signal = np.stack([_samples(row, samples, subject, line) for line, row in enumerate(rows, start=2)])
    labels = [row[header.index(_NEURON)] for row in rows]
    fields, shared = _fields(header, rows, samples)
    warnings: list[dict[str, str]] = []
    ids = [str(number) for number in range(len(rows))]
    numbering: dict[str, Any] = {"channel_base": 0, "numbering": "row of the table, counted from 0"}
    groups: dict[str, xr.Dataset] = {
        "activity": series(
            signal,
            channel=ids,
            units="unknown",
            long_name="Fluorescence, as the source gives it",
            time_s=numbers * frame_interval_s,
            valid=taken(signal),
            frame_interval_s=frame_interval_s,
            **numbering,
        ),
        "neuron": neuron_table(ids, match_labels(labels), more=fields, **numbering),
    }
    stimuli = _stimuli(shared.get(_STIMULUS, ""), frame_interval_s, warnings)
    if stimuli is not None:
        groups["stimulus"] = stimuli
    key = shared.get("key", paths[0].stem)
    return record(
        groups,
        warnings=warnings,
        title=f"Whole-brain calcium imaging of a worm, {key}",
        species=SPECIES,
        source_uid=key,
        source_fields=shared,
    )


def _is_sample(name: str) -> bool:
    return _NUMBER.fullmatch(name.strip()) is not None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open the table, in its zip if it is in one."""
    with path.open("rb") as probe:
        zipped = probe.read(4) == b"PK\x03\x04"
    if not zipped:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
        return
    try:
        with zipfile.ZipFile(path) as archive:
            tables = [
                item
                for item in archive.infolist()
                if item.filename.lower().endswith(".csv") and not item.filename.startswith("__MACOSX/")
            ]
            if len(tables) != 1:
                raise FormatError("not one table in the archive", subject=str(path), found=f"{len(tables)} tables")
            if tables[0].file_size > _MOST_BYTES:
                raise UnsafeError("the table is larger than any recording", subject=str(path), place=tables[0].filename)
            with archive.open(tables[0]) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
                yield text
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise FormatError("not a readable archive", subject=str(path), found=str(error)) from error


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with _opened(path) as stream:
            header, *rows = [row for row in csv.reader(stream) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError("not a table", subject=str(path), found=str(error)) from error
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise FormatError(
                "a row has another number of cells than the header", subject=str(path), place=f"row {line}",
                expected=f"{len(header)} cells", found=f"{len(row)} cells",
            )  # fmt: skip
    return header, rows


def _samples(row: Sequence[str], samples: Sequence[int], subject: str, line: int) -> Array:
    values = np.empty(len(samples))
    for at, place in enumerate(samples):
        cell = row[place].strip()
        try:
            values[at] = float(cell) if cell else np.nan
        except ValueError:
            raise FormatError(
                "a sample is not a number", subject=subject, place=f"row {line}, column {place + 1}", found=repr(cell)
            ) from None
    return values


def _fields(
    header: Sequence[str], rows: Sequence[Sequence[str]], samples: Sequence[int]
) -> tuple[dict[str, xr.Variable], dict[str, str]]:
    """Return the columns that differ between ROIs, and the words that all rows share."""
    numbered = set(samples)
    differing: dict[str, xr.Variable] = {}
    shared: dict[str, str] = {}
    for at, name in enumerate(header):
        if at in numbered or name == _NEURON:
            continue
        words = [row[at] for row in rows]
        label = name.strip() or f"column {at + 1}"
        if len(set(words)) == 1:
            shared[label] = words[0]
        else:
            place = "source_" + re.sub(r"[^A-Za-z0-9_]+", "_", label)
            place = place if place not in differing else f"{place}_{at + 1}"
            differing[place] = column("row", words, f"Column {label!r} of the source")
    return differing, shared


def _stimuli(text: str, interval_s: float, warnings: list[dict[str, str]]) -> xr.Dataset | None:
    """Return the list of (onset, name) that the source writes into one cell, as a table."""
    if not text.strip():
        return None
    events = list(_EVENT.finditer(text))
    left = re.sub(r"[\s,\[\]]", "", _EVENT.sub("", text))
    try:
        onsets = np.array([float(event["onset"]) for event in events])
    except ValueError:
        left = text
    if left or not events:
        warnings.append(warning("not-stored", _STIMULUS, "not a list of (onset, name); see source_fields"))
        return None
    return table(
        {
            "stimulus": column("row", [event["name"] for event in events], "What is given, as the source writes it"),
            "frame": column("row", onsets, "Number of the sample at which it begins", "1"),
            "time": column("row", onsets * interval_s, "Time of that sample", "s"),
        }
    )
