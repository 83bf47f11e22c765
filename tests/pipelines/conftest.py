"""Fixtures of the tests of pipelines: servers on loopback."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def load_support(name: str) -> ModuleType:
    """Import a module of ``tests/support``, which is not on the import path."""
    known = f"tests_support_{name}"
    if known not in sys.modules:
        file = Path(__file__).resolve().parent.parent / "support" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(known, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the proxies of the machine: the servers are on loopback."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def http_server(no_proxies: None) -> Iterator[Any]:
    """A real HTTP server that misbehaves when told to (``tests/support/http_server.py``)."""
    server = load_support("http_server").HttpServer()
    yield server
    server.close()


@pytest.fixture
def http_proxy(no_proxies: None) -> Iterator[Any]:
    """A real forward proxy on loopback."""
    proxy = load_support("http_server").HttpProxy()
    yield proxy
    proxy.close()


@pytest.fixture
def https_server(no_proxies: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The HTTP server behind TLS; its certificate is trusted for the length of the test."""
    certificates = load_support("certificates")
    files = certificates.self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    server = load_support("http_server").HttpServer(tls=files)
    yield server
    server.close()
