"""Seizures that the annotations of a recording's own file mark: ``eeg sz start`` in an EDF+ file.

The group ``annotation`` stays as it is; only what the rules are sure of becomes the group ``seizure``, with the times
that time marks of Nihon Kohden state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome import schema
from connectome.seizures import GROUP, seizure_table

from .nihon_kohden import correct_onsets
from .rules import RULES, EventRules, label_texts, observed_time, pair_seizures

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["SOURCE", "annotated_seizures", "with_annotated_seizures"]

SOURCE = "annotation"
"""Path of the group, and what the column ``source`` says of such seizures."""


def annotated_seizures(
    annotation: xr.Dataset, rules: EventRules = RULES["plain"]
) -> tuple[xr.Dataset | None, list[Note]]:
    """Return the group ``seizure`` by the group ``annotation``; None where it marks no onset.

    Parameters
    ----------
    annotation : xarray.Dataset
        Columns ``onset_s`` and ``description``.
    rules : EventRules
        What texts mean.

    Returns
    -------
    table : xarray.Dataset or None
    warnings : list of dict
        Onsets that were corrected, and marks that fit no seizure.
    """
    texts = [str(text) for text in schema.decode(annotation["description"].variable)]
    onsets = [float(onset) for onset in annotation["onset_s"].values]
    warnings: list[Note] = []
    if rules.corrects_times:
        found = correct_onsets(onsets, texts)
        if found.n_corrected:
            onsets = list(found.onsets_s)
            message = f"{found.n_corrected} onsets are early; seizures have the times that their time marks state"
            warnings.append({"code": "onsets-corrected", "place": SOURCE, "message": message})
    labels = label_texts(texts, rules)
    seizures, notes = pair_seizures(onsets, labels, source=SOURCE)
    if not seizures:
        return None, []
    table = seizure_table(seizures, observed=observed_time(onsets, labels), rule=rules.name)
    return table, [*warnings, *notes]


def with_annotated_seizures(tree: xr.DataTree, rules: EventRules = RULES["plain"]) -> xr.DataTree:
    """Return a record with the group ``seizure`` by its annotations; as it is where it has one or none is marked."""
    if GROUP in tree.children or SOURCE not in tree.children:
        return tree
    table, notes = annotated_seizures(tree[SOURCE].to_dataset(), rules)
    if table is None:
        return tree
    groups = {path.strip("/"): dataset for path, dataset in schema.groups(tree)}
    kept = {str(key): value for key, value in tree.attrs.items() if key not in {"warnings", "encoding-type"}}
    kept.pop("encoding-version", None)
    return schema.record({**groups, GROUP: table}, warnings=[*tree.attrs.get("warnings", []), *notes], **kept)
