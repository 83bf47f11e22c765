"""Skora et al. 2018: whole-brain imaging of fasted and of starved worms.

Source: the article; where the two files are offered is not known to us beyond it. Both together have 12 worms.
"""

from __future__ import annotations

from .zimmer import ZimmerFile, ZimmerSource, cited

__all__ = ["Skora2018"]


class Skora2018(ZimmerSource):
    """Recordings of Skora et al. 2018."""

    id = "skora2018"
    version = "1"
    page = "https://doi.org/10.1016/j.celrep.2017.12.091"
    n_worms = 12
    mat_files = (
        ZimmerFile("WT_fasted", "wt-fasted", "wild type", "fasted"),
        ZimmerFile("WT_starved", "wt-starved", "wild type", "starved"),
    )
    citation = cited("Skora, Mende and Zimmer, Cell Reports 22:953-966 (2018)", doi="10.1016/j.celrep.2017.12.091")
