"""Generated files in the layouts of the worm recordings that are published as text, JSON, CSV and NWB.

Nothing was measured. Every writer is seeded and returns what it wrote, so that tests compare with the numbers
themselves. The quirks are those of the publishers' files.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

N_TIMES = 60


def leifer_worm(folder: Path, index: int, *, seed: int = 0, beyond: int = 0) -> dict[str, Any]:
    """Write the six text files of one worm: ``numpy.savetxt``'s ``%.18e``, indices as ``%d``, one label per line."""
    rng = np.random.default_rng([seed, index])
    labels = ["AVAL", "", "merge", "AVB", "RID", "VB2", "RID"]
    traces = rng.normal(50, 200, (N_TIMES, len(labels)))
    traces[10:14, 1] = np.nan
    traces[:, 5] = np.nan
    traces[0, 0] = 70000.25
    times = np.arange(N_TIMES) * 0.5
    volumes, targets = np.array([8, 20, 31, 44, 50]), np.array([0, -1, 3, -2, -3])
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / f"{index}_gcamp.txt", traces)
    np.savetxt(folder / f"{index}_t.txt", times)
    (folder / f"{index}_labels.txt").write_text("".join(f"{label}\n" for label in [*labels, *[""] * beyond]))
    np.savetxt(folder / f"{index}_stim_volume_i.txt", volumes, fmt="%d")
    np.savetxt(folder / f"{index}_stim_neurons.txt", targets, fmt="%d")
    (folder / f"{index}_ds_name.txt").write_text(f"/generated/pumpprobe_20210101_{index:06d}/")
    return {"traces": traces, "times": times, "labels": labels, "volumes": volumes, "targets": targets}


def _labelled() -> dict[str, Any]:
    fields = {"neuron_class": "", "LR": "undefined", "DV": "undefined", "region": "", "roi_id": [7], "confidence": 4}
    return {
        "1": {**fields, "label": "AVAL", "neuron_class": "AVA", "LR": "L", "confidence": 5},
        "3": {**fields, "label": "RMED/RID", "roi_id": [11, 12]},
        "4": {**fields, "label": "SAAD?", "neuron_class": "SAA", "DV": "D", "LR": "missing", "confidence": 2.5},
        "5": {**fields, "label": "VB02", "neuron_class": "VB"},
    }


def _wormwideweb(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    original = rng.uniform(0.4, 2.5, (6, N_TIMES))
    mean, spread = original.mean(axis=1, keepdims=True), original.std(axis=1, ddof=1, keepdims=True)
    stamps = np.arange(N_TIMES) * 0.6 + rng.uniform(0, 0.01, N_TIMES)
    return {
        "original": original,
        "zscored": (original - mean) / spread,
        "stamps": stamps,
        "velocity": rng.normal(0, 0.05, N_TIMES),
        "head": rng.normal(0, 0.3, N_TIMES),
        "angular": rng.normal(0, 1, N_TIMES),
        "pumping": rng.integers(0, 5, N_TIMES).astype(float),
        "body": rng.uniform(0, 1, N_TIMES),
        "encoding": rng.normal(0, 1, 6),
    }


def wormwideweb_old(path: Path, *, uid: str = "2022-06-14-01", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Write the older JSON: keys side by side, the mean step in MINUTES, labels by ROI from 1."""
    made = _wormwideweb(seed)
    velocity = made["velocity"].tolist()
    velocity[4] = None
    document = {
        "uid": uid,
        "dataset_type": ["baseline", "neuropal"],
        "num_neurons": 6,
        "max_t": N_TIMES,
        "avg_timestep": 0.01,
        "timestamp_confocal": made["stamps"].tolist(),
        "trace_array": made["zscored"].tolist(),
        "trace_original": made["original"].tolist(),
        "labeled": _labelled(),
        "velocity": velocity,
        "head_curvature": made["head"].tolist(),
        "angular_velocity": made["angular"].tolist(),
        "body_curvature": made["body"].tolist(),
        "pumping": made["pumping"].tolist(),
        "reversal_events": [[5, 9], [30, 41]],
        "events": {"heat": [21]},
        "ranges": [[1, 30], [31, 60]],
        "forwardness": made["encoding"].tolist(),
        "neuron_categorization": {"v": {"fwd": [1, 2]}},
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in document.items() if value != "left out"}))
    return {**made, "document": document}


def wormwideweb_new(path: Path, *, uid: str = "2022-06-14-01", seed: int = 0) -> dict[str, Any]:
    """Write the newer JSON: keys in groups, the mean step in seconds, pumping ``null``."""
    made = _wormwideweb(seed)
    document = {
        "timing": {
            "mean_timestep": 0.6,
            "max_t": N_TIMES,
            "timestamp_confocal": made["stamps"].tolist(),
            "event": {"stim_begin_confocal": [21, 0]},
        },
        "gcamp": {"trace_array": made["zscored"].tolist(), "trace_array_original": made["original"].tolist()},
        "behavior": {
            "velocity": made["velocity"].tolist(),
            "head_angle": made["head"].tolist(),
            "angular_velocity": made["angular"].tolist(),
            "pumping": None,
            "reversal_events": [[5, 9]],
        },
        "metadata": {
            "uid": uid,
            "paper_id": "atanas_kim_2023",
            "dataset_type": ["heat", "neuropal"],
            "n_neuron": 6,
            "source_filename": f"{uid}-data.h5",
            "checksum_h5": "0" * 64,
        },
        "label": _labelled(),
        "encoding": {"forwardness": made["encoding"].tolist(), "tau_vals": [made["encoding"].tolist()]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return {**made, "document": document}


def flavell_h5(path: Path, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Write the laboratory's HDF5: axes turned round against Julia, so (time, ROI)."""
    made = _wormwideweb(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["gcamp/trace_array_original"] = np.ascontiguousarray(made["original"].T)
        file["gcamp/trace_array"] = np.ascontiguousarray(made["zscored"].T)
        file["timing/timestamp_confocal"] = made["stamps"]
        file["behavior/velocity"] = made["velocity"]
        file["behavior/head_angle"] = made["head"]
        file["behavior/angular_velocity"] = made["angular"]
        file["behavior/reversal_events"] = np.array([[5, 30], [9, 41]])
        for name, value in more.items():
            file[name.replace("__", "/")] = value
    return made


def neuropal_label(path: Path, *uids: str) -> None:
    """Write ``neuropal_label.json``: a ROI may have several matches."""
    second = {**_labelled()["1"], "label": "AVAR", "LR": "R", "confidence": 1}
    animal = {**_labelled(), "1": [_labelled()["1"], second]}
    data = {uid: {"roi_to_neuron": animal, "neuron_to_roi": {"AVA": [[_labelled()["1"], 1, 2.0]]}} for uid in uids}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": data, "metadata": {"blake_neuropal_dict": "0" * 64}}))


def venkatachalam_table(path: Path, *, seed: int = 0, changes: dict[str, str] | None = None) -> dict[str, Any]:
    """Write a wide table, zipped where the name says so: 9 describing columns, samples by number, the key.

    The first 98 samples of every row are empty and a neuron is named twice.
    """
    rng = np.random.default_rng(seed)
    neurons = ["AVAL", "ASEL", "ASEL", "AWC", "I2"]
    traces = rng.uniform(0, 900, (len(neurons), 160))
    traces[:, :98] = np.nan
    traces[2, 120] = np.nan
    described = ["", "date", "animal", "sex", "neuron", "x", "y", "z", "stimulus"]
    stimulus = "[('110.0', '100mM NaCl'), ('140', \"1uM ascr#3\")]"
    header = [*described, *map(str, range(traces.shape[1])), "key"]
    header = [(changes or {}).get(name, name) for name in header]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for at, neuron in enumerate(neurons):
        words = [str(at), "20220327", "2", "herm", neuron, str(at * 3.5), str(at + 1), "9", stimulus]
        samples = ["" if np.isnan(value) else repr(float(value)) for value in traces[at]]
        writer.writerow([*words, *samples, "20220327_herm_2"])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"{path.stem}.csv", (2024, 10, 3, 0, 0, 0)), text.getvalue())
            archive.writestr(zipfile.ZipInfo(f"__MACOSX/._{path.stem}.csv", (2024, 10, 3, 0, 0, 0)), b"\x00\x05")
    else:
        path.write_text(text.getvalue())
    return {"traces": traces, "neurons": neurons, "stimulus": stimulus}


NWB_LABELS = ["AVAL", "RMED?", "", "AVB", "URADL", "URADL"]


def _typed(parent: h5py.Group, name: str, kind: str, **attrs: Any) -> h5py.Group:
    """Make a group as hdmf does: its type, its namespace and an object id are attributes."""
    ndx = {"MultiChannelVolume", "ImagingVolume", "OpticalChannelReferences", "SegmentationLabels", "CElegansSubject"}
    group = parent.create_group(name)
    namespace = "ndx-multichannel-volume" if kind in ndx or kind.startswith("MultiChannel") else "core"
    group.attrs.update(neurodata_type=kind, namespace=namespace, object_id=f"generated-{name}", **attrs)
    return group


def _texts(group: h5py.Group, name: str, values: list[str]) -> h5py.Dataset:
    return group.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


def _segmentation(
    parent: h5py.Group, name: str, volume: h5py.Group, labels: list[str] | None, xyz: np.ndarray, kind: str
) -> h5py.Group:
    """Make a table of ROIs; labels are stored letter by letter with the ends of the words, as ``index=True`` gives."""
    group = _typed(parent, name, kind, colnames=["voxel_mask", *(["ID_labels"] if labels else [])])
    group.create_dataset("id", data=np.arange(len(xyz)))
    dtype = np.dtype([("x", "<u4"), ("y", "<u4"), ("z", "<u4"), ("weight", "<f4")])
    mask = np.array([(*point, 1.0) for point in xyz.tolist()], dtype=dtype)
    group.create_dataset("voxel_mask", data=mask)
    group.create_dataset("voxel_mask_index", data=np.arange(1, len(xyz) + 1, dtype=np.uint8))
    if labels:
        _texts(group, "ID_labels", list("".join(labels)))
        group.create_dataset("ID_labels_index", data=np.cumsum([len(label) for label in labels]).astype(np.uint16))
    group["imaging_plane"] = h5py.SoftLink(volume.name)
    return group


def worm_nwb(
    path: Path,
    *,
    seed: int = 0,
    rate: float | None = 3.3,
    stamps: bool = False,
    activity: bool = True,
    frames: int = 8,
    kind: str = "PlaneSegmentation",
    neuron_ids: bool = True,
    followed: str = "CalciumSeriesSegmentation",
) -> dict[str, Any]:
    """Write one worm as WormID does: an image, names, traces, positions per frame, stimuli, behaviour."""
    rng = np.random.default_rng(seed)
    n_rois = len(NWB_LABELS)
    traces = rng.uniform(0, 1, (N_TIMES, n_rois))
    traces[3:6, 2] = np.nan
    image = rng.integers(0, 4000, (7, 6, 4, 5)).astype(np.uint16)
    positions = rng.integers(0, 200, (frames, n_rois, 3))
    times = np.cumsum(rng.uniform(0.2, 0.4, N_TIMES))
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(neurodata_type="NWBFile", namespace="core", nwb_version="2.6.0", object_id="generated")
        file["identifier"], file["session_description"] = f"generated-{seed}", "generated, not measured"
        file["session_start_time"] = "2019-09-28T00:00:00-04:00"
        file.create_group("specifications/ndx-multichannel-volume")
        general = file.create_group("general")
        general["lab"], general["institution"] = "generated lab", "generated institution"
        _texts(general, "experimenter", ["One, Some", "Two, Some"])
        worm = _typed(general, "subject", "CElegansSubject", growth_stage_time="P0DT2H30M")
        worm["subject_id"], worm["strain"], worm["sex"] = "20190928_08", "OH16230", "O"
        worm["growth_stage"], worm["cultivation_temp"] = "YA", np.float32(20)
        volume = _typed(file.create_group("general/optophysiology"), "NeuroPALImVol", "ImagingVolume")
        volume.create_dataset("grid_spacing", data=[0.3208, 0.3208, 0.75]).attrs["unit"] = "micrometers"
        order = _typed(volume, "order_optical_channels", "OpticalChannelReferences")
        _texts(order, "channels", ["mTagBFP2", "CyOFP1", "mNeptune 2.5", "Tag RFP-T", "GFP-GCaMP"])
        raw = _typed(file.create_group("acquisition"), "NeuroPALImageRaw", "MultiChannelVolume")
        raw["data"], raw["description"] = image, "NeuroPAL structural image"
        raw["RGBW_channels"] = np.array([2, 1, 0, 3], dtype=np.int8)
        raw["imaging_volume"] = h5py.SoftLink(volume.name)
        movie = _typed(file["acquisition"], "CalciumImageSeries", "MultiChannelVolumeSeries")
        movie["data"] = np.zeros((2, 3, 3, 2), dtype=np.uint16)
        processing = file.create_group("processing")
        neuropal = _typed(processing, "NeuroPAL", "ProcessingModule")
        found = _typed(neuropal, "NeuroPALSegmentation", "ImageSegmentation")
        table = _segmentation(found, "NeuroPALNeurons", volume, NWB_LABELS, positions[0], kind)
        if activity:
            _activity(file, processing, volume, table, traces, positions, times, rate, stamps, neuron_ids, followed)
    return {"traces": traces, "image": image, "positions": positions, "times": times, "labels": NWB_LABELS}


def _activity(
    file: h5py.File,
    processing: h5py.Group,
    volume: h5py.Group,
    table: h5py.Group,
    traces: np.ndarray,
    positions: np.ndarray,
    times: np.ndarray,
    rate: float | None,
    stamps: bool,
    neuron_ids: bool,
    segmentation: str,
) -> None:
    module = _typed(processing, "CalciumActivity", "ProcessingModule")
    followed = _typed(module, segmentation, "ImageSegmentation")
    for frame, xyz in enumerate(positions):
        _segmentation(followed, f"Seg_tpoint_{frame}", volume, None, xyz, "PlaneSegmentation")
    for container, name, values in (
        ("SignalRawFluor", "SignalCalciumImResponseSeries", traces),
        ("SignalRawFluordNMF", "dNMFCalciumImResponseSeries", traces * 2),
    ):
        series = _typed(
            _typed(module, container, "Fluorescence"), name, "RoiResponseSeries", description="Raw fluorescence"
        )
        data = series.create_dataset("data", data=values)
        data.attrs.update(unit="unitless", conversion=1.0, offset=0.0, resolution=-1.0)
        rois = series.create_dataset("rois", data=np.arange(values.shape[1]))
        rois.attrs["table"] = table.ref
        if stamps:
            series["timestamps"] = times
        else:
            start = series.create_dataset("starting_time", data=2.0)
            start.attrs["unit"] = "seconds"
            if rate is not None:
                start.attrs["rate"] = np.float32(rate)
    if neuron_ids:
        names = _typed(module, "NeuronIDs", "SegmentationLabels")
        _texts(names, "labels", NWB_LABELS)
        names["ImageSegmentation"] = h5py.SoftLink(followed.name)
    stimuli = _typed(
        file.create_group("intervals"), "chemical_stimuli", "TimeIntervals",
        colnames=["start_time", "stop_time", "stimulus"], description="Chemical stimuli",
    )  # fmt: skip
    stimuli.create_dataset("start_time", data=[60.5, 120.5]).attrs["description"] = "Start time of epoch, in seconds"
    stimuli.create_dataset("stop_time", data=[70.5, 130.5])
    stimuli.create_dataset("id", data=[0, 1])
    _texts(stimuli, "stimulus", ["butanone", "nacl"])
    behaviour = _typed(processing, "Behavior", "ProcessingModule")
    velocity = _typed(_typed(behaviour, "velocity", "BehavioralTimeSeries"), "velocity", "TimeSeries")
    velocity.create_dataset("data", data=np.linspace(-1, 1, 40)).attrs["unit"] = "mm/s"
    velocity["timestamps"] = np.arange(40) * 0.05
