"""From the name of a dataset to its sources: of the catalogue, or of an accession whose files are listed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import DamagedError, NotFoundError

from .fetch.cache import Cache
from .observe import SILENT, Observer
from .sources import load_source
from .sources.openneuro_accession import OpenNeuroAccession, source_of_dataset
from .sources.openneuro_listing import Listing, keep_listing, kept_listing, list_folder, list_published

if TYPE_CHECKING:
    from connectome.store import Repository

    from .jobs import Source

__all__ = ["about_of", "catalogued_as", "is_catalogued", "open_source", "open_sources", "sources_of"]


def sources_of(dataset: str) -> list[Source]:
    """Make the adapters of a dataset's sources, in the catalogue's order.

    Raises
    ------
    NotFoundError
        When the catalogue has no such dataset.
    """
    from connectome.catalog import load_catalog

    entry = load_catalog()[dataset]
    return [load_source(entry.derived)] if entry.derived else [load_source(source.id) for source in entry.sources]


def is_catalogued(dataset: str) -> bool:
    """Tell whether a dataset's sources are those of the catalogue, or it is none; False for an accession."""
    from connectome.catalog import load_catalog

    return source_of_dataset(dataset) is None or dataset in load_catalog()


def catalogued_as(dataset: str) -> tuple[str, ...]:
    """Return the datasets of the catalogue that are made from the accession that a name is of, sorted."""
    from connectome.catalog import load_catalog

    if is_catalogued(dataset):
        return ()
    home = f"https://openneuro.org/datasets/{dataset.removeprefix('openneuro-')}"
    entries = load_catalog().values()
    return tuple(
        entry.id for entry in entries if any(f"{source.homepage}/".startswith(f"{home}/") for source in entry.sources)
    )


def open_sources(
    repository: Repository,
    dataset: str,
    *,
    mirror: str | Path | None = None,
    relist: bool = False,
    keep: bool = True,
    observer: Observer = SILENT,
) -> list[Source]:
    """Make the adapters of a dataset's sources; those of an accession with the list of its files.

    Parameters
    ----------
    repository : Repository
        A local one.
    dataset : str
        A dataset of the catalogue, or ``openneuro-dsNNNNNN``.
    mirror : path or URL, optional
        A folder with a copy of the accession is listed instead of the bucket.
    relist : bool
        List the files anew although a list is kept.
    keep : bool
        Keep a list that is made now, for later runs.
    observer : Observer
        Told that files are listed.

    Returns
    -------
    list of Source

    Raises
    ------
    NotFoundError
        When there is no such dataset.
    FetchError, FormatError
        When the list cannot be had, or is none.
    DamagedError
        When the list that is kept is not as it was written.
    """
    source_id = source_of_dataset(dataset)
    if source_id is None or is_catalogued(dataset):
        return sources_of(dataset)
    accession = OpenNeuroAccession(source_id).accession
    observer.begin("list", 1)
    listing = _listing(repository, dataset, accession, mirror, relist, keep)
    observer.item("list", accession, f"{len(listing.files)} files, listed {listing.listed_at}")
    observer.end("list")
    return [OpenNeuroAccession(source_id, listing)]


def open_source(repository: Repository, source_id: str) -> Source:
    """Make the adapter of that id; that of an accession with the list that is kept."""
    source = load_source(source_id)
    if not isinstance(source, OpenNeuroAccession):
        return source
    return OpenNeuroAccession(source_id, kept_listing(repository.folder(source.dataset), source.accession))


def _listing(
    repository: Repository, dataset: str, accession: str, mirror: str | Path | None, relist: bool, keep: bool
) -> Listing:
    folder = repository.folder(dataset)
    known = _known(folder, accession, relist=relist)
    if known is not None and not relist:
        return known
    found = list_published(accession) if mirror is None else _of_copy(accession, mirror)
    if known is not None and known.sha256 == found.sha256:
        return known
    return keep_listing(folder, found, replace=relist) if keep else found


def _known(folder: Path, accession: str, *, relist: bool) -> Listing | None:
    try:
        return kept_listing(folder, accession)
    except DamagedError:
        if relist:
            return None
        raise


def _of_copy(accession: str, mirror: str | Path) -> Listing:
    """List a copy in a mirror: with a mirror nothing else is asked."""
    name = f"openneuro_{accession}"
    folder = Path(mirror) / name
    if "://" in str(mirror) or not folder.is_dir():
        raise NotFoundError(
            "the mirror does not say which files the dataset has", subject=accession, place=str(mirror),
            expected=f"a folder {name} with a copy of the dataset, or of its tables with annex_index.tsv",
            hint="run it once without --mirror, where there is a network: the list is kept; or make the copy",
        )  # fmt: skip
    return list_folder(accession, folder)


def about_of(repository: Repository, dataset: str) -> dict[str, Any]:
    """Return what a version stores of its dataset: the catalogue's entry, or what an accession says of itself."""
    from connectome.catalog import about, load_catalog

    if is_catalogued(dataset):
        return about(load_catalog()[dataset])
    (source,) = open_sources(repository, dataset)
    assert isinstance(source, OpenNeuroAccession)
    return source.about(Cache(repository.raw))
