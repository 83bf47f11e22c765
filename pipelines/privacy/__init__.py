"""What in a record may say who somebody is: found, listed, and taken out of copies that are passed on.

``audit`` looks at attributes, sidecars, raw headers and text columns by rules over names (``rules``) and over values
(``patterns``), ``headers`` at the fields and extensions of NIfTI, MGH and Analyze; ``strip`` makes a record without
what was found, ``copies`` a whole version. The record in the store is never altered.
"""

from __future__ import annotations

from .audit import Audit, audit_record, audit_version, concerns_people
from .copies import StrippedVersion, stripped_version
from .findings import FACES, Finding
from .policy import check_identifying
from .strip import Stripped, strip

__all__ = [
    "FACES",
    "Audit",
    "Finding",
    "Stripped",
    "StrippedVersion",
    "audit_record",
    "audit_version",
    "check_identifying",
    "concerns_people",
    "strip",
    "stripped_version",
]
