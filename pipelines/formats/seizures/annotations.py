"""Seizures that the annotations of a recording's own file mark: ``eeg sz start`` in an EDF+ file.

The group ``annotation`` stays as it is; only what the rules are sure of becomes the group ``seizure``, with the times
that time marks of Nihon Kohden state. Where the first sample comes after the start of the file, these marks are not
followed: nobody says which of the two they count from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectome import schema
from connectome.schema import warning
from connectome.seizures import GROUP, seizure_table

from .nihon_kohden import correct_onsets, is_time_mark
from .rules import RULES, EventRules, label_texts, observed_time, pair_seizures

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["SOURCE", "annotated_seizures", "first_sample_s", "with_annotated_seizures"]

FIRST = "first_sample_after_start_s"
"""Attribute of a series that readers of EDF+ set."""
SOURCE = "annotation"
"""Path of the group, and what the column ``source`` says of such seizures."""


def annotated_seizures(
    annotation: xr.Dataset, rules: EventRules = RULES["plain"], *, first_s: float = 0.0
) -> tuple[xr.Dataset | None, list[Note]]:
    """Return the group ``seizure`` by the group ``annotation``; None where it marks no onset.

    Parameters
    ----------
    annotation : xarray.Dataset
        Columns ``onset_s`` and ``description``.
    rules : EventRules
        What texts mean.
    first_s : float
        When the first sample was taken, in seconds after the start of the file.

    Returns
    -------
    table : xarray.Dataset or None
    warnings : list of dict
        Onsets that were corrected, time marks in doubt, and marks that fit no seizure.
    """
    texts = [str(text) for text in schema.decode(annotation["description"].variable)]
    onsets = [float(onset) for onset in annotation["onset_s"].values]
    warnings: list[Note] = []
    if rules.corrects_times and first_s and any(is_time_mark(text) for text in texts):
        message = f"not followed: the first sample comes {first_s:g} s after the start of the file"
        warnings.append(warning("time-marks-doubtful", SOURCE, message))
    elif rules.corrects_times:
        found = correct_onsets(onsets, texts)
        warnings += found.notes(SOURCE)
        if found.n_corrected:
            onsets = list(found.onsets_s)
            message = f"{found.n_corrected} onsets are early; seizures have the times that their time marks state"
            warnings.append(warning("onsets-corrected", SOURCE, message))
    labels = label_texts(texts, rules)
    seizures, notes = pair_seizures(onsets, labels, source=SOURCE)
    if not seizures:
        return None, []
    table = seizure_table(seizures, observed=observed_time(onsets, labels), rule=rules.name)
    return table, [*warnings, *notes]


def first_sample_s(groups: Mapping[str, xr.Dataset]) -> float:
    """Return when the first sample was taken after the start of the file, by the attributes of the groups."""
    return next((float(group.attrs[FIRST]) for group in groups.values() if FIRST in group.attrs), 0.0)


def with_annotated_seizures(tree: xr.DataTree, rules: EventRules = RULES["plain"]) -> xr.DataTree:
    """Return a record with the group ``seizure`` by its annotations; as it is where it has one or none is marked."""
    if GROUP in tree.children or SOURCE not in tree.children:
        return tree
    groups = {path.strip("/"): dataset for path, dataset in schema.groups(tree)}
    table, notes = annotated_seizures(groups[SOURCE], rules, first_s=first_sample_s(groups))
    if table is None:
        return tree
    kept = {str(key): value for key, value in tree.attrs.items() if key not in {"warnings", "encoding-type"}}
    kept.pop("encoding-version", None)
    return schema.record({**groups, GROUP: table}, warnings=[*tree.attrs.get("warnings", []), *notes], **kept)
