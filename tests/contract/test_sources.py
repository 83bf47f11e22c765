"""Every registered source, held to the contract."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from contract.layout_contract import LayoutContract
from contract.source_contract import GOLDEN, SourceContract, write_golden

from connectome.catalog import load_catalog
from connectome.pipelines.sources import SOURCES, load_source
from support import worm_mat_layouts


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


class TestKato2015OnItsLayout(LayoutContract):
    source = "kato2015"
    records = tuple(f"kato2015-wt-{kind}-{worm:02d}" for kind in ("nostim", "stim") for worm in (1, 2))

    @classmethod
    def write(cls, folder: Path) -> None:
        worm_mat_layouts.kato_stim(folder / "kato2015/WT_Stim.mat")
        worm_mat_layouts.kato_nostim(folder / "kato2015/WT_NoStim.mat")


class TestNichols2017OnItsLayout(LayoutContract):
    source = "nichols2017"
    records = tuple(f"nichols2017-{kind}-0{worm}" for kind in ("n2-let", "npr1-prelet") for worm in (1, 2))

    @classmethod
    def write(cls, folder: Path) -> None:
        for name in ("n2_let", "npr1_prelet"):
            worm_mat_layouts.zimmer_ids(folder / f"nichols2017/{name}.mat", name)


class TestSkora2018OnItsLayout(LayoutContract):
    source = "skora2018"
    records = tuple(f"skora2018-wt-{kind}-0{worm}" for kind in ("fasted", "starved") for worm in (1, 2))

    @classmethod
    def write(cls, folder: Path) -> None:
        for name in ("WT_fasted", "WT_starved"):
            worm_mat_layouts.zimmer_ids(folder / f"skora2018/{name}.mat", name)


class TestKaplan2020OnItsLayout(LayoutContract):
    source = "kaplan2020"
    records = tuple(
        f"kaplan2020-{kind}-0{worm}"
        for kind in ("mnhiscl-rishiscl", "rishiscl", "smdhiscl-rishiscl")
        for worm in (1, 2)
    )

    @classmethod
    def write(cls, folder: Path) -> None:
        for name in ("MNhisCl_RIShisCl", "RIShisCl", "SMDhisCl_RIShisCl"):
            worm_mat_layouts.kaplan(folder / f"kaplan2020/Neuron2019_Data_{name}.mat", f"{name}_Neuron2019")


class TestUzel2022OnItsLayout(LayoutContract):
    source = "uzel2022"
    records = tuple(f"uzel2022-wt-0{worm}" for worm in range(1, 7))

    @classmethod
    def write(cls, folder: Path) -> None:
        worm_mat_layouts.zimmer_ids(folder / "uzel2022/Uzel_WT.mat", "Uzel_WT", worms=6, stamps="tv")


class TestYemini2021OnItsLayout(LayoutContract):
    source = "yemini2021"
    records = tuple(
        f"yemini2021-{kind}-0{worm}" for kind in ("head-oh15500", "head-oh16230", "tail-oh16230") for worm in (1, 2, 3)
    )

    @classmethod
    def write(cls, folder: Path) -> None:
        for at, name in enumerate(("Head_Activity_OH15500", "Head_Activity_OH16230", "Tail_Activity_OH16230")):
            worm_mat_layouts.yemini(folder / f"yemini2021/{name}.mat", seed=at)


class TestLin2023OnItsLayout(LayoutContract):
    source = "lin2023"
    records = ("lin2023-conc-4-worm-2", "lin2023-worm_01", "lin2023-worm_10")

    @classmethod
    def write(cls, folder: Path) -> None:
        for at, name in enumerate(("worm_01", "worm_10", "conc 4/worm 2")):
            worm_mat_layouts.lin(folder / f"lin2023/{name}.mat", seed=at)


def leaves(contract: type[SourceContract]) -> list[type[SourceContract]]:
    """Return the classes below a contract that no other class inherits from."""
    below = contract.__subclasses__()
    return [leaf for item in below for leaf in leaves(item)] if below else [contract]


def test_every_registered_source_is_held_to_the_contract_once() -> None:
    held = Counter(item.source for item in leaves(SourceContract))
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
