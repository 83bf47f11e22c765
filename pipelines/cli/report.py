"""``connectome report``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import NotFoundError

if TYPE_CHECKING:
    from .output import Output

MOST_RECORDS = 10
"""Records on a page unless some are named."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET[@VERSION]", help="NAME, NAME@1.2.0, NAME@1 or NAME@TAG")
    parser.add_argument("dest", metavar="FILE.html", help="the page that is written; it holds its pictures")
    parser.add_argument(
        "--record", action="append", default=[], metavar="ID", help="may be repeated; default the first 10"
    )
    parser.add_argument("--by", metavar="COLUMN", help="category that names the regions of graphs")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false", help="tables only")


def run(args: argparse.Namespace, output: Output) -> int:
    """Write a page about a version and its records."""
    from connectome.display.cohort import cohort_figures
    from connectome.display.html import version_html
    from connectome.display.plots import preview
    from connectome.display.record import record_html
    from connectome.display.report import Block, Prose, Section, picture, report_html, write_report
    from connectome.store import open_version

    version = open_version(args.spec, root=args.root)
    known = list(version.manifest.records)
    absent = [name for name in args.record if name not in known]
    if absent:
        raise NotFoundError("no such record", subject=absent[0], place=args.spec, expected=", ".join(known[:20]))
    records = args.record or known[:MOST_RECORDS]
    sections = [Section(version.spec, [Block(version_html(version))])]
    if args.pictures and (drawn := cohort_figures(version)):
        sections.append(Section("Cohort", [picture(figure, alt=alt) for alt, figure in drawn.items()]))
    for name in records:
        output.note(f"{name} ...")
        tree = version.open(name)
        figures = preview(tree, title=name) if args.pictures else []
        sections.append(Section(name, [Block(record_html(tree, title=name, by=args.by)), *map(picture, figures)]))
    sections.append(Section("How to cite", [Prose(version.cite())]))
    title = f"{version.manifest.about.get('title', version.dataset)}"
    path = write_report(Path(args.dest), report_html(title, sections, subtitle=version.spec))
    left = len(known) - len(records) if not args.record else 0
    document = {"file": str(path), "dataset": version.dataset, "version": version.version, "records": records}
    rest = f"; {left:,} more records are left out" if left else ""
    output.result(document, f"{path}: {len(records)} record{'' if len(records) == 1 else 's'} of {version.spec}{rest}")
    return 0
