"""Run the blocks of a page in order: ``python run_page.py``, blocks as JSON on standard input, outputs as JSON.

Python blocks share a namespace; a bash block is a script of its own that ends at its first error. Output is what a
reader would see: standard output and standard error as they come.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import subprocess
import sys
import traceback
import warnings
from typing import Any


def run_bash(text: str) -> tuple[str, bool]:
    """Run a script; return its output and whether it went well."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout, done.returncode == 0


def run_python(text: str, place: str, namespace: dict[str, Any]) -> tuple[str, bool]:
    """Execute statements; return their output and whether they went well."""
    page, _, line = place.partition(":")
    text = "\n" * (int(line) - 1) + text
    linecache.cache[page] = (len(text), None, text.splitlines(keepends=True), page)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            exec(compile(text, page, "exec"), namespace)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever went wrong is what the test has to show
            return output.getvalue() + traceback.format_exc(), False
    return output.getvalue(), True


def main() -> None:
    """Run all blocks, or as many as go well."""
    namespace: dict[str, Any] = {"__name__": "__page__"}
    results = []
    warnings.simplefilter("error")
    for block in json.load(sys.stdin):
        if block["language"] == "bash":
            output, ok = run_bash(block["text"])
        else:
            output, ok = run_python(block["text"], block["place"], namespace)
        results.append({"place": block["place"], "output": output, "ok": ok})
        if ok is block["fails"]:
            break
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
