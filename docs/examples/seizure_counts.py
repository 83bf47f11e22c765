"""Seizures and files of CHB-MIT as its summaries list them, beside the numbers that PhysioNet states.

CHB-MIT Scalp EEG Database (Shoeb 2009, https://hdl.handle.net/1721.1/54669, doi:10.13026/C2K01R): 198 seizures, 182 of
them in the first 23 cases, which have 664 files, 129 of these with a seizure.

    python docs/examples/seizure_counts.py FOLDER     (with the files chbNN-summary.txt)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from connectome.pipelines.formats.seizures.chbmit_summary import Summary, read_summary

LATER = "chb24"
"""Added after the database was described: PhysioNet's counts of files leave it out."""


def counts(summaries: Sequence[Summary]) -> dict[str, float]:
    """Return how many cases, files and seizures there are, and how long the seizures last together."""
    files = [file for summary in summaries for file in summary.files]
    seizures = [seizure for file in files for seizure in file.seizures]
    return {
        "cases": len(summaries),
        "files": len(files),
        "files_with_a_seizure": sum(bool(file.seizures) for file in files),
        "seizures": len(seizures),
        "seizure_s": sum((one.offset_s or one.onset_s) - one.onset_s for one in seizures),
    }


def run(folder: Path) -> dict[str, dict[str, float]]:
    """Return the counts of all cases, and of those that PhysioNet's description counts."""
    summaries = [read_summary(path) for path in sorted(folder.rglob("chb*-summary.txt"))]
    return {
        "all": counts(summaries),
        f"without {LATER}": counts([summary for summary in summaries if summary.case != LATER]),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args(argv)
    sys.stdout.write(json.dumps(run(args.folder), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
