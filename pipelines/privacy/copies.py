"""A version whose records lost what identifies people, as a dataset of its own: ``NAME-stripped``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.store import Recipe, Repository, open_version, write_record

from .strip import RULES_VERSION, Stripped, strip

if TYPE_CHECKING:
    from connectome.store import Receipt, Version

    from .findings import Finding

__all__ = ["SUFFIX", "StrippedVersion", "stripped_version"]

SUFFIX = "-stripped"


@dataclass(frozen=True)
class StrippedVersion:
    """The copy and what it lost."""

    version: Version
    removed: tuple[Finding, ...]
    left: tuple[Finding, ...]


def stripped_version(
    version: Version, root: Path, *, keep: Iterable[str] = (), only: Iterable[str] | None = None
) -> StrippedVersion:
    """Write a version again without what may say who somebody is.

    Parameters
    ----------
    version : Version
        What to copy; it stays as it is.
    root : Path
        A store for the copy, empty or with earlier copies.
    keep : iterable of str
        Places to leave alone; see :func:`~connectome.pipelines.privacy.strip`.
    only : iterable of str, optional
        Records to look at; default all. The others are copied as they are.

    Returns
    -------
    StrippedVersion
        The dataset ``NAME-stripped`` under the same number, with the original as its parent, the same splits and the
        same licences. Every record is written again; its provenance names the file that it was made from.
    """
    patterns, chosen = tuple(keep), None if only is None else set(only)
    repository = Repository(root)
    dataset = f"{version.dataset}{SUFFIX}"
    receipts: dict[str, Receipt] = {}
    removed: list[Finding] = []
    left: list[Finding] = []
    for record, receipt in version.manifest.records.items():
        tree = version.open(record)
        looked_at = chosen is None or record in chosen
        made = strip(tree, record=record, keep=patterns) if looked_at else Stripped(tree, (), ())
        receipts[record] = write_record(
            made.tree,
            repository.folder(dataset),
            record=record,
            recipe=_recipe(receipt, made, patterns),
            staging=repository.staging,
        )
        removed += made.removed
        left += made.left
    about = {**version.manifest.about}
    if removed:
        kinds = ", ".join(sorted({item.kind for item in removed}))
        said = f"{len(removed)} fields that may identify people were removed from the records ({kinds})."
        about["description"] = f"{about.get('description', '')} {said}".strip()
    manifest = replace(
        version.manifest, dataset=dataset, records=receipts, about=about, parents=(version.spec,), previous=None,
        reasons={},
    )  # fmt: skip
    repository.adopt(manifest)
    return StrippedVersion(open_version(f"{dataset}@{version.version}", root=root), tuple(removed), tuple(left))


def _recipe(receipt: Receipt, made: Stripped, keep: tuple[str, ...]) -> Recipe:
    """Return the recipe of a copy; paths of files that name a person give way to the file's checksum."""
    old = receipt.recipe
    inputs: list[Mapping[str, Any]] = list(old["inputs"])
    for number in (item.where[1] for item in made.removed if item.where[0] == "provenance"):
        inputs[int(number)] = {**inputs[int(number)], "path": f"sha256-{inputs[int(number)]['sha256']}"}
    about = {"from": receipt.file_sha256, "rules": RULES_VERSION, "keep": list(keep)}
    return Recipe(
        source=str(old["source"]),
        source_version=str(old["source_version"]),
        inputs=tuple(inputs),
        params={**old.get("params", {}), "stripped": about},
    )
