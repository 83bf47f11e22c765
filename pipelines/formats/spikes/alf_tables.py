"""Objects of ALF beside spikes: rows of clusters and channels, intervals, and what was sampled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, series, table, warning

from ..files.npy_array import read_npy
from ..tables.typed_table import read_arrow
from .alf_files import AlfFile
from .spike_tables import EVENT_NAMES, MOST_SPLIT, axis_columns, free_name, read_cells, text_column

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Attributes", "intervals_table", "object_rows", "other_objects", "per_unit", "plain_table"]

Array = np.ndarray[Any, Any]
Attributes: TypeAlias = dict[str, AlfFile]
"""The files of one object by attribute."""
Warnings: TypeAlias = list[dict[str, str]]

UNITS = {
    "clusters.amps": "V", "clusters.depths": "um", "clusters.peakToTrough": "ms", "clusters.waveforms": "V",
    "channels.localCoordinates": "um", "channels.mlapdv": "um", "wheel.position": "rad", "wheel.velocity": "rad/s",
}  # fmt: skip
"""IBL, "Datasets"."""
SECONDS = ("times", "intervals")
_STAMPS, _INTERVALS = "timestamps", "intervals"
_IDS = ("cluster_id", "cluster_ids")
_TABLES = (".pqt", ".parquet")


def object_rows(values: Array, file: AlfFile, n_rows: int) -> None:
    """Raise unless an array has so many rows."""
    if values.ndim == 0 or len(values) != n_rows:
        raise FormatError(
            "attributes of an object differ in length", subject=str(file.path), expected=f"{n_rows} rows",
            found=f"shape {values.shape}",
        )  # fmt: skip


def per_unit(
    clusters: Attributes, at_least: tuple[int, Path], warnings: Warnings
) -> tuple[dict[str, xr.Variable], int]:
    """Return the columns of ``clusters`` on ``unit_id`` and the number of units.

    Rows of ``clusters.metrics`` name their cluster and may be fewer; all other attributes have a row per cluster.
    """
    arrays = {name: read_npy(file.path) for name, file in sorted(clusters.items()) if file.extension == ".npy"}
    tables = {name: file for name, file in sorted(clusters.items()) if file.extension != ".npy"}
    keyed = {name: _table(file, "unit_id") for name, file in tables.items()}
    ids = {name: _ids(columns, tables[name]) for name, columns in keyed.items()}
    lengths = {clusters[name].path.name: len(values) for name, values in arrays.items() if values.ndim}
    lengths |= {
        tables[name].path.name: _n_rows(columns) for name, columns in keyed.items() if ids[name] is None and columns
    }
    if len(set(lengths.values())) > 1:
        raise FormatError(
            "attributes of an object differ in length", subject=str(at_least[1].parent), place="clusters",
            expected="one row per cluster in every file", found=str(lengths)[:300],
        )  # fmt: skip
    largest = [int(found.max()) + 1 for found in ids.values() if found is not None and len(found)]
    n_units = next(iter(lengths.values())) if lengths else max([at_least[0], *largest])
    variables: dict[str, xr.Variable] = {}
    for name, values in arrays.items():
        object_rows(values, clusters[name], n_units)
        label = free_name(name, variables, prefix="clusters")
        if values.ndim <= 2 and (values.ndim == 1 or 0 < values.shape[1] <= MOST_SPLIT) and name != "waveformsChannels":
            variables.update(axis_columns("unit_id", label, values, f"clusters.{name}", _unit("clusters", name),
                                          subject=str(clusters[name].path)))  # fmt: skip
        elif name in {"waveforms", "waveformsChannels"} and values.ndim == (3 if name == "waveforms" else 2):
            dims = ("unit_id", "waveform_sample", "waveform_channel")
            kept = dims if values.ndim == 3 else (dims[0], dims[2])
            variables[label] = column(kept, values, f"clusters.{name}", _unit("clusters", name))
        else:
            warnings.append(warning("not-stored", clusters[name].path.name, f"an attribute of shape {values.shape}"))
    _one_width(variables, clusters)
    for name, columns in keyed.items():
        rows = _rows(ids[name], n_units, tables[name])
        for title, held in columns.items():
            if title in _IDS:
                continue
            known = variables.get(title)
            spread = _spread(held, rows)
            if known is not None and known.dtype == spread.dtype and np.array_equal(known.values, spread.values):
                continue
            variables[free_name(title, variables, prefix=name)] = spread
    return variables, n_units


def _one_width(variables: Mapping[str, xr.Variable], clusters: Attributes) -> None:
    sizes = {held.sizes["waveform_channel"] for held in variables.values() if "waveform_channel" in held.dims}
    if len(sizes) > 1:
        raise FormatError(
            "waveforms and their channels differ in number", subject=str(clusters["waveformsChannels"].path),
            found=str(sorted(sizes)),
        )  # fmt: skip


def _ids(columns: Mapping[str, xr.Variable], file: AlfFile) -> Array | None:
    """Return the clusters that the rows of a table are about, None where they are rows of all clusters."""
    name = next((word for word in _IDS if word in columns), None)
    if name is None:
        return None
    found = columns[name].values
    if found.dtype.kind not in "iu" or (len(found) and (found.min() < 0 or len(np.unique(found)) != len(found))):
        raise FormatError("ids of clusters are not different whole numbers", subject=str(file.path), place=name)
    return found.astype(np.int64)


def _rows(ids: Array | None, n_units: int, file: AlfFile) -> Array:
    """Return the row of a table for every unit, -1 where there is none."""
    if ids is None:
        return np.arange(n_units)
    if len(ids) and ids.max() >= n_units:
        raise FormatError(
            "a row about a cluster that is not there", subject=str(file.path), place=f"row {int(ids.argmax())}",
            expected=f"below {n_units}", found=str(ids.max()),
        )  # fmt: skip
    rows = np.full(n_units, -1, dtype=np.int64)
    rows[ids] = np.arange(len(ids))
    return rows


def _spread(held: xr.Variable, rows: Array) -> xr.Variable:
    """Return a column with a row per unit; what is missing is as the kind of column says it."""
    lacking = rows < 0
    values = held.values[np.where(lacking, 0, rows)] if len(held.values) else np.zeros(len(rows), held.dtype)
    long_name, units = str(held.attrs["long_name"]), str(held.attrs.get("units", "1"))
    if not lacking.any():
        return held.copy(data=values)
    if "flag_values" in held.attrs:
        return held.copy(data=np.where(lacking, -1, values).astype(held.dtype))
    if values.dtype.kind == "f":
        return column("unit_id", np.where(lacking, np.nan, values), long_name, units)
    if values.dtype.kind in "iu" and not (held.values == -1).any():
        return column("unit_id", np.where(lacking, -1, values.astype(np.int64)), long_name, units, missing_value=-1)
    words = np.where(lacking, "", values.astype(str)).astype(object)
    return column("unit_id", words, long_name)


def _table(file: AlfFile, dim: str) -> dict[str, xr.Variable]:
    """Return the columns of a table file; an unnamed index that counts from 0 is left out."""
    reserved = frozenset({"row"}) if dim == "row" else EVENT_NAMES
    variables: dict[str, xr.Variable] = {}
    if file.extension in _TABLES:
        for name, held in read_arrow(file.path, []).variables(dim, but=("__index_level_0__",)).items():
            variables[free_name(name, variables, prefix="column", reserved=reserved)] = held
        return variables
    cells = read_cells(file.path, "," if file.extension == ".csv" else "\t")
    if cells.get("") == [str(row) for row in range(len(cells.get("", [])))]:
        cells.pop("")
    for name, texts in cells.items():
        variables[free_name(name, variables, prefix="column", reserved=reserved)] = text_column(dim, name, texts)
    return variables


def _n_rows(columns: Mapping[str, xr.Variable]) -> int:
    return len(next(iter(columns.values())).values)


def _unit(of: str, attribute: str) -> str:
    if attribute in SECONDS or attribute.endswith("_times"):
        return "s"
    return UNITS.get(f"{of}.{attribute}", "unknown")


def plain_table(name: str, attributes: Attributes, warnings: Warnings) -> xr.Dataset:
    """Make the table of an object: one column per attribute, several where an attribute has several."""
    return table(_columns(name, attributes, warnings))


def intervals_table(name: str, attributes: Attributes, warnings: Warnings) -> xr.Dataset:
    """Make the table of an object whose ``intervals`` are ``start_time`` and ``stop_time``."""
    columns = _columns(name, attributes, warnings)
    for pair in ((_INTERVALS, f"{_INTERVALS}_1"), (f"{_INTERVALS}_0", f"{_INTERVALS}_1")):
        if all(item in columns for item in pair) and not {"start_time", "stop_time"} & set(columns):
            for old, new, words in zip(pair, ("start_time", "stop_time"), ("Start", "End"), strict=True):
                columns[new] = column(
                    "row", columns.pop(old).values, f"{words} of the interval ({name}.intervals)", "s"
                )
            break
    return table(columns)


def _columns(name: str, attributes: Attributes, warnings: Warnings) -> dict[str, xr.Variable]:
    columns: dict[str, xr.Variable] = {}
    n_rows: int | None = None
    for attribute, file in sorted(attributes.items()):
        if file.extension == ".npy":
            values = read_npy(file.path)
            if values.ndim not in {1, 2} or (values.ndim == 2 and not 0 < values.shape[1] <= MOST_SPLIT):
                warnings.append(warning("not-stored", file.path.name, f"an attribute of shape {values.shape}"))
                continue
            about = f"{name}.{attribute}"
            found = axis_columns("row", attribute, values, about, _unit(name, attribute), subject=str(file.path))
        else:
            found = {title: _in_seconds(held, title) for title, held in _table(file, "row").items()}
        if not found:
            continue
        length = _n_rows(found)
        if n_rows is not None and length != n_rows:
            raise FormatError(
                "attributes of an object differ in length", subject=str(file.path), expected=f"{n_rows} rows",
                found=f"{length} rows",
            )  # fmt: skip
        n_rows = length
        for title, held in found.items():
            columns[title if title not in columns else f"{attribute}_{title}"] = held
    return columns


def _in_seconds(held: xr.Variable, title: str) -> xr.Variable:
    """Say of IBL's columns of times in a table (``stimOn_times``, ``intervals_0``) that they are seconds."""
    if held.dtype.kind == "f" and (title.endswith("_times") or title.startswith("intervals_")):
        held.attrs["units"] = "s"
    return held


def other_objects(
    objects: Mapping[str, Attributes], taken: Mapping[str, Any], warnings: Warnings
) -> dict[str, xr.Dataset]:
    """Make the groups of all other objects: series where there are time stamps, tables otherwise."""
    groups: dict[str, xr.Dataset] = {}
    for name, attributes in sorted(objects.items()):
        # IBL calls the stamps of video frames times.
        clock = "times" if name.endswith("Camera") else _STAMPS
        files = {key: file for key, file in attributes.items() if not key.startswith(clock)}
        stamps = [file for key, file in attributes.items() if key.startswith(clock)]
        if len(stamps) == 1 and stamps[0].extension == ".npy" and files:
            groups.update(_series(name, files, stamps[0], warnings))
        elif stamps:
            warnings.append(warning("not-stored", stamps[0].path.name, "time stamps that nothing belongs to"))
        elif any(key == _INTERVALS or key.startswith(f"{_INTERVALS}_") for key in attributes):
            groups[f"intervals/{name}"] = intervals_table(name, attributes, warnings)
        else:
            made = plain_table(name, attributes, warnings)
            if made.variables:
                groups[name if name not in taken else f"other/{name}"] = made
    return groups


def _series(name: str, files: Attributes, stamps: AlfFile, warnings: Warnings) -> dict[str, xr.Dataset]:
    """Make a series per attribute of a sampled object."""
    time = read_npy(stamps.path, kinds="f")
    if time.ndim != 1:
        warnings.append(warning(
            "not-stored", stamps.path.name, f"time stamps of shape {time.shape}: points to interpolate between"
        ))  # fmt: skip
        return {}
    groups: dict[str, xr.Dataset] = {}
    for attribute, file in sorted(files.items()):
        if file.extension == ".npy":
            values = read_npy(file.path)
            parts = {attribute: values.reshape(len(values), -1) if values.ndim else values}
            names = [str(at) for at in range(parts[attribute].shape[1])] if values.ndim > 1 else [attribute]
        else:
            held = {title: item for title, item in _table(file, "row").items() if item.dtype.kind in "iuf"}
            if not held:
                continue
            names = list(held)
            parts = {attribute: np.stack([item.values.astype(np.float64) for item in held.values()], axis=1)}
        if _differ(parts[attribute], time):
            warnings.append(warning(
                "not-stored", file.path.name, f"{len(parts[attribute])} samples beside {len(time)} time stamps"
            ))  # fmt: skip
            continue
        if not np.isfinite(time).all() or (np.diff(time) < 0).any():
            raise FormatError(
                "time stamps go back or are no numbers", subject=str(stamps.path),
                place=f"row {int(np.flatnonzero(~(np.diff(time, prepend=time[:1]) >= 0))[0])}",
            )  # fmt: skip
        signal = np.ascontiguousarray(parts[attribute].T)
        path = name if len(files) == 1 else f"{name}/{attribute}"
        groups[path] = series(
            signal, channel=names, units=_unit(name, attribute), long_name=f"{name}.{attribute}",
            time_s=time.astype(np.float64),
        )  # fmt: skip
    return groups


def _differ(values: Array, time: Array) -> bool:
    """Tell whether there is not one sample per time stamp."""
    return values.ndim != 2 or len(values) != len(time)
