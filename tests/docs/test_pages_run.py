"""Every block of code in the documentation, executed as a reader would, on real data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connectome.pipelines.ingest import ingest
from connectome.store import Repository
from support import run_page
from support.doc_pages import PAGES, RUNNABLE, Block, blocks_of, name_of, pattern_of
from support.recording_layouts import chb_mit_case

FROM_THE_INDEX = ("ecog-demo", "mni-template", "grasshopper-spikes")
FROM_FILES = {
    "celegans-activity": ("worm", None),
    "celegans-connectomes": ("worm", "cook2019-*"),
    "mouse-head-direction": ("neuropixels", None),
    "mouse-alm-delayed-response": ("neuropixels", "anm00239123-20170627T093549"),
    "vesselgraph": ("vessel", "example"),
    "eegmmidb": ("eeg/physionet_eegmmidb", "S001R06,S001R10,S001R14"),
    "ideas-epilepsy": ("mri", "sub-1,sub-5,sub-111,sub-4012"),
}
"""Dataset to the folder of its real files and the records that the pages speak of."""
FROM_LAYOUTS = {"chb-mit": {"chb01": range(2, 9), "chb03": (3, 4, 7, 8), "chb05": range(6, 10)}}
"""Dataset to the cases and files that are generated under their names, with the real summaries."""
IN_PART = {"eegmmidb", "vesselgraph", "mouse-alm-delayed-response", "ideas-epilepsy"}
"""Datasets of which only these records' files lie there."""
STARTS_EMPTY = {"docs/tutorial/first-steps.md"}
"""Pages whose reader has no store yet; only the downloads are at hand."""
TIMEOUT_S = 500


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that are executed."""
    return [block for block in blocks_of(page) if block.language in RUNNABLE and block.remark != "not run"]


RUNNING = [page for page in PAGES if runnable(page)]


@pytest.fixture(scope="module")
def from_the_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of the datasets that packages on the index carry."""
    root = tmp_path_factory.mktemp("index") / "store"
    for dataset in FROM_THE_INDEX:
        ingest(Repository(root), dataset)
    return root


@pytest.fixture(scope="module")
def from_files(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of what is made of the real files."""
    root = tmp_path_factory.mktemp("files") / "store"
    for dataset, (folder, select) in FROM_FILES.items():
        ingest(Repository(root), dataset, select=select, mirror=data_dir / folder, allow_missing=dataset in IN_PART)
    return root


@pytest.fixture(scope="module")
def from_layouts(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of generated recordings in the layout of a dataset that is too large to lie here."""
    folder = tmp_path_factory.mktemp("layouts")
    names = []
    for case, numbers in FROM_LAYOUTS["chb-mit"].items():
        files = [f"{case}_{number:02}.edf" for number in numbers]
        summary = data_dir / "eeg/physionet_chbmit_meta" / f"{case}-summary.txt"
        chb_mit_case(folder / "chb_mit" / case, summary, files=files)
        names += [name.removesuffix(".edf") for name in files]
    ingest(Repository(folder / "store"), "chb-mit", select=",".join(names), mirror=folder, allow_missing=True)
    return folder / "store"


def link_store(source: Path, target: Path) -> None:
    """Copy a store; its files are never changed in place, so links to them will do."""
    for folder in sorted(item for item in source.iterdir() if item.name != "staging"):
        shutil.copytree(folder, target / folder.name, copy_function=os.link, dirs_exist_ok=True)


@pytest.mark.package
@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_the_blocks_of_a_page_run_and_print_what_it_says(
    page: Path, from_the_index: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    blocks = blocks_of(page)
    chosen = runnable(page)
    stores = [from_the_index]
    if any(dataset in block.text for block in chosen for dataset in FROM_FILES):
        stores.append(request.getfixturevalue("from_files"))
    if any(dataset in block.text for block in chosen for dataset in FROM_LAYOUTS):
        stores.append(request.getfixturevalue("from_layouts"))
    for store in stores:
        if name_of(page) in STARTS_EMPTY:
            shutil.copytree(store / "raw", tmp_path / "store" / "raw", copy_function=os.link, dirs_exist_ok=True)
        else:
            link_store(store, tmp_path / "store")
            link_store(store, tmp_path / ".demo")
    asked = [
        {"language": block.language, "text": block.text, "place": block.place, "fails": block.remark == "fails"}
        for block in chosen
    ]
    done = subprocess.run(
        [sys.executable, run_page.__file__],
        input=json.dumps(asked),
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    said = {block.place: following(blocks, block) for block in chosen}
    for block, result in zip(chosen, results, strict=False):
        assert result["ok"] is (block.remark != "fails"), f"{block.place}\n{result['output']}"
        expected = said[block.place]
        if expected is not None:
            assert pattern_of(expected).match(result["output"]), f"{block.place} prints\n{result['output']}"
    assert len(results) == len(chosen)


def following(blocks: list[Block], block: Block) -> str | None:
    """Return the ``text`` block that comes next: what the page says that the block prints."""
    after = blocks[blocks.index(block) + 1 :]
    return after[0].text if after and after[0].language == "text" else None


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader: the store is a folder here, commands are those of this interpreter."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    return kept | {
        "CONNECTOME_ROOT": str(folder / "store"),
        "CONNECTOME_CACHE": str(folder / "cache"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
