"""The proof that a split does not leak.

:func:`prove` looks only at the split, the index and what the plan demands; it shares no step with the code that made
the split, so a split that was edited, carried over to a changed index or made elsewhere is held to the same rules.
"""

from __future__ import annotations

import html
import math
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..errors import LeakError, UsageError
from .extents import Extent, extents_of, strands_of
from .groups import CONTENT, TYING, aliases, duplicates, groups_of, labels, overlaps, records_of, some, units_of
from .registry import plan_from_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from .plan import Demands
    from .split import Entry, Split

__all__ = ["PartSize", "Proof", "prove"]

WATCHED = ("subject", "animal", "patient", "session")
"""Columns whose shared values a proof reports even where the plan allows them."""


@dataclass(frozen=True)
class PartSize:
    """How much a part holds."""

    n_records: int
    """Records of which it holds the whole or a stretch."""
    n_groups: int | None
    """None where the plan knows no groups."""
    duration_s: float | None
    """Seconds; None where the index does not have the extent of every record."""

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes by name."""
        return {"n_records": self.n_records, "n_groups": self.n_groups, "duration_s": self.duration_s}


@dataclass(frozen=True)
class Proof:
    """What was proved of a split, and what was not."""

    split: str
    """Name of the split."""
    digest: str
    """Its digest."""
    sizes: Mapping[str, PartSize]
    """Part to size."""
    proved: tuple[str, ...]
    """What holds, in sentences."""
    unproved: tuple[str, ...]
    """What could not be looked at, and why."""
    min_gap_s: float | None
    """Least distance found between two parts on one time axis; None where no record is cut."""
    guarded_s: float | None
    """Seconds of the records that are in no part; None where the index does not have the extent of every record."""
    shared: Mapping[str, tuple[str, ...]]
    """Column to values in more than one part, where the plan allows that: a model has seen this animal before."""
    warnings: tuple[str, ...]
    """What is allowed but odd."""

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as JSON values."""
        return {
            "split": self.split,
            "digest": self.digest,
            "sizes": {part: size.as_dict() for part, size in self.sizes.items()},
            "proved": list(self.proved),
            "unproved": list(self.unproved),
            "min_gap_s": self.min_gap_s,
            "guarded_s": self.guarded_s,
            "shared": {column: list(values) for column, values in self.shared.items()},
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = [f"split {self.split} ({self.digest[:12]})"]
        for part, size in self.sizes.items():
            groups = "" if size.n_groups is None else f", {size.n_groups} groups"
            lines.append(f"  {part}: {size.n_records} records{groups}{_seconds(size.duration_s)}")
        lines += [f"  proved: {line}" for line in self.proved]
        lines += [f"  not proved: {line}" for line in self.unproved]
        lines += [f"  shared {column}: {some(values)}" for column, values in self.shared.items()]
        lines += [f"  warning: {line}" for line in self.warnings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _seconds(duration_s: float | None) -> str:
    return "" if duration_s is None else f", {duration_s:.6g} s"


def prove(split: Split, index: pd.DataFrame, *, linked: Iterable[tuple[str, str]] = ()) -> Proof:
    """Prove that a split of an index does not leak.

    Parameters
    ----------
    split : Split
        What is to be proved; its plan says what must hold.
    index : pandas.DataFrame
        The records as they are: ``record``, the columns that the plan groups by, extents where records are cut
        (``start_s`` and ``stop_s``, ...), and ``content`` digests if identical records are to be found.
    linked : iterable of (str, str)
        Groups, or records, that must be on one side, beyond those that the plan names.

    Returns
    -------
    Proof
        Sizes, what was proved, and what could not be.

    Raises
    ------
    LeakError
        When something does not hold. All that was found is listed: records that are in no part, in two, or unknown;
        stretches that overlap, leave the record or leave out more than a guard gap; parts nearer than the guard gap;
        groups, linked groups or identical records in two parts; empty parts.
    UsageError
        When the index lacks what the plan needs, a linked name is unknown, or the plan is.
    """
    demands = plan_from_dict(split.plan).demands()
    linked = tuple(linked)
    records = records_of(index)
    by_record: dict[str, list[Entry]] = {}
    for entry in split.entries:
        by_record.setdefault(entry.record, []).append(entry)
    cut = {entry.record for entry in split.entries if entry.start_s is not None}
    extents = extents_of(index, needed=cut.intersection(records))
    problems = [*_unaccounted(records, by_record, split.parts, demands.parts), *_stretches(by_record, extents, demands)]
    min_gap_s, near = _nearness(by_record, strands_of(index, clock=demands.clock), demands.gap_s)
    problems += near
    groups = groups_of(index, demands.by, missing=demands.missing) if demands.by else None
    problems += _torn(by_record, index, groups, split, demands)
    problems += _links(by_record, groups, split, linked)
    if problems:
        raise LeakError(
            f"the split does not hold: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            subject=split.name,
            found="; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else ""),
            hint="make the split anew from its plan",
        )
    return Proof(
        split=split.name,
        digest=split.digest,
        sizes=_sizes(split, groups, extents),
        proved=tuple(_sentences(index, groups, demands, linked, is_cut=bool(cut))),
        unproved=_unproved(index, demands),
        min_gap_s=min_gap_s,
        guarded_s=_guarded(by_record, extents),
        shared=_shared(by_record, index, demands),
        warnings=_look_alikes(by_record, groups),
    )


def _unaccounted(
    records: Sequence[str], by_record: Mapping[str, list[Entry]], parts: Sequence[str], needed: Sequence[str]
) -> list[str]:
    lost, strange = sorted(set(records) - set(by_record)), sorted(set(by_record) - set(records))
    empty = sorted(set(needed) - set(parts))
    return [
        *([f"in no part: {some(lost)}"] if lost else []),
        *([f"in the split, not in the index: {some(strange)}"] if strange else []),
        *([f"empty part: {some(empty)}"] if empty else []),
    ]


def _stretches(by_record: Mapping[str, list[Entry]], extents: Mapping[str, Extent], demands: Demands) -> list[str]:
    """List records that are in a part twice, or whose stretches overlap, leave the record, or leave too much out."""
    problems = []
    for record, entries in by_record.items():
        whole = [entry for entry in entries if entry.start_s is None]
        if whole:
            if len(entries) > 1:
                problems.append(f"more than once: {record} in {some(sorted(entry.part for entry in entries))}")
            continue
        spans = [Extent(e.start_s, e.stop_s) for e in entries if e.start_s is not None and e.stop_s is not None]
        problems += [
            f"overlap: {one.place()} in {one.part} and {other.place()} in {other.part}"
            for (one, span), (other, after) in pairwise(zip(entries, spans, strict=True))
            if after.start_s < span.stop_s
        ]
        if record not in extents:
            continue
        extent = extents[record]
        if spans[0].start_s < extent.start_s or max(span.stop_s for span in spans) > extent.stop_s:
            problems.append(f"outside of {record}: it spans [{extent.start_s!r}, {extent.stop_s!r}) s")
        problems += [
            f"in no part: {record} [{start!r}, {stop!r}) s"
            for start, stop in _holes(spans, extent)
            # A hole may exceed the gap by the rounding of its two ends.
            if demands.covering
            and stop - start > demands.gap_s + 4 * math.ulp(max(abs(start), abs(stop), demands.gap_s))
        ]
    return problems


def _holes(spans: Sequence[Extent], extent: Extent) -> list[Extent]:
    """Return the stretches of an extent that no span covers; spans are sorted by start."""
    holes, reached = [], extent.start_s
    for span in spans:
        if span.start_s > reached:
            holes.append(Extent(reached, span.start_s))
        reached = max(reached, span.stop_s)
    return [*holes, Extent(reached, extent.stop_s)] if reached < extent.stop_s else holes


def _nearness(
    by_record: Mapping[str, list[Entry]], strands: Mapping[str, str], gap_s: float
) -> tuple[float | None, list[str]]:
    """Return the least distance between parts on one time axis, and the pairs that are nearer than the gap."""
    axes: dict[str, list[Entry]] = {}
    for record, entries in by_record.items():
        axes.setdefault(strands.get(record, record), []).extend(entries)
    least, problems = math.inf, []
    for entries in axes.values():
        latest: dict[str, Entry] = {}
        for entry in sorted(entries, key=_span):
            for part, other in latest.items():
                if part == entry.part:
                    continue
                distance = _span(entry)[0] - _span(other)[1]
                least = min(least, distance)
                if distance < gap_s:
                    problems.append(_too_near(other, entry, distance, gap_s))
            if entry.part not in latest or _span(entry)[1] > _span(latest[entry.part])[1]:
                latest[entry.part] = entry
    return (least if math.isfinite(least) else None), problems


def _too_near(one: Entry, other: Entry, distance_s: float, gap_s: float) -> str:
    both = f"{one.place()} in {one.part} and {other.place()} in {other.part}"
    if one.record != other.record and distance_s < 0:
        return f"one content or clock in two parts: {both}"
    return f"nearer than the gap of {gap_s!r} s: {both}" + (f" ({distance_s!r} s)" if math.isfinite(distance_s) else "")


def _torn(
    by_record: Mapping[str, list[Entry]],
    index: pd.DataFrame,
    groups: Mapping[str, str] | None,
    split: Split,
    demands: Demands,
) -> list[str]:
    """List groups, alone or tied together, that are in two parts or not where the split says they are."""
    if groups is None:
        return []
    problems = []
    # Identical content is looked for where nearness is; here only what the plan or the sources tie.
    tying = index[[column for column in ("record", *TYING) if column in index.columns]]
    for unit in units_of(tying, groups, linked=demands.linked, known=split.groups):
        held: dict[str, str] = {}
        for record in unit.records:
            for entry in by_record.get(record, ()):
                held.setdefault(entry.part, record)
        noted = {split.groups[group] for group in (*unit.groups, *unit.kin) if group in split.groups}
        if len(held) > 1:
            where = some(f"{record} in {part}" for part, record in sorted(held.items()))
            tied = " that belong together" if len(unit.groups) > 1 else ""
            problems.append(f"group {some(unit.groups)}{tied} in two parts: {where}")
        elif noted and noted != set(held):
            problems.append(
                f"group {some(unit.groups)} is in {some(sorted(held))}, but was given to {some(sorted(noted))}"
            )
    return problems


def _links(
    by_record: Mapping[str, list[Entry]],
    groups: Mapping[str, str] | None,
    split: Split,
    linked: Sequence[tuple[str, str]],
) -> list[str]:
    """List the links of the caller whose two ends are in different parts; an end is a group, a record, or both."""
    ends: dict[str, set[str]] = {record: {entry.part for entry in own} for record, own in by_record.items()}
    for group, part in split.groups.items():
        ends.setdefault(group, set()).add(part)
    for record, group in (groups or {}).items():
        ends.setdefault(group, set()).update(entry.part for entry in by_record.get(record, ()))
    strange = sorted({end for pair in linked for end in pair} - set(ends))
    if strange:
        raise UsageError(
            "a linked name is neither a group nor a record", subject="linked", place=split.name, found=some(strange)
        )
    return [
        f"linked {one} ({some(sorted(ends[one]))}) and {other} ({some(sorted(ends[other]))}) are not on one side"
        for one, other in linked
        if len(ends[one] | ends[other]) > 1
    ]


def _span(entry: Entry) -> tuple[float, float]:
    """Return start and stop; a whole record has no end."""
    return (
        -math.inf if entry.start_s is None else entry.start_s,
        math.inf if entry.stop_s is None else entry.stop_s,
    )


def _sizes(split: Split, groups: Mapping[str, str] | None, extents: Mapping[str, Extent]) -> dict[str, PartSize]:
    sizes = {}
    for part in split.parts:
        entries = [entry for entry in split.entries if entry.part == part]
        n_groups = None if groups is None else len({groups[entry.record] for entry in entries})
        timed = all(entry.record in extents for entry in entries)
        seconds = math.fsum(_length(entry, extents) for entry in entries) if timed else None
        sizes[part] = PartSize(len({entry.record for entry in entries}), n_groups, seconds)
    return sizes


def _length(entry: Entry, extents: Mapping[str, Extent]) -> float:
    start, stop = extents[entry.record] if entry.start_s is None else _span(entry)
    return stop - start


def _guarded(by_record: Mapping[str, list[Entry]], extents: Mapping[str, Extent]) -> float | None:
    if not set(by_record) <= set(extents):
        return None
    whole = [extents[record].stop_s - extents[record].start_s for record in by_record]
    return math.fsum([*whole, *(-_length(entry, extents) for own in by_record.values() for entry in own)])


def _sentences(
    index: pd.DataFrame,
    groups: Mapping[str, str] | None,
    demands: Demands,
    linked: Sequence[tuple[str, str]],
    *,
    is_cut: bool,
) -> list[str]:
    lines = [f"all {len(index)} records are " + ("accounted for" if is_cut else "in one part each")]
    if is_cut:
        covering = " cover the records but for guard gaps," if demands.covering else ""
        lines.append(f"stretches are disjoint,{covering} and are {demands.gap_s!r} s apart")
    if groups is not None:
        lines.append(f"no group by {some(demands.by)} is in two parts ({len(set(groups.values()))} groups)")
    if not is_cut and demands.gap_s:
        lines.append(f"parts are {demands.gap_s!r} s apart: no record is cut")
    if demands.clock is not None:
        lines.append(f"records of one {demands.clock} were cut at the same times")
    if CONTENT in index.columns:
        lines.append(f"no content is in two parts ({len(duplicates(index))} sets of identical records)")
    shared = overlaps(index) if groups is not None else []
    if shared:
        lines.append(f"no animals that two sources hold are in two parts ({len(shared)} sets of records)")
    named = aliases(index) if groups is not None else []
    if named:
        lines.append(f"nobody of several names is in two parts ({len(named)} sets of records)")
    if demands.linked or linked:
        lines.append(f"all {len(demands.linked) + len(linked)} links are on one side")
    return lines


def _unproved(index: pd.DataFrame, demands: Demands) -> tuple[str, ...]:
    lines = []
    if not demands.by:
        lines.append("that no animal or patient is in two parts: the plan does not keep groups together")
    if CONTENT not in index.columns:
        lines.append(f"that no record is there twice: the index has no column {CONTENT!r}")
    else:
        n_lacking = sum(digest is None for digest in labels(index, (CONTENT,)).values())
        lines += [f"that {n_lacking} records are not copies: they have no content digest"] if n_lacking else []
    return tuple(lines)


def _shared(by_record: Mapping[str, list[Entry]], index: pd.DataFrame, demands: Demands) -> dict[str, tuple[str, ...]]:
    shared = {}
    for column in (name for name in WATCHED if name in index.columns and name not in demands.by):
        held: dict[str, set[str]] = {}
        for record, value in labels(index, (column,)).items():
            if value is not None:
                held.setdefault(value, set()).update(entry.part for entry in by_record[record])
        values = tuple(sorted(value for value, parts in held.items() if len(parts) > 1))
        shared.update({column: values} if values else {})
    return shared


def _look_alikes(by_record: Mapping[str, list[Entry]], groups: Mapping[str, str] | None) -> tuple[str, ...]:
    """Name groups in different parts whose names differ only in case, spacing, punctuation or Unicode form."""
    forms: dict[str, dict[str, str]] = {}
    for record, group in (groups or {}).items():
        plain = unicodedata.normalize("NFKC", group).casefold()
        form = "".join(letter for letter in plain if letter.isalnum())
        forms.setdefault(form, {})[group] = by_record[record][0].part
    return tuple(
        "groups of similar names are in different parts: " + ", ".join(f"{g!r} in {p}" for g, p in sorted(same.items()))
        for form, same in sorted(forms.items())
        if form and len(set(same.values())) > 1
    )
