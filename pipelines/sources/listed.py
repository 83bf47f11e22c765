"""Lists of public files, sessions and insertions that come with the package, as tab-separated text in ``assets/``.

They hold facts, with their origin in the first lines: what a publisher offers, how long it is and its checksum.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..jobs import RemoteFile

__all__ = ["Asset", "dandi_assets", "listed_rows"]

_FOLDER = Path(__file__).parent / "assets"
_DOWNLOAD = "https://api.dandiarchive.org/api/assets"


@dataclass(frozen=True)
class Asset:
    """One file of a dandiset."""

    path: str
    size_bytes: int
    sha256: str
    asset_id: str

    @property
    def url(self) -> str:
        """Return where the DANDI archive serves it; the id of an asset stands for these bytes and no others."""
        return f"{_DOWNLOAD}/{self.asset_id}/download/"

    def remote(self, folder: str, *, licence: str, records: tuple[str, ...]) -> RemoteFile:
        """Return the asset as a raw file below a folder; large archives are taken in part, so it is optional."""
        return RemoteFile(
            f"{folder}/{self.path}", self.url, self.size_bytes, self.sha256, licence=licence, records=records,
            optional=True,
        )  # fmt: skip


def listed_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a list as texts by column, in the order of the file."""
    with (_FOLDER / f"{name}.tsv").open(encoding="utf-8", newline="") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def dandi_assets(dandiset: str) -> tuple[Asset, ...]:
    """Return the assets of a dandiset, sorted by path."""
    return tuple(
        Asset(row["path"], int(row["size_bytes"]), row["sha256"], row["asset_id"])
        for row in listed_rows(f"dandi-{dandiset}")
    )
