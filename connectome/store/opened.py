"""A version as a user holds it: its index as a table, its records lazily, its splits, facts and citation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from connectome.errors import NotFoundError

from .index import index_of
from .repository import Repository

if TYPE_CHECKING:
    import xarray as xr

    from connectome.splits import Split

    from .manifest import Manifest
    from .record import Receipt

__all__ = ["Version", "open_version"]


class Version:
    """One version of a dataset, opened for reading.

    Parameters
    ----------
    repository : Repository
        Where it lies.
    manifest : Manifest
        What it lists.
    """

    def __init__(self, repository: Repository, manifest: Manifest) -> None:
        self.repository = repository
        self.manifest = manifest

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.manifest.dataset

    @property
    def version(self) -> str:
        """Version number."""
        return self.manifest.version

    @property
    def digest(self) -> str:
        """SHA-256 of what the version holds."""
        return self.manifest.digest

    @property
    def spec(self) -> str:
        """``name@version``, with which :func:`connectome.open` opens it again."""
        return f"{self.dataset}@{self.version}"

    @cached_property
    def records(self) -> pd.DataFrame:
        """The index: one row per record; see :func:`connectome.store.index.index_of`."""
        return index_of(self.manifest)

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Record to group path to facts."""
        return {name: dict(receipt.facts) for name, receipt in self.manifest.records.items()}

    @property
    def rejected(self) -> pd.DataFrame:
        """Files seen and not used, with reasons."""
        return pd.DataFrame(self.manifest.rejected, columns=["file", "reason", "kind"])

    @property
    def warnings(self) -> pd.DataFrame:
        """What is odd but usable: one row per warning with its record."""
        rows = [
            {"record": name, **warning}
            for name, receipt in self.manifest.records.items()
            for warning in receipt.warnings
        ]
        return pd.DataFrame(rows, columns=["record", "code", "place", "message"])

    @property
    def splits(self) -> dict[str, Split]:
        """Stored splits by name."""
        from connectome.splits import Split

        return {name: Split.from_dict(values) for name, values in self.manifest.splits.items()}

    def open(self, record: str) -> xr.DataTree:
        """Open a record lazily.

        Raises
        ------
        NotFoundError
            When the version has no such record.
        DamagedError
            When its file is missing or short.
        """
        return self.repository.open(self.dataset, self._receipt(record))

    def read_table(self, record: str, group: str) -> xr.Dataset | None:
        """Read one group of a record without opening the others; None where the record has no such group.

        Raises
        ------
        NotFoundError
            When the version has no such record.
        DamagedError
            When its file is missing or damaged.
        """
        from .tables import read_table

        return read_table(self.repository.root.source(f"{self.dataset}/{self._receipt(record).file}"), group)

    def table(self, group: str = "subject") -> pd.DataFrame:
        """Join the one-row tables of all records; see :func:`connectome.cohorts.cohort_table`."""
        from connectome.cohorts import cohort_table

        return cohort_table(self, group=group)

    def file(self, record: str) -> Path:
        """Return the local file of a record.

        Raises
        ------
        NotFoundError
            When the version has no such record.
        UsageError
            When the store is not local.
        """
        return self.repository.folder(self.dataset) / self._receipt(record).file

    def _receipt(self, record: str) -> Receipt:
        if record not in self.manifest.records:
            raise NotFoundError(
                "no such record in this version",
                subject=record,
                place=self.spec,
                expected=", ".join(list(self.manifest.records)[:20]),
            )
        return self.manifest.records[record]

    def cite(self, style: str = "text") -> str:
        """Return how to cite the data and this version, as ``"text"`` or ``"bibtex"``."""
        from connectome.catalog import cite_version

        return cite_version(self.manifest, style=style)

    def __len__(self) -> int:
        return len(self.manifest.records)

    def __repr__(self) -> str:
        census = self.manifest.census
        return (
            f"<connectome.Version {self.spec} {self.digest[:12]}: {len(self)} records, "
            f"{self.manifest.size_bytes / 1e6:.1f} MB, {census.seen} files seen, {census.rejected} rejected>"
        )

    def _repr_html_(self) -> str:
        from connectome.display.html import version_html

        return version_html(self)


def open_version(spec: str, *, root: str | Path | None = None) -> Version:
    """Open a version by name.

    Parameters
    ----------
    spec : str
        ``"name"`` (latest), ``"name@1.2.0"``, ``"name@1"`` (newest 1.x) or ``"name@tag"``.
    root : path or URL, optional
        The store; default ``CONNECTOME_ROOT``, else the user's data folder.

    Returns
    -------
    Version

    Raises
    ------
    NotFoundError
        When there is no such version.
    DamagedError
        When its version file was altered.
    """
    repository = Repository(root)
    return Version(repository, repository.find(spec))
