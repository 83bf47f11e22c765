"""BIDS trees for tests: that of a real dataset from its listing, and small generated ones."""

from __future__ import annotations

import csv
import gzip
import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np


def rebuild(source: Path, root: Path) -> Path:
    """Make the tree of a dataset as a clone without data has it, from its listing and its sidecars.

    Images become links that lead nowhere, as git-annex leaves them; what else is not at hand becomes one byte.
    """
    root.mkdir(parents=True)
    with tarfile.open(source / "sidecars_bids_tree.tar.gz") as archive:
        archive.extractall(root, filter="data")
    with (source / "tree.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            path = root / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if row["stored"] == "annex":
                key = f"SHA256E-s{row['bytes']}--{row['sha256']}.nii.gz"
                path.symlink_to(f"../../.git/annex/objects/aa/bb/{key}/{key}")
            elif not path.exists():
                at_hand = source / path.name
                path.write_bytes(at_hand.read_bytes() if at_hand.is_file() else b"-")
    return root


def nifti(image: np.ndarray, affine: np.ndarray | None = None) -> bytes:
    """Return a NIfTI-1 file of a small image (int16 or uint8), written from the format's own description."""
    affine = np.eye(4) if affine is None else affine
    code = {"uint8": 2, "int16": 4, "float32": 16}[str(image.dtype)]
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, image.ndim, *image.shape, *([1] * (7 - image.ndim)))
    struct.pack_into("<2h", header, 70, code, image.dtype.itemsize * 8)
    steps = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    struct.pack_into("<8f", header, 76, 1.0, *steps, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
    header[123] = 2  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + b"\0" * 4 + image.tobytes(order="F")


def write(root: Path, files: dict[str, Any]) -> Path:
    """Write files below a root: bytes as they are, arrays as (gzipped) NIfTI, objects as JSON, text as UTF-8."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            content = nifti(content)
        if isinstance(content, (dict, list)):
            content = json.dumps(content)
        if isinstance(content, str):
            content = content.encode()
        if name.endswith(".gz") and content[:2] != b"\x1f\x8b" and content[:4] == struct.pack("<i", 348):
            content = gzip.compress(content, mtime=0)
        path.write_bytes(content)
    return root


def annex_link(path: Path, size: int, sha256: str) -> None:
    """Make a link as git-annex does for a file that is not here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = f"SHA256E-s{size}--{sha256}.nii.gz"
    path.symlink_to(f"../../.git/annex/objects/1a/2b/{key}/{key}")
