"""Every registered source, held to the contract."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from contract.source_contract import GOLDEN, SourceContract, write_golden

from connectome.catalog import load_catalog
from connectome.pipelines.sources import SOURCES, load_source


@pytest.mark.data
class TestCook2019(SourceContract):
    source = "cook2019"
    mirror = "worm"


@pytest.mark.data
class TestOpenWorm(SourceContract):
    source = "openworm"
    mirror = "worm"


@pytest.mark.data
class TestRandi2023(SourceContract):
    source = "randi2023"
    mirror = "worm"


@pytest.mark.data
class TestVarshney2011(SourceContract):
    source = "varshney2011"
    mirror = "worm"


@pytest.mark.data
class TestWhite1986(SourceContract):
    source = "white1986"
    mirror = "worm"


@pytest.mark.data
class TestWitvliet2020(SourceContract):
    source = "witvliet2020"
    mirror = "worm"


@pytest.mark.data
class TestDag2023(SourceContract):
    source = "dag2023"
    mirror = "worm"


@pytest.mark.data
class TestSeeElegans2024(SourceContract):
    source = "seeelegans2024"
    mirror = "worm"


@pytest.mark.data
class TestZephirDemo(SourceContract):
    source = "zephir_demo"
    mirror = "worm"


@pytest.mark.data
class TestNilearnMni(SourceContract):
    source = "nilearn_mni"
    mirror = "mri"


@pytest.mark.package
class TestNitimeGrasshopper(SourceContract):
    source = "nitime_grasshopper"
    mirror = None


@pytest.mark.package
class TestPyNeuromodulationEcog(SourceContract):
    source = "py_neuromodulation_ecog"
    mirror = None


def test_every_registered_source_is_held_to_the_contract_once() -> None:
    held = Counter(item.source for item in SourceContract.__subclasses__())
    assert held == Counter(list(SOURCES))


def test_every_registered_source_is_described_in_the_catalogue_and_serves_one_dataset() -> None:
    served = [(source.id, name) for name in load_catalog() for source in load_catalog()[name].sources]
    assert sorted(served) == sorted((name, load_source(name).dataset) for name in SOURCES)
    for name in SOURCES:
        assert load_source(name).id == name


def test_every_golden_file_belongs_to_a_registered_source() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(SOURCES)


def test_golden_digests_are_only_written_over_when_a_version_says_why(tmp_path: Path) -> None:
    path = tmp_path / "golden" / "source.json"
    found = {"version": "1", "schemas": {"series": "1"}, "records": {"a": "0" * 64}}
    write_golden(path, found)
    write_golden(path, {**found, "records": {"a": "0" * 64, "b": "2" * 64}})
    changed = {**found, "records": {"a": "1" * 64}}
    with pytest.raises(AssertionError, match="raise the version of the source first: a changed"):
        write_golden(path, changed)
    assert json.loads(path.read_text())["records"]["a"] == "0" * 64
    write_golden(path, {**changed, "version": "2"})
    assert json.loads(path.read_text())["records"] == changed["records"]
