"""Generated recordings in GDF 2."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

TYPES = {"i1": 1, "i2": 3, "i4": 5, "i24": 279, "f4": 16, "f8": 17}


def gdf(path: Path, *, channels, record_s=(1, 1), events=None, event_hz=0.0, n_records=None, extra=b"") -> Path:
    """Write a generated file.

    A channel is (label, type, unit code, (phys min, phys max, dig min, dig max), samples of shape (record, sample));
    an event is (position from 1, code) or (position, code, channel, duration).
    """
    count = len(channels)
    total = channels[0][4].shape[0]
    head = b"GDF 2.20" + b"X X".ljust(66) + bytes(14) + b"generated".ljust(64) + bytes(16)
    head += struct.pack("<QQH", int((733_000.25) * 2**32), 0, 1 + count)
    head = head.ljust(236, b"\0") + struct.pack(
        "<qIIHH", total if n_records is None else n_records, *record_s, count, 0
    )
    assert len(head) == 256
    head += b"".join(item[0].encode().ljust(16, b"\0") for item in channels) + bytes(86 * count)
    head += b"".join(struct.pack("<H", item[2]) for item in channels)
    for column in range(4):
        head += b"".join(struct.pack("<d", item[3][column]) for item in channels)
    head += bytes(80 * count)
    head += b"".join(struct.pack("<I", item[4].shape[1]) for item in channels)
    head += b"".join(struct.pack("<I", TYPES[item[1]]) for item in channels)
    head += bytes(32 * count)
    body = b""
    for record in range(total):
        for _, kind, _, _, samples in channels:
            if kind == "i24":
                body += np.asarray(samples[record], "<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
            else:
                body += np.asarray(samples[record], f"<{kind}").tobytes()
    if events is not None:
        full = bool(events) and len(events[0]) == 4
        body += struct.pack("<B", 3 if full else 1) + len(events).to_bytes(3, "little") + struct.pack("<f", event_hz)
        for column, form in enumerate("IHHI"[: 4 if full else 2]):
            body += b"".join(struct.pack(f"<{form}", event[column]) for event in events)
    path.write_bytes(head + body + extra)
    return path
