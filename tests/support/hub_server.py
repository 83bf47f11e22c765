"""A server on loopback that speaks the part of the Hugging Face Hub's protocol that an upload and a download need.

It keeps repositories in memory and every commit in order, checks the bearer token, stores large files by their
SHA-256 as git LFS does, and answers range requests. It is no mock: ``huggingface_hub`` talks to it over HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from support.loopback import Loopback

LARGE_SUFFIXES = (".zip", ".parquet")


@dataclass
class Commit:
    """One commit as it arrived."""

    message: str
    added: dict[str, bytes]
    deleted: list[str]


@dataclass
class Dataset:
    """A dataset repository."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """Name of the newest commit."""
        return hashlib.sha1(str(len(self.commits)).encode(), usedforsecurity=False).hexdigest()


class HubServer(Loopback):
    """The server; ``large`` says how files of ``LARGE_SUFFIXES`` are to be sent: ``"lfs"`` or ``"regular"``."""

    def __init__(self, *, token: str, large: str = "lfs") -> None:
        self.token, self.large = token, large
        self.datasets: dict[str, Dataset] = {}
        self.objects: dict[str, bytes] = {}
        self.refuse_commits_after: int | None = None
        self.lock = threading.Lock()
        self.serve(ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)))


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            self._read(with_body=True)

        def do_HEAD(self) -> None:
            self._read(with_body=False)

        def do_PUT(self) -> None:
            data = self._body()
            oid = self.path.rpartition("/")[2]
            good = hashlib.sha256(data).hexdigest() == oid
            if good:
                hub.objects[oid] = data
            self._answer({}, status=200 if good else 400)

        def do_POST(self) -> None:
            data = self._body()
            path = unquote(urlsplit(self.path).path)
            if self.headers.get("authorization") != f"Bearer {hub.token}":
                self._answer({"error": "Invalid credentials"}, status=401)
                return
            with hub.lock:
                self._post(path, data)

        def _post(self, path: str, data: bytes) -> None:
            if path == "/api/repos/create":
                self._create(json.loads(data))
            elif path == "/api/validate-yaml":
                self._answer({"errors": [], "warnings": []})
            elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/preupload/main", path):
                self._preupload(hub.datasets[match[1]], json.loads(data))
            elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
                self._batch(json.loads(data))
            elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/commit/main", path):
                self._commit(match[1], [json.loads(line) for line in data.splitlines()])
            else:
                self._answer({"error": f"no such endpoint: {path}"}, status=404)

        def _create(self, asked: dict[str, Any]) -> None:
            name = f"{asked['organization']}/{asked['name']}"
            known = name in hub.datasets
            hub.datasets.setdefault(name, Dataset(bool(asked.get("private")) or asked.get("visibility") == "private"))
            url = f"{hub.url}/datasets/{name}"
            self._answer({"url": url, "name": name, "id": name}, status=409 if known else 200)

        def _preupload(self, dataset: Dataset, asked: dict[str, Any]) -> None:
            def mode(path: str) -> str:
                return hub.large if path.endswith(LARGE_SUFFIXES) else "regular"

            del dataset
            files = [
                {"path": item["path"], "uploadMode": mode(item["path"]), "shouldIgnore": False}
                for item in asked["files"]
            ]
            self._answer({"files": files})

        def _batch(self, asked: dict[str, Any]) -> None:
            objects = []
            for item in asked["objects"]:
                action = {"upload": {"href": f"{hub.url}/lfs/{item['oid']}", "header": {}}}
                known = item["oid"] in hub.objects
                objects.append({"oid": item["oid"], "size": item["size"], **({} if known else {"actions": action})})
            self._answer({"transfer": "basic", "objects": objects})

        def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
            dataset = hub.datasets[name]
            if hub.refuse_commits_after is not None and len(dataset.commits) >= hub.refuse_commits_after:
                self._answer({"error": "try later"}, status=503)
                return
            commit = Commit("", {}, [])
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    commit.message = value["summary"]
                elif line["key"] == "file":
                    commit.added[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    commit.added[value["path"]] = hub.objects[value["oid"]]
                elif line["key"] == "deletedFile":
                    commit.deleted.append(value["path"])
            for path in commit.deleted:
                del dataset.files[path]
            dataset.files.update(commit.added)
            dataset.commits.append(commit)
            url = f"{hub.url}/datasets/{name}/commit/{dataset.sha}"
            self._answer({"success": True, "commitUrl": url, "commitOid": dataset.sha, "hookOutput": ""})

        def _read(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            match = re.fullmatch(r"/(?:api/)?datasets/([^/]+/[^/]+)(/.*)?", path)
            dataset = hub.datasets.get(match[1]) if match else None
            if match is None or dataset is None:
                self._answer({"error": "Repository not found"}, status=404, more={"x-error-code": "RepoNotFound"})
                return
            rest = match[2] or ""
            tree = re.fullmatch(r"/tree/[^/]+(?:/(?P<below>.+))?", rest)
            if path.startswith("/api/") and tree:
                below = f"{tree['below'].rstrip('/')}/" if tree["below"] else ""
                files = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha256(data).hexdigest()[:40]}
                    for name, data in sorted(dataset.files.items())
                    if name.startswith(below)
                ]
                if below and not files:
                    self._answer({"error": "Entry not found"}, status=404, more={"x-error-code": "EntryNotFound"})
                    return
                self._answer(files)
            elif path.startswith("/api/"):
                self._answer({"id": match[1], "sha": dataset.sha, "private": dataset.private, "siblings": []})
            else:
                self._file(dataset, re.sub(r"^/resolve/[^/]+/", "", rest), with_body=with_body)

        def _file(self, dataset: Dataset, path: str, *, with_body: bool) -> None:
            data = dataset.files.get(path)
            if data is None:
                self._answer({"error": "Entry not found"}, status=404, more={"x-error-code": "EntryNotFound"})
                return
            more = {
                "etag": f'"{hashlib.sha256(data).hexdigest()}"',
                "x-repo-commit": dataset.sha,
                "accept-ranges": "bytes",
            }
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
            status = 200
            if asked:
                start, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else len(data), len(data))
                more["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
                data, status = data[start:stop], 206
            self._send(data, status, more, with_body=with_body)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def _answer(self, value: Any, *, status: int = 200, more: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            headers = {"content-type": "application/json", **(more or {})}
            self._send(data, status, headers, with_body=self.command != "HEAD")

        def _send(self, data: bytes, status: int, headers: dict[str, str], *, with_body: bool) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if with_body:
                self.wfile.write(data)

    return Handler
