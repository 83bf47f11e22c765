"""Allen Institute, Visual Behavior - Neuropixels: 153 sessions of 81 mice that detect a change of image.

DANDI:000713 (CC-BY-4.0) and the cache of the AllenSDK (S3 bucket ``visual-behavior-neuropixels-data``). The table of
sessions comes with the package; of the files no list with checksums is at hand, so they are taken from a folder given
as mirror, in the layout of the archive or of the cache. A file does not say of which release it is, and before 0.5.0
LFP, amplitudes, slopes, mean waveforms and CSD were off by a factor of 2 in all but 15 sessions (release notes of the
AllenSDK), so every record warns of it. Known defects are patches, see ``homogenise/visual_behavior_patches.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from connectome import schema
from connectome.schema import warning

from ..homogenise.invalid_times import observed_by_probe
from ..homogenise.patches import Session, apply_patches, patch_versions
from ..homogenise.visual_behavior_patches import PATCHES
from ..jobs import Job, RemoteFile
from .listed import listed_rows
from .nwb_sessions import SessionSource

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AllenVisualBehavior"]

_NAME = re.compile(r"(?:ecephys_session_(\d{10})|sub-\d+_ses-(\d{10})(?:_[a-z+]+)?)\.nwb")
_ATTRIBUTES = ("behavior_session_id", "date_of_acquisition", "equipment_name", "session_type", "image_set",
               "experience_level", "session_number", "abnormal_histology", "abnormal_activity", "unit_count",
               "probe_count", "channel_count")  # fmt: skip


@cache
def _sessions() -> dict[str, dict[str, str]]:
    return {row["ecephys_session_id"]: row for row in listed_rows("visual-behavior-sessions")}


class AllenVisualBehavior(SessionSource):
    """Sessions of the table whose files are at hand."""

    id = "allen_visual_behavior_neuropixels"
    version = "2"
    dataset = "mouse-visual-behavior"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Mus musculus",
        "institution": "Allen Institute for Brain Science",
        "citation": "Allen Institute, Visual Behavior Neuropixels (2022)",
        "url": "https://dandiarchive.org/dandiset/000713",
        "licence": "CC-BY-4.0",
    }

    def files(self) -> Sequence[RemoteFile]:
        """List what may lie in a mirror."""
        return [
            RemoteFile(
                f"{self.id}/*.nwb", "https://dandiarchive.org/dandiset/000713", licence="CC-BY-4.0", optional=True,
                pattern=True,
            )
        ]  # fmt: skip

    def record_of(self, path: str) -> str | None:
        """Return the session, if the table has it."""
        named = _NAME.fullmatch(path.rpartition("/")[2])
        session = (named[1] or named[2]) if named else ""
        return session if session in _sessions() else None

    def title_of(self, record: str) -> str:
        """Return the title of a session."""
        return f"Visual Behavior - Neuropixels, session {record} (Allen Institute 2022)"

    def params(self, path: str) -> dict[str, Any]:  # noqa: ARG002 - the same for all
        """Return the versions of the patches."""
        return {"patches": patch_versions(PATCHES)}

    def read(self, job: Job) -> xr.DataTree:
        """Read a session, mend the known defects and add what the table says of it."""
        tree = self._mended(super().read(job), job)
        row = _sessions()[job.record]
        tree.attrs.setdefault("subject", row["mouse_id"])
        tree.attrs.setdefault("session_id", job.record)
        tree.attrs.update({f"table_{name}": row[name] for name in _ATTRIBUTES if row[name]})
        warnings = list(tree.attrs.get("warnings", []))
        words = "the file does not name its release; before 0.5.0 LFP, amplitudes and waveforms were off by a factor 2"
        warnings.append(warning("release-unknown", job.inputs[0].path, words))
        n_units = tree["spikes"].sizes["unit_id"] if "spikes" in tree.children else 0
        if row["unit_count"] and n_units != int(row["unit_count"]):
            words = f"the file has {n_units} units, the table of sessions {row['unit_count']}"
            warnings.append(warning("sources-disagree", "spikes", words))
        tree.attrs["warnings"] = warnings
        return tree

    def _mended(self, tree: xr.DataTree, job: Job) -> xr.DataTree:
        groups = {path.lstrip("/"): dataset for path, dataset in schema.groups(tree)}
        attrs = {str(name): value for name, value in tree.attrs.items() if not str(name).startswith("encoding-")}
        warnings = list(attrs.pop("warnings", []))
        session, patched = apply_patches(Session(int(job.record), groups, attrs), PATCHES)
        watched, invalid = observed_by_probe(session.groups)
        return schema.record(watched, warnings=[*warnings, *patched, *invalid], **session.attrs)
