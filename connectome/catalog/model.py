"""What the catalogue says about a dataset: frozen values, and the collection that holds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectome.errors import NotFoundError, UsageError

from .licences import LICENCES, MIXED, Licence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "Catalog", "Citation", "DataSource", "Dataset", "imported"]

KINDS = ("events", "graph", "series", "table", "volume")
"""Kinds of data; the keys of ``connectome.schema.KINDS``, repeated so that listing needs no xarray (tested)."""

VersionsOf = Callable[[str], Sequence[str]]
"""Gives the versions of a dataset that a store holds."""


@dataclass(frozen=True)
class Citation:
    """A work to cite."""

    authors: tuple[str, ...]
    """``"Family, Given"`` for people; a name without a comma is an organisation."""
    title: str
    year: int | None
    """None where it is not known; the catalogue always knows it."""
    container: str = ""
    """Journal, book or archive."""
    volume: str = ""
    issue: str = ""
    pages: str = ""
    """Page range, or the article number."""
    doi: str = ""
    """``10.xxxx/...`` without a resolver in front."""
    url: str = ""


@dataclass(frozen=True)
class DataSource:
    """A public origin of raw files, as far as a reader of the catalogue needs it."""

    id: str
    title: str
    licences: tuple[str, ...]
    """Licences of its files; several where files came by different ways."""
    citations: tuple[Citation, ...]
    homepage: str
    licence_note: str = ""
    """Where the licence was found, and what it does not cover."""


@dataclass(frozen=True)
class Dataset:
    """A dataset that the catalogue offers by name."""

    id: str
    title: str
    description: str
    kinds: tuple[str, ...]
    species: tuple[str, ...]
    """Binomials: ``"Caenorhabditis elegans"``."""
    licence: str
    """One id when all sources agree, else ``"mixed"``."""
    sources: tuple[DataSource, ...] = ()
    citations: tuple[Citation, ...] = ()
    """Of the dataset itself; those of its sources come on top."""
    keywords: tuple[str, ...] = ()
    homepage: str = ""
    derived: str = ""
    """Name of the recipe, where the dataset is made from others; ``sources`` then says where those come from."""
    listed: bool = True
    """False for a user's own data, known from a store only."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Every licence that applies, sorted; never ``"mixed"`` where the sources are known."""
        found = {identifier for source in self.sources for identifier in source.licences}
        return tuple(sorted(found)) or (self.licence,)

    @property
    def redistributable(self) -> bool:
        """Whether all parts may be passed on under their licences."""
        return all(licence_of(identifier).redistribution for identifier in self.licences)

    @property
    def works(self) -> tuple[Citation, ...]:
        """Works to cite: the dataset's own, then those of its sources, each once."""
        seen: dict[tuple[str, int | None, str], Citation] = {}
        for work in (*self.citations, *(work for source in self.sources for work in source.citations)):
            seen.setdefault((work.doi.casefold() or work.title.casefold(), work.year, work.title.casefold()), work)
        return tuple(seen.values())

    def cite(self, *, style: str = "bibtex", version: str | None = None, digest: str | None = None) -> str:
        """Return what to cite.

        Parameters
        ----------
        style : {"bibtex", "text"}
            BibTeX entries, or references in the style of the APA.
        version, digest : str, optional
            A version and its digest; the dataset at that version then comes first, with its licences.

        Returns
        -------
        str

        Raises
        ------
        UsageError
            When the style is neither.
        """
        from .cite import cite_dataset

        return cite_dataset(self, style=style, version=version, digest=digest)

    def as_json(self, versions: Sequence[str] = ()) -> dict[str, Any]:
        """Return the line of the catalogue that ``list --json`` prints."""
        ordered = sort_versions(versions)
        return {
            "dataset": self.id,
            "title": self.title,
            "kinds": list(self.kinds),
            "species": list(self.species),
            "licence": self.licence,
            "versions": ordered,
            "latest": ordered[-1] if ordered else None,
        }

    def _repr_html_(self) -> str:
        from connectome.display.html import dataset_html

        return dataset_html(self)


def licence_of(identifier: str) -> Licence:
    """Return what a licence allows; one that is not in the table allows nothing that we know of."""
    return LICENCES.get(identifier, Licence(identifier, identifier, None, redistribution=False, commercial=False))


def imported(
    dataset: str,
    *,
    title: str = "",
    description: str = "",
    kinds: Iterable[str] = (),
    species: Iterable[str] = (),
    licence: str = "none-stated",
    citations: Iterable[Citation] = (),
) -> Dataset:
    """Describe a user's own dataset from what a version in a store says about it.

    Parameters
    ----------
    dataset : str
        Its name.
    title, description : str
        Empty titles become the name.
    kinds, species : iterable of str
        As found in the records.
    licence : str
        As given on import; not checked against the table, because the data are there already.
    citations : iterable of Citation
        Works to cite.

    Returns
    -------
    Dataset
        With ``listed`` False.
    """
    return Dataset(
        id=dataset,
        title=title or dataset,
        description=description,
        kinds=tuple(sorted(set(kinds))),
        species=tuple(sorted(set(species))),
        licence=licence,
        citations=tuple(citations),
        listed=False,
    )


def sort_versions(versions: Iterable[str]) -> list[str]:
    """Sort versions by their numbers; what is not a version by numbers comes first, by text."""

    def key(version: str) -> tuple[bool, tuple[int, ...], str]:
        numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version)
        return (numbers is not None, tuple(map(int, numbers.groups())) if numbers else (), version)

    return sorted(set(versions), key=key)


def shared_licence(sources: Iterable[DataSource]) -> str:
    """Return the licence of a dataset made of these sources: theirs if all agree, else ``"mixed"``."""
    found = {identifier for source in sources for identifier in source.licences}
    return found.pop() if len(found) == 1 else MIXED


class Catalog(Mapping[str, Dataset]):
    """The datasets by id, sorted, or a selection of them in order of relevance.

    Parameters
    ----------
    datasets : iterable of Dataset
        With unique ids; their order is kept.
    versions_of : callable, optional
        Gives the versions that a store holds of a dataset; without it none are known.
    """

    def __init__(self, datasets: Iterable[Dataset], *, versions_of: VersionsOf | None = None) -> None:
        self._datasets: dict[str, Dataset] = {}
        for dataset in datasets:
            if dataset.id in self._datasets:
                raise UsageError("two datasets have the same id", subject=dataset.id, found=dataset.title)
            self._datasets[dataset.id] = dataset
        self._versions_of = versions_of

    def __getitem__(self, dataset: str) -> Dataset:
        if dataset not in self._datasets:
            raise NotFoundError(
                "no such dataset in the catalogue",
                subject=str(dataset),
                expected=", ".join(sorted(self._datasets)) or "nothing: the catalogue is empty",
                hint="list the datasets with: connectome list",
            )
        return self._datasets[dataset]

    def get(self, dataset: str, default: Any = None) -> Any:
        """Return a dataset, or the default where there is none."""
        return self._datasets.get(dataset, default)

    def __contains__(self, dataset: object) -> bool:
        return dataset in self._datasets

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)

    def versions(self, dataset: str) -> list[str]:
        """Return the versions of a dataset that the store holds, oldest first."""
        return sort_versions(self._versions_of(dataset)) if self._versions_of else []

    def with_store(self, versions_of: VersionsOf, *, others: Iterable[Dataset] = ()) -> Catalog:
        """Join the catalogue to a store.

        Parameters
        ----------
        versions_of : callable
            Dataset id to its versions.
        others : iterable of Dataset
            Datasets that are in the store only (see :func:`imported`); those that are listed here are left out.

        Returns
        -------
        Catalog
            Sorted by id.
        """
        own = {entry.id: replace(entry, listed=False) for entry in others if entry.id not in self._datasets}
        joined = {**own, **self._datasets}
        return Catalog((joined[key] for key in sorted(joined)), versions_of=versions_of)

    def search(
        self,
        text: str | None = None,
        *,
        kinds: str | Iterable[str] | None = None,
        species: str | Iterable[str] | None = None,
        licence: str | Iterable[str] | None = None,
    ) -> Catalog:
        """Select datasets.

        Parameters
        ----------
        text : str, optional
            Words that must all occur, whatever their case, in id, title, description, keywords, authors, species or
            sources. Datasets where they occur in id or title come first, each part sorted by id.
        kinds : str or iterable of str, optional
            Datasets that have all of these kinds of data.
        species : str or iterable of str, optional
            Datasets of any of these species; a part of the name (``"elegans"``) or ``"C. elegans"`` will do.
        licence : str or iterable of str, optional
            Datasets with a part under any of these licences; the beginning of an id (``"CC-BY"``) will do.

        Returns
        -------
        Catalog

        Raises
        ------
        UsageError
            When there is no such kind or licence.
        """
        from .search import select

        chosen = select(self._datasets.values(), text=text, kinds=kinds, species=species, licence=licence)
        return Catalog(chosen, versions_of=self._versions_of)

    def as_json(self, versions_of: VersionsOf | None = None) -> list[dict[str, Any]]:
        """Return ``[{dataset, title, kinds, species, licence, versions, latest}]``, as ``list --json`` prints it."""
        find = versions_of or self._versions_of or (lambda _: ())
        return [dataset.as_json(find(dataset.id)) for dataset in self._datasets.values()]

    def to_frame(self) -> pd.DataFrame:
        """Return a table indexed by dataset with title, kinds, species, licence, sources, versions and latest."""
        import pandas as pd

        rows = [
            {
                "dataset": dataset.id,
                "title": dataset.title,
                "kinds": ", ".join(dataset.kinds),
                "species": ", ".join(dataset.species),
                "licence": dataset.licence,
                "sources": ", ".join(source.id for source in dataset.sources),
                "versions": ", ".join(versions := self.versions(dataset.id)),
                "latest": versions[-1] if versions else "",
            }
            for dataset in self._datasets.values()
        ]
        names = ["dataset", "title", "kinds", "species", "licence", "sources", "versions", "latest"]
        return pd.DataFrame(rows, columns=names, dtype="str").set_index("dataset")

    def __repr__(self) -> str:
        from connectome.display.text import table_text

        if not self._datasets:
            return "Catalog of 0 datasets"
        rows = [
            (entry.id, ", ".join(entry.kinds), ", ".join(entry.species), entry.licence, entry.title)
            for entry in self._datasets.values()
        ]
        head = f"Catalog of {len(rows)} dataset{'s' if len(rows) > 1 else ''}"
        return f"{head}\n{table_text(('dataset', 'kinds', 'species', 'licence', 'title'), rows)}"

    def _repr_html_(self) -> str:
        from connectome.display.html import catalog_html

        return catalog_html(self)
