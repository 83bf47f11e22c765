"""Which records belong to which part of a stored split, for consumers whose splits are made of whole records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version

__all__ = ["DEFAULT_SPLIT", "is_whole", "records_of"]

DEFAULT_SPLIT = "default"
"""The stored split that is used where none is named."""


def is_whole(split: Split) -> bool:
    """Tell whether a split assigns whole records only, no stretches of time."""
    return all(entry.start_s is None for entry in split.entries)


def records_of(version: Version, part: str, *, name: str = DEFAULT_SPLIT) -> list[str]:
    """Return the sorted records of one part of a stored split.

    Parameters
    ----------
    version : Version
        An opened version.
    part : str
        Name of the part: ``"train"``.
    name : str
        Name of the split.

    Raises
    ------
    NotFoundError
        When the version stores no such split, or the split has no such part.
    UsageError
        When the split cuts records in time: whole rows would leak from one part into another.
    """
    splits = version.splits
    if name not in splits:
        raise NotFoundError(
            "the version stores no such split",
            subject=f"{version.spec}, split {name}",
            expected=", ".join(splits) or "no split at all",
            hint=f"connectome split {version.dataset} --by ... --name {name}",
        )
    if not is_whole(splits[name]):
        raise UsageError(
            "the split cuts records in time, rows cannot follow it",
            subject=f"{version.spec}, split {name}",
            hint="use connectome.loaders.torch, which cuts windows, or a split of whole records",
        )
    return splits[name].records(part)
