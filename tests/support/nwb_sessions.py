"""Generated NWB 2 sessions in HDF5, and the same trees in the Zarr v2 layout that hdmf-zarr writes.

Nothing was measured. The writer is seeded and returns what it wrote; the quirks (ragged columns in narrow index types,
nested indices, compound references, linked stamps, lists as text) are those of published sessions.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np

TEXT = h5py.string_dtype()
SERIES_REFERENCE = np.dtype([("idx_start", "<i4"), ("count", "<i4"), ("timeseries", h5py.ref_dtype)])


def typed(parent: h5py.Group, name: str, kind: str, **attrs: Any) -> h5py.Group:
    """Make a typed group."""
    group = parent.require_group(name)
    group.attrs.update({"neurodata_type": kind, "namespace": "core", "object_id": f"generated {group.name}", **attrs})
    return group


def table(parent: h5py.Group, name: str, columns: dict[str, Any], *, kind: str = "DynamicTable") -> h5py.Group:
    """Write a DynamicTable; a key ``x_index`` is the index of the column ``x``."""
    listed = [one for one in columns if not one.endswith("_index") and one != "id"]
    group = typed(parent, name, kind, description=f"generated {name}")
    group.attrs["colnames"] = np.array(listed, dtype=object)
    for key, values in columns.items():
        array = np.asarray(values)
        words = array.dtype.kind == "U"
        group.create_dataset(key, data=array.astype(object) if words else array, dtype=TEXT if words else None)
        group[key].attrs["neurodata_type"] = "VectorIndex" if key.endswith("_index") else "VectorData"
        if not key.endswith("_index"):
            group[key].attrs["description"] = f"generated {key}"
    return group


def series(
    parent: h5py.Group, name: str, data: Any, *, stamps: Any = None, rate: float | None = None, start: float = 0.0,
    kind: str = "TimeSeries", unit: str = "V", **attrs: Any,
) -> h5py.Group:  # fmt: skip
    """Write a TimeSeries."""
    group = typed(parent, name, kind, description=f"generated {name}")
    group["data"] = data
    group["data"].attrs.update({"unit": unit, **attrs})
    if stamps is not None:
        group["timestamps"] = stamps
        group["timestamps"].attrs["unit"] = "seconds"
    if rate is not None:
        group["starting_time"] = start
        group["starting_time"].attrs.update({"rate": rate, "unit": "seconds"})
    return group


def empty_session(path: Path, **attrs: Any) -> h5py.File:
    """Make a session without data and leave it open."""
    file = h5py.File(path, "w")
    file.attrs.update({"neurodata_type": "NWBFile", "namespace": "core", "nwb_version": "2.7.0", **attrs})
    for name, text in (("identifier", "generated-1"), ("session_description", "generated"),
                       ("session_start_time", "2020-01-01T00:00:00+00:00")):  # fmt: skip
        file.create_dataset(name, data=text, dtype=TEXT)
    subject = typed(file, "general/subject", "Subject")
    for name, text in (("subject_id", "mouse-7"), ("species", "Mus musculus"), ("sex", "F"), ("age", "P90D")):
        subject.create_dataset(name, data=text, dtype=TEXT)
    return file


def spike_trains(seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Return sorted spike times of four units, in whole microseconds; the third is silent."""
    random = np.random.default_rng(seed)
    return [np.sort(random.choice(20_000_000, n, replace=False)) / 1_000_000 for n in (40, 25, 0, 31)]


def add_units(parent: h5py.Group, trains: list[np.ndarray[Any, Any]], *, name: str = "units", index: str = "uint8",
              **columns: Any) -> h5py.Group:  # fmt: skip
    """Write a Units table of these trains."""
    ends = np.cumsum([len(train) for train in trains])
    return table(
        parent, name,
        {"id": np.arange(100, 100 + len(trains)), "spike_times": np.concatenate(trains),
         "spike_times_index": ends.astype(index), **columns},
        kind="Units",
    )  # fmt: skip


def rich_session(path: Path) -> dict[str, Any]:
    """Write a session with something of everything; return the arrays."""
    random = np.random.default_rng(3)
    trains = spike_trains()
    amplitudes = random.normal(size=sum(map(len, trains)))
    lfp = random.integers(-3000, 3000, (500, 3)).astype(np.int16)
    speed, stamps = random.normal(size=60), np.cumsum(random.uniform(0.01, 0.02, 60))
    with empty_session(path) as file:
        typed(file, "general/devices/probeA", "Device", description="a probe", sampling_rate=30000.0)
        ephys = file.require_group("general/extracellular_ephys")
        shank = typed(ephys, "shank0", "ElectrodeGroup", description="a shank", location="V1")
        shank["device"] = h5py.SoftLink("/general/devices/probeA")
        electrodes = table(ephys, "electrodes", {
            "id": np.array([7, 8, 9]), "x": np.array([0.5, np.nan, 2.0]), "location": ["V1", "", "CA1"],
            "group": np.array([shank.ref] * 3, dtype=h5py.ref_dtype), "group_name": ["shank0"] * 3,
            "good": np.array([True, False, True]),
        })  # fmt: skip
        behaviour = typed(file, "processing/running", "ProcessingModule", description="running")
        series(behaviour, "running_speed", speed, stamps=stamps, unit="cm/s")
        series(behaviour, "wheel", random.normal(size=60).astype(np.float32), unit="radians")
        behaviour["wheel/timestamps"] = h5py.SoftLink("/processing/running/running_speed/timestamps")
        units = add_units(
            file, trains, quality=["good", "noise", "good", "good"],
            spike_amplitudes=amplitudes, spike_amplitudes_index=np.cumsum([40, 25, 0, 31]).astype("uint8"),
            electrodes=np.array([0, 1, 2, 0, 1]), electrodes_index=np.array([2, 3, 3, 5], dtype="uint8"),
            waveform_mean=random.normal(size=(4, 6)).astype(np.float32),
            waveforms=random.normal(size=(5, 6)), waveforms_index=np.array([2, 3, 5]),
            waveforms_index_index=np.array([1, 2, 2, 3]),
            obs_intervals=np.array([[0.0, 20.0]] * 4), obs_intervals_index=np.arange(1, 5),
        )  # fmt: skip
        units["electrodes"].attrs.update({"neurodata_type": "DynamicTableRegion", "table": electrodes.ref})
        links = np.array([(0, 3, behaviour["running_speed"].ref), (3, 2, behaviour["running_speed"].ref),
                          (5, 1, behaviour["wheel"].ref)], dtype=SERIES_REFERENCE)  # fmt: skip
        table(file, "intervals/trials", {
            "id": np.arange(3), "start_time": np.array([0.0, 2.0, 4.0]), "stop_time": np.array([1.5, 3.5, 5.5]),
            "choice": ["left", "", "right"], "rewarded": np.array([True, False, True]),
            "tags": ["a", "b", "c"], "tags_index": np.array([2, 2, 3], dtype="uint8"),
            "timeseries": links, "timeseries_index": np.array([1, 2, 3]),
            "place": np.arange(6.0).reshape(3, 2),
        }, kind="TimeIntervals")  # fmt: skip
        table(file, "intervals/gratings_presentations", {
            "start_time": np.array([6.0, 7.0]), "stop_time": np.array([6.5, 7.5]),
            "size": ["[250.0, 250.0]", "[20, 20]"],
            "frequency": ["0.04", "None"], "mask": ["circle", "None"], "order": np.array([1, 2]), "id": np.arange(2),
        }, kind="TimeIntervals")  # fmt: skip
        table(file, "intervals/flashes_presentations", {
            "start_time": np.array([8.0]), "stop_time": np.array([8.5]), "size": ["300.0"], "mask": ["None"],
            "frequency": np.array([0.5]), "order": np.array([3.0]), "id": np.arange(1),
        }, kind="TimeIntervals")  # fmt: skip
        series(typed(file, "acquisition/LFP", "LFP"), "shank0_lfp", lfp, rate=1250.0, start=0.5, conversion=2e-6,
               kind="ElectricalSeries", unit="volts")  # fmt: skip
        region = file["acquisition/LFP/shank0_lfp"].create_dataset("electrodes", data=np.array([2, 0, 1]))
        region.attrs.update({"neurodata_type": "DynamicTableRegion", "table": electrodes.ref})
        notes = typed(file, "acquisition/notes", "AnnotationSeries", description="notes")
        notes.create_dataset("data", data=np.array(["sneeze", "noise"], dtype=object), dtype=TEXT)
        notes["timestamps"] = np.array([1.0, 2.5])
        series(file, "stimulus/templates/scene", np.zeros((4, 5, 6), dtype=np.uint8), rate=1.0, kind="OpticalSeries")
        place = typed(file, "processing/behavior/Position", "Position")
        for axis in "xy":
            series(place, axis, random.normal(size=60), stamps=stamps, unit="meters", kind="SpatialSeries")
        positions = {axis: place[f"{axis}/data"][()] for axis in "xy"}
    return {"trains": trains, "amplitudes": amplitudes, "lfp": lfp, "speed": speed, "stamps": stamps, **positions}


def zarr_folder(source: Path, folder: Path) -> Path:
    """Write an HDF5 session as Zarr v2 in the layout of hdmf-zarr."""
    with h5py.File(source) as file:
        _group(file, folder)
    return folder


def zarr_zip(folder: Path, archive: Path) -> Path:
    """Pack a folder."""
    with zipfile.ZipFile(archive, "w") as packed:
        for item in sorted(folder.rglob("*")):
            if item.is_file():
                packed.write(item, item.relative_to(folder).as_posix())
    return archive


def _group(group: h5py.Group, folder: Path) -> None:
    folder.mkdir(parents=True)
    links = []
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            links.append({"name": name, "source": ".", "path": link.path})
        elif isinstance(group[name], h5py.Group):
            _group(group[name], folder / name)
        else:
            _array(group[name], folder / name)
    attrs = _attributes(group) | ({"zarr_link": links} if links else {})
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(attrs))


def _array(stored: h5py.Dataset, folder: Path) -> None:
    folder.mkdir()
    attrs = _attributes(stored)
    values = np.atleast_1d(stored[()])
    compressor: Any = numcodecs.Blosc()
    filters: list[Any] | None = None
    if stored.dtype.names:
        filters = [{"id": "json2"}]
        attrs["zarr_dtype"] = [
            {"name": name, "dtype": stored.dtype[name].name if stored.dtype[name].kind in "iuf" else "object"}
            for name in stored.dtype.names
        ]
        rows = [[_value(one, stored) for one in row] for row in values.tolist()]
        content = json.dumps([*rows, "|O", [len(rows)]]).encode()
    elif h5py.check_ref_dtype(stored.dtype):
        filters, attrs["zarr_dtype"] = [{"id": "json2"}], "object"
        content = json.dumps([*[_value(one, stored) for one in values.tolist()], "|O", [len(values)]]).encode()
    elif stored.dtype.kind == "O":
        filters, attrs["zarr_dtype"] = [{"id": "vlen-utf8"}], "str"
        words = np.array([one.decode() for one in values.ravel().tolist()], dtype=object)
        content = bytes(numcodecs.VLenUTF8().encode(words))
    else:
        content = np.ascontiguousarray(values).tobytes()
    if stored.shape == ():
        attrs["zarr_dtype"] = "scalar"
    dtype = "|O" if filters else values.dtype.str
    about = {"zarr_format": 2, "shape": list(values.shape), "chunks": [max(1, n) for n in values.shape], "dtype": dtype,
             "compressor": compressor.get_config(), "filters": filters, "order": "C", "fill_value": 0}  # fmt: skip
    (folder / ".zarray").write_text(json.dumps(about))
    (folder / ".zattrs").write_text(json.dumps(attrs))
    if values.size:
        (folder / ".".join("0" * values.ndim)).write_bytes(bytes(compressor.encode(content)))


def _value(value: Any, stored: h5py.Dataset) -> Any:
    if isinstance(value, h5py.Reference):
        return {"source": ".", "path": stored.file[value].name, "object_id": None, "source_object_id": "generated"}
    return value


def _attributes(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in item.attrs.items():
        if isinstance(value, h5py.Reference):
            found[name] = {"zarr_dtype": "object", "value": _value(value, item)}
        else:
            found[name] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    return found
