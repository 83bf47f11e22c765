"""``events.tsv`` of a recording: times in seconds, the text as it stands, a label by stated rules, and seizures.

BIDS 1.10, "Events": onset and duration in seconds after the first sample. Labels and seizures follow the rules of
:mod:`..seizures.rules`, or the codes of SzCORE where the table has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, SchemaError
from connectome.schema import warning
from connectome.seizures import SZCORE_LABELS, Seizure, seizure_table

from ..seizures.nihon_kohden import correct_onsets
from ..seizures.rules import EventRules, label_texts, observed_time, pair_seizures
from ..seizures.szcore import COLUMN, is_szcore, parse_szcore
from .tsv import MISSING, Rows, typed, variable_name

if TYPE_CHECKING:
    import xarray as xr

    from connectome.intervals import Intervals

    from ..tables.text_rows import Note

__all__ = ["Events", "read_events"]

TEXT_COLUMNS = ("trial_type", COLUMN, "event_type", "type", "value")
"""Columns that the text is taken from: the first that is there."""
SAMPLE = "sample"
OURS = ("onset_s", "duration_s", "text", "label", "onset_corrected_by", "source_onset_s", "hed")


@dataclass(frozen=True)
class Events:
    """What a table of events says."""

    table: xr.Dataset
    seizures: tuple[Seizure, ...] | None
    """None where it does not say which seizures there are."""
    rule: str
    """What decided on labels and seizures."""
    warnings: tuple[Note, ...] = ()
    observed: Intervals | None = None
    """Stretches of time in which it says which seizures there are; None where that is all time."""

    def seizure_table(self) -> xr.Dataset | None:
        """Return the group ``seizure``; None where nothing is known."""
        if self.seizures is None:
            return None
        return seizure_table(self.seizures, observed=self.observed, rule=self.rule)


def read_events(rows: Rows, rules: EventRules, *, subject: str, described: Mapping[str, Any] | None = None) -> Events:
    """Make the group ``events`` of the rows of a table.

    Parameters
    ----------
    rows : list of dict
        As :func:`.tsv.read_rows` gives them.
    rules : EventRules
        What texts mean; the codes of SzCORE need none.
    subject : str
        The file, for refusals and warnings.
    described : mapping, optional
        The JSON file about the columns: ``Levels`` and ``HED``.

    Returns
    -------
    Events
        Columns ``onset_s`` (corrected where a rule says so), ``duration_s``, ``text``, ``label``,
        ``onset_corrected_by``, ``source_onset_s`` where a time was corrected, ``hed`` where tags are given, then those
        of the source that remain.

    Raises
    ------
    FormatError
        When there is no column ``onset`` or two columns would have one name.
    """
    place = subject.rpartition("/")[2]
    described = described or {}
    if rows and "onset" not in rows[0]:
        raise FormatError("a column is missing", subject=subject, expected="onset", found=", ".join(rows[0]))
    warnings: list[Note] = []
    onsets = [_seconds(row["onset"]) for row in rows]
    durations = [_seconds(row.get("duration", "n/a")) for row in rows]
    warnings += [*_doubts(rows, onsets, place), *_doubted_durations(rows, durations, place)]
    key = next((name for name in TEXT_COLUMNS if rows and name in rows[0]), None)
    texts = ["" if key is None or row[key] in MISSING else row[key] for row in rows]
    corrected, rule_ids = onsets, [""] * len(rows)
    if rules.corrects_times:
        found = correct_onsets(onsets, texts)
        corrected, rule_ids = list(found.onsets_s), list(found.corrected_by)
        if found.n_corrected:
            late = max(after - before for before, after in zip(onsets, corrected, strict=True) if after != before)
            message = f"{found.n_corrected} onsets were early by up to {late:.3f} s; their time marks hold"
            warnings.append(warning("onsets-corrected", place, message))
        warnings += found.notes(place)
    seizures: list[Seizure] | None = None
    observed: Intervals | None = None
    if is_szcore(rows):
        rule, labels = "SzCORE", [row[COLUMN] if row[COLUMN] in SZCORE_LABELS else "" for row in rows]
        stated = parse_szcore(rows, subject=subject)
        seizures, observed = list(stated.seizures), stated.observed
        warnings += stated.warnings
    else:
        rule, labels = rules.name, label_texts(texts, rules)
        paired, notes = pair_seizures(corrected, labels)
        seizures, observed = paired or None, observed_time(corrected, labels)
        warnings += notes
    columns = {
        "onset_s": _times(corrected, "Onset after the first sample"),
        "duration_s": _times(durations, "Duration, where one is given"),
        "text": schema.column("row", texts, f"Text as in the source, column {key!r}" if key else "Text: none given"),
        "label": schema.column("row", labels, "Label by the rules named in the attribute rule, if any"),
        "onset_corrected_by": schema.column("row", rule_ids, "Rule by which the onset was corrected, if any"),
    }
    if any(rule_ids):
        columns["source_onset_s"] = _times(onsets, "Onset as in the source")
    hed = _hed(described.get(key or ""), texts)
    if any(hed):
        columns["hed"] = schema.column("row", hed, "HED tags of the text, by the JSON file")
    more, notes = _others(rows, key, described, place)
    warnings += notes
    if any(rule_ids) and SAMPLE in more:
        # Whoever cuts epochs by it would cut them where the source is early.
        more[SAMPLE].attrs["long_name"] += ", of the onset in the source and not of the corrected one"
    clash = sorted(set(more) & set(OURS))
    if clash:
        raise FormatError("two columns would have one name", subject=subject, found=", ".join(clash))
    table = schema.table(columns | more, rule=rule)
    return Events(table, _allowed(seizures, place, warnings), rule, tuple(warnings), observed)


def _allowed(seizures: list[Seizure] | None, place: str, warnings: list[Note]) -> tuple[Seizure, ...] | None:
    if seizures is None:
        return None
    try:
        seizure_table(seizures)
    except SchemaError as error:
        warnings.append(warning("seizures-unusable", place, f"{error.message}: {error.found}"))
        return None
    return tuple(seizures)


def _seconds(text: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _doubts(rows: Rows, onsets: list[float], place: str) -> list[Note]:
    notes: list[Note] = []
    missing = [number for number, onset in enumerate(onsets, start=1) if math.isnan(onset)]
    if missing:
        listed = ", ".join(f"{number} ({rows[number - 1]['onset'] or 'empty'})" for number in missing[:10])
        message = f"{len(missing)} events have no onset; they are kept without one: rows {listed}"
        notes.append(warning("onset-missing", place, message))
    early = [onset for onset in onsets if onset < 0]
    if early:
        message = f"{len(early)} events lie before the first sample, the earliest at {min(early):g} s"
        notes.append(warning("onset-before-start", place, message))
    stated = [onset for onset in onsets if not math.isnan(onset)]
    if any(one > other for one, other in pairwise(stated)):
        notes.append(warning("events-unsorted", place, "kept in the order of the source"))
    return notes


def _doubted_durations(rows: Rows, durations: list[float], place: str) -> list[Note]:
    notes: list[Note] = []
    stated = [row.get("duration", "n/a") for row in rows]
    unread = [
        f"{number} ({text})"
        for number, (text, value) in enumerate(zip(stated, durations, strict=True), start=1)
        if math.isnan(value) and text not in MISSING
    ]
    if unread:
        message = f"{len(unread)} durations are no numbers and are left out: rows {', '.join(unread[:10])}"
        notes.append(warning("durations-unreadable", place, message))
    negative = [value for value in durations if value < 0]
    if negative:
        message = f"{len(negative)} durations are negative and kept as they stand, the least {min(negative):g} s"
        notes.append(warning("durations-negative", place, message))
    return notes


def _times(values: list[float], long_name: str) -> xr.Variable:
    return schema.column("row", np.array(values, dtype=np.float64), long_name, "s")


def _hed(about: object, texts: list[str]) -> list[str]:
    tags = about.get("HED") if isinstance(about, Mapping) else None
    if not isinstance(tags, Mapping):
        return [""] * len(texts)
    return [str(tags.get(text, "")) if text else "" for text in texts]


def _others(
    rows: Rows, text_column: str | None, described: Mapping[str, Any], place: str
) -> tuple[dict[str, xr.Variable], list[Note]]:
    """Make typed columns of what is left: numbers where all are, else text."""
    columns: dict[str, xr.Variable] = {}
    warnings: list[Note] = []
    for key in rows[0] if rows else ():
        if key in {"onset", "duration", text_column}:
            continue
        name = variable_name(key)
        if name in columns:
            raise FormatError("two columns would have one name", subject=place, found=f"{key!r} and another: {name}")
        about = described.get(key)
        values = [row[key] for row in rows]
        # Levels list what may occur; a value that they lack is no reason to make it a category.
        plain = {word: item for word, item in about.items() if word != "Levels"} if isinstance(about, Mapping) else {}
        columns[name], notes = typed(values, key=key, table=place, about=plain, among=values)
        warnings += notes
    return columns, warnings
