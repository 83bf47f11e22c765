"""What sources of NWB sessions share: one record per session file, named by what its path says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from connectome.errors import FormatError

from ..formats.nwb.session import read, sniff, survey
from ..jobs import Discovery, Expected, Job, RawFile, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

    from ..formats.held import Held

__all__ = ["SessionSource"]


class SessionSource:
    """One record per NWB file; subclasses list the files and say which record each makes."""

    id: ClassVar[str]
    version: ClassVar[str]
    dataset: ClassVar[str]
    about: ClassVar[Mapping[str, Any]]
    """Attributes of every record: ``species``, ``citation``, ``doi``, ``licence``. The file's own come before them."""
    by_ranges: ClassVar[bool] = False
    """Whether records can be made of files that are read by ranges where they lie."""
    facts: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    """Record to published counts."""

    def files(self) -> Sequence[RemoteFile]:
        """List the raw files."""
        raise NotImplementedError

    def record_of(self, path: str) -> str | None:
        """Return the record that a file makes, by its path; None where it is no file of the source."""
        raise NotImplementedError

    def title_of(self, record: str) -> str:
        """Return the title of a record."""
        raise NotImplementedError

    def rank(self, path: str) -> int:  # noqa: ARG002 - for those who have several copies
        """Return which of several files of one session is read: that of the lowest rank."""
        return 0

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every session that is here; a further copy of it is told."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in sorted(raw, key=lambda path: (self.rank(path), path)):
            record = self.record_of(path)
            if record is None:
                rejected.append(Rejected(path, "not named as the sessions of the source are", "not-data"))
            elif record in jobs:
                rejected.append(Rejected(path, f"the session is read from {jobs[record].inputs[0].path}", "not-data"))
            elif reason := self.why_not(raw[path]):
                rejected.append(Rejected(path, reason, "format"))
            else:
                jobs[record] = Job(self.id, record, (raw[path],), self.params(path))
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected))

    def why_not(self, raw: RawFile) -> str:
        """Return why a file is not an NWB session; empty where it is one."""
        try:
            return "" if sniff(raw.local) else "no NWB session in the file"
        except FormatError as error:
            # The reason is stored in a version, so it must not hold a path of this machine.
            return str(error).replace(str(raw.local), raw.path)

    def params(self, path: str) -> dict[str, Any]:  # noqa: ARG002 - for those who need some
        """Return what else a record depends on."""
        return {}

    def read(self, job: Job) -> xr.DataTree:
        """Read a session and say where it is from."""
        return self.described(read([job.inputs[0].local]), job)

    def survey(self, job: Job) -> list[Held]:
        """Return the arrays of the file that a session is made of, from its headers."""
        return [held for item in job.inputs if item.path.endswith(".nwb") for held in survey([item.local])]

    def described(self, tree: xr.DataTree, job: Job) -> xr.DataTree:
        """Add title and source to what the reader gave; what the file says of itself stays."""
        told = {str(name): value for name, value in tree.attrs.items()}
        said = {name: value for name, value in told.items() if name in self.about and value != self.about[name]}
        tree.attrs.update({name: value for name, value in self.about.items() if name not in tree.attrs})
        tree.attrs.update(
            title=self.title_of(job.record), source=self.id, data_file=", ".join(item.path for item in job.inputs)
        )
        for name in ("citation", "doi", "licence"):
            if name in said:
                tree.attrs[f"source_{name}"] = said[name]
            if name in self.about:
                tree.attrs[name] = self.about[name]
        return tree

    def expected(self) -> Expected:
        """Return the published counts."""
        return Expected(self.facts)
