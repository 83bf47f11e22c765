"""Proving that a version still is what it was: every byte hashed, every schema checked, every fact measured again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import ConnectomeError, DamagedError, NotFoundError

from .canonical import canonical_json, plain
from .digest import array_digests, combine
from .record import Receipt, open_record

if TYPE_CHECKING:
    from .archive import ByteSource
    from .repository import Repository

__all__ = ["Damage", "Verification", "verify"]

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was."""

    record: str
    """Id of the record, or ``"*"`` for the version file."""
    what: str
    """``missing``, ``size``, ``bytes``, ``source`` (a file that the record refers to), ``content``, ``schema``,
    ``facts``, ``provenance`` or ``manifest``."""
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the damage as JSON values."""
        return {"record": self.record, "what": self.what, "message": self.message}


@dataclass(frozen=True)
class Verification:
    """What was found."""

    dataset: str
    version: str
    n_records: int
    size_bytes: int
    """Bytes that were hashed."""
    damaged: tuple[Damage, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged

    def as_dict(self) -> dict[str, Any]:
        """Return the result as the command line prints it with ``--json``."""
        return {
            "ok": self.ok,
            "dataset": self.dataset,
            "version": self.version,
            "records": self.n_records,
            "bytes": self.size_bytes,
            "damaged": [item.as_dict() for item in self.damaged],
        }


def verify(repository: Repository, spec: str, *, progress: Callable[[str], None] | None = None) -> Verification:
    """Check a version from its version file down to every value.

    Parameters
    ----------
    repository : Repository
        Local or remote.
    spec : str
        ``NAME`` or ``NAME@VERSION``.
    progress : callable, optional
        Called with each record's id before it is checked.

    Returns
    -------
    Verification
    """
    dataset, version = repository.resolve(spec)
    try:
        manifest = repository.manifest(dataset, version)
    except ConnectomeError as error:
        return Verification(dataset, version, 0, 0, (Damage("*", "manifest", str(error)),))
    damaged: list[Damage] = []
    n_bytes = 0
    for name, receipt in manifest.records.items():
        if progress is not None:
            progress(name)
        source = repository.root.source(f"{dataset}/{receipt.file}")
        found = _check_bytes(source, receipt)
        if found is None:
            n_bytes += receipt.size_bytes
            damaged.extend(_check_content(source, receipt))
        else:
            damaged.append(found)
    return Verification(dataset, version, len(manifest.records), n_bytes, tuple(damaged))


def _check_bytes(source: ByteSource, receipt: Receipt) -> Damage | None:
    try:
        size = source.size()
        if size != receipt.size_bytes:
            return Damage(receipt.record, "size", f"{source.name}: {size} bytes instead of {receipt.size_bytes}")
        digest = hashlib.sha256()
        for start in range(0, size, BLOCK_BYTES):
            digest.update(source.read(start, min(BLOCK_BYTES, size - start)))
    except (ConnectomeError, NotFoundError, OSError) as error:
        return Damage(receipt.record, "missing", str(error))
    if digest.hexdigest() != receipt.file_sha256:
        return Damage(
            receipt.record, "bytes", f"{source.name}: SHA-256 {digest.hexdigest()} instead of {receipt.file_sha256}"
        )
    return None


def _check_content(source: ByteSource, receipt: Receipt) -> list[Damage]:
    found: list[Damage] = []
    tree = open_record(source, size_bytes=receipt.size_bytes)
    try:
        arrays = array_digests(tree)
    except DamagedError as error:
        # The record's own bytes are right by now, so these are those of a file that it refers to.
        return [Damage(receipt.record, "source", str(error))]
    if combine(tree, arrays) != receipt.content or arrays != tree.attrs.get("digests"):
        found.append(Damage(receipt.record, "content", "the content digest differs from the version's"))
    found.extend(Damage(receipt.record, "schema", str(problem)) for problem in schema.problems(tree))
    if not found and canonical_json(schema.measure(tree)) != canonical_json(receipt.facts):
        found.append(Damage(receipt.record, "facts", "the facts measured now differ from the version's"))
    provenance = {key: value for key, value in tree.attrs.get("provenance", {}).items() if key != "record"}
    if canonical_json(plain(provenance)) != canonical_json(receipt.recipe):
        found.append(Damage(receipt.record, "provenance", "the file's recipe differs from the version's"))
    return found
