"""What every derived dataset shares: how its parents are declared, found, read and named in its versions.

A parent record is an input whose path is ``record:DATASET/RECORD`` and whose SHA-256 is the record's content digest:
what it holds counts, not how a codec happened to pack it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError
from connectome.store import Receipt, open_record
from connectome.store.record import record_file

from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Repository

__all__ = ["SCHEME", "DerivedDataset", "check_parents", "find_parents", "parent_versions"]

SCHEME = "record:"


class DerivedDataset:
    """A dataset made from records of others; subclasses declare ``records`` and define :meth:`make`."""

    id: str
    version: str
    """To be raised by any change of what :meth:`make` returns."""
    dataset: str
    records: Mapping[str, tuple[str, ...]]
    """Record to the records that it is made from, each as ``DATASET/RECORD``."""
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
    """Record to group path to what must be true of it."""

    def make(self, record: str, parents: Mapping[str, xr.DataTree]) -> xr.DataTree:
        """Make one record.

        Parameters
        ----------
        record : str
            One of ``records``.
        parents : mapping of str to xarray.DataTree
            ``DATASET/RECORD`` to the record, lazy.

        Returns
        -------
        xarray.DataTree
        """
        raise NotImplementedError

    def parents(self) -> tuple[str, ...]:
        """Return every record that this dataset is made from, sorted."""
        return tuple(sorted({name for names in self.records.values() for name in names}))

    def files(self) -> Sequence[RemoteFile]:
        """Return nothing: its inputs lie in the store."""
        return ()

    def discover(self, raw: RawFiles) -> Discovery:
        """Make one job of every record whose parents are here."""
        jobs = [
            Job(self.id, record, tuple(raw[f"{SCHEME}{name}"] for name in sorted(names)), {"record": record})
            for record, names in self.records.items()
            if all(f"{SCHEME}{name}" in raw for name in names)
        ]
        used = {item.path for job in jobs for item in job.inputs}
        alone = (Rejected(path, "the other parents of its records are missing", "unavailable") for path in raw)
        return Discovery(tuple(jobs), tuple(item for item in alone if item.file not in used))

    def read(self, job: Job) -> xr.DataTree:
        """Open the parents and make the record."""
        return self.make(job.record, {raw.path.removeprefix(SCHEME): open_record(raw.local) for raw in job.inputs})

    def expected(self) -> Expected:
        """Return what must be true of the records."""
        return Expected(self.facts, len(self.records))


def find_parents(repository: Repository, derived: DerivedDataset) -> tuple[tuple[RawFile, ...], tuple[Rejected, ...]]:
    """Look for the parents of a derived dataset in the latest versions of theirs.

    Parameters
    ----------
    repository : Repository
        A local one.
    derived : DerivedDataset
        What is to be made.

    Returns
    -------
    found : tuple of RawFile
        Parent records as inputs.
    missing : tuple of Rejected
        Those that the latest versions do not have.
    """
    found: list[RawFile] = []
    missing: list[Rejected] = []
    latest = {name: repository.latest(name) for name in sorted({item.partition("/")[0] for item in derived.parents()})}
    for item in derived.parents():
        dataset, _, record = item.partition("/")
        manifest = latest[dataset]
        receipt = manifest.records.get(record) if manifest else None
        if receipt is None:
            where = (
                f"{dataset}@{manifest.version} has no such record" if manifest else f"{dataset} is not in this store"
            )
            missing.append(Rejected(f"{SCHEME}{item}", where, "unavailable"))
            continue
        file = record_file(repository.folder(dataset), receipt)
        found.append(RawFile(f"{SCHEME}{item}", file, receipt.size_bytes, receipt.content))
    return tuple(found), tuple(missing)


def check_parents(derived: DerivedDataset, missing: Sequence[Rejected]) -> None:
    """Raise :class:`~connectome.errors.NotFoundError` that names every missing parent and how to get it."""
    if missing:
        datasets = sorted({item.file.removeprefix(SCHEME).partition("/")[0] for item in missing})
        raise NotFoundError(
            "parents of the derived dataset are missing",
            subject=derived.dataset,
            expected=", ".join(item.file.removeprefix(SCHEME) for item in missing),
            found="; ".join(dict.fromkeys(item.reason for item in missing)),
            hint="; ".join(f"connectome ingest {name}" for name in datasets),
        )


def parent_versions(repository: Repository, dataset: str, receipts: Iterable[Receipt]) -> tuple[str, ...]:
    """Return the versions that hold the parents of some records, as ``NAME@1.2.0``, sorted.

    Parameters
    ----------
    repository : Repository
        A local one.
    dataset : str
        The derived dataset. A version that its latest version names already is kept as long as it holds them, so
        that a new version of a parent which leaves the used records alone changes nothing.
    receipts : iterable of Receipt
        All records of the version to be.

    Returns
    -------
    tuple of str
        Empty for records that were made from raw files.
    """
    latest = repository.latest(dataset)
    named = set(latest.parents) if latest else set()
    needs: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for receipt in receipts:
        wanted: dict[str, list[tuple[str, str]]] = {}
        for item in receipt.recipe["inputs"]:
            if item["path"].startswith(SCHEME):
                parent, _, record = item["path"].removeprefix(SCHEME).partition("/")
                wanted.setdefault(parent, []).append((record, item["sha256"]))
        for parent, pairs in wanted.items():
            needs.setdefault(parent, set()).add(tuple(sorted(pairs)))
    found: set[str] = set()
    for parent, sets in needs.items():
        manifests = [repository.manifest(parent, version) for version in repository.versions(parent)]
        manifests.sort(key=lambda item: (f"{parent}@{item.version}" in named, item.number), reverse=True)
        for records in sets:
            for manifest in manifests:
                held = {name: receipt.content for name, receipt in manifest.records.items()}
                if all(held.get(name) == content for name, content in records):
                    found.add(f"{parent}@{manifest.version}")
                    break
            else:
                raise NotFoundError(
                    "no version holds the records that this one was made from",
                    subject=parent,
                    place=dataset,
                    expected=", ".join(name for name, _ in records),
                    hint=f"the parent changed meanwhile: run connectome ingest {dataset} again",
                )
    return tuple(sorted(found))
