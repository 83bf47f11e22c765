"""What differs between two versions, in the words of the data, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .canonical import canonical_json

if TYPE_CHECKING:
    import xarray as xr

    from .manifest import Manifest
    from .record import Receipt

__all__ = ["ChangedRecord", "Diff", "compare_records", "compare_versions", "reasons_for"]

METADATA = ("rejected", "splits", "about", "parents")
"""Parts of a version besides its records."""


@dataclass(frozen=True)
class ChangedRecord:
    """One record that both versions have and that is not the same in both."""

    record: str
    reasons: tuple[str, ...]
    arrays_added: tuple[str, ...] = ()
    arrays_removed: tuple[str, ...] = ()
    arrays_changed: tuple[str, ...] = ()
    attributes_changed: tuple[str, ...] = ()
    """``PATH.NAME`` of every attribute that differs, of groups and arrays."""
    facts_changed: Mapping[str, tuple[Any, Any]] | None = None
    """``PATH.FACT`` to (old, new)."""
    content_changed: bool = True
    """False when only provenance, facts or warnings differ."""

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return {
            "record": self.record,
            "reasons": list(self.reasons),
            "content_changed": self.content_changed,
            "arrays": {
                "added": list(self.arrays_added),
                "removed": list(self.arrays_removed),
                "changed": list(self.arrays_changed),
            },
            "attributes": list(self.attributes_changed),
            "facts": {name: list(pair) for name, pair in (self.facts_changed or {}).items()},
        }


@dataclass(frozen=True)
class Diff:
    """What differs between two versions of a dataset."""

    dataset: str
    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedRecord, ...]
    unchanged: int
    metadata: tuple[str, ...]
    """Parts besides the records that differ: rejected, splits, about, parents."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.metadata)

    def __str__(self) -> str:
        lines = [f"{self.dataset}: {self.old} -> {self.new}"]
        lines += [f"+ {name}" for name in self.added]
        lines += [f"- {name}" for name in self.removed]
        for change in self.changed:
            lines.append(f"~ {change.record}: {'; '.join(change.reasons)}")
            lines += [f"    added {path}" for path in change.arrays_added]
            lines += [f"    removed {path}" for path in change.arrays_removed]
            lines += [f"    changed {path}" for path in change.arrays_changed]
            lines += [f"    attribute {name}" for name in change.attributes_changed]
            lines += [f"    {name}: {old} -> {new}" for name, (old, new) in (change.facts_changed or {}).items()]
        lines += [f"  {part} changed" for part in self.metadata]
        lines.append(f"{self.unchanged} records unchanged")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the diff as the command line prints it with ``--json``."""
        return {
            "dataset": self.dataset,
            "old": self.old,
            "new": self.new,
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": [item.as_dict() for item in self.changed],
            "unchanged": self.unchanged,
            "metadata": list(self.metadata),
        }


def reasons_for(old: Receipt, new: Receipt) -> list[str]:
    """Say why two receipts of one record differ, from their recipes."""
    before, after = old.recipe, new.recipe
    reasons = []
    if before["source"] != after["source"]:
        reasons.append(f"source {before['source']} became {after['source']}")
    elif before["source_version"] != after["source_version"]:
        reasons.append(f"reader {after['source']} {before['source_version']} became {after['source_version']}")
    for kind, version in after["schemas"].items():
        if before["schemas"].get(kind) != version:
            reasons.append(f"schema {kind} {before['schemas'].get(kind)} became {version}")
    inputs = {item["path"]: item["sha256"] for item in before["inputs"]}
    inputs_after = {item["path"]: item["sha256"] for item in after["inputs"]}
    for path in sorted(set(inputs) | set(inputs_after)):
        if path not in inputs_after:
            reasons.append(f"input {path} is no longer used")
        elif path not in inputs:
            reasons.append(f"input {path} is new")
        elif inputs[path] != inputs_after[path]:
            reasons.append(f"input {path} changed from {inputs[path][:12]} to {inputs_after[path][:12]}")
    for name in sorted(set(before["params"]) | set(after["params"])):
        if before["params"].get(name) != after["params"].get(name):
            reasons.append(f"parameter {name} changed from {before['params'].get(name)} to {after['params'].get(name)}")
    if not reasons:
        # Nothing that the recipe knows of has changed, so what the reader does must have, unannounced.
        reasons.append("the reader's output changed although its version did not" if old.content != new.content else
                       "only what is recorded about it changed")  # fmt: skip
    return reasons


def compare_versions(old: Manifest, new: Manifest) -> Diff:
    """Compare two versions by their manifests alone; no record is opened."""
    both = sorted(set(old.records) & set(new.records))
    changed = [
        ChangedRecord(
            record=name,
            reasons=tuple(reasons_for(old.records[name], new.records[name])),
            facts_changed=_facts(old.records[name], new.records[name]),
            content_changed=old.records[name].content != new.records[name].content,
        )
        for name in both
        if old.records[name].content != new.records[name].content
        or old.records[name].recipe_digest != new.records[name].recipe_digest
    ]
    before, after = old.metadata(), new.metadata()
    return Diff(
        dataset=old.dataset,
        old=old.version,
        new=new.version,
        added=tuple(sorted(set(new.records) - set(old.records))),
        removed=tuple(sorted(set(old.records) - set(new.records))),
        changed=tuple(changed),
        unchanged=len(both) - len(changed),
        metadata=tuple(part for part in METADATA if before[part] != after[part]),
    )


def compare_records(change: ChangedRecord, old: xr.DataTree, new: xr.DataTree) -> ChangedRecord:
    """Add which arrays and attributes differ, from the digests that both files carry."""
    before, after = old.attrs["digests"], new.attrs["digests"]
    both = set(before) & set(after)
    old_attrs, new_attrs = _attributes(old), _attributes(new)
    return ChangedRecord(
        record=change.record,
        reasons=change.reasons,
        arrays_added=tuple(sorted(set(after) - set(before))),
        arrays_removed=tuple(sorted(set(before) - set(after))),
        arrays_changed=tuple(sorted(path for path in both if before[path] != after[path])),
        attributes_changed=tuple(
            sorted(key for key in set(old_attrs) | set(new_attrs) if _differ(old_attrs, new_attrs, key))
        ),
        facts_changed=change.facts_changed,
        content_changed=change.content_changed,
    )


def _attributes(tree: xr.DataTree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.subtree:
        skipped = {"digests", "provenance"} if node.path == tree.path else {"coordinates"}
        found.update({f"{node.path}.{name}": value for name, value in node.attrs.items() if name not in skipped})
        for name, variable in node.variables.items():
            found.update({f"{node.path}/{name}.{key}": value for key, value in variable.attrs.items()})
    return found


def _facts(old: Receipt, new: Receipt) -> dict[str, tuple[Any, Any]]:
    before, after = _flat(old.facts), _flat(new.facts)
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(set(before) | set(after))
        if _differ(before, after, name)
    }


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    # None is a value: having it is not the same as having none. Equal numbers of different types differ: 1 and 1.0.
    return (name in before) != (name in after) or canonical_json(before.get(name)) != canonical_json(after.get(name))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, item in value.items():
            found.update(_flat(item, f"{prefix}.{name}" if prefix else str(name)))
        return found
    return {prefix: value}
