"""Which files IDEAS consists of, where they are offered, and what is known of their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ..jobs import RemoteFile
from .listed import listed_rows

__all__ = [
    "COMMON",
    "FREESURFER",
    "LISTED_IMAGES",
    "METADATA",
    "RESECTED",
    "SIDECARS",
    "ZSCORES",
    "RawScan",
    "images",
    "patterns",
    "raw_scans",
    "tables",
]

TREE_COMMIT = "3f05cf31b9ca09b1494d4c090a67918b6c472d27"
SIDECARS = "ideas/openneuro_ds005602/sidecars_bids_tree.tar.gz"
RESECTED = "ideas/metadata/table_resected.csv"
_TEAM_10 = (
    "https://raw.githubusercontent.com/AAAI-2025-Hackathon/team_10/52aafe2320fcb7365f8f066ea4c31ef03c23dce8/dataset"
)
_PARCELLATION = "freesurfer_thvosu_DKparcellation"
# Path below ideas/: path at team_10, bytes, sha256.
_TABLES: Mapping[str, tuple[str, int, str]] = {
    "metadata/Metadata_Release_Anon.csv": (
        "Metadata/Metadata_Release_Anon.csv", 39812, "b086da82e4a43a56909f3ebdc762d0323fb20224b7be4a0a0ba71ca06d9368a7",
    ),
    "metadata/Metadata_Controls_Release.csv": (
        "Metadata/Metadata_Controls_Release.csv", 1624,
        "b42aad0ce8bafbb04e4d890983d23827ec92aeef1bd30dc25a3eefb067d640f8",
    ),
    "freesurfer_tables/aparc_area.txt": (
        f"{_PARCELLATION}/aparc_area.txt", 168975, "0ec55d0aba605fb5ec6f07dd7379949daf22126d8e0700fec0f0bcba00c1bc17",
    ),
    "freesurfer_tables/aparc_thick.txt": (
        f"{_PARCELLATION}/aparc_thick.txt", 204787, "a66c43c8b345a64ac2bf9c93772248b57b162fd69a4f012980b990cb5f0ea674",
    ),
    "freesurfer_tables/aparc_vol.txt": (
        f"{_PARCELLATION}/aparc_vol.txt", 178296, "27c54ef77561cf5dd56b55064cb2b129096eb916e440fcc1238a4ec5adcc203f",
    ),
    "freesurfer_tables/aseg_vol.txt": (
        f"{_PARCELLATION}/aseg_vol.txt", 177656, "ade1c70f3f7c1a71c34211285647df916431df1db9694d883e9bea1c67f00c88",
    ),
    "freesurfer_tables/controls_aparc_area.txt": (
        f"{_PARCELLATION}/controls_aparc_area.txt", 39879,
        "e0abd3fb6f30d417d8682940d0aa767028af8378f66cc843ed6db3442b014120",
    ),
    "freesurfer_tables/controls_aparc_thick.txt": (
        f"{_PARCELLATION}/controls_aparc_thick.txt", 48241,
        "ce59a3bc6f247cd9b24e7c57c55dfe0d9a6375522a74497c83143b71090fc643",
    ),
    "freesurfer_tables/controls_aparc_vol.txt": (
        f"{_PARCELLATION}/controls_aparc_vol.txt", 42208,
        "7814edb2832f829fb56100fadfd15fbb8cd8f6c1b0f67bba0b3eb2e8b5f95b21",
    ),
    "freesurfer_tables/controls_aseg_vol.txt": (
        f"{_PARCELLATION}/controls_aseg_vol.txt", 41278,
        "d3d9ce3b95245af87a3e87a914a99bb070cd3d72d63301b08b11a69dffe05028",
    ),
    "zscores/area_zscores_controls.csv": (
        f"{_PARCELLATION}_zscored/area_zscores_controls.csv", 107046,
        "36553b2244f4aa65e6077a62b215067731fa0f218c8cb5435b634bd343f83815",
    ),
    "zscores/area_zscores_patients.csv": (
        f"{_PARCELLATION}_zscored/area_zscores_patients.csv", 575647,
        "ace4005bbdb48e268f782cbc07c8302cac4cf198e35f3bb8f22db3ef7dbbcf14",
    ),
    "zscores/thick_zscores_controls.csv": (
        f"{_PARCELLATION}_zscored/thick_zscores_controls.csv", 108615,
        "3a38e5a19aeabc0d4f04230dabc06a00d0f336e7fdcc9e5af6fb7de58ef17150",
    ),
    "zscores/thick_zscores_patients.csv": (
        f"{_PARCELLATION}_zscored/thick_zscores_patients.csv", 575883,
        "0782604fd181c781af863ac835efa7119ec588ce655574dcb7ff5b3bf0c51274",
    ),
    "zscores/vol_zscores_controls.csv": (
        f"{_PARCELLATION}_zscored/vol_zscores_controls.csv", 133050,
        "cb7bec7b5b1e5c58c78f08b59d3cb8781c813bd0d0f55f7576f21b7b55a984e2",
    ),
    "zscores/vol_zscores_patients.csv": (
        f"{_PARCELLATION}_zscored/vol_zscores_patients.csv", 707837,
        "7d92ddc3021e84b86499f22689b93492a5526d194a3e5f7078feed65c1fd8b34",
    ),
}  # fmt: skip
METADATA = ("ideas/metadata/Metadata_Release_Anon.csv", "ideas/metadata/Metadata_Controls_Release.csv")
FREESURFER = tuple(f"ideas/{path}" for path in _TABLES if path.startswith("freesurfer_tables/"))
ZSCORES = tuple(f"ideas/{path}" for path in _TABLES if path.startswith("zscores/"))
COMMON = (*METADATA, *FREESURFER, *ZSCORES, SIDECARS, RESECTED)
"""Files that every record depends on."""
LISTED_IMAGES: Mapping[str, str] = {
    "111_freesurfer_orig.nii.gz": "37019e3e229a2f1fe603ed9fc78708fb8247a247dd7063d385d818000c267375",
    "1_freesurfer_orig.nii.gz": "37aad275a684cca9b499b37433bbcf3bc82db3c9e1f4cb527120eb53f519d1ca",
    "4012_freesurfer_orig.nii.gz": "7b04e08e8c3c00e9e926bc99e1f324ebe682489529af67a3e59ef9f10892ed4e",
    "5_freesurfer_orig.nii.gz": "1052d39de35a0b3f29181f15d73da7f9fdd9309ac42fb20158a61957efb25469",
    "1_MaskInOrig.nii.gz": "4c9ed841d5a06ecd45a2aa12e89f7c0dcd19412525e118cbf197e6f3f2945999",
    "111_MaskInOrig.nii.gz": "f4cd5ffebadec978fb9c53c23f165d17d09e24689dbceed68071b27f9abcebec",
    "5_MaskInOrig.nii.gz": "02e4121cd431e8f045d234055b39ac9dbc0abac5683d9b81949c54c08695ca74",
}
"""Name to sha256 of the few whose bytes are known."""
_PATTERNS: Mapping[str, str] = {
    "ideas/images/freesurfer_orig/*_freesurfer_orig.nii.gz": "https://figshare.com/s/f13391a4161b807ce6b0",
    "ideas/images/masks/*_MaskInOrig.nii.gz": "https://figshare.com/s/31ab43d1829b12ac13e8",
    "ideas/images/masks/*_MaskInRawData.nii.gz": "https://figshare.com/s/31ab43d1829b12ac13e8",
    "ideas/metadata/table_resected.csv": "https://figshare.com/s/097ba0e254e36f0eee52",
}
"""Items of the release that are offered as archives, or behind a page: what to lay where, and where to get it."""


@dataclass(frozen=True)
class RawScan:
    """A raw image of the release."""

    path: str
    """In the BIDS tree."""
    suffix: str
    """``T1w`` or ``FLAIR``."""
    size_bytes: int
    sha256: str
    sidecar_sha256: str

    @property
    def sidecar(self) -> str:
        """Path of the JSON file beside it."""
        return self.path.removesuffix(".nii.gz") + ".json"


@cache
def raw_scans() -> Mapping[str, tuple[RawScan, ...]]:
    """Return the raw images of everybody, by number: T1w, then FLAIR where there is one."""
    rows = {row["path"]: row for row in listed_rows("ideas2024-tree")}
    found: dict[str, list[RawScan]] = {}
    for path, row in rows.items():
        if not path.endswith(".nii.gz"):
            continue
        folder, _, name = path.split("/")
        scan = RawScan(
            path,
            name.removesuffix(".nii.gz").rpartition("_")[2],
            int(row["size_bytes"]),
            row["sha256"],
            rows[path.removesuffix(".nii.gz") + ".json"]["sha256"],
        )
        found.setdefault(folder.removeprefix("sub-"), []).append(scan)
    return {person: tuple(sorted(scans, key=lambda scan: scan.suffix, reverse=True)) for person, scans in found.items()}


def tables() -> list[RemoteFile]:
    """List the tables, and the tree's sidecars in an archive that GitHub makes anew, so that it has no checksum."""
    listed = [
        RemoteFile(f"ideas/{path}", f"{_TEAM_10}/{origin}", size, sha256, licence="none-stated")
        for path, (origin, size, sha256) in _TABLES.items()
    ]
    archive = f"https://github.com/OpenNeuroDatasets/ds005602/archive/{TREE_COMMIT}.tar.gz"
    return [*listed, RemoteFile(SIDECARS, archive, licence="CC0-1.0", optional=True)]


def images() -> list[RemoteFile]:
    """List the raw images; they are large, so each is optional."""
    return [
        RemoteFile(
            f"ideas/openneuro_ds005602/{scan.path}",
            f"https://s3.amazonaws.com/openneuro.org/ds005602/{scan.path}",
            scan.size_bytes,
            scan.sha256,
            licence="CC0-1.0",
            records=(f"sub-{person}",),
            optional=True,
        )
        for person, scans in raw_scans().items()
        for scan in scans
    ]


def patterns() -> list[RemoteFile]:
    """List what is offered in archives or behind pages."""
    return [
        RemoteFile(pattern, url, licence="none-stated", optional=True, pattern=True)
        for pattern, url in _PATTERNS.items()
    ]
