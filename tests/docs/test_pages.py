"""What the documentation says holds: commands parse, links lead somewhere, files exist, the reference is up to date."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from connectome import __version__, errors
from connectome.errors import UsageError
from connectome.pipelines import cli
from support.doc_pages import PAGES, PROJECT, RUNNABLE, anchors_of, blocks_of, code_of, links_of, name_of

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
REFERENCE = PROJECT / "docs" / "reference"
FOLDERS = ("connectome", "pipelines", "loaders", "tests", "docs", "notebooks", "benchmarks", ".ci")
PATTERN = re.compile(r"<\w+>|\.\.\.|\*")


def test_every_page_is_in_the_index() -> None:
    linked = {
        (PROJECT / "docs" / link.partition("#")[0]).resolve() for link in links_of(PROJECT / "docs" / "README.md")
    }
    assert {page for page in (PROJECT / "docs").rglob("*.md") if page.parent.name != "docs"} == linked


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_has_a_language_and_a_reason_where_it_is_not_run(block) -> None:
    assert block.language in {*RUNNABLE, "text", "yaml"}
    assert block.remark is None or (block.language in RUNNABLE and len(block.reason.split()) >= 2)
    if block.language == "yaml":
        assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_as_many_fences_as_blocks(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks_of(page))


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "bash"], ids=lambda block: block.place
)
def test_the_commands_of_a_block_are_understood(block) -> None:
    for words in block.commands():
        try:
            cli._parse(words)
        except UsageError as error:
            pytest.fail(f"{block.place}: connectome {' '.join(words)}\n{error}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_verbs_that_a_page_names_exist(page: Path) -> None:
    for code in code_of(page):
        words = code.split()
        if words[0] == "connectome" and len(words) > 1 and not words[1].startswith(("-", "[")):
            assert words[1] in cli.VERBS, code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(PROJECT), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "CHANGELOG.md"], ids=name_of)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    for code in code_of(page):
        path = code.split("::")[0].rstrip("/")
        if path.partition("/")[0] in FOLDERS and "/" in path and " " not in path and not PATTERN.search(path):
            target = PROJECT / path
            # An empty folder exists on one machine only: it is not under version control.
            assert target.is_file() or any(item.is_file() for item in target.rglob("*")), code


def test_the_parser_refuses_what_the_pages_must_not_say() -> None:
    with pytest.raises(UsageError):
        cli._parse(["ingest", "celegans-activity", "--no-such-option"])


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """Return the script that writes the reference."""
    spec = importlib.util.spec_from_file_location("reference_build", REFERENCE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli.md", "errors.md", "python.md"])
def test_the_reference_is_up_to_date(page: str, build: ModuleType) -> None:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    assert text == build.written(page), "python docs/reference/build.py"


def test_the_reference_lists_every_kind_of_error_once() -> None:
    listed = re.findall(
        r"^\| `([a-z-]+)` \| `\w+`", (REFERENCE / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert sorted(listed) == sorted(error.kind for error in found if error is not errors.ConnectomeError)


def test_the_reference_lists_every_verb() -> None:
    listed = re.findall(r"^### `connectome ([\w-]+)`", (REFERENCE / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == list(cli.VERBS)


def test_the_citation_file_is_whole() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(citation)
    assert (citation["version"], citation["license"]) == (__version__, "MIT")
    assert (PROJECT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_changelog_has_known_sections_only() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {"Added", "Changed", "Fixed", "Removed", "Data"}
    assert all(
        re.fullmatch(r"Unreleased|\d+\.\d+\.\d+ .*", title) for title in re.findall(r"^## (.+)$", text, re.MULTILINE)
    )
