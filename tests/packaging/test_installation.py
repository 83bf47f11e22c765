"""The package installs from a wheel and in editable form, and importing it stays light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

PROBE = """
import json, sys
import connectome, connectome.pipelines, connectome.loaders
import connectome.pipelines.formats, connectome.pipelines.cli, connectome.store
from connectome.catalog import load_catalog
print(json.dumps({
    "files": [connectome.__file__, connectome.pipelines.__file__, connectome.loaders.__file__],
    "datasets": sorted(load_catalog()),
    "torch": "torch" in sys.modules,
}))
"""

HEAVY = {"torch", "torch_geometric", "prefect", "dask", "distributed", "datasets", "mne", "nibabel", "matplotlib"}


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; show everything when it fails."""
    done = subprocess.run([str(item) for item in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return the environment without what would let the checkout leak in."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "CONNECTOME_CATALOG"}}


@pytest.fixture(scope="module")
def tracked(project: Path) -> list[str]:
    """List the files of the checkout that are under version control."""
    return [name for name in run("git", "ls-files", "-z", cwd=project).split("\0") if (project / name).is_file()]


@pytest.fixture(scope="module")
def wheel(project: Path, tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy of the tracked files, so that nothing stale is packed."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked:
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((project / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "source", cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.package
def test_the_wheel_holds_the_three_folders_and_the_catalogue(wheel: Path, project: Path, tracked: list[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("connectome/catalog.yaml") == (project / "catalog.yaml").read_bytes()
    assert {"connectome/py.typed", "connectome/pipelines/ingest.py", "connectome/loaders/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"connectome", next(top for top in tops if top.endswith(".dist-info"))}
    for name in tracked:
        folder, _, rest = name.partition("/")
        if name.endswith((".py", ".tsv")) and folder in {"connectome", "pipelines", "loaders"}:
            assert (name if folder == "connectome" else f"connectome/{folder}/{rest}") in names


@pytest.mark.package
def test_the_wheel_works_in_a_clean_environment_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = clean_environment()
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path, env=environment)
    found = json.loads(run(python, "-c", PROBE, cwd=tmp_path, env=environment))
    assert all(Path(file).is_relative_to(tmp_path / "env") for file in found["files"])
    assert "celegans-connectomes" in found["datasets"]
    assert not found["torch"]
    installed = json.loads(run(python, "-m", "pip", "list", "--format", "json", cwd=tmp_path, env=environment))
    assert not {item["name"].lower() for item in installed} & {"torch", "prefect", "dask", "datasets"}
    listed = json.loads(
        run(python.parent / "connectome", "list", "--json", "--root", tmp_path / "s", cwd=tmp_path, env=environment)
    )
    assert {row["dataset"] for row in listed} == set(found["datasets"])


def test_the_editable_install_imports_all_three_folders(project: Path, tmp_path: Path) -> None:
    found = json.loads(run(sys.executable, "-c", PROBE, cwd=tmp_path, env=clean_environment()))
    assert [Path(file).relative_to(project).as_posix() for file in found["files"]] == [
        "connectome/__init__.py",
        "pipelines/__init__.py",
        "loaders/__init__.py",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "import connectome",
        "import connectome.pipelines, connectome.loaders",
        "from connectome.pipelines.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass",
        "import connectome; connectome.open; connectome.catalog",
    ],
)
def test_importing_stays_light(code: str, tmp_path: Path) -> None:
    probe = f"{code}\nimport sys, json; sys.stderr.write(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stderr.splitlines()[-1])) & HEAVY


def test_help_imports_neither_arrays_nor_tables(tmp_path: Path) -> None:
    code = (
        "from connectome.pipelines.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "import sys\nassert not {'numpy', 'pandas', 'xarray', 'zarr'} & set(sys.modules), 'heavy'"
    )
    run(sys.executable, "-c", code, cwd=tmp_path)


def test_every_lower_bound_has_a_reason(project: Path) -> None:
    text = (project / "pyproject.toml").read_text()
    base = tomllib.loads(text)["project"]["dependencies"]
    for requirement in base:
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        assert ">=" in requirement
        assert "#" in line, f"{requirement} has no reason beside it"


def test_the_folders_keep_their_direction(project: Path) -> None:
    """connectome/ imports neither outer folder; loaders/ and pipelines/ do not import one another."""
    forbidden = {
        "connectome": ("connectome.pipelines", "connectome.loaders", "prefect", "torch", "h5py", "nibabel", "mne"),
        "pipelines": ("connectome.loaders", "torch", "torch_geometric"),
        "loaders": ("connectome.pipelines", "prefect", "h5py", "nibabel", "mne"),
    }
    # What makes other libraries' objects for both outer folders, and reads no file: docs/decisions/0014.
    allowed = {
        "connectome/mne_raw.py": "mne",
        "loaders/mne/raw.py": "mne",
        "loaders/mne/stored.py": "mne",
        "connectome/volumes/nifti_bytes.py": "nibabel",
    }
    import ast

    for folder, banned in forbidden.items():
        for path in sorted((project / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
                for name in names:
                    if name.split(".")[0] == allowed.get(path.relative_to(project).as_posix()):
                        continue
                    assert not any(name == item or name.startswith(f"{item}.") for item in banned), f"{path}: {name}"
