"""How much three epilepsy datasets hold, before a signal is fetched, beside what is published of them.

- CHB-MIT Scalp EEG Database (Shoeb 2009, https://hdl.handle.net/1721.1/54669, doi:10.13026/C2K01R), from its summaries:
  198 seizures, 182 of them in the first 23 cases, which have 664 files, 129 of these with a seizure.
- HUP iEEG (OpenNeuro ds004100, doi:10.18112/openneuro.ds004100.v1.1.3), from the list of its source here: 57 subjects,
  319 runs, 25.7179 h as EEGDash 0.9.1 counts them.
- The fragility dataset (OpenNeuro ds003029, doi:10.18112/openneuro.ds003029.v1.0.5): 35 subjects, 106 runs, 8.2088 h.

    python docs/examples/seizure_counts.py FOLDER     (with the files chbNN-summary.txt)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectome.pipelines.formats.seizures.chbmit_summary import Summary, read_summary
from connectome.pipelines.sources.listed import listed_rows

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


def hours(dataset: str) -> dict[str, Any]:
    """Return how many subjects and runs an OpenNeuro dataset has, their hours, and runs by rate in hertz."""
    runs = [row for row in listed_rows(f"{dataset}-signals") if row["duration_s"]]
    rates = Counter(f"{float(row['rate_hz']):g}" for row in runs)
    return {
        "subjects": len({row["path"].partition("/")[0] for row in runs}),
        "runs": len(runs),
        "hours": sum(float(row["duration_s"]) for row in runs) / 3600,
        "rates_hz": dict(sorted(rates.items(), key=lambda item: (-item[1], float(item[0])))),
    }


def run(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the counts of all cases, and of those that PhysioNet's description counts; then those of the others."""
    summaries = [read_summary(path) for path in sorted(folder.rglob("chb*-summary.txt"))]
    return {
        "all": counts(summaries),
        f"without {LATER}": counts([summary for summary in summaries if summary.case != LATER]),
        "ds004100": hours("ds004100"),
        "ds003029": hours("ds003029"),
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
