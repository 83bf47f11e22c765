"""Our batches as TorchIO subjects and MONAI dictionaries, for their transforms, networks and metrics.

Neither library is needed for anything else here. Affines are those of the patches, so that what is made of a patch is
put where it lies.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connectome.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

    from .volumes import PatchDataset, PatchStream, VolumeDataset

    Dataset = PatchDataset | PatchStream | VolumeDataset

__all__ = ["as_monai", "as_torchio"]

ASIDE = ("image", "mask", "present", "mask_present")


def as_torchio(dataset: Dataset, batch: dict[str, Tensor]) -> list[Any]:
    """Return one ``torchio.Subject`` per patch.

    Parameters
    ----------
    dataset : PatchDataset, PatchStream or VolumeDataset
        Where the batch comes from.
    batch : dict of str to Tensor
        As the dataset gives it.

    Returns
    -------
    list of torchio.Subject
        A ``ScalarImage`` per image and a ``LabelMap`` per mask that the record has, under its path with ``_`` for
        ``/``; ``record`` (its name), ``corner``, and the labels and inputs by the keys of the batch.

    Raises
    ------
    MissingExtraError
        When TorchIO is not installed.
    """
    try:
        torchio: Any = import_module("torchio")
    except ModuleNotFoundError as error:
        raise MissingExtraError("TorchIO is needed", subject="as_torchio", hint="pip install torchio") from error
    source, subjects = dataset.source, []
    for at in range(len(batch["record"])):
        affine = source.affine(int(batch["record"][at]), batch["corner"][at].tolist())
        parts: dict[str, Any] = {}
        for channel, group in enumerate(source.images):
            if batch["present"][at, channel]:
                image = batch["image"][at, channel : channel + 1]
                parts[group.replace("/", "_")] = torchio.ScalarImage(tensor=image, affine=affine)
        for channel, group in enumerate(source.masks):
            if batch["mask_present"][at, channel]:
                mask = _narrow(batch["mask"][at, channel : channel + 1])
                parts[group.replace("/", "_")] = torchio.LabelMap(tensor=mask, affine=affine)
        subjects.append(torchio.Subject({**parts, **_rest(dataset, batch, at)}))
    return subjects


def as_monai(dataset: Dataset, batch: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Return one dictionary per patch, as MONAI's dictionary transforms take them.

    Parameters
    ----------
    dataset, batch
        As for :func:`as_torchio`.

    Returns
    -------
    list of dict
        ``image`` and, where masks were asked for, ``label``: ``MetaTensor`` of shape (channel, i, j, k) with the affine
        of the patch; ``present``, ``mask_present``, ``record`` (its name), ``corner``, and the rest of the batch. Every
        patch has the same keys.

    Raises
    ------
    MissingExtraError
        When MONAI is not installed.
    """
    try:
        from monai.data.meta_tensor import MetaTensor
    except ModuleNotFoundError as error:
        raise MissingExtraError("MONAI is needed", subject="as_monai", hint="pip install monai") from error
    import torch

    source, items = dataset.source, []
    for at in range(len(batch["record"])):
        affine = torch.from_numpy(source.affine(int(batch["record"][at]), batch["corner"][at].tolist()))
        item: dict[str, Any] = {"image": MetaTensor(batch["image"][at], affine=affine)}
        if source.masks:
            item["label"] = MetaTensor(batch["mask"][at], affine=affine)
        presence = {name: batch[name][at] for name in ("present", "mask_present")}
        items.append({**item, **presence, **_rest(dataset, batch, at)})
    return items


def _narrow(mask: Tensor) -> Tensor:
    """Return labels as int32 where they fit: TorchIO turns axes through NIfTI images, which shun int64."""
    import torch

    limits = torch.iinfo(torch.int32)
    fits = not mask.numel() or (int(mask.min()) >= limits.min and int(mask.max()) <= limits.max)
    return mask.to(torch.int32) if fits else mask


def _rest(dataset: Dataset, batch: dict[str, Tensor], at: int) -> dict[str, Any]:
    rest = {name: values[at] for name, values in batch.items() if name not in ASIDE and values.ndim}
    return {**rest, "record": dataset.records[int(batch["record"][at])]}
