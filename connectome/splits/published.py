"""Take over the split that a source publishes with its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..errors import UsageError
from .groups import groups_of, labels, some
from .placing import check_previous
from .plan import Demands, Missing, Plan, check_choice, columns, link_pairs
from .split import Entry, Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

__all__ = ["PublishedSplit"]


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(Plan):
    """Put each record into the part that a column of the index names.

    Nothing is moved or mended: whether the published parts share an animal is for
    :func:`connectome.splits.prove` to say.

    Parameters
    ----------
    column : str
        The column of parts.
    by : str or sequence of str, optional
        The columns whose values must not be in two parts; None demands nothing.
    missing : {"error", "own-group"}
        What becomes of a record without a group.
    linked : iterable of (str, str)
        Groups that are one.
    """

    kind: ClassVar[str] = "published"

    column: str
    by: str | Sequence[str] | None = None
    missing: Missing = "error"
    linked: Iterable[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        check_choice(self.missing, what="missing", choices=("error", "own-group"))
        by = None if self.by is None else columns(self.by, what="by")
        self._set(column=columns((self.column,), what="column")[0], by=by, linked=link_pairs(self.linked))

    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Read the parts of the records; a record of the previous split must not have moved."""
        check_previous(self, previous, keys=("column", "by", "missing"))
        parts = labels(index, (self.column,))
        placed = {record: part for record, part in parts.items() if part is not None}
        lacking = sorted(set(parts) - set(placed))
        if lacking:
            raise UsageError(
                f"{len(lacking)} of {len(parts)} records are in no part",
                subject="index",
                place=self.column,
                expected="a part for every record",
                found="none for " + some(lacking),
            )
        before = {entry.record: entry.part for entry in previous.entries} if previous is not None else {}
        moved = sorted(record for record in placed.keys() & before.keys() if placed[record] != before[record])
        if moved:
            raise UsageError(
                "the source has moved records to other parts",
                subject="index",
                place=self.column,
                found=some(f"{record} from {before[record]} to {placed[record]}" for record in moved),
                hint="make the split anew, without the previous one",
            )
        entries = tuple(Entry(record, part) for record, part in placed.items())
        # A group that the source put into two parts has no part; prove() names it.
        held: dict[str, set[str]] = {}
        for record, group in (groups_of(index, self.by, missing=self.missing) if self.by else {}).items():
            held.setdefault(group, set()).add(placed[record])
        groups = {group: min(parts) for group, parts in held.items() if len(parts) == 1}
        return Split(name=name, plan=self.as_dict(), entries=entries, groups=groups)

    def demands(self) -> Demands:
        """Return the groups that must not be torn apart, if any are named."""
        return Demands(by=tuple(self.by or ()), missing=self.missing, linked=tuple(self.linked))
