"""``connectome split DATASET --by trials``: parts that share no spike. Part of the verb ``split``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectome.display.text import table_text
from connectome.errors import UsageError

if TYPE_CHECKING:
    from connectome.splits import Plan, TrialSplit

    from .output import Output

__all__ = ["configure", "is_same", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options that go with trials."""
    group = parser.add_argument_group("trials of a table", "with --by trials")
    group.add_argument("--trials", metavar="PATH", help="the table in every record (default: trials)")
    group.add_argument("--align", metavar="COLUMN", help="column of the moments (default: start_time)")
    group.add_argument("--before-s", type=float, metavar="S", help="what is read before the moment (default: 0)")
    group.add_argument("--after-s", type=float, metavar="S", help="what is read after it")
    group.add_argument("--until", metavar="COLUMN", help="column with the end of each trial, instead of --after-s")
    group.add_argument(
        "--history-s", type=float, metavar="S",
        help="what a model looks at before that (default: 0). The default of --gap-s is history and window together",
    )  # fmt: skip
    group.add_argument("--keep", metavar="COLUMNS", help="keep trials together that are alike in these columns")
    group.add_argument("--repeats-of", metavar="COLUMN", help="count its presentations as column 'repeat', for --keep")
    group.add_argument("--labels", metavar="COLUMNS", help="count their values in every part")


def run(args: argparse.Namespace, output: Output) -> int:
    """Make a split of trials, prove it, and store it with its proof in a new version."""
    from connectome.splits import Split, split_trials
    from connectome.store import Repository, open_version

    repository = Repository(args.root)
    manifest = repository.find(args.spec)
    version = open_version(f"{manifest.dataset}@{manifest.version}", root=args.root)
    plan = _plan(args, version)
    stored = manifest.splits.get(args.name)
    same = is_same(stored, plan, subject=f"{manifest.dataset}: {args.name}", anew=args.anew)
    previous = Split.from_dict(stored) if same and stored is not None else None
    split, proof, table = split_trials(version, plan, name=args.name, previous=previous)
    number = manifest.version
    if not args.dry_run:
        splits = {**manifest.splits, args.name: {**split.as_dict(), "proof": proof.as_dict()}}
        number = repository.commit(manifest.dataset, [], splits=splits, keep_others=True).manifest.version
    document = {
        "dataset": manifest.dataset,
        "version": number,
        "name": args.name,
        "digest": split.digest,
        "plan": plan.as_dict(),
        "sizes": dict(proof.n_trials),
        "records": {part: split.records(part) for part in split.parts},
        "rows_left_out": dict(table.left_out),
        "proof": proof.as_dict(),
    }
    rows = [(part, n, proof.n_records[part]) for part, n in proof.n_trials.items()]
    counted = table_text(("part", "trials", "records"), rows)
    output.result(document, f"{manifest.dataset}@{number}: split {args.name}\n\n{counted}\n\n{proof}")
    return 0


def is_same(stored: Mapping[str, Any] | None, plan: Plan, *, subject: str, anew: bool) -> bool:
    """Return whether a split is stored that this plan made.

    Raises
    ------
    UsageError
        When another plan made the one that is stored, and it is not to be made anew.
    """
    same = stored is not None and dict(stored["plan"]) == plan.as_dict()
    if stored is not None and not same and not anew:
        raise UsageError(
            "a split of that name is stored with another plan; making it anew moves what is in its parts",
            subject=subject,
            hint="give another --name, or --anew",
        )
    return same


def _plan(args: argparse.Namespace, version: Any) -> TrialSplit:
    from connectome.splits import Fractions, TrialSplit, TrialWindows, read_trials

    keep, labels = _listed(args.keep), _listed(args.labels)
    given = {
        "table": args.trials, "align": args.align, "before_s": args.before_s, "after_s": args.after_s,
        "until": args.until, "history_s": args.history_s, "repeats_of": args.repeats_of,
        "columns": tuple(dict.fromkeys((*keep, *labels))),
    }  # fmt: skip
    windows = TrialWindows(**{name: value for name, value in given.items() if value is not None})
    gap_s = windows.history_s + read_trials(version, windows).longest_s if args.gap_s is None else args.gap_s
    return TrialSplit(
        fractions=Fractions.parse(args.fractions) if args.fractions else None,
        n_folds=args.n_folds,
        gap_s=gap_s,
        by=keep or None,
        order=args.order or ("forward" if args.n_blocks is None else "shuffled"),
        n_blocks=args.n_blocks,
        seed=args.seed,
        windows=windows,
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(item.strip() for item in text.split(","))
