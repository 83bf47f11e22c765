"""The neurons of *Caenorhabditis elegans*: names, classes, sides, and in which sex they exist.

Sources of the table: the 302 neurons of the hermaphrodite in 118 classes are those of White et al., Phil. Trans. R.
Soc. B 314:1 (1986), doi:10.1098/rstb.1986.0056; the neurons of the male only are those that Cook et al., Nature 571:63
(2019), doi:10.1038/s41586-019-1352-7, list in their supplementary matrices. Numbers are written without padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["HERMAPHRODITE_NEURONS", "MALE_NEURONS", "NEURONS", "NEURON_CLASSES", "Neuron"]

Sex = Literal["both", "hermaphrodite", "male"]
Side = Literal["L", "R", "none"]


@dataclass(frozen=True)
class Neuron:
    """A neuron as the table lists it."""

    name: str
    neuron_class: str
    side: Side
    """``none`` for cells without a partner on the other side."""
    sex: Sex
    """In which animals the cell exists."""


# Each word is a class; its members are the class name and an ending. A single cell's name is its class.
_PAIRED = """
    ADA ADE ADF ADL AFD AIA AIB AIM AIN AIY AIZ ALM ALN ASE ASG ASH ASI ASJ ASK AUA AVA AVB AVD AVE AVF AVH AVJ AVK
    AWA AWB AWC BAG BDU CAN FLP HSN I1 I2 LUA M2 M3 MC NSM OLL PDE PHA PHB PHC PLM PLN PVC PVD PVN PVP PVQ PVW RIA
    RIB RIC RIF RIG RIM RIP RIV RMF RMG RMH SDQ URB URX
"""
_SINGLE = "ALA AQR AVG AVL AVM DVA DVB DVC I3 I4 I5 I6 M1 M4 M5 MI PDA PDB PQR PVM PVR PVT RID RIH RIR RIS"
_NUMBERED = {"AS": 11, "DA": 9, "DB": 7, "DD": 6, "VA": 12, "VB": 11, "VC": 6, "VD": 13}
_FOUR = ("DL", "DR", "VL", "VR")
_SIX = ("DL", "DR", "L", "R", "VL", "VR")
_GROUPED = {
    **dict.fromkeys(("CEP", "OLQ", "SAA", "SIA", "SIB", "SMB", "SMD", "URA", "URY"), _FOUR),
    **dict.fromkeys(("IL1", "IL2", "RMD"), _SIX),
    "RME": ("D", "L", "R", "V"),
    "SAB": ("D", "VL", "VR"),
}
_HERMAPHRODITE_ONLY = frozenset({"HSN", "VC"})

_MALE_PAIRED = """
    MCM PCA PCB PCC PHD R1A R1B R2A R2B R3A R3B R4A R4B R5A R5B R6A R6B R7A R7B R8A R8B R9A R9B SPC SPD SPV
"""
_MALE_SINGLE = "DVE DVF HOA HOB PDC PGA PVV PVX PVY PVZ"
_MALE_NUMBERED = {"CA": 9, "CP": 9, "DX": 3, "EF": 3}
_MALE_GROUPED = {"CEM": _FOUR}


def _classes(
    paired: str, single: str, numbered: Mapping[str, int], grouped: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    classes: dict[str, tuple[str, ...]] = {name: (f"{name}L", f"{name}R") for name in paired.split()}
    classes |= {name: (name,) for name in single.split()}
    classes |= {name: tuple(f"{name}{at}" for at in range(1, count + 1)) for name, count in numbered.items()}
    classes |= {name: tuple(name + ending for ending in endings) for name, endings in grouped.items()}
    return dict(sorted(classes.items()))


def _neurons(classes: Mapping[str, tuple[str, ...]], *, male: bool) -> dict[str, Neuron]:
    neurons = {}
    for neuron_class, members in classes.items():
        sex: Sex = "male" if male else "hermaphrodite" if neuron_class in _HERMAPHRODITE_ONLY else "both"
        for name in members:
            partner = name[:-1] + {"L": "R", "R": "L"}.get(name[-1], "")
            side: Side = ("L" if name[-1] == "L" else "R") if partner in members and partner != name else "none"
            neurons[name] = Neuron(name, neuron_class, side, sex)
    return neurons


_SHARED_CLASSES = _classes(_PAIRED, _SINGLE, _NUMBERED, _GROUPED)
_MALE_CLASSES = _classes(_MALE_PAIRED, _MALE_SINGLE, _MALE_NUMBERED, _MALE_GROUPED)

NEURON_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(_SHARED_CLASSES | _MALE_CLASSES)
"""Class to the names of its members, of both sexes."""

NEURONS: Mapping[str, Neuron] = MappingProxyType(
    _neurons(_SHARED_CLASSES, male=False) | _neurons(_MALE_CLASSES, male=True)
)
"""Every neuron of both sexes by name: by class in text order, then by number or body position."""

HERMAPHRODITE_NEURONS: tuple[str, ...] = tuple(name for name, cell in NEURONS.items() if cell.sex != "male")
"""The 302 neurons of the hermaphrodite."""

MALE_NEURONS: tuple[str, ...] = tuple(name for name, cell in NEURONS.items() if cell.sex != "hermaphrodite")
"""The 294 neurons that the male shares with the hermaphrodite and those it has alone."""
