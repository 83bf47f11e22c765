"""The format ``phy``: a folder that Kilosort or phy has written, spikes as sample numbers with the cluster of each.

Layout (phy, "Dataset description", phy.readthedocs.io; Kilosort 2 to 4): ``spike_times.npy`` in samples,
``spike_clusters.npy`` (after curation) or ``spike_templates.npy``, ``amplitudes.npy``, ``templates.npy``, the channel
map, tables ``cluster_*.tsv``, and the sampling rate in ``params.py``. A tick is a sample, so every time is exact. A
cluster of the tables without spikes stays; a template is not a unit, so templates keep an axis of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, events, record, table, warning

from ..files.npy_array import read_npy
from ..files.one_path import only_path
from .phy_params import read_params
from .spike_tables import free_name, read_cells, text_column

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["companions", "read", "sniff"]

Array = np.ndarray[Any, Any]

TIMES, CLUSTERS, TEMPLATE_OF, PARAMS = "spike_times.npy", "spike_clusters.npy", "spike_templates.npy", "params.py"
ARRAYS = (TIMES, CLUSTERS, TEMPLATE_OF, "amplitudes.npy", "templates.npy", "templates_ind.npy", "channel_map.npy",
          "channel_positions.npy", "channel_shanks.npy")  # fmt: skip
TABLES = ("cluster_*.tsv", "cluster_*.csv")
MOST_TEMPLATES = 1 << 24
_IDS = ("cluster_id", "id")
_ATTRIBUTES = ("n_channels_dat", "dtype", "offset", "hp_filtered")


def sniff(path: Path) -> bool:
    """Tell whether a folder, or the folder of a ``spike_times.npy``, has spikes and their clusters."""
    if path.is_file() and path.name != TIMES:
        return False
    folder = path if path.is_dir() else path.parent
    return (folder / TIMES).is_file() and any((folder / name).is_file() for name in (CLUSTERS, TEMPLATE_OF))


def companions(paths: list[Path], **_: Any) -> list[Path]:
    """Return the files of a folder that are read; raise where it has no spikes."""
    only_path(paths, expected="the folder of spike_times.npy", one="folder")
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    if paths[0].is_file() and paths[0].name != TIMES:
        raise FormatError("not the spikes of a phy folder", subject=str(paths[0]), expected=TIMES, found=paths[0].name)
    if not sniff(folder):
        raise FormatError(
            "not a phy folder", subject=str(folder), expected=f"{TIMES} with {CLUSTERS} or {TEMPLATE_OF}",
            found=", ".join(sorted(item.name for item in folder.iterdir())[:10]) or "an empty folder",
        )  # fmt: skip
    listed = sorted({item for pattern in TABLES for item in folder.glob(pattern)})
    return [item for item in (*(folder / name for name in (*ARRAYS, PARAMS)), *listed) if item.is_file()]


def read(paths: list[Path], *, rate_hz: str | float = "", duration_s: str | float = "") -> xr.DataTree:
    """Read one folder.

    Parameters
    ----------
    paths : list of pathlib.Path
        The folder, or its ``spike_times.npy``.
    rate_hz : str or float
        Samples per second, where ``params.py`` is missing or wrong; text such as ``"1000/3"`` is taken exactly.
    duration_s : str or float
        Length of the recording; otherwise the units count as watched from the first to the last spike.

    Returns
    -------
    xarray.DataTree
        ``spikes`` (ticks are samples; ``amplitude`` and ``template`` per event, the columns of the tables per unit,
        ``templates`` of shape (template, template_sample, template_channel) as stored) and ``electrodes`` (one row per
        channel that was sorted).

    Raises
    ------
    UsageError
        When nothing states the sampling rate, or an option is not a number.
    FormatError
        When a file is damaged, spikes and clusters differ in number, or a spike has no cluster or is before sample 0.
    UnsafeError
        When ``params.py`` would have to be run, or an array is a pickle.
    """
    files = {path.name: path for path in companions(list(paths))}
    warnings: list[dict[str, str]] = []
    params = read_params(files[PARAMS]) if PARAMS in files else {}
    rate = _rate(params, rate_hz, files[TIMES].parent, warnings)
    samples = _whole(files[TIMES], None)
    owner_file = files[CLUSTERS] if CLUSTERS in files else files[TEMPLATE_OF]
    cluster = _whole(owner_file, len(samples))
    if samples.size and (np.diff(samples) < 0).any():
        warnings.append(warning("unsorted", TIMES, f"{int((np.diff(samples) < 0).sum())} steps back; sorted"))
    columns, listed = _tables(files)
    ids = np.union1d(cluster, np.array(sorted(listed), dtype=np.int64))
    owner = np.searchsorted(ids, cluster)
    order = np.lexsort((owner, samples))
    units = {"cluster_id": column("unit_id", ids, "Id of the cluster", "1")}
    for name, cells in columns.items():
        texts = [cells.get(cluster_id, "") for cluster_id in ids.tolist()]
        units[free_name(name, units, prefix="cluster")] = text_column("unit_id", name, texts)
    units.update(_per_event(files, samples, owner, order, len(ids), units))
    observed, stated = _observed(samples, rate, duration_s, files[TIMES])
    spikes = events(
        samples, owner, unit_id=[str(number) for number in ids.tolist()], observed_s=observed, tick_hz=rate,
        units=units, observed_from=stated,
    )  # fmt: skip
    groups = {"spikes": spikes}
    electrodes = _electrodes(files)
    if electrodes is not None:
        groups["electrodes"] = electrodes
    return record(groups, warnings=warnings, **_attributes(params))


def _rate(params: Mapping[str, Any], option: str | float, folder: Path, warnings: list[dict[str, str]]) -> Fraction:
    """Return the exact rate of the option, else of ``params.py``."""
    stated = params.get("sample_rate")
    place = PARAMS if option == "" else "option rate_hz"
    given = stated if option == "" else option
    if given is None:
        raise UsageError(
            "nothing states the sampling rate", subject=str(folder), expected=f"sample_rate in {PARAMS}",
            found="none", hint="--option rate_hz=30000",
        )  # fmt: skip
    rate = _positive(given, str(folder), place)
    if option != "" and isinstance(stated, (int, float)) and not isinstance(stated, bool) and rate != stated:
        warnings.append(warning("rate-overridden", PARAMS, f"sample_rate is {stated}; the option says {option}"))
    return rate


def _positive(given: Any, subject: str, place: str) -> Fraction:
    """Return a positive number exactly as it is written."""
    error = UsageError if place.startswith("option") else FormatError
    number = None
    written = isinstance(given, str) and place.startswith("option")
    if written or (isinstance(given, (int, float)) and not isinstance(given, bool)):
        try:
            number = Fraction(str(given).strip())
        except (ValueError, ZeroDivisionError):
            number = None
    if number is None or not 0 < number < 10**12:
        raise error("not a positive number", subject=subject, place=place, found=repr(given)[:60])
    return number


def _whole(path: Path, length: int | None) -> Array:
    """Return a column of whole numbers, none of them negative, as int64 of shape (spike,)."""
    values = _column(path, length, "iu")
    if values.size and (int(values.min()) < 0 or int(values.max()) > np.iinfo(np.int64).max):
        at = int(np.flatnonzero((values < 0) | (values > np.iinfo(np.int64).max))[0])
        raise FormatError(
            "a number that cannot be", subject=str(path), place=f"row {at}", expected="0 to 2**63 - 1",
            found=str(values[at]),
        )  # fmt: skip
    return values.astype(np.int64)


def _column(path: Path, length: int | None, kinds: str) -> Array:
    """Return an array of shape (row,) or (row, 1) as a column; MATLAB writes the second."""
    values = read_npy(path, kinds=kinds)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1 or (length is not None and len(values) != length):
        raise FormatError(
            "spikes and their properties differ in number" if values.ndim == 1 else "not a column", subject=str(path),
            expected=f"shape ({'spike' if length is None else length},)", found=f"shape {values.shape}",
        )  # fmt: skip
    return values


def _tables(files: Mapping[str, Path]) -> tuple[dict[str, dict[int, str]], set[int]]:
    """Return the columns of all tables as cluster to text, and the clusters that they list.

    ``cluster_info.tsv`` repeats what the others say at the time it was written; where it differs, both are kept.
    """
    columns: dict[str, dict[int, str]] = {}
    listed: set[int] = set()
    names = [name for name in files if name.endswith((".tsv", ".csv"))]
    for name in sorted(names, key=lambda item: (item.startswith("cluster_info"), item)):
        cells = read_cells(files[name], "\t")
        if len(cells) == 1 and "," in next(iter(cells)):
            # phy before version 2 wrote tabs under the name of CSV, others write commas.
            cells = read_cells(files[name], ",")
        key = next((word for word in _IDS if word in cells), None)
        if key is None:
            raise FormatError(
                "a table of clusters without their ids", subject=str(files[name]), place="line 1",
                expected=" or ".join(_IDS), found=", ".join(cells)[:200],
            )  # fmt: skip
        ids = [_cluster_id(text, files[name], row) for row, text in enumerate(cells.pop(key))]
        if len(set(ids)) != len(ids):
            raise FormatError("a cluster is listed twice", subject=str(files[name]), place=f"column {key}")
        listed.update(ids)
        for title, texts in cells.items():
            found = dict(zip(ids, texts, strict=True))
            known = columns.get(title)
            if known is None:
                columns[title] = found
            elif any(known.get(number, "") != text for number, text in found.items()):
                columns[f"{Path(name).stem.removeprefix('cluster_')}_{title}"] = found
    return columns, listed


def _cluster_id(text: str, path: Path, row: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise FormatError(
            "not the id of a cluster", subject=str(path), place=f"line {row + 2}", expected="a whole number",
            found=repr(text[:40]),
        )  # fmt: skip
    return int(text)


def _per_event(
    files: Mapping[str, Path], samples: Array, owner: Array, order: Array, n_units: int, taken: Mapping[str, Any]
) -> dict[str, xr.Variable]:
    """Return amplitude and template per event, the templates, and each unit's most frequent one."""
    variables: dict[str, xr.Variable] = {}
    if "amplitudes.npy" in files:
        values = _column(files["amplitudes.npy"], len(samples), "iuf")
        variables["amplitude"] = column(
            "event", values[order], "Amplitude of the matched template, as the sorter gives it", "1"
        )
    n_templates = None
    if "templates.npy" in files:
        shapes = read_npy(files["templates.npy"], kinds="f")
        if shapes.ndim != 3:
            raise FormatError(
                "not templates", subject=str(files["templates.npy"]), expected="shape (template, sample, channel)",
                found=f"shape {shapes.shape}",
            )  # fmt: skip
        n_templates = shapes.shape[0]
        dims = ("template", "template_sample", "template_channel")
        variables["templates"] = column(dims, shapes, "Templates as stored (whitened, without a unit)", "1")
        if "templates_ind.npy" in files:
            variables["template_channels"] = column(
                dims[::2], _template_channels(files["templates_ind.npy"], shapes.shape), "Row of electrodes", "1"
            )
    if TEMPLATE_OF in files:
        which = _whole(files[TEMPLATE_OF], len(samples))
        if n_templates is not None and which.size and which.max() >= n_templates:
            raise FormatError(
                "a spike was matched by a template that is not there", subject=str(files[TEMPLATE_OF]),
                place=f"row {int(which.argmax())}", expected=f"below {n_templates}", found=str(which.max()),
            )  # fmt: skip
        variables["event_template"] = column("event", which[order], "Template that matched the spike", "1")
        main = np.full(n_units, -1, dtype=np.int64)
        width = int(which.max()) + 1 if which.size else 1
        if width > MOST_TEMPLATES:
            raise FormatError(
                "more templates than there can be", subject=str(files[TEMPLATE_OF]),
                expected=f"{MOST_TEMPLATES} at most", found=str(width),
            )  # fmt: skip
        pairs, counts = np.unique(owner * width + which, return_counts=True)
        # Last written wins: rising counts, and among equal ones the lowest template.
        for pair in pairs[np.lexsort((-pairs, counts))].tolist():
            main[pair // width] = pair % width
        variables[free_name("main_template", taken, prefix="cluster")] = column(
            "unit_id", main, "Template of most of the unit's spikes", "1", missing_value=-1
        )
    return variables


def _template_channels(path: Path, shape: tuple[int, ...]) -> Array:
    """Return the channel of every column of every template, -1 or the number of channels where there is none."""
    values = read_npy(path, kinds="iuf")
    # A comparison with NaN is false.
    whole = (np.abs(values) < MOST_TEMPLATES) & (values == np.floor(values))
    if values.shape != (shape[0], shape[2]) or not whole.all():
        raise FormatError(
            "not the channels of the templates", subject=str(path), expected=f"whole numbers, {(shape[0], shape[2])}",
            found=f"{values.dtype} {values.shape}",
        )  # fmt: skip
    return values.astype(np.int64)


def _observed(
    samples: Array, rate: Fraction, duration_s: str | float, path: Path
) -> tuple[list[tuple[float, float]], str]:
    last = Fraction(int(samples.max())) / rate if samples.size else Fraction(-1)
    if duration_s != "":
        stop = _positive(duration_s, str(path), "option duration_s")
        if last >= stop:
            raise FormatError(
                "a spike lies outside the observed time", subject=str(path), expected=f"0 to {float(stop):g} s",
                found=f"{float(last):.9g} s", hint="check rate_hz and duration_s",
            )  # fmt: skip
        return [(0.0, float(stop))], "option duration_s"
    if not samples.size:
        return [], "nothing"
    first = float(Fraction(int(samples.min())) / rate)
    return [(first, math.nextafter(float(last), math.inf))], "first to last spike; the folder does not say how long"


def _electrodes(files: Mapping[str, Path]) -> xr.Dataset | None:
    """Make the table of channels; rows are the columns of ``templates``."""
    columns: dict[str, xr.Variable] = {}
    length = None
    if "channel_map.npy" in files:
        rows = _whole(files["channel_map.npy"], None)
        length = len(rows)
        columns["channel_map"] = column("row", rows, "Row of the channel in the raw data", "1")
    if "channel_positions.npy" in files:
        place = read_npy(files["channel_positions.npy"], kinds="iuf")
        if place.ndim != 2 or place.shape[1] != 2 or (length is not None and len(place) != length):
            raise FormatError(
                "not one position per channel", subject=str(files["channel_positions.npy"]),
                expected=f"shape ({'channel' if length is None else length}, 2)", found=f"shape {place.shape}",
            )  # fmt: skip
        length = len(place)
        for at, axis in enumerate("xy"):
            columns[axis] = column("row", np.ascontiguousarray(place[:, at]), f"Position on the probe, {axis}", "um")
    if "channel_shanks.npy" in files:
        shanks = _column(files["channel_shanks.npy"], length, "iuf")
        columns["shank"] = column("row", shanks, "Shank of the channel", "1")
    return table(columns) if columns else None


def _attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``params.py`` says of the recording; of the data's path only the file's name."""
    attrs = {name: params[name] for name in _ATTRIBUTES if isinstance(params.get(name), (bool, int, float, str))}
    held = params.get("dat_path")
    paths = [held] if isinstance(held, str) else held if isinstance(held, (list, tuple)) else []
    names = [PureWindowsPath(PurePosixPath(item).name).name for item in paths if isinstance(item, str)]
    return {**attrs, **({"raw_files": names} if names else {})}
