"""What is under version control belongs to the project: no machine's paths, no copied data, nothing large."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

MAX_BYTES = 1_000_000
MIN_COPIED_BYTES = 200
"""Shorter files may be alike by chance (a header, an empty table)."""
OWN = "tests/docs/test_hygiene.py"

FOREIGN = {
    "a path of some machine": r"(?<![\w.~/})-])/(?:(?:work|root|tmp)/\w|(?:home|Users)/[\w-]+/)|\b[A-Z]:\\+Users",
    "a host of a package registry": (
        r"pypi\.org|pythonhosted\.org|anaconda\.(?:org|com)|npmjs\.|crates\.io|proxy\.golang"
    ),
    "how the work was organised": (
        r"(?i)\bworkplace|\b(?:this|another|each|previous|next|earlier|later) session\b|\bsub-?agents?\b"
        r"|(?<!user-)\bagents?\b|\b(?:language|chat) ?(?:model|bot)s?\b|\bLLMs?\b|\bassistants?\b"
    ),
    "a credential": r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})\b|BEGIN [A-Z ]*PRIVATE KEY",
}


@pytest.fixture(scope="module")
def tracked(project: Path) -> dict[str, bytes]:
    """Return the files under version control as they lie in the checkout."""
    if not (project / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, text=True, check=True).stdout
    return {name: (project / name).read_bytes() for name in listed.split("\0") if name and (project / name).is_file()}


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_mentions(what: str, tracked: dict[str, bytes]) -> None:
    pattern = re.compile(FOREIGN[what])
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, content in tracked.items()
        if name != OWN
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of some machine", "see /home/someone/data"),
        ("a path of some machine", "root = '/tmp/store'"),
        ("a host of a package registry", "https://files.pythonhosted.org/x"),
        ("how the work was organised", "done in an earlier session"),
        ("a credential", "token = 'hf_" + "a" * 30 + "'"),
    ],
)
def test_what_does_not_belong_is_recognised(what: str, text: str) -> None:
    assert re.search(FOREIGN[what], text)


@pytest.mark.parametrize(
    "text", ["one patient, one session", "headers['User-Agent']", "https://example.org/home/page", 'scope="session"']
)
def test_what_belongs_is_left_alone(text: str) -> None:
    assert not [what for what, pattern in FOREIGN.items() if re.search(pattern, text)]


def test_no_file_is_large(tracked: dict[str, bytes]) -> None:
    assert not {name: len(content) for name, content in tracked.items() if len(content) > MAX_BYTES}


def test_text_is_text(tracked: dict[str, bytes]) -> None:
    endings = (".py", ".md", ".toml", ".yaml", ".yml", ".cff", ".json", ".ipynb", ".txt")
    wrong = [name for name, content in tracked.items() if name.endswith(endings) and b"\r" in content]
    assert not wrong
    for name, content in tracked.items():
        if name.endswith(endings):
            content.decode("utf-8")


@pytest.mark.data
def test_no_file_is_a_copy_of_the_data(tracked: dict[str, bytes], data_dir: Path) -> None:
    sizes = defaultdict(list)
    for name, content in tracked.items():
        if len(content) >= MIN_COPIED_BYTES:
            sizes[len(content)].append(name)
    data = [path for path in data_dir.rglob("*") if path.is_file()]
    assert data, "the folder of data is empty"
    copied = []
    for path in data:
        size = path.stat().st_size
        if size in sizes:
            digest = hashlib.sha256(path.read_bytes()).digest()
            copied += [name for name in sizes[size] if hashlib.sha256(tracked[name]).digest() == digest]
    assert not copied
