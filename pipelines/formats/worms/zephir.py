"""A recording as ZephIR and its annotator leave it in a folder: annotations, worldlines, traces and their metadata.

``annotations*.h5`` has one row per annotation: frame ``t_idx`` counted from 0, coordinates between 0 and 1,
``worldline_id`` (one tracked cell) and ``provenance`` (who set it, ``ZEIR`` for the tracker). ``worldlines.h5`` names
the cells, ``null`` where nobody did. ``traces.npy`` is (image channel, worldline, frame). Specification: ZephIR,
docs/Guide-data.md, and Ryu et al., PLoS Comput Biol (2024). No file says how long a frame took.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.hdf5_file import dataset_paths, open_hdf5, read_array
from .celegans_record import SPECIES, neuron_table, position_series, taken

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["is_zephir", "read_npy", "read_zephir"]

Array = np.ndarray[Any, Any]

_AXES = ("x", "y", "z")
_ANNOTATION = {"t_idx", "x", "y", "z", "worldline_id", "provenance"}
_WORLDLINE = {"id", "name"}
_LONG_NAMES = {
    "id": ("Annotation", "1"),
    "t_idx": ("Frame, counted from 0", "1"),
    "x": ("Position along x, 0 to 1 over the image", "1"),
    "y": ("Position along y, 0 to 1 over the image", "1"),
    "z": ("Position along z, 0 to 1 over the image", "1"),
    "worldline_id": ("Worldline", "1"),
    "parent_id": ("Annotation or frame that it was derived from, as given", "1"),
    "provenance": ("Who set the annotation; ZEIR is the tracker", None),
}
_UNNAMED = "null"
_MOST_FRAMES = 10_000_000
"""A day of imaging at 100 volumes a second; one damaged index must not ask for petabytes."""


@dataclass
class _Folder:
    """The files of one recording by what they hold."""

    annotations: dict[str, dict[str, Array]] = field(default_factory=dict)
    worldlines: dict[str, Array] = field(default_factory=dict)
    traces: Array | None = None
    traces_file: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


def is_zephir(file: h5py.File) -> bool:
    """Tell whether a file has the columns of annotations or of worldlines."""
    return set(file) >= _ANNOTATION or set(file) >= _WORLDLINE


def read_zephir(paths: Sequence[Path]) -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        In any order: at most one ``worldlines.h5``, ``.npy`` of traces, metadata ``.json`` and parameters ``.json``,
        and at least one file of annotations. Positions are taken from the first file of annotations.

    Returns
    -------
    xarray.DataTree
        ``activity`` (channel = worldline, counted as in the source), ``position`` (float32, 0 to 1), ``neuron`` and
        ``annotation/FILE`` (every row of every file of annotations). All series count frames from 0: the source gives
        no sampling rate.

    Raises
    ------
    FormatError
        When a file is of none of these kinds or the files contradict each other.
    """
    folder = _sort(paths)
    subject = ", ".join(path.name for path in paths)
    ids = _worldline_ids(folder, subject)
    n_frames = _count_frames(folder, subject)
    groups: dict[str, xr.Dataset] = {}
    warnings: list[dict[str, str]] = []
    if folder.traces is not None:
        _add_traces(folder, ids, n_frames, groups)
    for stem, columns in folder.annotations.items():
        groups[f"annotation/{stem}"] = table(
            {name: _annotation_column(name, values) for name, values in sorted(columns.items())}
        )
    stem, columns = next(iter(folder.annotations.items()))
    cells = list(zip(columns["worldline_id"].tolist(), columns["t_idx"].tolist(), strict=True))
    if len(set(cells)) == len(cells):
        groups["position"] = _positions(columns, ids, n_frames, stem)
    else:
        text = "a worldline has several annotations in one frame: no series of positions is made"
        warnings.append(warning("duplicate-annotation", stem, text))
    groups["neuron"] = _neurons(folder, ids)
    attrs = {name: value for name, value in (("metadata", folder.metadata), ("parameters", folder.parameters)) if value}
    return record(groups, warnings=warnings, title="Tracked cells of a worm", species=SPECIES, **attrs)


def read_npy(path: Path) -> Array:
    """Read an array of numbers from an NPY file.

    Raises
    ------
    UnsafeError
        When it holds Python objects.
    TruncatedError
        When it is shorter than its header says.
    FormatError
        When it is not an NPY file.
    """
    with path.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":
            raise FormatError(
                "not an NPY file", subject=str(path), place="first bytes", expected="the magic string \\x93NUMPY"
            )
        stream.seek(0)
        try:
            version = np.lib.format.read_magic(stream)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, _, dtype = header(stream)
        except (ValueError, KeyError, EOFError) as error:
            raise FormatError(
                "the header cannot be read", subject=str(path), place="header", found=str(error)
            ) from error
        start = stream.tell()
    if dtype.hasobject:
        raise UnsafeError("the array holds Python objects, which would be unpickled", subject=str(path), place="header")
    expected, size = start + dtype.itemsize * int(np.prod(shape, dtype=object)), path.stat().st_size
    if size != expected:
        kind = TruncatedError if size < expected else FormatError
        raise kind(
            "the file does not have the size that its header says",
            subject=str(path),
            place="header",
            expected=f"{expected} bytes for shape {shape} of {dtype}",
            found=f"{size} bytes",
        )
    values = np.load(path, allow_pickle=False)
    return np.asarray(values).astype(dtype.newbyteorder("="), copy=False)


def _sort(paths: Sequence[Path]) -> _Folder:
    folder = _Folder()
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".npy":
            _once(folder.traces is None, path, "array of traces")
            folder.traces, folder.traces_file = read_npy(path), path.name
        elif suffix == ".json":
            values = _read_json(path)
            role = "metadata" if "shape_t" in values else "parameters"
            _once(not getattr(folder, role), path, f"file of {role}")
            setattr(folder, role, values)
        else:
            columns = _read_columns(path)
            if set(columns) >= _ANNOTATION:
                _check_types(columns, path)
                _once(path.stem not in folder.annotations, path, "file of annotations of that name")
                folder.annotations[path.stem] = columns
            elif set(columns) >= _WORLDLINE:
                _once(not folder.worldlines, path, "file of worldlines")
                folder.worldlines = columns
            else:
                raise FormatError(
                    "neither annotations nor worldlines",
                    subject=str(path),
                    expected=f"datasets {', '.join(sorted(_ANNOTATION))}, or {', '.join(sorted(_WORLDLINE))}",
                    found=", ".join(sorted(columns)) or "none",
                )
    if not folder.annotations:
        raise FormatError(
            "no file of annotations was given",
            subject=", ".join(path.name for path in paths),
            expected="annotations.h5, and any of worldlines.h5, traces.npy, metadata.json, parameters.json",
        )
    return folder


def _once(first: bool, path: Path, what: str) -> None:
    if not first:
        raise UsageError(f"a second {what} was given", subject=str(path), expected="the files of one recording")


def _read_json(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FormatError("not a JSON file", subject=str(path), found=str(error)) from error
    if not isinstance(values, dict):
        raise FormatError("not a JSON object", subject=str(path), expected="an object", found=type(values).__name__)
    return values


def _read_columns(path: Path) -> dict[str, Array]:
    with open_hdf5(path) as file:
        columns = {name: read_array(file, name, subject=str(path)) for name in dataset_paths(file, subject=str(path))}
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise FormatError("columns differ in length", subject=str(path), expected="one length", found=str(lengths))
    return columns


def _check_types(columns: dict[str, Array], path: Path) -> None:
    wanted = {"t_idx": "iu", "worldline_id": "iu", "x": "f", "y": "f", "z": "f", "provenance": "S"}
    for name, kinds in wanted.items():
        if columns[name].dtype.kind not in kinds:
            raise FormatError(
                "a column of annotations has the wrong type",
                subject=str(path),
                place=f"/{name}",
                expected={"iu": "integers", "f": "floating point numbers", "S": "text"}[kinds],
                found=str(columns[name].dtype),
            )


def _texts(values: Array) -> list[str]:
    return [
        value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else str(value) for value in values
    ]


def _worldline_ids(folder: _Folder, subject: str) -> list[int]:
    """Return the ids in the order of the traces, which is that of the ids."""
    used = {int(item) for columns in folder.annotations.values() for item in columns["worldline_id"]}
    if not folder.worldlines:
        return sorted(used)
    listed = [int(item) for item in folder.worldlines["id"]]
    strangers = sorted(used - set(listed))
    if strangers or len(set(listed)) != len(listed):
        raise FormatError(
            "annotations are of worldlines that are not listed" if strangers else "a worldline is listed twice",
            subject=subject,
            place="worldline_id",
            expected=f"ids of the {len(listed)} worldlines",
            found=str(strangers or sorted(listed)),
        )
    return sorted(listed)


def _count_frames(folder: _Folder, subject: str) -> int:
    frames = [columns["t_idx"].astype(np.int64) for columns in folder.annotations.values()]
    highest = max(int(one.max(initial=-1)) + 1 for one in frames)
    if any(int(one.min(initial=0)) < 0 for one in frames):
        raise FormatError("a frame is negative", subject=subject, place="t_idx", expected="frames counted from 0")
    stated = folder.metadata.get("shape_t")
    most = stated if isinstance(stated, int) else None
    if folder.traces is None:
        n_frames = max(highest, most or 0)
    else:
        # The tracker looks at the first shape_t frames at most (Guide-data.md), so traces cannot be longer.
        n_frames = int(folder.traces.shape[-1]) if folder.traces.ndim == 3 else -1
        if highest > n_frames or (most is not None and most < n_frames):
            raise FormatError(
                "traces, annotations and metadata disagree about the frames",
                subject=subject,
                place=folder.traces_file,
                expected=f"(image channel, worldline, frame), {max(highest, most or 0)} frames",
                found=f"shape {folder.traces.shape}",
            )
    if not 0 < n_frames < _MOST_FRAMES:
        raise FormatError(
            "the number of frames is not that of a recording",
            subject=subject,
            place="t_idx",
            expected=f"1 to {_MOST_FRAMES}",
            found=str(n_frames),
        )
    return n_frames


def _add_traces(folder: _Folder, ids: list[int], n_frames: int, groups: dict[str, xr.Dataset]) -> None:
    traces = folder.traces
    assert traces is not None
    if traces.shape[1:] != (len(ids), n_frames) or traces.dtype.kind not in "fiu":
        raise FormatError(
            "the traces do not fit the worldlines",
            subject=folder.traces_file,
            expected=f"(image channel, {len(ids)}, {n_frames}) numbers",
            found=f"shape {traces.shape}, {traces.dtype}",
        )
    for at, signal in enumerate(traces):
        groups["activity" if len(traces) == 1 else f"activity_{at}"] = series(
            signal,
            channel=[str(number) for number in ids],
            units="1",
            long_name="Fluorescence relative to the first frame",
            frame_start=0,
            valid=taken(signal),
            channel_base=0,
            numbering="worldline id of the source",
            image_channel=at,
        )


def _positions(columns: dict[str, Array], ids: list[int], n_frames: int, stem: str) -> xr.Dataset:
    place = {number: at for at, number in enumerate(ids)}
    rows = np.array([place[int(number)] for number in columns["worldline_id"]], dtype=np.int64)
    position = np.full((len(ids), len(_AXES), n_frames), np.nan, dtype=np.result_type(*(columns[a] for a in _AXES)))
    for at, axis in enumerate(_AXES):
        position[rows, at, columns["t_idx"].astype(np.int64)] = columns[axis]
    return position_series(
        position,
        roi=[str(number) for number in ids],
        axes=_AXES,
        units="1",
        long_name="Position, 0 to 1 over the image",
        frame_start=0,
        source=stem,
    )


def _annotation_column(name: str, values: Array) -> xr.Variable:
    long_name, units = _LONG_NAMES.get(name, (f"{name} as the source gives it", "unknown"))
    if values.dtype.kind == "S":
        return column("row", _texts(values), long_name)
    return column("row", values, long_name, units or "1")


def _neurons(folder: _Folder, ids: list[int]) -> xr.Dataset:
    names = dict.fromkeys(ids, "")
    more = {}
    if folder.worldlines:
        listed = [int(item) for item in folder.worldlines["id"]]
        names.update(zip(listed, _texts(folder.worldlines["name"]), strict=True))
        if "color" in folder.worldlines:
            colours = dict(zip(listed, _texts(folder.worldlines["color"]), strict=True))
            more["color"] = column("row", [colours[number] for number in ids], "Colour in the annotator")
    # "null" is this format's word for no name; the raw label stays as written.
    matches = match_labels(["" if names[number] == _UNNAMED else names[number] for number in ids])
    matches = [replace(match, raw=names[number]) for match, number in zip(matches, ids, strict=True)]
    return neuron_table([str(number) for number in ids], matches, more=more, channel_base=0)
