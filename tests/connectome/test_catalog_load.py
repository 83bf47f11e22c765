"""The catalogue is checked on load: every mistake is found and named with its line."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from connectome import schema
from connectome.catalog import KINDS, LICENCES, Catalog, catalog_path, load_catalog, parse_catalog
from connectome.catalog.licences import licence_id
from connectome.errors import CatalogError, NotFoundError

GOOD = """\
version: 1
sources:
  - id: cook2019
    title: Connectomes of both sexes
    licence: CC-BY-4.0
    homepage: https://example.org/cook
    citation:
      authors: ["Cook, Steven J.", "Emmons, Scott W."]
      title: Whole-animal connectomes
      container: Nature
      year: 2019
      volume: 571
      pages: 63-71
      doi: 10.1038/s41586-019-1352-7
  - id: own_lab
    title: Our tables
    licence: [MIT, none-stated]
    homepage: https://example.org/own
    citation:
      - authors: [A Laboratory]
        title: Tables
        year: 2024
        url: https://example.org/own
datasets:
  - id: worms
    title: Worms
    description: Wiring of worms.
    kinds: [graph]
    species: [Caenorhabditis elegans]
    sources: [cook2019, own_lab]
    keywords: [worm]
  - id: notes
    title: Notes
    description: Not made of sources.
    kinds: [table, series]
    species: [Homo sapiens]
    licence: unpublished
    citation:
      authors: ["Doe, Jane"]
      title: Notes
      year: 2020
      url: https://example.org/notes
"""


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def refused(text: str) -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, subject="my.yaml")
    assert caught.value.subject == "my.yaml"
    assert caught.value.hint
    return caught.value


def test_a_valid_text_gives_every_fact_it_states():
    catalog = parse_catalog(GOOD)
    assert list(catalog) == ["notes", "worms"]
    worms = catalog["worms"]
    assert (worms.title, worms.kinds, worms.species) == ("Worms", ("graph",), ("Caenorhabditis elegans",))
    assert worms.licence == "mixed"
    assert worms.licences == ("CC-BY-4.0", "MIT", "none-stated")
    assert not worms.redistributable
    assert [source.id for source in worms.sources] == ["cook2019", "own_lab"]
    cook = worms.sources[0].citations[0]
    assert (cook.year, cook.volume, cook.doi) == (2019, "571", "10.1038/s41586-019-1352-7")
    assert cook.authors == ("Cook, Steven J.", "Emmons, Scott W.")
    assert catalog["notes"].licence == "unpublished"


@pytest.mark.parametrize(
    ("old", "new", "at", "expected"),
    [
        ("licence: CC-BY-4.0", "licence: CC-BY-5.0", "CC-BY-5.0", "a known licence"),
        ("licence: CC-BY-4.0", "licence: cc-by-4.0", "cc-by-4.0", "CC-BY-4.0 (spelt so)"),
        ("licence: CC-BY-4.0", "licence: mixed", "licence: mixed", "the licences themselves"),
        ("    licence: CC-BY-4.0\n", "", "id: cook2019", "the key 'licence'"),
        ("licence: unpublished\n    ", "", "id: notes", "a licence, or sources"),
        ("licence: unpublished", "licence: 4", "licence: 4", "a known licence"),
        ("year: 2019", "year: MMXIX", "MMXIX", "a year from 1800"),
        ("year: 2019", "year: 3019", "3019", "a year from 1800"),
        ("year: 2019", "year: true", "year: true", "a year from 1800"),
        ("      year: 2019\n", "", "Cook, Steven", "the key 'year'"),
        ("doi: 10.1038", "doi: https://doi.org/10.1038", "doi.org", "a bare DOI: 10.1038/s41586-019-1352-7"),
        ("doi: 10.1038/s41586-019-1352-7", "doi: 10.1038x", "doi: 10.1038x", "a DOI like"),
        ("        url: https://example.org/own\n", "", "- authors: [A Lab", "a doi or a url"),
        ("url: https://example.org/notes", "url: example.org/notes", "url: example.org", "an address like"),
        ("homepage: https://example.org/cook", "homepage: javascript:alert(1)", "javascript", "an address like"),
        ("kinds: [graph]", "kinds: [graphs]", "graphs", "a kind of data"),
        ("kinds: [graph]", "kinds: graph", "kinds: graph", "a list of kinds"),
        ("kinds: [graph]", "kinds: []", "kinds: []", "a list of kinds"),
        ("kinds: [graph]", "kinds: [graph, graph]", "graph, graph", "once"),
        ("species: [Homo sapiens]", "species: [human]", "[human]", "a species like"),
        ("species: [Homo sapiens]", "species: [homo sapiens]", "[homo", "a species like"),
        ("title: Worms", "title: 7", "title: 7", "text for 'title' (in quotes)"),
        ("title: Worms", "title: No", "title: No", "text for 'title' (in quotes)"),
        ("title: Worms", "title: [Worms]", "title: [Worms]", "text for 'title'"),
        ("title: Worms", 'title: "  "', 'title: "  "', "text for 'title'"),
        ("title: Worms", "titel: Worms", "titel", "one of the keys"),
        ("    description: Wiring of worms.\n", "", "id: worms", "the key 'description'"),
        ("id: worms", "id: Worms!", "Worms!", "an id of"),
        ("id: cook2019", "id: cook-2019", "cook-2019", "an id of"),
        ("  - id: notes\n    title", "  - title", "- title: Notes", "the key 'id'"),
        ("sources: [cook2019, own_lab]", "sources: [cook2019, cook2020]", "cook2020", "a source described"),
        ("sources: [cook2019, own_lab]", "sources: [cook2019, ../x]", "../x", "the id of a source"),
        ("sources: [cook2019, own_lab]", "sources: [own_lab, own_lab]", "own_lab, own_lab", "every source once"),
        ("sources: [cook2019, own_lab]", "sources: []", "sources: []", "a list of sources"),
        ("    sources: [cook2019, own_lab]\n", "", "id: worms", "a citation, or sources"),
        ("    title: Worms\n", "    title: Worms\n    licence: MIT\n", "licence: MIT", "mixed, as the sources say"),
        ("authors: [A Laboratory]", "authors: []", "authors: []", "a list of authors"),
        ("authors: [A Laboratory]", "authors: [7]", "authors: [7]", "text in 'authors'"),
        ("version: 1", "version: 2", "version: 2", "version: 1"),
        ("datasets:", "dataset:", "dataset:", "one of the keys"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, at: str, expected: str):
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    error = refused(text)
    found = f"line {line_of(text, at)}: expected "
    assert any(part.startswith(found) and expected in part for part in (error.found or "").split("; ")), error.found


def test_a_source_without_a_citation_is_refused_at_its_line():
    start = GOOD.index("    citation:\n      - authors")
    text = GOOD[:start] + GOOD[GOOD.index("datasets:") :]
    error = refused(text)
    assert error.place == f"line {line_of(text, 'id: own_lab')}"
    assert "a citation" in (error.expected or "")


def test_an_empty_citation_is_refused_at_its_line():
    start = GOOD.rindex("    citation:")
    text = GOOD[:start] + "    citation:\n"
    error = refused(text)
    assert error.place == f"line {len(text.splitlines())}"


@pytest.mark.parametrize("identifier", ["worms", "cook2019"])
def test_an_id_that_is_used_twice_is_refused_at_the_second(identifier: str):
    text = GOOD.replace("id: notes", "id: worms") if identifier == "worms" else GOOD.replace("own_lab", "cook2019")
    error = refused(text)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if f"id: {identifier}" in line]
    assert len(lines) == 2
    assert f"line {lines[1]}: expected a new id" in (error.found or "")


def test_a_key_that_is_repeated_is_refused_at_the_second():
    text = GOOD.replace("    title: Worms\n", "    title: Worms\n    title: Other\n")
    error = refused(text)
    assert error.place == f"line {line_of(text, 'title: Other')}"
    assert f"first in line {line_of(text, 'title: Worms')}" in (error.found or "")


def test_all_problems_are_listed_at_once_in_order_of_lines():
    text = GOOD.replace("CC-BY-4.0", "free").replace("year: 2020", "year: x").replace("[graph]", "[net]")
    error = refused(text)
    lines = [line_of(text, part) for part in ("free", "[net]", "year: x")]
    assert [int(part.split(":")[0].removeprefix("line ")) for part in (error.found or "").split("; ")] == lines
    assert "3 problems" in error.message
    assert error.place == f"line {lines[0]}"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("version: 1\ndatasets: [\n", 3, "YAML"),
        ("version: 1\n\tdatasets: 3\n", 2, "YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "tags"),
        ("version: 1\nbase: &b {x: 1}\ndatasets:\n  - <<: *b\n", 4, "a plain key"),
        ("version: 1\n---\nversion: 1\n", 2, "YAML"),
        ("", 1, "a mapping"),
        ("- 1\n", 1, "the catalogue as a mapping"),
        ("version: 1\nx: b\x07d\n", 2, "printable text"),
        ("x: " + "[" * 40 + "]" * 40, 1, "YAML"),
        ("x: " + "[" * 5000, 1, "YAML"),
        ("version: 1\na: &a\n  b: *a\n", 2, "values that end"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, line: int, word: str):
    error = refused(text)
    assert f"line {line}: " in (error.found or "")
    assert word in (error.found or "")


def test_aliases_that_multiply_are_refused_without_being_followed():
    layers = "".join(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 12))
    started = time.process_time()
    error = refused(f"version: 1\na0: &a0 [x, x, x]\n{layers}")
    assert "aliases that stand for more" in (error.found or "")
    # Following them would take 10^11 steps: this is about ending at all, not about speed.
    assert time.process_time() - started < 60


def test_an_alias_that_only_repeats_a_citation_is_allowed():
    text = GOOD.replace('    citation:\n      authors: ["Cook', '    citation: &cook\n      authors: ["Cook')
    text = text.replace("    keywords: [worm]\n", "    keywords: [worm]\n    citation: *cook\n")
    works = parse_catalog(text)["worms"].works
    assert [work.title for work in works] == ["Whole-animal connectomes", "Tables"]


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path):
    file = tmp_path / "catalog.yaml"
    file.write_bytes(GOOD.encode().replace(b"Wiring of worms", b"Wiring of w\xf6rms"))
    with pytest.raises(CatalogError) as caught:
        load_catalog(file)
    assert caught.value.place == f"line {line_of(GOOD, 'Wiring')}"


def test_a_file_that_is_far_too_large_is_refused_unread(tmp_path: Path):
    file = tmp_path / "catalog.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 33)
    with pytest.raises(CatalogError, match="too large"):
        load_catalog(file)


def test_a_file_may_be_named_by_argument_or_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(GOOD, encoding="utf-8")
    second.write_text(GOOD.replace("id: worms", "id: flies"), encoding="utf-8")
    monkeypatch.setenv("CONNECTOME_CATALOG", str(first))
    assert "worms" in load_catalog()
    assert "flies" in load_catalog(second)
    monkeypatch.setenv("CONNECTOME_CATALOG", str(tmp_path / "absent.yaml"))
    with pytest.raises(NotFoundError, match="does not exist"):
        load_catalog()


def test_the_projects_own_catalogue_is_valid_and_found_by_default(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CONNECTOME_CATALOG", raising=False)
    assert catalog_path() == project / "catalog.yaml"
    catalog = load_catalog()
    assert isinstance(catalog, Catalog)
    assert {"celegans-connectomes", "celegans-activity", "mni-template", "ecog-demo", "grasshopper-spikes"} <= set(
        catalog
    )
    worms = {source.id: source for source in catalog["celegans-connectomes"].sources}
    assert set(worms) == {"cook2019", "varshney2011", "white1986", "witvliet2020", "openworm", "randi2023"}
    assert "GPL-3.0-or-later" in worms["white1986"].licences
    assert "none-stated" in worms["white1986"].licences
    activity = {source.id: source.licences for source in catalog["celegans-activity"].sources}
    known = {"dag2023": ("none-stated",), "seeelegans2024": ("GPL-3.0-only",), "zephir_demo": ("MIT",)}
    assert known.items() <= activity.items()
    assert catalog["mni-template"].redistributable
    assert not catalog["celegans-activity"].redistributable
    for entry in catalog.values():
        assert all(work.doi or work.url for work in entry.works)
    assert [work.url for work in catalog["celegans-activity"].works if not work.doi] == [
        "https://chemosensory-data.worm.world/"
    ]


@pytest.mark.data
def test_the_catalogues_dois_are_those_of_the_readmes_beside_the_data(data_dir: Path):
    dois = {
        "cook2019": "cook2019",
        "randi2023": "randi2023",
        "dag2023": "dag2023",
        "witvliet2020": "white1986_witvliet2020",
    }
    sources = {source.id: source for entry in load_catalog().values() for source in entry.sources}
    for source, folder in dois.items():
        readme = (data_dir / "worm" / folder / "README.md").read_text(encoding="utf-8")
        assert sources[source].citations[0].doi in readme


def test_the_kinds_of_the_catalogue_are_the_kinds_of_the_schema():
    assert set(KINDS) == set(schema.KINDS)


def test_the_licence_table_says_what_may_be_passed_on():
    assert licence_id("cc0-1.0") == "CC0-1.0"
    assert licence_id("WTF") is None
    assert all(key == licence.id for key, licence in LICENCES.items())
    assert not LICENCES["none-stated"].redistribution
    assert not LICENCES["CRCNS-terms"].redistribution
    assert LICENCES["GPL-3.0-only"].share_alike
    assert not LICENCES["CC-BY-NC-4.0"].commercial
    assert all(licence.url or not licence.redistribution for licence in LICENCES.values())


def test_text_is_folded_to_one_line():
    text = GOOD.replace("description: Wiring of worms.", "description: >-\n      Wiring\n      of worms.")
    assert parse_catalog(text)["worms"].description == "Wiring of worms."
    assert textwrap.dedent(text) == text
