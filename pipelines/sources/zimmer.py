"""What the sources of the Zimmer laboratory share: MATLAB files with one struct array each, one record per worm.

Worms are numbered from 01 in the order of the struct array, which is fixed by the file. No checksums are published, and
for most files no address of their own either; such a file is taken from a folder given as mirror, where it lies under
the source's id with the publisher's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError, UsageError
from connectome.schema import warning

from ..formats.worms.zimmer_mat import read, survey
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ZimmerFile", "ZimmerSource", "cited"]


def cited(citation: str, *, doi: str) -> Mapping[str, Any]:
    """Return the attributes of every record of a source; none of these pages states a licence that we have seen."""
    return {"citation": citation, "doi": doi, "licence": "none-stated"}


@dataclass(frozen=True)
class ZimmerFile:
    """One file of a source."""

    name: str
    """The publisher's name, less ``.mat``."""
    slug: str
    """What stands between the source and the number of a worm in the id of a record."""
    strain: str
    condition: str
    n_worms: int | None = None
    """Worms in it as published; None where only the sum over files is known."""
    url: str | None = None
    """Where the file itself is; None where only the page that offers it is known."""
    state_codes: tuple[str, ...] = ()
    """Names of the codes 1, 2, ... of its behavioural states, where the file has codes and not names."""
    more: Mapping[str, Any] | None = None
    """Further attributes of its records."""


class ZimmerSource:
    """Base of the sources of the Zimmer laboratory."""

    id: str
    version: str
    dataset = "celegans-activity"
    page: ClassVar[str]
    """Where the publisher offers the files."""
    n_worms: ClassVar[int]
    """Worms in all files that the 2024 compilation used, as it published them (arXiv 2411.12091)."""
    mat_files: ClassVar[tuple[ZimmerFile, ...]]
    citation: ClassVar[Mapping[str, Any]]
    """Attributes of every record: ``citation``, ``doi``, ``licence``."""

    def files(self) -> Sequence[RemoteFile]:
        """List the files; none has a published checksum, so all may be missing."""
        return [
            RemoteFile(
                path=self._path(file),
                url=file.url or self.page,
                licence=str(self.citation["licence"]),
                records=tuple(self._record(file, worm) for worm in range(1, (file.n_worms or self.n_worms) + 1)),
                optional=True,
                pattern=file.url is None,
            )
            for file in self.mat_files
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every worm of every file at hand whose struct array has the fields that all have."""
        jobs: list[Job] = []
        rejected: list[Rejected] = []
        for file in self.mat_files:
            path = self._path(file)
            if path not in raw:
                continue
            try:
                found = survey(raw[path].local)
            except (FormatError, UsageError) as error:
                reason = str(error).replace(str(raw[path].local), path)
                rejected.append(Rejected(path, reason, error.kind if isinstance(error, FormatError) else "format"))
                continue
            for worm in range(1, found.n_worms + 1):
                params = {"file": file.name, "variable": found.variable, "worm": worm, "n_worms": found.n_worms}
                jobs.append(Job(self.id, self._record(file, worm), (raw[path],), params=params))
        return Discovery(tuple(jobs), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read one worm."""
        file = next(item for item in self.mat_files if item.name == job.params["file"])
        tree = read([job.inputs[0].local], worm=int(job.params["worm"]), variable=str(job.params["variable"]))
        n_worms = int(job.params["n_worms"])
        if file.n_worms not in {None, n_worms}:
            text = f"the file has {n_worms} worms, {file.n_worms} are published: this may be another release"
            tree.attrs["warnings"] = [*tree.attrs.get("warnings", []), warning("worm-count", file.name, text)]
        if file.state_codes and "state" in tree:
            tree["state"].attrs.update(code_names=list(file.state_codes), code_base=1)
        tree.attrs.update(
            source=self.id,
            subject=job.record,
            strain=file.strain,
            condition=file.condition,
            data_file=f"{file.name}.mat",
            **self.citation,
            **(file.more or {}),
        )
        return tree

    def expected(self) -> Expected:
        """Expect nothing of single records: no facts are published but the numbers of worms, see ``ZimmerFile``."""
        return Expected()

    def _path(self, file: ZimmerFile) -> str:
        return f"{self.id}/{file.name}.mat"

    def _record(self, file: ZimmerFile, worm: int) -> str:
        return f"{self.id}-{file.slug}-{worm:02d}"
