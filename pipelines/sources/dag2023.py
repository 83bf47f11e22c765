"""Dag et al. 2023: whole-brain activity and behaviour of freely moving worms, with identities for one strain.

Source: github.com/flavell-lab/NSM_5HTR_analysis, folder ``data``. Of the strain SWF702 (NeuroPAL) it has eight animals,
all of them in the label file; of SWF415 (no identities) seven, of which two are listed here, because the names of the
other five are not known to us. Files without a checksum are those that we have not seen: their names follow the folder
and the label file, and the census lists them as unavailable where they cannot be had.

Known defects: ``2022-05-02-01`` has 1600 stamps for 1137 frames and is turned away (see
:func:`~connectome.pipelines.formats.worms.flavell_layout.check_recording`); ``traces_array_F_F20`` is F over its mean.
Animals are found by the id in front of ``-data.h5``, with the suffix removed as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError

from ..formats.worms.flavell_layout import check_recording
from ..formats.worms.hdf5_celegans import read
from ..formats.worms.neuropal_labels import labelled_animals
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Dag2023"]

_HOME = "https://raw.githubusercontent.com/flavell-lab/NSM_5HTR_analysis/47bc3704c13b389d58946e3e76df359c412b8716/data"
_LABELS = "dag2023/NeuroPAL_labels_dict.jld2"
_LABEL_RECORD = "dag2023-labels"
_SUFFIX = "-data.h5"
_FOLDERS = {"SWF702": "swf702_with_id", "SWF415": "swf415_no_id"}
_CONDITIONS = {
    "SWF702": "freely moving, NeuroPAL, recorded on food",
    "SWF415": "freely moving, recorded before and after it meets food",
}

# Animal: strain, bytes, sha256.
_RECORDINGS: Mapping[str, tuple[str, int | None, str | None]] = {
    "2022-01-16-01": ("SWF415", 3601184, "baf08b702bfcc1740c14a90960452ffd463c91c50a58a5b10cf545e2748b4d4d"),
    "2022-05-02-01": ("SWF415", 4033552, "bb43dae8c2a470a36a11514c7565c233bc729dfecad7df23a5cea7c43199637f"),
    "2022-07-26-31": ("SWF702", 3922184, "91ad390c64909aaab9626cac4068395eab771c7e749d291880f1797d6c8cf339"),
    "2022-07-26-38": ("SWF702", None, None),
    "2022-07-27-31": ("SWF702", None, None),
    "2022-07-27-38": ("SWF702", 3695720, "7c52ac34984b36ad59e5624ddfd472a171b025729337ef18bfe0628efa2022e0"),
    "2022-07-27-45": ("SWF702", 3727080, "ff1b886b43e4ad09b9c01e122a7bfeffeb525965dd3d84221757d93c6d153be8"),
    "2022-08-02-31": ("SWF702", None, None),
    "2022-08-02-38": ("SWF702", None, None),
    "2022-08-03-31": ("SWF702", None, None),
}

_CITATION: Mapping[str, Any] = {
    "source": "dag2023",
    "citation": "Dag, Nwabudike, Kang et al., Cell 186:2574-2592 (2023)",
    "doi": "10.1016/j.cell.2023.04.023",
    "licence": "none-stated",
}


class Dag2023:
    """Recordings and labels of Dag et al. 2023."""

    id = "dag2023"
    version = "1"
    dataset = "celegans-activity"

    def files(self) -> Sequence[RemoteFile]:
        """List the recordings and the label file."""
        labelled = [animal for animal, (strain, _, _) in _RECORDINGS.items() if strain == "SWF702"]
        labels = RemoteFile(
            path=_LABELS,
            url=f"{_HOME}/receptor_expression/NeuroPAL_labels_dict.jld2",
            size_bytes=2092963,
            sha256="0c626a299f2110aecaf1eacdff4d5ebbf1f03689cacc5faa6f077ce0542f9286",
            licence="none-stated",
            records=(*(_record_of(animal) for animal in labelled), _LABEL_RECORD),
        )
        recordings = [
            RemoteFile(
                path=f"dag2023/{animal}{_SUFFIX}",
                url=f"{_HOME}/{_FOLDERS[strain]}/{animal}{_SUFFIX}",
                size_bytes=size,
                sha256=digest,
                licence="none-stated",
                records=(_record_of(animal),),
                optional=digest is None,
            )
            for animal, (strain, size, digest) in _RECORDINGS.items()
        ]
        return [labels, *recordings]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every recording whose arrays fit each other, and one of the label file."""
        jobs: list[Job] = []
        rejected: list[Rejected] = []
        labelled: list[str] = []
        if _LABELS in raw:
            try:
                labelled = labelled_animals(raw[_LABELS].local)
                jobs.append(Job(self.id, _LABEL_RECORD, (raw[_LABELS],)))
            except FormatError as error:
                rejected.append(_reject(raw[_LABELS], error))
        for path in raw:
            if not path.endswith(_SUFFIX):
                continue
            animal = path.rpartition("/")[2].removesuffix(_SUFFIX)
            try:
                check_recording(raw[path].local)
            except FormatError as error:
                rejected.append(_reject(raw[path], error))
                continue
            if _strain_of(animal) == "SWF702" and animal not in labelled:
                # A record without the labels that exist would pass for an animal nobody labelled.
                reason = f"the animal is labelled, and {_LABELS} with its labels cannot be read"
                rejected.append(Rejected(path, reason, "format"))
                continue
            inputs = [raw[path], raw[_LABELS]] if animal in labelled else [raw[path]]
            inputs.sort(key=lambda item: item.path)
            jobs.append(Job(self.id, _record_of(animal), tuple(inputs), params={"animal": animal}))
        return Discovery(tuple(jobs), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read a recording with its labels, or the label file."""
        if job.record == _LABEL_RECORD:
            tree = read([job.local(_LABELS)])
            tree.attrs.update(_CITATION)
            return tree
        animal = str(job.params["animal"])
        paths = sorted((item.local for item in job.inputs), key=lambda path: path.suffix == ".jld2")
        tree = read(paths, uid=animal)
        strain = _strain_of(animal)
        tree.attrs.update(_CITATION, subject=_record_of(animal), strain=strain, condition=_CONDITIONS[strain])
        return tree

    def expected(self) -> Expected:
        """Return the counts of the four good recordings and of the labels, taken from the files with h5py."""
        # Animal: frames, ROIs, reversals, frames of the behaviour camera, ROIs of the NeuroPAL image.
        counts: dict[str, tuple[int, int, int, int, int | None]] = {
            "2022-01-16-01": (799, 130, 38, 17351, None),
            "2022-07-26-31": (800, 146, 34, 10101, 159),
            "2022-07-27-38": (800, 135, 30, 9839, 162),
            "2022-07-27-45": (800, 140, 25, 9733, 170),
        }
        records: dict[str, dict[str, dict[str, Any]]] = {
            _record_of(animal): {
                "/activity": {
                    "n_channels": n_rois,
                    "n_samples": n_frames,
                    "n_segments": 1,
                    "dtype": "float64",
                    "n_missing": 0,
                },
                "/behaviour": {"n_channels": 9, "n_samples": n_frames},
                "/reversal": {"n_samples": n_frames, "dtype": "int64"},
                "/reversal_event": {"n_rows": n_reversals},
                "/nir_frame": {"n_rows": n_camera},
                "/neuron": {"n_rows": n_rois},
                "/roi_renumbering": {"n_rows": 2 * n_rois},
                **({} if n_neuropal is None else {"/neuropal_roi": {"n_rows": n_neuropal}}),
            }
            for animal, (n_frames, n_rois, n_reversals, n_camera, n_neuropal) in counts.items()
        }
        records[_LABEL_RECORD] = {
            "/label": {"n_rows": 814},
            "/class_match": {"n_rows": 609},
            "/nsm": {"n_rows": 13},
            "/class": {"n_rows": 175},
        }
        return Expected(records)


def _strain_of(animal: str) -> str:
    return _RECORDINGS[animal][0]


def _record_of(animal: str) -> str:
    return f"dag2023-{animal}"


def _reject(raw: RawFile, error: FormatError) -> Rejected:
    # The reason is stored in a version, so it must not hold a path of this machine.
    return Rejected(raw.path, str(error).replace(str(raw.local), raw.path), error.kind)
