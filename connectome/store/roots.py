"""Where a store's root may be: a local folder, a web server, an object store. Only local roots are written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import quote

from connectome.errors import DamagedError, FetchError, MissingExtraError, NotFoundError, UsageError

from .archive import ByteSource, LocalBytes

__all__ = ["LocalRoot", "ObjectRoot", "Root", "WebRoot", "open_root"]

HUB = "https://huggingface.co"


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


class _Ranges:
    """Bytes behind a function that reads ranges; made anew in each process by the root that it belongs to."""

    def __init__(self, name: str, size: Callable[[], int], read: Callable[[int, int], bytes]) -> None:
        self.name, self._size, self._read = name, size, read

    def size(self) -> int:
        return self._size()

    def read(self, start: int, length: int) -> bytes:
        data = self._read(start, length) if length else b""
        if len(data) != length:
            raise DamagedError(
                "the record's file ends too early",
                subject=self.name,
                expected=f"{length} bytes",
                found=f"{len(data)} bytes",
            )
        return data


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
        if answer.is_error:
            raise FetchError("the server refused", subject=url, found=f"HTTP {answer.status_code}")
        return answer

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        return cast("bytes", self._get(path).content)

    def source(self, path: str) -> ByteSource:
        """Return a file to be read by range requests."""
        # Ranges and lengths are those of the file, not of a form compressed for the way.
        plain = {"Accept-Encoding": "identity"}

        def size() -> int:
            try:
                return int(self._get(path, plain, method="HEAD").headers["content-length"])
            except NotFoundError:
                raise DamagedError("the record's file is missing", subject=f"{self.name}/{path}") from None
            except KeyError:
                raise FetchError(
                    "the server does not say how long the file is", subject=f"{self.name}/{path}"
                ) from None

        def read(start: int, length: int) -> bytes:
            answer = self._get(path, {**plain, "Range": f"bytes={start}-{start + length - 1}"})
            body = cast("bytes", answer.content)
            # A server that ignores ranges sends everything.
            return body if answer.status_code == 206 else body[start : start + length]

        return _Ranges(f"{self.name}/{path}", size, read)

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

    def read(self, path: str) -> bytes:
        """Return a whole file."""
        try:
            return bytes(self._obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            raise NotFoundError("no such file in the store", subject=path, place=self.name) from None

    def source(self, path: str) -> ByteSource:
        """Return an object to be read by range requests."""

        def size() -> int:
            try:
                return int(self._obstore.head(self._store, path)["size"])
            except FileNotFoundError:
                raise DamagedError("the record's file is missing", subject=f"{self.name}/{path}") from None

        def read(start: int, length: int) -> bytes:
            return bytes(self._obstore.get_range(self._store, path, start=start, length=length))

        return _Ranges(f"{self.name}/{path}", size, read)

    def names(self, folder: str) -> list[str] | None:
        """Return the sorted names below a prefix."""
        found = self._obstore.list_with_delimiter(self._store, f"{folder}/" if folder else None)
        paths = [item["path"] for item in found["objects"]] + list(found["common_prefixes"])
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in paths)


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
