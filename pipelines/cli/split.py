"""``connectome split``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from connectome.display.text import table_text

from . import split_of_trials, split_task

if TYPE_CHECKING:
    from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("spec", metavar="DATASET", help="the new version follows its latest one")
    parser.add_argument(
        "--by", metavar="COLUMNS", help="columns of groups (subject, ...); or time, trials, links, vessel-classes"
    )
    parser.add_argument("--fractions", metavar="P=F,...", help="for example train=0.8,val=0.1,test=0.1")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which groups are placed (default: 0)")
    parser.add_argument("--name", default="default", help="name of the split in the version")
    parser.add_argument("--stratify", metavar="COLUMNS", help="columns that every part should hold alike")
    parser.add_argument("--folds", type=int, dest="n_folds", metavar="K", help="folds instead of fractions")
    parser.add_argument("--gap-s", type=float, metavar="S", help="guard gap in seconds, for --by time or trials")
    parser.add_argument("--order", choices=("forward", "shuffled"), help="for --by time or trials")
    parser.add_argument("--blocks", type=int, dest="n_blocks", metavar="N", help="blocks per record, for both")
    parser.add_argument("--block-s", type=float, metavar="S", help="length of a block, for --by time")
    parser.add_argument("--clock", metavar="COLUMN", help="records alike in it share a time axis, for --by time")
    parser.add_argument("--weigh", metavar="COLUMN", help="fractions of its sum instead of the number of groups")
    parser.add_argument("--anew", action="store_true", help="replace a stored split of that name by another plan")
    parser.add_argument("--missing", choices=("error", "own-group"), default="error", help="records without a group")
    parser.add_argument(
        "--missing-stratum", choices=("error", "own-stratum"), default="error",
        help="records without a stratum, with --stratify",
    )  # fmt: skip
    parser.add_argument("--linked", action="append", default=[], metavar="A=B", help="two groups that are one animal")
    parser.add_argument("--published", metavar="COLUMN", help="take the parts that the source publishes")
    parser.add_argument("--dry-run", action="store_true", help="make and prove it, but store nothing")
    split_of_trials.configure(parser)
    split_task.configure(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Make a split, prove it, and store it in a new version."""
    split_task.refuse_others(args)
    if args.by in split_task.TASKS:
        return split_task.run(args, output)
    if args.by == split_task.TRIALS:
        return split_of_trials.run(args, output)
    from connectome.splits import Split, plan_from_options, prove
    from connectome.store import Repository
    from connectome.store.index import index_of

    repository = Repository(args.root)
    manifest = repository.find(args.spec)
    index = index_of(manifest)
    plan = plan_from_options(
        by=args.by, fractions=args.fractions, seed=args.seed, stratify=args.stratify, gap_s=args.gap_s,
        order=args.order, n_blocks=args.n_blocks, n_folds=args.n_folds, missing=args.missing, linked=args.linked,
        published=args.published, block_s=args.block_s, clock=args.clock, weigh=args.weigh,
        missing_stratum=args.missing_stratum,
    )  # fmt: skip
    stored = manifest.splits.get(args.name)
    same = split_of_trials.is_same(stored, plan, subject=f"{manifest.dataset}: {args.name}", anew=args.anew)
    split = plan.assign(index, Split.from_dict(stored) if same and stored is not None else None, name=args.name)
    proof = prove(split, index)
    version = manifest.version
    if not args.dry_run:
        splits = {**manifest.splits, args.name: split.as_dict()}
        version = repository.commit(manifest.dataset, [], splits=splits, keep_others=True).manifest.version
    document = {
        "dataset": manifest.dataset,
        "version": version,
        "name": args.name,
        "digest": split.digest,
        "plan": plan.as_dict(),
        "sizes": {part: len(split.records(part)) for part in split.parts},
        "records": {part: split.records(part) for part in split.parts},
        "proof": proof.as_dict(),
    }
    rows = [(part, len(split.records(part)), ", ".join(split.records(part)[:6])) for part in split.parts]
    text = f"{manifest.dataset}@{version}: split {args.name}\n\n{table_text(('part', 'records', ''), rows)}\n\n{proof}"
    output.result(document, text)
    return 0
