"""Names of BIDS: entities in their order, suffix and extension.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io/en/v1.10.0/common-principles.html and
.../appendices/entities.html for the order. Names that other releases allow (``tpl``, ``cohort``, ``scale``) are known
too; an entity that none knows is kept, after the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ORDER", "BidsName", "parse_name"]

ORDER: tuple[str, ...] = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
    "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk",
    "atlas", "seg", "scale", "res", "den", "label", "desc",
)  # fmt: skip
"""Short names of entities in the order that file names keep."""

_RANK = {name: rank for rank, name in enumerate(ORDER)}
_PAIR = re.compile(r"(?P<key>[A-Za-z]+)-(?P<value>[A-Za-z0-9+]+)")
_SUFFIX = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class BidsName:
    """A file's name, taken apart."""

    entities: tuple[tuple[str, str], ...]
    """Pairs as they stand in the name."""
    suffix: str
    """``T1w``, ``bold``, ``participants``, ...; ``""`` where the name ends with an entity."""
    extension: str
    """From the first dot: ``.nii.gz``; ``""`` where there is none."""

    def get(self, key: str) -> str | None:
        """Return the value of an entity; None where the name has none."""
        return dict(self.entities).get(key)

    @property
    def ordered(self) -> tuple[tuple[str, str], ...]:
        """The pairs in the order that BIDS demands."""
        return tuple(sorted(self.entities, key=lambda pair: (_RANK.get(pair[0], len(ORDER)), pair[0])))

    @property
    def is_ordered(self) -> bool:
        """Whether the name keeps the order of BIDS."""
        return self.entities == self.ordered

    def applies_to(self, other: BidsName) -> bool:
        """Tell whether this name's file is about another's: same suffix, and no entity that the other lacks."""
        return self.suffix == other.suffix and set(self.entities) <= set(other.entities)


def parse_name(name: str) -> BidsName | None:
    """Take a file's name apart; None where it is not of the form of BIDS (``KEY-VALUE_..._SUFFIX.EXTENSION``)."""
    stem, dot, rest = name.partition(".")
    *pairs, last = stem.split("_")
    found = _PAIR.fullmatch(last)
    if found is not None:
        pairs.append(last)
        last = ""
    elif not _SUFFIX.fullmatch(last):
        return None
    entities = []
    for pair in pairs:
        match = _PAIR.fullmatch(pair)
        if match is None:
            return None
        entities.append((match["key"], match["value"]))
    if len(dict(entities)) != len(entities):
        return None
    return BidsName(tuple(entities), last, dot + rest)
