"""May what was found go out? Asked before a version is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectome.store import Version

    from .findings import Finding

__all__ = ["check_identifying", "face_findings"]

MOST_NAMED = 8


def face_findings(faces: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return a finding for every record whose images show a face, sure, or may show one, not sure."""
    from .findings import Finding

    return tuple(
        Finding(record, "@faces", "face", state, state == "present")
        for record, state in faces.items()
        if state != "removed"
    )


def check_identifying(version: Version, found: Iterable[Finding]) -> None:
    """Raise :class:`~connectome.errors.UsageError`, naming places and no values, when something identifying is left."""
    sure = [item for item in found if item.sure]
    if not sure:
        return
    places = [f"{item.record} {item.place} ({item.kind})" for item in sure[:MOST_NAMED]]
    more = f" and {len(sure) - MOST_NAMED} more" if len(sure) > MOST_NAMED else ""
    shown = all(item.kind == "face" for item in sure)
    way = "remove the faces first" if shown else "pass --strip to publish copies without these fields"
    raise UsageError(
        "fields that identify people would be published",
        subject=version.spec,
        expected="none, or a decision",
        found="; ".join(places) + more,
        hint=f"connectome privacy {version.spec} lists them; {way}, or --keep-identifying to publish them",
    )
