"""``connectome privacy``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.errors import NotFoundError

if TYPE_CHECKING:
    from ..privacy import Audit
    from .output import Output

MOST_LINES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("--record", action="append", default=[], metavar="ID", help="may be repeated; default all")
    parser.add_argument("--show", action="store_true", help="print the values; otherwise they are hidden")


def run(args: argparse.Namespace, output: Output) -> int:
    """List what may say who somebody is; 1 when something identifies people."""
    from connectome.store import open_version

    from ..privacy import audit_version

    version = open_version(args.spec, root=args.root)
    absent = [name for name in args.record if name not in version.manifest.records]
    if absent:
        raise NotFoundError("no such record in this version", subject=absent[0], place=version.spec)
    found = audit_version(version, records=args.record or None)
    output.result(found.as_dict(show=args.show), _describe(found, show=args.show))
    return 1 if found.sure or "present" in found.faces.values() else 0


def _describe(found: Audit, *, show: bool) -> str:
    lines = []
    for item in found.findings[:MOST_LINES]:
        value = item.value if show else item.masked
        lines.append(f"{item.record}  {item.place}  {item.kind}{'' if item.sure else '?'}  {value}")
    if len(found.findings) > MOST_LINES:
        lines.append(f"... and {len(found.findings) - MOST_LINES:,} more; --json prints all")
    states: dict[str, int] = {}
    for state in found.faces.values():
        states[state] = states.get(state, 0) + 1
    if states:
        lines.append("faces: " + ", ".join(f"{state} in {count}" for state, count in sorted(states.items())))
    unsure = sum(not item.sure for item in found.findings)
    lines.append(f"{len(found.sure)} fields identify people; {unsure} (with ?) have to be looked at")
    return "\n".join(lines)
