"""References in BibTeX and as text in the style of the APA (7th edition), with stable keys and safe escaping.

BibTeX counts braces even behind a backslash, so a brace in a title is written as a command. Characters beyond ASCII
stay as they are: biber and current BibTeX read UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .model import Citation, Dataset

__all__ = ["STYLES", "bibtex", "cite_dataset", "escape_bibtex", "key_of", "text"]

STYLES = ("bibtex", "text")
MAX_NAMED_AUTHORS = 20
"""APA 7: up to 20 authors are named; of more, the first 19 and the last."""

_ESCAPES = {
    "\\": r"{\textbackslash}",
    "{": r"{\textbraceleft}",
    "}": r"{\textbraceright}",
    "~": r"{\textasciitilde}",
    "^": r"{\textasciicircum}",
    **{character: f"\\{character}" for character in "&%$#_"},
}
_SMALL_WORDS = frozenset(
    {
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "of",
        "on",
        "or",
        "the",
        "to",
        "toward",
        "towards",
        "with",
    }
)


def escape_bibtex(value: str) -> str:
    """Write text so that BibTeX and LaTeX give back the same characters; white space is folded."""
    return "".join(_ESCAPES.get(character, character) for character in _plain(value))


def _plain(value: str) -> str:
    """Fold white space and drop control characters, which no reference can show."""
    folded = " ".join(value.split())
    return "".join(character for character in folded if unicodedata.category(character) not in {"Cc", "Cs"})


def key_of(work: Citation) -> str:
    """Return the key of a work: first author's family name, year, first word of the title that means something."""
    family = work.authors[0].partition(",")[0] if work.authors else "anonymous"
    words = [_ascii(word) for word in re.split(r"[^\w]+", work.title)]
    word = next((word for word in words if word and word not in _SMALL_WORDS), "untitled")
    return f"{_ascii(family) or 'anonymous'}{_ascii(_year(work))}{word}"


def _year(work: Citation) -> str:
    """Return the year, or what the APA writes for none."""
    return "n.d." if work.year is None else str(work.year)


def _ascii(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value).casefold()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def keys_of(works: Sequence[Citation]) -> list[str]:
    """Return one key per work; different works with the same key get a, b, ... in the order of DOI and title."""
    same: dict[str, list[Citation]] = {}
    for work in works:
        same.setdefault(key_of(work), []).append(work)
    keys: dict[int, str] = {}
    for key, group in same.items():
        ordered = sorted(group, key=lambda work: (work.doi, work.title, work.authors))
        for number, work in enumerate(ordered):
            keys[id(work)] = key if len(group) == 1 else f"{key}{_letters(number)}"
    return [keys[id(work)] for work in works]


def _letters(number: int) -> str:
    tail = chr(ord("a") + number % 26)
    return tail if number < 26 else _letters(number // 26 - 1) + tail


def bibtex(works: Iterable[Citation]) -> str:
    """Return one BibTeX entry per work, in the order given, with blank lines between them."""
    listed = list(works)
    return "\n\n".join(_entry(work, key) for work, key in zip(listed, keys_of(listed), strict=True))


def _entry(work: Citation, key: str) -> str:
    # The second pair of braces keeps styles from lowering the case of "Caenorhabditis".
    fields = {
        "author": " and ".join(map(_bibtex_author, work.authors)),
        "title": f"{{{escape_bibtex(work.title)}}}",
        "journal" if work.container else "howpublished": escape_bibtex(work.container),
        "year": "" if work.year is None else str(work.year),
        "volume": escape_bibtex(work.volume),
        "number": escape_bibtex(work.issue),
        "pages": escape_bibtex(re.sub(r"\s*[-–—]+\s*", "--", work.pages)),
        "doi": work.doi,
        "url": _safe_url(work.url),
    }
    return _bibtex_entry("article" if work.container else "misc", key, fields)


def _bibtex_entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def _bibtex_author(name: str) -> str:
    family, comma, given = name.partition(",")
    if not comma:
        return f"{{{escape_bibtex(name)}}}"
    parts = [escape_bibtex(part) for part in (family, given)]
    # An "and" or a comma inside a part would be read as the end of a name.
    guarded = [f"{{{part}}}" if re.search(r"\band\b|,", part, flags=re.IGNORECASE) else part for part in parts]
    return ", ".join(part for part in guarded if part)


def _safe_url(url: str) -> str:
    return quote(_plain(url), safe="/:?#[]@!$&'()*+,;=%-._~")


def text(works: Iterable[Citation]) -> str:
    """Return one reference per work as plain text, a line each, in the order given."""
    return "\n".join(map(_reference, works))


def _reference(work: Citation) -> str:
    title = _plain(work.title).rstrip(".")
    parts = [f"{_apa_authors(work.authors)} ({_year(work)}). {title}."]
    if work.container:
        volume = work.volume + (f"({work.issue})" if work.issue else "")
        pages = re.sub(r"\s*[-–—]+\s*", "–", work.pages)
        parts.append(", ".join(_plain(part) for part in (work.container, volume, pages) if part) + ".")
    if work.doi:
        parts.append(f"https://doi.org/{work.doi}")
    elif work.url:
        parts.append(_safe_url(work.url))
    return " ".join(parts)


def _apa_authors(authors: Sequence[str]) -> str:
    names = [_apa_name(author) for author in authors]
    if not names:
        return "Anonymous"
    if len(names) > MAX_NAMED_AUTHORS:
        return f"{', '.join(names[: MAX_NAMED_AUTHORS - 1])}, … {names[-1]}"
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])}, & {names[-1]}"


def _apa_name(author: str) -> str:
    family, comma, given = _plain(author).partition(",")
    if not comma:
        return family
    initials = " ".join("-".join(f"{part[0].upper()}." for part in word.split("-") if part) for word in given.split())
    return f"{family.strip()}, {initials}" if initials else family.strip()


def cite_dataset(
    dataset: Dataset, *, style: str = "bibtex", version: str | None = None, digest: str | None = None
) -> str:
    """Return the works of a dataset and, with a version or a digest, the dataset itself before them.

    Raises
    ------
    UsageError
        When the style is not one of ``STYLES``.
    """
    if style not in STYLES:
        raise UsageError("no such style of citation", subject="style", expected=", ".join(STYLES), found=repr(style))
    works = dataset.works
    own = [_dataset_entry(dataset, style, version, digest)] if version or digest else []
    if style == "bibtex":
        return "\n\n".join([*own, *([bibtex(works)] if works else [])])
    return "\n".join([*own, *([text(works)] if works else [])])


def _dataset_entry(dataset: Dataset, style: str, version: str | None, digest: str | None) -> str:
    licences = ", ".join(dataset.licences)
    title = dataset.id if dataset.title == dataset.id else f"{dataset.id}: {dataset.title}"
    facts = [f"digest {digest}"] if digest else []
    facts.append(f"licence{'s' if len(dataset.licences) > 1 else ''}: {licences}")
    if style == "text":
        named = f"{_plain(title)} (version {version})" if version else _plain(title)
        return f"{named} [Data set]. {_plain('; '.join(facts))}."
    fields = {
        "title": f"{{{escape_bibtex(title)}}}",
        "version": escape_bibtex(version or ""),
        "note": escape_bibtex("Data set; " + "; ".join([f"version {version}", *facts] if version else facts)),
        "url": _safe_url(dataset.homepage),
    }
    key = re.sub(r"[^A-Za-z0-9.-]", "", f"{dataset.id}-{version}" if version else dataset.id)
    return _bibtex_entry("misc", key, fields)
