"""Allen Institute, Visual Coding - Neuropixels: 58 mice watching gratings, scenes and movies, six probes each.

Siegle, Jia et al., Nature 592:86-92 (2021), doi:10.1038/s41586-020-03171-x. The 32 sessions ``brain_observatory_1.1``
are DANDI:000021, whose every asset is listed here with its checksum (80.5 GB of sessions, 397 GB of LFP); the 26 of
``functional_connectivity`` are DANDI:000022, and all 58 lie in the cache of the AllenSDK (S3 bucket
``allen-brain-observatory``, ``visual-coding-neuropixels/ecephys-cache``): both are taken from a folder given as mirror,
in the layout of the archive or of the cache. A session is a record, the LFP of a probe another, so that
``--select '?????????'`` takes sessions alone and ``--select 715093703`` one of them.

The tables of the cache, and those of the article (github.com/AllenInstitute/neuropixels_platform_paper), are joined to
units, channels, probes and session by id where they are here. Known defects are patches, see
``homogenise/visual_coding_patches.py``. The terms of use of the Allen Institute apply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectome import schema
from connectome.schema import column, warning

from ..formats.nwb.session import read
from ..homogenise.id_tables import IdTable, join, read_id_table
from ..homogenise.invalid_times import observed_by_probe
from ..homogenise.patches import Session, apply_patches, patch_versions
from ..homogenise.visual_coding_patches import PATCHES
from ..jobs import Discovery, Job, RawFiles, Rejected, RemoteFile
from .listed import dandi_assets
from .nwb_sessions import SessionSource

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AllenVisualCoding"]

_ID = "allen_visual_coding"
_TERMS = "Allen-terms"
_CACHE = "https://allen-brain-observatory.s3.amazonaws.com/visual-coding-neuropixels/ecephys-cache"
_PAPER = (
    "https://raw.githubusercontent.com/AllenInstitute/neuropixels_platform_paper/"
    "4f8bcc26fa6fbec1ae687c650bacc9ea67a7036d/data"
)
_ARTICLE = {
    "layer_info.csv": (2107043, "39b800b9cb88dba1dd509a358bad49b5645b470b1c36b1f18035cbfd559787d4"),
    "time_to_first_spike.csv": (1503767, "c1aba93e97aa32a4f997982344024888343143c25312283942a5cace009efcac"),
    "timescale_metrics.csv": (2390686, "cc88310abf058d7bb3cfaed1bb8f80b1347ada4d159a78a0d7b981d8263800b6"),
}
_CACHED = ("sessions.csv", "probes.csv", "channels.csv", "units.csv")
_PATHS = (
    re.compile(r"sub-\d+_ses-(?P<session>\d{9})(?:_probe-(?P<probe>\d{9})_ecephys)?\.nwb"),
    re.compile(r"session_(?P<session>\d{9})\.nwb"),
    re.compile(r"session_(?P<session>\d{9})/probe_(?P<probe>\d{9})_lfp\.nwb"),
)
_OWN_METRICS = re.compile(r"session_(\d{9})_analysis_metrics\.csv")
_STIMULI = {
    "gabors": 3645, "flashes": 150, "static_gratings": 6000, "drifting_gratings": 628, "natural_scenes": 5950,
    "natural_movie_one": 18000, "natural_movie_three": 36000, "spontaneous": 15,
}  # fmt: skip


class AllenVisualCoding(SessionSource):
    """Sessions and the LFP of their probes."""

    id = _ID
    version = "2"
    dataset = "mouse-visual-coding"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Mus musculus",
        "institution": "Allen Institute for Brain Science",
        "citation": "Siegle, Jia et al., Nature 592:86-92 (2021)",
        "doi": "10.1038/s41586-020-03171-x",
        "licence": _TERMS,
    }
    # A listing of the structure of one session (AllenSDK, structure of the NWB file of 715093703).
    facts: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "715093703": {
            "/spikes": {"n_units": 2779, "n_events": 131_242_535},
            "/electrodes": {"n_rows": 2304},
            "/intervals/invalid_times": {"n_rows": 8},
            **{f"/stimulus/{name}": {"n_rows": n_rows} for name, n_rows in _STIMULI.items()},
        }
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the assets of DANDI:000021, what may lie in a mirror besides, and the tables."""
        assets = [
            asset.remote(f"{_ID}/000021", licence=_TERMS, records=(self.record_of(asset.path) or "",))
            for asset in dandi_assets("000021")
        ]
        laid = [
            RemoteFile(f"{_ID}/{pattern}", url, licence=_TERMS, optional=True, pattern=True)
            for pattern, url in (
                ("000022/*.nwb", "https://dandiarchive.org/dandiset/000022"),
                ("session_*.nwb", _CACHE),
                ("*analysis_metrics.csv", _CACHE),
            )
        ]
        cached = [RemoteFile(f"{_ID}/{name}", f"{_CACHE}/{name}", licence=_TERMS, optional=True) for name in _CACHED]
        article = [
            RemoteFile(f"{_ID}/article/{name}", f"{_PAPER}/{name}", size, sha256, licence="Allen-software",
                       optional=True)
            for name, (size, sha256) in _ARTICLE.items()
        ]  # fmt: skip
        return [*assets, *laid, *cached, *article]

    def record_of(self, path: str) -> str | None:
        """Return the session, and the probe of an LFP file."""
        for pattern in _PATHS:
            if found := pattern.search(path):
                named = found.groupdict()
                return f"{named['session']}-lfp-{named['probe']}" if named.get("probe") else named["session"]
        return None

    def title_of(self, record: str) -> str:
        """Return the title of a session or of a probe's LFP."""
        session, _, probe = record.partition("-lfp-")
        what = f"LFP of probe {probe}, " if probe else ""
        return f"Visual Coding - Neuropixels, {what}session {session} (Siegle, Jia et al. 2021)"

    def rank(self, path: str) -> int:
        """Put the archive's file, whose bytes are known, first."""
        return int(not path.startswith(f"{_ID}/000021/"))

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every session and LFP file; the tables that are here belong to every session."""
        tables = [path for path in raw if path.endswith(".csv")]
        found = super().discover(RawFiles([raw[path] for path in raw if path not in tables]))
        jobs = []
        for job in found.jobs:
            own = [path for path in tables if _serves(path, job.record)]
            inputs = sorted([*job.inputs, *(raw[path] for path in own)], key=lambda item: item.path)
            jobs.append(Job(job.source, job.record, tuple(inputs), {"patches": patch_versions(PATCHES)}))
        used = {item.path for job in jobs for item in job.inputs}
        unused = [
            Rejected(path, "no session of this table is here", "unavailable") for path in tables if path not in used
        ]
        return Discovery(tuple(jobs), (*found.rejected, *unused))

    def read(self, job: Job) -> xr.DataTree:
        """Read a session or an LFP file, join the tables and mend the known defects."""
        container = next(item for item in job.inputs if item.path.endswith(".nwb"))
        tree = read([container.local])
        tables = {PurePosixPath(item.path).name: item.local for item in job.inputs if item.path.endswith(".csv")}
        groups = {path.lstrip("/"): dataset for path, dataset in schema.groups(tree)}
        attrs = {str(name): value for name, value in tree.attrs.items() if not str(name).startswith("encoding-")}
        warnings = list(attrs.pop("warnings", []))
        session_id = int(job.record.partition("-")[0])
        keyed = {name: read_id_table(local, key=_key_of(name)) for name, local in sorted(tables.items())}
        groups = _with_structure(groups)
        groups = _joined(groups, keyed, warnings)
        if "sessions.csv" in keyed:
            attrs |= _session_row(keyed["sessions.csv"], session_id)
        session, patched = apply_patches(Session(session_id, groups, attrs, keyed.get("channels.csv")), PATCHES)
        watched, invalid = observed_by_probe(session.groups)
        made = schema.record(
            dict(sorted(watched.items())), warnings=[*warnings, *patched, *invalid],
            **{"session_id": str(session_id), **session.attrs},
        )  # fmt: skip
        return self.described(made, job)


def _serves(path: str, record: str) -> bool:
    """Tell whether a table says something about a record: units and sessions only about sessions."""
    if "-lfp-" in record:
        return path.endswith(("/channels.csv", "/probes.csv"))
    own = _OWN_METRICS.search(path)
    return own is None or own[1] == record


def _key_of(name: str) -> str:
    return "id" if name in _CACHED else "ecephys_unit_id"


def _with_structure(groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Give every unit the structure in which its peak channel lies: the file has it at the channel only."""
    spikes, electrodes = groups.get("spikes"), groups.get("electrodes")
    if spikes is None or electrodes is None or "structure" in spikes:
        return groups
    if "peak_channel_id" not in spikes or not {"id", "location"} <= set(electrodes):
        return groups
    channels = IdTable("electrodes", electrodes["id"].values, {})
    rows = channels.rows_of(spikes["peak_channel_id"].values)
    location = electrodes["location"].values
    texts = ["" if row < 0 else str(location[row]) for row in rows.tolist()]
    structure = column("unit_id", texts, "Structure of the unit's peak channel (electrodes/location)")
    return {**groups, "spikes": spikes.assign(structure=structure)}


def _joined(
    groups: dict[str, xr.Dataset], keyed: Mapping[str, IdTable], warnings: list[dict[str, str]]
) -> dict[str, xr.Dataset]:
    """Join every table to the group that it describes, and say how many rows it does not have."""
    joined = dict(groups)
    for name, table in keyed.items():
        group, ids, dim = _place_of(name)
        dataset = joined.get(group)
        if dataset is None or ids not in dataset.variables:
            continue
        numbers = np.array([int(one) for one in dataset[ids].values.tolist()], dtype=np.int64)
        prefix = re.sub(r"(?:session_\d+_)?(\w+)\.csv", r"\1", name)
        joined[group], n_absent = join(dataset, table, numbers, dim=dim, prefix=prefix)
        if n_absent:
            words = f"{n_absent} of {len(numbers)} rows are not in {name}; its columns are missing there"
            warnings.append(warning("not-in-table", group, words))
    return joined


def _place_of(name: str) -> tuple[str, str, str]:
    """Return the group that a table describes, the column with its ids, and the dimension."""
    if name == "channels.csv":
        return "electrodes", "id", "row"
    if name == "probes.csv":
        return "device", "probe_id", "row"
    return ("", "", "") if name == "sessions.csv" else ("spikes", "unit_id", "unit_id")


def _session_row(table: IdTable, session_id: int) -> dict[str, Any]:
    """Return the session's row of the SDK's table as attributes; empty cells are left out."""
    row = int(table.rows_of(np.array([session_id]))[0])
    if row < 0:
        return {}
    cells = {name: values[row] for name, values in table.columns.items()}
    plain = {name: value.item() if isinstance(value, np.generic) else str(value) for name, value in cells.items()}
    return {f"table_{name}": value for name, value in plain.items() if value == value and value != ""}
