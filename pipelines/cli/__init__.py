"""The ``connectome`` command: one module per verb, imported only when its verb is used.

Every verb has ``--json`` (one JSON document on standard output and nothing else) and ``--root``; human text and
progress go to standard error. Exit code 0: fine, 1: a problem was found, 2: wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from connectome import __version__
from connectome.errors import ConnectomeError, UsageError

from .output import Output

__all__ = ["VERBS", "main"]

VERBS: dict[str, tuple[str, str]] = {
    "list": ("list_", "list the datasets of the catalogue and of the store"),
    "search": ("search", "search the catalogue"),
    "show": ("show", "show one dataset or version"),
    "cite": ("cite", "say how to cite a dataset"),
    "plan": ("plan", "say what an ingest would do, and why"),
    "ingest": ("ingest", "bring a dataset of the catalogue into the store"),
    "import": ("import_", "bring your own files into the store"),
    "facts": ("facts", "print the measured facts of records"),
    "report": ("report", "write a page with facts and pictures of a dataset"),
    "verify": ("verify", "hash every byte and check every schema and fact again"),
    "log": ("log", "list the versions of a dataset"),
    "diff": ("diff", "say what differs between two versions, and why"),
    "tag": ("tag", "give a version a name"),
    "split": ("split", "make, prove and store a split"),
    "export": ("export", "write a record in another format"),
    "privacy": ("privacy", "list fields that may say who somebody is"),
    "publish": ("publish", "build what the Hugging Face Hub needs, and push it"),
    "pull": ("pull", "copy a version from another store"),
    "gc": ("gc", "remove files that no version refers to"),
    "doctor": ("doctor", "check the installation and the store"),
}
"""Verb to its module below this package and its line of help."""


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that wrong usage can be reported as JSON too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, subject=self.prog, hint=f"{self.prog} --help")


class _VerbParser(_Parser):
    """Imports its verb when it is asked to parse, so that `--help` costs no more than argparse."""

    verb: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        if self.verb is not None:
            _module(self.verb).configure(self)
            self.verb = None
        return super().parse_known_args(args, namespace)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except BrokenPipeError:
        # The reader of our output has gone. What is still in the buffer would fail again when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    output = Output(json="--json" in arguments)
    try:
        args = _parse(arguments)
        output = Output(json=args.json, quiet=args.quiet)
        code: int = _module(args.verb).run(args, output)
    except ConnectomeError as error:
        output.error(error)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        raise
    except OSError as error:
        # A full disk, a folder that may not be written to: nothing that the verb could foresee.
        output.error(ConnectomeError(error.strerror or str(error), subject=str(error.filename or "the system")))
        return 1
    except KeyboardInterrupt:
        output.note("interrupted; run the command again to go on from here")
        return 130
    return code


def _module(verb: str) -> Any:
    return import_module(f"{__name__}.{VERBS[verb][0]}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="connectome",
        description="Neural recordings and connectomes in one audited, versioned, chunked form.",
        epilog="Example: connectome ingest celegans-connectomes --mirror FOLDER",
    )
    parser.add_argument("--version", action="version", version=f"connectome {__version__}")
    _common(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_VerbParser)
    for verb, (_, line) in VERBS.items():
        sub = verbs.add_parser(verb, help=line, description=line[0].upper() + line[1:] + ".")
        sub.verb = verb
        _common(sub)
    args = parser.parse_args(arguments)
    for name, default in (("root", None), ("json", False), ("quiet", False)):
        if not hasattr(args, name):
            setattr(args, name, default)
    return args


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="the store (default: CONNECTOME_ROOT, else your data folder)",
    )
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")
    parser.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress on standard error")
