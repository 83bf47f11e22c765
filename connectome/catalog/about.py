"""A dataset's description as JSON, as every version carries it, and back: what was known when the version was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .model import Catalog, Citation, Dataset, DataSource, imported, shared_licence

if TYPE_CHECKING:
    from pathlib import Path

    from connectome.store.manifest import Manifest

__all__ = ["about", "cite_version", "from_about", "open_catalog"]

_CITATION_TEXTS = ("title", "container", "volume", "issue", "pages", "doi", "url")


def about(dataset: Dataset) -> dict[str, Any]:
    """Return the description that is stored with a version (JSON values); :func:`from_about` reads it back."""
    return {
        "title": dataset.title,
        "description": dataset.description,
        "kinds": list(dataset.kinds),
        "species": list(dataset.species),
        "licence": dataset.licence,
        "licences": list(dataset.licences),
        "citation": [_citation_dict(work) for work in dataset.citations],
        "sources": [
            {
                "id": source.id,
                "title": source.title,
                "licences": list(source.licences),
                "licence_note": source.licence_note,
                "citation": [_citation_dict(work) for work in source.citations],
                "homepage": source.homepage,
            }
            for source in dataset.sources
        ],
        "keywords": list(dataset.keywords),
        "homepage": dataset.homepage,
    }


def _citation_dict(work: Citation) -> dict[str, Any]:
    texts = {name: getattr(work, name) for name in _CITATION_TEXTS}
    return {"authors": list(work.authors), "year": work.year, **{name: text for name, text in texts.items() if text}}


def from_about(dataset: str, description: Mapping[str, Any]) -> Dataset:
    """Return the dataset that a version describes.

    Parameters
    ----------
    dataset : str
        Its name.
    description : mapping
        From :func:`about`, or the little that is known of a user's own data: every key may be missing.

    Returns
    -------
    Dataset
        With ``listed`` False: whether the catalogue lists it today is another matter.
    """
    entry = imported(
        dataset,
        title=str(description.get("title", "")),
        description=str(description.get("description", "")),
        kinds=_texts(description.get("kinds")),
        species=_texts(description.get("species")),
        licence=str(description.get("licence") or "none-stated"),
        citations=_citations(description.get("citation")),
    )
    sources = tuple(
        DataSource(
            id=str(source["id"]),
            title=str(source.get("title", source["id"])),
            licences=_texts(source.get("licences")),
            citations=_citations(source.get("citation")),
            homepage=str(source.get("homepage", "")),
            licence_note=str(source.get("licence_note", "")),
        )
        for source in description.get("sources") or ()
    )
    return Dataset(
        **{
            **{name: getattr(entry, name) for name in entry.__dataclass_fields__},
            "sources": sources,
            "keywords": _texts(description.get("keywords")),
            "homepage": str(description.get("homepage", "")),
        }
    )


def _texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _citations(value: Any) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            authors=_texts(work.get("authors")),
            year=None if work["year"] is None else int(work["year"]),
            **{name: str(work.get(name, "")) for name in _CITATION_TEXTS},
        )
        for work in value or ()
    )


def cite_version(manifest: Manifest, *, style: str = "text") -> str:
    """Return what to cite for a version: the version with its digest and licences, then the works it rests on.

    Parameters
    ----------
    manifest : Manifest
        Its own description is used, not today's catalogue.
    style : {"text", "bibtex"}
        See :meth:`Dataset.cite`.

    Raises
    ------
    UsageError
        When the style is neither.
    """
    entry = from_about(manifest.dataset, manifest.about)
    # A version made of a selection rests on fewer works than its dataset.
    present = {receipt.recipe["source"] for receipt in manifest.records.values()}
    used = tuple(source for source in entry.sources if source.id in present)
    if used:
        entry = replace(entry, sources=used, licence=shared_licence(used))
    return entry.cite(style=style, version=manifest.version, digest=f"sha256:{manifest.digest}")


def open_catalog(root: str | Path | None = None, *, path: str | Path | None = None) -> Catalog:
    """Read the catalogue and join it to a store: versions, and datasets that only the store has.

    Parameters
    ----------
    root : path or URL, optional
        The store; default ``CONNECTOME_ROOT``, else the user's data folder. It need not exist.
    path : path, optional
        The catalogue file; see :func:`~connectome.catalog.load.catalog_path`.

    Returns
    -------
    Catalog

    Raises
    ------
    CatalogError
        When the file is not a catalogue.
    """
    from connectome.store.repository import Repository

    from .load import load_catalog

    catalog = load_catalog(path)
    repository = Repository(root)
    # A remote store may offer no listing; its datasets are then those of the catalogue.
    names = repository.datasets() if repository.root.names("") is not None else []
    latest = [repository.latest(name) for name in names if name not in catalog]
    others = [from_about(manifest.dataset, _described(manifest)) for manifest in latest if manifest is not None]
    return catalog.with_store(repository.versions, others=others)


def _described(manifest: Manifest) -> dict[str, Any]:
    """Return a version's description, with the kinds that its records have where it names none."""
    kinds = {facts["kind"] for receipt in manifest.records.values() for facts in receipt.facts.values()}
    return {"kinds": sorted(kinds), **{name: value for name, value in manifest.about.items() if value}}
