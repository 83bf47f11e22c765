"""What is known of every class of neuron: transmitter and role, as one publication lists them.

Source: Hobert, Glenwinkel and White, Curr. Biol. 26:R1197 (2016), doi:10.1016/j.cub.2016.10.027, Table S1, which
tells the roles by the colour of the class. Its abbreviations are written out (it spells ``ACh`` and ``Ach`` for one
transmitter). A class that it calls orphan has no known transmitter and is left out here; so is the role of RIV, whose
shade is not in the legend; so are the neurons of the male only, which it does not list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ROLES", "ROLE_OF_CLASS", "TRANSMITTER_OF_CLASS"]

ROLES = ("sensory", "inter", "motor", "pharyngeal")


def _by_class(table: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: value for value, names in table.items() for name in names.split()})


TRANSMITTER_OF_CLASS: Mapping[str, str] = _by_class(
    {
        "glutamate": """
        ADA ADL AFD AIB AIM AIZ ALM AQR ASE ASG ASH ASK AUA AVM AWC BAG DVC FLP I2 IL1 LUA M3 MI OLL OLQ PHA
        PHB PHC PLM PQR PVD PVQ PVR RIA RIG RIM URY
    """,
        "dopamine": "ADE CEP PDE",
        "acetylcholine": """
        ADF AIA AIN AIY ALN AS ASJ AVA AVB AVD AVE AVG AWB DA DB DVA I1 I3 IL2 M1 M2 M4 M5 MC PDA PDB PLN
        PVC PVN PVP RIF RIH RIR RIV RMD RMF RMH SAA SAB SDQ SIA SIB SMB SMD URA URB URX VA VB VC
    """,
        "GABA": "ALA AVF AVL DD DVB RIB RIS RME VD",
        "unknown monoamine": "CAN",
        "acetylcholine (minor)": "HSN",
        "glutamate, serotonin": "I5",
        "serotonin": "NSM",
        "octopamine": "RIC",
    }
)
"""Class of neuron to its transmitter in words."""

ROLE_OF_CLASS: Mapping[str, str] = _by_class(
    {
        "sensory": """
            ADE ADF ADL AFD ALA ALM ALN AQR ASE ASG ASH ASI ASJ ASK AVM AWA AWB AWC BAG CEP FLP IL1 IL2 OLL OLQ
            PDE PHA PHB PHC PLM PLN PQR PVD PVM URA URB URX URY
        """,
        "inter": """
            ADA AIA AIB AIM AIN AIY AIZ AUA AVA AVB AVD AVE AVF AVG AVH AVJ AVK BDU CAN DVA DVC LUA PVC PVN PVP
            PVQ PVR PVT PVW RIA RIB RIC RID RIF RIG RIH RIP RIR RIS SAA SDQ
        """,
        "motor": """
            AS AVL DA DB DD DVB HSN PDA PDB RIM RMD RME RMF RMG RMH SAB SIA SIB SMB SMD VA VB VC VD
        """,
        "pharyngeal": """
            I1 I2 I3 I4 I5 I6 M1 M2 M3 M4 M5 MC MI NSM
        """,
    }
)
"""Class of neuron to one of ``ROLES``."""
