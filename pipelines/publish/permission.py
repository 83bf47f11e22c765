"""May this version be passed on? Asked record by record, before anything is built for others to see.

A record's licences are those of the raw files it was made from, as far as its source says them file by file; else
those that the version's description gives for its source; else those of the whole. What no licence allows is refused
unless the publisher confirms, licence by licence, to have permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome.catalog import LICENCES, from_about
from connectome.catalog.licences import licence_id
from connectome.errors import UsageError

if TYPE_CHECKING:
    from connectome.store import Receipt, Version

__all__ = ["Obstacle", "check_permission", "licences_of", "obstacles"]

UNSTATED = "none-stated"


@dataclass(frozen=True)
class Obstacle:
    """A licence that does not allow to pass on a record."""

    record: str
    source: str
    licence: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return the obstacle as JSON values."""
        return {"record": self.record, "source": self.source, "licence": self.licence, "reason": self.reason}


def licences_of(version: Version) -> dict[str, tuple[str, ...]]:
    """Return the licences of every record, sorted; ``none-stated`` where nothing is known."""
    described = from_about(version.dataset, version.manifest.about)
    by_source = {source.id: source.licences for source in described.sources}
    # Records of a source that the description does not name may have any of the licences.
    whole = described.licences if described.sources or version.manifest.about.get("licence") else (UNSTATED,)
    by_file: dict[str, Mapping[str, str | None]] = {}
    licences = {}
    for record, receipt in version.manifest.records.items():
        source = str(receipt.recipe["source"])
        if source not in by_file:
            by_file[source] = _files_of(source)
        found = _by_file(receipt, by_file[source]) or by_source.get(source) or whole
        licences[record] = tuple(sorted({licence_id(name) or name for name in found}))
    return licences


def _files_of(source: str) -> Mapping[str, str | None]:
    from ..sources import SOURCES, load_source

    return {file.path: file.licence for file in load_source(source).files()} if source in SOURCES else {}


def _by_file(receipt: Receipt, stated: Mapping[str, str | None]) -> set[str]:
    """Return the licences of all inputs, nothing unless each of them is stated."""
    found = {stated.get(path) for path in receipt.inputs}
    return {licence for licence in found if licence} if None not in found else set()


def obstacles(
    version: Version, *, licences: Mapping[str, tuple[str, ...]] | None = None, accepted: Iterable[str] = ()
) -> tuple[Obstacle, ...]:
    """List what speaks against publishing a version.

    Parameters
    ----------
    version : Version
        What is to be published.
    licences : mapping, optional
        Record to licences; default :func:`licences_of`.
    accepted : iterable of str
        Licences under which the publisher confirms to be allowed to pass the data on.

    Returns
    -------
    tuple of Obstacle
        Sorted by record and licence; empty when all may be passed on.
    """
    confirmed = set(accepted)
    stated = licences_of(version) if licences is None else licences
    found = []
    for record, receipt in version.manifest.records.items():
        for name in stated.get(record) or (UNSTATED,):
            licence = LICENCES.get(name)
            if name in confirmed or (licence is not None and licence.redistribution):
                continue
            reason = "not a licence that is known here" if licence is None else licence.note or licence.title
            found.append(Obstacle(record, str(receipt.recipe["source"]), name, reason))
    return tuple(found)


def check_permission(version: Version, found: tuple[Obstacle, ...]) -> None:
    """Raise :class:`~connectome.errors.UsageError`, naming records and licences, when there are obstacles."""
    if not found:
        return
    by_licence: dict[str, list[str]] = {}
    for obstacle in found:
        by_licence.setdefault(obstacle.licence, []).append(obstacle.record)
    names = "; ".join(f"{licence}: {_some(records)}" for licence, records in sorted(by_licence.items()))
    flags = " ".join(f"--accept-licence {licence}" for licence in sorted(by_licence))
    raise UsageError(
        "the licences of some records do not allow to pass them on",
        subject=version.spec,
        expected="licences that allow redistribution",
        found=names,
        hint=f"leave those records out of a version (connectome ingest --select), or confirm permission: {flags}",
    )


def _some(records: list[str], most: int = 10) -> str:
    more = f" and {len(records) - most} more" if len(records) > most else ""
    return ", ".join(records[:most]) + more


def about_licences(licences: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return every licence that occurs and its records, sorted."""
    found: dict[str, list[str]] = {}
    for record, names in licences.items():
        for name in names:
            found.setdefault(name, []).append(record)
    return {name: found[name] for name in sorted(found)}
