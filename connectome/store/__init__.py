"""Where data lies: immutable record files, versions that list them, tags, diff and verification.

``record`` writes and opens one file; ``manifest`` computes a version; ``repository`` commits and finds versions;
``opened`` is what a user holds; ``diff``, ``verify`` and ``collect`` compare, prove and clean. Below them ``archive``
(a ZIP as a Zarr store), ``encode`` (layout on disk), ``digest``, ``canonical`` and ``roots``.
"""

from __future__ import annotations

from .collect import Collection, collect
from .diff import ChangedRecord, Diff
from .manifest import Census, Manifest
from .opened import Version, open_version
from .record import Receipt, Recipe, open_record, write_record
from .repository import Commit, Repository, default_root
from .verify import Damage, Verification, verify

__all__ = [
    "Census",
    "ChangedRecord",
    "Collection",
    "Commit",
    "Damage",
    "Diff",
    "Manifest",
    "Receipt",
    "Recipe",
    "Repository",
    "Verification",
    "Version",
    "collect",
    "default_root",
    "open_record",
    "open_version",
    "verify",
    "write_record",
]
