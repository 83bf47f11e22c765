"""Tables, graphs and events as CSV or Parquet: one file per table, nothing rounded.

Categories become their labels. A graph gives ``<group>.nodes`` and ``<group>.edges`` (with node ids beside the
indices), events give ``<group>.events`` (with the unit's id and the time in seconds) and ``<group>.units`` and
``<group>.observed``. Parquet carries units, names and attributes in the schema's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from connectome import schema
from connectome.errors import UnsafeError, UsageError
from connectome.schema.events import times_s
from connectome.store.canonical import canonical_json

if TYPE_CHECKING:
    import xarray as xr


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one file per table below ``destination``, or one file of that name."""
    frames = dict(_frames(tree, group))
    if destination.suffix == f".{to}":
        if len(frames) != 1:
            raise UsageError(
                "more than one table", subject=destination.name, expected="a folder", found=", ".join(sorted(frames))
            )
        targets = {destination: next(iter(frames.values()))}
    else:
        destination.mkdir()
        targets = {destination / f"{_safe(name)}.{to}": frame for name, frame in frames.items()}
    for target, frame in targets.items():
        _write_csv(frame, target) if to == "csv" else _write_parquet(frame, target)
    return sorted(targets)


def _write_csv(frame: pd.DataFrame, target: Path) -> None:
    # pandas writes the shortest text that parses back to the same float, in each float's own width.
    frame.to_csv(target, index=False, lineterminator="\n", encoding="utf-8")


def _write_parquet(frame: pd.DataFrame, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        field.with_metadata({"attributes": canonical_json(frame.attrs["columns"].get(field.name, {}))})
        for field in table.schema
    ]
    described = pa.schema(fields, metadata={"attributes": canonical_json(frame.attrs["group"])})
    pq.write_table(table.cast(described), target, compression="zstd")


def _safe(name: str) -> str:
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in name.split("/")):
        raise UnsafeError("a group's name cannot be a file's name", subject=name)
    return name.replace("/", "__")


def _frames(tree: xr.DataTree, group: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield every table of a record, or of one group, by name."""
    for path, dataset in schema.groups(tree):
        name, kind = path.strip("/"), schema.kind_of(dataset)
        if group is not None and name != group.strip("/"):
            continue
        if kind == "table":
            yield name, _frame(dataset, "row")
        elif kind == "graph":
            yield f"{name}.nodes", _frame(dataset, "node")
            edges = _frame(dataset, "edge", skip=("out_edge", "in_edge"))
            for column in ("target", "source"):
                ids = schema.decode(dataset["node"])[dataset[column].values]
                edges.insert(0, f"{column}_node", ids)
            yield f"{name}.edges", edges
        elif kind == "events":
            events = _frame(dataset, "event", skip=("unit_order",))
            events.insert(0, "unit_id", schema.decode(dataset["unit_id"])[dataset["unit"].values])
            events.insert(0, "time_s", times_s(dataset))
            yield f"{name}.events", events
            yield f"{name}.units", _frame(dataset, "unit_id")
            yield f"{name}.observed", _frame(dataset, "interval")


def _frame(dataset: xr.Dataset, dim: str, *, skip: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return all variables along a dimension; those with a second one are spread over numbered columns."""
    columns: dict[str, pd.Series[Any]] = {}
    attrs: dict[str, Any] = {}
    for name in sorted(
        map(str, dataset.variables), key=lambda name: (name != dim, list(dataset.variables).index(name))
    ):
        variable = dataset.variables[name]
        if name in skip or not variable.dims or variable.dims[0] != dim:
            continue
        values = schema.decode(variable)
        flat = values.reshape(values.shape[0], prod(values.shape[1:]))
        for at in range(flat.shape[1]):
            label = name if values.ndim == 1 else f"{name}_{_label(dataset, variable, at)}"
            if label in columns:
                raise UsageError("two columns would have one name", subject=label, hint="export it to zarr")
            dtype = "str" if values.dtype.kind in "OTU" else values.dtype
            columns[label], attrs[label] = pd.Series(flat[:, at], dtype=dtype), dict(variable.attrs)
    frame = pd.DataFrame(columns)
    frame.attrs = {"columns": attrs, "group": dict(dataset.attrs)}
    return frame


def _label(dataset: xr.Dataset, variable: xr.Variable, at: int) -> str:
    """Name one column of a two-dimensional variable by its coordinate, else by its number."""
    second = variable.dims[1]
    return str(dataset[second].values[at]) if variable.ndim == 2 and second in dataset.coords else str(at)
