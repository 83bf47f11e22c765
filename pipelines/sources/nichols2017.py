"""Nichols et al. 2017: whole-brain imaging of late larvae awake and asleep (lethargus), of N2 and npr-1 mutants.

Source: osf.io/kbf38, four files. Numbers of worms and the ids of the files at the publisher are as a public notebook
lists them from the publisher's interface; no checksums are known.
"""

from __future__ import annotations

from .zimmer import ZimmerFile, ZimmerSource, cited

__all__ = ["Nichols2017"]

_STORE = "https://files.de-1.osf.io/v1/resources/kbf38/providers/osfstorage"


def _file(name: str, slug: str, strain: str, condition: str, n_worms: int, identifier: str) -> ZimmerFile:
    more = {"stage": "L4"}
    return ZimmerFile(name, slug, strain, condition, n_worms=n_worms, url=f"{_STORE}/{identifier}", more=more)


class Nichols2017(ZimmerSource):
    """Recordings of Nichols et al. 2017."""

    id = "nichols2017"
    version = "1"
    page = "https://osf.io/kbf38/"
    n_worms = 44
    mat_files = (
        _file("n2_let", "n2-let", "N2", "lethargus", 12, "5d248679a26b340016064333"),
        _file("n2_prelet", "n2-prelet", "N2", "prelethargus", 11, "5d24867945253a001939ac2c"),
        _file("npr1_let", "npr1-let", "npr-1", "lethargus", 11, "5d248670114a420019020fd1"),
        _file("npr1_prelet", "npr1-prelet", "npr-1", "prelethargus", 10, "5d24866f1c5b4a001b9bde6e"),
    )
    citation = cited("Nichols, Eichler, Latham and Zimmer, Science 356:eaam6851 (2017)", doi="10.1126/science.aam6851")
