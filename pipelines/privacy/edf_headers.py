"""The header of EDF that a recording keeps byte by byte: whom it names and when, and the same without.

The bytes that take the place of a field are those that EDF+ prescribes for what is not known (section 2.1.3), so that
the header stays one. Kemp and Olivan 2003, doi:10.1016/s1388-2457(03)00123-8; https://www.edfplus.info/specs/edfplus.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from .findings import Finding

if TYPE_CHECKING:
    import xarray as xr

GROUP = "edf/header"
KEPT_OF_EDF = (GROUP, "edf/annotations")
"""Groups with bytes of the file."""
FIELDS: Mapping[str, tuple[int, int, str, bytes]] = {
    "patient": (8, 80, "identifier", b"X X X X"),
    "recording": (88, 80, "identifier", b"Startdate X X X X"),
    "startdate": (168, 8, "date", b"01.01.85"),
}
"""Field to its place, its length, its kind and what stands for nothing."""
NOTHING = {b"", b"X", b"X X X X", b"X X X", b"Startdate X X X X", b"01.01.85", b"00.00.00"}


def header_findings(record: str, group: str, data: xr.Dataset) -> Iterator[Finding]:
    """Yield the fields of the kept header that say something."""
    if group != GROUP or "byte" not in data:
        return
    header = data["byte"].values.tobytes()
    for name, (start, length, kind, _) in FIELDS.items():
        raw = header[start : start + length].strip(b" \0")
        if raw not in NOTHING:
            yield Finding(record, f"{group}/byte.{name}", kind, raw.decode("latin-1"), True, group, ("edf", name))


def without(data: xr.Dataset, names: set[str]) -> xr.Dataset:
    """Return the kept header with those fields saying nothing."""
    held = bytearray(data["byte"].values.tobytes())
    for name in names:
        start, length, _, nothing = FIELDS[name]
        held[start : start + length] = nothing.ljust(length)
    variable = data.variables["byte"]
    return data.assign({"byte": (variable.dims, np.frombuffer(bytes(held), dtype=np.uint8), dict(variable.attrs))})
