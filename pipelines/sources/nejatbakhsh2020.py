"""Nejatbakhsh et al. 2020: whole-brain activity of semi-immobilised NeuroPAL worms under chemical stimuli.

Source: DANDI 000541, version 0.241009.1457, doi:10.48324/dandi.000541/0.241009.1457, CC-BY-4.0: 21 animals, one NWB
file each (``sub-20190928-08/sub-20190928-08_ses-20190928_ophys.nwb``), made by WormID from the recordings of Yemini et
al. 2021. Nobody says which of its animals is which of theirs, so both sources name the set (attribute ``overlap``), and
no split by animals separates them. The files hold the images and are large; the user downloads them with DANDI's own
client into ``nejatbakhsh2020/``, as ``dandi download DANDI:000541/0.241009.1457`` lays them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .wormid2025 import DandiWorms

__all__ = ["Nejatbakhsh2020"]


class Nejatbakhsh2020(DandiWorms):
    """Recordings of Nejatbakhsh et al. 2020, one record per animal."""

    id = "nejatbakhsh2020"
    version = "4"
    dandisets: ClassVar[Mapping[str, str]] = {"": "000541/0.241009.1457"}
    conditions: ClassVar[Mapping[str, str]] = {"": "semi-immobilised in a microfluidic chip, chemical stimuli"}
    citation: ClassVar[Mapping[str, Any]] = {
        "source": "nejatbakhsh2020",
        "citation": "Nejatbakhsh, Varol, Yemini et al., bioRxiv 2020.07.07.192120 (2020)",
        "doi": "10.1101/2020.07.07.192120",
        "licence": "CC-BY-4.0",
        "overlap": "yemini2021",
    }
