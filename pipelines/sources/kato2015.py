"""Kato et al. 2015: whole-brain imaging of immobilised worms, with oxygen stimuli, without, and with AVA silenced.

Source: osf.io/2395t (WT_Stim.mat, WT_NoStim.mat, AVA_HisCl.mat, readme_Kato2015.txt). We know no checksums from the
publisher; users of WT_NoStim.mat report the SHA-256
``7531811c1718e26a0455f59cb2f8188cf25809278cfea85770dfe03315a0098a`` for it, which is not demanded here. Codes of states
in WT_Stim.mat are named by the readme, known to us as others quote it. The 2024 compilation used the first two files,
12 worms.
"""

from __future__ import annotations

from .zimmer import ZimmerFile, ZimmerSource, cited

__all__ = ["Kato2015"]


class Kato2015(ZimmerSource):
    """Recordings of Kato et al. 2015."""

    id = "kato2015"
    version = "1"
    page = "https://osf.io/2395t/"
    n_worms = 12
    mat_files = (
        ZimmerFile(
            "WT_Stim",
            "wt-stim",
            "wild type",
            "immobilised, oxygen concentration switched",
            n_worms=7,
            state_codes=("FWD", "REV", "REVSUS", "TURN"),
        ),
        ZimmerFile("WT_NoStim", "wt-nostim", "wild type", "immobilised, no stimulus", n_worms=5),
        ZimmerFile(
            "AVA_HisCl",
            "ava-hiscl",
            "AVA::HisCl",
            "immobilised, neurons AVA silenced through a histamine-gated channel",
        ),
    )
    citation = cited("Kato, Kaplan, Schrödel et al., Cell 163:656-669 (2015)", doi="10.1016/j.cell.2015.09.034")
