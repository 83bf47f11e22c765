"""Which version, split and view something was read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectome.splits import Split
    from connectome.store import Version


@dataclass(frozen=True)
class Provenance:
    """What a source of windows was made from; what was learned from them carries it along."""

    dataset: str
    version: str
    digest: str
    """SHA-256 of what the version holds."""
    split: str | None
    """Name of the split; None where all of every record is used."""
    split_digest: str | None
    part: str | None
    view: str = ""
    """Filters and rate of the view (JSON); empty where samples are read as they are stored."""

    @property
    def label(self) -> str:
        """What is read, for people: ``name@1.0.0 by-subject/train``."""
        part = f" {self.split}/{self.part}" if self.split else ""
        return f"{self.dataset}@{self.version}{part}"

    @classmethod
    def of(cls, version: Version, *, split: Split | None, part: str | None, view: str = "") -> Provenance:
        """Return that of an opened version and the split of it that is read."""
        return cls(
            dataset=version.dataset,
            version=version.version,
            digest=version.digest,
            split=split.name if split else None,
            split_digest=split.digest if split else None,
            part=part,
            view=view,
        )
