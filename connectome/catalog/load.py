"""``catalog.yaml`` into a :class:`~connectome.catalog.model.Catalog`, or one error that lists everything wrong with it.

The file has ``sources`` (public origins: title, licence, citation, homepage) and ``datasets`` (what is offered by name:
title, description, kinds, species, sources, and ``derived`` where it is made from other datasets). A dataset has the
licence and the citations of its sources; it may add citations of its own, and must state a licence when it has no
sources.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectome.errors import CatalogError, NotFoundError

from .licences import LICENCES, MIXED, licence_id
from .marks import Mark, YamlProblem, parse
from .model import KINDS, Catalog, Citation, Dataset, DataSource, shared_licence

__all__ = ["catalog_path", "load_catalog", "parse_catalog"]

VARIABLE = "CONNECTOME_CATALOG"
NAME = "catalog.yaml"
FORMAT = 1
MAX_BYTES = 4 << 20
FIRST_YEAR = 1800

_DATASET_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SOURCE_ID = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SPECIES = re.compile(r"[A-Z][a-z]+ [a-z]+(-[a-z]+)?( [a-z]+)?")
# Crossref's advice on matching DOIs, with < and > for the SICI ones of before 2000; braces never occur.
_DOI = re.compile(r"10\.\d{4,9}/[-._;()/:<>A-Za-z0-9]+")

CITATION_KEYS = {
    "authors", "title", "year", "container", "volume", "issue", "pages", "doi", "url",
}  # fmt: skip
SOURCE_KEYS = {"id", "title", "licence", "licence_note", "citation", "homepage"}
DATASET_KEYS = {
    "id", "title", "description", "kinds", "species", "licence", "sources", "citation", "keywords", "homepage",
    "derived",
}  # fmt: skip


def catalog_path(path: str | Path | None = None) -> Path:
    """Return where the catalogue lies.

    Parameters
    ----------
    path : str or Path, optional
        A file of the user's; else the environment variable ``CONNECTOME_CATALOG``; else the file that came with the
        package; else, in a checkout, the one at its root.

    Returns
    -------
    Path

    Raises
    ------
    NotFoundError
        When there is no such file.
    """
    chosen = path or os.environ.get(VARIABLE)
    if chosen:
        file = Path(chosen).expanduser()
        if file.is_file():
            return file
        raise NotFoundError(
            "the catalogue file does not exist",
            subject=str(file),
            hint="name an existing file" if path else f"set {VARIABLE} to an existing file, or unset it",
        )
    package = Path(__file__).resolve().parent.parent
    for file in (package / NAME, package.parent / NAME):
        if file.is_file():
            return file
    raise NotFoundError("no catalogue came with the package", subject=NAME, hint=f"reinstall it, or set {VARIABLE}")


def load_catalog(path: str | Path | None = None) -> Catalog:
    """Read and check the catalogue.

    Parameters
    ----------
    path : str or Path, optional
        See :func:`catalog_path`.

    Returns
    -------
    Catalog
        Sorted by id.

    Raises
    ------
    CatalogError
        When anything is wrong with the file; the place is the first line, ``found`` lists every problem.
    NotFoundError
        When there is no file.
    """
    file = catalog_path(path)
    if file.stat().st_size > MAX_BYTES:
        size = f"{file.stat().st_size} bytes"
        raise CatalogError("the file is too large", subject=str(file), expected=f"{MAX_BYTES} bytes", found=size)
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CatalogError(
            "the catalogue is not valid (1 problem)",
            subject=str(file),
            place=f"line {line}",
            expected="UTF-8",
            found=f"line {line}: expected UTF-8, found the byte 0x{raw[error.start]:02x}",
            hint="save the file as UTF-8",
        ) from error
    return parse_catalog(text, subject=str(file))


def parse_catalog(text: str, *, subject: str = NAME) -> Catalog:
    """Check the text of a catalogue and return it; see :func:`load_catalog`."""
    root, problems = parse(text)
    check = _Check(problems)
    catalog = check.catalog(root) if root is not None else None
    if check.problems or catalog is None:
        found = sorted(check.problems, key=lambda problem: problem.line)
        raise CatalogError(
            f"the catalogue is not valid ({len(found)} problem{'s' if len(found) > 1 else ''})",
            subject=subject,
            place=f"line {found[0].line}",
            expected=found[0].expected,
            found="; ".join(map(str, found)),
            hint="mend the lines named; nothing was loaded",
        )
    return catalog


class _Check:
    """Turns marks into values, collecting problems instead of stopping at the first."""

    def __init__(self, problems: list[YamlProblem]) -> None:
        self.problems = problems

    def _wrong(self, line: int, expected: str, found: str) -> None:
        self.problems.append(YamlProblem(line, expected, found))

    def catalog(self, root: Mark) -> Catalog:
        fields = self._fields(root, "the catalogue", {"version", "sources", "datasets"})
        version = fields.get("version")
        if version is None or version.value != FORMAT:
            at = version or root
            self._wrong(at.line, f"version: {FORMAT}", "none" if version is None else f"version {version.value!r}")
        sources: dict[str, DataSource | None] = {}
        for mark in self._items(fields.get("sources"), "sources", may_be_absent=True):
            self._unique(self._source(mark), sources)
        datasets: dict[str, Dataset | None] = {}
        if "datasets" not in fields:
            self._wrong(root.line, "a list of datasets", "none")
        for mark in self._items(fields.get("datasets"), "datasets", may_be_absent=True):
            self._unique(self._dataset(mark, sources), datasets)
        return Catalog(dataset for _, dataset in sorted(datasets.items()) if dataset is not None)

    def _unique(self, entry: tuple[str, int, Any], seen: dict[str, Any]) -> None:
        identifier, line, value = entry
        if identifier and identifier in seen:
            self._wrong(line, "a new id", f"{identifier!r}, which is already described above")
        elif identifier:
            seen[identifier] = value

    def _source(self, mark: Mark) -> tuple[str, int, DataSource | None]:
        fields = self._fields(mark, "a source", SOURCE_KEYS)
        identifier, line = self._id(fields, mark, _SOURCE_ID, "letters, digits and _ as in 'cook2019'")
        before = len(self.problems)
        source = DataSource(
            id=identifier,
            title=self._text(fields, "title", mark),
            licences=self._licences(fields, mark, identifier),
            citations=self._citations(fields, mark, identifier),
            homepage=self._url(fields, "homepage", mark),
            licence_note=self._text(fields, "licence_note", mark, required=False),
        )
        return identifier, line, source if len(self.problems) == before else None

    def _dataset(self, mark: Mark, sources: dict[str, DataSource | None]) -> tuple[str, int, Dataset | None]:
        fields = self._fields(mark, "a dataset", DATASET_KEYS)
        identifier, line = self._id(fields, mark, _DATASET_ID, "small letters, digits and - as in 'celegans-activity'")
        before = len(self.problems)
        described = self._dataset_sources(fields, sources)
        if "citation" not in fields and "sources" not in fields:
            self._wrong(line, "a citation, or sources that have one", f"none in {identifier or 'the dataset'}")
        citations = self._citations(fields, mark, identifier) if "citation" in fields else ()
        dataset = Dataset(
            id=identifier,
            title=self._text(fields, "title", mark),
            description=self._text(fields, "description", mark),
            kinds=self._texts(fields, "kinds", mark, self._kind),
            species=self._texts(fields, "species", mark, self._one_species),
            licence=self._dataset_licence(fields, mark, described),
            sources=described,
            citations=citations,
            keywords=self._texts(fields, "keywords", mark, None, required=False),
            homepage=self._url(fields, "homepage", mark, required=False),
            derived=self._text(fields, "derived", mark, required=False),
        )
        return identifier, line, dataset if len(self.problems) == before else None

    def _dataset_sources(
        self, fields: dict[str, Mark], sources: dict[str, DataSource | None]
    ) -> tuple[DataSource, ...]:
        found: list[DataSource] = []
        for item in self._items(fields.get("sources"), "sources", may_be_absent="sources" not in fields):
            if not isinstance(item.value, str) or not _SOURCE_ID.fullmatch(item.value):
                self._wrong(item.line, "the id of a source", f"{item.value!r}")
            elif item.value not in sources:
                self._wrong(item.line, "a source described under sources", f"{item.value!r}")
            elif any(source.id == item.value for source in found):
                self._wrong(item.line, "every source once", f"{item.value!r} again")
            elif (source := sources[item.value]) is not None:
                found.append(source)
        return tuple(found)

    def _dataset_licence(self, fields: dict[str, Mark], mark: Mark, sources: tuple[DataSource, ...]) -> str:
        shared = shared_licence(sources) if sources else ""
        if "licence" not in fields:
            if not sources and "sources" not in fields:
                self._wrong(mark.line, "a licence, or sources that have one", "none")
            return shared
        given = fields["licence"]
        licence = self._licence(given)
        if shared and licence and licence != shared:
            self._wrong(given.line, f"{shared}, as the sources say (or leave it out)", licence)
        return licence

    def _licences(self, fields: dict[str, Mark], mark: Mark, owner: str) -> tuple[str, ...]:
        if "licence" not in fields:
            self._wrong(mark.line, "the key 'licence' ('none-stated' where there is none)", f"none in {owner!r}")
            return ()
        given = fields["licence"]
        items = self._items(given, "licence") if isinstance(given.value, list) else [given]
        found = [self._licence(item) for item in items]
        for item, licence in zip(items, found, strict=True):
            if licence == MIXED:
                self._wrong(item.line, "the licences themselves, as a list", MIXED)
        return tuple(sorted({licence for licence in found if licence}))

    def _licence(self, mark: Mark) -> str:
        if isinstance(mark.value, str) and mark.value in LICENCES:
            return mark.value
        near = licence_id(mark.value) if isinstance(mark.value, str) else None
        expected = f"{near} (spelt so)" if near else f"one of {', '.join(LICENCES)}"
        self._wrong(mark.line, f"a known licence: {expected}", _shown(mark))
        return ""

    def _citations(self, fields: dict[str, Mark], mark: Mark, owner: str) -> tuple[Citation, ...]:
        given = fields.get("citation")
        if given is None or given.value is None:
            self._wrong(given.line if given else mark.line, "a citation", f"none in {owner!r}")
            return ()
        items = self._items(given, "citation") if isinstance(given.value, list) else [given]
        return tuple(self._citation(item) for item in items)

    def _citation(self, mark: Mark) -> Citation:
        fields = self._fields(mark, "a citation", CITATION_KEYS)
        if not isinstance(mark.value, dict):
            return Citation((), "", 0)
        doi = self._text(fields, "doi", mark, required=False)
        if doi and not _DOI.fullmatch(doi):
            bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", doi, flags=re.IGNORECASE)
            expected = f"a bare DOI: {bare}" if _DOI.fullmatch(bare) else "a DOI like 10.1038/s41586-019-1352-7"
            self._wrong(fields["doi"].line, expected, repr(doi))
        url = self._url(fields, "url", mark, required=False)
        if not doi and not url and not ("doi" in fields or "url" in fields):
            self._wrong(mark.line, "a doi or a url", "neither")
        return Citation(
            authors=self._texts(fields, "authors", mark, None),
            title=self._text(fields, "title", mark),
            year=self._year(fields, mark),
            container=self._text(fields, "container", mark, required=False),
            volume=self._text(fields, "volume", mark, required=False, numbers=True),
            issue=self._text(fields, "issue", mark, required=False, numbers=True),
            pages=self._text(fields, "pages", mark, required=False, numbers=True),
            doi=doi,
            url=url,
        )

    def _year(self, fields: dict[str, Mark], mark: Mark) -> int:
        latest = datetime.now(tz=UTC).year + 1
        year = fields.get("year")
        if year is None:
            self._wrong(mark.line, "the key 'year'", "none")
        elif type(year.value) is not int or not FIRST_YEAR <= year.value <= latest:
            self._wrong(year.line, f"a year from {FIRST_YEAR} to {latest}", _shown(year))
        else:
            return year.value
        return 0

    def _kind(self, mark: Mark) -> None:
        if mark.value not in KINDS:
            self._wrong(mark.line, f"a kind of data: {', '.join(KINDS)}", _shown(mark))

    def _one_species(self, mark: Mark) -> None:
        if not _SPECIES.fullmatch(str(mark.value)):
            self._wrong(mark.line, "a species like 'Caenorhabditis elegans'", _shown(mark))

    def _id(self, fields: dict[str, Mark], mark: Mark, pattern: re.Pattern[str], expected: str) -> tuple[str, int]:
        given = fields.get("id")
        if given is None:
            if isinstance(mark.value, dict):
                self._wrong(mark.line, "the key 'id'", "none")
            return "", mark.line
        if not isinstance(given.value, str) or not pattern.fullmatch(given.value):
            self._wrong(given.line, f"an id of {expected}", _shown(given))
            return "", given.line
        return given.value, given.line

    def _fields(self, mark: Mark, what: str, allowed: set[str]) -> dict[str, Mark]:
        if not isinstance(mark.value, dict):
            self._wrong(mark.line, f"{what} as a mapping", mark.kind)
            return {}
        for key, line in mark.keys.items():
            if key not in allowed:
                self._wrong(line, f"one of the keys {', '.join(sorted(allowed))}", f"{key!r} in {what}")
        return {key: value for key, value in mark.value.items() if key in allowed}

    def _items(self, mark: Mark | None, what: str, *, may_be_absent: bool = False) -> list[Mark]:
        if mark is None:
            if not may_be_absent:
                self._wrong(1, f"the list {what}", "none")
            return []
        if not isinstance(mark.value, list) or not mark.value:
            self._wrong(mark.line, f"a list of {what}", "an empty list" if mark.value == [] else mark.kind)
            return []
        return mark.value

    def _text(
        self, fields: dict[str, Mark], key: str, mark: Mark, *, required: bool = True, numbers: bool = False
    ) -> str:
        given = fields.get(key)
        if given is None:
            if required and isinstance(mark.value, dict):
                self._wrong(mark.line, f"the key {key!r}", "none")
            return ""
        if numbers and type(given.value) is int:
            return str(given.value)
        if not isinstance(given.value, str) or not given.value.strip():
            hint = " (in quotes)" if isinstance(given.value, bool | int | float) else ""
            self._wrong(given.line, f"text for {key!r}{hint}", _shown(given))
            return ""
        return " ".join(given.value.split())

    def _texts(
        self,
        fields: dict[str, Mark],
        key: str,
        mark: Mark,
        check: Callable[[Mark], None] | None,
        *,
        required: bool = True,
    ) -> tuple[str, ...]:
        given = fields.get(key)
        if given is None:
            if required and isinstance(mark.value, dict):
                self._wrong(mark.line, f"the key {key!r}", "none")
            return ()
        found: list[str] = []
        for item in self._items(given, key):
            if not isinstance(item.value, str) or not item.value.strip():
                self._wrong(item.line, f"text in {key!r}", _shown(item))
            elif item.value in found:
                self._wrong(item.line, f"every entry of {key!r} once", f"{item.value!r} again")
            else:
                if check is not None:
                    check(item)
                found.append(" ".join(item.value.split()))
        return tuple(found)

    def _url(self, fields: dict[str, Mark], key: str, mark: Mark, *, required: bool = True) -> str:
        url = self._text(fields, key, mark, required=required)
        if url:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.netloc or re.search(r"[\s{}<>\"\\]", url):
                self._wrong(fields[key].line, "an address like https://example.org/data", repr(url))
        return url


def _shown(mark: Mark) -> str:
    return mark.kind if isinstance(mark.value, list | dict) or mark.value is None else repr(mark.value)
