"""The notebooks, executed from the first cell to the last in a kernel of this interpreter."""

from __future__ import annotations

import base64
import json
import re
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from connectome import schema
from connectome.schema.columns import category, column
from connectome.store import Recipe, Repository, write_record

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
QUICKSTART = NOTEBOOKS / "quickstart.ipynb"
STRUCTURE = NOTEBOOKS / "structure_and_function.ipynb"
TIMEOUT_S = 400
MINIMAL_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Warnings are errors, but for one of ipykernel about itself, given when the kernel is shut down.
STRICT = """
import warnings

warnings.simplefilter("error")
warnings.simplefilter("ignore", PendingDeprecationWarning)
"""
NEURONS = ("AVAL", "AVAR", "RIML", "RIMR")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_in_one_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == MINIMAL_METADATA
    assert [cell.id for cell in notebook.cells] == [f"cell-{at:02d}" for at in range(1, len(notebook.cells) + 1)]
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)
    assert text == nbformat.writes(notebook) + "\n"


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that executes a notebook with other parameters and gives it back with its outputs."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter" / name.lower()))
    monkeypatch.setenv("CONNECTOME_ROOT", str(tmp_path / "store"))
    # The first kernel that is found is this interpreter's, whatever others the machine has.
    kernel = tmp_path / "jupyter" / "share" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(kernel.parents[2]))

    def run(path: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
        cell.source += STRICT + "".join(f"{name} = {value!r}\n" for name, value in parameters.items())
        folder = {"metadata": {"path": str(tmp_path)}}
        return NotebookClient(notebook, kernel_name="python3", timeout=TIMEOUT_S, resources=folder).execute()

    return run


def generated_worm(seed: int) -> Any:
    """Return a record like those of worms: slow waves under noise. Nothing here was measured."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(400) / 2
    waves = np.sin(2 * np.pi * time_s / rng.uniform(20, 40, size=(len(NEURONS), 1)))
    rois = [str(at + 1) for at in range(len(NEURONS))]
    labels = {
        "roi": column("row", rois, "Channel id of the ROI"),
        "raw_label": column("row", list(NEURONS), "Label as generated"),
        "neuron": column("row", list(NEURONS), "Name of the neuron"),
        "candidates": column("row", list(NEURONS), "Neurons that the label fits"),
        "status": category("row", ["exact"] * len(NEURONS), ["exact", "unlabelled"], "What became of the label"),
    }
    activity = schema.series(
        waves + rng.normal(scale=0.3, size=waves.shape),
        channel=rois,
        units="1",
        long_name="Generated signal",
        rate_hz=Fraction(2),
    )
    return schema.record(
        {"activity": activity, "neuron": schema.table(labels)}, title="Generated worm", subject=f"animal {seed}"
    )


def generated_wiring() -> Any:
    """Return a record like those of connectomes. Nothing here was measured."""
    about = {"directed": True, "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}
    wiring = schema.graph(
        node=list(NEURONS),
        source=np.array([0, 1, 2, 3]),
        target=np.array([1, 2, 3, 0]),
        edge_type=["chemical"] * 4,
        edge_types={"chemical": about},
        weight=np.array([1, 2, 3, 4]),
    )
    return schema.record({"connectome": wiring}, title="Generated wiring")


def write_generated_store(root: Path) -> dict[str, Any]:
    """Make a store of generated worms and return the parameters that name it."""
    repository = Repository(root)
    datasets = {
        "generated-activity": {f"worm-{seed}": generated_worm(seed) for seed in (1, 2, 3)},
        "generated-connectomes": {"wiring": generated_wiring()},
    }
    for dataset, records in datasets.items():
        receipts = [
            write_record(
                tree,
                repository.folder(dataset),
                record=name,
                recipe=Recipe(source="generated", source_version="1", inputs=()),
                staging=repository.staging,
            )
            for name, tree in records.items()
        ]
        repository.commit(dataset, receipts)
    return {
        "ACTIVITY": "generated-activity",
        "ANIMALS": "worm-*",
        "CONNECTOMES": "generated-connectomes",
        "ANNOTATION": "wiring",
    }


def outputs_of(notebook: nbformat.NotebookNode) -> tuple[str, list[bytes], list[str]]:
    """Return what was printed, the pictures and the HTML, after a look for errors and warnings."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    shown = [output.data for output in outputs if "data" in output]
    pictures = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    return printed, pictures, [data["text/html"] for data in shown if "text/html" in data]


def check_quickstart(notebook: nbformat.NotebookNode, *, dataset: str) -> None:
    """Check what the reader of the quickstart sees."""
    printed, pictures, pages = outputs_of(notebook)
    assert len(pictures) == 3, "a heat map, an adjacency matrix, the errors over the epochs"
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack_from(">2I", picture, 16)
        assert width > 400
        assert height > 250
    catalogue, version, record, proof = pages
    assert "celegans-connectomes" in catalogue
    assert dataset in version
    assert "signal" in record
    assert "no group by subject is in two parts (3 groups)" in proof
    epochs = re.findall(r"epoch \d: train ([\d.]+), held out ([\d.]+), persistence ([\d.]+)", printed)
    train, held_out, persistence = np.array(epochs, dtype=np.float64).T
    assert len(train) == 8
    assert train[-1] < train[0]
    assert held_out[-1] < held_out[0]
    assert held_out[-1] < persistence[-1]
    assert re.search(rf"^{dataset}\b.*sha256:[0-9a-f]{{64}}", printed, re.MULTILINE)


@pytest.mark.notebook
def test_the_quickstart_runs_on_a_generated_store(execute: Any, tmp_path: Path) -> None:
    parameters = write_generated_store(tmp_path / "store")
    check_quickstart(execute(QUICKSTART, parameters), dataset="generated-activity")


@pytest.mark.notebook
@pytest.mark.data
def test_the_quickstart_ingests_and_learns_from_real_worms(execute: Any, data_dir: Path, tmp_path: Path) -> None:
    notebook = execute(QUICKSTART, {"MIRROR": str(data_dir / "worm")})
    check_quickstart(notebook, dataset="celegans-activity")
    printed, _, _ = outputs_of(notebook)
    assert "celegans-activity@1.0.0: 3 records" in printed
    assert "10.1016/j.cell.2023.04.023" in printed
    assert Repository(tmp_path / "store").versions("celegans-connectomes") == ["1.0.0"]


def generated_relation(root: Path) -> dict[str, Any]:
    """Make a store of two generated worms whose activity follows a generated wiring, and an atlas of responses."""
    rng = np.random.default_rng(1)
    names = [f"{letter}{side}" for letter in "ABCDEFGH" for side in "LR"]
    weights = np.where(rng.random((16, 16)) < 0.25, rng.integers(1, 9, (16, 16)), 0)
    np.fill_diagonal(weights, 0)
    about = {"directed": True, "weight_units": "1", "weight_meaning": "generated", "lineage": "none"}

    def graph(matrix: Any, kinds: dict[str, Any]) -> Any:
        ends = np.argwhere(matrix > 0)
        edges = np.concatenate([ends] * len(kinds))
        return schema.graph(
            node=names,
            source=edges[:, 0],
            target=edges[:, 1],
            edge_type=[kind for kind in kinds for _ in ends],
            edge_types=kinds,
            weight=np.tile(matrix[tuple(ends.T)], len(kinds)),
            nodes={"neuron_class": column("node", [name[0] for name in names], "Class of the neuron")},
        )

    def worm(seed: int) -> Any:
        own = np.random.default_rng(seed)
        drive = own.normal(size=(16, 600))
        rows = {
            "roi": column("row", [str(at) for at in range(16)], "Channel id of the ROI"),
            "raw_label": column("row", names, "Label as generated"),
            "neuron": column("row", names, "Name of the neuron"),
            "candidates": column("row", names, "Neurons that the label fits"),
            "status": category("row", ["exact"] * 16, ["exact", "unlabelled"], "What became of the label"),
        }
        activity = schema.series(
            drive + 0.2 * weights.T @ drive,
            channel=[str(at) for at in range(16)],
            units="1",
            long_name="Generated signal",
            rate_hz=Fraction(2),
        )
        return schema.record({"activity": activity, "neuron": schema.table(rows)}, title="Generated worm")

    both = {"chemical": about, "gap_junction": about}
    responses = np.maximum(weights * 0.1 + rng.random((16, 16)) * 0.5, 1e-3)
    datasets = {
        "generated-activity": {f"worm-{seed}": worm(seed) for seed in (1, 2)},
        "generated-connectomes": {
            "wiring": schema.record({"connectome": graph(weights, both)}, title="Generated wiring"),
            "responses": schema.record(
                {"connectome": graph(responses, {"signal_propagation": about})}, title="Generated responses"
            ),
        },
    }
    repository = Repository(root)
    for dataset, records in datasets.items():
        recipe = Recipe(source="generated", source_version="1", inputs=())
        folder = repository.folder(dataset)
        receipts = [
            write_record(tree, folder, record=name, recipe=recipe, staging=repository.staging)
            for name, tree in records.items()
        ]
        repository.commit(dataset, receipts)
    return {
        "ACTIVITY": "generated-activity",
        "ANIMALS": "worm-*",
        "CONNECTOMES": "generated-connectomes",
        "ANNOTATION": "wiring",
        "RESPONSES": "responses",
        "SHUFFLES": 99,
    }


RELATION = re.compile(
    r"^(.+): (\d+) neurons, (\d+) of (\d+) (?:measured )?pairs connected, rho = (-?[\d.]+), p = ([\d.]+)$", re.MULTILINE
)


def relations_of(notebook: nbformat.NotebookNode) -> dict[str, tuple[float, ...]]:
    """Return neurons, connected pairs, pairs, rank correlation and p by what they are of, after a look at the page."""
    printed, pictures, pages = outputs_of(notebook)
    assert len(pictures) == 2
    assert all(struct.unpack_from(">2I", picture, 16)[0] > 700 for picture in pictures)
    assert len(pages) == 1
    assert "n_joined" in pages[0]
    return {found[0]: tuple(map(float, found[1:])) for found in RELATION.findall(printed)}


@pytest.mark.notebook
def test_structure_and_function_finds_a_generated_relation(execute: Any, tmp_path: Path) -> None:
    found = relations_of(execute(STRUCTURE, generated_relation(tmp_path / "store")))
    assert len(found) == 2 * 2 * 2 + 2 * 2
    assert found["worm-1, gap junctions, all pairs"][2] == 120
    assert found["worm-1, gap junctions, different classes"][2] == 112
    for _, _, _, rho, p in found.values():
        assert rho > 0.2
        assert p == pytest.approx(0.01, abs=0.011)


@pytest.mark.notebook
@pytest.mark.data
def test_structure_and_function_on_real_worms_is_weak_and_there_in_every_animal(execute: Any, data_dir: Path) -> None:
    found = relations_of(execute(STRUCTURE, {"MIRROR": str(data_dir / "worm"), "SHUFFLES": 199}))
    animals = {name.split(",")[0] for name in found if name.startswith("dag2023")}
    assert animals == {"dag2023-2022-07-26-31", "dag2023-2022-07-27-38", "dag2023-2022-07-27-45"}
    assert found["dag2023-2022-07-26-31, chemical synapses, all pairs"][:4] == (99, 607, 4851, 0.079)
    assert found["gap junctions, all pairs"][:4] == (168, 658, 22353, 0.076)
    assert len(found) == 16
    for _, _, _, rho, p in found.values():
        assert 0.04 < rho < 0.13
        assert p < 0.05
