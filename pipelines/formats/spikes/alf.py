"""The format ``alf``: spikes, clusters, channels, trials and behaviour of one probe as IBL's ALF folders hold them.

An object is the files of one first name, its attributes the columns; all have as many rows (see :mod:`.alf_files`).
``spikes.clusters`` counts rows of ``clusters``, so clusters without spikes stay. Units of measurement are those that
IBL documents ("Datasets", International Brain Laboratory, docs.internationalbrainlab.org); what it does not, is
``unknown``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, events, record, warning

from ...homogenise.spike_clock import exact_ticks
from ..files.npy_array import read_npy
from ..files.one_path import only_path
from .alf_files import AlfFile, find_spikes, parse_name, session_files
from .alf_tables import Attributes, intervals_table, object_rows, other_objects, per_unit, plain_table
from .spike_tables import free_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["companions", "read", "sniff"]

Array = np.ndarray[Any, Any]
MOST_UNITS = 1 << 24
UNITS = {"amps": "V", "depths": "um", "samples": "1", "templates": "1"}
"""Of attributes of ``spikes`` (IBL, "Datasets")."""
TABLES = {"channels": "electrodes", "trials": "trials"}
"""Objects whose group has another name, or is always a table."""


def sniff(path: Path) -> bool:
    """Tell whether a folder has spikes, or a file is the times of one."""
    if path.is_file():
        parsed = parse_name(path)
        if parsed is None or parsed.key != "spikes.times" or parsed.extension != ".npy":
            return False
    try:
        find_spikes(path, "")
    except UsageError:
        return True
    except FormatError:
        return False
    return True


def companions(paths: list[Path], *, probe: str = "", revision: str = "", **_: Any) -> list[Path]:
    """Return the files that make the record of a folder."""
    return [file.path for _, file in sorted(_files(paths, probe, revision).items())]


def _files(paths: list[Path], probe: str, revision: str) -> dict[str, AlfFile]:
    only_path(paths, expected="an ALF folder", one="folder")
    folder = find_spikes(paths[0], probe)
    found = session_files(folder, revision=revision)
    for key in ("spikes.times", "spikes.clusters"):
        if key not in found or found[key].extension != ".npy":
            raise FormatError(
                "spikes are not complete", subject=str(folder), expected=f"{key}.npy", found=", ".join(found)
            )
    return found


def read(paths: list[Path], *, probe: str = "", revision: str = "", rate_hz: float | None = None) -> xr.DataTree:
    """Read one probe.

    Parameters
    ----------
    paths : list of pathlib.Path
        The folder of ``spikes.times.npy`` or that file, or a session's folder with one probe.
    probe : str
        Which probe of a session's folder.
    revision : str
        No later revision than this is read; ``""`` reads the last of every file.
    rate_hz : float, optional
        A sampling rate of which the times may be whole samples; tried before the usual ones.

    Returns
    -------
    xarray.DataTree
        ``spikes`` (ticks where they give back every time to the bit, else float64 seconds; the attributes of
        ``spikes`` per event, those of ``clusters`` per unit), ``electrodes``, ``trials`` (``intervals`` as
        ``start_time`` and ``stop_time``), ``intervals/NAME`` for other objects with intervals, a series per array of
        an object with ``timestamps`` (``wheel``), tables for the rest.

    Raises
    ------
    UsageError
        When a session has several probes and none is chosen.
    FormatError
        When a file is damaged, rows of an object differ in number, a time is not a finite number, or a spike's cluster
        is not there.
    UnsafeError
        When an array is a pickle.
    """
    files = _files(list(paths), probe, revision)
    objects: dict[str, Attributes] = {}
    for key, file in sorted(files.items()):
        objects.setdefault(key.partition(".")[0], {})[file.attribute] = file
    warnings: list[dict[str, str]] = []
    spikes = objects.pop("spikes")
    times = _times(spikes["times"])
    cluster = _clusters(spikes["clusters"], len(times))
    unit_columns, n_units = per_unit(objects.pop("clusters", {}), _at_least(cluster, spikes["clusters"]), warnings)
    if len(cluster) and cluster.max() >= n_units:
        raise FormatError(
            "a spike's cluster is not there", subject=str(spikes["clusters"].path),
            place=f"row {int(cluster.argmax())}", expected=f"below {n_units}, the rows of clusters",
            found=str(cluster.max()),
        )  # fmt: skip
    _doubts(times, spikes["times"].path, warnings)
    proved = exact_ticks(times, [] if rate_hz is None else [rate_hz])
    ticks, rate = proved if proved is not None else (times, None)
    order = np.lexsort((cluster, ticks))
    columns = {**unit_columns, **_per_event(spikes, len(times), order, unit_columns, warnings)}
    span = [(float(times.min()), float(np.nextafter(times.max(), np.inf)))] if len(times) else []
    group = events(
        ticks, cluster, unit_id=[str(number) for number in range(n_units)], observed_s=span, tick_hz=rate,
        units=columns, observed_from="first to last spike; ALF states no intervals" if span else "nothing",
    )  # fmt: skip
    groups = {"spikes": group}
    for name in sorted(TABLES):
        if name in objects:
            make = intervals_table if name == "trials" else plain_table
            groups[TABLES[name]] = make(name, objects.pop(name), warnings)
    groups.update(other_objects(objects, groups, warnings))
    revisions = {key: file.revision for key, file in sorted(files.items()) if file.revision}
    return record(groups, warnings=warnings, **({"revisions": revisions} if revisions else {}))


def _times(file: AlfFile) -> Array:
    values = read_npy(file.path, kinds="f")
    values = values.reshape(-1) if values.ndim == 2 and 1 in values.shape else values
    if values.ndim != 1 or values.dtype.itemsize > 8:
        raise FormatError(
            "not times of spikes", subject=str(file.path), expected="floats of shape (spike,)",
            found=f"{values.dtype} {values.shape}",
        )  # fmt: skip
    kept = values.astype(np.float64)
    if not np.isfinite(kept).all():
        wrong = np.flatnonzero(~np.isfinite(kept))
        raise FormatError(
            "a spike time is not a number", subject=str(file.path), place=f"row {wrong[0]}", expected="finite seconds",
            found=f"{kept[wrong[0]]}, {len(wrong)} in all",
        )  # fmt: skip
    return kept


def _clusters(file: AlfFile, n_spikes: int) -> Array:
    values = read_npy(file.path, kinds="iu")
    values = values.reshape(-1) if values.ndim == 2 and 1 in values.shape else values
    if values.shape != (n_spikes,):
        raise FormatError(
            "spikes and their clusters differ in number", subject=str(file.path), expected=f"shape ({n_spikes},)",
            found=f"shape {values.shape}",
        )  # fmt: skip
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < MOST_UNITS:
        raise FormatError(
            "a number that cannot be a row of clusters", subject=str(file.path), expected=f"0 to {MOST_UNITS - 1}",
            found=f"{values.min()} to {values.max()}",
        )  # fmt: skip
    return values.astype(np.int32)


def _at_least(cluster: Array, file: AlfFile) -> tuple[int, Path]:
    """Return how many units the spikes alone speak of, and where."""
    return (int(cluster.max()) + 1 if len(cluster) else 0), file.path


def _doubts(times: Array, path: Path, warnings: list[dict[str, str]]) -> None:
    back = int((np.diff(times) < 0).sum())
    if back:
        warnings.append(warning("unsorted", path.name, f"{back} times come before the one listed before them; sorted"))
    if (times < 0).any():
        warnings.append(warning("negative-times", path.name, f"{int((times < 0).sum())} spikes before second 0"))


def _per_event(
    spikes: Attributes, n_spikes: int, order: Array, taken: Mapping[str, Any], warnings: list[dict[str, str]]
) -> dict[str, xr.Variable]:
    """Return the further attributes of spikes in the order of the events."""
    variables: dict[str, xr.Variable] = {}
    for name, file in sorted(spikes.items()):
        if name in {"times", "clusters"}:
            continue
        if file.extension != ".npy":
            warnings.append(warning("not-stored", file.path.name, "an attribute of spikes that is no array"))
            continue
        values = read_npy(file.path)
        object_rows(values, file, n_spikes)
        if values.ndim != 1:
            warnings.append(warning("not-stored", file.path.name, f"an attribute of shape {values.shape}"))
            continue
        label = free_name(name, {**taken, **variables}, prefix="event")
        given = {} if values.dtype.kind == "b" else {"units": UNITS.get(name, "unknown")}
        variables[label] = column("event", values[order], f"spikes.{name}", **given)
    return variables
