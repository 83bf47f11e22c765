"""Generated recordings in Nihon Kohden's layout: ``.EEG`` with its blocks, ``.21E`` and ``.LOG``."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

DEVICE = b"EEG-1100C V01.00"


def nihon_kohden(
    folder: Path,
    blocks: Sequence[tuple[datetime | None, np.ndarray]],
    *,
    codes: Sequence[int],
    rate_hz: int = 200,
    labels: Mapping[int, str] | None = None,
    events: Sequence[tuple[float, bytes]] | None = (),
    parts_of_seconds: bool = False,
) -> Path:
    """Write a recording; a block is its start and int16 samples of shape (channel, time), markers last."""
    control_at, at = 0x400, 0x1800
    head = bytearray(at)
    head[:16] = head[0x81:0x91] = DEVICE
    head[0x91] = 1
    head[0x17FE] = 1
    struct.pack_into("<I", head, 0x92, control_at)
    head[control_at + 17] = len(blocks)
    body = b""
    for number, (began, samples) in enumerate(blocks):
        struct.pack_into("<I", head, control_at + 18 + 20 * number, at + len(body))
        stated = bytes(6) if began is None else bytes.fromhex(began.strftime("%y%m%d%H%M%S"))
        block = bytes(0x14) + (b"\xff" * 6 if began is None else stated)
        block += struct.pack("<HI", rate_hz | 0xC000, samples.shape[1] * 10 // rate_hz)
        block = block.ljust(0x26, b"\0") + bytes([len(codes)])
        block += b"".join(bytes([code]).ljust(10, b"\0") for code in codes)
        stored = samples.view(np.uint16).copy()
        stored[:-1] ^= 0x8000
        body += block + stored.T.astype("<u2").tobytes()
    path = folder / "rec.EEG"
    path.write_bytes(bytes(head) + body)
    if labels is not None:
        lines = [
            "[PATIENT]",
            "0000=not a label",
            "[ELECTRODE]",
            *(f"{code:04}={name}" for code, name in labels.items()),
        ]
        path.with_suffix(".21E").write_text("\r\n".join([*lines, "[SD_DEF]", "0000=nor this"]), encoding="latin-1")
    if events is not None:
        path.with_suffix(".LOG").write_bytes(_log(events, parts_of_seconds))
    return path


def _log(events: Sequence[tuple[float, bytes]], parts_of_seconds: bool) -> bytes:
    whole, parts = b"", b""
    for time, text in events:
        seconds = int(time)
        clock = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}".encode()
        whole += text[:20].ljust(20, b"\0") + clock + bytes(19)
        parts += text[20:].ljust(20, b"\0") + bytes(4) + f"{round((time - seconds) * 10**6):06}".encode() + bytes(15)
    head = bytearray(0x92 + 20 * 44)
    head[:16] = DEVICE
    head[0x91] = 1
    for place, entries in ((0, whole), (22, parts if parts_of_seconds else b"")):
        if not place or entries:
            struct.pack_into("<I", head, 0x92 + 20 * place, len(head))
            head += b"\0" + DEVICE + b"\0" + bytes([len(entries) // 45]) + b"\0" + entries
    return bytes(head)
