"""Formats of spikes are told from one another and from all others, over every real file and folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectome.errors import FormatError
from connectome.pipelines.formats import FORMATS, recognise

pytestmark = pytest.mark.data

SPIKES = ("alf", "mat-spikes", "phy", "steinmetz-counts")
SUFFIXES = sorted({suffix for name in SPIKES for suffix in FORMATS[name].suffixes})


def own(path: Path, data_dir: Path) -> str | None:
    """Return the format of spikes that a real file is of."""
    folder = path.relative_to(data_dir).parts[:2]
    return {
        ("neuropixels", "steinmetz2019_visual"): "steinmetz-counts",
        ("neuropixels", "stevenson_m1"): "mat-spikes",
    }.get(folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_real_file_is_taken_for_another(suffix: str, data_dir: Path) -> None:
    files = [path for path in sorted(data_dir.rglob(f"*{suffix}")) if path.is_file()]
    assert files
    for path in files:
        found, refusal = None, ""
        try:
            found = recognise([path]).name
        except FormatError as error:
            refusal = str(error)
        assert "several formats" not in refusal, path
        expected = own(path, data_dir)
        assert found == expected if expected else found not in SPIKES, path


def test_no_real_folder_is_taken_for_spikes(data_dir: Path) -> None:
    folders = [path for path in sorted(data_dir.rglob("*")) if path.is_dir()]
    for folder in [data_dir, *folders]:
        assert not any(FORMATS[name].load().sniff(folder) for name in ("alf", "phy")), folder
