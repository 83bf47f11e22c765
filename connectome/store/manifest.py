"""A version as it is stored: an immutable list of record digests with splits, facts, provenance and reasons.

Numbers are semantic and computed, never typed: a changed or withdrawn record raises the major number, added records
the minor one, anything else the patch. Two manifests with the same ``digest`` hold the same data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from connectome.errors import DamagedError, UsageError

from .canonical import is_version_text, json_digest, loaded_digest, plain, version_text
from .diff import METADATA, reasons_for
from .record import Receipt

__all__ = ["Census", "Manifest", "Number", "next_manifest", "parse_spec"]

FORMAT = 1
_WANTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FIELDS = {
    "format", "dataset", "version", "digest", "census", "records", "rejected", "splits", "about", "parents",
    "previous", "reasons", "created", "environment",
}  # fmt: skip


class Number(NamedTuple):
    """A semantic version number."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> Number:
        """Read ``"1.2.0"``; raise :class:`~connectome.errors.UsageError` for anything else."""
        if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text):
            raise UsageError("not a version number", subject=text, expected="three numbers, as in 1.2.0")
        return cls(*(int(part) for part in text.split(".")))


class Census(NamedTuple):
    """Files seen = used + rejected."""

    seen: int
    used: int
    rejected: int


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def parse_spec(spec: str) -> tuple[str, str | None]:
    """Split ``"name@1.2.0"`` into name and version, tag or prefix; None where only the name is given."""
    name, _, wanted = spec.partition("@")
    if not name or ("@" in spec and not _WANTED.fullmatch(wanted)):
        raise UsageError("not a dataset name", subject=spec, expected="NAME, NAME@VERSION or NAME@TAG")
    return name, wanted or None


@dataclass(frozen=True)
class Manifest:
    """One version of a dataset."""

    dataset: str
    version: str
    records: Mapping[str, Receipt]
    rejected: tuple[Mapping[str, str], ...] = ()
    """``{"file", "reason", "kind"}`` of everything that was seen and not used, sorted."""
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    """The catalogue's entry at the time: title, licence, citation, kinds, species."""
    parents: tuple[str, ...] = ()
    """Versions of other datasets that this one was derived from (``name@1.2.0``)."""
    previous: str | None = None
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Record (or ``"*"`` for the whole) to why it differs from the previous version."""
    created: str = ""
    """UTC time of the commit; not part of any digest."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that wrote it; not part of any digest."""

    @property
    def number(self) -> Number:
        """The version as numbers, to be compared."""
        return Number.parse(self.version)

    @property
    def digest(self) -> str:
        """SHA-256 of what the version holds: contents, recipes, rejections and splits, on any machine the same."""
        return json_digest(
            {
                "dataset": self.dataset,
                "records": {name: [item.content, item.recipe_digest] for name, item in self.records.items()},
                "rejected": sorted([item["file"], item["kind"]] for item in self.rejected),
                "splits": self.splits,
                "parents": list(self.parents),
            }
        )

    @property
    def size_bytes(self) -> int:
        """Total length of the record files."""
        return sum(receipt.size_bytes for receipt in self.records.values())

    @property
    def census(self) -> Census:
        """Count files. A file that is used and partly rejected (``FILE#PART``) counts as used."""
        used = {path for receipt in self.records.values() for path in receipt.inputs}
        rejected = {item["file"].partition("#")[0] for item in self.rejected} - used
        return Census(len(used) + len(rejected), len(used), len(rejected))

    def metadata(self) -> dict[str, Any]:
        """Return everything besides contents that a reader may rely on."""
        skipped = ("content", "file_sha256", "size_bytes", "record")
        return {
            "records": {
                name: {key: value for key, value in item.as_dict().items() if key not in skipped}
                for name, item in self.records.items()
            },
            "rejected": plain(self.rejected),
            "splits": plain(self.splits),
            "about": plain(self.about),
            "parents": list(self.parents),
        }

    def to_bytes(self) -> bytes:
        """Return the version file: readable JSON with a checksum over itself."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "dataset": self.dataset,
            "version": self.version,
            "digest": self.digest,
            "census": self.census._asdict(),
            "records": {name: receipt.as_dict() for name, receipt in self.records.items()},
            "rejected": plain(self.rejected),
            "splits": plain(self.splits),
            "about": plain(self.about),
            "parents": list(self.parents),
            "previous": self.previous,
            "reasons": plain(self.reasons),
            "created": self.created,
            "environment": plain(self.environment),
        }
        document["checksum"] = json_digest(document)
        return version_text(document)

    @classmethod
    def from_bytes(cls, data: bytes, *, subject: str) -> Manifest:
        """Read a version file.

        Raises
        ------
        DamagedError
            When any byte of it has changed since it was written.
        """
        hint = "pull the version again; a version file is never edited"
        try:
            document = json.loads(data, parse_constant=_refuse_constant)
            checksum = document.pop("checksum")
            if document["format"] != FORMAT:
                raise DamagedError(
                    "the version file has another format", subject=subject, expected=str(FORMAT),
                    found=str(document["format"]), hint="update connectome",
                )  # fmt: skip
            manifest = cls(
                dataset=document["dataset"],
                version=document["version"],
                records={name: Receipt.from_dict(item) for name, item in document["records"].items()},
                rejected=tuple(document["rejected"]),
                splits=document["splits"],
                about=document["about"],
                parents=tuple(document["parents"]),
                previous=document["previous"],
                reasons={name: tuple(items) for name, items in document["reasons"].items()},
                created=document["created"],
                environment=document["environment"],
            )
            found = loaded_digest(document)
            whole = (
                found == checksum
                and document.keys() == _FIELDS
                and all(item.keys() == Receipt.fields() for item in document["records"].values())
                and document["census"] == manifest.census._asdict()
                and document["digest"] == manifest.digest
                and is_version_text(data, {**document, "checksum": checksum})
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError("the version file is damaged", subject=subject, found=str(error), hint=hint) from error
        if not whole:
            raise DamagedError(
                "the version file was changed after it was written",
                subject=subject,
                expected=f"checksum {checksum}",
                found=found,
                hint=hint,
            )
        return manifest


def next_manifest(
    previous: Manifest | None,
    *,
    dataset: str,
    receipts: Iterable[Receipt],
    rejected: Iterable[Mapping[str, str]],
    about: Mapping[str, Any],
    splits: Mapping[str, Mapping[str, Any]],
    parents: Iterable[str],
    keep_others: bool,
) -> Manifest | None:
    """Compute the version that follows, without writing anything.

    Parameters
    ----------
    previous : Manifest or None
        The latest version.
    dataset, receipts, rejected, about, splits, parents
        What the new version holds.
    keep_others : bool
        Whether records of the previous version that are not in ``receipts`` stay; otherwise they are withdrawn.

    Returns
    -------
    Manifest or None
        None when nothing differs from the previous version.
    """
    receipts = tuple(receipts)
    old = dict(previous.records) if previous else {}
    records = dict(old) if keep_others else {}
    given: dict[str, Receipt] = {}
    for receipt in receipts:
        known = old.get(receipt.record)
        # The same content from the same recipe: keep the file that is already referred to.
        same = known and known.content == receipt.content and known.recipe_digest == receipt.recipe_digest
        records[receipt.record] = known if same and known else receipt
        if given.setdefault(receipt.record, receipt) != receipt:
            raise UsageError(
                "a record is given twice, and differs", subject=receipt.record, place=dataset, expected="one receipt"
            )
    if not records:
        raise UsageError("a version needs at least one record", subject=dataset)
    turned_away = {item["file"]: dict(item) for item in rejected}
    if keep_others and previous:
        used = {path for receipt in records.values() for path in receipt.inputs}
        made = {receipt.record for receipt in receipts}
        for item in previous.rejected:
            # FILE#RECORD tells why a record could not be made; that is over once it has been.
            if item["file"] not in used and item["file"].partition("#")[2] not in made:
                turned_away.setdefault(item["file"], dict(item))
    candidate = Manifest(
        dataset=dataset,
        version="1.0.0",
        records={name: records[name] for name in sorted(records)},
        rejected=tuple(turned_away[file] for file in sorted(turned_away)),
        splits=splits,
        about=about,
        parents=tuple(sorted(parents)),
    )
    if previous is None:
        return replace(candidate, reasons={"*": ("first version",)})
    before, after = previous.metadata(), candidate.metadata()
    number = previous.number
    if any(name not in records or records[name].content != old[name].content for name in old):
        number = Number(number.major + 1, 0, 0)
    elif any(name not in old for name in records):
        number = Number(number.major, number.minor + 1, 0)
    elif after != before:
        number = Number(number.major, number.minor, number.patch + 1)
    else:
        return None
    reasons = _reasons(old, records)
    differing = tuple(f"{part} changed" for part in METADATA if after[part] != before[part])
    if differing:
        reasons["*"] = differing
    return replace(candidate, version=str(number), previous=previous.version, reasons=reasons)


def _reasons(old: Mapping[str, Receipt], new: Mapping[str, Receipt]) -> dict[str, tuple[str, ...]]:
    reasons: dict[str, tuple[str, ...]] = {}
    for name in sorted(set(old) | set(new)):
        if name not in new:
            reasons[name] = ("withdrawn",)
        elif name not in old:
            reasons[name] = ("added",)
        elif new[name] != old[name]:
            reasons[name] = tuple(reasons_for(old[name], new[name]))
    return reasons
