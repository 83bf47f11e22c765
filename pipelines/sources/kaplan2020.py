"""Kaplan et al. 2020: whole-brain imaging of worms in which RIS, and motor neurons or SMD too, can be silenced.

Source: the article; where the three files are offered is not known to us beyond it. All together have 19 worms. Strains
are named as the files are: hisCl is a histamine-gated chloride channel, MN motor neurons.
"""

from __future__ import annotations

from .zimmer import ZimmerFile, ZimmerSource, cited

__all__ = ["Kaplan2020"]


class Kaplan2020(ZimmerSource):
    """Recordings of Kaplan et al. 2020."""

    id = "kaplan2020"
    version = "1"
    page = "https://doi.org/10.1016/j.neuron.2019.10.037"
    n_worms = 19
    mat_files = tuple(
        ZimmerFile(
            f"Neuron2019_Data_{strain}",
            strain.lower().replace("_", "-"),
            strain.replace("_", "; "),
            f"hisCl channel in {cells}",
        )
        for strain, cells in (
            ("MNhisCl_RIShisCl", "motor neurons and in RIS"),
            ("RIShisCl", "RIS"),
            ("SMDhisCl_RIShisCl", "SMD and in RIS"),
        )
    )
    citation = cited(
        "Kaplan, Salazar Thula, Khoss and Zimmer, Neuron 105:562-576 (2020)", doi="10.1016/j.neuron.2019.10.037"
    )
