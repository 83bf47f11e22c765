"""The format ``mat-celegans``: calcium imaging of worms in MATLAB files, as See Elegans writes and publishes them.

A file is told by its variables: tracks (a struct array with ``coords``, time x 5: two coordinates in the plane, z,
frame, intensity) with or without ``neurons_identified``; detections by hand (``hand_*``, n x 5); or the atlas of
reference positions. Columns are those of enricoliit/SeeElegans (``Comparison.m`` compares ``hand(:, [3 2 4])`` with
``coords(1, 1:3)``) and Lanza et al., PLoS ONE (2024). No file says how long a frame took.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, record, series, table, warning

from ...homogenise.celegans_names import match_labels
from ..files.matlab import is_mat, mat_variables, read_mat
from ..files.one_path import only_path
from .celegans_record import SPECIES, match_columns, neuron_table, position_series, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]

AXES = ("in_plane_1", "in_plane_2", "z")
_N_COLUMNS = 5
_IDENTITIES = "neurons_identified"
_ATLAS_NAMES, _ATLAS_POSITIONS = "namesstr", "m_coords_str_corrected"
_ATLAS_SETS = ("fpn_ids", "bpn_ids", "tpn_ids")
_ATLAS_FRAME = ("anterdir_str", "dorsaldir_str", "leftdir_str", "midpoint_str", "ruler_str", "fact_dir")


def sniff(path: Path) -> bool:
    """Tell whether a file has variables of one of these kinds."""
    if not is_mat(path):
        return False
    names = mat_variables(path)
    return _ATLAS_POSITIONS in names or any(name.startswith(("neurons_", "hand_")) for name in names)


def read(paths: list[Path], *, tracks: str | None = None) -> xr.DataTree:
    """Read one MATLAB file.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file of version 5 or 7.3.
    tracks : str, optional
        The variable with the tracks; needed only where several variables have a field ``coords``.

    Returns
    -------
    xarray.DataTree
        For tracks ``activity`` (intensity, channel = track counted from 1), ``position``, ``neuron`` and, where the
        file has them, ``selected_pixels``; for detections one table per variable; for the atlas one table. Series
        count frames from 1: the source gives no sampling rate.

    Raises
    ------
    FormatError
        When the file is not a MAT-file, has no such variables, or contradicts itself.
    """
    path = only_path(paths, expected="RECORDING.mat")
    variables = read_mat(path)
    groups: dict[str, xr.Dataset] = {}
    used: set[str] = set()
    attrs: dict[str, Any] = {}
    chosen = _choose_tracks(variables, tracks, str(path))
    if chosen is not None:
        _add_tracks(variables, chosen, groups, used, str(path))
    for name in sorted(variables):
        if name.startswith("hand_"):
            groups[name] = _detections(variables[name], name, str(path))
            used.add(name)
    if _ATLAS_NAMES in variables and _ATLAS_POSITIONS in variables:
        groups["atlas"], attrs = _atlas(variables, used, str(path))
    if not groups:
        raise FormatError(
            "none of the variables of worm recordings in MATLAB files",
            subject=str(path),
            expected=f"a struct array with coords, hand_*, or {_ATLAS_NAMES} and {_ATLAS_POSITIONS}",
            found=", ".join(variables) or "no variables",
        )
    warnings = [
        warning("not-stored", name, "a variable that the layout does not know")
        for name in sorted(set(variables) - used)
    ]
    return record(groups, warnings=warnings, title="Tracked cells of a worm", species=SPECIES, **attrs)


def _choose_tracks(variables: Mapping[str, Any], wanted: str | None, subject: str) -> str | None:
    fitting = [
        name
        for name, value in variables.items()
        if isinstance(value, list) and value and isinstance(value[0], dict) and "coords" in value[0]
    ]
    if wanted is not None and wanted not in fitting:
        raise UsageError("no such tracks", subject=subject, place="tracks", expected=", ".join(fitting), found=wanted)
    if wanted is None and len(fitting) > 1:
        raise UsageError(
            "several variables have tracks", subject=subject, expected="one", found=", ".join(fitting),
            hint=f"--option tracks={fitting[0]}",
        )  # fmt: skip
    return wanted or (fitting[0] if fitting else None)


def _add_tracks(
    variables: Mapping[str, Any], name: str, groups: dict[str, xr.Dataset], used: set[str], subject: str
) -> None:
    used.add(name)
    structs = variables[name]
    coords = _stack([item["coords"] for item in structs], name, subject)
    _check_frames(coords[:, :, 3], name, subject)
    ids = [str(number) for number in range(1, len(structs) + 1)]
    intensity = np.ascontiguousarray(coords[:, :, 4])
    numbering: dict[str, Any] = {"channel_base": 1, "numbering": f"position in {name}, counted from 1", "source": name}
    groups["activity"] = series(
        intensity,
        channel=ids,
        units="unknown",
        long_name="Fluorescence intensity",
        frame_start=1,
        valid=taken(intensity),
        **numbering,
    )
    groups["position"] = position_series(
        np.ascontiguousarray(coords[:, :, :3].transpose(0, 2, 1)),
        roi=ids,
        axes=AXES,
        units="pixel",
        long_name="Position in voxels",
        frame_start=1,
        **numbering,
    )
    for field in sorted(set().union(*structs) - {"coords"}):
        groups[field] = _per_frame(structs, field, name, subject)
    groups["neuron"] = _neurons(variables, ids, used, subject)


def _stack(coords: list[Any], name: str, subject: str) -> Array:
    shapes = {getattr(item, "shape", None) for item in coords}
    shape = next(iter(shapes))
    good = len(shapes) == 1 and shape is not None and len(shape) == 2 and shape[1] == _N_COLUMNS and shape[0] > 0
    if not good or any(item.dtype != coords[0].dtype or item.dtype.kind != "f" for item in coords):
        raise FormatError(
            "the tracks are not matrices of one size",
            subject=subject,
            place=f"{name}.coords",
            expected=f"(time, {_N_COLUMNS}) floating point numbers in every track",
            found=str(sorted(map(str, shapes))),
        )
    return np.stack(coords)


def _check_frames(frames: Array, name: str, subject: str) -> None:
    """Check that row i of every track is frame i, so that one clock serves all; rows without a number pass."""
    expected = np.arange(1, frames.shape[1] + 1)
    wrong = np.argwhere(~np.isnan(frames) & (frames != expected))
    if wrong.size:
        track, row = (int(at) for at in wrong[0])
        raise FormatError(
            "the frames of a track are not counted one by one",
            subject=subject,
            place=f"{name}({track + 1}).coords({row + 1},4)",
            expected=str(row + 1),
            found=str(frames[track, row]),
        )


def _per_frame(structs: list[dict[str, Any]], field: str, name: str, subject: str) -> xr.Dataset:
    """Make a table of a field that holds a list of numbers per frame."""
    rois, frames, values = [], [], []
    for at, item in enumerate(structs):
        cells = item.get(field)
        numbers = isinstance(cells, list) and all(
            isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf" for cell in cells
        )
        if not numbers:
            raise FormatError(
                "a field of the tracks is not a list of numbers per frame",
                subject=subject,
                place=f"{name}({at + 1}).{field}",
                expected="a cell array of numbers, one cell per frame",
                found=type(cells).__name__,
            )
        for frame, cell in enumerate(cells or (), start=1):
            rois.append(np.full(cell.size, at + 1, dtype=np.int32))
            frames.append(np.full(cell.size, frame, dtype=np.int32))
            values.append(cell.ravel(order="F"))
    return table(
        {
            "roi": column("row", np.concatenate(rois), "Track, counted from 1", "1"),
            "frame": column("row", np.concatenate(frames), "Frame, counted from 1", "1"),
            "value": column("row", np.concatenate(values), f"Values of {field} in the source's order", "unknown"),
        },
        source=f"{name}.{field}",
    )


def _neurons(variables: Mapping[str, Any], ids: list[str], used: set[str], subject: str) -> xr.Dataset:
    rows: list[tuple[int, str]] = []
    if _IDENTITIES in variables:
        used.add(_IDENTITIES)
        value = variables[_IDENTITIES]
        entry = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else {}
        numbers, names = np.asarray(entry.get("id", [])).ravel(), entry.get("name", [])
        if len(numbers) != len(names):
            raise FormatError(
                "identities and names differ in number",
                subject=subject,
                place=_IDENTITIES,
                expected="one name per id",
                found=f"{len(numbers)} ids, {len(names)} names",
            )
        for number, given in zip(numbers.tolist(), names, strict=True):
            if not (float(number).is_integer() and 1 <= number <= len(ids)):
                raise FormatError(
                    "an identity is of a track that is not there",
                    subject=subject,
                    place=f"{_IDENTITIES}.id",
                    expected=f"1 to {len(ids)}",
                    found=str(number),
                )
            rows += [(int(number), _text(one, subject)) for one in (given if isinstance(given, list) else [given])]
    labelled = {number for number, _ in rows}
    rows += [(number, "") for number in range(1, len(ids) + 1) if number not in labelled]
    rows.sort(key=lambda row: row[0])
    return neuron_table([str(number) for number, _ in rows], match_labels([name for _, name in rows]), channel_base=1)


def _text(value: Any, subject: str) -> str:
    if not isinstance(value, str):
        raise FormatError(
            "a name is not text",
            subject=subject,
            place=f"{_IDENTITIES}.name",
            expected="text",
            found=type(value).__name__,
        )
    return value


def _detections(value: Any, name: str, subject: str) -> xr.Dataset:
    if (
        not isinstance(value, np.ndarray)
        or value.ndim != 2
        or value.shape[1] != _N_COLUMNS
        or value.dtype.kind not in "iuf"
    ):
        raise FormatError(
            "detections by hand are not a matrix of five columns",
            subject=subject,
            place=name,
            expected="(n, 5) numbers",
            found=str(getattr(value, "shape", type(value).__name__)),
        )
    return table(
        {
            "number": column("row", value[:, 0], "Number of the detection", "1"),
            AXES[0]: column("row", value[:, 2], "First coordinate in the plane", "pixel"),
            AXES[1]: column("row", value[:, 1], "Second coordinate in the plane", "pixel"),
            "z": column("row", value[:, 3], "Plane", "pixel"),
            "column_5": column("row", value[:, 4], "Fifth column, whose meaning the source does not state", "unknown"),
        },
        source=name,
    )


def _atlas(variables: Mapping[str, Any], used: set[str], subject: str) -> tuple[xr.Dataset, dict[str, Any]]:
    names, positions = variables[_ATLAS_NAMES], variables[_ATLAS_POSITIONS]
    if not isinstance(positions, np.ndarray) or positions.shape != (len(names), 3):
        raise FormatError(
            "the atlas has not one position per name",
            subject=subject,
            place=_ATLAS_POSITIONS,
            expected=f"({len(names)}, 3)",
            found=str(getattr(positions, "shape", type(positions).__name__)),
        )
    used.update({_ATLAS_NAMES, _ATLAS_POSITIONS, *(set(_ATLAS_SETS + _ATLAS_FRAME) & set(variables))})
    sets = {name: set(np.asarray(variables[name]).ravel().tolist()) for name in _ATLAS_SETS if name in variables}
    member = [" ".join(name for name, numbers in sets.items() if at in numbers) for at in range(1, len(names) + 1)]
    texts = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in names]
    columns = {
        **match_columns(match_labels([_text(one, subject) for one in texts])),
        "set": column("row", member, "Sets of the source that list the neuron, separated by blanks"),
        **{
            f"coordinate_{axis + 1}": column("row", positions[:, axis], f"Coordinate {axis + 1}", "unknown")
            for axis in range(3)
        },
    }
    frame = {name: np.asarray(variables[name]).ravel().tolist() for name in _ATLAS_FRAME if name in variables}
    return table(columns, source=_ATLAS_POSITIONS), {"atlas_frame": frame}
