"""The format ``text-celegans``: one worm in six text files, as the Leifer laboratory exports recordings.

``{i}_gcamp.txt`` (one row per volume, one column per neuron, ``%.18e``, ``nan`` where a neuron was not found),
``{i}_t.txt`` (seconds), ``{i}_labels.txt`` (one line per column), ``{i}_stim_volume_i.txt`` and
``{i}_stim_neurons.txt`` (one line per optogenetic stimulation: volume and target, both counted from 0) and
``{i}_ds_name.txt``. The layout and the numbers below zero are those of leiferlab/pumpprobe (``Funatlas.export_to_txt``,
``Fconn``; Randi et al., Nature 623:406 (2023), doi:10.1038/s41586-023-06683-4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import category, column, record, series, table, warning

from ...homogenise.celegans_names import LabelMatch, match_labels
from ..files.pointers import refuse_pointer
from .celegans_record import SPECIES, neuron_table, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PARTS", "companions", "is_numeric", "part_of", "read", "sniff"]

Array = np.ndarray[Any, Any]

PARTS = ("gcamp", "t", "labels", "stim_volume_i", "stim_neurons", "ds_name")
"""What the six files hold; the first three make a recording, the others describe it."""

TARGETS = {-1: "none", -2: "excluded", -3: "special"}
"""Numbers that stand for no column: no target was found, the authors excluded the stimulation (a bubble, an artefact),
or they marked it by hand with a comment that the export does not hold."""

MERGED = "merge"
"""What the labellers wrote at a column that holds two neurons."""

_NAME = re.compile(r"(?P<index>\d+)_(?P<part>[a-z_]+)\.txt")


def part_of(path: PurePath) -> tuple[int, str] | None:
    """Return number and part of one of the six files, None for other names."""
    match = _NAME.fullmatch(path.name)
    return (int(match["index"]), match["part"]) if match and match["part"] in PARTS else None


def sniff(path: Path) -> bool:
    """Tell whether a file is the traces of a worm with its time and its labels beside it."""
    named = part_of(path)
    if named is None or named[1] != "gcamp" or not is_numeric(path):
        return False
    found = [part_of(other) for other in companions([path])]
    return all((named[0], part) in found for part in PARTS[:3])


def is_numeric(path: Path) -> bool:
    """Tell whether the first line of a file is numbers, which is what traces look like."""
    with path.open("rb") as stream:
        words = stream.readline(1 << 20).split()
    try:
        return bool([float(word) for word in words[:-1] or words])
    except ValueError:
        return False


def companions(paths: list[Path]) -> list[Path]:
    """Return every file that is read: with the traces alone come the five other files beside them."""
    named = part_of(paths[0])
    if len(paths) != 1 or named is None or named[1] != "gcamp":
        return paths
    beside = [paths[0].with_name(f"{named[0]}_{part}.txt") for part in PARTS[1:]]
    return [*paths, *(path for path in beside if path.is_file())]


def read(paths: list[Path]) -> xr.DataTree:
    """Read one worm.

    Parameters
    ----------
    paths : list of pathlib.Path
        The files of one worm in any order, or ``{i}_gcamp.txt`` alone, which brings the others along.

    Returns
    -------
    xarray.DataTree
        ``activity`` (float64, channel = column counted from 0, raw intensity, NaN kept and marked in ``valid``),
        ``neuron`` (one row per column) and ``stimulus`` (one row per stimulation, with its target).

    Raises
    ------
    FormatError
        When a file is missing, is not numbers, or contradicts another.
    """
    files = _by_part(companions(list(paths)))
    for path in files.values():
        refuse_pointer(path)
    subject = str(files["gcamp"])
    signal = _matrix(files["gcamp"])
    stamps = _numbers(files["t"])
    n_volumes, n_columns = signal.shape
    if len(stamps) != n_volumes:
        raise FormatError(
            "times and traces differ in length", subject=str(files["t"]), expected=f"{n_volumes} times",
            found=f"{len(stamps)} times",
        )  # fmt: skip
    labels, warnings = _labels(files["labels"], n_columns)
    matches = [_unmerged(match) for match in match_labels(labels)]
    ids = [str(number) for number in range(n_columns)]
    numbering: dict[str, Any] = {"channel_base": 0, "numbering": "column of the traces, counted from 0"}
    traces = np.ascontiguousarray(signal.T)
    groups: dict[str, xr.Dataset] = {
        "activity": series(
            traces,
            channel=ids,
            units="unknown",
            long_name="GCaMP fluorescence, raw intensity",
            time_s=stamps,
            valid=taken(traces),
            **numbering,
        ),
        "neuron": neuron_table(ids, matches, **numbering),
    }
    if "stim_volume_i" in files and "stim_neurons" in files:
        groups["stimulus"] = _stimuli(files, stamps, matches, warnings)
    for part in PARTS[3:]:
        if part not in files:
            warnings.append(warning("absent", f"{_index_of(files)}_{part}.txt", "the file was not given"))
    name = _lines(files["ds_name"])[0].strip() if "ds_name" in files and _lines(files["ds_name"]) else ""
    return record(
        groups,
        warnings=warnings,
        title=f"Whole-brain calcium imaging of a worm under optogenetic stimulation, {name or Path(subject).stem}",
        species=SPECIES,
        source_uid=name,
    )


def _by_part(paths: Sequence[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    numbers = set()
    for path in paths:
        named = part_of(path)
        if named is None or named[1] in files:
            raise UsageError(
                "not the files of one worm", subject=str(path), expected=", ".join(f"N_{part}.txt" for part in PARTS)
            )
        numbers.add(named[0])
        files[named[1]] = path
    if len(numbers) > 1:
        raise UsageError("files of several worms", subject=str(paths[0]), found=", ".join(map(str, sorted(numbers))))
    missing = [part for part in PARTS[:3] if part not in files]
    if missing:
        raise FormatError(
            "the recording is not complete",
            subject=str(paths[0]),
            expected=", ".join(f"{next(iter(numbers))}_{part}.txt" for part in PARTS[:3]),
            found=", ".join(sorted(path.name for path in files.values())),
        )
    return files


def _index_of(files: Mapping[str, Path]) -> int:
    named = part_of(files["gcamp"])
    assert named is not None
    return named[0]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("not a text file", subject=str(path), found=str(error)) from error
    return text.splitlines()


def _matrix(path: Path) -> Array:
    """Return the rows of numbers of a file; float() reads what ``%.18e`` wrote to the last bit, and fast."""
    data = path.read_bytes()
    try:
        rows = [[float(word) for word in line.split()] for line in data.splitlines() if line.strip()]
    except ValueError as error:
        raise FormatError("not a matrix of numbers", subject=str(path), found=str(error)) from error
    if not rows:
        raise FormatError("the file is empty", subject=str(path), expected="one row per volume")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1 or b"_" in data:
        raise FormatError(
            "not a matrix of numbers",
            subject=str(path),
            expected="rows of equal length",
            found=f"rows of {', '.join(map(str, sorted(lengths)[:5]))} numbers",
        )
    return np.array(rows, dtype=np.float64)


def _numbers(path: Path) -> Array:
    values = _matrix(path)
    if values.shape[1] != 1 and values.shape[0] != 1:
        raise FormatError("not a list of numbers", subject=str(path), expected="one number per line")
    flat: Array = values.ravel()
    if not np.isfinite(flat).all() or (np.diff(flat) < 0).any():
        at = int(np.flatnonzero(~np.isfinite(flat) | (np.diff(flat, prepend=flat[:1]) < 0))[0])
        raise FormatError(
            "times are missing or go back",
            subject=str(path),
            place=f"line {at + 1}",
            expected="finite times that never go back",
            found=str(flat[at]),
        )
    return flat


def _labels(path: Path, n_columns: int) -> tuple[list[str], list[dict[str, str]]]:
    """Return one label per column; lines beyond the last column may only be empty."""
    labels = _lines(path)
    beyond = labels[n_columns:]
    if len(labels) < n_columns or any(label.strip() for label in beyond):
        raise FormatError(
            "labels and traces differ in number", subject=str(path), expected=f"{n_columns} labels",
            found=f"{len(labels)} labels", hint="only empty lines may follow the label of the last column",
        )  # fmt: skip
    if not beyond:
        return labels, []
    message = f"{len(beyond)} empty labels follow that of the last column"
    return labels[:n_columns], [warning("labels-beyond", path.name, message)]


def _unmerged(match: LabelMatch) -> LabelMatch:
    if match.raw.strip() != MERGED:
        return match
    return replace(match, status="unlabelled", rule=MERGED)


def _stimuli(
    files: Mapping[str, Path], stamps: Array, matches: Sequence[LabelMatch], warnings: list[dict[str, str]]
) -> xr.Dataset:
    volumes, targets = _integers(files["stim_volume_i"]), _integers(files["stim_neurons"])
    if len(volumes) != len(targets):
        raise FormatError(
            "stimulations and targets differ in number", subject=str(files["stim_neurons"]),
            expected=f"{len(volumes)} targets", found=f"{len(targets)} targets",
        )  # fmt: skip
    known = (targets >= 0) & (targets < len(matches))
    strange = np.flatnonzero(~known & ~np.isin(targets, list(TARGETS)))
    if strange.size:
        raise FormatError(
            "a stimulation has a target that is not there",
            subject=str(files["stim_neurons"]),
            place=f"line {int(strange[0]) + 1}",
            expected=f"0 to {len(matches) - 1}, or one of {', '.join(map(str, TARGETS))}",
            found=str(targets[strange[0]]),
        )
    inside = (volumes >= 0) & (volumes < len(stamps))
    if not inside.all():
        outside = ", ".join(map(str, volumes[~inside][:5]))
        warnings.append(warning("outside", files["stim_volume_i"].name, f"volumes that were not recorded: {outside}"))
    times = np.full(len(volumes), np.nan)
    times[inside] = stamps[volumes[inside]]
    hit = [matches[target] if target >= 0 else None for target in targets.tolist()]
    return table(
        {
            "frame": column("row", volumes, "Volume at which the stimulation begins, counted from 0", "1"),
            "time": column("row", times, "Time of that volume; NaN where it was not recorded", "s"),
            "target": column("row", targets, "Column of the target, counted from 0; below 0 see target_status", "1"),
            "target_status": category(
                "row",
                [TARGETS.get(target, "column") for target in targets.tolist()],
                ("column", *TARGETS.values()),
                "Whether the target is a column of the traces",
            ),
            "target_raw_label": column("row", [match.raw if match else "" for match in hit], "Label of the target"),
            "target_neuron": column(
                "row", [match.name if match and match.identified else "" for match in hit], "Name of the target"
            ),
            "target_candidates": column(
                "row", [" ".join(match.candidates) if match else "" for match in hit], "Neurons that the label fits"
            ),
        },
        stimulus="optogenetic, one neuron at a time",
        frame_base=0,
    )


def _integers(path: Path) -> Array:
    lines = [line.strip() for line in _lines(path)]
    words = [(at, line) for at, line in enumerate(lines, start=1) if line]
    for at, word in words:
        if not re.fullmatch(r"[+-]?\d{1,9}", word):
            raise FormatError("not an integer", subject=str(path), place=f"line {at}", found=repr(word))
    return np.array([int(word) for _, word in words], dtype=np.int64)
