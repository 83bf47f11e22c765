"""Selecting datasets by words, kinds, species and licences, in an order that does not depend on anything else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from connectome.errors import UsageError

from .licences import LICENCES

if TYPE_CHECKING:
    from .model import Dataset

__all__ = ["matches_species", "select"]


def select(
    datasets: Iterable[Dataset],
    *,
    text: str | None = None,
    kinds: str | Iterable[str] | None = None,
    species: str | Iterable[str] | None = None,
    licence: str | Iterable[str] | None = None,
) -> list[Dataset]:
    """Return the datasets that meet all conditions; see :meth:`connectome.catalog.model.Catalog.search`."""
    entries = list(datasets)
    wanted_kinds = _known_kinds(_several(kinds))
    wanted_species = _several(species)
    wanted_licences = _known_licences(_several(licence), entries)
    words = (text or "").casefold().split()
    chosen = [
        entry
        for entry in entries
        if wanted_kinds <= set(entry.kinds)
        and (
            not wanted_species or any(matches_species(name, want) for name in entry.species for want in wanted_species)
        )
        and (not wanted_licences or wanted_licences & {entry.licence, *entry.licences})
        and all(word in _haystack(entry) for word in words)
    ]
    return sorted(chosen, key=lambda entry: (_rank(entry, words), entry.id))


def _rank(entry: Dataset, words: list[str]) -> int:
    """Say how well the words match: 0 the id is one of them, 1 all in id or title, 2 some there, 3 elsewhere."""
    if not words:
        return 0
    front = f"{entry.id}\n{entry.title}".casefold()
    if entry.id.casefold() in words:
        return 0
    found = sum(word in front for word in words)
    return 1 if found == len(words) else 2 if found else 3


def _haystack(entry: Dataset) -> str:
    authors = [author for work in entry.works for author in work.authors]
    sources = [part for source in entry.sources for part in (source.id, source.title)]
    titles = [work.title for work in entry.works]
    parts = (entry.id, entry.title, entry.description, *entry.keywords, *entry.species, *authors, *sources, *titles)
    return "\n".join(parts).casefold()


def matches_species(name: str, want: str) -> bool:
    """Tell whether a species is meant: by a part of its name, or with the genus cut to its first letter."""
    folded, wanted = name.casefold(), " ".join(want.casefold().split())
    genus, _, rest = folded.partition(" ")
    return bool(wanted) and (
        wanted in folded or (bool(rest) and wanted in {f"{genus[0]}. {rest}", f"{genus[0]} {rest}"})
    )


def _several(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _known_kinds(wanted: list[str]) -> set[str]:
    from .model import KINDS

    unknown = sorted(set(map(str.casefold, wanted)) - set(KINDS))
    if unknown:
        raise UsageError("no such kind of data", subject="kinds", expected=", ".join(KINDS), found=", ".join(unknown))
    return set(map(str.casefold, wanted))


def _known_licences(wanted: list[str], entries: list[Dataset]) -> set[str]:
    present = {identifier for entry in entries for identifier in (entry.licence, *entry.licences)}
    known = set(LICENCES) | present
    found: set[str] = set()
    for want in wanted:
        hits = {identifier for identifier in known if want and identifier.casefold().startswith(want.casefold())}
        if not hits:
            raise UsageError(
                "no such licence",
                subject="licence",
                expected=f"the beginning of one of {', '.join(sorted(known))}",
                found=repr(want),
            )
        found |= hits
    return found
