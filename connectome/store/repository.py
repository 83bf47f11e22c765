"""A root full of datasets: committing versions, finding them, tagging them.

The only state is files, and every write is one rename or one exclusive link, so a crash at any point leaves every
earlier version readable. Two writers cannot make the same version: the later one computes its version anew on top of
the earlier one's.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import ConflictError, DamagedError, NotFoundError, UsageError

from .. import atomic
from .canonical import plain
from .diff import Diff, compare_records, compare_versions
from .index import index_of
from .manifest import Manifest, Number, next_manifest, parse_spec
from .record import Receipt, check_record_id, open_record, record_file
from .roots import LocalRoot, Root, open_root

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RESERVED_NAMES", "Commit", "Repository", "default_root", "may_be_dataset"]

RESERVED_NAMES = {"raw", "staging"}
"""Folders of a root that are not datasets."""
_VERSION_FILE = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}\.json", re.ASCII)
ATTEMPTS = 100
"""Tries of a commit against other writers; each failed one means that another writer succeeded."""


@dataclass(frozen=True)
class Commit:
    """What a commit did."""

    manifest: Manifest
    created: bool
    """False when nothing differed from the latest version, which is then ``manifest``."""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


def check_dataset(name: str) -> None:
    """Raise :class:`~connectome.errors.UsageError` unless a dataset can have that name."""
    check_record_id(name)
    if name.lower() in RESERVED_NAMES:
        raise UsageError("the store keeps other things under that name", subject=name, expected="another dataset name")


def may_be_dataset(name: str) -> bool:
    """Tell a dataset's folder from what else lies in a root (``lost+found``, notes, the store's own folders)."""
    try:
        check_dataset(name)
    except UsageError:
        return False
    return True


def default_root() -> str:
    """Return ``CONNECTOME_ROOT``, or the user's data folder (XDG Base Directory Specification on Linux)."""
    if os.environ.get("CONNECTOME_ROOT"):
        return os.environ["CONNECTOME_ROOT"]
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return str(base / "connectome")


class Repository:
    """A store's root.

    Parameters
    ----------
    root : path or URL, optional
        A local folder (made when first written to), ``https://``, ``s3://`` or ``hf://`` (read-only). Default
        :func:`default_root`.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root: Root = open_root(root if root is not None else default_root())

    def __repr__(self) -> str:
        return f"Repository({self.root.name!r})"

    @property
    def path(self) -> Path:
        """Folder of a local root; raise :class:`~connectome.errors.UsageError` for a remote one."""
        if not isinstance(self.root, LocalRoot):
            raise UsageError("the store is read-only", subject=self.root.name, hint="pull it into a local --root first")
        return self.root.path

    def folder(self, dataset: str) -> Path:
        """Return a dataset's folder."""
        check_dataset(dataset)
        return self.path / dataset

    @property
    def staging(self) -> Path:
        """Folder for work in progress; nothing in it is visible as data."""
        return self.path / "staging"

    @property
    def raw(self) -> Path:
        """Folder of raw files as fetched."""
        return self.path / "raw"

    def datasets(self) -> list[str]:
        """Return the names of all datasets that have a version."""
        names = self.root.names("")
        if names is None:
            raise UsageError("the store cannot be listed", subject=self.root.name, hint="name the dataset and version")
        return [name for name in names if may_be_dataset(name) and self.versions(name)]

    def versions(self, dataset: str) -> list[str]:
        """Return all versions of a dataset, oldest first; empty when there is none."""
        check_dataset(dataset)
        names = self.root.names(f"{dataset}/versions")
        if names is not None:
            numbers = [Number.parse(name[:-5]) for name in names if _VERSION_FILE.fullmatch(name)]
            return [str(number) for number in sorted(numbers)]
        found: list[str] = []
        try:
            current: str | None = self._ref(dataset, "latest")
            while current is not None:
                earlier = self.manifest(dataset, current).previous
                found.append(current)
                current = earlier
        except NotFoundError:
            # A place that was published to may hold the newer versions only.
            pass
        return found[::-1]

    def tags(self, dataset: str) -> dict[str, str]:
        """Return every tag of a dataset and its version; ``latest`` is kept by the store."""
        return {name: self._ref(dataset, name) for name in self.root.names(f"{dataset}/refs") or []}

    def _ref(self, dataset: str, tag: str) -> str:
        return self.root.read(f"{dataset}/refs/{tag}").decode().strip()

    def resolve(self, spec: str) -> tuple[str, str]:
        """Return (dataset, version) of ``NAME``, ``NAME@1.2.0``, ``NAME@1`` (newest 1.x) or ``NAME@TAG``.

        Raises
        ------
        NotFoundError
            When there is none; the hint lists what there is.
        """
        dataset, wanted = parse_spec(spec)
        check_dataset(dataset)
        if wanted is not None and wanted.count(".") == 2:
            versions = [wanted] if self._has(f"{dataset}/versions/{wanted}.json") else []
        else:
            versions = self.versions(dataset)
        if wanted is None or wanted == "latest":
            matching = versions[-1:]
        elif wanted.replace(".", "").isdigit():
            matching = [item for item in versions if item == wanted or item.startswith(f"{wanted}.")][-1:]
        else:
            # Asked for by name: a web server can be asked for a tag, not for a list of them.
            matching = [self._ref(dataset, wanted)] if self._has(f"{dataset}/refs/{wanted}") else []
        if matching:
            return dataset, matching[0]
        known = self.versions(dataset)
        raise NotFoundError(
            "no such version" if known else "no such dataset in this store",
            subject=spec,
            place=self.root.name,
            expected=", ".join(known[-10:]) or None,
            hint=f"connectome log {dataset}" if known else f"connectome ingest {dataset}, or connectome list",
        )

    def _has(self, path: str) -> bool:
        try:
            self.root.read(path)
        except NotFoundError:
            return False
        return True

    def manifest(self, dataset: str, version_: str) -> Manifest:
        """Read a version file."""
        spec = f"{dataset}@{version_}"
        manifest = Manifest.from_bytes(self.root.read(f"{dataset}/versions/{version_}.json"), subject=spec)
        found = f"{manifest.dataset}@{manifest.version}"
        if found != spec:
            raise DamagedError("the version file is that of another version", subject=spec, expected=spec, found=found)
        return manifest

    def find(self, spec: str) -> Manifest:
        """Read the version that a spec names."""
        return self.manifest(*self.resolve(spec))

    def latest(self, dataset: str) -> Manifest | None:
        """Read the newest version; None when there is none."""
        versions = self.versions(dataset)
        return self.manifest(dataset, versions[-1]) if versions else None

    def log(self, dataset: str) -> list[Manifest]:
        """Read all versions, newest first."""
        self.resolve(dataset)
        return [self.manifest(dataset, item) for item in reversed(self.versions(dataset))]

    def open(self, dataset: str, receipt: Receipt) -> xr.DataTree:
        """Open a record lazily; raise :class:`~connectome.errors.DamagedError` if its file is missing or short."""
        return open_record(self.root.source(f"{dataset}/{receipt.file}"), size_bytes=receipt.size_bytes)

    def diff(self, dataset: str, old: str, new: str) -> Diff:
        """Compare two versions down to arrays and attributes; only files of changed records are opened."""
        before, after = self.find(f"{dataset}@{old}"), self.find(f"{dataset}@{new}")
        diff = compare_versions(before, after)
        detailed = tuple(
            compare_records(
                change,
                self.open(dataset, before.records[change.record]),
                self.open(dataset, after.records[change.record]),
            )
            for change in diff.changed
        )
        return replace(diff, changed=detailed)

    def recipes(self, dataset: str) -> dict[str, Receipt]:
        """Return every record that need not be made again, by the digest of its recipe.

        Receipts of all versions and of an ingest that was interrupted count, if their file is there and whole.
        """
        found: dict[str, Receipt] = {}
        pending = self.staging / dataset
        candidates = []
        for path in sorted(pending.glob("*.json")):
            # Losing one costs time, never data: another process may have committed it, or a later release written it.
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                candidates.append(Receipt.from_dict(json.loads(path.read_bytes())))
        for version_ in self.versions(dataset):
            candidates.extend(self.manifest(dataset, version_).records.values())
        for receipt in candidates:
            file = record_file(self.folder(dataset), receipt)
            if file.is_file() and file.stat().st_size == receipt.size_bytes:
                found[receipt.recipe_digest] = receipt
        return found

    def remember(self, dataset: str, receipt: Receipt) -> None:
        """Note a finished record, so that an interrupted ingest goes on from it."""
        path = self.staging / dataset / f"{receipt.recipe_digest}.json"
        atomic.write_replace(path, json.dumps(receipt.as_dict(), sort_keys=True).encode())

    def commit(
        self,
        dataset: str,
        receipts: Iterable[Receipt],
        *,
        rejected: Iterable[Mapping[str, str]] = (),
        about: Mapping[str, Any] | None = None,
        splits: Mapping[str, Mapping[str, Any]] | None = None,
        parents: Iterable[str] | None = None,
        keep_others: bool = False,
    ) -> Commit:
        """Publish a version.

        Parameters
        ----------
        dataset : str
            Name of the dataset.
        receipts : iterable of Receipt
            Records whose files are in the store.
        rejected : iterable of mapping
            ``{"file", "reason", "kind"}`` of everything seen and not used.
        about : mapping, optional
            The catalogue's entry; default that of the latest version.
        splits : mapping, optional
            Stored splits by name; default those of the latest version.
        parents : iterable of str, optional
            Versions that this one was derived from; default those of the latest version.
        keep_others : bool
            Whether records of the latest version that are not given stay; otherwise they are withdrawn.

        Returns
        -------
        Commit

        Raises
        ------
        DamagedError
            When a record's file is missing or short.
        """
        receipts, rejected = tuple(receipts), tuple(rejected)
        named = None if parents is None else tuple(parents)
        folder = self.folder(dataset)
        for _ in range(ATTEMPTS):
            previous = self.latest(dataset)
            manifest = next_manifest(
                previous,
                dataset=dataset,
                receipts=receipts,
                rejected=rejected,
                about=about if about is not None else (previous.about if previous else {}),
                splits=splits if splits is not None else (previous.splits if previous else {}),
                parents=named if named is not None else (previous.parents if previous else ()),
                keep_others=keep_others,
            )
            if manifest is None and previous is not None:
                # The writer that made it may have been killed before it came to this.
                self._point_latest(dataset)
                self._forget(dataset, receipts)
                return Commit(previous, created=False)
            assert manifest is not None
            if splits is None:
                manifest = _renew_splits(self, manifest, previous)
            manifest = replace(manifest, created=_now(), environment=environment())
            for name, receipt in manifest.records.items():
                listed = previous is not None and previous.records.get(name) == receipt
                self._check_file(dataset, receipt, listed=listed)
            try:
                atomic.write_exclusive(folder / "versions" / f"{manifest.version}.json", manifest.to_bytes())
            except ConflictError:
                continue
            self._point_latest(dataset)
            self._forget(dataset, receipts)
            return _describe(previous, manifest)
        raise ConflictError("other writers kept publishing versions", subject=dataset, hint="run the command again")

    def adopt(self, manifest: Manifest) -> bool:
        """Publish a version that another store made; its record files must be here already.

        Parameters
        ----------
        manifest : Manifest
            As read from the other store.

        Returns
        -------
        bool
            False when this store has that version with the same digest already.

        Raises
        ------
        DamagedError
            When a record's file is missing or short.
        ConflictError
            When this store has other data under that version.
        """
        dataset = manifest.dataset
        for receipt in manifest.records.values():
            self._check_file(dataset, receipt, listed=False)
        try:
            atomic.write_exclusive(self.folder(dataset) / "versions" / f"{manifest.version}.json", manifest.to_bytes())
        except ConflictError:
            own = self.manifest(dataset, manifest.version)
            if own.digest != manifest.digest:
                raise ConflictError(
                    "this store has other data under that version",
                    subject=f"{dataset}@{manifest.version}",
                    place=self.root.name,
                    expected=manifest.digest,
                    found=own.digest,
                    hint="use another --root for the data of others",
                ) from None
            return False
        finally:
            # A writer that was killed between the two steps is made good by the next.
            if self.versions(dataset):
                self._point_latest(dataset)
        return True

    def _check_file(self, dataset: str, receipt: Receipt, *, listed: bool) -> None:
        file = record_file(self.folder(dataset), receipt)
        if not listed:
            # What an interrupted ingest left may be old enough for garbage collection, which must not come between
            # this check and the version. Files of other users cannot be made young, nor removed by this one.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.utime(file)
        if not file.is_file() or file.stat().st_size != receipt.size_bytes:
            raise DamagedError(
                "a record's file is missing or short; no version was made",
                subject=receipt.record,
                place=str(file),
                expected=f"{receipt.size_bytes} bytes",
                found=f"{file.stat().st_size} bytes" if file.is_file() else "no file",
                hint="ingest it again",
            )

    def _point_latest(self, dataset: str) -> None:
        # Two writers may come here in the wrong order; the loop ends with the newest version in the file.
        while True:
            newest = self.versions(dataset)[-1]
            if self.tags(dataset).get("latest") != newest:
                atomic.write_replace(self.folder(dataset) / "refs" / "latest", f"{newest}\n".encode())
            if self.versions(dataset)[-1] == newest:
                return

    def _forget(self, dataset: str, receipts: Iterable[Receipt]) -> None:
        for receipt in receipts:
            (self.staging / dataset / f"{receipt.recipe_digest}.json").unlink(missing_ok=True)

    def tag(self, spec: str, name: str, *, move: bool = False) -> str:
        """Give a version a name and return the version.

        Raises
        ------
        ConflictError
            When the tag points elsewhere already, unless ``move``.
        UsageError
            When the name could be mistaken for a version.
        """
        dataset, version_ = self.resolve(spec)
        check_record_id(name)
        if name == "latest" or name[0].isdigit():
            raise UsageError("not a tag's name", subject=name, expected="a letter first, and not 'latest'")
        target = self.folder(dataset) / "refs" / name
        data = f"{version_}\n".encode()
        if move:
            atomic.write_replace(target, data)
            return version_
        try:
            atomic.write_exclusive(target, data)
        except ConflictError:
            found = self._ref(dataset, name)
            if found != version_:
                raise ConflictError(
                    "the tag exists", subject=f"{dataset}@{name}", found=found, hint="move it with --move"
                ) from None
        return version_

    @cached_property
    def is_local(self) -> bool:
        """Whether the root can be written to."""
        return isinstance(self.root, LocalRoot)


def _renew_splits(repository: Repository, manifest: Manifest, previous: Manifest | None) -> Manifest:
    """Let the stored splits cover changed records; no record changes its part."""
    if previous is None or not previous.splits or _told(previous) == _told(manifest):
        return manifest
    from ..splits import Split, TrialSplit, extend
    from ..splits.trial_proof import renew_trials
    from .opened import Version

    index = index_of(manifest)
    old, new = _told(previous), _told(manifest)
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    splits: dict[str, Any] = {}
    for name, stored in previous.splits.items():
        if stored["plan"].get("kind") == TrialSplit.kind:
            splits[name] = renew_trials(stored, Version(repository, manifest), changed)
        else:
            splits[name] = extend(Split.from_dict(stored), index).as_dict()
    if plain(splits) == plain(previous.splits):
        return manifest
    whole = (*manifest.reasons.get("*", ()), "splits changed")
    return replace(manifest, splits=splits, reasons={**manifest.reasons, "*": whole})


def _told(manifest: Manifest) -> dict[str, Any]:
    """Return what a split may go by."""
    return {name: (item.content, dict(item.attributes)) for name, item in manifest.records.items()}


def _describe(previous: Manifest | None, manifest: Manifest) -> Commit:
    old = previous.records if previous else {}
    new = manifest.records
    return Commit(
        manifest,
        created=True,
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name in new if name in old and new[name].content != old[name].content),
        withdrawn=tuple(name for name in old if name not in new),
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def environment() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide how bytes are written."""
    found = {"python": sys.version.split()[0]}
    for name in ("connectome", "numpy", "xarray", "zarr", "numcodecs", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
