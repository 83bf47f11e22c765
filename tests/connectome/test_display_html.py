"""HTML of the catalogue and of a real store: well-formed, self-contained, and deaf to hostile names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome import schema
from connectome.catalog import Catalog, Citation, Dataset, DataSource, about, load_catalog
from connectome.display.html import (
    Html,
    catalog_html,
    dataset_html,
    diff_html,
    escape,
    link,
    table_html,
    verification_html,
    version_html,
    wrap,
)
from connectome.display.report import Block, Picture, Prose, Section, Table, report_html, write_report
from connectome.store import Recipe, Repository, Version, verify, write_record

HOSTILE = "<script>alert(1)</script> \"'&<b> ]]> \x00"
VOID = {"meta", "br", "img"}


class Checker(HTMLParser):
    """Collect tags and check that every one is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check(markup: str) -> str:
    """Check a fragment or page and return its visible text."""
    checker = Checker()
    checker.feed(markup)
    checker.close()
    assert not checker.open
    ET.fromstring(re.sub(r"<!DOCTYPE html>\n", "", markup))
    for tag, attributes in checker.tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form"}
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith(("https://", "http://", "#"))
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
    assert "@import" not in markup
    assert "url(" not in markup
    return "".join(checker.text)


def hostile_dataset() -> Dataset:
    work = Citation((HOSTILE, f"{HOSTILE}, {HOSTILE}"), HOSTILE, 2020, HOSTILE, url="javascript:alert(1)")
    source = DataSource("s", HOSTILE, ("MIT",), (work,), "javascript:alert(1)", HOSTILE)
    return Dataset(
        HOSTILE, HOSTILE, HOSTILE, ("graph",), (HOSTILE,), HOSTILE, (source,), (work,), (HOSTILE,), "data:text/html,x"
    )


def test_the_catalogue_as_html_names_everything_and_is_well_formed():
    text = check(load_catalog()._repr_html_())
    for dataset in load_catalog().values():
        assert dataset.id in text
        assert dataset.title in text
        for work in dataset.works:
            assert work.title in text
            assert f"https://doi.org/{work.doi}" in text


def test_hostile_names_in_the_catalogue_stay_text():
    entry = hostile_dataset()
    for markup in (catalog_html(Catalog([entry])), dataset_html(entry), entry._repr_html_()):
        assert "<script>alert(1)</script>" in check(markup)


def test_addresses_that_are_not_web_pages_are_no_links():
    assert link("x", "javascript:alert(1)") == "x"
    assert link("<", 'https://example.org/?a=1&b="') == (
        '<a href="https://example.org/?a=1&amp;b=&quot;" rel="noopener">&lt;</a>'
    )


@given(st.text())
def test_any_text_becomes_well_formed_and_can_be_read_back(value: str):
    text = check(wrap(Html(f"<p>{escape(value)}</p>")))
    shown = text[text.rindex("}") + 1 :] if "}" not in value else text
    if all(character.isprintable() or character == "\n" for character in value):
        assert value in shown


def test_tables_count_what_they_leave_out():
    text = check(table_html(("n",), [(at,) for at in range(1205)], max_rows=200))
    assert "and 1,005 more" in text
    assert escape(1234567) == "1,234,567"
    assert escape(None) == ""
    assert escape(True) == "True"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A store of two versions of a small dataset whose names mean harm."""
    store = Repository(tmp_path_factory.mktemp("store"))
    entry = about(load_catalog()["celegans-activity"]) | {"title": HOSTILE.replace("\x00", "")}

    def write(record: str, scale: float) -> object:
        table = schema.table({"x": schema.column("row", np.arange(3.0) * scale, HOSTILE.replace("\x00", ""), "1")})
        warning = {"code": "odd", "place": "<i>", "message": "<script>alert(2)</script>"}
        tree = schema.record({"things": table}, warnings=[warning], title="<b>")
        inputs = ({"path": f"{record}.csv", "sha256": f"{scale}", "bytes": 3, "verified": True},)
        recipe = Recipe("import:<form>", "1", inputs)
        return write_record(tree, store.folder("mine"), record=record, recipe=recipe, staging=store.staging)

    rejected = [{"file": "<script>.csv", "reason": "<b>broken</b>", "kind": "format"}]
    store.commit("mine", [write("a", 1.0), write("b", 1.0)], rejected=rejected, about=entry)
    store.commit("mine", [write("a", 2.0), write("c", 1.0)], rejected=rejected, about=entry)
    return store


def test_a_version_as_html_shows_records_rejections_warnings_facts_and_citation(repository: Repository):
    version = Version(repository, repository.find("mine"))
    text = check(version_html(version))
    assert version._repr_html_() == version_html(version)
    for part in ("2.0.0", version.digest, "<script>.csv", "<b>broken</b>", "<script>alert(2)</script>", "n_rows 3"):
        assert part in text
    assert "3 seen = 2 used + 1 rejected" in text
    assert "import:<form>" in text
    assert "https://doi.org/10.1016/j.cell.2023.04.023" in text
    assert "input a.csv changed" in text


def test_a_diff_as_html_says_what_differs_and_why(repository: Repository):
    text = check(diff_html(repository.diff("mine", "1.0.0", "2.0.0")))
    assert "1.0.0 → 2.0.0" in text
    assert "1 added, 1 removed, 1 changed, 0 unchanged" in text
    assert "arrays changed: /things/x" in text
    assert "input a.csv changed from 1.0 to 2.0" in text
    same = check(diff_html(repository.diff("mine", "1.0.0", "1.0.0")))
    assert "The versions hold the same." in same


def test_a_verification_as_html_says_whole_or_names_the_damage(repository: Repository, tmp_path: Path):
    assert "whole" in check(verification_html(verify(repository, "mine")))
    version = Version(repository, repository.find("mine@1.0.0"))
    file = version.file("b")
    kept = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(kept[:-7])
    try:
        text = check(verification_html(verify(repository, "mine@1.0.0")))
    finally:
        file.write_bytes(kept)
    assert "damaged" in text
    assert "size" in text
    assert not list(tmp_path.iterdir())


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000"
    "01f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def parts() -> list[Section]:
    return [
        Section("Prose & more", [Prose(f"One {HOSTILE}\nstill one.\n\nTwo.")]),
        Section("Prose & more", [Table(("name", "bytes"), [(HOSTILE, 12345)], caption="A table <b>")]),
        Section("Pictures", [Picture(PIXEL, "A <i>dot</i>"), Block(catalog_html(load_catalog()))]),
    ]


def test_a_report_is_one_well_formed_page_that_loads_nothing():
    page = report_html("Report <x>", parts(), subtitle="sub & title", footer="made <today>")
    text = check(page)
    assert page.startswith("<!DOCTYPE html>")
    for part in (
        "Report <x>",
        "One <script>alert(1)</script>",
        "12,345",
        "A table <b>",
        "A <i>dot</i>",
        "made <today>",
    ):
        assert part in text
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    space = "{http://www.w3.org/1999/xhtml}"
    anchors = [section.get("id") for section in root.iter(f"{space}section")]
    assert anchors == ["prose-more", "prose-more-2", "pictures"]
    assert [item.get("href") for item in root.iter(f"{space}a")][:3] == [f"#{anchor}" for anchor in anchors]
    assert [image.get("alt") for image in root.iter(f"{space}img")] == ["A <i>dot</i>"]
    assert len(list(root.iter(f"{space}p"))) >= 3


def test_the_same_parts_give_the_same_page_and_a_file_is_written_whole(tmp_path: Path):
    assert report_html("R", parts()) == report_html("R", parts())
    target = write_report(tmp_path / "deep" / "report.html", report_html("R", parts()))
    assert target.read_text(encoding="utf-8") == report_html("R", parts())
    write_report(target, "other")
    assert [file.name for file in target.parent.iterdir()] == ["report.html"]
    assert target.read_text(encoding="utf-8") == "other"
