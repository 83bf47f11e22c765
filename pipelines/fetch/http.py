"""Download one file over HTTP: bounded, checked, resumed with ``Range`` and ``If-Range`` (RFC 9110, sections 13, 14).

The client is httpx with its defaults, so proxies and certificates come from the environment. Names of servers and
URLs reach error messages and logs only with their credentials hidden.
"""

from __future__ import annotations

import email.utils
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from connectome.errors import ChecksumError, FetchError

from .checks import redacted
from .locks import Interrupted

if TYPE_CHECKING:
    from ..jobs import RemoteFile
    from .cache import Partial
    from .patience import Patience

__all__ = ["download", "open_client"]

MAX_REDIRECTS = 10
_PASSING = {408, 425, 429}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_ENOUGH_BYTES = 1 << 20
"""An attempt that brought this much is progress: failures are counted anew after it."""


class _Passing(Exception):  # noqa: N818 - a reason to try again, never seen outside
    """Something that may be over at the next attempt."""

    def __init__(self, reason: str, *, delay_s: float | None = None, short: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay_s = delay_s
        self.short = short
        """Whether the server ended the body as if it were whole, too early."""


@contextmanager
def open_client(*, timeout_s: float, max_connections: int) -> Iterator[httpx.Client]:
    """Open a client that keeps credentials out of the log of httpx, which otherwise prints whole URLs."""
    logger = logging.getLogger("httpx")
    logger.addFilter(_hide_credentials)
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
    try:
        # identity: a compressed transfer has no byte positions of the file, so it cannot be resumed or sized.
        with httpx.Client(timeout=timeout_s, limits=limits, headers={"accept-encoding": "identity"}) as client:
            yield client
    finally:
        logger.removeFilter(_hide_credentials)


def _hide_credentials(record: logging.LogRecord) -> bool:
    """Hide credentials in the arguments of a log line."""
    if isinstance(record.args, tuple):
        record.args = tuple(redacted(str(item)) if isinstance(item, httpx.URL) else item for item in record.args)
    return True


def download(
    client: httpx.Client,
    remote: RemoteFile,
    url: str,
    partial: Partial,
    *,
    patience: Patience,
    stop: threading.Event,
    wait: Callable[[float], Any] | None = None,
) -> None:
    """Fill ``partial`` with the file at ``url``, resuming what it holds.

    A file that comes with a checksum is pieced together from as many answers as it takes; if the result is wrong it is
    fetched once more from the start. One that comes without a checksum is pieced together only within this call, and
    only while the server says that it is the same file.

    Parameters
    ----------
    client : httpx.Client
        From :func:`open_client`.
    remote : RemoteFile
        What was promised.
    url : str
        Where to get it: the home of the file or a mirror.
    partial : Partial
        Where to put it. Left in place when the server fails, removed when its bytes are wrong.
    patience : Patience
        Timeouts and retries.
    stop : threading.Event
        Set it to end soon.
    wait : callable, optional
        Called with the seconds to wait before a retry; waits on ``stop`` when left out.

    Raises
    ------
    ChecksumError
        When size or checksum of what the server offers are not those promised.
    FetchError
        When the server refuses, redirects in circles or to a less safe place, or keeps failing.
    Interrupted
        When ``stop`` was set.
    """
    if remote.sha256 is None and remote.md5 is None:
        partial.restart()
    transfer = _Transfer(client, remote, url, partial, stop)
    failures = 0
    furthest = partial.size_bytes
    while True:
        try:
            transfer.attempt()
            if transfer.settle():
                return
        except _Passing as failure:
            if partial.size_bytes - furthest >= _ENOUGH_BYTES:
                failures = 0
            furthest = max(furthest, partial.size_bytes)
            failures += 1
            if failures > patience.retries:
                raise transfer.given_up(failure, failures) from failure
            delay_s = patience.first_delay_s * 2 ** (failures - 1) if failure.delay_s is None else failure.delay_s
            (wait or stop.wait)(min(delay_s, patience.longest_delay_s))


class _Transfer:
    """The attempts at one file."""

    def __init__(
        self, client: httpx.Client, remote: RemoteFile, url: str, partial: Partial, stop: threading.Event
    ) -> None:
        self.client = client
        self.remote = remote
        self.url = url
        self.partial = partial
        self.stop = stop
        self.pieced = partial.size_bytes > 0
        self.started_over = False

    def attempt(self) -> None:
        """Ask once, for all or for the rest, and take what comes."""
        if self.stop.is_set():
            raise Interrupted
        offset = self.partial.size_bytes
        if offset and offset == self.remote.size_bytes:
            return
        if offset and not self._may_resume():
            self.partial.restart()
            offset = 0
        try:
            with self._answer(offset) as answer:
                self._take(answer, offset)
        except httpx.HTTPError as error:
            raise self._passing_or_fatal(error) from error
        except httpx.InvalidURL as error:
            raise self._refused("the URL is not valid", found=str(error)) from error

    def settle(self) -> bool:
        """Compare what is here with the promise; False means to go on from the start."""
        size = self.remote.size_bytes
        if size is not None and self.partial.size_bytes < size:
            raise _Passing(f"the file ended after {self.partial.size_bytes} of {size} bytes", short=True)
        try:
            self.partial.finish()
        except ChecksumError as error:
            if self.pieced and not self.started_over:
                self.started_over = True
                self.pieced = False
                self.partial.restart()
                return False
            self.partial.discard()
            error.place = redacted(self.url)
            raise
        return True

    def given_up(self, failure: _Passing, attempts: int) -> FetchError:
        """Return what to raise when no retry is left."""
        if failure.short:
            self.partial.discard()
            return self._wrong_size(f"{self.partial.size_bytes} bytes")
        return FetchError(
            f"the server kept failing, {attempts} attempts without progress",
            subject=self.remote.path,
            place=redacted(self.url),
            expected="the whole file" if self.remote.size_bytes is None else f"{self.remote.size_bytes} bytes",
            found=f"{failure.reason}; {self.partial.size_bytes} bytes are here",
            hint="run again: what has arrived is kept and the rest is asked for",
        )

    def _may_resume(self) -> bool:
        """Whether the bytes that are here can be continued: someone must be able to tell if the file has changed."""
        has_checksum = self.remote.sha256 is not None or self.remote.md5 is not None
        return has_checksum or _strong_validator(self.partial.validators) is not None

    @contextmanager
    def _answer(self, offset: int) -> Iterator[httpx.Response]:
        """Send the request, follow redirects, and hand out the answer with its body unread."""
        headers = {}
        if offset:
            headers["range"] = f"bytes={offset}-"
            validator = _strong_validator(self.partial.validators)
            if validator is not None:
                headers["if-range"] = validator
        request = self.client.build_request("GET", self.url, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self.client.send(request, stream=True, follow_redirects=False)
            if answer.next_request is None:
                try:
                    yield answer
                finally:
                    answer.close()
                return
            answer.close()
            if request.url.scheme == "https" and answer.next_request.url.scheme != "https":
                raise self._refused(
                    "the server redirects from https to an unprotected address",
                    found=redacted(str(answer.next_request.url)),
                )
            request = answer.next_request
        raise self._refused(
            "the server redirects in circles", expected=f"at most {MAX_REDIRECTS} redirects", found=str(request.url)
        )

    def _take(self, answer: httpx.Response, offset: int) -> None:
        """Judge the status and the headers of an answer, then write its body."""
        status = answer.status_code
        validators = {name: answer.headers[name] for name in ("etag", "last-modified") if name in answer.headers}
        if status == httpx.codes.PARTIAL_CONTENT and offset:
            total = self._continued(answer, offset, validators)
            self.pieced = True
        elif status == httpx.codes.OK:
            # The server ignored the range, or the file has changed: this is the whole of it.
            total = _content_length(answer)
            self.pieced = False
            self.partial.restart(validators, total=total)
        elif status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            self._nothing_left(answer, offset)
            return
        elif status in _PASSING or answer.is_server_error:
            raise _Passing(f"HTTP {status} {answer.reason_phrase}", delay_s=_retry_after(answer))
        else:
            raise self._refused("the server does not give the file", found=f"HTTP {status} {answer.reason_phrase}")
        self._check_headers(answer, total)
        for block in answer.iter_raw():
            self.partial.write(block)
            if self.stop.is_set():
                raise Interrupted
            if self.remote.size_bytes is not None and self.partial.size_bytes > self.remote.size_bytes:
                self.partial.discard()
                raise self._wrong_size(f"more, stopped after {self.partial.size_bytes} bytes")
        if total is not None and self.partial.size_bytes < total:
            raise _Passing(f"the connection ended after {self.partial.size_bytes} of {total} bytes")

    def _continued(self, answer: httpx.Response, offset: int, validators: Mapping[str, str]) -> int | None:
        """Check that a partial answer continues what is here; return the size of the whole file if it says so."""
        known = self.partial.validators
        changed = any(known[name] != validators[name] for name in known.keys() & validators.keys())
        match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        if changed or match is None or int(match[1]) != offset:
            self.partial.restart()
            raise _Passing("the file changed on the server" if changed else "the server sent another range", delay_s=0)
        return None if match[3] == "*" else int(match[3])

    def _nothing_left(self, answer: httpx.Response, offset: int) -> None:
        """Handle a server that says the file has no bytes beyond those that are here."""
        if answer.headers.get("content-range", "") != f"bytes */{offset}":
            self.partial.restart()
            raise _Passing("the file on the server is shorter than what is here", delay_s=0)
        if self.remote.size_bytes is not None and offset < self.remote.size_bytes:
            self.partial.discard()
            raise self._wrong_size(f"{offset} bytes, says the server")

    def _check_headers(self, answer: httpx.Response, total: int | None) -> None:
        """Refuse bodies that cannot be the file, before reading them."""
        size = self.remote.size_bytes
        if size is not None and total is not None and total > size:
            self.partial.discard()
            raise self._wrong_size(f"{total} bytes announced by the server")
        encoding = answer.headers.get("content-encoding", "identity").lower()
        is_gzip = encoding in {"gzip", "x-gzip"} and self.remote.path.endswith((".gz", ".tgz"))
        if encoding != "identity" and not is_gzip:
            raise self._refused("the server sends the file re-encoded", expected="identity", found=encoding)
        framed = total is not None or "chunked" in answer.headers.get("transfer-encoding", "").lower()
        if not framed and size is None and self.remote.sha256 is None and self.remote.md5 is None:
            raise self._refused(
                "neither the server nor the source says how long the file is, so a cut could not be noticed",
                expected="a size or a checksum in the source, or Content-Length",
            )

    def _passing_or_fatal(self, error: httpx.HTTPError) -> Exception:
        """Tell failures of the moment from those that no retry mends."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self._refused("the server's certificate is not trusted", found=cause.verify_message)
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)) or not isinstance(
            error, httpx.TransportError
        ):
            return self._refused("the request cannot be made", found=redacted(str(error)))
        return _Passing(f"{type(error).__name__}: {redacted(str(error))}")

    def _refused(self, message: str, *, expected: str | None = None, found: str | None = None) -> FetchError:
        """Return an error that no retry mends."""
        return FetchError(
            message,
            subject=self.remote.path,
            place=redacted(self.url),
            expected=expected,
            found=None if found is None else redacted(found),
            hint="check the address in a browser, or take the file from a copy with --mirror",
        )

    def _wrong_size(self, found: str) -> ChecksumError:
        """Return the error for a server whose file is not as long as promised."""
        return ChecksumError(
            "the bytes are not those that were promised (size)",
            subject=self.remote.path,
            place=redacted(self.url),
            expected=f"{self.remote.size_bytes} bytes",
            found=found,
            hint="the publisher changed the file, or the server lies about its size",
        )


def _strong_validator(validators: Mapping[str, str]) -> str | None:
    """Return what ``If-Range`` may carry: a strong ETag, else the date (RFC 9110, section 13.1.5)."""
    etag = validators.get("etag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return validators.get("last-modified")


def _content_length(answer: httpx.Response) -> int | None:
    """Return the announced length of the body."""
    value = answer.headers.get("content-length", "")
    return int(value) if value.isdecimal() else None


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds that the server asks to wait, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
