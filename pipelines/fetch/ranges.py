"""One file over HTTP, of which only the parts that are asked for are fetched, all of one and the same file.

Range requests (RFC 9110, section 14) in whole blocks: a bounded cache holds them, reads that follow one another fetch
ahead. Every request after the first carries ``If-Match`` or ``If-Unmodified-Since`` where the server gives a validator
(section 13.1), and every answer's ``Content-Range``, length and validators are compared with what is known, so a file
that changes on the server is an error and never a mixture. A file that is not read whole cannot be compared with a
checksum of the whole: :meth:`RangedFile.told` says what was read instead, with a SHA-256 of every range.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
from collections import OrderedDict
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx

from connectome.errors import FetchError, NotFoundError, UsageError

from .checks import redacted
from .http import open_client
from .patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BLOCK_BYTES", "RangedFile", "RangedStream", "is_url"]

BLOCK_BYTES = 64 << 10
"""Unit of requests, of the cache and of checksums. Smaller ones fetch less around scattered metadata, and cost more
requests."""
CACHE_BYTES = 64 << 20
MOST_AHEAD_BYTES = 1 << 20
"""Longest stretch fetched before it is asked for; it doubles with every request that follows the one before."""
MOST_ASKED_BYTES = 8 << 20
"""Longest range of one request."""
MAX_REDIRECTS = 10
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_PASSING = {408, 425, 429}


class _Passing(Exception):  # noqa: N818 - a reason to try again, never seen outside
    """Something that may be over at the next attempt."""


def is_url(text: object) -> bool:
    """Tell whether a text is an address that can be read by ranges."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


class RangedFile:
    """A file behind ``http(s)://``; it stands where a reader takes a path and opens it itself.

    Handles and cache belong to the process: a copy in another one fetches for itself.

    Parameters
    ----------
    url : str
        Where it is.
    path : str, optional
        What it is called in records; default the last part of the address.
    patience : Patience
        Timeouts and retries.
    block_bytes, cache_bytes : int
        Unit of requests, and limit of what is held.

    Raises
    ------
    UsageError
        When the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        path: str | None = None,
        patience: Patience | None = None,
        block_bytes: int = BLOCK_BYTES,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        if not is_url(url):
            raise UsageError("not an address to read by ranges", subject=redacted(str(url)), expected="http(s)://...")
        self.url = url
        self.path = path or unquote(PurePosixPath(urlsplit(url).path).name) or "file"
        self.block_bytes, self.cache_bytes = block_bytes, cache_bytes
        self._patience = patience or Patience()
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._stack = ExitStack()
        self._client: httpx.Client | None = None
        self._size: int | None = None
        self._validators: dict[str, str] = {}
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._hashes: dict[int, bytes] = {}
        self._next, self._ahead = -1, 0
        self.n_requests = 0
        self.bytes_fetched = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "path": self.path, "block_bytes": self.block_bytes,
                "cache_bytes": self.cache_bytes, "_patience": self._patience}  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __str__(self) -> str:
        return redacted(self.url)

    def __repr__(self) -> str:
        return f"RangedFile({str(self)!r})"

    @property
    def name(self) -> str:
        """Name of the file."""
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        """Name without the last suffix."""
        return PurePosixPath(self.path).stem

    def is_file(self) -> bool:
        """Return True: an address stands for a file."""
        return True

    def is_dir(self) -> bool:
        """Return False."""
        return False

    def open(self, mode: str = "rb") -> RangedStream:
        """Return a stream at byte 0; nothing is fetched before it is read."""
        if mode != "rb":
            raise UsageError("a file behind an address is read as bytes", subject=str(self), expected="rb", found=mode)
        return RangedStream(self)

    def close(self) -> None:
        """Close the connection and drop the cache; the counts stay."""
        with self._lock:
            self._stack.close()
            self._client = None
            self._blocks.clear()

    def size(self) -> int:
        """Return the length of the file in bytes.

        Raises
        ------
        FetchError, NotFoundError
            As for :meth:`read`.
        """
        with self._lock:
            if self._size is None:
                self._fetch(0, 1)
            assert self._size is not None
            return self._size

    @property
    def strong(self) -> str:
        """The server's word for just these bytes: a strong ETag, ``""`` where it gives none. After the first answer."""
        etag = self._validators.get("etag", "")
        return "" if etag.startswith("W/") else etag

    @property
    def validators(self) -> dict[str, str]:
        """``etag`` and ``last-modified``, as far as the server gives them. After the first answer."""
        return dict(self._validators)

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``, fewer only where the file ends.

        Raises
        ------
        FetchError
            When the server does not answer ranges, sends another range than asked for, keeps failing, or has another
            file now than at first.
        NotFoundError
            When there is no such file.
        """
        parts = []
        stop = min(start + length, self.size())
        # Taken in stretches, so that what is asked for at once never has to fit the cache.
        for at in range(start, stop, MOST_ASKED_BYTES):
            parts.append(self._stretch(at, min(at + MOST_ASKED_BYTES, stop)))
        return b"".join(parts)

    def _stretch(self, start: int, stop: int) -> bytes:
        with self._lock:
            if self._pid != os.getpid():
                self._forget()
            first, last = start // self.block_bytes, (stop - 1) // self.block_bytes
            missing = list(self._missing(first, last + 1))
            # Taken before anything is fetched, which may push them out of the cache.
            held = {at: self._blocks[at] for at in range(first, last + 1) if at in self._blocks}
            for at in held:
                self._blocks.move_to_end(at)
            for low, high in missing:
                held.update(self._fetch(low, self._reach(low, high)))
            data = b"".join(held[at] for at in range(first, last + 1))
        return data[start - first * self.block_bytes : stop - first * self.block_bytes]

    def _missing(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of blocks that are not in the cache."""
        absent = [at for at in range(first, stop) if at not in self._blocks]
        low = 0
        for at in range(1, len(absent) + 1):
            if at == len(absent) or absent[at] != absent[at - 1] + 1:
                yield absent[low], absent[at - 1] + 1
                low = at

    def _reach(self, low: int, high: int) -> int:
        """Return where to end a request for some blocks: further, if it goes on where the last one ended."""
        follows = low == self._next
        self._ahead = min(max(1, 2 * self._ahead), MOST_AHEAD_BYTES // self.block_bytes) if follows else 0
        n_blocks = -(-self.size() // self.block_bytes)
        while high < min(low + self._ahead, n_blocks) and high not in self._blocks:
            high += 1
        self._next = high
        return high

    def _fetch(self, low: int, high: int) -> dict[int, bytes]:
        """Ask for blocks ``low`` to ``high``, put them into the cache, and return them."""
        data = self._asked(low * self.block_bytes, high * self.block_bytes)
        found = {}
        for at in range(low, high):
            block = data[(at - low) * self.block_bytes : (at - low + 1) * self.block_bytes]
            if not block:
                continue
            digest = hashlib.sha256(block).digest()
            if self._hashes.setdefault(at, digest) != digest:
                raise self._changed(f"other bytes from {at * self.block_bytes} on")
            found[at] = self._blocks[at] = block
        while len(self._blocks) * self.block_bytes > self.cache_bytes:
            self._blocks.popitem(last=False)
        return found

    def _asked(self, start: int, stop: int) -> bytes:
        if self._size is not None:
            stop = min(stop, self._size)
        failures = 0
        while True:
            try:
                return self._answered(start, stop)
            except (_Passing, httpx.TransportError) as failure:
                failures += 1
                told = redacted(f"{type(failure).__name__}: {failure}" if isinstance(failure, httpx.HTTPError)
                                else str(failure))  # fmt: skip
                if failures > self._patience.retries or isinstance(failure, httpx.UnsupportedProtocol):
                    raise self._refused(
                        f"the server kept failing, {failures} attempts at one range", found=told,
                        expected=f"bytes {start} to {stop}",
                    ) from failure  # fmt: skip
                time.sleep(min(self._patience.first_delay_s * 2 ** (failures - 1), self._patience.longest_delay_s))
            except (httpx.HTTPError, httpx.InvalidURL) as failure:
                raise self._refused("the request cannot be made", found=redacted(str(failure))) from failure

    def _answered(self, start: int, stop: int) -> bytes:
        headers = {"range": f"bytes={start}-{stop - 1}"}
        if self.strong:
            headers["if-match"] = self.strong
        elif "last-modified" in self._validators:
            headers["if-unmodified-since"] = self._validators["last-modified"]
        self.n_requests += 1
        with self._sent(headers) as answer:
            status = answer.status_code
            if status in _PASSING or answer.is_server_error:
                raise _Passing(f"HTTP {status} {answer.reason_phrase}")
            if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and self._size is None:
                if answer.headers.get("content-range") != "bytes */0":
                    raise self._refused("the server gives no range of the file", found=f"HTTP {status}")
                self._size = 0
                return b""
            self._judge(answer)
            stop = self._placed(answer, start, stop)
            data = bytearray()
            for part in answer.iter_raw():
                data += part
                self.bytes_fetched += len(part)
                if len(data) > stop - start:
                    raise self._refused(
                        "the server sent more than the range", expected=f"{stop - start} bytes", found="more"
                    )
        if len(data) < stop - start:
            raise _Passing(f"the answer ended after {len(data)} of {stop - start} bytes")
        return bytes(data)

    @contextmanager
    def _sent(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Send the request, follow redirects, and hand out the answer with its body unread."""
        if self._client is None:
            self._client = self._stack.enter_context(open_client(timeout_s=self._patience.timeout_s, max_connections=4))
        request = self._client.build_request("GET", self.url, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._client.send(request, stream=True, follow_redirects=False)
            try:
                if answer.next_request is None:
                    yield answer
                    return
                target = answer.next_request
            finally:
                answer.close()
            if request.url.scheme == "https" and target.url.scheme != "https":
                raise self._refused(
                    "the server redirects from https to an unprotected address", found=redacted(str(target.url))
                )
            request = target
        raise self._refused("the server redirects in circles", expected=f"at most {MAX_REDIRECTS} redirects")

    def _judge(self, answer: httpx.Response) -> None:
        """Refuse answers that are no part of the file that was read before."""
        status = answer.status_code
        if status == httpx.codes.PRECONDITION_FAILED:
            raise self._changed("the server has another one now")
        if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
            raise NotFoundError("no such file", subject=self.path, place=str(self), found=f"HTTP {status}")
        if status == httpx.codes.OK:
            raise self._refused("the server does not answer range requests", expected="HTTP 206", found="HTTP 200")
        if status != httpx.codes.PARTIAL_CONTENT:
            raise self._refused("the server does not give the range", expected="HTTP 206",
                                found=f"HTTP {status} {answer.reason_phrase}")  # fmt: skip
        encoding = answer.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise self._refused("the server sends the range re-encoded", expected="identity", found=encoding)
        validators = {name: answer.headers[name] for name in ("etag", "last-modified") if name in answer.headers}
        if self._size is None:
            self._validators = validators
        for name in self._validators.keys() & validators.keys():
            if self._validators[name] != validators[name]:
                raise self._changed(f"{name} {validators[name]}", expected=f"{name} {self._validators[name]}")

    def _placed(self, answer: httpx.Response, start: int, stop: int) -> int:
        """Return where the range of an answer ends; refuse any other than the one that was asked for."""
        told = answer.headers.get("content-range", "")
        match = _RANGE.fullmatch(told)
        if match is None:
            raise self._refused("the server does not say which range it sends", found=told or "no Content-Range")
        total = int(match[3])
        if self._size is not None and total != self._size:
            raise self._changed(f"{total} bytes", expected=f"{self._size} bytes")
        stop = min(stop, total)
        if (int(match[1]), int(match[2])) != (start, stop - 1):
            raise self._refused("the server sent another range", expected=f"bytes {start}-{stop - 1}", found=told)
        self._size = total
        return stop

    def _refused(self, message: str, *, expected: str | None = None, found: str | None = None) -> FetchError:
        return FetchError(
            message, subject=self.path, place=str(self), expected=expected, found=found,
            hint="fetch the file whole: leave out --remote ranges",
        )  # fmt: skip

    def _changed(self, found: str, *, expected: str | None = None) -> FetchError:
        return FetchError(
            "the file changed on the server while it was read", subject=self.path, place=str(self), expected=expected,
            found=found, hint="run again: nothing was kept of the parts that were read",
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        """Return what was read, for the record's provenance.

        Returns
        -------
        dict
            ``path``, ``url`` (without credentials), ``validators``, ``bytes_of_source``, ``bytes_fetched`` (of
            different bytes), ``block_bytes`` and ``ranges``: a list of ``[start, stop, digest]``, where the digest is
            the SHA-256 (hex) of the SHA-256 of the range's blocks of ``block_bytes``, one after another.
        """
        with self._lock:
            size, step = self.size(), self.block_bytes
            ranges: list[list[Any]] = []
            blocks = sorted(self._hashes)
            low = 0
            for at in range(1, len(blocks) + 1):
                if at == len(blocks) or blocks[at] != blocks[at - 1] + 1:
                    digest = hashlib.sha256(b"".join(self._hashes[one] for one in blocks[low:at])).hexdigest()
                    ranges.append([blocks[low] * step, min((blocks[at - 1] + 1) * step, size), digest])
                    low = at
            return {
                "path": self.path,
                "url": str(self),
                "validators": dict(sorted(self._validators.items())),
                "bytes_of_source": size,
                "bytes_fetched": sum(stop - start for start, stop, _ in ranges),
                "block_bytes": step,
                "ranges": ranges,
            }


class RangedStream(io.RawIOBase):
    """A position in a :class:`RangedFile`."""

    def __init__(self, file: RangedFile) -> None:
        super().__init__()
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        base = 0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self._file.size()
        if base + offset < 0:
            raise OSError("negative seek position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        data = self._file.read(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
