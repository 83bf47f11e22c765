"""Where a store's root may be: a local folder, a web server, an object store. Only local roots are written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import quote

from connectome.errors import DamagedError, FetchError, MissingExtraError, NotFoundError, UsageError

from .archive import ByteSource, LocalBytes, complete

__all__ = ["LocalRoot", "ObjectRoot", "Root", "WebRoot", "open_root"]

HUB = "https://huggingface.co"
PARTIAL, RANGE_BEYOND_END = 206, 416
"""HTTP status codes (RFC 9110, sections 15.3.7 and 15.5.17)."""
ELSEWHERE = "tell its publisher, or read the version from another place"
PLAIN = {"Accept-Encoding": "identity"}
"""Ranges and lengths are to be those of the file, not of a form compressed for the way."""


class Root(Protocol):
    """Files by relative path."""

    name: str

    def read(self, path: str) -> bytes:
        """Return a whole file; raise :class:`~connectome.errors.NotFoundError` when there is none."""
        ...

    def source(self, path: str) -> ByteSource:
        """Return a file to be read by ranges."""
        ...

    def names(self, folder: str) -> list[str] | None:
        """Return the sorted names in a folder; None where a root cannot be listed."""
        ...


class LocalRoot:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        try:
            return (self.path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError("no such file in the store", subject=path, place=self.name) from None

    def source(self, path: str) -> ByteSource:
        """Return a file to be read by ranges."""
        return LocalBytes(self.path / path)

    def names(self, folder: str) -> list[str] | None:
        """Return the sorted names in a folder, without unfinished files."""
        path = self.path / folder
        return sorted(item.name for item in path.iterdir() if not item.name.startswith(".")) if path.is_dir() else []


class RangedRoot(Protocol):
    """A remote root that answers for parts of its files; it can be sent to another process."""

    name: str

    def size_bytes(self, path: str) -> int:
        """Return the length of a file; raise :class:`~connectome.errors.NotFoundError` when there is none."""
        ...

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``start``."""
        ...


class RemoteBytes:
    """A remote file, read by ranges."""

    def __init__(self, root: RangedRoot, path: str) -> None:
        self.name = f"{root.name}/{path}"
        self._root, self._path = root, path

    def size(self) -> int:
        """Return the length in bytes."""
        try:
            return self._root.size_bytes(self._path)
        except NotFoundError:
            raise self._missing() from None

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``."""
        if length == 0:
            return b""
        try:
            data = self._root.read_range(self._path, start, length)
        except NotFoundError:
            raise self._missing() from None
        return complete(data, length, name=self.name, start=start, hint=ELSEWHERE)

    def _missing(self) -> DamagedError:
        return DamagedError(
            "the record's file is missing",
            subject=self.name,
            hint=ELSEWHERE,
        )


class WebRoot:
    """A folder behind ``http(s)://``, read-only; any server that answers range requests will do."""

    def __init__(self, url: str) -> None:
        self.name = url.rstrip("/")

    def _get(self, path: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Any:
        import httpx

        url = f"{self.name}/{quote(path)}"
        try:
            answer = httpx.request(method, url, headers=headers, follow_redirects=True, timeout=60)
        except httpx.HTTPError as error:
            raise FetchError("the server did not answer", subject=url, found=str(error)) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError("no such file in the store", subject=path, place=self.name)
        if answer.is_error and answer.status_code != RANGE_BEYOND_END:
            raise FetchError("the server refused", subject=url, found=f"HTTP {answer.status_code}")
        return answer

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        return cast("bytes", self._get(path).content)

    def source(self, path: str) -> ByteSource:
        """Return a file to be read by range requests."""
        return RemoteBytes(self, path)

    def size_bytes(self, path: str) -> int:
        """Return the length of a file."""
        length = self._get(path, PLAIN, method="HEAD").headers.get("content-length")
        if length is None:
            raise FetchError("the server does not say how long the file is", subject=f"{self.name}/{path}")
        return int(length)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``start``."""
        answer = self._get(path, {**PLAIN, "Range": f"bytes={start}-{start + length - 1}"})
        if answer.status_code == RANGE_BEYOND_END:
            return b""
        body = cast("bytes", answer.content)
        # A server that ignores ranges sends everything.
        return body if answer.status_code == PARTIAL else body[start : start + length]

    def names(self, folder: str) -> list[str] | None:
        """Return None: a web server cannot be listed."""
        del folder
        return None


class ObjectRoot:
    """A prefix in an object store (``s3://``, ``gs://``, ``az://``), read-only, through obstore."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "object stores need obstore", subject=url, hint='pip install "connectome[remote]"'
            ) from error
        self.name = url.rstrip("/")
        self._obstore: Any = obstore
        self._store: Any = obstore.store.from_url(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ObjectRoot, (self.name,))

    def _ask(self, path: str, request: Callable[[], Any]) -> Any:
        from obstore.exceptions import BaseError
        from obstore.exceptions import NotFoundError as NoSuchObject

        try:
            return request()
        except (FileNotFoundError, NoSuchObject):
            raise NotFoundError("no such file in the store", subject=path, place=self.name) from None
        except (BaseError, OSError) as error:
            raise FetchError(
                "the object store refused or did not answer",
                subject=f"{self.name}/{path}",
                found=str(error).strip().splitlines()[0][:300],
                hint="check the address and the credentials (AWS_*, GOOGLE_*, AZURE_* in the environment)",
            ) from error

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        return cast("bytes", self._ask(path, lambda: bytes(self._obstore.get(self._store, path).bytes())))

    def source(self, path: str) -> ByteSource:
        """Return an object to be read by range requests."""
        return RemoteBytes(self, path)

    def size_bytes(self, path: str) -> int:
        """Return the length of an object."""
        return int(self._ask(path, lambda: self._obstore.head(self._store, path)["size"]))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``start``."""

        def request() -> bytes:
            return bytes(self._obstore.get_range(self._store, path, start=start, length=length))

        return cast("bytes", self._ask(path, request))

    def names(self, folder: str) -> list[str] | None:
        """Return the sorted names below a prefix, without unfinished files."""
        prefix = f"{folder}/" if folder else None
        found = self._ask(folder, lambda: self._obstore.list_with_delimiter(self._store, prefix))
        paths = [item["path"] for item in found["objects"]] + list(found["common_prefixes"])
        names = (path.rstrip("/").rsplit("/", 1)[-1] for path in paths)
        return sorted(name for name in names if not name.startswith("."))


def open_root(place: str | Path) -> Root:
    """Return the root at a path or URL.

    Raises
    ------
    UsageError
        When the scheme of a URL is unknown.
    """
    text = str(place)
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme == "":
        return LocalRoot(Path(place))
    if scheme == "file":
        return LocalRoot(Path(text.removeprefix("file://")))
    if scheme in {"http", "https"}:
        return WebRoot(text)
    if scheme in {"s3", "gs", "az"}:
        return ObjectRoot(text)
    if scheme == "hf":
        # The Hub serves the files of a dataset repository over plain HTTPS; HF_ENDPOINT names another Hub, as it does
        # for huggingface_hub.
        repository = text.removeprefix("hf://").removeprefix("datasets/").strip("/")
        return WebRoot(f"{os.environ.get('HF_ENDPOINT', HUB).rstrip('/')}/datasets/{repository}/resolve/main")
    raise UsageError("unknown kind of place", subject=text, expected="a folder, https://, s3://, gs://, az:// or hf://")
