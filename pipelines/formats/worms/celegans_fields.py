"""What a MATLAB struct says beyond the fields that a reader knows, so that nothing of it is lost.

Numbers and text become attributes; arrays with one row or column per sample become series on the recording's clock;
all other arrays and lists become tables. Nothing is interpreted: units are ``unknown`` and names are the source's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import column, series, table

from .celegans_record import taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FIELDS", "rest_of", "time_series"]

Array = np.ndarray[Any, Any]

FIELDS = "field"
"""Group below which fields are kept that no rule covers."""

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


def rest_of(
    fields: Mapping[str, Any], *, n_samples: int, clock: Mapping[str, Any]
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """Turn the fields of a struct that no rule covers into groups and attributes.

    Parameters
    ----------
    fields : mapping of str to Any
        As :func:`~connectome.pipelines.formats.files.matlab.read_mat` returns them.
    n_samples : int
        Samples of the recording.
    clock : mapping of str to Any
        ``time_s`` and attributes of the groups, for series.

    Returns
    -------
    groups : dict of str to xarray.Dataset
        Path to group.
    attrs : dict of str to Any
        Place of a number or text in the struct, such as ``options.derivAlpha``, to its value; ``[]`` where the source
        has something empty.
    """
    groups: dict[str, xr.Dataset] = {}
    attrs: dict[str, Any] = {}
    for name in sorted(fields):
        vectors = _vectors(fields[name], n_samples)
        if vectors is not None:
            groups[_path(name, groups)] = time_series(vectors, field=name, clock=clock)
            continue
        for place, leaf in _leaves(fields[name], name):
            plain = _plain(leaf)
            if plain is not None:
                attrs[place] = plain
            elif isinstance(leaf, np.ndarray) and leaf.size:
                groups[_path(place, groups)] = _array(leaf, place, n_samples, clock)
            elif isinstance(leaf, list) and leaf:
                groups[_path(place, groups)] = table(
                    {"value": column("row", leaf, f"Entries of {place}")}, source=place
                )
            else:
                attrs[place] = []
    return groups, attrs


def time_series(vectors: Mapping[str, Array], *, field: str, clock: Mapping[str, Any], **attrs: Any) -> xr.Dataset:
    """Make a series of vectors with one value per sample: one channel per vector, in the order given.

    Logicals stay logical; where dtypes differ, the widest of them is taken, which loses nothing of what MATLAB writes
    beside each other.
    """
    signal = np.ascontiguousarray(np.stack([values.ravel(order="F") for values in vectors.values()]))
    return series(
        signal,
        channel=list(vectors),
        units="unknown",
        long_name=f"{field} as the source gives it",
        valid=taken(signal),
        source=field,
        **clock,
        **attrs,
    )


def _vectors(value: Any, n_samples: int) -> dict[str, Array] | None:
    """Return vectors of one value per sample: the value itself, or all fields of a struct."""
    if _is_vector(value, n_samples):
        return {"value": value}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and value[0]:
        fields: dict[str, Any] = value[0]
        if all(_is_vector(item, n_samples) for item in fields.values()):
            return fields
    return None


def _is_vector(value: Any, n_samples: int) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "biuf"
        and value.size == n_samples > 1
        and max(value.shape) == value.size
    )


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield what is inside structs; lists of text and numbers stay whole."""
    if isinstance(value, dict):
        for name in value:
            yield from _leaves(value[name], f"{place}.{name}")
    elif isinstance(value, list) and any(isinstance(item, (dict, list, np.ndarray)) for item in value):
        single = len(value) == 1 and isinstance(value[0], dict)
        for at, item in enumerate(value, start=1):
            yield from _leaves(item, place if single else f"{place}({at})")
    else:
        yield place, value


def _plain(value: Any) -> str | int | float | bool | None:
    """Return a text or a finite number as it may stand in an attribute, None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "biuf":
        number = value.ravel()[0].item()
        return number if math.isfinite(number) else None
    return None


def _array(values: Array, place: str, n_samples: int, clock: Mapping[str, Any]) -> xr.Dataset:
    if values.dtype.kind in "biuf" and values.ndim == 2 and values.shape[0] == n_samples > 1:
        columns = {str(at): values[:, at - 1] for at in range(1, values.shape[1] + 1)}
        return time_series(columns, field=place, clock=clock, channel_base=1)
    parts: dict[str, Callable[[Array], Array]] = (
        {"real": np.real, "imaginary": np.imag} if values.dtype.kind == "c" else {"value": np.asarray}
    )
    index = np.unravel_index(np.arange(values.size), values.shape, order="F")
    columns_of = {
        f"index_{axis}": column("row", at.astype(np.int64) + 1, f"Index along dimension {axis}, counted from 1", "1")
        for axis, at in enumerate(index, start=1)
    }
    flat = values.ravel(order="F")
    for name, part in parts.items():
        units = None if flat.dtype.kind == "b" else "unknown"
        columns_of[name] = column("row", part(flat), f"Values of {place} in MATLAB's order", units)
    return table(columns_of, source=place, shape=list(values.shape))


def _path(place: str, groups: Mapping[str, Any]) -> str:
    """Return a group path for a place of the struct that no other group has."""
    stem = f"{FIELDS}/{_NOT_A_NAME.sub('_', place).strip('_') or 'unnamed'}"
    path, number = stem, 2
    while path in groups:
        path, number = f"{stem}_{number}", number + 1
    return path
