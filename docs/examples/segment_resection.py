"""Train a small network on patches of three patients: a DEMONSTRATION of the way from files to Dice, nothing else.

The T1 images of IDEAS (Taylor et al. 2025, doi:10.1111/epi.18192) were taken before surgery; the masks say what was
resected afterwards. Images and masks of three patients are at hand. Leaving each out in turn, the network learns from
two brains where surgeons would cut in a third, which nobody could: the figures say nothing about any method. What runs
is real: records are ingested, patches drawn by label, intensities put to one scale by the training patients, the
held-out patient covered by a grid, the grid put together, and Dice taken of all voxels, beside that of "everywhere".
That the network does learn shows on what it was trained on: the loss of the first and the last step, and Dice of the
patches of the last epoch.

    python docs/examples/segment_resection.py --data FOLDER_WITH_ideas    (about two minutes on two cores)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from connectome.display.text import table_text
from connectome.loaders.torch import PatchDataset, PatchStream
from connectome.loaders.volumes import FittedZScore, Grid, LabelBalanced, Reassembly
from connectome.pipelines.ingest import ingest
from connectome.splits import Entry, Split
from connectome.store import Repository, Version, open_version

DATASET = "ideas-epilepsy"
PATIENTS = ("sub-1", "sub-5", "sub-111")
IMAGE, MASK = "space-orig_t1w", "labels/space-orig_resection"
PATCH, BATCH, PER_PATIENT, EPOCHS, RATE = 48, 4, 16, 25, 3e-3
WORDS = (
    "A demonstration on three patients. The resection is not to be seen in an image taken before it, and two patients\n"
    "teach nothing about a third: these figures say that everything runs, and nothing about how well anything segments."
)


class SmallUNet(nn.Module):
    """Two levels of a U-Net (Ronneberger et al. 2015, arXiv:1505.04597) in three dimensions, at half resolution."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.enter = nn.Conv3d(1, width, 3, stride=2, padding=1)
        self.down = nn.Conv3d(width, 2 * width, 3, stride=2, padding=1)
        self.deep = nn.Conv3d(2 * width, 2 * width, 3, padding=1)
        self.up = nn.ConvTranspose3d(2 * width, width, 2, stride=2)
        self.leave = nn.Conv3d(2 * width, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits of the same shape as the image, (batch, 1, i, j, k) with edges that are multiples of 4."""
        fine = functional.relu(self.enter(image))
        coarse = functional.relu(self.deep(functional.relu(self.down(fine))))
        joined = torch.cat([fine, functional.relu(self.up(coarse))], dim=1)
        return functional.interpolate(self.leave(joined), scale_factor=2.0, mode="trilinear")


def dice(predicted: Any, true: Any) -> float:
    """Return twice the overlap over the sum of both sizes; 1 where both are empty."""
    total = int(predicted.sum()) + int(true.sum())
    return 2.0 * int((predicted & true).sum()) / total if total else 1.0


def leave_out(version: Version, patient: str, *, epochs: int = EPOCHS, seed: int = 0) -> dict[str, float]:
    """Train on the others and measure the patient.

    Returns
    -------
    dict of str to float
        ``first_loss`` and ``last_loss`` of the steps, ``dice_trained`` of the patches of the last epoch, all voxels
        together, ``dice`` of the patient left out, ``dice_everywhere`` of calling every voxel of the
        brain resected, ``volume_ml`` of the mask.
    """
    torch.manual_seed(seed)
    entries = tuple(Entry(name, "test" if name == patient else "train") for name in PATIENTS)
    split = Split(f"without-{patient}", {"kind": "leave-one-out"}, entries, {})
    options = {"images": [IMAGE], "masks": [MASK], "axes": "RAS", "records": list(PATIENTS)}
    drawn = {**options, "patch": PATCH, "sampling": LabelBalanced((0, 1)), "patches_per_record": PER_PATIENT}
    scale = FittedZScore.fit(PatchDataset(version, split=(split, "train"), **drawn))
    stream = PatchStream(
        version, split=(split, "train"), batch_size=BATCH, mask_dtype="uint8", normalise=scale, seed=seed, **drawn
    )
    network = SmallUNet()
    optimiser, losses = torch.optim.Adam(network.parameters(), lr=RATE), []
    for epoch in range(epochs):
        stream.set_epoch(epoch)
        losses += [train_step(network, optimiser, batch) for batch in DataLoader(stream, batch_size=None)]
    network.eval()
    overlap = total = 0
    for batch in DataLoader(stream, batch_size=None):
        with torch.no_grad():
            called, own = network(batch["image"]) > 0, batch["mask"] > 0
        overlap, total = overlap + int((called & own).sum()), total + int(called.sum()) + int(own.sum())
    tiles = PatchDataset(
        version, split=(split, "test"), patch=96, sampling=Grid(16), mask_dtype="uint8", normalise=scale, **options
    )
    shape = tiles.source.shape(0)
    said, true, brain = Reassembly(shape), Reassembly(shape), Reassembly(shape)
    background = -scale.fitted.mean[0] / scale.fitted.std[0]
    for tile in DataLoader(tiles, batch_size=2):
        corners = tile["corner"].numpy()
        with torch.no_grad():
            said.add(torch.sigmoid(network(tile["image"]))[:, 0].numpy(), corners)
        true.add(tile["mask"][:, 0].numpy(), corners)
        brain.add((tile["image"][:, 0] > background + 1e-3).numpy(), corners)
    resected = true.result() > 0
    return {
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "dice_trained": 2.0 * overlap / total if total else 1.0,
        "dice": dice((said.result() > 0.5) & brain.result(), resected),
        "dice_everywhere": dice(brain.result(), resected),
        "volume_ml": float(resected.sum() * abs(np.linalg.det(tiles.source.affine(0)[:3, :3])) / 1000),
    }


def train_step(network: nn.Module, optimiser: torch.optim.Optimizer, batch: dict[str, Tensor]) -> float:
    """Take one step on cross-entropy and what a soft Dice lacks of 1 (Milletari et al. 2016); return their sum."""
    optimiser.zero_grad()
    logits, true = network(batch["image"]), batch["mask"].float()
    said = torch.sigmoid(logits)
    # Without it, a network that calls nothing resected is right about most voxels and stays there.
    missing = 1 - (2 * (said * true).sum() + 1) / (said.sum() + true.sum() + 1)
    loss = functional.binary_cross_entropy_with_logits(logits, true) + missing
    loss.backward()
    optimiser.step()
    return loss.item()


def run(root: Path, data: Path, *, epochs: int = EPOCHS) -> dict[str, dict[str, float]]:
    """Ingest the patients where the store lacks them, and leave each out in turn."""
    repository = Repository(root)
    if repository.latest(DATASET) is None:
        ingest(repository, DATASET, select=",".join(PATIENTS), mirror=data, allow_missing=True)
    version = open_version(DATASET, root=root)
    return {patient: leave_out(version, patient, epochs=epochs) for patient in PATIENTS}


def main() -> None:
    """Print Dice of every patient, and what it is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the folder ideas")
    parser.add_argument("--root", type=Path, help="store to use; default a temporary one")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.root or Path(folder) / "store", args.data)
    if args.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    shown = {
        "first loss": "first_loss",
        "last loss": "last_loss",
        "Dice of training patches": "dice_trained",
        "Dice of left out": "dice",
        "of everywhere": "dice_everywhere",
    }
    rows = [
        [name, f"{own['volume_ml']:.1f}", *(f"{own[key]:.3f}" for key in shown.values())] for name, own in found.items()
    ]
    heads = ["left out", "resected, ml", *shown]
    sys.stdout.write(f"{table_text(heads, rows)}\n\n{WORDS}\n")


if __name__ == "__main__":
    main()
