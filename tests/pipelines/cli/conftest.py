"""A filled root, the command with its one document, and a list of edges to import."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import connectome
from connectome.pipelines.cli import main
from support import generated_source
from support.command_line import DATASET

if TYPE_CHECKING:
    from support.generated_source import Generated


@pytest.fixture(scope="module")
def filled(all_kinds, tmp_path_factory) -> Path:
    """A root with two versions of a generated dataset and a tag."""
    root = tmp_path_factory.mktemp("store") / "root"
    all_kinds.commit(root, {f"animal-{seed}": all_kinds.tree(seed) for seed in range(3)})
    all_kinds.commit(root, {f"animal-{seed}": all_kinds.tree(seed) for seed in range(4)})
    connectome.store.Repository(root).tag(f"{DATASET}@1.0.0", "paper")
    return root


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(filled, tmp_path / "root"))


@pytest.fixture
def run(capsys):
    """Run the command with ``--json``; return the exit code and the one document."""

    def run_json(*words: object) -> tuple[int, Any]:
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_json


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generated:
    return generated_source.register(tmp_path, monkeypatch)


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A generated list of edges in the form of NemaNode."""
    path = tmp_path / "edges of mine.tsv"
    path.write_text("pre\tpost\ttype\tsynapses\nAVAL\tAVAR\tchemical\t3\nAVAL\tVA01\telectrical\t1\n")
    return path
