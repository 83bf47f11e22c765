"""One adapter per public source of raw files. A new source is one module here and one line in ``SOURCES``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from connectome.errors import NotFoundError

from ..derived import DERIVED, load_derived

if TYPE_CHECKING:
    from ..jobs import Source

__all__ = ["FAMILIES", "SOURCES", "load_source"]

SOURCES: dict[str, str] = {
    "bentley2016": "bentley2016:Bentley2016",
    "cook2019": "cook2019:Cook2019",
    "ripollsanchez2023": "ripollsanchez2023:RipollSanchez2023",
    "openworm": "openworm:OpenWorm",
    "randi2023": "randi2023:Randi2023",
    "varshney2011": "varshney2011:Varshney2011",
    "white1986": "white1986:White1986",
    "witvliet2020": "witvliet2020:Witvliet2020",
    "kato2015": "kato2015:Kato2015",
    "nichols2017": "nichols2017:Nichols2017",
    "skora2018": "skora2018:Skora2018",
    "kaplan2020": "kaplan2020:Kaplan2020",
    "yemini2021": "yemini2021:Yemini2021",
    "uzel2022": "uzel2022:Uzel2022",
    "lin2023": "lin2023:Lin2023",
    "nejatbakhsh2020": "nejatbakhsh2020:Nejatbakhsh2020",
    "atanas2023": "atanas2023:Atanas2023",
    "leifer2023": "leifer2023:Leifer2023",
    "venkatachalam2024": "venkatachalam2024:Venkatachalam2024",
    "wormid2025": "wormid2025:WormId2025",
    "dag2023": "dag2023:Dag2023",
    "seeelegans2024": "seeelegans2024:SeeElegans2024",
    "nilearn_mni": "nilearn_mni:NilearnMni",
    "nitime_grasshopper": "nitime_grasshopper:NitimeGrasshopper",
    "py_neuromodulation_ecog": "py_neuromodulation_ecog:PyNeuromodulationEcog",
    "zephir_demo": "zephir_demo:ZephirDemo",
    "brava2013": "brava2013:Brava2013",
    "flywire783": "flywire783:Flywire783",
    "hemibrain": "hemibrain:Hemibrain",
    "hodneland2019": "hodneland2019:Hodneland2019",
    "kreitner2024": "kreitner2024:Kreitner2024",
    "lappalainen2024": "lappalainen2024:Lappalainen2024",
    "malecns": "malecns:MaleCns",
    "microns": "microns:Microns",
    "microvesselchaste2017": "microvesselchaste2017:MicrovesselChaste2017",
    "vascgraph2019": "vascgraph2019:VascGraph2019",
    "winding2023": "winding2023:Winding2023",
    "allen_visual_coding": "allen_visual_coding:AllenVisualCoding",
    "allen_visual_behavior_neuropixels": "allen_visual_behavior:AllenVisualBehavior",
    "steinmetz2019": "steinmetz2019:Steinmetz2019",
    "ibl_brainwide": "ibl_brainwide:IblBrainwide",
    "peyrache_a2929": "peyrache_a2929:PeyracheA2929",
    "svoboda_alm": "svoboda_alm:SvobodaAlm",
    "bluebrain_vessels": "bluebrain_vessels:BlueBrainVessels",
    "vesselgraph2021": "vesselgraph2021:Vesselgraph2021",
    "vessmorphovis2020": "vessmorphovis2020:VessMorphoVis2020",
    "ideas2024": "ideas2024:Ideas2024",
    "unam_tle": "unam_tle:UnamTle",
    "eegmmidb": "eegmmidb:Eegmmidb",
    "sleep_edf": "sleep_edf:SleepEdf",
    "fedele2017": "fedele2017:Fedele2017",
    "chb_mit": "chb_mit:ChbMit",
    "bci_iv_2a": "bci_iv_2a:BciIv2a",
    "tuh_eeg": "tuh_eeg:TuhEeg",
    "swec_ieeg": "swec_ieeg:SwecIeeg",
    "swec_ethz": "swec_ethz:SwecEthz",
    "hup_ieeg": "hup_ieeg:HupIeeg",
    "fragility_ieeg": "fragility_ieeg:FragilityIeeg",
}
"""Source id to ``module:Class`` below this package; imported only when asked for."""

FAMILIES: dict[str, str] = {
    "openneuro_ds": "openneuro_accession:OpenNeuroAccession",
}
"""Beginning of the ids of sources that are not listed one by one, to ``module:Class``, which is called with the id."""


def load_source(source_id: str) -> Source:
    """Make the adapter of that id; that of a derived dataset is one too."""
    if source_id in DERIVED:
        return load_derived(source_id)
    family = next((FAMILIES[beginning] for beginning in FAMILIES if source_id.startswith(beginning)), None)
    if source_id not in SOURCES and family is None:
        raise NotFoundError("unknown source", subject=source_id, expected=", ".join(sorted(SOURCES)))
    module, _, name = SOURCES.get(source_id, family or "").partition(":")
    made = getattr(import_module(f"{__name__}.{module}"), name)
    return cast("Source", made() if source_id in SOURCES else made(source_id))
