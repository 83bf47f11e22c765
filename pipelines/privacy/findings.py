"""What the audit says of one field, frozen; values stay hidden unless they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["FACES", "KINDS", "Finding"]

KINDS = (
    "address", "age", "birth", "contact", "date", "extension", "face", "identifier", "name", "path", "serial", "text",
)  # fmt: skip
"""``text`` is free text, which only a person can judge; ``extension`` a block of another program in a header."""
FACES = ("removed", "present", "unknown")
"""What the attribute ``faces`` of a record may say."""
SHOWN = 2
"""Characters of a hidden value that are shown at its start."""


@dataclass(frozen=True)
class Finding:
    """A field that may say who somebody is."""

    record: str
    place: str
    """``GROUP@ATTRIBUTE``, ``GROUP/header.FIELD``, ``GROUP/COLUMN``; ``@ATTRIBUTE`` of the record itself."""
    kind: str
    """One of :data:`KINDS`."""
    value: str
    sure: bool
    """Whether the field is identifying by its name or form; False where a person has to look."""
    group: str = ""
    """Path of the group; empty for the record's own attributes."""
    where: tuple[str | int, ...] = ()
    """How :func:`~connectome.pipelines.privacy.strip` finds it: ``attribute`` and keys, ``header`` and a field,
    ``trailer``, ``column`` and a name, ``variable``, a name and keys, ``provenance`` and the number of a file; empty
    for what cannot be taken out."""

    @property
    def masked(self) -> str:
        """The value with all but its first characters hidden, its length kept."""
        text = " ".join(self.value.split())
        if len(text) <= 2 * SHOWN:
            return "*" * len(text)
        return (
            text[:SHOWN] + "*" * min(len(text) - SHOWN, 12) + (f" ({len(text)} characters)" if len(text) > 14 else "")
        )

    def as_dict(self, *, show: bool = False) -> dict[str, Any]:
        """Return the finding as JSON values; the value only where it is asked for."""
        return {
            "record": self.record,
            "place": self.place,
            "kind": self.kind,
            "sure": self.sure,
            "value": self.value if show else self.masked,
        }
