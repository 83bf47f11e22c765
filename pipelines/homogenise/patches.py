"""Known defects of published data as data: what is wrong, who says so, and what is done about it.

Each patch has an id, a version and its evidence. It tells from the record alone whether it applies, and is a pure
function on the record's groups. Which were applied is said in the record's attribute ``patches`` and in its warnings;
the versions of all are parameters of the recipe, so that a changed patch makes new records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome.schema import column, warning

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from .id_tables import IdTable

__all__ = ["HALF_AXES", "Patch", "Session", "apply_patches", "changed", "patch_versions", "replaced", "values_of"]


@dataclass(frozen=True)
class Session:
    """A record on its way through the patches."""

    session_id: int
    groups: Mapping[str, xr.Dataset]
    attrs: Mapping[str, Any]
    channels: IdTable | None = None
    """The SDK's channels.csv, where it is given."""


@dataclass(frozen=True)
class Patch:
    """One known defect."""

    id: str
    version: str
    defect: str
    evidence: str
    place: str
    applies: Callable[[Session], bool]
    apply: Callable[[Session], tuple[Session, str]]
    """Return the mended session and what was done."""


def apply_patches(session: Session, patches: Mapping[str, Patch]) -> tuple[Session, list[dict[str, str]]]:
    """Apply every patch whose defect the session shows, in the order given.

    Returns
    -------
    tuple of (Session, list of dict)
        The mended session, whose attribute ``patches`` names what was applied, and a warning for each.
    """
    warnings, applied = [], []
    for patch in patches.values():
        if patch.applies(session):
            session, done = patch.apply(session)
            applied.append(f"{patch.id}@{patch.version}")
            warnings.append(warning(patch.id, patch.place, f"{patch.defect}: {done}"))
    return changed(session, attrs={"patches": applied} if applied else {}), warnings


def patch_versions(patches: Mapping[str, Patch]) -> dict[str, str]:
    """Return the version of every patch by id."""
    return {name: patch.version for name, patch in patches.items()}


def changed(
    session: Session, *, groups: Mapping[str, xr.Dataset] | None = None, attrs: Mapping[str, Any] | None = None
) -> Session:
    """Return the session with other groups or further attributes."""
    return Session(
        session.session_id,
        {**session.groups, **(groups or {})},
        {**session.attrs, **(attrs or {})},
        session.channels,
    )


def values_of(session: Session, group: str, name: str) -> np.ndarray[Any, Any] | None:
    """Return a variable of a group; None where either is not there."""
    dataset = session.groups.get(group)
    return dataset[name].values if dataset is not None and name in dataset.variables else None


def replaced(dataset: xr.Dataset, values: Mapping[str, np.ndarray[Any, Any]]) -> xr.Dataset:
    """Return a group with other values in the same variables."""
    return dataset.assign({name: (dataset[name].dims, kept, dataset[name].attrs) for name, kept in values.items()})


_ELLIPSE = {"center_x": "centre", "center_y": "centre", "width": "half axis", "height": "half axis", "phi": "angle"}


def _ellipses(session: Session) -> dict[str, xr.Dataset]:
    found = {}
    for name, dataset in session.groups.items():
        if name.startswith("eye_tracking/") and name.endswith("_ellipse_fits") and "channel" in dataset.coords:
            channels = {str(one) for one in dataset["channel"].values}
            if channels == set(_ELLIPSE) and "measure" not in dataset:
                found[name] = dataset
    return found


def _name_half_axes(session: Session) -> tuple[Session, str]:
    named = {}
    for name, dataset in _ellipses(session).items():
        words = [_ELLIPSE[str(one)] for one in dataset["channel"].values]
        named[name] = dataset.assign(measure=column("channel", words, "What of the ellipse the channel is"))
    done = f"the column measure of the channels says so in {len(named)} groups; no value is changed"
    return changed(session, groups=named), done


HALF_AXES = Patch(
    "allen-ellipse-half-axes", "1", "width and height of the ellipses are half axes",
    "AllenSDK: eye_tracking_processing takes pi times width times height as the area of an ellipse, and the session "
    "of ecephys doubles both for its columns of width and height",
    "eye_tracking", lambda session: bool(_ellipses(session)), _name_half_axes,
)  # fmt: skip
"""What no column of the files says, in Visual Coding and in Visual Behavior alike."""
