"""Atanas and Kim et al. 2023: whole-brain activity and behaviour of freely moving worms (Flavell laboratory).

Source: Zenodo record 19388374, ``processed_h5.tar.bz2`` (one HDF5 file per animal) and ``neuropal_label.json.bz2``
(identities), which the user unpacks into ``atanas2023/``; WormWideWeb offers the same recordings as JSON. Which animals
there are, the SHA-256 of their files, what was done to them and which of them have identities is said by the
laboratory's manifest (flavell-lab/WormWideWeb-data, ``activity/raw/atanas_kim_2023.csv``, commit 6482f50), listed in
:mod:`.atanas2023_manifest`: 68 animals, 40 with identities.

Where an animal is there in HDF5 and in JSON, the HDF5 file is read. The frames at which a stimulus begins come from the
manifest where the file has none; four animals have a second one at frame 0, which is kept without a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import xarray as xr

from connectome.errors import FormatError
from connectome.schema import column, table

from ..formats.worms import json_celegans
from ..formats.worms.flavell_hdf5 import read_recording
from ..formats.worms.flavell_layout import check_recording
from ..formats.worms.neuropal_json import labelled_animals, read_labels
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile
from .atanas2023_manifest import MANIFEST, Animal

__all__ = ["Atanas2023"]

_HOME = "https://zenodo.org/records/19388374"
_LABELS = "neuropal_label.json"
_SUFFIX = "-data.h5"
_UID = re.compile(r"\d{4}-\d{2}-\d{2}-\d{2}")
_CONDITIONS = {"baseline": "no stimulus", "heat": "heat stimulus", "gfp": "control that expresses GFP, not GCaMP"}

_CITATION: Mapping[str, Any] = {
    "source": "atanas2023",
    "citation": "Atanas, Kim et al., Cell 186:4134-4151 (2023)",
    "doi": "10.1016/j.cell.2023.07.035",
    "licence": "none-stated",
}


class Atanas2023:
    """Recordings of Atanas and Kim et al. 2023, one record per animal."""

    id = "atanas2023"
    version = "2"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the recordings and their labels, which the record offers in archives."""
        return [
            RemoteFile(f"atanas2023/{glob}", _HOME, licence="none-stated", optional=True, pattern=True)
            for glob in (f"*{_SUFFIX}", "*.json")
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every animal of the manifest that is here, with its labels where it has some."""
        labels, labelled, rejected = _label_file(raw)
        recordings: dict[str, RawFile] = {}
        for path in sorted(raw, key=lambda path: (not path.endswith(_SUFFIX), path)):
            if (labels is not None and path == labels.path) or any(item.file == path for item in rejected):
                continue
            reason, kind = _why_not(raw[path], recordings)
            if reason:
                rejected.append(Rejected(path, reason, kind))
            else:
                recordings[_uid(path)] = raw[path]
        jobs: list[Job] = []
        for uid, recording in sorted(recordings.items()):
            inputs = [recording]
            if recording.path.endswith(_SUFFIX) and MANIFEST[uid].labelled:
                if labels is None or uid not in labelled:
                    reason = f"the animal has identities, and no {_LABELS} with them is here"
                    rejected.append(Rejected(recording.path, reason, "format"))
                    continue
                inputs = sorted([recording, labels], key=lambda item: item.path)
            jobs.append(Job(self.id, f"atanas2023-{uid}", tuple(inputs), params={"animal": uid}))
        used = {item.path for job in jobs for item in job.inputs}
        if labels is not None and labels.path not in used:
            rejected.append(Rejected(labels.path, "none of the animals it names is here", "not-data"))
        return Discovery(tuple(jobs), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read an animal with what the manifest says of it."""
        uid = str(job.params["animal"])
        animal = MANIFEST[uid]
        local = {PurePosixPath(item.path).name: item.local for item in job.inputs}
        recording = next((path for name, path in local.items() if name.endswith(_SUFFIX)), None)
        if recording is None:
            tree = json_celegans.read([next(iter(local.values()))])
        elif _LABELS in local:
            labels = read_labels(local[_LABELS], uid=uid)
            tree = read_recording(recording, uid=uid, labels=labels, label_source=_LABELS)
        else:
            tree = read_recording(recording, uid=uid)
        if animal.stimulus_frames and "stimulus" not in tree:
            tree["stimulus"] = xr.DataTree(_stimulus(animal, tree["activity"].to_dataset()["time"].values))
        tree.attrs.update(_CITATION, subject=job.record, condition=_condition(animal))
        tree.attrs["data_file"] = next(item.path for item in job.inputs if PurePosixPath(item.path).name != _LABELS)
        tree.attrs["dataset_type"] = list(animal.types)
        if recording is not None:
            # WormWideWeb has turned the signs of its JSON already.
            tree.attrs["head_angle_positive_is_ventral"] = animal.positive_is_ventral
        if "neuropal" in animal.types:
            tree.attrs["strain"] = "SWF702"
        return tree

    def expected(self) -> Expected:
        """Return nothing: no file is at hand to count."""
        return Expected()


def _stimulus(animal: Animal, stamps: np.ndarray[Any, Any]) -> xr.Dataset:
    frames = np.array(animal.stimulus_frames, dtype=np.int64)
    inside = (frames > 0) & (frames <= len(stamps))
    times = np.where(inside, stamps[np.where(inside, frames - 1, 0)], np.nan)
    return table(
        {
            "stimulus": column("row", ["stimulus begins"] * len(frames), "What happens"),
            "frame": column("row", frames, "Frame of the recording, counted from 1; 0 for none", "1"),
            "time": column("row", times, "Stamp of that frame", "s"),
        },
        source="manifest of the laboratory",
    )


def _condition(animal: Animal) -> str:
    return "freely moving, " + ", ".join(_CONDITIONS[kind] for kind in animal.types if kind in _CONDITIONS)


def _uid(path: str) -> str:
    """Return the animal that a file's name holds, whole: ``2022-07-27-45-data.h5``, ``atanas_kim_2023_UID.json``."""
    found = _UID.findall(PurePosixPath(path).name)
    return found[0] if len(found) == 1 else ""


def _label_file(raw: RawFiles) -> tuple[RawFile | None, list[str], list[Rejected]]:
    named = [path for path in raw if PurePosixPath(path).name == _LABELS]
    rejected = [Rejected(path, f"a second copy of {named[0]}", "not-data") for path in named[1:]]
    if not named:
        return None, [], rejected
    try:
        return raw[named[0]], labelled_animals(raw[named[0]].local), rejected
    except FormatError as error:
        return None, [], [*rejected, _reject(raw[named[0]], error)]


def _why_not(file: RawFile, recordings: Mapping[str, RawFile]) -> tuple[str, str]:
    """Return why a file is not a recording to read, and of which kind the reason is; empty where it is one."""
    uid = _uid(file.path)
    if uid not in MANIFEST:
        return "not an animal of the manifest", "not-data"
    if uid in recordings:
        return f"the animal is read from {recordings[uid].path}", "not-data"
    if not file.path.endswith(_SUFFIX):
        return ("", "") if json_celegans.sniff(file.local) else ("no traces and stamps in the file", "format")
    if file.sha256 != MANIFEST[uid].sha256:
        return f"the bytes are not those of the manifest: expected sha256 {MANIFEST[uid].sha256}", "checksum"
    try:
        check_recording(file.local)
    except FormatError as error:
        rejection = _reject(file, error)
        return rejection.reason, rejection.kind
    return "", ""


def _reject(raw: RawFile, error: FormatError) -> Rejected:
    # The reason is stored in a version, so it must not hold a path of this machine.
    return Rejected(raw.path, str(error).replace(str(raw.local), raw.path), error.kind)
