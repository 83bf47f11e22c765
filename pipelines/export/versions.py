"""Many records as one dataset of another form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import UsageError

from ..privacy import strip as stripped
from . import publish_made, unfinished
from .bids import write_dataset

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

__all__ = ["export_version"]


class _Opened(Mapping[str, "xr.DataTree"]):
    """Opens a record when it is asked for."""

    def __init__(self, version: Version, names: list[str], *, strip: bool, keep: tuple[str, ...]) -> None:
        self.version, self.names, self.strip, self.keep = version, names, strip, keep

    def __getitem__(self, record: str) -> xr.DataTree:
        tree = self.version.open(record)
        return stripped(tree, record=record, keep=self.keep).tree if self.strip else tree

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def export_version(
    version: Version,
    *,
    to: str,
    destination: Path,
    records: Iterable[str] | None = None,
    strip: bool = False,
    keep: Iterable[str] = (),
    overwrite: bool = False,
) -> tuple[list[Path], dict[str, list[str]]]:
    """Write many records as one dataset of another form; only ``bids`` has such a form.

    Parameters
    ----------
    version : Version
        Where the records lie.
    to, destination, overwrite
        As in :func:`export`.
    records : iterable of str, optional
        Which; default all.
    strip, keep
        Leave out what may identify people; see :func:`connectome.pipelines.privacy.strip`.

    Returns
    -------
    paths : list of Path
        The folder.
    left : dict of str to list of str
        Record to the groups that the form has no place for.

    Raises
    ------
    UsageError
        When the form holds one record only, no record fits, or the destination exists.
    """
    if to != "bids":
        raise UsageError("this form holds one record", subject=to, expected="--record ID, or --to bids", found="none")
    destination = Path(destination)
    names = list(version.manifest.records) if records is None else list(records)
    opened = _Opened(version, names, strip=strip, keep=tuple(keep))
    with unfinished(destination) as work:
        made = work / destination.name
        left = write_dataset(opened, made, about=version.manifest.about, spec=version.spec)
        return publish_made([made], work, destination.parent, overwrite=overwrite), left
