"""The pages that count what the 2024 release publishes: every number comes out of a command, run here on real files."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from connectome.pipelines.ingest import ingest
from connectome.pipelines.sources import SOURCES, load_source
from connectome.pipelines.sources.atanas2023_manifest import MANIFEST
from connectome.pipelines.sources.published_2024 import PUBLISHED
from connectome.store import Repository, open_version
from support.doc_pages import PROJECT, anchors_of

DIFFERS = PROJECT / "docs/explanation/what-differs-from-the-2024-release.md"
NUMBERS = PROJECT / "docs/explanation/the-corpus-in-numbers.md"
EXAMPLES = PROJECT / "docs/examples"
FIFTEEN = [f"D{at}" for at in range(1, 16)]


@pytest.fixture(scope="module")
def root(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published") / "root"
    for dataset in ("celegans-connectomes", "celegans-activity"):
        ingest(Repository(root), dataset, mirror=data_dir / "worm", allow_missing=True)
    ingest(Repository(root), "celegans-consensus")
    return root


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def printed(root: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs one of the scripts and gives the tables that it prints."""
    options = {
        "compare_2024": ["--published", str(data_dir / "worm/hf_consensus")],
        "compare_2024_activity": ["--raw", str(data_dir / "worm")],
        "census_2024": ["--published", str(data_dir / "worm/hf_consensus")],
    }

    def run(name: str) -> list[str]:
        assert script(name, monkeypatch).main([*options[name], "--root", str(root)]) == 0
        text = capsys.readouterr().out.strip()
        return [f"**{part}" for part in re.split(r"\n\n\*\*", text.removeprefix("**"))]

    return run


def summary() -> list[list[str]]:
    """Return the rows of the table of the fifteen."""
    lines = [line for line in DIFFERS.read_text(encoding="utf-8").splitlines() if re.match(r"\| D\d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.data
def test_the_page_of_differences_holds_what_two_commands_print(printed: Any) -> None:
    tables = [*printed("compare_2024"), *printed("compare_2024_activity")]
    page = DIFFERS.read_text(encoding="utf-8")
    assert len(tables) == 9 + 13
    assert [table.splitlines()[0] for table in tables if table not in page] == []
    # No table of the page comes from anywhere else, but for that of the fifteen.
    assert page.count("\n| ---") == sum(table.count("\n| ---") for table in tables) + 1
    # Every number of that one stands in a table as well.
    numbers = set(re.findall(r"\d[\d,.]*(?:e-\d+)?", "\n".join(tables)))
    for row in summary():
        told = re.findall(r"\d[\d,.]*(?:e-\d+)?", row[2].replace("F_F20", ""))
        assert told, row[0]
        assert {number.rstrip(",.") for number in told} - {"0.05"} <= {number.rstrip(",.") for number in numbers}, row


@pytest.mark.data
def test_the_census_holds_what_the_command_prints(printed: Any) -> None:
    tables = printed("census_2024")
    page = NUMBERS.read_text(encoding="utf-8")
    assert len(tables) == 4
    assert [table.splitlines()[0] for table in tables if table not in page] == []
    assert page.count("\n| ---") == len(tables)
    # Seven of nine annotations give the pairs of the release; the other two and the atlas are D5 and D1.
    pairs = {row[0]: row[-2:] for row in (line.strip("| ").split(" | ") for line in tables[3].splitlines()[4:])}
    assert {name for name, (ours, theirs) in pairs.items() if ours != theirs} == {
        "varshney2011",
        "cook2019-hermaphrodite",
        "randi2023",
    }
    assert pairs["cook2019-hermaphrodite"] == ["5,138", "4,085"]
    assert pairs["white1986-whole"] == ["3,145", "3,145"]


def test_all_fifteen_defects_are_there_each_with_a_section_and_a_test_that_exists() -> None:
    rows = summary()
    assert [row[0] for row in rows] == FIFTEEN
    headings = " ".join(re.findall(r"^## .*\(D[\d, D]*\)$", DIFFERS.read_text(encoding="utf-8"), re.MULTILINE))
    assert re.findall(r"D\d+", headings) == FIFTEEN
    for name, _, counted, ours, shown in rows:
        assert counted, name
        assert ours, name
        file, _, test = shown.strip("`").partition("::")
        assert re.search(rf"^\s*def {test}\(", (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE), shown
    assert anchors_of(NUMBERS)


# The census of sources ----------------------------------------------------------------------------------------------


def test_the_published_table_is_that_of_912_worms_of_twelve_sources() -> None:
    assert len(PUBLISHED) == 12
    assert set(PUBLISHED) <= set(SOURCES)
    assert sum(item.worms for item in PUBLISHED.values()) == 912
    assert sum(item.worms * item.recorded for item in PUBLISHED.values()) == 41955
    assert all(item.source == source and item.labelled <= item.recorded for source, item in PUBLISHED.items())


@pytest.mark.parametrize("source", ["nichols2017", "skora2018", "kaplan2020", "uzel2022", "yemini2021"])
def test_an_adapter_lists_as_many_worms_as_are_published(source: str) -> None:
    records = {record for file in load_source(source).files() for record in file.records}
    by_file = [len(file.records) for file in load_source(source).files()]
    published = PUBLISHED[source].worms
    # Where only the sum over files is known, each file may hold them all.
    assert sum(by_file) == published or set(by_file) == {published}
    assert len(records) == sum(by_file)


def test_kato_lists_the_twelve_worms_and_the_file_that_the_release_leaves_out() -> None:
    files = {file.path: file for file in load_source("kato2015").files()}
    used = [files[f"kato2015/{name}.mat"] for name in ("WT_Stim", "WT_NoStim")]
    assert sum(len(file.records) for file in used) == PUBLISHED["kato2015"].worms
    assert "kato2015/AVA_HisCl.mat" in files


def test_the_manifest_of_atanas_has_the_forty_labelled_animals_that_are_published() -> None:
    assert sum(animal.labelled for animal in MANIFEST.values()) == PUBLISHED["atanas2023"].worms
    assert len(MANIFEST) == 68


def test_dag_lists_eight_labelled_animals_of_which_seven_are_published() -> None:
    listed = {record for file in load_source("dag2023").files() for record in file.records} - {"dag2023-labels"}
    assert len(listed) == 8 + 2
    assert PUBLISHED["dag2023"].worms == 7


@pytest.mark.data
def test_the_labels_of_dag_have_the_published_mean(root: Path) -> None:
    version = open_version("celegans-activity", root=root)
    animals = version.open("dag2023-labels")["label"].to_dataset()["animal"].values.tolist()
    found = [name for name in animals if name != "2022-07-27-45"]
    assert len(set(found)) == 7
    assert int(len(found) / 7) == PUBLISHED["dag2023"].labelled
