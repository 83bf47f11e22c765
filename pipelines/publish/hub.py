"""Bringing a published folder to its place: the Hugging Face Hub, or another folder.

A version becomes visible last: its records and tables go first, then its version file, then ``refs/latest``. Whoever
reads meanwhile sees the versions that were there before. Access tokens are those of ``huggingface_hub`` (``HF_TOKEN``
or ``hf auth login``); nothing here reads, prints or stores one.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.atomic import publish as give_name
from connectome.atomic import temporary, write_replace
from connectome.errors import ConflictError, FetchError, MissingExtraError, UsageError
from connectome.store import Manifest, Repository
from connectome.store.canonical import file_sha256
from connectome.store.manifest import Number

from ..privacy import Finding, audit_version, check_identifying, stripped_version
from ..privacy.policy import face_findings
from .folder import build_folder
from .permission import Obstacle, check_permission, licences_of, obstacles

if TYPE_CHECKING:
    from connectome.store import Version

    from .values import PublishedFile

__all__ = ["Publication", "publish"]

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Publication:
    """What was published, or would be."""

    spec: str
    digest: str
    to: str
    folder: Path
    """Where the folder was built."""
    files: tuple[PublishedFile, ...]
    obstacles: tuple[Obstacle, ...]
    """Licences that speak against it; only a dry run goes on in spite of them."""
    dry_run: bool
    identifying: tuple[Finding, ...] = ()
    """What may identify people in what is published; only a dry run goes on in spite of what is sure, unless told."""
    removed: tuple[Finding, ...] = ()
    """What was taken out of the published copy."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the publication as the command line prints it with ``--json``."""
        return {
            "version": self.spec,
            "digest": self.digest,
            "to": self.to,
            "folder": str(self.folder),
            "dry_run": self.dry_run,
            "bytes": self.size_bytes,
            "files": [file.as_dict() for file in self.files],
            "obstacles": [obstacle.as_dict() for obstacle in self.obstacles],
            "identifying": [item.as_dict() for item in self.identifying],
            "removed": [item.as_dict() for item in self.removed],
        }


def publish(
    version: Version,
    to: str | Path,
    *,
    dry_run: bool = True,
    accepted: Iterable[str] = (),
    licences: Mapping[str, tuple[str, ...]] | None = None,
    folder: Path | None = None,
    voxels: bool = False,
    private: bool = False,
    strip: bool = False,
    keep: Iterable[str] = (),
    keep_identifying: bool = False,
) -> Publication:
    """Publish a version.

    Records of people are looked at first (:mod:`connectome.pipelines.privacy`): fields that identify somebody, and
    faces that were not removed, stop it until somebody decides.

    Parameters
    ----------
    version : Version
        What to publish.
    to : str or Path
        ``hf://datasets/ORG/NAME``, or a folder: a new one, or one that holds earlier versions of the dataset.
    dry_run : bool
        Build the folder and say what would be sent, and nothing more.
    accepted : iterable of str
        Licences that do not allow redistribution, or unknown ones, for which the publisher confirms to have
        permission.
    licences : mapping, optional
        Record to licences, default what the sources state.
    folder : Path, optional
        Where to build; default a folder in the store's staging area, or a temporary one for a remote store. An
        earlier build in the default place is replaced.
    voxels : bool
        Also publish the stored numbers of volumes as rows.
    private : bool
        Make a repository that is new on the Hub private.
    strip : bool
        Publish a copy without the fields that may identify people, as the dataset ``NAME-stripped``.
    keep : iterable of str
        Places that ``strip`` leaves alone, with ``*`` for any text.
    keep_identifying : bool
        Publish in spite of what identifies people.

    Returns
    -------
    Publication

    Raises
    ------
    UsageError
        When ``to`` is no place to publish to, licences forbid it, or people could be identified.
    ConflictError
        When other data lie there under that version.
    FetchError
        When the Hub refuses or does not answer.
    """
    place = str(to)
    repository = _repository(place)
    licences = licences_of(version) if licences is None else licences
    found = obstacles(version, licences=licences, accepted=accepted)
    if not dry_run:
        check_permission(version, found)
    audit = audit_version(version, people_only=True)
    if not strip:
        said = (*audit.findings, *face_findings(audit.faces))
        if not (dry_run or keep_identifying):
            check_identifying(version, said)
        done = _publish(
            version, place, repository, dry_run=dry_run, licences=licences, folder=folder, voxels=voxels,
            private=private,
        )  # fmt: skip
        return replace(done, obstacles=found, identifying=said)
    with tempfile.TemporaryDirectory(prefix="connectome-", dir=_work(version)) as work:
        copy = stripped_version(version, Path(work), keep=keep, only=audit.people)
        said = (*copy.left, *face_findings(audit.faces))
        if not (dry_run or keep_identifying):
            check_identifying(version, said)
        built = folder if folder is not None else _default_folder(version, copy.version.dataset)
        done = _publish(
            copy.version, place, repository, dry_run=dry_run, licences=licences, folder=built, voxels=voxels,
            private=private,
        )  # fmt: skip
        return replace(done, obstacles=found, identifying=said, removed=copy.removed)


def _work(version: Version) -> Path | None:
    """Return a folder for copies on the store's own disk; None for that of the system."""
    if not version.repository.is_local:
        return None
    version.repository.staging.mkdir(parents=True, exist_ok=True)
    return version.repository.staging


def _publish(
    version: Version,
    place: str,
    repository: str | None,
    *,
    dry_run: bool,
    licences: Mapping[str, tuple[str, ...]],
    folder: Path | None,
    voxels: bool,
    private: bool,
) -> Publication:
    if repository is None:
        _check_folder(version, Path(place))
    built = folder if folder is not None else _default_folder(version, version.dataset)
    shown = place if repository is None else f"hf://datasets/{repository}"
    # A folder's path means nothing to others and is kept out of the card.
    files = build_folder(
        version, built, place=shown if repository is not None else None, licences=licences, voxels=voxels
    )
    if not dry_run:
        if repository is None:
            _copy(version, built, Path(place), files)
        else:
            _push(version, built, repository, private=private)
    return Publication(version.spec, version.digest, shown, built, files, (), dry_run)


def _repository(place: str) -> str | None:
    """Return ORG/NAME of a place on the Hub; None for a folder."""
    scheme = place.partition("://")[0] if "://" in place else ""
    if scheme == "":
        return None
    name = place.removeprefix("hf://").removeprefix("datasets/").strip("/")
    if scheme != "hf" or _REPOSITORY.fullmatch(name) is None:
        raise UsageError("not a place to publish to", subject=place, expected="hf://datasets/ORG/NAME or a folder")
    return name


def _default_folder(version: Version, dataset: str) -> Path:
    name = f"{dataset}-{version.version}"
    if not version.repository.is_local:
        return Path(tempfile.mkdtemp(prefix="connectome-")) / name
    folder = version.repository.staging / "publish" / name
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def _check_folder(version: Version, target: Path) -> None:
    if target.is_dir() and any(target.iterdir()) and not (target / version.dataset / "versions").is_dir():
        raise UsageError(
            "the folder holds something else",
            subject=str(target),
            expected=f"no folder, an empty one, or one that {version.dataset} was published to",
        )


def _copy(version: Version, built: Path, target: Path, files: tuple[PublishedFile, ...]) -> None:
    """Bring what is missing into a folder, the version file and ``refs/latest`` last."""
    own = f"{version.dataset}/versions/{version.version}.json"
    latest = f"{version.dataset}/refs/latest"
    there = Repository(target)
    if (target / own).is_file():
        _check_same(version, there.manifest(version.dataset, version.version), str(target))
    order = [file for file in files if file.path not in {own, latest}]
    order += [file for file in files if file.path == own]
    for file in order:
        goal = target / file.path
        if goal.is_file() and goal.stat().st_size == file.size_bytes and file_sha256(goal) == file.sha256:
            continue
        with temporary(goal) as part:
            shutil.copyfile(built / file.path, part)
            give_name(part, goal)
    newest = there.versions(version.dataset)[-1]
    write_replace(target / latest, f"{newest}\n".encode())
    current = {file.path for file in files}
    for stale in sorted((target / "data").rglob("*.parquet")):
        if stale.relative_to(target).as_posix() not in current:
            stale.unlink()


def _check_same(version: Version, other: Manifest, place: str) -> None:
    if other.digest != version.digest:
        raise ConflictError(
            "other data lie there under that version",
            subject=version.spec,
            place=place,
            expected=version.digest,
            found=other.digest,
            hint="publish to another place",
        )


def _push(version: Version, built: Path, repository: str, *, private: bool) -> None:
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "publishing needs huggingface_hub", subject="publish", hint='pip install "connectome[publish]"'
        ) from error
    own = f"{version.dataset}/versions/{version.version}.json"
    latest = f"{version.dataset}/refs/latest"
    api = HfApi()
    where: dict[str, Any] = {"repo_id": repository, "repo_type": "dataset"}
    try:
        api.create_repo(**where, private=private, exist_ok=True)
        there = api.list_repo_files(**where)
        if own in there:
            text = Path(api.hf_hub_download(**where, filename=own)).read_bytes()
            _check_same(version, Manifest.from_bytes(text, subject=own), repository)
        message = f"Publish {version.spec}"
        api.upload_folder(
            **where,
            folder_path=built,
            commit_message=message,
            ignore_patterns=[own, latest],
            # Tables of an earlier version would be read together with those of this one.
            delete_patterns=["data/*"],
        )
        write_replace(built / latest, f"{_newest(version, there)}\n".encode())
        api.upload_folder(
            **where, folder_path=built, commit_message=f"{message}: make it visible", allow_patterns=[own, latest]
        )
    except HfHubHTTPError as error:
        raise FetchError(
            "the Hub refused",
            subject=f"hf://datasets/{repository}",
            found=str(error).strip().splitlines()[0],
            hint="log in with: hf auth login; run the command again to go on",
        ) from error


def _newest(version: Version, there: Iterable[str]) -> str:
    """Return the newest version at a place, this one included."""
    pattern = re.compile(rf"{re.escape(version.dataset)}/versions/(\d+\.\d+\.\d+)\.json")
    found = {match[1] for path in there if (match := pattern.fullmatch(path))}
    return str(max(Number.parse(number) for number in {*found, version.version}))
