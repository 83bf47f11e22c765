"""Which version and which record a text names, and how a reader finds its files again in another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import NotFoundError, UsageError
from connectome.store import Version, open_version
from connectome.store.roots import open_root

if TYPE_CHECKING:
    from connectome.store.archive import ByteSource

__all__ = ["RecordFile", "as_version", "chosen_record", "parse_record_spec", "record_file"]


@dataclass(frozen=True)
class RecordFile:
    """Where one record's file lies: plain text, so that it travels to another process and is opened there."""

    root: str
    """Folder or URL of the store."""
    path: str
    """Of the file below the root."""
    size_bytes: int
    """What its length must be."""
    record: str

    def open(self) -> ByteSource:
        """Return the file's bytes, to be read by ranges."""
        return open_root(self.root).source(self.path)


def as_version(spec: str | Version, *, root: str | Path | None = None) -> Version:
    """Return a version as it is, or open the one that a text names.

    Raises
    ------
    UsageError
        When the text names a record too, a root is given beside an opened version, or it is neither.
    """
    if isinstance(spec, str):
        if "/" in spec:
            raise UsageError(
                "a whole version is wanted, not one record of it",
                subject=spec,
                expected="NAME or NAME@VERSION",
                hint="name records with records=[...]",
            )
        return open_version(spec, root=root)
    if not isinstance(spec, Version):
        raise UsageError(
            "not a version of a dataset",
            subject="data",
            expected="NAME@VERSION, or what connectome.open gives",
            found=type(spec).__name__,
        )
    if root is not None:
        raise UsageError("an opened version has its root already", subject=spec.spec, hint="leave out root")
    return spec


def parse_record_spec(spec: str) -> tuple[str, str | None]:
    """Split ``"name@1.2.0/record"`` into ``"name@1.2.0"`` and the record; None where no record is named.

    Examples
    --------
    >>> parse_record_spec("celegans-connectomes@1/witvliet2020-8")
    ('celegans-connectomes@1', 'witvliet2020-8')
    >>> parse_record_spec("celegans-connectomes")
    ('celegans-connectomes', None)
    """
    dataset, slash, record = spec.partition("/")
    if not dataset or (slash and not record) or "/" in record:
        raise UsageError("not a record's name", subject=spec, expected="NAME@VERSION/RECORD")
    return dataset, record or None


def chosen_record(version: Version, record: str | None) -> str:
    """Return the record that was asked for, or a version's one record.

    Raises
    ------
    UsageError
        When none was asked for, and there is not just one.
    """
    if record is not None:
        return record
    records = list(version.manifest.records)
    if len(records) == 1:
        return records[0]
    raise UsageError(
        "which record is meant",
        subject=version.spec,
        expected=", ".join(records[:20]) or None,
        hint=f"write {version.spec}/RECORD",
    )


def record_file(version: Version, record: str) -> RecordFile:
    """Return where a record of a version lies.

    Raises
    ------
    NotFoundError
        When the version has no such record.
    """
    receipts = version.manifest.records
    if record not in receipts:
        raise NotFoundError(
            "no such record in this version",
            subject=record,
            place=version.spec,
            expected=", ".join(list(receipts)[:20]),
        )
    place = version.repository.root.name
    root = place if "://" in place else str(Path(place).resolve())
    receipt = receipts[record]
    return RecordFile(root, f"{version.dataset}/{receipt.file}", receipt.size_bytes, record)
