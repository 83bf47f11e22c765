"""Generated recordings in Curry's layouts: ``.cdt`` and ``.cdt.dpa``, or ``.dat``, ``.dap`` and ``.rs3``; events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GROUPS = (("", "uV", ("Fp1", "Cz", "Ref"), (2, 1, 0)), ("_OTHERS", "uV", ("Trigger",), (3,)))
"""Suffix of the group, unit, labels and places in the file."""


def _list(name: str, rows: Sequence[str]) -> list[str]:
    return [f"{name} START_LIST\t# Do not edit!", *rows, f"{name} END_LIST", ""]


def curry(
    folder: Path,
    samples: np.ndarray,
    *,
    later: bool = True,
    keys: Mapping[str, str] | None = None,
    groups: Sequence[tuple[str, str, Sequence[str], Sequence[int]]] = GROUPS,
    events: Sequence[Sequence[int]] | None = (),
    remarks: Sequence[str] = (),
) -> Path:
    """Write samples of shape (channel, time) of one trial, as Curry 8 or, not ``later``, as Curry 7."""
    stated = {
        "FileVersion": "804", "NumSamples": str(samples.shape[1]), "NumChannels": str(len(samples)), "NumTrials": "1",
        "SampleFreqHz": "500", "SampleTimeUsec": "2000", "TriggerOffsetUsec": "0", "DataFormat": "FLOAT",
        "DataSampOrder": "SAMP", "DataByteOrder": "INTEL", "StartYear": "2019", "StartMonth": "12", "StartDay": "24",
        "StartHour": "23", "StartMin": "59", "StartSec": "1", "StartMillisec": "125", **(keys or {}),
    }  # fmt: skip
    head = [
        "DATA_PARAMETERS START",
        *(f"   {key:20} = {value}" for key, value in stated.items()),
        "DATA_PARAMETERS END",
    ]
    labels: list[str] = []
    for group, unit, names, places in groups:
        head += [f"DEVICE_PARAMETERS{group} START", f"   DataUnit = {unit}", f"   NumChanThisGroup = {len(names)}"]
        head += [f"DEVICE_PARAMETERS{group} END"]
        head += _list(f"CHAN_IN_FILE{group}", [str(place) for place in places])
        labels += _list(f"LABELS{group}", names)
        if group != "_OTHERS":
            labels += _list(f"SENSORS{group}", [f"{at}.5\t{at + 1}\t-{at}" for at in range(len(names))])
    if stated["DataFormat"] == "ASCII":
        content = "\n".join(" ".join(f"{value:.9g}" for value in row) for row in samples.T).encode()
    else:
        content = (samples.T if stated["DataSampOrder"] == "SAMP" else samples).astype("<f4").tobytes()
    stem = "rec.cdt" if later else "rec"
    path = folder / ("rec.cdt" if later else "rec.dat")
    path.write_bytes(content)
    (folder / f"{stem}.{'dpa' if later else 'dap'}").write_text("\n".join(head + (labels if later else [])) + "\n")
    if not later:
        (folder / "rec.rs3").write_text("\n".join(labels) + "\n")
    if events is not None:
        rows = ["\t".join(map(str, event)) for event in events]
        text = _list("NUMBER_LIST", rows) + (_list("REMARK_LIST", remarks) if remarks else [])
        (folder / f"{stem}.cef").write_text("\n".join(text) + "\n")
    return path
