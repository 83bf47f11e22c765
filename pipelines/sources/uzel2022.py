"""Uzel et al. 2022: whole-brain imaging of immobilised wild-type worms.

Source: the article; where Uzel_WT.mat is offered is not known to us beyond it. It has 6 worms, which the authors'
scripts loop over.
"""

from __future__ import annotations

from .zimmer import ZimmerFile, ZimmerSource, cited

__all__ = ["Uzel2022"]


class Uzel2022(ZimmerSource):
    """Recordings of Uzel et al. 2022."""

    id = "uzel2022"
    version = "1"
    page = "https://doi.org/10.1016/j.cub.2022.06.039"
    n_worms = 6
    mat_files = (ZimmerFile("Uzel_WT", "wt", "wild type", "immobilised", n_worms=6),)
    citation = cited("Uzel, Kato and Zimmer, Current Biology 32:3443-3459 (2022)", doi="10.1016/j.cub.2022.06.039")
