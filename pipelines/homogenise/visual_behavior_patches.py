"""Known defects of Visual Behavior - Neuropixels as patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .patches import HALF_AXES, Patch, Session, changed, replaced, values_of

__all__ = ["PATCHES"]


def _coordinates(session: Session) -> dict[str, np.ndarray[Any, Any]]:
    found = {name: values_of(session, "electrodes", name) for name in "xyz"}
    return {name: v for name, v in found.items() if v is not None and v.dtype.kind in "fiu"}


def _unregistered(session: Session) -> bool:
    """Tell whether every channel lies at the origin, as none can: it is a corner of the atlas outside of the brain."""
    found = _coordinates(session)
    return len(found) == 3 and all(len(v) > 0 and bool((v == 0).all()) for v in found.values())


def _mend_unregistered(session: Session) -> tuple[Session, str]:
    electrodes = session.groups["electrodes"]
    missing = np.full(electrodes.sizes["row"], np.nan)
    groups = {"electrodes": replaced(electrodes, dict.fromkeys("xyz", missing))}
    done = f"coordinates of all {len(missing)} channels are missing"
    return changed(session, groups=groups), done


_ALL = (
    Patch(
        "vbn-unregistered", "1", "(0, 0, 0) stands for a session whose probes were not registered",
        "DANDI:000713 and the cache of the AllenSDK: 7 of 153 sessions have no channel elsewhere", "electrodes",
        _unregistered, _mend_unregistered,
    ),
    HALF_AXES,
)  # fmt: skip

PATCHES: Mapping[str, Patch] = {patch.id: patch for patch in _ALL}
"""Id to patch, in the order in which they are applied."""
