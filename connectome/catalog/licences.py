"""The licences that data may name, and whether they allow the data to be passed on.

Ids are those of the SPDX licence list; where a publisher uses no licence of that list, one of our own words says
what is known (``none-stated`` is the word for "nothing"). Whether a file may be redistributed is what ``publish`` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["LICENCES", "MIXED", "Licence", "licence_id"]


@dataclass(frozen=True)
class Licence:
    """What a licence is called and what it allows."""

    id: str
    title: str
    url: str | None
    redistribution: bool
    """Whether copies may be passed on, under the licence's conditions; False where that is unknown."""
    commercial: bool = True
    """Whether commercial use is allowed; False where that is unknown."""
    share_alike: bool = False
    """Whether derived data must carry the same licence."""
    note: str = ""


MIXED = "mixed"
"""The licence of a dataset whose sources have different ones."""

_CC = "https://creativecommons.org/licenses"
_SPDX = "https://spdx.org/licenses"


def _spdx(
    identifier: str, title: str, *, url: str | None = None, commercial: bool = True, share: bool = False
) -> Licence:
    address = url or f"{_SPDX}/{identifier}.html"
    return Licence(identifier, title, address, redistribution=True, commercial=commercial, share_alike=share)


_TABLE = (
    _spdx("CC0-1.0", "Creative Commons Zero 1.0", url="https://creativecommons.org/publicdomain/zero/1.0/"),
    _spdx("CC-BY-2.5", "Creative Commons Attribution 2.5", url=f"{_CC}/by/2.5/"),
    _spdx("CC-BY-3.0", "Creative Commons Attribution 3.0", url=f"{_CC}/by/3.0/"),
    _spdx("CC-BY-4.0", "Creative Commons Attribution 4.0", url=f"{_CC}/by/4.0/"),
    _spdx("CC-BY-SA-4.0", "Creative Commons Attribution ShareAlike 4.0", url=f"{_CC}/by-sa/4.0/", share=True),
    _spdx("CC-BY-ND-4.0", "Creative Commons Attribution NoDerivatives 4.0", url=f"{_CC}/by-nd/4.0/"),
    _spdx("CC-BY-NC-4.0", "Creative Commons Attribution NonCommercial 4.0", url=f"{_CC}/by-nc/4.0/", commercial=False),
    _spdx(
        "CC-BY-NC-SA-4.0",
        "Creative Commons Attribution NonCommercial ShareAlike 4.0",
        url=f"{_CC}/by-nc-sa/4.0/",
        commercial=False,
        share=True,
    ),
    _spdx(
        "CC-BY-NC-ND-4.0",
        "Creative Commons Attribution NonCommercial NoDerivatives 4.0",
        url=f"{_CC}/by-nc-nd/4.0/",
        commercial=False,
    ),
    _spdx("PDDL-1.0", "Open Data Commons Public Domain Dedication 1.0"),
    _spdx("ODC-By-1.0", "Open Data Commons Attribution 1.0"),
    _spdx("CDLA-Permissive-2.0", "Community Data License Agreement Permissive 2.0"),
    _spdx("ODbL-1.0", "Open Data Commons Open Database 1.0", share=True),
    _spdx("MIT", "MIT"),
    _spdx("ISC", "ISC"),
    _spdx("BSD-2-Clause", "BSD 2-Clause"),
    _spdx("BSD-3-Clause", "BSD 3-Clause"),
    _spdx("Apache-2.0", "Apache 2.0"),
    _spdx("Unlicense", "The Unlicense"),
    _spdx("MPL-2.0", "Mozilla Public License 2.0", share=True),
    _spdx("GPL-2.0-only", "GNU General Public License 2.0 only", share=True),
    _spdx("GPL-2.0-or-later", "GNU General Public License 2.0 or later", share=True),
    _spdx("GPL-3.0-only", "GNU General Public License 3.0 only", share=True),
    _spdx("GPL-3.0-or-later", "GNU General Public License 3.0 or later", share=True),
    _spdx("LGPL-2.1-or-later", "GNU Lesser General Public License 2.1 or later", share=True),
    _spdx("LGPL-3.0-or-later", "GNU Lesser General Public License 3.0 or later", share=True),
    _spdx("AGPL-3.0-only", "GNU Affero General Public License 3.0 only", share=True),
    _spdx("AGPL-3.0-or-later", "GNU Affero General Public License 3.0 or later", share=True),
    Licence(
        "none-stated",
        "No licence stated",
        None,
        redistribution=False,
        commercial=False,
        note="The publisher names no licence; ask before passing the data on.",
    ),
    Licence(
        "unpublished",
        "Unpublished data of the user",
        None,
        redistribution=False,
        commercial=False,
        note="For a lab's own recordings.",
    ),
    Licence(
        "data-use-agreement",
        "A data use agreement with the provider",
        None,
        redistribution=False,
        commercial=False,
        note="Whoever uses the data signs for it (EPISURG, the TUH EEG corpora); no copies may be passed on.",
    ),
    Licence(
        MIXED,
        "Different licences per source",
        None,
        redistribution=False,
        commercial=False,
        note="Only for datasets; what is allowed is decided by the licences of the sources.",
    ),
    Licence(
        "MNI-notice",
        "Copyright notice of the McConnell Brain Imaging Centre",
        "https://nist.mni.mcgill.ca/icbm-152-nonlinear-atlases-2009/",
        redistribution=True,
        note="Use, copying, change and redistribution for any purpose, as long as the copyright notice goes with it.",
    ),
    Licence(
        "CRCNS-terms",
        "Terms of use of CRCNS.org",
        "https://crcns.org/terms",
        redistribution=False,
        commercial=False,
        note="For scientific purposes only; no redistribution except to direct collaborators and students.",
    ),
    Licence(
        "SWEC-ETHZ-terms",
        "Terms of the SWEC-ETHZ iEEG database",
        "http://ieeg-swez.ethz.ch/",
        redistribution=False,
        commercial=False,
        note="Free for research and education only; whether copies may be passed on is not said.",
    ),
    Licence(
        "Allen-terms",
        "Terms of use of the Allen Institute",
        "https://alleninstitute.org/terms-of-use/",
        redistribution=False,
        commercial=False,
        note="Research and other non-commercial use with citation; anything else needs permission.",
    ),
    Licence(
        "Allen-software",
        "Allen Institute Software License",
        "https://alleninstitute.org/terms-of-use/",
        redistribution=True,
        commercial=False,
        note="The 2-clause BSD licence and a clause that forbids commercial redistribution and use.",
    ),
)

LICENCES = MappingProxyType({licence.id: licence for licence in _TABLE})
"""Licence id to what it allows."""

_BY_FOLDED = {identifier.casefold(): identifier for identifier in LICENCES} | {
    "cc0": "CC0-1.0",
    "pddl": "PDDL-1.0",
}
"""BIDS writes the last two without a version (BIDS 1.10, "License" of ``dataset_description.json``)."""


def licence_id(text: str) -> str | None:
    """Return the id as the table spells it, whatever its case in ``text``; None when the table does not have it."""
    return _BY_FOLDED.get(text.strip().casefold())
